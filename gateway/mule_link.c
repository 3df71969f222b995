#include "gateway/mule_link.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/clock.h"
#include "gateway/log.h"

/* Limits of one link that no site has had to change. */
#define DESTINATIONS_MAX 4096
#define HELD_MAX 64
#define RX_MESSAGES_MAX 1024
#define EVENTS_MAX 1024

static void
on_event(void *ctx, struct link *link, const struct pmul_event *ev)
{
	struct mule_link *l = ctx;

	switch (ev->type) {
	case PMUL_EV_RECEIVED: mule_in_received(l->in, ev); break;
	case PMUL_EV_ACKED:
	case PMUL_EV_GAVE_UP:
	case PMUL_EV_DONE: mule_out_event(l->out, ev); break;
	case PMUL_EV_LOST:
		log_event(GW_LOG_WARN, "mule.lost",
		    "link=%s source=%08" PRIx32 " msid=%" PRIu32,
		    link_name(link), ev->peer, ev->id);
		mule_keep_lost(l->keep, ev->peer, ev->id);
		break;
	case PMUL_EV_EMCON_LEFT: mule_emcon_left(l, ev->peer); break;
	case PMUL_EV_JOIN:
	case PMUL_EV_LEAVE: break; /* link.c has done it */
	}
}

static void
on_active(void *ctx)
{
	struct mule_link *l = ctx;

	mule_keep_active(l->keep);
}

static void
on_voice(void *ctx)
{
	mule_emcon_voice(ctx);
}

static void
pmul_timers(const struct cfg_link *cfg, struct pmul_config *p)
{
	p->ack_retx_us = cfg->ack_retransmission_time_us;
	p->ack_retx_min_us = cfg->ack_retransmission_min_us;
	p->backoff_pct = (uint32_t)cfg->back_off_factor_pct;
	p->backoff_limit_pct = (uint32_t)cfg->back_off_limit_pct;
	p->ack_delay_us = cfg->ack_delay_upper_bound_us;
	p->ack_pdu_us = cfg->ack_pdu_time_us;
	p->ack_pdu_repeats = (uint32_t)cfg->ack_pdu_repeats;
	p->emcon_rtc = (uint32_t)cfg->emcon_rtc;
	p->emcon_rti_us = cfg->emcon_rti_us;
	p->undefined_expiry_us = cfg->undefined_pdu_expiry_time_us;
	p->skew_s = (uint32_t)(cfg->clock_skew_us / 1000000);
	p->rx_lifetime_us = cfg->rx_lifetime_us;
	p->wait_for_reject_us = cfg->wait_for_reject_time_us;
	p->announce_delay_us = cfg->announce_delay_us;
}

static enum pmul_extra
extra_of(enum cfg_extra x)
{
	switch (x) {
	case CFG_EXTRA_NEVER: return PMUL_EXTRA_NEVER;
	case CFG_EXTRA_REPEATS: return PMUL_EXTRA_REPEATS;
	case CFG_EXTRA_ALWAYS: break;
	}
	return PMUL_EXTRA_ALWAYS;
}

static void
pmul_parameters(
    const struct gateway *gw, const struct cfg_link *cfg, struct pmul_config *p)
{
	pmul_config_default(p);
	p->node_id = gw->cfg->node.id;
	(void)!getrandom(&p->seed, sizeof(p->seed), 0);
	p->bit_rate =
	    (uint32_t)(cfg->bit_rate < UINT32_MAX ? cfg->bit_rate : 0);
	p->overhead_bytes = (uint16_t)cfg->overhead;
	p->pdu_max = (uint16_t)cfg->pdu_max;
	p->half_duplex = cfg->half_duplex;
	p->turnaround_us = cfg->turnaround_us;
	p->ranges = cfg->ranges;
	p->timestamp = cfg->timestamp;
	p->extra_address = extra_of(cfg->extra_address);
	p->polls = (uint32_t)cfg->polls;
	p->mm = (uint16_t)cfg->mm;
	pmul_timers(cfg, p);
	p->pool_first = cfg->pool_first;
	p->pool_last = cfg->pool_last;
	p->announce_ct = (uint32_t)cfg->announce_ct;
	p->tx_messages_max = (uint32_t)cfg->max_in_flight;
	p->tx_bytes_max = cfg->max_in_flight_bytes;
	p->destinations_max = DESTINATIONS_MAX;
	p->message_max = (uint32_t)cfg->max_message_size;
	p->rx_messages_max = RX_MESSAGES_MAX;
	p->rx_bytes_max = cfg->max_in_flight_bytes;
	p->held_messages_max = HELD_MAX;
	p->tombstones_max = MULE_TOMBSTONES_MAX;
	/* Every one of them may be flagged. */
	if (gw->cfg->nnodes > p->nodes_max)
		p->nodes_max = (uint32_t)gw->cfg->nnodes;
	p->groups_max = BEARER_DYNAMIC_MAX;
	p->events_max = EVENTS_MAX;
}

static enum bearer_guard
guard_of(const struct cfg_link *cfg)
{
	switch (cfg->emcon_kernel) {
	case CFG_EMCON_KERNEL_REQUIRED: return BEARER_GUARD_REQUIRED;
	case CFG_EMCON_KERNEL_BEST_EFFORT: return BEARER_GUARD_BEST_EFFORT;
	case CFG_EMCON_KERNEL_OFF: break;
	}
	return BEARER_GUARD_OFF;
}

static int
open_link(struct mule_link *l, char *errbuf, size_t errcap)
{
	const struct cfg_link *cfg = l->cfg;
	uint32_t *groups = calloc(cfg->ngroups + 1, sizeof(*groups));
	struct link_config lc = {
		.name = cfg->name,
		.active = on_active,
		.voice = on_voice,
		.bearer = {
			.emulated = cfg->bearer == CFG_BEARER_EMULATED,
			.node_id = l->gw->cfg->node.id,
			.interface = cfg->interface,
			.hub_host = cfg->hub.host,
			.hub_port = (uint16_t)cfg->hub.port,
			.ttl = (uint8_t)cfg->ttl,
			.pdu_max = cfg->pdu_max,
			.ports = { (uint16_t)cfg->tport, (uint16_t)cfg->rport,
			    (uint16_t)cfg->dport, (uint16_t)cfg->aport },
			.groups = groups,
			.ngroups = cfg->ngroups,
			.all_nodes = cfg->gg,
			.silent = l->own.on,
			.receive_only = cfg->receive_only,
			.guard = guard_of(cfg),
		},
	};
	int rc;

	if (groups == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->ngroups; i++)
		groups[i] = cfg->groups[i].address;
	pmul_parameters(l->gw, cfg, &lc.pmul);
	rc = link_open(l->gw->loop, &lc, on_event, l, errbuf, errcap, &l->link);
	free(groups);
	return rc;
}

static void
free_parts(struct mule_link *l)
{
	mule_in_free(&l->in);
	mule_out_free(&l->out);
	mule_keep_free(&l->keep);
	free(l->nodes);
	free(l);
}

int
mule_link_new(struct gateway *gw, const struct cfg_link *cfg, char *errbuf,
    size_t errcap, struct mule_link **ret_l)
{
	struct mule_link *l = calloc(1, sizeof(*l));
	int rc;

	if (l == NULL)
		return -ENOMEM;
	l->gw = gw;
	l->cfg = cfg;
	/* Until it is started. */
	l->starting = true;
	rc = mule_emcon_load(l, errbuf, errcap);
	if (rc == 0)
		rc = mule_in_new(l, &l->in);
	if (rc == 0)
		rc = mule_out_new(l, &l->out);
	if (rc == 0)
		rc = mule_keep_new(l, &l->keep);
	if (rc != 0) {
		free_parts(l);
		return rc;
	}
	*ret_l = l;
	return 0;
}

int
mule_link_open(struct mule_link *l, char *errbuf, size_t errcap)
{
	return open_link(l, errbuf, errcap);
}

int64_t
mule_link_keep_until(const struct mule_link *l, int64_t expiry_s)
{
	int64_t by_clock =
	    expiry_s + (int64_t)(l->cfg->clock_skew_us / 1000000);
	int64_t by_life =
	    clock_wall_s() + (int64_t)(l->cfg->rx_lifetime_us / 1000000);

	/* Without a clock of our own its Expiry_Time says nothing. */
	if (l->cfg->rx_lifetime_us > 0 && by_life > by_clock)
		return by_life;
	return by_clock;
}

/* --- start ------------------------------------------------------------------- */

void
mule_link_start(struct mule_link *l)
{
	mule_emcon_note(l);
	mule_keep_start(l->keep);
}

void
mule_link_restored(struct mule_link *l)
{
	l->starting = false;
	if (l->closed == NULL) {
		mule_emcon_start(l);
		mule_out_start(l->out);
	}
	mule_link_part_idle(l);
}

void
mule_link_work(struct gateway *gw, const char *name)
{
	for (size_t i = 0; i < gw->nlinks; i++)
		if (strcmp(gw->links[i]->cfg->name, name) == 0)
			mule_out_work(gw->links[i]->out);
}

/* --- close --------------------------------------------------------------------- */

static void
release(struct mule_link *l)
{
	void (*closed)(void *) = l->closed;
	void *ctx = l->closed_ctx;

	free_parts(l);
	closed(ctx);
}

static void
on_link_closed(void *ctx)
{
	release(ctx);
}

/*
 * The engine holds what mule_in still unpacks, so it goes only when both parts
 * are idle.
 */
void
mule_link_part_idle(struct mule_link *l)
{
	if (l->closed == NULL || l->link == NULL || l->emcon_commits > 0 ||
	    !mule_in_idle(l->in) || !mule_out_idle(l->out) ||
	    !mule_keep_idle(l->keep))
		return;
	link_close(&l->link, on_link_closed, l);
}

void
mule_link_close(struct mule_link **lp, void (*closed)(void *ctx), void *ctx)
{
	struct mule_link *l = *lp;

	*lp = NULL;
	l->closed = closed;
	l->closed_ctx = ctx;
	/* It never got so far. */
	if (l->link == NULL) {
		release(l);
		return;
	}
	mule_out_drain(l->out);
	mule_in_drain(l->in);
	mule_keep_drain(l->keep);
	mule_link_part_idle(l);
}

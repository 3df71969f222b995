/*
 * The public calls; see engine.h for how the parts fit together.
 */
#include "pmul/engine.h"

#include <assert.h>
#include <stdlib.h>

#include "pmul/ack.h"
#include "pmul/claim.h"
#include "pmul/group.h"
#include "pmul/node.h"
#include "pmul/rx.h"
#include "pmul/turn.h"
#include "pmul/tx.h"

/* --- what the parts share --------------------------------------------------- */

uint64_t
pmul_after(const struct pmul_engine *e, uint64_t us)
{
	uint64_t never = PMUL_MONO_NEVER.us;

	/* A timer that is set always comes before "never". */
	return us < never - 1 - e->now.mono.us ? e->now.mono.us + us
					       : never - 1;
}

uint64_t
pmul_wall_now(const struct pmul_engine *e)
{
	return e->now.wall.s > 0 ? (uint64_t)e->now.wall.s : 0;
}

uint64_t
pmul_expired_at(const struct pmul_engine *e, uint32_t expiry)
{
	return (uint64_t)expiry + e->cfg.skew_s + 1;
}

void
pmul_node_init(
    struct pmul_engine *e, struct pmul_heap_node *n, enum pmul_timer_kind kind)
{
	n->order = e->order++;
	n->kind = kind;
	n->place = 0;
}

/* A monotonic clock that went back is taken to stand still. */
static void
set_clock(struct pmul_engine *e, struct pmul_clock now)
{
	if (now.mono.us > e->now.mono.us)
		e->now.mono = now.mono;
	if (e->now.mono.us >= PMUL_MONO_NEVER.us - 1)
		e->now.mono.us = PMUL_MONO_NEVER.us - 2;
	e->now.wall = now.wall;
}

/* --- making and unmaking ---------------------------------------------------- */

static int
init(struct pmul_engine *e, const struct pmul_config *cfg)
{
	size_t tx = cfg->tx_messages_max, tombs = cfg->tombstones_max;
	size_t tx_all = tx + tombs;
	/* Tombstones that acknowledge, and as many that ignore. */
	size_t rx_all = cfg->rx_messages_max + 2 * tombs;
	struct pmul_prng *prng = &e->prng;
	int rc;

	/* One more of each: the new one comes before the oldest goes. */
	tx_all++;
	rx_all++;
	rc = pmul_heap_init(
	    &e->timers, 2 * tx_all + 3 * rx_all + pmul_group_timers(cfg));
	if (rc == PMUL_OK)
		rc = pmul_heap_init(
		    &e->expiries, tx_all + rx_all + pmul_group_timers(cfg));
	if (rc == PMUL_OK)
		rc = pmul_heap_init(&e->acks, rx_all);
	if (rc == PMUL_OK)
		rc = pmul_heap_init(&e->sends, tx_all);
	if (rc == PMUL_OK)
		rc =
		    pmul_table_init(&e->tx_table, tx_all, pmul_prng_next(prng));
	if (rc == PMUL_OK)
		rc =
		    pmul_table_init(&e->rx_table, rx_all, pmul_prng_next(prng));
	if (rc == PMUL_OK)
		rc = pmul_table_init(
		    &e->peer_table, rx_all, pmul_prng_next(prng));
	/* The keys are the caller's: no secret is needed. */
	if (rc == PMUL_OK)
		rc = pmul_table_init(&e->nodes, cfg->nodes_max, cfg->seed);
	if (rc == PMUL_OK)
		rc = pmul_ring_init(
		    &e->events, (size_t)cfg->events_max + cfg->rx_messages_max);
	if (rc == PMUL_OK)
		rc = pmul_group_init(e);
	e->scratch = malloc(cfg->pdu_max);
	return e->scratch != NULL ? rc : PMUL_ENOMEM;
}

int
pmul_engine_new(const struct pmul_config *cfg, struct pmul_engine **ret_e)
{
	struct pmul_engine *e;
	int rc = pmul_config_check(cfg, NULL);

	if (rc != PMUL_OK)
		return rc;
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return PMUL_ENOMEM;
	e->cfg = *cfg;
	TAILQ_INIT(&e->tx_over);
	TAILQ_INIT(&e->tx_dirty);
	TAILQ_INIT(&e->rx_done);
	TAILQ_INIT(&e->rx_dead);
	TAILQ_INIT(&e->rx_dirty);
	TAILQ_INIT(&e->rx_open);
	TAILQ_INIT(&e->groups.others);
	pmul_prng_init(&e->prng, cfg->seed);
	pmul_pace_init(&e->pace, cfg->bit_rate, cfg->overhead_bytes);
	rc = init(e, cfg);
	if (rc != PMUL_OK) {
		pmul_engine_free(&e);
		return rc;
	}
	*ret_e = e;
	return PMUL_OK;
}

static void
free_messages(struct pmul_engine *e)
{
	struct pmul_table_node *n;

	while ((n = pmul_table_next(&e->tx_table, NULL)) != NULL)
		pmul_tx_free(e, PMUL_CONTAINER(n, struct pmul_tx, node));
	while ((n = pmul_table_next(&e->rx_table, NULL)) != NULL)
		pmul_rx_free(e, PMUL_CONTAINER(n, struct pmul_rx, node));
}

void
pmul_engine_free(struct pmul_engine **ep)
{
	struct pmul_engine *e = *ep;

	if (e == NULL)
		return;
	free_messages(e);
	pmul_claim_free_all(e);
	pmul_group_release_all(e);
	pmul_node_free_all(e);
	pmul_heap_release(&e->timers);
	pmul_heap_release(&e->expiries);
	pmul_heap_release(&e->acks);
	pmul_heap_release(&e->sends);
	pmul_table_release(&e->tx_table);
	pmul_table_release(&e->rx_table);
	pmul_table_release(&e->peer_table);
	pmul_table_release(&e->nodes);
	pmul_ring_release(&e->events);
	free(e->scratch);
	free(e);
	*ep = NULL;
}

/* --- nodes --------------------------------------------------------------------- */

void
pmul_engine_set_emcon(struct pmul_engine *e, struct pmul_clock now, bool on)
{
	set_clock(e, now);
	if (on == e->emcon)
		return;
	e->emcon = on;
	pmul_peer_silence(e, on);
	pmul_group_silence(e, on);
	if (on)
		pmul_claim_silence(e);
	else
		pmul_rx_emcon_ended(e);
}

bool
pmul_engine_emcon(const struct pmul_engine *e)
{
	return e->emcon;
}

int
pmul_engine_set_node(
    struct pmul_engine *e, struct pmul_clock now, const struct pmul_node *n)
{
	if (n->id == 0 || n->id == e->cfg.node_id)
		return PMUL_EINVAL;
	set_clock(e, now);
	return pmul_node_set(e, n);
}

struct pmul_node
pmul_engine_node(const struct pmul_engine *e, uint32_t id)
{
	return pmul_node_get(e, id);
}

/* --- outgoing messages ------------------------------------------------------- */

int
pmul_engine_submit(
    struct pmul_engine *e, struct pmul_clock now, const struct pmul_submit *s)
{
	struct pmul_clock before = e->now;
	int rc;

	set_clock(e, now);
	rc = pmul_tx_submit(e, s);
	if (rc != PMUL_OK)
		e->now = before;
	return rc;
}

int
pmul_engine_cancel(struct pmul_engine *e, struct pmul_clock now, uint32_t msid)
{
	set_clock(e, now);
	return pmul_tx_cancel(e, msid);
}

bool
pmul_engine_next_tx_saved(struct pmul_engine *e, struct pmul_tx_saved *ret_s)
{
	const struct pmul_tx *tx = pmul_tx_next_dirty(e);

	if (tx == NULL)
		return false;
	ret_s->msid = tx->node.msid;
	ret_s->rounds = tx->rounds;
	ret_s->emcon_rounds = tx->silents;
	return true;
}

/* --- PDUs in ----------------------------------------------------------------- */

static int
dispatch(struct pmul_engine *e, const struct pmul_addr *from,
    const struct pmul_pdu *pdu)
{
	switch (pdu->type) {
	case PMUL_DATA: return pmul_rx_data(e, pdu);
	case PMUL_ADDRESS:
	case PMUL_EXTRA_ADDRESS: return pmul_rx_address(e, pdu);
	case PMUL_DISCARD: return pmul_rx_discard(e, pdu);
	case PMUL_ACK: return pmul_tx_ack(e, pdu);
	case PMUL_ANNOUNCE: return pmul_group_announced(e, pdu);
	case PMUL_REQUEST: return pmul_group_requested(e, from, pdu);
	case PMUL_REJECT: pmul_claim_rejected(e, pdu); return PMUL_OK;
	case PMUL_RELEASE: pmul_group_released(e, pdu); return PMUL_OK;
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: return pmul_rx_fec(e, pdu);
	}
	return PMUL_ETYPE;
}

static int
accept_pdu(struct pmul_engine *e, const struct pmul_addr *from,
    const struct pmul_pdu *pdu)
{
	struct pmul_peer *peer;
	int rc;

	/* A Reject_PDU echoes the requester; NTNU writes the originator into
	 * some Acks: see tx_ack.c. */
	if (pdu->source == e->cfg.node_id && pdu->type != PMUL_ACK &&
	    pdu->type != PMUL_REJECT)
		return PMUL_EOWN;
	if (e->events.count >= e->cfg.events_max)
		return PMUL_EBUSY;
	rc = dispatch(e, from, pdu);
	if (rc != PMUL_OK)
		return rc;
	e->counters.pdus_in++;
	e->counters.bytes_in += pdu->length;
	pmul_turn_heard(e, pdu);
	peer = pmul_peer_find(e, pdu->source);
	if (peer != NULL && pdu->type != PMUL_ACK && pdu->type != PMUL_REJECT) {
		peer->heard_at_us = e->now.mono.us;
		if (from != NULL)
			peer->addr = *from;
	}
	return PMUL_OK;
}

static void
count_refusal(struct pmul_counters *c, int err)
{
	switch (err) {
	case PMUL_EMALFORMED: c->malformed++; break;
	case PMUL_ECHECKSUM: c->checksum++; break;
	case PMUL_EOWN: c->own++; break;
	case PMUL_ETYPE: c->type++; break;
	case PMUL_ETOOBIG: c->toobig++; break;
	case PMUL_EBUSY: c->busy++; break;
	case PMUL_EEXPIRED: c->expired++; break;
	case PMUL_EUNSUPPORTED: c->unsupported++; break;
	case PMUL_ENOMEM: c->nomem++; break;
	default: break;
	}
}

int
pmul_engine_input(struct pmul_engine *e, struct pmul_clock now,
    const struct pmul_addr *from, const void *buf, size_t len)
{
	struct pmul_clock before = e->now;
	struct pmul_pdu pdu;
	int rc = pmul_pdu_decode(buf, len, &pdu);

	set_clock(e, now);
	if (rc == PMUL_OK)
		rc = accept_pdu(e, from, &pdu);
	if (rc != PMUL_OK) {
		count_refusal(&e->counters, rc);
		e->now = before;
	}
	return rc;
}

/* --- timers ------------------------------------------------------------------ */

static void
expire(struct pmul_engine *e, struct pmul_heap_node *n)
{
	if (n->kind == PMUL_TIMER_TX)
		pmul_tx_expire(e, PMUL_CONTAINER(n, struct pmul_tx, expiring));
	else if (n->kind == PMUL_TIMER_USE)
		pmul_group_expire(e, n);
	else
		pmul_rx_expire(e, PMUL_CONTAINER(n, struct pmul_rx, expiring));
}

static void
fire(struct pmul_engine *e, struct pmul_heap_node *n)
{
	switch ((enum pmul_timer_kind)n->kind) {
	case PMUL_TIMER_TX:
		pmul_tx_timer(e, PMUL_CONTAINER(n, struct pmul_tx, timer));
		break;
	case PMUL_TIMER_SILENCE:
		pmul_tx_silence(e, PMUL_CONTAINER(n, struct pmul_tx, silence));
		break;
	case PMUL_TIMER_RX:
		pmul_rx_timer(e, PMUL_CONTAINER(n, struct pmul_rx, timer));
		break;
	case PMUL_TIMER_LIFE:
		pmul_rx_expire(e, PMUL_CONTAINER(n, struct pmul_rx, expiring));
		break;
	case PMUL_TIMER_PEER:
		pmul_peer_timer(e, PMUL_CONTAINER(n, struct pmul_peer, timer));
		break;
	case PMUL_TIMER_CLAIM:
		pmul_claim_timer(
		    e, PMUL_CONTAINER(n, struct pmul_claim, timer));
		break;
	case PMUL_TIMER_USE: pmul_group_expire(e, n); break;
	case PMUL_TIMER_AGE: pmul_group_age(e, n); break;
	case PMUL_TIMER_REJECT: pmul_group_reject_timer(e, n); break;
	}
}

void
pmul_engine_tick(struct pmul_engine *e, struct pmul_clock now)
{
	struct pmul_heap_node *n;

	set_clock(e, now);
	/* Expiry first: a message that expires is not sent again. */
	while ((n = pmul_heap_top(&e->expiries)) != NULL &&
	       n->key <= pmul_wall_now(e))
		expire(e, n);
	while (
	    (n = pmul_heap_top(&e->timers)) != NULL && n->key <= e->now.mono.us)
		fire(e, n);
}

/* When something may leave. */
static uint64_t
next_pdu_at(const struct pmul_engine *e)
{
	struct pmul_heap_node *n = pmul_heap_top(&e->sends);
	uint64_t at = pmul_pace_end(&e->pace, e->now.mono).us, turn;
	bool group = pmul_claim_goes_first(e);

	if (e->emcon)
		return PMUL_MONO_NEVER.us;
	if (pmul_heap_top(&e->acks) != NULL ||
	    pmul_heap_top(&e->groups.rejects) != NULL)
		return at;
	if (n == NULL && !group)
		return PMUL_MONO_NEVER.us;
	turn = pmul_turn_at(
	    e, group ? NULL : PMUL_CONTAINER(n, struct pmul_tx, sending));
	return turn > at ? turn : at;
}

struct pmul_mono
pmul_engine_deadline(const struct pmul_engine *e)
{
	const struct pmul_heap_node *n;
	uint64_t best = PMUL_MONO_NEVER.us, at;

	n = pmul_heap_top(&e->timers);
	if (n != NULL)
		best = n->key;
	n = pmul_heap_top(&e->expiries);
	if (n != NULL) {
		/* Should the wall clock be set meanwhile, the tick at this
		 * time sees it and we look again. */
		at = n->key > pmul_wall_now(e) ? n->key - pmul_wall_now(e) : 0;
		at = at < UINT64_MAX / 1000000 ? at * 1000000 : UINT64_MAX;
		at = pmul_after(e, at);
		best = at < best ? at : best;
	}
	at = next_pdu_at(e);
	best = at < best ? at : best;
	return (struct pmul_mono){ best };
}

/* --- PDUs out ---------------------------------------------------------------- */

static size_t
next_answer(
    struct pmul_engine *e, struct pmul_where *where, void *buf, size_t cap)
{
	struct pmul_heap_node *n;
	size_t len = 0;

	while (len == 0 && (n = pmul_heap_top(&e->acks)) != NULL)
		len =
		    pmul_peer_ack(e, PMUL_CONTAINER(n, struct pmul_peer, ready),
			where, buf, cap);
	if (len > 0)
		e->counters.acks_out++;
	else
		len = pmul_group_put(e, where, buf, cap);
	if (len > 0)
		pmul_pace_sent(&e->pace, e->now.mono, len);
	return len;
}

static size_t
next_send(
    struct pmul_engine *e, struct pmul_where *where, void *buf, size_t cap)
{
	struct pmul_heap_node *n = pmul_heap_top(&e->sends);
	struct pmul_tx *tx;
	size_t len;

	if (pmul_claim_goes_first(e))
		return pmul_claim_put(e, where, buf, cap);
	if (n == NULL)
		return 0;
	tx = PMUL_CONTAINER(n, struct pmul_tx, sending);
	if (e->now.mono.us < pmul_turn_at(e, tx))
		return 0;
	len = pmul_tx_put(e, tx, where, buf, cap);
	assert(len > 0);
	pmul_pace_sent(&e->pace, e->now.mono, len);
	pmul_tx_settle(e, tx);
	return len;
}

bool
pmul_engine_next_pdu(struct pmul_engine *e, struct pmul_clock now,
    struct pmul_where *where, void *buf, size_t cap, size_t *ret_len)
{
	size_t len;

	assert(cap >= e->cfg.pdu_max);
	pmul_engine_tick(e, now);
	if (e->emcon || pmul_pace_next(&e->pace).us > e->now.mono.us)
		return false;
	len = next_answer(e, where, buf, cap);
	if (len == 0)
		len = next_send(e, where, buf, cap);
	if (len == 0)
		return false;
	e->counters.pdus_out++;
	e->counters.bytes_out += len;
	*ret_len = len;
	return true;
}

/* --- events ------------------------------------------------------------------ */

bool
pmul_engine_next_event(struct pmul_engine *e, struct pmul_event *ret_ev)
{
	struct pmul_rx *rx;

	if (!pmul_ring_pop(&e->events, ret_ev))
		return false;
	if (ret_ev->type == PMUL_EV_RECEIVED) {
		rx = pmul_rx_find(e, ret_ev->peer, ret_ev->id);
		assert(rx != NULL && rx->state == PMUL_RX_COMPLETE);
		ret_ev->from = rx->peer->addr;
		rx->fetched = true;
	}
	return true;
}

int
pmul_engine_stored(
    struct pmul_engine *e, struct pmul_clock now, uint32_t source, uint32_t id)
{
	struct pmul_rx *rx = pmul_rx_find(e, source, id);

	set_clock(e, now);
	/* What has not been fetched cannot have been stored. */
	if (rx == NULL || rx->state != PMUL_RX_COMPLETE || !rx->fetched)
		return PMUL_ENOTFOUND;
	pmul_rx_stored(e, rx);
	return PMUL_OK;
}

int
pmul_engine_restore_tombstone(struct pmul_engine *e, struct pmul_clock now,
    const struct pmul_tombstone *t)
{
	set_clock(e, now);
	return t->expiry.s > 0 ? pmul_rx_restore(e, t) : PMUL_OK;
}

bool
pmul_engine_next_rx_saved(struct pmul_engine *e, struct pmul_rx_saved *ret_s)
{
	return pmul_rx_next_saved(e, ret_s);
}

int
pmul_engine_restore_rx(
    struct pmul_engine *e, struct pmul_clock now, const struct pmul_rx_saved *s)
{
	struct pmul_clock before = e->now;
	int rc;

	set_clock(e, now);
	rc = pmul_rx_resume(e, s);
	if (rc != PMUL_OK)
		e->now = before;
	return rc;
}

bool
pmul_engine_ack_delay(
    struct pmul_engine *e, uint32_t source, const struct pmul_mono *at)
{
	struct pmul_peer *peer = pmul_peer_find(e, source);

	if (peer == NULL || peer->timer.place == 0)
		return false;
	if (at != NULL)
		pmul_heap_put(&e->timers, &peer->timer, at->us);
	return true;
}

/* --- looking inside ---------------------------------------------------------- */

void
pmul_engine_counters(const struct pmul_engine *e, struct pmul_counters *ret_c)
{
	*ret_c = e->counters;
}

void
pmul_engine_gauges(const struct pmul_engine *e, struct pmul_gauges *ret_g)
{
	*ret_g = e->gauges;
}

size_t
pmul_engine_tx_progress(const struct pmul_engine *e, uint32_t msid,
    uint32_t *ret_total, uint32_t *ret_sent, uint32_t *ret_rounds,
    struct pmul_tx_progress *d, size_t cap)
{
	const struct pmul_tx *tx = pmul_tx_find(e, msid);

	if (tx == NULL)
		return 0;
	*ret_total = tx->total;
	*ret_sent = tx->sent;
	*ret_rounds = tx->rounds > 0 ? tx->rounds - 1 : 0;
	for (size_t i = 0; i < tx->ndests && i < cap; i++) {
		d[i].id = tx->dests[i].id;
		d[i].heard = tx->dests[i].heard;
		d[i].emcon = tx->dests[i].emcon;
		d[i].complete = tx->dests[i].complete;
		d[i].missing = tx->dests[i].missing.count;
	}
	return tx->ndests;
}

static void
rx_progress(const struct pmul_rx *rx, struct pmul_rx_progress *p)
{
	const struct pmul_gather *g = rx->g;
	bool complete = rx->state == PMUL_RX_COMPLETE;

	p->source = rx->node.source;
	p->id = rx->node.msid;
	p->priority = rx->priority;
	p->total = g->total;
	p->have = complete ? g->total : g->store.have.count;
	p->bytes = complete ? g->len : g->store.bytes;
}

size_t
pmul_engine_rx_progress(
    const struct pmul_engine *e, struct pmul_rx_progress *p, size_t cap)
{
	struct pmul_table_node *n = NULL;
	const struct pmul_rx *rx;
	size_t count = 0;

	while ((n = pmul_table_next(&e->rx_table, n)) != NULL) {
		rx = PMUL_CONTAINER(n, struct pmul_rx, node);
		if (rx->g == NULL)
			continue;
		if (count < cap)
			rx_progress(rx, &p[count]);
		count++;
	}
	return count;
}

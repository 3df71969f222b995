/*
 * The glue between engine, bearer and loop; see link.h.
 *
 * pump() is all of it: carry out what the engine wants, then sleep until its
 * deadline.  Event handlers may call back into link_submit() or link_stored();
 * a pump inside a pump only asks the outer one to go round again.
 */
#include "gateway/link.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/clock.h"
#include "gateway/log.h"

/*
 * While the bearer is full: look so often, whatever the engine wants, because
 * messages expire all the same.
 */
#define STUCK_MS 100

struct link {
	char *name;
	struct pmul_engine *engine;
	struct bearer *bearer;
	uv_timer_t timer;
	link_event_cb *event;
	link_active_cb *active;
	link_voice_cb *voice;
	void *ctx;
	uint8_t *pdu; /* pdu_max octets */
	size_t pdu_max;
	/* A PDU the bearer could not take yet; it goes before any other. */
	struct pmul_where stuck_where;
	size_t stuck_len;
	bool stuck;
	bool emcon; /* ordered; the engine is also silent while muted */
	bool pumping, again;
	uint64_t dropped; /* datagrams refused by the engine */
	uint64_t unsent;  /* datagrams the bearer lost */
	struct log_limit drop_limit, unsent_limit;
	unsigned open; /* handles and bearers not yet closed */
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static void pump(struct link *l);

static void
on_timer(uv_timer_t *t)
{
	pump(t->data);
}

static void
on_writable(void *ctx)
{
	pump(ctx);
}

static void
arm(struct link *l, struct pmul_mono now)
{
	struct pmul_mono at = pmul_engine_deadline(l->engine);
	uint64_t ms;

	if (at.us == PMUL_MONO_NEVER.us) {
		uv_timer_stop(&l->timer);
		return;
	}
	/* Round up: waking 1 ms early would only spin. */
	ms = at.us <= now.us ? 0 : (at.us - now.us + 999) / 1000;
	if (l->stuck && ms < STUCK_MS)
		ms = STUCK_MS;
	/* The loop's idea of now is as old as its last poll. */
	uv_update_time(l->timer.loop);
	uv_timer_start(&l->timer, on_timer, ms, 0);
}

/* False while the bearer is full. */
static bool
send_pdu(struct link *l, const struct pmul_where *where, size_t len,
    struct pmul_mono now)
{
	int rc = bearer_send(l->bearer, where, l->pdu, len);

	l->stuck = rc == -EAGAIN;
	if (l->stuck) {
		l->stuck_where = *where;
		l->stuck_len = len;
		return false;
	}
	if (rc != 0) {
		l->unsent++;
		if (log_allowed(&l->unsent_limit, now))
			log_event(GW_LOG_WARN, "link.unsent",
			    "link=%s why=\"%s\" total=%" PRIu64, l->name,
			    strerror(-rc), l->unsent);
	}
	return true;
}

static void
send_all(struct link *l, struct pmul_clock now)
{
	struct pmul_where where;
	bool sent = false;
	size_t len;

	if (l->stuck && !send_pdu(l, &l->stuck_where, l->stuck_len, now.mono))
		return;
	while (pmul_engine_next_pdu(
	    l->engine, now, &where, l->pdu, l->pdu_max, &len)) {
		sent = true;
		if (!send_pdu(l, &where, len, now.mono))
			break;
	}
	if (sent)
		l->active(l->ctx);
}

/* Dynamic groups are between engine and bearer. */
static void
on_event(struct link *l, const struct pmul_event *ev)
{
	int rc;

	if (ev->type == PMUL_EV_LEAVE) {
		bearer_leave(l->bearer, ev->group);
		return;
	}
	if (ev->type != PMUL_EV_JOIN) {
		l->event(l->ctx, l, ev);
		return;
	}
	rc = bearer_join(l->bearer, ev->group);
	if (rc != 0)
		log_event(GW_LOG_WARN, "link.join",
		    "link=%s group=%08" PRIx32 " source=%08" PRIx32
		    " msid=%" PRIu32 " why=\"%s\"",
		    l->name, ev->group, ev->peer, ev->id, strerror(-rc));
}

static void
pump(struct link *l)
{
	struct pmul_clock now = clock_now();
	struct pmul_event ev;

	if (l->pumping) {
		l->again = true;
		return;
	}
	l->pumping = true;
	do {
		l->again = false;
		pmul_engine_tick(l->engine, now);
		while (pmul_engine_next_event(l->engine, &ev))
			on_event(l, &ev);
		send_all(l, now);
		now = clock_now();
	} while (l->again);
	l->pumping = false;
	arm(l, now.mono);
}

static void
on_datagram(
    void *ctx, const struct pmul_addr *from, const void *buf, size_t len)
{
	struct link *l = ctx;
	struct pmul_clock now = clock_now();
	int rc = pmul_engine_input(l->engine, now, from, buf, len);

	/* Hearing ourselves is how multicast works, not worth a line. */
	if (rc != 0 && rc != PMUL_EOWN) {
		l->dropped++;
		if (log_allowed(&l->drop_limit, now.mono))
			log_event(GW_LOG_WARN, "pmul.drop",
			    "link=%s why=\"%s\" octets=%zu total=%" PRIu64,
			    l->name, pmul_strerror(rc), len, l->dropped);
	}
	if (rc == 0)
		l->active(l->ctx);
	pump(l);
}

/* --- silence -------------------------------------------------------------- */

enum bearer_voice
link_voice(const struct link *l, int *ret_why)
{
	return bearer_voice(l->bearer, ret_why);
}

void
link_look_again(struct link *l)
{
	int why;
	bool silent = l->emcon || link_voice(l, &why) == BEARER_MUTED;

	if (silent != pmul_engine_emcon(l->engine))
		pmul_engine_set_emcon(l->engine, clock_now(), silent);
	pump(l);
}

static void
on_voice(void *ctx)
{
	struct link *l = ctx;

	link_look_again(l);
	l->voice(l->ctx);
}

/* The engine before the kernel on the way in, the kernel first on the way out:
 * so nothing is made that could not leave, and nothing said that is lost. */
int
link_set_emcon(struct link *l, bool on)
{
	int rc;

	l->emcon = on;
	if (on) {
		l->stuck = false;
		link_look_again(l);
		return bearer_silence(l->bearer, true);
	}
	rc = bearer_silence(l->bearer, false);
	link_look_again(l);
	return rc;
}

int
link_silence_try(struct link *l)
{
	return bearer_silence_try(l->bearer);
}

bool
link_shared(const struct link *l, const uint32_t *addresses, size_t n,
    char *why, size_t cap)
{
	return bearer_shared(l->bearer, addresses, n, why, cap);
}

/* --- opening and closing ------------------------------------------------ */

static void
release(struct link *l)
{
	pmul_engine_free(&l->engine);
	free(l->pdu);
	free(l->name);
	free(l);
}

static void
part_closed(struct link *l)
{
	void (*closed)(void *) = l->closed;
	void *ctx = l->closed_ctx;

	if (--l->open > 0)
		return;
	release(l);
	if (closed != NULL)
		closed(ctx);
}

static void
timer_closed(uv_handle_t *h)
{
	part_closed(h->data);
}

static void
bearer_closed(void *ctx)
{
	part_closed(ctx);
}

int
link_open(uv_loop_t *loop, const struct link_config *cfg, link_event_cb *event,
    void *ctx, char *errbuf, size_t errcap, struct link **ret_l)
{
	struct link *l = calloc(1, sizeof(*l));
	struct bearer_config bearer = cfg->bearer;
	const char *what = "";
	int rc;

	if (l == NULL)
		return PMUL_ENOMEM;
	l->event = event;
	l->active = cfg->active;
	l->voice = cfg->voice;
	l->emcon = true;
	l->ctx = ctx;
	l->pdu_max = cfg->pmul.pdu_max;
	l->pdu = malloc(l->pdu_max);
	l->name = strdup(cfg->name);
	rc = l->pdu == NULL || l->name == NULL ? PMUL_ENOMEM : 0;
	if (rc == 0)
		rc = pmul_config_check(&cfg->pmul, &what);
	if (rc == 0)
		rc = pmul_engine_new(&cfg->pmul, &l->engine);
	if (rc != 0) {
		snprintf(errbuf, errcap, "link %s: %s %s", cfg->name,
		    pmul_strerror(rc), what);
		release(l);
		return rc;
	}
	pmul_engine_set_emcon(l->engine, clock_now(), true);
	bearer.voice = on_voice;
	rc = bearer_open(loop, &bearer, on_datagram, on_writable, l, errbuf,
	    errcap, &l->bearer);
	if (rc != 0) {
		release(l);
		return rc;
	}
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	l->open = 2;
	*ret_l = l;
	return 0;
}

void
link_close(struct link **lp, void (*closed)(void *ctx), void *ctx)
{
	struct link *l = *lp;

	*lp = NULL;
	if (l == NULL) {
		if (closed != NULL)
			closed(ctx);
		return;
	}
	assert(!l->pumping);
	l->closed = closed;
	l->closed_ctx = ctx;
	uv_close((uv_handle_t *)&l->timer, timer_closed);
	bearer_close(&l->bearer, bearer_closed, l);
}

/* --- passing on ----------------------------------------------------------- */

const char *
link_name(const struct link *l)
{
	return l->name;
}

int
link_submit(struct link *l, const struct pmul_submit *s)
{
	int rc = pmul_engine_submit(l->engine, clock_now(), s);

	pump(l);
	return rc;
}

void
link_stored(struct link *l, uint32_t source, uint32_t id)
{
	/* Not there any more: it expired while the disk was busy. */
	(void)!pmul_engine_stored(l->engine, clock_now(), source, id);
	pump(l);
}

void
link_cancel(struct link *l, uint32_t msid)
{
	(void)!pmul_engine_cancel(l->engine, clock_now(), msid);
	pump(l);
}

int
link_set_node(struct link *l, const struct pmul_node *n)
{
	int rc = pmul_engine_set_node(l->engine, clock_now(), n);

	pump(l);
	return rc;
}

bool
link_next_tx_saved(struct link *l, struct pmul_tx_saved *ret_s)
{
	return pmul_engine_next_tx_saved(l->engine, ret_s);
}

bool
link_next_rx_saved(struct link *l, struct pmul_rx_saved *ret_s)
{
	return pmul_engine_next_rx_saved(l->engine, ret_s);
}

int
link_restore_rx(struct link *l, const struct pmul_rx_saved *s)
{
	int rc = pmul_engine_restore_rx(l->engine, clock_now(), s);

	pump(l);
	return rc;
}

int
link_restore_tombstone(struct link *l, const struct pmul_tombstone *t)
{
	return pmul_engine_restore_tombstone(l->engine, clock_now(), t);
}

const struct pmul_engine *
link_engine(const struct link *l)
{
	return l->engine;
}

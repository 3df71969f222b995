/*
 * The life of an incoming message between the PDUs: how it is made, becomes a
 * tombstone, and ends; its timers, and what an Ack says about it.
 */
#include "pmul/rx_life.h"

#include <assert.h>
#include <stdlib.h>

#include "pmul/ack.h"
#include "pmul/group.h"

struct pmul_rx *
pmul_rx_find(const struct pmul_engine *e, uint32_t source, uint32_t msid)
{
	struct pmul_table_node *n = pmul_table_find(&e->rx_table, source, msid);

	return n != NULL ? PMUL_CONTAINER(n, struct pmul_rx, node) : NULL;
}

/* --- how long -------------------------------------------------------------- */

/* A node without a clock counts lifetimes, the others look at the clock. */
static struct pmul_heap *
lives(struct pmul_engine *e)
{
	return e->cfg.rx_lifetime_us > 0 ? &e->timers : &e->expiries;
}

static uint64_t
lifetime_from(const struct pmul_engine *e, uint64_t us)
{
	uint64_t spare = PMUL_MONO_NEVER.us - 2 - us;

	return us +
	       (e->cfg.rx_lifetime_us < spare ? e->cfg.rx_lifetime_us : spare);
}

void
pmul_rx_live(struct pmul_engine *e, struct pmul_rx *rx)
{
	pmul_heap_put(lives(e), &rx->expiring,
	    e->cfg.rx_lifetime_us > 0 ? lifetime_from(e, rx->heard_at_us)
				      : pmul_expired_at(e, rx->expiry));
}

bool
pmul_rx_is_over(const struct pmul_engine *e, const struct pmul_rx *rx)
{
	return rx->expiring.key <=
	       (e->cfg.rx_lifetime_us > 0 ? e->now.mono.us : pmul_wall_now(e));
}

bool
pmul_rx_too_late(const struct pmul_engine *e, uint32_t expiry)
{
	return e->cfg.rx_lifetime_us == 0 &&
	       pmul_wall_now(e) >= pmul_expired_at(e, expiry);
}

/* A message is ignored for longer: its PDUs may outlive its Expiry_Time. */
static uint64_t
remember_until(const struct pmul_engine *e, const struct pmul_rx *rx)
{
	uint64_t expired = pmul_expired_at(e, rx->expiry);
	uint64_t later =
	    pmul_wall_now(e) + e->cfg.undefined_expiry_us / 1000000 + 1;

	/* The transmitter may go on for as long as it likes: what was last
	 * heard counts, so that nothing is delivered again. */
	if (e->cfg.rx_lifetime_us > 0)
		return lifetime_from(e, e->now.mono.us);
	return rx->state == PMUL_RX_DONE || expired > later ? expired : later;
}

void
pmul_rx_remember(struct pmul_engine *e, struct pmul_rx *rx)
{
	pmul_heap_put(lives(e), &rx->expiring, remember_until(e, rx));
}

/* --- beginning ------------------------------------------------------------- */

int
pmul_rx_new(struct pmul_engine *e, uint32_t source, uint32_t msid,
    struct pmul_rx **ret_rx)
{
	struct pmul_rx *rx = calloc(1, sizeof(*rx));
	int rc;

	if (rx == NULL)
		return PMUL_ENOMEM;
	rc = pmul_peer_join(e, source, &rx->peer);
	if (rc != PMUL_OK) {
		free(rx);
		return rc;
	}
	rx->node.source = source;
	rx->node.msid = msid;
	rx->state = PMUL_RX_FOREIGN;
	pmul_node_init(e, &rx->timer, PMUL_TIMER_RX);
	pmul_node_init(e, &rx->expiring,
	    e->cfg.rx_lifetime_us > 0 ? PMUL_TIMER_LIFE : PMUL_TIMER_RX);
	rx->heard_at_us = e->now.mono.us;
	pmul_table_add(&e->rx_table, &rx->node);
	*ret_rx = rx;
	return PMUL_OK;
}

/* --- room ------------------------------------------------------------------ */

/* The longest a transmitter is silent between two rounds, twice. */
static bool
is_stale(const struct pmul_engine *e, const struct pmul_rx *rx)
{
	uint64_t longest =
	    e->cfg.ack_retx_us / 100 * e->cfg.backoff_limit_pct * 2;

	return e->now.mono.us - rx->g->touched_us > longest;
}

bool
pmul_rx_can_shed(
    const struct pmul_engine *e, const struct pmul_rx *but, uint64_t octets)
{
	const struct pmul_rx *rx;
	uint64_t sum = 0;

	for (rx = TAILQ_FIRST(&e->rx_open); rx != NULL;
	     rx = TAILQ_NEXT(rx, open_link)) {
		if (!is_stale(e, rx))
			return false;
		if (rx == but)
			continue;
		sum += rx->g->store.bytes;
		if (sum >= octets)
			return true;
	}
	return false;
}

static void
push_lost(struct pmul_engine *e, const struct pmul_rx *rx)
{
	struct pmul_event ev = {
		.type = PMUL_EV_LOST,
		.peer = rx->node.source,
		.id = rx->node.msid,
		.priority = rx->priority,
		.seq = rx->g->seq,
		.expiry = { rx->expiry },
	};

	pmul_ring_push(&e->events, &ev);
}

void
pmul_rx_shed(struct pmul_engine *e)
{
	struct pmul_rx *rx;

	while (e->gauges.rx_messages > e->cfg.rx_messages_max ||
	       e->gauges.rx_bytes > e->cfg.rx_bytes_max) {
		rx = TAILQ_FIRST(&e->rx_open);
		assert(rx != NULL && is_stale(e, rx));
		pmul_group_leave(e, rx->node.source, rx->node.msid);
		push_lost(e, rx);
		/* Its event is no longer promised. */
		rx->state = PMUL_RX_LOST;
		pmul_rx_free(e, rx);
	}
}

static void
untouch(struct pmul_engine *e, struct pmul_rx *rx)
{
	if (rx->g->open)
		TAILQ_REMOVE(&e->rx_open, rx, open_link);
	rx->g->open = false;
}

void
pmul_rx_touch(struct pmul_engine *e, struct pmul_rx *rx)
{
	untouch(e, rx);
	rx->g->open = true;
	rx->g->touched_us = e->now.mono.us;
	TAILQ_INSERT_TAIL(&e->rx_open, rx, open_link);
}

void
pmul_rx_immortal(struct pmul_engine *e, struct pmul_rx *rx)
{
	untouch(e, rx);
	pmul_heap_remove(lives(e), &rx->expiring);
}

int
pmul_rx_room(
    const struct pmul_engine *e, const struct pmul_peer *peer, bool held)
{
	const struct pmul_config *cfg = &e->cfg;

	if (e->gauges.rx_messages >= cfg->rx_messages_max &&
	    (held || !pmul_rx_can_shed(e, NULL, 0)))
		return PMUL_EBUSY;
	/* One transmitter may hold half of what all may. */
	if (held && (e->gauges.held_messages >= cfg->held_messages_max ||
			(peer != NULL &&
			    peer->held >= (cfg->held_messages_max + 1) / 2)))
		return PMUL_EBUSY;
	return PMUL_OK;
}

static bool
is_tombstone(const struct pmul_rx *rx)
{
	return rx->g == NULL && rx->expiring.place != 0;
}

static void
unbury(struct pmul_engine *e, struct pmul_rx *rx)
{
	bool done = rx->state == PMUL_RX_DONE;

	TAILQ_REMOVE(done ? &e->rx_done : &e->rx_dead, rx, link);
	if (done)
		e->rx_done_count--;
	else
		e->rx_dead_count--;
	e->gauges.tombstones--;
	pmul_heap_remove(lives(e), &rx->expiring);
}

int
pmul_rx_open(struct pmul_engine *e, struct pmul_rx *rx, bool held)
{
	struct pmul_gather *g = calloc(1, sizeof(*g));
	int rc;

	if (g == NULL)
		return PMUL_ENOMEM;
	/* RECEIVED or LOST. */
	rc = pmul_ring_promise(&e->events, 1);
	if (rc != PMUL_OK) {
		free(g);
		return rc;
	}
	if (is_tombstone(rx))
		unbury(e, rx);
	pmul_store_init(&g->store);
	rx->g = g;
	rx->state = held ? PMUL_RX_HELD : PMUL_RX_GATHERING;
	e->gauges.rx_messages++;
	if (held) {
		e->gauges.held_messages++;
		rx->peer->held++;
		pmul_heap_put(&e->timers, &rx->timer,
		    pmul_after(e, e->cfg.undefined_expiry_us));
	}
	return PMUL_OK;
}

void
pmul_rx_charge(struct pmul_engine *e, struct pmul_rx *rx, size_t len)
{
	e->gauges.rx_bytes += len;
	if (rx->state == PMUL_RX_HELD) {
		e->held_bytes += len;
		rx->peer->held_bytes += len;
	}
}

void
pmul_rx_dirty(struct pmul_engine *e, struct pmul_rx *rx)
{
	if (rx->g->dirty)
		return;
	rx->g->dirty = true;
	TAILQ_INSERT_TAIL(&e->rx_dirty, rx, link);
}

void
pmul_rx_clean(struct pmul_engine *e, struct pmul_rx *rx)
{
	if (rx->g->dirty)
		TAILQ_REMOVE(&e->rx_dirty, rx, link);
	rx->g->dirty = false;
}

/* The message is held no longer; its octets count with the others. */
void
pmul_rx_unhold(struct pmul_engine *e, struct pmul_rx *rx)
{
	e->gauges.held_messages--;
	e->held_bytes -= rx->g->store.bytes;
	rx->peer->held--;
	rx->peer->held_bytes -= rx->g->store.bytes;
	pmul_heap_remove(&e->timers, &rx->timer);
}

/* --- tombstones and the end -------------------------------------------------- */

/* Everything that a tombstone does without. */
static void
close_body(struct pmul_engine *e, struct pmul_rx *rx)
{
	struct pmul_gather *g = rx->g;

	pmul_peer_forgive(e, rx);
	pmul_heap_remove(&e->timers, &rx->timer);
	pmul_heap_remove(lives(e), &rx->expiring);
	if (g == NULL)
		return;
	pmul_rx_clean(e, rx);
	untouch(e, rx);
	if (rx->state == PMUL_RX_HELD)
		pmul_rx_unhold(e, rx);
	e->gauges.rx_messages--;
	e->gauges.rx_bytes -= g->data != NULL ? g->len : g->store.bytes;
	pmul_store_release(&g->store);
	free(g->data);
	free(g);
	rx->g = NULL;
}

void
pmul_rx_free(struct pmul_engine *e, struct pmul_rx *rx)
{
	if (is_tombstone(rx))
		unbury(e, rx);
	if (rx->state == PMUL_RX_HELD || rx->state == PMUL_RX_GATHERING)
		pmul_ring_break(&e->events, 1);
	close_body(e, rx);
	pmul_table_remove(&e->rx_table, &rx->node);
	pmul_peer_leave(e, rx->peer);
	free(rx);
}

/*
 * The oldest go first, those that acknowledge and those that ignore apart: a
 * flood of messages for others must not make us forget what we delivered.
 */
static void
make_room(struct pmul_engine *e, bool done)
{
	uint32_t count = done ? e->rx_done_count : e->rx_dead_count;

	if (count == e->cfg.tombstones_max)
		pmul_rx_free(e, TAILQ_FIRST(done ? &e->rx_done : &e->rx_dead));
}

void
pmul_rx_bury(
    struct pmul_engine *e, struct pmul_rx *rx, enum pmul_rx_state state)
{
	bool done = state == PMUL_RX_DONE;

	make_room(e, done);
	close_body(e, rx);
	rx->state = state;
	TAILQ_INSERT_TAIL(done ? &e->rx_done : &e->rx_dead, rx, link);
	if (done)
		e->rx_done_count++;
	else
		e->rx_dead_count++;
	e->gauges.tombstones++;
	pmul_rx_remember(e, rx);
}

void
pmul_rx_lose(struct pmul_engine *e, struct pmul_rx *rx)
{
	assert(rx->state == PMUL_RX_GATHERING);
	pmul_group_leave(e, rx->node.source, rx->node.msid);
	push_lost(e, rx);
	pmul_rx_bury(e, rx, PMUL_RX_LOST);
}

void
pmul_rx_stored(struct pmul_engine *e, struct pmul_rx *rx)
{
	assert(rx->state == PMUL_RX_COMPLETE);
	pmul_rx_bury(e, rx, PMUL_RX_DONE);
	rx->confirmed = rx->discarded;
	pmul_group_touch(e, rx->node.source, rx->node.msid);
	if (!rx->discarded)
		pmul_rx_owe(e, rx);
}

int
pmul_rx_restore(struct pmul_engine *e, const struct pmul_tombstone *t)
{
	struct pmul_rx *rx;
	int rc;

	if (pmul_rx_find(e, t->source, t->id) != NULL)
		return PMUL_OK;
	rc = pmul_rx_new(e, t->source, t->id, &rx);
	if (rc != PMUL_OK)
		return rc;
	pmul_peer_heard_at(rx->peer, &t->from);
	rx->priority = t->priority;
	rx->expiry =
	    t->expiry.s < UINT32_MAX ? (uint32_t)t->expiry.s : UINT32_MAX;
	rx->confirmed = !t->owed;
	pmul_rx_bury(e, rx, PMUL_RX_DONE);
	if (t->owed)
		pmul_rx_owe(e, rx);
	return PMUL_OK;
}

/* ACK_PDU_TIME from now. */
static void
start_timer(struct pmul_engine *e, struct pmul_rx *rx)
{
	rx->idle = false;
	pmul_heap_put(&e->timers, &rx->timer, pmul_after(e, e->cfg.ack_pdu_us));
}

/* --- our own EMCON --------------------------------------------------------- */

void
pmul_rx_expect(struct pmul_engine *e, struct pmul_rx *rx)
{
	struct pmul_gather *g = rx->g;

	g->pass_over = true;
	if (g->asked == 0)
		g->asked = g->total;
	/* Once for each Ack of ours, or frequent rounds would put it off. */
	if (!rx->prodded || rx->idle || rx->timer.place == 0)
		start_timer(e, rx);
	rx->passed = rx->prodded;
	rx->prodded = true;
}

void
pmul_rx_put_off(struct pmul_engine *e, struct pmul_rx *rx, uint32_t seq)
{
	if (rx->state == PMUL_RX_GATHERING && rx->prodded && !rx->passed &&
	    seq < rx->g->asked && rx->timer.place != 0 && !rx->idle)
		start_timer(e, rx);
}

/*
 * The transmitter may have repeated itself for the last time, and no PDU that
 * would make us speak may come any more.
 */
void
pmul_rx_emcon_ended(struct pmul_engine *e)
{
	struct pmul_table_node *n = NULL;
	struct pmul_rx *rx;

	while ((n = pmul_table_next(&e->rx_table, n)) != NULL) {
		rx = PMUL_CONTAINER(n, struct pmul_rx, node);
		if (rx->state == PMUL_RX_GATHERING && !rx->owed)
			pmul_rx_expect(e, rx);
	}
}

/* --- timers ---------------------------------------------------------------- */

void
pmul_rx_owe(struct pmul_engine *e, struct pmul_rx *rx)
{
	rx->repeats = e->cfg.ack_pdu_repeats;
	pmul_peer_owe(e, rx);
}

/* Nobody reacted to our Ack. */
static void
repeat(struct pmul_engine *e, struct pmul_rx *rx)
{
	pmul_heap_remove(&e->timers, &rx->timer);
	if (rx->prodded) {
		pmul_rx_owe(e, rx);
		return;
	}
	assert(rx->repeats > 0);
	rx->repeats--;
	pmul_peer_owe(e, rx);
}

/* By when a transmitter that still wanted an answer would have asked again. */
static uint64_t
quiet_us(const struct pmul_engine *e)
{
	return e->cfg.ack_pdu_us <= UINT64_MAX / 2 ? 2 * e->cfg.ack_pdu_us
						   : UINT64_MAX;
}

void
pmul_rx_watch(struct pmul_engine *e, struct pmul_rx *rx)
{
	if (rx->state != PMUL_RX_GATHERING || rx->owed || e->emcon ||
	    (rx->timer.place != 0 && !rx->idle))
		return;
	rx->idle = true;
	pmul_heap_put(&e->timers, &rx->timer, pmul_after(e, quiet_us(e)));
}

/* T6, unless the transmitter is only busy with something else. */
static void
quiet(struct pmul_engine *e, struct pmul_rx *rx)
{
	uint64_t since = e->now.mono.us - rx->peer->heard_at_us;

	if (e->emcon) {
		pmul_heap_remove(&e->timers, &rx->timer);
		return;
	}
	if (since < quiet_us(e)) {
		pmul_heap_put(
		    &e->timers, &rx->timer, pmul_after(e, quiet_us(e) - since));
		return;
	}
	rx->idle = false;
	rx->g->pass_over = true;
	pmul_heap_remove(&e->timers, &rx->timer);
	pmul_rx_owe(e, rx);
}

void
pmul_rx_timer(struct pmul_engine *e, struct pmul_rx *rx)
{
	if (rx->state == PMUL_RX_HELD)
		pmul_rx_free(e, rx);
	else if (rx->idle)
		quiet(e, rx);
	else
		repeat(e, rx);
}

void
pmul_rx_expire(struct pmul_engine *e, struct pmul_rx *rx)
{
	if (rx->state == PMUL_RX_GATHERING)
		pmul_rx_lose(e, rx);
	else
		pmul_rx_free(e, rx);
}

/* --- what an Ack says ------------------------------------------------------ */

/* Append first..last, as a range where that is shorter; returns the last one
 * that found room. */
static uint32_t
list_run(uint16_t *list, size_t max, size_t *n, uint32_t first, uint32_t last,
    bool ranges)
{
	/* 142(A): `first, 0, last`. */
	if (ranges && last - first >= 3 && max - *n >= 3) {
		list[(*n)++] = (uint16_t)first;
		list[(*n)++] = 0;
		list[(*n)++] = (uint16_t)last;
		return last;
	}
	while (first <= last && *n < max)
		list[(*n)++] = (uint16_t)first++;
	return first - 1;
}

/* What is above the highest received may yet be on its way. */
static uint32_t
may_say(const struct pmul_gather *g)
{
	return g->pass_over ? g->total : g->highest;
}

bool
pmul_rx_missing(const struct pmul_rx *rx, struct pmul_rx_list_out *out)
{
	const struct pmul_gather *g = rx->g;
	uint32_t upto, from, to;

	out->n = 0;
	out->last = 0;
	if (rx->state == PMUL_RX_DONE)
		return true;
	if (rx->state != PMUL_RX_GATHERING)
		return false;
	upto = may_say(g);
	from = pmul_seqset_next_gap(&g->store.have, 0);
	while (from != 0 && from <= upto && out->n < out->max) {
		to = pmul_seqset_next(&g->store.have, from);
		to = to != 0 && to <= upto ? to - 1 : upto;
		out->last = list_run(
		    out->list, out->max, &out->n, from, to, out->ranges);
		from = pmul_seqset_next_gap(&g->store.have, to);
	}
	return out->n > 0;
}

void
pmul_rx_acked(struct pmul_engine *e, struct pmul_rx *rx, uint32_t last)
{
	rx->acked_at_us = e->now.mono.us;
	rx->prodded = false;
	rx->said_last = true;
	if (rx->state == PMUL_RX_GATHERING) {
		rx->g->asked = last;
		rx->g->said = may_say(rx->g);
	}
	if (rx->repeats > 0)
		start_timer(e, rx);
	else
		pmul_heap_remove(&e->timers, &rx->timer);
}

/*
 * An Extra_Address_PDU ends a round, or asks.  The last Data_PDU in front of
 * it may have had its answer already, and saying so twice is of no use: the
 * first one behind Data_PDUs is not answered if nothing has changed since our
 * Ack and that is so young that it cannot have been missed.  By then the
 * transmitter has waited for us in vain at least once; half of ACK_PDU_TIME is
 * its ACK_RE-TRANSMISSION_TIME where both are set as recommended.  A second
 * Extra_Address_PDU without Data_PDUs between them is a question in any case.
 *
 * An Address_PDU begins a round, and was made before an Ack could reach the
 * transmitter only if that is younger than its own delay.
 */
bool
pmul_rx_said_already(
    const struct pmul_engine *e, const struct pmul_rx *rx, bool extra)
{
	uint64_t age = e->now.mono.us - rx->acked_at_us;

	if (!rx->said_last ||
	    (rx->state == PMUL_RX_GATHERING && rx->g->said != rx->g->total))
		return false;
	return extra ? !rx->ended && age < e->cfg.ack_pdu_us / 2
		     : age < e->cfg.ack_delay_us;
}

/*
 * The life of an incoming message between the PDUs: how it is made, becomes a
 * tombstone, and ends; its timers, and what an Ack says about it.
 */
#include "pmul/rx_life.h"

#include <assert.h>
#include <stdlib.h>

#include "pmul/ack.h"

struct pmul_rx *
pmul_rx_find(const struct pmul_engine *e, uint32_t source, uint32_t msid)
{
	struct pmul_table_node *n = pmul_table_find(&e->rx_table, source, msid);

	return n != NULL ? PMUL_CONTAINER(n, struct pmul_rx, node) : NULL;
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
	pmul_node_init(e, &rx->expiring, PMUL_TIMER_RX);
	pmul_table_add(&e->rx_table, &rx->node);
	*ret_rx = rx;
	return PMUL_OK;
}

int
pmul_rx_room(
    const struct pmul_engine *e, const struct pmul_peer *peer, bool held)
{
	const struct pmul_config *cfg = &e->cfg;

	if (e->gauges.rx_messages >= cfg->rx_messages_max)
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
	pmul_heap_remove(&e->expiries, &rx->expiring);
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
	pmul_heap_remove(&e->expiries, &rx->expiring);
	if (g == NULL)
		return;
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
pmul_rx_bury(struct pmul_engine *e, struct pmul_rx *rx,
    enum pmul_rx_state state, uint64_t until)
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
	pmul_heap_put(&e->expiries, &rx->expiring, until);
}

uint64_t
pmul_rx_ignore_until(const struct pmul_engine *e, uint32_t expiry)
{
	uint64_t expired = pmul_expired_at(e, expiry);
	uint64_t later =
	    pmul_wall_now(e) + e->cfg.undefined_expiry_us / 1000000 + 1;

	return expired > later ? expired : later;
}

void
pmul_rx_lose(struct pmul_engine *e, struct pmul_rx *rx)
{
	struct pmul_event ev = {
		.type = PMUL_EV_LOST,
		.peer = rx->node.source,
		.id = rx->node.msid,
		.priority = rx->priority,
		.seq = rx->g->seq,
		.expiry = { rx->expiry },
	};

	assert(rx->state == PMUL_RX_GATHERING);
	pmul_ring_push(&e->events, &ev);
	pmul_rx_bury(e, rx, PMUL_RX_LOST, pmul_rx_ignore_until(e, rx->expiry));
}

void
pmul_rx_stored(struct pmul_engine *e, struct pmul_rx *rx)
{
	assert(rx->state == PMUL_RX_COMPLETE);
	pmul_rx_bury(e, rx, PMUL_RX_DONE, pmul_expired_at(e, rx->expiry));
	rx->confirmed = rx->discarded;
	if (!rx->discarded)
		pmul_rx_owe(e, rx);
}

int
pmul_rx_restore(
    struct pmul_engine *e, uint32_t source, uint32_t msid, uint32_t expiry)
{
	struct pmul_rx *rx;
	int rc;

	if (pmul_rx_find(e, source, msid) != NULL)
		return PMUL_OK;
	rc = pmul_rx_new(e, source, msid, &rx);
	if (rc != PMUL_OK)
		return rc;
	rx->expiry = expiry;
	rx->confirmed = true;
	pmul_rx_bury(e, rx, PMUL_RX_DONE, pmul_expired_at(e, expiry));
	return PMUL_OK;
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

void
pmul_rx_timer(struct pmul_engine *e, struct pmul_rx *rx)
{
	if (rx->state == PMUL_RX_HELD)
		pmul_rx_free(e, rx);
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

bool
pmul_rx_missing(const struct pmul_engine *e, const struct pmul_rx *rx,
    uint16_t *list, size_t max, size_t *ret_n, uint32_t *ret_last)
{
	const struct pmul_gather *g = rx->g;
	uint32_t upto, from, to, last = 0;
	size_t n = 0;

	*ret_n = 0;
	*ret_last = 0;
	if (rx->state == PMUL_RX_DONE)
		return true;
	if (rx->state != PMUL_RX_GATHERING)
		return false;
	/* What is above the highest received may yet be on its way. */
	upto = g->pass_over ? g->total : g->highest;
	from = pmul_seqset_next_gap(&g->store.have, 0);
	while (from != 0 && from <= upto && n < max) {
		to = pmul_seqset_next(&g->store.have, from);
		to = to != 0 && to <= upto ? to - 1 : upto;
		last = list_run(list, max, &n, from, to, e->cfg.ranges);
		from = pmul_seqset_next_gap(&g->store.have, to);
	}
	*ret_n = n;
	*ret_last = last;
	return n > 0;
}

void
pmul_rx_acked(struct pmul_engine *e, struct pmul_rx *rx, uint32_t last)
{
	rx->acked_at_us = e->now.mono.us;
	rx->prodded = false;
	if (rx->state == PMUL_RX_GATHERING)
		rx->g->asked = last;
	if (rx->repeats > 0)
		pmul_heap_put(
		    &e->timers, &rx->timer, pmul_after(e, e->cfg.ack_pdu_us));
	else
		pmul_heap_remove(&e->timers, &rx->timer);
}

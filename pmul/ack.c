#include "pmul/ack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/node.h"
#include "pmul/rx.h"

struct pmul_peer *
pmul_peer_find(const struct pmul_engine *e, uint32_t source)
{
	struct pmul_table_node *n = pmul_table_find(&e->peer_table, source, 0);

	return n != NULL ? PMUL_CONTAINER(n, struct pmul_peer, node) : NULL;
}

int
pmul_peer_join(
    struct pmul_engine *e, uint32_t source, struct pmul_peer **ret_peer)
{
	struct pmul_peer *peer = pmul_peer_find(e, source);

	if (peer == NULL) {
		peer = calloc(1, sizeof(*peer));
		if (peer == NULL)
			return PMUL_ENOMEM;
		peer->node.source = source;
		pmul_node_init(e, &peer->timer, PMUL_TIMER_PEER);
		pmul_node_init(e, &peer->ready, PMUL_TIMER_PEER);
		TAILQ_INIT(&peer->owed);
		pmul_table_add(&e->peer_table, &peer->node);
	}
	peer->messages++;
	*ret_peer = peer;
	return PMUL_OK;
}

void
pmul_peer_leave(struct pmul_engine *e, struct pmul_peer *peer)
{
	assert(peer->messages > 0);
	if (--peer->messages > 0)
		return;
	pmul_heap_remove(&e->timers, &peer->timer);
	pmul_heap_remove(&e->acks, &peer->ready);
	pmul_table_remove(&e->peer_table, &peer->node);
	free(peer);
}

static void
start_delay(struct pmul_engine *e, struct pmul_peer *peer)
{
	pmul_heap_put(&e->timers, &peer->timer,
	    pmul_after(e, pmul_prng_below(&e->prng, e->cfg.ack_delay_us)));
}

void
pmul_peer_owe(struct pmul_engine *e, struct pmul_rx *rx)
{
	struct pmul_peer *peer = rx->peer;

	if (rx->owed)
		return;
	/* The first waits; those that follow before it leaves go with it. */
	if (TAILQ_EMPTY(&peer->owed)) {
		peer->urgent = UINT8_MAX;
		if (!e->emcon)
			start_delay(e, peer);
	}
	rx->owed = true;
	TAILQ_INSERT_TAIL(&peer->owed, rx, owed_link);
	if (rx->priority < peer->urgent)
		peer->urgent = rx->priority;
	if (peer->ready.place != 0)
		pmul_heap_put(&e->acks, &peer->ready, peer->urgent);
}

void
pmul_peer_forgive(struct pmul_engine *e, struct pmul_rx *rx)
{
	struct pmul_peer *peer = rx->peer;

	if (!rx->owed)
		return;
	rx->owed = false;
	TAILQ_REMOVE(&peer->owed, rx, owed_link);
	if (TAILQ_EMPTY(&peer->owed)) {
		pmul_heap_remove(&e->timers, &peer->timer);
		pmul_heap_remove(&e->acks, &peer->ready);
	}
}

void
pmul_peer_timer(struct pmul_engine *e, struct pmul_peer *peer)
{
	pmul_heap_remove(&e->timers, &peer->timer);
	pmul_heap_put(&e->acks, &peer->ready, peer->urgent);
}

void
pmul_peer_silence(struct pmul_engine *e, bool on)
{
	struct pmul_table_node *n = NULL;
	struct pmul_peer *peer;

	while ((n = pmul_table_next(&e->peer_table, n)) != NULL) {
		peer = PMUL_CONTAINER(n, struct pmul_peer, node);
		if (on) {
			pmul_heap_remove(&e->timers, &peer->timer);
			pmul_heap_remove(&e->acks, &peer->ready);
		} else if (!TAILQ_EMPTY(&peer->owed))
			start_delay(e, peer);
	}
}

void
pmul_peer_heard_at(struct pmul_peer *peer, const struct pmul_addr *addr)
{
	static const struct pmul_addr none;

	if (memcmp(&peer->addr, &none, sizeof(none)) == 0)
		peer->addr = *addr;
}

/* NTNU reads the length of an entry modulo 256. */
#define NTNU_NUMBERS ((256 - PMUL_ACK_ENTRY) / 2 - 1)
#define TIMESTAMP 8

/* The most numbers an entry can have: MM, or an Ack_PDU of its own. */
static size_t
list_max(const struct pmul_engine *e, size_t room, bool ntnu)
{
	size_t entries = ntnu ? 2 : 1, fit;

	fit =
	    (room - PMUL_ACK_HEADER - entries * PMUL_ACK_ENTRY) / (2 * entries);
	if (ntnu && fit > NTNU_NUMBERS)
		fit = NTNU_NUMBERS;
	return e->cfg.mm < fit ? e->cfg.mm : fit;
}

/*
 * NTNU's transmitters look for the acknowledging node where the originator
 * belongs.  To them both are said: the others ignore the second entry.
 */
static bool
add_entry(const struct pmul_engine *e, struct pmul_ack_writer *w,
    const struct pmul_rx *rx, const struct pmul_rx_list_out *out, bool ntnu)
{
	struct pmul_ack_writer before = *w;

	if (!pmul_ack_entry_add(
		w, rx->node.source, rx->node.msid, out->list, out->n))
		return false;
	if (!ntnu || pmul_ack_entry_add(
			 w, e->cfg.node_id, rx->node.msid, out->list, out->n))
		return true;
	*w = before;
	return false;
}

/* 142(A): since the Address_PDU of what is listed first, in 100 ms. */
static size_t
finish(const struct pmul_engine *e, struct pmul_ack_writer *w, size_t cap,
    uint64_t named_at_us)
{
	uint64_t since = (e->now.mono.us - named_at_us) / 100000;

	w->cap = cap;
	return pmul_ack_end(
	    w, e->cfg.timestamp && named_at_us != 0 ? &since : NULL);
}

size_t
pmul_peer_ack(struct pmul_engine *e, struct pmul_peer *peer,
    struct pmul_where *where, void *buf, size_t cap)
{
	bool ntnu = pmul_node_get(e, peer->node.source).ntnu;
	size_t most = cap < e->cfg.pdu_max ? cap : e->cfg.pdu_max;
	size_t room = most - (e->cfg.timestamp ? TIMESTAMP : 0);
	struct pmul_rx_list_out out = {
		.list = e->scratch,
		.max = list_max(e, room, ntnu),
		.ranges = e->cfg.ranges && !ntnu,
	};
	struct pmul_ack_writer w;
	struct pmul_rx *rx;
	uint64_t named_at_us = 0;

	memset(where, 0, sizeof(*where));
	where->port = PMUL_APORT;
	where->node = peer->node.source;
	where->to = peer->addr;
	pmul_ack_begin(&w, buf, room, peer->urgent, e->cfg.node_id);
	while ((rx = TAILQ_FIRST(&peer->owed)) != NULL) {
		bool say = pmul_rx_missing(rx, &out);

		if (say && w.entries == 0)
			named_at_us = rx->named_at_us;
		if (say && !add_entry(e, &w, rx, &out, ntnu))
			break;
		pmul_peer_forgive(e, rx);
		if (say)
			pmul_rx_acked(e, rx, out.last);
	}
	return finish(e, &w, most, named_at_us);
}

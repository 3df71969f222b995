#include "pmul/ack.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

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

void
pmul_peer_owe(struct pmul_engine *e, struct pmul_rx *rx)
{
	struct pmul_peer *peer = rx->peer;

	if (rx->owed)
		return;
	/* The first waits; those that follow before it leaves go with it. */
	if (TAILQ_EMPTY(&peer->owed)) {
		peer->urgent = UINT8_MAX;
		pmul_heap_put(&e->timers, &peer->timer,
		    pmul_after(
			e, pmul_prng_below(&e->prng, e->cfg.ack_delay_us)));
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

/* The most numbers an entry can have: MM, or an Ack_PDU of its own. */
static size_t
list_max(const struct pmul_engine *e)
{
	size_t fit =
	    ((size_t)e->cfg.pdu_max - PMUL_ACK_HEADER - PMUL_ACK_ENTRY) / 2;

	return e->cfg.mm < fit ? e->cfg.mm : fit;
}

size_t
pmul_peer_ack(struct pmul_engine *e, struct pmul_peer *peer,
    struct pmul_where *where, void *buf, size_t cap)
{
	struct pmul_ack_writer w;
	struct pmul_rx *rx;
	uint16_t *list = e->scratch;
	uint32_t last;
	size_t n;

	memset(where, 0, sizeof(*where));
	where->port = PMUL_APORT;
	where->node = peer->node.source;
	where->to = peer->addr;
	pmul_ack_begin(&w, buf, cap < e->cfg.pdu_max ? cap : e->cfg.pdu_max,
	    peer->urgent, e->cfg.node_id);
	while ((rx = TAILQ_FIRST(&peer->owed)) != NULL) {
		bool say = pmul_rx_missing(e, rx, list, list_max(e), &n, &last);

		if (say && !pmul_ack_entry_add(
			       &w, rx->node.source, rx->node.msid, list, n))
			break;
		pmul_peer_forgive(e, rx);
		if (say)
			pmul_rx_acked(e, rx, last);
	}
	return pmul_ack_end(&w, NULL);
}

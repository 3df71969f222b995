/* The life of an outgoing message, see tx.h: how it begins and how it ends. */
#include "pmul/tx.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/claim.h"
#include "pmul/node.h"
#include "pmul/turn.h"

/* --- a new message --------------------------------------------------------- */

static void
swap(struct pmul_tx_dest *a, struct pmul_tx_dest *b)
{
	struct pmul_tx_dest t = *a;

	*a = *b;
	*b = t;
}

static void
sift(struct pmul_tx_dest *v, size_t i, size_t n)
{
	size_t child;

	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && v[child].id < v[child + 1].id)
			child++;
		if (v[i].id >= v[child].id)
			return;
		swap(&v[i], &v[child]);
		i = child;
	}
}

/* Heapsort: the caller may list a thousand in any order. */
static void
sort_dests(struct pmul_tx_dest *v, size_t n)
{
	for (size_t i = n / 2; i > 0; i--)
		sift(v, i - 1, n);
	for (size_t i = n; i > 1; i--) {
		swap(&v[0], &v[i - 1]);
		sift(v, 0, i - 1);
	}
}

static int
take_dests(const struct pmul_engine *e, struct pmul_tx *tx,
    const struct pmul_submit *s)
{
	struct pmul_node node;

	tx->ndests = (uint32_t)s->ndests;
	for (uint32_t i = 0; i < tx->ndests; i++) {
		tx->dests[i].id = s->dests[i].id;
		tx->dests[i].seq = s->dests[i].seq;
		node = pmul_node_get(e, s->dests[i].id);
		tx->dests[i].emcon = node.emcon;
		tx->silent += node.emcon;
		tx->dests[i].ntnu = node.ntnu;
		tx->ntnu = tx->ntnu || node.ntnu;
		pmul_seqset_init(&tx->dests[i].missing, tx->total);
	}
	sort_dests(tx->dests, tx->ndests);
	for (uint32_t i = 0; i < tx->ndests; i++) {
		tx->open[i] = i;
		if (tx->dests[i].id == e->cfg.node_id ||
		    (i > 0 && tx->dests[i].id == tx->dests[i - 1].id))
			return PMUL_EINVAL;
	}
	/* They decide about each PDU of a set alone. */
	if (tx->ntnu && tx->ndests > pmul_tx_names_max(e))
		return PMUL_ETOOBIG;
	tx->nopen = tx->incomplete = tx->ndests;
	tx->waiting = tx->ndests - tx->silent;
	return PMUL_OK;
}

/* So that adding to the set cannot fail any more. */
static int
prepare_set(struct pmul_seqset *s)
{
	int rc = pmul_seqset_add(s, 1, NULL);

	pmul_seqset_remove(s, 1);
	return rc;
}

static void
release_body(struct pmul_tx *tx)
{
	for (uint32_t i = 0; tx->dests != NULL && i < tx->ndests; i++)
		pmul_seqset_release(&tx->dests[i].missing);
	pmul_seqset_release(&tx->wanted);
	free(tx->dests);
	free(tx->open);
	free(tx->data);
	tx->dests = NULL;
	tx->open = NULL;
	tx->data = NULL;
	tx->ndests = 0;
}

static int
fill(const struct pmul_engine *e, struct pmul_tx *tx,
    const struct pmul_submit *s)
{
	tx->dests = calloc(s->ndests, sizeof(*tx->dests));
	tx->open = calloc(s->ndests, sizeof(*tx->open));
	tx->data = malloc(s->len);
	if (tx->dests == NULL || tx->open == NULL || tx->data == NULL)
		return PMUL_ENOMEM;
	memcpy(tx->data, s->data, s->len);
	if (prepare_set(&tx->wanted) != PMUL_OK)
		return PMUL_ENOMEM;
	return take_dests(e, tx, s);
}

static int
check(const struct pmul_engine *e, const struct pmul_submit *s)
{
	const struct pmul_config *cfg = &e->cfg;
	size_t fragment = (size_t)cfg->pdu_max - PMUL_DATA_HEADER;

	if (s->data == NULL || s->len == 0 || s->dests == NULL ||
	    s->ndests == 0 || s->expiry.s > UINT32_MAX ||
	    s->emcon_rounds > s->rounds)
		return PMUL_EINVAL;
	if (s->len > cfg->message_max || s->ndests > cfg->destinations_max ||
	    (s->len - 1) / fragment >= PMUL_FRAGMENTS_MAX)
		return PMUL_ETOOBIG;
	if (pmul_tx_find(e, s->msid) != NULL)
		return PMUL_EEXIST;
	if (s->expiry.s <= 0 || (uint64_t)s->expiry.s <= pmul_wall_now(e))
		return PMUL_EEXPIRED;
	if (e->gauges.tx_messages >= cfg->tx_messages_max ||
	    s->len > cfg->tx_bytes_max - e->gauges.tx_bytes ||
	    e->events.count >= cfg->events_max)
		return PMUL_EBUSY;
	return s->group == 0 ? pmul_claim_check(e) : PMUL_OK;
}

static void
start(struct pmul_engine *e, struct pmul_tx *tx)
{
	pmul_node_init(e, &tx->timer, PMUL_TIMER_TX);
	pmul_node_init(e, &tx->silence, PMUL_TIMER_SILENCE);
	pmul_node_init(e, &tx->expiring, PMUL_TIMER_TX);
	pmul_node_init(e, &tx->sending, PMUL_TIMER_TX);
	pmul_table_add(&e->tx_table, &tx->node);
	pmul_heap_put(&e->expiries, &tx->expiring, tx->expiry);
	e->gauges.tx_messages++;
	e->gauges.tx_bytes += tx->len;
	if (tx->claim != NULL)
		pmul_claim_start(e, tx);
	else
		pmul_heap_put(&e->sends, &tx->sending, tx->priority);
	if (tx->resumed) {
		tx->due = PMUL_TX_DUE_REPEAT;
		pmul_tx_settle(e, tx);
	}
}

int
pmul_tx_submit(struct pmul_engine *e, const struct pmul_submit *s)
{
	struct pmul_tx *tx;
	int rc = check(e, s);

	if (rc != PMUL_OK)
		return rc;
	tx = calloc(1, sizeof(*tx));
	if (tx == NULL)
		return PMUL_ENOMEM;
	tx->node.source = e->cfg.node_id;
	tx->node.msid = s->msid;
	tx->phase = PMUL_TX_READY;
	tx->priority = s->priority;
	tx->group = s->group;
	tx->expiry = (uint32_t)s->expiry.s;
	tx->len = s->len;
	tx->fragment = (size_t)e->cfg.pdu_max - PMUL_DATA_HEADER;
	tx->total = (uint32_t)((s->len - 1) / tx->fragment + 1);
	tx->stretch_pct = 100;
	tx->fixed = s->group != 0;
	tx->resumed = s->rounds > 0;
	tx->rounds = s->rounds;
	tx->silents = s->emcon_rounds;
	tx->sent = tx->resumed ? tx->total : 0;
	pmul_seqset_init(&tx->wanted, tx->total);
	rc = fill(e, tx, s);
	if (rc == PMUL_OK && !tx->fixed)
		rc = pmul_claim_new(&tx->claim);
	/* ACKED or GAVE_UP for each, and DONE. */
	if (rc == PMUL_OK)
		rc = pmul_ring_promise(&e->events, s->ndests + 1);
	if (rc != PMUL_OK) {
		release_body(tx);
		free(tx->claim);
		free(tx);
		return rc;
	}
	start(e, tx);
	return PMUL_OK;
}

struct pmul_tx *
pmul_tx_find(const struct pmul_engine *e, uint32_t msid)
{
	struct pmul_table_node *n =
	    pmul_table_find(&e->tx_table, e->cfg.node_id, msid);

	return n != NULL ? PMUL_CONTAINER(n, struct pmul_tx, node) : NULL;
}

void
pmul_tx_event(struct pmul_engine *e, const struct pmul_tx *tx,
    enum pmul_event_type type, uint32_t peer)
{
	struct pmul_event ev = {
		.type = type,
		.peer = peer,
		.id = tx->node.msid,
		.priority = tx->priority,
		.expiry = { tx->expiry },
	};

	pmul_ring_push(&e->events, &ev);
}

struct pmul_tx *
pmul_tx_next_dirty(struct pmul_engine *e)
{
	struct pmul_tx *tx = TAILQ_FIRST(&e->tx_dirty);

	if (tx != NULL)
		pmul_tx_clean(e, tx);
	return tx;
}

void
pmul_tx_clean(struct pmul_engine *e, struct pmul_tx *tx)
{
	if (tx->dirty)
		TAILQ_REMOVE(&e->tx_dirty, tx, dirty_link);
	tx->dirty = false;
}

/* --- the end --------------------------------------------------------------- */

void
pmul_tx_free(struct pmul_engine *e, struct pmul_tx *tx)
{
	pmul_heap_remove(&e->timers, &tx->timer);
	pmul_heap_remove(&e->timers, &tx->silence);
	pmul_heap_remove(&e->expiries, &tx->expiring);
	pmul_tx_clean(e, tx);
	pmul_claim_drop(e, tx);
	pmul_heap_remove(&e->sends, &tx->sending);
	pmul_table_remove(&e->tx_table, &tx->node);
	release_body(tx);
	free(tx);
}

static void
forget(struct pmul_engine *e, struct pmul_tx *tx)
{
	TAILQ_REMOVE(&e->tx_over, tx, link);
	e->tx_over_count--;
	pmul_tx_free(e, tx);
}

static void
report_done(struct pmul_engine *e, struct pmul_tx *tx)
{
	if (!tx->reported)
		pmul_tx_event(e, tx, PMUL_EV_DONE, 0);
	tx->reported = true;
}

/* The last PDU has gone out, or an answer to a late Ack. */
void
pmul_tx_over(struct pmul_engine *e, struct pmul_tx *tx)
{
	uint64_t now = pmul_wall_now(e);
	uint32_t until = tx->expiry;

	pmul_heap_remove(&e->sends, &tx->sending);
	tx->mute_until_us = pmul_after(e, e->cfg.ack_retx_us);
	if (tx->phase == PMUL_TX_OVER)
		return;
	report_done(e, tx);
	e->gauges.tx_messages--;
	tx->phase = PMUL_TX_OVER;
	/* Acks may still be under way when the message has expired. */
	if (until < now)
		until = now < UINT32_MAX ? (uint32_t)now : UINT32_MAX;
	pmul_heap_put(&e->expiries, &tx->expiring, pmul_expired_at(e, until));
	if (e->tx_over_count == e->cfg.tombstones_max)
		forget(e, TAILQ_FIRST(&e->tx_over));
	TAILQ_INSERT_TAIL(&e->tx_over, tx, link);
	e->tx_over_count++;
}

/* A Discard to a static group kills the receivers of NTNU's library. */
static bool
unspeakable(const struct pmul_tx *tx)
{
	return tx->discarded && tx->ntnu && tx->fixed;
}

/* Nothing but an Ack-Ack or a Discard remains to be sent, if that. */
void
pmul_tx_close(struct pmul_engine *e, struct pmul_tx *tx, bool discarded)
{
	e->gauges.tx_bytes -= tx->len;
	pmul_heap_remove(&e->timers, &tx->timer);
	pmul_heap_remove(&e->timers, &tx->silence);
	pmul_heap_remove(&e->expiries, &tx->expiring);
	pmul_turn_take(e, tx);
	pmul_tx_clean(e, tx);
	pmul_claim_drop(e, tx);
	release_body(tx);
	tx->discarded = discarded;
	tx->phase = PMUL_TX_CLOSING;
	if (tx->rounds == 0) {
		/* Nobody has heard of it. */
		report_done(e, tx);
		e->gauges.tx_messages--;
		pmul_tx_free(e, tx);
		return;
	}
	if (unspeakable(tx))
		pmul_tx_over(e, tx);
	else
		pmul_heap_put(&e->sends, &tx->sending, tx->priority);
}

void
pmul_tx_expire(struct pmul_engine *e, struct pmul_tx *tx)
{
	if (tx->phase == PMUL_TX_OVER) {
		forget(e, tx);
		return;
	}
	for (uint32_t i = 0; i < tx->ndests; i++)
		if (!tx->dests[i].complete)
			pmul_tx_event(e, tx, PMUL_EV_GAVE_UP, tx->dests[i].id);
	tx->incomplete = 0;
	pmul_tx_close(e, tx, true);
}

int
pmul_tx_cancel(struct pmul_engine *e, uint32_t msid)
{
	struct pmul_tx *tx = pmul_tx_find(e, msid);

	if (tx == NULL || tx->phase == PMUL_TX_OVER || tx->reported)
		return PMUL_ENOTFOUND;
	pmul_ring_forget(&e->events, msid);
	/* The events of the destinations left, and DONE. */
	pmul_ring_break(&e->events, (size_t)tx->incomplete + 1);
	tx->incomplete = 0;
	tx->reported = true;
	if (tx->phase != PMUL_TX_CLOSING)
		pmul_tx_close(e, tx, true);
	return PMUL_OK;
}

void
pmul_tx_answer(struct pmul_engine *e, struct pmul_tx *tx)
{
	if (tx->phase != PMUL_TX_OVER || unspeakable(tx) ||
	    e->now.mono.us < tx->mute_until_us)
		return;
	pmul_heap_put(&e->sends, &tx->sending, tx->priority);
}

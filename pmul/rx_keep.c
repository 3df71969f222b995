/*
 * Incoming messages that are incomplete, written down for a restart.
 *
 * The log of fragments only grows, so what is new is its end; and it is made
 * of whole records, so any pieces of it are again a log.
 */
#include <stdlib.h>
#include <string.h>

#include "pmul/ack.h"
#include "pmul/rx_life.h"

bool
pmul_rx_next_saved(struct pmul_engine *e, struct pmul_rx_saved *ret_s)
{
	struct pmul_rx *rx = TAILQ_FIRST(&e->rx_dirty);
	struct pmul_gather *g;

	if (rx == NULL)
		return false;
	g = rx->g;
	pmul_rx_clean(e, rx);
	memset(ret_s, 0, sizeof(*ret_s));
	ret_s->source = rx->node.source;
	ret_s->id = rx->node.msid;
	ret_s->priority = rx->priority;
	ret_s->seq = g->seq;
	/* A Total that a Data_PDU has belied is not known. */
	ret_s->total = g->total_sure ? g->total : 0;
	ret_s->expiry.s = rx->expiry;
	ret_s->from = rx->peer->addr;
	ret_s->len = g->store.log_len - g->saved;
	if (ret_s->len > 0)
		ret_s->records = g->store.log + g->saved;
	g->saved = g->store.log_len;
	return true;
}

/* --- back again ------------------------------------------------------------ */

/* Only what pmul_rx_next_saved() could have said. */
static int
check(const struct pmul_engine *e, const struct pmul_rx_saved *s)
{
	uint32_t most = s->total != 0 ? s->total : PMUL_FRAGMENTS_MAX;
	struct pmul_record r;
	size_t pos = 0;

	if (s->source == e->cfg.node_id || s->total > PMUL_FRAGMENTS_MAX ||
	    s->expiry.s > UINT32_MAX || (s->records == NULL && s->len > 0))
		return PMUL_EMALFORMED;
	if (s->total > e->cfg.message_max)
		return PMUL_ETOOBIG;
	do {
		if (pmul_record_next(s->records, s->len, &pos, &r) != PMUL_OK ||
		    r.seq > most)
			return PMUL_EMALFORMED;
	} while (r.seq != 0);
	if (s->expiry.s <= 0 || pmul_rx_too_late(e, (uint32_t)s->expiry.s))
		return PMUL_EEXPIRED;
	return PMUL_OK;
}

/* What is not there yet; the caller cuts it off again if this fails. */
static int
add_records(const struct pmul_engine *e, struct pmul_store *to,
    const struct pmul_rx_saved *s)
{
	size_t before = to->bytes, pos = 0;
	struct pmul_record r;
	int rc = pmul_seqset_grow(&to->have, s->total);

	while (rc == PMUL_OK) {
		rc = pmul_record_next(s->records, s->len, &pos, &r);
		if (rc != PMUL_OK || r.seq == 0)
			break;
		if (!pmul_seqset_has(&to->have, r.seq))
			rc = pmul_store_add(to, r.seq, r.data, r.len);
	}
	if (rc == PMUL_OK && to->bytes > e->cfg.message_max)
		rc = PMUL_ETOOBIG;
	if (rc == PMUL_OK &&
	    to->bytes - before > e->cfg.rx_bytes_max - e->gauges.rx_bytes)
		rc = PMUL_EBUSY;
	return rc;
}

/* The message the records are of, made if it is not there; last to fail. */
static int
open_for(struct pmul_engine *e, const struct pmul_rx_saved *s,
    const struct pmul_store *store, struct pmul_rx **rx)
{
	struct pmul_rx *fresh = NULL;
	int rc = PMUL_OK;

	if (*rx != NULL && (*rx)->g != NULL)
		return PMUL_OK;
	rc = pmul_rx_room(e, NULL, false);
	if (rc == PMUL_OK && *rx == NULL) {
		rc = pmul_rx_new(e, s->source, s->id, &fresh);
		*rx = fresh;
	}
	if (rc == PMUL_OK)
		rc = pmul_rx_open(e, *rx, false);
	if (rc == PMUL_OK)
		(*rx)->g->store = *store;
	else if (fresh != NULL)
		pmul_rx_free(e, fresh);
	return rc;
}

/* It cannot fail any more. */
static void
take(struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_rx_saved *s,
    size_t more)
{
	struct pmul_gather *g = rx->g;

	pmul_rx_charge(e, rx, more);
	g->highest = pmul_seqset_last(&g->store.have);
	if (rx->state == PMUL_RX_HELD)
		pmul_rx_unhold(e, rx);
	if (g->total == 0) {
		rx->state = PMUL_RX_GATHERING;
		rx->priority = s->priority;
		rx->expiry = (uint32_t)s->expiry.s;
		g->seq = s->seq;
		pmul_rx_live(e, rx);
	}
	if (s->total > g->total || (s->total == g->total && s->total != 0)) {
		g->total = s->total;
		g->total_sure = true;
	}
	if (g->highest > g->total) {
		g->total = g->highest;
		g->total_sure = false;
	}
	pmul_peer_heard_at(rx->peer, &s->from);
	pmul_rx_expect(e, rx);
	pmul_rx_touch(e, rx);
	pmul_rx_shed(e);
}

static int
resume(struct pmul_engine *e, struct pmul_rx *rx, struct pmul_store *store,
    const struct pmul_rx_saved *s)
{
	size_t before = store->bytes, log_len = store->log_len, more, len = 0;
	uint8_t *data = NULL;
	int rc = add_records(e, store, s);

	more = store->bytes - before;
	if (rc == PMUL_OK && s->total != 0 && store->have.count == s->total &&
	    pmul_seqset_last(&store->have) == s->total)
		rc = pmul_store_join(store, s->total, 0, NULL, 0, &data, &len);
	if (rc == PMUL_OK)
		rc = open_for(e, s, store, &rx);
	if (rc != PMUL_OK) {
		free(data);
		return rc;
	}
	take(e, rx, s, more);
	/* The caller has what it gave us; what else came is handed out. */
	if (rx->g->saved == log_len)
		rx->g->saved = rx->g->store.log_len;
	else
		pmul_rx_dirty(e, rx);
	if (data != NULL && rx->g->total_sure && rx->g->total == s->total)
		pmul_rx_deliver(e, rx, data, len);
	else
		free(data);
	return PMUL_OK;
}

int
pmul_rx_resume(struct pmul_engine *e, const struct pmul_rx_saved *s)
{
	struct pmul_rx *rx = pmul_rx_find(e, s->source, s->id);
	struct pmul_store none, *store = &none;
	size_t before;
	int rc = check(e, s);

	if (rc != PMUL_OK)
		return rc;
	if (rx != NULL && rx->g == NULL && rx->state != PMUL_RX_FOREIGN)
		return PMUL_EEXIST;
	if (rx != NULL && rx->state == PMUL_RX_COMPLETE)
		return PMUL_EEXIST;
	pmul_store_init(&none);
	if (rx != NULL && rx->g != NULL)
		store = &rx->g->store;
	before = store->log_len;
	rc = resume(e, rx, store, s);
	if (rc != PMUL_OK)
		pmul_store_cut(store, before);
	return rc;
}

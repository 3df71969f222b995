/* The PDUs of an outgoing message. */
#include "pmul/tx.h"

#include <assert.h>
#include <string.h>

#include "pmul/claim.h"

size_t
pmul_tx_names_max(const struct pmul_engine *e)
{
	return ((size_t)e->cfg.pdu_max - PMUL_ADDRESS_HEADER) / PMUL_DEST_ENTRY;
}

static size_t
put_address(struct pmul_engine *e, struct pmul_tx *tx, void *buf, size_t cap)
{
	size_t most = pmul_tx_names_max(e);
	size_t n = tx->naming < most ? tx->naming : most;
	struct pmul_dest *list = e->scratch;
	struct pmul_pdu pdu = {
		.type = tx->extra ? PMUL_EXTRA_ADDRESS : PMUL_ADDRESS,
		.priority = tx->priority,
		.first = tx->addressed == 0,
		.last = n == tx->naming,
		.source = e->cfg.node_id,
		.msid = tx->node.msid,
		.total = (uint16_t)tx->total,
		.expiry = tx->expiry,
	};

	tx->naming -= (uint32_t)n;
	for (size_t i = 0; i < n; tx->addressed++) {
		const struct pmul_tx_dest *d =
		    &tx->dests[tx->open[tx->addressed]];

		if (!d->named)
			continue;
		list[i].id = d->id;
		list[i++].seq = d->seq;
	}
	return pmul_pdu_put_address(buf, cap, &pdu, list, n);
}

static size_t
put_data(struct pmul_engine *e, struct pmul_tx *tx, void *buf, size_t cap)
{
	uint32_t seq = pmul_tx_next_seq(tx);
	size_t at = (size_t)(seq - 1) * tx->fragment;
	size_t len = tx->len - at < tx->fragment ? tx->len - at : tx->fragment;

	assert(seq != 0);
	tx->cursor = seq;
	e->counters.data_out++;
	if (seq <= tx->sent)
		e->counters.data_again++;
	else
		tx->sent = seq;
	return pmul_pdu_put_data(buf, cap, tx->priority, e->cfg.node_id,
	    tx->node.msid, (uint16_t)seq, tx->data + at, len);
}

/* The Ack-Ack is an Address_PDU that names nobody. */
static size_t
put_last(struct pmul_engine *e, struct pmul_tx *tx, void *buf, size_t cap)
{
	struct pmul_pdu pdu = {
		.type = PMUL_ADDRESS,
		.priority = tx->priority,
		.first = true,
		.last = true,
		.source = e->cfg.node_id,
		.msid = tx->node.msid,
		.total = (uint16_t)tx->total,
		.expiry = tx->expiry,
	};

	pmul_tx_over(e, tx);
	if (tx->discarded)
		return pmul_pdu_put_discard(
		    buf, cap, tx->priority, e->cfg.node_id, tx->node.msid);
	return pmul_pdu_put_address(buf, cap, &pdu, NULL, 0);
}

size_t
pmul_tx_put(struct pmul_engine *e, struct pmul_tx *tx, struct pmul_where *where,
    void *buf, size_t cap)
{
	size_t len;

	if (tx->phase == PMUL_TX_READY) {
		len = pmul_claim_remind(e, tx, where, buf, cap);
		if (len > 0)
			return len;
		pmul_tx_begin_round(e, tx);
	}
	memset(where, 0, sizeof(*where));
	where->port = PMUL_DPORT;
	where->multicast = true;
	where->group = tx->group;
	if (tx->phase == PMUL_TX_CLOSING || tx->phase == PMUL_TX_OVER)
		return put_last(e, tx, buf, cap);
	if (tx->naming == 0 && pmul_tx_next_seq(tx) == 0)
		pmul_tx_begin_extra(tx);
	if (tx->naming > 0)
		return put_address(e, tx, buf, cap);
	return put_data(e, tx, buf, cap);
}

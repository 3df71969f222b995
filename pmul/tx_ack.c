/*
 * What an Ack_PDU tells about outgoing messages.
 *
 * One Ack_PDU may have entries for several messages.  Memory for all of them
 * is found before anything changes, so that the PDU counts whole or not at
 * all.
 */
#include "pmul/tx.h"

#include <assert.h>

#include "pmul/node.h"

/* A binary search. */
struct pmul_tx_dest *
pmul_tx_dest(const struct pmul_tx *tx, uint32_t id)
{
	uint32_t low = 0, high = tx->ndests;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (tx->dests[mid].id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low < tx->ndests && tx->dests[low].id == id ? &tx->dests[low]
							   : NULL;
}

/*
 * Whose word the entry is, and on which message of ours; false if on none.
 *
 * The originator of the acknowledged message is meant to be in the entry, the
 * acknowledger in the header.  NTNU's library puts the acknowledger into the
 * entry, and sometimes the originator into the header; so much is believed of
 * a destination of a message that is in flight.
 */
static bool
find(const struct pmul_engine *e, const struct pmul_pdu *pdu,
    const struct pmul_ack_entry *entry, struct pmul_tx **ret_tx,
    uint32_t *ret_from)
{
	uint32_t own = e->cfg.node_id;
	struct pmul_tx *tx = pmul_tx_find(e, entry->msid);

	if (tx == NULL)
		return false;
	if (entry->source == own) {
		*ret_from = pdu->source;
		if (pdu->source == own)
			return false;
	} else {
		*ret_from = entry->source;
		if ((pdu->source != entry->source && pdu->source != own) ||
		    pmul_tx_dest(tx, entry->source) == NULL)
			return false;
	}
	*ret_tx = tx;
	return true;
}

/* The last number listed, if the message has any that was; or 0. */
static uint32_t
last_listed(const struct pmul_tx *tx, const struct pmul_ack_entry *entry)
{
	uint16_t first, last;
	uint32_t found = 0;
	size_t pos = 0;

	while (pmul_ack_next_range(entry, &pos, &first, &last))
		if (first <= tx->total)
			found = last;
	return found;
}

/* So that adding to the set cannot fail any more. */
static int
prepare(const struct pmul_tx *tx, struct pmul_tx_dest *d,
    const struct pmul_ack_entry *entry)
{
	int rc;

	if (d == NULL || tx->rounds == 0 || d->complete ||
	    d->missing.count > 0 || last_listed(tx, entry) == 0)
		return PMUL_OK;
	rc = pmul_seqset_add(&d->missing, 1, NULL);
	pmul_seqset_remove(&d->missing, 1);
	return rc;
}

static int
prepare_all(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_ack_entry entry;
	struct pmul_tx *tx;
	uint32_t from;
	size_t pos = 0;
	int rc = PMUL_OK;

	while (rc == PMUL_OK && pmul_pdu_next_ack(pdu, &pos, &entry))
		if (find(e, pdu, &entry, &tx, &from))
			rc = prepare(tx, pmul_tx_dest(tx, from), &entry);
	return rc;
}

/* A set without members has no memory: take back what was prepared. */
static void
unprepare_all(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_ack_entry entry;
	struct pmul_tx_dest *d;
	struct pmul_tx *tx;
	uint32_t from;
	size_t pos = 0;

	while (pmul_pdu_next_ack(pdu, &pos, &entry)) {
		if (!find(e, pdu, &entry, &tx, &from))
			continue;
		d = pmul_tx_dest(tx, from);
		if (d != NULL && d->missing.count == 0)
			pmul_seqset_release(&d->missing);
	}
}

static void
heard(struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	d->heard = true;
	if (d->blind)
		tx->blind--;
	d->blind = false;
}

static void
complete(struct pmul_engine *e, struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	heard(tx, d);
	pmul_tx_respond(e, tx, d);
	d->complete = true;
	tx->unconfirmed = true;
	tx->incomplete--;
	pmul_seqset_release(&d->missing);
	pmul_tx_event(e, tx, PMUL_EV_ACKED, d->id);
}

/* Replace what d lacks by what the entry lists. */
static void
replace_missing(const struct pmul_tx *tx, struct pmul_tx_dest *d,
    const struct pmul_ack_entry *entry, uint32_t upto)
{
	uint16_t first, last;
	size_t pos = 0;
	int rc = PMUL_OK;

	d->known = upto;
	pmul_seqset_empty(&d->missing);
	while (rc == PMUL_OK && pmul_ack_next_range(entry, &pos, &first, &last))
		if (first <= tx->total)
			rc = pmul_seqset_add_range(&d->missing, first, last);
	assert(rc == PMUL_OK); /* prepared */
}

/* What d lacks beyond the cursor joins the round that is under way. */
static void
join_round(struct pmul_tx *tx, const struct pmul_tx_dest *d)
{
	uint32_t n = pmul_seqset_next(&d->missing, tx->cursor);
	int rc = PMUL_OK;

	for (; rc == PMUL_OK && n != 0; n = pmul_seqset_next(&d->missing, n))
		rc = pmul_seqset_add(&tx->wanted, n, NULL);
	assert(rc == PMUL_OK); /* pmul_tx_submit() prepared the set */
}

/*
 * Whether an Ack listing up to `last` is d's response to this round, or only
 * something said on the way: everything it asked for has been sent, and will
 * not come again in this round.
 */
static bool
is_response(
    const struct pmul_tx *tx, const struct pmul_tx_dest *d, uint32_t last)
{
	if (tx->phase != PMUL_TX_SENDING || tx->kind != PMUL_TX_REPEAT ||
	    tx->extra)
		return true;
	return !tx->whole && last <= tx->cursor &&
	       pmul_seqset_last(&d->missing) <= tx->cursor;
}

/* Whether the entry lists exactly what d was known to lack. */
static bool
is_same(const struct pmul_tx_dest *d, const struct pmul_ack_entry *entry)
{
	uint16_t first, last;
	uint32_t count = 0, gap;
	size_t pos = 0;

	while (pmul_ack_next_range(entry, &pos, &first, &last)) {
		gap = pmul_seqset_next_gap(&d->missing, first - 1u);
		if (first > d->missing.max || (gap != 0 && gap <= last))
			return false;
		count += last - first + 1u;
	}
	return count == d->missing.count;
}

/*
 * With Extra_Address_PDUs a receiver may speak twice about one round, and the
 * second time we have repeated what it asked for.  A list that is the same as
 * before, or comes sooner than the way there and back allows, is taken down,
 * but is no response: those numbers may be arriving just now.
 */
static bool
is_doubtful(const struct pmul_engine *e, const struct pmul_tx *tx,
    const struct pmul_tx_dest *d, const struct pmul_ack_entry *entry)
{
	uint64_t since =
	    tx->phase == PMUL_TX_SENDING ? tx->began_us : tx->ended_us;

	if (e->cfg.extra_address == PMUL_EXTRA_NEVER || tx->whole || !d->served)
		return false;
	return is_same(d, entry) || e->now.mono.us < since ||
	       e->now.mono.us - since < e->rtt.least_us / 2;
}

/*
 * Numbers above the last one listed are unknown, not received: a destination
 * is complete only when it says so with an empty list.  But what it once
 * listed and now does not, it has, for lists name the lowest numbers first.
 */
static void
incomplete(struct pmul_engine *e, struct pmul_tx *tx, struct pmul_tx_dest *d,
    const struct pmul_ack_entry *entry)
{
	uint32_t last = last_listed(tx, entry);
	bool response, doubtful;

	/* A list without a usable number says nothing at all. */
	if (last == 0)
		return;
	response = is_response(tx, d, last);
	doubtful = is_doubtful(e, tx, d, entry);
	heard(tx, d);
	replace_missing(tx, d, entry, last);
	if (tx->phase == PMUL_TX_SENDING && tx->kind == PMUL_TX_REPEAT &&
	    !tx->extra)
		join_round(tx, d);
	tx->needy = true;
	if (response && doubtful)
		d->suspect = true;
	else if (response)
		pmul_tx_respond(e, tx, d);
}

/*
 * 142(A): the Ack says how many tenths of a second after an Address_PDU it was
 * sent.  If that was one of the present round, so is the Ack.
 */
static void
check_timestamp(const struct pmul_engine *e, const struct pmul_tx *tx,
    struct pmul_tx_dest *d, const struct pmul_pdu *pdu)
{
	uint64_t since_us = e->now.mono.us - tx->began_us;

	/* With several entries it is any one's. */
	if (d != NULL && pdu->has_timestamp && pdu->count == 1 &&
	    pdu->timestamp < since_us / 100000)
		d->clear = true;
}

/* Whether it can be true, and so was said by the node. */
static bool
take(struct pmul_engine *e, struct pmul_tx *tx, struct pmul_tx_dest *d,
    const struct pmul_ack_entry *entry)
{

	if (tx->phase == PMUL_TX_OVER || tx->phase == PMUL_TX_CLOSING) {
		pmul_tx_answer(e, tx);
		return true;
	}
	/* Nobody can acknowledge what was never sent. */
	if (d == NULL || tx->rounds == 0)
		return false;
	if (d->complete)
		return true;
	/* What says nothing leaves that to pmul_node_spoke(). */
	if (d->emcon && (entry->nmissing == 0 || last_listed(tx, entry) != 0))
		pmul_tx_unsilence(tx, d);
	if (entry->nmissing == 0)
		complete(e, tx, d);
	else
		incomplete(e, tx, d, entry);
	pmul_tx_settle(e, tx);
	return true;
}

int
pmul_tx_ack(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_ack_entry entry;
	struct pmul_tx_dest *d;
	struct pmul_tx *tx;
	uint32_t from, spoke = 0;
	size_t pos = 0;
	int rc = prepare_all(e, pdu);

	if (rc != PMUL_OK) {
		unprepare_all(e, pdu);
		return rc;
	}
	while (pmul_pdu_next_ack(pdu, &pos, &entry)) {
		bool taken = false;

		if (find(e, pdu, &entry, &tx, &from)) {
			d = pmul_tx_dest(tx, from);
			check_timestamp(e, tx, d, pdu);
			taken = take(e, tx, d, &entry);
		}
		if (taken)
			spoke = from;
		else if (pdu->source != e->cfg.node_id)
			e->counters.ack_unknown++;
	}
	if (spoke == 0 && pdu->source == e->cfg.node_id)
		return PMUL_EOWN;
	e->counters.acks_in++;
	if (spoke != 0)
		pmul_node_spoke(e, spoke);
	return PMUL_OK;
}

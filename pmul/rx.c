/*
 * What PDUs do to incoming messages.
 *
 * When to acknowledge (ACP 142, "acknowledgement mode"):
 *	T1  the last Data_PDU of the first pass arrives
 *	T2  the last number of our last Ack arrives
 *	T3  MM numbers are missing, and we have not said anything yet
 *	T4  an Extra_Address_PDU arrives
 *	T5  the transmitter shows that it does not know we are complete
 *	T6  nothing came for long, neither of this message nor of anything else
 *	    its transmitter sends: the end of a pass was lost, and the
 *	    transmitter has no reason to ask, as it believes us to be in EMCON
 * and one of our own, which keeps a transfer alive when our Ack was lost and
 * the transmitter goes on with what it knew before: when an Address_PDU names
 * us again and nothing we asked for follows within ACK_PDU_TIME, we repeat
 * ourselves.
 *
 * T3 comes once and not with every further loss: an Ack lists the lowest
 * numbers, so a second one before these have come would say the same.
 */
#include "pmul/rx.h"

#include <assert.h>
#include <stdlib.h>

#include "pmul/ack.h"
#include "pmul/group.h"
#include "pmul/rx_life.h"

/* --- complete -------------------------------------------------------------- */

void
pmul_rx_deliver(
    struct pmul_engine *e, struct pmul_rx *rx, uint8_t *data, size_t len)
{
	struct pmul_gather *g = rx->g;
	struct pmul_event ev = {
		.type = PMUL_EV_RECEIVED,
		.peer = rx->node.source,
		.id = rx->node.msid,
		.priority = rx->priority,
		.seq = g->seq,
		.expiry = { rx->expiry },
		.data = data,
		.len = len,
	};

	pmul_peer_forgive(e, rx);
	pmul_rx_clean(e, rx);
	pmul_heap_remove(&e->timers, &rx->timer);
	pmul_rx_immortal(e, rx);
	pmul_rx_charge(e, rx, len - g->store.bytes);
	pmul_store_release(&g->store);
	g->data = data;
	g->len = len;
	rx->state = PMUL_RX_COMPLETE;
	pmul_ring_push(&e->events, &ev);
}

/* --- Address_PDU ----------------------------------------------------------- */

enum listed { LISTED, NOT_LISTED, UNDECIDED };

/* DONE: nobody waits for our Ack any more. */
static void
be_confirmed(struct pmul_engine *e, struct pmul_rx *rx)
{
	rx->confirmed = true;
	pmul_peer_forgive(e, rx);
	pmul_heap_remove(&e->timers, &rx->timer);
	pmul_group_leave(e, rx->node.source, rx->node.msid);
}

/* What the entries of one PDU say about us, its place in the set considered. */
static enum listed
judge(const struct pmul_pdu *pdu, uint32_t own, uint32_t *ret_seq)
{
	bool ascending = true, between = false;
	uint32_t first = 0, last = 0;

	for (size_t i = 0; i < pdu->count; i++) {
		struct pmul_dest d = pmul_pdu_dest(pdu, i);

		if (d.id == own) {
			*ret_seq = d.seq;
			return LISTED;
		}
		if (i == 0)
			first = d.id;
		else if (d.id <= last)
			ascending = false;
		else if (last < own && own < d.id)
			between = true;
		last = d.id;
	}
	if (pdu->first && pdu->last)
		return NOT_LISTED;
	/* Lists ascend over the whole set, where they are sorted at all. */
	if (pdu->count > 0 && ascending &&
	    (between || (pdu->first && own < first) ||
		(pdu->last && own > last)))
		return NOT_LISTED;
	return UNDECIDED;
}

/* Once all PDUs of a set went by without naming us, we are not listed. */
static enum listed
judge_set(struct pmul_rx *rx, const struct pmul_pdu *pdu, enum listed listed)
{
	if (listed != UNDECIDED) {
		rx->chained = false;
		return listed;
	}
	rx->chained = pdu->first || rx->chained;
	return rx->chained && pdu->last ? NOT_LISTED : UNDECIDED;
}

/* T1 or T3 may be met when held data turns out to be for us. */
static void
check_gathered(struct pmul_engine *e, struct pmul_rx *rx)
{
	struct pmul_gather *g = rx->g;

	if (pmul_seqset_has(&g->store.have, g->total))
		g->pass_over = true;
	if (g->pass_over ||
	    (g->asked == 0 && g->highest - g->store.have.count >= e->cfg.mm))
		pmul_rx_owe(e, rx);
}

/* A message that gathers, out of nothing or of what was not for us. */
static int
open_named(
    struct pmul_engine *e, const struct pmul_pdu *pdu, struct pmul_rx **rx)
{
	struct pmul_rx *fresh = NULL;
	int rc = pmul_rx_room(e, NULL, false);

	if (rc == PMUL_OK && *rx == NULL) {
		rc = pmul_rx_new(e, pdu->source, pdu->msid, &fresh);
		*rx = fresh;
	}
	if (rc == PMUL_OK)
		rc = pmul_rx_open(e, *rx, false);
	if (rc != PMUL_OK && fresh != NULL)
		pmul_rx_free(e, fresh);
	return rc;
}

/* What the Address_PDU that names us tells about the message. */
static void
take_address(struct pmul_engine *e, struct pmul_rx *rx,
    const struct pmul_pdu *pdu, uint32_t seq)
{
	struct pmul_gather *g = rx->g;

	if (rx->state == PMUL_RX_HELD)
		pmul_rx_unhold(e, rx);
	rx->state = PMUL_RX_GATHERING;
	rx->priority = pdu->priority;
	rx->expiry = pdu->expiry;
	pmul_rx_live(e, rx);
	pmul_rx_dirty(e, rx);
	pmul_group_touch(e, rx->node.source, rx->node.msid);
	g->seq = seq;
	g->total = pdu->total > g->highest ? pdu->total : g->highest;
	g->total_sure = g->total == pdu->total;
	g->pass_over = pdu->type == PMUL_EXTRA_ADDRESS; /* T4 */
	pmul_rx_touch(e, rx);
	pmul_rx_shed(e);
}

/*
 * The message is for us: unknown so far, or held, or taken for somebody
 * else's.  All that can fail comes first.
 */
static int
adopt(struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_pdu *pdu,
    uint32_t seq)
{
	bool held = rx != NULL && rx->state == PMUL_RX_HELD;
	struct pmul_store none, *s;
	uint8_t *data = NULL;
	size_t len = 0;
	int rc = PMUL_OK;

	pmul_store_init(&none);
	s = held ? &rx->g->store : &none;
	/* Each fragment has an octet at least. */
	if (pdu->total > e->cfg.message_max)
		return PMUL_ETOOBIG;
	if (pdu->total == s->have.count &&
	    (!held || pdu->total == rx->g->highest))
		rc = pmul_store_join(s, pdu->total, 0, NULL, 0, &data, &len);
	if (rc == PMUL_OK && held)
		rc = pmul_seqset_grow(&s->have, pdu->total);
	if (rc == PMUL_OK && !held)
		rc = open_named(e, pdu, &rx);
	if (rc != PMUL_OK) {
		free(data);
		return rc;
	}
	take_address(e, rx, pdu, seq);
	if (!held) {
		/* Empty: only the limit is set. */
		rc = pmul_seqset_grow(&rx->g->store.have, pdu->total);
		assert(rc == PMUL_OK);
	}
	if (data != NULL)
		pmul_rx_deliver(e, rx, data, len);
	else
		check_gathered(e, rx);
	return PMUL_OK;
}

/* Named again while incomplete. */
static int
named_again(
    struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_pdu *pdu)
{
	struct pmul_gather *g = rx->g;
	uint8_t *data;
	size_t len;
	int rc = PMUL_OK;

	pmul_rx_touch(e, rx);
	if (pdu->total > e->cfg.message_max)
		return PMUL_ETOOBIG;
	/* Some count only the PDUs of the round: the Total never shrinks. */
	if (pdu->total >= g->total) {
		if (pdu->total == g->store.have.count) {
			rc = pmul_store_join(
			    &g->store, pdu->total, 0, NULL, 0, &data, &len);
			if (rc == PMUL_OK)
				pmul_rx_deliver(e, rx, data, len);
			return rc;
		}
		rc = pmul_seqset_grow(&g->store.have, pdu->total);
		if (rc != PMUL_OK)
			return rc;
		if (g->total != pdu->total || !g->total_sure)
			pmul_rx_dirty(e, rx);
		g->total = pdu->total;
		g->total_sure = true;
	}
	if (pdu->type == PMUL_EXTRA_ADDRESS) {
		g->pass_over = true;
		if (!pmul_rx_said_already(e, rx, true))
			pmul_rx_owe(e, rx); /* T4 */
		return PMUL_OK;
	}
	/* Its last number that concerns us, T2, is the last we asked for; had
	 * we asked for nothing, everything is sent again. */
	pmul_rx_expect(e, rx);
	return PMUL_OK;
}

/* T5: the transmitter lacks our Ack, unless that is still on its way. */
static void
named_when_done(
    struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_pdu *pdu)
{
	if (e->cfg.rx_lifetime_us > 0)
		pmul_rx_remember(e, rx);
	if (pmul_rx_said_already(e, rx, pdu->type == PMUL_EXTRA_ADDRESS))
		return;
	rx->duplicate_address = true;
	pmul_group_touch(e, rx->node.source, rx->node.msid);
	pmul_rx_owe(e, rx);
}

static int
named(struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_pdu *pdu,
    uint32_t seq)
{
	if (rx == NULL)
		return adopt(e, rx, pdu, seq);
	switch (rx->state) {
	case PMUL_RX_HELD:
	case PMUL_RX_FOREIGN: return adopt(e, rx, pdu, seq);
	case PMUL_RX_GATHERING: return named_again(e, rx, pdu);
	case PMUL_RX_DONE: named_when_done(e, rx, pdu); return PMUL_OK;
	case PMUL_RX_COMPLETE:
	case PMUL_RX_LOST: return PMUL_OK;
	}
	return PMUL_OK;
}

/* Remember that the message is not for us, or its Data_PDUs would be held. */
static int
ignore(struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_pdu *pdu)
{
	int rc = PMUL_OK;

	if (rx == NULL)
		rc = pmul_rx_new(e, pdu->source, pdu->msid, &rx);
	else
		pmul_ring_break(&e->events, 1);
	if (rc != PMUL_OK)
		return rc;
	rx->expiry = pdu->expiry;
	pmul_rx_bury(e, rx, PMUL_RX_FOREIGN);
	return PMUL_OK;
}

static int
not_named(struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_pdu *pdu)
{
	if (rx == NULL || rx->state == PMUL_RX_HELD) {
		int rc = ignore(e, rx, pdu);

		if (rc == PMUL_OK)
			e->counters.not_for_us++;
		return rc;
	}
	switch (rx->state) {
	case PMUL_RX_DONE:
		/* Not outstanding any more: our Ack has arrived.  If one has
		 * left: rounds for those in EMCON name nobody else, and polls
		 * only those that can answer. */
		if (rx->acked_at_us != 0 || rx->confirmed)
			be_confirmed(e, rx);
		break;
	case PMUL_RX_FOREIGN:
	case PMUL_RX_LOST: e->counters.not_for_us++; break;
	case PMUL_RX_HELD:
	case PMUL_RX_GATHERING: /* a mistake, perhaps: until it expires */
	case PMUL_RX_COMPLETE: break;
	}
	return PMUL_OK;
}

/* Hold what may turn out to be for us. */
static int
hold(struct pmul_engine *e, const struct pmul_pdu *pdu, struct pmul_rx **ret_rx)
{
	struct pmul_rx *rx;
	int rc = pmul_rx_room(e, pmul_peer_find(e, pdu->source), true);

	if (rc == PMUL_OK)
		rc = pmul_rx_new(e, pdu->source, pdu->msid, &rx);
	if (rc != PMUL_OK)
		return rc;
	rc = pmul_rx_open(e, rx, true);
	if (rc != PMUL_OK) {
		pmul_rx_free(e, rx);
		return rc;
	}
	rx->priority = pdu->priority;
	*ret_rx = rx;
	return PMUL_OK;
}

/* When, for the timestamp of our Acks; and whether a round has ended. */
static void
note_named(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_rx *rx = pmul_rx_find(e, pdu->source, pdu->msid);

	if (pdu->type == PMUL_EXTRA_ADDRESS)
		rx->ended = true;
	if (pdu->type == PMUL_ADDRESS || rx->named_at_us == 0)
		rx->named_at_us = e->now.mono.us;
	pmul_rx_watch(e, rx);
}

/*
 * What FEC carries we cannot put together.  Like a message for others: its
 * Data_PDUs are neither held nor acknowledged.
 */
int
pmul_rx_fec(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_rx *rx = pmul_rx_find(e, pdu->source, pdu->msid);
	int rc = PMUL_OK;

	if (pmul_rx_too_late(e, pdu->expiry))
		return PMUL_EEXPIRED;
	if (rx == NULL || rx->state == PMUL_RX_HELD)
		rc = ignore(e, rx, pdu);
	return rc != PMUL_OK ? rc : PMUL_EUNSUPPORTED;
}

int
pmul_rx_address(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_rx *rx = pmul_rx_find(e, pdu->source, pdu->msid);
	enum listed listed;
	uint32_t seq = 0;
	int rc = PMUL_OK;

	if (pmul_rx_too_late(e, pdu->expiry))
		return PMUL_EEXPIRED;
	listed = judge(pdu, e->cfg.node_id, &seq);
	if (rx == NULL && listed == UNDECIDED) {
		rc = hold(e, pdu, &rx);
		if (rc != PMUL_OK)
			return rc;
	}
	if (rx != NULL)
		listed = judge_set(rx, pdu, listed);
	switch (listed) {
	case LISTED:
		rc = named(e, rx, pdu, seq);
		if (rc == PMUL_OK)
			note_named(e, pdu);
		break;
	case NOT_LISTED: rc = not_named(e, rx, pdu); break;
	case UNDECIDED: break;
	}
	return rc;
}

/* --- Data_PDU -------------------------------------------------------------- */

/* Whether len octets more are allowed. */
static int
fits(const struct pmul_engine *e, const struct pmul_rx *rx, size_t len)
{
	const struct pmul_config *cfg = &e->cfg;
	uint64_t room = cfg->rx_bytes_max - e->gauges.rx_bytes;

	if (len > cfg->message_max - rx->g->store.bytes)
		return PMUL_ETOOBIG;
	if (len > room &&
	    (rx->state == PMUL_RX_HELD || !pmul_rx_can_shed(e, rx, len - room)))
		return PMUL_EBUSY;
	if (rx->state != PMUL_RX_HELD)
		return PMUL_OK;
	/* What may never be for us has half the room, each transmitter half
	 * of that. */
	if (e->held_bytes > cfg->rx_bytes_max / 2 ||
	    len > cfg->rx_bytes_max / 2 - e->held_bytes ||
	    rx->peer->held_bytes > cfg->rx_bytes_max / 4 ||
	    len > cfg->rx_bytes_max / 4 - rx->peer->held_bytes)
		return PMUL_EBUSY;
	return PMUL_OK;
}

/* Fragment seq is there and more are missing: is an Ack due? */
static void
arrived(struct pmul_engine *e, struct pmul_rx *rx, uint32_t seq)
{
	struct pmul_gather *g = rx->g;

	/* Something we asked for: the transmitter has heard us. */
	if (seq <= g->asked)
		pmul_heap_remove(&e->timers, &rx->timer);
	if (seq == g->total || seq == g->asked || /* T1, T2 */
	    (g->asked == 0 &&
		g->highest - g->store.have.count >= e->cfg.mm)) /* T3 */
		pmul_rx_owe(e, rx);
}

static int
store(struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_pdu *pdu)
{
	struct pmul_gather *g = rx->g;
	bool gathering = rx->state == PMUL_RX_GATHERING;
	bool beyond = gathering && pdu->seq > g->total;
	uint8_t *data;
	size_t len;
	int rc = fits(e, rx, pdu->data_len);

	if (rc != PMUL_OK)
		return rc;
	/* The timer that drops the message may not have been run yet. */
	if (gathering && pmul_rx_is_over(e, rx))
		return PMUL_EEXPIRED;
	if (gathering && !beyond && g->total_sure &&
	    g->store.have.count + 1 == g->total) {
		rc = pmul_store_join(&g->store, g->total, pdu->seq, pdu->data,
		    pdu->data_len, &data, &len);
		if (rc == PMUL_OK)
			pmul_rx_deliver(e, rx, data, len);
		return rc;
	}
	rc = pmul_store_add(&g->store, pdu->seq, pdu->data, pdu->data_len);
	if (rc != PMUL_OK)
		return rc;
	pmul_rx_charge(e, rx, pdu->data_len);
	if (gathering)
		pmul_rx_dirty(e, rx);
	if (pdu->seq > g->highest)
		g->highest = pdu->seq;
	if (beyond) {
		/* The Total we learned was that of a round; wait for the
		 * right one. */
		g->total = pdu->seq;
		g->total_sure = false;
	}
	if (gathering)
		arrived(e, rx, pdu->seq);
	return PMUL_OK;
}

/*
 * T5: we are complete and the transmitter still sends.  Most likely for others
 * in the round that made us complete, however long that takes; so only when
 * this must be a later round, whose Address_PDU we missed: the numbers of a
 * round ascend, and this one does not.
 */
static void
acknowledge_again(struct pmul_engine *e, struct pmul_rx *rx, uint32_t seq)
{
	const struct pmul_config *cfg = &e->cfg;
	uint64_t apart = cfg->ack_retx_us > cfg->ack_delay_us
			     ? cfg->ack_retx_us - cfg->ack_delay_us
			     : 0;

	if (rx->confirmed || rx->duplicate_address || rx->owed ||
	    seq > rx->heard_seq || e->now.mono.us - rx->acked_at_us < apart)
		return;
	pmul_rx_owe(e, rx);
}

static int
data_of_known(
    struct pmul_engine *e, struct pmul_rx *rx, const struct pmul_pdu *pdu)
{
	int rc = PMUL_OK;

	switch (rx->state) {
	case PMUL_RX_HELD:
	case PMUL_RX_GATHERING:
		if (!pmul_seqset_has(&rx->g->store.have, pdu->seq))
			rc = store(e, rx, pdu);
		else {
			e->counters.duplicates++;
			pmul_rx_put_off(e, rx, pdu->seq);
		}
		break;
	case PMUL_RX_COMPLETE: e->counters.duplicates++; break;
	case PMUL_RX_DONE:
		e->counters.duplicates++;
		acknowledge_again(e, rx, pdu->seq);
		break;
	case PMUL_RX_LOST:
	case PMUL_RX_FOREIGN: e->counters.not_for_us++; break;
	}
	if (rc != PMUL_OK)
		return rc;
	if (rx->state == PMUL_RX_GATHERING)
		pmul_rx_touch(e, rx);
	pmul_rx_shed(e);
	/* A round is under way: what ends it is no question. */
	rx->said_last = rx->ended = false;
	rx->heard_seq = pdu->seq;
	pmul_rx_watch(e, rx);
	return PMUL_OK;
}

int
pmul_rx_data(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_rx *rx = pmul_rx_find(e, pdu->source, pdu->msid);
	int rc;

	if (rx == NULL) {
		rc = hold(e, pdu, &rx);
		if (rc != PMUL_OK)
			return rc;
		rc = store(e, rx, pdu);
		if (rc != PMUL_OK)
			pmul_rx_free(e, rx);
		return rc;
	}
	return data_of_known(e, rx, pdu);
}

/* --- Discard_Message_PDU ----------------------------------------------------- */

int
pmul_rx_discard(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_rx *rx = pmul_rx_find(e, pdu->source, pdu->msid);

	pmul_group_leave(e, pdu->source, pdu->msid);
	if (rx == NULL)
		return PMUL_OK;
	switch (rx->state) {
	case PMUL_RX_HELD:
		pmul_ring_break(&e->events, 1);
		pmul_rx_bury(e, rx, PMUL_RX_LOST);
		break;
	case PMUL_RX_GATHERING: pmul_rx_lose(e, rx); break;
	case PMUL_RX_COMPLETE:
		/* It is delivered all the same; nobody waits for the Ack. */
		rx->discarded = true;
		break;
	case PMUL_RX_DONE: be_confirmed(e, rx); break;
	case PMUL_RX_LOST:
	case PMUL_RX_FOREIGN: break;
	}
	return PMUL_OK;
}

/* --- Release_PDU ------------------------------------------------------------- */

void
pmul_rx_released(struct pmul_engine *e, uint32_t source, uint32_t msid)
{
	struct pmul_rx *rx = pmul_rx_find(e, source, msid);

	if (rx != NULL && rx->state == PMUL_RX_DONE)
		be_confirmed(e, rx);
}

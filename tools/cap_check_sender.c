/* mulecap check: the PDUs of those who send messages. */
#include "tools/cap_check.h"

/*
 * An Ack can be lost on its way, and then the sender has to repeat: only who
 * repeats after so many complete Acks does not listen.
 */
#define UNHEEDED_MAX 4
/* Of larger groups it is not looked who has which fragment. */
#define DESTS_LOOKED_AT 256
/* PDU_MAX_SIZE of NTNU's library as it comes. */
#define NTNU_PDU_MAX 3840
#define APORT 2754

/* Whatever a sender emits for a message that is over. */
static void
check_over(struct cap_check *c, const struct cap_message *m)
{
	const struct cap_seen *s = c->now;

	if (m->discarded_us != 0)
		cap_found(c, CAP_AFTER_DISCARD);
	if (m->addressed && m->expiry != 0 &&
	    s->d->time_us / 1000000 > m->expiry)
		cap_found(c, CAP_EXPIRED);
}

static bool
lists_ntnu(const struct cap_check *c, const struct cap_message *m)
{
	for (size_t i = 0; i < m->ndests && i < DESTS_LOOKED_AT; i++)
		if (cap_is_ntnu(c, m->dests[i].id))
			return true;
	return false;
}

/* --- Data_PDU ------------------------------------------------------------ */

/* What one of those that the round lists has said about fragment seq. */
static bool
has_fragment(const struct cap_dest *d, uint16_t seq)
{
	return d->complete || (d->has.words != NULL && seq <= d->has.max &&
				  pmul_seqset_has(&d->has, seq));
}

/* All that this round lists have acknowledged the fragment. */
static bool
nobody_needs(const struct cap_message *m, uint16_t seq, bool *ret_surely)
{
	bool surely = true;
	size_t listed = 0;

	if (m->ndests > DESTS_LOOKED_AT)
		return false;
	for (size_t i = 0; i < m->ndests; i++) {
		const struct cap_dest *d = &m->dests[i];

		if (d->round != m->rounds)
			continue;
		listed++;
		if (!has_fragment(d, seq))
			return false;
		if (d->unheeded < UNHEEDED_MAX)
			surely = false;
	}
	*ret_surely = surely;
	return listed > 0;
}

static void
check_repeat(struct cap_check *c, const struct cap_message *m,
    const struct cap_fragment *f)
{
	const struct pmul_pdu *p = c->now->pdu;
	bool surely = false, bare = m->rounds > 0 && f->round == m->rounds;

	if (f->hash != cap_hash(p->data, p->data_len))
		cap_found(c, CAP_REUSE);
	if (bare)
		cap_found(c, CAP_BARE_REPEAT);
	if (nobody_needs(m, p->seq, &surely) || m->ack_acked)
		cap_found_if(c, surely || bare || m->ack_acked, CAP_ACKED_DATA);
}

void
cap_check_data(struct cap_check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;

	if (m == NULL)
		return;
	check_over(c, m);
	if (m->total > 0 && p->seq > m->total)
		cap_found(c, CAP_SEQUENCE);
	if (m->rounds == 0 && m->ndests > 0 && !m->in_data)
		cap_found(c, CAP_EXTRA_FIRST);
	if (p->length > NTNU_PDU_MAX && lists_ntnu(c, m))
		cap_found(c, CAP_PDU_SIZE);
	if (p->seq <= m->nfragments && m->fragments[p->seq - 1].times > 0)
		check_repeat(c, m, &m->fragments[p->seq - 1]);
}

/* --- Address_PDU --------------------------------------------------------- */

/*
 * Numbers go up by one for each message to a node, but messages may overtake
 * one another: what must not be is one number twice.
 */
static void
check_number(struct cap_check *c, struct pmul_dest d)
{
	uint32_t source = c->now->pdu->source;
	struct cap_pair *p = &c->pairs[(source * UINT32_C(2654435761) ^ d.id) *
				       UINT32_C(2246822519) % CAP_PAIRS];

	if (p->source != source || p->dest != d.id) {
		*p = (struct cap_pair){ source, d.id, d.seq, 1 };
		return;
	}
	if (d.seq > p->top) {
		uint32_t up = d.seq - p->top;

		p->used = up < 64 ? p->used << up | 1 : 1;
		p->top = d.seq;
		return;
	}
	if (p->top - d.seq >= 64)
		return;
	if ((p->used >> (p->top - d.seq) & 1) != 0)
		cap_found(c, CAP_NUMBERING);
	p->used |= UINT64_C(1) << (p->top - d.seq);
}

static void
check_dests(struct cap_check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;
	bool sorted = true, renumbered = false, needless = false, surely;

	surely = m != NULL && m->ack_acked;
	for (size_t i = 0; i < p->count; i++) {
		struct pmul_dest d = pmul_pdu_dest(p, i);
		const struct cap_dest *known =
		    m == NULL ? NULL : cap_message_dest(m, d.id);

		if (i > 0 && pmul_pdu_dest(p, i - 1).id >= d.id)
			sorted = false;
		if (known == NULL) {
			check_number(c, d);
			continue;
		}
		renumbered |= known->seq != d.seq;
		needless |= known->complete;
		surely |= known->unheeded >= UNHEEDED_MAX;
	}
	if (!sorted)
		cap_found(c, CAP_UNSORTED);
	if (renumbered)
		cap_found(c, CAP_RENUMBERED);
	if (needless)
		cap_found_if(c, surely, CAP_ACKED_DEST);
}

/*
 * A round that begins as soon as the one before has ended: nobody had the time
 * to say anything, and nobody has.
 */
static void
check_round(struct cap_check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;
	uint64_t pause = c->now->d->time_us - m->sent_us;

	if (p->type != PMUL_ADDRESS || !p->first || !m->in_data ||
	    m->rounds == 0 || m->ack_us >= m->round_us ||
	    c->now->d->time_us < m->sent_us)
		return;
	if (p->source != c->sending_source || p->msid != c->sending_msid ||
	    c->sending < 3 || pause > m->gap_us + m->gap_us / 2)
		return;
	for (size_t i = 0; i < p->count; i++) {
		const struct cap_dest *d =
		    cap_message_dest(m, pmul_pdu_dest(p, i).id);

		/* Of another kind: a round for the silent follows. */
		if (d == NULL || d->round != m->rounds)
			return;
	}
	cap_found(c, CAP_ROUND_TWICE);
}

static void
check_same(struct cap_check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;

	if (p->total < m->total)
		cap_found(c, CAP_TOTAL_SHRINKS);
	if (p->total > m->total && m->total > 0)
		cap_found(c, CAP_TOTAL_GROWS);
	if (p->expiry != m->expiry)
		cap_found(c, CAP_EXPIRY_CHANGES);
	if (p->first == m->set_open)
		cap_found(c, CAP_MAP);
}

void
cap_check_address(struct cap_check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;

	if (p->total == 0)
		cap_found(c, CAP_TOTAL);
	if (m != NULL && m->addressed)
		check_same(c, m);
	if (p->count == 0)
		return; /* an Ack-Ack is said after the end, too */
	if (m != NULL) {
		check_over(c, m);
		check_round(c, m);
	}
	check_dests(c, m);
}

/* --- Discard_Message_PDU ------------------------------------------------- */

void
cap_check_discard(struct cap_check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;

	if (c->now->d->to.port == APORT)
		cap_found(c, CAP_DISCARD_PORT);
	if (m != NULL && lists_ntnu(c, m) &&
	    cap_group_find(c, PMUL_ANNOUNCE, p->source, p->msid) == NULL)
		cap_found(c, CAP_DISCARD_NTNU);
}

/* mulecap check: what breaks the protocol or wastes the air. */
#include "tools/cap_check.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* Above the link's rate by this much, seconds of backlog, is a finding. */
#define BACKLOG_S 1.0
/* Seconds a sender may take for the Discard of an expired message. */
#define DISCARD_S 60

/* Clauses as mulecap(1) explains them. */
static const struct {
	const char *code, *clause, *text;
} kinds[CAP_KINDS] = {
	[CAP_MALFORMED] = { "malformed", "P_MUL 1",
	    "lengths or numbers of the PDU contradict one another" },
	[CAP_CHECKSUM] = { "checksum", "P_MUL 1.10",
	    "neither the Fletcher nor the Internet checksum is right" },
	[CAP_TYPE] = { "type", "P_MUL 1.2", "unknown PDU type" },
	[CAP_MAP] = { "map", "P_MUL 1.2",
	    "MAP does not say which part of a set the PDU is" },
	[CAP_TRAILING] = { "trailing", "P_MUL 1.1, NTNU Q6",
	    "octets behind Length_of_PDU" },
	[CAP_SEQUENCE] = { "sequence", "P_MUL 1.4, NTNU Q5",
	    "Sequence_Number_of_PDU is above the Total" },
	[CAP_TOTAL] = { "total", "P_MUL 1.3", "Total_Number_of_PDUs is 0" },
	[CAP_TOTAL_SHRINKS] = { "total-shrinks", "P_MUL 1.3, NTNU Q5",
	    "Total_Number_of_PDUs shrank" },
	[CAP_TOTAL_GROWS] = { "total-grows", "P_MUL 1.3, NTNU Q5",
	    "Total_Number_of_PDUs grew" },
	[CAP_EXPIRY_CHANGES] = { "expiry-changes", "P_MUL 1.3",
	    "Expiry_Time differs from the one before" },
	[CAP_UNSORTED] = { "unsorted", "P_MUL 1.3, NTNU Q9",
	    "Destination_Entries do not ascend" },
	[CAP_RENUMBERED] = { "renumbered", "P_MUL 1.3, NTNU Q9",
	    "Message_Sequence_Number changed in a retransmission" },
	[CAP_NUMBERING] = { "numbering", "P_MUL 1.3, NTNU Q9",
	    "Message_Sequence_Number was another message's to that node" },
	[CAP_REUSE] = { "reuse", "P_MUL 3.1, NTNU Q16",
	    "other contents under the same Message_ID and number" },
	[CAP_EXPIRED] = { "expired", "P_MUL 3.2, NTNU Q8",
	    "PDU after the Expiry_Time" },
	[CAP_AFTER_DISCARD] = { "after-discard", "P_MUL 1.6",
	    "PDU of a message that was discarded" },
	[CAP_NO_DISCARD] = { "no-discard", "P_MUL 3.2, NTNU Q8",
	    "the message expired incomplete and was not discarded" },
	[CAP_DISCARD_PORT] = { "discard-port", "P_MUL 2, NTNU Q8",
	    "Discard_Message_PDU on the port of Acks" },
	[CAP_DISCARD_NTNU] = { "discard-ntnu", "NTNU Q2",
	    "Discard_Message_PDU on a static group makes NTNU's node deaf" },
	[CAP_ACKED_DEST] = { "acked-dest", "P_MUL 3.2",
	    "a destination is listed that has acknowledged" },
	[CAP_ACKED_DATA] = { "acked-data", "P_MUL 3.2",
	    "data again though all listed have acknowledged it" },
	[CAP_BARE_REPEAT] = { "bare-repeat", "P_MUL 3.2, NTNU Q12",
	    "data again without an Address_PDU that begins a round" },
	[CAP_ROUND_TWICE] = { "round-twice", "P_MUL 3.2, NTNU Q5",
	    "a round follows another without a pause for Acks" },
	[CAP_EXTRA_FIRST] = { "extra-first", "P_MUL 1.9, NTNU Q15",
	    "data of a message that only Extra_Address_PDUs have announced" },
	[CAP_PDU_SIZE] = { "pdu-size", "NTNU Q11",
	    "NTNU's node cuts a PDU of more than 3840 octets" },
	[CAP_ACK_SOURCE] = { "ack-source", "P_MUL 1.5, NTNU Q1",
	    "Source_ID of the entry is not the originator" },
	[CAP_ACK_STRANGER] = { "ack-stranger", "P_MUL 3.3",
	    "Ack from a node that is no destination" },
	[CAP_ACK_IMPLOSION] = { "ack-implosion", "P_MUL 3.5",
	    "Acks of many nodes at once, without a random delay" },
	[CAP_ACK_REPEAT] = { "ack-repeat", "P_MUL 3.5",
	    "complete Ack again though nobody asked" },
	[CAP_NO_ACK_ACK] = { "no-ack-ack", "P_MUL 3.2, NTNU Q4",
	    "all have acknowledged and repeat it, for want of an Ack-Ack" },
	[CAP_ACKED_DAMAGED] = { "acked-damaged", "P_MUL 1.10, NTNU Q11",
	    "complete Ack though a Data_PDU was seen only damaged" },
	[CAP_MISSING_LIST] = { "missing-list", "P_MUL 1.5",
	    "missing numbers that make no sense" },
	[CAP_MISSING_ABOVE] = { "missing-above", "P_MUL 1.5, NTNU Q3",
	    "a number above the Total is called missing" },
	[CAP_LONG_ENTRY] = { "long-entry", "NTNU Q3",
	    "ACK_Info_Entry of more than 255 octets" },
	[CAP_RANGE_NTNU] = { "range-ntnu", "NTNU Q3",
	    "a range is missing, which NTNU's node does not understand" },
	[CAP_EARLY_NACK] = { "early-nack", "P_MUL 3.5, NTNU Q7",
	    "a number is called missing that was not sent yet" },
	[CAP_NACK_REPEAT] = { "nack-repeat", "P_MUL 3.5, NTNU Q7",
	    "the same numbers are called missing again and again" },
	[CAP_SILENT_ROUND] = { "silent-round", "P_MUL 3.5, NTNU Q13",
	    "the first Ack only after another round" },
	[CAP_REJECT_GROUP] = { "reject-group", "P_MUL 3.8, NTNU Q10",
	    "Reject_PDU does not name the group of the Request_PDU" },
	[CAP_REJECT_SOURCE] = { "reject-source", "P_MUL 3.8, NTNU Q10",
	    "Source_ID of the Reject_PDU is not the requester" },
	[CAP_EMCON] = { "emcon", "P_MUL 3.7", "emission by a silent node" },
	[CAP_PACING] = { "pacing", "P_MUL 4",
	    "more is sent than the link carries" },
};

static void
say(const struct cap_check *c, uint64_t frame, bool finding, enum cap_kind k)
{
	json_t *j;

	if (!c->o->json) {
		(void)printf("frame %" PRIu64 " %s%s: %s (%s)\n", frame,
		    finding ? "" : "note ", kinds[k].code, kinds[k].text,
		    kinds[k].clause);
		return;
	}
	j = json_pack("{s:I,s:s,s:s,s:s,s:s}", "frame", (json_int_t)frame,
	    "finding", kinds[k].code, "severity", finding ? "finding" : "note",
	    "clause", kinds[k].clause, "text", kinds[k].text);
	if (j != NULL) {
		(void)json_dumpf(j, stdout, JSON_COMPACT);
		(void)putchar('\n');
	}
	json_decref(j);
}

void
cap_found(struct cap_check *c, enum cap_kind kind)
{
	c->findings++;
	say(c, c->now->d->frame, true, kind);
}

void
cap_found_if(struct cap_check *c, bool finding, enum cap_kind kind)
{
	if (finding)
		c->findings++;
	say(c, c->now->d->frame, finding, kind);
}

/* --- who is who ---------------------------------------------------------- */

bool
cap_is_ntnu(const struct cap_check *c, uint32_t node)
{
	for (size_t i = 0; i < c->ndialect; i++)
		if (c->dialect[i] == node)
			return true;
	return false;
}

void
cap_set_ntnu(struct cap_check *c, uint32_t node)
{
	if (c->ndialect < CAP_DIALECT && !cap_is_ntnu(c, node))
		c->dialect[c->ndialect++] = node;
}

const struct cap_group *
cap_group_find(
    const struct cap_check *c, unsigned type, uint32_t source, uint32_t msid)
{
	for (size_t i = 0; i < CAP_GROUPS && i < c->ngroups; i++) {
		const struct cap_group *g =
		    &c->groups[(c->ngroups - 1 - i) % CAP_GROUPS];

		if (g->type == type && g->source == source && g->msid == msid)
			return g;
	}
	return NULL;
}

/* A Request by anybody with the Message_ID of a Reject. */
static bool
requested(const struct cap_check *c, uint32_t msid)
{
	for (size_t i = 0; i < CAP_GROUPS && i < c->ngroups; i++)
		if (c->groups[i].type == PMUL_REQUEST &&
		    c->groups[i].msid == msid)
			return true;
	return false;
}

/* --- one PDU --------------------------------------------------------------- */

/*
 * Whose message a datagram with a wrong checksum would be, so that one who
 * acknowledges it all the same is found out.
 */
static void
check_undecoded(struct cap_check *c)
{
	const uint8_t *p = c->now->d->data;
	uint32_t word[2] = { 0, 0 };

	if (c->now->err == PMUL_ETYPE)
		cap_found(c, CAP_TYPE);
	else if (c->now->err != PMUL_ECHECKSUM)
		cap_found(c, CAP_MALFORMED);
	else
		cap_found(c, CAP_CHECKSUM);
	if (c->now->err != PMUL_ECHECKSUM || c->now->d->len < 16 ||
	    (p[3] & 63) != PMUL_DATA)
		return;
	for (size_t i = 0; i < 8; i++)
		word[i / 4] = word[i / 4] << 8 | p[8 + i];
	cap_model_damaged(c->model, word[0], word[1]);
}

static void
check_reject(struct cap_check *c)
{
	const struct pmul_pdu *p = c->now->pdu;
	const struct cap_group *g =
	    cap_group_find(c, PMUL_REQUEST, p->source, p->msid);

	/* 224.0.0.0/4 */
	if (p->group >> 28 != 14 || (g != NULL && g->group != p->group))
		cap_found(c, CAP_REJECT_GROUP);
	if (g == NULL && requested(c, p->msid))
		cap_found(c, CAP_REJECT_SOURCE);
}

static void
remember_group(struct cap_check *c)
{
	const struct pmul_pdu *p = c->now->pdu;

	c->groups[c->ngroups++ % CAP_GROUPS] =
	    (struct cap_group){ p->type, p->source, p->msid, p->group };
}

/* Only Address and Announce PDUs come in sets. */
static bool
comes_in_sets(enum pmul_pdu_type type)
{
	return type == PMUL_ANNOUNCE || type == PMUL_ADDRESS ||
	       type == PMUL_EXTRA_ADDRESS || type == PMUL_FEC_ADDRESS ||
	       type == PMUL_EXTRA_FEC_ADDRESS;
}

static void
check_pdu(struct cap_check *c)
{
	const struct pmul_pdu *p = c->now->pdu;
	const struct cap_message *m =
	    cap_model_find(c->model, p->source, p->msid);

	if (c->now->d->len > p->length)
		cap_found(c, CAP_TRAILING);
	if (!comes_in_sets(p->type) && !(p->first && p->last))
		cap_found(c, CAP_MAP);
	switch (p->type) {
	case PMUL_DATA: cap_check_data(c, m); break;
	case PMUL_ACK: cap_check_ack(c); break;
	case PMUL_ADDRESS:
	case PMUL_EXTRA_ADDRESS:
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: cap_check_address(c, m); break;
	case PMUL_REJECT: check_reject(c); break;
	case PMUL_DISCARD: cap_check_discard(c, m); break;
	case PMUL_ANNOUNCE:
	case PMUL_REQUEST: remember_group(c); break;
	case PMUL_RELEASE: break;
	}
}

/* --- the air ----------------------------------------------------------------- */

static bool
silent(const struct cap_check *c, uint32_t node)
{
	for (size_t i = 0; i < c->o->nemcon; i++) {
		const struct cap_emcon *e = &c->o->emcon[i];

		if (e->node == node && c->now->at_s >= e->from_s &&
		    c->now->at_s <= e->to_s)
			return true;
	}
	return false;
}

/* The node is who the PDU says, or who the datagram comes from. */
static void
check_emcon(struct cap_check *c)
{
	const struct cap_datagram *d = c->now->d;
	const uint8_t *a = d->from.addr;
	uint32_t address = (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 |
			   (uint32_t)a[2] << 8 | a[3];

	if ((c->now->pdu != NULL && silent(c, c->now->pdu->source)) ||
	    (!d->v6 && silent(c, address)))
		cap_found(c, CAP_EMCON);
}

static void
check_pace(struct cap_check *c)
{
	double backlog = c->busy_until_s - c->now->at_s;

	if (c->o->rate <= 0)
		return;
	if (backlog <= 0) {
		backlog = 0;
		c->too_fast = false;
	}
	if (backlog > BACKLOG_S && !c->too_fast) {
		c->too_fast = true;
		cap_found(c, CAP_PACING);
	}
	c->busy_until_s =
	    c->now->at_s + backlog + c->now->d->ip_len * 8.0 / c->o->rate;
}

static void
count_sending(struct cap_check *c)
{
	const struct pmul_pdu *p = c->now->pdu;

	if (p->type == PMUL_ACK)
		return;
	if (p->source != c->sending_source || p->msid != c->sending_msid)
		c->sending = 0;
	c->sending_source = p->source;
	c->sending_msid = p->msid;
	c->sending++;
}

static bool
see(void *ctx, const struct cap_seen *s)
{
	struct cap_check *c = ctx;

	c->now = s;
	check_pace(c);
	check_emcon(c);
	if (s->pdu == NULL) {
		check_undecoded(c);
		return true;
	}
	check_pdu(c);
	count_sending(c);
	c->last_us = s->d->time_us;
	return cap_model_take(c->model, s->d, s->pdu);
}

/* The message is over, or the capture. */
static void
done(void *ctx, const struct cap_message *m)
{
	struct cap_check *c = ctx;

	for (size_t i = 0; i < c->o->nemcon; i++)
		if (c->o->emcon[i].node == m->source)
			return;
	if (m->addressed && m->discarded_us == 0 && m->complete < m->ndests &&
	    m->expiry != 0 && m->first_us / 1000000 <= m->expiry &&
	    c->last_us / 1000000 > m->expiry + (uint64_t)DISCARD_S) {
		c->findings++;
		say(c, m->last_frame, true, CAP_NO_DISCARD);
	}
}

int
cap_check(const struct cap_opts *o)
{
	struct cap_check c = { .o = o };
	int rc = CAP_UNUSABLE;

	c.pairs = calloc(CAP_PAIRS, sizeof(*c.pairs));
	if (c.pairs != NULL && cap_default_model(false, done, &c, &c.model)) {
		rc = cap_feed(o, &(struct cap_visitor){ see, &c });
		cap_model_finish(c.model);
	} else
		(void)fputs("mulecap: out of memory\n", stderr);
	cap_model_free(&c.model);
	free(c.pairs);
	if (rc != 0)
		return rc;
	return c.findings > 0 ? CAP_FINDINGS : CAP_CLEAN;
}

/* mulecap check: what breaks the protocol or wastes the air. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "tools/cap_feed.h"

/* A node may answer twice: its first Ack can have been lost. */
#define IDLE_ACKS_MAX 3
/* Above the link's rate by this much, seconds of backlog, is a finding. */
#define BACKLOG_S 1.0
/* Reference 1.5, Q3: longer entries confuse NTNU's receiver. */
#define NTNU_MISSING_MAX 122

struct check {
	const struct cap_opts *o;
	struct cap_model *model;
	const struct cap_seen *now;
	uint64_t findings;
	double busy_until_s;
	bool too_fast; /* said once until the backlog is gone */
};

static void
found(struct check *c, const char *code, const char *clause, const char *what)
{
	c->findings++;
	if (!c->o->json) {
		(void)printf("frame %" PRIu64 " %s: %s (%s)\n",
		    c->now->d->frame, code, what, clause);
		return;
	}
	json_t *j = json_pack("{s:I,s:s,s:s,s:s}", "frame",
	    (json_int_t)c->now->d->frame, "finding", code, "clause", clause,
	    "text", what);

	if (j != NULL) {
		(void)json_dumpf(j, stdout, JSON_COMPACT);
		(void)putchar('\n');
	}
	json_decref(j);
}

static void
check_undecoded(struct check *c)
{
	if (c->now->err == PMUL_ECHECKSUM)
		found(c, "checksum", "ACP 142 annex B",
		    "neither the Fletcher nor the Internet checksum is right");
	else if (c->now->err == PMUL_ETYPE)
		found(c, "type", "ACP 142 annex B", "unknown PDU type");
	else
		found(c, "malformed", "ACP 142 annex B",
		    pmul_strerror(c->now->err));
}

static bool
all_complete(const struct cap_message *m)
{
	for (size_t i = 0; i < m->ndests; i++)
		if (!m->dests[i].complete)
			return false;
	return m->ndests > 0;
}

/* Whatever a sender emits for a message that is over. */
static void
check_over(struct check *c, const struct cap_message *m)
{
	if (m->discarded_us != 0 && c->now->pdu->type != PMUL_DISCARD)
		found(c, "after-discard", "ACP 142 3.6",
		    "PDU of a message that was discarded");
	if (m->addressed && m->expiry != 0 &&
	    c->now->pdu->type != PMUL_DISCARD &&
	    c->now->d->time_us / 1000000 > m->expiry)
		found(c, "expired", "ACP 142 3.6; NTNU Q8",
		    "PDU after the Expiry_Time");
}

static void
check_data(struct check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;
	const struct cap_fragment *f;

	if (p->seq == 0)
		found(c, "sequence", "ACP 142 annex B",
		    "Sequence_Number_of_PDU is 0");
	if (m == NULL || p->seq == 0)
		return;
	check_over(c, m);
	if (m->addressed && p->seq > m->total)
		found(c, "sequence", "ACP 142 annex B; NTNU Q5",
		    "Sequence_Number_of_PDU is above the Total");
	if (all_complete(m))
		found(c, "acked-data", "ACP 142 3.3",
		    "data again though every destination has acknowledged");
	if (p->seq > m->nfragments || m->fragments[p->seq - 1].times == 0)
		return;
	f = &m->fragments[p->seq - 1];
	if (f->hash != cap_hash(p->data, p->data_len))
		found(c, "reuse", "NTNU Q16",
		    "other contents under the same Message_ID and number");
}

static void
check_dests(struct check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;
	bool sorted = true, renumbered = false, needless = false;

	for (size_t i = 0; i < p->count; i++) {
		struct pmul_dest d = pmul_pdu_dest(p, i);
		struct cap_dest *known =
		    m == NULL ? NULL : cap_message_dest(m, d.id);

		if (i > 0 && pmul_pdu_dest(p, i - 1).id >= d.id)
			sorted = false;
		if (known != NULL && known->seq != d.seq)
			renumbered = true;
		if (known != NULL && known->complete)
			needless = true;
	}
	if (!sorted)
		found(c, "unsorted", "ACP 142 annex B; NTNU Q9",
		    "Destination_Entries do not ascend");
	if (renumbered)
		found(c, "renumbered", "NTNU Q9",
		    "Message_Sequence_Number changed in a retransmission");
	if (needless)
		found(c, "acked-dest", "ACP 142 3.3",
		    "a destination is listed that has acknowledged");
}

static void
check_address(struct check *c, const struct cap_message *m)
{
	const struct pmul_pdu *p = c->now->pdu;

	if (p->count == 0)
		return; /* an Ack-Ack */
	if (p->total == 0)
		found(c, "total", "ACP 142 annex B", "Total is 0");
	if (m != NULL) {
		check_over(c, m);
		if (m->addressed && p->total < m->total)
			found(c, "total-shrinks", "ACP 142 annex B; NTNU Q5",
			    "Total_Number_of_PDUs shrank");
		if (m->addressed && p->expiry != m->expiry)
			found(c, "expiry-changes", "ACP 142 annex B",
			    "Expiry_Time differs from the one before");
	}
	check_dests(c, m);
}

static void
check_entry(struct check *c, const struct pmul_ack_entry *e)
{
	const struct cap_message *m =
	    cap_model_find(c->model, e->source, e->msid);
	uint32_t node = c->now->pdu->source;
	const struct cap_dest *d;
	uint16_t max = 0;

	(void)cap_entry_missing(e, &max);
	if (e->nmissing > NTNU_MISSING_MAX)
		found(c, "long-entry", "NTNU Q3",
		    "ACK_Info_Entry of more than 255 octets");
	if (m == NULL) {
		if (cap_model_find_dest(c->model, e->msid, e->source) != NULL)
			found(c, "ack-source", "ACP 142 annex B; NTNU Q1",
			    "Source_ID of the entry is not the originator");
		return;
	}
	if (m->addressed && max > m->total)
		found(c, "missing-above", "NTNU Q3",
		    "a number above the Total is called missing");
	d = cap_message_dest(m, node);
	if (d == NULL && m->addressed)
		found(c, "ack-stranger", "ACP 142 3.4",
		    "Ack from a node that is no destination");
	if (d != NULL && e->nmissing == 0 && d->idle_acks >= IDLE_ACKS_MAX)
		found(c, "ack-implosion", "ACP 142 3.4",
		    "complete Ack again though nobody asked");
}

static void
check_ack(struct check *c)
{
	struct pmul_ack_entry e;
	size_t pos = 0;

	while (pmul_pdu_next_ack(c->now->pdu, &pos, &e))
		check_entry(c, &e);
}

static void
check_pdu(struct check *c)
{
	const struct pmul_pdu *p = c->now->pdu;
	const struct cap_message *m =
	    cap_model_find(c->model, p->source, p->msid);

	if (c->now->d->len > p->length)
		found(c, "trailing", "ACP 142 annex B; NTNU Q6",
		    "octets behind Length_of_PDU");
	switch (p->type) {
	case PMUL_DATA: check_data(c, m); break;
	case PMUL_ACK: check_ack(c); break;
	case PMUL_ADDRESS:
	case PMUL_EXTRA_ADDRESS:
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: check_address(c, m); break;
	case PMUL_REJECT:
		if (p->group >> 28 != 14)
			found(c, "reject-group", "NTNU Q10",
			    "Reject_PDU names no multicast group");
		break;
	case PMUL_DISCARD:
	case PMUL_ANNOUNCE:
	case PMUL_REQUEST:
	case PMUL_RELEASE: break;
	}
}

static void
check_emcon(struct check *c)
{
	for (size_t i = 0; i < c->o->nemcon; i++) {
		const struct cap_emcon *e = &c->o->emcon[i];

		if (e->node != c->now->pdu->source ||
		    c->now->at_s < e->from_s || c->now->at_s > e->to_s)
			continue;
		found(c, "emcon", "ACP 142 3.7", "emission by a silent node");
		return;
	}
}

static void
check_pace(struct check *c)
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
		found(c, "pacing", "ACP 142 PDU_DELAY",
		    "more is sent than the link carries");
	}
	c->busy_until_s =
	    c->now->at_s + backlog + c->now->d->ip_len * 8.0 / c->o->rate;
}

static bool
see(void *ctx, const struct cap_seen *s)
{
	struct check *c = ctx;

	c->now = s;
	check_pace(c);
	if (s->pdu == NULL) {
		check_undecoded(c);
		return true;
	}
	check_emcon(c);
	check_pdu(c);
	return cap_model_take(c->model, s->d, s->pdu);
}

static void
done(void *ctx, const struct cap_message *m)
{
	(void)ctx;
	(void)m;
}

int
cap_check(const struct cap_opts *o)
{
	struct check c = { .o = o };
	int rc;

	if (!cap_default_model(false, done, &c, &c.model))
		return CAP_UNUSABLE;
	rc = cap_feed(o, &(struct cap_visitor){ see, &c });
	cap_model_free(&c.model);
	if (rc != 0)
		return rc;
	return c.findings > 0 ? CAP_FINDINGS : CAP_CLEAN;
}

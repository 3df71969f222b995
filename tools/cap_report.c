/* mulecap report: gathering; what is drawn is in cap_report_draw.c. */
#include "tools/cap_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- time -------------------------------------------------------------------- */

static void
halve_lanes(struct report_message *m)
{
	for (size_t l = 0; m != NULL && l < m->nlanes; l++)
		for (size_t k = 0; k < REPORT_KINDS; k++) {
			struct report_bin *b = m->lanes[l]->bins[k];

			for (size_t i = 0; i < REPORT_BINS; i += 2) {
				struct report_bin *to = &b[i / 2];
				uint32_t frame =
				    b[i].pdus > 0 ? b[i].frame : b[i + 1].frame;

				to->pdus = b[i].pdus + b[i + 1].pdus;
				to->frame = frame;
			}
			memset(&b[REPORT_BINS / 2], 0,
			    REPORT_BINS / 2 * sizeof(*b));
		}
}

static void
halve_losses(struct report_loss *l)
{
	for (size_t i = 0; i < REPORT_BINS; i += 2) {
		l->missing[i / 2] = l->missing[i] + l->missing[i + 1];
		l->sent[i / 2] = l->sent[i] + l->sent[i + 1];
	}
	memset(&l->missing[REPORT_BINS / 2], 0, sizeof(l->missing) / 2);
	memset(&l->sent[REPORT_BINS / 2], 0, sizeof(l->sent) / 2);
}

/* Slots twice as long. */
static void
halve(struct report *r)
{
	r->bin_us *= 2;
	for (size_t k = 0; k < REPORT_KINDS; k++) {
		uint64_t *a = r->air[k];

		for (size_t i = 0; i < REPORT_BINS; i += 2)
			a[i / 2] = a[i] + a[i + 1];
		memset(&a[REPORT_BINS / 2], 0, sizeof(r->air[k]) / 2);
	}
	for (size_t i = 0; i < r->nshown; i++)
		halve_lanes(r->shown[i]);
	halve_lanes(r->rest);
	for (size_t i = 0; i < r->nlosses; i++)
		halve_losses(&r->losses[i]);
}

static size_t
bin_of(struct report *r, uint64_t at_us)
{
	while (at_us / r->bin_us >= REPORT_BINS)
		halve(r);
	return at_us / r->bin_us;
}

/* --- messages ------------------------------------------------------------------- */

static struct report_message *
find(const struct report *r, uint32_t source, uint32_t msid)
{
	for (size_t i = 0; i < r->nshown; i++)
		if (r->shown[i]->source == source && r->shown[i]->msid == msid)
			return r->shown[i];
	return r->rest;
}

/* The picture a message belongs to; NULL: out of memory. */
static struct report_message *
message_of(struct report *r, uint32_t source, uint32_t msid)
{
	struct report_message *m = find(r, source, msid);

	if (m != NULL && m != r->rest)
		return m;
	if (r->nshown == REPORT_MESSAGES && m != NULL)
		return m;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->source = source;
	m->msid = msid;
	if (r->nshown < REPORT_MESSAGES)
		r->shown[r->nshown++] = m;
	else
		r->rest = m;
	return m;
}

static struct report_lane *
lane_of(struct report_message *m, uint32_t node)
{
	struct report_lane *l;

	for (size_t i = 0; i < m->nlanes; i++)
		if (m->lanes[i]->node == node || m->lanes[i]->others)
			return m->lanes[i];
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->node = node;
	l->others = m->nlanes == REPORT_LANES - 1;
	m->lanes[m->nlanes++] = l;
	return l;
}

static bool
mark(struct report *r, const struct cap_seen *s, uint64_t at_us,
    struct report_message *m, enum report_kind kind)
{
	struct report_lane *l;
	struct report_bin *b;

	if (m == NULL)
		return false;
	l = lane_of(m, s->pdu->source);
	if (l == NULL)
		return false;
	b = &l->bins[kind][bin_of(r, at_us)];
	if (b->pdus++ == 0)
		b->frame = (uint32_t)s->d->frame;
	return true;
}

/* --- curves -------------------------------------------------------------------------- */

static void
add_point(struct report_curve *c, uint64_t at_us, double share)
{
	if (c->npoints == REPORT_POINTS) {
		for (size_t i = 0; i < REPORT_POINTS; i += 2)
			c->points[i / 2] = c->points[i];
		c->npoints = REPORT_POINTS / 2;
	}
	c->points[c->npoints++] = (struct report_point){ at_us, share };
}

static struct report_curve *
curve_of(struct report_message *m, uint32_t node)
{
	for (size_t i = 0; i < m->ncurves; i++)
		if (m->curves[i].node == node)
			return &m->curves[i];
	if (m->ncurves == REPORT_CURVES)
		return NULL;
	m->curves[m->ncurves].node = node;
	return &m->curves[m->ncurves++];
}

static struct report_loss *
loss_of(struct report *r, uint32_t node)
{
	for (size_t i = 0; i < r->nlosses; i++)
		if (r->losses[i].node == node)
			return &r->losses[i];
	/* All others are 0.0.0.0, which no node is. */
	if (r->nlosses == REPORT_NODES)
		return &r->losses[REPORT_NODES - 1];
	r->losses[r->nlosses].node = r->nlosses == REPORT_NODES - 1 ? 0 : node;
	return &r->losses[r->nlosses++];
}

/* One entry of an Ack_PDU, before the model has taken it. */
static bool
take_entry(struct report *r, const struct cap_seen *s, uint64_t at_us,
    const struct pmul_ack_entry *e)
{
	struct cap_message *m = cap_model_acked(r->model, s->pdu, e);
	uint32_t node = s->pdu->source, missing;
	struct report_message *shown =
	    message_of(r, m != NULL ? m->source : e->source, e->msid);
	struct report_curve *c;
	const struct cap_dest *d;
	uint16_t max;

	if (!mark(r, s, at_us, shown,
		e->nmissing == 0 ? REPORT_ACK : REPORT_NACK))
		return false;
	if (m == NULL || m->total == 0)
		return true;
	missing = cap_entry_missing(e, &max);
	if (missing > m->total)
		missing = m->total;
	d = cap_message_dest(m, node);
	if (d != NULL && d->acks == 0) {
		struct report_loss *l = loss_of(r, node);
		size_t i = bin_of(r, at_us);

		l->missing[i] += missing;
		l->sent[i] += m->total;
	}
	c = shown == r->rest ? NULL : curve_of(shown, node);
	if (c != NULL)
		add_point(c, at_us, 1 - (double)missing / (double)m->total);
	return true;
}

static bool
take_ack(struct report *r, const struct cap_seen *s, uint64_t at_us)
{
	struct pmul_ack_entry e;
	size_t pos = 0;

	while (pmul_pdu_next_ack(s->pdu, &pos, &e))
		if (!take_entry(r, s, at_us, &e))
			return false;
	return true;
}

/* --- PDUs ------------------------------------------------------------------------------ */

static enum report_kind
kind_of(const struct report *r, const struct pmul_pdu *p)
{
	const struct cap_message *m;
	struct pmul_ack_entry e;
	size_t pos = 0;

	switch (p->type) {
	case PMUL_DATA:
		/* The model has not taken this one yet. */
		m = cap_model_find(r->model, p->source, p->msid);
		return m != NULL && p->seq > 0 && p->seq <= m->nfragments &&
			       m->fragments[p->seq - 1].times > 0
			   ? REPORT_AGAIN
			   : REPORT_DATA;
	case PMUL_ADDRESS:
	case PMUL_FEC_ADDRESS: return REPORT_ADDRESS;
	case PMUL_EXTRA_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: return REPORT_EXTRA;
	case PMUL_ACK:
		while (pmul_pdu_next_ack(p, &pos, &e))
			if (e.nmissing > 0)
				return REPORT_NACK;
		return REPORT_ACK;
	case PMUL_DISCARD:
	case PMUL_ANNOUNCE:
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE: break;
	}
	return REPORT_OTHER;
}

static void
note_sent(struct report *r, const struct cap_seen *s, uint64_t at_us)
{
	const struct cap_message *m =
	    cap_model_find(r->model, s->pdu->source, s->pdu->msid);
	struct report_message *shown = find(r, s->pdu->source, s->pdu->msid);

	if (m == NULL || m->total == 0 || shown == r->rest)
		return;
	add_point(&shown->sent, at_us,
	    m->have < m->total ? (double)m->have / (double)m->total : 1.0);
}

/* Where the rate is known, for as long as it is on the air. */
static void
note_air(
    struct report *r, enum report_kind kind, uint64_t at_us, uint32_t octets)
{
	double us = r->o->rate > 0 ? octets * 8e6 / r->o->rate : 0;
	uint64_t end_us = at_us + (us < 1e15 ? (uint64_t)us : 0);
	size_t to = bin_of(r, end_us), from = bin_of(r, at_us);
	uint32_t sent = 0, upto;

	for (size_t i = from; i < to; i++) {
		double part = (double)((i + 1) * r->bin_us - at_us) / us;

		upto = part < 1 ? (uint32_t)(part * octets) : octets;
		r->air[kind][i] += upto - sent;
		sent = upto;
	}
	r->air[kind][to] += octets - sent;
	if (end_us > r->last_us)
		r->last_us = end_us;
}

static bool
see(void *ctx, const struct cap_seen *s)
{
	struct report *r = ctx;
	uint64_t at_us = s->at_s > 0 ? (uint64_t)(s->at_s * 1e6) : 0;
	enum report_kind kind;
	bool ok;

	if (!cap_passes(r->o, s))
		return true;
	if (s->pdu == NULL) {
		r->undecoded++;
		return true;
	}
	if (r->pdus++ == 0)
		r->first_us = s->d->time_us - at_us;
	r->octets += s->d->ip_len;
	if (at_us > r->last_us)
		r->last_us = at_us;
	kind = kind_of(r, s->pdu);
	note_air(r, kind, at_us, s->d->ip_len);
	if (s->pdu->type == PMUL_ACK)
		ok = take_ack(r, s, at_us);
	else
		ok = mark(r, s, at_us,
		    message_of(r, s->pdu->source, s->pdu->msid), kind);
	ok = ok && cap_model_take(r->model, s->d, s->pdu);
	if (ok && s->pdu->type == PMUL_DATA)
		note_sent(r, s, at_us);
	return ok;
}

static void
done(void *ctx, const struct cap_message *m)
{
	struct report *r = ctx;
	struct report_message *shown = find(r, m->source, m->msid);

	if (!cap_message_passes(r->o, m))
		return;
	r->messages++;
	r->dests += m->ndests;
	r->payload += m->payload;
	for (size_t i = 0; i < m->ndests; i++)
		r->complete += m->dests[i].complete;
	if (shown == NULL || shown == r->rest) {
		r->unseen++;
		return;
	}
	shown->sum = *m;
	shown->nrows = m->ndests < REPORT_ROWS ? m->ndests : REPORT_ROWS;
	if (shown->nrows > 0)
		memcpy(shown->rows, m->dests,
		    shown->nrows * sizeof(shown->rows[0]));
	/* Not ours. */
	shown->sum.dests = NULL;
	shown->sum.fragments = NULL;
}

/* --- the file ---------------------------------------------------------------------------- */

static int
write_page(const struct report *r)
{
	FILE *f = fopen(r->o->dir, "w");
	bool ok = f != NULL, file = false;
	struct stat st;

	if (f != NULL) {
		/* Half a page is removed, a device or a pipe is not. */
		file = fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode);
		report_page(f, r);
		ok = !ferror(f);
		ok = fclose(f) == 0 && ok;
	}
	if (ok)
		return CAP_CLEAN;
	(void)fprintf(stderr, "mulecap: %s: %s\n", r->o->dir, strerror(errno));
	if (file)
		(void)unlink(r->o->dir);
	return CAP_UNUSABLE;
}

static void
free_message(struct report_message *m)
{
	for (size_t i = 0; m != NULL && i < m->nlanes; i++)
		free(m->lanes[i]);
	free(m);
}

int
cap_report(const struct cap_opts *o)
{
	struct report *r = calloc(1, sizeof(*r));
	int rc = CAP_UNUSABLE;

	if (r == NULL)
		return rc;
	r->o = o;
	r->bin_us = 1000;
	if (cap_default_model(false, done, r, &r->model)) {
		rc = cap_feed(o, &(struct cap_visitor){ see, r });
		cap_model_finish(r->model);
		cap_model_free(&r->model);
	}
	if (rc == 0)
		rc = write_page(r);
	for (size_t i = 0; i < r->nshown; i++)
		free_message(r->shown[i]);
	free_message(r->rest);
	free(r);
	return rc;
}

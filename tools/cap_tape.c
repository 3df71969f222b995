#include "tools/cap_tape.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct loading {
	const struct cap_opts *o;
	struct cap_tape *t;
	bool full;
};

/* --- reading ----------------------------------------------------------------- */

static bool
grow(struct cap_tape *t, size_t len)
{
	if (t->npdus == t->cap) {
		size_t n = t->cap > 0 ? 2 * t->cap : 1024;
		void *p = realloc(t->pdus, n * sizeof(*t->pdus));

		if (p == NULL)
			return false;
		t->pdus = p;
		t->cap = n;
	}
	if (len > t->octets_cap - t->used) {
		size_t n = 2 * t->octets_cap + len + 65536;
		void *p = realloc(t->octets, n);

		if (p == NULL)
			return false;
		t->octets = p;
		t->octets_cap = n;
	}
	return true;
}

static bool
see(void *ctx, const struct cap_seen *s)
{
	struct loading *l = ctx;
	struct cap_tape *t = l->t;
	struct cap_tape_pdu *p;

	if (s->pdu == NULL || l->full || s->at_s < l->o->from_s ||
	    s->at_s > l->o->to_s)
		return true;
	l->full = s->d->len + sizeof(*p) >
		  CAP_TAPE_BYTES_MAX - t->used - t->npdus * sizeof(*p);
	if (l->full)
		return true;
	if (!grow(t, s->d->len))
		return false;
	p = &t->pdus[t->npdus++];
	*p = (struct cap_tape_pdu){
		.at_us = s->d->time_us,
		.frame = s->d->frame,
		.from = s->d->from,
		.to = s->d->to,
		.offset = t->used,
		.len = s->pdu->length,
		.v6 = s->d->v6,
		.ours = s->pdu->source == t->node,
	};
	memcpy(t->octets + t->used, s->d->data, p->len);
	t->used += p->len;
	return true;
}

static int
by_time(const void *a, const void *b)
{
	const struct cap_tape_pdu *x = a, *y = b;

	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return x->frame < y->frame ? -1 : x->frame > y->frame;
}

/* --- what the node submitted ----------------------------------------------------- */

/* A PDU by what it is part of. */
struct key {
	uint32_t source, msid, seq;
	size_t at;
};

static int
by_key(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	if (x->msid != y->msid)
		return x->msid < y->msid ? -1 : 1;
	if (x->seq != y->seq)
		return x->seq < y->seq ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

static uint32_t
group_of(const struct cap_tape_pdu *p)
{
	const uint8_t *a = p->to.addr;

	return p->v6 ? 0
		     : (uint32_t)a[0] << 24 | (uint32_t)a[1] << 16 |
			   (uint32_t)a[2] << 8 | a[3];
}

/*
 * Which dynamic group is asked for is random: to submit the message again the
 * pool must have that one only.
 */
static void
take_request(
    struct cap_tape *t, const struct pmul_pdu *pdu, struct cap_tape_message *m)
{
	if (t->pool == 0)
		t->pool = pdu->group;
	if (t->pool != pdu->group)
		m->why = "it asks for another dynamic group than those before";
}

/* What was said before the first Data_PDU, and what was said to whom. */
static bool
is_about_groups(enum pmul_pdu_type type)
{
	return type == PMUL_REQUEST || type == PMUL_ANNOUNCE ||
	       type == PMUL_RELEASE;
}

/* The destinations of the first Address_PDU set. */
static bool
take_dests(const struct cap_tape *t, const struct key *k, size_t n,
    struct cap_tape_message *m)
{
	for (size_t i = 0; i < n; i++) {
		struct pmul_pdu pdu = t->pdus[k[i].at].pdu;
		void *p;

		if (is_about_groups(pdu.type))
			continue;
		if (pdu.type != PMUL_ADDRESS)
			return true;
		p = realloc(
		    m->dests, (m->ndests + pdu.count + 1) * sizeof(*m->dests));
		if (p == NULL)
			return false;
		m->dests = p;
		for (size_t d = 0; d < pdu.count; d++)
			m->dests[m->ndests++] = pmul_pdu_dest(&pdu, d);
		if (pdu.last)
			return true;
	}
	return true;
}

/* The fragments, put together; k is in order of seq, what is no Data_PDU with
 * seq 0 first. */
static bool
take_data(const struct cap_tape *t, const struct key *k, size_t n,
    uint32_t total, struct cap_tape_message *m)
{
	uint32_t have = 0;
	size_t cap = 0;

	for (size_t i = 0; i < n; i++)
		cap += k[i].seq > 0 ? t->pdus[k[i].at].len : 0;
	m->data = malloc(cap + 1);
	if (m->data == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct pmul_pdu pdu;

		if (k[i].seq != have + 1)
			continue;
		pdu = t->pdus[k[i].at].pdu;
		memcpy(m->data + m->len, pdu.data, pdu.data_len);
		m->len += pdu.data_len;
		have++;
	}
	if (have < total || total == 0)
		m->why = "not all of its Data_PDUs are in the capture";
	return true;
}

/* The first of its PDUs that is about the message, not about its group. */
static struct pmul_pdu
first_of(const struct cap_tape *t, const struct key *k, size_t n)
{
	struct pmul_pdu pdu = t->pdus[k[0].at].pdu;

	for (size_t i = 1; i < n && is_about_groups(pdu.type); i++)
		pdu = t->pdus[k[i].at].pdu;
	return pdu;
}

/* One message: k in the order of (seq, time). */
static bool
take_message(struct cap_tape *t, const struct key *k, size_t n)
{
	struct cap_tape_message *m = &t->messages[t->nmessages++];
	struct pmul_pdu pdu, begin;

	*m = (struct cap_tape_message){ .msid = k[0].msid, .first = SIZE_MAX };
	for (size_t i = 0; i < n; i++) {
		t->pdus[k[i].at].message = (uint32_t)t->nmessages;
		if (k[i].at < m->first)
			m->first = k[i].at;
		pdu = t->pdus[k[i].at].pdu;
		if (pdu.type == PMUL_REQUEST)
			take_request(t, &pdu, m);
	}
	begin = t->pdus[m->first].pdu;
	pdu = begin.type == PMUL_REQUEST ? first_of(t, k, n) : begin;
	m->priority = pdu.priority;
	m->expiry = pdu.expiry;
	if (begin.type != PMUL_REQUEST)
		m->group = group_of(&t->pdus[m->first]);
	if (pdu.type != PMUL_ADDRESS || pdu.count == 0)
		m->why = "it began before the capture";
	if (m->why != NULL)
		return true;
	return take_dests(t, k, n, m) && take_data(t, k, n, pdu.total, m);
}

static bool
of_ours(const struct cap_tape *t, size_t i, struct key *ret_k)
{
	struct pmul_pdu pdu;

	if (!t->pdus[i].ours)
		return false;
	pdu = t->pdus[i].pdu;
	*ret_k = (struct key){ pdu.source, pdu.msid,
		pdu.type == PMUL_DATA ? pdu.seq : 0, i };
	return pdu.type != PMUL_ACK;
}

static bool
take_messages(struct cap_tape *t)
{
	struct key *k = malloc((t->npdus + 1) * sizeof(*k));
	size_t n = 0, from = 0, count = 0;
	bool ok;

	if (k == NULL)
		return false;
	for (size_t i = 0; i < t->npdus; i++)
		n += of_ours(t, i, &k[n]);
	qsort(k, n, sizeof(*k), by_key);
	for (size_t i = 0; i < n; i++)
		count += i == 0 || k[i].msid != k[i - 1].msid;
	t->messages = calloc(count + 1, sizeof(*t->messages));
	ok = t->messages != NULL;
	for (size_t i = 1; ok && i <= n; i++) {
		if (i < n && k[i].msid == k[from].msid)
			continue;
		ok = take_message(t, k + from, i - from);
		from = i;
	}
	free(k);
	return ok;
}

int
cap_tape_load(const struct cap_opts *o, uint32_t node, struct cap_tape *t)
{
	struct loading l = { o, t, false };
	int rc;

	*t = (struct cap_tape){ .node = node };
	rc = cap_feed(o, &(struct cap_visitor){ see, &l });
	if (rc != 0)
		return rc;
	if (l.full) {
		(void)fputs("mulecap: the capture is too long to be replayed "
			    "at once; see --time\n",
		    stderr);
		return CAP_UNUSABLE;
	}
	/* Where the octets are is certain only now. */
	for (size_t i = 0; i < t->npdus; i++) {
		struct cap_tape_pdu *p = &t->pdus[i];

		rc = pmul_pdu_decode(t->octets + p->offset, p->len, &p->pdu);
		assert(rc == 0);
	}
	if (t->npdus > 0)
		qsort(t->pdus, t->npdus, sizeof(*t->pdus), by_time);
	if (take_messages(t))
		return 0;
	(void)fputs("mulecap: out of memory\n", stderr);
	return CAP_UNUSABLE;
}

void
cap_tape_release(struct cap_tape *t)
{
	for (size_t i = 0; i < t->nmessages; i++) {
		free(t->messages[i].dests);
		free(t->messages[i].data);
	}
	free(t->messages);
	free(t->pdus);
	free(t->octets);
	*t = (struct cap_tape){ 0 };
}

/* --- what it has not heard ------------------------------------------------------ */

/* The first of the keys that is not before k. */
static size_t
lower(const struct key *v, size_t n, const struct key *k)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (by_key(&v[mid], k) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* What was sent before Ack `at` and is missing there was not heard. */
static void
mark(struct cap_tape *t, const struct key *v, size_t n, size_t at,
    const struct pmul_ack_entry *e)
{
	uint16_t first, last;
	size_t pos = 0;

	while (pmul_ack_next_range(e, &pos, &first, &last)) {
		struct key k = { e->source, e->msid, first, 0 };

		for (size_t i = lower(v, n, &k);
		     i < n && v[i].source == e->source &&
		     v[i].msid == e->msid && v[i].seq <= last;
		     i++) {
			struct cap_tape_pdu *p = &t->pdus[v[i].at];

			if (v[i].at < at)
				p->fate = CAP_LOST;
		}
	}
}

bool
cap_tape_mark_lost(struct cap_tape *t)
{
	struct key *v = malloc((t->npdus + 1) * sizeof(*v));
	size_t n = 0;

	if (v == NULL)
		return false;
	for (size_t i = 0; i < t->npdus; i++) {
		struct pmul_pdu pdu = t->pdus[i].pdu;

		if (!t->pdus[i].ours && pdu.type == PMUL_DATA)
			v[n++] =
			    (struct key){ pdu.source, pdu.msid, pdu.seq, i };
	}
	qsort(v, n, sizeof(*v), by_key);
	for (size_t i = 0; i < t->npdus; i++) {
		struct pmul_pdu pdu = t->pdus[i].pdu;
		struct pmul_ack_entry e;
		size_t pos = 0;

		if (!t->pdus[i].ours || pdu.type != PMUL_ACK)
			continue;
		while (pmul_pdu_next_ack(&pdu, &pos, &e))
			mark(t, v, n, i, &e);
	}
	free(v);
	return true;
}

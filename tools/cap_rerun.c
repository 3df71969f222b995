#include "tools/cap_rerun.h"

#include <stdlib.h>
#include <string.h>

/* The engine's time at the tape's first PDU: 0 means "never" to some. */
#define BASE_US (UINT64_C(3600) * 1000000)
/* Steps of time in one run: a capture of years is none of ours. */
#define STEPS_MAX 10000000
/* How closely a PDU that may leave is looked for. */
#define STEP_US 1000
/* PDUs that the node, or the engine, is ahead of the other. */
#define AHEAD_MAX 512
/* Transmitters whose Acks are timed as captured. */
#define SOURCES_MAX 256
/* Messages that wait to be stored; more are at once. */
#define UNSTORED_MAX 64
/* Entries of an Ack that are compared one by one. */
#define ENTRIES_MAX 64
/* PDUs heard late at a time. */
#define DEFERRED_MAX 64

/* A PDU that our engine was first to send. */
struct early {
	uint64_t at_us;
	uint32_t len;
	uint8_t *pdu; /* owned */
};

/* A PDU that is heard when the node's next has been made. */
struct deferred {
	size_t at, next; /* next: SIZE_MAX, none yet */
};

/* A message that the engine has received and we have not stored. */
struct unstored {
	uint32_t source, msid;
	uint64_t at_us; /* when we do */
};

/* An Ack of the node's. */
struct answer {
	uint32_t source;
	size_t at;
};

struct waiter {
	uint32_t source;
	size_t next, end; /* in answers */
	bool waiting;     /* the random delay is under way */
	uint64_t since_us;
};

struct run {
	struct cap_rerun *r;
	const struct cap_tape *t;
	struct pmul_engine *engine;
	uint64_t now_us;        /* of the tape */
	uint64_t willing_us;    /* the engine has a PDU since; 0: not */
	bool *met;              /* PDUs of the tape that need no look */
	size_t late[AHEAD_MAX]; /* sent by the node, not yet by us */
	size_t nlate;
	struct early early[AHEAD_MAX];
	size_t nearly;
	struct answer *answers;
	size_t nanswers;
	struct deferred deferred[DEFERRED_MAX];
	size_t ndeferred;
	struct unstored unstored[UNSTORED_MAX];
	size_t nunstored;
	struct waiter waiters[SOURCES_MAX];
	size_t nwaiters;
	bool *silent; /* spans of EMCON in force */
	uint8_t *buf;
	uint64_t end_us; /* of the tape */
	bool nomem, over;
};

static struct pmul_clock
clock_at(const struct run *x)
{
	return (struct pmul_clock){
		{ BASE_US + x->now_us - x->t->pdus[0].at_us },
		{ (int64_t)(x->now_us / 1000000) },
	};
}

/* --- differences -------------------------------------------------------------- */

/* Entries of a that b lacks; of the first ones. */
static uint32_t
lacking(const struct pmul_pdu *a, const struct pmul_pdu *b)
{
	struct pmul_ack_entry e, f;
	size_t pos = 0, bpos;
	uint32_t n = 0;
	bool found;

	for (size_t i = 0; i < ENTRIES_MAX && pmul_pdu_next_ack(a, &pos, &e);
	     i++) {
		found = false;
		bpos = 0;
		for (size_t k = 0; !found && k < ENTRIES_MAX &&
				   pmul_pdu_next_ack(b, &bpos, &f);
		     k++)
			found =
			    e.source == f.source && e.msid == f.msid &&
			    e.nmissing == f.nmissing &&
			    memcmp(e.missing, f.missing, 2 * e.nmissing) == 0;
		n += !found;
	}
	return n;
}

/* How far an Ack is from the one on the other side that is most like it. */
static uint32_t
apart(const struct run *x, const struct cap_diff *d)
{
	struct pmul_pdu none = { .type = PMUL_ACK }, pdu;
	uint32_t best = lacking(&d->pdu, &none), n;
	size_t others = d->sent != SIZE_MAX ? x->nearly : x->nlate;

	for (size_t i = 0; i < others; i++) {
		if (d->sent == SIZE_MAX)
			pdu = x->t->pdus[x->late[i]].pdu;
		else if (pmul_pdu_decode(
			     x->early[i].pdu, x->early[i].len, &pdu) != 0)
			continue;
		if (pdu.type != PMUL_ACK)
			continue;
		n = lacking(&d->pdu, &pdu) + lacking(&pdu, &d->pdu);
		best = n < best ? n : best;
	}
	return best;
}

static void
differ(struct run *x, const struct cap_diff *d)
{
	struct cap_rerun *r = x->r;
	struct pmul_ack_entry e;
	size_t pos = 0;

	if (x->over)
		return;
	r->differences++;
	if (d->at_us > r->after_us && r->ended_us == UINT64_MAX) {
		r->ended_us = d->at_us;
		r->source = d->pdu.source;
		if (d->pdu.type == PMUL_ACK &&
		    pmul_pdu_next_ack(&d->pdu, &pos, &e))
			r->source = e.source;
		r->apart = d->pdu.type == PMUL_ACK ? apart(x, d) : 0;
		x->over = r->differs == NULL;
	}
	if (r->differs != NULL)
		r->differs(r->ctx, d);
}

static void
drop_early(struct run *x, size_t i)
{
	free(x->early[i].pdu);
	x->nearly--;
	memmove(&x->early[i], &x->early[i + 1],
	    (x->nearly - i) * sizeof(x->early[0]));
}

static void
drop_late(struct run *x, size_t i)
{
	x->nlate--;
	memmove(
	    &x->late[i], &x->late[i + 1], (x->nlate - i) * sizeof(x->late[0]));
}

/* Differences that nobody else will meet any more. */
static void
settle(struct run *x, uint64_t limit_us)
{
	while (x->nlate > 0 && !x->over) {
		size_t i = x->late[0];

		if (x->t->pdus[i].at_us > limit_us)
			break;
		differ(x, &(struct cap_diff){
			      x->t->pdus[i].at_us, i, x->t->pdus[i].pdu });
		x->met[i] = true;
		drop_late(x, 0);
	}
	while (x->nearly > 0 && !x->over && x->early[0].at_us <= limit_us) {
		struct cap_diff d = { x->early[0].at_us, SIZE_MAX, { 0 } };

		/* The node may have sent it after the capture's end. */
		if (d.at_us + x->r->tolerance_us < x->end_us &&
		    pmul_pdu_decode(x->early[0].pdu, x->early[0].len, &d.pdu) ==
			0)
			differ(x, &d);
		drop_early(x, 0);
	}
}

/* --- the same PDU ------------------------------------------------------------------ */

/*
 * What Acks say, whatever the order of their entries: that depends on how long
 * each message took to be stored, which no capture shows.
 */
static uint64_t
said(const struct pmul_pdu *pdu, size_t *ret_n)
{
	struct pmul_ack_entry e;
	size_t pos = 0, from = 0;
	uint64_t sum = 0;

	*ret_n = 0;
	for (; pmul_pdu_next_ack(pdu, &pos, &e); from = pos, ++*ret_n)
		sum += cap_hash(pdu->list + from, pos - from);
	return sum;
}

/* The option's units are 100 ms, and it is of the message listed first. */
static bool
same_ack(
    const struct run *x, const struct pmul_pdu *a, const struct pmul_pdu *b)
{
	uint64_t apart = a->timestamp < b->timestamp
			     ? b->timestamp - a->timestamp
			     : a->timestamp - b->timestamp;
	size_t n, m;

	return a->source == b->source && said(a, &n) == said(b, &m) && n == m &&
	       a->has_timestamp == b->has_timestamp &&
	       (!a->has_timestamp || n > 1 ||
		   apart <= x->r->tolerance_us / 100000 + 1);
}

/* All but the checksum, of which there are two. */
static bool
same(const struct run *x, size_t i, const uint8_t *pdu, size_t len)
{
	const struct cap_tape_pdu *p = &x->t->pdus[i];
	const uint8_t *theirs = x->t->octets + p->offset;
	struct pmul_pdu a = x->t->pdus[i].pdu, b;

	/* Length, priority, type, and what is by type. */
	if (p->len != len || memcmp(theirs, pdu, 6) != 0)
		return false;
	if (a.type != PMUL_ACK)
		return memcmp(theirs + 8, pdu + 8, len - 8) == 0;
	return pmul_pdu_decode(pdu, len, &b) == 0 && same_ack(x, &a, &b);
}

static void
agree(struct run *x, size_t i)
{
	x->met[i] = true;
	x->r->same++;
	if (x->r->agrees != NULL)
		x->r->agrees(x->r->ctx, i);
}

/* The node sent PDU i: perhaps our engine was first. */
static void
sent_by_node(struct run *x, size_t i)
{
	for (size_t k = 0; k < x->nearly; k++)
		if (same(x, i, x->early[k].pdu, x->early[k].len)) {
			agree(x, i);
			drop_early(x, k);
			return;
		}
	if (x->nlate == AHEAD_MAX)
		settle(x, x->t->pdus[x->late[0]].at_us);
	if (x->nlate < AHEAD_MAX)
		x->late[x->nlate++] = i;
}

/* Our engine sent one. */
static void
sent_by_engine(struct run *x, size_t len)
{
	struct early *e;

	for (size_t k = 0; k < x->nlate; k++)
		if (same(x, x->late[k], x->buf, len)) {
			agree(x, x->late[k]);
			drop_late(x, k);
			return;
		}
	if (x->nearly == AHEAD_MAX)
		settle(x, x->early[0].at_us);
	if (x->nearly == AHEAD_MAX)
		return;
	e = &x->early[x->nearly];
	e->at_us = x->willing_us != 0 ? x->willing_us : x->now_us;
	e->len = (uint32_t)len;
	e->pdu = malloc(len);
	x->nomem = e->pdu == NULL;
	if (x->nomem)
		return;
	memcpy(e->pdu, x->buf, len);
	x->nearly++;
}

/* --- time -------------------------------------------------------------------------- */

static bool
acknowledges(const struct run *x, size_t i, uint32_t source, uint32_t msid)
{
	struct pmul_pdu pdu = x->t->pdus[i].pdu;
	struct pmul_ack_entry e;
	size_t pos = 0;

	while (pmul_pdu_next_ack(&pdu, &pos, &e))
		if (e.source == source && e.msid == msid && e.nmissing == 0)
			return true;
	return false;
}

/*
 * When the node had stored the message: not before the last of its Acks that
 * could have acknowledged it and did not.
 */
static uint64_t
stored_at(const struct run *x, uint32_t source, uint32_t msid)
{
	uint64_t at = x->now_us, latest = x->now_us + x->r->tolerance_us;

	for (size_t w = 0; w < x->nwaiters; w++) {
		if (x->waiters[w].source != source)
			continue;
		for (size_t k = x->waiters[w].next; k < x->waiters[w].end;
		     k++) {
			size_t i = x->answers[k].at;

			if (x->met[i])
				continue;
			if (acknowledges(x, i, source, msid))
				return at;
			if (x->t->pdus[i].at_us > latest)
				break;
			if (x->t->pdus[i].at_us >= at)
				at = x->t->pdus[i].at_us + 1;
		}
	}
	/* Never: an Ack too few is for the comparison to find. */
	return x->now_us;
}

static void
store_due(struct run *x)
{
	for (size_t i = 0; i < x->nunstored;) {
		const struct unstored u = x->unstored[i];

		if (u.at_us > x->now_us) {
			i++;
			continue;
		}
		x->unstored[i] = x->unstored[--x->nunstored];
		(void)!pmul_engine_stored(
		    x->engine, clock_at(x), u.source, u.msid);
	}
}

static void
drain_events(struct run *x)
{
	struct pmul_event ev;

	while (pmul_engine_next_event(x->engine, &ev)) {
		if (x->r->happens != NULL)
			x->r->happens(x->r->ctx, x->now_us, &ev);
		if (ev.type != PMUL_EV_RECEIVED)
			continue;
		if (x->nunstored < UNSTORED_MAX)
			x->unstored[x->nunstored++] =
			    (struct unstored){ ev.peer, ev.id,
				    stored_at(x, ev.peer, ev.id) };
		else
			(void)!pmul_engine_stored(
			    x->engine, clock_at(x), ev.peer, ev.id);
	}
	store_due(x);
}

/* The node's next Ack for that transmitter: when.  UINT64_MAX: none. */
static uint64_t
next_answer(struct run *x, struct waiter *w)
{
	for (; w->next < w->end; w->next++) {
		size_t i = x->answers[w->next].at;

		if (!x->met[i])
			return x->t->pdus[i].at_us;
	}
	return UINT64_MAX;
}

/* A random delay has begun: as long as it was, if it can be. */
static void
steer(struct run *x)
{
	for (size_t i = 0; i < x->nwaiters; i++) {
		struct waiter *w = &x->waiters[i];
		bool was = w->waiting;
		struct pmul_mono at = clock_at(x).mono;
		uint64_t due;

		w->waiting = pmul_engine_ack_delay(x->engine, w->source, NULL);
		if (!w->waiting || was)
			continue;
		w->since_us = x->now_us;
		due = next_answer(x, w);
		if (due == UINT64_MAX ||
		    (due > x->now_us &&
			due - x->now_us >
			    x->r->pmul.ack_delay_us + x->r->tolerance_us))
			continue;
		if (due > x->now_us)
			at.us += due - x->now_us;
		(void)pmul_engine_ack_delay(x->engine, w->source, &at);
	}
}

/* Whatever is due now, but what is to be sent. */
static void
serve(struct run *x)
{
	pmul_engine_tick(x->engine, clock_at(x));
	drain_events(x);
	steer(x);
	pmul_engine_tick(x->engine, clock_at(x));
	drain_events(x);
}

/* The engine may send: it does when the node has, or has not for too long. */
static bool
speak(struct run *x)
{
	struct pmul_where where;
	size_t len;

	if (x->nlate == 0 && x->now_us - x->willing_us <= x->r->tolerance_us)
		return false;
	if (pmul_engine_next_pdu(x->engine, clock_at(x), &where, x->buf,
		x->r->pmul.pdu_max, &len))
		sent_by_engine(x, len);
	x->willing_us = 0;
	return true;
}

/* --- what others sent ------------------------------------------------------------- */

static void
hear(struct run *x, size_t i)
{
	const struct cap_tape_pdu *p = &x->t->pdus[i];
	struct pmul_addr from = { { 0 } };
	int rc;

	memcpy(from.b, p->from.addr, sizeof(p->from.addr));
	rc = pmul_engine_input(
	    x->engine, clock_at(x), &from, x->t->octets + p->offset, p->len);
	x->nomem = rc == PMUL_ENOMEM;
	x->r->refused += rc != 0;
}

/* True if anything was heard now. */
static bool
hear_late(struct run *x)
{
	bool any = false;

	for (size_t k = 0; k < x->ndeferred;) {
		struct deferred d = x->deferred[k];

		if ((d.next == SIZE_MAX || !x->met[d.next]) &&
		    x->now_us < x->t->pdus[d.at].at_us + x->r->tolerance_us) {
			k++;
			continue;
		}
		memmove(&x->deferred[k], &x->deferred[k + 1],
		    (--x->ndeferred - k) * sizeof(x->deferred[0]));
		hear(x, d.at);
		any = true;
	}
	return any;
}

/* When the engine, or the disk, wants to be asked next: by its clock. */
static uint64_t
next_due(const struct run *x)
{
	uint64_t due = pmul_engine_deadline(x->engine).us, at;

	for (size_t i = 0; i < x->nunstored; i++) {
		at = clock_at(x).mono.us + x->unstored[i].at_us - x->now_us;
		if (at < due)
			due = at;
	}
	return due;
}

/* On to to_us, step by step. */
static void
advance(struct run *x, uint64_t to_us)
{
	uint64_t tolerance = x->r->tolerance_us;

	while (!x->over && !x->nomem) {
		struct pmul_clock now;
		uint64_t due;

		if (++x->r->steps > STEPS_MAX) {
			x->over = x->r->endless = true;
			x->r->ended_us = x->now_us;
			return;
		}
		serve(x);
		now = clock_at(x);
		due = next_due(x);
		if (due <= now.mono.us) {
			if (x->willing_us == 0)
				x->willing_us = x->now_us;
			if (speak(x))
				continue;
			due = now.mono.us + STEP_US;
		} else
			x->willing_us = 0;
		settle(
		    x, x->now_us > tolerance ? x->now_us - tolerance - 1 : 0);
		if (hear_late(x))
			continue;
		if (x->now_us >= to_us)
			return;
		if (x->nlate > 0 && due > now.mono.us + tolerance)
			due = now.mono.us + tolerance;
		x->now_us = due - now.mono.us < to_us - x->now_us
				? x->now_us + (due - now.mono.us)
				: to_us;
	}
}

/* --- the tape ------------------------------------------------------------------------- */

static void
submit(struct run *x, const struct cap_tape_message *m)
{
	struct pmul_submit s = {
		.msid = m->msid,
		.priority = m->priority,
		.expiry = { m->expiry },
		.group = m->group,
		.dests = m->dests,
		.ndests = m->ndests,
		.data = m->data,
		.len = m->len,
	};
	int rc = pmul_engine_submit(x->engine, clock_at(x), &s);

	x->nomem = rc == PMUL_ENOMEM;
	x->r->unasked += rc != 0;
}

static void
play_ours(struct run *x, size_t i)
{
	const struct cap_tape_pdu *p = &x->t->pdus[i];
	const struct cap_tape_message *m = NULL;
	struct pmul_pdu pdu;

	if (p->message > 0)
		m = &x->t->messages[p->message - 1];
	if (m != NULL && m->why != NULL) {
		x->met[i] = true;
		return;
	}
	if (m != NULL && m->first == i)
		submit(x, m);
	pdu = x->t->pdus[i].pdu;
	/* Before its time only an operator ends it. */
	if (pdu.type == PMUL_DISCARD && m != NULL &&
	    x->now_us / 1000000 < m->expiry)
		(void)!pmul_engine_cancel(x->engine, clock_at(x), m->msid);
	sent_by_node(x, i);
}

static void
play(struct run *x, size_t i)
{
	const struct cap_tape_pdu *p = &x->t->pdus[i];

	if (p->ours) {
		for (size_t k = 0; k < x->ndeferred; k++)
			if (x->deferred[k].next == SIZE_MAX)
				x->deferred[k].next = i;
		play_ours(x, i);
	} else if (p->fate == CAP_HEARD ||
		   (p->fate == CAP_HEARD_LATE && x->ndeferred == DEFERRED_MAX))
		hear(x, i);
	else if (p->fate == CAP_HEARD_LATE)
		x->deferred[x->ndeferred++] = (struct deferred){ i, SIZE_MAX };
}

/* Spans of EMCON begin and end. */
static void
keep_silence(struct run *x)
{
	double at = (double)(x->now_us - x->t->pdus[0].at_us) / 1e6;

	for (size_t i = 0; i < x->r->nemcon; i++) {
		const struct cap_emcon *s = &x->r->emcon[i];
		bool on = at >= s->from_s && at <= s->to_s;
		struct pmul_node n;

		if (on == x->silent[i])
			continue;
		x->silent[i] = on;
		if (s->node == x->t->node) {
			pmul_engine_set_emcon(x->engine, clock_at(x), on);
			continue;
		}
		n = pmul_engine_node(x->engine, s->node);
		n.id = s->node;
		n.emcon = on;
		(void)!pmul_engine_set_node(x->engine, clock_at(x), &n);
	}
}

/* --- making a run ------------------------------------------------------------------------ */

static int
by_source(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;

	if (x->source != y->source)
		return x->source < y->source ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* The node's Acks, by who they are for. */
static bool
find_answers(struct run *x)
{
	struct pmul_ack_entry e;

	x->answers = malloc((x->t->npdus + 1) * sizeof(*x->answers));
	if (x->answers == NULL)
		return false;
	for (size_t i = 0; i < x->t->npdus; i++) {
		struct pmul_pdu pdu;
		size_t pos = 0;

		if (!x->t->pdus[i].ours)
			continue;
		pdu = x->t->pdus[i].pdu;
		if (pdu.type == PMUL_ACK && pmul_pdu_next_ack(&pdu, &pos, &e))
			x->answers[x->nanswers++] =
			    (struct answer){ e.source, i };
	}
	qsort(x->answers, x->nanswers, sizeof(*x->answers), by_source);
	for (size_t i = 0; i < x->nanswers; i++) {
		if (i > 0 && x->answers[i].source == x->answers[i - 1].source)
			x->waiters[x->nwaiters - 1].end = i + 1;
		else if (x->nwaiters < SOURCES_MAX)
			x->waiters[x->nwaiters++] = (struct waiter){
				.source = x->answers[i].source,
				.next = i,
				.end = i + 1,
			};
		else
			break;
	}
	return true;
}

static bool
make(struct run *x)
{
	const struct cap_rerun *r = x->r;
	struct pmul_config cfg = r->pmul;

	/* As many as the tape can fill: a run is made many times. */
	if (cfg.tombstones_max > x->t->npdus)
		cfg.tombstones_max = (uint32_t)x->t->npdus;
	x->met = calloc(x->t->npdus, sizeof(*x->met));
	x->silent = calloc(r->nemcon + 1, sizeof(*x->silent));
	x->buf = malloc(cfg.pdu_max);
	if (x->met == NULL || x->silent == NULL || x->buf == NULL ||
	    !find_answers(x) || pmul_engine_new(&cfg, &x->engine) != 0)
		return false;
	for (size_t i = 0; i < r->nnodes; i++)
		if (pmul_engine_set_node(
			x->engine, clock_at(x), &r->nodes[i]) == PMUL_ENOMEM)
			return false;
	return true;
}

static void
unmake(struct run *x)
{
	while (x->nearly > 0)
		drop_early(x, x->nearly - 1);
	pmul_engine_free(&x->engine);
	free(x->answers);
	free(x->met);
	free(x->silent);
	free(x->buf);
}

bool
cap_rerun(struct cap_rerun *r)
{
	struct run *x = calloc(1, sizeof(*x));
	bool ok;

	r->differences = r->same = 0;
	r->refused = r->unasked = 0;
	r->ended_us = UINT64_MAX;
	r->steps = 0;
	r->endless = false;
	if (x == NULL)
		return false;
	x->r = r;
	x->t = r->tape;
	x->now_us = r->tape->pdus[0].at_us;
	x->end_us = r->tape->pdus[r->tape->npdus - 1].at_us;
	x->nomem = !make(x);
	for (size_t i = 0; i < r->tape->npdus && !x->over && !x->nomem; i++) {
		advance(x, r->tape->pdus[i].at_us);
		keep_silence(x);
		play(x, i);
	}
	if (!x->over && !x->nomem) {
		advance(x, x->now_us + r->tolerance_us + 2);
		settle(x, x->now_us);
	}
	ok = !x->nomem;
	unmake(x);
	free(x);
	return ok;
}

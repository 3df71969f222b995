/*
 * The scheduler; see sched.h.
 *
 * A hop exists while it has work, connections, or a reason to be left alone.
 * Its life:
 *
 *	sched_work()  ->  ask the queue  ->  work list  ->  connections take
 *	     ^                                                   |
 *	     +---- queue has more, or a delivery was given back -+
 *
 * The queue leases what it hands out, so that asking again never yields the
 * same message; a lease ends when the outcome is committed.
 */
#include "gateway/sched.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/clock.h"
#include "gateway/flow.h"
#include "gateway/log.h"
#include "gateway/mule_link.h"
#include "gateway/notify.h"
#include "gateway/route.h"
#include "gateway/sched_late.h"
#include "gateway/smtp_out.h"

/* Deliveries fetched ahead for one hop. */
#define FETCH 32
/* Connections to one hop at a time, at most: hop_connections. */
#define CONNECTIONS_MAX 100
/* How often to look for due and expired work when nothing else says so. */
#define LOOK_MS 30000
/* How long until an outcome that could not be committed is tried again. */
#define REDO_MS 1000

TAILQ_HEAD(delivery_list, delivery);
TAILQ_HEAD(ending_list, ending);

struct sched_hop {
	TAILQ_ENTRY(sched_hop) entry;
	struct sched *sched;
	char *name;
	struct delivery_list work;
	size_t nwork;
	size_t nactive; /* taken, and not yet committed */
	struct smtp_out *connection[CONNECTIONS_MAX];
	size_t connections;
	bool asking, more, again;
	unsigned failures; /* connections in a row that came to nothing */
	uint64_t blocked_until_us;
	uint64_t next_us; /* hop_interval: no message before */
};

struct sched {
	struct gateway *gw;
	TAILQ_HEAD(sched_hop_list, sched_hop) hops;
	size_t connections;
	uv_timer_t timer, pace; /* pace: a hop may have its next message */
	uv_timer_t redo;
	struct ending_list failed; /* to be committed once more */
	bool timer_open;
	bool looking;
	struct sched_late late;
};

/* --- hops --------------------------------------------------------------------- */

static void ask(struct sched_hop *h);

static struct sched_hop *
hop_find(struct sched *s, const char *name)
{
	struct sched_hop *h;

	for (h = TAILQ_FIRST(&s->hops); h != NULL; h = TAILQ_NEXT(h, entry))
		if (strcmp(h->name, name) == 0)
			return h;
	return NULL;
}

static struct sched_hop *
hop_get(struct sched *s, const char *name)
{
	struct sched_hop *h = hop_find(s, name);

	if (h != NULL)
		return h;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return NULL;
	h->name = strdup(name);
	if (h->name == NULL) {
		free(h);
		return NULL;
	}
	h->sched = s;
	TAILQ_INIT(&h->work);
	TAILQ_INSERT_TAIL(&s->hops, h, entry);
	return h;
}

/* Forget a hop about which there is nothing to remember. */
static void
hop_drop_idle(struct sched_hop *h)
{
	if (h->nwork > 0 || h->nactive > 0 || h->connections > 0 || h->asking ||
	    h->failures > 0)
		return;
	TAILQ_REMOVE(&h->sched->hops, h, entry);
	free(h->name);
	free(h);
}

static bool
hop_blocked(const struct sched_hop *h)
{
	return clock_now().mono.us < h->blocked_until_us;
}

void
sched_hop_refuse(struct sched_hop *h, const char *status, const char *why)
{
	struct delivery *d;

	while ((d = sched_take(h)) != NULL) {
		delivery_set_rest(d, OUTCOME_FAILED, status, why, false);
		sched_done(h, d, "");
	}
}

/*
 * Work for the connections that are idle, and a new connection for every
 * delivery that still waits, up to the limit.
 */
static void
hop_connect(struct sched_hop *h)
{
	struct sched *s = h->sched;

	if (strcmp(h->name, ROUTE_HOP_LOOP) == 0) {
		sched_hop_refuse(
		    h, "5.4.6", "Mail loop: too many Received fields");
		return;
	}
	if (strcmp(h->name, ROUTE_HOP_EXPIRED) == 0) {
		sched_hop_refuse(
		    h, "4.4.7", "Given up by the operator of this gateway");
		return;
	}
	for (size_t i = 0; i < h->connections; i++)
		smtp_out_work(h->connection[i]);
	while (!s->gw->draining && !hop_blocked(h) &&
	       h->connections < s->gw->cfg->smtp.hop_connections &&
	       h->connections < h->nwork) {
		struct smtp_out **c = &h->connection[h->connections];

		if (smtp_out_open(s->gw, h, h->name, c) != 0) {
			sched_hop_failed(h, "out of memory");
			return;
		}
		h->connections++;
		s->connections++;
	}
}

static void
on_ready(void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct sched_hop *h = ctx;
	struct queue *q = h->sched->gw->queue;

	h->asking = false;
	h->more = more;
	for (size_t i = 0; rc == QUEUE_OK && i < n; i++) {
		struct delivery *d = delivery_from(&m[i]);

		if (d == NULL) {
			/* The next look at the queue finds it again. */
			queue_unlease(q, h->name, m[i].id);
			continue;
		}
		TAILQ_INSERT_TAIL(&h->work, d, entry);
		h->nwork++;
	}
	if (h->again) {
		h->again = false;
		ask(h);
	}
	hop_connect(h);
	hop_drop_idle(h);
}

static void
ask(struct sched_hop *h)
{
	struct gateway *gw = h->sched->gw;

	if (h->asking) {
		/* The question under way may miss what was added since. */
		h->again = true;
		return;
	}
	if (gw->draining || h->nwork >= FETCH || hop_blocked(h))
		return;
	h->asking = true;
	queue_ready(gw->queue, h->name, FETCH - h->nwork, on_ready, h);
}

static void
on_pace(uv_timer_t *t)
{
	struct sched *s = t->data;
	struct sched_hop *h, *next;

	for (h = TAILQ_FIRST(&s->hops); h != NULL; h = next) {
		next = TAILQ_NEXT(h, entry);
		if (h->nwork > 0)
			hop_connect(h);
	}
}

/* False, and the timer set, while it is too early for another message. */
static bool
hop_may_take(struct sched_hop *h)
{
	struct sched *s = h->sched;
	uint64_t interval = s->gw->cfg->smtp.hop_interval_us;
	uint64_t now = clock_now().mono.us, ms;

	if (interval == 0)
		return true;
	if (now >= h->next_us) {
		h->next_us = now + interval;
		return true;
	}
	ms = (h->next_us - now + 999) / 1000;
	if (!uv_is_active((uv_handle_t *)&s->pace) ||
	    uv_timer_get_due_in(&s->pace) > ms)
		uv_timer_start(&s->pace, on_pace, ms, 0);
	return false;
}

struct delivery *
sched_take(struct sched_hop *h)
{
	struct delivery *d = TAILQ_FIRST(&h->work);

	if (d == NULL || h->sched->gw->draining || !hop_may_take(h))
		return NULL;
	TAILQ_REMOVE(&h->work, d, entry);
	h->nwork--;
	h->nactive++;
	if (h->more && h->nwork < FETCH / 2)
		ask(h);
	return d;
}

/* --- outcomes -------------------------------------------------------------------- */

struct ending {
	TAILQ_ENTRY(ending) entry; /* in failed */
	struct sched_hop *hop;
	struct delivery *delivery;
	char *remote;
	int64_t retry_at; /* the first of its recipients; 0: none */
	struct notified notified;
};

static void settle(struct ending *e);

/* Look for due work in so long, unless that is to happen before. */
static void
look_in(struct sched *s, uint64_t ms)
{
	if (s->timer_open && uv_timer_get_due_in(&s->timer) > ms)
		uv_timer_start(&s->timer, s->timer.timer_cb, ms, LOOK_MS);
}

void
sched_due_at(struct sched *s, int64_t at_s)
{
	int64_t wait_s = at_s - clock_wall_s();

	look_in(s, wait_s > 0 ? (uint64_t)wait_s * 1000 : 1);
}

static void
ending_end(struct ending *e)
{
	struct sched_hop *h = e->hop;

	queue_unlease(h->sched->gw->queue, h->name, e->delivery->message);
	h->nactive--;
	delivery_free(&e->delivery);
	free(e->remote);
	free(e);
}

static void
on_redo(uv_timer_t *t)
{
	struct sched *s = t->data;
	struct ending_list again = TAILQ_HEAD_INITIALIZER(again);
	struct ending *e;

	TAILQ_CONCAT(&again, &s->failed, entry);
	while ((e = TAILQ_FIRST(&again)) != NULL) {
		TAILQ_REMOVE(&again, e, entry);
		settle(e);
	}
}

/*
 * The next hop has the message, or has refused it, and the disk does not take
 * that down.  The lease stays, or it would get it again and again; but not
 * beyond our own end.
 */
static void
redo_later(struct ending *e, int rc)
{
	struct sched *s = e->hop->sched;

	log_event(GW_LOG_ERR, "sched.commit", "message=%" PRIu64 " why=\"%s\"",
	    e->delivery->message, queue_strerror(rc));
	if (!s->timer_open) {
		ending_end(e);
		return;
	}
	TAILQ_INSERT_TAIL(&s->failed, e, entry);
	if (!uv_is_active((uv_handle_t *)&s->redo))
		uv_timer_start(&s->redo, on_redo, REDO_MS, 0);
}

/* It is on the disk. */
static void
tell(const struct ending *e)
{
	struct stats *stats = &e->hop->sched->gw->stats;

	for (size_t i = 0; i < e->delivery->nrcpts; i++) {
		const struct delivery_rcpt *r = &e->delivery->rcpts[i];

		switch (r->outcome.type) {
		case OUTCOME_DELIVERED: stats->delivered++; break;
		case OUTCOME_FAILED: stats->failed++; break;
		case OUTCOME_NONE:
		case OUTCOME_LATE:
		case OUTCOME_DEFERRED: stats->deferred++; break;
		}
		delivery_log(e->delivery, r, e->remote);
	}
}

static void
on_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct ending *e = ctx;
	struct sched_hop *h = e->hop;

	(void)res;
	if (rc != QUEUE_OK && rc != QUEUE_ENOTFOUND) {
		redo_later(e, rc);
		return;
	}
	tell(e);
	if (rc == QUEUE_OK)
		notify_committed(h->sched->gw, &e->notified);
	if (e->retry_at != 0)
		sched_due_at(h->sched, e->retry_at);
	ending_end(e);
	if (h->more)
		ask(h);
	hop_drop_idle(h);
}

static int
add_outcome(struct ending *e, struct queue_txn *t, struct delivery_rcpt *r)
{
	struct gateway *gw = e->hop->sched->gw;

	switch (r->outcome.type) {
	case OUTCOME_DELIVERED:
	case OUTCOME_FAILED: return queue_txn_finish(t, r->id);
	case OUTCOME_NONE:
	case OUTCOME_LATE:
	case OUTCOME_DEFERRED: break;
	}
	r->next_at = flow_retry_at(&gw->cfg->smtp, r->attempts, clock_wall_s(),
	    gateway_random(gw, UINT32_MAX));
	if (e->retry_at == 0 || r->next_at < e->retry_at)
		e->retry_at = r->next_at;
	return queue_txn_defer(t, r->id, r->next_at, r->outcome.text);
}

/* The notification has been added to the transaction, or none was due. */
static void
on_notified(void *ctx, int rc, struct queue_txn *t, const struct notified *n)
{
	struct ending *e = ctx;

	e->notified = *n;
	if (rc != 0) {
		queue_txn_free(&t);
		on_committed(e, rc, NULL);
		return;
	}
	queue_submit(e->hop->sched->gw->queue, &t, on_committed, e);
}

static void
settle(struct ending *e)
{
	struct delivery *d = e->delivery;
	struct queue_txn *t = queue_txn_new();
	int rc = t == NULL ? QUEUE_ENOMEM : QUEUE_OK;

	e->retry_at = 0;
	for (size_t i = 0; rc == QUEUE_OK && i < d->nrcpts; i++)
		rc = add_outcome(e, t, &d->rcpts[i]);
	if (rc != QUEUE_OK) {
		queue_txn_free(&t);
		redo_later(e, rc);
		return;
	}
	notify_delivery(e->hop->sched->gw, d, e->remote, t, on_notified, e);
}

void
sched_done(struct sched_hop *h, struct delivery *d, const char *remote)
{
	struct ending *e = calloc(1, sizeof(*e));
	char *copy = strdup(remote);

	if (e == NULL || copy == NULL) {
		/* Leased until the restart, which tries it again. */
		log_event(GW_LOG_ERR, "sched.commit",
		    "message=%" PRIu64 " why=\"out of memory\"", d->message);
		free(copy);
		free(e);
		h->nactive--;
		delivery_free(&d);
		return;
	}
	e->hop = h;
	e->delivery = d;
	e->remote = copy;
	settle(e);
}

/* Give back what nobody took. */
static void
hop_return_work(struct sched_hop *h)
{
	struct delivery *d;

	while ((d = TAILQ_FIRST(&h->work)) != NULL) {
		TAILQ_REMOVE(&h->work, d, entry);
		h->nwork--;
		h->more = true;
		queue_unlease(h->sched->gw->queue, h->name, d->message);
		delivery_free(&d);
	}
}

void
sched_hop_failed(struct sched_hop *h, const char *why)
{
	struct gateway *gw = h->sched->gw;
	int64_t now_s = clock_wall_s();
	int64_t wait_s = flow_retry_at(&gw->cfg->smtp, h->failures, now_s,
			     gateway_random(gw, UINT32_MAX)) -
			 now_s;

	h->failures++;
	h->blocked_until_us = clock_now().mono.us + (uint64_t)wait_s * 1000000;
	hop_return_work(h);
	look_in(h->sched, (uint64_t)wait_s * 1000);
	log_event(GW_LOG_WARN, "smtp.unreachable",
	    "hop=%s why=\"%s\" failures=%u retry_s=%" PRId64, h->name, why,
	    h->failures, wait_s);
}

void
sched_hop_ok(struct sched_hop *h)
{
	h->failures = 0;
}

void
sched_closed(struct sched_hop *h, const struct smtp_out *c)
{
	struct sched *s = h->sched;

	for (size_t i = 0; i < h->connections; i++) {
		if (h->connection[i] != c)
			continue;
		h->connection[i] = h->connection[--h->connections];
		s->connections--;
		break;
	}
	ask(h);
	hop_connect(h);
	hop_drop_idle(h);
}

/* --- looking for due work ----------------------------------------------------------- */

void
sched_work(struct sched *s, const char *hop)
{
	struct sched_hop *h;

	if (strncmp(hop, "mule:", 5) == 0) {
		mule_link_work(s->gw, hop + 5);
		return;
	}
	h = hop_get(s, hop);
	if (h != NULL)
		ask(h);
}

/* A hop that is left alone has its work back in the queue: look then. */
static void
look_unblocked(struct sched *s)
{
	uint64_t now = clock_now().mono.us;
	struct sched_hop *h;

	TAILQ_FOREACH (h, &s->hops, entry)
		if (h->blocked_until_us > now)
			look_in(s, (h->blocked_until_us - now) / 1000 + 1);
}

static void
on_due(void *ctx, int rc, const char *const *hops, size_t n, int64_t next_at)
{
	struct sched *s = ctx;
	int64_t now_s = clock_wall_s();

	s->looking = false;
	if (!s->timer_open)
		return;
	/* Not before: the queue may have found that the clock has jumped. */
	if (rc == QUEUE_OK && !s->gw->draining)
		sched_late_look(&s->late, now_s);
	for (size_t i = 0; rc == QUEUE_OK && i < n; i++)
		sched_work(s, hops[i]);
	if (next_at != 0)
		sched_due_at(s, next_at);
	look_unblocked(s);
}

static void
look(struct sched *s)
{
	struct gateway *gw = s->gw;
	int64_t now_s = clock_wall_s();

	if (gw->draining)
		return;
	if (!s->looking) {
		s->looking = true;
		queue_due(gw->queue, now_s, on_due, s);
	}
	queue_prune(gw->queue, now_s);
}

void
sched_recall(struct sched *s)
{
	struct sched_hop *h;

	for (h = TAILQ_FIRST(&s->hops); h != NULL; h = TAILQ_NEXT(h, entry))
		hop_return_work(h);
}

static void
ask_all(struct sched *s)
{
	struct sched_hop *h, *next;

	for (h = TAILQ_FIRST(&s->hops); h != NULL; h = next) {
		next = TAILQ_NEXT(h, entry);
		if (h->more)
			ask(h);
	}
}

void
sched_look(struct sched *s, bool retry)
{
	struct sched_hop *h;

	for (h = TAILQ_FIRST(&s->hops); h != NULL; h = TAILQ_NEXT(h, entry))
		if (retry)
			h->blocked_until_us = 0;
	ask_all(s);
	look(s);
}

static void
on_timer(uv_timer_t *t)
{
	sched_look(t->data, false);
}

/* --- life ---------------------------------------------------------------------------- */

int
sched_new(struct gateway *gw, struct sched **ret_s)
{
	struct sched *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -1;
	s->gw = s->late.gw = gw;
	TAILQ_INIT(&s->hops);
	TAILQ_INIT(&s->failed);
	uv_timer_init(gw->loop, &s->redo);
	s->redo.data = s;
	uv_timer_init(gw->loop, &s->timer);
	uv_timer_init(gw->loop, &s->pace);
	s->pace.data = s;
	s->timer.data = s;
	s->timer_open = true;
	*ret_s = s;
	return 0;
}

void
sched_start(struct sched *s)
{
	uv_timer_start(&s->timer, on_timer, 0, LOOK_MS);
}

static void
each_connection(struct sched *s, void (*act)(struct smtp_out *c))
{
	struct sched_hop *h;

	for (h = TAILQ_FIRST(&s->hops); h != NULL; h = TAILQ_NEXT(h, entry))
		for (size_t i = h->connections; i > 0; i--)
			act(h->connection[i - 1]);
}

void
sched_drain(struct sched *s)
{
	struct sched_hop *h;
	struct ending *e;

	if (!s->timer_open)
		return;
	while ((e = TAILQ_FIRST(&s->failed)) != NULL) {
		TAILQ_REMOVE(&s->failed, e, entry);
		ending_end(e);
	}
	uv_close((uv_handle_t *)&s->redo, NULL);
	uv_close((uv_handle_t *)&s->timer, NULL);
	uv_close((uv_handle_t *)&s->pace, NULL);
	s->timer_open = false;
	for (h = TAILQ_FIRST(&s->hops); h != NULL; h = TAILQ_NEXT(h, entry))
		hop_return_work(h);
	each_connection(s, smtp_out_drain);
}

void
sched_abort(struct sched *s)
{
	sched_drain(s);
	each_connection(s, smtp_out_abort);
}

bool
sched_idle(const struct sched *s)
{
	const struct sched_hop *h;

	TAILQ_FOREACH (h, &s->hops, entry)
		if (h->asking || h->nactive > 0 || h->connections > 0)
			return false;
	return !s->looking && sched_late_idle(&s->late);
}

size_t
sched_connections(const struct sched *s)
{
	return s->connections;
}

void
sched_free(struct sched **sp)
{
	struct sched *s = *sp;
	struct sched_hop *h;

	*sp = NULL;
	if (s == NULL)
		return;
	while ((h = TAILQ_FIRST(&s->hops)) != NULL) {
		assert(h->connections == 0);
		hop_return_work(h);
		TAILQ_REMOVE(&s->hops, h, entry);
		free(h->name);
		free(h);
	}
	free(s);
}

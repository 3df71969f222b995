/*
 * Questions: what the loop asks, and how it is told.
 *
 * A question is one struct queue_ask for all kinds; queue_read.c fills in the
 * answer.  When there is no memory for the question itself, the callback is
 * called at once: there is nothing to put it off with.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/queue_internal.h"

static struct queue_ask *
ask_of(struct queue_job *j)
{
	return (struct queue_ask *)(void *)j;
}

static void
ask_free(struct queue_ask *a)
{
	free(a->data);
	queue_arena_release(&a->arena);
	free(a);
}

/* NULL when out of memory. */
static struct queue_ask *
ask_new(struct queue *q, const char *text,
    int (*answer)(struct queue *q, struct queue_ask *a),
    void (*deliver)(struct queue_job *j))
{
	struct queue_ask *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->q = q;
	a->fd = -1;
	a->answer = answer;
	a->job.deliver = deliver;
	if (text != NULL) {
		a->text = queue_arena_text(&a->arena, text);
		if (a->text == NULL) {
			ask_free(a);
			return NULL;
		}
	}
	return a;
}

/* Whether it is too late for this one, which then hears so. */
static bool
closed_to(struct queue *q, struct queue_job *j)
{
	struct queue_jobs one = TAILQ_HEAD_INITIALIZER(one);

	if (!q->closing)
		return false;
	j->rc = QUEUE_ESHUTDOWN;
	TAILQ_INSERT_TAIL(&one, j, next);
	queue_to_loop(q, &one);
	return true;
}

static void
ask(struct queue *q, struct queue_ask *a)
{
	if (!closed_to(q, &a->job))
		queue_to_reader(q, &a->job);
}

void
queue_submit(
    struct queue *q, struct queue_txn **t, queue_done_cb *done, void *ctx)
{
	struct queue_txn *p = *t;
	struct queue_jobs one = TAILQ_HEAD_INITIALIZER(one);

	*t = NULL;
	p->done = done;
	p->ctx = ctx;
	if (closed_to(q, &p->job))
		return;
	if (p->broken) {
		p->job.rc = QUEUE_ENOMEM;
		TAILQ_INSERT_TAIL(&one, &p->job, next);
		queue_to_loop(q, &one);
		return;
	}
	atomic_fetch_add(&q->pending, 1);
	queue_to_writer(q, &p->job);
}

/* --- messages ------------------------------------------------------------ */

static void
deliver_messages(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);
	bool ok = j->rc == QUEUE_OK;

	a->cb.ready(a->ctx, j->rc, ok ? a->messages : NULL, ok ? a->n : 0,
	    ok && a->more);
	ask_free(a);
}

static void
ask_ready(struct queue *q, const char *hop, int64_t urgency, size_t limit,
    queue_ready_cb *cb, void *ctx)
{
	struct queue_ask *a =
	    ask_new(q, hop, queue_answer_ready, deliver_messages);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, 0, false);
		return;
	}
	a->limit = limit;
	a->urgency = urgency;
	a->cb.ready = cb;
	a->ctx = ctx;
	ask(q, a);
}

void
queue_ready(struct queue *q, const char *hop, size_t limit, queue_ready_cb *cb,
    void *ctx)
{
	ask_ready(q, hop, INT64_MAX, limit, cb, ctx);
}

void
queue_ready_urgent(struct queue *q, const char *hop, int priority, size_t limit,
    queue_ready_cb *cb, void *ctx)
{
	ask_ready(q, hop, -priority, limit, cb, ctx);
}

void
queue_unlease(struct queue *q, const char *hop, uint64_t message)
{
	uv_mutex_lock(&q->lock);
	queue_lease_return(&q->leases, hop, message);
	uv_mutex_unlock(&q->lock);
}

static void
ask_by_time(struct queue *q,
    int (*answer)(struct queue *q, struct queue_ask *a), int64_t now_s,
    size_t limit, queue_ready_cb *cb, void *ctx)
{
	struct queue_ask *a = ask_new(q, NULL, answer, deliver_messages);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, 0, false);
		return;
	}
	a->now_s = now_s;
	a->limit = limit;
	a->cb.ready = cb;
	a->ctx = ctx;
	ask(q, a);
}

void
queue_expired(
    struct queue *q, int64_t now_s, size_t limit, queue_ready_cb *cb, void *ctx)
{
	ask_by_time(q, queue_answer_expired, now_s, limit, cb, ctx);
}

void
queue_late(
    struct queue *q, int64_t now_s, size_t limit, queue_ready_cb *cb, void *ctx)
{
	ask_by_time(q, queue_answer_late, now_s, limit, cb, ctx);
}

void
queue_message(struct queue *q, uint64_t message, uint64_t transmission,
    uint32_t node, queue_ready_cb *cb, void *ctx)
{
	struct queue_ask *a =
	    ask_new(q, NULL, queue_answer_message, deliver_messages);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, 0, false);
		return;
	}
	a->id = message;
	a->id2 = transmission;
	a->node = node;
	a->cb.ready = cb;
	a->ctx = ctx;
	ask(q, a);
}

/* --- due ----------------------------------------------------------------- */

static void
deliver_due(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);
	bool ok = j->rc == QUEUE_OK;

	a->cb.due(a->ctx, j->rc, ok ? a->rows : NULL, ok ? a->n : 0,
	    ok ? a->next_at : 0);
	ask_free(a);
}

/* A change without an answer of its own. */
static struct queue_txn *
timed_txn(enum queue_step_kind kind, int64_t now_s)
{
	struct queue_txn *t = queue_txn_new();
	struct queue_step *st;

	if (t == NULL)
		return NULL;
	st = queue_txn_step(t, kind);
	if (st == NULL) {
		queue_txn_free(&t);
		return NULL;
	}
	st->at = now_s;
	TAILQ_INSERT_TAIL(&t->steps, st, next);
	return t;
}

/* First the writer makes due what is, then the reader tells what there is. */
void
queue_due(struct queue *q, int64_t now_s, queue_due_cb *cb, void *ctx)
{
	struct queue_txn *t = timed_txn(QUEUE_STEP_DUE, now_s);
	struct queue_ask *a = ask_new(q, NULL, queue_answer_due, deliver_due);

	if (t == NULL || a == NULL) {
		queue_txn_free(&t);
		if (a != NULL)
			ask_free(a);
		cb(ctx, QUEUE_ENOMEM, NULL, 0, 0);
		return;
	}
	a->cb.due = cb;
	a->ctx = ctx;
	if (closed_to(q, &a->job)) {
		queue_txn_free(&t);
		return;
	}
	t->then = &a->job;
	queue_submit(q, &t, NULL, NULL);
}

void
queue_prune(struct queue *q, int64_t now_s)
{
	struct queue_txn *t = timed_txn(QUEUE_STEP_PRUNE, now_s);

	/* Out of memory: the next time does it. */
	if (t != NULL)
		queue_submit(q, &t, NULL, NULL);
}

/* --- content ------------------------------------------------------------- */

static void
deliver_body(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);

	if (j->rc == QUEUE_OK)
		a->cb.body(a->ctx, QUEUE_OK, a->data, a->data_len, a->fd);
	else
		a->cb.body(a->ctx, j->rc, NULL, 0, -1);
	/* Opened, and then the reader could not end its transaction. */
	if (j->rc != QUEUE_OK && a->fd >= 0)
		(void)close(a->fd);
	ask_free(a);
}

void
queue_body(struct queue *q, uint64_t message, queue_body_cb *cb, void *ctx)
{
	struct queue_ask *a = ask_new(q, NULL, queue_answer_body, deliver_body);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, 0, -1);
		return;
	}
	a->id = message;
	a->cb.body = cb;
	a->ctx = ctx;
	ask(q, a);
}

static void
deliver_transmission(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);
	uint8_t *data = j->rc == QUEUE_OK ? a->data : NULL;

	/* From here on it is the caller's. */
	if (data != NULL)
		a->data = NULL;
	a->cb.transmission(a->ctx, j->rc, a->transmission, data,
	    data != NULL ? a->data_len : 0);
	ask_free(a);
}

void
queue_next_transmission(struct queue *q, const char *link, const uint64_t *skip,
    size_t nskip, queue_transmission_cb *cb, void *ctx)
{
	struct queue_ask *a =
	    ask_new(q, link, queue_answer_transmission, deliver_transmission);

	if (a != NULL) {
		a->skip = queue_arena_get(&a->arena, nskip * sizeof(*skip));
		if (a->skip == NULL) {
			ask_free(a);
			a = NULL;
		}
	}
	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, NULL, 0);
		return;
	}
	if (nskip != 0)
		memcpy(a->skip, skip, nskip * sizeof(*skip));
	a->nskip = nskip;
	a->cb.transmission = cb;
	a->ctx = ctx;
	ask(q, a);
}

/* --- what links find again ----------------------------------------------- */

static void
deliver_tombstones(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);
	bool ok = j->rc == QUEUE_OK;

	a->cb.tombstones(a->ctx, j->rc, ok ? a->rows : NULL, ok ? a->n : 0);
	ask_free(a);
}

void
queue_tombstones(struct queue *q, const char *link, int64_t now_s, size_t limit,
    queue_tombstones_cb *cb, void *ctx)
{
	struct queue_ask *a =
	    ask_new(q, link, queue_answer_tombstones, deliver_tombstones);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, 0);
		return;
	}
	a->now_s = now_s;
	a->limit = limit;
	a->cb.tombstones = cb;
	a->ctx = ctx;
	ask(q, a);
}

static void
deliver_emcon(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);
	bool ok = j->rc == QUEUE_OK;

	a->cb.emcon(a->ctx, j->rc, ok ? a->rows : NULL, ok ? a->n : 0);
	ask_free(a);
}

void
queue_emcon(struct queue *q, const char *link, queue_emcon_cb *cb, void *ctx)
{
	struct queue_ask *a =
	    ask_new(q, link, queue_answer_emcon, deliver_emcon);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, 0);
		return;
	}
	a->cb.emcon = cb;
	a->ctx = ctx;
	ask(q, a);
}

static void
deliver_partial(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);

	a->cb.partial(a->ctx, j->rc, a->rows);
	ask_free(a);
}

void
queue_next_partial(struct queue *q, const char *link, int64_t now_s,
    uint64_t after, queue_partial_cb *cb, void *ctx)
{
	struct queue_ask *a =
	    ask_new(q, link, queue_answer_partial, deliver_partial);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL);
		return;
	}
	a->now_s = now_s;
	a->id = after;
	a->cb.partial = cb;
	a->ctx = ctx;
	ask(q, a);
}

/* --- lists --------------------------------------------------------------- */

static void
deliver_list(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);
	bool ok = j->rc == QUEUE_OK;

	a->cb.list(
	    a->ctx, j->rc, ok ? a->rows : NULL, ok ? a->n : 0, ok && a->more);
	ask_free(a);
}

void
queue_list(
    struct queue *q, uint64_t after, size_t limit, queue_list_cb *cb, void *ctx)
{
	struct queue_ask *a = ask_new(q, NULL, queue_answer_list, deliver_list);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, 0, false);
		return;
	}
	a->id = after;
	a->limit = limit;
	a->cb.list = cb;
	a->ctx = ctx;
	ask(q, a);
}

static void
deliver_quarantine(struct queue_job *j)
{
	struct queue_ask *a = ask_of(j);
	bool ok = j->rc == QUEUE_OK;

	a->cb.quarantine(
	    a->ctx, j->rc, ok ? a->rows : NULL, ok ? a->n : 0, ok && a->more);
	ask_free(a);
}

void
queue_quarantine_list(struct queue *q, uint64_t after, size_t limit,
    queue_quarantine_cb *cb, void *ctx)
{
	struct queue_ask *a =
	    ask_new(q, NULL, queue_answer_quarantine, deliver_quarantine);

	if (a == NULL) {
		cb(ctx, QUEUE_ENOMEM, NULL, 0, false);
		return;
	}
	a->id = after;
	a->limit = limit;
	a->cb.quarantine = cb;
	a->ctx = ctx;
	ask(q, a);
}

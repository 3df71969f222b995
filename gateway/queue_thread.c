/*
 * The writer and the reader, and what passes between them and the loop.
 *
 * A job is in one list at a time and belongs to the thread that took it out.
 * Closing goes in order: the loop refuses new jobs, the writer commits what it
 * has, then lets the reader answer what it has, then closes both connections
 * (the writing one last, so that it can tidy up the log) and tells the loop.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/queue_internal.h"

/* --- passing ------------------------------------------------------------- */

void
queue_to_writer(struct queue *q, struct queue_job *j)
{
	uv_mutex_lock(&q->lock);
	TAILQ_INSERT_TAIL(&q->submitted, j, next);
	uv_cond_signal(&q->writer_wake);
	uv_mutex_unlock(&q->lock);
}

void
queue_to_reader(struct queue *q, struct queue_job *j)
{
	uv_mutex_lock(&q->lock);
	TAILQ_INSERT_TAIL(&q->asked, j, next);
	uv_cond_signal(&q->reader_wake);
	uv_mutex_unlock(&q->lock);
}

void
queue_to_loop(struct queue *q, struct queue_jobs *jobs)
{
	uv_mutex_lock(&q->lock);
	TAILQ_CONCAT(&q->done, jobs, next);
	uv_mutex_unlock(&q->lock);
	/* It fails only for a handle that is not an async. */
	(void)uv_async_send(&q->async);
}

struct warning {
	struct queue_job job;
	struct queue *q;
	char text[256];
};

static void
deliver_warning(struct queue_job *j)
{
	struct warning *w = (struct warning *)(void *)j;

	if (w->q->warn != NULL)
		w->q->warn(w->q->warn_ctx, w->text);
	free(w);
}

void
queue_warn(struct queue *q, const char *fmt, ...)
{
	struct warning *w = calloc(1, sizeof(*w));
	struct queue_jobs one = TAILQ_HEAD_INITIALIZER(one);
	va_list ap;

	if (w == NULL)
		return;
	w->job.deliver = deliver_warning;
	w->q = q;
	va_start(ap, fmt);
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	va_end(ap);
	TAILQ_INSERT_TAIL(&one, &w->job, next);
	queue_to_loop(q, &one);
}

/* --- the writer ---------------------------------------------------------- */

/* What has piled up, as much as a group holds; waits for the first. */
static size_t
take_group(struct queue *q, struct queue_txn **v)
{
	struct queue_job *j;
	size_t bytes = 0, n = 0;

	uv_mutex_lock(&q->lock);
	while (TAILQ_EMPTY(&q->submitted) && !q->closing)
		uv_cond_wait(&q->writer_wake, &q->lock);
	while (n < QUEUE_GROUP_MAX && bytes < QUEUE_GROUP_BYTES &&
	       (j = TAILQ_FIRST(&q->submitted)) != NULL) {
		TAILQ_REMOVE(&q->submitted, j, next);
		v[n] = (struct queue_txn *)(void *)j;
		bytes += v[n++]->bytes;
	}
	uv_mutex_unlock(&q->lock);
	return n;
}

/* A question came with the transaction: it goes on to the reader. */
static void
pass_on(struct queue *q, struct queue_txn *t)
{
	t->then->rc = t->job.rc;
	queue_to_reader(q, t->then);
	queue_txn_free(&t);
}

static void
hand_back(struct queue *q, struct queue_txn **v, size_t n)
{
	struct queue_jobs done = TAILQ_HEAD_INITIALIZER(done);

	for (size_t i = 0; i < n; i++) {
		/* Removing files is no work for the loop. */
		queue_txn_drop_data(v[i]);
		if (v[i]->job.rc == QUEUE_OK && v[i]->again) {
			queue_to_writer(q, &v[i]->job);
			continue;
		}
		atomic_fetch_sub(&q->pending, 1);
		if (v[i]->then != NULL)
			pass_on(q, v[i]);
		else
			TAILQ_INSERT_TAIL(&done, &v[i]->job, next);
	}
	queue_to_loop(q, &done);
}

static void
stop_reader(struct queue *q)
{
	uv_mutex_lock(&q->lock);
	q->reader_stop = true;
	uv_cond_signal(&q->reader_wake);
	uv_mutex_unlock(&q->lock);
	(void)uv_thread_join(&q->reader_thread);
}

static void
writer_main(void *arg)
{
	struct queue_txn *v[QUEUE_GROUP_MAX];
	struct queue *q = arg;
	bool attached;
	size_t n;

	while ((n = take_group(q, v)) > 0) {
		queue_commit(q, v, n);
		hand_back(q, v, n);
		/* Nobody waits for this one. */
		queue_checkpoint(q);
	}
	stop_reader(q);
	queue_db_close(&q->reader);
	queue_db_close(&q->writer);
	uv_mutex_lock(&q->lock);
	q->writer_gone = true;
	attached = q->attached;
	uv_mutex_unlock(&q->lock);
	if (attached)
		(void)uv_async_send(&q->async);
}

/* --- the reader ---------------------------------------------------------- */

static struct queue_ask *
take_question(struct queue *q)
{
	struct queue_job *j;

	uv_mutex_lock(&q->lock);
	while (TAILQ_EMPTY(&q->asked) && !q->reader_stop)
		uv_cond_wait(&q->reader_wake, &q->lock);
	j = TAILQ_FIRST(&q->asked);
	if (j != NULL)
		TAILQ_REMOVE(&q->asked, j, next);
	/* Before the tables are looked at; see queue_internal.h. */
	queue_lease_purge(&q->leases);
	uv_mutex_unlock(&q->lock);
	return (struct queue_ask *)(void *)j;
}

static int
answer(struct queue *q, struct queue_ask *a)
{
	int rc = a->job.rc;
	int end;

	if (rc != QUEUE_OK)
		return rc;
	rc = queue_db_begin(q->reader, false);
	if (rc != QUEUE_OK)
		return rc;
	rc = a->answer(q, a);
	end = queue_db_rollback(q->reader);
	return rc != QUEUE_OK ? rc : end;
}

static void
reader_main(void *arg)
{
	struct queue *q = arg;
	struct queue_ask *a;

	while ((a = take_question(q)) != NULL) {
		struct queue_jobs one = TAILQ_HEAD_INITIALIZER(one);

		a->job.rc = answer(q, a);
		TAILQ_INSERT_TAIL(&one, &a->job, next);
		queue_to_loop(q, &one);
	}
}

/* --- start and end ------------------------------------------------------- */

int
queue_threads_start(struct queue *q)
{
	if (uv_thread_create(&q->reader_thread, reader_main, q) != 0)
		return QUEUE_ENOMEM;
	if (uv_thread_create(&q->writer_thread, writer_main, q) != 0) {
		stop_reader(q);
		return QUEUE_ENOMEM;
	}
	return QUEUE_OK;
}

void
queue_threads_join(struct queue *q)
{
	(void)uv_thread_join(&q->writer_thread);
}

#include "gateway/queue.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/queue_internal.h"

const char *
queue_strerror(int err)
{
	switch (err) {
	case QUEUE_OK: return "ok";
	case QUEUE_ENOMEM: return "out of memory";
	case QUEUE_EFULL: return "no space left for the queue";
	case QUEUE_EIO: return "the queue's disk failed";
	case QUEUE_ECORRUPT: return "the queue is damaged";
	case QUEUE_EVERSION: return "the queue was made by a newer program";
	case QUEUE_EEXIST: return "received before";
	case QUEUE_ENOTFOUND: return "not in the queue any more";
	case QUEUE_ELOCKED: return "another program has the queue open";
	case QUEUE_ESHUTDOWN: return "the queue is closing";
	case QUEUE_EINVAL: return "invalid argument";
	default: return "unknown queue error";
	}
}

/* --- the loop's side ----------------------------------------------------- */

/* One round: what callbacks add meanwhile wakes the loop again. */
static void
deliver_done(struct queue *q)
{
	struct queue_jobs jobs = TAILQ_HEAD_INITIALIZER(jobs);
	struct queue_job *j;

	uv_mutex_lock(&q->lock);
	TAILQ_CONCAT(&jobs, &q->done, next);
	uv_mutex_unlock(&q->lock);
	while ((j = TAILQ_FIRST(&jobs)) != NULL) {
		TAILQ_REMOVE(&jobs, j, next);
		j->deliver(j);
	}
}

/* Whether the threads have ended and all their answers are delivered. */
static bool
finished(struct queue *q)
{
	bool yes;

	uv_mutex_lock(&q->lock);
	yes = q->writer_gone && TAILQ_EMPTY(&q->done);
	uv_mutex_unlock(&q->lock);
	return yes;
}

/* Copes with a queue that queue_open() left half open. */
static void
release(struct queue *q)
{
	struct queue_doomed *d;

	/* Whether they are to go is in doubt; the next start knows. */
	while ((d = LIST_FIRST(&q->doubtful)) != NULL) {
		LIST_REMOVE(d, next);
		free(d);
	}
	queue_lease_release(&q->leases);
	queue_db_close(&q->reader);
	queue_db_close(&q->writer);
	queue_shim_unregister(&q->shim);
	queue_spool_close(&q->files);
	uv_cond_destroy(&q->writer_wake);
	uv_cond_destroy(&q->reader_wake);
	uv_mutex_destroy(&q->handing);
	uv_mutex_destroy(&q->lock);
	free(q);
}

static void
on_closed(uv_handle_t *h)
{
	struct queue *q = h->data;
	void (*closed)(void *ctx) = q->closed;
	void *ctx = q->closed_ctx;

	/* Refusals of what was asked since the handle began to close. */
	while (!finished(q))
		deliver_done(q);
	release(q);
	if (closed != NULL)
		closed(ctx);
}

static void
on_async(uv_async_t *h)
{
	struct queue *q = h->data;

	deliver_done(q);
	if (!finished(q) || uv_is_closing((uv_handle_t *)h))
		return;
	queue_threads_join(q);
	uv_close((uv_handle_t *)h, on_closed);
}

void
queue_close(struct queue **q, void (*closed)(void *ctx), void *ctx)
{
	struct queue *p = *q;

	*q = NULL;
	p->closed = closed;
	p->closed_ctx = ctx;
	uv_mutex_lock(&p->lock);
	p->closing = true;
	uv_cond_signal(&p->writer_wake);
	uv_mutex_unlock(&p->lock);
}

/* --- opening ------------------------------------------------------------- */

static int
queue_new(struct queue **ret_q)
{
	struct queue *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return QUEUE_ENOMEM;
	/* On Linux none of these allocates, and none of them fails. */
	if (uv_mutex_init(&q->lock) != 0 || uv_mutex_init(&q->handing) != 0 ||
	    uv_cond_init(&q->writer_wake) != 0 ||
	    uv_cond_init(&q->reader_wake) != 0) {
		free(q);
		return QUEUE_ENOMEM;
	}
	TAILQ_INIT(&q->submitted);
	TAILQ_INIT(&q->asked);
	TAILQ_INIT(&q->done);
	LIST_INIT(&q->doubtful);
	q->files = (struct queue_spool){
		.dir = -1,
		.spool = -1,
		.lock = -1,
		.shim = &q->shim,
	};
	*ret_q = q;
	return QUEUE_OK;
}

static int
open_connections(struct queue *q, bool may_create, char *errbuf, size_t errcap)
{
	int rc = queue_schema_open(q->files.db_path, &q->shim, may_create, true,
	    errbuf, errcap, &q->writer);

	if (rc != QUEUE_OK)
		return rc;
	rc = queue_write_prepare(q->writer);
	if (rc == QUEUE_OK)
		rc =
		    queue_db_open(q->files.db_path, &q->shim, true, &q->reader);
	if (rc == QUEUE_OK)
		rc = queue_read_prepare(q->reader);
	if (rc == QUEUE_ECORRUPT)
		snprintf(errbuf, errcap,
		    "%s: the schema is not what it should be (%s); restore it "
		    "from a backup",
		    q->files.db_path,
		    queue_db_message(
			q->reader != NULL ? q->reader : q->writer));
	else if (rc != QUEUE_OK)
		snprintf(errbuf, errcap, "%s: %s", q->files.db_path,
		    queue_strerror(rc));
	return rc;
}

static int
open_files(struct queue *q, const char *state_dir, int64_t now_s, char *errbuf,
    size_t errcap)
{
	bool may_create = false;
	int rc = queue_shim_register(&q->shim);

	if (rc != QUEUE_OK) {
		snprintf(
		    errbuf, errcap, "%s: %s", state_dir, queue_strerror(rc));
		return rc;
	}
	rc = queue_spool_open(&q->files, state_dir, errbuf, errcap);
	if (rc == QUEUE_OK)
		rc = queue_recover_check(q, &may_create, errbuf, errcap);
	if (rc == QUEUE_OK)
		rc = open_connections(q, may_create, errbuf, errcap);
	if (rc == QUEUE_OK)
		rc = queue_recover(q, errbuf, errcap);
	if (rc != QUEUE_OK)
		return rc;
	rc = queue_clock_open(q, now_s);
	if (rc != QUEUE_OK)
		snprintf(errbuf, errcap, "%s: cannot note the time: %s",
		    q->files.db_path, queue_strerror(rc));
	return rc;
}

/* Last, because from here on undoing takes a turn of the loop. */
static int
start(struct queue *q, uv_loop_t *loop, char *errbuf, size_t errcap)
{
	int rc = queue_threads_start(q);
	bool ok =
	    rc == QUEUE_OK && uv_async_init(loop, &q->async, on_async) == 0;

	q->async.data = q;
	uv_mutex_lock(&q->lock);
	q->attached = ok;
	q->closing = !ok;
	uv_cond_signal(&q->writer_wake);
	uv_mutex_unlock(&q->lock);
	if (ok)
		return QUEUE_OK;
	if (rc == QUEUE_OK)
		queue_threads_join(q);
	snprintf(errbuf, errcap, "cannot start the queue's threads");
	return QUEUE_ENOMEM;
}

int
queue_open_hooked(const struct queue_config *cfg, uv_loop_t *loop,
    queue_hook *hook, void *hook_ctx, char *errbuf, size_t errcap,
    struct queue **ret_q)
{
	struct queue *q = NULL;
	int rc = queue_new(&q);

	if (rc != QUEUE_OK) {
		snprintf(errbuf, errcap, "%s", queue_strerror(rc));
		return rc;
	}
	q->warn = cfg->warn;
	q->warn_ctx = cfg->warn_ctx;
	q->shim.hook = hook;
	q->shim.hook_ctx = hook_ctx;
	rc = open_files(q, cfg->state_dir, cfg->now_s, errbuf, errcap);
	if (rc == QUEUE_OK)
		rc = start(q, loop, errbuf, errcap);
	if (rc != QUEUE_OK) {
		release(q);
		return rc;
	}
	*ret_q = q;
	return QUEUE_OK;
}

int
queue_open(const struct queue_config *cfg, uv_loop_t *loop, char *errbuf,
    size_t errcap, struct queue **ret_q)
{
	return queue_open_hooked(cfg, loop, NULL, NULL, errbuf, errcap, ret_q);
}

/* --- small things -------------------------------------------------------- */

const char *
queue_tmp_dir(const struct queue *q)
{
	return q->files.tmp;
}

uint64_t
queue_new_id(struct queue *q)
{
	return q->next_id++;
}

void
queue_stats(const struct queue *q, struct queue_stats *ret_s)
{
	*ret_s = (struct queue_stats){
		.messages = atomic_load(&q->messages),
		.recipients = atomic_load(&q->recipients),
		.transmissions = atomic_load(&q->transmissions),
		.quarantined = atomic_load(&q->quarantine),
		.commits = atomic_load(&q->commits),
		.transactions = atomic_load(&q->transactions),
		.syncs = atomic_load(&q->shim.syncs),
		.pending = atomic_load(&q->pending),
	};
}

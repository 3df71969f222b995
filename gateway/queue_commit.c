/*
 * Group commit: what has piled up while the disk was busy is committed at
 * once, so that one sync serves many messages.
 *
 * The group first runs without savepoints.  When one of it fails (known
 * already, gone, invalid), the group is rolled back and runs once more with
 * each transaction in a savepoint of its own, so that this one is taken back
 * alone.  Savepoints always would be simpler, but seem to cost a quarter of the
 * messages a second: medians of seven runs of bench_queue with 10 KB bodies,
 * with and without, were 1188 and 1609 with one in flight, 6544 and 8657 with
 * 50, 8512 and 8675 with 500 (on a shared machine; the runs overlap).  Trying
 * each alone would cost a sync for each, whenever a peer repeats something.
 *
 * What fails for all (no space, a failing disk, COMMIT itself) rolls back the
 * group; after "no space" each is tried alone, because the one that needs the
 * space must not stop the one that gives it back.
 *
 * Files come first: a body is synced and renamed while its transaction runs,
 * the directory once before COMMIT.  Files of finished messages are removed
 * after COMMIT.  A crash in between leaves a file without row, which the next
 * start removes; never a row without file.
 *
 * One doubt remains: when the sync inside COMMIT fails, the log may still hold
 * the whole transaction, and a crash before the next commit overwrites it
 * there would bring it back.  So the files of such a transaction stay until
 * the next commit has succeeded (the list `doubtful`).
 */
#include <stdlib.h>

#include "gateway/queue_internal.h"

static void
forget(struct queue_txn *t)
{
	t->delta = (struct queue_delta){ .messages = 0 };
	t->result = (struct queue_result){ .transmission = 0 };
	/* The entries are in the arena. */
	LIST_INIT(&t->gone);
	t->again = false;
}

/* Its steps; in a savepoint (guarded) nothing is left of a failure. */
static int
run_one(struct queue *q, struct queue_txn *t, bool guarded)
{
	struct queue_step *st;
	int rc = guarded ? queue_db_savepoint(q->writer) : QUEUE_OK;

	forget(t);
	TAILQ_FOREACH (st, &t->steps, next)
		if (rc == QUEUE_OK)
			rc = queue_write_step(q, t, st);
	if (!guarded)
		return rc;
	if (rc == QUEUE_OK)
		return queue_db_release(q->writer);
	/* Some errors have already ended the transaction of the group. */
	if (queue_db_in_txn(q->writer) &&
	    queue_db_rollback_to(q->writer) != QUEUE_OK &&
	    queue_db_rollback(q->writer) != QUEUE_OK)
		q->reopen = true;
	return rc;
}

/*
 * An error: the group has failed.  *ret_own when only one of it has, by
 * something of its own.
 */
static int
run_all(struct queue *q, struct queue_txn **v, size_t n, bool guarded,
    bool *ret_own)
{
	for (size_t i = 0; i < n; i++) {
		int rc = run_one(q, v[i], guarded);
		bool alive = queue_db_in_txn(q->writer);

		v[i]->job.rc = rc;
		if (!alive)
			return rc != QUEUE_OK ? rc : QUEUE_EIO;
		if (rc != QUEUE_OK && !guarded) {
			*ret_own = true;
			return rc;
		}
	}
	return QUEUE_OK;
}

static bool
has_files(const struct queue_txn *t)
{
	const struct queue_step *st;

	TAILQ_FOREACH (st, &t->steps, next)
		if (st->placed)
			return true;
	return false;
}

static int
sync_files(struct queue *q, struct queue_txn **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i]->job.rc == QUEUE_OK && has_files(v[i]))
			return queue_spool_sync(&q->files);
	return QUEUE_OK;
}

/* A new connection instead of one that does not answer any more. */
static int
reopen(struct queue *q)
{
	struct queue_db *db = NULL;
	char err[256];
	int rc = queue_schema_open(
	    q->files.db_path, &q->shim, false, false, err, sizeof(err), &db);

	if (rc == QUEUE_OK)
		rc = queue_write_prepare(db);
	if (rc != QUEUE_OK) {
		queue_db_close(&db);
		return rc;
	}
	queue_db_close(&q->writer);
	q->writer = db;
	q->reopen = false;
	queue_warn(q, "%s: the database was opened again", q->files.db_path);
	return QUEUE_OK;
}

struct attempt {
	bool guarded; /* each in a savepoint */
	bool own;     /* not guarded, and one failed by something of its own */
	bool wrote;   /* not unless one of them changed something */
};

/* QUEUE_OK: committed, except those whose own rc says why not. */
static int
attempt_alone(
    struct queue *q, struct queue_txn **v, size_t n, struct attempt *a)
{
	int rc = q->reopen ? reopen(q) : QUEUE_OK;
	uint64_t before = queue_db_commits(q->writer);

	if (rc != QUEUE_OK)
		return rc;
	rc = queue_db_begin(q->writer, true);
	if (rc != QUEUE_OK) {
		q->reopen = rc == QUEUE_EIO;
		return rc;
	}
	rc = run_all(q, v, n, a->guarded, &a->own);
	if (rc == QUEUE_OK)
		rc = sync_files(q, v, n);
	if (rc == QUEUE_OK)
		rc = queue_db_commit(q->writer);
	if (rc != QUEUE_OK && queue_db_rollback(q->writer) != QUEUE_OK)
		q->reopen = true;
	a->wrote = queue_db_commits(q->writer) != before;
	return rc;
}

static bool
operates(struct queue_txn **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v[i]->operates)
			return true;
	return false;
}

static int
attempt(struct queue *q, struct queue_txn **v, size_t n, struct attempt *a)
{
	bool exclusive = operates(v, n);
	int rc;

	if (exclusive)
		uv_mutex_lock(&q->handing);
	rc = attempt_alone(q, v, n, a);
	if (exclusive)
		uv_mutex_unlock(&q->handing);
	return rc;
}

/* --- afterwards ---------------------------------------------------------- */

static void
doubt(struct queue *q, struct queue_name name)
{
	struct queue_doomed *d = malloc(sizeof(*d));

	/* Out of memory: the next start removes the file. */
	if (d == NULL)
		return;
	d->name = name;
	LIST_INSERT_HEAD(&q->doubtful, d, next);
}

static void
remove_doubtful(struct queue *q)
{
	struct queue_doomed *d;

	while ((d = LIST_FIRST(&q->doubtful)) != NULL) {
		queue_spool_remove(&q->files, d->name);
		LIST_REMOVE(d, next);
		free(d);
	}
}

static void
add(atomic_ullong *counter, int64_t delta)
{
	/* Unsigned arithmetic wraps, so adding a negative number subtracts. */
	atomic_fetch_add(counter, (unsigned long long)delta);
}

static void
succeeded(struct queue *q, struct queue_txn *t)
{
	struct queue_doomed *d;

	for (d = LIST_FIRST(&t->gone); d != NULL; d = LIST_NEXT(d, next))
		queue_spool_remove(&q->files, d->name);
	add(&q->messages, t->delta.messages);
	add(&q->recipients, t->delta.recipients);
	add(&q->transmissions, t->delta.transmissions);
	add(&q->quarantine, t->delta.quarantined);
	add(&q->transactions, 1);
}

/* Its files have no row. */
static void
refused(struct queue *q, struct queue_txn *t, bool in_doubt)
{
	struct queue_step *st;
	struct queue_name name;

	forget(t);
	for (st = TAILQ_FIRST(&t->steps); st != NULL;
	     st = TAILQ_NEXT(st, next)) {
		if (!st->placed)
			continue;
		name = st->kind == QUEUE_STEP_ADD
			   ? queue_name_message(st->message.id)
			   : queue_name_transmission(st->id);
		if (in_doubt)
			doubt(q, name);
		else
			queue_spool_remove(&q->files, name);
		st->placed = false;
	}
}

static void
settle(struct queue *q, struct queue_txn **v, size_t n, int rc)
{
	for (size_t i = 0; i < n; i++) {
		/*
		 * What one of a group that failed was told is void: it may
		 * have been known only because of another of the group.
		 */
		if (rc != QUEUE_OK)
			v[i]->job.rc = rc;
		if (v[i]->job.rc == QUEUE_OK)
			succeeded(q, v[i]);
		else
			refused(q, v[i], rc == QUEUE_EIO);
	}
}

void
queue_commit(struct queue *q, struct queue_txn **v, size_t n)
{
	struct attempt a = { .guarded = false };
	int rc = attempt(q, v, n, &a);

	if (n > 1 && a.own) {
		a = (struct attempt){ .guarded = true };
		rc = attempt(q, v, n, &a);
	}
	if (n > 1 && (rc == QUEUE_EFULL || rc == QUEUE_ENOMEM)) {
		for (size_t i = 0; i < n; i++)
			queue_commit(q, &v[i], 1);
		return;
	}
	settle(q, v, n, rc);
	/* A commit that wrote has overwritten what was in doubt. */
	if (rc == QUEUE_OK && a.wrote) {
		atomic_fetch_add(&q->commits, 1);
		remove_doubtful(q);
	}
}

void
queue_checkpoint(struct queue *q)
{
	int rc;

	if (queue_db_wal_pages(q->writer) < QUEUE_CHECKPOINT_PAGES)
		return;
	rc = queue_db_checkpoint(q->writer);
	if (rc != QUEUE_OK && !q->checkpoint_failed)
		queue_warn(q,
		    "%s: the log cannot be moved into the database "
		    "and grows: %s",
		    q->files.db_path, queue_strerror(rc));
	q->checkpoint_failed = rc != QUEUE_OK;
}

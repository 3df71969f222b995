#include "gateway/queue_db.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/queue.h"

/* Another program may hold a lock for a moment: an operator's sqlite3. */
#define BUSY_MS 10000

struct queue_db {
	sqlite3 *db;
	sqlite3_stmt *stmts[QUEUE_STMTS_MAX];
	sqlite3_stmt *control[7];
	uint64_t commits;
	int wal_pages;
};

enum control {
	BEGIN_READ,
	BEGIN_WRITE,
	COMMIT,
	ROLLBACK,
	SAVEPOINT,
	RELEASE,
	ROLLBACK_TO,
};

static const char *const control_sql[] = {
	[BEGIN_READ] = "BEGIN",
	[BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[COMMIT] = "COMMIT",
	[ROLLBACK] = "ROLLBACK",
	[SAVEPOINT] = "SAVEPOINT one",
	[RELEASE] = "RELEASE one",
	[ROLLBACK_TO] = "ROLLBACK TO one",
};

/* --- errors -------------------------------------------------------------- */

static int
io_error(sqlite3 *db)
{
	int e = db != NULL ? sqlite3_system_errno(db) : 0;

	if (e == ENOSPC || e == EDQUOT || e == EFBIG)
		return QUEUE_EFULL;
	return QUEUE_EIO;
}

static int
translate(sqlite3 *db, int rc)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return QUEUE_ENOMEM;
	/* Also for want of space: what was written before is in doubt. */
	if (rc == SQLITE_IOERR_FSYNC || rc == SQLITE_IOERR_DIR_FSYNC)
		return QUEUE_EIO;
	/* The low octet is the class, the rest the detail. */
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE: return QUEUE_OK;
	case SQLITE_NOMEM: return QUEUE_ENOMEM;
	case SQLITE_FULL: return QUEUE_EFULL;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return QUEUE_ECORRUPT;
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
	case SQLITE_MISMATCH: return QUEUE_EINVAL;
	default: return io_error(db);
	}
}

const char *
queue_db_message(struct queue_db *db)
{
	return sqlite3_errmsg(db->db);
}

/* --- connections --------------------------------------------------------- */

static int
committed(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct queue_db *d = ctx;

	(void)db;
	(void)name;
	d->wal_pages = pages;
	d->commits++;
	return SQLITE_OK;
}

static int
configure(struct queue_db *d)
{
	int rc = sqlite3_extended_result_codes(d->db, 1);

	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(d->db, BUSY_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(
		    d->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(
		    d->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)NULL);
	/*
	 * This takes the place of the automatic checkpoint, which would run
	 * inside COMMIT while everybody waits for the answer.
	 */
	(void)sqlite3_wal_hook(d->db, committed, d);
	return translate(d->db, rc);
}

int
queue_db_open(const char *path, struct queue_shim *shim, bool read_only,
    struct queue_db **ret_db)
{
	struct queue_db *d = calloc(1, sizeof(*d));
	const sqlite3_vfs *vfs = shim->vfs;
	int rc;

	if (d == NULL)
		return QUEUE_ENOMEM;
	rc = sqlite3_open_v2(path, &d->db,
	    (read_only ? SQLITE_OPEN_READONLY
		       : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) |
		SQLITE_OPEN_NOMUTEX,
	    vfs->zName);
	if (rc != SQLITE_OK)
		rc = d->db != NULL ? translate(d->db, rc) : QUEUE_ENOMEM;
	else
		rc = configure(d);
	if (rc == QUEUE_OK)
		rc = queue_db_exec(d, "PRAGMA foreign_keys=ON");
	if (rc != QUEUE_OK) {
		queue_db_close(&d);
		return rc;
	}
	*ret_db = d;
	return QUEUE_OK;
}

static int
prepare(struct queue_db *d, const char *sql, sqlite3_stmt **ret_s)
{
	int rc = sqlite3_prepare_v3(
	    d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_s, NULL);

	/* "no such table": somebody changed the schema behind our back. */
	if ((rc & 0xff) == SQLITE_ERROR)
		return QUEUE_ECORRUPT;
	return translate(d->db, rc);
}

int
queue_db_prepare(
    struct queue_db *db, const char *const *sql, size_t first, size_t n)
{
	size_t controls = sizeof(control_sql) / sizeof(control_sql[0]);
	int rc = QUEUE_OK;

	assert(n <= QUEUE_STMTS_MAX);
	for (size_t i = first; rc == QUEUE_OK && i < n; i++) {
		assert(db->stmts[i] == NULL);
		rc = prepare(db, sql[i], &db->stmts[i]);
	}
	for (size_t i = 0; rc == QUEUE_OK && i < controls; i++)
		if (db->control[i] == NULL)
			rc = prepare(db, control_sql[i], &db->control[i]);
	return rc;
}

void
queue_db_close(struct queue_db **db)
{
	struct queue_db *d = *db;
	int rc;

	if (d == NULL)
		return;
	/* What a finalizer returns is the error of the last step, told then. */
	for (size_t i = 0; i < QUEUE_STMTS_MAX; i++)
		(void)sqlite3_finalize(d->stmts[i]);
	for (size_t i = 0; i < sizeof(d->control) / sizeof(d->control[0]); i++)
		(void)sqlite3_finalize(d->control[i]);
	rc = sqlite3_close(d->db);
	assert(rc == SQLITE_OK);
	(void)rc;
	free(d);
	*db = NULL;
}

int
queue_db_exec(struct queue_db *db, const char *sql)
{
	return translate(db->db, sqlite3_exec(db->db, sql, NULL, NULL, NULL));
}

int
queue_db_number(struct queue_db *db, const char *sql, int64_t *ret_v)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db->db, sql, -1, &s, NULL);
	int64_t v = 0;

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		v = sqlite3_column_int64(s, 0);
		rc = sqlite3_step(s);
	}
	rc = translate(db->db, rc);
	(void)sqlite3_finalize(s);
	if (rc == QUEUE_OK)
		*ret_v = v;
	return rc;
}

int
queue_db_expect(struct queue_db *db, const char *sql, const char *text)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(db->db, sql, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	if (rc == SQLITE_ROW) {
		const char *v = (const char *)sqlite3_column_text(s, 0);

		rc = v != NULL && strcmp(v, text) == 0 ? SQLITE_OK
						       : SQLITE_IOERR;
	}
	rc = translate(db->db, rc);
	(void)sqlite3_finalize(s);
	return rc;
}

/* --- transactions -------------------------------------------------------- */

static int
control(struct queue_db *db, enum control which)
{
	sqlite3_stmt *s = db->control[which];
	int rc = translate(db->db, sqlite3_step(s));

	/* It repeats the error of the step. */
	(void)sqlite3_reset(s);
	return rc;
}

int
queue_db_begin(struct queue_db *db, bool write)
{
	return control(db, write ? BEGIN_WRITE : BEGIN_READ);
}

int
queue_db_commit(struct queue_db *db)
{
	return control(db, COMMIT);
}

int
queue_db_rollback(struct queue_db *db)
{
	return queue_db_in_txn(db) ? control(db, ROLLBACK) : QUEUE_OK;
}

bool
queue_db_in_txn(struct queue_db *db)
{
	return sqlite3_get_autocommit(db->db) == 0;
}

int
queue_db_savepoint(struct queue_db *db)
{
	return control(db, SAVEPOINT);
}

int
queue_db_release(struct queue_db *db)
{
	return control(db, RELEASE);
}

int
queue_db_rollback_to(struct queue_db *db)
{
	int rc = control(db, ROLLBACK_TO);

	return rc == QUEUE_OK ? control(db, RELEASE) : rc;
}

int64_t
queue_db_changes(struct queue_db *db)
{
	return sqlite3_changes64(db->db);
}

uint64_t
queue_db_commits(struct queue_db *db)
{
	return db->commits;
}

int
queue_db_wal_pages(struct queue_db *db)
{
	return db->wal_pages;
}

int
queue_db_checkpoint(struct queue_db *db)
{
	int rc = sqlite3_wal_checkpoint_v2(
	    db->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);

	db->wal_pages = 0;
	/* A question was reading: the next commit tries again. */
	return rc == SQLITE_BUSY ? QUEUE_OK : translate(db->db, rc);
}

/* --- statements ---------------------------------------------------------- */

struct queue_stmt
queue_stmt(struct queue_db *db, size_t which)
{
	struct queue_stmt s = { .db = db, .s = db->stmts[which] };

	assert(s.s != NULL && !sqlite3_stmt_busy(s.s));
	return s;
}

static void
bound(struct queue_stmt *s, int rc)
{
	if (s->rc == QUEUE_OK)
		s->rc = translate(s->db->db, rc);
}

void
queue_put_int(struct queue_stmt *s, int64_t v)
{
	bound(s, sqlite3_bind_int64(s->s, ++s->n, v));
}

void
queue_put_text(struct queue_stmt *s, const char *v)
{
	bound(s, sqlite3_bind_text(s->s, ++s->n, v, -1, SQLITE_STATIC));
}

void
queue_put_blob(struct queue_stmt *s, const void *v, size_t len)
{
	/* A null pointer would bind NULL instead of nothing. */
	bound(s, sqlite3_bind_blob64(
		     s->s, ++s->n, len != 0 ? v : "", len, SQLITE_STATIC));
}

int
queue_stmt_step(struct queue_stmt *s)
{
	int rc = SQLITE_OK;

	if (s->rc == QUEUE_OK) {
		rc = sqlite3_step(s->s);
		if (rc == SQLITE_ROW)
			return 1;
		s->rc = translate(s->db->db, rc);
	}
	rc = s->rc;
	queue_stmt_end(s);
	return rc;
}

int
queue_stmt_run(struct queue_stmt *s)
{
	int rc = queue_stmt_step(s);

	assert(rc <= 0);
	return rc;
}

void
queue_stmt_end(struct queue_stmt *s)
{
	(void)sqlite3_reset(s->s);
	(void)sqlite3_clear_bindings(s->s);
}

int64_t
queue_col_int(struct queue_stmt *s, int i)
{
	return sqlite3_column_int64(s->s, i);
}

const char *
queue_col_text(struct queue_stmt *s, int i)
{
	const char *v = (const char *)sqlite3_column_text(s->s, i);

	/* No column of ours is NULL: memory ran out. */
	if (v == NULL && s->rc == QUEUE_OK)
		s->rc = QUEUE_ENOMEM;
	return v != NULL ? v : "";
}

const void *
queue_col_blob(struct queue_stmt *s, int i, size_t *ret_len)
{
	const void *v = sqlite3_column_blob(s->s, i);

	if (v == NULL && sqlite3_errcode(s->db->db) == SQLITE_NOMEM &&
	    s->rc == QUEUE_OK)
		s->rc = QUEUE_ENOMEM;
	*ret_len = (size_t)sqlite3_column_bytes(s->s, i);
	return v;
}

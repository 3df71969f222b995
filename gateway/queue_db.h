/*
 * One database connection, as the queue uses it.  Private to queue_*.c.
 *
 * Only queue_db.c, queue_schema.c and queue_vfs.c include <sqlite3.h>; the
 * rest of the queue sees connections, a fixed table of prepared statements,
 * and errors already translated to enum queue_err.
 *
 * A statement is used like a cursor with a sticky error: bind the parameters
 * in their order, then step.  What went wrong on the way is the result of the
 * step, so no call has to be checked before the last.
 */
#ifndef MULETEER_GATEWAY_QUEUE_DB_H
#define MULETEER_GATEWAY_QUEUE_DB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- everything that touches the disk passes here ------------------------ */

enum queue_op {
	QUEUE_OP_READ,    /* SQLite reads from a file */
	QUEUE_OP_WRITE,   /* ...writes into one */
	QUEUE_OP_SYNC,    /* ...syncs one */
	QUEUE_OP_FSYNC,   /* we sync a body or a payload */
	QUEUE_OP_RENAME,  /* we move it to spool/ */
	QUEUE_OP_DIRSYNC, /* we sync spool/ */
	QUEUE_OP_UNLINK,  /* we remove it */
};

/*
 * Called before each of these, mostly on the writer's thread; tests watch the
 * order with it, hold an operation up, or let it fail by returning an errno.
 */
typedef int queue_hook(void *ctx, enum queue_op op, const char *path);

/* The VFS under the connections of one queue: counts syncs, asks the hook. */
struct queue_shim {
	atomic_ullong syncs;
	queue_hook *hook; /* may be NULL */
	void *hook_ctx;
	void *vfs; /* of queue_vfs.c */
};

/* QUEUE_OK or QUEUE_ENOMEM.  Counter and hook are the caller's to set. */
int queue_shim_register(struct queue_shim *s);
/* No connection may be open.  Harmless when it is not registered. */
void queue_shim_unregister(struct queue_shim *s);

/* 0, or the errno with which the hook wants the operation to fail. */
int queue_shim_ask(struct queue_shim *s, enum queue_op op, const char *path);

/* --- connections --------------------------------------------------------- */

struct queue_db;

/*
 * Open queue.db for the writer and migrate its schema.  An empty database
 * becomes a new queue if may_create.  check: read the whole of it first.  On an error errbuf tells the operator
 * what is wrong and what to do.
 */
int queue_schema_open(const char *path, struct queue_shim *shim,
    bool may_create, bool check, char *errbuf, size_t errcap,
    struct queue_db **ret_db);

/* Open it as it is, without looking at the schema. */
int queue_db_open(const char *path, struct queue_shim *shim, bool read_only,
    struct queue_db **ret_db);

/*
 * Prepare sql[first..n), which lives as long as the connection, under these
 * numbers.  Several files share a connection: queue_link.c begins where the
 * others end.
 */
#define QUEUE_LINK_FIRST 40
#define QUEUE_OPERATE_FIRST 64
#define QUEUE_STMTS_MAX 72
int queue_db_prepare(
    struct queue_db *db, const char *const *sql, size_t first, size_t n);

/* Harmless when *db is NULL. */
void queue_db_close(struct queue_db **db);

/* Statements without parameters and results, for set-up. */
int queue_db_exec(struct queue_db *db, const char *sql);
/* ...and those with one number as result. */
int queue_db_number(struct queue_db *db, const char *sql, int64_t *ret_v);
/* ...and one text, which must be this: else QUEUE_EIO. */
int queue_db_expect(struct queue_db *db, const char *sql, const char *text);

/* What SQLite says about the last error; valid until the next call. */
const char *queue_db_message(struct queue_db *db);

/* --- transactions -------------------------------------------------------- */

int queue_db_begin(struct queue_db *db, bool write);
int queue_db_commit(struct queue_db *db);
/* Also when SQLite has already rolled back by itself. */
int queue_db_rollback(struct queue_db *db);
/* A transaction is open: no error has ended it. */
bool queue_db_in_txn(struct queue_db *db);

/* One transaction inside the group's. */
int queue_db_savepoint(struct queue_db *db);
int queue_db_release(struct queue_db *db);
int queue_db_rollback_to(struct queue_db *db);

/* Rows that the last statement inserted, changed or deleted. */
int64_t queue_db_changes(struct queue_db *db);

/* Commits that wrote something. */
uint64_t queue_db_commits(struct queue_db *db);

/* Pages in the write-ahead log after the last commit. */
int queue_db_wal_pages(struct queue_db *db);
int queue_db_checkpoint(struct queue_db *db);

/* --- statements ---------------------------------------------------------- */

struct queue_stmt {
	struct queue_db *db;
	void *s;
	int n; /* parameters bound */
	int rc;
};

/* Statement number which, ready to be bound. */
struct queue_stmt queue_stmt(struct queue_db *db, size_t which);

/* Bind the next parameter.  Text and blobs must stay until queue_stmt_end(). */
void queue_put_int(struct queue_stmt *s, int64_t v);
void queue_put_text(struct queue_stmt *s, const char *v);
void queue_put_blob(struct queue_stmt *s, const void *v, size_t len);

/* 1: a row; 0: no more; negative: an error.  Without a row it has ended. */
int queue_stmt_step(struct queue_stmt *s);

/* All of a statement without result; QUEUE_OK or an error. */
int queue_stmt_run(struct queue_stmt *s);

/* Done with a statement before its last row. */
void queue_stmt_end(struct queue_stmt *s);

/* The columns of the row; text and blobs until the next step or end. */
int64_t queue_col_int(struct queue_stmt *s, int i);
const char *queue_col_text(struct queue_stmt *s, int i);
const void *queue_col_blob(struct queue_stmt *s, int i, size_t *ret_len);

#endif

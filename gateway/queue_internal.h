/*
 * What the files of the queue share.  Private to queue*.c and their tests.
 *
 *	queue.c         open, close, submit, statistics; the loop's side
 *	queue_txn.c     transactions being built: steps in an arena
 *	queue_ask.c     questions being asked, answers being delivered
 *	queue_thread.c  the two threads and what passes between them
 *	queue_commit.c  group commit
 *	queue_write.c   what each step does to the tables (writer)
 *	queue_read.c    what each question reads from them (reader)
 *	queue_operate.c what an operator does to them (writer)
 *	queue_clock.c   what becomes of them when the clock jumps
 *	queue_link.c    both, for what links find again after a restart
 *	queue_lease.c   who works on what, in memory
 *	queue_spool.c   files: spool/, tmp/, lock
 *	queue_recover.c what start-up does with what it finds
 *	queue_schema.c  the tables; queue_db.c, queue_vfs.c: SQLite
 *
 * A job is what travels: a transaction goes loop -> writer -> loop, a question
 * loop -> reader -> loop.  It belongs to the thread in whose list it is, so
 * that only the lists need the lock.
 */
#ifndef MULETEER_GATEWAY_QUEUE_INTERNAL_H
#define MULETEER_GATEWAY_QUEUE_INTERNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "gateway/queue.h"
#include "gateway/queue_db.h"

/* One commit takes at most this much, so that nobody waits long for it. */
#define QUEUE_GROUP_MAX 500
#define QUEUE_GROUP_BYTES (16 * 1024 * 1024)

/* Rows that one pass of queue_due() or queue_prune() changes. */
#define QUEUE_BATCH 1000

/* A larger payload is a file, as a larger body is. */
#define QUEUE_BLOB_MAX (128 * 1024)

/* Quarantine: octets kept of each entry, and entries; the oldest goes. */
#define QUEUE_QUARANTINE_BYTES (1024 * 1024)
#define QUEUE_QUARANTINE_MAX 256

/* Pages in the log after which the writer moves them into the database. */
#define QUEUE_CHECKPOINT_PAGES 1000

/* An Ack may leave so long after the end of EMCON; then it is not owed. */
#define QUEUE_OWED_S 3600

/* --- memory that goes as a whole (queue_txn.c) --------------------------- */

struct queue_arena {
	struct queue_block *head;
	size_t used, cap;
};

/* NULL when out of memory.  Blocks never move. */
void *queue_arena_get(struct queue_arena *a, size_t len);
char *queue_arena_text(struct queue_arena *a, const char *text);
/*
 * Room for one more element in an array of n: the array itself, or a copy
 * twice as large.
 */
void *queue_arena_grow(
    struct queue_arena *a, void *array, size_t n, size_t size);
void queue_arena_release(struct queue_arena *a);

/* --- jobs ---------------------------------------------------------------- */

struct queue_job {
	TAILQ_ENTRY(queue_job) next;
	int rc;
	/* On the loop thread, as the last thing: call back and free. */
	void (*deliver)(struct queue_job *j);
};
TAILQ_HEAD(queue_jobs, queue_job);

/* --- transactions -------------------------------------------------------- */

enum queue_step_kind {
	QUEUE_STEP_ADD,
	QUEUE_STEP_TOMBSTONE,
	QUEUE_STEP_FINISH,
	QUEUE_STEP_DEFER,
	QUEUE_STEP_WARNED,
	QUEUE_STEP_TRANSMIT,
	QUEUE_STEP_END, /* acknowledged or given up: the same rows go */
	QUEUE_STEP_QUARANTINE,
	QUEUE_STEP_DUE,
	QUEUE_STEP_PRUNE,
	QUEUE_STEP_EMCON,
	QUEUE_STEP_ROUNDS,
	QUEUE_STEP_PARTIAL,
	QUEUE_STEP_PARTIAL_END,
	QUEUE_STEP_OPERATE,
};

/* Arguments of the smaller steps share fields; queue_txn.c says which. */
struct queue_step {
	TAILQ_ENTRY(queue_step) next;
	enum queue_step_kind kind;
	uint64_t id;           /* recipient or transmission */
	uint32_t source, msid; /* source also: the node that ended */
	int64_t at;            /* expires_at, next_at, now_s */
	const char *link, *text;
	struct queue_message message;
	struct body *body;
	struct queue_transmission transmission;
	union {
		struct queue_tombstone tombstone;
		struct queue_emcon emcon;
		struct queue_partial partial;
		struct queue_operation operation;
		struct {
			uint32_t all, emcon;
		} rounds;
	} of;
	uint8_t *data; /* payload (malloc'd); quarantined octets or records of
			* a partial message (arena) */
	size_t data_len, size; /* size also: the limit of partial messages */
	bool placed;           /* its file is in spool/ */
};
TAILQ_HEAD(queue_steps, queue_step);

/* A file of spool/: messages by number, transmissions with a 't' before it. */
struct queue_name {
	char s[24];
};

struct queue_doomed {
	LIST_ENTRY(queue_doomed) next;
	struct queue_name name;
};
LIST_HEAD(queue_doomed_list, queue_doomed);

/* What a transaction changed in the numbers of queue_stats(). */
struct queue_delta {
	int64_t messages, recipients, transmissions, quarantined;
};

struct queue_txn {
	struct queue_job job; /* first: a transaction is a job */
	struct queue_arena arena;
	struct queue_steps steps;
	size_t bytes; /* of bodies and payloads, for QUEUE_GROUP_BYTES */
	bool broken;  /* a step ran out of memory */
	bool transmits;
	bool operates; /* not while a question is handing out messages */
	queue_done_cb *done;
	void *ctx;
	struct queue_result result;
	uint32_t *seqs;
	struct queue_job *then; /* a question to pass on once committed */
	/* While it is executed. */
	struct queue_delta delta;
	struct queue_doomed_list gone; /* files to remove once committed */
	bool again;                    /* a batch was full: there is more */
};

struct queue_step *queue_txn_step(
    struct queue_txn *t, enum queue_step_kind kind);
/* Lets go of bodies and payloads: they may have files to remove. */
void queue_txn_drop_data(struct queue_txn *t);
void queue_txn_deliver(struct queue_job *j);

/* --- questions ----------------------------------------------------------- */

struct queue_ask {
	struct queue_job job; /* first: a question is a job */
	struct queue_arena arena;
	/* On the reader's thread, inside a read transaction. */
	int (*answer)(struct queue *q, struct queue_ask *a);
	struct queue *q;
	/* The question. */
	const char *text; /* hop or link */
	uint64_t id, id2;
	uint32_t node;
	int64_t now_s;
	size_t limit;
	int64_t urgency; /* READY: the greatest that is wanted */
	uint64_t *skip;
	size_t nskip;
	/* The answer. */
	struct queue_message *messages;
	void *rows; /* of the type that the question is about */
	size_t n;
	bool more;
	int64_t next_at;
	struct queue_transmission *transmission;
	uint8_t *data; /* malloc'd */
	size_t data_len;
	int fd;
	union {
		queue_ready_cb *ready;
		queue_due_cb *due;
		queue_body_cb *body;
		queue_transmission_cb *transmission;
		queue_tombstones_cb *tombstones;
		queue_emcon_cb *emcon;
		queue_partial_cb *partial;
		queue_list_cb *list;
		queue_quarantine_cb *quarantine;
	} cb;
	void *ctx;
};

int queue_answer_ready(struct queue *q, struct queue_ask *a);
int queue_answer_due(struct queue *q, struct queue_ask *a);
int queue_answer_expired(struct queue *q, struct queue_ask *a);
int queue_answer_late(struct queue *q, struct queue_ask *a);
int queue_answer_message(struct queue *q, struct queue_ask *a);
int queue_answer_body(struct queue *q, struct queue_ask *a);
int queue_answer_transmission(struct queue *q, struct queue_ask *a);
int queue_answer_list(struct queue *q, struct queue_ask *a);
int queue_answer_quarantine(struct queue *q, struct queue_ask *a);

int queue_read_prepare(struct queue_db *db);

/* --- leases -------------------------------------------------------------- */

/*
 * A lease is given by the reader and returned by the loop.  Returning only
 * marks it; the reader takes marked ones away before it begins to read.  So a
 * question whose view of the tables is older than the commit that finished a
 * recipient cannot hand that recipient out again.
 */
#define QUEUE_LEASE_BUCKETS 256

struct queue_lease {
	LIST_ENTRY(queue_lease) next;
	uint64_t message;
	bool returned;
	char hop[];
};

struct queue_leases {
	LIST_HEAD(queue_lease_list, queue_lease) buckets[QUEUE_LEASE_BUCKETS];
	size_t returned; /* marked and not yet taken away */
};

/* Given and not returned: somebody works on it. */
bool queue_lease_working(
    const struct queue_leases *l, const char *hop, uint64_t message);
/* All under the queue's lock.  hop NULL: any hop. */
bool queue_lease_held(
    const struct queue_leases *l, const char *hop, uint64_t message);
int queue_lease_give(struct queue_leases *l, const char *hop, uint64_t message);
void queue_lease_return(
    struct queue_leases *l, const char *hop, uint64_t message);
void queue_lease_purge(struct queue_leases *l);
void queue_lease_release(struct queue_leases *l);

/* --- files --------------------------------------------------------------- */

struct queue_spool {
	char *db_path, *tmp;
	int dir, spool, lock; /* file descriptors, -1: not open */
	struct queue_shim *shim;
};

struct queue_name queue_name_message(uint64_t id);
struct queue_name queue_name_transmission(uint64_t id);

/* Make the directories, take the lock. */
int queue_spool_open(
    struct queue_spool *s, const char *state_dir, char *errbuf, size_t errcap);
/* Copes with one that queue_spool_open() left half open. */
void queue_spool_close(struct queue_spool *s);

/* Body or payload safe in spool/ under this name, but for the next sync. */
int queue_spool_place_body(
    struct queue_spool *s, struct queue_name name, struct body *b);
int queue_spool_place_data(struct queue_spool *s, struct queue_name name,
    const void *data, size_t len);
/* The names are safe, too: once for all that were placed. */
int queue_spool_sync(struct queue_spool *s);
/* A file that cannot be removed now is removed at the next start. */
void queue_spool_remove(struct queue_spool *s, struct queue_name name);
/* QUEUE_ENOTFOUND; QUEUE_EIO when it is not size octets long. */
int queue_spool_read(
    struct queue_spool *s, struct queue_name name, uint64_t size, int *ret_fd);

/* --- the queue ----------------------------------------------------------- */

struct queue {
	uv_async_t async;
	void (*closed)(void *ctx);
	void *closed_ctx;
	void (*warn)(void *ctx, const char *text);
	void *warn_ctx;
	struct queue_spool files;
	struct queue_shim shim;
	uint64_t next_id; /* loop */

	uv_mutex_t lock;       /* of what follows, up to the next blank line */
	uv_cond_t writer_wake; /* something in submitted, or closing */
	uv_cond_t reader_wake; /* something in asked, or reader_stop */
	struct queue_jobs submitted, asked, done;
	struct queue_leases leases;
	bool attached; /* async is ready for being sent */
	bool closing, reader_stop, writer_gone;

	/*
	 * Held while messages are handed out, from before the tables are looked
	 * at until the leases are given; and while an operator's transaction
	 * runs, which looks at the leases and changes the tables.
	 */
	uv_mutex_t handing;

	uv_thread_t writer_thread, reader_thread;
	struct queue_db *writer; /* the writer's thread */
	struct queue_db *reader; /* the reader's thread */
	/* The writer's alone. */
	uint64_t next_transmission;
	struct queue_doomed_list doubtful; /* see queue_commit.c */
	bool reopen;            /* the connection failed: take a new one */
	bool checkpoint_failed; /* and was told */

	/* Statistics: any thread. */
	atomic_ullong messages, recipients, transmissions, quarantine;
	atomic_ullong commits, transactions, pending;
};

/* queue_open() with a hook; see queue_db.h. */
int queue_open_hooked(const struct queue_config *cfg, uv_loop_t *loop,
    queue_hook *hook, void *hook_ctx, char *errbuf, size_t errcap,
    struct queue **ret_q);

/* queue_thread.c */
int queue_threads_start(struct queue *q);
/* Wait until the writer, which ends last, has ended. */
void queue_threads_join(struct queue *q);
void queue_to_writer(struct queue *q, struct queue_job *j);
void queue_to_reader(struct queue *q, struct queue_job *j);
void queue_to_loop(struct queue *q, struct queue_jobs *jobs);
void queue_warn(struct queue *q, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* queue_commit.c: commit v[0..n) in one go, if possible; sets job.rc. */
void queue_commit(struct queue *q, struct queue_txn **v, size_t n);
void queue_checkpoint(struct queue *q);

/* queue_write.c: one step of t inside the open transaction. */
int queue_write_prepare(struct queue_db *db);
int queue_write_step(
    struct queue *q, struct queue_txn *t, struct queue_step *st);

/* ...and what queue_operate.c needs of it, with the invariants kept. */
int queue_write_hop(struct queue_db *db, const char *name, int64_t *ret_id);
int queue_write_leave(
    struct queue *q, struct queue_txn *t, uint64_t transmission, uint32_t node);

/*
 * queue_clock.c: in an open transaction, before now_s is compared with any time
 * in the tables; *ret_days becomes how far the clock has jumped, if it has.
 */
int queue_clock_step(struct queue_db *db, int64_t now_s, int64_t *ret_days);
void queue_clock_text(int64_t days, char *buf, size_t cap);
/* ...and when the queue opens. */
int queue_clock_open(struct queue *q, int64_t now_s);

/* queue_operate.c: what an operator does. */
int queue_operate_prepare(struct queue_db *db);
int queue_operate_step(
    struct queue *q, struct queue_txn *t, const struct queue_step *st);

/* queue_link.c: the same for what links find again. */
int queue_link_prepare(struct queue_db *db, bool write);
int queue_link_step(struct queue *q, const struct queue_step *st);
/* *again becomes true when there is more than one batch. */
int queue_link_prune(struct queue *q, int64_t now_s, bool *again);
int queue_answer_tombstones(struct queue *q, struct queue_ask *a);
int queue_answer_emcon(struct queue *q, struct queue_ask *a);
int queue_answer_partial(struct queue *q, struct queue_ask *a);

/* queue_recover.c: before queue.db is opened, and before the threads start. */
int queue_recover_check(
    struct queue *q, bool *ret_may_create, char *errbuf, size_t errcap);
int queue_recover(struct queue *q, char *errbuf, size_t errcap);

#endif

/*
 * The durable queue.
 *
 * Everything the gateway has promised is here and nowhere else: accepted
 * messages with their recipients, P_MUL transmissions with their destinations,
 * tombstones of received P_MUL messages, the quarantine, and the counters from
 * which Message_IDs come.  doc/QUEUE.md is the table of all states.
 *
 * Two threads stand behind this interface: the writer owns the one writing
 * connection and commits in one transaction whatever has piled up (group
 * commit); the reader answers questions.  All functions below are called on
 * the loop thread; none of them waits for a disk except queue_open().  The
 * loop stays alive while a queue is open on it.  Answers come as callbacks on the loop thread, in the order
 * in which the transactions were submitted.  A question asked in or after the
 * callback of a transaction sees what it did.  Only when there is no memory for
 * the question itself is its callback called at once, with QUEUE_ENOMEM.
 *
 * A change is a struct queue_txn: build it, submit it, and act on the world
 * only in its callback.  A transaction is all or nothing, also when it was
 * committed together with others.
 *
 * No name of SQLite, and no assumption that the queue is on this host, leaks
 * through here.
 */
#ifndef MULETEER_GATEWAY_QUEUE_H
#define MULETEER_GATEWAY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/body.h"

enum queue_err {
	QUEUE_OK = 0,
	QUEUE_ENOMEM = -1201,
	QUEUE_EFULL = -1202,     /* no space; 452 to whoever asked */
	QUEUE_EIO = -1203,       /* the disk failed; 451 */
	QUEUE_ECORRUPT = -1204,  /* the database is not to be trusted */
	QUEUE_EVERSION = -1205,  /* made by a newer program */
	QUEUE_EEXIST = -1206,    /* tombstone: received before, nothing done */
	QUEUE_ENOTFOUND = -1207, /* what the transaction names is gone */
	QUEUE_ELOCKED = -1208,   /* another muled has it open */
	QUEUE_ESHUTDOWN = -1209, /* the queue is closing */
	QUEUE_EINVAL = -1210,
};

const char *queue_strerror(int err);

struct queue;

struct queue_config {
	/* Holds queue.db, spool/, tmp/; made if missing, its parent is not. */
	const char *state_dir;
	int64_t now_s; /* wall time at start, seconds since 1970 */
	/*
	 * One line about something that an operator should know and that is
	 * nobody's answer: a body that is missing, a log that grows.  On the
	 * loop thread, in queue_open() and later; NULL: not told.
	 */
	void (*warn)(void *ctx, const char *text);
	void *warn_ctx;
};

/*
 * Open or create the queue, bring the schema up to date, remove the orphans a
 * crash left (files without row, tmp/), start the threads.  On an error
 * nothing runs, and errbuf holds one line that says what was wrong and what
 * to do.  loop must outlive the queue.
 */
int queue_open(const struct queue_config *cfg, uv_loop_t *loop, char *errbuf,
    size_t errcap, struct queue **ret_q);

/*
 * Commit what was submitted, run the callbacks, stop the threads, close; calls
 * closed(ctx) on the loop thread as the very last thing.  *q is NULL at once.
 */
void queue_close(struct queue **q, void (*closed)(void *ctx), void *ctx);

/* The directory for body_new(). */
const char *queue_tmp_dir(const struct queue *q);

/*
 * A number for a message about to be added: unique for ever once committed.
 * It is the id in every log line and in our Received field.
 */
uint64_t queue_new_id(struct queue *q);

/* --- what is stored ----------------------------------------------------- */

enum queue_origin {
	QUEUE_FROM_SMTP,
	QUEUE_FROM_MULE,
	QUEUE_FROM_SELF, /* a delivery status notification of our own */
};

/*
 * A next hop is named by a string that is its key:
 *	"smtp:HOST:PORT", "mx:DOMAIN", "mule:LINK"
 * For a mule hop each recipient also names the node.
 */
struct queue_rcpt {
	uint64_t id;      /* filled in by the queue when read */
	const char *line; /* "<path>[ SP params]", as in RCPT TO: and in MULE */
	const char *hop;
	uint32_t node;     /* mule: Destination_ID; else 0 */
	uint32_t attempts; /* so far */
	int64_t next_at;   /* wall s; not before; 0: now */
};

struct queue_message {
	uint64_t id;
	enum queue_origin origin;
	const char
	    *from_link; /* QUEUE_FROM_MULE: the link it came by, else "" */
	const char *from_line; /* "<path>[ SP params]" */
	int priority;          /* MT-PRIORITY, -9..9 */
	int64_t accepted_at;   /* wall s */
	int64_t expires_at;    /* wall s: give up */
	int64_t deliver_by;    /* wall s; 0: no BY */
	char by_mode;          /* 'R', 'N'; 0: no BY */
	bool by_trace;
	int64_t warn_at; /* wall s: tell the sender of the delay; 0: never, or
			  * he has been told */
	uint64_t size;   /* octets of content, our Received included; when
			* added, what the body has */
	const struct queue_rcpt *rcpts;
	size_t nrcpts;
};

/* --- transactions ------------------------------------------------------- */

struct queue_txn;
struct queue_operated;

/* What a committed transaction handed out. */
struct queue_result {
	const struct queue_operated *operated; /* queue_txn_operate() */
	uint64_t transmission; /* queue_txn_transmit(): its id */
	uint32_t msid;         /* ...and its Message_ID */
	const uint32_t *seqs;  /* ...and a Message_Sequence_Number for each
				* destination, in the order given */
};

/* rc is QUEUE_OK or why nothing of the transaction was done. */
typedef void queue_done_cb(void *ctx, int rc, const struct queue_result *res);

/* NULL when out of memory. */
struct queue_txn *queue_txn_new(void);
/* For a transaction that is not submitted after all; bodies go with it. */
void queue_txn_free(struct queue_txn **t);

/*
 * The steps.  Each copies its arguments (bodies and payloads are taken over:
 * *body becomes NULL).  QUEUE_ENOMEM makes the transaction unusable; it can
 * only be freed.
 */

/* Add a message with all its recipients. */
int queue_txn_add(
    struct queue_txn *t, const struct queue_message *m, struct body **body);

/* A transport address of the P_MUL engine, as it is. */
#define QUEUE_ADDRESS_LEN 20

/*
 * Remember that (source, msid) came in over link, until expires_at.  If that
 * is already known, the whole transaction is not done: QUEUE_EEXIST.  What was
 * kept of it while it was incomplete goes.
 */
struct queue_tombstone {
	uint32_t source, msid;
	uint8_t priority; /* the P_MUL octet */
	int64_t expires_at, committed_at;
	uint8_t address[QUEUE_ADDRESS_LEN]; /* where its Ack goes */
	bool owed; /* when read: it was committed in EMCON, and its Ack has
		    * perhaps not left */
};

int queue_txn_tombstone(
    struct queue_txn *t, const char *link, const struct queue_tombstone *x);

/*
 * EMCON of this node on link (node 0), or of another node there, from now on;
 * since is now.  Stays until it is set again, also for a link that is not
 * configured any more.
 */
struct queue_emcon {
	uint32_t node;
	bool on;
	bool set; /* by an operator, or ended by the node's own Ack: it beats
		   * the configuration; else only noted, so that it is known
		   * which Acks are owed */
	int64_t since; /* when read: when it was last turned on or off */
};

int queue_txn_emcon(
    struct queue_txn *t, const char *link, const struct queue_emcon *e);

/*
 * How often the transmission msid was sent so far.  No error if it has ended
 * meanwhile.
 */
int queue_txn_rounds(struct queue_txn *t, const char *link, uint32_t msid,
    uint32_t rounds, uint32_t emcon_rounds);

/*
 * More records of a message that is coming in over link, as the P_MUL engine
 * made them.  When all partial messages of the link would take more than limit
 * octets, these are passed over: no error.
 */
struct queue_partial {
	uint64_t id; /* when read */
	uint32_t source, msid;
	uint8_t priority;
	uint32_t seq, total;
	int64_t expires_at; /* its Expiry_Time */
	int64_t keep_until; /* not needed after that: allows for the clocks */
	uint8_t address[QUEUE_ADDRESS_LEN];
	const uint8_t *records;
	size_t len;
};

int queue_txn_partial(struct queue_txn *t, const char *link,
    const struct queue_partial *p, size_t limit);

/* It was lost: nothing of it is needed.  No error if nothing was kept. */
int queue_txn_partial_end(
    struct queue_txn *t, const char *link, uint32_t source, uint32_t msid);

/*
 * The recipient has come to its end; the message goes with the last one.  If
 * it was in a transmission and the last for its node, that destination goes,
 * too, as if it had acknowledged; the same in queue_txn_defer().
 */
int queue_txn_finish(struct queue_txn *t, uint64_t rcpt);

/* Try the recipient again at next_at (0: at once); attempts grows by one. */
int queue_txn_defer(
    struct queue_txn *t, uint64_t rcpt, int64_t next_at, const char *status);

/* The sender has been told of the delay: warn_at becomes 0. */
int queue_txn_warned(struct queue_txn *t, uint64_t message);

/*
 * One P_MUL transmission of the recipients rcpts[0..nrcpts) of message, packed
 * in payload (malloc'd, taken over: *payload becomes NULL).  Gives it a
 * Message_ID that this node has never used: max(last + 1, now_s).  The
 * recipients wait for it from then on.  Each is one of message, in no other
 * transmission, and for one of nodes; each node has one.  One in a transaction.
 */
struct queue_transmission {
	uint64_t id; /* when read */
	uint64_t message;
	const char *link;
	uint32_t group;   /* multicast group, IPv4 host order; 0: dynamic */
	uint32_t msid;    /* when read */
	uint8_t priority; /* the P_MUL octet */
	int64_t expires_at;
	const uint32_t *nodes; /* Destination_IDs (when read: not yet acked) */
	const uint32_t *seqs;  /* when read */
	size_t nnodes;
	const uint64_t *rcpts;
	size_t nrcpts;
	uint32_t rounds, emcon_rounds; /* when read: queue_txn_rounds() */
};

int queue_txn_transmit(struct queue_txn *t, const struct queue_transmission *x,
    int64_t now_s, uint8_t **payload, size_t len);

/*
 * The node acknowledged, or did not before the expiry: its recipients of the
 * transmission come to their end, and the transmission goes with its last
 * destination.  (The caller adds the notifications that are due to the same
 * transaction.)
 */
int queue_txn_acked(struct queue_txn *t, uint64_t transmission, uint32_t node);
int queue_txn_gave_up(
    struct queue_txn *t, uint64_t transmission, uint32_t node);

/*
 * Keep octets nobody can decode, and why: at most the first MiB of each, and
 * the newest 256.
 */
int queue_txn_quarantine(struct queue_txn *t, const char *link, uint32_t source,
    uint32_t msid, int64_t now_s, const char *reason, const void *data,
    size_t len);

/* --- what an operator does ----------------------------------------------- */

enum queue_action {
	QUEUE_HOLD,     /* wait until released; lifetimes go on */
	QUEUE_RELEASE,  /* what is held becomes ready */
	QUEUE_DELETE,   /* ends, and nobody is told */
	QUEUE_RETRY,    /* what waits for its next attempt becomes ready */
	QUEUE_REDIRECT, /* another address or another next hop, from the start;
			 * what is held stays held */
	QUEUE_EXPIRE,   /* to the next hop where all mail fails, held or not */
};

/* next_at of a recipient that is held: the end of the year 9999. */
#define QUEUE_HELD_AT INT64_C(253402300799)

/* Recipients that one operation touches at most. */
#define QUEUE_OPERATE_MAX 10000

/* The action, for the recipients that all of the selectors fit. */
struct queue_operation {
	enum queue_action action;
	bool dry_run;          /* say what would be done */
	uint64_t message;      /* 0: any */
	const char *recipient; /* "bob@b.example", case ignored; NULL: any */
	const char *domain;    /* of the recipient; NULL: any */
	const char *hop;       /* NULL: any */
	bool has_priority;
	int priority;
	bool has_before;
	int64_t before; /* accepted then or earlier */
	/* QUEUE_REDIRECT and, of these, QUEUE_EXPIRE: to_hop */
	const char *to_path; /* "<bob@c.example>"; NULL: the address stays */
	const char *to_hop;
	uint32_t to_node;
	const char *to_link; /* not for what came by it; NULL: for all */
};

struct queue_touched {
	uint64_t message, rcpt;
	const char *line; /* as it was */
};

/* A transmission that has lost its last recipient. */
struct queue_unsent {
	const char *link;
	uint32_t msid;
};

struct queue_operated {
	const struct queue_touched *touched; /* in the order of rcpt */
	size_t n;
	const struct queue_unsent *unsent;
	size_t nunsent;
	uint64_t messages; /* that the touched recipients are of */
	uint64_t busy;     /* fit, and are being delivered: not touched */
	uint64_t refused;  /* fit, and cannot be redirected there */
	uint64_t on_air;   /* touched, and were on the air; their node may get
			    * the message all the same */
	bool more;         /* there were more than QUEUE_OPERATE_MAX */
};

/*
 * Do that to all of them or to none.  What is leased is left alone, so an
 * answer to queue_ready() is never of a recipient that has been taken away.
 * Reads every recipient unless a message or a hop is named; not often done.
 */
int queue_txn_operate(struct queue_txn *t, const struct queue_operation *o);

/*
 * Hand the transaction to the writer, which owns it from here on, also when
 * done is later called with an error.  done may be NULL.
 */
void queue_submit(
    struct queue *q, struct queue_txn **t, queue_done_cb *done, void *ctx);

/* --- questions ---------------------------------------------------------- */

/*
 * The most urgent messages with recipients ready for hop: highest MT-PRIORITY
 * first, then oldest; at most limit, and none that is leased.  Each is leased
 * to the caller until queue_unlease().  m and what it points to is valid
 * during the callback; m[i].rcpts are the ready recipients for this hop only.
 * more: there were more than limit.
 */
typedef void queue_ready_cb(
    void *ctx, int rc, const struct queue_message *m, size_t n, bool more);
void queue_ready(struct queue *q, const char *hop, size_t limit,
    queue_ready_cb *cb, void *ctx);
/* The same of messages with at least that MT-PRIORITY. */
void queue_ready_urgent(struct queue *q, const char *hop, int priority,
    size_t limit, queue_ready_cb *cb, void *ctx);
void queue_unlease(struct queue *q, const char *hop, uint64_t message);

/*
 * Make due what waited until now_s.  The callback gets the names of the hops
 * that have ready recipients (all of them, also those ready before), and the
 * next wall time at which something becomes due (0: nothing waits).
 */
typedef void queue_due_cb(
    void *ctx, int rc, const char *const *hops, size_t n, int64_t next_at);
void queue_due(struct queue *q, int64_t now_s, queue_due_cb *cb, void *ctx);

/*
 * At most limit messages past expires_at with all recipients that are not in a
 * transmission; they stay until the caller finishes them.  Leases nothing, and
 * passes over what is leased for any hop: that is being delivered just now.
 */
void queue_expired(struct queue *q, int64_t now_s, size_t limit,
    queue_ready_cb *cb, void *ctx);

/*
 * At most limit messages whose warn_at has come, with all their recipients;
 * they stay until queue_txn_warned().  Leases nothing.
 */
void queue_late(struct queue *q, int64_t now_s, size_t limit,
    queue_ready_cb *cb, void *ctx);

/*
 * One message by id, with all its recipients, or with those of one
 * transmission and node (transmission != 0): what a notification needs.
 * QUEUE_ENOTFOUND.  Leases nothing.
 */
void queue_message(struct queue *q, uint64_t message, uint64_t transmission,
    uint32_t node, queue_ready_cb *cb, void *ctx);

/*
 * The content of a message.  Small: data, for the time of the callback.  Large:
 * data is NULL and fd an open file of len octets, which the caller owns.
 * QUEUE_ENOTFOUND: the message is gone; QUEUE_EIO: its content is, or cannot be
 * read.
 */
typedef void queue_body_cb(
    void *ctx, int rc, const void *data, size_t len, int fd);
void queue_body(
    struct queue *q, uint64_t message, queue_body_cb *cb, void *ctx);

/*
 * Transmissions of link with destinations that have not acknowledged, most
 * urgent first, not in any of the ids skip[0..nskip): one at most, with its
 * payload (malloc'd, the caller's).  x NULL: there is none.  When the payload
 * cannot be read, rc says so, and x which transmission to pass over next time;
 * x->rcpts is not told.
 */
typedef void queue_transmission_cb(void *ctx, int rc,
    const struct queue_transmission *x, uint8_t *payload, size_t len);
void queue_next_transmission(struct queue *q, const char *link,
    const uint64_t *skip, size_t nskip, queue_transmission_cb *cb, void *ctx);

/*
 * At start-up: the tombstones of link that are not past now_s, newest last, at
 * most limit (the newest ones).
 */
typedef void queue_tombstones_cb(
    void *ctx, int rc, const struct queue_tombstone *t, size_t n);
void queue_tombstones(struct queue *q, const char *link, int64_t now_s,
    size_t limit, queue_tombstones_cb *cb, void *ctx);

/* What was set of EMCON on link: this node first, then by number. */
typedef void queue_emcon_cb(
    void *ctx, int rc, const struct queue_emcon *e, size_t n);
void queue_emcon(
    struct queue *q, const char *link, queue_emcon_cb *cb, void *ctx);

/*
 * The next incomplete message of link that is not past now_s, by p->id > after,
 * with all its records.  p NULL: there is none.  When its records cannot be
 * read, rc says so, and p which one to pass over.
 */
typedef void queue_partial_cb(void *ctx, int rc, const struct queue_partial *p);
void queue_next_partial(struct queue *q, const char *link, int64_t now_s,
    uint64_t after, queue_partial_cb *cb, void *ctx);

/*
 * For the operator: a page of the queue, in order of id, from id > after.  A
 * page ends between messages, so it may be longer than limit by what its last
 * message has.
 */
struct queue_row {
	uint64_t message;
	enum queue_origin origin;
	const char *from_line, *rcpt_line, *hop;
	const char *state;  /* "ready", "waiting", "held", "sent" */
	const char *status; /* the last thing that went wrong, or "" */
	uint32_t node, attempts;
	int priority;
	int64_t accepted_at, next_at, expires_at;
	uint64_t size;
};
typedef void queue_list_cb(
    void *ctx, int rc, const struct queue_row *rows, size_t n, bool more);
void queue_list(struct queue *q, uint64_t after, size_t limit,
    queue_list_cb *cb, void *ctx);

struct queue_quarantined {
	uint64_t id;
	const char *link, *reason;
	uint32_t source, msid;
	int64_t at;
	uint64_t size;
};
typedef void queue_quarantine_cb(void *ctx, int rc,
    const struct queue_quarantined *rows, size_t n, bool more);
void queue_quarantine_list(struct queue *q, uint64_t after, size_t limit,
    queue_quarantine_cb *cb, void *ctx);

/* Cheap numbers, kept in memory: exact at any time. */
struct queue_stats {
	uint64_t messages, recipients, transmissions, quarantined;
	uint64_t commits, transactions; /* since start */
	uint64_t syncs;                 /* fsync and the like, since start */
	uint64_t pending;               /* submitted, not yet committed */
};
void queue_stats(const struct queue *q, struct queue_stats *ret_s);

/* Drop tombstones and partial messages past now_s; called now and then. */
void queue_prune(struct queue *q, int64_t now_s);

#endif

/*
 * What each question reads from the tables.
 *
 * Runs on the reader's thread inside a read transaction, so that several
 * statements see one state.  Every scan follows an index and stops at its
 * limit: the time a question takes does not grow with the queue.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/queue_internal.h"

enum sql {
	HOP_FIND,
	HOPS_READY,
	NEXT_DUE,
	READY_NEXT,
	RCPTS_READY,
	RCPTS_OPEN,
	RCPTS_ALL,
	RCPTS_NODE,
	EXPIRED_NEXT,
	LATE_NEXT,
	MESSAGE,
	BODY,
	BODY_DATA,
	TRANSMISSIONS,
	DESTINATIONS,
	PAYLOAD_DATA,
	LIST,
	QUARANTINE,
};

/* QUEUE_HELD_AT, for SQL. */
#define HELD_AT "253402300799"

#define RCPT_COLUMNS "r.id, r.line, r.node, r.attempts, r.next_at, h.name"

static const char *const sql[] = {
	[HOP_FIND] = "SELECT id FROM hop WHERE name = ?1",
	[HOPS_READY] = "SELECT name FROM hop WHERE EXISTS ("
		       " SELECT 1 FROM recipient INDEXED BY recipient_hop"
		       " WHERE hop_id = hop.id AND state = 'ready')",
	[NEXT_DUE] = "SELECT min(next_at) FROM recipient"
		     " INDEXED BY recipient_waiting WHERE state = 'waiting'"
		     " AND next_at < " HELD_AT,
	/* One message at a time: the next one is found by its place. */
	[READY_NEXT] =
	    "SELECT urgency, message_id FROM recipient INDEXED BY recipient_hop"
	    " WHERE hop_id = ?1 AND state = 'ready'"
	    " AND (urgency, message_id) > (?2, ?3)"
	    " ORDER BY urgency, message_id LIMIT 1",
	[RCPTS_READY] =
	    "SELECT " RCPT_COLUMNS " FROM recipient AS r"
	    " INDEXED BY recipient_hop JOIN hop AS h ON h.id = r.hop_id"
	    " WHERE r.message_id = ?1 AND r.hop_id = ?2 AND r.urgency = ?3"
	    " AND r.state = 'ready' ORDER BY r.id",
	[RCPTS_OPEN] =
	    "SELECT " RCPT_COLUMNS " FROM recipient AS r"
	    " INDEXED BY recipient_message JOIN hop AS h ON h.id = r.hop_id"
	    " WHERE r.message_id = ?1 AND r.state <> 'sent' ORDER BY r.id",
	[RCPTS_ALL] =
	    "SELECT " RCPT_COLUMNS " FROM recipient AS r"
	    " INDEXED BY recipient_message JOIN hop AS h ON h.id = r.hop_id"
	    " WHERE r.message_id = ?1 ORDER BY r.id",
	[RCPTS_NODE] = "SELECT " RCPT_COLUMNS " FROM recipient AS r"
		       " INDEXED BY recipient_transmission"
		       " JOIN hop AS h ON h.id = r.hop_id"
		       " WHERE r.message_id = ?1 AND r.transmission_id = ?2"
		       " AND r.node = ?3 ORDER BY r.id",
	[EXPIRED_NEXT] =
	    "SELECT expires_at, id FROM message INDEXED BY message_expiry"
	    " WHERE expires_at <= ?1 AND (expires_at, id) > (?2, ?3) AND "
	    "EXISTS ("
	    "  SELECT 1 FROM recipient INDEXED BY recipient_message"
	    "  WHERE message_id = message.id AND state <> 'sent')"
	    " ORDER BY expires_at, id LIMIT 1",
	[LATE_NEXT] =
	    "SELECT warn_at, id FROM message INDEXED BY message_warn"
	    " WHERE warn_at > 0 AND warn_at <= ?1"
	    " AND (warn_at, id) > (?2, ?3) ORDER BY warn_at, id LIMIT 1",
	[MESSAGE] =
	    "SELECT origin, from_link, from_line, priority, accepted_at,"
	    " expires_at, deliver_by, by_mode, by_trace, size, warn_at"
	    " FROM message WHERE id = ?1",
	[BODY] = "SELECT size, in_file FROM message WHERE id = ?1",
	[BODY_DATA] = "SELECT data FROM body WHERE message_id = ?1",
	[TRANSMISSIONS] =
	    "SELECT id, message_id, grp, msid, priority, expires_at, size,"
	    " in_file, rounds, emcon_rounds FROM transmission INDEXED BY "
	    "transmission_link"
	    " WHERE link = ?1 ORDER BY priority, id",
	[DESTINATIONS] = "SELECT node, seq FROM destination"
			 " WHERE transmission_id = ?1 ORDER BY node",
	[PAYLOAD_DATA] = "SELECT data FROM payload WHERE transmission_id = ?1",
	[LIST] =
	    "SELECT m.id, m.origin, m.from_line, r.line, h.name,"
	    " CASE r.next_at WHEN " HELD_AT " THEN 'held' ELSE r.state END,"
	    " r.status, r.node, r.attempts, m.priority, m.accepted_at,"
	    " r.next_at, m.expires_at, m.size"
	    " FROM message AS m CROSS JOIN recipient AS r"
	    " INDEXED BY recipient_message ON r.message_id = m.id"
	    " CROSS JOIN hop AS h ON h.id = r.hop_id"
	    " WHERE m.id > ?1 ORDER BY m.id, r.id",
	[QUARANTINE] = "SELECT id, link, reason, source, msid, at, size"
		       " FROM quarantine WHERE id > ?1 ORDER BY id LIMIT ?2",
};

int
queue_read_prepare(struct queue_db *db)
{
	int rc = queue_db_prepare(db, sql, 0, sizeof(sql) / sizeof(sql[0]));

	return rc == QUEUE_OK ? queue_link_prepare(db, false) : rc;
}

/* Room for element number a->n of an array in the answer. */
static void *
grow(struct queue_ask *a, void *array, size_t size)
{
	return queue_arena_grow(&a->arena, array, a->n, size);
}

/* A column's text, kept for the answer; NULL when out of memory. */
static const char *
keep(struct queue_ask *a, struct queue_stmt *s, int column)
{
	return queue_arena_text(&a->arena, queue_col_text(s, column));
}

/* One row is enough: its first number.  QUEUE_ENOTFOUND without a row. */
static int
only_number(struct queue_stmt *s, int64_t *ret_v)
{
	int rc = queue_stmt_step(s);

	if (rc <= 0)
		return rc == 0 ? QUEUE_ENOTFOUND : rc;
	*ret_v = queue_col_int(s, 0);
	queue_stmt_end(s);
	return QUEUE_OK;
}

static int64_t
sql_limit(size_t limit)
{
	return limit < INT64_MAX ? (int64_t)limit : INT64_MAX;
}

/* --- messages ------------------------------------------------------------ */

/* Another element of the n in *r. */
static int
load_rcpt(
    struct queue_ask *a, struct queue_stmt *s, struct queue_rcpt **r, size_t n)
{
	struct queue_rcpt *p = queue_arena_grow(&a->arena, *r, n, sizeof(*p));

	if (p == NULL)
		return QUEUE_ENOMEM;
	*r = p;
	p[n] = (struct queue_rcpt){
		.id = (uint64_t)queue_col_int(s, 0),
		.line = keep(a, s, 1),
		.node = (uint32_t)queue_col_int(s, 2),
		.attempts = (uint32_t)queue_col_int(s, 3),
		.next_at = queue_col_int(s, 4),
		.hop = keep(a, s, 5),
	};
	if (p[n].line == NULL || p[n].hop == NULL)
		return QUEUE_ENOMEM;
	return QUEUE_OK;
}

/* All rows of a bound RCPTS_ statement. */
static int
load_rcpts(struct queue_ask *a, struct queue_stmt *s, struct queue_message *m)
{
	struct queue_rcpt *r = NULL;
	int rc;

	while ((rc = queue_stmt_step(s)) == 1) {
		rc = load_rcpt(a, s, &r, m->nrcpts);
		if (rc != QUEUE_OK) {
			queue_stmt_end(s);
			return rc;
		}
		m->nrcpts++;
	}
	m->rcpts = r;
	return rc;
}

static int
load_message(
    struct queue *q, struct queue_ask *a, uint64_t id, struct queue_message *m)
{
	struct queue_stmt s = queue_stmt(q->reader, MESSAGE);
	int rc;

	queue_put_int(&s, (int64_t)id);
	rc = queue_stmt_step(&s);
	if (rc <= 0)
		return rc == 0 ? QUEUE_ENOTFOUND : rc;
	*m = (struct queue_message){
		.id = id,
		.origin = (enum queue_origin)queue_col_int(&s, 0),
		.from_link = keep(a, &s, 1),
		.from_line = keep(a, &s, 2),
		.priority = (int)queue_col_int(&s, 3),
		.accepted_at = queue_col_int(&s, 4),
		.expires_at = queue_col_int(&s, 5),
		.deliver_by = queue_col_int(&s, 6),
		.by_mode = (char)queue_col_int(&s, 7),
		.by_trace = queue_col_int(&s, 8) != 0,
		.size = (uint64_t)queue_col_int(&s, 9),
		.warn_at = queue_col_int(&s, 10),
	};
	rc = s.rc;
	queue_stmt_end(&s);
	if (rc == QUEUE_OK && (m->from_link == NULL || m->from_line == NULL))
		rc = QUEUE_ENOMEM;
	return rc;
}

/* Append the message whose recipients the bound statement s finds. */
static int
append_message(
    struct queue *q, struct queue_ask *a, uint64_t id, struct queue_stmt *s)
{
	struct queue_message *m = grow(a, a->messages, sizeof(*m));
	int rc;

	if (m == NULL) {
		queue_stmt_end(s);
		return QUEUE_ENOMEM;
	}
	a->messages = m;
	m += a->n;
	rc = load_message(q, a, id, m);
	if (rc != QUEUE_OK) {
		queue_stmt_end(s);
		return rc;
	}
	rc = load_rcpts(a, s, m);
	if (rc == QUEUE_OK)
		a->n++;
	return rc;
}

static bool
leased(struct queue *q, const char *hop, uint64_t message)
{
	bool held;

	uv_mutex_lock(&q->lock);
	held = queue_lease_held(&q->leases, hop, message);
	uv_mutex_unlock(&q->lock);
	return held;
}

/* All or none. */
static int
lease_all(struct queue *q, struct queue_ask *a)
{
	size_t n = 0;
	int rc = QUEUE_OK;

	uv_mutex_lock(&q->lock);
	while (rc == QUEUE_OK && n < a->n) {
		rc = queue_lease_give(&q->leases, a->text, a->messages[n].id);
		n += rc == QUEUE_OK;
	}
	for (size_t i = 0; rc != QUEUE_OK && i < n; i++)
		queue_lease_return(&q->leases, a->text, a->messages[i].id);
	uv_mutex_unlock(&q->lock);
	return rc;
}

/*
 * A place in an index whose entries are (key, message): the next entry behind
 * it.  Going from message to message skips a leased one in one step, however
 * many recipients it has.
 */
struct place {
	int64_t key;
	uint64_t message;
};

static int
next_place(struct queue_stmt *s, struct place *p)
{
	int rc;

	queue_put_int(s, p->key);
	queue_put_int(s, (int64_t)p->message);
	rc = queue_stmt_step(s);
	if (rc != 1)
		return rc;
	p->key = queue_col_int(s, 0);
	p->message = (uint64_t)queue_col_int(s, 1);
	queue_stmt_end(s);
	return 1;
}

static int
answer_ready(struct queue *q, struct queue_ask *a)
{
	struct place p = { .key = INT64_MIN };
	struct queue_stmt s = queue_stmt(q->reader, HOP_FIND);
	int64_t hop = 0;
	int rc;

	queue_put_text(&s, a->text);
	rc = only_number(&s, &hop);
	if (rc != QUEUE_OK)
		return rc == QUEUE_ENOTFOUND ? QUEUE_OK : rc;
	for (;;) {
		s = queue_stmt(q->reader, READY_NEXT);
		queue_put_int(&s, hop);
		rc = next_place(&s, &p);
		if (rc != 1 || p.key > a->urgency)
			break;
		if (leased(q, a->text, p.message))
			continue;
		a->more = a->n == a->limit;
		if (a->more)
			break;
		s = queue_stmt(q->reader, RCPTS_READY);
		queue_put_int(&s, (int64_t)p.message);
		queue_put_int(&s, hop);
		queue_put_int(&s, p.key);
		rc = append_message(q, a, p.message, &s);
		if (rc != QUEUE_OK)
			break;
	}
	return rc < 0 ? rc : lease_all(q, a);
}

int
queue_answer_ready(struct queue *q, struct queue_ask *a)
{
	int rc;

	uv_mutex_lock(&q->handing);
	rc = answer_ready(q, a);
	uv_mutex_unlock(&q->handing);
	return rc;
}

/* Messages whose time has come, by next_sql, with what rcpts_sql finds. */
static int
answer_by_time(struct queue *q, struct queue_ask *a, enum sql next_sql,
    enum sql rcpts_sql, bool pass_over_leased)
{
	struct place p = { .key = INT64_MIN };
	struct queue_stmt s;
	int rc;

	for (;;) {
		s = queue_stmt(q->reader, next_sql);
		queue_put_int(&s, a->now_s);
		rc = next_place(&s, &p);
		if (rc != 1)
			break;
		if (pass_over_leased && leased(q, NULL, p.message))
			continue;
		a->more = a->n == a->limit;
		if (a->more)
			break;
		s = queue_stmt(q->reader, rcpts_sql);
		queue_put_int(&s, (int64_t)p.message);
		rc = append_message(q, a, p.message, &s);
		if (rc != QUEUE_OK)
			break;
	}
	return rc < 0 ? rc : QUEUE_OK;
}

int
queue_answer_expired(struct queue *q, struct queue_ask *a)
{
	/* Somebody is delivering what is leased; it comes when he is done. */
	return answer_by_time(q, a, EXPIRED_NEXT, RCPTS_OPEN, true);
}

int
queue_answer_late(struct queue *q, struct queue_ask *a)
{
	return answer_by_time(q, a, LATE_NEXT, RCPTS_ALL, false);
}

int
queue_answer_message(struct queue *q, struct queue_ask *a)
{
	struct queue_stmt s =
	    queue_stmt(q->reader, a->id2 != 0 ? RCPTS_NODE : RCPTS_ALL);
	int rc;

	queue_put_int(&s, (int64_t)a->id);
	if (a->id2 != 0) {
		queue_put_int(&s, (int64_t)a->id2);
		queue_put_int(&s, a->node);
	}
	rc = append_message(q, a, a->id, &s);
	if (rc == QUEUE_OK && a->messages[0].nrcpts == 0)
		rc = QUEUE_ENOTFOUND;
	return rc;
}

int
queue_answer_due(struct queue *q, struct queue_ask *a)
{
	struct queue_stmt s = queue_stmt(q->reader, NEXT_DUE);
	const char **names;
	int rc = only_number(&s, &a->next_at);

	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(q->reader, HOPS_READY);
	while ((rc = queue_stmt_step(&s)) == 1) {
		names = grow(a, a->rows, sizeof(*names));
		a->rows = names;
		if (names != NULL)
			names[a->n] = keep(a, &s, 0);
		if (names == NULL || names[a->n] == NULL) {
			queue_stmt_end(&s);
			return QUEUE_ENOMEM;
		}
		a->n++;
	}
	return rc;
}

/* --- content ------------------------------------------------------------- */

/* The blob of a row, copied. */
static int
load_blob(struct queue *q, struct queue_ask *a, enum sql which, uint64_t id)
{
	struct queue_stmt s = queue_stmt(q->reader, which);
	const void *data;
	size_t len;
	int rc;

	queue_put_int(&s, (int64_t)id);
	rc = queue_stmt_step(&s);
	if (rc <= 0)
		/* There is a message or transmission, so this is damage. */
		return rc == 0 ? QUEUE_EIO : rc;
	data = queue_col_blob(&s, 0, &len);
	a->data = s.rc == QUEUE_OK ? malloc(len != 0 ? len : 1) : NULL;
	if (a->data != NULL && len != 0)
		memcpy(a->data, data, len);
	a->data_len = len;
	queue_stmt_end(&s);
	return a->data != NULL ? QUEUE_OK : QUEUE_ENOMEM;
}

static int
find_body(struct queue *q, uint64_t id, uint64_t *ret_size, bool *ret_in_file)
{
	struct queue_stmt s = queue_stmt(q->reader, BODY);
	int rc;

	queue_put_int(&s, (int64_t)id);
	rc = queue_stmt_step(&s);
	if (rc <= 0)
		return rc == 0 ? QUEUE_ENOTFOUND : rc;
	*ret_size = (uint64_t)queue_col_int(&s, 0);
	*ret_in_file = queue_col_int(&s, 1) != 0;
	queue_stmt_end(&s);
	return QUEUE_OK;
}

/*
 * The file was not there.  Either the message was finished after our view of
 * the tables began, or the file is lost: a new view tells which.
 */
static int
missing_body(struct queue *q, uint64_t id)
{
	uint64_t size;
	bool in_file;
	int rc = queue_db_rollback(q->reader);

	if (rc == QUEUE_OK)
		rc = queue_db_begin(q->reader, false);
	if (rc == QUEUE_OK)
		rc = find_body(q, id, &size, &in_file);
	return rc == QUEUE_OK ? QUEUE_EIO : rc;
}

int
queue_answer_body(struct queue *q, struct queue_ask *a)
{
	uint64_t size = 0;
	bool in_file = false;
	int rc = find_body(q, a->id, &size, &in_file);

	if (rc != QUEUE_OK)
		return rc;
	if (!in_file)
		return load_blob(q, a, BODY_DATA, a->id);
	a->data_len = (size_t)size;
	rc = queue_spool_read(
	    &q->files, queue_name_message(a->id), size, &a->fd);
	return rc == QUEUE_ENOTFOUND ? missing_body(q, a->id) : rc;
}

/* --- transmissions ------------------------------------------------------- */

static int
read_all(int fd, uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = read(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return QUEUE_EIO;
		p += n;
		len -= (size_t)n;
	}
	return QUEUE_OK;
}

static int
load_payload_file(struct queue *q, struct queue_ask *a, uint64_t id)
{
	int fd = -1;
	int rc = queue_spool_read(
	    &q->files, queue_name_transmission(id), a->data_len, &fd);

	if (rc != QUEUE_OK)
		return QUEUE_EIO;
	a->data = malloc(a->data_len);
	rc =
	    a->data != NULL ? read_all(fd, a->data, a->data_len) : QUEUE_ENOMEM;
	/* Only read from. */
	(void)close(fd);
	return rc;
}

static int
load_destinations(
    struct queue *q, struct queue_ask *a, struct queue_transmission *x)
{
	struct queue_stmt s = queue_stmt(q->reader, DESTINATIONS);
	uint32_t *nodes = NULL, *seqs = NULL;
	int rc;

	queue_put_int(&s, (int64_t)x->id);
	while ((rc = queue_stmt_step(&s)) == 1) {
		nodes = grow(a, nodes, sizeof(*nodes));
		seqs = grow(a, seqs, sizeof(*seqs));
		if (nodes == NULL || seqs == NULL) {
			queue_stmt_end(&s);
			return QUEUE_ENOMEM;
		}
		nodes[a->n] = (uint32_t)queue_col_int(&s, 0);
		seqs[a->n++] = (uint32_t)queue_col_int(&s, 1);
	}
	x->nodes = nodes;
	x->seqs = seqs;
	x->nnodes = a->n;
	return rc;
}

static bool
skipped(const struct queue_ask *a, uint64_t id)
{
	for (size_t i = 0; i < a->nskip; i++)
		if (a->skip[i] == id)
			return true;
	return false;
}

/* The first transmission not skipped: 1, 0 when there is none. */
static int
find_transmission(struct queue *q, struct queue_ask *a,
    struct queue_transmission *x, bool *ret_in_file)
{
	struct queue_stmt s = queue_stmt(q->reader, TRANSMISSIONS);
	int rc;

	queue_put_text(&s, a->text);
	do {
		rc = queue_stmt_step(&s);
	} while (rc == 1 && skipped(a, (uint64_t)queue_col_int(&s, 0)));
	if (rc != 1)
		return rc;
	*x = (struct queue_transmission){
		.id = (uint64_t)queue_col_int(&s, 0),
		.message = (uint64_t)queue_col_int(&s, 1),
		.link = a->text,
		.group = (uint32_t)queue_col_int(&s, 2),
		.msid = (uint32_t)queue_col_int(&s, 3),
		.priority = (uint8_t)queue_col_int(&s, 4),
		.expires_at = queue_col_int(&s, 5),
		.rounds = (uint32_t)queue_col_int(&s, 8),
		.emcon_rounds = (uint32_t)queue_col_int(&s, 9),
	};
	a->data_len = (size_t)queue_col_int(&s, 6);
	*ret_in_file = queue_col_int(&s, 7) != 0;
	queue_stmt_end(&s);
	return 1;
}

int
queue_answer_transmission(struct queue *q, struct queue_ask *a)
{
	struct queue_transmission *x = queue_arena_get(&a->arena, sizeof(*x));
	bool in_file = false;
	int rc;

	if (x == NULL)
		return QUEUE_ENOMEM;
	rc = find_transmission(q, a, x, &in_file);
	if (rc != 1)
		return rc;
	rc = load_destinations(q, a, x);
	if (rc != QUEUE_OK)
		return rc;
	a->transmission = x;
	return in_file ? load_payload_file(q, a, x->id)
		       : load_blob(q, a, PAYLOAD_DATA, x->id);
}

/* --- lists --------------------------------------------------------------- */

static int
list_row(struct queue_ask *a, struct queue_stmt *s)
{
	struct queue_row *r = grow(a, a->rows, sizeof(*r));

	if (r == NULL)
		return QUEUE_ENOMEM;
	a->rows = r;
	r += a->n;
	*r = (struct queue_row){
		.message = (uint64_t)queue_col_int(s, 0),
		.origin = (enum queue_origin)queue_col_int(s, 1),
		.from_line = keep(a, s, 2),
		.rcpt_line = keep(a, s, 3),
		.hop = keep(a, s, 4),
		.state = keep(a, s, 5),
		.status = keep(a, s, 6),
		.node = (uint32_t)queue_col_int(s, 7),
		.attempts = (uint32_t)queue_col_int(s, 8),
		.priority = (int)queue_col_int(s, 9),
		.accepted_at = queue_col_int(s, 10),
		.next_at = queue_col_int(s, 11),
		.expires_at = queue_col_int(s, 12),
		.size = (uint64_t)queue_col_int(s, 13),
	};
	if (r->from_line == NULL || r->rcpt_line == NULL || r->hop == NULL ||
	    r->state == NULL || r->status == NULL)
		return QUEUE_ENOMEM;
	a->n++;
	return QUEUE_OK;
}

/* The page is full and the row begins another message. */
static bool
page_full(const struct queue_ask *a, struct queue_stmt *s)
{
	const struct queue_row *rows = a->rows;

	if (a->n < a->limit)
		return false;
	return a->n == 0 ||
	       rows[a->n - 1].message != (uint64_t)queue_col_int(s, 0);
}

int
queue_answer_list(struct queue *q, struct queue_ask *a)
{
	struct queue_stmt s = queue_stmt(q->reader, LIST);
	int rc;

	queue_put_int(&s, (int64_t)a->id);
	while ((rc = queue_stmt_step(&s)) == 1) {
		a->more = page_full(a, &s);
		rc = a->more ? QUEUE_OK : list_row(a, &s);
		if (a->more || rc != QUEUE_OK) {
			queue_stmt_end(&s);
			return rc;
		}
	}
	return rc;
}

static int
quarantine_row(struct queue_ask *a, struct queue_stmt *s)
{
	struct queue_quarantined *r = grow(a, a->rows, sizeof(*r));

	if (r == NULL)
		return QUEUE_ENOMEM;
	a->rows = r;
	r += a->n;
	*r = (struct queue_quarantined){
		.id = (uint64_t)queue_col_int(s, 0),
		.link = keep(a, s, 1),
		.reason = keep(a, s, 2),
		.source = (uint32_t)queue_col_int(s, 3),
		.msid = (uint32_t)queue_col_int(s, 4),
		.at = queue_col_int(s, 5),
		.size = (uint64_t)queue_col_int(s, 6),
	};
	if (r->link == NULL || r->reason == NULL)
		return QUEUE_ENOMEM;
	a->n++;
	return QUEUE_OK;
}

int
queue_answer_quarantine(struct queue *q, struct queue_ask *a)
{
	struct queue_stmt s = queue_stmt(q->reader, QUARANTINE);
	int64_t limit = sql_limit(a->limit);
	int rc;

	queue_put_int(&s, (int64_t)a->id);
	queue_put_int(&s, limit < INT64_MAX ? limit + 1 : limit);
	while ((rc = queue_stmt_step(&s)) == 1) {
		a->more = a->n == a->limit;
		rc = a->more ? QUEUE_OK : quarantine_row(a, &s);
		if (a->more || rc != QUEUE_OK) {
			queue_stmt_end(&s);
			return rc;
		}
	}
	return rc;
}

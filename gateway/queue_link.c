/*
 * What a P_MUL link must find again after a restart: EMCON as it was set, the
 * tombstones with what their Acks need, the rounds of transmissions, and what
 * has come in of messages that are not complete.  Both sides of it: the steps
 * that write it and the questions that read it.
 *
 * Losing any of it costs air time or a question to the operator, but no mail;
 * so a partial message that finds no room is passed over without an error,
 * and the rounds of a transmission that has ended meanwhile, too.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/queue_internal.h"

/* What a partial message takes besides its octets, roughly. */
#define PARTIAL_COST 256

enum write_sql {
	EMCON_PUT = QUEUE_LINK_FIRST,
	TOMBSTONE_ADD,
	ROUNDS_SET,
	PARTIAL_SUM,
	PARTIAL_PUT,
	PARTIAL_GROW,
	PIECE_ADD,
	PARTIAL_DROP,
	PRUNE_TOMBSTONES,
	PRUNE_PARTIALS,
	WRITE_END,
};

static const char *const write_sql[] = {
	/*
	 * An EMCON that begins soon after another one carries on with it: the
	 * Acks of the first may not have left in between.
	 */
	[EMCON_PUT] =
	    "INSERT INTO emcon (link, node, is_on, is_set, since, began_at)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, iif(?3, ?5, 0))"
	    " ON CONFLICT DO UPDATE SET"
	    " began_at = iif(excluded.is_on > is_on AND (began_at = 0 OR"
	    "  excluded.since - since >= ?6), excluded.since, began_at),"
	    " since = iif(excluded.is_on = is_on, since, excluded.since),"
	    " is_on = excluded.is_on, is_set = excluded.is_set",
	[TOMBSTONE_ADD] =
	    "INSERT INTO tombstone (link, source, msid, expires_at, priority,"
	    " committed_at, address) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
	    " ON CONFLICT (link, source, msid) DO NOTHING",
	[ROUNDS_SET] = "UPDATE transmission SET rounds = ?3, emcon_rounds = ?4"
		       " WHERE msid = ?2 AND link = ?1",
	[PARTIAL_SUM] = "SELECT ifnull(sum(size + ?2), 0) FROM partial"
			" INDEXED BY partial_link WHERE link = ?1",
	[PARTIAL_PUT] =
	    "INSERT INTO partial (link, source, msid, priority, seq, total,"
	    " expires_at, keep_until, address, size)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0)"
	    " ON CONFLICT (link, source, msid) DO UPDATE SET"
	    " priority = excluded.priority, seq = excluded.seq,"
	    " total = excluded.total, expires_at = excluded.expires_at,"
	    " keep_until = excluded.keep_until,"
	    " address = excluded.address RETURNING id",
	[PARTIAL_GROW] = "UPDATE partial SET size = size + ?2 WHERE id = ?1",
	[PIECE_ADD] =
	    "INSERT INTO partial_piece (partial_id, data) VALUES (?1, ?2)",
	[PARTIAL_DROP] = "DELETE FROM partial"
			 " WHERE link = ?1 AND source = ?2 AND msid = ?3",
	[PRUNE_TOMBSTONES] =
	    "DELETE FROM tombstone WHERE id IN ("
	    " SELECT id FROM tombstone INDEXED BY tombstone_expiry"
	    " WHERE expires_at <= ?1 LIMIT ?2)",
	[PRUNE_PARTIALS] = "DELETE FROM partial WHERE id IN ("
			   " SELECT id FROM partial INDEXED BY partial_old"
			   " WHERE keep_until <= ?1 LIMIT ?2)",
};

enum read_sql {
	EMCON_ALL = QUEUE_LINK_FIRST,
	TOMBSTONES,
	PARTIAL_NEXT,
	PIECES,
	READ_END,
};

static const char *const read_sql[] = {
	[EMCON_ALL] = "SELECT node, is_on, is_set, since FROM emcon"
		      " WHERE link = ?1 ORDER BY node",
	/*
	 * An Ack is owed when its message came during an EMCON that lasts, or
	 * that ended so short a time ago that the Ack may not have left.
	 */
	[TOMBSTONES] =
	    "SELECT source, msid, expires_at, priority, committed_at, address,"
	    " EXISTS (SELECT 1 FROM emcon AS e WHERE e.link = ?1"
	    "  AND e.node = 0 AND e.began_at > 0"
	    "  AND t.committed_at >= e.began_at"
	    "  AND (e.is_on OR (t.committed_at <= e.since"
	    "   AND e.since > ?2 - ?4)))"
	    " FROM tombstone AS t INDEXED BY tombstone_link"
	    " WHERE link = ?1 AND expires_at > ?2 ORDER BY id DESC LIMIT ?3",
	[PARTIAL_NEXT] =
	    "SELECT id, source, msid, priority, seq, total, expires_at,"
	    " keep_until, address, size FROM partial INDEXED BY partial_link"
	    " WHERE link = ?1 AND id > ?2 AND keep_until > ?3"
	    " ORDER BY id LIMIT 1",
	[PIECES] = "SELECT data FROM partial_piece INDEXED BY piece_partial"
		   " WHERE partial_id = ?1 ORDER BY id",
};

static_assert((int)WRITE_END <= QUEUE_OPERATE_FIRST &&
		  (int)READ_END <= QUEUE_OPERATE_FIRST,
    "room for the statements of this file");

int
queue_link_prepare(struct queue_db *db, bool write)
{
	return write
		   ? queue_db_prepare(
			 db, write_sql, QUEUE_LINK_FIRST, WRITE_END)
		   : queue_db_prepare(db, read_sql, QUEUE_LINK_FIRST, READ_END);
}

/* --- steps --------------------------------------------------------------- */

static int
step_emcon(struct queue_db *db, const struct queue_step *st)
{
	struct queue_stmt s = queue_stmt(db, EMCON_PUT);

	queue_put_text(&s, st->link);
	queue_put_int(&s, st->of.emcon.node);
	queue_put_int(&s, st->of.emcon.on);
	queue_put_int(&s, st->of.emcon.set);
	queue_put_int(&s, st->of.emcon.since);
	queue_put_int(&s, QUEUE_OWED_S);
	return queue_stmt_run(&s);
}

static int
drop_partial(
    struct queue_db *db, const char *link, uint32_t source, uint32_t msid)
{
	struct queue_stmt s = queue_stmt(db, PARTIAL_DROP);

	queue_put_text(&s, link);
	queue_put_int(&s, source);
	queue_put_int(&s, msid);
	return queue_stmt_run(&s);
}

static int
step_tombstone(struct queue_db *db, const struct queue_step *st)
{
	const struct queue_tombstone *x = &st->of.tombstone;
	struct queue_stmt s = queue_stmt(db, TOMBSTONE_ADD);
	int rc;

	queue_put_text(&s, st->link);
	queue_put_int(&s, x->source);
	queue_put_int(&s, x->msid);
	queue_put_int(&s, x->expires_at);
	queue_put_int(&s, x->priority);
	queue_put_int(&s, x->committed_at);
	queue_put_blob(&s, x->address, sizeof(x->address));
	rc = queue_stmt_run(&s);
	if (rc == QUEUE_OK && queue_db_changes(db) == 0)
		rc = QUEUE_EEXIST;
	/* The message is complete: nothing of it is partial any more. */
	return rc == QUEUE_OK ? drop_partial(db, st->link, x->source, x->msid)
			      : rc;
}

static int
step_rounds(struct queue_db *db, const struct queue_step *st)
{
	struct queue_stmt s = queue_stmt(db, ROUNDS_SET);

	queue_put_text(&s, st->link);
	queue_put_int(&s, st->msid);
	queue_put_int(&s, st->of.rounds.all);
	queue_put_int(&s, st->of.rounds.emcon);
	return queue_stmt_run(&s);
}

/* The one row of s: its number. */
static int
one_row(struct queue_stmt *s, int64_t *ret_v)
{
	int rc = queue_stmt_step(s);

	if (rc != 1)
		return rc == 0 ? QUEUE_EIO : rc;
	*ret_v = queue_col_int(s, 0);
	/* RETURNING is complete only after its last row. */
	return queue_stmt_run(s);
}

static int
put_partial(struct queue_db *db, const struct queue_step *st, int64_t *ret_id)
{
	const struct queue_partial *p = &st->of.partial;
	struct queue_stmt s = queue_stmt(db, PARTIAL_PUT);

	queue_put_text(&s, st->link);
	queue_put_int(&s, p->source);
	queue_put_int(&s, p->msid);
	queue_put_int(&s, p->priority);
	queue_put_int(&s, p->seq);
	queue_put_int(&s, p->total);
	queue_put_int(&s, p->expires_at);
	queue_put_int(&s, p->keep_until);
	queue_put_blob(&s, p->address, sizeof(p->address));
	return one_row(&s, ret_id);
}

static int
step_partial(struct queue_db *db, const struct queue_step *st)
{
	struct queue_stmt s = queue_stmt(db, PARTIAL_SUM);
	int64_t sum = 0, id = 0;
	int rc;

	queue_put_text(&s, st->link);
	queue_put_int(&s, PARTIAL_COST);
	rc = one_row(&s, &sum);
	if (rc != QUEUE_OK)
		return rc;
	/* These fragments would be asked for again after a restart. */
	if ((uint64_t)sum + PARTIAL_COST > st->size ||
	    st->data_len > st->size - PARTIAL_COST - (uint64_t)sum)
		return QUEUE_OK;
	rc = put_partial(db, st, &id);
	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(db, PIECE_ADD);
	queue_put_int(&s, id);
	queue_put_blob(&s, st->data, st->data_len);
	rc = queue_stmt_run(&s);
	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(db, PARTIAL_GROW);
	queue_put_int(&s, id);
	queue_put_int(&s, (int64_t)st->data_len);
	return queue_stmt_run(&s);
}

int
queue_link_step(struct queue *q, const struct queue_step *st)
{
	struct queue_db *db = q->writer;

	if (st->kind == QUEUE_STEP_TOMBSTONE)
		return step_tombstone(db, st);
	if (st->kind == QUEUE_STEP_EMCON)
		return step_emcon(db, st);
	if (st->kind == QUEUE_STEP_ROUNDS)
		return step_rounds(db, st);
	if (st->kind == QUEUE_STEP_PARTIAL)
		return step_partial(db, st);
	return drop_partial(db, st->link, st->source, st->msid);
}

static int
prune(struct queue *q, enum write_sql which, int64_t now_s, bool *again)
{
	struct queue_stmt s = queue_stmt(q->writer, which);
	int rc;

	queue_put_int(&s, now_s);
	queue_put_int(&s, QUEUE_BATCH);
	rc = queue_stmt_run(&s);
	if (rc == QUEUE_OK && queue_db_changes(q->writer) == QUEUE_BATCH)
		*again = true;
	return rc;
}

int
queue_link_prune(struct queue *q, int64_t now_s, bool *again)
{
	int rc = prune(q, PRUNE_TOMBSTONES, now_s, again);

	return rc == QUEUE_OK ? prune(q, PRUNE_PARTIALS, now_s, again) : rc;
}

/* --- questions ----------------------------------------------------------- */

/* Room for one more element of rows. */
static void *
grow(struct queue_ask *a, size_t size)
{
	void *p = queue_arena_grow(&a->arena, a->rows, a->n, size);

	if (p != NULL)
		a->rows = p;
	return p;
}

int
queue_answer_emcon(struct queue *q, struct queue_ask *a)
{
	struct queue_stmt s = queue_stmt(q->reader, EMCON_ALL);
	struct queue_emcon *e;
	int rc;

	queue_put_text(&s, a->text);
	while ((rc = queue_stmt_step(&s)) == 1) {
		e = grow(a, sizeof(*e));
		if (e == NULL) {
			queue_stmt_end(&s);
			return QUEUE_ENOMEM;
		}
		e[a->n++] = (struct queue_emcon){
			.node = (uint32_t)queue_col_int(&s, 0),
			.on = queue_col_int(&s, 1) != 0,
			.set = queue_col_int(&s, 2) != 0,
			.since = queue_col_int(&s, 3),
		};
	}
	return rc;
}

/* An address of an older version is empty: all zero. */
static void
load_address(
    struct queue_stmt *s, int column, uint8_t address[QUEUE_ADDRESS_LEN])
{
	size_t len;
	const void *p = queue_col_blob(s, column, &len);

	if (p != NULL && len == QUEUE_ADDRESS_LEN)
		memcpy(address, p, len);
}

/* The newest came first, because of the limit; they are told last. */
static void
reverse(struct queue_tombstone *t, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct queue_tombstone x = t[i];

		t[i] = t[n - 1 - i];
		t[n - 1 - i] = x;
	}
}

int
queue_answer_tombstones(struct queue *q, struct queue_ask *a)
{
	struct queue_stmt s = queue_stmt(q->reader, TOMBSTONES);
	struct queue_tombstone *t;
	int rc;

	queue_put_text(&s, a->text);
	queue_put_int(&s, a->now_s);
	queue_put_int(&s, a->limit < INT64_MAX ? (int64_t)a->limit : INT64_MAX);
	queue_put_int(&s, QUEUE_OWED_S);
	while ((rc = queue_stmt_step(&s)) == 1) {
		t = grow(a, sizeof(*t));
		if (t == NULL) {
			queue_stmt_end(&s);
			return QUEUE_ENOMEM;
		}
		t += a->n++;
		*t = (struct queue_tombstone){
			.source = (uint32_t)queue_col_int(&s, 0),
			.msid = (uint32_t)queue_col_int(&s, 1),
			.expires_at = queue_col_int(&s, 2),
			.priority = (uint8_t)queue_col_int(&s, 3),
			.committed_at = queue_col_int(&s, 4),
			.owed = queue_col_int(&s, 6) != 0,
		};
		load_address(&s, 5, t->address);
	}
	reverse(a->rows, a->n);
	return rc;
}

static int
find_partial(struct queue *q, struct queue_ask *a, struct queue_partial *p)
{
	struct queue_stmt s = queue_stmt(q->reader, PARTIAL_NEXT);
	int rc;

	queue_put_text(&s, a->text);
	queue_put_int(&s, (int64_t)a->id);
	queue_put_int(&s, a->now_s);
	rc = queue_stmt_step(&s);
	if (rc != 1)
		return rc;
	*p = (struct queue_partial){
		.id = (uint64_t)queue_col_int(&s, 0),
		.source = (uint32_t)queue_col_int(&s, 1),
		.msid = (uint32_t)queue_col_int(&s, 2),
		.priority = (uint8_t)queue_col_int(&s, 3),
		.seq = (uint32_t)queue_col_int(&s, 4),
		.total = (uint32_t)queue_col_int(&s, 5),
		.expires_at = queue_col_int(&s, 6),
		.keep_until = queue_col_int(&s, 7),
		.len = (size_t)queue_col_int(&s, 9),
	};
	load_address(&s, 8, p->address);
	rc = s.rc;
	queue_stmt_end(&s);
	return rc == QUEUE_OK ? 1 : rc;
}

/* All pieces, one behind the other: len octets into buf. */
static int
load_pieces(struct queue *q, uint64_t id, uint8_t *buf, size_t len)
{
	struct queue_stmt s = queue_stmt(q->reader, PIECES);
	size_t used = 0, n;
	const void *p;
	int rc;

	queue_put_int(&s, (int64_t)id);
	while ((rc = queue_stmt_step(&s)) == 1) {
		p = queue_col_blob(&s, 0, &n);
		if (s.rc != QUEUE_OK || n > len - used) {
			rc = s.rc != QUEUE_OK ? s.rc : QUEUE_EIO;
			queue_stmt_end(&s);
			return rc;
		}
		if (n != 0)
			memcpy(buf + used, p, n);
		used += n;
	}
	return rc == QUEUE_OK && used != len ? QUEUE_EIO : rc;
}

int
queue_answer_partial(struct queue *q, struct queue_ask *a)
{
	struct queue_partial *p = queue_arena_get(&a->arena, sizeof(*p));
	int rc;

	if (p == NULL)
		return QUEUE_ENOMEM;
	rc = find_partial(q, a, p);
	if (rc != 1)
		return rc;
	a->rows = p;
	a->data = malloc(p->len != 0 ? p->len : 1);
	if (a->data == NULL)
		return QUEUE_ENOMEM;
	p->records = a->data;
	return load_pieces(q, p->id, a->data, p->len);
}

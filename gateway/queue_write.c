/*
 * What each step of a transaction does to the tables.
 *
 * Runs on the writer's thread inside an open transaction; whoever opened it
 * also takes everything back when a step fails.  Three invariants hold between
 * transactions (doc/QUEUE.md):
 *	I1  a message has at least one recipient
 *	I2  a recipient is sent exactly when it has a transmission, and its
 *	    node is then one of the transmission's destinations
 *	I3  a transmission has a destination, and each one a recipient
 * The three drop functions below keep them when something goes.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/queue_internal.h"

enum sql {
	HOP_ADD,
	HOP_FIND,
	MESSAGE_ADD,
	MESSAGE_WARNED,
	MESSAGE_DROP,
	BODY_ADD,
	RCPT_ADD,
	RCPT_FIND,
	RCPT_DROP,
	RCPT_DEFER,
	RCPT_SEND,
	RCPT_DROP_NODE,
	TRANSMISSION_ADD,
	TRANSMISSION_FIND,
	TRANSMISSION_DROP,
	PAYLOAD_ADD,
	DESTINATION_ADD,
	DESTINATION_DROP,
	DESTINATION_DROP_EMPTY,
	DESTINATION_FIND_EMPTY,
	QUARANTINE_ADD,
	QUARANTINE_TRIM,
	MSID_LAST,
	MSID_SET,
	SEQ_NEXT,
	DUE,
	PRUNE_HOPS,
};

static const char *const sql[] = {
	[HOP_ADD] = "INSERT INTO hop (name) VALUES (?1)",
	[HOP_FIND] = "SELECT id FROM hop WHERE name = ?1",
	[MESSAGE_ADD] =
	    "INSERT INTO message (id, origin, from_link, from_line, priority,"
	    " accepted_at, expires_at, deliver_by, by_mode, by_trace, size,"
	    " in_file, warn_at)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[MESSAGE_WARNED] = "UPDATE message SET warn_at = 0 WHERE id = ?1",
	[MESSAGE_DROP] = "DELETE FROM message WHERE id = ?1 AND NOT EXISTS ("
			 " SELECT 1 FROM recipient INDEXED BY recipient_message"
			 " WHERE message_id = ?1)"
			 " RETURNING in_file",
	[BODY_ADD] = "INSERT INTO body (message_id, data) VALUES (?1, ?2)",
	[RCPT_ADD] =
	    "INSERT INTO recipient (message_id, hop_id, node, line, urgency,"
	    " state, next_at, attempts, status)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, '')",
	[RCPT_FIND] = "SELECT message_id, ifnull(transmission_id, 0), node"
		      " FROM recipient WHERE id = ?1",
	[RCPT_DROP] = "DELETE FROM recipient WHERE id = ?1",
	[RCPT_DEFER] =
	    "UPDATE recipient SET state = ?2, next_at = ?3, status = ?4,"
	    " attempts = attempts + 1, transmission_id = NULL WHERE id = ?1",
	[RCPT_SEND] =
	    "UPDATE recipient SET state = 'sent', next_at = 0,"
	    " transmission_id = ?1"
	    " WHERE id = ?2 AND message_id = ?3 AND state <> 'sent' AND EXISTS "
	    "("
	    " SELECT 1 FROM destination AS d"
	    " WHERE d.transmission_id = ?1 AND d.node = recipient.node)",
	[RCPT_DROP_NODE] =
	    "DELETE FROM recipient WHERE transmission_id = ?1 AND node = ?2",
	[TRANSMISSION_ADD] =
	    "INSERT INTO transmission (id, message_id, link, grp, msid,"
	    " priority, expires_at, size, in_file)"
	    " SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM message"
	    " WHERE id = ?2",
	[TRANSMISSION_FIND] =
	    "SELECT message_id FROM transmission WHERE id = ?1",
	[TRANSMISSION_DROP] =
	    "DELETE FROM transmission WHERE id = ?1 AND NOT EXISTS ("
	    " SELECT 1 FROM destination WHERE transmission_id = ?1)"
	    " RETURNING in_file",
	[PAYLOAD_ADD] =
	    "INSERT INTO payload (transmission_id, data) VALUES (?1, ?2)",
	[DESTINATION_ADD] =
	    "INSERT INTO destination (transmission_id, node, seq)"
	    " VALUES (?1, ?2, ?3)",
	[DESTINATION_DROP] =
	    "DELETE FROM destination WHERE transmission_id = ?1 AND node = ?2",
	[DESTINATION_DROP_EMPTY] =
	    "DELETE FROM destination WHERE transmission_id = ?1 AND node = ?2"
	    " AND NOT EXISTS (SELECT 1 FROM recipient"
	    "  INDEXED BY recipient_transmission"
	    "  WHERE transmission_id = ?1 AND node = ?2)",
	[DESTINATION_FIND_EMPTY] =
	    "SELECT 1 FROM destination AS d WHERE d.transmission_id = ?1"
	    " AND NOT EXISTS (SELECT 1 FROM recipient AS r"
	    "  WHERE r.transmission_id = ?1 AND r.node = d.node) LIMIT 1",
	[QUARANTINE_ADD] = "INSERT INTO quarantine (link, source, msid, at, "
			   "reason, size, data)"
			   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
	[QUARANTINE_TRIM] =
	    "DELETE FROM quarantine WHERE id <= ("
	    " SELECT id FROM quarantine ORDER BY id DESC LIMIT 1 OFFSET ?1)",
	[MSID_LAST] =
	    "SELECT value FROM counter WHERE name = 'msid' AND node = 0",
	[MSID_SET] = "INSERT INTO counter (name, node, value)"
		     " VALUES ('msid', 0, ?1)"
		     " ON CONFLICT DO UPDATE SET value = excluded.value",
	/* The field has 32 bits; after the last comes the first. */
	[SEQ_NEXT] = "INSERT INTO counter (name, node, value)"
		     " VALUES ('seq', ?1, 1)"
		     " ON CONFLICT DO UPDATE SET value ="
		     " CASE value WHEN 4294967295 THEN 1 ELSE value + 1 END"
		     " RETURNING value",
	[DUE] = "UPDATE recipient SET state = 'ready', next_at = 0"
		" WHERE id IN ("
		" SELECT id FROM recipient INDEXED BY recipient_waiting"
		" WHERE state = 'waiting' AND next_at <= ?1"
		" ORDER BY next_at LIMIT ?2)",
	[PRUNE_HOPS] = "DELETE FROM hop WHERE id IN ("
		       " SELECT id FROM hop WHERE NOT EXISTS ("
		       "  SELECT 1 FROM recipient INDEXED BY recipient_hop"
		       "  WHERE hop_id = hop.id) LIMIT ?1)",
};

int
queue_write_prepare(struct queue_db *db)
{
	int rc = queue_db_prepare(db, sql, 0, sizeof(sql) / sizeof(sql[0]));

	if (rc == QUEUE_OK)
		rc = queue_operate_prepare(db);
	return rc == QUEUE_OK ? queue_link_prepare(db, true) : rc;
}

struct write {
	struct queue *q;
	struct queue_db *db;
	struct queue_txn *t;
};

/* A statement with one row of one number; *ret_v is untouched without. */
static int
one_number(struct queue_stmt *s, int64_t *ret_v)
{
	int rc = queue_stmt_step(s);

	if (rc == 1) {
		*ret_v = queue_col_int(s, 0);
		/* RETURNING is complete only after its last row. */
		rc = queue_stmt_run(s);
	}
	return rc;
}

/* A statement that must have changed something. */
static int
must_change(struct write *w, struct queue_stmt *s, int otherwise)
{
	int rc = queue_stmt_run(s);

	if (rc == QUEUE_OK && queue_db_changes(w->db) == 0)
		rc = otherwise;
	return rc;
}

static int
doom(struct write *w, struct queue_name name)
{
	struct queue_doomed *d = queue_arena_get(&w->t->arena, sizeof(*d));

	if (d == NULL)
		return QUEUE_ENOMEM;
	d->name = name;
	LIST_INSERT_HEAD(&w->t->gone, d, next);
	return QUEUE_OK;
}

/* --- what goes ----------------------------------------------------------- */

/* I1. */
static int
drop_message(struct write *w, uint64_t id)
{
	struct queue_stmt s = queue_stmt(w->db, MESSAGE_DROP);
	int64_t in_file = -1;
	int rc;

	queue_put_int(&s, (int64_t)id);
	rc = one_number(&s, &in_file);
	if (rc != QUEUE_OK || in_file < 0)
		return rc;
	w->t->delta.messages--;
	return in_file != 0 ? doom(w, queue_name_message(id)) : QUEUE_OK;
}

/* I3, first half. */
static int
drop_transmission(struct write *w, uint64_t id)
{
	struct queue_stmt s = queue_stmt(w->db, TRANSMISSION_DROP);
	int64_t in_file = -1;
	int rc;

	queue_put_int(&s, (int64_t)id);
	rc = one_number(&s, &in_file);
	if (rc != QUEUE_OK || in_file < 0)
		return rc;
	w->t->delta.transmissions--;
	return in_file != 0 ? doom(w, queue_name_transmission(id)) : QUEUE_OK;
}

/* I3, second half. */
static int
drop_destination(struct write *w, uint64_t transmission, int64_t node)
{
	struct queue_stmt s;
	int rc;

	if (transmission == 0)
		return QUEUE_OK;
	s = queue_stmt(w->db, DESTINATION_DROP_EMPTY);
	queue_put_int(&s, (int64_t)transmission);
	queue_put_int(&s, node);
	rc = queue_stmt_run(&s);
	return rc == QUEUE_OK ? drop_transmission(w, transmission) : rc;
}

int
queue_write_leave(
    struct queue *q, struct queue_txn *t, uint64_t transmission, uint32_t node)
{
	struct write w = { .q = q, .db = q->writer, .t = t };

	return drop_destination(&w, transmission, node);
}

/* --- messages ------------------------------------------------------------ */

int
queue_write_hop(struct queue_db *db, const char *name, int64_t *ret_id)
{
	struct queue_stmt s = queue_stmt(db, HOP_FIND);
	int64_t id = 0;
	int rc;

	queue_put_text(&s, name);
	rc = one_number(&s, &id);
	if (rc == QUEUE_OK && id == 0) {
		s = queue_stmt(db, HOP_ADD);
		queue_put_text(&s, name);
		rc = queue_stmt_run(&s);
		if (rc == QUEUE_OK) {
			s = queue_stmt(db, HOP_FIND);
			queue_put_text(&s, name);
			rc = one_number(&s, &id);
		}
	}
	if (rc == QUEUE_OK)
		*ret_id = id;
	return rc;
}

static int
add_rcpt(
    struct write *w, const struct queue_message *m, const struct queue_rcpt *r)
{
	bool wait = r->next_at > m->accepted_at;
	struct queue_stmt s;
	int64_t hop = 0;
	int rc = queue_write_hop(w->db, r->hop, &hop);

	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, RCPT_ADD);
	queue_put_int(&s, (int64_t)m->id);
	queue_put_int(&s, hop);
	queue_put_int(&s, r->node);
	queue_put_text(&s, r->line);
	queue_put_int(&s, -(int64_t)m->priority);
	queue_put_text(&s, wait ? "waiting" : "ready");
	queue_put_int(&s, wait ? r->next_at : 0);
	queue_put_int(&s, r->attempts);
	w->t->delta.recipients++;
	return queue_stmt_run(&s);
}

/*
 * A file of this name was to be removed later, because its message was refused
 * (see queue_commit.c).  The caller uses the id again: the name is alive.
 */
static void
spare(struct write *w, struct queue_name name)
{
	struct queue_doomed *d;

	LIST_FOREACH (d, &w->q->doubtful, next)
		if (strcmp(d->name.s, name.s) == 0) {
			LIST_REMOVE(d, next);
			free(d);
			return;
		}
}

static int
add_body(struct write *w, struct queue_step *st)
{
	struct queue_name name = queue_name_message(st->message.id);
	struct queue_stmt s;
	const void *data = body_memory(st->body);
	int rc = QUEUE_OK;

	if (data != NULL) {
		s = queue_stmt(w->db, BODY_ADD);
		queue_put_int(&s, (int64_t)st->message.id);
		queue_put_blob(&s, data, (size_t)body_len(st->body));
		return queue_stmt_run(&s);
	}
	/* It may be in place since the group was tried for the first time. */
	spare(w, name);
	if (!st->placed)
		rc = queue_spool_place_body(&w->q->files, name, st->body);
	st->placed = st->placed || rc == QUEUE_OK;
	return rc;
}

static int
add_message(struct write *w, struct queue_step *st)
{
	const struct queue_message *m = &st->message;
	struct queue_stmt s = queue_stmt(w->db, MESSAGE_ADD);

	queue_put_int(&s, (int64_t)m->id);
	queue_put_int(&s, m->origin);
	queue_put_text(&s, m->from_link);
	queue_put_text(&s, m->from_line);
	queue_put_int(&s, m->priority);
	queue_put_int(&s, m->accepted_at);
	queue_put_int(&s, m->expires_at);
	queue_put_int(&s, m->deliver_by);
	queue_put_int(&s, m->by_mode);
	queue_put_int(&s, m->by_trace);
	queue_put_int(&s, (int64_t)m->size);
	queue_put_int(&s, body_memory(st->body) == NULL);
	queue_put_int(&s, m->warn_at);
	w->t->delta.messages++;
	return queue_stmt_run(&s);
}

static int
step_add(struct write *w, struct queue_step *st)
{
	const struct queue_message *m = &st->message;
	int rc = add_message(w, st);

	if (rc == QUEUE_OK)
		rc = add_body(w, st);
	for (size_t i = 0; rc == QUEUE_OK && i < m->nrcpts; i++)
		rc = add_rcpt(w, m, &m->rcpts[i]);
	return rc;
}

/* --- recipients ---------------------------------------------------------- */

struct found {
	uint64_t message, transmission;
	int64_t node;
};

static int
find_rcpt(struct write *w, uint64_t id, struct found *ret_f)
{
	struct queue_stmt s = queue_stmt(w->db, RCPT_FIND);
	int rc;

	queue_put_int(&s, (int64_t)id);
	rc = queue_stmt_step(&s);
	if (rc <= 0)
		return rc == 0 ? QUEUE_ENOTFOUND : rc;
	ret_f->message = (uint64_t)queue_col_int(&s, 0);
	ret_f->transmission = (uint64_t)queue_col_int(&s, 1);
	ret_f->node = queue_col_int(&s, 2);
	queue_stmt_end(&s);
	return QUEUE_OK;
}

/* Also if the message has gone meanwhile: then nothing is left to do. */
static int
step_warned(struct write *w, struct queue_step *st)
{
	struct queue_stmt s = queue_stmt(w->db, MESSAGE_WARNED);

	queue_put_int(&s, (int64_t)st->id);
	return queue_stmt_run(&s);
}

static int
step_finish(struct write *w, struct queue_step *st)
{
	struct found f = { .message = 0 };
	struct queue_stmt s;
	int rc = find_rcpt(w, st->id, &f);

	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, RCPT_DROP);
	queue_put_int(&s, (int64_t)st->id);
	rc = queue_stmt_run(&s);
	w->t->delta.recipients--;
	if (rc == QUEUE_OK)
		rc = drop_destination(w, f.transmission, f.node);
	return rc == QUEUE_OK ? drop_message(w, f.message) : rc;
}

static int
step_defer(struct write *w, struct queue_step *st)
{
	struct found f = { .message = 0 };
	struct queue_stmt s;
	int rc = find_rcpt(w, st->id, &f);

	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, RCPT_DEFER);
	queue_put_int(&s, (int64_t)st->id);
	queue_put_text(&s, st->at > 0 ? "waiting" : "ready");
	queue_put_int(&s, st->at > 0 ? st->at : 0);
	queue_put_text(&s, st->text);
	rc = queue_stmt_run(&s);
	return rc == QUEUE_OK ? drop_destination(w, f.transmission, f.node)
			      : rc;
}

/* --- transmissions ------------------------------------------------------- */

/*
 * max(last + 1, now): never used before, also when the counter was lost with
 * the disk and somebody started anew, as long as fewer than one a second are
 * sent.  0 is not a Message_ID.
 */
static int
next_msid(struct write *w, int64_t now_s, uint32_t *ret_msid)
{
	struct queue_stmt s = queue_stmt(w->db, MSID_LAST);
	int64_t last = 0;
	uint32_t msid;
	int rc = one_number(&s, &last);

	if (rc != QUEUE_OK)
		return rc;
	msid = (uint32_t)last + 1;
	if (now_s > (int64_t)msid && now_s <= (int64_t)UINT32_MAX)
		msid = (uint32_t)now_s;
	if (msid == 0)
		msid = 1;
	s = queue_stmt(w->db, MSID_SET);
	queue_put_int(&s, msid);
	rc = queue_stmt_run(&s);
	if (rc == QUEUE_OK)
		*ret_msid = msid;
	return rc;
}

static int
add_destination(
    struct write *w, uint64_t transmission, uint32_t node, uint32_t *ret_seq)
{
	struct queue_stmt s = queue_stmt(w->db, SEQ_NEXT);
	int64_t seq = 0;
	int rc;

	queue_put_int(&s, node);
	rc = one_number(&s, &seq);
	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, DESTINATION_ADD);
	queue_put_int(&s, (int64_t)transmission);
	queue_put_int(&s, node);
	queue_put_int(&s, seq);
	rc = queue_stmt_run(&s);
	if (rc == QUEUE_OK)
		*ret_seq = (uint32_t)seq;
	return rc;
}

static int
add_payload(struct write *w, struct queue_step *st)
{
	struct queue_stmt s;
	int rc = QUEUE_OK;

	if (st->data_len <= QUEUE_BLOB_MAX) {
		s = queue_stmt(w->db, PAYLOAD_ADD);
		queue_put_int(&s, (int64_t)st->id);
		queue_put_blob(&s, st->data, st->data_len);
		return queue_stmt_run(&s);
	}
	if (!st->placed)
		rc = queue_spool_place_data(&w->q->files,
		    queue_name_transmission(st->id), st->data, st->data_len);
	st->placed = st->placed || rc == QUEUE_OK;
	return rc;
}

static int
add_transmission(struct write *w, struct queue_step *st, uint32_t msid)
{
	const struct queue_transmission *x = &st->transmission;
	struct queue_stmt s = queue_stmt(w->db, TRANSMISSION_ADD);

	queue_put_int(&s, (int64_t)st->id);
	queue_put_int(&s, (int64_t)x->message);
	queue_put_text(&s, x->link);
	queue_put_int(&s, x->group);
	queue_put_int(&s, msid);
	queue_put_int(&s, x->priority);
	queue_put_int(&s, x->expires_at);
	queue_put_int(&s, (int64_t)st->data_len);
	queue_put_int(&s, st->data_len > QUEUE_BLOB_MAX);
	w->t->delta.transmissions++;
	return must_change(w, &s, QUEUE_ENOTFOUND);
}

/* I2: of this message, not on its way yet, and to one of our nodes. */
static int
send_rcpts(struct write *w, const struct queue_step *st)
{
	const struct queue_transmission *x = &st->transmission;
	struct queue_stmt s;
	int rc = QUEUE_OK;
	int64_t empty = 0;

	for (size_t i = 0; rc == QUEUE_OK && i < x->nrcpts; i++) {
		s = queue_stmt(w->db, RCPT_SEND);
		queue_put_int(&s, (int64_t)st->id);
		queue_put_int(&s, (int64_t)x->rcpts[i]);
		queue_put_int(&s, (int64_t)x->message);
		rc = must_change(w, &s, QUEUE_ENOTFOUND);
	}
	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, DESTINATION_FIND_EMPTY);
	queue_put_int(&s, (int64_t)st->id);
	rc = one_number(&s, &empty);
	return rc == QUEUE_OK && empty != 0 ? QUEUE_EINVAL : rc;
}

static int
step_transmit(struct write *w, struct queue_step *st)
{
	const struct queue_transmission *x = &st->transmission;
	uint32_t msid = 0;
	int rc = next_msid(w, st->at, &msid);

	/*
	 * From memory, not from the table: after a rollback the table would
	 * hand out the same id, and its file might be taken for the new one.
	 */
	if (st->id == 0)
		st->id = w->q->next_transmission++;
	if (rc == QUEUE_OK)
		rc = add_transmission(w, st, msid);
	for (size_t i = 0; rc == QUEUE_OK && i < x->nnodes; i++)
		rc = add_destination(w, st->id, x->nodes[i], &w->t->seqs[i]);
	if (rc == QUEUE_OK)
		rc = add_payload(w, st);
	if (rc == QUEUE_OK)
		rc = send_rcpts(w, st);
	if (rc == QUEUE_OK)
		w->t->result = (struct queue_result){
			.transmission = st->id,
			.msid = msid,
			.seqs = w->t->seqs,
		};
	return rc;
}

static int
step_end(struct write *w, struct queue_step *st)
{
	struct queue_stmt s = queue_stmt(w->db, TRANSMISSION_FIND);
	int64_t message = 0;
	int rc;

	queue_put_int(&s, (int64_t)st->id);
	rc = one_number(&s, &message);
	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, DESTINATION_DROP);
	queue_put_int(&s, (int64_t)st->id);
	queue_put_int(&s, st->source);
	rc = must_change(w, &s, QUEUE_ENOTFOUND);
	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, RCPT_DROP_NODE);
	queue_put_int(&s, (int64_t)st->id);
	queue_put_int(&s, st->source);
	rc = queue_stmt_run(&s);
	if (rc != QUEUE_OK)
		return rc;
	w->t->delta.recipients -= queue_db_changes(w->db);
	rc = drop_transmission(w, st->id);
	return rc == QUEUE_OK ? drop_message(w, (uint64_t)message) : rc;
}

/* --- the rest ------------------------------------------------------------ */

static int
step_quarantine(struct write *w, struct queue_step *st)
{
	struct queue_stmt s = queue_stmt(w->db, QUARANTINE_ADD);
	int rc;

	queue_put_text(&s, st->link);
	queue_put_int(&s, st->source);
	queue_put_int(&s, st->msid);
	queue_put_int(&s, st->at);
	queue_put_text(&s, st->text);
	queue_put_int(&s, (int64_t)st->size);
	queue_put_blob(&s, st->data, st->data_len);
	rc = queue_stmt_run(&s);
	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, QUARANTINE_TRIM);
	queue_put_int(&s, QUEUE_QUARANTINE_MAX);
	rc = queue_stmt_run(&s);
	if (rc == QUEUE_OK)
		w->t->delta.quarantined += 1 - queue_db_changes(w->db);
	return rc;
}

static int
step_due(struct write *w, struct queue_step *st)
{
	struct queue_stmt s;
	int64_t days = 0;
	char text[128];
	int rc = queue_clock_step(w->db, st->at, &days);

	if (rc != QUEUE_OK)
		return rc;
	if (days != 0) {
		queue_clock_text(days, text, sizeof(text));
		queue_warn(w->q, "%s", text);
	}
	s = queue_stmt(w->db, DUE);
	queue_put_int(&s, st->at);
	queue_put_int(&s, QUEUE_BATCH);
	rc = queue_stmt_run(&s);
	w->t->again = rc == QUEUE_OK && queue_db_changes(w->db) == QUEUE_BATCH;
	return rc;
}

static int
step_prune(struct write *w, struct queue_step *st)
{
	struct queue_stmt s;
	int rc = queue_link_prune(w->q, st->at, &w->t->again);

	if (rc != QUEUE_OK)
		return rc;
	s = queue_stmt(w->db, PRUNE_HOPS);
	queue_put_int(&s, QUEUE_BATCH);
	rc = queue_stmt_run(&s);
	if (rc == QUEUE_OK && queue_db_changes(w->db) == QUEUE_BATCH)
		w->t->again = true;
	return rc;
}

int
queue_write_step(struct queue *q, struct queue_txn *t, struct queue_step *st)
{
	struct write w = { .q = q, .db = q->writer, .t = t };

	switch (st->kind) {
	case QUEUE_STEP_ADD: return step_add(&w, st);
	case QUEUE_STEP_FINISH: return step_finish(&w, st);
	case QUEUE_STEP_DEFER: return step_defer(&w, st);
	case QUEUE_STEP_WARNED: return step_warned(&w, st);
	case QUEUE_STEP_TRANSMIT: return step_transmit(&w, st);
	case QUEUE_STEP_END: return step_end(&w, st);
	case QUEUE_STEP_QUARANTINE: return step_quarantine(&w, st);
	case QUEUE_STEP_DUE: return step_due(&w, st);
	case QUEUE_STEP_PRUNE: return step_prune(&w, st);
	case QUEUE_STEP_OPERATE: return queue_operate_step(q, t, st);
	case QUEUE_STEP_TOMBSTONE:
	case QUEUE_STEP_EMCON:
	case QUEUE_STEP_ROUNDS:
	case QUEUE_STEP_PARTIAL:
	case QUEUE_STEP_PARTIAL_END: return queue_link_step(q, st);
	}
	return QUEUE_EINVAL;
}

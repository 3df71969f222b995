/*
 * What an operator does to the recipients that he selects; see queue.h.
 *
 * Runs on the writer's thread inside an open transaction.  First the recipients
 * that fit are read, at most QUEUE_OPERATE_MAX of them, then the cursor is
 * closed, and only then are they changed: no cursor runs over what it changes.
 *
 * An action that would leave a recipient as it is does not touch it.  So an
 * operation that stopped at the limit can be repeated until nothing is left to
 * do.
 */
#include <assert.h>
#include <string.h>

#include "gateway/flow.h"
#include "gateway/queue_internal.h"
#include "smtp/param.h"

enum sql {
	ALL = QUEUE_OPERATE_FIRST,
	OF_MESSAGE,
	PUT,
	SQL_END,
};

static_assert((int)SQL_END <= QUEUE_STMTS_MAX, "room for the statements");

/* In the order of the columns of struct row. */
#define COLUMNS \
	"SELECT r.id, r.message_id, ifnull(r.transmission_id, 0), r.node," \
	" r.attempts, r.next_at, r.state, r.line, h.name," \
	" ifnull(x.link, ''), ifnull(x.msid, 0), m.priority, m.accepted_at," \
	" m.from_link"
#define JOINS \
	" CROSS JOIN message AS m ON m.id = r.message_id" \
	" CROSS JOIN hop AS h ON h.id = r.hop_id" \
	" LEFT JOIN transmission AS x ON x.id = r.transmission_id"

static const char *const sql[] = {
	[ALL] = COLUMNS " FROM recipient AS r" JOINS " ORDER BY r.id",
	[OF_MESSAGE] = COLUMNS " FROM recipient AS r"
			       " INDEXED BY recipient_message" JOINS
			       " WHERE r.message_id = ?1 ORDER BY r.id",
	[PUT] = "UPDATE recipient SET state = ?2, next_at = ?3,"
		" hop_id = CASE ?4 WHEN 0 THEN hop_id ELSE ?4 END,"
		" node = ?5, line = ?6, attempts = ?7, transmission_id = NULL"
		" WHERE id = ?1",
};

int
queue_operate_prepare(struct queue_db *db)
{
	return queue_db_prepare(db, sql, QUEUE_OPERATE_FIRST, SQL_END);
}

struct row {
	uint64_t rcpt, message, transmission;
	uint32_t node, attempts;
	int64_t next_at;
	char state; /* its first letter */
	const char *line, *hop, *link;
	uint32_t msid;
	int priority;
	int64_t accepted_at;
	const char *from_link;
	const char *new_line;
};

struct operate {
	struct queue *q;
	struct queue_txn *t;
	const struct queue_operation *o;
	struct queue_operated *done;
	struct row *rows;
	int64_t to_hop;
};

/* --- which recipients ------------------------------------------------------ */

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
same(struct smtp_str s, const char *text)
{
	if (strlen(text) != s.len)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (lower(s.p[i]) != lower(text[i]))
			return false;
	return true;
}

static bool
address_fits(const struct queue_operation *o, const char *line)
{
	struct smtp_str all = { line, strlen(line) };
	struct smtp_envelope_line l;

	if (o->recipient == NULL && o->domain == NULL)
		return true;
	if (smtp_line_parse(all, SMTP_PATH_POSTMASTER | SMTP_PATH_UTF8, &l) !=
	    SMTP_OK)
		return false;
	return (o->recipient == NULL || same(l.path.mailbox, o->recipient)) &&
	       (o->domain == NULL || same(l.path.domain, o->domain));
}

static bool
fits(const struct queue_operation *o, const struct row *r)
{
	return (o->message == 0 || r->message == o->message) &&
	       (!o->has_priority || r->priority == o->priority) &&
	       (!o->has_before || r->accepted_at <= o->before) &&
	       (o->hop == NULL || strcmp(r->hop, o->hop) == 0) &&
	       address_fits(o, r->line);
}

static bool
goes_there(const struct queue_operation *o, const struct row *r)
{
	size_t len = strcspn(r->line, " ");

	return strcmp(r->hop, o->to_hop) == 0 && r->node == o->to_node &&
	       (o->to_path == NULL ||
		   (strlen(o->to_path) == len &&
		       memcmp(o->to_path, r->line, len) == 0));
}

/* Whether the action would change anything. */
static bool
changes(const struct queue_operation *o, const struct row *r)
{
	bool held = r->next_at == QUEUE_HELD_AT;

	switch (o->action) {
	case QUEUE_HOLD: return !held;
	case QUEUE_RELEASE: return held;
	case QUEUE_DELETE: return true;
	case QUEUE_RETRY: return r->state == 'w' && !held;
	case QUEUE_REDIRECT: return !goes_there(o, r);
	case QUEUE_EXPIRE: return strcmp(r->hop, o->to_hop) != 0;
	}
	return false;
}

static bool
is_busy(struct queue *q, const struct row *r)
{
	bool busy;

	uv_mutex_lock(&q->lock);
	busy = queue_lease_working(&q->leases, r->hop, r->message);
	uv_mutex_unlock(&q->lock);
	return busy;
}

/* Split horizon, or a line that would be too long. */
static bool
redirect(struct operate *w, struct row *r)
{
	const struct queue_operation *o = w->o;
	char buf[FLOW_LINE_MAX];

	if (o->to_link != NULL && strcmp(r->from_link, o->to_link) == 0)
		return false;
	if (o->to_path == NULL)
		return true;
	if (!flow_redirect_line(r->line, o->to_path, buf))
		return false;
	r->new_line = queue_arena_text(&w->t->arena, buf);
	return true;
}

/* --- reading ------------------------------------------------------------------ */

/* Text lives until the next step. */
static struct row
row_of(struct queue_stmt *s)
{
	return (struct row){
		.rcpt = (uint64_t)queue_col_int(s, 0),
		.message = (uint64_t)queue_col_int(s, 1),
		.transmission = (uint64_t)queue_col_int(s, 2),
		.node = (uint32_t)queue_col_int(s, 3),
		.attempts = (uint32_t)queue_col_int(s, 4),
		.next_at = queue_col_int(s, 5),
		.state = queue_col_text(s, 6)[0],
		.line = queue_col_text(s, 7),
		.hop = queue_col_text(s, 8),
		.link = queue_col_text(s, 9),
		.msid = (uint32_t)queue_col_int(s, 10),
		.priority = (int)queue_col_int(s, 11),
		.accepted_at = queue_col_int(s, 12),
		.from_link = queue_col_text(s, 13),
	};
}

static bool
keep_text(struct operate *w, const char **text)
{
	*text = queue_arena_text(&w->t->arena, *text);
	return *text != NULL;
}

static int
keep_row(struct operate *w, struct row *r)
{
	struct queue_operated *d = w->done;
	struct row *rows =
	    queue_arena_grow(&w->t->arena, w->rows, d->n, sizeof(*rows));

	if (rows == NULL || !keep_text(w, &r->line) || !keep_text(w, &r->link))
		return QUEUE_ENOMEM;
	if (r->new_line == NULL)
		r->new_line = r->line;
	w->rows = rows;
	/* The recipients of a message stand together. */
	d->messages += d->n == 0 || rows[d->n - 1].message != r->message;
	d->on_air += r->transmission != 0;
	rows[d->n++] = *r;
	return QUEUE_OK;
}

/* A row of the bound statement; 0 to go on, 1 when there are enough. */
static int
consider(struct operate *w, struct queue_stmt *s)
{
	struct row r = row_of(s);

	if (s->rc != QUEUE_OK)
		return s->rc;
	if (!fits(w->o, &r) || !changes(w->o, &r))
		return 0;
	if (is_busy(w->q, &r)) {
		w->done->busy++;
		return 0;
	}
	if (w->o->action == QUEUE_REDIRECT && !redirect(w, &r)) {
		w->done->refused++;
		return 0;
	}
	if (w->done->n == QUEUE_OPERATE_MAX) {
		w->done->more = true;
		return 1;
	}
	return keep_row(w, &r);
}

static int
select_rows(struct operate *w)
{
	bool one = w->o->message != 0;
	struct queue_stmt s = queue_stmt(w->q->writer, one ? OF_MESSAGE : ALL);
	int rc;

	if (one)
		queue_put_int(&s, (int64_t)w->o->message);
	while ((rc = queue_stmt_step(&s)) == 1) {
		rc = consider(w, &s);
		if (rc != 0) {
			queue_stmt_end(&s);
			return rc < 0 ? rc : QUEUE_OK;
		}
	}
	return rc;
}

/* --- changing ----------------------------------------------------------------- */

static int
finish(struct operate *w, const struct row *r)
{
	struct queue_step st = { .kind = QUEUE_STEP_FINISH, .id = r->rcpt };

	return queue_write_step(w->q, w->t, &st);
}

static int
put(struct operate *w, const struct row *r)
{
	const struct queue_operation *o = w->o;
	bool moves = o->action == QUEUE_REDIRECT || o->action == QUEUE_EXPIRE;
	bool held = o->action == QUEUE_HOLD || (o->action == QUEUE_REDIRECT &&
						   r->next_at == QUEUE_HELD_AT);
	struct queue_stmt s = queue_stmt(w->q->writer, PUT);
	int rc;

	queue_put_int(&s, (int64_t)r->rcpt);
	queue_put_text(&s, held ? "waiting" : "ready");
	queue_put_int(&s, held ? QUEUE_HELD_AT : 0);
	queue_put_int(&s, w->to_hop);
	queue_put_int(&s, moves ? o->to_node : r->node);
	queue_put_text(&s, r->new_line);
	queue_put_int(&s, o->action == QUEUE_REDIRECT ? 0 : r->attempts);
	rc = queue_stmt_run(&s);
	return rc == QUEUE_OK
		   ? queue_write_leave(w->q, w->t, r->transmission, r->node)
		   : rc;
}

/* Its transmission went with it. */
static int
unsent(struct operate *w, const struct row *r)
{
	struct queue_operated *d = w->done;
	struct queue_unsent *u = queue_arena_grow(
	    &w->t->arena, (void *)(uintptr_t)d->unsent, d->nunsent, sizeof(*u));

	if (u == NULL)
		return QUEUE_ENOMEM;
	d->unsent = u;
	u[d->nunsent++] = (struct queue_unsent){ r->link, r->msid };
	return QUEUE_OK;
}

static int
change(struct operate *w)
{
	int rc = QUEUE_OK;

	if (w->o->to_hop != NULL && w->done->n > 0)
		rc = queue_write_hop(w->q->writer, w->o->to_hop, &w->to_hop);
	for (size_t i = 0; rc == QUEUE_OK && i < w->done->n; i++) {
		const struct row *r = &w->rows[i];
		int64_t before = w->t->delta.transmissions;

		rc = w->o->action == QUEUE_DELETE ? finish(w, r) : put(w, r);
		if (rc == QUEUE_OK && w->t->delta.transmissions < before)
			rc = unsent(w, r);
	}
	return rc;
}

static int
report(struct operate *w)
{
	struct queue_operated *d = w->done;
	struct queue_touched *v =
	    queue_arena_get(&w->t->arena, d->n * sizeof(*v));

	if (v == NULL)
		return QUEUE_ENOMEM;
	for (size_t i = 0; i < d->n; i++)
		v[i] = (struct queue_touched){
			.message = w->rows[i].message,
			.rcpt = w->rows[i].rcpt,
			.line = w->rows[i].line,
		};
	d->touched = v;
	w->t->result.operated = d;
	return QUEUE_OK;
}

int
queue_operate_step(
    struct queue *q, struct queue_txn *t, const struct queue_step *st)
{
	struct operate w = { .q = q, .t = t, .o = &st->of.operation };
	int rc;

	w.done = queue_arena_get(&t->arena, sizeof(*w.done));
	if (w.done == NULL)
		return QUEUE_ENOMEM;
	*w.done = (struct queue_operated){ .n = 0 };
	rc = select_rows(&w);
	if (rc == QUEUE_OK && !w.o->dry_run)
		rc = change(&w);
	return rc == QUEUE_OK ? report(&w) : rc;
}

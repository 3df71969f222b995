/*
 * A queue with something in every state of doc/QUEUE.md goes through start-up,
 * and comes out as that table says: the same rows, and each behaves as its
 * state does.  And the table leaves none out: every table of the schema, and
 * every state that a recipient can have, is in it.
 */
#include "gateway/test/queue_disk.h"

#include <sqlite3.h>

/* --- the database as text --------------------------------------------------- */

struct dump {
	char *text;
	size_t len;
};

static void
put(struct dump *d, const char *text)
{
	size_t n = strlen(text);

	d->text = realloc(d->text, d->len + n + 1);
	assert_non_null(d->text);
	memcpy(d->text + d->len, text, n + 1);
	d->len += n;
}

static void
put_rows(struct dump *d, sqlite3 *db, const char *table)
{
	sqlite3_stmt *s = NULL;
	char sql[128];

	snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY 1, 2", table);
	/* One of them has but one column. */
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) {
		snprintf(sql, sizeof(sql), "SELECT * FROM %s", table);
		assert_int_equal(
		    sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	}
	while (sqlite3_step(s) == SQLITE_ROW) {
		put(d, table);
		for (int i = 0; i < sqlite3_column_count(s); i++) {
			const char *v = (const char *)sqlite3_column_text(s, i);

			put(d, " ");
			put(d, v != NULL ? v : "NULL");
		}
		put(d, "\n");
	}
	sqlite3_finalize(s);
}

/* Calls each for the tables of the schema. */
static void
each_table(sqlite3 *db, struct dump *d,
    void (*each)(struct dump *d, sqlite3 *db, const char *table))
{
	sqlite3_stmt *s = NULL;

	assert_int_equal(
	    sqlite3_prepare_v2(db,
		"SELECT name FROM sqlite_schema WHERE type = 'table'"
		" AND name NOT LIKE 'sqlite_%' ORDER BY name",
		-1, &s, NULL),
	    SQLITE_OK);
	while (sqlite3_step(s) == SQLITE_ROW)
		each(d, db, (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
}

static struct dump
dump(struct fx *f)
{
	struct dump d = { .text = NULL };
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open_v2(fx_path(f, "queue.db"), &db,
			     SQLITE_OPEN_READONLY, NULL),
	    SQLITE_OK);
	each_table(db, &d, put_rows);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return d;
}

/* --- every state --------------------------------------------------------------- */

struct all {
	uint64_t ready, waiting, held, sent, large;
};

static void
operate(struct fx *f, enum queue_action action, uint64_t message)
{
	struct queue_operation o = { .action = action, .message = message };
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_operate(t, &o), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
}

static uint64_t
add_sent(struct fx *f, const char *link, size_t payload)
{
	char hop[32];
	uint64_t id;

	snprintf(hop, sizeof(hop), "mule:%s", link);
	id = fx_add(f, hop, 0, 2, 10);
	assert_int_equal(fx_ready(f, hop, 1), 1);
	assert_int_equal(fx_transmit(f, link, 1, 2000, payload), QUEUE_OK);
	queue_unlease(f->q, hop, id);
	return id;
}

static void
add_link_states(struct fx *f)
{
	struct queue_emcon own = { .on = true, .set = true, .since = 1000 };
	struct queue_emcon other = { .node = 9, .on = false, .since = 1000 };
	struct queue_partial p = { .source = 1,
		.msid = 3,
		.seq = 1,
		.total = 9,
		.expires_at = 5000,
		.keep_until = 5000,
		.records = (const uint8_t *)"piece",
		.len = 5 };
	struct queue_txn *t = queue_txn_new();

	fx_tombstone(t, "hf1", 1, 2, 5000);
	queue_txn_emcon(t, "hf1", &own);
	queue_txn_emcon(t, "hf1", &other);
	queue_txn_partial(t, "hf1", &p, 1000);
	queue_txn_quarantine(t, "hf1", 1, 4, 1000, "nonsense", "junk", 4);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
}

static void
fill(struct fx *f, struct all *a)
{
	f->warn_at = 3000;
	fx_open(f);
	a->waiting = fx_add(f, "mx:w", 0, 1, 10);
	fx_peek(f, "mx:w", 1);
	fx_defer(f, f->got[0].rcpt[0], 2000, "busy");
	a->held = fx_add(f, "mx:h", 0, 1, 10);
	operate(f, QUEUE_HOLD, a->held);
	a->ready = fx_add(f, "mx:r", 5, 2, 10);
	a->large = fx_add(f, "mx:r", 0, 1, 300000);
	a->sent = add_sent(f, "hf1", 100);
	assert_int_equal(fx_acked(f, f->transmission, 100), QUEUE_OK);
	add_sent(f, "hf2", 100000);
	add_link_states(f);
	/* Leased: no state on disk. */
	assert_int_equal(fx_ready(f, "mx:r", 9), 2);
	/* A body that comes in, and files without a row. */
	fx_write_file(f, "tmp/b1", "x", 1);
	fx_write_file(f, "spool/999", "x", 1);
	fx_write_file(f, "spool/t999", "x", 1);
}

static void
check_recipients(struct fx *f, const struct all *a)
{
	assert_int_equal(fx_peek(f, "mx:r", 9), 2);
	assert_int_equal(f->got[0].m.id, a->ready);
	assert_int_equal(f->got[0].nrcpts, 2);
	assert_int_equal(fx_peek(f, "mx:w", 9), 0);
	assert_int_equal(fx_peek(f, "mx:h", 9), 0);
	assert_int_equal(fx_peek(f, "mule:hf1", 9), 0);
	fx_assert_body(f, a->large, 300000);
	fx_assert_body(f, a->ready, 10);
	assert_int_equal(fx_list(f, a->held - 1, 1), 1);
	assert_string_equal(f->row_text[0][3], "held");
	assert_int_equal(fx_late(f, 3000, 9), 6);
	assert_int_equal(fx_expired(f, 5000, 9), 4);
}

static void
check_links(struct fx *f, const struct all *a)
{
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_true(f->has_x);
	assert_int_equal(f->x.message, a->sent);
	assert_int_equal(f->x.nnodes, 1);
	assert_int_equal(f->x_nodes[0], 101);
	assert_int_equal(fx_next(f, "hf2", NULL, 0), QUEUE_OK);
	assert_int_equal(f->x.nnodes, 2);
	assert_int_equal(f->len, 100000);
	assert_int_equal(fx_tombstones(f, "hf1", 1000, 9), 1);
	assert_true(f->stones[0].owed);
	assert_int_equal(fx_emcon(f, "hf1"), 2);
	assert_true(f->emcon[0].on);
	assert_false(f->emcon[1].on);
	assert_int_equal(fx_next_partial(f, "hf1", 1000, 0), QUEUE_OK);
	assert_true(f->has_partial);
	assert_int_equal(f->partial.len, 5);
	assert_int_equal(fx_quarantine(f, 0, 9), 1);
}

static void
test_every_state_goes_through_start_up_as_the_table_says(void **state)
{
	struct fx *f = *state;
	struct dump before, after;
	struct all a;

	fill(f, &a);
	fx_close(f);
	before = dump(f);
	assert_in_range(before.len, 500, SIZE_MAX);
	for (int i = 0; i < 2; i++) {
		fx_open(f);
		assert_int_equal(f->warnings, 0);
		/* Two in files have a row each. */
		assert_int_equal(files_in(f, "spool"), 2);
		assert_int_equal(files_in(f, "tmp"), 0);
		check_recipients(f, &a);
		check_links(f, &a);
		fx_close(f);
		after = dump(f);
		assert_string_equal(before.text, after.text);
		free(after.text);
	}
	free(before.text);
	/* And what waits goes on from there. */
	fx_open(f);
	fx_due(f, 2000);
	assert_int_equal(fx_peek(f, "mx:w", 9), 1);
	operate(f, QUEUE_RELEASE, a.held);
	assert_int_equal(fx_peek(f, "mx:h", 9), 1);
}

/* --- the table itself ------------------------------------------------------------ */

static char *
read_doc(void)
{
	size_t len = 0;
	unsigned char *raw = unit_read_file("doc/QUEUE.md", &len);
	char *text = malloc(len + 1);

	assert_non_null(text);
	memcpy(text, raw, len);
	text[len] = '\0';
	free(raw);
	return text;
}

static void
in_doc(struct dump *d, sqlite3 *db, const char *table)
{
	char name[64];

	(void)db;
	snprintf(name, sizeof(name), "`%s`", table);
	if (strstr(d->text, name) == NULL)
		fail_msg("doc/QUEUE.md does not know the table %s", table);
}

/* The words that the schema lets a recipient's state be. */
static void
states_in_doc(const char *doc, const char *schema)
{
	const char *p = strstr(schema, "state IN (");
	const char *end = p != NULL ? strchr(p, ')') : NULL;
	char row[64];
	size_t n = 0;

	assert_non_null(end);
	while ((p = strchr(p, '\'')) != NULL && p < end) {
		size_t len = strcspn(p + 1, "'");

		snprintf(row, sizeof(row), "\n| %.*s |", (int)len, p + 1);
		if (strstr(doc, row) == NULL)
			fail_msg("doc/QUEUE.md has no row \"%s\"", row + 1);
		p += len + 2;
		n++;
	}
	assert_int_equal(n, 3);
	/* Shown as a state, though stored as another. */
	assert_non_null(strstr(doc, "\n| held |"));
}

static void
test_no_state_is_missing_from_the_table(void **state)
{
	struct fx *f = *state;
	struct dump doc = { .text = read_doc() };
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;

	fx_open(f);
	fx_close(f);
	assert_int_equal(sqlite3_open(fx_path(f, "queue.db"), &db), SQLITE_OK);
	each_table(db, &doc, in_doc);
	assert_int_equal(sqlite3_prepare_v2(db,
			     "SELECT sql FROM sqlite_schema"
			     " WHERE name = 'recipient'",
			     -1, &s, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	states_in_doc(doc.text, (const char *)sqlite3_column_text(s, 0));
	sqlite3_finalize(s);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	free(doc.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(
		    test_every_state_goes_through_start_up_as_the_table_says),
		FX_TEST(test_no_state_is_missing_from_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a link finds again: EMCON, tombstones, rounds, partial messages. */
#include "gateway/test/queue_fixture.h"

#include <sqlite3.h>

#define HOUR 3600

/* --- EMCON --------------------------------------------------------------- */

static void
set_emcon(struct fx *f, const char *link, uint32_t node, bool on, int64_t now_s)
{
	struct queue_txn *t = queue_txn_new();
	struct queue_emcon e = {
		.node = node,
		.on = on,
		.set = true,
		.since = now_s,
	};

	assert_int_equal(queue_txn_emcon(t, link, &e), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
}

static void
assert_emcon(struct fx *f, size_t i, uint32_t node, bool on, int64_t since)
{
	assert_int_equal(f->emcon[i].node, node);
	assert_int_equal(f->emcon[i].on, on);
	assert_int_equal(f->emcon[i].since, since);
}

static void
test_emcon_survives_a_restart(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	assert_int_equal(fx_emcon(f, "hf1"), 0);
	set_emcon(f, "hf1", 0, true, 1000);
	set_emcon(f, "hf1", 0xfffffffe, true, 1100);
	set_emcon(f, "hf1", 7, false, 1200);
	set_emcon(f, "hf2", 7, true, 1300);
	fx_reopen(f);
	assert_int_equal(fx_emcon(f, "hf1"), 3);
	assert_emcon(f, 0, 0, true, 1000);
	assert_emcon(f, 1, 7, false, 1200);
	assert_emcon(f, 2, 0xfffffffe, true, 1100);
	assert_true(f->emcon[2].set);
	assert_int_equal(fx_emcon(f, "hf2"), 1);
	assert_emcon(f, 0, 7, true, 1300);
}

static void
test_emcon_set_again_keeps_its_beginning(void **state)
{
	struct fx *f = *state;
	struct queue_txn *t = queue_txn_new();
	struct queue_emcon e = { .node = 7, .on = false, .since = 1300 };

	fx_open(f);
	set_emcon(f, "hf1", 7, true, 1000);
	set_emcon(f, "hf1", 7, true, 1100);
	fx_emcon(f, "hf1");
	assert_emcon(f, 0, 7, true, 1000);
	/* Only noted, not set. */
	assert_int_equal(queue_txn_emcon(t, "hf1", &e), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	assert_int_equal(fx_emcon(f, "hf1"), 1);
	assert_emcon(f, 0, 7, false, 1300);
	assert_false(f->emcon[0].set);
}

/* --- tombstones and what is owed ----------------------------------------- */

static void
receive(struct fx *f, uint32_t msid, int64_t now_s)
{
	struct queue_tombstone x = {
		.source = 7,
		.msid = msid,
		.priority = 9,
		.expires_at = 1000000,
		.committed_at = now_s,
		.address = { 10, 142, 0, 2, [19] = 0xff },
	};
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_tombstone(t, "hf1", &x), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
}

/* The tombstones of hf1 whose Acks are owed, as bits: msid 1 is the lowest. */
static unsigned
owed(struct fx *f, int64_t now_s)
{
	unsigned bits = 0;

	fx_tombstones(f, "hf1", now_s, 8);
	for (size_t i = 0; i < f->n; i++)
		if (f->stones[i].owed)
			bits |= 1U << (f->stones[i].msid - 1);
	return bits;
}

static void
test_tombstone_says_where_its_ack_goes(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	receive(f, 1, 500);
	fx_reopen(f);
	assert_int_equal(fx_tombstones(f, "hf1", 600, 8), 1);
	assert_int_equal(f->stones[0].priority, 9);
	assert_int_equal(f->stones[0].committed_at, 500);
	assert_int_equal(f->stones[0].address[3], 2);
	assert_int_equal(f->stones[0].address[19], 0xff);
	assert_false(f->stones[0].owed);
}

static void
test_ack_is_owed_for_what_came_in_emcon(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	receive(f, 1, 999);
	set_emcon(f, "hf1", 0, true, 1000);
	receive(f, 2, 1000);
	receive(f, 3, 1000 + 50 * HOUR);
	assert_int_equal(owed(f, 1000 + 100 * HOUR), 6);
	fx_reopen(f);
	assert_int_equal(owed(f, 1000 + 100 * HOUR), 6);
	/* Neither another link's EMCON nor another node's makes it owed. */
	set_emcon(f, "hf1", 0, false, 2000 + 100 * HOUR);
	set_emcon(f, "hf2", 0, true, 1);
	set_emcon(f, "hf1", 7, true, 1);
	assert_int_equal(owed(f, 2000 + 101 * HOUR), 0);
}

static void
test_ack_is_owed_for_an_hour_after_emcon(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	set_emcon(f, "hf1", 0, true, 1000);
	receive(f, 1, 2000);
	set_emcon(f, "hf1", 0, false, 5000);
	/* Its Ack left at once. */
	receive(f, 2, 5001);
	fx_reopen(f);
	assert_int_equal(owed(f, 5000), 1);
	assert_int_equal(owed(f, 5000 + HOUR - 1), 1);
	assert_int_equal(owed(f, 5000 + HOUR), 0);
}

static void
test_first_emcon_begins_when_it_is_turned_on(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	set_emcon(f, "hf1", 0, false, 1000);
	receive(f, 1, 1000);
	set_emcon(f, "hf1", 0, true, 1001);
	receive(f, 2, 1001);
	assert_int_equal(owed(f, 2000), 2);
}

static void
test_emcon_soon_after_another_carries_on_with_it(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	set_emcon(f, "hf1", 0, true, 1000);
	receive(f, 1, 2000);
	set_emcon(f, "hf1", 0, false, 5000);
	set_emcon(f, "hf1", 0, true, 5010);
	receive(f, 2, 6000);
	assert_int_equal(owed(f, 7000), 3);
	fx_emcon(f, "hf1");
	assert_emcon(f, 0, 0, true, 5010);
	/* The Acks have left long before the next one begins. */
	set_emcon(f, "hf1", 0, false, 10000);
	set_emcon(f, "hf1", 0, true, 10000 + HOUR);
	receive(f, 3, 10000 + HOUR);
	assert_int_equal(owed(f, 20000), 4);
}

/* --- rounds -------------------------------------------------------------- */

static void
set_rounds(struct fx *f, const char *link, uint32_t msid, uint32_t n)
{
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_rounds(t, link, msid, n, n + 1), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
}

static void
test_rounds_come_back_with_their_transmission(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	fx_add(f, "mule:hf1", 0, 2, 10);
	fx_ready(f, "mule:hf1", 1);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_OK);
	fx_next(f, "hf1", NULL, 0);
	assert_int_equal(f->x.rounds, 0);
	set_rounds(f, "hf1", 1000, 3);
	set_rounds(f, "hf1", 1000, 4);
	/* Another link's, or of one that has ended: nothing happens. */
	set_rounds(f, "hf2", 1000, 8);
	set_rounds(f, "hf1", 999, 9);
	fx_reopen(f);
	fx_next(f, "hf1", NULL, 0);
	assert_int_equal(f->x.rounds, 4);
	assert_int_equal(f->x.emcon_rounds, 5);
}

/* --- partial messages ---------------------------------------------------- */

static int
add_piece(
    struct fx *f, uint32_t msid, const char *text, size_t len, size_t limit)
{
	struct queue_partial p = {
		.source = 7,
		.msid = msid,
		.priority = 3,
		.seq = 44,
		.total = 10,
		.expires_at = 1,
		.keep_until = 2000 + msid,
		.address = { 1, 2, 3, [19] = 4 },
		.records = (const uint8_t *)text,
		.len = len,
	};
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_partial(t, "hf1", &p, limit), QUEUE_OK);
	return fx_commit(f, &t);
}

/* The first partial message of hf1; its records must be this. */
static void
assert_records(struct fx *f, const char *text)
{
	assert_int_equal(fx_next_partial(f, "hf1", 1000, 0), QUEUE_OK);
	assert_true(f->has_partial);
	assert_int_equal(f->partial.len, strlen(text));
	assert_memory_equal(f->data, text, strlen(text));
}

static int64_t
rows(struct fx *f, const char *sql)
{
	int64_t n = -1;

	assert_int_equal(queue_db_number(f->q->reader, sql, &n), QUEUE_OK);
	return n;
}

static void
test_pieces_of_a_message_come_back_in_order(void **state)
{
	struct fx *f = *state;
	uint64_t id;

	fx_open(f);
	assert_int_equal(fx_next_partial(f, "hf1", 1000, 0), QUEUE_OK);
	assert_false(f->has_partial);
	add_piece(f, 1, "one", 3, 100000);
	add_piece(f, 2, "xx", 2, 100000);
	add_piece(f, 1, "", 0, 100000);
	add_piece(f, 1, "two", 3, 100000);
	fx_reopen(f);
	assert_records(f, "onetwo");
	assert_int_equal(f->partial.source, 7);
	assert_int_equal(f->partial.msid, 1);
	assert_int_equal(f->partial.priority, 3);
	assert_int_equal(f->partial.seq, 44);
	assert_int_equal(f->partial.total, 10);
	assert_int_equal(f->partial.expires_at, 1);
	assert_int_equal(f->partial.keep_until, 2001);
	assert_int_equal(f->partial.address[2], 3);
	assert_int_equal(f->partial.address[19], 4);
	id = f->partial.id;
	assert_int_equal(fx_next_partial(f, "hf1", 1000, id), QUEUE_OK);
	assert_int_equal(f->partial.msid, 2);
	id = f->partial.id;
	assert_int_equal(fx_next_partial(f, "hf1", 1000, id), QUEUE_OK);
	assert_false(f->has_partial);
	fx_next_partial(f, "hf2", 1000, 0);
	assert_false(f->has_partial);
	/* Expired ones are not told. */
	fx_next_partial(f, "hf1", 2001, 0);
	assert_int_equal(f->partial.msid, 2);
}

static void
test_partial_message_ends_with_its_tombstone(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	add_piece(f, 1, "one", 3, 100000);
	add_piece(f, 2, "two", 3, 100000);
	receive(f, 1, 1000);
	fx_reopen(f);
	assert_records(f, "two");
	assert_int_equal(rows(f, "SELECT count(*) FROM partial_piece"), 1);
	assert_int_equal(rows(f, "SELECT count(*) FROM partial"), 1);
}

static void
test_refused_transaction_does_not_end_a_partial_message(void **state)
{
	struct fx *f = *state;
	struct queue_tombstone x = { .source = 7, .msid = 1, .expires_at = 1 };
	struct queue_txn *t = queue_txn_new();

	fx_open(f);
	add_piece(f, 1, "one", 3, 100000);
	assert_int_equal(queue_txn_tombstone(t, "hf1", &x), QUEUE_OK);
	assert_int_equal(queue_txn_finish(t, 999), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_ENOTFOUND);
	assert_records(f, "one");
}

static void
test_lost_message_leaves_no_piece(void **state)
{
	struct fx *f = *state;
	struct queue_txn *t = queue_txn_new();

	fx_open(f);
	add_piece(f, 1, "one", 3, 100000);
	assert_int_equal(queue_txn_partial_end(t, "hf2", 7, 1), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	assert_records(f, "one");
	t = queue_txn_new();
	assert_int_equal(queue_txn_partial_end(t, "hf1", 7, 1), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	assert_int_equal(rows(f, "SELECT count(*) FROM partial"), 0);
	assert_int_equal(rows(f, "SELECT count(*) FROM partial_piece"), 0);
}

static void
test_expired_partial_messages_are_pruned(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	for (uint32_t i = 1; i <= 3; i++)
		add_piece(f, i, "abc", 3, 100000);
	queue_prune(f->q, 2002);
	fx_reopen(f);
	assert_int_equal(rows(f, "SELECT count(*) FROM partial"), 1);
	assert_int_equal(rows(f, "SELECT count(*) FROM partial_piece"), 1);
	fx_next_partial(f, "hf1", 0, 0);
	assert_int_equal(f->partial.msid, 3);
}

static void
test_partial_messages_are_bounded(void **state)
{
	struct fx *f = *state;
	char text[1000];

	memset(text, 'a', sizeof(text));
	fx_open(f);
	/* 256 for each message, and its octets. */
	assert_int_equal(add_piece(f, 1, text, 1000, 1256), QUEUE_OK);
	assert_int_equal(rows(f, "SELECT sum(size) FROM partial"), 1000);
	assert_int_equal(add_piece(f, 2, text, 1000, 2511), QUEUE_OK);
	assert_int_equal(rows(f, "SELECT count(*) FROM partial"), 1);
	assert_int_equal(add_piece(f, 2, text, 1000, 2512), QUEUE_OK);
	assert_int_equal(rows(f, "SELECT count(*) FROM partial"), 2);
	assert_int_equal(add_piece(f, 2, text, 1, 2512), QUEUE_OK);
	assert_int_equal(add_piece(f, 3, text, 0, 10), QUEUE_OK);
	assert_int_equal(rows(f, "SELECT sum(size) FROM partial"), 2000);
	assert_int_equal(rows(f, "SELECT count(*) FROM partial_piece"), 2);
}

static void
test_damaged_pieces_are_told_with_their_message(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	add_piece(f, 1, "one", 3, 100000);
	add_piece(f, 2, "two", 3, 100000);
	assert_int_equal(
	    queue_db_exec(f->q->writer,
		"UPDATE partial_piece SET data = x'616161616161' WHERE id = 1"),
	    QUEUE_OK);
	assert_int_equal(fx_next_partial(f, "hf1", 1000, 0), QUEUE_EIO);
	assert_true(f->has_partial);
	assert_int_equal(
	    fx_next_partial(f, "hf1", 1000, f->partial.id), QUEUE_OK);
	assert_int_equal(f->partial.msid, 2);
	assert_int_equal(queue_db_exec(f->q->writer,
			     "DELETE FROM partial_piece WHERE id = 2"),
	    QUEUE_OK);
	assert_int_equal(
	    fx_next_partial(f, "hf1", 1000, f->partial.id - 1), QUEUE_EIO);
}

/* --- a queue of the first version ---------------------------------------- */

static void
open_version_1(struct fx *f)
{
	size_t len = 0;
	unsigned char *text = unit_read_file("gateway/test/queue-v1.sql", &len);
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(fx_path(f, "queue.db"), &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, (const char *)text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	free(text);
	fx_open(f);
}

static void
test_queue_of_version_1_goes_on(void **state)
{
	struct fx *f = *state;

	open_version_1(f);
	assert_int_equal(f->warnings, 0);
	assert_int_equal(rows(f, "PRAGMA user_version"), 4);
	assert_int_equal(fx_stats(f).messages, 2);
	assert_int_equal(fx_stats(f).transmissions, 1);
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_true(f->has_x);
	assert_int_equal(f->x.nnodes, 1);
	assert_int_equal(f->x.rounds, 0);
	assert_int_equal(f->x.emcon_rounds, 0);
	assert_int_equal(fx_read_body(f, f->x.message), QUEUE_OK);
	/* Nobody knows where their Acks would go. */
	set_emcon(f, "hf1", 0, true, 1);
	assert_int_equal(fx_tombstones(f, "hf1", 1000, 8), 2);
	assert_int_equal(f->stones[1].source, 0x0a8e0002);
	assert_int_equal(f->stones[1].committed_at, 0);
	assert_int_equal(f->stones[1].address[0], 0);
	assert_false(f->stones[1].owed);
	assert_int_equal(fx_acked(f, f->x.id, f->x_nodes[0]), QUEUE_OK);
	add_piece(f, 1, "one", 3, 100000);
	fx_reopen(f);
	assert_records(f, "one");
	assert_int_equal(fx_stats(f).transmissions, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(test_emcon_survives_a_restart),
		FX_TEST(test_emcon_set_again_keeps_its_beginning),
		FX_TEST(test_tombstone_says_where_its_ack_goes),
		FX_TEST(test_ack_is_owed_for_what_came_in_emcon),
		FX_TEST(test_ack_is_owed_for_an_hour_after_emcon),
		FX_TEST(test_first_emcon_begins_when_it_is_turned_on),
		FX_TEST(test_emcon_soon_after_another_carries_on_with_it),
		FX_TEST(test_rounds_come_back_with_their_transmission),
		FX_TEST(test_pieces_of_a_message_come_back_in_order),
		FX_TEST(test_partial_message_ends_with_its_tombstone),
		FX_TEST(
		    test_refused_transaction_does_not_end_a_partial_message),
		FX_TEST(test_lost_message_leaves_no_piece),
		FX_TEST(test_expired_partial_messages_are_pruned),
		FX_TEST(test_partial_messages_are_bounded),
		FX_TEST(test_damaged_pieces_are_told_with_their_message),
		FX_TEST(test_queue_of_version_1_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

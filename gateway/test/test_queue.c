/* What the queue does; what the disk does to it is in test_queue_disk.c. */
#include "gateway/test/queue_fixture.h"

/* --- adding and finishing ------------------------------------------------ */

static void
test_message_comes_back_as_it_went_in(void **state)
{
	struct fx *f = *state;
	struct queue_rcpt r[] = {
		{ .line = "<bob@b.example> NOTIFY=NEVER",
		    .hop = "mx:b.example" },
		{ .line = "<\303\266@c.example>",
		    .hop = "mx:c.example",
		    .attempts = 3 },
	};
	struct queue_message m = {
		.origin = QUEUE_FROM_MULE,
		.from_link = "hf1",
		.from_line = "<alice@a.example> BODY=8BITMIME",
		.priority = -9,
		.accepted_at = 1000,
		.expires_at = 1234567890123,
		.deliver_by = 1500,
		.by_mode = 'N',
		.by_trace = true,
		.rcpts = r,
		.nrcpts = 2,
	};
	struct queue_txn *t = queue_txn_new();
	struct body *b;
	uint64_t id;

	fx_open(f);
	id = m.id = queue_new_id(f->q);
	b = fx_body(f, 321, id);
	assert_int_equal(queue_txn_add(t, &m, &b), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);

	assert_int_equal(fx_message(f, id, 0, 0), QUEUE_OK);
	assert_int_equal(f->got[0].m.id, id);
	assert_int_equal(f->got[0].m.origin, QUEUE_FROM_MULE);
	assert_string_equal(f->got[0].from_link, "hf1");
	assert_string_equal(f->got[0].from, m.from_line);
	assert_int_equal(f->got[0].m.priority, -9);
	assert_int_equal(f->got[0].m.accepted_at, 1000);
	assert_true(f->got[0].m.expires_at == 1234567890123);
	assert_int_equal(f->got[0].m.deliver_by, 1500);
	assert_int_equal(f->got[0].m.by_mode, 'N');
	assert_true(f->got[0].m.by_trace);
	assert_int_equal(f->got[0].m.size, 321);
	assert_int_equal(f->got[0].nrcpts, 2);
	assert_string_equal(f->got[0].line[0], r[0].line);
	assert_string_equal(f->got[0].line[1], r[1].line);
	assert_string_equal(f->got[0].hop[1], "mx:c.example");
	assert_int_equal(f->got[0].attempts[1], 3);
	assert_int_equal(f->got[0].next_at[1], 0);
	fx_assert_body(f, id, 321);
}

static void
test_bodies_of_all_sizes_come_back(void **state)
{
	static const size_t lens[] = { 0, 1, 4096, BODY_MEMORY_MAX,
		BODY_MEMORY_MAX + 1, 300000 };
	struct fx *f = *state;
	uint64_t id[6];

	fx_open(f);
	for (size_t i = 0; i < 6; i++)
		id[i] = fx_add(f, "mx:b", 0, 1, lens[i]);
	for (size_t i = 0; i < 6; i++)
		fx_assert_body(f, id[i], lens[i]);
	fx_reopen(f);
	for (size_t i = 0; i < 6; i++)
		fx_assert_body(f, id[i], lens[i]);
}

static void
test_message_goes_with_its_last_recipient(void **state)
{
	struct fx *f = *state;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mx:b", 0, 3, 100000);
	assert_int_equal(fx_ready(f, "mx:b", 1), 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(fx_stats(f).messages, 1);
		assert_int_equal(fx_stats(f).recipients, 3 - i);
		assert_int_equal(fx_finish(f, f->got[0].rcpt[i]), QUEUE_OK);
	}
	assert_int_equal(fx_stats(f).messages, 0);
	assert_int_equal(fx_stats(f).recipients, 0);
	assert_int_equal(fx_message(f, id, 0, 0), QUEUE_ENOTFOUND);
	assert_int_equal(fx_read_body(f, id), QUEUE_ENOTFOUND);
	assert_false(fx_exists(f, "spool/1"));
	assert_int_equal(fx_finish(f, f->got[0].rcpt[0]), QUEUE_ENOTFOUND);
}

static void
test_ids_never_repeat(void **state)
{
	struct fx *f = *state;
	uint64_t last;

	fx_open(f);
	fx_add(f, "mx:b", 0, 1, 10);
	last = fx_add(f, "mx:b", 0, 1, 10);
	fx_ready(f, "mx:b", 10);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fx_finish(f, f->got[i].rcpt[0]), QUEUE_OK);
	/* The queue is empty, and still knows. */
	fx_reopen(f);
	assert_true(queue_new_id(f->q) > last);
}

static void
test_invalid_messages_are_refused_whole(void **state)
{
	struct fx *f = *state;
	struct queue_rcpt r = { .line = "<b@b>", .hop = "mx:b" };
	struct queue_message m = { .id = 1,
		.from_link = "",
		.from_line = "<>",
		.rcpts = &r,
		.nrcpts = 1 };
	struct queue_txn *t = queue_txn_new();
	struct queue_message bad;
	struct body *b;

	fx_open(f);
	b = fx_body(f, 10, 1);
	bad = m;
	bad.id = 0;
	assert_int_equal(queue_txn_add(t, &bad, &b), QUEUE_EINVAL);
	bad = m;
	bad.nrcpts = 0;
	assert_int_equal(queue_txn_add(t, &bad, &b), QUEUE_EINVAL);
	bad = m;
	bad.priority = 10;
	assert_int_equal(queue_txn_add(t, &bad, &b), QUEUE_EINVAL);
	/* The body is still ours, and the transaction still good. */
	assert_non_null(b);
	assert_int_equal(queue_txn_add(t, &m, &b), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);

	/* The same id again. */
	t = queue_txn_new();
	b = fx_body(f, 200000, 1);
	assert_int_equal(queue_txn_add(t, &m, &b), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_EINVAL);
	assert_int_equal(fx_stats(f).messages, 1);
	assert_int_equal(fx_stats(f).recipients, 1);
	fx_assert_body(f, 1, 10);
	assert_false(fx_exists(f, "spool/1"));
}

static void
test_unsubmitted_transaction_leaves_nothing(void **state)
{
	struct fx *f = *state;
	struct queue_txn *t = queue_txn_new();

	fx_open(f);
	fx_put(f, t, "mx:b", 0, 2, 200000);
	queue_txn_free(&t);
	assert_null(t);
	queue_txn_free(&t);
	assert_int_equal(rmdir(fx_path(f, "tmp")), 0);
	assert_int_equal(fx_stats(f).messages, 0);
}

static void
test_empty_transaction_is_done(void **state)
{
	struct fx *f = *state;
	struct queue_txn *t = queue_txn_new();

	fx_open(f);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	t = queue_txn_new();
	queue_submit(f->q, &t, NULL, NULL);
	assert_int_equal(fx_ready(f, "mx:b", 1), 0);
}

/* --- groups -------------------------------------------------------------- */

struct order {
	struct fx *f;
	size_t number;
	int want;
};

static size_t next_number;

static void
in_order(void *ctx, int rc, const struct queue_result *res)
{
	struct order *o = ctx;

	(void)res;
	assert_int_equal(o->number, next_number);
	assert_int_equal(rc, o->want);
	next_number++;
}

static void
test_many_transactions_share_few_commits_and_keep_their_order(void **state)
{
	struct fx *f = *state;
	struct order o[100];
	struct queue_stats before, after;

	fx_open(f);
	next_number = 0;
	before = fx_stats(f);
	for (size_t i = 0; i < 100; i++) {
		struct queue_txn *t = queue_txn_new();

		o[i] = (struct order){ f, i, QUEUE_OK };
		fx_put(f, t, "mx:b", 0, 1, 1000);
		queue_submit(f->q, &t, in_order, &o[i]);
	}
	while (next_number < 100)
		uv_run(&f->loop, UV_RUN_ONCE);
	after = fx_stats(f);
	assert_int_equal(after.messages, 100);
	assert_int_equal(after.pending, 0);
	assert_int_equal(after.transactions - before.transactions, 100);
	assert_in_range(after.commits - before.commits, 1, 50);
	assert_in_range(after.syncs - before.syncs, 1, 60);
}

/* Holds the writer up in its first commit, so that the rest piles up. */
struct gate {
	uv_sem_t entered, released;
	atomic_bool armed;
};

static int
gate_hook(void *ctx, enum queue_op op, const char *path)
{
	struct gate *g = ctx;

	(void)path;
	if (op == QUEUE_OP_SYNC && atomic_exchange(&g->armed, false)) {
		uv_sem_post(&g->entered);
		uv_sem_wait(&g->released);
	}
	return 0;
}

static void
test_failing_member_leaves_no_trace_and_harms_no_other(void **state)
{
	struct fx *f = *state;
	struct gate g;
	struct order o[12];
	struct queue_stats before;

	assert_int_equal(uv_sem_init(&g.entered, 0), 0);
	assert_int_equal(uv_sem_init(&g.released, 0), 0);
	atomic_init(&g.armed, false);
	f->hook = gate_hook;
	f->hook_ctx = &g;
	fx_open(f);
	next_number = 0;
	before = fx_stats(f);
	atomic_store(&g.armed, true);
	for (size_t i = 0; i < 12; i++) {
		struct queue_txn *t = queue_txn_new();

		/*
		 * Number 5 fails at its last step, 7 was received by 6 in the
		 * same group.
		 */
		o[i] = (struct order){ f, i, QUEUE_OK };
		fx_put(f, t, "mx:b", 0, 2, i == 5 ? 100000 : 100);
		if (i == 5) {
			assert_int_equal(queue_txn_finish(t, 777), QUEUE_OK);
			o[i].want = QUEUE_ENOTFOUND;
		}
		if (i == 6 || i == 7)
			fx_tombstone(t, "hf1", 9, 9, 5000);
		if (i == 7)
			o[i].want = QUEUE_EEXIST;
		queue_submit(f->q, &t, in_order, &o[i]);
		if (i == 0)
			uv_sem_wait(&g.entered);
	}
	assert_int_equal(fx_stats(f).pending, 12);
	uv_sem_post(&g.released);
	while (next_number < 12)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(fx_stats(f).messages, 10);
	assert_int_equal(fx_stats(f).recipients, 20);
	assert_int_equal(fx_stats(f).commits - before.commits, 2);
	assert_int_equal(fx_list(f, 0, 50), 20);
	assert_false(fx_exists(f, "spool/6"));
	/* The hook's context ends here. */
	fx_close(f);
	f->hook = NULL;
	uv_sem_destroy(&g.entered);
	uv_sem_destroy(&g.released);
}

/* --- tombstones ---------------------------------------------------------- */

static int
receive(struct fx *f, const char *link, uint32_t source, uint32_t msid,
    int64_t expires_at)
{
	struct queue_txn *t = queue_txn_new();

	fx_tombstone(t, link, source, msid, expires_at);
	fx_put(f, t, "mx:b", 0, 1, 10);
	return fx_commit(f, &t);
}

static void
test_message_received_twice_is_stored_once(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	assert_int_equal(receive(f, "hf1", 1, 0xffffffff, 5000), QUEUE_OK);
	assert_int_equal(receive(f, "hf1", 1, 0xffffffff, 6000), QUEUE_EEXIST);
	assert_int_equal(receive(f, "hf1", 2, 0xffffffff, 5000), QUEUE_OK);
	assert_int_equal(receive(f, "hf1", 1, 0xfffffffe, 5000), QUEUE_OK);
	/* Another link is another network. */
	assert_int_equal(receive(f, "hf2", 1, 0xffffffff, 5000), QUEUE_OK);
	assert_int_equal(fx_stats(f).messages, 4);
	fx_reopen(f);
	assert_int_equal(receive(f, "hf1", 1, 0xffffffff, 5000), QUEUE_EEXIST);
	assert_int_equal(fx_stats(f).messages, 4);
}

static void
test_tombstones_are_told_newest_last_and_pruned(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(receive(f, "hf1", 7, i, 2000 + i), QUEUE_OK);
	assert_int_equal(receive(f, "hf2", 7, 1, 9000), QUEUE_OK);
	assert_int_equal(fx_tombstones(f, "hf1", 2001, 3), 3);
	assert_int_equal(f->stones[0].msid, 3);
	assert_int_equal(f->stones[2].msid, 5);
	assert_int_equal(f->stones[2].source, 7);
	assert_int_equal(f->stones[2].expires_at, 2005);
	assert_int_equal(fx_tombstones(f, "hf1", 2003, 100), 2);
	assert_int_equal(fx_tombstones(f, "none", 0, 100), 0);

	queue_prune(f->q, 2004);
	assert_int_equal(receive(f, "hf1", 7, 4, 5000), QUEUE_OK);
	assert_int_equal(receive(f, "hf1", 7, 5, 5000), QUEUE_EEXIST);
	assert_int_equal(fx_tombstones(f, "hf2", 0, 100), 1);
}

static void
test_prune_takes_more_than_one_batch_and_unused_hops(void **state)
{
	struct fx *f = *state;
	struct queue_txn *t = queue_txn_new();
	char hop[32];
	int64_t hops = 0;

	fx_open(f);
	assert_int_equal(queue_db_exec(f->q->writer,
			     "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
			     " SELECT i + 1 FROM n WHERE i < 3100)"
			     " INSERT INTO hop (name) SELECT i FROM n"),
	    QUEUE_OK);
	for (uint32_t i = 0; i < 2 * QUEUE_BATCH + 10; i++)
		fx_tombstone(t, "hf1", 1, i, 100);
	fx_tombstone(t, "hf1", 2, 1, 200);
	for (size_t i = 0; i < 5; i++) {
		snprintf(hop, sizeof(hop), "mx:%zu.example", i);
		fx_put(f, t, hop, 0, 1, 10);
	}
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	fx_ready(f, "mx:3.example", 1);
	assert_int_equal(fx_finish(f, f->got[0].rcpt[0]), QUEUE_OK);
	queue_prune(f->q, 100);
	/* It runs in turns; close waits for the last. */
	fx_reopen(f);
	assert_int_equal(
	    queue_db_number(f->q->reader, "SELECT count(*) FROM hop", &hops),
	    QUEUE_OK);
	assert_int_equal(hops, 4);
	assert_int_equal(fx_tombstones(f, "hf1", 0, 10000), 1);
	assert_int_equal(fx_due(f, 0), 4);
	fx_add(f, "mx:3.example", 0, 1, 10);
	assert_int_equal(fx_due(f, 0), 5);
}

/* --- lists --------------------------------------------------------------- */

static void
test_list_pages_end_between_messages(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	for (size_t i = 0; i < 3; i++)
		fx_add(f, "mx:b", 2, 3, 50);
	assert_int_equal(fx_list(f, 0, 4), 6);
	assert_true(f->more);
	assert_int_equal(f->rows[5].message, 2);
	assert_int_equal(fx_list(f, 2, 4), 3);
	assert_false(f->more);
	assert_int_equal(f->rows[0].message, 3);
	assert_string_equal(f->row_text[0][0], "<alice@shore.example.mil>");
	assert_string_equal(f->row_text[1][1], "<bob1@ship.example.mil>");
	assert_string_equal(f->row_text[1][2], "mx:b");
	assert_string_equal(f->row_text[1][3], "ready");
	assert_string_equal(f->row_text[1][4], "");
	assert_int_equal(f->rows[1].priority, 2);
	assert_int_equal(f->rows[1].size, 50);
	assert_int_equal(f->rows[1].expires_at, 5000);
	fx_peek(f, "mx:b", 3);
	assert_int_equal(
	    fx_defer(f, f->got[2].rcpt[0], 7000, "421 no"), QUEUE_OK);
	assert_int_equal(fx_list(f, 2, 3), 3);
	assert_false(f->more);
	assert_string_equal(f->row_text[0][3], "waiting");
	assert_string_equal(f->row_text[0][4], "421 no");
	assert_int_equal(f->rows[0].next_at, 7000);
	assert_int_equal(f->rows[0].attempts, 1);
	assert_int_equal(fx_list(f, 3, 3), 0);
	assert_int_equal(fx_list(f, 0, 0), 0);
	assert_true(f->more);
}

static int
quarantine(struct fx *f, const char *reason, const void *data, size_t len)
{
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(
	    queue_txn_quarantine(t, "hf1", 7, 8, 1234, reason, data, len),
	    QUEUE_OK);
	return fx_commit(f, &t);
}

static void
test_quarantine_keeps_what_nobody_could_decode(void **state)
{
	struct fx *f = *state;
	size_t big = QUEUE_QUARANTINE_BYTES + 1000;
	uint8_t *data = calloc(1, big);

	fx_open(f);
	assert_int_equal(quarantine(f, "not BER", "\0\1", 2), QUEUE_OK);
	assert_int_equal(quarantine(f, "nothing", "", 0), QUEUE_OK);
	assert_int_equal(quarantine(f, "bomb", data, big), QUEUE_OK);
	free(data);
	fx_reopen(f);
	assert_int_equal(fx_stats(f).quarantined, 3);
	assert_int_equal(fx_quarantine(f, 0, 10), 3);
	assert_false(f->more);
	assert_string_equal(f->reason[0], "hf1/not BER");
	assert_int_equal(f->quarantined[0].size, 2);
	assert_int_equal(f->quarantined[0].source, 7);
	assert_int_equal(f->quarantined[0].msid, 8);
	assert_int_equal(f->quarantined[0].at, 1234);
	/* Cut, with its true size. */
	assert_int_equal(f->quarantined[2].size, big);
	assert_int_equal(fx_quarantine(f, 1, 1), 1);
	assert_true(f->more);
	assert_int_equal(f->quarantined[0].id, 2);
	assert_int_equal(fx_quarantine(f, 3, 1), 0);
}

static void
test_quarantine_is_bounded(void **state)
{
	struct fx *f = *state;
	struct queue_txn *t = queue_txn_new();

	fx_open(f);
	for (size_t i = 0; i < QUEUE_QUARANTINE_MAX + 3; i++)
		assert_int_equal(
		    queue_txn_quarantine(t, "hf1", 1, 1, 1, "x", "abc", 3),
		    QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	assert_int_equal(fx_stats(f).quarantined, QUEUE_QUARANTINE_MAX);
	assert_int_equal(fx_quarantine(f, 0, 1), 1);
	assert_int_equal(f->quarantined[0].id, 4);
}

/* --- closing ------------------------------------------------------------- */

static void
test_close_commits_what_was_submitted(void **state)
{
	struct fx *f = *state;
	struct order o[50];

	fx_open(f);
	next_number = 0;
	for (size_t i = 0; i < 50; i++) {
		struct queue_txn *t = queue_txn_new();

		o[i] = (struct order){ f, i, QUEUE_OK };
		fx_put(f, t, "mx:b", 0, 1, 1000);
		queue_submit(f->q, &t, in_order, &o[i]);
	}
	fx_close(f);
	assert_int_equal(next_number, 50);
	fx_open(f);
	assert_int_equal(fx_stats(f).messages, 50);
}

struct late {
	struct queue *q;
	struct fx f;
	size_t refused;
};

static void
late_done(void *ctx, int rc, const struct queue_result *res)
{
	struct late *l = ctx;

	(void)res;
	assert_int_equal(rc, QUEUE_ESHUTDOWN);
	l->refused++;
}

static void
late_ready(
    void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct late *l = ctx;

	(void)m;
	(void)more;
	assert_int_equal(rc, QUEUE_ESHUTDOWN);
	assert_int_equal(n, 0);
	l->refused++;
}

static void
late_due(void *ctx, int rc, const char *const *hops, size_t n, int64_t next_at)
{
	struct late *l = ctx;

	(void)hops;
	(void)n;
	(void)next_at;
	assert_int_equal(rc, QUEUE_ESHUTDOWN);
	l->refused++;
}

/* In the callback of a commit that was under way when close was called. */
static void
late_try(void *ctx, int rc, const struct queue_result *res)
{
	struct late *l = ctx;
	struct queue_txn *t = queue_txn_new();

	(void)res;
	assert_int_equal(rc, QUEUE_OK);
	queue_submit(l->q, &t, late_done, l);
	queue_ready(l->q, "mx:b", 1, late_ready, l);
	queue_due(l->q, 1, late_due, l);
}

static void
test_closing_queue_refuses_new_work(void **state)
{
	struct fx *f = *state;
	struct late l = { .refused = 0 };
	struct queue_txn *t = queue_txn_new();

	fx_open(f);
	l.q = f->q;
	fx_put(f, t, "mx:b", 0, 1, 10);
	queue_submit(f->q, &t, late_try, &l);
	f->answered = false;
	queue_ready(f->q, "mx:b", 1, fx_messages, f);
	fx_close(f);
	assert_int_equal(l.refused, 3);
	/* Asked before: answered. */
	assert_true(f->answered);
	assert_int_equal(f->rc, QUEUE_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(test_message_comes_back_as_it_went_in),
		FX_TEST(test_bodies_of_all_sizes_come_back),
		FX_TEST(test_message_goes_with_its_last_recipient),
		FX_TEST(test_ids_never_repeat),
		FX_TEST(test_invalid_messages_are_refused_whole),
		FX_TEST(test_unsubmitted_transaction_leaves_nothing),
		FX_TEST(test_empty_transaction_is_done),
		FX_TEST(
		    test_many_transactions_share_few_commits_and_keep_their_order),
		FX_TEST(test_failing_member_leaves_no_trace_and_harms_no_other),
		FX_TEST(test_message_received_twice_is_stored_once),
		FX_TEST(test_tombstones_are_told_newest_last_and_pruned),
		FX_TEST(test_prune_takes_more_than_one_batch_and_unused_hops),
		FX_TEST(test_list_pages_end_between_messages),
		FX_TEST(test_quarantine_keeps_what_nobody_could_decode),
		FX_TEST(test_quarantine_is_bounded),
		FX_TEST(test_close_commits_what_was_submitted),
		FX_TEST(test_closing_queue_refuses_new_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

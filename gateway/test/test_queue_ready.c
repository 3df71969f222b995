/* Who gets which message when: order, leases, waiting, expiry. */
#include "gateway/test/queue_fixture.h"

/* --- ready, leases ------------------------------------------------------- */

static void
test_urgent_comes_first_then_old(void **state)
{
	static const int priority[] = { 0, 4, -9, 4, 9, 0 };
	static const uint64_t order[] = { 5, 2, 4, 1, 6, 3 };
	struct fx *f = *state;

	fx_open(f);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(fx_add(f, "mx:b", priority[i], 2, 10), i + 1);
	fx_add(f, "mx:other", 9, 1, 10);
	assert_int_equal(fx_peek(f, "mx:b", 10), 6);
	assert_false(f->more);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(f->got[i].m.id, order[i]);
		assert_int_equal(f->got[i].nrcpts, 2);
	}
	assert_int_equal(fx_peek(f, "mx:b", 6), 6);
	assert_false(f->more);
	assert_int_equal(fx_peek(f, "mx:b", 5), 5);
	assert_true(f->more);
	assert_int_equal(fx_peek(f, "mx:nobody", 5), 0);
	assert_false(f->more);
}

static size_t
ready_urgent(struct fx *f, int priority, size_t limit)
{
	f->answered = false;
	queue_ready_urgent(f->q, "mx:b", priority, limit, fx_messages, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

static void
test_what_is_less_urgent_is_neither_told_nor_leased_nor_more(void **state)
{
	static const int priority[] = { 0, 4, -9, 5 };
	struct fx *f = *state;

	fx_open(f);
	for (size_t i = 0; i < 4; i++)
		fx_add(f, "mx:b", priority[i], 1, 10);
	assert_int_equal(ready_urgent(f, 6, 10), 0);
	assert_false(f->more);
	assert_int_equal(ready_urgent(f, 4, 1), 1);
	assert_int_equal(f->got[0].m.id, 4);
	assert_true(f->more);
	assert_int_equal(ready_urgent(f, 4, 1), 1);
	assert_int_equal(f->got[0].m.id, 2);
	assert_false(f->more);
	assert_int_equal(ready_urgent(f, -9, 10), 2);
	assert_int_equal(f->got[0].m.id, 1);
}

static void
test_only_the_recipients_of_the_hop_are_told(void **state)
{
	struct fx *f = *state;
	struct queue_rcpt r[] = {
		{ .line = "<1@b>", .hop = "mx:b" },
		{ .line = "<2@c>", .hop = "mx:c" },
		/* That time has come. */
		{ .line = "<3@b>", .hop = "mx:b", .next_at = 1000 },
		{ .line = "<4@b>", .hop = "mx:b", .next_at = 3000 },
	};
	struct queue_message m = { .from_link = "",
		.from_line = "<a@a>",
		.accepted_at = 1000,
		.rcpts = r,
		.nrcpts = 4 };
	struct queue_txn *t = queue_txn_new();
	struct body *b;

	fx_open(f);
	m.id = queue_new_id(f->q);
	b = fx_body(f, 10, m.id);
	assert_int_equal(queue_txn_add(t, &m, &b), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	assert_int_equal(fx_ready(f, "mx:b", 10), 1);
	assert_int_equal(f->got[0].nrcpts, 2);
	assert_string_equal(f->got[0].line[0], "<1@b>");
	assert_string_equal(f->got[0].line[1], "<3@b>");
	/* A lease is for one hop. */
	assert_int_equal(fx_ready(f, "mx:c", 10), 1);
	assert_string_equal(f->got[0].line[0], "<2@c>");
}

static void
test_leased_messages_are_not_handed_out_again(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	for (size_t i = 0; i < 5; i++)
		fx_add(f, "mx:b", 0, 3, 10);
	assert_int_equal(fx_ready(f, "mx:b", 2), 2);
	assert_true(f->more);
	assert_int_equal(fx_ready(f, "mx:b", 10), 3);
	assert_int_equal(f->got[0].m.id, 3);
	assert_false(f->more);
	assert_int_equal(fx_ready(f, "mx:b", 10), 0);
	assert_false(f->more);
	queue_unlease(f->q, "mx:b", 4);
	queue_unlease(f->q, "mx:other", 2);
	queue_unlease(f->q, "mx:b", 99);
	assert_int_equal(fx_ready(f, "mx:b", 10), 1);
	assert_int_equal(f->got[0].m.id, 4);
	/* A restart ends all leases. */
	fx_reopen(f);
	assert_int_equal(fx_ready(f, "mx:b", 10), 5);
}

static void
test_two_questions_at_once_share_no_message(void **state)
{
	struct fx *f = *state;
	struct fx other = { .rc = 0 };

	fx_open(f);
	for (size_t i = 0; i < 4; i++)
		fx_add(f, "mx:b", 0, 1, 10);
	f->answered = false;
	queue_ready(f->q, "mx:b", 3, fx_messages, &other);
	queue_ready(f->q, "mx:b", 3, fx_messages, f);
	fx_wait(f);
	assert_int_equal(other.n, 3);
	assert_int_equal(f->n, 1);
	assert_int_equal(f->got[0].m.id, 4);
}

/*
 * The lease is returned when the finish is committed; a question that began
 * to read before that commit must not hand the recipient out.
 */
struct race {
	struct fx *f;
	size_t finished, handed_out;
	bool seen[401];
};

struct racer {
	struct race *r;
	uint64_t id;
};

static void race_ready(
    void *ctx, int rc, const struct queue_message *m, size_t n, bool more);

static void
race_finished(void *ctx, int rc, const struct queue_result *res)
{
	struct racer *one = ctx;
	struct race *r = one->r;

	(void)res;
	assert_int_equal(rc, QUEUE_OK);
	queue_unlease(r->f->q, "mx:b", one->id);
	free(one);
	r->finished++;
	queue_ready(r->f->q, "mx:b", 1, race_ready, r);
	queue_ready(r->f->q, "mx:b", 2, race_ready, r);
}

static void
race_ready(
    void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct race *r = ctx;

	(void)more;
	assert_int_equal(rc, QUEUE_OK);
	for (size_t i = 0; i < n; i++) {
		struct queue_txn *t = queue_txn_new();
		struct racer *one = malloc(sizeof(*one));

		assert_false(r->seen[m[i].id]);
		*one = (struct racer){ r, m[i].id };
		r->seen[m[i].id] = true;
		r->handed_out++;
		queue_txn_finish(t, m[i].rcpts[0].id);
		queue_submit(r->f->q, &t, race_finished, one);
	}
}

static void
test_finished_recipient_is_never_handed_out_again(void **state)
{
	struct fx *f = *state;
	struct race r = { .f = f };
	struct queue_txn *t = queue_txn_new();

	fx_open(f);
	for (size_t i = 0; i < 400; i++)
		fx_put(f, t, "mx:b", 0, 1, 10);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	for (size_t i = 0; i < 8; i++)
		queue_ready(f->q, "mx:b", 1, race_ready, &r);
	while (r.finished < 400)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(r.handed_out, 400);
	assert_int_equal(fx_stats(f).messages, 0);
}

/* --- waiting, due, expired ----------------------------------------------- */

static void
test_deferred_recipient_comes_back_when_due(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	fx_add(f, "mx:b", 0, 2, 10);
	fx_add(f, "mx:c", 0, 1, 10);
	assert_int_equal(fx_due(f, 1000), 2);
	assert_int_equal(f->next_at, 0);
	fx_peek(f, "mx:b", 1);
	assert_int_equal(
	    fx_defer(f, f->got[0].rcpt[0], 2000, "421 busy"), QUEUE_OK);
	assert_int_equal(
	    fx_defer(f, f->got[0].rcpt[1], 3000, "450 later"), QUEUE_OK);
	assert_int_equal(fx_peek(f, "mx:b", 1), 0);
	assert_int_equal(fx_due(f, 1999), 1);
	assert_string_equal(f->hops[0], "mx:c");
	assert_int_equal(f->next_at, 2000);
	fx_reopen(f);
	assert_int_equal(fx_due(f, 2000), 2);
	assert_int_equal(f->next_at, 3000);
	assert_int_equal(fx_peek(f, "mx:b", 1), 1);
	assert_int_equal(f->got[0].nrcpts, 1);
	assert_int_equal(f->got[0].attempts[0], 1);
	assert_int_equal(fx_due(f, 99999), 2);
	assert_int_equal(f->next_at, 0);
	fx_peek(f, "mx:b", 1);
	assert_int_equal(f->got[0].nrcpts, 2);
	/* At once. */
	assert_int_equal(fx_defer(f, f->got[0].rcpt[0], 0, "again"), QUEUE_OK);
	fx_peek(f, "mx:b", 1);
	assert_int_equal(f->got[0].nrcpts, 2);
	assert_int_equal(f->got[0].attempts[0], 2);
	assert_int_equal(fx_defer(f, 999, 5, ""), QUEUE_ENOTFOUND);
}

static void
test_due_takes_more_than_one_batch(void **state)
{
	struct fx *f = *state;
	struct queue_rcpt r = {
		.line = "<b@b>", .hop = "mx:b", .next_at = 2000
	};
	struct queue_message m = { .from_link = "",
		.from_line = "<>",
		.accepted_at = 1000,
		.rcpts = &r,
		.nrcpts = 1 };
	struct queue_txn *t = queue_txn_new();

	fx_open(f);
	for (size_t i = 0; i < 2 * QUEUE_BATCH + 5; i++) {
		struct body *b = fx_body(f, 1, 1);

		m.id = queue_new_id(f->q);
		r.next_at = 2000 + (i == 7);
		assert_int_equal(queue_txn_add(t, &m, &b), QUEUE_OK);
	}
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	assert_int_equal(fx_due(f, 1999), 0);
	assert_int_equal(fx_due(f, 2000), 1);
	assert_int_equal(f->next_at, 2001);
	f->got[0].m.id = 0;
	fx_ready(f, "mx:b", 5000);
	assert_int_equal(f->n, 2 * QUEUE_BATCH + 4);
}

static void
test_expired_messages_are_told_with_what_is_not_on_the_air(void **state)
{
	struct fx *f = *state;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mule:hf1", 0, 2, 10);
	fx_add(f, "mx:b", 0, 2, 10);
	fx_add(f, "mx:c", 0, 1, 10);
	assert_int_equal(fx_expired(f, 4999, 10), 0);
	assert_int_equal(fx_expired(f, 5000, 10), 3);
	assert_int_equal(fx_expired(f, 5000, 2), 2);
	assert_true(f->more);
	/* Somebody is at it: it comes when he is done. */
	assert_int_equal(fx_ready(f, "mx:c", 1), 1);
	assert_int_equal(fx_expired(f, 5000, 10), 2);
	queue_unlease(f->q, "mx:c", f->got[0].m.id);
	queue_unlease(f->q, "mx:c", 3);
	assert_int_equal(fx_expired(f, 5000, 10), 3);

	fx_peek(f, "mule:hf1", 1);
	assert_int_equal(f->got[0].m.id, id);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_OK);
	assert_int_equal(fx_expired(f, 5000, 10), 2);
	fx_peek(f, "mx:b", 1);
	assert_int_equal(fx_defer(f, f->got[0].rcpt[0], 9000, "x"), QUEUE_OK);
	assert_int_equal(fx_expired(f, 5000, 10), 2);
	assert_int_equal(f->got[0].nrcpts, 2);
	assert_int_equal(fx_finish(f, f->got[0].rcpt[0]), QUEUE_OK);
	assert_int_equal(fx_finish(f, f->got[0].rcpt[1]), QUEUE_OK);
	assert_int_equal(fx_expired(f, 5000, 10), 1);
}

static void
test_late_messages_are_told_until_their_senders_are(void **state)
{
	struct fx *f = *state;
	uint64_t first, second;

	fx_open(f);
	f->warn_at = 3000;
	first = fx_add(f, "mx:a", 0, 2, 10);
	f->warn_at = 2000;
	second = fx_add(f, "mule:hf1", 0, 1, 10);
	f->warn_at = 0;
	fx_add(f, "mx:b", 0, 1, 10);
	assert_int_equal(fx_late(f, 1999, 10), 0);
	assert_int_equal(fx_late(f, 9999, 1), 1);
	assert_true(f->more);
	/* The one that has waited longest, also what is on the air. */
	assert_int_equal(f->got[0].m.id, second);
	fx_peek(f, "mule:hf1", 1);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_OK);
	assert_int_equal(fx_late(f, 9999, 10), 2);
	assert_int_equal(f->got[0].nrcpts, 1);
	assert_int_equal(f->got[1].nrcpts, 2);
	fx_reopen(f);
	assert_int_equal(fx_warned(f, second), QUEUE_OK);
	assert_int_equal(fx_late(f, 9999, 10), 1);
	assert_int_equal(f->got[0].m.id, first);
	assert_int_equal(f->got[0].m.warn_at, 3000);
	assert_int_equal(fx_warned(f, first), QUEUE_OK);
	assert_int_equal(fx_warned(f, 12345), QUEUE_OK);
	assert_int_equal(fx_late(f, 9999, 10), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(test_urgent_comes_first_then_old),
		FX_TEST(
		    test_what_is_less_urgent_is_neither_told_nor_leased_nor_more),
		FX_TEST(test_only_the_recipients_of_the_hop_are_told),
		FX_TEST(test_leased_messages_are_not_handed_out_again),
		FX_TEST(test_two_questions_at_once_share_no_message),
		FX_TEST(test_finished_recipient_is_never_handed_out_again),
		FX_TEST(test_deferred_recipient_comes_back_when_due),
		FX_TEST(test_due_takes_more_than_one_batch),
		FX_TEST(test_late_messages_are_told_until_their_senders_are),
		FX_TEST(
		    test_expired_messages_are_told_with_what_is_not_on_the_air),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A wall clock that jumps: nothing expires early, nothing waits for years. */
#include "gateway/test/queue_fixture.h"

#define NOW INT64_C(1790000000)
#define YEARS(n) ((n)*INT64_C(365) * 86400)

/* The queue goes on when the clock says now_s. */
static void
reopen_at(struct fx *f, int64_t now_s)
{
	fx_close(f);
	f->now_s = now_s;
	fx_open(f);
}

static uint64_t
add(struct fx *f, const char *hop, int64_t accepted_at, int64_t expires_at)
{
	struct queue_rcpt r = { .line = "<b@c>", .hop = hop };
	struct queue_message m = {
		.id = queue_new_id(f->q),
		.from_link = "",
		.from_line = "<a@b>",
		.accepted_at = accepted_at,
		.expires_at = expires_at,
		.warn_at = accepted_at + 100,
		.deliver_by = accepted_at + 200,
		.by_mode = 'R',
		.rcpts = &r,
		.nrcpts = 1,
	};
	struct body *b = fx_body(f, 10, m.id);
	struct queue_txn *t = queue_txn_new();

	r.node = strncmp(hop, "mule:", 5) == 0 ? 7 : 0;
	assert_int_equal(queue_txn_add(t, &m, &b), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	return m.id;
}

/* What was left of every time is left of it still. */
static void
check(struct fx *f, uint64_t waits, int64_t now_s)
{
	assert_int_equal(fx_expired(f, now_s + 999, 9), 0);
	assert_int_equal(fx_late(f, now_s + 99, 9), 0);
	assert_int_equal(fx_message(f, waits, 0, 0), QUEUE_OK);
	assert_int_equal(f->got[0].m.accepted_at, now_s);
	assert_int_equal(f->got[0].m.expires_at, now_s + 1000);
	assert_int_equal(f->got[0].m.deliver_by, now_s + 200);
	assert_int_equal(f->got[0].next_at[0], now_s + 60);
	fx_due(f, now_s + 59);
	assert_int_equal(f->next_at, now_s + 60);
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_true(f->has_x);
	assert_int_equal(f->x.expires_at, now_s + 500);
	assert_int_equal(fx_tombstones(f, "hf1", now_s + 799, 9), 1);
	assert_int_equal(f->stones[0].expires_at, now_s + 800);
	assert_int_equal(fx_emcon(f, "hf1"), 1);
	assert_int_equal(f->emcon[0].since, now_s);
	assert_int_equal(fx_next_partial(f, "hf1", now_s + 299, 0), QUEUE_OK);
	assert_true(f->has_partial);
	assert_int_equal(f->partial.keep_until, now_s + 300);
}

static void
add_link_state(struct fx *f)
{
	struct queue_tombstone stone = { .source = 1,
		.msid = 2,
		.expires_at = NOW + 800,
		.committed_at = NOW };
	struct queue_emcon emcon = { .on = true, .set = true, .since = NOW };
	struct queue_partial p = { .source = 1,
		.msid = 3,
		.seq = 1,
		.total = 9,
		.expires_at = NOW + 300,
		.keep_until = NOW + 300,
		.records = (const uint8_t *)"x",
		.len = 1 };
	struct queue_txn *t = queue_txn_new();

	queue_txn_tombstone(t, "hf1", &stone);
	queue_txn_emcon(t, "hf1", &emcon);
	queue_txn_partial(t, "hf1", &p, 1000);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
}

static uint64_t
fill(struct fx *f)
{
	struct queue_txn *t;
	struct queue_transmission x = { .link = "hf1",
		.group = 1,
		.expires_at = NOW + 500,
		.nnodes = 1,
		.nrcpts = 1 };
	uint64_t waits, sent, rcpt;
	uint32_t node = 7;
	uint8_t *payload = calloc(1, 10);

	f->now_s = NOW;
	fx_open(f);
	waits = add(f, "mx:b", NOW, NOW + 1000);
	fx_peek(f, "mx:b", 1);
	fx_defer(f, f->got[0].rcpt[0], NOW + 60, "busy");
	sent = add(f, "mule:hf1", NOW, NOW + 1000);
	fx_peek(f, "mule:hf1", 1);
	rcpt = f->got[0].rcpt[0];
	x.message = sent;
	x.nodes = &node;
	x.rcpts = &rcpt;
	t = queue_txn_new();
	assert_int_equal(
	    queue_txn_transmit(t, &x, NOW, &payload, 10), QUEUE_OK);
	f->n = 1;
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	add_link_state(f);
	return waits;
}

static void
test_times_move_with_a_clock_that_jumps_between_restarts(void **state)
{
	static const int64_t at[] = { NOW + YEARS(10), NOW, NOW - YEARS(10),
		NOW + YEARS(10), NOW };
	struct fx *f = *state;
	uint64_t waits = fill(f);

	check(f, waits, NOW);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		reopen_at(f, at[i]);
		assert_int_equal(f->warnings, i + 1);
		assert_non_null(strstr(f->warning, "clock has jumped"));
		check(f, waits, at[i]);
	}
}

static void
test_times_move_with_a_clock_that_jumps_while_it_runs(void **state)
{
	struct fx *f = *state;
	uint64_t waits = fill(f);

	fx_due(f, NOW + YEARS(10));
	check(f, waits, NOW + YEARS(10));
	fx_due(f, NOW);
	check(f, waits, NOW);
}

static void
test_machine_that_was_off_for_a_month_has_not_jumped(void **state)
{
	struct fx *f = *state;
	int64_t later = NOW + 30 * 86400;
	uint64_t waits = fill(f);

	reopen_at(f, later);
	assert_int_equal(f->warnings, 0);
	assert_int_equal(fx_message(f, waits, 0, 0), QUEUE_OK);
	assert_int_equal(f->got[0].m.expires_at, NOW + 1000);
	assert_int_equal(fx_expired(f, later, 9), 1);
	/* Set right by some hours: neither. */
	reopen_at(f, later - 3600);
	assert_int_equal(f->warnings, 0);
}

static void
test_held_mail_and_message_ids_do_not_move(void **state)
{
	struct fx *f = *state;
	struct queue_operation o = { .action = QUEUE_HOLD };
	struct queue_txn *t = queue_txn_new();
	int64_t msid;

	fill(f);
	queue_txn_operate(t, &o);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	reopen_at(f, NOW + YEARS(10));
	fx_list(f, 0, 1);
	assert_string_equal(f->row_text[0][3], "held");
	fx_due(f, NOW + YEARS(10));
	assert_int_equal(f->next_at, 0);
	assert_int_equal(
	    queue_db_number(f->q->writer,
		"SELECT value FROM counter WHERE name = 'msid'", &msid),
	    QUEUE_OK);
	assert_int_equal(msid, NOW);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(
		    test_times_move_with_a_clock_that_jumps_between_restarts),
		FX_TEST(test_times_move_with_a_clock_that_jumps_while_it_runs),
		FX_TEST(test_machine_that_was_off_for_a_month_has_not_jumped),
		FX_TEST(test_held_mail_and_message_ids_do_not_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Half duplex: the Acks have their room. */
#include "pmul/test/bench.h"

#include "tests/unit/unit.h"

/* An octet per millisecond; an Ack is 32 ms, a full PDU 100 ms. */
static void
start(struct bench *b)
{
	bench_init(b);
	b->cfg.half_duplex = true;
	b->cfg.bit_rate = 8000;
	b->cfg.overhead_bytes = 0;
	b->cfg.ack_delay_us = 2 * SECOND;
	b->cfg.turnaround_us = SECOND / 2;
	bench_start(b);
}

/* Message msid of one PDU to A and B, its first pass taken and off the air. */
static void
first_pass(struct bench *b, uint32_t msid)
{
	assert_int_equal(bench_submit(b, msid, 1, 2, A, B), PMUL_OK);
	bench_take_address(b, msid, 2, A, B);
	bench_pass(b, 40000);
	bench_take_data(b, msid, 1);
	bench_pass(b, 93000);
}

/* Nothing leaves for so long, and the engine does not ask to be called. */
static void
quiet(struct bench *b, uint64_t us)
{
	bench_take_nothing(b);
	assert_int_equal(pmul_engine_deadline(b->e).us, b->now.mono.us + us);
	bench_pass(b, us - 1);
	bench_take_nothing(b);
	bench_pass(b, 1);
}

static int
flash(struct bench *b, uint32_t msid)
{
	struct pmul_dest d = { C, 1 };
	struct pmul_submit s = {
		.msid = msid,
		.priority = 0,
		.expiry = { b->now.wall.s + 3600 },
		.group = 77,
		.dests = &d,
		.ndests = 1,
		.data = "x",
		.len = 1,
	};

	return pmul_engine_submit(b->e, b->now, &s);
}

static void
test_no_data_leaves_until_the_acks_have_had_their_time(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 1);
	assert_int_equal(bench_submit(&b, 2, 1, 1, C), PMUL_OK);
	/* Turnaround, delay and two Acks. */
	quiet(&b, SECOND / 2 + 2 * SECOND + 2 * 32000);
	bench_take_address(&b, 2, 1, C);
	bench_stop(&b);
}

static void
test_the_window_ends_with_the_last_ack(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 1);
	assert_int_equal(bench_submit(&b, 2, 1, 1, C), PMUL_OK);
	bench_pass(&b, SECOND);
	assert_int_equal(bench_ack(&b, A, 1, 1, 1), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	/* Equal in priority: the older message. */
	bench_take_address(&b, 1, 1, A);
	bench_stop(&b);
}

static void
test_an_urgent_message_waits_for_the_window_and_comes_first_after_it(
    void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 1);
	assert_int_equal(bench_submit(&b, 2, 1, 1, C), PMUL_OK);
	bench_pass(&b, SECOND);
	assert_int_equal(flash(&b, 3), PMUL_OK);
	bench_take_nothing(&b);
	quiet(&b, SECOND + SECOND / 2 + 2 * 32000);
	bench_take_address(&b, 3, 1, C);
	bench_stop(&b);
}

static void
test_our_own_acks_leave_in_the_window(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 1);
	assert_int_equal(bench_address(&b, C, 5, 1, 1, ME), PMUL_OK);
	assert_int_equal(bench_data(&b, C, 5, 1, "one"), PMUL_OK);
	bench_received(&b, C, 5, "one");
	bench_pass(&b, 2 * SECOND);
	bench_take_ack(&b, C, 5, 0);
	bench_stop(&b);
}

static void
test_there_is_no_window_when_nobody_can_answer(void **state)
{
	struct bench b;
	struct pmul_node silent = { .id = A, .emcon = true };

	(void)state;
	start(&b);
	assert_int_equal(pmul_engine_set_node(b.e, b.now, &silent), PMUL_OK);
	silent.id = B;
	assert_int_equal(pmul_engine_set_node(b.e, b.now, &silent), PMUL_OK);
	first_pass(&b, 1);
	assert_int_equal(bench_submit(&b, 2, 1, 1, C), PMUL_OK);
	bench_take_address(&b, 2, 1, C);
	bench_stop(&b);
}

static void
test_there_is_no_window_in_full_duplex(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	bench_stop(&b);
	b.cfg.half_duplex = false;
	bench_start(&b);
	first_pass(&b, 1);
	assert_int_equal(bench_submit(&b, 2, 1, 1, C), PMUL_OK);
	assert_int_equal(bench_address(&b, C, 5, 3, 1, A), PMUL_OK);
	bench_take_address(&b, 2, 1, C);
	bench_stop(&b);
}

static void
test_the_window_ends_with_its_message(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 1);
	assert_int_equal(bench_submit(&b, 2, 1, 1, C), PMUL_OK);
	bench_take_nothing(&b);
	/* Not with another. */
	assert_int_equal(bench_submit(&b, 3, 1, 1, C), PMUL_OK);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 3), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 1), PMUL_OK);
	bench_take(&b, PMUL_DISCARD);
	bench_pass(&b, 16000);
	bench_take_address(&b, 2, 1, C);
	bench_stop(&b);
}

static void
test_the_retransmission_is_not_held_up(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	bench_stop(&b);
	b.cfg.ack_retx_us = SECOND;
	bench_start(&b);
	first_pass(&b, 1);
	bench_pass(&b, SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_address(&b, 1, 2, A, B);
	bench_stop(&b);
}

static void
test_no_round_begins_while_another_is_on_the_air(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_address(&b, C, 5, 3, 1, A), PMUL_OK);
	assert_int_equal(bench_submit(&b, 1, 2, 1, A), PMUL_OK);
	/* The next PDU would have arrived. */
	bench_take_nothing(&b);
	bench_pass(&b, 500000);
	assert_int_equal(bench_data(&b, C, 5, 1, "one"), PMUL_OK);
	quiet(&b, SECOND / 2 + 100000);
	bench_take_address(&b, 1, 1, A);
	/* Now that we have begun, we go on. */
	assert_int_equal(bench_data(&b, C, 5, 2, "two"), PMUL_OK);
	bench_pass(&b, 32000);
	bench_take_data(&b, 1, 1);
	bench_stop(&b);
}

static void
test_the_acks_of_another_round_have_their_room(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_extra_address(&b, C, 5, 3), PMUL_OK);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	/* Ours too: it is owed, and comes first. */
	bench_pass(&b, SECOND / 2 + 2 * SECOND + 32000 - 1);
	bench_take_ack(&b, C, 5, 3, 1, 2, 3);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_nothing(&b); /* it is still on the air */
	bench_pass(&b, SECOND);
	bench_take_address(&b, 1, 1, A);
	bench_stop(&b);
}

static void
test_another_round_that_is_over_says_so(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_address(&b, C, 5, 3, 1, A), PMUL_OK);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(bench_address(&b, C, 5, 3, 0), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_pass(&b, SECOND);
	bench_take_data(&b, 1, 1);
	bench_pass(&b, 8 * SECOND);
	assert_int_equal(bench_data(&b, C, 6, 1, "one"), PMUL_OK);
	assert_int_equal(bench_submit(&b, 2, 1, 1, A), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(bench_discard(&b, C, 6), PMUL_OK);
	bench_take_address(&b, 2, 1, A);
	bench_stop(&b);
}

static void
test_times_without_end_do_not_overflow(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	bench_stop(&b);
	b.cfg.turnaround_us = b.cfg.ack_delay_us = UINT64_MAX;
	bench_start(&b);
	first_pass(&b, 1);
	assert_int_equal(bench_data(&b, C, 6, 1, "one"), PMUL_OK);
	assert_int_equal(bench_extra_address(&b, C, 5, 3), PMUL_OK);
	bench_pass(&b, 3600 * SECOND);
	bench_take_nothing(&b);
	assert_true(pmul_engine_deadline(b.e).us > b.now.mono.us);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	T(test_no_data_leaves_until_the_acks_have_had_their_time),
	T(test_the_window_ends_with_the_last_ack),
	T(test_an_urgent_message_waits_for_the_window_and_comes_first_after_it),
	T(test_our_own_acks_leave_in_the_window),
	T(test_there_is_no_window_when_nobody_can_answer),
	T(test_there_is_no_window_in_full_duplex),
	T(test_the_window_ends_with_its_message),
	T(test_the_retransmission_is_not_held_up),
	T(test_no_round_begins_while_another_is_on_the_air),
	T(test_the_acks_of_another_round_have_their_room),
	T(test_another_round_that_is_over_says_so),
	T(test_times_without_end_do_not_overflow),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

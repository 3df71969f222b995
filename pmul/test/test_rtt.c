/* How long Acks take, and what the sender makes of it. */
#include "pmul/rtt.h"

#include "pmul/test/bench.h"
#include "tests/unit/unit.h"

static void
test_nothing_measured_is_the_most(void **state)
{
	struct pmul_rtt r = { 0 };

	(void)state;
	assert_int_equal(pmul_rtt_bound(&r, 5, 100), 100);
}

static void
test_the_bound_follows_the_measurements_within_its_limits(void **state)
{
	struct pmul_rtt r = { 0 };

	(void)state;
	pmul_rtt_sample(&r, 1000);
	assert_int_equal(pmul_rtt_bound(&r, 0, UINT64_MAX), 3000);
	assert_int_equal(pmul_rtt_bound(&r, 0, 2999), 2999);
	assert_int_equal(pmul_rtt_bound(&r, 3001, UINT64_MAX), 3001);
	assert_int_equal(pmul_rtt_bound(&r, 5000, 4000), 4000);
	/* Steady: close to the measured; unsteady: away from it. */
	for (int i = 0; i < 100; i++)
		pmul_rtt_sample(&r, 1000);
	assert_in_range(pmul_rtt_bound(&r, 0, UINT64_MAX), 1000, 1010);
	pmul_rtt_sample(&r, 5000);
	assert_in_range(pmul_rtt_bound(&r, 0, UINT64_MAX), 5000, 6000);
	/* No measurement is too small or too large to live with. */
	pmul_rtt_sample(&r, 0);
	for (int i = 0; i < 1000; i++)
		pmul_rtt_sample(&r, UINT64_MAX);
	assert_in_range(
	    pmul_rtt_bound(&r, 0, UINT64_MAX), 1, UINT64_C(4000000000));
}

static void
test_the_least_falls_at_once_and_rises_slowly(void **state)
{
	struct pmul_rtt r = { 0 };

	(void)state;
	pmul_rtt_sample(&r, 3200);
	pmul_rtt_sample(&r, 320);
	assert_int_equal(r.least_us, 320);
	pmul_rtt_sample(&r, 640);
	assert_int_equal(r.least_us, 330);
}

static void
start(struct bench *b)
{
	bench_init(b);
	b->cfg.ack_retx_min_us = 1 * SECOND;
	bench_start(b);
}

/* Message msid of one PDU to A, its first pass taken. */
static void
pass(struct bench *b, uint32_t msid)
{
	assert_int_equal(bench_submit(b, msid, 1, 1, A), PMUL_OK);
	bench_take_address(b, msid, 1, A);
	bench_take_data(b, msid, 1);
	bench_take_nothing(b);
}

static void
finish(struct bench *b, uint32_t msid)
{
	assert_int_equal(bench_ack(b, A, msid, 0), PMUL_OK);
	bench_take_address(b, msid, 0);
}

/* The timer of a new message runs so long. */
static void
expect_interval(struct bench *b, uint32_t msid, uint64_t us)
{
	pass(b, msid);
	bench_pass(b, us - 1);
	bench_take_nothing(b);
	bench_pass(b, 1);
	bench_take_address(b, msid, 1, A);
	bench_take_data(b, msid, 1);
}

static void
test_measured_acks_shorten_the_retransmission_time(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	pass(&b, 1);
	bench_pass(&b, 600000);
	finish(&b, 1);
	expect_interval(&b, 2, 1800000);
	bench_stop(&b);
}

static void
test_it_stays_between_its_limits(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	expect_interval(&b, 1, 10 * SECOND);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 1), PMUL_OK);
	bench_take(&b, PMUL_DISCARD);
	pass(&b, 2);
	bench_pass(&b, 1000);
	finish(&b, 2);
	expect_interval(&b, 3, 1 * SECOND);
	bench_stop(&b);
}

static void
test_an_ack_repeated_long_after_is_no_measurement(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	pass(&b, 1);
	bench_pass(&b, 600000);
	finish(&b, 1);
	pass(&b, 2);
	/* Our timers are late, and so is the Ack: it is a second one. */
	b.now.mono.us += 10 * SECOND + 1;
	assert_int_equal(bench_ack(&b, A, 2, 0), PMUL_OK);
	bench_take_address(&b, 2, 0);
	expect_interval(&b, 3, 1800000);
	bench_stop(&b);
}

static void
test_it_leaves_room_for_the_delay_of_acks(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	bench_stop(&b);
	b.cfg.ack_delay_us = 4 * SECOND;
	bench_start(&b);
	pass(&b, 1);
	bench_pass(&b, 600000);
	finish(&b, 1);
	expect_interval(&b, 2, 4600000);
	bench_stop(&b);
}

static void
test_an_ack_in_the_middle_of_a_round_is_no_measurement(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	pass(&b, 1);
	bench_pass(&b, 600000);
	finish(&b, 1);
	assert_int_equal(bench_submit(&b, 2, 2, 1, A), PMUL_OK);
	bench_take_address(&b, 2, 1, A);
	bench_take_data(&b, 2, 1);
	bench_take_data(&b, 2, 2);
	bench_pass(&b, 600000);
	assert_int_equal(bench_ack(&b, A, 2, 2, 1, 2), PMUL_OK);
	bench_take_address(&b, 2, 1, A);
	bench_take_data(&b, 2, 1);
	bench_pass(&b, 5 * SECOND);
	finish(&b, 2);
	/* Twice 0.6 s. */
	expect_interval(&b, 3, 1500000);
	bench_stop(&b);
}

static void
test_without_a_minimum_it_stays_as_configured(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	pass(&b, 1);
	bench_pass(&b, 600000);
	finish(&b, 1);
	expect_interval(&b, 2, 10 * SECOND);
	bench_stop(&b);
}

static void
test_it_backs_off_from_the_measured_time(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	pass(&b, 1);
	bench_pass(&b, 600000);
	finish(&b, 1);
	expect_interval(&b, 2, 1800000);
	bench_pass(&b, 3600000 - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_address(&b, 2, 1, A);
	bench_stop(&b);
}

static void
test_an_ack_that_may_be_to_an_earlier_round_is_no_measurement(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	pass(&b, 1);
	bench_pass(&b, 600000);
	finish(&b, 1);
	/* Repeated after 1.8 s; the Ack may be to either. */
	expect_interval(&b, 2, 1800000);
	bench_pass(&b, 10000);
	finish(&b, 2);
	expect_interval(&b, 3, 1800000);
	bench_stop(&b);
}

static void
test_the_answer_to_a_poll_counts_when_no_other_can_come(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.ack_retx_min_us = 1 * SECOND;
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	b.cfg.polls = 2;
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_take_extra(&b, 1, 1, A);
	/* All of ACK_RE-TRANSMISSION_TIME has passed. */
	bench_pass(&b, 10 * SECOND);
	bench_take_extra(&b, 1, 1, A);
	bench_pass(&b, 700000);
	finish(&b, 1);
	assert_int_equal(bench_submit(&b, 2, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 2, 1, A);
	bench_take_data(&b, 2, 1);
	bench_take_extra(&b, 2, 1, A);
	bench_pass(&b, 2100000 - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_extra(&b, 2, 1, A);
	bench_stop(&b);
}

static void
test_the_timestamp_of_an_ack_tells_which_round_it_answers(void **state)
{
	struct pmul_ack_writer w;
	uint64_t tenths = 99;
	uint8_t buf[64];
	struct bench b;

	(void)state;
	/* At 9.9 s nothing is known; at 0.4 s it answers the second round. */
	for (int i = 0; i < 2; i++) {
		start(&b);
		pass(&b, 1);
		bench_pass(&b, 600000);
		finish(&b, 1);
		expect_interval(&b, 2, 1800000);
		bench_pass(&b, 600000);
		pmul_ack_begin(&w, buf, sizeof(buf), 4, A);
		assert_true(pmul_ack_entry_add(&w, ME, 2, NULL, 0));
		assert_int_equal(
		    bench_input(&b, A, buf, pmul_ack_end(&w, &tenths)),
		    PMUL_OK);
		bench_take_address(&b, 2, 0);
		/* A second sample of 0.6 s makes the bound narrower. */
		expect_interval(&b, 3, i == 0 ? 1800000 : 1500000);
		bench_stop(&b);
		tenths = 4;
	}
}

#define T(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	T(test_nothing_measured_is_the_most),
	T(test_the_bound_follows_the_measurements_within_its_limits),
	T(test_the_least_falls_at_once_and_rises_slowly),
	T(test_measured_acks_shorten_the_retransmission_time),
	T(test_it_stays_between_its_limits),
	T(test_an_ack_repeated_long_after_is_no_measurement),
	T(test_it_leaves_room_for_the_delay_of_acks),
	T(test_an_ack_in_the_middle_of_a_round_is_no_measurement),
	T(test_without_a_minimum_it_stays_as_configured),
	T(test_it_backs_off_from_the_measured_time),
	T(test_an_ack_that_may_be_to_an_earlier_round_is_no_measurement),
	T(test_the_timestamp_of_an_ack_tells_which_round_it_answers),
	T(test_the_answer_to_a_poll_counts_when_no_other_can_come),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

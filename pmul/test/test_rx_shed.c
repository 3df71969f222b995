/*
 * Room for messages that come, at the cost of those that do not come any more.
 */
#include "pmul/test/bench.h"
#include "tests/unit/unit.h"

#define OK(call) assert_int_equal(call, PMUL_OK)

/* Twice the longest interval between two rounds of bench_init(). */
#define LONG (80 * SECOND)

/* Room for two messages; 1 and 2 take it. */
static void
fill(struct bench *b)
{
	bench_init(b);
	b->cfg.rx_messages_max = 2;
	b->cfg.held_messages_max = 1;
	b->cfg.message_max = 12;
	b->cfg.rx_bytes_max = 12;
	bench_start(b);
	OK(bench_address(b, A, 1, 3, 1, ME));
	OK(bench_data(b, A, 1, 1, "12345"));
	OK(bench_address(b, B, 2, 2, 1, ME));
}

static struct pmul_gauges
gauges(const struct bench *b)
{
	struct pmul_gauges g;

	pmul_engine_gauges(b->e, &g);
	return g;
}

static void
test_what_was_silent_for_long_makes_room(void **state)
{
	struct bench b;

	(void)state;
	fill(&b);
	bench_pass(&b, LONG);
	assert_int_equal(bench_address(&b, C, 3, 1, 1, ME), PMUL_EBUSY);
	bench_pass(&b, 1);
	/* What may never be for us moves nothing. */
	assert_int_equal(bench_data(&b, C, 3, 1, "x"), PMUL_EBUSY);
	bench_no_event(&b);
	OK(bench_address(&b, C, 3, 1, 1, ME));
	bench_event(&b, PMUL_EV_LOST, A, 1);
	assert_int_equal(gauges(&b).rx_messages, 2);
	assert_int_equal(gauges(&b).rx_bytes, 0);
	OK(bench_data(&b, C, 3, 1, "three"));
	bench_received(&b, C, 3, "three");
	bench_stop(&b);
}

static void
test_what_is_heard_stays_and_the_longest_silent_goes(void **state)
{
	struct bench b;

	(void)state;
	fill(&b);
	bench_pass(&b, LONG);
	OK(bench_data(&b, A, 1, 1, "12345"));
	bench_pass(&b, 1);
	OK(bench_address(&b, C, 3, 1, 1, ME));
	bench_event(&b, PMUL_EV_LOST, B, 2);
	/* Named again, and new: nobody is silent. */
	assert_int_equal(bench_address(&b, C, 4, 1, 1, ME), PMUL_EBUSY);
	bench_pass(&b, LONG);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	bench_pass(&b, 1);
	OK(bench_address(&b, C, 4, 1, 1, ME));
	bench_event(&b, PMUL_EV_LOST, C, 3);
	OK(bench_data(&b, A, 1, 2, "6"));
	OK(bench_data(&b, A, 1, 3, "7"));
	bench_received(&b, A, 1, "1234567");
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_what_made_room_may_come_again(void **state)
{
	struct bench b;

	(void)state;
	fill(&b);
	bench_pass(&b, LONG + 1);
	OK(bench_address(&b, C, 3, 1, 1, ME));
	bench_event(&b, PMUL_EV_LOST, A, 1);
	OK(bench_data(&b, C, 3, 1, "x"));
	bench_received(&b, C, 3, "x");
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "again"));
	bench_received(&b, A, 1, "again");
	bench_stop(&b);
}

static void
test_octets_of_the_silent_make_room_only_if_they_are_enough(void **state)
{
	struct bench b;

	(void)state;
	fill(&b);
	/* 1 has one octet too few for this, and 2 makes none for itself. */
	OK(bench_data(&b, B, 2, 1, "123456"));
	bench_pass(&b, LONG + 1);
	assert_int_equal(bench_data(&b, B, 2, 2, "1234567"), PMUL_ETOOBIG);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	assert_int_equal(bench_data(&b, B, 2, 2, "12"), PMUL_EBUSY);
	bench_no_event(&b);
	OK(bench_data(&b, B, 2, 2, "7"));
	bench_received(&b, B, 2, "1234567");
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_nothing_goes_that_would_not_be_enough(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.message_max = b.cfg.rx_bytes_max = 12;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "1"));
	bench_pass(&b, LONG + 1);
	OK(bench_address(&b, B, 2, 3, 1, ME));
	OK(bench_data(&b, B, 2, 1, "1234567890"));
	OK(bench_address(&b, C, 3, 2, 1, ME));
	assert_int_equal(bench_data(&b, C, 3, 1, "1234"), PMUL_EBUSY);
	assert_int_equal(bench_data(&b, C, 9, 1, "12"), PMUL_EBUSY);
	bench_no_event(&b);
	OK(bench_data(&b, C, 3, 1, "12"));
	bench_event(&b, PMUL_EV_LOST, A, 1);
	assert_int_equal(gauges(&b).rx_bytes, 12);
	bench_stop(&b);
}

static void
test_octets_of_the_silent_make_room(void **state)
{
	struct bench b;

	(void)state;
	fill(&b);
	OK(bench_data(&b, B, 2, 1, "123456"));
	assert_int_equal(bench_data(&b, B, 2, 2, "789"), PMUL_EBUSY);
	bench_pass(&b, LONG);
	OK(bench_address(&b, B, 2, 2, 1, ME));
	assert_int_equal(bench_data(&b, B, 2, 2, "789"), PMUL_EBUSY);
	/* Data of nobody knows whom moves nothing. */
	bench_pass(&b, 1);
	assert_int_equal(bench_data(&b, C, 9, 1, "789"), PMUL_EBUSY);
	bench_no_event(&b);
	OK(bench_data(&b, B, 2, 2, "789"));
	bench_received(&b, B, 2, "123456789");
	bench_event(&b, PMUL_EV_LOST, A, 1);
	assert_int_equal(gauges(&b).rx_bytes, 0);
	bench_stop(&b);
}

static void
test_a_message_that_waits_for_the_disk_makes_no_room(void **state)
{
	struct pmul_event ev;
	struct bench b;

	(void)state;
	fill(&b);
	OK(bench_data(&b, B, 2, 1, "1"));
	OK(bench_data(&b, B, 2, 2, "2"));
	assert_true(pmul_engine_next_event(b.e, &ev));
	bench_pass(&b, LONG + 1);
	OK(bench_address(&b, C, 3, 1, 1, ME));
	bench_event(&b, PMUL_EV_LOST, A, 1);
	bench_pass(&b, 10 * LONG);
	OK(bench_address(&b, C, 4, 1, 1, ME));
	bench_event(&b, PMUL_EV_LOST, C, 3);
	OK(pmul_engine_stored(b.e, b.now, B, 2));
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(test_##name)

static const struct CMUnitTest tests[] = {
	T(what_was_silent_for_long_makes_room),
	T(what_is_heard_stays_and_the_longest_silent_goes),
	T(what_made_room_may_come_again),
	T(octets_of_the_silent_make_room_only_if_they_are_enough),
	T(nothing_goes_that_would_not_be_enough),
	T(octets_of_the_silent_make_room),
	T(a_message_that_waits_for_the_disk_makes_no_room),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "pmul/pace.h"

#include "pmul/prng.h"
#include "tests/unit/unit.h"

static void
test_unpaced_never_waits(void **state)
{
	struct pmul_pace p;

	(void)state;
	pmul_pace_init(&p, 0, 28);
	for (uint64_t us = 0; us < 10; us++) {
		assert_int_equal(pmul_pace_next(&p).us, 0);
		pmul_pace_sent(&p, (struct pmul_mono){ us }, 1400);
		assert_int_equal(
		    pmul_pace_end(&p, (struct pmul_mono){ us }).us, us);
	}
}

static void
test_overhead_counts_as_air_time(void **state)
{
	struct pmul_pace p;

	(void)state;
	pmul_pace_init(&p, 8000, 28);
	pmul_pace_sent(&p, (struct pmul_mono){ 5000000 }, 72);
	assert_int_equal(pmul_pace_next(&p).us, 5100000);
	assert_int_equal(
	    pmul_pace_end(&p, (struct pmul_mono){ 5000000 }).us, 5100000);
	assert_int_equal(
	    pmul_pace_end(&p, (struct pmul_mono){ 6000000 }).us, 6000000);
}

/* Whatever the sizes: at its schedule each PDU leaves, and not before. */
static void
test_rate_is_exact_and_nothing_leaves_early(void **state)
{
	static const uint32_t rates[] = { 75, 300, 2400, 9600, 56000, 999983 };
	struct pmul_prng prng;

	(void)state;
	pmul_prng_init(&prng, 1);
	for (size_t r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		struct pmul_mono start = { 1000 }, now = start;
		struct pmul_pace p;
		uint64_t bits = 0;

		pmul_pace_init(&p, rates[r], 28);
		for (int i = 0; i < 20000; i++) {
			size_t len = 16 + pmul_prng_below(&prng, 1385);
			/* bits / rate, rounded up, since the start */
			uint64_t due =
			    (bits * 1000000 + rates[r] - 1) / rates[r];

			assert_int_equal(now.us, start.us + due);
			pmul_pace_sent(&p, now, len);
			bits += (len + 28) * 8;
			now = pmul_pace_next(&p);
		}
	}
}

static void
test_coarse_timers_cost_no_rate(void **state)
{
	struct pmul_pace p;
	struct pmul_mono now = { 7000 };

	(void)state;
	pmul_pace_init(&p, 1000000, 28);
	for (int i = 0; i < 1000; i++) {
		pmul_pace_sent(&p, now, 1400);
		/* A loop that counts milliseconds wakes up late. */
		now.us = (pmul_pace_next(&p).us + 999) / 1000 * 1000;
	}
	assert_int_equal(pmul_pace_next(&p).us, 7000 + 1000 * 11424);
}

static void
test_idle_time_is_not_made_up_for(void **state)
{
	struct pmul_pace p;

	(void)state;
	pmul_pace_init(&p, 8000, 0);
	pmul_pace_sent(&p, (struct pmul_mono){ 1000000 }, 100);
	pmul_pace_sent(&p, (struct pmul_mono){ 9000000 }, 100);
	assert_int_equal(pmul_pace_next(&p).us, 9100000);
	pmul_pace_sent(&p, (struct pmul_mono){ 9101001 }, 100);
	assert_int_equal(pmul_pace_next(&p).us, 9201001);
}

static void
test_the_end_of_time_does_not_overflow(void **state)
{
	struct pmul_pace p;

	(void)state;
	pmul_pace_init(&p, 1, 65535);
	pmul_pace_sent(&p, (struct pmul_mono){ UINT64_MAX - 5 }, 65507);
	assert_true(pmul_pace_next(&p).us >= UINT64_MAX - 5);
	assert_true(pmul_pace_next(&p).us < UINT64_MAX);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_unpaced_never_waits),
	cmocka_unit_test(test_overhead_counts_as_air_time),
	cmocka_unit_test(test_rate_is_exact_and_nothing_leaves_early),
	cmocka_unit_test(test_coarse_timers_cost_no_rate),
	cmocka_unit_test(test_idle_time_is_not_made_up_for),
	cmocka_unit_test(test_the_end_of_time_does_not_overflow),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

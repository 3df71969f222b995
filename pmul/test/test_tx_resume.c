/* The sender and restarts: what it hands out, and how it goes on. */
#include "pmul/test/bench.h"

#include "tests/unit/unit.h"

static int
resume(struct bench *b, uint32_t msid, uint32_t rounds, uint32_t emcon_rounds)
{
	static const struct pmul_dest d[] = { { A, 70 }, { B, 71 } };
	static const uint8_t data[160];
	struct pmul_submit s = {
		.msid = msid,
		.priority = 4,
		.expiry = { b->now.wall.s + 3600 },
		.group = 77,
		.dests = d,
		.ndests = 2,
		.data = data,
		.len = sizeof(data),
		.rounds = rounds,
		.emcon_rounds = emcon_rounds,
	};

	return pmul_engine_submit(b->e, b->now, &s);
}

static void
silence(struct bench *b, uint32_t id)
{
	struct pmul_node n = { .id = id, .emcon = true };

	assert_int_equal(pmul_engine_set_node(b->e, b->now, &n), PMUL_OK);
}

static void
saved(struct bench *b, uint32_t msid, uint32_t rounds, uint32_t emcon_rounds)
{
	struct pmul_tx_saved s;

	assert_true(pmul_engine_next_tx_saved(b->e, &s));
	assert_int_equal(s.msid, msid);
	assert_int_equal(s.rounds, rounds);
	assert_int_equal(s.emcon_rounds, emcon_rounds);
}

static void
nothing_saved(struct bench *b)
{
	struct pmul_tx_saved s;

	assert_false(pmul_engine_next_tx_saved(b->e, &s));
}

static void
test_resumed_it_asks_before_it_tells(void **state)
{
	struct pmul_counters c;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	b.cfg.polls = 2;
	bench_start(&b);
	assert_int_equal(resume(&b, 1, 3, 0), PMUL_OK);
	bench_take_extra(&b, 1, 2, A, B);
	assert_int_equal(b.pdu.total, 2);
	bench_take_nothing(&b);
	saved(&b, 1, 4, 0);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.polls, 1);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 1, 2), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 2);
	bench_take_extra(&b, 1, 1, B);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.data_again, 1);
	bench_stop(&b);
}

static void
test_resumed_it_asks_even_without_polls(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	b.cfg.polls = 0;
	bench_start(&b);
	assert_int_equal(resume(&b, 1, 1, 0), PMUL_OK);
	bench_take_extra(&b, 1, 2, A, B);
	bench_take_nothing(&b);
	bench_pass(&b, 10 * SECOND);
	for (int i = 0; i < 2; i++) {
		bench_take_address(&b, 1, 2, A, B);
		bench_take_data(&b, 1, 1);
		bench_take_data(&b, 1, 2);
		bench_take_extra(&b, 1, 2, A, B);
		bench_pass(&b, 40 * SECOND);
	}
	bench_stop(&b);
}

static void
test_resumed_without_extra_address_it_does_as_the_book_says(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(resume(&b, 1, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_resumed_an_ack_is_believed_before_we_have_sent_anything(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(resume(&b, 1, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 0);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	bench_stop(&b);
}

static void
test_resumed_the_repetitions_to_the_silent_go_on_counting(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.emcon_rtc = 3;
	b.cfg.emcon_rti_us = 20 * SECOND;
	bench_start(&b);
	silence(&b, A);
	silence(&b, B);
	assert_int_equal(resume(&b, 1, 3, 2), PMUL_OK);
	bench_take_nothing(&b);
	bench_pass(&b, 20 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	saved(&b, 1, 4, 3);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + (3600 - 20) * SECOND);
	bench_stop(&b);
}

static void
test_resumed_and_expired_it_is_discarded(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.emcon_rtc = 0;
	bench_start(&b);
	silence(&b, A);
	silence(&b, B);
	assert_int_equal(resume(&b, 1, 1, 0), PMUL_OK);
	bench_pass(&b, 3600 * SECOND);
	bench_event(&b, PMUL_EV_GAVE_UP, A, 1);
	bench_event(&b, PMUL_EV_GAVE_UP, B, 1);
	bench_take(&b, PMUL_DISCARD);
	bench_stop(&b);
}

static void
test_counts_that_make_no_sense_are_refused(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(resume(&b, 1, 1, 2), PMUL_EINVAL);
	/* And the largest does not become the first pass. */
	assert_int_equal(resume(&b, 1, UINT32_MAX, 0), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	saved(&b, 1, UINT32_MAX, 0);
	bench_stop(&b);
}

static void
test_each_change_is_handed_out_once(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 2, 1, A), PMUL_OK);
	assert_int_equal(bench_submit(&b, 2, 1, 1, A), PMUL_OK);
	nothing_saved(&b);
	bench_take_address(&b, 1, 1, A);
	saved(&b, 1, 1, 0);
	nothing_saved(&b);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	bench_take_address(&b, 2, 1, A);
	bench_take_data(&b, 2, 1);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 1, A);
	bench_pass(&b, 10 * SECOND);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	bench_take_address(&b, 2, 1, A);
	/* The latest only. */
	saved(&b, 2, 2, 0);
	saved(&b, 1, 2, 0);
	nothing_saved(&b);
	bench_stop(&b);
}

static void
test_nothing_is_handed_out_of_what_has_ended(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	for (uint32_t id = 1; id <= 3; id++) {
		assert_int_equal(bench_submit(&b, id, 1, 1, A), PMUL_OK);
		bench_take_address(&b, id, 1, A);
		bench_take_data(&b, id, 1);
	}
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 2), PMUL_OK);
	saved(&b, 3, 1, 0);
	nothing_saved(&b);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	T(test_resumed_it_asks_before_it_tells),
	T(test_resumed_it_asks_even_without_polls),
	T(test_resumed_without_extra_address_it_does_as_the_book_says),
	T(test_resumed_an_ack_is_believed_before_we_have_sent_anything),
	T(test_resumed_the_repetitions_to_the_silent_go_on_counting),
	T(test_resumed_and_expired_it_is_discarded),
	T(test_counts_that_make_no_sense_are_refused),
	T(test_each_change_is_handed_out_once),
	T(test_nothing_is_handed_out_of_what_has_ended),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

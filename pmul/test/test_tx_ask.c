/* The sender asks before it tells again: Extra_Address_PDUs and polls. */
#include "pmul/test/bench.h"

#include "tests/unit/unit.h"

static void
start(struct bench *b)
{
	bench_init(b);
	b->cfg.extra_address = PMUL_EXTRA_ALWAYS;
	b->cfg.polls = 2;
	bench_start(b);
}

/* Message 1 of `pdus` to A and B, its first pass taken. */
static void
first_pass(struct bench *b, unsigned pdus)
{
	assert_int_equal(bench_submit(b, 1, pdus, 2, A, B), PMUL_OK);
	bench_take_address(b, 1, 2, A, B);
	for (unsigned i = 1; i <= pdus; i++)
		bench_take_data(b, 1, i);
	bench_take_extra(b, 1, 2, A, B);
	bench_take_nothing(b);
}

static void
test_every_round_ends_with_an_extra_address_pdu(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 3);
	assert_int_equal(b.pdu.total, 3);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 2);
	bench_take_extra(&b, 1, 1, A);
	assert_true(b.pdu.first && b.pdu.last);
	assert_int_equal(pmul_pdu_dest(&b.pdu, 0).seq, 70);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_only_repeats_end_with_an_extra_address_pdu_if_so_configured(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_REPEATS;
	b.cfg.polls = 1;
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 2, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	/* B lost the last, and says nothing: it is asked, not told again. */
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_pass(&b, 10 * SECOND);
	bench_take_extra(&b, 1, 1, B);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, B, 1, 1, 2), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 2);
	bench_take_extra(&b, 1, 1, B);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_the_timer_counts_from_the_extra_address_pdu(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	b.cfg.bit_rate = 8000; /* an octet per millisecond */
	b.cfg.overhead_bytes = 0;
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_pass(&b, 32000);
	bench_take_data(&b, 1, 1);
	bench_pass(&b, 93000);
	bench_take_extra(&b, 1, 1, A);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 32000 + 10 * SECOND);
	bench_stop(&b);
}

static void
test_the_extra_set_names_who_is_incomplete_when_it_leaves(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 4);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 1, 3), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 3);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_extra(&b, 1, 1, B);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_round_whose_destinations_completed_asks_nobody(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 4);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 2);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_never_heard_is_asked_polls_times_before_everything_is_repeated(
    void **state)
{
	struct bench b;
	struct pmul_counters c;

	(void)state;
	start(&b);
	first_pass(&b, 3);
	for (int again = 1; again <= 2; again++) {
		for (int i = 0; i < 2; i++) {
			bench_pass(&b, 40 * SECOND);
			bench_take_extra(&b, 1, 2, A, B);
			bench_take_nothing(&b);
		}
		bench_pass(&b, 40 * SECOND);
		bench_take_address(&b, 1, 2, A, B);
		for (unsigned i = 1; i <= 3; i++)
			bench_take_data(&b, 1, i);
		bench_take_extra(&b, 1, 2, A, B);
		bench_take_nothing(&b);
		pmul_engine_counters(b.e, &c);
		assert_int_equal(c.polls, 2 * again);
		assert_int_equal(c.rounds, 3 * again);
		assert_int_equal(c.data_again, 3 * again);
	}
	bench_stop(&b);
}

static void
test_polls_back_off_like_any_round(void **state)
{
	static const uint64_t intervals[] = { 10, 20 };
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 1);
	for (size_t i = 0; i < 2; i++) {
		bench_pass(&b, intervals[i] * SECOND - 1);
		bench_take_nothing(&b);
		bench_pass(&b, 1);
		bench_take_extra(&b, 1, 2, A, B);
	}
	bench_stop(&b);
}

static void
test_a_poll_names_only_those_that_did_not_respond(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 3);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_pass(&b, 10 * SECOND);
	bench_take_extra(&b, 1, 1, B);
	assert_int_equal(b.pdu.total, 3);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, B, 1, 1, 3), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 3);
	bench_take_extra(&b, 1, 1, B);
	bench_stop(&b);
}

static void
test_the_union_goes_out_and_one_never_heard_is_asked_with_it(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 4);
	assert_int_equal(bench_ack(&b, A, 1, 2, 2, 4), PMUL_OK);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 4);
	bench_take_extra(&b, 1, 2, A, B);
	bench_take_nothing(&b);
	/* It counts as a poll of B: one is left. */
	bench_pass(&b, 20 * SECOND);
	bench_take_extra(&b, 1, 2, A, B);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, A, 1, 1, 4), PMUL_OK);
	bench_pass(&b, 40 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	for (unsigned i = 1; i <= 4; i++)
		bench_take_data(&b, 1, i);
	bench_take_extra(&b, 1, 2, A, B);
	bench_stop(&b);
}

static void
test_numbers_asked_for_wait_for_the_others_acks_but_not_longer(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	b.cfg.polls = 9;
	b.cfg.ack_delay_us = 3 * SECOND;
	bench_start(&b);
	first_pass(&b, 4);
	bench_pass(&b, SECOND / 2);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	/* Half a second there and back, and up to three of delay. */
	bench_pass(&b, 3 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 2);
	bench_take_extra(&b, 1, 2, A, B);
	/* Nobody's interval has grown for that. */
	bench_pass(&b, 10 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_extra(&b, 1, 2, A, B);
	/* For this it has. */
	bench_pass(&b, 20 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_extra(&b, 1, 2, A, B);
	bench_stop(&b);
}

static void
test_an_old_list_is_asked_about_before_it_is_sent_again(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	first_pass(&b, 4);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 2, 1, 3), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 3);
	bench_take_extra(&b, 1, 1, B);
	bench_pass(&b, 10 * SECOND);
	bench_take_extra(&b, 1, 1, B);
	bench_pass(&b, 20 * SECOND);
	bench_take_extra(&b, 1, 1, B);
	bench_pass(&b, 40 * SECOND);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 3);
	bench_take_extra(&b, 1, 1, B);
	bench_stop(&b);
}

static void
test_no_polls_means_the_book_with_an_extra_address_pdu(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	b.cfg.polls = 0;
	bench_start(&b);
	first_pass(&b, 2);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	bench_take_extra(&b, 1, 2, A, B);
	bench_stop(&b);
}

static void
test_without_extra_address_there_is_none_and_no_poll(void **state)
{
	struct bench b;
	struct pmul_counters c;

	(void)state;
	bench_init(&b);
	b.cfg.polls = 9;
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	for (int i = 0; i < 3; i++) {
		bench_take_address(&b, 1, 1, A);
		bench_take_data(&b, 1, 1);
		bench_take_nothing(&b);
		bench_pass(&b, 40 * SECOND);
	}
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.polls, 0);
	bench_stop(&b);
}

static void
test_silent_destinations_are_named_but_never_polled(void **state)
{
	struct bench b;
	struct pmul_node silent = { .id = B, .emcon = true };

	(void)state;
	start(&b);
	assert_int_equal(pmul_engine_set_node(b.e, b.now, &silent), PMUL_OK);
	first_pass(&b, 2);
	bench_pass(&b, 10 * SECOND);
	bench_take_extra(&b, 1, 1, A);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, A, 1, 1, 1), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_extra(&b, 1, 2, A, B);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	/* EMCON_RTI, 30 s from the first pass: nobody there who could answer. */
	bench_pass(&b, 20 * SECOND);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_long_list_is_split_in_both_sets(void **state)
{
	struct bench b;
	struct pmul_dest d[12];
	struct pmul_submit s = {
		.msid = 1,
		.expiry = { BENCH_WALL + 60 },
		.group = 77,
		.dests = d,
		.ndests = 12,
		.data = "x",
		.len = 1,
	};

	(void)state;
	start(&b);
	for (uint32_t i = 0; i < 12; i++)
		d[i] = (struct pmul_dest){ 100 + i, 1 };
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_OK);
	bench_take_address(
	    &b, 1, 9, 100, 101, 102, 103, 104, 105, 106, 107, 108);
	assert_true(b.pdu.first && !b.pdu.last);
	bench_take_address(&b, 1, 3, 109, 110, 111);
	assert_true(!b.pdu.first && b.pdu.last);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, 103, 1, 0), PMUL_OK);
	bench_take_extra(&b, 1, 9, 100, 101, 102, 104, 105, 106, 107, 108, 109);
	assert_true(b.pdu.first && !b.pdu.last);
	/* Completed between the two: named all the same. */
	assert_int_equal(bench_ack(&b, 110, 1, 0), PMUL_OK);
	bench_take_extra(&b, 1, 2, 110, 111);
	assert_true(!b.pdu.first && b.pdu.last);
	bench_take_nothing(&b);
	bench_stop(&b);
}

/* Message 1 to B alone, who lacks 1 and 2 of 3 and is served; it takes 1 s. */
static void
served_once(struct bench *b)
{
	start(b);
	first_pass(b, 3);
	bench_pass(b, SECOND);
	assert_int_equal(bench_ack(b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(b, B, 1, 2, 1, 2), PMUL_OK);
	bench_take_address(b, 1, 1, B);
	bench_take_data(b, 1, 1);
	bench_take_data(b, 1, 2);
	bench_take_extra(b, 1, 1, B);
	bench_take_nothing(b);
}

static void
test_the_same_list_again_is_no_response_until_time_has_told(void **state)
{
	struct bench b;

	(void)state;
	served_once(&b);
	/* Its second word on the round before, or both lost again. */
	bench_pass(&b, SECOND - 1);
	assert_int_equal(bench_ack(&b, B, 1, 2, 1, 2), PMUL_OK);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	bench_take_extra(&b, 1, 1, B);
	/* Now it has not said anything, and is asked. */
	bench_pass(&b, 10 * SECOND);
	bench_take_extra(&b, 1, 1, B);
	bench_stop(&b);
}

static void
test_a_shorter_list_is_a_response_if_it_can_be_one_already(void **state)
{
	struct bench b;

	(void)state;
	served_once(&b);
	bench_pass(&b, SECOND / 2 - 1);
	assert_int_equal(bench_ack(&b, B, 1, 1, 2), PMUL_OK);
	bench_take_nothing(&b);
	bench_stop(&b);
	served_once(&b);
	bench_pass(&b, SECOND / 2);
	assert_int_equal(bench_ack(&b, B, 1, 1, 2), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 2);
	bench_take_extra(&b, 1, 1, B);
	bench_stop(&b);
}

static void
test_to_a_question_the_same_list_is_an_answer(void **state)
{
	struct bench b;

	(void)state;
	served_once(&b);
	bench_pass(&b, 10 * SECOND);
	bench_take_extra(&b, 1, 1, B);
	assert_int_equal(bench_ack(&b, B, 1, 2, 1, 2), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	bench_take_extra(&b, 1, 1, B);
	bench_stop(&b);
}

static void
test_at_the_end_of_the_first_pass_the_same_list_is_an_answer(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_submit(&b, 1, 3, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	/* T3, and then T1. */
	assert_int_equal(bench_ack(&b, A, 1, 1, 1), PMUL_OK);
	bench_take_data(&b, 1, 3);
	bench_take_extra(&b, 1, 1, A);
	assert_int_equal(bench_ack(&b, A, 1, 1, 1), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_take_extra(&b, 1, 1, A);
	bench_stop(&b);
}

static void
test_everything_is_sent_until_the_last_unheard_has_spoken(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 5, 2, A, B), PMUL_OK);
	for (int i = 0; i < 6; i++)
		bench_take(&b, i == 0 ? PMUL_ADDRESS : PMUL_DATA);
	assert_int_equal(bench_ack(&b, A, 1, 1, 4), PMUL_OK);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, B, 1, 2, 1, 3), PMUL_OK);
	bench_take_data(&b, 1, 3);
	bench_take_data(&b, 1, 4);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_no_question_to_the_silent_alone(void **state)
{
	struct bench b;
	struct pmul_node silent = { .id = B, .emcon = true };

	(void)state;
	start(&b);
	assert_int_equal(pmul_engine_set_node(b.e, b.now, &silent), PMUL_OK);
	assert_int_equal(bench_submit(&b, 1, 2, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_data(&b, 1, 2);
	/* But A hears that its Ack has arrived. */
	bench_take_address(&b, 1, 1, B);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_once_all_have_responded_nothing_is_backed_off_any_more(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, A, 1, 1, 1), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_pass(&b, 10 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_address(&b, 1, 1, A);
	bench_stop(&b);
}

static void
test_what_is_asked_for_during_the_extra_set_waits_for_the_next_round(
    void **state)
{
	struct bench b;
	struct pmul_dest d[10];
	uint8_t data[160] = { 0 };
	struct pmul_submit s = {
		.msid = 1,
		.expiry = { BENCH_WALL + 60 },
		.group = 77,
		.dests = d,
		.ndests = 10,
		.data = data,
		.len = sizeof(data),
	};

	(void)state;
	start(&b);
	for (uint32_t i = 0; i < 10; i++)
		d[i] = (struct pmul_dest){ 100 + i, 1 };
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_OK);
	for (int i = 0; i < 6; i++)
		bench_take(&b, i < 2   ? PMUL_ADDRESS
			       : i < 4 ? PMUL_DATA
				       : PMUL_EXTRA_ADDRESS);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(bench_ack(&b, 100 + i, 1, 1, 1), PMUL_OK);
	bench_take(&b, PMUL_ADDRESS);
	bench_take(&b, PMUL_ADDRESS);
	bench_take_data(&b, 1, 1);
	bench_take(&b, PMUL_EXTRA_ADDRESS);
	assert_int_equal(bench_ack(&b, 105, 1, 1, 2), PMUL_OK);
	bench_take(&b, PMUL_EXTRA_ADDRESS);
	assert_true(b.pdu.last);
	bench_take_nothing(&b);
	/* But it was a response: when the others have, it is served. */
	for (uint32_t i = 0; i < 10; i++)
		if (i != 5)
			assert_int_equal(bench_ack(&b, 100 + i, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 1, 105);
	bench_take_data(&b, 1, 2);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	T(test_every_round_ends_with_an_extra_address_pdu),
	T(test_only_repeats_end_with_an_extra_address_pdu_if_so_configured),
	T(test_the_timer_counts_from_the_extra_address_pdu),
	T(test_the_extra_set_names_who_is_incomplete_when_it_leaves),
	T(test_a_round_whose_destinations_completed_asks_nobody),
	T(test_never_heard_is_asked_polls_times_before_everything_is_repeated),
	T(test_polls_back_off_like_any_round),
	T(test_a_poll_names_only_those_that_did_not_respond),
	T(test_the_union_goes_out_and_one_never_heard_is_asked_with_it),
	T(test_numbers_asked_for_wait_for_the_others_acks_but_not_longer),
	T(test_an_old_list_is_asked_about_before_it_is_sent_again),
	T(test_no_polls_means_the_book_with_an_extra_address_pdu),
	T(test_without_extra_address_there_is_none_and_no_poll),
	T(test_silent_destinations_are_named_but_never_polled),
	T(test_no_question_to_the_silent_alone),
	T(test_once_all_have_responded_nothing_is_backed_off_any_more),
	T(test_what_is_asked_for_during_the_extra_set_waits_for_the_next_round),
	T(test_a_long_list_is_split_in_both_sets),
	T(test_the_same_list_again_is_no_response_until_time_has_told),
	T(test_a_shorter_list_is_a_response_if_it_can_be_one_already),
	T(test_to_a_question_the_same_list_is_an_answer),
	T(test_at_the_end_of_the_first_pass_the_same_list_is_an_answer),
	T(test_everything_is_sent_until_the_last_unheard_has_spoken),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

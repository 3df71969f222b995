/* The sender and silence: destinations in EMCON, and our own. */
#include "pmul/test/bench.h"

#include "tests/unit/unit.h"

static void
flag(struct bench *b, uint32_t id, bool emcon)
{
	struct pmul_node n = { .id = id, .emcon = emcon };

	assert_int_equal(pmul_engine_set_node(b->e, b->now, &n), PMUL_OK);
}

static void
start(struct bench *b)
{
	bench_init(b);
	b->cfg.emcon_rtc = 2;
	b->cfg.emcon_rti_us = 15 * SECOND;
	bench_start(b);
}

static void
take_pdus(struct bench *b, uint32_t msid, unsigned first, unsigned last)
{
	for (; first <= last; first++)
		bench_take_data(b, msid, first);
}

static void
left_emcon(struct bench *b, uint32_t id)
{
	struct pmul_event ev;

	assert_true(pmul_engine_next_event(b->e, &ev));
	assert_int_equal(ev.type, PMUL_EV_EMCON_LEFT);
	assert_int_equal(ev.peer, id);
}

static void
test_silent_destinations_get_rtc_repetitions_rti_apart_then_silence(
    void **state)
{
	struct bench b;
	struct pmul_counters c;

	(void)state;
	start(&b);
	flag(&b, A, true);
	assert_int_equal(bench_submit(&b, 1, 2, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	take_pdus(&b, 1, 1, 2);
	for (int i = 0; i < 2; i++) {
		bench_pass(&b, 15 * SECOND - 1);
		bench_take_nothing(&b);
		bench_pass(&b, 1);
		bench_take_address(&b, 1, 1, A);
		take_pdus(&b, 1, 1, 2);
		bench_take_nothing(&b);
	}
	/* Nothing but the expiry is left. */
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + (3600 - 30) * SECOND);
	bench_pass(&b, (3600 - 31) * SECOND);
	bench_take_nothing(&b);
	bench_no_event(&b);
	bench_pass(&b, 1 * SECOND);
	bench_event(&b, PMUL_EV_GAVE_UP, A, 1);
	bench_take(&b, PMUL_DISCARD);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.emcon_rounds, 2);
	assert_int_equal(c.rounds, 2);
	bench_stop(&b);
}

static void
test_no_repetition_at_all_with_rtc_zero(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.emcon_rtc = 0;
	bench_start(&b);
	flag(&b, A, true);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 3600 * SECOND);
	bench_stop(&b);
}

static void
test_both_timers_run_and_emcon_rounds_name_the_silent_only(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	flag(&b, B, true);
	flag(&b, C, true);
	assert_int_equal(bench_submit(&b, 1, 2, 3, A, B, C), PMUL_OK);
	bench_take_address(&b, 1, 3, A, B, C);
	take_pdus(&b, 1, 1, 2);
	/* At 10 s those that can answer, at 15 s those that cannot. */
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 3, A, B, C);
	take_pdus(&b, 1, 1, 2);
	bench_pass(&b, 5 * SECOND);
	bench_take_address(&b, 1, 2, B, C);
	take_pdus(&b, 1, 1, 2);
	bench_take_nothing(&b);
	/* The timer of A ran on: 20 s from 10 s. */
	bench_pass(&b, 15 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	/* Both are due at 30 s: first those that answer. */
	bench_take_address(&b, 1, 3, A, B, C);
	take_pdus(&b, 1, 1, 2);
	bench_take_address(&b, 1, 2, B, C);
	take_pdus(&b, 1, 1, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_message_with_only_silent_ones_left_waits_for_expiry(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.emcon_rtc = 0;
	bench_start(&b);
	flag(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 2, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	take_pdus(&b, 1, 1, 2);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 10 * SECOND);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	/* A learns from not being named that its Ack arrived. */
	bench_take_address(&b, 1, 1, B);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 3600 * SECOND);
	bench_pass(&b, 3000 * SECOND);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_the_first_pass_goes_on_for_the_silent_alone(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	flag(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 3, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	take_pdus(&b, 1, 2, 3);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_repetition_ends_when_the_last_it_is_for_completes(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	flag(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 3, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	take_pdus(&b, 1, 1, 3);
	assert_int_equal(bench_ack(&b, A, 1, 2, 1, 2), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_nothing(&b);
	/* B's time counts from the end of the first pass. */
	bench_pass(&b, 15 * SECOND);
	bench_take_address(&b, 1, 1, B);
	take_pdus(&b, 1, 1, 3);
	bench_stop(&b);
}

static void
test_an_ack_ends_the_flag_and_makes_an_ordinary_destination(void **state)
{
	struct bench b;
	struct pmul_tx_progress p[2];
	uint32_t total, sent, rounds;

	(void)state;
	start(&b);
	flag(&b, A, true);
	flag(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 5, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	take_pdus(&b, 1, 1, 5);
	pmul_engine_tx_progress(b.e, 1, &total, &sent, &rounds, p, 2);
	assert_true(p[0].emcon && p[1].emcon);
	assert_int_equal(bench_ack(&b, A, 1, 2, 2, 4), PMUL_OK);
	left_emcon(&b, A);
	bench_no_event(&b);
	assert_false(pmul_engine_node(b.e, A).emcon);
	assert_true(pmul_engine_node(b.e, B).emcon);
	pmul_engine_tx_progress(b.e, 1, &total, &sent, &rounds, p, 2);
	assert_true(!p[0].emcon && p[1].emcon);
	/* All that can answer have: at once. */
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 4);
	bench_take_nothing(&b);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 4);
	/* Said once only, and an empty list does as well. */
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	left_emcon(&b, B);
	bench_take_address(&b, 1, 0);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	bench_stop(&b);
}

static void
test_an_ack_in_a_repetition_ends_it_and_is_served_at_once(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	flag(&b, A, true);
	assert_int_equal(bench_submit(&b, 1, 4, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	take_pdus(&b, 1, 1, 4);
	bench_pass(&b, 15 * SECOND);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, A, 1, 1, 3), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 3);
	bench_take_nothing(&b);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 10 * SECOND);
	bench_stop(&b);
}

static void
test_one_ack_ends_the_flag_in_every_message_without_asking(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	flag(&b, A, true);
	for (uint32_t id = 1; id <= 2; id++) {
		assert_int_equal(bench_submit(&b, id, 1, 1, A), PMUL_OK);
		bench_take_address(&b, id, 1, A);
		bench_take_data(&b, id, 1);
	}
	bench_pass(&b, 2 * SECOND);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 0);
	/* It owes an Ack for the second too, and will say so itself. */
	bench_take_nothing(&b);
	bench_pass(&b, 10 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_address(&b, 2, 1, A);
	bench_take_data(&b, 2, 1);
	bench_stop(&b);
}

static void
test_an_ack_that_says_nothing_ends_the_flag_and_is_waited_on(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	flag(&b, A, true);
	assert_int_equal(bench_submit(&b, 1, 2, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	take_pdus(&b, 1, 1, 2);
	assert_int_equal(bench_ack(&b, A, 1, 1, 99), PMUL_OK);
	left_emcon(&b, A);
	bench_take_nothing(&b);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 1, A);
	take_pdus(&b, 1, 1, 2);
	bench_stop(&b);
}

static void
test_a_late_ack_of_a_finished_message_ends_the_flag(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 0);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	flag(&b, A, true);
	/* About nothing of ours: proves nothing. */
	assert_int_equal(bench_ack(&b, A, 7, 0), PMUL_OK);
	assert_true(pmul_engine_node(b.e, A).emcon);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	left_emcon(&b, A);
	assert_false(pmul_engine_node(b.e, A).emcon);
	bench_stop(&b);
}

static void
test_repetitions_send_what_has_not_been_acknowledged(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_submit(&b, 1, 6, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	take_pdus(&b, 1, 1, 6);
	/* 1 and 3 it has; of 5 and 6 we know nothing. */
	assert_int_equal(bench_ack(&b, A, 1, 2, 2, 4), PMUL_OK);
	flag(&b, A, true);
	bench_take_nothing(&b);
	bench_pass(&b, 15 * SECOND);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 2);
	take_pdus(&b, 1, 4, 6);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_flagged_in_flight_it_is_not_waited_for(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_submit(&b, 1, 3, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	take_pdus(&b, 1, 1, 3);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	bench_take_nothing(&b);
	bench_pass(&b, 3 * SECOND);
	flag(&b, B, true);
	/* A was the last: its round, and not everything for B. */
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	bench_pass(&b, 15 * SECOND);
	bench_take_address(&b, 1, 1, B);
	take_pdus(&b, 1, 1, 3);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_flagged_in_a_round_the_rest_is_not_sent_for_it(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_submit(&b, 1, 5, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	take_pdus(&b, 1, 1, 5);
	assert_int_equal(bench_ack(&b, A, 1, 2, 2, 4), PMUL_OK);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	flag(&b, B, true);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 4);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_the_flag_taken_away_asks_at_once(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	flag(&b, A, true);
	assert_int_equal(bench_submit(&b, 1, 2, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	take_pdus(&b, 1, 1, 2);
	bench_pass(&b, 2 * SECOND);
	flag(&b, A, false);
	bench_no_event(&b);
	bench_take_address(&b, 1, 1, A);
	take_pdus(&b, 1, 1, 2);
	bench_take_nothing(&b);
	/* And from now on like any other. */
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 1, A);
	take_pdus(&b, 1, 1, 2);
	bench_stop(&b);
}

static void
test_the_flag_taken_away_in_the_first_pass_is_waited_for(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	flag(&b, A, true);
	assert_int_equal(bench_submit(&b, 1, 2, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	flag(&b, A, false);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 10 * SECOND);
	bench_stop(&b);
}

/* --- our own ----------------------------------------------------------------- */

static void
emcon(struct bench *b, bool on)
{
	pmul_engine_set_emcon(b->e, b->now, on);
	assert_int_equal(pmul_engine_emcon(b->e), on);
}

static void
test_own_emcon_sends_nothing_and_does_not_spin(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	emcon(&b, true);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 3600 * SECOND);
	emcon(&b, false);
	assert_int_equal(pmul_engine_deadline(b.e).us, b.now.mono.us);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_stop(&b);
}

static void
test_own_emcon_interrupts_a_round_between_two_pdus(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_submit(&b, 1, 2, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	emcon(&b, true);
	bench_pass(&b, 100 * SECOND);
	bench_take_nothing(&b);
	emcon(&b, false);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_round_due_in_own_emcon_waits_and_does_not_count(void **state)
{
	struct bench b;
	struct pmul_counters c;

	(void)state;
	start(&b);
	flag(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 1, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	emcon(&b, true);
	bench_pass(&b, 1000 * SECOND);
	bench_take_nothing(&b);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.rounds, 0);
	assert_int_equal(c.emcon_rounds, 0);
	/* An Ack is heard all the same. */
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	emcon(&b, false);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_nothing(&b);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.emcon_rounds, 1);
	bench_stop(&b);
}

static void
test_never_sent_in_own_emcon_expires_without_discard(void **state)
{
	struct bench b;

	(void)state;
	start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	emcon(&b, true);
	assert_int_equal(bench_submit(&b, 2, 1, 1, A), PMUL_OK);
	bench_pass(&b, 3600 * SECOND);
	bench_event(&b, PMUL_EV_GAVE_UP, A, 1);
	bench_event(&b, PMUL_EV_GAVE_UP, A, 2);
	bench_event(&b, PMUL_EV_DONE, 0, 2);
	bench_no_event(&b);
	bench_take_nothing(&b);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	/* Of the first something was sent: it is discarded, later. */
	emcon(&b, false);
	bench_take(&b, PMUL_DISCARD);
	assert_int_equal(b.pdu.msid, 1);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_who_would_repeat_his_ack_is_told_that_it_arrived(void **state)
{
	struct pmul_counters c;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.emcon_rti_us = b.cfg.ack_pdu_us + 1;
	bench_start(&b);
	flag(&b, C, true);
	assert_int_equal(bench_submit(&b, 1, 2, 3, A, B, C), PMUL_OK);
	bench_take_address(&b, 1, 3, A, B, C);
	take_pdus(&b, 1, 1, 2);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 1, C);
	bench_take_nothing(&b);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.rounds, 0);
	assert_int_equal(c.emcon_rounds, 0);
	/* The repetitions are as many, and when, as ever. */
	bench_pass(&b, b.cfg.ack_pdu_us + 1);
	bench_take_address(&b, 1, 1, C);
	take_pdus(&b, 1, 1, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_nobody_is_told_who_does_not_repeat_or_will_see_soon(void **state)
{
	struct bench b;

	(void)state;
	for (int i = 0; i < 2; i++) {
		bench_init(&b);
		b.cfg.emcon_rti_us = b.cfg.ack_pdu_us + (i == 0);
		b.cfg.ack_pdu_repeats = i == 0 ? 0 : 2;
		bench_start(&b);
		flag(&b, B, true);
		assert_int_equal(bench_submit(&b, 1, 1, 2, A, B), PMUL_OK);
		bench_take_address(&b, 1, 2, A, B);
		bench_take_data(&b, 1, 1);
		assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
		bench_take_nothing(&b);
		bench_stop(&b);
	}
}

#define T(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	T(test_silent_destinations_get_rtc_repetitions_rti_apart_then_silence),
	T(test_no_repetition_at_all_with_rtc_zero),
	T(test_both_timers_run_and_emcon_rounds_name_the_silent_only),
	T(test_a_message_with_only_silent_ones_left_waits_for_expiry),
	T(test_the_first_pass_goes_on_for_the_silent_alone),
	T(test_a_repetition_ends_when_the_last_it_is_for_completes),
	T(test_an_ack_ends_the_flag_and_makes_an_ordinary_destination),
	T(test_an_ack_in_a_repetition_ends_it_and_is_served_at_once),
	T(test_one_ack_ends_the_flag_in_every_message_without_asking),
	T(test_an_ack_that_says_nothing_ends_the_flag_and_is_waited_on),
	T(test_a_late_ack_of_a_finished_message_ends_the_flag),
	T(test_repetitions_send_what_has_not_been_acknowledged),
	T(test_flagged_in_flight_it_is_not_waited_for),
	T(test_flagged_in_a_round_the_rest_is_not_sent_for_it),
	T(test_the_flag_taken_away_asks_at_once),
	T(test_the_flag_taken_away_in_the_first_pass_is_waited_for),
	T(test_who_would_repeat_his_ack_is_told_that_it_arrived),
	T(test_nobody_is_told_who_does_not_repeat_or_will_see_soon),
	T(test_own_emcon_sends_nothing_and_does_not_spin),
	T(test_own_emcon_interrupts_a_round_between_two_pdus),
	T(test_a_round_due_in_own_emcon_waits_and_does_not_count),
	T(test_never_sent_in_own_emcon_expires_without_discard),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

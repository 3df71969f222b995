/*
 * The receiver's rules: ACP 142, the rows of the tables for Address_PDU,
 * Data_PDU and Discard.  When it acknowledges: test_rx_ack.c.
 */
#include "pmul/test/bench.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define OK(call) assert_int_equal(call, PMUL_OK)

static void
started(struct bench *b)
{
	bench_init(b);
	bench_start(b);
}

static struct pmul_gauges
gauges(const struct bench *b)
{
	struct pmul_gauges g;

	pmul_engine_gauges(b->e, &g);
	return g;
}

/* Message 1 of A, "onetwo", received and acknowledged. */
static void
received_and_acked(struct bench *b)
{
	started(b);
	OK(bench_address(b, A, 1, 2, 2, B, ME));
	OK(bench_data(b, A, 1, 1, "one"));
	OK(bench_data(b, A, 1, 2, "two"));
	bench_received(b, A, 1, "onetwo");
	bench_pass(b, 0);
	bench_take_ack(b, A, 1, 0);
	bench_take_nothing(b);
}

/* --- Address_PDU --------------------------------------------------------- */

static void
test_unknown_not_listed_is_dropped_and_its_data_is_not_held(void **state)
{
	struct bench b;
	struct pmul_counters c;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 2, B, C));
	OK(bench_data(&b, A, 1, 1, "one"));
	assert_int_equal(gauges(&b).rx_messages, 0);
	assert_int_equal(gauges(&b).rx_bytes, 0);
	bench_no_event(&b);
	bench_take_nothing(&b);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.not_for_us, 2);
	bench_stop(&b);
}

static void
test_unknown_not_listed_drops_held_data(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_data(&b, A, 1, 1, "one"));
	assert_int_equal(gauges(&b).held_messages, 1);
	OK(bench_address(&b, A, 1, 2, 2, B, C));
	assert_int_equal(gauges(&b).held_messages, 0);
	assert_int_equal(gauges(&b).rx_bytes, 0);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_unknown_listed_without_data_waits(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 2, B, ME));
	assert_int_equal(gauges(&b).rx_messages, 1);
	assert_int_equal(gauges(&b).held_messages, 0);
	bench_pass(&b, 40 * SECOND - 1);
	bench_take_nothing(&b);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_unknown_listed_with_data_held_is_complete_at_once(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_data(&b, A, 1, 2, "two"));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_no_event(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	bench_received(&b, A, 1, "onetwo");
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

static void
test_held_data_with_the_last_number_is_answered_when_named(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_data(&b, A, 1, 3, "three"));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 2);
	bench_stop(&b);
}

static void
test_acked_and_not_listed_stops_repeating(void **state)
{
	struct bench b;

	(void)state;
	received_and_acked(&b);
	OK(bench_address(&b, A, 1, 2, 1, B));
	bench_pass(&b, 1000 * SECOND);
	bench_take_nothing(&b);
	/* And data for others is not answered either. */
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_acked_and_listed_acks_again(void **state)
{
	struct bench b;

	(void)state;
	received_and_acked(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_take_nothing(&b);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_incomplete_and_listed_begins_a_round_and_keeps_waiting(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	/* The last PDU is lost: silent, until T6. */
	bench_pass(&b, 40 * SECOND - 1);
	bench_take_nothing(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	/* The highest that was missing: number 3. */
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 2);
	bench_stop(&b);
}

static void
test_incomplete_and_named_again_speaks_up_when_nothing_follows(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_address(&b, A, 1, 3, 1, ME));
	bench_pass(&b, 15 * SECOND);
	OK(bench_address(&b, A, 1, 3, 1, ME)); /* puts nothing off */
	bench_pass(&b, 5 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_ack(&b, A, 1, 2, 2, 3);
	/* Data that comes is what was waited for. */
	OK(bench_address(&b, B, 1, 3, 1, ME));
	OK(bench_address(&b, B, 1, 3, 1, ME));
	OK(bench_data(&b, B, 1, 1, "one"));
	OK(bench_discard(&b, A, 1));
	bench_pass(&b, 40 * SECOND - 1);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_incomplete_and_not_listed_is_kept(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_address(&b, A, 1, 2, 1, B));
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_received(&b, A, 1, "onetwo");
	bench_stop(&b);
}

static void
test_completed_tombstone_listed_acks_again(void **state)
{
	struct bench b;

	(void)state;
	received_and_acked(&b);
	OK(bench_address(&b, A, 1, 2, 1, B)); /* confirmed */
	bench_pass(&b, 600 * SECOND);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_no_event(&b);
	/* Not confirmed any more: data means that this one was lost, too. */
	bench_pass(&b, 20 * SECOND);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

static void
test_restored_tombstone_acks_and_does_not_deliver(void **state)
{
	struct bench b;
	struct pmul_tombstone t = {
		.source = A,
		.id = 1,
		.expiry = { BENCH_WALL + 3600 },
	};

	(void)state;
	started(&b);
	OK(pmul_engine_restore_tombstone(b.e, b.now, &t));
	OK(pmul_engine_restore_tombstone(b.e, b.now, &t));
	assert_int_equal(gauges(&b).tombstones, 1);
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_no_event(&b);
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_lost_tombstone_listed_is_ignored(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_discard(&b, A, 1));
	bench_event(&b, PMUL_EV_LOST, A, 1);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_pass(&b, 0);
	bench_no_event(&b);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_not_for_us_is_taken_back_when_we_are_named_after_all(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, B));
	assert_int_equal(gauges(&b).tombstones, 1);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	assert_int_equal(gauges(&b).tombstones, 0);
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_received(&b, A, 1, "one");
	bench_stop(&b);
}

static void
test_expired_address_pdu_is_refused_with_skew(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	b.now.wall.s = BENCH_WALL + 3600 + 60;
	OK(bench_address(&b, A, 1, 1, 1, ME));
	b.now.wall.s++;
	assert_int_equal(bench_address(&b, A, 2, 1, 1, ME), PMUL_EEXPIRED);
	/* Not even ticked, the first is too late now. */
	assert_int_equal(bench_data(&b, A, 1, 1, "one"), PMUL_EEXPIRED);
	pmul_engine_tick(b.e, b.now);
	bench_event(&b, PMUL_EV_LOST, A, 1);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_named_in_one_pdu_of_a_set_is_enough(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address_part(&b, A, 1, false, false, 2, B, ME));
	OK(bench_address_part(&b, A, 1, false, true, 1, C));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_received(&b, A, 1, "onetwo");
	bench_stop(&b);
}

static void
test_not_listed_is_decided_only_where_it_is_certain(void **state)
{
	static const struct {
		bool first, last;
		uint32_t ids[2];
		bool held; /* undecided: data is kept */
	} cases[] = {
		{ true, false, { A, C }, false }, /* between two neighbours */
		{ false, false, { A, C }, false },
		{ false, true, { A, B }, false }, /* above the last */
		{ true, false, { A, B }, true },
		{ false, false, { A, B }, true },
		{ true, false, { C, C + 1 }, false }, /* below the first */
		{ false, false, { C, C + 1 }, true },
		{ false, true, { C, C + 1 }, true },
		{ true, true, { C, A }, false }, /* the whole set */
		{ true, false, { C, A }, true }, /* not sorted */
		{ false, true, { B, A }, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench b;

		started(&b);
		OK(bench_data(&b, A, 1, 1, "one"));
		OK(bench_address_part(&b, A, 1, cases[i].first, cases[i].last,
		    2, cases[i].ids[0], cases[i].ids[1]));
		assert_int_equal(gauges(&b).held_messages, cases[i].held);
		bench_stop(&b);
	}
}

static void
test_a_set_that_names_us_is_not_taken_for_one_that_does_not(void **state)
{
	struct bench b;

	(void)state;
	received_and_acked(&b);
	/* The last PDU of a set is lost; then we are named by the next. */
	OK(bench_address_part(&b, A, 1, true, false, 2, A, B));
	OK(bench_address_part(&b, A, 1, false, false, 2, B, ME));
	OK(bench_address_part(&b, A, 1, false, true, 1, C));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

static void
test_not_listed_once_the_whole_set_went_by(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	/* Our place is between the two PDUs: only both together decide. */
	OK(bench_address_part(&b, A, 1, true, false, 2, A, B));
	OK(bench_data(&b, A, 1, 1, "one"));
	assert_int_equal(gauges(&b).held_messages, 1);
	OK(bench_address_part(&b, A, 1, false, true, 1, C));
	assert_int_equal(gauges(&b).held_messages, 0);
	/* Without its first PDU a set decides nothing. */
	OK(bench_address_part(&b, A, 2, false, true, 1, C));
	assert_int_equal(gauges(&b).held_messages, 1);
	bench_stop(&b);
}

static void
test_total_never_shrinks(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 2, "two"));
	/* NTNU gives the PDUs of the round instead. */
	OK(bench_address(&b, A, 1, 1, 1, ME));
	bench_no_event(&b);
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_received(&b, A, 1, "onetwothree");
	bench_stop(&b);
}

static void
test_total_raised_by_data_waits_for_confirmation(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME)); /* of a round, as it turns out */
	OK(bench_data(&b, A, 1, 3, "three"));
	OK(bench_data(&b, A, 1, 2, "two"));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_no_event(&b);
	bench_pass(&b, 0);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	bench_no_event(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	bench_received(&b, A, 1, "onetwothree");
	bench_stop(&b);
}

static void
test_confirmed_total_may_be_larger(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_data(&b, A, 1, 3, "three"));
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_no_event(&b);
	OK(bench_address(&b, A, 1, 4, 1, ME));
	bench_no_event(&b);
	OK(bench_data(&b, A, 1, 4, "four"));
	bench_received(&b, A, 1, "onetwothreefour");
	bench_stop(&b);
}

static void
test_total_zero_is_complete_at_once(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 0, 1, ME));
	bench_received(&b, A, 1, "");
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

/* --- Data_PDU ---------------------------------------------------------------- */

static void
test_fragments_of_any_size_and_order_make_the_message(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 4, 1, ME));
	OK(bench_data(&b, A, 1, 3, "c"));
	OK(bench_data(&b, A, 1, 1, "aaaaaa"));
	OK(bench_data(&b, A, 1, 4, "dddddddddddddddddddd"));
	OK(bench_data(&b, A, 1, 2, "bb"));
	bench_received(&b, A, 1, "aaaaaabbcdddddddddddddddddddd");
	bench_stop(&b);
}

static void
test_duplicate_data_is_discarded(void **state)
{
	struct bench b;
	struct pmul_counters c;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 1, "ONE"));
	assert_int_equal(gauges(&b).rx_bytes, 3);
	OK(bench_data(&b, A, 1, 2, "two"));
	OK(bench_data(&b, A, 1, 2, "TWO"));
	bench_received(&b, A, 1, "onetwo");
	bench_no_event(&b);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.duplicates, 2);
	bench_stop(&b);
}

static void
test_data_after_the_ack_means_that_it_was_lost(void **state)
{
	struct bench b;

	(void)state;
	received_and_acked(&b);
	/* Of the round that made us complete: for others. */
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 9 * SECOND);
	bench_take_nothing(&b);
	/* A later round; its Address_PDU was lost. */
	bench_pass(&b, 1 * SECOND);
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_data_after_a_duplicate_address_pdu_is_not_answered(void **state)
{
	struct bench b;

	(void)state;
	received_and_acked(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_pass(&b, 15 * SECOND);
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_held_data_is_dropped_after_undefined_pdu_expiry_time(void **state)
{
	struct bench b;
	size_t live;

	(void)state;
	started(&b);
	live = unit_alloc_live();
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 50 * SECOND);
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_pass(&b, 50 * SECOND - 1);
	assert_int_equal(gauges(&b).held_messages, 1);
	bench_pass(&b, 1);
	assert_int_equal(gauges(&b).held_messages, 0);
	assert_int_equal(gauges(&b).rx_bytes, 0);
	assert_int_equal(unit_alloc_live(), live);
	bench_no_event(&b);
	/* Nothing is left behind, not even room for events. */
	live = unit_alloc_live_bytes();
	for (int i = 0; i < 100; i++) {
		OK(bench_data(&b, A, 1, 1, "one"));
		bench_pass(&b, 100 * SECOND);
	}
	assert_int_equal(unit_alloc_live_bytes(), live);
	bench_stop(&b);
}

static void
test_incomplete_message_expires_as_lost(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, (3600 + 60) * SECOND);
	bench_no_event(&b);
	bench_pass(&b, SECOND);
	bench_event(&b, PMUL_EV_LOST, A, 1);
	assert_int_equal(gauges(&b).rx_bytes, 0);
	/* Straggling data is not held again. */
	OK(bench_data(&b, A, 1, 2, "two"));
	assert_int_equal(gauges(&b).held_messages, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

/* --- Discard ------------------------------------------------------------------- */

static void
test_discard_drops_the_message_and_held_data(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_discard(&b, A, 7)); /* unknown */
	assert_int_equal(gauges(&b).tombstones, 0);
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_discard(&b, A, 1));
	bench_no_event(&b);
	OK(bench_address(&b, A, 2, 2, 1, ME));
	OK(bench_data(&b, A, 2, 2, "two"));
	OK(bench_discard(&b, A, 2));
	bench_event(&b, PMUL_EV_LOST, A, 2);
	assert_int_equal(gauges(&b).rx_messages, 0);
	assert_int_equal(gauges(&b).rx_bytes, 0);
	bench_pass(&b, 100 * SECOND);
	bench_take_nothing(&b);
	OK(bench_data(&b, A, 1, 1, "one"));
	assert_int_equal(gauges(&b).held_messages, 0);
	bench_stop(&b);
}

static void
test_discard_of_a_delivered_message_only_saves_the_ack(void **state)
{
	struct bench b;
	struct pmul_event ev;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	assert_true(pmul_engine_next_event(b.e, &ev));
	OK(bench_discard(&b, A, 1));
	assert_memory_equal(ev.data, "one", 3);
	OK(pmul_engine_stored(b.e, b.now, A, 1));
	bench_pass(&b, 100 * SECOND);
	bench_take_nothing(&b);
	bench_no_event(&b);
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	/* Acked, then discarded: no repeats. */
	OK(bench_address(&b, A, 2, 1, 1, ME));
	OK(bench_data(&b, A, 2, 1, "one"));
	bench_received(&b, A, 2, "one");
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 2, 0);
	OK(bench_discard(&b, A, 2));
	bench_pass(&b, 100 * SECOND);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_progress_of_incoming_messages(void **state)
{
	struct bench b;
	struct pmul_rx_progress p[2];

	(void)state;
	started(&b);
	assert_int_equal(pmul_engine_rx_progress(b.e, p, 2), 0);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 2, "two"));
	assert_int_equal(pmul_engine_rx_progress(b.e, p, 2), 1);
	assert_int_equal(p[0].source, A);
	assert_int_equal(p[0].id, 1);
	assert_int_equal(p[0].priority, 4);
	assert_int_equal(p[0].total, 3);
	assert_int_equal(p[0].have, 1);
	assert_int_equal(p[0].bytes, 3);
	OK(bench_data(&b, B, 7, 1, "one"));
	assert_int_equal(pmul_engine_rx_progress(b.e, p, 1), 2);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(test_##name)

static const struct CMUnitTest tests[] = {
	T(unknown_not_listed_is_dropped_and_its_data_is_not_held),
	T(unknown_not_listed_drops_held_data),
	T(unknown_listed_without_data_waits),
	T(unknown_listed_with_data_held_is_complete_at_once),
	T(held_data_with_the_last_number_is_answered_when_named),
	T(acked_and_not_listed_stops_repeating),
	T(acked_and_listed_acks_again),
	T(incomplete_and_listed_begins_a_round_and_keeps_waiting),
	T(incomplete_and_named_again_speaks_up_when_nothing_follows),
	T(incomplete_and_not_listed_is_kept),
	T(completed_tombstone_listed_acks_again),
	T(restored_tombstone_acks_and_does_not_deliver),
	T(lost_tombstone_listed_is_ignored),
	T(not_for_us_is_taken_back_when_we_are_named_after_all),
	T(expired_address_pdu_is_refused_with_skew),
	T(named_in_one_pdu_of_a_set_is_enough),
	T(not_listed_is_decided_only_where_it_is_certain),
	T(a_set_that_names_us_is_not_taken_for_one_that_does_not),
	T(not_listed_once_the_whole_set_went_by),
	T(total_never_shrinks),
	T(total_raised_by_data_waits_for_confirmation),
	T(confirmed_total_may_be_larger),
	T(total_zero_is_complete_at_once),
	T(fragments_of_any_size_and_order_make_the_message),
	T(duplicate_data_is_discarded),
	T(data_after_the_ack_means_that_it_was_lost),
	T(data_after_a_duplicate_address_pdu_is_not_answered),
	T(held_data_is_dropped_after_undefined_pdu_expiry_time),
	T(incomplete_message_expires_as_lost),
	T(discard_drops_the_message_and_held_data),
	T(discard_of_a_delivered_message_only_saves_the_ack),
	T(progress_of_incoming_messages),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

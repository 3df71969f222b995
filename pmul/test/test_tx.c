/* The sender's rules: ACP 142, the rows of the sender's table. */
#include "pmul/test/bench.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Message 1 of `pdus` to A and B, all of its first pass taken. */
static void
first_pass(struct bench *b, unsigned pdus)
{
	assert_int_equal(bench_submit(b, 1, pdus, 2, B, A), PMUL_OK);
	bench_take_address(b, 1, 2, A, B);
	assert_int_equal(b->pdu.total, pdus);
	for (unsigned i = 1; i <= pdus; i++)
		bench_take_data(b, 1, i);
	bench_take_nothing(b);
}

static void
started(struct bench *b, unsigned pdus)
{
	bench_init(b);
	bench_start(b);
	first_pass(b, pdus);
}

static void
test_start_sends_the_sorted_address_pdu_then_data(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 2, 3, C, A, B), PMUL_OK);
	bench_take_address(&b, 1, 3, A, B, C);
	assert_int_equal(b.pdu.priority, 4);
	assert_int_equal(b.pdu.total, 2);
	assert_int_equal(b.pdu.expiry, BENCH_WALL + 3600);
	assert_true(b.pdu.first && b.pdu.last);
	/* The counters go with their destinations. */
	assert_int_equal(pmul_pdu_dest(&b.pdu, 2).seq, 70);
	assert_int_equal(pmul_pdu_dest(&b.pdu, 0).seq, 71);
	bench_take_data(&b, 1, 1);
	assert_int_equal(b.pdu.data_len, 84);
	bench_take_data(&b, 1, 2);
	assert_int_equal(b.pdu.data_len, 77);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_lower_priority_value_goes_first_between_pdus(void **state)
{
	struct bench b;
	struct pmul_dest d = { A, 1 };
	struct pmul_submit s = {
		.msid = 2,
		.priority = 3,
		.expiry = { BENCH_WALL + 60 },
		.group = 77,
		.dests = &d,
		.ndests = 1,
		.data = "x",
		.len = 1,
	};

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 3, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_OK);
	bench_take_address(&b, 2, 1, A);
	bench_take_data(&b, 2, 1);
	/* Equal priorities: the older message. */
	s.msid = 3;
	s.priority = 4;
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_OK);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 3);
	bench_take_address(&b, 3, 1, A);
	bench_stop(&b);
}

static void
test_last_pdu_starts_the_timer_when_it_has_left_the_air(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.bit_rate = 8000; /* an octet per millisecond */
	b.cfg.overhead_bytes = 0;
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_nothing(&b);
	bench_pass(&b, 32000);
	bench_take_data(&b, 1, 1);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 93000 + 10 * SECOND);
	bench_pass(&b, 93000 + 10 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_address(&b, 1, 1, A);
	bench_stop(&b);
}

static void
test_empty_list_completes_its_destination_only(void **state)
{
	struct bench b;

	(void)state;
	started(&b, 2);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	bench_no_event(&b);
	bench_take_nothing(&b);
	/* Said twice, reported once. */
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_all_complete_sends_ack_ack_and_is_done(void **state)
{
	struct bench b;
	struct pmul_gauges g;

	(void)state;
	started(&b, 2);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	/* Not done before the Ack-Ack has left. */
	bench_no_event(&b);
	bench_take_address(&b, 1, 0);
	assert_int_equal(b.pdu.total, 2);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	bench_no_event(&b);
	bench_take_nothing(&b);
	pmul_engine_gauges(b.e, &g);
	assert_int_equal(g.tx_messages, 0);
	assert_int_equal(g.tx_bytes, 0);
	bench_stop(&b);
}

static void
test_all_responded_starts_the_next_round_at_once(void **state)
{
	struct bench b;

	(void)state;
	started(&b, 5);
	assert_int_equal(bench_ack(&b, A, 1, 2, 2, 4), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, B, 1, 1, 3), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	assert_int_equal(b.pdu.total, 5);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 3);
	bench_take_data(&b, 1, 4);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_timer_round_names_the_incomplete_and_sends_the_union(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 5, 3, A, B, C), PMUL_OK);
	for (int i = 0; i < 6; i++)
		bench_take(&b, i == 0 ? PMUL_ADDRESS : PMUL_DATA);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, C, 1, 3, 2, 0, 4), PMUL_OK); /* 2..4 */
	bench_take_address(&b, 1, 2, A, C);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 3);
	bench_take_data(&b, 1, 4);
	bench_take_nothing(&b);
	/* A responds; C does not: what C once asked for may be lost again. */
	assert_int_equal(bench_ack(&b, A, 1, 1, 5), PMUL_OK);
	bench_take_nothing(&b);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 2, A, C);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 3);
	bench_take_data(&b, 1, 4);
	bench_take_data(&b, 1, 5);
	bench_take_nothing(&b);
	/* B is out of it: these two are all. */
	assert_int_equal(bench_ack(&b, A, 1, 1, 5), PMUL_OK);
	assert_int_equal(bench_ack(&b, C, 1, 1, 5), PMUL_OK);
	bench_take_address(&b, 1, 2, A, C);
	bench_take_data(&b, 1, 5);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_destination_never_heard_gets_everything_again(void **state)
{
	struct bench b;
	struct pmul_counters c;

	(void)state;
	started(&b, 3);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	for (unsigned i = 1; i <= 3; i++)
		bench_take_data(&b, 1, i);
	bench_take_nothing(&b);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.rounds, 1);
	assert_int_equal(c.data_out, 6);
	assert_int_equal(c.data_again, 3);
	bench_stop(&b);
}

static void
test_interval_backs_off_to_its_limit(void **state)
{
	static const uint64_t intervals[] = { 10, 20, 40, 40 };
	struct bench b;

	(void)state;
	started(&b, 1);
	for (size_t i = 0; i < 4; i++) {
		bench_pass(&b, intervals[i] * SECOND - 1);
		bench_take_nothing(&b);
		bench_pass(&b, 1);
		bench_take_address(&b, 1, 2, A, B);
		bench_take_data(&b, 1, 1);
		bench_take_nothing(&b);
	}
	bench_stop(&b);
}

static void
test_numbers_still_to_come_in_this_pass_are_no_news(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 4, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	/* NTNU lists what has not been sent yet. */
	assert_int_equal(bench_ack(&b, A, 1, 3, 2, 3, 4), PMUL_OK);
	bench_take_data(&b, 1, 3);
	bench_take_data(&b, 1, 4);
	bench_take_nothing(&b);
	/* It was no response to this round: that comes at its end. */
	bench_pass(&b, 5 * SECOND);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_an_ack_in_the_first_pass_is_no_response_to_it(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 4, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	/* T3; what becomes of 3 and 4 is not known yet. */
	assert_int_equal(bench_ack(&b, A, 1, 1, 1), PMUL_OK);
	bench_take_data(&b, 1, 3);
	bench_take_data(&b, 1, 4);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, A, 1, 2, 1, 4), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 4);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_numbers_behind_the_cursor_wait_for_the_next_round(void **state)
{
	struct bench b;

	(void)state;
	started(&b, 6);
	assert_int_equal(bench_ack(&b, A, 1, 3, 1, 3, 5), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 1, 1), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 3);
	/* B: 1 is lost again, and 4 and 6 were beyond its first list. */
	assert_int_equal(bench_ack(&b, B, 1, 3, 1, 4, 6), PMUL_OK);
	bench_take_data(&b, 1, 4);
	bench_take_data(&b, 1, 5);
	bench_take_data(&b, 1, 6);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, B, 1, 1, 1), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_an_ack_before_all_it_asked_for_is_no_response(void **state)
{
	struct bench b;

	(void)state;
	started(&b, 6);
	assert_int_equal(bench_ack(&b, A, 1, 3, 1, 3, 5), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 1, 1), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 3);
	/* An old one, late, perhaps: 5 is still to come. */
	assert_int_equal(bench_ack(&b, A, 1, 1, 1), PMUL_OK);
	bench_take_data(&b, 1, 5);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, B, 1, 1, 1), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, A, 1, 1, 5), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 5);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_complete_while_sending_ends_the_round(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 4, 1, A), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_numbers_above_total_are_ignored_and_never_mean_complete(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 3, 1, A), PMUL_OK);
	for (int i = 0; i < 4; i++)
		bench_take(&b, i == 0 ? PMUL_ADDRESS : PMUL_DATA);
	/* Nothing usable: as if it had not come. */
	assert_int_equal(bench_ack(&b, A, 1, 2, 4, 65535), PMUL_OK);
	assert_int_equal(bench_ack(&b, A, 1, 1, 0), PMUL_OK);
	bench_no_event(&b);
	bench_take_nothing(&b);
	assert_int_equal(bench_ack(&b, A, 1, 4, 2, 4, 0, 9), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	/* A range that leaves the message is cut. */
	assert_int_equal(bench_ack(&b, A, 1, 3, 2, 0, 60000), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 2);
	bench_take_data(&b, 1, 3);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_acks_that_match_nothing_are_counted(void **state)
{
	struct bench b;
	struct pmul_counters c;
	struct pmul_ack_writer w;
	uint8_t buf[64];
	size_t live;

	(void)state;
	started(&b, 1);
	assert_int_equal(bench_ack(&b, C, 1, 0), PMUL_OK); /* no destination */
	assert_int_equal(bench_ack(&b, A, 2, 0), PMUL_OK); /* no message */
	/* Somebody else's message with the same number. */
	pmul_ack_begin(&w, buf, sizeof(buf), 4, A);
	assert_true(pmul_ack_entry_add(&w, C, 1, NULL, 0));
	assert_int_equal(
	    bench_input(&b, A, buf, pmul_ack_end(&w, NULL)), PMUL_OK);
	/* Of a message nobody can have seen yet. */
	assert_int_equal(bench_submit(&b, 3, 1, 1, A), PMUL_OK);
	live = unit_alloc_live();
	assert_int_equal(bench_ack(&b, A, 3, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, A, 3, 1, 1), PMUL_OK);
	assert_int_equal(unit_alloc_live(), live);
	bench_no_event(&b);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.ack_unknown, 5);
	bench_stop(&b);
}

static void
test_expiry_gives_up_each_incomplete_and_discards(void **state)
{
	struct bench b;

	(void)state;
	started(&b, 2);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	b.now.wall.s = BENCH_WALL + 3599;
	pmul_engine_tick(b.e, b.now);
	bench_no_event(&b);
	b.now.wall.s = BENCH_WALL + 3600;
	pmul_engine_tick(b.e, b.now);
	bench_event(&b, PMUL_EV_GAVE_UP, B, 1);
	bench_no_event(&b);
	bench_take(&b, PMUL_DISCARD);
	assert_int_equal(b.pdu.msid, 1);
	assert_int_equal(b.pdu.priority, 4);
	assert_int_equal(b.where.port, PMUL_DPORT);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_expired_before_the_first_pdu_is_not_sent(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 2, 1, A), PMUL_OK);
	bench_pass(&b, 3600 * SECOND);
	bench_event(&b, PMUL_EV_GAVE_UP, A, 1);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	bench_take_nothing(&b);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	bench_stop(&b);
}

static void
test_late_acks_are_answered_at_a_bounded_rate(void **state)
{
	struct bench b;

	(void)state;
	started(&b, 2);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 0);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_nothing(&b);
	bench_pass(&b, 10 * SECOND);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 0);
	bench_take_nothing(&b);
	for (int i = 0; i < 2; i++)
		bench_event(&b, PMUL_EV_ACKED, i == 0 ? A : B, 1);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	bench_no_event(&b);
	/* Forgotten when no clock calls it alive. */
	bench_pass(&b, (3600 + 61) * SECOND);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_late_ack_of_a_discarded_message_gets_a_discard(void **state)
{
	struct bench b;

	(void)state;
	started(&b, 2);
	/* We slept over the expiry, and the skew. */
	bench_pass(&b, 3700 * SECOND);
	bench_take(&b, PMUL_DISCARD);
	bench_pass(&b, 11 * SECOND);
	assert_int_equal(bench_ack(&b, A, 1, 1, 2), PMUL_OK);
	bench_take(&b, PMUL_DISCARD);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_finished_messages_remembered_are_bounded(void **state)
{
	struct bench b;
	struct pmul_counters c;

	(void)state;
	bench_init(&b);
	b.cfg.tombstones_max = 2;
	bench_start(&b);
	for (uint32_t id = 1; id <= 3; id++) {
		assert_int_equal(bench_submit(&b, id, 1, 1, A), PMUL_OK);
		bench_take_address(&b, id, 1, A);
		bench_take_data(&b, id, 1);
		assert_int_equal(bench_ack(&b, A, id, 0), PMUL_OK);
		bench_take_address(&b, id, 0);
	}
	bench_pass(&b, 11 * SECOND);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK); /* forgotten */
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.ack_unknown, 1);
	assert_int_equal(bench_ack(&b, A, 3, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, A, 2, 0), PMUL_OK);
	bench_take_address(&b, 2, 0);
	bench_take_address(&b, 3, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_cancel_discards_and_takes_back_its_events(void **state)
{
	struct bench b;
	size_t live;

	(void)state;
	started(&b, 2);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_submit(&b, 2, 1, 1, C), PMUL_OK);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 1), PMUL_OK);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 1), PMUL_ENOTFOUND);
	bench_no_event(&b);
	bench_take(&b, PMUL_DISCARD);
	assert_int_equal(b.pdu.msid, 1);
	bench_no_event(&b);
	bench_take_address(&b, 2, 1, C);
	/* Of the second something was sent; of the third nothing. */
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 2), PMUL_OK);
	bench_take(&b, PMUL_DISCARD);
	assert_int_equal(bench_submit(&b, 3, 1, 1, C), PMUL_OK);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 3), PMUL_OK);
	bench_take_nothing(&b);
	bench_no_event(&b);
	/* Nothing is left behind, not even room for events. */
	live = unit_alloc_live_bytes();
	for (int i = 0; i < 100; i++) {
		assert_int_equal(bench_submit(&b, 3, 1, 1, C), PMUL_OK);
		assert_int_equal(pmul_engine_cancel(b.e, b.now, 3), PMUL_OK);
	}
	assert_int_equal(unit_alloc_live_bytes(), live);
	bench_stop(&b);
}

static void
test_submit_refuses_what_makes_no_sense(void **state)
{
	struct bench b;
	struct pmul_dest d[3] = { { A, 1 }, { B, 1 }, { A, 2 } };
	struct pmul_submit s = {
		.msid = 1,
		.expiry = { BENCH_WALL + 60 },
		.group = 77,
		.dests = d,
		.ndests = 2,
		.data = "x",
		.len = 1,
	};
	struct pmul_submit bad;
	size_t live;

	(void)state;
	bench_init(&b);
	b.cfg.destinations_max = 3;
	b.cfg.message_max = b.cfg.tx_bytes_max = 1000;
	bench_start(&b);
	live = unit_alloc_live();
#define REFUSED(field, value, err) \
	bad = s; \
	bad.field = value; \
	assert_int_equal(pmul_engine_submit(b.e, b.now, &bad), err)
	REFUSED(len, 0, PMUL_EINVAL);
	REFUSED(data, NULL, PMUL_EINVAL);
	REFUSED(ndests, 0, PMUL_EINVAL);
	REFUSED(ndests, 3, PMUL_EINVAL); /* A twice */
	REFUSED(ndests, 4, PMUL_ETOOBIG);
	REFUSED(expiry.s, BENCH_WALL, PMUL_EEXPIRED);
	REFUSED(expiry.s, -1, PMUL_EEXPIRED);
	REFUSED(expiry.s, INT64_C(1) << 32, PMUL_EINVAL);
	REFUSED(len, 1001, PMUL_ETOOBIG);
	REFUSED(group, 0, PMUL_EINVAL); /* no pool */
	d[1].id = ME;
	REFUSED(ndests, 2, PMUL_EINVAL);
	d[1].id = B;
	assert_int_equal(unit_alloc_live(), live);
	bench_take_nothing(&b);
	bench_no_event(&b);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_OK);
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_EEXIST);
	bench_stop(&b);
}

static void
test_submit_refuses_more_than_65535_fragments(void **state)
{
	struct bench b;
	struct pmul_dest d = { A, 1 };
	struct pmul_submit s = {
		.msid = 1,
		.expiry = { BENCH_WALL + 60 },
		.group = 77,
		.dests = &d,
		.ndests = 1,
	};

	(void)state;
	bench_init(&b);
	b.cfg.pdu_max = 64;
	bench_start(&b);
	s.len = 65535 * 48 + 1;
	s.data = calloc(1, s.len);
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_ETOOBIG);
	s.len--;
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_OK);
	bench_take(&b, PMUL_ADDRESS);
	assert_int_equal(b.pdu.total, 65535);
	free((void *)(uintptr_t)s.data);
	bench_stop(&b);
}

static void
test_messages_and_octets_in_flight_are_bounded(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.tx_messages_max = 2;
	b.cfg.message_max = 400;
	b.cfg.tx_bytes_max = 400;
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 4, 1, A), PMUL_OK);    /* 329 */
	assert_int_equal(bench_submit(&b, 2, 1, 1, A), PMUL_EBUSY); /* 77 */
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 1), PMUL_OK);
	assert_int_equal(bench_submit(&b, 2, 1, 1, A), PMUL_OK);
	assert_int_equal(bench_submit(&b, 3, 1, 1, A), PMUL_OK);
	assert_int_equal(bench_submit(&b, 4, 1, 1, A), PMUL_EBUSY);
	/* In flight until its last PDU has left, not only acknowledged. */
	for (int i = 0; i < 4; i++)
		bench_take(&b, i % 2 == 0 ? PMUL_ADDRESS : PMUL_DATA);
	assert_int_equal(bench_ack(&b, A, 2, 0), PMUL_OK);
	assert_int_equal(bench_submit(&b, 4, 1, 1, A), PMUL_EBUSY);
	bench_take_address(&b, 2, 0);
	assert_int_equal(bench_submit(&b, 4, 1, 1, A), PMUL_OK);
	bench_stop(&b);
}

static void
test_progress_tells_what_each_destination_lacks(void **state)
{
	struct bench b;
	struct pmul_tx_progress p[2];
	uint32_t total, sent, rounds;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 3, 2, A, B), PMUL_OK);
	for (int i = 0; i < 3; i++)
		bench_take(&b, i == 0 ? PMUL_ADDRESS : PMUL_DATA);
	assert_int_equal(
	    pmul_engine_tx_progress(b.e, 1, &total, &sent, &rounds, p, 2), 2);
	assert_int_equal(total, 3);
	assert_int_equal(sent, 2);
	assert_int_equal(rounds, 0);
	bench_take_data(&b, 1, 3);
	assert_int_equal(bench_ack(&b, A, 1, 2, 1, 3), PMUL_OK);
	assert_int_equal(
	    pmul_engine_tx_progress(b.e, 1, &total, &sent, &rounds, p, 2), 2);
	assert_true(p[0].heard && !p[0].complete && !p[1].heard);
	assert_int_equal(p[0].id, A);
	assert_int_equal(p[0].missing, 2);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 2, A, B);
	assert_int_equal(
	    pmul_engine_tx_progress(b.e, 1, &total, &sent, &rounds, p, 1), 2);
	assert_int_equal(rounds, 1);
	assert_int_equal(
	    pmul_engine_tx_progress(b.e, 9, &total, &sent, &rounds, p, 2), 0);
	bench_stop(&b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_start_sends_the_sorted_address_pdu_then_data),
	cmocka_unit_test(test_lower_priority_value_goes_first_between_pdus),
	cmocka_unit_test(
	    test_last_pdu_starts_the_timer_when_it_has_left_the_air),
	cmocka_unit_test(test_empty_list_completes_its_destination_only),
	cmocka_unit_test(test_all_complete_sends_ack_ack_and_is_done),
	cmocka_unit_test(test_all_responded_starts_the_next_round_at_once),
	cmocka_unit_test(
	    test_timer_round_names_the_incomplete_and_sends_the_union),
	cmocka_unit_test(test_a_destination_never_heard_gets_everything_again),
	cmocka_unit_test(test_interval_backs_off_to_its_limit),
	cmocka_unit_test(test_numbers_still_to_come_in_this_pass_are_no_news),
	cmocka_unit_test(test_an_ack_in_the_first_pass_is_no_response_to_it),
	cmocka_unit_test(
	    test_numbers_behind_the_cursor_wait_for_the_next_round),
	cmocka_unit_test(test_an_ack_before_all_it_asked_for_is_no_response),
	cmocka_unit_test(test_complete_while_sending_ends_the_round),
	cmocka_unit_test(
	    test_numbers_above_total_are_ignored_and_never_mean_complete),
	cmocka_unit_test(test_acks_that_match_nothing_are_counted),
	cmocka_unit_test(test_expiry_gives_up_each_incomplete_and_discards),
	cmocka_unit_test(test_expired_before_the_first_pdu_is_not_sent),
	cmocka_unit_test(test_late_acks_are_answered_at_a_bounded_rate),
	cmocka_unit_test(test_late_ack_of_a_discarded_message_gets_a_discard),
	cmocka_unit_test(test_finished_messages_remembered_are_bounded),
	cmocka_unit_test(test_cancel_discards_and_takes_back_its_events),
	cmocka_unit_test(test_submit_refuses_what_makes_no_sense),
	cmocka_unit_test(test_submit_refuses_more_than_65535_fragments),
	cmocka_unit_test(test_messages_and_octets_in_flight_are_bounded),
	cmocka_unit_test(test_progress_tells_what_each_destination_lacks),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

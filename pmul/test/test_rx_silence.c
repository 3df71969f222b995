/*
 * Our own EMCON, ACP 142 3.7, and what else keeps a receiver quiet or has to
 * do with time: tombstones restored, T4, timestamps, lifetimes, FEC.
 */
#include "pmul/test/bench.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define OK(call) assert_int_equal(call, PMUL_OK)
#define HOUR (3600 * SECOND)

static void
started(struct bench *b)
{
	bench_init(b);
	b->cfg.ack_delay_us = 5 * SECOND;
	bench_start(b);
}

static void
emcon(struct bench *b, bool on)
{
	pmul_engine_set_emcon(b->e, b->now, on);
	assert_int_equal(pmul_engine_emcon(b->e), on);
}

/* Message msid of source, complete and stored. */
static void
receive(struct bench *b, uint32_t source, uint32_t msid)
{
	OK(bench_address(b, source, msid, 1, 1, ME));
	OK(bench_data(b, source, msid, 1, "one"));
	bench_received(b, source, msid, "one");
}

/* --- EMCON ------------------------------------------------------------------ */

static void
test_in_emcon_messages_are_received_and_nothing_leaves(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	emcon(&b, true);
	receive(&b, A, 1);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	for (int i = 0; i < 50; i++) {
		uint64_t at = pmul_engine_deadline(b.e).us;

		bench_take_nothing(&b);
		/* Nothing to wake up for but what is due later. */
		assert_true(at > b.now.mono.us);
		bench_pass(&b, SECOND);
	}
	emcon(&b, false);
	bench_pass(&b, 5 * SECOND);
	bench_take_ack(&b, A, 1, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_acks_pending_when_emcon_begins_wait_for_its_end(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	receive(&b, A, 1);
	receive(&b, B, 2);
	bench_pass(&b, 5 * SECOND); /* both may leave */
	emcon(&b, true);
	emcon(&b, true);
	bench_take_nothing(&b);
	bench_pass(&b, 600 * SECOND);
	bench_take_nothing(&b);
	emcon(&b, false);
	bench_pass(&b, 5 * SECOND);
	bench_take(&b, PMUL_ACK);
	bench_take(&b, PMUL_ACK);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_after_emcon_acks_go_together_after_a_random_delay(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct bench b;
		uint64_t at;

		bench_init(&b);
		b.cfg.ack_delay_us = 5 * SECOND;
		b.cfg.seed = seed;
		bench_start(&b);
		emcon(&b, true);
		receive(&b, A, 1);
		receive(&b, A, 2);
		/* Incomplete: 1 of 3 is missing, T1. */
		OK(bench_address(&b, A, 3, 3, 1, ME));
		OK(bench_data(&b, A, 3, 2, "two"));
		OK(bench_data(&b, A, 3, 3, "three"));
		bench_pass(&b, 1000 * SECOND);
		emcon(&b, false);
		at = pmul_engine_deadline(b.e).us - b.now.mono.us;
		least = at < least ? at : least;
		most = at > most ? at : most;
		bench_pass(&b, at);
		bench_take(&b, PMUL_ACK);
		assert_int_equal(b.pdu.count, 3);
		bench_take_nothing(&b);
		/* The NACK has its ACK_PDU timer. */
		bench_pass(&b, 20 * SECOND);
		bench_pass(&b, 5 * SECOND);
		bench_take(&b, PMUL_ACK);
		bench_stop(&b);
	}
	assert_true(least < SECOND && most > 4 * SECOND && most < 5 * SECOND);
}

static void
test_owed_acks_of_what_expired_incomplete_in_emcon_are_dropped(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	emcon(&b, true);
	OK(bench_address(&b, A, 3, 3, 1, ME));
	OK(bench_data(&b, A, 3, 3, "three"));
	bench_pass(&b, 2 * HOUR);
	bench_event(&b, PMUL_EV_LOST, A, 3);
	emcon(&b, false);
	bench_pass(&b, 100 * SECOND);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_after_emcon_an_incomplete_message_makes_itself_heard(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	emcon(&b, true);
	OK(bench_address(&b, A, 3, 3, 1, ME));
	OK(bench_data(&b, A, 3, 1, "one")); /* no trigger */
	bench_pass(&b, 1000 * SECOND);
	emcon(&b, false);
	bench_pass(&b, 20 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 5 * SECOND);
	bench_pass(&b, 5 * SECOND);
	bench_take_ack(&b, A, 3, 2, 2, 3);
	bench_stop(&b);
}

/* --- tombstones -------------------------------------------------------------- */

static struct pmul_tombstone
tombstone(bool owed)
{
	return (struct pmul_tombstone){
		.source = A,
		.id = 1,
		.priority = 2,
		.expiry = { BENCH_WALL + 3600 },
		.from = { { 77 } },
		.owed = owed,
	};
}

static void
test_owed_tombstone_is_acknowledged_after_the_random_delay(void **state)
{
	struct pmul_tombstone t = tombstone(true);
	struct bench b;

	(void)state;
	started(&b);
	OK(pmul_engine_restore_tombstone(b.e, b.now, &t));
	bench_pass(&b, 5 * SECOND);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.where.to.b[0], 77);
	assert_int_equal(b.where.node, A);
	assert_int_equal(b.pdu.priority, 2);
	bench_stop(&b);
}

static void
test_owed_tombstone_waits_for_the_end_of_emcon(void **state)
{
	struct pmul_tombstone t = tombstone(true);
	struct bench b;

	(void)state;
	started(&b);
	emcon(&b, true);
	OK(pmul_engine_restore_tombstone(b.e, b.now, &t));
	bench_pass(&b, 100 * SECOND);
	bench_take_nothing(&b);
	emcon(&b, false);
	bench_pass(&b, 5 * SECOND);
	bench_take(&b, PMUL_ACK);
	bench_stop(&b);
}

static void
test_tombstone_that_is_not_owed_is_silent_until_asked(void **state)
{
	struct pmul_tombstone t = tombstone(false);
	struct bench b;

	(void)state;
	started(&b);
	OK(pmul_engine_restore_tombstone(b.e, b.now, &t));
	bench_pass(&b, 100 * SECOND);
	bench_take_nothing(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	bench_pass(&b, 5 * SECOND);
	bench_take_ack(&b, A, 1, 0); /* where it is heard now */
	bench_stop(&b);
}

static void
test_received_says_where_its_sender_was_heard(void **state)
{
	struct pmul_event ev;
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 0, 1, ME)); /* complete at once */
	assert_true(pmul_engine_next_event(b.e, &ev));
	assert_int_equal(ev.from.b[0], (uint8_t)A);
	bench_stop(&b);
}

/* --- T4 ----------------------------------------------------------------------- */

static void
test_t4_behind_t1_makes_one_ack_without_delay(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b); /* ack_delay_us = 0 */
	bench_start(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 2);
	bench_pass(&b, SECOND);
	OK(bench_extra_address(&b, A, 1, 3));
	bench_pass(&b, SECOND);
	bench_take_nothing(&b);
	/* A poll, though: the Ack was lost. */
	OK(bench_extra_address(&b, A, 1, 3));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 2);
	OK(bench_extra_address(&b, A, 1, 3));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 2);
	bench_stop(&b);
}

static void
test_t4_behind_t1_makes_one_ack_with_delay(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		unsigned acks = 0;
		struct bench b;

		bench_init(&b);
		b.cfg.seed = seed;
		b.cfg.ack_delay_us = 2 * SECOND;
		bench_start(&b);
		OK(bench_address(&b, A, 1, 3, 1, ME));
		OK(bench_data(&b, A, 1, 3, "three"));
		for (int i = 0; i < 60; i++) {
			if (i == 10)
				OK(bench_extra_address(&b, A, 1, 3));
			bench_pass(&b, SECOND / 10);
			while (pmul_engine_next_pdu(
			    b.e, b.now, &b.where, b.buf, sizeof(b.buf), &b.len))
				acks++;
		}
		assert_int_equal(acks, 1);
		bench_stop(&b);
	}
}

static void
test_t4_when_complete_makes_one_ack_and_a_poll_another(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	receive(&b, A, 1);
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_pass(&b, SECOND);
	OK(bench_extra_address(&b, A, 1, 1));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	bench_pass(&b, SECOND);
	OK(bench_extra_address(&b, A, 1, 1));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

static void
test_t4_long_after_the_ack_is_a_question(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	receive(&b, A, 1);
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	/* Half of ACK_PDU_TIME; the end of the round was lost. */
	bench_pass(&b, 10 * SECOND);
	OK(bench_extra_address(&b, A, 1, 1));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

static void
test_t4_with_more_to_say_is_answered(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.mm = 2;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 9, 1, ME));
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 1, 2); /* T3 */
	OK(bench_extra_address(&b, A, 1, 9));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 1, 2); /* now of all nine */
	/* Data since our Ack: the sender is repeating. */
	OK(bench_extra_address(&b, A, 1, 9));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 1, 2);
	OK(bench_data(&b, A, 1, 3, "three"));
	OK(bench_extra_address(&b, A, 1, 9));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 1, 2);
	bench_stop(&b);
}

static void
test_address_pdu_crossing_our_ack_is_not_answered(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	receive(&b, A, 1);
	bench_pass(&b, 5 * SECOND);
	bench_take_ack(&b, A, 1, 0);
	bench_pass(&b, 5 * SECOND - 1);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	bench_pass(&b, 5 * SECOND);
	bench_take_nothing(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	bench_pass(&b, 5 * SECOND);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

/* --- timestamp ----------------------------------------------------------------- */

static void
test_timestamp_counts_from_the_address_pdu_of_this_round(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.timestamp = true;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	bench_pass(&b, 7 * SECOND / 2);
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 1, 2);
	assert_true(b.pdu.has_timestamp);
	assert_int_equal(b.pdu.timestamp, 35);
	bench_pass(&b, SECOND);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	bench_pass(&b, SECOND);
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 1);
	assert_int_equal(b.pdu.timestamp, 10);
	bench_stop(&b);
}

static void
test_timestamp_is_that_of_the_entry_listed_first(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	bench_stop(&b);
	b.cfg.timestamp = true;
	b.cfg.pdu_max = 64; /* 14 + 4 * 10 + 8 */
	bench_start(&b);
	emcon(&b, true);
	for (uint32_t id = 1; id <= 6; id++) {
		receive(&b, A, id);
		bench_pass(&b, SECOND);
	}
	emcon(&b, false);
	bench_pass(&b, 4 * SECOND);
	bench_pass(&b, 5 * SECOND);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.pdu.count, 4);
	assert_int_equal(b.pdu.timestamp, 150);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.pdu.count, 2);
	assert_int_equal(b.pdu.timestamp, 110);
	bench_stop(&b);
}

static void
test_no_timestamp_where_no_address_pdu_was_heard(void **state)
{
	struct pmul_tombstone t = tombstone(true);
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.timestamp = true;
	bench_start(&b);
	OK(pmul_engine_restore_tombstone(b.e, b.now, &t));
	bench_pass(&b, 0);
	bench_take(&b, PMUL_ACK);
	assert_false(b.pdu.has_timestamp);
	bench_stop(&b);
}

/* --- lifetimes ------------------------------------------------------------------ */

static void
without_clock(struct bench *b)
{
	bench_init(b);
	b->cfg.rx_lifetime_us = 1000 * SECOND;
	bench_start(b);
	b->now.wall.s = 0; /* 1970 */
}

static void
test_lifetime_counts_from_first_reception_without_a_clock(void **state)
{
	struct bench b;

	(void)state;
	without_clock(&b);
	OK(bench_data(&b, A, 1, 1, "one")); /* held: this is the first */
	bench_pass(&b, 50 * SECOND);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	bench_pass(&b, 950 * SECOND - 1);
	bench_no_event(&b);
	bench_pass(&b, 1);
	bench_event(&b, PMUL_EV_LOST, A, 1);
	bench_stop(&b);
}

static void
test_lifetime_takes_what_the_clock_would_call_expired(void **state)
{
	struct bench b;

	(void)state;
	without_clock(&b);
	b.now.wall.s = INT64_C(4000000000);
	receive(&b, A, 1);
	/* Not delivered again while its transmitter goes on. */
	for (int i = 0; i < 10; i++) {
		bench_pass(&b, 900 * SECOND);
		OK(bench_address(&b, A, 1, 1, 1, ME));
		OK(bench_data(&b, A, 1, 1, "one"));
		bench_no_event(&b);
	}
	bench_stop(&b);
}

static void
test_wall_clock_steps_do_no_harm_without_a_clock(void **state)
{
	struct bench b;

	(void)state;
	without_clock(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	for (int i = 0; i < 9; i++) {
		b.now.wall.s += i % 2 == 0 ? 5 * 86400 : -7 * 86400;
		bench_pass(&b, 100 * SECOND);
	}
	bench_no_event(&b);
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_received(&b, A, 1, "onetwo");
	bench_stop(&b);
}

static void
test_wall_clock_steps_of_hours_move_no_receiver_timer(void **state)
{
	static const int64_t steps[] = { -86400, -7200, -60, 60, 3000 };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct bench b;

		bench_init(&b);
		bench_start(&b);
		OK(bench_address(&b, A, 1, 3, 1, ME));
		OK(bench_data(&b, A, 1, 3, "three"));
		bench_pass(&b, 0);
		bench_take_ack(&b, A, 1, 2, 1, 2);
		OK(bench_data(&b, B, 1, 1, "held"));
		b.now.wall.s += steps[i];
		bench_pass(&b, 20 * SECOND - 1);
		bench_take_nothing(&b);
		bench_pass(&b, 1);
		bench_take_ack(&b, A, 1, 2, 1, 2);
		bench_no_event(&b);
		bench_stop(&b);
	}
}

/* --- FEC ------------------------------------------------------------------------- */

static void
test_fec_message_is_refused_and_never_acknowledged(void **state)
{
	static const char *const pdus[] = {
		"0024040800038e180a8e0001010203076553ff1002010a0200010000"
		"0a8e00020000000c",
		"0024041800034e480a8e0001010203076553ff1002010a0200010000"
		"0a8e00020000000c",
	};
	const uint32_t source = 0x0a8e0001, msid = 0x01020307;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct pmul_counters c;
		struct pmul_gauges g;
		struct bench b;
		size_t len;
		uint8_t *fec = unit_hex(pdus[i % 2], &len);

		bench_init(&b);
		b.now.wall.s = 0x6553ff10 - 100;
		bench_start(&b);
		if (i >= 2) /* held, then known to be of no use */
			OK(bench_data(&b, source, msid, 1, "x"));
		assert_int_equal(
		    bench_input(&b, source, fec, len), PMUL_EUNSUPPORTED);
		free(fec);
		for (unsigned seq = 1; seq <= 3; seq++)
			OK(bench_data(&b, source, msid, seq, "x"));
		bench_pass(&b, 100 * SECOND);
		bench_take_nothing(&b);
		bench_no_event(&b);
		pmul_engine_counters(b.e, &c);
		pmul_engine_gauges(b.e, &g);
		assert_int_equal(c.unsupported, 1);
		assert_int_equal(c.not_for_us, 3);
		assert_int_equal(g.rx_messages, 0);
		bench_stop(&b);
	}
}

#define T(name) cmocka_unit_test(test_##name)

static const struct CMUnitTest tests[] = {
	T(in_emcon_messages_are_received_and_nothing_leaves),
	T(acks_pending_when_emcon_begins_wait_for_its_end),
	T(after_emcon_acks_go_together_after_a_random_delay),
	T(owed_acks_of_what_expired_incomplete_in_emcon_are_dropped),
	T(after_emcon_an_incomplete_message_makes_itself_heard),
	T(owed_tombstone_is_acknowledged_after_the_random_delay),
	T(owed_tombstone_waits_for_the_end_of_emcon),
	T(tombstone_that_is_not_owed_is_silent_until_asked),
	T(received_says_where_its_sender_was_heard),
	T(t4_behind_t1_makes_one_ack_without_delay),
	T(t4_behind_t1_makes_one_ack_with_delay),
	T(t4_when_complete_makes_one_ack_and_a_poll_another),
	T(t4_long_after_the_ack_is_a_question),
	T(t4_with_more_to_say_is_answered),
	T(address_pdu_crossing_our_ack_is_not_answered),
	T(timestamp_counts_from_the_address_pdu_of_this_round),
	T(timestamp_is_that_of_the_entry_listed_first),
	T(no_timestamp_where_no_address_pdu_was_heard),
	T(lifetime_counts_from_first_reception_without_a_clock),
	T(lifetime_takes_what_the_clock_would_call_expired),
	T(wall_clock_steps_do_no_harm_without_a_clock),
	T(wall_clock_steps_of_hours_move_no_receiver_timer),
	T(fec_message_is_refused_and_never_acknowledged),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

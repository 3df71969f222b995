/* When a receiver acknowledges, and what: ACP 142, "acknowledgement mode". */
#include "pmul/test/bench.h"

#include "tests/unit/unit.h"

#define OK(call) assert_int_equal(call, PMUL_OK)

static void
started(struct bench *b)
{
	bench_init(b);
	bench_start(b);
}

static void
test_t1_last_data_pdu_of_the_first_pass(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 5, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	OK(bench_data(&b, A, 1, 5, "five"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 2, 4);
	assert_int_equal(b.pdu.priority, 4);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_t2_highest_number_of_the_last_nack(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 6, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 6, "six"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 4, 2, 3, 4, 5);
	OK(bench_address(&b, A, 1, 6, 1, ME));
	OK(bench_data(&b, A, 1, 2, "two"));
	OK(bench_data(&b, A, 1, 4, "four"));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	OK(bench_data(&b, A, 1, 5, "five"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 3);
	bench_stop(&b);
}

static void
test_t3_mm_numbers_missing(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.mm = 3;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 100, 1, ME));
	OK(bench_data(&b, A, 1, 3, "x")); /* 1, 2 */
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	OK(bench_data(&b, A, 1, 6, "x")); /* 4, 5 */
	bench_pass(&b, 0);
	/* At most MM numbers; those to come are not missing. */
	bench_take_ack(&b, A, 1, 3, 1, 2, 4);
	OK(bench_data(&b, A, 1, 50, "x"));
	bench_pass(&b, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_numbers_above_the_highest_received_are_not_missing_yet(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.mm = 3;
	b.cfg.ack_delay_us = SECOND;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 100, 1, ME));
	OK(bench_data(&b, A, 1, 4, "x")); /* T3 */
	OK(bench_data(&b, A, 1, 1, "x")); /* late */
	bench_pass(&b, SECOND);
	bench_take_ack(&b, A, 1, 2, 2, 3);
	bench_stop(&b);
}

static void
test_t4_extra_address_pdu(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_extra_address(&b, A, 1, 3));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 2, 3);
	/* It is an Address_PDU, too. */
	OK(bench_extra_address(&b, B, 9, 1));
	bench_pass(&b, 0);
	bench_take_ack(&b, B, 9, 1, 1);
	bench_stop(&b);
}

static void
test_no_ack_before_stored(void **state)
{
	struct bench b;
	struct pmul_gauges g;
	struct pmul_event ev;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	/* What was not fetched cannot have been stored. */
	assert_int_equal(pmul_engine_stored(b.e, b.now, A, 1), PMUL_ENOTFOUND);
	assert_true(pmul_engine_next_event(b.e, &ev));
	assert_int_equal(ev.type, PMUL_EV_RECEIVED);
	assert_int_equal(ev.seq, 70);
	assert_int_equal(ev.expiry.s, BENCH_WALL + 3600);
	/* Whatever the transmitter does meanwhile. */
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "ONE"));
	OK(bench_extra_address(&b, A, 1, 1));
	bench_pass(&b, 7200 * SECOND);
	bench_take_nothing(&b);
	bench_no_event(&b);
	assert_memory_equal(ev.data, "one", 3);
	pmul_engine_gauges(b.e, &g);
	assert_int_equal(g.rx_bytes, 3);
	b.now.wall.s = BENCH_WALL + 10;
	OK(pmul_engine_stored(b.e, b.now, A, 1));
	assert_int_equal(pmul_engine_stored(b.e, b.now, A, 1), PMUL_ENOTFOUND);
	pmul_engine_gauges(b.e, &g);
	assert_int_equal(g.rx_bytes, 0);
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

static void
test_ack_delay_is_random_below_its_bound(void **state)
{
	uint64_t least = UINT64_MAX, most = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 200; seed++) {
		struct bench b;
		uint64_t delay;

		bench_init(&b);
		b.cfg.seed = seed;
		b.cfg.ack_delay_us = 5 * SECOND;
		bench_start(&b);
		OK(bench_address(&b, A, 1, 1, 1, ME));
		OK(bench_data(&b, A, 1, 1, "one"));
		bench_received(&b, A, 1, "one");
		delay = pmul_engine_deadline(b.e).us - b.now.mono.us;
		least = delay < least ? delay : least;
		most = delay > most ? delay : most;
		assert_true(delay < 5 * SECOND);
		if (delay > 0) {
			bench_pass(&b, delay - 1);
			bench_take_nothing(&b);
			bench_pass(&b, 1);
		}
		bench_take_ack(&b, A, 1, 0);
		bench_stop(&b);
	}
	assert_true(least < SECOND / 4);
	assert_true(most > 5 * SECOND - SECOND / 4);
}

static void
test_acks_for_one_transmitter_travel_together(void **state)
{
	struct bench b;
	struct pmul_ack_entry entry;
	size_t pos = 0;

	(void)state;
	bench_init(&b);
	b.cfg.ack_delay_us = 5 * SECOND;
	bench_start(&b);
	for (uint32_t id = 1; id <= 3; id++) {
		uint32_t source = id == 2 ? B : A;

		OK(bench_address(&b, source, id, 1, 1, ME));
		OK(bench_data(&b, source, id, 1, "one"));
		bench_received(&b, source, id, "one");
	}
	bench_pass(&b, 5 * SECOND);
	for (int i = 0; i < 2; i++) {
		bench_take(&b, PMUL_ACK);
		if (b.where.node == A)
			break;
	}
	assert_int_equal(b.pdu.count, 2);
	assert_true(pmul_pdu_next_ack(&b.pdu, &pos, &entry));
	assert_int_equal(entry.msid, 1);
	assert_true(pmul_pdu_next_ack(&b.pdu, &pos, &entry));
	assert_int_equal(entry.msid, 3);
	bench_stop(&b);
}

static void
test_acks_that_do_not_fit_follow_in_the_next_pdu(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.pdu_max = 64; /* 14 + 5 * 10 */
	bench_start(&b);
	for (uint32_t id = 1; id <= 7; id++) {
		OK(bench_address(&b, A, id, 1, 1, ME));
		OK(bench_data(&b, A, id, 1, "one"));
		bench_received(&b, A, id, "one");
	}
	bench_pass(&b, 0);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.pdu.count, 5);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.pdu.count, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_ack_goes_where_its_transmitter_was_heard_last(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	{
		uint8_t buf[64];
		struct pmul_addr moved = { { 99 } };
		size_t len =
		    pmul_pdu_put_data(buf, sizeof(buf), 4, A, 1, 1, "one", 3);

		OK(pmul_engine_input(b.e, b.now, &moved, buf, len));
	}
	/* Not where an Ack_PDU of its came from. */
	OK(bench_ack(&b, A, 1, 0));
	bench_received(&b, A, 1, "one");
	bench_pass(&b, 0);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.where.to.b[0], 99);
	bench_stop(&b);
}

static void
test_ack_carries_the_priority_of_the_message(void **state)
{
	struct bench b;
	uint8_t buf[64];
	struct pmul_dest d = { ME, 1 };
	struct pmul_pdu pdu = {
		.type = PMUL_ADDRESS,
		.priority = 2,
		.first = true,
		.last = true,
		.source = A,
		.msid = 1,
		.expiry = BENCH_WALL + 60,
	};

	(void)state;
	started(&b);
	OK(bench_input(
	    &b, A, buf, pmul_pdu_put_address(buf, sizeof(buf), &pdu, &d, 1)));
	{
		struct pmul_event ev;

		assert_true(pmul_engine_next_event(b.e, &ev));
		assert_int_equal(ev.priority, 2);
		OK(pmul_engine_stored(b.e, b.now, A, 1));
	}
	bench_pass(&b, 0);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.pdu.priority, 2);
	bench_stop(&b);
}

static void
test_nack_is_repeated_when_nobody_reacts_and_not_for_ever(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 1, 2);
	for (int i = 0; i < 2; i++) {
		bench_pass(&b, 20 * SECOND - 1);
		bench_take_nothing(&b);
		bench_pass(&b, 1);
		bench_take_ack(&b, A, 1, 2, 1, 2);
	}
	bench_pass(&b, 2000 * SECOND);
	bench_take_nothing(&b);
	/* Until the transmitter is heard of again. */
	OK(bench_address(&b, A, 1, 3, 1, ME));
	for (int i = 0; i < 3; i++) {
		bench_pass(&b, 20 * SECOND);
		bench_take_ack(&b, A, 1, 2, 1, 2);
	}
	bench_pass(&b, 200 * SECOND);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_nack_is_not_repeated_once_requested_data_comes(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 1, 2);
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 40 * SECOND - 1);
	bench_take_nothing(&b);
	bench_stop(&b);
}

/* Each PDU may take longer than any timer of ours. */
static void
test_t5_the_rest_of_a_slow_round_is_not_answered(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 5, 1, ME));
	for (unsigned i = 1; i <= 5; i++)
		if (i != 2)
			OK(bench_data(&b, A, 1, i, "text"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 2);
	OK(bench_address(&b, A, 1, 5, 1, ME));
	OK(bench_data(&b, A, 1, 2, "text"));
	bench_received(&b, A, 1, "texttexttexttexttext");
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	for (unsigned i = 3; i <= 5; i++) {
		bench_pass(&b, 15 * SECOND);
		OK(bench_data(&b, A, 1, i, "text"));
		bench_pass(&b, 0);
		if (i == 4) /* after ACK_PDU_TIME, as ever */
			bench_take_ack(&b, A, 1, 0);
		bench_take_nothing(&b);
	}
	/* It begins again: a round whose Address_PDU was lost. */
	bench_pass(&b, 15 * SECOND);
	OK(bench_data(&b, A, 1, 4, "text"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_stop(&b);
}

static void
test_a_slow_round_is_waited_for_once(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 9, 1, ME));
	for (unsigned i = 1; i <= 9; i++)
		if (i != 8)
			OK(bench_data(&b, A, 1, i, "text"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 8);
	OK(bench_address(&b, A, 1, 9, 1, ME));
	/* For others first; ours is still to come. */
	for (unsigned i = 1; i <= 7; i++) {
		bench_pass(&b, 15 * SECOND);
		bench_take_nothing(&b);
		OK(bench_data(&b, A, 1, i, "text"));
	}
	/* It did not come, and the next round begins. */
	bench_pass(&b, 10 * SECOND);
	OK(bench_address(&b, A, 1, 9, 1, ME));
	bench_pass(&b, 5 * SECOND);
	OK(bench_data(&b, A, 1, 1, "text"));
	bench_pass(&b, 5 * SECOND);
	bench_take_ack(&b, A, 1, 1, 8);
	bench_stop(&b);
}

static void
test_t6_a_transmitter_gone_quiet_is_told_what_is_missing(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 30 * SECOND);
	OK(bench_data(&b, A, 1, 1, "one")); /* not that quiet */
	bench_pass(&b, 40 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_ack(&b, A, 1, 2, 2, 3);
	/* Like any Ack it is repeated, and not for ever ... */
	for (int i = 0; i < 2; i++) {
		bench_pass(&b, 20 * SECOND);
		bench_take_ack(&b, A, 1, 2, 2, 3);
	}
	bench_pass(&b, 2000 * SECOND);
	bench_take_nothing(&b);
	/* ... but every sign of life counts anew. */
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_pass(&b, 40 * SECOND);
	bench_take_ack(&b, A, 1, 1, 3);
	bench_stop(&b);
}

static void
test_t6_waits_while_the_transmitter_sends_something_else(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	for (unsigned i = 1; i < 10; i++) {
		bench_pass(&b, 30 * SECOND);
		bench_take_nothing(&b);
		OK(bench_data(&b, A, 2, i, "to others, for all we know"));
	}
	bench_pass(&b, 40 * SECOND);
	bench_take_ack(&b, A, 1, 2, 1, 2);
	bench_stop(&b);
}

static void
test_t6_does_not_break_silence(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	pmul_engine_set_emcon(b.e, b.now, true);
	bench_pass(&b, 100 * SECOND);
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 100 * SECOND);
	bench_take_nothing(&b);
	/* It is heard of afterwards, see test_rx_silence. */
	pmul_engine_set_emcon(b.e, b.now, false);
	bench_pass(&b, 20 * SECOND);
	bench_take_ack(&b, A, 1, 1, 2);
	bench_stop(&b);
}

static void
test_nack_is_put_off_by_an_address_pdu(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 3, "three"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 2, 1, 2);
	bench_pass(&b, 15 * SECOND);
	OK(bench_address(&b, A, 1, 3, 1, ME));
	bench_pass(&b, 20 * SECOND - 1);
	bench_take_nothing(&b);
	bench_pass(&b, 1);
	bench_take_ack(&b, A, 1, 2, 1, 2);
	bench_stop(&b);
}

static void
test_ranges_are_written_only_where_they_are_shorter(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.ranges = true;
	b.cfg.mm = 10;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 30, 1, ME));
	OK(bench_data(&b, A, 1, 1, "x"));
	OK(bench_data(&b, A, 1, 5, "x"));
	OK(bench_data(&b, A, 1, 10, "x"));
	OK(bench_data(&b, A, 1, 30, "x"));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 9, 2, 3, 4, 6, 0, 9, 11, 0, 29);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(test_##name)

static const struct CMUnitTest tests[] = {
	T(t1_last_data_pdu_of_the_first_pass),
	T(t2_highest_number_of_the_last_nack),
	T(t3_mm_numbers_missing),
	T(numbers_above_the_highest_received_are_not_missing_yet),
	T(t4_extra_address_pdu),
	T(no_ack_before_stored),
	T(ack_delay_is_random_below_its_bound),
	T(acks_for_one_transmitter_travel_together),
	T(acks_that_do_not_fit_follow_in_the_next_pdu),
	T(ack_goes_where_its_transmitter_was_heard_last),
	T(ack_carries_the_priority_of_the_message),
	T(nack_is_repeated_when_nobody_reacts_and_not_for_ever),
	T(nack_is_not_repeated_once_requested_data_comes),
	T(t5_the_rest_of_a_slow_round_is_not_answered),
	T(a_slow_round_is_waited_for_once),
	T(t6_a_transmitter_gone_quiet_is_told_what_is_missing),
	T(t6_waits_while_the_transmitter_sends_something_else),
	T(t6_does_not_break_silence),
	T(nack_is_put_off_by_an_address_pdu),
	T(ranges_are_written_only_where_they_are_shorter),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

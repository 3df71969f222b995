/*
 * A scripted peer that behaves as NTNU's libjpmul does: a test for each row of
 * the table of its quirks that concerns what a receiver of ours hears and says
 * (Q1, Q3 to Q6, Q8, Q9, Q11, Q16 and Q17).  The sender's side: test_tx_ntnu.c.
 */
#include "pmul/test/bench.h"

#include <string.h>

#include "tests/unit/unit.h"

#define OK(call) assert_int_equal(call, PMUL_OK)

static void
started(struct bench *b)
{
	const struct pmul_node n = { .id = A, .ntnu = true };

	bench_start(b);
	OK(pmul_engine_set_node(b->e, b->now, &n));
}

/* An Ack_PDU of two entries about msid, the second as NTNU wants it. */
static void
take_double_ack(struct bench *b, uint32_t msid, struct pmul_ack_entry *ret)
{
	struct pmul_ack_entry second;
	size_t pos = 0;

	bench_take(b, PMUL_ACK);
	assert_int_equal(b->pdu.count, 2);
	assert_true(pmul_pdu_next_ack(&b->pdu, &pos, ret));
	assert_true(pmul_pdu_next_ack(&b->pdu, &pos, &second));
	assert_int_equal(ret->source, A);
	assert_int_equal(second.source, ME);
	assert_int_equal(ret->msid, msid);
	assert_int_equal(second.msid, msid);
	assert_int_equal(ret->nmissing, second.nmissing);
	if (ret->nmissing > 0)
		assert_memory_equal(
		    ret->missing, second.missing, 2 * ret->nmissing);
}

static void
test_q1_acks_name_the_originator_and_then_ourselves(void **state)
{
	struct pmul_ack_entry entry;
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	assert_int_equal(entry.nmissing, 1);
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_received(&b, A, 1, "onetwo");
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	assert_int_equal(entry.nmissing, 0);
	/* Others are spared. */
	OK(bench_address(&b, B, 1, 1, 1, ME));
	OK(bench_data(&b, B, 1, 1, "one"));
	bench_received(&b, B, 1, "one");
	bench_pass(&b, 0);
	bench_take_ack(&b, B, 1, 0);
	bench_stop(&b);
}

static void
test_q1_both_entries_share_one_pdu_or_wait(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.pdu_max = 64; /* 14 + 5 * 10: two messages, twice */
	b.cfg.ack_delay_us = SECOND;
	started(&b);
	for (uint32_t id = 1; id <= 3; id++) {
		OK(bench_address(&b, A, id, 1, 1, ME));
		OK(bench_data(&b, A, id, 1, "one"));
		bench_received(&b, A, id, "one");
	}
	bench_pass(&b, SECOND);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.pdu.count, 4);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.pdu.count, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_q3_at_most_122_plain_numbers_none_above_total(void **state)
{
	struct pmul_ack_entry entry;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.pdu_max = 1400;
	b.cfg.mm = 500;
	b.cfg.ranges = true;
	b.cfg.timestamp = true;
	started(&b);
	OK(bench_address(&b, A, 1, 300, 1, ME));
	OK(bench_data(&b, A, 1, 300, "last"));
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	assert_int_equal(entry.nmissing, 122);
	for (unsigned i = 0; i < 122; i++)
		assert_int_equal(
		    entry.missing[2 * i] << 8 | entry.missing[2 * i + 1],
		    i + 1);
	/* Where there is little room, half of it for each entry. */
	bench_stop(&b);
	b.cfg.pdu_max = 101;
	started(&b);
	OK(bench_address(&b, A, 1, 40, 1, ME));
	OK(bench_data(&b, A, 1, 40, "last"));
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	assert_int_equal(entry.nmissing, (101 - 14 - 8 - 20) / 4);
	bench_stop(&b);
}

static void
test_q4_without_ack_ack_repeats_end(void **state)
{
	struct pmul_ack_entry entry;
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_received(&b, A, 1, "one");
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	for (int i = 0; i < 2; i++) {
		bench_pass(&b, 20 * SECOND);
		take_double_ack(&b, 1, &entry);
	}
	bench_pass(&b, 1000 * SECOND);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_q5_total_of_a_round_does_not_shorten_the_message(void **state)
{
	struct pmul_ack_entry entry;
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	OK(bench_address(&b, A, 1, 4, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 4, "four"));
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	/* Two PDUs in this round, sent twice in a row; the first is lost. */
	for (int i = 0; i < 2; i++) {
		OK(bench_address(&b, A, 1, 2, 1, ME));
		OK(bench_data(&b, A, 1, 3, "three"));
		bench_no_event(&b);
	}
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	assert_int_equal(entry.nmissing, 1);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_received(&b, A, 1, "onetwothreefour");
	bench_stop(&b);
}

static void
test_q5_heard_first_in_a_retransmission_nothing_is_delivered_early(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	/* A round of 1 and 3, of a message of four. */
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 3, "three"));
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_no_event(&b);
	/* The next full round, as we were never heard of. */
	OK(bench_address(&b, A, 1, 4, 1, ME));
	OK(bench_data(&b, A, 1, 4, "four"));
	bench_received(&b, A, 1, "onetwothreefour");
	bench_stop(&b);
}

static void
test_q6_padding_behind_the_pdu_is_ignored(void **state)
{
	uint8_t buf[3840] = { 0 };
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	(void)pmul_pdu_put_data(buf, sizeof(buf), 4, A, 1, 1, "one", 3);
	OK(bench_input(&b, A, buf, sizeof(buf)));
	bench_received(&b, A, 1, "one");
	bench_stop(&b);
}

static void
test_q9_unsorted_lists_and_new_sequence_numbers_are_accepted(void **state)
{
	struct pmul_event ev;
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	OK(bench_address(&b, A, 1, 2, 4, C, B, ME, A + 1));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_address(&b, A, 1, 2, 2, C, ME)); /* renumbered */
	OK(bench_data(&b, A, 1, 2, "two"));
	assert_true(pmul_engine_next_event(b.e, &ev));
	assert_int_equal(ev.type, PMUL_EV_RECEIVED);
	assert_int_equal(ev.seq, 72);
	bench_stop(&b);
}

static void
test_q8_past_expiry_it_goes_on_and_we_do_not(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_pass(&b, 3661 * SECOND);
	bench_event(&b, PMUL_EV_LOST, A, 1);
	assert_int_equal(bench_address(&b, A, 1, 2, 1, ME), PMUL_EEXPIRED);
	OK(bench_data(&b, A, 1, 2, "two"));
	bench_pass(&b, 20 * SECOND);
	bench_take_nothing(&b);
	bench_no_event(&b);
	bench_stop(&b);
}

/* It sends up to its PDU_MAX_SIZE, whatever ours is. */
static void
test_q11_pdus_longer_than_ours_are_taken(void **state)
{
	uint8_t buf[3840];
	char text[3840 - 16];
	struct pmul_event ev;
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	memset(text, 'x', sizeof(text));
	OK(bench_address(&b, A, 1, 1, 1, ME));
	(void)pmul_pdu_put_data(
	    buf, sizeof(buf), 4, A, 1, 1, text, sizeof(text));
	OK(bench_input(&b, A, buf, sizeof(buf)));
	assert_true(pmul_engine_next_event(b.e, &ev));
	assert_int_equal(ev.type, PMUL_EV_RECEIVED);
	assert_int_equal(ev.len, sizeof(text));
	bench_stop(&b);
}

/*
 * Its receivers would take the second message for more of the first.  Ours
 * knows the number: the text is not delivered again, nor another in its place,
 * until the first has expired.
 */
static void
test_q16_a_number_used_again_is_the_same_message(void **state)
{
	struct pmul_ack_entry entry;
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_received(&b, A, 1, "one");
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	bench_pass(&b, 1000 * SECOND);
	while (pmul_engine_next_pdu(
	    b.e, b.now, &b.where, b.buf, sizeof(b.buf), &b.len))
		;
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "another"));
	OK(bench_data(&b, A, 1, 2, "text"));
	bench_no_event(&b);
	bench_pass(&b, 0);
	take_double_ack(&b, 1, &entry);
	assert_int_equal(entry.nmissing, 0);
	bench_stop(&b);
}

static void
test_q17_data_first_and_reserved_fields_play_well(void **state)
{
	/* 24 + 1 * (8 + 4). */
	uint8_t buf[36];
	struct pmul_dest d = { ME, 1 };
	const struct pmul_pdu pdu = {
		.type = PMUL_ADDRESS,
		.first = true,
		.last = true,
		.source = A,
		.msid = 1,
		.total = 1,
		.expiry = BENCH_WALL + 60,
	};
	struct bench b;

	(void)state;
	bench_init(&b);
	started(&b);
	OK(bench_data(&b, A, 1, 1, "one"));
	memset(buf, 0xa5, sizeof(buf));
	(void)pmul_pdu_put_address(buf, sizeof(buf), &pdu, &d, 1);
	buf[1] = 36;
	buf[23] = 4;
	pmul_checksum_put(buf, sizeof(buf));
	OK(bench_input(&b, A, buf, sizeof(buf)));
	bench_received(&b, A, 1, "one");
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(test_##name)

static const struct CMUnitTest tests[] = {
	T(q1_acks_name_the_originator_and_then_ourselves),
	T(q1_both_entries_share_one_pdu_or_wait),
	T(q3_at_most_122_plain_numbers_none_above_total),
	T(q4_without_ack_ack_repeats_end),
	T(q5_total_of_a_round_does_not_shorten_the_message),
	T(q5_heard_first_in_a_retransmission_nothing_is_delivered_early),
	T(q6_padding_behind_the_pdu_is_ignored),
	T(q8_past_expiry_it_goes_on_and_we_do_not),
	T(q9_unsorted_lists_and_new_sequence_numbers_are_accepted),
	T(q11_pdus_longer_than_ours_are_taken),
	T(q16_a_number_used_again_is_the_same_message),
	T(q17_data_first_and_reserved_fields_play_well),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The sender and NTNU's library: whose Ack it is, and what such a destination
 * must not be sent.
 */
#include "pmul/test/bench.h"

#include "tests/unit/unit.h"

static void
know(struct bench *b, uint32_t id, bool ntnu)
{
	struct pmul_node n = { .id = id, .ntnu = ntnu };

	assert_int_equal(pmul_engine_set_node(b->e, b->now, &n), PMUL_OK);
}

/* An Ack_PDU with any two ids; n numbers follow, none: complete. */
static int
ack(struct bench *b, uint32_t header, uint32_t entry, uint32_t msid,
    const uint16_t *list, size_t n)
{
	struct pmul_ack_writer w;
	uint8_t buf[200];

	pmul_ack_begin(&w, buf, sizeof(buf), 4, header);
	assert_true(pmul_ack_entry_add(&w, entry, msid, list, n));
	return bench_input(b, B, buf, pmul_ack_end(&w, NULL));
}

/* Message 1 of two PDUs to A and B, its first pass taken. */
static void
started(struct bench *b)
{
	bench_init(b);
	bench_start(b);
	know(b, B, true);
	assert_int_equal(bench_submit(b, 1, 2, 2, A, B), PMUL_OK);
	bench_take_address(b, 1, 2, A, B);
	bench_take_data(b, 1, 1);
	bench_take_data(b, 1, 2);
}

static uint64_t
unknown(const struct bench *b)
{
	struct pmul_counters c;

	pmul_engine_counters(b->e, &c);
	return c.ack_unknown;
}

static void
test_a_conformant_entry_is_the_word_of_the_sender_in_the_header(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	assert_int_equal(ack(&b, B, ME, 1, NULL, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_q1_an_entry_that_names_its_acknowledger_is_understood(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	assert_int_equal(ack(&b, B, B, 1, NULL, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	/* Whether or not it is known for that. */
	assert_int_equal(ack(&b, A, A, 1, (uint16_t[]){ 2 }, 1), PMUL_OK);
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 2);
	assert_int_equal(unknown(&b), 0);
	bench_stop(&b);
}

static void
test_q1_so_is_one_with_the_originator_in_the_header(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	assert_int_equal(ack(&b, ME, B, 1, NULL, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_anything_else_about_whose_word_it_is_is_ignored(void **state)
{
	struct pmul_counters c;
	struct bench b;

	(void)state;
	started(&b);
	/* Neither the same id nor ours in the header. */
	assert_int_equal(ack(&b, A, B, 1, NULL, 0), PMUL_OK);
	/* No destination; no message. */
	assert_int_equal(ack(&b, C, C, 1, NULL, 0), PMUL_OK);
	assert_int_equal(ack(&b, B, B, 7, NULL, 0), PMUL_OK);
	assert_int_equal(unknown(&b), 3);
	/* Our own id and nothing to make up for it: a loop. */
	assert_int_equal(ack(&b, ME, ME, 1, NULL, 0), PMUL_EOWN);
	assert_int_equal(ack(&b, ME, C, 1, NULL, 0), PMUL_EOWN);
	assert_int_equal(ack(&b, ME, B, 7, NULL, 0), PMUL_EOWN);
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.own, 3);
	assert_int_equal(c.ack_unknown, 3);
	assert_int_equal(c.acks_in, 3);
	bench_no_event(&b);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_our_own_ack_looped_back_gets_no_answer(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_take_address(&b, 1, 0);
	bench_pass(&b, 11 * SECOND);
	assert_int_equal(ack(&b, ME, ME, 1, NULL, 0), PMUL_EOWN);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_the_same_said_both_ways_counts_once(void **state)
{
	struct pmul_ack_writer w;
	uint8_t buf[200];
	struct bench b;

	(void)state;
	started(&b);
	pmul_ack_begin(&w, buf, sizeof(buf), 4, A);
	assert_true(pmul_ack_entry_add(&w, ME, 1, NULL, 0));
	assert_true(pmul_ack_entry_add(&w, A, 1, NULL, 0));
	assert_int_equal(
	    bench_input(&b, A, buf, pmul_ack_end(&w, NULL)), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	bench_no_event(&b);
	assert_int_equal(unknown(&b), 0);
	bench_stop(&b);
}

static void
test_its_silence_ends_whichever_way_it_speaks(void **state)
{
	struct pmul_node n = { .id = B, .emcon = true, .ntnu = true };
	struct pmul_event ev;
	struct bench b;

	(void)state;
	started(&b);
	assert_int_equal(pmul_engine_set_node(b.e, b.now, &n), PMUL_OK);
	assert_int_equal(ack(&b, ME, B, 1, NULL, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	assert_true(pmul_engine_next_event(b.e, &ev));
	assert_int_equal(ev.type, PMUL_EV_EMCON_LEFT);
	assert_int_equal(ev.peer, B);
	/* What else is known of it stays. */
	assert_true(pmul_engine_node(b.e, B).ntnu);
	bench_stop(&b);
}

static void
test_q2_no_discard_to_a_static_group_with_such_a_node(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	assert_int_equal(bench_ack(&b, B, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	bench_pass(&b, 3600 * SECOND);
	bench_event(&b, PMUL_EV_GAVE_UP, A, 1);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	bench_take_nothing(&b);
	/* Nor when somebody still acknowledges it, nor when cancelled. */
	bench_pass(&b, 11 * SECOND);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_take_nothing(&b);
	assert_int_equal(bench_submit(&b, 2, 1, 1, B), PMUL_OK);
	bench_take_address(&b, 2, 1, B);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 2), PMUL_OK);
	bench_take_nothing(&b);
	/* To others, as ever. */
	assert_int_equal(bench_submit(&b, 3, 1, 1, A), PMUL_OK);
	bench_take_address(&b, 3, 1, A);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 3), PMUL_OK);
	bench_take(&b, PMUL_DISCARD);
	bench_stop(&b);
}

static void
test_learnt_in_flight_it_still_gets_no_discard(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, B), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	know(&b, B, true);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 1), PMUL_OK);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_its_list_stays_in_one_address_pdu(void **state)
{
	struct pmul_dest d[10];
	struct pmul_submit s = {
		.msid = 1,
		.expiry = { BENCH_WALL + 60 },
		.group = 77,
		.dests = d,
		.ndests = 9,
		.data = "x",
		.len = 1,
	};
	size_t live;
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	know(&b, 100, true);
	for (uint32_t i = 0; i < 10; i++)
		d[i] = (struct pmul_dest){ 100 + i, 1 };
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_OK);
	s.msid = 2;
	s.ndests = 10;
	live = unit_alloc_live();
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_ETOOBIG);
	assert_int_equal(unit_alloc_live(), live);
	know(&b, 100, false);
	assert_int_equal(pmul_engine_submit(b.e, b.now, &s), PMUL_OK);
	bench_stop(&b);
}

static void
test_q15_it_is_told_everything_again_and_not_asked(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	bench_start(&b);
	know(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 2, 1, B), PMUL_OK);
	for (int i = 0; i < 3; i++) {
		bench_take_address(&b, 1, 1, B);
		bench_take_data(&b, 1, 1);
		bench_take_data(&b, 1, 2);
		bench_take_nothing(&b);
		bench_pass(&b, 40 * SECOND);
	}
	bench_stop(&b);
}

static void
test_learnt_in_flight_it_is_not_asked_any_more(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	bench_start(&b);
	assert_int_equal(bench_submit(&b, 1, 1, 1, B), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_extra(&b, 1, 1, B);
	know(&b, B, true);
	bench_pass(&b, 10 * SECOND);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_others_are_asked_beside_it(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	bench_start(&b);
	know(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 1, 2, A, B), PMUL_OK);
	bench_take_address(&b, 1, 2, A, B);
	bench_take_data(&b, 1, 1);
	bench_take_extra(&b, 1, 2, A, B);
	assert_int_equal(ack(&b, B, B, 1, NULL, 0), PMUL_OK);
	bench_pass(&b, 10 * SECOND);
	bench_take_extra(&b, 1, 1, A);
	bench_take_nothing(&b);
	bench_stop(&b);
}

/*
 * It lists all that has not come yet as soon as that is MM or more, and again
 * with each duplicate: what is still to come is no news.
 */
static void
test_q7_lists_sent_too_early_and_too_often_cost_nothing(void **state)
{
	static const uint16_t rest[] = { 2, 3, 4 }, lost[] = { 2 };
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	know(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 4, 1, B), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	assert_int_equal(ack(&b, B, B, 1, rest, 3), PMUL_OK);
	for (unsigned i = 2; i <= 4; i++)
		bench_take_data(&b, 1, i);
	bench_take_nothing(&b);
	/* At the end it means it; said three times, it is served once. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(ack(&b, B, B, 1, lost, 1), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 2);
	bench_take_nothing(&b);
	bench_stop(&b);
}

/* A repeated Address_PDU makes it acknowledge again, Data_PDUs do not. */
static void
test_q12_a_round_begins_with_what_makes_it_acknowledge(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	assert_int_equal(bench_ack(&b, A, 1, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, A, 1);
	bench_pass(&b, 10 * SECOND); /* its Ack was lost */
	bench_take_address(&b, 1, 1, B);
	assert_int_equal(ack(&b, B, B, 1, NULL, 0), PMUL_OK);
	bench_event(&b, PMUL_EV_ACKED, B, 1);
	/* The rest of the round is for nobody. */
	bench_take_address(&b, 1, 0);
	bench_take_nothing(&b);
	bench_stop(&b);
}

/* It is silent until the last Data_PDU arrives, however often that takes. */
static void
test_q13_the_last_data_pdu_comes_until_it_answers(void **state)
{
	static const uint16_t lost[] = { 1 };
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	know(&b, B, true);
	assert_int_equal(bench_submit(&b, 1, 2, 1, B), PMUL_OK);
	for (int i = 0; i < 3; i++) {
		bench_take_address(&b, 1, 1, B);
		bench_take_data(&b, 1, 1);
		bench_take_data(&b, 1, 2);
		bench_take_nothing(&b);
		bench_pass(&b, 40 * SECOND);
	}
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_data(&b, 1, 2);
	assert_int_equal(ack(&b, B, B, 1, lost, 1), PMUL_OK);
	bench_take_address(&b, 1, 1, B);
	bench_take_data(&b, 1, 1);
	bench_take_nothing(&b);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	T(test_a_conformant_entry_is_the_word_of_the_sender_in_the_header),
	T(test_q1_an_entry_that_names_its_acknowledger_is_understood),
	T(test_q1_so_is_one_with_the_originator_in_the_header),
	T(test_anything_else_about_whose_word_it_is_is_ignored),
	T(test_our_own_ack_looped_back_gets_no_answer),
	T(test_the_same_said_both_ways_counts_once),
	T(test_its_silence_ends_whichever_way_it_speaks),
	T(test_q2_no_discard_to_a_static_group_with_such_a_node),
	T(test_learnt_in_flight_it_still_gets_no_discard),
	T(test_its_list_stays_in_one_address_pdu),
	T(test_q7_lists_sent_too_early_and_too_often_cost_nothing),
	T(test_q12_a_round_begins_with_what_makes_it_acknowledge),
	T(test_q13_the_last_data_pdu_comes_until_it_answers),
	T(test_q15_it_is_told_everything_again_and_not_asked),
	T(test_learnt_in_flight_it_is_not_asked_any_more),
	T(test_others_are_asked_beside_it),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

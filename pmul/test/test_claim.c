/* Dynamic groups of our own, ACP 142 3.8: each rule of the transmitter's side. */
#include "pmul/test/group_bench.h"

#include "tests/unit/unit.h"

static void
test_a_group_is_asked_for_announced_used_and_released(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 100);
	OK(gb_submit(&b, 1));
	group = gb_take(&b, PMUL_REQUEST, 1);
	bench_take_nothing(&b);
	/* WAIT_FOR_REJECT_TIME, then ANNOUNCE_CT over ANNOUNCE_DELAY. */
	gb_quiet_for(&b, 5 * SECOND);
	gb_take_announce(&b, 1, group);
	gb_quiet_for(&b, 5 * SECOND / 3);
	gb_take_announce(&b, 1, group);
	gb_quiet_for(&b, 5 * SECOND / 3);
	gb_take_announce(&b, 1, group);
	gb_quiet_for(&b, 5 * SECOND / 3 + 2);
	bench_take(&b, PMUL_ADDRESS);
	assert_int_equal(b.where.group, group);
	bench_take_data(&b, 1, 1);
	assert_int_equal(b.where.group, group);
	OK(bench_ack(&b, A, 1, 0));
	OK(bench_ack(&b, B, 1, 0));
	bench_take(&b, PMUL_ADDRESS);
	assert_int_equal(b.pdu.count, 0);
	assert_int_equal(gb_take(&b, PMUL_RELEASE, 1), group);
	bench_take_nothing(&b);
	assert_int_equal(gb_gauges(&b).groups_claimed, 0);
	assert_int_equal(gb_counters(&b).requests_out, 1);
	assert_int_equal(gb_counters(&b).announces_out, 3);
	assert_int_equal(gb_counters(&b).releases_out, 1);
	bench_stop(&b);
}

static void
test_a_rejected_group_is_released_and_another_is_asked_for(void **state)
{
	uint32_t first, second;
	struct bench b;

	(void)state;
	gb_started(&b, 100);
	OK(gb_submit(&b, 1));
	first = gb_take(&b, PMUL_REQUEST, 1);
	OK(gb_reject(&b, 1, first));
	assert_int_equal(gb_take(&b, PMUL_RELEASE, 1), first);
	second = gb_take(&b, PMUL_REQUEST, 1);
	assert_int_not_equal(second, first);
	/* A second Reject of the first. */
	OK(gb_reject(&b, 1, first));
	bench_take_nothing(&b);
	gb_quiet_for(&b, 5 * SECOND);
	gb_take_announce(&b, 1, second);
	assert_int_equal(gb_counters(&b).rejects_in, 1);
	bench_stop(&b);
}

static void
test_a_reject_counts_whatever_its_group_field_says(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 100);
	OK(gb_submit(&b, 1));
	(void)gb_take(&b, PMUL_REQUEST, 1);
	OK(gb_reject(&b, 1, ME)); /* as NTNU's library does */
	(void)gb_take(&b, PMUL_RELEASE, 1);
	(void)gb_take(&b, PMUL_REQUEST, 1);
	bench_stop(&b);
}

static void
test_a_reject_before_the_request_or_after_the_announce_is_ignored(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 100);
	OK(gb_reject(&b, 1, GB_POOL));
	OK(gb_submit(&b, 1));
	OK(gb_reject(&b, 1, GB_POOL));
	group = gb_take(&b, PMUL_REQUEST, 1);
	/* Of another's Request, or another message of ours. */
	OK(gb_put(&b, PMUL_REJECT, A, B, 1, group));
	OK(gb_reject(&b, 2, group));
	bench_pass(&b, 5 * SECOND);
	OK(gb_reject(&b, 1, group));
	gb_take_announce(&b, 1, group);
	OK(gb_reject(&b, 1, group));
	bench_take_nothing(&b);
	assert_int_equal(gb_counters(&b).rejects_in, 0);
	assert_int_equal(gb_counters(&b).own, 0);
	bench_stop(&b);
}

static void
test_when_no_group_is_free_it_waits_and_tries_again(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	OK(gb_submit(&b, 1));
	group = gb_take(&b, PMUL_REQUEST, 1);
	OK(gb_reject(&b, 1, group));
	(void)gb_take(&b, PMUL_RELEASE, 1);
	group = gb_take(&b, PMUL_REQUEST, 1);
	OK(gb_reject(&b, 1, group));
	(void)gb_take(&b, PMUL_RELEASE, 1);
	/* ACK_RE-TRANSMISSION_TIME, then backed off. */
	gb_quiet_for(&b, 10 * SECOND);
	group = gb_take(&b, PMUL_REQUEST, 1);
	OK(gb_reject(&b, 1, group));
	(void)gb_take(&b, PMUL_RELEASE, 1);
	group = gb_take(&b, PMUL_REQUEST, 1);
	OK(gb_reject(&b, 1, group));
	(void)gb_take(&b, PMUL_RELEASE, 1);
	gb_quiet_for(&b, 20 * SECOND);
	(void)gb_take(&b, PMUL_REQUEST, 1);
	bench_stop(&b);
}

static void
test_the_most_urgent_of_those_that_wait_gets_what_is_given_back(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 1);
	group = gb_held(&b, 1);
	OK(gb_submit_resumed(&b, 2, 4, 0));
	OK(gb_submit_resumed(&b, 3, 2, 0));
	bench_take_nothing(&b);
	OK(bench_ack(&b, A, 1, 0));
	OK(bench_ack(&b, B, 1, 0));
	bench_take(&b, PMUL_ADDRESS);
	assert_int_equal(gb_take(&b, PMUL_RELEASE, 1), group);
	assert_int_equal(gb_take(&b, PMUL_REQUEST, 3), group);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_group_others_announced_is_not_asked_for(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 9, GB_POOL, B));
	OK(gb_submit(&b, 1));
	assert_int_equal(gb_take(&b, PMUL_REQUEST, 1), GB_POOL + 1);
	OK(gb_submit(&b, 2));
	bench_take_nothing(&b);
	/* Given back, it is asked for at once. */
	OK(gb_release(&b, A, 9, GB_POOL));
	assert_int_equal(gb_take(&b, PMUL_REQUEST, 2), GB_POOL);
	bench_stop(&b);
}

static void
test_an_announce_of_what_we_ask_for_makes_us_ask_for_another(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	OK(gb_submit(&b, 1));
	group = gb_take(&b, PMUL_REQUEST, 1);
	OK(gb_announce(&b, C, 9, group, B));
	assert_int_equal(gb_take(&b, PMUL_RELEASE, 1), group);
	assert_int_not_equal(gb_take(&b, PMUL_REQUEST, 1), group);
	bench_stop(&b);
}

static void
test_an_announce_of_our_announced_group_changes_nothing(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	group = gb_held(&b, 1);
	OK(gb_announce(&b, C, 9, group, B));
	bench_take_nothing(&b);
	OK(bench_ack(&b, A, 1, 1, 1));
	bench_pass(&b, 10 * SECOND);
	gb_take_announce(&b, 1, group); /* B was never heard */
	bench_take(&b, PMUL_ADDRESS);
	assert_int_equal(b.where.group, group);
	bench_stop(&b);
}

static void
test_of_two_that_ask_at_once_the_lower_id_keeps_the_group(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	OK(gb_submit(&b, 1));
	group = gb_take(&b, PMUL_REQUEST, 1);
	/* C is above us, A below. */
	OK(gb_request(&b, C, 9, group));
	gb_take_reject(&b, C, 9, group);
	bench_take_nothing(&b);
	OK(gb_request(&b, A, 9, group));
	assert_int_equal(gb_take(&b, PMUL_RELEASE, 1), group);
	assert_int_not_equal(gb_take(&b, PMUL_REQUEST, 1), group);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_request_not_yet_sent_gives_way_without_a_word(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 1);
	OK(gb_submit(&b, 1));
	OK(gb_request(&b, C, 9, GB_POOL));
	bench_take_nothing(&b);
	assert_int_equal(gb_counters(&b).releases_out, 0);
	bench_stop(&b);
}

static void
test_our_group_is_defended_at_once(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	b.cfg.ack_delay_us = 4 * SECOND;
	group = gb_held(&b, 1);
	OK(gb_request(&b, A, 9, group));
	assert_int_equal(pmul_engine_deadline(b.e).us, b.now.mono.us);
	gb_take_reject(&b, A, 9, group);
	OK(gb_request(&b, A, 9, group ^ 1));
	bench_take_nothing(&b);
	assert_int_equal(gb_counters(&b).rejects_out, 1);
	bench_stop(&b);
}

static void
test_after_the_release_the_group_is_anybodys(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	group = gb_held(&b, 1);
	OK(bench_ack(&b, A, 1, 0));
	OK(bench_ack(&b, B, 1, 0));
	/* The Release is due: no Reject. */
	OK(gb_request(&b, A, 9, group));
	bench_take(&b, PMUL_ADDRESS);
	(void)gb_take(&b, PMUL_RELEASE, 1);
	OK(gb_request(&b, A, 9, group));
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_what_expires_is_discarded_then_released(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	group = gb_held(&b, 1);
	bench_pass(&b, 3600 * SECOND);
	bench_take(&b, PMUL_DISCARD);
	assert_int_equal(b.where.group, group);
	assert_int_equal(gb_take(&b, PMUL_RELEASE, 1), group);
	bench_take_nothing(&b);
	bench_event(&b, PMUL_EV_GAVE_UP, A, 1);
	bench_event(&b, PMUL_EV_GAVE_UP, B, 1);
	bench_event(&b, PMUL_EV_DONE, 0, 1);
	assert_int_equal(gb_gauges(&b).groups_claimed, 0);
	bench_stop(&b);
}

static void
test_what_is_cancelled_before_its_request_leaves_no_word(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_submit(&b, 1));
	OK(pmul_engine_cancel(b.e, b.now, 1));
	bench_take_nothing(&b);
	OK(gb_submit(&b, 2));
	(void)gb_take(&b, PMUL_REQUEST, 2);
	OK(pmul_engine_cancel(b.e, b.now, 2));
	(void)gb_take(&b, PMUL_RELEASE, 2);
	bench_take_nothing(&b);
	bench_no_event(&b);
	assert_int_equal(gb_gauges(&b).groups_claimed, 0);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	bench_stop(&b);
}

static void
test_while_somebody_was_never_heard_it_is_announced_before_each_round(
    void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	group = gb_held(&b, 1);
	OK(bench_ack(&b, A, 1, 0));
	bench_pass(&b, 10 * SECOND);
	assert_int_equal(gb_take(&b, PMUL_ANNOUNCE, 1), group);
	assert_int_equal(b.pdu.count, 1); /* A is complete */
	assert_int_equal(pmul_pdu_announced(&b.pdu, 0), B);
	bench_take(&b, PMUL_ADDRESS);
	bench_take_data(&b, 1, 1);
	bench_take_nothing(&b);
	/* Heard: no more. */
	OK(bench_ack(&b, B, 1, 1, 1));
	bench_take(&b, PMUL_ADDRESS);
	bench_take_data(&b, 1, 1);
	bench_take_nothing(&b);
	/* Nothing of it twice in a row: it may have started anew. */
	bench_pass(&b, 10 * SECOND);
	bench_take(&b, PMUL_ADDRESS);
	bench_take_data(&b, 1, 1);
	bench_pass(&b, 20 * SECOND);
	(void)gb_take(&b, PMUL_ANNOUNCE, 1);
	bench_take(&b, PMUL_ADDRESS);
	bench_stop(&b);
}

static void
test_no_announce_goes_before_what_only_confirms_an_ack(void **state)
{
	struct pmul_node n = { .id = B, .emcon = true };
	struct bench b;

	(void)state;
	gb_setup(&b, 2);
	b.cfg.ack_pdu_us = 5 * SECOND;
	bench_start(&b);
	OK(pmul_engine_set_node(b.e, b.now, &n));
	(void)gb_held(&b, 1);
	OK(bench_ack(&b, A, 1, 0));
	bench_take(&b, PMUL_ADDRESS);
	assert_int_equal(b.pdu.count, 1);
	bench_take_nothing(&b);
	/* Before a repetition to the silent, who was never heard, there is. */
	bench_pass(&b, 30 * SECOND);
	(void)gb_take(&b, PMUL_ANNOUNCE, 1);
	bench_take(&b, PMUL_ADDRESS);
	bench_take_data(&b, 1, 1);
	bench_stop(&b);
}

static void
test_what_is_resumed_is_announced_before_anything_else(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_setup(&b, 2);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	bench_start(&b);
	OK(gb_submit_resumed(&b, 1, 4, 3));
	group = gb_take(&b, PMUL_REQUEST, 1);
	bench_take_nothing(&b);
	bench_pass(&b, 5 * SECOND);
	for (int i = 0; i < 3; i++) {
		gb_take_announce(&b, 1, group);
		bench_take_nothing(&b);
		bench_pass(&b, 5 * SECOND / 3 + 1);
	}
	/* They may have it all: they are asked. */
	bench_take(&b, PMUL_EXTRA_ADDRESS);
	assert_int_equal(b.where.group, group);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_an_announce_that_is_too_long_is_a_set(void **state)
{
	struct pmul_dest d[40];
	struct pmul_submit s = {
		.msid = 1,
		.expiry = { BENCH_WALL + 3600 },
		.dests = d,
		.ndests = 40,
		.data = "x",
		.len = 1,
	};
	struct bench b;
	uint32_t next = 0;

	(void)state;
	gb_started(&b, 1);
	for (uint32_t i = 0; i < 40; i++)
		d[i] = (struct pmul_dest){ 100 + i, 1 };
	OK(pmul_engine_submit(b.e, b.now, &s));
	(void)gb_take(&b, PMUL_REQUEST, 1);
	bench_pass(&b, 5 * SECOND);
	/* 19 in a PDU of 100 octets. */
	for (unsigned part = 0; part < 3; part++) {
		(void)gb_take(&b, PMUL_ANNOUNCE, 1);
		assert_int_equal(b.pdu.first, part == 0);
		assert_int_equal(b.pdu.last, part == 2);
		assert_int_equal(b.pdu.count, part < 2 ? 19 : 2);
		for (size_t i = 0; i < b.pdu.count; i++)
			assert_int_equal(
			    pmul_pdu_announced(&b.pdu, i), 100 + next++);
	}
	bench_take_nothing(&b);
	gb_quiet_for(&b, 5 * SECOND / 3);
	(void)gb_take(&b, PMUL_ANNOUNCE, 1);
	assert_true(b.pdu.first);
	bench_stop(&b);
}

static void
test_an_urgent_message_goes_before_the_groups_of_others(void **state)
{
	static const struct pmul_dest d = { A, 1 };
	struct pmul_submit s = {
		.msid = 3,
		.priority = 4,
		.expiry = { BENCH_WALL + 3600 },
		.group = 77,
		.dests = &d,
		.ndests = 1,
		.data = "x",
		.len = 1,
	};
	struct bench b;

	(void)state;
	gb_started(&b, 10);
	OK(gb_submit_resumed(&b, 1, 6, 0));
	OK(gb_submit_resumed(&b, 2, 1, 0));
	OK(pmul_engine_submit(b.e, b.now, &s));
	(void)gb_take(&b, PMUL_REQUEST, 2);
	bench_take(&b, PMUL_ADDRESS);
	bench_take_data(&b, 3, 1);
	(void)gb_take(&b, PMUL_REQUEST, 1);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_groups_not_yet_released_are_bounded(void **state)
{
	struct bench b;

	(void)state;
	gb_setup(&b, 100);
	b.cfg.tx_messages_max = 2;
	bench_start(&b);
	/* The more urgent Requests go before the Releases. */
	for (uint32_t i = 1; i <= 4; i++) {
		OK(gb_submit_resumed(&b, i, (uint8_t)(6 - i), 0));
		(void)gb_take(&b, PMUL_REQUEST, i);
		OK(pmul_engine_cancel(b.e, b.now, i));
	}
	assert_int_equal(gb_gauges(&b).groups_claimed, 4);
	assert_int_equal(gb_submit(&b, 5), PMUL_EBUSY);
	(void)gb_take(&b, PMUL_RELEASE, 4);
	OK(gb_submit(&b, 5));
	(void)gb_take(&b, PMUL_RELEASE, 3);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(test_##name)

static const struct CMUnitTest tests[] = {
	T(a_group_is_asked_for_announced_used_and_released),
	T(a_rejected_group_is_released_and_another_is_asked_for),
	T(a_reject_counts_whatever_its_group_field_says),
	T(a_reject_before_the_request_or_after_the_announce_is_ignored),
	T(when_no_group_is_free_it_waits_and_tries_again),
	T(the_most_urgent_of_those_that_wait_gets_what_is_given_back),
	T(a_group_others_announced_is_not_asked_for),
	T(an_announce_of_what_we_ask_for_makes_us_ask_for_another),
	T(an_announce_of_our_announced_group_changes_nothing),
	T(of_two_that_ask_at_once_the_lower_id_keeps_the_group),
	T(a_request_not_yet_sent_gives_way_without_a_word),
	T(our_group_is_defended_at_once),
	T(after_the_release_the_group_is_anybodys),
	T(what_expires_is_discarded_then_released),
	T(what_is_cancelled_before_its_request_leaves_no_word),
	T(while_somebody_was_never_heard_it_is_announced_before_each_round),
	T(no_announce_goes_before_what_only_confirms_an_ack),
	T(what_is_resumed_is_announced_before_anything_else),
	T(an_announce_that_is_too_long_is_a_set),
	T(an_urgent_message_goes_before_the_groups_of_others),
	T(groups_not_yet_released_are_bounded),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Dynamic groups, ACP 142 3.8: the receiver's side, silence, limits and hostile
 * input.
 */
#include "pmul/test/group_bench.h"

#include "tests/unit/unit.h"

/* --- the others' side ------------------------------------------------------------ */

static void
test_who_is_named_joins_and_the_others_do_not(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, C));
	bench_no_event(&b);
	OK(gb_announce(&b, A, 2, GB_POOL + 1, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 2, GB_POOL + 1);
	OK(gb_announce(&b, A, 2, GB_POOL + 1, ME));
	bench_no_event(&b);
	assert_int_equal(gb_gauges(&b).groups_joined, 1);
	assert_int_equal(gb_gauges(&b).groups_others, 1);
	OK(gb_release(&b, A, 2, GB_POOL + 1));
	gb_group_event(&b, PMUL_EV_LEAVE, A, 2, GB_POOL + 1);
	OK(gb_release(&b, A, 1, GB_POOL));
	OK(gb_release(&b, A, 1, GB_POOL));
	bench_no_event(&b);
	assert_int_equal(gb_gauges(&b).groups_joined, 0);
	assert_int_equal(gb_gauges(&b).groups_others, 0);
	bench_stop(&b);
}

static void
test_any_part_of_a_set_may_name_us(void **state)
{
	struct pmul_pdu pdu = {
		.type = PMUL_ANNOUNCE,
		.first = true,
		.source = A,
		.msid = 1,
		.expiry = BENCH_WALL + 60,
		.group = GB_POOL,
	};
	uint32_t ids[] = { B, C, ME };
	struct bench b;
	uint8_t buf[64];
	size_t len;

	(void)state;
	gb_started(&b, 2);
	len = pmul_pdu_put_announce(buf, sizeof(buf), &pdu, ids, 2);
	OK(bench_input(&b, A, buf, len));
	bench_no_event(&b);
	pdu.first = false;
	pdu.last = true;
	len = pmul_pdu_put_announce(buf, sizeof(buf), &pdu, ids + 2, 1);
	OK(bench_input(&b, A, buf, len));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	/* The set comes again: the part without us does not make us leave. */
	pdu.first = true;
	len = pmul_pdu_put_announce(buf, sizeof(buf), &pdu, ids, 2);
	OK(bench_input(&b, A, buf, len));
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_two_messages_on_one_group_are_one_membership(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	OK(gb_announce(&b, B, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	bench_no_event(&b);
	OK(gb_release(&b, A, 1, GB_POOL));
	bench_no_event(&b);
	OK(gb_release(&b, B, 1, GB_POOL));
	gb_group_event(&b, PMUL_EV_LEAVE, B, 1, GB_POOL);
	bench_stop(&b);
}

static void
test_another_group_for_the_same_message_replaces_the_first(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	/* The part of a set that names others says nothing about us. */
	OK(gb_announce(&b, A, 1, GB_POOL + 1, C));
	bench_no_event(&b);
	OK(gb_announce(&b, A, 1, GB_POOL + 1, ME));
	gb_group_event(&b, PMUL_EV_LEAVE, A, 1, GB_POOL);
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL + 1);
	/* A Release of the first is late. */
	OK(gb_release(&b, A, 1, GB_POOL));
	bench_no_event(&b);
	assert_int_equal(gb_gauges(&b).groups_joined, 1);
	bench_stop(&b);
}

static void
test_it_leaves_when_its_ack_is_confirmed(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_received(&b, A, 1, "one");
	bench_take_ack(&b, A, 1, 0);
	bench_no_event(&b); /* it may be asked for again */
	OK(bench_address(&b, A, 1, 1, 0));
	gb_group_event(&b, PMUL_EV_LEAVE, A, 1, GB_POOL);
	/* The group is still in use, for others. */
	assert_int_equal(gb_gauges(&b).groups_others, 1);
	OK(gb_release(&b, A, 1, GB_POOL));
	bench_no_event(&b);
	assert_int_equal(gb_gauges(&b).groups_others, 0);
	bench_stop(&b);
}

static void
test_a_release_is_an_answer_to_our_ack(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_received(&b, A, 1, "one");
	bench_take_ack(&b, A, 1, 0);
	OK(gb_release(&b, A, 1, GB_POOL));
	gb_group_event(&b, PMUL_EV_LEAVE, A, 1, GB_POOL);
	bench_pass(&b, 20 * SECOND);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_it_leaves_what_is_discarded_or_lost(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	OK(bench_discard(&b, A, 1)); /* nothing of it ever came */
	gb_group_event(&b, PMUL_EV_LEAVE, A, 1, GB_POOL);
	OK(gb_announce(&b, A, 2, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 2, GB_POOL);
	OK(bench_address(&b, A, 2, 2, 1, ME));
	bench_pass(&b, (3600 + 61) * SECOND);
	gb_group_event(&b, PMUL_EV_LEAVE, A, 2, GB_POOL);
	assert_int_equal(gb_gauges(&b).groups_joined, 0);
	bench_stop(&b);
}

static void
test_an_announce_that_is_never_released_expires(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	b.cfg.undefined_expiry_us = 100 * SECOND;
	OK(gb_announce_until(&b, A, 1, GB_POOL, ME, BENCH_WALL + 200));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	OK(gb_announce(&b, B, 1, GB_POOL + 1, C));
	/* Of others it is believed for UNDEFINED_PDU_EXPIRY_TIME. */
	bench_pass(&b, 100 * SECOND - 1);
	assert_int_equal(gb_gauges(&b).groups_others, 1);
	bench_pass(&b, 1);
	assert_int_equal(gb_gauges(&b).groups_others, 0);
	bench_pass(&b, 160 * SECOND);
	bench_no_event(&b);
	bench_pass(&b, 1 * SECOND); /* Expiry_Time and the skew of clocks */
	gb_group_event(&b, PMUL_EV_LEAVE, A, 1, GB_POOL);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	bench_stop(&b);
}

static void
test_a_complete_message_that_nobody_asks_for_is_left(void **state)
{
	struct bench b;

	(void)state;
	gb_setup(&b, 2);
	b.cfg.ack_pdu_repeats = 0;
	bench_start(&b);
	for (uint32_t i = 1; i <= 2; i++) {
		OK(gb_announce(&b, A, i, GB_POOL + i, ME));
		gb_group_event(&b, PMUL_EV_JOIN, A, i, GB_POOL + i);
		OK(bench_address(&b, A, i, 1, 1, ME));
		OK(bench_data(&b, A, i, 1, "one"));
		bench_received(&b, A, i, "one");
		bench_take_ack(&b, A, i, 0);
	}
	bench_pass(&b, 60 * SECOND);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	bench_take_ack(&b, A, 1, 0);
	bench_pass(&b, 40 * SECOND);
	gb_group_event(&b, PMUL_EV_LEAVE, A, 2, GB_POOL + 2);
	bench_pass(&b, 59 * SECOND);
	bench_no_event(&b);
	bench_pass(&b, 1 * SECOND);
	gb_group_event(&b, PMUL_EV_LEAVE, A, 1, GB_POOL + 1);
	bench_stop(&b);
}

static void
test_a_node_without_a_clock_counts_from_the_announce(void **state)
{
	struct bench b;

	(void)state;
	gb_setup(&b, 2);
	b.cfg.rx_lifetime_us = 500 * SECOND;
	bench_start(&b);
	OK(gb_announce_until(&b, A, 1, GB_POOL, ME, 1));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	bench_pass(&b, 499 * SECOND);
	bench_no_event(&b);
	bench_pass(&b, 1 * SECOND);
	gb_group_event(&b, PMUL_EV_LEAVE, A, 1, GB_POOL);
	bench_stop(&b);
}

static void
test_who_listens_rejects_after_a_random_delay(void **state)
{
	unsigned sent = 0;
	struct bench b;

	(void)state;
	gb_setup(&b, 2);
	b.cfg.ack_delay_us = 4 * SECOND;
	bench_start(&b);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	for (uint32_t i = 0; i < 50; i++)
		OK(gb_request(&b, C, i, GB_POOL));
	/* At most half of WAIT_FOR_REJECT_TIME. */
	bench_pass(&b, 5 * SECOND / 4);
	while (pmul_engine_next_pdu(
	    b.e, b.now, &b.where, b.buf, sizeof(b.buf), &b.len))
		sent++;
	assert_in_range(sent, 10, 40);
	bench_pass(&b, 5 * SECOND / 4);
	for (; sent < 50; sent++)
		bench_take(&b, PMUL_REJECT);
	bench_take_nothing(&b);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us < b.now.mono.us + 60 * SECOND, false);
	bench_stop(&b);
}

static void
test_a_reject_that_somebody_else_made_needless_is_not_sent(void **state)
{
	struct bench b;

	(void)state;
	gb_setup(&b, 2);
	b.cfg.ack_delay_us = 4 * SECOND;
	bench_start(&b);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	OK(gb_request(&b, C, 9, GB_POOL));
	OK(gb_release(&b, C, 9, GB_POOL));
	bench_pass(&b, 5 * SECOND);
	bench_take_nothing(&b);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_the_owner_of_a_group_may_ask_for_it_again(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	OK(gb_request(&b, A, 1, GB_POOL));
	bench_pass(&b, 5 * SECOND);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_who_does_not_listen_does_not_reject(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, B));
	OK(gb_request(&b, C, 9, GB_POOL));
	OK(gb_request(&b, C, 9, GB_POOL + 1));
	bench_pass(&b, 5 * SECOND);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_a_reject_that_comes_too_late_is_not_sent(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_setup(&b, 2);
	b.cfg.bit_rate = 100;
	b.cfg.overhead_bytes = 28;
	bench_start(&b);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	/* The air is ours for 10 s. */
	OK(bench_submit(&b, 7, 1, 1, B));
	bench_take(&b, PMUL_ADDRESS);
	bench_pass(&b, 5 * SECOND);
	bench_take_data(&b, 7, 1);
	group = GB_POOL;
	OK(gb_request(&b, C, 9, group));
	bench_pass(&b, 10 * SECOND);
	bench_take_nothing(&b);
	assert_int_equal(gb_counters(&b).rejects_out, 0);
	bench_stop(&b);
}

/* --- silence --------------------------------------------------------------------- */

static void
test_in_emcon_there_is_no_reject_and_no_request(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 3);
	group = gb_held(&b, 1);
	OK(gb_announce(&b, A, 5, group ^ 1, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 5, group ^ 1);
	/* One is owed, one comes later. */
	OK(gb_request(&b, C, 8, group));
	pmul_engine_set_emcon(b.e, b.now, true);
	OK(gb_request(&b, C, 9, group));
	OK(gb_request(&b, C, 10, group ^ 1));
	OK(gb_submit(&b, 2));
	bench_take_nothing(&b);
	bench_pass(&b, 1 * SECOND);
	bench_take_nothing(&b);
	pmul_engine_set_emcon(b.e, b.now, false);
	(void)gb_take(&b, PMUL_REQUEST, 2);
	bench_take_nothing(&b);
	assert_int_equal(gb_counters(&b).rejects_out, 0);
	bench_stop(&b);
}

static void
test_what_was_asked_before_emcon_is_asked_again_after_it(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 3);
	OK(gb_submit(&b, 1));
	group = gb_take(&b, PMUL_REQUEST, 1);
	pmul_engine_set_emcon(b.e, b.now, true);
	bench_pass(&b, 100 * SECOND);
	pmul_engine_set_emcon(b.e, b.now, false);
	assert_int_equal(gb_take(&b, PMUL_REQUEST, 1), group);
	gb_quiet_for(&b, 5 * SECOND);
	gb_take_announce(&b, 1, group);
	bench_stop(&b);
}

static void
test_in_emcon_a_clash_is_lost_without_a_word(void **state)
{
	struct bench b;
	uint32_t group;

	(void)state;
	gb_started(&b, 2);
	OK(gb_submit(&b, 1));
	group = gb_take(&b, PMUL_REQUEST, 1);
	pmul_engine_set_emcon(b.e, b.now, true);
	OK(gb_request(&b, C, 9, group)); /* we would have won */
	bench_take_nothing(&b);
	pmul_engine_set_emcon(b.e, b.now, false);
	assert_int_equal(gb_take(&b, PMUL_RELEASE, 1), group);
	assert_int_not_equal(gb_take(&b, PMUL_REQUEST, 1), group);
	bench_stop(&b);
}

static void
test_what_was_announced_in_emcon_is_said_again_after_it(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	pmul_engine_set_emcon(b.e, b.now, true);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	OK(gb_announce(&b, A, 2, GB_POOL + 1, B));
	pmul_engine_set_emcon(b.e, b.now, false);
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	bench_no_event(&b);
	OK(gb_release(&b, A, 1, GB_POOL));
	gb_group_event(&b, PMUL_EV_LEAVE, A, 1, GB_POOL);
	bench_no_event(&b);
	bench_stop(&b);
}

/* --- limits and hostile input ---------------------------------------------------- */

static void
test_joined_groups_are_bounded_and_one_too_many_leaves_no_trace(void **state)
{
	struct pmul_gauges before, after;
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	OK(gb_announce(&b, A, 1, GB_POOL, ME));
	OK(gb_announce(&b, A, 2, GB_POOL + 1, ME));
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL);
	gb_group_event(&b, PMUL_EV_JOIN, A, 2, GB_POOL + 1);
	before = gb_gauges(&b);
	assert_int_equal(gb_announce(&b, A, 3, GB_POOL + 2, ME), PMUL_EBUSY);
	assert_int_equal(gb_announce(&b, A, 3, GB_POOL, ME), PMUL_EBUSY);
	after = gb_gauges(&b);
	assert_memory_equal(&before, &after, sizeof(before));
	bench_no_event(&b);
	/* One that moves takes its own place. */
	OK(gb_announce(&b, A, 2, GB_POOL + 2, ME));
	gb_group_event(&b, PMUL_EV_LEAVE, A, 2, GB_POOL + 1);
	gb_group_event(&b, PMUL_EV_JOIN, A, 2, GB_POOL + 2);
	bench_stop(&b);
}

static void
test_of_the_groups_of_others_the_oldest_is_forgotten(void **state)
{
	struct bench b;
	size_t live;

	(void)state;
	gb_started(&b, 1);
	OK(gb_announce(&b, A, 1, GB_POOL, B));
	OK(gb_announce(&b, A, 2, GB_POOL + 1, B));
	live = unit_alloc_live();
	for (uint32_t i = 3; i < 1000; i++)
		OK(gb_announce(&b, A, i, GB_POOL + i, B));
	assert_int_equal(unit_alloc_live(), live);
	assert_int_equal(gb_gauges(&b).groups_others, 2);
	/* GB_POOL is forgotten: it may be asked for. */
	OK(gb_submit(&b, 1));
	(void)gb_take(&b, PMUL_REQUEST, 1);
	bench_stop(&b);
}

static void
test_without_room_for_groups_nothing_is_joined(void **state)
{
	struct bench b;

	(void)state;
	gb_setup(&b, 1);
	b.cfg.groups_max = 0;
	bench_start(&b);
	OK(gb_announce(&b, A, 1, GB_POOL, B));
	assert_int_equal(gb_announce(&b, A, 2, GB_POOL, ME), PMUL_EBUSY);
	assert_int_equal(gb_gauges(&b).groups_others, 0);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_rejects_owed_are_bounded(void **state)
{
	struct bench b;
	unsigned refused = 0;
	uint32_t group;

	(void)state;
	gb_started(&b, 1);
	group = gb_held(&b, 1);
	for (uint32_t i = 0; i < 1000; i++)
		refused += gb_request(&b, C, i, group) == PMUL_EBUSY;
	assert_int_equal(refused, 1000 - 64);
	/* The same again is the same. */
	OK(gb_request(&b, C, 0, group));
	for (unsigned i = 0; i < 64; i++)
		bench_take(&b, PMUL_REJECT);
	bench_take_nothing(&b);
	bench_stop(&b);
}

static void
test_what_is_no_group_is_not_joined(void **state)
{
	static const uint32_t bad[] = { 0, 1, 0x0a8e0001, 0xe0000001,
		0xe00000ff, 0xf0000001, 0xffffffff };
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    gb_announce(&b, A, 1, bad[i], ME), PMUL_EMALFORMED);
	assert_int_equal(
	    gb_announce_until(&b, A, 1, GB_POOL, ME, BENCH_WALL - 61),
	    PMUL_EEXPIRED);
	bench_no_event(&b);
	assert_int_equal(gb_gauges(&b).groups_joined, 0);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	OK(gb_announce(&b, A, 1, 0xe0000200, ME)); /* NTNU's pool */
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, 0xe0000200);
	bench_stop(&b);
}

static void
test_what_names_us_as_its_source_is_refused(void **state)
{
	struct bench b;

	(void)state;
	gb_started(&b, 2);
	assert_int_equal(gb_announce(&b, ME, 1, GB_POOL, ME), PMUL_EOWN);
	assert_int_equal(gb_request(&b, ME, 1, GB_POOL), PMUL_EOWN);
	assert_int_equal(gb_release(&b, ME, 1, GB_POOL), PMUL_EOWN);
	bench_no_event(&b);
	bench_stop(&b);
}

static void
test_every_failing_allocation_leaves_no_trace(void **state)
{
	struct pmul_gauges before, after;
	struct bench b;
	size_t live, failed = 0;
	int rc = PMUL_ENOMEM;
	uint32_t group;

	(void)state;
	gb_setup(&b, 3);
	b.cfg.events_max = 3;
	b.cfg.rx_messages_max = 1;
	b.cfg.held_messages_max = 1;
	bench_start(&b);
	group = gb_held(&b, 1);
	for (unsigned step = 0; step < 4; step++) {
		size_t first = step < 3 ? 2 : 1; /* the bench's copy */

		for (size_t n = first; n == first || rc != PMUL_OK; n++) {
			before = gb_gauges(&b);
			live = unit_alloc_live();
			unit_alloc_fail_at(n);
			rc = step == 0 ? gb_announce(&b, A, 1, GB_POOL + 9, ME)
			     : step == 1 ? gb_announce(&b, A, 2, GB_POOL + 8, B)
			     : step == 2 ? gb_request(&b, C, 3, group)
					 : gb_submit(&b, 2);
			unit_alloc_fail_at(0);
			if (rc == PMUL_OK)
				continue;
			failed++;
			assert_int_equal(rc, PMUL_ENOMEM);
			assert_int_equal(unit_alloc_live(), live);
			after = gb_gauges(&b);
			assert_memory_equal(&before, &after, sizeof(before));
		}
	}
	assert_true(failed >= 7);
	gb_group_event(&b, PMUL_EV_JOIN, A, 1, GB_POOL + 9);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(test_##name)

static const struct CMUnitTest tests[] = {
	T(who_is_named_joins_and_the_others_do_not),
	T(any_part_of_a_set_may_name_us),
	T(two_messages_on_one_group_are_one_membership),
	T(another_group_for_the_same_message_replaces_the_first),
	T(it_leaves_when_its_ack_is_confirmed),
	T(a_release_is_an_answer_to_our_ack),
	T(it_leaves_what_is_discarded_or_lost),
	T(an_announce_that_is_never_released_expires),
	T(a_complete_message_that_nobody_asks_for_is_left),
	T(a_node_without_a_clock_counts_from_the_announce),
	T(who_listens_rejects_after_a_random_delay),
	T(a_reject_that_somebody_else_made_needless_is_not_sent),
	T(the_owner_of_a_group_may_ask_for_it_again),
	T(who_does_not_listen_does_not_reject),
	T(a_reject_that_comes_too_late_is_not_sent),
	T(in_emcon_there_is_no_reject_and_no_request),
	T(what_was_asked_before_emcon_is_asked_again_after_it),
	T(in_emcon_a_clash_is_lost_without_a_word),
	T(what_was_announced_in_emcon_is_said_again_after_it),
	T(joined_groups_are_bounded_and_one_too_many_leaves_no_trace),
	T(of_the_groups_of_others_the_oldest_is_forgotten),
	T(without_room_for_groups_nothing_is_joined),
	T(rejects_owed_are_bounded),
	T(what_is_no_group_is_not_joined),
	T(what_names_us_as_its_source_is_refused),
	T(every_failing_allocation_leaves_no_trace),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Time on the air, the order of sending, pairs, fades, order of arrival. */
#include "tools/test/fixture.h"

static void
test_a_datagram_takes_its_octets_over_the_rate(void **state)
{
	struct channel_config cfg = plain();
	struct channel_stats s;
	struct channel *c;

	(void)state;
	cfg.medium.overhead = 28;
	cfg.wrapping = 20;
	cfg.path.delay_us = 7 * MS;
	c = make(&cfg, 2);
	put(c, 5 * S, 0, -1, 120, 1);
	assert_int_equal(channel_deadline(c), 5 * S);
	expect(c, CHANNEL_ON_AIR, 5 * S, -1, 1);
	assert_int_equal(channel_deadline(c), 5 * S + 135 * MS);
	expect(c, CHANNEL_HEARD, 5 * S + 135 * MS, 1, 1);
	expect_end(c);
	channel_stats(c, &s);
	assert_int_equal(s.octets, 128);
	assert_int_equal(s.busy_us, 128 * MS);
	channel_free(&c);
}

static void
test_nothing_happens_before_its_time(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c = make(&cfg, 2);
	struct channel_event ev;

	(void)state;
	put(c, S, 0, 1, 10, 1);
	assert_false(channel_next(c, S - 1, &ev));
	assert_true(channel_next(c, S, &ev));
	assert_false(channel_next(c, S + 10 * MS - 1, &ev));
	assert_true(channel_next(c, S + 10 * MS, &ev));
	channel_free(&c);
}

static void
test_no_rate_means_no_time(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c;

	(void)state;
	cfg.medium.bit_rate = 0;
	c = make(&cfg, 2);
	put(c, S, 0, 1, 1000, 1);
	expect(c, CHANNEL_ON_AIR, S, -1, 1);
	expect(c, CHANNEL_HEARD, S, 1, 1);
	channel_free(&c);
}

static void
test_full_duplex_gives_each_its_own_air(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c = make(&cfg, 2);

	(void)state;
	put(c, 0, 0, 1, 10, 1);
	put(c, 0, 1, 0, 10, 2);
	put(c, 0, 0, 1, 10, 3);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_ON_AIR, 0, -1, 2);
	expect(c, CHANNEL_HEARD, 10 * MS, 1, 1);
	expect(c, CHANNEL_HEARD, 10 * MS, 0, 2);
	expect(c, CHANNEL_ON_AIR, 10 * MS, -1, 3);
	expect(c, CHANNEL_HEARD, 20 * MS, 1, 3);
	expect_end(c);
	channel_free(&c);
}

static void
test_half_duplex_serves_in_order_and_a_new_sender_turns_round(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c;

	(void)state;
	cfg.medium.half_duplex = true;
	cfg.medium.turnaround_us = 50 * MS;
	c = make(&cfg, 3);
	put(c, 0, 0, 2, 10, 1);
	put(c, 0, 1, 2, 10, 2);
	put(c, 0, 1, 2, 10, 3);
	put(c, 0, 0, 2, 10, 4);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_HEARD, 10 * MS, 2, 1);
	expect(c, CHANNEL_ON_AIR, 60 * MS, -1, 2);
	expect(c, CHANNEL_HEARD, 70 * MS, 2, 2);
	expect(c, CHANNEL_ON_AIR, 70 * MS, -1, 3);
	expect(c, CHANNEL_HEARD, 80 * MS, 2, 3);
	expect(c, CHANNEL_ON_AIR, 130 * MS, -1, 4);
	expect(c, CHANNEL_HEARD, 140 * MS, 2, 4);
	expect_end(c);
	channel_free(&c);
}

static void
test_all_others_hear_what_is_for_all_and_one_what_is_for_it(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c = make(&cfg, 3);

	(void)state;
	put(c, 0, 1, -1, 1, 1);
	put(c, 0, 1, 2, 1, 2);
	put(c, 0, 1, 1, 1, 3); /* for nobody */
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_HEARD, MS, 0, 1);
	expect(c, CHANNEL_HEARD, MS, 2, 1);
	expect(c, CHANNEL_ON_AIR, MS, -1, 2);
	expect(c, CHANNEL_HEARD, 2 * MS, 2, 2);
	expect(c, CHANNEL_ON_AIR, 2 * MS, -1, 3);
	expect_end(c);
	channel_free(&c);
}

static void
test_too_long_a_queue_is_refused(void **state)
{
	struct channel_config cfg = plain();
	struct channel_node_stats s;
	struct channel *c;

	(void)state;
	cfg.medium.queue_max = 3;
	c = make(&cfg, 2);
	for (int i = 0; i < 3; i++)
		put(c, 0, 0, 1, 1, i);
	assert_false(channel_send(c, 0, 0, 1, "x", 1));
	channel_node_stats(c, 0, &s);
	assert_int_equal(s.refused, 1);
	expect(c, CHANNEL_ON_AIR, 0, -1, 0);
	put(c, 0, 0, 1, 1, 3);
	assert_int_equal(drain(c, 1), 4);
	channel_free(&c);
}

static void
test_a_further_node_than_there_may_be_does_not_join(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c = make(&cfg, CHANNEL_NODES_MAX);

	(void)state;
	assert_int_equal(channel_join(c), -1);
	put(c, 0, CHANNEL_NODES_MAX - 1, -1, 1, 1);
	assert_int_equal(drain(c, 0), 1);
	channel_free(&c);
}

static void
test_who_joins_later_does_not_hear_what_was_sent_before(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c = make(&cfg, 2);

	(void)state;
	put(c, 0, 0, -1, 10, 1);
	assert_int_equal(channel_join(c), 2);
	assert_int_equal(drain(c, 2), 0);
	put(c, S, 0, -1, 10, 2);
	assert_int_equal(drain(c, 2), 1);
	channel_free(&c);
}

static void
test_a_pair_has_its_own_settings_in_each_direction(void **state)
{
	struct channel_config cfg = plain();
	struct channel_path deaf = cfg.path, far = cfg.path;
	struct channel_node_stats s;
	struct channel *c = make(&cfg, 3);

	(void)state;
	deaf.heard = false;
	far.delay_us = 300 * MS;
	channel_set_path(c, 0, 1, &deaf);
	channel_set_path(c, 0, 2, &far);
	put(c, 0, 0, -1, 1, 1);
	put(c, 10 * MS, 1, -1, 1, 2);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_ON_AIR, 10 * MS, -1, 2);
	expect(c, CHANNEL_HEARD, 11 * MS, 0, 2);
	expect(c, CHANNEL_HEARD, 11 * MS, 2, 2);
	expect(c, CHANNEL_HEARD, 301 * MS, 2, 1);
	expect_end(c);
	channel_node_stats(c, 1, &s);
	assert_int_equal(s.lost, 0);
	channel_free(&c);
}

static void
test_a_setting_counts_for_what_is_still_on_the_air(void **state)
{
	struct channel_config cfg = plain();
	struct channel_path lossy = cfg.path;
	struct channel_medium fast = cfg.medium;
	struct channel *c = make(&cfg, 2);

	(void)state;
	put(c, 0, 0, 1, 100, 1);
	put(c, 0, 0, 1, 100, 2);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	fast.bit_rate = 80000;
	channel_set_medium(c, &fast);
	lossy.loss = 1;
	channel_set_path(c, 0, 1, &lossy);
	expect(c, CHANNEL_ON_AIR, 100 * MS, -1, 2);
	channel_set_path(c, 0, 1, &cfg.path);
	expect(c, CHANNEL_HEARD, 110 * MS, 1, 2);
	expect_end(c);
	channel_free(&c);
}

/* --- fades ---------------------------------------------------------------------- */

/* Frames of 10 ms each start_ms; a bit for each that was heard. */
static unsigned
heard_at(struct channel *c, const unsigned *start_ms, unsigned n)
{
	struct channel_event ev;
	unsigned bits = 0;

	for (unsigned i = 0; i < n; i++)
		put(c, start_ms[i] * MS, 0, 1, 10, (int)i);
	while (channel_next(c, CHANNEL_NEVER - 1, &ev))
		if (ev.kind == CHANNEL_HEARD)
			bits |= 1u << ev.data[0];
	return bits;
}

static void
test_a_fade_takes_whatever_touches_it(void **state)
{
	/* Before; ends as it begins; within; begins just in it; as it ends. */
	static const unsigned at[] = { 80, 100, 150, 199, 209, 230 };
	static const unsigned into[] = { 101 };
	const struct channel_fade f = { .start_us = 110 * MS,
		.length_us = 99 * MS,
		.loss = 1,
		.node = -1 };
	struct channel_config cfg = plain();
	struct channel_node_stats s;
	struct channel *c = make(&cfg, 2);

	(void)state;
	assert_true(channel_add_fade(c, 0, &f));
	assert_int_equal(heard_at(c, at, 6), 0x33);
	channel_node_stats(c, 1, &s);
	assert_int_equal(s.faded, 2);
	assert_int_equal(s.lost, 2);
	channel_free(&c);
	c = make(&cfg, 2);
	assert_true(channel_add_fade(c, 0, &f));
	assert_int_equal(heard_at(c, into, 1), 0);
	channel_free(&c);
}

static void
test_a_fade_takes_what_takes_no_time(void **state)
{
	static const unsigned at[] = { 109, 110, 208, 209 };
	const struct channel_fade f = { .start_us = 110 * MS,
		.length_us = 99 * MS,
		.loss = 1,
		.node = -1 };
	struct channel_config cfg = plain();
	struct channel *c;

	(void)state;
	cfg.medium.bit_rate = 0;
	c = make(&cfg, 2);
	assert_true(channel_add_fade(c, 0, &f));
	assert_int_equal(heard_at(c, at, 4), 0x9);
	channel_free(&c);
}

static void
test_a_fade_comes_again(void **state)
{
	/* 100..130, 300..330, 500..530: the fourth ends as one begins, the
	 * fifth begins as one ends, the last reaches from before into it. */
	static const unsigned at[] = { 20, 110, 200, 290, 330, 515, 695 };
	const struct channel_fade f = { .start_us = 100 * MS,
		.length_us = 30 * MS,
		.every_us = 200 * MS,
		.loss = 1,
		.node = -1 };
	struct channel_config cfg = plain();
	struct channel *c = make(&cfg, 2);

	(void)state;
	assert_true(channel_add_fade(c, 0, &f));
	assert_int_equal(heard_at(c, at, 7), 0x1d);
	channel_free(&c);
}

static void
test_a_fade_of_a_node_is_in_both_its_directions(void **state)
{
	const struct channel_fade f = {
		.start_us = 0, .length_us = S, .loss = 1, .node = 1
	};
	struct channel_config cfg = plain();
	struct channel *c = make(&cfg, 3);

	(void)state;
	assert_true(channel_add_fade(c, 0, &f));
	put(c, 0, 0, -1, 1, 1);
	put(c, 10 * MS, 1, -1, 1, 2);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_HEARD, MS, 2, 1);
	expect(c, CHANNEL_ON_AIR, 10 * MS, -1, 2);
	expect_end(c);
	channel_free(&c);
}

static void
test_a_fade_counts_from_when_the_receiver_hears(void **state)
{
	const struct channel_fade f = { .start_us = 300 * MS,
		.length_us = 10 * MS,
		.loss = 1,
		.node = -1 };
	static const unsigned at[] = { 0, 300 };
	struct channel_config cfg = plain();
	struct channel *c;

	(void)state;
	cfg.path.delay_us = 295 * MS;
	c = make(&cfg, 2);
	assert_true(channel_add_fade(c, 0, &f));
	assert_int_equal(heard_at(c, at, 2), 2);
	channel_free(&c);
}

static void
test_a_shallow_fade_takes_its_share(void **state)
{
	const struct channel_fade f = {
		.start_us = 0, .length_us = 3600 * S, .loss = 0.3, .node = -1
	};
	struct channel_config cfg = plain();
	struct channel *c;

	(void)state;
	cfg.medium.queue_max = 20000;
	cfg.medium.bit_rate = 0;
	c = make(&cfg, 2);
	assert_true(channel_add_fade(c, 0, &f));
	for (int i = 0; i < 20000; i++)
		put(c, S, 0, 1, 1, 1);
	assert_share(drain(c, 1), 20000, 0.7);
	channel_free(&c);
}

static void
test_fades_that_are_over_make_room(void **state)
{
	struct channel_fade f = {
		.start_us = 0, .length_us = S, .loss = 1, .node = -1
	};
	struct channel_config cfg = plain();
	struct channel *c = make(&cfg, 2);
	unsigned n;

	(void)state;
	for (int i = 0; i < CHANNEL_FADES_MAX; i++)
		assert_true(channel_add_fade(c, 0, &f));
	assert_false(channel_add_fade(c, 0, &f));
	assert_false(channel_add_fade(c, S - 1, &f));
	/* What is still on its way may have been in one of them. */
	put(c, S - 10 * MS, 0, 1, 100, 1);
	expect(c, CHANNEL_ON_AIR, S - 10 * MS, -1, 1);
	assert_false(channel_add_fade(c, 2 * S, &f));
	expect_end(c);
	f.start_us = 5 * S;
	assert_true(channel_add_fade(c, 2 * S, &f));
	assert_true(channel_fades(c, &n) != NULL);
	assert_int_equal(n, 1);
	channel_clear_fades(c);
	channel_fades(c, &n);
	assert_int_equal(n, 0);
	channel_free(&c);
}

/* --- order of arrival ------------------------------------------------------------ */

static void
test_jitter_is_within_its_bound_and_keeps_the_order(void **state)
{
	struct channel_config cfg = plain();
	struct channel_event ev;
	struct channel *c;
	uint64_t least = CHANNEL_NEVER, most = 0, sum = 0;
	int next = 0;

	(void)state;
	cfg.path.jitter_us = 50 * MS;
	cfg.path.delay_us = 5 * MS;
	c = make(&cfg, 2);
	/* Far apart, so that none has to wait for the one before. */
	for (int i = 0; i < 200; i++)
		put(c, i * S, 0, 1, 1, i);
	while (channel_next(c, CHANNEL_NEVER - 1, &ev)) {
		uint64_t late = ev.at_us - (uint64_t)next * S;

		if (ev.kind != CHANNEL_HEARD)
			continue;
		assert_int_equal(ev.data[0], next++);
		sum += late;
		least = late < least ? late : least;
		most = late > most ? late : most;
	}
	assert_int_equal(next, 200);
	assert_in_range(least, 6 * MS, 8 * MS);
	assert_in_range(most, 54 * MS, 56 * MS);
	/* Mean 31 ms, one standard deviation of it 14.4 / sqrt(200). */
	assert_in_range(sum / 200, 26 * MS, 36 * MS);
	/* Close together: whoever would overtake arrives at the same time. */
	for (int i = 0; i < 200; i++)
		put(c, 1000 * S, 0, 1, 1, i);
	for (next = 0; channel_next(c, CHANNEL_NEVER - 1, &ev);)
		if (ev.kind == CHANNEL_HEARD)
			assert_int_equal(ev.data[0], next++);
	assert_int_equal(next, 200);
	channel_free(&c);
}

static void
test_who_is_late_is_overtaken(void **state)
{
	struct channel_config cfg = plain();
	struct channel_path late = cfg.path;
	struct channel *c = make(&cfg, 2);
	struct channel_node_stats s;

	(void)state;
	late.reorder = 1;
	late.reorder_us = 15 * MS;
	put(c, 0, 0, 1, 10, 1);
	put(c, 0, 0, 1, 10, 2);
	put(c, 0, 0, 1, 10, 3);
	channel_set_path(c, 0, 1, &late);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_ON_AIR, 10 * MS, -1, 2);
	channel_set_path(c, 0, 1, &cfg.path);
	expect(c, CHANNEL_HEARD, 20 * MS, 1, 2);
	expect(c, CHANNEL_ON_AIR, 20 * MS, -1, 3);
	expect(c, CHANNEL_HEARD, 25 * MS, 1, 1);
	expect(c, CHANNEL_HEARD, 30 * MS, 1, 3);
	expect_end(c);
	channel_node_stats(c, 1, &s);
	assert_int_equal(s.late, 1);
	channel_free(&c);
}

static void
test_a_share_is_late_and_a_share_comes_twice(void **state)
{
	struct channel_config cfg = plain();
	struct channel_node_stats s;
	struct channel *c;

	(void)state;
	cfg.medium.queue_max = 20000;
	cfg.path.reorder = 0.2;
	cfg.path.reorder_us = 3 * MS;
	cfg.path.duplicate = 0.05;
	c = make(&cfg, 2);
	for (int i = 0; i < 20000; i++)
		put(c, 0, 0, 1, 1, 1);
	drain(c, 1);
	channel_node_stats(c, 1, &s);
	assert_share(s.late, 20000, 0.2);
	assert_share(s.duplicated, 20000, 0.05);
	assert_int_equal(s.heard, 20000 + s.duplicated);
	assert_int_equal(s.lost, 0);
	channel_free(&c);
}

static void
test_a_duplicate_is_the_same_at_the_same_time(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c;

	(void)state;
	cfg.path.duplicate = 1;
	c = make(&cfg, 2);
	put(c, 0, 0, 1, 10, 1);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_HEARD, 10 * MS, 1, 1);
	expect(c, CHANNEL_HEARD, 10 * MS, 1, 1);
	expect_end(c);
	channel_free(&c);
}

/* --- memory ---------------------------------------------------------------------- */

static void
test_without_memory_nothing_is_sent_and_nothing_leaks(void **state)
{
	struct channel_config cfg = plain();
	struct channel_node_stats s;
	size_t live = unit_alloc_live();
	struct channel *c;

	(void)state;
	unit_alloc_fail_at(1);
	assert_true(channel_new(&cfg) == NULL);
	unit_alloc_fail_at(0);
	c = make(&cfg, 2);
	unit_alloc_fail_at(1);
	assert_false(channel_send(c, 0, 0, 1, "x", 1));
	unit_alloc_fail_at(0);
	expect_end(c);
	channel_node_stats(c, 0, &s);
	assert_int_equal(s.refused, 1);
	assert_int_equal(s.sent, 0);
	channel_free(&c);
	assert_true(c == NULL);
	assert_int_equal(unit_alloc_live(), live);
}

static void
test_what_waits_and_flies_is_freed_with_the_channel(void **state)
{
	size_t live = unit_alloc_live();

	(void)state;
	for (int mode = 0; mode < 3; mode++) {
		struct channel_config cfg = plain();
		struct channel_event ev;
		struct channel *c;

		cfg.medium.half_duplex = mode > 0;
		cfg.medium.collisions = mode > 1;
		cfg.path.delay_us = S;
		cfg.path.duplicate = 1;
		c = make(&cfg, 3);
		for (int i = 0; i < 20; i++)
			put(c, 0, i % 2, -1, 10, i);
		for (int i = 0; i < 10; i++)
			assert_true(channel_next(c, CHANNEL_NEVER - 1, &ev));
		channel_free(&c);
		assert_int_equal(unit_alloc_live(), live);
	}
	channel_free(&(struct channel *){ NULL });
}

static void
test_what_has_been_heard_is_freed(void **state)
{
	struct channel_config cfg = plain();
	struct channel *c;
	size_t live;

	(void)state;
	cfg.medium.half_duplex = cfg.medium.collisions = true;
	c = make(&cfg, 3);
	live = unit_alloc_live();
	for (int i = 0; i < 100; i++) {
		put(c, i * S, i % 2, -1, 10, i);
		drain(c, 2);
	}
	/* The last that was pointed at and is not yet gone. */
	assert_in_range(unit_alloc_live(), live, live + 1);
	channel_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_datagram_takes_its_octets_over_the_rate),
		cmocka_unit_test(test_nothing_happens_before_its_time),
		cmocka_unit_test(test_no_rate_means_no_time),
		cmocka_unit_test(test_full_duplex_gives_each_its_own_air),
		cmocka_unit_test(
		    test_half_duplex_serves_in_order_and_a_new_sender_turns_round),
		cmocka_unit_test(
		    test_all_others_hear_what_is_for_all_and_one_what_is_for_it),
		cmocka_unit_test(test_too_long_a_queue_is_refused),
		cmocka_unit_test(
		    test_a_further_node_than_there_may_be_does_not_join),
		cmocka_unit_test(
		    test_who_joins_later_does_not_hear_what_was_sent_before),
		cmocka_unit_test(
		    test_a_pair_has_its_own_settings_in_each_direction),
		cmocka_unit_test(
		    test_a_setting_counts_for_what_is_still_on_the_air),
		cmocka_unit_test(test_a_fade_takes_whatever_touches_it),
		cmocka_unit_test(test_a_fade_takes_what_takes_no_time),
		cmocka_unit_test(test_a_fade_comes_again),
		cmocka_unit_test(
		    test_a_fade_of_a_node_is_in_both_its_directions),
		cmocka_unit_test(
		    test_a_fade_counts_from_when_the_receiver_hears),
		cmocka_unit_test(test_a_shallow_fade_takes_its_share),
		cmocka_unit_test(test_fades_that_are_over_make_room),
		cmocka_unit_test(
		    test_jitter_is_within_its_bound_and_keeps_the_order),
		cmocka_unit_test(test_who_is_late_is_overtaken),
		cmocka_unit_test(test_a_share_is_late_and_a_share_comes_twice),
		cmocka_unit_test(test_a_duplicate_is_the_same_at_the_same_time),
		cmocka_unit_test(
		    test_without_memory_nothing_is_sent_and_nothing_leaks),
		cmocka_unit_test(
		    test_what_waits_and_flies_is_freed_with_the_channel),
		cmocka_unit_test(test_what_has_been_heard_is_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

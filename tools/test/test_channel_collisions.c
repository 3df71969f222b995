/* Half duplex with collisions: carrier sense, turning round, who is ruined. */
#include "tools/test/fixture.h"

/* Octets take a millisecond; a slot is one node's turn and more. */
static struct channel_config
contended(void)
{
	struct channel_config cfg = plain();

	cfg.medium.half_duplex = cfg.medium.collisions = true;
	cfg.medium.carrier_sense = true;
	return cfg;
}

static void
assert_collided(struct channel *c, uint64_t frames, uint64_t us)
{
	struct channel_stats s;

	channel_stats(c, &s);
	assert_int_equal(s.collided, frames);
	assert_int_equal(s.collided_us, us);
}

static void
test_who_hears_a_carrier_waits_for_its_end(void **state)
{
	struct channel_config cfg = contended();
	struct channel_node_stats s;
	struct channel *c = make(&cfg, 3);

	(void)state;
	put(c, 0, 0, -1, 100, 1);
	put(c, 50 * MS, 1, -1, 100, 2);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_HEARD, 100 * MS, 1, 1);
	expect(c, CHANNEL_HEARD, 100 * MS, 2, 1);
	expect(c, CHANNEL_ON_AIR, 100 * MS, -1, 2);
	expect(c, CHANNEL_HEARD, 200 * MS, 0, 2);
	expect(c, CHANNEL_HEARD, 200 * MS, 2, 2);
	expect_end(c);
	channel_node_stats(c, 1, &s);
	assert_int_equal(s.deferred, 1);
	assert_collided(c, 0, 0);
	channel_free(&c);
}

static void
test_without_carrier_sense_two_that_overlap_are_lost_to_all(void **state)
{
	struct channel_config cfg = contended();
	struct channel_node_stats s;
	struct channel *c;

	(void)state;
	cfg.medium.carrier_sense = false;
	c = make(&cfg, 3);
	put(c, 0, 0, -1, 100, 1);
	put(c, 99 * MS, 1, -1, 100, 2);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_ON_AIR, 99 * MS, -1, 2);
	expect_end(c);
	for (int i = 0; i < 3; i++) {
		channel_node_stats(c, i, &s);
		assert_int_equal(s.collided, i < 2 ? 1 : 2);
		assert_int_equal(s.lost, s.collided);
	}
	assert_collided(c, 2, 200 * MS);
	channel_free(&c);
}

static void
test_two_that_only_touch_do_not_collide(void **state)
{
	struct channel_config cfg = contended();
	struct channel *c;

	(void)state;
	cfg.medium.carrier_sense = false;
	c = make(&cfg, 3);
	put(c, 0, 0, -1, 100, 1);
	put(c, 100 * MS, 1, -1, 100, 2);
	assert_int_equal(drain(c, 2), 2);
	assert_collided(c, 0, 0);
	channel_free(&c);
}

/* Both begin within the time in which one cannot know of the other. */
static void
overlap_after(struct channel_config *cfg, uint64_t us, bool collide)
{
	struct channel *c = make(cfg, 3);

	put(c, 0, 0, -1, 100, 1);
	put(c, us, 1, -1, 100, 2);
	assert_int_equal(drain(c, 2), collide ? 0 : 2);
	channel_free(&c);
}

static void
test_a_carrier_is_noticed_only_after_all_that_delays_it(void **state)
{
	struct channel_config cfg = contended();

	(void)state;
	overlap_after(&cfg, 0, true);
	overlap_after(&cfg, 1, false);
	cfg.medium.sense_us = 10 * MS;
	overlap_after(&cfg, 10 * MS, true);
	overlap_after(&cfg, 10 * MS + 1, false);
	cfg.path.delay_us = 20 * MS;
	overlap_after(&cfg, 30 * MS, true);
	overlap_after(&cfg, 30 * MS + 1, false);
	cfg.medium.turnaround_us = 40 * MS;
	overlap_after(&cfg, 70 * MS, true);
	overlap_after(&cfg, 70 * MS + 1, false);
}

static void
test_a_sender_turns_round_first_and_is_deaf_meanwhile(void **state)
{
	struct channel_config cfg = contended();
	struct channel *c;

	(void)state;
	cfg.medium.turnaround_us = 30 * MS;
	cfg.medium.carrier_sense = false;
	c = make(&cfg, 3);
	/* Node 1 hears the whole of it and then turns round at once. */
	put(c, 0, 0, 1, 10, 1);
	put(c, 40 * MS, 1, 0, 10, 2);
	expect(c, CHANNEL_ON_AIR, 30 * MS, -1, 1);
	expect(c, CHANNEL_HEARD, 40 * MS, 1, 1);
	expect(c, CHANNEL_ON_AIR, 70 * MS, -1, 2);
	expect(c, CHANNEL_HEARD, 80 * MS, 0, 2);
	/* And here a millisecond before its end, for which it is deaf. */
	put(c, S, 0, 1, 10, 3);
	put(c, S + 39 * MS, 1, 2, 10, 4);
	expect(c, CHANNEL_ON_AIR, S + 30 * MS, -1, 3);
	expect(c, CHANNEL_ON_AIR, S + 69 * MS, -1, 4);
	expect(c, CHANNEL_HEARD, S + 79 * MS, 2, 4);
	expect_end(c);
	assert_collided(c, 1, 10 * MS);
	channel_free(&c);
}

static void
test_who_has_sent_hears_again_only_when_it_has_turned_round(void **state)
{
	struct channel_config cfg = contended();
	struct channel *c;

	(void)state;
	cfg.medium.turnaround_us = 30 * MS;
	cfg.medium.carrier_sense = false;
	c = make(&cfg, 3);
	/* 0 is on the air until 40 and deaf until 70; 1 is heard from 69. */
	put(c, 0, 0, 2, 10, 1);
	put(c, 39 * MS, 1, 0, 10, 2);
	assert_int_equal(drain(c, 0), 0);
	assert_int_equal(drain(c, 2), 1);
	put(c, S, 0, 2, 10, 3);
	put(c, S + 40 * MS, 1, 0, 10, 4);
	assert_int_equal(drain(c, 0), 1);
	channel_free(&c);
}

static void
test_who_keeps_sending_does_not_turn_round_in_between(void **state)
{
	struct channel_config cfg = contended();
	struct channel *c;

	(void)state;
	cfg.medium.turnaround_us = 30 * MS;
	c = make(&cfg, 2);
	put(c, 0, 0, 1, 10, 1);
	put(c, 0, 0, 1, 10, 2);
	put(c, 80 * MS, 0, 1, 10, 3);  /* within the turnaround */
	put(c, 121 * MS, 0, 1, 10, 4); /* and not */
	expect(c, CHANNEL_ON_AIR, 30 * MS, -1, 1);
	expect(c, CHANNEL_HEARD, 40 * MS, 1, 1);
	expect(c, CHANNEL_ON_AIR, 40 * MS, -1, 2);
	expect(c, CHANNEL_HEARD, 50 * MS, 1, 2);
	expect(c, CHANNEL_ON_AIR, 80 * MS, -1, 3);
	expect(c, CHANNEL_HEARD, 90 * MS, 1, 3);
	expect(c, CHANNEL_ON_AIR, 151 * MS, -1, 4);
	expect(c, CHANNEL_HEARD, 161 * MS, 1, 4);
	expect_end(c);
	channel_free(&c);
}

static void
test_hidden_stations_collide_where_both_are_heard(void **state)
{
	struct channel_config cfg = contended();
	struct channel_path out = cfg.path;
	struct channel_node_stats s;
	struct channel *c = make(&cfg, 4);

	(void)state;
	/* 0 and 1 do not hear each other, 2 hears both, 3 only 0. */
	out.heard = false;
	channel_set_path(c, 0, 1, &out);
	channel_set_path(c, 1, 0, &out);
	channel_set_path(c, 1, 3, &out);
	put(c, 0, 0, -1, 100, 1);
	put(c, 50 * MS, 1, -1, 100, 2);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_ON_AIR, 50 * MS, -1, 2);
	expect(c, CHANNEL_HEARD, 100 * MS, 3, 1);
	expect_end(c);
	channel_node_stats(c, 2, &s);
	assert_int_equal(s.collided, 2);
	channel_node_stats(c, 1, &s);
	assert_int_equal(s.lost, 0);
	channel_free(&c);
}

static void
test_distance_keeps_apart_what_overlaps_in_time(void **state)
{
	struct channel_config cfg = contended();
	struct channel_path far = cfg.path;
	struct channel *c;

	(void)state;
	cfg.medium.carrier_sense = false;
	c = make(&cfg, 3);
	far.delay_us = 100 * MS;
	channel_set_path(c, 1, 2, &far);
	put(c, 0, 0, 2, 100, 1);
	put(c, 0, 1, 2, 100, 2);
	assert_int_equal(drain(c, 2), 2);
	/* It is also far away when it meets something sent later. */
	put(c, S, 1, 2, 100, 3);
	put(c, S + 150 * MS, 0, 2, 100, 4);
	assert_int_equal(drain(c, 2), 2);
	channel_free(&c);
}

static void
test_slots_keep_apart_those_who_waited_for_the_same_carrier(void **state)
{
	struct channel_config cfg = contended();
	struct channel_stats s;
	uint64_t together, apart;

	(void)state;
	cfg.medium.slot_us = 10 * MS;
	for (int spread = 0; spread < 2; spread++) {
		struct channel *c;

		cfg.medium.slots = spread ? 16 : 1;
		c = make(&cfg, 3);
		for (int i = 0; i < 300; i++) {
			put(c, i * S, 0, -1, 100, 1);
			put(c, i * S + 50 * MS, 1, -1, 50, 2);
			put(c, i * S + 60 * MS, 2, -1, 50, 3);
		}
		drain(c, 0);
		channel_stats(c, &s);
		*(spread ? &apart : &together) = s.collided;
		assert_int_equal(s.datagrams, 900);
		channel_free(&c);
	}
	/* All of theirs; and with slots each time both draw the same. */
	assert_int_equal(together, 600);
	assert_share(apart / 2, 300, 1.0 / 16);
}

static void
test_out_of_range_is_not_even_a_carrier(void **state)
{
	struct channel_config cfg = contended();
	struct channel_path out = cfg.path;
	struct channel_node_stats s;
	struct channel *c = make(&cfg, 2);

	(void)state;
	out.heard = false;
	channel_set_path(c, 0, 1, &out);
	put(c, 0, 0, -1, 100, 1);
	put(c, 10 * MS, 1, -1, 10, 2);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_ON_AIR, 10 * MS, -1, 2);
	expect_end(c);
	channel_node_stats(c, 1, &s);
	assert_int_equal(s.deferred, 0);
	/* 1 is heard by 0, which is sending itself. */
	channel_node_stats(c, 0, &s);
	assert_int_equal(s.collided, 1);
	channel_free(&c);
}

static void
test_lossy_is_still_a_carrier_and_still_collides(void **state)
{
	struct channel_config cfg = contended();
	struct channel_path lossy = cfg.path;
	struct channel_node_stats s;
	struct channel *c = make(&cfg, 3);

	(void)state;
	lossy.loss = 1;
	channel_set_path(c, 0, 1, &lossy);
	put(c, 0, 0, -1, 100, 1);
	put(c, 10 * MS, 1, -1, 10, 2);
	expect(c, CHANNEL_ON_AIR, 0, -1, 1);
	expect(c, CHANNEL_HEARD, 100 * MS, 2, 1);
	expect(c, CHANNEL_ON_AIR, 100 * MS, -1, 2);
	assert_int_equal(drain(c, 0), 1);
	channel_node_stats(c, 1, &s);
	assert_int_equal(s.deferred, 1);
	channel_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_hears_a_carrier_waits_for_its_end),
		cmocka_unit_test(
		    test_without_carrier_sense_two_that_overlap_are_lost_to_all),
		cmocka_unit_test(test_two_that_only_touch_do_not_collide),
		cmocka_unit_test(
		    test_a_carrier_is_noticed_only_after_all_that_delays_it),
		cmocka_unit_test(
		    test_a_sender_turns_round_first_and_is_deaf_meanwhile),
		cmocka_unit_test(
		    test_who_has_sent_hears_again_only_when_it_has_turned_round),
		cmocka_unit_test(
		    test_who_keeps_sending_does_not_turn_round_in_between),
		cmocka_unit_test(
		    test_hidden_stations_collide_where_both_are_heard),
		cmocka_unit_test(
		    test_distance_keeps_apart_what_overlaps_in_time),
		cmocka_unit_test(
		    test_slots_keep_apart_those_who_waited_for_the_same_carrier),
		cmocka_unit_test(test_out_of_range_is_not_even_a_carrier),
		cmocka_unit_test(
		    test_lossy_is_still_a_carrier_and_still_collides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

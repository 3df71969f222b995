/* What is known about nodes: the table, its limit, its events. */
#include "pmul/test/bench.h"

#include "tests/unit/unit.h"

static int
set(struct bench *b, uint32_t id, bool emcon, bool ntnu)
{
	struct pmul_node n = { .id = id, .emcon = emcon, .ntnu = ntnu };

	return pmul_engine_set_node(b->e, b->now, &n);
}

static void
test_what_is_set_is_known_and_nothing_else(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(set(&b, A, true, false), PMUL_OK);
	assert_int_equal(set(&b, B, true, true), PMUL_OK);
	assert_true(pmul_engine_node(b.e, A).emcon);
	assert_false(pmul_engine_node(b.e, A).ntnu);
	assert_int_equal(pmul_engine_node(b.e, A).id, A);
	assert_true(pmul_engine_node(b.e, B).ntnu);
	assert_false(pmul_engine_node(b.e, C).emcon);
	assert_int_equal(pmul_engine_node(b.e, C).id, C);
	/* The whole of it is replaced. */
	assert_int_equal(set(&b, B, false, true), PMUL_OK);
	assert_false(pmul_engine_node(b.e, B).emcon);
	assert_true(pmul_engine_node(b.e, B).ntnu);
	bench_no_event(&b);
	bench_take_nothing(&b);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	bench_stop(&b);
}

static void
test_nobody_and_ourselves_are_no_nodes_to_know(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	assert_int_equal(set(&b, 0, true, false), PMUL_EINVAL);
	assert_int_equal(set(&b, ME, true, false), PMUL_EINVAL);
	bench_stop(&b);
}

static void
test_nodes_known_are_bounded_and_the_unknown_take_no_room(void **state)
{
	struct bench b;
	size_t live;

	(void)state;
	bench_init(&b);
	b.cfg.nodes_max = 2;
	bench_start(&b);
	live = unit_alloc_live();
	assert_int_equal(set(&b, A, true, false), PMUL_OK);
	assert_int_equal(set(&b, B, false, true), PMUL_OK);
	assert_int_equal(set(&b, C, true, false), PMUL_EBUSY);
	assert_false(pmul_engine_node(b.e, C).emcon);
	/* About whom nothing is known needs none; those known can change. */
	assert_int_equal(set(&b, C, false, false), PMUL_OK);
	assert_int_equal(set(&b, B, true, true), PMUL_OK);
	assert_int_equal(set(&b, A, false, false), PMUL_OK);
	assert_int_equal(set(&b, C, true, false), PMUL_OK);
	assert_int_equal(set(&b, B, false, false), PMUL_OK);
	assert_int_equal(set(&b, C, false, false), PMUL_OK);
	assert_int_equal(unit_alloc_live(), live);
	bench_stop(&b);
}

static void
test_no_room_at_all_knows_nobody(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.nodes_max = 0;
	bench_start(&b);
	assert_int_equal(set(&b, A, true, false), PMUL_EBUSY);
	assert_int_equal(set(&b, A, false, false), PMUL_OK);
	bench_stop(&b);
}

/* Fills the events so that the next promise needs memory. */
static void
fill_events(struct bench *b)
{
	for (uint32_t i = 0; i < b->cfg.events_max + b->cfg.rx_messages_max;
	     i++)
		assert_int_equal(set(b, 1000 + i, true, false), PMUL_OK);
}

static void
test_set_node_survives_every_failing_allocation(void **state)
{
	struct bench b;
	size_t live, n = 1;
	int rc = PMUL_ENOMEM;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	fill_events(&b);
	live = unit_alloc_live();
	for (; rc != PMUL_OK; n++) {
		unit_alloc_fail_at(n);
		rc = set(&b, A, true, true);
		unit_alloc_fail_at(0);
		if (rc == PMUL_OK)
			break;
		assert_int_equal(rc, PMUL_ENOMEM);
		assert_int_equal(unit_alloc_live(), live);
		assert_false(pmul_engine_node(b.e, A).emcon);
		assert_false(pmul_engine_node(b.e, A).ntnu);
	}
	/* The entry, and room for its event. */
	assert_int_equal(n, 3);
	bench_stop(&b);
}

static void
test_flagging_for_ever_takes_no_memory(void **state)
{
	struct bench b;
	size_t live;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	live = unit_alloc_live_bytes();
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(set(&b, A, true, false), PMUL_OK);
		assert_int_equal(set(&b, A, true, true), PMUL_OK);
		assert_int_equal(set(&b, A, false, false), PMUL_OK);
	}
	assert_int_equal(unit_alloc_live_bytes(), live);
	bench_stop(&b);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_what_is_set_is_known_and_nothing_else),
	cmocka_unit_test(test_nobody_and_ourselves_are_no_nodes_to_know),
	cmocka_unit_test(
	    test_nodes_known_are_bounded_and_the_unknown_take_no_room),
	cmocka_unit_test(test_no_room_at_all_knows_nobody),
	cmocka_unit_test(test_set_node_survives_every_failing_allocation),
	cmocka_unit_test(test_flagging_for_ever_takes_no_memory),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Incoming messages that outlive a restart of the receiver. */
#include "pmul/test/bench.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define OK(call) assert_int_equal(call, PMUL_OK)
#define PIECES_MAX 64

/* What a caller writes down. */
struct kept {
	struct pmul_rx_saved s[PIECES_MAX];
	size_t n;
};

static void
keep(struct bench *b, struct kept *k)
{
	struct pmul_rx_saved s;

	while (pmul_engine_next_rx_saved(b->e, &s)) {
		assert_true(k->n < PIECES_MAX);
		if (s.len > 0)
			s.records = unit_copy(s.records, s.len);
		k->s[k->n++] = s;
	}
}

static void
forget(struct kept *k)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->s[i].len > 0)
			free((void *)(uintptr_t)k->s[i].records);
	k->n = 0;
}

static void
restart(struct bench *b)
{
	bench_stop(b);
	b->now.mono.us = 5 * SECOND; /* the machine as well */
	bench_start(b);
}

static int
restore(struct bench *b, const struct pmul_rx_saved *s)
{
	return pmul_engine_restore_rx(b->e, b->now, s);
}

static void
started(struct bench *b)
{
	bench_init(b);
	bench_start(b);
}

/* Of 4: 1, 2, 4, in three pieces. */
static void
kept_in_pieces(struct bench *b, struct kept *k)
{
	memset(k, 0, sizeof(*k));
	started(b);
	OK(bench_address(b, A, 1, 4, 1, ME));
	OK(bench_data(b, A, 1, 1, "one"));
	keep(b, k);
	OK(bench_data(b, A, 1, 4, "four"));
	keep(b, k);
	OK(bench_data(b, A, 1, 2, "two"));
	keep(b, k);
	assert_int_equal(k->n, 3);
}

static void
test_each_fragment_is_handed_out_once(void **state)
{
	struct pmul_rx_saved s;
	struct bench b;

	(void)state;
	started(&b);
	assert_false(pmul_engine_next_rx_saved(b.e, &s));
	OK(bench_data(&b, A, 1, 2, "two")); /* held: may not be for us */
	assert_false(pmul_engine_next_rx_saved(b.e, &s));
	OK(bench_address(&b, A, 1, 3, 1, ME));
	assert_true(pmul_engine_next_rx_saved(b.e, &s));
	assert_int_equal(s.source, A);
	assert_int_equal(s.id, 1);
	assert_int_equal(s.priority, 4);
	assert_int_equal(s.seq, 70);
	assert_int_equal(s.total, 3);
	assert_int_equal(s.expiry.s, BENCH_WALL + 3600);
	assert_int_equal(s.from.b[0], (uint8_t)A);
	assert_int_equal(s.len, 7);
	assert_memory_equal(s.records, "\0\2\0\3two", 7);
	assert_false(pmul_engine_next_rx_saved(b.e, &s));
	OK(bench_data(&b, A, 1, 2, "two"));
	assert_false(pmul_engine_next_rx_saved(b.e, &s));
	OK(bench_data(&b, A, 1, 1, "one"));
	assert_true(pmul_engine_next_rx_saved(b.e, &s));
	assert_int_equal(s.len, 7);
	assert_memory_equal(s.records, "\0\1\0\3one", 7);
	bench_stop(&b);
}

static void
test_nothing_is_handed_out_of_a_message_that_ended(void **state)
{
	struct pmul_rx_saved s;
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 1, 2, "two"));
	OK(bench_address(&b, A, 2, 2, 1, ME));
	OK(bench_data(&b, A, 2, 1, "one"));
	OK(bench_discard(&b, A, 2));
	assert_false(pmul_engine_next_rx_saved(b.e, &s));
	bench_stop(&b);
}

static void
test_pieces_come_back_in_any_order_and_go_on(void **state)
{
	static const unsigned orders[][3] = { { 0, 1, 2 }, { 2, 1, 0 },
		{ 1, 1, 0 }, { 2, 0, 2 } };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct pmul_rx_saved s;
		struct kept k;
		struct bench b;

		kept_in_pieces(&b, &k);
		restart(&b);
		for (int j = 0; j < 3; j++)
			OK(restore(&b, &k.s[orders[i][j]]));
		/* The caller has them already. */
		assert_false(pmul_engine_next_rx_saved(b.e, &s));
		bench_take_nothing(&b);
		for (unsigned seq = 1; seq <= 4; seq++)
			OK(bench_data(&b, A, 1, seq,
			    seq == 1   ? "one"
			    : seq == 2 ? "two"
			    : seq == 3 ? "three"
				       : "four"));
		bench_received(&b, A, 1, "onetwothreefour");
		forget(&k);
		bench_stop(&b);
	}
}

static void
test_restored_message_asks_for_what_is_missing(void **state)
{
	struct kept k;
	struct bench b;

	(void)state;
	kept_in_pieces(&b, &k);
	restart(&b);
	for (size_t i = 0; i < k.n; i++)
		OK(restore(&b, &k.s[i]));
	bench_pass(&b, 20 * SECOND);
	bench_take(&b, PMUL_ACK);
	assert_int_equal(b.where.to.b[0], (uint8_t)A);
	assert_int_equal(b.where.node, A);
	bench_pass(&b, SECOND);
	OK(bench_extra_address(&b, A, 1, 4));
	OK(bench_extra_address(&b, A, 1, 4));
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 1, 3);
	forget(&k);
	bench_stop(&b);
}

static void
test_restored_pieces_may_complete_the_message(void **state)
{
	struct pmul_rx_saved more;
	struct kept k;
	struct bench b;

	(void)state;
	kept_in_pieces(&b, &k);
	restart(&b);
	for (size_t i = 0; i < k.n; i++)
		OK(restore(&b, &k.s[i]));
	more = k.s[0];
	more.records = (const uint8_t *)"\0\3\0\5three";
	more.len = 9;
	OK(restore(&b, &more));
	assert_int_equal(restore(&b, &more), PMUL_EEXIST);
	bench_received(&b, A, 1, "onetwothreefour");
	assert_int_equal(restore(&b, &more), PMUL_EEXIST);
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	forget(&k);
	bench_stop(&b);
}

static void
test_held_data_joins_what_is_restored(void **state)
{
	struct pmul_rx_saved s;
	struct pmul_gauges g;
	struct kept k;
	struct bench b;

	(void)state;
	kept_in_pieces(&b, &k);
	restart(&b);
	OK(bench_data(&b, A, 1, 3, "three"));
	OK(restore(&b, &k.s[0]));
	pmul_engine_gauges(b.e, &g);
	assert_int_equal(g.held_messages, 0);
	assert_int_equal(g.rx_bytes, 8);
	/* What came meanwhile has not been handed out. */
	assert_true(pmul_engine_next_rx_saved(b.e, &s));
	OK(restore(&b, &k.s[1]));
	OK(restore(&b, &k.s[2]));
	bench_received(&b, A, 1, "onetwothreefour");
	pmul_engine_gauges(b.e, &g);
	assert_int_equal(g.rx_bytes, 0);
	forget(&k);
	bench_stop(&b);
}

static void
test_total_that_was_belied_is_handed_out_as_unknown(void **state)
{
	struct kept k = { .n = 0 };
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 2, "two"));
	OK(bench_data(&b, A, 1, 1, "one"));
	keep(&b, &k);
	assert_int_equal(k.n, 1);
	assert_int_equal(k.s[0].total, 0);
	restart(&b);
	OK(restore(&b, &k.s[0]));
	bench_no_event(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	bench_received(&b, A, 1, "onetwo");
	forget(&k);
	bench_stop(&b);
}

static void
test_what_was_not_handed_out_so_is_refused_whole(void **state)
{
	static const struct {
		const char *records;
		size_t len;
		int err;
	} cases[] = {
		{ "\0\0\0\1x", 5, PMUL_EMALFORMED },
		{ "\0\1\0\0", 4, PMUL_EMALFORMED },
		{ "\0\5\0\1x", 5, PMUL_EMALFORMED },
		{ "\0\3\0\2x", 5, PMUL_EMALFORMED },
		{ "\0\3\0\1xy", 6, PMUL_EMALFORMED },
		{ "\0\3\0\1x\0\3\0", 8, PMUL_EMALFORMED },
		{ "\0\3\0\1x\0\5\0\1y", 10, PMUL_EMALFORMED },
		{ NULL, 5, PMUL_EMALFORMED },
		{ "\0\3\0\030"
		  "012345678901234567890123",
		    28, PMUL_ETOOBIG },
	};

	(void)state;
	for (int open = 0; open < 2; open++) {
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct pmul_rx_saved s, bad;
			struct pmul_gauges before, after;
			struct kept k;
			struct bench b;

			kept_in_pieces(&b, &k);
			bench_stop(&b);
			b.cfg.message_max = 23;
			bench_start(&b);
			if (open)
				OK(restore(&b, &k.s[0]));
			bad = k.s[0];
			bad.len = cases[i].len;
			bad.records = cases[i].records != NULL
					  ? unit_copy(cases[i].records, bad.len)
					  : NULL;
			pmul_engine_gauges(b.e, &before);
			assert_int_equal(restore(&b, &bad), cases[i].err);
			pmul_engine_gauges(b.e, &after);
			assert_memory_equal(&before, &after, sizeof(after));
			assert_false(pmul_engine_next_rx_saved(b.e, &s));
			free((void *)(uintptr_t)bad.records);
			forget(&k);
			bench_stop(&b);
		}
	}
}

static void
test_limits_hold_for_what_is_restored(void **state)
{
	struct pmul_rx_saved s;
	struct kept k;
	struct bench b;

	(void)state;
	kept_in_pieces(&b, &k);
	bench_stop(&b);
	b.cfg.rx_messages_max = 1;
	b.cfg.held_messages_max = 1;
	b.cfg.message_max = 10;
	b.cfg.rx_bytes_max = 10;
	bench_start(&b);
	s = k.s[0];
	s.total = 11;
	assert_int_equal(restore(&b, &s), PMUL_ETOOBIG);
	s.total = 65536;
	assert_int_equal(restore(&b, &s), PMUL_EMALFORMED);
	s = k.s[0];
	s.expiry.s = BENCH_WALL - 61;
	assert_int_equal(restore(&b, &s), PMUL_EEXPIRED);
	s = k.s[0];
	s.source = ME;
	assert_int_equal(restore(&b, &s), PMUL_EMALFORMED);
	OK(restore(&b, &k.s[0]));
	s = k.s[0];
	s.id = 2;
	assert_int_equal(restore(&b, &s), PMUL_EBUSY);
	OK(restore(&b, &k.s[1])); /* 3 + 4 octets */
	OK(restore(&b, &k.s[2]));
	s = k.s[0];
	s.records = (const uint8_t *)"\0\3\0\1x";
	s.len = 5;
	assert_int_equal(restore(&b, &s), PMUL_ETOOBIG);
	forget(&k);
	bench_stop(&b);
}

static void
test_restore_rx_survives_every_failing_allocation(void **state)
{
	size_t live = unit_alloc_live(), failed = 0;

	(void)state;
	for (int held = 0; held < 2; held++) {
		struct pmul_rx_saved all;
		struct pmul_gauges before, after;
		struct kept k;
		struct bench b;
		int rc = PMUL_ENOMEM;

		kept_in_pieces(&b, &k);
		restart(&b);
		if (held)
			OK(bench_data(&b, A, 1, 2, "two"));
		all = k.s[0];
		all.records = (const uint8_t
			*)"\0\1\0\3one\0\3\0\5three\0\4\0\4four\0\2\0\3two";
		all.len = 31;
		pmul_engine_gauges(b.e, &before);
		for (size_t at = 1; rc == PMUL_ENOMEM; at++) {
			unit_alloc_fail_at(at);
			rc = restore(&b, &all);
			unit_alloc_fail_at(0);
			if (rc == PMUL_OK)
				break;
			failed++;
			pmul_engine_gauges(b.e, &after);
			assert_memory_equal(&before, &after, sizeof(after));
		}
		OK(rc);
		bench_received(&b, A, 1, "onetwothreefour");
		forget(&k);
		bench_stop(&b);
	}
	assert_in_range(failed, 6, 40);
	assert_int_equal(unit_alloc_live(), live);
}

#define T(name) cmocka_unit_test(test_##name)

static const struct CMUnitTest tests[] = {
	T(each_fragment_is_handed_out_once),
	T(nothing_is_handed_out_of_a_message_that_ended),
	T(pieces_come_back_in_any_order_and_go_on),
	T(restored_message_asks_for_what_is_missing),
	T(restored_pieces_may_complete_the_message),
	T(held_data_joins_what_is_restored),
	T(total_that_was_belied_is_handed_out_as_unknown),
	T(what_was_not_handed_out_so_is_refused_whole),
	T(limits_hold_for_what_is_restored),
	T(restore_rx_survives_every_failing_allocation),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What goes first: Acks, then the most urgent, then the oldest. */
#include "pmul/test/bench.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

enum { ROUTINE = 4, FLASH = 1 };

static void
submit(struct bench *b, uint32_t msid, uint8_t priority, size_t len)
{
	struct pmul_dest d = { A, 1 };
	struct pmul_submit s = {
		.msid = msid,
		.priority = priority,
		.expiry = { b->now.wall.s + 3600 },
		.group = 77,
		.dests = &d,
		.ndests = 1,
		.data = calloc(1, len),
		.len = len,
	};

	assert_int_equal(pmul_engine_submit(b->e, b->now, &s), PMUL_OK);
	free((void *)(uintptr_t)s.data);
}

static void
test_a_flash_message_starts_after_at_most_one_pdu_of_a_routine_megabyte(
    void **state)
{
	uint64_t began;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.pdu_max = 1400;
	b.cfg.bit_rate = 9600;
	b.cfg.overhead_bytes = 28;
	bench_start(&b);
	submit(&b, 1, ROUTINE, 1u << 20);
	bench_take_address(&b, 1, 1, A);
	for (unsigned i = 1; i <= 20; i++) {
		b.now.mono.us = pmul_engine_deadline(b.e).us;
		bench_take_data(&b, 1, i);
	}
	/* A full PDU has just begun to leave. */
	began = b.now.mono.us;
	submit(&b, 2, FLASH, 500);
	b.now.mono.us = pmul_engine_deadline(b.e).us;
	bench_take_address(&b, 2, 1, A);
	assert_in_range(
	    b.now.mono.us - began, 1, UINT64_C(1428) * 8 * 1000000 / 9600 + 1);
	b.now.mono.us = pmul_engine_deadline(b.e).us;
	bench_take_data(&b, 2, 1);
	/* And its retransmission does not wait either. */
	b.now.mono.us = pmul_engine_deadline(b.e).us;
	bench_take_data(&b, 1, 21);
	assert_int_equal(bench_ack(&b, A, 2, 1, 1), PMUL_OK);
	b.now.mono.us = pmul_engine_deadline(b.e).us;
	/* bench_ack() says 4: the priority of an Ack is nobody's business. */
	bench_take_address(&b, 2, 1, A);
	bench_stop(&b);
}

static void
test_equal_priorities_go_by_age_also_when_resumed_later(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	submit(&b, 1, ROUTINE, 1);
	submit(&b, 2, ROUTINE, 1);
	submit(&b, 3, FLASH, 1);
	for (uint32_t i = 0; i < 3; i++) {
		bench_take_address(&b, i == 0 ? 3 : i, 1, A);
		bench_take_data(&b, i == 0 ? 3 : i, 1);
	}
	/* All due again at the same time. */
	bench_pass(&b, 10 * SECOND);
	for (uint32_t i = 0; i < 3; i++) {
		bench_take_address(&b, i == 0 ? 3 : i, 1, A);
		bench_take_data(&b, i == 0 ? 3 : i, 1);
	}
	bench_stop(&b);
}

static void
test_acks_go_before_the_most_urgent_data(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	bench_start(&b);
	submit(&b, 1, 0, 200);
	bench_take_address(&b, 1, 1, A);
	assert_int_equal(bench_address(&b, B, 9, 1, 1, ME), PMUL_OK);
	assert_int_equal(bench_data(&b, B, 9, 1, "one"), PMUL_OK);
	bench_received(&b, B, 9, "one");
	pmul_engine_tick(b.e, b.now);
	bench_take_ack(&b, B, 9, 0);
	bench_take_data(&b, 1, 1);
	bench_stop(&b);
}

static void
test_every_pdu_of_a_message_carries_its_priority(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.extra_address = PMUL_EXTRA_ALWAYS;
	bench_start(&b);
	submit(&b, 1, 17, 1);
	bench_take_address(&b, 1, 1, A);
	assert_int_equal(b.pdu.priority, 17);
	bench_take_data(&b, 1, 1);
	assert_int_equal(b.pdu.priority, 17);
	bench_take_extra(&b, 1, 1, A);
	assert_int_equal(b.pdu.priority, 17);
	assert_int_equal(pmul_engine_cancel(b.e, b.now, 1), PMUL_OK);
	bench_take(&b, PMUL_DISCARD);
	assert_int_equal(b.pdu.priority, 17);
	submit(&b, 2, 255, 1);
	bench_take_address(&b, 2, 1, A);
	bench_take_data(&b, 2, 1);
	bench_take_extra(&b, 2, 1, A);
	assert_int_equal(bench_ack(&b, A, 2, 0), PMUL_OK);
	bench_take_address(&b, 2, 0);
	assert_int_equal(b.pdu.priority, 255);
	bench_stop(&b);
}

#define T(name) cmocka_unit_test(name)

static const struct CMUnitTest tests[] = {
	T(test_a_flash_message_starts_after_at_most_one_pdu_of_a_routine_megabyte),
	T(test_equal_priorities_go_by_age_also_when_resumed_later),
	T(test_acks_go_before_the_most_urgent_data),
	T(test_every_pdu_of_a_message_carries_its_priority),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What holds for the engine as a whole: refusals leave no trace, limits hold,
 * memory may run out anywhere, clocks may jump.
 */
#include "pmul/test/bench.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define OK(call) assert_int_equal(call, PMUL_OK)

static void
started(struct bench *b)
{
	bench_init(b);
	bench_start(b);
}

/* Everything that can be seen from outside, but for counters of refusals. */
struct trace {
	struct pmul_gauges gauges;
	struct pmul_counters counters;
	struct pmul_mono deadline;
	size_t blocks;
	struct pmul_rx_progress rx[8];
	size_t nrx;
	uint32_t total, sent, rounds;
	struct pmul_tx_progress tx[8];
	size_t ntx;
};

static void
look(const struct bench *b, struct trace *t)
{
	struct pmul_counters *c = &t->counters;

	memset(t, 0, sizeof(*t));
	pmul_engine_gauges(b->e, &t->gauges);
	pmul_engine_counters(b->e, c);
	c->malformed = c->checksum = c->own = c->type = c->toobig = 0;
	c->busy = c->expired = c->unsupported = c->nomem = 0;
	t->deadline = pmul_engine_deadline(b->e);
	t->blocks = unit_alloc_live();
	t->nrx = pmul_engine_rx_progress(b->e, t->rx, 8);
	t->ntx = pmul_engine_tx_progress(
	    b->e, 1, &t->total, &t->sent, &t->rounds, t->tx, 8);
}

static void
check_no_trace(struct bench *b, const struct trace *before)
{
	struct trace after;

	look(b, &after);
	assert_memory_equal(&after, before, sizeof(after));
}

/* --- refusals ---------------------------------------------------------------- */

/* Something of everything is under way: sent, gathered, held, done. */
static void
busy(struct bench *b)
{
	bench_init(b);
	b->cfg.ack_delay_us = 5 * SECOND;
	bench_start(b);
	OK(bench_submit(b, 1, 4, 2, A, B));
	bench_take_address(b, 1, 2, A, B);
	bench_take_data(b, 1, 1);
	OK(bench_address(b, A, 1, 4, 1, ME));
	OK(bench_data(b, A, 1, 2, "two"));
	OK(bench_data(b, B, 2, 1, "held"));
	OK(bench_address(b, A, 3, 1, 1, ME));
	OK(bench_data(b, A, 3, 1, "all"));
	bench_received(b, A, 3, "all");
}

static void
refuse(struct bench *b, const void *buf, size_t len, int err)
{
	struct trace before;

	look(b, &before);
	assert_int_equal(bench_input(b, A, buf, len), err);
	check_no_trace(b, &before);
	/* Nor does a later moment leave one. */
	b->now.mono.us += 12345;
	assert_int_equal(bench_input(b, A, buf, len), err);
	check_no_trace(b, &before);
	b->now.mono.us -= 12345;
	bench_no_event(b);
}

static void
test_refused_input_leaves_no_trace(void **state)
{
	struct pmul_dest d = { ME, 1 };
	struct pmul_pdu pdu = { .type = PMUL_ADDRESS,
		.first = true,
		.last = true,
		.source = A,
		.msid = 50,
		.total = 1,
		.expiry = BENCH_WALL + 60 };
	unsigned char *fec;
	uint8_t buf[256];
	struct bench b;
	size_t len;

	(void)state;
	busy(&b);
	refuse(&b, "", 0, PMUL_EMALFORMED);
	refuse(&b, "\0\1", 2, PMUL_EMALFORMED);
	len = pmul_pdu_put_data(buf, sizeof(buf), 4, A, 1, 1, "one", 3);
	for (size_t cut = 0; cut < len; cut++)
		refuse(&b, buf, cut, PMUL_EMALFORMED);
	buf[len - 1] ^= 1;
	refuse(&b, buf, len, PMUL_ECHECKSUM);
	len = pmul_pdu_put_data(buf, sizeof(buf), 4, ME, 1, 1, "one", 3);
	refuse(&b, buf, len, PMUL_EOWN);
	len = pmul_pdu_put_data(buf, sizeof(buf), 4, A, 1, 1, "one", 3);
	buf[3] = 0x20;
	pmul_checksum_put(buf, len);
	refuse(&b, buf, len, PMUL_ETYPE);
	pdu.expiry = BENCH_WALL - 61;
	len = pmul_pdu_put_address(buf, sizeof(buf), &pdu, &d, 1);
	refuse(&b, buf, len, PMUL_EEXPIRED);
	fec =
	    unit_hex("0024040800038e180a8e0001010203076553ff1002010a0200010000"
		     "0a8e00020000000c",
		&len);
	/* The first of a message is remembered, test_rx_silence.c; then: */
	assert_int_equal(bench_input(&b, A, fec, len), PMUL_EUNSUPPORTED);
	refuse(&b, fec, len, PMUL_EUNSUPPORTED);
	free(fec);
	bench_stop(&b);
}

static void
test_refusals_are_counted_by_reason(void **state)
{
	struct pmul_counters c;
	struct bench b;
	uint8_t buf[64];
	size_t len;

	(void)state;
	started(&b);
	assert_int_equal(bench_input(&b, A, "x", 1), PMUL_EMALFORMED);
	len = pmul_pdu_put_data(buf, sizeof(buf), 4, ME, 1, 1, "one", 3);
	assert_int_equal(bench_input(&b, A, buf, len), PMUL_EOWN);
	OK(bench_data(&b, A, 1, 1, "one"));
	/* Dynamic groups are not ours. */
	len = pmul_pdu_put_group(buf, sizeof(buf), PMUL_REQUEST, A, 1, 7);
	OK(bench_input(&b, A, buf, len));
	pmul_engine_counters(b.e, &c);
	assert_int_equal(c.malformed, 1);
	assert_int_equal(c.own, 1);
	assert_int_equal(c.pdus_in, 2);
	assert_int_equal(c.bytes_in, 19 + 20);
	assert_int_equal(c.not_for_us, 1);
	bench_stop(&b);
}

static void
test_input_and_submit_wait_for_events_to_be_fetched(void **state)
{
	struct trace before;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.events_max = 2;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_address(&b, A, 2, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	OK(bench_data(&b, A, 2, 1, "two"));
	look(&b, &before);
	assert_int_equal(bench_data(&b, A, 2, 1, "two"), PMUL_EBUSY);
	assert_int_equal(bench_submit(&b, 1, 1, 1, A), PMUL_EBUSY);
	check_no_trace(&b, &before);
	bench_received(&b, A, 1, "one");
	OK(bench_submit(&b, 1, 1, 1, A));
	bench_received(&b, A, 2, "two");
	bench_stop(&b);
}

/* --- limits -------------------------------------------------------------------- */

static void
test_incoming_messages_are_bounded(void **state)
{
	struct trace before;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.rx_messages_max = 2;
	b.cfg.held_messages_max = 2;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_address(&b, A, 2, 1, 1, ME));
	look(&b, &before);
	assert_int_equal(bench_address(&b, A, 3, 2, 1, ME), PMUL_EBUSY);
	assert_int_equal(bench_data(&b, A, 3, 1, "one"), PMUL_EBUSY);
	check_no_trace(&b, &before);
	/* A message that waits to be stored counts. */
	OK(bench_data(&b, A, 2, 1, "two"));
	assert_int_equal(bench_address(&b, A, 3, 2, 1, ME), PMUL_EBUSY);
	bench_received(&b, A, 2, "two");
	OK(bench_address(&b, A, 3, 2, 1, ME));
	bench_stop(&b);
}

static void
test_not_for_us_taken_back_respects_the_limit(void **state)
{
	struct trace before;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.rx_messages_max = 1;
	b.cfg.held_messages_max = 1;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 2, 1, C));
	OK(bench_address(&b, A, 2, 2, 1, ME));
	look(&b, &before);
	assert_int_equal(bench_address(&b, A, 1, 2, 1, ME), PMUL_EBUSY);
	check_no_trace(&b, &before);
	bench_stop(&b);
}

static void
test_held_messages_are_bounded_in_total_and_per_source(void **state)
{
	struct trace before;
	struct bench b;

	(void)state;
	started(&b); /* 4 held messages */
	OK(bench_data(&b, A, 1, 1, "x"));
	OK(bench_data(&b, A, 2, 1, "x"));
	look(&b, &before);
	assert_int_equal(bench_data(&b, A, 3, 1, "x"), PMUL_EBUSY);
	check_no_trace(&b, &before);
	OK(bench_data(&b, B, 3, 1, "x"));
	OK(bench_data(&b, B, 4, 1, "x"));
	assert_int_equal(bench_data(&b, C, 5, 1, "x"), PMUL_EBUSY);
	/* Nothing has to be held to see that a message is not for us. */
	OK(bench_address(&b, C, 6, 1, 2, C, A));
	assert_int_equal(
	    bench_address_part(&b, C, 7, true, false, 1, B), PMUL_EBUSY);
	/* The place of one that is for us is free again. */
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, C, 5, 1, "x"));
	bench_stop(&b);
}

static void
test_octets_are_bounded(void **state)
{
	struct trace before;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.message_max = 20;
	b.cfg.rx_bytes_max = 24;
	b.cfg.tx_bytes_max = 20;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 5, 1, ME));
	OK(bench_data(&b, A, 1, 1, "0123456789"));
	look(&b, &before);
	assert_int_equal(bench_data(&b, A, 1, 2, "0123456789x"), PMUL_ETOOBIG);
	check_no_trace(&b, &before);
	OK(bench_data(&b, A, 1, 2, "0123456789"));
	OK(bench_address(&b, A, 2, 5, 1, ME));
	OK(bench_data(&b, A, 2, 1, "0123"));
	look(&b, &before);
	assert_int_equal(bench_data(&b, A, 2, 2, "0"), PMUL_EBUSY);
	/* 21 octets at least. */
	assert_int_equal(bench_address(&b, A, 3, 21, 1, ME), PMUL_ETOOBIG);
	assert_int_equal(bench_address(&b, A, 1, 21, 1, ME), PMUL_ETOOBIG);
	check_no_trace(&b, &before);
	bench_stop(&b);
}

static void
test_held_octets_have_half_the_room_and_a_source_half_of_that(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.message_max = b.cfg.tx_bytes_max = 30;
	b.cfg.rx_bytes_max = 40;
	bench_start(&b);
	OK(bench_data(&b, A, 1, 1, "0123456789"));
	assert_int_equal(bench_data(&b, A, 1, 2, "0"), PMUL_EBUSY);
	assert_int_equal(bench_data(&b, A, 2, 1, "0"), PMUL_EBUSY);
	OK(bench_data(&b, B, 1, 1, "0123456789"));
	assert_int_equal(bench_data(&b, C, 1, 1, "0"), PMUL_EBUSY);
	/* What is known to be for us has the rest. */
	OK(bench_address(&b, A, 1, 3, 1, ME));
	OK(bench_data(&b, A, 1, 2, "0123456789"));
	OK(bench_data(&b, C, 1, 1, "0"));
	bench_stop(&b);
}

static void
test_tombstones_are_bounded_and_the_oldest_go(void **state)
{
	struct pmul_tombstone t = {
		.source = A,
		.expiry = { BENCH_WALL + 3600 },
	};
	struct pmul_gauges g;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.tombstones_max = 3;
	bench_start(&b);
	for (t.id = 1; t.id <= 5; t.id++)
		OK(pmul_engine_restore_tombstone(b.e, b.now, &t));
	pmul_engine_gauges(b.e, &g);
	assert_int_equal(g.tombstones, 3);
	/* A flood for others does not push out what we delivered. */
	for (uint32_t id = 10; id <= 30; id++)
		OK(bench_address(&b, A, id, 1, 1, C));
	pmul_engine_gauges(b.e, &g);
	assert_int_equal(g.tombstones, 6);
	for (uint32_t id = 3; id <= 5; id++) {
		OK(bench_address(&b, A, id, 1, 1, ME));
		OK(bench_data(&b, A, id, 1, "x"));
		bench_no_event(&b);
	}
	OK(bench_address(&b, A, 2, 1, 1, ME));
	OK(bench_data(&b, A, 2, 1, "x"));
	bench_received(&b, A, 2, "x");
	/* And all of them with time. */
	bench_pass(&b, 3700 * SECOND);
	pmul_engine_gauges(b.e, &g);
	assert_int_equal(g.tombstones, 0);
	assert_int_equal(pmul_engine_deadline(b.e).us, PMUL_MONO_NEVER.us);
	bench_stop(&b);
}

static void
test_a_claimed_total_costs_no_memory(void **state)
{
	struct bench b;
	size_t before;

	(void)state;
	started(&b);
	before = unit_alloc_live_bytes();
	OK(bench_address(&b, A, 1, 65535, 1, ME));
	OK(bench_data(&b, A, 1, 65535, "x"));
	/* A bitmap of 8 KiB, and small things. */
	assert_true(unit_alloc_live_bytes() - before < 10000);
	bench_stop(&b);
}

/* --- order and time ------------------------------------------------------------ */

static void
test_acks_go_before_data(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_submit(&b, 1, 2, 1, A));
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_take_address(&b, 1, 1, A);
	bench_received(&b, A, 1, "one");
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_take_data(&b, 1, 1);
	bench_stop(&b);
}

static void
test_pacing_holds_for_acks_too(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.bit_rate = 8000;
	b.cfg.overhead_bytes = 28;
	bench_start(&b);
	OK(bench_address(&b, A, 1, 1, 1, ME));
	OK(bench_data(&b, A, 1, 1, "one"));
	bench_received(&b, A, 1, "one");
	OK(bench_address(&b, B, 1, 1, 1, ME));
	OK(bench_data(&b, B, 1, 1, "one"));
	bench_received(&b, B, 1, "one");
	bench_pass(&b, 0);
	bench_take_ack(&b, A, 1, 0);
	bench_take_nothing(&b);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + (24 + 28) * 1000);
	bench_pass(&b, (24 + 28) * 1000);
	bench_take_ack(&b, B, 1, 0);
	bench_stop(&b);
}

static void
test_wall_clock_steps_do_not_move_timers(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	OK(bench_submit(&b, 1, 1, 1, A));
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	b.now.wall.s -= 100000;
	bench_pass(&b, 10 * SECOND - 1);
	bench_take_nothing(&b);
	b.now.wall.s += 100000 + 3000;
	bench_pass(&b, 1);
	bench_take_address(&b, 1, 1, A);
	bench_stop(&b);
}

static void
test_expiry_follows_the_wall_clock(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.ack_pdu_us = 7200 * SECOND; /* no timer but the expiry */
	bench_start(&b);
	b.now.mono.us += 700000;
	OK(bench_address(&b, A, 1, 2, 1, ME));
	assert_int_equal(pmul_engine_deadline(b.e).us,
	    b.now.mono.us + (3600 + 60 + 1) * SECOND);
	/* The clock is set back by an hour: so much later. */
	b.now.wall.s -= 3600;
	bench_pass(&b, 3661 * SECOND);
	bench_no_event(&b);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 3600 * SECOND);
	/* And forward: at the next tick. */
	b.now.wall.s += 3600;
	bench_pass(&b, 0);
	bench_event(&b, PMUL_EV_LOST, A, 1);
	bench_stop(&b);
}

static void
test_a_monotonic_clock_that_goes_back_stands_still(void **state)
{
	struct bench b;

	(void)state;
	started(&b);
	bench_pass(&b, 500 * SECOND);
	b.now.mono.us -= 500 * SECOND;
	OK(bench_submit(&b, 1, 1, 1, A));
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	assert_int_equal(
	    pmul_engine_deadline(b.e).us, b.now.mono.us + 510 * SECOND);
	bench_pass(&b, 509 * SECOND);
	bench_take_nothing(&b);
	b.now.mono.us -= 509 * SECOND;
	bench_pass(&b, 510 * SECOND);
	bench_take_address(&b, 1, 1, A);
	bench_stop(&b);
}

static void
test_times_at_the_end_of_the_range_do_not_overflow(void **state)
{
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.ack_retx_us = b.cfg.ack_pdu_us = UINT64_MAX;
	b.cfg.ack_delay_us = b.cfg.undefined_expiry_us = UINT64_MAX;
	bench_start(&b);
	b.now.mono.us = UINT64_MAX;
	OK(bench_submit(&b, 1, 1, 1, A));
	b.now.wall.s = INT64_MIN;
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	OK(bench_address(&b, A, 1, 2, 1, ME));
	OK(bench_data(&b, A, 1, 2, "two"));
	OK(bench_data(&b, A, 2, 2, "two"));
	assert_true(pmul_engine_deadline(b.e).us < UINT64_MAX);
	pmul_engine_tick(b.e, b.now);
	bench_take_nothing(&b);
	b.now.wall.s = INT64_MAX;
	pmul_engine_tick(b.e, b.now);
	bench_event(&b, PMUL_EV_GAVE_UP, A, 1);
	bench_stop(&b);
}

static void
test_back_off_saturates(void **state)
{
	const uint64_t retx_us = UINT64_MAX / 300;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.ack_retx_us = retx_us;
	bench_start(&b);
	OK(bench_submit(&b, 1, 1, 1, A));
	bench_take_address(&b, 1, 1, A);
	bench_take_data(&b, 1, 1);
	/* The wall clock stands still, or the message would expire. */
	for (uint64_t times = 1; times <= 2; times++) {
		b.now.mono.us += times * retx_us - 1;
		bench_take_nothing(&b);
		b.now.mono.us += 1;
		bench_take_address(&b, 1, 1, A);
		bench_take_data(&b, 1, 1);
	}
	/* Four times would be too much to multiply: for ever. */
	b.now.mono.us += UINT64_MAX / 100 - 1;
	bench_take_nothing(&b);
	bench_stop(&b);
}

/* --- configuration ------------------------------------------------------------- */

static void
test_configuration_is_checked(void **state)
{
	struct pmul_config good, cfg;
	const char *what = NULL;
	struct pmul_engine *e = NULL;

	(void)state;
	pmul_config_default(&good);
	assert_int_equal(pmul_config_check(&good, &what), PMUL_EINVAL);
	assert_string_equal(what, "node_id");
	good.node_id = ME;
	assert_int_equal(pmul_config_check(&good, &what), PMUL_OK);
#define BAD(field, value) \
	cfg = good; \
	cfg.field = value; \
	assert_int_equal(pmul_config_check(&cfg, &what), PMUL_EINVAL); \
	assert_string_equal(what, #field)
	BAD(pdu_max, 63);
	BAD(pdu_max, 65508);
	BAD(ack_retx_us, 0);
	BAD(backoff_pct, 99);
	BAD(backoff_limit_pct, 99);
	BAD(ack_pdu_us, 0);
	BAD(mm, 0);
	BAD(undefined_expiry_us, 0);
	BAD(ack_retx_min_us, good.ack_retx_us + 1);
	BAD(emcon_rti_us, 0);
	BAD(pool_first, 1);
	BAD(pool_last, 1);
	BAD(announce_ct, 0);
	BAD(nodes_max, (1u << 24) + 1);
	BAD(groups_max, (1u << 24) + 1);
	BAD(tx_messages_max, 0);
	BAD(tx_bytes_max, good.message_max - 1);
	BAD(destinations_max, 0);
	BAD(message_max, 0);
	BAD(message_max, (1u << 30) + 1);
	BAD(rx_messages_max, 0);
	BAD(rx_bytes_max, good.message_max - 1);
	BAD(held_messages_max, good.rx_messages_max + 1);
	BAD(tombstones_max, 0);
	BAD(events_max, 0);
	assert_int_equal(pmul_engine_new(&cfg, &e), PMUL_EINVAL);
	assert_null(e);
	pmul_engine_free(&e);
	assert_string_equal(pmul_strerror(PMUL_EOWN), "our own Source_ID");
	for (int err = PMUL_ENOMEM; err >= PMUL_ENOTFOUND; err--)
		assert_string_not_equal(pmul_strerror(err), pmul_strerror(1));
}

/* --- memory -------------------------------------------------------------------- */

static void
test_engine_new_survives_every_failing_allocation(void **state)
{
	struct pmul_engine *e = NULL;
	size_t live = unit_alloc_live();
	struct bench b;
	int rc = PMUL_ENOMEM;

	(void)state;
	bench_init(&b);
	for (size_t n = 1; rc != PMUL_OK; n++) {
		unit_alloc_fail_at(n);
		rc = pmul_engine_new(&b.cfg, &e);
		unit_alloc_fail_at(0);
		if (rc != PMUL_OK) {
			assert_int_equal(rc, PMUL_ENOMEM);
			assert_null(e);
			assert_int_equal(unit_alloc_live(), live);
		}
	}
	pmul_engine_free(&e);
	assert_int_equal(unit_alloc_live(), live);
}

/* What a step of the transfer below does, over and over until it succeeds. */
static int
step(struct bench *b, unsigned n)
{
	struct pmul_ack_writer w;
	uint16_t list[] = { 1, 2, 3 };
	uint8_t buf[128];

	switch (n) {
	case 0: return bench_submit(b, 1, 3, 3, C, A, B);
	case 1:
		return bench_submit(
		    b, 2, 3, 12, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, A);
	case 2:
		pmul_ack_begin(&w, buf, sizeof(buf), 4, A);
		(void)pmul_ack_entry_add(&w, ME, 1, list, 3);
		(void)pmul_ack_entry_add(&w, ME, 2, list + 1, 2);
		return bench_input(b, A, buf, pmul_ack_end(&w, NULL));
	case 3: return bench_ack(b, B, 1, 1, 3);
	case 4: return bench_data(b, A, 1, 2, "two");
	case 5: return bench_data(b, A, 1, 70, "seventy");
	case 6: return bench_address(b, A, 1, 70, 1, ME);
	case 7: return bench_address(b, B, 1, 0, 1, ME);
	case 8: return bench_address(b, B, 2, 3, 1, C);
	case 9: return bench_address(b, B, 2, 200, 1, ME);
	case 10: return bench_address(b, B, 2, 300, 1, ME);
	case 11: return bench_address_part(b, C, 3, true, false, 1, A);
	case 12: return bench_data(b, C, 3, 2, "two");
	case 13: return bench_data(b, C, 3, 1, "one");
	case 14: return bench_address(b, C, 3, 2, 1, ME);
	case 15: return bench_address(b, C, 4, 2, 1, ME);
	case 16: return bench_data(b, C, 4, 2, "two");
	case 17: return bench_data(b, C, 4, 1, "one");
	case 18: return bench_data(b, C, 5, 2, "two");
	case 19: return bench_address(b, C, 5, 1, 1, ME);
	case 20: return bench_data(b, C, 5, 1, "one");
	case 21: return bench_address(b, C, 5, 2, 1, ME);
	case 22:
		return pmul_engine_restore_tombstone(b->e, b->now,
		    &(struct pmul_tombstone){
			.source = 9, .id = 9, .expiry = { BENCH_WALL + 60 } });
	default: return PMUL_EINVAL;
	}
}

#define STEPS 23

static void
after_step(struct bench *b, unsigned n)
{
	if (n == 1)
		while (pmul_engine_next_pdu(
		    b->e, b->now, &b->where, b->buf, sizeof(b->buf), &b->len))
			;
	if (n == 7)
		bench_received(b, B, 1, "");
	if (n == 14)
		bench_received(b, C, 3, "onetwo");
	if (n == 17)
		bench_received(b, C, 4, "onetwo");
	if (n == 21)
		bench_received(b, C, 5, "onetwo");
	if (n != 7 && n != 14 && n != 17 && n != 21)
		bench_no_event(b);
}

/* Step n with its allocation `at` failing; false when it has fewer. */
static bool
fails_without_trace(struct bench *b, unsigned n, size_t at)
{
	struct trace before;
	int rc;

	look(b, &before);
	unit_alloc_fail_at(at);
	rc = step(b, n);
	unit_alloc_fail_at(0);
	if (rc == PMUL_OK)
		return false;
	assert_int_equal(rc, PMUL_ENOMEM);
	check_no_trace(b, &before);
	return true;
}

static void
test_input_and_submit_survive_every_failing_allocation(void **state)
{
	size_t live = unit_alloc_live(), failed = 0;
	struct bench b;

	(void)state;
	bench_init(&b);
	b.cfg.events_max = 1; /* the ring has to grow */
	bench_start(&b);
	for (unsigned n = 0; n < STEPS; n++) {
		/* The bench itself makes one or two copies first: those
		 * failing are none of the engine's. */
		size_t own = n < 2 ? 1 : n == 22 ? 0 : 1;

		for (size_t at = own + 1; fails_without_trace(&b, n, at); at++)
			failed++;
		after_step(&b, n);
	}
	/* Some dozens: a change that fails earlier would show. */
	assert_in_range(failed, 30, 80);
	bench_stop(&b);
	assert_int_equal(unit_alloc_live(), live);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_refused_input_leaves_no_trace),
	cmocka_unit_test(test_refusals_are_counted_by_reason),
	cmocka_unit_test(test_input_and_submit_wait_for_events_to_be_fetched),
	cmocka_unit_test(test_incoming_messages_are_bounded),
	cmocka_unit_test(test_not_for_us_taken_back_respects_the_limit),
	cmocka_unit_test(
	    test_held_messages_are_bounded_in_total_and_per_source),
	cmocka_unit_test(test_octets_are_bounded),
	cmocka_unit_test(
	    test_held_octets_have_half_the_room_and_a_source_half_of_that),
	cmocka_unit_test(test_tombstones_are_bounded_and_the_oldest_go),
	cmocka_unit_test(test_a_claimed_total_costs_no_memory),
	cmocka_unit_test(test_acks_go_before_data),
	cmocka_unit_test(test_pacing_holds_for_acks_too),
	cmocka_unit_test(test_wall_clock_steps_do_not_move_timers),
	cmocka_unit_test(test_expiry_follows_the_wall_clock),
	cmocka_unit_test(test_a_monotonic_clock_that_goes_back_stands_still),
	cmocka_unit_test(test_times_at_the_end_of_the_range_do_not_overflow),
	cmocka_unit_test(test_back_off_saturates),
	cmocka_unit_test(test_configuration_is_checked),
	cmocka_unit_test(test_engine_new_survives_every_failing_allocation),
	cmocka_unit_test(
	    test_input_and_submit_survive_every_failing_allocation),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

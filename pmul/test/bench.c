#include "pmul/test/bench.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define LIST_MAX 64

void
bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	pmul_config_default(&b->cfg);
	b->cfg.node_id = ME;
	b->cfg.seed = 1;
	b->cfg.pdu_max = 100;
	b->cfg.ack_retx_us = 10 * SECOND;
	b->cfg.backoff_pct = 200;
	b->cfg.backoff_limit_pct = 400;
	b->cfg.ack_delay_us = 0;
	b->cfg.ack_pdu_us = 20 * SECOND;
	b->cfg.ack_pdu_repeats = 2;
	b->cfg.undefined_expiry_us = 100 * SECOND;
	b->cfg.tx_messages_max = 8;
	b->cfg.rx_messages_max = 8;
	b->cfg.held_messages_max = 4;
	b->cfg.tombstones_max = 8;
	b->cfg.events_max = 16;
	b->now.mono.us = 1000 * SECOND;
	b->now.wall.s = BENCH_WALL;
}

void
bench_start(struct bench *b)
{
	assert_int_equal(pmul_engine_new(&b->cfg, &b->e), PMUL_OK);
}

void
bench_stop(struct bench *b)
{
	pmul_engine_free(&b->e);
	assert_null(b->e);
}

void
bench_pass(struct bench *b, uint64_t us)
{
	uint64_t sum = b->now.mono.us % SECOND + us % SECOND;

	b->now.mono.us += us;
	b->now.wall.s += (int64_t)(us / SECOND + sum / SECOND);
	pmul_engine_tick(b->e, b->now);
}

/* --- in ----------------------------------------------------------------------- */

int
bench_input(struct bench *b, uint32_t from, const void *buf, size_t len)
{
	struct pmul_addr addr = { { (uint8_t)from } };
	/* Exact size, so that a sanitizer sees what is read beyond it. */
	uint8_t *copy = unit_copy(buf, len);
	int rc = pmul_engine_input(b->e, b->now, &addr, copy, len);

	free(copy);
	return rc;
}

static int
address(struct bench *b, struct pmul_pdu *pdu, unsigned n, va_list ap)
{
	struct pmul_dest dests[LIST_MAX];
	uint8_t buf[1024];
	size_t len;

	assert_true(n <= LIST_MAX);
	for (unsigned i = 0; i < n; i++) {
		dests[i].id = va_arg(ap, uint32_t);
		dests[i].seq = 70 + i;
	}
	pdu->priority = 4;
	if (pdu->expiry == 0)
		pdu->expiry = BENCH_WALL + 3600;
	len = pmul_pdu_put_address(buf, sizeof(buf), pdu, dests, n);
	return bench_input(b, pdu->source, buf, len);
}

int
bench_address(struct bench *b, uint32_t source, uint32_t msid, unsigned total,
    unsigned n, ...)
{
	struct pmul_pdu pdu = {
		.type = PMUL_ADDRESS,
		.first = true,
		.last = true,
		.source = source,
		.msid = msid,
		.total = (uint16_t)total,
	};
	va_list ap;
	int rc;

	va_start(ap, n);
	rc = address(b, &pdu, n, ap);
	va_end(ap);
	return rc;
}

int
bench_address_part(struct bench *b, uint32_t source, uint32_t msid, bool first,
    bool last, unsigned n, ...)
{
	struct pmul_pdu pdu = {
		.type = PMUL_ADDRESS,
		.first = first,
		.last = last,
		.source = source,
		.msid = msid,
		.total = 2,
	};
	va_list ap;
	int rc;

	va_start(ap, n);
	rc = address(b, &pdu, n, ap);
	va_end(ap);
	return rc;
}

static int
extra(struct bench *b, struct pmul_pdu *pdu, unsigned n, ...)
{
	va_list ap;
	int rc;

	va_start(ap, n);
	rc = address(b, pdu, n, ap);
	va_end(ap);
	return rc;
}

int
bench_extra_address(
    struct bench *b, uint32_t source, uint32_t msid, unsigned total)
{
	struct pmul_pdu pdu = {
		.type = PMUL_EXTRA_ADDRESS,
		.first = true,
		.last = true,
		.source = source,
		.msid = msid,
		.total = (uint16_t)total,
	};

	return extra(b, &pdu, 1, ME);
}

int
bench_data(struct bench *b, uint32_t source, uint32_t msid, unsigned seq,
    const char *text)
{
	uint8_t buf[1024];
	size_t len = pmul_pdu_put_data(buf, sizeof(buf), 4, source, msid,
	    (uint16_t)seq, text, strlen(text));

	return bench_input(b, source, buf, len);
}

int
bench_discard(struct bench *b, uint32_t source, uint32_t msid)
{
	uint8_t buf[64];
	size_t len = pmul_pdu_put_discard(buf, sizeof(buf), 4, source, msid);

	return bench_input(b, source, buf, len);
}

int
bench_ack(struct bench *b, uint32_t node, uint32_t msid, unsigned n, ...)
{
	struct pmul_ack_writer w;
	uint16_t list[LIST_MAX];
	uint8_t buf[1024];
	va_list ap;

	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		list[i] = (uint16_t)va_arg(ap, unsigned);
	va_end(ap);
	pmul_ack_begin(&w, buf, sizeof(buf), 4, node);
	assert_true(pmul_ack_entry_add(&w, ME, msid, list, n));
	return bench_input(b, node, buf, pmul_ack_end(&w, NULL));
}

/* --- our own messages ----------------------------------------------------------- */

int
bench_submit(struct bench *b, uint32_t msid, unsigned pdus, unsigned n, ...)
{
	struct pmul_dest dests[LIST_MAX];
	size_t len =
	    (size_t)pdus * ((size_t)b->cfg.pdu_max - PMUL_DATA_HEADER) - 7;
	uint8_t *data = calloc(1, len);
	struct pmul_submit s = {
		.msid = msid,
		.priority = 4,
		.expiry = { b->now.wall.s + 3600 },
		.group = 77,
		.dests = dests,
		.ndests = n,
		.data = data,
		.len = len,
	};
	va_list ap;
	int rc;

	va_start(ap, n);
	for (unsigned i = 0; i < n; i++) {
		dests[i].id = va_arg(ap, uint32_t);
		dests[i].seq = 70 + i;
	}
	va_end(ap);
	rc = pmul_engine_submit(b->e, b->now, &s);
	free(data);
	return rc;
}

/* --- out -------------------------------------------------------------------------- */

void
bench_take(struct bench *b, enum pmul_pdu_type type)
{
	assert_true(pmul_engine_next_pdu(
	    b->e, b->now, &b->where, b->buf, sizeof(b->buf), &b->len));
	assert_int_equal(pmul_pdu_decode(b->buf, b->len, &b->pdu), PMUL_OK);
	assert_int_equal(b->pdu.type, type);
	assert_int_equal(b->pdu.length, b->len);
	if (type != PMUL_REJECT) /* the requester's */
		assert_int_equal(b->pdu.source, ME);
	assert_true(b->len <= b->cfg.pdu_max);
}

static void
take_address(struct bench *b, enum pmul_pdu_type type, uint32_t msid,
    unsigned n, va_list ap)
{
	bench_take(b, type);
	assert_int_equal(b->pdu.msid, msid);
	assert_int_equal(b->pdu.count, n);
	assert_true(b->where.multicast);
	assert_int_equal(b->where.port, PMUL_DPORT);
	assert_int_equal(b->where.group, 77);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(
		    pmul_pdu_dest(&b->pdu, i).id, va_arg(ap, uint32_t));
}

void
bench_take_address(struct bench *b, uint32_t msid, unsigned n, ...)
{
	va_list ap;

	va_start(ap, n);
	take_address(b, PMUL_ADDRESS, msid, n, ap);
	va_end(ap);
}

void
bench_take_extra(struct bench *b, uint32_t msid, unsigned n, ...)
{
	va_list ap;

	va_start(ap, n);
	take_address(b, PMUL_EXTRA_ADDRESS, msid, n, ap);
	va_end(ap);
}

void
bench_take_data(struct bench *b, uint32_t msid, unsigned seq)
{
	bench_take(b, PMUL_DATA);
	assert_int_equal(b->pdu.msid, msid);
	assert_int_equal(b->pdu.seq, seq);
	assert_true(b->where.multicast);
	assert_int_equal(b->where.port, PMUL_DPORT);
}

void
bench_take_ack(struct bench *b, uint32_t source, uint32_t msid, unsigned n, ...)
{
	struct pmul_ack_entry entry;
	size_t pos = 0;
	va_list ap;

	bench_take(b, PMUL_ACK);
	assert_int_equal(b->pdu.count, 1);
	assert_true(pmul_pdu_next_ack(&b->pdu, &pos, &entry));
	assert_int_equal(entry.source, source);
	assert_int_equal(entry.msid, msid);
	assert_int_equal(entry.nmissing, n);
	assert_false(b->where.multicast);
	assert_int_equal(b->where.port, PMUL_APORT);
	assert_int_equal(b->where.node, source);
	assert_int_equal(b->where.to.b[0], (uint8_t)source);
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(
		    entry.missing[2 * i] << 8 | entry.missing[2 * i + 1],
		    va_arg(ap, unsigned));
	va_end(ap);
}

void
bench_take_nothing(struct bench *b)
{
	assert_false(pmul_engine_next_pdu(
	    b->e, b->now, &b->where, b->buf, sizeof(b->buf), &b->len));
}

void
bench_event(
    struct bench *b, enum pmul_event_type type, uint32_t peer, uint32_t msid)
{
	struct pmul_event ev;

	assert_true(pmul_engine_next_event(b->e, &ev));
	assert_int_equal(ev.type, type);
	assert_int_equal(ev.peer, peer);
	assert_int_equal(ev.id, msid);
	assert_int_equal(ev.priority, 4);
}

void
bench_received(
    struct bench *b, uint32_t source, uint32_t msid, const char *text)
{
	struct pmul_event ev;

	assert_true(pmul_engine_next_event(b->e, &ev));
	assert_int_equal(ev.type, PMUL_EV_RECEIVED);
	assert_int_equal(ev.peer, source);
	assert_int_equal(ev.id, msid);
	assert_int_equal(ev.len, strlen(text));
	assert_memory_equal(ev.data, text, ev.len);
	assert_int_equal(
	    pmul_engine_stored(b->e, b->now, source, msid), PMUL_OK);
}

void
bench_no_event(struct bench *b)
{
	struct pmul_event ev;

	assert_false(pmul_engine_next_event(b->e, &ev));
}

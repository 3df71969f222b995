/*
 * What one PDU costs the sender, as messages and destinations grow: with
 * everything found by hash, heap or binary search, it must not grow faster
 * than the logarithm of either.  Not a test: clocks of busy machines lie.
 *
 * Each run sends a fixed number of PDUs; receivers are made up here, miss
 * some Data_PDUs and complete in the end.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pmul/pdu.h"
#include "pmul/pmul.h"
#include "pmul/prng.h"

#define ME 1u
#define FIRST 1000u

struct run {
	struct pmul_engine *e;
	struct pmul_clock now;
	struct pmul_prng prng;
	uint8_t buf[1400];
	uint64_t pdus; /* either way */
	uint32_t messages, dests, fragments;
};

static void
submit(struct run *r, uint32_t msid)
{
	size_t len = (size_t)r->fragments * (1400 - PMUL_DATA_HEADER);
	struct pmul_submit s = {
		.msid = msid,
		.priority = (uint8_t)pmul_prng_below(&r->prng, 7),
		.expiry = { r->now.wall.s + 86400 },
		.group = 77,
		.ndests = r->dests,
		.data = calloc(1, len),
		.len = len,
	};
	struct pmul_dest *d = calloc(r->dests, sizeof(*d));

	for (uint32_t i = 0; i < r->dests; i++)
		d[i] = (struct pmul_dest){ FIRST + i, msid };
	s.dests = d;
	assert_int_equal(pmul_engine_submit(r->e, r->now, &s), PMUL_OK);
	free(d);
	free((void *)(uintptr_t)s.data);
}

static void
drain(struct run *r)
{
	struct pmul_where where;
	struct pmul_event ev;
	size_t len;

	while (pmul_engine_next_pdu(
	    r->e, r->now, &where, r->buf, sizeof(r->buf), &len))
		r->pdus++;
	while (pmul_engine_next_event(r->e, &ev))
		;
}

static void
ack(struct run *r, uint32_t dest, uint32_t msid, bool complete)
{
	uint16_t missing =
	    (uint16_t)(1 + pmul_prng_below(&r->prng, r->fragments));
	struct pmul_addr from = { { 1 } };
	struct pmul_ack_writer w;

	pmul_ack_begin(&w, r->buf, sizeof(r->buf), 4, FIRST + dest);
	assert_true(
	    pmul_ack_entry_add(&w, ME, msid, &missing, complete ? 0 : 1));
	assert_int_equal(pmul_engine_input(r->e, r->now, &from, r->buf,
			     pmul_ack_end(&w, NULL)),
	    PMUL_OK);
	r->pdus++;
}

/* Everybody responds, each time in another order. */
static void
respond(struct run *r, bool complete)
{
	uint32_t all = r->messages * r->dests, at;

	/* A prime that divides nothing here steps through all of them. */
	at = (uint32_t)pmul_prng_below(&r->prng, all);
	for (uint32_t i = 0; i < all; i++) {
		at = (at + 7919) % all;
		r->now.mono.us += 10;
		ack(r, at % r->dests, 1 + at / r->dests, complete);
	}
}

static double
one_run(uint32_t messages, uint32_t dests, uint32_t fragments)
{
	struct run *r = calloc(1, sizeof(*r));
	struct pmul_config cfg;
	clock_t began;
	double us;

	pmul_config_default(&cfg);
	cfg.node_id = ME;
	cfg.extra_address = PMUL_EXTRA_ALWAYS;
	cfg.tx_messages_max = messages;
	cfg.tx_bytes_max = UINT64_C(1) << 32;
	cfg.events_max = 1u << 20;
	assert_int_equal(pmul_engine_new(&cfg, &r->e), PMUL_OK);
	*r = (struct run){
		.e = r->e,
		.now = { { 1000000 }, { 1700000000 } },
		.messages = messages,
		.dests = dests,
		.fragments = fragments,
	};
	for (uint32_t id = 1; id <= messages; id++)
		submit(r, id);
	began = clock();
	drain(r);
	for (int round = 0; round < 4; round++) {
		respond(r, round == 3);
		r->now.mono.us += 3000000;
		drain(r);
	}
	us = (double)(clock() - began) * 1e6 / CLOCKS_PER_SEC;
	us /= (double)r->pdus;
	pmul_engine_free(&r->e);
	free(r);
	return us;
}

int
main(void)
{
	static const uint32_t dests[] = { 1, 10, 100, 1000 };
	static const uint32_t messages[] = { 1, 10, 100, 1000, 10000 };

	(void)one_run(100, 10, 10); /* warm up */
	printf("destinations  us per PDU   (100 messages of 20 PDUs)\n");
	for (size_t i = 0; i < sizeof(dests) / sizeof(dests[0]); i++)
		printf("%12u  %10.3f\n", dests[i], one_run(100, dests[i], 20));
	printf("    messages  us per PDU   (10 destinations, 4 PDUs)\n");
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		printf(
		    "%12u  %10.3f\n", messages[i], one_run(messages[i], 10, 4));
	return 0;
}

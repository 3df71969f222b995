#include "pmul/test/sim.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Datagrams in flight at once: what the busiest test needs, and more. */
#define FLIGHT_MAX (1u << 16)

struct datagram {
	struct pmul_heap_node node;
	unsigned from, to;
	size_t len;
	uint8_t *buf; /* exact size: a sanitizer sees the first octet beyond */
};

static void
start_node(struct sim *s, unsigned node)
{
	struct pmul_config own = s->cfg;

	own.node_id = sim_id(node);
	own.seed = pmul_prng_next(&s->prng);
	assert_int_equal(pmul_engine_new(&own, &s->nodes[node - 1].e), PMUL_OK);
}

void
sim_init(struct sim *s, uint64_t seed, unsigned nnodes,
    const struct pmul_config *cfg)
{
	assert_true(nnodes < SIM_NODES_MAX);
	memset(s, 0, sizeof(*s));
	pmul_prng_init(&s->prng, seed);
	assert_int_equal(pmul_heap_init(&s->flight, FLIGHT_MAX), PMUL_OK);
	s->nnodes = nnodes;
	s->cfg = *cfg;
	for (unsigned i = 1; i <= nnodes; i++) {
		start_node(s, i);
		s->nodes[i - 1].stores = true;
	}
}

void
sim_restart(struct sim *s, unsigned node)
{
	pmul_engine_free(&s->nodes[node - 1].e);
	start_node(s, node);
}

void
sim_emcon(struct sim *s, unsigned node, bool on)
{
	pmul_engine_set_emcon(s->nodes[node - 1].e, sim_clock(s), on);
	sim_pump(s, node);
}

void
sim_release(struct sim *s)
{
	struct pmul_heap_node *n;

	while ((n = pmul_heap_top(&s->flight)) != NULL) {
		struct datagram *d = (struct datagram *)n;

		pmul_heap_remove(&s->flight, n);
		free(d->buf);
		free(d);
	}
	pmul_heap_release(&s->flight);
	for (unsigned i = 0; i < s->nnodes; i++)
		pmul_engine_free(&s->nodes[i].e);
}

uint32_t
sim_id(unsigned node)
{
	return 0x0a8e0000u + node;
}

unsigned
sim_node(uint32_t id)
{
	return id > 0x0a8e0000u && id < 0x0a8e0000u + SIM_NODES_MAX
		   ? id - 0x0a8e0000u
		   : 0;
}

struct pmul_clock
sim_clock(const struct sim *s)
{
	return (struct pmul_clock){
		{ s->now_us },
		{ SIM_WALL + s->wall_step + (int64_t)(s->now_us / 1000000) },
	};
}

/* --- the channel ------------------------------------------------------------- */

static bool
chance(struct sim *s, unsigned pct)
{
	return pct > 0 && pmul_prng_below(&s->prng, 100) < pct;
}

static void
fly(struct sim *s, unsigned from, unsigned to, const void *buf, size_t len,
    uint64_t leaves_us)
{
	const struct sim_channel *c = &s->channel;
	struct datagram *d = calloc(1, sizeof(*d));
	uint64_t at = leaves_us + c->delay_us;

	if (c->jitter_us > 0)
		at += pmul_prng_below(&s->prng, c->jitter_us);
	if (chance(s, c->reorder_pct))
		at += pmul_prng_below(&s->prng, c->reorder_us + 1);
	d->from = from;
	d->to = to;
	d->len = len;
	d->buf = unit_copy(buf, len);
	d->node.order = s->order++;
	pmul_heap_put(&s->flight, &d->node, at);
}

static uint64_t
occupy_air(struct sim *s, unsigned from, size_t len)
{
	const struct sim_channel *c = &s->channel;
	uint64_t *air_free_us =
	    c->full_duplex ? &s->nodes[from - 1].air_free_us : &s->air_free_us;

	s->air_pdus++;
	s->air_bytes += len + c->overhead_bytes;
	if (c->bit_rate == 0)
		return s->now_us;
	if (*air_free_us < s->now_us)
		*air_free_us = s->now_us;
	*air_free_us +=
	    (uint64_t)(len + c->overhead_bytes) * 8000000 / c->bit_rate;
	return *air_free_us;
}

static void
transmit(struct sim *s, unsigned from, const struct pmul_where *where,
    const void *buf, size_t len)
{
	uint64_t leaves = occupy_air(s, from, len);
	struct pmul_pdu pdu;

	assert_true(len <= s->cfg.pdu_max);
	assert_false(pmul_engine_emcon(s->nodes[from - 1].e));
	assert_int_equal(pmul_pdu_decode(buf, len, &pdu), PMUL_OK);
	assert_int_equal(pdu.length, len);
	if (pdu.type != PMUL_REJECT) /* the requester's */
		assert_int_equal(pdu.source, sim_id(from));
	if (s->sent != NULL)
		s->sent(s, from, &pdu, where);
	for (unsigned to = 1; to <= s->nnodes; to++) {
		if (to == from ||
		    (!where->multicast && to != sim_node(where->node)))
			continue;
		/* An Ack goes to where its transmitter was heard. */
		if (!where->multicast)
			assert_int_equal(where->to.b[0], to);
		if (s->nodes[from - 1].mute || s->nodes[to - 1].deaf ||
		    (s->reaches != NULL && !s->reaches(s, from, to, &pdu)) ||
		    chance(s, s->channel.loss_pct))
			continue;
		fly(s, from, to, buf, len, leaves);
		if (chance(s, s->channel.dup_pct))
			fly(s, from, to, buf, len, leaves);
	}
}

/* --- the nodes --------------------------------------------------------------- */

void
sim_pump(struct sim *s, unsigned node)
{
	struct sim_node *n = &s->nodes[node - 1];
	struct pmul_where where;
	struct pmul_event ev;
	uint8_t buf[PMUL_PDU_MAX];
	size_t len;

	while (pmul_engine_next_event(n->e, &ev)) {
		if (s->event != NULL)
			s->event(s, node, &ev);
		if (ev.type == PMUL_EV_RECEIVED && n->stores)
			assert_int_equal(pmul_engine_stored(n->e, sim_clock(s),
					     ev.peer, ev.id),
			    PMUL_OK);
	}
	while (pmul_engine_next_pdu(
	    n->e, sim_clock(s), &where, buf, sizeof(buf), &len))
		transmit(s, node, &where, buf, len);
	while (pmul_engine_next_event(n->e, &ev))
		if (s->event != NULL)
			s->event(s, node, &ev);
}

int
sim_input(
    struct sim *s, unsigned node, unsigned from, const void *buf, size_t len)
{
	struct pmul_addr addr = { { (uint8_t)from } };

	return pmul_engine_input(
	    s->nodes[node - 1].e, sim_clock(s), &addr, buf, len);
}

int
sim_submit(struct sim *s, unsigned from, uint32_t msid, uint8_t priority,
    int64_t lifetime_s, uint64_t to, const void *data, size_t len)
{
	struct pmul_dest dests[SIM_NODES_MAX];
	struct pmul_submit sub = {
		.msid = msid,
		.priority = priority,
		.expiry = { sim_clock(s).wall.s + lifetime_s },
		.group = s->dynamic ? 0 : 239,
		.dests = dests,
		.data = data,
		.len = len,
	};

	for (unsigned i = 1; i < SIM_NODES_MAX; i++) {
		if ((to & UINT64_C(1) << i) == 0)
			continue;
		dests[sub.ndests].id = sim_id(i);
		dests[sub.ndests++].seq = msid;
	}
	return pmul_engine_submit(s->nodes[from - 1].e, sim_clock(s), &sub);
}

int
sim_store(struct sim *s, unsigned node, unsigned from, uint32_t msid)
{
	return pmul_engine_stored(
	    s->nodes[node - 1].e, sim_clock(s), sim_id(from), msid);
}

/* --- time -------------------------------------------------------------------- */

uint64_t
sim_next(const struct sim *s)
{
	struct pmul_heap_node *n = pmul_heap_top(&s->flight);
	uint64_t next = n != NULL ? n->key : UINT64_MAX;

	for (unsigned i = 0; i < s->nnodes; i++) {
		uint64_t d = pmul_engine_deadline(s->nodes[i].e).us;

		if (d < next)
			next = d;
	}
	return next;
}

static void
arrive(struct sim *s)
{
	struct pmul_heap_node *n = pmul_heap_top(&s->flight);
	struct datagram *d = (struct datagram *)n;

	pmul_heap_remove(&s->flight, n);
	(void)sim_input(s, d->to, d->from, d->buf, d->len);
	sim_pump(s, d->to);
	free(d->buf);
	free(d);
}

bool
sim_step(struct sim *s, uint64_t until_us)
{
	uint64_t next = sim_next(s);
	struct pmul_heap_node *n;

	if (next > until_us) {
		if (until_us > s->now_us)
			s->now_us = until_us;
		return false;
	}
	if (next > s->now_us)
		s->now_us = next;
	n = pmul_heap_top(&s->flight);
	if (n != NULL && n->key <= s->now_us) {
		arrive(s);
		return true;
	}
	for (unsigned i = 0; i < s->nnodes; i++) {
		if (pmul_engine_deadline(s->nodes[i].e).us > s->now_us)
			continue;
		pmul_engine_tick(s->nodes[i].e, sim_clock(s));
		sim_pump(s, i + 1);
		/* A deadline that stays in the past would spin a daemon. */
		assert_true(pmul_engine_deadline(s->nodes[i].e).us > s->now_us);
	}
	return true;
}

void
sim_run(struct sim *s, uint64_t until_us)
{
	while (sim_step(s, until_us))
		;
}

/*
 * Random networks on dynamic groups, each from its own seed.  A PDU to a group
 * reaches only who has joined it.  Whatever the channel does, every message
 * arrives once and whole, no group is left joined or claimed at the end, and
 * then there is silence.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "pmul/test/sim.h"

#define NODES_MAX 8
#define MESSAGES_MAX 8
#define JOINED_MAX 64
#define POOL UINT32_C(0xef8e0000)
#define HOUR_US (UINT64_C(3600) * 1000000)

struct message {
	unsigned from;
	uint32_t msid;
	uint64_t to, delivered, acked, gave_up; /* nodes, as bits */
	size_t len;
	uint8_t *data;
	bool done;
};

struct run {
	struct sim sim;
	uint64_t seed;
	struct message m[MESSAGES_MAX];
	unsigned nmessages;
	unsigned wrong; /* what must not happen */
	uint32_t joined[NODES_MAX + 1][JOINED_MAX];
	struct pmul_where where; /* of the PDU sent last */
	unsigned types[64];      /* PDUs sent, by type */
};

static void
expect(const struct run *r, bool holds, const char *what)
{
	if (!holds)
		fail_msg("seed %llu: %s", (unsigned long long)r->seed, what);
	assert_true(holds);
}

#define EXPECT(run, cond) expect(run, cond, #cond)

static struct message *
find(struct run *r, uint32_t source, uint32_t msid)
{
	for (unsigned i = 0; i < r->nmessages; i++)
		if (sim_id(r->m[i].from) == source && r->m[i].msid == msid)
			return &r->m[i];
	return NULL;
}

static uint32_t *
place(struct run *r, unsigned node, uint32_t group)
{
	for (unsigned i = 0; i < JOINED_MAX; i++)
		if (r->joined[node][i] == group)
			return &r->joined[node][i];
	return NULL;
}

static void
received(struct run *r, unsigned node, const struct pmul_event *ev)
{
	struct message *m = find(r, ev->peer, ev->id);
	uint64_t bit = UINT64_C(1) << node;

	if (m == NULL || (m->to & bit) == 0 || (m->delivered & bit) != 0 ||
	    ev->len != m->len || memcmp(ev->data, m->data, m->len) != 0)
		r->wrong++;
	else
		m->delivered |= bit;
}

static void
on_event(struct sim *s, unsigned node, const struct pmul_event *ev)
{
	struct run *r = s->ctx;
	struct message *m = find(r, sim_id(node), ev->id);
	uint32_t *p;

	switch (ev->type) {
	case PMUL_EV_RECEIVED: received(r, node, ev); break;
	case PMUL_EV_LOST: break;
	case PMUL_EV_ACKED:
		m->acked |= UINT64_C(1) << sim_node(ev->peer);
		break;
	case PMUL_EV_GAVE_UP:
		m->gave_up |= UINT64_C(1) << sim_node(ev->peer);
		break;
	case PMUL_EV_DONE:
		r->wrong += m->done;
		m->done = true;
		break;
	case PMUL_EV_EMCON_LEFT: break;
	case PMUL_EV_JOIN:
		p = place(r, node, ev->group);
		if (p == NULL)
			p = place(r, node, 0);
		*p = ev->group;
		break;
	case PMUL_EV_LEAVE:
		p = place(r, node, ev->group);
		if (p != NULL)
			*p = 0;
		else
			r->wrong++;
		break;
	}
}

static void
on_sent(struct sim *s, unsigned from, const struct pmul_pdu *pdu,
    const struct pmul_where *where)
{
	struct run *r = s->ctx;
	bool in_pool = where->group >= s->cfg.pool_first &&
		       where->group <= s->cfg.pool_last;

	(void)from;
	r->where = *where;
	r->types[pdu->type]++;
	if (where->port == PMUL_DPORT)
		r->wrong += !where->multicast || !in_pool;
	else if (where->port == PMUL_RPORT)
		r->wrong += pdu->type != PMUL_ANNOUNCE || where->group != 0;
	else if (where->port == PMUL_TPORT)
		r->wrong += where->multicast == (pdu->type == PMUL_REJECT);
}

/* Only those hear a group that have joined it. */
static bool
reaches(struct sim *s, unsigned from, unsigned to, const struct pmul_pdu *pdu)
{
	struct run *r = s->ctx;

	(void)from;
	(void)pdu;
	return !r->where.multicast || r->where.group == PMUL_GROUP_ALL ||
	       place(r, to, r->where.group) != NULL;
}

static void
random_config(struct pmul_config *cfg, struct pmul_prng *p)
{
	static const uint16_t sizes[] = { 64, 256, 1400 };

	pmul_config_default(cfg);
	cfg->tx_messages_max = 16;
	cfg->rx_messages_max = 64;
	cfg->tombstones_max = 64;
	cfg->events_max = 64;
	cfg->groups_max = 32;
	cfg->undefined_expiry_us = UINT64_C(600) * 1000000;
	cfg->pdu_max = sizes[pmul_prng_below(p, 3)];
	cfg->extra_address = (enum pmul_extra)pmul_prng_below(p, 3);
	cfg->half_duplex = pmul_prng_below(p, 2) == 0;
	cfg->turnaround_us = pmul_prng_below(p, 3) * 100000;
	cfg->bit_rate = pmul_prng_below(p, 2) == 0 ? 0 : 100000;
	cfg->announce_ct = 1 + (uint32_t)pmul_prng_below(p, 3);
	cfg->pool_first = POOL;
	cfg->pool_last = POOL + (uint32_t)pmul_prng_below(p, 10);
}

static void
random_channel(struct run *r, struct pmul_prng *p)
{
	struct sim_channel *c = &r->sim.channel;

	c->loss_pct = (unsigned)pmul_prng_below(p, 41);
	c->dup_pct = (unsigned)pmul_prng_below(p, 3) * 5;
	c->reorder_pct = (unsigned)pmul_prng_below(p, 3) * 10;
	c->delay_us = pmul_prng_below(p, 300000);
	c->jitter_us = pmul_prng_below(p, 20000);
	c->reorder_us = 50000;
}

static struct run *
start(uint64_t seed, struct pmul_config *cfg, unsigned nodes)
{
	struct run *r = calloc(1, sizeof(*r));

	r->seed = seed;
	sim_init(&r->sim, seed, nodes, cfg);
	r->sim.ctx = r;
	r->sim.event = on_event;
	r->sim.sent = on_sent;
	r->sim.reaches = reaches;
	r->sim.dynamic = true;
	return r;
}

static void
finish(struct run *r)
{
	for (unsigned i = 0; i < r->nmessages; i++)
		free(r->m[i].data);
	sim_release(&r->sim);
	free(r);
}

static uint64_t
random_nodes(struct pmul_prng *p, unsigned nodes, unsigned not )
{
	uint64_t all = ((UINT64_C(1) << nodes) - 1) << 1, set;

	all &= ~(UINT64_C(1) << not );
	do
		set = pmul_prng_next(p) & all;
	while (set == 0);
	return set;
}

static void
submit(struct run *r, unsigned from, uint64_t to, size_t len, int64_t lifetime)
{
	struct message *m = &r->m[r->nmessages++];

	m->from = from;
	m->msid = 100 + r->nmessages;
	m->to = to;
	m->len = len;
	m->data = malloc(len);
	for (size_t i = 0; i < len; i++)
		m->data[i] = (uint8_t)pmul_prng_next(&r->sim.prng);
	EXPECT(r, sim_submit(&r->sim, from, m->msid,
		      (uint8_t)pmul_prng_below(&r->sim.prng, 7), lifetime, to,
		      m->data, len) == PMUL_OK);
	sim_pump(&r->sim, from);
}

/* Nothing is claimed or joined, nothing moves, and nothing will. */
static void
check_silence(struct run *r)
{
	struct sim *s = &r->sim;
	uint64_t pdus = s->air_pdus;
	struct pmul_gauges g;

	sim_run(s, s->now_us + 24 * 30 * HOUR_US);
	EXPECT(r, s->air_pdus == pdus);
	EXPECT(r, sim_next(s) == UINT64_MAX);
	for (unsigned i = 0; i < s->nnodes; i++) {
		pmul_engine_gauges(s->nodes[i].e, &g);
		EXPECT(r, g.tx_messages == 0 && g.rx_messages == 0);
		EXPECT(r, g.groups_claimed == 0);
		EXPECT(r, g.groups_joined == 0 && g.groups_others == 0);
		for (unsigned k = 0; k < JOINED_MAX; k++)
			EXPECT(r, r->joined[i + 1][k] == 0);
	}
}

static void
one_network(uint64_t seed, unsigned *ret_types)
{
	struct pmul_config cfg;
	struct pmul_prng p;
	unsigned nodes, n;
	struct run *r;

	pmul_prng_init(&p, seed ^ 0xc0de);
	random_config(&cfg, &p);
	nodes = 2 + (unsigned)pmul_prng_below(&p, 7);
	r = start(seed, &cfg, nodes);
	random_channel(r, &p);
	n = 1 + (unsigned)pmul_prng_below(&p, 6);
	for (unsigned i = 0; i < n; i++) {
		unsigned from = 1 + (unsigned)pmul_prng_below(&p, nodes);

		submit(r, from, random_nodes(&p, nodes, from),
		    1 + pmul_prng_below(&p, 20000), 7 * 86400);
		sim_run(&r->sim, r->sim.now_us + pmul_prng_below(&p, 8000000));
	}
	sim_run(&r->sim, 24 * HOUR_US);
	EXPECT(r, r->wrong == 0);
	for (unsigned i = 0; i < r->nmessages; i++) {
		EXPECT(r, r->m[i].delivered == r->m[i].to);
		EXPECT(r, r->m[i].acked == r->m[i].to);
		EXPECT(r, r->m[i].gave_up == 0 && r->m[i].done);
	}
	check_silence(r);
	for (unsigned i = 0; i < 64; i++)
		ret_types[i] += r->types[i];
	finish(r);
}

static void
test_every_message_arrives_once_and_every_group_is_given_back(void **state)
{
	size_t live = unit_alloc_live();
	unsigned types[64] = { 0 };

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		one_network(seed, types);
		assert_int_equal(unit_alloc_live(), live);
	}
	/* All of it was needed. */
	assert_true(types[PMUL_REQUEST] > 200);
	assert_true(types[PMUL_REJECT] > 10);
	assert_true(types[PMUL_ANNOUNCE] > 200);
	assert_true(types[PMUL_RELEASE] > 200);
}

/* Some are gone and lives are short. */
static void
one_expiring_network(uint64_t seed)
{
	struct pmul_config cfg;
	struct pmul_prng p;
	struct run *r;
	uint64_t dead;

	pmul_prng_init(&p, seed ^ 0xdead);
	random_config(&cfg, &p);
	r = start(seed, &cfg, 8);
	random_channel(r, &p);
	dead = random_nodes(&p, 8, 1);
	for (unsigned i = 1; i <= 8; i++)
		r->sim.nodes[i - 1].deaf = r->sim.nodes[i - 1].mute =
		    (dead & UINT64_C(1) << i) != 0;
	for (unsigned i = 0; i < 4; i++)
		submit(r, 1, random_nodes(&p, 8, 1), 1000,
		    1 + (int64_t)pmul_prng_below(&p, 100));
	sim_run(&r->sim, HOUR_US);
	EXPECT(r, r->wrong == 0);
	for (unsigned i = 0; i < r->nmessages; i++) {
		EXPECT(r, r->m[i].done);
		EXPECT(r, (r->m[i].acked | r->m[i].gave_up) == r->m[i].to);
	}
	check_silence(r);
	finish(r);
}

static void
test_messages_that_expire_give_their_groups_back(void **state)
{
	size_t live = unit_alloc_live();

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		one_expiring_network(seed);
		assert_int_equal(unit_alloc_live(), live);
	}
}

/* Each node falls silent for a while, whatever it is doing. */
static void
one_silent_network(uint64_t seed)
{
	struct pmul_config cfg;
	struct pmul_prng p;
	struct run *r;

	pmul_prng_init(&p, seed ^ 0x51);
	random_config(&cfg, &p);
	r = start(seed, &cfg, 5);
	random_channel(r, &p);
	for (unsigned i = 1; i <= 5; i++) {
		submit(r, i, random_nodes(&p, 5, i), 1 + i * 900, 7 * 86400);
		sim_emcon(&r->sim, 1 + (unsigned)pmul_prng_below(&p, 5), true);
		sim_run(&r->sim, r->sim.now_us + pmul_prng_below(&p, 20000000));
		sim_emcon(&r->sim, 1 + (unsigned)pmul_prng_below(&p, 5), false);
	}
	for (unsigned i = 1; i <= 5; i++)
		sim_emcon(&r->sim, i, false);
	sim_run(&r->sim, 24 * HOUR_US);
	EXPECT(r, r->wrong == 0);
	for (unsigned i = 0; i < r->nmessages; i++)
		EXPECT(r, r->m[i].acked == r->m[i].to && r->m[i].done);
	check_silence(r);
	finish(r);
}

static void
test_nobody_breaks_silence_and_everything_arrives_after_it(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++)
		one_silent_network(seed);
}

/* A receiver that starts anew listens to no group until it is told again. */
static void
test_a_receiver_that_starts_anew_is_told_the_group_again(void **state)
{
	struct pmul_config cfg;
	struct pmul_prng p;

	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct run *r;

		pmul_prng_init(&p, seed ^ 0xa9a1);
		random_config(&cfg, &p);
		cfg.pdu_max = 256;
		cfg.bit_rate = 100000;
		r = start(seed, &cfg, 3);
		r->sim.channel.loss_pct = 10;
		submit(r, 1, 1u << 2 | 1u << 3, 60000, 7 * 86400);
		sim_run(&r->sim, 12000000 + pmul_prng_below(&p, 3000000));
		EXPECT(r, (r->m[0].delivered & 1u << 2) == 0);
		sim_restart(&r->sim, 2);
		memset(r->joined[2], 0, sizeof(r->joined[2]));
		sim_run(&r->sim, 24 * HOUR_US);
		EXPECT(r, r->m[0].acked == r->m[0].to);
		check_silence(r);
		finish(r);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(
	    test_every_message_arrives_once_and_every_group_is_given_back),
	cmocka_unit_test(test_messages_that_expire_give_their_groups_back),
	cmocka_unit_test(
	    test_nobody_breaks_silence_and_everything_arrives_after_it),
	cmocka_unit_test(
	    test_a_receiver_that_starts_anew_is_told_the_group_again),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

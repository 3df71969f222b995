/*
 * Networks whose nodes fall silent for days, are switched off and on again, and
 * have their clocks set, while messages are under way.  Each node writes down
 * what pmul.h says it should; so whatever happens, every message is delivered
 * once, its sender hears of it, and nothing is left.
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "pmul/test/sim.h"

#define SECOND UINT64_C(1000000)
#define HOUR (3600 * SECOND)
#define MESSAGES_MAX 6
#define NODES_MAX 50

/* Written down by a receiver about one message. */
struct partial {
	struct pmul_rx_saved s;
	uint8_t *log;
	size_t len;
};

struct message {
	unsigned from;
	uint32_t msid;
	uint64_t to, delivered, acked, said; /* nodes, as bits */
	size_t len;
	uint8_t *data;
	int64_t expiry;
	bool done;
	struct pmul_tx_saved saved;
	struct partial partials[NODES_MAX + 1];
};

struct run {
	struct sim sim;
	uint64_t seed;
	struct message m[MESSAGES_MAX];
	unsigned nmessages;
	uint64_t asked; /* fragments that were listed as missing */
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
	EXPECT(r, !"such a message");
	return NULL;
}

static void
on_event(struct sim *s, unsigned node, const struct pmul_event *ev)
{
	struct run *r = s->ctx;
	bool incoming = ev->type == PMUL_EV_RECEIVED;
	struct message *m = find(r, incoming ? ev->peer : sim_id(node), ev->id);
	uint64_t bit = UINT64_C(1) << (incoming ? node : sim_node(ev->peer));

	if (incoming) {
		EXPECT(r, (m->to & bit) != 0);
		EXPECT(r, (m->delivered & bit) == 0);
		EXPECT(r, ev->len == m->len &&
			      memcmp(ev->data, m->data, m->len) == 0);
		EXPECT(r, ev->from.b[0] == m->from);
		m->delivered |= bit;
	} else if (ev->type == PMUL_EV_ACKED) {
		EXPECT(r, (m->delivered & m->said & bit) != 0);
		m->acked |= bit;
	} else {
		EXPECT(r, ev->type == PMUL_EV_DONE && !m->done);
		m->done = true;
	}
}

static void
on_sent(struct sim *s, unsigned from, const struct pmul_pdu *pdu,
    const struct pmul_where *where)
{
	struct run *r = s->ctx;
	struct pmul_ack_entry entry;
	uint16_t first, last;
	size_t pos = 0;

	(void)where;
	if (pdu->type != PMUL_ACK)
		return;
	while (pmul_pdu_next_ack(pdu, &pos, &entry)) {
		struct message *m = find(r, entry.source, entry.msid);
		size_t at = 0;

		if (entry.nmissing == 0)
			m->said |= UINT64_C(1) << from;
		while (pmul_ack_next_range(&entry, &at, &first, &last))
			r->asked += (uint64_t)last - first + 1;
	}
}

/* --- what a node writes down ------------------------------------------------- */

static void
keep(struct run *r, unsigned node)
{
	struct pmul_engine *e = r->sim.nodes[node - 1].e;
	struct pmul_tx_saved tx;
	struct pmul_rx_saved rx;

	while (pmul_engine_next_tx_saved(e, &tx))
		find(r, sim_id(node), tx.msid)->saved = tx;
	while (pmul_engine_next_rx_saved(e, &rx)) {
		struct partial *p = &find(r, rx.source, rx.id)->partials[node];

		p->log = realloc(p->log, p->len + rx.len + 1);
		if (rx.len > 0)
			memcpy(p->log + p->len, rx.records, rx.len);
		p->len += rx.len;
		p->s = rx;
	}
}

static void
resubmit(struct run *r, const struct message *m)
{
	struct pmul_dest dests[SIM_NODES_MAX];
	struct pmul_submit s = {
		.msid = m->msid,
		.priority = 3,
		.expiry = { m->expiry },
		.group = 239,
		.dests = dests,
		.data = m->data,
		.len = m->len,
		.rounds = m->saved.rounds,
	};

	for (unsigned i = 1; i <= r->sim.nnodes; i++)
		if ((m->to & ~m->acked & UINT64_C(1) << i) != 0)
			dests[s.ndests++] = (struct pmul_dest){ sim_id(i), 1 };
	if (!m->done && s.ndests > 0)
		EXPECT(r, pmul_engine_submit(r->sim.nodes[m->from - 1].e,
			      sim_clock(&r->sim), &s) == PMUL_OK);
}

static void
remember(struct run *r, const struct message *m, unsigned node)
{
	const struct partial *p = &m->partials[node];
	struct pmul_engine *e = r->sim.nodes[node - 1].e;
	struct pmul_rx_saved s = p->s;
	uint64_t bit = UINT64_C(1) << node;
	struct pmul_tombstone t = {
		.source = sim_id(m->from),
		.id = m->msid,
		.priority = 3,
		.expiry = { m->expiry },
		.from = { { (uint8_t)m->from } },
		.owed = (m->said & bit) == 0,
	};

	if ((m->delivered & bit) != 0) {
		EXPECT(r, pmul_engine_restore_tombstone(
			      e, sim_clock(&r->sim), &t) == PMUL_OK);
		return;
	}
	s.records = p->log;
	s.len = p->len;
	if (p->log != NULL)
		EXPECT(r, pmul_engine_restore_rx(e, sim_clock(&r->sim), &s) ==
			      PMUL_OK);
}

static void
restart(struct run *r, unsigned node)
{
	bool silent = pmul_engine_emcon(r->sim.nodes[node - 1].e);

	sim_restart(&r->sim, node);
	pmul_engine_set_emcon(
	    r->sim.nodes[node - 1].e, sim_clock(&r->sim), true);
	for (unsigned i = 0; i < r->nmessages; i++) {
		remember(r, &r->m[i], node);
		if (r->m[i].from == node) {
			resubmit(r, &r->m[i]);
			r->m[i].done |= r->m[i].acked == r->m[i].to;
		}
	}
	sim_emcon(&r->sim, node, silent);
}

/* --- networks ------------------------------------------------------------------ */

static void
start(
    struct run *r, uint64_t seed, unsigned nodes, const struct pmul_config *cfg)
{
	memset(r, 0, sizeof(*r));
	r->seed = seed;
	sim_init(&r->sim, seed, nodes, cfg);
	r->sim.ctx = r;
	r->sim.event = on_event;
	r->sim.sent = on_sent;
}

static void
finish(struct run *r)
{
	for (unsigned i = 0; i < r->nmessages; i++) {
		for (unsigned k = 0; k <= NODES_MAX; k++)
			free(r->m[i].partials[k].log);
		free(r->m[i].data);
	}
	sim_release(&r->sim);
	free(r);
}

static struct message *
submit(struct run *r, unsigned from, uint64_t to, size_t len)
{
	struct message *m = &r->m[r->nmessages++];

	m->from = from;
	m->msid = r->nmessages;
	m->to = to;
	m->len = len;
	m->data = malloc(len);
	m->expiry = sim_clock(&r->sim).wall.s + 60 * 86400;
	for (size_t i = 0; i < len; i++)
		m->data[i] = (uint8_t)pmul_prng_next(&r->sim.prng);
	resubmit(r, m);
	sim_pump(&r->sim, from);
	return m;
}

static void
config(struct pmul_config *cfg)
{
	pmul_config_default(cfg);
	cfg->pdu_max = 512;
	cfg->bit_rate = 9600;
	cfg->ack_delay_us = 60 * SECOND;
	cfg->ack_retx_us = 600 * SECOND;
	cfg->ack_pdu_us = 1200 * SECOND;
	cfg->tx_messages_max = 8;
	cfg->rx_messages_max = 16;
	cfg->held_messages_max = 8;
	cfg->tombstones_max = 64;
	cfg->events_max = 16;
}

static void
check_over(struct run *r)
{
	struct sim *s = &r->sim;
	struct pmul_gauges g;
	uint64_t pdus;

	for (unsigned i = 0; i < r->nmessages; i++) {
		EXPECT(r, r->m[i].delivered == r->m[i].to);
		EXPECT(r, r->m[i].acked == r->m[i].to);
		EXPECT(r, r->m[i].done);
	}
	pdus = s->air_pdus;
	sim_run(s, s->now_us + 90 * 24 * HOUR);
	EXPECT(r, s->air_pdus == pdus);
	EXPECT(r, sim_next(s) == UINT64_MAX);
	for (unsigned i = 0; i < s->nnodes; i++) {
		pmul_engine_gauges(s->nodes[i].e, &g);
		EXPECT(r, g.tx_messages == 0 && g.rx_messages == 0);
		EXPECT(r, g.rx_bytes == 0 && g.tombstones == 0);
	}
}

/* Something happens to a node, or to all clocks. */
static void
disturb(struct run *r)
{
	struct pmul_prng *p = &r->sim.prng;
	unsigned node = 1 + (unsigned)pmul_prng_below(p, r->sim.nnodes);

	switch (pmul_prng_below(p, 8)) {
	case 0:
	case 1: restart(r, node); break;
	case 2:
		r->sim.wall_step += (int64_t)pmul_prng_below(p, 12 * 3600);
		break;
	case 3:
		r->sim.wall_step -= (int64_t)pmul_prng_below(p, 12 * 3600);
		break;
	case 4: sim_emcon(&r->sim, node, false); break;
	default: sim_emcon(&r->sim, node, true); break;
	}
}

static void
one_network(uint64_t seed)
{
	struct run *r = malloc(sizeof(*r));
	struct pmul_prng *p = &r->sim.prng;
	struct pmul_config cfg;
	unsigned nodes;

	config(&cfg);
	cfg.extra_address = seed % 2 == 0;
	cfg.polls = seed % 3;
	cfg.timestamp = cfg.ranges = seed % 4 < 2;
	nodes = seed % 10 == 0 ? NODES_MAX : 2 + (unsigned)(seed % 9);
	start(r, seed, nodes, &cfg);
	r->sim.channel.loss_pct = (unsigned)pmul_prng_below(p, 31);
	r->sim.channel.dup_pct = (unsigned)pmul_prng_below(p, 6);
	r->sim.channel.reorder_pct = 10;
	r->sim.channel.reorder_us = SECOND;
	r->sim.channel.jitter_us = SECOND / 5;
	for (unsigned i = 0; i < 3; i++) {
		unsigned from = 1 + (unsigned)pmul_prng_below(p, nodes);
		uint64_t to = (UINT64_C(2) << nodes) - 2;

		submit(r, from, to & ~(UINT64_C(1) << from),
		    1 + pmul_prng_below(p, 8000));
	}
	for (int i = 0; i < 20; i++) {
		uint64_t us = 1 + pmul_prng_below(p, 12 * HOUR);

		/* Early on, while something is on the air. */
		sim_run(&r->sim, r->sim.now_us + (i < 8 ? us >> 12 : us));
		/* Some come to it too late. */
		for (unsigned n = 1; n <= nodes; n++)
			if (pmul_prng_below(p, 4) > 0)
				keep(r, n);
		disturb(r);
	}
	for (unsigned n = 1; n <= nodes; n++)
		sim_emcon(&r->sim, n, false);
	sim_run(&r->sim, r->sim.now_us + 20 * 24 * HOUR);
	check_over(r);
	finish(r);
}

static void
test_silence_restarts_and_clock_steps_lose_and_double_nothing(void **state)
{
	size_t live = unit_alloc_live();

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		one_network(seed);
		assert_int_equal(unit_alloc_live(), live);
	}
}

static void
test_receiver_killed_at_90_percent_asks_for_15_at_most(void **state)
{
	struct run *r = malloc(sizeof(*r));
	struct pmul_rx_progress p = { .total = 0 };
	struct pmul_config cfg;
	struct message *m;

	(void)state;
	config(&cfg);
	cfg.extra_address = true;
	start(r, 1, 2, &cfg);
	m = submit(r, 1, 1u << 2, 100 * 1024);
	while (p.total == 0 || p.have * 10 < p.total * 9) {
		keep(r, 2);
		sim_run(&r->sim, r->sim.now_us + SECOND);
		(void)pmul_engine_rx_progress(r->sim.nodes[1].e, &p, 1);
	}
	EXPECT(r, r->asked == 0 && m->delivered == 0);
	restart(r, 2);
	sim_run(&r->sim, r->sim.now_us + 24 * HOUR);
	EXPECT(r, r->asked > 0);
	EXPECT(r, r->asked * 100 <= p.total * UINT64_C(15));
	check_over(r);
	finish(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(
	    test_receiver_killed_at_90_percent_asks_for_15_at_most),
	cmocka_unit_test(
	    test_silence_restarts_and_clock_steps_lose_and_double_nothing),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

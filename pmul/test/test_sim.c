/*
 * Hundreds of random networks, each from its own seed.  Whatever the channel
 * does, every message arrives once and whole where it should and nowhere else,
 * the sender is told, and then there is silence.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/test/sim.h"

#define MESSAGES_MAX 12

struct message {
	unsigned from;
	uint32_t msid;
	uint64_t to;
	size_t len;
	uint8_t *data;
	uint64_t delivered, acked, gave_up, lost; /* nodes, as bits */
	bool done;
};

struct run {
	struct sim sim;
	uint64_t seed;
	struct message m[MESSAGES_MAX];
	unsigned nmessages;
	unsigned wrong;      /* anything that must not happen */
	uint64_t silent;     /* nodes in EMCON, as bits */
	uint64_t after_done; /* address and data PDUs of finished messages */
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
reported(struct run *r, unsigned node, const struct pmul_event *ev)
{
	struct message *m = find(r, sim_id(node), ev->id);
	uint64_t bit = UINT64_C(1) << sim_node(ev->peer);
	uint64_t *set;

	if (m == NULL || m->done) {
		r->wrong++;
		return;
	}
	if (ev->type == PMUL_EV_DONE) {
		m->done = true;
		return;
	}
	set = ev->type == PMUL_EV_ACKED ? &m->acked : &m->gave_up;
	if ((m->to & bit) == 0 || ((m->acked | m->gave_up) & bit) != 0)
		r->wrong++;
	/* Nobody acknowledges what has not been stored. */
	if (ev->type == PMUL_EV_ACKED && (m->delivered & bit) == 0)
		r->wrong++;
	*set |= bit;
}

static void
on_event(struct sim *s, unsigned node, const struct pmul_event *ev)
{
	struct run *r = s->ctx;
	struct message *m;

	switch (ev->type) {
	case PMUL_EV_RECEIVED: received(r, node, ev); break;
	case PMUL_EV_LOST:
		m = find(r, ev->peer, ev->id);
		if (m == NULL || (m->delivered & UINT64_C(1) << node) != 0)
			r->wrong++;
		else
			m->lost |= UINT64_C(1) << node;
		break;
	case PMUL_EV_ACKED:
	case PMUL_EV_GAVE_UP:
	case PMUL_EV_DONE: reported(r, node, ev); break;
	/* Perhaps silent again by now: the Ack was on its way. */
	case PMUL_EV_EMCON_LEFT: break;
	case PMUL_EV_JOIN:
	case PMUL_EV_LEAVE: r->wrong++; break;
	}
}

static void
on_sent(struct sim *s, unsigned from, const struct pmul_pdu *pdu,
    const struct pmul_where *where)
{
	struct run *r = s->ctx;
	struct message *m;

	if ((r->silent & UINT64_C(1) << from) != 0)
		r->wrong++;
	if (pdu->type == PMUL_ACK) {
		if (where->multicast || where->port != PMUL_APORT)
			r->wrong++;
		return;
	}
	if (!where->multicast || where->port != PMUL_DPORT ||
	    where->group != 239)
		r->wrong++;
	m = find(r, pdu->source, pdu->msid);
	if (m == NULL)
		r->wrong++;
	else if (m->done && pdu->type != PMUL_DISCARD &&
		 (pdu->type != PMUL_ADDRESS || pdu->count != 0))
		r->after_done++;
}

static void
config(struct pmul_config *cfg)
{
	pmul_config_default(cfg);
	cfg->tx_messages_max = 32;
	cfg->rx_messages_max = 128;
	cfg->tombstones_max = 256;
	cfg->events_max = 64;
}

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
	for (unsigned i = 0; i < r->nmessages; i++)
		free(r->m[i].data);
	sim_release(&r->sim);
}

static struct message *
add(struct run *r, unsigned from, uint64_t to, size_t len)
{
	struct message *m = &r->m[r->nmessages++];

	m->from = from;
	m->msid = 100 + r->nmessages;
	m->to = to;
	m->len = len;
	m->data = malloc(len);
	for (size_t i = 0; i < len; i++)
		m->data[i] = (uint8_t)pmul_prng_next(&r->sim.prng);
	return m;
}

static void
submit(struct run *r, const struct message *m, int64_t lifetime_s)
{
	EXPECT(r, sim_submit(&r->sim, m->from, m->msid,
		      (uint8_t)pmul_prng_below(&r->sim.prng, 7), lifetime_s,
		      m->to, m->data, m->len) == PMUL_OK);
	sim_pump(&r->sim, m->from);
}

/* Nothing is left but tombstones, and in the end not even those. */
static void
check_silence(struct run *r)
{
	struct sim *s = &r->sim;
	uint64_t pdus = s->air_pdus;
	struct pmul_gauges g;

	for (unsigned i = 0; i < s->nnodes; i++) {
		pmul_engine_gauges(s->nodes[i].e, &g);
		EXPECT(r, g.tx_messages == 0 && g.tx_bytes == 0);
		EXPECT(r, g.rx_messages == 0 && g.rx_bytes == 0);
		EXPECT(r, g.held_messages == 0);
	}
	sim_run(s, s->now_us + UINT64_C(1000000) * 3600 * 24 * 30);
	EXPECT(r, s->air_pdus == pdus);
	EXPECT(r, sim_next(s) == UINT64_MAX);
	for (unsigned i = 0; i < s->nnodes; i++) {
		pmul_engine_gauges(s->nodes[i].e, &g);
		EXPECT(r, g.tombstones == 0);
	}
}

static void
check_all_delivered(struct run *r)
{
	EXPECT(r, r->wrong == 0);
	EXPECT(r, r->after_done == 0);
	for (unsigned i = 0; i < r->nmessages; i++) {
		EXPECT(r, r->m[i].delivered == r->m[i].to);
		EXPECT(r, r->m[i].acked == r->m[i].to);
		EXPECT(r, r->m[i].gave_up == 0);
		EXPECT(r, r->m[i].lost == 0);
		EXPECT(r, r->m[i].done);
	}
}

static size_t
random_length(struct pmul_prng *p)
{
	/* As many small as large ones. */
	unsigned bits = (unsigned)pmul_prng_below(p, 18);

	return 1 + pmul_prng_below(p, UINT64_C(1) << bits);
}

static uint64_t
random_nodes(struct pmul_prng *p, unsigned nodes, unsigned not )
{
	uint64_t all = ((UINT64_C(1) << nodes) - 1) << 1;
	uint64_t set;

	all &= ~(UINT64_C(1) << not );
	do
		set = pmul_prng_next(p) & all;
	while (set == 0);
	return set;
}

static void
random_channel(struct run *r)
{
	struct pmul_prng *p = &r->sim.prng;
	struct sim_channel *c = &r->sim.channel;

	c->loss_pct = (unsigned)pmul_prng_below(p, 41);
	c->dup_pct = (unsigned)pmul_prng_below(p, 3) * 5;
	c->reorder_pct = (unsigned)pmul_prng_below(p, 3) * 10;
	c->delay_us = pmul_prng_below(p, 300000);
	c->jitter_us = pmul_prng_below(p, 20000);
	c->reorder_us = 50000;
	if (pmul_prng_below(p, 2) == 0) {
		c->bit_rate = 1000000;
		c->overhead_bytes = 28;
	}
}

static void
random_config(struct pmul_config *cfg, uint64_t seed)
{
	static const uint16_t sizes[] = { 64, 256, 512, 1400, 1400, 3840 };
	struct pmul_prng p;

	config(cfg);
	pmul_prng_init(&p, seed ^ 0x5eed);
	cfg->pdu_max = sizes[pmul_prng_below(&p, 6)];
	cfg->bit_rate = pmul_prng_below(&p, 2) == 0 ? 0 : 1000000;
	cfg->mm = (uint16_t)(1 + pmul_prng_below(&p, 200));
	cfg->ranges = pmul_prng_below(&p, 2) == 0;
	cfg->ack_delay_us = pmul_prng_below(&p, 3) * 200000;
	cfg->backoff_pct = 100 + 25 * (uint32_t)pmul_prng_below(&p, 5);
	cfg->ack_pdu_repeats = (uint32_t)pmul_prng_below(&p, 4);
	cfg->extra_address = (enum pmul_extra)pmul_prng_below(&p, 3);
	cfg->polls = (uint32_t)pmul_prng_below(&p, 4);
	cfg->half_duplex = pmul_prng_below(&p, 2) == 0;
	cfg->turnaround_us = pmul_prng_below(&p, 3) * 100000;
	cfg->ack_retx_min_us = pmul_prng_below(&p, 2) * 100000;
}

static void
one_network(uint64_t seed)
{
	struct pmul_config cfg;
	struct run *r = malloc(sizeof(*r));
	struct pmul_prng *p = &r->sim.prng;
	unsigned nodes, messages;

	random_config(&cfg, seed);
	pmul_prng_init(p, seed ^ 0xc0de);
	nodes = 2 + (unsigned)pmul_prng_below(p, 19);
	start(r, seed, nodes, &cfg);
	random_channel(r);
	messages = 1 + (unsigned)pmul_prng_below(p, 5);
	for (unsigned i = 0; i < messages; i++) {
		unsigned from = 1 + (unsigned)pmul_prng_below(p, nodes);
		size_t len = random_length(p);
		struct message *m;

		/* Tiny PDUs and few numbers in an Ack make many rounds. */
		if (len > 300u * cfg.pdu_max)
			len = 300u * cfg.pdu_max;
		m = add(r, from, random_nodes(p, nodes, from), len);
		submit(r, m, 7 * 86400);
		sim_run(&r->sim, r->sim.now_us + pmul_prng_below(p, 2000000));
	}
	/* A day, with some slack for what nobody should need. */
	sim_run(&r->sim, UINT64_C(1000000) * 86400);
	check_all_delivered(r);
	check_silence(r);
	finish(r);
	free(r);
}

/*
 * Some nodes are gone and lives are short: each destination is either
 * acknowledged or given up, the messages are discarded, and all falls silent.
 */
static void
one_expiring_network(uint64_t seed)
{
	struct pmul_config cfg;
	struct run *r = malloc(sizeof(*r));
	struct pmul_prng *p = &r->sim.prng;
	uint64_t dead;

	random_config(&cfg, seed);
	start(r, seed, 8, &cfg);
	random_channel(r);
	dead = random_nodes(p, 8, 1);
	for (unsigned i = 1; i <= 8; i++)
		if ((dead & UINT64_C(1) << i) != 0)
			r->sim.nodes[i - 1].deaf = r->sim.nodes[i - 1].mute =
			    true;
	for (unsigned i = 0; i < 3; i++)
		submit(r, add(r, 1, random_nodes(p, 8, 1), 1000),
		    1 + (int64_t)pmul_prng_below(p, 100));
	sim_run(&r->sim, UINT64_C(1000000) * 3600);
	EXPECT(r, r->wrong == 0);
	EXPECT(r, r->after_done == 0);
	for (unsigned i = 0; i < r->nmessages; i++) {
		const struct message *m = &r->m[i];

		EXPECT(r, m->done);
		EXPECT(r, (m->acked | m->gave_up) == m->to);
		EXPECT(r, (m->to & dead & ~m->gave_up) == 0);
		EXPECT(r, (m->lost & ~m->gave_up) == 0);
	}
	check_silence(r);
	finish(r);
	free(r);
}

static void
set_silence(struct run *r, uint64_t nodes, bool flagged)
{
	struct sim *s = &r->sim;

	for (unsigned i = 1; i <= s->nnodes; i++) {
		bool on = (nodes & UINT64_C(1) << i) != 0;

		if (((r->silent ^ nodes) & UINT64_C(1) << i) == 0)
			continue;
		pmul_engine_set_emcon(s->nodes[i - 1].e, sim_clock(s), on);
		for (unsigned k = 1; flagged && k <= s->nnodes; k++) {
			struct pmul_node n = { .id = sim_id(i), .emcon = on };

			if (k != i)
				EXPECT(
				    r, pmul_engine_set_node(s->nodes[k - 1].e,
					   sim_clock(s), &n) == PMUL_OK);
		}
	}
	r->silent = nodes;
	for (unsigned i = 1; i <= s->nnodes; i++)
		sim_pump(s, i);
}

/*
 * Nodes fall silent and speak again, transmitters among them, known to the
 * others or not, in the middle of messages.  Once all may speak for good,
 * everything arrives and is acknowledged.
 */
static void
one_silent_network(uint64_t seed)
{
	struct pmul_config cfg;
	struct run *r = malloc(sizeof(*r));
	struct pmul_prng *p = &r->sim.prng;
	bool known = seed % 3 != 0;

	random_config(&cfg, seed);
	cfg.emcon_rtc = seed % 4;
	cfg.emcon_rti_us = 5000000;
	start(r, seed, 8, &cfg);
	random_channel(r);
	for (unsigned i = 0; i < 6; i++) {
		unsigned from = 1 + (unsigned)pmul_prng_below(p, 8);

		if (pmul_prng_below(p, 2) == 0)
			set_silence(r, random_nodes(p, 8, 1), known);
		submit(r, add(r, from, random_nodes(p, 8, from), 1 + i * 700),
		    7 * 86400);
		sim_run(&r->sim, r->sim.now_us + pmul_prng_below(p, 20000000));
	}
	set_silence(r, 0, known);
	sim_run(&r->sim, UINT64_C(1000000) * 86400);
	check_all_delivered(r);
	check_silence(r);
	finish(r);
	free(r);
}

static void
test_nobody_breaks_silence_and_everything_arrives_after_it(void **state)
{
	size_t live = unit_alloc_live();

	(void)state;
	for (uint64_t seed = 1; seed <= 150; seed++) {
		one_silent_network(seed);
		assert_int_equal(unit_alloc_live(), live);
	}
}

static void
test_every_destination_is_acknowledged_or_given_up(void **state)
{
	size_t live = unit_alloc_live();

	(void)state;
	for (uint64_t seed = 1; seed <= 100; seed++) {
		one_expiring_network(seed);
		assert_int_equal(unit_alloc_live(), live);
	}
}

static void
test_every_message_arrives_once_and_whole(void **state)
{
	size_t live = unit_alloc_live();

	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		one_network(seed);
		assert_int_equal(unit_alloc_live(), live);
	}
}

static void
test_a_message_of_65535_fragments_arrives(void **state)
{
	struct pmul_config cfg;
	struct run *r = malloc(sizeof(*r));
	struct message *m;

	(void)state;
	config(&cfg);
	cfg.pdu_max = 64;
	cfg.bit_rate = 100000000;
	start(r, 65535, 3, &cfg);
	r->sim.channel.loss_pct = 1;
	m = add(r, 1, 1u << 2 | 1u << 3, 65535u * 48);
	submit(r, m, 7 * 86400);
	sim_run(&r->sim, UINT64_C(1000000) * 86400);
	check_all_delivered(r);
	check_silence(r);
	finish(r);
	free(r);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_every_message_arrives_once_and_whole),
	cmocka_unit_test(test_every_destination_is_acknowledged_or_given_up),
	cmocka_unit_test(
	    test_nobody_breaks_silence_and_everything_arrives_after_it),
	cmocka_unit_test(test_a_message_of_65535_fragments_arrives),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

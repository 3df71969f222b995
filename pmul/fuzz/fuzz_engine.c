/*
 * A script of octets drives two engines against each other and against raw
 * input: they submit to one another, PDUs are delivered, lost, doubled and
 * garbled, time passes and jumps, messages are stored late.  Whatever it says,
 * nothing may be delivered twice, changed, or to the wrong node; limits hold;
 * and an engine that asks to be called has something to do.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/pdu.h"
#include "pmul/pmul.h"

int LLVMFuzzerTestOneInput(const uint8_t *script, size_t len);

#define NODES 2
#define MESSAGES 16
#define QUEUE 8
#define GROUPS_MAX 3
#define STATIC_GROUP 0xef000001

struct sent {
	bool used;
	size_t len;
	bool delivered;
	unsigned final; /* ACKED and GAVE_UP */
	bool cancelled, done;
};

struct node {
	struct pmul_engine *e;
	struct sent sent[MESSAGES]; /* msid is the index, plus 1 */
	uint32_t unstored[MESSAGES];
	size_t nunstored;
	uint32_t joined[GROUPS_MAX]; /* dynamic groups; 0: none */
	bool flagged;                /* it takes the other to be in EMCON */
	/* PDUs on their way to this node. */
	uint8_t pdus[QUEUE][128];
	size_t lens[QUEUE];
	size_t npdus;
};

struct world {
	const uint8_t *p, *end;
	struct pmul_config cfg;
	struct pmul_clock now;
	struct node nodes[NODES];
};

static unsigned
next(struct world *w)
{
	return w->p < w->end ? *w->p++ : 0;
}

static uint32_t
id_of(unsigned node)
{
	return 0x0a000001 + node;
}

/* The octets of message msid from a node: known to both ends. */
static uint8_t
octet(unsigned from, uint32_t msid, size_t i)
{
	return (uint8_t)(from * 101 + msid * 31 + i * 7);
}

/* --- what the engines say ------------------------------------------------------ */

static void
on_received(struct world *w, unsigned to, const struct pmul_event *ev)
{
	struct node *n = &w->nodes[to];
	unsigned from = 1 - to;
	struct sent *m;

	/* Raw input may invent messages of anybody, ours included. */
	if (ev->peer != id_of(from) || ev->id > MESSAGES)
		(void)pmul_engine_stored(n->e, w->now, ev->peer, ev->id);
	if (ev->peer != id_of(from) || ev->id == 0 || ev->id > MESSAGES)
		return;
	m = &w->nodes[from].sent[ev->id - 1];
	assert(m->used && !m->delivered && ev->len == m->len);
	for (size_t i = 0; i < ev->len; i++)
		assert(ev->data[i] == octet(from, ev->id, i));
	m->delivered = true;
	assert(n->nunstored < MESSAGES);
	n->unstored[n->nunstored++] = ev->id;
}

static void
on_outgoing(struct world *w, unsigned from, const struct pmul_event *ev)
{
	struct sent *m;

	assert(ev->id >= 1 && ev->id <= MESSAGES);
	m = &w->nodes[from].sent[ev->id - 1];
	assert(m->used && !m->cancelled && !m->done);
	if (ev->type == PMUL_EV_DONE) {
		assert(m->final == 1);
		m->done = true;
		return;
	}
	assert(ev->peer == id_of(1 - from) && m->final == 0);
	m->final = 1;
}

/* Only who was flagged can lose the flag, and once. */
static void
on_spoke(struct world *w, unsigned i, const struct pmul_event *ev)
{
	assert(ev->peer == id_of(1 - i) && w->nodes[i].flagged);
	assert(!pmul_engine_node(w->nodes[i].e, ev->peer).emcon);
	w->nodes[i].flagged = false;
}

/* Never more groups than may be; JOIN may come again, LEAVE may not. */
static void
on_group(struct node *n, const struct pmul_event *ev)
{
	uint32_t *place = NULL;

	assert(ev->group != 0);
	for (unsigned i = 0; i < GROUPS_MAX; i++)
		if (n->joined[i] == ev->group)
			place = &n->joined[i];
	for (unsigned i = 0; i < GROUPS_MAX && place == NULL; i++)
		if (ev->type == PMUL_EV_JOIN && n->joined[i] == 0)
			place = &n->joined[i];
	assert(place != NULL);
	*place = ev->type == PMUL_EV_JOIN ? ev->group : 0;
}

static void
events(struct world *w, unsigned i)
{
	struct pmul_event ev;

	while (pmul_engine_next_event(w->nodes[i].e, &ev)) {
		if (ev.type == PMUL_EV_RECEIVED)
			on_received(w, i, &ev);
		else if (ev.type == PMUL_EV_EMCON_LEFT)
			on_spoke(w, i, &ev);
		else if (ev.type == PMUL_EV_JOIN || ev.type == PMUL_EV_LEAVE)
			on_group(&w->nodes[i], &ev);
		else if (ev.type != PMUL_EV_LOST)
			on_outgoing(w, i, &ev);
	}
}

static void
check(struct world *w, unsigned i)
{
	const struct pmul_config *c = &w->cfg;
	struct pmul_gauges g;

	pmul_engine_gauges(w->nodes[i].e, &g);
	assert(g.tx_messages <= c->tx_messages_max);
	assert(g.tx_bytes <= c->tx_bytes_max);
	assert(g.rx_messages <= c->rx_messages_max);
	assert(g.rx_bytes <= c->rx_bytes_max);
	assert(g.held_messages <= c->held_messages_max);
	assert(g.held_messages <= g.rx_messages);
	assert(g.tombstones <= 2 * c->tombstones_max);
	assert(g.groups_claimed <= 2 * c->tx_messages_max);
	assert(g.groups_joined <= GROUPS_MAX && g.groups_others <= GROUPS_MAX);
}

/* Take PDUs until there are none; keep them for the other as it has room. */
static void
pump(struct world *w, unsigned i)
{
	struct node *other = &w->nodes[1 - i];
	struct pmul_where where;
	struct pmul_pdu pdu;
	uint8_t buf[PMUL_PDU_MAX];
	size_t len;

	while (pmul_engine_next_pdu(
	    w->nodes[i].e, w->now, &where, buf, sizeof(buf), &len)) {
		assert(len <= w->cfg.pdu_max);
		assert(pmul_pdu_decode(buf, len, &pdu) == PMUL_OK);
		assert(pdu.source == id_of(i) || pdu.type == PMUL_REJECT);
		assert(where.multicast ==
		       (pdu.type != PMUL_ACK && pdu.type != PMUL_REJECT));
		if (other->npdus < QUEUE) {
			memcpy(other->pdus[other->npdus], buf, len);
			other->lens[other->npdus++] = len;
		}
	}
	events(w, i);
	/* Ticked and drained: what remains to be done is later. */
	assert(pmul_engine_deadline(w->nodes[i].e).us > w->now.mono.us);
	check(w, i);
}

/* --- what the script says ------------------------------------------------------ */

static void
give(struct world *w, unsigned i, const void *data, size_t len)
{
	struct pmul_addr from = { { (uint8_t)(2 - i) } };
	struct pmul_mono before = pmul_engine_deadline(w->nodes[i].e);
	uint8_t *copy = malloc(len > 0 ? len : 1);
	int rc;

	if (copy == NULL)
		abort();
	if (len > 0)
		memcpy(copy, data, len);
	rc = pmul_engine_input(w->nodes[i].e, w->now, &from, copy, len);
	free(copy);
	/* A message for FEC is remembered, as not for us. */
	if (rc != PMUL_OK && rc != PMUL_EUNSUPPORTED)
		assert(pmul_engine_deadline(w->nodes[i].e).us == before.us);
	events(w, i);
	check(w, i);
}

static void
submit(struct world *w, unsigned i)
{
	uint32_t msid = next(w) % MESSAGES + 1;
	struct sent *m = &w->nodes[i].sent[msid - 1];
	uint8_t data[400];
	/* A Message_ID is never used again. */
	bool used = m->used;
	unsigned how = next(w);
	struct pmul_dest d = { id_of(1 - i), msid };
	struct pmul_submit s = {
		.msid = msid,
		.priority = (uint8_t)(how % 4),
		.group = how & 4 ? 0 : STATIC_GROUP,
		.expiry = { w->now.wall.s + 1 + (int64_t)next(w) * 4 },
		.dests = &d,
		.ndests = 1,
		.data = data,
		.len = 1 + next(w) * 399 / 255,
	};

	if (used)
		return;
	for (size_t k = 0; k < s.len; k++)
		data[k] = octet(i, msid, k);
	if (pmul_engine_submit(w->nodes[i].e, w->now, &s) == PMUL_OK) {
		m->used = true;
		m->len = s.len;
	}
}

static void
cancel(struct world *w, unsigned i)
{
	uint32_t msid = next(w) % MESSAGES + 1;

	if (pmul_engine_cancel(w->nodes[i].e, w->now, msid) == PMUL_OK)
		w->nodes[i].sent[msid - 1].cancelled = true;
}

/* Management: node i hears that the other is silent, or falls silent itself. */
static void
silence(struct world *w, unsigned i)
{
	unsigned how = next(w);
	struct pmul_node n = {
		.id = id_of(1 - i),
		.emcon = how & 1,
		.ntnu = how & 2,
	};

	events(w, i);
	if (how & 4)
		pmul_engine_set_emcon(w->nodes[i].e, w->now, how & 1);
	else if (pmul_engine_set_node(w->nodes[i].e, w->now, &n) == PMUL_OK)
		w->nodes[i].flagged = n.emcon;
}

/* What has been handed out is about a message that goes on. */
static void
save(struct world *w, unsigned i)
{
	struct pmul_tx_saved s;
	struct pmul_rx_saved r;

	while (pmul_engine_next_rx_saved(w->nodes[i].e, &r))
		assert(r.total <= w->cfg.message_max && r.len <= 2000);
	while (pmul_engine_next_tx_saved(w->nodes[i].e, &s)) {
		const struct sent *m = &w->nodes[i].sent[s.msid - 1];

		assert(m->used && !m->cancelled && !m->done);
		assert(s.rounds > s.emcon_rounds);
	}
}

/*
 * Records of the script's own, about a message of somebody who is none of the
 * two; refused, they leave everything as it was.
 */
static void
restore(struct world *w, unsigned i)
{
	struct pmul_rx_saved s = {
		.source = 0x0b000000 + next(w) % 4,
		.id = next(w) % 4,
		.total = next(w) % 8,
		.expiry = { w->now.wall.s + (int64_t)next(w) - 70 },
	};
	size_t left, len = next(w) % 96;
	struct pmul_gauges before, after;
	uint8_t *copy;

	left = (size_t)(w->end - w->p);
	s.len = len < left ? len : left;
	copy = malloc(s.len > 0 ? s.len : 1);
	if (copy == NULL)
		abort();
	if (s.len > 0)
		memcpy(copy, w->p, s.len);
	w->p += s.len;
	s.records = copy;
	pmul_engine_gauges(w->nodes[i].e, &before);
	if (pmul_engine_restore_rx(w->nodes[i].e, w->now, &s) != PMUL_OK) {
		pmul_engine_gauges(w->nodes[i].e, &after);
		assert(memcmp(&before, &after, sizeof(after)) == 0);
	}
	free(copy);
	events(w, i);
	check(w, i);
}

/* One of the PDUs on their way: delivered, lost, doubled, or garbled. */
static void
carry(struct world *w, unsigned i, unsigned how)
{
	struct node *n = &w->nodes[i];
	uint8_t pdu[128];
	size_t k, len;

	if (n->npdus == 0)
		return;
	k = next(w) % n->npdus;
	len = n->lens[k];
	memcpy(pdu, n->pdus[k], len);
	n->npdus--;
	memmove(n->pdus[k], n->pdus[n->npdus], n->lens[n->npdus]);
	n->lens[k] = n->lens[n->npdus];
	if (how == 3) {
		struct pmul_pdu decoded;

		pdu[next(w) % len] ^= (uint8_t)(1u << next(w) % 8);
		/* Fletcher misses no single bit; but once in a while the
		 * Internet checksum then fits. */
		if (pmul_pdu_decode(pdu, len, &decoded) != PMUL_OK)
			give(w, i, pdu, len);
	} else if (how > 0) {
		give(w, i, pdu, len);
		if (how == 2)
			give(w, i, pdu, len);
	}
}

/*
 * Octets of the script with a right checksum, so that they get through, from
 * somebody who is none of the two: what they say about a sender's messages
 * must not count.
 */
static void
raw(struct world *w, unsigned i)
{
	size_t left = (size_t)(w->end - w->p), len = next(w) % 96;
	uint8_t pdu[128] = { 0 };

	left = (size_t)(w->end - w->p);
	if (len > left)
		len = left;
	if (len > 0)
		memcpy(pdu, w->p, len);
	w->p += len;
	if (len < 16)
		len = 16;
	pdu[0] = 0;
	pdu[1] = (uint8_t)len;
	pdu[8] = 0x0b;
	pmul_checksum_put(pdu, len);
	give(w, i, pdu, len);
}

static void
pass(struct world *w, unsigned how)
{
	unsigned n = next(w);
	struct pmul_mono a = pmul_engine_deadline(w->nodes[0].e);
	struct pmul_mono b = pmul_engine_deadline(w->nodes[1].e);
	uint64_t us = (uint64_t)n << how * 4;

	/* Straight to the next deadline, a little, or a lot. */
	if (how == 0) {
		us = a.us < b.us ? a.us : b.us;
		us = us == UINT64_MAX || us <= w->now.mono.us
			 ? 0
			 : us - w->now.mono.us;
	}
	w->now.wall.s += (int64_t)((w->now.mono.us % 1000000 + us) / 1000000);
	w->now.mono.us += us;
	/* The wall clock is set: forward only, as a late message counts as
	 * new once its tombstone has expired. */
	if (how == 7)
		w->now.wall.s += n;
	for (unsigned i = 0; i < NODES; i++) {
		pmul_engine_tick(w->nodes[i].e, w->now);
		events(w, i);
	}
}

static void
store(struct world *w, unsigned i)
{
	struct node *n = &w->nodes[i];

	if (n->nunstored == 0) {
		assert(pmul_engine_stored(n->e, w->now, id_of(1 - i), 99) ==
		       PMUL_ENOTFOUND);
		return;
	}
	n->nunstored--;
	assert(pmul_engine_stored(n->e, w->now, id_of(1 - i),
		   n->unstored[n->nunstored]) == PMUL_OK);
}

static void
step(struct world *w)
{
	unsigned op = next(w), i = op & 1, arg = op >> 4;

	switch (op >> 1 & 7) {
	case 0: submit(w, i); break;
	case 1: pump(w, i); break;
	case 2:
	case 3: carry(w, i, arg % 4); break;
	case 4: raw(w, i); break;
	case 5: pass(w, arg % 8); break;
	case 6: store(w, i); break;
	case 7:
		if (arg == 0)
			cancel(w, i);
		else if (arg == 1)
			silence(w, i);
		else if (arg == 2)
			save(w, i);
		else if (arg == 3)
			restore(w, i);
		else
			pump(w, i);
		break;
	}
}

/* The last octet has a say as well; the rest of the script stays as it is. */
static void
configure(struct world *w)
{
	unsigned more = w->p < w->end ? w->end[-1] : 0, flags = next(w);
	struct pmul_config *c = &w->cfg;

	pmul_config_default(c);
	c->pdu_max = flags & 1 ? 64 : 128;
	c->bit_rate = flags & 2 ? 9600 : 0;
	c->ranges = flags & 4;
	c->mm = flags & 8 ? 2 : 10;
	c->ack_delay_us = flags & 16 ? 500000 : 0;
	c->ack_pdu_repeats = flags >> 5 & 3;
	c->undefined_expiry_us = 60000000;
	c->message_max = 400;
	c->pool_first = 0xef8e0000;
	c->pool_last = c->pool_first + 1;
	c->groups_max = GROUPS_MAX;
	c->extra_address =
	    (enum pmul_extra)((more & 1) + (more >> 7 & more & 1));
	c->polls = more >> 1 & 3;
	c->half_duplex = more & 8;
	c->turnaround_us = more & 16 ? 200000 : 0;
	c->ack_retx_min_us = more & 32 ? 100000 : 0;
	c->emcon_rtc = more >> 6;
	c->tx_messages_max = 3;
	c->tx_bytes_max = 900;
	c->rx_messages_max = 4;
	c->rx_bytes_max = 1000;
	c->held_messages_max = 2;
	/* More than all that can be, or deliveries would repeat by design. */
	c->tombstones_max = 64;
	c->events_max = flags & 128 ? 1 : 8;
}

int
LLVMFuzzerTestOneInput(const uint8_t *script, size_t len)
{
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		abort();
	w->p = script;
	w->end = script + len;
	w->now.mono.us = 1000000;
	w->now.wall.s = 1700000000;
	configure(w);
	for (unsigned i = 0; i < NODES; i++) {
		w->cfg.node_id = id_of(i);
		w->cfg.seed = i;
		if (pmul_engine_new(&w->cfg, &w->nodes[i].e) != PMUL_OK)
			abort();
	}
	while (w->p < w->end)
		step(w);
	for (unsigned i = 0; i < NODES; i++)
		pump(w, i);
	for (unsigned i = 0; i < NODES; i++)
		pmul_engine_free(&w->nodes[i].e);
	free(w);
	return 0;
}

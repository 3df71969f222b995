/*
 * Who may send when, and what collides.
 *
 * Everything about a transmission is known when its sender decides to send: it
 * goes deaf, turns round, and is on the air from start_us to end_us.  A later
 * decision can only ruin what has not ended where it is heard, so it is enough
 * to compare each transmission, when it is decided, with those before it.
 */
#include "tools/channel_internal.h"

static bool
contended(const struct channel *c)
{
	return c->cfg.medium.half_duplex && c->cfg.medium.collisions;
}

static uint64_t
max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
air_time(const struct channel *c, size_t octets)
{
	uint64_t rate = c->cfg.medium.bit_rate;

	return rate > 0 ? (octets * UINT64_C(8000000) + rate - 1) / rate : 0;
}

static const struct channel_path *
path(const struct channel *c, int from, int to)
{
	return &c->pairs[from][to].path;
}

/* --- when ------------------------------------------------------------------- */

/* Half duplex shared out: whoever has waited longest is next. */
static bool
is_first_of_all(const struct channel *c, const struct frame *f)
{
	for (int i = 0; i < c->nnodes; i++) {
		const struct frame *other = TAILQ_FIRST(&c->nodes[i].queue);

		if (other != NULL && other->order < f->order)
			return false;
	}
	return true;
}

uint64_t
medium_when(const struct channel *c, int node)
{
	const struct node *n = &c->nodes[node];
	const struct frame *f = TAILQ_FIRST(&n->queue);
	uint64_t at;

	if (f == NULL)
		return CHANNEL_NEVER;
	at = max(f->since_us, n->free_us);
	if (contended(c))
		return max(at, n->retry_us);
	if (!c->cfg.medium.half_duplex)
		return at;
	if (!is_first_of_all(c, f))
		return CHANNEL_NEVER;
	at = c->free_us;
	if (c->last != -1 && c->last != node)
		at += c->cfg.medium.turnaround_us;
	return max(at, f->since_us);
}

/* --- collisions --------------------------------------------------------------- */

/* Until when node hears somebody; 0 if it hears nobody now. */
static uint64_t
carrier_until(const struct channel *c, int node, uint64_t now_us)
{
	const struct frame *f = TAILQ_FIRST(&c->air);
	uint64_t until = 0;

	for (; f != NULL; f = TAILQ_NEXT(f, entry)) {
		const struct channel_path *p = path(c, f->from, node);
		uint64_t noticed =
		    f->start_us + p->delay_us + c->cfg.medium.sense_us;

		if (f->from == node || !p->heard)
			continue;
		if (noticed < now_us && now_us < f->end_us + p->delay_us)
			until = max(until, f->end_us + p->delay_us);
	}
	return until;
}

/* What a sends is on the air at node while what b sends is. */
static bool
meet(const struct channel *c, const struct frame *a, const struct frame *b,
    int node)
{
	const struct channel_path *pa = path(c, a->from, node);
	const struct channel_path *pb = path(c, b->from, node);

	return pa->heard && pb->heard &&
	       a->start_us + pa->delay_us < b->end_us + pb->delay_us &&
	       b->start_us + pb->delay_us < a->end_us + pa->delay_us;
}

/* The sender of deaf does not hear all of f. */
static bool
misses(const struct channel *c, const struct frame *deaf, const struct frame *f)
{
	uint64_t delay = path(c, f->from, deaf->from)->delay_us;

	return deaf->turn_us < f->end_us + delay &&
	       f->start_us + delay < deaf->end_us + c->cfg.medium.turnaround_us;
}

static void
collide(struct channel *c, struct frame *f)
{
	struct frame *other = TAILQ_FIRST(&c->air);

	for (; other != NULL; other = TAILQ_NEXT(other, entry)) {
		if (other->from == f->from)
			continue;
		if (misses(c, f, other))
			other->ruined |= UINT64_C(1) << f->from;
		if (misses(c, other, f))
			f->ruined |= UINT64_C(1) << other->from;
		for (int i = 0; i < c->nnodes; i++) {
			if (i == f->from || i == other->from ||
			    !meet(c, f, other, i))
				continue;
			f->ruined |= UINT64_C(1) << i;
			other->ruined |= UINT64_C(1) << i;
		}
	}
}

/* Drop what nobody hears any more. */
static void
clear_air(struct channel *c, uint64_t now_us)
{
	struct frame *f = TAILQ_FIRST(&c->air), *next;

	for (; f != NULL; f = next) {
		next = TAILQ_NEXT(f, entry);
		if (f->gone_us > now_us)
			continue;
		TAILQ_REMOVE(&c->air, f, entry);
		frame_release(f);
	}
}

/* --- sending ------------------------------------------------------------------ */

/* When f has passed every node, its sender's own turning round included. */
static uint64_t
gone(const struct channel *c, const struct frame *f)
{
	uint64_t last = c->cfg.medium.turnaround_us;

	for (int i = 0; i < c->nnodes; i++)
		last = max(last, path(c, f->from, i)->delay_us);
	return f->end_us + last;
}

static struct frame *
transmit(struct channel *c, struct node *n, uint64_t now_us, uint64_t turn_us)
{
	struct frame *f = TAILQ_FIRST(&n->queue);
	uint64_t time_us = air_time(c, f->octets);

	TAILQ_REMOVE(&n->queue, f, entry);
	n->waiting--;
	f->turn_us = now_us;
	f->start_us = now_us + turn_us;
	f->end_us = f->start_us + time_us;
	f->gone_us = gone(c, f);
	n->free_us = c->free_us = f->end_us;
	c->last = f->from;
	n->stats.sent++;
	n->stats.sent_octets += f->octets;
	c->stats.datagrams++;
	c->stats.octets += f->octets;
	c->stats.busy_us += time_us;
	return f;
}

/* With collisions: the node sends, or hears a carrier and waits. */
static struct frame *
contend(struct channel *c, uint64_t now_us, int node)
{
	const struct channel_medium *m = &c->cfg.medium;
	struct node *n = &c->nodes[node];
	/* It has just sent, and has not turned round yet. */
	bool keyed =
	    n->stats.sent > 0 && now_us <= n->free_us + m->turnaround_us;
	uint64_t until;
	struct frame *f;

	clear_air(c, now_us);
	until = m->carrier_sense && !keyed ? carrier_until(c, node, now_us) : 0;
	if (until > now_us) {
		n->retry_us =
		    until + m->slot_us * random_below(&n->random, m->slots);
		n->stats.deferred++;
		return NULL;
	}
	f = transmit(c, n, now_us, keyed ? 0 : m->turnaround_us);
	collide(c, f);
	TAILQ_INSERT_TAIL(&c->air, f, entry);
	f->refs++;
	return f;
}

struct frame *
medium_try(struct channel *c, uint64_t now_us, int node)
{
	if (contended(c))
		return contend(c, now_us, node);
	return transmit(c, &c->nodes[node], now_us, 0);
}

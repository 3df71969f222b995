#include "tools/channel_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct channel *
channel_new(const struct channel_config *cfg)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->cfg = *cfg;
	c->last = -1;
	TAILQ_INIT(&c->receptions);
	TAILQ_INIT(&c->air);
	return c;
}

void
frame_release(struct frame *f)
{
	assert(f->refs > 0);
	if (--f->refs == 0)
		free(f);
}

static void
free_frames(struct frame_list *list)
{
	struct frame *f;

	while ((f = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, f, entry);
		frame_release(f);
	}
}

void
channel_free(struct channel **cp)
{
	struct channel *c = *cp;
	struct reception *r;

	*cp = NULL;
	if (c == NULL)
		return;
	while ((r = TAILQ_FIRST(&c->receptions)) != NULL) {
		TAILQ_REMOVE(&c->receptions, r, entry);
		frame_release(r->frame);
	}
	for (int i = 0; i < c->nnodes; i++)
		free_frames(&c->nodes[i].queue);
	free_frames(&c->air);
	if (c->held != NULL)
		frame_release(c->held);
	free(c);
}

/* A start for the random sequence of one pair, or of one node with itself. */
static uint64_t
seed_of(const struct channel *c, int from, int to)
{
	uint64_t state = c->cfg.seed;

	return random_next(&state) +
	       (uint64_t)(from * CHANNEL_NODES_MAX + to) * 0xd1342543de82ef95;
}

static void
join_pair(struct channel *c, int from, int to)
{
	struct pair *p = &c->pairs[from][to];

	p->path = c->cfg.path;
	p->random = seed_of(c, from, to);
}

int
channel_join(struct channel *c)
{
	int node = c->nnodes;

	if (node == CHANNEL_NODES_MAX)
		return -1;
	c->nnodes++;
	TAILQ_INIT(&c->nodes[node].queue);
	c->nodes[node].random = seed_of(c, node, node);
	for (int i = 0; i < c->nnodes; i++) {
		join_pair(c, i, node);
		join_pair(c, node, i);
	}
	return node;
}

void
channel_set_medium(struct channel *c, const struct channel_medium *m)
{
	c->cfg.medium = *m;
}

void
channel_set_path(
    struct channel *c, int from, int to, const struct channel_path *p)
{
	c->pairs[from][to].path = *p;
}

/* --- sending -------------------------------------------------------------------- */

static struct frame *
new_frame(
    const struct channel *c, int from, int to, const void *data, size_t len)
{
	unsigned n = to < 0 ? (unsigned)c->nnodes - 1 : to != from;
	size_t head = sizeof(struct frame) + n * sizeof(struct reception);
	struct frame *f = calloc(1, head + len);

	if (f == NULL)
		return NULL;
	f->from = from;
	f->nreceptions = n;
	for (unsigned i = 0; i < n; i++) {
		f->receptions[i].frame = f;
		f->receptions[i].node =
		    to >= 0 ? to : (int)i + ((int)i >= from);
	}
	f->octets = len - c->cfg.wrapping + c->cfg.medium.overhead;
	f->data = (uint8_t *)f + head;
	f->len = len;
	memcpy(f->data, data, len);
	f->refs = 1;
	return f;
}

bool
channel_send(struct channel *c, uint64_t now_us, int from, int to,
    const void *data, size_t len)
{
	struct node *n = &c->nodes[from];
	struct frame *f = NULL;

	if (n->waiting < c->cfg.medium.queue_max)
		f = new_frame(c, from, to, data, len);
	if (f == NULL) {
		n->stats.refused++;
		return false;
	}
	f->order = c->order++;
	f->since_us = now_us;
	TAILQ_INSERT_TAIL(&n->queue, f, entry);
	n->waiting++;
	return true;
}

/* --- on the way ------------------------------------------------------------------- */

/* One that begins to fly is nearly always the last: look from the end. */
static void
schedule(struct channel *c, struct reception *r)
{
	struct reception *before = TAILQ_LAST(&c->receptions, reception_list);

	while (before != NULL && before->at_us > r->at_us)
		before = TAILQ_PREV(before, reception_list, entry);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&c->receptions, r, entry);
	else
		TAILQ_INSERT_AFTER(&c->receptions, before, r, entry);
}

/*
 * One that is only to be delivered is nearly the first.  It goes behind those
 * to be delivered at the same time, which were decided before.
 */
static void
schedule_delivery(struct channel *c, struct reception *r)
{
	struct reception *after = TAILQ_FIRST(&c->receptions);

	while (after != NULL &&
	       (after->at_us < r->at_us ||
		   (after->at_us == r->at_us && after->copies > 0)))
		after = TAILQ_NEXT(after, entry);
	if (after == NULL)
		TAILQ_INSERT_TAIL(&c->receptions, r, entry);
	else
		TAILQ_INSERT_BEFORE(after, r, entry);
}

static void
fly(struct channel *c, struct frame *f)
{
	for (unsigned i = 0; i < f->nreceptions; i++) {
		struct reception *r = &f->receptions[i];

		r->at_us = f->end_us + c->pairs[f->from][r->node].path.delay_us;
		f->refs++;
		schedule(c, r);
	}
}

static bool
is_ruined(struct channel *c, const struct reception *r)
{
	struct frame *f = r->frame;

	if ((f->ruined >> r->node & 1) == 0)
		return false;
	c->nodes[r->node].stats.collided++;
	if (!f->counted) {
		c->stats.collided++;
		c->stats.collided_us += f->end_us - f->start_us;
	}
	f->counted = true;
	return true;
}

static bool
is_lost(struct channel *c, struct pair *p, const struct reception *r)
{
	struct frame *f = r->frame;
	struct channel_node_stats *s = &c->nodes[r->node].stats;
	bool lost = loss_decide(p, 8 * (uint64_t)f->octets);

	if (is_ruined(c, r))
		lost = true;
	if (fade_decide(c, &p->random, f, r->node, p->path.delay_us)) {
		s->faded++;
		lost = true;
	}
	s->lost += lost;
	return lost;
}

/* When it is delivered: now, or later for jitter. */
static uint64_t
delivery_us(struct channel *c, struct pair *p, const struct reception *r)
{
	const struct channel_path *s = &p->path;
	uint64_t at = r->at_us;

	if (s->jitter_us > 0)
		at += random_below(&p->random, s->jitter_us + 1);
	if (s->reorder > 0 && random_chance(&p->random, s->reorder)) {
		c->nodes[r->node].stats.late++;
		return at + s->reorder_us;
	}
	if (at < p->last_us)
		at = p->last_us;
	p->last_us = at;
	return at;
}

/* The frame has ended at this node.  False: it has not been heard. */
static bool
decide(struct channel *c, struct reception *r)
{
	struct pair *p = &c->pairs[r->frame->from][r->node];

	if (!p->path.heard || is_lost(c, p, r))
		return false;
	r->at_us = delivery_us(c, p, r);
	r->copies = 1;
	if (p->path.duplicate > 0 &&
	    random_chance(&p->random, p->path.duplicate)) {
		c->nodes[r->node].stats.duplicated++;
		r->copies = 2;
	}
	schedule_delivery(c, r);
	return true;
}

/* --- what happens ------------------------------------------------------------------- */

static void
hold(struct channel *c, struct frame *f)
{
	f->refs++;
	if (c->held != NULL)
		frame_release(c->held);
	c->held = f;
}

static void
say(struct channel *c, struct frame *f, enum channel_event_kind kind,
    uint64_t at_us, int node, struct channel_event *ret_ev)
{
	hold(c, f);
	ret_ev->kind = kind;
	ret_ev->at_us = at_us;
	ret_ev->from = f->from;
	ret_ev->node = node;
	ret_ev->data = f->data;
	ret_ev->len = f->len;
}

/* The first of the receptions goes on; true if that is an event. */
static bool
receive(struct channel *c, struct channel_event *ret_ev)
{
	struct reception *r = TAILQ_FIRST(&c->receptions);

	if (r->copies > 0) {
		c->nodes[r->node].stats.heard++;
		say(c, r->frame, CHANNEL_HEARD, r->at_us, r->node, ret_ev);
		if (--r->copies > 0)
			return true;
		TAILQ_REMOVE(&c->receptions, r, entry);
		frame_release(r->frame);
		return true;
	}
	TAILQ_REMOVE(&c->receptions, r, entry);
	if (!decide(c, r))
		frame_release(r->frame);
	return false;
}

static bool
try(struct channel *c, uint64_t at_us, int node, struct channel_event *ret_ev)
{
	struct frame *f = medium_try(c, at_us, node);

	if (f == NULL)
		return false;
	fly(c, f);
	say(c, f, CHANNEL_ON_AIR, f->start_us, -1, ret_ev);
	/* The queue's. */
	frame_release(f);
	return true;
}

/* Whose turn is next, and when; -1: the first of the receptions. */
static uint64_t
next_step(const struct channel *c, int *ret_node)
{
	const struct reception *r = TAILQ_FIRST(&c->receptions);
	uint64_t first = r != NULL ? r->at_us : CHANNEL_NEVER;

	*ret_node = -1;
	for (int i = 0; i < c->nnodes; i++) {
		uint64_t at = medium_when(c, i);

		if (at < first) {
			first = at;
			*ret_node = i;
		}
	}
	return first;
}

bool
channel_next(struct channel *c, uint64_t now_us, struct channel_event *ret_ev)
{
	for (;;) {
		int node;
		uint64_t at = next_step(c, &node);

		if (at == CHANNEL_NEVER || at > now_us)
			return false;
		if (node < 0 ? receive(c, ret_ev) : try(c, at, node, ret_ev))
			return true;
	}
}

uint64_t
channel_deadline(const struct channel *c)
{
	int node;

	return next_step(c, &node);
}

void
channel_node_stats(
    const struct channel *c, int node, struct channel_node_stats *ret_s)
{
	*ret_s = c->nodes[node].stats;
}

void
channel_stats(const struct channel *c, struct channel_stats *ret_s)
{
	*ret_s = c->stats;
}

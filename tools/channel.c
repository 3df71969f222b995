#include "tools/channel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* One datagram on its way to one receiver. */
struct arrival {
	TAILQ_ENTRY(arrival) entry;
	uint64_t at_us;
	int node;
	size_t len;
	uint8_t data[];
};

struct node {
	struct channel_node_stats stats;
	uint64_t free_us; /* full duplex: when its air is free */
	uint32_t waiting; /* its datagrams not yet on the air */
	uint64_t *starts; /* ...and when each begins, a ring */
	uint32_t first;
};

struct channel {
	struct channel_config cfg;
	struct node nodes[CHANNEL_NODES_MAX];
	int nnodes;
	uint64_t free_us; /* half duplex: when the air is free */
	int last;         /* ...and who had it, -1 at first */
	uint64_t random;
	struct channel_stats stats;
	TAILQ_HEAD(arrival_list, arrival) arrivals; /* in order of at_us */
};

struct channel *
channel_new(const struct channel_config *cfg)
{
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->cfg = *cfg;
	c->random = cfg->seed;
	c->last = -1;
	TAILQ_INIT(&c->arrivals);
	return c;
}

void
channel_free(struct channel **cp)
{
	struct channel *c = *cp;
	struct arrival *a;

	*cp = NULL;
	if (c == NULL)
		return;
	while ((a = TAILQ_FIRST(&c->arrivals)) != NULL) {
		TAILQ_REMOVE(&c->arrivals, a, entry);
		free(a);
	}
	for (int i = 0; i < c->nnodes; i++)
		free(c->nodes[i].starts);
	free(c);
}

int
channel_join(struct channel *c)
{
	struct node *n = &c->nodes[c->nnodes];

	if (c->nnodes == CHANNEL_NODES_MAX)
		return -1;
	n->starts = calloc(c->cfg.queue_max + 1, sizeof(*n->starts));
	if (n->starts == NULL)
		return -1;
	return c->nnodes++;
}

/* splitmix64 */
static uint64_t
next_random(struct channel *c)
{
	uint64_t z = c->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static bool
is_lost(struct channel *c)
{
	return next_random(c) % 1000000 < c->cfg.loss_ppm;
}

static uint64_t
air_time(const struct channel *c, size_t octets)
{
	if (c->cfg.bit_rate == 0)
		return 0;
	return (octets * UINT64_C(8000000) + c->cfg.bit_rate - 1) /
	       c->cfg.bit_rate;
}

/* --- sending -------------------------------------------------------------------- */

/* Datagrams of n that have begun by now wait no longer. */
static void
count_waiting(const struct channel *c, struct node *n, uint64_t now_us)
{
	while (n->waiting > 0 && n->starts[n->first] <= now_us) {
		n->first = (n->first + 1) % (c->cfg.queue_max + 1);
		n->waiting--;
	}
}

static void
add_waiting(const struct channel *c, struct node *n, uint64_t start_us)
{
	n->starts[(n->first + n->waiting) % (c->cfg.queue_max + 1)] = start_us;
	n->waiting++;
}

/* When the node gets the air for so long, and takes it. */
static uint64_t
take_air(struct channel *c, uint64_t now_us, int from, uint64_t time_us)
{
	uint64_t *free_us =
	    c->cfg.half_duplex ? &c->free_us : &c->nodes[from].free_us;
	uint64_t start = *free_us;

	if (c->cfg.half_duplex && c->last != -1 && c->last != from)
		start += c->cfg.turnaround_us;
	if (start < now_us)
		start = now_us;
	*free_us = start + time_us;
	c->last = from;
	c->stats.busy_us += time_us;
	return start;
}

static bool
schedule(
    struct channel *c, uint64_t at_us, int node, const void *data, size_t len)
{
	struct arrival *a = malloc(sizeof(*a) + len), *before;

	if (a == NULL)
		return false;
	a->at_us = at_us;
	a->node = node;
	a->len = len;
	memcpy(a->data, data, len);
	/* Nearly always the last: look from the end. */
	before = TAILQ_LAST(&c->arrivals, arrival_list);
	while (before != NULL && before->at_us > at_us)
		before = TAILQ_PREV(before, arrival_list, entry);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&c->arrivals, a, entry);
	else
		TAILQ_INSERT_AFTER(&c->arrivals, before, a, entry);
	return true;
}

static void
reach(struct channel *c, uint64_t at_us, int node, const void *data, size_t len)
{
	if (is_lost(c) || !schedule(c, at_us, node, data, len))
		c->nodes[node].stats.lost++;
}

bool
channel_send(struct channel *c, uint64_t now_us, int from, int to,
    const void *data, size_t len, uint64_t *ret_start_us)
{
	struct node *n = &c->nodes[from];
	size_t octets = len - c->cfg.wrapping + c->cfg.overhead;
	uint64_t time_us = air_time(c, octets), start;

	count_waiting(c, n, now_us);
	if (n->waiting >= c->cfg.queue_max) {
		n->stats.refused++;
		return false;
	}
	start = take_air(c, now_us, from, time_us);
	add_waiting(c, n, start);
	n->stats.sent++;
	n->stats.sent_octets += octets;
	c->stats.datagrams++;
	c->stats.octets += octets;
	for (int i = 0; i < c->nnodes; i++)
		if (i != from && (to < 0 || to == i))
			reach(
			    c, start + time_us + c->cfg.delay_us, i, data, len);
	*ret_start_us = start;
	return true;
}

/* --- receiving -------------------------------------------------------------------- */

bool
channel_receive(struct channel *c, uint64_t now_us, int *ret_node,
    uint8_t **ret_data, size_t *ret_len)
{
	struct arrival *a = TAILQ_FIRST(&c->arrivals);
	uint8_t *data;

	if (a == NULL || a->at_us > now_us)
		return false;
	data = malloc(a->len + 1);
	if (data == NULL)
		return false;
	memcpy(data, a->data, a->len);
	*ret_node = a->node;
	*ret_data = data;
	*ret_len = a->len;
	c->nodes[a->node].stats.heard++;
	TAILQ_REMOVE(&c->arrivals, a, entry);
	free(a);
	return true;
}

uint64_t
channel_deadline(const struct channel *c)
{
	const struct arrival *a = TAILQ_FIRST(&c->arrivals);

	return a != NULL ? a->at_us : CHANNEL_NEVER;
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

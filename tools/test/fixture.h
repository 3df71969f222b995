/* What the tests of the channel share: a channel of some nodes, virtual time. */
#ifndef MULETEER_TOOLS_TEST_FIXTURE_H
#define MULETEER_TOOLS_TEST_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "tools/channel.h"

#define MS UINT64_C(1000)
#define S UINT64_C(1000000)

/* 8000 bit/s: an octet a millisecond. */
static inline struct channel_config
plain(void)
{
	return (struct channel_config){
		.medium = { .bit_rate = 8000, .queue_max = 1000, .slots = 1 },
		.path = { .heard = true, .burst_leave = 1, .burst_loss = 1 },
		.seed = 142,
	};
}

static inline struct channel *
make(const struct channel_config *cfg, int nodes)
{
	struct channel *c = channel_new(cfg);

	assert_true(c != NULL);
	for (int i = 0; i < nodes; i++)
		assert_int_equal(channel_join(c), i);
	return c;
}

/* Send so many octets at a time, the first of which is tag. */
static inline void
put(struct channel *c, uint64_t at_us, int from, int to, size_t octets, int tag)
{
	uint8_t data[2000] = { (uint8_t)tag };

	assert_in_range(octets, 1, sizeof(data));
	assert_true(channel_send(c, at_us, from, to, data, octets));
}

/* Expect the next event, whenever it is. */
static inline void
expect(struct channel *c, enum channel_event_kind kind, uint64_t at_us,
    int node, int tag)
{
	struct channel_event ev;

	assert_true(channel_next(c, CHANNEL_NEVER - 1, &ev));
	assert_int_equal(ev.kind, kind);
	assert_int_equal(ev.at_us, at_us);
	assert_int_equal(ev.node, node);
	assert_int_equal(ev.data[0], tag);
}

static inline void
expect_end(struct channel *c)
{
	struct channel_event ev;

	assert_false(channel_next(c, CHANNEL_NEVER - 1, &ev));
	assert_true(channel_deadline(c) == CHANNEL_NEVER);
}

/* Everything happens; how much of it node has heard. */
static inline uint64_t
drain(struct channel *c, int node)
{
	struct channel_node_stats s;
	struct channel_event ev;

	while (channel_next(c, CHANNEL_NEVER - 1, &ev))
		;
	channel_node_stats(c, node, &s);
	return s.heard;
}

/* part of n is within five standard deviations of probability p. */
static inline void
assert_share(uint64_t part, uint64_t n, double p)
{
	double bound = 5 * sqrt(p * (1 - p) * (double)n);

	assert_true(fabs((double)part - p * (double)n) <= bound);
}

#endif

/*
 * A radio channel in numbers: who hears what, and when.  Pure: time comes in as
 * a parameter, randomness from a seed, so that a run can be repeated.
 *
 * A datagram occupies the air for 8 * (octets - wrapping + overhead) / bit_rate.  On a
 * half-duplex channel all nodes share the air: who wants to send while it is
 * busy waits (carrier sense), in order of arrival, and a change of sender costs
 * the turnaround.  On a full-duplex one every node has its own.  What was sent
 * reaches each receiver after the propagation delay, or is lost for that
 * receiver alone.
 */
#ifndef MULETEER_TOOLS_CHANNEL_H
#define MULETEER_TOOLS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_NODES_MAX 64
#define CHANNEL_NEVER UINT64_MAX

struct channel_config {
	uint64_t bit_rate;      /* bit/s; 0: takes no time */
	uint64_t delay_us;      /* propagation */
	uint64_t turnaround_us; /* between different senders, half duplex */
	bool half_duplex;
	uint32_t loss_ppm; /* per receiver, independent */
	uint32_t overhead; /* octets on the air besides the datagram */
	uint32_t wrapping; /* octets of each datagram that are not on the air */
	uint32_t queue_max; /* datagrams of one node that may wait */
	uint64_t seed;
};

struct channel_node_stats {
	uint64_t sent, sent_octets;    /* on the air, overhead included */
	uint64_t heard, lost, refused; /* datagrams */
};

struct channel_stats {
	uint64_t datagrams, octets; /* on the air, overhead included */
	uint64_t busy_us;
};

struct channel;

/* NULL when out of memory.  *cfg is copied. */
struct channel *channel_new(const struct channel_config *cfg);
void channel_free(struct channel **c);

/* A further node; its number, or -1 when there are too many. */
int channel_join(struct channel *c);

/*
 * Node from sends data (copied) to node to, or to all others if to is -1.
 * *ret_start_us is when it begins to be on the air.  False: refused, because
 * too much of that node waits already or memory ran out.
 */
bool channel_send(struct channel *c, uint64_t now_us, int from, int to,
    const void *data, size_t len, uint64_t *ret_start_us);

/*
 * The next datagram that has arrived by now_us: for whom, and its octets, the
 * caller's to free().  False: none yet.
 */
bool channel_receive(struct channel *c, uint64_t now_us, int *ret_node,
    uint8_t **ret_data, size_t *ret_len);

/* When channel_receive() has something next; CHANNEL_NEVER if nothing flies. */
uint64_t channel_deadline(const struct channel *c);

void channel_node_stats(
    const struct channel *c, int node, struct channel_node_stats *ret_s);
void channel_stats(const struct channel *c, struct channel_stats *ret_s);

#endif

/*
 * A radio channel in numbers: who hears what, and when.  Pure: time comes in as
 * a parameter, randomness from a seed, so that a run can be repeated.
 *
 * A datagram occupies the air for 8 * (octets - wrapping + overhead) / bit_rate
 * and reaches each receiver after the delay of that pair, or is lost for that
 * receiver alone.  Three ways to share the air:
 *
 *  full duplex   every node has an air of its own;
 *  half duplex   one air.  Who wants to send while it is busy waits, in order
 *                of arrival, and a change of sender costs the turnaround;
 *  collisions    half duplex without that order.  A node that hears a carrier
 *                waits until it ends and for a random number of slots; then it
 *                turns its radio round, and only when it has done so do others
 *                hear it.  Two datagrams that overlap where they are heard are
 *                lost there, and who sends or turns round hears nothing.
 *
 * Drive it: channel_send() what nodes send, channel_next() until it returns
 * false, sleep until channel_deadline().  A pair's luck has a random sequence
 * of its own, so that it does not depend on what others send.
 */
#ifndef MULETEER_TOOLS_CHANNEL_H
#define MULETEER_TOOLS_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHANNEL_NODES_MAX 64
#define CHANNEL_FADES_MAX 64
#define CHANNEL_NEVER UINT64_MAX

/* What all nodes share. */
struct channel_medium {
	uint64_t bit_rate;      /* bit/s; 0: takes no time */
	uint64_t turnaround_us; /* between sending and hearing; half duplex */
	bool half_duplex;
	bool collisions; /* with half_duplex only; else the air is shared out */
	bool carrier_sense; /* with collisions only; the rest, too */
	uint64_t sense_us;  /* until a carrier is noticed */
	uint64_t slot_us;   /* of waiting after a carrier */
	uint32_t slots;     /* ...0 to slots - 1 of them */
	uint32_t overhead;  /* octets on the air besides the datagram */
	uint32_t queue_max; /* datagrams of one node that may wait */
};

/* From one node to another.  Probabilities are 0 to 1. */
struct channel_path {
	bool heard; /* false: out of range, not even a carrier */
	uint64_t delay_us;
	uint64_t jitter_us; /* up to so much more; the order stays */
	double loss;        /* independent */
	double ber;         /* of one bit; one wrong bit loses the datagram */
	/* Gilbert-Elliott, a step for each datagram: 1 / burst_leave is the
	 * mean length of a bad time, in which burst_loss are lost. */
	double burst_enter, burst_leave, burst_loss;
	double duplicate;
	double reorder; /* ...is late by reorder_us, others overtake it */
	uint64_t reorder_us;
};

/*
 * A time when datagrams are lost with that probability if any part of them
 * falls into it: from start_us, for length_us, again each every_us if that is
 * not 0.  For one node, what it sends and what it hears; node -1: for all.
 */
struct channel_fade {
	uint64_t start_us, length_us, every_us;
	double loss;
	int node;
};

struct channel_config {
	struct channel_medium medium;
	struct channel_path path; /* of each pair, until it is set */
	uint32_t wrapping; /* octets of a datagram that are not on the air */
	uint64_t seed;
};

struct channel_node_stats {
	uint64_t sent, sent_octets;    /* on the air, overhead included */
	uint64_t heard, lost, refused; /* datagrams */
	uint64_t collided, faded;      /* ...of those lost, and why */
	uint64_t duplicated, late;     /* ...of those heard */
	uint64_t deferred;             /* waited for a carrier to end */
};

struct channel_stats {
	uint64_t datagrams, octets; /* on the air, overhead included */
	uint64_t busy_us;
	uint64_t collided, collided_us; /* lost by collision for some node */
};

enum channel_event_kind {
	CHANNEL_ON_AIR, /* begins to be sent */
	CHANNEL_HEARD,  /* has arrived at node */
};

struct channel_event {
	enum channel_event_kind kind;
	uint64_t at_us;
	int from, node; /* node: -1 unless heard */
	const uint8_t *data;
	size_t len;
};

struct channel;

/* NULL when out of memory.  *cfg is copied. */
struct channel *channel_new(const struct channel_config *cfg);
void channel_free(struct channel **c);

/* A further node; its number, or -1 when there are too many. */
int channel_join(struct channel *c);

/* From now on; what is on the air stays as it is. */
void channel_set_medium(struct channel *c, const struct channel_medium *m);
void channel_set_path(
    struct channel *c, int from, int to, const struct channel_path *p);

/* A further fade; those that are over make room.  False: too many. */
bool channel_add_fade(
    struct channel *c, uint64_t now_us, const struct channel_fade *f);

void channel_clear_fades(struct channel *c);
/* Those there are, and how many. */
const struct channel_fade *channel_fades(
    const struct channel *c, unsigned *ret_n);

/*
 * Node from sends data (copied) to node to, or to all others if to is -1, or to
 * nobody if to is from.  len is at least the wrapping.  False: refused, because
 * too much of that node waits already or memory ran out.
 */
bool channel_send(struct channel *c, uint64_t now_us, int from, int to,
    const void *data, size_t len);

/*
 * The next that has happened by now_us, in order of time.  Its data is valid
 * until the next call.  False: nothing yet.
 */
bool channel_next(
    struct channel *c, uint64_t now_us, struct channel_event *ret_ev);

/* When to ask channel_next() again; CHANNEL_NEVER if nothing waits or flies. */
uint64_t channel_deadline(const struct channel *c);

void channel_node_stats(
    const struct channel *c, int node, struct channel_node_stats *ret_s);
void channel_stats(const struct channel *c, struct channel_stats *ret_s);

#endif

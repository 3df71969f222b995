/*
 * What the files of the channel share.  A frame is a datagram that waits or is
 * on its way; it holds one reception for each node it is meant for, and lives
 * until the last of those is over and it can collide with nothing more.
 */
#ifndef MULETEER_TOOLS_CHANNEL_INTERNAL_H
#define MULETEER_TOOLS_CHANNEL_INTERNAL_H

#include <sys/queue.h>

#include "tools/channel.h"

struct frame;

struct reception {
	TAILQ_ENTRY(reception) entry;
	uint64_t at_us;
	struct frame *frame;
	int node;
	unsigned copies; /* 0: not yet decided */
};

TAILQ_HEAD(reception_list, reception);
TAILQ_HEAD(frame_list, frame);

struct frame {
	TAILQ_ENTRY(frame) entry; /* of its node's queue, then of the air */
	uint64_t order, since_us;
	uint64_t turn_us, start_us, end_us; /* turn_us: its sender went deaf */
	uint64_t gone_us;                   /* has passed every node */
	uint64_t ruined; /* a bit for each node where it collided */
	bool counted;    /* ...in the statistics */
	int from;
	size_t octets;
	unsigned refs;
	unsigned nreceptions;
	uint8_t *data; /* behind the receptions */
	size_t len;
	struct reception receptions[];
};

struct pair {
	struct channel_path path;
	uint64_t random;
	bool bad;         /* Gilbert-Elliott */
	uint64_t last_us; /* no later datagram arrives before this */
};

struct node {
	struct channel_node_stats stats;
	struct frame_list queue;
	uint32_t waiting;
	uint64_t free_us;  /* its last datagram is sent */
	uint64_t retry_us; /* not before, it heard a carrier */
	uint64_t random;
};

struct channel {
	struct channel_config cfg;
	struct node nodes[CHANNEL_NODES_MAX];
	int nnodes;
	struct pair pairs[CHANNEL_NODES_MAX][CHANNEL_NODES_MAX];
	struct channel_fade fades[CHANNEL_FADES_MAX];
	unsigned nfades;
	struct frame_list air; /* with collisions: what may still collide */
	uint64_t free_us;      /* half duplex: when the air is free */
	int last;              /* ...and who had it, -1 at first */
	uint64_t order;
	struct reception_list receptions; /* in order of at_us */
	struct frame *held;               /* what the last event points into */
	struct channel_stats stats;
};

/* channel_random.c */
uint64_t random_next(uint64_t *state);
bool random_chance(uint64_t *state, double probability);
uint64_t random_below(uint64_t *state, uint64_t limit); /* 0 if limit is 0 */

/* channel_loss.c: the next datagram of the pair is lost on the way. */
bool loss_decide(struct pair *p, uint64_t bits);

/* channel_fade.c: a fade loses what node hears from another in that time. */
bool fade_decide(struct channel *c, uint64_t *random, const struct frame *f,
    int node, uint64_t delay_us);

/*
 * channel_medium.c: when the node with the first of its queue may try next,
 * CHANNEL_NEVER if it may not; and that try, which gives the frame that went on
 * the air, or NULL when it heard a carrier.
 */
uint64_t medium_when(const struct channel *c, int node);
struct frame *medium_try(struct channel *c, uint64_t now_us, int node);

/* channel.c */
void frame_release(struct frame *f);

#endif

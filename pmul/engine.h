/*
 * Inside the engine: what its parts share.
 *
 *	engine.c  the public calls: dispatch of PDUs, timers, the order of sending
 *	tx.c      one outgoing message: its beginning and its end
 *	tx_round.c  ...its rounds and timers
 *	tx_put.c  ...its PDUs
 *	tx_ack.c  what an Ack_PDU tells about outgoing messages
 *	node.c    what is known about other nodes
 *	turn.c    whose turn it is on a half duplex channel
 *	rx.c      one incoming message: gathering, completion, tombstones
 *	rx_life.c   ...its beginning, its end, its timers
 *	rx_keep.c   ...its fragments, written down for a restart
 *	store.c   the fragments of one incoming message
 *	ack.c     the Acks owed to each transmitter
 *	claim.c   the dynamic group of one outgoing message
 *	group.c   the dynamic groups of others: joins, leaves, Rejects
 *
 * Costs.  A message, a destination, a transmitter is found by hash or binary
 * search, the next thing to do is on top of a heap, and sums are kept up to
 * date: nothing walks over all messages or all destinations for one PDU.  A
 * round looks once at each destination it has to name.  Only what management
 * says about a node, or the first Ack after its silence, looks at all messages.
 *
 * Memory.  Heaps and hash tables have the size of the limits in struct
 * pmul_config from the start, and events are promised before they happen, so
 * only submit(), input(), set_node() and the calls that restore can run out of
 * memory; each of them allocates all it needs before it changes anything.
 *
 * Time.  Two heaps of deadlines: timers in monotonic microseconds, expiries in
 * wall seconds, so that setting the clock moves the latter and not the former.
 */
#ifndef MULETEER_PMUL_ENGINE_H
#define MULETEER_PMUL_ENGINE_H

#include <sys/queue.h>

#include "pmul/heap.h"
#include "pmul/pace.h"
#include "pmul/pdu.h"
#include "pmul/pmul.h"
#include "pmul/prng.h"
#include "pmul/ring.h"
#include "pmul/rtt.h"
#include "pmul/table.h"

struct pmul_tx;
struct pmul_rx;
struct pmul_peer;
struct pmul_use;

TAILQ_HEAD(pmul_tx_list, pmul_tx);
TAILQ_HEAD(pmul_rx_list, pmul_rx);
TAILQ_HEAD(pmul_use_list, pmul_use);

/* What a node of the two heaps of deadlines is part of. */
enum pmul_timer_kind {
	PMUL_TIMER_TX,
	PMUL_TIMER_SILENCE, /* of a struct pmul_tx */
	PMUL_TIMER_RX,
	PMUL_TIMER_LIFE, /* of a struct pmul_rx */
	PMUL_TIMER_PEER,
	PMUL_TIMER_CLAIM,
	PMUL_TIMER_USE,
	PMUL_TIMER_AGE, /* of a struct pmul_use */
	PMUL_TIMER_REJECT,
};

/* See turn.h. */
struct pmul_turn {
	const struct pmul_tx *given; /* whose Acks are waited for */
	uint64_t acks_us;            /* ...until then */
	uint64_t round_us;           /* somebody else is sending until then */
};

/* Dynamic groups, ACP 142 3.8: see claim.h and group.h. */
struct pmul_groups {
	struct pmul_prng prng;
	struct pmul_table claims;    /* ours, by group */
	struct pmul_heap sends;      /* struct pmul_claim: a PDU is due */
	struct pmul_heap paused;     /* struct pmul_claim: no group is free */
	struct pmul_table groups;    /* of others, by group */
	struct pmul_table uses;      /* struct pmul_use, by message */
	struct pmul_use_list others; /* not joined, oldest first */
	struct pmul_table owed;      /* Rejects, by message */
	struct pmul_heap rejects;    /* ...that may leave */
	uint32_t nowed;
};

struct pmul_engine {
	struct pmul_config cfg;
	struct pmul_clock now; /* of the call being served, or the last one */
	struct pmul_prng prng;
	struct pmul_pace pace;
	struct pmul_rtt rtt;
	struct pmul_turn turn;
	struct pmul_groups groups;
	struct pmul_heap timers;   /* by monotonic microseconds */
	struct pmul_heap expiries; /* by wall seconds */
	struct pmul_heap acks;     /* struct pmul_peer: an Ack is due */
	struct pmul_heap sends;    /* struct pmul_tx: a PDU is due */
	struct pmul_table tx_table, rx_table, peer_table;
	struct pmul_table nodes; /* what is known of them, see node.h */
	uint32_t nodes_count;
	bool emcon;                   /* ours: nothing leaves */
	struct pmul_tx_list tx_over;  /* finished, oldest first */
	struct pmul_tx_list tx_dirty; /* rounds begun, not handed out */
	struct pmul_rx_list rx_done;  /* tombstones that acknowledge */
	struct pmul_rx_list rx_dead;  /* tombstones that ignore */
	struct pmul_rx_list rx_dirty; /* fragments not handed out */
	struct pmul_rx_list rx_open;  /* GATHERING, longest silent first */
	uint32_t tx_over_count, rx_done_count, rx_dead_count;
	struct pmul_ring events;
	struct pmul_counters counters;
	struct pmul_gauges gauges;
	uint64_t held_bytes; /* part of gauges.rx_bytes */
	uint64_t order;      /* of the next heap node */
	void *scratch;       /* pdu_max octets for lists being written */
};

#define PMUL_CONTAINER(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* The monotonic time us from now; saturates. */
uint64_t pmul_after(const struct pmul_engine *e, uint64_t us);

/* The wall time now, never negative. */
uint64_t pmul_wall_now(const struct pmul_engine *e);

/* The first second at which other clocks agree that expiry has passed. */
uint64_t pmul_expired_at(const struct pmul_engine *e, uint32_t expiry);

/* A node of its own rank: what is older goes first. */
void pmul_node_init(
    struct pmul_engine *e, struct pmul_heap_node *n, enum pmul_timer_kind kind);

#endif

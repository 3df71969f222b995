/*
 * Engines on a simulated radio channel, in virtual time.
 *
 * Every node is an engine; a multicast PDU reaches all other nodes, a unicast
 * PDU the one it is addressed to.  The channel loses, doubles, delays and
 * reorders for each receiver on its own, by a generator with a seed, so that
 * every run can be repeated.  The hooks let a test look at everything that is
 * sent and reported, and lose what it likes.
 */
#ifndef MULETEER_PMUL_TEST_SIM_H
#define MULETEER_PMUL_TEST_SIM_H

#include "pmul/heap.h"
#include "pmul/pdu.h"
#include "pmul/pmul.h"
#include "pmul/prng.h"

#define SIM_NODES_MAX 52
/* The wall clock at virtual time 0. */
#define SIM_WALL 1700000000

struct sim_node {
	struct pmul_engine *e;
	bool stores;          /* calls pmul_engine_stored() at once */
	bool deaf;            /* hears nothing */
	bool mute;            /* what it sends is lost */
	uint64_t air_free_us; /* its own channel, when full duplex */
};

struct sim_channel {
	unsigned loss_pct; /* for each receiver */
	unsigned dup_pct;
	unsigned reorder_pct; /* held up for reorder_us more */
	uint64_t delay_us, jitter_us, reorder_us;
	uint32_t bit_rate; /* shared by all nodes; 0: no air time */
	bool full_duplex;  /* ...each node has a channel of its own */
	unsigned overhead_bytes;
};

struct sim {
	uint64_t now_us;
	int64_t wall_step; /* added to the wall clock */
	unsigned nnodes;
	struct sim_node nodes[SIM_NODES_MAX]; /* node i is nodes[i - 1] */
	struct sim_channel channel;
	struct pmul_prng prng;
	struct pmul_heap flight;
	uint64_t order;
	uint64_t air_free_us;
	uint64_t air_bytes, air_pdus; /* layers below included */
	bool dynamic; /* what is submitted goes to groups of the pool */
	struct pmul_config cfg; /* of all nodes, but for node_id and seed */

	/* Hooks; NULL or set by the test. */
	void *ctx;
	/* Node from sends a PDU. */
	void (*sent)(struct sim *s, unsigned from, const struct pmul_pdu *pdu,
	    const struct pmul_where *where);
	/* Whether it reaches node to; asked before chance is. */
	bool (*reaches)(struct sim *s, unsigned from, unsigned to,
	    const struct pmul_pdu *pdu);
	void (*event)(
	    struct sim *s, unsigned node, const struct pmul_event *ev);
};

/* nnodes engines with cfg; node_id and seed are set here. */
void sim_init(struct sim *s, uint64_t seed, unsigned nnodes,
    const struct pmul_config *cfg);
void sim_release(struct sim *s);

/* A node starts anew and knows nothing; what is on its way to it arrives. */
void sim_restart(struct sim *s, unsigned node);

/* Node's own EMCON.  What it sends in EMCON fails the test. */
void sim_emcon(struct sim *s, unsigned node, bool on);

/* Source_ID of node i, 1 <= i <= nnodes, and back (0: none). */
uint32_t sim_id(unsigned node);
unsigned sim_node(uint32_t id);

struct pmul_clock sim_clock(const struct sim *s);

/* Node from sends len octets to the nodes whose bit (1 << i) is set. */
int sim_submit(struct sim *s, unsigned from, uint32_t msid, uint8_t priority,
    int64_t lifetime_s, uint64_t to, const void *data, size_t len);

/* The message is stored after all. */
int sim_store(struct sim *s, unsigned node, unsigned from, uint32_t msid);

/* Fetch and deliver what node has to say now. */
void sim_pump(struct sim *s, unsigned node);

/* Hand node a datagram now. */
int sim_input(
    struct sim *s, unsigned node, unsigned from, const void *buf, size_t len);

/*
 * Let time pass until then.  sim_step() goes to the next thing that happens,
 * but not beyond until_us, and says whether anything did.
 */
bool sim_step(struct sim *s, uint64_t until_us);
void sim_run(struct sim *s, uint64_t until_us);

/* When something will happen next: UINT64_MAX if never. */
uint64_t sim_next(const struct sim *s);

#endif

/*
 * Our engine in the place of a node of a capture: one run through a tape, in
 * virtual time.
 *
 * The engine hears what the node heard, when it was captured, and is asked to
 * speak when the node spoke.  So a node that is a little later than ours is no
 * difference by itself; what counts is
 *	what the node sent and our engine does not want to, within tolerance_us;
 *	what our engine wants to send, for so long, and the node does not.
 * What is random is the node's: an Ack's delay is taken from the capture if it
 * is one that our engine might have drawn, and Message_IDs, sequence numbers,
 * priority, destinations and Expiry_Time are what the node submitted.
 *
 * The engine is deterministic, and so is a run.
 */
#ifndef MULETEER_TOOLS_CAP_RERUN_H
#define MULETEER_TOOLS_CAP_RERUN_H

#include "pmul/pmul.h"
#include "tools/cap_tape.h"

struct cap_diff {
	uint64_t at_us;
	/* A PDU of the tape that our engine would not have sent; else
	 * SIZE_MAX, and it is our engine's PDU that the node did not send. */
	size_t sent;
	struct pmul_pdu pdu; /* one or the other */
};

struct cap_rerun {
	const struct cap_tape *tape;
	struct pmul_config pmul;
	const struct pmul_node *nodes;
	size_t nnodes;
	const struct cap_emcon *emcon; /* since the tape's first_us */
	size_t nemcon;
	uint64_t tolerance_us;
	/* The run ends with the first difference after that time... */
	uint64_t after_us;
	/* ...unless this is told of each of them. */
	void (*differs)(void *ctx, const struct cap_diff *d);
	/* NULL, or told of what agrees, and of each event. */
	void (*agrees)(void *ctx, size_t sent);
	void (*happens)(void *ctx, uint64_t at_us, const struct pmul_event *ev);
	void *ctx;
	/* Results. */
	size_t differences, same;
	uint64_t ended_us; /* when that was; UINT64_MAX: there is none */
	uint32_t source;   /* ...whose message it is about */
	uint32_t apart;    /* ...entries by which two Acks differ */
	uint32_t refused, unasked; /* inputs and submits that were refused */
	uint64_t steps;            /* how much work it was */
	bool endless;              /* too much: it ended at ended_us */
};

/* false: out of memory. */
bool cap_rerun(struct cap_rerun *r);

#endif

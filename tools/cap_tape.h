/*
 * A capture in memory, for who has to run through it more than once: every
 * P_MUL PDU in the order of time, seen from one node.
 *
 * Bounded: a capture that does not fit CAP_TAPE_BYTES_MAX is refused.
 */
#ifndef MULETEER_TOOLS_CAP_TAPE_H
#define MULETEER_TOOLS_CAP_TAPE_H

#include "tools/cap_feed.h"

#define CAP_TAPE_BYTES_MAX ((size_t)512 << 20)

/* What became of a PDU on its way to the node. */
enum cap_fate {
	CAP_HEARD,
	/* ...when the node had already made its next PDU. */
	CAP_HEARD_LATE,
	CAP_LOST,
};

struct cap_tape_pdu {
	uint64_t at_us, frame;
	struct cap_endpoint from, to;
	size_t offset;       /* of its octets */
	struct pmul_pdu pdu; /* decoded; a view of them */
	uint32_t len;
	bool v6;
	bool ours;          /* sent by the node */
	enum cap_fate fate; /* if not */
	uint32_t message;   /* ours, but Acks: the number of it, from 1 */
};

/* What the node sent, as it must have been submitted. */
struct cap_tape_message {
	uint32_t msid, expiry;
	uint32_t group; /* 0: a dynamic one */
	uint8_t priority;
	size_t first;    /* its first PDU */
	const char *why; /* it cannot be submitted; NULL: it can */
	struct pmul_dest *dests;
	size_t ndests;
	uint8_t *data;
	size_t len;
};

struct cap_tape {
	uint32_t node;
	struct cap_tape_pdu *pdus;
	size_t npdus, cap;
	uint8_t *octets;
	size_t used, octets_cap;
	struct cap_tape_message *messages;
	size_t nmessages;
	uint32_t pool; /* the dynamic group that the node asked for; 0: none */
};

/* 0, or CAP_UNUSABLE after saying why on standard error. */
int cap_tape_load(
    const struct cap_opts *o, uint32_t node, struct cap_tape *ret_t);
void cap_tape_release(struct cap_tape *t);

/* Mark what the node's own Acks say it has not heard.  false: out of memory. */
bool cap_tape_mark_lost(struct cap_tape *t);

#endif

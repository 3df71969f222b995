/*
 * What `mulecap check` can find, and what it remembers beside the model.
 *
 * A finding breaks the protocol or wastes the air.  A note is what only looks
 * so: who repeats for a node that has acknowledged may have lost the Ack, and
 * a capture does not tell.  Notes are printed, but do not count.
 *
 * A new kind also goes into the table of cap_check.c, into mulecap(1), and
 * into BAD of tests/test_mulecap.py.
 */
#ifndef MULETEER_TOOLS_CAP_CHECK_H
#define MULETEER_TOOLS_CAP_CHECK_H

#include "tools/cap_feed.h"

enum cap_kind {
	CAP_MALFORMED,
	CAP_CHECKSUM,
	CAP_TYPE,
	CAP_MAP,
	CAP_TRAILING,
	CAP_SEQUENCE,
	CAP_TOTAL,
	CAP_TOTAL_SHRINKS,
	CAP_TOTAL_GROWS,
	CAP_EXPIRY_CHANGES,
	CAP_UNSORTED,
	CAP_RENUMBERED,
	CAP_NUMBERING,
	CAP_REUSE,
	CAP_EXPIRED,
	CAP_AFTER_DISCARD,
	CAP_NO_DISCARD,
	CAP_DISCARD_PORT,
	CAP_DISCARD_NTNU,
	CAP_ACKED_DEST,
	CAP_ACKED_DATA,
	CAP_BARE_REPEAT,
	CAP_ROUND_TWICE,
	CAP_EXTRA_FIRST,
	CAP_PDU_SIZE,
	CAP_ACK_SOURCE,
	CAP_ACK_STRANGER,
	CAP_ACK_IMPLOSION,
	CAP_ACK_REPEAT,
	CAP_NO_ACK_ACK,
	CAP_ACKED_DAMAGED,
	CAP_MISSING_LIST,
	CAP_MISSING_ABOVE,
	CAP_LONG_ENTRY,
	CAP_RANGE_NTNU,
	CAP_EARLY_NACK,
	CAP_NACK_REPEAT,
	CAP_SILENT_ROUND,
	CAP_REJECT_GROUP,
	CAP_REJECT_SOURCE,
	CAP_EMCON,
	CAP_PACING,
	CAP_KINDS
};

/* Nodes that a burst of Acks comes from, to be called an implosion. */
#define CAP_BURST 8
/* Request_PDUs and Announce_PDUs that are remembered. */
#define CAP_GROUPS 64
/* Nodes that have shown the dialect of NTNU's library. */
#define CAP_DIALECT 256
/* Pairs of source and destination whose numbering is watched. */
#define CAP_PAIRS 16384

struct cap_group {
	unsigned type; /* of the PDU */
	uint32_t source, msid, group;
};

/* The Message_Sequence_Numbers that a source has used for a destination. */
struct cap_pair {
	uint32_t source, dest, top;
	uint64_t used; /* bit i: top - i */
};

struct cap_check {
	const struct cap_opts *o;
	struct cap_model *model;
	const struct cap_seen *now;
	uint64_t findings;
	uint64_t last_us; /* of the last PDU */
	double busy_until_s;
	bool too_fast; /* said once until the backlog is gone */
	struct cap_group groups[CAP_GROUPS]; /* ring */
	size_t ngroups;
	uint32_t dialect[CAP_DIALECT];
	size_t ndialect;
	struct cap_pair *pairs; /* hash table, the newer one stays */
	/* The Acks of one message that are coming in a burst. */
	uint32_t burst_message, burst[CAP_BURST];
	size_t nburst;
	uint64_t burst_us;
	/* The message that the last PDU of any sender was of, and how often. */
	uint32_t sending_source, sending_msid, sending;
};

/* Say it, of the PDU at hand. */
void cap_found(struct cap_check *c, enum cap_kind kind);
/* ...if it is one, or else as a note. */
void cap_found_if(struct cap_check *c, bool finding, enum cap_kind kind);

/* cap_check_sender.c: what a sender of messages emits; m NULL: not known. */
void cap_check_data(struct cap_check *c, const struct cap_message *m);
void cap_check_address(struct cap_check *c, const struct cap_message *m);
void cap_check_discard(struct cap_check *c, const struct cap_message *m);

/* cap_check_ack.c: what a receiver of messages emits. */
void cap_check_ack(struct cap_check *c);

/* Whether the node has shown the dialect; and that it has. */
bool cap_is_ntnu(const struct cap_check *c, uint32_t node);
void cap_set_ntnu(struct cap_check *c, uint32_t node);
/* The last such PDU of a message, or NULL. */
const struct cap_group *cap_group_find(
    const struct cap_check *c, unsigned type, uint32_t source, uint32_t msid);

#endif

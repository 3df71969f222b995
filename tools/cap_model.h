/*
 * What a capture says about each message: fed one PDU at a time, it keeps the
 * destinations, what they acknowledged, and the fragments.
 *
 * Bounded whatever the capture holds: messages_max messages and bytes_max
 * octets for all of them; beyond that, and after age_us of silence, the message
 * not heard for the longest is handed to done() and forgotten.  The contents
 * of one message may take message_max octets; of a larger one they are dropped
 * (too_large), all else is still counted.  Pure: no file, no clock; done() is
 * called from within the functions below and must not call them.
 */
#ifndef MULETEER_TOOLS_CAP_MODEL_H
#define MULETEER_TOOLS_CAP_MODEL_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pmul/pdu.h"
#include "pmul/seqset.h"
#include "tools/cap_read.h"

/* Destinations of one message; more are not followed. */
#define CAP_DESTS_MAX 4096

struct cap_dest {
	uint32_t id, seq;
	bool complete;
	uint64_t heard_us; /* its last Ack; 0: none */
	uint64_t acked_us; /* ...and the first that missed nothing */
	uint32_t missing;  /* numbers in its last Ack */
	uint32_t lost;     /* ...in its first */
	uint32_t acks;
	uint32_t idle_acks;  /* since the sender's last PDU of the message */
	uint32_t unheeded;   /* rounds that listed it though it was complete */
	uint32_t round;      /* the last one that listed it */
	uint64_t nack_hash;  /* of the last list of missing numbers */
	uint32_t same_nacks; /* it came so often since a PDU listed the node */
	struct pmul_seqset has; /* what its missing lists say that it has */
};

struct cap_fragment {
	uint8_t *data; /* owned; NULL when contents are not kept */
	uint32_t len, times;
	uint32_t round; /* the last it was sent in */
	uint64_t hash;  /* of the contents */
};

struct cap_message {
	uint32_t source, msid, expiry, total;
	uint32_t number; /* of the message in the capture, from 1 */
	uint8_t priority;
	bool addressed; /* an Address_PDU was seen */
	bool in_data;   /* Data_PDUs since the last Address_PDU */
	bool set_open;  /* the last Address_PDU was not the last of its set */
	bool ack_acked; /* an Address_PDU without destinations was seen */
	bool too_large; /* its contents are not kept */
	uint64_t first_us, last_us, first_frame, last_frame;
	uint64_t discarded_us;    /* 0: not */
	uint64_t round_us;        /* the last round began */
	uint64_t ack_us;          /* the last Ack for it came; 0: none */
	uint64_t spoke_us;        /* the last PDU of the sender */
	uint64_t sent_us, gap_us; /* last Address or Data_PDU; time before it */
	uint32_t rounds, data_pdus, repeats, have;
	uint32_t inside;   /* of the fragments, those not above the Total */
	uint32_t complete; /* destinations that are */
	uint32_t damaged;  /* PDUs of it with a wrong checksum */
	uint16_t top;      /* the highest number sent so far */
	uint64_t payload;  /* octets of distinct fragments */
	uint64_t air_data, air_address, air_ack; /* octets with IP headers */
	struct cap_dest *dests; /* in the order they were named */
	size_t ndests, dests_cap;
	uint16_t *dest_index; /* hash table of positions + 1; 0: free */
	uint64_t seed;        /* of the hash */
	struct cap_fragment *fragments; /* number s at [s - 1] */
	size_t nfragments;
	size_t bytes; /* what all of this takes */
	TAILQ_ENTRY(cap_message) by_age;
	LIST_ENTRY(cap_message) by_id, by_msid;
};

struct cap_model_config {
	size_t messages_max, bytes_max, message_max;
	uint64_t age_us;
	uint64_t seed; /* random: who made the capture may want collisions */
	bool keep;     /* the contents of fragments */
	void (*done)(void *ctx, const struct cap_message *m);
	void *ctx;
};

struct cap_model;

bool cap_model_new(const struct cap_model_config *c, struct cap_model **ret_m);
/* Forgets everything without calling done(). */
void cap_model_free(struct cap_model **m);

/* Count a PDU.  false: out of memory; the PDU may be counted in part. */
bool cap_model_take(struct cap_model *m, const struct cap_datagram *d,
    const struct pmul_pdu *pdu);
/* A datagram whose checksum is wrong looks as if it were of this message. */
void cap_model_damaged(struct cap_model *m, uint32_t source, uint32_t msid);
/* The capture is over: done() for every message, the oldest first. */
void cap_model_finish(struct cap_model *m);

/* NULL: not known. */
struct cap_message *cap_model_find(
    const struct cap_model *m, uint32_t source, uint32_t msid);
/*
 * The message that an entry of an Ack_PDU is about.  NTNU's library names who
 * acknowledges in place of the source: then it is the newest with that id that
 * names this node, unless another entry of the PDU says which by its source.
 * NULL: not known.
 */
struct cap_message *cap_model_acked(const struct cap_model *m,
    const struct pmul_pdu *ack, const struct pmul_ack_entry *e);
struct cap_dest *cap_message_dest(const struct cap_message *m, uint32_t id);

/* All fragments are there, and none that the Total does not know of. */
bool cap_message_whole(const struct cap_message *m);
/* To tell contents apart. */
uint64_t cap_hash(const void *data, size_t len);
/* Numbers that an entry's ranges miss. */
uint32_t cap_entry_missing(const struct pmul_ack_entry *e, uint16_t *ret_max);

#endif

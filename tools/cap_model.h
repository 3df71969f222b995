/*
 * What a capture says about each message: fed one PDU at a time, it keeps the
 * destinations, what they acknowledged, and the fragments.
 *
 * Bounded whatever the capture holds: messages_max messages and bytes_max
 * octets for all of them; beyond that, and after age_us of silence, the message
 * not heard for the longest is handed to done() and forgotten.  Pure: no file,
 * no clock; done() is called from within the functions below and must not call
 * them.
 */
#ifndef MULETEER_TOOLS_CAP_MODEL_H
#define MULETEER_TOOLS_CAP_MODEL_H

#include <sys/queue.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pmul/pdu.h"
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
	uint32_t idle_acks; /* complete ones since an Address_PDU named it */
};

struct cap_fragment {
	uint8_t *data; /* owned; NULL when contents are not kept */
	uint32_t len, times;
	uint64_t hash; /* of the contents */
};

struct cap_message {
	uint32_t source, msid, expiry, total;
	uint8_t priority;
	bool addressed; /* an Address_PDU was seen */
	bool in_data;   /* Data_PDUs since the last Address_PDU */
	uint64_t first_us, last_us, first_frame;
	uint64_t discarded_us; /* 0: not */
	uint32_t rounds, data_pdus, repeats, have;
	uint64_t payload; /* octets of distinct fragments */
	uint64_t air_data, air_address, air_ack; /* octets with IP headers */
	struct cap_dest *dests;
	size_t ndests, dests_cap;
	struct cap_fragment *fragments; /* number s at [s - 1] */
	size_t nfragments;
	size_t bytes; /* what all of this takes */
	TAILQ_ENTRY(cap_message) by_age;
	LIST_ENTRY(cap_message) by_id;
};

struct cap_model_config {
	size_t messages_max, bytes_max;
	uint64_t age_us;
	bool keep; /* the contents of fragments */
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
/* The capture is over: done() for every message, the oldest first. */
void cap_model_finish(struct cap_model *m);

/* NULL: not known. */
struct cap_message *cap_model_find(
    const struct cap_model *m, uint32_t source, uint32_t msid);
/* A message with that id that names dest: Acks of NTNU's name no source. */
struct cap_message *cap_model_find_dest(
    const struct cap_model *m, uint32_t msid, uint32_t dest);
struct cap_dest *cap_message_dest(const struct cap_message *m, uint32_t id);

/* All fragments are there. */
bool cap_message_whole(const struct cap_message *m);
/* FNV-1a, to tell contents apart. */
uint64_t cap_hash(const void *data, size_t len);
/* Numbers that an entry's ranges miss. */
uint32_t cap_entry_missing(const struct pmul_ack_entry *e, uint16_t *ret_max);

#endif

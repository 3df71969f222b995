/*
 * P_MUL PDUs: between octets and structs, nothing more.
 *
 * A decoded PDU is a view: its lists point into the datagram and are read with
 * the accessors below, so that decoding allocates nothing and its cost does
 * not depend on what a peer claims.  Encoders write into a caller's buffer and
 * compute the Fletcher checksum last.
 *
 * Formats, field names and figures: ACP 142 and 142(A); all integers are
 * big-endian.  A new PDU type also goes into pmul_pdu_print(),
 * pmul/fuzz/fuzz_pdu.c and test-vectors/pmul/.
 */
#ifndef MULETEER_PMUL_PDU_H
#define MULETEER_PMUL_PDU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pmul/pmul.h"

enum pmul_pdu_type {
	PMUL_DATA = 0x00,
	PMUL_ACK = 0x01,
	PMUL_ADDRESS = 0x02,
	PMUL_DISCARD = 0x03,
	PMUL_ANNOUNCE = 0x04,
	PMUL_REQUEST = 0x05,
	PMUL_REJECT = 0x06,
	PMUL_RELEASE = 0x07,
	PMUL_FEC_ADDRESS = 0x08,
	PMUL_EXTRA_ADDRESS = 0x12,
	PMUL_EXTRA_FEC_ADDRESS = 0x18,
};

/* Octets before the first destination entry of an Address_PDU. */
#define PMUL_ADDRESS_HEADER 24
/* ...and before the first Destination_ID of an Announce_PDU. */
#define PMUL_ANNOUNCE_HEADER 24
/* A Destination_Entry without reserved field. */
#define PMUL_DEST_ENTRY 8
/* Octets before the first ACK_Info_Entry, and an entry that misses nothing. */
#define PMUL_ACK_HEADER 14
#define PMUL_ACK_ENTRY 10

struct pmul_pdu {
	enum pmul_pdu_type type;
	uint16_t length; /* Length_of_PDU */
	uint8_t priority;
	bool first, last; /* MAP: position in a set; true, true when alone */
	uint32_t source;  /* Source_ID; in an Ack_PDU: the node that sends it */
	uint32_t msid;    /* all but Ack */
	uint16_t total;   /* Address family: Total_Number_of_PDUs */
	uint16_t seq;     /* Data: Sequence_Number_of_PDU */
	uint32_t expiry;  /* Address family, Announce: Expiry_Time */
	uint32_t group;   /* Announce, Request, Reject, Release */
	uint16_t count;   /* entries of the list below */
	bool has_timestamp; /* Ack: 142(A) option */
	uint64_t timestamp; /* Ack: 100 ms units */
	uint8_t fec_id;     /* FEC variants */
	const uint8_t *fec; /* FEC_Parameters */
	size_t fec_len;
	const uint8_t *data; /* Data: the fragment */
	size_t data_len;

	/* The list, for the accessors only. */
	const uint8_t *list;
	size_t list_len;
	size_t entry_len;
};

/*
 * Decode the PDU at the start of buf.  Octets after Length_of_PDU are ignored
 * (NTNU pads its retransmissions).  The checksum may be Fletcher or Internet.
 * On success *ret_pdu points into buf.
 * PMUL_EMALFORMED, PMUL_ECHECKSUM, PMUL_ETYPE; *ret_pdu is then untouched.
 */
int pmul_pdu_decode(
    const void *buf, size_t len, struct pmul_pdu *ret_pdu) PMUL_NODISCARD;

/* Destination entry i < count of an Address family PDU. */
struct pmul_dest pmul_pdu_dest(const struct pmul_pdu *pdu, size_t i);

/* Destination_ID i < count of an Announce_PDU. */
uint32_t pmul_pdu_announced(const struct pmul_pdu *pdu, size_t i);

/* --- acknowledgements ------------------------------------------------- */

/* One ACK_Info_Entry; missing and nmissing are the raw 16-bit list. */
struct pmul_ack_entry {
	uint32_t source; /* originator of the acknowledged message */
	uint32_t msid;
	const uint8_t *missing;
	size_t nmissing; /* 16-bit numbers; 0: completely received */
};

/* Walks the entries of a decoded Ack_PDU: start with *pos = 0. */
bool pmul_pdu_next_ack(
    const struct pmul_pdu *pdu, size_t *pos, struct pmul_ack_entry *ret_entry);

/*
 * Walks the missing list of an entry as closed ranges, a single number being a
 * range of one: start with *pos = 0.  Follows 142(A): `first, 0, last` is a
 * range; a number not greater than its predecessor ends the list; what makes
 * no sense (a lone 0, first >= last) is skipped.
 */
bool pmul_ack_next_range(const struct pmul_ack_entry *entry, size_t *pos,
    uint16_t *ret_first, uint16_t *ret_last);

/* --- encoders ---------------------------------------------------------- */

/*
 * Each writes one PDU into buf and returns its length, or 0 if cap is too
 * small; the caller's values are taken as they are.
 */

/*
 * Address_PDU or Extra_Address_PDU (type says which), n destinations.
 * n = 0 is the Ack-Ack.
 */
size_t pmul_pdu_put_address(void *buf, size_t cap, const struct pmul_pdu *pdu,
    const struct pmul_dest *dests, size_t n);

size_t pmul_pdu_put_data(void *buf, size_t cap, uint8_t priority,
    uint32_t source, uint32_t msid, uint16_t seq, const void *data, size_t len);

size_t pmul_pdu_put_discard(
    void *buf, size_t cap, uint8_t priority, uint32_t source, uint32_t msid);

/* type is PMUL_REQUEST, PMUL_REJECT or PMUL_RELEASE. */
size_t pmul_pdu_put_group(void *buf, size_t cap, enum pmul_pdu_type type,
    uint32_t source, uint32_t msid, uint32_t group);

/* Announce_PDU from the fields source, msid, expiry, group, first, last. */
size_t pmul_pdu_put_announce(void *buf, size_t cap, const struct pmul_pdu *pdu,
    const uint32_t *ids, size_t n);

/*
 * An Ack_PDU is built entry by entry: begin, entries, end.  Each entry returns
 * false, and changes nothing, when it does not fit any more.
 */
struct pmul_ack_writer {
	uint8_t *buf;
	size_t cap;
	size_t len;
	uint16_t entries;
};

void pmul_ack_begin(struct pmul_ack_writer *w, void *buf, size_t cap,
    uint8_t priority, uint32_t sender);
bool pmul_ack_entry_add(struct pmul_ack_writer *w, uint32_t source,
    uint32_t msid, const uint16_t *missing, size_t nmissing);
/* timestamp NULL: none.  Returns the length of the PDU, 0 if it has no entry. */
size_t pmul_ack_end(struct pmul_ack_writer *w, const uint64_t *timestamp);

/* --- for people --------------------------------------------------------- */

/* The name ACP 142 gives the type: "Address_PDU"; NULL if unknown. */
const char *pmul_pdu_name(unsigned type);

/*
 * One line about the PDU into buf, always terminated; returns the length it
 * would have had, as snprintf does.
 */
size_t pmul_pdu_print(const struct pmul_pdu *pdu, char *buf, size_t cap);

/* --- checksums ---------------------------------------------------------- */

/* Write the Fletcher checksum (annex B) into octets 6 and 7 of the PDU. */
void pmul_checksum_put(void *pdu, size_t len);

/* Whether the PDU carries a right Fletcher or Internet checksum. */
bool pmul_checksum_good(const void *pdu, size_t len);

/* The Internet checksum (RFC 1071) of the PDU, its field taken as zero. */
uint16_t pmul_checksum_internet(const void *pdu, size_t len);

#endif

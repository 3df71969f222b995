/*
 * The fragments of one incoming message.
 *
 * A Data_PDU says which fragment it carries but not where in the message that
 * belongs, and fragments may have any size.  So they are kept in a log in the
 * order of arrival and put together when the last one is there.  The memory
 * follows what was received, not what a peer says is to come.
 */
#ifndef MULETEER_PMUL_STORE_H
#define MULETEER_PMUL_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "pmul/seqset.h"

struct pmul_store {
	struct pmul_seqset have;
	uint8_t *log; /* records: number, length (16 bits
		      * each), octets */
	size_t log_len, log_cap;
	size_t bytes; /* octets of the message so far */
};

struct pmul_record {
	uint16_t seq;
	size_t len;
	const uint8_t *data;
};

/*
 * Walks a log, or octets that claim to be one: start with *pos = 0.  At the end
 * seq is 0.  PMUL_EMALFORMED.
 */
int pmul_record_next(const uint8_t *log, size_t len, size_t *pos,
    struct pmul_record *ret_r) PMUL_NODISCARD;

void pmul_store_init(struct pmul_store *s);
void pmul_store_release(struct pmul_store *s);

/* Keep fragment seq, which is not there yet.  PMUL_ENOMEM: unchanged. */
int pmul_store_add(struct pmul_store *s, uint16_t seq, const void *data,
    size_t len) PMUL_NODISCARD;

/* Take back what was added since the log was this long. */
void pmul_store_cut(struct pmul_store *s, size_t log_len);

/*
 * The whole message of total fragments: those of s, and fragment seq, which is
 * not among them (0: s has all).  The caller frees *ret_data, which is not NULL
 * even for an empty message.  PMUL_ENOMEM.
 */
int pmul_store_join(const struct pmul_store *s, uint32_t total, uint16_t seq,
    const void *data, size_t len, uint8_t **ret_data,
    size_t *ret_len) PMUL_NODISCARD;

#endif

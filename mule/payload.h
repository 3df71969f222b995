/*
 * A message as MULE transmits it: envelope and content, compressed, wrapped in
 * a CompressedData (RFC 8494 section 4).
 */
#ifndef MULETEER_MULE_PAYLOAD_H
#define MULETEER_MULE_PAYLOAD_H

#include "asn1/cdt.h"
#include "mule/envelope.h"
#include "mule/mule.h"

/* What a link wants. */
struct mule_pack_how {
	enum ber_tagging tagging;
	uint64_t bit_rate; /* bit/s: the slower, the longer may packing take */
};

/*
 * Pack content under an envelope with these lines into a new block in *ret_buf,
 * the caller's to free().  Takes the CPU time of the densest compression, which
 * on a slow link is seconds; call it from a worker.
 * MULE_ENOMEM, MULE_ETOOBIG (2 GiB), MULE_ECOMPRESS.
 */
int mule_pack(const struct mule_pack_how *how, struct smtp_str from_line,
    const struct smtp_str *rcpt_lines, size_t nrcpts, const void *content,
    size_t len, uint8_t **ret_buf, size_t *ret_len) MULE_NODISCARD;

struct mule_limits {
	size_t payload_max; /* octets after inflating */
	unsigned ratio_max; /* ...as a multiple of those before; 0: any */
	size_t rcpts_max;
};

struct mule_message {
	uint8_t *payload; /* owned; the rest points into it */
	size_t len;
	struct mule_envelope envelope;
	const uint8_t *content;
	size_t content_len;
};

/*
 * The reverse.  Any error of enum mule_err or enum ber_err says why the payload
 * is not MULE; mule_strerror() puts it into words for the quarantine.
 */
int mule_unpack(const void *cdt, size_t len, const struct mule_limits *limits,
    struct mule_message *ret_m) MULE_NODISCARD;
void mule_message_release(struct mule_message *m);

#endif

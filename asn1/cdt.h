/*
 * CompressedData of STANAG 4406 Annex E, which wraps every MULE payload:
 * RFC 8494 section 4.2; the module is in cdt.asn.
 *
 * Writing: a head of at most BER_CDT_HEAD_MAX octets, behind which the caller's
 * compressed stream follows as it is.  Reading: the walker hands out the
 * stream in the pieces it came in.  Neither copies it.
 */
#ifndef MULETEER_ASN1_CDT_H
#define MULETEER_ASN1_CDT_H

#include "asn1/ber.h"

/* The short form of MULE's content type, and of zlib: RFC 8494 4.2. */
#define BER_CDT_MULE 25
#define BER_CDT_ZLIB 0

/*
 * How the two short forms are tagged.  The RFC's module text says EXPLICIT, the
 * fielded decoders say IMPLICIT; we emit what we are told and read both.
 */
enum ber_tagging { BER_IMPLICIT, BER_EXPLICIT };

#define BER_CDT_HEAD_MAX 40

/*
 * Write what goes in front of a stream of len octets into head; returns its
 * length, or 0 when the whole would reach 2 GiB.
 */
size_t ber_cdt_head(
    enum ber_tagging tagging, size_t len, uint8_t head[BER_CDT_HEAD_MAX]);

struct ber_cdt {
	struct ber_walk walk;
	enum ber_tagging tagging; /* of the content type, as it was read */
	bool in_string;           /* the OCTET STRING was begun */
	bool done;
	size_t string_depth;   /* level that holds the OCTET STRING */
	uint32_t content_type; /* set also when it is BER_ECONTENTTYPE */
};

/*
 * Read everything up to the stream.  buf is borrowed while chunks are fetched.
 * Any of enum ber_err.
 */
int ber_cdt_open(struct ber_cdt *c, const void *buf, size_t len) BER_NODISCARD;

/*
 * 1: the next piece of the stream, possibly empty, inside buf.  0: that was
 * all, and everything behind it is as it must be.  Negative: it is not.
 */
int ber_cdt_next(
    struct ber_cdt *c, const uint8_t **ret_p, size_t *ret_len) BER_NODISCARD;

#endif

/*
 * The zlib stream (RFC 1950) of a MULE payload.
 *
 * Air time is dear and CPU is cheap, so the densest stream wins: libdeflate's
 * level 12 up to MULE_ZIP_DENSE_MAX octets, zlib's level 9 above, where
 * libdeflate would want all of it in memory several times.  Inflating streams,
 * and stops at a limit of size and of ratio: a bomb costs its sender more than
 * us.
 */
#ifndef MULETEER_MULE_ZIP_H
#define MULETEER_MULE_ZIP_H

#include <stdbool.h>

/* Input is not written to, and zlib says so when asked. */
#ifndef ZLIB_CONST
#define ZLIB_CONST
#endif
#include <zlib.h>

#include "mule/mule.h"

#define MULE_ZIP_DENSE_MAX (4u * 1024 * 1024)

/* The ratio is looked at only beyond this much output. */
#define MULE_ZIP_RATIO_FROM (1024u * 1024)

/*
 * Compress data into a new block: head octets left free for the caller, then
 * the stream.  *ret_len counts both; free() the block.
 * MULE_ENOMEM, MULE_ECOMPRESS.
 */
int mule_deflate(const void *data, size_t len, size_t head, uint8_t **ret_buf,
    size_t *ret_len) MULE_NODISCARD;

/* Inflates a stream that comes in pieces into one growing block. */
struct mule_inflate {
	z_stream z;
	uint8_t *out;
	size_t cap, max;
	unsigned ratio_max; /* output may be so many times the input; 0: any */
	bool ended;         /* the stream said so */
	bool ready;         /* z is initialised */
};

/* Output at most max octets.  MULE_ENOMEM. */
int mule_inflate_init(
    struct mule_inflate *i, size_t max, unsigned ratio_max) MULE_NODISCARD;
int mule_inflate_feed(
    struct mule_inflate *i, const void *data, size_t len) MULE_NODISCARD;
/* The output, now the caller's to free(); MULE_ETRUNCATED if it is not whole. */
int mule_inflate_finish(
    struct mule_inflate *i, uint8_t **ret_buf, size_t *ret_len) MULE_NODISCARD;
/* At any time after init, also after an error or finish. */
void mule_inflate_release(struct mule_inflate *i);

#endif

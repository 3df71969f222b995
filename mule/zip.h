/*
 * The zlib stream (RFC 1950) of a MULE payload.
 *
 * Air time is dear and CPU is cheap, so the densest stream wins: libdeflate's
 * level 12 up to MULE_ZIP_DENSE_MAX octets, zlib's level 9 above, where
 * libdeflate would want all of it in memory several times.  On a link beyond
 * MULE_ZIP_DENSE_RATE, which is no radio, the processor is what is short:
 * libdeflate's level 9 leaves up to 1 % more and takes a quarter to an eighth of
 * the time.  What level 12 made is squeezed again by zopfli if that saves more
 * seconds on the air than it costs in the CPU; whichever is smaller is kept.
 *
 * Zopfli was written for a command line.  When an allocation fails inside it,
 * it calls exit() or follows a null pointer, and ends the process; there is no
 * error to return.  So it gets only inputs whose need for memory is known and
 * small (MULE_ZIP_ZOPFLI_MAX), and only after a block of that size could be
 * allocated at once; otherwise libdeflate's stream stays.  That leaves the
 * moment in which another thread takes what was just free.  Its time has no
 * good bound either: text of two letters takes thirty times as long as mail,
 * which for MULE_ZIP_ZOPFLI_MAX octets is about 20 s; call it from a worker.
 * It keeps no state between calls, and the same input gives the same stream.
 *
 * Inflating streams, and stops at a limit of size and of ratio: a bomb costs
 * its sender more than us.
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
#define MULE_ZIP_ZOPFLI_MAX (256u * 1024)
/*
 * bit/s.  Level 12 takes 60 ns for an octet of text and saves at best 0.03 bit
 * of it over level 9: less time on the air than in the CPU from 1 Mbit/s on.
 * Ten times that, so that every radio has the densest.
 */
#define MULE_ZIP_DENSE_RATE 10000000u

/* The ratio is looked at only beyond this much output. */
#define MULE_ZIP_RATIO_FROM (1024u * 1024)

enum mule_zip {
	MULE_ZIP_ZLIB,       /* level 9 */
	MULE_ZIP_LIBDEFLATE, /* level 12 */
	MULE_ZIP_ZOPFLI,     /* ...and zopfli where that is smaller */
	MULE_ZIP_QUICK,      /* libdeflate's level 9 */
};

/*
 * Whether zopfli is worth its time for len octets, of which libdeflate made z,
 * on a link of that rate (bit/s; 0: as fast as can be, never worth it).
 *
 * Both times are estimates, from mail measured with `make bench-zip` (see
 * doc/BENCHMARKS.md).  It saves about 1.5 % of what libdeflate leaves of text
 * that shrinks well, and nothing of what does not shrink: 1.5 % of z * (1 - z /
 * len).  It takes 10 ms, 40 us for each of the first 16384 octets, and 2 us for
 * each octet after these.
 */
bool mule_zip_pays(uint64_t bit_rate, size_t len, size_t z);

/*
 * Compress data into a new block: head octets left free for the caller, then
 * the stream.  *ret_len counts both; free() the block.
 * MULE_ENOMEM, MULE_ECOMPRESS, MULE_ETOOBIG (zlib: 2 GiB).
 */
int mule_deflate_by(enum mule_zip how, const void *data, size_t len,
    size_t head, uint8_t **ret_buf, size_t *ret_len) MULE_NODISCARD;
/* The same in the way that is best for a link of that rate; 0: as fast as can
 * be. */
int mule_deflate(uint64_t bit_rate, const void *data, size_t len, size_t head,
    uint8_t **ret_buf, size_t *ret_len) MULE_NODISCARD;

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

#include "mule/zip.h"

#include <assert.h>
#include <limits.h>
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zopfli/zlib_container.h>

#define DENSE_LEVEL 12
#define QUICK_LEVEL 9
#define BIG_LEVEL 9
/* With 15, its default, it saves 0.02 % more and takes up to twice as long. */
#define ZOPFLI_ROUNDS 5
/* What it has allocated at most, measured: tables, and so much per octet. */
#define ZOPFLI_TABLES (1536u * 1024)
#define ZOPFLI_PER_OCTET 160
/* The first guess at the size of what is inflated: mail shrinks to a third. */
#define FIRST_GUESS 4
#define GUESS_MIN 1024

/* --- deflate ------------------------------------------------------------------- */

static int
deflate_level(int level, const void *data, size_t len, size_t head,
    uint8_t **ret_buf, size_t *ret_len)
{
	struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
	size_t bound, n = 0;
	uint8_t *buf = NULL;

	if (c == NULL)
		return MULE_ENOMEM;
	bound = libdeflate_zlib_compress_bound(c, len);
	buf = malloc(head + bound);
	if (buf != NULL)
		n = libdeflate_zlib_compress(c, data, len, buf + head, bound);
	libdeflate_free_compressor(c);
	if (buf == NULL)
		return MULE_ENOMEM;
	if (n == 0) {
		free(buf);
		return MULE_ECOMPRESS;
	}
	*ret_buf = buf;
	*ret_len = head + n;
	return MULE_OK;
}

static int
zlib_error(int rc)
{
	return rc == Z_MEM_ERROR ? MULE_ENOMEM : MULE_ECOMPRESS;
}

static int
deflate_big(const void *data, size_t len, size_t head, uint8_t **ret_buf,
    size_t *ret_len)
{
	z_stream z;
	uint8_t *buf;
	size_t bound;
	int rc;

	if (len > UINT_MAX / 2)
		return MULE_ETOOBIG;
	memset(&z, 0, sizeof(z));
	rc = deflateInit(&z, BIG_LEVEL);
	if (rc != Z_OK)
		return zlib_error(rc);
	bound = deflateBound(&z, len);
	buf = malloc(head + bound);
	if (buf == NULL) {
		deflateEnd(&z);
		return MULE_ENOMEM;
	}
	z.next_in = data;
	z.avail_in = (uInt)len;
	z.next_out = buf + head;
	z.avail_out = (uInt)bound;
	rc = deflate(&z, Z_FINISH);
	*ret_len = head + z.total_out;
	deflateEnd(&z);
	if (rc != Z_STREAM_END) {
		free(buf);
		return zlib_error(rc);
	}
	*ret_buf = buf;
	return MULE_OK;
}

/* --- zopfli --------------------------------------------------------------------- */

bool
mule_zip_pays(uint64_t bit_rate, size_t len, size_t z)
{
	const uint64_t slow = 16384;
	uint64_t saved, cpu_us;

	if (bit_rate == 0 || len > MULE_ZIP_ZOPFLI_MAX || z >= len)
		return false;
	/* In thousandths of an octet. */
	saved = (uint64_t)z * (len - z) / len * 15;
	cpu_us = 10000 + 2 * (uint64_t)len + 38 * (len < slow ? len : slow);
	return saved * 8 * 1000 / bit_rate > cpu_us;
}

/* Whether there is memory for it now; see zip.h. */
static bool
zopfli_fits(size_t len)
{
	/* Volatile, or the compiler may leave both calls out. */
	void *volatile p = malloc(ZOPFLI_TABLES + ZOPFLI_PER_OCTET * len);
	bool fits = p != NULL;

	free(p);
	return fits;
}

/*
 * Replace the stream behind head by a smaller one, if zopfli finds it; *n
 * counts both.
 *
 * Zopfli appends to a block that it reallocates whenever the size passes a
 * power of two.  It gets one that counts as filled by just over a half, with
 * room for the worst case in the other: so it never does, and the block can be
 * refused to us and not to it.
 */
static void
squeeze(const void *data, size_t len, size_t head, uint8_t *buf, size_t *n)
{
	size_t half = 1024, start, end;
	ZopfliOptions options;
	uint8_t *out;

	if (len > MULE_ZIP_ZOPFLI_MAX || *n - head >= len)
		return;
	/* Stored blocks, of any length zopfli may choose, and the frame. */
	while (half < len + len / 64 + 1024)
		half *= 2;
	out = malloc(2 * half);
	if (out == NULL || !zopfli_fits(len)) {
		free(out);
		return;
	}
	start = end = half + 1;
	ZopfliInitOptions(&options);
	options.numiterations = ZOPFLI_ROUNDS;
	ZopfliZlibCompress(&options, data, len, &out, &end);
	assert(end > start && end <= 2 * half);
	if (end - start < *n - head) {
		memcpy(buf + head, out + start, end - start);
		*n = head + (end - start);
	}
	free(out);
}

/* --- which --------------------------------------------------------------------- */

int
mule_deflate_by(enum mule_zip how, const void *data, size_t len, size_t head,
    uint8_t **ret_buf, size_t *ret_len)
{
	int rc;

	if (how == MULE_ZIP_ZLIB)
		return deflate_big(data, len, head, ret_buf, ret_len);
	rc = deflate_level(how == MULE_ZIP_QUICK ? QUICK_LEVEL : DENSE_LEVEL,
	    data, len, head, ret_buf, ret_len);
	if (rc == MULE_OK && how == MULE_ZIP_ZOPFLI)
		squeeze(data, len, head, *ret_buf, ret_len);
	return rc;
}

int
mule_deflate(uint64_t bit_rate, const void *data, size_t len, size_t head,
    uint8_t **ret_buf, size_t *ret_len)
{
	int rc;

	if (len > MULE_ZIP_DENSE_MAX)
		return deflate_big(data, len, head, ret_buf, ret_len);
	if (bit_rate == 0 || bit_rate > MULE_ZIP_DENSE_RATE)
		return mule_deflate_by(
		    MULE_ZIP_QUICK, data, len, head, ret_buf, ret_len);
	rc = mule_deflate_by(
	    MULE_ZIP_LIBDEFLATE, data, len, head, ret_buf, ret_len);
	if (rc == MULE_OK && mule_zip_pays(bit_rate, len, *ret_len - head))
		squeeze(data, len, head, *ret_buf, ret_len);
	return rc;
}

/* --- inflate --------------------------------------------------------------------- */

int
mule_inflate_init(struct mule_inflate *i, size_t max, unsigned ratio_max)
{
	memset(i, 0, sizeof(*i));
	i->max = max;
	i->ratio_max = ratio_max;
	if (inflateInit(&i->z) != Z_OK)
		return MULE_ENOMEM;
	i->ready = true;
	return MULE_OK;
}

/* Room for more output: twice as much, but never beyond the limit. */
static int
grow(struct mule_inflate *i, size_t guess)
{
	size_t cap = i->cap == 0 ? guess : 2 * i->cap;
	uint8_t *out;

	if (i->cap == i->max)
		return MULE_ETOOBIG;
	if (cap < GUESS_MIN)
		cap = GUESS_MIN;
	if (cap > i->max)
		cap = i->max;
	out = realloc(i->out, cap);
	if (out == NULL)
		return MULE_ENOMEM;
	i->out = out;
	i->cap = cap;
	return MULE_OK;
}

static int
over_limit(const struct mule_inflate *i)
{
	uint64_t out = i->z.total_out, in = i->z.total_in;

	if (i->ratio_max != 0 && out > MULE_ZIP_RATIO_FROM &&
	    out / i->ratio_max > in)
		return MULE_ERATIO;
	return MULE_OK;
}

/* One call of inflate() with whatever room there is. */
static int
step(struct mule_inflate *i)
{
	size_t room = i->cap - i->z.total_out;
	int rc;

	i->z.next_out = i->out + i->z.total_out;
	i->z.avail_out = (uInt)(room < UINT_MAX ? room : UINT_MAX);
	rc = inflate(&i->z, Z_NO_FLUSH);
	switch (rc) {
	case Z_STREAM_END: i->ended = true; return MULE_OK;
	case Z_OK:
	case Z_BUF_ERROR: return over_limit(i);
	case Z_MEM_ERROR: return MULE_ENOMEM;
	default: return MULE_ECORRUPT;
	}
}

int
mule_inflate_feed(struct mule_inflate *i, const void *data, size_t len)
{
	int rc = MULE_OK;

	if (len > UINT_MAX / FIRST_GUESS)
		return MULE_ETOOBIG;
	i->z.next_in = data;
	i->z.avail_in = (uInt)len;
	/* A full output may hide output that needs no further input. */
	while (rc == MULE_OK && !i->ended &&
	       (i->z.avail_in > 0 || i->z.total_out == i->cap)) {
		uint64_t before = i->z.total_out;

		if (i->z.total_out == i->cap) {
			/* Nothing waits behind a limit that is just met. */
			if (i->cap == i->max && i->z.avail_in == 0)
				break;
			rc = grow(i, FIRST_GUESS * len);
		}
		if (rc == MULE_OK)
			rc = step(i);
		if (i->z.avail_in == 0 && i->z.total_out == before)
			break;
	}
	if (rc == MULE_OK && i->ended && i->z.avail_in > 0)
		rc = MULE_ETRAILING;
	i->z.next_in = NULL;
	return rc;
}

int
mule_inflate_finish(struct mule_inflate *i, uint8_t **ret_buf, size_t *ret_len)
{
	if (!i->ended)
		return i->cap == i->max && i->z.total_out == i->max
			   ? MULE_ETOOBIG
			   : MULE_ETRUNCATED;
	*ret_buf = i->out;
	*ret_len = i->z.total_out;
	i->out = NULL;
	return MULE_OK;
}

void
mule_inflate_release(struct mule_inflate *i)
{
	if (i->ready)
		inflateEnd(&i->z);
	i->ready = false;
	free(i->out);
	i->out = NULL;
}

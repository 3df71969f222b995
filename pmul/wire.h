/*
 * Cursors over big-endian octets.
 *
 * A reader is sticky: once it has run off the end every further read yields
 * zero, and pmul_rd_ok() says so at the end.  A decoder is therefore a straight
 * list of reads in the order of the specification, with one check.  A writer
 * works the same way.
 */
#ifndef MULETEER_PMUL_WIRE_H
#define MULETEER_PMUL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pmul_rd {
	const uint8_t *p, *end;
	bool short_read;
};

static inline void
pmul_rd_init(struct pmul_rd *r, const void *buf, size_t len)
{
	r->p = buf;
	r->end = r->p + len;
	r->short_read = false;
}

/* n octets, or NULL and the reader is spent. */
static inline const uint8_t *
pmul_rd_bytes(struct pmul_rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (n > (size_t)(r->end - r->p)) {
		r->short_read = true;
		r->p = r->end;
		return NULL;
	}
	r->p += n;
	return p;
}

static inline uint64_t
pmul_rd_uint(struct pmul_rd *r, size_t octets)
{
	const uint8_t *p = pmul_rd_bytes(r, octets);
	uint64_t v = 0;

	for (size_t i = 0; p != NULL && i < octets; i++)
		v = v << 8 | p[i];
	return v;
}

static inline uint8_t
pmul_rd_u8(struct pmul_rd *r)
{
	return (uint8_t)pmul_rd_uint(r, 1);
}

static inline uint16_t
pmul_rd_u16(struct pmul_rd *r)
{
	return (uint16_t)pmul_rd_uint(r, 2);
}

static inline uint32_t
pmul_rd_u32(struct pmul_rd *r)
{
	return (uint32_t)pmul_rd_uint(r, 4);
}

static inline size_t
pmul_rd_left(const struct pmul_rd *r)
{
	return (size_t)(r->end - r->p);
}

static inline bool
pmul_rd_ok(const struct pmul_rd *r)
{
	return !r->short_read;
}

struct pmul_wr {
	uint8_t *start, *p, *end;
	bool overflow;
};

static inline void
pmul_wr_init(struct pmul_wr *w, void *buf, size_t cap)
{
	w->start = w->p = buf;
	w->end = w->p + cap;
	w->overflow = false;
}

static inline void
pmul_wr_uint(struct pmul_wr *w, uint64_t v, size_t octets)
{
	if (octets > (size_t)(w->end - w->p)) {
		w->overflow = true;
		w->p = w->end;
		return;
	}
	for (size_t i = octets; i > 0; i--)
		*w->p++ = (uint8_t)(v >> 8 * (i - 1));
}

static inline void
pmul_wr_bytes(struct pmul_wr *w, const void *data, size_t n)
{
	if (n > (size_t)(w->end - w->p)) {
		w->overflow = true;
		w->p = w->end;
		return;
	}
	if (n > 0)
		memcpy(w->p, data, n);
	w->p += n;
}

/* What was written, or 0 if it did not fit. */
static inline size_t
pmul_wr_len(const struct pmul_wr *w)
{
	return w->overflow ? 0 : (size_t)(w->p - w->start);
}

#endif

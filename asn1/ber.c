#include "asn1/ber.h"

#include <limits.h>
#include <libtasn1.h>

const char *
ber_strerror(int err)
{
	switch (err) {
	case BER_OK: return "no error";
	case BER_EMALFORMED: return "not a CompressedData in BER";
	case BER_ETRUNCATED: return "BER element cut short";
	case BER_ETOODEEP: return "BER nested too deep";
	case BER_ETOOBIG: return "BER length too big";
	case BER_ETRAILING: return "octets behind the CompressedData";
	case BER_EOID: return "type named by OID, which MULE does not use";
	case BER_EALGORITHM: return "compression algorithm is not zlib";
	case BER_ECONTENTTYPE: return "content type is not MULE (25)";
	default: return "unknown error";
	}
}

int
ber_walk_init(struct ber_walk *w, const void *buf, size_t len)
{
	/* libtasn1 counts in int. */
	if (len > INT_MAX)
		return BER_ETOOBIG;
	w->buf = buf;
	w->pos = 0;
	w->depth = 0;
	w->level[0] = (struct ber_level){ .end = len };
	return BER_OK;
}

static const struct ber_level *
level(const struct ber_walk *w)
{
	return &w->level[w->depth];
}

static int
enter(struct ber_walk *w, size_t end, bool indefinite)
{
	if (w->depth == BER_DEPTH_MAX - 1)
		return BER_ETOODEEP;
	w->level[++w->depth] = (struct ber_level){ end, indefinite };
	return BER_OK;
}

/* Tag and length at *pos; *ret_length -1 for an indefinite one. */
static int
header(const struct ber_walk *w, size_t *pos, struct ber_element *e,
    long *ret_length)
{
	const uint8_t *p = w->buf + *pos;
	int left = (int)(level(w)->end - *pos);
	unsigned char class;
	int used;

	if (left == 0)
		return BER_ETRUNCATED;
	if (asn1_get_tag_der(p, left, &class, &used, &e->tag) != ASN1_SUCCESS)
		return BER_EMALFORMED;
	e->class = class & 0xc0;
	e->constructed = (class & ASN1_CLASS_STRUCTURED) != 0;
	p += used;
	left -= used;
	*pos += (size_t)used;
	if (left == 0)
		return BER_ETRUNCATED;
	used = 0;
	*ret_length = asn1_get_length_der(p, left, &used);
	*pos += (size_t)used;
	switch (*ret_length) {
	case -1: return e->constructed ? BER_OK : BER_EMALFORMED;
	case -2: return BER_ETOOBIG;
	case -4: return BER_ETRUNCATED;
	default: return *ret_length < 0 ? BER_EMALFORMED : BER_OK;
	}
}

int
ber_walk_next(struct ber_walk *w, struct ber_element *ret_e)
{
	struct ber_element e = { .content = NULL };
	size_t pos = w->pos;
	long length;
	int rc = header(w, &pos, &e, &length);

	if (rc != BER_OK)
		return rc;
	if (e.constructed) {
		size_t end = length < 0 ? level(w)->end : pos + (size_t)length;

		rc = enter(w, end, length < 0);
		if (rc != BER_OK)
			return rc;
		w->pos = pos;
	} else {
		e.content = w->buf + pos;
		e.len = (size_t)length;
		w->pos = pos + e.len;
	}
	*ret_e = e;
	return BER_OK;
}

/* An end-of-contents element: two octets of zero. */
static bool
at_eoc(const struct ber_walk *w)
{
	return level(w)->end - w->pos >= 2 && w->buf[w->pos] == 0 &&
	       w->buf[w->pos + 1] == 0;
}

bool
ber_walk_at_end(const struct ber_walk *w)
{
	return level(w)->indefinite ? at_eoc(w) : w->pos == level(w)->end;
}

int
ber_walk_leave(struct ber_walk *w)
{
	if (w->depth == 0 || !ber_walk_at_end(w))
		return w->pos == level(w)->end ? BER_ETRUNCATED
					       : BER_EMALFORMED;
	if (level(w)->indefinite)
		w->pos += 2;
	w->depth--;
	return BER_OK;
}

#include "asn1/cdt.h"

#include <limits.h>
#include <string.h>
#include <libtasn1.h>

/* --- writing -------------------------------------------------------------------- */

/* Octets that a length takes. */
static size_t
length_size(size_t len)
{
	int n = 0;

	asn1_length_der(len, NULL, &n);
	return (size_t)n;
}

static uint8_t *
put_header(uint8_t *p, uint8_t tag, size_t len)
{
	int n = 0;

	*p++ = tag;
	asn1_length_der(len, p, &n);
	return p + n;
}

/* [0] with a small number, in either tagging. */
static uint8_t *
put_short_form(uint8_t *p, enum ber_tagging tagging, uint8_t value)
{
	if (tagging == BER_EXPLICIT) {
		p = put_header(
		    p, ASN1_CLASS_CONTEXT_SPECIFIC | ASN1_CLASS_STRUCTURED, 3);
		p = put_header(p, ASN1_TAG_INTEGER, 1);
	} else {
		p = put_header(p, ASN1_CLASS_CONTEXT_SPECIFIC, 1);
	}
	*p++ = value;
	return p;
}

size_t
ber_cdt_head(
    enum ber_tagging tagging, size_t len, uint8_t head[BER_CDT_HEAD_MAX])
{
	const uint8_t sequence = ASN1_TAG_SEQUENCE | ASN1_CLASS_STRUCTURED;
	const uint8_t wrapper =
	    ASN1_CLASS_CONTEXT_SPECIFIC | ASN1_CLASS_STRUCTURED;
	size_t small = tagging == BER_EXPLICIT ? 5 : 3;
	size_t string, info, whole;
	uint8_t *p = head;

	if (len > INT_MAX - BER_CDT_HEAD_MAX)
		return 0;
	string = 1 + length_size(len) + len;
	info = small + 1 + length_size(string) + string;
	whole = small + 1 + length_size(info) + info;
	p = put_header(p, sequence, whole);
	p = put_short_form(p, tagging, BER_CDT_ZLIB);
	p = put_header(p, sequence, info);
	p = put_short_form(p, tagging, BER_CDT_MULE);
	p = put_header(p, wrapper, string);
	p = put_header(p, ASN1_TAG_OCTET_STRING, len);
	return (size_t)(p - head);
}

/* --- reading --------------------------------------------------------------------- */

static bool
is(const struct ber_element *e, unsigned char class, unsigned long tag)
{
	return e->class == class && e->tag == tag;
}

/*
 * The value of an INTEGER that is not negative and fits; leading zeros are
 * tolerated, as libtasn1 does.
 */
static int
small_integer(const struct ber_element *e, uint32_t *ret_v)
{
	uint32_t v = 0;

	if (e->len > 0 && (e->content[0] & 0x80) != 0)
		return BER_EMALFORMED;
	for (size_t i = 0; i < e->len; i++) {
		if (v >> 24 != 0)
			return BER_EMALFORMED;
		v = v << 8 | e->content[i];
	}
	*ret_v = v;
	return BER_OK;
}

/* One of the two CHOICEs: [0] INTEGER, in either tagging, or [1] OID. */
static int
short_form(struct ber_walk *w, uint32_t *ret_v, enum ber_tagging *ret_tagging)
{
	struct ber_element e;
	int rc = ber_walk_next(w, &e);

	if (rc != BER_OK)
		return rc;
	if (is(&e, ASN1_CLASS_CONTEXT_SPECIFIC, 1))
		return BER_EOID;
	if (!is(&e, ASN1_CLASS_CONTEXT_SPECIFIC, 0))
		return BER_EMALFORMED;
	*ret_tagging = e.constructed ? BER_EXPLICIT : BER_IMPLICIT;
	if (!e.constructed)
		return small_integer(&e, ret_v);
	rc = ber_walk_next(w, &e);
	if (rc == BER_OK &&
	    (!is(&e, ASN1_CLASS_UNIVERSAL, ASN1_TAG_INTEGER) || e.constructed))
		rc = BER_EMALFORMED;
	if (rc == BER_OK)
		rc = small_integer(&e, ret_v);
	return rc == BER_OK ? ber_walk_leave(w) : rc;
}

/* Enter a constructed element of this kind. */
static int
enter(struct ber_walk *w, unsigned char class, unsigned long tag)
{
	struct ber_element e;
	int rc = ber_walk_next(w, &e);

	if (rc == BER_OK && (!is(&e, class, tag) || !e.constructed))
		rc = BER_EMALFORMED;
	return rc;
}

int
ber_cdt_open(struct ber_cdt *c, const void *buf, size_t len)
{
	struct ber_walk *w = &c->walk;
	enum ber_tagging tagging;
	uint32_t algorithm = 0;
	int rc;

	memset(c, 0, sizeof(*c));
	rc = ber_walk_init(w, buf, len);
	if (rc == BER_OK)
		rc = enter(w, ASN1_CLASS_UNIVERSAL, ASN1_TAG_SEQUENCE);
	if (rc == BER_OK)
		rc = short_form(w, &algorithm, &tagging);
	if (rc == BER_OK && algorithm != BER_CDT_ZLIB)
		rc = BER_EALGORITHM;
	if (rc == BER_OK)
		rc = enter(w, ASN1_CLASS_UNIVERSAL, ASN1_TAG_SEQUENCE);
	if (rc == BER_OK)
		rc = short_form(w, &c->content_type, &c->tagging);
	if (rc == BER_OK && c->content_type != BER_CDT_MULE)
		rc = BER_ECONTENTTYPE;
	if (rc == BER_OK)
		rc = enter(w, ASN1_CLASS_CONTEXT_SPECIFIC, 0);
	c->string_depth = w->depth;
	return rc;
}

/* Everything around the stream ends where the stream does. */
static int
close_all(struct ber_cdt *c)
{
	struct ber_walk *w = &c->walk;
	int rc = BER_OK;

	while (rc == BER_OK && w->depth > 0)
		rc = ber_walk_leave(w);
	if (rc == BER_OK && !ber_walk_at_end(w))
		rc = BER_ETRAILING;
	c->done = rc == BER_OK;
	return rc;
}

int
ber_cdt_next(struct ber_cdt *c, const uint8_t **ret_p, size_t *ret_len)
{
	struct ber_walk *w = &c->walk;
	struct ber_element e;
	int rc;

	if (c->done)
		return 0;
	for (;;) {
		/* Leave the constructed strings that end here. */
		while (w->depth > c->string_depth && ber_walk_at_end(w)) {
			rc = ber_walk_leave(w);
			if (rc != BER_OK)
				return rc;
		}
		if (c->in_string && w->depth == c->string_depth)
			return close_all(c);
		rc = ber_walk_next(w, &e);
		if (rc != BER_OK)
			return rc;
		if (!is(&e, ASN1_CLASS_UNIVERSAL, ASN1_TAG_OCTET_STRING))
			return BER_EMALFORMED;
		c->in_string = true;
		if (e.constructed)
			continue;
		*ret_p = e.content;
		*ret_len = e.len;
		return 1;
	}
}

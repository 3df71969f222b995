#include "smtp/mime.h"

#include <string.h>

#include "smtp/encode.h"
#include "smtp/message.h"

/* Parts in parts in parts: nobody means that. */
#define DEPTH_MAX 30
/* RFC 2046 5.1.1. */
#define BOUNDARY_MAX 70
/* RFC 5321 4.5.3.1.6, without CR LF. */
#define TEXT_LINE_MAX 998

struct conversion {
	enum smtp_body body;
	smtp_mime_put *put;
	void *ctx;
	const char *why;
};

enum kind {
	TEXT,
	OTHER, /* any other content that stands alone */
	MULTIPART,
	MESSAGE,   /* message/rfc822 */
	UNTOUCHED, /* signed, encrypted, or not to be encoded by its rules */
};

enum encoding { IDENTITY, WIDE, ENCODED, UNKNOWN };

struct entity {
	struct smtp_str header, body;
	bool separated; /* by an empty line */
	bool mime;      /* MIME-Version */
	bool digest;    /* its parts are messages unless they say otherwise */
	enum kind kind;
	enum encoding encoding; /* WIDE: 8bit or binary */
	char boundary[BOUNDARY_MAX];
	size_t boundary_len;
};

static int convert(struct conversion *c, struct smtp_str all, unsigned depth,
    enum kind kind, bool message);

static int
refuse(struct conversion *c, const char *why)
{
	c->why = why;
	return SMTP_EMIME;
}

bool
smtp_mime_fits(const char *p, size_t len, enum smtp_body body)
{
	size_t line = 0;

	for (size_t i = 0; i < len; i++) {
		bool cr = i > 0 && p[i - 1] == '\r';

		if (p[i] == '\0' || (p[i] == '\n') != cr ||
		    line > TEXT_LINE_MAX ||
		    (body != SMTP_BODY_8BITMIME && (p[i] & 0x80) != 0))
			return false;
		line = p[i] == '\n' ? 0 : p[i] == '\r' ? line : line + 1;
	}
	return (len == 0 || p[len - 1] != '\r') && line <= TEXT_LINE_MAX;
}

static bool
fits(const struct conversion *c, struct smtp_str s)
{
	return smtp_mime_fits(s.p, s.len, c->body);
}

/* --- Content-Type: RFC 2045 5.1 ------------------------------------------------ */

/* Blanks, line ends and comments. */
static void
skip_blanks(struct smtp_str s, size_t *i)
{
	unsigned depth = 0;

	for (; *i < s.len; (*i)++) {
		char c = s.p[*i];

		if (depth > 0 && c == '\\')
			(*i)++;
		else if (c == '(')
			depth++;
		else if (c == ')' && depth > 0)
			depth--;
		else if (depth == 0 && c != ' ' && c != '\t' && c != '\r' &&
			 c != '\n')
			return;
	}
	if (*i > s.len)
		*i = s.len;
}

static struct smtp_str
token(struct smtp_str s, size_t *i)
{
	static const char specials[] = "()<>@,;:\\\"/[]?=";
	size_t start;

	skip_blanks(s, i);
	start = *i;
	while (*i < s.len && s.p[*i] > 32 && s.p[*i] < 127 &&
	       memchr(specials, s.p[*i], sizeof(specials) - 1) == NULL)
		(*i)++;
	return (struct smtp_str){ s.p + start, *i - start };
}

static bool
sign(struct smtp_str s, size_t *i, char c)
{
	skip_blanks(s, i);
	if (*i == s.len || s.p[*i] != c)
		return false;
	(*i)++;
	return true;
}

/* A token or a quoted string into buf, as far as it has room. */
static bool
value(struct smtp_str s, size_t *i, char *buf, size_t cap, size_t *ret_len)
{
	struct smtp_str t;

	*ret_len = 0;
	if (!sign(s, i, '"')) {
		t = token(s, i);
		if (t.len == 0 || t.len > cap)
			return false;
		memcpy(buf, t.p, t.len);
		*ret_len = t.len;
		return true;
	}
	for (; *i < s.len && s.p[*i] != '"'; (*i)++) {
		if (s.p[*i] == '\\' && *i + 1 < s.len)
			(*i)++;
		if (*ret_len == cap)
			return false;
		buf[(*ret_len)++] = s.p[*i];
	}
	return sign(s, i, '"');
}

static bool
read_boundary(struct smtp_str s, size_t i, struct entity *e)
{
	char buf[2048];
	size_t len;

	while (sign(s, &i, ';')) {
		struct smtp_str name = token(s, &i);

		if (name.len == 0)
			continue;
		if (!sign(s, &i, '=') || !value(s, &i, buf, sizeof(buf), &len))
			return false;
		if (!smtp_str_is(name, "boundary"))
			continue;
		if (e->boundary_len > 0 || len == 0 || len > BOUNDARY_MAX)
			return false;
		memcpy(e->boundary, buf, len);
		e->boundary_len = len;
	}
	return e->boundary_len > 0;
}

static enum kind
kind_of(struct smtp_str type, struct smtp_str subtype)
{
	static const char *const whole[] = { "global", "global-headers",
		"global-delivery-status" };

	if (smtp_str_is(type, "text"))
		return TEXT;
	if (smtp_str_is(type, "multipart"))
		return smtp_str_is(subtype, "signed") ||
			       smtp_str_is(subtype, "encrypted")
			   ? UNTOUCHED
			   : MULTIPART;
	if (!smtp_str_is(type, "message"))
		return OTHER;
	/* RFC 6532 3.7, 6533 6: these may be encoded as they are. */
	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		if (smtp_str_is(subtype, whole[i]))
			return OTHER;
	return smtp_str_is(subtype, "rfc822") ? MESSAGE : UNTOUCHED;
}

static bool
read_type(struct smtp_str s, struct entity *e)
{
	size_t i = 0;
	struct smtp_str type = token(s, &i), subtype;

	if (type.len == 0 || !sign(s, &i, '/'))
		return false;
	subtype = token(s, &i);
	if (subtype.len == 0)
		return false;
	e->kind = kind_of(type, subtype);
	e->digest = smtp_str_is(subtype, "digest");
	return e->kind != MULTIPART || read_boundary(s, i, e);
}

static enum encoding
read_encoding(struct smtp_str s)
{
	size_t i = 0;
	struct smtp_str t = token(s, &i);

	if (smtp_str_is(t, "7bit"))
		return IDENTITY;
	if (smtp_str_is(t, "8bit") || smtp_str_is(t, "binary"))
		return WIDE;
	return smtp_str_is(t, "base64") || smtp_str_is(t, "quoted-printable")
		   ? ENCODED
		   : UNKNOWN;
}

/* --- the header section --------------------------------------------------------- */

static const char encoding_name[] = "Content-Transfer-Encoding";

/* false: fields that contradict each other, or that nobody can read. */
static bool
read_fields(struct entity *e)
{
	struct smtp_field f;
	size_t pos = 0;
	unsigned types = 0, encodings = 0;
	bool ok = true;

	while (smtp_field_next(e->header.p, e->header.len, &pos, &f)) {
		if (smtp_str_is(f.name, "MIME-Version")) {
			e->mime = true;
		} else if (smtp_str_is(f.name, "Content-Type")) {
			types++;
			ok = ok && read_type(f.body, e);
		} else if (smtp_str_is(f.name, encoding_name)) {
			encodings++;
			e->encoding = read_encoding(f.body);
		}
	}
	return ok && types <= 1 && encodings <= 1;
}

static void
split(struct smtp_str all, struct entity *e)
{
	size_t n = smtp_header_len(all.p, all.len);

	e->header = (struct smtp_str){ all.p, n };
	e->separated = n < all.len;
	n += e->separated ? 2 : 0;
	e->body = (struct smtp_str){ all.p + n, all.len - n };
}

/* --- writing ------------------------------------------------------------------------ */

static int
put(struct conversion *c, struct smtp_str s)
{
	return s.len > 0 ? c->put(c->ctx, s.p, s.len) : SMTP_OK;
}

static int
put_text(struct conversion *c, const char *s)
{
	return c->put(c->ctx, s, strlen(s));
}

/* With another encoding; NULL: as it is. */
static int
put_header(struct conversion *c, const struct entity *e, const char *encoding)
{
	struct smtp_field f;
	size_t pos = 0;
	int rc = SMTP_OK;

	while (rc == SMTP_OK &&
	       smtp_field_next(e->header.p, e->header.len, &pos, &f))
		if (encoding == NULL || !smtp_str_is(f.name, encoding_name))
			rc = put(c, f.whole);
	if (rc == SMTP_OK && encoding != NULL) {
		rc = put_text(c, "Content-Transfer-Encoding: ");
		if (rc == SMTP_OK)
			rc = put_text(c, encoding);
		if (rc == SMTP_OK)
			rc = put_text(c, "\r\n");
	}
	return rc == SMTP_OK && e->separated ? put_text(c, "\r\n") : rc;
}

/* What identity is called where it was called 8bit or binary. */
static const char *
identity(const struct conversion *c, const struct entity *e)
{
	if (e->encoding != WIDE)
		return NULL;
	return c->body == SMTP_BODY_8BITMIME ? "8bit" : "7bit";
}

static int
put_as_is(struct conversion *c, const struct entity *e)
{
	int rc = put_header(c, e, identity(c, e));

	return rc == SMTP_OK ? put(c, e->body) : rc;
}

static int
put_encoded(struct conversion *c, struct smtp_str s, bool base64)
{
	struct smtp_encode e;
	char out[1024];
	size_t used, n;
	int rc = SMTP_OK;

	smtp_encode_init(&e, base64, true);
	while (rc == SMTP_OK && s.len > 0) {
		n = smtp_encode(&e, s.p, s.len, &used, out, sizeof(out));
		s.p += used;
		s.len -= used;
		rc = put(c, (struct smtp_str){ out, n });
	}
	if (rc != SMTP_OK)
		return rc;
	n = smtp_encode_end(&e, out, sizeof(out));
	return put(c, (struct smtp_str){ out, n });
}

/* --- content that stands alone -------------------------------------------------------- */

/*
 * Quoted-printable is for text, where few octets need it.  Text that does not
 * end in a line end would get one from DATA, and a reader would not know.
 */
static bool
is_for_quoting(const struct entity *e)
{
	size_t escaped = 0;

	if (e->kind != TEXT)
		return false;
	for (size_t i = 0; i < e->body.len; i++) {
		char ch = e->body.p[i];
		bool cr = i > 0 && e->body.p[i - 1] == '\r';

		if ((ch == '\n') != cr)
			return false;
		escaped += (ch & 0x80) != 0 || ch == '\0';
	}
	return e->body.len > 0 && e->body.p[e->body.len - 1] == '\n' &&
	       escaped < e->body.len / 6;
}

static int
convert_leaf(struct conversion *c, const struct entity *e)
{
	bool base64;
	int rc;

	if (fits(c, e->body))
		return put_as_is(c, e);
	if (e->kind == UNTOUCHED)
		return refuse(c,
		    "Signed or encrypted content, or content whose "
		    "type forbids it, cannot be encoded");
	if (e->encoding == ENCODED || e->encoding == UNKNOWN)
		return refuse(c, "Encoded content has octets or lines that its "
				 "encoding does not have");
	base64 = !is_for_quoting(e);
	rc = put_header(c, e, base64 ? "base64" : "quoted-printable");
	return rc == SMTP_OK ? put_encoded(c, e->body, base64) : rc;
}

/* --- multipart: RFC 2046 5.1.1 ----------------------------------------------------------- */

struct delimiter {
	size_t start, end; /* of its line; the CR LF behind it included */
	bool last;
};

static bool
is_delimiter(const struct entity *e, size_t at, struct delimiter *ret_d)
{
	const struct smtp_str b = e->body;
	size_t i = at;

	if (b.len - at < e->boundary_len + 2 || b.p[at] != '-' ||
	    b.p[at + 1] != '-' ||
	    memcmp(b.p + at + 2, e->boundary, e->boundary_len) != 0)
		return false;
	i += 2 + e->boundary_len;
	ret_d->last = b.len - i >= 2 && b.p[i] == '-' && b.p[i + 1] == '-';
	i += ret_d->last ? 2 : 0;
	while (i < b.len && (b.p[i] == ' ' || b.p[i] == '\t'))
		i++;
	if (i < b.len &&
	    (b.len - i < 2 || b.p[i] != '\r' || b.p[i + 1] != '\n'))
		return false;
	ret_d->start = at;
	ret_d->end = i < b.len ? i + 2 : i;
	return true;
}

/* The next one, from the beginning of a line on. */
static bool
find_delimiter(const struct entity *e, size_t from, struct delimiter *ret_d)
{
	const struct smtp_str b = e->body;

	while (from < b.len) {
		const char *lf;

		if (is_delimiter(e, from, ret_d))
			return true;
		do {
			lf = memchr(b.p + from, '\n', b.len - from);
			if (lf == NULL)
				return false;
			from = (size_t)(lf - b.p) + 1;
		} while (from < 2 || b.p[from - 2] != '\r');
	}
	return false;
}

static int
put_delimiter(struct conversion *c, const struct entity *e, bool last)
{
	int rc = put_text(c, "--");

	if (rc == SMTP_OK)
		rc = put(c, (struct smtp_str){ e->boundary, e->boundary_len });
	return rc == SMTP_OK ? put_text(c, last ? "--\r\n" : "\r\n") : rc;
}

/* What nobody reads: if it fits. */
static int
put_if_it_fits(struct conversion *c, struct smtp_str s)
{
	return fits(c, s) ? put(c, s) : SMTP_OK;
}

/* From the delimiter *d to the next, which it becomes. */
static int
convert_part(struct conversion *c, const struct entity *e, unsigned depth,
    struct delimiter *d)
{
	const struct smtp_str b = e->body;
	struct delimiter next;
	int rc = put_delimiter(c, e, false);

	if (!find_delimiter(e, d->end, &next))
		return refuse(c, "A multipart has no end");
	/* The line end in front of a delimiter belongs to it. */
	if (rc == SMTP_OK && next.start > d->end) {
		size_t len = next.start - d->end - 2;

		rc = convert(c, (struct smtp_str){ b.p + d->end, len },
		    depth + 1, e->digest ? MESSAGE : TEXT, false);
		if (rc == SMTP_OK)
			rc = put_text(c, "\r\n");
	}
	*d = next;
	return rc;
}

static int
convert_multipart(struct conversion *c, const struct entity *e, unsigned depth)
{
	const struct smtp_str b = e->body;
	struct delimiter d;
	int rc;

	if (e->encoding == ENCODED || e->encoding == UNKNOWN)
		return refuse(c, "A multipart cannot have an encoding");
	if (!find_delimiter(e, 0, &d))
		return refuse(c, "A multipart has no part");
	rc = put_header(c, e, identity(c, e));
	if (rc == SMTP_OK)
		rc = put_if_it_fits(c, (struct smtp_str){ b.p, d.start });
	while (rc == SMTP_OK && !d.last)
		rc = convert_part(c, e, depth, &d);
	if (rc == SMTP_OK)
		rc = put_delimiter(c, e, true);
	return rc == SMTP_OK ? put_if_it_fits(c, (struct smtp_str){ b.p + d.end,
						     b.len - d.end })
			     : rc;
}

/* --- all together ---------------------------------------------------------------------------- */

static int
convert_message(struct conversion *c, const struct entity *e, unsigned depth)
{
	int rc;

	if (e->encoding == ENCODED || e->encoding == UNKNOWN)
		return refuse(c, "A message within a message has an encoding");
	rc = put_header(c, e, identity(c, e));
	return rc == SMTP_OK ? convert(c, e->body, depth + 1, TEXT, true) : rc;
}

static int
convert(struct conversion *c, struct smtp_str all, unsigned depth,
    enum kind kind, bool message)
{
	struct entity e = { .kind = kind, .encoding = IDENTITY };
	bool readable;

	if (depth > DEPTH_MAX)
		return refuse(c, "Its parts are nested too deep");
	split(all, &e);
	readable = read_fields(&e);
	if (!fits(c, e.header))
		return refuse(c, "A header field has octets or lines that the "
				 "next server does not take");
	if (message && !e.mime)
		return fits(c, e.body)
			   ? put(c, all)
			   : refuse(c, "It is not MIME, so nothing says what "
				       "its octets mean");
	if (!readable)
		return fits(c, e.body)
			   ? put(c, all)
			   : refuse(c, "Its MIME fields cannot be read");
	switch (e.kind) {
	case MULTIPART: return convert_multipart(c, &e, depth);
	case MESSAGE: return convert_message(c, &e, depth);
	case TEXT:
	case OTHER:
	case UNTOUCHED: break;
	}
	return convert_leaf(c, &e);
}

int
smtp_mime_convert(const char *p, size_t len, enum smtp_body body,
    smtp_mime_put *put_it, void *ctx, const char **ret_why)
{
	struct conversion c = { body, put_it, ctx, "" };
	int rc = convert(&c, (struct smtp_str){ p, len }, 0, TEXT, true);

	if (rc == SMTP_EMIME)
		*ret_why = c.why;
	return rc;
}

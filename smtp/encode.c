#include "smtp/encode.h"

#include <assert.h>
#include <string.h>

enum { LINE_MAX_COLUMNS = 76 };

void
smtp_encode_init(struct smtp_encode *e, bool base64, bool text)
{
	memset(e, 0, sizeof(*e));
	e->base64 = base64;
	e->text = text;
}

/* --- base64 -------------------------------------------------------------- */

static size_t
line_end(struct smtp_encode *e, char *out)
{
	memcpy(out, "\r\n", 2);
	e->column = 0;
	return 2;
}

static size_t
put_group(struct smtp_encode *e, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *h = e->held;

	out[0] = digits[h[0] >> 2];
	out[1] = digits[(h[0] & 3) << 4 | h[1] >> 4];
	out[2] = e->nheld > 1 ? digits[(h[1] & 15) << 2 | h[2] >> 6] : '=';
	out[3] = e->nheld > 2 ? digits[h[2] & 63] : '=';
	memset(e->held, 0, sizeof(e->held));
	e->nheld = 0;
	e->column += 4;
	return e->column < LINE_MAX_COLUMNS ? 4 : 4 + line_end(e, out + 4);
}

static size_t
base64_octet(struct smtp_encode *e, unsigned char c, char *out)
{
	e->held[e->nheld++] = c;
	return e->nheld < 3 ? 0 : put_group(e, out);
}

/* --- quoted-printable ---------------------------------------------------- */

/* One column stays free for the sign of a soft line break. */
static size_t
put_quoted(struct smtp_encode *e, unsigned char c, bool escape, char *out)
{
	static const char hex[] = "0123456789ABCDEF";
	const unsigned width = escape ? 3 : 1;
	size_t n = 0;

	if (e->column + width > LINE_MAX_COLUMNS - 1) {
		out[n++] = '=';
		n += line_end(e, out + n);
	}
	e->column += width;
	if (!escape) {
		out[n++] = (char)c;
		return n;
	}
	out[n++] = '=';
	out[n++] = hex[c >> 4];
	out[n++] = hex[c & 15];
	return n;
}

/* White space may not end a line, so it waits as a CR waits for its LF. */
static size_t
put_held(struct smtp_encode *e, bool escape, char *out)
{
	if (e->nheld == 0)
		return 0;
	e->nheld = 0;
	return put_quoted(e, e->held[0], escape || e->held[0] == '\r', out);
}

static size_t
quoted_octet(struct smtp_encode *e, unsigned char c, char *out)
{
	size_t n;

	if (e->text && c == '\n' && e->nheld > 0 && e->held[0] == '\r') {
		e->nheld = 0;
		return line_end(e, out);
	}
	n = put_held(e, c == '\r' || c == '\n', out);
	if (c == ' ' || c == '\t' || (c == '\r' && e->text)) {
		e->held[0] = c;
		e->nheld = 1;
		return n;
	}
	return n + put_quoted(e, c, c < 33 || c > 126 || c == '=', out + n);
}

/* --- both ---------------------------------------------------------------- */

size_t
smtp_encode(struct smtp_encode *e, const char *in, size_t len, size_t *ret_used,
    char *out, size_t cap)
{
	size_t i, n = 0;

	assert(cap >= SMTP_ENCODE_ROOM);
	for (i = 0; i < len && cap - n >= SMTP_ENCODE_ROOM; i++) {
		const unsigned char c = (unsigned char)in[i];

		n += e->base64 ? base64_octet(e, c, out + n)
			       : quoted_octet(e, c, out + n);
	}
	*ret_used = i;
	return n;
}

size_t
smtp_encode_end(struct smtp_encode *e, char *out, size_t cap)
{
	size_t n;

	assert(cap >= SMTP_ENCODE_ROOM);
	if (!e->base64)
		return put_held(e, true, out);
	n = e->nheld > 0 ? put_group(e, out) : 0;
	return e->column > 0 ? n + line_end(e, out + n) : n;
}

/*
 * Paths; see path.h.  Each scan_ function takes a cursor to the end of what it
 * recognises, or leaves it and says no.
 */
#include "smtp/path.h"

#include <string.h>

struct cursor {
	const char *p, *end;
	unsigned flags;
};

static bool
at(const struct cursor *c, char ch)
{
	return c->p < c->end && *c->p == ch;
}

static bool
take(struct cursor *c, char ch)
{
	if (!at(c, ch))
		return false;
	c->p++;
	return true;
}

static bool
is_digit(char ch)
{
	return ch >= '0' && ch <= '9';
}

static bool
is_alnum(char ch)
{
	return is_digit(ch) || (ch >= 'a' && ch <= 'z') ||
	       (ch >= 'A' && ch <= 'Z');
}

/* The first octet of UTF-8 beyond ASCII, or one that continues it. */
static bool
is_utf8(const struct cursor *c, char ch)
{
	return (c->flags & SMTP_PATH_UTF8) != 0 && (unsigned char)ch >= 0x80;
}

static bool
is_atext(const struct cursor *c, char ch)
{
	static const char special[] = "!#$%&'*+-/=?^_`{|}~";

	return is_alnum(ch) || is_utf8(c, ch) ||
	       memchr(special, ch, sizeof(special) - 1) != NULL;
}

static bool
scan_dot_string(struct cursor *c)
{
	do {
		const char *start = c->p;

		while (c->p < c->end && is_atext(c, *c->p))
			c->p++;
		if (c->p == start)
			return false;
	} while (take(c, '.'));
	return true;
}

/* RFC 5321: qtextSMTP is 32, 33, 35-91, 93-126; a quoted pair is 32-126. */
static bool
scan_quoted(struct cursor *c)
{
	while (c->p < c->end && *c->p != '"') {
		if (*c->p == '\\' && ++c->p == c->end)
			return false;
		if (!is_utf8(c, *c->p) && (*c->p < 32 || *c->p > 126))
			return false;
		c->p++;
	}
	return take(c, '"');
}

static bool
scan_name(struct cursor *c)
{
	do {
		const char *start = c->p;

		while (c->p < c->end && (is_alnum(*c->p) || *c->p == '-' ||
					    *c->p == '_' || is_utf8(c, *c->p)))
			c->p++;
		if (c->p == start || *start == '-' || c->p[-1] == '-')
			return false;
	} while (take(c, '.'));
	return true;
}

/* Snum 4 times; each at most 255. */
static bool
scan_ipv4(struct cursor *c)
{
	for (int i = 0; i < 4; i++) {
		unsigned v = 0;
		int digits = 0;

		if (i > 0 && !take(c, '.'))
			return false;
		while (c->p < c->end && is_digit(*c->p) && digits < 3) {
			v = v * 10 + (unsigned)(*c->p++ - '0');
			digits++;
		}
		if (digits == 0 || v > 255)
			return false;
	}
	return true;
}

/*
 * `[1.2.3.4]`, `[IPv6:...]`, `[tag:...]`: the inside of the last two is only
 * checked for its characters, since it is carried and not used.
 */
static bool
scan_literal(struct cursor *c)
{
	struct cursor v4 = *c;
	const char *start = c->p;
	bool colon = false;

	if (scan_ipv4(&v4) && take(&v4, ']')) {
		*c = v4;
		return true;
	}
	while (c->p < c->end && *c->p != ']') {
		if (*c->p < 33 || *c->p > 126 || *c->p == '[' || *c->p == '\\')
			return false;
		colon |= *c->p == ':' && c->p > start;
		c->p++;
	}
	return colon && take(c, ']');
}

static bool
scan_domain(struct cursor *c)
{
	return take(c, '[') ? scan_literal(c) : scan_name(c);
}

/* `@a,@b:` in front of the mailbox: obsolete, and ignored. */
static bool
scan_route(struct cursor *c)
{
	if (!at(c, '@'))
		return true;
	do {
		if (!take(c, '@') || !scan_domain(c))
			return false;
	} while (take(c, ','));
	return take(c, ':');
}

static struct smtp_str
slice(const char *from, const struct cursor *c)
{
	return (struct smtp_str){ from, (size_t)(c->p - from) };
}

static int
parse_mailbox(struct cursor *c, struct smtp_path *path)
{
	const char *start = c->p;

	if (take(c, '"') ? !scan_quoted(c) : !scan_dot_string(c))
		return SMTP_ESYNTAX;
	path->local = slice(start, c);
	path->domain = (struct smtp_str){ c->p, 0 };
	if (take(c, '@')) {
		path->domain.p = c->p;
		if (!scan_domain(c))
			return SMTP_ESYNTAX;
		path->domain = slice(path->domain.p, c);
	} else if ((c->flags & SMTP_PATH_POSTMASTER) == 0 ||
		   !smtp_str_is(path->local, "postmaster")) {
		return SMTP_ESYNTAX;
	}
	path->mailbox = slice(start, c);
	return SMTP_OK;
}

int
smtp_path_parse(const char *text, size_t len, unsigned flags,
    struct smtp_path *ret_path, size_t *ret_used)
{
	struct cursor c = { text, text + len, flags };
	struct smtp_path path;
	int rc = SMTP_OK;

	if (!take(&c, '<'))
		return SMTP_ESYNTAX;
	memset(&path, 0, sizeof(path));
	path.mailbox.p = path.local.p = path.domain.p = c.p;
	if (!at(&c, '>') || (flags & SMTP_PATH_NULL) == 0) {
		if (!scan_route(&c))
			return SMTP_ESYNTAX;
		rc = parse_mailbox(&c, &path);
	}
	if (rc == SMTP_OK && !take(&c, '>'))
		rc = SMTP_ESYNTAX;
	if (rc != SMTP_OK)
		return rc;
	/* The path's limit of 256 counts the angle brackets. */
	if (path.local.len > SMTP_LOCAL_MAX ||
	    path.domain.len > SMTP_DOMAIN_MAX ||
	    path.mailbox.len + 2 > SMTP_PATH_MAX)
		return SMTP_ETOOLONG;
	*ret_path = path;
	*ret_used = (size_t)(c.p - text);
	return SMTP_OK;
}

bool
smtp_domain_valid(struct smtp_str s, unsigned flags)
{
	struct cursor c = { s.p, s.p + s.len, flags };

	return s.len <= SMTP_DOMAIN_MAX && scan_domain(&c) && c.p == c.end;
}

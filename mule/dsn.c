#include "mule/dsn.h"

#include <stdlib.h>
#include <string.h>

/* --- a text that grows ------------------------------------------------------------- */

struct text {
	char *p;
	size_t len, cap;
	bool failed;
};

static void
put_raw(struct text *t, const char *s, size_t n)
{
	if (t->failed)
		return;
	if (n > t->cap - t->len) {
		size_t cap = t->cap + n + (t->cap > 1024 ? t->cap : 1024);
		char *p = realloc(t->p, cap);

		if (p == NULL) {
			t->failed = true;
			return;
		}
		t->p = p;
		t->cap = cap;
	}
	memcpy(t->p + t->len, s, n);
	t->len += n;
}

static void
put(struct text *t, const char *s)
{
	put_raw(t, s, strlen(s));
}

/* Given by others: nothing in it may end the line. */
static void
put_safe(struct text *t, const char *s)
{
	for (; *s != '\0'; s++) {
		char c = (unsigned char)*s < 32 || *s == 127 ? ' ' : *s;

		put_raw(t, &c, 1);
	}
}

static bool
is_8bit(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s >= 0x80)
			return true;
	return false;
}

/* As put_safe(), where nothing but US-ASCII may be. */
static void
put_ascii(struct text *t, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x80)
			put(t, "?");
		else
			put_raw(t, c < 32 || c == 127 ? " " : s, 1);
	}
}

/* The character at s and its length; a stray octet stands for itself. */
static uint32_t
utf8_next(const char *s, size_t *ret_len)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t more = p[0] >= 0xf0   ? 3
		      : p[0] >= 0xe0 ? 2
		      : p[0] >= 0xc2 ? 1
				     : 0;
	uint32_t c = more == 0 ? p[0] : p[0] & (0x3fu >> more);

	for (size_t i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80) {
			*ret_len = 1;
			return p[0];
		}
		c = c << 6 | (p[i] & 0x3f);
	}
	*ret_len = more + 1;
	return c;
}

/* RFC 6533 3: utf-8-addr-xtext, "\x{HEX}" for what is not US-ASCII. */
static void
put_address(struct text *t, const char *s)
{
	static const char hex[] = "0123456789ABCDEF";

	while (*s != '\0') {
		size_t len;
		uint32_t c = utf8_next(s, &len);
		int shift = 28;

		if (c < 0x80) {
			put_raw(t, c < 32 || c == 127 ? " " : s, 1);
			s++;
			continue;
		}
		put(t, "\\x{");
		while (shift > 4 && c >> shift == 0)
			shift -= 4;
		for (; shift >= 0; shift -= 4)
			put_raw(t, &hex[c >> shift & 15], 1);
		put(t, "}");
		s += len;
	}
}

static void
field(struct text *t, const char *name, const char *prefix, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	put(t, name);
	put(t, ": ");
	put(t, prefix);
	put_ascii(t, value);
	put(t, "\r\n");
}

/* "name: type; value" */
static void
typed_field(
    struct text *t, const char *name, const char *type, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	put(t, name);
	put(t, ": ");
	put_ascii(t, type);
	put(t, "; ");
	put_address(t, value);
	put(t, "\r\n");
}

static void
boundary(struct text *t, const struct mule_dsn *d, const char *after)
{
	put(t, "\r\n--");
	put_safe(t, d->boundary);
	put(t, after);
	put(t, "\r\n");
}

/* --- the parts ------------------------------------------------------------------------- */

static const char *
action_name(enum mule_dsn_action a)
{
	switch (a) {
	case MULE_DSN_FAILED: return "failed";
	case MULE_DSN_DELAYED: return "delayed";
	case MULE_DSN_DELIVERED: return "delivered";
	case MULE_DSN_RELAYED: return "relayed";
	case MULE_DSN_EXPANDED: return "expanded";
	}
	return "failed";
}

static const char *
action_words(enum mule_dsn_action a)
{
	switch (a) {
	case MULE_DSN_FAILED: return "could not be delivered";
	case MULE_DSN_DELAYED:
		return "has not been delivered yet; this is only a warning";
	case MULE_DSN_DELIVERED: return "was delivered";
	case MULE_DSN_RELAYED:
		return "was passed to a system that may not report further";
	case MULE_DSN_EXPANDED: return "was sent on to several addresses";
	}
	return "";
}

static const char *
subject(const struct mule_dsn *d)
{
	enum mule_dsn_action worst = MULE_DSN_EXPANDED;

	/* The enumeration begins with what matters most. */
	for (size_t i = 0; i < d->nrcpts; i++)
		if (d->rcpts[i].action < worst)
			worst = d->rcpts[i].action;
	switch (worst) {
	case MULE_DSN_FAILED: return "Undelivered mail";
	case MULE_DSN_DELAYED: return "Delayed mail";
	case MULE_DSN_DELIVERED: return "Delivered mail";
	case MULE_DSN_RELAYED: return "Relayed mail";
	case MULE_DSN_EXPANDED: return "Mail sent on";
	}
	return "";
}

static void
put_header(struct text *t, const struct mule_dsn *d, bool eight)
{
	field(t, "Date", "", d->date);
	put(t, "From: Mail Delivery System <MAILER-DAEMON@");
	put_safe(t, d->hostname);
	put(t, ">\r\n");
	put(t, "To: <");
	put_safe(t, d->to);
	put(t, ">\r\n");
	field(t, "Subject", "", subject(d));
	put(t, "Message-ID: <");
	put_safe(t, d->message_id);
	put(t, ">\r\n");
	put(t, "Auto-Submitted: auto-replied\r\n"
	       "MIME-Version: 1.0\r\n");
	/* RFC 2045 6.4: of all parts together. */
	if (eight)
		put(t, "Content-Transfer-Encoding: 8bit\r\n");
	put(t,
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"");
	put_safe(t, d->boundary);
	put(t, "\"\r\n");
}

static void
put_words(struct text *t, const struct mule_dsn *d, bool eight)
{
	put(t, eight ? "Content-Type: text/plain; charset=utf-8\r\n"
		       "Content-Transfer-Encoding: 8bit\r\n\r\n"
		     : "Content-Type: text/plain; charset=us-ascii\r\n\r\n");
	put(t, "This is the mail gateway at ");
	put_safe(t, d->hostname);
	put(t, ".\r\n\r\n");
	for (size_t i = 0; i < d->nrcpts; i++) {
		const struct mule_dsn_rcpt *r = &d->rcpts[i];

		put(t, "Your message to <");
		put_safe(t, r->final);
		put(t, ">\r\n");
		put(t, action_words(r->action));
		put(t, ".\r\n");
		if (r->diagnostic != NULL && r->diagnostic[0] != '\0') {
			put(t, "Reason: ");
			put_ascii(t, r->diagnostic);
			put(t, "\r\n");
		}
		put(t, "\r\n");
	}
	for (const char *p = d->explanation; p != NULL && *p != '\0'; p++) {
		if (*p == '\n')
			put(t, "\r\n");
		else
			put_raw(t, (unsigned char)*p < 32 ? " " : p, 1);
	}
}

static void
put_rcpt(struct text *t, const struct mule_dsn_rcpt *r)
{
	put(t, "\r\n");
	if (r->orcpt != NULL && r->orcpt[0] != '\0') {
		put(t, "Original-Recipient: ");
		put_ascii(t, r->orcpt_type);
		put(t, ";");
		put_address(t, r->orcpt);
		put(t, "\r\n");
	}
	typed_field(t, "Final-Recipient",
	    is_8bit(r->final) ? "utf-8" : "rfc822", r->final);
	field(t, "Action", "", action_name(r->action));
	field(t, "Status", "", r->status);
	typed_field(t, "Remote-MTA", r->remote_type, r->remote);
	/* P_MUL has no replies; a private type says so (RFC 3464 2.3.6). */
	if (r->diagnostic != NULL && r->diagnostic[0] != '\0') {
		put(t, "Diagnostic-Code: ");
		put_ascii(t, r->diagnostic_type);
		put(t, "; ");
		put_ascii(t, r->diagnostic);
		put(t, "\r\n");
	}
	field(t, "Last-Attempt-Date", "", r->last_attempt);
	if (r->action == MULE_DSN_DELAYED)
		field(t, "Will-Retry-Until", "", r->will_retry);
}

static void
put_status(struct text *t, const struct mule_dsn *d)
{
	put(t, "Content-Type: message/delivery-status\r\n\r\n");
	field(t, "Original-Envelope-Id", "", d->envid);
	field(t, "Reporting-MTA", "dns; ", d->hostname);
	field(t, "Arrival-Date", "", d->arrival);
	field(t, "Deliver-By-Date", "", d->deliver_by);
	for (size_t i = 0; i < d->nrcpts; i++)
		put_rcpt(t, &d->rcpts[i]);
}

static bool
has_8bit(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] >= 0x80)
			return true;
	return false;
}

static void
put_original(struct text *t, const struct mule_dsn *d, bool eight)
{
	/* RFC 6533 5: header fields in UTF-8 have media types of their own. */
	bool global =
	    d->utf8 && has_8bit(d->original,
			   mule_header_len(d->original, d->original_len));

	if (global)
		put(t, d->full ? "Content-Type: message/global\r\n"
			       : "Content-Type: message/global-headers\r\n");
	else
		put(t, d->full ? "Content-Type: message/rfc822\r\n"
			       : "Content-Type: text/rfc822-headers\r\n");
	if (eight)
		put(t, "Content-Transfer-Encoding: 8bit\r\n");
	put(t, "\r\n");
	put_raw(t, d->original, d->original_len);
}

int
mule_dsn_write(
    const struct mule_dsn *d, char **ret_text, size_t *ret_len, bool *ret_8bit)
{
	bool eight = has_8bit(d->original, d->original_len);
	bool words = false, any;
	struct text t = { .p = NULL };

	for (size_t i = 0; i < d->nrcpts; i++)
		words = words || is_8bit(d->rcpts[i].final);
	any = eight || words || is_8bit(d->to);
	put_header(&t, d, any);
	boundary(&t, d, "");
	put_words(&t, d, words);
	boundary(&t, d, "");
	put_status(&t, d);
	if (d->original_len > 0) {
		boundary(&t, d, "");
		put_original(&t, d, eight);
	}
	boundary(&t, d, "--");
	if (t.failed) {
		free(t.p);
		return MULE_ENOMEM;
	}
	*ret_text = t.p;
	*ret_len = t.len;
	*ret_8bit = any;
	return MULE_OK;
}

/* --- header sections ---------------------------------------------------------------------- */

/* Offset behind the CR LF of the line at pos, or len. */
static size_t
line_end(const char *p, size_t len, size_t pos)
{
	const char *lf;

	for (;;) {
		lf = pos < len ? memchr(p + pos, '\n', len - pos) : NULL;
		if (lf == NULL)
			return len;
		pos = (size_t)(lf - p) + 1;
		if (pos >= 2 && p[pos - 2] == '\r')
			return pos;
	}
}

bool
mule_is_text(const void *message, size_t len)
{
	const char *p = message;
	size_t line = 0;

	for (size_t i = 0; i < len; i++) {
		bool cr = i > 0 && p[i - 1] == '\r';

		if (p[i] == '\0' || (p[i] == '\n') != cr || line > 998)
			return false;
		line = p[i] == '\n' ? 0 : p[i] == '\r' ? line : line + 1;
	}
	return len == 0 || p[len - 1] != '\r';
}

size_t
mule_header_len(const void *message, size_t len)
{
	const char *p = message;
	size_t pos = 0;

	while (pos < len) {
		size_t end = line_end(p, len, pos);

		if (end - pos == 2 && p[pos] == '\r')
			return pos;
		pos = end;
	}
	return len;
}

/* The body of the field at pos, if it has that name; its line end included. */
static bool
is_field(const char *p, size_t header, size_t pos, const char *name,
    struct smtp_str *ret_body)
{
	size_t n = strlen(name), end = line_end(p, header, pos);

	if (n >= header - pos || p[pos + n] != ':' ||
	    !smtp_str_is((struct smtp_str){ p + pos, n }, name))
		return false;
	ret_body->p = p + pos + n + 1;
	ret_body->len = end - pos - n - 1;
	return true;
}

size_t
mule_header_count(const void *message, size_t len, const char *name)
{
	const char *p = message;
	size_t header = mule_header_len(message, len), count = 0;
	struct smtp_str body;

	for (size_t pos = 0; pos < header; pos = line_end(p, header, pos))
		count += is_field(p, header, pos, name, &body);
	return count;
}

/* Blanks, line ends and the brackets that some write. */
static bool
is_around(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '<' ||
	       c == '>';
}

static struct smtp_str
trim(struct smtp_str s)
{
	while (s.len > 0 && is_around(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_around(s.p[s.len - 1]))
		s.len--;
	return s;
}

bool
mule_delivered_to(const void *message, size_t len, struct smtp_str mailbox)
{
	const char *p = message;
	size_t header = mule_header_len(message, len);
	struct smtp_str body;

	for (size_t pos = 0; pos < header; pos = line_end(p, header, pos))
		if (is_field(p, header, pos, "Delivered-To", &body) &&
		    smtp_str_same(trim(body), mailbox))
			return true;
	return false;
}

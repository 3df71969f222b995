#include "smtp/reply.h"

#include <string.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* --- what EHLO offers ---------------------------------------------------- */

static const struct {
	const char *keyword;
	unsigned ext;
} keywords[] = {
	{ "PIPELINING", SMTP_EXT_PIPELINING },
	{ "SIZE", SMTP_EXT_SIZE },
	{ "8BITMIME", SMTP_EXT_8BITMIME },
	{ "BINARYMIME", SMTP_EXT_BINARYMIME },
	{ "CHUNKING", SMTP_EXT_CHUNKING },
	{ "DSN", SMTP_EXT_DSN },
	{ "MT-PRIORITY", SMTP_EXT_MT_PRIORITY },
	{ "DELIVERBY", SMTP_EXT_DELIVERBY },
	{ "ENHANCEDSTATUSCODES", SMTP_EXT_ENHANCEDSTATUSCODES },
	{ "SMTPUTF8", SMTP_EXT_SMTPUTF8 },
	{ "RRVS", SMTP_EXT_RRVS },
	{ "SUBMITTER", SMTP_EXT_SUBMITTER },
	{ "AUTH", SMTP_EXT_AUTH },
	{ "STARTTLS", SMTP_EXT_STARTTLS },
};

/* The next word of *s. */
static struct smtp_str
word(struct smtp_str *s)
{
	struct smtp_str w;

	while (s->len > 0 && s->p[0] == ' ') {
		s->p++;
		s->len--;
	}
	w.p = s->p;
	w.len = 0;
	while (w.len < s->len && w.p[w.len] != ' ')
		w.len++;
	s->p += w.len;
	s->len -= w.len;
	return w;
}

/* A number; 0 for anything else, which is no limit. */
static uint64_t
number(struct smtp_str s)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (!is_digit(s.p[i]) || v > (INT64_MAX - 9) / 10)
			return 0;
		v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	return v;
}

/* RFC 6710: letters, digits, "-", "_", "."; anything else is no name. */
static void
policy(struct smtp_str name, struct smtp_caps *caps)
{
	if (name.len > SMTP_POLICY_MAX)
		return;
	for (size_t i = 0; i < name.len; i++)
		if (!is_alnum(name.p[i]) && memchr("-_.", name.p[i], 3) == NULL)
			return;
	memcpy(caps->priority_policy, name.p, name.len);
	caps->priority_policy[name.len] = '\0';
}

/* RFC 9422: the values we know have six digits, the first of them not 0. */
static uint64_t
limit_value(struct smtp_str s)
{
	return s.len <= 6 && s.p[0] != '0' ? number(s) : 0;
}

/* One name=value; false if it is malformed.  Unknown names are ignored. */
static bool
limit(struct smtp_str item, struct smtp_caps *caps)
{
	const char *eq = memchr(item.p, '=', item.len);
	struct smtp_str name, value;

	if (eq == NULL || eq == item.p || eq + 1 == item.p + item.len)
		return false;
	name.p = item.p;
	name.len = (size_t)(eq - item.p);
	value.p = eq + 1;
	value.len = item.len - name.len - 1;
	for (size_t i = 0; i < name.len; i++)
		if (!is_alnum(name.p[i]) && name.p[i] != '-' &&
		    name.p[i] != '_')
			return false;
	if (memchr(value.p, ';', value.len) != NULL)
		return false;
	if (smtp_str_is(name, "MAILMAX"))
		caps->mail_max = limit_value(value);
	else if (smtp_str_is(name, "RCPTMAX"))
		caps->rcpt_max = limit_value(value);
	return true;
}

/* A list that is not well-formed counts as not there (RFC 9422). */
static void
limits(struct smtp_str list, struct smtp_caps *caps)
{
	struct smtp_caps with = *caps;
	struct smtp_str item;

	with.mail_max = with.rcpt_max = 0;
	with.extensions |= SMTP_EXT_LIMITS;
	while ((item = word(&list)).len > 0)
		if (!limit(item, &with))
			return;
	*caps = with;
}

static void
offered(struct smtp_str text, struct smtp_caps *caps)
{
	struct smtp_str keyword = word(&text);
	unsigned ext = 0;

	if (smtp_str_is(keyword, "LIMITS"))
		limits(text, caps);
	else if (smtp_str_is(keyword, "REQUIRETLS"))
		caps->requiretls = true;
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++)
		if (smtp_str_is(keyword, keywords[i].keyword))
			ext = keywords[i].ext;
	caps->extensions |= ext;
	if (ext == SMTP_EXT_SIZE)
		caps->size_max = number(word(&text));
	else if (ext == SMTP_EXT_DELIVERBY)
		caps->by_min = (int64_t)number(word(&text));
	else if (ext == SMTP_EXT_MT_PRIORITY)
		policy(word(&text), caps);
}

/* --- lines --------------------------------------------------------------- */

static void
append(struct smtp_reply *r, const char *text, size_t len)
{
	size_t used = strlen(r->text);
	size_t room = sizeof(r->text) - 1 - used;
	size_t n = len < room ? len : room;

	/* A log and a notification will quote it. */
	for (size_t i = 0; i < n; i++)
		r->text[used + i] =
		    text[i] >= 32 && text[i] <= 126 ? text[i] : '?';
	r->text[used + n] = '\0';
}

/* Digits of one component of an enhanced status code: RFC 3463 2. */
static size_t
component(struct smtp_str s, size_t at)
{
	size_t n = 0;

	while (n < 3 && at + n < s.len && is_digit(s.p[at + n]))
		n++;
	/* No leading zeros. */
	return n > 1 && s.p[at] == '0' ? 0 : n;
}

/*
 * The enhanced status code at the start of the text: class.subject.detail, of
 * the reply's own class (RFC 2034 4), and its length; 0 if there is none.
 */
static size_t
status_length(int code, struct smtp_str s)
{
	size_t at = 2, n;

	if (code / 100 == 3 || s.len < 5 ||
	    s.p[0] != (char)('0' + code / 100) || s.p[1] != '.')
		return 0;
	n = component(s, at);
	at += n;
	if (n == 0 || at >= s.len || s.p[at] != '.')
		return 0;
	n = component(s, ++at);
	at += n;
	if (n == 0 || (at < s.len && s.p[at] != ' '))
		return 0;
	return at;
}

/*
 * The first line says what the status is.  A later one repeats it; one that
 * says something else leaves the reply without a status to rely on.
 */
static void
take_status(struct smtp_reply_parser *p, struct smtp_str *text)
{
	struct smtp_reply *r = &p->reply;
	size_t n = status_length(r->code, *text);

	if (n == 0)
		return;
	if (p->lines == 1) {
		memcpy(r->status, text->p, n);
		r->status[n] = '\0';
	} else if (n != strlen(r->status) ||
		   memcmp(r->status, text->p, n) != 0) {
		r->status[0] = '\0';
		return;
	}
	text->p += n;
	text->len -= n;
	if (text->len > 0) {
		text->p++;
		text->len--;
	}
}

static void
take_text(struct smtp_reply_parser *p, struct smtp_str text)
{
	/* The first line of EHLO's answer is the server's name. */
	if (p->lines > 1)
		offered(text, &p->caps);
	take_status(p, &text);
	if (p->lines > 1)
		append(&p->reply, " / ", 3);
	append(&p->reply, text.p, text.len);
}

/* One line of the reply; 1 if it is the last. */
static int
take_line(struct smtp_reply_parser *p)
{
	const char *l = p->line.buf;
	size_t len = p->line.len;
	struct smtp_str text = { "", 0 };
	int code;

	if (len < 3 || !is_digit(l[0]) || !is_digit(l[1]) || !is_digit(l[2]))
		return SMTP_ESYNTAX;
	code = (l[0] - '0') * 100 + (l[1] - '0') * 10 + (l[2] - '0');
	if (code < 200 || code > 599)
		return SMTP_ESYNTAX;
	if (len > 3 && l[3] != ' ' && l[3] != '-')
		return SMTP_ESYNTAX;
	if (p->lines > 0 && code != p->reply.code)
		return SMTP_ESYNTAX;
	p->total += len;
	if (++p->lines > SMTP_REPLY_LINES_MAX ||
	    p->total > SMTP_REPLY_TOTAL_MAX)
		return SMTP_ETOOLONG;
	p->reply.code = code;
	if (len > 4) {
		text.p = l + 4;
		text.len = len - 4;
	}
	take_text(p, text);
	return len > 3 && l[3] == '-' ? 0 : 1;
}

static void
begin(struct smtp_reply_parser *p)
{
	memset(&p->reply, 0, sizeof(p->reply));
	memset(&p->caps, 0, sizeof(p->caps));
	p->lines = 0;
	p->total = 0;
	p->whole = false;
}

void
smtp_reply_parser_init(struct smtp_reply_parser *p)
{
	smtp_line_init(&p->line);
	begin(p);
}

/* Octets of the line under way. */
static size_t
line_length(const struct smtp_reply_parser *p)
{
	return p->line.whole ? 0 : p->line.len;
}

bool
smtp_reply_begun(const struct smtp_reply_parser *p)
{
	return !p->whole && (p->lines > 0 || line_length(p) > 0);
}

int
smtp_reply_take(
    struct smtp_reply_parser *p, const char *buf, size_t len, size_t *ret_used)
{
	size_t used = 0;
	int rc = 0;

	if (p->whole && len > 0)
		begin(p);
	while (rc == 0 && used < len) {
		size_t room = SMTP_REPLY_IN_MAX - line_length(p);
		size_t n = len - used;

		rc = smtp_line_take(
		    &p->line, buf + used, n < room ? n : room, &n);
		if (rc < 0)
			return rc;
		used += n;
		if (rc == 0 && line_length(p) == SMTP_REPLY_IN_MAX)
			return SMTP_ETOOLONG;
		if (rc == 1)
			rc = take_line(p);
	}
	if (rc < 0)
		return rc;
	p->whole = rc == 1;
	*ret_used = used;
	return rc;
}

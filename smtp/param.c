/*
 * Parameters; see param.h.  The meaning of each is in one small function, and
 * two tables say which keyword is whose.
 */
#include "smtp/param.h"

#include <string.h>

/* ENVID's and ORCPT's limits: RFC 3461 4.4, 4.2. */
#define ENVID_MAX 100
#define ORCPT_MAX 500
#define AUTH_MAX 500
/* RFC 1870 5: 1*20DIGIT. */
#define SIZE_DIGITS 20
/* RFC 2852 4: 1*9DIGIT. */
#define BY_DIGITS 9

static const struct smtp_str empty = { "", 0 };

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

/* --- as text ------------------------------------------------------------- */

static bool
keyword_valid(struct smtp_str k)
{
	if (k.len == 0 || !is_alnum(k.p[0]))
		return false;
	for (size_t i = 1; i < k.len; i++)
		if (!is_alnum(k.p[i]) && k.p[i] != '-')
			return false;
	return true;
}

/* esmtp-value: any but "=", space and controls; RFC 6531 adds UTF-8. */
static bool
value_valid(struct smtp_str v)
{
	if (v.len == 0)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		unsigned char c = (unsigned char)v.p[i];

		if (c <= 32 || c == '=' || c == 127)
			return false;
	}
	return true;
}

int
smtp_param_next(struct smtp_str list, size_t *pos, struct smtp_param *ret_param)
{
	struct smtp_param param = { .value = empty };
	const char *p = list.p + *pos, *end = list.p + list.len, *eq;

	while (p < end && *p == ' ')
		p++;
	if (p == end) {
		*pos = list.len;
		return 0;
	}
	param.keyword.p = p;
	while (p < end && *p != ' ')
		p++;
	param.keyword.len = (size_t)(p - param.keyword.p);
	eq = memchr(param.keyword.p, '=', param.keyword.len);
	if (eq != NULL) {
		param.has_value = true;
		param.value.p = eq + 1;
		param.value.len = (size_t)(p - (eq + 1));
		param.keyword.len = (size_t)(eq - param.keyword.p);
		if (!value_valid(param.value))
			return SMTP_ESYNTAX;
	}
	if (!keyword_valid(param.keyword))
		return SMTP_ESYNTAX;
	*pos = (size_t)(p - list.p);
	*ret_param = param;
	return 1;
}

int
smtp_line_parse(
    struct smtp_str line, unsigned flags, struct smtp_envelope_line *ret_line)
{
	struct smtp_envelope_line l = { .params = empty };
	size_t used;
	int rc = smtp_path_parse(line.p, line.len, flags, &l.path, &used);

	if (rc != SMTP_OK)
		return rc;
	if (used < line.len) {
		if (line.p[used] != ' ')
			return SMTP_ESYNTAX;
		l.params.p = line.p + used + 1;
		l.params.len = line.len - used - 1;
	}
	*ret_line = l;
	return SMTP_OK;
}

void
smtp_write_begin(struct smtp_line_writer *w, char *buf, size_t cap)
{
	w->buf = buf;
	w->cap = cap;
	w->len = 0;
	w->overflow = cap == 0;
}

bool
smtp_write_str(struct smtp_line_writer *w, struct smtp_str s)
{
	/* One octet stays free for the NUL. */
	if (w->overflow || s.len >= w->cap - w->len) {
		w->overflow = true;
		return false;
	}
	memcpy(w->buf + w->len, s.p, s.len);
	w->len += s.len;
	return true;
}

bool
smtp_write_text(struct smtp_line_writer *w, const char *text)
{
	return smtp_write_str(w, (struct smtp_str){ text, strlen(text) });
}

bool
smtp_write_number(struct smtp_line_writer *w, int64_t v)
{
	char buf[20];
	size_t n = sizeof(buf);
	uint64_t u = v < 0 ? -(uint64_t)v : (uint64_t)v;

	do
		buf[--n] = (char)('0' + u % 10);
	while ((u /= 10) != 0);
	if (v < 0)
		buf[--n] = '-';
	return smtp_write_str(w, (struct smtp_str){ buf + n, sizeof(buf) - n });
}

bool
smtp_write_end(struct smtp_line_writer *w)
{
	if (w->overflow)
		return false;
	w->buf[w->len] = '\0';
	return true;
}

/* --- values ----------------------------------------------------------------- */

static int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
decode(struct smtp_str s, bool utf8, char *buf, size_t cap, size_t *ret_len)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (((c < 33 || c > 126) && !(utf8 && (c & 0x80) != 0)) ||
		    c == '=')
			return SMTP_ESYNTAX;
		if (c == '+') {
			if (s.len - i < 3 || hex_value(s.p[i + 1]) < 0 ||
			    hex_value(s.p[i + 2]) < 0)
				return SMTP_ESYNTAX;
			c = (char)(hex_value(s.p[i + 1]) << 4 |
				   hex_value(s.p[i + 2]));
			i += 2;
		}
		if (n == cap)
			return SMTP_ETOOLONG;
		buf[n++] = c;
	}
	*ret_len = n;
	return SMTP_OK;
}

int
smtp_xtext_decode(struct smtp_str s, char *buf, size_t cap, size_t *ret_len)
{
	return decode(s, false, buf, cap, ret_len);
}

/* RFC 6533 3: utf-8-addr-unitext, the address as it is. */
static bool
is_unitext(struct smtp_str type)
{
	return smtp_str_is(type, "utf-8");
}

int
smtp_orcpt_decode(
    const struct smtp_rcpt_params *p, char *buf, size_t cap, size_t *ret_len)
{
	return decode(
	    p->orcpt_xtext, is_unitext(p->orcpt_type), buf, cap, ret_len);
}

/* Stands for printable US-ASCII; with utf8, also for what is beyond it. */
static bool
text_valid(struct smtp_str s, size_t max, bool utf8)
{
	char buf[ORCPT_MAX];
	size_t n;

	if (s.len == 0 || s.len > max ||
	    decode(s, utf8, buf, sizeof(buf), &n) != SMTP_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((buf[i] < 32 || buf[i] > 126) &&
		    !(utf8 && (buf[i] & 0x80) != 0))
			return false;
	return true;
}

/* xtext of at most max characters. */
static bool
xtext_valid(struct smtp_str s, size_t max)
{
	return text_valid(s, max, false);
}

/* 1*maxDIGIT; saturates. */
static bool
parse_number(struct smtp_str s, size_t max_digits, uint64_t *ret_v)
{
	uint64_t v = 0;

	if (s.len == 0 || s.len > max_digits)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_digit(s.p[i]))
			return false;
		if (v > (INT64_MAX - 9) / 10)
			v = INT64_MAX;
		else
			v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret_v = v;
	return true;
}

static bool
parse_size(struct smtp_str v, struct smtp_mail_params *p)
{
	p->has_size = true;
	return parse_number(v, SIZE_DIGITS, &p->size);
}

static bool
parse_body(struct smtp_str v, struct smtp_mail_params *p)
{
	if (smtp_str_is(v, "7BIT"))
		p->body = SMTP_BODY_7BIT;
	else if (smtp_str_is(v, "8BITMIME"))
		p->body = SMTP_BODY_8BITMIME;
	else if (smtp_str_is(v, "BINARYMIME") || smtp_str_is(v, "BINARY"))
		p->body = SMTP_BODY_BINARYMIME;
	return p->body != SMTP_BODY_NONE;
}

static bool
parse_ret(struct smtp_str v, struct smtp_mail_params *p)
{
	if (smtp_str_is(v, "FULL"))
		p->ret = SMTP_RET_FULL;
	else if (smtp_str_is(v, "HDRS"))
		p->ret = SMTP_RET_HDRS;
	return p->ret != SMTP_RET_NONE;
}

static bool
parse_envid(struct smtp_str v, struct smtp_mail_params *p)
{
	p->has_envid = true;
	p->envid = v;
	return xtext_valid(v, ENVID_MAX);
}

/* RFC 6710 6: (["-"] %x31-39) / "0". */
static bool
parse_priority(struct smtp_str v, struct smtp_mail_params *p)
{
	bool minus = v.len == 2 && v.p[0] == '-';
	char c = v.len > 0 ? v.p[v.len - 1] : '\0';

	if (v.len != (minus ? 2u : 1u) || c < (minus ? '1' : '0') || c > '9')
		return false;
	p->has_priority = true;
	p->priority = minus ? -(c - '0') : c - '0';
	return true;
}

/* RFC 2852 4: ["-" / "+"] 1*9DIGIT ";" ("N" / "R") ["T"]. */
static bool
parse_by(struct smtp_str v, struct smtp_mail_params *p)
{
	const char *semi = v.len > 0 ? memchr(v.p, ';', v.len) : NULL;
	struct smtp_str number, mode;
	bool sign;
	uint64_t seconds;

	if (semi == NULL)
		return false;
	sign = v.p[0] == '-' || v.p[0] == '+';
	number.p = v.p + sign;
	number.len = (size_t)(semi - v.p) - sign;
	mode.p = semi + 1;
	mode.len = v.len - (size_t)(mode.p - v.p);
	if (semi < v.p + sign || !parse_number(number, BY_DIGITS, &seconds))
		return false;
	if (smtp_str_is(mode, "N") || smtp_str_is(mode, "NT"))
		p->by = SMTP_BY_NOTIFY;
	else if (smtp_str_is(mode, "R") || smtp_str_is(mode, "RT"))
		p->by = SMTP_BY_RETURN;
	p->by_trace = mode.len == 2;
	p->by_seconds = v.p[0] == '-' ? -(int64_t)seconds : (int64_t)seconds;
	return p->by != SMTP_BY_NONE;
}

static bool
parse_auth(struct smtp_str v, struct smtp_mail_params *p)
{
	p->has_auth = true;
	p->auth = v;
	return smtp_str_is(v, "<>") || xtext_valid(v, AUTH_MAX);
}

static bool
parse_submitter(struct smtp_str v, struct smtp_mail_params *p)
{
	p->has_submitter = true;
	p->submitter = v;
	return xtext_valid(v, ORCPT_MAX);
}

static bool
parse_smtputf8(struct smtp_str v, struct smtp_mail_params *p)
{
	p->has_smtputf8 = true;
	return v.len == 0;
}

/* NEVER alone, or a list of the others: RFC 3461 4.1. */
static bool
parse_notify(struct smtp_str v, struct smtp_rcpt_params *p)
{
	static const struct {
		const char *name;
		unsigned bit;
	} words[] = {
		{ "SUCCESS", SMTP_NOTIFY_SUCCESS },
		{ "FAILURE", SMTP_NOTIFY_FAILURE },
		{ "DELAY", SMTP_NOTIFY_DELAY },
	};
	const char *end = v.p + v.len, *start = v.p;

	if (smtp_str_is(v, "NEVER")) {
		p->notify = SMTP_NOTIFY_NEVER;
		return true;
	}
	for (;;) {
		const char *comma = memchr(start, ',', (size_t)(end - start));
		const char *stop = comma != NULL ? comma : end;
		struct smtp_str word = { start, (size_t)(stop - start) };
		unsigned found = 0;

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (smtp_str_is(word, words[i].name))
				found = words[i].bit;
		if (found == 0)
			return false;
		p->notify |= found;
		if (comma == NULL)
			return true;
		start = comma + 1;
	}
}

/* addr-type ";" xtext: RFC 3461 4.2. */
static bool
parse_orcpt(struct smtp_str v, struct smtp_rcpt_params *p)
{
	const char *semi = v.len > 0 ? memchr(v.p, ';', v.len) : NULL;

	if (semi == NULL || v.len > ORCPT_MAX)
		return false;
	p->has_orcpt = true;
	p->orcpt_type = (struct smtp_str){ v.p, (size_t)(semi - v.p) };
	p->orcpt_xtext.p = semi + 1;
	p->orcpt_xtext.len = v.len - p->orcpt_type.len - 1;
	return keyword_valid(p->orcpt_type) &&
	       text_valid(p->orcpt_xtext, ORCPT_MAX, is_unitext(p->orcpt_type));
}

static bool
parse_rrvs(struct smtp_str v, struct smtp_rcpt_params *p)
{
	p->has_rrvs = true;
	p->rrvs = v;
	return true;
}

/* --- lists --------------------------------------------------------------------- */

struct mail_param {
	const char *keyword;
	bool takes_value;
	bool (*parse)(struct smtp_str v, struct smtp_mail_params *p);
};

static const struct mail_param mail_params[] = {
	{ "SIZE", true, parse_size },
	{ "BODY", true, parse_body },
	{ "RET", true, parse_ret },
	{ "ENVID", true, parse_envid },
	{ "MT-PRIORITY", true, parse_priority },
	{ "BY", true, parse_by },
	{ "AUTH", true, parse_auth },
	{ "SUBMITTER", true, parse_submitter },
	{ "SMTPUTF8", false, parse_smtputf8 },
};

struct rcpt_param {
	const char *keyword;
	bool (*parse)(struct smtp_str v, struct smtp_rcpt_params *p);
};

static const struct rcpt_param rcpt_params[] = {
	{ "NOTIFY", parse_notify },
	{ "ORCPT", parse_orcpt },
	{ "RRVS", parse_rrvs },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static size_t
find_mail_param(struct smtp_str keyword)
{
	size_t i = 0;

	while (i < COUNT(mail_params) &&
	       !smtp_str_is(keyword, mail_params[i].keyword))
		i++;
	return i;
}

static size_t
find_rcpt_param(struct smtp_str keyword)
{
	size_t i = 0;

	while (i < COUNT(rcpt_params) &&
	       !smtp_str_is(keyword, rcpt_params[i].keyword))
		i++;
	return i;
}

/* What has been seen of a list, whichever command it belongs to. */
struct progress {
	unsigned seen; /* bit per table row */
	struct smtp_str unknown;
	struct smtp_str bad;
};

/* Row i of n was found for param: SMTP_OK to go on and parse its value. */
static int
check_item(
    struct progress *g, size_t i, size_t n, const struct smtp_param *param)
{
	g->bad = param->keyword;
	if (i == n) {
		if (g->unknown.len == 0)
			g->unknown = param->keyword;
		return SMTP_EUNKNOWN;
	}
	if ((g->seen & 1u << i) != 0)
		return SMTP_EDUPLICATE;
	g->seen |= 1u << i;
	return SMTP_OK;
}

static int
mail_item(struct progress *g, const struct smtp_param *param,
    struct smtp_mail_params *p)
{
	size_t i = find_mail_param(param->keyword);
	int rc = check_item(g, i, COUNT(mail_params), param);

	if (rc != SMTP_OK)
		return rc == SMTP_EUNKNOWN ? SMTP_OK : rc;
	if (param->has_value != mail_params[i].takes_value ||
	    !mail_params[i].parse(param->value, p))
		return SMTP_ESYNTAX;
	return SMTP_OK;
}

int
smtp_mail_params_parse(struct smtp_str list,
    struct smtp_mail_params *ret_params, struct smtp_str *ret_bad)
{
	struct progress g = { 0, empty, empty };
	struct smtp_mail_params p;
	struct smtp_param param;
	size_t pos = 0;
	int rc;

	memset(&p, 0, sizeof(p));
	while ((rc = smtp_param_next(list, &pos, &param)) == 1)
		if ((rc = mail_item(&g, &param, &p)) != SMTP_OK)
			break;
	if (rc != SMTP_OK) {
		if (ret_bad != NULL)
			*ret_bad = g.bad;
		return rc;
	}
	p.unknown = g.unknown;
	*ret_params = p;
	return SMTP_OK;
}

static int
rcpt_item(struct progress *g, const struct smtp_param *param,
    struct smtp_rcpt_params *p)
{
	size_t i = find_rcpt_param(param->keyword);
	int rc = check_item(g, i, COUNT(rcpt_params), param);

	if (rc != SMTP_OK)
		return rc == SMTP_EUNKNOWN ? SMTP_OK : rc;
	if (!param->has_value || !rcpt_params[i].parse(param->value, p))
		return SMTP_ESYNTAX;
	return SMTP_OK;
}

int
smtp_rcpt_params_parse(struct smtp_str list,
    struct smtp_rcpt_params *ret_params, struct smtp_str *ret_bad)
{
	struct progress g = { 0, empty, empty };
	struct smtp_rcpt_params p;
	struct smtp_param param;
	size_t pos = 0;
	int rc;

	memset(&p, 0, sizeof(p));
	while ((rc = smtp_param_next(list, &pos, &param)) == 1)
		if ((rc = rcpt_item(&g, &param, &p)) != SMTP_OK)
			break;
	if (rc != SMTP_OK) {
		if (ret_bad != NULL)
			*ret_bad = g.bad;
		return rc;
	}
	p.unknown = g.unknown;
	*ret_params = p;
	return SMTP_OK;
}

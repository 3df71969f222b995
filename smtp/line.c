#include "smtp/line.h"

#include <string.h>

const char *
smtp_strerror(int err)
{
	switch (err) {
	case SMTP_OK: return "no error";
	case SMTP_ENOMEM: return "out of memory";
	case SMTP_ESYNTAX: return "syntax error";
	case SMTP_ETOOLONG: return "too long";
	case SMTP_EBARE: return "CR or LF that is not part of CR LF";
	case SMTP_ENUL: return "NUL in text";
	case SMTP_EDUPLICATE: return "parameter given twice";
	case SMTP_EUNKNOWN: return "unknown parameter";
	case SMTP_ESTATE: return "not in this state";
	case SMTP_ECLOSED: return "session is over";
	case SMTP_EMIME: return "content cannot be converted";
	default: return "unknown error";
	}
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
smtp_str_same(struct smtp_str a, struct smtp_str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool
smtp_str_is(struct smtp_str s, const char *text)
{
	return smtp_str_same(s, (struct smtp_str){ text, strlen(text) });
}

void
smtp_line_init(struct smtp_line *l)
{
	l->len = 0;
	l->cr = l->whole = false;
}

int
smtp_line_take(
    struct smtp_line *l, const char *buf, size_t len, size_t *ret_used)
{
	if (l->whole && len > 0) {
		l->len = 0;
		l->whole = false;
	}
	for (size_t i = 0; i < len; i++) {
		char c = buf[i];

		if (l->cr != (c == '\n'))
			return SMTP_EBARE;
		if (c == '\0')
			return SMTP_ENUL;
		if (l->cr) {
			/* The CR is not part of the line either. */
			l->len--;
			l->cr = false;
			l->whole = true;
			*ret_used = i + 1;
			return 1;
		}
		if (l->len == sizeof(l->buf))
			return SMTP_ETOOLONG;
		l->buf[l->len++] = c;
		l->cr = c == '\r';
	}
	*ret_used = len;
	return 0;
}

int
smtp_line_first(
    const char *buf, size_t len, struct smtp_str *ret_line, size_t *ret_next)
{
	for (size_t i = 0; i < len; i++) {
		if (i == SMTP_LINE_MAX)
			return SMTP_ETOOLONG;
		if (buf[i] == '\0')
			return SMTP_ENUL;
		if (buf[i] == '\n')
			return SMTP_EBARE;
		if (buf[i] != '\r')
			continue;
		if (i + 1 == len)
			return SMTP_ESYNTAX;
		if (buf[i + 1] != '\n')
			return SMTP_EBARE;
		ret_line->p = buf;
		ret_line->len = i;
		*ret_next = i + 2;
		return SMTP_OK;
	}
	return SMTP_ESYNTAX;
}

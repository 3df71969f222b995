#include "smtp/message.h"

#include <string.h>

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

size_t
smtp_header_len(const char *p, size_t len)
{
	size_t pos = 0;

	while (pos < len) {
		size_t end = line_end(p, len, pos);

		if (end - pos == 2 && p[pos] == '\r' && p[pos + 1] == '\n')
			return pos;
		pos = end;
	}
	return len;
}

bool
smtp_field_next(
    const char *p, size_t len, size_t *pos, struct smtp_field *ret_f)
{
	size_t start = *pos, end;
	const char *colon;

	if (start >= len)
		return false;
	end = line_end(p, len, start);
	while (end < len && (p[end] == ' ' || p[end] == '\t'))
		end = line_end(p, len, end);
	*pos = end;
	ret_f->whole = (struct smtp_str){ p + start, end - start };
	ret_f->name = ret_f->body = (struct smtp_str){ p + end, 0 };
	colon = memchr(p + start, ':', end - start);
	if (colon == NULL)
		return true;
	ret_f->name =
	    (struct smtp_str){ p + start, (size_t)(colon - p) - start };
	while (ret_f->name.len > 0 &&
	       (ret_f->name.p[ret_f->name.len - 1] == ' ' ||
		   ret_f->name.p[ret_f->name.len - 1] == '\t'))
		ret_f->name.len--;
	ret_f->body.p = colon + 1;
	ret_f->body.len = end - (size_t)(colon + 1 - p);
	return true;
}

#include "gateway/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Longer lines are cut: a line must stay one write, and readable. */
#define LINE_MAX_OCTETS 2048

static enum log_level threshold = GW_LOG_INFO;

void
log_set_level(enum log_level level)
{
	threshold = level;
}

/* Where the lines go does not change while we run. */
static bool
to_terminal(void)
{
	static enum { UNKNOWN, NO, YES } known;

	if (known == UNKNOWN)
		known = isatty(STDERR_FILENO) ? YES : NO;
	return known == YES;
}

/* What vsnprintf() would have written may be more than there was room for. */
static size_t
clipped(int n, size_t room)
{
	if (n < 0)
		return 0;
	return (size_t)n < room ? (size_t)n : room - 1;
}

void
log_event(enum log_level level, const char *event, const char *fmt, ...)
{
	char line[LINE_MAX_OCTETS];
	int saved = errno;
	size_t n = 0;
	va_list ap;

	if (level > threshold)
		return;
	if (!to_terminal())
		n += clipped(snprintf(line, sizeof(line), "<%d>", (int)level),
		    sizeof(line));
	n += clipped(snprintf(line + n, sizeof(line) - n, "%s ", event),
	    sizeof(line) - n);
	va_start(ap, fmt);
	n += clipped(vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap),
	    sizeof(line) - n - 1);
	va_end(ap);
	line[n++] = '\n';
	/* Nothing can be done about a log that cannot be written. */
	(void)!write(STDERR_FILENO, line, n);
	errno = saved;
}

const char *
log_vis(char *buf, size_t cap, const void *data, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	static const char cut[] = "...";
	const unsigned char *p = data;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		/* An escape, the mark of a cut and the NUL must still fit. */
		if (cap - n < 4 + sizeof(cut)) {
			memcpy(buf + n, cut, sizeof(cut));
			return buf;
		}
		if (p[i] >= 0x20 && p[i] < 0x7f && p[i] != '"' &&
		    p[i] != '\\') {
			buf[n++] = (char)p[i];
			continue;
		}
		buf[n++] = '\\';
		buf[n++] = 'x';
		buf[n++] = hex[p[i] >> 4];
		buf[n++] = hex[p[i] & 15];
	}
	buf[n] = '\0';
	return buf;
}

bool
log_allowed(struct log_limit *l, struct pmul_mono now)
{
	if (now.us < l->next.us)
		return false;
	l->next.us = now.us + 1000000;
	return true;
}

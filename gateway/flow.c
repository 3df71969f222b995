#include "gateway/flow.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gateway/clock.h"
#include "mule/ext.h"

/* --- trace ------------------------------------------------------------------------ */

struct out {
	char *buf;
	size_t cap, len;
};

static void add(struct out *o, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
add(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->len, o->cap - o->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		o->len += (size_t)n < o->cap - o->len ? (size_t)n
						      : o->cap - o->len - 1;
}

size_t
flow_received(const struct flow_trace *t, char buf[FLOW_RECEIVED_MAX])
{
	struct out o = { buf, FLOW_RECEIVED_MAX, 0 };
	char date[CLOCK_DATE_MAX];

	add(&o, "Received: from %s", t->from);
	if (t->comment[0] != '\0')
		add(&o, " (%s)", t->comment);
	add(&o, "\r\n\tby %s", t->by);
	if (t->via != NULL)
		add(&o, " via %s", t->via);
	if (t->with != NULL)
		add(&o, " with %s", t->with);
	add(&o, " id %" PRIu64, t->id);
	if (t->for_path != NULL)
		add(&o, "\r\n\tfor %s", t->for_path);
	if (t->has_priority)
		add(&o, " PRIORITY %d", t->priority);
	add(&o, ";\r\n\t%s\r\n", clock_date(t->now_s, date));
	return o.len;
}

/* --- times ------------------------------------------------------------------------- */

#define US 1000000

int64_t
flow_retry_at(const struct cfg_smtp *cfg, uint32_t attempts, int64_t now_s,
    uint64_t random)
{
	uint64_t wait = cfg->retry_first_us, spread;

	for (uint32_t i = 0; i < attempts && wait < cfg->retry_max_us; i++)
		wait = wait * cfg->retry_factor_pct / 100;
	if (wait > cfg->retry_max_us)
		wait = cfg->retry_max_us;
	/* Somewhere between minus and plus jitter. */
	spread = wait / 100 * cfg->retry_jitter_pct;
	wait = wait - spread + 2 * spread / 1000 * (random % 1001);
	return now_s + (int64_t)((wait + US - 1) / US);
}

void
flow_set_times(const struct cfg *cfg, const struct smtp_mail_params *p,
    struct queue_message *m)
{
	m->priority = p->has_priority ? p->priority : 0;
	m->expires_at = m->accepted_at + (int64_t)(cfg->smtp.lifetime_us / US);
	if (cfg->smtp.delay_warning_us > 0)
		m->warn_at =
		    m->accepted_at + (int64_t)(cfg->smtp.delay_warning_us / US);
	if (p->by == SMTP_BY_NONE)
		return;
	m->deliver_by = m->accepted_at + p->by_seconds;
	m->by_mode = p->by == SMTP_BY_RETURN ? 'R' : 'N';
	m->by_trace = p->by_trace;
	if (p->by == SMTP_BY_RETURN && m->deliver_by < m->expires_at)
		m->expires_at = m->deliver_by;
	/* Its own deadline is when the sender wants to hear of it. */
	if (p->by == SMTP_BY_NOTIFY)
		m->warn_at = m->deliver_by > 0 ? m->deliver_by : 1;
}

/* --- lines -------------------------------------------------------------------------- */

static struct smtp_str
str(const char *s)
{
	return (struct smtp_str){ s, strlen(s) };
}

/* Written anew below, or by the client that knows the size. */
static bool
made_anew(struct smtp_str keyword)
{
	return smtp_str_is(keyword, "BY") ||
	       smtp_str_is(keyword, "MT-PRIORITY") ||
	       smtp_str_is(keyword, "SIZE");
}

/* The path, and the parameters that go on. */
static void
copy_line(struct smtp_line_writer *w, const struct smtp_envelope_line *line,
    bool rcpt, unsigned agreed)
{
	struct smtp_param p;
	size_t pos = 0;

	while (smtp_param_next(line->params, &pos, &p) == 1) {
		if ((!rcpt && made_anew(p.keyword)) ||
		    !mule_param_travels(p.keyword, rcpt, agreed))
			continue;
		(void)smtp_write_text(w, " ");
		(void)smtp_write_str(w, p.keyword);
		if (p.has_value) {
			(void)smtp_write_text(w, "=");
			(void)smtp_write_str(w, p.value);
		}
	}
}

static void
write_path(struct smtp_line_writer *w, const struct smtp_envelope_line *line)
{
	(void)smtp_write_text(w, "<");
	(void)smtp_write_str(w, line->path.mailbox);
	(void)smtp_write_text(w, ">");
}

static void
write_by(struct smtp_line_writer *w, int64_t left, char mode, bool trace)
{
	const char t[2] = { mode, '\0' };

	/* RFC 2852 4: R with nothing left is a mistake; N may go below zero,
	 * with nine digits at most. */
	if (mode == 'R' && left < 1)
		left = 1;
	if (left < -999999999)
		left = -999999999;
	if (left > 999999999)
		left = 999999999;
	(void)smtp_write_text(w, " BY=");
	(void)smtp_write_number(w, left);
	(void)smtp_write_text(w, ";");
	(void)smtp_write_text(w, t);
	if (trace)
		(void)smtp_write_text(w, "T");
}

bool
flow_from_line(const char *from_line, int priority, int64_t deliver_by,
    char by_mode, bool by_trace, int64_t now_s, unsigned agreed,
    char buf[FLOW_LINE_MAX])
{
	struct smtp_envelope_line line;
	struct smtp_line_writer w;

	if (smtp_line_parse(str(from_line), SMTP_PATH_NULL | SMTP_PATH_UTF8,
		&line) != SMTP_OK)
		return false;
	smtp_write_begin(&w, buf, FLOW_LINE_MAX);
	write_path(&w, &line);
	(void)smtp_write_text(&w, " MT-PRIORITY=");
	(void)smtp_write_number(&w, priority);
	copy_line(&w, &line, false, agreed);
	if (by_mode != 0)
		write_by(&w, deliver_by - now_s, by_mode, by_trace);
	return smtp_write_end(&w);
}

bool
flow_rcpt_line(const char *rcpt_line, unsigned agreed, char buf[FLOW_LINE_MAX])
{
	struct smtp_envelope_line line;
	struct smtp_line_writer w;

	if (smtp_line_parse(str(rcpt_line), SMTP_PATH_UTF8, &line) != SMTP_OK)
		return false;
	smtp_write_begin(&w, buf, FLOW_LINE_MAX);
	write_path(&w, &line);
	copy_line(&w, &line, true, agreed);
	return smtp_write_end(&w);
}

/* RFC 3461 4, 4.2: as xtext; 0 if it cannot be written so. */
static size_t
xtext(struct smtp_str s, char *buf, size_t cap)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c > 126 || cap - n < 4)
			return 0;
		if (c > 32 && c != '+' && c != '=') {
			buf[n++] = (char)c;
			continue;
		}
		buf[n++] = '+';
		buf[n++] = hex[c >> 4];
		buf[n++] = hex[c & 15];
	}
	buf[n] = '\0';
	return n;
}

bool
flow_redirect_line(
    const char *rcpt_line, const char *path, char buf[FLOW_LINE_MAX])
{
	struct smtp_envelope_line line;
	struct smtp_rcpt_params p;
	char old[480]; /* ORCPT has 500 octets at most */
	bool orcpt;
	int n;

	if (smtp_line_parse(str(rcpt_line),
		SMTP_PATH_POSTMASTER | SMTP_PATH_UTF8, &line) != SMTP_OK ||
	    smtp_rcpt_params_parse(line.params, &p, NULL) != SMTP_OK)
		return false;
	orcpt = !p.has_orcpt && xtext(line.path.mailbox, old, sizeof(old)) != 0;
	n = snprintf(buf, FLOW_LINE_MAX, "%s%s%.*s%s%s", path,
	    line.params.len != 0 ? " " : "", (int)line.params.len,
	    line.params.p, orcpt ? " ORCPT=rfc822;" : "", orcpt ? old : "");
	return n > 0 && n < FLOW_LINE_MAX;
}

/* --- who gets a notification ------------------------------------------------------------ */

/* RFC 3461 5.2.2 and RFC 2852 5: who passes it on says so. */
static bool
relay_wanted(unsigned notify, const struct flow_passed *p)
{
	bool no_dsn = (p->dropped & SMTP_EXT_DSN) != 0;
	bool no_deadline = (p->dropped & SMTP_EXT_DELIVERBY) != 0;

	if (no_dsn && (notify & SMTP_NOTIFY_SUCCESS) != 0)
		return true;
	/* A message that must be returned never goes to such a hop. */
	return p->by_trace || (no_deadline && p->by_mode == 'N');
}

bool
flow_notify(enum flow_report what, const char *from_line, const char *rcpt_line,
    const struct flow_passed *passed)
{
	struct smtp_envelope_line from, rcpt;
	struct smtp_rcpt_params p = { .notify = 0 };

	if (smtp_line_parse(str(from_line), SMTP_PATH_NULL | SMTP_PATH_UTF8,
		&from) != SMTP_OK ||
	    from.path.mailbox.len == 0)
		return false;
	if (smtp_line_parse(str(rcpt_line),
		SMTP_PATH_POSTMASTER | SMTP_PATH_UTF8, &rcpt) != SMTP_OK ||
	    smtp_rcpt_params_parse(rcpt.params, &p, NULL) != SMTP_OK)
		p.notify = 0;
	if ((p.notify & SMTP_NOTIFY_NEVER) != 0)
		return false;
	switch (what) {
	case FLOW_REPORT_FAILED:
		return p.notify == 0 || (p.notify & SMTP_NOTIFY_FAILURE) != 0;
	case FLOW_REPORT_DELAYED:
		return p.notify == 0 || (p.notify & SMTP_NOTIFY_DELAY) != 0;
	case FLOW_REPORT_RELAYED: return relay_wanted(p.notify, passed);
	}
	return false;
}

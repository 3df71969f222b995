/*
 * Delivery status notifications; see notify.h.
 *
 * A notification is a message of our own with the null return path, routed like
 * any other, and added to the transaction that ends the recipients it is about:
 * either both happen or neither.
 */
#include "gateway/notify.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/body.h"
#include "gateway/clock.h"
#include "gateway/flow.h"
#include "gateway/log.h"
#include "gateway/route.h"
#include "mule/dsn.h"

/* What is returned of a message at most, even with RET=FULL. */
#define RETURN_MAX (64 * 1024)

struct notice {
	struct gateway *gw;
	const struct delivery *d;
	char remote[256 + 8];
	struct queue_txn *t;
	notify_done_cb *done;
	void *ctx;
	struct notified made;
	char envid[SMTP_LINE_MAX];
	bool full, utf8;
	/* To the sender, and a copy to who wants to know of failures. */
	struct route routes[2];
	const char *to[2];
	size_t nto;
};

/* Strings of one reported recipient; struct mule_dsn_rcpt points here. */
struct rcpt_text {
	char type[64], orcpt[SMTP_LINE_MAX], final[SMTP_PATH_MAX + 1];
};

static struct smtp_str
str(const char *s)
{
	return (struct smtp_str){ s, strlen(s) };
}

static void
copy(char *to, size_t cap, struct smtp_str from)
{
	size_t n = from.len < cap - 1 ? from.len : cap - 1;

	memcpy(to, from.p, n);
	to[n] = '\0';
}

static void
decode(char *to, size_t cap, struct smtp_str xtext)
{
	size_t n;

	to[0] = '\0';
	if (smtp_xtext_decode(xtext, to, cap - 1, &n) == SMTP_OK)
		to[n] = '\0';
}

static void
decode_orcpt(char *to, size_t cap, const struct smtp_rcpt_params *p)
{
	size_t n;

	to[0] = '\0';
	if (smtp_orcpt_decode(p, to, cap - 1, &n) == SMTP_OK)
		to[n] = '\0';
}

static void
finish(struct notice *n, int rc)
{
	n->done(n->ctx, rc, n->t, &n->made);
	free(n);
}

/* --- what it says -------------------------------------------------------------------- */

/* Whether there is something to say of the recipient, and what. */
static bool
reported(const struct delivery *d, const struct delivery_rcpt *r,
    enum mule_dsn_action *ret_action)
{
	const struct flow_passed passed = {
		.dropped = d->dropped,
		.by_mode = d->by_mode,
		.by_trace = d->by_trace,
	};
	enum flow_report what = FLOW_REPORT_FAILED;

	switch (r->outcome.type) {
	case OUTCOME_FAILED: *ret_action = MULE_DSN_FAILED; break;
	case OUTCOME_LATE:
		what = FLOW_REPORT_DELAYED;
		*ret_action = MULE_DSN_DELAYED;
		break;
	case OUTCOME_DELIVERED:
		what = FLOW_REPORT_RELAYED;
		*ret_action = MULE_DSN_RELAYED;
		break;
	case OUTCOME_NONE:
	case OUTCOME_DEFERRED: return false;
	}
	return flow_notify(what, d->from_line, r->line, &passed);
}

/* What matters most of all that is reported. */
static bool
any_reported(const struct delivery *d, enum mule_dsn_action *ret_worst)
{
	enum mule_dsn_action a;
	bool any = false;

	for (size_t i = 0; i < d->nrcpts; i++) {
		if (!reported(d, &d->rcpts[i], &a))
			continue;
		if (!any || a < *ret_worst)
			*ret_worst = a;
		any = true;
	}
	return any;
}

static void
set_rcpt(const struct notice *n, const struct delivery_rcpt *r,
    enum mule_dsn_action action, const char *now, const char *until,
    struct rcpt_text *text, struct mule_dsn_rcpt *to)
{
	struct smtp_envelope_line line;
	struct smtp_rcpt_params p;

	memset(text, 0, sizeof(*text));
	if (smtp_line_parse(str(r->line), SMTP_PATH_POSTMASTER | SMTP_PATH_UTF8,
		&line) == SMTP_OK) {
		copy(text->final, sizeof(text->final), line.path.mailbox);
		if (smtp_rcpt_params_parse(line.params, &p, NULL) == SMTP_OK &&
		    p.has_orcpt) {
			copy(text->type, sizeof(text->type), p.orcpt_type);
			decode_orcpt(text->orcpt, sizeof(text->orcpt), &p);
		}
	}
	*to = (struct mule_dsn_rcpt){
		.orcpt_type = text->type,
		.orcpt = text->orcpt,
		.final = text->final,
		.action = action,
		.status = r->outcome.status,
		.remote_type = n->d->by_mule ? "X-MULE" : "dns",
		.remote = n->remote,
		.diagnostic_type = r->outcome.replied ? "smtp"
				   : n->d->by_mule    ? "X-MULE"
						      : "X-Muleteer",
		.diagnostic = r->outcome.text,
		.last_attempt = now,
		.will_retry = until,
	};
}

/*
 * As reported(); when nobody is to be told but the copy's reader, because the
 * sender is nobody, then of every failure.
 */
static bool
about(const struct notice *n, const struct delivery_rcpt *r,
    enum mule_dsn_action *ret_action)
{
	if (n->made.to[0] != '\0')
		return reported(n->d, r, ret_action);
	*ret_action = MULE_DSN_FAILED;
	return r->outcome.type == OUTCOME_FAILED;
}

static int
write_text(struct notice *n, const char *original, size_t len, char **ret_text,
    size_t *ret_len, bool *ret_8bit)
{
	const struct delivery *d = n->d;
	char now[CLOCK_DATE_MAX], arrival[CLOCK_DATE_MAX], by[CLOCK_DATE_MAX];
	char until[CLOCK_DATE_MAX], msgid[400], boundary[64];
	struct mule_dsn_rcpt *rcpts = calloc(d->nrcpts, sizeof(*rcpts));
	struct rcpt_text *text = calloc(d->nrcpts, sizeof(*text));
	struct mule_dsn dsn = {
		.hostname = n->gw->cfg->node.hostname,
		.to = n->made.to,
		.date = clock_date(clock_wall_s(), now),
		.message_id = msgid,
		.boundary = boundary,
		.envid = n->envid,
		.arrival = clock_date(d->accepted_at, arrival),
		.deliver_by =
		    d->by_mode != 0 ? clock_date(d->deliver_by, by) : "",
		.rcpts = rcpts,
		.original = original,
		.original_len = len,
		.full = n->full,
		.utf8 = n->utf8,
	};
	int rc = MULE_ENOMEM;

	clock_date(d->expires_at, until);
	snprintf(msgid, sizeof(msgid), "%" PRIu64 ".dsn@%s", n->made.id,
	    dsn.hostname);
	snprintf(boundary, sizeof(boundary), "=_%" PRIu64 "_%016" PRIx64,
	    n->made.id, gateway_random(n->gw, UINT64_MAX));
	if (rcpts != NULL && text != NULL) {
		for (size_t i = 0; i < d->nrcpts; i++) {
			enum mule_dsn_action action;

			if (!about(n, &d->rcpts[i], &action))
				continue;
			set_rcpt(n, &d->rcpts[i], action, now, until,
			    &text[dsn.nrcpts], &rcpts[dsn.nrcpts]);
			dsn.nrcpts++;
		}
		rc = mule_dsn_write(&dsn, ret_text, ret_len, ret_8bit);
	}
	free(rcpts);
	free(text);
	return rc;
}

/* --- how it goes ------------------------------------------------------------------------ */

/* RFC 6531 3.1: an address, which is in the header section as well. */
static bool
needs_utf8(const struct notice *n)
{
	for (size_t i = 0; i < n->nto; i++)
		for (const char *p = n->to[i]; *p != '\0'; p++)
			if ((unsigned char)*p >= 0x80)
				return true;
	return false;
}

static int
add(struct notice *n, const char *text, size_t len, bool eight)
{
	const struct delivery *d = n->d;
	char from[64], lines[2][SMTP_PATH_MAX + 32];
	struct queue_rcpt r[2];
	struct queue_message m = {
		.id = n->made.id,
		.origin = QUEUE_FROM_SELF,
		.from_link = "",
		.from_line = from,
		.priority = d->priority,
		.accepted_at = clock_wall_s(),
		.size = len,
		.rcpts = r,
		.nrcpts = n->nto,
	};
	struct body *b = NULL;
	int rc = body_new(queue_tmp_dir(n->gw->queue), &b);

	/* RFC 3461 6.1: the null return path; RFC 6710 4.6: the priority of
	 * the message it is about. */
	snprintf(from, sizeof(from), "<> MT-PRIORITY=%d%s%s", d->priority,
	    eight ? " BODY=8BITMIME" : "", needs_utf8(n) ? " SMTPUTF8" : "");
	memset(r, 0, sizeof(r));
	for (size_t i = 0; i < n->nto; i++) {
		snprintf(
		    lines[i], sizeof(lines[i]), "<%s> NOTIFY=NEVER", n->to[i]);
		r[i].line = lines[i];
		r[i].hop = n->routes[i].hop;
		r[i].node = n->routes[i].node;
	}
	m.expires_at =
	    m.accepted_at + (int64_t)(n->gw->cfg->smtp.lifetime_us / 1000000);
	if (rc == 0)
		rc = body_append(b, text, len);
	rc = rc == 0 ? queue_txn_add(n->t, &m, &b) : QUEUE_EIO;
	body_free(&b);
	return rc;
}

static int
compose(struct notice *n, const char *message, size_t len)
{
	char *text = NULL;
	size_t n_text = 0;
	bool eight = false;
	int rc;

	/* What is not text does not fit into a report that is. */
	n->full = n->full && mule_is_text(message, len);
	if (!n->full)
		len = mule_header_len(message, len);
	if (!mule_is_text(message, len))
		len = 0;
	rc = write_text(n, message, len, &text, &n_text, &eight);
	if (rc == MULE_OK)
		rc = add(n, text, n_text, eight);
	free(text);
	if (rc != QUEUE_OK)
		n->made.id = 0;
	return rc == QUEUE_OK ? QUEUE_OK : QUEUE_ENOMEM;
}

void
notify_committed(struct gateway *gw, const struct notified *n)
{
	char to[300];

	if (n->id == 0)
		return;
	gw->stats.notified++;
	log_event(GW_LOG_INFO, "notify.sent",
	    "message=%" PRIu64 " about=%" PRIu64 " what=%s to=\"%s\"", n->id,
	    n->about, n->what, log_vis(to, sizeof(to), n->to, strlen(n->to)));
	for (size_t i = 0; i < 2; i++)
		if (n->hops[i][0] != '\0')
			sched_work(gw->sched, n->hops[i]);
}

/* The beginning of a file, which is all that is ever returned of it. */
static char *
read_start(int fd, size_t *len)
{
	size_t want = *len < RETURN_MAX ? *len : RETURN_MAX, done = 0;
	char *p = malloc(want + 1);

	while (p != NULL && done < want) {
		ssize_t n = pread(fd, p + done, want - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	*len = done;
	return p;
}

static void
on_body(void *ctx, int rc, const void *data, size_t len, int fd)
{
	struct notice *n = ctx;
	char *start = NULL;

	/* Without the message itself the report is still worth having. */
	if (rc != QUEUE_OK) {
		data = "";
		len = 0;
	}
	if (len > RETURN_MAX)
		n->full = false;
	if (fd >= 0) {
		start = read_start(fd, &len);
		close(fd);
		data = start != NULL ? start : "";
		len = start != NULL ? len : 0;
	}
	rc = compose(n, data, len);
	free(start);
	finish(n, rc);
}

/* --- whether there is one ----------------------------------------------------------------- */

static void
add_reader(struct notice *n, const char *mailbox, struct smtp_str domain)
{
	struct route *r = &n->routes[n->nto];

	route_find(n->gw->cfg, domain, "", r);
	if (r->type == ROUTE_NONE) {
		log_event(GW_LOG_ERR, "notify.unroutable",
		    "about=%" PRIu64 " to=\"%s\"", n->d->message, mailbox);
		return;
	}
	memcpy(n->made.hops[n->nto], r->hop, sizeof(r->hop));
	n->to[n->nto++] = mailbox;
}

static void
add_sender(struct notice *n, enum mule_dsn_action worst)
{
	struct smtp_envelope_line line;
	struct smtp_mail_params p;

	if (smtp_line_parse(str(n->d->from_line),
		SMTP_PATH_NULL | SMTP_PATH_UTF8, &line) != SMTP_OK)
		return;
	copy(n->made.to, sizeof(n->made.to), line.path.mailbox);
	if (smtp_mail_params_parse(line.params, &p, NULL) == SMTP_OK) {
		/* RFC 3461 4.3: of failures only. */
		n->full = p.ret == SMTP_RET_FULL && worst == MULE_DSN_FAILED;
		n->utf8 = p.has_smtputf8;
		if (p.has_envid)
			decode(n->envid, sizeof(n->envid), p.envid);
	}
	add_reader(n, n->made.to, line.path.domain);
}

static void
add_copy(struct notice *n)
{
	const char *copy_to = n->gw->cfg->smtp.bounce_copy;

	if (strcmp(copy_to, n->made.to) != 0)
		add_reader(n, copy_to, str(strrchr(copy_to, '@') + 1));
}

/*
 * Somebody wants to know of every failure: also of those that no sender is told
 * of, because there is none, or because he declined.
 */
static bool
wants_copy(const struct gateway *gw, const struct delivery *d)
{
	bool failed = false;

	for (size_t i = 0; i < d->nrcpts; i++)
		failed = failed || d->rcpts[i].outcome.type == OUTCOME_FAILED;
	return failed && gw->cfg->smtp.bounce_copy != NULL;
}

/* RFC 3464 2.1.2: an address among names is a literal of RFC 5321 4.1.3. */
static void
set_remote(struct notice *n, const char *remote)
{
	unsigned char addr[sizeof(struct in6_addr)];
	const char *open = "", *close = "";

	if (inet_pton(AF_INET, remote, addr) == 1)
		open = "[";
	else if (inet_pton(AF_INET6, remote, addr) == 1)
		open = "[IPv6:";
	if (open[0] != '\0')
		close = "]";
	snprintf(n->remote, sizeof(n->remote), "%s%s%s", open, remote, close);
}

void
notify_delivery(struct gateway *gw, const struct delivery *d,
    const char *remote, struct queue_txn *t, notify_done_cb *done, void *ctx)
{
	static const char *const names[] = {
		[MULE_DSN_FAILED] = "failed",
		[MULE_DSN_DELAYED] = "delayed",
		[MULE_DSN_RELAYED] = "relayed",
	};
	const struct notified nothing = { .id = 0 };
	enum mule_dsn_action worst = MULE_DSN_FAILED;
	bool sender = any_reported(d, &worst), copied = wants_copy(gw, d);
	struct notice *n;

	if (!sender && !copied) {
		done(ctx, QUEUE_OK, t, &nothing);
		return;
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL) {
		done(ctx, QUEUE_ENOMEM, t, &nothing);
		return;
	}
	n->gw = gw;
	n->d = d;
	n->t = t;
	n->done = done;
	n->ctx = ctx;
	n->made.about = d->message;
	n->made.what = names[worst];
	set_remote(n, remote);
	if (sender)
		add_sender(n, worst);
	if (copied)
		add_copy(n);
	if (n->nto == 0) {
		finish(n, QUEUE_OK);
		return;
	}
	n->made.id = queue_new_id(gw->queue);
	queue_body(gw->queue, d->message, on_body, n);
}

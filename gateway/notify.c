/*
 * Delivery status notifications; see notify.h.
 *
 * A notification is a message of our own with the null return path, routed like
 * any other, and added to the transaction that ends the recipients it is about:
 * either both happen or neither.
 */
#include "gateway/notify.h"

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
	char remote[256];
	struct queue_txn *t;
	notify_done_cb *done;
	void *ctx;
	uint64_t id;
	char sender[SMTP_PATH_MAX + 1];
	char envid[SMTP_LINE_MAX];
	bool full;
	struct route route;
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
finish(struct notice *n, int rc)
{
	notify_done_cb *done = n->done;
	void *ctx = n->ctx;
	struct queue_txn *t = n->t;
	char hop[ROUTE_HOP_MAX];

	memcpy(hop, n->route.hop, sizeof(hop));
	free(n);
	done(ctx, rc, t, hop);
}

/* --- what it says -------------------------------------------------------------------- */

static bool
reported(const struct delivery *d, const struct delivery_rcpt *r)
{
	return r->outcome.type == OUTCOME_FAILED &&
	       flow_notify_failure(d->from_line, r->line);
}

static void
set_rcpt(const struct notice *n, const struct delivery_rcpt *r, const char *now,
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
			decode(text->orcpt, sizeof(text->orcpt), p.orcpt_xtext);
		}
	}
	*to = (struct mule_dsn_rcpt){
		.orcpt_type = text->type,
		.orcpt = text->orcpt,
		.final = text->final,
		.action = MULE_DSN_FAILED,
		.status = r->outcome.status,
		.remote = n->remote,
		.diagnostic = r->outcome.text,
		.diagnostic_smtp = r->outcome.replied,
		.last_attempt = now,
	};
}

static int
write_text(struct notice *n, const char *original, size_t len, char **ret_text,
    size_t *ret_len, bool *ret_8bit)
{
	const struct delivery *d = n->d;
	char now[CLOCK_DATE_MAX], arrival[CLOCK_DATE_MAX], by[CLOCK_DATE_MAX];
	char msgid[400], boundary[64];
	struct mule_dsn_rcpt *rcpts = calloc(d->nrcpts, sizeof(*rcpts));
	struct rcpt_text *text = calloc(d->nrcpts, sizeof(*text));
	struct mule_dsn dsn = {
		.hostname = n->gw->cfg->node.hostname,
		.to = n->sender,
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
	};
	int rc = MULE_ENOMEM;

	snprintf(
	    msgid, sizeof(msgid), "%" PRIu64 ".dsn@%s", n->id, dsn.hostname);
	snprintf(boundary, sizeof(boundary), "=_%" PRIu64 "_%016" PRIx64, n->id,
	    gateway_random(n->gw, UINT64_MAX));
	if (rcpts != NULL && text != NULL) {
		for (size_t i = 0; i < d->nrcpts; i++)
			if (reported(d, &d->rcpts[i])) {
				set_rcpt(n, &d->rcpts[i], now,
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

static int
add(struct notice *n, const char *text, size_t len, bool eight)
{
	const struct delivery *d = n->d;
	char from[64], to[SMTP_PATH_MAX + 32];
	struct queue_rcpt r = {
		.line = to,
		.hop = n->route.hop,
		.node = n->route.node,
	};
	struct queue_message m = {
		.id = n->id,
		.origin = QUEUE_FROM_SELF,
		.from_link = "",
		.from_line = from,
		.priority = d->priority,
		.accepted_at = clock_wall_s(),
		.size = len,
		.rcpts = &r,
		.nrcpts = 1,
	};
	struct body *b = NULL;
	int rc = body_new(queue_tmp_dir(n->gw->queue), &b);

	/* RFC 3461 6.1: the null return path; RFC 6710 4.6: the priority of
	 * the message it is about. */
	snprintf(from, sizeof(from), "<> MT-PRIORITY=%d%s", d->priority,
	    eight ? " BODY=8BITMIME" : "");
	snprintf(to, sizeof(to), "<%s> NOTIFY=NEVER", n->sender);
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

	if (!n->full)
		len = mule_header_len(message, len);
	rc = write_text(n, message, len, &text, &n_text, &eight);
	if (rc == MULE_OK)
		rc = add(n, text, n_text, eight);
	free(text);
	if (rc != QUEUE_OK)
		return QUEUE_ENOMEM;
	n->gw->stats.notified++;
	log_event(GW_LOG_INFO, "notify.failed",
	    "message=%" PRIu64 " about=%" PRIu64 " to=\"%s\"", n->id,
	    n->d->message, n->sender);
	return QUEUE_OK;
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

static bool
any_reported(const struct delivery *d)
{
	for (size_t i = 0; i < d->nrcpts; i++)
		if (reported(d, &d->rcpts[i]))
			return true;
	return false;
}

/* Who it goes to, and by which hop; false: there is no way. */
static bool
address(struct notice *n)
{
	struct smtp_envelope_line line;
	struct smtp_mail_params p;

	if (smtp_line_parse(str(n->d->from_line),
		SMTP_PATH_NULL | SMTP_PATH_UTF8, &line) != SMTP_OK)
		return false;
	copy(n->sender, sizeof(n->sender), line.path.mailbox);
	if (smtp_mail_params_parse(line.params, &p, NULL) == SMTP_OK) {
		n->full = p.ret == SMTP_RET_FULL;
		if (p.has_envid)
			decode(n->envid, sizeof(n->envid), p.envid);
	}
	route_find(n->gw->cfg, line.path.domain, "", &n->route);
	return n->route.type != ROUTE_NONE;
}

void
notify_delivery(struct gateway *gw, const struct delivery *d,
    const char *remote, struct queue_txn *t, notify_done_cb *done, void *ctx)
{
	struct notice *n;

	if (!any_reported(d)) {
		done(ctx, QUEUE_OK, t, "");
		return;
	}
	n = calloc(1, sizeof(*n));
	if (n == NULL) {
		done(ctx, QUEUE_ENOMEM, t, "");
		return;
	}
	n->gw = gw;
	n->d = d;
	n->t = t;
	n->done = done;
	n->ctx = ctx;
	snprintf(n->remote, sizeof(n->remote), "%s", remote);
	if (!address(n)) {
		log_event(GW_LOG_ERR, "notify.unroutable",
		    "about=%" PRIu64 " to=\"%s\"", d->message, n->sender);
		finish(n, QUEUE_OK);
		return;
	}
	n->id = queue_new_id(gw->queue);
	queue_body(gw->queue, d->message, on_body, n);
}

/*
 * One SMTP transaction; see intake.h.
 */
#include "gateway/intake.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/clock.h"
#include "gateway/flow.h"
#include "gateway/log.h"
#include "gateway/route.h"
#include "gateway/room.h"
#include "gateway/sched.h"
#include "mule/dsn.h"

void
intake_reset(struct intake *c)
{
	for (size_t i = 0; i < c->nrcpts; i++) {
		free((char *)(uintptr_t)c->rcpts[i].line);
		free((char *)(uintptr_t)c->rcpts[i].hop);
	}
	c->nrcpts = 0;
	free(c->from_line);
	c->from_line = NULL;
	body_free(&c->body);
	c->head_len = 0;
}

void
intake_release(struct intake *c)
{
	intake_reset(c);
	free(c->rcpts);
	c->rcpts = NULL;
	c->rcpts_cap = 0;
}

/* --- envelope --------------------------------------------------------------- */

static char *
copy(struct smtp_str s)
{
	char *p = malloc(s.len + 1);

	if (p == NULL)
		return NULL;
	memcpy(p, s.p, s.len);
	p[s.len] = '\0';
	return p;
}

/* Not everybody may be urgent.  What goes on is the priority of c->mail. */
static bool
lower_priority(struct intake *c)
{
	if (!c->mail.has_priority || c->mail.priority <= 0 ||
	    (c->may_relay && c->urgent))
		return false;
	c->mail.priority = 0;
	return true;
}

/*
 * RFC 4865 4: until when the message is held; false if that is past, further
 * away than was offered, or after the deadline of its BY.
 */
static bool
set_hold(struct intake *c, const struct smtp_mail_params *p)
{
	int64_t now_s = clock_wall_s();
	int64_t wait_s =
	    p->has_hold_for ? (int64_t)p->hold_for_s : p->hold_until - now_s;

	c->hold_until = 0;
	if (!p->has_hold_for && !p->has_hold_until)
		return true;
	/* The second that has begun does not count: never too early. */
	c->hold_until = now_s + wait_s + (p->has_hold_for ? 1 : 0);
	return wait_s >= 0 && wait_s <= (int64_t)c->hold_max_s &&
	       (p->by == SMTP_BY_NONE || wait_s <= p->by_seconds);
}

void
intake_mail(struct intake *c, const struct smtp_server_event *ev)
{
	intake_reset(c);
	if (c->gw->draining) {
		smtp_server_reply(c->server, 421, "4.3.2", "Shutting down");
		return;
	}
	/* RFC 1870 6.2: also when only this message is too big for it. */
	if (!room_for_mail(
		c->gw->room, ev->mail.has_size ? ev->mail.size : 0)) {
		smtp_server_reply(
		    c->server, 452, "4.3.1", "Insufficient system storage");
		return;
	}
	if (!set_hold(c, &ev->mail)) {
		smtp_server_reply(c->server, 501, "5.5.4",
		    "The message cannot be held until then");
		return;
	}
	c->from_line = copy(ev->line);
	c->mail = ev->mail;
	if (c->from_line == NULL)
		smtp_server_reply(c->server, 451, "4.3.0", "Out of memory");
	else if (lower_priority(c))
		/* RFC 6710 4.1: what is said begins with the new value. */
		smtp_server_reply(c->server, 250, "2.3.6",
		    "0 is the new priority of the message");
	else
		smtp_server_reply(c->server, 250, "2.1.0", "Sender ok");
}

/*
 * RFC 5321 4.5.1: the postmaster of this gateway, with or without our name, who
 * is to be reached by everybody.
 */
static bool
is_postmaster(const struct intake *c, const struct smtp_path *p)
{
	return smtp_str_is(p->local, "postmaster") &&
	       (p->domain.len == 0 ||
		   smtp_str_is(p->domain, c->gw->cfg->node.hostname));
}

/* The line of a recipient as it is stored: the postmaster by his address. */
static char *
rcpt_line(const struct intake *c, const struct smtp_server_event *ev)
{
	const struct cfg *cfg = c->gw->cfg;
	struct smtp_envelope_line l;
	char *line;
	size_t n;

	if (!is_postmaster(c, &ev->path) ||
	    smtp_line_parse(ev->line, SMTP_PATH_POSTMASTER, &l) != SMTP_OK)
		return copy(ev->line);
	n = strlen(cfg->smtp.postmaster) + l.params.len + 4;
	line = malloc(n);
	if (line != NULL)
		snprintf(line, n, "<%s>%s%.*s", cfg->smtp.postmaster,
		    l.params.len > 0 ? " " : "", (int)l.params.len, l.params.p);
	return line;
}

static bool
room_for_rcpt(struct intake *c)
{
	size_t cap = c->rcpts_cap == 0 ? 4 : 2 * c->rcpts_cap;
	struct queue_rcpt *r;

	if (c->nrcpts < c->rcpts_cap)
		return true;
	r = realloc(c->rcpts, cap * sizeof(*r));
	if (r == NULL)
		return false;
	c->rcpts = r;
	c->rcpts_cap = cap;
	return true;
}

static bool
add_rcpt(struct intake *c, const struct smtp_server_event *ev,
    const struct route *route)
{
	struct queue_rcpt *r;
	char *line, *hop;

	if (!room_for_rcpt(c))
		return false;
	line = rcpt_line(c, ev);
	hop = strdup(route->hop);
	if (line == NULL || hop == NULL) {
		free(line);
		free(hop);
		return false;
	}
	r = &c->rcpts[c->nrcpts++];
	memset(r, 0, sizeof(*r));
	r->line = line;
	r->hop = hop;
	r->node = route->node;
	return true;
}

static void
refuse_rcpt(struct intake *c, const struct smtp_server_event *ev, int code,
    const char *status, const char *text)
{
	char to[300];

	log_event(GW_LOG_INFO, "smtp.reject",
	    "peer=%s to=\"%s\" code=%d why=\"%s\"", c->peer,
	    log_vis(to, sizeof(to), ev->path.mailbox.p, ev->path.mailbox.len),
	    code, text);
	smtp_server_reply(c->server, code, status, text);
}

/*
 * Whether the radio network carries what the message needs, RFC 8494 table 1;
 * false, and answered, if not.  RFC 7293 14: with C it may also go without.
 */
static bool
carried(
    struct intake *c, const struct smtp_server_event *ev, const struct route *r)
{
	unsigned agreed = r->link != NULL ? r->link->agreed_set : UINT_MAX;
	struct smtp_str rrvs = ev->rcpt.rrvs;

	if (c->mail.has_smtputf8 && (agreed & CFG_AGREED_SMTPUTF8) == 0) {
		refuse_rcpt(c, ev, 553, "5.6.7",
		    "The way to this recipient does not carry SMTPUTF8");
		return false;
	}
	if (ev->rcpt.has_rrvs && (agreed & CFG_AGREED_RRVS) == 0 &&
	    !(rrvs.len > 2 && rrvs.p[rrvs.len - 2] == ';' &&
		(rrvs.p[rrvs.len - 1] | 0x20) == 'c')) {
		refuse_rcpt(c, ev, 550, "5.7.19",
		    "The way to this recipient does not carry RRVS");
		return false;
	}
	return true;
}

void
intake_rcpt(struct intake *c, const struct smtp_server_event *ev)
{
	const struct cfg *cfg = c->gw->cfg;
	struct smtp_str domain = ev->path.domain;
	bool postmaster = is_postmaster(c, &ev->path);
	struct route route;

	if (postmaster) {
		domain.p = strrchr(cfg->smtp.postmaster, '@') + 1;
		domain.len = strlen(domain.p);
	}
	route_find(cfg, domain, "", &route);
	if (!c->may_relay && !route.ours && !postmaster) {
		refuse_rcpt(c, ev, 550, "5.7.1", "Relaying denied");
		return;
	}
	if (!carried(c, ev, &route))
		return;
	if (route.type == ROUTE_NONE) {
		refuse_rcpt(c, ev, 550, "5.1.2", "No route to this domain");
		return;
	}
	if (!add_rcpt(c, ev, &route)) {
		refuse_rcpt(c, ev, 451, "4.3.0", "Out of memory");
		return;
	}
	smtp_server_reply(c->server, 250, "2.1.5", "Recipient ok");
}

/* --- content ---------------------------------------------------------------- */

static void
refuse_disk(struct intake *c, int err)
{
	int code = err == -ENOSPC || err == -EDQUOT ? 452 : 451;

	log_event(GW_LOG_ERR, "smtp.disk", "peer=%s why=\"%s\"", c->peer,
	    strerror(-err));
	smtp_server_refuse_content(c->server, code,
	    code == 452 ? "4.3.1" : "4.3.0",
	    code == 452 ? "Insufficient system storage"
			: "Local error, try again");
}

/* The address literal of the peer: RFC 5321 4.1.3. */
static void
literal(const char *peer, char *buf, size_t cap)
{
	snprintf(
	    buf, cap, "[%s%s]", strchr(peer, ':') != NULL ? "IPv6:" : "", peer);
}

/* RFC 3848, and RFC 6531 4.3. */
static const char *
protocol(const struct intake *c)
{
	const struct smtp_server *s = c->server;
	bool utf8 = c->mail.has_smtputf8;

	if (!smtp_server_is_esmtp(s))
		return "SMTP";
	/* AUTH is not offered in the clear. */
	if (smtp_server_is_authenticated(s))
		return utf8 ? "UTF8SMTPSA" : "ESMTPSA";
	if (smtp_server_is_secured(s))
		return utf8 ? "UTF8SMTPS" : "ESMTPS";
	return utf8 ? "UTF8SMTP" : "ESMTP";
}

static int
append_received(struct intake *c)
{
	char field[FLOW_RECEIVED_MAX], comment[INET6_ADDRSTRLEN + 8], path[300];
	const struct smtp_server *server = c->server;
	struct flow_trace t = {
		.from = smtp_server_helo(server),
		.comment = comment,
		.by = c->gw->cfg->node.hostname,
		.with = protocol(c),
		.id = c->id,
		.has_priority = c->mail.has_priority,
		.priority = c->mail.priority,
		.now_s = c->accepted_at,
	};

	literal(c->peer, comment, sizeof(comment));
	/* RFC 5321 4.4: at most one path, so that none is revealed. */
	if (c->nrcpts == 1) {
		snprintf(path, sizeof(path), "%.*s",
		    (int)strcspn(c->rcpts[0].line, " "), c->rcpts[0].line);
		t.for_path = path;
	}
	return body_append(c->body, field, flow_received(&t, field));
}

void
intake_begin(struct intake *c)
{
	struct gateway *gw = c->gw;
	int rc = room_for_mail(gw->room, 0)
		     ? body_new(queue_tmp_dir(gw->queue), &c->body)
		     : -ENOSPC;

	c->id = queue_new_id(gw->queue);
	c->accepted_at = clock_wall_s();
	c->head_len = 0;
	if (rc == 0)
		rc = append_received(c);
	if (rc != 0)
		refuse_disk(c, rc);
}

void
intake_content(struct intake *c, struct smtp_str content)
{
	size_t room = sizeof(c->head) - c->head_len;
	size_t n = content.len < room ? content.len : room;
	int rc = body_append(c->body, content.p, content.len);

	memcpy(c->head + c->head_len, content.p, n);
	c->head_len += n;
	if (rc != 0)
		refuse_disk(c, rc);
}

/* --- acceptance --------------------------------------------------------------- */

static void
log_accepted(const struct intake *c)
{
	char from[300];

	log_event(GW_LOG_INFO, "smtp.accepted",
	    "message=%" PRIu64 " peer=%s helo=%s from=\"%s\" recipients=%zu "
	    "octets=%" PRIu64 " priority=%d",
	    c->id, c->peer, smtp_server_helo(c->server),
	    log_vis(
		from, sizeof(from), c->from_line, strcspn(c->from_line, " ")),
	    c->nrcpts, c->size, c->mail.has_priority ? c->mail.priority : 0);
}

static void
tell_sched(struct intake *c)
{
	struct gateway *gw = c->gw;

	if (c->hold_until > 0) {
		sched_due_at(gw->sched, c->hold_until);
		return;
	}
	for (size_t i = 0; i < c->nrcpts; i++) {
		/* Neighbours mostly share their next hop. */
		if (i > 0 && strcmp(c->rcpts[i].hop, c->rcpts[i - 1].hop) == 0)
			continue;
		sched_work(gw->sched, c->rcpts[i].hop);
	}
}

/* The 250, or why not.  The session may have gone meanwhile. */
static void
answer(struct intake *c, int rc)
{
	char text[64];

	if (rc == QUEUE_OK) {
		snprintf(text, sizeof(text), "Queued as %" PRIu64, c->id);
		smtp_server_reply(c->server, 250, "2.0.0", text);
		return;
	}
	log_event(GW_LOG_ERR, "smtp.commit", "message=%" PRIu64 " why=\"%s\"",
	    c->id, queue_strerror(rc));
	smtp_server_reply(c->server, rc == QUEUE_EFULL ? 452 : 451,
	    rc == QUEUE_EFULL ? "4.3.1" : "4.3.0",
	    rc == QUEUE_EFULL ? "Insufficient system storage"
			      : "Local error, try again");
}

static void
on_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct intake *c = ctx;

	(void)res;
	c->committing = false;
	if (rc == QUEUE_OK) {
		c->gw->stats.accepted++;
		log_accepted(c);
		tell_sched(c);
	}
	if (!c->gone)
		answer(c, rc);
	intake_reset(c);
	c->committed(c->ctx);
}

static bool
looping(const struct intake *c)
{
	return mule_header_count(c->head, c->head_len, "Received") >
	       c->gw->cfg->smtp.max_hops;
}

/*
 * A recipient who has had the message before gets it no more: he is reported
 * to the sender, 5.4.6.  False: out of memory.
 */
static bool
turn_back_circles(struct intake *c)
{
	struct smtp_envelope_line l;

	for (size_t i = 0; i < c->nrcpts; i++) {
		struct queue_rcpt *r = &c->rcpts[i];
		struct smtp_str line = { r->line, strlen(r->line) };
		char *hop;

		if (smtp_line_parse(line, SMTP_PATH_UTF8, &l) != SMTP_OK ||
		    !mule_delivered_to(c->head, c->head_len, l.path.mailbox))
			continue;
		hop = strdup(ROUTE_HOP_LOOP);
		if (hop == NULL)
			return false;
		free((char *)(uintptr_t)r->hop);
		r->hop = hop;
		r->node = 0;
	}
	return true;
}

void
intake_message(struct intake *c)
{
	struct gateway *gw = c->gw;
	struct queue_message m = {
		.id = c->id,
		.origin = QUEUE_FROM_SMTP,
		.from_link = "",
		.from_line = c->from_line,
		.accepted_at = c->accepted_at,
		.size = body_len(c->body),
		.rcpts = c->rcpts,
		.nrcpts = c->nrcpts,
	};
	struct queue_txn *t;

	if (looping(c)) {
		smtp_server_reply(c->server, 554, "5.4.6", "Mail loop");
		intake_reset(c);
		return;
	}
	flow_set_times(gw->cfg, &c->mail, &m);
	flow_hold(c->hold_until, &m);
	/* Also those who turn out to have had it: one word to the sender, then. */
	for (size_t i = 0; i < c->nrcpts; i++)
		c->rcpts[i].next_at = c->hold_until;
	c->size = m.size;
	t = queue_txn_new();
	if (t == NULL || !turn_back_circles(c) ||
	    queue_txn_add(t, &m, &c->body) != QUEUE_OK) {
		queue_txn_free(&t);
		smtp_server_reply(c->server, 451, "4.3.0", "Out of memory");
		intake_reset(c);
		return;
	}
	c->committing = true;
	queue_submit(gw->queue, &t, on_committed, c);
}

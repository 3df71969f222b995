/*
 * One SMTP connection to a next hop; see smtp_out.h.
 *
 * pump() moves everything that can move: events out of the session, output to
 * the socket.  Whatever waits for the disk or the network ends in pump() again.
 * The memory goes when every handle is closed and nothing is under way.
 */
#include "gateway/smtp_out.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/clock.h"
#include "gateway/dial.h"
#include "gateway/flow.h"
#include "gateway/log.h"
#include "gateway/route.h"
#include "gateway/stream.h"
#include "mule/ext.h"
#include "smtp/client.h"

/* An idle connection is kept for the next message that long. */
#define IDLE_MS 5000

struct smtp_out {
	struct gateway *gw;
	struct sched_hop *hop;
	char host[DNS_NAME_MAX + 1];
	struct smtp_client_config cfg;
	struct smtp_client *client;

	enum cfg_route_tls tls;
	struct dial *dial;     /* until the server is ready */
	struct stream *stream; /* NULL while there is no connection */
	uv_timer_t timer;
	unsigned handles; /* open */
	unsigned pending; /* requests whose callback is to come */
	bool closing, idle, draining;
	bool was_ready; /* the server has said hello */
	bool ended;     /* CLOSED was seen */
	bool shaking;   /* the TLS handshake is under way */

	/* The delivery under way. */
	struct delivery *delivery;
	struct smtp_client_message message;
	struct smtp_str *rcpt_lines;
	char from_line[FLOW_LINE_MAX];
	char *body; /* in memory, or */
	int fd;     /* in a file; -1 */
	uint64_t offset, size;
	uv_fs_t fs;
	bool reading_file;

	char content[SMTP_CLIENT_CONTENT_MAX];
};

static void pump(struct smtp_out *c);

/* --- the end ---------------------------------------------------------------------- */

static void
release_delivery(struct smtp_out *c)
{
	free(c->rcpt_lines);
	c->rcpt_lines = NULL;
	free(c->body);
	c->body = NULL;
	/* A read under way still needs the file; on_file() closes it. */
	if (c->fd >= 0 && !c->reading_file) {
		close(c->fd);
		c->fd = -1;
	}
}

static void
maybe_free(struct smtp_out *c)
{
	struct sched_hop *h = c->hop;

	if (!c->closing || c->handles > 0 || c->pending > 0)
		return;
	release_delivery(c);
	smtp_client_free(&c->client);
	c->gw->stats.sessions_out--;
	sched_closed(h, c);
	free(c);
}

static void
on_timer_closed(uv_handle_t *h)
{
	struct smtp_out *c = h->data;

	c->handles--;
	maybe_free(c);
}

static void
on_stream_closed(void *ctx)
{
	struct smtp_out *c = ctx;

	c->handles--;
	maybe_free(c);
}

static void
finish_delivery(struct smtp_out *c, enum outcome_type type, const char *status,
    const char *text, bool replied)
{
	struct delivery *d = c->delivery;

	if (d == NULL)
		return;
	c->delivery = NULL;
	delivery_set_rest(d, type, status, text, replied);
	release_delivery(c);
	sched_done(c->hop, d, c->host);
}

static void
close_stream(struct smtp_out *c)
{
	if (c->stream == NULL)
		return;
	c->handles++;
	stream_close(&c->stream, on_stream_closed, c);
}

static void
close_all(struct smtp_out *c)
{
	if (c->closing)
		return;
	c->closing = true;
	finish_delivery(c, OUTCOME_DEFERRED, "4.4.2", "Connection lost", false);
	dial_free(&c->dial);
	close_stream(c);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

/* The hop could not be reached at all. */
static void
fail(struct smtp_out *c, const char *why)
{
	sched_hop_failed(c->hop, why);
	close_all(c);
}

/* --- timers ---------------------------------------------------------------------------- */

static void
on_timer(uv_timer_t *t)
{
	struct smtp_out *c = t->data;

	if (c->idle)
		smtp_client_quit(c->client);
	else
		smtp_client_timeout(c->client);
	c->idle = false;
	pump(c);
}

static void
arm(struct smtp_out *c)
{
	uint64_t ms = c->idle
			  ? IDLE_MS
			  : 1000 * (uint64_t)smtp_client_timeout_s(c->client);

	if (!c->closing)
		uv_timer_start(&c->timer, on_timer, ms, 0);
}

/* --- the delivery ------------------------------------------------------------------------- */

static enum outcome_type
outcome_of(int code)
{
	if (code < 300)
		return OUTCOME_DELIVERED;
	return code < 500 ? OUTCOME_DEFERRED : OUTCOME_FAILED;
}

/* The enhanced code of a reply, or the one that says no more than it does. */
static const char *
status_of(const struct smtp_reply *r)
{
	if (r->status[0] != '\0')
		return r->status;
	if (r->code < 300)
		return "2.0.0";
	return r->code < 500 ? "4.0.0" : "5.0.0";
}

static void
reply_text(const struct smtp_reply *r, char buf[SMTP_REPLY_TEXT_MAX + 32])
{
	snprintf(buf, SMTP_REPLY_TEXT_MAX + 32, "%d%s%s %s", r->code,
	    r->status[0] != '\0' ? " " : "", r->status, r->text);
}

static void
on_rcpt(struct smtp_out *c, const struct smtp_client_event *ev)
{
	struct outcome *o = &c->delivery->rcpts[ev->rcpt].outcome;
	char text[SMTP_REPLY_TEXT_MAX + 32];

	reply_text(&ev->reply, text);
	o->type = outcome_of(ev->reply.code);
	/* RFC 5321 4.5.3.1.10: too many recipients, said the old way. */
	if (ev->reply.code == 552)
		o->type = OUTCOME_DEFERRED;
	o->replied = !ev->local;
	snprintf(o->status, sizeof(o->status), "%s", status_of(&ev->reply));
	snprintf(o->text, sizeof(o->text), "%.255s", text);
}

static void
on_done(struct smtp_out *c, const struct smtp_client_event *ev)
{
	char text[SMTP_REPLY_TEXT_MAX + 32];

	reply_text(&ev->reply, text);
	c->delivery->dropped = ev->dropped;
	finish_delivery(c, outcome_of(ev->reply.code), status_of(&ev->reply),
	    text, !ev->local);
}

/* A server without 8BITMIME gets what was only labelled as 8-bit. */
static bool
is_seven_bit(const char *body, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++)
		if ((unsigned char)body[i] > 127)
			return false;
	return true;
}

static bool
set_message(struct smtp_out *c)
{
	const struct delivery *d = c->delivery;

	c->rcpt_lines = calloc(d->nrcpts, sizeof(*c->rcpt_lines));
	if (c->rcpt_lines == NULL ||
	    !flow_from_line(d->from_line, d->priority, d->deliver_by,
		d->by_mode, d->by_trace, clock_wall_s(), MULE_AGREED_ALL,
		c->from_line))
		return false;
	for (size_t i = 0; i < d->nrcpts; i++) {
		c->rcpt_lines[i].p = d->rcpts[i].line;
		c->rcpt_lines[i].len = strlen(d->rcpts[i].line);
	}
	memset(&c->message, 0, sizeof(c->message));
	c->message.from_line.p = c->from_line;
	c->message.from_line.len = strlen(c->from_line);
	c->message.rcpt_lines = c->rcpt_lines;
	c->message.nrcpts = d->nrcpts;
	c->message.size = c->size;
	c->message.seven_bit =
	    c->body != NULL && is_seven_bit(c->body, c->size);
	return true;
}

static void
on_body(void *ctx, int rc, const void *data, size_t len, int fd)
{
	struct smtp_out *c = ctx;

	c->pending--;
	c->fd = fd;
	c->offset = 0;
	c->size = len;
	if (c->closing) {
		maybe_free(c);
		return;
	}
	if (rc == QUEUE_OK && data != NULL) {
		c->body = malloc(len + 1);
		if (c->body == NULL)
			rc = QUEUE_ENOMEM;
		else
			memcpy(c->body, data, len);
	}
	if (rc == QUEUE_OK && !set_message(c))
		rc = QUEUE_ENOMEM;
	if (rc == QUEUE_OK &&
	    smtp_client_send(c->client, &c->message) != SMTP_OK)
		rc = QUEUE_ENOMEM;
	if (rc != QUEUE_OK) {
		finish_delivery(
		    c, OUTCOME_DEFERRED, "4.3.0", queue_strerror(rc), false);
		smtp_client_quit(c->client);
	}
	pump(c);
}

static void
take(struct smtp_out *c)
{
	struct delivery *d = c->draining ? NULL : sched_take(c->hop);

	c->idle = d == NULL;
	if (d == NULL) {
		if (c->draining)
			smtp_client_quit(c->client);
		arm(c);
		return;
	}
	c->delivery = d;
	c->pending++;
	queue_body(c->gw->queue, d->message, on_body, c);
}

/* --- content ----------------------------------------------------------------------------------- */

static void
feed(struct smtp_out *c, const char *data, size_t len)
{
	c->offset += len;
	if (smtp_client_content(c->client, data, len) != SMTP_OK)
		smtp_client_abort(c->client, "content out of step");
}

static void
on_file(uv_fs_t *req)
{
	struct smtp_out *c = req->data;
	ssize_t n = req->result;

	uv_fs_req_cleanup(req);
	c->pending--;
	c->reading_file = false;
	if (c->delivery == NULL)
		release_delivery(c);
	if (c->closing) {
		maybe_free(c);
		return;
	}
	if (c->delivery == NULL)
		return;
	if (n > 0)
		feed(c, c->content, (size_t)n);
	else
		smtp_client_abort(c->client, "the queue's file is cut short");
	pump(c);
}

static void
on_content(struct smtp_out *c)
{
	uint64_t left = c->size - c->offset;
	size_t n =
	    left < sizeof(c->content) ? (size_t)left : sizeof(c->content);
	uv_buf_t buf = uv_buf_init(c->content, (unsigned)n);

	if (c->body != NULL) {
		feed(c, c->body + c->offset, n);
		return;
	}
	c->fs.data = c;
	c->pending++;
	c->reading_file = true;
	if (uv_fs_read(c->gw->loop, &c->fs, c->fd, &buf, 1, (int64_t)c->offset,
		on_file) != 0) {
		c->pending--;
		c->reading_file = false;
		smtp_client_abort(c->client, "cannot read the queue's file");
	}
}

/* --- the session ---------------------------------------------------------------------------------- */

static void
on_session_closed(struct smtp_out *c, const struct smtp_client_event *ev)
{
	char text[SMTP_REPLY_TEXT_MAX + 32];

	c->ended = true;
	if (c->was_ready || ev->reply.code < 300)
		return;
	reply_text(&ev->reply, text);
	log_event(
	    GW_LOG_WARN, "smtp.refused", "hop=%s why=\"%s\"", c->host, text);
	/* RFC 5321 5.1: perhaps the next exchanger is in a better mood. */
	if (!dial_has_more(c->dial))
		sched_hop_failed(c->hop, text);
}

static void
on_starttls(struct smtp_out *c)
{
	bool verify = c->tls == CFG_ROUTE_TLS_VERIFY;

	c->shaking = true;
	if (stream_start_tls(c->stream,
		verify ? c->gw->tls_verify : c->gw->tls_any, c->host) != 0)
		smtp_client_abort(c->client, "out of memory");
}

static void
act(struct smtp_out *c, const struct smtp_client_event *ev)
{
	switch (ev->type) {
	case SMTP_CLIENT_READY:
		if (!c->was_ready)
			sched_hop_ok(c->hop);
		c->was_ready = true;
		dial_free(&c->dial);
		take(c);
		break;
	case SMTP_CLIENT_RCPT: on_rcpt(c, ev); break;
	case SMTP_CLIENT_CONTENT: on_content(c); break;
	case SMTP_CLIENT_DONE: on_done(c, ev); break;
	case SMTP_CLIENT_CLOSED: on_session_closed(c, ev); break;
	case SMTP_CLIENT_STARTTLS: on_starttls(c); break;
	}
}

static bool
write_output(struct smtp_out *c)
{
	bool wrote = false;
	size_t len, n;

	do {
		const char *p = smtp_client_output(c->client, &len);

		n = stream_put(c->stream, p, len);
		smtp_client_output_sent(c->client, n);
		wrote = wrote || n > 0;
	} while (n > 0);
	return wrote;
}

static void
read_input(struct smtp_out *c)
{
	struct smtp_client_event ev;

	for (;;) {
		const char *p;
		size_t len, n;

		while (!c->closing && smtp_client_next_event(c->client, &ev))
			act(c, &ev);
		if (c->closing || c->ended)
			return;
		p = stream_input(c->stream, &len);
		n = smtp_client_input(c->client, p, len);
		stream_take(c->stream, n);
		if (n == 0)
			return;
	}
}

static int
new_session(struct smtp_out *c)
{
	smtp_client_free(&c->client);
	c->ended = c->shaking = false;
	return smtp_client_new(&c->cfg, &c->client) == SMTP_OK ? 0 : -ENOMEM;
}

/*
 * The server offers TLS and cannot do it.  Where it is only welcome, the mail
 * goes in the clear, as it would to a server that does not offer it.
 */
static void
tls_failed(struct smtp_out *c)
{
	const char *why = stream_ended(c->stream);

	log_event(GW_LOG_WARN, "smtp.tls", "hop=%s why=\"%s\"", c->host, why);
	c->shaking = false;
	if (c->cfg.tls == SMTP_CLIENT_TLS_MUST || c->dial == NULL) {
		smtp_client_abort(c->client, why);
		return;
	}
	c->cfg.tls = SMTP_CLIENT_TLS_NEVER;
	close_stream(c);
	if (new_session(c) != 0)
		fail(c, "out of memory");
	else
		dial_again(c->dial);
}

static void
check_handshake(struct smtp_out *c)
{
	const struct tls *t;

	if (!c->shaking)
		return;
	if (stream_ended(c->stream) != NULL) {
		tls_failed(c);
		return;
	}
	if (stream_tls(c->stream) != STREAM_TLS)
		return;
	c->shaking = false;
	t = stream_tls_session(c->stream);
	log_event(GW_LOG_DEBUG, "smtp.tls", "hop=%s version=%s cipher=%s",
	    c->host, tls_version(t), tls_cipher(t));
	smtp_client_secured(c->client);
}

/* The session is over: the next exchanger, or the end. */
static void
end_session(struct smtp_out *c)
{
	if (c->was_ready || c->draining || c->dial == NULL ||
	    !dial_has_more(c->dial)) {
		close_all(c);
		return;
	}
	close_stream(c);
	if (new_session(c) != 0)
		fail(c, "out of memory");
	else
		dial_next(c->dial);
}

static void
pump(struct smtp_out *c)
{
	check_handshake(c);
	if (c->closing || c->stream == NULL)
		return;
	do {
		read_input(c);
		if (c->closing)
			return;
	} while (write_output(c) || smtp_client_has_event(c->client));
	if (stream_ended(c->stream) != NULL && !c->ended && !c->shaking) {
		smtp_client_eof(c->client);
		read_input(c);
	}
	if (c->closing)
		return;
	if (c->ended) {
		end_session(c);
		return;
	}
	arm(c);
	stream_want(c->stream, true);
}

static void
on_ready(void *ctx)
{
	struct smtp_out *c = ctx;

	if (!c->closing && c->stream != NULL)
		pump(c);
}

/* --- connecting ------------------------------------------------------------------------------------- */

/* What DNS says about the domain for good, RFC 3463. */
static const char *
permanent_status(enum dns_result r)
{
	switch (r) {
	case DNS_NO_DOMAIN: return "5.1.2";
	case DNS_NULL_MX: return "5.1.10";
	case DNS_LOOP: return "5.4.6";
	case DNS_OK:
	case DNS_TEMPORARY: break;
	}
	return NULL;
}

static void
on_dialed(void *ctx, struct stream *s, const char *host, enum dns_result r,
    const char *why)
{
	struct smtp_out *c = ctx;

	if (s == NULL) {
		if (permanent_status(r) != NULL)
			sched_hop_refuse(c->hop, permanent_status(r), why);
		else
			sched_hop_failed(c->hop, why);
		close_all(c);
		return;
	}
	c->stream = s;
	snprintf(c->host, sizeof(c->host), "%s", host);
	pump(c);
}

static int
begin(struct smtp_out *c, const char *hop)
{
	const struct dial_config cfg = {
		.loop = c->gw->loop,
		.dns = c->gw->dns,
		.hop = hop,
		.own = c->gw->cfg->node.hostname,
		.ready = on_ready,
		.ctx = c,
		.done = on_dialed,
	};

	return dial_new(&cfg, &c->dial);
}

/* What could not begin is reported from the loop, like any other failure. */
static void
on_stillborn(uv_timer_t *t)
{
	fail(t->data, "this kind of next hop is not supported");
}

static enum smtp_client_tls
session_tls(enum cfg_route_tls tls)
{
	switch (tls) {
	case CFG_ROUTE_TLS_MAY: return SMTP_CLIENT_TLS_MAY;
	case CFG_ROUTE_TLS_NONE: return SMTP_CLIENT_TLS_NEVER;
	case CFG_ROUTE_TLS_ENCRYPT:
	case CFG_ROUTE_TLS_VERIFY: break;
	}
	return SMTP_CLIENT_TLS_MUST;
}

int
smtp_out_open(struct gateway *gw, struct sched_hop *h, const char *hop,
    struct smtp_out **ret_c)
{
	struct smtp_out *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	c->gw = gw;
	c->hop = h;
	c->fd = -1;
	c->cfg.hostname = gw->cfg->node.hostname;
	c->cfg.extensions = ~0u;
	c->tls = route_tls(gw->cfg, hop);
	c->cfg.tls = session_tls(c->tls);
	if (new_session(c) != 0) {
		free(c);
		return -ENOMEM;
	}
	uv_timer_init(gw->loop, &c->timer);
	c->timer.data = c;
	c->handles = 1;
	gw->stats.sessions_out++;
	if (begin(c, hop) != 0)
		uv_timer_start(&c->timer, on_stillborn, 0, 0);
	*ret_c = c;
	return 0;
}

void
smtp_out_work(struct smtp_out *c)
{
	if (!c->idle || c->closing)
		return;
	take(c);
}

void
smtp_out_drain(struct smtp_out *c)
{
	c->draining = true;
	if (c->closing)
		return;
	if (c->stream == NULL) {
		close_all(c);
		return;
	}
	if (c->idle)
		smtp_client_quit(c->client);
	c->idle = false;
	pump(c);
}

void
smtp_out_abort(struct smtp_out *c)
{
	close_all(c);
}

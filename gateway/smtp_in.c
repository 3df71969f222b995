/*
 * SMTP in; see smtp_in.h.
 *
 * A connection reads only while its session wants input: an answer that waits
 * for the disk, or a client that does not read ours, stops it.  The 250 for a
 * message is given in the callback of its commit and nowhere else.
 */
#include "gateway/smtp_in.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "gateway/clock.h"
#include "gateway/intake.h"
#include "gateway/log.h"
#include "gateway/login.h"
#include "gateway/network.h"
#include "gateway/stream.h"
#include "smtp/server.h"

#define BACKLOG 128
/* Limits of a session: far beyond what an honest client does. */
#define COMMANDS_MAX 1000000
#define ERRORS_MAX 20

struct listener {
	uv_tcp_t tcp;
	struct smtp_in *in;
	const struct cfg_listen *cfg;
	struct smtp_server_config server; /* of its sessions */
	struct tls_context *tls;          /* NULL: none */
	struct sasl_users *users;         /* NULL: none */
	char future_release[64];          /* as offered to the next session */
	uv_tcp_t refused;       /* a connection there is no memory for */
	bool refusing, waiting; /* ...and one more that waits for it */
	struct log_limit refused_limit;
	bool open;
};

struct conn {
	TAILQ_ENTRY(conn) entry;
	struct smtp_in *in;
	const struct listener *listener;
	struct smtp_server *server;
	struct stream *stream;
	uv_timer_t timer;
	unsigned handles;
	uint64_t progress; /* of server, when the timer was started */
	uint64_t refusals; /* ...that have been counted */
	bool ended, closing;
	bool starttls, shaking; /* TLS is due; its handshake is under way */
	bool listening;         /* before the greeting: is it quiet? */
	struct intake intake;   /* the transaction */
	struct login login;
};

struct smtp_in {
	struct gateway *gw;
	struct listener *listeners;
	size_t nlisteners;
	TAILQ_HEAD(conn_list, conn) conns;
	size_t nconns;
	uint64_t turned_away;
	struct log_limit full_limit;
	unsigned open; /* listeners and connections */
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static void pump(struct conn *c);

/* --- the end --- */

static void
part_closed(struct smtp_in *s)
{
	void (*closed)(void *) = s->closed;
	void *ctx = s->closed_ctx;

	if (--s->open > 0 || closed == NULL)
		return;
	for (size_t i = 0; i < s->nlisteners; i++) {
		tls_context_free(&s->listeners[i].tls);
		sasl_users_free(&s->listeners[i].users);
	}
	free(s->listeners);
	free(s);
	closed(ctx);
}

static void
maybe_free(struct conn *c)
{
	struct smtp_in *s = c->in;

	if (c->handles > 0 || c->intake.committing || c->login.working)
		return;
	intake_release(&c->intake);
	login_release(&c->login);
	smtp_server_free(&c->server);
	TAILQ_REMOVE(&s->conns, c, entry);
	s->nconns--;
	s->gw->stats.sessions_in--;
	free(c);
	part_closed(s);
}

static void
on_timer_closed(uv_handle_t *h)
{
	struct conn *c = h->data;

	c->handles--;
	maybe_free(c);
}

static void
on_stream_closed(void *ctx)
{
	struct conn *c = ctx;

	c->handles--;
	maybe_free(c);
}

static void
conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = c->intake.gone = c->login.gone = true;
	stream_close(&c->stream, on_stream_closed, c);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

/* --- the session --- */

static void
act(struct conn *c, const struct smtp_server_event *ev)
{
	switch (ev->type) {
	case SMTP_SERVER_MAIL: intake_mail(&c->intake, ev); break;
	case SMTP_SERVER_RCPT: intake_rcpt(&c->intake, ev); break;
	case SMTP_SERVER_BEGIN: intake_begin(&c->intake); break;
	case SMTP_SERVER_CONTENT:
		intake_content(&c->intake, ev->content);
		break;
	case SMTP_SERVER_MESSAGE: intake_message(&c->intake); break;
	case SMTP_SERVER_ABORT: intake_reset(&c->intake); break;
	case SMTP_SERVER_CLOSE: c->ended = true; break;
	case SMTP_SERVER_STARTTLS: c->starttls = true; break;
	case SMTP_SERVER_AUTH: login_step(&c->login, ev); break;
	}
}

static void arm(struct conn *c);

static void
on_timer(uv_timer_t *t)
{
	struct conn *c = t->data;

	if (c->listening) {
		c->listening = false;
		arm(c);
		pump(c);
		return;
	}
	/* No farewell in a handshake, nor for who did not take the first. */
	if (c->ended || c->shaking) {
		conn_close(c);
		return;
	}
	if (!c->intake.committing && !c->login.working)
		smtp_server_timeout(c->server);
	arm(c);
	pump(c);
}

static void
arm(struct conn *c)
{
	uv_timer_start(
	    &c->timer, on_timer, c->in->gw->cfg->smtp.timeout_us / 1000, 0);
}

/* Whether anything could be written, and made room for further answers. */
static bool
write_output(struct conn *c)
{
	bool wrote = false;
	size_t len, n;

	do {
		const char *p = smtp_server_output(c->server, &len);

		n = stream_put(c->stream, p, len);
		smtp_server_output_sent(c->server, n);
		wrote = wrote || n > 0;
	} while (n > 0);
	return wrote;
}

/* While we stop, who has nothing under way is told so (RFC 5321 3.8). */
static bool
dismiss(struct conn *c)
{
	if (!c->in->gw->draining || c->ended || !smtp_server_idle(c->server))
		return false;
	smtp_server_shutdown(c->server);
	return true;
}

static void
read_input(struct conn *c)
{
	struct smtp_server_event ev;

	for (;;) {
		const char *p;
		size_t len;

		while (smtp_server_next_event(c->server, &ev))
			act(c, &ev);
		if (dismiss(c))
			continue;
		if (c->ended || !smtp_server_wants_input(c->server))
			return;
		p = stream_input(c->stream, &len);
		if (len == 0)
			return;
		stream_take(c->stream, smtp_server_input(c->server, p, len));
	}
}

/* When the "220" has gone, and before another octet is read. */
static void
start_tls(struct conn *c)
{
	c->starttls = false;
	c->shaking = true;
	arm(c);
	if (stream_start_tls(c->stream, c->listener->tls, NULL) != 0)
		conn_close(c);
}

/* False while there is nothing but the handshake. */
static bool
check_handshake(struct conn *c)
{
	const struct tls *t;
	char name[300];

	if (!c->shaking)
		return true;
	if (stream_ended(c->stream) != NULL) {
		log_event(GW_LOG_WARN, "smtp.tls", "peer=%s why=\"%s\"",
		    c->intake.peer, stream_ended(c->stream));
		conn_close(c);
		return false;
	}
	if (stream_tls(c->stream) != STREAM_TLS)
		return false;
	c->shaking = false;
	arm(c);
	t = stream_tls_session(c->stream);
	/* Only what client_ca vouches for has a name here. */
	if (tls_peer(t)[0] != '\0')
		c->intake.may_relay = true;
	log_event(GW_LOG_DEBUG, "smtp.tls",
	    "peer=%s version=%s cipher=%s name=\"%s\"", c->intake.peer,
	    tls_version(t), tls_cipher(t),
	    log_vis(name, sizeof(name), tls_peer(t), strlen(tls_peer(t))));
	smtp_server_secured(c->server);
	return true;
}

/* True when the greeting may go out: its time has come, or the client spoke. */
static bool
check_quiet(struct conn *c)
{
	size_t len;

	if (!c->listening)
		return true;
	(void)stream_input(c->stream, &len);
	if (len == 0 && stream_ended(c->stream) == NULL) {
		stream_want(c->stream, true);
		return false;
	}
	c->listening = false;
	if (len > 0) {
		log_event(GW_LOG_WARN, "smtp.early", "peer=%s", c->intake.peer);
		smtp_server_early(c->server);
	}
	return true;
}

/* What the session has come to: it goes on, and its refusals are counted. */
static void
take_stock(struct conn *c, bool moved)
{
	uint64_t progress = smtp_server_progress(c->server);
	uint64_t refusals = smtp_server_refusals(c->server);

	if (moved || progress != c->progress)
		arm(c);
	c->progress = progress;
	c->in->gw->stats.rejected += refusals - c->refusals;
	c->refusals = refusals;
}

static void
pump(struct conn *c)
{
	bool moved = false;
	size_t left;

	if (!check_handshake(c) || !check_quiet(c))
		return;
	for (read_input(c); write_output(c); read_input(c))
		moved = true;
	(void)smtp_server_output(c->server, &left);
	if (c->starttls && left == 0 && stream_flushed(c->stream))
		start_tls(c);
	if (c->closing)
		return;
	take_stock(c, moved);
	if (stream_ended(c->stream) != NULL) {
		smtp_server_eof(c->server);
		conn_close(c);
		return;
	}
	if (c->ended && left == 0 && stream_flushed(c->stream)) {
		conn_close(c);
		return;
	}
	stream_want(c->stream, !c->ended && smtp_server_wants_input(c->server));
}

static void
on_ready(void *ctx)
{
	struct conn *c = ctx;

	if (!c->closing)
		pump(c);
}

/* --- connections --- */

static void
set_peer(struct conn *c)
{
	const struct cfg_listen *cfg = c->listener->cfg;
	struct sockaddr_storage ss;
	int len = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	if (uv_tcp_getpeername(
		stream_tcp(c->stream), (struct sockaddr *)&ss, &len) != 0)
		return;
	network_name(&ss, c->intake.peer, sizeof(c->intake.peer));
	c->intake.may_relay = network_allows(cfg->allow, cfg->nallow, &ss);
}

static size_t
sessions_of(const struct smtp_in *s, const char *peer)
{
	const struct conn *c;
	size_t n = 0;

	TAILQ_FOREACH (c, &s->conns, entry)
		n += strcmp(c->intake.peer, peer) == 0;
	return n;
}

static bool
is_full(const struct smtp_in *s, const char *peer)
{
	const struct cfg_smtp *cfg = &s->gw->cfg->smtp;

	return s->nconns > cfg->max_sessions ||
	       sessions_of(s, peer) > cfg->max_sessions_per_peer;
}

/*
 * One too many gets one line at once and is closed; not even that where the
 * line would need a handshake, because only what is short has no limit.
 */
static void
turn_away(struct conn *c)
{
	struct smtp_in *s = c->in;

	s->turned_away++;
	if (log_allowed(&s->full_limit, clock_now().mono))
		log_event(GW_LOG_WARN, "smtp.full",
		    "peer=%s sessions=%zu total=%" PRIu64, c->intake.peer,
		    s->nconns, s->turned_away);
	if (c->listener->cfg->implicit_tls) {
		conn_close(c);
		return;
	}
	smtp_server_busy(c->server);
	pump(c);
}

/* An answer was given, or there is nobody left to hear it. */
static void
on_answered(void *ctx)
{
	struct conn *c = ctx;

	if (c->login.user[0] != '\0')
		c->intake.may_relay = true;
	if (c->closing)
		maybe_free(c);
	else
		pump(c);
}

static struct conn *
conn_new(struct smtp_in *s, const struct listener *l)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL || smtp_server_new(&l->server, &c->server) != SMTP_OK) {
		free(c);
		return NULL;
	}
	if (stream_new(s->gw->loop, on_ready, c, &c->stream) != 0) {
		smtp_server_free(&c->server);
		free(c);
		return NULL;
	}
	c->in = s;
	c->listener = l;
	uv_timer_init(s->gw->loop, &c->timer);
	c->timer.data = c;
	c->handles = 2;
	c->intake.gw = s->gw;
	c->intake.server = c->server;
	c->intake.committed = on_answered;
	c->intake.ctx = c;
	c->intake.urgent = l->cfg->urgent;
	c->intake.hold_max_s = l->cfg->future_release_us / 1000000;
	c->login = (struct login){
		.loop = s->gw->loop,
		.server = c->server,
		.users = l->users,
		.peer = c->intake.peer,
		.answered = on_answered,
		.ctx = c,
	};
	TAILQ_INSERT_TAIL(&s->conns, c, entry);
	s->nconns++;
	s->open++;
	s->gw->stats.sessions_in++;
	s->gw->stats.sessions++;
	return c;
}

/* TLS, a while of listening, or the greeting at once. */
static void
begin(struct conn *c)
{
	const struct cfg_listen *cfg = c->listener->cfg;

	if (cfg->implicit_tls) {
		start_tls(c);
	} else if (cfg->greeting_delay_us > 0) {
		c->listening = true;
		uv_timer_start(
		    &c->timer, on_timer, cfg->greeting_delay_us / 1000, 0);
		pump(c);
	} else {
		pump(c);
	}
}

/* RFC 4865 3: the longest interval, and until when that is now. */
static void
set_future_release(struct listener *l)
{
	uint64_t max_s = l->cfg->future_release_us / 1000000;
	time_t until = (time_t)(clock_wall_s() + (int64_t)max_s);
	struct tm tm;

	if (max_s == 0 || gmtime_r(&until, &tm) == NULL)
		return;
	snprintf(l->future_release, sizeof(l->future_release),
	    "%" PRIu64 " %04d-%02d-%02dT%02d:%02d:%02dZ", max_s,
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
}

static void on_connection(uv_stream_t *stream, int status);

static void
on_refused(uv_handle_t *h)
{
	struct listener *l = h->data;

	l->refusing = false;
	if (l->open && l->waiting)
		on_connection((uv_stream_t *)&l->tcp, 0);
	part_closed(l->in);
}

/*
 * libuv listens no more until a connection it reported is accepted: without
 * memory for one, accept it all the same, and close it.
 */
static void
refuse(struct listener *l)
{
	l->waiting = l->refusing;
	if (l->refusing || uv_tcp_init(l->in->gw->loop, &l->refused) != 0)
		return;
	if (log_allowed(&l->refused_limit, clock_now().mono))
		log_event(
		    GW_LOG_ERR, "smtp.accept", "why=\"%s\"", strerror(ENOMEM));
	l->refusing = true;
	l->refused.data = l;
	l->in->open++;
	(void)uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&l->refused);
	uv_close((uv_handle_t *)&l->refused, on_refused);
}

static void
on_connection(uv_stream_t *stream, int status)
{
	struct listener *l = stream->data;
	struct conn *c;

	if (status < 0) {
		log_event(GW_LOG_ERR, "smtp.accept", "why=\"%s\"",
		    uv_strerror(status));
		return;
	}
	set_future_release(l);
	c = conn_new(l->in, l);
	if (c == NULL) {
		refuse(l);
		return;
	}
	if (uv_accept(stream, (uv_stream_t *)stream_tcp(c->stream)) != 0 ||
	    stream_start(c->stream) != 0) {
		conn_close(c);
		return;
	}
	set_peer(c);
	arm(c);
	if (is_full(c->in, c->intake.peer))
		turn_away(c);
	else
		begin(c);
}

/* --- listening --- */

static void
on_listener_closed(uv_handle_t *h)
{
	struct listener *l = h->data;

	part_closed(l->in);
}

/* What RFC 8494 leaves to an agreement is offered if any link carries it. */
static unsigned
agreed_anywhere(const struct cfg *cfg)
{
	unsigned all = 0, ext = 0;

	for (size_t i = 0; i < cfg->nlinks; i++)
		all |= cfg->links[i].agreed_set;
	if ((all & CFG_AGREED_SMTPUTF8) != 0)
		ext |= SMTP_EXT_SMTPUTF8;
	if ((all & CFG_AGREED_RRVS) != 0)
		ext |= SMTP_EXT_RRVS;
	if ((all & CFG_AGREED_SUBMITTER) != 0)
		ext |= SMTP_EXT_SUBMITTER;
	return ext;
}

static void
set_server_config(struct listener *l, const struct cfg *cfg)
{
	l->server = (struct smtp_server_config){
		.hostname = cfg->node.hostname,
		.extensions = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE |
			      SMTP_EXT_8BITMIME | SMTP_EXT_BINARYMIME |
			      SMTP_EXT_CHUNKING | SMTP_EXT_DSN |
			      SMTP_EXT_MT_PRIORITY | SMTP_EXT_DELIVERBY |
			      SMTP_EXT_ENHANCEDSTATUSCODES | SMTP_EXT_LIMITS |
			      agreed_anywhere(cfg),
		.size_max = cfg->smtp.max_message_size,
		.priority_policy = "STANAG4406",
		.rcpts_max = (unsigned)cfg->smtp.max_recipients,
		.commands_max = COMMANDS_MAX,
		.errors_max = ERRORS_MAX,
	};
	if (l->tls != NULL)
		l->server.extensions |= SMTP_EXT_STARTTLS;
	if (l->users != NULL)
		l->server.extensions |= SMTP_EXT_AUTH;
	if (l->cfg->future_release_us >= 1000000)
		l->server.extensions |= SMTP_EXT_FUTURERELEASE;
	l->server.future_release = l->future_release;
	l->server.auth_mechanisms = SASL_MECHANISMS;
	l->server.tls_required = l->cfg->require_tls;
	l->server.auth_required = l->cfg->require_auth;
}

/* What sessions of this listener are like. */
static int
prepare(struct smtp_in *s, struct listener *l, const struct cfg_listen *cfg,
    char *errbuf, size_t errcap)
{
	const struct tls_server_config tls = {
		.certificate = cfg->tls.certificate,
		.key = cfg->tls.key,
		.client_ca = cfg->tls.client_ca,
	};
	int rc = 0;

	l->in = s;
	l->cfg = cfg;
	if (cfg->tls.certificate != NULL)
		rc = tls_context_server(&tls, errbuf, errcap, &l->tls);
	if (rc == 0 && cfg->users != NULL)
		rc = sasl_users_load(cfg->users, errbuf, errcap, &l->users);
	set_server_config(l, s->gw->cfg);
	return rc == 0 ? 0 : -EINVAL;
}

static int
listen_on(struct smtp_in *s, struct listener *l, const struct cfg_listen *cfg)
{
	struct sockaddr_storage ss;
	struct sockaddr_in sin;
	int rc, len = sizeof(sin);

	memset(&ss, 0, sizeof(ss));
	if (uv_ip4_addr(cfg->address.host, (int)cfg->address.port,
		(struct sockaddr_in *)&ss) != 0 &&
	    uv_ip6_addr(cfg->address.host, (int)cfg->address.port,
		(struct sockaddr_in6 *)&ss) != 0)
		return UV_EINVAL;
	rc = uv_tcp_init(s->gw->loop, &l->tcp);
	if (rc != 0)
		return rc;
	l->tcp.data = l;
	l->open = true;
	s->open++;
	rc = uv_tcp_bind(&l->tcp, (struct sockaddr *)&ss, 0);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, on_connection);
	if (rc != 0)
		return rc;
	/* The family and the port are at the same place in both. */
	memset(&sin, 0, sizeof(sin));
	(void)uv_tcp_getsockname(
	    &l->tcp, (struct sockaddr *)&ss, &(int){ sizeof(ss) });
	memcpy(&sin, &ss, (size_t)len);
	log_event(GW_LOG_INFO, "smtp.listening", "address=%s port=%u",
	    cfg->address.host, (unsigned)ntohs(sin.sin_port));
	return 0;
}

int
smtp_in_open(
    struct gateway *gw, char *errbuf, size_t errcap, struct smtp_in **ret_s)
{
	const struct cfg_smtp *cfg = &gw->cfg->smtp;
	struct smtp_in *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s != NULL)
		s->listeners = calloc(cfg->nlisten + 1, sizeof(*s->listeners));
	if (s == NULL || s->listeners == NULL) {
		free(s);
		return -ENOMEM;
	}
	s->gw = gw;
	/* One more than there are, until smtp_in_close(). */
	s->open = 1;
	TAILQ_INIT(&s->conns);
	*ret_s = s;
	for (size_t i = 0; rc == 0 && i < cfg->nlisten; i++) {
		s->nlisteners++;
		rc = prepare(
		    s, &s->listeners[i], &cfg->listen[i], errbuf, errcap);
		if (rc != 0)
			break;
		rc = listen_on(s, &s->listeners[i], &cfg->listen[i]);
		if (rc != 0)
			snprintf(errbuf, errcap, "smtp listen %s: %s",
			    cfg->listen[i].address.text, uv_strerror(rc));
	}
	return rc;
}

static void
stop_listening(struct smtp_in *s)
{
	for (size_t i = 0; i < s->nlisteners; i++) {
		if (!s->listeners[i].open)
			continue;
		s->listeners[i].open = false;
		uv_close(
		    (uv_handle_t *)&s->listeners[i].tcp, on_listener_closed);
	}
}

void
smtp_in_drain(struct smtp_in *s)
{
	struct conn *c, *next;

	stop_listening(s);
	for (c = TAILQ_FIRST(&s->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		if (!c->closing)
			pump(c);
	}
}

size_t
smtp_in_sessions(const struct smtp_in *s)
{
	return s->nconns;
}

void
smtp_in_close(struct smtp_in **sp, void (*closed)(void *ctx), void *ctx)
{
	struct smtp_in *s = *sp;
	struct conn *c, *next;

	*sp = NULL;
	if (s == NULL) {
		closed(ctx);
		return;
	}
	s->closed = closed;
	s->closed_ctx = ctx;
	stop_listening(s);
	for (c = TAILQ_FIRST(&s->conns); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		conn_close(c);
	}
	part_closed(s);
}

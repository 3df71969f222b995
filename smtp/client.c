/*
 * A client session: octets, events, hello and goodbye; see client.h.  What
 * happens to a message is in client_mail.c.
 */
#include "smtp/client.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/client_session.h"

/* --- output and events --------------------------------------------------- */

void
client_put(struct smtp_client *c, struct smtp_str s)
{
	assert(s.len <= sizeof(c->out) - c->out_len);
	memcpy(c->out + c->out_len, s.p, s.len);
	c->out_len += s.len;
}

void
client_put_text(struct smtp_client *c, const char *text)
{
	client_put(c, (struct smtp_str){ text, strlen(text) });
}

struct smtp_client_event *
client_event(struct smtp_client *c, enum smtp_client_event_type type,
    const struct smtp_reply *reply, bool local)
{
	struct smtp_client_event *ev;

	assert(c->nevents < CLIENT_EVENTS_MAX);
	ev = &c->events[(c->first_event + c->nevents++) % CLIENT_EVENTS_MAX];
	memset(ev, 0, sizeof(*ev));
	ev->type = type;
	if (reply == NULL)
		return ev;
	ev->reply = *reply;
	ev->local = local;
	ev->temporary = reply->code / 100 == 4 ||
			(type == SMTP_CLIENT_RCPT && reply->code == 552);
	return ev;
}

struct smtp_reply
client_local_reply(int code, const char *status, const char *text)
{
	struct smtp_reply r = { .code = code };
	size_t n = strlen(text);

	if (n >= sizeof(r.text))
		n = sizeof(r.text) - 1;
	memcpy(r.status, status, strlen(status));
	memcpy(r.text, text, n);
	return r;
}

const char *
smtp_client_output(const struct smtp_client *c, size_t *ret_len)
{
	*ret_len = c->out_len;
	return c->out;
}

void
smtp_client_output_sent(struct smtp_client *c, size_t n)
{
	assert(n <= c->out_len);
	c->out_len -= n;
	memmove(c->out, c->out + n, c->out_len);
	client_mail_advance(c);
}

bool
smtp_client_next_event(struct smtp_client *c, struct smtp_client_event *ret_ev)
{
	if (c->nevents == 0)
		return false;
	*ret_ev = c->events[c->first_event];
	c->first_event = (c->first_event + 1) % CLIENT_EVENTS_MAX;
	c->nevents--;
	if (ret_ev->type == SMTP_CLIENT_CONTENT)
		c->ask = CLIENT_ASK_FETCHED;
	client_mail_advance(c);
	return true;
}

bool
smtp_client_has_event(const struct smtp_client *c)
{
	return c->nevents > 0;
}

/* An event that asks for something, and that nobody has fetched, is void. */
static void
withdraw_request(struct smtp_client *c)
{
	size_t last = (c->first_event + c->nevents + CLIENT_EVENTS_MAX - 1) %
		      CLIENT_EVENTS_MAX;

	if (c->nevents > 0 &&
	    (c->events[last].type == SMTP_CLIENT_READY ||
		c->events[last].type == SMTP_CLIENT_STARTTLS ||
		c->events[last].type == SMTP_CLIENT_CONTENT))
		c->nevents--;
}

/* --- the end of a session ------------------------------------------------ */

void
client_finish(struct smtp_client *c, const struct smtp_reply *reply, bool local)
{
	if (c->state == CLIENT_CLOSED)
		return;
	withdraw_request(c);
	if (c->state == CLIENT_QUIT) {
		/* However it goes down now, it was to go. */
		reply = &c->farewell;
		local = c->farewell_local;
	}
	client_message_done(c, reply, local);
	c->state = CLIENT_CLOSED;
	c->out_len = 0;
	(void)client_event(c, SMTP_CLIENT_CLOSED, reply, local);
}

void
client_break(
    struct smtp_client *c, int code, const char *status, const char *text)
{
	struct smtp_reply r = client_local_reply(code, status, text);

	client_finish(c, &r, true);
}

/* RFC 5321 4.1.1.10: QUIT also after a refusal; NULL without one. */
static void
say_quit(struct smtp_client *c, const struct smtp_reply *refusal)
{
	c->farewell_local = refusal == NULL;
	c->farewell = refusal != NULL
			  ? *refusal
			  : client_local_reply(221, "2.0.0", "Closed");
	client_put_text(c, "QUIT\r\n");
	c->state = CLIENT_QUIT;
}

void
client_ready(struct smtp_client *c)
{
	bool enough = c->caps.mail_max != 0 && c->mails >= c->caps.mail_max;

	if (c->out_len > 0) {
		client_break(c, 451, "4.5.0", "Reply before its command");
	} else if (c->quit || enough) {
		say_quit(c, NULL);
	} else {
		c->state = CLIENT_READY;
		(void)client_event(c, SMTP_CLIENT_READY, NULL, false);
	}
}

/* --- replies ------------------------------------------------------------- */

static void
say_hello(struct smtp_client *c, const char *verb, enum client_state next)
{
	client_put_text(c, verb);
	client_put_text(c, c->cfg->hostname);
	client_put_text(c, "\r\n");
	c->state = next;
}

/* The dialogue has come so far that there could be mail. */
static void
hello_done(struct smtp_client *c)
{
	struct smtp_reply r;

	if (c->cfg->tls != SMTP_CLIENT_TLS_MUST || c->secured) {
		client_ready(c);
		return;
	}
	r = client_local_reply(
	    454, "4.7.4", "STARTTLS is required and not offered");
	say_quit(c, &r);
	c->farewell_local = true;
}

static void
say_starttls(struct smtp_client *c)
{
	client_put_text(c, "STARTTLS\r\n");
	c->state = CLIENT_STARTTLS;
}

static void
starttls_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code == 220) {
		c->state = CLIENT_TLS;
		(void)client_event(c, SMTP_CLIENT_STARTTLS, NULL, false);
	} else if (c->cfg->tls == SMTP_CLIENT_TLS_MUST) {
		say_quit(c, reply);
	} else {
		client_ready(c);
	}
}

void
smtp_client_secured(struct smtp_client *c)
{
	c->secured = true;
	if (c->state != CLIENT_TLS)
		return;
	/* RFC 3207 4.2: nothing the server said before counts. */
	memset(&c->caps, 0, sizeof(c->caps));
	smtp_reply_parser_init(&c->parser);
	say_hello(c, "EHLO ", CLIENT_EHLO);
}

static void
ehlo_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code < 300) {
		bool offered =
		    (c->parser.caps.extensions & SMTP_EXT_STARTTLS) != 0;

		c->caps = c->parser.caps;
		c->caps.extensions &= c->cfg->extensions;
		if (offered && !c->secured &&
		    c->cfg->tls != SMTP_CLIENT_TLS_NEVER)
			say_starttls(c);
		else
			hello_done(c);
	} else if (reply->code >= 500) {
		say_hello(c, "HELO ", CLIENT_HELO);
	} else {
		say_quit(c, reply);
	}
}

/* One of the states in which there is no message. */
static void
session_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	bool ok = reply->code < 300;

	switch (c->state) {
	case CLIENT_GREETING:
		if (ok)
			say_hello(c, "EHLO ", CLIENT_EHLO);
		else
			say_quit(c, reply);
		break;
	case CLIENT_EHLO: ehlo_reply(c, reply); break;
	case CLIENT_STARTTLS: starttls_reply(c, reply); break;
	case CLIENT_TLS: break; /* no input is taken */
	case CLIENT_HELO:
		if (ok)
			hello_done(c);
		else
			say_quit(c, reply);
		break;
	case CLIENT_RSET:
		if (ok)
			client_ready(c);
		else
			say_quit(c, reply);
		break;
	case CLIENT_READY:
		client_break(c, 451, "4.5.0", "Reply without a command");
		break;
	case CLIENT_QUIT: client_finish(c, reply, false); break;
	case CLIENT_ENVELOPE:
	case CLIENT_DATA:
	case CLIENT_CONTENT:
	case CLIENT_FINAL:
	case CLIENT_CHUNKS: client_mail_reply(c, reply); break;
	case CLIENT_CLOSED: break;
	}
}

static void
take_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code == 421)
		client_finish(c, reply, false);
	else if (reply->code / 100 == 3 && c->state != CLIENT_DATA)
		client_break(c, 451, "4.5.0", "Unexpected reply");
	else
		session_reply(c, reply);
	client_mail_advance(c);
}

bool
smtp_client_wants_input(const struct smtp_client *c)
{
	return c->nevents == 0 && c->state != CLIENT_CLOSED &&
	       c->state != CLIENT_TLS;
}

/*
 * In READY no reply is owed.  What came together with the last one is looked
 * at before the next command makes it look like an answer.
 */
static bool
takes_input(const struct smtp_client *c)
{
	return smtp_client_wants_input(c) || c->state == CLIENT_READY;
}

size_t
smtp_client_input(struct smtp_client *c, const char *buf, size_t len)
{
	size_t used = 0;

	while (used < len && takes_input(c)) {
		size_t n = 0;
		int rc =
		    smtp_reply_take(&c->parser, buf + used, len - used, &n);

		if (rc < 0) {
			client_break(c, 451, "4.5.0",
			    "What the server says is not SMTP");
			return len;
		}
		used += n;
		if (rc == 1)
			take_reply(c, &c->parser.reply);
	}
	return used;
}

/* --- life ---------------------------------------------------------------- */

int
smtp_client_new(
    const struct smtp_client_config *cfg, struct smtp_client **ret_c)
{
	struct smtp_client *c = malloc(sizeof(*c));

	if (c == NULL)
		return SMTP_ENOMEM;
	/* The output buffer needs no clearing. */
	memset(c, 0, offsetof(struct smtp_client, out));
	c->cfg = cfg;
	c->state = CLIENT_GREETING;
	smtp_reply_parser_init(&c->parser);
	*ret_c = c;
	return SMTP_OK;
}

void
smtp_client_free(struct smtp_client **cp)
{
	if (*cp != NULL)
		free((*cp)->skipped);
	free(*cp);
	*cp = NULL;
}

void
smtp_client_quit(struct smtp_client *c)
{
	c->quit = true;
	if (c->state != CLIENT_READY)
		return;
	withdraw_request(c);
	say_quit(c, NULL);
}

void
smtp_client_abort(struct smtp_client *c, const char *why)
{
	client_break(c, 451, "4.3.0", why);
}

void
smtp_client_eof(struct smtp_client *c)
{
	client_break(c, 451, "4.4.2", "Connection lost");
}

void
smtp_client_timeout(struct smtp_client *c)
{
	client_break(c, 451, "4.4.2", "Timeout");
}

unsigned
smtp_client_timeout_s(const struct smtp_client *c)
{
	switch (c->state) {
	case CLIENT_GREETING:
	case CLIENT_EHLO:
	case CLIENT_HELO:
	case CLIENT_STARTTLS:
	case CLIENT_TLS:
	case CLIENT_ENVELOPE:
	case CLIENT_RSET: return 5 * 60;
	case CLIENT_DATA: return 2 * 60;
	case CLIENT_CONTENT: return 3 * 60;
	case CLIENT_FINAL: return 10 * 60;
	case CLIENT_CHUNKS: return c->content_left > 0 ? 3 * 60 : 10 * 60;
	/* RFC 5321 has no word on these. */
	case CLIENT_READY:
	case CLIENT_QUIT:
	case CLIENT_CLOSED: return 60;
	}
	return 60;
}

const struct smtp_caps *
smtp_client_caps(const struct smtp_client *c)
{
	return &c->caps;
}

enum smtp_body
smtp_client_takes(const struct smtp_client *c)
{
	return smtp_client_body(&c->caps);
}

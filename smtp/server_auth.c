/*
 * STARTTLS (RFC 3207) and AUTH (RFC 4954) in a server session.  Here is only
 * their place in the dialogue: the handshake and the mechanisms are the
 * caller's.
 */
#include <assert.h>
#include <string.h>

#include "smtp/server_session.h"

/* The longest challenge; those of SCRAM have about 200 octets. */
#define CHALLENGE_MAX 2048

unsigned
server_offered(const struct smtp_server *s)
{
	unsigned ext = s->cfg->extensions;

	if (!s->esmtp)
		return 0;
	/* Passwords do not travel in the clear. */
	return ext &
	       ~(unsigned)(s->secured ? SMTP_EXT_STARTTLS : SMTP_EXT_AUTH);
}

bool
server_may_mail(struct smtp_server *s)
{
	if (s->cfg->tls_required && !s->secured) {
		server_answer(s, 530, "5.7.0", "Issue STARTTLS first");
		return false;
	}
	if (s->cfg->auth_required && !s->authenticated) {
		server_answer(s, 530, "5.7.0", "Authentication required");
		return false;
	}
	return true;
}

/* --- STARTTLS ------------------------------------------------------------- */

void
server_starttls(struct smtp_server *s)
{
	if (s->secured) {
		server_answer(s, 503, "5.5.1", "TLS is in use already");
		return;
	}
	server_answer(s, 220, "2.0.0", "Go ahead");
	s->state = SMTP_STATE_TLS;
	(void)server_event(s, SMTP_SERVER_STARTTLS);
}

void
smtp_server_secured(struct smtp_server *s)
{
	if (s->state == SMTP_STATE_CLOSED)
		return;
	/* RFC 3207 4.2: whatever the client said before is forgotten. */
	s->state = SMTP_STATE_START;
	s->helo[0] = '\0';
	s->esmtp = false;
	s->secured = true;
	smtp_line_init(&s->line);
}

/* --- AUTH ----------------------------------------------------------------- */

static void
ask_caller(struct smtp_server *s, struct smtp_str mechanism,
    struct smtp_str text, bool has_text)
{
	struct smtp_server_event *ev = server_event(s, SMTP_SERVER_AUTH);

	ev->mechanism = mechanism;
	ev->text = text;
	ev->has_text = has_text;
	server_await(s, SMTP_SERVER_AUTH);
}

/* Whether name is a word of the list that EHLO showed. */
static bool
is_offered(const char *list, struct smtp_str name)
{
	while (*list != '\0') {
		size_t n = 0;

		while (list[n] != '\0' && list[n] != ' ')
			n++;
		if (smtp_str_same((struct smtp_str){ list, n }, name))
			return true;
		list += n;
		list += *list == ' ';
	}
	return false;
}

void
server_auth(struct smtp_server *s, struct smtp_str arg)
{
	struct smtp_str mechanism = { arg.p, 0 }, text = { "", 0 };

	while (mechanism.len < arg.len && arg.p[mechanism.len] != ' ')
		mechanism.len++;
	if (mechanism.len < arg.len) {
		text.p = arg.p + mechanism.len + 1;
		text.len = arg.len - mechanism.len - 1;
	}
	if (!s->secured)
		server_answer(s, 538, "5.7.11", "Encryption is required");
	else if (s->authenticated)
		server_answer(s, 503, "5.5.1", "Authenticated already");
	else if (!is_offered(s->cfg->auth_mechanisms, mechanism))
		server_answer(s, 504, "5.5.4", "Mechanism not offered");
	else
		ask_caller(s, mechanism, text, mechanism.len < arg.len);
}

void
server_auth_line(struct smtp_server *s, struct smtp_str line)
{
	s->state = SMTP_STATE_READY;
	if (smtp_str_is(line, "*"))
		server_answer(s, 501, "5.7.0", "Authentication cancelled");
	else
		ask_caller(s, (struct smtp_str){ "", 0 }, line, true);
}

void
smtp_server_challenge(struct smtp_server *s, const char *base64)
{
	if (!s->awaiting || s->awaited != SMTP_SERVER_AUTH)
		return;
	assert(strlen(base64) <= CHALLENGE_MAX);
	s->awaiting = false;
	s->state = SMTP_STATE_AUTH;
	server_write(s, "334 ");
	server_write(s, base64);
	server_write(s, "\r\n");
}

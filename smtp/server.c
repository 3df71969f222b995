/*
 * A server session: octets, content, events; see server.h.  The commands are
 * in server_cmd.c.
 */
#include "smtp/server.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/server_session.h"

/* --- output ---------------------------------------------------------------- */

void
server_write(struct smtp_server *s, const char *text)
{
	size_t n = strlen(text);

	/* No input is taken above SERVER_OUTPUT_HIGH, and no answer is longer
	 * than what is left then. */
	assert(n <= sizeof(s->out) - s->out_len);
	memcpy(s->out + s->out_len, text, n);
	s->out_len += n;
}

/* What the caller wrote must not become a second line, nor a longer one. */
static void
write_text(struct smtp_server *s, const char *text)
{
	const size_t room = SMTP_REPLY_LINE_MAX - 2 - sizeof("250 2.0.000 ");
	size_t n = strlen(text);

	for (size_t i = 0; i < n && i < room; i++) {
		/* cppcheck-suppress arrayIndexOutOfBounds */
		char c[2] = { text[i], '\0' };

		if (c[0] < 32 || c[0] > 126)
			c[0] = '?';
		server_write(s, c);
	}
}

void
server_answer(
    struct smtp_server *s, int code, const char *status, const char *text)
{
	char digits[5] = {
		(char)('0' + code / 100),
		(char)('0' + code / 10 % 10),
		(char)('0' + code % 10),
		' ',
		'\0',
	};

	assert(code >= 200 && code <= 599);
	s->refusals += code >= 400;
	server_write(s, digits);
	if ((s->cfg->extensions & SMTP_EXT_ENHANCEDSTATUSCODES) != 0 &&
	    status[0] != '\0') {
		server_write(s, status);
		server_write(s, " ");
	}
	write_text(s, text);
	server_write(s, "\r\n");
	if (code >= 500 && ++s->errors > s->cfg->errors_max &&
	    s->state != SMTP_STATE_CLOSED) {
		server_reset(s);
		server_close(s);
		server_answer(s, 421, "4.7.0", "Too many errors");
	}
}

const char *
smtp_server_output(const struct smtp_server *s, size_t *ret_len)
{
	*ret_len = s->out_len;
	return s->out;
}

void
smtp_server_output_sent(struct smtp_server *s, size_t n)
{
	assert(n <= s->out_len);
	s->out_len -= n;
	memmove(s->out, s->out + n, s->out_len);
}

/* --- events ------------------------------------------------------------------ */

struct smtp_server_event *
server_event(struct smtp_server *s, enum smtp_server_event_type type)
{
	struct smtp_server_event *ev;

	assert(s->nevents < SERVER_EVENTS_MAX);
	ev = &s->events[(s->first_event + s->nevents++) % SERVER_EVENTS_MAX];
	memset(ev, 0, sizeof(*ev));
	ev->type = type;
	return ev;
}

bool
smtp_server_next_event(struct smtp_server *s, struct smtp_server_event *ret_ev)
{
	if (s->nevents == 0)
		return false;
	*ret_ev = s->events[s->first_event];
	s->first_event = (s->first_event + 1) % SERVER_EVENTS_MAX;
	s->nevents--;
	return true;
}

void
server_await(struct smtp_server *s, enum smtp_server_event_type type)
{
	s->awaiting = true;
	s->awaited = type;
}

void
server_reset(struct smtp_server *s)
{
	const unsigned known = SMTP_STATE_MAIL | SMTP_STATE_RCPT |
			       SMTP_STATE_DATA | SMTP_STATE_CHUNK |
			       SMTP_STATE_CHUNKED | SMTP_STATE_SPOILT;

	if ((s->state & known) != 0) {
		(void)server_event(s, SMTP_SERVER_ABORT);
		s->state = SMTP_STATE_READY;
	}
	s->awaiting = false;
	s->rcpts = 0;
	s->size = 0;
	s->refuse_code = 0;
	s->body = SMTP_BODY_NONE;
}

void
server_close(struct smtp_server *s)
{
	if (s->state == SMTP_STATE_CLOSED)
		return;
	s->state = SMTP_STATE_CLOSED;
	(void)server_event(s, SMTP_SERVER_CLOSE);
}

/* --- answers -------------------------------------------------------------------- */

static void
answered_mail(struct smtp_server *s, bool accepted)
{
	if (accepted)
		s->state = SMTP_STATE_MAIL;
}

static void
answered_rcpt(struct smtp_server *s, bool accepted)
{
	if (!accepted)
		return;
	s->state = SMTP_STATE_RCPT;
	s->rcpts++;
}

void
smtp_server_reply(
    struct smtp_server *s, int code, const char *status, const char *text)
{
	bool accepted = code < 300;

	if (!s->awaiting)
		return;
	s->awaiting = false;
	switch (s->awaited) {
	case SMTP_SERVER_MAIL: answered_mail(s, accepted); break;
	case SMTP_SERVER_RCPT: answered_rcpt(s, accepted); break;
	case SMTP_SERVER_MESSAGE:
		/* The caller has its message, or has refused it: either way
		 * there is nothing left to abort. */
		s->state = SMTP_STATE_READY;
		server_reset(s);
		break;
	case SMTP_SERVER_AUTH: s->authenticated = accepted; break;
	case SMTP_SERVER_BEGIN:
	case SMTP_SERVER_CONTENT:
	case SMTP_SERVER_ABORT:
	case SMTP_SERVER_STARTTLS:
	case SMTP_SERVER_CLOSE: break;
	}
	if (code == 421) {
		server_reset(s);
		server_close(s);
	}
	server_answer(s, code, status, text);
}

static void
copy_text(char *to, size_t cap, const char *from)
{
	size_t n = strlen(from);

	if (n >= cap)
		n = cap - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

void
smtp_server_refuse_content(
    struct smtp_server *s, int code, const char *status, const char *text)
{
	if (s->refuse_code != 0)
		return;
	s->refuse_code = code;
	copy_text(s->refuse_status, sizeof(s->refuse_status), status);
	copy_text(s->refuse_text, sizeof(s->refuse_text), text);
}

/* --- content -------------------------------------------------------------------- */

/* A piece of content; counts it, and hands it out unless it is swallowed. */
static void
content(struct smtp_server *s, struct smtp_str piece)
{
	s->size += piece.len;
	s->progress += piece.len;
	if (s->cfg->size_max != 0 && s->size > s->cfg->size_max)
		smtp_server_refuse_content(s, 552, "5.3.4", "Message too big");
	if (s->refuse_code == 0 && piece.len > 0)
		server_event(s, SMTP_SERVER_CONTENT)->content = piece;
}

/* All of the message is there, or has been swallowed. */
static void
content_end(struct smtp_server *s)
{
	int code = s->refuse_code;

	if (code == 0) {
		(void)server_event(s, SMTP_SERVER_MESSAGE);
		server_await(s, SMTP_SERVER_MESSAGE);
		return;
	}
	server_reset(s);
	server_answer(s, code, s->refuse_status, s->refuse_text);
	if (code == 421)
		server_close(s);
}

/*
 * What cannot be trusted any more ends the session: the next octets could be
 * content or commands, and only the sender knows which (SMTP smuggling).
 */
static void
distrust(struct smtp_server *s, int err)
{
	const char *why = "NUL not allowed";

	if (err == SMTP_EBARE)
		why = "CR or LF that is not part of CR LF";
	else if (err == SMTP_ETOOLONG)
		why = "Line too long";
	server_reset(s);
	server_close(s);
	server_answer(s, 521, "5.5.2", why);
}

static size_t
input_data(struct smtp_server *s, const char *buf, size_t len)
{
	struct smtp_str piece;
	size_t used;
	int rc = smtp_data_in(&s->data, buf, len, &used, &piece);

	if (rc < 0) {
		distrust(s, rc);
		return len;
	}
	content(s, piece);
	if (rc == 1)
		content_end(s);
	return used;
}

/* Text in a chunk must be canonical as well (RFC 3030 2). */
static bool
canonical(struct smtp_server *s, const char *buf, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s->chunk_cr != (buf[i] == '\n') || buf[i] == '\0')
			return false;
		s->chunk_cr = buf[i] == '\r';
	}
	return true;
}

void
server_chunk_end(struct smtp_server *s)
{
	if (s->chunk_last && s->chunk_cr && s->body != SMTP_BODY_BINARYMIME)
		smtp_server_refuse_content(s, 554, "5.6.0",
		    "CR or LF that is not part of CR LF needs BODY=BINARYMIME");
	if (s->chunk_last) {
		content_end(s);
		return;
	}
	/* Every chunk has its answer; a refusal is not kept for the last. */
	s->state = s->refuse_code == 0 ? SMTP_STATE_CHUNKED : SMTP_STATE_SPOILT;
	if (s->refuse_code == 0)
		server_answer(s, 250, "2.0.0", "Chunk taken");
	else
		server_answer(
		    s, s->refuse_code, s->refuse_status, s->refuse_text);
}

static size_t
input_chunk(struct smtp_server *s, const char *buf, size_t len)
{
	struct smtp_str piece = { buf, len };

	if (piece.len > s->chunk_left)
		piece.len = (size_t)s->chunk_left;
	s->chunk_left -= piece.len;
	if (s->body != SMTP_BODY_BINARYMIME && s->refuse_code == 0 &&
	    !canonical(s, buf, piece.len))
		smtp_server_refuse_content(s, 554, "5.6.0",
		    "CR or LF that is not part of CR LF needs BODY=BINARYMIME");
	content(s, piece);
	if (s->chunk_left == 0)
		server_chunk_end(s);
	return piece.len;
}

/* A chunk that was refused with its command: its octets go nowhere. */
static size_t
input_swallow(struct smtp_server *s, size_t len)
{
	size_t n = len < s->chunk_left ? len : (size_t)s->chunk_left;

	s->chunk_left -= n;
	s->progress += n;
	if (s->chunk_left == 0) {
		s->chunk_swallow = false;
		server_answer(
		    s, s->refuse_code, s->refuse_status, s->refuse_text);
		s->refuse_code = 0;
	}
	return n;
}

/* --- input ------------------------------------------------------------------------ */

static size_t
input_line(struct smtp_server *s, const char *buf, size_t len)
{
	size_t used = 0;
	int rc = smtp_line_take(&s->line, buf, len, &used);

	if (rc < 0) {
		distrust(s, rc);
		return len;
	}
	s->progress += rc == 1;
	if (rc == 1 && s->state == SMTP_STATE_AUTH)
		server_auth_line(
		    s, (struct smtp_str){ s->line.buf, s->line.len });
	else if (rc == 1)
		server_command(s);
	return used;
}

bool
smtp_server_wants_input(const struct smtp_server *s)
{
	return s->nevents == 0 && !s->awaiting &&
	       s->state != SMTP_STATE_CLOSED && s->state != SMTP_STATE_TLS &&
	       s->out_len <= SERVER_OUTPUT_HIGH;
}

size_t
smtp_server_input(struct smtp_server *s, const char *buf, size_t len)
{
	size_t used = 0;

	while (used < len && smtp_server_wants_input(s)) {
		const char *p = buf + used;
		size_t left = len - used;

		if (s->chunk_swallow)
			used += input_swallow(s, left);
		else if (s->state == SMTP_STATE_DATA)
			used += input_data(s, p, left);
		else if (s->state == SMTP_STATE_CHUNK)
			used += input_chunk(s, p, left);
		else
			used += input_line(s, p, left);
	}
	return used;
}

/* --- life --------------------------------------------------------------------------- */

int
smtp_server_new(
    const struct smtp_server_config *cfg, struct smtp_server **ret_s)
{
	struct smtp_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return SMTP_ENOMEM;
	s->cfg = cfg;
	s->state = SMTP_STATE_START;
	smtp_line_init(&s->line);
	server_write(s, "220 ");
	write_text(s, cfg->hostname);
	server_write(s, " ESMTP Muleteer\r\n");
	*ret_s = s;
	return SMTP_OK;
}

void
smtp_server_free(struct smtp_server **s)
{
	free(*s);
	*s = NULL;
}

static void
end(struct smtp_server *s, const char *status, const char *text)
{
	if (s->state == SMTP_STATE_CLOSED)
		return;
	/* Events nobody has fetched are about a session that is over. */
	s->nevents = 0;
	server_reset(s);
	server_close(s);
	/* A client that reads nothing gets no farewell. */
	if (s->out_len <= SERVER_OUTPUT_HIGH && text != NULL)
		server_answer(s, 421, status, text);
}

void
smtp_server_timeout(struct smtp_server *s)
{
	end(s, "4.4.2", "Timeout, closing connection");
}

void
smtp_server_busy(struct smtp_server *s)
{
	if (s->state == SMTP_STATE_CLOSED)
		return;
	s->out_len = 0;
	end(s, "4.7.0", "Too many connections, try again later");
}

void
smtp_server_early(struct smtp_server *s)
{
	if (s->state == SMTP_STATE_CLOSED)
		return;
	s->out_len = 0;
	end(s, "", NULL);
	server_answer(s, 554, "5.5.1", "You spoke before the greeting");
}

void
smtp_server_shutdown(struct smtp_server *s)
{
	end(s, "4.3.2", "Shutting down, try again later");
}

void
smtp_server_eof(struct smtp_server *s)
{
	end(s, "", NULL);
}

uint64_t
smtp_server_progress(const struct smtp_server *s)
{
	return s->progress;
}

uint64_t
smtp_server_refusals(const struct smtp_server *s)
{
	return s->refusals;
}

bool
smtp_server_idle(const struct smtp_server *s)
{
	return !s->awaiting && s->nevents == 0 &&
	       (s->state == SMTP_STATE_START || s->state == SMTP_STATE_READY ||
		   s->state == SMTP_STATE_CLOSED);
}

const char *
smtp_server_helo(const struct smtp_server *s)
{
	return s->helo;
}

bool
smtp_server_is_esmtp(const struct smtp_server *s)
{
	return s->esmtp;
}

bool
smtp_server_is_secured(const struct smtp_server *s)
{
	return s->secured;
}

bool
smtp_server_is_authenticated(const struct smtp_server *s)
{
	return s->authenticated;
}

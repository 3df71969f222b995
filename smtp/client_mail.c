/*
 * One message of a client session: envelope, content, verdict.
 *
 * Commands go out as early as PIPELINING allows, and replies are matched by
 * counting: first those of the envelope, in the order of the commands, then
 * that of DATA or those of the chunks.  So content can be under way before
 * anybody knows whether there is a recipient.  When there is none, DATA ends
 * with a lone dot if the server asks for content all the same (RFC 2920 3.1),
 * and no further chunk begins.
 *
 * A message that has failed (c->failed) lives on until every reply to what was
 * written for it is there; only then the caller hears of it.  Thus READY
 * always means that the next reply answers the next command.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp/client_session.h"

static bool
pipelining(const struct smtp_client *c)
{
	return (c->caps.extensions & SMTP_EXT_PIPELINING) != 0;
}

/* For any one command, chunks aside. */
static bool
has_room(const struct smtp_client *c)
{
	return sizeof(c->out) - c->out_len >= SMTP_LINE_MAX;
}

/* For what one step may have to say. */
static bool
has_event_room(const struct smtp_client *c)
{
	return c->nevents < CLIENT_EVENTS_MAX - CLIENT_EVENTS_RESERVED;
}

/* --- the end ------------------------------------------------------------- */

void
client_message_done(
    struct smtp_client *c, const struct smtp_reply *reply, bool local)
{
	if (c->m == NULL)
		return;
	if (c->failed) {
		reply = &c->verdict;
		local = c->verdict_local;
	}
	client_event(c, SMTP_CLIENT_DONE, reply, local)->dropped =
	    c->env.dropped;
	c->m = NULL;
	c->ask = CLIENT_ASK_NOTHING;
	free(c->skipped);
	c->skipped = NULL;
}

/* The first reason counts. */
static void
fail(struct smtp_client *c, const struct smtp_reply *reply, bool local)
{
	if (c->failed)
		return;
	c->failed = true;
	c->verdict = *reply;
	c->verdict_local = local;
}

/* Every reply is there, and the verdict is that it has failed. */
static void
give_up(struct smtp_client *c)
{
	client_message_done(c, &c->verdict, c->verdict_local);
	if (c->mail_refused) {
		client_ready(c);
		return;
	}
	client_put_text(c, "RSET\r\n");
	c->state = CLIENT_RSET;
}

/* The reply to the last octet of the content, or to a lone dot. */
static void
settle(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (c->out_len == 0) {
		client_message_done(c, reply, false);
		client_ready(c);
	} else if (reply->code >= 400) {
		client_finish(c, reply, false);
	} else {
		/* Praise for what it has not seen is worth nothing. */
		client_break(c, 451, "4.5.0", "Reply before the content");
	}
}

/* --- the envelope -------------------------------------------------------- */

static void
refuse_rcpt(struct smtp_client *c, size_t rcpt, const struct smtp_reply *reply,
    bool local)
{
	client_event(c, SMTP_CLIENT_RCPT, reply, local)->rcpt = rcpt;
	/* If nobody is left, this is why. */
	if (!c->failed) {
		c->verdict = *reply;
		c->verdict_local = local;
	}
}

static bool
write_rcpt_line(
    struct smtp_client *c, size_t rcpt, struct smtp_client_refusal *why)
{
	struct smtp_line_writer w;

	smtp_write_begin(&w, c->out + c->out_len, SMTP_LINE_MAX);
	if (!smtp_client_write_rcpt(
		&w, &c->caps, c->m->rcpt_lines[rcpt], &c->env, why))
		return false;
	c->out_len += w.len;
	c->rcpts_sent++;
	return true;
}

static void
write_rcpt(struct smtp_client *c, size_t rcpt)
{
	struct smtp_client_refusal why = { 452, "4.5.3",
		"More recipients than the next server takes at once" };
	struct smtp_reply reply;
	uint64_t max = c->caps.rcpt_max;

	if ((max == 0 || c->rcpts_sent < max) && write_rcpt_line(c, rcpt, &why))
		return;
	c->skipped[rcpt] = true;
	reply = client_local_reply(why.code, why.status, why.text);
	refuse_rcpt(c, rcpt, &reply, true);
}

/* Skipped recipients have no reply to wait for. */
static void
skip_answers(struct smtp_client *c)
{
	while (c->answered > 0 && c->answered < c->written &&
	       c->skipped[c->answered - 1])
		c->answered++;
}

static void
put_chunk(struct smtp_client *c, const char *buf, size_t len)
{
	struct smtp_line_writer w;
	char line[64];

	smtp_write_begin(&w, line, sizeof(line));
	(void)smtp_write_text(&w, "BDAT ");
	(void)smtp_write_number(&w, (int64_t)len);
	(void)smtp_write_text(&w, c->content_left == 0 ? " LAST\r\n" : "\r\n");
	client_put(c, (struct smtp_str){ line, w.len });
	client_put(c, (struct smtp_str){ buf, len });
	c->chunks_owed++;
}

static void
begin_content(struct smtp_client *c)
{
	c->content_begun = true;
	if (!c->chunking)
		client_put_text(c, "DATA\r\n");
	else if (c->content_left == 0)
		put_chunk(c, "", 0);
}

/* Every command of the envelope is written and has its answer. */
static void
envelope_answered(struct smtp_client *c)
{
	c->failed |= c->accepted == 0;
	if (!c->failed && !c->content_begun)
		begin_content(c);
	if (!c->content_begun)
		give_up(c);
	else
		c->state = c->chunking ? CLIENT_CHUNKS : CLIENT_DATA;
}

static void
advance_envelope(struct smtp_client *c)
{
	while (c->written <= c->m->nrcpts && !c->failed && has_room(c) &&
	       has_event_room(c) &&
	       (pipelining(c) || c->answered == c->written)) {
		write_rcpt(c, c->written - 1);
		c->written++;
		skip_answers(c);
	}
	if ((c->written <= c->m->nrcpts && !c->failed) || !has_room(c))
		return;
	if (pipelining(c) && !c->failed && !c->content_begun &&
	    c->rcpts_sent > 0)
		begin_content(c);
	if (c->answered == c->written && has_event_room(c))
		envelope_answered(c);
}

static void
envelope_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	bool ok = reply->code < 300;

	if (c->answered == c->written) {
		client_break(c, 451, "4.5.0", "Reply without a command");
		return;
	}
	if (c->answered == 0 && !ok) {
		c->mail_refused = true;
		fail(c, reply, false);
	} else if (c->answered > 0 && ok) {
		c->accepted++;
	} else if (c->answered > 0 && !c->mail_refused) {
		refuse_rcpt(c, c->answered - 1, reply, false);
	}
	c->answered++;
	skip_answers(c);
}

static void
begin_message(
    struct smtp_client *c, const struct smtp_client_message *m, bool *skipped)
{
	static const struct smtp_client_env none;

	c->m = m;
	c->env = none;
	c->skipped = skipped;
	c->written = 1;
	c->answered = c->rcpts_sent = c->accepted = 0;
	c->failed = c->mail_refused = false;
	c->chunking = (c->caps.extensions & SMTP_EXT_CHUNKING) != 0;
	c->content_begun = false;
	c->ask = CLIENT_ASK_NOTHING;
	c->content_left = m->size;
	c->chunks_owed = 0;
	smtp_data_init(&c->data);
}

static void
write_mail(struct smtp_client *c)
{
	struct smtp_client_refusal why;
	struct smtp_line_writer w;
	struct smtp_reply reply;

	smtp_write_begin(&w, c->out, SMTP_LINE_MAX);
	if (smtp_client_write_mail(&w, &c->caps, c->m, &c->env, &why)) {
		c->out_len = w.len;
		c->mails++;
		c->state = CLIENT_ENVELOPE;
		return;
	}
	/* Nothing was said, so the session stays READY. */
	reply = client_local_reply(why.code, why.status, why.text);
	client_message_done(c, &reply, true);
	client_ready(c);
}

int
smtp_client_send(struct smtp_client *c, const struct smtp_client_message *m)
{
	bool *skipped;

	if (c->state == CLIENT_CLOSED)
		return SMTP_ECLOSED;
	if (c->state != CLIENT_READY || c->nevents > 0 || m->nrcpts == 0)
		return SMTP_ESTATE;
	skipped = calloc(m->nrcpts, sizeof(*skipped));
	if (skipped == NULL)
		return SMTP_ENOMEM;
	begin_message(c, m, skipped);
	/* Its end would look like the answer to MAIL. */
	if (smtp_reply_begun(&c->parser))
		client_break(c, 451, "4.5.0", "Reply without a command");
	else
		write_mail(c);
	client_mail_advance(c);
	return SMTP_OK;
}

/* --- content ------------------------------------------------------------- */

/* RFC 6152: octets over 127 only go to a server that offers 8BITMIME. */
static bool
too_wide(const struct smtp_client *c, const char *buf, size_t len)
{
	if ((c->caps.extensions & SMTP_EXT_8BITMIME) != 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)buf[i] > 127)
			return true;
	return false;
}

/* Canonical text into the output, unless it goes by chunks: no dots there. */
static int
take_text(struct smtp_client *c, const char *buf, size_t len)
{
	while (len > 0) {
		struct smtp_str out;
		size_t used;
		int rc = smtp_data_out(&c->data, buf, len, &used, &out);

		if (rc < 0)
			return rc;
		if (!c->chunking)
			client_put(c, out);
		buf += used;
		len -= used;
	}
	return SMTP_OK;
}

/* After the last octet of text: with a CR pending there is no good end. */
static int
end_text(struct smtp_client *c)
{
	struct smtp_str end;
	int rc = smtp_data_out_end(&c->data, &end);

	if (rc < 0 || c->chunking)
		return rc;
	client_put(c, end);
	c->state = CLIENT_FINAL;
	return SMTP_OK;
}

/*
 * This content must not leave.  A chunk was not begun, so the session can go
 * on; the octets of DATA end in nothing but the end of the connection.
 */
static void
refuse_content(struct smtp_client *c, const char *status, const char *text)
{
	struct smtp_reply reply = client_local_reply(554, status, text);

	if (c->chunking)
		fail(c, &reply, true);
	else
		client_finish(c, &reply, true);
}

static void
take_piece(struct smtp_client *c, const char *buf, size_t len)
{
	int rc = SMTP_OK;

	if (!c->env.binary && too_wide(c, buf, len)) {
		refuse_content(
		    c, "5.6.3", "The next server does not take 8BITMIME");
		return;
	}
	if (!c->env.binary)
		rc = take_text(c, buf, len);
	if (!c->env.binary && rc == SMTP_OK && c->content_left == 0)
		rc = end_text(c);
	if (rc != SMTP_OK)
		refuse_content(c, "5.6.0", smtp_strerror(rc));
	else if (c->chunking)
		put_chunk(c, buf, len);
}

int
smtp_client_content(struct smtp_client *c, const char *buf, size_t len)
{
	if (c->state == CLIENT_CLOSED)
		return SMTP_ECLOSED;
	if (c->ask != CLIENT_ASK_FETCHED || len == 0 ||
	    len > SMTP_CLIENT_CONTENT_MAX || len > c->content_left)
		return SMTP_ESTATE;
	c->ask = CLIENT_ASK_NOTHING;
	c->content_left -= len;
	if (!c->failed)
		take_piece(c, buf, len);
	client_mail_advance(c);
	return SMTP_OK;
}

/* Ask for the next piece as soon as it could leave. */
static void
advance_content(struct smtp_client *c)
{
	bool may = c->state == CLIENT_CONTENT;

	if (c->state == CLIENT_ENVELOPE)
		may = c->chunking && c->content_begun;
	else if (c->state == CLIENT_CHUNKS)
		may = pipelining(c) || c->chunks_owed == 0;
	if (!may || c->failed || c->ask != CLIENT_ASK_NOTHING ||
	    c->content_left == 0 || c->nevents > 0 ||
	    c->out_len >= CLIENT_OUTPUT_LOW)
		return;
	c->ask = CLIENT_ASK_QUEUED;
	(void)client_event(c, SMTP_CLIENT_CONTENT, NULL, false);
}

void
client_mail_advance(struct smtp_client *c)
{
	if (c->state == CLIENT_ENVELOPE)
		advance_envelope(c);
	/* The caller answers every CONTENT before it hears of the end. */
	if (c->state == CLIENT_CHUNKS && c->failed && c->chunks_owed == 0 &&
	    c->ask == CLIENT_ASK_NOTHING && c->out_len == 0 &&
	    has_event_room(c))
		give_up(c);
	advance_content(c);
}

/* --- replies ------------------------------------------------------------- */

static void
data_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (reply->code >= 400) {
		fail(c, reply, false);
		give_up(c);
	} else if (reply->code != 354) {
		client_break(c, 451, "4.5.0", "Unexpected reply to DATA");
	} else if (c->failed || c->content_left == 0) {
		/* With nobody to read it: a lone dot. */
		(void)!end_text(c);
	} else {
		c->state = CLIENT_CONTENT;
	}
}

static void
chunk_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (c->chunks_owed == 0) {
		client_break(c, 451, "4.5.0", "Reply without a command");
		return;
	}
	c->chunks_owed--;
	/* RFC 3030 2: after a chunk has failed only RSET helps. */
	if (reply->code >= 400)
		fail(c, reply, false);
	else if (!c->failed && c->chunks_owed == 0 && c->content_left == 0)
		settle(c, reply);
}

void
client_mail_reply(struct smtp_client *c, const struct smtp_reply *reply)
{
	if (c->state == CLIENT_ENVELOPE)
		envelope_reply(c, reply);
	else if (c->state == CLIENT_DATA)
		data_reply(c, reply);
	else if (c->state == CLIENT_FINAL)
		settle(c, reply);
	else if (c->state == CLIENT_CHUNKS)
		chunk_reply(c, reply);
	else if (reply->code >= 400)
		/* Amid the content: the server does not want the rest. */
		client_finish(c, reply, false);
	else
		client_break(c, 451, "4.5.0", "Reply amid the content");
}

/*
 * A server that says anything, to an application that sends two messages.
 *
 * The first two octets choose messages and behaviour; the rest is what the
 * server says.  An octet 0xfe within it ends what comes at once, 0xfd is
 * followed by one octet for something the application does.
 *
 * What must hold, whatever the server says:
 *	every message gets exactly one DONE, and CLOSED comes once and last;
 *	DONE with 2xx comes when all of the content was handed out, and not for
 *	    content that must not leave;
 *	outside of the content there are lines that SMTP knows, of at most 4096
 *	    octets;
 *	the output never holds more than its fixed bound.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/client.h"

#define PAUSE 0xfe
#define ACT 0xfd
#define OUTPUT_BOUND 80000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Lines of content begin with "x" or "."; commands never do. */
static const struct {
	const char *from, *content;
	bool deliverable;
} messages[] = {
	{ "<a@x.example>", "x1\r\nx2\r\n.\r\nx4\r\n", true },
	{ "<a@x.example> BODY=8BITMIME RET=FULL ENVID=e", "x\xc3\r\nx", true },
	{ "<a@x.example> BODY=BINARYMIME MT-PRIORITY=3", "x\n.\r\rx", true },
	{ "<> BY=60;N AUTH=<>", "", true },
	{ "<a@x.example> BY=60;R", "x\r\n", true },
	{ "<a@x.example>", "x\r\n.\nx\r\n", false },
	{ "<a@x.example>", "x\r\nx\r", false },
	{ "<a@x.example> X-UNKNOWN SIZE=5", "...\r\n..\r\n.", true },
};

static const struct smtp_str rcpts[] = {
	{ "<b@y.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b", 49 },
	{ "<c@y.example>", 13 },
	{ "<bad>", 5 },
	{ "<d@y.example> RRVS=2014-04-03T23:01:00Z;C", 41 },
};

struct app {
	struct smtp_client_config cfg;
	struct smtp_client *c;
	struct smtp_client_message m;
	uint8_t first, manner; /* which messages, and how */
	unsigned sent, done, closed;
	size_t given;
	bool waiting;  /* a CONTENT is unanswered */
	size_t unsent; /* octets of output when the last reply came */

	/* The reader of the output. */
	char line[SMTP_LINE_MAX];
	size_t line_len;
	uint64_t chunk_left;
};

/* --- the output ---------------------------------------------------------- */

static bool
begins(const struct app *a, const char *text)
{
	return a->line_len >= strlen(text) &&
	       memcmp(a->line, text, strlen(text)) == 0;
}

static void
check_line(struct app *a)
{
	static const char *const known[] = { "EHLO gw\r\n", "HELO gw\r\n",
		"MAIL FROM:<", "RCPT TO:<", "DATA\r\n", "RSET\r\n", "QUIT\r\n",
		"BDAT " };
	bool found = false;

	if (a->line[0] == 'x' || a->line[0] == '.')
		return;
	/* Content that ended within a line gets a line end. */
	found = begins(a, "\r\n");
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		found |= begins(a, known[i]);
	assert(found);
	for (size_t i = 0; i + 2 < a->line_len; i++)
		assert(a->line[i] >= 32 && a->line[i] <= 126);
	assert(a->line_len >= 2 && a->line[a->line_len - 2] == '\r');
	if (begins(a, "BDAT "))
		for (const char *p = a->line + 5; *p >= '0' && *p <= '9'; p++)
			a->chunk_left =
			    a->chunk_left * 10 + (uint64_t)(*p - '0');
}

static void
read_output(struct app *a, const char *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (a->chunk_left > 0) {
			a->chunk_left--;
			continue;
		}
		assert(a->line_len < sizeof(a->line));
		a->line[a->line_len++] = out[i];
		if (out[i] != '\n')
			continue;
		check_line(a);
		a->line_len = 0;
	}
}

static size_t
take_output(struct app *a, size_t most)
{
	size_t len;
	const char *out = smtp_client_output(a->c, &len);

	assert(len <= OUTPUT_BOUND);
	if (len > most)
		len = most;
	assert(a->closed == 0 || len == 0);
	read_output(a, out, len);
	smtp_client_output_sent(a->c, len);
	return len;
}

/* --- the application ----------------------------------------------------- */

static unsigned
message_index(const struct app *a)
{
	return (a->first + (a->sent - 1) * 3u) % 8;
}

static void
send_message(struct app *a)
{
	int rc;

	if (a->sent == 2) {
		smtp_client_quit(a->c);
		return;
	}
	a->sent++;
	memset(&a->m, 0, sizeof(a->m));
	a->m.from_line.p = messages[message_index(a)].from;
	a->m.from_line.len = strlen(a->m.from_line.p);
	a->m.rcpt_lines = rcpts + (a->first >> 3) % 4;
	a->m.nrcpts = 1 + (a->first >> 5) % (4 - (a->first >> 3) % 4);
	a->m.size = strlen(messages[message_index(a)].content);
	a->given = 0;
	rc = smtp_client_send(a->c, &a->m);
	assert(rc == SMTP_OK);
}

static void
give_content(struct app *a)
{
	size_t n = (size_t)a->m.size - a->given;
	size_t most = 1 + (a->manner & 7u);
	int rc;

	if (!a->waiting)
		return;
	a->waiting = false;
	n = n < most ? n : most;
	rc = smtp_client_content(
	    a->c, messages[message_index(a)].content + a->given, n);
	assert(rc == SMTP_OK);
	a->given += n;
}

static void
check_done(struct app *a, const struct smtp_client_event *ev)
{
	a->done++;
	assert(a->done == a->sent);
	assert(ev->reply.code >= 200 && ev->reply.code <= 599);
	if (ev->reply.code >= 300)
		return;
	assert(a->unsent == 0);
	assert(!ev->local && a->given == a->m.size && !a->waiting);
	assert(messages[message_index(a)].deliverable);
}

static void
on_event(struct app *a, const struct smtp_client_event *ev)
{
	assert(a->closed == 0);
	switch (ev->type) {
	case SMTP_CLIENT_READY:
		assert(a->done == a->sent);
		send_message(a);
		break;
	case SMTP_CLIENT_RCPT:
		assert(a->sent == a->done + 1 && ev->rcpt < a->m.nrcpts);
		assert(ev->reply.code >= 400);
		break;
	case SMTP_CLIENT_CONTENT:
		assert(a->sent == a->done + 1 && !a->waiting);
		a->waiting = true;
		/* Some are slow. */
		if ((a->manner & 8) == 0)
			give_content(a);
		break;
	case SMTP_CLIENT_DONE: check_done(a, ev); break;
	case SMTP_CLIENT_STARTTLS:
		assert(a->sent == 0 && a->cfg.tls != SMTP_CLIENT_TLS_NEVER);
		smtp_client_secured(a->c);
		break;
	case SMTP_CLIENT_CLOSED:
		assert(a->done == a->sent);
		a->closed++;
		a->waiting = false;
		break;
	}
}

/* Slow writers take some of the output only. */
static void
pump(struct app *a)
{
	size_t most = (a->manner & 16) != 0 ? 7 : SIZE_MAX;
	struct smtp_client_event ev;
	bool more;

	do {
		while (smtp_client_next_event(a->c, &ev))
			on_event(a, &ev);
		more = take_output(a, most) > 0 && most == SIZE_MAX;
	} while (more || smtp_client_has_event(a->c));
}

static void
act(struct app *a, uint8_t what)
{
	switch (what % 8) {
	case 0: smtp_client_quit(a->c); break;
	case 1: smtp_client_abort(a->c, "why not"); break;
	case 2: smtp_client_timeout(a->c); break;
	case 3: smtp_client_eof(a->c); break;
	case 4: a->manner ^= 16; break;
	case 5: a->manner ^= 8; break;
	default: give_content(a); break;
	}
	pump(a);
}

static void
feed(struct app *a, const uint8_t *data, size_t len)
{
	/* An exact-size copy, so that an overread shows. */
	char *copy = malloc(len + (len == 0));
	size_t at = 0;

	assert(copy != NULL);
	memcpy(copy, data, len);
	while (at < len && a->closed == 0) {
		size_t n;

		(void)smtp_client_output(a->c, &a->unsent);
		n = smtp_client_input(a->c, copy + at, len - at);
		assert(n <= len - at);
		at += n;
		pump(a);
		assert(n > 0 || a->closed > 0);
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct app a;
	size_t i = 2;

	if (size < 2)
		return 0;
	memset(&a, 0, sizeof(a));
	a.first = data[0];
	a.manner = data[1];
	a.cfg.hostname = "gw";
	a.cfg.tls = (enum smtp_client_tls)(a.first % 3);
	a.cfg.extensions =
	    (a.manner & 32) != 0 ? ~0u : ~(unsigned)SMTP_EXT_CHUNKING;
	if (smtp_client_new(&a.cfg, &a.c) != SMTP_OK)
		return 0;
	while (i < size) {
		size_t n = 0;

		while (i + n < size && data[i + n] < ACT)
			n++;
		feed(&a, data + i, n);
		i += n + 1;
		if (i < size && data[i - 1] == ACT)
			act(&a, data[i++]);
	}
	smtp_client_eof(a.c);
	pump(&a);
	assert(a.closed == 1 && a.done == a.sent);
	assert(!smtp_client_wants_input(a.c));
	smtp_client_free(&a.c);
	return 0;
}

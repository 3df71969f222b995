/*
 * A hostile client: any octets, cut anywhere, answered this way and that.
 * Whatever comes, our lines are lines, and there is no message without a 354 or
 * a BDAT before it.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct watch {
	uint32_t random;
	bool in_transaction, in_content;
	unsigned closed;
	size_t line; /* octets of the output line so far */
};

static const struct smtp_server_config config = {
	.hostname = "gw.example",
	.extensions = 0x1ff | SMTP_EXT_STARTTLS | SMTP_EXT_AUTH |
		      SMTP_EXT_SMTPUTF8 | SMTP_EXT_RRVS | SMTP_EXT_LIMITS,
	.auth_mechanisms = "PLAIN",
	.size_max = 2000,
	.priority_policy = "MIXER",
	.by_min = 10,
	.rcpts_max = 5,
	.commands_max = 200,
	.errors_max = 50,
};

static uint32_t
next(struct watch *w)
{
	w->random = w->random * 1664525 + 1013904223;
	return w->random >> 16;
}

static void
answer(struct smtp_server *s, struct watch *w)
{
	static const int codes[] = { 250, 250, 250, 450, 550, 250, 421, 250 };
	int code = codes[next(w) % 8];

	smtp_server_reply(s, code, "2.0.0", "so\r\nbe \x80it");
}

static void
act(struct smtp_server *s, const struct smtp_server_event *ev, struct watch *w)
{
	switch (ev->type) {
	case SMTP_SERVER_MAIL:
		assert(!w->in_content);
		w->in_transaction = true;
		answer(s, w);
		break;
	case SMTP_SERVER_RCPT:
		assert(w->in_transaction && !w->in_content);
		assert(ev->path.mailbox.len > 0);
		answer(s, w);
		break;
	case SMTP_SERVER_BEGIN:
		assert(w->in_transaction && !w->in_content);
		w->in_content = true;
		if (next(w) % 16 == 0)
			smtp_server_refuse_content(s, 452, "4.3.1", "full");
		break;
	case SMTP_SERVER_CONTENT:
		assert(w->in_content && ev->content.len > 0);
		break;
	case SMTP_SERVER_MESSAGE:
		assert(w->in_content);
		w->in_content = w->in_transaction = false;
		answer(s, w);
		break;
	case SMTP_SERVER_ABORT:
		w->in_content = w->in_transaction = false;
		break;
	case SMTP_SERVER_CLOSE: w->closed++; break;
	case SMTP_SERVER_STARTTLS:
		assert(!w->in_transaction);
		smtp_server_secured(s);
		break;
	case SMTP_SERVER_AUTH:
		assert(smtp_server_is_secured(s) && !w->in_transaction);
		if (next(w) % 2 == 0)
			smtp_server_challenge(s, "eA==");
		else
			smtp_server_reply(s, 235, "2.7.0", "yes");
		break;
	}
}

static void
check_output(struct smtp_server *s, struct watch *w)
{
	size_t len;
	const char *p = smtp_server_output(s, &len);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if (w->line < 3)
			assert(c >= '0' && c <= '9');
		assert(c == '\r' || c == '\n' || (c >= 32 && c < 127));
		assert(++w->line <= 512);
		if (c == '\n') {
			assert(w->line >= 5);
			w->line = 0;
		}
	}
	smtp_server_output_sent(s, len);
}

static void
turn(struct smtp_server *s, struct watch *w)
{
	struct smtp_server_event ev;

	while (smtp_server_next_event(s, &ev))
		act(s, &ev, w);
	check_output(s, w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct watch w = { .random = (uint32_t)size };
	struct smtp_server *s;
	size_t pos = 0;

	if (size == 0 || size > 65536 ||
	    smtp_server_new(&config, &s) != SMTP_OK)
		return 0;
	w.random ^= data[0];
	turn(s, &w);
	while (pos < size && smtp_server_wants_input(s)) {
		size_t n = next(&w) % 64 + 1;
		uint8_t *piece;

		if (n > size - pos)
			n = size - pos;
		piece = malloc(n);
		memcpy(piece, data + pos, n);
		pos += smtp_server_input(s, (char *)piece, n);
		turn(s, &w);
		free(piece);
	}
	smtp_server_timeout(s);
	turn(s, &w);
	assert(w.closed == 1 && w.line == 0);
	smtp_server_free(&s);
	return 0;
}

/*
 * A client session talks to a server session in memory, in pieces of any size:
 * what goes in is what comes out, or nothing comes out.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/client.h"
#include "smtp/server.h"

#define CONTENT_MAX 70000
#define PIPE_MAX 262144
#define ALL_EXTENSIONS \
	(SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | \
	    SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING | SMTP_EXT_DSN | \
	    SMTP_EXT_MT_PRIORITY | SMTP_EXT_ENHANCEDSTATUSCODES)

static uint64_t seed = 1;

/* 0 to n - 1. */
static size_t
dice(size_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (size_t)(seed % n);
}

/* Octets on their way. */
struct wire {
	char buf[PIPE_MAX];
	size_t head, tail;
	uint64_t carried;
};

struct link {
	struct smtp_server_config server_cfg;
	struct smtp_client_config client_cfg;
	struct smtp_server *server;
	struct smtp_client *client;
	struct wire up, down; /* to the server, to the client */
	size_t cut;           /* up: stop once after so many octets; 0: dice */
	size_t most;          /* octets that come at once */

	/* The application that sends. */
	const struct smtp_client_message *message;
	const char *content;
	size_t given;
	size_t sent, done, refused, closed;
	int code; /* of DONE */

	/* The application that receives. */
	char got[CONTENT_MAX + 2];
	size_t got_len, rcpts, messages, aborts;
	bool in_content;
};

static void
wire_put(struct wire *w, const char *buf, size_t len)
{
	assert_true(len <= sizeof(w->buf) - w->tail);
	memcpy(w->buf + w->tail, buf, len);
	w->tail += len;
}

static void
wire_taken(struct wire *w, size_t n)
{
	w->head += n;
	w->carried += n;
	if (w->head == w->tail)
		w->head = w->tail = 0;
}

/* How many octets arrive next. */
static size_t
wire_next(const struct wire *w, size_t cut, size_t most)
{
	size_t n = w->tail - w->head;

	if (w->carried < cut && n > cut - w->carried)
		return (size_t)(cut - w->carried);
	if (cut == 0 && n > 0)
		n = 1 + dice(n);
	return n < most ? n : most;
}

/* --- the server's side --------------------------------------------------- */

static bool
begins(struct smtp_str s, const char *text)
{
	return s.len >= strlen(text) && memcmp(s.p, text, strlen(text)) == 0;
}

static void
server_event(struct link *l, const struct smtp_server_event *ev)
{
	switch (ev->type) {
	case SMTP_SERVER_MAIL:
		l->rcpts = 0;
		smtp_server_reply(l->server, 250, "2.1.0", "Sender ok");
		break;
	case SMTP_SERVER_RCPT:
		if (begins(ev->path.local, "no")) {
			smtp_server_reply(l->server, 550, "5.1.1", "No");
			break;
		}
		l->rcpts++;
		smtp_server_reply(l->server, 250, "2.1.5", "Recipient ok");
		break;
	case SMTP_SERVER_BEGIN:
		assert_false(l->in_content);
		l->in_content = true;
		l->got_len = 0;
		break;
	case SMTP_SERVER_CONTENT:
		assert_true(l->in_content);
		assert_true(ev->content.len <= sizeof(l->got) - l->got_len);
		memcpy(l->got + l->got_len, ev->content.p, ev->content.len);
		l->got_len += ev->content.len;
		break;
	case SMTP_SERVER_MESSAGE:
		l->in_content = false;
		l->messages++;
		smtp_server_reply(l->server, 250, "2.0.0", "Queued");
		break;
	case SMTP_SERVER_ABORT:
		l->in_content = false;
		l->aborts++;
		break;
	case SMTP_SERVER_CLOSE: break;
	case SMTP_SERVER_STARTTLS:
	case SMTP_SERVER_AUTH: assert_true(false); break;
	}
}

static bool
server_turn(struct link *l)
{
	size_t n = wire_next(&l->up, l->cut, l->most), used = 0, len;
	char *copy = (char *)unit_copy(l->up.buf + l->up.head, n);
	struct smtp_server_event ev;
	const char *out;

	while (used < n && smtp_server_wants_input(l->server)) {
		used += smtp_server_input(l->server, copy + used, n - used);
		while (smtp_server_next_event(l->server, &ev))
			server_event(l, &ev);
	}
	free(copy);
	wire_taken(&l->up, used);
	out = smtp_server_output(l->server, &len);
	wire_put(&l->down, out, len);
	smtp_server_output_sent(l->server, len);
	return used > 0 || len > 0;
}

/* --- the client's side --------------------------------------------------- */

static void
give_content(struct link *l)
{
	size_t n = (size_t)l->message->size - l->given;
	size_t most = l->cut == 0 ? 1 + dice(SMTP_CLIENT_CONTENT_MAX) : 10;
	char *copy;

	n = n < most ? n : most;
	copy = (char *)unit_copy(l->content + l->given, n);
	l->given += n;
	assert_int_equal(smtp_client_content(l->client, copy, n), SMTP_OK);
	free(copy);
}

static void
client_event(struct link *l, const struct smtp_client_event *ev)
{
	switch (ev->type) {
	case SMTP_CLIENT_READY:
		if (l->sent++ > 0) {
			smtp_client_quit(l->client);
			break;
		}
		assert_int_equal(
		    smtp_client_send(l->client, l->message), SMTP_OK);
		break;
	case SMTP_CLIENT_RCPT:
		assert_true(begins(l->message->rcpt_lines[ev->rcpt], "<no"));
		l->refused++;
		break;
	case SMTP_CLIENT_CONTENT: give_content(l); break;
	case SMTP_CLIENT_DONE:
		l->done++;
		l->code = ev->reply.code;
		break;
	case SMTP_CLIENT_CLOSED: l->closed++; break;
	case SMTP_CLIENT_STARTTLS: assert_true(false); break;
	}
}

static bool
client_turn(struct link *l)
{
	size_t n = wire_next(&l->down, 0, l->most), used, len;
	char *copy = (char *)unit_copy(l->down.buf + l->down.head, n);
	struct smtp_client_event ev;
	const char *out;

	used = smtp_client_input(l->client, copy, n);
	free(copy);
	wire_taken(&l->down, used);
	while (smtp_client_next_event(l->client, &ev))
		client_event(l, &ev);
	out = smtp_client_output(l->client, &len);
	if (l->cut == 0 && len > 0)
		len = 1 + dice(len);
	wire_put(&l->up, out, len);
	smtp_client_output_sent(l->client, len);
	return used > 0 || len > 0;
}

/* --- both ---------------------------------------------------------------- */

/* One message, then QUIT; l tells how it went. */
static void
carry(struct link *l, const struct smtp_client_message *m, const char *content)
{
	struct smtp_server_event ev;
	bool moved;

	l->message = m;
	l->content = content;
	l->server_cfg.hostname = "mx.example";
	l->server_cfg.rcpts_max = 100;
	l->server_cfg.commands_max = 1000;
	l->server_cfg.errors_max = 1000;
	l->client_cfg.hostname = "gw.example";
	l->client_cfg.extensions = ~0u;
	if (l->most == 0)
		l->most = SIZE_MAX;
	assert_int_equal(smtp_server_new(&l->server_cfg, &l->server), SMTP_OK);
	assert_int_equal(smtp_client_new(&l->client_cfg, &l->client), SMTP_OK);
	do {
		moved = server_turn(l);
		moved |= client_turn(l);
	} while (moved);
	/* The client closed: that is the end for the server as well. */
	smtp_server_eof(l->server);
	while (smtp_server_next_event(l->server, &ev))
		server_event(l, &ev);
	assert_int_equal(l->done, 1);
	assert_int_equal(l->closed, 1);
	smtp_server_free(&l->server);
	smtp_client_free(&l->client);
}

static void
expect_delivered(const struct link *l)
{
	size_t n = (size_t)l->message->size;
	bool data = (l->server_cfg.extensions & SMTP_EXT_CHUNKING) == 0;
	bool ended =
	    n == 0 || (n >= 2 && memcmp(l->content + n - 2, "\r\n", 2) == 0);

	assert_int_equal(l->code, 250);
	assert_int_equal(l->messages, 1);
	assert_memory_equal(l->got, l->content, n);
	if (data && !ended) {
		/* Nothing else ends a line for DATA. */
		assert_int_equal(l->got_len, n + 2);
		assert_memory_equal(l->got + n, "\r\n", 2);
	} else {
		assert_int_equal(l->got_len, n);
	}
	assert_int_equal(l->rcpts + l->refused, l->message->nrcpts);
}

static void
expect_nothing(const struct link *l)
{
	assert_int_equal(l->code, 554);
	assert_int_equal(l->messages, 0);
	assert_false(l->in_content);
}

static struct smtp_str
str(const char *text)
{
	return (struct smtp_str){ text, strlen(text) };
}

static struct link *
new_link(unsigned extensions)
{
	struct link *l = malloc(sizeof(*l));

	assert_non_null(l);
	memset(l, 0, offsetof(struct link, up));
	memset(&l->cut, 0, sizeof(*l) - offsetof(struct link, cut));
	l->up.head = l->up.tail = l->down.head = l->down.tail = 0;
	l->up.carried = l->down.carried = 0;
	l->server_cfg.extensions = extensions;
	return l;
}

/* --- random messages ----------------------------------------------------- */

enum kind { TEXT, EIGHT, BINARY, DOTS, LONG, KINDS };

static char
random_octet(enum kind kind)
{
	switch (kind) {
	case TEXT: return (char)(32 + dice(95));
	case EIGHT: return (char)(128 + dice(128));
	case BINARY: return (char)dice(256);
	case DOTS: return dice(3) > 0 ? '.' : 'x';
	case LONG: return 'l';
	case KINDS: break;
	}
	return 'x';
}

/* Lines of text, the last one perhaps without an end; or just octets. */
static size_t
random_content(char *buf, enum kind kind)
{
	static const size_t most[] = { 5, 300, 5000, CONTENT_MAX };
	size_t n = dice(most[dice(4)]), line = kind == LONG ? 5000 : 60;
	bool ended = dice(2) > 0;

	for (size_t i = 0; i < n; i++)
		buf[i] = random_octet(kind);
	if (kind == BINARY)
		return n;
	for (size_t i = dice(line); i + 1 < n; i += 2 + dice(line))
		memcpy(buf + i, "\r\n", 2);
	if (ended && n >= 2)
		memcpy(buf + n - 2, "\r\n", 2);
	/* A line end may have been written over the first half of another. */
	for (size_t i = 0; i < n; i++)
		if ((buf[i] == '\r' && (i + 1 == n || buf[i + 1] != '\n')) ||
		    (buf[i] == '\n' && (i == 0 || buf[i - 1] != '\r')))
			buf[i] = 'y';
	return n;
}

static void
test_random_messages_arrive_as_they_were(void **state)
{
	static char content[CONTENT_MAX];
	const struct smtp_str rcpts[] = {
		str("<b@y.example> NOTIFY=NEVER"),
		str("<no@y.example>"),
		str("<c@y.example>"),
	};
	size_t delivered = 0;

	(void)state;
	for (int i = 0; i < 1500; i++) {
		enum kind kind = (enum kind)dice(KINDS);
		unsigned all = ALL_EXTENSIONS;
		struct smtp_client_message m = {
			.from_line = str("<a@x.example> RET=FULL"),
			.rcpt_lines = rcpts,
			.nrcpts = 1 + dice(3),
			.size = random_content(content, kind),
		};
		struct link *l;

		if (kind == EIGHT)
			m.from_line = str("<a@x.example> BODY=8BITMIME");
		if (kind == BINARY)
			m.from_line = str("<a@x.example> BODY=BINARYMIME");
		if (kind == EIGHT)
			all -= (unsigned)dice(2) * SMTP_EXT_CHUNKING;
		if (kind != BINARY && kind != EIGHT)
			all = (unsigned)dice(ALL_EXTENSIONS + 1) & all;
		if (kind == BINARY && dice(2) > 0)
			all &= ~(unsigned)SMTP_EXT_PIPELINING;
		l = new_link(all);
		l->most = dice(3) > 0 ? SIZE_MAX : 1 + dice(50);
		carry(l, &m, content);
		expect_delivered(l);
		delivered += l->messages;
		free(l);
	}
	assert_int_equal(delivered, 1500);
}

static void
test_one_message_arrives_at_every_cut(void **state)
{
	static const unsigned offers[] = {
		0,
		SMTP_EXT_PIPELINING,
		SMTP_EXT_CHUNKING,
		SMTP_EXT_CHUNKING | SMTP_EXT_PIPELINING | SMTP_EXT_DSN,
	};
	static const char content[] =
	    ".\r\n..\r\n.\r\n\r\n.x\r\n\r\n.\r\nMAIL FROM:<e@e.example>\r\n.";
	const struct smtp_str rcpts[] = { str("<b@y.example>"),
		str("<no@y.example>") };
	struct smtp_client_message m = {
		.from_line = str("<a@x.example>"),
		.rcpt_lines = rcpts,
		.nrcpts = 2,
		.size = sizeof(content) - 1,
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		uint64_t total = 2;

		for (size_t cut = 1; cut < total; cut++) {
			struct link *l = new_link(offers[i]);

			l->cut = cut;
			carry(l, &m, content);
			expect_delivered(l);
			total = l->up.carried;
			free(l);
		}
		assert_true(total > 100);
	}
}

/* --- smuggling ----------------------------------------------------------- */

/* What other programs have taken for an end of data, and what follows one. */
static const struct smtp_str evil[] = {
	{ "\n.\n", 3 },
	{ "\n.\r\n", 4 },
	{ "\r.\r", 3 },
	{ "\r\n.\n", 4 },
	{ "\r\n.\r", 4 },
	{ "\r.\r\n", 4 },
	{ "\r\r\n.\r\r\n", 8 },
	{ "\r\n\0.\r\n", 6 },
	{ "\r\n.\0\r\n", 6 },
	{ "\n", 1 },
	{ "\r", 1 },
	{ "\0", 1 },
	{ "\n\r", 2 },
};

static size_t
evil_content(char *buf, struct smtp_str end)
{
	static const char next[] =
	    "MAIL FROM:<e@e.example>\r\nRCPT TO:<f@y.example>\r\nDATA\r\n"
	    "Subject: smuggled\r\n\r\n";
	size_t n = 6;

	memcpy(buf, "hello!", n);
	memcpy(buf + n, end.p, end.len);
	n += end.len;
	memcpy(buf + n, next, sizeof(next) - 1);
	return n + sizeof(next) - 1;
}

static void
test_no_message_is_smuggled(void **state)
{
	static const unsigned offers[] = {
		0,
		SMTP_EXT_PIPELINING,
		SMTP_EXT_CHUNKING,
		SMTP_EXT_CHUNKING | SMTP_EXT_PIPELINING,
	};
	const struct smtp_str rcpts[] = { str("<b@y.example>") };
	struct smtp_client_message m = {
		.from_line = str("<a@x.example>"),
		.rcpt_lines = rcpts,
		.nrcpts = 1,
	};
	char content[256];

	(void)state;
	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		m.size = evil_content(content, evil[i]);
		/* Many cuts, by dice. */
		for (size_t j = 0; j < 200; j++) {
			struct link *l = new_link(offers[j % 4]);

			carry(l, &m, content);
			expect_nothing(l);
			free(l);
		}
	}
}

/* With octets counted there is nothing to smuggle with. */
static void
test_evil_octets_arrive_by_bdat_if_binary(void **state)
{
	const struct smtp_str rcpts[] = { str("<b@y.example>") };
	struct smtp_client_message m = {
		.from_line = str("<a@x.example> BODY=BINARYMIME"),
		.rcpt_lines = rcpts,
		.nrcpts = 1,
	};
	char content[256];

	(void)state;
	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		m.size = evil_content(content, evil[i]);
		for (size_t j = 0; j < 20; j++) {
			struct link *l = new_link(ALL_EXTENSIONS);

			carry(l, &m, content);
			expect_delivered(l);
			free(l);
		}
	}
}

static void
test_a_message_for_nobody_is_not_delivered(void **state)
{
	const struct smtp_str rcpts[] = { str("<no1@y.example>"),
		str("<no2@y.example>") };
	struct smtp_client_message m = {
		.from_line = str("<a@x.example>"),
		.rcpt_lines = rcpts,
		.nrcpts = 2,
		.size = 4,
	};

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct link *l = new_link((i & 1) * SMTP_EXT_PIPELINING +
					  (i >> 1 & 1) * SMTP_EXT_CHUNKING);

		carry(l, &m, "hi\r\n");
		assert_int_equal(l->code, 550);
		assert_int_equal(l->messages, 0);
		assert_int_equal(l->refused, 2);
		free(l);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_messages_arrive_as_they_were),
		cmocka_unit_test(test_one_message_arrives_at_every_cut),
		cmocka_unit_test(test_no_message_is_smuggled),
		cmocka_unit_test(test_evil_octets_arrive_by_bdat_if_binary),
		cmocka_unit_test(test_a_message_for_nobody_is_not_delivered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

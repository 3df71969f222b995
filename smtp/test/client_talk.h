/*
 * Talking to a client session call by call.
 */
#ifndef MULETEER_SMTP_CLIENT_TALK_H
#define MULETEER_SMTP_CLIENT_TALK_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/client.h"

#define HELLO "EHLO gw.example\r\n"

static const struct smtp_client_config config = {
	.hostname = "gw.example",
	.extensions = ~0u,
};
static const struct smtp_str some_rcpts[] = {
	{ "<b@y.example>", 13 },
	{ "<c@y.example>", 13 },
};
static const struct smtp_client_message small = {
	.from_line = { "<a@x.example>", 13 },
	.rcpt_lines = some_rcpts,
	.nrcpts = 1,
	.size = 4,
};

static inline struct smtp_client *
new_client(void)
{
	struct smtp_client *c = NULL;

	assert_int_equal(smtp_client_new(&config, &c), SMTP_OK);
	return c;
}

/* The server says this; returns how much of it was taken. */
static inline size_t
says(struct smtp_client *c, const char *text)
{
	return smtp_client_input(c, text, strlen(text));
}

/* The client says exactly this. */
static inline void
expect_output(struct smtp_client *c, const char *text)
{
	size_t len;
	const char *out = smtp_client_output(c, &len);

	assert_int_equal(len, strlen(text));
	assert_memory_equal(out, text, len);
	smtp_client_output_sent(c, len);
}

static inline struct smtp_client_event
expect_event(struct smtp_client *c, enum smtp_client_event_type type)
{
	struct smtp_client_event ev = { .rcpt = 0 };

	assert_true(smtp_client_next_event(c, &ev));
	assert_int_equal(ev.type, type);
	return ev;
}

static inline void
expect_code(struct smtp_client *c, enum smtp_client_event_type type, int code)
{
	assert_int_equal(expect_event(c, type).reply.code, code);
}

/* A session that is READY, and the caller knows. */
static inline struct smtp_client *
ready_client(const char *ehlo)
{
	struct smtp_client *c = new_client();

	assert_int_equal(says(c, "220 mx\r\n"), 8);
	expect_output(c, HELLO);
	assert_int_equal(says(c, ehlo), strlen(ehlo));
	(void)expect_event(c, SMTP_CLIENT_READY);
	return c;
}

static inline void
begin_small(struct smtp_client *c, const char *group)
{
	assert_int_equal(smtp_client_send(c, &small), SMTP_OK);
	expect_output(c, group);
}

#define PIPE "250-mx\r\n250 PIPELINING\r\n"
#define PIPE_CHUNK "250-mx\r\n250-CHUNKING\r\n250 PIPELINING\r\n"
#define MAIL "MAIL FROM:<a@x.example>\r\n"
#define RCPT "RCPT TO:<b@y.example>\r\n"

#endif

/*
 * A client session and too much of everything: lines, replies, recipients,
 * content.
 */
#include "smtp/test/client_talk.h"

/* --- floods -------------------------------------------------------------- */

/* The server says it over and over; the session has an end, and soon. */
static void
flood(const char *text, size_t len, const char *ehlo)
{
	struct smtp_client *c =
	    ehlo != NULL ? ready_client(ehlo) : new_client();
	struct smtp_client_event ev;
	size_t n = 0, closed = 0, live = unit_alloc_live_bytes();

	if (ehlo != NULL)
		assert_int_equal(smtp_client_send(c, &small), SMTP_OK);
	while (closed == 0 && n < 1000000) {
		size_t used = smtp_client_input(c, text + n % len, 1);
		size_t out;

		n += used;
		while (smtp_client_next_event(c, &ev))
			closed += ev.type == SMTP_CLIENT_CLOSED;
		(void)smtp_client_output(c, &out);
		smtp_client_output_sent(c, out);
		/* One array for the message; nothing else, ever. */
		assert_true(unit_alloc_live_bytes() <= live + small.nrcpts);
	}
	assert_int_equal(closed, 1);
	assert_true(n <= 65536);
	smtp_client_free(&c);
}

static void
test_floods_end_in_bounded_memory_and_time(void **state)
{
	static const struct smtp_str floods[] = {
		{ "2", 1 },
		{ "250-ok\r\n", 8 },
		{ "250-\r\n", 6 },
		{ "250 ok\r\n", 8 },
		{ "354 go\r\n", 8 },
		{ "550 no\r\n", 8 },
		{ "451 no\r\n", 8 },
		{ "\r\n", 2 },
		{ "\0", 1 },
		{ "\x80\x81\xff", 3 },
		{ "\n", 1 },
		{ "250-SIZE 99999999999999999999999999999999\r\n", 43 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		flood(floods[i].p, floods[i].len, NULL);
		flood(floods[i].p, floods[i].len, "250 mx\r\n");
		flood(floods[i].p, floods[i].len, PIPE);
		flood(floods[i].p, floods[i].len, PIPE_CHUNK);
	}
}

/* --- much content -------------------------------------------------------- */

/* Content of all dots, given as fast as it is asked for, taken slowly. */
static size_t
largest_output(const char *ehlo, uint64_t size)
{
	static char dots[SMTP_CLIENT_CONTENT_MAX];
	struct smtp_client_message m = small;
	struct smtp_client *c = ready_client(ehlo);
	struct smtp_client_event ev;
	size_t len, largest = 0;
	uint64_t left = size;

	for (size_t i = 0; i < sizeof(dots); i++)
		dots[i] = ".\r\n"[i % 3];
	m.size = size;
	assert_int_equal(smtp_client_send(c, &m), SMTP_OK);
	(void)smtp_client_output(c, &len);
	smtp_client_output_sent(c, len);
	says(c, "250 a\r\n250 b\r\n");
	if (strstr(ehlo, "CHUNKING") == NULL)
		says(c, "354 c\r\n");
	do {
		while (smtp_client_next_event(c, &ev)) {
			size_t n = left < sizeof(dots) - 2 ? (size_t)left
							   : sizeof(dots) - 2;

			assert_int_equal(ev.type, SMTP_CLIENT_CONTENT);
			assert_int_equal(
			    smtp_client_content(c, dots, n), SMTP_OK);
			left -= n;
		}
		(void)smtp_client_output(c, &len);
		largest = len > largest ? len : largest;
		smtp_client_output_sent(c, len < 1000 ? len : 1000);
	} while (len > 0);
	assert_int_equal(left, 0);
	smtp_client_free(&c);
	return largest;
}

static void
test_any_amount_of_content_goes_in_bounded_output(void **state)
{
	const uint64_t size = 20 * (SMTP_CLIENT_CONTENT_MAX - 2);

	(void)state;
	assert_in_range(largest_output(PIPE, size), SMTP_CLIENT_CONTENT_MAX,
	    2 * SMTP_CLIENT_CONTENT_MAX);
	assert_in_range(largest_output(PIPE_CHUNK, size),
	    SMTP_CLIENT_CONTENT_MAX, 2 * SMTP_CLIENT_CONTENT_MAX);
}

/* --- many recipients ----------------------------------------------------- */

#define MANY 3000

struct many {
	struct smtp_str lines[MANY];
	char text[MANY][400];
};

static struct many *
many_rcpts(void)
{
	struct many *m = malloc(sizeof(*m));

	assert_non_null(m);
	for (size_t i = 0; i < MANY; i++) {
		int n = snprintf(m->text[i], sizeof(m->text[i]),
		    "<r%zu@y.example> ORCPT=rfc822;%0300zu", i, i);

		m->lines[i] = (struct smtp_str){ m->text[i], (size_t)n };
	}
	return m;
}

/* RCPT commands in the output, which is taken. */
static size_t
take_rcpts(struct smtp_client *c, size_t *largest)
{
	size_t len, n = 0;
	const char *out = smtp_client_output(c, &len);

	for (size_t i = 0; i + 8 < len; i++)
		n += memcmp(out + i, "RCPT TO:", 8) == 0;
	if (len > *largest)
		*largest = len;
	smtp_client_output_sent(c, len);
	return n;
}

/* Every third is refused; returns how many events said so. */
static size_t
answer_rcpts(struct smtp_client *c, size_t n, size_t *answered)
{
	struct smtp_client_event ev;
	size_t refused = 0;

	for (size_t i = 0; i < n; i++) {
		bool no = (*answered)++ % 3 == 0;

		says(c, no ? "550 5.1.1 no\r\n" : "250 ok\r\n");
		while (smtp_client_next_event(c, &ev)) {
			if (ev.type != SMTP_CLIENT_RCPT)
				continue;
			assert_int_equal(ev.rcpt, *answered - 1);
			refused++;
		}
	}
	return refused;
}

static void
test_any_number_of_recipients_goes_in_bounded_output(void **state)
{
	struct smtp_client *c = ready_client("250-mx\r\n250-DSN\r\n"
					     "250 PIPELINING\r\n");
	struct many *many = many_rcpts();
	struct smtp_client_message m = small;
	size_t largest = 0, answered = 0, refused = 0, n;

	(void)state;
	m.rcpt_lines = many->lines;
	m.nrcpts = MANY;
	assert_int_equal(smtp_client_send(c, &m), SMTP_OK);
	n = take_rcpts(c, &largest);
	says(c, "250 ok\r\n");
	while (answered < MANY && n > 0) {
		refused += answer_rcpts(c, n, &answered);
		n = take_rcpts(c, &largest);
	}
	assert_int_equal(answered, MANY);
	assert_int_equal(refused, MANY / 3);
	assert_true(largest < 100000);
	says(c, "354 go\r\n");
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	free(many);
	smtp_client_free(&c);
}

static void
test_the_end_can_be_told_however_many_events_wait(void **state)
{
	struct smtp_client *c = ready_client("250 mx\r\n");
	struct smtp_str nobody[20];
	struct smtp_client_message m = small;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < 20; i++)
		nobody[i] = (struct smtp_str){ "<bad>", 5 };
	m.rcpt_lines = nobody;
	m.nrcpts = 20;
	assert_int_equal(smtp_client_send(c, &m), SMTP_OK);
	expect_output(c, MAIL);
	says(c, "250 ok\r\n");
	smtp_client_eof(c);
	while (
	    expect_event(c, n < 5 ? SMTP_CLIENT_RCPT : SMTP_CLIENT_DONE).type ==
	    SMTP_CLIENT_RCPT)
		n++;
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	smtp_client_free(&c);
}

static void
test_answers_to_unwritten_recipients_end_the_session(void **state)
{
	struct smtp_client *c = ready_client("250-mx\r\n250-DSN\r\n"
					     "250 PIPELINING\r\n");
	struct many *many = many_rcpts();
	struct smtp_client_message m = small;
	struct smtp_client_event ev = { .type = SMTP_CLIENT_READY };
	size_t n = 0;

	(void)state;
	m.rcpt_lines = many->lines;
	m.nrcpts = MANY;
	assert_int_equal(smtp_client_send(c, &m), SMTP_OK);
	/* Nothing is taken, so that no more can be written. */
	while (!smtp_client_has_event(c) && n++ < MANY)
		says(c, "250 ok\r\n");
	assert_true(n > 100 && n < MANY);
	expect_code(c, SMTP_CLIENT_DONE, 451);
	ev = expect_event(c, SMTP_CLIENT_CLOSED);
	assert_string_equal(ev.reply.text, "Reply without a command");
	free(many);
	smtp_client_free(&c);
}

static void
test_a_line_over_4096_octets_is_not_sent(void **state)
{
	char line[2 * SMTP_LINE_MAX];
	struct smtp_str rcpts[2] = { { line, 0 }, { line, 0 } };
	struct smtp_client_message m = small;
	struct smtp_client *c = ready_client("250-mx\r\n250-RRVS\r\n"
					     "250 PIPELINING\r\n");
	const size_t most = SMTP_LINE_MAX - 1 - strlen("RCPT TO:\r\n");
	struct smtp_client_event ev;
	size_t len;

	(void)state;
	memset(line, 'v', sizeof(line));
	memcpy(line, "<b@y.example> RRVS=", 19);
	rcpts[0].len = most;
	rcpts[1].len = most + 1;
	m.rcpt_lines = rcpts;
	m.nrcpts = 2;
	assert_int_equal(smtp_client_send(c, &m), SMTP_OK);
	ev = expect_event(c, SMTP_CLIENT_RCPT);
	assert_int_equal(ev.rcpt, 1);
	assert_int_equal(ev.reply.code, 501);
	(void)smtp_client_output(c, &len);
	assert_int_equal(len, strlen(MAIL "DATA\r\n") + SMTP_LINE_MAX - 1);
	smtp_client_free(&c);
}

static void
test_many_surplus_recipients_are_told_one_by_one(void **state)
{
	struct smtp_client *c = ready_client(
	    "250-mx\r\n250-LIMITS RCPTMAX=10\r\n250 PIPELINING\r\n");
	struct many *many = many_rcpts();
	struct smtp_client_message m = small;
	struct smtp_client_event ev;
	size_t largest = 0;

	(void)state;
	m.rcpt_lines = many->lines;
	m.nrcpts = MANY;
	assert_int_equal(smtp_client_send(c, &m), SMTP_OK);
	for (size_t i = 10; i < MANY; i++) {
		ev = expect_event(c, SMTP_CLIENT_RCPT);
		assert_int_equal(ev.rcpt, i);
		assert_int_equal(ev.reply.code, 452);
		assert_true(ev.local && ev.temporary);
	}
	assert_false(smtp_client_has_event(c));
	assert_int_equal(take_rcpts(c, &largest), 10);
	free(many);
	smtp_client_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_floods_end_in_bounded_memory_and_time),
		cmocka_unit_test(
		    test_any_amount_of_content_goes_in_bounded_output),
		cmocka_unit_test(
		    test_any_number_of_recipients_goes_in_bounded_output),
		cmocka_unit_test(
		    test_the_end_can_be_told_however_many_events_wait),
		cmocka_unit_test(
		    test_answers_to_unwritten_recipients_end_the_session),
		cmocka_unit_test(test_a_line_over_4096_octets_is_not_sent),
		cmocka_unit_test(
		    test_many_surplus_recipients_are_told_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

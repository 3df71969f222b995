/*
 * The server session, by dialogue: what a client sends and what it must get,
 * whole, cut at every octet, and one octet at a time.
 *
 * In a dialogue "C " lines are the client's (CR LF is added), "S " lines are
 * how each expected line of the server begins, "M " says that a message was
 * taken with that content (CR and LF written out), "X" that the session is over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/cmd.h"
#include "smtp/server.h"
#include "tests/unit/unit.h"

static const struct smtp_server_config config = {
	.hostname = "gw.example",
	.extensions = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME |
		      SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING | SMTP_EXT_DSN |
		      SMTP_EXT_MT_PRIORITY | SMTP_EXT_DELIVERBY |
		      SMTP_EXT_ENHANCEDSTATUSCODES,
	.size_max = 1000,
	.priority_policy = "STANAG4406",
	.by_min = 60,
	.rcpts_max = 3,
	.commands_max = 60,
	.errors_max = 8,
};

static const struct smtp_server_config auth_config = {
	.hostname = "gw.example",
	.extensions =
	    SMTP_EXT_ENHANCEDSTATUSCODES | SMTP_EXT_STARTTLS | SMTP_EXT_AUTH,
	.rcpts_max = 3,
	.commands_max = 60,
	.errors_max = 8,
	.auth_mechanisms = "SCRAM-SHA-256 PLAIN",
	.tls_required = true,
	.auth_required = true,
};

static const struct smtp_server_config agreed_config = {
	.hostname = "gw.example",
	.extensions = SMTP_EXT_8BITMIME | SMTP_EXT_ENHANCEDSTATUSCODES |
		      SMTP_EXT_DSN | SMTP_EXT_SMTPUTF8 | SMTP_EXT_RRVS |
		      SMTP_EXT_SUBMITTER | SMTP_EXT_LIMITS,
	.rcpts_max = 3,
	.commands_max = 60,
	.errors_max = 8,
};

/* Everything a session did. */
struct record {
	char out[32768], taken[8192];
	size_t out_len, taken_len;
	char content[4096];
	size_t content_len;
	bool in_content, in_transaction;
	unsigned messages, aborts, closed;
};

static void
note(struct record *r, const void *p, size_t n)
{
	assert_true(n <= sizeof(r->content) - r->content_len);
	memcpy(r->content + r->content_len, p, n);
	r->content_len += n;
}

static void
put(struct record *r, const char *s)
{
	size_t n = strlen(s);

	assert_true(n < sizeof(r->taken) - r->taken_len);
	memcpy(r->taken + r->taken_len, s, n + 1);
	r->taken_len += n;
}

/* The message on one line: CR and LF are written out. */
static void
taken(struct record *r)
{
	put(r, "M ");
	for (size_t i = 0; i < r->content_len; i++) {
		char c[2] = { r->content[i], '\0' };

		put(r, c[0] == '\r' ? "<CR>" : c[0] == '\n' ? "<LF>" : c);
	}
	put(r, "|\n");
}

/* What the application answers depends on the local part. */
static void
answer(struct smtp_server *s, const struct smtp_server_event *ev)
{
	if (smtp_str_is(ev->path.local, "bad"))
		smtp_server_reply(s, 550, "5.1.1", "No such user");
	else if (smtp_str_is(ev->path.local, "busy"))
		smtp_server_reply(s, 450, "4.2.1", "Try later");
	else if (smtp_str_is(ev->path.local, "bye"))
		smtp_server_reply(s, 421, "4.3.2", "Going down");
	else
		smtp_server_reply(s, 250, "2.1.5", "Ok");
}

static void
authenticate(struct smtp_server *s, const struct smtp_server_event *ev)
{
	if (!ev->has_text)
		smtp_server_challenge(s, "cXVlc3Rpb24=");
	else if (smtp_str_is(ev->text, "bW9yZQ=="))
		smtp_server_challenge(s, "cXVl");
	else if (smtp_str_is(ev->text, "Z29vZA==") ||
		 smtp_str_is(ev->text, "="))
		smtp_server_reply(s, 235, "2.7.0", "Welcome");
	else
		smtp_server_reply(s, 535, "5.7.8", "No");
}

static void
act(struct smtp_server *s, const struct smtp_server_event *ev, struct record *r)
{
	switch (ev->type) {
	case SMTP_SERVER_MAIL:
		r->in_transaction = true;
		answer(s, ev);
		break;
	case SMTP_SERVER_RCPT:
		assert_true(r->in_transaction);
		answer(s, ev);
		break;
	case SMTP_SERVER_BEGIN:
		assert_true(r->in_transaction && !r->in_content);
		r->in_content = true;
		r->content_len = 0;
		break;
	case SMTP_SERVER_CONTENT:
		assert_true(r->in_content && ev->content.len > 0);
		note(r, ev->content.p, ev->content.len);
		break;
	case SMTP_SERVER_MESSAGE:
		assert_true(r->in_content);
		r->in_content = r->in_transaction = false;
		r->messages++;
		taken(r);
		smtp_server_reply(s, 250, "2.0.0", "Queued");
		break;
	case SMTP_SERVER_ABORT:
		r->in_content = r->in_transaction = false;
		r->aborts++;
		break;
	case SMTP_SERVER_CLOSE: r->closed++; break;
	case SMTP_SERVER_STARTTLS: smtp_server_secured(s); break;
	case SMTP_SERVER_AUTH: authenticate(s, ev); break;
	}
}

static void
drain(struct smtp_server *s, struct record *r)
{
	struct smtp_server_event ev;
	const char *p;
	size_t len;

	while (smtp_server_next_event(s, &ev))
		act(s, &ev, r);
	p = smtp_server_output(s, &len);
	assert_true(len <= sizeof(r->out) - 1 - r->out_len);
	memcpy(r->out + r->out_len, p, len);
	r->out_len += len;
	r->out[r->out_len] = '\0';
	smtp_server_output_sent(s, len);
}

static void
feed(struct smtp_server *s, const char *buf, size_t len, struct record *r)
{
	size_t used = 0;

	drain(s, r);
	while (used < len && smtp_server_wants_input(s)) {
		used += smtp_server_input(s, buf + used, len - used);
		drain(s, r);
	}
}

/* Play the octets in pieces: cut 0 is whole, SIZE_MAX one octet at a time. */
static void
play(const struct smtp_server_config *cfg, const char *in, size_t len,
    size_t cut, struct record *r)
{
	struct smtp_server *s;

	memset(r, 0, sizeof(*r));
	assert_int_equal(smtp_server_new(cfg, &s), SMTP_OK);
	if (cut == SIZE_MAX) {
		for (size_t i = 0; i < len; i++) {
			unsigned char *one = unit_copy(in + i, 1);

			feed(s, (char *)one, 1, r);
			free(one);
		}
	} else {
		unsigned char *a = unit_copy(in, cut);
		unsigned char *b = unit_copy(in + cut, len - cut);

		feed(s, (char *)a, cut, r);
		free(a);
		feed(s, (char *)b, len - cut, r);
		free(b);
	}
	smtp_server_free(&s);
	assert_null(s);
}

/* --- dialogues ------------------------------------------------------------------ */

struct script {
	char in[8192];
	size_t in_len;
	const char *lines[200]; /* expected S and M lines, in order */
	size_t nlines;
	bool over;
};

/* \r, \n, \0 and \\ in a client's line. */
static void
add_input(struct script *s, const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char c = line[i];

		if (c == '\\' && i + 1 < n) {
			c = line[++i];
			c = c == 'r'   ? '\r'
			    : c == 'n' ? '\n'
			    : c == '0' ? '\0'
				       : c;
		}
		s->in[s->in_len++] = c;
	}
}

static void
parse(const char *text, struct script *s)
{
	memset(s, 0, sizeof(*s));
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		if (text[0] == 'C') {
			add_input(s, text + 2, n - 2);
			add_input(s, "\\r\\n", 4);
		} else if (text[0] == 'R') {
			/* Raw octets, no line end added. */
			add_input(s, text + 2, n - 2);
		} else if (text[0] == 'X') {
			s->over = true;
		} else {
			s->lines[s->nlines++] = text;
		}
		text += n + (text[n] == '\n');
	}
}

static void
expect(const char *name, size_t cut, const struct script *s,
    const struct record *r)
{
	const char *out = r->out, *took = r->taken;

	for (size_t i = 0; i < s->nlines; i++) {
		const char *want = s->lines[i];
		size_t n = strcspn(want, "\n");
		const char **at = want[0] == 'S' ? &out : &took;
		const char *from = want[0] == 'S' ? want + 2 : want;

		n -= (size_t)(from - want);
		if (strncmp(*at, from, n) != 0)
			fail_msg(
			    "%s, cut %zu: expected \"%.*s\", got \"%.60s\"",
			    name, cut, (int)n, from, *at);
		*at += strcspn(*at, "\n");
		*at += **at == '\n';
	}
	if (*out != '\0' || *took != '\0')
		fail_msg("%s, cut %zu: more than expected: %s%s", name, cut,
		    out, took);
	assert_int_equal(r->closed, s->over);
	/* RFC 5321 4.5.3.1.5, and only CR LF ends our lines. */
	for (const char *p = r->out; *p != '\0';) {
		size_t n = strcspn(p, "\n");

		assert_true(n > 3 && n < SMTP_REPLY_LINE_MAX);
		assert_true(p[n - 1] == '\r' && p[n] == '\n');
		p += n + 1;
	}
}

struct dialogue {
	const char *name, *text;
};

static const struct dialogue dialogues[] = {
#include "smtp/test/dialogues.inc"
};

static const struct dialogue auth_dialogues[] = {
#include "smtp/test/dialogues_auth.inc"
};

static const struct dialogue agreed_dialogues[] = {
#include "smtp/test/dialogues_agreed.inc"
};

static void
play_all(
    const struct smtp_server_config *cfg, const struct dialogue *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct script s;
		struct record r;

		parse(d[i].text, &s);
		play(cfg, s.in, s.in_len, SIZE_MAX, &r);
		expect(d[i].name, SIZE_MAX, &s, &r);
		for (size_t cut = 0; cut <= s.in_len; cut++) {
			play(cfg, s.in, s.in_len, cut, &r);
			expect(d[i].name, cut, &s, &r);
		}
	}
}

static void
test_dialogues_go_as_written_however_they_are_cut(void **state)
{
	(void)state;
	play_all(&config, dialogues, sizeof(dialogues) / sizeof(dialogues[0]));
}

static void
test_agreed_extensions_go_as_written_however_they_are_cut(void **state)
{
	(void)state;
	play_all(&agreed_config, agreed_dialogues,
	    sizeof(agreed_dialogues) / sizeof(agreed_dialogues[0]));
}

static void
test_tls_and_auth_go_as_written_however_they_are_cut(void **state)
{
	(void)state;
	play_all(&auth_config, auth_dialogues,
	    sizeof(auth_dialogues) / sizeof(auth_dialogues[0]));
}

/* --- smuggling ----------------------------------------------------------------------- */

static void
test_no_evil_ending_ends_a_message(void **state)
{
	static const char *const endings[] = { "\n.\n", "\n.\r\n", "\r.\r",
		"\r.\r\n", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n", "\r\n\r.\r\n",
		"\n\n.\n\n", "\r\n.\n\r\n", "\n.\r", "\r\n.\r.\r\n",
		"\r\r\n.\r\n", "\r\n\n.\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		char in[1000];
		size_t n = (size_t)snprintf(in, sizeof(in),
		    "EHLO c\r\nMAIL FROM:<a@x.ex>\r\nRCPT TO:<b@y.ex>\r\n"
		    "DATA\r\nfirst%sMAIL FROM:<evil@x.ex>\r\n"
		    "RCPT TO:<victim@y.ex>\r\nDATA\r\nsecond\r\n.\r\n",
		    endings[i]);

		for (size_t cut = 0; cut <= n; cut++) {
			struct record r;

			play(&config, in, n, cut, &r);
			assert_int_equal(r.messages, 0);
			assert_int_equal(r.closed, 1);
			assert_non_null(strstr(r.out, "521 5.5.2"));
		}
	}
}

static void
test_nul_in_data_is_refused(void **state)
{
	static const char in[] = "EHLO c\r\nMAIL FROM:<a@x.ex>\r\n"
				 "RCPT TO:<b@y.ex>\r\nDATA\r\nhe\0llo\r\n.\r\n";
	struct record r;

	(void)state;
	for (size_t cut = 0; cut < sizeof(in); cut++) {
		play(&config, in, sizeof(in) - 1, cut, &r);
		assert_int_equal(r.messages, 0);
		assert_int_equal(r.closed, 1);
	}
}

/* --- limits ---------------------------------------------------------------------------- */

static void
test_size_is_enforced_on_the_octet(void **state)
{
	(void)state;
	for (size_t size = 998; size <= 1003; size++) {
		char in[3000], body[1100];
		struct record r;
		size_t n;

		memset(body, 'x', sizeof(body));
		body[size - 2] = '\0';
		n = (size_t)snprintf(in, sizeof(in),
		    "EHLO c\r\nMAIL FROM:<a@x.ex>\r\nRCPT TO:<b@y.ex>\r\n"
		    "DATA\r\n%s\r\n.\r\nNOOP\r\n",
		    body);
		play(&config, in, n, 0, &r);
		assert_int_equal(r.messages, size <= 1000);
		assert_int_equal(
		    strstr(r.out, "552 5.3.4") != NULL, size > 1000);
		assert_non_null(strstr(r.out, "Fine\r\n"));
	}
}

static void
append(char *buf, size_t cap, const char *text)
{
	size_t n = strlen(buf);

	snprintf(buf + n, cap - n, "%s", text);
}

static void
test_errors_and_commands_are_limited(void **state)
{
	char in[4000] = "EHLO c\r\n";
	struct record r;

	(void)state;
	for (int i = 0; i < 20; i++)
		append(in, sizeof(in), "BOO\r\n");
	play(&config, in, strlen(in), 0, &r);
	assert_non_null(strstr(r.out, "421 4.7.0 Too many errors\r\n"));
	assert_int_equal(r.closed, 1);
	snprintf(in, sizeof(in), "EHLO c\r\n");
	for (int i = 0; i < 70; i++)
		append(in, sizeof(in), "NOOP\r\n");
	play(&config, in, strlen(in), 0, &r);
	assert_non_null(strstr(r.out, "421 4.7.0 Too many commands\r\n"));
	assert_int_equal(r.closed, 1);
}

static void
test_a_reader_that_does_not_read_stops_us(void **state)
{
	struct smtp_server *s;
	size_t used = 0, len;

	(void)state;
	assert_int_equal(smtp_server_new(&config, &s), SMTP_OK);
	for (int i = 0; i < 10000 && smtp_server_wants_input(s); i++)
		used += smtp_server_input(s, "HELP\r\n", 6);
	(void)smtp_server_output(s, &len);
	assert_true(len < 8192);
	assert_true(used < 6 * 60);
	smtp_server_output_sent(s, len);
	assert_true(smtp_server_wants_input(s));
	smtp_server_free(&s);
}

static void
test_farewells_come_once(void **state)
{
	static const char in[] = "EHLO c\r\nMAIL FROM:<a@x.ex>\r\n";
	void (*const ends[])(struct smtp_server *) = { smtp_server_timeout,
		smtp_server_shutdown, smtp_server_busy, smtp_server_eof };

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct smtp_server *s;
		struct record r;

		memset(&r, 0, sizeof(r));
		assert_int_equal(smtp_server_new(&config, &s), SMTP_OK);
		feed(s, in, sizeof(in) - 1, &r);
		r.out_len = 0;
		r.out[0] = '\0';
		ends[i](s);
		ends[i](s);
		drain(s, &r);
		assert_int_equal(r.closed, 1);
		assert_int_equal(r.aborts, 1);
		assert_int_equal(strncmp(r.out, "421", 3) == 0, i < 3);
		assert_false(smtp_server_wants_input(s));
		smtp_server_free(&s);
	}
}

static void
test_disk_trouble_refuses_the_content(void **state)
{
	struct smtp_server *s;
	struct smtp_server_event ev;
	struct record r;
	static const char in[] = "EHLO c\r\nMAIL FROM:<a@x.ex>\r\n"
				 "RCPT TO:<b@y.ex>\r\nDATA\r\n";

	(void)state;
	memset(&r, 0, sizeof(r));
	assert_int_equal(smtp_server_new(&config, &s), SMTP_OK);
	feed(s, in, sizeof(in) - 1, &r);
	smtp_server_refuse_content(s, 452, "4.3.1", "No space");
	assert_int_equal(smtp_server_input(s, "x\r\n.\r\nNOOP\r\n", 12), 6);
	assert_true(smtp_server_next_event(s, &ev));
	assert_int_equal(ev.type, SMTP_SERVER_ABORT);
	r.out_len = 0;
	feed(s, "NOOP\r\n", 6, &r);
	assert_string_equal(r.out, "452 4.3.1 No space\r\n250 2.0.0 Fine\r\n");
	smtp_server_free(&s);
}

static void
test_nothing_is_offered_that_the_table_refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < smtp_ncmds; i++) {
		struct smtp_str arg = { "", 0 };
		const struct smtp_cmd *c = &smtp_cmds[i];
		struct smtp_str line = { c->name, strlen(c->name) };
		char in[100];
		struct record r;
		size_t n;

		assert_ptr_equal(smtp_cmd_find(line, &arg), c);
		/* Before EHLO: only what the table allows there. */
		n = (size_t)snprintf(in, sizeof(in), "%s%s\r\n", c->name,
		    c->arg == SMTP_ARG_REQUIRED ? " x" : "");
		play(&config, in, n, 0, &r);
		if (!c->implemented || (c->extension & ~config.extensions) != 0)
			assert_non_null(strstr(r.out, "\r\n502 5.5.1"));
		else if ((c->allowed & SMTP_STATE_START) == 0)
			assert_non_null(strstr(r.out, "\r\n503 5.5.1"));
		else
			assert_null(strstr(r.out, "\r\n502"));
	}
}

static void
test_out_of_memory_gives_no_session(void **state)
{
	struct smtp_server *s = NULL;
	size_t live = unit_alloc_live();

	(void)state;
	unit_alloc_fail_at(1);
	assert_int_equal(smtp_server_new(&config, &s), SMTP_ENOMEM);
	unit_alloc_fail_at(0);
	assert_null(s);
	assert_int_equal(unit_alloc_live(), live);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_dialogues_go_as_written_however_they_are_cut),
		cmocka_unit_test(
		    test_agreed_extensions_go_as_written_however_they_are_cut),
		cmocka_unit_test(
		    test_tls_and_auth_go_as_written_however_they_are_cut),
		cmocka_unit_test(test_no_evil_ending_ends_a_message),
		cmocka_unit_test(test_nul_in_data_is_refused),
		cmocka_unit_test(test_size_is_enforced_on_the_octet),
		cmocka_unit_test(test_errors_and_commands_are_limited),
		cmocka_unit_test(test_a_reader_that_does_not_read_stops_us),
		cmocka_unit_test(test_farewells_come_once),
		cmocka_unit_test(test_disk_trouble_refuses_the_content),
		cmocka_unit_test(
		    test_nothing_is_offered_that_the_table_refuses),
		cmocka_unit_test(test_out_of_memory_gives_no_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

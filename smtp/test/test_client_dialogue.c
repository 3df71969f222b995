/*
 * Plays a server against a client session from a script, and an application
 * that sends its messages, one after another, and then quits.
 *
 * A file holds many scripts.  "#" begins a comment line, "\r", "\n" and "\xff"
 * stand for octets, and each script is
 *	== NAME
 *	mail FROM-LINE | RCPT-LINE | ...	a message...
 *	body CONTENT				...its content,
 *	piece N					...given N octets at a time,
 *	7bit					...known to be 7-bit
 *	tls may|must			STARTTLS, if offered or in any case
 *	app stay			do not quit after the last message
 *	app slow			give no content until "A: content"
 *	without KEYWORD, ...		extensions the application does not want
 *	offer KEYWORD, ...		steps: greeting, EHLO and its answer
 *	S: TEXT				the server says it; consecutive lines
 *					arrive together
 *	C: TEXT				the client says exactly this, and
 *	C| TEXT				nothing else; without CR LF
 *	E: EVENT			RCPT, DONE or CLOSED; see play_show()
 *	A: quit|eof|timeout|abort|content	the application does it
 *	goodbye				steps: QUIT and its answer
 * Every octet and every event has to be foreseen before the next S or A.
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/client.h"

#define PLAY_MESSAGES_MAX 4
#define PLAY_RCPTS_MAX 8
#define PLAY_STEPS_MAX 64
#define PLAY_TEXT_MAX 16384
#define PLAY_HOSTNAME "gw.example"
#define PLAY_BYTEWISE SIZE_MAX

struct play_message {
	struct smtp_str from, rcpts[PLAY_RCPTS_MAX];
	size_t nrcpts;
	struct smtp_str content;
	size_t piece; /* octets for one CONTENT; 0: as many as possible */
	bool seven_bit;
};

struct play_step {
	char kind; /* S C E A */
	struct smtp_str text;
};

struct play_script {
	char name[80];
	struct play_message messages[PLAY_MESSAGES_MAX];
	size_t nmessages;
	struct play_step steps[PLAY_STEPS_MAX];
	size_t nsteps;
	unsigned without; /* extensions the application does not want */
	bool stay, slow;
	enum smtp_client_tls tls;
	/* What the slices above are of. */
	char text[PLAY_TEXT_MAX];
	size_t used;
};

/* --- reading ------------------------------------------------------------- */

/* A decoded copy in the script's own memory. */
static struct smtp_str
play_copy(struct play_script *s, const char *from, size_t len)
{
	struct smtp_str copy = { s->text + s->used, 0 };
	char *to = s->text + s->used;

	assert_true(len < sizeof(s->text) - s->used);
	for (size_t i = 0; i < len; i++) {
		char c = from[i];

		if (c == '\\' && len - i > 3 && from[i + 1] == 'x') {
			const char hex[3] = { from[i + 2], from[i + 3], '\0' };

			c = (char)strtol(hex, NULL, 16);
			i += 3;
		} else if (c == '\\' && len - i > 1) {
			c = from[++i] == 'r' ? '\r' : '\n';
		}
		to[copy.len++] = c;
	}
	s->used += copy.len;
	return copy;
}

/* A step, or more of the one before. */
static void
play_add(struct play_script *s, char kind, const char *text, size_t len,
    const char *eol)
{
	struct smtp_str t = play_copy(s, text, len);
	struct play_step *last = &s->steps[s->nsteps - (s->nsteps > 0)];

	t.len += play_copy(s, eol, strlen(eol)).len;
	if (s->nsteps > 0 && last->kind == kind && kind != 'A') {
		/* Nothing was copied in between. */
		last->text.len += t.len;
		return;
	}
	assert_true(s->nsteps < PLAY_STEPS_MAX);
	s->steps[s->nsteps++] = (struct play_step){ kind, t };
}

static void
play_add_line(struct play_script *s, char kind, const char *text)
{
	play_add(s, kind, text, strlen(text), kind == 'E' ? "\n" : "\r\n");
}

/* The next of several words that sep separates; its length, or 0. */
static size_t
play_word(const char **at, const char *sep)
{
	const char *end;

	*at += strspn(*at, " |,");
	end = strstr(*at, sep);
	return end != NULL ? (size_t)(end - *at) : strlen(*at);
}

static void
play_read_offer(struct play_script *s, const char *list)
{
	char line[128];
	size_t n = play_word(&list, ", ");

	play_add_line(s, 'S', "220 mx.example ESMTP");
	play_add_line(s, 'C', "EHLO " PLAY_HOSTNAME);
	play_add_line(s, 'S', n > 0 ? "250-mx.example" : "250 mx.example");
	while (n > 0) {
		const char *next = list + n;
		size_t more = play_word(&next, ", ");

		snprintf(line, sizeof(line), "250%c%.*s", more > 0 ? '-' : ' ',
		    (int)n, list);
		play_add_line(s, 'S', line);
		list = next;
		n = more;
	}
}

static void
play_read_mail(struct play_script *s, const char *lines)
{
	struct play_message *m = &s->messages[s->nmessages++];
	size_t n = play_word(&lines, " | ");

	assert_true(s->nmessages <= PLAY_MESSAGES_MAX);
	m->from = play_copy(s, lines, n);
	for (lines += n; (n = play_word(&lines, " | ")) > 0; lines += n) {
		assert_true(m->nrcpts < PLAY_RCPTS_MAX);
		m->rcpts[m->nrcpts++] = play_copy(s, lines, n);
	}
}

/* Keywords as EHLO has them, read by the code that reads them there. */
static void
play_read_without(struct play_script *s, const char *list)
{
	struct smtp_reply_parser p;
	char text[256] = "250-mx.example\r\n";
	size_t n, used;

	for (; (n = play_word(&list, ", ")) > 0; list += n)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
		    "250-%.*s\r\n", (int)n, list);
	snprintf(
	    text + strlen(text), sizeof(text) - strlen(text), "250 HELP\r\n");
	smtp_reply_parser_init(&p);
	assert_int_equal(smtp_reply_take(&p, text, strlen(text), &used), 1);
	s->without = p.caps.extensions;
}

static bool
play_is(const char **line, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*line, word, n) != 0)
		return false;
	*line += n;
	*line += **line == ' ';
	return true;
}

static void
play_read_line(struct play_script *s, const char *line)
{
	struct play_message *m =
	    &s->messages[s->nmessages - (s->nmessages > 0)];
	char kind = line[0];

	if (line[0] == '#' || line[0] == '\0')
		return;
	if (play_is(&line, "S:") || play_is(&line, "C:"))
		play_add_line(s, kind, line);
	else if (play_is(&line, "E:"))
		play_add_line(s, kind, line);
	else if (play_is(&line, "C|") || play_is(&line, "A:"))
		play_add(s, kind, line, strlen(line), "");
	else if (play_is(&line, "offer"))
		play_read_offer(s, line);
	else if (play_is(&line, "goodbye")) {
		play_add_line(s, 'C', "QUIT");
		play_add_line(s, 'S', "221 bye");
		play_add_line(s, 'E', "CLOSED 221 2.0.0 local");
	} else if (play_is(&line, "mail"))
		play_read_mail(s, line);
	else if (play_is(&line, "body"))
		m->content = play_copy(s, line, strlen(line));
	else if (play_is(&line, "piece"))
		m->piece = (size_t)strtoul(line, NULL, 10);
	else if (play_is(&line, "7bit"))
		m->seven_bit = true;
	else if (play_is(&line, "without"))
		play_read_without(s, line);
	else if (strcmp(line, "tls may") == 0)
		s->tls = SMTP_CLIENT_TLS_MAY;
	else if (strcmp(line, "tls must") == 0)
		s->tls = SMTP_CLIENT_TLS_MUST;
	else if (strcmp(line, "app stay") == 0)
		s->stay = true;
	else if (strcmp(line, "app slow") == 0)
		s->slow = true;
	else
		fail_msg("%s: what is \"%s\"?", s->name, line);
}

/*
 * The next script of a text, which is spoilt; NULL at the end.  The caller
 * frees it.
 */
static struct play_script *
play_read(char **text)
{
	struct play_script *s = calloc(1, sizeof(*s));
	char *line;

	assert_non_null(s);
	while ((line = *text) != NULL &&
	       (s->name[0] == '\0' || strncmp(line, "==", 2) != 0)) {
		*text = strchr(line, '\n');
		if (*text != NULL)
			*(*text)++ = '\0';
		if (strncmp(line, "==", 2) == 0)
			snprintf(s->name, sizeof(s->name), "%s", line + 3);
		else
			play_read_line(s, line);
	}
	if (s->name[0] != '\0')
		return s;
	free(s);
	return NULL;
}

/* --- playing ------------------------------------------------------------- */

/* How to play it. */
struct play_options {
	size_t cut;  /* the server's octets come in two pieces */
	size_t drip; /* at most so many octets of output at once; 0: all */
	bool late;   /* fetch all events before acting on the first */
	/* Stop the server after so many octets and let it say this, if any. */
	size_t stop;
	struct smtp_str last_words;
};

#define PLAY_NO_STOP SIZE_MAX

struct play {
	const struct play_script *script;
	const struct play_options *opt;
	struct smtp_client_config cfg;
	struct smtp_client *c;
	size_t next; /* message to send */
	struct smtp_client_message m;
	size_t given; /* octets of content */
	bool want_ready, want_content, want_tls;
	size_t sent, done, good, closed;
	size_t fed; /* octets of the server */
	bool stopped;
	char out[8192];
	size_t out_len;
	char events[4096];
	size_t events_len;
};

static void
play_give(struct play *p)
{
	const struct play_message *m = &p->script->messages[p->next - 1];
	size_t n = m->content.len - p->given;
	char *copy;

	if (m->piece != 0 && n > m->piece)
		n = m->piece;
	if (n > SMTP_CLIENT_CONTENT_MAX)
		n = SMTP_CLIENT_CONTENT_MAX;
	copy = (char *)unit_copy(m->content.p + p->given, n);
	p->given += n;
	assert_int_equal(smtp_client_content(p->c, copy, n), SMTP_OK);
	free(copy);
}

static void
play_send(struct play *p)
{
	const struct play_message *m = &p->script->messages[p->next++];

	memset(&p->m, 0, sizeof(p->m));
	p->m.from_line = m->from;
	p->m.rcpt_lines = m->rcpts;
	p->m.nrcpts = m->nrcpts;
	p->m.size = m->content.len;
	p->m.seven_bit = m->seven_bit;
	p->given = 0;
	assert_int_equal(smtp_client_send(p->c, &p->m), SMTP_OK);
	p->sent++;
}

static void
play_act(struct play *p)
{
	bool ready = p->want_ready, content = p->want_content;

	if (p->want_tls)
		smtp_client_secured(p->c);
	p->want_ready = p->want_content = p->want_tls = false;
	if (content && !p->script->slow)
		play_give(p);
	if (!ready)
		return;
	if (p->next < p->script->nmessages)
		play_send(p);
	else if (!p->script->stay)
		smtp_client_quit(p->c);
}

/* "DONE 250 2.0.0", and the flags that are set. */
static void
play_show(struct play *p, const char *what, const struct smtp_client_event *ev)
{
	size_t cap = sizeof(p->events) - p->events_len;
	char rcpt[32] = "", dropped[32] = "";

	if (ev->type == SMTP_CLIENT_RCPT)
		snprintf(rcpt, sizeof(rcpt), " %zu", ev->rcpt);
	if (ev->dropped != 0)
		snprintf(dropped, sizeof(dropped), " dropped=%x", ev->dropped);
	p->events_len += (size_t)snprintf(p->events + p->events_len, cap,
	    "%s%s %d%s%s%s%s%s\n", what, rcpt, ev->reply.code,
	    ev->reply.status[0] != '\0' ? " " : "", ev->reply.status,
	    ev->local ? " local" : "", ev->temporary ? " temporary" : "",
	    dropped);
	assert_true(p->events_len < sizeof(p->events));
}

static void
play_event(struct play *p, const struct smtp_client_event *ev)
{
	assert_int_equal(p->closed, 0);
	switch (ev->type) {
	case SMTP_CLIENT_READY:
		assert_int_equal(p->sent, p->done);
		p->want_ready = true;
		break;
	case SMTP_CLIENT_CONTENT:
		assert_int_equal(p->sent, p->done + 1);
		assert_true(p->given < p->m.size);
		p->want_content = true;
		break;
	case SMTP_CLIENT_RCPT:
		assert_int_equal(p->sent, p->done + 1);
		assert_true(ev->rcpt < p->m.nrcpts);
		assert_true(ev->reply.code >= 400);
		play_show(p, "RCPT", ev);
		break;
	case SMTP_CLIENT_DONE:
		assert_int_equal(p->sent, ++p->done);
		p->good += ev->reply.code < 300;
		/* Good news is about the whole message, and the server's. */
		assert_true(ev->reply.code >= 400 ||
			    (p->given == p->m.size && !ev->local));
		play_show(p, "DONE", ev);
		break;
	case SMTP_CLIENT_STARTTLS:
		assert_int_equal(p->sent, 0);
		p->want_tls = true;
		p->events_len += (size_t)snprintf(p->events + p->events_len,
		    sizeof(p->events) - p->events_len, "STARTTLS\n");
		break;
	case SMTP_CLIENT_CLOSED:
		assert_int_equal(p->sent, p->done);
		p->closed++;
		p->want_ready = p->want_content = p->want_tls = false;
		play_show(p, "CLOSED", ev);
		break;
	}
}

/* Some output, or all of it; false if there was none. */
static bool
play_output(struct play *p)
{
	size_t len;
	const char *text = smtp_client_output(p->c, &len);

	if (p->opt->drip != 0 && len > p->opt->drip)
		len = p->opt->drip;
	assert_true(len < sizeof(p->out) - p->out_len);
	memcpy(p->out + p->out_len, text, len);
	p->out_len += len;
	smtp_client_output_sent(p->c, len);
	return len > 0;
}

static void
play_closed(struct play *p)
{
	size_t len;

	(void)smtp_client_output(p->c, &len);
	assert_int_equal(len, 0);
	assert_false(smtp_client_has_event(p->c));
	assert_false(smtp_client_wants_input(p->c));
	assert_int_equal(smtp_client_input(p->c, "250 ok\r\n", 8), 0);
	assert_int_equal(smtp_client_send(p->c, &p->m), SMTP_ECLOSED);
	assert_int_equal(smtp_client_content(p->c, "x", 1), SMTP_ECLOSED);
	smtp_client_eof(p->c);
	smtp_client_timeout(p->c);
	smtp_client_abort(p->c, "again");
	smtp_client_quit(p->c);
	assert_false(smtp_client_has_event(p->c));
	(void)smtp_client_output(p->c, &len);
	assert_int_equal(len, 0);
}

/* Everything that can happen without the server happens. */
static void
play_pump(struct play *p)
{
	struct smtp_client_event ev;

	do {
		while (smtp_client_next_event(p->c, &ev)) {
			play_event(p, &ev);
			if (!p->opt->late)
				play_act(p);
		}
		play_act(p);
	} while (play_output(p) || smtp_client_has_event(p->c));
	if (p->closed > 0)
		play_closed(p);
}

static void
play_feed(struct play *p, const char *text, size_t len)
{
	char *copy = (char *)unit_copy(text, len);
	size_t at = 0;

	while (at < len && p->closed == 0) {
		size_t n = smtp_client_input(p->c, copy + at, len - at);

		assert_true(n <= len - at);
		at += n;
		play_pump(p);
		assert_true(n > 0 || p->closed > 0);
	}
	free(copy);
}

/* As the cut has it, and not beyond the stop. */
static void
play_server(struct play *p, const char *text, size_t len)
{
	size_t n = len, cut = p->opt->cut;

	if (n > p->opt->stop - p->fed) {
		n = p->opt->stop - p->fed;
		p->stopped = true;
	}
	if (cut == PLAY_BYTEWISE) {
		for (size_t i = 0; i < n; i++)
			play_feed(p, text + i, 1);
	} else if (cut > p->fed && cut < p->fed + n) {
		play_feed(p, text, cut - p->fed);
		play_feed(p, text + (cut - p->fed), n - (cut - p->fed));
	} else {
		play_feed(p, text, n);
	}
	p->fed += n;
}

static void
play_do(struct play *p, struct smtp_str what)
{
	if (smtp_str_is(what, "quit"))
		smtp_client_quit(p->c);
	else if (smtp_str_is(what, "eof"))
		smtp_client_eof(p->c);
	else if (smtp_str_is(what, "timeout"))
		smtp_client_timeout(p->c);
	else if (smtp_str_is(what, "abort"))
		smtp_client_abort(p->c, "no more of it");
	else if (smtp_str_is(what, "content"))
		play_give(p);
	else
		fail_msg("no such action: %.*s", (int)what.len, what.p);
	play_pump(p);
}

static void
play_fail(const struct play *p, struct smtp_str got, struct smtp_str want)
{
	fail_msg("\"%s\", cut %zu, drip %zu, late %d\n"
		 "--- got:\n%.*s\n--- want:\n%.*s\n",
	    p->script->name, p->opt->cut, p->opt->drip, p->opt->late,
	    (int)got.len, got.p, (int)want.len, want.p);
}

/* What was foreseen comes next in what was said or seen; it is taken away. */
static void
play_expect(struct play *p, char *got, size_t *got_len, struct smtp_str want)
{
	assert_true(p->c != NULL);
	if (*got_len < want.len || memcmp(got, want.p, want.len) != 0)
		play_fail(p, (struct smtp_str){ got, *got_len }, want);
	*got_len -= want.len;
	memmove(got, got + want.len, *got_len);
}

static void
play_expect_no_more(struct play *p)
{
	static const struct smtp_str nothing = { "", 0 };

	if (p->out_len > 0)
		play_fail(p, (struct smtp_str){ p->out, p->out_len }, nothing);
	if (p->events_len > 0)
		play_fail(
		    p, (struct smtp_str){ p->events, p->events_len }, nothing);
}

static void
play_step(struct play *p, const struct play_step *step)
{
	if (step->kind == 'C') {
		play_expect(p, p->out, &p->out_len, step->text);
	} else if (step->kind == 'E') {
		play_expect(p, p->events, &p->events_len, step->text);
	} else {
		play_expect_no_more(p);
		if (step->kind == 'S')
			play_server(p, step->text.p, step->text.len);
		else
			play_do(p, step->text);
	}
}

/* Plays it to its end, or until it is stopped. */
static void
play(const struct play_script *script, const struct play_options *opt)
{
	size_t live = unit_alloc_live(), good;
	struct play *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->script = script;
	p->opt = opt;
	p->cfg.hostname = PLAY_HOSTNAME;
	p->cfg.extensions = ~script->without;
	p->cfg.tls = script->tls;
	assert_int_equal(smtp_client_new(&p->cfg, &p->c), SMTP_OK);
	play_pump(p);
	for (size_t i = 0; i < script->nsteps && !p->stopped; i++)
		play_step(p, &script->steps[i]);
	if (p->stopped) {
		good = p->good;
		play_feed(p, opt->last_words.p, opt->last_words.len);
		smtp_client_eof(p->c);
		play_pump(p);
		/* Whatever it was, it delivered nothing. */
		assert_int_equal(p->good, good);
	} else {
		play_expect_no_more(p);
	}
	assert_int_equal(p->sent, p->done);
	assert_true(p->closed == 1 || (script->stay && !p->stopped));
	smtp_client_free(&p->c);
	assert_null(p->c);
	free(p);
	assert_int_equal(unit_alloc_live(), live);
}

/* Octets the server says in a script. */
static size_t
play_octets(const struct play_script *script)
{
	size_t n = 0;

	for (size_t i = 0; i < script->nsteps; i++)
		if (script->steps[i].kind == 'S')
			n += script->steps[i].text.len;
	return n;
}

/* In every way there is to play it, with the same result. */
static void
play_every_way(const struct play_script *script)
{
	size_t n = play_octets(script);

	for (int late = 0; late < 2; late++) {
		struct play_options opt = {
			.stop = PLAY_NO_STOP,
			.late = late != 0,
		};

		for (opt.cut = 0; opt.cut < n; opt.cut++)
			play(script, &opt);
		opt.cut = PLAY_BYTEWISE;
		play(script, &opt);
		opt.drip = 1;
		play(script, &opt);
		opt.cut = 0;
		play(script, &opt);
		opt.drip = 7;
		play(script, &opt);
	}
}

/* The server, or the network, breaks down after every octet. */
static void
play_breakdowns(const struct play_script *script)
{
	static const struct smtp_str last_words[] = {
		{ "", 0 },
		{ "\0", 1 },
		{ "x\n", 2 },
		{ "x\r\r\n", 4 },
		{ "\xff\xfe\r250 ok\r\n", 11 },
	};
	size_t n = play_octets(script);

	for (size_t i = 0; i < sizeof(last_words) / sizeof(*last_words); i++) {
		struct play_options opt = { .last_words = last_words[i] };

		for (opt.stop = 0; opt.stop < n; opt.stop++)
			play(script, &opt);
	}
}

/* ...or says goodbye, or no to everything, between any two replies. */
static void
play_refusals(const struct play_script *script)
{
	static const struct smtp_str last_words[] = {
		{ "421 4.3.2 bye\r\n", 15 },
		{ "550 5.7.1 no\r\n", 14 },
		{ "354 go\r\n", 8 },
		{ "421-4.3.2 a\r\n421 4.3.2 b\r\n250 2.0.0 ok\r\n", 40 },
	};
	size_t at = 0;

	for (size_t i = 0; i < script->nsteps; i++) {
		const struct play_step *step = &script->steps[i];
		struct play_options opt = { .cut = 0 };

		for (size_t k = 0; step->kind == 'S' && k < step->text.len;
		     k++) {
			if (k > 0 && step->text.p[k - 1] != '\n')
				continue;
			opt.stop = at + k;
			for (size_t j = 0; j < 4; j++) {
				opt.last_words = last_words[j];
				play(script, &opt);
			}
		}
		at += step->kind == 'S' ? step->text.len : 0;
	}
}

/* --- the scripts --------------------------------------------------------- */

static void
play_file(const char *path, void (*how)(const struct play_script *))
{
	char *text = (char *)unit_read_file(path, &(size_t){ 0 });
	char *at = text;
	struct play_script *s;

	while ((s = play_read(&at)) != NULL) {
		how(s);
		free(s);
	}
	free(text);
}

static void
test_a_message_goes_as_the_extensions_allow(void **state)
{
	(void)state;
	play_file("smtp/test/client/sending.smtp", play_every_way);
}

static void
test_a_session_begins_and_ends_as_rfc_5321_says(void **state)
{
	(void)state;
	play_file("smtp/test/client/hello.smtp", play_every_way);
}

static void
test_a_refusal_goes_to_whom_it_belongs(void **state)
{
	(void)state;
	play_file("smtp/test/client/refusing.smtp", play_every_way);
}

static void
test_a_server_out_of_step_ends_the_session(void **state)
{
	(void)state;
	play_file("smtp/test/client/wrong.smtp", play_every_way);
}

static void
test_evil_content_stays_here(void **state)
{
	(void)state;
	play_file("smtp/test/client/content.smtp", play_every_way);
}

static void
test_tls_is_used_as_far_as_it_must_or_may(void **state)
{
	(void)state;
	play_file("smtp/test/client/tls.smtp", play_every_way);
}

static void
test_parameters_go_to_servers_that_know_them(void **state)
{
	(void)state;
	play_file("smtp/test/client/params.smtp", play_every_way);
}

static const char *const files[] = {
	"smtp/test/client/sending.smtp",
	"smtp/test/client/hello.smtp",
	"smtp/test/client/refusing.smtp",
	"smtp/test/client/wrong.smtp",
	"smtp/test/client/tls.smtp",
	"smtp/test/client/content.smtp",
};

static void
test_a_server_may_break_down_after_any_octet(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		play_file(files[i], play_breakdowns);
}

static void
test_a_server_may_say_no_and_goodbye_at_any_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		play_file(files[i], play_refusals);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_goes_as_the_extensions_allow),
		cmocka_unit_test(
		    test_a_session_begins_and_ends_as_rfc_5321_says),
		cmocka_unit_test(test_a_refusal_goes_to_whom_it_belongs),
		cmocka_unit_test(test_a_server_out_of_step_ends_the_session),
		cmocka_unit_test(test_evil_content_stays_here),
		cmocka_unit_test(test_parameters_go_to_servers_that_know_them),
		cmocka_unit_test(test_tls_is_used_as_far_as_it_must_or_may),
		cmocka_unit_test(test_a_server_may_break_down_after_any_octet),
		cmocka_unit_test(
		    test_a_server_may_say_no_and_goodbye_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/reply.h"

/*
 * What a parser made of a text: one line "code status text" for each reply,
 * and "error" or "more" for how it ended.
 */
struct outcome {
	char log[8192];
	size_t len;
	int rc; /* the error, or 0 */
};

static void
note(struct outcome *o, const struct smtp_reply *r)
{
	int n = snprintf(o->log + o->len, sizeof(o->log) - o->len,
	    "%d [%s] %s\n", r->code, r->status, r->text);

	assert_true(n > 0 && (size_t)n < sizeof(o->log) - o->len);
	o->len += (size_t)n;
}

/* Feed one piece, in a block of its exact size. */
static void
feed(struct smtp_reply_parser *p, struct outcome *o, const char *text,
    size_t len)
{
	char *copy = (char *)unit_copy(text, len);
	size_t at = 0;

	while (at < len && o->rc == 0) {
		size_t used = SIZE_MAX;
		int rc = smtp_reply_take(p, copy + at, len - at, &used);

		if (rc < 0) {
			/* Outputs are untouched on error. */
			assert_int_equal(used, SIZE_MAX);
			o->rc = rc;
			break;
		}
		assert_true(used <= len - at);
		assert_true(rc == 1 || used == len - at);
		assert_true(smtp_reply_begun(p) == (rc == 0));
		at += used;
		if (rc == 1)
			note(o, &p->reply);
	}
	free(copy);
}

/* In two pieces at cut, or octet by octet with cut at SIZE_MAX. */
static void
run(struct outcome *o, const char *text, size_t len, size_t cut)
{
	struct smtp_reply_parser *p = malloc(sizeof(*p));

	assert_non_null(p);
	memset(o, 0, sizeof(*o));
	smtp_reply_parser_init(p);
	assert_false(smtp_reply_begun(p));
	if (cut == SIZE_MAX) {
		for (size_t i = 0; i < len; i++)
			feed(p, o, text + i, 1);
	} else {
		feed(p, o, text, cut);
		feed(p, o, text + cut, len - cut);
	}
	free(p);
}

static void
same_at_every_cut(const struct outcome *whole, const char *text, size_t len)
{
	struct outcome o;

	run(&o, text, len, SIZE_MAX);
	assert_int_equal(o.rc, whole->rc);
	assert_string_equal(o.log, whole->log);
	for (size_t cut = 1; cut < len; cut++) {
		run(&o, text, len, cut);
		assert_int_equal(o.rc, whole->rc);
		assert_string_equal(o.log, whole->log);
	}
}

#define TEXT(s) s, sizeof(s) - 1

static const struct {
	const char *text;
	size_t len;
	const char *log;
	int rc;
} cases[] = {
	{ TEXT("250 ok\r\n"), "250 [] ok\n", 0 },
	{ TEXT("250\r\n"), "250 [] \n", 0 },
	{ TEXT("250 \r\n"), "250 [] \n", 0 },
	{ TEXT("250-a\r\n250 b\r\n"), "250 [] a / b\n", 0 },
	{ TEXT("250-a\r\n250\r\n"), "250 [] a / \n", 0 },
	{ TEXT("250-a\r\n250-\r\n250 c\r\n"), "250 [] a /  / c\n", 0 },
	{ TEXT("220 a\r\n250 b\r\n554 c\r\n"), "220 [] a\n250 [] b\n554 [] c\n",
	    0 },
	{ TEXT("299 x\r\n599 y\r\n"), "299 [] x\n599 [] y\n", 0 },

	/* Enhanced status codes. */
	{ TEXT("250 2.1.5 fine\r\n"), "250 [2.1.5] fine\n", 0 },
	{ TEXT("250 2.1.5\r\n"), "250 [2.1.5] \n", 0 },
	{ TEXT("550 5.7.999 no\r\n"), "550 [5.7.999] no\n", 0 },
	{ TEXT("550 5.123.999 no\r\n"), "550 [5.123.999] no\n", 0 },
	{ TEXT("450-4.2.2 a\r\n450 4.2.2 b\r\n"), "450 [4.2.2] a / b\n", 0 },
	{ TEXT("450-4.2.2 a\r\n450 b\r\n"), "450 [4.2.2] a / b\n", 0 },
	/* Not of the reply's class, not well-formed: just text. */
	{ TEXT("550 4.1.1 no\r\n"), "550 [] 4.1.1 no\n", 0 },
	{ TEXT("354 3.0.0 go\r\n"), "354 [] 3.0.0 go\n", 0 },
	{ TEXT("550 5.1.1no\r\n"), "550 [] 5.1.1no\n", 0 },
	{ TEXT("550 5.1 no\r\n"), "550 [] 5.1 no\n", 0 },
	{ TEXT("550 5.01.1 no\r\n"), "550 [] 5.01.1 no\n", 0 },
	{ TEXT("550 5.1.01 no\r\n"), "550 [] 5.1.01 no\n", 0 },
	{ TEXT("550 5.1.1000 no\r\n"), "550 [] 5.1.1000 no\n", 0 },
	{ TEXT("550 5..1 no\r\n"), "550 [] 5..1 no\n", 0 },
	{ TEXT("550 5.1.\r\n"), "550 [] 5.1.\n", 0 },
	{ TEXT("550 5.1.1.1 no\r\n"), "550 [] 5.1.1.1 no\n", 0 },
	/* Contradiction: nothing to rely on. */
	{ TEXT("550-5.1.1 a\r\n550 5.2.1 b\r\n"), "550 [] a / 5.2.1 b\n", 0 },
	{ TEXT("550-5.1.1 a\r\n550 5.1.10 b\r\n"), "550 [] a / 5.1.10 b\n", 0 },
	{ TEXT("550-a\r\n550 5.1.1 b\r\n"), "550 [] a / 5.1.1 b\n", 0 },

	/* A log will quote it. */
	{ TEXT("250 a\tb\x1b[0m\xc3\xa4\x7f\r\n"), "250 [] a?b?[0m???\n", 0 },

	/* Not replies. */
	{ TEXT("\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("25\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("hello\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("2x0 ok\r\n"), "", SMTP_ESYNTAX },
	{ TEXT(" 250 ok\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("250ok\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("2500\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("250\tok\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("199 no\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("600 no\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("000 no\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("250-a\r\n251 b\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("250-a\r\n550-b\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("250-a\r\nb\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("250 ok\n"), "", SMTP_EBARE },
	{ TEXT("250 ok\r250 ok\r\n"), "", SMTP_EBARE },
	{ TEXT("250 o\nk\r\n"), "", SMTP_EBARE },
	{ TEXT("250 ok\r\r\n"), "", SMTP_EBARE },
	{ TEXT("\n250 ok\r\n"), "", SMTP_EBARE },
	{ TEXT("250 o\0k\r\n"), "", SMTP_ENUL },
	{ TEXT("250 ok\r\0\n"), "", SMTP_EBARE },
	{ TEXT("\xff\xfe\xfd\x80\r\n"), "", SMTP_ESYNTAX },
	{ TEXT("250 ok\r\n250-a\r\n\n"), "250 [] ok\n", SMTP_EBARE },
};

static void
test_each_reply_reads_the_same_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome o;

		run(&o, cases[i].text, cases[i].len, 0);
		assert_string_equal(o.log, cases[i].log);
		assert_int_equal(o.rc, cases[i].rc);
		same_at_every_cut(&o, cases[i].text, cases[i].len);
	}
}

/* What is cut off cannot complete a reply that was not complete. */
static void
test_a_truncated_reply_is_no_reply(void **state)
{
	static const char text[] = "450-4.2.2 a\r\n450-4.2.2 b\r\n450 c\r\n";

	(void)state;
	for (size_t n = 0; n + 1 < sizeof(text); n++) {
		struct outcome o;

		run(&o, text, n, 0);
		assert_int_equal(o.rc, 0);
		assert_string_equal(o.log, "");
	}
}

/* "250 xxx...", total octets in the line, CR LF included. */
static size_t
long_line(char *buf, size_t total, char separator)
{
	memset(buf, 'x', total);
	memcpy(buf, "250", 3);
	buf[3] = separator;
	buf[total - 2] = '\r';
	buf[total - 1] = '\n';
	return total;
}

static void
test_a_line_may_have_2048_octets_and_no_more(void **state)
{
	static char buf[8192];
	struct outcome o, at;
	size_t n;

	(void)state;
	n = long_line(buf, SMTP_REPLY_IN_MAX, ' ');
	run(&o, buf, n, 0);
	assert_int_equal(o.rc, 0);
	/* The text is kept up to its limit. */
	assert_int_equal(o.len, strlen("250 [] \n") + SMTP_REPLY_TEXT_MAX - 1);
	run(&at, buf, n, SIZE_MAX);
	assert_string_equal(at.log, o.log);

	n = long_line(buf, SMTP_REPLY_IN_MAX + 1, ' ');
	for (size_t cut = 0; cut < n; cut += 93) {
		run(&o, buf, n, cut);
		assert_int_equal(o.rc, SMTP_ETOOLONG);
		assert_string_equal(o.log, "");
	}
	run(&o, buf, n, SIZE_MAX);
	assert_int_equal(o.rc, SMTP_ETOOLONG);

	/* The limit holds for each line and is not used up by the first. */
	n = long_line(buf, SMTP_REPLY_IN_MAX, '-');
	n += long_line(buf + n, SMTP_REPLY_IN_MAX, ' ');
	run(&o, buf, n, SMTP_REPLY_IN_MAX + 3);
	assert_int_equal(o.rc, 0);
	assert_int_equal(o.len, strlen("250 [] \n") + SMTP_REPLY_TEXT_MAX - 1);
}

static void
test_a_line_without_end_is_refused_while_it_comes(void **state)
{
	struct smtp_reply_parser p;
	size_t used, n = 0;
	int rc = 0;

	(void)state;
	smtp_reply_parser_init(&p);
	while (rc == 0 && n < 100000) {
		rc = smtp_reply_take(&p, "2", 1, &used);
		n++;
	}
	assert_int_equal(rc, SMTP_ETOOLONG);
	assert_int_equal(n, SMTP_REPLY_IN_MAX);
}

/* How many lines of a reply without end are taken; *ret_rc why no more. */
static unsigned
lines_taken(const char *line, size_t len, int *ret_rc)
{
	struct smtp_reply_parser p;
	unsigned n = 0;
	size_t used;

	smtp_reply_parser_init(&p);
	while ((*ret_rc = smtp_reply_take(&p, line, len, &used)) == 0 &&
	       n < 100000)
		n++;
	return n;
}

static void
test_a_reply_has_at_most_128_lines_and_32768_octets(void **state)
{
	static char line[SMTP_REPLY_IN_MAX];
	size_t len = long_line(line, 1002, '-');
	int rc;

	(void)state;
	assert_int_equal(
	    lines_taken("250-x\r\n", 7, &rc), SMTP_REPLY_LINES_MAX);
	assert_int_equal(rc, SMTP_ETOOLONG);
	/* Line ends do not count. */
	assert_int_equal(
	    lines_taken(line, len, &rc), SMTP_REPLY_TOTAL_MAX / 1000);
	assert_int_equal(rc, SMTP_ETOOLONG);
}

static void
test_text_of_many_lines_is_cut_not_overrun(void **state)
{
	static char buf[128 * 16];
	struct outcome o;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 127; i++) {
		memcpy(buf + n, "550-5.1.1 abc\r\n", 15);
		n += 15;
	}
	memcpy(buf + n, "550 5.1.1 end\r\n", 15);
	n += 15;
	run(&o, buf, n, 0);
	assert_int_equal(o.rc, 0);
	assert_int_equal(
	    o.len, strlen("550 [5.1.1] \n") + SMTP_REPLY_TEXT_MAX - 1);
	assert_memory_equal(o.log, "550 [5.1.1] abc / abc / ", 24);
}

/* --- EHLO ---------------------------------------------------------------- */

static struct smtp_caps
caps_of(const char *text)
{
	struct smtp_reply_parser p;
	size_t used = 0;

	smtp_reply_parser_init(&p);
	assert_int_equal(smtp_reply_take(&p, text, strlen(text), &used), 1);
	assert_int_equal(used, strlen(text));
	return p.caps;
}

static const struct {
	const char *line;
	unsigned ext;
} keywords[] = {
	{ "PIPELINING", SMTP_EXT_PIPELINING },
	{ "pipelining", SMTP_EXT_PIPELINING },
	{ "SIZE", SMTP_EXT_SIZE },
	{ "SIZE 1000", SMTP_EXT_SIZE },
	{ "8BITMIME", SMTP_EXT_8BITMIME },
	{ "BINARYMIME", SMTP_EXT_BINARYMIME },
	{ "CHUNKING", SMTP_EXT_CHUNKING },
	{ "DSN", SMTP_EXT_DSN },
	{ "MT-PRIORITY", SMTP_EXT_MT_PRIORITY },
	{ "MT-PRIORITY NSEP", SMTP_EXT_MT_PRIORITY },
	{ "DELIVERBY", SMTP_EXT_DELIVERBY },
	{ "DELIVERBY 60", SMTP_EXT_DELIVERBY },
	{ "ENHANCEDSTATUSCODES", SMTP_EXT_ENHANCEDSTATUSCODES },
	{ "SMTPUTF8", SMTP_EXT_SMTPUTF8 },
	{ "SMTPUTF8 whatever", SMTP_EXT_SMTPUTF8 },
	{ "RRVS", SMTP_EXT_RRVS },
	{ "SUBMITTER", SMTP_EXT_SUBMITTER },
	{ "AUTH PLAIN LOGIN", SMTP_EXT_AUTH },
	{ "STARTTLS", SMTP_EXT_STARTTLS },
	{ "LIMITS RCPTMAX=5", SMTP_EXT_LIMITS },
	{ "REQUIRETLS", 0 },
	{ "HELP", 0 },
	{ "", 0 },
	{ "SIZEX 5", 0 },
	{ "XSIZE 5", 0 },
	{ "SIZE=5", 0 },
};

static void
test_each_keyword_of_ehlo_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		char text[128];

		snprintf(text, sizeof(text), "250-host\r\n250 %s\r\n",
		    keywords[i].line);
		assert_int_equal(caps_of(text).extensions, keywords[i].ext);
		snprintf(text, sizeof(text),
		    "250-host\r\n250-HELP\r\n250-%s\r\n250 X\r\n",
		    keywords[i].line);
		assert_int_equal(caps_of(text).extensions, keywords[i].ext);
	}
}

static void
test_first_line_of_ehlo_is_a_name_not_an_extension(void **state)
{
	struct smtp_caps caps = caps_of("250 PIPELINING\r\n");

	(void)state;
	assert_int_equal(caps.extensions, 0);
	caps = caps_of("250-SIZE 5\r\n250 LIMITS RCPTMAX=5\r\n");
	assert_int_equal(caps.extensions, SMTP_EXT_LIMITS);
	assert_int_equal(caps.size_max, 0);
}

static void
test_size_and_deliverby_bring_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} rows[] = {
		{ "1000", 1000 },
		{ "0", 0 },
		{ "", 0 },
		{ "000123", 123 },
		{ "9223372036854775799", 9223372036854775799u },
		/* As good as no limit. */
		{ "99999999999999999999", 0 },
		{ "12x", 0 },
		{ "-5", 0 },
		{ "1000 junk", 1000 },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "250-h\r\n250 SIZE %s\r\n",
		    rows[i].text);
		assert_true(caps_of(text).size_max == rows[i].value);
		snprintf(text, sizeof(text), "250-h\r\n250 DELIVERBY %s\r\n",
		    rows[i].text);
		assert_true(caps_of(text).by_min == (int64_t)rows[i].value);
	}
}

static void
test_priority_policy_is_a_name_or_nothing(void **state)
{
	static const struct {
		const char *text, *name;
	} rows[] = {
		{ "", "" },
		{ " NSEP", "NSEP" },
		{ " a-b_c.9", "a-b_c.9" },
		{ " 12345678901234567890", "12345678901234567890" },
		{ " 123456789012345678901", "" },
		{ " a/b", "" },
		{ " STANAG4406 junk", "STANAG4406" },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(text, sizeof(text), "250-h\r\n250 MT-PRIORITY%s\r\n",
		    rows[i].text);
		assert_string_equal(
		    caps_of(text).priority_policy, rows[i].name);
	}
}

static void
test_limits_are_taken_or_ignored_as_rfc_9422_says(void **state)
{
	static const struct {
		const char *text;
		bool listed;
		uint64_t mail_max, rcpt_max;
	} rows[] = {
		{ "MAILMAX=5 RCPTMAX=100", true, 5, 100 },
		{ "rcptmax=100", true, 0, 100 },
		{ "RCPTMAX=999999", true, 0, 999999 },
		{ "RCPTDOMAINMAX=3 MAILMAX=1", true, 1, 0 },
		{ "X-Y_Z=abc! MAILMAX=1", true, 1, 0 },
		/* One bad value of a limit we know: that limit only. */
		{ "MAILMAX=0 RCPTMAX=7", true, 0, 7 },
		{ "MAILMAX=05 RCPTMAX=7", true, 0, 7 },
		{ "MAILMAX=1000000 RCPTMAX=7", true, 0, 7 },
		{ "MAILMAX=-1 RCPTMAX=7", true, 0, 7 },
		{ "MAILMAX=1x RCPTMAX=7", true, 0, 7 },
		{ "MAILMAX==1 RCPTMAX=7", true, 0, 7 },
		/* Not a list of limits at all. */
		{ "MAILMAX=5 RCPTMAX", false, 0, 0 },
		{ "MAILMAX= RCPTMAX=7", false, 0, 0 },
		{ "MAILMAX=5 =7", false, 0, 0 },
		{ "MAILMAX=5;RCPTMAX=7", false, 0, 0 },
		{ "MAIL*MAX=5 RCPTMAX=7", false, 0, 0 },
		{ "", true, 0, 0 },
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_caps c;

		snprintf(text, sizeof(text),
		    "250-h\r\n250-DSN\r\n250 LIMITS %s\r\n", rows[i].text);
		c = caps_of(text);
		assert_int_equal(
		    (c.extensions & SMTP_EXT_LIMITS) != 0, rows[i].listed);
		assert_true((c.extensions & SMTP_EXT_DSN) != 0);
		assert_int_equal(c.mail_max, rows[i].mail_max);
		assert_int_equal(c.rcpt_max, rows[i].rcpt_max);
	}
}

static void
test_requiretls_is_seen(void **state)
{
	(void)state;
	assert_true(caps_of("250-h\r\n250 REQUIRETLS\r\n").requiretls);
	assert_false(caps_of("250-h\r\n250 STARTTLS\r\n").requiretls);
}

static void
test_nothing_of_a_reply_stays_for_the_next(void **state)
{
	static const char text[] = "250-h\r\n250-DSN\r\n250 SIZE 9\r\n"
				   "250 2.1.0 ok\r\n250 fine\r\n";
	struct smtp_reply_parser p;
	size_t used = 0, at = 0;

	(void)state;
	smtp_reply_parser_init(&p);
	assert_int_equal(smtp_reply_take(&p, text, sizeof(text) - 1, &used), 1);
	assert_int_equal(p.caps.extensions, SMTP_EXT_DSN | SMTP_EXT_SIZE);
	at += used;
	assert_int_equal(
	    smtp_reply_take(&p, text + at, sizeof(text) - 1 - at, &used), 1);
	assert_int_equal(p.caps.extensions, 0);
	assert_int_equal(p.caps.size_max, 0);
	assert_string_equal(p.reply.status, "2.1.0");
	at += used;
	assert_int_equal(
	    smtp_reply_take(&p, text + at, sizeof(text) - 1 - at, &used), 1);
	assert_string_equal(p.reply.status, "");
	assert_string_equal(p.reply.text, "fine");
	assert_int_equal(at + used, sizeof(text) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_reply_reads_the_same_at_every_cut),
		cmocka_unit_test(test_a_truncated_reply_is_no_reply),
		cmocka_unit_test(test_a_line_may_have_2048_octets_and_no_more),
		cmocka_unit_test(
		    test_a_line_without_end_is_refused_while_it_comes),
		cmocka_unit_test(
		    test_a_reply_has_at_most_128_lines_and_32768_octets),
		cmocka_unit_test(test_text_of_many_lines_is_cut_not_overrun),
		cmocka_unit_test(test_each_keyword_of_ehlo_is_known),
		cmocka_unit_test(
		    test_first_line_of_ehlo_is_a_name_not_an_extension),
		cmocka_unit_test(test_size_and_deliverby_bring_numbers),
		cmocka_unit_test(test_priority_policy_is_a_name_or_nothing),
		cmocka_unit_test(
		    test_limits_are_taken_or_ignored_as_rfc_9422_says),
		cmocka_unit_test(test_requiretls_is_seen),
		cmocka_unit_test(test_nothing_of_a_reply_stays_for_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

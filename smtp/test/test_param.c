/*
 * Lines, paths and parameters: the grammar, its limits, and every truncation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/data.h"
#include "smtp/line.h"
#include "smtp/param.h"
#include "tests/unit/unit.h"

static struct smtp_str
str(const char *s)
{
	return (struct smtp_str){ s, strlen(s) };
}

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- paths ------------------------------------------------------------------- */

static void
test_paths_are_taken_apart(void **state)
{
	static const struct {
		const char *text;
		unsigned flags;
		const char *local, *domain;
	} good[] = {
		{ "<a@b>", 0, "a", "b" },
		{ "<a.b+c@x.example>", 0, "a.b+c", "x.example" },
		{ "<\"a b\"@x>", 0, "\"a b\"", "x" },
		{ "<\"a\\\"b\"@x>", 0, "\"a\\\"b\"", "x" },
		{ "<\"\"@x>", 0, "\"\"", "x" },
		{ "<a@[1.2.3.4]>", 0, "a", "[1.2.3.4]" },
		{ "<a@[IPv6:2001:db8::1]>", 0, "a", "[IPv6:2001:db8::1]" },
		{ "<a@[tag:x]>", 0, "a", "[tag:x]" },
		{ "<@r:a@x>", 0, "a", "x" },
		{ "<@r.s,@[1.2.3.4]:a@x>", 0, "a", "x" },
		{ "<>", SMTP_PATH_NULL, "", "" },
		{ "<postMASTER>", SMTP_PATH_POSTMASTER, "postMASTER", "" },
		{ "<\xc3\xa4@\xc3\xb6.example>", SMTP_PATH_UTF8, "\xc3\xa4",
		    "\xc3\xb6.example" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		size_t len = strlen(good[i].text), used;
		char *text = (char *)unit_copy(good[i].text, len);
		struct smtp_path p;

		assert_int_equal(
		    smtp_path_parse(text, len, good[i].flags, &p, &used),
		    SMTP_OK);
		assert_int_equal(used, len);
		assert_int_equal(p.local.len, strlen(good[i].local));
		assert_memory_equal(p.local.p, good[i].local, p.local.len);
		assert_int_equal(p.domain.len, strlen(good[i].domain));
		assert_memory_equal(p.domain.p, good[i].domain, p.domain.len);
		for (size_t cut = 0; cut < len; cut++) {
			char *part = (char *)unit_copy(text, cut);

			assert_int_equal(smtp_path_parse(part, cut,
					     good[i].flags, &p, &used),
			    SMTP_ESYNTAX);
			free(part);
		}
		free(text);
	}
}

static void
test_bad_paths_are_refused(void **state)
{
	static const char *const bad[] = { "", "a@b", "<a>", "<>", "<@>",
		"<a@>", "<@b>", "<a@b", "<a b@c>", "<a@b c>", "<.a@b>",
		"<a.@b>", "<a..b@c>", "<a@.b>", "<a@b.>", "<a@b..c>", "<a@-b>",
		"<a@b->", "<\"a@b>", "<\"a\"b@c>", "<a@[1.2.3]>",
		"<a@[1.2.3.256]>", "<a@[1.2.3.4>", "<a@[x]>", "<a@[:x]>",
		"<@r,a@b>", "<@r a@b>", "<Postmaster>", "<a@b\r\n>", "<a\n@b>",
		"<\xc3\xa4@b>", "<\"\x01\"@b>" };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct smtp_path p;
		size_t used;

		if (smtp_path_parse(bad[i], strlen(bad[i]), 0, &p, &used) !=
		    SMTP_ESYNTAX)
			fail_msg("accepted: %s", bad[i]);
		assert_true(true);
	}
}

static void
test_path_limits_are_exact(void **state)
{
	(void)state;
	for (int n = 60; n <= 70; n++) {
		char text[400];
		struct smtp_path p;
		size_t used;
		int len =
		    snprintf(text, sizeof(text), "<%0*d@x.example>", n, 0);

		assert_int_equal(
		    smtp_path_parse(text, (size_t)len, 0, &p, &used),
		    n <= 64 ? SMTP_OK : SMTP_ETOOLONG);
	}
	for (int n = 245; n <= 260; n++) {
		char text[400];
		struct smtp_path p;
		size_t used;
		int len = snprintf(text, sizeof(text), "<a@%0*d>", n, 0);

		/* Brackets count: 256 in all. */
		assert_int_equal(
		    smtp_path_parse(text, (size_t)len, 0, &p, &used),
		    n + 4 <= 256 ? SMTP_OK : SMTP_ETOOLONG);
	}
}

/* --- parameters ---------------------------------------------------------------- */

static void
test_hold_is_read_as_rfc_4865_and_3339_say(void **state)
{
	static const struct {
		const char *text;
		int64_t until; /* -1: not valid */
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2000-02-29T12:00:00Z", 951825600 },
		{ "2026-11-23T12:00:01Z", 1795435201 },
		{ "2026-11-23t12:00:01z", 1795435201 },
		{ "2026-11-23T13:30:01+01:30", 1795435201 },
		{ "2026-11-23T04:00:01-08:00", 1795435201 },
		{ "2100-03-01T00:00:00Z", 4107542400 },
		{ "2026-11-23", -1 },
		{ "2026-11-23T12:00:01", -1 },
		{ "2026-11-23T12:00:01.5Z", -1 },
		{ "2026-13-23T12:00:01Z", -1 },
		{ "2026-11-32T12:00:01Z", -1 },
		{ "2026-11-23T24:00:01Z", -1 },
		{ "2026-11-23T12:60:01Z", -1 },
		{ "2026-11-23 12:00:01Z", -1 },
		{ "2026-11-23T12:00:01+1:30", -1 },
		{ "2026-11-23T12:00:01+24:00", -1 },
		{ "1969-12-31T23:59:59Z", -1 },
	};
	struct smtp_mail_params p;
	char text[80];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "HOLDUNTIL=%s", cases[i].text);
		if (cases[i].until < 0) {
			assert_int_not_equal(
			    smtp_mail_params_parse(str(text), &p, NULL), 0);
			continue;
		}
		assert_int_equal(
		    smtp_mail_params_parse(str(text), &p, NULL), 0);
		assert_true(p.has_hold_until && !p.has_hold_for);
		assert_int_equal(p.hold_until, cases[i].until);
	}
	assert_int_equal(
	    smtp_mail_params_parse(str("HOLDFOR=86400"), &p, NULL), 0);
	assert_true(p.has_hold_for && !p.has_hold_until);
	assert_int_equal(p.hold_for_s, 86400);
	assert_int_not_equal(
	    smtp_mail_params_parse(str("HOLDFOR=1234567890"), &p, NULL), 0);
	assert_int_not_equal(
	    smtp_mail_params_parse(
		str("HOLDFOR=1 HOLDUNTIL=2026-11-23T12:00:01Z"), &p, NULL),
	    0);
}

static void
test_mail_parameters_get_their_meaning(void **state)
{
	struct smtp_mail_params p;

	(void)state;
	assert_int_equal(
	    smtp_mail_params_parse(
		str("SIZE=12 BODY=8BITMIME "
		    "RET=HDRS ENVID=QQ+2B MT-PRIORITY=-4 BY=+120;RT AUTH=a+40b "
		    "SUBMITTER=c SMTPUTF8 X-ONE=1 X-TWO"),
		&p, NULL),
	    SMTP_OK);
	assert_int_equal(p.size, 12);
	assert_int_equal(p.body, SMTP_BODY_8BITMIME);
	assert_int_equal(p.ret, SMTP_RET_HDRS);
	assert_true(p.has_envid && smtp_str_is(p.envid, "QQ+2B"));
	assert_true(p.has_priority);
	assert_int_equal(p.priority, -4);
	assert_int_equal(p.by, SMTP_BY_RETURN);
	assert_int_equal(p.by_seconds, 120);
	assert_true(p.by_trace);
	assert_true(p.has_auth && p.has_submitter && p.has_smtputf8);
	assert_true(smtp_str_is(p.unknown, "X-ONE"));
	assert_int_equal(smtp_mail_params_parse(str(""), &p, NULL), SMTP_OK);
	assert_false(p.has_size || p.has_priority || p.has_envid);
	assert_int_equal(
	    smtp_mail_params_parse(str("BY=-999999999;N"), &p, NULL), SMTP_OK);
	assert_int_equal(p.by_seconds, -999999999);
	assert_int_equal(p.by, SMTP_BY_NOTIFY);
}

static void
test_rcpt_parameters_get_their_meaning(void **state)
{
	struct smtp_rcpt_params p;

	(void)state;
	assert_int_equal(
	    smtp_rcpt_params_parse(str("notify=success,DELAY,Failure "
				       "ORCPT=rfc822;Bob@x RRVS=z FOO"),
		&p, NULL),
	    SMTP_OK);
	assert_int_equal(p.notify,
	    SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY);
	assert_true(smtp_str_is(p.orcpt_type, "rfc822"));
	assert_true(smtp_str_is(p.orcpt_xtext, "Bob@x"));
	assert_true(p.has_rrvs);
	assert_true(smtp_str_is(p.unknown, "FOO"));
	assert_int_equal(
	    smtp_rcpt_params_parse(str("NOTIFY=NEVER"), &p, NULL), SMTP_OK);
	assert_int_equal(p.notify, SMTP_NOTIFY_NEVER);
}

static void
test_bad_parameters_are_refused_and_named(void **state)
{
	static const struct {
		const char *list, *bad;
		int err;
	} mail[] = {
		{ "SIZE=-1", "SIZE", SMTP_ESYNTAX },
		{ "X=1 SIZE=1 size=2", "size", SMTP_EDUPLICATE },
		{ "SMTPUTF8=1", "SMTPUTF8", SMTP_ESYNTAX },
		{ "ENVID=", "", SMTP_ESYNTAX },
		{ "ENVID=a=b", "", SMTP_ESYNTAX },
		{ "ENVID=+4", "ENVID", SMTP_ESYNTAX },
		{ "ENVID=+4f", "ENVID", SMTP_ESYNTAX },
		{ "ENVID=+0A", "ENVID", SMTP_ESYNTAX },
		{ "BY=1;RTT", "BY", SMTP_ESYNTAX },
		{ "BY=1234567890;R", "BY", SMTP_ESYNTAX },
		{ "BY=+;R", "BY", SMTP_ESYNTAX },
		{ "MT-PRIORITY=--1", "MT-PRIORITY", SMTP_ESYNTAX },
		{ "-X", "", SMTP_ESYNTAX },
		{ "X_Y", "", SMTP_ESYNTAX },
		{ "=1", "", SMTP_ESYNTAX },
		{ "X=\x7f", "", SMTP_ESYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(mail); i++) {
		struct smtp_mail_params p = { .size = 77 };
		struct smtp_str bad = { "", 0 };
		int rc = smtp_mail_params_parse(str(mail[i].list), &p, &bad);

		if (rc != mail[i].err)
			fail_msg("%s: %d", mail[i].list, rc);
		assert_true(smtp_str_is(bad, mail[i].bad));
		assert_int_equal(p.size, 77);
	}
}

/* In memory of exactly its size, so that nothing is read beyond it. */
static void
test_a_cut_line_reads_no_further_than_it_goes(void **state)
{
	static const char mail[] =
	    "<a@x.example> SIZE=10 BODY=8BITMIME RET=HDRS ENVID=a+20 "
	    "MT-PRIORITY=-3 BY=120;RT AUTH=<> SMTPUTF8";
	static const char rcpt[] = "<b@y.example> NOTIFY=SUCCESS,FAILURE,DELAY "
				   "ORCPT=rfc822;b+40y";

	(void)state;
	for (size_t cut = 0; cut < sizeof(mail); cut++) {
		char *part = (char *)unit_copy(mail, cut);
		struct smtp_str s = { part, cut };
		struct smtp_envelope_line l;
		struct smtp_mail_params p;

		if (cut < 13)
			assert_int_not_equal(
			    smtp_line_parse(s, 0, &l), SMTP_OK);
		else if (smtp_line_parse(s, 0, &l) == SMTP_OK &&
			 smtp_mail_params_parse(l.params, &p, NULL) == SMTP_OK)
			assert_false(cut < sizeof(mail) - 2 && p.has_smtputf8);
		free(part);
	}
	for (size_t cut = 0; cut < sizeof(rcpt); cut++) {
		char *part = (char *)unit_copy(rcpt, cut);
		struct smtp_str s = { part, cut };
		struct smtp_envelope_line l;
		struct smtp_rcpt_params p;

		if (cut < 13)
			assert_int_not_equal(
			    smtp_line_parse(s, 0, &l), SMTP_OK);
		else if (smtp_line_parse(s, 0, &l) == SMTP_OK &&
			 smtp_rcpt_params_parse(l.params, &p, NULL) == SMTP_OK)
			assert_int_equal(
			    p.has_orcpt, memchr(part, ';', cut) != NULL);
		free(part);
	}
}

static void
test_lines_are_written_within_their_room(void **state)
{
	static const char want[] = "<a@b> SIZE=9223372036854775807 X=-42";
	(void)state;
	for (size_t cap = 0; cap <= sizeof(want) + 2; cap++) {
		char *buf = malloc(cap + 1);
		struct smtp_line_writer w;

		smtp_write_begin(&w, buf, cap);
		(void)smtp_write_text(&w, "<a@b> SIZE=");
		(void)smtp_write_number(&w, INT64_MAX);
		(void)smtp_write_text(&w, " X=");
		(void)smtp_write_number(&w, -42);
		assert_int_equal(smtp_write_end(&w), cap >= sizeof(want));
		if (cap >= sizeof(want))
			assert_string_equal(buf, want);
		free(buf);
	}
}

/* --- lines ------------------------------------------------------------------------ */

static void
test_only_cr_lf_ends_a_line(void **state)
{
	static const struct {
		const char *text;
		size_t len;
		int rc;
	} cases[] = {
		{ "ab\r\ncd", 6, 1 },
		{ "\r\n", 2, 1 },
		{ "ab", 2, 0 },
		{ "ab\r", 3, 0 },
		{ "a\nb", 3, SMTP_EBARE },
		{ "\n", 1, SMTP_EBARE },
		{ "a\rb", 3, SMTP_EBARE },
		{ "a\r\r\n", 4, SMTP_EBARE },
		{ "a\0b\r\n", 5, SMTP_ENUL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t cut = 0; cut <= cases[i].len; cut++) {
			struct smtp_line l;
			size_t used = 0, total;
			int rc;

			smtp_line_init(&l);
			rc = smtp_line_take(&l, cases[i].text, cut, &used);
			total = used;
			if (rc == 0) {
				rc = smtp_line_take(&l, cases[i].text + cut,
				    cases[i].len - cut, &used);
				total += used;
			}
			assert_int_equal(rc, cases[i].rc);
			if (rc == 1) {
				assert_int_equal(l.len, i == 0 ? 2 : 0);
				assert_int_equal(total, l.len + 2);
			}
		}
	}
}

static void
test_line_limit_is_exact(void **state)
{
	char text[SMTP_LINE_MAX + 10];
	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t n = SMTP_LINE_MAX - 4; n <= SMTP_LINE_MAX + 2; n++) {
		struct smtp_line l;
		struct smtp_str line;
		size_t used;
		char saved[2];
		int want = n + 1 <= SMTP_LINE_MAX ? 1 : SMTP_ETOOLONG;

		memcpy(saved, text + n, 2);
		memcpy(text + n, "\r\n", 2);
		smtp_line_init(&l);
		assert_int_equal(smtp_line_take(&l, text, n + 2, &used), want);
		assert_int_equal(smtp_line_first(text, n + 2, &line, &used),
		    n < SMTP_LINE_MAX ? SMTP_OK : SMTP_ETOOLONG);
		memcpy(text + n, saved, 2);
	}
}

/* --- dots -------------------------------------------------------------------------- */

/* Stuff content in pieces of n; the octets on the wire, or NULL. */
static char *
stuff(const char *content, size_t len, size_t n, size_t *ret_len)
{
	char *wire = malloc(2 * len + 10);
	struct smtp_data d;
	struct smtp_str out;
	size_t w = 0;

	smtp_data_init(&d);
	for (size_t pos = 0; pos < len;) {
		size_t used, take = len - pos < n ? len - pos : n;
		unsigned char *piece = unit_copy(content + pos, take);
		int rc = smtp_data_out(&d, (char *)piece, take, &used, &out);

		if (rc == 0) {
			memcpy(wire + w, out.p, out.len);
			w += out.len;
			pos += used;
		}
		free(piece);
		if (rc < 0) {
			free(wire);
			return NULL;
		}
	}
	if (smtp_data_out_end(&d, &out) != SMTP_OK) {
		free(wire);
		return NULL;
	}
	memcpy(wire + w, out.p, out.len);
	*ret_len = w + out.len;
	return wire;
}

/* Take the dots off in pieces of n; what came before the end, or NULL. */
static char *
unstuff(
    const char *wire, size_t len, size_t n, size_t *ret_len, size_t *ret_used)
{
	char *content = malloc(len + 1);
	struct smtp_data d;
	size_t w = 0, pos = 0;
	int rc = 0;

	smtp_data_init(&d);
	while (pos < len && rc == 0) {
		size_t used = 0, take = len - pos < n ? len - pos : n;
		unsigned char *piece = unit_copy(wire + pos, take);
		struct smtp_str out;

		rc = smtp_data_in(&d, (char *)piece, take, &used, &out);
		if (rc >= 0) {
			memcpy(content + w, out.p, out.len);
			w += out.len;
			pos += used;
		}
		free(piece);
	}
	if (rc != 1) {
		free(content);
		return NULL;
	}
	*ret_len = w;
	*ret_used = pos;
	return content;
}

static void
append(char *buf, size_t cap, const char *text)
{
	size_t n = strlen(buf);

	snprintf(buf + n, cap - n, "%s", text);
}

static void
test_dots_go_on_and_come_off(void **state)
{
	(void)state;
	srandom(821);
	for (int i = 0; i < 3000; i++) {
		static const char *const bits[] = { ".", "..", "\r\n", "x",
			"\r\n.", "\r\n..\r\n", "y." };
		char content[200] = "";
		size_t len, wire_len = 0, got_len = 0, used = 0;
		char *wire, *got;

		for (int k = 0; k < random() % 12; k++)
			append(content, sizeof(content),
			    bits[random() % COUNT(bits)]);
		len = strlen(content);
		wire = stuff(content, len, 1 + (size_t)random() % 5, &wire_len);
		assert_non_null(wire);
		got = unstuff(
		    wire, wire_len, 1 + (size_t)random() % 5, &got_len, &used);
		assert_non_null(got);
		assert_int_equal(used, wire_len);
		/* A CR LF is added where the last line had none. */
		if (len >= 2 && strcmp(content + len - 2, "\r\n") == 0)
			assert_int_equal(got_len, len);
		else
			assert_int_equal(got_len, len > 0 ? len + 2 : 0);
		assert_memory_equal(got, content, len);
		free(wire);
		free(got);
	}
}

static void
test_bare_cr_and_lf_never_leave(void **state)
{
	static const char *const evil[] = { "\n", "a\nb", "a\rb", "\r", "a\r",
		"\r\r\n", "\r\n\n", "\r\n.\n", "x\r\n.\r" };
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(evil); i++)
		for (size_t n = 1; n < 5; n++)
			assert_null(stuff(evil[i], strlen(evil[i]), n, &len));
	assert_null(stuff("a\0b", 3, 3, &len));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths_are_taken_apart),
		cmocka_unit_test(test_bad_paths_are_refused),
		cmocka_unit_test(test_path_limits_are_exact),
		cmocka_unit_test(test_mail_parameters_get_their_meaning),
		cmocka_unit_test(test_hold_is_read_as_rfc_4865_and_3339_say),
		cmocka_unit_test(test_rcpt_parameters_get_their_meaning),
		cmocka_unit_test(test_bad_parameters_are_refused_and_named),
		cmocka_unit_test(test_a_cut_line_reads_no_further_than_it_goes),
		cmocka_unit_test(test_lines_are_written_within_their_room),
		cmocka_unit_test(test_only_cr_lf_ends_a_line),
		cmocka_unit_test(test_line_limit_is_exact),
		cmocka_unit_test(test_dots_go_on_and_come_off),
		cmocka_unit_test(test_bare_cr_and_lf_never_leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Conversion for servers that take less: nothing is lost, nothing signed is
 * touched, and what is not understood is refused.  That a reader gets the same
 * content is shown by tests/test_mime.py, with Python's email package.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp/mime.h"
#include "tests/unit/unit.h"

struct sink {
	char text[20000];
	size_t len;
	int fail_at; /* which put() fails; -1: none */
};

static int
keep(void *ctx, const char *p, size_t len)
{
	struct sink *s = ctx;

	assert_true(len <= sizeof(s->text) - 1 - s->len);
	if (s->fail_at >= 0 && s->fail_at-- == 0)
		return -77;
	memcpy(s->text + s->len, p, len);
	s->len += len;
	s->text[s->len] = '\0';
	return 0;
}

static int
convert(const char *in, size_t len, enum smtp_body body, struct sink *s)
{
	unsigned char *exact = unit_copy(in, len);
	const char *why = NULL;
	int rc;

	s->len = 0;
	s->text[0] = '\0';
	s->fail_at = -1;
	rc = smtp_mime_convert((char *)exact, len, body, keep, s, &why);
	if (rc == SMTP_OK)
		assert_true(smtp_mime_fits(s->text, s->len, body));
	else
		assert_true(why != NULL && why[0] != '\0');
	free(exact);
	return rc;
}

static void
check(const char *in, size_t len, enum smtp_body body, const char *want)
{
	struct sink *s = malloc(sizeof(*s));
	int rc = convert(in, len, body, s);

	if (want == NULL) {
		assert_int_equal(rc, SMTP_EMIME);
	} else {
		assert_int_equal(rc, SMTP_OK);
		assert_string_equal(s->text, want);
	}
	free(s);
}

#define SEVEN(in, want) check(in, sizeof(in) - 1, SMTP_BODY_7BIT, want)
#define EIGHT(in, want) check(in, sizeof(in) - 1, SMTP_BODY_8BITMIME, want)
#define V "MIME-Version: 1.0\r\n"
#define TYPE(t) "Content-Type: " t "\r\n"
#define CTE(e) "Content-Transfer-Encoding: " e "\r\n"

static void
test_text_is_quoted_and_keeps_its_lines(void **state)
{
	(void)state;
	SEVEN("Subject: x\r\n" V CTE(
		  "8bit") "\r\nGr\xc3\xbc\xc3\x9f"
			  "e an alle und jeden von uns\r\n. \r\n",
	    "Subject: x\r\n" V CTE(
		"quoted-printable") "\r\nGr=C3=BC=C3=9F"
				    "e an alle und jeden von uns\r\n.=20\r\n");
	/* Mostly not ASCII, or no line end at the end: base64. */
	SEVEN(V TYPE("text/plain; charset=utf-8")
		  CTE("8bit") "\r\n\xc3\xa4\r\n",
	    V TYPE("text/plain; charset=utf-8")
		CTE("base64") "\r\nw6QNCg==\r\n");
	SEVEN(V CTE("8bit") "\r\nabcdefghijklmnop \xc3\xa4",
	    V CTE("base64") "\r\nYWJjZGVmZ2hpamtsbW5vcCDDpA==\r\n");
}

static void
test_what_fits_only_loses_its_label(void **state)
{
	(void)state;
	SEVEN(V CTE("8bit") "\r\nplain\r\n", V CTE("7bit") "\r\nplain\r\n");
	SEVEN(V "\r\nplain\r\n", V "\r\nplain\r\n");
	SEVEN(V CTE("base64") "\r\nw6Q=\r\n", V CTE("base64") "\r\nw6Q=\r\n");
	EIGHT(V CTE("binary") "\r\n\xc3\xa4\r\n",
	    V CTE("8bit") "\r\n\xc3\xa4\r\n");
	SEVEN("no MIME: x\r\n\r\nplain\r\n", "no MIME: x\r\n\r\nplain\r\n");
}

static void
test_binary_becomes_base64(void **state)
{
	(void)state;
	EIGHT(V TYPE("application/octet-stream") CTE("binary") "\r\n\0\r\xff",
	    V TYPE("application/octet-stream") CTE("base64") "\r\nAA3/\r\n");
	EIGHT(V TYPE("text/plain") CTE("binary") "\r\na\nb\r\n",
	    V TYPE("text/plain") CTE("base64") "\r\nYQpiDQo=\r\n");
}

static void
test_parts_are_converted_wherever_they_are(void **state)
{
	(void)state;
	SEVEN(V TYPE("multipart/mixed; boundary=\"a b\"") CTE(
		  "8bit") "\r\npre\xc3\xa4\r\n--a b\r\n\r\nplain\r\n--a b  "
			  "\r\n" TYPE(
			      "(c) multipart / alternative ; "
			      "x=y;\r\n\tBoundary = a") "\r\n--a\r\n" TYPE("i"
									   "m"
									   "a"
									   "g"
									   "e"
									   "/"
									   "p"
									   "n"
									   "g")
			      CTE("binary") "\r\n\xff\r\n--a\r\n" TYPE(
				  "message/rfc822")
				  CTE("8bit") "\r\nSubject: y\r\n" V CTE(
				      "8bit") "\r\nabcdefghijkl\xe4\r\n\r\n--"
					      "a--\r\n--a b\r\n--a "
					      "b--\r\npost\xff",
	    V TYPE("multipart/mixed; boundary=\"a b\"")
		CTE("7bit") "\r\n--a b\r\n\r\nplain\r\n--a b\r\n" TYPE(
		    "(c) "
		    "multipa"
		    "rt / "
		    "alterna"
		    "tive ; "
		    "x=y;"
		    "\r\n\tB"
		    "oundary"
		    " = a") "\r\n--a\r\n" TYPE("image/png")
		    CTE("base64") "\r\n/w==\r\n\r\n--a\r\n" TYPE(
			"message/rfc822")
			CTE("7bit") "\r\nSubject: y\r\n" V CTE(
			    "quoted-printable") "\r\nabcdefghijkl=E4\r\n\r\n--"
						"a--\r\n\r\n"
						"--a b\r\n--a b--\r\n");
}

static void
test_one_boundary_may_begin_like_another(void **state)
{
	(void)state;
	SEVEN(V TYPE("multipart/mixed; boundary=b") "\r\n--b\r\n" TYPE(
		  "multipa"
		  "rt/"
		  "mixed; "
		  "boundar"
		  "y=bb") "\r\n--bb\r\n" CTE("8bit") "\r\nabcdefghijkl\xe4\r\n"
						     "\r\n--bb--\r\n--b--\r\n",
	    V TYPE("multipart/mixed; boundary=b") "\r\n--b\r\n" TYPE(
		"multipa"
		"rt/"
		"mixed; "
		"boundar"
		"y=bb") "\r\n--bb\r\n" CTE("quoted-printable") "\r\nabcdefghijk"
							       "l=E4\r\n\r\n--"
							       "bb--"
							       "\r\n\r\n--b--"
							       "\r\n");
}

/* A long line whose break would put it at the beginning of a line. */
static void
test_no_line_becomes_a_delimiter(void **state)
{
	static const char head[] = V TYPE(
	    "multipart/mixed; boundary=b") "\r\n--b\r\n" CTE("8bit") "\r\n";
	struct sink *s = malloc(sizeof(*s));
	char in[400];
	size_t n;

	(void)state;
	for (size_t pad = 60; pad < 90; pad++) {
		memcpy(in, head, sizeof(head) - 1);
		n = sizeof(head) - 1;
		memcpy(in + n, "\xe4", 1);
		memset(in + n + 1, 'x', pad);
		n += 1 + pad;
		memcpy(in + n, "--b--\r\n\r\n--b--\r\n", 16);
		n += 16;
		assert_int_equal(convert(in, n, SMTP_BODY_7BIT, s), SMTP_OK);
		assert_ptr_equal(
		    strstr(s->text, "\n--b--"), s->text + s->len - 8);
	}
	free(s);
}

static void
test_nothing_signed_or_encrypted_is_touched(void **state)
{
	(void)state;
	SEVEN(V TYPE("multipart/signed; boundary=b") "\r\n--b\r\n\r\n\xe4\r\n--"
						     "b--\r\n",
	    NULL);
	SEVEN(V TYPE("multipart/mixed; boundary=a") "\r\n--a\r\n" TYPE(
		  "multipart/encrypted; boundary=b") "\r\n--b\r\n\r\n\xe4\r\n--"
						     "b--\r\n\r\n--a--\r\n",
	    NULL);
	SEVEN(
	    V TYPE("multipart/mixed; boundary=a") "\r\n--a\r\n" TYPE(
		"multipart/signed; boundary=b") "\r\n--b \r\n\r\nx\r\n--b--\r\n"
						"\r\n--a\r\n" CTE(
						    "8bit") "\r\n\xe4\r\n--a--"
							    "\r\n",
	    V TYPE("multipart/mixed; boundary=a") "\r\n--a\r\n" TYPE(
		"multipart/signed; boundary=b") "\r\n--b \r\n\r\nx\r\n--b--\r\n"
						"\r\n--a\r\n" CTE(
						    "base64") "\r\n5A=="
							      "\r\n\r\n--a--"
							      "\r\n");
}

static void
test_what_is_not_understood_is_refused(void **state)
{
	static const char *const bad[] = {
		"Subject: \xe4\r\n" V "\r\nx\r\n", /* header */
		"Subject: x\r\n\r\n\xe4\r\n",      /* not MIME */
		V CTE("base64") "\r\n\xe4\r\n",    /* belied */
		V CTE("x-uuencode") "\r\n\xe4\r\n",
		V CTE("8bit") CTE("8bit") "\r\n\xe4\r\n",
		V TYPE("text/plain") TYPE("text/plain") "\r\n\xe4\r\n",
		V TYPE("text") "\r\n\xe4\r\n",
		V TYPE("message/partial; id=1") "\r\n\xe4\r\n",
		V TYPE("message/delivery-status") "\r\n\xe4\r\n",
		V TYPE("message/rfc822") CTE("base64") "\r\n\xe4\r\n",
		V TYPE("message/rfc822") "\r\nSubject: x\r\n\r\n\xe4\r\n",
		V TYPE("multipart/mixed") "\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
		V TYPE("multipart/mixed; boundary=") "\r\n\xe4\r\n",
		V TYPE("multipart/mixed; boundary=\"b") "\r\n\xe4\r\n",
		V TYPE("multipart/mixed; boundary=b") "\r\n\xe4\r\n",
		V TYPE("multipart/mixed; boundary=b") "\r\n--b\r\n\r\n\xe4\r\n",
		V TYPE(
		    "multipart/mixed; boundary=b; boundary=b") "\r\n--"
							       "b\r\n\r\n\xe4\r"
							       "\n--b--\r\n",
		V TYPE("multipart/mixed; boundary=b")
		    CTE("base64") "\r\n--b\r\n\r\n\xe4\r\n--b--\r\n",
		V TYPE("multipart/digest; boundary=b") "\r\n--b\r\n\r\nSubject:"
						       " x\r\n\r\n\xe4\r\n--b--"
						       "\r\n",
	};
	struct sink *s = malloc(sizeof(*s));

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (convert(bad[i], strlen(bad[i]), SMTP_BODY_7BIT, s) !=
		    SMTP_EMIME)
			fail_msg("case %zu was taken", i);
	free(s);
}

static void
test_depth_is_limited(void **state)
{
	static const char shell[] = V TYPE("message/rfc822") "\r\n";
	static const char inside[] = V "\r\n\xe4\r\n";
	char *in = calloc(1, 20000);
	struct sink *s = malloc(sizeof(*s));

	(void)state;
	for (unsigned depth = 5; depth <= 100; depth += 95) {
		size_t n = 0;

		for (unsigned i = 0; i < depth; i++) {
			memcpy(in + n, shell, sizeof(shell) - 1);
			n += sizeof(shell) - 1;
		}
		memcpy(in + n, inside, sizeof(inside) - 1);
		n += sizeof(inside) - 1;
		assert_int_equal(convert(in, n, SMTP_BODY_7BIT, s),
		    depth == 5 ? SMTP_OK : SMTP_EMIME);
	}
	free(in);
	free(s);
}

static const char whole[] = V TYPE("multipart/mixed; boundary=\"b\"")
    CTE("8bit") "\r\nx\r\n--b\r\n" TYPE("text/plain (c; d=\"e\")")
	CTE("8bit") "\r\nabc\xe4\r\n--b\r\n" TYPE(
	    "message/rfc822") "\r\n" V "\r\n\xff\r\n--b--\r\n";

static void
test_every_truncation_is_survived(void **state)
{
	struct sink *s = malloc(sizeof(*s));

	(void)state;
	for (size_t n = 0; n < sizeof(whole); n++)
		(void)convert(whole, n, SMTP_BODY_7BIT, s);
	free(s);
}

static void
test_what_put_says_ends_it(void **state)
{
	struct sink *s = malloc(sizeof(*s));
	const char *why = NULL;
	int at = 0, rc;

	(void)state;
	do {
		s->len = 0;
		s->fail_at = at++;
		rc = smtp_mime_convert(
		    whole, sizeof(whole) - 1, SMTP_BODY_7BIT, keep, s, &why);
		assert_true(rc == -77 || rc == SMTP_OK);
	} while (rc != SMTP_OK);
	assert_true(at > 10);
	free(s);
}

static void
test_fits_is_exact(void **state)
{
	char line[1100];

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line + 998, "\r\n", 2);
	assert_true(smtp_mime_fits(line, 1000, SMTP_BODY_7BIT));
	memcpy(line + 998, "x\r\n", 3);
	assert_false(smtp_mime_fits(line, 1001, SMTP_BODY_7BIT));
	assert_true(smtp_mime_fits("a\r\nb", 4, SMTP_BODY_7BIT));
	assert_false(smtp_mime_fits("a\r", 2, SMTP_BODY_8BITMIME));
	assert_false(smtp_mime_fits("a\n", 2, SMTP_BODY_8BITMIME));
	assert_false(smtp_mime_fits("\0", 1, SMTP_BODY_8BITMIME));
	assert_false(smtp_mime_fits("\xe4", 1, SMTP_BODY_7BIT));
	assert_true(smtp_mime_fits("\xe4", 1, SMTP_BODY_8BITMIME));
}

#define T(name) cmocka_unit_test(test_##name)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(text_is_quoted_and_keeps_its_lines),
		T(what_fits_only_loses_its_label),
		T(binary_becomes_base64),
		T(parts_are_converted_wherever_they_are),
		T(one_boundary_may_begin_like_another),
		T(no_line_becomes_a_delimiter),
		T(nothing_signed_or_encrypted_is_touched),
		T(what_is_not_understood_is_refused),
		T(depth_is_limited),
		T(every_truncation_is_survived),
		T(what_put_says_ends_it),
		T(fits_is_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Payloads there and back, bombs, bad envelopes, and memory that runs out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "mule/payload.h"
#include "mule/zip.h"
#include "tests/unit/unit.h"

static const struct mule_limits limits = {
	.payload_max = 8 * 1024 * 1024,
	.ratio_max = 100,
	.rcpts_max = 10,
};

static struct smtp_str
str(const char *s)
{
	return (struct smtp_str){ s, strlen(s) };
}

/* A CompressedData around any payload; free it. */
static uint8_t *
wrap(const void *payload, size_t len, size_t *ret_len)
{
	uint8_t head[BER_CDT_HEAD_MAX], *buf, *out;
	size_t n = 0, h;

	assert_int_equal(mule_deflate(0, payload, len, 0, &buf, &n), 0);
	h = ber_cdt_head(BER_IMPLICIT, n, head);
	out = malloc(h + n);
	memcpy(out, head, h);
	memcpy(out + h, buf, n);
	free(buf);
	*ret_len = h + n;
	return out;
}

static int
unpack_text(const char *payload, size_t len, struct mule_message *m)
{
	size_t n;
	uint8_t *cdt = wrap(payload, len, &n);
	int rc = mule_unpack(cdt, n, &limits, m);

	free(cdt);
	return rc;
}

static void
test_golden_vectors_unpack(void **state)
{
	static const char *const names[] = { "tiny-implicit", "tiny-explicit",
		"tiny-indefinite", "tiny-deflated" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct mule_message m;
		char path[100];
		size_t len;
		unsigned char *v;

		snprintf(
		    path, sizeof(path), "test-vectors/cdt/%s.bin", names[i]);
		v = unit_read_file(path, &len);
		assert_int_equal(mule_unpack(v, len, &limits, &m), 0);
		assert_int_equal(m.len, 50);
		assert_int_equal(m.envelope.nrcpts, 1);
		assert_memory_equal(
		    m.envelope.from_line.p, "<a@x.example>", 13);
		assert_memory_equal(
		    m.envelope.rcpt_lines[0].p, "<b@y.example>", 13);
		assert_int_equal(m.content_len, 18);
		assert_memory_equal(m.content, "Subject: t\r\n\r\nhi\r\n", 18);
		mule_message_release(&m);
		free(v);
	}
}

static void
test_rfc_example_unpacks_to_its_text(void **state)
{
	size_t len, want_len;
	unsigned char *v = unit_read_file(
	    "test-vectors/cdt/rfc8494-example-explicit.bin", &len);
	unsigned char *want = unit_read_file(
	    "test-vectors/cdt/rfc8494-example.payload", &want_len);
	struct mule_message m;

	(void)state;
	assert_int_equal(mule_unpack(v, len, &limits, &m), 0);
	assert_int_equal(m.len, want_len);
	assert_memory_equal(m.payload, want, want_len);
	assert_int_equal(m.envelope.nrcpts, 2);
	mule_message_release(&m);
	free(v);
	free(want);
}

static const struct mule_pack_how how[] = {
	{ BER_IMPLICIT, 75 },
	{ BER_EXPLICIT, 100000000 },
};

static void
test_what_is_packed_unpacks_to_the_same(void **state)
{
	static const size_t sizes[] = { 0, 1, 100, 5000, 100000, 3000000,
		5000000 };
	struct smtp_str rcpts[] = { str("<b@y.example> NOTIFY=NEVER"),
		str("<c@z.example>") };
	struct smtp_str from = str("<> MT-PRIORITY=-3 X-UNKNOWN=1");

	(void)state;
	srandom(5);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint8_t *content = malloc(sizes[i] + 1), *cdt;
		struct mule_message m;
		size_t n;

		for (size_t k = 0; k < sizes[i]; k++)
			content[k] = (uint8_t)("etaoin \r\n"[random() % 9]);
		assert_int_equal(mule_pack(&how[i % 2], from, rcpts, 2, content,
				     sizes[i], &cdt, &n),
		    0);
		assert_int_equal(mule_unpack(cdt, n, &limits, &m), 0);
		assert_int_equal(m.content_len, sizes[i]);
		assert_memory_equal(m.content, content, sizes[i]);
		assert_true(smtp_str_same(m.envelope.from_line, from));
		assert_int_equal(m.envelope.nrcpts, 2);
		assert_true(smtp_str_same(m.envelope.rcpt_lines[0], rcpts[0]));
		assert_true(smtp_str_same(m.envelope.rcpt_lines[1], rcpts[1]));
		mule_message_release(&m);
		free(content);
		free(cdt);
	}
}

static void
test_a_slower_link_gets_a_shorter_payload(void **state)
{
	size_t len, slow, fast;
	uint8_t *mail =
	    unit_read_file("tests/corpus/delivery-status.anonymized.eml", &len);
	struct smtp_str rcpt = str("<b@y.example>");
	const struct mule_pack_how quick = { BER_IMPLICIT, 9600 };
	uint8_t *cdt;

	(void)state;
	assert_int_equal(mule_pack(&how[0], str("<a@x.example>"), &rcpt, 1,
			     mail, len, &cdt, &slow),
	    0);
	free(cdt);
	assert_int_equal(mule_pack(&quick, str("<a@x.example>"), &rcpt, 1, mail,
			     len, &cdt, &fast),
	    0);
	free(cdt);
	free(mail);
	assert_true(slow < fast);
}

static void
test_bad_envelopes_are_refused_for_the_right_reason(void **state)
{
	static const struct {
		const char *payload;
		int err;
	} bad[] = {
		{ "", MULE_EENVELOPE },
		{ "<a@x.example>", MULE_EENVELOPE },
		{ "<a@x.example>\r\n", MULE_EENVELOPE },
		{ "<a@x.example>\r\n\r\nbody", MULE_EENVELOPE },
		{ "<a@x.example>\r\n<b@y.example>\r\n", MULE_EENVELOPE },
		{ "\r\n<b@y.example>\r\n\r\n", MULE_EFROM },
		{ "a@x.example\r\n<b@y.example>\r\n\r\n", MULE_EFROM },
		{ "<a@x.example> RET=MAYBE\r\n<b@y.example>\r\n\r\n",
		    MULE_EFROM },
		{ "<a@x.example> RET=FULL RET=FULL\r\n<b@y.example>\r\n\r\n",
		    MULE_EFROM },
		{ "<a@x.example>\r\n<>\r\n\r\n", MULE_ERCPT },
		{ "<a@x.example>\r\n<Postmaster>\r\n\r\n", MULE_ERCPT },
		{ "<a@x.example>\r\n<b@y.example> NOTIFY=NEVER,DELAY\r\n\r\n",
		    MULE_ERCPT },
		{ "<a@x.example>\n<b@y.example>\n\nbody", MULE_ELINE },
		{ "<a@x.example>\r<b@y.example>\r\n\r\n", MULE_ELINE },
		{ "<a@x.example>\r\n<1@y.ex>\r\n<2@y.ex>\r\n<3@y.ex>\r\n"
		  "<4@y.ex>\r\n<5@y.ex>\r\n<6@y.ex>\r\n<7@y.ex>\r\n<8@y.ex>"
		  "\r\n<9@y.ex>\r\n<10@y.ex>\r\n<11@y.ex>\r\n\r\n",
		    MULE_ETOOMANY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t live = unit_alloc_live();
		struct mule_message m;
		int rc =
		    unpack_text(bad[i].payload, strlen(bad[i].payload), &m);

		if (rc != bad[i].err)
			fail_msg("case %zu: %s", i, mule_strerror(rc));
		assert_int_equal(unit_alloc_live(), live);
	}
}

static void
test_long_lines_are_refused_and_long_content_lines_are_not(void **state)
{
	char text[20000];
	struct mule_message m;
	size_t n;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "<a@x.example> K=", 16);
	assert_int_equal(unpack_text(text, sizeof(text), &m), MULE_ELINE);
	n = (size_t)snprintf(
	    text, sizeof(text), "<a@x.example>\r\n<b@y.example>\r\n\r\n");
	text[n] = 'x';
	assert_int_equal(unpack_text(text, sizeof(text), &m), MULE_OK);
	assert_int_equal(m.content_len, sizeof(text) - n);
	mule_message_release(&m);
}

static void
test_rfc_spelling_of_binary_is_understood(void **state)
{
	static const char text[] =
	    "<a@x.example> BODY=BINARY\r\n<b@y.example>\r\n\r\n\0\n\r";
	struct mule_message m;

	(void)state;
	assert_int_equal(unpack_text(text, sizeof(text) - 1, &m), MULE_OK);
	assert_int_equal(m.content_len, 3);
	mule_message_release(&m);
}

static void
test_bombs_stop_at_the_limits(void **state)
{
	size_t len = 20 * 1024 * 1024, n;
	uint8_t *zeros = calloc(1, len), *cdt = wrap(zeros, len, &n);
	struct mule_limits by_size = limits, by_ratio = limits;
	struct mule_message m;

	(void)state;
	by_size.ratio_max = 0;
	assert_int_equal(mule_unpack(cdt, n, &by_size, &m), MULE_ETOOBIG);
	by_ratio.payload_max = 100 * 1024 * 1024;
	assert_int_equal(mule_unpack(cdt, n, &by_ratio, &m), MULE_ERATIO);
	free(zeros);
	free(cdt);
}

static void
test_size_limit_is_exact(void **state)
{
	static const char text[] =
	    "<a@x.example>\r\n<b@y.example>\r\n\r\nhello";
	struct mule_limits l = limits;
	struct mule_message m;
	size_t n;
	uint8_t *cdt = wrap(text, sizeof(text) - 1, &n);

	(void)state;
	l.payload_max = sizeof(text) - 1;
	assert_int_equal(mule_unpack(cdt, n, &l, &m), MULE_OK);
	mule_message_release(&m);
	l.payload_max--;
	assert_int_equal(mule_unpack(cdt, n, &l, &m), MULE_ETOOBIG);
	free(cdt);
}

static void
test_broken_streams_are_refused_for_the_right_reason(void **state)
{
	static const char text[] =
	    "<a@x.example>\r\n<b@y.example>\r\n\r\nhello";
	struct mule_inflate i;
	size_t n, out_len;
	uint8_t *z, *out;

	(void)state;
	assert_int_equal(mule_deflate(0, text, sizeof(text) - 1, 0, &z, &n), 0);
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *part = unit_copy(z, cut);

		assert_int_equal(mule_inflate_init(&i, 1000, 0), 0);
		assert_int_equal(mule_inflate_feed(&i, part, cut), 0);
		assert_int_equal(
		    mule_inflate_finish(&i, &out, &out_len), MULE_ETRUNCATED);
		mule_inflate_release(&i);
		free(part);
	}
	/* The Adler-32 at the end. */
	z[n - 1] ^= 1;
	assert_int_equal(mule_inflate_init(&i, 1000, 0), 0);
	assert_int_equal(mule_inflate_feed(&i, z, n), MULE_ECORRUPT);
	mule_inflate_release(&i);
	z[n - 1] ^= 1;
	/* One octet at a time, then one too many. */
	assert_int_equal(mule_inflate_init(&i, 1000, 0), 0);
	for (size_t k = 0; k < n; k++)
		assert_int_equal(mule_inflate_feed(&i, z + k, 1), 0);
	assert_int_equal(mule_inflate_feed(&i, z, 1), MULE_ETRAILING);
	mule_inflate_release(&i);
	free(z);
}

/* A CompressedData whose octet string comes in two pieces, cut anywhere. */
static uint8_t *
wrap_in_two(const uint8_t *z, size_t n, size_t cut, size_t *ret_len)
{
	static const uint8_t head[] = { 0x30, 0x80, 0x80, 1, 0, 0x30, 0x80,
		0x80, 1, 25, 0xa0, 0x80, 0x24, 0x80 };
	uint8_t *out = malloc(sizeof(head) + 4 + n + 8), *p = out;

	assert_true(n < 128);
	memcpy(p, head, sizeof(head));
	p += sizeof(head);
	*p++ = 0x04;
	*p++ = (uint8_t)cut;
	memcpy(p, z, cut);
	p += cut;
	*p++ = 0x04;
	*p++ = (uint8_t)(n - cut);
	memcpy(p, z + cut, n - cut);
	p += n - cut;
	memset(p, 0, 8); /* four ends of contents */
	*ret_len = (size_t)(p + 8 - out);
	return out;
}

static void
test_a_stream_in_two_chunks_is_read_wherever_it_is_cut(void **state)
{
	static const char text[] =
	    "<a@x.example>\r\n<b@y.example>\r\n\r\nhello";
	size_t n, len;
	uint8_t *z;

	(void)state;
	assert_int_equal(mule_deflate(0, text, sizeof(text) - 1, 0, &z, &n), 0);
	for (size_t cut = 0; cut <= n; cut++) {
		uint8_t *cdt = wrap_in_two(z, n, cut, &len);
		struct mule_message m;

		assert_int_equal(mule_unpack(cdt, len, &limits, &m), MULE_OK);
		assert_int_equal(m.content_len, 5);
		assert_memory_equal(m.content, "hello", 5);
		mule_message_release(&m);
		free(cdt);
	}
	free(z);
}

static void
test_every_truncation_is_refused_without_a_trace(void **state)
{
	static const char text[] = "<a@x.example> RET=FULL\r\n"
				   "<b@y.example> NOTIFY=NEVER\r\n"
				   "<c@y.example>\r\n\r\n";
	size_t live = unit_alloc_live(), n;
	uint8_t *cdt = wrap(text, sizeof(text) - 1, &n);
	struct mule_envelope env;
	struct mule_message m;

	(void)state;
	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *part = unit_copy(cdt, cut);

		assert_int_not_equal(
		    mule_unpack(part, cut, &limits, &m), MULE_OK);
		free(part);
	}
	free(cdt);
	for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
		uint8_t *part = unit_copy(text, cut);

		assert_int_not_equal(
		    mule_envelope_parse(part, cut, 10, &env), MULE_OK);
		free(part);
	}
	assert_int_equal(unit_alloc_live(), live);
}

static void
test_every_allocation_may_fail(void **state)
{
	struct smtp_str rcpt = str("<b@y.example>");
	size_t live = unit_alloc_live(), n = 0;
	uint8_t *cdt = NULL;
	struct mule_message m;
	char content[3000];
	int rc;

	(void)state;
	memset(content, 'c', sizeof(content));
	for (size_t k = 1;; k++) {
		unit_alloc_fail_at(k);
		rc = mule_pack(&how[0], str("<a@x.example>"), &rcpt, 1, content,
		    sizeof(content), &cdt, &n);
		unit_alloc_fail_at(0);
		if (rc == MULE_OK)
			break;
		assert_int_equal(rc, MULE_ENOMEM);
		assert_null(cdt);
		assert_int_equal(unit_alloc_live(), live);
	}
	live = unit_alloc_live();
	for (size_t k = 1;; k++) {
		unit_alloc_fail_at(k);
		rc = mule_unpack(cdt, n, &limits, &m);
		unit_alloc_fail_at(0);
		if (rc == MULE_OK)
			break;
		assert_int_equal(rc, MULE_ENOMEM);
		assert_int_equal(unit_alloc_live(), live);
	}
	mule_message_release(&m);
	free(cdt);
}

static void
test_mapped_priority_is_six_minus_and_never_negative(void **state)
{
	static const uint8_t want[] = { 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5,
		4, 3, 2, 1, 0, 0, 0, 0 };

	(void)state;
	for (int p = -9; p <= 9; p++)
		assert_int_equal(mule_priority(p), want[p + 9]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_vectors_unpack),
		cmocka_unit_test(test_rfc_example_unpacks_to_its_text),
		cmocka_unit_test(test_what_is_packed_unpacks_to_the_same),
		cmocka_unit_test(test_a_slower_link_gets_a_shorter_payload),
		cmocka_unit_test(
		    test_bad_envelopes_are_refused_for_the_right_reason),
		cmocka_unit_test(
		    test_long_lines_are_refused_and_long_content_lines_are_not),
		cmocka_unit_test(test_rfc_spelling_of_binary_is_understood),
		cmocka_unit_test(test_bombs_stop_at_the_limits),
		cmocka_unit_test(test_size_limit_is_exact),
		cmocka_unit_test(
		    test_broken_streams_are_refused_for_the_right_reason),
		cmocka_unit_test(
		    test_a_stream_in_two_chunks_is_read_wherever_it_is_cut),
		cmocka_unit_test(
		    test_every_truncation_is_refused_without_a_trace),
		cmocka_unit_test(test_every_allocation_may_fail),
		cmocka_unit_test(
		    test_mapped_priority_is_six_minus_and_never_negative),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

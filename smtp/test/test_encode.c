#include "smtp/encode.h"

#include <string.h>

#include "tests/unit/unit.h"

static size_t
encode(
    bool base64, bool text, const char *in, size_t len, size_t cut, char *out)
{
	struct smtp_encode e;
	size_t n = 0;

	smtp_encode_init(&e, base64, text);
	for (size_t at = 0, used; at < len; at += used) {
		size_t part = at < cut ? cut - at : len - at;

		n += smtp_encode(
		    &e, in + at, part, &used, out + n, SMTP_ENCODE_ROOM);
		assert_true(used > 0);
	}
	return n + smtp_encode_end(&e, out + n, SMTP_ENCODE_ROOM);
}

static void
check(bool base64, bool text, const char *in, size_t len, const char *want)
{
	char out[512];

	for (size_t cut = 0; cut <= len; cut++) {
		size_t n = encode(base64, text, in, len, cut, out);

		assert_int_equal(n, strlen(want));
		assert_memory_equal(out, want, n);
	}
}

#define QP_TEXT(in, want) check(false, true, in, sizeof(in) - 1, want)
#define QP_BINARY(in, want) check(false, false, in, sizeof(in) - 1, want)
#define BASE64(in, want) check(true, true, in, sizeof(in) - 1, want)

static void
test_quoted_text_keeps_its_line_ends(void **state)
{
	(void)state;
	QP_TEXT("", "");
	QP_TEXT("a=b\r\n\xfc\r\n", "a=3Db\r\n=FC\r\n");
	QP_TEXT("a \r\n\t\r\n b", "a=20\r\n=09\r\n b");
	QP_TEXT("a ", "a=20");
	QP_TEXT("a\rb\nc\r\r\n\r", "a=0Db=0Ac=0D\r\n=0D");
}

static void
test_quoted_binary_escapes_every_cr_and_lf(void **state)
{
	(void)state;
	QP_BINARY("a\r\nb\n \r", "a=0D=0Ab=0A=20=0D");
	QP_BINARY("\0\x7f\xff~", "=00=7F=FF~");
}

static void
test_base64_is_padded_and_ends_its_line(void **state)
{
	(void)state;
	BASE64("", "");
	BASE64("f", "Zg==\r\n");
	BASE64("fo", "Zm8=\r\n");
	BASE64("foo", "Zm9v\r\n");
	BASE64("\xff\xfe\r\n", "//4NCg==\r\n");
}

static void
test_lines_have_at_most_76_columns(void **state)
{
	char in[200], out[700], *end;

	(void)state;
	memset(in, 'x', sizeof(in));
	(void)encode(false, true, in, 76, 0, out);
	assert_memory_equal(out + 74, "x=\r\nx", 5);
	memset(in, 0xe4, sizeof(in));
	(void)encode(false, true, in, 26, 0, out);
	assert_memory_equal(out + 72, "=E4=\r\n=E4", 9);
	assert_int_equal(encode(true, true, in, 57, 0, out), 78);
	assert_int_equal(encode(true, true, in, 58, 0, out), 84);
	end = memchr(out, '\r', 84);
	assert_int_equal(end - out, 76);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quoted_text_keeps_its_line_ends),
		cmocka_unit_test(test_quoted_binary_escapes_every_cr_and_lf),
		cmocka_unit_test(test_base64_is_padded_and_ends_its_line),
		cmocka_unit_test(test_lines_have_at_most_76_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

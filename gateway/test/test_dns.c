/*
 * MX answers: what is in them, cut short, and in which order they are tried.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/dns.h"
#include "tests/unit/unit.h"

/* A response for t.example: MX 20 b.t.example, MX 10 a.t.example, one A. */
static const unsigned char answer[] = { 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 3, 0,
	0, 0, 0, 1, 't', 7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 15, 0,
	1, /* question, at 12 */
	0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 6, 0, 20, 1, 'b', 0xc0, 12, 0xc0,
	12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1, /* A */
	0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 60, 0, 6, 0, 10, 1, 'a', 0xc0, 12 };

static void
test_exchangers_are_read_and_other_records_passed_over(void **state)
{
	struct dns_mx_record r[DNS_MX_MAX];

	(void)state;
	assert_int_equal(
	    dns_parse_mx(answer, sizeof(answer), r, DNS_MX_MAX), 2);
	assert_int_equal(r[0].preference, 20);
	assert_string_equal(r[0].host, "b.t.example");
	assert_int_equal(r[1].preference, 10);
	assert_string_equal(r[1].host, "a.t.example");
	assert_int_equal(dns_parse_mx(answer, sizeof(answer), r, 1), 1);
}

static void
test_a_truncated_answer_is_none(void **state)
{
	struct dns_mx_record r[DNS_MX_MAX];

	(void)state;
	for (size_t cut = 0; cut < sizeof(answer); cut++) {
		unsigned char *part = unit_copy(answer, cut);

		assert_int_equal(dns_parse_mx(part, cut, r, DNS_MX_MAX), -1);
		free(part);
	}
}

static void
test_an_empty_name_is_a_null_mx(void **state)
{
	unsigned char null[] = { 0x12, 0x34, 0x81, 0x80, 0, 0, 0, 1, 0, 0, 0, 0,
		1, 'n', 0, 0, 15, 0, 1, 0, 0, 0, 60, 0, 3, 0, 0, 0 };
	struct dns_mx_record r[DNS_MX_MAX];

	(void)state;
	assert_int_equal(dns_parse_mx(null, sizeof(null), r, DNS_MX_MAX), 1);
	assert_string_equal(r[0].host, "");
}

static void
test_the_preferred_come_first_and_equals_in_any_order(void **state)
{
	bool a_first = false, b_first = false;

	(void)state;
	for (uint64_t random = 0; random < 64; random++) {
		struct dns_mx_record r[] = { { 30, "z.example" },
			{ 10, "a.example" }, { 20, "m.example" },
			{ 10, "b.example" } };

		assert_int_equal(
		    dns_sort_mx(r, 4, "own.example", random * 12345), 4);
		assert_string_equal(r[3].host, "z.example");
		assert_string_equal(r[2].host, "m.example");
		a_first = a_first || r[0].host[0] == 'a';
		b_first = b_first || r[0].host[0] == 'b';
	}
	assert_true(a_first && b_first);
}

static void
test_nothing_as_good_as_ourselves_is_left(void **state)
{
	(void)state;
	for (uint64_t random = 0; random < 16; random++) {
		struct dns_mx_record r[] = { { 20, "Own.Example" },
			{ 20, "b.example" }, { 10, "a.example" },
			{ 30, "c.example" } };

		assert_int_equal(
		    dns_sort_mx(r, 4, "own.example", random * 999), 1);
		assert_string_equal(r[0].host, "a.example");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_exchangers_are_read_and_other_records_passed_over),
		cmocka_unit_test(test_a_truncated_answer_is_none),
		cmocka_unit_test(test_an_empty_name_is_a_null_mx),
		cmocka_unit_test(
		    test_the_preferred_come_first_and_equals_in_any_order),
		cmocka_unit_test(test_nothing_as_good_as_ourselves_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

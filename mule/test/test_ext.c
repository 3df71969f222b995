/*
 * Table 1 of RFC 8494, row by row, and what follows from it.
 */
#include <string.h>

#include "mule/ext.h"
#include "tests/unit/unit.h"

static struct smtp_str
str(const char *s)
{
	return (struct smtp_str){ s, strlen(s) };
}

static void
test_table_1_has_its_seventeen_rows(void **state)
{
	static const struct {
		const char *keyword, *reference;
		enum mule_ext_status status;
	} rows[] = {
		{ "SIZE", "RFC 1870", MULE_EXT_REQUIRED },
		{ "8BITMIME", "RFC 6152", MULE_EXT_REQUIRED },
		{ "DSN", "RFC 3461", MULE_EXT_REQUIRED },
		{ "MT-PRIORITY", "RFC 6710", MULE_EXT_REQUIRED },
		{ "DELIVERBY", "RFC 2852", MULE_EXT_REQUIRED },
		{ "BINARYMIME", "RFC 3030", MULE_EXT_REQUIRED },
		{ "CHUNKING", "RFC 3030", MULE_EXT_SPECIAL },
		{ "ENHANCEDSTATUSCODES", "RFC 2034", MULE_EXT_SPECIAL },
		{ "RRVS", "RFC 7293", MULE_EXT_SUPPORTED },
		{ "SUBMITTER", "RFC 4405", MULE_EXT_SUPPORTED },
		{ "PIPELINING", "RFC 2920", MULE_EXT_NA },
		{ "STARTTLS", "RFC 3207", MULE_EXT_NA },
		{ "AUTH", "RFC 4954", MULE_EXT_SPECIAL },
		{ "BURL", "RFC 4468", MULE_EXT_NA },
		{ "NO-SOLICITING", "RFC 3865", MULE_EXT_NA },
		{ "CHECKPOINT", "RFC 1845", MULE_EXT_DISALLOWED },
		{ "CONNEG", "RFC 4141", MULE_EXT_DISALLOWED },
	};
	size_t in_table = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct mule_ext *e = mule_ext_find(str(rows[i].keyword));

		assert_non_null(e);
		assert_true(e->in_table);
		assert_int_equal(e->status, rows[i].status);
		assert_string_equal(e->reference, rows[i].reference);
	}
	for (size_t i = 0; i < mule_next; i++)
		in_table += mule_exts[i].in_table;
	assert_int_equal(in_table, 17);
}

static void
test_parameters_belong_to_one_extension(void **state)
{
	(void)state;
	assert_string_equal(
	    mule_ext_of_param(str("notify"), true)->keyword, "DSN");
	assert_string_equal(
	    mule_ext_of_param(str("ENVID"), false)->keyword, "DSN");
	assert_string_equal(
	    mule_ext_of_param(str("by"), false)->keyword, "DELIVERBY");
	assert_null(mule_ext_of_param(str("NOTIFY"), false));
	assert_null(mule_ext_of_param(str("NOTIF"), true));
	assert_null(mule_ext_of_param(str("X-NEW"), false));
	assert_null(mule_ext_find(str("SIZES")));
}

static void
test_only_compatible_parameters_travel(void **state)
{
	static const char *const yes[] = { "BODY", "RET", "ENVID", "BY",
		"MT-PRIORITY", "SIZE", "AUTH", "SMTPUTF8", "X-UNKNOWN" };
	static const char *const no[] = { "TRANSID", "HOLDFOR", "HOLDUNTIL",
		"REQUIRETLS", "CONPERM", "SOLICIT", "requiretls" };

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
		assert_true(
		    mule_param_travels(str(yes[i]), false, MULE_AGREED_ALL));
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(
		    mule_param_travels(str(no[i]), false, MULE_AGREED_ALL));
	assert_true(mule_param_travels(str("ORCPT"), true, 0));
	assert_false(mule_param_travels(str("CONNEG"), true, MULE_AGREED_ALL));
}

static void
test_what_takes_an_agreement_travels_only_with_it(void **state)
{
	static const struct {
		const char *param;
		bool rcpt;
		unsigned agreed;
	} cases[] = {
		{ "AUTH", false, MULE_AGREED_AUTH },
		{ "SUBMITTER", false, MULE_AGREED_SUBMITTER },
		{ "SMTPUTF8", false, MULE_AGREED_SMTPUTF8 },
		{ "MTRK", false, MULE_AGREED_MTRK },
		{ "RRVS", true, MULE_AGREED_RRVS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_str p = str(cases[i].param);

		assert_true(
		    mule_param_travels(p, cases[i].rcpt, cases[i].agreed));
		assert_false(mule_param_travels(
		    p, cases[i].rcpt, MULE_AGREED_ALL & ~cases[i].agreed));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_1_has_its_seventeen_rows),
		cmocka_unit_test(test_parameters_belong_to_one_extension),
		cmocka_unit_test(test_only_compatible_parameters_travel),
		cmocka_unit_test(
		    test_what_takes_an_agreement_travels_only_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Values of the configuration: ranges, spellings, limits.
 */
#include "config/test/fixture.h"

/* The whole range of every number, and one step beyond at both ends. */
struct range_row {
	const char *key;
	const char *where; /* HEAD + where + " KEY: VALUE" + "}" + rest */
	const char *below, *least, *most, *above;
};

#define IN_SMTP "smtp: {"
#define IN_RETRY "smtp: {retry_max: 7d, "
#define IN_PRIORITY IN_LINK "priorities: [{priority: 0, "
#define IN_LINK "links: [{name: l, interface: e, "

static const struct range_row range_rows[] = {
	{ "max_message_size", IN_SMTP, "65535", "64KiB", "1GiB", "1073741825" },
	{ "max_recipients", IN_SMTP, "99", "100", "100000", "100001" },
	{ "max_sessions", IN_SMTP, "0", "1", "10000", "10001" },
	{ "max_sessions_per_peer", IN_SMTP, "0", "1", "10000", "10001" },
	{ "max_hops", IN_SMTP, "4", "5", "1000", "1001" },
	{ "timeout", IN_SMTP, "999999us", "1s", "1d", "86401s" },
	{ "lifetime", IN_SMTP, "999ms", "1s", "365d", "8761h" },
	{ "retry_first", IN_RETRY, "999ms", "1s", "1d", "86401s" },
	{ "retry_factor", IN_RETRY, "0.99", "1", "10", "10.01" },
	{ "retry_jitter", IN_RETRY, NULL, "0%", "50%", "51%" },
	{ "retry_max", "smtp: {retry_first: 1s, ", "999ms", "1s", "7d",
	    "169h" },
	{ "ttl", IN_LINK, "0", "1", "255", "256" },
	{ "tport", IN_LINK, "0", "1", "65535", "65536" },
	{ "rport", IN_LINK, "0", "1", "65535", "65536" },
	{ "dport", IN_LINK, "0", "1", "65535", "65536" },
	{ "aport", IN_LINK, "0", "1", "65535", "65536" },
	{ "bit_rate", IN_LINK, "9", "10", "4000000000", "4000000001" },
	{ "overhead", IN_LINK, NULL, "0", "1000", "1001" },
	{ "pdu_max", IN_LINK, "63", "64", "65507", "65508" },
	{ "ack_retransmission_time", IN_LINK, "999us", "1ms", "1d", "25h" },
	{ "back_off_factor", IN_LINK, "0.99", "1", "10", "10.01" },
	{ "back_off_limit", IN_LINK, "0.99", "1", "100", "100.01" },
	{ "ack_delay_upper_bound", IN_LINK, NULL, "0s", "1d", "25h" },
	{ "ack_pdu_time", IN_LINK, "999us", "1ms", "1d", "25h" },
	{ "ack_pdu_repeats", IN_LINK, NULL, "0", "100", "101" },
	{ "mm", IN_LINK, "0", "1", "32000", "32001" },
	{ "undefined_pdu_expiry_time", IN_LINK, "999ms", "1s", "30d", "721h" },
	{ "emcon_rtc", IN_LINK, NULL, "0", "1000", "1001" },
	{ "emcon_rti", IN_LINK, "999us", "1ms", "30d", "721h" },
	{ "clock_skew", IN_LINK, NULL, "0s", "30d", "721h" },
	{ "turnaround", IN_LINK, NULL, "0s", "10m", "600001ms" },
	{ "ack_retransmission_min", IN_LINK "ack_retransmission_time: 1d, ",
	    NULL, "0s", "1d", "25h" },
	{ "wait_for_reject_time", IN_LINK, "999us", "1ms", "1d", "25h" },
	{ "announce_delay", IN_LINK, "999us", "1ms", "1d", "25h" },
	{ "announce_ct", IN_LINK, "0", "1", "100", "101" },
	{ "rx_lifetime", IN_LINK, NULL, "0s", "365d", "8761h" },
	{ "polls", IN_LINK, NULL, "0", "100", "101" },
	{ "lifetime", IN_PRIORITY, "999ms", "1s", "365d", "8761h" },
	{ "max_message_size",
	    "links: [{name: l, interface: e, max_in_flight_bytes: 1GiB, "
	    "max_message_size: 1GiB, priorities: [{priority: 0, ",
	    "1023", "1KiB", "1GiB", "1073741825" },
	{ "expiry", IN_LINK, "999ms", "1s", "365d", "8761h" },
	{ "max_message_size", IN_LINK "max_in_flight_bytes: 1GiB, ", "1023",
	    "1KiB", "1GiB", "1073741825" },
	{ "max_in_flight", IN_LINK, "0", "1", "10000", "10001" },
	{ "max_in_flight_bytes", IN_LINK "max_message_size: 1KiB, ", "65535",
	    "64KiB", "16GiB", "17179869185" },
};

static int
load_row(const struct range_row *row, const char *value, char *err)
{
	const char *end = strstr(row->where, "priorities") != NULL ? "}]}]"
			  : strchr(row->where, '[') != NULL        ? "}]"
								   : "}";
	struct cfg *cfg = NULL;
	char text[512];
	int rc;

	snprintf(text, sizeof(text), MINIMAL "%s%s: %s%s\n", row->where,
	    row->key, value, end);
	rc = load(text, strlen(text), "t", &cfg, err);
	if (rc == CFG_OK)
		cfg_free(&cfg);
	return rc;
}

static void
test_each_number_has_its_whole_range_and_no_more(void **state)
{
	char err[CFG_ERROR_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(range_rows) / sizeof(range_rows[0]);
	     i++) {
		const struct range_row *r = &range_rows[i];

		if (load_row(r, r->least, err) != CFG_OK ||
		    load_row(r, r->most, err) != CFG_OK)
			fail_msg("%s", err);
		assert_int_equal(load_row(r, r->above, err), CFG_EINVALID);
		assert_non_null(strstr(err, "is out of range"));
		if (r->below == NULL)
			continue;
		assert_int_equal(load_row(r, r->below, err), CFG_EINVALID);
		assert_non_null(strstr(err, "is out of range"));
	}
}

/* --- spellings ------------------------------------------------------------------ */

struct spelling {
	const char *text;
	bool good;
};

static void
check_spellings(
    const char *before, const char *after, const struct spelling *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cfg *cfg = NULL;
		char text[8192], err[CFG_ERROR_MAX];
		int rc;

		snprintf(
		    text, sizeof(text), "%s%s%s", before, s[i].text, after);
		rc = load(text, strlen(text), "t", &cfg, err);
		if ((rc == CFG_OK) != s[i].good)
			fail_msg("\"%.60s\": %d %s", s[i].text, rc, err);
		if (rc == CFG_OK)
			cfg_free(&cfg);
		else
			assert_int_equal(rc, CFG_EINVALID);
		assert_int_equal(rc == CFG_OK, s[i].good);
	}
}

#define SPELLINGS(before, after, s) \
	check_spellings(before, after, s, sizeof(s) / sizeof((s)[0]))

static void
test_ipv6_addresses_are_those_of_rfc_4291(void **state)
{
	static const struct spelling s[] = {
		{ "::", true },
		{ "::1", true },
		{ "1::", true },
		{ "1:2:3:4:5:6:7:8", true },
		{ "1:2:3:4:5:6:7::", true },
		{ "::2:3:4:5:6:7:8", true },
		{ "1:2:3:4:5:6:1.2.3.4", true },
		{ "::ffff:1.2.3.4", true },
		{ "::1.2.3.4", true },
		{ "FE80::aBcD", true },
		{ "", false },
		{ ":", false },
		{ ":::", false },
		{ ":1", false },
		{ "1:", false },
		{ "1:2:3:4:5:6:7", false },
		{ "1:2:3:4:5:6:7:8:9", false },
		{ "1:2:3:4:5:6:7:8::", false },
		{ "::1:2:3:4:5:6:7:8", false },
		{ "1::2::3", false },
		{ "12345::", false },
		{ "g::", false },
		{ "1.2.3.4", false },
		{ "1.2.3.4::", false },
		{ "1.2.3.4:5:6:7:8:9:1", false },
		{ "::1.2.3", false },
		{ "::1.2.3.256", false },
		{ "1:2:3:4:5:6:7:1.2.3.4", false },
		{ "fe80::1%eth0", false },
		{ " ::1", false },
	};

	(void)state;
	SPELLINGS(MINIMAL "console: {address: \"[", "]:1\"}\n", s);
}

static void
test_addresses_have_a_numeric_host_and_a_port(void **state)
{
	static const struct spelling s[] = {
		{ "127.0.0.1:1", true },
		{ "0.0.0.0:0", true },
		{ "127.0.0.1:65535", true },
		{ "127.0.0.1:65536", false },
		{ "127.0.0.1:", false },
		{ "127.0.0.1", false },
		{ ":25", false },
		{ "", false },
		{ "127.0.0.1:01", false },
		{ "127.0.0.1:+1", false },
		{ "127.0.0.1:1 ", false },
		{ "127.0.1:1", false },
		{ "127.0.0.1.:1", false },
		{ "127..0.1:1", false },
		{ "[127.0.0.1]:1", false },
		{ "[::1:1", false },
		{ "::1]:1", false },
		{ "a.b:1", false },
		{ "127.0.0.1:18446744073709551617", false },
	};

	(void)state;
	SPELLINGS(MINIMAL "console: {address: \"", "\"}\n", s);
}

static void
test_hosts_are_names_or_addresses(void **state)
{
	static const struct spelling s[] = {
		{ "localhost:25", true },
		{ "a.b-c.d:1", true },
		{ "1a.2b:1", true },
		{ "3.a:1", true },
		{ "[::1]:25", true },
		{ "a.3:1", false },
		{ "1.2.3.999:1", false },
		{ "a..b:1", false },
		{ ".a:1", false },
		{ "a.:1", false },
		{ "-a:1", false },
		{ "a-:1", false },
		{ "a b:1", false },
		{ "a_b:1", false },
		{ "[a]:1", false },
	};

	(void)state;
	SPELLINGS(
	    HEAD "routes: [{domain: \"*\", via: smtp, host: \"", "\"}]\n", s);
}

static void
test_domains_are_names_or_stars(void **state)
{
	char longest[300], longer[300];
	const struct spelling s[] = {
		{ "*", true },
		{ "a", true },
		{ "*.a", true },
		{ "*.a.b", true },
		{ longest, true },
		{ longer, false },
		{ "*.", false },
		{ "**", false },
		{ "*a", false },
		{ "a.*", false },
		{ "*.*", false },
		{ "", false },
		{ "[10.0.0.1]", false },
	};

	(void)state;
	/* 253 octets in labels of 49, the most that RFC 1035 allows; and 254. */
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = longer[i] = i % 50 == 49 ? '.' : 'a';
	longest[253] = longer[254] = '\0';
	SPELLINGS(HEAD "smtp: {postmaster: p@q.example}\n"
		       "routes: [{domain: q.example, via: mx}, {domain: \"",
	    "\", via: mx}]\n", s);
}

static void
test_priorities_are_one_or_a_range(void **state)
{
	static const struct spelling s[] = {
		{ "0", true },
		{ "9", true },
		{ "-9", true },
		{ "\"4\"", true },
		{ "-9..9", true },
		{ "-9..-9", true },
		{ "-1..0", true },
		{ "0..9", true },
		{ "10", false },
		{ "-10", false },
		{ "-9..10", false },
		{ "-10..9", false },
		{ "1..0", false },
		{ "-1..-2", false },
		{ "-0", false },
		{ "+1", false },
		{ "01", false },
		{ "1.", false },
		{ "1..", false },
		{ "1.2", false },
		{ "..2", false },
		{ "1...2", false },
		{ "1..2..3", false },
		{ "1-2", false },
		{ "1 ..2", false },
		{ "--1", false },
		{ "-", false },
		{ "\"\"", false },
		{ "18446744073709551617", false },
		{ "flash", false },
	};

	(void)state;
	SPELLINGS(MINIMAL "links: [{name: l, interface: e, priorities: "
			  "[{priority: ",
	    ", lifetime: 1h}]}]\n", s);
}

static void
test_durations_are_exact(void **state)
{
	static const struct spelling s[] = {
		{ "1.5s", true },
		{ "1.000001s", true },
		{ "0.5d", true },
		{ "1.0000001s", false },
		{ "1.0000005m", false },
		{ "1.s", false },
		{ ".5m", false },
		{ "1.5.5m", false },
		{ "5 m", false },
		{ "5M", false },
		{ "05m", false },
		{ "-5m", false },
		{ "5m30s", false },
		{ "s", false },
		{ "", false },
		{ "213503983d", false },
		{ "18446744073709551615us", false },
		{ "18446744073709551617us", false },
	};

	(void)state;
	SPELLINGS(MINIMAL "smtp: {timeout: \"", "\"}\n", s);
}

static void
test_sizes_are_whole_octets(void **state)
{
	static const struct spelling s[] = {
		{ "65536", true },
		{ "65536.0", true },
		{ "64.5KiB", true },
		{ "0.5MiB", true },
		{ "64.3KiB", false },
		{ "65536.5", false },
		{ "64kib", false },
		{ "64K", false },
		{ "64 KiB", false },
		{ "0x10000", false },
		{ "99999999999GiB", false },
	};

	(void)state;
	SPELLINGS(MINIMAL "smtp: {max_message_size: \"", "\"}\n", s);
}

static void
test_fractions_count(void **state)
{
	struct cfg *cfg = must_load(
	    MINIMAL "smtp: {max_message_size: 64.5KiB, timeout: 1.25m}\n");

	(void)state;
	assert_int_equal(cfg->smtp.max_message_size, 66048);
	assert_int_equal(cfg->smtp.timeout_us, 75000000);
	cfg_free(&cfg);
}

static void
test_names_and_interfaces_are_short_words(void **state)
{
	char longest[65], longer[65];
	const struct spelling names[] = {
		{ "a", true },
		{ "7", true },
		{ "A.b-c_d", true },
		{ longest, true },
		{ longer, false },
		{ "", false },
		{ "-a", false },
		{ "a:b", false },
		{ "a/b", false },
	};
	static const struct spelling interfaces[] = {
		{ "eth0", true },
		{ "10.0.0.1", true },
		{ "eth0.100:1", true },
		{ "123456789012345", false },
		{ "12345678901234a", true },
		{ "123456789012345a", false },
		{ "e 0", false },
		{ "e/0", false },
		{ "", false },
	};

	(void)state;
	memset(longest, 'a', sizeof(longest));
	memcpy(longer, longest, sizeof(longer));
	longest[63] = longer[64] = '\0';
	SPELLINGS(MINIMAL "links: [{name: \"", "\", interface: e}]\n", names);
	SPELLINGS(
	    MINIMAL "links: [{name: l, interface: \"", "\"}]\n", interfaces);
}

static void
must_take(const char *text)
{
	struct cfg *cfg = must_load(text);

	assert_in_range(cfg->nroutes, 1, 10);
	cfg_free(&cfg);
}

static void
test_what_only_looks_shared_is_taken(void **state)
{
	(void)state;
	/* Port 0 is another one each time. */
	must_take(MINIMAL "smtp: {listen: [{address: \"127.0.0.1:0\"},"
			  " {address: \"127.0.0.1:0\"}]}\n"
			  "console: {address: \"127.0.0.1:0\"}\n");
	must_take(MINIMAL "smtp: {listen: [{address: \"127.0.0.1:25\"},"
			  " {address: \"127.0.0.2:25\"}]}\n");
	must_take(MINIMAL "links: [{name: a, interface: e0},"
			  " {name: b, interface: e1}]\n");
	must_take(
	    MINIMAL "links: [{name: a, bearer: emulated, hub: \"127.0.0.1:1\"},"
		    " {name: b, bearer: emulated, hub: \"127.0.0.1:2\"}]\n");
}

static void
test_paths_are_as_long_as_the_system_takes(void **state)
{
	static char path[5000], socket[200];
	struct spelling paths[] = { { path, true } };
	struct spelling sockets[] = { { socket, true } };

	(void)state;
	memset(path, '/', 4095);
	SPELLINGS(MINIMAL "smtp: {listen: [{address: \"0.0.0.0:1\", tls:"
			  " {key: /k, certificate: \"",
	    "\"}}]}\n", paths);
	path[4095] = '/';
	paths[0].good = false;
	SPELLINGS(MINIMAL "smtp: {listen: [{address: \"0.0.0.0:1\", tls:"
			  " {key: /k, certificate: \"",
	    "\"}}]}\n", paths);
	memset(socket, '/', 107);
	SPELLINGS(MINIMAL "control: \"", "\"\n", sockets);
	socket[107] = '/';
	sockets[0].good = false;
	SPELLINGS(MINIMAL "control: \"", "\"\n", sockets);
}

/* --- limits ----------------------------------------------------------------------- */

static int
node_item(char *buf, size_t cap, size_t i)
{
	return snprintf(
	    buf, cap, "{name: n%zu, id: 1.0.%zu.%zu},", i, i / 250, i % 250);
}

static int
link_item(char *buf, size_t cap, size_t i)
{
	return snprintf(buf, cap, "{name: l%zu, interface: e%zu},", i, i);
}

static int
route_item(char *buf, size_t cap, size_t i)
{
	return snprintf(buf, cap, "{domain: d%zu, via: mx},", i);
}

/* So many items are taken, and one more is refused. */
static void
check_limit(const char *key, int (*item)(char *, size_t, size_t), size_t most,
    const char *rest)
{
	size_t cap = 100 * (most + 3);
	char *text = malloc(cap), want[128];

	for (size_t n = most; n <= most + 1; n++) {
		size_t len = (size_t)snprintf(text, cap, HEAD "%s: [", key);

		for (size_t i = 0; i < n; i++)
			len += (size_t)item(text + len, cap - len, i);
		snprintf(text + len, cap - len, "]\n%s", rest);
		if (n == most) {
			struct cfg *cfg = must_load(text);

			cfg_free(&cfg);
			continue;
		}
		snprintf(want, sizeof(want),
		    "t:2: %s: %zu items, at most %zu was expected", key, n,
		    most);
		must_refuse(text, want);
	}
	free(text);
}

static void
test_each_list_has_a_limit(void **state)
{
	(void)state;
	check_limit("nodes", node_item, 1000, ROUTES);
	check_limit("links", link_item, 64, ROUTES);
	check_limit("routes", route_item, 2000, "smtp: {postmaster: p@d0}\n");
}

static void
test_a_text_over_the_limit_is_not_read(void **state)
{
	size_t len = CFG_TEXT_MAX;
	char *text = malloc(len + 1), err[CFG_ERROR_MAX];
	struct cfg *cfg = NULL;

	(void)state;
	memset(text, '\n', len + 1);
	memcpy(text, MINIMAL, strlen(MINIMAL));
	assert_int_equal(load(text, len, "t", &cfg, err), CFG_OK);
	cfg_free(&cfg);
	assert_int_equal(load(text, len + 1, "t", &cfg, err), CFG_EINVALID);
	assert_string_equal(
	    err, "t:1: the file is too long, at most 1MiB was expected");
	free(text);
}

static void
test_a_text_that_nests_without_end_is_refused(void **state)
{
	char *text = malloc(200001), err[CFG_ERROR_MAX];
	struct cfg *cfg = NULL;

	(void)state;
	memset(text, '[', 200000);
	memcpy(text, "node: ", 6);
	assert_int_equal(load(text, 200000, "t", &cfg, err), CFG_EINVALID);
	memset(text + 6, '{', 199994);
	assert_int_equal(load(text, 200000, "t", &cfg, err), CFG_EINVALID);
	for (size_t i = 0; i < 200000; i += 2)
		memcpy(text + i, "- ", 2);
	assert_int_equal(load(text, 200000, "t", &cfg, err), CFG_EINVALID);
	assert_null(cfg);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_priorities_are_one_or_a_range),
		cmocka_unit_test(
		    test_each_number_has_its_whole_range_and_no_more),
		cmocka_unit_test(test_ipv6_addresses_are_those_of_rfc_4291),
		cmocka_unit_test(test_addresses_have_a_numeric_host_and_a_port),
		cmocka_unit_test(test_hosts_are_names_or_addresses),
		cmocka_unit_test(test_domains_are_names_or_stars),
		cmocka_unit_test(test_durations_are_exact),
		cmocka_unit_test(test_sizes_are_whole_octets),
		cmocka_unit_test(test_fractions_count),
		cmocka_unit_test(test_names_and_interfaces_are_short_words),
		cmocka_unit_test(test_what_only_looks_shared_is_taken),
		cmocka_unit_test(test_paths_are_as_long_as_the_system_takes),
		cmocka_unit_test(test_each_list_has_a_limit),
		cmocka_unit_test(test_a_text_over_the_limit_is_not_read),
		cmocka_unit_test(test_a_text_that_nests_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

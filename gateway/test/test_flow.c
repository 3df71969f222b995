/*
 * Decisions about a message: routes, groups, times, lines, notifications.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/flow.h"
#include "gateway/log.h"
#include "gateway/route.h"
#include "mule/ext.h"
#include "tests/unit/unit.h"

static const char config[] =
    "node: {hostname: shore.example.mil, id: 10.142.0.1}\n"
    "smtp: {retry_first: 60s, retry_factor: 2, retry_max: 1h,"
    " retry_jitter: 10%, lifetime: 4d}\n"
    "nodes:\n"
    "  - {name: ship1, id: 10.142.0.2}\n"
    "  - {name: ship2, id: 10.142.0.3}\n"
    "  - {name: ship3, id: 10.142.0.4}\n"
    "links:\n"
    "  - name: hf1\n"
    "    interface: 127.0.0.1\n"
    "    groups:\n"
    "      - {name: all, address: 239.142.0.1,"
    " members: [ship1, ship2, ship3]}\n"
    "      - {name: two, address: 239.142.0.2, members: [ship1, ship2]}\n"
    "      - {name: one, address: 239.142.0.3, members: [ship1]}\n"
    "routes:\n"
    "  - {domain: ship1.example.mil, via: mule, node: ship1}\n"
    "  - {domain: \"*.ship2.example.mil\", via: mule, node: ship2}\n"
    "  - {domain: shore.example.mil, via: smtp, host: \"127.0.0.1:2525\"}\n"
    "  - {domain: \"*.example.mil\", via: mx}\n";

static struct cfg *cfg;

static int
load(void **state)
{
	char err[300];

	(void)state;
	if (cfg_load(config, strlen(config), "test", &cfg, err, sizeof(err)) !=
	    CFG_OK) {
		fprintf(stderr, "%s\n", err);
		return -1;
	}
	return 0;
}

static int
unload(void **state)
{
	(void)state;
	cfg_free(&cfg);
	return 0;
}

static struct smtp_str
str(const char *s)
{
	return (struct smtp_str){ s, strlen(s) };
}

static void
test_most_specific_route_wins(void **state)
{
	static const struct {
		const char *domain;
		enum route_type type;
		const char *hop;
		uint32_t node;
	} cases[] = {
		{ "ship1.example.mil", ROUTE_MULE, "mule:hf1", 0x0a8e0002 },
		{ "SHIP1.Example.MIL", ROUTE_MULE, "mule:hf1", 0x0a8e0002 },
		{ "mess.ship2.example.mil", ROUTE_MULE, "mule:hf1",
		    0x0a8e0003 },
		{ "ship2.example.mil", ROUTE_MX, "mx:ship2.example.mil", 0 },
		{ "shore.example.mil", ROUTE_SMTP, "smtp:127.0.0.1:2525", 0 },
		{ "example.mil", ROUTE_NONE, "", 0 },
		{ "elsewhere.example", ROUTE_NONE, "", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route r;

		route_find(cfg, str(cases[i].domain), "", &r);
		assert_int_equal(r.type, cases[i].type);
		assert_string_equal(r.hop, cases[i].hop);
		assert_int_equal(r.node, cases[i].node);
	}
}

static void
test_no_route_leads_back_into_the_link(void **state)
{
	struct route r;

	(void)state;
	route_find(cfg, str("ship1.example.mil"), "hf1", &r);
	assert_int_equal(r.type, ROUTE_BACK);
	route_find(cfg, str("ship1.example.mil"), "hf2", &r);
	assert_int_equal(r.type, ROUTE_MULE);
	route_find(cfg, str("shore.example.mil"), "hf1", &r);
	assert_int_equal(r.type, ROUTE_SMTP);
}

static void
test_smallest_group_that_covers_most_is_taken(void **state)
{
	const uint32_t ids[] = { 0x0a8e0002, 0x0a8e0003, 0x0a8e0004 };
	const uint32_t stranger[] = { 0x0a8e0099 };
	const uint32_t mixed[] = { 0x0a8e0099, 0x0a8e0002 };

	(void)state;
	assert_string_equal(route_group(cfg->links, ids, 1)->name, "one");
	assert_string_equal(route_group(cfg->links, ids, 2)->name, "two");
	assert_string_equal(route_group(cfg->links, ids, 3)->name, "all");
	assert_string_equal(route_group(cfg->links, ids + 2, 1)->name, "all");
	assert_string_equal(route_group(cfg->links, mixed, 2)->name, "one");
	assert_null(route_group(cfg->links, stranger, 1));
}

static void
test_dynamic_groups_are_for_what_no_static_group_covers(void **state)
{
	const uint32_t ids[] = { 0x0a8e0002, 0x0a8e0003, 0x0a8e0004, 99 };
	struct cfg_link l = cfg->links[0];
	const struct cfg_group *g;

	(void)state;
	for (size_t n = 1; n <= 4; n++) {
		g = route_group(&l, ids, n);
		l.pool_first = l.pool_last = 0;
		assert_false(route_group_dynamic(&l, g, ids, n));
		l.pool_first = l.pool_last = 0xef8e0100;
		assert_int_equal(route_group_dynamic(&l, g, ids, n), n == 4);
	}
	assert_true(route_group_dynamic(&l, NULL, ids + 3, 1));
	l.pool_first = 0;
	assert_false(route_group_dynamic(&l, NULL, ids + 3, 1));
}

static void
test_retries_back_off_within_jitter_and_limit(void **state)
{
	static const int64_t waits[] = { 60, 120, 240, 480, 960, 1920, 3600,
		3600 };

	(void)state;
	for (uint32_t n = 0; n < 8; n++)
		for (uint64_t r = 0; r < 5000; r += 7) {
			int64_t at = flow_retry_at(&cfg->smtp, n, 1000, r);

			assert_in_range(at - 1000, waits[n] * 9 / 10 - 1,
			    waits[n] * 11 / 10 + 1);
		}
	/* The jitter is used. */
	assert_int_not_equal(flow_retry_at(&cfg->smtp, 3, 0, 0),
	    flow_retry_at(&cfg->smtp, 3, 0, 1000));
	assert_in_range(
	    flow_retry_at(&cfg->smtp, UINT32_MAX, 0, 0), 3200, 3600);
}

static void
test_delivery_deadline_bounds_the_expiry_in_mode_r(void **state)
{
	static const struct {
		const char *params;
		int64_t expires, by;
		char mode;
		int priority;
	} cases[] = {
		{ "", 345600, 0, 0, 0 },
		{ "MT-PRIORITY=4", 345600, 0, 0, 4 },
		{ "BY=100;R", 100, 100, 'R', 0 },
		{ "BY=100;NT", 345600, 100, 'N', 0 },
		{ "BY=999999;R", 345600, 999999, 'R', 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct queue_message m = { .accepted_at = 5000 };
		struct smtp_mail_params p;

		assert_int_equal(
		    smtp_mail_params_parse(str(cases[i].params), &p, NULL),
		    SMTP_OK);
		flow_set_times(cfg, &p, &m);
		assert_int_equal(m.expires_at, 5000 + cases[i].expires);
		assert_int_equal(
		    m.deliver_by, cases[i].by != 0 ? 5000 + cases[i].by : 0);
		assert_int_equal(m.by_mode, cases[i].mode);
		assert_int_equal(m.priority, cases[i].priority);
		assert_int_equal(m.by_trace, i == 3);
	}
}

static void
test_from_line_is_made_anew_for_the_next_hop(void **state)
{
	char buf[FLOW_LINE_MAX];

	(void)state;
	assert_true(flow_from_line(
	    "<a@x> SIZE=5 BODY=8BITMIME ENVID=q "
	    "REQUIRETLS HOLDFOR=9 X-NEW=1 MT-PRIORITY=2 BY=500;RT",
	    2, 1500, 'R', true, 1100, MULE_AGREED_ALL, buf));
	assert_string_equal(buf, "<a@x> MT-PRIORITY=2 BODY=8BITMIME ENVID=q "
				 "X-NEW=1 BY=400;RT");
	assert_true(flow_from_line("<@r:a@x> BY=1;N", 0, 1000, 'N', false, 1100,
	    MULE_AGREED_ALL, buf));
	assert_string_equal(buf, "<a@x> MT-PRIORITY=0 BY=-100;N");
	/* R with nothing left would be a syntax error at the next hop. */
	assert_true(flow_from_line(
	    "<>", -3, 1000, 'R', false, 1100, MULE_AGREED_ALL, buf));
	assert_string_equal(buf, "<> MT-PRIORITY=-3 BY=1;R");
	assert_false(flow_from_line(
	    "nonsense", 0, 0, 0, false, 0, MULE_AGREED_ALL, buf));
	/* Only what the network has agreed to. */
	assert_true(flow_from_line("<a@x> AUTH=<> SMTPUTF8 SUBMITTER=b X-Y=1",
	    0, 0, 0, false, 0, MULE_AGREED_SMTPUTF8, buf));
	assert_string_equal(buf, "<a@x> MT-PRIORITY=0 SMTPUTF8 X-Y=1");
	assert_true(flow_rcpt_line("<@r:b@y> NOTIFY=NEVER RRVS=2014-04-03T23:"
				   "01:00Z;C ORCPT=rfc822;b@y",
	    0, buf));
	assert_string_equal(buf, "<b@y> NOTIFY=NEVER ORCPT=rfc822;b@y");
	assert_true(flow_rcpt_line(
	    "<b@y> RRVS=2014-04-03T23:01:00Z", MULE_AGREED_RRVS, buf));
	assert_string_equal(buf, "<b@y> RRVS=2014-04-03T23:01:00Z");
	assert_false(flow_rcpt_line("nonsense", 0, buf));
}

static void
test_reports_are_made_as_the_sender_asked(void **state)
{
	static const struct {
		const char *from, *rcpt;
		bool failed, delayed;
	} cases[] = {
		{ "<a@x>", "<b@y>", true, true },
		{ "<>", "<b@y>", false, false },
		{ "<>", "<b@y> NOTIFY=FAILURE", false, false },
		{ "<a@x>", "<b@y> NOTIFY=NEVER", false, false },
		{ "<a@x>", "<b@y> NOTIFY=SUCCESS,DELAY", false, true },
		{ "<a@x>", "<b@y> NOTIFY=SUCCESS,FAILURE", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *from = cases[i].from, *rcpt = cases[i].rcpt;

		assert_int_equal(
		    flow_notify(FLOW_REPORT_FAILED, from, rcpt, NULL),
		    cases[i].failed);
		assert_int_equal(
		    flow_notify(FLOW_REPORT_DELAYED, from, rcpt, NULL),
		    cases[i].delayed);
	}
}

/* RFC 3461 5.2.2, RFC 2852 5. */
static void
test_passing_on_is_reported_where_the_next_hop_will_not(void **state)
{
	static const struct {
		const char *rcpt;
		struct flow_passed passed;
		bool relayed;
	} cases[] = {
		{ "<b@y>", { 0, 0, false }, false },
		{ "<b@y>", { SMTP_EXT_DSN, 0, false }, false },
		{ "<b@y> NOTIFY=SUCCESS", { SMTP_EXT_DSN, 0, false }, true },
		{ "<b@y> NOTIFY=SUCCESS", { 0, 0, false }, false },
		{ "<b@y> NOTIFY=FAILURE", { SMTP_EXT_DSN, 0, false }, false },
		{ "<b@y> NOTIFY=NEVER", { SMTP_EXT_DSN, 'N', true }, false },
		{ "<b@y>", { SMTP_EXT_DELIVERBY, 'N', false }, true },
		{ "<b@y>", { 0, 'N', false }, false },
		{ "<b@y>", { 0, 'R', true }, true },
		{ "<b@y> NOTIFY=FAILURE", { 0, 'N', true }, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(flow_notify(FLOW_REPORT_RELAYED, "<a@x>",
				     cases[i].rcpt, &cases[i].passed),
		    cases[i].relayed);
		assert_false(flow_notify(FLOW_REPORT_RELAYED, "<>",
		    cases[i].rcpt, &cases[i].passed));
	}
}

static void
test_received_field_has_its_clauses_in_order(void **state)
{
	struct flow_trace t = {
		.from = "client.example",
		.comment = "[1.2.3.4]",
		.by = "gw.example",
		.via = "ACP142",
		.with = "ESMTP",
		.id = 17,
		.for_path = "<b@y>",
		.has_priority = true,
		.priority = -4,
		.now_s = 1795436432,
	};
	char buf[FLOW_RECEIVED_MAX];
	size_t n = flow_received(&t, buf);

	(void)state;
	assert_int_equal(n, strlen(buf));
	assert_string_equal(buf,
	    "Received: from client.example ([1.2.3.4])\r\n"
	    "\tby gw.example via ACP142 with ESMTP id 17\r\n"
	    "\tfor <b@y> PRIORITY -4;\r\n"
	    "\tMon, 23 Nov 2026 12:20:32 +0000\r\n");
}

static void
test_log_makes_octets_visible(void **state)
{
	char buf[40], small[9];

	(void)state;
	assert_string_equal(log_vis(buf, sizeof(buf), "a\r\n\"\\\xff", 6),
	    "a\\x0d\\x0a\\x22\\x5c\\xff");
	assert_string_equal(
	    log_vis(small, sizeof(small), "abcdefghij", 10), "ab...");
	assert_string_equal(log_vis(buf, sizeof(buf), "", 0), "");
}

static void
test_redirected_line_keeps_where_it_was_to_go(void **state)
{
	char buf[FLOW_LINE_MAX];

	(void)state;
	assert_true(flow_redirect_line(
	    "<a+b=c@x.example> NOTIFY=NEVER", "<d@y.example>", buf));
	assert_string_equal(buf, "<d@y.example> NOTIFY=NEVER"
				 " ORCPT=rfc822;a+2Bb+3Dc@x.example");
	assert_true(flow_redirect_line(
	    "<b@x.example> ORCPT=rfc822;a@w", "<d@y.example>", buf));
	assert_string_equal(buf, "<d@y.example> ORCPT=rfc822;a@w");
	assert_true(
	    flow_redirect_line("<\"a b\"@x.example>", "<d@y.example>", buf));
	assert_string_equal(
	    buf, "<d@y.example> ORCPT=rfc822;\"a+20b\"@x.example");
	/* No ORCPT rather than a wrong one. */
	assert_true(
	    flow_redirect_line("<\303\266@x.example>", "<d@y.example>", buf));
	assert_string_equal(buf, "<d@y.example>");
	assert_false(flow_redirect_line("nonsense", "<d@y.example>", buf));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_most_specific_route_wins),
		cmocka_unit_test(test_no_route_leads_back_into_the_link),
		cmocka_unit_test(test_smallest_group_that_covers_most_is_taken),
		cmocka_unit_test(
		    test_dynamic_groups_are_for_what_no_static_group_covers),
		cmocka_unit_test(test_retries_back_off_within_jitter_and_limit),
		cmocka_unit_test(
		    test_delivery_deadline_bounds_the_expiry_in_mode_r),
		cmocka_unit_test(test_from_line_is_made_anew_for_the_next_hop),
		cmocka_unit_test(test_reports_are_made_as_the_sender_asked),
		cmocka_unit_test(
		    test_passing_on_is_reported_where_the_next_hop_will_not),
		cmocka_unit_test(test_received_field_has_its_clauses_in_order),
		cmocka_unit_test(test_redirected_line_keeps_where_it_was_to_go),
		cmocka_unit_test(test_log_makes_octets_visible),
	};

	return cmocka_run_group_tests(tests, load, unload);
}

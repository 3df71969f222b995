/*
 * Notifications: the fields RFC 3461 and 3464 ask for, and nothing that a
 * hostile string could add.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mule/dsn.h"
#include "tests/unit/unit.h"

static const struct mule_dsn_rcpt rcpts[] = {
	{
	    .orcpt_type = "rfc822",
	    .orcpt = "Bob@ent.example.net",
	    .final = "bob@ship1.example.mil",
	    .action = MULE_DSN_FAILED,
	    .status = "5.1.1",
	    .remote_type = "dns",
	    .remote = "[127.0.0.1]",
	    .diagnostic = "550 5.1.1 No such user",
	    .diagnostic_type = "smtp",
	    .last_attempt = "Mon, 23 Nov 2026 12:00:00 +0000",
	},
	{
	    .final = "eve@ship2.example.mil",
	    .action = MULE_DSN_FAILED,
	    .status = "4.4.7",
	    .remote_type = "X-MULE",
	    .remote = "ship2",
	    .diagnostic_type = "X-MULE",
	    .diagnostic = "No acknowledgement",
	},
};

static const char original[] = "From: a@x.example\r\nSubject: t\r\n";

static struct mule_dsn
sample(void)
{
	return (struct mule_dsn){
		.hostname = "shore.example.mil",
		.to = "a@x.example",
		.date = "Mon, 23 Nov 2026 12:00:01 +0000",
		.message_id = "1.dsn@shore.example.mil",
		.boundary = "=_b",
		.envid = "QQ314159",
		.arrival = "Mon, 23 Nov 2026 11:00:00 +0000",
		.rcpts = rcpts,
		.nrcpts = 2,
		.original = original,
		.original_len = sizeof(original) - 1,
	};
}

static char *
write_dsn(const struct mule_dsn *d, size_t *ret_len, bool *ret_8bit)
{
	char *text = NULL, *copy;

	assert_int_equal(mule_dsn_write(d, &text, ret_len, ret_8bit), 0);
	copy = malloc(*ret_len + 1);
	memcpy(copy, text, *ret_len);
	copy[*ret_len] = '\0';
	assert_int_equal(strlen(copy), *ret_len);
	free(text);
	return copy;
}

static void
test_all_fields_are_there_in_order(void **state)
{
	static const char *const want[] = {
		"From: Mail Delivery System <MAILER-DAEMON@shore.example.mil>",
		"To: <a@x.example>\r\n",
		"Subject: Undelivered mail\r\n",
		"Auto-Submitted: auto-replied\r\n",
		"multipart/report; report-type=delivery-status;",
		"\r\n--=_b\r\nContent-Type: text/plain",
		"bob@ship1.example.mil",
		"\r\n--=_b\r\nContent-Type: message/delivery-status\r\n\r\n",
		"Original-Envelope-Id: QQ314159\r\n",
		"Reporting-MTA: dns; shore.example.mil\r\n",
		"Arrival-Date: Mon, 23 Nov 2026 11:00:00 +0000\r\n",
		"\r\nOriginal-Recipient: rfc822;Bob@ent.example.net\r\n",
		"Final-Recipient: rfc822; bob@ship1.example.mil\r\n",
		"Action: failed\r\n",
		"Status: 5.1.1\r\n",
		"Remote-MTA: dns; [127.0.0.1]\r\n",
		"Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n",
		"Last-Attempt-Date: Mon, 23 Nov 2026 12:00:00 +0000\r\n",
		"\r\nFinal-Recipient: rfc822; eve@ship2.example.mil\r\n",
		"Status: 4.4.7\r\n",
		"Remote-MTA: X-MULE; ship2\r\n",
		"Diagnostic-Code: X-MULE; No acknowledgement\r\n",
		"\r\n--=_b\r\nContent-Type: text/rfc822-headers\r\n\r\n",
		"Subject: t\r\n",
		"\r\n--=_b--\r\n",
	};
	struct mule_dsn d = sample();
	bool eight = true;
	size_t len;
	char *text = write_dsn(&d, &len, &eight), *at = text;

	(void)state;
	assert_false(eight);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		char *found = strstr(at, want[i]);

		if (found == NULL)
			fail_msg("missing: %s", want[i]);
		at = found;
	}
	assert_null(strstr(text, "Will-Retry-Until"));
	assert_null(strstr(text, "Deliver-By-Date"));
	free(text);
}

/* Every line ends in CR LF and is short enough. */
static void
assert_lines(const char *text)
{
	while (*text != '\0') {
		const char *lf = strchr(text, '\n');

		assert_non_null(lf);
		assert_true(lf > text && lf[-1] == '\r');
		assert_true(lf - text < 998);
		assert_null(memchr(text, '\r', (size_t)(lf - 1 - text)));
		text = lf + 1;
	}
}

static void
test_no_string_can_break_out_of_its_line(void **state)
{
	static const char evil[] = "x\r\nBcc: victim@example.com\r\n\r\nboo\n";
	struct mule_dsn_rcpt r = {
		.orcpt_type = evil,
		.orcpt = evil,
		.final = evil,
		.status = evil,
		.remote_type = evil,
		.remote = evil,
		.diagnostic_type = evil,
		.diagnostic = evil,
		.last_attempt = evil,
		.will_retry = evil,
		.action = MULE_DSN_DELAYED,
	};
	struct mule_dsn d = sample();
	bool eight;
	size_t len;
	char *text;

	(void)state;
	d.to = d.envid = d.message_id = d.hostname = d.boundary = evil;
	d.arrival = d.deliver_by = d.date = evil;
	d.rcpts = &r;
	d.nrcpts = 1;
	text = write_dsn(&d, &len, &eight);
	assert_lines(text);
	assert_null(strstr(text, "\nBcc"));
	free(text);
}

static void
test_eight_bit_originals_are_marked(void **state)
{
	static const char eight_bit[] = "Subject: \xc3\xa4\r\n\r\nbody\r\n";
	struct mule_dsn d = sample();
	bool eight = false;
	size_t len;
	char *text;

	(void)state;
	d.original = eight_bit;
	d.original_len = sizeof(eight_bit) - 1;
	d.full = true;
	text = write_dsn(&d, &len, &eight);
	assert_true(eight);
	assert_non_null(strstr(text,
	    "Content-Type: message/rfc822\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xa4\r\n"));
	assert_lines(text);
	free(text);
}

static void
test_the_report_itself_is_ascii_whatever_the_addresses_are(void **state)
{
	const struct mule_dsn_rcpt r = {
		.orcpt_type = "utf-8",
		.orcpt = "br\xc3\xbc"
			 "cke@x.example",
		.final = "\xf0\x9f\x8c\x89@x.example",
		.action = MULE_DSN_FAILED,
		.status = "5.1.1",
		.diagnostic_type = "smtp",
		.diagnostic = "550 5.1.1 r\xe4tselhaft",
	};
	static const char utf8[] = "Subject: \xc3\xa4\r\n";
	struct mule_dsn d = sample();
	char *text, *status, *end;
	bool eight = false;
	size_t len;

	(void)state;
	d.rcpts = &r;
	d.nrcpts = 1;
	d.original = utf8;
	d.original_len = sizeof(utf8) - 1;
	d.utf8 = true;
	text = write_dsn(&d, &len, &eight);
	assert_true(eight);
	assert_lines(text);
	/* RFC 2045 6.4: what holds 8-bit parts says so. */
	assert_non_null(strstr(text, "MIME-Version: 1.0\r\n"
				     "Content-Transfer-Encoding: 8bit\r\n"));
	assert_non_null(strstr(text, "to <\xf0\x9f\x8c\x89@x.example>"));
	status = strstr(text, "message/delivery-status");
	assert_non_null(status);
	end = strstr(status, "--=_b");
	for (char *p = status; p < end; p++)
		assert_true((unsigned char)*p < 0x80);
	assert_non_null(strstr(status,
	    "Original-Recipient: utf-8;br\\x{FC}cke@x.example\r\n"
	    "Final-Recipient: utf-8; \\x{1F309}@x.example\r\n"));
	assert_non_null(strstr(status, "smtp; 550 5.1.1 r?tselhaft\r\n"));
	assert_non_null(strstr(end, "Content-Type: message/global-headers\r\n"
				    "Content-Transfer-Encoding: 8bit\r\n"));
	free(text);
}

static void
test_each_action_has_its_word(void **state)
{
	static const struct {
		enum mule_dsn_action action;
		const char *field, *subject;
	} words[] = {
		{ MULE_DSN_FAILED, "Action: failed", "Undelivered" },
		{ MULE_DSN_DELAYED, "Action: delayed", "Delayed" },
		{ MULE_DSN_DELIVERED, "Action: delivered", "Delivered" },
		{ MULE_DSN_RELAYED, "Action: relayed", "Relayed" },
		{ MULE_DSN_EXPANDED, "Action: expanded", "sent on" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct mule_dsn_rcpt r = rcpts[0];
		struct mule_dsn d = sample();
		bool eight;
		size_t len;
		char *text;

		r.action = words[i].action;
		d.rcpts = &r;
		d.nrcpts = 1;
		text = write_dsn(&d, &len, &eight);
		assert_non_null(strstr(text, words[i].field));
		assert_non_null(strstr(text, words[i].subject));
		free(text);
	}
}

static void
test_header_section_ends_at_the_first_empty_line(void **state)
{
	static const struct {
		const char *message;
		size_t header, received;
	} cases[] = {
		{ "", 0, 0 },
		{ "\r\nbody", 0, 0 },
		{ "A: b\r\n\r\nbody", 6, 0 },
		{ "A: b\r\nno end", 12, 0 },
		{ "Received: x\r\n\ty\r\nreceived: z\r\n\r\nReceived: q\r\n",
		    30, 2 },
		{ "Received-SPF: x\r\nX: Received: y\r\nRECEIVED:z\r\n", 45,
		    1 },
		{ "A: b\n\nReceived: x\r\n\r\n", 19, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].message);
		unsigned char *m = unit_copy(cases[i].message, len);

		assert_int_equal(mule_header_len(m, len), cases[i].header);
		assert_int_equal(
		    mule_header_count(m, len, "Received"), cases[i].received);
		free(m);
	}
}

static void
test_who_had_the_message_before_is_seen(void **state)
{
	static const char m[] = "Received: x\r\nDelivered-To: A@x.example\r\n"
				"delivered-to:  <b@x.example> \r\n"
				"Delivered-To-Not: c@x.example\r\n\r\n"
				"Delivered-To: d@x.example\r\n";
	static const struct {
		const char *mailbox;
		bool been;
	} cases[] = {
		{ "a@x.example", true },
		{ "b@x.example", true },
		{ "c@x.example", false },
		{ "d@x.example", false },
		{ "x.example", false },
		{ "a@x.exampl", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_str s = { cases[i].mailbox,
			strlen(cases[i].mailbox) };

		assert_int_equal(
		    mule_delivered_to(m, sizeof(m) - 1, s), cases[i].been);
	}
	for (size_t cut = 0; cut < sizeof(m); cut++) {
		unsigned char *part = unit_copy(m, cut);

		(void)mule_delivered_to(
		    part, cut, (struct smtp_str){ "b@x.example", 11 });
		free(part);
	}
}

static void
test_only_text_is_text(void **state)
{
	static const struct {
		const char *p;
		size_t len;
		bool text;
	} cases[] = {
		{ "", 0, true },
		{ "a\r\nb\r\n", 6, true },
		{ "no end", 6, true },
		{ "\xc3\xa4\r\n", 4, true },
		{ "a\nb", 3, false },
		{ "a\rb", 3, false },
		{ "a\r", 2, false },
		{ "\n", 1, false },
		{ "a\0b", 3, false },
		{ "\r\r\n", 3, false },
	};
	char line[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    mule_is_text(cases[i].p, cases[i].len), cases[i].text);
	memset(line, 'x', sizeof(line));
	assert_true(mule_is_text(line, 998));
	memcpy(line + 998, "\r\n", 2);
	assert_true(mule_is_text(line, 1000));
	memcpy(line + 998, "xx", 2);
	assert_false(mule_is_text(line, 1000));
}

static void
test_every_allocation_may_fail(void **state)
{
	struct mule_dsn d = sample();
	size_t live = unit_alloc_live(), len = 0;
	char *text = NULL;
	bool eight;
	int rc;

	(void)state;
	for (size_t k = 1;; k++) {
		unit_alloc_fail_at(k);
		rc = mule_dsn_write(&d, &text, &len, &eight);
		unit_alloc_fail_at(0);
		if (rc == MULE_OK)
			break;
		assert_int_equal(rc, MULE_ENOMEM);
		assert_null(text);
		assert_int_equal(unit_alloc_live(), live);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_fields_are_there_in_order),
		cmocka_unit_test(test_no_string_can_break_out_of_its_line),
		cmocka_unit_test(test_eight_bit_originals_are_marked),
		cmocka_unit_test(
		    test_the_report_itself_is_ascii_whatever_the_addresses_are),
		cmocka_unit_test(test_each_action_has_its_word),
		cmocka_unit_test(
		    test_header_section_ends_at_the_first_empty_line),
		cmocka_unit_test(test_who_had_the_message_before_is_seen),
		cmocka_unit_test(test_only_text_is_text),
		cmocka_unit_test(test_every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A client session call by call: what scripts cannot say.  The dialogues are in
 * test_client_dialogue.c, the limits in test_client_limits.c.
 */
#include "smtp/test/client_talk.h"

static void
test_calls_out_of_order_are_refused(void **state)
{
	static char big[SMTP_CLIENT_CONTENT_MAX + 1];
	struct smtp_client_message nobody = small;
	struct smtp_client *c = new_client();

	(void)state;
	nobody.nrcpts = 0;
	memset(big, 'x', sizeof(big));
	assert_int_equal(smtp_client_send(c, &small), SMTP_ESTATE);
	assert_int_equal(smtp_client_content(c, "x", 1), SMTP_ESTATE);
	smtp_client_free(&c);

	c = new_client();
	says(c, "220 mx\r\n");
	expect_output(c, HELLO);
	says(c, PIPE);
	/* READY has not been fetched. */
	assert_int_equal(smtp_client_send(c, &small), SMTP_ESTATE);
	(void)expect_event(c, SMTP_CLIENT_READY);
	assert_int_equal(smtp_client_send(c, &nobody), SMTP_ESTATE);
	begin_small(c, MAIL RCPT "DATA\r\n");
	assert_int_equal(smtp_client_send(c, &small), SMTP_ESTATE);
	assert_int_equal(smtp_client_content(c, "x", 1), SMTP_ESTATE);
	says(c, "250 a\r\n250 b\r\n354 c\r\n");
	/* CONTENT has not been fetched. */
	assert_int_equal(smtp_client_content(c, "x", 1), SMTP_ESTATE);
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, big, 0), SMTP_ESTATE);
	assert_int_equal(smtp_client_content(c, big, 5), SMTP_ESTATE);
	assert_int_equal(smtp_client_content(c, big, sizeof(big)), SMTP_ESTATE);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	assert_int_equal(smtp_client_content(c, "x", 1), SMTP_ESTATE);
	/* Refused without a trace. */
	expect_output(c, "hi\r\n.\r\n");
	says(c, "250 ok\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 250);
	(void)expect_event(c, SMTP_CLIENT_READY);
	smtp_client_free(&c);
}

static void
test_a_piece_may_not_be_larger_than_announced_to_the_caller(void **state)
{
	static char big[SMTP_CLIENT_CONTENT_MAX + 1];
	struct smtp_client_message m = small;
	struct smtp_client *c = ready_client(PIPE);

	(void)state;
	memset(big, 'x', sizeof(big));
	m.size = 1000000;
	assert_int_equal(smtp_client_send(c, &m), SMTP_OK);
	expect_output(c, MAIL RCPT "DATA\r\n");
	says(c, "250 a\r\n250 b\r\n354 c\r\n");
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, big, sizeof(big)), SMTP_ESTATE);
	assert_int_equal(smtp_client_content(c, big, sizeof(big) - 1), SMTP_OK);
	smtp_client_free(&c);
}

static void
test_a_reply_too_many_is_seen_before_the_next_command(void **state)
{
	struct smtp_client *c = ready_client(PIPE_CHUNK);

	(void)state;
	begin_small(c, MAIL RCPT);
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	expect_output(c, "BDAT 4 LAST\r\nhi\r\n");
	says(c, "250 a\r\n250 b\r\n250 c\r\n250 d\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 250);
	/* No READY: the next message would have got the wrong answers. */
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	assert_false(smtp_client_has_event(c));
	smtp_client_free(&c);
}

static void
test_half_a_reply_too_many_is_seen_as_well(void **state)
{
	struct smtp_client *c = new_client();

	(void)state;
	says(c, "220 mx\r\n");
	expect_output(c, HELLO);
	assert_int_equal(says(c, "250 mx\r\n25"), 10);
	(void)expect_event(c, SMTP_CLIENT_READY);
	assert_int_equal(smtp_client_send(c, &small), SMTP_OK);
	expect_code(c, SMTP_CLIENT_DONE, 451);
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	expect_output(c, "");
	smtp_client_free(&c);
}

static void
test_421_right_after_the_last_reply_takes_ready_back(void **state)
{
	struct smtp_client *c = ready_client(PIPE);

	(void)state;
	begin_small(c, MAIL RCPT "DATA\r\n");
	says(c, "250 a\r\n250 b\r\n354 c\r\n");
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	expect_output(c, "hi\r\n.\r\n");
	says(c, "250 ok\r\n421 4.4.2 bye\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 250);
	expect_code(c, SMTP_CLIENT_CLOSED, 421);
	assert_false(smtp_client_has_event(c));
	smtp_client_free(&c);
}

static void
test_praise_for_what_was_not_sent_delivers_nothing(void **state)
{
	struct smtp_client *c = ready_client(PIPE);

	(void)state;
	begin_small(c, MAIL RCPT "DATA\r\n");
	says(c, "250 a\r\n250 b\r\n354 c\r\n");
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	smtp_client_output_sent(c, 6);
	says(c, "250 ok\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 451);
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	smtp_client_free(&c);

	/* A refusal is believed. */
	c = ready_client(PIPE);
	begin_small(c, MAIL RCPT "DATA\r\n");
	says(c, "250 a\r\n250 b\r\n354 c\r\n");
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	smtp_client_output_sent(c, 6);
	says(c, "552 5.3.4 big\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 552);
	expect_code(c, SMTP_CLIENT_CLOSED, 552);
	smtp_client_free(&c);
}

static void
test_replies_to_an_unsent_chunk_deliver_nothing(void **state)
{
	struct smtp_client *c = ready_client(PIPE_CHUNK);

	(void)state;
	begin_small(c, MAIL RCPT);
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	says(c, "250 a\r\n250 b\r\n250 c\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 451);
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	expect_output(c, "");
	smtp_client_free(&c);

	/* The chunk has to be finished before anything else is said. */
	c = ready_client(PIPE_CHUNK);
	begin_small(c, MAIL RCPT);
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	says(c, "250 a\r\n250 b\r\n452 c\r\n");
	assert_false(smtp_client_has_event(c));
	expect_output(c, "BDAT 4 LAST\r\nhi\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 452);
	expect_output(c, "RSET\r\n");
	says(c, "250 ok\r\n");
	(void)expect_event(c, SMTP_CLIENT_READY);
	smtp_client_free(&c);
}

static void
test_answers_in_advance_end_the_session(void **state)
{
	struct smtp_client *c = new_client();

	(void)state;
	says(c, "220 mx\r\n250 mx\r\n");
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	smtp_client_free(&c);

	/* What is no SMTP is taken and dropped, with all that follows. */
	c = new_client();
	assert_int_equal(says(c, "hello\r\n220 mx\r\n"), 15);
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	smtp_client_free(&c);

	c = ready_client("250 mx\r\n");
	assert_int_equal(smtp_client_send(c, &small), SMTP_OK);
	says(c, "550 no\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 550);
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	smtp_client_free(&c);
}

static void
test_a_request_nobody_has_fetched_is_taken_back(void **state)
{
	struct smtp_client *c = ready_client(PIPE_CHUNK);

	(void)state;
	begin_small(c, MAIL RCPT);
	/* CONTENT is in the queue. */
	assert_true(smtp_client_has_event(c));
	smtp_client_eof(c);
	expect_code(c, SMTP_CLIENT_DONE, 451);
	expect_code(c, SMTP_CLIENT_CLOSED, 451);
	assert_false(smtp_client_has_event(c));
	smtp_client_free(&c);

	c = new_client();
	says(c, "220 mx\r\n");
	expect_output(c, HELLO);
	says(c, "250 mx\r\n");
	/* READY is. */
	assert_true(smtp_client_has_event(c));
	smtp_client_quit(c);
	assert_false(smtp_client_has_event(c));
	expect_output(c, "QUIT\r\n");
	smtp_client_free(&c);
}

static void
test_the_reason_of_an_abort_is_told_as_far_as_it_fits(void **state)
{
	char why[2 * SMTP_REPLY_TEXT_MAX];
	struct smtp_client *c = ready_client(PIPE);
	struct smtp_client_event ev;

	(void)state;
	memset(why, 'y', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	begin_small(c, MAIL RCPT "DATA\r\n");
	smtp_client_abort(c, why);
	ev = expect_event(c, SMTP_CLIENT_DONE);
	assert_int_equal(ev.reply.code, 451);
	assert_string_equal(ev.reply.status, "4.3.0");
	assert_int_equal(strlen(ev.reply.text), SMTP_REPLY_TEXT_MAX - 1);
	(void)expect_event(c, SMTP_CLIENT_CLOSED);
	smtp_client_free(&c);
}

static void
test_each_wait_has_its_timeout(void **state)
{
	struct smtp_client *c = new_client();

	(void)state;
	assert_int_equal(smtp_client_timeout_s(c), 300);
	says(c, "220 mx\r\n");
	expect_output(c, HELLO);
	assert_int_equal(smtp_client_timeout_s(c), 300);
	says(c, "250 mx\r\n");
	(void)expect_event(c, SMTP_CLIENT_READY);
	begin_small(c, MAIL);
	assert_int_equal(smtp_client_timeout_s(c), 300);
	says(c, "250 ok\r\n");
	expect_output(c, RCPT);
	assert_int_equal(smtp_client_timeout_s(c), 300);
	says(c, "250 ok\r\n");
	expect_output(c, "DATA\r\n");
	assert_int_equal(smtp_client_timeout_s(c), 120);
	says(c, "354 go\r\n");
	assert_int_equal(smtp_client_timeout_s(c), 180);
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	assert_int_equal(smtp_client_timeout_s(c), 600);
	expect_output(c, "hi\r\n.\r\n");
	says(c, "250 ok\r\n");
	(void)expect_event(c, SMTP_CLIENT_DONE);
	(void)expect_event(c, SMTP_CLIENT_READY);
	assert_int_equal(smtp_client_timeout_s(c), 60);
	smtp_client_quit(c);
	assert_int_equal(smtp_client_timeout_s(c), 60);
	smtp_client_eof(c);
	assert_int_equal(smtp_client_timeout_s(c), 60);
	smtp_client_free(&c);

	c = ready_client("250-mx\r\n250 CHUNKING\r\n");
	begin_small(c, MAIL);
	says(c, "250 ok\r\n");
	expect_output(c, RCPT);
	says(c, "250 ok\r\n");
	assert_int_equal(smtp_client_timeout_s(c), 180);
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	assert_int_equal(smtp_client_timeout_s(c), 600);
	smtp_client_free(&c);
}

static void
test_the_caller_sees_what_the_server_offers(void **state)
{
	struct smtp_client_config picky = config;
	const struct smtp_caps *caps;
	struct smtp_client *c;

	(void)state;
	picky.extensions = SMTP_EXT_SIZE | SMTP_EXT_DSN | SMTP_EXT_MT_PRIORITY;
	assert_int_equal(smtp_client_new(&picky, &c), SMTP_OK);
	says(c, "220 mx\r\n");
	says(c, "250-mx\r\n250-SIZE 77\r\n250-PIPELINING\r\n"
		"250-MT-PRIORITY NSEP\r\n250 LIMITS RCPTMAX=9\r\n");
	caps = smtp_client_caps(c);
	assert_int_equal(
	    caps->extensions, SMTP_EXT_SIZE | SMTP_EXT_MT_PRIORITY);
	assert_int_equal(caps->size_max, 77);
	assert_int_equal(caps->rcpt_max, 9);
	assert_string_equal(caps->priority_policy, "NSEP");
	smtp_client_free(&c);
}

static void
test_free_takes_null(void **state)
{
	struct smtp_client *c = NULL;

	(void)state;
	smtp_client_free(&c);
	assert_null(c);
}

/* --- memory -------------------------------------------------------------- */

static void
test_out_of_memory_is_an_error_and_leaves_no_trace(void **state)
{
	struct smtp_client *c = NULL;
	size_t live = unit_alloc_live();

	(void)state;
	unit_alloc_fail_at(1);
	assert_int_equal(smtp_client_new(&config, &c), SMTP_ENOMEM);
	unit_alloc_fail_at(0);
	assert_null(c);
	assert_int_equal(unit_alloc_live(), live);

	c = ready_client(PIPE);
	unit_alloc_fail_at(1);
	assert_int_equal(smtp_client_send(c, &small), SMTP_ENOMEM);
	unit_alloc_fail_at(0);
	/* No DONE, no word to the server; and the session goes on. */
	assert_false(smtp_client_has_event(c));
	expect_output(c, "");
	begin_small(c, MAIL RCPT "DATA\r\n");
	smtp_client_free(&c);
	assert_int_equal(unit_alloc_live(), live);
}

static void
test_nothing_but_new_and_send_allocates(void **state)
{
	struct smtp_client *c;

	(void)state;
	unit_alloc_fail_at(0);
	c = ready_client(PIPE);
	begin_small(c, MAIL RCPT "DATA\r\n");
	says(c, "250 a\r\n250 b\r\n354 c\r\n");
	(void)expect_event(c, SMTP_CLIENT_CONTENT);
	assert_int_equal(smtp_client_content(c, "hi\r\n", 4), SMTP_OK);
	expect_output(c, "hi\r\n.\r\n");
	says(c, "250 ok\r\n");
	expect_code(c, SMTP_CLIENT_DONE, 250);
	(void)expect_event(c, SMTP_CLIENT_READY);
	smtp_client_quit(c);
	expect_output(c, "QUIT\r\n");
	says(c, "221 bye\r\n");
	expect_code(c, SMTP_CLIENT_CLOSED, 221);
	assert_int_equal(unit_alloc_calls(), 2);
	smtp_client_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_out_of_order_are_refused),
		cmocka_unit_test(
		    test_a_piece_may_not_be_larger_than_announced_to_the_caller),
		cmocka_unit_test(
		    test_a_reply_too_many_is_seen_before_the_next_command),
		cmocka_unit_test(test_half_a_reply_too_many_is_seen_as_well),
		cmocka_unit_test(
		    test_421_right_after_the_last_reply_takes_ready_back),
		cmocka_unit_test(
		    test_praise_for_what_was_not_sent_delivers_nothing),
		cmocka_unit_test(
		    test_replies_to_an_unsent_chunk_deliver_nothing),
		cmocka_unit_test(test_answers_in_advance_end_the_session),
		cmocka_unit_test(
		    test_a_request_nobody_has_fetched_is_taken_back),
		cmocka_unit_test(
		    test_the_reason_of_an_abort_is_told_as_far_as_it_fits),
		cmocka_unit_test(test_each_wait_has_its_timeout),
		cmocka_unit_test(test_the_caller_sees_what_the_server_offers),
		cmocka_unit_test(test_free_takes_null),
		cmocka_unit_test(
		    test_out_of_memory_is_an_error_and_leaves_no_trace),
		cmocka_unit_test(test_nothing_but_new_and_send_allocates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

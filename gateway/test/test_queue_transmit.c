/* P_MUL transmissions and their destinations. */
#include "gateway/test/queue_fixture.h"

static void
test_transmission_comes_back_as_it_went_in(void **state)
{
	struct fx *f = *state;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mule:hf1", 0, 3, 10);
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_false(f->has_x);
	fx_ready(f, "mule:hf1", 1);
	assert_int_equal(f->got[0].node[2], 102);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1700000000, 500), QUEUE_OK);
	assert_true(f->transmission != 0);
	assert_int_equal(f->msid, 1700000000);
	assert_int_equal(f->seqs[0], 1);
	assert_int_equal(f->seqs[2], 1);
	assert_int_equal(fx_stats(f).transmissions, 1);
	queue_unlease(f->q, "mule:hf1", id);
	assert_int_equal(fx_ready(f, "mule:hf1", 1), 0);

	fx_reopen(f);
	assert_int_equal(fx_stats(f).transmissions, 1);
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_true(f->has_x);
	assert_int_equal(f->x.id, f->transmission);
	assert_int_equal(f->x.message, id);
	assert_int_equal(f->x.group, 0xef8e0001);
	assert_int_equal(f->x.msid, 1700000000);
	assert_int_equal(f->x.priority, 6);
	assert_int_equal(f->x.expires_at, 5000);
	assert_int_equal(f->x.nnodes, 3);
	assert_int_equal(f->x_nodes[0], 100);
	assert_int_equal(f->x_nodes[2], 102);
	assert_int_equal(f->x_seqs[2], 1);
	assert_int_equal(f->len, 500);
	assert_int_equal(f->data[499], 0x5a);
	/* Another link has none. */
	assert_int_equal(fx_next(f, "hf2", NULL, 0), QUEUE_OK);
	assert_false(f->has_x);
	assert_null(f->data);
}

static void
test_acknowledged_nodes_go_and_the_transmission_with_the_last(void **state)
{
	struct fx *f = *state;
	uint64_t id, x;

	fx_open(f);
	id = fx_add(f, "mule:hf1", 0, 3, 10);
	fx_ready(f, "mule:hf1", 1);
	fx_transmit(f, "hf1", 6, 1000, 100);
	x = f->transmission;
	assert_int_equal(fx_message(f, id, x, 101), QUEUE_OK);
	assert_int_equal(f->got[0].nrcpts, 1);
	assert_string_equal(f->got[0].line[0], "<bob1@ship.example.mil>");
	assert_int_equal(fx_acked(f, x, 101), QUEUE_OK);
	assert_int_equal(fx_message(f, id, x, 101), QUEUE_ENOTFOUND);
	assert_int_equal(fx_stats(f).recipients, 2);
	fx_next(f, "hf1", NULL, 0);
	assert_int_equal(f->x.nnodes, 2);
	assert_int_equal(f->x_nodes[1], 102);
	/* Twice, never sent to, never sent. */
	assert_int_equal(fx_acked(f, x, 101), QUEUE_ENOTFOUND);
	assert_int_equal(fx_acked(f, x, 55), QUEUE_ENOTFOUND);
	assert_int_equal(fx_acked(f, x + 1, 100), QUEUE_ENOTFOUND);
	assert_int_equal(fx_acked(f, x, 100), QUEUE_OK);

	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_gave_up(t, x, 102), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	assert_int_equal(fx_stats(f).transmissions, 0);
	assert_int_equal(fx_stats(f).recipients, 0);
	assert_int_equal(fx_stats(f).messages, 0);
	assert_int_equal(fx_message(f, id, 0, 0), QUEUE_ENOTFOUND);
	fx_next(f, "hf1", NULL, 0);
	assert_false(f->has_x);
}

static void
test_message_ids_grow_with_the_clock_and_without(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	for (size_t i = 0; i < 6; i++)
		fx_add(f, "mule:hf1", 0, 1, 10);
	fx_ready(f, "mule:hf1", 1);
	fx_transmit(f, "hf1", 6, 5000, 10);
	assert_int_equal(f->msid, 5000);
	fx_ready(f, "mule:hf1", 1);
	fx_transmit(f, "hf1", 6, 5000, 10);
	assert_int_equal(f->msid, 5001);
	assert_int_equal(f->seqs[0], 2);
	fx_reopen(f);
	/* The clock went back; all was acknowledged and is gone. */
	assert_int_equal(fx_acked(f, 1, 100), QUEUE_OK);
	assert_int_equal(fx_acked(f, 2, 100), QUEUE_OK);
	fx_ready(f, "mule:hf1", 1);
	fx_transmit(f, "hf1", 6, 10, 10);
	assert_int_equal(f->msid, 5002);
	assert_int_equal(f->seqs[0], 3);
	assert_int_equal(f->transmission, 3);
	fx_ready(f, "mule:hf1", 1);
	fx_transmit(f, "hf1", 6, UINT32_MAX, 10);
	assert_true(f->msid == UINT32_MAX);
	/* 0 is not a Message_ID. */
	fx_ready(f, "mule:hf1", 1);
	fx_transmit(f, "hf1", 6, 0, 10);
	assert_int_equal(f->msid, 1);
	/* Beyond 2106 the clock does not fit. */
	fx_ready(f, "mule:hf1", 1);
	fx_transmit(f, "hf1", 6, (int64_t)UINT32_MAX + 9, 10);
	assert_int_equal(f->msid, 2);
}

static void
test_failed_transmission_uses_no_number(void **state)
{
	struct fx *f = *state;
	uint64_t rcpt;

	fx_open(f);
	fx_add(f, "mule:hf1", 0, 2, 10);
	fx_ready(f, "mule:hf1", 1);
	rcpt = f->got[0].rcpt[1];
	f->got[0].rcpt[1] = 999;
	assert_int_equal(
	    fx_transmit(f, "hf1", 6, 1000, 200000), QUEUE_ENOTFOUND);
	assert_int_equal(f->transmission, 0);
	assert_false(fx_exists(f, "spool/t1"));
	f->got[0].rcpt[1] = rcpt;
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 200000), QUEUE_OK);
	assert_int_equal(f->msid, 1000);
	assert_int_equal(f->seqs[0], 1);
	assert_int_equal(f->seqs[1], 1);
}

static void
test_invalid_transmissions_are_refused_whole(void **state)
{
	struct fx *f = *state;
	struct fx_message saved;

	fx_open(f);
	fx_add(f, "mule:hf1", 0, 2, 10);
	fx_add(f, "mule:hf2", 0, 1, 10);
	fx_ready(f, "mule:hf1", 1);
	saved = f->got[0];
	/* A node no recipient is for. */
	f->got[0].node[1] = 55;
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_ENOTFOUND);
	/* Without the recipient of the second node. */
	f->got[0] = saved;
	f->got[0].rcpt[1] = saved.rcpt[0];
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_ENOTFOUND);
	/* The same node twice. */
	f->got[0] = saved;
	f->got[0].node[1] = saved.node[0];
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_EINVAL);
	/* Another message's recipient, another message. */
	f->got[0] = saved;
	f->got[0].m.id = 2;
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_ENOTFOUND);
	f->got[0].m.id = 77;
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_ENOTFOUND);
	assert_int_equal(fx_stats(f).transmissions, 0);
	f->got[0] = saved;
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_OK);
	/* On the air already. */
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_ENOTFOUND);
	assert_int_equal(fx_stats(f).transmissions, 1);
}

static void
test_node_without_recipient_is_no_destination(void **state)
{
	struct fx *f = *state;
	struct queue_txn *t = queue_txn_new();
	uint32_t nodes[] = { 100, 55 };
	uint8_t *payload = malloc(1), *other = malloc(1);

	fx_open(f);
	fx_add(f, "mule:hf1", 0, 1, 10);
	fx_ready(f, "mule:hf1", 1);

	struct queue_transmission x = { .message = 1,
		.link = "hf1",
		.nodes = nodes,
		.nnodes = 2,
		.rcpts = f->got[0].rcpt,
		.nrcpts = 1 };

	assert_int_equal(queue_txn_transmit(t, &x, 1, &payload, 1), QUEUE_OK);
	/* One in a transaction: the result has room for one. */
	assert_int_equal(queue_txn_transmit(t, &x, 1, &other, 1), QUEUE_EINVAL);
	assert_non_null(other);
	free(other);
	assert_int_equal(fx_commit(f, &t), QUEUE_EINVAL);
	assert_int_equal(fx_stats(f).transmissions, 0);
}

static void
test_most_urgent_transmission_comes_first(void **state)
{
	static const uint8_t priority[] = { 6, 2, 15, 2, 0 };
	static const uint64_t order[] = { 5, 2, 4, 1, 3 };
	struct fx *f = *state;
	uint64_t skip[5];

	fx_open(f);
	for (size_t i = 0; i < 5; i++) {
		fx_add(f, "mule:hf1", 0, 1, 10);
		fx_ready(f, "mule:hf1", 1);
		assert_int_equal(
		    fx_transmit(f, "hf1", priority[i], 1000, 10), QUEUE_OK);
	}
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(fx_next(f, "hf1", skip, i), QUEUE_OK);
		assert_true(f->has_x);
		assert_int_equal(f->x.id, order[i]);
		skip[i] = f->x.id;
	}
	assert_int_equal(fx_next(f, "hf1", skip, 5), QUEUE_OK);
	assert_false(f->has_x);
}

static void
test_large_payload_is_a_file_that_goes_with_it(void **state)
{
	struct fx *f = *state;
	bool same = true;

	fx_open(f);
	fx_add(f, "mule:hf1", 0, 1, 10);
	fx_ready(f, "mule:hf1", 1);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 200000), QUEUE_OK);
	assert_true(fx_exists(f, "spool/t1"));
	fx_reopen(f);
	assert_true(fx_exists(f, "spool/t1"));
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_int_equal(f->len, 200000);
	for (size_t i = 0; i < f->len; i++)
		same = same && f->data[i] == 0x5a;
	assert_true(same);
	assert_int_equal(fx_acked(f, 1, 100), QUEUE_OK);
	assert_false(fx_exists(f, "spool/t1"));
}

static void
test_lost_payload_is_told_with_its_transmission(void **state)
{
	struct fx *f = *state;
	uint64_t skip;

	fx_open(f);
	for (size_t i = 0; i < 2; i++) {
		fx_add(f, "mule:hf1", 0, 1, 10);
		fx_ready(f, "mule:hf1", 1);
		fx_transmit(f, "hf1", 6, 1000, 200000);
	}
	fx_close(f);
	assert_int_equal(unlink(fx_path(f, "spool/t1")), 0);
	fx_open(f);
	assert_int_equal(f->warnings, 1);
	assert_non_null(strstr(f->warning, "spool/t1"));
	/* So that the caller can pass it over. */
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_EIO);
	assert_true(f->has_x);
	assert_null(f->data);
	skip = f->x.id;
	assert_int_equal(fx_next(f, "hf1", &skip, 1), QUEUE_OK);
	assert_int_equal(f->x.id, 2);
}

static void
test_finished_on_the_air_takes_its_destination_along(void **state)
{
	struct fx *f = *state;
	struct queue_txn *t;

	fx_open(f);
	fx_add(f, "mule:hf1", 0, 2, 10);
	fx_ready(f, "mule:hf1", 1);
	fx_transmit(f, "hf1", 6, 1000, 200000);
	/* An operator deletes one, and sends the other another way. */
	assert_int_equal(fx_finish(f, f->got[0].rcpt[0]), QUEUE_OK);
	fx_next(f, "hf1", NULL, 0);
	assert_int_equal(f->x.nnodes, 1);
	assert_int_equal(f->x_nodes[0], 101);
	assert_int_equal(fx_acked(f, 1, 100), QUEUE_ENOTFOUND);
	t = queue_txn_new();
	queue_txn_defer(t, f->got[0].rcpt[1], 0, "gave up");
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	assert_int_equal(fx_stats(f).transmissions, 0);
	assert_false(fx_exists(f, "spool/t1"));
	queue_unlease(f->q, "mule:hf1", 1);
	assert_int_equal(fx_ready(f, "mule:hf1", 1), 1);
	assert_int_equal(f->got[0].attempts[0], 1);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_OK);
}

static void
test_two_recipients_at_one_node_end_together(void **state)
{
	struct fx *f = *state;
	struct queue_rcpt r[] = {
		{ .line = "<1@b>", .hop = "mule:hf1", .node = 7 },
		{ .line = "<2@b>", .hop = "mule:hf1", .node = 7 },
		{ .line = "<3@b>", .hop = "mx:b" },
	};
	struct queue_message m = { .id = 1,
		.from_link = "",
		.from_line = "<>",
		.rcpts = r,
		.nrcpts = 3 };
	struct queue_txn *t = queue_txn_new();
	uint32_t node = 7;
	uint8_t *payload = malloc(5);
	struct body *b;

	fx_open(f);
	b = fx_body(f, 10, 1);
	queue_txn_add(t, &m, &b);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	fx_ready(f, "mule:hf1", 1);

	struct queue_transmission x = { .message = 1,
		.link = "hf1",
		.nodes = &node,
		.nnodes = 1,
		.rcpts = f->got[0].rcpt,
		.nrcpts = 2 };

	memset(payload, 0, 5);
	t = queue_txn_new();
	assert_int_equal(
	    queue_txn_transmit(t, &x, 1000, &payload, 5), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	/* One of two: the destination stays. */
	assert_int_equal(fx_finish(f, f->got[0].rcpt[0]), QUEUE_OK);
	assert_int_equal(fx_stats(f).transmissions, 1);
	assert_int_equal(fx_acked(f, 1, 7), QUEUE_OK);
	assert_int_equal(fx_stats(f).transmissions, 0);
	assert_int_equal(fx_stats(f).recipients, 1);
	assert_int_equal(fx_stats(f).messages, 1);
	assert_int_equal(fx_ready(f, "mx:b", 1), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(test_transmission_comes_back_as_it_went_in),
		FX_TEST(
		    test_acknowledged_nodes_go_and_the_transmission_with_the_last),
		FX_TEST(test_message_ids_grow_with_the_clock_and_without),
		FX_TEST(test_failed_transmission_uses_no_number),
		FX_TEST(test_invalid_transmissions_are_refused_whole),
		FX_TEST(test_node_without_recipient_is_no_destination),
		FX_TEST(test_most_urgent_transmission_comes_first),
		FX_TEST(test_large_payload_is_a_file_that_goes_with_it),
		FX_TEST(test_lost_payload_is_told_with_its_transmission),
		FX_TEST(test_finished_on_the_air_takes_its_destination_along),
		FX_TEST(test_two_recipients_at_one_node_end_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

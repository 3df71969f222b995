/* What an operator does to the queue. */
#include "gateway/test/queue_fixture.h"

struct answer {
	struct fx *f;
	struct queue_operated o;
	struct queue_touched touched[FX_MAX];
	char line[FX_MAX][48];
	struct queue_unsent unsent[8];
};

static void
on_operated(void *ctx, int rc, const struct queue_result *res)
{
	struct answer *a = ctx;

	a->f->answered = true;
	a->f->rc = rc;
	if (rc != QUEUE_OK)
		return;
	a->o = *res->operated;
	for (size_t i = 0; i < a->o.n && i < FX_MAX; i++) {
		a->touched[i] = a->o.touched[i];
		snprintf(
		    a->line[i], sizeof(a->line[i]), "%s", a->touched[i].line);
	}
	for (size_t i = 0; i < a->o.nunsent && i < 8; i++)
		a->unsent[i] = a->o.unsent[i];
}

/* How many recipients it touched. */
static size_t
operate(struct fx *f, const struct queue_operation *o, struct answer *a)
{
	struct queue_txn *t = queue_txn_new();

	*a = (struct answer){ .f = f };
	f->answered = false;
	assert_int_equal(queue_txn_operate(t, o), QUEUE_OK);
	queue_submit(f->q, &t, on_operated, a);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return a->o.n;
}

static size_t
act(struct fx *f, enum queue_action action, uint64_t message)
{
	struct queue_operation o = { .action = action, .message = message };
	struct answer a;

	return operate(f, &o, &a);
}

static const char *
state_of(struct fx *f, uint64_t message)
{
	fx_list(f, message - 1, 1);
	return f->n > 0 ? f->row_text[0][3] : "gone";
}

static void
test_held_mail_stays_held_over_a_restart_until_released(void **state)
{
	struct fx *f = *state;
	uint64_t id, other;

	fx_open(f);
	id = fx_add(f, "mx:b", 0, 2, 10);
	other = fx_add(f, "mx:b", 0, 1, 10);
	assert_int_equal(act(f, QUEUE_HOLD, id), 2);
	assert_int_equal(act(f, QUEUE_HOLD, id), 0);
	assert_string_equal(state_of(f, id), "held");
	assert_string_equal(state_of(f, other), "ready");
	fx_reopen(f);
	assert_string_equal(state_of(f, id), "held");
	/* Ten years later, too; and it is not what one waits for. */
	assert_int_equal(fx_due(f, 1000 + 315360000), 1);
	assert_int_equal(f->next_at, 0);
	assert_int_equal(fx_peek(f, "mx:b", 10), 1);
	assert_int_equal(f->got[0].m.id, other);
	assert_int_equal(act(f, QUEUE_RETRY, id), 0);
	assert_int_equal(act(f, QUEUE_RELEASE, id), 2);
	assert_string_equal(state_of(f, id), "ready");
	assert_int_equal(fx_peek(f, "mx:b", 10), 2);
}

static void
test_held_mail_expires_like_any_other(void **state)
{
	struct fx *f = *state;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mx:b", 0, 1, 10);
	act(f, QUEUE_HOLD, id);
	assert_int_equal(fx_expired(f, 4999, 10), 0);
	assert_int_equal(fx_expired(f, 5000, 10), 1);
}

static void
test_deleted_mail_is_gone_with_its_content(void **state)
{
	struct fx *f = *state;
	uint64_t small, large, kept;
	char name[32];

	fx_open(f);
	small = fx_add(f, "mx:b", 0, 3, 10);
	large = fx_add(f, "mx:b", 0, 1, 300000);
	kept = fx_add(f, "mx:c", 0, 1, 10);
	snprintf(name, sizeof(name), "spool/%llu", (unsigned long long)large);
	assert_true(fx_exists(f, name));
	assert_int_equal(act(f, QUEUE_DELETE, small), 3);
	assert_int_equal(act(f, QUEUE_DELETE, large), 1);
	assert_int_equal(fx_stats(f).messages, 1);
	assert_int_equal(fx_stats(f).recipients, 1);
	assert_int_equal(fx_read_body(f, small), QUEUE_ENOTFOUND);
	assert_false(fx_exists(f, name));
	fx_reopen(f);
	assert_int_equal(fx_stats(f).messages, 1);
	fx_assert_body(f, kept, 10);
}

static void
test_transmission_ends_with_its_last_recipient(void **state)
{
	struct fx *f = *state;
	struct queue_operation o = { .action = QUEUE_DELETE };
	struct answer a;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mule:hf1", 0, 2, 10);
	fx_ready(f, "mule:hf1", 1);
	assert_int_equal(fx_transmit(f, "hf1", 1, 2000, 100), QUEUE_OK);
	queue_unlease(f->q, "mule:hf1", id);
	o.recipient = "BOB0@ship.EXAMPLE.mil";
	assert_int_equal(operate(f, &o, &a), 1);
	assert_int_equal(a.o.on_air, 1);
	assert_int_equal(a.o.nunsent, 0);
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_int_equal(f->x.nnodes, 1);
	assert_int_equal(f->x_nodes[0], 101);
	o = (struct queue_operation){ .action = QUEUE_HOLD, .message = id };
	assert_int_equal(operate(f, &o, &a), 1);
	assert_int_equal(a.o.nunsent, 1);
	assert_int_equal(a.unsent[0].msid, 2000);
	assert_int_equal(fx_stats(f).transmissions, 0);
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_false(f->has_x);
	assert_string_equal(state_of(f, id), "held");
}

static void
test_what_is_being_delivered_is_left_alone(void **state)
{
	struct fx *f = *state;
	struct queue_operation o = { .action = QUEUE_DELETE };
	struct answer a;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mx:b", 0, 2, 10);
	fx_ready(f, "mx:b", 1);
	assert_int_equal(operate(f, &o, &a), 0);
	assert_int_equal(a.o.busy, 2);
	assert_int_equal(fx_stats(f).recipients, 2);
	queue_unlease(f->q, "mx:b", id);
	assert_int_equal(operate(f, &o, &a), 2);
	assert_int_equal(a.o.busy, 0);
	assert_int_equal(fx_ready(f, "mx:b", 1), 0);
}

static void
test_only_what_all_selectors_fit_is_touched(void **state)
{
	struct fx *f = *state;
	struct answer a;
	uint64_t id;
	struct queue_operation o = { .action = QUEUE_HOLD, .dry_run = true };

	fx_open(f);
	id = fx_add(f, "mx:b", 3, 2, 10);
	fx_add(f, "mule:hf1", 6, 2, 10);
	assert_int_equal(operate(f, &o, &a), 4);
	assert_int_equal(a.o.messages, 2);
	o.message = id;
	assert_int_equal(operate(f, &o, &a), 2);
	o.has_priority = true;
	assert_int_equal(operate(f, &o, &a), 0);
	o.priority = 3;
	assert_int_equal(operate(f, &o, &a), 2);
	o.recipient = "bob1@ship.example.mil";
	assert_int_equal(operate(f, &o, &a), 1);
	assert_string_equal(a.line[0], "<bob1@ship.example.mil>");
	assert_int_equal(a.touched[0].message, id);
	o.recipient = "bob1@ship.example.mi";
	assert_int_equal(operate(f, &o, &a), 0);
	o = (struct queue_operation){ .dry_run = true, .hop = "mule:hf1" };
	assert_int_equal(operate(f, &o, &a), 2);
	o = (struct queue_operation){ .dry_run = true,
		.domain = "Ship.example.mil" };
	assert_int_equal(operate(f, &o, &a), 4);
	o.domain = "example.mil";
	assert_int_equal(operate(f, &o, &a), 0);
	o = (struct queue_operation){
		.dry_run = true, .has_before = true, .before = 999
	};
	assert_int_equal(operate(f, &o, &a), 0);
	o.before = 1000;
	assert_int_equal(operate(f, &o, &a), 4);
	/* It was only asked. */
	assert_string_equal(state_of(f, id), "ready");
}

static void
test_retry_makes_due_what_waits(void **state)
{
	struct fx *f = *state;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mx:b", 0, 1, 10);
	assert_int_equal(act(f, QUEUE_RETRY, id), 0);
	fx_peek(f, "mx:b", 1);
	assert_int_equal(
	    fx_defer(f, f->got[0].rcpt[0], 9000, "busy"), QUEUE_OK);
	assert_int_equal(fx_peek(f, "mx:b", 1), 0);
	assert_int_equal(act(f, QUEUE_RETRY, id), 1);
	assert_int_equal(fx_peek(f, "mx:b", 1), 1);
	assert_int_equal(f->got[0].attempts[0], 1);
}

static void
test_redirected_recipient_goes_elsewhere_from_the_start(void **state)
{
	struct fx *f = *state;
	struct queue_operation o = {
		.action = QUEUE_REDIRECT,
		.to_path = "<carol@c.example>",
		.to_hop = "mule:hf2",
		.to_node = 7,
	};
	struct answer a;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mx:b", 0, 1, 10);
	fx_peek(f, "mx:b", 1);
	assert_int_equal(
	    fx_defer(f, f->got[0].rcpt[0], 9000, "busy"), QUEUE_OK);
	assert_int_equal(operate(f, &o, &a), 1);
	assert_int_equal(operate(f, &o, &a), 0);
	assert_int_equal(fx_peek(f, "mule:hf2", 1), 1);
	assert_int_equal(f->got[0].m.id, id);
	assert_int_equal(f->got[0].node[0], 7);
	assert_int_equal(f->got[0].attempts[0], 0);
	assert_int_equal(fx_message(f, id, 0, 0), QUEUE_OK);
	fx_list(f, 0, 1);
	assert_string_equal(f->row_text[0][1],
	    "<carol@c.example> ORCPT=rfc822;bob0@ship.example.mil");
	/* Held stays held; not back where it came from. */
	act(f, QUEUE_HOLD, id);
	o = (struct queue_operation){
		.action = QUEUE_REDIRECT, .to_hop = "mx:d", .to_link = ""
	};
	assert_int_equal(operate(f, &o, &a), 0);
	assert_int_equal(a.o.refused, 1);
	o.to_link = NULL;
	assert_int_equal(operate(f, &o, &a), 1);
	assert_string_equal(state_of(f, id), "held");
	assert_string_equal(f->row_text[0][2], "mx:d");
}

static void
test_expiring_takes_held_mail_to_the_hop_where_it_fails(void **state)
{
	struct fx *f = *state;
	struct queue_operation o = { .action = QUEUE_EXPIRE,
		.to_hop = "expired:" };
	struct answer a;
	uint64_t id;

	fx_open(f);
	id = fx_add(f, "mule:hf1", 0, 2, 10);
	act(f, QUEUE_HOLD, id);
	assert_int_equal(operate(f, &o, &a), 2);
	assert_int_equal(operate(f, &o, &a), 0);
	assert_int_equal(fx_due(f, 1), 1);
	assert_string_equal(f->hops[0], "expired:");
	assert_int_equal(fx_peek(f, "expired:", 1), 1);
	assert_int_equal(f->got[0].nrcpts, 2);
}

static void
test_more_than_the_limit_is_done_in_several_operations(void **state)
{
	struct fx *f = *state;
	struct queue_operation o = { .action = QUEUE_DELETE };
	struct queue_txn *t;
	struct answer a;

	fx_open(f);
	for (size_t i = 0; i < QUEUE_OPERATE_MAX + 40; i += 40) {
		t = queue_txn_new();
		fx_put(f, t, "mx:b", 0, 40, 1);
		assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	}
	assert_int_equal(operate(f, &o, &a), QUEUE_OPERATE_MAX);
	assert_true(a.o.more);
	assert_int_equal(operate(f, &o, &a), 40);
	assert_false(a.o.more);
	assert_int_equal(fx_stats(f).messages, 0);
}

static void
test_only_what_moves_names_a_next_hop(void **state)
{
	struct queue_operation o = {
		.action = QUEUE_REDIRECT,
		.recipient = "a@b",
		.domain = "b",
		.hop = "mx:b",
		.to_path = "<c@d>",
		.to_hop = "mx:d",
		.to_link = "hf1",
	};
	struct queue_txn *t;

	(void)state;
	o.to_hop = NULL;
	t = queue_txn_new();
	assert_int_equal(queue_txn_operate(t, &o), QUEUE_EINVAL);
	o.action = QUEUE_HOLD;
	o.to_hop = "mx:d";
	assert_int_equal(queue_txn_operate(t, &o), QUEUE_EINVAL);
	queue_txn_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(
		    test_held_mail_stays_held_over_a_restart_until_released),
		FX_TEST(test_held_mail_expires_like_any_other),
		FX_TEST(test_deleted_mail_is_gone_with_its_content),
		FX_TEST(test_transmission_ends_with_its_last_recipient),
		FX_TEST(test_what_is_being_delivered_is_left_alone),
		FX_TEST(test_only_what_all_selectors_fit_is_touched),
		FX_TEST(test_retry_makes_due_what_waits),
		FX_TEST(
		    test_redirected_recipient_goes_elsewhere_from_the_start),
		FX_TEST(
		    test_expiring_takes_held_mail_to_the_hop_where_it_fails),
		FX_TEST(test_more_than_the_limit_is_done_in_several_operations),
		cmocka_unit_test(test_only_what_moves_names_a_next_hop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tools/cap_model.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

#define A 0x0a8e0001
#define B 0x0a8e0002
#define MSID 7

static size_t finished;
static uint32_t finished_msid;

static void
done(void *ctx, const struct cap_message *m)
{
	(void)ctx;
	finished++;
	finished_msid = m->msid;
}

static const struct cap_model_config normal = {
	.messages_max = 10,
	.bytes_max = 10 << 20,
	.message_max = 1 << 20,
	.age_us = 1000,
	.seed = 42,
	.keep = true,
	.done = done,
};

static struct cap_model *
open_model(const struct cap_model_config *c)
{
	struct cap_model *m = NULL;

	finished = 0;
	assert_true(cap_model_new(c, &m));
	return m;
}

/* Encode, decode, and hand over what put has written. */
static bool
take(struct cap_model *m, const uint8_t *buf, size_t len, uint64_t us)
{
	struct cap_datagram d = { .frame = 1, .time_us = us, .ip_len = 28 };
	struct pmul_pdu pdu;

	assert_true(len > 0);
	assert_int_equal(pmul_pdu_decode(buf, len, &pdu), 0);
	d.data = buf;
	d.len = len;
	d.ip_len += (uint32_t)len;
	return cap_model_take(m, &d, &pdu);
}

static bool
address(
    struct cap_model *m, uint32_t msid, uint16_t total, size_t n, uint64_t us)
{
	static uint8_t buf[PMUL_PDU_MAX];
	static struct pmul_dest dests[8000];
	struct pmul_pdu p = { .type = PMUL_ADDRESS,
		.source = A,
		.msid = msid,
		.total = total,
		.expiry = 1000,
		.first = true,
		.last = true };

	/* Backwards: the order a capture has is not ours to choose. */
	for (size_t i = 0; i < n; i++)
		dests[i] = (struct pmul_dest){ B + (uint32_t)(n - 1 - i), 1 };
	return take(
	    m, buf, pmul_pdu_put_address(buf, sizeof(buf), &p, dests, n), us);
}

static bool
data(struct cap_model *m, uint32_t msid, uint16_t seq, size_t len, uint64_t us)
{
	static uint8_t buf[PMUL_PDU_MAX], fragment[60000];

	return take(m, buf,
	    pmul_pdu_put_data(buf, sizeof(buf), 6, A, msid, seq, fragment, len),
	    us);
}

static bool
discard(struct cap_model *m, uint32_t source, uint32_t msid, uint64_t us)
{
	uint8_t buf[16];

	return take(m, buf,
	    pmul_pdu_put_discard(buf, sizeof(buf), 6, source, msid), us);
}

static bool
ack(struct cap_model *m, uint32_t node, uint32_t msid, const uint16_t *missing,
    size_t n, uint64_t us)
{
	uint8_t buf[600];
	struct pmul_ack_writer w;

	pmul_ack_begin(&w, buf, sizeof(buf), 6, node);
	assert_true(pmul_ack_entry_add(&w, A, msid, missing, n));
	return take(m, buf, pmul_ack_end(&w, NULL), us);
}

/* What the entry for source is about; polite: another names the message. */
static const struct cap_message *
acked(const struct cap_model *m, uint32_t node, uint32_t source, uint32_t msid,
    bool polite)
{
	uint8_t buf[600];
	struct pmul_ack_writer w;
	struct pmul_ack_entry e;
	struct pmul_pdu p;
	size_t pos = 0;

	pmul_ack_begin(&w, buf, sizeof(buf), 6, node);
	assert_true(pmul_ack_entry_add(&w, source, msid, NULL, 0));
	if (polite)
		assert_true(pmul_ack_entry_add(&w, A, msid, NULL, 0));
	assert_int_equal(
	    pmul_pdu_decode(buf, pmul_ack_end(&w, NULL), &p), PMUL_OK);
	assert_true(pmul_pdu_next_ack(&p, &pos, &e));
	return cap_model_acked(m, &p, &e);
}

static void
test_message_is_whole_only_with_each_number_up_to_the_total(void **state)
{
	struct cap_model *m = open_model(&normal);
	const struct cap_message *msg;

	(void)state;
	assert_true(address(m, MSID, 2, 1, 1));
	assert_true(data(m, MSID, 1, 5, 2));
	assert_true(data(m, MSID, 3, 5, 3));
	/* As many as the Total says, but not these. */
	msg = cap_model_find(m, A, MSID);
	assert_true(!cap_message_whole(msg));
	assert_true(data(m, MSID, 4, 5, 4));
	assert_int_equal(msg->have, 3);
	assert_int_equal(msg->inside, 1);
	assert_true(!cap_message_whole(msg));
	assert_true(data(m, MSID, 2, 5, 5));
	/* All of the Total, but more than that: the Total is not known. */
	assert_true(!cap_message_whole(msg));
	assert_true(address(m, MSID, 4, 1, 6));
	assert_true(cap_message_whole(msg));
	/* Nor does it shrink. */
	assert_true(address(m, MSID, 3, 1, 7));
	assert_int_equal(msg->total, 4);
	assert_true(cap_message_whole(msg));
	/* Data first, and more of it than the Total. */
	assert_true(data(m, MSID + 1, 5, 5, 8));
	assert_true(data(m, MSID + 1, 1, 5, 9));
	assert_true(address(m, MSID + 1, 2, 1, 10));
	assert_int_equal(cap_model_find(m, A, MSID + 1)->inside, 1);
	cap_model_free(&m);
	assert_true(m == NULL);
}

static void
test_acks_keep_a_message_young_and_do_not_stop_the_old_from_ending(void **state)
{
	struct cap_model *m = open_model(&normal);

	(void)state;
	assert_true(address(m, 1, 1, 1, 1));
	assert_true(address(m, 2, 1, 1, 2));
	assert_true(ack(m, B, 1, NULL, 0, 900));
	assert_true(ack(m, B, 1, NULL, 0, 1500));
	/* The second has been silent for too long, the first has not. */
	assert_int_equal(finished, 1);
	assert_int_equal(finished_msid, 2);
	assert_true(cap_model_find(m, A, 1) != NULL);
	cap_model_free(&m);
}

static void
test_no_more_messages_are_kept_than_the_limit(void **state)
{
	struct cap_model *m = open_model(&normal);

	(void)state;
	for (uint32_t i = 1; i <= 50; i++)
		assert_true(address(m, i, 1, 1, i));
	assert_int_equal(finished, 40);
	assert_int_equal(finished_msid, 40);
	cap_model_finish(m);
	assert_int_equal(finished, 50);
	cap_model_free(&m);
}

static void
test_contents_beyond_the_limit_are_dropped_and_counted(void **state)
{
	struct cap_model_config c = normal;
	struct cap_model *m;
	const struct cap_message *msg;
	size_t before;

	(void)state;
	c.message_max = 100000;
	m = open_model(&c);
	before = unit_alloc_live();
	assert_true(data(m, MSID, 1, 50000, 1));
	assert_true(data(m, MSID, 2, 50000, 2));
	msg = cap_model_find(m, A, MSID);
	assert_true(!msg->too_large && msg->fragments[0].data != NULL);
	for (uint16_t s = 3; s < 100; s++)
		assert_true(data(m, MSID, s, 50000, s));
	assert_true(msg->too_large && msg->fragments[0].data == NULL);
	assert_int_equal(msg->payload, 99 * 50000);
	assert_true(msg->bytes < 10000);
	/* The message and its table of fragments. */
	assert_int_equal(unit_alloc_live(), before + 2);
	cap_model_free(&m);
}

static void
test_bytes_of_all_are_bounded(void **state)
{
	struct cap_model_config c = normal;
	struct cap_model *m;

	(void)state;
	c.bytes_max = 200000;
	m = open_model(&c);
	for (uint32_t i = 1; i <= 9; i++)
		assert_true(data(m, i, 1, 60000, i));
	assert_int_equal(finished, 6);
	cap_model_free(&m);
}

static void
test_destinations_are_found_and_bounded(void **state)
{
	struct cap_model *m = open_model(&normal);
	const struct cap_message *msg;

	(void)state;
	assert_true(address(m, MSID, 1, 8000, 1));
	msg = cap_model_find(m, A, MSID);
	assert_int_equal(msg->ndests, CAP_DESTS_MAX);
	for (uint32_t i = 0; i < 8000; i++) {
		const struct cap_dest *d = cap_message_dest(msg, B + i);

		/* The later ones came first. */
		if (i >= 8000 - CAP_DESTS_MAX)
			assert_true(d != NULL && d->id == B + i);
		else
			assert_true(d == NULL);
	}
	assert_true(acked(m, B + 7999, B + 7999, MSID, false) == msg);
	assert_true(acked(m, B, B, MSID, false) == NULL);
	assert_true(acked(m, B + 7999, B + 7999, MSID + 1, false) == NULL);
	/* Another source's with the same id does not hide it. */
	assert_true(discard(m, A + 1, MSID, 2));
	assert_true(acked(m, B + 7999, B + 7999, MSID, false) == msg);
	cap_model_free(&m);
}

static void
test_an_ack_in_the_ntnu_dialect_is_of_the_message_it_means(void **state)
{
	struct cap_model *m = open_model(&normal);
	const struct cap_message *msg;

	(void)state;
	assert_true(address(m, MSID, 1, 2, 1));
	msg = cap_model_find(m, A, MSID);
	assert_true(acked(m, B, A, MSID, false) == msg);
	assert_true(acked(m, B, B, MSID, false) == msg);
	/* Not somebody else's id, nor an entry beside one that is right. */
	assert_true(acked(m, B, B + 1, MSID, false) == NULL);
	assert_true(acked(m, B, B, MSID, true) == NULL);
	cap_model_free(&m);
}

static void
test_missing_lists_say_what_is_there(void **state)
{
	static const uint16_t lists[][4] = { { 3, 0, 5, 9 }, { 2 } };
	struct cap_model *m = open_model(&normal);
	const struct cap_dest *d;

	(void)state;
	assert_true(address(m, MSID, 20, 1, 1));
	assert_true(ack(m, B, MSID, lists[0], 4, 2));
	d = cap_message_dest(cap_model_find(m, A, MSID), B);
	assert_int_equal(d->missing, 4);
	assert_int_equal(d->lost, 4);
	/* 1, 2, 6, 7, 8; above 9 nothing is known. */
	assert_int_equal(d->has.count, 5);
	assert_true(pmul_seqset_has(&d->has, 8));
	assert_true(!pmul_seqset_has(&d->has, 10));
	assert_true(ack(m, B, MSID, lists[1], 1, 3));
	assert_int_equal(d->has.count, 5);
	assert_int_equal(d->lost, 4);
	assert_true(!d->complete);
	assert_true(ack(m, B, MSID, NULL, 0, 4));
	assert_true(d->complete);
	assert_int_equal(d->acked_us, 4);
	cap_model_free(&m);
}

static void
test_rounds_begin_with_addresses_after_data(void **state)
{
	struct cap_model *m = open_model(&normal);
	const struct cap_message *msg;

	(void)state;
	assert_true(address(m, MSID, 1, 1, 1));
	assert_true(address(m, MSID, 1, 1, 2));
	msg = cap_model_find(m, A, MSID);
	assert_int_equal(msg->rounds, 1);
	assert_true(data(m, MSID, 1, 3, 3));
	assert_true(ack(m, B, MSID, NULL, 0, 4));
	assert_true(address(m, MSID, 1, 1, 5));
	assert_int_equal(msg->rounds, 2);
	assert_int_equal(msg->dests[0].unheeded, 1);
	assert_true(address(m, MSID, 1, 1, 5));
	assert_int_equal(msg->dests[0].unheeded, 1);
	assert_true(!msg->ack_acked);
	assert_true(address(m, MSID, 1, 0, 6));
	assert_true(msg->ack_acked);
	assert_int_equal(msg->rounds, 2);
	cap_model_free(&m);
}

static bool
scenario(void)
{
	static const uint16_t missing[] = { 3, 5 };
	struct cap_model *m = NULL;
	bool ok;

	finished = 0;
	if (!cap_model_new(&normal, &m))
		return false;
	ok = address(m, MSID, 9, 20, 1) && data(m, MSID, 1, 10, 2) &&
	     data(m, MSID, 9, 10, 3) && ack(m, B, MSID, missing, 2, 4) &&
	     data(m, MSID, 3, 10, 5) && ack(m, B, MSID, NULL, 0, 6);
	cap_model_finish(m);
	cap_model_free(&m);
	return ok;
}

static void
test_out_of_memory_leaks_nothing(void **state)
{
	size_t live = unit_alloc_live(), n = 1;

	(void)state;
	for (;; n++) {
		bool ok;

		unit_alloc_fail_at(n);
		ok = scenario();
		unit_alloc_fail_at(0);
		assert_int_equal(unit_alloc_live(), live);
		if (ok)
			break;
	}
	/* Model, message, tables of destinations and fragments, contents. */
	assert_true(n > 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_message_is_whole_only_with_each_number_up_to_the_total),
		cmocka_unit_test(
		    test_acks_keep_a_message_young_and_do_not_stop_the_old_from_ending),
		cmocka_unit_test(test_no_more_messages_are_kept_than_the_limit),
		cmocka_unit_test(
		    test_contents_beyond_the_limit_are_dropped_and_counted),
		cmocka_unit_test(test_bytes_of_all_are_bounded),
		cmocka_unit_test(test_destinations_are_found_and_bounded),
		cmocka_unit_test(
		    test_an_ack_in_the_ntnu_dialect_is_of_the_message_it_means),
		cmocka_unit_test(test_missing_lists_say_what_is_there),
		cmocka_unit_test(test_rounds_begin_with_addresses_after_data),
		cmocka_unit_test(test_out_of_memory_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tools/cap_read.h"

#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* 10.0.0.1:1000 to 10.0.0.2:2753, five octets "hello". */
#define UDP "03e80ac1000d0000 68656c6c6f"
#define IP4 "450000210001000040110000 0a000001 0a000002"
#define IP6 \
	"60000000000d1140 20010db8000000000000000000000001" \
	"20010db8000000000000000000000002"

static enum cap_result
feed(struct cap_reader *r, const char *hex, uint64_t us, struct cap_datagram *d,
    unsigned char **ret_frame)
{
	struct cap_frame f = { .number = 7, .time_us = us };

	*ret_frame = unit_hex(hex, &f.len);
	f.data = *ret_frame;
	f.wire_len = f.len;
	return cap_reader_frame(r, &f, d);
}

static void
expect_hello(int dlt, const char *hex)
{
	struct cap_reader *r = NULL;
	struct cap_datagram d;
	unsigned char *frame;

	assert_true(cap_reader_new(dlt, &r));
	assert_int_equal(feed(r, hex, 5, &d, &frame), CAP_DATAGRAM);
	assert_int_equal(d.len, 5);
	assert_memory_equal(d.data, "hello", 5);
	assert_int_equal(d.from.port, 1000);
	assert_int_equal(d.to.port, 2753);
	assert_int_equal(d.frame, 7);
	assert_int_equal(d.time_us, 5);
	free(frame);
	cap_reader_free(&r);
	assert_true(r == NULL);
}

static void
test_every_link_layer_is_read(void **state)
{
	(void)state;
	expect_hello(DLT_RAW, IP4 UDP);
	expect_hello(DLT_RAW, IP6 UDP);
	expect_hello(DLT_EN10MB, "010203040506 0708090a0b0c 0800" IP4 UDP);
	/* Padded, as Ethernet does with short packets. */
	expect_hello(
	    DLT_EN10MB, "010203040506 0708090a0b0c 0800" IP4 UDP "0000");
	expect_hello(DLT_EN10MB,
	    "010203040506 0708090a0b0c 88a80001 81000002 86dd" IP6 UDP);
	expect_hello(
	    DLT_LINUX_SLL, "0000 0001 0006 0102030405060000 0800" IP4 UDP);
	expect_hello(DLT_LINUX_SLL2,
	    "0800 0000 00000001 0001 00 06 0102030405060000" IP4 UDP);
	expect_hello(DLT_NULL, "02000000" IP4 UDP);
	expect_hello(DLT_LOOP, "0000001e" IP6 UDP);
}

static void
test_ipv6_extension_headers_are_skipped(void **state)
{
	(void)state;
	expect_hello(DLT_RAW,
	    "6000000000150040 20010db8000000000000000000000001"
	    "20010db8000000000000000000000002 1100000000000000" UDP);
}

/* The two halves of the datagram above: 8 octets, then 5. */
#define FIRST4 "4500001c0001200040110000 0a000001 0a000002 03e80ac1000d0000"
#define LAST4 "450000190001000140110000 0a000001 0a000002 68656c6c6f"

static void
expect_joined(const char *one, const char *two)
{
	struct cap_reader *r = NULL;
	struct cap_datagram d;
	unsigned char *frame;

	assert_true(cap_reader_new(DLT_RAW, &r));
	assert_int_equal(feed(r, one, 5, &d, &frame), CAP_HELD);
	free(frame);
	/* Once more: a duplicate changes nothing. */
	assert_int_equal(feed(r, one, 5, &d, &frame), CAP_HELD);
	free(frame);
	assert_int_equal(feed(r, two, 6, &d, &frame), CAP_DATAGRAM);
	assert_int_equal(d.len, 5);
	assert_memory_equal(d.data, "hello", 5);
	free(frame);
	cap_reader_free(&r);
}

static void
test_fragments_join_in_any_order(void **state)
{
	(void)state;
	expect_joined(FIRST4, LAST4);
	expect_joined(LAST4, FIRST4);
}

static void
test_fragments_too_old_do_not_join(void **state)
{
	struct cap_reader *r = NULL;
	struct cap_datagram d;
	unsigned char *frame;

	(void)state;
	assert_true(cap_reader_new(DLT_RAW, &r));
	assert_int_equal(feed(r, FIRST4, 5, &d, &frame), CAP_HELD);
	free(frame);
	assert_int_equal(
	    feed(r, LAST4, 6 + CAP_FRAGMENT_US, &d, &frame), CAP_HELD);
	free(frame);
	cap_reader_free(&r);
}

static void
test_fragments_past_64k_are_refused(void **state)
{
	struct cap_reader *r = NULL;
	struct cap_datagram d;
	unsigned char *frame;

	(void)state;
	assert_true(cap_reader_new(DLT_RAW, &r));
	assert_int_equal(
	    feed(r, "4500001900011fff40110000 0a000001 0a000002 68656c6c6f", 5,
		&d, &frame),
	    CAP_HELD);
	free(frame);
	assert_int_equal(feed(r,
			     "4500001e00021fff40110000 0a000001 0a000002"
			     "68656c6c6f6f6f6f6f6f",
			     5, &d, &frame),
	    CAP_BAD);
	free(frame);
	cap_reader_free(&r);
}

/* Of the datagram that ends after 13 octets: eight more, from 16 on. */
#define BEYOND4 "4500001c0001200240110000 0a000001 0a000002 0102030405060708"

static void
test_fragments_behind_the_end_spoil_the_datagram(void **state)
{
	static const char *const orders[][3] = {
		{ BEYOND4, FIRST4, LAST4 },
		{ FIRST4, BEYOND4, LAST4 },
		{ LAST4, BEYOND4, FIRST4 },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct cap_reader *r = NULL;
		struct cap_datagram d;
		unsigned char *frame;
		bool bad = false;

		assert_true(cap_reader_new(DLT_RAW, &r));
		for (size_t k = 0; k < 3; k++) {
			enum cap_result res =
			    feed(r, orders[i][k], 5, &d, &frame);

			bad |= res == CAP_BAD;
			/* Refused, it is as if it had not been. */
			assert_true(res != CAP_DATAGRAM || bad);
			free(frame);
		}
		assert_true(bad);
		cap_reader_free(&r);
	}
}

static void
test_no_truncation_is_read_as_a_datagram(void **state)
{
	static const char *const hex[] = {
		"010203040506 0708090a0b0c 0800" IP4 UDP,
		"010203040506 0708090a0b0c 81000001 86dd" IP6 UDP,
	};
	struct cap_reader *r = NULL;
	struct cap_datagram d = { .frame = 99 };

	(void)state;
	assert_true(cap_reader_new(DLT_EN10MB, &r));
	for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
		size_t len;
		unsigned char *whole = unit_hex(hex[i], &len);

		for (size_t cut = 0; cut < len; cut++) {
			unsigned char *part = unit_copy(whole, cut);
			struct cap_frame f = { 1, 1, part, cut, len };

			assert_int_equal(cap_reader_frame(r, &f, &d), CAP_CUT);
			f.wire_len = cut;
			assert_int_not_equal(
			    cap_reader_frame(r, &f, &d), CAP_DATAGRAM);
			free(part);
		}
		free(whole);
	}
	assert_int_equal(d.frame, 99);
	cap_reader_free(&r);
}

static void
test_out_of_memory_leaks_nothing(void **state)
{
	struct cap_reader *r = NULL;
	struct cap_datagram d;
	struct cap_frame f = { .number = 1 };
	size_t live = unit_alloc_live();
	unsigned char *frame = unit_hex(FIRST4, &f.len);

	(void)state;
	f.data = frame;
	f.wire_len = f.len;
	unit_alloc_fail_at(1);
	assert_true(!cap_reader_new(DLT_RAW, &r));
	assert_true(r == NULL);
	unit_alloc_fail_at(0);
	assert_true(cap_reader_new(DLT_RAW, &r));
	unit_alloc_fail_at(1);
	assert_int_equal(cap_reader_frame(r, &f, &d), CAP_CUT);
	unit_alloc_fail_at(0);
	assert_int_equal(cap_reader_frame(r, &f, &d), CAP_HELD);
	free(frame);
	cap_reader_free(&r);
	assert_int_equal(unit_alloc_live(), live);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_link_layer_is_read),
		cmocka_unit_test(test_ipv6_extension_headers_are_skipped),
		cmocka_unit_test(test_fragments_join_in_any_order),
		cmocka_unit_test(test_fragments_too_old_do_not_join),
		cmocka_unit_test(test_fragments_past_64k_are_refused),
		cmocka_unit_test(
		    test_fragments_behind_the_end_spoil_the_datagram),
		cmocka_unit_test(test_no_truncation_is_read_as_a_datagram),
		cmocka_unit_test(test_out_of_memory_leaks_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The codec: golden vectors both ways, every truncation and corruption, random
 * PDUs there and back, and the walk over missing lists.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/pdu.h"
#include "tests/unit/unit.h"

#define A 0x0a8e0001u
#define B 0x0a8e0002u
#define MSID 0x01020304u

/* The good vectors, and what they must mean. */
static const struct vector {
	const char *name;
	const char *line; /* what pmul_pdu_print() says */
} vectors[] = {
	{ "address-2-destinations",
	    "Address_PDU priority=4 source=10.142.0.1 "
	    "msid=16909060 total=3 expiry=1700003600 first last "
	    "dest=10.142.0.2/7,10.142.0.3/9" },
	{ "data-1", "Data_PDU priority=4 source=10.142.0.1 msid=16909060 "
		    "seq=1 octets=6" },
	{ "data-2", "Data_PDU priority=4 source=10.142.0.1 msid=16909060 "
		    "seq=2 octets=6" },
	{ "data-3", "Data_PDU priority=4 source=10.142.0.1 msid=16909060 "
		    "seq=3 octets=5" },
	{ "ack-complete", "Ack_PDU priority=4 source=10.142.0.2 "
			  "[10.142.0.1 msid=16909060 complete]" },
	{ "ack-missing-2", "Ack_PDU priority=4 source=10.142.0.3 "
			   "[10.142.0.1 msid=16909060 missing 2]" },
	{ "ack-range-timestamp",
	    "Ack_PDU priority=4 source=10.142.0.3 "
	    "[10.142.0.1 msid=16909060 missing 2-9 12] timestamp=35" },
	{ "ack-two-entries", "Ack_PDU priority=4 source=10.142.0.3 "
			     "[10.142.0.1 msid=16909060 complete] "
			     "[10.142.0.1 msid=16909061 missing 1 4]" },
	{ "ack-ack", "Address_PDU priority=4 source=10.142.0.1 msid=16909060 "
		     "total=3 expiry=1700003600 first last dest=" },
	{ "address-first-of-2", "Address_PDU priority=4 source=10.142.0.1 "
				"msid=16909062 total=1 expiry=1700003600 first "
				"dest=10.142.0.2/8" },
	{ "address-last-of-2", "Address_PDU priority=4 source=10.142.0.1 "
			       "msid=16909062 total=1 expiry=1700003600 last "
			       "dest=10.142.0.3/10" },
	{ "discard", "Discard_Message_PDU priority=4 source=10.142.0.1 "
		     "msid=16909060" },
	{ "request", "Request_PDU priority=0 source=10.142.0.1 msid=16909060 "
		     "group=239.1.2.3" },
	{ "reject", "Reject_PDU priority=0 source=10.142.0.1 msid=16909060 "
		    "group=239.1.2.3" },
	{ "release", "Release_PDU priority=0 source=10.142.0.1 msid=16909060 "
		     "group=239.1.2.3" },
	{ "announce", "Announce_PDU priority=0 source=10.142.0.1 "
		      "msid=16909060 group=239.1.2.3 expiry=1700003600 "
		      "dest=10.142.0.2,10.142.0.3" },
	{ "fec-address",
	    "FEC_Address_PDU priority=4 source=10.142.0.1 "
	    "msid=16909063 total=3 expiry=1700003600 first last fec=1 "
	    "dest=10.142.0.2/12" },
	{ "extra-address", "Extra_Address_PDU priority=4 source=10.142.0.1 "
			   "msid=16909060 total=3 expiry=1700003600 first last "
			   "dest=10.142.0.3/9" },
	{ "extra-fec-address",
	    "Extra_FEC_Address_PDU priority=4 "
	    "source=10.142.0.1 msid=16909063 total=3 expiry=1700003600 first "
	    "last fec=1 dest=10.142.0.2/12" },
};

#define NVECTORS (sizeof(vectors) / sizeof(vectors[0]))

static unsigned char *
vector(const char *name, const char *suffix, size_t *len)
{
	char path[200];
	unsigned char *raw, *exact;

	snprintf(
	    path, sizeof(path), "test-vectors/pmul/%s%s.bin", name, suffix);
	raw = unit_read_file(path, len);
	exact = unit_copy(raw, *len);
	free(raw);
	return exact;
}

/* Write a decoded PDU again; 0 for the types that have no encoder. */
static size_t
encode(const struct pmul_pdu *p, uint8_t *buf, size_t cap)
{
	struct pmul_dest dests[300];
	struct pmul_ack_writer w;
	struct pmul_ack_entry e;
	uint32_t ids[300];
	size_t pos = 0;

	switch (p->type) {
	case PMUL_DATA:
		return pmul_pdu_put_data(buf, cap, p->priority, p->source,
		    p->msid, p->seq, p->data, p->data_len);
	case PMUL_ACK:
		pmul_ack_begin(&w, buf, cap, p->priority, p->source);
		while (pmul_pdu_next_ack(p, &pos, &e)) {
			uint16_t missing[300];

			for (size_t i = 0; i < e.nmissing; i++)
				missing[i] = (uint16_t)(e.missing[2 * i] << 8 |
							e.missing[2 * i + 1]);
			if (!pmul_ack_entry_add(
				&w, e.source, e.msid, missing, e.nmissing))
				return 0;
		}
		return pmul_ack_end(
		    &w, p->has_timestamp ? &p->timestamp : NULL);
	case PMUL_ADDRESS:
	case PMUL_EXTRA_ADDRESS:
		for (size_t i = 0; i < p->count; i++)
			dests[i] = pmul_pdu_dest(p, i);
		return pmul_pdu_put_address(buf, cap, p, dests, p->count);
	case PMUL_DISCARD:
		return pmul_pdu_put_discard(
		    buf, cap, p->priority, p->source, p->msid);
	case PMUL_ANNOUNCE:
		for (size_t i = 0; i < p->count; i++)
			ids[i] = pmul_pdu_announced(p, i);
		return pmul_pdu_put_announce(buf, cap, p, ids, p->count);
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE:
		return pmul_pdu_put_group(
		    buf, cap, p->type, p->source, p->msid, p->group);
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: break;
	}
	return 0;
}

static void
test_golden_vectors_decode_to_what_they_say(void **state)
{
	static const char *const suffixes[] = { "", "-internet" };

	(void)state;
	for (size_t i = 0; i < 2 * NVECTORS; i++) {
		struct pmul_pdu p;
		char line[400];
		size_t len;
		unsigned char *v =
		    vector(vectors[i / 2].name, suffixes[i % 2], &len);

		assert_int_equal(pmul_pdu_decode(v, len, &p), PMUL_OK);
		assert_int_equal(p.length, len);
		pmul_pdu_print(&p, line, sizeof(line));
		assert_string_equal(line, vectors[i / 2].line);
		free(v);
	}
}

static void
test_golden_vectors_encode_byte_for_byte(void **state)
{
	size_t encoded = 0;

	(void)state;
	for (size_t i = 0; i < NVECTORS; i++) {
		uint8_t buf[200];
		struct pmul_pdu p;
		size_t len, n;
		unsigned char *v = vector(vectors[i].name, "", &len);

		assert_int_equal(pmul_pdu_decode(v, len, &p), PMUL_OK);
		n = encode(&p, buf, sizeof(buf));
		if (n > 0) {
			assert_int_equal(n, len);
			assert_memory_equal(buf, v, len);
			/* One octet less room, and nothing is written; but
			 * the timestamp is an option and left out. */
			assert_int_equal(encode(&p, buf, len - 1),
			    p.has_timestamp ? len - 8 : 0);
			encoded++;
		}
		free(v);
	}
	/* All but the two FEC variants, which we never send. */
	assert_int_equal(encoded, NVECTORS - 2);
}

static void
test_both_checksums_are_computed_as_published(void **state)
{
	/* The worked example: Discard, priority 4, Fletcher f054, Internet
	 * ed57. */
	size_t len;
	unsigned char *v =
	    unit_hex("001004030000 0000 0a8e0001 01020304", &len);

	(void)state;
	pmul_checksum_put(v, len);
	assert_int_equal(v[6], 0xf0);
	assert_int_equal(v[7], 0x54);
	assert_int_equal(pmul_checksum_internet(v, len), 0xed57);
	assert_true(pmul_checksum_good(v, len));
	free(v);
}

static void
test_zero_octet_of_a_checksum_may_be_written_as_255(void **state)
{
	unsigned tried = 0;
	uint8_t buf[40];

	(void)state;
	for (uint32_t msid = 0; msid < 2000; msid++) {
		size_t n = pmul_pdu_put_discard(buf, sizeof(buf), 4, A, msid);

		assert_true(buf[6] != 0xff && buf[7] != 0xff);
		if (buf[6] != 0)
			continue;
		buf[6] = 0xff;
		assert_true(pmul_checksum_good(buf, n));
		tried++;
	}
	assert_true(tried > 0);
}

static void
test_longest_pdu_has_a_good_checksum(void **state)
{
	uint8_t *buf = malloc(PMUL_PDU_MAX), *data = malloc(PMUL_PDU_MAX);
	struct pmul_pdu p;
	size_t n;

	(void)state;
	memset(data, 0xff, PMUL_PDU_MAX);
	n = pmul_pdu_put_data(buf, PMUL_PDU_MAX, 0, A, MSID, 65535, data,
	    PMUL_PDU_MAX - PMUL_DATA_HEADER);
	assert_int_equal(n, PMUL_PDU_MAX);
	assert_int_equal(pmul_pdu_decode(buf, n, &p), PMUL_OK);
	assert_int_equal(p.data_len, PMUL_PDU_MAX - PMUL_DATA_HEADER);
	free(buf);
	free(data);
}

static void
test_padding_behind_the_pdu_is_ignored(void **state)
{
	size_t len;
	unsigned char *v = vector("data-3", "", &len), padded[100];
	struct pmul_pdu p;

	(void)state;
	memset(padded, 0xa5, sizeof(padded));
	memcpy(padded, v, len);
	assert_int_equal(pmul_pdu_decode(padded, sizeof(padded), &p), PMUL_OK);
	assert_int_equal(p.data_len, 5);
	assert_memory_equal(p.data, "world", 5);
	free(v);
}

static void
test_every_truncation_is_refused_without_a_trace(void **state)
{
	(void)state;
	for (size_t i = 0; i < NVECTORS; i++) {
		size_t len;
		unsigned char *v = vector(vectors[i].name, "", &len);

		for (size_t cut = 0; cut < len; cut++) {
			unsigned char *part = unit_copy(v, cut);
			struct pmul_pdu p = { .msid = 77 };

			assert_int_equal(
			    pmul_pdu_decode(part, cut, &p), PMUL_EMALFORMED);
			assert_int_equal(p.msid, 77);
			free(part);
		}
		free(v);
	}
}

/* Walk all that a decoded PDU offers; a sanitizer watches. */
static void
walk(const struct pmul_pdu *p)
{
	char line[64];

	assert_true(pmul_pdu_print(p, line, sizeof(line)) > 0);
	assert_true(memchr(line, '\0', sizeof(line)) != NULL);
}

static void
test_corruption_is_noticed_or_harmless(void **state)
{
	size_t noticed = 0, all = 0;

	(void)state;
	for (size_t i = 0; i < NVECTORS; i++) {
		size_t len;
		unsigned char *v = vector(vectors[i].name, "", &len);

		for (size_t k = 0; k < 8 * len; k++) {
			struct pmul_pdu p;

			v[k / 8] ^= (unsigned char)(1 << k % 8);
			all++;
			if (pmul_pdu_decode(v, len, &p) != PMUL_OK)
				noticed++;
			else
				walk(&p);
			v[k / 8] ^= (unsigned char)(1 << k % 8);
		}
		free(v);
	}
	/* One bit: both checksums find it, unless it made the PDU shorter. */
	assert_true(noticed > all * 99 / 100);
}

static void
test_bad_vectors_are_refused_for_the_right_reason(void **state)
{
	static const struct {
		const char *name;
		int err;
	} bad[] = {
		{ "empty", PMUL_EMALFORMED },
		{ "one-octet", PMUL_EMALFORMED },
		{ "header-only", PMUL_EMALFORMED },
		{ "length-short", PMUL_EMALFORMED },
		{ "length-long", PMUL_EMALFORMED },
		{ "length-zero", PMUL_EMALFORMED },
		{ "checksum", PMUL_ECHECKSUM },
		{ "checksum-zero", PMUL_ECHECKSUM },
		{ "data-seq-0", PMUL_EMALFORMED },
		{ "data-empty", PMUL_EMALFORMED },
		{ "type-9", PMUL_ETYPE },
		{ "type-3f", PMUL_ETYPE },
		{ "address-cut", PMUL_EMALFORMED },
		{ "address-count-high", PMUL_EMALFORMED },
		{ "address-count-low", PMUL_EMALFORMED },
		{ "address-count-ffff", PMUL_EMALFORMED },
		{ "address-reserved", PMUL_EMALFORMED },
		{ "address-reserved-ffff", PMUL_EMALFORMED },
		{ "fec-length", PMUL_EMALFORMED },
		{ "ack-no-entry", PMUL_EMALFORMED },
		{ "ack-entry-short", PMUL_EMALFORMED },
		{ "ack-entry-odd", PMUL_EMALFORMED },
		{ "ack-entry-long", PMUL_EMALFORMED },
		{ "ack-entry-zero", PMUL_EMALFORMED },
		{ "ack-count-high", PMUL_EMALFORMED },
		{ "ack-timestamp-cut", PMUL_EMALFORMED },
		{ "announce-count", PMUL_EMALFORMED },
		{ "announce-cut", PMUL_EMALFORMED },
		{ "request-long", PMUL_EMALFORMED },
		{ "request-short", PMUL_EMALFORMED },
		{ "discard-long", PMUL_EMALFORMED },
		{ "discard-short", PMUL_EMALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct pmul_pdu p = { .msid = 77 };
		char name[64];
		size_t len;
		unsigned char *v;

		snprintf(name, sizeof(name), "bad-%s", bad[i].name);
		v = vector(name, "", &len);
		if (pmul_pdu_decode(v, len, &p) != bad[i].err)
			fail_msg("%s", name);
		assert_int_equal(p.msid, 77);
		free(v);
	}
}

static void
test_random_pdus_survive_encoding_and_decoding(void **state)
{
	(void)state;
	srandom(142);
	for (int i = 0; i < 3000; i++) {
		struct pmul_pdu in = {
			.type =
			    random() % 2 ? PMUL_ADDRESS : PMUL_EXTRA_ADDRESS,
			.priority = (uint8_t)random(),
			.first = random() % 2,
			.last = random() % 2,
			.source = (uint32_t)random() * 2u,
			.msid = (uint32_t)random() * 2u,
			.total = (uint16_t)random(),
			.expiry = (uint32_t)random() * 2u,
		};
		struct pmul_dest d[50];
		size_t n = (size_t)random() % 50, len;
		uint8_t buf[500];
		struct pmul_pdu out;

		for (size_t k = 0; k < n; k++)
			d[k] = (struct pmul_dest){ (uint32_t)random(),
				(uint32_t)random() };
		len = pmul_pdu_put_address(buf, sizeof(buf), &in, d, n);
		assert_int_equal(
		    len, PMUL_ADDRESS_HEADER + n * PMUL_DEST_ENTRY);
		assert_int_equal(pmul_pdu_decode(buf, len, &out), PMUL_OK);
		assert_int_equal(out.type, in.type);
		assert_int_equal(out.priority, in.priority);
		assert_int_equal(out.first, in.first);
		assert_int_equal(out.last, in.last);
		assert_int_equal(out.source, in.source);
		assert_int_equal(out.msid, in.msid);
		assert_int_equal(out.total, in.total);
		assert_int_equal(out.expiry, in.expiry);
		assert_int_equal(out.count, n);
		for (size_t k = 0; k < n; k++) {
			assert_int_equal(pmul_pdu_dest(&out, k).id, d[k].id);
			assert_int_equal(pmul_pdu_dest(&out, k).seq, d[k].seq);
		}
	}
}

static void
test_missing_lists_are_read_as_142a_says(void **state)
{
	static const struct {
		const char *hex, *ranges;
	} cases[] = {
		{ "", "" },
		{ "0001", "1-1 " },
		{ "0001 0003 0000 0009 000c", "1-1 3-9 12-12 " },
		{ "0002 0000 0009 000c", "2-9 12-12 " },
		{ "0001 0000 ffff", "1-65535 " },
		{ "0002 0000 0004 0006 0000 0008", "2-4 6-8 " },
		/* Not greater than its predecessor: the end of the list. */
		{ "0005 0005 0009", "5-5 " },
		{ "0005 0003 0009", "5-5 " },
		{ "0002 0000 0009 0009 000c", "2-9 " },
		/* What makes no sense is passed over. */
		{ "0000", "" },
		{ "0000 0003", "3-3 " },
		{ "0005 0000 0003 0007", "7-7 " },
		{ "0005 0000 0005 0007", "7-7 " },
		{ "0005 0000", "5-5 " },
		{ "0000 0000 0000", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pmul_ack_entry e = { 0 };
		char got[100] = "";
		uint16_t first, last;
		size_t len, pos = 0, n = 0;
		unsigned char *raw = unit_hex(cases[i].hex, &len);

		e.missing = raw;
		e.nmissing = len / 2;
		while (pmul_ack_next_range(&e, &pos, &first, &last)) {
			n += (size_t)snprintf(
			    got + n, sizeof(got) - n, "%u-%u ", first, last);
		}
		assert_string_equal(got, cases[i].ranges);
		free(raw);
	}
}

static void
test_ack_writer_stops_at_its_room(void **state)
{
	uint16_t missing[] = { 2, 5 };
	struct pmul_ack_writer w;
	struct pmul_pdu p;
	uint8_t buf[PMUL_ACK_HEADER + PMUL_ACK_ENTRY + 4 + 7];
	uint64_t stamp = 9;

	(void)state;
	pmul_ack_begin(&w, buf, sizeof(buf), 3, B);
	assert_int_equal(pmul_ack_end(&w, NULL), 0);
	assert_true(pmul_ack_entry_add(&w, A, MSID, missing, 2));
	assert_false(pmul_ack_entry_add(&w, A, MSID, NULL, 0));
	/* Seven octets are left: the option does not fit and is left out. */
	assert_int_equal(pmul_ack_end(&w, &stamp), sizeof(buf) - 7);
	assert_int_equal(pmul_pdu_decode(buf, sizeof(buf) - 7, &p), PMUL_OK);
	assert_int_equal(p.count, 1);
	assert_false(p.has_timestamp);
}

static void
test_printing_into_any_room_is_safe(void **state)
{
	size_t len;
	unsigned char *v = vector("ack-two-entries", "", &len);
	struct pmul_pdu p;
	char whole[200];
	size_t n;

	(void)state;
	assert_int_equal(pmul_pdu_decode(v, len, &p), PMUL_OK);
	n = pmul_pdu_print(&p, whole, sizeof(whole));
	for (size_t cap = 0; cap <= n + 1; cap++) {
		char *part = malloc(cap > 0 ? cap : 1);

		assert_int_equal(pmul_pdu_print(&p, part, cap), n);
		if (cap > 0) {
			assert_int_equal(strlen(part), cap - 1);
			assert_memory_equal(part, whole, cap - 1);
		}
		free(part);
	}
	free(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_vectors_decode_to_what_they_say),
		cmocka_unit_test(test_golden_vectors_encode_byte_for_byte),
		cmocka_unit_test(test_both_checksums_are_computed_as_published),
		cmocka_unit_test(
		    test_zero_octet_of_a_checksum_may_be_written_as_255),
		cmocka_unit_test(test_longest_pdu_has_a_good_checksum),
		cmocka_unit_test(test_padding_behind_the_pdu_is_ignored),
		cmocka_unit_test(
		    test_every_truncation_is_refused_without_a_trace),
		cmocka_unit_test(test_corruption_is_noticed_or_harmless),
		cmocka_unit_test(
		    test_bad_vectors_are_refused_for_the_right_reason),
		cmocka_unit_test(
		    test_random_pdus_survive_encoding_and_decoding),
		cmocka_unit_test(test_missing_lists_are_read_as_142a_says),
		cmocka_unit_test(test_ack_writer_stops_at_its_room),
		cmocka_unit_test(test_printing_into_any_room_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

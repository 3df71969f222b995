/*
 * CompressedData: golden vectors both ways, every BER form, every truncation,
 * and libtasn1's schema decoder as the judge.
 */
#include <libtasn1.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asn1/cdt.h"
#include "tests/unit/unit.h"

extern const asn1_static_node cdt_implicit[];
extern const asn1_static_node cdt_explicit[];

static unsigned char *
vector(const char *name, size_t *len)
{
	char path[200];
	unsigned char *raw, *exact;

	snprintf(path, sizeof(path), "test-vectors/cdt/%s.bin", name);
	raw = unit_read_file(path, len);
	exact = unit_copy(raw, *len);
	free(raw);
	return exact;
}

/* Decode all of it: the joined stream (free it), or the error. */
static int
decode(const void *buf, size_t len, struct ber_cdt *c, uint8_t **ret_stream,
    size_t *ret_len, size_t *ret_chunks)
{
	uint8_t *stream = malloc(len + 1);
	size_t n = 0, chunks = 0, size;
	const uint8_t *p;
	int rc = ber_cdt_open(c, buf, len);

	while (rc == BER_OK && (rc = ber_cdt_next(c, &p, &size)) == 1) {
		/* Chunks are inside the input. */
		assert_true(p >= (const uint8_t *)buf &&
			    p + size <= (const uint8_t *)buf + len);
		memcpy(stream + n, p, size);
		n += size;
		chunks++;
		rc = BER_OK;
	}
	if (rc != BER_OK) {
		free(stream);
		return rc;
	}
	*ret_stream = stream;
	*ret_len = n;
	*ret_chunks = chunks;
	return BER_OK;
}

static const char stream_hex[] =
    "7801013200cdff3c6140782e6578616d706c653e0d0a"
    "3c6240792e6578616d706c653e0d0a0d0a5375626a6563743a20740d0a0d0a68690d0a"
    "905c0e56";

static void
test_golden_vectors_hold_their_stream(void **state)
{
	static const struct {
		const char *name;
		enum ber_tagging tagging;
		size_t chunks;
	} good[] = {
		{ "tiny-implicit", BER_IMPLICIT, 1 },
		{ "tiny-explicit", BER_EXPLICIT, 1 },
		{ "tiny-indefinite", BER_IMPLICIT, 2 },
	};
	size_t want_len;
	unsigned char *want = unit_hex(stream_hex, &want_len);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct ber_cdt c;
		size_t len, n, chunks;
		unsigned char *v = vector(good[i].name, &len);
		uint8_t *stream;

		assert_int_equal(decode(v, len, &c, &stream, &n, &chunks), 0);
		assert_int_equal(c.tagging, good[i].tagging);
		assert_int_equal(c.content_type, BER_CDT_MULE);
		assert_int_equal(chunks, good[i].chunks);
		assert_int_equal(n, want_len);
		assert_memory_equal(stream, want, n);
		free(stream);
		free(v);
	}
	free(want);
}

static void
test_head_is_encoded_byte_for_byte(void **state)
{
	static const struct {
		const char *name;
		enum ber_tagging tagging;
	} good[] = {
		{ "tiny-implicit", BER_IMPLICIT },
		{ "tiny-explicit", BER_EXPLICIT },
		{ "tiny-deflated", BER_IMPLICIT },
		{ "rfc8494-example-implicit", BER_IMPLICIT },
		{ "rfc8494-example-explicit", BER_EXPLICIT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint8_t head[BER_CDT_HEAD_MAX], *stream;
		struct ber_cdt c;
		size_t len, n, chunks, h;
		unsigned char *v = vector(good[i].name, &len);

		assert_int_equal(decode(v, len, &c, &stream, &n, &chunks), 0);
		h = ber_cdt_head(good[i].tagging, n, head);
		assert_int_equal(h + n, len);
		assert_memory_equal(head, v, h);
		free(stream);
		free(v);
	}
}

static void
test_bad_vectors_are_refused_for_the_right_reason(void **state)
{
	static const struct {
		const char *name;
		int err;
	} bad[] = {
		{ "bad-trailing", BER_ETRAILING },
		{ "bad-cut", BER_ETRUNCATED },
		{ "bad-oid-algorithm", BER_EOID },
		{ "bad-oid-type", BER_EOID },
		{ "bad-type-2", BER_ECONTENTTYPE },
		{ "bad-algorithm-1", BER_EALGORITHM },
		{ "bad-no-eoc", BER_ETRUNCATED },
		{ "bad-length-4g", BER_ETOOBIG },
		{ "bad-two-strings", BER_EMALFORMED },
		{ "bad-deep", BER_ETOODEEP },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ber_cdt c;
		size_t len, n, chunks;
		unsigned char *v = vector(bad[i].name, &len);
		uint8_t *stream;
		int rc = decode(v, len, &c, &stream, &n, &chunks);

		if (rc != bad[i].err)
			fail_msg("%s: %d", bad[i].name, rc);
		assert_true(rc < 0);
		free(v);
	}
}

static void
test_every_truncation_is_refused(void **state)
{
	static const char *const names[] = { "tiny-implicit", "tiny-explicit",
		"tiny-indefinite", "rfc8494-example-explicit" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len, n, chunks;
		unsigned char *v = vector(names[i], &len);

		for (size_t cut = 0; cut < len; cut++) {
			unsigned char *part = unit_copy(v, cut);
			struct ber_cdt c;
			uint8_t *stream;

			assert_true(
			    decode(part, cut, &c, &stream, &n, &chunks) < 0);
			free(part);
		}
		free(v);
	}
}

/* --- building forms ---------------------------------------------------------- */

struct text {
	uint8_t buf[4096];
	size_t len;
};

static void
put(struct text *t, const void *p, size_t n)
{
	memcpy(t->buf + t->len, p, n);
	t->len += n;
}

/* How an element's length is written. */
enum form { SHORT, LONG, PADDED, INDEFINITE, FORMS };

static struct text
element(uint8_t tag, enum form form, const struct text *content)
{
	struct text t = { .len = 0 };
	const uint8_t eoc[2] = { 0, 0 };
	uint8_t head[8] = { tag };
	size_t n = 1;

	switch (form) {
	case SHORT:
	case LONG:
		if (form == SHORT && content->len < 128) {
			head[n++] = (uint8_t)content->len;
			break;
		}
		head[n++] = 0x82;
		head[n++] = (uint8_t)(content->len >> 8);
		head[n++] = (uint8_t)content->len;
		break;
	case PADDED:
		head[n++] = 0x84;
		head[n++] = 0;
		head[n++] = 0;
		head[n++] = (uint8_t)(content->len >> 8);
		head[n++] = (uint8_t)content->len;
		break;
	case INDEFINITE:
	case FORMS: head[n++] = 0x80; break;
	}
	put(&t, head, n);
	put(&t, content->buf, content->len);
	if (form == INDEFINITE)
		put(&t, eoc, 2);
	return t;
}

/* stream as an OCTET STRING: whole, or in pieces, perhaps nested. */
static struct text
octet_string(const uint8_t *stream, size_t len, size_t piece, unsigned depth,
    enum form form)
{
	struct text all = { .len = 0 };

	if (depth == 0) {
		put(&all, stream, len);
		return element(0x04, form == INDEFINITE ? SHORT : form, &all);
	}
	for (size_t i = 0; i < len; i += piece) {
		size_t n = len - i < piece ? len - i : piece;
		struct text part =
		    octet_string(stream + i, n, piece, depth - 1, form);

		put(&all, part.buf, part.len);
	}
	return element(0x24, form, &all);
}

/* A short form, EXPLICIT or IMPLICIT. */
static struct text
short_form(uint8_t value, bool explicit, enum form form)
{
	struct text v = { .buf = { value }, .len = 1 }, integer;

	if (!explicit)
		return element(0x80, form == INDEFINITE ? SHORT : form, &v);
	integer = element(0x02, form == INDEFINITE ? SHORT : form, &v);
	return element(0xa0, form, &integer);
}

static struct text
build(const uint8_t *stream, size_t len, bool explicit, enum form form,
    size_t piece, unsigned depth)
{
	struct text string = octet_string(stream, len, piece, depth, form);
	struct text wrapper = element(0xa0, form, &string);
	struct text info = short_form(25, explicit, form), outer, inner;

	put(&info, wrapper.buf, wrapper.len);
	inner = element(0x30, form, &info);
	outer = short_form(0, explicit, form);
	put(&outer, inner.buf, inner.len);
	return element(0x30, form, &outer);
}

static void
test_every_ber_form_is_read(void **state)
{
	size_t want_len;
	unsigned char *want = unit_hex(stream_hex, &want_len);
	static const size_t pieces[] = { 1, 2, 7, 30, 61, 100 };

	(void)state;
	for (unsigned k = 0; k < FORMS * 2 * 6 * 4; k++) {
		struct text t = build(want, want_len, k % 2, k / 2 % FORMS,
		    pieces[k / 8 % 6], k / 48 % 4);
		unsigned char *exact = unit_copy(t.buf, t.len);
		struct ber_cdt c;
		uint8_t *stream;
		size_t n, chunks;
		int rc = decode(exact, t.len, &c, &stream, &n, &chunks);

		if (rc != BER_OK)
			fail_msg("form %u: %s", k, ber_strerror(rc));
		assert_int_equal(n, want_len);
		assert_memory_equal(stream, want, n);
		free(stream);
		free(exact);
	}
	free(want);
}

static void
test_empty_streams_and_chunks_are_read(void **state)
{
	static const char *const hex[] = {
		"300e 800100 3009 800119 a002 0400",
		"300e 800100 3009 800119 a002 2400",
		"3010 800100 300b 800119 a004 2402 0400",
		"3010 800100 300b 800119 a004 2480 0000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++) {
		size_t len, n = 1, chunks;
		unsigned char *v;
		uint8_t *stream;
		struct ber_cdt c;
		char fixed[100];

		/* The lengths above are right but for the outer two. */
		snprintf(fixed, sizeof(fixed), "%s", hex[i]);
		v = unit_hex(fixed, &len);
		v[1] = (unsigned char)(len - 2);
		v[6] = (unsigned char)(len - 7);
		assert_int_equal(decode(v, len, &c, &stream, &n, &chunks), 0);
		assert_int_equal(n, 0);
		free(stream);
		free(v);
	}
}

/* --- the judge -------------------------------------------------------------------- */

/* What libtasn1's schema decoder makes of it; free the stream. */
static bool
oracle(const asn1_static_node *schema, const char *type, const void *buf,
    size_t len, uint8_t **ret_stream, int *ret_len)
{
	asn1_node definitions = NULL, element = NULL;
	char err[ASN1_MAX_ERROR_DESCRIPTION_SIZE];
	bool good = false;

	if (asn1_array2tree(schema, &definitions, err) != ASN1_SUCCESS ||
	    asn1_create_element(definitions, type, &element) != ASN1_SUCCESS)
		fail_msg("schema: %s", err);
	if (asn1_der_decoding(&element, buf, (int)len, err) == ASN1_SUCCESS) {
		*ret_len = (int)len;
		*ret_stream = malloc(len + 1);
		good = asn1_read_value(element,
			   "compressedContentInfo.compressedContent",
			   *ret_stream, ret_len) == ASN1_SUCCESS;
		if (!good)
			free(*ret_stream);
	}
	asn1_delete_structure(&element);
	asn1_delete_structure(&definitions);
	return good;
}

static void
test_schema_decoder_accepts_what_we_encode(void **state)
{
	static const size_t lens[] = { 0, 1, 100, 127, 128, 200, 255, 256,
		65535, 65536, 100000 };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(lens) / sizeof(lens[0]); i++) {
		bool explicit = i % 2;
		size_t n = lens[i / 2], h;
		uint8_t *buf = malloc(BER_CDT_HEAD_MAX + n), *stream;
		int got;

		h = ber_cdt_head(
		    explicit ? BER_EXPLICIT : BER_IMPLICIT, n, buf);
		assert_true(h > 0 && h <= BER_CDT_HEAD_MAX);
		memset(buf + h, 0x5a, n);
		assert_true(oracle(explicit ? cdt_explicit : cdt_implicit,
		    explicit ? "CDT-EXPLICIT.CompressedData"
			     : "CDT.CompressedData",
		    buf, h + n, &stream, &got));
		assert_int_equal(got, n);
		free(stream);
		free(buf);
	}
	assert_int_equal(ber_cdt_head(BER_IMPLICIT, (size_t)1 << 31, NULL), 0);
}

static void
test_we_accept_what_the_schema_decoder_accepts(void **state)
{
	size_t want_len, agreed = 0;
	unsigned char *want = unit_hex(stream_hex, &want_len);

	(void)state;
	srandom(19);
	for (unsigned k = 0; k < 4000; k++) {
		bool explicit = random() % 2;
		struct text t = build(want, want_len, explicit,
		    (enum form)(random() % FORMS), 1 + (size_t)random() % 61,
		    (unsigned)random() % 3);
		struct ber_cdt c;
		uint8_t *theirs, *ours;
		size_t n = 0, chunks;
		int got, rc;

		/* Sometimes break it somewhere. */
		if (random() % 3 != 0)
			t.buf[(size_t)random() % t.len] ^=
			    (uint8_t)(1 << random() % 8);
		if (!oracle(explicit ? cdt_explicit : cdt_implicit,
			explicit ? "CDT-EXPLICIT.CompressedData"
				 : "CDT.CompressedData",
			t.buf, t.len, &theirs, &got))
			continue;
		rc = decode(t.buf, t.len, &c, &ours, &n, &chunks);
		/*
		 * We may dislike a value; and libtasn1 does not mind an
		 * element that overruns its wrapper by a little, nor a
		 * missing last end-of-contents.
		 */
		if (rc == BER_OK) {
			assert_int_equal(n, got);
			assert_memory_equal(ours, theirs, n);
			free(ours);
			agreed++;
		} else {
			assert_true(rc == BER_EOID || rc == BER_EALGORITHM ||
				    rc == BER_ECONTENTTYPE ||
				    rc == BER_EMALFORMED ||
				    rc == BER_ETRUNCATED);
		}
		free(theirs);
	}
	assert_true(agreed > 500);
	free(want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden_vectors_hold_their_stream),
		cmocka_unit_test(test_head_is_encoded_byte_for_byte),
		cmocka_unit_test(
		    test_bad_vectors_are_refused_for_the_right_reason),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_every_ber_form_is_read),
		cmocka_unit_test(test_empty_streams_and_chunks_are_read),
		cmocka_unit_test(test_schema_decoder_accepts_what_we_encode),
		cmocka_unit_test(
		    test_we_accept_what_the_schema_decoder_accepts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

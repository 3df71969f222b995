/*
 * Compression: what zopfli is for, and that it never costs a single octet.
 */
#include "tests/unit/unit.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "mule/zip.h"

static void
must_inflate(const uint8_t *z, size_t n, const void *want, size_t len)
{
	struct mule_inflate i;
	uint8_t *copy = unit_copy(z, n), *out = NULL;
	size_t got = 0;

	assert_int_equal(mule_inflate_init(&i, len + 1, 0), MULE_OK);
	assert_int_equal(mule_inflate_feed(&i, copy, n), MULE_OK);
	assert_int_equal(mule_inflate_finish(&i, &out, &got), MULE_OK);
	mule_inflate_release(&i);
	assert_int_equal(got, len);
	assert_memory_equal(out, want, len);
	free(out);
	free(copy);
}

/* The size of the stream behind head octets. */
static size_t
size_by(enum mule_zip how, const void *data, size_t len, size_t head)
{
	uint8_t *copy = unit_copy(data, len), *buf = NULL;
	size_t n = 0;

	assert_int_equal(
	    mule_deflate_by(how, copy, len, head, &buf, &n), MULE_OK);
	must_inflate(buf + head, n - head, data, len);
	free(buf);
	free(copy);
	return n - head;
}

/* --- the decision ------------------------------------------------------------ */

struct row {
	size_t len, z;
	uint64_t slowest; /* bit/s at which it no longer pays, by the formula */
};

static void
test_zopfli_is_for_slow_links_and_for_what_shrinks(void **state)
{
	/* Sizes of real mail; the rates were worked out by hand. */
	static const struct row rows[] = {
		{ 2391, 668, 548 },       /* a delivery report */
		{ 7679, 3822, 725 },      /* text */
		{ 27797, 11667, 1180 },   /* text */
		{ 176860, 128595, 4264 }, /* base64 */
		{ 262144, 149408, 6663 }, /* the largest */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];

		assert_true(mule_zip_pays(r->slowest * 99 / 100, r->len, r->z));
		assert_false(
		    mule_zip_pays(r->slowest * 101 / 100, r->len, r->z));
	}
}

static void
test_zopfli_never_pays_where_nothing_can_be_saved(void **state)
{
	(void)state;
	assert_true(mule_zip_pays(10, 100000, 30000));
	assert_false(mule_zip_pays(0, 100000, 30000));
	assert_false(mule_zip_pays(UINT64_MAX, 100000, 30000));
	assert_false(mule_zip_pays(10, 100000, 100000));
	assert_false(mule_zip_pays(10, 100000, 100011));
	assert_false(mule_zip_pays(10, 0, 8));
	assert_false(mule_zip_pays(10, 0, 0));
	assert_false(mule_zip_pays(10, 1, 0));
	assert_true(mule_zip_pays(10, MULE_ZIP_ZOPFLI_MAX, 30000));
	assert_false(mule_zip_pays(10, MULE_ZIP_ZOPFLI_MAX + 1, 30000));
	assert_false(mule_zip_pays(10, SIZE_MAX, SIZE_MAX / 2));
}

/* --- sizes ------------------------------------------------------------------- */

/* Sums over mails. */
struct sum {
	size_t zlib, libdeflate, zopfli, mails;
};

static void
add_mail(struct sum *sum, const uint8_t *mail, size_t len)
{
	size_t a = size_by(MULE_ZIP_ZLIB, mail, len, 0);
	size_t b = size_by(MULE_ZIP_LIBDEFLATE, mail, len, 3);
	size_t c = size_by(MULE_ZIP_ZOPFLI, mail, len, 3);

	assert_true(c <= b);
	assert_true(c <= a);
	sum->zlib += a;
	sum->libdeflate += b;
	sum->zopfli += c;
	sum->mails++;
}

static void
test_zopfli_makes_no_mail_longer_and_most_shorter(void **state)
{
	struct sum sum = { 0, 0, 0, 0 };
	glob_t g;

	(void)state;
	assert_int_equal(glob("tests/corpus/*.eml", 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++) {
		size_t len;
		uint8_t *mail = unit_read_file(g.gl_pathv[i], &len);

		/* More takes too long under a sanitizer. */
		if (len < 3000)
			add_mail(&sum, mail, len);
		free(mail);
	}
	assert_in_range(sum.mails, 10, 1000);
	assert_true(sum.libdeflate < sum.zlib);
	assert_true(sum.zopfli < sum.libdeflate - sum.libdeflate / 200);
	globfree(&g);
}

/* One octet of each kind of content: noise, runs, words, rare marks. */
static char
octet(unsigned kind, size_t i)
{
	long r = random();

	switch (kind) {
	case 0: return (char)r;
	case 1: return "ab"[i % 2];
	case 2: return 'x';
	case 3: return "etaoinsh \n"[r % 10];
	case 4: return "etaoinsh \n"[r % 10 * (r / 10 % 3 / 2)];
	default: return r % 90 == 0 ? 'b' : 'a';
	}
}

static void
fill(uint8_t *p, size_t n, unsigned kind)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)octet(kind, i);
}

static void
test_zopfli_is_never_longer_than_libdeflate(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 10, 100, 1023, 1024, 1025,
		2500 };
	uint8_t *p = malloc(2500);
	size_t shorter = 0;

	(void)state;
	srandom(11);
	for (unsigned kind = 0; kind < 6; kind++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			size_t b, c;

			fill(p, sizes[i], kind);
			b = size_by(MULE_ZIP_LIBDEFLATE, p, sizes[i], 0);
			c = size_by(MULE_ZIP_ZOPFLI, p, sizes[i], 5);
			assert_true(c <= b);
			shorter += c < b;
		}
	}
	assert_in_range(shorter, 10, 60);
	free(p);
}

/* The room for its output is a guess at its worst case, by parts of a power
 * of two: sizes around it, of what does not shrink but for its beginning. */
static void
test_the_worst_case_has_room(void **state)
{
	uint8_t *p = malloc(70000);

	(void)state;
	srandom(12);
	for (size_t len = 63300; len < 66000; len += 900) {
		fill(p, len, 0);
		memset(p, 'x', 400);
		(void)size_by(MULE_ZIP_ZOPFLI, p, len, 0);
	}
	free(p);
}

static void
test_what_is_over_the_limit_is_left_to_libdeflate(void **state)
{
	size_t len = MULE_ZIP_ZOPFLI_MAX + 1;
	uint8_t *p = malloc(len), *a = NULL, *b = NULL;
	size_t na, nb;

	(void)state;
	/* Where zopfli would win by far. */
	fill(p, len, 5);
	assert_int_equal(
	    mule_deflate_by(MULE_ZIP_LIBDEFLATE, p, len, 0, &a, &na), MULE_OK);
	assert_int_equal(
	    mule_deflate_by(MULE_ZIP_ZOPFLI, p, len, 0, &b, &nb), MULE_OK);
	assert_int_equal(na, nb);
	assert_memory_equal(a, b, na);
	free(a);
	free(b);
	free(p);
}

static size_t
size_at(uint64_t bit_rate, const void *data, size_t len)
{
	uint8_t *buf = NULL;
	size_t n = 0;

	assert_int_equal(
	    mule_deflate(bit_rate, data, len, 0, &buf, &n), MULE_OK);
	must_inflate(buf, n, data, len);
	free(buf);
	return n;
}

static void
test_the_link_decides(void **state)
{
	size_t len;
	uint8_t *mail =
	    unit_read_file("tests/corpus/delivery-status.anonymized.eml", &len);
	size_t dense = size_by(MULE_ZIP_LIBDEFLATE, mail, len, 0);
	size_t best = size_by(MULE_ZIP_ZOPFLI, mail, len, 0);
	size_t quick = size_by(MULE_ZIP_QUICK, mail, len, 0);

	(void)state;
	assert_true(best < dense);
	assert_true(dense < quick);
	assert_int_equal(size_at(75, mail, len), best);
	assert_int_equal(size_at(300, mail, len), best);
	assert_int_equal(size_at(1200, mail, len), dense);
	assert_int_equal(size_at(1000000, mail, len), dense);
	assert_int_equal(size_at(MULE_ZIP_DENSE_RATE, mail, len), dense);
	assert_int_equal(size_at(MULE_ZIP_DENSE_RATE + 1, mail, len), quick);
	assert_int_equal(size_at(0, mail, len), quick);
	free(mail);
}

/* --- memory ------------------------------------------------------------------- */

static void
test_without_memory_for_zopfli_libdeflate_remains(void **state)
{
	size_t len, n = 0, dense, best, calls, live = unit_alloc_live();
	uint8_t *mail =
	    unit_read_file("tests/corpus/delivery-status.anonymized.eml", &len);
	uint8_t *buf = NULL;

	(void)state;
	dense = size_by(MULE_ZIP_LIBDEFLATE, mail, len, 0);
	best = size_by(MULE_ZIP_ZOPFLI, mail, len, 0);
	unit_alloc_fail_at(0);
	assert_int_equal(mule_deflate(75, mail, len, 0, &buf, &n), MULE_OK);
	calls = unit_alloc_calls();
	assert_int_equal(n, best);
	free(buf);
	buf = NULL;
	/* The block to return, that for zopfli's output, that for zopfli. */
	assert_int_equal(calls, 3);
	unit_alloc_fail_at(1);
	assert_int_equal(mule_deflate(75, mail, len, 0, &buf, &n), MULE_ENOMEM);
	assert_null(buf);
	assert_int_equal(n, best);
	for (size_t k = 2; k <= calls; k++) {
		unit_alloc_fail_at(k);
		assert_int_equal(
		    mule_deflate(75, mail, len, 0, &buf, &n), MULE_OK);
		unit_alloc_fail_at(0);
		assert_int_equal(n, dense);
		must_inflate(buf, n, mail, len);
		free(buf);
		buf = NULL;
	}
	free(mail);
	assert_int_equal(unit_alloc_live(), live);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_zopfli_is_for_slow_links_and_for_what_shrinks),
		cmocka_unit_test(
		    test_zopfli_never_pays_where_nothing_can_be_saved),
		cmocka_unit_test(
		    test_zopfli_makes_no_mail_longer_and_most_shorter),
		cmocka_unit_test(test_zopfli_is_never_longer_than_libdeflate),
		cmocka_unit_test(test_the_worst_case_has_room),
		cmocka_unit_test(
		    test_what_is_over_the_limit_is_left_to_libdeflate),
		cmocka_unit_test(test_the_link_decides),
		cmocka_unit_test(
		    test_without_memory_for_zopfli_libdeflate_remains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

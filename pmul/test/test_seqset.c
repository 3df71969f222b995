/*
 * The bitmap of sequence numbers, against a plain array of flags.
 */
#include <stdlib.h>
#include <string.h>

#include "pmul/seqset.h"
#include "tests/unit/unit.h"

#define MAX 1000

struct model {
	bool in[MAX + 2];
	uint32_t max;
};

static void
assert_same(const struct pmul_seqset *s, const struct model *m)
{
	uint32_t count = 0, last = 0, next = 0, gap = 0;

	for (uint32_t n = m->max; n > 0; n--) {
		assert_int_equal(pmul_seqset_has(s, n), m->in[n]);
		assert_int_equal(pmul_seqset_next(s, n), next);
		assert_int_equal(pmul_seqset_next_gap(s, n), gap);
		if (m->in[n]) {
			count++;
			next = n;
			if (last == 0)
				last = n;
		} else {
			gap = n;
		}
	}
	assert_int_equal(pmul_seqset_next(s, 0), next);
	assert_int_equal(pmul_seqset_next_gap(s, 0), gap);
	assert_int_equal(pmul_seqset_last(s), last);
	assert_int_equal(s->count, count);
}

static void
random_step(struct pmul_seqset *s, struct model *m)
{
	uint32_t a = (uint32_t)random() % m->max + 1;
	uint32_t b = (uint32_t)random() % (m->max + 50);
	bool changed;

	switch (random() % 4) {
	case 0:
	case 1:
		assert_int_equal(pmul_seqset_add(s, a, &changed), PMUL_OK);
		assert_int_equal(changed, !m->in[a]);
		m->in[a] = true;
		break;
	case 2:
		pmul_seqset_remove(s, a);
		m->in[a] = false;
		break;
	default:
		b = a + b % 130;
		assert_int_equal(pmul_seqset_add_range(s, a, b), PMUL_OK);
		for (uint32_t n = a; n <= b && n <= m->max; n++)
			m->in[n] = true;
	}
}

static void
test_behaves_like_an_array_of_flags(void **state)
{
	static const uint32_t sizes[] = { 1, 2, 63, 64, 65, 127, 128, 129,
		MAX };

	(void)state;
	srandom(1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct model m = { .max = sizes[i] };
		struct pmul_seqset s;

		pmul_seqset_init(&s, sizes[i]);
		assert_same(&s, &m);
		for (int k = 0; k < 100; k++) {
			random_step(&s, &m);
			assert_same(&s, &m);
		}
		pmul_seqset_empty(&s);
		memset(m.in, 0, sizeof(m.in));
		assert_same(&s, &m);
		pmul_seqset_release(&s);
	}
}

static void
test_growing_keeps_the_members(void **state)
{
	struct model m = { .max = 60 };
	struct pmul_seqset s;

	(void)state;
	srandom(2);
	pmul_seqset_init(&s, 60);
	for (int k = 0; k < 40; k++)
		random_step(&s, &m);
	for (uint32_t max = 60; max <= MAX; max += 67) {
		assert_int_equal(pmul_seqset_grow(&s, max), PMUL_OK);
		m.max = max;
		assert_same(&s, &m);
	}
	assert_int_equal(pmul_seqset_grow(&s, 3), PMUL_OK);
	assert_same(&s, &m);
	pmul_seqset_release(&s);
}

static void
test_union_adds_what_fits(void **state)
{
	(void)state;
	srandom(3);
	for (int round = 0; round < 50; round++) {
		struct model a = { .max = 150 }, b = { .max = 300 };
		struct pmul_seqset x, y;

		pmul_seqset_init(&x, a.max);
		pmul_seqset_init(&y, b.max);
		for (int k = 0; k < 20; k++) {
			random_step(&x, &a);
			random_step(&y, &b);
		}
		assert_int_equal(pmul_seqset_union(&x, &y), PMUL_OK);
		for (uint32_t n = 1; n <= a.max; n++)
			a.in[n] |= b.in[n];
		assert_same(&x, &a);
		assert_same(&y, &b);
		pmul_seqset_release(&x);
		pmul_seqset_release(&y);
	}
}

static void
test_holds_the_largest_number(void **state)
{
	struct pmul_seqset s;

	(void)state;
	pmul_seqset_init(&s, PMUL_FRAGMENTS_MAX);
	assert_int_equal(pmul_seqset_add_range(&s, 0, UINT32_MAX), PMUL_OK);
	assert_int_equal(s.count, PMUL_FRAGMENTS_MAX);
	assert_int_equal(pmul_seqset_last(&s), PMUL_FRAGMENTS_MAX);
	assert_int_equal(pmul_seqset_next_gap(&s, 0), 0);
	pmul_seqset_release(&s);
}

static void
test_out_of_memory_changes_nothing(void **state)
{
	size_t live = unit_alloc_live();
	struct pmul_seqset s;
	bool changed = true;

	(void)state;
	pmul_seqset_init(&s, 100);
	unit_alloc_fail_at(1);
	assert_int_equal(pmul_seqset_add(&s, 5, &changed), PMUL_ENOMEM);
	assert_true(changed);
	unit_alloc_fail_at(1);
	assert_int_equal(pmul_seqset_add_range(&s, 5, 9), PMUL_ENOMEM);
	assert_int_equal(s.count, 0);
	unit_alloc_fail_at(0);
	assert_int_equal(pmul_seqset_add(&s, 5, NULL), PMUL_OK);
	unit_alloc_fail_at(1);
	assert_int_equal(pmul_seqset_grow(&s, 1000), PMUL_ENOMEM);
	unit_alloc_fail_at(0);
	assert_int_equal(s.max, 100);
	assert_true(pmul_seqset_has(&s, 5));
	pmul_seqset_release(&s);
	assert_int_equal(unit_alloc_live(), live);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_behaves_like_an_array_of_flags),
		cmocka_unit_test(test_growing_keeps_the_members),
		cmocka_unit_test(test_union_adds_what_fits),
		cmocka_unit_test(test_holds_the_largest_number),
		cmocka_unit_test(test_out_of_memory_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

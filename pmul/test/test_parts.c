/* The small parts: heap, hash table, ring of events, store of fragments. */
#include <stdlib.h>
#include <string.h>

#include "pmul/heap.h"
#include "pmul/prng.h"
#include "pmul/ring.h"
#include "pmul/store.h"
#include "pmul/table.h"
#include "tests/unit/unit.h"

#define N 500

/* The smallest (key, order) in a heap, by looking at all. */
static struct pmul_heap_node *
smallest(struct pmul_heap_node *v, size_t n)
{
	struct pmul_heap_node *best = NULL;

	for (size_t i = 0; i < n; i++)
		if (v[i].place != 0 &&
		    (best == NULL || v[i].key < best->key ||
			(v[i].key == best->key && v[i].order < best->order)))
			best = &v[i];
	return best;
}

static void
test_heap_gives_the_smallest_whatever_is_moved_or_removed(void **state)
{
	static struct pmul_heap_node v[N];
	struct pmul_prng p;
	struct pmul_heap h;

	(void)state;
	pmul_prng_init(&p, 7);
	assert_int_equal(pmul_heap_init(&h, N), PMUL_OK);
	assert_null(pmul_heap_top(&h));
	memset(v, 0, sizeof(v));
	for (size_t i = 0; i < N; i++)
		v[i].order = i;
	for (int i = 0; i < 5000; i++) {
		struct pmul_heap_node *n = &v[pmul_prng_below(&p, N)];

		if (pmul_prng_below(&p, 3) == 0)
			pmul_heap_remove(&h, n);
		else
			pmul_heap_put(&h, n, pmul_prng_below(&p, 50));
		assert_ptr_equal(pmul_heap_top(&h), smallest(v, N));
	}
	for (struct pmul_heap_node *n; (n = pmul_heap_top(&h)) != NULL;) {
		assert_ptr_equal(n, smallest(v, N));
		pmul_heap_remove(&h, n);
		assert_int_equal(n->place, 0);
	}
	pmul_heap_release(&h);
}

static void
test_table_finds_what_is_in_it_and_nothing_else(void **state)
{
	static struct pmul_table_node v[N];
	struct pmul_table_node *n = NULL;
	struct pmul_table t;
	size_t seen = 0;

	(void)state;
	assert_int_equal(pmul_table_init(&t, N, 1), PMUL_OK);
	for (uint32_t i = 0; i < N; i++) {
		v[i].source = i % 7;
		v[i].msid = i / 7;
		assert_null(pmul_table_find(&t, i % 7, i / 7));
		pmul_table_add(&t, &v[i]);
	}
	for (uint32_t i = 0; i < N; i += 3)
		pmul_table_remove(&t, &v[i]);
	for (uint32_t i = 0; i < N; i++)
		assert_ptr_equal(pmul_table_find(&t, i % 7, i / 7),
		    i % 3 == 0 ? NULL : &v[i]);
	while ((n = pmul_table_next(&t, n)) != NULL)
		seen++;
	assert_int_equal(seen, N - (N + 2) / 3);
	pmul_table_release(&t);
}

/* Keys that a simple mix of the two numbers would throw together. */
static void
test_table_spreads_keys_that_are_chosen_to_meet(void **state)
{
	static struct pmul_table_node v[N];
	struct pmul_table t, other;
	size_t longest = 0, stayed = 0;

	(void)state;
	assert_int_equal(pmul_table_init(&t, N, 1), PMUL_OK);
	assert_int_equal(pmul_table_init(&other, N, 2), PMUL_OK);
	for (uint32_t i = 0; i < N; i++) {
		v[i].source = i << 16;
		v[i].msid = 0x12345678 ^ i << 16;
		pmul_table_add(&t, &v[i]);
	}
	for (size_t i = 0; i <= t.mask; i++) {
		size_t length = 0;

		for (struct pmul_table_node *n = t.buckets[i]; n != NULL;
		     n = n->next)
			length++;
		longest = length > longest ? length : longest;
	}
	assert_true(longest < 10);
	/* Another secret, other buckets. */
	for (size_t i = 0; i <= t.mask; i++) {
		struct pmul_table_node *n = t.buckets[i];

		if (n == NULL)
			continue;
		pmul_table_remove(&t, n);
		pmul_table_add(&other, n);
		stayed += other.buckets[i] == n;
	}
	assert_true(stayed < 20);
	pmul_table_release(&t);
	pmul_table_release(&other);
}

static void
test_ring_keeps_every_promise(void **state)
{
	struct pmul_event ev = { .type = PMUL_EV_ACKED }, got;
	struct pmul_ring r;
	uint32_t in = 0, out = 0;

	(void)state;
	assert_int_equal(pmul_ring_init(&r, 2), PMUL_OK);
	assert_false(pmul_ring_pop(&r, &got));
	/* Full, wrapped, and grown while it is both; two promises stay open. */
	assert_int_equal(pmul_ring_promise(&r, 2), PMUL_OK);
	for (size_t n = 1; n < 40; n++) {
		assert_int_equal(pmul_ring_promise(&r, n), PMUL_OK);
		assert_true(r.count + r.promised <= r.cap);
		for (size_t i = 0; i < n; i++) {
			ev.id = in++;
			pmul_ring_push(&r, &ev);
		}
		for (size_t i = 0; i < n - 1; i++) {
			assert_true(pmul_ring_pop(&r, &got));
			assert_int_equal(got.id, out++);
		}
	}
	unit_alloc_fail_at(1);
	assert_int_equal(pmul_ring_promise(&r, 10000), PMUL_ENOMEM);
	unit_alloc_fail_at(0);
	assert_int_equal(r.promised, 2);
	while (pmul_ring_pop(&r, &got))
		assert_int_equal(got.id, out++);
	assert_int_equal(out, in);
	pmul_ring_release(&r);
}

static void
test_ring_forgets_outgoing_events_of_one_message_only(void **state)
{
	static const enum pmul_event_type types[] = { PMUL_EV_RECEIVED,
		PMUL_EV_ACKED, PMUL_EV_GAVE_UP, PMUL_EV_DONE, PMUL_EV_LOST };
	struct pmul_event ev = { 0 }, got;
	struct pmul_ring r;

	(void)state;
	assert_int_equal(pmul_ring_init(&r, 16), PMUL_OK);
	assert_int_equal(pmul_ring_promise(&r, 10), PMUL_OK);
	for (unsigned i = 0; i < 10; i++) {
		ev.type = types[i % 5];
		ev.id = 1 + i / 5;
		pmul_ring_push(&r, &ev);
	}
	pmul_ring_forget(&r, 1);
	for (unsigned i = 0; i < 10; i++) {
		if (i >= 1 && i <= 3)
			continue;
		assert_true(pmul_ring_pop(&r, &got));
		assert_int_equal(got.type, types[i % 5]);
		assert_int_equal(got.id, 1 + i / 5);
	}
	assert_false(pmul_ring_pop(&r, &got));
	pmul_ring_release(&r);
}

static void
test_store_joins_fragments_of_any_size_in_any_order(void **state)
{
	static const uint16_t order[] = { 3, 1, 5, 2 };
	uint8_t expected[15 * 50], data[300], *out;
	struct pmul_store s;
	size_t want = 0, len;

	(void)state;
	for (unsigned n = 1; n <= 5; n++) {
		memset(expected + want, (int)n, n * 50u);
		want += n * 50u;
	}
	pmul_store_init(&s);
	for (size_t i = 0; i < 4; i++) {
		memset(data, order[i], sizeof(data));
		assert_int_equal(
		    pmul_store_add(&s, order[i], data, order[i] * 50u),
		    PMUL_OK);
	}
	memset(data, 4, sizeof(data));
	assert_int_equal(
	    pmul_store_join(&s, 5, 4, data, 200, &out, &len), PMUL_OK);
	assert_int_equal(len, want);
	assert_memory_equal(out, expected, want);
	free(out);
	/* All in the store. */
	assert_int_equal(pmul_store_add(&s, 4, data, 200), PMUL_OK);
	assert_int_equal(
	    pmul_store_join(&s, 5, 0, NULL, 0, &out, &len), PMUL_OK);
	assert_int_equal(len, want);
	assert_memory_equal(out, expected, want);
	free(out);
	pmul_store_release(&s);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(
	    test_heap_gives_the_smallest_whatever_is_moved_or_removed),
	cmocka_unit_test(test_table_finds_what_is_in_it_and_nothing_else),
	cmocka_unit_test(test_table_spreads_keys_that_are_chosen_to_meet),
	cmocka_unit_test(test_ring_keeps_every_promise),
	cmocka_unit_test(test_ring_forgets_outgoing_events_of_one_message_only),
	cmocka_unit_test(test_store_joins_fragments_of_any_size_in_any_order),
};

int
main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}

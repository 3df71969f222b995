#include "pmul/heap.h"

#include <assert.h>
#include <stdlib.h>

int
pmul_heap_init(struct pmul_heap *h, size_t cap)
{
	h->v = calloc(cap, sizeof(struct pmul_heap_node *));
	h->count = 0;
	h->cap = cap;
	return h->v != NULL ? PMUL_OK : PMUL_ENOMEM;
}

void
pmul_heap_release(struct pmul_heap *h)
{
	free(h->v);
	h->v = NULL;
	h->count = h->cap = 0;
}

struct pmul_heap_node *
pmul_heap_top(const struct pmul_heap *h)
{
	return h->count > 0 ? h->v[0] : NULL;
}

static bool
before(const struct pmul_heap_node *a, const struct pmul_heap_node *b)
{
	return a->key != b->key ? a->key < b->key : a->order < b->order;
}

static void
settle_at(struct pmul_heap *h, size_t i, struct pmul_heap_node *n)
{
	h->v[i] = n;
	n->place = i + 1;
}

/* Place i is free: let n rise from there as far as it belongs. */
static void
rise(struct pmul_heap *h, size_t i, struct pmul_heap_node *n)
{
	while (i > 0 && before(n, h->v[(i - 1) / 2])) {
		settle_at(h, i, h->v[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	settle_at(h, i, n);
}

/* Place i is free: let n sink from there, then rise if it did not. */
static void
sift(struct pmul_heap *h, size_t i, struct pmul_heap_node *n)
{
	size_t child;

	for (;;) {
		child = 2 * i + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count &&
		    before(h->v[child + 1], h->v[child]))
			child++;
		if (!before(h->v[child], n))
			break;
		settle_at(h, i, h->v[child]);
		i = child;
	}
	rise(h, i, n);
}

void
pmul_heap_put(struct pmul_heap *h, struct pmul_heap_node *n, uint64_t key)
{
	n->key = key;
	if (n->place != 0) {
		sift(h, n->place - 1, n);
		return;
	}
	assert(h->count < h->cap);
	h->count++;
	rise(h, h->count - 1, n);
}

void
pmul_heap_remove(struct pmul_heap *h, struct pmul_heap_node *n)
{
	size_t hole = n->place;
	struct pmul_heap_node *last;

	if (hole == 0)
		return;
	n->place = 0;
	last = h->v[--h->count];
	if (last != n)
		sift(h, hole - 1, last);
}

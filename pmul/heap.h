/*
 * A binary heap whose entries know their places, so that one can be moved or
 * taken out without a search.  The engine keeps its timers and the messages
 * ready to send in heaps.
 *
 * The nodes live inside the structs they order.  The heap has a fixed capacity:
 * everything that can be in one is counted by a limit of struct pmul_config,
 * so putting a node into a heap never fails.
 */
#ifndef MULETEER_PMUL_HEAP_H
#define MULETEER_PMUL_HEAP_H

#include <stddef.h>
#include <stdint.h>

#include "pmul/pmul.h"

struct pmul_heap_node {
	uint64_t key;   /* the smallest is on top */
	uint64_t order; /* between equal keys; set once, by the owner */
	size_t place;   /* 1 + index; 0: not in a heap */
	int kind;       /* what the node is part of; the owner's business */
};

struct pmul_heap {
	struct pmul_heap_node **v;
	size_t count, cap;
};

/* PMUL_ENOMEM */
int pmul_heap_init(struct pmul_heap *h, size_t cap) PMUL_NODISCARD;
void pmul_heap_release(struct pmul_heap *h);

/* The node with the smallest key, or NULL. */
struct pmul_heap_node *pmul_heap_top(const struct pmul_heap *h);

/* Put n into the heap under key; if it is there already, move it. */
void pmul_heap_put(struct pmul_heap *h, struct pmul_heap_node *n, uint64_t key);

/* Take n out; nothing happens if it is not in. */
void pmul_heap_remove(struct pmul_heap *h, struct pmul_heap_node *n);

#endif

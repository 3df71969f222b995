/*
 * A set of Data_PDU sequence numbers, 1 to 65535: which fragments a node has,
 * which a destination misses.  A bitmap with a count; every operation touches
 * each 64-bit word at most once.
 */
#ifndef MULETEER_PMUL_SEQSET_H
#define MULETEER_PMUL_SEQSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pmul/pmul.h"

struct pmul_seqset {
	uint64_t *words; /* NULL while the set has never had a member */
	uint32_t max;    /* largest number it can hold */
	uint32_t count;  /* members */
};

/* An empty set for numbers 1..max (max <= 65535); allocates nothing yet. */
void pmul_seqset_init(struct pmul_seqset *s, uint32_t max);
void pmul_seqset_release(struct pmul_seqset *s);

/*
 * Raise max, keeping the members; PMUL_ENOMEM leaves the set as it was.
 * A smaller max is ignored.
 */
int pmul_seqset_grow(struct pmul_seqset *s, uint32_t max) PMUL_NODISCARD;

/*
 * Add or remove n, 1 <= n <= max.  *ret_changed (may be NULL) says whether the
 * set changed.  Adding may allocate: PMUL_ENOMEM.
 */
int pmul_seqset_add(
    struct pmul_seqset *s, uint32_t n, bool *ret_changed) PMUL_NODISCARD;
void pmul_seqset_remove(struct pmul_seqset *s, uint32_t n);

/* Add first..last, clipped to 1..max. */
int pmul_seqset_add_range(
    struct pmul_seqset *s, uint32_t first, uint32_t last) PMUL_NODISCARD;

/* Remove everything; keeps the memory. */
void pmul_seqset_empty(struct pmul_seqset *s);

bool pmul_seqset_has(const struct pmul_seqset *s, uint32_t n);

/* The smallest member > n, or 0 if there is none; n = 0 starts. */
uint32_t pmul_seqset_next(const struct pmul_seqset *s, uint32_t n);

/* The smallest number in n+1..max that is not a member, or 0. */
uint32_t pmul_seqset_next_gap(const struct pmul_seqset *s, uint32_t n);

/* The largest member, or 0. */
uint32_t pmul_seqset_last(const struct pmul_seqset *s);

/* Add all members of from (numbers above s->max are left out). */
int pmul_seqset_union(
    struct pmul_seqset *s, const struct pmul_seqset *from) PMUL_NODISCARD;

#endif

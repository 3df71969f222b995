/*
 * A hash table of messages, keyed by (Source_ID, Message_ID).
 *
 * The keys come from the network.  The hash is SipHash-1-3 under a secret, so
 * that nobody can choose keys that meet in one bucket.  The nodes live inside
 * the structs; the number of buckets is fixed, from a limit of struct
 * pmul_config, so adding never fails.
 */
#ifndef MULETEER_PMUL_TABLE_H
#define MULETEER_PMUL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "pmul/pmul.h"

struct pmul_table_node {
	struct pmul_table_node *next;
	uint32_t source, msid;
};

struct pmul_table {
	struct pmul_table_node **buckets;
	size_t mask; /* number of buckets, a power of two, less one */
	uint64_t secret[2];
};

/* For about n entries.  PMUL_ENOMEM */
int pmul_table_init(
    struct pmul_table *t, size_t n, uint64_t seed) PMUL_NODISCARD;
/* The entries are the owner's to free, before. */
void pmul_table_release(struct pmul_table *t);

struct pmul_table_node *pmul_table_find(
    const struct pmul_table *t, uint32_t source, uint32_t msid);

/* n->source and n->msid are set, and the table does not have that key. */
void pmul_table_add(struct pmul_table *t, struct pmul_table_node *n);
void pmul_table_remove(struct pmul_table *t, struct pmul_table_node *n);

/* The node after n in no particular order; NULL begins, and ends. */
struct pmul_table_node *pmul_table_next(
    const struct pmul_table *t, const struct pmul_table_node *n);

#endif

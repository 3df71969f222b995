/*
 * What is known about other nodes: a table by id, filled by the caller and
 * corrected by what arrives.
 *
 * A node that is flagged as silent has one event promised, EMCON_LEFT, so that
 * its Ack can always be reported.
 */
#ifndef MULETEER_PMUL_NODE_H
#define MULETEER_PMUL_NODE_H

#include "pmul/engine.h"

/* PMUL_EBUSY, PMUL_ENOMEM: nothing was changed. */
int pmul_node_set(
    struct pmul_engine *e, const struct pmul_node *n) PMUL_NODISCARD;

/* All false if nothing is known. */
struct pmul_node pmul_node_get(const struct pmul_engine *e, uint32_t id);

/* An Ack from id: it is silent no longer, and that is reported. */
void pmul_node_spoke(struct pmul_engine *e, uint32_t id);

/* Forget everything. */
void pmul_node_free_all(struct pmul_engine *e);

#endif

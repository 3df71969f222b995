/*
 * The end of a destination: the node has acknowledged, or the message expired.
 * Its recipients leave the queue and their sender is told what he asked for, in
 * one transaction.  When that cannot be committed, because the disk is full or
 * fails, it is tried again until it can, or until the daemon stops: after the
 * restart the link asks the node again.
 */
#ifndef MULETEER_GATEWAY_MULE_END_H
#define MULETEER_GATEWAY_MULE_END_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/mule_link.h"

struct mule_end;

/* Those of one link.  QUEUE_ENOMEM */
int mule_end_new(struct mule_link *l, struct mule_end **ret_s);
/* When it is idle, or was never started. */
void mule_end_free(struct mule_end **s);
void mule_end_start(struct mule_end *s);

/* Node has ended as a destination of transmission: acknowledged, or given up. */
void mule_end_add(struct mule_end *s, uint64_t transmission, uint64_t message,
    uint32_t msid, uint32_t node, bool acked);

/* Try nothing again; then mule_link_part_idle() when what runs has ended. */
void mule_end_drain(struct mule_end *s);
bool mule_end_idle(const struct mule_end *s);

#endif

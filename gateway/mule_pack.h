/*
 * How a message becomes a P_MUL transmission: its recipients on a link are
 * packed with the content into one payload, in a worker, and committed with a
 * Message_ID of its own.
 */
#ifndef MULETEER_GATEWAY_MULE_PACK_H
#define MULETEER_GATEWAY_MULE_PACK_H

#include "gateway/mule_link.h"

/*
 * priority is the message's octet; x is what was committed; x and payload are
 * valid during the call.  x NULL: why says what went wrong, or is NULL when the
 * link does not take so much: the recipients have failed, their sender is told,
 * and that is committed.
 */
typedef void mule_pack_cb(void *ctx, uint64_t message, uint8_t priority,
    const struct queue_transmission *x, const uint8_t *payload, size_t len,
    const char *why);

/*
 * Begin with the ready recipients of m (copied) whose nodes one group of the
 * link covers; others are left for another time.  Where no static group covers
 * all and the link takes dynamic ones, that is one of these, 0.  done is called exactly once
 * if this returns 0.  QUEUE_ENOMEM; QUEUE_ENOTFOUND if no group has any of the
 * nodes.
 */
int mule_pack_start(struct mule_link *l, const struct queue_message *m,
    mule_pack_cb *done, void *ctx);

#endif

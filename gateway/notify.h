/*
 * Delivery status notifications: composed here, routed like any mail.
 */
#ifndef MULETEER_GATEWAY_NOTIFY_H
#define MULETEER_GATEWAY_NOTIFY_H

#include "gateway/gateway.h"
#include "gateway/queue.h"
#include "gateway/sched.h"

/*
 * Add to t the notification that is due to the sender of d for its failed
 * recipients, if RFC 3461 asks for one, then call done with t: rc is 0, or a
 * queue error when it could not be made (t then must not be committed: the
 * recipients would vanish without a word).  hop is the next hop that the commit
 * will give work to, "" if none; valid during the call.  done may be called
 * before this returns.  d must live until then.
 */
typedef void notify_done_cb(
    void *ctx, int rc, struct queue_txn *t, const char *hop);
void notify_delivery(struct gateway *gw, const struct delivery *d,
    const char *remote, struct queue_txn *t, notify_done_cb *done, void *ctx);

#endif

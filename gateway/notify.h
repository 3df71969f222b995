/*
 * Delivery status notifications: composed here, routed like any mail.
 *
 * A notification is made in two steps: it is added to the transaction that
 * makes it due, so that both are committed or neither, and after the commit it
 * is logged and its next hop told.
 */
#ifndef MULETEER_GATEWAY_NOTIFY_H
#define MULETEER_GATEWAY_NOTIFY_H

#include "gateway/gateway.h"
#include "gateway/queue.h"
#include "gateway/route.h"
#include "gateway/sched.h"

/* What was added to a transaction; id 0: nothing was due. */
struct notified {
	uint64_t id, about;
	const char *what;            /* "failed", "delayed", "relayed" */
	char hops[2][ROUTE_HOP_MAX]; /* the ways it takes, or "" */
	char to[SMTP_PATH_MAX + 1];
};

/*
 * Add to t what is due to the sender of d for the outcomes of its recipients
 * (FAILED, LATE, and DELIVERED where RFC 3461 or RFC 2852 want "relayed"), then
 * call done with t: rc is 0, or a queue error when it could not be made (t then
 * must not be committed: the recipients would vanish without a word).  *n is
 * valid during the call.  done may be called before this returns.  d must live
 * until then.
 */
typedef void notify_done_cb(
    void *ctx, int rc, struct queue_txn *t, const struct notified *n);
void notify_delivery(struct gateway *gw, const struct delivery *d,
    const char *remote, struct queue_txn *t, notify_done_cb *done, void *ctx);

/* The transaction is committed: log it, and tell the scheduler. */
void notify_committed(struct gateway *gw, const struct notified *n);

#endif

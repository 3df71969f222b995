/*
 * What an operator does to the queue.
 *
 *	{"cmd":"queue.operate", "action":"hold", ...}
 *
 * action is hold, release, delete, retry, redirect or expire.  The selectors,
 * all of which must fit and of which there must be one: "id" (message),
 * "recipient", "domain", "link", "priority", "older_s" (accepted so long ago),
 * "all":true.  "to" is for redirect: an address, or a next hop "smtp:HOST:PORT",
 * "mx:DOMAIN", "mule:LINK/NODE".  "dry_run":true only counts.  Any other key is
 * an error: a selector that was misspelt would select too much.
 *
 * Each is one transaction.  The result says how many recipients of how many
 * messages it touched and which (the first hundred), how many it left alone
 * because they are being delivered (busy) or cannot go there (refused), and
 * whether there is more than one operation takes.
 */
#ifndef MULETEER_GATEWAY_OPERATE_H
#define MULETEER_GATEWAY_OPERATE_H

#include <jansson.h>

#include "gateway/gateway.h"

/* why NULL: result is the callee's; else what was wrong. */
typedef void operate_cb(void *ctx, const char *why, json_t *result);

/* uid: who asks; -1: unknown.  done may be called before this returns. */
void operate(struct gateway *gw, const json_t *request, long uid,
    operate_cb *done, void *ctx);

#endif

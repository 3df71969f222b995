/*
 * SMTP out: one connection to a next hop, which carries one delivery after
 * another for as long as the scheduler has some.
 */
#ifndef MULETEER_GATEWAY_SMTP_OUT_H
#define MULETEER_GATEWAY_SMTP_OUT_H

#include <stddef.h>

#include "gateway/gateway.h"
#include "gateway/sched.h"

struct smtp_out;

/*
 * Begin to connect to the hop (see dial.h); from then on the connection
 * belongs to the loop: it takes deliveries from h, gives them back, and calls
 * sched_closed() as its last deed; until then *ret_c is valid.
 * -ENOMEM: nothing was begun.
 */
int smtp_out_open(struct gateway *gw, struct sched_hop *h, const char *hop,
    struct smtp_out **ret_c);

/* There is work again: an idle connection takes some. */
void smtp_out_work(struct smtp_out *c);

/* No further delivery: QUIT when the one under way has ended. */
void smtp_out_drain(struct smtp_out *c);

/* Close now; a delivery under way is given back as deferred. */
void smtp_out_abort(struct smtp_out *c);

#endif

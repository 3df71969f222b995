/*
 * SMTP in: listeners and their sessions, from the socket to the queue.
 */
#ifndef MULETEER_GATEWAY_SMTP_IN_H
#define MULETEER_GATEWAY_SMTP_IN_H

#include <stddef.h>

#include "gateway/gateway.h"

struct smtp_in;

/*
 * Listen on every address of cfg->smtp.listen.  0, or a negative errno and a
 * line in errbuf; nothing listens then.
 */
int smtp_in_open(
    struct gateway *gw, char *errbuf, size_t errcap, struct smtp_in **ret_s);

/* Stop listening, and end sessions that are between transactions (421). */
void smtp_in_drain(struct smtp_in *s);

/* Sessions still open. */
size_t smtp_in_sessions(const struct smtp_in *s);

/*
 * Close everything; what was not answered with 250 is not accepted.
 * closed(ctx) when nothing is left on the loop; *s is NULL at once.
 */
void smtp_in_close(struct smtp_in **s, void (*closed)(void *ctx), void *ctx);

#endif

/*
 * Which message goes where, and when.
 *
 * The scheduler keeps a short list of work for each next hop and fills it from
 * the queue's indexes, most urgent first, so that its memory does not grow with
 * the queue.  SMTP connections take deliveries from it one after another and
 * give them back with an outcome for each recipient; the links of MULE fetch
 * their own work and only want to be told that there is some.
 *
 * Nothing here is durable.  What a delivery ended with is committed in one
 * transaction, together with the notification that is due, and only then
 * forgotten; a crash before that means that it is tried again.
 */
#ifndef MULETEER_GATEWAY_SCHED_H
#define MULETEER_GATEWAY_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/delivery.h"
#include "gateway/gateway.h"

struct sched_hop;

int sched_new(struct gateway *gw, struct sched **ret_s);
/* The hops' connections must be closed before. */
void sched_free(struct sched **s);
/* Begin: look for what became due while we were down. */
void sched_start(struct sched *s);
/* Begin nothing new, and close connections when they are idle. */
void sched_drain(struct sched *s);
/* Connections still open. */
size_t sched_connections(const struct sched *s);
/*
 * Nothing is under way: no connection, no question to the queue, no commit.
 * Only then may sched_free() be called.
 */
bool sched_idle(const struct sched *s);
/* Close them now; what was not committed is tried again after the restart. */
void sched_abort(struct sched *s);

/* A committed transaction gave hop something to do. */
void sched_work(struct sched *s, const char *hop);
/* ...but not before that time. */
void sched_due_at(struct sched *s, int64_t at_s);

/*
 * Before an operator changes the queue: give back what was fetched ahead, so
 * that only what is really being delivered is leased.  And afterwards: look
 * what there is to do; retry: also by hops that are left alone for a while.
 */
void sched_recall(struct sched *s);
void sched_look(struct sched *s, bool retry);

/* --- for smtp_out -------------------------------------------------------- */

/* The next delivery for this hop, now the caller's, or NULL. */
struct delivery *sched_take(struct sched_hop *h);

/* The delivery is over, with an outcome for each recipient; takes it over. */
void sched_done(struct sched_hop *h, struct delivery *d, const char *remote);

/*
 * The connection could not be used at all; why is for the log.  The hop is
 * left alone for a while that grows with each failure.
 */
void sched_hop_failed(struct sched_hop *h, const char *why);

/*
 * There is no such hop, and there will not be: whatever waits for it fails
 * with that status.
 */
void sched_hop_refuse(struct sched_hop *h, const char *status, const char *why);

/* The next hop answered: it is no longer left alone. */
void sched_hop_ok(struct sched_hop *h);

/* The connection has gone; c is only compared. */
struct smtp_out;
void sched_closed(struct sched_hop *h, const struct smtp_out *c);

#endif

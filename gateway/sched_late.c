/*
 * Expired and late mail; see sched_late.h.
 *
 * What is done about a message and the notification that is due are committed
 * in one transaction.  A transaction that fails, because somebody else has
 * finished a recipient meanwhile or the disk is full, leaves the message as it
 * was: the next look finds it again.
 */
#include "gateway/sched_late.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/notify.h"
#include "gateway/sched.h"

/* Messages dealt with in one go. */
#define BATCH 50

/* --- expired mail ---------------------------------------------------------- */

struct expiry {
	struct sched_late *late;
	struct delivery *delivery;
	struct notified notified;
};

static void
tell(const struct expiry *e)
{
	for (size_t i = 0; i < e->delivery->nrcpts; i++) {
		const struct delivery_rcpt *r = &e->delivery->rcpts[i];

		if (r->outcome.type != OUTCOME_FAILED)
			continue;
		e->late->gw->stats.failed++;
		delivery_log(e->delivery, r, "expired");
	}
}

static void
expired_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct expiry *e = ctx;

	(void)res;
	if (rc == QUEUE_OK) {
		tell(e);
		notify_committed(e->late->gw, &e->notified);
	}
	e->late->running--;
	delivery_free(&e->delivery);
	free(e);
}

static void
expired_notified(
    void *ctx, int rc, struct queue_txn *t, const struct notified *n)
{
	struct expiry *e = ctx;

	e->notified = *n;
	if (rc != QUEUE_OK) {
		queue_txn_free(&t);
		expired_committed(e, rc, NULL);
		return;
	}
	queue_submit(e->late->gw->queue, &t, expired_committed, e);
}

/* One expired message: every recipient that still waits has failed. */
static void
expire(struct sched_late *l, const struct queue_message *m)
{
	struct delivery *d = delivery_from(m);
	struct expiry *e = calloc(1, sizeof(*e));
	struct queue_txn *t = queue_txn_new();
	int rc = d == NULL || e == NULL || t == NULL ? QUEUE_ENOMEM : 0;

	if (rc == 0)
		delivery_set_rest(d, OUTCOME_FAILED, "4.4.7",
		    "not delivered before the message expired", false);
	for (size_t i = 0; rc == 0 && i < d->nrcpts; i++)
		rc = queue_txn_finish(t, d->rcpts[i].id);
	if (rc != 0) {
		queue_txn_free(&t);
		delivery_free(&d);
		free(e);
		return;
	}
	e->late = l;
	e->delivery = d;
	l->running++;
	notify_delivery(l->gw, d, "", t, expired_notified, e);
}

static void
on_expired(
    void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct sched_late *l = ctx;

	/* What is left comes up at the next look. */
	(void)more;
	l->expiring = false;
	for (size_t i = 0; rc == QUEUE_OK && i < n; i++)
		expire(l, &m[i]);
}

/* --- late mail -------------------------------------------------------------------- */

/* Why it is late, as far as the next hop's kind tells. */
static const char *
why_late(const char *hop)
{
	return strncmp(hop, "mule:", 5) == 0
		   ? "No acknowledgement by radio yet; the node may be under "
		     "radio silence"
		   : "The next mail server has not taken it yet";
}

static void
warn(struct sched_late *l, const struct queue_message *m)
{
	struct delivery *d = delivery_from(m);
	struct expiry *e = calloc(1, sizeof(*e));
	struct queue_txn *t = queue_txn_new();
	int rc = d == NULL || e == NULL || t == NULL ? QUEUE_ENOMEM : 0;

	for (size_t i = 0; rc == 0 && i < d->nrcpts; i++) {
		struct outcome *o = &d->rcpts[i].outcome;

		o->type = OUTCOME_LATE;
		snprintf(o->status, sizeof(o->status), "4.4.7");
		snprintf(
		    o->text, sizeof(o->text), "%s", why_late(m->rcpts[i].hop));
	}
	if (rc == 0)
		rc = queue_txn_warned(t, m->id);
	if (rc != 0) {
		queue_txn_free(&t);
		delivery_free(&d);
		free(e);
		return;
	}
	e->late = l;
	e->delivery = d;
	l->running++;
	notify_delivery(l->gw, d, "", t, expired_notified, e);
}

static void
on_late(void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct sched_late *l = ctx;

	(void)more;
	l->warning = false;
	for (size_t i = 0; rc == QUEUE_OK && i < n; i++)
		warn(l, &m[i]);
}

/* --- looking ----------------------------------------------------------------- */

void
sched_late_look(struct sched_late *l, int64_t now_s)
{
	struct queue *q = l->gw->queue;

	if (!l->expiring) {
		l->expiring = true;
		queue_expired(q, now_s, BATCH, on_expired, l);
	}
	if (!l->warning) {
		l->warning = true;
		queue_late(q, now_s, BATCH, on_late, l);
	}
}

bool
sched_late_idle(const struct sched_late *l)
{
	return !l->expiring && !l->warning && l->running == 0;
}

#include "gateway/mule_end.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <uv.h>

#include "gateway/log.h"
#include "gateway/notify.h"
#include "gateway/route.h"
#include "gateway/sched.h"

/* Try to commit again after this long. */
#define RETRY_MS 1000

struct ending {
	TAILQ_ENTRY(ending) entry; /* in failed */
	struct mule_end *set;
	uint64_t transmission, message;
	uint32_t node, msid;
	bool acked;
	struct delivery *delivery; /* for the notification */
	struct notified notified;
};

TAILQ_HEAD(ending_list, ending);

struct mule_end {
	struct mule_link *link;
	size_t running;            /* commits under way */
	struct ending_list failed; /* to be tried again */
	uv_timer_t retry;
	bool open, closed;
};

static void attempt(struct ending *e);

static void
now_idle(struct mule_end *s)
{
	mule_link_part_idle(s->link);
}

/* --- once more --- */

static void
on_retry(uv_timer_t *t)
{
	struct mule_end *s = t->data;
	struct ending_list again = TAILQ_HEAD_INITIALIZER(again);
	struct ending *e;

	TAILQ_CONCAT(&again, &s->failed, entry);
	while ((e = TAILQ_FIRST(&again)) != NULL) {
		TAILQ_REMOVE(&again, e, entry);
		attempt(e);
	}
}

static void
later(struct ending *e)
{
	struct mule_end *s = e->set;

	delivery_free(&e->delivery);
	if (!s->open) {
		free(e);
		return;
	}
	TAILQ_INSERT_TAIL(&s->failed, e, entry);
	if (!uv_is_active((uv_handle_t *)&s->retry))
		uv_timer_start(&s->retry, on_retry, RETRY_MS, 0);
}

/* It is on the disk. */
static void
tell(const struct ending *e)
{
	struct gateway *gw = e->set->link->gw;
	const struct cfg_node *node = cfg_node_by_id(gw->cfg, e->node);
	const struct delivery *d = e->delivery;

	*(e->acked ? &gw->stats.relayed : &gw->stats.gave_up) += d->nrcpts;
	for (size_t i = 0; i < d->nrcpts; i++) {
		char to[300];

		log_vis(to, sizeof(to), d->rcpts[i].line,
		    strcspn(d->rcpts[i].line, " "));
		log_event(e->acked ? GW_LOG_INFO : GW_LOG_WARN,
		    e->acked ? "mule.relayed" : "mule.failed",
		    "message=%" PRIu64 " to=\"%s\" link=%s node=%s "
		    "msid=%" PRIu32 " status=%s",
		    e->message, to, e->set->link->cfg->name,
		    node != NULL ? node->name : "?", e->msid,
		    d->rcpts[i].outcome.status);
	}
}

static void
on_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct ending *e = ctx;
	struct mule_end *s = e->set;

	(void)res;
	s->running--;
	if (rc == QUEUE_OK || rc == QUEUE_ENOTFOUND) {
		if (e->delivery != NULL)
			tell(e);
		if (rc == QUEUE_OK)
			notify_committed(s->link->gw, &e->notified);
		delivery_free(&e->delivery);
		free(e);
	} else {
		log_event(GW_LOG_ERR, "mule.commit",
		    "message=%" PRIu64 " link=%s msid=%" PRIu32 " why=\"%s\"",
		    e->message, s->link->cfg->name, e->msid,
		    queue_strerror(rc));
		later(e);
	}
	now_idle(s);
}

/* --- the transaction --- */

static void
on_notified(void *ctx, int rc, struct queue_txn *t, const struct notified *n)
{
	struct ending *e = ctx;

	e->notified = *n;
	if (rc != 0) {
		queue_txn_free(&t);
		on_committed(e, rc, NULL);
		return;
	}
	queue_submit(e->set->link->gw->queue, &t, on_committed, e);
}

/* What the sender may hear about it: RFC 8494 has no replies. */
static void
set_outcome(const struct ending *e, struct delivery *d)
{
	static const char lost[] =
	    "No acknowledgement before the message "
	    "expired; the node may have received it all the same, if it was "
	    "under radio silence";

	if (e->acked)
		delivery_set_rest(d, OUTCOME_DELIVERED, "2.0.0",
		    "Acknowledged by the node", false);
	else
		delivery_set_rest(d, OUTCOME_FAILED, "4.4.7", lost, false);
}

static void
on_message(
    void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct ending *e = ctx;
	struct gateway *gw = e->set->link->gw;
	const struct cfg_node *node = cfg_node_by_id(gw->cfg, e->node);
	struct queue_txn *t;

	(void)more;
	if (rc != QUEUE_OK || n == 0) {
		on_committed(e, rc, NULL);
		return;
	}
	t = queue_txn_new();
	e->delivery = delivery_from(m);
	rc = QUEUE_ENOMEM;
	if (e->delivery != NULL && t != NULL) {
		e->delivery->by_mule = true;
		set_outcome(e, e->delivery);
		rc = e->acked ? queue_txn_acked(t, e->transmission, e->node)
			      : queue_txn_gave_up(t, e->transmission, e->node);
	}
	if (rc != QUEUE_OK) {
		queue_txn_free(&t);
		on_committed(e, rc, NULL);
		return;
	}
	notify_delivery(
	    gw, e->delivery, node != NULL ? node->name : "", t, on_notified, e);
}

static void
attempt(struct ending *e)
{
	e->set->running++;
	queue_message(e->set->link->gw->queue, e->message, e->transmission,
	    e->node, on_message, e);
}

void
mule_end_add(struct mule_end *s, uint64_t transmission, uint64_t message,
    uint32_t msid, uint32_t node, bool acked)
{
	struct ending *e = calloc(1, sizeof(*e));

	if (e == NULL) {
		log_event(GW_LOG_ERR, "mule.memory", "link=%s msid=%" PRIu32,
		    s->link->cfg->name, msid);
		return;
	}
	e->set = s;
	e->transmission = transmission;
	e->message = message;
	e->node = node;
	e->msid = msid;
	e->acked = acked;
	attempt(e);
}

/* --- life --- */

int
mule_end_new(struct mule_link *l, struct mule_end **ret_s)
{
	struct mule_end *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return QUEUE_ENOMEM;
	s->link = l;
	s->closed = true;
	TAILQ_INIT(&s->failed);
	*ret_s = s;
	return QUEUE_OK;
}

static void
drop_failed(struct mule_end *s)
{
	struct ending *e;

	while ((e = TAILQ_FIRST(&s->failed)) != NULL) {
		TAILQ_REMOVE(&s->failed, e, entry);
		free(e);
	}
}

void
mule_end_free(struct mule_end **sp)
{
	struct mule_end *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	assert(s->running == 0 && s->closed);
	drop_failed(s);
	free(s);
}

void
mule_end_start(struct mule_end *s)
{
	uv_timer_init(s->link->gw->loop, &s->retry);
	s->retry.data = s;
	s->open = true;
	s->closed = false;
}

static void
on_closed(uv_handle_t *h)
{
	struct mule_end *s = h->data;

	s->closed = true;
	now_idle(s);
}

void
mule_end_drain(struct mule_end *s)
{
	drop_failed(s);
	if (!s->open)
		return;
	s->open = false;
	uv_close((uv_handle_t *)&s->retry, on_closed);
}

bool
mule_end_idle(const struct mule_end *s)
{
	return s->running == 0 && s->closed;
}

/*
 * From the queue to the radio.
 *
 * A message with recipients on the link is packed in a worker, and the packed
 * payload is committed as a transmission with its Message_ID before the engine
 * sends the first octet; so a restart sends the same octets under the same
 * Message_ID, and only to the nodes that have not acknowledged.
 *
 * Slots: a message may be packed and sent while fewer than max_in_flight are
 * under way that are at least as urgent as it is.  So what is urgent never
 * waits for the slot of what is not, which may be taken for days, and all
 * priorities together have MULE_PRIORITIES times as many.  The rest waits in
 * the queue.  Transmissions that were under way before a restart go first.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "gateway/clock.h"
#include "gateway/log.h"
#include "gateway/mule_end.h"
#include "gateway/mule_link.h"
#include "gateway/mule_pack.h"
#include "gateway/route.h"
#include "mule/mule.h"

/* Look again after this long when something failed. */
#define RETRY_MS 5000

/* A transmission the engine has. */
struct sending {
	TAILQ_ENTRY(sending) entry;
	uint64_t transmission, message;
	uint32_t msid, group;
	uint8_t priority;
};

struct mule_out {
	struct mule_link *link;
	char hop[ROUTE_HOP_MAX];
	TAILQ_HEAD(sending_list, sending) sendings;
	size_t nsendings;
	size_t jobs;                  /* being packed or committed */
	size_t used[MULE_PRIORITIES]; /* slots, by both */
	struct mule_end *ends;
	bool asking, again, more, resuming, draining;
	bool stale; /* the answer under way may be of what was cancelled */
	/* Of messages with a lower octet the queue is asked, or has none. */
	unsigned asked, none;
	uv_timer_t retry;
	bool retry_open, retry_closed;
};

static void kick(struct mule_out *o);
static void expired(struct mule_out *o, const struct queue_transmission *x);

static void
now_idle(struct mule_out *o)
{
	mule_link_part_idle(o->link);
}

static void
on_retry(uv_timer_t *t)
{
	kick(t->data);
}

/* The queue may have anything. */
static void
look_again(struct mule_out *o)
{
	o->more = true;
	o->none = 0;
}

static void
retry_later(struct mule_out *o)
{
	look_again(o);
	if (o->retry_open)
		uv_timer_start(&o->retry, on_retry, RETRY_MS, 0);
}

/* --- handing over to the engine --- */

/* Of a job or a transmission. */
static size_t *
slot(struct mule_out *o, uint8_t priority)
{
	return &o->used[priority < MULE_PRIORITIES ? priority
						   : MULE_PRIORITIES - 1];
}

static void
sending_free(struct mule_out *o, struct sending *s)
{
	TAILQ_REMOVE(&o->sendings, s, entry);
	o->nsendings--;
	--*slot(o, s->priority);
	free(s);
}

static struct sending *
find_msid(struct mule_out *o, uint32_t msid)
{
	struct sending *s;

	TAILQ_FOREACH (s, &o->sendings, entry)
		if (s->msid == msid)
			return s;
	return NULL;
}

static void
log_sending(
    const struct mule_out *o, const struct queue_transmission *x, size_t len)
{
	log_event(GW_LOG_INFO, "mule.sending",
	    "message=%" PRIu64 " link=%s msid=%" PRIu32 " group=%08" PRIx32
	    " nodes=%zu octets=%zu priority=%u",
	    x->message, o->link->cfg->name, x->msid, x->group, x->nnodes, len,
	    (unsigned)x->priority);
}

/* A dynamic group of an earlier life, where now there are none to take. */
static uint32_t
group_for(const struct mule_out *o, const struct queue_transmission *x)
{
	const struct cfg_link *link = o->link->cfg;
	const struct cfg_group *g = NULL;

	if (x->group == 0 && link->pool_first == 0)
		g = route_group(link, x->nodes, x->nnodes);
	return g != NULL ? g->address : x->group;
}

/* The transmission is committed: give it to the engine. */
static int
submit(struct mule_out *o, const struct queue_transmission *x,
    const uint8_t *payload, size_t len)
{
	struct pmul_dest *d = calloc(x->nnodes, sizeof(*d));
	struct sending *s = calloc(1, sizeof(*s));
	struct pmul_submit sub = {
		.msid = x->msid,
		.priority = x->priority,
		.expiry = { x->expires_at },
		.group = group_for(o, x),
		.dests = d,
		.ndests = x->nnodes,
		.data = payload,
		.len = len,
		.rounds = x->rounds,
		.emcon_rounds = x->emcon_rounds,
	};
	int rc = d == NULL || s == NULL ? PMUL_ENOMEM : PMUL_OK;

	for (size_t i = 0; rc == PMUL_OK && i < x->nnodes; i++)
		d[i] = (struct pmul_dest){ x->nodes[i], x->seqs[i] };
	if (rc == PMUL_OK) {
		/* Known before the engine speaks of it. */
		s->transmission = x->id;
		s->message = x->message;
		s->msid = x->msid;
		s->group = x->group;
		s->priority = x->priority;
		TAILQ_INSERT_TAIL(&o->sendings, s, entry);
		o->nsendings++;
		++*slot(o, s->priority);
		rc = link_submit(o->link->link, &sub);
		if (rc != PMUL_OK)
			sending_free(o, s);
	} else {
		free(s);
	}
	free(d);
	if (rc == PMUL_OK)
		log_sending(o, x, len);
	return rc;
}

/* --- choosing work --- */

/* It came to a transmission or it did not; either way the slot is free. */
static void
on_packed(void *ctx, uint64_t message, uint8_t priority,
    const struct queue_transmission *x, const uint8_t *payload, size_t len,
    const char *why)
{
	struct mule_out *o = ctx;
	int rc = PMUL_OK;

	o->jobs--;
	--*slot(o, priority);
	queue_unlease(o->link->gw->queue, o->hop, message);
	if (x == NULL && why == NULL) {
		look_again(o);
		kick(o);
	} else if (x == NULL) {
		log_event(GW_LOG_ERR, "mule.pack",
		    "message=%" PRIu64 " link=%s why=\"%s\"", message,
		    o->link->cfg->name, why);
		retry_later(o);
	} else if (!o->draining) {
		rc = submit(o, x, payload, len);
	}
	/* It is in the queue: it is sent as if after a restart. */
	if (rc != PMUL_OK) {
		log_event(GW_LOG_WARN, "mule.submit",
		    "message=%" PRIu64 " link=%s why=\"%s\"", message,
		    o->link->cfg->name, pmul_strerror(rc));
		o->resuming = true;
	}
	if (x != NULL) {
		/* Recipients that no one group covers come up again. */
		look_again(o);
		kick(o);
	}
	now_idle(o);
}

static void
start_job(struct mule_out *o, const struct queue_message *m)
{
	int rc = mule_pack_start(o->link, m, on_packed, o);

	if (rc == QUEUE_OK) {
		o->jobs++;
		++*slot(o, mule_priority(m->priority));
		return;
	}
	log_event(GW_LOG_ERR, "mule.pack",
	    "message=%" PRIu64 " link=%s why=\"%s\"", m->id, o->link->cfg->name,
	    rc == QUEUE_ENOTFOUND ? "no group of the link has its nodes"
				  : queue_strerror(rc));
	queue_unlease(o->link->gw->queue, o->hop, m->id);
	retry_later(o);
}

static void
asked(struct mule_out *o)
{
	o->asking = false;
	if (o->again) {
		o->again = false;
		look_again(o);
	}
}

static void
on_ready(void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct mule_out *o = ctx;

	if (o->asked == MULE_PRIORITIES)
		o->more = more;
	else if (!more)
		o->none = o->asked;
	o->stale = false; /* leased before the change, or after it */
	asked(o);
	for (size_t i = 0; rc == QUEUE_OK && i < n; i++) {
		if (o->draining)
			queue_unlease(o->link->gw->queue, o->hop, m[i].id);
		else
			start_job(o, &m[i]);
	}
	if (rc != QUEUE_OK)
		retry_later(o);
	else if (n > 0)
		kick(o);
	now_idle(o);
}

static void
on_resume(void *ctx, int rc, const struct queue_transmission *x,
    uint8_t *payload, size_t len)
{
	struct mule_out *o = ctx;

	asked(o);
	if (o->stale && x != NULL) {
		/* Ask again: it is told once more if it is still there. */
		o->stale = false;
		free(payload);
		kick(o);
		now_idle(o);
		return;
	}
	o->stale = false;
	if (rc == QUEUE_OK && x == NULL)
		o->resuming = false;
	else if (rc == QUEUE_OK && !o->draining)
		rc = submit(o, x, payload, len);
	free(payload);
	if (rc == PMUL_EEXPIRED) {
		/* Nobody heard of it while we were down. */
		expired(o, x);
		rc = QUEUE_OK;
	}
	if (rc != QUEUE_OK)
		retry_later(o);
	else
		kick(o);
	now_idle(o);
}

static void
resume(struct mule_out *o)
{
	uint64_t *skip = calloc(o->nsendings + 1, sizeof(*skip));
	struct sending *s;
	size_t n = 0;

	if (skip == NULL) {
		retry_later(o);
		return;
	}
	TAILQ_FOREACH (s, &o->sendings, entry)
		skip[n++] = s->transmission;
	o->asking = true;
	queue_next_transmission(
	    o->link->gw->queue, o->link->cfg->name, skip, n, on_resume, o);
	free(skip);
}

/* So many messages may begin, of those with an octet below *ret_below. */
static size_t
free_slots(const struct mule_out *o, unsigned *ret_below)
{
	size_t slots = o->link->cfg->max_in_flight, used = 0;
	unsigned p = 0;

	while (p < MULE_PRIORITIES && used + o->used[p] < slots)
		used += o->used[p++];
	*ret_below = p;
	return slots - used;
}

static void
kick(struct mule_out *o)
{
	size_t all = o->link->cfg->max_in_flight * MULE_PRIORITIES;
	unsigned below;
	size_t n;

	if (o->draining || o->asking || o->nsendings + o->jobs >= all)
		return;
	if (o->resuming) {
		resume(o);
		return;
	}
	n = free_slots(o, &below);
	if (!o->more || below <= o->none)
		return;
	o->asking = true;
	o->asked = below;
	/* Octet and MT-PRIORITY: see mule_priority(). */
	queue_ready_urgent(
	    o->link->gw->queue, o->hop, 7 - (int)below, n, on_ready, o);
}

/* --- what the engine says --- */

static void
expired(struct mule_out *o, const struct queue_transmission *x)
{
	for (size_t i = 0; i < x->nnodes; i++)
		mule_end_add(
		    o->ends, x->id, x->message, x->msid, x->nodes[i], false);
}

void
mule_out_event(struct mule_out *o, const struct pmul_event *ev)
{
	struct sending *s = find_msid(o, ev->id);

	if (s == NULL)
		return;
	if (ev->type == PMUL_EV_ACKED || ev->type == PMUL_EV_GAVE_UP) {
		mule_end_add(o->ends, s->transmission, s->message, s->msid,
		    ev->peer, ev->type == PMUL_EV_ACKED);
		return;
	}
	/* DONE */
	sending_free(o, s);
	kick(o);
}

void
mule_out_cancel(struct mule_out *o, uint32_t msid)
{
	struct sending *s = find_msid(o, msid);

	if (s == NULL) {
		o->stale = o->asking;
		return;
	}
	sending_free(o, s);
	link_cancel(o->link->link, msid);
	kick(o);
}

/* --- life --- */

static void
on_retry_closed(uv_handle_t *h)
{
	struct mule_out *o = h->data;

	o->retry_closed = true;
	now_idle(o);
}

int
mule_out_new(struct mule_link *l, struct mule_out **ret_o)
{
	struct mule_out *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return QUEUE_ENOMEM;
	if (mule_end_new(l, &o->ends) != 0) {
		free(o);
		return QUEUE_ENOMEM;
	}
	o->link = l;
	snprintf(o->hop, sizeof(o->hop), "mule:%s", l->cfg->name);
	TAILQ_INIT(&o->sendings);
	o->retry_closed = true;
	*ret_o = o;
	return 0;
}

void
mule_out_free(struct mule_out **op)
{
	struct mule_out *o = *op;
	struct sending *s;

	*op = NULL;
	if (o == NULL)
		return;
	assert(o->jobs == 0 && !o->asking);
	mule_end_free(&o->ends);
	while ((s = TAILQ_FIRST(&o->sendings)) != NULL) {
		TAILQ_REMOVE(&o->sendings, s, entry);
		free(s);
	}
	free(o);
}

void
mule_out_start(struct mule_out *o)
{
	uv_timer_init(o->link->gw->loop, &o->retry);
	o->retry.data = o;
	o->retry_open = true;
	o->retry_closed = false;
	mule_end_start(o->ends);
	o->resuming = o->more = true;
	kick(o);
}

void
mule_out_work(struct mule_out *o)
{
	if (o->asking)
		o->again = true;
	look_again(o);
	if (o->retry_open)
		kick(o);
}

void
mule_out_drain(struct mule_out *o)
{
	o->draining = true;
	mule_end_drain(o->ends);
	if (!o->retry_open)
		return;
	o->retry_open = false;
	uv_close((uv_handle_t *)&o->retry, on_retry_closed);
}

bool
mule_out_idle(const struct mule_out *o)
{
	return o->jobs == 0 && mule_end_idle(o->ends) && !o->asking &&
	       o->retry_closed;
}

size_t
mule_out_sending(const struct mule_out *o, struct mule_sending *s, size_t cap)
{
	const struct sending *p;
	size_t n = 0;

	TAILQ_FOREACH (p, &o->sendings, entry) {
		if (n < cap)
			s[n] = (struct mule_sending){ p->message, p->msid,
				p->group };
		n++;
	}
	return n;
}

/*
 * What a link keeps for its next life, and how it comes back.
 *
 * About once a second while something is sent or received, what has changed is
 * fetched from the engine and committed in one transaction: how often each
 * transmission was sent, and the fragments that came in.  A crash costs what
 * came since, in air time, and no mail.
 *
 * The timer runs only when something has happened, so an idle gateway sleeps.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/clock.h"
#include "gateway/log.h"
#include "gateway/mule_link.h"
#include "gateway/room.h"

/* What is lost with a crash, against a commit each time. */
#define CHECKPOINT_MS 1000

struct mule_keep {
	struct mule_link *link;
	uv_timer_t timer;
	bool open, closed; /* the timer; closed also before it is opened */
	bool armed;
	bool changed;   /* while a commit was under way */
	size_t commits; /* under way */
	bool restoring;
};

static_assert(sizeof(((struct pmul_addr *)0)->b) == QUEUE_ADDRESS_LEN,
    "an address of the engine fits the queue's");

/* --- checkpoints ------------------------------------------------------------ */

static void checkpoint(struct mule_keep *k);

static void
on_timer(uv_timer_t *t)
{
	struct mule_keep *k = t->data;

	k->armed = false;
	checkpoint(k);
}

void
mule_keep_active(struct mule_keep *k)
{
	if (!k->open || k->armed || k->restoring)
		return;
	if (k->commits > 0) {
		k->changed = true;
		return;
	}
	k->armed = true;
	uv_timer_start(&k->timer, on_timer, CHECKPOINT_MS, 0);
}

static void
on_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct mule_keep *k = ctx;

	(void)res;
	/* What was not written down is asked for again after a restart. */
	if (rc != QUEUE_OK)
		log_event(GW_LOG_WARN, "mule.checkpoint", "link=%s why=\"%s\"",
		    k->link->cfg->name, queue_strerror(rc));
	k->commits--;
	if (k->changed) {
		k->changed = false;
		mule_keep_active(k);
	}
	mule_link_part_idle(k->link);
}

static int
add_partial(
    struct mule_keep *k, struct queue_txn *t, const struct pmul_rx_saved *s)
{
	const struct cfg_link *cfg = k->link->cfg;
	struct queue_partial p = {
		.source = s->source,
		.msid = s->id,
		.priority = s->priority,
		.seq = s->seq,
		.total = s->total,
		.expires_at = s->expiry.s,
		.keep_until = mule_link_keep_until(k->link, s->expiry.s),
		.records = s->records,
		.len = s->len,
	};

	memcpy(p.address, s->from.b, sizeof(p.address));
	return queue_txn_partial(
	    t, cfg->name, &p, (size_t)cfg->max_in_flight_bytes);
}

/* What has changed into t; how many changes in *ret_n. */
static int
collect(struct mule_keep *k, struct queue_txn *t, size_t *ret_n)
{
	struct link *link = k->link->link;
	struct pmul_tx_saved tx;
	struct pmul_rx_saved rx;
	int rc = QUEUE_OK;

	*ret_n = 0;
	while (rc == QUEUE_OK && link_next_tx_saved(link, &tx)) {
		rc = queue_txn_rounds(
		    t, k->link->cfg->name, tx.msid, tx.rounds, tx.emcon_rounds);
		++*ret_n;
	}
	while (rc == QUEUE_OK && link_next_rx_saved(link, &rx)) {
		rc = add_partial(k, t, &rx);
		++*ret_n;
	}
	return rc;
}

static void
checkpoint(struct mule_keep *k)
{
	struct queue_txn *t;
	size_t n = 0;
	int rc;

	/* It saves air time, no mail. */
	if (!room_for_radio(k->link->gw->room))
		return;
	t = queue_txn_new();
	rc = t == NULL ? QUEUE_ENOMEM : collect(k, t, &n);

	if (rc == QUEUE_OK && n == 0) {
		queue_txn_free(&t);
		return;
	}
	k->commits++;
	if (rc == QUEUE_OK) {
		queue_submit(k->link->gw->queue, &t, on_committed, k);
		return;
	}
	queue_txn_free(&t);
	on_committed(k, rc, NULL);
}

static void
forget(struct mule_keep *k, uint32_t source, uint32_t msid)
{
	struct queue_txn *t = queue_txn_new();
	int rc = t == NULL ? QUEUE_ENOMEM
			   : queue_txn_partial_end(
				 t, k->link->cfg->name, source, msid);

	/* It goes at its expiry. */
	if (rc != QUEUE_OK) {
		queue_txn_free(&t);
		return;
	}
	k->commits++;
	queue_submit(k->link->gw->queue, &t, on_committed, k);
}

void
mule_keep_lost(struct mule_keep *k, uint32_t source, uint32_t msid)
{
	forget(k, source, msid);
}

/* --- start ------------------------------------------------------------------ */

static void next_partial(struct mule_keep *k, uint64_t after);

static void
restored(struct mule_keep *k)
{
	k->restoring = false;
	mule_link_restored(k->link);
}

static void
give_back(struct mule_keep *k, const struct queue_partial *p)
{
	struct pmul_rx_saved s = {
		.source = p->source,
		.id = p->msid,
		.priority = p->priority,
		.seq = p->seq,
		.total = p->total,
		.expiry = { p->expires_at },
		.records = p->records,
		.len = p->len,
	};
	int rc;

	memcpy(s.from.b, p->address, sizeof(s.from.b));
	rc = link_restore_rx(k->link->link, &s);
	if (rc == PMUL_OK)
		return;
	log_event(GW_LOG_WARN, "mule.restore",
	    "link=%s source=%08" PRIx32 " msid=%" PRIu32
	    " octets=%zu why=\"%s\"",
	    k->link->cfg->name, p->source, p->msid, p->len, pmul_strerror(rc));
	/* Should there be room later, it begins anew. */
	forget(k, p->source, p->msid);
}

static void
on_partial(void *ctx, int rc, const struct queue_partial *p)
{
	struct mule_keep *k = ctx;

	if (k->link->closed != NULL || (rc != QUEUE_OK && p == NULL)) {
		if (rc != QUEUE_OK)
			log_event(GW_LOG_ERR, "mule.partials",
			    "link=%s why=\"%s\"", k->link->cfg->name,
			    queue_strerror(rc));
		restored(k);
		return;
	}
	if (p == NULL) {
		restored(k);
		return;
	}
	if (rc == QUEUE_OK)
		give_back(k, p);
	else
		forget(k, p->source, p->msid);
	next_partial(k, p->id);
}

static void
next_partial(struct mule_keep *k, uint64_t after)
{
	queue_next_partial(k->link->gw->queue, k->link->cfg->name,
	    clock_wall_s(), after, on_partial, k);
}

static void
on_tombstones(void *ctx, int rc, const struct queue_tombstone *t, size_t n)
{
	struct mule_keep *k = ctx;
	struct pmul_tombstone x;

	for (size_t i = 0; rc == QUEUE_OK && i < n; i++) {
		x = (struct pmul_tombstone){
			.source = t[i].source,
			.id = t[i].msid,
			.priority = t[i].priority,
			.expiry = { t[i].expires_at },
			.owed = t[i].owed,
		};
		memcpy(x.from.b, t[i].address, sizeof(x.from.b));
		rc = link_restore_tombstone(k->link->link, &x);
	}
	/* The queue still knows them, and refuses a second delivery. */
	if (rc != QUEUE_OK)
		log_event(GW_LOG_ERR, "mule.tombstones", "link=%s why=\"%s\"",
		    k->link->cfg->name, queue_strerror(rc));
	next_partial(k, 0);
}

void
mule_keep_start(struct mule_keep *k)
{
	struct mule_link *l = k->link;

	uv_timer_init(l->gw->loop, &k->timer);
	k->timer.data = k;
	k->open = true;
	k->closed = false;
	k->restoring = true;
	queue_tombstones(l->gw->queue, l->cfg->name, clock_wall_s(),
	    MULE_TOMBSTONES_MAX, on_tombstones, k);
}

/* --- life ------------------------------------------------------------------- */

int
mule_keep_new(struct mule_link *l, struct mule_keep **ret_k)
{
	struct mule_keep *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return QUEUE_ENOMEM;
	k->link = l;
	k->closed = true;
	*ret_k = k;
	return 0;
}

void
mule_keep_free(struct mule_keep **kp)
{
	assert(*kp == NULL || ((*kp)->commits == 0 && (*kp)->closed));
	free(*kp);
	*kp = NULL;
}

static void
on_closed(uv_handle_t *h)
{
	struct mule_keep *k = h->data;

	k->closed = true;
	mule_link_part_idle(k->link);
}

void
mule_keep_drain(struct mule_keep *k)
{
	if (!k->open)
		return;
	if (!k->restoring)
		checkpoint(k);
	k->open = false;
	uv_close((uv_handle_t *)&k->timer, on_closed);
}

bool
mule_keep_idle(const struct mule_keep *k)
{
	return k->commits == 0 && k->closed && !k->restoring;
}

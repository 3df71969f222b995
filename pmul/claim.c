/* Dynamic groups of our own, see claim.h. */
#include "pmul/claim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/group.h"
#include "pmul/turn.h"
#include "pmul/tx.h"

/* --- the pool -------------------------------------------------------------- */

static struct pmul_claim *
find(const struct pmul_engine *e, uint32_t group)
{
	struct pmul_table_node *n =
	    pmul_table_find(&e->groups.claims, group, 0);

	return n != NULL ? PMUL_CONTAINER(n, struct pmul_claim, node) : NULL;
}

bool
pmul_claim_has(const struct pmul_engine *e, uint32_t group)
{
	return find(e, group) != NULL;
}

static uint64_t
pool_size(const struct pmul_engine *e)
{
	return (uint64_t)e->cfg.pool_last - e->cfg.pool_first + 1;
}

static void
be_due(struct pmul_engine *e, struct pmul_claim *c)
{
	pmul_heap_put(&e->groups.sends, &c->sending, c->priority);
}

/* us * pct / 100; saturates. */
static uint64_t
percent(uint64_t us, uint64_t pct)
{
	return us <= UINT64_MAX / pct ? us * pct / 100 : UINT64_MAX;
}

/* Every group was rejected or is in use: later, and later still. */
static void
begin_pause(struct pmul_engine *e, struct pmul_claim *c)
{
	uint64_t next = percent(c->stretch_pct, e->cfg.backoff_pct);
	uint64_t limit = e->cfg.backoff_limit_pct;

	c->phase = PMUL_CLAIM_PAUSING;
	if (c->refused != 0)
		be_due(e, c);
	else
		pmul_heap_remove(&e->groups.sends, &c->sending);
	pmul_heap_put(&e->timers, &c->timer,
	    pmul_after(e, percent(e->cfg.ack_retx_us, c->stretch_pct)));
	pmul_heap_put(&e->groups.paused, &c->pausing, c->priority);
	c->stretch_pct = next < limit ? next : limit;
}

static void
end_pause(struct pmul_engine *e, struct pmul_claim *c)
{
	pmul_heap_remove(&e->timers, &c->timer);
	pmul_heap_remove(&e->groups.paused, &c->pausing);
}

/* Ask for the next group of the pool that nobody is known to use. */
static void
choose(struct pmul_engine *e, struct pmul_claim *c)
{
	uint64_t size = pool_size(e);

	while (c->tried < size) {
		uint64_t place = (c->start + c->tried++) % size;
		uint32_t group = (uint32_t)(e->cfg.pool_first + place);

		if (pmul_group_in_use(e, group))
			continue;
		c->group = c->node.source = group;
		pmul_table_add(&e->groups.claims, &c->node);
		c->phase = PMUL_CLAIM_ASKING;
		be_due(e, c);
		return;
	}
	begin_pause(e, c);
}

static void
begin_attempt(struct pmul_engine *e, struct pmul_claim *c)
{
	c->start = (uint32_t)pmul_prng_below(&e->groups.prng, pool_size(e));
	c->tried = 0;
	choose(e, c);
}

/* The group is not ours any more, nor asked for. */
static void
abandon(struct pmul_engine *e, struct pmul_claim *c)
{
	if (c->group == 0)
		return;
	pmul_table_remove(&e->groups.claims, &c->node);
	c->group = 0;
	c->spoken = false;
}

/* ACP 142: rejected, so a Release_PDU for it, then another group. */
static void
withdraw(struct pmul_engine *e, struct pmul_claim *c)
{
	if (c->spoken)
		c->refused = c->group;
	pmul_heap_remove(&e->timers, &c->timer);
	abandon(e, c);
	choose(e, c);
}

/* Whether it is asked for and not announced. */
static bool
is_open(const struct pmul_claim *c)
{
	return c->phase == PMUL_CLAIM_ASKING ||
	       c->phase == PMUL_CLAIM_LISTENING;
}

/* --- beginning and end ------------------------------------------------------- */

int
pmul_claim_check(const struct pmul_engine *e)
{
	if (e->cfg.pool_first == 0)
		return PMUL_EINVAL;
	return e->gauges.groups_claimed < 2 * e->cfg.tx_messages_max
		   ? PMUL_OK
		   : PMUL_EBUSY;
}

int
pmul_claim_new(struct pmul_claim **ret_c)
{
	struct pmul_claim *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return PMUL_ENOMEM;
	*ret_c = c;
	return PMUL_OK;
}

void
pmul_claim_start(struct pmul_engine *e, struct pmul_tx *tx)
{
	struct pmul_claim *c = tx->claim;

	/* After those of the message: its last PDU goes before the Release. */
	pmul_node_init(e, &c->sending, PMUL_TIMER_CLAIM);
	pmul_node_init(e, &c->timer, PMUL_TIMER_CLAIM);
	pmul_node_init(e, &c->pausing, PMUL_TIMER_CLAIM);
	c->tx = tx;
	c->priority = tx->priority;
	c->msid = tx->node.msid;
	c->stretch_pct = 100;
	e->gauges.groups_claimed++;
	begin_attempt(e, c);
}

static void
release(struct pmul_engine *e, struct pmul_claim *c)
{
	pmul_heap_remove(&e->groups.sends, &c->sending);
	pmul_heap_remove(&e->timers, &c->timer);
	pmul_heap_remove(&e->groups.paused, &c->pausing);
	abandon(e, c);
	e->gauges.groups_claimed--;
	free(c);
}

void
pmul_claim_drop(struct pmul_engine *e, struct pmul_tx *tx)
{
	struct pmul_claim *c = tx->claim;

	if (c == NULL)
		return;
	tx->claim = NULL;
	c->tx = NULL;
	c->phase = PMUL_CLAIM_RELEASING;
	end_pause(e, c);
	if (!c->spoken)
		abandon(e, c);
	if (c->group != 0 || c->refused != 0)
		be_due(e, c);
	else {
		release(e, c);
		pmul_claim_wake(e);
	}
}

void
pmul_claim_free_all(struct pmul_engine *e)
{
	struct pmul_heap_node *n;

	while ((n = pmul_heap_top(&e->groups.sends)) != NULL)
		release(e, PMUL_CONTAINER(n, struct pmul_claim, sending));
}

/* --- PDUs out ---------------------------------------------------------------- */

static void
to_all(struct pmul_where *where, enum pmul_port port)
{
	memset(where, 0, sizeof(*where));
	where->port = port;
	where->multicast = true;
	where->group = PMUL_GROUP_ALL;
}

static size_t
put_group(struct pmul_engine *e, const struct pmul_claim *c,
    enum pmul_pdu_type type, uint32_t group, void *buf, size_t cap)
{
	return pmul_pdu_put_group(
	    buf, cap, type, e->cfg.node_id, c->msid, group);
}

static size_t
put_release(struct pmul_engine *e, const struct pmul_claim *c, uint32_t group,
    void *buf, size_t cap)
{
	e->counters.releases_out++;
	return put_group(e, c, PMUL_RELEASE, group, buf, cap);
}

/* The first destination from place i on that is incomplete. */
static uint32_t
next_open(const struct pmul_tx *tx, uint32_t i)
{
	while (i < tx->ndests && tx->dests[i].complete)
		i++;
	return i;
}

/* The next PDU of the set; 0 if who was left has meanwhile completed. */
static size_t
put_announce(struct pmul_engine *e, struct pmul_claim *c, void *buf, size_t cap)
{
	const struct pmul_tx *tx = c->tx;
	size_t most =
	    ((size_t)e->cfg.pdu_max - PMUL_ANNOUNCE_HEADER) / sizeof(uint32_t);
	uint32_t *ids = e->scratch, i;
	struct pmul_pdu pdu = {
		.type = PMUL_ANNOUNCE,
		.first = c->cursor == 0,
		.source = e->cfg.node_id,
		.msid = c->msid,
		.expiry = tx->expiry,
		.group = c->group,
	};
	size_t n = 0;

	i = next_open(tx, c->cursor);
	for (; i < tx->ndests && n < most; i = next_open(tx, i + 1))
		ids[n++] = tx->dests[i].id;
	pdu.last = i == tx->ndests;
	c->announcing = !pdu.last;
	c->cursor = pdu.last ? 0 : i;
	if (n == 0)
		return 0;
	e->counters.announces_out++;
	return pmul_pdu_put_announce(buf, cap, &pdu, ids, n);
}

/* The first set begins: the group is ours, whoever rejects it now. */
static void
begin_announcing(struct pmul_engine *e, struct pmul_claim *c)
{
	if (c->announced > 0 || c->announcing)
		return;
	c->began_us = e->now.mono.us;
	c->tx->group = c->group;
}

static size_t
put(struct pmul_engine *e, struct pmul_claim *c, struct pmul_where *where,
    void *buf, size_t cap)
{
	uint32_t group = c->refused;

	to_all(where, PMUL_TPORT);
	if (group != 0) {
		c->refused = 0;
		return put_release(e, c, group, buf, cap);
	}
	if (c->phase == PMUL_CLAIM_ANNOUNCING) {
		where->port = PMUL_RPORT;
		begin_announcing(e, c);
		return put_announce(e, c, buf, cap);
	}
	group = c->group;
	if (c->phase == PMUL_CLAIM_RELEASING) {
		abandon(e, c);
		return put_release(e, c, group, buf, cap);
	}
	assert(c->phase == PMUL_CLAIM_ASKING);
	c->phase = PMUL_CLAIM_LISTENING;
	c->spoken = true;
	e->counters.requests_out++;
	return put_group(e, c, PMUL_REQUEST, group, buf, cap);
}

static uint64_t
add(uint64_t a, uint64_t b)
{
	/* A timer that is set always comes before "never". */
	return a < UINT64_MAX - 1 - b ? a + b : UINT64_MAX - 1;
}

/* A set has gone out: ANNOUNCE_CT of them are spread over ANNOUNCE_DELAY. */
static void
await_next_set(struct pmul_engine *e, struct pmul_claim *c)
{
	const struct pmul_config *cfg = &e->cfg;
	uint64_t end = pmul_pace_end(&e->pace, e->now.mono).us;
	uint64_t at = add(c->began_us, cfg->announce_delay_us);

	c->announced++;
	if (c->announced < cfg->announce_ct)
		at = add(c->began_us,
		    cfg->announce_delay_us / cfg->announce_ct * c->announced);
	pmul_heap_remove(&e->groups.sends, &c->sending);
	pmul_heap_put(&e->timers, &c->timer, at > end ? at : end);
}

/* What follows the PDU that the pacer knows of now. */
static void
settle(struct pmul_engine *e, struct pmul_claim *c)
{
	uint64_t end = pmul_pace_end(&e->pace, e->now.mono).us;

	switch (c->phase) {
	case PMUL_CLAIM_LISTENING:
		/* From when the Request has left the air. */
		pmul_heap_remove(&e->groups.sends, &c->sending);
		pmul_heap_put(
		    &e->timers, &c->timer, add(end, e->cfg.wait_for_reject_us));
		break;
	case PMUL_CLAIM_ANNOUNCING:
		if (!c->announcing)
			await_next_set(e, c);
		break;
	case PMUL_CLAIM_PAUSING:
		pmul_heap_remove(&e->groups.sends, &c->sending);
		break;
	case PMUL_CLAIM_RELEASING:
		if (c->group != 0)
			break;
		release(e, c);
		pmul_claim_wake(e);
		break;
	case PMUL_CLAIM_ASKING: /* the Release came first */
	case PMUL_CLAIM_HELD: break;
	}
}

size_t
pmul_claim_put(
    struct pmul_engine *e, struct pmul_where *where, void *buf, size_t cap)
{
	struct pmul_heap_node *n;
	struct pmul_claim *c;
	size_t len = 0;

	while (len == 0 && (n = pmul_heap_top(&e->groups.sends)) != NULL) {
		if (e->now.mono.us < pmul_turn_at(e, NULL))
			return 0;
		c = PMUL_CONTAINER(n, struct pmul_claim, sending);
		len = put(e, c, where, buf, cap);
		if (len > 0)
			pmul_pace_sent(&e->pace, e->now.mono, len);
		settle(e, c);
	}
	return len;
}

bool
pmul_claim_goes_first(const struct pmul_engine *e)
{
	const struct pmul_heap_node *ours = pmul_heap_top(&e->groups.sends);
	const struct pmul_heap_node *data = pmul_heap_top(&e->sends);

	if (ours == NULL || data == NULL)
		return ours != NULL;
	return ours->key != data->key ? ours->key < data->key
				      : ours->order < data->order;
}

/* --- between the rounds -------------------------------------------------------- */

bool
pmul_claim_settled(const struct pmul_tx *tx)
{
	return tx->claim == NULL || tx->claim->phase == PMUL_CLAIM_HELD;
}

/*
 * Perhaps somebody does not listen to the group: was never heard, or has
 * started anew and knows nothing of it.
 */
static bool
has_deaf(const struct pmul_tx *tx)
{
	for (uint32_t i = 0; i < tx->nopen; i++) {
		const struct pmul_tx_dest *d = &tx->dests[tx->open[i]];

		if (!d->complete &&
		    (!d->heard || (!d->responded && d->silences > 0)))
			return true;
	}
	return false;
}

size_t
pmul_claim_remind(struct pmul_engine *e, struct pmul_tx *tx,
    struct pmul_where *where, void *buf, size_t cap)
{
	struct pmul_claim *c = tx->claim;
	size_t len;

	if (c == NULL || c->reminded || tx->due == PMUL_TX_DUE_CONFIRM ||
	    (!c->announcing && !has_deaf(tx))) {
		if (c != NULL)
			c->reminded = false;
		return 0;
	}
	to_all(where, PMUL_RPORT);
	len = put_announce(e, c, buf, cap);
	c->reminded = !c->announcing && len > 0;
	return len;
}

/* --- timers and what others say -------------------------------------------------- */

/* The group is announced: now the message. */
static void
hold(struct pmul_engine *e, struct pmul_claim *c)
{
	struct pmul_tx *tx = c->tx;

	c->phase = PMUL_CLAIM_HELD;
	c->reminded = true;
	if (tx->phase == PMUL_TX_READY)
		pmul_heap_put(&e->sends, &tx->sending, tx->priority);
}

void
pmul_claim_timer(struct pmul_engine *e, struct pmul_claim *c)
{
	pmul_heap_remove(&e->timers, &c->timer);
	switch (c->phase) {
	case PMUL_CLAIM_LISTENING:
		c->phase = PMUL_CLAIM_ANNOUNCING;
		be_due(e, c);
		break;
	case PMUL_CLAIM_PAUSING:
		end_pause(e, c);
		begin_attempt(e, c);
		break;
	case PMUL_CLAIM_ANNOUNCING:
		if (c->announced < e->cfg.announce_ct)
			be_due(e, c);
		else
			hold(e, c);
		break;
	case PMUL_CLAIM_ASKING:
	case PMUL_CLAIM_HELD:
	case PMUL_CLAIM_RELEASING: break;
	}
}

/*
 * Several nodes may reject the same Request, and the later of these Rejects
 * find us asking for another group.  One that names a group we have given up
 * is such a one; but what else the field says does not matter, as NTNU writes
 * our own address there.
 */
static bool
is_stale(
    const struct pmul_engine *e, const struct pmul_claim *c, uint32_t group)
{
	uint64_t size = pool_size(e), place;

	if (group == c->group || group < e->cfg.pool_first ||
	    group > e->cfg.pool_last)
		return false;
	place = (uint64_t)group - e->cfg.pool_first;
	return (place + size - c->start) % size < c->tried;
}

void
pmul_claim_rejected(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_tx *tx = pmul_tx_find(e, pdu->msid);
	struct pmul_claim *c = tx != NULL ? tx->claim : NULL;

	/* ACP 142: a Reject after the Announce is ignored. */
	if (pdu->source != e->cfg.node_id || c == NULL || !is_open(c) ||
	    !c->spoken || is_stale(e, c, pdu->group)) {
		e->counters.not_for_us++;
		return;
	}
	e->counters.rejects_in++;
	withdraw(e, c);
}

bool
pmul_claim_defends(struct pmul_engine *e, uint32_t group, uint32_t source)
{
	struct pmul_claim *c = find(e, group);

	if (c == NULL || c->phase == PMUL_CLAIM_RELEASING)
		return false;
	if (!is_open(c))
		return true;
	/* The lower Source_ID keeps it, if it can say so. */
	if (c->spoken && !e->emcon && e->cfg.node_id < source)
		return true;
	withdraw(e, c);
	return false;
}

void
pmul_claim_yield(struct pmul_engine *e, uint32_t group)
{
	struct pmul_claim *c = find(e, group);

	if (c != NULL && is_open(c))
		withdraw(e, c);
}

void
pmul_claim_wake(struct pmul_engine *e)
{
	struct pmul_heap_node *n = pmul_heap_top(&e->groups.paused);
	struct pmul_claim *c;

	if (n == NULL)
		return;
	c = PMUL_CONTAINER(n, struct pmul_claim, pausing);
	end_pause(e, c);
	begin_attempt(e, c);
}

void
pmul_claim_silence(struct pmul_engine *e)
{
	struct pmul_table_node *n = NULL;
	struct pmul_claim *c;

	while ((n = pmul_table_next(&e->groups.claims, n)) != NULL) {
		c = PMUL_CONTAINER(n, struct pmul_claim, node);
		if (c->phase != PMUL_CLAIM_LISTENING)
			continue;
		pmul_heap_remove(&e->timers, &c->timer);
		c->phase = PMUL_CLAIM_ASKING;
		be_due(e, c);
	}
}

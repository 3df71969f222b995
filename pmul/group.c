/* Dynamic groups of others, see group.h. */
#include "pmul/group.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/claim.h"
#include "pmul/rx_life.h"

/* Owed at a time; what one more would say is lost, as a datagram may be. */
#define REJECTS_MAX 64

struct group {
	struct pmul_table_node node; /* group, 0 */
	struct pmul_use_list uses;
	uint32_t joined; /* uses */
};

struct pmul_use {
	struct pmul_table_node node;    /* Source_ID, Message_ID */
	struct pmul_heap_node expiring; /* Expiry_Time */
	struct pmul_heap_node ageing;
	TAILQ_ENTRY(pmul_use) link;       /* of the group */
	TAILQ_ENTRY(pmul_use) other_link; /* not joined: oldest first */
	struct group *group;
	bool joined;
};

struct reject {
	struct pmul_table_node node; /* of the Request_PDU */
	struct pmul_heap_node timer; /* the random delay */
	struct pmul_heap_node ready;
	struct pmul_addr to;
	uint32_t group;
	uint64_t until_us; /* the requester waits */
};

/* --- making and unmaking ---------------------------------------------------- */

int
pmul_group_init(struct pmul_engine *e)
{
	struct pmul_groups *g = &e->groups;
	const struct pmul_config *cfg = &e->cfg;
	size_t claims = 2 * (size_t)cfg->tx_messages_max;
	size_t uses = 2 * (size_t)cfg->groups_max + 1;
	struct pmul_prng *prng = &g->prng;
	int rc;

	TAILQ_INIT(&g->others);
	pmul_prng_init(prng, ~cfg->seed);
	rc = pmul_heap_init(&g->sends, claims);
	if (rc == PMUL_OK)
		rc = pmul_heap_init(&g->paused, claims);
	if (rc == PMUL_OK)
		rc = pmul_heap_init(&g->rejects, REJECTS_MAX);
	if (rc == PMUL_OK)
		rc = pmul_table_init(&g->claims, claims, pmul_prng_next(prng));
	if (rc == PMUL_OK)
		rc = pmul_table_init(&g->uses, uses, pmul_prng_next(prng));
	if (rc == PMUL_OK)
		rc = pmul_table_init(&g->groups, uses, pmul_prng_next(prng));
	if (rc == PMUL_OK)
		rc = pmul_table_init(
		    &g->owed, REJECTS_MAX, pmul_prng_next(prng));
	return rc;
}

size_t
pmul_group_timers(const struct pmul_config *cfg)
{
	/* A claim, a use that is about to replace another, a Reject. */
	return 2 * (size_t)cfg->tx_messages_max + 2 * (size_t)cfg->groups_max +
	       1 + REJECTS_MAX;
}

/* --- groups and their uses --------------------------------------------------- */

static struct group *
find_group(const struct pmul_engine *e, uint32_t group)
{
	struct pmul_table_node *n =
	    pmul_table_find(&e->groups.groups, group, 0);

	return n != NULL ? PMUL_CONTAINER(n, struct group, node) : NULL;
}

static struct pmul_use *
find_use(const struct pmul_engine *e, uint32_t source, uint32_t msid)
{
	struct pmul_table_node *n =
	    pmul_table_find(&e->groups.uses, source, msid);

	return n != NULL ? PMUL_CONTAINER(n, struct pmul_use, node) : NULL;
}

bool
pmul_group_in_use(const struct pmul_engine *e, uint32_t group)
{
	return pmul_claim_has(e, group) || find_group(e, group) != NULL;
}

static void
push(struct pmul_engine *e, const struct pmul_use *u, enum pmul_event_type type)
{
	struct pmul_event ev = {
		.type = type,
		.peer = u->node.source,
		.id = u->node.msid,
		.group = u->group->node.source,
	};

	pmul_ring_push(&e->events, &ev);
}

/* JOIN and LEAVE were promised. */
static void
join(struct pmul_engine *e, struct pmul_use *u)
{
	u->joined = true;
	e->gauges.groups_joined++;
	if (u->group->joined++ == 0)
		push(e, u, PMUL_EV_JOIN);
	else
		pmul_ring_break(&e->events, 1);
}

static void
part(struct pmul_engine *e, struct pmul_use *u)
{
	u->joined = false;
	e->gauges.groups_joined--;
	if (--u->group->joined == 0)
		push(e, u, PMUL_EV_LEAVE);
	else
		pmul_ring_break(&e->events, 1);
}

static void
add_other(struct pmul_engine *e, struct pmul_use *u)
{
	TAILQ_INSERT_TAIL(&e->groups.others, u, other_link);
	e->gauges.groups_others++;
}

static void
remove_other(struct pmul_engine *e, struct pmul_use *u)
{
	TAILQ_REMOVE(&e->groups.others, u, other_link);
	e->gauges.groups_others--;
}

static void
free_use(struct pmul_engine *e, struct pmul_use *u)
{
	struct group *g = u->group;

	pmul_heap_remove(&e->expiries, &u->expiring);
	pmul_heap_remove(&e->timers, &u->ageing);
	if (u->joined)
		part(e, u);
	else
		remove_other(e, u);
	pmul_table_remove(&e->groups.uses, &u->node);
	TAILQ_REMOVE(&g->uses, u, link);
	if (TAILQ_EMPTY(&g->uses)) {
		pmul_table_remove(&e->groups.groups, &g->node);
		free(g);
	}
	free(u);
}

/* At most groups_max of these: the oldest is known least well. */
static void
limit_others(struct pmul_engine *e)
{
	if (e->gauges.groups_others > e->cfg.groups_max)
		free_use(e, TAILQ_FIRST(&e->groups.others));
}

/* How long it is believed that the group is in use. */
static void
live(struct pmul_engine *e, struct pmul_use *u, uint32_t expiry)
{
	uint64_t us =
	    u->joined ? e->cfg.rx_lifetime_us : e->cfg.undefined_expiry_us;

	if (e->cfg.rx_lifetime_us == 0 && expiry != 0)
		pmul_heap_put(
		    &e->expiries, &u->expiring, pmul_expired_at(e, expiry));
	if (us != 0)
		pmul_heap_put(&e->timers, &u->ageing, pmul_after(e, us));
	else
		pmul_heap_remove(&e->timers, &u->ageing);
}

void
pmul_group_done(struct pmul_engine *e, uint32_t source, uint32_t msid)
{
	struct pmul_use *u = find_use(e, source, msid);

	if (u != NULL && u->joined)
		pmul_heap_put(&e->timers, &u->ageing,
		    pmul_after(e, e->cfg.undefined_expiry_us));
}

/* Listening is over, the group may still be used for others. */
static void
leave(struct pmul_engine *e, struct pmul_use *u)
{
	part(e, u);
	add_other(e, u);
	live(e, u, 0);
	limit_others(e);
}

void
pmul_group_leave(struct pmul_engine *e, uint32_t source, uint32_t msid)
{
	struct pmul_use *u = find_use(e, source, msid);

	if (u != NULL && u->joined)
		leave(e, u);
}

void
pmul_group_expire(struct pmul_engine *e, struct pmul_heap_node *n)
{
	free_use(e, PMUL_CONTAINER(n, struct pmul_use, expiring));
}

void
pmul_group_age(struct pmul_engine *e, struct pmul_heap_node *n)
{
	free_use(e, PMUL_CONTAINER(n, struct pmul_use, ageing));
}

/* --- Announce_PDU ------------------------------------------------------------ */

static bool
names_us(const struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	for (size_t i = 0; i < pdu->count; i++)
		if (pmul_pdu_announced(pdu, i) == e->cfg.node_id)
			return true;
	return false;
}

/* Multicast, and not what the kernel keeps to the local network for itself. */
static bool
can_be_group(uint32_t group)
{
	return group >> 28 == 0xe && group >> 8 != 0xe00000;
}

/* A use of a group that may be new, in no table yet.  PMUL_ENOMEM */
static int
new_use(
    struct pmul_engine *e, const struct pmul_pdu *pdu, struct pmul_use **ret_u)
{
	struct pmul_use *u = calloc(1, sizeof(*u));
	struct group *g = find_group(e, pdu->group);

	if (u != NULL && g == NULL) {
		g = calloc(1, sizeof(*g));
		if (g != NULL)
			TAILQ_INIT(&g->uses);
	}
	if (u == NULL || g == NULL) {
		free(u);
		return PMUL_ENOMEM;
	}
	g->node.source = pdu->group;
	u->node.source = pdu->source;
	u->node.msid = pdu->msid;
	u->group = g;
	*ret_u = u;
	return PMUL_OK;
}

static void
undo_use(struct pmul_use *u)
{
	if (TAILQ_EMPTY(&u->group->uses))
		free(u->group);
	free(u);
}

/* Not joined at first. */
static void
add_use(struct pmul_engine *e, struct pmul_use *u)
{
	if (TAILQ_EMPTY(&u->group->uses))
		pmul_table_add(&e->groups.groups, &u->group->node);
	TAILQ_INSERT_TAIL(&u->group->uses, u, link);
	pmul_node_init(e, &u->expiring, PMUL_TIMER_USE);
	pmul_node_init(e, &u->ageing, PMUL_TIMER_AGE);
	pmul_table_add(&e->groups.uses, &u->node);
	add_other(e, u);
}

/* Whether it can be joined: room for it and its two events. */
static int
prepare_join(struct pmul_engine *e, const struct pmul_use *instead)
{
	uint32_t joined = e->gauges.groups_joined;

	if (instead != NULL && instead->joined)
		joined--;
	return joined < e->cfg.groups_max ? pmul_ring_promise(&e->events, 2)
					  : PMUL_EBUSY;
}

/* Heard of for the first time, or on another group than before. */
static int
begin_use(struct pmul_engine *e, struct pmul_use *old,
    const struct pmul_pdu *pdu, bool named)
{
	struct pmul_use *u;
	int rc = new_use(e, pdu, &u);

	if (rc != PMUL_OK)
		return rc;
	if (named) {
		rc = prepare_join(e, old);
		if (rc != PMUL_OK) {
			undo_use(u);
			return rc;
		}
	}
	if (old != NULL)
		free_use(e, old);
	add_use(e, u);
	if (named) {
		remove_other(e, u);
		join(e, u);
	}
	live(e, u, pdu->expiry);
	limit_others(e);
	return PMUL_OK;
}

/* Heard of again. */
static int
go_on(struct pmul_engine *e, struct pmul_use *u, const struct pmul_pdu *pdu,
    bool named)
{
	int rc;

	if (named && !u->joined) {
		rc = prepare_join(e, NULL);
		if (rc != PMUL_OK)
			return rc;
		remove_other(e, u);
		join(e, u);
	}
	live(e, u, pdu->expiry);
	return PMUL_OK;
}

int
pmul_group_announced(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_use *u = find_use(e, pdu->source, pdu->msid);
	bool named = names_us(e, pdu);
	int rc = PMUL_OK;

	if (!can_be_group(pdu->group))
		return PMUL_EMALFORMED;
	if (pmul_rx_too_late(e, pdu->expiry))
		return PMUL_EEXPIRED;
	if (u != NULL && u->group->node.source == pdu->group)
		rc = go_on(e, u, pdu, named);
	else if (u == NULL || !u->joined || named)
		/* Else another PDU of the set moves us. */
		rc = begin_use(e, u, pdu, named);
	if (rc != PMUL_OK)
		return rc;
	if (!named)
		e->counters.not_for_us++;
	pmul_claim_yield(e, pdu->group);
	return PMUL_OK;
}

/* --- Request_PDU and Reject_PDU ------------------------------------------------ */

static struct reject *
find_reject(const struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_table_node *n =
	    pmul_table_find(&e->groups.owed, pdu->source, pdu->msid);

	return n != NULL ? PMUL_CONTAINER(n, struct reject, node) : NULL;
}

static void
free_reject(struct pmul_engine *e, struct reject *r)
{
	pmul_heap_remove(&e->timers, &r->timer);
	pmul_heap_remove(&e->groups.rejects, &r->ready);
	pmul_table_remove(&e->groups.owed, &r->node);
	e->groups.nowed--;
	free(r);
}

/* PMUL_EBUSY, PMUL_ENOMEM */
static int
new_reject(
    struct pmul_engine *e, const struct pmul_pdu *pdu, struct reject **ret_r)
{
	struct reject *r;

	if (e->groups.nowed == REJECTS_MAX)
		return PMUL_EBUSY;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return PMUL_ENOMEM;
	r->node.source = pdu->source;
	r->node.msid = pdu->msid;
	pmul_node_init(e, &r->timer, PMUL_TIMER_REJECT);
	pmul_node_init(e, &r->ready, PMUL_TIMER_REJECT);
	pmul_table_add(&e->groups.owed, &r->node);
	e->groups.nowed++;
	*ret_r = r;
	return PMUL_OK;
}

static uint64_t
delay_us(struct pmul_engine *e)
{
	uint64_t most = e->cfg.wait_for_reject_us / 2;

	if (e->cfg.ack_delay_us < most)
		most = e->cfg.ack_delay_us;
	return pmul_prng_below(&e->groups.prng, most);
}

static int
owe_reject(struct pmul_engine *e, const struct pmul_addr *from,
    const struct pmul_pdu *pdu, bool at_once)
{
	struct reject *r = find_reject(e, pdu);
	int rc = PMUL_OK;

	if (r == NULL)
		rc = new_reject(e, pdu, &r);
	if (rc != PMUL_OK)
		return rc;
	r->to = *from;
	r->group = pdu->group;
	r->until_us = pmul_after(e, e->cfg.wait_for_reject_us);
	if (at_once) {
		pmul_heap_remove(&e->timers, &r->timer);
		pmul_heap_put(&e->groups.rejects, &r->ready, r->until_us);
	} else if (r->ready.place == 0)
		pmul_heap_put(
		    &e->timers, &r->timer, pmul_after(e, delay_us(e)));
	return PMUL_OK;
}

void
pmul_group_reject_timer(struct pmul_engine *e, struct pmul_heap_node *n)
{
	struct reject *r = PMUL_CONTAINER(n, struct reject, timer);

	pmul_heap_remove(&e->timers, &r->timer);
	pmul_heap_put(&e->groups.rejects, &r->ready, r->until_us);
}

/* We listen to the group, and not only for the requester. */
static bool
listens(const struct pmul_engine *e, uint32_t group, uint32_t requester)
{
	const struct group *g = find_group(e, group);
	const struct pmul_use *u;

	if (g == NULL || g->joined == 0)
		return false;
	TAILQ_FOREACH (u, &g->uses, link)
		if (u->joined && u->node.source != requester)
			return true;
	return false;
}

int
pmul_group_requested(struct pmul_engine *e, const struct pmul_addr *from,
    const struct pmul_pdu *pdu)
{
	bool ours = pmul_claim_defends(e, pdu->group, pdu->source);

	if (!ours && !listens(e, pdu->group, pdu->source)) {
		e->counters.not_for_us++;
		return PMUL_OK;
	}
	return e->emcon || from == NULL ? PMUL_OK
					: owe_reject(e, from, pdu, ours);
}

size_t
pmul_group_put(
    struct pmul_engine *e, struct pmul_where *where, void *buf, size_t cap)
{
	struct pmul_heap_node *n;
	struct reject *r;
	size_t len = 0;

	while (len == 0 && (n = pmul_heap_top(&e->groups.rejects)) != NULL) {
		r = PMUL_CONTAINER(n, struct reject, ready);
		if (e->now.mono.us <= r->until_us) {
			memset(where, 0, sizeof(*where));
			where->port = PMUL_TPORT;
			where->node = r->node.source;
			where->to = r->to;
			len = pmul_pdu_put_group(buf, cap, PMUL_REJECT,
			    r->node.source, r->node.msid, r->group);
			e->counters.rejects_out++;
		}
		free_reject(e, r);
	}
	return len;
}

/* --- Release_PDU --------------------------------------------------------------- */

void
pmul_group_released(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	struct pmul_use *u = find_use(e, pdu->source, pdu->msid);
	struct reject *r = find_reject(e, pdu);

	/* Somebody else was faster. */
	if (r != NULL && r->group == pdu->group)
		free_reject(e, r);
	if (u == NULL || u->group->node.source != pdu->group) {
		e->counters.not_for_us++;
		return;
	}
	free_use(e, u);
	pmul_claim_wake(e);
	pmul_rx_released(e, pdu->source, pdu->msid);
}

/* --- silence and the end --------------------------------------------------------- */

static void
free_rejects(struct pmul_engine *e)
{
	struct pmul_table_node *n;

	while ((n = pmul_table_next(&e->groups.owed, NULL)) != NULL)
		free_reject(e, PMUL_CONTAINER(n, struct reject, node));
}

static void
say_again(struct pmul_engine *e)
{
	struct pmul_table_node *n = NULL;
	const struct pmul_use *u;

	while ((n = pmul_table_next(&e->groups.uses, n)) != NULL) {
		u = PMUL_CONTAINER(n, struct pmul_use, node);
		if (u->joined && pmul_ring_promise(&e->events, 1) == PMUL_OK)
			push(e, u, PMUL_EV_JOIN);
	}
}

void
pmul_group_silence(struct pmul_engine *e, bool on)
{
	if (on)
		free_rejects(e);
	else
		say_again(e);
}

void
pmul_group_release_all(struct pmul_engine *e)
{
	struct pmul_groups *g = &e->groups;
	struct pmul_table_node *n;

	while ((n = pmul_table_next(&g->uses, NULL)) != NULL)
		free_use(e, PMUL_CONTAINER(n, struct pmul_use, node));
	free_rejects(e);
	pmul_heap_release(&g->sends);
	pmul_heap_release(&g->paused);
	pmul_heap_release(&g->rejects);
	pmul_table_release(&g->claims);
	pmul_table_release(&g->uses);
	pmul_table_release(&g->groups);
	pmul_table_release(&g->owed);
}

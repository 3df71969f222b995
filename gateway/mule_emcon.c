/*
 * EMCON on one link: of this node, and of those it sends to.
 *
 * What was set, by an operator or by a node that spoke, is in the queue and
 * beats the configuration.  Silence begins before anything else is done about
 * it, and ends only when its end is committed: a crash in between leaves the
 * node silent, never the other way round.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/clock.h"
#include "gateway/log.h"
#include "gateway/mule_link.h"

/* --- what is in force ------------------------------------------------------- */

static struct mule_emcon *
find_node(struct mule_link *l, uint32_t id)
{
	const struct cfg *cfg = l->gw->cfg;

	for (size_t i = 0; i < cfg->nnodes; i++)
		if (cfg->nodes[i].id == id)
			return &l->nodes[i];
	return NULL;
}

static void
take(struct mule_link *l, const struct queue_emcon *row)
{
	struct mule_emcon *e =
	    row->node == 0 ? &l->own : find_node(l, row->node);

	/* A node that is not configured any more. */
	if (e == NULL)
		return;
	e->noted = row->on;
	e->set = row->set;
	e->since = row->since;
	if (row->set)
		e->on = row->on;
}

struct loading {
	struct mule_link *link;
	bool answered;
	int rc;
};

static void
on_rows(void *ctx, int rc, const struct queue_emcon *e, size_t n)
{
	struct loading *x = ctx;

	x->answered = true;
	x->rc = rc;
	for (size_t i = 0; i < n; i++)
		take(x->link, &e[i]);
}

int
mule_emcon_load(struct mule_link *l, char *errbuf, size_t errcap)
{
	const struct cfg *cfg = l->gw->cfg;
	struct loading x = { .link = l };

	l->nodes = calloc(cfg->nnodes + 1, sizeof(*l->nodes));
	if (l->nodes == NULL)
		return QUEUE_ENOMEM;
	for (size_t i = 0; i < cfg->nnodes; i++)
		l->nodes[i].on = cfg->nodes[i].emcon;
	l->own.on = l->cfg->emcon;
	queue_emcon(l->gw->queue, l->cfg->name, on_rows, &x);
	while (!x.answered)
		uv_run(l->gw->loop, UV_RUN_ONCE);
	l->own.on |= l->cfg->receive_only;
	if (x.rc != QUEUE_OK)
		snprintf(errbuf, errcap, "link %s: EMCON cannot be read: %s",
		    l->cfg->name, queue_strerror(x.rc));
	return x.rc;
}

/* --- what the kernel makes of it --------------------------------------------- */

/* For an operator's eyes: what is not as he would expect. */
void
mule_emcon_voice(struct mule_link *l)
{
	int why = 0;

	switch (link_voice(l->link, &why)) {
	case BEARER_SPEAKS:
	case BEARER_SILENT:
		log_event(GW_LOG_INFO, "link.voice", "link=%s state=%s",
		    l->cfg->name, l->own.on ? "silent" : "speaks");
		break;
	case BEARER_QUIET:
		log_event(GW_LOG_WARN, "link.quiet", "link=%s why=\"%s\"",
		    l->cfg->name, strerror(-why));
		break;
	case BEARER_MUTED:
		log_event(GW_LOG_WARN, "link.muted", "link=%s why=\"%s\"",
		    l->cfg->name, strerror(-why));
		break;
	}
}

/* --- changes ---------------------------------------------------------------- */

struct change {
	struct mule_link *link;
	struct mule_emcon *emcon;
	uint32_t node; /* 0: this one */
	bool on;
	uint64_t serial;
	long uid;
	int kernel; /* on: a negative errno if it may still speak */
	mule_emcon_cb *done;
	void *ctx;
};

static void
log_change(const struct change *c)
{
	const struct cfg_node *node = cfg_node_by_id(c->link->gw->cfg, c->node);
	const char *state = c->on ? "on" : "off";

	if (c->node == 0)
		log_event(GW_LOG_INFO, "link.emcon", "link=%s state=%s uid=%ld",
		    c->link->cfg->name, state, c->uid);
	else
		log_event(GW_LOG_INFO, "link.emcon-node",
		    "link=%s node=%s state=%s uid=%ld", c->link->cfg->name,
		    node != NULL ? node->name : "?", state, c->uid);
}

static void
in_force(const struct change *c)
{
	struct mule_emcon *e = c->emcon;

	if (e->on != c->on)
		e->since = clock_wall_s();
	e->on = c->on;
	e->set = true;
	log_change(c);
}

/* Others on the same interface fall silent with this one, and wait for it. */
static void
others_look_again(const struct gateway *gw)
{
	for (size_t i = 0; i < gw->nlinks; i++)
		link_look_again(gw->links[i]->link);
}

/* Speak, unless the link starts and is silent for that; NULL, or why not. */
static const char *
speak(struct mule_link *l)
{
	int rc;

	if (l->starting)
		return NULL;
	rc = link_set_emcon(l->link, false);
	others_look_again(l->gw);
	if (rc == 0)
		return NULL;
	mule_emcon_voice(l);
	return rc == -EBUSY ? "EMCON has ended, but another link holds the "
			      "interface silent"
			    : "EMCON has ended, but the kernel holds the "
			      "interface silent; see the log";
}

static void
on_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct change *c = ctx;
	struct mule_link *l = c->link;
	bool last = c->serial == c->emcon->serial;
	const char *why = NULL;

	(void)res;
	if (rc != QUEUE_OK) {
		log_event(GW_LOG_ERR, "link.emcon-commit",
		    "link=%s state=%s why=\"%s\"", l->cfg->name,
		    c->on ? "on" : "off", queue_strerror(rc));
		why = c->on || c->node != 0
			  ? "in force, but a restart would forget it: the "
			    "queue could not write it down"
			  : "still in EMCON: the queue could not write its end "
			    "down";
	} else if (c->node == 0 && !c->on) {
		if (last) {
			in_force(c);
			why = speak(l);
		} else
			why = "somebody else set it meanwhile";
	}
	/* As well as can be was all that was asked, and the answer shows it. */
	if (why == NULL && c->kernel != 0 &&
	    l->cfg->emcon_kernel == CFG_EMCON_KERNEL_REQUIRED)
		why = "in EMCON, but the kernel may still speak; see the log";
	if (c->done != NULL)
		c->done(c->ctx, why);
	free(c);
	l->emcon_commits--;
	mule_link_part_idle(l);
}

static int
put(struct queue_txn *t, const struct mule_link *l, uint32_t node, bool on,
    bool set)
{
	struct queue_emcon row = {
		.node = node,
		.on = on,
		.set = set,
		.since = clock_wall_s(),
	};

	return queue_txn_emcon(t, l->cfg->name, &row);
}

/* Takes over c. */
static void
commit(struct change *c, bool set)
{
	struct queue_txn *t = queue_txn_new();
	int rc =
	    t == NULL ? QUEUE_ENOMEM : put(t, c->link, c->node, c->on, set);

	c->link->emcon_commits++;
	c->serial = ++c->emcon->serial;
	if (rc == QUEUE_OK) {
		queue_submit(c->link->gw->queue, &t, on_committed, c);
		return;
	}
	queue_txn_free(&t);
	on_committed(c, rc, NULL);
}

static struct change *
change_new(struct mule_link *l, struct mule_emcon *e, uint32_t node, bool on)
{
	struct change *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->link = l;
	c->emcon = e;
	c->node = node;
	c->on = on;
	c->uid = -1;
	return c;
}

static int
tell_engine(struct mule_link *l, uint32_t id, bool emcon)
{
	const struct cfg_node *node = cfg_node_by_id(l->gw->cfg, id);
	struct pmul_node n = {
		.id = id,
		.emcon = emcon,
		.ntnu = node != NULL && node->compat == CFG_COMPAT_NTNU,
	};

	return link_set_node(l->link, &n);
}

void
mule_emcon_set(
    struct mule_link *l, bool on, long uid, mule_emcon_cb *done, void *ctx)
{
	struct change *c;
	int kernel = 0;

	if (!on && l->cfg->receive_only) {
		done(ctx, "the link is receive_only in the configuration");
		return;
	}
	/* Silence needs neither memory nor a disk. */
	if (on) {
		kernel = link_set_emcon(l->link, true);
		others_look_again(l->gw);
	}
	if (kernel != 0)
		mule_emcon_voice(l);
	c = change_new(l, &l->own, 0, on);
	if (c == NULL) {
		done(ctx, on ? "silent until a restart: out of memory"
			     : "out of memory");
		return;
	}
	c->uid = uid;
	c->kernel = kernel;
	c->done = done;
	c->ctx = ctx;
	if (on)
		in_force(c);
	commit(c, true);
}

void
mule_emcon_set_node(struct mule_link *l, uint32_t id, bool on, long uid,
    mule_emcon_cb *done, void *ctx)
{
	struct mule_emcon *e = find_node(l, id);
	struct change *c;
	int rc;

	if (e == NULL || id == l->gw->cfg->node.id) {
		done(ctx, "that is this node itself; leave the node out");
		return;
	}
	c = change_new(l, e, id, on);
	rc = c == NULL ? PMUL_ENOMEM : tell_engine(l, id, on);
	if (rc != PMUL_OK) {
		free(c);
		done(ctx, pmul_strerror(rc));
		return;
	}
	c->uid = uid;
	c->done = done;
	c->ctx = ctx;
	in_force(c);
	commit(c, true);
}

void
mule_emcon_left(struct mule_link *l, uint32_t id)
{
	const struct cfg_node *node = cfg_node_by_id(l->gw->cfg, id);
	struct mule_emcon *e = find_node(l, id);
	struct change *c;

	log_event(GW_LOG_INFO, "link.emcon-left", "link=%s node=%s",
	    l->cfg->name, node != NULL ? node->name : "?");
	if (e == NULL)
		return;
	e->on = false;
	e->set = true;
	e->since = clock_wall_s();
	c = change_new(l, e, id, false);
	/* After a restart it would be taken for silent until its next Ack. */
	if (c != NULL)
		commit(c, true);
}

/* --- start ------------------------------------------------------------------- */

/* Which Acks are owed depends on when EMCON began, whoever ordered it. */
void
mule_emcon_note(struct mule_link *l)
{
	struct change *c;

	if (l->own.on == l->own.noted)
		return;
	l->own.since = clock_wall_s();
	c = change_new(l, &l->own, 0, l->own.on);
	if (c != NULL)
		commit(c, l->own.set && !l->cfg->receive_only);
}

/* An operator who orders silence should know what else falls silent. */
static void
warn_if_shared(struct mule_link *l)
{
	const struct cfg_smtp *smtp = &l->gw->cfg->smtp;
	uint32_t *listening = calloc(smtp->nlisten + 1, sizeof(*listening));
	struct in_addr a;
	char why[200] = "";
	size_t n = 0;

	if (listening == NULL)
		return;
	for (size_t i = 0; i < smtp->nlisten; i++)
		if (inet_pton(AF_INET, smtp->listen[i].address.host, &a) == 1)
			listening[n++] = ntohl(a.s_addr);
	if (link_shared(l->link, listening, n, why, sizeof(why)))
		log_event(GW_LOG_WARN, "link.shared", "link=%s why=\"%s\"",
		    l->cfg->name, why);
	free(listening);
}

static void
warn_if_quiet(struct mule_link *l)
{
	int why = 0;

	if (link_voice(l->link, &why) == BEARER_QUIET && why != 0)
		mule_emcon_voice(l);
}

void
mule_emcon_start(struct mule_link *l)
{
	const struct cfg *cfg = l->gw->cfg;
	int rc;

	for (size_t i = 0; i < cfg->nnodes; i++) {
		if (cfg->nodes[i].id == cfg->node.id)
			continue;
		if (tell_engine(l, cfg->nodes[i].id, l->nodes[i].on) != PMUL_OK)
			log_event(GW_LOG_ERR, "mule.memory", "link=%s node=%s",
			    l->cfg->name, cfg->nodes[i].name);
	}
	warn_if_shared(l);
	if (l->own.on) {
		log_event(GW_LOG_INFO, "link.silent", "link=%s since=%" PRId64,
		    l->cfg->name, l->own.since);
		warn_if_quiet(l);
		return;
	}
	/* Better to hear it now than on the day of the order. */
	rc = link_silence_try(l->link);
	if (rc != 0)
		log_event(GW_LOG_WARN, "link.kernel", "link=%s why=\"%s\"",
		    l->cfg->name, strerror(-rc));
	if (link_set_emcon(l->link, false) != 0)
		mule_emcon_voice(l);
}

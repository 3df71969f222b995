/*
 * Status as JSON; see status.h.  Text from the network is cleaned of anything
 * that is not UTF-8 by log_vis(), since a JSON string cannot hold it.
 */
#include "gateway/status.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/clock.h"
#include "gateway/log.h"
#include "gateway/mule_link.h"
#include "gateway/room.h"

/* Messages and destinations shown for one link. */
#define SHOWN_MAX 64

static json_t *
integer(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static json_t *
text(const char *s)
{
	char buf[600];

	return json_string(log_vis(buf, sizeof(buf), s, strlen(s)));
}

static json_t *
address(uint32_t ipv4)
{
	struct in_addr a = { .s_addr = htonl(ipv4) };
	char buf[INET_ADDRSTRLEN];

	return json_string(inet_ntop(AF_INET, &a, buf, sizeof(buf)));
}

/* The configured name of a node, or its number. */
static json_t *
node_name(const struct gateway *gw, uint32_t id)
{
	for (size_t i = 0; i < gw->cfg->nnodes; i++)
		if (gw->cfg->nodes[i].id == id)
			return json_string(gw->cfg->nodes[i].name);
	return address(id);
}

static json_t *
counters(const struct pmul_engine *e)
{
	struct pmul_counters c;
	json_t *o = json_object();

	pmul_engine_counters(e, &c);
#define PUT(name) (void)!json_object_set_new(o, #name, integer(c.name))
	PUT(pdus_in);
	PUT(bytes_in);
	PUT(pdus_out);
	PUT(bytes_out);
	PUT(data_out);
	PUT(data_again);
	PUT(acks_in);
	PUT(acks_out);
	PUT(rounds);
	PUT(emcon_rounds);
	PUT(polls);
	PUT(duplicates);
	PUT(malformed);
	PUT(checksum);
	PUT(own);
	PUT(type);
	PUT(toobig);
	PUT(busy);
	PUT(expired);
	PUT(unsupported);
	PUT(nomem);
	PUT(not_for_us);
	PUT(requests_out);
	PUT(announces_out);
	PUT(releases_out);
	PUT(rejects_out);
	PUT(rejects_in);
	PUT(ack_unknown);
#undef PUT
	return o;
}

static json_t *
gauges(const struct pmul_engine *e)
{
	struct pmul_gauges g;

	pmul_engine_gauges(e, &g);
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "tx_messages",
	    (json_int_t)g.tx_messages, "rx_messages", (json_int_t)g.rx_messages,
	    "held_messages", (json_int_t)g.held_messages, "tombstones",
	    (json_int_t)g.tombstones, "tx_bytes", (json_int_t)g.tx_bytes,
	    "rx_bytes", (json_int_t)g.rx_bytes);
}

static json_t *
sending_one(const struct mule_link *l, const struct mule_sending *s)
{
	struct pmul_tx_progress d[SHOWN_MAX];
	uint32_t total = 0, sent = 0, rounds = 0;
	size_t n = pmul_engine_tx_progress(link_engine(l->link), s->msid,
	    &total, &sent, &rounds, d, SHOWN_MAX);
	json_t *dests = json_array();

	for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
		(void)!json_array_append_new(dests,
		    json_pack("{s:o,s:o,s:b,s:b,s:b,s:I}", "node",
			node_name(l->gw, d[i].id), "id", address(d[i].id),
			"heard", d[i].heard, "emcon", d[i].emcon, "complete",
			d[i].complete, "missing", (json_int_t)d[i].missing));
	return json_pack("{s:I,s:I,s:o,s:I,s:I,s:I,s:o}", "message",
	    (json_int_t)s->message, "msid", (json_int_t)s->msid, "group",
	    address(s->group), "total", (json_int_t)total, "sent",
	    (json_int_t)sent, "rounds", (json_int_t)rounds, "destinations",
	    dests);
}

static json_t *
sending(const struct mule_link *l)
{
	struct mule_sending s[SHOWN_MAX];
	size_t n = mule_out_sending(l->out, s, SHOWN_MAX);
	json_t *a = json_array();

	for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
		(void)!json_array_append_new(a, sending_one(l, &s[i]));
	return a;
}

static json_t *
receiving(const struct mule_link *l)
{
	struct pmul_rx_progress p[SHOWN_MAX];
	size_t n = pmul_engine_rx_progress(link_engine(l->link), p, SHOWN_MAX);
	json_t *a = json_array();

	for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
		(void)!json_array_append_new(
		    a, json_pack("{s:o,s:o,s:I,s:i,s:I,s:I,s:I}", "source",
			   address(p[i].source), "node",
			   node_name(l->gw, p[i].source), "msid",
			   (json_int_t)p[i].id, "priority", (int)p[i].priority,
			   "total", (json_int_t)p[i].total, "have",
			   (json_int_t)p[i].have, "bytes",
			   (json_int_t)p[i].bytes));
	return a;
}

/* Who decided it, and since when. */
static json_t *
emcon_state(const struct mule_emcon *e)
{
	return json_pack("{s:b,s:b,s:I}", "emcon", e->on, "set", e->set,
	    "since", (json_int_t)e->since);
}

/* The nodes of the link that are silent, or were set by somebody. */
static json_t *
emcon_nodes(const struct mule_link *l)
{
	const struct cfg *cfg = l->gw->cfg;
	json_t *a = json_array(), *o;

	for (size_t i = 0; i < cfg->nnodes; i++) {
		if (cfg->nodes[i].id == cfg->node.id ||
		    (!l->nodes[i].on && !l->nodes[i].set))
			continue;
		o = emcon_state(&l->nodes[i]);
		(void)!json_object_set_new(
		    o, "node", json_string(cfg->nodes[i].name));
		(void)!json_array_append_new(a, o);
	}
	return a;
}

/* Whether what was ordered is so, down to the kernel. */
static void
put_voice(json_t *o, const struct mule_link *l)
{
	static const char *const names[] = {
		[BEARER_SPEAKS] = "speaks",
		[BEARER_SILENT] = "silent",
		[BEARER_QUIET] = "quiet",
		[BEARER_MUTED] = "muted",
	};
	int why = 0;
	enum bearer_voice v = link_voice(l->link, &why);

	(void)!json_object_set_new(o, "voice", json_string(names[v]));
	(void)!json_object_set_new(
	    o, "why", why != 0 ? json_string(strerror(-why)) : json_null());
}

static json_t *
emcon(const struct mule_link *l)
{
	json_t *o = emcon_state(&l->own);

	(void)!json_object_set_new(o, "link", json_string(l->cfg->name));
	(void)!json_object_set_new(
	    o, "receive_only", json_boolean(l->cfg->receive_only));
	put_voice(o, l);
	(void)!json_object_set_new(o, "nodes", emcon_nodes(l));
	return o;
}

json_t *
status_emcon(const struct gateway *gw)
{
	json_t *a = json_array();

	for (size_t i = 0; i < gw->nlinks; i++)
		(void)!json_array_append_new(a, emcon(gw->links[i]));
	return json_pack("{s:o}", "links", a);
}

static json_t *
links(const struct gateway *gw)
{
	json_t *a = json_array();

	for (size_t i = 0; i < gw->nlinks; i++) {
		const struct mule_link *l = gw->links[i];
		const struct pmul_engine *e = link_engine(l->link);

		(void)!json_array_append_new(a,
		    json_pack("{s:s,s:s,s:b,s:o,s:o,s:o,s:o,s:o}", "name",
			l->cfg->name, "bearer",
			l->cfg->bearer == CFG_BEARER_UDP ? "udp" : "emulated",
			"up", 1, "emcon", emcon(l), "counters", counters(e),
			"gauges", gauges(e), "sending", sending(l), "receiving",
			receiving(l)));
	}
	return a;
}

static json_t *
queue_numbers(const struct gateway *gw)
{
	static const char *const room_names[] = {
		[ROOM_AMPLE] = "ample",
		[ROOM_NO_RADIO] = "no-radio",
		[ROOM_NONE] = "none",
	};
	struct queue_stats q;

	queue_stats(gw->queue, &q);
	return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "room",
	    room_names[room_level(gw->room)], "free",
	    (json_int_t)room_free(gw->room), "messages", (json_int_t)q.messages,
	    "recipients", (json_int_t)q.recipients, "transmissions",
	    (json_int_t)q.transmissions, "quarantined",
	    (json_int_t)q.quarantined, "pending", (json_int_t)q.pending,
	    "commits", (json_int_t)q.commits, "transactions",
	    (json_int_t)q.transactions);
}

static json_t *
smtp_numbers(const struct stats *s)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "sessions_in",
	    (json_int_t)s->sessions_in, "sessions_out",
	    (json_int_t)s->sessions_out, "accepted", (json_int_t)s->accepted,
	    "rejected", (json_int_t)s->rejected, "delivered",
	    (json_int_t)s->delivered, "deferred", (json_int_t)s->deferred,
	    "failed", (json_int_t)s->failed);
}

static json_t *
mule_numbers(const struct stats *s)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "relayed",
	    (json_int_t)s->relayed, "gave_up", (json_int_t)s->gave_up,
	    "received", (json_int_t)s->mule_in, "not_ours",
	    (json_int_t)s->mule_not_ours, "quarantined",
	    (json_int_t)s->quarantined, "notified", (json_int_t)s->notified);
}

json_t *
status_all(const struct gateway *gw)
{
	uint64_t up = clock_now().mono.us - gw->started.mono.us;

	return json_pack("{s:s,s:s,s:i,s:I,s:o,s:b,s:o,s:o,s:o,s:o}",
	    "hostname", gw->cfg->node.hostname, "version", VERSION, "pid",
	    (int)getpid(), "uptime_s", (json_int_t)(up / 1000000), "node",
	    address(gw->cfg->node.id), "draining", gw->draining, "queue",
	    queue_numbers(gw), "smtp", smtp_numbers(&gw->stats), "mule",
	    mule_numbers(&gw->stats), "links", links(gw));
}

static const char *
origin_name(enum queue_origin o)
{
	static const char *const names[] = {
		[QUEUE_FROM_SMTP] = "smtp",
		[QUEUE_FROM_MULE] = "mule",
		[QUEUE_FROM_SELF] = "self",
	};

	return names[o];
}

static json_t *
queue_row(const struct gateway *gw, const struct queue_row *r)
{
	return json_pack(
	    "{s:I,s:s,s:o,s:o,s:o,s:o,s:s,s:o,s:I,s:i,s:I,s:I,s:I,s:I}",
	    "message", (json_int_t)r->message, "origin", origin_name(r->origin),
	    "from", text(r->from_line), "rcpt", text(r->rcpt_line), "hop",
	    text(r->hop), "node",
	    r->node != 0 ? node_name(gw, r->node) : json_null(), "state",
	    r->state, "status", text(r->status), "attempts",
	    (json_int_t)r->attempts, "priority", r->priority, "accepted_at",
	    (json_int_t)r->accepted_at, "next_at", (json_int_t)r->next_at,
	    "expires_at", (json_int_t)r->expires_at, "size",
	    (json_int_t)r->size);
}

json_t *
status_queue(
    const struct gateway *gw, const struct queue_row *rows, size_t n, bool more)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		(void)!json_array_append_new(a, queue_row(gw, &rows[i]));
	return json_pack("{s:o,s:b}", "rows", a, "more", more);
}

json_t *
status_quarantine(const struct gateway *gw,
    const struct queue_quarantined *rows, size_t n, bool more)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		(void)!json_array_append_new(
		    a, json_pack("{s:I,s:s,s:o,s:I,s:o,s:I,s:I}", "id",
			   (json_int_t)rows[i].id, "link", rows[i].link,
			   "source", node_name(gw, rows[i].source), "msid",
			   (json_int_t)rows[i].msid, "reason",
			   text(rows[i].reason), "at", (json_int_t)rows[i].at,
			   "size", (json_int_t)rows[i].size));
	return json_pack("{s:o,s:b}", "rows", a, "more", more);
}

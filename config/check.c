/*
 * What a schema cannot say: names that refer to something, things that must
 * differ, and keys that one choice needs and another forbids.
 */
#include "config/load.h"

#include <string.h>

/* sun_path of Linux, without the NUL. */
#define SOCKET_PATH_MAX 107

static bool
is_multicast(uint32_t address)
{
	return address >> 28 == 0xe;
}

/* The line of the later of two values that do not go together. */
static size_t
later_line(const struct loader *ld, const void *a, const void *b)
{
	size_t la = load_line(ld, a), lb = load_line(ld, b);

	return la > lb ? la : lb;
}

static const struct cfg_node *
find_node(const struct cfg *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->nnodes; i++)
		if (load_same(cfg->nodes[i].name, name))
			return &cfg->nodes[i];
	return NULL;
}

/* --- listeners -------------------------------------------------------------------- */

static bool
same_endpoint(const struct cfg_endpoint *a, const struct cfg_endpoint *b)
{
	return a->port != 0 && a->port == b->port &&
	       load_same(a->host, b->host);
}

/* TLS and AUTH: what one key needs of another. */
static int
check_security(struct loader *ld, const struct cfg_listen *l)
{
	bool tls = l->tls.certificate != NULL;

	if (l->implicit_tls && !tls)
		return load_fail(ld, load_line(ld, &l->implicit_tls),
		    "implicit_tls: needs a certificate, \"tls\" was expected");
	if (l->require_tls && !tls)
		return load_fail(ld, load_line(ld, &l->require_tls),
		    "require_tls: needs a certificate, \"tls\" was expected");
	if (l->users != NULL && !tls)
		return load_fail(ld, load_line(ld, &l->users),
		    "users: passwords do not travel in the clear, \"tls\" "
		    "was expected");
	if (l->require_auth && l->users == NULL)
		return load_fail(ld, load_line(ld, &l->require_auth),
		    "require_auth: of nobody, \"users\" was expected");
	return CFG_OK;
}

static int
check_listeners(struct loader *ld, const struct cfg *cfg)
{
	const struct cfg_listen *l = cfg->smtp.listen;

	for (size_t i = 0; i < cfg->smtp.nlisten; i++) {
		int rc = check_security(ld, &l[i]);

		if (rc != CFG_OK)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (same_endpoint(&l[i].address, &l[j].address))
				return load_fail(ld,
				    load_line(ld, &l[i].address), "listen: \"",
				    l[i].address.text,
				    "\" is there twice, different addresses "
				    "were expected");
		if (cfg->console.text != NULL &&
		    same_endpoint(&l[i].address, &cfg->console))
			return load_fail(ld, load_line(ld, &cfg->console),
			    "console: \"", cfg->console.text,
			    "\" is taken by smtp, another was expected");
	}
	return CFG_OK;
}

static int
check_smtp(struct loader *ld, const struct cfg *cfg)
{
	const struct cfg_smtp *s = &cfg->smtp;
	size_t line = load_line(ld, &s->retry_max_us);

	if (line == 0)
		line = load_line(ld, &s->retry_first_us);
	if (s->retry_max_us < s->retry_first_us)
		return load_fail(ld, line,
		    "retry_max: shorter than retry_first, the same or "
		    "longer was expected");
	return check_listeners(ld, cfg);
}

/* --- nodes -------------------------------------------------------------------- */

static int
check_id(struct loader *ld, const uint32_t *id)
{
	if (*id != 0)
		return CFG_OK;
	return load_fail(ld, load_line(ld, id),
	    "id: \"0.0.0.0\" is nobody, the id of a node was expected");
}

static int
check_node(struct loader *ld, const struct cfg *cfg, const struct cfg_node *n)
{
	for (const struct cfg_node *m = cfg->nodes; m < n; m++) {
		if (load_same(m->name, n->name))
			return load_fail(ld, load_line(ld, &n->name), "node \"",
			    n->name,
			    "\" is there twice, different names were expected");
		if (m->id == n->id)
			return load_fail(ld, load_line(ld, &n->id), "node \"",
			    n->name, "\" has the id of \"", m->name,
			    "\", different ids were expected");
	}
	if (load_line(ld, &n->address) != 0 &&
	    (n->address == 0 || is_multicast(n->address)))
		return load_fail(ld, load_line(ld, &n->address), "node \"",
		    n->name, "\": address: a unicast address was expected");
	return check_id(ld, &n->id);
}

static int
check_nodes(struct loader *ld, const struct cfg *cfg)
{
	int rc = check_id(ld, &cfg->node.id);

	for (size_t i = 0; rc == CFG_OK && i < cfg->nnodes; i++)
		rc = check_node(ld, cfg, &cfg->nodes[i]);
	return rc;
}

/* --- groups --------------------------------------------------------------------- */

static bool
has_member(const struct cfg_group *g, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (load_same(g->members[i], name))
			return true;
	return false;
}

static int
check_member(
    struct loader *ld, const struct cfg *cfg, struct cfg_group *g, size_t i)
{
	const struct cfg_node *n = find_node(cfg, g->members[i]);

	if (n == NULL)
		return load_fail(ld, load_line(ld, &g->members[i]), "group \"",
		    g->name, "\": \"", g->members[i],
		    "\" is unknown, one of nodes was expected");
	if (has_member(g, i, n->name))
		return load_fail(ld, load_line(ld, &g->members[i]), "group \"",
		    g->name, "\": \"", g->members[i],
		    "\" is there twice, once was expected");
	if (n->id != cfg->node.id)
		g->member_ids[g->nmember_ids++] = n->id;
	return CFG_OK;
}

/* The emulated channel takes any address, like ACP 142 itself. */
static bool
can_be_group(const struct cfg_link *l, uint32_t address)
{
	return address != 0 &&
	       (l->bearer != CFG_BEARER_UDP || is_multicast(address));
}

static bool
in_pool(const struct cfg_link *l, uint32_t address)
{
	return l->pool_first != 0 && address >= l->pool_first &&
	       address <= l->pool_last;
}

/* Against what the link keeps for itself. */
static int
check_reserved(
    struct loader *ld, const struct cfg_link *l, const struct cfg_group *g)
{
	if (g->address == l->gg)
		return load_fail(ld, later_line(ld, &g->address, &l->gg),
		    "group \"", g->name,
		    "\" has the address of \"gg\", different ones were "
		    "expected");
	if (in_pool(l, g->address))
		return load_fail(ld, later_line(ld, &g->address, &l->pool_last),
		    "group \"", g->name,
		    "\" has an address of \"dynamic_groups\", another was "
		    "expected");
	return CFG_OK;
}

static int
check_group(
    struct loader *ld, const struct cfg_link *l, const struct cfg_group *g)
{
	if (!can_be_group(l, g->address))
		return load_fail(ld, load_line(ld, &g->address), "group \"",
		    g->name,
		    "\": address: a multicast address (224.0.0.0/4) was "
		    "expected");
	for (const struct cfg_group *h = l->groups; h < g; h++) {
		if (h->address == g->address)
			return load_fail(ld, load_line(ld, &g->address),
			    "group \"", g->name, "\" has the address of \"",
			    h->name, "\", different ones were expected");
		if (load_same(h->name, g->name))
			return load_fail(ld, load_line(ld, &g->name),
			    "group \"", g->name,
			    "\" is there twice, different names were expected");
	}
	return check_reserved(ld, l, g);
}

static int
fail_pool(struct loader *ld, const struct cfg_link *l, const uint32_t *at)
{
	return load_fail(ld, load_line(ld, at), "link \"", l->name, "\": ",
	    at == &l->gg           ? "gg"
	    : at == &l->pool_first ? "dynamic_groups: first"
				   : "dynamic_groups: last",
	    ": a multicast address (224.0.0.0/4) was expected");
}

static int
check_pool(struct loader *ld, const struct cfg_link *l)
{
	if (!can_be_group(l, l->gg))
		return fail_pool(ld, l, &l->gg);
	if (load_line(ld, &l->pool_first) == 0)
		return CFG_OK;
	if (!can_be_group(l, l->pool_first))
		return fail_pool(ld, l, &l->pool_first);
	if (!can_be_group(l, l->pool_last))
		return fail_pool(ld, l, &l->pool_last);
	if (l->pool_last < l->pool_first)
		return load_fail(ld,
		    later_line(ld, &l->pool_last, &l->pool_first), "link \"",
		    l->name,
		    "\": dynamic_groups: last is before first, the same or a "
		    "later address was expected");
	if (in_pool(l, l->gg))
		return load_fail(ld, later_line(ld, &l->gg, &l->pool_last),
		    "link \"", l->name,
		    "\": \"gg\" has an address of \"dynamic_groups\", another "
		    "was expected");
	return CFG_OK;
}

static int
check_groups(struct loader *ld, const struct cfg *cfg, struct cfg_link *l)
{
	int rc = check_pool(ld, l);

	for (size_t i = 0; rc == CFG_OK && i < l->ngroups; i++) {
		struct cfg_group *g = &l->groups[i];

		rc = check_group(ld, l, g);
		if (rc != CFG_OK)
			return rc;
		g->member_ids = load_alloc(ld, g->nmembers, sizeof(uint32_t));
		if (g->member_ids == NULL)
			return ld->rc;
		for (size_t m = 0; rc == CFG_OK && m < g->nmembers; m++)
			rc = check_member(ld, cfg, g, m);
	}
	return rc;
}

/* --- links ---------------------------------------------------------------------- */

static int
check_ports(struct loader *ld, const struct cfg_link *l)
{
	const uint64_t *p[] = { &l->tport, &l->rport, &l->dport, &l->aport };

	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < i; j++)
			if (*p[i] == *p[j])
				return load_fail(ld, later_line(ld, p[i], p[j]),
				    "link \"", l->name,
				    "\": a port is there twice, four "
				    "different ports were expected");
	return CFG_OK;
}

/* Two links that receive on the same port would hear each other's PDUs. */
static bool
share_port(const struct cfg_link *a, const struct cfg_link *b)
{
	const uint64_t pa[] = { a->tport, a->rport, a->dport, a->aport };
	const uint64_t pb[] = { b->tport, b->rport, b->dport, b->aport };

	if (a->bearer != CFG_BEARER_UDP || b->bearer != CFG_BEARER_UDP ||
	    !load_same(a->interface, b->interface))
		return false;
	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < 4; j++)
			if (pa[i] == pb[j])
				return true;
	return false;
}

static int
check_others(struct loader *ld, const struct cfg *cfg, const struct cfg_link *l)
{
	for (const struct cfg_link *m = cfg->links; m < l; m++) {
		if (load_same(m->name, l->name))
			return load_fail(ld, load_line(ld, &l->name), "link \"",
			    l->name,
			    "\" is there twice, different names were expected");
		if (share_port(l, m))
			return load_fail(ld, load_line(ld, &l->interface),
			    "link \"", l->name,
			    "\" has interface and a port "
			    "of \"",
			    m->name, "\", different ones were expected");
	}
	return CFG_OK;
}

static int
check_hub(struct loader *ld, const struct cfg_link *l)
{
	if (l->hub.text == NULL)
		return load_fail(ld, load_line(ld, &l->bearer), "link \"",
		    l->name, "\": bearer emulated, \"hub\" was expected");
	if (memchr(l->hub.host, ':', strlen(l->hub.host)) != NULL)
		return load_fail(ld, load_line(ld, &l->hub), "hub: \"",
		    l->hub.text, "\" is IPv6, an IPv4 address was expected");
	if (l->interface != NULL)
		return load_fail(ld, load_line(ld, &l->interface), "link \"",
		    l->name,
		    "\": \"interface\" was not expected with bearer "
		    "emulated");
	return CFG_OK;
}

static int
check_bearer(struct loader *ld, const struct cfg_link *l)
{
	if (l->bearer == CFG_BEARER_EMULATED)
		return check_hub(ld, l);
	if (l->hub.text != NULL)
		return load_fail(ld, load_line(ld, &l->hub), "link \"", l->name,
		    "\": \"hub\" was not expected with bearer udp");
	if (l->interface == NULL)
		return load_fail(ld, load_item_line(ld, l), "link \"", l->name,
		    "\": bearer udp, \"interface\" was expected");
	return CFG_OK;
}

static int
check_sizes(struct loader *ld, const struct cfg_link *l)
{
	if (l->max_in_flight_bytes >= l->max_message_size)
		return CFG_OK;
	return load_fail(ld,
	    later_line(ld, &l->max_in_flight_bytes, &l->max_message_size),
	    "link \"", l->name,
	    "\": max_in_flight_bytes is less than "
	    "max_message_size, room for one message was expected");
}

static int
check_times(struct loader *ld, const struct cfg_link *l)
{
	if (l->ack_retransmission_min_us <= l->ack_retransmission_time_us)
		return CFG_OK;
	return load_fail(ld,
	    later_line(ld, &l->ack_retransmission_min_us,
		&l->ack_retransmission_time_us),
	    "link \"", l->name,
	    "\": ack_retransmission_min is longer than "
	    "ack_retransmission_time, the same or shorter was expected");
}

/* Who never sends is silent from the start. */
static int
check_silence(struct loader *ld, struct cfg_link *l)
{
	if (l->receive_only && !l->emcon && load_line(ld, &l->emcon) != 0)
		return load_fail(ld,
		    later_line(ld, &l->emcon, &l->receive_only), "link \"",
		    l->name,
		    "\": receive_only and emcon: false, true was expected");
	l->emcon |= l->receive_only;
	return CFG_OK;
}

/* --- priorities ------------------------------------------------------------------ */

static int
check_span(struct loader *ld, const struct cfg_link *l,
    const struct cfg_priority *p, const char *span)
{
	char other[FORMAT_MAX];

	for (const struct cfg_priority *q = l->priorities; q < p; q++)
		if (p->span.from <= q->span.to && q->span.from <= p->span.to)
			return load_fail(ld, load_line(ld, &p->span), "link \"",
			    l->name, "\": priority ", span, " and ",
			    format_value(FIELD_SPAN, &q->span, other),
			    " overlap, each once was expected");
	return CFG_OK;
}

static int
check_priority(
    struct loader *ld, const struct cfg_link *l, struct cfg_priority *p)
{
	bool lifetime = load_line(ld, &p->limits.lifetime_us) != 0;
	bool size = load_line(ld, &p->limits.max_message_size) != 0;
	char span[FORMAT_MAX];

	(void)format_value(FIELD_SPAN, &p->span, span);
	if (!lifetime && !size)
		return load_fail(ld, load_line(ld, &p->span), "link \"",
		    l->name, "\": priority ", span,
		    ": \"lifetime\" or \"max_message_size\" was expected");
	if (!lifetime)
		p->limits.lifetime_us = l->expiry_us;
	if (!size)
		p->limits.max_message_size = l->max_message_size;
	if (p->limits.max_message_size > l->max_message_size)
		return load_fail(ld,
		    later_line(
			ld, &p->limits.max_message_size, &l->max_message_size),
		    "link \"", l->name, "\": priority ", span,
		    ": max_message_size is more than that of the link, the "
		    "same or less was expected");
	return check_span(ld, l, p, span);
}

static int
check_priorities(struct loader *ld, struct cfg_link *l)
{
	int rc = CFG_OK;

	for (size_t i = 0; rc == CFG_OK && i < l->npriorities; i++)
		rc = check_priority(ld, l, &l->priorities[i]);
	return rc;
}

static int
check_agreed(struct loader *ld, struct cfg_link *l)
{
	static const char *const names[] = { "AUTH", "RRVS", "SUBMITTER",
		"SMTPUTF8", "MTRK" };

	for (size_t i = 0; i < l->nagreed; i++) {
		unsigned bit = 0;

		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (load_same(l->agreed[i], names[k]))
				bit = 1u << k;
		if (bit == 0 || (l->agreed_set & bit) != 0)
			return load_fail(ld, load_line(ld, &l->agreed[i]),
			    "agreed: \"", l->agreed[i],
			    bit == 0 ? "\" is unknown, expected was one of "
				       "AUTH, RRVS, SUBMITTER, SMTPUTF8, MTRK"
				     : "\" is there twice, once was expected");
		l->agreed_set |= bit;
	}
	return CFG_OK;
}

static int
check_link(struct loader *ld, const struct cfg *cfg, struct cfg_link *l)
{
	int rc;

	if (!preset_apply(ld, l))
		return load_fail(ld, load_line(ld, &l->preset), "preset: \"",
		    l->preset, "\" is unknown, expected was one of ",
		    preset_names);
	rc = check_bearer(ld, l);
	if (rc == CFG_OK)
		rc = check_ports(ld, l);
	if (rc == CFG_OK)
		rc = check_times(ld, l);
	if (rc == CFG_OK)
		rc = check_silence(ld, l);
	if (rc == CFG_OK)
		rc = check_sizes(ld, l);
	if (rc == CFG_OK)
		rc = check_priorities(ld, l);
	if (rc == CFG_OK)
		rc = check_agreed(ld, l);
	if (rc == CFG_OK)
		rc = check_others(ld, cfg, l);
	if (rc == CFG_OK)
		rc = check_groups(ld, cfg, l);
	return rc;
}

/* --- routes --------------------------------------------------------------------- */

static bool
reaches(const struct cfg_link *l, uint32_t id)
{
	for (size_t g = 0; g < l->ngroups; g++)
		for (size_t m = 0; m < l->groups[g].nmember_ids; m++)
			if (l->groups[g].member_ids[m] == id)
				return true;
	return false;
}

/* A route is a way out. */
static int
fail_receive_only(struct loader *ld, const struct cfg_route *r,
    const struct cfg_link *l, size_t line)
{
	return load_fail(ld, line, "route \"", r->domain, "\": link \"",
	    l->name, "\" is receive_only, one that sends was expected");
}

/* The link that the route names. */
static int
named_link(struct loader *ld, const struct cfg *cfg, struct cfg_route *r)
{
	size_t line = load_line(ld, &r->link);

	for (size_t i = 0; i < cfg->nlinks; i++)
		if (load_same(cfg->links[i].name, r->link))
			r->via_link = &cfg->links[i];
	if (r->via_link == NULL)
		return load_fail(ld, line, "route \"", r->domain, "\": link \"",
		    r->link, "\" is unknown, one of links was expected");
	/* A dynamic group has whom it is announced to. */
	if (r->via_link->pool_first == 0 && !reaches(r->via_link, r->node_id))
		return load_fail(ld, line, "route \"", r->domain, "\": link \"",
		    r->link, "\" has no group with node \"", r->node,
		    "\", one was expected");
	if (r->via_link->receive_only)
		return fail_receive_only(ld, r, r->via_link, line);
	return CFG_OK;
}

/* The only link that reaches the node, of those that send. */
static int
only_link(struct loader *ld, const struct cfg *cfg, struct cfg_route *r)
{
	size_t line = load_line(ld, &r->node);
	const struct cfg_link *mute = NULL;

	for (size_t i = 0; i < cfg->nlinks; i++) {
		const struct cfg_link *l = &cfg->links[i];

		if (!reaches(l, r->node_id))
			continue;
		if (l->receive_only) {
			mute = l;
			continue;
		}
		if (r->via_link != NULL)
			return load_fail(ld, line, "route \"", r->domain,
			    "\": links \"", r->via_link->name, "\" and \"",
			    l->name, "\" both reach node \"", r->node,
			    "\", \"link\" was expected");
		r->via_link = l;
	}
	if (r->via_link == NULL && mute != NULL)
		return fail_receive_only(ld, r, mute, line);
	if (r->via_link == NULL)
		return load_fail(ld, line, "route \"", r->domain,
		    "\": no link has a group with node \"", r->node,
		    "\", one was expected");
	r->link = r->via_link->name;
	return CFG_OK;
}

static int
check_mule_route(struct loader *ld, const struct cfg *cfg, struct cfg_route *r)
{
	const struct cfg_node *n = find_node(cfg, r->node);
	size_t line = load_line(ld, &r->node);

	if (n == NULL)
		return load_fail(ld, line, "route \"", r->domain, "\": node \"",
		    r->node, "\" is unknown, one of nodes was expected");
	if (n->id == cfg->node.id)
		return load_fail(ld, line, "route \"", r->domain, "\": node \"",
		    r->node, "\" is this node itself, another was expected");
	r->node_id = n->id;
	return r->link != NULL ? named_link(ld, cfg, r) : only_link(ld, cfg, r);
}

/* A key that another way needs. */
static int
fail_stray(struct loader *ld, const struct cfg_route *r, const void *at,
    const char *key, const char *via)
{
	return load_fail(ld, load_line(ld, at), "route \"", r->domain, "\": \"",
	    key, "\" was expected with via ", via, " only");
}

static int
check_keys(struct loader *ld, const struct cfg_route *r)
{
	if (r->via == CFG_VIA_SMTP && r->host.text == NULL)
		return load_fail(ld, load_line(ld, &r->via), "route \"",
		    r->domain, "\": via smtp, \"host\" was expected");
	if (r->via == CFG_VIA_MULE && r->node == NULL)
		return load_fail(ld, load_line(ld, &r->via), "route \"",
		    r->domain, "\": via mule, \"node\" was expected");
	if (r->via != CFG_VIA_SMTP && r->host.text != NULL)
		return fail_stray(ld, r, &r->host, "host", "smtp");
	if (r->via == CFG_VIA_MULE && r->tls != CFG_ROUTE_TLS_MAY)
		return fail_stray(ld, r, &r->tls, "tls", "smtp or mx");
	if (r->via != CFG_VIA_MULE && r->node != NULL)
		return fail_stray(ld, r, &r->node, "node", "mule");
	if (r->via != CFG_VIA_MULE && r->link != NULL)
		return fail_stray(ld, r, &r->link, "link", "mule");
	return CFG_OK;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
same_domain(const char *a, const char *b)
{
	while (*a != '\0' && lower(*a) == lower(*b))
		a++, b++;
	return *a == *b;
}

static int
check_route(struct loader *ld, const struct cfg *cfg, struct cfg_route *r)
{
	int rc;

	for (const struct cfg_route *q = cfg->routes; q < r; q++)
		if (same_domain(q->domain, r->domain))
			return load_fail(ld, load_line(ld, &r->domain),
			    "route \"", r->domain,
			    "\" is there twice, once was expected");
	for (const struct cfg_route *q = cfg->routes; q < r; q++)
		if (r->host.text != NULL &&
		    load_same(q->host.text, r->host.text) && q->tls != r->tls)
			return load_fail(ld, later_line(ld, &q->tls, &r->tls),
			    "route \"", r->domain,
			    "\": another route to that host has another "
			    "\"tls\", the same was expected");
	rc = check_keys(ld, r);
	if (rc == CFG_OK && r->via == CFG_VIA_MULE)
		rc = check_mule_route(ld, cfg, r);
	return rc;
}

/* --- the whole ------------------------------------------------------------------ */

/* STATE_DIR/control.sock, unless it was given. */
static int
set_control(struct loader *ld, struct cfg *cfg)
{
	static const char tail[] = "/control.sock";
	size_t line = load_line(ld, &cfg->control);
	size_t n = strlen(cfg->node.state_dir);
	char *path;

	if (line == 0) {
		path = load_alloc(ld, n + sizeof(tail), 1);
		if (path == NULL)
			return ld->rc;
		memcpy(path, cfg->node.state_dir, n);
		memcpy(path + n, tail, sizeof(tail));
		cfg->control = path;
		line = load_line(ld, &cfg->node.state_dir);
	}
	if (strlen(cfg->control) > SOCKET_PATH_MAX)
		return load_fail(ld, line,
		    "control: the path of the socket is "
		    "too long, at most 107 octets were expected");
	return CFG_OK;
}

/* RFC 5321 4.5.1: everybody has one, and his mail goes somewhere. */
static int
set_postmaster(struct loader *ld, struct cfg *cfg)
{
	static const char head[] = "postmaster@";
	size_t n = strlen(cfg->node.hostname);
	size_t line = load_line(ld, &cfg->smtp.postmaster);
	const char *domain, *at;
	char *mailbox;

	if (line == 0) {
		mailbox = load_alloc(ld, sizeof(head) + n, 1);
		if (mailbox == NULL)
			return ld->rc;
		memcpy(mailbox, head, sizeof(head) - 1);
		memcpy(mailbox + sizeof(head) - 1, cfg->node.hostname, n);
		cfg->smtp.postmaster = mailbox;
		line = load_line(ld, &cfg->node.hostname);
	}
	at = cfg->smtp.postmaster;
	domain = (const char *)memchr(at, '@', strlen(at)) + 1;
	if (cfg_route_find(cfg, domain, strlen(domain)) != NULL)
		return CFG_OK;
	return load_fail(ld, line, "postmaster: there is no route to \"",
	    cfg->smtp.postmaster, "\", one was expected");
}

int
check_all(struct loader *ld, struct cfg *cfg)
{
	int rc = check_smtp(ld, cfg);

	if (rc == CFG_OK)
		rc = check_nodes(ld, cfg);
	for (size_t i = 0; rc == CFG_OK && i < cfg->nlinks; i++)
		rc = check_link(ld, cfg, &cfg->links[i]);
	for (size_t i = 0; rc == CFG_OK && i < cfg->nroutes; i++)
		rc = check_route(ld, cfg, &cfg->routes[i]);
	if (rc == CFG_OK)
		rc = set_control(ld, cfg);
	if (rc == CFG_OK)
		rc = set_postmaster(ld, cfg);
	return rc;
}

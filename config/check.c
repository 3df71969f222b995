/*
 * What a schema cannot say: names that refer to something, things that must
 * differ, and keys that one choice needs and another forbids.
 */
#include <string.h>

#include "config/load.h"

static bool
is_multicast(uint32_t address)
{
	return address >> 28 == 0xe;
}

static const struct cfg_node *
find_node(const struct cfg *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->nnodes; i++)
		if (load_same(cfg->nodes[i].name, name))
			return &cfg->nodes[i];
	return NULL;
}

/* --- nodes -------------------------------------------------------------------- */

static int
check_nodes(struct loader *ld, struct cfg *cfg)
{
	for (size_t i = 0; i < cfg->nnodes; i++) {
		const struct cfg_node *n = &cfg->nodes[i];

		if (n->id == 0)
			return load_fail(ld, load_line(ld, &n->id),
			    "id: 0.0.0.0 is not a node", NULL);
		for (size_t j = 0; j < i; j++) {
			if (load_same(cfg->nodes[j].name, n->name))
				return load_fail(ld, load_line(ld, &n->name),
				    "node \"", n->name, "\" is there twice",
				    NULL);
			if (cfg->nodes[j].id == n->id)
				return load_fail(ld, load_line(ld, &n->id),
				    "node \"", n->name, "\" has the id of \"",
				    cfg->nodes[j].name, "\"", NULL);
		}
	}
	if (cfg->node.id == 0)
		return load_fail(ld, load_line(ld, &cfg->node.id),
		    "id: 0.0.0.0 is not a node", NULL);
	return CFG_OK;
}

/* --- links ---------------------------------------------------------------------- */

static int
check_members(struct loader *ld, const struct cfg *cfg, struct cfg_group *g)
{
	g->member_ids = load_alloc(ld, g->nmembers + 1, sizeof(uint32_t));
	if (g->member_ids == NULL)
		return ld->rc;
	for (size_t i = 0; i < g->nmembers; i++) {
		const struct cfg_node *n = find_node(cfg, g->members[i]);

		if (n == NULL)
			return load_fail(ld, load_line(ld, &g->members[i]),
			    "group \"", g->name, "\": \"", g->members[i],
			    "\" is not one of the nodes", NULL);
		if (n->id != cfg->node.id)
			g->member_ids[g->nmember_ids++] = n->id;
	}
	return CFG_OK;
}

static int
check_groups(struct loader *ld, const struct cfg *cfg, struct cfg_link *l)
{
	for (size_t i = 0; i < l->ngroups; i++) {
		struct cfg_group *g = &l->groups[i];

		if (!is_multicast(g->address))
			return load_fail(ld, load_line(ld, &g->address),
			    "group \"", g->name,
			    "\": a multicast address "
			    "(224.0.0.0/4) was expected",
			    NULL);
		for (size_t j = 0; j < i; j++) {
			if (l->groups[j].address == g->address)
				return load_fail(ld, load_line(ld, &g->address),
				    "group \"", g->name,
				    "\" has the address of \"",
				    l->groups[j].name, "\"", NULL);
			if (load_same(l->groups[j].name, g->name))
				return load_fail(ld, load_line(ld, &g->name),
				    "group \"", g->name, "\" is there twice",
				    NULL);
		}
		if (check_members(ld, cfg, g) != CFG_OK)
			return ld->rc;
	}
	return CFG_OK;
}

static int
check_ports(struct loader *ld, const struct cfg_link *l)
{
	const uint64_t *p[] = { &l->tport, &l->rport, &l->dport, &l->aport };

	for (size_t i = 0; i < 4; i++)
		for (size_t j = 0; j < i; j++)
			if (*p[i] == *p[j])
				return load_fail(ld,
				    load_line(ld, p[i]) > 1
					? load_line(ld, p[i])
					: load_line(ld, p[j]),
				    "link \"", l->name,
				    "\": its four ports must differ", NULL);
	return CFG_OK;
}

static int
check_bearer(struct loader *ld, const struct cfg_link *l)
{
	size_t line = load_line(ld, l);

	if (l->bearer == CFG_BEARER_UDP && l->interface == NULL)
		return load_fail(ld, line, "link \"", l->name,
		    "\": \"interface\" is missing", NULL);
	if (l->bearer == CFG_BEARER_EMULATED && l->hub.text == NULL)
		return load_fail(ld, load_line(ld, &l->bearer), "link \"",
		    l->name, "\": bearer emulated needs \"hub\"", NULL);
	if (l->bearer == CFG_BEARER_UDP && l->hub.text != NULL)
		return load_fail(ld, load_line(ld, &l->hub), "link \"", l->name,
		    "\": \"hub\" is for bearer emulated", NULL);
	return CFG_OK;
}

static int
check_link(struct loader *ld, const struct cfg *cfg, size_t i)
{
	struct cfg_link *l = &cfg->links[i];
	int rc;

	for (size_t j = 0; j < i; j++)
		if (load_same(cfg->links[j].name, l->name))
			return load_fail(ld, load_line(ld, &l->name), "link \"",
			    l->name, "\" is there twice", NULL);
	if (memchr(l->name, ':', strlen(l->name)) != NULL)
		return load_fail(ld, load_line(ld, &l->name), "link \"",
		    l->name, "\": no colon in a name", NULL);
	if (!preset_apply(l))
		return load_fail(ld, load_line(ld, &l->preset), "preset: \"",
		    l->preset, "\" is not one of ", preset_names, NULL);
	rc = check_bearer(ld, l);
	if (rc == CFG_OK)
		rc = check_ports(ld, l);
	if (rc == CFG_OK)
		rc = check_groups(ld, cfg, l);
	return rc;
}

/* --- routes --------------------------------------------------------------------- */

static bool
link_reaches(const struct cfg_link *l, uint32_t id)
{
	for (size_t g = 0; g < l->ngroups; g++)
		for (size_t m = 0; m < l->groups[g].nmember_ids; m++)
			if (l->groups[g].member_ids[m] == id)
				return true;
	return false;
}

/* The link of a MULE route: the one that is named, or the only one. */
static int
find_link(struct loader *ld, const struct cfg *cfg, struct cfg_route *r)
{
	size_t line = load_line(ld, r->link != NULL ? &r->link : &r->node);
	size_t found = 0;

	for (size_t i = 0; i < cfg->nlinks; i++) {
		const struct cfg_link *l = &cfg->links[i];

		if (r->link != NULL ? load_same(l->name, r->link)
				    : link_reaches(l, r->node_id)) {
			r->via_link = l;
			found++;
		}
	}
	if (found == 0)
		return load_fail(ld, line, "route \"", r->domain, "\": ",
		    r->link != NULL ? "there is no link \""
				    : "no link has a group with node \"",
		    r->link != NULL ? r->link : r->node, "\"", NULL);
	if (found > 1)
		return load_fail(ld, line, "route \"", r->domain,
		    "\": several links reach node \"", r->node,
		    "\": name one with \"link\"", NULL);
	if (!link_reaches(r->via_link, r->node_id))
		return load_fail(ld, line, "route \"", r->domain,
		    "\": no group of link \"", r->link, "\" has node \"",
		    r->node, "\"", NULL);
	return CFG_OK;
}

static int
check_mule_route(struct loader *ld, const struct cfg *cfg, struct cfg_route *r)
{
	const struct cfg_node *n;

	if (r->node == NULL)
		return load_fail(ld, load_line(ld, &r->via), "route \"",
		    r->domain, "\": via mule needs \"node\"", NULL);
	n = find_node(cfg, r->node);
	if (n == NULL)
		return load_fail(ld, load_line(ld, &r->node), "route \"",
		    r->domain, "\": \"", r->node, "\" is not one of the nodes",
		    NULL);
	if (n->id == cfg->node.id)
		return load_fail(ld, load_line(ld, &r->node), "route \"",
		    r->domain, "\": \"", r->node, "\" is this node itself",
		    NULL);
	r->node_id = n->id;
	return find_link(ld, cfg, r);
}

/* Keys that belong to another way. */
static int
check_route_keys(struct loader *ld, const struct cfg_route *r)
{
	if (r->via == CFG_VIA_SMTP && r->host.text == NULL)
		return load_fail(ld, load_line(ld, &r->via), "route \"",
		    r->domain, "\": via smtp needs \"host\"", NULL);
	if (r->via != CFG_VIA_SMTP && r->host.text != NULL)
		return load_fail(ld, load_line(ld, &r->host), "route \"",
		    r->domain, "\": \"host\" is for via smtp", NULL);
	if (r->via != CFG_VIA_MULE && r->node != NULL)
		return load_fail(ld, load_line(ld, &r->node), "route \"",
		    r->domain, "\": \"node\" is for via mule", NULL);
	if (r->via != CFG_VIA_MULE && r->link != NULL)
		return load_fail(ld, load_line(ld, &r->link), "route \"",
		    r->domain, "\": \"link\" is for via mule", NULL);
	return CFG_OK;
}

static int
check_routes(struct loader *ld, struct cfg *cfg)
{
	int rc = CFG_OK;

	if (cfg->nroutes == 0)
		return load_fail(ld, load_line(ld, &cfg->routes),
		    "routes: at least one is needed", NULL);
	for (size_t i = 0; rc == CFG_OK && i < cfg->nroutes; i++) {
		struct cfg_route *r = &cfg->routes[i];

		for (size_t j = 0; j < i; j++)
			if (load_same(cfg->routes[j].domain, r->domain))
				return load_fail(ld, load_line(ld, &r->domain),
				    "route \"", r->domain, "\" is there twice",
				    NULL);
		rc = check_route_keys(ld, r);
		if (rc == CFG_OK && r->via == CFG_VIA_MULE)
			rc = check_mule_route(ld, cfg, r);
	}
	return rc;
}

/* STATE_DIR/control.sock, unless it was given. */
static int
set_control(struct loader *ld, struct cfg *cfg)
{
	static const char tail[] = "/control.sock";
	size_t n = strlen(cfg->node.state_dir);
	char *path;

	if (cfg->control != NULL)
		return CFG_OK;
	path = load_alloc(ld, n + sizeof(tail), 1);
	if (path == NULL)
		return ld->rc;
	memcpy(path, cfg->node.state_dir, n);
	memcpy(path + n, tail, sizeof(tail));
	cfg->control = path;
	return CFG_OK;
}

int
check_all(struct loader *ld, struct cfg *cfg)
{
	int rc = check_nodes(ld, cfg);

	for (size_t i = 0; rc == CFG_OK && i < cfg->nlinks; i++)
		rc = check_link(ld, cfg, i);
	if (rc == CFG_OK)
		rc = check_routes(ld, cfg);
	if (rc == CFG_OK)
		rc = set_control(ld, cfg);
	return rc;
}

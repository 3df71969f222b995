#include "gateway/route.h"

#include <stdio.h>
#include <string.h>

void
route_find(const struct cfg *cfg, struct smtp_str domain, const char *from_link,
    struct route *ret_r)
{
	const struct cfg_route *r = cfg_route_find(cfg, domain.p, domain.len);

	memset(ret_r, 0, sizeof(*ret_r));
	ret_r->type = ROUTE_NONE;
	if (r == NULL)
		return;
	switch (r->via) {
	case CFG_VIA_SMTP:
		ret_r->type = ROUTE_SMTP;
		ret_r->ours = strcmp(r->domain, "*") != 0;
		snprintf(
		    ret_r->hop, sizeof(ret_r->hop), "smtp:%s", r->host.text);
		break;
	case CFG_VIA_MX:
		ret_r->type = ROUTE_MX;
		snprintf(ret_r->hop, sizeof(ret_r->hop), "mx:%.*s",
		    (int)domain.len, domain.p);
		break;
	case CFG_VIA_MULE:
		if (strcmp(r->via_link->name, from_link) == 0) {
			ret_r->type = ROUTE_BACK;
			break;
		}
		ret_r->type = ROUTE_MULE;
		ret_r->node = r->node_id;
		ret_r->link = r->via_link;
		snprintf(ret_r->hop, sizeof(ret_r->hop), "mule:%s",
		    r->via_link->name);
		break;
	}
}

enum cfg_route_tls
route_tls(const struct cfg *cfg, const char *hop)
{
	const struct cfg_route *r = NULL;

	if (strncmp(hop, "mx:", 3) == 0) {
		r = cfg_route_find(cfg, hop + 3, strlen(hop + 3));
	} else if (strncmp(hop, "smtp:", 5) == 0) {
		/* Routes to the same host have the same. */
		for (size_t i = 0; i < cfg->nroutes && r == NULL; i++)
			if (cfg->routes[i].via == CFG_VIA_SMTP &&
			    strcmp(cfg->routes[i].host.text, hop + 5) == 0)
				r = &cfg->routes[i];
	}
	return r != NULL ? r->tls : CFG_ROUTE_TLS_MAY;
}

bool
route_group_has(const struct cfg_group *g, uint32_t node)
{
	for (size_t i = 0; i < g->nmember_ids; i++)
		if (g->member_ids[i] == node)
			return true;
	return false;
}

static size_t
members_among(const struct cfg_group *g, const uint32_t *nodes, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += route_group_has(g, nodes[i]);
	return count;
}

const struct cfg_group *
route_group(const struct cfg_link *link, const uint32_t *nodes, size_t n)
{
	const struct cfg_group *best = NULL;
	size_t best_covered = 0;

	for (size_t i = 0; i < link->ngroups; i++) {
		const struct cfg_group *g = &link->groups[i];
		size_t covered = members_among(g, nodes, n);

		if (covered == 0 || covered < best_covered ||
		    (covered == best_covered &&
			g->nmember_ids >= best->nmember_ids))
			continue;
		best = g;
		best_covered = covered;
	}
	return best;
}

bool
route_group_dynamic(const struct cfg_link *link, const struct cfg_group *g,
    const uint32_t *nodes, size_t n)
{
	return link->pool_first != 0 &&
	       (g == NULL || members_among(g, nodes, n) < n);
}

/*
 * Questions to a configuration that is loaded.
 */
#include "config/cfg.h"

#include <string.h>

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
same(const char *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (lower(a[i]) != lower(b[i]))
			return false;
	return true;
}

/* How well pattern fits: 0 not at all, else its length, exact beats all. */
static size_t
fit(const char *pattern, const char *domain, size_t len)
{
	size_t n = strlen(pattern);

	if (n == 1 && pattern[0] == '*')
		return 1;
	if (pattern[0] != '*')
		return n == len && same(pattern, domain, n) ? SIZE_MAX : 0;
	/* "*.x" fits what ends in ".x" and has something before it. */
	if (len < n || !same(pattern + 1, domain + (len - (n - 1)), n - 1))
		return 0;
	return n;
}

const struct cfg_route *
cfg_route_find(const struct cfg *cfg, const char *domain, size_t len)
{
	const struct cfg_route *best = NULL;
	size_t best_fit = 0;

	for (size_t i = 0; i < cfg->nroutes; i++) {
		size_t f = fit(cfg->routes[i].domain, domain, len);

		if (f > best_fit) {
			best_fit = f;
			best = &cfg->routes[i];
		}
	}
	return best;
}

const struct cfg_node *
cfg_node_by_id(const struct cfg *cfg, uint32_t id)
{
	for (size_t i = 0; i < cfg->nnodes; i++)
		if (cfg->nodes[i].id == id)
			return &cfg->nodes[i];
	return NULL;
}

struct cfg_limits
cfg_link_limits(const struct cfg_link *l, int mt_priority)
{
	for (size_t i = 0; i < l->npriorities; i++) {
		const struct cfg_priority *p = &l->priorities[i];

		if (mt_priority >= p->span.from && mt_priority <= p->span.to)
			return p->limits;
	}
	return (struct cfg_limits){ l->expiry_us, l->max_message_size };
}

/*
 * From a recipient's domain to the next hop: pure, on the configuration alone.
 */
#ifndef MULETEER_GATEWAY_ROUTE_H
#define MULETEER_GATEWAY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/cfg.h"
#include "smtp/path.h"

/* "smtp:" and "mx:" with a domain of 255 and a port; "mule:" with a link. */
#define ROUTE_HOP_MAX 280

/* The hop of mail that goes round in circles: back to its sender, 5.4.6. */
#define ROUTE_HOP_LOOP "loop:"

/* The hop of mail that an operator has ordered to expire: the same, 4.4.7. */
#define ROUTE_HOP_EXPIRED "expired:"

enum route_type {
	ROUTE_NONE, /* no route: 5.1.2 */
	ROUTE_SMTP,
	ROUTE_MX,
	ROUTE_MULE,
	/*
	 * The route leads back into the link the message came by: another node
	 * there is responsible for the recipient (split horizon).
	 */
	ROUTE_BACK,
};

struct route {
	enum route_type type;
	char hop[ROUTE_HOP_MAX]; /* the key of queue.h; "" for NONE and BACK */
	uint32_t node;           /* MULE: Destination_ID */
	bool ours; /* SMTP: mail for our side of the radio, not relaying: the
		    * route is for a domain, not for everything */
	const struct cfg_link *link; /* MULE */
};

/* from_link: the link a message came by, or "" if it did not come by MULE. */
void route_find(const struct cfg *cfg, struct smtp_str domain,
    const char *from_link, struct route *ret_r);

/* How TLS is to be used towards an SMTP hop, "smtp:..." or "mx:...". */
enum cfg_route_tls route_tls(const struct cfg *cfg, const char *hop);

/*
 * The group of the link that has the most of the nodes, the smallest among
 * equals; NULL if none has any.  Nodes it lacks go in a transmission of their
 * own.  ACP 142 3.8: the subset is what the Destination_Entries are for.
 */
const struct cfg_group *route_group(
    const struct cfg_link *link, const uint32_t *nodes, size_t n);

bool route_group_has(const struct cfg_group *g, uint32_t node);

/*
 * Whether a dynamic group is to be used: the link takes them, and g (which may
 * be NULL) lacks one of the nodes.  Static groups first: nothing has to be sent
 * about them.
 */
bool route_group_dynamic(const struct cfg_link *link, const struct cfg_group *g,
    const uint32_t *nodes, size_t n);

#endif

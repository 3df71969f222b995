/*
 * Hosts by their addresses: who is who, and who is in which network.
 */
#ifndef MULETEER_GATEWAY_NETWORK_H
#define MULETEER_GATEWAY_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "config/cfg.h"

/* The address without its port; "" when it is neither IPv4 nor IPv6. */
void network_name(const struct sockaddr_storage *ss, char *buf, size_t cap);

/*
 * Whether the host is in one of the n networks; when there are none, whether it
 * is this host.  An IPv4 address is in a network of its mapped form.
 */
bool network_allows(const struct cfg_network *list, size_t n,
    const struct sockaddr_storage *ss);

#endif

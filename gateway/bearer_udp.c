/*
 * The sockets of real multicast; see bearer.h and the essay in bearer.c.
 */
#include "gateway/bearer_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for a PDU or two: what waits in the kernel is out of the scheduler's
 * reach.  The kernel doubles the number. */
#define SEND_BUFFER_MIN 4096

/* The interface by name or by address: its index and its address. */
static int
find_interface(struct bearer *b, const char *name)
{
	struct ifaddrs *all, *a;
	struct in_addr want;
	bool by_address = inet_pton(AF_INET, name, &want) == 1;
	int rc = -ENODEV;

	if (getifaddrs(&all) != 0)
		return -errno;
	for (a = all; a != NULL; a = a->ifa_next) {
		struct sockaddr_in sin;

		if (a->ifa_addr == NULL || a->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&sin, a->ifa_addr, sizeof(sin));
		if (by_address ? sin.sin_addr.s_addr != want.s_addr
			       : strcmp(a->ifa_name, name) != 0)
			continue;
		b->local = sin.sin_addr;
		snprintf(b->ifname, sizeof(b->ifname), "%s", a->ifa_name);
		b->ifindex = (int)if_nametoindex(a->ifa_name);
		rc = b->ifindex != 0 ? 0 : -errno;
		break;
	}
	freeifaddrs(all);
	return rc;
}

static int
set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

/* option: IP_ADD_MEMBERSHIP or IP_DROP_MEMBERSHIP. */
static int
membership(const struct bearer_sock *s, int option)
{
	struct ip_mreqn m = {
		.imr_multiaddr = s->addr,
		.imr_address = s->bearer->local,
		.imr_ifindex = s->bearer->ifindex,
	};

	return setsockopt(s->fd, IPPROTO_IP, option, &m, sizeof(m));
}

static bool
is_group(struct in_addr addr)
{
	return IN_MULTICAST(ntohl(addr.s_addr));
}

static int
prepare_udp(struct bearer_sock *s, uint16_t port, const char **ret_what)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = s->addr,
	};

	*ret_what = "setsockopt";
	if ((is_group(s->addr) &&
		set_int(s->fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0) ||
	    set_int(s->fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) != 0)
		return -errno;
	*ret_what = "bind";
	if (bind(s->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		return -errno;
	*ret_what = "join";
	if (is_group(s->addr) && membership(s, IP_ADD_MEMBERSHIP) != 0)
		return -errno;
	return 0;
}

/* A socket bound to addr:port; addr is a group to join, or our own. */
static int
open_udp(struct bearer *b, struct in_addr addr, enum pmul_port role,
    char *errbuf, size_t errcap)
{
	char text[INET_ADDRSTRLEN + 8], ip[INET_ADDRSTRLEN];
	const char *what = "socket";
	struct bearer_sock *s = NULL;
	int rc = bearer_sock_new(b, &s);

	if (rc == 0) {
		s->addr = addr;
		s->role = role;
		rc = prepare_udp(s, b->ports[role], &what);
	}
	if (rc == 0) {
		bearer_watch(s, false);
		return 0;
	}
	if (s != NULL)
		bearer_sock_close(s);
	inet_ntop(AF_INET, &addr, ip, sizeof(ip));
	snprintf(text, sizeof(text), "%s:%u", ip, (unsigned)b->ports[role]);
	return bearer_fail(rc, errbuf, errcap, what, text);
}

/* The group, on the two ports of messages or on the two of all nodes. */
static int
open_group(struct bearer *b, uint32_t group, const enum pmul_port roles[2],
    char *errbuf, size_t errcap)
{
	struct in_addr addr = { .s_addr = htonl(group) };
	int rc = open_udp(b, addr, roles[0], errbuf, errcap);

	if (rc == 0)
		rc = open_udp(b, addr, roles[1], errbuf, errcap);
	return rc;
}

static const enum pmul_port message_ports[] = { PMUL_APORT, PMUL_DPORT };
static const enum pmul_port all_nodes_ports[] = { PMUL_TPORT, PMUL_RPORT };

static int
setup_sender(struct bearer *b, const struct bearer_config *cfg, char *errbuf,
    size_t errcap)
{
	struct ip_mreqn m = {
		.imr_address = b->local,
		.imr_ifindex = b->ifindex,
	};
	int fd = b->sender->fd;
	int room = cfg->pdu_max > SEND_BUFFER_MIN ? (int)cfg->pdu_max
						  : SEND_BUFFER_MIN;

	/* Without IP_RECVERR a full queue drops and says nothing. */
	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)) != 0 ||
	    set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, cfg->ttl) != 0 ||
	    set_int(fd, IPPROTO_IP, IP_RECVERR, 1) != 0 ||
	    set_int(fd, SOL_SOCKET, SO_SNDBUF, room) != 0)
		return bearer_fail(
		    -errno, errbuf, errcap, "setsockopt", "sender");
	return 0;
}

static int
open_own_ports(struct bearer *b, const struct bearer_config *cfg, char *errbuf,
    size_t errcap)
{
	int rc = open_udp(b, b->local, PMUL_APORT, errbuf, errcap);

	if (rc == 0) {
		b->sender = LIST_FIRST(&b->socks);
		rc = setup_sender(b, cfg, errbuf, errcap);
	}
	if (rc == 0)
		rc = open_udp(b, b->local, PMUL_DPORT, errbuf, errcap);
	/* A Reject comes to the requester's own address. */
	if (rc == 0 && cfg->all_nodes != 0)
		rc = open_udp(b, b->local, PMUL_TPORT, errbuf, errcap);
	return rc;
}

int
bearer_udp_open(struct bearer *b, const struct bearer_config *cfg, char *errbuf,
    size_t errcap)
{
	int rc = find_interface(b, cfg->interface);

	if (rc != 0)
		return bearer_fail(
		    rc, errbuf, errcap, "interface", cfg->interface);
	/* Before anything could make the kernel speak. */
	rc = bearer_settle(b);
	if (rc != 0)
		return bearer_fail(rc, errbuf, errcap,
		    b->silent ? "silence of" : "end of silence of",
		    cfg->interface);
	rc = open_own_ports(b, cfg, errbuf, errcap);
	for (size_t i = 0; rc == 0 && i < cfg->ngroups; i++)
		rc = open_group(
		    b, cfg->groups[i], message_ports, errbuf, errcap);
	if (rc == 0 && cfg->all_nodes != 0)
		rc = open_group(
		    b, cfg->all_nodes, all_nodes_ports, errbuf, errcap);
	return rc;
}

/* --- dynamic groups ------------------------------------------------------- */

/* The socket for messages of the group, also one that is leaving. */
static struct bearer_sock *
find_group(struct bearer *b, uint32_t group)
{
	struct bearer_sock *s;

	LIST_FOREACH (s, &b->socks, next)
		if (s->addr.s_addr == htonl(group) && s->role == PMUL_DPORT)
			return s;
	return NULL;
}

static void
close_group(struct bearer *b, uint32_t group)
{
	struct bearer_sock *s, *after;

	for (s = LIST_FIRST(&b->socks); s != NULL; s = after) {
		after = LIST_NEXT(s, next);
		if (s->dynamic && s->addr.s_addr == htonl(group))
			bearer_sock_close(s);
	}
}

/* Silent, but what the kernel says of a group could be heard. */
static bool
audible(const struct bearer *b)
{
	return b->silent && !b->held && b->guard != BEARER_GUARD_OFF;
}

/* Close our ears without a sound, or open them again. */
static void
set_leaving(struct bearer_sock *s, bool leaving)
{
	s->leaving = leaving;
	if (leaving)
		uv_poll_stop(&s->poll);
	else
		bearer_watch(s, false);
}

static void
set_group_leaving(struct bearer *b, uint32_t group, bool leaving)
{
	struct bearer_sock *s;

	LIST_FOREACH (s, &b->socks, next)
		if (s->dynamic && s->addr.s_addr == htonl(group))
			set_leaving(s, leaving);
}

int
bearer_join(struct bearer *b, uint32_t group)
{
	struct bearer_sock *s;
	char why[128];
	int rc;

	if (b->emulated)
		return 0;
	s = find_group(b, group);
	if (s != NULL) {
		if (s->leaving)
			set_group_leaving(b, group, false);
		return 0;
	}
	if (audible(b))
		return -ENETDOWN;
	if (b->ndynamic == BEARER_DYNAMIC_MAX)
		return -ENOSPC;
	rc = open_group(b, group, message_ports, why, sizeof(why));
	LIST_FOREACH (s, &b->socks, next)
		if (s->addr.s_addr == htonl(group) && s->role != PMUL_TPORT &&
		    s->role != PMUL_RPORT)
			s->dynamic = true;
	if (rc != 0)
		close_group(b, group);
	else
		b->ndynamic++;
	return rc;
}

void
bearer_leave(struct bearer *b, uint32_t group)
{
	struct bearer_sock *s = b->emulated ? NULL : find_group(b, group);

	if (s == NULL || !s->dynamic)
		return;
	if (audible(b)) {
		set_group_leaving(b, group, true);
		return;
	}
	close_group(b, group);
	b->ndynamic--;
}

/* The kernel may have dropped every report of our groups: report again. */
int
bearer_udp_join_anew(struct bearer *b)
{
	struct bearer_sock *s, *after;
	int rc = 0;

	for (s = LIST_FIRST(&b->socks); s != NULL; s = after) {
		after = LIST_NEXT(s, next);
		if (!s->leaving)
			continue;
		b->ndynamic -= s->role == PMUL_DPORT;
		bearer_sock_close(s);
	}
	/* Only when the last socket has left is a join a new one. */
	LIST_FOREACH (s, &b->socks, next)
		if (is_group(s->addr))
			(void)!membership(s, IP_DROP_MEMBERSHIP);
	LIST_FOREACH (s, &b->socks, next)
		if (is_group(s->addr) && rc == 0 &&
		    membership(s, IP_ADD_MEMBERSHIP) != 0)
			rc = -errno;
	return rc;
}

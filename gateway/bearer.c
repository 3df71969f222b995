/*
 * Sockets for P_MUL datagrams; see bearer.h.
 *
 * udp: one socket for each (group, port) is bound to the group's own address,
 * so that the kernel sorts datagrams by group, and IP_MULTICAST_ALL is off, so
 * that groups which other programs joined stay out.  Messages go to DPORT, but
 * a peer may send its Discard to APORT, so both are open for every group, and
 * both are open on the interface's own address for unicast.  The unicast APORT
 * socket is also the one that sends: its address is where Acks come back to.
 *
 * emulated: one socket, connected to the hub, that speaks link_frame.h.
 */
#include "gateway/bearer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/link_frame.h"

/* Room for a few PDUs and no more: what waits in the kernel is out of the
 * scheduler's reach. */
#define SEND_BUFFER 16384
/* Bursts that arrive while the loop is busy. */
#define RECV_BUFFER (1024 * 1024)
#define DATAGRAM_MAX 65536
/* The hub forgets a node it has not heard for a while. */
#define HELLO_MS 5000
/* Datagrams read in one go before the loop gets its turn. */
#define RECV_BATCH 64

struct sock {
	uv_poll_t poll;
	struct bearer *bearer;
	int fd;
	bool open; /* poll was initialised */
};

struct bearer {
	uv_loop_t *loop;
	bearer_recv_cb *recv;
	bearer_writable_cb *writable;
	void *ctx;
	bool emulated;
	uint32_t node_id;
	uint16_t ports[4];
	struct in_addr local; /* udp: the interface's address */
	int ifindex;
	struct sock *socks;
	size_t nsocks;
	struct sock *sender;
	bool waiting; /* for the sender to become writable */
	uv_timer_t hello;
	bool hello_open;
	size_t handles; /* not yet closed */
	void (*closed)(void *ctx);
	void *closed_ctx;
	uint8_t buf[DATAGRAM_MAX];
};

struct pmul_addr
bearer_addr(uint32_t ipv4)
{
	struct pmul_addr a = { { 0 } };
	uint32_t net = htonl(ipv4);

	memcpy(a.b, &net, sizeof(net));
	return a;
}

static int
fail(char *errbuf, size_t errcap, const char *what, const char *arg)
{
	int rc = errno != 0 ? -errno : -EINVAL;

	snprintf(errbuf, errcap, "%s %s: %s", what, arg, strerror(-rc));
	return rc;
}

/* --- receiving ------------------------------------------------------------ */

static void
deliver_emulated(struct bearer *b, size_t n)
{
	struct link_frame f;
	struct pmul_addr from;

	if (!link_frame_decode(b->buf, n, &f) || f.type != LINK_FRAME_DATA)
		return;
	from = bearer_addr(f.src_ip);
	b->recv(
	    b->ctx, &from, b->buf + LINK_FRAME_HEADER, n - LINK_FRAME_HEADER);
}

static void
readable(struct sock *s)
{
	struct bearer *b = s->bearer;
	struct sockaddr_in sin;
	struct pmul_addr from;

	for (int i = 0; i < RECV_BATCH; i++) {
		socklen_t len = sizeof(sin);
		ssize_t n = recvfrom(s->fd, b->buf, sizeof(b->buf),
		    MSG_DONTWAIT, (struct sockaddr *)&sin, &len);

		/* An ICMP error of an earlier datagram also ends up here. */
		if (n < 0)
			return;
		if (b->emulated) {
			deliver_emulated(b, (size_t)n);
		} else {
			from = bearer_addr(ntohl(sin.sin_addr.s_addr));
			b->recv(b->ctx, &from, b->buf, (size_t)n);
		}
		/* The receiver may have closed the bearer. */
		if (b->closed != NULL)
			return;
	}
}

static void on_poll(uv_poll_t *p, int status, int events);

static void
watch(struct sock *s, bool also_writable)
{
	uv_poll_start(
	    &s->poll, UV_READABLE | (also_writable ? UV_WRITABLE : 0), on_poll);
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct sock *s = p->data;
	struct bearer *b = s->bearer;

	if (status < 0 || events & UV_READABLE)
		readable(s);
	/* An ICMP error shows as POLLERR, at which libuv stops polling. */
	if (status < 0 && b->closed == NULL)
		watch(s, b->waiting && s == b->sender);
	if (b->closed == NULL && b->waiting && s == b->sender &&
	    events & UV_WRITABLE) {
		b->waiting = false;
		watch(s, false);
		b->writable(b->ctx);
	}
}

/* --- sending ---------------------------------------------------------------- */

static int
sent(struct bearer *b, ssize_t n)
{
	if (n >= 0)
		return 0;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	if (!b->waiting) {
		b->waiting = true;
		watch(b->sender, true);
	}
	return -EAGAIN;
}

static uint32_t
destination(const struct pmul_where *where)
{
	uint32_t net;

	if (where->multicast)
		return where->group;
	memcpy(&net, where->to.b, sizeof(net));
	return ntohl(net);
}

static int
send_emulated(
    struct bearer *b, uint32_t dst, uint16_t port, const void *pdu, size_t len)
{
	struct link_frame f = {
		.type = LINK_FRAME_DATA,
		.src_ip = b->node_id,
		.src_port = b->ports[PMUL_APORT],
		.dst_ip = dst,
		.dst_port = port,
	};
	uint8_t head[LINK_FRAME_HEADER];
	struct iovec iov[2] = {
		{ .iov_base = head, .iov_len = sizeof(head) },
		{ .iov_len = len },
	};
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	/* iovec is not const-correct; sendmsg does not write. */
	memcpy(&iov[1].iov_base, &pdu, sizeof(pdu));
	link_frame_encode(head, &f);
	return sent(b, sendmsg(b->sender->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int
bearer_send(struct bearer *b, const struct pmul_where *where, const void *pdu,
    size_t len)
{
	uint32_t dst = destination(where);
	uint16_t port = b->ports[where->port];
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { .s_addr = htonl(dst) },
	};

	if (b->emulated)
		return send_emulated(b, dst, port, pdu, len);
	return sent(
	    b, sendto(b->sender->fd, pdu, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		   (struct sockaddr *)&to, sizeof(to)));
}

static void
on_hello(uv_timer_t *t)
{
	struct bearer *b = t->data;
	struct link_frame f = { .type = LINK_FRAME_HELLO,
		.src_ip = b->node_id };
	uint8_t head[LINK_FRAME_HEADER];

	link_frame_encode(head, &f);
	/* A hub that is not there yet answers the next one. */
	(void)!send(b->sender->fd, head, sizeof(head), MSG_DONTWAIT);
}

/* --- closing ------------------------------------------------------------------ */

static void
freed(struct bearer *b)
{
	void (*closed)(void *) = b->closed;
	void *ctx = b->closed_ctx;

	free(b->socks);
	free(b);
	if (closed != NULL)
		closed(ctx);
}

static void
sock_closed(uv_handle_t *h)
{
	struct sock *s = h->data;
	struct bearer *b = s->bearer;

	close(s->fd);
	if (--b->handles == 0)
		freed(b);
}

static void
hello_closed(uv_handle_t *h)
{
	struct bearer *b = h->data;

	if (--b->handles == 0)
		freed(b);
}

/* For owners that need no notice. */
static void
nobody(void *ctx)
{
	(void)ctx;
}

void
bearer_close(struct bearer **bp, void (*closed)(void *ctx), void *ctx)
{
	struct bearer *b = *bp;

	*bp = NULL;
	b->closed = closed != NULL ? closed : nobody;
	b->closed_ctx = ctx;
	for (size_t i = 0; i < b->nsocks; i++) {
		struct sock *s = &b->socks[i];

		if (s->open) {
			b->handles++;
			uv_close((uv_handle_t *)&s->poll, sock_closed);
		} else if (s->fd >= 0) {
			close(s->fd);
		}
	}
	if (b->hello_open) {
		b->handles++;
		uv_close((uv_handle_t *)&b->hello, hello_closed);
	}
	if (b->handles == 0)
		freed(b);
}

/* --- opening ------------------------------------------------------------------ */

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
		b->ifindex = (int)if_nametoindex(a->ifa_name);
		rc = b->ifindex != 0 ? 0 : -errno;
		break;
	}
	freeifaddrs(all);
	return rc;
}

static int
start_polling(struct bearer *b, struct sock *s)
{
	int rc = uv_poll_init(b->loop, &s->poll, s->fd);

	if (rc != 0)
		return rc;
	s->open = true;
	s->poll.data = s;
	watch(s, false);
	return 0;
}

static int
set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int
join(const struct bearer *b, int fd, struct in_addr group)
{
	struct ip_mreqn m = {
		.imr_multiaddr = group,
		.imr_address = b->local,
		.imr_ifindex = b->ifindex,
	};

	return setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m));
}

/* A socket bound to addr:port; addr is a group to join, or our own. */
static int
open_udp(struct bearer *b, struct in_addr addr, uint16_t port, char *errbuf,
    size_t errcap)
{
	struct sock *s = &b->socks[b->nsocks];
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = addr,
	};
	char text[INET_ADDRSTRLEN + 8], ip[INET_ADDRSTRLEN];
	bool multicast = IN_MULTICAST(ntohl(addr.s_addr));

	inet_ntop(AF_INET, &addr, ip, sizeof(ip));
	snprintf(text, sizeof(text), "%s:%u", ip, (unsigned)port);
	s->bearer = b;
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return fail(errbuf, errcap, "socket", text);
	b->nsocks++;
	if ((multicast && set_int(s->fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0) ||
	    set_int(s->fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) != 0)
		return fail(errbuf, errcap, "setsockopt", text);
	/* As much as the system allows; less only costs repeats. */
	(void)!set_int(s->fd, SOL_SOCKET, SO_RCVBUF, RECV_BUFFER);
	if (bind(s->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0)
		return fail(errbuf, errcap, "bind", text);
	if (multicast && join(b, s->fd, addr) != 0)
		return fail(errbuf, errcap, "join", text);
	return start_polling(b, s);
}

static int
setup_sender(struct bearer *b, uint8_t ttl, char *errbuf, size_t errcap)
{
	struct ip_mreqn m = {
		.imr_address = b->local,
		.imr_ifindex = b->ifindex,
	};
	int fd = b->sender->fd;

	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)) != 0 ||
	    set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, ttl) != 0 ||
	    set_int(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER) != 0)
		return fail(errbuf, errcap, "setsockopt", "sender");
	return 0;
}

static int
open_all_udp(struct bearer *b, const struct bearer_config *cfg, char *errbuf,
    size_t errcap)
{
	static const enum pmul_port roles[] = { PMUL_APORT, PMUL_DPORT };
	int rc = find_interface(b, cfg->interface);

	if (rc != 0) {
		errno = -rc;
		return fail(errbuf, errcap, "interface", cfg->interface);
	}
	for (size_t r = 0; rc == 0 && r < 2; r++)
		rc = open_udp(b, b->local, b->ports[roles[r]], errbuf, errcap);
	if (rc == 0) {
		b->sender = &b->socks[0];
		rc = setup_sender(b, cfg->ttl, errbuf, errcap);
	}
	for (size_t i = 0; rc == 0 && i < cfg->ngroups; i++) {
		struct in_addr group = { .s_addr = htonl(cfg->groups[i]) };

		for (size_t r = 0; rc == 0 && r < 2; r++)
			rc = open_udp(
			    b, group, b->ports[roles[r]], errbuf, errcap);
	}
	return rc;
}

static int
open_emulated(struct bearer *b, const struct bearer_config *cfg, char *errbuf,
    size_t errcap)
{
	struct sock *s = &b->socks[0];
	struct sockaddr_in hub = {
		.sin_family = AF_INET,
		.sin_port = htons(cfg->hub_port),
	};

	if (inet_pton(AF_INET, cfg->hub_host, &hub.sin_addr) != 1) {
		errno = EINVAL;
		return fail(errbuf, errcap, "hub", cfg->hub_host);
	}
	s->bearer = b;
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return fail(errbuf, errcap, "socket", "hub");
	b->nsocks = 1;
	b->sender = s;
	(void)!set_int(s->fd, SOL_SOCKET, SO_RCVBUF, RECV_BUFFER);
	if (connect(s->fd, (struct sockaddr *)&hub, sizeof(hub)) != 0)
		return fail(errbuf, errcap, "connect", cfg->hub_host);
	uv_timer_init(b->loop, &b->hello);
	b->hello.data = b;
	b->hello_open = true;
	uv_timer_start(&b->hello, on_hello, 0, HELLO_MS);
	return start_polling(b, s);
}

int
bearer_open(uv_loop_t *loop, const struct bearer_config *cfg,
    bearer_recv_cb *recv, bearer_writable_cb *writable, void *ctx, char *errbuf,
    size_t errcap, struct bearer **ret_b)
{
	size_t most = cfg->emulated ? 1 : 2 + 2 * cfg->ngroups;
	struct bearer *b = calloc(1, sizeof(*b));
	int rc;

	if (b != NULL)
		b->socks = calloc(most, sizeof(*b->socks));
	if (b == NULL || b->socks == NULL) {
		free(b);
		errno = ENOMEM;
		return fail(errbuf, errcap, "bearer", "");
	}
	b->loop = loop;
	b->recv = recv;
	b->writable = writable;
	b->ctx = ctx;
	b->emulated = cfg->emulated;
	b->node_id = cfg->node_id;
	memcpy(b->ports, cfg->ports, sizeof(b->ports));
	rc = cfg->emulated ? open_emulated(b, cfg, errbuf, errcap)
			   : open_all_udp(b, cfg, errbuf, errcap);
	if (rc != 0) {
		bearer_close(&b, NULL, NULL);
		return rc;
	}
	*ret_b = b;
	return 0;
}

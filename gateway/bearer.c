/*
 * Sockets for P_MUL datagrams; see bearer.h.
 *
 * udp: one socket for each (group, port) is bound to the group's own address,
 * so that the kernel sorts datagrams by group, and IP_MULTICAST_ALL is off, so
 * that groups which other programs joined stay out.  Messages go to DPORT, but
 * a peer may send its Discard to APORT, so both are open for every group, and
 * both are open on the interface's own address for unicast.  The unicast APORT
 * socket is also the one that sends: its address is where Acks come back to.
 * With a group of all nodes there are TPORT and RPORT too.
 *
 * Silence: every udp bearer is in a list, because the rule belongs to the
 * interface and others may share it; see bearer_silence.c.
 *
 * emulated: one socket, connected to the hub, that speaks link_frame.h.
 */
#include "gateway/bearer_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gateway/link_frame.h"

/* A full queue gives no sign when it has room again, so ask again. */
#define FULL_RETRY_MS 100
/* One minute of that: the datagram is lost, so that timers get their turn. */
#define FULL_RETRIES 600
/* Bursts that arrive while the loop is busy. */
#define RECV_BUFFER (1024 * 1024)
/* The hub forgets a node it has not heard for a while. */
#define HELLO_MS 5000
/* Datagrams read in one go before the loop gets its turn. */
#define RECV_BATCH 64

struct bearer_list bearers = LIST_HEAD_INITIALIZER(bearers);

struct pmul_addr
bearer_addr(uint32_t ipv4)
{
	struct pmul_addr a = { { 0 } };
	uint32_t net = htonl(ipv4);

	memcpy(a.b, &net, sizeof(net));
	return a;
}

int
bearer_fail(
    int rc, char *errbuf, size_t errcap, const char *what, const char *arg)
{
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
readable(struct bearer_sock *s)
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
		/* The receiver may have closed the bearer or left a group. */
		if (uv_is_closing((uv_handle_t *)&s->poll) || s->leaving)
			return;
	}
}

static void on_poll(uv_poll_t *p, int status, int events);

void
bearer_watch(struct bearer_sock *s, bool also_writable)
{
	uv_poll_start(
	    &s->poll, UV_READABLE | (also_writable ? UV_WRITABLE : 0), on_poll);
}

static bool
is_icmp_error(const struct cmsghdr *c)
{
	struct sock_extended_err e;

	if (c->cmsg_level != IPPROTO_IP || c->cmsg_type != IP_RECVERR)
		return false;
	memcpy(&e, CMSG_DATA(c), sizeof(e));
	return e.ee_origin == SO_EE_ORIGIN_ICMP;
}

void
bearer_fetch_errors(struct bearer *b)
{
	char control[512];
	struct msghdr m;

	for (int i = 0; i < RECV_BATCH; i++) {
		m = (struct msghdr){
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};
		if (recvmsg(b->sender->fd, &m, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL;
		     c = CMSG_NXTHDR(&m, c))
			b->counters.refused += is_icmp_error(c);
	}
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct bearer_sock *s = p->data;
	struct bearer *b = s->bearer;

	if (status < 0 || events & UV_READABLE)
		readable(s);
	if (b->closed != NULL || uv_is_closing((uv_handle_t *)p) || s->leaving)
		return;
	/* An ICMP error shows as POLLERR, at which libuv stops polling. */
	if (status < 0) {
		if (s == b->sender)
			bearer_fetch_errors(b);
		bearer_watch(s, b->waiting && s == b->sender);
	}
	if (b->waiting && s == b->sender && events & UV_WRITABLE) {
		b->waiting = false;
		bearer_watch(s, false);
		b->writable(b->ctx);
	}
}

/* --- sending ---------------------------------------------------------------- */

static void
on_retry(uv_timer_t *t)
{
	struct bearer *b = t->data;

	b->writable(b->ctx);
}

static int
sent(struct bearer *b, ssize_t n)
{
	if (n < 0 && errno == ENOBUFS && !b->emulated) {
		b->counters.full++;
		if (b->full++ < FULL_RETRIES) {
			uv_timer_start(&b->timer, on_retry, FULL_RETRY_MS, 0);
			return -EAGAIN;
		}
		errno = ENOBUFS;
	}
	if (n >= 0 || errno == ENOBUFS)
		b->full = 0;
	if (n >= 0)
		return 0;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	if (!b->waiting) {
		b->waiting = true;
		bearer_watch(b->sender, true);
	}
	return -EAGAIN;
}

/* Host order; 0: nowhere. */
static uint32_t
destination(const struct bearer *b, const struct pmul_where *where)
{
	uint32_t net;

	if (where->multicast)
		return where->group == PMUL_GROUP_ALL ? b->all_nodes
						      : where->group;
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

static int
send_udp(
    struct bearer *b, uint32_t dst, uint16_t port, const void *pdu, size_t len)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { .s_addr = htonl(dst) },
	};
	ssize_t n = sendto(b->sender->fd, pdu, len, MSG_DONTWAIT | MSG_NOSIGNAL,
	    (struct sockaddr *)&to, sizeof(to));

	/* An ICMP error of an earlier datagram is not this one's fault. */
	if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK &&
	    errno != ENOBUFS) {
		bearer_fetch_errors(b);
		n = sendto(b->sender->fd, pdu, len, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (struct sockaddr *)&to, sizeof(to));
	}
	return sent(b, n);
}

int
bearer_send(struct bearer *b, const struct pmul_where *where, const void *pdu,
    size_t len)
{
	uint32_t dst = destination(b, where);
	uint16_t port = b->ports[where->port];

	if (bearer_held_silent(b))
		return -ENETDOWN;
	if (dst == 0)
		return -EDESTADDRREQ;
	return b->emulated ? send_emulated(b, dst, port, pdu, len)
			   : send_udp(b, dst, port, pdu, len);
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

void
bearer_handle_closed(struct bearer *b)
{
	void (*closed)(void *) = b->closed;
	void *ctx = b->closed_ctx;

	if (--b->handles > 0 || closed == NULL)
		return;
	free(b);
	closed(ctx);
}

static void
sock_closed(uv_handle_t *h)
{
	struct bearer_sock *s = h->data;
	struct bearer *b = s->bearer;

	close(s->fd);
	free(s);
	bearer_handle_closed(b);
}

void
bearer_sock_close(struct bearer_sock *s)
{
	LIST_REMOVE(s, next);
	uv_close((uv_handle_t *)&s->poll, sock_closed);
}

static void
timer_closed(uv_handle_t *h)
{
	struct bearer *b = h->data;

	bearer_handle_closed(b);
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
	if (!b->emulated)
		LIST_REMOVE(b, next);
	while (!LIST_EMPTY(&b->socks))
		bearer_sock_close(LIST_FIRST(&b->socks));
	bearer_unwatch_rule(b);
	uv_close((uv_handle_t *)&b->timer, timer_closed);
}

/* --- opening ------------------------------------------------------------------ */

/* A socket without address; on an error nothing is left of it. */
int
bearer_sock_new(struct bearer *b, struct bearer_sock **ret_s)
{
	struct bearer_sock *s = calloc(1, sizeof(*s));
	int rc, room = RECV_BUFFER;

	if (s == NULL)
		return -ENOMEM;
	s->bearer = b;
	s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = s->fd < 0 ? -errno : uv_poll_init(b->loop, &s->poll, s->fd);
	if (rc != 0) {
		if (s->fd >= 0)
			close(s->fd);
		free(s);
		return rc;
	}
	s->poll.data = s;
	/* As much as the system allows; less only costs repeats. */
	(void)!setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	b->handles++;
	LIST_INSERT_HEAD(&b->socks, s, next);
	*ret_s = s;
	return 0;
}

static int
open_emulated(struct bearer *b, const struct bearer_config *cfg, char *errbuf,
    size_t errcap)
{
	struct sockaddr_in hub = {
		.sin_family = AF_INET,
		.sin_port = htons(cfg->hub_port),
	};
	int rc;

	if (inet_pton(AF_INET, cfg->hub_host, &hub.sin_addr) != 1)
		return bearer_fail(
		    -EINVAL, errbuf, errcap, "hub", cfg->hub_host);
	rc = bearer_sock_new(b, &b->sender);
	if (rc != 0)
		return bearer_fail(rc, errbuf, errcap, "socket", "hub");
	if (connect(b->sender->fd, (struct sockaddr *)&hub, sizeof(hub)) != 0)
		return bearer_fail(
		    -errno, errbuf, errcap, "connect", cfg->hub_host);
	uv_timer_start(&b->timer, on_hello, 0, HELLO_MS);
	bearer_watch(b->sender, false);
	return 0;
}

int
bearer_open(uv_loop_t *loop, const struct bearer_config *cfg,
    bearer_recv_cb *recv, bearer_writable_cb *writable, void *ctx, char *errbuf,
    size_t errcap, struct bearer **ret_b)
{
	struct bearer *b = calloc(1, sizeof(*b));
	int rc;

	if (b == NULL)
		return bearer_fail(-ENOMEM, errbuf, errcap, "bearer", "");
	b->loop = loop;
	b->recv = recv;
	b->writable = writable;
	b->ctx = ctx;
	b->emulated = cfg->emulated;
	b->node_id = cfg->node_id;
	b->all_nodes = cfg->all_nodes;
	b->guard = cfg->guard;
	b->voice = cfg->voice;
	b->rules_fd = -1;
	b->receive_only = cfg->receive_only;
	b->silent = cfg->silent || cfg->receive_only;
	memcpy(b->ports, cfg->ports, sizeof(b->ports));
	uv_timer_init(loop, &b->timer);
	b->timer.data = b;
	b->handles = 1;
	if (!b->emulated)
		LIST_INSERT_HEAD(&bearers, b, next);
	rc = cfg->emulated ? open_emulated(b, cfg, errbuf, errcap)
			   : bearer_udp_open(b, cfg, errbuf, errcap);
	if (rc != 0) {
		bearer_close(&b, NULL, NULL);
		return rc;
	}
	*ret_b = b;
	return 0;
}

const struct bearer_counters *
bearer_counters(const struct bearer *b)
{
	return &b->counters;
}

/*
 * mulecap replay --onto: the PDUs of a capture once more, onto a network.
 *
 * Times are those between the captured frames, divided by --speed, and counted
 * from the first one that is sent, so that lateness does not add up.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tools/cap_replay.h"

struct sender {
	const struct cap_opts *o;
	const struct cap_replay *r;
	int fd;
	bool started;
	double first_s;        /* of the first PDU sent, in the capture */
	struct timespec start; /* ...and when it was */
	struct in_addr to;     /* INADDR_ANY: as captured */
	uint16_t port;         /* 0: as captured */
	uint64_t sent, octets, failed, skipped;
	double late_s; /* at most */
	uint8_t buf[65536];
};

/* --- rewriting --------------------------------------------------------------------- */

static uint32_t
get(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint32_t
mapped(const struct cap_map *m, size_t n, uint32_t v)
{
	for (size_t i = 0; i < n; i++)
		if (m[i].from == v)
			return m[i].to;
	return v;
}

/* Four octets in place. */
static void
rewrite(const struct cap_map *m, size_t n, uint8_t *p)
{
	uint32_t v = mapped(m, n, get(p));

	for (size_t i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void
rewrite_ack(
    const struct cap_replay *r, const struct pmul_pdu *pdu, uint8_t *list)
{
	struct pmul_ack_entry e;
	size_t pos = 0, at = 0;

	/* An entry: its length, Source_ID, Message_ID. */
	for (; pmul_pdu_next_ack(pdu, &pos, &e); at = pos) {
		rewrite(r->nodes, r->nnodes, list + at + 2);
		rewrite(r->msids, r->nmsids, list + at + 6);
	}
}

/* IDs in s->buf, and the checksum over what they have become. */
static void
rewrite_pdu(struct sender *s, const struct pmul_pdu *pdu, const uint8_t *from)
{
	const struct cap_replay *r = s->r;
	uint8_t *list = NULL;

	if (r->nnodes + r->nmsids == 0)
		return;
	if (pdu->list != NULL)
		list = s->buf + (pdu->list - from);
	rewrite(r->nodes, r->nnodes, s->buf + 8);
	if (pdu->type == PMUL_ACK)
		rewrite_ack(r, pdu, list);
	else {
		rewrite(r->msids, r->nmsids, s->buf + 12);
		for (size_t i = 0; list != NULL && i < pdu->count; i++)
			rewrite(r->nodes, r->nnodes, list + i * pdu->entry_len);
	}
	pmul_checksum_put(s->buf, pdu->length);
}

/* --- sending ------------------------------------------------------------------------ */

static double
elapsed_s(const struct sender *s)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)(t.tv_sec - s->start.tv_sec) +
	       (double)(t.tv_nsec - s->start.tv_nsec) / 1e9;
}

static void
wait_until(struct sender *s, double at_s)
{
	double due, late;
	struct timespec t = s->start;

	if (!s->started) {
		s->started = true;
		s->first_s = at_s;
		(void)clock_gettime(CLOCK_MONOTONIC, &s->start);
		return;
	}
	if (s->r->speed <= 0)
		return;
	due = (at_s - s->first_s) / s->r->speed;
	if (due < 0)
		due = 0;
	t.tv_sec += (time_t)due;
	t.tv_nsec += (long)((due - (double)(time_t)due) * 1e9);
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	while (
	    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
	late = elapsed_s(s) - due;
	if (late > s->late_s)
		s->late_s = late;
}

static struct sockaddr_in
destination(const struct sender *s, const struct cap_datagram *d)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	uint32_t a = mapped(s->r->nodes, s->r->nnodes, get(d->to.addr));

	to.sin_addr.s_addr =
	    s->to.s_addr != INADDR_ANY ? s->to.s_addr : htonl(a);
	to.sin_port = htons(s->port != 0 ? s->port : d->to.port);
	return to;
}

static bool
see(void *ctx, const struct cap_seen *c)
{
	struct sender *s = ctx;
	struct sockaddr_in to;

	/* The chosen side is what the node sent, not what names it. */
	if (!cap_passes(s->o, c) ||
	    (s->o->by_node && c->pdu->source != s->o->node))
		return true;
	if ((c->d->v6 && s->to.s_addr == INADDR_ANY) ||
	    c->d->len > sizeof(s->buf)) {
		s->skipped++;
		return true;
	}
	memcpy(s->buf, c->d->data, c->d->len);
	if (c->pdu != NULL)
		rewrite_pdu(s, c->pdu, c->d->data);
	to = destination(s, c->d);
	wait_until(s, c->at_s);
	if (sendto(s->fd, s->buf, c->d->len, 0, (struct sockaddr *)&to,
		sizeof(to)) < 0) {
		if (s->failed++ == 0)
			(void)fprintf(stderr,
			    "mulecap: frame %" PRIu64 ": %s\n", c->d->frame,
			    strerror(errno));
		return true;
	}
	s->sent++;
	s->octets += c->d->len;
	return true;
}

/* --- the socket ---------------------------------------------------------------------- */

/* ADDRESS, or ADDRESS:PORT. */
static bool
read_to(struct sender *s, const char *text)
{
	size_t n = strcspn(text, ":");
	char address[INET_ADDRSTRLEN], *end;
	unsigned long port = 0;

	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (text[n] == ':') {
		port = strtoul(text + n + 1, &end, 10);
		if (end == text + n + 1 || *end != '\0' || port == 0 ||
		    port > 65535)
			return false;
	}
	s->port = (uint16_t)port;
	return inet_pton(AF_INET, address, &s->to) == 1;
}

/* By its address or its name. */
static int
open_socket(const char *interface)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct ip_mreqn m = { .imr_ifindex = 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc = -1;

	if (fd < 0)
		return -1;
	if (inet_pton(AF_INET, interface, &from.sin_addr) == 1) {
		m.imr_address = from.sin_addr;
		rc = bind(fd, (struct sockaddr *)&from, sizeof(from));
	} else {
		m.imr_ifindex = (int)if_nametoindex(interface);
		rc = m.imr_ifindex > 0 ? 0 : -1;
	}
	if (rc == 0)
		rc = setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m));
	if (rc == 0)
		return fd;
	(void)close(fd);
	return -1;
}

int
cap_replay_net(const struct cap_opts *o, const struct cap_replay *r)
{
	struct sender *s = calloc(1, sizeof(*s));
	int rc = CAP_UNUSABLE;

	if (s == NULL)
		return rc;
	s->o = o;
	s->r = r;
	s->fd = open_socket(r->interface);
	if (s->fd < 0)
		(void)fprintf(
		    stderr, "mulecap: %s: %s\n", r->interface, strerror(errno));
	else if (r->to != NULL && !read_to(s, r->to))
		(void)fprintf(
		    stderr, "mulecap: %s: not an IPv4 address\n", r->to);
	else
		rc = cap_feed(o, &(struct cap_visitor){ see, s });
	if (rc == 0) {
		(void)printf("%" PRIu64 " datagrams, %" PRIu64
			     " octets, at most %.3f s late; %" PRIu64
			     " failed, %" PRIu64 " skipped\n",
		    s->sent, s->octets, s->late_s, s->failed, s->skipped);
		rc = s->sent > 0 && s->failed == 0 ? CAP_CLEAN : CAP_UNUSABLE;
	}
	if (s->fd >= 0)
		(void)close(s->fd);
	free(s);
	return rc;
}

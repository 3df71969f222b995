/*
 * The hub: gateways with an `emulated` bearer send their datagrams here,
 * wrapped as gateway/link_frame.h says.
 */
#include "tools/mulelink.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <string.h>
#include <unistd.h>

#include "gateway/link_frame.h"

#define BATCH 256
#define SOCKET_BUFFER (4 * 1024 * 1024)
#define IP_UDP_HEADER 28

/* --- captures --------------------------------------------------------------------- */

static uint32_t
sum16(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	return sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* An IPv4 and a UDP header with right checksums in front of the payload. */
static void
put_headers(
    uint8_t *p, const struct link_frame *f, const uint8_t *payload, size_t len)
{
	uint16_t udp = (uint16_t)(8 + len), sum;

	memset(p, 0, IP_UDP_HEADER);
	p[0] = 0x45;
	link_frame_put(p + 2, (uint32_t)(IP_UDP_HEADER + len), 2);
	p[8] = 1; /* TTL */
	p[9] = 17;
	link_frame_put(p + 12, f->src_ip, 4);
	link_frame_put(p + 16, f->dst_ip, 4);
	link_frame_put(p + 10, fold(sum16(0, p, 20)), 2);
	link_frame_put(p + 20, f->src_port, 2);
	link_frame_put(p + 22, f->dst_port, 2);
	link_frame_put(p + 24, udp, 2);
	/* Pseudo header, header, payload: RFC 768. */
	sum = fold(sum16(sum16(17u + udp, p + 12, 16), payload, len));
	link_frame_put(p + 26, sum != 0 ? sum : 0xffff, 2);
}

static size_t
packet(const uint8_t *data, size_t len, uint8_t *buf)
{
	struct link_frame f;
	size_t octets = len - LINK_FRAME_HEADER;

	if (!link_frame_decode(data, len, &f) || octets > 65535 - IP_UDP_HEADER)
		return 0;
	put_headers(buf, &f, data + LINK_FRAME_HEADER, octets);
	memcpy(buf + IP_UDP_HEADER, data + LINK_FRAME_HEADER, octets);
	return IP_UDP_HEADER + octets;
}

/* --- datagrams ---------------------------------------------------------------------- */

static int
find_ip(const struct link *l, uint32_t ip)
{
	for (int i = 0; i < l->nnodes; i++)
		if (l->nodes[i].ip == ip)
			return i;
	return -1;
}

/* The node behind an address; a new one joins, a known one may have moved. */
static int
know(struct link *l, uint32_t ip, const struct sockaddr_in *at)
{
	struct in_addr a = { .s_addr = htonl(ip) };
	int i = find_ip(l, ip);

	if (i < 0)
		i = mulelink_join(l, inet_ntoa(a));
	if (i < 0)
		return -1;
	l->nodes[i].ip = ip;
	l->nodes[i].at = *at;
	return i;
}

static void
on_data(struct link *l, const struct link_frame *f, int from, size_t len)
{
	bool multicast = f->dst_ip >> 28 == 0xe;
	int to = multicast ? -1 : find_ip(l, f->dst_ip);

	/* Sent to nobody it still occupies the air. */
	if (!multicast && to < 0)
		to = from;
	mulelink_send(l, from, to, len);
}

static void
on_datagram(struct link *l, const struct sockaddr_in *at, size_t len)
{
	struct link_frame f;
	int from;

	if (!link_frame_decode(l->buf, len, &f))
		return;
	from = know(l, f.src_ip, at);
	if (from < 0)
		return;
	switch (f.type) {
	case LINK_FRAME_HELLO:
		(void)!sendto(l->fd, l->buf, len, MSG_DONTWAIT,
		    (const struct sockaddr *)at, sizeof(*at));
		break;
	case LINK_FRAME_DATA: on_data(l, &f, from, len); break;
	case LINK_FRAME_BYE: break;
	}
}

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct link *l = p->data;
	struct sockaddr_in at;

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		socklen_t n = sizeof(at);
		ssize_t len = recvfrom(l->fd, l->buf, sizeof(l->buf),
		    MSG_DONTWAIT, (struct sockaddr *)&at, &n);

		if (len < 0)
			break;
		on_datagram(l, &at, (size_t)len);
	}
	/* A node that went away shows as an error, at which libuv stops. */
	if (status < 0)
		uv_poll_start(p, UV_READABLE, on_poll);
}

static void
deliver(struct link *l, int node, const uint8_t *data, size_t len)
{
	const struct sockaddr_in *at = &l->nodes[node].at;

	(void)!sendto(l->fd, data, len, MSG_DONTWAIT,
	    (const struct sockaddr *)at, sizeof(*at));
}

/* --- start and end -------------------------------------------------------------------- */

static bool
open_hub(struct link *l)
{
	struct sockaddr_in sin = l->cfg.listen;
	socklen_t len = sizeof(sin);
	const int size = SOCKET_BUFFER;

	l->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 ||
	    bind(l->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    getsockname(l->fd, (struct sockaddr *)&sin, &len) != 0) {
		perror("mulelink: listen");
		if (l->fd >= 0)
			close(l->fd);
		return false;
	}
	(void)!setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	uv_poll_init(&l->loop, &l->poll, l->fd);
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_poll);
	printf("mulelink: listening on %s:%u seed %" PRIu64 "\n",
	    inet_ntoa(sin.sin_addr), (unsigned)ntohs(sin.sin_port),
	    l->cfg.seed);
	return true;
}

static void
close_hub(struct link *l)
{
	uv_poll_stop(&l->poll);
	uv_close((uv_handle_t *)&l->poll, NULL);
	close(l->fd);
}

const struct mulelink_mode mulelink_hub = {
	.datalink = DLT_RAW,
	.wrapping = LINK_FRAME_HEADER,
	.overhead = IP_UDP_HEADER,
	.open = open_hub,
	.deliver = deliver,
	.packet = packet,
	.close = close_hub,
};

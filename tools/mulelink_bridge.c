/*
 * The bridge: each interface is a station's radio.  What comes in by one goes
 * over the channel and out by the others; with an interface in each of several
 * network namespaces' pairs it joins them.
 *
 * Linux leaves checksums to the interface, and large segments whole.  Each
 * frame therefore carries the kernel's note about that (PACKET_VNET_HDR) in
 * front of it, and the kernel gets it back when the frame is delivered.
 */
#include "tools/mulelink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOTE sizeof(struct virtio_net_hdr)
#define WRAPPING (NOTE + ETH_HLEN)
#define BATCH 64
#define SOCKET_BUFFER (4 * 1024 * 1024)

/* --- captures --------------------------------------------------------------------- */

/* What the kernel left to the interface: RFC 1071. */
static void
complete_checksum(uint8_t *frame, size_t len, const struct virtio_net_hdr *note)
{
	size_t start = note->csum_start, at = start + note->csum_offset;
	uint32_t sum = 0;

	if ((note->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) == 0 || at + 2 > len)
		return;
	/* The sum of the pseudo header is in the field already. */
	for (size_t i = start; i < len; i++)
		sum +=
		    (i - start) % 2 == 0 ? (uint32_t)frame[i] << 8 : frame[i];
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (sum == 0)
		sum = 0xffff;
	frame[at] = (uint8_t)(sum >> 8);
	frame[at + 1] = (uint8_t)sum;
}

static size_t
packet(const uint8_t *data, size_t len, uint8_t *buf)
{
	struct virtio_net_hdr note;

	memcpy(&note, data, NOTE);
	memcpy(buf, data + NOTE, len - NOTE);
	complete_checksum(buf, len - NOTE, &note);
	return len - NOTE;
}

/* --- frames ------------------------------------------------------------------------ */

/* Whom a frame is for: -1 unless a station has sent from that address. */
static int
receiver(const struct link *l, const uint8_t *frame)
{
	if (frame[0] & 1)
		return -1;
	for (int i = 0; i < l->nnodes; i++)
		if (memcmp(l->nodes[i].mac, frame, ETH_ALEN) == 0)
			return i;
	return -1;
}

static void
on_frames(uv_poll_t *p, int status, int events)
{
	struct link_node *n = p->data;
	struct link *l = n->link;
	const uint8_t *frame = l->buf + NOTE;

	(void)events;
	for (int i = 0; i < BATCH; i++) {
		ssize_t len = recv(n->fd, l->buf, sizeof(l->buf), MSG_DONTWAIT);

		if (len < 0)
			break;
		if (len < (ssize_t)WRAPPING)
			continue;
		memcpy(n->mac, frame + ETH_ALEN, ETH_ALEN);
		mulelink_send(
		    l, (int)(n - l->nodes), receiver(l, frame), (size_t)len);
	}
	/* An interface that goes down is an error; it may come up again. */
	if (status < 0)
		uv_poll_start(p, UV_READABLE, on_frames);
}

static void
deliver(struct link *l, int node, const uint8_t *data, size_t len)
{
	(void)!send(l->nodes[node].fd, data, len, MSG_DONTWAIT);
}

/* --- start and end -------------------------------------------------------------------- */

static bool
set_options(int fd, int ifindex)
{
	const int one = 1, size = SOCKET_BUFFER;
	const struct packet_mreq all = {
		.mr_ifindex = ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};

	(void)!setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	return setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ==
		   0 &&
	       setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
		   sizeof(one)) == 0 &&
	       setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all,
		   sizeof(all)) == 0;
}

/* A socket on the interface, or -1 with errno. */
static int
open_interface(const char *name)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	int fd, error;

	if (at.sll_ifindex == 0)
		return -1;
	/* Protocol 0: nothing comes in before it is bound. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (set_options(fd, at.sll_ifindex) &&
	    bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void
close_bridge(struct link *l)
{
	for (int i = 0; i < l->nnodes; i++) {
		uv_poll_stop(&l->nodes[i].poll);
		uv_close((uv_handle_t *)&l->nodes[i].poll, NULL);
		close(l->nodes[i].fd);
	}
}

static bool
open_bridge(struct link *l)
{
	for (unsigned i = 0; i < l->cfg.nbridge; i++) {
		const char *name = l->cfg.bridge[i];
		int fd = open_interface(name), node;
		struct link_node *n;

		if (fd < 0) {
			fprintf(stderr, "mulelink: %s: %s\n", name,
			    strerror(errno));
			close_bridge(l);
			return false;
		}
		node = mulelink_join(l, name);
		n = &l->nodes[node];
		n->fd = fd;
		n->link = l;
		uv_poll_init(&l->loop, &n->poll, fd);
		n->poll.data = n;
		uv_poll_start(&n->poll, UV_READABLE, on_frames);
	}
	printf("mulelink: bridging %u interfaces seed %" PRIu64 "\n",
	    l->cfg.nbridge, l->cfg.seed);
	return true;
}

const struct mulelink_mode mulelink_bridge = {
	.datalink = DLT_EN10MB,
	.wrapping = WRAPPING,
	.overhead = 0,
	.open = open_bridge,
	.deliver = deliver,
	.packet = packet,
	.close = close_bridge,
};

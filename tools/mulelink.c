/*
 * mulelink: a radio channel on loopback.
 *
 * Gateways with an `emulated` bearer send their datagrams here, wrapped as
 * gateway/link_frame.h says; tools/channel.h decides who hears what and when.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "gateway/link_frame.h"
#include "tools/channel.h"
#include "tools/mulelink_config.h"

#define DATAGRAM_MAX 65536
#define STATS_MS 1000
#define BATCH 256
#define SOCKET_BUFFER (4 * 1024 * 1024)
#define IP_UDP_HEADER 28

struct peer {
	uint32_t ip; /* emulated, host order */
	struct sockaddr_in at;
};

struct link {
	uv_loop_t loop;
	uv_poll_t poll;
	uv_timer_t timer, stats;
	uv_signal_t sigterm, sigint;
	int fd;
	struct mulelink_config cfg;
	struct channel *channel;
	struct peer peers[CHANNEL_NODES_MAX];
	int npeers;
	const char *stats_path;
	pcap_t *pcap;
	pcap_dumper_t *dump;
	bool verbose;
	uint8_t buf[DATAGRAM_MAX];
};

static uint64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- capture ----------------------------------------------------------------------- */

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

static void
capture(struct link *l, const struct link_frame *f, const uint8_t *payload,
    size_t len, uint64_t in_us)
{
	struct pcap_pkthdr h;
	struct timeval tv;
	uint8_t *packet;

	if (l->dump == NULL || len > 65535 - IP_UDP_HEADER)
		return;
	packet = malloc(IP_UDP_HEADER + len);
	if (packet == NULL)
		return;
	gettimeofday(&tv, NULL);
	in_us += (uint64_t)tv.tv_usec;
	h.ts.tv_sec = tv.tv_sec + (time_t)(in_us / 1000000);
	h.ts.tv_usec = (suseconds_t)(in_us % 1000000);
	h.caplen = h.len = (bpf_u_int32)(IP_UDP_HEADER + len);
	put_headers(packet, f, payload, len);
	memcpy(packet + IP_UDP_HEADER, payload, len);
	pcap_dump((u_char *)l->dump, &h, packet);
	free(packet);
}

/* --- the hub ------------------------------------------------------------------------- */

static void pump(struct link *l);

static void
on_timer(uv_timer_t *t)
{
	pump(t->data);
}

/* Deliver what has arrived, then sleep until the next does. */
static void
pump(struct link *l)
{
	uint64_t now = now_us(), at;
	uint8_t *data;
	size_t len;
	int node;

	while (channel_receive(l->channel, now, &node, &data, &len)) {
		(void)!sendto(l->fd, data, len, MSG_DONTWAIT,
		    (struct sockaddr *)&l->peers[node].at,
		    sizeof(l->peers[node].at));
		free(data);
	}
	at = channel_deadline(l->channel);
	if (at == CHANNEL_NEVER) {
		uv_timer_stop(&l->timer);
		return;
	}
	uv_update_time(&l->loop);
	uv_timer_start(
	    &l->timer, on_timer, at > now ? (at - now + 999) / 1000 : 0, 0);
}

static int
find_peer(const struct link *l, uint32_t ip)
{
	for (int i = 0; i < l->npeers; i++)
		if (l->peers[i].ip == ip)
			return i;
	return -1;
}

/* The node behind an address; a new one joins, a known one may have moved. */
static int
know_peer(struct link *l, uint32_t ip, const struct sockaddr_in *at)
{
	int i = find_peer(l, ip);

	if (i < 0) {
		i = channel_join(l->channel);
		if (i < 0)
			return -1;
		l->npeers = i + 1;
		l->peers[i].ip = ip;
		if (l->verbose)
			fprintf(stderr, "mulelink: node %u.%u.%u.%u joined\n",
			    ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
	}
	l->peers[i].at = *at;
	return i;
}

static void
on_data(struct link *l, const struct link_frame *f, int from, size_t len)
{
	bool multicast = f->dst_ip >> 28 == 0xe;
	int to = multicast ? -1 : find_peer(l, f->dst_ip);
	uint64_t now = now_us(), start;

	/* Sent to nobody it still occupies the air. */
	if (!multicast && to < 0)
		to = from;
	if (!channel_send(l->channel, now, from, to, l->buf, len, &start))
		return;
	capture(l, f, l->buf + LINK_FRAME_HEADER, len - LINK_FRAME_HEADER,
	    start - now);
	pump(l);
}

static void
on_datagram(struct link *l, const struct sockaddr_in *at, size_t len)
{
	struct link_frame f;
	int from;

	if (!link_frame_decode(l->buf, len, &f))
		return;
	from = know_peer(l, f.src_ip, at);
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

/* --- statistics --------------------------------------------------------------------------- */

static void
write_stats(const struct link *l, FILE *f)
{
	struct channel_node_stats n;
	struct channel_stats s;

	channel_stats(l->channel, &s);
	fprintf(f,
	    "{\"seed\":%" PRIu64 ",\"datagrams\":%" PRIu64
	    ",\"octets\":%" PRIu64 ",\"busy_s\":%.3f,\"nodes\":[",
	    l->cfg.channel.seed, s.datagrams, s.octets,
	    (double)s.busy_us / 1e6);
	for (int i = 0; i < l->npeers; i++) {
		struct in_addr a = { .s_addr = htonl(l->peers[i].ip) };

		channel_node_stats(l->channel, i, &n);
		fprintf(f,
		    "%s{\"node\":\"%s\",\"sent\":%" PRIu64
		    ",\"octets\":%" PRIu64 ",\"heard\":%" PRIu64
		    ",\"lost\":%" PRIu64 ",\"refused\":%" PRIu64 "}",
		    i > 0 ? "," : "", inet_ntoa(a), n.sent, n.sent_octets,
		    n.heard, n.lost, n.refused);
	}
	fputs("]}\n", f);
}

/* Written beside and renamed, so that a reader never sees half of it. */
static void
save_stats(const struct link *l)
{
	char tmp[4096];
	FILE *f;

	if (l->stats_path == NULL)
		return;
	snprintf(tmp, sizeof(tmp), "%s.tmp", l->stats_path);
	f = fopen(tmp, "w");
	if (f == NULL)
		return;
	write_stats(l, f);
	if (fclose(f) == 0)
		(void)!rename(tmp, l->stats_path);
	if (l->dump != NULL)
		pcap_dump_flush(l->dump);
}

static void
on_stats(uv_timer_t *t)
{
	save_stats(t->data);
}

/* --- start and end ---------------------------------------------------------------------------- */

static void
on_signal(uv_signal_t *s, int signum)
{
	(void)signum;
	uv_stop(s->loop);
}

static bool
open_socket(struct link *l)
{
	struct sockaddr_in sin = l->cfg.listen;
	socklen_t len = sizeof(sin);
	const int size = SOCKET_BUFFER;

	l->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l->fd < 0 ||
	    bind(l->fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    getsockname(l->fd, (struct sockaddr *)&sin, &len) != 0) {
		perror("mulelink: listen");
		return false;
	}
	(void)!setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	printf("mulelink: listening on %s:%u seed %" PRIu64 "\n",
	    inet_ntoa(sin.sin_addr), (unsigned)ntohs(sin.sin_port),
	    l->cfg.channel.seed);
	fflush(stdout);
	return true;
}

static bool
open_capture(struct link *l, const char *path)
{
	if (path == NULL)
		return true;
	l->pcap = pcap_open_dead(DLT_RAW, 65535);
	if (l->pcap != NULL)
		l->dump = pcap_dump_open(l->pcap, path);
	if (l->dump == NULL)
		fprintf(stderr, "mulelink: %s: %s\n", path,
		    l->pcap != NULL ? pcap_geterr(l->pcap) : "out of memory");
	return l->dump != NULL;
}

static void
close_all(struct link *l)
{
	save_stats(l);
	uv_close((uv_handle_t *)&l->poll, NULL);
	uv_close((uv_handle_t *)&l->timer, NULL);
	uv_close((uv_handle_t *)&l->stats, NULL);
	uv_close((uv_handle_t *)&l->sigterm, NULL);
	uv_close((uv_handle_t *)&l->sigint, NULL);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	uv_loop_close(&l->loop);
	close(l->fd);
	if (l->dump != NULL)
		pcap_dump_close(l->dump);
	if (l->pcap != NULL)
		pcap_close(l->pcap);
	channel_free(&l->channel);
}

static int
run(struct link *l)
{
	uv_loop_init(&l->loop);
	uv_poll_init(&l->loop, &l->poll, l->fd);
	uv_timer_init(&l->loop, &l->timer);
	uv_timer_init(&l->loop, &l->stats);
	uv_signal_init(&l->loop, &l->sigterm);
	uv_signal_init(&l->loop, &l->sigint);
	l->poll.data = l->timer.data = l->stats.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_poll);
	uv_timer_start(&l->stats, on_stats, STATS_MS, STATS_MS);
	uv_signal_start(&l->sigterm, on_signal, SIGTERM);
	uv_signal_start(&l->sigint, on_signal, SIGINT);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	if (l->verbose)
		write_stats(l, stderr);
	close_all(l);
	return 0;
}

static int
usage(FILE *to)
{
	fputs("usage: mulelink [-v] -c FILE [-p PCAP] [-s STATS]\n"
	      "  -c FILE   the channel, see mulelink(1)\n"
	      "  -p PCAP   write what is on the air there\n"
	      "  -s STATS  write counts there once a second, as JSON\n"
	      "  -v        say who joins, and counts at the end\n",
	    to);
	return to == stdout ? 0 : 2;
}

int
main(int argc, char **argv)
{
	static struct link l;
	const char *config = NULL, *pcap = NULL;
	int opt;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	while ((opt = getopt(argc, argv, "c:hp:s:v")) != -1) {
		switch (opt) {
		case 'c': config = optarg; break;
		case 'p': pcap = optarg; break;
		case 's': l.stats_path = optarg; break;
		case 'v': l.verbose = true; break;
		case 'h': return usage(stdout);
		default: return usage(stderr);
		}
	}
	if (config == NULL || optind != argc)
		return usage(stderr);
	if (!mulelink_config_load(config, &l.cfg))
		return 2;
	l.cfg.channel.wrapping = LINK_FRAME_HEADER;
	l.channel = channel_new(&l.cfg.channel);
	if (l.channel == NULL || !open_socket(&l) || !open_capture(&l, pcap))
		return 1;
	return run(&l);
}

/* Captures: one of what is on the air, one for each node of what it hears. */
#include "tools/mulelink.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>

struct recorder {
	const struct mulelink_mode *mode;
	pcap_t *pcap;
	pcap_dumper_t *air;
	const char *directory;
	pcap_dumper_t *heard[CHANNEL_NODES_MAX];
	uint8_t packet[MULELINK_DATAGRAM_MAX];
};

static pcap_dumper_t *
open_dump(struct recorder *r, const char *path)
{
	pcap_dumper_t *d = pcap_dump_open(r->pcap, path);

	if (d == NULL)
		fprintf(stderr, "mulelink: %s\n", pcap_geterr(r->pcap));
	return d;
}

struct recorder *
recorder_new(
    const struct mulelink_mode *mode, const char *air, const char *directory)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->mode = mode;
	r->directory = directory;
	r->pcap = pcap_open_dead(mode->datalink, MULELINK_DATAGRAM_MAX);
	if (r->pcap == NULL)
		fprintf(stderr, "mulelink: out of memory\n");
	else if (air != NULL)
		r->air = open_dump(r, air);
	if (r->pcap == NULL || (air != NULL && r->air == NULL)) {
		recorder_free(&r);
		return NULL;
	}
	if (directory == NULL || mkdir(directory, 0777) == 0 || errno == EEXIST)
		return r;
	fprintf(stderr, "mulelink: %s: %s\n", directory, strerror(errno));
	recorder_free(&r);
	return NULL;
}

void
recorder_free(struct recorder **rp)
{
	struct recorder *r = *rp;

	*rp = NULL;
	if (r == NULL)
		return;
	for (int i = 0; i < CHANNEL_NODES_MAX; i++)
		if (r->heard[i] != NULL)
			pcap_dump_close(r->heard[i]);
	if (r->air != NULL)
		pcap_dump_close(r->air);
	if (r->pcap != NULL)
		pcap_close(r->pcap);
	free(r);
}

/* The node's file, begun when it first hears something. */
static pcap_dumper_t *
heard_by(struct recorder *r, int node, const char *name)
{
	char path[4096];

	if (r->directory == NULL)
		return NULL;
	if (r->heard[node] == NULL) {
		snprintf(path, sizeof(path), "%s/%s.pcap", r->directory, name);
		r->heard[node] = open_dump(r, path);
		if (r->heard[node] == NULL)
			r->directory = NULL;
	}
	return r->heard[node];
}

void
recorder_write(struct recorder *r, const struct channel_event *ev,
    const char *name, uint64_t now_us)
{
	pcap_dumper_t *d = ev->node < 0 ? r->air : heard_by(r, ev->node, name);
	struct pcap_pkthdr h;
	struct timeval tv;
	int64_t us;

	if (d == NULL)
		return;
	gettimeofday(&tv, NULL);
	us = (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
	us += (int64_t)(ev->at_us - now_us);
	h.ts.tv_sec = (time_t)(us / 1000000);
	h.ts.tv_usec = (suseconds_t)(us % 1000000);
	h.caplen = h.len =
	    (bpf_u_int32)r->mode->packet(ev->data, ev->len, r->packet);
	pcap_dump((u_char *)d, &h, r->packet);
}

void
recorder_flush(struct recorder *r)
{
	if (r->air != NULL)
		pcap_dump_flush(r->air);
	for (int i = 0; i < CHANNEL_NODES_MAX; i++)
		if (r->heard[i] != NULL)
			pcap_dump_flush(r->heard[i]);
}

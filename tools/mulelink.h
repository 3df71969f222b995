/*
 * What the files of mulelink share.  The channel decides who hears what and
 * when; a mode, hub or bridge, is how datagrams get to it and from it.
 */
#ifndef MULETEER_TOOLS_MULELINK_H
#define MULETEER_TOOLS_MULELINK_H

#include <netinet/in.h>
#include <stdio.h>
#include <uv.h>

#include "tools/channel.h"
#include "tools/mulelink_config.h"

/* The longest datagram with what a mode puts in front. */
#define MULELINK_DATAGRAM_MAX 65600

struct link;
struct control;
struct recorder;

struct mulelink_mode {
	int datalink;      /* of captures: DLT_... */
	uint32_t wrapping; /* octets in front that are not on the air */
	uint32_t overhead; /* ...and on the air besides, unless configured */
	/* False after a line on standard error. */
	bool (*open)(struct link *l);
	void (*deliver)(
	    struct link *l, int node, const uint8_t *data, size_t len);
	/* As a packet for a capture, in buf of MULELINK_DATAGRAM_MAX. */
	size_t (*packet)(const uint8_t *data, size_t len, uint8_t *buf);
	void (*close)(struct link *l);
};

extern const struct mulelink_mode mulelink_hub, mulelink_bridge;

struct link_node {
	char name[MULELINK_NAME_MAX];
	uint32_t ip; /* hub: emulated, host order */
	struct sockaddr_in at;
	int fd; /* bridge */
	uv_poll_t poll;
	struct link *link;
	uint8_t mac[6]; /* ...the last that sent */
};

struct link {
	uv_loop_t loop;
	uv_timer_t timer, stats;
	uv_signal_t sigterm, sigint;
	struct mulelink_config cfg;
	const struct mulelink_mode *mode;
	struct channel *channel;
	struct link_node nodes[CHANNEL_NODES_MAX];
	int nnodes;
	uint64_t start_us;
	int fd; /* hub */
	uv_poll_t poll;
	const char *stats_path, *control_path;
	struct control *control;
	struct recorder *recorder;
	bool verbose;
	uint8_t buf[MULELINK_DATAGRAM_MAX];
};

/* --- mulelink.c --- */

uint64_t mulelink_now_us(void);

/* A node joins by this name; its number, or -1 when there are too many. */
int mulelink_join(struct link *l, const char *name);
int mulelink_find(const struct link *l, const char *name);

/* Give the channel the settings that it is to have from now on. */
void mulelink_apply(struct link *l);

/* A datagram from a node, in l->buf; see channel_send(). */
void mulelink_send(struct link *l, int from, int to, size_t len);

/* --- mulelink_stats.c: as JSON, without braces around. --- */

void mulelink_write_stats(const struct link *l, FILE *f);
/* Into the file of -s, if there is one. */
void mulelink_save_stats(const struct link *l);

/* --- mulelink_record.c --- */

/* NULL after a line on standard error.  Either path may be NULL. */
struct recorder *recorder_new(
    const struct mulelink_mode *mode, const char *air, const char *directory);
void recorder_free(struct recorder **r);
/* name is that of the node that heard it. */
void recorder_write(struct recorder *r, const struct channel_event *ev,
    const char *name, uint64_t now_us);
void recorder_flush(struct recorder *r);

/* --- mulelink_control.c, mulelink_command.c, mulelink_ctl.c --- */

struct control *control_new(struct link *l, const char *path);
void control_free(struct control **c); /* the loop has to run once more */

/* One command; the answer is one line of JSON. */
void mulelink_command(struct link *l, const char *line, FILE *answer);
extern const char mulelink_command_help[];

/* mulelink ctl: the exit status. */
int mulelink_ctl(int argc, char **argv);

#endif

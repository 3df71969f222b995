/*
 * mulecap replay: its options, and its two ways.
 */
#ifndef MULETEER_TOOLS_CAP_REPLAY_H
#define MULETEER_TOOLS_CAP_REPLAY_H

#include "tools/cap_feed.h"

#define CAP_MAPS_MAX 64

/* An ID, or a Message_ID, and what becomes of it. */
struct cap_map {
	uint32_t from, to;
};

struct cap_replay {
	/* Into the engine. */
	bool engine, lossless, all;
	const char *config, *link;
	double tolerance_s; /* < 0: not given */
	/* Onto a network. */
	const char *interface, *to;
	double speed; /* of time; 0: as fast as it goes */
	struct cap_map nodes[CAP_MAPS_MAX], msids[CAP_MAPS_MAX];
	size_t nnodes, nmsids;
};

extern struct cap_replay cap_replay_options;

int cap_replay(const struct cap_opts *o);
int cap_replay_engine(const struct cap_opts *o, const struct cap_replay *r);
int cap_replay_net(const struct cap_opts *o, const struct cap_replay *r);

#endif

/* The configuration of mulelink; the keys are those of mulelink(1). */
#ifndef MULETEER_TOOLS_MULELINK_CONFIG_H
#define MULETEER_TOOLS_MULELINK_CONFIG_H

#include <netinet/in.h>

#include "tools/mulelink_keys.h"

struct mulelink_fade {
	struct channel_fade fade;     /* start_us counts from the start */
	char node[MULELINK_NAME_MAX]; /* empty: all */
};

struct mulelink_config {
	struct sockaddr_in listen;
	char bridge[CHANNEL_NODES_MAX][MULELINK_NAME_MAX];
	unsigned nbridge; /* 0: a hub */
	uint64_t seed;
	bool overhead_given; /* else the mode has a default */
	struct mulelink_settings settings;
	struct mulelink_fade fades[CHANNEL_FADES_MAX];
	unsigned nfades;
};

/* False after one line on standard error: FILE:LINE: reason. */
bool mulelink_config_load(const char *path, struct mulelink_config *ret_cfg);

/* ADDRESS:PORT */
bool mulelink_parse_listen(const char *text, struct sockaddr_in *ret_sin);

/* A further interface to bridge.  False: not a name, twice, or too many. */
bool mulelink_add_bridge(struct mulelink_config *cfg, const char *name);

#endif

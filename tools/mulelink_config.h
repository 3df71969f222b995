/*
 * The configuration of mulelink: a small YAML file; mulelink(1) lists the keys.
 */
#ifndef MULETEER_TOOLS_MULELINK_CONFIG_H
#define MULETEER_TOOLS_MULELINK_CONFIG_H

#include <netinet/in.h>

#include "tools/channel.h"

struct mulelink_config {
	struct sockaddr_in listen;
	struct channel_config channel;
};

/*
 * Read and check the file; false with one line "FILE:LINE: reason" on standard
 * error.  A seed that is not given is taken from the system.
 */
bool mulelink_config_load(const char *path, struct mulelink_config *ret_cfg);

#endif

#include "tools/cap_replay.h"

#include <stdio.h>

struct cap_replay cap_replay_options = { .tolerance_s = -1, .speed = 1 };

int
cap_replay(const struct cap_opts *o)
{
	const struct cap_replay *r = &cap_replay_options;

	if (r->engine == (r->interface != NULL)) {
		(void)fputs("mulecap: replay needs either --engine or --onto\n",
		    stderr);
		return CAP_UNUSABLE;
	}
	return r->engine ? cap_replay_engine(o, r) : cap_replay_net(o, r);
}

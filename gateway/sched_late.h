/*
 * Mail that has waited too long: what has expired fails, and the sender of what
 * is late is told so.
 *
 * The scheduler owns a struct sched_late, sets gw, and looks now and then.
 */
#ifndef MULETEER_GATEWAY_SCHED_LATE_H
#define MULETEER_GATEWAY_SCHED_LATE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/gateway.h"

struct sched_late {
	struct gateway *gw;
	bool expiring, warning; /* a question is under way */
};

void sched_late_look(struct sched_late *l, int64_t now_s);

#endif

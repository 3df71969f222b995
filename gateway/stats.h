/*
 * What the gateway counts; shown by `mulectl status` and /metrics.  They only
 * grow, except the gauges.
 */
#ifndef MULETEER_GATEWAY_STATS_H
#define MULETEER_GATEWAY_STATS_H

#include <stdint.h>

struct stats {
	/* SMTP in. */
	uint64_t sessions;    /* since start */
	uint64_t sessions_in; /* gauge: open now */
	uint64_t accepted;    /* messages answered with 250 */
	uint64_t rejected;    /* replies that refuse, 4yz and 5yz */
	/* SMTP out, by recipient. */
	uint64_t sessions_out; /* gauge: open now */
	uint64_t delivered;
	uint64_t deferred;
	uint64_t failed;
	/* MULE, by recipient. */
	uint64_t relayed; /* acknowledged by the node */
	uint64_t gave_up; /* expired without acknowledgement */
	/* MULE in, by message. */
	uint64_t mule_in;
	uint64_t mule_not_ours; /* responsible for no recipient */
	uint64_t quarantined;
	uint64_t notified; /* delivery status notifications made */
};

#endif

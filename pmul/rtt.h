/*
 * How long Acks take, measured: from the end of a round, when its last PDU has
 * left the air, until one that the round asked responds.  It holds the way
 * there and back and the receivers' random delay.
 *
 * Smoothed with its mean deviation, as TCP does (RFC 6298); whoever takes
 * samples leaves out those that may answer an earlier round (Karn).
 */
#ifndef MULETEER_PMUL_RTT_H
#define MULETEER_PMUL_RTT_H

#include <stdint.h>

struct pmul_rtt {
	uint64_t smooth_us; /* 0: nothing measured yet */
	uint64_t deviation_us;
	/* The least measured lately: nothing but the way there and back, or
	 * not much more. */
	uint64_t least_us;
};

void pmul_rtt_sample(struct pmul_rtt *r, uint64_t us);

/*
 * By when nearly every Ack has come, within min_us and max_us; max_us as long
 * as nothing was measured.
 */
uint64_t pmul_rtt_bound(
    const struct pmul_rtt *r, uint64_t min_us, uint64_t max_us);

#endif

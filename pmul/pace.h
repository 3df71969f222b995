/*
 * Pacing: a token bucket that holds one PDU.
 *
 * The bucket fills at the bit rate of the link and is as deep as one PDU of
 * pdu_max with the octets of the layers below; a PDU leaves when the bucket is
 * full, in other words when the one before it has left the air.  So no queue
 * ever builds up in the modem, where an urgent PDU could not overtake it.
 *
 * The schedule is kept in exact fractions of a microsecond.  A caller who
 * comes at most PMUL_PACE_LATE_US after the schedule, because its timers are
 * coarse, does not lose that time; one who comes later finds a link that was
 * idle, and time spent idle cannot be made up for.
 */
#ifndef MULETEER_PMUL_PACE_H
#define MULETEER_PMUL_PACE_H

#include <stddef.h>
#include <stdint.h>

#include "pmul/pmul.h"

/* Event loops count milliseconds. */
#define PMUL_PACE_LATE_US 1000

struct pmul_pace {
	uint32_t bit_rate; /* 0: unpaced */
	uint32_t overhead_bytes;
	uint64_t free_us;  /* the air is free from here on... */
	uint64_t fraction; /* ...and bit_rate-ths of a microsecond more */
};

void pmul_pace_init(
    struct pmul_pace *p, uint32_t bit_rate, uint16_t overhead_bytes);

/* The earliest time at which the next PDU may leave. */
struct pmul_mono pmul_pace_next(const struct pmul_pace *p);

/* How long a PDU of len octets is on the air, at least. */
uint64_t pmul_pace_air_us(const struct pmul_pace *p, size_t len);

/* A PDU of len octets leaves at now. */
void pmul_pace_sent(struct pmul_pace *p, struct pmul_mono now, size_t len);

/* When the last PDU has left the air: now, if that was earlier. */
struct pmul_mono pmul_pace_end(const struct pmul_pace *p, struct pmul_mono now);

#endif

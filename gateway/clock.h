/*
 * The one place that reads a clock.
 *
 * A loop callback reads it once and passes the value down; nobody stores it
 * for later except as a deadline.
 */
#ifndef MULETEER_GATEWAY_CLOCK_H
#define MULETEER_GATEWAY_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "pmul/pmul.h"

/* Monotonic and wall time of this moment. */
struct pmul_clock clock_now(void);

/* The wall time alone, seconds since 1970. */
int64_t clock_wall_s(void);

/* Octets that clock_date() needs. */
#define CLOCK_DATE_MAX 40

/*
 * Wall time s as RFC 5322 writes it, in UTC: "Mon, 23 Nov 2026 13:00:00
 * +0000".  Returns buf.
 */
const char *clock_date(int64_t s, char buf[CLOCK_DATE_MAX]);

#endif

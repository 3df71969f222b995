/*
 * The log: one line per event on standard error, `event key=value ...`.
 *
 * Event names are an interface; doc/LOG-EVENTS.md lists each with its level,
 * its fields and what an operator does about it.  A line begins with <N>, the
 * priority that journald reads, unless standard error is a terminal.
 *
 * Levels: ERR someone must act; WARN degraded, heals itself; INFO one line per
 * message and stage; DEBUG off unless asked for.  No secrets, no bodies.
 */
#ifndef MULETEER_GATEWAY_LOG_H
#define MULETEER_GATEWAY_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pmul/pmul.h"

enum log_level {
	GW_LOG_ERR = 3,
	GW_LOG_WARN = 4,
	GW_LOG_INFO = 6,
	GW_LOG_DEBUG = 7,
};

/* Write lines of this level and above; GW_LOG_INFO at start. */
void log_set_level(enum log_level level);

/* Write one line.  Preserves errno. */
void log_event(enum log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Make octets from the network fit for a quoted log field: printable ASCII as
 * it is, `"` and `\` and everything else as \xHH; cut to cap with "...".
 * Returns buf.
 */
const char *log_vis(char *buf, size_t cap, const void *data, size_t len);

/*
 * Lets one line a second through for each struct, for lines that a peer can
 * cause; the caller logs its running total.
 */
struct log_limit {
	struct pmul_mono next;
};
bool log_allowed(struct log_limit *l, struct pmul_mono now);

#endif

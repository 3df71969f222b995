/*
 * Decisions about a message: pure functions of the configuration, the message
 * and the time, so that they can be tested alone.
 */
#ifndef MULETEER_GATEWAY_FLOW_H
#define MULETEER_GATEWAY_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/cfg.h"
#include "gateway/queue.h"
#include "smtp/param.h"

/* --- trace ------------------------------------------------------------------ */

#define FLOW_RECEIVED_MAX 1600

/* A Received field; RFC 5321 4.4. */
struct flow_trace {
	const char *from;    /* a domain or address literal */
	const char *comment; /* after from, without parentheses; "" for none */
	const char *by;      /* our name */
	const char *via;     /* "ACP142", or NULL */
	const char *with;    /* "ESMTP", "SMTP", or NULL */
	uint64_t id;
	const char *for_path; /* "<x@y>" if there is just one; or NULL */
	bool has_priority;    /* RFC 6710 4.4 */
	int priority;
	int64_t now_s;
};

/*
 * The field, folded and ending in CR LF, in buf; returns its length.  What came
 * from the network must have passed the SMTP grammar or flow_comment().
 */
size_t flow_received(const struct flow_trace *t, char buf[FLOW_RECEIVED_MAX]);

/* --- times -------------------------------------------------------------------- */

/*
 * When to try again after attempts failures: first * factor ^ attempts, at
 * most max, spread by +-jitter percent with random (any 32 bits).
 */
int64_t flow_retry_at(const struct cfg_smtp *cfg, uint32_t attempts,
    int64_t now_s, uint64_t random);

/*
 * Fill in priority, expires_at, warn_at, deliver_by, by_mode, by_trace of m from
 * the parameters of its from line and m->accepted_at.  DELIVERBY in mode R
 * bounds the expiry, in mode N it is when the sender is told (RFC 2852 4).
 */
void flow_set_times(const struct cfg *cfg, const struct smtp_mail_params *p,
    struct queue_message *m);

/* --- lines ---------------------------------------------------------------------- */

/* A command line with all its extensions fits. */
#define FLOW_LINE_MAX 4200

/*
 * The from line for the next hop: BY recomputed for now_s (RFC 2852 4: as late
 * as possible; never below 1 second in mode R), MT-PRIORITY present (RFC 6758
 * 3.2), SIZE left to the client, what the network has not agreed to left out
 * (agreed: set of enum mule_agreed; SMTP sorts that out for itself).  false: it
 * does not fit.
 */
bool flow_from_line(const char *from_line, int priority, int64_t deliver_by,
    char by_mode, bool by_trace, int64_t now_s, unsigned agreed,
    char buf[FLOW_LINE_MAX]);

/* The line of a recipient for a network with those agreements. */
bool flow_rcpt_line(
    const char *rcpt_line, unsigned agreed, char buf[FLOW_LINE_MAX]);

/*
 * The line of a recipient that goes to path "<bob@c.example>" instead: its old
 * address becomes ORCPT if it has none (RFC 3461 5.2.1 c), unless it is not
 * ASCII or too long for that.  false: it does not fit, or is no recipient.
 */
bool flow_redirect_line(
    const char *rcpt_line, const char *path, char buf[FLOW_LINE_MAX]);

/* --- who gets a notification -------------------------------------------------------- */

/* What can be reported of a recipient, RFC 3464 2.3.3. */
enum flow_report {
	FLOW_REPORT_FAILED,
	FLOW_REPORT_DELAYED,
	FLOW_REPORT_RELAYED,
};

/* How the message went on, for FLOW_REPORT_RELAYED. */
struct flow_passed {
	unsigned dropped; /* set of enum smtp_ext the next hop does not have */
	char by_mode;     /* DELIVERBY: 'N', 'R', or 0 */
	bool by_trace;
};

/*
 * Whether the sender asked for that report about the recipient: NOTIFY (RFC
 * 3461 5.2 and 6.1), and DELIVERBY's own rules for "relayed" (RFC 2852 5).
 * Never to the null reverse-path.  passed may be NULL unless RELAYED.
 */
bool flow_notify(enum flow_report what, const char *from_line,
    const char *rcpt_line, const struct flow_passed *passed);

#endif

/*
 * The text of a delivery status notification: RFC 3464 inside RFC 6522, with
 * what RFC 3461 6 asks of the fields.  A pure function from facts to octets;
 * dates, identifiers and boundaries are the caller's.
 *
 * Nothing in it can break out of its place: a CR, LF, NUL or other control
 * octet in a given string becomes a blank.  The report itself is US-ASCII:
 * addresses that are not appear in the 7-bit form of RFC 6533 3 there, and as
 * they are in the text for people; other strings lose what is not US-ASCII.
 */
#ifndef MULETEER_MULE_DSN_H
#define MULETEER_MULE_DSN_H

#include <stdbool.h>

#include "mule/mule.h"
#include "smtp/smtp.h"

enum mule_dsn_action {
	MULE_DSN_FAILED,
	MULE_DSN_DELAYED,
	MULE_DSN_DELIVERED,
	MULE_DSN_RELAYED,
	MULE_DSN_EXPANDED,
};

/* Strings that are "" give no field. */
struct mule_dsn_rcpt {
	const char *orcpt_type; /* "rfc822", "utf-8" */
	const char *orcpt;      /* decoded from xtext */
	const char *final;      /* address without brackets */
	enum mule_dsn_action action;
	const char *status;          /* "5.1.1" */
	const char *remote_type;     /* "dns"; "X-MULE": a node */
	const char *remote;          /* name of the next hop */
	const char *diagnostic_type; /* "smtp": a reply; else "X-..." */
	const char *diagnostic;      /* its words */
	const char *last_attempt;    /* RFC 5322 date */
	const char *will_retry;      /* RFC 5322 date; only for DELAYED */
};

struct mule_dsn {
	const char *hostname;   /* Reporting-MTA */
	const char *to;         /* the sender, without brackets */
	const char *date;       /* RFC 5322 */
	const char *message_id; /* without brackets */
	const char *boundary;
	const char *envid;       /* decoded from xtext */
	const char *arrival;     /* RFC 5322 date */
	const char *deliver_by;  /* RFC 5322 date */
	const char *explanation; /* further lines for people, LF between */
	const struct mule_dsn_rcpt *rcpts;
	size_t nrcpts;
	/* The original: all of it (full), or its header section. */
	const void *original;
	size_t original_len;
	bool full;
	bool utf8; /* it came with SMTPUTF8: its header section may need it */
};

/*
 * The whole message in a new block, the caller's to free(); *ret_8bit says that
 * it has 8-bit octets, so that the envelope needs BODY=8BITMIME.  MULE_ENOMEM.
 */
int mule_dsn_write(const struct mule_dsn *dsn, char **ret_text, size_t *ret_len,
    bool *ret_8bit) MULE_NODISCARD;

/*
 * Whether it can go by DATA as it is: CR and LF only together, no NUL, no line
 * over 998 octets (RFC 5321 4.5.3.1.6).
 */
bool mule_is_text(const void *message, size_t len);

/* Length of the header section of a message, its empty line not included. */
size_t mule_header_len(const void *message, size_t len);

/* Fields with that name (without colon) in the header section. */
size_t mule_header_count(const void *message, size_t len, const char *name);

/*
 * Whether a Delivered-To field says that the message has been at that mailbox
 * before: it goes round in circles.
 */
bool mule_delivered_to(
    const void *message, size_t len, struct smtp_str mailbox);

#endif

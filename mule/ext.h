/*
 * Which SMTP extensions a MULE network carries: RFC 8494 table 1, and what the
 * RFC's guidelines give for the ones that came later or are not in it.  One
 * table, read by EHLO, the payload writer, the relay and the client.
 */
#ifndef MULETEER_MULE_EXT_H
#define MULETEER_MULE_EXT_H

#include <stdbool.h>
#include <stddef.h>

#include "smtp/smtp.h"

enum mule_ext_status {
	MULE_EXT_REQUIRED,   /* relays and both gateways */
	MULE_EXT_SPECIAL,    /* see the note of the row */
	MULE_EXT_SUPPORTED,  /* by agreement of the network */
	MULE_EXT_NA,         /* does not touch MAIL and RCPT */
	MULE_EXT_DISALLOWED, /* incompatible with multicast */
};

/*
 * What the operators of a network have agreed to carry, of all that the table
 * leaves to them; a set.
 */
enum mule_agreed {
	MULE_AGREED_AUTH = 1,
	MULE_AGREED_RRVS = 2,
	MULE_AGREED_SUBMITTER = 4,
	MULE_AGREED_SMTPUTF8 = 8,
	MULE_AGREED_MTRK = 16,
	MULE_AGREED_ALL = 31,
};

struct mule_ext {
	const char *keyword; /* as in EHLO */
	enum mule_ext_status status;
	const char *reference;
	const char *mail_params; /* its parameters of MAIL, blank between */
	const char *rcpt_params; /* ...and of RCPT */
	bool in_table; /* a row of the RFC's table 1, not one of ours */
	const char *note;
	unsigned agreed; /* the agreement it takes; 0: none */
};

extern const struct mule_ext mule_exts[];
extern const size_t mule_next;

/* The extension with that EHLO keyword, in any case; NULL if unknown. */
const struct mule_ext *mule_ext_find(struct smtp_str keyword);

/* The extension that owns a parameter of MAIL (rcpt false) or RCPT, or NULL. */
const struct mule_ext *mule_ext_of_param(struct smtp_str param, bool rcpt);

/*
 * Whether a parameter may stand in a FROM-line or RCPT-line that we write, in a
 * network with those agreements (set of enum mule_agreed).  Unknown ones may: a
 * relay carries them through (RFC 8494 section 5).
 */
bool mule_param_travels(struct smtp_str param, bool rcpt, unsigned agreed);

#endif

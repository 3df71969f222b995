/*
 * The commands of a server session: one table that drives the parser, the
 * check of the order, HELP, and the tests.
 */
#ifndef MULETEER_SMTP_CMD_H
#define MULETEER_SMTP_CMD_H

#include "smtp/smtp.h"

/* Where a session is; also the bits of smtp_cmd.allowed. */
enum smtp_state {
	SMTP_STATE_START = 1,    /* no EHLO yet */
	SMTP_STATE_READY = 2,    /* between transactions */
	SMTP_STATE_MAIL = 4,     /* MAIL accepted */
	SMTP_STATE_RCPT = 8,     /* at least one recipient accepted */
	SMTP_STATE_DATA = 16,    /* octets are content of DATA */
	SMTP_STATE_CHUNK = 32,   /* octets are content of BDAT */
	SMTP_STATE_CHUNKED = 64, /* between the chunks of a message */
	SMTP_STATE_SPOILT = 128, /* only RSET helps (RFC 3030 2) */
	SMTP_STATE_CLOSED = 256,
	SMTP_STATE_TLS = 512,   /* until smtp_server_secured() */
	SMTP_STATE_AUTH = 1024, /* a line is the answer to a challenge */
};

enum smtp_verb {
	SMTP_EHLO,
	SMTP_HELO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA_CMD,
	SMTP_BDAT,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_VRFY,
	SMTP_HELP,
	SMTP_EXPN,
	SMTP_ETRN,
	SMTP_TURN,
	SMTP_STARTTLS_CMD,
	SMTP_AUTH_CMD,
};

enum smtp_arg {
	SMTP_ARG_NONE, /* anything after the verb is a syntax error */
	SMTP_ARG_REQUIRED,
	SMTP_ARG_OPTIONAL,
};

struct smtp_cmd {
	enum smtp_verb verb;
	const char *name;
	enum smtp_arg arg;
	unsigned allowed;   /* states; elsewhere 503 */
	unsigned extension; /* must be offered; else 502 */
	bool implemented;   /* else 502 */
};

extern const struct smtp_cmd smtp_cmds[];
extern const size_t smtp_ncmds;

/* The command at the start of a line, and its argument; NULL if unknown. */
const struct smtp_cmd *smtp_cmd_find(
    struct smtp_str line, struct smtp_str *ret_arg);

#endif

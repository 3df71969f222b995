#include "smtp/cmd.h"

#include <string.h>

#define ANY \
	(SMTP_STATE_START | SMTP_STATE_READY | SMTP_STATE_MAIL | \
	    SMTP_STATE_RCPT | SMTP_STATE_CHUNKED | SMTP_STATE_SPOILT)
#define GREETED (ANY & ~(unsigned)SMTP_STATE_START)

const struct smtp_cmd smtp_cmds[] = {
	{ SMTP_EHLO, "EHLO", SMTP_ARG_REQUIRED, ANY, 0, true },
	{ SMTP_HELO, "HELO", SMTP_ARG_REQUIRED, ANY, 0, true },
	{ SMTP_MAIL, "MAIL", SMTP_ARG_REQUIRED, SMTP_STATE_READY, 0, true },
	{ SMTP_RCPT, "RCPT", SMTP_ARG_REQUIRED,
	    SMTP_STATE_MAIL | SMTP_STATE_RCPT, 0, true },
	{ SMTP_DATA_CMD, "DATA", SMTP_ARG_NONE,
	    SMTP_STATE_MAIL | SMTP_STATE_RCPT, 0, true },
	/* Its octets follow in any state and have to be swallowed: the
	 * handler checks the order itself. */
	{ SMTP_BDAT, "BDAT", SMTP_ARG_REQUIRED, ANY, SMTP_EXT_CHUNKING, true },
	{ SMTP_RSET, "RSET", SMTP_ARG_NONE, ANY, 0, true },
	{ SMTP_NOOP, "NOOP", SMTP_ARG_OPTIONAL, ANY, 0, true },
	{ SMTP_QUIT, "QUIT", SMTP_ARG_NONE, ANY, 0, true },
	{ SMTP_VRFY, "VRFY", SMTP_ARG_REQUIRED, GREETED, 0, true },
	{ SMTP_HELP, "HELP", SMTP_ARG_OPTIONAL, ANY, 0, true },
	{ SMTP_EXPN, "EXPN", SMTP_ARG_OPTIONAL, ANY, 0, false },
	{ SMTP_ETRN, "ETRN", SMTP_ARG_OPTIONAL, ANY, 0, false },
	{ SMTP_TURN, "TURN", SMTP_ARG_OPTIONAL, ANY, 0, false },
	/* RFC 3207 4, RFC 4954 4: not within a transaction. */
	{ SMTP_STARTTLS_CMD, "STARTTLS", SMTP_ARG_NONE, SMTP_STATE_READY,
	    SMTP_EXT_STARTTLS, true },
	{ SMTP_AUTH_CMD, "AUTH", SMTP_ARG_REQUIRED, SMTP_STATE_READY,
	    SMTP_EXT_AUTH, true },
};

const size_t smtp_ncmds = sizeof(smtp_cmds) / sizeof(smtp_cmds[0]);

const struct smtp_cmd *
smtp_cmd_find(struct smtp_str line, struct smtp_str *ret_arg)
{
	struct smtp_str verb = { line.p, 0 };

	while (verb.len < line.len && line.p[verb.len] != ' ')
		verb.len++;
	for (size_t i = 0; i < smtp_ncmds; i++) {
		if (!smtp_str_is(verb, smtp_cmds[i].name))
			continue;
		ret_arg->p = line.p + verb.len;
		ret_arg->len = line.len - verb.len;
		if (ret_arg->len > 0) {
			ret_arg->p++;
			ret_arg->len--;
		}
		/* Blanks at the end are common and harmless. */
		while (ret_arg->len > 0 && ret_arg->p[ret_arg->len - 1] == ' ')
			ret_arg->len--;
		return &smtp_cmds[i];
	}
	return NULL;
}

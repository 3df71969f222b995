/*
 * libsmtp: SMTP (RFC 5321 and extensions) without sockets and without a clock.
 *
 * The parts, from the bottom up:
 *	smtp/line.h    where a line ends: CR LF, and nothing else
 *	smtp/data.h    the content of DATA: dots in, dots out
 *	smtp/path.h    reverse-path and forward-path
 *	smtp/param.h   the parameters of MAIL and RCPT
 *	smtp/reply.h   replies and the list of extensions
 *	smtp/server.h  a session that receives mail
 *	smtp/client.h  a session that sends mail
 *
 * A *line* in the whole product is "<path>[ SP parameters]", the argument of
 * MAIL FROM: or RCPT TO:; the same text is MULE's FROM-line or RCPT-line.
 */
#ifndef MULETEER_SMTP_SMTP_H
#define MULETEER_SMTP_SMTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SMTP_NODISCARD __attribute__((warn_unused_result))

enum smtp_err {
	SMTP_OK = 0,
	SMTP_ENOMEM = -1101,
	SMTP_ESYNTAX = -1102,    /* not what the grammar says */
	SMTP_ETOOLONG = -1103,   /* longer than a limit below */
	SMTP_EBARE = -1104,      /* a CR or LF that is not part of CR LF */
	SMTP_ENUL = -1105,       /* a NUL where text was expected */
	SMTP_EDUPLICATE = -1106, /* a parameter given twice */
	SMTP_EUNKNOWN = -1107,   /* a parameter nobody knows */
	SMTP_ESTATE = -1108,     /* the caller's mistake: not now */
	SMTP_ECLOSED = -1109,    /* the session is over */
	SMTP_EMIME = -1110,      /* content that cannot be converted */
};

/* English for an error code above; a static string, never NULL. */
const char *smtp_strerror(int err);

/* Characters borrowed from a longer text; not NUL-terminated. */
struct smtp_str {
	const char *p;
	size_t len;
};

/* Equal as ASCII without regard to case. */
bool smtp_str_is(struct smtp_str s, const char *text);
bool smtp_str_same(struct smtp_str a, struct smtp_str b);

/*
 * Extensions as a set: what a server offers, or was seen to offer.  The names
 * and what MULE makes of each are in mule/ext.h; here is only what a session
 * has to know.
 */
enum smtp_ext {
	SMTP_EXT_PIPELINING = 1 << 0,
	SMTP_EXT_SIZE = 1 << 1,
	SMTP_EXT_8BITMIME = 1 << 2,
	SMTP_EXT_BINARYMIME = 1 << 3,
	SMTP_EXT_CHUNKING = 1 << 4,
	SMTP_EXT_DSN = 1 << 5,
	SMTP_EXT_MT_PRIORITY = 1 << 6,
	SMTP_EXT_DELIVERBY = 1 << 7,
	SMTP_EXT_ENHANCEDSTATUSCODES = 1 << 8,
	SMTP_EXT_SMTPUTF8 = 1 << 9,
	SMTP_EXT_RRVS = 1 << 10,
	SMTP_EXT_SUBMITTER = 1 << 11,
	SMTP_EXT_AUTH = 1 << 12,
	SMTP_EXT_STARTTLS = 1 << 13,
	SMTP_EXT_LIMITS = 1 << 14,
	SMTP_EXT_FUTURERELEASE = 1 << 15,
};

/* RFC 5321 4.5.3.1: what everybody must be able to take. */
#define SMTP_LOCAL_MAX 64
#define SMTP_DOMAIN_MAX 255
#define SMTP_PATH_MAX 256
#define SMTP_REPLY_LINE_MAX 512
#define SMTP_TEXT_LINE_MAX 1000 /* CR LF included */

/*
 * A command line with every extension's parameters: RFC 5321 4.5.3.1.4 plus
 * what each extension adds comes to about 2300; RFC 8494 payload lines have
 * the same limit here.  CR LF included.
 */
#define SMTP_LINE_MAX 4096

#endif

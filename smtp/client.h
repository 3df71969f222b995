/*
 * An SMTP client session: bytes in, bytes out, events.  No socket, no clock.
 * One connection carries one message after another.
 *
 * The caller feeds what arrives to smtp_client_input() until it takes no more,
 * fetches the events, acts on them, writes the output, and feeds the rest:
 *
 *	READY    -> smtp_client_send() or smtp_client_quit(), now or later
 *	RCPT     <- one recipient was refused
 *	CONTENT  -> smtp_client_content() with the next piece, or
 *		    smtp_client_abort(), now or later
 *	DONE     <- the message has come to its end: what the reply says goes
 *		    for every recipient that had no RCPT event
 *	CLOSED   -> close the connection; comes last, and only once
 *
 * Every message that smtp_client_send() took gets exactly one DONE, also when
 * the connection breaks.  No DONE comes while a CONTENT is unanswered, unless
 * CLOSED comes with it; then nobody waits for the content any more.  After
 * CLOSED there is no output.
 *
 * The session speaks the extensions that the server offers and the caller
 * wants.  With PIPELINING the whole envelope and DATA go out in one group.
 * With CHUNKING each piece of content is one BDAT chunk, and so may hold
 * anything if the message has BODY=BINARYMIME.  DATA never carries a CR or LF
 * that is not part of CR LF (SMTP smuggling): a message that turns out to have
 * one ends with a local 554 5.6.0, and, because the server must not see an end
 * of data, so does the connection.
 *
 * Replies are read as strictly as smtp/reply.h says.  A reply nobody asked
 * for ends the session: the next one would be taken for the answer to
 * something else.
 */
#ifndef MULETEER_SMTP_CLIENT_H
#define MULETEER_SMTP_CLIENT_H

#include "smtp/param.h"
#include "smtp/reply.h"
#include "smtp/smtp.h"

/* The most that one smtp_client_content() may bring. */
#define SMTP_CLIENT_CONTENT_MAX 32768

enum smtp_client_tls {
	SMTP_CLIENT_TLS_NEVER,
	SMTP_CLIENT_TLS_MAY,  /* STARTTLS where it is offered */
	SMTP_CLIENT_TLS_MUST, /* no mail in the clear */
};

struct smtp_client_config {
	const char *hostname; /* EHLO's argument */
	unsigned extensions;  /* used where offered: set of enum smtp_ext */
	enum smtp_client_tls tls;
};

struct smtp_client_message {
	struct smtp_str from_line; /* "<path>[ SP params]" */
	const struct smtp_str *rcpt_lines;
	size_t nrcpts;  /* at least 1 */
	uint64_t size;  /* octets of content, exactly */
	bool seven_bit; /* the content is known to have no octet over 127 */
	/* What the content is now, if it was converted; NONE: as FROM-line
	 * says. */
	enum smtp_body converted;
};

enum smtp_client_event_type {
	SMTP_CLIENT_READY,
	SMTP_CLIENT_RCPT,
	SMTP_CLIENT_CONTENT,
	SMTP_CLIENT_DONE,
	SMTP_CLIENT_CLOSED,
	/*
	 * The server is ready for TLS: throw away what came in, do the
	 * handshake, and call smtp_client_secured(), or smtp_client_abort() if
	 * it fails.
	 */
	SMTP_CLIENT_STARTTLS,
};

struct smtp_client_event {
	enum smtp_client_event_type type;
	size_t rcpt; /* RCPT: which */
	/*
	 * RCPT, DONE, CLOSED: what the server said, or, when local is set, what
	 * it would have said had it known what we know.  A CLOSED without an
	 * error has code 221.  A local RCPT with 452 4.5.3 is over the server's
	 * LIMITS RCPTMAX: it goes with the next transaction.
	 */
	struct smtp_reply reply;
	bool local;
	/*
	 * Another try may succeed: any 4xx, and a 552 for a recipient, which
	 * RFC 5321 4.5.3.1.10 has mean "too many recipients".
	 */
	bool temporary;
	/*
	 * DONE: extensions (enum smtp_ext) whose parameters were given and had
	 * to be dropped, because the server does not offer them.  With DSN or
	 * DELIVERBY among them, what was accepted there was "relayed": RFC 3461
	 * 5.2.2, RFC 2852 ask for a notification.
	 */
	unsigned dropped;
};

struct smtp_client;

/* *cfg is borrowed for the life of the session.  SMTP_ENOMEM. */
int smtp_client_new(const struct smtp_client_config *cfg,
    struct smtp_client **ret_c) SMTP_NODISCARD;
void smtp_client_free(struct smtp_client **c);

/* False while events wait to be fetched, or the session is over. */
bool smtp_client_wants_input(const struct smtp_client *c);
/* Takes octets from buf, at most len; returns how many. */
size_t smtp_client_input(struct smtp_client *c, const char *buf, size_t len);

bool smtp_client_next_event(
    struct smtp_client *c, struct smtp_client_event *ret_ev);
bool smtp_client_has_event(const struct smtp_client *c);

/*
 * What is to be written: *ret_len octets, until the next call for the session.
 * smtp_client_output_sent() follows at once, with how many of them were taken.
 */
const char *smtp_client_output(const struct smtp_client *c, size_t *ret_len);
void smtp_client_output_sent(struct smtp_client *c, size_t n);

/*
 * Begin a message, after READY.  *m and what it points to is borrowed until
 * DONE.  SMTP_ENOMEM; SMTP_ESTATE when no message can be begun now;
 * SMTP_ECLOSED.  Then there is no DONE.
 */
int smtp_client_send(
    struct smtp_client *c, const struct smtp_client_message *m) SMTP_NODISCARD;

/*
 * What content the server takes, by what it has offered: BINARYMIME (with
 * CHUNKING), 8BITMIME, or 7BIT.
 */
enum smtp_body smtp_client_takes(const struct smtp_client *c);

/*
 * The next piece of content, after CONTENT: 1 to SMTP_CLIENT_CONTENT_MAX
 * octets, size octets in all.  The server may have refused the message in the
 * meantime; the piece is then dropped, and DONE is next.  SMTP_ESTATE, also for
 * more than was announced; SMTP_ECLOSED.
 */
int smtp_client_content(
    struct smtp_client *c, const char *buf, size_t len) SMTP_NODISCARD;

/*
 * TLS is in use from here on: after SMTP_CLIENT_STARTTLS, or from the very
 * beginning.
 */
void smtp_client_secured(struct smtp_client *c);

/* The content cannot be read any further: breaks the connection. */
void smtp_client_abort(struct smtp_client *c, const char *why);

/* Say QUIT, once the message under way is done. */
void smtp_client_quit(struct smtp_client *c);

/* The connection is gone, or took too long: what counts for DONE. */
void smtp_client_eof(struct smtp_client *c);
void smtp_client_timeout(struct smtp_client *c);

/* How long to wait for the server's next move: RFC 5321 4.5.3.2. */
unsigned smtp_client_timeout_s(const struct smtp_client *c);

/* What the server offers and the caller wants; from the first READY on. */
const struct smtp_caps *smtp_client_caps(const struct smtp_client *c);

#endif

/*
 * An SMTP server session: bytes in, bytes out, events.  No socket, no clock.
 *
 * The caller feeds what arrives to smtp_server_input(), which takes octets
 * until there is an event or an answer is awaited; then fetches the events,
 * answers those that ask for it, writes the output, and feeds the rest:
 *
 *	while (len > 0 && smtp_server_wants_input(s)) {
 *		n = smtp_server_input(s, p, len);
 *		while (smtp_server_next_event(s, &ev))
 *			...
 *		p += n, len -= n;
 *	}
 *
 * Not feeding is back-pressure: the session stores nothing but one line.  The
 * session speaks the extensions that its configuration offers and refuses the
 * parameters of all others (RFC 5321 2.2.1).
 */
#ifndef MULETEER_SMTP_SERVER_H
#define MULETEER_SMTP_SERVER_H

#include "smtp/param.h"
#include "smtp/smtp.h"

struct smtp_server_config {
	const char *hostname;        /* in the greeting and in EHLO's answer */
	unsigned extensions;         /* offered: set of enum smtp_ext */
	uint64_t size_max;           /* octets of content; 0: no limit */
	const char *priority_policy; /* MT-PRIORITY's name, or NULL */
	int64_t by_min;              /* DELIVERBY's min-by-time, s; 0: none */
	unsigned rcpts_max;          /* RCPT commands that may succeed; LIMITS
				      * tells the client */
	unsigned commands_max;       /* in a session, then 421 */
	unsigned errors_max;         /* 5xx answers in a session, then 421 */
	const char *auth_mechanisms; /* AUTH: names with a space between */
	/* FUTURERELEASE: its two values, read whenever EHLO is answered; that
	 * they are kept is the caller's business. */
	const char *future_release;
	bool tls_required;  /* no MAIL before TLS */
	bool auth_required; /* no MAIL before AUTH */
};

enum smtp_server_event_type {
	SMTP_SERVER_MAIL,    /* answer with smtp_server_reply() */
	SMTP_SERVER_RCPT,    /* answer with smtp_server_reply() */
	SMTP_SERVER_BEGIN,   /* the content begins; no answer */
	SMTP_SERVER_CONTENT, /* a piece of content; no answer */
	SMTP_SERVER_MESSAGE, /* all of it: answer with smtp_server_reply() */
	SMTP_SERVER_ABORT,   /* forget the transaction; no answer */
	SMTP_SERVER_CLOSE,   /* write the output, then close */
	/*
	 * Write the output, throw away what came in, go on under TLS, and call
	 * smtp_server_secured(); close the connection if that fails.
	 */
	SMTP_SERVER_STARTTLS,
	/*
	 * A step of AUTH: answer with smtp_server_challenge(), or with
	 * smtp_server_reply() and 235 or what RFC 4954 has for the failure.
	 */
	SMTP_SERVER_AUTH,
};

/* Everything in it is valid until the next call for the session. */
struct smtp_server_event {
	enum smtp_server_event_type type;
	struct smtp_str line;  /* MAIL, RCPT: "<path>[ SP params]" */
	struct smtp_path path; /* ...and its parts */
	struct smtp_mail_params mail;
	struct smtp_rcpt_params rcpt;
	struct smtp_str content;
	struct smtp_str mechanism; /* AUTH: in the first step, else empty */
	struct smtp_str text;      /* AUTH: base64 as received, perhaps "=" */
	bool has_text;             /* AUTH: there is a text */
};

struct smtp_server;

/*
 * A session with its greeting in the output.  *cfg is borrowed for the life of
 * the session.  SMTP_ENOMEM.
 */
int smtp_server_new(const struct smtp_server_config *cfg,
    struct smtp_server **ret_s) SMTP_NODISCARD;
void smtp_server_free(struct smtp_server **s);

/*
 * False while events are waiting, an answer is owed, the output is full, or the
 * session is over.
 */
bool smtp_server_wants_input(const struct smtp_server *s);

/* Takes octets from buf, at most len; returns how many. */
size_t smtp_server_input(struct smtp_server *s, const char *buf, size_t len);

bool smtp_server_next_event(
    struct smtp_server *s, struct smtp_server_event *ret_ev);

/*
 * The answer to the oldest MAIL, RCPT or MESSAGE that has none: a 2xx code
 * accepts, 4xx and 5xx refuse, 421 also ends the session.  status is an
 * enhanced status code ("2.1.5"), text one line of printable ASCII.
 */
void smtp_server_reply(
    struct smtp_server *s, int code, const char *status, const char *text);

/* The answer to AUTH that asks for one more step; base64 without line end. */
void smtp_server_challenge(struct smtp_server *s, const char *base64);

/*
 * TLS is in use from here on: after SMTP_SERVER_STARTTLS, or from the very
 * beginning.
 */
void smtp_server_secured(struct smtp_server *s);

/*
 * During the content: it cannot be taken.  The rest is swallowed and answered
 * with this; there will be an ABORT and no MESSAGE.
 */
void smtp_server_refuse_content(
    struct smtp_server *s, int code, const char *status, const char *text);

/* What is to be written: *ret_len octets, until the next call. */
const char *smtp_server_output(const struct smtp_server *s, size_t *ret_len);
void smtp_server_output_sent(struct smtp_server *s, size_t n);

/*
 * The client kept us waiting (421 4.4.2), we are going down (421 4.3.2), there
 * are too many sessions (421 4.7.0, in place of the greeting).
 */
void smtp_server_timeout(struct smtp_server *s);
void smtp_server_busy(struct smtp_server *s);
/* The client did not wait for the greeting: 554 5.5.1 in its place. */
void smtp_server_early(struct smtp_server *s);
void smtp_server_shutdown(struct smtp_server *s);
/* The connection is gone. */
void smtp_server_eof(struct smtp_server *s);

/*
 * Grows with every whole command and every octet of content.  The times of RFC
 * 5321 4.5.3.2 are for these: a command that comes octet by octet has no more.
 */
uint64_t smtp_server_progress(const struct smtp_server *s);

/* Replies so far that refuse, for now or for good (4yz and 5yz). */
uint64_t smtp_server_refusals(const struct smtp_server *s);

/* No transaction is under way: a good moment to shut down. */
bool smtp_server_idle(const struct smtp_server *s);

/* The name given with EHLO or HELO, "" before; and whether it was EHLO. */
const char *smtp_server_helo(const struct smtp_server *s);
bool smtp_server_is_esmtp(const struct smtp_server *s);
/* For RFC 3848's "ESMTPSA": TLS is in use; AUTH has succeeded. */
bool smtp_server_is_secured(const struct smtp_server *s);
bool smtp_server_is_authenticated(const struct smtp_server *s);

#endif

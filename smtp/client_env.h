/*
 * What of an envelope a server may be told: the parameters of MAIL and RCPT
 * that its extensions allow, and whether the message can go there at all.
 * Inside of the client session; see client.h.
 */
#ifndef MULETEER_SMTP_CLIENT_ENV_H
#define MULETEER_SMTP_CLIENT_ENV_H

#include "smtp/client.h"
#include "smtp/param.h"

/* Why a message, or a recipient, cannot go to this server. */
struct smtp_client_refusal {
	int code;
	const char *status, *text;
};

/* What content the server takes: see smtp_client_takes(). */
enum smtp_body smtp_client_body(const struct smtp_caps *caps);

/* What MAIL has settled for the rest of the transaction. */
struct smtp_client_env {
	bool binary;      /* BODY=BINARYMIME */
	bool utf8;        /* SMTPUTF8 */
	bool by_lost;     /* BY with mode N was given, and not passed on */
	unsigned dropped; /* see struct smtp_client_event */
};

/*
 * The MAIL command, CR LF included, into *w, and *ret_env.
 * false: the message cannot go there; *ret_why says why.
 */
bool smtp_client_write_mail(struct smtp_line_writer *w,
    const struct smtp_caps *caps, const struct smtp_client_message *m,
    struct smtp_client_env *ret_env, struct smtp_client_refusal *ret_why);

/* The RCPT command for one line, likewise; adds to env->dropped. */
bool smtp_client_write_rcpt(struct smtp_line_writer *w,
    const struct smtp_caps *caps, struct smtp_str rcpt_line,
    struct smtp_client_env *env, struct smtp_client_refusal *ret_why);

#endif

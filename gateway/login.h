/*
 * One SMTP session's authentication: from the AUTH events to the answers.  The
 * mechanism's work, thousands of rounds of a hash, is done in a worker.
 */
#ifndef MULETEER_GATEWAY_LOGIN_H
#define MULETEER_GATEWAY_LOGIN_H

#include <stdbool.h>
#include <uv.h>

#include "gateway/sasl.h"
#include "smtp/server.h"

struct login {
	/* Set by the owner. */
	uv_loop_t *loop;
	struct smtp_server *server;
	const struct sasl_users *users;
	const char *peer; /* for the log */
	/* The session was answered, or would have been: once for each time
	 * working was true.  gone: it is over and is not to be answered. */
	void (*answered)(void *ctx);
	void *ctx;
	bool gone;

	bool working; /* a worker is busy: the login must stay */
	char user[SASL_USER_MAX + 1]; /* who it is, or "" */
	struct sasl_session *session;
	char *text; /* what the client said, or NULL */
	enum sasl_result result;
	const char *out;
	uv_work_t work;
};

/* SMTP_SERVER_AUTH. */
void login_step(struct login *l, const struct smtp_server_event *ev);

void login_release(struct login *l);

#endif

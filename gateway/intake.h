/*
 * One SMTP transaction on its way into the queue: envelope and content as the
 * session hands them out, and the commit that the 250 waits for.
 *
 * Each function answers the session itself, at once or, for a message, when the
 * queue has committed it.
 */
#ifndef MULETEER_GATEWAY_INTAKE_H
#define MULETEER_GATEWAY_INTAKE_H

#include <netinet/in.h>

#include "gateway/body.h"
#include "gateway/gateway.h"
#include "smtp/server.h"

/* The beginning of the content is kept to count its Received fields. */
#define INTAKE_HEAD_MAX 16384

struct intake {
	/* Set by the owner. */
	struct gateway *gw;
	struct smtp_server *server;
	char peer[INET6_ADDRSTRLEN];
	bool may_relay;
	bool urgent; /* ...and be urgent, if it may relay */
	/*
	 * The message was answered, or would have been: called once for each
	 * time committing was true.  gone tells the intake that the session is
	 * over and is not to be answered.
	 */
	void (*committed)(void *ctx);
	void *ctx;
	bool gone;

	bool committing; /* a commit is under way: the intake must stay */
	char *from_line;
	struct smtp_mail_params mail;
	struct queue_rcpt *rcpts;
	size_t nrcpts, rcpts_cap;
	struct body *body;
	uint64_t id, size;
	int64_t accepted_at;
	size_t head_len;
	char head[INTAKE_HEAD_MAX];
};

/* The session's events of the same names. */
void intake_mail(struct intake *c, const struct smtp_server_event *ev);
void intake_rcpt(struct intake *c, const struct smtp_server_event *ev);
void intake_begin(struct intake *c);
void intake_content(struct intake *c, struct smtp_str content);
void intake_message(struct intake *c);

/* Forget the transaction, which is not being committed. */
void intake_reset(struct intake *c);
/* ...and everything else. */
void intake_release(struct intake *c);

#endif

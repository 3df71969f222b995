/*
 * The inside of a server session, shared by server.c (octets and events) and
 * server_cmd.c (commands); nobody else includes it.
 */
#ifndef MULETEER_SMTP_SERVER_SESSION_H
#define MULETEER_SMTP_SERVER_SESSION_H

#include "smtp/cmd.h"
#include "smtp/data.h"
#include "smtp/line.h"
#include "smtp/server.h"

/* While more than this waits to be written, no more input is taken. */
#define SERVER_OUTPUT_HIGH 4096
/* ...so that the longest answer, EHLO's, always has room. */
#define SERVER_OUTPUT_MAX (SERVER_OUTPUT_HIGH + 4096)
#define SERVER_EVENTS_MAX 4

struct smtp_server {
	const struct smtp_server_config *cfg;
	enum smtp_state state;
	bool esmtp, secured, authenticated;
	char helo[SMTP_DOMAIN_MAX + 1];
	unsigned commands, errors;
	uint64_t refusals; /* replies 4yz and 5yz */
	uint64_t progress; /* see smtp_server_progress() */

	/* The transaction. */
	unsigned rcpts;
	enum smtp_body body;
	bool utf8;       /* MAIL had SMTPUTF8 */
	uint64_t size;   /* octets of content so far */
	int refuse_code; /* not 0: swallow, then answer with these */
	char refuse_status[12];
	char refuse_text[128];

	/* The content. */
	struct smtp_data data;
	uint64_t chunk_left;
	bool chunk_last, chunk_swallow, chunk_cr;

	struct smtp_line line;
	struct smtp_server_event events[SERVER_EVENTS_MAX];
	size_t first_event, nevents;
	/* An answer is owed for MAIL, RCPT or MESSAGE. */
	bool awaiting;
	enum smtp_server_event_type awaited;

	char out[SERVER_OUTPUT_MAX];
	size_t out_len;
};

/* One line "code status text"; a 5xx counts as an error. */
void server_answer(
    struct smtp_server *s, int code, const char *status, const char *text);
/* Text into the output as it is. */
void server_write(struct smtp_server *s, const char *text);

/* Queue an event with everything else in it zero; never fails. */
struct smtp_server_event *server_event(
    struct smtp_server *s, enum smtp_server_event_type type);
void server_await(struct smtp_server *s, enum smtp_server_event_type type);

/* Forget the transaction, with an ABORT if the caller knows of one. */
void server_reset(struct smtp_server *s);
/* The last words have been said. */
void server_close(struct smtp_server *s);

/* The last octet of a chunk, or a chunk without any, is there. */
void server_chunk_end(struct smtp_server *s);

/* Run the command in s->line. */
void server_command(struct smtp_server *s);

/* What EHLO offers now: it differs with and without TLS. */
unsigned server_offered(const struct smtp_server *s);
/* False, and answered: MAIL has to wait for STARTTLS or AUTH. */
bool server_may_mail(struct smtp_server *s);
void server_starttls(struct smtp_server *s);
void server_auth(struct smtp_server *s, struct smtp_str arg);
void server_auth_line(struct smtp_server *s, struct smtp_str line);

#endif

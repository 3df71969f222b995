/*
 * The inside of a client session, shared by client.c (octets, events, the
 * session) and client_mail.c (one message); nobody else includes it.
 */
#ifndef MULETEER_SMTP_CLIENT_SESSION_H
#define MULETEER_SMTP_CLIENT_SESSION_H

#include "smtp/client.h"
#include "smtp/client_env.h"
#include "smtp/data.h"

/* Room for a piece of content in which every octet is a stuffed dot. */
#define CLIENT_OUTPUT_MAX (2 * SMTP_CLIENT_CONTENT_MAX + 2 * SMTP_LINE_MAX)
/* Ask for more content when less than this waits to be written. */
#define CLIENT_OUTPUT_LOW SMTP_LINE_MAX
#define CLIENT_EVENTS_MAX 8
/* DONE, and READY or CLOSED, may come on top of what a reply brings. */
#define CLIENT_EVENTS_RESERVED 3

enum client_state {
	CLIENT_GREETING,
	CLIENT_EHLO,
	CLIENT_HELO,
	CLIENT_STARTTLS, /* its answer is awaited */
	CLIENT_TLS,      /* until smtp_client_secured() */
	CLIENT_READY,    /* no reply is owed, nothing waits to be written */
	CLIENT_ENVELOPE,
	CLIENT_DATA,    /* 354 is awaited */
	CLIENT_CONTENT, /* octets of DATA go out */
	CLIENT_FINAL,   /* the answer to DATA's octets is awaited */
	CLIENT_CHUNKS,  /* as the last three, for BDAT */
	CLIENT_RSET,
	CLIENT_QUIT,
	CLIENT_CLOSED,
};

/* Where the CONTENT is that the caller has to answer. */
enum client_ask {
	CLIENT_ASK_NOTHING,
	CLIENT_ASK_QUEUED,
	CLIENT_ASK_FETCHED,
};

struct smtp_client {
	const struct smtp_client_config *cfg;
	enum client_state state;
	struct smtp_reply_parser parser;
	struct smtp_caps caps; /* offered, and wanted by cfg */
	uint64_t mails;        /* MAIL commands so far */
	bool quit, secured;
	/* What CLOSED will say after QUIT. */
	struct smtp_reply farewell;
	bool farewell_local;

	/* The message under way, or NULL. */
	const struct smtp_client_message *m;
	struct smtp_client_env env;
	/* Commands of the envelope: 0 is MAIL, i is recipient i - 1. */
	size_t written, answered;
	bool *skipped; /* recipients for whom no command was written */
	size_t rcpts_sent, accepted;
	/* It comes to nothing, because of verdict; no command begins. */
	bool failed;
	struct smtp_reply verdict; /* also: of the last recipient refused */
	bool verdict_local;
	bool mail_refused; /* the server has nothing that RSET could reset */

	bool chunking;      /* BDAT, not DATA */
	bool content_begun; /* DATA was written, or a chunk may be */
	enum client_ask ask;
	uint64_t content_left;
	uint64_t chunks_owed; /* BDAT commands without a reply */
	struct smtp_data data;

	struct smtp_client_event events[CLIENT_EVENTS_MAX];
	size_t first_event, nevents;
	size_t out_len;
	char out[CLIENT_OUTPUT_MAX];
};

/* --- client.c ------------------------------------------------------------ */

/* Into the output; the caller has made sure that it fits. */
void client_put(struct smtp_client *c, struct smtp_str s);
void client_put_text(struct smtp_client *c, const char *text);

struct smtp_client_event *client_event(struct smtp_client *c,
    enum smtp_client_event_type type, const struct smtp_reply *reply,
    bool local);

struct smtp_reply client_local_reply(
    int code, const char *status, const char *text);

/* Between messages: ask for the next, unless this was the last. */
void client_ready(struct smtp_client *c);

/* The session is over: whatever is under way ended with this. */
void client_finish(
    struct smtp_client *c, const struct smtp_reply *reply, bool local);
void client_break(
    struct smtp_client *c, int code, const char *status, const char *text);

/* --- client_mail.c ------------------------------------------------------- */

/* DONE, if there is a message. */
void client_message_done(
    struct smtp_client *c, const struct smtp_reply *reply, bool local);

/* A reply in one of the states from ENVELOPE to CHUNKS. */
void client_mail_reply(struct smtp_client *c, const struct smtp_reply *reply);

/* Whatever can go on without the server goes on. */
void client_mail_advance(struct smtp_client *c);

#endif

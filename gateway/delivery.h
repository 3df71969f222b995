/*
 * One message on its way to one next hop, and how that ended for each of its
 * recipients.  Whoever holds a delivery owns it.
 */
#ifndef MULETEER_GATEWAY_DELIVERY_H
#define MULETEER_GATEWAY_DELIVERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "gateway/queue.h"

/* How an attempt ended for one recipient. */
enum outcome_type {
	OUTCOME_NONE,      /* not tried; counts as deferred */
	OUTCOME_DELIVERED, /* the next hop took it */
	OUTCOME_DEFERRED,
	OUTCOME_FAILED,
	OUTCOME_LATE, /* still tried, and its sender is told so */
};

struct outcome {
	enum outcome_type type;
	char status[12]; /* "5.1.1" */
	char text[256];  /* the reply, or what went wrong; visible ASCII */
	bool replied;    /* text is an SMTP reply (Diagnostic-Code: smtp) */
};

struct delivery_rcpt {
	uint64_t id;
	char *line; /* "<path>[ SP params]" */
	uint32_t attempts;
	struct outcome outcome;
	int64_t next_at; /* deferred: when it is tried again */
};

/* One message on its way to one next hop. */
struct delivery {
	TAILQ_ENTRY(delivery) entry;
	uint64_t message;
	char *from_line;
	uint64_t size;
	int priority;
	int64_t accepted_at, expires_at, deliver_by;
	char by_mode;
	bool by_trace;
	bool by_mule;     /* to a node, by P_MUL */
	unsigned dropped; /* set of enum smtp_ext the next hop did without */
	struct delivery_rcpt *rcpts;
	size_t nrcpts;
};

/* A copy of m with no outcomes yet; NULL when out of memory. */
struct delivery *delivery_from(const struct queue_message *m);
/* Set the outcome of every recipient that has none yet. */
void delivery_set_rest(struct delivery *d, enum outcome_type type,
    const char *status, const char *text, bool replied);
/* One line in the log: how it ended for r at remote, and when it goes on. */
void delivery_log(const struct delivery *d, const struct delivery_rcpt *r,
    const char *remote);
void delivery_free(struct delivery **d);

#endif

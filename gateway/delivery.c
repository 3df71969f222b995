#include "gateway/delivery.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log.h"

void
delivery_free(struct delivery **dp)
{
	struct delivery *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->nrcpts; i++)
		free(d->rcpts[i].line);
	free(d->rcpts);
	free(d->from_line);
	free(d);
}

struct delivery *
delivery_from(const struct queue_message *m)
{
	struct delivery *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->message = m->id;
	d->size = m->size;
	d->priority = m->priority;
	d->accepted_at = m->accepted_at;
	d->expires_at = m->expires_at;
	d->deliver_by = m->deliver_by;
	d->by_mode = m->by_mode;
	d->by_trace = m->by_trace;
	d->from_line = strdup(m->from_line);
	d->rcpts = calloc(m->nrcpts, sizeof(*d->rcpts));
	if (d->from_line == NULL || d->rcpts == NULL)
		goto fail;
	for (size_t i = 0; i < m->nrcpts; i++) {
		d->rcpts[i].id = m->rcpts[i].id;
		d->rcpts[i].attempts = m->rcpts[i].attempts;
		d->rcpts[i].line = strdup(m->rcpts[i].line);
		if (d->rcpts[i].line == NULL)
			goto fail;
		d->nrcpts++;
	}
	return d;
fail:
	delivery_free(&d);
	return NULL;
}

void
delivery_set_rest(struct delivery *d, enum outcome_type type,
    const char *status, const char *text, bool replied)
{
	for (size_t i = 0; i < d->nrcpts; i++) {
		struct outcome *o = &d->rcpts[i].outcome;

		if (o->type != OUTCOME_NONE)
			continue;
		o->type = type;
		o->replied = replied;
		snprintf(o->status, sizeof(o->status), "%s", status);
		snprintf(o->text, sizeof(o->text), "%s", text);
	}
}

void
delivery_log(
    const struct delivery *d, const struct delivery_rcpt *r, const char *remote)
{
	static const char *const names[] = {
		[OUTCOME_NONE] = "smtp.deferred",
		[OUTCOME_DELIVERED] = "smtp.delivered",
		[OUTCOME_DEFERRED] = "smtp.deferred",
		[OUTCOME_FAILED] = "smtp.failed",
		[OUTCOME_LATE] = "smtp.deferred",
	};
	char to[300];

	log_vis(to, sizeof(to), r->line, strcspn(r->line, " "));
	log_event(
	    r->outcome.type == OUTCOME_DELIVERED ? GW_LOG_INFO : GW_LOG_WARN,
	    names[r->outcome.type],
	    "message=%" PRIu64 " to=\"%s\" hop=%s status=%s attempts=%u "
	    "next=%" PRId64 " reply=\"%s\"",
	    d->message, to, remote, r->outcome.status, r->attempts + 1,
	    r->next_at, r->outcome.text);
}

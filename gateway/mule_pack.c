/*
 * From a queued message to a transmission; see mule_pack.h.
 */
#include "gateway/mule_pack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/clock.h"
#include "gateway/flow.h"
#include "gateway/log.h"
#include "gateway/notify.h"
#include "gateway/route.h"
#include "gateway/sched.h"
#include "mule/payload.h"

struct job {
	struct mule_link *link;
	mule_pack_cb *done;
	void *ctx;
	uint64_t message;
	char from_line[FLOW_LINE_MAX];
	int priority;
	int64_t expires_at;
	struct cfg_limits limits;      /* of the link, at its priority */
	const struct cfg_group *group; /* NULL: a dynamic one */
	char **lines;
	uint64_t *rcpts;
	size_t nrcpts;
	uint32_t *nodes; /* of the recipients, each once */
	size_t nnodes;
	uv_work_t work;
	uint8_t *content;
	size_t content_len;
	int fd; /* of the content, if it is in a file; else -1 */
	int rc;
	uint8_t *payload, *copy;
	size_t len;
	struct delivery *refused; /* bigger than the link takes */
	struct notified notified;
};

static void
job_free(struct job *j)
{
	for (size_t i = 0; i < j->nrcpts; i++)
		free(j->lines[i]);
	free(j->lines);
	free(j->rcpts);
	free(j->nodes);
	free(j->content);
	free(j->payload);
	free(j->copy);
	delivery_free(&j->refused);
	if (j->fd >= 0)
		close(j->fd);
	free(j);
}

static void
finish(struct job *j, const struct queue_transmission *x, const char *why)
{
	j->done(j->ctx, j->message, mule_priority(j->priority), x, j->copy,
	    j->len, why);
	job_free(j);
}

/* --- commit ------------------------------------------------------------------- */

/* What the queue is told, and the caller after it. */
static struct queue_transmission
transmission(const struct job *j)
{
	return (struct queue_transmission){
		.message = j->message,
		.link = j->link->cfg->name,
		.group = j->group != NULL ? j->group->address : 0,
		.priority = mule_priority(j->priority),
		.expires_at = j->expires_at,
		.nodes = j->nodes,
		.nnodes = j->nnodes,
		.rcpts = j->rcpts,
		.nrcpts = j->nrcpts,
	};
}

static void
on_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct job *j = ctx;
	struct queue_transmission x = transmission(j);

	if (rc != QUEUE_OK) {
		finish(j, NULL, queue_strerror(rc));
		return;
	}
	x.id = res->transmission;
	x.msid = res->msid;
	x.seqs = res->seqs;
	finish(j, &x, NULL);
}

static void
commit(struct job *j)
{
	struct queue_txn *t = queue_txn_new();
	struct queue_transmission x = transmission(j);
	int rc = QUEUE_ENOMEM;

	/* The queue takes the payload over; the engine wants it as well. */
	j->copy = malloc(j->len);
	if (t != NULL && j->copy != NULL) {
		memcpy(j->copy, j->payload, j->len);
		rc = queue_txn_transmit(
		    t, &x, clock_wall_s(), &j->payload, j->len);
	}
	if (rc != QUEUE_OK) {
		queue_txn_free(&t);
		finish(j, NULL, queue_strerror(rc));
		return;
	}
	queue_submit(j->link->gw->queue, &t, on_committed, j);
}

/* --- too big -------------------------------------------------------------------- */

static void
on_refused(void *ctx, int rc, const struct queue_result *res)
{
	struct job *j = ctx;
	struct gateway *gw = j->link->gw;

	(void)res;
	if (rc == QUEUE_OK) {
		gw->stats.failed += j->refused->nrcpts;
		notify_committed(gw, &j->notified);
	}
	finish(j, NULL, rc == QUEUE_OK ? NULL : queue_strerror(rc));
}

static void
on_notified(void *ctx, int rc, struct queue_txn *t, const struct notified *n)
{
	struct job *j = ctx;

	j->notified = *n;
	if (rc != QUEUE_OK) {
		queue_txn_free(&t);
		on_refused(j, rc, NULL);
		return;
	}
	queue_submit(j->link->gw->queue, &t, on_refused, j);
}

static void
log_refused(const struct job *j, const char *line)
{
	char to[300];

	log_event(GW_LOG_WARN, "mule.refused",
	    "message=%" PRIu64 " to=\"%s\" link=%s octets=%zu status=5.3.4",
	    j->message, log_vis(to, sizeof(to), line, strcspn(line, " ")),
	    j->link->cfg->name, j->len);
}

static bool
is_ours(const struct job *j, uint64_t rcpt)
{
	for (size_t i = 0; i < j->nrcpts; i++)
		if (j->rcpts[i] == rcpt)
			return true;
	return false;
}

/* A delivery of the recipients that were packed; others have other ways. */
static struct delivery *
our_part(const struct job *j, const struct queue_message *m)
{
	struct queue_rcpt *r = calloc(m->nrcpts, sizeof(*r));
	struct queue_message part = *m;
	struct delivery *d = NULL;

	part.rcpts = r;
	part.nrcpts = 0;
	for (size_t i = 0; r != NULL && i < m->nrcpts; i++)
		if (is_ours(j, m->rcpts[i].id))
			r[part.nrcpts++] = m->rcpts[i];
	if (r != NULL)
		d = delivery_from(&part);
	free(r);
	return d;
}

static void
on_message(
    void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	static const char text[] = "The packed message is bigger than what the "
				   "radio link takes at its priority";
	struct job *j = ctx;
	struct queue_txn *t = queue_txn_new();

	(void)n;
	(void)more;
	if (rc == QUEUE_OK)
		j->refused = our_part(j, m);
	if (rc == QUEUE_OK && (j->refused == NULL || t == NULL))
		rc = QUEUE_ENOMEM;
	for (size_t i = 0; rc == QUEUE_OK && i < j->refused->nrcpts; i++) {
		log_refused(j, j->refused->rcpts[i].line);
		rc = queue_txn_finish(t, j->refused->rcpts[i].id);
	}
	if (rc != QUEUE_OK) {
		queue_txn_free(&t);
		finish(j, NULL, queue_strerror(rc));
		return;
	}
	delivery_set_rest(j->refused, OUTCOME_FAILED, "5.3.4", text, false);
	notify_delivery(j->link->gw, j->refused, "", t, on_notified, j);
}

/* --- pack ---------------------------------------------------------------------- */

static bool
read_file(struct job *j)
{
	size_t done = 0;

	j->content = malloc(j->content_len + 1);
	while (j->content != NULL && done < j->content_len) {
		ssize_t n = pread(j->fd, j->content + done,
		    j->content_len - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return j->content != NULL;
}

/* In a worker: nothing else touches the job meanwhile. */
static void
pack_work(uv_work_t *w)
{
	struct job *j = w->data;
	const struct cfg_link *cfg = j->link->cfg;
	struct smtp_str from = { j->from_line, strlen(j->from_line) };
	struct smtp_str *lines = calloc(j->nrcpts, sizeof(*lines));
	struct mule_pack_how how = {
		cfg->tagging == CFG_TAGGING_EXPLICIT ? BER_EXPLICIT
						     : BER_IMPLICIT,
		cfg->bit_rate,
	};

	j->rc = MULE_ENOMEM;
	if (lines != NULL && (j->fd < 0 || read_file(j))) {
		for (size_t i = 0; i < j->nrcpts; i++) {
			lines[i].p = j->lines[i];
			lines[i].len = strlen(j->lines[i]);
		}
		j->rc = mule_pack(&how, from, lines, j->nrcpts, j->content,
		    j->content_len, &j->payload, &j->len);
	}
	free(lines);
}

static void
on_packed(uv_work_t *w, int status)
{
	struct job *j = w->data;

	(void)status;
	if (j->rc != MULE_OK)
		finish(j, NULL, mule_strerror(j->rc));
	else if (j->len > j->limits.max_message_size)
		queue_message(
		    j->link->gw->queue, j->message, 0, 0, on_message, j);
	else
		commit(j);
}

static void
on_body(void *ctx, int rc, const void *data, size_t len, int fd)
{
	struct job *j = ctx;

	j->fd = fd;
	j->content_len = len;
	if (rc == QUEUE_OK && data != NULL) {
		j->content = malloc(len + 1);
		if (j->content != NULL)
			memcpy(j->content, data, len);
		else
			rc = QUEUE_ENOMEM;
	}
	if (rc != QUEUE_OK) {
		finish(j, NULL, queue_strerror(rc));
		return;
	}
	j->work.data = j;
	if (uv_queue_work(j->link->gw->loop, &j->work, pack_work, on_packed) !=
	    0)
		finish(j, NULL, "no worker");
}

/* --- what to pack --------------------------------------------------------------- */

static void
add_node(struct job *j, uint32_t node)
{
	for (size_t i = 0; i < j->nnodes; i++)
		if (j->nodes[i] == node)
			return;
	j->nodes[j->nnodes++] = node;
}

/* The recipients whose nodes the chosen group has; a dynamic one has all. */
static bool
take_rcpts(struct job *j, const struct queue_message *m)
{
	char line[FLOW_LINE_MAX];

	j->lines = calloc(m->nrcpts, sizeof(*j->lines));
	j->rcpts = calloc(m->nrcpts, sizeof(*j->rcpts));
	if (j->lines == NULL || j->rcpts == NULL)
		return false;
	j->nnodes = 0;
	for (size_t i = 0; i < m->nrcpts; i++) {
		if (j->group != NULL &&
		    !route_group_has(j->group, m->rcpts[i].node))
			continue;
		if (!flow_rcpt_line(
			m->rcpts[i].line, j->link->cfg->agreed_set, line))
			return false;
		j->lines[j->nrcpts] = strdup(line);
		if (j->lines[j->nrcpts] == NULL)
			return false;
		j->rcpts[j->nrcpts++] = m->rcpts[i].id;
		add_node(j, m->rcpts[i].node);
	}
	return true;
}

static int64_t
expiry_of(const struct job *j, const struct queue_message *m)
{
	int64_t at =
	    clock_wall_s() + (int64_t)(j->limits.lifetime_us / 1000000);

	return at < m->expires_at ? at : m->expires_at;
}

/* The nodes of all recipients, then the group for them. */
static int
choose(struct job *j, const struct queue_message *m)
{
	j->nodes = calloc(m->nrcpts, sizeof(*j->nodes));
	if (j->nodes == NULL)
		return QUEUE_ENOMEM;
	for (size_t i = 0; i < m->nrcpts; i++)
		add_node(j, m->rcpts[i].node);
	j->group = route_group(j->link->cfg, j->nodes, j->nnodes);
	if (route_group_dynamic(j->link->cfg, j->group, j->nodes, j->nnodes))
		j->group = NULL;
	else if (j->group == NULL)
		return QUEUE_ENOTFOUND;
	if (!take_rcpts(j, m) ||
	    !flow_from_line(m->from_line, m->priority, m->deliver_by,
		m->by_mode, m->by_trace, clock_wall_s(),
		j->link->cfg->agreed_set, j->from_line))
		return QUEUE_ENOMEM;
	return QUEUE_OK;
}

int
mule_pack_start(struct mule_link *l, const struct queue_message *m,
    mule_pack_cb *done, void *ctx)
{
	struct job *j = calloc(1, sizeof(*j));
	int rc;

	if (j == NULL)
		return QUEUE_ENOMEM;
	j->link = l;
	j->done = done;
	j->ctx = ctx;
	j->fd = -1;
	j->message = m->id;
	j->priority = m->priority;
	j->limits = cfg_link_limits(l->cfg, m->priority);
	j->expires_at = expiry_of(j, m);
	rc = choose(j, m);
	if (rc != QUEUE_OK) {
		job_free(j);
		return rc;
	}
	queue_body(l->gw->queue, m->id, on_body, j);
	return QUEUE_OK;
}

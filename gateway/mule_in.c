/*
 * From the radio into the queue.
 *
 * A received payload is unpacked in a worker, then becomes one transaction: the
 * message with the recipients this node answers for, and the tombstone that
 * keeps it from being taken twice.  Only when that is committed does the engine
 * hear link_stored(), and only then may the complete Ack leave.
 *
 * What cannot be decoded is put into the quarantine and acknowledged all the
 * same: sending it again would not help.  What cannot be committed, because the
 * disk is full or broken, stays in the engine without Ack and is tried again.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/body.h"
#include "gateway/clock.h"
#include "gateway/flow.h"
#include "gateway/log.h"
#include "gateway/mule_link.h"
#include "gateway/route.h"
#include "gateway/room.h"
#include "gateway/sched.h"
#include "mule/dsn.h"
#include "mule/payload.h"

/* Try a commit that failed again after this long. */
#define RETRY_MS 5000
/* A zlib stream cannot honestly do better than about 1000. */
#define RATIO_MAX 1000
#define RCPTS_MAX 10000

struct mule_in {
	struct mule_link *link;
	size_t jobs;
	bool draining;
};

/* One received message on its way. */
struct job {
	struct mule_in *in;
	uint32_t source, msid;
	uint8_t priority; /* its octet */
	struct pmul_addr from;
	int64_t expires_at;  /* of the P_MUL message */
	const uint8_t *data; /* the engine's, until link_stored() */
	size_t len;
	size_t payload_max;
	uv_work_t work;
	uv_timer_t retry;
	int rc; /* of mule_unpack() */
	struct mule_message m;

	/* What is kept of it. */
	uint64_t id;
	struct queue_rcpt *rcpts;
	char **text; /* lines and hops of the recipients */
	size_t nrcpts;
	bool loop; /* too many Received fields */
};

static void commit(struct job *j);
static void start_unpacking(struct job *j);

/* --- the end of a job ------------------------------------------------------------- */

static void
free_rcpts(struct job *j)
{
	for (size_t i = 0; i < 2 * j->nrcpts; i++)
		free(j->text[i]);
	free(j->text);
	free(j->rcpts);
	j->text = NULL;
	j->rcpts = NULL;
	j->nrcpts = 0;
}

static void
on_job_closed(uv_handle_t *h)
{
	struct job *j = h->data;
	struct mule_in *in = j->in;

	free_rcpts(j);
	if (j->rc == MULE_OK)
		mule_message_release(&j->m);
	free(j);
	in->jobs--;
	mule_link_part_idle(in->link);
}

static void
end(struct job *j)
{
	uv_close((uv_handle_t *)&j->retry, on_job_closed);
}

static void
on_retry(uv_timer_t *t)
{
	struct job *j = t->data;

	if (j->rc == MULE_ENOMEM)
		start_unpacking(j);
	else
		commit(j);
}

/* The engine keeps it, and its Ack back. */
static void
again(struct job *j)
{
	if (j->in->draining)
		end(j);
	else
		uv_timer_start(&j->retry, on_retry, RETRY_MS, 0);
}

static void
tell_sched(const struct job *j)
{
	for (size_t i = 0; i < j->nrcpts; i++) {
		if (i > 0 && strcmp(j->rcpts[i].hop, j->rcpts[i - 1].hop) == 0)
			continue;
		sched_work(j->in->link->gw->sched, j->rcpts[i].hop);
	}
}

static void
log_received(const struct job *j)
{
	const struct mule_link *link = j->in->link;
	struct smtp_str from = j->m.envelope.from_line;
	char text[300];

	log_event(GW_LOG_INFO, "mule.received",
	    "message=%" PRIu64 " link=%s source=%08" PRIx32 " msid=%" PRIu32
	    " from=\"%s\" recipients=%zu octets=%zu air=%zu",
	    j->id, link->cfg->name, j->source, j->msid,
	    log_vis(text, sizeof(text), from.p, from.len), j->nrcpts,
	    j->m.content_len, j->len);
}

static void
on_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct job *j = ctx;
	struct mule_in *in = j->in;

	(void)res;
	/* EEXIST: it was taken before a crash; the Ack is still owed. */
	if (rc != QUEUE_OK && rc != QUEUE_EEXIST) {
		log_event(GW_LOG_ERR, "mule.commit",
		    "link=%s source=%08" PRIx32 " msid=%" PRIu32 " why=\"%s\"",
		    in->link->cfg->name, j->source, j->msid,
		    queue_strerror(rc));
		again(j);
		return;
	}
	link_stored(in->link->link, j->source, j->msid);
	if (rc == QUEUE_OK && j->nrcpts > 0) {
		/* Not before: an id that was not committed is used again. */
		in->link->gw->stats.mule_in++;
		log_received(j);
		tell_sched(j);
	}
	end(j);
}

/* --- what becomes of it ---------------------------------------------------------------- */

static struct smtp_str
domain_of(struct smtp_str line)
{
	struct smtp_envelope_line l;

	/* mule_unpack() has parsed it before. */
	if (smtp_line_parse(line, SMTP_PATH_UTF8, &l) != SMTP_OK)
		return (struct smtp_str){ "", 0 };
	return l.path.domain;
}

/* Too many hops, or the recipient has had it before. */
static bool
goes_round(const struct job *j, struct smtp_str line)
{
	struct smtp_envelope_line l;

	return j->loop ||
	       (smtp_line_parse(line, SMTP_PATH_UTF8, &l) == SMTP_OK &&
		   mule_delivered_to(
		       j->m.content, j->m.content_len, l.path.mailbox));
}

/*
 * RFC 8494 5: this node handles a recipient only if its own routing says so and
 * does not lead back into the link the message came by.
 */
static bool
keep_rcpts(struct job *j)
{
	const struct mule_link *link = j->in->link;
	const struct mule_envelope *env = &j->m.envelope;

	j->rcpts = calloc(env->nrcpts, sizeof(*j->rcpts));
	j->text = calloc(2 * env->nrcpts, sizeof(*j->text));
	if (j->rcpts == NULL || j->text == NULL)
		return false;
	for (size_t i = 0; i < env->nrcpts; i++) {
		struct smtp_str line = env->rcpt_lines[i];
		struct route r;
		size_t k = j->nrcpts;

		route_find(link->gw->cfg, domain_of(line), link->cfg->name, &r);
		if (r.type == ROUTE_NONE || r.type == ROUTE_BACK)
			continue;
		j->text[2 * k] = strndup(line.p, line.len);
		j->text[2 * k + 1] =
		    strdup(goes_round(j, line) ? ROUTE_HOP_LOOP : r.hop);
		j->nrcpts++;
		if (j->text[2 * k] == NULL || j->text[2 * k + 1] == NULL)
			return false;
		j->rcpts[k].line = j->text[2 * k];
		j->rcpts[k].hop = j->text[2 * k + 1];
		j->rcpts[k].node = r.node;
	}
	return true;
}

static size_t
received_field(const struct job *j, const struct smtp_mail_params *p,
    int64_t now_s, char buf[FLOW_RECEIVED_MAX])
{
	const struct mule_link *link = j->in->link;
	const struct cfg_node *node = cfg_node_by_id(link->gw->cfg, j->source);
	struct in_addr a = { .s_addr = htonl(j->source) };
	char ip[INET_ADDRSTRLEN], from[INET_ADDRSTRLEN + 2], comment[128];
	struct flow_trace t = {
		.from = from,
		.comment = comment,
		.by = link->gw->cfg->node.hostname,
		.via = "ACP142",
		.id = j->id,
		.has_priority = p->has_priority,
		.priority = p->priority,
		.now_s = now_s,
	};

	inet_ntop(AF_INET, &a, ip, sizeof(ip));
	snprintf(from, sizeof(from), "[%s]", ip);
	snprintf(comment, sizeof(comment), "P_MUL node %.60s, message %" PRIu32,
	    node != NULL ? node->name : ip, j->msid);
	return flow_received(&t, buf);
}

static struct body *
make_body(const struct job *j, const char *received, size_t len)
{
	struct body *b = NULL;
	int rc = body_new(queue_tmp_dir(j->in->link->gw->queue), &b);

	if (rc == 0)
		rc = body_append(b, received, len);
	if (rc == 0)
		rc = body_append(b, j->m.content, j->m.content_len);
	if (rc != 0)
		body_free(&b);
	return b;
}

static int
add_message(struct job *j, struct queue_txn *t)
{
	struct mule_link *link = j->in->link;
	struct smtp_str from = j->m.envelope.from_line;
	struct smtp_envelope_line line;
	struct smtp_mail_params params;
	char received[FLOW_RECEIVED_MAX], *from_line;
	struct queue_message m = {
		.id = j->id,
		.origin = QUEUE_FROM_MULE,
		.from_link = link->cfg->name,
		.accepted_at = clock_wall_s(),
		.rcpts = j->rcpts,
		.nrcpts = j->nrcpts,
	};
	struct body *b;
	int rc;

	if (smtp_line_parse(from, SMTP_PATH_NULL | SMTP_PATH_UTF8, &line) !=
		SMTP_OK ||
	    smtp_mail_params_parse(line.params, &params, NULL) != SMTP_OK)
		return QUEUE_EINVAL;
	b = make_body(
	    j, received, received_field(j, &params, m.accepted_at, received));
	from_line = strndup(from.p, from.len);
	rc = b == NULL || from_line == NULL ? QUEUE_ENOMEM : QUEUE_OK;
	if (rc == QUEUE_OK) {
		m.from_line = from_line;
		m.size = body_len(b);
		flow_set_times(link->gw->cfg, &params, &m);
		rc = queue_txn_add(t, &m, &b);
	}
	body_free(&b);
	free(from_line);
	return rc;
}

/* --- commit ------------------------------------------------------------------------------ */

static int
add_quarantine(struct job *j, struct queue_txn *t, const char *why)
{
	struct mule_link *link = j->in->link;

	link->gw->stats.quarantined++;
	log_event(GW_LOG_WARN, "mule.quarantine",
	    "link=%s source=%08" PRIx32 " msid=%" PRIu32
	    " octets=%zu why=\"%s\"",
	    link->cfg->name, j->source, j->msid, j->len, why);
	return queue_txn_quarantine(t, link->cfg->name, j->source, j->msid,
	    clock_wall_s(), why, j->data, j->len);
}

static int
build(struct job *j, struct queue_txn *t)
{
	struct mule_link *link = j->in->link;
	struct queue_tombstone x = {
		.source = j->source,
		.msid = j->msid,
		.priority = j->priority,
		.expires_at = mule_link_keep_until(link, j->expires_at),
		.committed_at = clock_wall_s(),
	};
	int rc;

	memcpy(x.address, j->from.b, sizeof(x.address));
	rc = queue_txn_tombstone(t, link->cfg->name, &x);
	if (rc != QUEUE_OK)
		return rc;
	if (j->rc != MULE_OK)
		return add_quarantine(j, t, mule_strerror(j->rc));
	if (j->nrcpts == 0) {
		link->gw->stats.mule_not_ours++;
		log_event(GW_LOG_DEBUG, "mule.not_ours",
		    "link=%s source=%08" PRIx32 " msid=%" PRIu32,
		    link->cfg->name, j->source, j->msid);
		return QUEUE_OK;
	}
	return add_message(j, t);
}

static void
commit(struct job *j)
{
	struct queue_txn *t;
	int rc;

	if (!room_for_radio(j->in->link->gw->room)) {
		again(j);
		return;
	}
	t = queue_txn_new();
	rc = t == NULL ? QUEUE_ENOMEM : build(j, t);
	if (rc != QUEUE_OK) {
		queue_txn_free(&t);
		on_committed(j, rc, NULL);
		return;
	}
	queue_submit(j->in->link->gw->queue, &t, on_committed, j);
}

/* --- unpacking ------------------------------------------------------------------------------ */

/* In a worker: nothing else touches the job or the engine's data meanwhile. */
static void
unpack(uv_work_t *w)
{
	struct job *j = w->data;
	const struct mule_limits limits = {
		.payload_max = j->payload_max,
		.ratio_max = RATIO_MAX,
		.rcpts_max = RCPTS_MAX,
	};

	j->rc = mule_unpack(j->data, j->len, &limits, &j->m);
}

static void
on_unpacked(uv_work_t *w, int status)
{
	struct job *j = w->data;
	struct gateway *gw = j->in->link->gw;

	(void)status;
	if (j->rc == MULE_OK)
		j->loop = mule_header_count(j->m.content, j->m.content_len,
			      "Received") > gw->cfg->smtp.max_hops;
	if (j->rc == MULE_OK && !keep_rcpts(j)) {
		free_rcpts(j);
		mule_message_release(&j->m);
		j->rc = MULE_ENOMEM;
	}
	if (j->rc == MULE_ENOMEM) {
		on_committed(j, QUEUE_ENOMEM, NULL);
		return;
	}
	if (j->rc == MULE_OK)
		j->id = queue_new_id(gw->queue);
	commit(j);
}

static void
start_unpacking(struct job *j)
{
	uv_loop_t *loop = j->in->link->gw->loop;

	if (uv_queue_work(loop, &j->work, unpack, on_unpacked) != 0) {
		unpack(&j->work);
		on_unpacked(&j->work, 0);
	}
}

void
mule_in_received(struct mule_in *in, const struct pmul_event *ev)
{
	struct mule_link *link = in->link;
	struct job *j = calloc(1, sizeof(*j));

	/* Not stored, so not acknowledged: it comes again. */
	if (j == NULL) {
		log_event(GW_LOG_ERR, "mule.memory", "link=%s msid=%" PRIu32,
		    link->cfg->name, ev->id);
		return;
	}
	j->in = in;
	j->source = ev->peer;
	j->msid = ev->id;
	j->priority = ev->priority;
	j->from = ev->from;
	j->expires_at = ev->expiry.s;
	j->data = ev->data;
	j->len = ev->len;
	/* The limit of SMTP, and room for a long envelope. */
	j->payload_max =
	    link->gw->cfg->smtp.max_message_size + (size_t)RCPTS_MAX * 256;
	uv_timer_init(link->gw->loop, &j->retry);
	j->retry.data = j->work.data = j;
	in->jobs++;
	start_unpacking(j);
}

/* --- life --------------------------------------------------------------------------------------- */

int
mule_in_new(struct mule_link *l, struct mule_in **ret_i)
{
	struct mule_in *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return QUEUE_ENOMEM;
	in->link = l;
	*ret_i = in;
	return 0;
}

void
mule_in_free(struct mule_in **ip)
{
	assert(*ip == NULL || (*ip)->jobs == 0);
	free(*ip);
	*ip = NULL;
}

void
mule_in_drain(struct mule_in *in)
{
	in->draining = true;
}

bool
mule_in_idle(const struct mule_in *in)
{
	return in->jobs == 0;
}

#include "gateway/operate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/clock.h"
#include "gateway/log.h"
#include "gateway/mule_link.h"
#include "gateway/route.h"
#include "gateway/sched.h"

/* Recipients named in an answer. */
#define SHOWN_MAX 100

static const struct action {
	const char *name, *event;
} actions[] = {
	[QUEUE_HOLD] = { "hold", "queue.held" },
	[QUEUE_RELEASE] = { "release", "queue.released" },
	[QUEUE_DELETE] = { "delete", "queue.deleted" },
	[QUEUE_RETRY] = { "retry", "queue.retried" },
	[QUEUE_REDIRECT] = { "redirect", "queue.redirected" },
	[QUEUE_EXPIRE] = { "expire", "queue.expired" },
};
#define NACTIONS (sizeof(actions) / sizeof(actions[0]))

struct job {
	struct gateway *gw;
	long uid;
	operate_cb *done;
	void *ctx;
	struct queue_operation o;
	char link_hop[ROUTE_HOP_MAX], to_hop[ROUTE_HOP_MAX];
	char to_path[SMTP_PATH_MAX + 1];
	char by[700]; /* the selectors, for the log */
};

/* --- the request ------------------------------------------------------------- */

static const char *
known_keys(const json_t *request)
{
	static const char *const keys[] = { "cmd", "action", "id", "recipient",
		"domain", "link", "priority", "older_s", "all", "to",
		"dry_run" };
	const char *key;
	json_t *v;

	/* jansson has no iterator over a constant object. */
	json_object_foreach((json_t *)(uintptr_t)request, key, v)
	{
		bool known = false;

		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			known = known || strcmp(key, keys[i]) == 0;
		if (!known)
			return "unknown key in the request";
	}
	return NULL;
}

static bool
integer(const json_t *request, const char *key, int64_t min, int64_t max,
    int64_t *ret_v)
{
	const json_t *v = json_object_get(request, key);

	if (!json_is_integer(v) || json_integer_value(v) < min ||
	    json_integer_value(v) > max)
		return false;
	*ret_v = json_integer_value(v);
	return true;
}

static const char *
parse_action(struct job *j, const json_t *request)
{
	const char *name =
	    json_string_value(json_object_get(request, "action"));

	for (size_t i = 0; name != NULL && i < NACTIONS; i++)
		if (strcmp(name, actions[i].name) == 0) {
			j->o.action = (enum queue_action)i;
			return NULL;
		}
	return "\"action\" must be hold, release, delete, retry, redirect or "
	       "expire";
}

static const char *
parse_text(const json_t *request, const char *key, const char **ret)
{
	const json_t *v = json_object_get(request, key);

	if (v != NULL && (!json_is_string(v) || json_string_length(v) == 0))
		return "\"recipient\", \"domain\", \"link\" and \"to\" must be "
		       "text";
	*ret = json_string_value(v);
	return NULL;
}

static const char *
parse_numbers(struct job *j, const json_t *request)
{
	struct queue_operation *o = &j->o;
	int64_t v = 0;

	if (json_object_get(request, "id") != NULL) {
		if (!integer(request, "id", 1, INT64_MAX, &v))
			return "\"id\" must be the number of a message";
		o->message = (uint64_t)v;
	}
	if (json_object_get(request, "priority") != NULL) {
		if (!integer(request, "priority", -9, 9, &v))
			return "\"priority\" must be from -9 to 9";
		o->has_priority = true;
		o->priority = (int)v;
	}
	if (json_object_get(request, "older_s") != NULL) {
		if (!integer(request, "older_s", 0, INT32_MAX, &v))
			return "\"older_s\" must be a number of seconds";
		o->has_before = true;
		o->before = clock_wall_s() - v;
	}
	o->dry_run = json_is_true(json_object_get(request, "dry_run"));
	return NULL;
}

static const char *
parse_selectors(struct job *j, const json_t *request)
{
	struct queue_operation *o = &j->o;
	const char *link = NULL;
	const char *why = parse_numbers(j, request);

	if (why == NULL)
		why = parse_text(request, "recipient", &o->recipient);
	if (why == NULL)
		why = parse_text(request, "domain", &o->domain);
	if (why == NULL)
		why = parse_text(request, "link", &link);
	if (why != NULL)
		return why;
	if (link != NULL) {
		snprintf(j->link_hop, sizeof(j->link_hop), "mule:%s", link);
		o->hop = j->link_hop;
	}
	if (o->message == 0 && o->recipient == NULL && o->domain == NULL &&
	    o->hop == NULL && !o->has_priority && !o->has_before &&
	    !json_is_true(json_object_get(request, "all")))
		return "nothing is selected; to select everything, say so";
	return NULL;
}

/* --- where to -------------------------------------------------------------------- */

static const char *
to_address(struct job *j, const char *to)
{
	struct smtp_path path;
	struct route r;
	size_t used = 0;
	int n = snprintf(j->to_path, sizeof(j->to_path), "<%s>", to);

	if (n < 0 || (size_t)n >= sizeof(j->to_path) ||
	    smtp_path_parse(j->to_path, (size_t)n, SMTP_PATH_UTF8, &path,
		&used) != SMTP_OK ||
	    used != (size_t)n)
		return "\"to\" is not an address";
	route_find(j->gw->cfg, path.domain, "", &r);
	if (r.type == ROUTE_NONE || r.type == ROUTE_BACK)
		return "no route to that address";
	snprintf(j->to_hop, sizeof(j->to_hop), "%s", r.hop);
	j->o.to_path = j->to_path;
	j->o.to_node = r.node;
	if (r.type == ROUTE_MULE)
		j->o.to_link = r.link->name;
	return NULL;
}

/* "LINK/NODE" */
static const char *
to_node(struct job *j, const char *to)
{
	const struct cfg *cfg = j->gw->cfg;
	const char *slash = strchr(to, '/');
	size_t len = slash != NULL ? (size_t)(slash - to) : 0;
	const struct cfg_link *link = NULL;
	const struct cfg_node *node = NULL;

	for (size_t i = 0; i < cfg->nlinks; i++)
		if (strlen(cfg->links[i].name) == len &&
		    memcmp(cfg->links[i].name, to, len) == 0)
			link = &cfg->links[i];
	for (size_t i = 0; slash != NULL && i < cfg->nnodes; i++)
		if (strcmp(cfg->nodes[i].name, slash + 1) == 0)
			node = &cfg->nodes[i];
	if (link == NULL || node == NULL)
		return "\"to\": no such link and node; mule:LINK/NODE was "
		       "expected";
	if (node->id == cfg->node.id || route_group(link, &node->id, 1) == NULL)
		return "\"to\": no group of the link has that node";
	snprintf(j->to_hop, sizeof(j->to_hop), "mule:%s", link->name);
	j->o.to_node = node->id;
	j->o.to_link = link->name;
	return NULL;
}

static bool
domain_valid(const char *p, size_t len)
{
	struct smtp_str s = { p, len };

	return len > 0 && smtp_domain_valid(s, 0);
}

static const char *
to_server(struct job *j, const char *to)
{
	const char *host = strchr(to, ':') + 1;
	const char *colon = strrchr(host, ':');
	bool mx = strncmp(to, "mx:", 3) == 0;
	char *end = NULL;
	long port = !mx && colon != NULL ? strtol(colon + 1, &end, 10) : 0;
	size_t len =
	    !mx && colon != NULL ? (size_t)(colon - host) : strlen(host);

	if (!domain_valid(host, len) || strlen(to) >= sizeof(j->to_hop) ||
	    (!mx && (end == NULL || *end != '\0' || port < 1 || port > 65535)))
		return "\"to\": mx:DOMAIN or smtp:HOST:PORT was expected";
	snprintf(j->to_hop, sizeof(j->to_hop), "%s", to);
	return NULL;
}

static const char *
parse_to(struct job *j, const json_t *request)
{
	const char *to = NULL;
	const char *why = parse_text(request, "to", &to);

	if (why == NULL && (to != NULL) != (j->o.action == QUEUE_REDIRECT))
		why = "\"to\" belongs to redirect, which needs it";
	if (why != NULL)
		return why;
	if (j->o.action == QUEUE_EXPIRE)
		snprintf(j->to_hop, sizeof(j->to_hop), ROUTE_HOP_EXPIRED);
	if (to != NULL && strchr(to, '@') != NULL)
		why = to_address(j, to);
	else if (to != NULL && strncmp(to, "mule:", 5) == 0)
		why = to_node(j, to + 5);
	else if (to != NULL &&
		 (strncmp(to, "smtp:", 5) == 0 || strncmp(to, "mx:", 3) == 0))
		why = to_server(j, to);
	else if (to != NULL)
		why = "\"to\" must be an address or a next hop";
	if (j->to_hop[0] != '\0')
		j->o.to_hop = j->to_hop;
	return why;
}

/* --- the log ---------------------------------------------------------------------- */

/* The selectors as they were given. */
static void
describe(struct job *j, const json_t *request)
{
	json_t *shown = json_copy((json_t *)(uintptr_t)request);
	char *text = NULL;

	if (shown != NULL) {
		json_object_del(shown, "cmd");
		json_object_del(shown, "action");
		json_object_del(shown, "dry_run");
		text = json_dumps(shown, JSON_COMPACT | JSON_SORT_KEYS);
	}
	/* Without quotes it reads as it was typed. */
	for (char *p = text; p != NULL && *p != '\0'; p++)
		if (*p == '"')
			*p = '\'';
	log_vis(j->by, sizeof(j->by), text != NULL ? text : "?",
	    text != NULL ? strlen(text) : 1);
	free(text);
	json_decref(shown);
}

static void
log_touched(const struct job *j, const struct queue_operated *d)
{
	const char *event = actions[j->o.action].event;

	for (size_t i = 0; i < d->n; i++) {
		const struct queue_touched *r = &d->touched[i];
		char to[300];

		log_vis(to, sizeof(to), r->line, strcspn(r->line, " "));
		if (j->o.action == QUEUE_REDIRECT)
			log_event(GW_LOG_INFO, event,
			    "message=%" PRIu64 " to=\"%s\" new=\"%s\" hop=%s "
			    "uid=%ld",
			    r->message, to,
			    j->o.to_path != NULL ? j->to_path : to, j->to_hop,
			    j->uid);
		else
			log_event(GW_LOG_INFO, event,
			    "message=%" PRIu64 " to=\"%s\" uid=%ld", r->message,
			    to, j->uid);
	}
}

static void
log_operation(const struct job *j, const struct queue_operated *d)
{
	log_event(GW_LOG_INFO, "queue.operator",
	    "action=%s uid=%ld by=\"%s\" recipients=%zu messages=%" PRIu64
	    " busy=%" PRIu64 " refused=%" PRIu64,
	    actions[j->o.action].name, j->uid, j->by, d->n, d->messages,
	    d->busy, d->refused);
}

/* --- the answer ------------------------------------------------------------------- */

static json_t *
result_of(const struct job *j, const struct queue_operated *d)
{
	json_t *shown = json_array();

	for (size_t i = 0; i < d->n && i < SHOWN_MAX; i++) {
		char to[600];

		log_vis(to, sizeof(to), d->touched[i].line,
		    strcspn(d->touched[i].line, " "));
		(void)!json_array_append_new(
		    shown, json_pack("{s:I,s:s}", "message",
			       (json_int_t)d->touched[i].message, "rcpt", to));
	}
	return json_pack("{s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:b,s:o}", "action",
	    actions[j->o.action].name, "dry_run", j->o.dry_run, "recipients",
	    (json_int_t)d->n, "messages", (json_int_t)d->messages, "busy",
	    (json_int_t)d->busy, "refused", (json_int_t)d->refused, "on_air",
	    (json_int_t)d->on_air, "more", d->more, "touched", shown);
}

static void
cancel(struct gateway *gw, const struct queue_unsent *u)
{
	for (size_t i = 0; i < gw->nlinks; i++)
		if (strcmp(gw->links[i]->cfg->name, u->link) == 0)
			mule_out_cancel(gw->links[i]->out, u->msid);
}

static void
on_committed(void *ctx, int rc, const struct queue_result *res)
{
	struct job *j = ctx;
	const struct queue_operated *d = res->operated;

	if (rc == QUEUE_OK && !j->o.dry_run) {
		log_touched(j, d);
		log_operation(j, d);
		for (size_t i = 0; i < d->nunsent; i++)
			cancel(j->gw, &d->unsent[i]);
	}
	/* Before the answer, which may be the last thing that keeps us open. */
	sched_look(j->gw->sched,
	    rc == QUEUE_OK && j->o.action == QUEUE_RETRY && !j->o.dry_run);
	if (rc == QUEUE_OK)
		j->done(j->ctx, NULL, result_of(j, d));
	else
		j->done(j->ctx, queue_strerror(rc), NULL);
	free(j);
}

void
operate(struct gateway *gw, const json_t *request, long uid, operate_cb *done,
    void *ctx)
{
	struct job *j = calloc(1, sizeof(*j));
	struct queue_txn *t = queue_txn_new();
	const char *why = j == NULL || t == NULL ? "out of memory" : NULL;

	if (why == NULL) {
		*j = (struct job){
			.gw = gw, .uid = uid, .done = done, .ctx = ctx
		};
		why = known_keys(request);
	}
	if (why == NULL)
		why = parse_action(j, request);
	if (why == NULL)
		why = parse_selectors(j, request);
	if (why == NULL)
		why = parse_to(j, request);
	if (why == NULL && queue_txn_operate(t, &j->o) != QUEUE_OK)
		why = "out of memory";
	if (why != NULL) {
		queue_txn_free(&t);
		free(j);
		done(ctx, why, NULL);
		return;
	}
	describe(j, request);
	sched_recall(gw->sched);
	queue_submit(gw->queue, &t, on_committed, j);
}

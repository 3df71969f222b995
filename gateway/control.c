/*
 * The operator's socket; see control.h.
 *
 * A client has one question under way at a time: it is not read from while an
 * answer is being made or written, so a client can make nothing grow.
 *
 * There is room for CLIENTS_MAX; for one more, who has asked nothing for the
 * longest time must go, so that nobody is locked out by those who stay.
 *
 * What changes something is logged with the user id of who asked, as the kernel
 * knows it.
 */
#include "gateway/control.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/clock.h"
#include "gateway/log.h"
#include "gateway/mule_link.h"
#include "gateway/operate.h"
#include "gateway/status.h"

#define REQUEST_MAX 4096
#define CLIENTS_MAX 32
#define PAGE_MAX 1000

struct client {
	TAILQ_ENTRY(client) entry;
	struct control *control;
	uv_pipe_t pipe;
	uv_write_t write;
	char *answer;
	char in[REQUEST_MAX];
	size_t len;
	long uid;     /* of the peer; -1: unknown */
	bool busy;    /* an answer is being made or written */
	bool closing; /* the pipe is gone or going */
	bool gone;    /* ...and its last callback has run */
};

struct control {
	struct gateway *gw;
	uv_pipe_t listener;
	TAILQ_HEAD(client_list, client) clients; /* who asked last: last */
	size_t nclients;
	char *path;
	unsigned open;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

static void next_request(struct client *c);

/* --- life of a client ---------------------------------------------------- */

static void
control_release(struct control *k)
{
	void (*closed)(void *) = k->closed;
	void *ctx = k->closed_ctx;

	if (--k->open > 0)
		return;
	free(k->path);
	free(k);
	if (closed != NULL)
		closed(ctx);
}

/* A client goes when its pipe is closed and no answer is being made. */
static void
client_release(struct client *c)
{
	struct control *k = c->control;

	if (!c->gone || c->busy)
		return;
	TAILQ_REMOVE(&k->clients, c, entry);
	k->nclients--;
	free(c->answer);
	free(c);
	control_release(k);
}

static void
on_client_closed(uv_handle_t *h)
{
	struct client *c = h->data;

	c->gone = true;
	client_release(c);
}

static void
client_close(struct client *c)
{
	if (c->closing)
		return;
	c->closing = true;
	uv_close((uv_handle_t *)&c->pipe, on_client_closed);
}

/* --- answers ----------------------------------------------------------------- */

static void
on_written(uv_write_t *w, int status)
{
	struct client *c = w->data;

	free(c->answer);
	c->answer = NULL;
	c->busy = false;
	if (status < 0)
		client_close(c);
	if (c->closing) {
		client_release(c);
		return;
	}
	next_request(c);
}

/* Takes over obj, which may be NULL when memory ran out. */
static void
answer(struct client *c, json_t *obj)
{
	uv_buf_t bufs[2];
	char *text = obj != NULL ? json_dumps(obj, JSON_COMPACT) : NULL;
	static char newline[] = "\n";

	json_decref(obj);
	if (c->closing || text == NULL) {
		free(text);
		c->busy = false;
		client_close(c);
		client_release(c);
		return;
	}
	c->answer = text;
	c->write.data = c;
	bufs[0] = uv_buf_init(text, (unsigned)strlen(text));
	bufs[1] = uv_buf_init(newline, 1);
	if (uv_write(&c->write, (uv_stream_t *)&c->pipe, bufs, 2, on_written) !=
	    0) {
		c->busy = false;
		client_close(c);
	}
}

static void
answer_error(struct client *c, const char *why)
{
	answer(c, json_pack("{s:b,s:s}", "ok", 0, "error", why));
}

static void
answer_result(struct client *c, json_t *result)
{
	answer(c, json_pack("{s:b,s:o}", "ok", 1, "result", result));
}

static void
on_queue_rows(
    void *ctx, int rc, const struct queue_row *rows, size_t n, bool more)
{
	struct client *c = ctx;

	if (rc != QUEUE_OK)
		answer_error(c, queue_strerror(rc));
	else
		answer_result(c, status_queue(c->control->gw, rows, n, more));
}

static void
on_quarantine_rows(void *ctx, int rc, const struct queue_quarantined *rows,
    size_t n, bool more)
{
	struct client *c = ctx;

	if (rc != QUEUE_OK)
		answer_error(c, queue_strerror(rc));
	else
		answer_result(
		    c, status_quarantine(c->control->gw, rows, n, more));
}

/* --- requests ------------------------------------------------------------------ */

/* after and limit of a list; false if they make no sense. */
static bool
page(const json_t *request, uint64_t *after, size_t *limit)
{
	const json_t *a = json_object_get(request, "after");
	const json_t *l = json_object_get(request, "limit");

	*after = 0;
	*limit = 100;
	if ((a != NULL && (!json_is_integer(a) || json_integer_value(a) < 0)) ||
	    (l != NULL && (!json_is_integer(l) || json_integer_value(l) < 1)))
		return false;
	if (a != NULL)
		*after = (uint64_t)json_integer_value(a);
	if (l != NULL)
		*limit = (size_t)json_integer_value(l);
	if (*limit > PAGE_MAX)
		*limit = PAGE_MAX;
	return true;
}

/* --- EMCON --------------------------------------------------------------------- */

static void
on_emcon(void *ctx, const char *why)
{
	struct client *c = ctx;

	if (why != NULL)
		answer_error(c, why);
	else
		answer_result(c, status_emcon(c->control->gw));
}

static struct mule_link *
find_link(struct gateway *gw, const char *name)
{
	for (size_t i = 0; i < gw->nlinks; i++)
		if (strcmp(gw->links[i]->cfg->name, name) == 0)
			return gw->links[i];
	return NULL;
}

static const struct cfg_node *
find_node(const struct cfg *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->nnodes; i++)
		if (strcmp(cfg->nodes[i].name, name) == 0)
			return &cfg->nodes[i];
	return NULL;
}

static void
set_emcon(struct client *c, const json_t *request)
{
	struct gateway *gw = c->control->gw;
	const json_t *on = json_object_get(request, "on");
	const json_t *node = json_object_get(request, "node");
	const char *name = json_string_value(json_object_get(request, "link"));
	const struct cfg_node *n = NULL;
	struct mule_link *l;

	if (name == NULL || !json_is_boolean(on) ||
	    (node != NULL && !json_is_string(node))) {
		answer_error(c, "\"link\" must be a name, \"on\" true or "
				"false, \"node\" a name if given");
		return;
	}
	l = find_link(gw, name);
	if (node != NULL)
		n = find_node(gw->cfg, json_string_value(node));
	if (l == NULL)
		answer_error(c, gw->nlinks == 0 && gw->draining
				    ? "muled is going down"
				    : "no link of that name");
	else if (node != NULL && n == NULL)
		answer_error(c, "no node of that name");
	else if (n != NULL)
		mule_emcon_set_node(
		    l, n->id, json_is_true(on), c->uid, on_emcon, c);
	else
		mule_emcon_set(l, json_is_true(on), c->uid, on_emcon, c);
}

/* --- operations ---------------------------------------------------------------- */

static void
on_operated(void *ctx, const char *why, json_t *result)
{
	struct client *c = ctx;

	if (why != NULL)
		answer_error(c, why);
	else
		answer_result(c, result);
}

/* --- dispatch ------------------------------------------------------------------ */

static void
dispatch(struct client *c, const json_t *request)
{
	struct gateway *gw = c->control->gw;
	const char *cmd = json_string_value(json_object_get(request, "cmd"));
	uint64_t after;
	size_t limit;

	if (cmd == NULL)
		answer_error(c, "no \"cmd\" in the request");
	else if (!page(request, &after, &limit))
		answer_error(c, "\"after\" must be >= 0 and \"limit\" >= 1");
	else if (strcmp(cmd, "status") == 0)
		answer_result(c, status_all(gw));
	else if (strcmp(cmd, "emcon") == 0)
		answer_result(c, status_emcon(gw));
	else if (strcmp(cmd, "emcon.set") == 0)
		set_emcon(c, request);
	else if (strcmp(cmd, "queue.list") == 0)
		queue_list(gw->queue, after, limit, on_queue_rows, c);
	else if (strcmp(cmd, "queue.operate") == 0)
		operate(gw, request, c->uid, on_operated, c);
	else if (strcmp(cmd, "quarantine.list") == 0)
		queue_quarantine_list(
		    gw->queue, after, limit, on_quarantine_rows, c);
	else
		answer_error(c, "unknown command");
}

/* Take the next whole line out of the buffer and answer it. */
static void
next_request(struct client *c)
{
	char *end = memchr(c->in, '\n', c->len);
	json_error_t err;
	json_t *request;
	size_t used;

	if (end == NULL) {
		if (c->len == sizeof(c->in))
			client_close(c);
		return;
	}
	used = (size_t)(end - c->in) + 1;
	request = json_loadb(c->in, used - 1, JSON_REJECT_DUPLICATES, &err);
	c->len -= used;
	memmove(c->in, end + 1, c->len);
	c->busy = true;
	TAILQ_REMOVE(&c->control->clients, c, entry);
	TAILQ_INSERT_TAIL(&c->control->clients, c, entry);
	if (!json_is_object(request))
		answer_error(c, "a request is one JSON object on one line");
	else
		dispatch(c, request);
	json_decref(request);
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct client *c = h->data;

	(void)suggested;
	*buf = uv_buf_init(c->in + c->len, (unsigned)(sizeof(c->in) - c->len));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;

	(void)buf;
	/* ENOBUFS: a whole buffer of requests while one is being answered. */
	if (n < 0) {
		client_close(c);
		return;
	}
	c->len += (size_t)n;
	if (!c->busy)
		next_request(c);
}

static long
peer_uid(const uv_pipe_t *pipe)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	uv_os_fd_t fd;

	if (uv_fileno((const uv_handle_t *)pipe, &fd) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -1;
	return (long)cred.uid;
}

/* Close the first in the list that is not going already. */
static void
make_room(struct control *k)
{
	struct client *c;
	size_t staying = 0;

	TAILQ_FOREACH (c, &k->clients, entry)
		staying += !c->closing;
	if (staying < CLIENTS_MAX)
		return;
	TAILQ_FOREACH (c, &k->clients, entry) {
		if (c->closing)
			continue;
		client_close(c);
		return;
	}
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct control *k = listener->data;
	struct client *c;

	if (status < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return;
	make_room(k);
	c->control = k;
	uv_pipe_init(k->gw->loop, &c->pipe, 0);
	c->pipe.data = c;
	k->open++;
	k->nclients++;
	TAILQ_INSERT_TAIL(&k->clients, c, entry);
	if (uv_accept(listener, (uv_stream_t *)&c->pipe) != 0 ||
	    uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0)
		client_close(c);
	else
		c->uid = peer_uid(&c->pipe);
}

/* --- the listener ----------------------------------------------------------------- */

/* Whether somebody answers on the socket at path. */
static bool
in_use(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool used;

	if (fd < 0)
		return false;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	used = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0;
	close(fd);
	return used;
}

static void
on_listener_closed(uv_handle_t *h)
{
	control_release(h->data);
}

int
control_open(struct gateway *gw, const char *path, char *errbuf, size_t errcap,
    struct control **ret_c)
{
	struct control *k;
	int rc;

	/* libuv would cut a longer path without a word. */
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		snprintf(
		    errbuf, errcap, "control socket %s: path too long", path);
		return -ENAMETOOLONG;
	}
	if (in_use(path)) {
		snprintf(errbuf, errcap,
		    "control socket %s: in use by another "
		    "muled",
		    path);
		return -EADDRINUSE;
	}
	k = calloc(1, sizeof(*k));
	if (k == NULL || (k->path = strdup(path)) == NULL) {
		free(k);
		return -ENOMEM;
	}
	k->gw = gw;
	TAILQ_INIT(&k->clients);
	uv_pipe_init(gw->loop, &k->listener, 0);
	k->listener.data = k;
	k->open = 1;
	(void)unlink(path);
	rc = uv_pipe_bind(&k->listener, path);
	if (rc == 0 && chmod(path, 0660) != 0)
		rc = -errno;
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&k->listener, 8, on_connection);
	if (rc != 0) {
		snprintf(errbuf, errcap, "control socket %s: %s", path,
		    strerror(-rc));
		uv_close((uv_handle_t *)&k->listener, on_listener_closed);
		return rc;
	}
	*ret_c = k;
	return 0;
}

void
control_close(struct control **kp, void (*closed)(void *ctx), void *ctx)
{
	struct control *k = *kp;
	struct client *c, *next;

	*kp = NULL;
	if (k == NULL) {
		if (closed != NULL)
			closed(ctx);
		return;
	}
	k->closed = closed;
	k->closed_ctx = ctx;
	for (c = TAILQ_FIRST(&k->clients); c != NULL; c = next) {
		next = TAILQ_NEXT(c, entry);
		client_close(c);
	}
	(void)unlink(k->path);
	uv_close((uv_handle_t *)&k->listener, on_listener_closed);
}

/* The control socket: lines in, a line of JSON out for each. */
#include "tools/mulelink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS_MAX 16
#define LINE_OCTETS 512

struct client {
	uv_pipe_t pipe;
	struct control *control;
	char line[LINE_OCTETS];
	size_t len;
};

struct control {
	uv_pipe_t pipe;
	struct link *link;
	struct client *clients[CLIENTS_MAX];
};

struct answer {
	uv_write_t write;
	char *text;
	size_t len;
};

static void
on_client_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
drop(struct client *cl)
{
	if (uv_is_closing((uv_handle_t *)&cl->pipe))
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (cl->control->clients[i] == cl)
			cl->control->clients[i] = NULL;
	uv_close((uv_handle_t *)&cl->pipe, on_client_closed);
}

static void
on_written(uv_write_t *w, int status)
{
	struct answer *a = w->data;

	(void)status;
	free(a->text);
	free(a);
}

static void
answer_line(struct client *cl)
{
	struct answer *a = calloc(1, sizeof(*a));
	FILE *f = a != NULL ? open_memstream(&a->text, &a->len) : NULL;
	uv_buf_t buf;

	if (f == NULL) {
		free(a);
		drop(cl);
		return;
	}
	mulelink_command(cl->control->link, cl->line, f);
	if (fclose(f) != 0) {
		free(a->text);
		free(a);
		drop(cl);
		return;
	}
	a->write.data = a;
	buf = uv_buf_init(a->text, (unsigned)a->len);
	if (uv_write(
		&a->write, (uv_stream_t *)&cl->pipe, &buf, 1, on_written) != 0)
		on_written(&a->write, 0);
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct client *cl = h->data;

	(void)suggested;
	/* One octet stays for the end of the string. */
	*buf = uv_buf_init(
	    cl->line + cl->len, (unsigned)(sizeof(cl->line) - 1 - cl->len));
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct client *cl = s->data;
	char *end;

	(void)buf;
	if (n > 0)
		cl->len += (size_t)n;
	while (n >= 0 && (end = memchr(cl->line, '\n', cl->len)) != NULL) {
		size_t used = (size_t)(end + 1 - cl->line);

		*end = '\0';
		answer_line(cl);
		memmove(cl->line, cl->line + used, cl->len - used);
		cl->len -= used;
	}
	/* Gone, or a line that is too long. */
	if (n < 0 || cl->len == sizeof(cl->line) - 1)
		drop(cl);
}

static void
on_connection(uv_stream_t *server, int status)
{
	struct control *c = server->data;
	struct client *cl = status == 0 ? calloc(1, sizeof(*cl)) : NULL;
	int place = 0;

	if (cl == NULL)
		return;
	cl->control = c;
	uv_pipe_init(&c->link->loop, &cl->pipe, 0);
	cl->pipe.data = cl;
	while (place < CLIENTS_MAX && c->clients[place] != NULL)
		place++;
	if (uv_accept(server, (uv_stream_t *)&cl->pipe) != 0 ||
	    place == CLIENTS_MAX) {
		drop(cl);
		return;
	}
	c->clients[place] = cl;
	uv_read_start((uv_stream_t *)&cl->pipe, on_alloc, on_read);
}

/* A socket that nobody listens on any more is in the way; take it out. */
static void
remove_stale(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode) ||
	    strlen(path) >= sizeof(sun.sun_path))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 &&
	    errno == ECONNREFUSED)
		unlink(path);
	close(fd);
}

static void
on_control_closed(uv_handle_t *h)
{
	free(h->data);
}

struct control *
control_new(struct link *l, const char *path)
{
	struct control *c = calloc(1, sizeof(*c));
	int error;

	if (c == NULL)
		return NULL;
	c->link = l;
	uv_pipe_init(&l->loop, &c->pipe, 0);
	c->pipe.data = c;
	remove_stale(path);
	error = strlen(path) < sizeof(((struct sockaddr_un *)0)->sun_path)
		    ? uv_pipe_bind(&c->pipe, path)
		    : UV_ENAMETOOLONG;
	if (error == 0)
		error = uv_listen(
		    (uv_stream_t *)&c->pipe, CLIENTS_MAX, on_connection);
	if (error == 0)
		return c;
	fprintf(stderr, "mulelink: %s: %s\n", path, uv_strerror(error));
	uv_close((uv_handle_t *)&c->pipe, on_control_closed);
	return NULL;
}

void
control_free(struct control **cp)
{
	struct control *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	for (int i = 0; i < CLIENTS_MAX; i++)
		if (c->clients[i] != NULL)
			drop(c->clients[i]);
	uv_close((uv_handle_t *)&c->pipe, on_control_closed);
}

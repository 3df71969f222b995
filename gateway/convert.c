#include "gateway/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "smtp/mime.h"

struct conversion {
	uv_work_t work;
	char *memory;
	int fd;
	size_t size;
	enum smtp_body target;
	char *tmp_dir;
	convert_cb *cb;
	void *ctx;
	struct conversion_done done;
};

static void
conversion_free(struct conversion *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->memory);
	free(c->tmp_dir);
	free(c);
}

static int
append(void *ctx, const char *p, size_t len)
{
	return body_append(ctx, p, len);
}

static void
convert(struct conversion *c, const char *content)
{
	struct conversion_done *d = &c->done;

	d->as_is = smtp_mime_fits(content, c->size, c->target);
	if (d->as_is)
		return;
	d->rc = body_new(c->tmp_dir, &d->body);
	if (d->rc == 0)
		d->rc = smtp_mime_convert(
		    content, c->size, c->target, append, d->body, &d->why);
	/* Into the file, if it has one: it is read from there. */
	if (d->rc == 0 && body_memory(d->body) == NULL)
		d->rc = body_sync(d->body);
	if (d->rc != 0)
		body_free(&d->body);
}

static void
work(uv_work_t *w)
{
	struct conversion *c = w->data;
	void *map;

	if (c->fd < 0) {
		convert(c, c->memory);
		return;
	}
	/* Files of the queue do not change while they are there. */
	map = mmap(NULL, c->size, PROT_READ, MAP_PRIVATE, c->fd, 0);
	if (map == MAP_FAILED) {
		c->done.rc = -errno;
		return;
	}
	convert(c, map);
	munmap(map, c->size);
}

static void
on_worked(uv_work_t *w, int status)
{
	struct conversion *c = w->data;

	if (status != 0)
		c->done.rc = -ECANCELED;
	c->cb(c->ctx, &c->done);
	conversion_free(c);
}

int
convert_start(uv_loop_t *loop, const char *tmp_dir, const void *memory, int fd,
    uint64_t size, enum smtp_body target, convert_cb *done, void *ctx)
{
	struct conversion *c = calloc(1, sizeof(*c));
	int rc = -ENOMEM;

	if (c == NULL)
		return rc;
	c->work.data = c;
	c->fd = -1;
	c->size = size;
	c->target = target;
	c->cb = done;
	c->ctx = ctx;
	c->tmp_dir = strdup(tmp_dir);
	if (memory != NULL)
		c->memory = malloc(size + 1);
	else
		c->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (c->tmp_dir != NULL && (c->memory != NULL || c->fd >= 0)) {
		if (memory != NULL)
			memcpy(c->memory, memory, size);
		rc = uv_queue_work(loop, &c->work, work, on_worked);
	}
	if (rc != 0)
		conversion_free(c);
	return rc;
}

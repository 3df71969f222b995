#include "gateway/body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * buf holds the whole body until it outgrows BODY_MEMORY_MAX; from then on it
 * is the write buffer of the file, so that appending line by line does not
 * become a system call for each line.
 */
struct body {
	const char *tmp_dir;
	uint64_t len;
	uint8_t *buf;
	size_t used, cap;
	char *path; /* NULL: no file, or not ours any more */
	int fd;     /* -1: not open */
	bool in_file;
	bool failed;
};

int
body_new(const char *tmp_dir, struct body **ret_b)
{
	struct body *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	b->tmp_dir = tmp_dir;
	b->fd = -1;
	*ret_b = b;
	return 0;
}

void
body_free(struct body **b)
{
	struct body *p = *b;

	if (p == NULL)
		return;
	/* The file goes with the body: nothing is lost if close() fails. */
	if (p->fd >= 0)
		(void)close(p->fd);
	if (p->path != NULL)
		(void)unlink(p->path);
	free(p->path);
	free(p->buf);
	free(p);
	*b = NULL;
}

static int
write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int
flush(struct body *b)
{
	int rc = write_all(b->fd, b->buf, b->used);

	if (rc == 0)
		b->used = 0;
	return rc;
}

static int
open_file(struct body *b)
{
	size_t cap = strlen(b->tmp_dir) + sizeof("/bXXXXXX");
	char *path = malloc(cap);
	int fd;

	if (path == NULL)
		return -ENOMEM;
	snprintf(path, cap, "%s/bXXXXXX", b->tmp_dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		int rc = -errno;

		free(path);
		return rc;
	}
	b->path = path;
	b->fd = fd;
	b->in_file = true;
	return 0;
}

/* Make room for len octets; they fit into BODY_MEMORY_MAX with the rest. */
static int
reserve(struct body *b, size_t len)
{
	size_t cap = b->cap != 0 ? b->cap : 1024;
	uint8_t *buf;

	if (len <= b->cap - b->used)
		return 0;
	while (len > cap - b->used)
		cap *= 2;
	buf = realloc(b->buf, cap);
	if (buf == NULL)
		return -ENOMEM;
	b->buf = buf;
	b->cap = cap;
	return 0;
}

static int
append(struct body *b, const uint8_t *data, size_t len)
{
	int rc = 0;

	if (len > BODY_MEMORY_MAX - b->used) {
		if (!b->in_file)
			rc = open_file(b);
		if (rc == 0)
			rc = flush(b);
		if (rc != 0)
			return rc;
	}
	if (len > BODY_MEMORY_MAX)
		return write_all(b->fd, data, len);
	rc = reserve(b, len);
	if (rc == 0 && len > 0) {
		memcpy(b->buf + b->used, data, len);
		b->used += len;
	}
	return rc;
}

int
body_append(struct body *b, const void *data, size_t len)
{
	int rc = b->failed ? -EIO : append(b, data, len);

	if (rc == 0)
		b->len += len;
	else
		b->failed = true;
	return rc;
}

uint64_t
body_len(const struct body *b)
{
	return b->len;
}

const void *
body_memory(const struct body *b)
{
	/* An empty body is in memory too, though it has none. */
	if (b->in_file)
		return NULL;
	return b->buf != NULL ? (const void *)b->buf : "";
}

const char *
body_file(const struct body *b)
{
	return b->path;
}

int
body_sync(struct body *b)
{
	int rc = 0;

	if (b->failed)
		return -EIO;
	if (b->fd < 0)
		return 0;
	rc = flush(b);
	if (rc == 0 && fsync(b->fd) != 0)
		rc = -errno;
	if (close(b->fd) != 0 && rc == 0)
		rc = -errno;
	b->fd = -1;
	/* After a failed fsync() the kernel forgets what it did not write. */
	b->failed = rc != 0;
	return rc;
}

void
body_file_taken(struct body *b)
{
	free(b->path);
	b->path = NULL;
}

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/queue_internal.h"

/* --- errors -------------------------------------------------------------- */

static int
file_error(int e)
{
	switch (e) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return QUEUE_EFULL;
	case ENOMEM: return QUEUE_ENOMEM;
	default: return QUEUE_EIO;
	}
}

/* rc is 0 or an errno that the hook wants; do() runs only after a 0. */
static int
asked(struct queue_spool *s, enum queue_op op, const struct queue_name *name)
{
	return queue_shim_ask(s->shim, op, name != NULL ? name->s : "");
}

/* --- names --------------------------------------------------------------- */

struct queue_name
queue_name_message(uint64_t id)
{
	struct queue_name n;

	snprintf(n.s, sizeof(n.s), "%llu", (unsigned long long)id);
	return n;
}

struct queue_name
queue_name_transmission(uint64_t id)
{
	struct queue_name n;

	snprintf(n.s, sizeof(n.s), "t%llu", (unsigned long long)id);
	return n;
}

/* --- open and close ------------------------------------------------------ */

static int
open_dir(const char *path, int *ret_fd)
{
	int fd;

	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -1;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	*ret_fd = fd;
	return 0;
}

static char *
join(const char *dir, const char *name)
{
	size_t cap = strlen(dir) + 1 + strlen(name) + 1;
	char *p = malloc(cap);

	if (p != NULL)
		snprintf(p, cap, "%s/%s", dir, name);
	return p;
}

static int
take_lock(
    struct queue_spool *s, const char *state_dir, char *errbuf, size_t errcap)
{
	s->lock = openat(s->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0) {
		snprintf(errbuf, errcap, "%s/lock: cannot open: %s", state_dir,
		    strerror(errno));
		return file_error(errno);
	}
	if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
		return QUEUE_OK;
	if (errno == EWOULDBLOCK) {
		snprintf(errbuf, errcap,
		    "%s: another muled has this queue open; stop it, or set "
		    "another state_dir",
		    state_dir);
		return QUEUE_ELOCKED;
	}
	snprintf(errbuf, errcap, "%s/lock: cannot lock: %s", state_dir,
	    strerror(errno));
	return file_error(errno);
}

/* A directory just made must itself survive a power failure. */
static int
sync_parent(const struct queue_spool *s)
{
	int fd = openat(s->dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		/* Not ours to read, so not ours to have been made in. */
		return errno == EACCES ? 0 : -1;
	if (fsync(fd) != 0)
		rc = -1;
	(void)close(fd);
	return rc;
}

static int
open_dirs(struct queue_spool *s, const char *state_dir)
{
	char *spool = join(state_dir, "spool");
	int tmp = -1;
	int rc = -1;

	s->db_path = join(state_dir, "queue.db");
	s->tmp = join(state_dir, "tmp");
	errno = ENOMEM;
	if (spool != NULL && s->db_path != NULL && s->tmp != NULL &&
	    open_dir(state_dir, &s->dir) == 0 &&
	    open_dir(spool, &s->spool) == 0 && open_dir(s->tmp, &tmp) == 0 &&
	    fsync(s->dir) == 0)
		rc = sync_parent(s);
	if (tmp >= 0)
		(void)close(tmp);
	free(spool);
	return rc;
}

int
queue_spool_open(
    struct queue_spool *s, const char *state_dir, char *errbuf, size_t errcap)
{
	if (open_dirs(s, state_dir) != 0) {
		int rc = file_error(errno);

		snprintf(errbuf, errcap,
		    "%s: cannot make or open the state directory: %s",
		    state_dir, strerror(errno));
		return rc;
	}
	return take_lock(s, state_dir, errbuf, errcap);
}

void
queue_spool_close(struct queue_spool *s)
{
	/* Nothing was written through these. */
	if (s->spool >= 0)
		(void)close(s->spool);
	if (s->dir >= 0)
		(void)close(s->dir);
	if (s->lock >= 0)
		(void)close(s->lock);
	s->spool = s->dir = s->lock = -1;
	free(s->db_path);
	free(s->tmp);
	s->db_path = s->tmp = NULL;
}

/* --- writing ------------------------------------------------------------- */

static int
move(struct queue_spool *s, const char *from, const struct queue_name *name)
{
	int e = asked(s, QUEUE_OP_RENAME, name);

	if (e == 0 && renameat(AT_FDCWD, from, s->spool, name->s) != 0)
		e = errno;
	return e == 0 ? QUEUE_OK : file_error(e);
}

static int
synced(struct queue_spool *s, int rc)
{
	if (rc != 0)
		return file_error(-rc);
	atomic_fetch_add(&s->shim->syncs, 1);
	return QUEUE_OK;
}

int
queue_spool_place_body(
    struct queue_spool *s, struct queue_name name, struct body *b)
{
	int rc = -asked(s, QUEUE_OP_FSYNC, &name);

	if (rc == 0)
		rc = body_sync(b);
	rc = synced(s, rc);
	if (rc == QUEUE_OK)
		rc = move(s, body_file(b), &name);
	if (rc == QUEUE_OK)
		body_file_taken(b);
	return rc;
}

/* body.c knows how a file is written and flushed without losing an error. */
int
queue_spool_place_data(
    struct queue_spool *s, struct queue_name name, const void *data, size_t len)
{
	struct body *b = NULL;
	int rc = body_new(s->tmp, &b);

	assert(len > BODY_MEMORY_MAX);
	if (rc == 0)
		rc = body_append(b, data, len);
	if (rc != 0)
		rc = file_error(-rc);
	else
		rc = queue_spool_place_body(s, name, b);
	body_free(&b);
	return rc;
}

int
queue_spool_sync(struct queue_spool *s)
{
	int rc = -asked(s, QUEUE_OP_DIRSYNC, NULL);

	if (rc == 0 && fsync(s->spool) != 0)
		rc = -errno;
	return synced(s, rc);
}

void
queue_spool_remove(struct queue_spool *s, struct queue_name name)
{
	if (asked(s, QUEUE_OP_UNLINK, &name) == 0)
		(void)unlinkat(s->spool, name.s, 0);
}

/* --- reading ------------------------------------------------------------- */

int
queue_spool_read(
    struct queue_spool *s, struct queue_name name, uint64_t size, int *ret_fd)
{
	int fd = openat(s->spool, name.s, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? QUEUE_ENOTFOUND : QUEUE_EIO;
	if (fstat(fd, &st) != 0 || st.st_size < 0 ||
	    (uint64_t)st.st_size != size) {
		(void)close(fd);
		return QUEUE_EIO;
	}
	*ret_fd = fd;
	return QUEUE_OK;
}

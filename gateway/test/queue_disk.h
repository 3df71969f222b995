/*
 * A disk that can be watched, stopped and broken, under a queue of
 * queue_fixture.h.
 */
#ifndef MULETEER_GATEWAY_TEST_QUEUE_DISK_H
#define MULETEER_GATEWAY_TEST_QUEUE_DISK_H

#include "gateway/test/queue_fixture.h"

#include <dirent.h>

#define LOG_MAX 4096

struct disk {
	uv_sem_t entered, released;
	atomic_bool stop;      /* at the next sync of the log */
	atomic_bool stop_read; /* at the next read */
	atomic_int fail;       /* how many times */
	atomic_int fail_after; /* that many that do not */
	atomic_int fail_errno;
	atomic_int fail_op;
	const char *fail_path; /* part of the path; set while nothing runs */
	atomic_uint ops;
	enum queue_op op[LOG_MAX];
	char path[LOG_MAX][16];
};

FX bool
ends(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

FX void
disk_note(struct disk *d, enum queue_op op, const char *path)
{
	unsigned i = atomic_fetch_add(&d->ops, 1);
	const char *base = strrchr(path, '/');

	if (i >= LOG_MAX)
		return;
	d->op[i] = op;
	snprintf(d->path[i], sizeof(d->path[i]), "%s",
	    base != NULL ? base + 1 : path);
}

FX int
disk_hook(void *ctx, enum queue_op op, const char *path)
{
	struct disk *d = ctx;
	bool log = op == QUEUE_OP_SYNC && ends(path, "-wal");

	if (op != QUEUE_OP_READ)
		disk_note(d, op, path);
	if ((log && atomic_exchange(&d->stop, false)) ||
	    (op == QUEUE_OP_READ && atomic_exchange(&d->stop_read, false))) {
		uv_sem_post(&d->entered);
		uv_sem_wait(&d->released);
	}
	if (atomic_load(&d->fail) > 0 && (int)op == atomic_load(&d->fail_op) &&
	    (d->fail_path == NULL || ends(path, d->fail_path))) {
		if (atomic_load(&d->fail_after) > 0) {
			atomic_fetch_sub(&d->fail_after, 1);
			return 0;
		}
		atomic_fetch_sub(&d->fail, 1);
		return atomic_load(&d->fail_errno);
	}
	return 0;
}

FX void
disk_open(struct fx *f, struct disk *d)
{
	memset(d, 0, sizeof(*d));
	assert_int_equal(uv_sem_init(&d->entered, 0), 0);
	assert_int_equal(uv_sem_init(&d->released, 0), 0);
	f->hook = disk_hook;
	f->hook_ctx = d;
	fx_open(f);
	/* Set-up is not of interest. */
	atomic_store(&d->ops, 0);
}

FX void
disk_fail(struct disk *d, enum queue_op op, const char *path, int times, int e)
{
	d->fail_path = path;
	atomic_store(&d->fail_op, (int)op);
	atomic_store(&d->fail_errno, e);
	atomic_store(&d->fail, times);
}

FX void
disk_close(struct fx *f, struct disk *d)
{
	fx_close(f);
	f->hook = NULL;
	uv_sem_destroy(&d->entered);
	uv_sem_destroy(&d->released);
}

/* Place of the first such operation from place at; -1: there is none. */
FX int
disk_find(const struct disk *d, enum queue_op op, const char *path, int at)
{
	for (int i = at; i >= 0 && (unsigned)i < d->ops && i < LOG_MAX; i++)
		if (d->op[i] == op && ends(d->path[i], path))
			return i;
	return -1;
}

FX size_t
disk_count(const struct disk *d, enum queue_op op)
{
	size_t n = 0;

	for (size_t i = 0; i < d->ops && i < LOG_MAX; i++)
		n += d->op[i] == op;
	return n;
}

FX size_t
files_in(struct fx *f, const char *name)
{
	DIR *dir = opendir(fx_path(f, name));
	const struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		n += e->d_name[0] != '.';
	closedir(dir);
	return n;
}

FX int
fx_add_one(struct fx *f, size_t len)
{
	struct queue_txn *t = queue_txn_new();

	fx_put(f, t, "mx:b", 0, 1, len);
	return fx_commit(f, &t);
}

#endif

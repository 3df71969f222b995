/*
 * A thin VFS over SQLite's own: it counts what goes to the disk, and lets a
 * test watch it, hold it up or refuse it.
 *
 * Everything is passed on; xRead, xWrite and xSync ask first.  Methods
 * of version 3 (memory mapping) are not offered, so SQLite does not use them.
 */
#include "gateway/queue_db.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/queue.h"

struct file {
	sqlite3_file base;
	struct queue_shim *shim;
	const char *path;   /* SQLite keeps it while the file is open */
	sqlite3_file *real; /* right behind this struct */
};

struct vfs {
	sqlite3_vfs base;
	char name[48];
	struct queue_shim *shim;
	sqlite3_vfs *real;
};

static struct file *
file_of(sqlite3_file *f)
{
	return (struct file *)f;
}

static sqlite3_file *
real_of(sqlite3_file *f)
{
	return file_of(f)->real;
}

int
queue_shim_ask(struct queue_shim *s, enum queue_op op, const char *path)
{
	if (s->hook == NULL)
		return 0;
	return s->hook(s->hook_ctx, op, path != NULL ? path : "");
}

static int
ask(sqlite3_file *f, enum queue_op op)
{
	return queue_shim_ask(file_of(f)->shim, op, file_of(f)->path);
}

/*
 * SQLite's own VFS tells ENOSPC of a write from other errors, but not a quota
 * or a limit on the size of files.
 */
static int
write_result(sqlite3_file *f, int rc)
{
	int e = 0;

	if ((rc & 0xff) != SQLITE_IOERR)
		return rc;
	if (real_of(f)->pMethods->xFileControl(
		real_of(f), SQLITE_FCNTL_LAST_ERRNO, &e) != SQLITE_OK)
		return rc;
	return e == ENOSPC || e == EDQUOT || e == EFBIG ? SQLITE_FULL : rc;
}

/* --- files --------------------------------------------------------------- */

static int
file_close(sqlite3_file *f)
{
	return real_of(f)->pMethods->xClose(real_of(f));
}

static int
file_read(sqlite3_file *f, void *buf, int n, sqlite3_int64 at)
{
	if (ask(f, QUEUE_OP_READ) != 0)
		return SQLITE_IOERR_READ;
	return real_of(f)->pMethods->xRead(real_of(f), buf, n, at);
}

static int
file_write(sqlite3_file *f, const void *buf, int n, sqlite3_int64 at)
{
	int e = ask(f, QUEUE_OP_WRITE);
	int rc;

	if (e != 0)
		return e == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
	rc = real_of(f)->pMethods->xWrite(real_of(f), buf, n, at);
	return write_result(f, rc);
}

static int
file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int
file_sync(sqlite3_file *f, int flags)
{
	int rc = SQLITE_IOERR_FSYNC;

	if (ask(f, QUEUE_OP_SYNC) == 0)
		rc = real_of(f)->pMethods->xSync(real_of(f), flags);
	/* Counted when it is over: who sees the number knows it happened. */
	if (rc == SQLITE_OK)
		atomic_fetch_add(&file_of(f)->shim->syncs, 1);
	return rc;
}

static int
file_size(sqlite3_file *f, sqlite3_int64 *ret_size)
{
	return real_of(f)->pMethods->xFileSize(real_of(f), ret_size);
}

static int
file_lock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int
file_unlock(sqlite3_file *f, int level)
{
	return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int
file_check_lock(sqlite3_file *f, int *ret_locked)
{
	return real_of(f)->pMethods->xCheckReservedLock(real_of(f), ret_locked);
}

static int
file_control(sqlite3_file *f, int op, void *arg)
{
	return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int
file_sector(sqlite3_file *f)
{
	return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int
file_traits(sqlite3_file *f)
{
	return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int
file_shm_map(
    sqlite3_file *f, int page, int size, int extend, void volatile **ret_p)
{
	return real_of(f)->pMethods->xShmMap(
	    real_of(f), page, size, extend, ret_p);
}

static int
file_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
	return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void
file_shm_barrier(sqlite3_file *f)
{
	real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int
file_shm_unmap(sqlite3_file *f, int delete)
{
	return real_of(f)->pMethods->xShmUnmap(real_of(f), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = file_sector,
	.xDeviceCharacteristics = file_traits,
	.xShmMap = file_shm_map,
	.xShmLock = file_shm_lock,
	.xShmBarrier = file_shm_barrier,
	.xShmUnmap = file_shm_unmap,
};

/* --- the VFS ------------------------------------------------------------- */

static const struct vfs *
vfs_of(sqlite3_vfs *v)
{
	return (const struct vfs *)v->pAppData;
}

static int
vfs_open(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags,
    int *ret_flags)
{
	const struct vfs *own = vfs_of(v);
	struct file *file = file_of(f);
	int rc;

	file->shim = own->shim;
	file->path = path;
	file->real = (sqlite3_file *)(void *)&file[1];
	rc = own->real->xOpen(own->real, path, file->real, flags, ret_flags);
	/* With methods set SQLite calls xClose(), also after an error. */
	f->pMethods = file->real->pMethods != NULL ? &methods : NULL;
	return rc;
}

static int
vfs_delete(sqlite3_vfs *v, const char *path, int sync_dir)
{
	return vfs_of(v)->real->xDelete(vfs_of(v)->real, path, sync_dir);
}

static int
vfs_access(sqlite3_vfs *v, const char *path, int flags, int *ret_yes)
{
	return vfs_of(v)->real->xAccess(vfs_of(v)->real, path, flags, ret_yes);
}

static int
vfs_full_path(sqlite3_vfs *v, const char *path, int n, char *ret_path)
{
	return vfs_of(v)->real->xFullPathname(
	    vfs_of(v)->real, path, n, ret_path);
}

static int
vfs_randomness(sqlite3_vfs *v, int n, char *ret_bytes)
{
	return vfs_of(v)->real->xRandomness(vfs_of(v)->real, n, ret_bytes);
}

static int
vfs_sleep(sqlite3_vfs *v, int us)
{
	return vfs_of(v)->real->xSleep(vfs_of(v)->real, us);
}

static int
vfs_time(sqlite3_vfs *v, double *ret_days)
{
	return vfs_of(v)->real->xCurrentTime(vfs_of(v)->real, ret_days);
}

static int
vfs_last_error(sqlite3_vfs *v, int n, char *ret_text)
{
	return vfs_of(v)->real->xGetLastError(vfs_of(v)->real, n, ret_text);
}

int
queue_shim_register(struct queue_shim *s)
{
	sqlite3_vfs *real = sqlite3_vfs_find(NULL);
	struct vfs *v = calloc(1, sizeof(*v));

	if (v == NULL || real == NULL) {
		free(v);
		return QUEUE_ENOMEM;
	}
	/* One for each queue: the address keeps the names apart. */
	snprintf(v->name, sizeof(v->name), "muleteer-%p", (void *)s);
	v->shim = s;
	v->real = real;
	v->base = (sqlite3_vfs){
		.iVersion = 1,
		.szOsFile = (int)sizeof(struct file) + real->szOsFile,
		.mxPathname = real->mxPathname,
		.zName = v->name,
		.pAppData = v,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_path,
		.xRandomness = vfs_randomness,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_last_error,
	};
	if (sqlite3_vfs_register(&v->base, 0) != SQLITE_OK) {
		free(v);
		return QUEUE_ENOMEM;
	}
	s->vfs = v;
	return QUEUE_OK;
}

void
queue_shim_unregister(struct queue_shim *s)
{
	struct vfs *v = s->vfs;

	if (v == NULL)
		return;
	/* It fails only for what is not registered. */
	(void)sqlite3_vfs_unregister(&v->base);
	free(v);
	s->vfs = NULL;
}

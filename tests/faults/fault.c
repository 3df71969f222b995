/*
 * Faults on demand, for LD_PRELOAD: what a process does to the files below a
 * directory is counted, and at a chosen call the process is killed, or the call
 * fails.  Everything can also be written down, for tests of power failures.
 *
 *	FAULT_DIR      the directory, as an absolute path without links
 *	FAULT_CONTROL  a file of one struct control, shared with the test
 *	FAULT_JOURNAL  where to write down what happens; optional
 *
 * It knows write, pwrite, fsync, fdatasync, ftruncate, rename, unlink and the
 * open that creates, in the forms that muled and SQLite use.  Not the memory
 * mapped index of the write-ahead log: it is made anew after a crash.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { NONE, KILL, FAIL, TEAR };

struct control {
	uint64_t count;       /* calls so far */
	uint64_t first, last; /* the action is for these, from 1 */
	int32_t action;
	int32_t error;
	uint64_t hits;
};

static struct control *control;
static char dir[PATH_MAX];
static size_t dir_len;
static int journal = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *
real(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (p == NULL)
		abort();
	return p;
}

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("FAULT_CONTROL");
	const char *top = getenv("FAULT_DIR");
	int fd;

	if (path == NULL || top == NULL)
		return;
	dir_len = strlen(top);
	if (dir_len >= sizeof(dir))
		return;
	memcpy(dir, top, dir_len + 1);
	fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (control == MAP_FAILED)
		control = NULL;
	close(fd);
	path = getenv("FAULT_JOURNAL");
	if (path != NULL)
		journal = REAL(open)(
		    path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* --- what it is about ---------------------------------------------------- */

/* The path of a file below the directory, relative to it; or NULL. */
static const char *
below(const char *path)
{
	size_t n = strlen(path);

	if (control == NULL || strncmp(path, dir, dir_len) != 0)
		return NULL;
	if (path[dir_len] == '\0')
		return ".";
	if (path[dir_len] != '/' ||
	    (n > 4 && strcmp(path + n - 4, "-shm") == 0))
		return NULL;
	return path + dir_len + 1;
}

static const char *
below_fd(int fd, char buf[PATH_MAX])
{
	char link[64];
	ssize_t n;

	if (control == NULL)
		return NULL;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, buf, PATH_MAX - 1);
	if (n <= 0)
		return NULL;
	buf[n] = '\0';
	return below(buf);
}

static const char *
below_at(int at, const char *path, char buf[PATH_MAX])
{
	size_t n;

	if (path[0] == '/') {
		snprintf(buf, PATH_MAX, "%s", path);
		return below(buf);
	}
	if (at == AT_FDCWD || below_fd(at, buf) == NULL)
		return NULL;
	n = strlen(buf);
	snprintf(buf + n, PATH_MAX - n, "/%s", path);
	return below(buf);
}

/* --- the record ----------------------------------------------------------- */

/*
 * type, path, a number, then octets: each string behind its length in four
 * octets, the number in eight.  One write each, so that threads do not mix.
 */
static void
record(char type, const char *path, uint64_t number, const void *p, size_t len)
{
	uint32_t path_len = (uint32_t)strlen(path), data_len = (uint32_t)len;
	struct iovec v[] = {
		{ &type, 1 },
		{ &path_len, sizeof(path_len) },
		{ (void *)(uintptr_t)path, path_len },
		{ &number, sizeof(number) },
		{ &data_len, sizeof(data_len) },
		{ (void *)(uintptr_t)p, len },
	};

	if (journal >= 0)
		(void)!writev(journal, v, 6);
}

/* --- the fault ------------------------------------------------------------ */

/* What is to happen to this call; the lock is held until after(). */
static enum action
before(bool is_write)
{
	enum action a = NONE;

	pthread_mutex_lock(&lock);
	control->count++;
	if (control->action != NONE && control->count >= control->first &&
	    control->count <= control->last) {
		a = (enum action)control->action;
		control->hits++;
	}
	if (a == KILL || (a == TEAR && !is_write))
		kill(getpid(), SIGKILL);
	if (a == FAIL)
		errno = control->error;
	return a;
}

static void
after(void)
{
	int saved = errno;

	pthread_mutex_unlock(&lock);
	errno = saved;
}

static ssize_t
do_write(int fd, const void *p, size_t len, off_t at, bool positioned)
{
	char buf[PATH_MAX];
	const char *path = below_fd(fd, buf);
	enum action a;
	ssize_t n = -1;

	if (path == NULL)
		return positioned ? REAL(pwrite)(fd, p, len, at)
				  : REAL(write)(fd, p, len);
	a = before(true);
	if (a == TEAR)
		len = len / 2;
	if (a != FAIL) {
		off_t pos = positioned ? at : lseek(fd, 0, SEEK_CUR);

		n = positioned ? REAL(pwrite)(fd, p, len, at)
			       : REAL(write)(fd, p, len);
		if (n > 0)
			record('W', path, (uint64_t)pos, p, (size_t)n);
	}
	if (a == TEAR)
		kill(getpid(), SIGKILL);
	after();
	return n;
}

/* --- what is replaced ------------------------------------------------------ */

/* Our own announcements, for the record: SMTP replies and Ack_PDUs. */
static void
announce(const void *p, size_t len)
{
	if (journal >= 0 && len > 0)
		record('A', "", 0, p, len);
}

static bool
is_socket(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

ssize_t
write(int fd, const void *p, size_t len)
{
	if (journal >= 0 && is_socket(fd))
		announce(p, len);
	return do_write(fd, p, len, 0, false);
}

ssize_t
writev(int fd, const struct iovec *v, int n)
{
	if (journal >= 0 && fd != journal && is_socket(fd))
		for (int i = 0; i < n; i++)
			announce(v[i].iov_base, v[i].iov_len);
	return REAL(writev)(fd, v, n);
}

ssize_t
sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (journal >= 0)
		for (size_t i = 0; i < m->msg_iovlen; i++)
			announce(m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
	return REAL(sendmsg)(fd, m, flags);
}

ssize_t
sendto(int fd, const void *p, size_t len, int flags,
    const struct sockaddr *to, socklen_t to_len)
{
	announce(p, len);
	return REAL(sendto)(fd, p, len, flags, to, to_len);
}

ssize_t
send(int fd, const void *p, size_t len, int flags)
{
	announce(p, len);
	return REAL(send)(fd, p, len, flags);
}

ssize_t
pwrite(int fd, const void *p, size_t len, off_t at)
{
	return do_write(fd, p, len, at, true);
}

ssize_t
pwrite64(int fd, const void *p, size_t len, off_t at)
{
	return do_write(fd, p, len, at, true);
}

static int
do_sync(int fd, int (*sync)(int))
{
	char buf[PATH_MAX];
	const char *path = below_fd(fd, buf);
	int rc = -1;

	if (path == NULL)
		return sync(fd);
	if (before(false) != FAIL) {
		/* The record says what the disk has promised. */
		rc = sync(fd);
		if (rc == 0)
			record('S', path, 0, NULL, 0);
	}
	after();
	return rc;
}

int
fsync(int fd)
{
	return do_sync(fd, REAL(fsync));
}

int
fdatasync(int fd)
{
	return do_sync(fd, REAL(fdatasync));
}

static int
do_truncate(int fd, off_t len)
{
	char buf[PATH_MAX];
	const char *path = below_fd(fd, buf);
	int rc = -1;

	if (path == NULL)
		return REAL(ftruncate)(fd, len);
	if (before(false) != FAIL) {
		rc = REAL(ftruncate)(fd, len);
		if (rc == 0)
			record('T', path, (uint64_t)len, NULL, 0);
	}
	after();
	return rc;
}

int
ftruncate(int fd, off_t len)
{
	return do_truncate(fd, len);
}

int
ftruncate64(int fd, off_t len)
{
	return do_truncate(fd, len);
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char a[PATH_MAX], b[PATH_MAX];
	const char *old = below_at(from_fd, from, a);
	const char *new = below_at(to_fd, to, b);
	int rc = -1;

	if (new == NULL)
		return REAL(renameat)(from_fd, from, to_fd, to);
	if (before(false) != FAIL) {
		rc = REAL(renameat)(from_fd, from, to_fd, to);
		if (rc == 0 && old != NULL)
			record('R', old, 0, new, strlen(new));
	}
	after();
	return rc;
}

int
rename(const char *from, const char *to)
{
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int
unlinkat(int fd, const char *name, int flags)
{
	char buf[PATH_MAX];
	const char *path = below_at(fd, name, buf);
	int rc = -1;

	if (path == NULL)
		return REAL(unlinkat)(fd, name, flags);
	if (before(false) != FAIL) {
		rc = REAL(unlinkat)(fd, name, flags);
		if (rc == 0)
			record('U', path, 0, NULL, 0);
	}
	after();
	return rc;
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

static int
do_open(int at, const char *name, int flags, mode_t mode)
{
	char buf[PATH_MAX];
	const char *path =
	    (flags & O_CREAT) != 0 ? below_at(at, name, buf) : NULL;
	bool there;
	int fd = -1;

	if (path == NULL)
		return REAL(openat)(at, name, flags, mode);
	there = faccessat(at, name, F_OK, 0) == 0;
	if (before(false) != FAIL) {
		fd = REAL(openat)(at, name, flags, mode);
		if (fd >= 0 && !there)
			record('C', path, 0, NULL, 0);
	}
	after();
	return fd;
}

/* The C library opens it by itself, past the functions below. */
int
mkostemp(char *name, int flags)
{
	char buf[PATH_MAX];
	const char *path;
	int fd = -1;

	if (below_at(AT_FDCWD, name, buf) == NULL)
		return REAL(mkostemp)(name, flags);
	if (before(false) != FAIL) {
		fd = REAL(mkostemp)(name, flags);
		path = below_at(AT_FDCWD, name, buf);
		if (fd >= 0 && path != NULL)
			record('C', path, 0, NULL, 0);
	}
	after();
	return fd;
}

#define MODE(flags, ap) \
	mode_t mode = 0; \
	va_list ap; \
	va_start(ap, flags); \
	if (((flags) & (O_CREAT | O_TMPFILE)) != 0) \
		mode = va_arg(ap, mode_t); \
	va_end(ap)

int
open(const char *path, int flags, ...)
{
	MODE(flags, ap);
	return do_open(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	MODE(flags, ap);
	return do_open(AT_FDCWD, path, flags, mode);
}

int
openat(int at, const char *path, int flags, ...)
{
	MODE(flags, ap);
	return do_open(at, path, flags, mode);
}

int
openat64(int at, const char *path, int flags, ...)
{
	MODE(flags, ap);
	return do_open(at, path, flags, mode);
}

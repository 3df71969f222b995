/*
 * What start-up does with what it finds; doc/QUEUE.md has the table.
 *
 * A crash leaves files without rows, never rows without files.  So the first
 * kind is removed without a word, and the second kind is news: somebody took a
 * file away.  Such a message stays as it is and its body cannot be read, which
 * its hop will report; nothing is dropped here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/queue_internal.h"

enum sql {
	MESSAGE_HAS_FILE,
	TRANSMISSION_HAS_FILE,
	MESSAGES_WITH_FILE,
	TRANSMISSIONS_WITH_FILE,
};

static const char *const sql[] = {
	[MESSAGE_HAS_FILE] = "SELECT in_file FROM message WHERE id = ?1",
	[TRANSMISSION_HAS_FILE] =
	    "SELECT in_file FROM transmission WHERE id = ?1",
	[MESSAGES_WITH_FILE] =
	    "SELECT id, size FROM message INDEXED BY message_in_file"
	    " WHERE in_file = 1",
	[TRANSMISSIONS_WITH_FILE] =
	    "SELECT id, size FROM transmission INDEXED BY transmission_in_file"
	    " WHERE in_file = 1",
};

struct recovery {
	struct queue *q;
	struct queue_db *db;
	char *errbuf;
	size_t errcap;
};

static void
warn(struct queue *q, const char *text)
{
	if (q->warn != NULL)
		q->warn(q->warn_ctx, text);
}

/* --- directories --------------------------------------------------------- */

/*
 * Calls each(r, name) for every entry of the directory behind fd; ends early
 * when it returns an error.
 */
static int
each_entry(struct recovery *r, int fd,
    int (*each)(struct recovery *r, const char *name))
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *e;
	int rc = QUEUE_OK;

	if (d == NULL) {
		if (copy >= 0)
			(void)close(copy);
		return QUEUE_EIO;
	}
	errno = 0;
	while (rc == QUEUE_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = each(r, e->d_name);
		errno = 0;
	}
	if (rc == QUEUE_OK && errno != 0)
		rc = QUEUE_EIO;
	(void)closedir(d);
	return rc;
}

/* The number in a name that queue_name_...() made; 0 for any other. */
static uint64_t
number_of(const char *s)
{
	uint64_t v = 0;

	if (s[0] == '0' || strlen(s) > 18)
		return 0;
	for (; *s != '\0'; s++) {
		if (*s < '0' || *s > '9')
			return 0;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	return v;
}

static int
remove_orphan(struct recovery *r, const char *name)
{
	bool transmission = name[0] == 't';
	uint64_t id = number_of(name + transmission);
	struct queue_stmt s;
	char text[320];
	int64_t in_file = 0;
	int rc;

	if (id == 0) {
		snprintf(text, sizeof(text), "spool/%s is not ours", name);
		warn(r->q, text);
		return QUEUE_OK;
	}
	s = queue_stmt(
	    r->db, transmission ? TRANSMISSION_HAS_FILE : MESSAGE_HAS_FILE);
	queue_put_int(&s, (int64_t)id);
	rc = queue_stmt_step(&s);
	if (rc == 1) {
		in_file = queue_col_int(&s, 0);
		queue_stmt_end(&s);
	}
	if (rc >= 0 && in_file == 0)
		(void)unlinkat(r->q->files.spool, name, 0);
	return rc < 0 ? rc : QUEUE_OK;
}

static int
remove_tmp(struct recovery *r, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", r->q->files.tmp, name);
	if (unlink(path) != 0 && errno != EISDIR && errno != EPERM)
		return QUEUE_EIO;
	return QUEUE_OK;
}

static int
empty_tmp(struct recovery *r)
{
	int fd = open(r->q->files.tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd >= 0 ? each_entry(r, fd, remove_tmp) : QUEUE_EIO;

	if (fd >= 0)
		(void)close(fd);
	return rc;
}

/* --- rows ---------------------------------------------------------------- */

static int
report_missing(struct recovery *r, enum sql which, const char *what,
    struct queue_name (*name)(uint64_t id))
{
	struct queue_stmt s = queue_stmt(r->db, which);
	struct queue_name n;
	char text[160];
	uint64_t id;
	int rc, fd;

	while ((rc = queue_stmt_step(&s)) == 1) {
		id = (uint64_t)queue_col_int(&s, 0);
		n = name(id);
		if (queue_spool_read(&r->q->files, n,
			(uint64_t)queue_col_int(&s, 1), &fd) == QUEUE_OK) {
			(void)close(fd);
			continue;
		}
		snprintf(text, sizeof(text),
		    "%s %llu: spool/%s is missing or damaged", what,
		    (unsigned long long)id, n.s);
		warn(r->q, text);
	}
	return rc;
}

struct total {
	const char *sql;
	atomic_ullong *counter;
};

static int
load_numbers(struct recovery *r)
{
	struct queue *q = r->q;
	const struct total totals[] = {
		{ "SELECT count(*) FROM message", &q->messages },
		{ "SELECT count(*) FROM recipient", &q->recipients },
		{ "SELECT count(*) FROM transmission", &q->transmissions },
		{ "SELECT count(*) FROM quarantine", &q->quarantine },
	};
	int64_t v = 0;
	int rc = queue_db_number(r->db,
	    "SELECT ifnull(max(seq), 0) FROM sqlite_sequence"
	    " WHERE name = 'message'",
	    &v);

	q->next_id = (uint64_t)v + 1;
	if (rc == QUEUE_OK)
		rc = queue_db_number(r->db,
		    "SELECT ifnull(max(seq), 0) FROM sqlite_sequence"
		    " WHERE name = 'transmission'",
		    &v);
	q->next_transmission = (uint64_t)v + 1;
	for (size_t i = 0;
	     rc == QUEUE_OK && i < sizeof(totals) / sizeof(totals[0]); i++) {
		rc = queue_db_number(r->db, totals[i].sql, &v);
		atomic_store(totals[i].counter, (unsigned long long)v);
	}
	return rc;
}

int
queue_recover(struct queue *q, char *errbuf, size_t errcap)
{
	struct recovery r = { .q = q };
	int rc = queue_db_open(q->files.db_path, &q->shim, true, &r.db);

	if (rc == QUEUE_OK)
		rc = queue_db_prepare(
		    r.db, sql, 0, sizeof(sql) / sizeof(sql[0]));
	if (rc == QUEUE_OK)
		rc = empty_tmp(&r);
	if (rc == QUEUE_OK)
		rc = each_entry(&r, q->files.spool, remove_orphan);
	if (rc == QUEUE_OK)
		rc = report_missing(
		    &r, MESSAGES_WITH_FILE, "message", queue_name_message);
	if (rc == QUEUE_OK)
		rc = report_missing(&r, TRANSMISSIONS_WITH_FILE, "transmission",
		    queue_name_transmission);
	if (rc == QUEUE_OK)
		rc = load_numbers(&r);
	queue_db_close(&r.db);
	if (rc != QUEUE_OK)
		snprintf(errbuf, errcap, "%s: cannot take stock: %s",
		    q->files.db_path, queue_strerror(rc));
	return rc;
}

/* --- before the database is opened --------------------------------------- */

static int
found_one(struct recovery *r, const char *name)
{
	(void)r;
	return number_of(name + (name[0] == 't')) != 0 ? QUEUE_EEXIST
						       : QUEUE_OK;
}

/*
 * Without queue.db every file in spool/ would look like an orphan.  But a
 * crash does not take queue.db away: somebody did, and may bring it back.
 */
int
queue_recover_check(
    struct queue *q, bool *ret_may_create, char *errbuf, size_t errcap)
{
	struct recovery r = { .q = q };
	int rc = each_entry(&r, q->files.spool, found_one);
	bool mail = rc == QUEUE_EEXIST;
	int fd;

	if (rc != QUEUE_OK && !mail) {
		snprintf(errbuf, errcap, "%s: cannot look into spool/",
		    q->files.db_path);
		return rc;
	}
	if (faccessat(q->files.dir, "queue.db", F_OK, 0) != 0 &&
	    faccessat(q->files.dir, "queue.db-wal", F_OK, 0) == 0) {
		snprintf(errbuf, errcap,
		    "%s is missing, but its log is there; restore it, or move "
		    "the state directory away to start empty",
		    q->files.db_path);
		return QUEUE_ECORRUPT;
	}
	/* Nobody else's business, whatever the directory says. */
	fd = openat(
	    q->files.dir, "queue.db", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || close(fd) != 0) {
		snprintf(errbuf, errcap, "%s: cannot open: %s",
		    q->files.db_path, strerror(errno));
		return QUEUE_EIO;
	}
	*ret_may_create = !mail;
	return QUEUE_OK;
}

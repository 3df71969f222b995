/*
 * Taking a damaged queue apart; see mulectl_salvage.h.
 *
 * A scan ends at the first damaged page, and an index may be damaged where its
 * table is not.  So every row is looked for by its number, in the table alone:
 * a damaged page costs the rows on it and those it leads to, and no more.  The
 * numbers end where the database says so, or else after a long gap.
 */
#include "tools/mulectl_salvage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* So many numbers without a row end a table whose end is not known. */
#define GAP 100000

enum sql { MESSAGE, BODY, RCPT, NSQL };

static const char *const sql[] = {
	[MESSAGE] = "SELECT from_line, priority, accepted_at, expires_at,"
		    " in_file, from_link FROM message WHERE id = ?1",
	[BODY] = "SELECT data FROM body WHERE message_id = ?1",
	[RCPT] = "SELECT message_id, line, state FROM recipient NOT INDEXED"
		 " WHERE id = ?1",
};

struct salvage {
	const char *state_dir, *out_dir;
	int out; /* directory */
	char work[4096];
	sqlite3 *db;
	sqlite3_stmt *stmt[NSQL];
	unsigned long long messages, rcpts, bodies, damaged, missing;
};

/* --- files ------------------------------------------------------------------- */

static bool
copy_fd(int from, int to)
{
	char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || write(to, buf, (size_t)n) != n)
			return false;
	}
	return true;
}

/* dir/name to out_dir/as. */
static bool
copy_file(struct salvage *s, const char *name, const char *as)
{
	char path[4200];
	bool ok;
	int from, to;

	snprintf(path, sizeof(path), "%s/%s", s->state_dir, name);
	from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return false;
	to = openat(s->out, as, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok = to >= 0 && copy_fd(from, to);
	if (to >= 0 && close(to) != 0)
		ok = false;
	(void)close(from);
	return ok;
}

static bool
write_file(struct salvage *s, const char *as, const void *data, size_t len)
{
	int fd =
	    openat(s->out, as, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && write(fd, data, len) == (ssize_t)len;

	if (fd >= 0 && close(fd) != 0)
		ok = false;
	return ok;
}

/* --- rows -------------------------------------------------------------------- */

/* Row number id: SQLITE_ROW, SQLITE_DONE, or damage, which is counted. */
static int
row(struct salvage *s, enum sql which, sqlite3_int64 id)
{
	int rc;

	if (s->stmt[which] == NULL)
		return SQLITE_DONE;
	(void)sqlite3_reset(s->stmt[which]);
	(void)sqlite3_bind_int64(s->stmt[which], 1, id);
	rc = sqlite3_step(s->stmt[which]);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		s->damaged++;
	return rc;
}

static const char *
text(struct salvage *s, enum sql which, int column)
{
	const char *p =
	    (const char *)sqlite3_column_text(s->stmt[which], column);

	return p != NULL ? p : "";
}

/* The largest number of a table; 0 if nobody knows. */
static sqlite3_int64
last_of(struct salvage *s, const char *table)
{
	static const char query[] =
	    "SELECT seq FROM sqlite_sequence WHERE name = ?1";
	sqlite3_stmt *stmt = NULL;
	sqlite3_int64 last = 0;

	if (sqlite3_prepare_v2(s->db, query, -1, &stmt, NULL) != SQLITE_OK)
		return 0;
	(void)sqlite3_bind_text(stmt, 1, table, -1, SQLITE_STATIC);
	if (sqlite3_step(stmt) == SQLITE_ROW)
		last = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return last;
}

static void
each(struct salvage *s, enum sql which, const char *table,
    void (*take)(struct salvage *s, sqlite3_int64 id))
{
	sqlite3_int64 last = last_of(s, table), seen = 0;

	for (sqlite3_int64 id = 1; last != 0 ? id <= last : id - seen <= GAP;
	     id++) {
		if (row(s, which, id) != SQLITE_ROW)
			continue;
		seen = id;
		take(s, id);
	}
}

/* --- messages ------------------------------------------------------------------ */

static void
name_of(char buf[64], sqlite3_int64 id, const char *ext)
{
	snprintf(buf, 64, "%lld.%s", (long long)id, ext);
}

static bool
take_body(struct salvage *s, sqlite3_int64 id, bool in_file)
{
	char name[64], from[64];

	name_of(name, id, "eml");
	snprintf(from, sizeof(from), "spool/%lld", (long long)id);
	if (in_file)
		return copy_file(s, from, name);
	if (row(s, BODY, id) != SQLITE_ROW)
		return false;
	return write_file(s, name, sqlite3_column_blob(s->stmt[BODY], 0),
	    (size_t)sqlite3_column_bytes(s->stmt[BODY], 0));
}

static bool
save(struct salvage *s, sqlite3_int64 id, const json_t *o)
{
	char name[64];
	char *dump = json_dumps(o, JSON_INDENT(1));
	bool ok;

	name_of(name, id, "json");
	ok = dump != NULL && write_file(s, name, dump, strlen(dump));
	free(dump);
	return ok;
}

static void
take_message(struct salvage *s, sqlite3_int64 id)
{
	sqlite3_stmt *m = s->stmt[MESSAGE];
	bool in_file = sqlite3_column_int(m, 4) != 0;
	json_t *o =
	    json_pack("{s:s,s:I,s:I,s:I,s:s,s:[]}", "from", text(s, MESSAGE, 0),
		"priority", (json_int_t)sqlite3_column_int64(m, 1),
		"accepted_at", (json_int_t)sqlite3_column_int64(m, 2),
		"expires_at", (json_int_t)sqlite3_column_int64(m, 3),
		"from_link", text(s, MESSAGE, 5), "rcpts");

	/* NULL also for a line that damage has made other than UTF-8. */
	if (o == NULL || !save(s, id, o))
		s->damaged++;
	s->messages++;
	if (take_body(s, id, in_file)) {
		s->bodies++;
	} else {
		s->missing++;
		printf("%lld: its content is lost\n", (long long)id);
	}
	json_decref(o);
}

/* Adds it to the file of its message, which may be of this recipient alone. */
static void
take_rcpt(struct salvage *s, sqlite3_int64 id)
{
	sqlite3_int64 message = sqlite3_column_int64(s->stmt[RCPT], 0);
	char path[4200];
	json_t *o, *line = json_string(text(s, RCPT, 1));

	(void)id;
	snprintf(
	    path, sizeof(path), "%s/%lld.json", s->out_dir, (long long)message);
	o = json_load_file(path, 0, NULL);
	if (o == NULL)
		o = json_pack("{s:[]}", "rcpts");
	if (line == NULL ||
	    json_array_append(json_object_get(o, "rcpts"), line) != 0 ||
	    !save(s, message, o))
		s->damaged++;
	else
		s->rcpts++;
	json_decref(line);
	json_decref(o);
}

/* Content that no readable message has taken. */
static void
take_spool(struct salvage *s)
{
	char path[4200], from[300], name[300];
	const struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/spool", s->state_dir);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		if (e->d_name[strspn(e->d_name, "0123456789")] != '\0')
			continue;
		snprintf(name, sizeof(name), "%s.eml", e->d_name);
		if (faccessat(s->out, name, F_OK, 0) == 0)
			continue;
		snprintf(from, sizeof(from), "spool/%s", e->d_name);
		if (copy_file(s, from, name)) {
			printf("%s: content without a message\n", e->d_name);
			s->bodies++;
		}
	}
	if (d != NULL)
		(void)closedir(d);
}

/* --- the whole ------------------------------------------------------------------- */

static bool
prepare(struct salvage *s)
{
	snprintf(s->work, sizeof(s->work), "%s/queue.db", s->out_dir);
	if (!copy_file(s, "queue.db", "queue.db"))
		return false;
	/* Without a log the last commits were moved into the database. */
	(void)copy_file(s, "queue.db-wal", "queue.db-wal");
	if (sqlite3_open_v2(s->work, &s->db, SQLITE_OPEN_READWRITE, NULL) !=
	    SQLITE_OK)
		return false;
	/* So that a database shorter than it says is read, too. */
	(void)sqlite3_exec(
	    s->db, "PRAGMA writable_schema=ON", NULL, NULL, NULL);
	for (int i = 0; i < NSQL; i++)
		if (sqlite3_prepare_v2(s->db, sql[i], -1, &s->stmt[i], NULL) !=
		    SQLITE_OK)
			s->damaged++;
	return true;
}

static void
finish(struct salvage *s)
{
	for (int i = 0; i < NSQL; i++)
		(void)sqlite3_finalize(s->stmt[i]);
	(void)sqlite3_close(s->db);
	(void)unlinkat(s->out, "queue.db", 0);
	(void)unlinkat(s->out, "queue.db-wal", 0);
	(void)unlinkat(s->out, "queue.db-shm", 0);
	(void)close(s->out);
}

int
mulectl_salvage(const char *state_dir, const char *out_dir)
{
	struct salvage s = { .state_dir = state_dir, .out_dir = out_dir };
	bool readable;

	if (mkdir(out_dir, 0700) != 0 ||
	    (s.out = open(out_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fprintf(stderr, "mulectl: %s: %s\n", out_dir, strerror(errno));
		return 2;
	}
	readable = prepare(&s);
	if (!readable)
		puts("the database cannot be read at all");
	each(&s, MESSAGE, "message", take_message);
	each(&s, RCPT, "recipient", take_rcpt);
	take_spool(&s);
	printf("%llu messages, %llu recipients, %llu contents taken out; "
	       "%llu contents lost, %llu damaged places met\n",
	    s.messages, s.rcpts, s.bodies, s.missing, s.damaged);
	finish(&s);
	return readable && s.missing == 0 && s.damaged == 0 ? 0 : 1;
}

/* What a crash leaves, and what start-up makes of what it finds. */
#include "gateway/test/queue_disk.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

/* --- kill -9 ------------------------------------------------------------- */

/* What a child tells its parent about one message, after its callback. */
struct announcement {
	uint64_t id;
	bool finished;
	bool attempted; /* to finish it: from here on it may be gone */
};

struct child {
	struct fx f;
	int pipe;
	struct disk *disk;
};

static void
announce(struct child *c, struct announcement a)
{
	if (write(c->pipe, &a, sizeof(a)) != sizeof(a))
		_exit(3);
}

struct flight {
	struct child *c;
	uint64_t id;
};

static void child_add(struct child *c);

static void
child_finished(void *ctx, int rc, const struct queue_result *res)
{
	struct flight *fl = ctx;

	(void)res;
	if (rc != QUEUE_OK)
		_exit(4);
	announce(
	    fl->c, (struct announcement){ .id = fl->id, .finished = true });
	free(fl);
}

static void
child_got(void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct flight *fl = ctx;
	struct queue_txn *t = queue_txn_new();

	(void)n;
	(void)more;
	if (rc != QUEUE_OK || t == NULL)
		_exit(5);
	announce(
	    fl->c, (struct announcement){ .id = fl->id, .attempted = true });
	queue_txn_finish(t, m->rcpts[0].id);
	queue_submit(fl->c->f.q, &t, child_finished, fl);
}

static void
child_added(void *ctx, int rc, const struct queue_result *res)
{
	struct flight *fl = ctx;

	(void)res;
	if (rc != QUEUE_OK)
		_exit(6);
	announce(fl->c, (struct announcement){ .id = fl->id });
	if (fl->id % 3 == 0)
		queue_message(fl->c->f.q, fl->id, 0, 0, child_got, fl);
	child_add(fl->c);
	if (fl->id % 3 != 0)
		free(fl);
}

static void
child_add(struct child *c)
{
	struct queue_txn *t = queue_txn_new();
	struct flight *fl = malloc(sizeof(*fl));

	fl->c = c;
	/* Every fifth is a file. */
	fl->id = fx_put(
	    &c->f, t, "mx:b", 0, 1, c->f.q->next_id % 5 == 0 ? 70000 : 500);
	queue_submit(c->f.q, &t, child_added, fl);
}

static void
child_main(const char *dir, int pipe)
{
	static struct child c;

	c.pipe = pipe;
	uv_loop_init(&c.f.loop);
	snprintf(c.f.dir, sizeof(c.f.dir), "%s", dir);
	if (fx_try_open(&c.f) != QUEUE_OK)
		_exit(7);
	for (int i = 0; i < 8; i++)
		child_add(&c);
	uv_run(&c.f.loop, UV_RUN_DEFAULT);
	_exit(8);
}

#define IDS_MAX 100000

enum fate { UNKNOWN, ADDED, ATTEMPTED, FINISHED };

/* At most limit of them; how many there were. */
static size_t
read_announcements(int fd, uint8_t *fate, size_t limit)
{
	struct announcement a;
	size_t n = 0;

	while (n < limit && read(fd, &a, sizeof(a)) == sizeof(a)) {
		assert_true(a.id < IDS_MAX);
		n++;
		if (a.finished)
			fate[a.id] = FINISHED;
		else
			fate[a.id] = a.attempted ? ATTEMPTED : ADDED;
	}
	return n;
}

/*
 * One round; the number of announcements.  Some die while they start, the
 * others at work.
 */
static size_t
kill_one(struct fx *f, uint8_t *fate, bool at_work, unsigned us)
{
	int fds[2], status = 0;
	struct timespec pause = { .tv_nsec = (long)us * 1000 };
	size_t n = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		child_main(f->dir, fds[1]);
	}
	close(fds[1]);
	if (at_work)
		n = read_announcements(fds[0], fate, 1);
	nanosleep(&pause, NULL);
	assert_int_equal(kill(pid, SIGKILL), 0);
	n += read_announcements(fds[0], fate, SIZE_MAX);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return n;
}

static size_t
check_fates(struct fx *f, const uint8_t *fate)
{
	size_t in_files = 0;

	for (uint64_t id = 1; id < IDS_MAX; id++) {
		if (fate[id] == UNKNOWN)
			continue;
		fx_message(f, id, 0, 0);
		if (fate[id] == ADDED)
			assert_int_equal(f->rc, QUEUE_OK);
		if (fate[id] == FINISHED)
			assert_int_equal(f->rc, QUEUE_ENOTFOUND);
		if (f->rc == QUEUE_OK)
			fx_assert_body(f, id, f->got[0].m.size);
	}
	/* No orphans: as many files as messages in files. */
	for (uint64_t after = 0;;) {
		fx_list(f, after, FX_MAX);
		for (size_t i = 0; i < f->n; i++)
			in_files += f->rows[i].size > BODY_MEMORY_MAX;
		if (!f->more)
			return in_files;
		after = f->rows[f->n - 1].message;
	}
}

static void
test_announced_survives_kill(void **state)
{
	struct fx *f = *state;
	uint8_t *fate = calloc(1, IDS_MAX);
	unsigned seed = (unsigned)time(NULL);
	size_t announced = 0;

	print_message("seed %u\n", seed);
	for (int round = 0; round < 20; round++) {
		announced += kill_one(
		    f, fate, round % 4 != 0, (unsigned)rand_r(&seed) % 12000);
		fx_open(f);
		assert_int_equal(files_in(f, "spool"), check_fates(f, fate));
		assert_int_equal(files_in(f, "tmp"), 0);
		assert_int_equal(f->warnings, 0);
		fx_close(f);
	}
	print_message("%zu announcements\n", announced);
	assert_in_range(announced, 20, SIZE_MAX);
	free(fate);
}

/* The sync failed, the log has it all the same, and then we are killed. */
static void
doubt_main(const char *dir, int pipe)
{
	static struct child c;
	static struct disk d;
	struct announcement a = { .id = 1 };

	c.pipe = pipe;
	uv_loop_init(&c.f.loop);
	snprintf(c.f.dir, sizeof(c.f.dir), "%s", dir);
	c.f.hook = disk_hook;
	c.f.hook_ctx = &d;
	if (fx_try_open(&c.f) != QUEUE_OK)
		_exit(1);
	disk_fail(&d, QUEUE_OP_SYNC, "-wal", 1, EIO);
	if (fx_add_one(&c.f, 100000) != QUEUE_EIO)
		_exit(2);
	announce(&c, a);
	kill(getpid(), SIGKILL);
}

static void
test_refused_message_that_comes_back_has_its_body(void **state)
{
	struct fx *f = *state;
	struct announcement a;
	int fds[2], status = 0;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		doubt_main(f->dir, fds[1]);
	close(fds[1]);
	assert_int_equal(read(fds[0], &a, sizeof(a)), sizeof(a));
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	fx_open(f);
	assert_int_equal(f->warnings, 0);
	assert_int_equal(files_in(f, "spool"), fx_stats(f).messages);
	/* This is what SQLite does with it; the named window. */
	assert_int_equal(fx_stats(f).messages, 1);
	fx_assert_body(f, 1, 100000);
}

/* --- what start-up finds ------------------------------------------------- */

static void
test_orphans_are_removed_at_start(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	fx_add(f, "mx:b", 0, 1, 100000);
	fx_add(f, "mx:b", 0, 1, 100);
	fx_close(f);
	fx_write_file(f, "spool/2", "x", 1); /* small: its body is a blob */
	fx_write_file(f, "spool/77", "x", 1);
	fx_write_file(f, "spool/t5", "x", 1);
	fx_write_file(f, "spool/notes.txt", "x", 1);
	fx_write_file(f, "tmp/b123456", "x", 1);
	fx_open(f);
	assert_int_equal(files_in(f, "tmp"), 0);
	assert_int_equal(files_in(f, "spool"), 2);
	assert_true(fx_exists(f, "spool/1"));
	/* Not ours: left, and told. */
	assert_true(fx_exists(f, "spool/notes.txt"));
	assert_int_equal(f->warnings, 1);
	assert_non_null(strstr(f->warning, "notes.txt"));
	fx_assert_body(f, 1, 100000);
	fx_assert_body(f, 2, 100);
}

static void
test_lost_body_is_told_and_its_message_stays(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	for (size_t i = 0; i < 3; i++)
		fx_add(f, "mx:b", 0, 1, 100000);
	fx_close(f);
	assert_int_equal(unlink(fx_path(f, "spool/1")), 0);
	assert_int_equal(truncate(fx_path(f, "spool/2"), 99999), 0);
	fx_open(f);
	assert_int_equal(f->warnings, 2);
	assert_non_null(strstr(f->warning, "spool/2"));
	assert_int_equal(fx_stats(f).messages, 3);
	assert_int_equal(fx_ready(f, "mx:b", 5), 3);
	assert_int_equal(fx_read_body(f, 1), QUEUE_EIO);
	assert_int_equal(f->fd, -1);
	assert_int_equal(fx_read_body(f, 2), QUEUE_EIO);
	fx_assert_body(f, 3, 100000);
	assert_int_equal(fx_read_body(f, 99), QUEUE_ENOTFOUND);
	/* A small one, taken out of the database. */
	fx_add(f, "mx:b", 0, 1, 10);
	assert_int_equal(queue_db_exec(f->q->writer,
			     "DELETE FROM body WHERE message_id = 4"),
	    QUEUE_OK);
	assert_int_equal(fx_read_body(f, 4), QUEUE_EIO);
}

static void
refused(struct fx *f, int rc, const char *why)
{
	assert_int_equal(fx_try_open(f), rc);
	assert_null(f->q);
	if (strstr(f->err, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", f->err, why);
	/* One line. */
	assert_null(strchr(f->err, '\n'));
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(uv_loop_init(&f->loop), 0);
}

static void
test_second_gateway_is_refused(void **state)
{
	struct fx *f = *state;
	struct fx other = { .q = NULL };

	fx_open(f);
	assert_int_equal(uv_loop_init(&other.loop), 0);
	snprintf(other.dir, sizeof(other.dir), "%s", f->dir);
	refused(&other, QUEUE_ELOCKED, "another muled");
	assert_int_equal(uv_loop_close(&other.loop), 0);
	assert_int_equal(fx_add_one(f, 10), QUEUE_OK);
	fx_reopen(f);
}

static void
sql(struct fx *f, const char *text)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(fx_path(f, "queue.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
test_database_of_another_program_is_refused_untouched(void **state)
{
	struct fx *f = *state;
	size_t before = 0, after = 0;
	unsigned char *a, *b;

	sql(f, "CREATE TABLE contacts (name TEXT)");
	a = unit_read_file(fx_path(f, "queue.db"), &before);
	refused(f, QUEUE_ECORRUPT, "another program");
	b = unit_read_file(fx_path(f, "queue.db"), &after);
	assert_int_equal(before, after);
	assert_memory_equal(a, b, before);
	free(a);
	free(b);
	sql(f, "DROP TABLE contacts; PRAGMA application_id = 7");
	refused(f, QUEUE_ECORRUPT, "another program");
}

static void
test_database_of_a_newer_program_is_refused(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	fx_add(f, "mx:b", 0, 1, 10);
	fx_close(f);
	sql(f, "PRAGMA user_version = 99");
	refused(f, QUEUE_EVERSION, "newer");
	sql(f, "PRAGMA user_version = 4");
	fx_open(f);
	assert_int_equal(fx_stats(f).messages, 1);
}

static void
test_damaged_database_is_refused(void **state)
{
	struct fx *f = *state;
	char junk[8192];

	memset(junk, 'j', sizeof(junk));
	fx_write_file(f, "queue.db", junk, sizeof(junk));
	refused(f, QUEUE_ECORRUPT, "not a sound queue database");
	assert_int_equal(unlink(fx_path(f, "queue.db")), 0);
	fx_open(f);
	fx_close(f);
	sql(f, "DROP TABLE tombstone");
	refused(f, QUEUE_ECORRUPT, "schema");
	assert_int_equal(unlink(fx_path(f, "queue.db")), 0);
	fx_open(f);
	fx_close(f);
	sql(f, "DROP INDEX recipient_hop");
	refused(f, QUEUE_ECORRUPT, "recipient_hop");
}

static void
test_missing_database_does_not_cost_the_mail(void **state)
{
	struct fx *f = *state;
	char saved[256];

	fx_open(f);
	fx_add(f, "mx:b", 0, 1, 100000);
	fx_close(f);
	snprintf(saved, sizeof(saved), "%s/saved", f->dir);
	assert_int_equal(rename(fx_path(f, "queue.db"), saved), 0);
	refused(f, QUEUE_ECORRUPT, "mail in spool/");
	/* Also the second time, when an empty one may be there. */
	refused(f, QUEUE_ECORRUPT, "mail in spool/");
	assert_true(fx_exists(f, "spool/1"));
	assert_int_equal(rename(saved, fx_path(f, "queue.db")), 0);
	fx_open(f);
	fx_assert_body(f, 1, 100000);
	fx_close(f);

	assert_int_equal(unlink(fx_path(f, "spool/1")), 0);
	assert_int_equal(unlink(fx_path(f, "queue.db")), 0);
	fx_write_file(f, "queue.db-wal", "x", 1);
	refused(f, QUEUE_ECORRUPT, "log is there");
}

static void
test_impossible_directories_are_refused(void **state)
{
	struct fx *f = *state;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s", f->dir);
	snprintf(f->dir, sizeof(f->dir), "%.100s/a/b", dir);
	refused(f, QUEUE_EIO, "state directory");
	snprintf(f->dir, sizeof(f->dir), "%.100s/file", dir);
	assert_int_equal(close(open(f->dir, O_CREAT | O_WRONLY, 0600)), 0);
	refused(f, QUEUE_EIO, "state directory");
	snprintf(f->dir, sizeof(f->dir), "%s", dir);
}

static void
test_nobody_else_can_read_the_mail(void **state)
{
	struct fx *f = *state;
	struct stat st;

	/* Whatever made the directory and its mode. */
	assert_int_equal(chmod(f->dir, 0755), 0);
	fx_open(f);
	fx_add(f, "mx:b", 0, 1, 100000);
	assert_int_equal(stat(fx_path(f, "queue.db"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(stat(fx_path(f, "queue.db-wal"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(stat(fx_path(f, "spool"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	assert_int_equal(stat(fx_path(f, "spool/1"), &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(test_announced_survives_kill),
		FX_TEST(test_refused_message_that_comes_back_has_its_body),
		FX_TEST(test_orphans_are_removed_at_start),
		FX_TEST(test_lost_body_is_told_and_its_message_stays),
		FX_TEST(test_second_gateway_is_refused),
		FX_TEST(test_database_of_another_program_is_refused_untouched),
		FX_TEST(test_database_of_a_newer_program_is_refused),
		FX_TEST(test_damaged_database_is_refused),
		FX_TEST(test_missing_database_does_not_cost_the_mail),
		FX_TEST(test_impossible_directories_are_refused),
		FX_TEST(test_nobody_else_can_read_the_mail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

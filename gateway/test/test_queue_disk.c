/* What the disk can do to the queue: order of syncs, full and failing disks. */
#include "gateway/test/queue_disk.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* --- the real system calls, counted -------------------------------------- */

static atomic_uint real_syncs;
static atomic_int fail_real_sync; /* with this errno, once */

static int
real_sync(long call, int fd)
{
	int e = atomic_exchange(&fail_real_sync, 0);

	atomic_fetch_add(&real_syncs, 1);
	if (e != 0) {
		errno = e;
		return -1;
	}
	return (int)syscall(call, fd);
}

/* In place of libc's, for our own code and for SQLite. */
int
fsync(int fd)
{
	return real_sync(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return real_sync(SYS_fdatasync, fd);
}

/* --- announced means durable --------------------------------------------- */

static void
test_no_callback_before_its_commit_is_synced(void **state)
{
	struct fx *f = *state;
	struct disk d;
	struct queue_txn *t = queue_txn_new();
	uint64_t before;

	disk_open(f, &d);
	fx_put(f, t, "mx:b", 0, 1, 100);
	before = fx_stats(f).syncs;
	atomic_store(&d.stop, true);
	f->answered = false;
	queue_submit(f->q, &t, fx_done, f);
	uv_sem_wait(&d.entered);
	/* All is written; only the sync is missing. */
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_false(f->answered);
	assert_int_equal(fx_stats(f).syncs, before);
	assert_int_equal(fx_stats(f).messages, 0);
	assert_int_equal(fx_stats(f).pending, 1);
	uv_sem_post(&d.released);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	assert_true(fx_stats(f).syncs > before);
	disk_close(f, &d);
}

static void
test_submitted_during_a_sync_waits_for_the_next(void **state)
{
	struct fx *f = *state;
	struct disk d;
	struct queue_txn *t = queue_txn_new();

	disk_open(f, &d);
	fx_put(f, t, "mx:b", 0, 1, 100);
	atomic_store(&d.stop, true);
	queue_submit(f->q, &t, NULL, NULL);
	uv_sem_wait(&d.entered);
	t = queue_txn_new();
	fx_put(f, t, "mx:b", 0, 1, 100);
	f->answered = false;
	queue_submit(f->q, &t, fx_done, f);
	/* The first sync ends, the second does not. */
	atomic_store(&d.stop, true);
	uv_sem_post(&d.released);
	uv_sem_wait(&d.entered);
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_false(f->answered);
	assert_int_equal(fx_stats(f).messages, 1);
	uv_sem_post(&d.released);
	fx_wait(f);
	assert_int_equal(fx_stats(f).messages, 2);
	disk_close(f, &d);
}

static void
test_large_body_is_safe_before_its_row(void **state)
{
	struct fx *f = *state;
	struct disk d;
	int fsync, move, dirsync, sync;

	disk_open(f, &d);
	assert_int_equal(fx_add_one(f, 100000), QUEUE_OK);
	fsync = disk_find(&d, QUEUE_OP_FSYNC, "1", 0);
	move = disk_find(&d, QUEUE_OP_RENAME, "1", fsync);
	dirsync = disk_find(&d, QUEUE_OP_DIRSYNC, "", move);
	sync = disk_find(&d, QUEUE_OP_SYNC, "-wal", dirsync);
	assert_true(
	    fsync >= 0 && move > fsync && dirsync > move && sync > dirsync);
	/* No part of the row is in the log before. */
	assert_true(disk_find(&d, QUEUE_OP_SYNC, "-wal", 0) > dirsync);
	/* And the file goes only when the row's end is on disk. */
	fx_ready(f, "mx:b", 1);
	atomic_store(&d.ops, 0);
	assert_int_equal(fx_finish(f, f->got[0].rcpt[0]), QUEUE_OK);
	sync = disk_find(&d, QUEUE_OP_SYNC, "-wal", 0);
	assert_true(sync >= 0);
	assert_true(disk_find(&d, QUEUE_OP_UNLINK, "1", 0) > sync);
	disk_close(f, &d);
}

static void
test_syncs_that_are_counted_have_happened(void **state)
{
	struct fx *f = *state;
	uint64_t counted;
	unsigned real;

	fx_open(f);
	/* The first commit makes the log, which costs extra. */
	assert_int_equal(fx_add_one(f, 10), QUEUE_OK);
	counted = fx_stats(f).syncs;
	real = atomic_load(&real_syncs);
	assert_int_equal(fx_add_one(f, 10), QUEUE_OK);
	assert_int_equal(fx_stats(f).syncs - counted, 1);
	assert_int_equal(atomic_load(&real_syncs) - real, 1);
	/* The body, the directory, the log. */
	assert_int_equal(fx_add_one(f, 100000), QUEUE_OK);
	assert_int_equal(fx_stats(f).syncs - counted, 4);
	assert_int_equal(atomic_load(&real_syncs) - real, 4);
	/* What a real one says is heard. */
	atomic_store(&fail_real_sync, EIO);
	assert_int_equal(fx_add_one(f, 100000), QUEUE_EIO);
	atomic_store(&fail_real_sync, ENOSPC);
	assert_int_equal(fx_add_one(f, 100000), QUEUE_EFULL);
	/* After the log was written it is in doubt, not full. */
	atomic_store(&fail_real_sync, ENOSPC);
	assert_int_equal(fx_add_one(f, 10), QUEUE_EIO);
	assert_int_equal(fx_stats(f).messages, 3);
	assert_int_equal(files_in(f, "tmp"), 0);
}

static void
test_large_bodies_share_one_directory_sync(void **state)
{
	struct fx *f = *state;
	struct disk d;
	struct queue_txn *t = queue_txn_new();

	disk_open(f, &d);
	/* The first holds the disk while the others pile up. */
	fx_put(f, t, "mx:b", 0, 1, 100);
	atomic_store(&d.stop, true);
	queue_submit(f->q, &t, NULL, NULL);
	uv_sem_wait(&d.entered);
	for (int i = 0; i < 10; i++) {
		t = queue_txn_new();
		fx_put(f, t, "mx:b", 0, 1, 100000);
		f->answered = false;
		queue_submit(f->q, &t, i == 9 ? fx_done : NULL, f);
	}
	uv_sem_post(&d.released);
	fx_wait(f);
	assert_int_equal(fx_stats(f).messages, 11);
	assert_int_equal(disk_count(&d, QUEUE_OP_FSYNC), 10);
	assert_int_equal(disk_count(&d, QUEUE_OP_DIRSYNC), 1);
	disk_close(f, &d);
}

/* --- full and failing disks ---------------------------------------------- */

struct fault {
	enum queue_op op;
	const char *path;
	int e;
	int rc;
};

static void
test_failing_disk_refuses_whole_and_heals(void **state)
{
	static const struct fault faults[] = {
		{ QUEUE_OP_WRITE, "-wal", ENOSPC, QUEUE_EFULL },
		{ QUEUE_OP_WRITE, "-wal", EIO, QUEUE_EIO },
		{ QUEUE_OP_SYNC, "-wal", EIO, QUEUE_EIO },
		{ QUEUE_OP_SYNC, "-wal", ENOSPC, QUEUE_EIO },
		{ QUEUE_OP_FSYNC, NULL, ENOSPC, QUEUE_EFULL },
		{ QUEUE_OP_FSYNC, NULL, EIO, QUEUE_EIO },
		{ QUEUE_OP_RENAME, NULL, EDQUOT, QUEUE_EFULL },
		{ QUEUE_OP_RENAME, NULL, EIO, QUEUE_EIO },
		{ QUEUE_OP_DIRSYNC, NULL, ENOSPC, QUEUE_EFULL },
		{ QUEUE_OP_DIRSYNC, NULL, EIO, QUEUE_EIO },
	};
	size_t nfaults = sizeof(faults) / sizeof(faults[0]);
	struct fx *f = *state;
	struct disk d;

	disk_open(f, &d);
	for (size_t i = 0; i < nfaults; i++) {
		disk_fail(&d, faults[i].op, faults[i].path, 1, faults[i].e);
		assert_int_equal(fx_add_one(f, 100000), faults[i].rc);
		assert_int_equal(fx_stats(f).messages, i);
		assert_int_equal(fx_stats(f).recipients, i);
		assert_int_equal(fx_list(f, 0, 50), i);
		assert_int_equal(files_in(f, "tmp"), 0);
		assert_int_equal(fx_add_one(f, 100000), QUEUE_OK);
		assert_int_equal(files_in(f, "spool"), i + 1);
	}
	disk_close(f, &d);
	fx_open(f);
	assert_int_equal(fx_stats(f).messages, nfaults);
	assert_int_equal(files_in(f, "spool"), nfaults);
	assert_int_equal(fx_list(f, 0, 50), nfaults);
	for (size_t i = 0; i < nfaults; i++)
		assert_int_equal(fx_read_body(f, f->rows[i].message), QUEUE_OK);
}

static void
test_large_payload_meets_a_full_disk(void **state)
{
	struct fx *f = *state;
	struct disk d;

	disk_open(f, &d);
	fx_add(f, "mule:hf1", 0, 1, 10);
	fx_ready(f, "mule:hf1", 1);
	disk_fail(&d, QUEUE_OP_RENAME, "t1", 1, ENOSPC);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 100000), QUEUE_EFULL);
	disk_fail(&d, QUEUE_OP_SYNC, "-wal", 1, EIO);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 100000), QUEUE_EIO);
	assert_int_equal(fx_stats(f).transmissions, 0);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 100000), QUEUE_OK);
	assert_int_equal(f->msid, 1000);
	assert_int_equal(files_in(f, "spool"), 1);
	assert_int_equal(fx_next(f, "hf1", NULL, 0), QUEUE_OK);
	assert_int_equal(f->len, 100000);
	disk_close(f, &d);
}

static void
test_id_used_again_after_a_doubtful_commit_keeps_its_file(void **state)
{
	struct fx *f = *state;
	struct disk d;

	disk_open(f, &d);
	disk_fail(&d, QUEUE_OP_SYNC, "-wal", 1, EIO);
	assert_int_equal(fx_add_one(f, 100000), QUEUE_EIO);
	assert_true(fx_exists(f, "spool/1"));
	f->q->next_id = 1;
	assert_int_equal(fx_add_one(f, 90000), QUEUE_OK);
	assert_int_equal(fx_add_one(f, 10), QUEUE_OK);
	fx_assert_body(f, 1, 90000);
	disk_close(f, &d);
}

struct outcome {
	int rc;
	bool told;
};

static void
note(void *ctx, int rc, const struct queue_result *res)
{
	struct outcome *o = ctx;

	(void)res;
	o->rc = rc;
	o->told = true;
}

/* Three transactions in one group, two of them with the same tombstone. */
static void
group_of_three(struct fx *f, struct disk *d, struct outcome o[3],
    enum queue_op op, int times, int e)
{
	struct queue_txn *t = queue_txn_new();

	fx_put(f, t, "mx:b", 0, 1, 100);
	atomic_store(&d->stop, true);
	queue_submit(f->q, &t, NULL, NULL);
	uv_sem_wait(&d->entered);
	for (int i = 0; i < 3; i++) {
		t = queue_txn_new();
		fx_put(f, t, "mx:b", 0, 1, i == 0 ? 100000 : 100);
		if (i < 2)
			fx_tombstone(t, "hf1", 1, 1, 5000);
		o[i].told = false;
		queue_submit(f->q, &t, note, &o[i]);
	}
	disk_fail(d, op, "-wal", times, e);
	uv_sem_post(&d->released);
	while (!o[2].told)
		uv_run(&f->loop, UV_RUN_ONCE);
}

static void
test_group_that_does_not_fit_is_tried_one_by_one(void **state)
{
	struct fx *f = *state;
	struct disk d;
	struct outcome o[3];

	disk_open(f, &d);
	group_of_three(f, &d, o, QUEUE_OP_WRITE, 1, ENOSPC);
	assert_int_equal(o[0].rc, QUEUE_OK);
	assert_int_equal(o[1].rc, QUEUE_EEXIST);
	assert_int_equal(o[2].rc, QUEUE_OK);
	assert_int_equal(fx_stats(f).messages, 3);
	assert_int_equal(files_in(f, "spool"), 1);
	fx_assert_body(f, 2, 100000);
	disk_close(f, &d);
}

/* Else the message would be acknowledged, and nobody would have it. */
static void
test_nothing_is_known_from_a_transaction_that_failed(void **state)
{
	struct fx *f = *state;
	struct disk d;
	struct outcome o[3];

	disk_open(f, &d);
	group_of_three(f, &d, o, QUEUE_OP_WRITE, 2, ENOSPC);
	assert_int_equal(o[0].rc, QUEUE_EFULL);
	assert_int_equal(o[1].rc, QUEUE_OK);
	assert_int_equal(o[2].rc, QUEUE_OK);
	assert_int_equal(fx_stats(f).messages, 3);
	assert_int_equal(files_in(f, "spool"), 0);
	disk_close(f, &d);
}

static void
test_group_on_a_failing_disk_fails_as_one(void **state)
{
	struct fx *f = *state;
	struct disk d;
	struct outcome o[3];

	disk_open(f, &d);
	group_of_three(f, &d, o, QUEUE_OP_WRITE, 1, EIO);
	for (int i = 0; i < 3; i++)
		assert_int_equal(o[i].rc, QUEUE_EIO);
	assert_int_equal(fx_stats(f).messages, 1);
	assert_int_equal(fx_add_one(f, 10), QUEUE_OK);
	assert_int_equal(files_in(f, "spool"), 0);
	disk_close(f, &d);
}

static void
test_real_file_size_limit_is_a_full_disk(void **state)
{
	struct fx *f = *state;
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct rlimit old, small;
	size_t n = 0;

	fx_open(f);
	assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 300000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	while (n < 100 && fx_add_one(f, 20000) == QUEUE_OK)
		n++;
	assert_int_equal(f->rc, QUEUE_EFULL);
	assert_int_equal(fx_add_one(f, 20000), QUEUE_EFULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_in_range(n, 1, 20);
	assert_int_equal(fx_stats(f).messages, n);
	assert_int_equal(fx_add_one(f, 20000), QUEUE_OK);
	fx_reopen(f);
	assert_int_equal(fx_stats(f).messages, n + 1);
	assert_int_equal(fx_list(f, 0, 50), n + 1);
}

/*
 * A question looks at the tables as they were when it began.  Meanwhile a
 * recipient is finished and its lease returned.
 */
static void
test_old_view_does_not_hand_out_a_finished_recipient(void **state)
{
	struct fx *f = *state;
	struct disk d;
	static struct fx other;
	uint64_t rcpt;

	disk_open(f, &d);
	fx_add_one(f, 10);
	fx_ready(f, "mx:b", 1);
	rcpt = f->got[0].rcpt[0];
	/* What the reader has in memory is stale now: it will read. */
	fx_add_one(f, 10);
	other.answered = false;
	atomic_store(&d.stop_read, true);
	queue_ready(f->q, "mx:b", 5, fx_messages, &other);
	uv_sem_wait(&d.entered);
	assert_int_equal(fx_finish(f, rcpt), QUEUE_OK);
	queue_unlease(f->q, "mx:b", 1);
	uv_sem_post(&d.released);
	while (!other.answered)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(other.rc, QUEUE_OK);
	assert_int_equal(other.n, 1);
	assert_int_equal(other.got[0].m.id, 2);
	disk_close(f, &d);
}

/* Long, so that a few fill a page of the database. */
static void
add_long(struct fx *f)
{
	static char from[1500];
	struct queue_rcpt r = { .line = "<b@b>", .hop = "mx:b" };
	struct queue_message m = { .id = queue_new_id(f->q),
		.from_link = "",
		.from_line = from,
		.rcpts = &r,
		.nrcpts = 1 };
	struct queue_txn *t = queue_txn_new();
	struct body *b = fx_body(f, 1, m.id);

	memset(from, 'a', sizeof(from) - 1);
	assert_int_equal(queue_txn_add(t, &m, &b), QUEUE_OK);
	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
}

static void
test_question_on_a_failing_disk_is_answered(void **state)
{
	struct fx *f = *state;
	struct disk d;
	size_t failures = 0;

	disk_open(f, &d);
	for (int i = 0; i < 12; i++)
		add_long(f);
	for (int after = 0; after < 40; after++) {
		/* A commit, so that nothing in the reader's memory is valid. */
		add_long(f);
		atomic_store(&d.fail_after, after);
		disk_fail(&d, QUEUE_OP_READ, NULL, 1, EIO);
		f->answered = false;
		queue_ready(f->q, "mx:b", 50, fx_messages, f);
		fx_wait(f);
		disk_fail(&d, QUEUE_OP_READ, NULL, 0, 0);
		if (f->rc == QUEUE_OK)
			break;
		failures++;
		assert_int_equal(f->rc, QUEUE_EIO);
		assert_int_equal(f->n, 0);
		/* It leased nothing. */
		assert_int_equal(fx_peek(f, "mx:b", 100), 13 + after);
	}
	assert_in_range(failures, 5, 39);
	disk_close(f, &d);
}

static void
test_log_is_kept_short(void **state)
{
	struct fx *f = *state;
	struct stat st;

	fx_open(f);
	/* 40 MB through a log of 4. */
	for (size_t i = 0; i < 100; i++) {
		struct queue_txn *t = queue_txn_new();

		for (size_t j = 0; j < 8; j++)
			fx_put(f, t, "mx:b", 0, 1, 50000);
		assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	}
	assert_int_equal(stat(fx_path(f, "queue.db-wal"), &st), 0);
	assert_in_range(st.st_size, 1, 12 * 1000 * 1000);
	assert_int_equal(f->warnings, 0);
}

static void
test_failing_checkpoint_is_told_once_and_harms_nobody(void **state)
{
	struct fx *f = *state;
	struct disk d;

	disk_open(f, &d);
	disk_fail(&d, QUEUE_OP_WRITE, "queue.db", 1000, EIO);
	for (size_t i = 0; i < 120; i++)
		assert_int_equal(fx_add_one(f, 60000), QUEUE_OK);
	assert_int_equal(f->warnings, 1);
	assert_non_null(strstr(f->warning, "grows"));
	disk_fail(&d, QUEUE_OP_WRITE, "queue.db", 0, 0);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(fx_add_one(f, 60000), QUEUE_OK);
	assert_int_equal(f->warnings, 1);
	disk_close(f, &d);
	fx_open(f);
	assert_int_equal(fx_stats(f).messages, 130);
}

static void
test_connection_can_be_replaced(void **state)
{
	struct fx *f = *state;

	fx_open(f);
	assert_int_equal(fx_add_one(f, 10), QUEUE_OK);
	/* As after an error from which SQLite did not come back. */
	f->q->reopen = true;
	assert_int_equal(fx_add_one(f, 10), QUEUE_OK);
	assert_int_equal(fx_stats(f).messages, 2);
	assert_int_equal(fx_ready(f, "mx:b", 5), 2);
	fx_reopen(f);
	assert_int_equal(f->warnings, 1);
	assert_int_equal(fx_stats(f).messages, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(test_no_callback_before_its_commit_is_synced),
		FX_TEST(test_submitted_during_a_sync_waits_for_the_next),
		FX_TEST(test_large_body_is_safe_before_its_row),
		FX_TEST(test_syncs_that_are_counted_have_happened),
		FX_TEST(test_large_bodies_share_one_directory_sync),
		FX_TEST(test_failing_disk_refuses_whole_and_heals),
		FX_TEST(test_large_payload_meets_a_full_disk),
		FX_TEST(
		    test_id_used_again_after_a_doubtful_commit_keeps_its_file),
		FX_TEST(test_group_that_does_not_fit_is_tried_one_by_one),
		FX_TEST(test_nothing_is_known_from_a_transaction_that_failed),
		FX_TEST(test_group_on_a_failing_disk_fails_as_one),
		FX_TEST(test_real_file_size_limit_is_a_full_disk),
		FX_TEST(test_old_view_does_not_hand_out_a_finished_recipient),
		FX_TEST(test_question_on_a_failing_disk_is_answered),
		FX_TEST(test_log_is_kept_short),
		FX_TEST(test_failing_checkpoint_is_told_once_and_harms_nobody),
		FX_TEST(test_connection_can_be_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

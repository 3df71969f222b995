/*
 * A wall clock that has jumped.
 *
 * All times in the queue are wall times, because they must survive a reboot.
 * A machine whose clock has lost its battery, or was set wrongly, comes up
 * years away: everything would expire at once, or wait for years.  So the
 * queue remembers what the clock said, to the day, and when it opens and finds
 * the clock implausibly far from that, every time in the queue moves with the
 * clock: what was left of each lifetime is left of it still, and up to a day
 * more.  When the clock is put right again, that is another jump, and the
 * times move back.
 *
 * A year ahead is implausible, since no lifetime is longer; so is a day back.
 * Smaller jumps cannot be told from a machine that was switched off; mail then
 * expires by the clock that there is.
 *
 * Message_IDs do not move: they never repeat, whatever the clock says.
 */
#include <inttypes.h>
#include <stdio.h>

#include "gateway/queue_internal.h"

#define DAY INT64_C(86400)
#define YEAR (366 * DAY)

/* Every time that is compared with the clock; 0 is "never" in some. */
static const struct {
	const char *table, *column, *where;
} times[] = {
	{ "message", "accepted_at", "1" },
	{ "message", "expires_at", "1" },
	{ "message", "deliver_by", "deliver_by <> 0" },
	{ "message", "warn_at", "warn_at <> 0" },
	/* Not what is held. */
	{ "recipient", "next_at",
	    "state = 'waiting' AND next_at < 253402300799" },
	{ "transmission", "expires_at", "1" },
	{ "tombstone", "expires_at", "1" },
	{ "tombstone", "committed_at", "1" },
	{ "partial", "expires_at", "1" },
	{ "partial", "keep_until", "1" },
	{ "emcon", "since", "since <> 0" },
	{ "emcon", "began_at", "began_at <> 0" },
};

static int
shift(struct queue_db *db, int64_t delta)
{
	char sql[256];
	int rc = QUEUE_OK;

	for (size_t i = 0;
	     rc == QUEUE_OK && i < sizeof(times) / sizeof(times[0]); i++) {
		snprintf(sql, sizeof(sql),
		    "UPDATE %s SET %s = max(1, %s + %" PRId64 ") WHERE %s",
		    times[i].table, times[i].column, times[i].column, delta,
		    times[i].where);
		rc = queue_db_exec(db, sql);
	}
	return rc;
}

static int
note(struct queue_db *db, int64_t now_s)
{
	char sql[96];

	snprintf(sql, sizeof(sql),
	    "INSERT OR REPLACE INTO clock (id, seen) VALUES (1, %" PRId64 ")",
	    now_s);
	return queue_db_exec(db, sql);
}

int
queue_clock_step(struct queue_db *db, int64_t now_s, int64_t *ret_days)
{
	int64_t seen = 0, delta;
	int rc = queue_db_number(
	    db, "SELECT ifnull(max(seen), 0) FROM clock", &seen);

	if (rc != QUEUE_OK)
		return rc;
	delta = seen != 0 ? now_s - seen : 0;
	/* Once a day: a disk may want to sleep. */
	if (seen != 0 && delta < DAY && delta > -DAY)
		return QUEUE_OK;
	if (delta > YEAR || delta <= -DAY) {
		rc = shift(db, delta);
		*ret_days = delta / DAY;
	}
	return rc == QUEUE_OK ? note(db, now_s) : rc;
}

void
queue_clock_text(int64_t days, char *buf, size_t cap)
{
	snprintf(buf, cap,
	    "the clock has jumped by %" PRId64
	    " days; all times in the queue have moved with it",
	    days);
}

int
queue_clock_open(struct queue *q, int64_t now_s)
{
	struct queue_db *db = q->writer;
	int64_t days = 0;
	char text[128];
	int rc = queue_db_begin(db, true);

	if (rc == QUEUE_OK)
		rc = queue_clock_step(db, now_s, &days);
	if (rc == QUEUE_OK)
		rc = queue_db_commit(db);
	if (rc != QUEUE_OK) {
		(void)!queue_db_rollback(db);
		return rc;
	}
	queue_clock_text(days, text, sizeof(text));
	if (days != 0 && q->warn != NULL)
		q->warn(q->warn_ctx, text);
	return QUEUE_OK;
}

/* What a link keeps for its next life: a real queue, and a link of the test's. */
#include "gateway/test/queue_fixture.h"

#include <dlfcn.h>

#include "gateway/clock.h"
#include "gateway/mule_link.h"

/* In the year 2096. */
#define EXPIRY 4000000000

static struct {
	struct fx *f;
	struct gateway gw;
	struct cfg_link cfg;
	struct mule_link link;
	/* What the engine has to say, each once. */
	struct pmul_tx_saved tx[4];
	struct pmul_rx_saved rx[4];
	size_t ntx, nrx;
	/* What it was given back. */
	struct pmul_tombstone stones[4];
	struct pmul_rx_saved given[4];
	char records[4][32];
	size_t nstones, ngiven;
	int restore_rc;
	unsigned restored, idle;
	size_t given_when_restored;
} t;

/* --- in place of libuv's ----------------------------------------------------- */

typedef int start_fn(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);

/* A tenth of the time, so that nobody waits for these tests. */
int
uv_timer_start(
    uv_timer_t *timer, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
	static start_fn *real;

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "uv_timer_start");
	uv_update_time(timer->loop);
	return real(timer, cb, timeout / 10, repeat);
}

/* --- in place of the link's ------------------------------------------------ */

bool
link_next_tx_saved(struct link *l, struct pmul_tx_saved *ret_s)
{
	(void)l;
	if (t.ntx == 0)
		return false;
	*ret_s = t.tx[--t.ntx];
	return true;
}

bool
link_next_rx_saved(struct link *l, struct pmul_rx_saved *ret_s)
{
	(void)l;
	if (t.nrx == 0)
		return false;
	*ret_s = t.rx[--t.nrx];
	return true;
}

int
link_restore_rx(struct link *l, const struct pmul_rx_saved *s)
{
	(void)l;
	assert_true(t.ngiven < 4 && s->len < sizeof(t.records[0]));
	t.given[t.ngiven] = *s;
	memcpy(t.records[t.ngiven++], s->records, s->len);
	return t.restore_rc;
}

int
link_restore_tombstone(struct link *l, const struct pmul_tombstone *x)
{
	(void)l;
	assert_true(t.nstones < 4 && t.ngiven == 0);
	t.stones[t.nstones++] = *x;
	return PMUL_OK;
}

void
mule_link_restored(struct mule_link *l)
{
	(void)l;
	t.restored++;
	t.given_when_restored = t.ngiven;
}

void
mule_link_part_idle(struct mule_link *l)
{
	(void)l;
	t.idle++;
}

int64_t
mule_link_keep_until(const struct mule_link *l, int64_t expiry_s)
{
	(void)l;
	return expiry_s + 10;
}

/* --- a link ------------------------------------------------------------------ */

static void
run(struct fx *f, unsigned ms)
{
	uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;

	while (uv_hrtime() < end) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		usleep(500);
	}
}

static void
open_keep(struct fx *f)
{
	static char name[] = "hf1";

	memset(&t, 0, sizeof(t));
	t.f = f;
	fx_open(f);
	t.gw.loop = &f->loop;
	t.gw.queue = f->q;
	t.cfg.name = name;
	t.cfg.max_in_flight_bytes = 1000000;
	t.link.gw = &t.gw;
	t.link.cfg = &t.cfg;
	assert_int_equal(mule_keep_new(&t.link, &t.link.keep), 0);
	assert_true(mule_keep_idle(t.link.keep));
}

static void
start_keep(struct fx *f)
{
	open_keep(f);
	mule_keep_start(t.link.keep);
	assert_false(mule_keep_idle(t.link.keep));
	while (t.restored == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	run(f, 5);
}

static void
close_keep(struct fx *f)
{
	mule_keep_drain(t.link.keep);
	while (!mule_keep_idle(t.link.keep))
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(t.idle > 0);
	mule_keep_free(&t.link.keep);
	fx_close(f);
}

static void
say_rx(uint32_t msid, const char *records)
{
	assert_true(t.nrx < 4);
	t.rx[t.nrx++] = (struct pmul_rx_saved){
		.source = 7,
		.id = msid,
		.priority = 3,
		.seq = 44,
		.total = 10,
		.expiry = { EXPIRY },
		.from = { { 10, 142, 0, 7, [19] = 9 } },
		.records = (const uint8_t *)records,
		.len = strlen(records),
	};
}

static uint64_t
transactions(struct fx *f)
{
	return fx_stats(f).transactions;
}

/* --- tests ------------------------------------------------------------------- */

static void
test_fragments_come_back_after_a_restart(void **state)
{
	struct fx *f = *state;

	start_keep(f);
	assert_int_equal(t.ngiven, 0);
	say_rx(5, "first");
	mule_keep_active(t.link.keep);
	run(f, 130);
	say_rx(5, "second");
	mule_keep_active(t.link.keep);
	run(f, 130);
	assert_int_equal(t.nrx, 0);
	close_keep(f);

	start_keep(f);
	assert_int_equal(t.restored, 1);
	assert_int_equal(t.ngiven, 1);
	assert_int_equal(t.given_when_restored, 1);
	assert_int_equal(t.given[0].source, 7);
	assert_int_equal(t.given[0].id, 5);
	assert_int_equal(t.given[0].priority, 3);
	assert_int_equal(t.given[0].seq, 44);
	assert_int_equal(t.given[0].total, 10);
	assert_int_equal(t.given[0].from.b[3], 7);
	assert_int_equal(t.given[0].from.b[19], 9);
	/* As it was, without what allows for the clocks. */
	assert_int_equal(t.given[0].expiry.s, EXPIRY);
	assert_string_equal(t.records[0], "firstsecond");
	close_keep(f);
}

static void
test_all_that_changed_is_one_transaction(void **state)
{
	struct fx *f = *state;
	uint64_t before;

	start_keep(f);
	before = transactions(f);
	say_rx(1, "a");
	say_rx(2, "b");
	t.tx[t.ntx++] = (struct pmul_tx_saved){ 1000, 1, 0 };
	t.tx[t.ntx++] = (struct pmul_tx_saved){ 1001, 1, 0 };
	for (int i = 0; i < 10; i++)
		mule_keep_active(t.link.keep);
	run(f, 50);
	assert_int_equal(transactions(f) - before, 0);
	run(f, 100);
	assert_int_equal(transactions(f) - before, 1);
	assert_int_equal(t.nrx + t.ntx, 0);
	/* Nothing happened since. */
	mule_keep_active(t.link.keep);
	run(f, 140);
	assert_int_equal(transactions(f) - before, 1);
	close_keep(f);
}

static void
test_steady_traffic_does_not_put_it_off(void **state)
{
	struct fx *f = *state;

	start_keep(f);
	say_rx(1, "a");
	for (int i = 0; i < 6; i++) {
		mule_keep_active(t.link.keep);
		run(f, 40);
	}
	assert_int_equal(t.nrx, 0);
	close_keep(f);
}

static void
test_rounds_are_written_down(void **state)
{
	struct fx *f = *state;

	start_keep(f);
	fx_add(f, "mule:hf1", 0, 1, 10);
	fx_ready(f, "mule:hf1", 1);
	assert_int_equal(fx_transmit(f, "hf1", 6, 1000, 10), QUEUE_OK);
	t.tx[t.ntx++] = (struct pmul_tx_saved){ 1000, 4, 2 };
	mule_keep_active(t.link.keep);
	run(f, 140);
	fx_next(f, "hf1", NULL, 0);
	assert_int_equal(f->x.rounds, 4);
	assert_int_equal(f->x.emcon_rounds, 2);
	close_keep(f);
}

static void
test_clean_end_loses_nothing(void **state)
{
	struct fx *f = *state;

	start_keep(f);
	say_rx(5, "last");
	close_keep(f);
	start_keep(f);
	assert_string_equal(t.records[0], "last");
	close_keep(f);
}

static void
test_lost_or_refused_message_is_forgotten(void **state)
{
	struct fx *f = *state;

	start_keep(f);
	say_rx(5, "lost");
	say_rx(6, "refused");
	say_rx(7, "kept");
	mule_keep_active(t.link.keep);
	run(f, 140);
	mule_keep_lost(t.link.keep, 7, 5);
	close_keep(f);
	open_keep(f);
	t.restore_rc = PMUL_EEXIST;
	mule_keep_start(t.link.keep);
	while (t.restored == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(t.ngiven, 2);
	assert_int_equal(t.given[0].id + t.given[1].id, 13);
	close_keep(f);
	start_keep(f);
	assert_int_equal(t.ngiven, 0);
	close_keep(f);
}

static void
test_tombstones_come_back_with_what_is_owed(void **state)
{
	struct fx *f = *state;
	struct queue_txn *txn = queue_txn_new();
	struct queue_emcon e = { .on = true, .set = true, .since = 10 };
	struct queue_tombstone x = {
		.source = 7,
		.msid = 1,
		.priority = 5,
		.expires_at = clock_wall_s() + 100,
		.committed_at = 9,
		.address = { 1, [19] = 2 },
	};

	fx_open(f);
	assert_int_equal(queue_txn_tombstone(txn, "hf1", &x), QUEUE_OK);
	x.msid = 2;
	x.committed_at = 11;
	assert_int_equal(queue_txn_tombstone(txn, "hf1", &x), QUEUE_OK);
	assert_int_equal(queue_txn_emcon(txn, "hf1", &e), QUEUE_OK);
	assert_int_equal(fx_commit(f, &txn), QUEUE_OK);
	fx_close(f);
	start_keep(f);
	assert_int_equal(t.nstones, 2);
	assert_int_equal(t.stones[0].id, 1);
	assert_false(t.stones[0].owed);
	assert_true(t.stones[1].owed);
	assert_int_equal(t.stones[1].priority, 5);
	assert_int_equal(t.stones[1].from.b[0], 1);
	assert_int_equal(t.stones[1].from.b[19], 2);
	assert_int_equal(t.stones[1].expiry.s - x.expires_at, 0);
	close_keep(f);
}

static void
test_nothing_is_written_down_while_restoring(void **state)
{
	struct fx *f = *state;

	open_keep(f);
	mule_keep_start(t.link.keep);
	say_rx(5, "early");
	mule_keep_active(t.link.keep);
	mule_keep_drain(t.link.keep);
	while (!mule_keep_idle(t.link.keep))
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(t.nrx, 1);
	assert_int_equal(t.restored, 1);
	mule_keep_free(&t.link.keep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		FX_TEST(test_fragments_come_back_after_a_restart),
		FX_TEST(test_all_that_changed_is_one_transaction),
		FX_TEST(test_steady_traffic_does_not_put_it_off),
		FX_TEST(test_rounds_are_written_down),
		FX_TEST(test_clean_end_loses_nothing),
		FX_TEST(test_lost_or_refused_message_is_forgotten),
		FX_TEST(test_tombstones_come_back_with_what_is_owed),
		FX_TEST(test_nothing_is_written_down_while_restoring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

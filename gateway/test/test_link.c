/*
 * The glue between engine and bearer, with a bearer and a clock of the test's:
 * what leaves when, and what silence means.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

#include "gateway/clock.h"
#include "gateway/link.h"

#define GROUP 0xef8e0001
#define US 1
#define THEM 2

static struct {
	uint64_t now_us;
	int64_t wall_s;
	int send_rc;
	unsigned sent, kernel_on, kernel_off;
	bool engine_at_on,
	    engine_at_off; /* in EMCON when the kernel was told */
	bool silent_at_open;
	enum bearer_voice voice;
	bearer_writable_cb *writable;
	void (*changed)(void *ctx);
	void *ctx;
	struct link *link;
	unsigned gave_up, voices;
} t;

/* --- in place of the gateway's ------------------------------------------- */

struct pmul_clock
clock_now(void)
{
	t.now_us += 1000;
	return (struct pmul_clock){ { t.now_us }, { t.wall_s } };
}

int64_t
clock_wall_s(void)
{
	return t.wall_s;
}

int
bearer_open(uv_loop_t *loop, const struct bearer_config *cfg,
    bearer_recv_cb *recv, bearer_writable_cb *writable, void *ctx, char *errbuf,
    size_t errcap, struct bearer **ret_b)
{
	(void)loop;
	(void)recv;
	(void)errbuf;
	(void)errcap;
	t.writable = writable;
	t.changed = cfg->voice;
	t.ctx = ctx;
	t.silent_at_open = cfg->silent;
	*ret_b = NULL;
	return 0;
}

int
bearer_send(struct bearer *b, const struct pmul_where *where, const void *pdu,
    size_t len)
{
	(void)b;
	(void)where;
	(void)pdu;
	(void)len;
	t.sent += t.send_rc == 0;
	return t.send_rc;
}

int
bearer_join(struct bearer *b, uint32_t group)
{
	(void)b;
	(void)group;
	return 0;
}

void
bearer_leave(struct bearer *b, uint32_t group)
{
	(void)b;
	(void)group;
}

int
bearer_silence(struct bearer *b, bool on)
{
	bool engine = pmul_engine_emcon(link_engine(t.link));

	(void)b;
	if (on) {
		t.kernel_on++;
		t.engine_at_on = engine;
	} else {
		t.kernel_off++;
		t.engine_at_off = engine;
	}
	return t.voice == BEARER_MUTED && !on ? -EBUSY : 0;
}

enum bearer_voice
bearer_voice(const struct bearer *b, int *ret_why)
{
	(void)b;
	*ret_why = t.voice == BEARER_MUTED ? -EBUSY : 0;
	return t.voice;
}

int
bearer_silence_try(struct bearer *b)
{
	(void)b;
	return 0;
}

bool
bearer_shared(const struct bearer *b, const uint32_t *addresses, size_t n,
    char *why, size_t cap)
{
	(void)b;
	(void)addresses;
	(void)n;
	(void)why;
	(void)cap;
	return false;
}

void
bearer_close(struct bearer **b, void (*closed)(void *ctx), void *ctx)
{
	*b = NULL;
	closed(ctx);
}

/* --- a link --------------------------------------------------------------- */

static uv_loop_t loop;

static void
on_event(void *ctx, struct link *l, const struct pmul_event *ev)
{
	(void)ctx;
	(void)l;
	t.gave_up += ev->type == PMUL_EV_GAVE_UP;
}

static void
on_active(void *ctx)
{
	(void)ctx;
}

static void
on_voice(void *ctx)
{
	(void)ctx;
	t.voices++;
}

static int
setup(void **state)
{
	struct link_config cfg = {
		.name = "hf1",
		.active = on_active,
		.voice = on_voice,
	};
	char err[200] = "";

	(void)state;
	memset(&t, 0, sizeof(t));
	t.now_us = 1000000;
	t.wall_s = 100000;
	pmul_config_default(&cfg.pmul);
	cfg.pmul.node_id = US;
	cfg.pmul.bit_rate = 0;
	if (uv_loop_init(&loop) != 0)
		return -1;
	return link_open(
	    &loop, &cfg, on_event, NULL, err, sizeof(err), &t.link);
}

static int
teardown(void **state)
{
	(void)state;
	link_close(&t.link, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void
stop(uv_timer_t *timer)
{
	uv_close((uv_handle_t *)timer, NULL);
	uv_stop(&loop);
}

static void
run(uint64_t ms)
{
	uv_timer_t timer;

	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, stop, ms, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	/* It closes in the next turn. */
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void
submit(uint32_t msid)
{
	static const char data[] = "a message";
	struct pmul_dest d = { THEM, 1 };
	struct pmul_submit s = {
		.msid = msid,
		.expiry = { 100010 },
		.group = GROUP,
		.dests = &d,
		.ndests = 1,
		.data = data,
		.len = sizeof(data),
	};

	assert_int_equal(link_submit(t.link, &s), PMUL_OK);
}

static void
test_link_says_nothing_before_it_is_told_to(void **state)
{
	(void)state;
	submit(1);
	run(20);
	assert_int_equal(t.sent, 0);
	assert_int_equal(link_set_emcon(t.link, false), 0);
	run(20);
	assert_true(t.sent >= 2);
}

static void
test_engine_falls_silent_before_the_kernel_and_speaks_after_it(void **state)
{
	(void)state;
	link_set_emcon(t.link, false);
	assert_int_equal(t.kernel_off, 1);
	assert_true(t.engine_at_off);
	assert_false(pmul_engine_emcon(link_engine(t.link)));
	link_set_emcon(t.link, true);
	assert_int_equal(t.kernel_on, 1);
	assert_true(t.engine_at_on);
}

static void
test_full_bearer_does_not_keep_a_message_alive(void **state)
{
	(void)state;
	t.send_rc = -EAGAIN;
	link_set_emcon(t.link, false);
	submit(1);
	run(20);
	assert_int_equal(t.gave_up, 0);
	t.wall_s += 3600;
	t.now_us += 3600000000;
	run(300);
	assert_int_equal(t.gave_up, 1);
	assert_int_equal(t.sent, 0);
}

static void
test_pdu_that_waited_is_sent_when_there_is_room(void **state)
{
	(void)state;
	t.send_rc = -EAGAIN;
	link_set_emcon(t.link, false);
	submit(1);
	t.send_rc = 0;
	t.writable(t.ctx);
	assert_true(t.sent >= 2);
}

static void
test_pdu_that_waited_is_dropped_when_silence_begins(void **state)
{
	unsigned sent;

	(void)state;
	t.send_rc = -EAGAIN;
	link_set_emcon(t.link, false);
	submit(1);
	t.send_rc = 0;
	link_set_emcon(t.link, true);
	sent = t.sent;
	t.writable(t.ctx);
	run(250);
	assert_int_equal(t.sent, sent);
	assert_int_equal(sent, 0);
}

static void
test_link_held_silent_speaks_when_it_is_let_go(void **state)
{
	(void)state;
	t.voice = BEARER_MUTED;
	submit(1);
	assert_int_equal(link_set_emcon(t.link, false), -EBUSY);
	run(20);
	assert_int_equal(t.sent, 0);
	t.voice = BEARER_SPEAKS;
	t.changed(t.ctx);
	assert_int_equal(t.voices, 1);
	run(20);
	assert_true(t.sent >= 2);
}

static void
test_change_of_voice_does_not_end_an_order(void **state)
{
	(void)state;
	submit(1);
	t.voice = BEARER_SPEAKS;
	t.changed(t.ctx);
	link_look_again(t.link);
	run(20);
	assert_int_equal(t.sent, 0);
}

#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		LINK_TEST(test_link_says_nothing_before_it_is_told_to),
		LINK_TEST(
		    test_engine_falls_silent_before_the_kernel_and_speaks_after_it),
		LINK_TEST(test_full_bearer_does_not_keep_a_message_alive),
		LINK_TEST(test_pdu_that_waited_is_sent_when_there_is_room),
		LINK_TEST(test_pdu_that_waited_is_dropped_when_silence_begins),
		LINK_TEST(test_link_held_silent_speaks_when_it_is_let_go),
		LINK_TEST(test_change_of_voice_does_not_end_an_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

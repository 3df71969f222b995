#include "pmul/test/group_bench.h"

#include "tests/unit/unit.h"

void
gb_setup(struct bench *b, unsigned groups)
{
	bench_init(b);
	b->cfg.pool_first = GB_POOL;
	b->cfg.pool_last = GB_POOL + groups - 1;
	b->cfg.groups_max = 2;
}

void
gb_started(struct bench *b, unsigned groups)
{
	gb_setup(b, groups);
	bench_start(b);
}

struct pmul_counters
gb_counters(const struct bench *b)
{
	struct pmul_counters c;

	pmul_engine_counters(b->e, &c);
	return c;
}

struct pmul_gauges
gb_gauges(const struct bench *b)
{
	struct pmul_gauges g;

	pmul_engine_gauges(b->e, &g);
	return g;
}

int
gb_submit_resumed(
    struct bench *b, uint32_t msid, uint8_t priority, uint32_t rounds)
{
	static const struct pmul_dest d[] = { { A, 70 }, { B, 71 } };
	struct pmul_submit s = {
		.msid = msid,
		.priority = priority,
		.expiry = { b->now.wall.s + 3600 },
		.dests = d,
		.ndests = 2,
		.data = "hello",
		.len = 5,
		.rounds = rounds,
	};

	return pmul_engine_submit(b->e, b->now, &s);
}

int
gb_submit(struct bench *b, uint32_t msid)
{
	return gb_submit_resumed(b, msid, 4, 0);
}

/* To GG: Request, Release, Announce. */
uint32_t
gb_take(struct bench *b, enum pmul_pdu_type type, uint32_t msid)
{
	bench_take(b, type);
	assert_int_equal(b->pdu.msid, msid);
	assert_true(b->where.multicast);
	assert_int_equal(b->where.group, PMUL_GROUP_ALL);
	assert_int_equal(
	    b->where.port, type == PMUL_ANNOUNCE ? PMUL_RPORT : PMUL_TPORT);
	assert_in_range(b->pdu.group, b->cfg.pool_first, b->cfg.pool_last);
	return b->pdu.group;
}

void
gb_take_announce(struct bench *b, uint32_t msid, uint32_t group)
{
	assert_int_equal(gb_take(b, PMUL_ANNOUNCE, msid), group);
	assert_int_equal(b->pdu.expiry, BENCH_WALL + 3600);
	assert_int_equal(b->pdu.count, 2);
	assert_int_equal(pmul_pdu_announced(&b->pdu, 0), A);
	assert_int_equal(pmul_pdu_announced(&b->pdu, 1), B);
}

/* Nothing happens until us have gone by, then something may. */
void
gb_quiet_for(struct bench *b, uint64_t us)
{
	bench_pass(b, us - 1);
	bench_take_nothing(b);
	bench_pass(b, 1);
}

/* Asked for, announced, its first pass sent. */
uint32_t
gb_held(struct bench *b, uint32_t msid)
{
	uint32_t group;

	assert_int_equal(gb_submit(b, msid), PMUL_OK);
	group = gb_take(b, PMUL_REQUEST, msid);
	bench_pass(b, b->cfg.wait_for_reject_us);
	for (uint32_t i = 0; i < b->cfg.announce_ct; i++) {
		gb_take_announce(b, msid, group);
		bench_pass(b, b->cfg.announce_delay_us / 3 + 1);
	}
	bench_take(b, PMUL_ADDRESS);
	bench_take_data(b, msid, 1);
	bench_take_nothing(b);
	return group;
}

int
gb_put(struct bench *b, enum pmul_pdu_type type, uint32_t from, uint32_t source,
    uint32_t msid, uint32_t group)
{
	uint8_t buf[64];
	size_t len =
	    pmul_pdu_put_group(buf, sizeof(buf), type, source, msid, group);

	return bench_input(b, from, buf, len);
}

int
gb_request(struct bench *b, uint32_t from, uint32_t msid, uint32_t group)
{
	return gb_put(b, PMUL_REQUEST, from, from, msid, group);
}

int
gb_reject(struct bench *b, uint32_t msid, uint32_t group)
{
	return gb_put(b, PMUL_REJECT, A, ME, msid, group);
}

int
gb_release(struct bench *b, uint32_t from, uint32_t msid, uint32_t group)
{
	return gb_put(b, PMUL_RELEASE, from, from, msid, group);
}

/* Names one node. */
int
gb_announce_until(struct bench *b, uint32_t from, uint32_t msid, uint32_t group,
    uint32_t node, uint32_t expiry)
{
	struct pmul_pdu pdu = {
		.type = PMUL_ANNOUNCE,
		.first = true,
		.last = true,
		.source = from,
		.msid = msid,
		.expiry = expiry,
		.group = group,
	};
	uint8_t buf[64];
	size_t len = pmul_pdu_put_announce(buf, sizeof(buf), &pdu, &node, 1);

	return bench_input(b, from, buf, len);
}

int
gb_announce(struct bench *b, uint32_t from, uint32_t msid, uint32_t group,
    uint32_t node)
{
	return gb_announce_until(b, from, msid, group, node, BENCH_WALL + 3600);
}

void
gb_take_reject(struct bench *b, uint32_t to, uint32_t msid, uint32_t group)
{
	bench_take(b, PMUL_REJECT);
	assert_int_equal(b->pdu.source, to);
	assert_int_equal(b->pdu.msid, msid);
	assert_int_equal(b->pdu.group, group);
	assert_false(b->where.multicast);
	assert_int_equal(b->where.port, PMUL_TPORT);
	assert_int_equal(b->where.node, to);
	assert_int_equal(b->where.to.b[0], (uint8_t)to);
}

void
gb_group_event(struct bench *b, enum pmul_event_type type, uint32_t peer,
    uint32_t msid, uint32_t group)
{
	struct pmul_event ev;

	assert_true(pmul_engine_next_event(b->e, &ev));
	assert_int_equal(ev.type, type);
	assert_int_equal(ev.peer, peer);
	assert_int_equal(ev.id, msid);
	assert_int_equal(ev.group, group);
}

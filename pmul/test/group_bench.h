/* What the tests of dynamic groups share: a bench, and PDUs about groups. */
#ifndef MULETEER_PMUL_TEST_GROUP_BENCH_H
#define MULETEER_PMUL_TEST_GROUP_BENCH_H

#include "pmul/test/bench.h"

#define GB_POOL UINT32_C(0xef8e0000)
#define OK(call) assert_int_equal(call, PMUL_OK)

/* A pool of so many groups; two can be joined. */
void gb_setup(struct bench *b, unsigned groups);
void gb_started(struct bench *b, unsigned groups);
struct pmul_counters gb_counters(const struct bench *b);
struct pmul_gauges gb_gauges(const struct bench *b);

/* Two destinations, A and B; one Data_PDU; 1 h to live. */
int gb_submit_resumed(
    struct bench *b, uint32_t msid, uint8_t priority, uint32_t rounds);
int gb_submit(struct bench *b, uint32_t msid);

/* To GG: Request, Release, Announce. */
uint32_t gb_take(struct bench *b, enum pmul_pdu_type type, uint32_t msid);
/* ...of the destinations of gb_submit(). */
void gb_take_announce(struct bench *b, uint32_t msid, uint32_t group);
/* Nothing happens until us have gone by, then something may. */
void gb_quiet_for(struct bench *b, uint64_t us);

/* Submitted, asked for, announced, its first pass sent: the group. */
uint32_t gb_held(struct bench *b, uint32_t msid);

/* In: what pmul_engine_input() says. */
int gb_put(struct bench *b, enum pmul_pdu_type type, uint32_t from,
    uint32_t source, uint32_t msid, uint32_t group);
int gb_request(struct bench *b, uint32_t from, uint32_t msid, uint32_t group);
int gb_reject(struct bench *b, uint32_t msid, uint32_t group);
int gb_release(struct bench *b, uint32_t from, uint32_t msid, uint32_t group);
/* Names one node. */
int gb_announce_until(struct bench *b, uint32_t from, uint32_t msid,
    uint32_t group, uint32_t node, uint32_t expiry);
int gb_announce(struct bench *b, uint32_t from, uint32_t msid, uint32_t group,
    uint32_t node);

/* Out. */
void gb_take_reject(
    struct bench *b, uint32_t to, uint32_t msid, uint32_t group);

void gb_group_event(struct bench *b, enum pmul_event_type type, uint32_t peer,
    uint32_t msid, uint32_t group);

#endif

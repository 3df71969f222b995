/*
 * One engine on the bench: PDUs put in by hand, one by one, and everything
 * that comes out looked at.
 */
#ifndef MULETEER_PMUL_TEST_BENCH_H
#define MULETEER_PMUL_TEST_BENCH_H

#include "pmul/pdu.h"
#include "pmul/pmul.h"

/* Node identities; the engine is ME. */
enum { ME = 0x0a8e0005, A = 0x0a8e0002, B = 0x0a8e0003, C = 0x0a8e0008 };

#define BENCH_WALL 1700000000
#define SECOND UINT64_C(1000000)

struct bench {
	struct pmul_config cfg; /* change it, then bench_start() */
	struct pmul_engine *e;
	struct pmul_clock now;
	/* The PDU taken last. */
	uint8_t buf[PMUL_PDU_MAX];
	size_t len;
	struct pmul_pdu pdu;
	struct pmul_where where;
};

/* A configuration with round figures: retx 10 s, ack_delay 0, pdu_max 100. */
void bench_init(struct bench *b);
void bench_start(struct bench *b);
void bench_stop(struct bench *b);

/* Let time pass, then tick. */
void bench_pass(struct bench *b, uint64_t us);

/* --- in: what pmul_engine_input() says ---------------------------------- */

int bench_input(struct bench *b, uint32_t from, const void *buf, size_t len);

/* ids: count of them, then the Destination_IDs. */
int bench_address(struct bench *b, uint32_t source, uint32_t msid,
    unsigned total, unsigned n, ...);
/* One PDU of a set. */
int bench_address_part(struct bench *b, uint32_t source, uint32_t msid,
    bool first, bool last, unsigned n, ...);
int bench_extra_address(
    struct bench *b, uint32_t source, uint32_t msid, unsigned total);
int bench_data(struct bench *b, uint32_t source, uint32_t msid, unsigned seq,
    const char *text);
int bench_discard(struct bench *b, uint32_t source, uint32_t msid);
/* From node, about our msid; n numbers follow, none: complete. */
int bench_ack(struct bench *b, uint32_t node, uint32_t msid, unsigned n, ...);

/* --- our own messages ---------------------------------------------------- */

/* pdus Data_PDUs to n destinations; 1 h to live. */
int bench_submit(
    struct bench *b, uint32_t msid, unsigned pdus, unsigned n, ...);

/* --- out -------------------------------------------------------------------- */

/* The next PDU into b->pdu; fails the test if there is none. */
void bench_take(struct bench *b, enum pmul_pdu_type type);
void bench_take_address(struct bench *b, uint32_t msid, unsigned n, ...);
/* An Extra_Address_PDU. */
void bench_take_extra(struct bench *b, uint32_t msid, unsigned n, ...);
void bench_take_data(struct bench *b, uint32_t msid, unsigned seq);
/* An Ack_PDU of one entry to source; n numbers follow, none: complete. */
void bench_take_ack(
    struct bench *b, uint32_t source, uint32_t msid, unsigned n, ...);
void bench_take_nothing(struct bench *b);

/* The next event; fails the test if it is another. */
void bench_event(
    struct bench *b, enum pmul_event_type type, uint32_t peer, uint32_t msid);
/* RECEIVED with this text; stored at once. */
void bench_received(
    struct bench *b, uint32_t source, uint32_t msid, const char *text);
void bench_no_event(struct bench *b);

#endif

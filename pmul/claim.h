/*
 * A dynamic group of our own, for one outgoing message: ACP 142 3.8, the
 * transmitter's side.
 *
 *	ASKING      a Request_PDU is due
 *	LISTENING   for Reject_PDUs, until WAIT_FOR_REJECT_TIME is over
 *	PAUSING     no group of the pool is free; all are tried again later
 *	ANNOUNCING  ANNOUNCE_CT times, until ANNOUNCE_DELAY is over
 *	HELD        the group is ours: the rounds of the message run
 *	RELEASING   the message has ended, a Release_PDU is due
 *
 * The groups of the pool are tried one after the other from a random one, each
 * once; those that are in use here or were announced by others are passed
 * over.  Each message has a group for itself, even if another one of ours goes
 * to the same destinations: sharing would save two small PDUs and would tie
 * the end of one message to that of the other.
 *
 * When two nodes ask for the same group at once, the one with the lower
 * Source_ID keeps it: it rejects the other's Request, and the other withdraws
 * by itself where it hears that Request.  Either PDU is enough, and the first
 * Announce settles what is left.
 *
 * A claim outlives its message until its Release_PDU has left, so there can be
 * twice as many claims as messages; submit() answers PMUL_EBUSY beyond that.
 */
#ifndef MULETEER_PMUL_CLAIM_H
#define MULETEER_PMUL_CLAIM_H

#include "pmul/engine.h"

enum pmul_claim_phase {
	PMUL_CLAIM_ASKING,
	PMUL_CLAIM_LISTENING,
	PMUL_CLAIM_PAUSING,
	PMUL_CLAIM_ANNOUNCING,
	PMUL_CLAIM_HELD,
	PMUL_CLAIM_RELEASING,
};

struct pmul_claim {
	struct pmul_table_node node;   /* group, 0; if there is a group */
	struct pmul_heap_node sending; /* a PDU is due */
	struct pmul_heap_node timer;
	struct pmul_heap_node pausing; /* the most urgent goes on first */
	struct pmul_tx *tx;            /* NULL: RELEASING */
	enum pmul_claim_phase phase;
	uint8_t priority;
	uint32_t msid;
	uint32_t group;       /* asked for, or ours; 0: none */
	bool spoken;          /* a Request_PDU for it has left */
	uint32_t refused;     /* a Release_PDU for this one is due; or 0 */
	uint32_t start;       /* place in the pool that was tried first */
	uint64_t tried;       /* places */
	uint64_t stretch_pct; /* of the pauses, backed off so far */

	bool announcing;    /* a set of Announce_PDUs has begun */
	uint32_t cursor;    /* of the set: destinations looked at */
	uint32_t announced; /* sets */
	uint64_t began_us;  /* the first of them */
	bool reminded;      /* announced before the round to come */
};

/* Whether there is room for one more.  PMUL_EINVAL: no pool; PMUL_EBUSY. */
int pmul_claim_check(const struct pmul_engine *e);

/* A claim that does nothing yet: free() undoes it.  PMUL_ENOMEM */
int pmul_claim_new(struct pmul_claim **ret_c);

/* The message is in the tables, tx->claim is set: ask for a first group. */
void pmul_claim_start(struct pmul_engine *e, struct pmul_tx *tx);

/* The message has ended, or is no more.  A tx without a claim is fine. */
void pmul_claim_drop(struct pmul_engine *e, struct pmul_tx *tx);

/* Whether rounds of tx may begin: it has no claim, or that is HELD. */
bool pmul_claim_settled(const struct pmul_tx *tx);

/*
 * An Announce_PDU that has to leave before the next round of tx, or 0: to a
 * destination that was never heard, or that has not responded to the last two
 * rounds, the group is announced again.
 */
size_t pmul_claim_remind(struct pmul_engine *e, struct pmul_tx *tx,
    struct pmul_where *where, void *buf, size_t cap);

/* Whether the next PDU about groups goes before the next of a message. */
bool pmul_claim_goes_first(const struct pmul_engine *e);

/* The next Request, Announce or Release, or 0; the pacer knows of it then. */
size_t pmul_claim_put(
    struct pmul_engine *e, struct pmul_where *where, void *buf, size_t cap);

void pmul_claim_timer(struct pmul_engine *e, struct pmul_claim *c);

/* Whether a claim has this group. */
bool pmul_claim_has(const struct pmul_engine *e, uint32_t group);

/* A Reject_PDU arrived. */
void pmul_claim_rejected(struct pmul_engine *e, const struct pmul_pdu *pdu);

/*
 * Node source asks for group: whether we reject that.  Where we asked for it
 * ourselves and it is the other's, we try another one.
 */
bool pmul_claim_defends(struct pmul_engine *e, uint32_t group, uint32_t source);

/* Somebody else has announced group: it is not asked for any more. */
void pmul_claim_yield(struct pmul_engine *e, uint32_t group);

/* Somebody has given a group back: who waits for one tries again. */
void pmul_claim_wake(struct pmul_engine *e);

/* Our EMCON begins: nobody would hear us reject, so we ask again after it. */
void pmul_claim_silence(struct pmul_engine *e);

/* After the messages: what still had to be released. */
void pmul_claim_free_all(struct pmul_engine *e);

#endif

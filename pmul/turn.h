/*
 * Whose turn it is on a half duplex channel, where Acks and data meet.
 *
 * After a round of ours nothing but Acks leaves until all that are expected
 * have come or had their time.  While somebody else's round is on the air we
 * do not begin one: each of its PDUs says that another may follow, and keeps
 * us quiet for as long as that takes to arrive; its Extra_Address_PDU says
 * that Acks follow.  There is nothing else to tell the end of a round by, but
 * what says so outright, an Ack-Ack or a Discard_Message_PDU.  A round of ours
 * that is under way goes on; a full duplex channel is always free.
 */
#ifndef MULETEER_PMUL_TURN_H
#define MULETEER_PMUL_TURN_H

#include "pmul/engine.h"

/* From the end of a round until the n that it asks have had their say. */
uint64_t pmul_turn_answers_us(const struct pmul_engine *e, uint32_t n);

/* A round of tx has ended: n Acks are expected, and until_us waited for. */
void pmul_turn_give(struct pmul_engine *e, const struct pmul_tx *tx, uint32_t n,
    uint64_t until_us);

/* All that were expected have come, or tx is no more. */
void pmul_turn_take(struct pmul_engine *e, const struct pmul_tx *tx);

/* A PDU of another transmitter's round arrived. */
void pmul_turn_heard(struct pmul_engine *e, const struct pmul_pdu *pdu);

/* From when on tx, or something else (NULL), may be sent; 0: always. */
uint64_t pmul_turn_at(const struct pmul_engine *e, const struct pmul_tx *tx);

#endif

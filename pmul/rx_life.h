/*
 * How an incoming message is made and ends; for rx.c.  A new one is in no
 * state yet: it is opened to gather fragments, or buried as a tombstone.
 */
#ifndef MULETEER_PMUL_RX_LIFE_H
#define MULETEER_PMUL_RX_LIFE_H

#include "pmul/rx.h"

/* A message in the table, to be opened or buried at once.  PMUL_ENOMEM */
int pmul_rx_new(struct pmul_engine *e, uint32_t source, uint32_t msid,
    struct pmul_rx **ret_rx);

/* Whether a limit forbids to open one more.  PMUL_EBUSY; peer may be NULL. */
int pmul_rx_room(
    const struct pmul_engine *e, const struct pmul_peer *peer, bool held);

/*
 * Ready to gather fragments, HELD or GATHERING; no longer a tombstone if it
 * was one.  PMUL_ENOMEM: unchanged.
 */
int pmul_rx_open(struct pmul_engine *e, struct pmul_rx *rx, bool held);

/* Count len octets more. */
void pmul_rx_charge(struct pmul_engine *e, struct pmul_rx *rx, size_t len);

/* The message is no longer HELD; the caller sets the new state. */
void pmul_rx_unhold(struct pmul_engine *e, struct pmul_rx *rx);

/*
 * Become a tombstone, DONE, LOST or FOREIGN, until that wall second; the
 * oldest goes if there are too many.  Promised events are the caller's to
 * push or break.
 */
void pmul_rx_bury(struct pmul_engine *e, struct pmul_rx *rx,
    enum pmul_rx_state state, uint64_t until);

/* How long to ignore a message: its PDUs may outlive its Expiry_Time. */
uint64_t pmul_rx_ignore_until(const struct pmul_engine *e, uint32_t expiry);

/* GATHERING: it will never be complete. */
void pmul_rx_lose(struct pmul_engine *e, struct pmul_rx *rx);

/* Owe an Ack that may be repeated afresh. */
void pmul_rx_owe(struct pmul_engine *e, struct pmul_rx *rx);

#endif

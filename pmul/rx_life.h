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

/*
 * Whether a limit forbids to open one more.  PMUL_EBUSY; peer may be NULL.
 * What is not held may need pmul_rx_shed() when it is open.
 */
int pmul_rx_room(
    const struct pmul_engine *e, const struct pmul_peer *peer, bool held);

/*
 * Messages that gather, and of which nothing was heard for longer than any
 * transmitter waits between two rounds, may go to make room: an Expiry_Time far
 * away, and whoever names us in 1024 of them, would keep us deaf until then.
 * They are forgotten, not buried: one that is sent after all begins anew.
 */
bool pmul_rx_can_shed(
    const struct pmul_engine *e, const struct pmul_rx *but, uint64_t octets);
void pmul_rx_shed(struct pmul_engine *e); /* until the limits hold */

/* GATHERING: a PDU of it was heard. */
void pmul_rx_touch(struct pmul_engine *e, struct pmul_rx *rx);

/*
 * Ready to gather fragments, HELD or GATHERING; no longer a tombstone if it
 * was one.  PMUL_ENOMEM: unchanged.
 */
int pmul_rx_open(struct pmul_engine *e, struct pmul_rx *rx, bool held);

/* Count len octets more. */
void pmul_rx_charge(struct pmul_engine *e, struct pmul_rx *rx, size_t len);

/* The message is no longer HELD; the caller sets the new state. */
void pmul_rx_unhold(struct pmul_engine *e, struct pmul_rx *rx);

/* Something of it is to be handed out by pmul_rx_next_saved(), or nothing. */
void pmul_rx_dirty(struct pmul_engine *e, struct pmul_rx *rx);
void pmul_rx_clean(struct pmul_engine *e, struct pmul_rx *rx);

/* The message is whole: *data becomes the engine's. */
void pmul_rx_deliver(
    struct pmul_engine *e, struct pmul_rx *rx, uint8_t *data, size_t len);

/*
 * How long: until Expiry_Time, give or take skew_s; with rx_lifetime_us, so
 * long from when it was first heard, on the monotonic clock.  A message that is
 * COMPLETE waits for its caller as long as it takes.
 */
void pmul_rx_live(struct pmul_engine *e, struct pmul_rx *rx);
void pmul_rx_immortal(struct pmul_engine *e, struct pmul_rx *rx);
bool pmul_rx_is_over(const struct pmul_engine *e, const struct pmul_rx *rx);
bool pmul_rx_too_late(const struct pmul_engine *e, uint32_t expiry);

/*
 * Become a tombstone, DONE, LOST or FOREIGN; the oldest goes if there are too
 * many.  Promised events are the caller's to push or break.
 */
void pmul_rx_bury(
    struct pmul_engine *e, struct pmul_rx *rx, enum pmul_rx_state state);

/* How long a tombstone is kept, counted anew. */
void pmul_rx_remember(struct pmul_engine *e, struct pmul_rx *rx);

/*
 * GATHERING: a round begins, or may have been missed; speak up when nothing of
 * it comes.
 */
void pmul_rx_expect(struct pmul_engine *e, struct pmul_rx *rx);

/*
 * Number seq, which we have, came: the round that was begun goes on, and what
 * we asked for is still to come, however slow the link is.
 */
void pmul_rx_put_off(struct pmul_engine *e, struct pmul_rx *rx, uint32_t seq);

/* A PDU of it came: trigger T6, unless something else will make us speak. */
void pmul_rx_watch(struct pmul_engine *e, struct pmul_rx *rx);

/* Named once more: whether our last Ack need not be repeated. */
bool pmul_rx_said_already(
    const struct pmul_engine *e, const struct pmul_rx *rx, bool extra);

/* GATHERING: it will never be complete. */
void pmul_rx_lose(struct pmul_engine *e, struct pmul_rx *rx);

/* Owe an Ack that may be repeated afresh. */
void pmul_rx_owe(struct pmul_engine *e, struct pmul_rx *rx);

#endif

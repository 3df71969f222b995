/*
 * Dynamic groups of others: ACP 142 3.8, the receiver's side, and what both
 * sides share.
 *
 * A use is one message of another node on the group that it announced.  One
 * that names us is joined, PMUL_EV_JOIN, until the message needs us no longer:
 * our Ack is confirmed, it was discarded, lost or has expired, or the group is
 * released; or, once we have it all, nobody has asked for our Ack for
 * UNDEFINED_PDU_EXPIRY_TIME.  What names others is only remembered, so that the group is not
 * asked for here: groups_max of these, the oldest goes, and none for longer
 * than UNDEFINED_PDU_EXPIRY_TIME, because a Release_PDU can be lost.
 *
 * A Request_PDU is rejected by whoever sends on that group, at once, and by
 * whoever listens to it for somebody else, after a random delay and unless the
 * requester gives it up before.  One that cannot leave within
 * WAIT_FOR_REJECT_TIME, or before our EMCON, is dropped: nobody waits for it.
 */
#ifndef MULETEER_PMUL_GROUP_H
#define MULETEER_PMUL_GROUP_H

#include "pmul/engine.h"

/* The nodes this part has among the engine's timers, or expiries, at most. */
size_t pmul_group_timers(const struct pmul_config *cfg);

/* PMUL_ENOMEM: pmul_group_release_all() undoes what there is. */
int pmul_group_init(struct pmul_engine *e);
void pmul_group_release_all(struct pmul_engine *e);

/* Whether group is asked for or used, by us or by others. */
bool pmul_group_in_use(const struct pmul_engine *e, uint32_t group);

/* PDUs; an error leaves everything as it was.  from may be NULL. */
int pmul_group_announced(struct pmul_engine *e, const struct pmul_pdu *pdu);
int pmul_group_requested(struct pmul_engine *e, const struct pmul_addr *from,
    const struct pmul_pdu *pdu);
void pmul_group_released(struct pmul_engine *e, const struct pmul_pdu *pdu);

/* It is complete: listen on for a while, our Ack may be asked for. */
void pmul_group_done(struct pmul_engine *e, uint32_t source, uint32_t msid);

/* An incoming message needs its dynamic group no longer, if it has one. */
void pmul_group_leave(struct pmul_engine *e, uint32_t source, uint32_t msid);

/* The next Reject_PDU, or 0. */
size_t pmul_group_put(
    struct pmul_engine *e, struct pmul_where *where, void *buf, size_t cap);

/*
 * Our EMCON begins: no Reject.  It ends: what is joined is said again, for the
 * caller may have been unable to join without a sound.
 */
void pmul_group_silence(struct pmul_engine *e, bool on);

/* A use has expired, or was heard of too long ago. */
void pmul_group_expire(struct pmul_engine *e, struct pmul_heap_node *n);
void pmul_group_age(struct pmul_engine *e, struct pmul_heap_node *n);

/* The random delay of a Reject is over. */
void pmul_group_reject_timer(struct pmul_engine *e, struct pmul_heap_node *n);

#endif

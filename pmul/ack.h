/*
 * The Acks owed to one transmitter.
 *
 * Every Ack waits a random time, so that a group of receivers does not answer
 * all at once; whatever falls due for the same transmitter meanwhile goes into
 * the same Ack_PDU.  What an Ack says is decided when it leaves.
 */
#ifndef MULETEER_PMUL_ACK_H
#define MULETEER_PMUL_ACK_H

#include "pmul/engine.h"

/* A transmitter; exists while there are messages of its in the rx table. */
struct pmul_peer {
	struct pmul_table_node node; /* Source_ID, 0 */
	struct pmul_addr addr;       /* where it was last heard */
	uint64_t heard_at_us;        /* ...and when */
	uint32_t messages;           /* that are its */
	uint32_t held;               /* ...of these: without Address_PDU */
	uint64_t held_bytes;
	struct pmul_heap_node timer; /* the random delay */
	struct pmul_heap_node ready; /* an Ack_PDU may leave */
	struct pmul_rx_list owed;
	uint8_t urgent; /* lowest priority octet among the owed */
};

struct pmul_peer *pmul_peer_find(const struct pmul_engine *e, uint32_t source);

/* The peer, perhaps a new one; counts one message more.  PMUL_ENOMEM */
int pmul_peer_join(
    struct pmul_engine *e, uint32_t source, struct pmul_peer **ret_peer);
/* One message less; the last frees the peer. */
void pmul_peer_leave(struct pmul_engine *e, struct pmul_peer *peer);

/* An Ack for rx is owed, or is not any more. */
void pmul_peer_owe(struct pmul_engine *e, struct pmul_rx *rx);
void pmul_peer_forgive(struct pmul_engine *e, struct pmul_rx *rx);

/*
 * Our own EMCON begins: what is owed stays so, without a time.  It ends: each
 * transmitter has its random delay.
 */
void pmul_peer_silence(struct pmul_engine *e, bool on);

/* Where it was heard in an earlier life, unless it was heard in this one. */
void pmul_peer_heard_at(struct pmul_peer *peer, const struct pmul_addr *addr);

/* The random delay is over. */
void pmul_peer_timer(struct pmul_engine *e, struct pmul_peer *peer);

/*
 * The Ack_PDU for a peer that is ready; what does not fit stays ready.  0 if
 * nothing owed turned out to be worth saying.
 */
size_t pmul_peer_ack(struct pmul_engine *e, struct pmul_peer *peer,
    struct pmul_where *where, void *buf, size_t cap);

#endif

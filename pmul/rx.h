/*
 * One incoming message.
 *
 *	HELD       Data_PDUs, but no Address_PDU yet that says for whom
 *	GATHERING  for us, incomplete
 *	COMPLETE   reported, waiting for pmul_engine_stored()
 *	DONE       a tombstone: acknowledged, and again when asked
 *	LOST       a tombstone: expired or discarded
 *	FOREIGN    a tombstone: not for us
 */
#ifndef MULETEER_PMUL_RX_H
#define MULETEER_PMUL_RX_H

#include "pmul/engine.h"
#include "pmul/store.h"

enum pmul_rx_state {
	PMUL_RX_HELD,
	PMUL_RX_GATHERING,
	PMUL_RX_COMPLETE,
	PMUL_RX_DONE,
	PMUL_RX_LOST,
	PMUL_RX_FOREIGN,
};

/* What a tombstone does without. */
struct pmul_gather {
	struct pmul_store store;
	uint32_t seq; /* Message_Sequence_Number */
	uint32_t total;
	bool total_sure;  /* an Address_PDU has said so */
	bool pass_over;   /* what is missing now was sent and lost */
	uint32_t highest; /* number received */
	uint32_t asked;   /* the last number of our last Ack; its arrival is
			   * trigger T2.  0: no Ack yet */
	uint32_t said;    /* the highest number our last Ack could speak of */
	size_t saved;     /* octets of the log that were handed out */
	bool dirty;       /* in e->rx_dirty */
	bool open;        /* in e->rx_open */
	uint64_t touched_us; /* when a PDU of it was heard last */
	uint8_t *data;       /* COMPLETE: the message */
	size_t len;
};

struct pmul_rx {
	struct pmul_table_node node; /* Source_ID, Message_ID */
	enum pmul_rx_state state;
	uint8_t priority;
	bool owed;    /* in peer->owed */
	bool chained; /* no PDU of the Address_PDU set was missed or named us */
	bool prodded; /* named again since our last Ack */
	bool passed;  /* ...more than once: a round has gone by */
	bool said_last; /* our last Ack left, and no Data_PDU came since */
	bool idle;      /* the timer is that of T6 */
	bool ended;     /* an Extra_Address_PDU named us since the last
			 * Data_PDU: the next one is a question */
	bool confirmed; /* DONE: the transmitter has our Ack */
	bool duplicate_address; /* DONE: named again */
	bool fetched;   /* COMPLETE: the event is in the caller's hands */
	bool discarded; /* COMPLETE: the transmitter has given up */
	uint32_t expiry;
	uint32_t heard_seq;   /* of the Data_PDU heard last */
	uint32_t repeats;     /* of the Ack, left */
	uint64_t acked_at_us; /* when our last Ack left */
	uint64_t named_at_us; /* by the Address_PDU of this round; 0: never */
	uint64_t heard_at_us; /* first of all */
	struct pmul_peer *peer;
	struct pmul_heap_node timer;    /* HELD: UNDEFINED_PDU_EXPIRY; else
					 * ACK_PDU_TIME, or T6 */
	struct pmul_heap_node expiring; /* Expiry_Time, or when to forget */
	TAILQ_ENTRY(pmul_rx) link;      /* tombstones; else rx_dirty */
	TAILQ_ENTRY(pmul_rx) owed_link;
	TAILQ_ENTRY(pmul_rx) open_link;
	struct pmul_gather *g; /* HELD, GATHERING, COMPLETE */
};

struct pmul_rx *pmul_rx_find(
    const struct pmul_engine *e, uint32_t source, uint32_t msid);

/* PDUs, after the sanity checks; an error leaves everything as it was. */
int pmul_rx_address(struct pmul_engine *e, const struct pmul_pdu *pdu);
int pmul_rx_data(struct pmul_engine *e, const struct pmul_pdu *pdu);
int pmul_rx_discard(struct pmul_engine *e, const struct pmul_pdu *pdu);

/* The transmitter has released its dynamic group: it waits for no Ack. */
void pmul_rx_released(struct pmul_engine *e, uint32_t source, uint32_t msid);

/* The message is stored: owe its Ack and keep a tombstone. */
void pmul_rx_stored(struct pmul_engine *e, struct pmul_rx *rx);

/* A tombstone of an earlier life. */
int pmul_rx_restore(struct pmul_engine *e, const struct pmul_tombstone *t);

/* An Address_PDU of a message that we cannot decode. */
int pmul_rx_fec(struct pmul_engine *e, const struct pmul_pdu *pdu);

/* Our own EMCON is over: what is incomplete makes itself heard. */
void pmul_rx_emcon_ended(struct pmul_engine *e);

/* rx_keep.c: see pmul.h. */
bool pmul_rx_next_saved(struct pmul_engine *e, struct pmul_rx_saved *ret_s);
int pmul_rx_resume(struct pmul_engine *e, const struct pmul_rx_saved *s);

/* Its timer, or its expiry, is due. */
void pmul_rx_timer(struct pmul_engine *e, struct pmul_rx *rx);
void pmul_rx_expire(struct pmul_engine *e, struct pmul_rx *rx);

/* What an Ack says about one message. */
struct pmul_rx_list_out {
	uint16_t *list;
	size_t max;
	bool ranges;
	size_t n;      /* numbers in list */
	uint32_t last; /* ...the last one */
};

/*
 * What an Ack for rx says now, at most max numbers into list; false if there
 * is nothing to say.  Then, when it has left: pmul_rx_acked().
 */
bool pmul_rx_missing(const struct pmul_rx *rx, struct pmul_rx_list_out *out);
void pmul_rx_acked(struct pmul_engine *e, struct pmul_rx *rx, uint32_t last);

void pmul_rx_free(struct pmul_engine *e, struct pmul_rx *rx);

#endif

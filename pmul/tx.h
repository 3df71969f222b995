/*
 * One outgoing message.
 *
 *	READY    a round may begin as soon as the link is ours
 *	SENDING  a round is under way: its Address_PDU set, then Data_PDUs
 *	WAITING  for Acks, until all have responded or the timer fires
 *	CLOSING  an Ack-Ack or a Discard_Message_PDU is due
 *	OVER     remembered, to answer late Acks
 */
#ifndef MULETEER_PMUL_TX_H
#define MULETEER_PMUL_TX_H

#include "pmul/engine.h"
#include "pmul/seqset.h"

enum pmul_tx_phase {
	PMUL_TX_READY,
	PMUL_TX_SENDING,
	PMUL_TX_WAITING,
	PMUL_TX_CLOSING,
	PMUL_TX_OVER,
};

/* What the present round is for. */
enum pmul_tx_kind {
	PMUL_TX_REPEAT, /* all that are incomplete; the first pass too */
	PMUL_TX_SILENT, /* a repetition to those in EMCON */
};

/* Rounds that are due. */
#define PMUL_TX_DUE_REPEAT 1u
#define PMUL_TX_DUE_SILENT 2u
/* No round: one more set, for those it does not name. */
#define PMUL_TX_DUE_CONFIRM 4u

struct pmul_tx_dest {
	uint32_t id, seq;
	/* What its last Ack listed; no memory unless that was something. */
	struct pmul_seqset missing;
	uint32_t known;    /* ...and the last number it listed: what is above
			 * has not been acknowledged */
	uint32_t asked;    /* rounds in a row that only asked it */
	uint32_t silences; /* ...before the present that it left unanswered */
	bool heard;        /* an Ack told us something */
	bool responded;    /* to the last round that asked it */
	bool complete;
	bool emcon;   /* flagged as silent: it is not waited for */
	bool ntnu;    /* speaks the dialect of libjpmul */
	bool named;   /* in the present round */
	bool blind;   /* the present round sends everything, for this one */
	bool served;  /* ...sends what it lacks, not only asks */
	bool suspect; /* it has asked for that again, or before */
	bool clear;   /* its response can be to no other round */
};

struct pmul_tx {
	struct pmul_table_node node;    /* our Source_ID, Message_ID */
	struct pmul_heap_node timer;    /* ACK_RE-TRANSMISSION */
	struct pmul_heap_node silence;  /* EMCON_RTI */
	struct pmul_heap_node expiring; /* Expiry_Time; OVER: when to forget */
	struct pmul_heap_node sending;  /* READY, SENDING, CLOSING;
					 * OVER: an answer is due */
	struct pmul_claim *claim; /* to a dynamic group; NULL: none needed,
				   * or the message has ended */
	TAILQ_ENTRY(pmul_tx) dirty_link;
	TAILQ_ENTRY(pmul_tx) link; /* OVER */
	enum pmul_tx_phase phase;
	uint8_t priority;
	bool discarded; /* ended by a Discard_Message_PDU */
	bool reported;  /* DONE was, or must not be */
	bool resumed;   /* begun in an earlier life, and not yet in this */
	bool ntnu;      /* a destination speaks that dialect */
	bool fixed;     /* the group is a static one */
	bool dirty;     /* in tx_dirty */
	uint32_t group; /* dynamic: 0 until it is announced */
	uint32_t expiry;
	uint8_t *data;
	size_t len;
	size_t fragment; /* octets in each Data_PDU but the last */
	uint32_t total;
	uint32_t sent; /* fragments 1..sent went out at least once */

	struct pmul_tx_dest *dests; /* ascending by id */
	uint32_t *open;             /* indices of the incomplete, and of those
				     * that became complete in this round */
	uint32_t ndests, nopen;
	uint32_t incomplete; /* destinations */
	uint32_t silent;     /* ...of these: in EMCON */
	uint32_t waiting;    /* ...of the others: have not responded */

	unsigned due;           /* rounds */
	uint32_t rounds;        /* begun; 1 is the first pass */
	uint32_t silents;       /* ...of these: for those in EMCON */
	uint64_t stretch_pct;   /* ACK_RE-TRANSMISSION backed off so far */
	uint64_t began_us;      /* the last round for those that answer */
	uint64_t ended_us;      /* ...its last PDU left the air */
	uint64_t mute_until_us; /* OVER: rate limit of answers */

	/* The present round. */
	enum pmul_tx_kind kind;
	bool whole;         /* the first pass: everything, for whomever */
	bool unconfirmed;   /* somebody has completed since it began */
	bool needy;         /* somebody has asked for numbers since it began */
	bool asks;          /* it has to end with an Extra_Address_PDU set */
	bool extra;         /* ...which has begun */
	uint32_t addressed; /* of the set: entries of open looked at */
	uint32_t naming;    /* of the set: destinations to come */
	uint32_t blind;     /* destinations that everything is for */
	uint32_t cursor;    /* last Data_PDU sent */
	struct pmul_seqset wanted; /* to be sent, when nobody is blind */
};

int pmul_tx_submit(struct pmul_engine *e, const struct pmul_submit *s);
int pmul_tx_cancel(struct pmul_engine *e, uint32_t msid);
struct pmul_tx *pmul_tx_find(const struct pmul_engine *e, uint32_t msid);

/* What has changed since it was asked for last: a message, or NULL. */
struct pmul_tx *pmul_tx_next_dirty(struct pmul_engine *e);

/* An Ack_PDU arrived.  PMUL_ENOMEM: nothing of it was taken. */
int pmul_tx_ack(struct pmul_engine *e, const struct pmul_pdu *pdu);

/* The PDU that is due; then, once the pacer knows of it, what follows. */
size_t pmul_tx_put(struct pmul_engine *e, struct pmul_tx *tx,
    struct pmul_where *where, void *buf, size_t cap);
void pmul_tx_settle(struct pmul_engine *e, struct pmul_tx *tx);

/* --- between tx.c, tx_round.c, tx_put.c and tx_ack.c ------------------- */

/* The first PDU of a round is asked for. */
void pmul_tx_begin_round(struct pmul_engine *e, struct pmul_tx *tx);

/* The Data_PDU to send next in this round, or 0. */
uint32_t pmul_tx_next_seq(const struct pmul_tx *tx);

/* The data is out: the round ends with its Extra_Address_PDU set. */
void pmul_tx_begin_extra(struct pmul_tx *tx);

/* It is not in tx_dirty any more. */
void pmul_tx_clean(struct pmul_engine *e, struct pmul_tx *tx);

/* Destinations that one Address_PDU can name. */
size_t pmul_tx_names_max(const struct pmul_engine *e);

/* The destination with that id, or NULL. */
struct pmul_tx_dest *pmul_tx_dest(const struct pmul_tx *tx, uint32_t id);

/* Its response to the present round is not waited for any more. */
void pmul_tx_respond(
    struct pmul_engine *e, struct pmul_tx *tx, struct pmul_tx_dest *d);

/* It was silent; now it is waited for. */
void pmul_tx_unsilence(struct pmul_tx *tx, struct pmul_tx_dest *d);

/* Nothing but an Ack-Ack or a Discard remains to be sent, if that. */
void pmul_tx_close(struct pmul_engine *e, struct pmul_tx *tx, bool discarded);

/* The last PDU has gone out, or an answer to a late Ack. */
void pmul_tx_over(struct pmul_engine *e, struct pmul_tx *tx);

/* The message is over: answer a late Ack, at a bounded rate. */
void pmul_tx_answer(struct pmul_engine *e, struct pmul_tx *tx);

/* Its timer, or its expiry, is due. */
void pmul_tx_timer(struct pmul_engine *e, struct pmul_tx *tx);
void pmul_tx_silence(struct pmul_engine *e, struct pmul_tx *tx);
void pmul_tx_expire(struct pmul_engine *e, struct pmul_tx *tx);

/*
 * n is what is known about a node from now on, in all messages in flight; ask
 * it at once if it was silent and is not.  The only thing that looks at all
 * messages: management does this, and a silent node's first Ack.
 */
void pmul_tx_node_changed(
    struct pmul_engine *e, const struct pmul_node *n, bool ask);

void pmul_tx_event(struct pmul_engine *e, const struct pmul_tx *tx,
    enum pmul_event_type type, uint32_t peer);
void pmul_tx_free(struct pmul_engine *e, struct pmul_tx *tx);

#endif

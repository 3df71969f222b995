/*
 * libpmul: reliable multicast by P_MUL (ACP 142), without sockets and without
 * a clock.
 *
 * One engine serves one radio link.  The caller owns the network and the time
 * and drives the engine with four calls:
 *	pmul_engine_input()      a datagram arrived
 *	pmul_engine_tick()       the deadline passed
 *	pmul_engine_next_pdu()   anything to send?       (repeat until false)
 *	pmul_engine_next_event() what happened?          (repeat until false)
 * and then sleeps until pmul_engine_deadline().  The engine never calls back
 * into the caller, so there is no re-entrancy to reason about, and the same
 * code runs under libuv, under the simulator in pmul/test/ and under a fuzzer.
 *
 * Every call that takes a struct pmul_clock may make events and PDUs available
 * and may change the deadline; so after each of them drain both, then look at
 * the deadline.  Time never runs backwards for the engine: a monotonic time
 * earlier than one it has seen counts as that one.
 *
 * The engine knows no transport addresses.  A struct pmul_addr is a value the
 * caller makes from a socket address and gets back when an Ack_PDU is due; a
 * group is its IPv4 multicast address, because an Announce_PDU carries it.
 *
 * Memory: the engine copies what it is given and owns what it hands out.
 * Everything that a peer can make grow is limited in struct pmul_config.
 */
#ifndef MULETEER_PMUL_H
#define MULETEER_PMUL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PMUL_NODISCARD __attribute__((warn_unused_result))

enum pmul_err {
	PMUL_OK = 0,
	PMUL_ENOMEM = -1001,       /* allocator said no; engine unchanged */
	PMUL_EMALFORMED = -1002,   /* not a P_MUL PDU; dropped and counted */
	PMUL_ETOOBIG = -1003,      /* over a configured limit */
	PMUL_EBUSY = -1004,        /* too many messages in flight; try later */
	PMUL_EINVAL = -1005,       /* the caller's parameters make no sense */
	PMUL_ECHECKSUM = -1006,    /* neither checksum of ACP 142 fits */
	PMUL_EOWN = -1007,         /* our own Source_ID: multicast loop */
	PMUL_ETYPE = -1008,        /* a PDU type this edition does not know */
	PMUL_EEXPIRED = -1009,     /* Expiry_Time has passed */
	PMUL_EUNSUPPORTED = -1010, /* understood, but we do not do it (FEC) */
	PMUL_EEXIST = -1011,       /* that Message_ID is already in use */
	PMUL_ENOTFOUND = -1012,    /* no such message */
};

/* English for an error code above; a static string, never NULL. */
const char *pmul_strerror(int err);

/* --- time ------------------------------------------------------------- */

/* Microseconds from an arbitrary origin: timers. */
struct pmul_mono {
	uint64_t us;
};

/* Seconds since 1970-01-01 UTC: Expiry_Time, and whatever goes to disk. */
struct pmul_wall {
	int64_t s;
};

struct pmul_clock {
	struct pmul_mono mono;
	struct pmul_wall wall;
};

#define PMUL_MONO_NEVER ((struct pmul_mono){ UINT64_MAX })

/* --- configuration ---------------------------------------------------- */

/* The most Data_PDUs a message can have: Total_Number_of_PDUs is 16 bits. */
#define PMUL_FRAGMENTS_MAX 65535
/* UDP over IPv4 carries no more than this. */
#define PMUL_PDU_MAX 65507
/* Octets in front of the fragment in a Data_PDU. */
#define PMUL_DATA_HEADER 16

/*
 * 142(A): which rounds end with an Extra_Address_PDU, so that who has lost the
 * end can answer at once.  After a clean first pass it is wasted; after a bad
 * one, a poll does the same a little later.
 */
enum pmul_extra {
	PMUL_EXTRA_NEVER, /* and no polls: the book of 2001 */
	PMUL_EXTRA_ALWAYS,
	PMUL_EXTRA_REPEATS, /* all but the first pass */
};

/* Parameters of reference "P_MUL, section 4", names as there. */
struct pmul_config {
	uint32_t node_id; /* our Source_ID / Destination_ID; not 0 */
	uint64_t seed;    /* of the generator behind every random delay */

	uint32_t bit_rate; /* of the link, bit/s; 0: no pacing */
	uint16_t
	    overhead_bytes; /* layers below, per datagram: 28 for UDP/IPv4 */
	uint16_t pdu_max;   /* PDU_MAX_SIZE, header included: 64..65507 */
	bool half_duplex;   /* Acks and data share the channel */

	uint64_t ack_retx_us;       /* ACK_RE-TRANSMISSION_TIME, from the end of
				     * the last PDU of a round */
	uint64_t ack_retx_min_us;   /* measured round trips move it, but not
				     * below this (142(A): the sender adapts).
				     * 0: it stays as configured */
	uint64_t turnaround_us;     /* half duplex: from hearing to sending */
	uint32_t backoff_pct;       /* BACK-OFF_FACTOR per round: 150 is 1.5 */
	uint32_t backoff_limit_pct; /* the interval grows to at most this much
				     * of ack_retx_us: 1000 is 10 times */
	uint64_t ack_delay_us;      /* ACK_DELAY_UPPER_BOUND */
	uint64_t ack_pdu_us;        /* ACK_PDU_TIME: repeat an unanswered Ack */
	uint32_t emcon_rtc;         /* EMCON_RTC: repetitions to silent nodes */
	uint64_t emcon_rti_us;      /* EMCON_RTI: from the end of one to the
				     * next */
	uint32_t ack_pdu_repeats;   /* ...at most so often; 0: never */
	uint16_t mm; /* MM: most missing numbers in one entry, and
				     * trigger T3 */
	uint64_t undefined_expiry_us; /* UNDEFINED_PDU_EXPIRY_TIME */
	uint32_t skew_s;         /* other clocks may differ from ours by this
				       * much before we call a message expired */
	uint64_t rx_lifetime_us; /* a node without a clock: an incoming message
				  * lives so long from when it was first heard,
				  * whatever its Expiry_Time.  0: by the clock */
	bool ranges;    /* 142(A): write missing ranges as first, 0, last */
	bool timestamp; /* 142(A): put the time since the Address_PDU in Acks;
			 * of several messages, that of the one listed first */
	enum pmul_extra extra_address;
	uint32_t polls; /* so often are silent destinations asked, with an
			 * Extra_Address_PDU alone, before everything is
			 * repeated to them */

	/* Dynamic groups, ACP 142 3.8. */
	uint32_t pool_first, pool_last; /* groups to choose from, inclusive;
					 * IPv4 in host order; 0: none */
	uint64_t wait_for_reject_us;    /* WAIT_FOR_REJECT_TIME */
	uint64_t announce_delay_us;     /* ANNOUNCE_DELAY */
	uint32_t announce_ct;           /* ANNOUNCE_CT: at least 1 */

	/* Limits. */
	uint32_t tx_messages_max;  /* outgoing messages in flight */
	uint64_t tx_bytes_max;     /* ...and their octets */
	uint32_t destinations_max; /* destinations of one message */
	uint32_t message_max;      /* octets of one message, either way */
	uint32_t rx_messages_max;  /* incoming messages being gathered; one of
				    * which nothing is heard for twice the
				    * longest back-off makes room for a new
				    * one, here and below: LOST */
	uint64_t rx_bytes_max;     /* ...and their octets, held data included */
	uint32_t held_messages_max; /* incoming messages whose Address_PDU has
				     * not been seen; part of rx_messages_max.
				     * One source may have half of them; all
				     * of them may have half of rx_bytes_max,
				     * one source a quarter */
	uint32_t tombstones_max;    /* finished incoming messages remembered;
				     * as many again that were lost or not for
				     * us, and as many outgoing ones */
	uint32_t nodes_max;  /* nodes that pmul_engine_set_node() knows */
	uint32_t groups_max; /* incoming messages on dynamic groups that are
			      * joined at a time; as many again that are
			      * known to be used by others */
	uint32_t events_max; /* events not yet fetched before input and
				     * submit answer PMUL_EBUSY */
};

/*
 * Fill in the values for a fast, full duplex local network; the caller then
 * sets node_id, seed and what its link asks for.
 */
void pmul_config_default(struct pmul_config *cfg);

/*
 * 0 if an engine can run with cfg, else PMUL_EINVAL and, in *ret_what, the
 * name of the first member that is out of range (a static string).
 */
int pmul_config_check(const struct pmul_config *cfg, const char **ret_what);

/* --- addresses -------------------------------------------------------- */

/* A transport address, opaque to the engine; all zero means "none". */
struct pmul_addr {
	uint8_t b[20];
};

/* The UDP ports of annex B, by role; the caller maps them to numbers. */
enum pmul_port {
	PMUL_TPORT, /* Request, Release, Reject */
	PMUL_RPORT, /* Announce */
	PMUL_DPORT, /* Address, Data, Discard */
	PMUL_APORT, /* Ack */
};

/* GG, where Request, Release and Announce go; the caller knows its address. */
#define PMUL_GROUP_ALL 0

/* Where a PDU goes. */
struct pmul_where {
	enum pmul_port port;
	bool multicast;
	uint32_t group;      /* multicast: IPv4 address in host order, as given
			      * to submit(), or chosen from the pool;
			      * PMUL_GROUP_ALL: the group GG of all nodes */
	uint32_t node;       /* unicast: Source_ID of the node it is for */
	struct pmul_addr to; /* unicast: where that node was last heard */
};

/* --- the engine ------------------------------------------------------- */

struct pmul_engine;

/*
 * A new engine in *ret_e; *cfg is copied.
 * PMUL_EINVAL (see pmul_config_check) or PMUL_ENOMEM.
 */
int pmul_engine_new(
    const struct pmul_config *cfg, struct pmul_engine **ret_e) PMUL_NODISCARD;

/* Frees *e with everything in it, and sets *e to NULL.  NULL is fine. */
void pmul_engine_free(struct pmul_engine **e);

/* --- what is known of nodes --------------------------------------------- */

/*
 * Our own EMCON.  While it is on, pmul_engine_next_pdu() has nothing, for
 * anybody; messages are received and reported as ever, ours wait or expire.
 * When it ends, the Acks owed leave after their random delay, those for one
 * transmitter together (ACP 142 3.7).
 */
void pmul_engine_set_emcon(
    struct pmul_engine *e, struct pmul_clock now, bool on);
bool pmul_engine_emcon(const struct pmul_engine *e);

/* What management knows about another node; all false is as if unknown. */
struct pmul_node {
	uint32_t id;
	/*
	 * In EMCON: messages to it are repeated emcon_rtc times, emcon_rti_us
	 * apart, then it is left alone until it acknowledges or the message
	 * expires.  An Ack from it ends the flag: PMUL_EV_EMCON_LEFT.
	 */
	bool emcon;
	/*
	 * Speaks the dialect of NTNU's libjpmul (reference 5.1 to 5.7): its
	 * Acks name itself as the originator, and ours to it say everything
	 * twice, in plain lists of at most 122 numbers; a static group with
	 * such a node gets no Discard_Message_PDU, and its lists of
	 * destinations stay in one Address_PDU.
	 */
	bool ntnu;
};

/*
 * Set what is known about n->id, also for messages in flight.
 * PMUL_EINVAL (id 0 or ours), PMUL_EBUSY (nodes_max), PMUL_ENOMEM.
 */
int pmul_engine_set_node(struct pmul_engine *e, struct pmul_clock now,
    const struct pmul_node *n) PMUL_NODISCARD;

/* What is known about id; all false if nothing is. */
struct pmul_node pmul_engine_node(const struct pmul_engine *e, uint32_t id);

/* One destination of an outgoing message. */
struct pmul_dest {
	uint32_t id;  /* Destination_ID */
	uint32_t seq; /* Message_Sequence_Number of the (source, destination)
		       * pair: the caller counts, so that it survives a restart */
};

struct pmul_submit {
	uint32_t msid;    /* Message_ID, from the caller: never used before by
			   * this node, or a transmission resumed after a restart */
	uint8_t priority; /* 0 is the most urgent */
	struct pmul_wall expiry;
	uint32_t group;                /* the static group to send to, an IPv4
					* address in host order; 0: a dynamic
					* one from the pool */
	const struct pmul_dest *dests; /* no ID twice; any order */
	size_t ndests;
	const void *data; /* copied */
	size_t len;       /* at least 1 */
	/*
	 * Resumed after a restart: as struct pmul_tx_saved had it.  rounds > 0
	 * means that the destinations may have it all: they are asked, not
	 * told again.
	 */
	uint32_t rounds, emcon_rounds;
};

/*
 * Start sending a message.  The destinations are sorted here.
 * PMUL_EINVAL (no destination, one twice, ourselves among them, no data, an
 * expiry that does not fit the 32 bits of Expiry_Time, a dynamic group without
 * a pool),
 * PMUL_ETOOBIG (message_max, destinations_max, more than 65535 fragments, a
 * list with a node of NTNU's that does not fit one Address_PDU),
 * PMUL_EBUSY (tx_messages_max, tx_bytes_max, twice tx_messages_max dynamic
 * groups that are not released), PMUL_EEXIST, PMUL_EEXPIRED,
 * PMUL_ENOMEM; the engine is then as before.
 */
int pmul_engine_submit(struct pmul_engine *e, struct pmul_clock now,
    const struct pmul_submit *s) PMUL_NODISCARD;

/*
 * Stop sending: a Discard_Message_PDU goes out if anything of the message has,
 * and no further event names it.  PMUL_ENOTFOUND.
 */
int pmul_engine_cancel(
    struct pmul_engine *e, struct pmul_clock now, uint32_t msid);

/*
 * A datagram arrived; from is where an Ack to its sender would go.
 * Anything wrong with it is returned, counted, and leaves no other trace but
 * that a message for FEC (PMUL_EUNSUPPORTED) is remembered as not for us:
 * PMUL_EMALFORMED, PMUL_ECHECKSUM, PMUL_EOWN, PMUL_ETYPE, PMUL_ETOOBIG,
 * PMUL_EBUSY, PMUL_EEXPIRED, PMUL_EUNSUPPORTED, PMUL_ENOMEM.
 */
int pmul_engine_input(struct pmul_engine *e, struct pmul_clock now,
    const struct pmul_addr *from, const void *buf, size_t len);

/* Run whatever is due at now.  Calling it early or often does no harm. */
void pmul_engine_tick(struct pmul_engine *e, struct pmul_clock now);

/*
 * The next PDU that may leave at now, into buf of cap >= pdu_max octets, its
 * length in *ret_len and its way in *where; false if none may.  Acks and
 * Rejects come before data, then the lower priority octet, then the older message.  A PDU
 * handed out counts as sent: a lost datagram is what the protocol is for.
 */
bool pmul_engine_next_pdu(struct pmul_engine *e, struct pmul_clock now,
    struct pmul_where *where, void *buf, size_t cap, size_t *ret_len);

/* When the engine wants pmul_engine_tick() or pmul_engine_next_pdu() next. */
struct pmul_mono pmul_engine_deadline(const struct pmul_engine *e);

/* --- events ----------------------------------------------------------- */

enum pmul_event_type {
	/*
	 * A message for us is complete: source, id, priority, expiry, data,
	 * len.  data stays valid, and the complete Ack is held back, until
	 * pmul_engine_stored().  Comes once for a (Source_ID, Message_ID).
	 */
	PMUL_EV_RECEIVED,
	/* peer acknowledged our message id completely. */
	PMUL_EV_ACKED,
	/* Our message id expired and peer had not acknowledged it. */
	PMUL_EV_GAVE_UP,
	/*
	 * Nothing more will be sent of our message id, nor reported; comes
	 * last, after ACKED or GAVE_UP for each destination.
	 */
	PMUL_EV_DONE,
	/*
	 * An incoming message that named us was lost: expired or discarded, or
	 * silent for long when there was no room.
	 */
	PMUL_EV_LOST,
	/* peer was flagged as in EMCON and has acknowledged something; id is 0. */
	PMUL_EV_EMCON_LEFT,
	/*
	 * Listen to the dynamic group `group` from now on, or no longer; peer
	 * and id are the message it carries.  JOIN comes again at the end of
	 * our EMCON, in which the caller may have been unable to join.
	 */
	PMUL_EV_JOIN,
	PMUL_EV_LEAVE,
};

struct pmul_event {
	enum pmul_event_type type;
	uint32_t peer; /* Source_ID of the sender, or the destination */
	uint32_t id;   /* Message_ID */
	uint8_t priority;
	uint32_t seq;   /* RECEIVED: Message_Sequence_Number, for a log only */
	uint32_t group; /* JOIN, LEAVE */
	struct pmul_addr from; /* RECEIVED: where its sender was last heard */
	struct pmul_wall expiry;
	const uint8_t *data;
	size_t len;
};

/* The oldest event not yet fetched; false if there is none. */
bool pmul_engine_next_event(struct pmul_engine *e, struct pmul_event *ret_ev);

/*
 * The received message (source, id) is on stable storage, together with its
 * tombstone: the complete Ack may leave, and ev.data is no longer valid.
 * PMUL_ENOTFOUND if there is no such message waiting, or its event has not been
 * fetched yet.
 */
int pmul_engine_stored(
    struct pmul_engine *e, struct pmul_clock now, uint32_t source, uint32_t id);

/*
 * For who repeats what a node did: true if the Ack owed to source waits for
 * its random delay, which then ends at `at` if that is not NULL.
 */
bool pmul_engine_ack_delay(
    struct pmul_engine *e, uint32_t source, const struct pmul_mono *at);

/* --- surviving a restart ------------------------------------------------ */

/*
 * What has changed since it was last handed out, in no particular order; the
 * caller writes it down now and then, and gives it back after a restart.  Each
 * is handed out once: false when nothing has changed since.  Nothing is handed
 * out of a message that has ended: ACKED, DONE, RECEIVED and LOST say so.
 */

/* An outgoing message: it goes back with pmul_engine_submit(). */
struct pmul_tx_saved {
	uint32_t msid;
	uint32_t rounds;       /* begun, the first pass included */
	uint32_t emcon_rounds; /* ...of these: repetitions to silent nodes */
};

bool pmul_engine_next_tx_saved(
    struct pmul_engine *e, struct pmul_tx_saved *ret_s);

/*
 * An incoming message that is for us and incomplete.  records are the
 * fragments that came since the last time, in a form of the engine's own; what
 * was handed out at different times can be given back in any order, in one
 * piece or in several, some missing.  Valid until the next call to the engine.
 */
struct pmul_rx_saved {
	uint32_t source, id;
	uint8_t priority;
	uint32_t seq, total; /* total 0: not yet certain */
	struct pmul_wall expiry;
	struct pmul_addr from;
	const uint8_t *records;
	size_t len;
};

bool pmul_engine_next_rx_saved(
    struct pmul_engine *e, struct pmul_rx_saved *ret_s);

/*
 * Go on with an incoming message, or add more records to one restored before.
 * PMUL_EMALFORMED (not such records; nothing of them was taken), PMUL_EEXPIRED,
 * PMUL_EEXIST (received before), PMUL_EBUSY, PMUL_ETOOBIG, PMUL_ENOMEM.
 */
int pmul_engine_restore_rx(struct pmul_engine *e, struct pmul_clock now,
    const struct pmul_rx_saved *s) PMUL_NODISCARD;

/* A message that was received and stored. */
struct pmul_tombstone {
	uint32_t source, id;
	uint8_t priority;
	struct pmul_wall expiry;
	struct pmul_addr from;
	bool owed; /* its Ack never left: it does now, after its random
		    * delay, or when EMCON ends */
};

/*
 * Remember at start-up that a message was received before: a retransmission
 * is acknowledged and not delivered again.  The oldest go when tombstones_max
 * is reached.  PMUL_ENOMEM.
 */
int pmul_engine_restore_tombstone(struct pmul_engine *e, struct pmul_clock now,
    const struct pmul_tombstone *t) PMUL_NODISCARD;

/* --- looking inside --------------------------------------------------- */

/* Counts since pmul_engine_new(); they only grow. */
struct pmul_counters {
	uint64_t pdus_in, bytes_in;    /* accepted */
	uint64_t pdus_out, bytes_out;  /* without the layers below */
	uint64_t data_out, data_again; /* Data_PDUs, and those sent before */
	uint64_t acks_in, acks_out;
	uint64_t rounds;       /* retransmission rounds begun, polls included */
	uint64_t emcon_rounds; /* ...of these: repetitions to silent nodes */
	uint64_t polls;        /* ...of these: an Extra_Address_PDU alone */
	uint64_t duplicates;   /* Data_PDUs we already had */
	/* Refused, by reason. */
	uint64_t malformed, checksum, own, type, toobig, busy, expired,
	    unsupported, nomem;
	uint64_t not_for_us;  /* PDUs of messages that do not name us */
	uint64_t ack_unknown; /* Ack entries that match nothing we sent */
	/* Dynamic groups: PDUs of ours, and Rejects that we obeyed. */
	uint64_t requests_out, announces_out, releases_out, rejects_out;
	uint64_t rejects_in;
};

void pmul_engine_counters(
    const struct pmul_engine *e, struct pmul_counters *ret_c);

/* What is in flight now. */
struct pmul_gauges {
	uint32_t tx_messages, rx_messages, held_messages, tombstones;
	uint64_t tx_bytes, rx_bytes;
	uint32_t groups_claimed; /* outgoing messages with a dynamic group, or
				  * in need of one, or yet to release it */
	uint32_t groups_joined;  /* incoming ones with one that is joined */
	uint32_t groups_others;  /* messages with one that is not */
};

void pmul_engine_gauges(const struct pmul_engine *e, struct pmul_gauges *ret_g);

/* One destination of an outgoing message, for an operator's eyes. */
struct pmul_tx_progress {
	uint32_t id; /* Destination_ID */
	bool heard;  /* any Ack yet */
	bool emcon;  /* flagged as silent */
	bool complete;
	uint32_t missing; /* numbers its last Ack listed */
};

/*
 * The state of outgoing message msid: the total of Data_PDUs, how many
 * different ones were sent, the retransmission rounds so far, and at most cap
 * destinations in d; returns how many destinations there are, 0 if there is no
 * such message.
 */
size_t pmul_engine_tx_progress(const struct pmul_engine *e, uint32_t msid,
    uint32_t *ret_total, uint32_t *ret_sent, uint32_t *ret_rounds,
    struct pmul_tx_progress *d, size_t cap);

/* One incoming message. */
struct pmul_rx_progress {
	uint32_t source, id;
	uint8_t priority;
	uint32_t total; /* Data_PDUs; 0: not yet known */
	uint32_t have;
	uint64_t bytes;
};

/* At most cap incoming messages into p; returns how many there are. */
size_t pmul_engine_rx_progress(
    const struct pmul_engine *e, struct pmul_rx_progress *p, size_t cap);

#endif

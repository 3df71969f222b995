/*
 * How datagrams reach the radio: the only file that knows UDP sockets.
 *
 * Two bearers behind one interface:
 *	udp       IPv4 multicast on an interface: the real thing
 *	emulated  datagrams wrapped to a mulelink hub on loopback, so that the
 *	          demo, training and most tests need neither root nor a network
 *
 * Where a PDU goes is a struct pmul_where; an address is a struct pmul_addr
 * that only this file reads: an IPv4 address in network order in b[0..3].
 *
 * Silence: in radio silence (EMCON) nothing may leave, neither ours nor the
 * kernel's own IGMP, ARP and ICMP.  A silent bearer refuses to send, and holds
 * a rule on its interface (silence.h) that drops every frame; it receives as
 * always, and joins groups unheard.
 *	- Start in silence by bearer_config.silent, never by opening and then
 *	  silencing: the rule is there before the first group is joined.
 *	- bearer_close() leaves the rule, as a crash does, so that a restart in
 *	  silence is silent at all times.  Opening without silence removes it.
 *	- The rule is the interface's.  When several bearers share one, silence
 *	  wins: the rule stays until the last of them leaves it, and the others
 *	  cannot send meanwhile.  So open the silent ones first.
 * An emulated bearer has no interface to guard; its HELLO to the hub is not
 * the radio.
 */
#ifndef MULETEER_GATEWAY_BEARER_H
#define MULETEER_GATEWAY_BEARER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "pmul/pmul.h"

struct bearer;

/* What is owed when the kernel cannot be kept silent (no CAP_NET_ADMIN). */
enum bearer_guard {
	BEARER_GUARD_REQUIRED,    /* a silent bearer does not open */
	BEARER_GUARD_BEST_EFFORT, /* it opens, and BEARER_QUIET tells */
	BEARER_GUARD_OFF,         /* the kernel is somebody else's business */
};

struct bearer_config {
	bool emulated;
	uint32_t node_id;      /* emulated: our address on the channel */
	const char *interface; /* udp: IPv4 address or interface name */
	const char *hub_host;  /* emulated: where mulelink listens */
	uint16_t hub_port;
	uint8_t ttl;            /* udp: multicast TTL */
	uint16_t ports[4];      /* by enum pmul_port */
	const uint32_t *groups; /* to listen on; IPv4 in host order */
	size_t ngroups;
	/* GG, for Request, Release, Announce; 0: TPORT and RPORT are closed */
	uint32_t all_nodes;
	size_t pdu_max;    /* udp: the send buffer has room for one or two */
	bool silent;       /* begin in silence */
	bool receive_only; /* in silence for ever; implies silent */
	enum bearer_guard guard;
	/*
	 * Or NULL: in silence, what bearer_voice() says has changed by itself,
	 * or the rule was gone and has been set again.
	 */
	void (*voice)(void *ctx);
};

typedef void bearer_recv_cb(
    void *ctx, const struct pmul_addr *from, const void *buf, size_t len);

/* The channel can take datagrams again after bearer_send() said -EAGAIN. */
typedef void bearer_writable_cb(void *ctx);

/*
 * Open the sockets and receive from now on; cfg is not kept.  On an error,
 * a negative errno, nothing is open and errbuf says which step failed.
 */
int bearer_open(uv_loop_t *loop, const struct bearer_config *cfg,
    bearer_recv_cb *recv, bearer_writable_cb *writable, void *ctx, char *errbuf,
    size_t errcap, struct bearer **ret_b);

/*
 * Send one PDU.  -EAGAIN: the socket's buffer or the interface's queue is
 * full, nothing was sent, and writable() will be called; -ENETDOWN: silence;
 * any other negative errno: this datagram is lost, which is what the protocol
 * is for.
 */
int bearer_send(struct bearer *b, const struct pmul_where *where,
    const void *pdu, size_t len);

/*
 * Listen to a dynamic group as well, on DPORT and APORT; 0 when that is so
 * already.  -ENOSPC above BEARER_DYNAMIC_MAX; -ENETDOWN in BEARER_QUIET,
 * where the kernel's report of the group could be heard.
 */
#define BEARER_DYNAMIC_MAX 64
int bearer_join(struct bearer *b, uint32_t group);

/*
 * No longer.  Groups of the configuration stay.  May be called from inside
 * recv(), like bearer_join().
 */
void bearer_leave(struct bearer *b, uint32_t group);

/*
 * Enter or leave silence; again after an error to try again.
 *
 * Entering: when it returns, bearer_send() refuses, whatever the result.  0:
 * the kernel is silent too, and what waited in the interface's queue is gone.
 * An error says why it is not, and is an operator's business (BEARER_QUIET);
 * with BEARER_GUARD_OFF it is not asked, and 0.
 *
 * Leaving: 0: the rule is removed, the groups have been joined anew so that
 * their reports leave now, and bearer_send() works.  -EPERM on a receive-only
 * bearer, which stays silent; -EBUSY: another silent bearer holds the
 * interface, and this one speaks when that one does; anything else: the rule
 * could not be removed (BEARER_MUTED).
 */
int bearer_silence(struct bearer *b, bool on);

enum bearer_voice {
	BEARER_SPEAKS,
	BEARER_SILENT, /* and the kernel with it */
	BEARER_QUIET, /* we send nothing; the kernel's silence is not certain */
	BEARER_MUTED, /* would send, but the interface is held silent */
};

/* ret_why: for QUIET and MUTED a negative errno; QUIET by OFF: 0. */
enum bearer_voice bearer_voice(const struct bearer *b, int *ret_why);

/*
 * The proof: frames that the interface has transmitted since the rule was
 * set, by its own count.  What the driver had already taken may be among
 * them; it must not grow.  -ENODATA when there is no rule.
 */
int bearer_emitted(const struct bearer *b, uint64_t *ret_frames);

/*
 * Could this bearer enter silence, if asked to?  0, or what bearer_silence()
 * would say; for a warning at start-up.  Only while it speaks.
 */
int bearer_silence_try(struct bearer *b);

/*
 * Would silence take more than the radio from this host?  Then why says what;
 * addresses, in host order, are where services of ours listen.
 */
bool bearer_shared(const struct bearer *b, const uint32_t *addresses, size_t n,
    char *why, size_t cap);

struct bearer_counters {
	uint64_t refused;  /* ICMP errors: nobody listens there */
	uint64_t full;     /* the interface's queue had no room */
	uint64_t restored; /* the silence rule was gone and was set again */
};
const struct bearer_counters *bearer_counters(const struct bearer *b);

/* Stop receiving; closed(ctx) when the loop has let go of it.  *b is NULL. */
void bearer_close(struct bearer **b, void (*closed)(void *ctx), void *ctx);

/* The address of the Ack port of a node whose IPv4 address is configured. */
struct pmul_addr bearer_addr(uint32_t ipv4);

#endif

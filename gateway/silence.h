/*
 * Radio silence of the kernel: an interface that transmits nothing at all.
 *
 * A program that keeps quiet is not enough.  The kernel answers for it: IGMP
 * and MLD reports for joined groups, ARP and neighbour discovery, echo
 * replies, port unreachable.  So silence is a rule in the kernel: a filter at
 * the egress of the interface (clsact, in front of every queue) that drops
 * each frame, whoever made it.  Reception does not notice: groups are joined
 * as always, and their reports are among what is dropped.
 *
 * The rule belongs to the interface, not to the process.  It outlives a crash,
 * a stop and a restart, until silence_clear(); that is what makes it fail
 * safe.  It has a handle of its own (SILENCE_HANDLE), so that a later life
 * finds it, and an administrator too: `tc filter show dev rf0 egress`.  He may
 * also set it himself, before muled starts or without giving muled the
 * privilege (SILENCE_TC_FILTER):
 *
 *	tc qdisc add dev rf0 clsact
 *	tc filter add dev rf0 egress prio 1 handle 0x4d554c45 bpf da \
 *	    bytecode '1,6 0 0 2'
 *
 * Changing it takes CAP_NET_ADMIN in the interface's network namespace;
 * looking takes nothing.  All functions return 0 or a negative errno, are
 * synchronous and take milliseconds.
 *
 * Not covered: what the driver has already been given, raw sockets that
 * bypass the queues (PACKET_QDISC_BYPASS), XDP, and other interfaces that
 * reach the same radio.
 */
#ifndef MULETEER_GATEWAY_SILENCE_H
#define MULETEER_GATEWAY_SILENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "MULE" */
#define SILENCE_HANDLE 0x4d554c45U

/*
 * Nothing leaves the interface from now on, and what waited in its queue is
 * thrown away.  0 only when the rule has been read back and no other filter
 * comes before it.  Again changes nothing.  -EPERM without the privilege;
 * -EINVAL for the loopback interface, which reaches no radio; -EBUSY or -EINVAL when another filter comes first; -ENOENT or -EOPNOTSUPP
 * where the kernel lacks clsact or cls_bpf.  After an error the rule may or
 * may not be there.
 */
int silence_set(int ifindex);

/*
 * Remove the rule, our own or one of a former life; 0 when there is none,
 * for which no privilege is needed.
 */
int silence_clear(int ifindex);

/* Is the rule there, and the first to see each frame? */
int silence_get(int ifindex, bool *ret_silent);

/*
 * Would silence_set() work?  Tries it with a filter that does nothing, so
 * that an operator hears of a missing privilege or kernel module at start-up
 * and not at the moment when silence matters.  Not for an interface that is
 * silent already.
 */
int silence_try(int ifindex);

/*
 * A descriptor that becomes readable when interfaces or filters change, so
 * that a rule which somebody else removed can be set again; a negative errno
 * without netlink.  Read it empty, then ask silence_get().
 */
int silence_watch_open(void);
void silence_watch_empty(int fd);

/*
 * The rule silences everything on the interface, so the radio should have it
 * for itself.  addresses, n of them in host order, are where services of ours
 * listen (not 0.0.0.0); why says in words what was found.
 */
enum silence_shared {
	SILENCE_DEDICATED,    /* nothing speaks against it */
	SILENCE_DOUBTFUL,     /* the default route; a bridge, bond or VLAN */
	SILENCE_CUTS_SERVICE, /* a service of ours listens there */
};
enum silence_shared silence_shared(const char *ifname,
    const uint32_t *addresses, size_t n, char *why, size_t cap);

/* Frames that the interface has transmitted since it exists. */
int silence_count(int ifindex, uint64_t *ret_frames);

#endif

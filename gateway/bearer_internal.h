/*
 * What the files of the bearer share; everyone else reads bearer.h.
 *
 *	bearer.c         life, receiving, sending, the emulated bearer
 *	bearer_udp.c     the sockets of real multicast, and their groups
 *	bearer_silence.c who may speak on an interface
 */
#ifndef MULETEER_GATEWAY_BEARER_INTERNAL_H
#define MULETEER_GATEWAY_BEARER_INTERNAL_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "gateway/bearer.h"

#define BEARER_DATAGRAM_MAX 65536

struct bearer_sock {
	LIST_ENTRY(bearer_sock) next;
	uv_poll_t poll;
	struct bearer *bearer;
	struct in_addr addr;
	int fd;
	enum pmul_port role;
	bool dynamic; /* by bearer_join() */
	bool leaving; /* when leaving makes no sound */
};

LIST_HEAD(bearer_socks, bearer_sock);

struct bearer {
	LIST_ENTRY(bearer) next; /* udp: in bearers */
	uv_loop_t *loop;
	bearer_recv_cb *recv;
	bearer_writable_cb *writable;
	void *ctx;
	bool emulated;
	uint32_t node_id;
	uint32_t all_nodes;
	uint16_t ports[4];
	struct in_addr local; /* udp: the interface's address */
	int ifindex;
	char ifname[IF_NAMESIZE];
	struct bearer_socks socks;
	size_t ndynamic; /* groups */
	struct bearer_sock *sender;
	bool waiting;  /* for the sender to become writable */
	unsigned full; /* times in a row that the queue was full */
	enum bearer_guard guard;
	bool silent, receive_only;
	bool held;       /* silent: the rule is there */
	bool lost;       /* it was held, and has to be set again */
	uint64_t frames; /* held: that the interface had transmitted */
	int why;         /* silent: it is not; else: it is still there */
	void (*voice)(void *ctx);
	uv_poll_t rules; /* wakes when somebody touches the rule */
	int rules_fd;    /* -1: not open */
	struct bearer_counters counters;
	uv_timer_t timer; /* emulated: HELLO; udp: the queue was full */
	size_t handles;   /* not yet closed */
	void (*closed)(void *ctx);
	void *closed_ctx;
	uint8_t buf[BEARER_DATAGRAM_MAX];
};

/* The udp bearers of this process, because interfaces are shared. */
LIST_HEAD(bearer_list, bearer);
extern struct bearer_list bearers;

/* Say in errbuf what failed on what and why; rc, a negative errno, is ours. */
int bearer_fail(
    int rc, char *errbuf, size_t errcap, const char *what, const char *arg);

/* A socket without address, in b->socks; on an error nothing is left. */
int bearer_sock_new(struct bearer *b, struct bearer_sock **ret_s);

/* Take it out of b->socks; the loop frees it. */
void bearer_sock_close(struct bearer_sock *s);

/* Receive on it from now on. */
void bearer_watch(struct bearer_sock *s, bool also_writable);

/* Fetch what IP_RECVERR collected; POLLERR stands until then. */
void bearer_fetch_errors(struct bearer *b);

/* Find the interface, settle its silence, open every socket. */
int bearer_udp_open(struct bearer *b, const struct bearer_config *cfg,
    char *errbuf, size_t errcap);

/* The kernel may have dropped every report of our groups: report again. */
int bearer_udp_join_anew(struct bearer *b);

/* Set or remove the rule, before the first socket is open. */
int bearer_settle(struct bearer *b);

/* Stop watching the rule; the rule stays. */
void bearer_unwatch_rule(struct bearer *b);

/* A handle of b has closed; frees b after the last. */
void bearer_handle_closed(struct bearer *b);

/* Does this or another silent bearer hold b's interface? */
bool bearer_held_silent(const struct bearer *b);

#endif

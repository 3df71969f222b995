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
 */
#ifndef MULETEER_GATEWAY_BEARER_H
#define MULETEER_GATEWAY_BEARER_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "pmul/pmul.h"

struct bearer;

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
 * Send one PDU.  -EAGAIN: the socket's buffer is full, nothing was sent, and
 * writable() will be called; any other negative errno: this datagram is lost,
 * which is what the protocol is for.
 */
int bearer_send(struct bearer *b, const struct pmul_where *where,
    const void *pdu, size_t len);

/* Stop receiving; closed(ctx) when the loop has let go of it.  *b is NULL. */
void bearer_close(struct bearer **b, void (*closed)(void *ctx), void *ctx);

/* The address of the Ack port of a node whose IPv4 address is configured. */
struct pmul_addr bearer_addr(uint32_t ipv4);

#endif

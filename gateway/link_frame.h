/*
 * How the emulated bearer wraps a datagram for mulelink, the radio emulator.
 *
 * Node and hub exchange UDP datagrams on loopback, each with this header in
 * front, big-endian:
 *
 *	 0  4  "MLNK"
 *	 4  1  version, 1
 *	 5  1  type: HELLO, DATA, BYE
 *	 6  2  zero
 *	 8  4  source IPv4 address, emulated
 *	12  2  source UDP port
 *	14  2  destination UDP port
 *	16  4  destination IPv4 address
 *	20     payload
 *
 * HELLO tells the hub which emulated address is behind a socket, and is
 * repeated every few seconds; the hub answers with HELLO.  DATA to a multicast
 * address reaches every other node, to another address only that node.
 */
#ifndef MULETEER_GATEWAY_LINK_FRAME_H
#define MULETEER_GATEWAY_LINK_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LINK_FRAME_HEADER 20
#define LINK_FRAME_VERSION 1

enum link_frame_type {
	LINK_FRAME_HELLO = 1,
	LINK_FRAME_DATA = 2,
	LINK_FRAME_BYE = 3,
};

struct link_frame {
	enum link_frame_type type;
	uint32_t src_ip, dst_ip; /* host order */
	uint16_t src_port, dst_port;
};

static inline void
link_frame_put(uint8_t *p, uint32_t v, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		p[i] = (uint8_t)(v >> 8 * (octets - 1 - i));
}

static inline uint32_t
link_frame_get(const uint8_t *p, unsigned octets)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < octets; i++)
		v = v << 8 | p[i];
	return v;
}

static inline void
link_frame_encode(uint8_t buf[LINK_FRAME_HEADER], const struct link_frame *f)
{
	memcpy(buf, "MLNK", 4);
	buf[4] = LINK_FRAME_VERSION;
	buf[5] = (uint8_t)f->type;
	buf[6] = buf[7] = 0;
	link_frame_put(buf + 8, f->src_ip, 4);
	link_frame_put(buf + 12, f->src_port, 2);
	link_frame_put(buf + 14, f->dst_port, 2);
	link_frame_put(buf + 16, f->dst_ip, 4);
}

/* False: not such a frame. */
static inline bool
link_frame_decode(const uint8_t *buf, size_t len, struct link_frame *ret_f)
{
	if (len < LINK_FRAME_HEADER || memcmp(buf, "MLNK", 4) != 0 ||
	    buf[4] != LINK_FRAME_VERSION || buf[5] < LINK_FRAME_HELLO ||
	    buf[5] > LINK_FRAME_BYE)
		return false;
	ret_f->type = (enum link_frame_type)buf[5];
	ret_f->src_ip = link_frame_get(buf + 8, 4);
	ret_f->src_port = (uint16_t)link_frame_get(buf + 12, 2);
	ret_f->dst_port = (uint16_t)link_frame_get(buf + 14, 2);
	ret_f->dst_ip = link_frame_get(buf + 16, 4);
	return true;
}

#endif

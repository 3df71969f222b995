/*
 * From captured frames to UDP datagrams: link layers, VLAN tags, IPv4 and
 * IPv6, fragments.
 *
 * A reader knows one link type and holds the fragments of datagrams that are
 * not complete yet: at most CAP_FRAGMENTED_MAX datagrams, none for longer than
 * CAP_FRAGMENT_US of the capture's time; the oldest makes room.  It reads
 * neither files nor clocks; the caller feeds it one frame after the other.
 */
#ifndef MULETEER_TOOLS_CAP_READ_H
#define MULETEER_TOOLS_CAP_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Datagrams being put together at a time, of up to 64 KiB each. */
#define CAP_FRAGMENTED_MAX 64
/* RFC 791 and 8200: what is not complete after 60 s never will be. */
#define CAP_FRAGMENT_US 60000000

struct cap_frame {
	uint64_t number;  /* of the frame in the capture, from 1 */
	uint64_t time_us; /* since 1970 */
	const uint8_t *data;
	size_t len;      /* octets captured */
	size_t wire_len; /* octets there were */
};

struct cap_endpoint {
	uint8_t addr[16]; /* IPv4 in the first four */
	uint16_t port;
};

struct cap_datagram {
	uint64_t frame; /* of a fragmented one: the frame that completed it */
	uint64_t time_us;
	bool v6;
	struct cap_endpoint from, to;
	uint32_t ip_len; /* octets with UDP and IP headers, all fragments */
	const uint8_t *data;
	size_t len;
};

enum cap_result {
	CAP_DATAGRAM, /* there it is */
	CAP_OTHER,    /* something that is not UDP */
	CAP_HELD,     /* a fragment; more must come */
	CAP_CUT,      /* captured with too small a snapshot length */
	CAP_BAD,      /* headers that contradict themselves */
};

struct cap_reader;

/* Whether frames of this libpcap DLT_ can be read. */
bool cap_link_known(int dlt);

/* false: out of memory. */
bool cap_reader_new(int dlt, struct cap_reader **ret_r);
void cap_reader_free(struct cap_reader **r);

/*
 * Take a frame.  *ret_d is set for CAP_DATAGRAM only; its data is valid until
 * the next call and as long as the frame.
 */
enum cap_result cap_reader_frame(struct cap_reader *r,
    const struct cap_frame *f, struct cap_datagram *ret_d);

#endif

#include "tools/cap_read.h"

#include <assert.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#define ETHERTYPE_4 0x0800
#define ETHERTYPE_6 0x86dd
/* LINKTYPE_ values, which files carry, that differ from DLT_ here. */
#define LINK_RAW_BSD 14
#define LINK_RAW_FILE 101
#define PROTO_FRAGMENT 44
#define PROTO_UDP 17
#define IP_MAX 65535
/* Headers in a row: VLAN tags, IPv6 extensions. */
#define CHAIN_MAX 8

/* What is left of a packet: at points to have octets, of wire that were sent. */
struct cursor {
	const uint8_t *at;
	size_t have, wire;
};

/* What identifies the fragments of one datagram, RFC 791 and 8200. */
struct key {
	uint8_t from[16], to[16];
	uint32_t id;
	bool v6;
};

struct piece {
	struct key key;
	size_t offset, len;
	bool more;
	uint32_t ip_len;
};

struct gathered {
	bool used;
	struct key key;
	uint64_t time_us;
	size_t got, end; /* octets; end 0: the last is not here yet */
	uint32_t ip_len;
	uint8_t have[(IP_MAX + 1) / 8 / 8]; /* a bit for each 8 octets */
	uint8_t *buf;
};

struct cap_reader {
	int dlt;
	struct gathered slot[CAP_FRAGMENTED_MAX];
};

static uint16_t
get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool
skip(struct cursor *c, size_t n)
{
	if (n > c->have)
		return false;
	c->at += n;
	c->have -= n;
	c->wire -= n;
	return true;
}

/* The IP header says how long the packet is; the rest is the link's padding. */
static bool
limit(struct cursor *c, size_t n)
{
	if (n > c->wire)
		return false;
	c->wire = n;
	if (c->have > n)
		c->have = n;
	return true;
}

static bool
is_raw(int dlt)
{
	return dlt == DLT_RAW || dlt == LINK_RAW_BSD || dlt == LINK_RAW_FILE ||
	       dlt == DLT_IPV4 || dlt == DLT_IPV6;
}

bool
cap_link_known(int dlt)
{
	return is_raw(dlt) || dlt == DLT_EN10MB || dlt == DLT_LINUX_SLL ||
	       dlt == DLT_LINUX_SLL2 || dlt == DLT_NULL || dlt == DLT_LOOP;
}

bool
cap_reader_new(int dlt, struct cap_reader **ret_r)
{
	struct cap_reader *r;

	assert(cap_link_known(dlt));
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return false;
	r->dlt = dlt;
	*ret_r = r;
	return true;
}

void
cap_reader_free(struct cap_reader **r)
{
	if (*r == NULL)
		return;
	for (size_t i = 0; i < CAP_FRAGMENTED_MAX; i++)
		free((*r)->slot[i].buf);
	free(*r);
	*r = NULL;
}

/* --- fragments --------------------------------------------------------- */

static bool
same_key(const struct key *a, const struct key *b)
{
	return a->id == b->id && a->v6 == b->v6 &&
	       memcmp(a->from, b->from, sizeof(a->from)) == 0 &&
	       memcmp(a->to, b->to, sizeof(a->to)) == 0;
}

static bool
too_old(const struct gathered *g, uint64_t now)
{
	return now > g->time_us && now - g->time_us > CAP_FRAGMENT_US;
}

/* The slot of this datagram, or a free one, or the oldest, emptied. */
static struct gathered *
find_slot(struct cap_reader *r, const struct key *key, uint64_t now)
{
	struct gathered *best = &r->slot[0];
	uint8_t *buf;

	for (size_t i = 0; i < CAP_FRAGMENTED_MAX; i++) {
		struct gathered *g = &r->slot[i];

		if (g->used && too_old(g, now))
			g->used = false;
		if (g->used && same_key(&g->key, key))
			return g;
		if (best->used && (!g->used || g->time_us < best->time_us))
			best = g;
	}
	buf = best->buf != NULL ? best->buf : malloc(IP_MAX + 1);
	if (buf == NULL)
		return NULL;
	*best = (struct gathered){
		.used = true, .key = *key, .time_us = now, .buf = buf
	};
	return best;
}

static void
keep_octets(struct gathered *g, const struct piece *p, const uint8_t *data)
{
	for (size_t i = 0; i < p->len; i += 8) {
		size_t unit = (p->offset + i) / 8;
		size_t n = p->len - i < 8 ? p->len - i : 8;

		/* Who came first stays: an overlap changes nothing. */
		if ((g->have[unit / 8] >> unit % 8 & 1) != 0)
			continue;
		g->have[unit / 8] |= (uint8_t)(1 << unit % 8);
		memcpy(g->buf + p->offset + i, data + i, n);
		g->got += n;
	}
}

static enum cap_result
gather(struct cap_reader *r, const struct piece *p, const struct cursor *c,
    uint64_t now, struct gathered **ret_g)
{
	struct gathered *g;

	if (p->len == 0 || p->len > IP_MAX - p->offset ||
	    (p->more && p->len % 8 != 0))
		return CAP_BAD;
	if (c->have < p->len)
		return CAP_CUT;
	g = find_slot(r, &p->key, now);
	if (g == NULL)
		return CAP_CUT;
	if (g->end != 0 && p->offset + p->len > g->end)
		return CAP_BAD;
	if (!p->more && g->end == 0)
		g->end = p->offset + p->len;
	keep_octets(g, p, c->at);
	g->ip_len += p->ip_len;
	/* Octets beyond an end that came late make got exceed it. */
	if (g->end == 0 || g->got < g->end)
		return CAP_HELD;
	g->used = false;
	if (g->got > g->end)
		return CAP_BAD;
	*ret_g = g;
	return CAP_DATAGRAM;
}

/* --- UDP, IPv4, IPv6 --------------------------------------------------- */

static enum cap_result
read_udp(struct cursor c, struct cap_datagram *d)
{
	size_t len;

	if (c.wire < 8)
		return CAP_BAD;
	if (c.have < 8)
		return CAP_CUT;
	len = get16(c.at + 4);
	if (len < 8 || len > c.wire)
		return CAP_BAD;
	if (len > c.have)
		return CAP_CUT;
	d->from.port = get16(c.at);
	d->to.port = get16(c.at + 2);
	d->data = c.at + 8;
	d->len = len - 8;
	return CAP_DATAGRAM;
}

/* p is a fragment that starts where c points. */
static enum cap_result
read_piece(struct cap_reader *r, const struct piece *p, const struct cursor *c,
    struct cap_datagram *d)
{
	struct gathered *g = NULL;
	enum cap_result res = gather(r, p, c, d->time_us, &g);

	if (res != CAP_DATAGRAM)
		return res;
	d->ip_len = g->ip_len;
	return read_udp((struct cursor){ g->buf, g->end, g->end }, d);
}

static struct key
key_of(const struct cap_datagram *d, uint32_t id)
{
	struct key k = { .id = id, .v6 = d->v6 };

	memcpy(k.from, d->from.addr, sizeof(k.from));
	memcpy(k.to, d->to.addr, sizeof(k.to));
	return k;
}

static enum cap_result
read_ip4(struct cap_reader *r, struct cursor c, struct cap_datagram *d)
{
	struct piece p;
	size_t head, total;
	uint8_t proto;
	uint16_t word, id;

	if (c.have < 20)
		return c.wire < 20 ? CAP_BAD : CAP_CUT;
	head = (size_t)(c.at[0] & 15) * 4;
	total = get16(c.at + 2);
	/* Segmentation offload leaves it 0: then the frame is the length. */
	if (total == 0)
		total = c.wire;
	id = get16(c.at + 4);
	word = get16(c.at + 6);
	proto = c.at[9];
	memcpy(d->from.addr, c.at + 12, 4);
	memcpy(d->to.addr, c.at + 16, 4);
	if (head < 20 || total < head || !limit(&c, total))
		return CAP_BAD;
	if (proto != PROTO_UDP)
		return CAP_OTHER;
	if (!skip(&c, head))
		return CAP_CUT;
	d->ip_len = (uint32_t)total;
	if ((word & 0x3fff) == 0)
		return read_udp(c, d);
	p = (struct piece){
		.key = key_of(d, id),
		.offset = (size_t)(word & 0x1fff) * 8,
		.len = c.wire,
		.more = (word & 0x2000) != 0,
		.ip_len = (uint32_t)total,
	};
	return p.offset > IP_MAX ? CAP_BAD : read_piece(r, &p, &c, d);
}

static enum cap_result
read_fragment6(struct cap_reader *r, struct cursor c, struct cap_datagram *d)
{
	uint16_t word = get16(c.at + 2);
	struct piece p = { .key = key_of(d, get32(c.at + 4)),
		.offset = word & 0xfff8,
		.more = (word & 1) != 0,
		.ip_len = d->ip_len };

	if (c.at[0] != PROTO_UDP)
		return CAP_OTHER;
	(void)skip(&c, 8);
	p.len = c.wire;
	/* An atomic fragment is whole, RFC 6946. */
	if (p.offset == 0 && !p.more)
		return read_udp(c, d);
	return read_piece(r, &p, &c, d);
}

static enum cap_result
read_ip6(struct cap_reader *r, struct cursor c, struct cap_datagram *d)
{
	uint8_t next;
	size_t len;

	if (c.have < 40)
		return c.wire < 40 ? CAP_BAD : CAP_CUT;
	d->v6 = true;
	len = get16(c.at + 4);
	next = c.at[6];
	memcpy(d->from.addr, c.at + 8, 16);
	memcpy(d->to.addr, c.at + 24, 16);
	(void)skip(&c, 40);
	if (!limit(&c, len))
		return CAP_BAD;
	d->ip_len = (uint32_t)len + 40;
	for (int i = 0; i < CHAIN_MAX; i++) {
		if (next == PROTO_UDP)
			return read_udp(c, d);
		if (next != 0 && next != 43 && next != 60 &&
		    next != PROTO_FRAGMENT)
			return CAP_OTHER;
		if (c.have < 8)
			return c.wire < 8 ? CAP_BAD : CAP_CUT;
		if (next == PROTO_FRAGMENT)
			return read_fragment6(r, c, d);
		next = c.at[0];
		if (!skip(&c, (size_t)c.at[1] * 8 + 8))
			return CAP_CUT;
	}
	return CAP_BAD;
}

/* --- links ------------------------------------------------------------- */

/* The header in front of type's packet, VLAN tags included. */
static bool
skip_tags(struct cursor *c, uint16_t *type)
{
	for (int i = 0; i < CHAIN_MAX; i++) {
		if (*type != 0x8100 && *type != 0x88a8 && *type != 0x9100)
			return true;
		if (c->have < 4)
			return false;
		*type = get16(c->at + 2);
		(void)skip(c, 4);
	}
	return false;
}

/* false: cut short.  *ret_type 0: look at the packet's version. */
static bool
skip_link(int dlt, struct cursor *c, uint16_t *ret_type)
{
	size_t head = 0, where = 0;

	*ret_type = 0;
	switch (dlt) {
	case DLT_EN10MB: head = 14, where = 12; break;
	case DLT_LINUX_SLL: head = 16, where = 14; break;
	case DLT_LINUX_SLL2: head = 20, where = 0; break;
	/* Four octets of address family, whose values no two systems share. */
	case DLT_NULL:
	case DLT_LOOP: return skip(c, 4);
	default: return true;
	}
	if (c->have < head)
		return false;
	*ret_type = get16(c->at + where);
	(void)skip(c, head);
	return skip_tags(c, ret_type);
}

enum cap_result
cap_reader_frame(
    struct cap_reader *r, const struct cap_frame *f, struct cap_datagram *ret_d)
{
	struct cap_datagram d = { .frame = f->number, .time_us = f->time_us };
	struct cursor c = { f->data, f->len, f->wire_len };
	enum cap_result res;
	uint16_t type;

	if (c.wire < c.have)
		c.wire = c.have;
	if (!skip_link(r->dlt, &c, &type))
		return CAP_CUT;
	if (type != 0 && type != ETHERTYPE_4 && type != ETHERTYPE_6)
		return CAP_OTHER;
	if (c.have == 0)
		return CAP_CUT;
	if (c.at[0] >> 4 == 4 && type != ETHERTYPE_6)
		res = read_ip4(r, c, &d);
	else if (c.at[0] >> 4 == 6 && type != ETHERTYPE_4)
		res = read_ip6(r, c, &d);
	else
		res = type == 0 ? CAP_OTHER : CAP_BAD;
	if (res == CAP_DATAGRAM)
		*ret_d = d;
	return res;
}

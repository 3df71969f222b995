/*
 * A PDU in one line, for people.
 */
#include <string.h>

#include "pmul/pdu.h"

struct out {
	char *buf;
	size_t cap, len; /* len counts also what did not fit */
};

static void
put(struct out *o, const char *s)
{
	for (; *s != '\0'; s++) {
		if (o->len + 1 < o->cap)
			o->buf[o->len] = *s;
		o->len++;
	}
}

static void
put_number(struct out *o, const char *label, uint64_t v)
{
	char digits[21], *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	put(o, label);
	put(o, p);
}

/* An ID or a group, as the IPv4 address it is by custom. */
static void
put_address(struct out *o, const char *label, uint32_t a)
{
	put_number(o, label, a >> 24);
	put_number(o, ".", a >> 16 & 255);
	put_number(o, ".", a >> 8 & 255);
	put_number(o, ".", a & 255);
}

static void
put_dests(struct out *o, const struct pmul_pdu *pdu)
{
	put_number(o, " total=", pdu->total);
	put_number(o, " expiry=", pdu->expiry);
	put(o, pdu->first ? " first" : "");
	put(o, pdu->last ? " last" : "");
	if (pdu->fec_len > 0 || pdu->type == PMUL_FEC_ADDRESS ||
	    pdu->type == PMUL_EXTRA_FEC_ADDRESS)
		put_number(o, " fec=", pdu->fec_id);
	put(o, " dest=");
	for (size_t i = 0; i < pdu->count; i++) {
		struct pmul_dest d = pmul_pdu_dest(pdu, i);

		put_address(o, i > 0 ? "," : "", d.id);
		put_number(o, "/", d.seq);
	}
}

static void
put_acks(struct out *o, const struct pmul_pdu *pdu)
{
	struct pmul_ack_entry e;
	size_t pos = 0;

	while (pmul_pdu_next_ack(pdu, &pos, &e)) {
		uint16_t first, last;
		size_t at = 0;

		put_address(o, " [", e.source);
		put_number(o, " msid=", e.msid);
		put(o, e.nmissing == 0 ? " complete" : " missing");
		while (pmul_ack_next_range(&e, &at, &first, &last)) {
			put_number(o, " ", first);
			if (last > first)
				put_number(o, "-", last);
		}
		put(o, "]");
	}
	if (pdu->has_timestamp)
		put_number(o, " timestamp=", pdu->timestamp);
}

static void
put_announced(struct out *o, const struct pmul_pdu *pdu)
{
	put_address(o, " group=", pdu->group);
	put_number(o, " expiry=", pdu->expiry);
	put(o, " dest=");
	for (size_t i = 0; i < pdu->count; i++)
		put_address(o, i > 0 ? "," : "", pmul_pdu_announced(pdu, i));
}

static void
put_body(struct out *o, const struct pmul_pdu *pdu)
{
	switch (pdu->type) {
	case PMUL_DATA:
		put_number(o, " seq=", pdu->seq);
		put_number(o, " octets=", pdu->data_len);
		break;
	case PMUL_ACK: put_acks(o, pdu); break;
	case PMUL_ADDRESS:
	case PMUL_EXTRA_ADDRESS:
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: put_dests(o, pdu); break;
	case PMUL_ANNOUNCE: put_announced(o, pdu); break;
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE: put_address(o, " group=", pdu->group); break;
	case PMUL_DISCARD: break;
	}
}

const char *
pmul_pdu_name(unsigned type)
{
	switch (type) {
	case PMUL_DATA: return "Data_PDU";
	case PMUL_ACK: return "Ack_PDU";
	case PMUL_ADDRESS: return "Address_PDU";
	case PMUL_DISCARD: return "Discard_Message_PDU";
	case PMUL_ANNOUNCE: return "Announce_PDU";
	case PMUL_REQUEST: return "Request_PDU";
	case PMUL_REJECT: return "Reject_PDU";
	case PMUL_RELEASE: return "Release_PDU";
	case PMUL_FEC_ADDRESS: return "FEC_Address_PDU";
	case PMUL_EXTRA_ADDRESS: return "Extra_Address_PDU";
	case PMUL_EXTRA_FEC_ADDRESS: return "Extra_FEC_Address_PDU";
	default: return NULL;
	}
}

size_t
pmul_pdu_print(const struct pmul_pdu *pdu, char *buf, size_t cap)
{
	struct out o = { buf, cap, 0 };

	put(&o, pmul_pdu_name((unsigned)pdu->type));
	put_number(&o, " priority=", pdu->priority);
	put_address(&o, " source=", pdu->source);
	if (pdu->type != PMUL_ACK)
		put_number(&o, " msid=", pdu->msid);
	put_body(&o, pdu);
	if (cap > 0)
		buf[o.len < cap ? o.len : cap - 1] = '\0';
	return o.len;
}

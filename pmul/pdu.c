/*
 * P_MUL PDUs between octets and structs; see pdu.h.  Decoding reads in the
 * order of ACP 142, checks the lengths against one another, and only then
 * hands out the view.
 */
#include "pmul/pdu.h"

#include <string.h>

#include "pmul/wire.h"

/* Byte 3: MAP in the two top bits, the type below. */
#define MAP_NOT_FIRST 0x80
#define MAP_NOT_LAST 0x40
#define TYPE_MASK 0x3f
/* Common start and Source_ID. */
#define COMMON 12
#define CHECKSUM_END 8
#define GROUP_PDU 20
#define DISCARD_PDU 16
#define TIMESTAMP 8
/* Total_Number_of_PDUs, Sequence_Number or Count, by type. */
#define WORD 4

/* --- decoding ------------------------------------------------------------- */

/* 16-bit number i of a raw list. */
static uint16_t
number(const uint8_t *list, size_t i)
{
	return (uint16_t)(list[2 * i] << 8 | list[2 * i + 1]);
}

static int
decode_address(struct pmul_rd *r, bool fec, struct pmul_pdu *pdu)
{
	uint16_t reserved;

	pdu->msid = pmul_rd_u32(r);
	pdu->expiry = pmul_rd_u32(r);
	if (fec) {
		pdu->fec_len = pmul_rd_u8(r);
		pdu->fec_id = pmul_rd_u8(r);
		pdu->fec = pmul_rd_bytes(r, pdu->fec_len);
	}
	pdu->count = pmul_rd_u16(r);
	reserved = pmul_rd_u16(r);
	pdu->entry_len = PMUL_DEST_ENTRY + (size_t)reserved;
	pdu->list_len = pmul_rd_left(r);
	pdu->list = pmul_rd_bytes(r, pdu->list_len);
	if (!pmul_rd_ok(r) || pdu->list_len != pdu->count * pdu->entry_len)
		return PMUL_EMALFORMED;
	return PMUL_OK;
}

static int
decode_data(struct pmul_rd *r, struct pmul_pdu *pdu)
{
	pdu->msid = pmul_rd_u32(r);
	pdu->data_len = pmul_rd_left(r);
	pdu->data = pmul_rd_bytes(r, pdu->data_len);
	if (!pmul_rd_ok(r) || pdu->data_len == 0 || pdu->seq == 0)
		return PMUL_EMALFORMED;
	return PMUL_OK;
}

/*
 * Steps over the entries to find where they end; what is left is nothing or
 * the timestamp (142(A)), possibly followed by what later editions add.
 */
static int
decode_ack(struct pmul_rd *r, struct pmul_pdu *pdu)
{
	pdu->count = pmul_rd_u16(r);
	pdu->list = r->p;
	for (uint32_t i = 0; i < pdu->count && pmul_rd_ok(r); i++) {
		uint16_t len = pmul_rd_u16(r);

		if (len < PMUL_ACK_ENTRY || len % 2 != 0)
			return PMUL_EMALFORMED;
		(void)pmul_rd_bytes(r, len - 2u);
	}
	if (!pmul_rd_ok(r) || pdu->count == 0)
		return PMUL_EMALFORMED;
	pdu->list_len = (size_t)(r->p - pdu->list);
	if (pmul_rd_left(r) == 0)
		return PMUL_OK;
	pdu->has_timestamp = true;
	pdu->timestamp = pmul_rd_uint(r, TIMESTAMP);
	return pmul_rd_ok(r) ? PMUL_OK : PMUL_EMALFORMED;
}

static int
decode_discard(struct pmul_rd *r, struct pmul_pdu *pdu)
{
	pdu->msid = pmul_rd_u32(r);
	return pmul_rd_ok(r) && pmul_rd_left(r) == 0 ? PMUL_OK
						     : PMUL_EMALFORMED;
}

static int
decode_group(struct pmul_rd *r, struct pmul_pdu *pdu)
{
	pdu->msid = pmul_rd_u32(r);
	pdu->group = pmul_rd_u32(r);
	return pmul_rd_ok(r) && pmul_rd_left(r) == 0 ? PMUL_OK
						     : PMUL_EMALFORMED;
}

static int
decode_announce(struct pmul_rd *r, struct pmul_pdu *pdu)
{
	pdu->msid = pmul_rd_u32(r);
	pdu->expiry = pmul_rd_u32(r);
	pdu->group = pmul_rd_u32(r);
	pdu->entry_len = 4;
	pdu->list_len = pmul_rd_left(r);
	pdu->list = pmul_rd_bytes(r, pdu->list_len);
	if (!pmul_rd_ok(r) || pdu->list_len != pdu->count * pdu->entry_len)
		return PMUL_EMALFORMED;
	return PMUL_OK;
}

/* word is the 16 bits whose meaning depends on the type. */
static int
decode_body(
    struct pmul_rd *r, unsigned type, uint16_t word, struct pmul_pdu *pdu)
{
	pdu->type = (enum pmul_pdu_type)type;
	switch (type) {
	case PMUL_DATA: pdu->seq = word; return decode_data(r, pdu);
	case PMUL_ACK: return decode_ack(r, pdu);
	case PMUL_ADDRESS:
	case PMUL_EXTRA_ADDRESS:
		pdu->total = word;
		return decode_address(r, false, pdu);
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS:
		pdu->total = word;
		return decode_address(r, true, pdu);
	case PMUL_DISCARD: return decode_discard(r, pdu);
	case PMUL_ANNOUNCE: pdu->count = word; return decode_announce(r, pdu);
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE: return decode_group(r, pdu);
	default: return PMUL_ETYPE;
	}
}

int
pmul_pdu_decode(const void *buf, size_t len, struct pmul_pdu *ret_pdu)
{
	struct pmul_pdu pdu;
	struct pmul_rd r;
	uint16_t word;
	uint8_t map_type;
	int rc;

	memset(&pdu, 0, sizeof(pdu));
	pmul_rd_init(&r, buf, len);
	pdu.length = pmul_rd_u16(&r);
	if (!pmul_rd_ok(&r) || pdu.length < COMMON || pdu.length > len)
		return PMUL_EMALFORMED;
	if (!pmul_checksum_good(buf, pdu.length))
		return PMUL_ECHECKSUM;
	/* From here on nothing behind Length_of_PDU exists. */
	r.end = (const uint8_t *)buf + pdu.length;
	pdu.priority = pmul_rd_u8(&r);
	map_type = pmul_rd_u8(&r);
	word = pmul_rd_u16(&r);
	(void)pmul_rd_u16(&r); /* the checksum */
	pdu.source = pmul_rd_u32(&r);
	pdu.first = (map_type & MAP_NOT_FIRST) == 0;
	pdu.last = (map_type & MAP_NOT_LAST) == 0;
	rc = decode_body(&r, map_type & TYPE_MASK, word, &pdu);
	if (rc == PMUL_OK)
		*ret_pdu = pdu;
	return rc;
}

struct pmul_dest
pmul_pdu_dest(const struct pmul_pdu *pdu, size_t i)
{
	struct pmul_dest d;
	struct pmul_rd r;

	pmul_rd_init(&r, pdu->list + i * pdu->entry_len, PMUL_DEST_ENTRY);
	d.id = pmul_rd_u32(&r);
	d.seq = pmul_rd_u32(&r);
	return d;
}

uint32_t
pmul_pdu_announced(const struct pmul_pdu *pdu, size_t i)
{
	struct pmul_rd r;

	pmul_rd_init(&r, pdu->list + i * pdu->entry_len, pdu->entry_len);
	return pmul_rd_u32(&r);
}

bool
pmul_pdu_next_ack(
    const struct pmul_pdu *pdu, size_t *pos, struct pmul_ack_entry *ret_entry)
{
	struct pmul_rd r;
	uint16_t len;

	if (*pos >= pdu->list_len)
		return false;
	/* The lengths were checked when the PDU was decoded. */
	pmul_rd_init(&r, pdu->list + *pos, pdu->list_len - *pos);
	len = pmul_rd_u16(&r);
	ret_entry->source = pmul_rd_u32(&r);
	ret_entry->msid = pmul_rd_u32(&r);
	ret_entry->nmissing = (len - (size_t)PMUL_ACK_ENTRY) / 2;
	ret_entry->missing = r.p;
	*pos += len;
	return true;
}

bool
pmul_ack_next_range(const struct pmul_ack_entry *entry, size_t *pos,
    uint16_t *ret_first, uint16_t *ret_last)
{
	const uint8_t *list = entry->missing;
	size_t n = entry->nmissing;

	while (*pos < n) {
		size_t i = *pos;
		uint16_t first = number(list, i);
		uint16_t before = i > 0 ? number(list, i - 1) : 0;

		/* `first, 0, last`: the end of a range goes before what follows
		 * it, and a lone 0 before nothing. */
		if (first != 0 && before != 0 && first <= before) {
			*pos = n; /* the end-of-list mark */
			return false;
		}
		if (first == 0) {
			*pos = i + 1;
			continue;
		}
		if (i + 2 < n && number(list, i + 1) == 0) {
			uint16_t last = number(list, i + 2);

			*pos = i + 3;
			if (first >= last)
				continue;
			*ret_first = first;
			*ret_last = last;
			return true;
		}
		*pos = i + 1;
		*ret_first = *ret_last = first;
		return true;
	}
	return false;
}

/* --- encoding --------------------------------------------------------------- */

static void
put_common(struct pmul_wr *w, uint8_t priority, unsigned map_type,
    uint16_t word, uint32_t source)
{
	pmul_wr_uint(w, 0, 2); /* the length, when it is known */
	pmul_wr_uint(w, priority, 1);
	pmul_wr_uint(w, map_type, 1);
	pmul_wr_uint(w, word, 2);
	pmul_wr_uint(w, 0, 2); /* the checksum, last */
	pmul_wr_uint(w, source, 4);
}

static size_t
finish(struct pmul_wr *w)
{
	size_t len = pmul_wr_len(w);

	if (len == 0 || len > PMUL_PDU_MAX)
		return 0;
	w->start[0] = (uint8_t)(len >> 8);
	w->start[1] = (uint8_t)len;
	pmul_checksum_put(w->start, len);
	return len;
}

static unsigned
map_bits(const struct pmul_pdu *pdu)
{
	return (pdu->first ? 0 : MAP_NOT_FIRST) |
	       (pdu->last ? 0 : MAP_NOT_LAST);
}

size_t
pmul_pdu_put_address(void *buf, size_t cap, const struct pmul_pdu *pdu,
    const struct pmul_dest *dests, size_t n)
{
	struct pmul_wr w;

	if (n > UINT16_MAX)
		return 0;
	pmul_wr_init(&w, buf, cap);
	put_common(&w, pdu->priority, map_bits(pdu) | (unsigned)pdu->type,
	    pdu->total, pdu->source);
	pmul_wr_uint(&w, pdu->msid, 4);
	pmul_wr_uint(&w, pdu->expiry, 4);
	pmul_wr_uint(&w, n, 2);
	pmul_wr_uint(&w, 0, 2);
	for (size_t i = 0; i < n; i++) {
		pmul_wr_uint(&w, dests[i].id, 4);
		pmul_wr_uint(&w, dests[i].seq, 4);
	}
	return finish(&w);
}

size_t
pmul_pdu_put_data(void *buf, size_t cap, uint8_t priority, uint32_t source,
    uint32_t msid, uint16_t seq, const void *data, size_t len)
{
	struct pmul_wr w;

	pmul_wr_init(&w, buf, cap);
	put_common(&w, priority, PMUL_DATA, seq, source);
	pmul_wr_uint(&w, msid, 4);
	pmul_wr_bytes(&w, data, len);
	return finish(&w);
}

size_t
pmul_pdu_put_discard(
    void *buf, size_t cap, uint8_t priority, uint32_t source, uint32_t msid)
{
	struct pmul_wr w;

	pmul_wr_init(&w, buf, cap);
	put_common(&w, priority, PMUL_DISCARD, 0, source);
	pmul_wr_uint(&w, msid, 4);
	return finish(&w);
}

size_t
pmul_pdu_put_group(void *buf, size_t cap, enum pmul_pdu_type type,
    uint32_t source, uint32_t msid, uint32_t group)
{
	struct pmul_wr w;

	pmul_wr_init(&w, buf, cap);
	put_common(&w, 0, (unsigned)type, 0, source);
	pmul_wr_uint(&w, msid, 4);
	pmul_wr_uint(&w, group, 4);
	return finish(&w);
}

size_t
pmul_pdu_put_announce(void *buf, size_t cap, const struct pmul_pdu *pdu,
    const uint32_t *ids, size_t n)
{
	struct pmul_wr w;

	if (n > UINT16_MAX)
		return 0;
	pmul_wr_init(&w, buf, cap);
	put_common(
	    &w, 0, map_bits(pdu) | PMUL_ANNOUNCE, (uint16_t)n, pdu->source);
	pmul_wr_uint(&w, pdu->msid, 4);
	pmul_wr_uint(&w, pdu->expiry, 4);
	pmul_wr_uint(&w, pdu->group, 4);
	for (size_t i = 0; i < n; i++)
		pmul_wr_uint(&w, ids[i], 4);
	return finish(&w);
}

void
pmul_ack_begin(struct pmul_ack_writer *w, void *buf, size_t cap,
    uint8_t priority, uint32_t sender)
{
	struct pmul_wr wr;

	w->buf = buf;
	w->cap = cap < PMUL_PDU_MAX ? cap : PMUL_PDU_MAX;
	w->entries = 0;
	pmul_wr_init(&wr, buf, w->cap);
	put_common(&wr, priority, PMUL_ACK, 0, sender);
	pmul_wr_uint(&wr, 0, 2); /* the count, at the end */
	w->len = pmul_wr_len(&wr);
}

bool
pmul_ack_entry_add(struct pmul_ack_writer *w, uint32_t source, uint32_t msid,
    const uint16_t *missing, size_t nmissing)
{
	struct pmul_wr wr;
	size_t len;

	if (w->len == 0 || w->entries == UINT16_MAX ||
	    nmissing > (UINT16_MAX - PMUL_ACK_ENTRY) / 2)
		return false;
	len = PMUL_ACK_ENTRY + 2 * nmissing;
	if (len > w->cap - w->len)
		return false;
	pmul_wr_init(&wr, w->buf + w->len, len);
	pmul_wr_uint(&wr, len, 2);
	pmul_wr_uint(&wr, source, 4);
	pmul_wr_uint(&wr, msid, 4);
	for (size_t i = 0; i < nmissing; i++)
		pmul_wr_uint(&wr, missing[i], 2);
	w->len += len;
	w->entries++;
	return true;
}

size_t
pmul_ack_end(struct pmul_ack_writer *w, const uint64_t *timestamp)
{
	struct pmul_wr wr;

	if (w->entries == 0)
		return 0;
	pmul_wr_init(&wr, w->buf + PMUL_ACK_HEADER - 2, 2);
	pmul_wr_uint(&wr, w->entries, 2);
	pmul_wr_init(&wr, w->buf, w->cap);
	wr.p += w->len;
	/* Left out where it does not fit: it is an option. */
	if (timestamp != NULL && TIMESTAMP <= w->cap - w->len)
		pmul_wr_uint(&wr, *timestamp, TIMESTAMP);
	return finish(&wr);
}

/*
 * Any octets into the decoder: what it accepts can be walked, printed, and, for
 * the types we send, written again to mean the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t again[PMUL_PDU_MAX];

static void
check_address(const struct pmul_pdu *p)
{
	struct pmul_dest *d = calloc(p->count + 1u, sizeof(*d));
	struct pmul_pdu q;
	size_t n;

	for (size_t i = 0; i < p->count; i++)
		d[i] = pmul_pdu_dest(p, i);
	n = pmul_pdu_put_address(again, sizeof(again), p, d, p->count);
	if (n > 0) {
		assert(pmul_pdu_decode(again, n, &q) == PMUL_OK);
		assert(q.msid == p->msid && q.count == p->count &&
		       q.total == p->total && q.first == p->first);
	}
	free(d);
}

static void
check_ack(const struct pmul_pdu *p)
{
	struct pmul_ack_entry e;
	size_t pos = 0, entries = 0;

	while (pmul_pdu_next_ack(p, &pos, &e)) {
		uint16_t first, last;
		size_t at = 0;

		entries++;
		while (pmul_ack_next_range(&e, &at, &first, &last)) {
			assert(first >= 1 && first <= last);
		}
	}
	assert(entries == p->count);
}

static void
check_data(const struct pmul_pdu *p)
{
	struct pmul_pdu q;
	size_t n = pmul_pdu_put_data(again, sizeof(again), p->priority,
	    p->source, p->msid, p->seq, p->data, p->data_len);

	assert(n == p->length || n == 0);
	if (n > 0) {
		assert(pmul_pdu_decode(again, n, &q) == PMUL_OK);
		assert(q.data_len == p->data_len &&
		       memcmp(q.data, p->data, q.data_len) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy;
	struct pmul_pdu p;
	char line[100];

	if (size > PMUL_PDU_MAX)
		return 0;
	/* Most mutations break the checksum; mend it in a copy. */
	copy = malloc(size + 1);
	memcpy(copy, data, size);
	if (size >= 12) {
		size_t len = (size_t)copy[0] << 8 | copy[1];

		if (len >= 12 && len <= size && (data[6] & 1) != 0)
			pmul_checksum_put(copy, len);
	}
	if (pmul_pdu_decode(copy, size, &p) == PMUL_OK) {
		assert(p.length <= size);
		assert(pmul_pdu_print(&p, line, sizeof(line)) > 0);
		if (p.type == PMUL_ADDRESS || p.type == PMUL_EXTRA_ADDRESS)
			check_address(&p);
		else if (p.type == PMUL_ACK)
			check_ack(&p);
		else if (p.type == PMUL_DATA)
			check_data(&p);
	}
	free(copy);
	return 0;
}

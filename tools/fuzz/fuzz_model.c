/*
 * PDUs in a row: the model stays within its limits, and its counts agree with
 * one another.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cap_model.h"

#define BYTES_MAX 300000
#define CONTENTS_MAX 2000

static void
judge(const struct cap_message *m)
{
	size_t have = 0, inside = 0, complete = 0, payload = 0;

	assert(m->ndests <= CAP_DESTS_MAX);
	assert(m->nfragments <= PMUL_FRAGMENTS_MAX);
	for (size_t i = 0; i < m->nfragments; i++) {
		const struct cap_fragment *f = &m->fragments[i];

		have += f->times > 0;
		inside += f->times > 0 && i < m->total;
		payload += f->len;
		assert((f->data != NULL) == (f->times > 0 && !m->too_large));
	}
	for (size_t i = 0; i < m->ndests; i++) {
		const struct cap_dest *d = &m->dests[i];

		assert(cap_message_dest(m, d->id) == d);
		complete += d->complete;
		assert(d->acks > 0 || !d->complete);
	}
	assert(have == m->have && inside == m->inside);
	assert(complete == m->complete && payload == m->payload);
	assert(m->too_large == (payload > CONTENTS_MAX));
	assert(!cap_message_whole(m) || m->have == m->total);
}

static void
done(void *ctx, const struct cap_message *m)
{
	(*(size_t *)ctx)++;
	judge(m);
}

/* The input: a step of the clock, a length, and a PDU; the checksum is ours. */
int
LLVMFuzzerTestOneInput(const uint8_t *buf, size_t len)
{
	size_t ended = 0;
	struct cap_model_config c = { .messages_max = 4,
		.bytes_max = BYTES_MAX,
		.message_max = CONTENTS_MAX,
		.age_us = 1000,
		.seed = 1,
		.keep = true,
		.done = done,
		.ctx = &ended };
	struct cap_model *m = NULL;
	uint64_t now = 1, frame = 0;

	if (!cap_model_new(&c, &m))
		return 0;
	while (len > 2) {
		size_t n = buf[1] < len - 2 ? buf[1] : len - 2;
		struct cap_datagram d = { .frame = frame + 1 };
		uint8_t pdu[256];
		struct pmul_pdu p;

		frame++;
		now += buf[0];
		d.time_us = now;
		d.ip_len = (uint32_t)n + 28;
		memcpy(pdu, buf + 2, n);
		if (n >= 8) {
			pdu[0] = 0;
			pdu[1] = (uint8_t)n;
			pmul_checksum_put(pdu, n);
		}
		if (pmul_pdu_decode(pdu, n, &p) == 0)
			assert(cap_model_take(m, &d, &p));
		else if (n >= 16)
			cap_model_damaged(m, pdu[8], pdu[9]);
		buf += n + 2;
		len -= n + 2;
	}
	cap_model_finish(m);
	assert(ended <= frame);
	cap_model_free(&m);
	return 0;
}

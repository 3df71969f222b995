/*
 * Any octets as a received payload, and as an uncompressed one: within the
 * limits, repeatable, and what is accepted survives packing again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mule/dsn.h"
#include "mule/payload.h"
#include "mule/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mule_limits limits = {
	.payload_max = 256 * 1024,
	.ratio_max = 200,
	.rcpts_max = 20,
};

static void
check(const struct mule_message *m)
{
	/* Zopfli now and then: it is a hundred times slower than the rest. */
	const struct mule_pack_how how = { BER_EXPLICIT,
		m->len < 1000 && m->len % 16 == 0 ? 10 : 0 };
	struct mule_message again;
	uint8_t *cdt;
	size_t n;

	assert(m->len <= limits.payload_max);
	assert(m->envelope.nrcpts >= 1 && m->envelope.nrcpts <= 20);
	assert(m->content + m->content_len == m->payload + m->len);
	assert(mule_header_len(m->content, m->content_len) <= m->content_len);
	assert(mule_pack(&how, m->envelope.from_line, m->envelope.rcpt_lines,
		   m->envelope.nrcpts, m->content, m->content_len, &cdt,
		   &n) == MULE_OK);
	assert(mule_unpack(cdt, n, &limits, &again) == MULE_OK);
	assert(again.len == m->len &&
	       memcmp(again.payload, m->payload, m->len) == 0);
	mule_message_release(&again);
	free(cdt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t head[BER_CDT_HEAD_MAX], *z, *cdt;
	struct mule_message m;
	size_t n, h;

	if (size > 100000)
		return 0;
	if (mule_unpack(data, size, &limits, &m) == MULE_OK) {
		check(&m);
		mule_message_release(&m);
	}
	/* The same octets as an envelope, so that mutations get that far. */
	assert(mule_deflate(0, data, size, 0, &z, &n) == MULE_OK);
	h = ber_cdt_head(BER_IMPLICIT, n, head);
	cdt = malloc(h + n);
	memcpy(cdt, head, h);
	memcpy(cdt + h, z, n);
	if (mule_unpack(cdt, h + n, &limits, &m) == MULE_OK) {
		check(&m);
		mule_message_release(&m);
	}
	free(cdt);
	free(z);
	return 0;
}

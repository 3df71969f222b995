/*
 * A capture file as mulecap goes through it: frames of its link type, datagrams,
 * PDUs, and the model of what they are about.  The file's own format is
 * libpcap's business; here it is taken apart by the few lines that classic pcap
 * needs, so that the captures of test-vectors/ can be started from.
 */
#include <assert.h>
#include <string.h>

#include "tools/cap_model.h"
#include "tools/cap_read.h"

#define FILE_HEADER 24
#define RECORD_HEADER 16

struct walk {
	struct cap_reader *reader;
	struct cap_model *model;
	uint64_t frames, taken, ended;
};

static void
done(void *ctx, const struct cap_message *m)
{
	struct walk *w = ctx;

	w->ended++;
	assert(m->inside <= m->total && m->inside <= m->have);
	assert(m->complete <= m->ndests && m->ndests <= CAP_DESTS_MAX);
}

static uint32_t
word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

static void
take(struct walk *w, const struct cap_frame *f)
{
	struct cap_datagram d;
	struct pmul_pdu pdu;

	if (cap_reader_frame(w->reader, f, &d) != CAP_DATAGRAM)
		return;
	assert(d.len <= 65535 && d.frame == f->number);
	if (pmul_pdu_decode(d.data, d.len, &pdu) != 0)
		return;
	assert(cap_model_take(w->model, &d, &pdu));
	w->taken++;
}

static void
records(struct walk *w, const uint8_t *buf, size_t len)
{
	while (len > RECORD_HEADER) {
		uint32_t n = word(buf + 8);
		struct cap_frame f = { ++w->frames,
			word(buf) * UINT64_C(1000000) + word(buf + 4),
			buf + RECORD_HEADER, n, word(buf + 12) };

		if (n > len - RECORD_HEADER)
			return;
		take(w, &f);
		buf += RECORD_HEADER + n;
		len -= RECORD_HEADER + n;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *buf, size_t len)
{
	struct walk w = { .reader = NULL };
	struct cap_model_config c = { .messages_max = 16,
		.bytes_max = 1 << 20,
		.message_max = 1 << 16,
		.age_us = 600000000,
		.seed = 1,
		.keep = true,
		.done = done,
		.ctx = &w };
	int dlt = len < FILE_HEADER ? -1 : (int)(word(buf + 20) & 0xffff);

	if (dlt < 0 || !cap_link_known(dlt) || !cap_reader_new(dlt, &w.reader))
		return 0;
	if (cap_model_new(&c, &w.model)) {
		records(&w, buf + FILE_HEADER, len - FILE_HEADER);
		cap_model_finish(w.model);
		assert(w.ended <= w.taken);
		cap_model_free(&w.model);
	}
	cap_reader_free(&w.reader);
	return 0;
}

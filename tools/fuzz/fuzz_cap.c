/* Frames of any link type: whatever is called a datagram lies in a buffer. */
#include <assert.h>
#include <pcap/dlt.h>
#include <stdlib.h>

#include "tools/cap_read.h"

static const int links[] = { DLT_RAW, DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2,
	DLT_NULL, DLT_LOOP };

int
LLVMFuzzerTestOneInput(const uint8_t *buf, size_t len)
{
	struct cap_reader *r = NULL;
	uint64_t sum = 0;

	if (len < 1 ||
	    !cap_reader_new(
		links[buf[0] % (sizeof(links) / sizeof(*links))], &r))
		return 0;
	buf++, len--;
	/* Frames: a length octet in units of one, then the frame. */
	for (uint64_t n = 1; len > 1; n++) {
		size_t take = buf[0] < len - 1 ? buf[0] : len - 1;
		struct cap_frame f = { n, n * 1000, buf + 1, take, buf[0] };
		struct cap_datagram d;

		if (cap_reader_frame(r, &f, &d) == CAP_DATAGRAM) {
			assert(d.len <= 65535 && d.frame == n);
			for (size_t i = 0; i < d.len; i++)
				sum += d.data[i];
		}
		buf += take + 1, len -= take + 1;
	}
	cap_reader_free(&r);
	return sum == UINT64_MAX;
}

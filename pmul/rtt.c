#include "pmul/rtt.h"

/* Longer is not measured: an hour fits every link, and the sums below. */
#define RTT_MAX UINT64_C(3600000000)

void
pmul_rtt_sample(struct pmul_rtt *r, uint64_t us)
{
	uint64_t off;

	if (us == 0)
		us = 1;
	if (us > RTT_MAX)
		us = RTT_MAX;
	if (r->smooth_us == 0) {
		r->smooth_us = us;
		r->deviation_us = us / 2;
		r->least_us = us;
		return;
	}
	off = us > r->smooth_us ? us - r->smooth_us : r->smooth_us - us;
	r->deviation_us = (3 * r->deviation_us + off) / 4;
	r->smooth_us = (7 * r->smooth_us + us) / 8;
	if (r->smooth_us == 0)
		r->smooth_us = 1;
	/* Rises slowly, in case the way has become longer. */
	if (us < r->least_us)
		r->least_us = us;
	else
		r->least_us += (us - r->least_us) / 32;
}

uint64_t
pmul_rtt_bound(const struct pmul_rtt *r, uint64_t min_us, uint64_t max_us)
{
	uint64_t us = r->smooth_us + 4 * r->deviation_us;

	if (us < min_us)
		us = min_us;
	return r->smooth_us == 0 || us > max_us ? max_us : us;
}

#include "pmul/pace.h"

void
pmul_pace_init(struct pmul_pace *p, uint32_t bit_rate, uint16_t overhead_bytes)
{
	p->bit_rate = bit_rate;
	p->overhead_bytes = overhead_bytes;
	p->free_us = 0;
	p->fraction = 0;
}

struct pmul_mono
pmul_pace_next(const struct pmul_pace *p)
{
	/* Round up: a datagram never leaves early. */
	return (struct pmul_mono){ p->free_us + (p->fraction != 0) };
}

uint64_t
pmul_pace_air_us(const struct pmul_pace *p, size_t len)
{
	if (p->bit_rate == 0)
		return 0;
	return ((uint64_t)len + p->overhead_bytes) * 8 * 1000000 / p->bit_rate;
}

void
pmul_pace_sent(struct pmul_pace *p, struct pmul_mono now, size_t len)
{
	uint64_t us;

	if (p->bit_rate == 0)
		return;
	if (p->free_us == 0 || now.us < p->free_us ||
	    now.us - p->free_us > PMUL_PACE_LATE_US) {
		p->free_us = now.us;
		p->fraction = 0;
	}
	/* At most 131042 octets: far from an overflow. */
	us = ((uint64_t)len + p->overhead_bytes) * 8 * 1000000;
	p->fraction += us % p->bit_rate;
	us /= p->bit_rate;
	if (p->fraction >= p->bit_rate) {
		p->fraction -= p->bit_rate;
		us++;
	}
	p->free_us =
	    us < UINT64_MAX - 1 - p->free_us ? p->free_us + us : UINT64_MAX - 1;
}

struct pmul_mono
pmul_pace_end(const struct pmul_pace *p, struct pmul_mono now)
{
	struct pmul_mono next = pmul_pace_next(p);

	return next.us > now.us ? next : now;
}

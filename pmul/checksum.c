/*
 * The two checksums seen on P_MUL: Fletcher mod 255 over the whole PDU
 * (ACP 142 annex B), which we send, and the Internet checksum, which some
 * peers send.  Both are at octets 6 and 7.
 */
#include "pmul/pdu.h"

#define OFFSET 6

/*
 * Sums mod 255 may be reduced late: 5802 steps from zero keep the second sum
 * below 2^32.
 */
#define BLOCK 5000

struct sums {
	uint32_t c0, c1;
};

static struct sums
fletcher(const uint8_t *p, size_t len)
{
	struct sums s = { 0, 0 };

	while (len > 0) {
		size_t n = len < BLOCK ? len : BLOCK;

		for (size_t i = 0; i < n; i++) {
			s.c0 += p[i];
			s.c1 += s.c0;
		}
		s.c0 %= 255;
		s.c1 %= 255;
		p += n;
		len -= n;
	}
	return s;
}

void
pmul_checksum_put(void *pdu, size_t len)
{
	uint8_t *p = pdu;
	struct sums s;
	uint32_t t = (uint32_t)((len - OFFSET - 1) % 255);

	p[OFFSET] = p[OFFSET + 1] = 0;
	s = fletcher(p, len);
	/* Adding multiples of 255 keeps the differences positive. */
	p[OFFSET] = (uint8_t)((t * s.c0 + 255 - s.c1) % 255);
	p[OFFSET + 1] = (uint8_t)((s.c1 + 255 * 256 - (t + 1) * s.c0) % 255);
}

uint16_t
pmul_checksum_internet(const void *pdu, size_t len)
{
	const uint8_t *p = pdu;
	uint32_t sum = 0;

	/* At most 32768 words of 65535: no overflow. */
	for (size_t i = 0; i < len; i++) {
		if (i == OFFSET || i == OFFSET + 1)
			continue;
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
	}
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

bool
pmul_checksum_good(const void *pdu, size_t len)
{
	const uint8_t *p = pdu;
	struct sums s = fletcher(p, len);

	if (s.c0 == 0 && s.c1 == 0)
		return true;
	return pmul_checksum_internet(pdu, len) ==
	       (uint16_t)(p[OFFSET] << 8 | p[OFFSET + 1]);
}

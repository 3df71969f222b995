/*
 * The generator behind every random delay: splitmix64.  Good enough to spread
 * Acks and to derive secrets from a seed that is itself secret; the same seed
 * gives the same numbers, for the simulator's sake.
 */
#ifndef MULETEER_PMUL_PRNG_H
#define MULETEER_PMUL_PRNG_H

#include <stdint.h>

struct pmul_prng {
	uint64_t state;
};

static inline void
pmul_prng_init(struct pmul_prng *p, uint64_t seed)
{
	p->state = seed;
}

static inline uint64_t
pmul_prng_next(struct pmul_prng *p)
{
	uint64_t z = p->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/*
 * Uniform in [0, bound); 0 for a bound of 0.  The bias of the remainder is
 * bound / 2^64, which no delay of ours can notice.
 */
static inline uint64_t
pmul_prng_below(struct pmul_prng *p, uint64_t bound)
{
	uint64_t n = pmul_prng_next(p);

	return bound > 0 ? n % bound : 0;
}

#endif

#include "tools/channel_internal.h"

/* splitmix64 */
uint64_t
random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

bool
random_chance(uint64_t *state, double probability)
{
	/* 53 bits are what a double holds: 1 is always, 0 never. */
	return (double)(random_next(state) >> 11) < probability * 0x1p53;
}

uint64_t
random_below(uint64_t *state, uint64_t limit)
{
	return limit > 0 ? random_next(state) % limit : 0;
}

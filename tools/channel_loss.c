#include "tools/channel_internal.h"

/* base to the power of n, by squaring: the same on every machine. */
static double
power(double base, uint64_t n)
{
	double result = 1;

	for (; n > 0; n >>= 1, base *= base)
		if (n & 1)
			result *= base;
	return result;
}

static bool
is_in_burst(struct pair *p)
{
	const struct channel_path *s = &p->path;
	bool lost = p->bad && random_chance(&p->random, s->burst_loss);

	if (p->bad)
		p->bad = !random_chance(&p->random, s->burst_leave);
	else
		p->bad = random_chance(&p->random, s->burst_enter);
	return lost;
}

bool
loss_decide(struct pair *p, uint64_t bits)
{
	const struct channel_path *s = &p->path;
	bool lost = false;

	/* Each model goes on also when another has lost the datagram. */
	if (s->loss > 0)
		lost = random_chance(&p->random, s->loss) || lost;
	if (s->ber > 0)
		lost = random_chance(&p->random, 1 - power(1 - s->ber, bits)) ||
		       lost;
	if (s->burst_enter > 0 || p->bad)
		lost = is_in_burst(p) || lost;
	return lost;
}

#include "tools/channel_internal.h"

/* The fade has a part in common with from..to. */
static bool
overlaps(const struct channel_fade *f, uint64_t from, uint64_t to)
{
	uint64_t phase;

	if (f->length_us == 0 || to <= f->start_us)
		return false;
	phase = from > f->start_us ? from - f->start_us : 0;
	from = phase + f->start_us;
	if (f->every_us > 0)
		phase %= f->every_us;
	if (phase < f->length_us)
		return true;
	return f->every_us > 0 && to - from > f->every_us - phase;
}

bool
fade_decide(struct channel *c, uint64_t *random, const struct frame *f,
    int node, uint64_t delay_us)
{
	uint64_t from = f->start_us + delay_us, to = f->end_us + delay_us;
	bool lost = false;

	/* What takes no time still happens at some time. */
	if (to == from)
		to++;
	for (unsigned i = 0; i < c->nfades; i++) {
		const struct channel_fade *fade = &c->fades[i];

		if (fade->node != -1 && fade->node != node &&
		    fade->node != f->from)
			continue;
		if (overlaps(fade, from, to))
			lost = random_chance(random, fade->loss) || lost;
	}
	return lost;
}

/* What flies when a fade ends may still be in it, hence the margin. */
static bool
is_over(const struct channel *c, const struct channel_fade *f, uint64_t now_us)
{
	const struct reception *first = TAILQ_FIRST(&c->receptions);

	if (first != NULL && first->frame->start_us < now_us)
		now_us = first->frame->start_us;
	return f->every_us == 0 && now_us >= f->start_us &&
	       now_us - f->start_us >= f->length_us;
}

bool
channel_add_fade(
    struct channel *c, uint64_t now_us, const struct channel_fade *f)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < c->nfades; i++)
		if (!is_over(c, &c->fades[i], now_us))
			c->fades[kept++] = c->fades[i];
	c->nfades = kept;
	if (kept == CHANNEL_FADES_MAX)
		return false;
	c->fades[c->nfades++] = *f;
	return true;
}

void
channel_clear_fades(struct channel *c)
{
	c->nfades = 0;
}

const struct channel_fade *
channel_fades(const struct channel *c, unsigned *ret_n)
{
	*ret_n = c->nfades;
	return c->fades;
}

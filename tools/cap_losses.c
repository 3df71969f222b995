#include "tools/cap_losses.h"

#include <stdlib.h>
#include <string.h>

/* Sets of losses that are kept for later, and of these: as good as the same. */
#define GUESSES_MAX 256
#define ALIKE_MAX 4
/* PDUs whose fate is questioned for one difference. */
#define TRIES_MAX 200
/* Steps of all runs, before it is enough: half a minute or so. */
#define WORK_MAX UINT64_C(20000000)
/* Guesses remembered, so that none is made twice; a power of two. */
#define SEEN_MAX 65536

/* What may have become of each PDU, and where that leads. */
struct guess {
	uint8_t *fate;    /* owned; of each PDU of the tape */
	uint64_t upto_us; /* the first difference */
	uint32_t source;  /* ...whose message it is about */
	uint32_t apart;   /* ...see cap_rerun.h */
	uint32_t flips;   /* how many were guessed */
};

struct search {
	struct cap_rerun *r;
	struct cap_tape *t;
	enum cap_fate worst;               /* that is guessed */
	struct guess guesses[GUESSES_MAX]; /* the best first */
	size_t nguesses;
	struct guess best; /* of all that were asked */
	uint64_t *seen;    /* hashes; 0: free */
	size_t nseen;
	uint64_t work;
	bool nomem;
};

/* The tape as the guess has it. */
static void
apply(struct search *s, const struct guess *g)
{
	for (size_t i = 0; i < s->t->npdus; i++)
		s->t->pdus[i].fate = (enum cap_fate)g->fate[i];
}

static bool
run(struct search *s)
{
	if (!s->nomem && !cap_rerun(s->r))
		s->nomem = true;
	s->work += s->r->steps + s->t->npdus / 8;
	return !s->nomem;
}

static bool
better(const struct guess *a, const struct guess *b)
{
	if (a->upto_us != b->upto_us)
		return a->upto_us > b->upto_us;
	return a->apart != b->apart ? a->apart < b->apart : a->flips < b->flips;
}

/* Whether the tape as it was just run is a guess made before. */
static bool
seen(struct search *s, const uint8_t *fate)
{
	uint64_t h = cap_hash(fate, s->t->npdus) | 1;
	size_t at = h >> 32 & (SEEN_MAX - 1);

	while (s->seen[at] != 0 && s->seen[at] != h)
		at = (at + 1) & (SEEN_MAX - 1);
	if (s->seen[at] == h || s->nseen == SEEN_MAX / 2)
		return true;
	s->seen[at] = h;
	s->nseen++;
	return false;
}

/* Guesses that lead as far, by no more. */
static size_t
alike(const struct search *s, const struct guess *g)
{
	size_t n = 0;

	for (size_t i = 0; i < s->nguesses; i++) {
		uint64_t a = s->guesses[i].upto_us, b = g->upto_us;

		n += (a > b ? a - b : b - a) <= s->r->tolerance_us &&
		     !better(g, &s->guesses[i]);
	}
	return n;
}

static void
insert(struct search *s, const struct guess *g)
{
	size_t at = s->nguesses;

	while (at > 0 && better(g, &s->guesses[at - 1]))
		at--;
	if (at == GUESSES_MAX) {
		free(g->fate);
		return;
	}
	if (s->nguesses == GUESSES_MAX)
		free(s->guesses[--s->nguesses].fate);
	memmove(&s->guesses[at + 1], &s->guesses[at],
	    (s->nguesses - at) * sizeof(s->guesses[0]));
	s->guesses[at] = *g;
	s->nguesses++;
}

/* The tape as it was just run. */
static void
keep(struct search *s, uint32_t flips)
{
	struct guess g = { NULL, s->r->ended_us, s->r->source, s->r->apart,
		flips };

	if (alike(s, &g) >= ALIKE_MAX)
		return;
	g.fate = malloc(s->t->npdus);
	if (g.fate == NULL) {
		s->nomem = true;
		return;
	}
	for (size_t i = 0; i < s->t->npdus; i++)
		g.fate[i] = (uint8_t)s->t->pdus[i].fate;
	if (seen(s, g.fate))
		free(g.fate);
	else
		insert(s, &g);
}

/* Whether PDU i could have made the node do what it did. */
static bool
matters(const struct search *s, size_t i, uint32_t source)
{
	struct pmul_pdu pdu = s->t->pdus[i].pdu;
	struct pmul_ack_entry e;
	size_t pos = 0;

	if (source != s->t->node)
		return pdu.source == source && pdu.type != PMUL_ACK;
	if (pdu.type != PMUL_ACK)
		return false;
	while (pmul_pdu_next_ack(&pdu, &pos, &e))
		if (e.source == source)
			return true;
	return false;
}

/* What if it had another fate? */
static bool
question(struct search *s, const struct guess *g, struct cap_tape_pdu *p)
{
	enum cap_fate was = p->fate;

	for (int f = CAP_HEARD; f <= (int)s->worst; f++) {
		p->fate = (enum cap_fate)f;
		if (p->fate == was)
			continue;
		if (!run(s))
			return false;
		if (s->r->ended_us > g->upto_us ||
		    (s->r->ended_us == g->upto_us && s->r->apart < g->apart))
			keep(s, g->flips + 1);
	}
	p->fate = was;
	return true;
}

/* Question what came before the first difference, one PDU at a time. */
static void
expand(struct search *s, const struct guess *g)
{
	uint64_t latest = g->upto_us + s->r->tolerance_us;
	size_t tries = 0;

	apply(s, g);
	for (size_t i = s->t->npdus; i-- > 0 && tries < TRIES_MAX;) {
		struct cap_tape_pdu *p = &s->t->pdus[i];

		if (p->ours || p->at_us > latest || !matters(s, i, g->source))
			continue;
		tries++;
		if (!question(s, g, p))
			return;
	}
}

static void
forget(struct search *s)
{
	while (s->nguesses > 0)
		free(s->guesses[--s->nguesses].fate);
	memset(s->seen, 0, SEEN_MAX * sizeof(*s->seen));
	s->nseen = 0;
}

/*
 * The guess that leads furthest is questioned first.  False when one is found
 * that leaves no difference, or none is left.
 */
static bool
step(struct search *s)
{
	struct guess g;

	if (s->nguesses == 0)
		return false;
	g = s->guesses[0];
	memmove(&s->guesses[0], &s->guesses[1],
	    --s->nguesses * sizeof(s->guesses[0]));
	if (s->best.fate == NULL || better(&g, &s->best)) {
		free(s->best.fate);
		s->best = g;
	}
	if (g.upto_us != UINT64_MAX)
		expand(s, &g);
	if (s->best.fate != g.fate)
		free(g.fate);
	return g.upto_us != UINT64_MAX;
}

/* From the tape as it is to the best that can be found. */
static bool
improve(struct search *s)
{
	forget(s);
	free(s->best.fate);
	s->best.fate = NULL;
	if (!run(s))
		return false;
	keep(s, 0);
	while (!s->nomem && s->work < WORK_MAX && step(s))
		;
	if (s->best.fate != NULL)
		apply(s, &s->best);
	return !s->nomem;
}

bool
cap_losses_find(struct cap_rerun *r, struct cap_tape *t, enum cap_fate worst,
    bool *ret_tired)
{
	struct search *s = calloc(1, sizeof(*s));
	bool ok = s != NULL;

	if (ok)
		s->seen = calloc(SEEN_MAX, sizeof(*s->seen));
	ok = ok && s->seen != NULL;
	if (ok) {
		s->r = r;
		s->t = t;
		s->worst = worst;
		r->after_us = 0;
	}
	while (ok && improve(s)) {
		*ret_tired = s->work >= WORK_MAX;
		if (s->best.upto_us == UINT64_MAX || *ret_tired)
			break;
		/* A difference that no loss explains: on to the next. */
		r->after_us = s->best.upto_us;
	}
	if (s == NULL)
		return false;
	ok = ok && !s->nomem;
	if (s->seen != NULL)
		forget(s);
	free(s->best.fate);
	free(s->seen);
	free(s);
	return ok;
}

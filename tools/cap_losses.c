#include "tools/cap_losses.h"

#include <stdlib.h>
#include <string.h>

/* Sets of losses that are followed at a time. */
#define BEAM 6
/* PDUs whose fate is questioned for one difference. */
#define TRIES 40
/* PDUs fed to an engine in all, before it is enough. */
#define WORK_MAX UINT64_C(60000000)

/* What is taken as lost, and where that leads. */
struct guess {
	bool *lost;       /* owned; of each PDU of the tape */
	uint64_t upto_us; /* the first difference */
	uint32_t source;  /* ...whose message it is about */
	uint32_t flips;   /* how many were guessed */
};

struct search {
	struct cap_rerun *r;
	struct cap_tape *t;
	struct guess beam[BEAM], next[BEAM];
	size_t nbeam, nnext;
	uint64_t work;
	bool nomem;
};

/* The tape as the guess has it. */
static void
apply(struct search *s, const struct guess *g)
{
	for (size_t i = 0; i < s->t->npdus; i++)
		s->t->pdus[i].lost = g->lost[i];
}

static bool
run(struct search *s)
{
	s->work += s->t->npdus;
	if (!s->nomem && !cap_rerun(s->r))
		s->nomem = true;
	return !s->nomem;
}

static bool
better(const struct guess *a, const struct guess *b)
{
	return a->upto_us != b->upto_us ? a->upto_us > b->upto_us
					: a->flips < b->flips;
}

/* The tape as it was just run: among the best of the next generation? */
static void
keep(struct search *s, uint32_t flips)
{
	struct guess g = { NULL, s->r->ended_us, s->r->source, flips };
	size_t at = s->nnext;

	while (at > 0 && better(&g, &s->next[at - 1]))
		at--;
	if (at == BEAM)
		return;
	/* As late as one that is kept, by the same means: it is the same. */
	if (at > 0 && s->next[at - 1].upto_us == g.upto_us &&
	    s->next[at - 1].flips == g.flips && g.upto_us == UINT64_MAX)
		return;
	if (s->nnext == BEAM)
		free(s->next[--s->nnext].lost);
	g.lost = malloc(s->t->npdus * sizeof(*g.lost));
	if (g.lost == NULL) {
		s->nomem = true;
		return;
	}
	for (size_t i = 0; i < s->t->npdus; i++)
		g.lost[i] = s->t->pdus[i].lost;
	memmove(&s->next[at + 1], &s->next[at],
	    (s->nnext - at) * sizeof(s->next[0]));
	s->next[at] = g;
	s->nnext++;
}

/* Whether PDU i could have made the node do what it did. */
static bool
matters(const struct search *s, size_t i, uint32_t source)
{
	struct pmul_pdu pdu = cap_tape_decode(s->t, i);
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

/* Question what came before the first difference, one PDU at a time. */
static void
expand(struct search *s, const struct guess *g)
{
	uint64_t latest = g->upto_us + s->r->tolerance_us;
	size_t tries = 0;

	apply(s, g);
	for (size_t i = s->t->npdus; i-- > 0 && tries < TRIES;) {
		struct cap_tape_pdu *p = &s->t->pdus[i];

		if (p->ours || p->at_us > latest || !matters(s, i, g->source))
			continue;
		tries++;
		p->lost = !p->lost;
		if (!run(s))
			return;
		if (s->r->ended_us > g->upto_us)
			keep(s, g->flips + 1);
		p->lost = !p->lost;
	}
}

static void
drop(struct guess *g, size_t *n)
{
	while (*n > 0)
		free(g[--*n].lost);
}

/* One generation: false when the best has no difference left, or there is
 * nothing better. */
static bool
generation(struct search *s)
{
	uint64_t best = s->beam[0].upto_us;

	if (best == UINT64_MAX)
		return false;
	for (size_t i = 0; i < s->nbeam && !s->nomem; i++) {
		expand(s, &s->beam[i]);
		/* So much later that the others need not be asked. */
		if (s->nnext > 0 &&
		    s->next[0].upto_us > best + 2 * s->r->tolerance_us)
			break;
	}
	if (s->nnext == 0)
		return false;
	drop(s->beam, &s->nbeam);
	memcpy(s->beam, s->next, sizeof(s->beam));
	s->nbeam = s->nnext;
	s->nnext = 0;
	return true;
}

/* The tape as it is, as the only guess. */
static bool
begin(struct search *s)
{
	if (!run(s))
		return false;
	keep(s, 0);
	if (s->nomem)
		return false;
	drop(s->beam, &s->nbeam);
	s->beam[0] = s->next[0];
	s->nbeam = 1;
	s->nnext = 0;
	return true;
}

bool
cap_losses_find(struct cap_rerun *r, struct cap_tape *t, bool *ret_tired)
{
	struct search *s = calloc(1, sizeof(*s));
	bool ok;

	if (s == NULL)
		return false;
	s->r = r;
	s->t = t;
	r->after_us = 0;
	while (begin(s)) {
		while (s->work < WORK_MAX && !s->nomem && generation(s))
			;
		apply(s, &s->beam[0]);
		*ret_tired = s->work >= WORK_MAX;
		if (s->beam[0].upto_us == UINT64_MAX || *ret_tired)
			break;
		/* A difference that no loss explains: on to the next. */
		r->after_us = s->beam[0].upto_us;
	}
	ok = !s->nomem;
	drop(s->beam, &s->nbeam);
	drop(s->next, &s->nnext);
	free(s);
	return ok;
}

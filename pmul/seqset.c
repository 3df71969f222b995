/*
 * A bitmap of sequence numbers; see seqset.h.  Number n is bit (n - 1) % 64 of
 * word (n - 1) / 64.
 */
#include "pmul/seqset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BITS 64

static size_t
words_for(uint32_t max)
{
	return ((size_t)max + BITS - 1) / BITS;
}

static uint64_t
bit(uint32_t n)
{
	return UINT64_C(1) << (n - 1) % BITS;
}

/* Ones at the places of first..last, both within the same word. */
static uint64_t
mask(uint32_t first, uint32_t last)
{
	uint64_t from = UINT64_MAX << (first - 1) % BITS;
	uint64_t to = UINT64_MAX >> (BITS - 1 - (last - 1) % BITS);

	return from & to;
}

void
pmul_seqset_init(struct pmul_seqset *s, uint32_t max)
{
	assert(max <= PMUL_FRAGMENTS_MAX);
	s->words = NULL;
	s->max = max;
	s->count = 0;
}

void
pmul_seqset_release(struct pmul_seqset *s)
{
	free(s->words);
	s->words = NULL;
	s->count = 0;
}

static int
ensure(struct pmul_seqset *s)
{
	if (s->words == NULL)
		s->words = calloc(words_for(s->max), sizeof(*s->words));
	return s->words != NULL ? PMUL_OK : PMUL_ENOMEM;
}

int
pmul_seqset_grow(struct pmul_seqset *s, uint32_t max)
{
	size_t old = words_for(s->max), new = words_for(max);
	uint64_t *words;

	assert(max <= PMUL_FRAGMENTS_MAX);
	if (max <= s->max)
		return PMUL_OK;
	if (s->words != NULL && new > old) {
		words = realloc(s->words, new * sizeof(*words));
		if (words == NULL)
			return PMUL_ENOMEM;
		memset(words + old, 0, (new - old) * sizeof(*words));
		s->words = words;
	}
	s->max = max;
	return PMUL_OK;
}

int
pmul_seqset_add(struct pmul_seqset *s, uint32_t n, bool *ret_changed)
{
	bool changed;

	assert(n >= 1 && n <= s->max);
	if (ensure(s) != PMUL_OK)
		return PMUL_ENOMEM;
	changed = !pmul_seqset_has(s, n);
	if (changed) {
		s->words[(n - 1) / BITS] |= bit(n);
		s->count++;
	}
	if (ret_changed != NULL)
		*ret_changed = changed;
	return PMUL_OK;
}

void
pmul_seqset_remove(struct pmul_seqset *s, uint32_t n)
{
	if (!pmul_seqset_has(s, n))
		return;
	s->words[(n - 1) / BITS] &= ~bit(n);
	s->count--;
}

int
pmul_seqset_add_range(struct pmul_seqset *s, uint32_t first, uint32_t last)
{
	if (first < 1)
		first = 1;
	if (last > s->max)
		last = s->max;
	if (first > last)
		return PMUL_OK;
	if (ensure(s) != PMUL_OK)
		return PMUL_ENOMEM;
	while (first <= last) {
		size_t w = (first - 1) / BITS;
		uint32_t end = (uint32_t)(w + 1) * BITS;
		uint64_t m = mask(first, end < last ? end : last);

		s->count += (uint32_t)__builtin_popcountll(m & ~s->words[w]);
		s->words[w] |= m;
		first = end + 1;
	}
	return PMUL_OK;
}

void
pmul_seqset_empty(struct pmul_seqset *s)
{
	if (s->words != NULL)
		memset(s->words, 0, words_for(s->max) * sizeof(*s->words));
	s->count = 0;
}

bool
pmul_seqset_has(const struct pmul_seqset *s, uint32_t n)
{
	return s->words != NULL && n >= 1 && n <= s->max &&
	       (s->words[(n - 1) / BITS] & bit(n)) != 0;
}

/* The smallest number > n whose bit, after flip, is set; or 0. */
static uint32_t
scan(const struct pmul_seqset *s, uint32_t n, uint64_t flip)
{
	size_t nwords = words_for(s->max);
	uint64_t word;
	uint32_t found;

	if (n >= s->max)
		return 0;
	for (size_t w = n / BITS; w < nwords; w++) {
		word = s->words[w] ^ flip;
		if (w == n / BITS)
			word &= UINT64_MAX << n % BITS;
		if (word == 0)
			continue;
		found =
		    (uint32_t)(w * BITS) + 1 + (uint32_t)__builtin_ctzll(word);
		return found <= s->max ? found : 0;
	}
	return 0;
}

uint32_t
pmul_seqset_next(const struct pmul_seqset *s, uint32_t n)
{
	return s->words != NULL ? scan(s, n, 0) : 0;
}

uint32_t
pmul_seqset_next_gap(const struct pmul_seqset *s, uint32_t n)
{
	if (s->words == NULL)
		return n < s->max ? n + 1 : 0;
	return scan(s, n, UINT64_MAX);
}

uint32_t
pmul_seqset_last(const struct pmul_seqset *s)
{
	if (s->words == NULL)
		return 0;
	for (size_t w = words_for(s->max); w > 0; w--)
		if (s->words[w - 1] != 0)
			return (uint32_t)(w * BITS) -
			       (uint32_t)__builtin_clzll(s->words[w - 1]);
	return 0;
}

int
pmul_seqset_union(struct pmul_seqset *s, const struct pmul_seqset *from)
{
	for (uint32_t n = pmul_seqset_next(from, 0); n != 0 && n <= s->max;) {
		uint32_t gap = pmul_seqset_next_gap(from, n);
		uint32_t last = gap != 0 ? gap - 1 : from->max;
		int rc = pmul_seqset_add_range(s, n, last);

		if (rc != PMUL_OK)
			return rc;
		n = pmul_seqset_next(from, last);
	}
	return PMUL_OK;
}

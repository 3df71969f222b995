#include "pmul/table.h"

#include <assert.h>
#include <stdlib.h>

#include "pmul/prng.h"

struct sip {
	uint64_t a, b, c, d;
};

static uint64_t
rotate(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void
sip_round(struct sip *s)
{
	s->a += s->b;
	s->b = rotate(s->b, 13) ^ s->a;
	s->a = rotate(s->a, 32);
	s->c += s->d;
	s->d = rotate(s->d, 16) ^ s->c;
	s->a += s->d;
	s->d = rotate(s->d, 21) ^ s->a;
	s->c += s->b;
	s->b = rotate(s->b, 17) ^ s->c;
	s->c = rotate(s->c, 32);
}

static void
sip_word(struct sip *s, uint64_t word)
{
	s->d ^= word;
	sip_round(s);
	s->a ^= word;
}

/* SipHash-1-3 of the eight octets of the key. */
static size_t
hash(const struct pmul_table *t, uint32_t source, uint32_t msid)
{
	struct sip s = {
		.a = t->secret[0] ^ UINT64_C(0x736f6d6570736575),
		.b = t->secret[1] ^ UINT64_C(0x646f72616e646f6d),
		.c = t->secret[0] ^ UINT64_C(0x6c7967656e657261),
		.d = t->secret[1] ^ UINT64_C(0x7465646279746573),
	};

	sip_word(&s, (uint64_t)source << 32 | msid);
	sip_word(&s, UINT64_C(8) << 56);
	s.c ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(&s);
	return (size_t)(s.a ^ s.b ^ s.c ^ s.d);
}

int
pmul_table_init(struct pmul_table *t, size_t n, uint64_t seed)
{
	struct pmul_prng prng;
	size_t buckets = 16;

	while (buckets < n)
		buckets *= 2;
	t->buckets = calloc(buckets, sizeof(struct pmul_table_node *));
	t->mask = buckets - 1;
	pmul_prng_init(&prng, seed);
	t->secret[0] = pmul_prng_next(&prng);
	t->secret[1] = pmul_prng_next(&prng);
	return t->buckets != NULL ? PMUL_OK : PMUL_ENOMEM;
}

void
pmul_table_release(struct pmul_table *t)
{
	free(t->buckets);
	t->buckets = NULL;
}

static struct pmul_table_node **
bucket(const struct pmul_table *t, uint32_t source, uint32_t msid)
{
	return &t->buckets[hash(t, source, msid) & t->mask];
}

struct pmul_table_node *
pmul_table_find(const struct pmul_table *t, uint32_t source, uint32_t msid)
{
	struct pmul_table_node *n = *bucket(t, source, msid);

	while (n != NULL && (n->source != source || n->msid != msid))
		n = n->next;
	return n;
}

void
pmul_table_add(struct pmul_table *t, struct pmul_table_node *n)
{
	struct pmul_table_node **b = bucket(t, n->source, n->msid);

	n->next = *b;
	*b = n;
}

void
pmul_table_remove(struct pmul_table *t, struct pmul_table_node *n)
{
	struct pmul_table_node **link = bucket(t, n->source, n->msid);

	while (*link != n) {
		assert(*link != NULL);
		link = &(*link)->next;
	}
	*link = n->next;
	n->next = NULL;
}

struct pmul_table_node *
pmul_table_next(const struct pmul_table *t, const struct pmul_table_node *n)
{
	size_t i = 0;

	if (t->buckets == NULL)
		return NULL;
	if (n != NULL) {
		if (n->next != NULL)
			return n->next;
		i = (hash(t, n->source, n->msid) & t->mask) + 1;
	}
	for (; i <= t->mask; i++)
		if (t->buckets[i] != NULL)
			return t->buckets[i];
	return NULL;
}

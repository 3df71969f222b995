#include "pmul/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Number and length, in front of the octets of each record. */
#define RECORD 4

void
pmul_store_init(struct pmul_store *s)
{
	memset(s, 0, sizeof(*s));
	pmul_seqset_init(&s->have, 0);
}

void
pmul_store_release(struct pmul_store *s)
{
	pmul_seqset_release(&s->have);
	free(s->log);
	s->log = NULL;
	s->log_len = s->log_cap = s->bytes = 0;
}

static int
reserve(struct pmul_store *s, size_t more)
{
	size_t cap = s->log_cap;
	uint8_t *log;

	if (more <= cap - s->log_len)
		return PMUL_OK;
	/* Half as much again: a constant number of copies of each octet. */
	cap += cap / 2 > more ? cap / 2 : more;
	log = realloc(s->log, cap);
	if (log == NULL)
		return PMUL_ENOMEM;
	s->log = log;
	s->log_cap = cap;
	return PMUL_OK;
}

static void
append(struct pmul_store *s, uint16_t seq, const void *data, size_t len)
{
	uint8_t *p = s->log + s->log_len;
	uint16_t len16 = (uint16_t)len;

	memcpy(p, &seq, sizeof(seq));
	memcpy(p + 2, &len16, sizeof(len16));
	memcpy(p + RECORD, data, len);
	s->log_len += RECORD + len;
	s->bytes += len;
}

int
pmul_store_add(struct pmul_store *s, uint16_t seq, const void *data, size_t len)
{
	int rc;

	assert(len <= UINT16_MAX && !pmul_seqset_has(&s->have, seq));
	rc = reserve(s, RECORD + len);
	if (rc == PMUL_OK)
		rc = pmul_seqset_grow(&s->have, seq);
	if (rc == PMUL_OK)
		rc = pmul_seqset_add(&s->have, seq, NULL);
	if (rc == PMUL_OK)
		append(s, seq, data, len);
	else if (s->have.count == 0)
		pmul_store_release(s);
	return rc;
}

/* Fill at[n] with the place of fragment n in the log, plus 1. */
static void
find_all(const struct pmul_store *s, uint32_t *at)
{
	uint16_t seq, len;

	for (size_t i = 0; i < s->log_len; i += RECORD + (size_t)len) {
		memcpy(&seq, s->log + i, sizeof(seq));
		memcpy(&len, s->log + i + 2, sizeof(len));
		at[seq] = (uint32_t)i + 1;
	}
}

int
pmul_store_join(const struct pmul_store *s, uint32_t total, uint16_t seq,
    const void *data, size_t len, uint8_t **ret_data, size_t *ret_len)
{
	size_t all = s->bytes + (seq != 0 ? len : 0), done = 0;
	uint32_t *at = calloc((size_t)total + 1, sizeof(*at));
	uint8_t *out = malloc(all > 0 ? all : 1);
	uint16_t n;

	if (at == NULL || out == NULL) {
		free(at);
		free(out);
		return PMUL_ENOMEM;
	}
	find_all(s, at);
	for (uint32_t i = 1; i <= total; i++) {
		const uint8_t *from = data;

		n = (uint16_t)len;
		if (i != seq) {
			assert(at[i] != 0);
			from = s->log + at[i] - 1 + RECORD;
			memcpy(&n, from - 2, sizeof(n));
		}
		memcpy(out + done, from, n);
		done += n;
	}
	assert(done == all);
	free(at);
	*ret_data = out;
	*ret_len = all;
	return PMUL_OK;
}

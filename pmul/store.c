#include "pmul/store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/wire.h"

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
	struct pmul_wr w;

	pmul_wr_init(&w, s->log + s->log_len, RECORD + len);
	pmul_wr_uint(&w, seq, 2);
	pmul_wr_uint(&w, len, 2);
	pmul_wr_bytes(&w, data, len);
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

int
pmul_record_next(
    const uint8_t *log, size_t len, size_t *pos, struct pmul_record *ret_r)
{
	struct pmul_rd rd;
	struct pmul_record r;

	memset(&r, 0, sizeof(r));
	if (*pos < len) {
		pmul_rd_init(&rd, log + *pos, len - *pos);
		r.seq = pmul_rd_u16(&rd);
		r.len = pmul_rd_u16(&rd);
		r.data = pmul_rd_bytes(&rd, r.len);
		if (!pmul_rd_ok(&rd) || r.seq == 0 || r.len == 0)
			return PMUL_EMALFORMED;
		*pos += RECORD + r.len;
	}
	*ret_r = r;
	return PMUL_OK;
}

void
pmul_store_cut(struct pmul_store *s, size_t log_len)
{
	struct pmul_record r;
	size_t pos = log_len;

	while (pmul_record_next(s->log, s->log_len, &pos, &r) == PMUL_OK &&
	       r.seq != 0) {
		pmul_seqset_remove(&s->have, r.seq);
		s->bytes -= r.len;
	}
	s->log_len = log_len;
	if (s->have.count == 0)
		pmul_store_release(s);
}

/* Fill at[n] with the place of fragment n in the log, plus 1. */
static void
find_all(const struct pmul_store *s, uint32_t *at)
{
	struct pmul_record r;
	size_t pos = 0;

	for (size_t i = 0;
	     pmul_record_next(s->log, s->log_len, &pos, &r) == PMUL_OK &&
	     r.seq != 0;
	     i = pos)
		at[r.seq] = (uint32_t)i + 1;
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
			n = (uint16_t)(from[-2] << 8 | from[-1]);
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

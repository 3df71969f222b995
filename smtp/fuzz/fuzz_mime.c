/*
 * Any octets as a message for a server that takes less: what comes out fits,
 * is not much longer, and does not change if it is converted again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sink {
	char *p;
	size_t len, cap;
};

static int
keep(void *ctx, const char *p, size_t len)
{
	struct sink *s = ctx;

	/* Quoted-printable trebles at most, and each part may gain a field. */
	assert(len <= s->cap - s->len);
	memcpy(s->p + s->len, p, len);
	s->len += len;
	return 0;
}

static struct sink
sink(size_t size)
{
	struct sink s = { .cap = 64 * size + 4096 };

	s.p = malloc(s.cap);
	assert(s.p != NULL);
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum smtp_body body;
	struct sink once, twice;
	const char *why = NULL;
	int rc;

	if (size < 1 || size > 20000)
		return 0;
	body = data[0] % 2 != 0 ? SMTP_BODY_7BIT : SMTP_BODY_8BITMIME;
	once = sink(size);
	twice = sink(size);
	rc = smtp_mime_convert(
	    (const char *)data + 1, size - 1, body, keep, &once, &why);
	if (rc == SMTP_OK) {
		assert(smtp_mime_fits(once.p, once.len, body));
		rc = smtp_mime_convert(
		    once.p, once.len, body, keep, &twice, &why);
		assert(rc == SMTP_OK && twice.len == once.len &&
		       memcmp(once.p, twice.p, once.len) == 0);
	} else {
		assert(rc == SMTP_EMIME && why != NULL);
	}
	free(once.p);
	free(twice.p);
	return 0;
}

/*
 * The allocator under the unit tests of the pure libraries; see unit.h.  The
 * tests of gateway/ do without it: they link libraries that hand out memory of
 * their own for the caller to free.
 */
#include "unit.h"

#include <string.h>

/* Big enough for any alignment malloc() promises. */
#define HEADER 16

static size_t fail_at;
static size_t calls;
static size_t live;
static size_t live_bytes;

void *__real_malloc(size_t n);
void __real_free(void *p);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static bool
refused(void)
{
	calls++;
	return fail_at != 0 && calls == fail_at;
}

static void *
opened(unsigned char *raw, size_t n)
{
	if (raw == NULL)
		return NULL;
	memcpy(raw, &n, sizeof(n));
	live++;
	live_bytes += n;
	return raw + HEADER;
}

static unsigned char *
closed(void *p)
{
	unsigned char *raw = (unsigned char *)p - HEADER;
	size_t n;

	memcpy(&n, raw, sizeof(n));
	live--;
	live_bytes -= n;
	return raw;
}

void *
__wrap_malloc(size_t n)
{
	if (refused() || n > SIZE_MAX - HEADER)
		return NULL;
	return opened(__real_malloc(n + HEADER), n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	void *p;

	if (size != 0 && n > SIZE_MAX / size)
		return NULL;
	p = __wrap_malloc(n * size);
	if (p != NULL)
		memset(p, 0, n * size);
	return p;
}

/*
 * Always moves: a caller that keeps a pointer into the old block is found by
 * the sanitizer at once, not on the day the block has to move.
 */
void *
__wrap_realloc(void *p, size_t n)
{
	unsigned char *q;
	size_t old;

	if (p == NULL)
		return __wrap_malloc(n);
	memcpy(&old, (unsigned char *)p - HEADER, sizeof(old));
	q = __wrap_malloc(n);
	if (q == NULL)
		return NULL;
	memcpy(q, p, old < n ? old : n);
	__real_free(closed(p));
	return q;
}

void
__wrap_free(void *p)
{
	if (p != NULL)
		__real_free(closed(p));
}

void
unit_alloc_fail_at(size_t n)
{
	fail_at = n;
	calls = 0;
}

size_t
unit_alloc_calls(void)
{
	return calls;
}

size_t
unit_alloc_live(void)
{
	return live;
}

size_t
unit_alloc_live_bytes(void)
{
	return live_bytes;
}

/*
 * The counting layer under the unit tests; see unit.h.
 *
 * cmocka's assertions are macros over a handful of functions.  The linker
 * sends our calls of those functions through the wrappers below, which count
 * and pass on.  The group runner is wrapped as well: it hands cmocka a copy of
 * the test table in which every test is the same trampoline, and the
 * trampoline runs the real test and fails it when the count stayed at zero.
 */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef UNIT_TOP
#error "UNIT_TOP names the top of the source tree"
#endif

/* --- the checks ------------------------------------------------------- */

static size_t checks;

#define COUNTED(name, params, args) \
	void __real_##name params; \
	void __wrap_##name params; \
	void __wrap_##name params \
	{ \
		checks++; \
		__real_##name args; \
	}

typedef LargestIntegralType num;

COUNTED(
    _assert_true, (num r, const char *e, const char *f, int l), (r, e, f, l))
COUNTED(_assert_int_equal, (num a, num b, const char *f, int l), (a, b, f, l))
COUNTED(
    _assert_int_not_equal, (num a, num b, const char *f, int l), (a, b, f, l))
COUNTED(_assert_string_equal,
    (const char *a, const char *b, const char *f, int l), (a, b, f, l))
COUNTED(_assert_string_not_equal,
    (const char *a, const char *b, const char *f, int l), (a, b, f, l))
COUNTED(_assert_memory_equal,
    (const void *a, const void *b, size_t n, const char *f, int l),
    (a, b, n, f, l))
COUNTED(_assert_memory_not_equal,
    (const void *a, const void *b, size_t n, const char *f, int l),
    (a, b, n, f, l))
COUNTED(_assert_in_range, (num v, num lo, num hi, const char *f, int l),
    (v, lo, hi, f, l))

static const struct CMUnitTest *tests;
static size_t ntests;
static size_t next_test;

static void
trampoline(void **state)
{
	const struct CMUnitTest *t = &tests[next_test++];

	checks = 0;
	t->test_func(state);
	if (checks == 0)
		fail_msg("%s checked nothing", t->name);
}

int __real__cmocka_run_group_tests(const char *name,
    const struct CMUnitTest *const t, const size_t n, CMFixtureFunction setup,
    CMFixtureFunction teardown);
int __wrap__cmocka_run_group_tests(const char *name,
    const struct CMUnitTest *const t, const size_t n, CMFixtureFunction setup,
    CMFixtureFunction teardown);

int
__wrap__cmocka_run_group_tests(const char *name,
    const struct CMUnitTest *const t, const size_t n, CMFixtureFunction setup,
    CMFixtureFunction teardown)
{
	struct CMUnitTest *copy = calloc(n, sizeof(*copy));
	int failed;

	if (copy == NULL)
		return -1;
	tests = t;
	ntests = n;
	next_test = 0;
	for (size_t i = 0; i < n; i++) {
		copy[i] = t[i];
		copy[i].test_func = trampoline;
	}
	failed = __real__cmocka_run_group_tests(name, copy, n, setup, teardown);
	if (next_test != ntests) {
		fprintf(stderr, "%s: %zu of %zu tests ran\n", name, next_test,
		    ntests);
		failed = -1;
	}
	free(copy);
	return failed;
}

/* --- data ------------------------------------------------------------- */

unsigned char *
unit_read_file(const char *path, size_t *ret_len)
{
	char full[4096];
	unsigned char *data;
	FILE *f;
	long size = -1;

	snprintf(full, sizeof(full), "%s%s%s", path[0] == '/' ? "" : UNIT_TOP,
	    path[0] == '/' ? "" : "/", path);
	f = fopen(full, "rb");
	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 ||
	    fseek(f, 0, SEEK_SET) != 0)
		fail_msg("%s: cannot read", full);
	data = malloc((size_t)size + 1);
	if (data == NULL || fread(data, 1, (size_t)size, f) != (size_t)size)
		fail_msg("%s: cannot read", full);
	fclose(f);
	data[size] = '\0';
	*ret_len = (size_t)size;
	return data;
}

static int
nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

unsigned char *
unit_hex(const char *hex, size_t *ret_len)
{
	unsigned char *tmp = malloc(strlen(hex) / 2 + 1);
	unsigned char *exact;
	size_t n = 0;
	int high = -1;

	if (tmp == NULL)
		fail_msg("out of memory");
	for (; *hex != '\0'; hex++) {
		int v = nibble(*hex);

		if (v < 0)
			continue;
		if (high < 0) {
			high = v;
		} else {
			tmp[n++] = (unsigned char)(high << 4 | v);
			high = -1;
		}
	}
	if (high >= 0)
		fail_msg("odd number of hexadecimal digits");
	exact = unit_copy(tmp, n);
	free(tmp);
	*ret_len = n;
	return exact;
}

unsigned char *
unit_copy(const void *data, size_t len)
{
	unsigned char *p = malloc(len != 0 ? len : 1);

	if (p == NULL)
		fail_msg("out of memory");
	if (len != 0)
		memcpy(p, data, len);
	return p;
}

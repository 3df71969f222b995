#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/body.h"

static char dir[128];

static int
make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(dir, sizeof(dir), "%s/muleteer-body-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

/* Every test leaves the directory empty. */
static int
remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static size_t
files(void)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static struct body *
filled(size_t len, size_t step)
{
	struct body *b = NULL;
	uint8_t *data = malloc(len + 1);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(body_new(dir, &b), 0);
	for (size_t at = 0; at < len; at += step)
		assert_int_equal(body_append(b, data + at,
				     len - at < step ? len - at : step),
		    0);
	free(data);
	return b;
}

static bool
same(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != (uint8_t)(i * 7 + i / 256))
			return false;
	return true;
}

static void
test_small_body_stays_in_memory(void **state)
{
	static const size_t lens[] = { 1, 1023, 1024, 1025, 40000,
		BODY_MEMORY_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct body *b = filled(lens[i], 1000);

		assert_int_equal(body_len(b), lens[i]);
		assert_non_null(body_memory(b));
		assert_true(same(body_memory(b), lens[i]));
		assert_null(body_file(b));
		assert_int_equal(files(), 0);
		assert_int_equal(body_sync(b), 0);
		body_free(&b);
		assert_null(b);
	}
}

static void
test_empty_body_is_in_memory(void **state)
{
	struct body *b = NULL;

	(void)state;
	assert_int_equal(body_new(dir, &b), 0);
	assert_int_equal(body_append(b, "", 0), 0);
	assert_int_equal(body_len(b), 0);
	assert_non_null(body_memory(b));
	assert_null(body_file(b));
	body_free(&b);
	body_free(&b);
}

static void
check_file(struct body *b, size_t len)
{
	size_t got = 0;
	unsigned char *data;

	assert_int_equal(body_len(b), len);
	assert_null(body_memory(b));
	assert_non_null(body_file(b));
	assert_int_equal(body_sync(b), 0);
	assert_int_equal(body_sync(b), 0);
	data = unit_read_file(body_file(b), &got);
	assert_int_equal(got, len);
	assert_true(same(data, len));
	free(data);
}

static void
test_large_body_is_a_file_with_the_same_octets(void **state)
{
	static const size_t lens[] = { BODY_MEMORY_MAX + 1, 200000, 1000003 };
	static const size_t steps[] = { 78, 4096, 65536, 65537, 1000003 };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (size_t j = 0; j < 5; j++) {
			struct body *b = filled(lens[i], steps[j]);

			check_file(b, lens[i]);
			body_free(&b);
			assert_int_equal(files(), 0);
		}
}

static void
test_one_octet_makes_the_difference(void **state)
{
	struct body *b = filled(BODY_MEMORY_MAX, BODY_MEMORY_MAX);

	(void)state;
	assert_non_null(body_memory(b));
	assert_int_equal(body_append(b, "", 0), 0);
	assert_non_null(body_memory(b));
	assert_int_equal(body_append(b, "x", 1), 0);
	assert_null(body_memory(b));
	assert_int_equal(files(), 1);
	body_free(&b);
}

static void
test_file_taken_is_not_removed(void **state)
{
	struct body *b = filled(BODY_MEMORY_MAX + 1, 10000);
	char path[256];

	(void)state;
	assert_int_equal(body_sync(b), 0);
	snprintf(path, sizeof(path), "%s", body_file(b));
	body_file_taken(b);
	assert_null(body_file(b));
	assert_null(body_memory(b));
	body_free(&b);
	assert_int_equal(unlink(path), 0);
}

static void
test_missing_directory_is_an_error(void **state)
{
	struct body *b = NULL;
	char *data = calloc(1, BODY_MEMORY_MAX + 1);

	(void)state;
	assert_int_equal(body_new("/nonexistent/tmp", &b), 0);
	assert_int_equal(body_append(b, data, BODY_MEMORY_MAX + 1), -ENOENT);
	/* Good for nothing any more. */
	assert_int_not_equal(body_append(b, "x", 1), 0);
	assert_int_not_equal(body_sync(b), 0);
	body_free(&b);
	free(data);
}

static void
test_full_disk_is_told(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct rlimit old, small = { .rlim_cur = 100000 };
	struct body *b = filled(BODY_MEMORY_MAX + 1, 10000);
	char *data = calloc(1, 200000);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(sigaction(SIGXFSZ, &ignore, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(body_append(b, data, 200000), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	/* Space now does not mend the hole. */
	assert_int_not_equal(body_append(b, "x", 1), 0);
	assert_int_not_equal(body_sync(b), 0);
	body_free(&b);
	free(data);
	assert_int_equal(files(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_body_stays_in_memory),
		cmocka_unit_test(test_empty_body_is_in_memory),
		cmocka_unit_test(
		    test_large_body_is_a_file_with_the_same_octets),
		cmocka_unit_test(test_one_octet_makes_the_difference),
		cmocka_unit_test(test_file_taken_is_not_removed),
		cmocka_unit_test(test_missing_directory_is_an_error),
		cmocka_unit_test(test_full_disk_is_told),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

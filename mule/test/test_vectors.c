/*
 * test-vectors/payload: each .bin, a CompressedData, unpacks to its .payload,
 * or is refused for the reason that its .txt gives.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mule/payload.h"
#include "tests/unit/unit.h"

static const struct {
	const char *name;
	int err;
} results[] = {
	{ "MULE_OK", MULE_OK },
	{ "MULE_ETRUNCATED", MULE_ETRUNCATED },
	{ "MULE_ECORRUPT", MULE_ECORRUPT },
	{ "MULE_ETRAILING", MULE_ETRAILING },
	{ "MULE_ERATIO", MULE_ERATIO },
	{ "MULE_EENVELOPE", MULE_EENVELOPE },
	{ "MULE_EFROM", MULE_EFROM },
	{ "MULE_ERCPT", MULE_ERCPT },
	{ "MULE_ELINE", MULE_ELINE },
};

/* The same file name with another end. */
static unsigned char *
beside(const char *path, const char *end, size_t *len)
{
	char name[400];

	snprintf(
	    name, sizeof(name), "%.*s%s", (int)strlen(path) - 4, path, end);
	return unit_read_file(name, len);
}

static int
expected(const char *path)
{
	size_t len;
	char *text = (char *)beside(path, ".txt", &len);
	char *copy = calloc(1, len + 1), *at;
	int err = 1;

	memcpy(copy, text, len);
	at = strstr(copy, "Expected: ");
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		if (at != NULL &&
		    strcspn(at + 10, "\n") == strlen(results[i].name) &&
		    strncmp(
			at + 10, results[i].name, strlen(results[i].name)) == 0)
			err = results[i].err;
	if (err > 0)
		fail_msg("%s: does not say what to expect", path);
	free(copy);
	free(text);
	return err;
}

static void
try_one(const char *path, unsigned *good)
{
	static const struct mule_limits limits = { 20000000, 200, 100 };
	size_t len, want_len;
	unsigned char *raw = unit_read_file(path, &len), *want;
	unsigned char *exact = unit_copy(raw, len);
	struct mule_message m;
	int rc = mule_unpack(exact, len, &limits, &m);

	if (rc != expected(path))
		fail_msg("%s: %s", path, mule_strerror(rc));
	if (rc == MULE_OK) {
		want = beside(path, ".payload", &want_len);
		assert_int_equal(m.len, want_len);
		assert_memory_equal(m.payload, want, want_len);
		mule_message_release(&m);
		free(want);
		(*good)++;
	}
	free(exact);
	free(raw);
}

static void
test_payload_vectors_are_what_they_say(void **state)
{
	unsigned good = 0;
	glob_t found;

	(void)state;
	assert_int_equal(
	    glob("test-vectors/payload/*.bin", 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++)
		try_one(found.gl_pathv[i], &good);
	assert_true(good >= 9 && found.gl_pathc - good >= 18);
	globfree(&found);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_payload_vectors_are_what_they_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

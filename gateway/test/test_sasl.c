/*
 * Authentication against a real client, GNU SASL's own, and the file of users.
 */
#include <gsasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/sasl.h"
#include "tests/unit/unit.h"

static char path[] = "/tmp/muleteer-users-XXXXXX";

static void
write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static struct sasl_users *
load(void)
{
	struct sasl_users *u = NULL;
	char err[512] = "", line[SASL_LINE_MAX], more[SASL_LINE_MAX];
	char text[2 * SASL_LINE_MAX + 20];

	assert_int_equal(sasl_make_line("ops", "pencil", line), 0);
	assert_int_equal(sasl_make_line("bridge", "p\xc3\xa4ss", more), 0);
	snprintf(text, sizeof(text), "# users\n\n%s\n%s\n", line, more);
	write_file(text);
	if (sasl_users_load(path, err, sizeof(err), &u) != 0)
		fail_msg("%s", err);
	assert_int_equal(sasl_users_count(u), 2);
	return u;
}

static int
give_password(Gsasl *g, Gsasl_session *c, Gsasl_property prop)
{
	const char *const *who = gsasl_callback_hook_get(g);

	if (prop == GSASL_AUTHID)
		return gsasl_property_set(c, prop, who[0]);
	if (prop == GSASL_PASSWORD)
		return gsasl_property_set(c, prop, who[1]);
	if (prop == GSASL_AUTHZID && who[2] != NULL)
		return gsasl_property_set(c, prop, who[2]);
	return GSASL_NO_CALLBACK;
}

/* What the server says in the end. */
static enum sasl_result
authenticate(const struct sasl_users *u, const char *mechanism,
    const char *name, const char *password, const char *other)
{
	const char *who[] = { name, password, other };
	struct sasl_session *s = NULL;
	Gsasl_session *c = NULL;
	Gsasl *g = NULL;
	enum sasl_result r;
	const char *challenge = NULL;
	char *out = NULL;
	int rc;

	assert_int_equal(gsasl_init(&g), GSASL_OK);
	gsasl_callback_hook_set(g, who);
	gsasl_callback_set(g, give_password);
	assert_int_equal(gsasl_client_start(g, mechanism, &c), GSASL_OK);
	assert_int_equal(
	    sasl_session_new(u, mechanism, strlen(mechanism), &s), 0);
	do {
		rc = gsasl_step64(c, challenge, &out);
		assert_true(rc == GSASL_OK || rc == GSASL_NEEDS_MORE);
		r = sasl_session_step(s, out, &challenge);
		gsasl_free(out);
	} while (r == SASL_CHALLENGE);
	if (r == SASL_DONE)
		assert_string_equal(sasl_session_user(s), name);
	gsasl_finish(c);
	gsasl_done(g);
	sasl_session_free(&s);
	assert_null(s);
	return r;
}

static void
test_the_right_password_is_taken_and_no_other(void **state)
{
	static const char *const mechanisms[] = { "PLAIN", "SCRAM-SHA-256" };
	struct sasl_users *u = load();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *m = mechanisms[i];

		assert_int_equal(
		    authenticate(u, m, "ops", "pencil", NULL), SASL_DONE);
		assert_int_equal(
		    authenticate(u, m, "ops", "pencil", "ops"), SASL_DONE);
		assert_int_equal(
		    authenticate(u, m, "bridge", "p\xc3\xa4ss", NULL),
		    SASL_DONE);
		assert_int_not_equal(
		    authenticate(u, m, "ops", "Pencil", NULL), SASL_DONE);
		assert_int_not_equal(
		    authenticate(u, m, "bridge", "pencil", NULL), SASL_DONE);
		assert_int_not_equal(
		    authenticate(u, m, "nobody", "nothing", NULL), SASL_DONE);
		assert_int_not_equal(
		    authenticate(u, m, "ops", "pencil", "bridge"), SASL_DONE);
	}
	sasl_users_free(&u);
	assert_null(u);
}

static void
test_nonsense_is_refused(void **state)
{
	static const char *const nonsense[] = { "=", "AAAA", "!!",
		"YQ==", "bixhPWEsbj1vcHMscj1hYmM=", "AG9wcwA=", "AG9wcw==" };
	struct sasl_users *u = load();

	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		struct sasl_session *s = NULL;
		const char *out;

		assert_int_equal(sasl_session_new(u, "plain", 5, &s), 0);
		assert_int_not_equal(
		    sasl_session_step(s, nonsense[i], &out), SASL_DONE);
		sasl_session_free(&s);
		assert_int_equal(
		    sasl_session_new(u, "SCRAM-SHA-256", 13, &s), 0);
		assert_int_not_equal(
		    sasl_session_step(s, nonsense[i], &out), SASL_DONE);
		sasl_session_free(&s);
	}
	sasl_users_free(&u);
}

static void
test_a_bad_file_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "ops\n", ":1: NAME:{SCRAM-SHA-256}" },
		{ "#\nops:secret\n", ":2: NAME:" },
		{ "ops:{SCRAM-SHA-1}4096,QQ==,QQ==,QQ==\n", ":1: NAME:" },
		{ "ops:{SCRAM-SHA-256}4096,QQ==,QQ==,QQ==\n", ":1: NAME:" },
		{ "ops:{SCRAM-SHA-256}10,QQ==,QQ==\n", ":1: NAME:" },
		{ ":{SCRAM-SHA-256}4096,QQ==,QQ==,QQ==\n", ":1: NAME:" },
	};
	struct sasl_users *u = NULL;
	char err[512], line[SASL_LINE_MAX], twice[2 * SASL_LINE_MAX + 4];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_file(bad[i].text);
		assert_int_equal(
		    sasl_users_load(path, err, sizeof(err), &u), -1);
		assert_non_null(strstr(err, bad[i].why));
		assert_null(u);
	}
	assert_int_equal(sasl_make_line("ops", "x", line), 0);
	snprintf(twice, sizeof(twice), "%s\n%s\n", line, line);
	write_file(twice);
	assert_int_equal(sasl_users_load(path, err, sizeof(err), &u), -1);
	assert_non_null(strstr(err, ":2: the user is there already"));
	assert_int_equal(
	    sasl_users_load("/nonexistent", err, sizeof(err), &u), -1);
	assert_non_null(strstr(err, "/nonexistent: No such file"));
	assert_int_equal(sasl_make_line("a:b", "x", line), -1);
	assert_int_equal(sasl_make_line("a", "", line), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_right_password_is_taken_and_no_other),
		cmocka_unit_test(test_nonsense_is_refused),
		cmocka_unit_test(test_a_bad_file_is_refused_with_its_line),
	};
	int fd = mkstemp(path), failed;

	if (fd < 0)
		return 1;
	close(fd);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}

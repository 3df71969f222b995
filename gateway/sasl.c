#include "gateway/sasl.h"

#include <errno.h>
#include <gsasl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH GSASL_HASH_SHA256
#define HASH_LEN GSASL_HASH_SHA256_SIZE
/* Each password costs this many rounds, here and at the client. */
#define ITERATIONS 10000
#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 1000000
#define SALT_LEN 16
#define FIELD_MAX 96
#define USERS_MAX 10000
#define PREFIX "{SCRAM-SHA-256}"

struct user {
	char name[SASL_USER_MAX + 1];
	char iterations[12];
	char salt[FIELD_MAX], stored[FIELD_MAX], server[FIELD_MAX];
};

struct sasl_users {
	struct user *v;
	size_t n;
	struct user nobody; /* stands in for names that do not exist */
};

struct sasl_session {
	const struct sasl_users *users;
	Gsasl *gsasl;
	Gsasl_session *session;
	char *out;
	bool finished; /* but for the client's nod to our last words */
	char user[SASL_USER_MAX + 1];
};

/* --- the file ------------------------------------------------------------- */

/* The next field up to the separator; false if it does not fit. */
static bool
take_field(const char **at, char sep, char *to, size_t cap)
{
	const char *end = sep != '\0' ? strchr(*at, sep) : *at + strlen(*at);
	size_t n;

	if (end == NULL)
		return false;
	n = (size_t)(end - *at);
	if (n == 0 || n >= cap)
		return false;
	memcpy(to, *at, n);
	to[n] = '\0';
	*at = sep != '\0' ? end + 1 : end;
	return true;
}

static bool
is_base64(const char *text, size_t want)
{
	char *raw = NULL;
	size_t len = 0;
	bool ok =
	    gsasl_base64_from(text, strlen(text), &raw, &len) == GSASL_OK &&
	    (want == 0 || len == want);

	gsasl_free(raw);
	return ok;
}

static bool
parse_user(const char *line, struct user *u)
{
	long iterations;

	memset(u, 0, sizeof(*u));
	if (!take_field(&line, ':', u->name, sizeof(u->name)) ||
	    strncmp(line, PREFIX, strlen(PREFIX)) != 0)
		return false;
	line += strlen(PREFIX);
	if (!take_field(&line, ',', u->iterations, sizeof(u->iterations)) ||
	    !take_field(&line, ',', u->salt, sizeof(u->salt)) ||
	    !take_field(&line, ',', u->stored, sizeof(u->stored)) ||
	    !take_field(&line, '\0', u->server, sizeof(u->server)))
		return false;
	iterations = strtol(u->iterations, NULL, 10);
	return iterations >= ITERATIONS_MIN && iterations <= ITERATIONS_MAX &&
	       is_base64(u->salt, 0) && is_base64(u->stored, HASH_LEN) &&
	       is_base64(u->server, HASH_LEN);
}

static const struct user *
find_user(const struct sasl_users *users, const char *name)
{
	for (size_t i = 0; i < users->n; i++)
		if (strcmp(users->v[i].name, name) == 0)
			return &users->v[i];
	return NULL;
}

static int
read_users(struct sasl_users *u, FILE *f, const char *path, char *errbuf,
    size_t errcap)
{
	char line[SASL_LINE_MAX];
	struct user next;

	for (unsigned n = 1; fgets(line, sizeof(line), f) != NULL; n++) {
		const char *what = NULL;

		line[strcspn(line, "\r\n")] = '\0';
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (!parse_user(line, &next))
			what = "NAME:" PREFIX "ITERATIONS,SALT,STOREDKEY,"
			       "SERVERKEY was expected";
		else if (find_user(u, next.name) != NULL)
			what = "the user is there already";
		else if (u->n == USERS_MAX)
			what = "too many users";
		if (what != NULL) {
			snprintf(errbuf, errcap, "%s:%u: %s", path, n, what);
			return -1;
		}
		u->v[u->n++] = next;
	}
	return 0;
}

int
sasl_users_load(
    const char *path, char *errbuf, size_t errcap, struct sasl_users **ret_u)
{
	struct sasl_users *u = calloc(1, sizeof(*u));
	char line[SASL_LINE_MAX];
	FILE *f = NULL;
	int rc = -1;

	if (u != NULL)
		u->v = calloc(USERS_MAX, sizeof(*u->v));
	if (u != NULL && u->v != NULL &&
	    sasl_make_line("nobody", "nothing", line) == 0 &&
	    parse_user(line, &u->nobody))
		f = fopen(path, "re");
	if (f == NULL) {
		snprintf(errbuf, errcap, "%s: %s", path, strerror(errno));
	} else {
		rc = read_users(u, f, path, errbuf, errcap);
		fclose(f);
	}
	if (rc != 0) {
		sasl_users_free(&u);
		return rc;
	}
	*ret_u = u;
	return 0;
}

void
sasl_users_free(struct sasl_users **up)
{
	struct sasl_users *u = *up;

	*up = NULL;
	if (u == NULL)
		return;
	free(u->v);
	free(u);
}

size_t
sasl_users_count(const struct sasl_users *u)
{
	return u->n;
}

/* --- a line --------------------------------------------------------------- */

static bool
to_base64(const char *raw, size_t len, char *to, size_t cap)
{
	char *text = NULL;
	size_t n = 0;
	bool ok = gsasl_base64_to(raw, len, &text, &n) == GSASL_OK && n < cap;

	if (ok)
		memcpy(to, text, n + 1);
	gsasl_free(text);
	return ok;
}

int
sasl_make_line(const char *user, const char *password, char line[SASL_LINE_MAX])
{
	char salt[SALT_LEN], salted[HASH_LEN], client[HASH_LEN],
	    server[HASH_LEN], stored[HASH_LEN], *prepared = NULL;
	char salt64[FIELD_MAX], server64[FIELD_MAX], stored64[FIELD_MAX];
	bool ok =
	    user[0] != '\0' && strlen(user) <= SASL_USER_MAX &&
	    strpbrk(user, ":\r\n#") == NULL && password[0] != '\0' &&
	    gsasl_saslprep(password, 0, &prepared, NULL) == GSASL_OK &&
	    gsasl_nonce(salt, sizeof(salt)) == GSASL_OK &&
	    gsasl_scram_secrets_from_password(HASH, prepared, ITERATIONS, salt,
		sizeof(salt), salted, client, server, stored) == GSASL_OK &&
	    to_base64(salt, sizeof(salt), salt64, sizeof(salt64)) &&
	    to_base64(stored, sizeof(stored), stored64, sizeof(stored64)) &&
	    to_base64(server, sizeof(server), server64, sizeof(server64));

	gsasl_free(prepared);
	if (!ok)
		return -1;
	snprintf(line, SASL_LINE_MAX, "%s:" PREFIX "%d,%s,%s,%s", user,
	    ITERATIONS, salt64, stored64, server64);
	return 0;
}

/* --- sessions ------------------------------------------------------------- */

/* In the same time wherever the first difference is. */
static bool
same_octets(const char *a, const char *b, size_t len)
{
	unsigned diff = 0;

	for (size_t i = 0; i < len; i++)
		diff |= (unsigned char)a[i] ^ (unsigned)(unsigned char)b[i];
	return diff == 0;
}

static bool
password_fits(const struct user *u, const char *password)
{
	char salted[HASH_LEN], client[HASH_LEN], server[HASH_LEN],
	    stored[HASH_LEN];
	char *salt = NULL, *want = NULL, *prepared = NULL;
	size_t salt_len = 0, want_len = 0;
	bool ok = gsasl_saslprep(password, 0, &prepared, NULL) == GSASL_OK &&
		  gsasl_base64_from(
		      u->salt, strlen(u->salt), &salt, &salt_len) == GSASL_OK &&
		  gsasl_base64_from(u->stored, strlen(u->stored), &want,
		      &want_len) == GSASL_OK &&
		  gsasl_scram_secrets_from_password(HASH, prepared,
		      (unsigned)strtoul(u->iterations, NULL, 10), salt,
		      salt_len, salted, client, server, stored) == GSASL_OK &&
		  same_octets(stored, want, HASH_LEN);

	gsasl_free(prepared);
	gsasl_free(salt);
	gsasl_free(want);
	return ok;
}

/* Nobody acts for somebody else. */
static bool
acts_for_himself(Gsasl_session *g, const char *name)
{
	const char *other = gsasl_property_fast(g, GSASL_AUTHZID);

	return other == NULL || other[0] == '\0' || strcmp(other, name) == 0;
}

static int
validate_plain(struct sasl_session *s, Gsasl_session *g)
{
	const char *name = gsasl_property_get(g, GSASL_AUTHID);
	const char *password = gsasl_property_get(g, GSASL_PASSWORD);
	const struct user *u;
	bool ok;

	if (name == NULL || password == NULL)
		return GSASL_AUTHENTICATION_ERROR;
	u = find_user(s->users, name);
	/* A name that does not exist costs as much time as one that does. */
	ok = password_fits(u != NULL ? u : &s->users->nobody, password);
	return ok && u != NULL && acts_for_himself(g, name)
		   ? GSASL_OK
		   : GSASL_AUTHENTICATION_ERROR;
}

static int
give_secret(struct sasl_session *s, Gsasl_session *g, Gsasl_property prop)
{
	const char *name = gsasl_property_fast(g, GSASL_AUTHID);
	const struct user *u = name != NULL ? find_user(s->users, name) : NULL;
	const char *value = NULL;

	if (u == NULL || !acts_for_himself(g, name))
		u = &s->users->nobody;
	if (prop == GSASL_SCRAM_ITER)
		value = u->iterations;
	else if (prop == GSASL_SCRAM_SALT)
		value = u->salt;
	else if (prop == GSASL_SCRAM_STOREDKEY)
		value = u->stored;
	else if (prop == GSASL_SCRAM_SERVERKEY)
		value = u->server;
	if (value == NULL)
		return GSASL_NO_CALLBACK;
	return gsasl_property_set(g, prop, value);
}

static int
callback(Gsasl *gsasl, Gsasl_session *g, Gsasl_property prop)
{
	struct sasl_session *s = gsasl_session_hook_get(g);

	(void)gsasl;
	if (prop == GSASL_VALIDATE_SIMPLE)
		return validate_plain(s, g);
	return give_secret(s, g, prop);
}

int
sasl_session_new(const struct sasl_users *u, const char *mechanism, size_t len,
    struct sasl_session **ret_s)
{
	struct sasl_session *s = calloc(1, sizeof(*s));
	char name[32];

	if (s == NULL || len >= sizeof(name)) {
		free(s);
		return -1;
	}
	for (size_t i = 0; i < len; i++)
		name[i] = mechanism[i] >= 'a' && mechanism[i] <= 'z'
			      ? (char)(mechanism[i] - 'a' + 'A')
			      : mechanism[i];
	name[len] = '\0';
	s->users = u;
	if (gsasl_init(&s->gsasl) != GSASL_OK) {
		free(s);
		return -1;
	}
	gsasl_callback_set(s->gsasl, callback);
	if (gsasl_server_start(s->gsasl, name, &s->session) != GSASL_OK) {
		gsasl_done(s->gsasl);
		free(s);
		return -1;
	}
	gsasl_session_hook_set(s->session, s);
	*ret_s = s;
	return 0;
}

void
sasl_session_free(struct sasl_session **sp)
{
	struct sasl_session *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	gsasl_free(s->out);
	gsasl_finish(s->session);
	gsasl_done(s->gsasl);
	free(s);
}

/* The mechanism is content; are we? */
static enum sasl_result
judge(struct sasl_session *s)
{
	const char *name = gsasl_property_fast(s->session, GSASL_AUTHID);

	/* A proof made with the stand-in's keys proves nothing. */
	if (name == NULL || find_user(s->users, name) == NULL ||
	    !acts_for_himself(s->session, name))
		return SASL_REFUSED;
	snprintf(s->user, sizeof(s->user), "%s", name);
	return SASL_DONE;
}

enum sasl_result
sasl_session_step(struct sasl_session *s, const char *in, const char **ret_out)
{
	int rc;

	*ret_out = "";
	if (in != NULL && strcmp(in, "=") == 0)
		in = "";
	if (s->finished)
		return in == NULL || in[0] == '\0' ? judge(s) : SASL_BAD;
	gsasl_free(s->out);
	s->out = NULL;
	rc = gsasl_step64(s->session, in, &s->out);
	if (s->out != NULL)
		*ret_out = s->out;
	if (rc == GSASL_NEEDS_MORE)
		return SASL_CHALLENGE;
	if (rc == GSASL_AUTHENTICATION_ERROR)
		return SASL_REFUSED;
	if (rc != GSASL_OK)
		return SASL_BAD;
	/* RFC 4954 4: a success has no room for last words; a challenge has. */
	s->finished = (*ret_out)[0] != '\0';
	return s->finished ? SASL_CHALLENGE : judge(s);
}

const char *
sasl_session_user(const struct sasl_session *s)
{
	return s->user;
}

/*
 * SASL for our server side: the only file that knows GNU SASL.
 *
 * Users and their passwords come from a file with one line each:
 *	NAME:{SCRAM-SHA-256}ITERATIONS,SALT,STOREDKEY,SERVERKEY
 * salt and keys in base64, as `mulectl password` and Dovecot's doveadm make
 * them.  Blank lines and lines that begin with # say nothing.  The file has no
 * passwords, and both mechanisms, SCRAM-SHA-256 (RFC 7677) and PLAIN (RFC
 * 4616), are checked against it.
 */
#ifndef MULETEER_GATEWAY_SASL_H
#define MULETEER_GATEWAY_SASL_H

#include <stddef.h>

/* For EHLO: the best first. */
#define SASL_MECHANISMS "SCRAM-SHA-256 PLAIN"
#define SASL_USER_MAX 128
#define SASL_LINE_MAX 512

struct sasl_users;

/* 0, or -1 and a line in errbuf: file, line, and what was expected. */
int sasl_users_load(
    const char *path, char *errbuf, size_t errcap, struct sasl_users **ret_u);
void sasl_users_free(struct sasl_users **u);
size_t sasl_users_count(const struct sasl_users *u);

/* One authentication; *u is borrowed.  Not NUL-terminated name.  -1: out of
 * memory, or no such mechanism. */
struct sasl_session;
int sasl_session_new(const struct sasl_users *u, const char *mechanism,
    size_t len, struct sasl_session **ret_s);
void sasl_session_free(struct sasl_session **s);

enum sasl_result {
	SASL_DONE,      /* see sasl_session_user() */
	SASL_CHALLENGE, /* *ret_out is to be sent: base64, of the session */
	SASL_BAD,       /* not what the mechanism expects */
	SASL_REFUSED,   /* no such user, or the wrong password */
};

/*
 * One step with what the client sent: base64, "=" for an empty initial
 * response, NULL for none.  May take some milliseconds of CPU: in a worker.
 */
enum sasl_result sasl_session_step(
    struct sasl_session *s, const char *in, const char **ret_out);
const char *sasl_session_user(const struct sasl_session *s);

/*
 * The line for a user with that password, with a salt of its own; 0, or -1 for
 * a name or password that SASL does not allow.
 */
int sasl_make_line(
    const char *user, const char *password, char line[SASL_LINE_MAX]);

#endif

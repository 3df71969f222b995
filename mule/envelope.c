#include "mule/envelope.h"

#include <stdlib.h>
#include <string.h>

#include "smtp/line.h"
#include "smtp/param.h"

/* The parts of a line in order; parameters of both kinds are checked. */
static int
check_from(struct smtp_str line)
{
	struct smtp_envelope_line l;
	struct smtp_mail_params p;

	if (smtp_line_parse(line, SMTP_PATH_NULL | SMTP_PATH_UTF8, &l) !=
		SMTP_OK ||
	    smtp_mail_params_parse(l.params, &p, NULL) != SMTP_OK)
		return MULE_EFROM;
	return MULE_OK;
}

static int
check_rcpt(struct smtp_str line)
{
	struct smtp_envelope_line l;
	struct smtp_rcpt_params p;

	if (smtp_line_parse(line, SMTP_PATH_UTF8, &l) != SMTP_OK ||
	    smtp_rcpt_params_parse(l.params, &p, NULL) != SMTP_OK)
		return MULE_ERCPT;
	return MULE_OK;
}

static int
next_line(const char *text, size_t len, size_t *pos, struct smtp_str *ret_line)
{
	size_t used;

	switch (smtp_line_first(text + *pos, len - *pos, ret_line, &used)) {
	case SMTP_OK: *pos += used; return MULE_OK;
	case SMTP_ESYNTAX: return MULE_EENVELOPE;
	default: return MULE_ELINE;
	}
}

/* Append to an array that grows by doubling. */
static int
add_rcpt(struct mule_envelope *env, size_t *cap, struct smtp_str line)
{
	if (env->nrcpts == *cap) {
		size_t more = *cap == 0 ? 8 : 2 * *cap;
		struct smtp_str *p =
		    realloc(env->rcpt_lines, more * sizeof(*p));

		if (p == NULL)
			return MULE_ENOMEM;
		env->rcpt_lines = p;
		*cap = more;
	}
	env->rcpt_lines[env->nrcpts++] = line;
	return MULE_OK;
}

static int
parse_rcpts(const char *text, size_t len, size_t pos, size_t rcpts_max,
    struct mule_envelope *env)
{
	struct smtp_str line;
	size_t cap = 0;
	int rc;

	while ((rc = next_line(text, len, &pos, &line)) == MULE_OK &&
	       line.len > 0) {
		rc = check_rcpt(line);
		if (rc == MULE_OK && env->nrcpts == rcpts_max)
			rc = MULE_ETOOMANY;
		if (rc == MULE_OK)
			rc = add_rcpt(env, &cap, line);
		if (rc != MULE_OK)
			return rc;
	}
	if (rc == MULE_OK && env->nrcpts == 0)
		rc = MULE_EENVELOPE;
	env->content = pos;
	return rc;
}

int
mule_envelope_parse(const void *payload, size_t len, size_t rcpts_max,
    struct mule_envelope *ret_env)
{
	struct mule_envelope env = { .rcpt_lines = NULL };
	size_t pos = 0;
	int rc = next_line(payload, len, &pos, &env.from_line);

	if (rc == MULE_OK)
		rc = check_from(env.from_line);
	if (rc == MULE_OK)
		rc = parse_rcpts(payload, len, pos, rcpts_max, &env);
	if (rc != MULE_OK) {
		mule_envelope_release(&env);
		return rc;
	}
	*ret_env = env;
	return MULE_OK;
}

void
mule_envelope_release(struct mule_envelope *env)
{
	free(env->rcpt_lines);
	env->rcpt_lines = NULL;
	env->nrcpts = 0;
}

size_t
mule_envelope_size(
    struct smtp_str from_line, const struct smtp_str *rcpt_lines, size_t nrcpts)
{
	size_t n = from_line.len + 2;

	for (size_t i = 0; i < nrcpts; i++)
		n += rcpt_lines[i].len + 2;
	return n + 2;
}

static uint8_t *
put_line(uint8_t *p, struct smtp_str line)
{
	memcpy(p, line.p, line.len);
	p += line.len;
	*p++ = '\r';
	*p++ = '\n';
	return p;
}

void
mule_envelope_write(struct smtp_str from_line,
    const struct smtp_str *rcpt_lines, size_t nrcpts, uint8_t *buf)
{
	uint8_t *p = put_line(buf, from_line);

	for (size_t i = 0; i < nrcpts; i++)
		p = put_line(p, rcpt_lines[i]);
	(void)put_line(p, (struct smtp_str){ "", 0 });
}

/*
 * The envelope towards one server; see client_env.h.  One table says which
 * extension a parameter belongs to; refusal() and rcpt_refusal() are the rules
 * of the extensions that do not allow a parameter to be dropped.
 */
#include "smtp/client_env.h"

#include <string.h>

/*
 * A parameter that is not here belongs to no extension that we know, and is
 * not sent.  SIZE, BODY and MT-PRIORITY are not here because they are written
 * anew: see write_own().
 */
static const struct owner {
	const char *keyword;
	bool rcpt; /* of RCPT, else of MAIL */
	unsigned ext;
} owners[] = {
	{ "RET", false, SMTP_EXT_DSN },
	{ "ENVID", false, SMTP_EXT_DSN },
	{ "NOTIFY", true, SMTP_EXT_DSN },
	{ "ORCPT", true, SMTP_EXT_DSN },
	{ "BY", false, SMTP_EXT_DELIVERBY },
	{ "AUTH", false, SMTP_EXT_AUTH },
	{ "SUBMITTER", false, SMTP_EXT_SUBMITTER },
	{ "SMTPUTF8", false, SMTP_EXT_SMTPUTF8 },
	{ "RRVS", true, SMTP_EXT_RRVS },
};

static unsigned
owner(struct smtp_str keyword, bool rcpt)
{
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++)
		if (owners[i].rcpt == rcpt &&
		    smtp_str_is(keyword, owners[i].keyword))
			return owners[i].ext;
	return 0;
}

static const struct smtp_client_refusal syntax = {
	501,
	"5.5.4",
	"The envelope is not valid SMTP",
};

static const struct smtp_client_refusal need_utf8 = {
	553,
	"5.6.7",
	"The next server does not take SMTPUTF8",
};

/* --- whether it can go --------------------------------------------------- */

static const struct smtp_client_refusal *
body_refusal(const struct smtp_caps *caps, const struct smtp_client_message *m,
    enum smtp_body body)
{
	static const struct smtp_client_refusal
	    binary = { 554, "5.6.3",
		    "The next server does not take BINARYMIME" },
	    eight = { 554, "5.6.3", "The next server does not take 8BITMIME" };
	const unsigned need = SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING;

	if (body == SMTP_BODY_BINARYMIME && (caps->extensions & need) != need)
		return &binary;
	if (body == SMTP_BODY_8BITMIME && !m->seven_bit &&
	    (caps->extensions & SMTP_EXT_8BITMIME) == 0)
		return &eight;
	return NULL;
}

/* RFC 2852: mode R only goes to a server that promises to keep it. */
static const struct smtp_client_refusal *
by_refusal(const struct smtp_caps *caps, const struct smtp_mail_params *p)
{
	static const struct smtp_client_refusal
	    missing = { 554, "5.3.3",
		    "The next server does not offer DELIVERBY" },
	    late = { 554, "5.4.7",
		    "The next server cannot deliver in the time left" };

	if (p->by != SMTP_BY_RETURN)
		return NULL;
	if ((caps->extensions & SMTP_EXT_DELIVERBY) == 0)
		return &missing;
	if (p->by_seconds <= 0 || p->by_seconds < caps->by_min)
		return &late;
	return NULL;
}

static bool
asks_for_tls(struct smtp_str params)
{
	struct smtp_param param;
	size_t pos = 0;

	while (smtp_param_next(params, &pos, &param) == 1)
		if (smtp_str_is(param.keyword, "REQUIRETLS"))
			return true;
	return false;
}

static const struct smtp_client_refusal *
refusal(const struct smtp_caps *caps, const struct smtp_client_message *m,
    const struct smtp_mail_params *p, struct smtp_str params)
{
	static const struct smtp_client_refusal
	    too_big = { 552, "5.3.4", "Message too big for the next server" },
	    tls = { 550, "5.7.30", "REQUIRETLS cannot be honoured" };

	if (caps->size_max != 0 && m->size > caps->size_max)
		return &too_big;
	/* RFC 8689: must not be forgotten, and this session cannot know what
	 * it runs over. */
	if (asks_for_tls(params))
		return &tls;
	if (p->has_smtputf8 && (caps->extensions & SMTP_EXT_SMTPUTF8) == 0)
		return &need_utf8;
	if (by_refusal(caps, p) != NULL)
		return by_refusal(caps, p);
	return body_refusal(caps, m, p->body);
}

/*
 * RFC 7293: unless it may be continued without the check, a recipient who has
 * changed hands must not get the mail.
 */
static const struct smtp_client_refusal *
rcpt_refusal(const struct smtp_caps *caps, const struct smtp_rcpt_params *p)
{
	static const struct smtp_client_refusal unchecked = { 550, "5.7.19",
		"The next server does not offer RRVS" };
	struct smtp_str end = { "", 0 };

	if (!p->has_rrvs || (caps->extensions & SMTP_EXT_RRVS) != 0)
		return NULL;
	if (p->rrvs.len >= 2) {
		end.p = p->rrvs.p + p->rrvs.len - 2;
		end.len = 2;
	}
	return smtp_str_is(end, ";C") ? NULL : &unchecked;
}

enum smtp_body
smtp_client_body(const struct smtp_caps *caps)
{
	const unsigned binary = SMTP_EXT_BINARYMIME | SMTP_EXT_CHUNKING;

	if ((caps->extensions & binary) == binary)
		return SMTP_BODY_BINARYMIME;
	return (caps->extensions & SMTP_EXT_8BITMIME) != 0 ? SMTP_BODY_8BITMIME
							   : SMTP_BODY_7BIT;
}

/* --- writing ------------------------------------------------------------- */

static void
write_param(struct smtp_line_writer *w, const struct smtp_param *param)
{
	(void)smtp_write_text(w, " ");
	(void)smtp_write_str(w, param->keyword);
	if (!param->has_value)
		return;
	(void)smtp_write_text(w, "=");
	(void)smtp_write_str(w, param->value);
}

/*
 * The parameters whose extension the server offers, as they were given; but
 * see write_notify().
 */
static void
write_allowed(struct smtp_line_writer *w, const struct smtp_caps *caps,
    struct smtp_str list, bool rcpt, struct smtp_client_env *env)
{
	struct smtp_param param;
	size_t pos = 0;

	while (smtp_param_next(list, &pos, &param) == 1) {
		unsigned ext = owner(param.keyword, rcpt);

		if ((ext & caps->extensions) == 0)
			env->dropped |= ext;
		else if (!env->by_lost || !smtp_str_is(param.keyword, "NOTIFY"))
			write_param(w, &param);
	}
}

static void
write_own(struct smtp_line_writer *w, const struct smtp_caps *caps,
    const struct smtp_client_message *m, const struct smtp_mail_params *p,
    struct smtp_client_env *env)
{
	/* RFC 1870: other hops have added to what the sender announced. */
	if ((caps->extensions & SMTP_EXT_SIZE) != 0) {
		(void)smtp_write_text(w, " SIZE=");
		(void)smtp_write_number(w, (int64_t)m->size);
	}
	/* RFC 8494 writes BODY=BINARY, and no SMTP server knows that. */
	if (p->body == SMTP_BODY_BINARYMIME)
		(void)smtp_write_text(w, " BODY=BINARYMIME");
	else if (p->body == SMTP_BODY_8BITMIME &&
		 (caps->extensions & SMTP_EXT_8BITMIME) != 0)
		(void)smtp_write_text(w, " BODY=8BITMIME");
	/* RFC 6758 3.2: present towards every hop that supports it. */
	if ((caps->extensions & SMTP_EXT_MT_PRIORITY) != 0) {
		(void)smtp_write_text(w, " MT-PRIORITY=");
		(void)smtp_write_number(w, p->priority);
	} else if (p->has_priority) {
		env->dropped |= SMTP_EXT_MT_PRIORITY;
	}
}

static void
write_path(
    struct smtp_line_writer *w, const char *command, struct smtp_str mailbox)
{
	(void)smtp_write_text(w, command);
	(void)smtp_write_text(w, "<");
	(void)smtp_write_str(w, mailbox);
	(void)smtp_write_text(w, ">");
}

/* What is not ASCII needs SMTPUTF8, whatever parameter or part it is in. */
static const struct smtp_client_refusal *
write_done(struct smtp_line_writer *w, bool utf8)
{
	for (size_t i = 0; i < w->len && !utf8; i++)
		if ((unsigned char)w->buf[i] > 126)
			return &need_utf8;
	(void)smtp_write_text(w, "\r\n");
	return smtp_write_end(w) ? NULL : &syntax;
}

bool
smtp_client_write_mail(struct smtp_line_writer *w, const struct smtp_caps *caps,
    const struct smtp_client_message *m, struct smtp_client_env *ret_env,
    struct smtp_client_refusal *ret_why)
{
	const struct smtp_client_refusal *why = &syntax;
	struct smtp_client_env env = { .dropped = 0 };
	struct smtp_envelope_line line;
	struct smtp_mail_params params;

	if (smtp_line_parse(m->from_line, SMTP_PATH_NULL | SMTP_PATH_UTF8,
		&line) == SMTP_OK &&
	    smtp_mail_params_parse(line.params, &params, NULL) == SMTP_OK) {
		if (m->converted != SMTP_BODY_NONE)
			params.body = m->converted;
		why = refusal(caps, m, &params, line.params);
	}
	if (why == NULL) {
		env.binary = params.body == SMTP_BODY_BINARYMIME;
		env.utf8 = params.has_smtputf8;
		env.by_lost = params.by == SMTP_BY_NOTIFY &&
			      (caps->extensions & SMTP_EXT_DELIVERBY) == 0;
		write_path(w, "MAIL FROM:", line.path.mailbox);
		write_own(w, caps, m, &params, &env);
		write_allowed(w, caps, line.params, false, &env);
		why = write_done(w, env.utf8);
	}
	if (why != NULL) {
		*ret_why = *why;
		return false;
	}
	*ret_env = env;
	return true;
}

/*
 * RFC 2852: whose deadline is lost on the way shall at least hear of a delay.
 * This is the one case in which NOTIFY is not passed on as it was given.
 */
static void
write_notify(struct smtp_line_writer *w, unsigned notify)
{
	if (notify == 0)
		notify = SMTP_NOTIFY_FAILURE;
	(void)smtp_write_text(w, " NOTIFY=");
	if ((notify & SMTP_NOTIFY_NEVER) != 0) {
		(void)smtp_write_text(w, "NEVER");
		return;
	}
	if ((notify & SMTP_NOTIFY_SUCCESS) != 0)
		(void)smtp_write_text(w, "SUCCESS,");
	if ((notify & SMTP_NOTIFY_FAILURE) != 0)
		(void)smtp_write_text(w, "FAILURE,");
	(void)smtp_write_text(w, "DELAY");
}

bool
smtp_client_write_rcpt(struct smtp_line_writer *w, const struct smtp_caps *caps,
    struct smtp_str rcpt_line, struct smtp_client_env *env,
    struct smtp_client_refusal *ret_why)
{
	const struct smtp_client_refusal *why = &syntax;
	struct smtp_client_env after = *env;
	struct smtp_envelope_line line;
	struct smtp_rcpt_params params;

	if (smtp_line_parse(rcpt_line, SMTP_PATH_POSTMASTER | SMTP_PATH_UTF8,
		&line) == SMTP_OK &&
	    smtp_rcpt_params_parse(line.params, &params, NULL) == SMTP_OK)
		why = rcpt_refusal(caps, &params);
	if (why == NULL) {
		write_path(w, "RCPT TO:", line.path.mailbox);
		write_allowed(w, caps, line.params, true, &after);
		if (env->by_lost && (caps->extensions & SMTP_EXT_DSN) != 0)
			write_notify(w, params.notify);
		why = write_done(w, env->utf8);
	}
	if (why != NULL) {
		*ret_why = *why;
		return false;
	}
	env->dropped = after.dropped;
	return true;
}

/*
 * The commands of a server session.  Each handler gets the argument of a
 * command that smtp_cmds[] allows in this state.
 */
#include <assert.h>
#include <string.h>

#include "smtp/server_session.h"

/* --- EHLO and HELO ------------------------------------------------------------ */

static void
offer(struct smtp_server *s, const char *keyword, const char *value, bool last)
{
	server_write(s, last ? "250 " : "250-");
	server_write(s, keyword);
	if (value != NULL && value[0] != '\0') {
		server_write(s, " ");
		server_write(s, value);
	}
	server_write(s, "\r\n");
}

static void
decimal(char *buf, size_t cap, uint64_t v)
{
	struct smtp_line_writer w;

	smtp_write_begin(&w, buf, cap);
	(void)smtp_write_number(&w, (int64_t)v);
	(void)!smtp_write_end(&w);
}

/* RFC 9422 4. */
static void
limits_value(char *buf, size_t cap, unsigned rcpts_max)
{
	struct smtp_line_writer w;

	smtp_write_begin(&w, buf, cap);
	(void)smtp_write_text(&w, "RCPTMAX=");
	(void)smtp_write_number(&w, rcpts_max);
	(void)!smtp_write_end(&w);
}

/* Exactly what the session then enforces. */
static void
offer_all(struct smtp_server *s)
{
	const struct smtp_server_config *c = s->cfg;
	char size[24], by[24], limits[40];
	const struct {
		unsigned ext;
		const char *keyword, *value;
	} rows[] = {
		{ SMTP_EXT_PIPELINING, "PIPELINING", NULL },
		{ SMTP_EXT_SIZE, "SIZE", size },
		{ SMTP_EXT_8BITMIME, "8BITMIME", NULL },
		{ SMTP_EXT_BINARYMIME, "BINARYMIME", NULL },
		{ SMTP_EXT_CHUNKING, "CHUNKING", NULL },
		{ SMTP_EXT_DSN, "DSN", NULL },
		{ SMTP_EXT_MT_PRIORITY, "MT-PRIORITY", c->priority_policy },
		{ SMTP_EXT_DELIVERBY, "DELIVERBY", c->by_min > 0 ? by : NULL },
		{ SMTP_EXT_ENHANCEDSTATUSCODES, "ENHANCEDSTATUSCODES", NULL },
		{ SMTP_EXT_SMTPUTF8, "SMTPUTF8", NULL },
		{ SMTP_EXT_RRVS, "RRVS", NULL },
		{ SMTP_EXT_SUBMITTER, "SUBMITTER", NULL },
		{ SMTP_EXT_LIMITS, "LIMITS", limits },
		{ SMTP_EXT_STARTTLS, "STARTTLS", NULL },
		{ SMTP_EXT_AUTH, "AUTH", c->auth_mechanisms },
	};

	decimal(size, sizeof(size), c->size_max);
	decimal(by, sizeof(by), (uint64_t)c->by_min);
	limits_value(limits, sizeof(limits), c->rcpts_max);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if ((server_offered(s) & rows[i].ext) != 0)
			offer(s, rows[i].keyword, rows[i].value, false);
	offer(s, "HELP", NULL, true);
}

static void
do_helo(struct smtp_server *s, struct smtp_str arg, bool esmtp)
{
	if (!smtp_domain_valid(arg, 0)) {
		server_answer(s, 501, "5.5.4",
		    "The argument is a domain or an address literal");
		return;
	}
	server_reset(s);
	memcpy(s->helo, arg.p, arg.len);
	s->helo[arg.len] = '\0';
	s->esmtp = esmtp;
	s->state = SMTP_STATE_READY;
	if (esmtp) {
		offer(s, s->cfg->hostname, NULL, false);
		offer_all(s);
	} else {
		offer(s, s->cfg->hostname, NULL, true);
	}
}

/* --- MAIL ----------------------------------------------------------------------- */

/* The parameter that needs an extension this session does not offer, or "". */
static const char *
mail_not_offered(const struct smtp_server *s, const struct smtp_mail_params *p)
{
	const struct {
		bool given;
		unsigned ext;
		const char *name;
	} rows[] = {
		{ p->has_size, SMTP_EXT_SIZE, "SIZE" },
		{ p->body != SMTP_BODY_NONE, SMTP_EXT_8BITMIME, "BODY" },
		{ p->body == SMTP_BODY_BINARYMIME, SMTP_EXT_BINARYMIME,
		    "BODY=BINARYMIME" },
		{ p->ret != SMTP_RET_NONE, SMTP_EXT_DSN, "RET" },
		{ p->has_envid, SMTP_EXT_DSN, "ENVID" },
		{ p->has_priority, SMTP_EXT_MT_PRIORITY, "MT-PRIORITY" },
		{ p->by != SMTP_BY_NONE, SMTP_EXT_DELIVERBY, "BY" },
		{ p->has_auth, SMTP_EXT_AUTH, "AUTH" },
		{ p->has_submitter, SMTP_EXT_SUBMITTER, "SUBMITTER" },
		{ p->has_smtputf8, SMTP_EXT_SMTPUTF8, "SMTPUTF8" },
		{ p->unknown.len > 0, 0, "this" },
	};
	unsigned offered = server_offered(s);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].given && (offered & rows[i].ext) == 0)
			return rows[i].name;
	return "";
}

static const char *
rcpt_not_offered(const struct smtp_server *s, const struct smtp_rcpt_params *p)
{
	unsigned offered = server_offered(s);

	if (p->unknown.len > 0)
		return "this";
	if (p->notify != 0 && (offered & SMTP_EXT_DSN) == 0)
		return "NOTIFY";
	if (p->has_orcpt && (offered & SMTP_EXT_DSN) == 0)
		return "ORCPT";
	if (p->has_rrvs && (offered & SMTP_EXT_RRVS) == 0)
		return "RRVS";
	return "";
}

static void
answer_not_offered(struct smtp_server *s, const char *name)
{
	char text[64];
	struct smtp_line_writer w;

	smtp_write_begin(&w, text, sizeof(text));
	(void)smtp_write_text(&w, "Parameter not supported: ");
	(void)smtp_write_text(&w, name);
	(void)!smtp_write_end(&w);
	server_answer(s, 555, "5.5.4", text);
}

/* "FROM:" or "TO:", and blanks that the grammar has not and people write. */
static bool
skip_word(struct smtp_str *arg, const char *word)
{
	size_t n = strlen(word);

	if (arg->len < n || !smtp_str_is((struct smtp_str){ arg->p, n }, word))
		return false;
	arg->p += n;
	arg->len -= n;
	while (arg->len > 0 && arg->p[0] == ' ') {
		arg->p++;
		arg->len--;
	}
	return true;
}

/* What is not ASCII takes SMTPUTF8: with the offer, and with the parameter. */
static unsigned
utf8_flag(const struct smtp_server *s)
{
	return (server_offered(s) & SMTP_EXT_SMTPUTF8) != 0 ? SMTP_PATH_UTF8
							    : 0;
}

/* RFC 6531 3.5: false, and answered. */
static bool
may_be_utf8(struct smtp_server *s, struct smtp_str mailbox)
{
	for (size_t i = 0; i < mailbox.len && !s->utf8; i++)
		if ((unsigned char)mailbox.p[i] > 127) {
			server_answer(s, 553, "5.6.7",
			    "The address needs the parameter SMTPUTF8");
			return false;
		}
	return true;
}

static void
answer_path(struct smtp_server *s, int err, const char *status)
{
	server_answer(s, 501, status,
	    err == SMTP_ETOOLONG ? "Address too long" : "Address syntax error");
}

/* The limits that come with the parameters; true if all are kept. */
static bool
mail_limits(struct smtp_server *s, const struct smtp_mail_params *p)
{
	const struct smtp_server_config *c = s->cfg;

	if (c->size_max != 0 && p->size > c->size_max) {
		server_answer(s, 552, "5.3.4", "Message too big");
		return false;
	}
	/* RFC 2852 4: with R, a time that has passed is a mistake and one
	 * that we cannot keep a permanent failure. */
	if (p->by == SMTP_BY_RETURN && p->by_seconds <= 0) {
		server_answer(s, 501, "5.5.4", "BY time has passed");
		return false;
	}
	if (p->by == SMTP_BY_RETURN && p->by_seconds < c->by_min) {
		server_answer(s, 550, "5.4.7", "BY time is too short");
		return false;
	}
	return true;
}

static void
do_mail(struct smtp_server *s, struct smtp_str arg)
{
	struct smtp_envelope_line line;
	struct smtp_mail_params params;
	struct smtp_server_event *ev;
	const char *missing;
	int rc;

	if (!server_may_mail(s))
		return;
	if (!skip_word(&arg, "FROM:")) {
		server_answer(s, 501, "5.5.4", "Syntax: MAIL FROM:<address>");
		return;
	}
	rc = smtp_line_parse(arg, SMTP_PATH_NULL | utf8_flag(s), &line);
	if (rc != SMTP_OK) {
		answer_path(s, rc, "5.1.7");
		return;
	}
	rc = smtp_mail_params_parse(line.params, &params, NULL);
	if (rc != SMTP_OK) {
		server_answer(s, 501, "5.5.4",
		    rc == SMTP_EDUPLICATE ? "Parameter given twice"
					  : "Bad parameter value");
		return;
	}
	missing = mail_not_offered(s, &params);
	if (missing[0] != '\0') {
		answer_not_offered(s, missing);
		return;
	}
	s->utf8 = params.has_smtputf8;
	if (!may_be_utf8(s, line.path.mailbox) || !mail_limits(s, &params))
		return;
	s->body = params.body;
	ev = server_event(s, SMTP_SERVER_MAIL);
	ev->line = arg;
	ev->path = line.path;
	ev->mail = params;
	server_await(s, SMTP_SERVER_MAIL);
}

/* --- RCPT --------------------------------------------------------------------------- */

static void
do_rcpt(struct smtp_server *s, struct smtp_str arg)
{
	struct smtp_envelope_line line;
	struct smtp_rcpt_params params;
	struct smtp_server_event *ev;
	const char *missing;
	int rc;

	if (!skip_word(&arg, "TO:")) {
		server_answer(s, 501, "5.5.4", "Syntax: RCPT TO:<address>");
		return;
	}
	rc = smtp_line_parse(arg, SMTP_PATH_POSTMASTER | utf8_flag(s), &line);
	if (rc != SMTP_OK) {
		answer_path(s, rc, "5.1.3");
		return;
	}
	rc = smtp_rcpt_params_parse(line.params, &params, NULL);
	if (rc != SMTP_OK) {
		server_answer(s, 501, "5.5.4",
		    rc == SMTP_EDUPLICATE ? "Parameter given twice"
					  : "Bad parameter value");
		return;
	}
	missing = rcpt_not_offered(s, &params);
	if (missing[0] != '\0') {
		answer_not_offered(s, missing);
		return;
	}
	if (!may_be_utf8(s, line.path.mailbox) ||
	    (params.has_orcpt && !may_be_utf8(s, params.orcpt_xtext)))
		return;
	if (s->rcpts >= s->cfg->rcpts_max) {
		server_answer(s, 452, "4.5.3", "Too many recipients");
		return;
	}
	ev = server_event(s, SMTP_SERVER_RCPT);
	ev->line = arg;
	ev->path = line.path;
	ev->rcpt = params;
	server_await(s, SMTP_SERVER_RCPT);
}

/* --- DATA and BDAT --------------------------------------------------------------------- */

static void
do_data(struct smtp_server *s)
{
	if (s->body == SMTP_BODY_BINARYMIME) {
		/* RFC 3030 3: only RSET helps. */
		s->state = SMTP_STATE_SPOILT;
		server_answer(s, 503, "5.5.1", "BINARYMIME needs BDAT");
		return;
	}
	if (s->state != SMTP_STATE_RCPT) {
		server_answer(s, 554, "5.5.1", "No valid recipients");
		return;
	}
	s->state = SMTP_STATE_DATA;
	smtp_data_init(&s->data);
	(void)server_event(s, SMTP_SERVER_BEGIN);
	server_answer(s, 354, "", "Send the message, end with <CRLF>.<CRLF>");
}

/* Size and LAST of BDAT's argument. */
static bool
parse_bdat(struct smtp_str arg, uint64_t *ret_size, bool *ret_last)
{
	uint64_t v = 0;
	size_t i = 0;
	struct smtp_str rest;

	/* 18 digits cannot overflow, and nobody sends that much. */
	for (; i < arg.len && i < 18 && arg.p[i] >= '0' && arg.p[i] <= '9'; i++)
		v = v * 10 + (uint64_t)(arg.p[i] - '0');
	if (i == 0 || (i < arg.len && arg.p[i] != ' '))
		return false;
	rest.p = arg.p + i;
	rest.len = arg.len - i;
	while (rest.len > 0 && rest.p[0] == ' ') {
		rest.p++;
		rest.len--;
	}
	if (rest.len > 0 && !smtp_str_is(rest, "LAST"))
		return false;
	*ret_size = v;
	*ret_last = rest.len > 0;
	return true;
}

/* The chunk is not wanted: its octets are still on their way. */
static void
swallow_chunk(struct smtp_server *s, uint64_t size, int code,
    const char *status, const char *text)
{
	if (size == 0) {
		server_answer(s, code, status, text);
		return;
	}
	s->refuse_code = 0;
	smtp_server_refuse_content(s, code, status, text);
	s->chunk_left = size;
	s->chunk_swallow = true;
}

/* The first or a further chunk of a message that has a recipient. */
static void
begin_chunk(struct smtp_server *s, uint64_t size, bool last)
{
	if (s->state == SMTP_STATE_RCPT) {
		(void)server_event(s, SMTP_SERVER_BEGIN);
		s->chunk_cr = false;
	}
	s->state = SMTP_STATE_CHUNK;
	s->chunk_left = size;
	s->chunk_last = last;
}

static void
do_bdat(struct smtp_server *s, struct smtp_str arg)
{
	uint64_t size;
	bool last;

	if (!parse_bdat(arg, &size, &last)) {
		/* Without a size nobody knows where the next command is. */
		server_reset(s);
		server_close(s);
		server_answer(s, 521, "5.5.4", "Syntax: BDAT size [LAST]");
		return;
	}
	switch (s->state) {
	case SMTP_STATE_RCPT:
	case SMTP_STATE_CHUNKED:
		begin_chunk(s, size, last);
		if (size == 0)
			server_chunk_end(s);
		break;
	case SMTP_STATE_MAIL:
		swallow_chunk(s, size, 554, "5.5.1", "No valid recipients");
		break;
	case SMTP_STATE_START:
	case SMTP_STATE_READY:
	case SMTP_STATE_SPOILT:
	case SMTP_STATE_DATA:
	case SMTP_STATE_CHUNK:
	case SMTP_STATE_CLOSED:
	case SMTP_STATE_TLS:
	case SMTP_STATE_AUTH:
		swallow_chunk(s, size, 503, "5.5.1", "BDAT is not in order");
		break;
	}
}

/* --- the small ones ------------------------------------------------------------------------ */

static void
do_help(struct smtp_server *s)
{
	char text[SMTP_REPLY_LINE_MAX / 2];
	struct smtp_line_writer w;

	smtp_write_begin(&w, text, sizeof(text));
	(void)smtp_write_text(&w, "Commands:");
	for (size_t i = 0; i < smtp_ncmds; i++) {
		if (!smtp_cmds[i].implemented)
			continue;
		(void)smtp_write_text(&w, " ");
		(void)smtp_write_text(&w, smtp_cmds[i].name);
	}
	(void)!smtp_write_end(&w);
	server_answer(s, 214, "2.0.0", text);
}

static void
do_quit(struct smtp_server *s)
{
	server_reset(s);
	server_close(s);
	server_answer(s, 221, "2.0.0", "Bye");
}

static void
dispatch(struct smtp_server *s, enum smtp_verb verb, struct smtp_str arg)
{
	switch (verb) {
	case SMTP_EHLO: do_helo(s, arg, true); break;
	case SMTP_HELO: do_helo(s, arg, false); break;
	case SMTP_MAIL: do_mail(s, arg); break;
	case SMTP_RCPT: do_rcpt(s, arg); break;
	case SMTP_DATA_CMD: do_data(s); break;
	case SMTP_BDAT: do_bdat(s, arg); break;
	case SMTP_RSET:
		server_reset(s);
		server_answer(s, 250, "2.0.0", "Reset");
		break;
	case SMTP_NOOP: server_answer(s, 250, "2.0.0", "Fine"); break;
	case SMTP_QUIT: do_quit(s); break;
	case SMTP_VRFY:
		/* RFC 5321 7.3: an answer that reveals nothing. */
		server_answer(
		    s, 252, "2.5.0", "Not verified; send mail and see");
		break;
	case SMTP_HELP: do_help(s); break;
	case SMTP_STARTTLS_CMD: server_starttls(s); break;
	case SMTP_AUTH_CMD: server_auth(s, arg); break;
	case SMTP_EXPN:
	case SMTP_ETRN:
	case SMTP_TURN: assert(false); /* not implemented: answered 502 */
	}
}

void
server_command(struct smtp_server *s)
{
	struct smtp_str line = { s->line.buf, s->line.len };
	struct smtp_str arg = { "", 0 };
	const struct smtp_cmd *cmd = smtp_cmd_find(line, &arg);

	if (++s->commands > s->cfg->commands_max) {
		server_reset(s);
		server_close(s);
		server_answer(s, 421, "4.7.0", "Too many commands");
	} else if (cmd == NULL) {
		server_answer(s, 500, "5.5.2", "Command not recognized");
	} else if (!cmd->implemented ||
		   (cmd->extension & ~s->cfg->extensions) != 0) {
		server_answer(s, 502, "5.5.1", "Command not implemented");
	} else if ((cmd->allowed & s->state) == 0) {
		server_answer(s, 503, "5.5.1",
		    s->state == SMTP_STATE_START ? "Send EHLO first"
						 : "Command is not in order");
	} else if (cmd->arg == SMTP_ARG_NONE && arg.len > 0) {
		server_answer(s, 501, "5.5.4", "No argument allowed");
	} else if (cmd->arg == SMTP_ARG_REQUIRED && arg.len == 0) {
		server_answer(s, 501, "5.5.4", "Argument required");
	} else {
		dispatch(s, cmd->verb, arg);
	}
}

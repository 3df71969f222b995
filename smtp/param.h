/*
 * The parameters of MAIL and RCPT: RFC 5321 4.1.2 and the extensions.
 *
 * smtp_param_next() walks over `keyword[=value]` items as they stand, known or
 * not, which is what a relay needs.  smtp_mail_params() and smtp_rcpt_params()
 * give the known ones their meaning and are as strict as each extension's RFC.
 */
#ifndef MULETEER_SMTP_PARAM_H
#define MULETEER_SMTP_PARAM_H

#include "smtp/path.h"
#include "smtp/smtp.h"

/* --- as text ------------------------------------------------------------- */

struct smtp_param {
	struct smtp_str keyword;
	struct smtp_str value;
	bool has_value;
};

/*
 * The next item of a parameter list (items separated by single or more
 * spaces); *pos starts at 0.  1: an item; 0: the end; SMTP_ESYNTAX.
 */
int smtp_param_next(struct smtp_str list, size_t *pos,
    struct smtp_param *ret_param) SMTP_NODISCARD;

/* A line taken apart: "<path>[ SP parameters]". */
struct smtp_envelope_line {
	struct smtp_path path;
	struct smtp_str params; /* "" if there are none */
};

/* SMTP_ESYNTAX, SMTP_ETOOLONG.  flags: enum smtp_path_flags. */
int smtp_line_parse(struct smtp_str line, unsigned flags,
    struct smtp_envelope_line *ret_line) SMTP_NODISCARD;

/*
 * Builds a line in a fixed buffer.  Every put returns false, and the line is
 * spoilt, when it does not fit.
 */
struct smtp_line_writer {
	char *buf;
	size_t cap, len;
	bool overflow;
};

void smtp_write_begin(struct smtp_line_writer *w, char *buf, size_t cap);
bool smtp_write_str(struct smtp_line_writer *w, struct smtp_str s);
bool smtp_write_text(struct smtp_line_writer *w, const char *text);
bool smtp_write_number(struct smtp_line_writer *w, int64_t v);
/* NUL-terminates; false if anything did not fit. */
bool smtp_write_end(struct smtp_line_writer *w);

/* --- with their meaning ------------------------------------------------------ */

enum smtp_body {
	SMTP_BODY_NONE, /* not given: 7BIT */
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME,
	SMTP_BODY_BINARYMIME,
};

enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };

/* DELIVERBY's by-mode: RFC 2852. */
enum smtp_by { SMTP_BY_NONE, SMTP_BY_NOTIFY, SMTP_BY_RETURN };

struct smtp_mail_params {
	bool has_size;
	uint64_t size; /* RFC 1870; more than 2^63 counts as 2^63 */
	enum smtp_body body;
	enum smtp_ret ret;
	bool has_envid;
	struct smtp_str envid; /* xtext as given */
	bool has_priority;
	int priority; /* MT-PRIORITY, -9..9 */
	enum smtp_by by;
	int64_t by_seconds;
	bool by_trace;
	bool has_auth, has_submitter, has_smtputf8;
	struct smtp_str auth, submitter; /* xtext as given */
	/* The keyword of the first parameter that is not one of these, or "". */
	struct smtp_str unknown;
};

enum smtp_notify {
	SMTP_NOTIFY_SUCCESS = 1,
	SMTP_NOTIFY_FAILURE = 2,
	SMTP_NOTIFY_DELAY = 4,
	SMTP_NOTIFY_NEVER = 8,
};

struct smtp_rcpt_params {
	unsigned notify; /* set of enum smtp_notify; 0: not given */
	bool has_orcpt;
	struct smtp_str orcpt_type;  /* "rfc822" */
	struct smtp_str orcpt_xtext; /* as given */
	bool has_rrvs;
	struct smtp_str rrvs;
	struct smtp_str unknown;
};

/*
 * SMTP_ESYNTAX: a value that its RFC does not allow; SMTP_EDUPLICATE: a known
 * parameter twice; *ret_bad (may be NULL) is then its keyword.  Unknown ones
 * are no error here.  BODY=BINARY, as RFC 8494 spells it, counts as BINARYMIME.
 */
int smtp_mail_params_parse(struct smtp_str list,
    struct smtp_mail_params *ret_params,
    struct smtp_str *ret_bad) SMTP_NODISCARD;
int smtp_rcpt_params_parse(struct smtp_str list,
    struct smtp_rcpt_params *ret_params,
    struct smtp_str *ret_bad) SMTP_NODISCARD;

/* --- xtext: RFC 3461 4 ---------------------------------------------------------- */

/*
 * The octets an xtext stands for, into buf of cap; *ret_len of them.
 * SMTP_ESYNTAX (a "+" without two upper-case hex digits, a character that
 * xtext does not have), SMTP_ETOOLONG.
 */
int smtp_xtext_decode(
    struct smtp_str s, char *buf, size_t cap, size_t *ret_len) SMTP_NODISCARD;

/*
 * The address an ORCPT stands for: xtext, but where its type is "utf-8" octets
 * above 127 may stand for themselves (RFC 6533 3).  Errors as above.
 */
int smtp_orcpt_decode(const struct smtp_rcpt_params *p, char *buf, size_t cap,
    size_t *ret_len) SMTP_NODISCARD;

#endif

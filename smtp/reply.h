/*
 * Replies as a client reads them: RFC 5321 4.2, RFC 2034, and EHLO's list.
 *
 * Feed octets to smtp_reply_take() as they come.  Only CR LF ends a line; any
 * other CR or LF, a NUL, or a limit passed, means that the other side is not
 * an SMTP server, or that somebody is playing tricks, and ends the matter.
 */
#ifndef MULETEER_SMTP_REPLY_H
#define MULETEER_SMTP_REPLY_H

#include "smtp/line.h"
#include "smtp/smtp.h"

/*
 * RFC 5321 4.5.3.1.5 allows 512 octets in a line; four times that is taken,
 * CR LF included.
 */
#define SMTP_REPLY_IN_MAX 2048
/* More than this in one reply comes from no mail server. */
#define SMTP_REPLY_LINES_MAX 128
#define SMTP_REPLY_TOTAL_MAX 32768
/* What is kept of the text; the rest is read and dropped. */
#define SMTP_REPLY_TEXT_MAX 512
/* RFC 6710: a policy has a name of 1 to 20 characters. */
#define SMTP_POLICY_MAX 20

/* What an EHLO reply offers. */
struct smtp_caps {
	unsigned extensions; /* set of enum smtp_ext */
	uint64_t size_max;   /* SIZE's number; 0: none given */
	int64_t by_min;      /* DELIVERBY's number, s; 0: none given */
	uint64_t mail_max;   /* LIMITS MAILMAX; 0: none given */
	uint64_t rcpt_max;   /* LIMITS RCPTMAX; 0: none given */
	char priority_policy[SMTP_POLICY_MAX + 1]; /* MT-PRIORITY's, or "" */
	bool requiretls; /* RFC 8689: seen, and no more than that */
};

struct smtp_reply {
	int code;        /* 200..599 */
	char status[12]; /* "2.1.5", or "" if there is none that fits */
	char text[SMTP_REPLY_TEXT_MAX]; /* ASCII; lines joined by " / " */
};

/* Gathers one reply from octets. */
struct smtp_reply_parser {
	struct smtp_line line;
	struct smtp_reply reply;
	struct smtp_caps caps; /* as if the reply were EHLO's */
	unsigned lines;
	size_t total;
	bool whole; /* the reply was handed out; the next call begins anew */
};

void smtp_reply_parser_init(struct smtp_reply_parser *p);

/*
 * Take octets up to the end of the reply, *ret_used of them.  1: p->reply and
 * p->caps are complete, until the next call.  0: more is needed.
 * SMTP_ESYNTAX, SMTP_ETOOLONG, SMTP_EBARE, SMTP_ENUL: no SMTP server says this;
 * the parser is of no more use.
 */
int smtp_reply_take(struct smtp_reply_parser *p, const char *buf, size_t len,
    size_t *ret_used) SMTP_NODISCARD;

/* Some octets of a reply are there, and its end is not. */
bool smtp_reply_begun(const struct smtp_reply_parser *p);

#endif

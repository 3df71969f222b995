/*
 * Where a line ends: CR LF, and nothing else (RFC 5321 2.3.8).
 *
 * The one splitter of the product.  A CR without LF, an LF without CR and a NUL
 * are errors of their own, not line ends: two programs that disagree about
 * that can be made to see different messages (SMTP smuggling).
 */
#ifndef MULETEER_SMTP_LINE_H
#define MULETEER_SMTP_LINE_H

#include "smtp/smtp.h"

/* Gathers one line from pieces of any size. */
struct smtp_line {
	char buf[SMTP_LINE_MAX];
	size_t len;
	bool cr;    /* the last octet taken was CR */
	bool whole; /* the line was handed out; the next call begins anew */
};

void smtp_line_init(struct smtp_line *l);

/*
 * Take octets up to the end of the line, *ret_used of them.  1: l->buf holds
 * l->len octets without CR LF, until the next call.  0: more is needed.
 * SMTP_EBARE, SMTP_ENUL, SMTP_ETOOLONG: the stream cannot be trusted any more
 * (*ret_used is then meaningless).
 */
int smtp_line_take(struct smtp_line *l, const char *buf, size_t len,
    size_t *ret_used) SMTP_NODISCARD;

/*
 * The first line of a text that is there as a whole, without its CR LF, and
 * where the next one begins.  SMTP_ESYNTAX: no CR LF in it; SMTP_ETOOLONG:
 * more than SMTP_LINE_MAX octets; SMTP_EBARE, SMTP_ENUL.
 */
int smtp_line_first(const char *buf, size_t len, struct smtp_str *ret_line,
    size_t *ret_next) SMTP_NODISCARD;

#endif

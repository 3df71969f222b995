/*
 * Reverse-path and forward-path: RFC 5321 4.1.2.
 *
 * A path is `<` [ source route `:` ] mailbox `>`.  Source routes are parsed and
 * dropped (RFC 5321 4.1.1.3, appendix C).
 */
#ifndef MULETEER_SMTP_PATH_H
#define MULETEER_SMTP_PATH_H

#include "smtp/smtp.h"

enum smtp_path_flags {
	SMTP_PATH_NULL = 1,       /* `<>` is allowed: reverse-path */
	SMTP_PATH_POSTMASTER = 2, /* `<Postmaster>` is allowed: RCPT command */
	SMTP_PATH_UTF8 = 4,       /* RFC 6531: octets over 127 in both parts */
};

/* Slices of the text that was parsed. */
struct smtp_path {
	struct smtp_str mailbox; /* without <> and route; "" for `<>` */
	struct smtp_str local;   /* as written, quotes included */
	struct smtp_str domain;  /* "" for `<>` and `<Postmaster>` */
};

/*
 * Parse the path at the start of text; *ret_used octets belong to it.
 * SMTP_ESYNTAX, or SMTP_ETOOLONG for a part over the limits of 4.5.3.1.
 */
int smtp_path_parse(const char *text, size_t len, unsigned flags,
    struct smtp_path *ret_path, size_t *ret_used) SMTP_NODISCARD;

/* A domain name or address literal, whole: what EHLO takes. */
bool smtp_domain_valid(struct smtp_str s, unsigned flags);

#endif

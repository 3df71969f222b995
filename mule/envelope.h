/*
 * The BSMTP-like payload of RFC 8494 section 4.1, uncompressed:
 *
 *	FROM-line CRLF 1*(RCPT-line CRLF) CRLF message
 *
 * Lines are in the universal form, "<path>[ SP params]" (smtp/smtp.h).  The
 * message is taken byte for byte to the end.
 */
#ifndef MULETEER_MULE_ENVELOPE_H
#define MULETEER_MULE_ENVELOPE_H

#include "mule/mule.h"
#include "smtp/smtp.h"

struct mule_envelope {
	struct smtp_str from_line;
	struct smtp_str *rcpt_lines; /* owned; the lines themselves are not */
	size_t nrcpts;
	size_t content; /* offset of the message in the payload */
};

/*
 * Read the envelope of a payload, which is borrowed.  Lines have at most
 * SMTP_LINE_MAX octets, and there are at most rcpts_max RCPT-lines.  Unknown
 * parameters are left to whoever needs them; known ones must be valid.
 * MULE_EENVELOPE, MULE_EFROM, MULE_ERCPT, MULE_ELINE, MULE_ETOOMANY,
 * MULE_ENOMEM.
 */
int mule_envelope_parse(const void *payload, size_t len, size_t rcpts_max,
    struct mule_envelope *ret_env) MULE_NODISCARD;
void mule_envelope_release(struct mule_envelope *env);

/* Octets that mule_envelope_write() writes. */
size_t mule_envelope_size(struct smtp_str from_line,
    const struct smtp_str *rcpt_lines, size_t nrcpts);

/* The envelope with its empty line, into buf of that size. */
void mule_envelope_write(struct smtp_str from_line,
    const struct smtp_str *rcpt_lines, size_t nrcpts, uint8_t *buf);

#endif

/*
 * Content for servers that take less than it needs: RFC 6152 3 and 3030 3.
 *
 * What has octets over 127, or lines that are none, is encoded in base64 or
 * quoted-printable, part by part, without loss: a reader who decodes gets
 * what was there before.  Nothing else changes but the
 * Content-Transfer-Encoding fields; the text in front of the first part and
 * behind the last, which nobody is shown (RFC 2046 5.1.1), goes if it does
 * not fit.
 *
 * Signed and encrypted parts are never touched, and whatever is not understood
 * is not guessed at: then the content cannot be converted, and the reason is
 * given in words for the sender.
 */
#ifndef MULETEER_SMTP_MIME_H
#define MULETEER_SMTP_MIME_H

#include "smtp/param.h"
#include "smtp/smtp.h"

/* Takes converted content, in order; not 0 ends the conversion. */
typedef int smtp_mime_put(void *ctx, const char *p, size_t len);

/*
 * Whether content of len octets at p can go as `body` (7BIT or 8BITMIME) just
 * as it is: lines of 998 octets at most that end in CR LF, no NUL, and for 7BIT
 * no octet over 127.
 */
bool smtp_mime_fits(const char *p, size_t len, enum smtp_body body);

/*
 * Convert a message for a server that takes `body`.  0, or what put() said, or
 * SMTP_EMIME: it cannot be converted, and *ret_why tells why.  What was put
 * before an error is good for nothing.  Time grows with len and the depth of
 * the parts, which is limited; no memory is taken.
 */
int smtp_mime_convert(const char *p, size_t len, enum smtp_body body,
    smtp_mime_put *put, void *ctx, const char **ret_why) SMTP_NODISCARD;

#endif

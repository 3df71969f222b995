/*
 * Content transfer encodings, RFC 2045 6.7 and 6.8, as a stream.
 *
 * An encoder turns octets into base64 or quoted-printable: 7-bit text in lines
 * that end in CR LF and have at most 76 characters before it.  In
 * quoted-printable text a CR LF stays a line end; each other CR or LF, and
 * all of them in binary content, becomes an escape.  Base64 keeps every octet.
 *
 * Start with smtp_encode_init(), call smtp_encode() until all is used, then
 * smtp_encode_end().  The encoder holds no memory and cannot fail.
 */
#ifndef MULETEER_SMTP_ENCODE_H
#define MULETEER_SMTP_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

/* The least room for output: what one octet, and the end, can need. */
#define SMTP_ENCODE_ROOM 16

struct smtp_encode {
	bool base64, text;
	unsigned char held[3]; /* octets that wait for what follows */
	unsigned nheld;
	unsigned column;
};

/* `text` says that CR LF is a line end; it means nothing to base64. */
void smtp_encode_init(struct smtp_encode *e, bool base64, bool text);

/* Encodes a part of `in`, as much as fits; returns the length of the output.
 * `cap` is at least SMTP_ENCODE_ROOM. */
size_t smtp_encode(struct smtp_encode *e, const char *in, size_t len,
    size_t *ret_used, char *out, size_t cap);

/* Writes what was held, and for base64 ends the line. */
size_t smtp_encode_end(struct smtp_encode *e, char *out, size_t cap);

#endif

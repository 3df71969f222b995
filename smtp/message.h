/*
 * The header section of a message or of a MIME part: RFC 5322 2.1 and 2.2.
 *
 * A header section is a number of fields and ends at an empty line, or with
 * the message.  Everything is borrowed from the message.
 */
#ifndef MULETEER_SMTP_MESSAGE_H
#define MULETEER_SMTP_MESSAGE_H

#include "smtp/smtp.h"

struct smtp_field {
	struct smtp_str whole; /* with the CR LF of its last line */
	struct smtp_str name;
	struct smtp_str body; /* behind the colon; folded as it came */
};

/* Length of the header section of len octets at p, its empty line excluded. */
size_t smtp_header_len(const char *p, size_t len);

/*
 * The field at *pos of a header section of len octets; *pos moves behind it.
 * false: there is none.  What is no field (no colon) has an empty name.
 */
bool smtp_field_next(
    const char *p, size_t len, size_t *pos, struct smtp_field *ret_f);

#endif

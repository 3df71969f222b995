/*
 * The content of DATA: RFC 5321 4.5.2 (transparency) both ways.
 *
 * One un-stuffer and one stuffer, used wherever mail passes as DATA.  Only
 * CR LF ends a line, only CR LF . CR LF ends the data, whatever way the octets
 * were cut in transit.  A CR or LF on its own is an error in both directions:
 * a receiver that took it for a line end could be made to see a second message
 * in the content of the first.
 *
 * Both hand out slices of their input, or of constants of their own, and copy
 * nothing.
 */
#ifndef MULETEER_SMTP_DATA_H
#define MULETEER_SMTP_DATA_H

#include "smtp/smtp.h"

enum smtp_data_state {
	SMTP_DATA_BOL, /* at the beginning of a line */
	SMTP_DATA_TEXT,
	SMTP_DATA_CR,      /* CR seen */
	SMTP_DATA_DOT,     /* in: a dot at the beginning of a line */
	SMTP_DATA_DOT_CR,  /* in: ...and CR */
	SMTP_DATA_STUFFED, /* out: the extra dot was handed out */
	SMTP_DATA_END,
};

struct smtp_data {
	enum smtp_data_state state;
};

/* At the beginning of the content; for either direction. */
void smtp_data_init(struct smtp_data *d);

/*
 * Receiving: takes *ret_used octets and hands out *ret_out, content without
 * dots, possibly empty.  1: the end of the data was reached; 0: call again with
 * the rest, or with what comes next.  SMTP_EBARE, SMTP_ENUL: the stream cannot
 * be trusted any more.
 */
int smtp_data_in(struct smtp_data *d, const char *buf, size_t len,
    size_t *ret_used, struct smtp_str *ret_out) SMTP_NODISCARD;

/*
 * Sending: takes *ret_used octets of content (possibly 0) and hands out what
 * goes on the wire for them.  Call until all is used.  SMTP_EBARE, SMTP_ENUL:
 * this content must not go by DATA.
 */
int smtp_data_out(struct smtp_data *d, const char *buf, size_t len,
    size_t *ret_used, struct smtp_str *ret_out) SMTP_NODISCARD;

/*
 * The end: the terminator, after a CR LF of its own if the content did not end
 * in one.  SMTP_EBARE: it ended in a CR.
 */
int smtp_data_out_end(
    struct smtp_data *d, struct smtp_str *ret_out) SMTP_NODISCARD;

#endif

#include "smtp/data.h"

#include <assert.h>
#include <string.h>

static const struct smtp_str crlf = { "\r\n", 2 };
static const struct smtp_str dot = { ".", 1 };

void
smtp_data_init(struct smtp_data *d)
{
	d->state = SMTP_DATA_BOL;
}

/* One octet of a line that is neither its first nor follows a CR. */
static int
text(struct smtp_data *d, char c)
{
	if (c == '\n')
		return SMTP_EBARE;
	if (c == '\0')
		return SMTP_ENUL;
	d->state = c == '\r' ? SMTP_DATA_CR : SMTP_DATA_TEXT;
	return SMTP_OK;
}

/*
 * How many octets from buf on need no look of their own inside a line: nearly
 * all, and memchr() is many times as fast as a look at each.
 */
static size_t
plain(const char *buf, size_t len)
{
	static const char special[] = { '\r', '\n', '\0' };

	for (size_t i = 0; i < sizeof(special); i++) {
		const char *p = memchr(buf, special[i], len);

		if (p != NULL)
			len = (size_t)(p - buf);
	}
	return len;
}

/* On to the next octet of a line that is special, or to the end. */
static int
in_text(struct smtp_data *d, const char *buf, size_t len, size_t *i)
{
	*i += plain(buf + *i, len - *i);
	return *i < len ? text(d, buf[*i]) : SMTP_OK;
}

/* The octet after a CR. */
static int
after_cr(struct smtp_data *d, char c, enum smtp_data_state next)
{
	if (c != '\n')
		return SMTP_EBARE;
	d->state = next;
	return SMTP_OK;
}

/*
 * buf[start..i) is ready.  A CR at its end stays back until the LF is there,
 * because what follows may show that it must not be passed on.
 */
static struct smtp_str
ready(const struct smtp_data *d, const char *buf, size_t start, size_t i)
{
	if (d->state == SMTP_DATA_CR && i > start)
		i--;
	return (struct smtp_str){ buf + start, i - start };
}

/* The LF of a CR that an earlier call kept back. */
static int
late_lf(struct smtp_data *d, const char *buf, size_t *ret_used,
    struct smtp_str *ret_out)
{
	int rc = after_cr(d, buf[0], SMTP_DATA_BOL);

	if (rc != SMTP_OK)
		return rc;
	*ret_used = 1;
	*ret_out = crlf;
	return 0;
}

int
smtp_data_in(struct smtp_data *d, const char *buf, size_t len, size_t *ret_used,
    struct smtp_str *ret_out)
{
	size_t start = 0;
	int rc = SMTP_OK;

	if (len > 0 && d->state == SMTP_DATA_CR)
		return late_lf(d, buf, ret_used, ret_out);
	for (size_t i = 0; i < len && rc == SMTP_OK; i++) {
		switch (d->state) {
		case SMTP_DATA_BOL:
			if (buf[i] != '.') {
				rc = text(d, buf[i]);
				break;
			}
			/* What is before the dot goes first. */
			if (i > start) {
				*ret_used = i;
				*ret_out = ready(d, buf, start, i);
				return 0;
			}
			d->state = SMTP_DATA_DOT;
			start = i + 1;
			break;
		case SMTP_DATA_TEXT: rc = in_text(d, buf, len, &i); break;
		case SMTP_DATA_CR:
			rc = after_cr(d, buf[i], SMTP_DATA_BOL);
			break;
		case SMTP_DATA_DOT:
			start = i;
			rc = text(d, buf[i]);
			if (d->state == SMTP_DATA_CR) {
				d->state = SMTP_DATA_DOT_CR;
				start = i + 1;
			}
			break;
		case SMTP_DATA_DOT_CR:
			rc = after_cr(d, buf[i], SMTP_DATA_END);
			if (rc != SMTP_OK)
				break;
			*ret_used = i + 1;
			*ret_out = (struct smtp_str){ buf, 0 };
			return 1;
		case SMTP_DATA_STUFFED:
		case SMTP_DATA_END: return SMTP_ESTATE;
		}
	}
	if (rc != SMTP_OK)
		return rc;
	*ret_used = len;
	*ret_out = ready(d, buf, start, len);
	return 0;
}

int
smtp_data_out(struct smtp_data *d, const char *buf, size_t len,
    size_t *ret_used, struct smtp_str *ret_out)
{
	int rc = SMTP_OK;

	if (len > 0 && d->state == SMTP_DATA_CR)
		return late_lf(d, buf, ret_used, ret_out);
	for (size_t i = 0; i < len && rc == SMTP_OK; i++) {
		switch (d->state) {
		case SMTP_DATA_BOL:
			if (buf[i] != '.') {
				rc = text(d, buf[i]);
				break;
			}
			*ret_used = i;
			*ret_out = ready(d, buf, 0, i);
			if (i == 0) {
				*ret_out = dot;
				d->state = SMTP_DATA_STUFFED;
			}
			return 0;
		case SMTP_DATA_STUFFED: rc = text(d, buf[i]); break;
		case SMTP_DATA_TEXT: rc = in_text(d, buf, len, &i); break;
		case SMTP_DATA_CR:
			rc = after_cr(d, buf[i], SMTP_DATA_BOL);
			break;
		case SMTP_DATA_DOT:
		case SMTP_DATA_DOT_CR:
		case SMTP_DATA_END: return SMTP_ESTATE;
		}
	}
	if (rc != SMTP_OK)
		return rc;
	*ret_used = len;
	*ret_out = ready(d, buf, 0, len);
	return 0;
}

int
smtp_data_out_end(struct smtp_data *d, struct smtp_str *ret_out)
{
	static const char end[] = "\r\n.\r\n";

	if (d->state == SMTP_DATA_CR)
		return SMTP_EBARE;
	if (d->state == SMTP_DATA_END)
		return SMTP_ESTATE;
	ret_out->p = d->state == SMTP_DATA_BOL ? end + 2 : end;
	ret_out->len = d->state == SMTP_DATA_BOL ? 3 : 5;
	d->state = SMTP_DATA_END;
	return SMTP_OK;
}

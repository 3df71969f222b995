#include "mule/payload.h"

#include <stdlib.h>
#include <string.h>

#include "mule/zip.h"

const char *
mule_strerror(int err)
{
	switch (err) {
	case MULE_OK: return "no error";
	case MULE_ENOMEM: return "out of memory";
	case MULE_ETRUNCATED: return "zlib stream cut short";
	case MULE_ECORRUPT: return "zlib stream corrupt";
	case MULE_ETRAILING: return "octets behind the zlib stream";
	case MULE_ETOOBIG: return "payload too big";
	case MULE_ERATIO: return "payload inflates to too many times its size";
	case MULE_EENVELOPE: return "no MULE envelope";
	case MULE_EFROM: return "FROM-line is not valid";
	case MULE_ERCPT: return "RCPT-line is not valid";
	case MULE_ELINE: return "envelope line too long, or with CR, LF or NUL";
	case MULE_ETOOMANY: return "too many RCPT-lines";
	case MULE_ECOMPRESS: return "compressor failed";
	default: return ber_strerror(err);
	}
}

uint8_t
mule_priority(int mt_priority)
{
	int octet = 6 - mt_priority;

	if (octet < 0)
		return 0;
	return (uint8_t)(octet < MULE_PRIORITIES ? octet : MULE_PRIORITIES - 1);
}

/* Put the head right before the stream, and both at the start of the block. */
static int
wrap(enum ber_tagging tagging, uint8_t *buf, size_t *len)
{
	size_t stream = *len - BER_CDT_HEAD_MAX;
	uint8_t head[BER_CDT_HEAD_MAX];
	size_t n = ber_cdt_head(tagging, stream, head);

	if (n == 0)
		return MULE_ETOOBIG;
	memmove(buf + n, buf + BER_CDT_HEAD_MAX, stream);
	memcpy(buf, head, n);
	*len = n + stream;
	return MULE_OK;
}

int
mule_pack(const struct mule_pack_how *how, struct smtp_str from_line,
    const struct smtp_str *rcpt_lines, size_t nrcpts, const void *content,
    size_t len, uint8_t **ret_buf, size_t *ret_len)
{
	size_t envelope = mule_envelope_size(from_line, rcpt_lines, nrcpts);
	uint8_t *payload, *buf = NULL;
	size_t n = 0;
	int rc;

	if (len > SIZE_MAX - envelope)
		return MULE_ETOOBIG;
	payload = malloc(envelope + len);
	if (payload == NULL)
		return MULE_ENOMEM;
	mule_envelope_write(from_line, rcpt_lines, nrcpts, payload);
	if (len > 0)
		memcpy(payload + envelope, content, len);
	rc = mule_deflate(
	    how->bit_rate, payload, envelope + len, BER_CDT_HEAD_MAX, &buf, &n);
	free(payload);
	if (rc == MULE_OK)
		rc = wrap(how->tagging, buf, &n);
	if (rc != MULE_OK) {
		free(buf);
		return rc;
	}
	*ret_buf = buf;
	*ret_len = n;
	return MULE_OK;
}

/* The stream inside the wrapper, inflated. */
static int
inflate_cdt(
    const void *cdt, size_t len, struct mule_inflate *i, struct mule_message *m)
{
	struct ber_cdt c;
	const uint8_t *p;
	size_t n;
	int rc = ber_cdt_open(&c, cdt, len);

	while (rc == BER_OK && (rc = ber_cdt_next(&c, &p, &n)) == 1)
		rc = n > 0 ? mule_inflate_feed(i, p, n) : MULE_OK;
	if (rc != MULE_OK)
		return rc;
	return mule_inflate_finish(i, &m->payload, &m->len);
}

int
mule_unpack(const void *cdt, size_t len, const struct mule_limits *limits,
    struct mule_message *ret_m)
{
	struct mule_message m;
	struct mule_inflate i;
	int rc;

	memset(&m, 0, sizeof(m));
	rc = mule_inflate_init(&i, limits->payload_max, limits->ratio_max);
	if (rc == MULE_OK)
		rc = inflate_cdt(cdt, len, &i, &m);
	mule_inflate_release(&i);
	if (rc == MULE_OK)
		rc = mule_envelope_parse(
		    m.payload, m.len, limits->rcpts_max, &m.envelope);
	if (rc != MULE_OK) {
		free(m.payload);
		return rc;
	}
	m.content = m.payload + m.envelope.content;
	m.content_len = m.len - m.envelope.content;
	*ret_m = m;
	return MULE_OK;
}

void
mule_message_release(struct mule_message *m)
{
	mule_envelope_release(&m->envelope);
	free(m->payload);
	m->payload = NULL;
}

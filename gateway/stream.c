#include "gateway/stream.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define IN_MAX 32768
#define OUT_MAX 32768
/* What a TLS record of that much plaintext grows to is far below OUT_MAX. */
#define PLAIN_MAX 16384

struct stream {
	uv_tcp_t tcp;
	uv_write_t write;
	stream_ready_cb *ready;
	void *ctx;
	bool started, reading, writing, closing;
	const char *ended;
	struct tls *tls;
	bool handshaking;
	char *cipher; /* IN_MAX octets, under TLS */
	void (*closed)(void *ctx);
	void *closed_ctx;
	size_t in_pos, in_len, out_len;
	char in[IN_MAX], out[OUT_MAX];
};

int
stream_new(
    uv_loop_t *loop, stream_ready_cb *ready, void *ctx, struct stream **ret_s)
{
	struct stream *s = malloc(sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	/* Not the buffers. */
	memset(s, 0, offsetof(struct stream, in));
	uv_tcp_init(loop, &s->tcp);
	s->tcp.data = s->write.data = s;
	s->ready = ready;
	s->ctx = ctx;
	*ret_s = s;
	return 0;
}

uv_tcp_t *
stream_tcp(struct stream *s)
{
	return &s->tcp;
}

int
stream_start(struct stream *s)
{
	s->started = true;
	return uv_tcp_nodelay(&s->tcp, 1);
}

/* --- out ------------------------------------------------------------------ */

static void flush(struct stream *s);

static void
on_written(uv_write_t *w, int status)
{
	struct stream *s = w->data;

	s->writing = false;
	s->out_len = 0;
	if (s->closing)
		return;
	if (status < 0 && s->ended == NULL)
		s->ended = uv_strerror(status);
	flush(s);
	s->ready(s->ctx);
}

/* What is in s->out, and then what TLS has for the network. */
static void
flush(struct stream *s)
{
	uv_buf_t buf;
	int n;

	while (!s->writing && s->ended == NULL) {
		if (s->out_len == 0 && s->tls != NULL)
			s->out_len = tls_drain(s->tls, s->out, OUT_MAX);
		if (s->out_len == 0)
			return;
		buf = uv_buf_init(s->out, (unsigned)s->out_len);
		n = uv_try_write((uv_stream_t *)&s->tcp, &buf, 1);
		if (n == (int)s->out_len) {
			s->out_len = 0;
			continue;
		}
		if (n > 0) {
			buf.base += n;
			buf.len -= (size_t)n;
		}
		if (uv_write(&s->write, (uv_stream_t *)&s->tcp, &buf, 1,
			on_written) != 0)
			s->ended = "cannot write";
		else
			s->writing = true;
	}
}

size_t
stream_put(struct stream *s, const char *buf, size_t len)
{
	if (s->writing || s->handshaking || s->ended != NULL || len == 0)
		return 0;
	if (s->tls == NULL) {
		if (len > OUT_MAX)
			len = OUT_MAX;
		memcpy(s->out, buf, len);
		s->out_len = len;
	} else {
		if (len > PLAIN_MAX)
			len = PLAIN_MAX;
		if (tls_write(s->tls, buf, len) != TLS_OK)
			s->ended = tls_error(s->tls);
	}
	flush(s);
	return len;
}

bool
stream_flushed(const struct stream *s)
{
	return !s->writing;
}

/* --- in ------------------------------------------------------------------- */

static void
handshake(struct stream *s)
{
	switch (tls_handshake(s->tls)) {
	case TLS_OK: s->handshaking = false; break;
	case TLS_WANT: break;
	case TLS_CLOSED: s->ended = "closed in the TLS handshake"; break;
	case TLS_FAILED:
		/* The peer hears the alert, if it can. */
		flush(s);
		s->ended = tls_error(s->tls);
		break;
	}
	flush(s);
}

/* More plaintext into the empty buffer. */
static void
decipher(struct stream *s)
{
	s->in_pos = s->in_len = 0;
	switch (tls_read(s->tls, s->in, IN_MAX, &s->in_len)) {
	case TLS_OK:
	case TLS_WANT: break;
	case TLS_CLOSED: s->ended = "closed"; break;
	case TLS_FAILED: s->ended = tls_error(s->tls); break;
	}
	flush(s); /* key updates, alerts */
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct stream *s = h->data;

	(void)suggested;
	*buf = uv_buf_init(s->tls != NULL ? s->cipher : s->in, IN_MAX);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct stream *s = stream->data;

	if (n == 0 || s->closing)
		return;
	if (n < 0) {
		(void)uv_read_stop(stream);
		s->reading = false;
		if (s->ended == NULL)
			s->ended = n == UV_EOF ? "closed" : uv_strerror((int)n);
	} else if (s->tls == NULL) {
		s->in_pos = 0;
		s->in_len = (size_t)n;
	} else if (!tls_feed(s->tls, buf->base, (size_t)n)) {
		s->ended = "out of memory";
	} else if (s->handshaking) {
		handshake(s);
	}
	s->ready(s->ctx);
}

const char *
stream_input(struct stream *s, size_t *ret_len)
{
	if (s->in_pos == s->in_len && s->tls != NULL && !s->handshaking &&
	    s->ended == NULL)
		decipher(s);
	*ret_len = s->handshaking ? 0 : s->in_len - s->in_pos;
	return s->in + s->in_pos;
}

void
stream_take(struct stream *s, size_t n)
{
	assert(n <= s->in_len - s->in_pos);
	s->in_pos += n;
}

void
stream_want(struct stream *s, bool more)
{
	/* The buffer is the kernel's to fill only while it is empty. */
	bool want = (more || s->handshaking) && s->in_pos == s->in_len &&
		    s->started && !s->closing && s->ended == NULL;
	int rc = 0;

	if (want == s->reading)
		return;
	s->reading = want;
	if (want)
		rc = uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read);
	else
		(void)uv_read_stop((uv_stream_t *)&s->tcp);
	if (rc != 0)
		s->ended = uv_strerror(rc);
}

const char *
stream_ended(const struct stream *s)
{
	return s->ended;
}

/* --- TLS ------------------------------------------------------------------ */

int
stream_start_tls(
    struct stream *s, const struct tls_context *ctx, const char *name)
{
	assert(s->tls == NULL && !s->writing && s->out_len == 0);
	s->cipher = malloc(IN_MAX);
	if (s->cipher == NULL || tls_new(ctx, name, &s->tls) != 0)
		return -ENOMEM;
	s->in_pos = s->in_len = 0;
	s->handshaking = true;
	handshake(s);
	stream_want(s, true);
	return 0;
}

enum stream_tls
stream_tls(const struct stream *s)
{
	if (s->tls == NULL)
		return STREAM_CLEAR;
	return s->handshaking ? STREAM_HANDSHAKE : STREAM_TLS;
}

const struct tls *
stream_tls_session(const struct stream *s)
{
	return s->tls;
}

/* --- the end -------------------------------------------------------------- */

static void
on_closed(uv_handle_t *h)
{
	struct stream *s = h->data;
	void (*closed)(void *) = s->closed;
	void *ctx = s->closed_ctx;

	tls_free(&s->tls);
	free(s->cipher);
	free(s);
	closed(ctx);
}

void
stream_close(struct stream **sp, void (*closed)(void *ctx), void *ctx)
{
	struct stream *s = *sp;

	*sp = NULL;
	if (s->tls != NULL && !s->handshaking && s->ended == NULL) {
		tls_shutdown(s->tls);
		flush(s);
	}
	s->closing = true;
	s->closed = closed;
	s->closed_ctx = ctx;
	uv_close((uv_handle_t *)&s->tcp, on_closed);
}

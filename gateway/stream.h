/*
 * One TCP connection as a stream of octets, in the clear or under TLS.
 *
 * The owner gives it a function that is called whenever something may have
 * changed: octets came in, octets went out, a handshake or the connection has
 * ended.  That function looks at everything, in any order:
 *
 *	p = stream_input(s, &len);	what came in and was not taken yet
 *	stream_take(s, n);
 *	stream_put(s, buf, len);	what is to go out, as much as has room
 *	stream_want(s, more);		read on, or let the peer wait
 *	if (stream_ended(s)) ...	nothing more will come in
 *
 * Nothing is called back from inside these functions.  Memory is bounded: one
 * buffer each way, and while the input is not taken nothing is read.
 */
#ifndef MULETEER_GATEWAY_STREAM_H
#define MULETEER_GATEWAY_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "gateway/tls.h"

struct stream;

typedef void stream_ready_cb(void *ctx);

/* A stream without a connection yet.  -ENOMEM. */
int stream_new(
    uv_loop_t *loop, stream_ready_cb *ready, void *ctx, struct stream **ret_s);

/* For uv_accept(), uv_tcp_connect() and the names of the two ends. */
uv_tcp_t *stream_tcp(struct stream *s);

/* The connection stands; returns 0 or a libuv error. */
int stream_start(struct stream *s);

const char *stream_input(struct stream *s, size_t *ret_len);
void stream_take(struct stream *s, size_t n);
void stream_want(struct stream *s, bool more);

/* Takes octets from buf, at most len; returns how many. */
size_t stream_put(struct stream *s, const char *buf, size_t len);
/* Everything that was put has been given to the kernel. */
bool stream_flushed(const struct stream *s);

/* NULL, or why nothing more will come in: the peer closed, or an error. */
const char *stream_ended(const struct stream *s);

/*
 * Go on under TLS, as the context says who we are; name is the peer's, for a
 * client that verifies it, or NULL.  Octets that came in the clear and were not
 * taken are thrown away (CVE-2011-0411).  Everything put before must have been
 * flushed.  0 or -ENOMEM; how it went is seen by stream_tls().
 */
int stream_start_tls(
    struct stream *s, const struct tls_context *ctx, const char *name);

enum stream_tls { STREAM_CLEAR, STREAM_HANDSHAKE, STREAM_TLS };
enum stream_tls stream_tls(const struct stream *s);
/* The session of STREAM_TLS, for what was agreed; else NULL. */
const struct tls *stream_tls_session(const struct stream *s);

/* closed(ctx) when the loop has let go of it; *s is NULL at once. */
void stream_close(struct stream **s, void (*closed)(void *ctx), void *ctx);

#endif

/*
 * Converts the content of a message for a next hop that takes less than it
 * needs, in a worker: see smtp/mime.h.
 */
#ifndef MULETEER_GATEWAY_CONVERT_H
#define MULETEER_GATEWAY_CONVERT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "gateway/body.h"
#include "smtp/param.h"

struct conversion_done {
	int rc; /* 0; SMTP_EMIME; else a negative errno: try again later */
	const char *why;   /* SMTP_EMIME: in words */
	bool as_is;        /* it fits already; body is NULL */
	struct body *body; /* the caller's */
};

typedef void convert_cb(void *ctx, struct conversion_done *done);

/*
 * The content is size octets at memory, or in the file fd; both are copied or
 * duplicated, so the caller may let go of them.  target is what the next hop
 * takes, 7BIT or 8BITMIME; a file that the result needs is made in tmp_dir.
 * done is called once, from the loop.  0, or a negative errno and no call.
 */
int convert_start(uv_loop_t *loop, const char *tmp_dir, const void *memory,
    int fd, uint64_t size, enum smtp_body target, convert_cb *done, void *ctx);

#endif

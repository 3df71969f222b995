/*
 * One radio link: a P_MUL engine, a bearer and a timer.
 *
 * This is the complete contact surface between the engine and the world.  If
 * you want to write an `if` about sequence numbers here, it belongs in pmul/.
 */
#ifndef MULETEER_GATEWAY_LINK_H
#define MULETEER_GATEWAY_LINK_H

#include <uv.h>

#include "gateway/bearer.h"
#include "pmul/pmul.h"

struct link;

/*
 * What the link's owner hears.  ev is valid during the call; ev->data until
 * link_stored().  link_submit(), link_stored() and link_cancel() may be called
 * from inside.
 */
typedef void link_event_cb(
    void *ctx, struct link *l, const struct pmul_event *ev);

struct link_config {
	const char *name;
	struct pmul_config pmul;
	struct bearer_config bearer;
};

/* 0, or a negative errno or pmul error; errbuf says what failed. */
int link_open(uv_loop_t *loop, const struct link_config *cfg,
    link_event_cb *event, void *ctx, char *errbuf, size_t errcap,
    struct link **ret_l);

/* closed(ctx) when nothing of it is left on the loop; *l is NULL at once. */
void link_close(struct link **l, void (*closed)(void *ctx), void *ctx);

const char *link_name(const struct link *l);

/* pmul_engine_submit(), then whatever follows from it. */
int link_submit(struct link *l, const struct pmul_submit *s);

/* The received message is committed: its Ack may leave. */
void link_stored(struct link *l, uint32_t source, uint32_t id);

void link_cancel(struct link *l, uint32_t msid);

int link_restore_tombstone(
    struct link *l, uint32_t source, uint32_t id, struct pmul_wall expiry);

/* For looking: counters, gauges, progress. */
const struct pmul_engine *link_engine(const struct link *l);

#endif

/*
 * One radio link as the gateway sees it: what comes in by MULE goes to the
 * queue (mule_in), what the queue has for its nodes goes out (mule_out).
 */
#ifndef MULETEER_GATEWAY_MULE_LINK_H
#define MULETEER_GATEWAY_MULE_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/gateway.h"
#include "gateway/link.h"

struct mule_in;
struct mule_out;

struct mule_link {
	struct gateway *gw;
	const struct cfg_link *cfg;
	struct link *link;
	struct mule_in *in;
	struct mule_out *out;
	bool starting; /* the tombstones are being fetched */
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/*
 * Open the link cfg: sockets, engine, and the tombstones of what came in
 * before.  Nothing is sent before mule_link_start().  0, or a negative error
 * with a line in errbuf.
 */
int mule_link_open(struct gateway *gw, const struct cfg_link *cfg, char *errbuf,
    size_t errcap, struct mule_link **ret_l);
void mule_link_start(struct mule_link *l);

/* The queue has something for the link of that name. */
void mule_link_work(struct gateway *gw, const char *name);

/*
 * Stop sending and receiving; closed(ctx) when all that was under way has been
 * committed or dropped.  *l is NULL at once.
 */
void mule_link_close(
    struct mule_link **l, void (*closed)(void *ctx), void *ctx);

/* --- mule_out ------------------------------------------------------------- */

int mule_out_new(struct mule_link *l, struct mule_out **ret_o);
void mule_out_free(struct mule_out **o);
void mule_out_start(struct mule_out *o);
/* There may be work for the link. */
void mule_out_work(struct mule_out *o);
/* ACKED, GAVE_UP, DONE. */
void mule_out_event(struct mule_out *o, const struct pmul_event *ev);
/* Begin nothing new.  idle: no pack or commit is under way. */
void mule_out_drain(struct mule_out *o);
bool mule_out_idle(const struct mule_out *o);

/* What is on the air, for the operator. */
struct mule_sending {
	uint64_t message;
	uint32_t msid;
	uint32_t group;
};
size_t mule_out_sending(
    const struct mule_out *o, struct mule_sending *s, size_t cap);

/* --- mule_in --------------------------------------------------------------- */

int mule_in_new(struct mule_link *l, struct mule_in **ret_i);
void mule_in_free(struct mule_in **i);
/* RECEIVED: ev->data stays valid until link_stored(). */
void mule_in_received(struct mule_in *i, const struct pmul_event *ev);
/* No further attempt at a commit that failed. */
void mule_in_drain(struct mule_in *i);
bool mule_in_idle(const struct mule_in *i);

/* Called by either when it has become idle, so that closing can go on. */
void mule_link_part_idle(struct mule_link *l);

#endif

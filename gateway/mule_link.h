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
struct mule_keep;

/* Tombstones kept in memory and restored at start-up. */
#define MULE_TOMBSTONES_MAX 65536

/* EMCON of this node on the link, or of another one. */
struct mule_emcon {
	bool on;         /* in force */
	bool set;        /* not just configured: by an operator, or by an Ack */
	bool noted;      /* what the queue had at the start */
	int64_t since;   /* wall s; 0: since the configuration says so */
	uint64_t serial; /* of the last change */
};

struct mule_link {
	struct gateway *gw;
	const struct cfg_link *cfg;
	struct link *link;
	struct mule_in *in;
	struct mule_out *out;
	struct mule_keep *keep;
	struct mule_emcon own;
	struct mule_emcon *nodes; /* in the order of cfg->nodes */
	size_t emcon_commits;     /* under way */
	bool starting; /* what the last life left is being fetched; silent */
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/*
 * The link cfg, and what is known of its EMCON.  Runs the loop until the queue
 * has answered.  0, or a negative error with a line in errbuf.
 */
int mule_link_new(struct gateway *gw, const struct cfg_link *cfg, char *errbuf,
    size_t errcap, struct mule_link **ret_l);

/*
 * Open sockets and engine, silent links first (see bearer.h).  Nothing is sent
 * before mule_link_start() has brought back what the last life left.
 */
int mule_link_open(struct mule_link *l, char *errbuf, size_t errcap);
void mule_link_start(struct mule_link *l);

/* The queue has something for the link of that name. */
void mule_link_work(struct gateway *gw, const char *name);

/*
 * Stop sending and receiving; closed(ctx) when all that was under way has been
 * committed or dropped.  *l is NULL at once.
 */
void mule_link_close(
    struct mule_link **l, void (*closed)(void *ctx), void *ctx);

/*
 * How long to remember what came in with that Expiry_Time: the clocks of two
 * nodes differ.
 */
int64_t mule_link_keep_until(const struct mule_link *l, int64_t expiry_s);

/* --- mule_emcon ------------------------------------------------------------ */

/* What is in force, before anything is opened; waits for the queue. */
int mule_emcon_load(struct mule_link *l, char *errbuf, size_t errcap);
/* When EMCON began, if the configuration ordered it: before anything comes. */
void mule_emcon_note(struct mule_link *l);
/* All is restored: flag the nodes, and speak if we may. */
void mule_emcon_start(struct mule_link *l);

/*
 * An operator (uid; -1: unknown) turns EMCON on or off, of this node or of the
 * configured node id.  done is called once it is in force and committed: why is
 * NULL, or what went wrong.  Silence begins before the call returns and does
 * not depend on the disk.
 */
typedef void mule_emcon_cb(void *ctx, const char *why);
void mule_emcon_set(
    struct mule_link *l, bool on, long uid, mule_emcon_cb *done, void *ctx);
void mule_emcon_set_node(struct mule_link *l, uint32_t id, bool on, long uid,
    mule_emcon_cb *done, void *ctx);

/* The bearer's voice has changed by itself. */
void mule_emcon_voice(struct mule_link *l);

/* A node flagged as silent has spoken. */
void mule_emcon_left(struct mule_link *l, uint32_t id);

/* --- mule_keep --------------------------------------------------------------- */

int mule_keep_new(struct mule_link *l, struct mule_keep **ret_k);
void mule_keep_free(struct mule_keep **k);
/* Bring back tombstones and partial messages, then mule_link_restored(). */
void mule_keep_start(struct mule_keep *k);
/* Something was sent or received: write it down soon. */
void mule_keep_active(struct mule_keep *k);
/* The incoming message was lost: nothing of it is needed. */
void mule_keep_lost(struct mule_keep *k, uint32_t source, uint32_t msid);
/* Write down what there is, and stop. */
void mule_keep_drain(struct mule_keep *k);
bool mule_keep_idle(const struct mule_keep *k);

void mule_link_restored(struct mule_link *l);

/* --- mule_out ------------------------------------------------------------- */

int mule_out_new(struct mule_link *l, struct mule_out **ret_o);
void mule_out_free(struct mule_out **o);
void mule_out_start(struct mule_out *o);
/* There may be work for the link. */
void mule_out_work(struct mule_out *o);
/* The transmission is not in the queue any more: it is not sent any more. */
void mule_out_cancel(struct mule_out *o, uint32_t msid);
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

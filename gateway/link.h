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

/*
 * Something was received or sent, so that link_next_..._saved() may have
 * something; called often, and from inside the calls below.
 */
typedef void link_active_cb(void *ctx);

/* What link_voice() says has changed by itself. */
typedef void link_voice_cb(void *ctx);

struct link_config {
	const char *name;
	link_active_cb *active;
	link_voice_cb *voice;
	struct pmul_config pmul;
	struct bearer_config bearer; /* its voice is not used */
};

/*
 * 0, or a negative errno or pmul error; errbuf says what failed.  The link is
 * in EMCON until link_set_emcon() ends it: it hears, and says nothing before
 * it has been told what it did in its last life.
 */
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

/*
 * EMCON of this node.  On: when the call returns nothing of ours leaves any
 * more, and a PDU that the bearer had not taken yet is dropped; the result says
 * whether the kernel is silent, too, as bearer_silence() does.  Off: a negative
 * errno if the bearer is still held silent (BEARER_MUTED); the link then speaks
 * when that ends.
 */
int link_set_emcon(struct link *l, bool on);

/*
 * What the bearer says about it.  Another link on the same interface may have
 * ended its silence: look again, and speak if we may.
 */
enum bearer_voice link_voice(const struct link *l, int *ret_why);
void link_look_again(struct link *l);
/* bearer_silence_try(), bearer_shared(). */
int link_silence_try(struct link *l);
bool link_shared(const struct link *l, const uint32_t *addresses, size_t n,
    char *why, size_t cap);

/* pmul_engine_set_node(). */
int link_set_node(struct link *l, const struct pmul_node *n);

/* The engine's, for surviving a restart. */
bool link_next_tx_saved(struct link *l, struct pmul_tx_saved *ret_s);
bool link_next_rx_saved(struct link *l, struct pmul_rx_saved *ret_s);
int link_restore_rx(struct link *l, const struct pmul_rx_saved *s);
int link_restore_tombstone(struct link *l, const struct pmul_tombstone *t);

/* For looking: counters, gauges, progress. */
const struct pmul_engine *link_engine(const struct link *l);

#endif

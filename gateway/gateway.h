/*
 * What the rooms of the daemon share: a handful of pointers that main.c sets
 * up before any of them starts and that outlive them all.
 */
#ifndef MULETEER_GATEWAY_GATEWAY_H
#define MULETEER_GATEWAY_GATEWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "config/cfg.h"
#include "gateway/queue.h"
#include "gateway/stats.h"
#include "pmul/pmul.h"

struct dns;
struct sched;
struct mule_link;
struct room;
struct tls_context;

struct gateway {
	uv_loop_t *loop;
	const struct cfg *cfg;
	struct queue *queue;
	struct sched *sched;
	struct dns *dns;
	struct room *room;
	struct tls_context *tls_any;    /* as a client: any certificate... */
	struct tls_context *tls_verify; /* ...or only a good one */
	struct mule_link *
	    *links; /* one for each cfg->links entry, same order */
	size_t nlinks;
	struct stats stats;
	struct pmul_clock started;
	uint64_t random; /* state of gateway_random() */
	bool draining;   /* SIGTERM came: begin nothing new */
};

/* A number below bound (> 0), for jitter: not for secrets. */
uint64_t gateway_random(struct gateway *gw, uint64_t bound);

#endif

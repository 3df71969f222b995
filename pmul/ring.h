/*
 * The events not yet fetched, oldest first.
 *
 * An event must never be lost for want of memory, and a timer has nobody to
 * report an error to.  So whoever starts something promises its events first:
 * pmul_ring_promise() may fail, pmul_ring_push() cannot.
 */
#ifndef MULETEER_PMUL_RING_H
#define MULETEER_PMUL_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pmul/pmul.h"

struct pmul_ring {
	struct pmul_event *v;
	size_t cap;
	size_t first;    /* index of the oldest */
	size_t count;    /* queued */
	size_t promised; /* to come; count + promised <= cap */
};

/* PMUL_ENOMEM */
int pmul_ring_init(struct pmul_ring *r, size_t cap) PMUL_NODISCARD;
void pmul_ring_release(struct pmul_ring *r);

/* Make room for n events more.  PMUL_ENOMEM: nothing was promised. */
int pmul_ring_promise(struct pmul_ring *r, size_t n) PMUL_NODISCARD;

/* n of the promised events will not come. */
void pmul_ring_break(struct pmul_ring *r, size_t n);

/* Queue one of the promised events. */
void pmul_ring_push(struct pmul_ring *r, const struct pmul_event *ev);

bool pmul_ring_pop(struct pmul_ring *r, struct pmul_event *ret_ev);

/* Drop the queued events about our outgoing message msid. */
void pmul_ring_forget(struct pmul_ring *r, uint32_t msid);

#endif

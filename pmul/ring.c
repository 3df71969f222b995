#include "pmul/ring.h"

#include <assert.h>
#include <stdlib.h>

int
pmul_ring_init(struct pmul_ring *r, size_t cap)
{
	r->v = calloc(cap, sizeof(*r->v));
	r->cap = cap;
	r->first = r->count = r->promised = 0;
	return r->v != NULL ? PMUL_OK : PMUL_ENOMEM;
}

void
pmul_ring_release(struct pmul_ring *r)
{
	free(r->v);
	r->v = NULL;
	r->cap = r->count = r->promised = 0;
}

static struct pmul_event *
slot(const struct pmul_ring *r, size_t i)
{
	return &r->v[(r->first + i) % r->cap];
}

static int
grow(struct pmul_ring *r, size_t need)
{
	size_t cap = r->cap;
	struct pmul_event *v;

	while (cap < need)
		cap *= 2;
	v = calloc(cap, sizeof(*v));
	if (v == NULL)
		return PMUL_ENOMEM;
	for (size_t i = 0; i < r->count; i++)
		v[i] = *slot(r, i);
	free(r->v);
	r->v = v;
	r->cap = cap;
	r->first = 0;
	return PMUL_OK;
}

int
pmul_ring_promise(struct pmul_ring *r, size_t n)
{
	int rc = PMUL_OK;

	if (n > r->cap - r->count - r->promised)
		rc = grow(r, r->count + r->promised + n);
	if (rc == PMUL_OK)
		r->promised += n;
	return rc;
}

void
pmul_ring_break(struct pmul_ring *r, size_t n)
{
	assert(n <= r->promised);
	r->promised -= n;
}

void
pmul_ring_push(struct pmul_ring *r, const struct pmul_event *ev)
{
	pmul_ring_break(r, 1);
	*slot(r, r->count) = *ev;
	r->count++;
}

bool
pmul_ring_pop(struct pmul_ring *r, struct pmul_event *ret_ev)
{
	if (r->count == 0)
		return false;
	*ret_ev = *slot(r, 0);
	r->first = (r->first + 1) % r->cap;
	r->count--;
	return true;
}

static bool
about_outgoing(const struct pmul_event *ev, uint32_t msid)
{
	switch (ev->type) {
	case PMUL_EV_ACKED:
	case PMUL_EV_GAVE_UP:
	case PMUL_EV_DONE: return ev->id == msid;
	case PMUL_EV_RECEIVED:
	case PMUL_EV_LOST:
	case PMUL_EV_EMCON_LEFT:
	case PMUL_EV_JOIN:
	case PMUL_EV_LEAVE: return false;
	}
	return false;
}

void
pmul_ring_forget(struct pmul_ring *r, uint32_t msid)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->count; i++)
		if (!about_outgoing(slot(r, i), msid))
			*slot(r, kept++) = *slot(r, i);
	r->count = kept;
}

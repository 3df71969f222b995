#include <stdlib.h>
#include <string.h>

#include "gateway/queue_internal.h"

static size_t
bucket(uint64_t message)
{
	/* Ids are consecutive, so the low bits spread them evenly. */
	return (size_t)(message % QUEUE_LEASE_BUCKETS);
}

static struct queue_lease *
find(const struct queue_leases *l, const char *hop, uint64_t message)
{
	struct queue_lease *e;

	LIST_FOREACH (e, &l->buckets[bucket(message)], next)
		if (e->message == message &&
		    (hop == NULL || strcmp(e->hop, hop) == 0))
			return e;
	return NULL;
}

bool
queue_lease_held(
    const struct queue_leases *l, const char *hop, uint64_t message)
{
	return find(l, hop, message) != NULL;
}

bool
queue_lease_working(
    const struct queue_leases *l, const char *hop, uint64_t message)
{
	const struct queue_lease *e = find(l, hop, message);

	return e != NULL && !e->returned;
}

int
queue_lease_give(struct queue_leases *l, const char *hop, uint64_t message)
{
	size_t len = strlen(hop) + 1;
	struct queue_lease *e = malloc(sizeof(*e) + len);

	if (e == NULL)
		return QUEUE_ENOMEM;
	e->message = message;
	e->returned = false;
	memcpy(e->hop, hop, len);
	LIST_INSERT_HEAD(&l->buckets[bucket(message)], e, next);
	return QUEUE_OK;
}

void
queue_lease_return(struct queue_leases *l, const char *hop, uint64_t message)
{
	struct queue_lease *e = find(l, hop, message);

	if (e == NULL || e->returned)
		return;
	e->returned = true;
	l->returned++;
}

static void
purge_bucket(struct queue_leases *l, size_t b)
{
	struct queue_lease *e, *next;

	for (e = LIST_FIRST(&l->buckets[b]); e != NULL; e = next) {
		next = LIST_NEXT(e, next);
		if (!e->returned)
			continue;
		LIST_REMOVE(e, next);
		free(e);
		l->returned--;
	}
}

void
queue_lease_purge(struct queue_leases *l)
{
	for (size_t b = 0; l->returned > 0 && b < QUEUE_LEASE_BUCKETS; b++)
		purge_bucket(l, b);
}

void
queue_lease_release(struct queue_leases *l)
{
	struct queue_lease *e;

	for (size_t b = 0; b < QUEUE_LEASE_BUCKETS; b++)
		while ((e = LIST_FIRST(&l->buckets[b])) != NULL) {
			LIST_REMOVE(e, next);
			free(e);
		}
	l->returned = 0;
}

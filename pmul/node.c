#include "pmul/node.h"

#include <stdlib.h>

#include "pmul/tx.h"

struct known {
	struct pmul_table_node node; /* id, 0 */
	struct pmul_node what;
};

static struct known *
find(const struct pmul_engine *e, uint32_t id)
{
	struct pmul_table_node *n = pmul_table_find(&e->nodes, id, 0);

	return n != NULL ? PMUL_CONTAINER(n, struct known, node) : NULL;
}

static void
forget(struct pmul_engine *e, struct known *k)
{
	pmul_table_remove(&e->nodes, &k->node);
	e->nodes_count--;
	free(k);
}

/* The entry of a node about which something is known from now on. */
static int
remember(struct pmul_engine *e, uint32_t id, struct known **ret_k)
{
	struct known *k;

	if (e->nodes_count >= e->cfg.nodes_max)
		return PMUL_EBUSY;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return PMUL_ENOMEM;
	k->node.source = id;
	k->what.id = id;
	pmul_table_add(&e->nodes, &k->node);
	e->nodes_count++;
	*ret_k = k;
	return PMUL_OK;
}

int
pmul_node_set(struct pmul_engine *e, const struct pmul_node *n)
{
	struct known *k = find(e, n->id), *fresh = NULL;
	int rc = PMUL_OK;

	if (k == NULL && !n->emcon && !n->ntnu)
		return PMUL_OK;
	if (k == NULL) {
		rc = remember(e, n->id, &fresh);
		k = fresh;
	}
	if (rc == PMUL_OK && n->emcon && !k->what.emcon)
		rc = pmul_ring_promise(&e->events, 1);
	if (rc != PMUL_OK) {
		if (fresh != NULL)
			forget(e, fresh);
		return rc;
	}
	if (!n->emcon && k->what.emcon)
		pmul_ring_break(&e->events, 1);
	k->what = *n;
	if (!n->emcon && !n->ntnu)
		forget(e, k);
	pmul_tx_node_changed(e, n, true);
	return PMUL_OK;
}

struct pmul_node
pmul_node_get(const struct pmul_engine *e, uint32_t id)
{
	const struct known *k = find(e, id);

	return k != NULL ? k->what : (struct pmul_node){ .id = id };
}

void
pmul_node_spoke(struct pmul_engine *e, uint32_t id)
{
	const struct pmul_event ev = {
		.type = PMUL_EV_EMCON_LEFT,
		.peer = id,
	};
	struct known *k = find(e, id);
	struct pmul_node what;

	if (k == NULL || !k->what.emcon)
		return;
	pmul_ring_push(&e->events, &ev);
	k->what.emcon = false;
	what = k->what;
	if (!what.ntnu)
		forget(e, k);
	pmul_tx_node_changed(e, &what, false);
}

void
pmul_node_free_all(struct pmul_engine *e)
{
	struct pmul_table_node *n;

	while ((n = pmul_table_next(&e->nodes, NULL)) != NULL)
		forget(e, PMUL_CONTAINER(n, struct known, node));
}

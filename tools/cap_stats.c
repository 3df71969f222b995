/* mulecap stats: loss, delays, goodput and overhead of the whole capture. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/cap_feed.h"

#define TYPES 64
#define PRIORITIES 256 /* one octet */
/* Nodes beyond this are counted with the lowest. */
#define NODES_MAX 4096
/* Powers of two of milliseconds. */
#define DELAYS 24

struct node {
	uint32_t id;
	uint64_t pdus, octets;   /* sent */
	uint64_t lost, expected; /* of Data_PDUs, by its first Acks */
};

struct priority {
	uint64_t octets, payload, messages, deliveries;
};

struct stats {
	const struct cap_opts *o;
	struct cap_model *model;
	uint64_t type_pdus[TYPES], type_octets[TYPES];
	struct priority priorities[PRIORITIES];
	/* From a sender's PDU to the Ack; between two who speak; from the
	 * first PDU of a message to the complete Ack. */
	uint64_t round_trip[DELAYS], turnaround[DELAYS], delivery[DELAYS];
	struct node *nodes; /* ascending */
	size_t nnodes;
	uint64_t octets, payload, complete;
	double last_s;
	uint32_t speaker; /* who sent the last PDU */
};

static struct node *
node_of(struct stats *st, uint32_t id)
{
	size_t lo = 0, hi = st->nnodes;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (st->nodes[mid].id == id)
			return &st->nodes[mid];
		if (st->nodes[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (st->nnodes == NODES_MAX)
		return &st->nodes[0];
	for (size_t i = st->nnodes++; i > lo; i--)
		st->nodes[i] = st->nodes[i - 1];
	st->nodes[lo] = (struct node){ .id = id };
	return &st->nodes[lo];
}

static void
count_delay(uint64_t *table, double s)
{
	size_t i = 0;

	for (double ms = s * 1000; ms >= 1 && i < DELAYS - 1; ms /= 2)
		i++;
	table[i]++;
}

static void
done(void *ctx, const struct cap_message *m)
{
	struct stats *st = ctx;

	if (!cap_message_passes(st->o, m))
		return;
	st->payload += m->payload;
	st->priorities[m->priority].payload += m->payload;
	st->priorities[m->priority].messages++;
	for (size_t i = 0; i < m->ndests; i++) {
		const struct cap_dest *d = &m->dests[i];
		struct node *n = node_of(st, d->id);

		if (d->acks == 0)
			continue;
		n->expected += m->total;
		n->lost += d->lost < m->total ? d->lost : m->total;
		if (!d->complete)
			continue;
		st->complete++;
		st->priorities[m->priority].deliveries++;
		count_delay(st->delivery,
		    ((double)d->acked_us - (double)m->first_us) / 1e6);
	}
}

/* Only the first Ack after the sender has spoken tells the time it takes. */
static void
count_round_trips(struct stats *st, const struct cap_seen *s)
{
	struct pmul_ack_entry e;
	size_t pos = 0;

	while (pmul_pdu_next_ack(s->pdu, &pos, &e)) {
		const struct cap_message *m =
		    cap_model_acked(st->model, s->pdu, &e);
		const struct cap_dest *d =
		    m == NULL ? NULL : cap_message_dest(m, s->pdu->source);

		if (d != NULL && d->heard_us < m->spoke_us &&
		    s->d->time_us >= m->spoke_us)
			count_delay(st->round_trip,
			    (double)(s->d->time_us - m->spoke_us) / 1e6);
	}
}

static bool
see(void *ctx, const struct cap_seen *s)
{
	struct stats *st = ctx;
	struct node *n;

	if (s->pdu == NULL || !cap_passes(st->o, s))
		return true;
	if (st->octets > 0 && st->speaker != s->pdu->source)
		count_delay(st->turnaround, s->at_s - st->last_s);
	st->speaker = s->pdu->source;
	st->last_s = s->at_s;
	st->octets += s->d->ip_len;
	st->type_pdus[s->pdu->type]++;
	st->type_octets[s->pdu->type] += s->d->ip_len;
	st->priorities[s->pdu->priority].octets += s->d->ip_len;
	if (s->pdu->type == PMUL_ACK)
		count_round_trips(st, s);
	n = node_of(st, s->pdu->source);
	n->pdus++;
	n->octets += s->d->ip_len;
	return cap_model_take(st->model, s->d, s->pdu);
}

static json_t *
delays_json(const uint64_t *table)
{
	json_t *a = json_array();

	for (size_t i = 0; i < DELAYS; i++)
		if (table[i] > 0)
			(void)json_array_append_new(
			    a, json_pack("{s:f,s:I}", "below_s",
				   (double)(1U << i) / 1000, "count",
				   (json_int_t)table[i]));
	return a;
}

static json_t *
nodes_json(const struct stats *st)
{
	json_t *a = json_array();

	for (size_t i = 0; i < st->nnodes; i++) {
		const struct node *n = &st->nodes[i];
		json_t *j = json_pack("{s:s,s:I,s:I}", "node",
		    cap_quad(n->id).s, "pdus", (json_int_t)n->pdus, "octets",
		    (json_int_t)n->octets);

		if (n->expected > 0)
			(void)json_object_set_new(j, "loss",
			    json_real((double)n->lost / (double)n->expected));
		(void)json_array_append_new(a, j);
	}
	return a;
}

static json_t *
types_json(const struct stats *st)
{
	json_t *j = json_object();

	for (unsigned i = 0; i < TYPES; i++)
		if (st->type_pdus[i] > 0)
			(void)json_object_set_new(j, pmul_pdu_name(i),
			    json_pack("{s:I,s:I}", "pdus",
				(json_int_t)st->type_pdus[i], "octets",
				(json_int_t)st->type_octets[i]));
	return j;
}

static double
goodput(const struct stats *st, uint64_t payload)
{
	return st->last_s > 0 ? (double)payload * 8 / st->last_s : 0;
}

static json_t *
priorities_json(const struct stats *st)
{
	json_t *j = json_object();
	char name[4];

	for (unsigned i = 0; i < PRIORITIES; i++) {
		const struct priority *p = &st->priorities[i];

		if (p->octets == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%u", i);
		(void)json_object_set_new(j, name,
		    json_pack("{s:I,s:I,s:I,s:I,s:f}", "octets",
			(json_int_t)p->octets, "payload",
			(json_int_t)p->payload, "messages",
			(json_int_t)p->messages, "deliveries",
			(json_int_t)p->deliveries, "goodput_bps",
			goodput(st, p->payload)));
	}
	return j;
}

static double
efficiency(const struct stats *st)
{
	return st->octets == 0 ? 0 : (double)st->payload / (double)st->octets;
}

static void
print_json(const struct stats *st)
{
	json_t *j = json_pack(
	    "{s:I,s:I,s:I,s:f,s:f,s:f,s:o,s:o,s:o,s:o,s:o,s:o}", "octets",
	    (json_int_t)st->octets, "payload", (json_int_t)st->payload,
	    "deliveries", (json_int_t)st->complete, "seconds", st->last_s,
	    "goodput_bps", goodput(st, st->payload), "efficiency",
	    efficiency(st), "types", types_json(st), "priorities",
	    priorities_json(st), "nodes", nodes_json(st), "round_trip",
	    delays_json(st->round_trip), "turnaround",
	    delays_json(st->turnaround), "delivery", delays_json(st->delivery));

	if (j == NULL)
		return;
	(void)json_dumpf(j, stdout, JSON_INDENT(2));
	(void)putchar('\n');
	json_decref(j);
}

static void
print_delays(const char *what, const uint64_t *table)
{
	for (size_t i = 0; i < DELAYS; i++)
		if (table[i] > 0)
			(void)printf("%s below %.3f s: %" PRIu64 "\n", what,
			    (double)(1U << i) / 1000, table[i]);
}

static void
print_priorities(const struct stats *st)
{
	for (unsigned i = 0; i < PRIORITIES; i++) {
		const struct priority *p = &st->priorities[i];

		if (p->octets > 0)
			(void)printf("priority %-13u %10" PRIu64
				     " mail %12" PRIu64 " octets, payload "
				     "%" PRIu64 ", deliveries %" PRIu64 "\n",
			    i, p->messages, p->octets, p->payload,
			    p->deliveries);
	}
}

static void
print_text(const struct stats *st)
{
	(void)printf("octets %" PRIu64 ", payload %" PRIu64
		     " (%.0f %%), deliveries %" PRIu64
		     ", %.1f s, goodput %.0f bit/s\n",
	    st->octets, st->payload, efficiency(st) * 100, st->complete,
	    st->last_s, goodput(st, st->payload));
	for (unsigned i = 0; i < TYPES; i++)
		if (st->type_pdus[i] > 0)
			(void)printf("%-22s %10" PRIu64 " PDUs %12" PRIu64
				     " octets\n",
			    pmul_pdu_name(i), st->type_pdus[i],
			    st->type_octets[i]);
	print_priorities(st);
	for (size_t i = 0; i < st->nnodes; i++) {
		const struct node *n = &st->nodes[i];

		(void)printf("%-22s %10" PRIu64 " PDUs %12" PRIu64 " octets",
		    cap_quad(n->id).s, n->pdus, n->octets);
		if (n->expected > 0)
			(void)printf(" loss %.1f %%",
			    (double)n->lost * 100 / (double)n->expected);
		(void)putchar('\n');
	}
	print_delays("round trip", st->round_trip);
	print_delays("turnaround", st->turnaround);
	print_delays("delivery", st->delivery);
}

int
cap_stats(const struct cap_opts *o)
{
	struct stats st = { .o = o };
	int rc = CAP_UNUSABLE;

	st.nodes = calloc(NODES_MAX, sizeof(*st.nodes));
	if (st.nodes != NULL &&
	    cap_default_model(false, done, &st, &st.model)) {
		rc = cap_feed(o, &(struct cap_visitor){ see, &st });
		cap_model_finish(st.model);
		cap_model_free(&st.model);
		if (rc == 0 && o->json)
			print_json(&st);
		else if (rc == 0)
			print_text(&st);
	}
	free(st.nodes);
	return rc;
}

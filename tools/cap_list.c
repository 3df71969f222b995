/* mulecap list: one line for each message. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#include "tools/cap_feed.h"

struct list {
	const struct cap_opts *o;
	struct cap_model *model;
};

static uint64_t
air_octets(const struct cap_message *m)
{
	return m->air_data + m->air_address + m->air_ack;
}

static double
efficiency(const struct cap_message *m)
{
	return air_octets(m) == 0 ? 0
				  : (double)m->payload / (double)air_octets(m);
}

/* From its first PDU to its last, Acks included. */
static double
seconds(const struct cap_message *m)
{
	return (double)(m->last_us - m->first_us) / 1e6;
}

static const char *
outcome(const struct cap_message *m, const struct cap_dest *d)
{
	if (d->complete)
		return "acked";
	if (m->discarded_us != 0)
		return "discarded";
	return d->acks > 0 ? "partial" : "silent";
}

static void
print_text(const struct list *l, const struct cap_message *m)
{
	(void)printf("%s %08" PRIx32 " priority=%u size=%" PRIu64
		     " pdus=%" PRIu32 "/%" PRIu32 " rounds=%" PRIu32,
	    cap_quad(m->source).s, m->msid, m->priority, m->payload, m->have,
	    m->total, m->rounds);
	if (l->o->rate > 0)
		(void)printf(
		    " air=%.3fs", (double)air_octets(m) * 8 / l->o->rate);
	(void)printf(" time=%.1fs octets=%" PRIu64 " efficiency=%.0f%%",
	    seconds(m), air_octets(m), efficiency(m) * 100);
	for (size_t i = 0; i < m->ndests; i++) {
		const struct cap_dest *d = &m->dests[i];

		(void)printf(" %s=%s", cap_quad(d->id).s, outcome(m, d));
		if (d->complete)
			(void)printf("+%.1fs",
			    ((double)d->acked_us - (double)m->first_us) / 1e6);
		else if (d->acks > 0)
			(void)printf("-%" PRIu32, d->missing);
	}
	(void)putchar('\n');
}

static json_t *
dests_json(const struct cap_message *m)
{
	json_t *a = json_array();

	for (size_t i = 0; i < m->ndests; i++) {
		const struct cap_dest *d = &m->dests[i];
		json_t *j = json_pack("{s:s,s:s,s:I,s:I}", "node",
		    cap_quad(d->id).s, "outcome", outcome(m, d), "missing",
		    (json_int_t)d->missing, "acks", (json_int_t)d->acks);

		if (d->complete)
			(void)json_object_set_new(j, "acked_s",
			    json_real(
				((double)d->acked_us - (double)m->first_us) /
				1e6));
		(void)json_array_append_new(a, j);
	}
	return a;
}

static void
print_json(const struct list *l, const struct cap_message *m)
{
	char id[9];
	json_t *j;

	(void)snprintf(id, sizeof(id), "%08" PRIx32, m->msid);
	j = json_pack("{s:s,s:s,s:I,s:i,s:I,s:I,s:I,s:I,s:I,s:f,s:f,s:I,s:o}",
	    "source", cap_quad(m->source).s, "id", id, "frame",
	    (json_int_t)m->first_frame, "priority", m->priority, "size",
	    (json_int_t)m->payload, "have", (json_int_t)m->have, "total",
	    (json_int_t)m->total, "rounds", (json_int_t)m->rounds, "octets",
	    (json_int_t)air_octets(m), "efficiency", efficiency(m), "seconds",
	    seconds(m), "expiry", (json_int_t)m->expiry, "destinations",
	    dests_json(m));
	if (j == NULL)
		return;
	if (l->o->rate > 0)
		(void)json_object_set_new(j, "air_s",
		    json_real((double)air_octets(m) * 8 / l->o->rate));
	(void)json_dumpf(j, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(j);
}

static void
done(void *ctx, const struct cap_message *m)
{
	const struct list *l = ctx;

	if (!cap_message_passes(l->o, m))
		return;
	if (l->o->json)
		print_json(l, m);
	else
		print_text(l, m);
}

static bool
see(void *ctx, const struct cap_seen *s)
{
	struct list *l = ctx;

	if (s->pdu == NULL || s->at_s < l->o->from_s || s->at_s > l->o->to_s)
		return true;
	return cap_model_take(l->model, s->d, s->pdu);
}

int
cap_list(const struct cap_opts *o)
{
	struct list l = { .o = o };
	int rc;

	if (!cap_default_model(false, done, &l, &l.model))
		return CAP_UNUSABLE;
	rc = cap_feed(o, &(struct cap_visitor){ see, &l });
	cap_model_finish(l.model);
	cap_model_free(&l.model);
	return rc;
}

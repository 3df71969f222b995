#include "tools/cap_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096

TAILQ_HEAD(age_list, cap_message);
LIST_HEAD(bucket, cap_message);

struct cap_model {
	struct cap_model_config cfg;
	struct age_list ages; /* the one heard last at the end */
	struct bucket buckets[BUCKETS];
	size_t count, bytes;
};

bool
cap_model_new(const struct cap_model_config *c, struct cap_model **ret_m)
{
	struct cap_model *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return false;
	m->cfg = *c;
	TAILQ_INIT(&m->ages);
	*ret_m = m;
	return true;
}

static void
forget(struct cap_model *m, struct cap_message *msg)
{
	TAILQ_REMOVE(&m->ages, msg, by_age);
	LIST_REMOVE(msg, by_id);
	m->count--;
	m->bytes -= msg->bytes;
	for (size_t i = 0; i < msg->nfragments; i++)
		free(msg->fragments[i].data);
	free(msg->fragments);
	free(msg->dests);
	free(msg);
}

void
cap_model_free(struct cap_model **m)
{
	struct cap_message *msg;

	if (*m == NULL)
		return;
	while ((msg = TAILQ_FIRST(&(*m)->ages)) != NULL)
		forget(*m, msg);
	free(*m);
	*m = NULL;
}

static void
finish_oldest(struct cap_model *m)
{
	struct cap_message *msg = TAILQ_FIRST(&m->ages);

	m->cfg.done(m->cfg.ctx, msg);
	forget(m, msg);
}

void
cap_model_finish(struct cap_model *m)
{
	while (!TAILQ_EMPTY(&m->ages))
		finish_oldest(m);
}

/* --- looking up -------------------------------------------------------- */

/* By Message_ID alone, so that Acks with a wrong source find it too. */
static size_t
bucket_of(uint32_t msid)
{
	return msid * UINT32_C(2654435761) >> 20;
}

struct cap_message *
cap_model_find(const struct cap_model *m, uint32_t source, uint32_t msid)
{
	struct cap_message *msg;

	LIST_FOREACH (msg, &m->buckets[bucket_of(msid)], by_id)
		if (msg->msid == msid && msg->source == source)
			return msg;
	return NULL;
}

struct cap_message *
cap_model_find_dest(const struct cap_model *m, uint32_t msid, uint32_t dest)
{
	struct cap_message *msg;

	LIST_FOREACH (msg, &m->buckets[bucket_of(msid)], by_id)
		if (msg->msid == msid && cap_message_dest(msg, dest) != NULL)
			return msg;
	return NULL;
}

struct cap_dest *
cap_message_dest(const struct cap_message *m, uint32_t id)
{
	size_t lo = 0, hi = m->ndests;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (m->dests[mid].id == id)
			return &m->dests[mid];
		if (m->dests[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

bool
cap_message_whole(const struct cap_message *m)
{
	return m->total > 0 && m->have >= m->total;
}

uint64_t
cap_hash(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

uint32_t
cap_entry_missing(const struct pmul_ack_entry *e, uint16_t *ret_max)
{
	size_t pos = 0;
	uint16_t first, last, max = 0;
	uint32_t n = 0;

	while (pmul_ack_next_range(e, &pos, &first, &last)) {
		n += (uint32_t)(last - first) + 1;
		max = last;
	}
	*ret_max = max;
	return n;
}

/* --- growing ----------------------------------------------------------- */

static void
charge(struct cap_model *m, struct cap_message *msg, size_t n)
{
	msg->bytes += n;
	m->bytes += n;
}

static void
make_room(struct cap_model *m, uint64_t now)
{
	struct cap_message *old;

	while ((old = TAILQ_FIRST(&m->ages)) != NULL &&
	       (m->count > m->cfg.messages_max ||
		   (m->bytes > m->cfg.bytes_max && m->count > 1) ||
		   (now > old->last_us && now - old->last_us > m->cfg.age_us)))
		finish_oldest(m);
}

static struct cap_message *
open_message(
    struct cap_model *m, const struct cap_datagram *d, const struct pmul_pdu *p)
{
	struct cap_message *msg = cap_model_find(m, p->source, p->msid);

	if (msg == NULL) {
		msg = calloc(1, sizeof(*msg));
		if (msg == NULL)
			return NULL;
		msg->source = p->source;
		msg->msid = p->msid;
		msg->priority = p->priority;
		msg->first_us = d->time_us;
		msg->first_frame = d->frame;
		LIST_INSERT_HEAD(&m->buckets[bucket_of(p->msid)], msg, by_id);
		m->count++;
		charge(m, msg, sizeof(*msg));
	} else
		TAILQ_REMOVE(&m->ages, msg, by_age);
	TAILQ_INSERT_TAIL(&m->ages, msg, by_age);
	msg->last_us = d->time_us;
	return msg;
}

static bool
add_dest(struct cap_model *m, struct cap_message *msg, struct pmul_dest want)
{
	struct cap_dest *d = cap_message_dest(msg, want.id);
	size_t at = msg->ndests;

	if (d != NULL) {
		d->idle_acks = 0;
		return true;
	}
	if (msg->ndests == CAP_DESTS_MAX)
		return true;
	if (msg->ndests == msg->dests_cap) {
		size_t cap = msg->dests_cap == 0 ? 8 : msg->dests_cap * 2;

		d = realloc(msg->dests, cap * sizeof(*d));
		if (d == NULL)
			return false;
		charge(m, msg, (cap - msg->dests_cap) * sizeof(*d));
		msg->dests = d;
		msg->dests_cap = cap;
	}
	while (at > 0 && msg->dests[at - 1].id > want.id)
		at--;
	memmove(msg->dests + at + 1, msg->dests + at,
	    (msg->ndests - at) * sizeof(*d));
	msg->dests[at] = (struct cap_dest){ .id = want.id, .seq = want.seq };
	msg->ndests++;
	return true;
}

static bool
take_address(struct cap_model *m, struct cap_message *msg,
    const struct cap_datagram *d, const struct pmul_pdu *p)
{
	msg->air_address += d->ip_len;
	msg->addressed = true;
	msg->expiry = p->expiry;
	/* Reference 5.4: the Total never shrinks. */
	if (p->total > msg->total)
		msg->total = p->total;
	if (p->type == PMUL_ADDRESS && p->count > 0 && p->first &&
	    (msg->rounds == 0 || msg->in_data)) {
		msg->rounds++;
		msg->in_data = false;
	}
	for (size_t i = 0; i < p->count; i++)
		if (!add_dest(m, msg, pmul_pdu_dest(p, i)))
			return false;
	return true;
}

static bool
grow_fragments(struct cap_model *m, struct cap_message *msg, size_t n)
{
	struct cap_fragment *f;
	size_t old = msg->nfragments;

	if (n < old * 2)
		n = old * 2;
	if (n > PMUL_FRAGMENTS_MAX)
		n = PMUL_FRAGMENTS_MAX;
	f = realloc(msg->fragments, n * sizeof(*f));
	if (f == NULL)
		return false;
	memset(f + old, 0, (n - old) * sizeof(*f));
	charge(m, msg, (n - old) * sizeof(*f));
	msg->fragments = f;
	msg->nfragments = n;
	return true;
}

static bool
take_data(struct cap_model *m, struct cap_message *msg,
    const struct cap_datagram *d, const struct pmul_pdu *p)
{
	struct cap_fragment *f;

	msg->air_data += d->ip_len;
	msg->data_pdus++;
	msg->in_data = true;
	if (p->seq == 0)
		return true;
	if (p->seq > msg->nfragments && !grow_fragments(m, msg, p->seq))
		return false;
	f = &msg->fragments[p->seq - 1];
	if (f->times++ > 0) {
		msg->repeats++;
		return true;
	}
	if (m->cfg.keep) {
		f->data = malloc(p->data_len + 1);
		if (f->data == NULL) {
			f->times = 0;
			return false;
		}
		memcpy(f->data, p->data, p->data_len);
		charge(m, msg, p->data_len + 1);
	}
	f->len = (uint32_t)p->data_len;
	f->hash = cap_hash(p->data, p->data_len);
	msg->have++;
	msg->payload += p->data_len;
	return true;
}

static void
take_ack(
    struct cap_model *m, const struct cap_datagram *d, const struct pmul_pdu *p)
{
	struct pmul_ack_entry e;
	size_t pos = 0;
	uint16_t max;
	bool first = true;

	while (pmul_pdu_next_ack(p, &pos, &e)) {
		struct cap_message *msg = cap_model_find(m, e.source, e.msid);
		struct cap_dest *dest;
		uint32_t missing = cap_entry_missing(&e, &max);

		if (msg == NULL)
			continue;
		/* The octets of an Ack for many count once. */
		if (first)
			msg->air_ack += d->ip_len;
		first = false;
		if (d->time_us > msg->last_us)
			msg->last_us = d->time_us;
		dest = cap_message_dest(msg, p->source);
		if (dest == NULL)
			continue;
		if (dest->acks++ == 0)
			dest->lost = missing;
		dest->heard_us = d->time_us;
		dest->missing = missing;
		if (e.nmissing > 0)
			continue;
		dest->idle_acks++;
		if (!dest->complete)
			dest->acked_us = d->time_us;
		dest->complete = true;
	}
}

static bool
take_of_message(
    struct cap_model *m, const struct cap_datagram *d, const struct pmul_pdu *p)
{
	struct cap_message *msg = open_message(m, d, p);

	if (msg == NULL)
		return false;
	if (p->type == PMUL_DATA)
		return take_data(m, msg, d, p);
	if (p->type != PMUL_DISCARD)
		return take_address(m, msg, d, p);
	if (msg->discarded_us == 0)
		msg->discarded_us = d->time_us;
	return true;
}

bool
cap_model_take(struct cap_model *m, const struct cap_datagram *d,
    const struct pmul_pdu *pdu)
{
	bool ok = true;

	switch (pdu->type) {
	case PMUL_DATA:
	case PMUL_DISCARD:
	case PMUL_ADDRESS:
	case PMUL_EXTRA_ADDRESS:
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: ok = take_of_message(m, d, pdu); break;
	case PMUL_ACK: take_ack(m, d, pdu); break;
	case PMUL_ANNOUNCE:
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE: break;
	}
	make_room(m, d->time_us);
	return ok;
}

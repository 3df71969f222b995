#include "tools/cap_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096
/* Messages with one id that find_dest() looks at. */
#define SAME_ID_MAX 32
/* Entries of an Ack_PDU that are compared with each other. */
#define POLITE_MAX 8

TAILQ_HEAD(age_list, cap_message);
LIST_HEAD(bucket, cap_message);

struct cap_model {
	struct cap_model_config cfg;
	struct age_list ages;           /* the one heard last at the end */
	struct bucket by_id[BUCKETS];   /* source and Message_ID */
	struct bucket by_msid[BUCKETS]; /* Acks with a wrong source */
	size_t count, bytes;
	uint32_t numbers;
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
charge(struct cap_model *m, struct cap_message *msg, size_t n)
{
	msg->bytes += n;
	m->bytes += n;
}

static void
drop_contents(struct cap_model *m, struct cap_message *msg)
{
	for (size_t i = 0; i < msg->nfragments; i++) {
		struct cap_fragment *f = &msg->fragments[i];

		if (f->data == NULL)
			continue;
		free(f->data);
		f->data = NULL;
		msg->bytes -= f->len + (size_t)1;
		m->bytes -= f->len + (size_t)1;
	}
}

static void
forget(struct cap_model *m, struct cap_message *msg)
{
	TAILQ_REMOVE(&m->ages, msg, by_age);
	LIST_REMOVE(msg, by_id);
	LIST_REMOVE(msg, by_msid);
	m->count--;
	drop_contents(m, msg);
	m->bytes -= msg->bytes;
	for (size_t i = 0; i < msg->ndests; i++)
		pmul_seqset_release(&msg->dests[i].has);
	free(msg->fragments);
	free(msg->dests);
	free(msg->dest_index);
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

/* Every bit of v and seed reaches the top ones. */
static uint64_t
mix(uint64_t v, uint64_t seed)
{
	v ^= seed;
	v = (v ^ v >> 33) * UINT64_C(0xff51afd7ed558ccd);
	v = (v ^ v >> 33) * (UINT64_C(0xc4ceb9fe1a85ec53) ^ seed << 1);
	return v ^ v >> 33;
}

static size_t
id_bucket(const struct cap_model *m, uint32_t source, uint32_t msid)
{
	return mix((uint64_t)source << 32 | msid, m->cfg.seed) % BUCKETS;
}

static size_t
msid_bucket(const struct cap_model *m, uint32_t msid)
{
	return mix(msid, m->cfg.seed) % BUCKETS;
}

struct cap_message *
cap_model_find(const struct cap_model *m, uint32_t source, uint32_t msid)
{
	struct cap_message *msg;

	LIST_FOREACH (msg, &m->by_id[id_bucket(m, source, msid)], by_id)
		if (msg->msid == msid && msg->source == source)
			return msg;
	return NULL;
}

static struct cap_message *
find_dest(const struct cap_model *m, uint32_t msid, uint32_t dest)
{
	struct cap_message *msg = LIST_FIRST(&m->by_msid[msid_bucket(m, msid)]);

	for (int left = SAME_ID_MAX; msg != NULL && left > 0; left--) {
		if (msg->msid == msid && cap_message_dest(msg, dest) != NULL)
			return msg;
		msg = LIST_NEXT(msg, by_msid);
	}
	return NULL;
}

/* Who writes both is polite to NTNU's library, and is not it. */
static bool
also_named(const struct cap_model *m, const struct pmul_pdu *ack, uint32_t msid)
{
	struct pmul_ack_entry e;
	size_t pos = 0;

	while (pmul_pdu_next_ack(ack, &pos, &e))
		if (e.msid == msid &&
		    cap_model_find(m, e.source, e.msid) != NULL)
			return true;
	return false;
}

struct cap_message *
cap_model_acked(const struct cap_model *m, const struct pmul_pdu *ack,
    const struct pmul_ack_entry *e)
{
	struct cap_message *msg = cap_model_find(m, e->source, e->msid);

	if (msg != NULL || e->source != ack->source)
		return msg;
	msg = find_dest(m, e->msid, e->source);
	if (msg == NULL ||
	    (ack->count <= POLITE_MAX && also_named(m, ack, e->msid)))
		return NULL;
	return msg;
}

/* The place of id in the table, or the free one where it would go. */
static uint16_t *
index_of(const struct cap_message *m, uint32_t id)
{
	size_t mask = m->dests_cap * 2 - 1;
	size_t at = mix(id, m->seed) & mask;

	while (
	    m->dest_index[at] != 0 && m->dests[m->dest_index[at] - 1].id != id)
		at = (at + 1) & mask;
	return &m->dest_index[at];
}

struct cap_dest *
cap_message_dest(const struct cap_message *m, uint32_t id)
{
	uint16_t at;

	if (m->ndests == 0)
		return NULL;
	at = *index_of(m, id);
	return at == 0 ? NULL : &m->dests[at - 1];
}

bool
cap_message_whole(const struct cap_message *m)
{
	return m->total > 0 && m->inside == m->total && m->have == m->total;
}

uint64_t
cap_hash(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t h = mix(len, UINT64_C(0xcbf29ce484222325)), word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	word = 0;
	memcpy(&word, p, len);
	return mix(h ^ word, UINT64_C(0x100000001b3));
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
make_room(struct cap_model *m, uint64_t now)
{
	struct cap_message *old;

	while ((old = TAILQ_FIRST(&m->ages)) != NULL &&
	       (m->count > m->cfg.messages_max ||
		   (m->bytes > m->cfg.bytes_max && m->count > 1) ||
		   (now > old->last_us && now - old->last_us > m->cfg.age_us)))
		finish_oldest(m);
}

/* Something of the message was heard: it is the youngest now. */
static void
touch(struct cap_model *m, struct cap_message *msg, uint64_t now)
{
	TAILQ_REMOVE(&m->ages, msg, by_age);
	TAILQ_INSERT_TAIL(&m->ages, msg, by_age);
	/* A clock that was set back does not make the list go wrong. */
	if (now > msg->last_us)
		msg->last_us = now;
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
		msg->number = ++m->numbers;
		msg->priority = p->priority;
		msg->seed = m->cfg.seed;
		msg->first_us = d->time_us;
		msg->first_frame = d->frame;
		LIST_INSERT_HEAD(
		    &m->by_id[id_bucket(m, p->source, p->msid)], msg, by_id);
		LIST_INSERT_HEAD(
		    &m->by_msid[msid_bucket(m, p->msid)], msg, by_msid);
		TAILQ_INSERT_TAIL(&m->ages, msg, by_age);
		m->count++;
		charge(m, msg, sizeof(*msg));
	}
	touch(m, msg, d->time_us);
	msg->last_frame = d->frame;
	msg->spoke_us = d->time_us;
	/* What asks or ends takes its own time. */
	if (p->type == PMUL_DATA || p->type == PMUL_ADDRESS) {
		msg->gap_us =
		    d->time_us > msg->sent_us ? d->time_us - msg->sent_us : 0;
		msg->sent_us = d->time_us;
	}
	return msg;
}

/* --- destinations ------------------------------------------------------ */

static bool
grow_dests(struct cap_model *m, struct cap_message *msg)
{
	size_t old = msg->dests_cap, cap = old == 0 ? 8 : old * 2;
	struct cap_dest *d;
	uint16_t *index = calloc(cap * 2, sizeof(*index));

	if (index == NULL)
		return false;
	d = realloc(msg->dests, cap * sizeof(*d));
	if (d == NULL) {
		free(index);
		return false;
	}
	free(msg->dest_index);
	msg->dest_index = index;
	msg->dests = d;
	msg->dests_cap = cap;
	charge(m, msg, (cap - old) * (sizeof(*d) + 2 * sizeof(*index)));
	for (size_t i = 0; i < msg->ndests; i++)
		*index_of(msg, d[i].id) = (uint16_t)(i + 1);
	return true;
}

static bool
add_dest(struct cap_model *m, struct cap_message *msg, struct pmul_dest want)
{
	struct cap_dest *d = cap_message_dest(msg, want.id);

	if (d == NULL) {
		if (msg->ndests == CAP_DESTS_MAX)
			return true;
		if (msg->ndests == msg->dests_cap && !grow_dests(m, msg))
			return false;
		d = &msg->dests[msg->ndests];
		*d = (struct cap_dest){ .id = want.id, .seq = want.seq };
		*index_of(msg, want.id) = (uint16_t)++msg->ndests;
		pmul_seqset_init(&d->has, 0);
	}
	/* Listed again, once a round, though it has said that all is there. */
	if (d->complete && d->round != msg->rounds)
		d->unheeded++;
	d->idle_acks = 0;
	d->same_nacks = 0;
	d->round = msg->rounds;
	return true;
}

static void
set_total(struct cap_message *msg, uint32_t total)
{
	for (uint32_t s = msg->total; s < total && s < msg->nfragments; s++)
		msg->inside += msg->fragments[s].times > 0;
	msg->total = total;
}

static bool
take_address(struct cap_model *m, struct cap_message *msg,
    const struct cap_datagram *d, const struct pmul_pdu *p)
{
	msg->air_address += d->ip_len;
	msg->addressed = true;
	msg->expiry = p->expiry;
	/* The first Total may be that of a round only; it never shrinks. */
	if (p->total > msg->total)
		set_total(msg, p->total);
	if (p->type == PMUL_ADDRESS && p->count > 0 && p->first &&
	    (msg->rounds == 0 || msg->in_data)) {
		msg->rounds++;
		msg->in_data = false;
		msg->round_us = d->time_us;
	}
	msg->set_open = !p->last;
	if (p->count == 0)
		msg->ack_acked = true;
	for (size_t i = 0; i < p->count; i++)
		if (!add_dest(m, msg, pmul_pdu_dest(p, i)))
			return false;
	return true;
}

/* --- fragments --------------------------------------------------------- */

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
keep_contents(struct cap_model *m, struct cap_message *msg,
    struct cap_fragment *f, const struct pmul_pdu *p)
{
	if (!m->cfg.keep || msg->too_large)
		return true;
	if (msg->payload + p->data_len > m->cfg.message_max) {
		msg->too_large = true;
		drop_contents(m, msg);
		return true;
	}
	f->data = malloc(p->data_len + 1);
	if (f->data == NULL)
		return false;
	memcpy(f->data, p->data, p->data_len);
	charge(m, msg, p->data_len + 1);
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
	if (p->seq > msg->top)
		msg->top = p->seq;
	f = &msg->fragments[p->seq - 1];
	if (f->times == 0 && !keep_contents(m, msg, f, p))
		return false;
	f->round = msg->rounds;
	if (f->times++ > 0) {
		msg->repeats++;
		return true;
	}
	f->len = (uint32_t)p->data_len;
	f->hash = cap_hash(p->data, p->data_len);
	msg->have++;
	msg->inside += p->seq <= msg->total;
	msg->payload += p->data_len;
	return true;
}

/* --- acknowledgements -------------------------------------------------- */

/*
 * What a missing list says is there: all below its last number but those that
 * it names.  What is above is not known.
 */
static bool
learn(struct cap_model *m, struct cap_message *msg, struct cap_dest *d,
    const struct pmul_ack_entry *e)
{
	size_t pos = 0, before = d->has.words == NULL ? 0 : d->has.max / 8;
	uint16_t first, last;
	uint32_t from = 1;
	uint64_t hash = cap_hash(e->missing, e->nmissing * 2);

	d->same_nacks = hash == d->nack_hash ? d->same_nacks + 1 : 1;
	d->nack_hash = hash;
	if (pmul_seqset_grow(&d->has, msg->total) != 0)
		return false;
	while (pmul_ack_next_range(e, &pos, &first, &last)) {
		if (from < first &&
		    pmul_seqset_add_range(&d->has, from, first - 1U) != 0)
			return false;
		from = last + 1U;
	}
	if (d->has.words != NULL)
		charge(m, msg, d->has.max / 8 - before);
	return true;
}

static bool
take_entry(struct cap_model *m, const struct cap_datagram *d,
    const struct pmul_pdu *p, const struct pmul_ack_entry *e)
{
	struct cap_message *msg = cap_model_acked(m, p, e);
	struct cap_dest *dest;
	uint16_t max;

	if (msg == NULL)
		return true;
	touch(m, msg, d->time_us);
	msg->ack_us = d->time_us;
	dest = cap_message_dest(msg, p->source);
	if (dest == NULL)
		return true;
	dest->missing = cap_entry_missing(e, &max);
	if (dest->acks++ == 0)
		dest->lost = dest->missing;
	dest->heard_us = d->time_us;
	dest->idle_acks++;
	if (e->nmissing > 0)
		return learn(m, msg, dest, e);
	if (!dest->complete) {
		dest->idle_acks = 1;
		dest->acked_us = d->time_us;
		msg->complete++;
	}
	dest->complete = true;
	return true;
}

static bool
take_ack(
    struct cap_model *m, const struct cap_datagram *d, const struct pmul_pdu *p)
{
	struct pmul_ack_entry e;
	struct cap_message *first = NULL;
	size_t pos = 0;

	while (pmul_pdu_next_ack(p, &pos, &e)) {
		/* The octets of an Ack for many count once. */
		if (first == NULL &&
		    (first = cap_model_acked(m, p, &e)) != NULL)
			first->air_ack += d->ip_len;
		if (!take_entry(m, d, p, &e))
			return false;
	}
	return true;
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

void
cap_model_damaged(struct cap_model *m, uint32_t source, uint32_t msid)
{
	struct cap_message *msg = cap_model_find(m, source, msid);

	if (msg != NULL)
		msg->damaged++;
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
	case PMUL_ACK: ok = take_ack(m, d, pdu); break;
	case PMUL_ANNOUNCE:
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE: break;
	}
	make_room(m, d->time_us);
	return ok;
}

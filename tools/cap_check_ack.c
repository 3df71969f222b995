/* mulecap check: Ack_PDUs. */
#include "tools/cap_check.h"

/* An Ack, and its three repetitions while nobody answers. */
#define IDLE_ACKS_MAX 4
/* A longer ACK_Info_Entry has a length that does not fit one octet. */
#define NTNU_MISSING_MAX 122
/* Acks of several nodes within this time have not been delayed at random. */
#define BURST_US 1000
/* Beside twice the time between two PDUs: what any system may take. */
#define PAUSE_US 50000

static uint16_t
number(const struct pmul_ack_entry *e, size_t i)
{
	return (uint16_t)(e->missing[2 * i] << 8 | e->missing[2 * i + 1]);
}

/*
 * Numbers ascend, 0 is between the two ends of a range, and the first of them
 * is the lower.  The end-of-list mark of 142(A) is understood, not sent.
 */
static bool
makes_sense(const struct pmul_ack_entry *e, bool *ret_range)
{
	uint32_t before = 0;

	for (size_t i = 0; i < e->nmissing; i++) {
		uint16_t n = number(e, i);

		if (n <= before)
			return false;
		before = n;
		if (i + 1 == e->nmissing || number(e, i + 1) != 0)
			continue;
		if (i + 2 == e->nmissing || number(e, i + 2) <= n)
			return false;
		*ret_range = true;
		before = number(e, i + 2);
		i += 2;
	}
	return true;
}

static void
check_burst(struct cap_check *c, const struct cap_message *m, uint32_t node)
{
	uint64_t now = c->now->d->time_us, window = BURST_US;

	/* At least the time that one Ack takes on the air. */
	if (c->o->rate > 0)
		window += (uint64_t)(c->now->d->ip_len * 8e6 / c->o->rate);
	if (c->burst_message != m->number || now < c->burst_us ||
	    now - c->burst_us > window) {
		c->burst_message = m->number;
		c->burst_us = now;
		c->nburst = 0;
	}
	for (size_t i = 0; i < c->nburst; i++)
		if (c->burst[i] == node)
			return;
	if (c->nburst == CAP_BURST)
		return;
	c->burst[c->nburst++] = node;
	if (c->nburst == CAP_BURST)
		cap_found(c, CAP_ACK_IMPLOSION);
}

/*
 * The sender has not paused in the middle of a round: after a while one may
 * well ask for the rest.
 */
static bool
still_sending(const struct cap_check *c, const struct cap_message *m)
{
	return c->now->d->time_us < m->sent_us + 2 * m->gap_us + PAUSE_US;
}

/* The missing list, against what was sent. */
static void
check_list(struct cap_check *c, const struct cap_message *m,
    const struct pmul_ack_entry *e)
{
	bool range = false;
	uint16_t max = 0;

	if (!makes_sense(e, &range))
		cap_found(c, CAP_MISSING_LIST);
	if (e->nmissing > NTNU_MISSING_MAX)
		cap_found(c, CAP_LONG_ENTRY);
	if (m == NULL)
		return;
	if (range && cap_is_ntnu(c, m->source))
		cap_found(c, CAP_RANGE_NTNU);
	(void)cap_entry_missing(e, &max);
	if (m->addressed && max > m->total)
		cap_found(c, CAP_MISSING_ABOVE);
	else if (m->top > 0 && max > m->top && still_sending(c, m))
		cap_found(c, CAP_EARLY_NACK);
}

static void
check_complete(
    struct cap_check *c, const struct cap_message *m, const struct cap_dest *d)
{
	if (m->damaged > 0 && !cap_message_whole(m))
		cap_found(c, CAP_ACKED_DAMAGED);
	if (!d->complete || d->idle_acks < IDLE_ACKS_MAX)
		return;
	cap_found(c, CAP_ACK_REPEAT);
	/* Who hears nothing repeats: then the sender is to blame. */
	if (m->complete == m->ndests && !m->ack_acked)
		cap_found(c, CAP_NO_ACK_ACK);
}

static void
check_entry(struct cap_check *c, const struct pmul_ack_entry *e)
{
	uint32_t node = c->now->pdu->source;
	const struct cap_message *m = cap_model_acked(c->model, c->now->pdu, e);
	const struct cap_dest *d;

	check_list(c, m, e);
	if (m == NULL)
		return;
	if (m->source != e->source) {
		cap_set_ntnu(c, node);
		cap_found(c, CAP_ACK_SOURCE);
	}
	check_burst(c, m, node);
	d = cap_message_dest(m, node);
	if (d == NULL && node == m->source)
		cap_found(c, CAP_ACK_SOURCE);
	else if (d == NULL && m->ndests > 0)
		cap_found(c, CAP_ACK_STRANGER);
	if (d == NULL)
		return;
	if (d->acks == 0 && m->rounds > 1 && d->round > 1)
		cap_found_if(c, false, CAP_SILENT_ROUND);
	if (e->nmissing == 0)
		check_complete(c, m, d);
	else if (d->same_nacks >= IDLE_ACKS_MAX &&
		 d->nack_hash == cap_hash(e->missing, e->nmissing * 2))
		cap_found(c, CAP_NACK_REPEAT);
}

void
cap_check_ack(struct cap_check *c)
{
	struct pmul_ack_entry e;
	size_t pos = 0;

	while (pmul_pdu_next_ack(c->now->pdu, &pos, &e))
		check_entry(c, &e);
}

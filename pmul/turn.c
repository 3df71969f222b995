#include "pmul/turn.h"

#include "pmul/tx.h"

uint64_t
pmul_turn_answers_us(const struct pmul_engine *e, uint32_t n)
{
	/* An Ack that lists a few numbers. */
	uint64_t us = pmul_pace_air_us(
	    &e->pace, PMUL_ACK_HEADER + PMUL_ACK_ENTRY + 4 * sizeof(uint16_t));

	us = n * us;
	if (e->cfg.turnaround_us > UINT64_MAX - us)
		return UINT64_MAX;
	us += e->cfg.turnaround_us;
	return e->cfg.ack_delay_us < UINT64_MAX - us ? us + e->cfg.ack_delay_us
						     : UINT64_MAX;
}

void
pmul_turn_give(struct pmul_engine *e, const struct pmul_tx *tx, uint32_t n,
    uint64_t until_us)
{
	uint64_t end = pmul_pace_end(&e->pace, e->now.mono).us;
	uint64_t us = pmul_turn_answers_us(e, n);

	if (!e->cfg.half_duplex)
		return;
	/* The round that repeats what they did not answer is not held up. */
	us = us < until_us - end ? us : until_us - end;
	e->turn.given = tx;
	e->turn.acks_us = end + us;
}

void
pmul_turn_take(struct pmul_engine *e, const struct pmul_tx *tx)
{
	if (e->turn.given != tx)
		return;
	e->turn.given = NULL;
	e->turn.acks_us = 0;
}

void
pmul_turn_heard(struct pmul_engine *e, const struct pmul_pdu *pdu)
{
	uint64_t us;

	if (!e->cfg.half_duplex)
		return;
	switch (pdu->type) {
	case PMUL_DATA:
	case PMUL_ADDRESS:
		us = pmul_pace_air_us(&e->pace, e->cfg.pdu_max);
		us = e->cfg.turnaround_us < UINT64_MAX - us
			 ? us + e->cfg.turnaround_us
			 : UINT64_MAX;
		e->turn.round_us = pmul_after(e, us);
		if (pdu->type == PMUL_ADDRESS && pdu->count == 0)
			e->turn.round_us = 0;
		break;
	case PMUL_EXTRA_ADDRESS:
		e->turn.round_us =
		    pmul_after(e, pmul_turn_answers_us(e, pdu->count));
		break;
	case PMUL_DISCARD: e->turn.round_us = 0; break;
	case PMUL_ACK:
	case PMUL_ANNOUNCE:
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE:
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: break;
	}
}

uint64_t
pmul_turn_at(const struct pmul_engine *e, const struct pmul_tx *tx)
{
	uint64_t at = e->turn.acks_us;

	if ((tx == NULL || tx->phase != PMUL_TX_SENDING) &&
	    e->turn.round_us > at)
		at = e->turn.round_us;
	return at;
}

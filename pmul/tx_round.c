/*
 * The rounds of an outgoing message, and the timer between them.
 *
 * A round names the destinations that are incomplete, then sends what they
 * lack: everything while one of them has never been heard, else the union of
 * the missing lists (ACP 142, retransmission).  A destination's list stays
 * until its next Ack, because what was sent again may have been lost again.
 *
 * What is known changes during a round.  Numbers beyond the cursor are sent in
 * this round, so an early Ack naming them is no news; numbers behind it have
 * to wait for the next.
 */
#include "pmul/tx.h"

#include <assert.h>

static void
want(struct pmul_tx *tx, const struct pmul_tx_dest *d)
{
	int rc = pmul_seqset_union(&tx->wanted, &d->missing);

	assert(rc == PMUL_OK); /* fill() prepared the set */
}

/*
 * Done when the first PDU of the round is asked for, not when the round
 * becomes due: on a busy link Acks come in between.
 */
void
pmul_tx_begin_round(struct pmul_engine *e, struct pmul_tx *tx)
{
	uint32_t n = 0;

	pmul_seqset_empty(&tx->wanted);
	for (uint32_t i = 0; i < tx->nopen; i++) {
		struct pmul_tx_dest *d = &tx->dests[tx->open[i]];

		if (d->complete)
			continue;
		d->responded = false;
		want(tx, d);
		tx->open[n++] = tx->open[i];
	}
	tx->nopen = n;
	assert(n == tx->incomplete);
	tx->waiting = n;
	tx->addressed = 0;
	tx->cursor = 0;
	tx->phase = PMUL_TX_SENDING;
	if (tx->round++ > 0)
		e->counters.rounds++;
}

/* The Data_PDU to send next in this round, or 0. */
uint32_t
pmul_tx_next_seq(const struct pmul_tx *tx)
{
	/* ACP 142: to a destination never heard, everything again. */
	if (tx->round == 1 || tx->unheard > 0)
		return tx->cursor < tx->total ? tx->cursor + 1 : 0;
	return pmul_seqset_next(&tx->wanted, tx->cursor);
}

static void
be_ready(struct pmul_engine *e, struct pmul_tx *tx)
{
	pmul_heap_remove(&e->timers, &tx->timer);
	tx->phase = PMUL_TX_READY;
	pmul_heap_put(&e->sends, &tx->sending, tx->priority);
}

/* ACK_RE-TRANSMISSION_TIME counts from when the last PDU has left the air. */
static void
wait_for_acks(struct pmul_engine *e, struct pmul_tx *tx)
{
	struct pmul_mono end = pmul_pace_end(&e->pace, e->now.mono);
	uint64_t spare = UINT64_MAX - 1 - end.us;

	pmul_heap_remove(&e->sends, &tx->sending);
	tx->phase = PMUL_TX_WAITING;
	pmul_heap_put(&e->timers, &tx->timer,
	    end.us + (tx->interval_us < spare ? tx->interval_us : spare));
}

void
pmul_tx_settle(struct pmul_engine *e, struct pmul_tx *tx)
{
	if (tx->phase == PMUL_TX_CLOSING || tx->phase == PMUL_TX_OVER)
		return;
	if (tx->incomplete == 0) {
		pmul_tx_close(e, tx, false);
		return;
	}
	if (tx->phase == PMUL_TX_SENDING && tx->addressed == tx->nopen &&
	    pmul_tx_next_seq(tx) == 0)
		wait_for_acks(e, tx);
	if (tx->phase == PMUL_TX_WAITING && tx->waiting == 0)
		be_ready(e, tx);
}

/* us * pct / 100; saturates. */
static uint64_t
percent(uint64_t us, uint32_t pct)
{
	return us <= UINT64_MAX / pct ? us * pct / 100 : UINT64_MAX;
}

static uint64_t
backed_off(const struct pmul_config *cfg, uint64_t interval_us)
{
	uint64_t next = percent(interval_us, cfg->backoff_pct);
	uint64_t limit = percent(cfg->ack_retx_us, cfg->backoff_limit_pct);

	return next < limit ? next : limit;
}

void
pmul_tx_timer(struct pmul_engine *e, struct pmul_tx *tx)
{
	tx->interval_us = backed_off(&e->cfg, tx->interval_us);
	be_ready(e, tx);
}

/*
 * The rounds of an outgoing message, and the timers between them.
 *
 * A round names the destinations that are incomplete, then sends what they
 * lack: everything while one of them has never been heard, else the union of
 * the missing lists (ACP 142, retransmission).  A destination's list stays
 * until its next Ack, because what was sent again may have been lost again.
 *
 * What is known changes during a round.  Numbers beyond the cursor are sent in
 * this round, so an early Ack naming them is no news; numbers behind it have
 * to wait for the next.
 *
 * Destinations in EMCON are named with the others but not waited for.  They
 * have rounds of their own, EMCON_RTI apart and EMCON_RTC in number, that name
 * nobody else.  Both timers can run; a round that falls due during another
 * follows it.
 */
#include "pmul/tx.h"

#include <assert.h>

#include "pmul/claim.h"
#include "pmul/turn.h"

static uint64_t
add(uint64_t a, uint64_t b)
{
	return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

/* --- a round begins -------------------------------------------------------- */

static void
want(struct pmul_tx *tx, const struct pmul_tx_dest *d)
{
	int rc = pmul_seqset_union(&tx->wanted, &d->missing);

	assert(rc == PMUL_OK); /* pmul_tx_submit() prepared the set */
}

static void
name(struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	d->named = true;
	tx->naming++;
}

/* What d lacks: its list, or everything if it has never been heard. */
static void
serve(struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	if (d->heard) {
		want(tx, d);
		return;
	}
	d->blind = true;
	tx->blind++;
}

/*
 * What d gets in a round for those that can answer.  One that has responded
 * gets what it asked for.  One that has not is asked first, if it understands
 * an Extra_Address_PDU: more often its Ack was lost than what it acknowledges.
 */
static void
serve_or_ask(
    const struct pmul_engine *e, struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	/* After a restart it is asked in any case. */
	uint32_t polls = tx->resumed && e->cfg.polls == 0 ? 1 : e->cfg.polls;

	d->served = d->responded || d->suspect || tx->whole ||
		    e->cfg.extra_address == PMUL_EXTRA_NEVER || d->ntnu ||
		    d->asked >= polls;
	d->suspect = false;
	if (d->served)
		serve(tx, d);
	d->asked = d->served ? 0 : d->asked + 1;
}

/*
 * The first pass, or a round for those that can be asked what they lack.  The
 * silent are named where there is data, they listen.
 */
static void
repeat(struct pmul_engine *e, struct pmul_tx *tx)
{
	/* By configuration, no Ack to an earlier round comes any more. */
	bool late = tx->whole ||
		    e->now.mono.us >= add(tx->ended_us, e->cfg.ack_retx_us);
	bool data, understood = false;

	tx->waiting = 0;
	tx->needy = false;
	tx->began_us = e->now.mono.us;
	for (uint32_t i = 0; i < tx->nopen; i++) {
		struct pmul_tx_dest *d = &tx->dests[tx->open[i]];

		if (d->emcon)
			continue;
		serve_or_ask(e, tx, d);
		d->clear = d->responded || late;
		d->silences = d->responded || tx->whole ? 0 : d->silences + 1;
		d->responded = false;
		understood = understood || !d->ntnu;
		tx->waiting++;
	}
	tx->resumed = false;
	data = pmul_tx_next_seq(tx) != 0;
	for (uint32_t i = 0; i < tx->nopen; i++)
		if (data || !tx->dests[tx->open[i]].emcon)
			name(tx, &tx->dests[tx->open[i]]);
	tx->asks =
	    understood &&
	    (e->cfg.extra_address == PMUL_EXTRA_ALWAYS ||
		(e->cfg.extra_address == PMUL_EXTRA_REPEATS && !tx->whole));
	if (!data) {
		/* An Extra_Address_PDU alone. */
		tx->naming = 0;
		e->counters.polls++;
	}
}

void
pmul_tx_begin_extra(struct pmul_tx *tx)
{
	tx->extra = true;
	tx->asks = false;
	tx->addressed = tx->naming = 0;
	for (uint32_t i = 0; i < tx->nopen; i++) {
		struct pmul_tx_dest *d = &tx->dests[tx->open[i]];

		d->named = d->named && !d->complete;
		tx->naming += d->named;
	}
}

/*
 * ACP 142, EMCON timer: all Data_PDUs that have not been acknowledged.  Of
 * those above the last that a list named we know nothing, and nobody will
 * tell.
 */
static void
repeat_to_silent(struct pmul_engine *e, struct pmul_tx *tx)
{
	int rc = PMUL_OK;

	for (uint32_t i = 0; i < tx->nopen; i++) {
		struct pmul_tx_dest *d = &tx->dests[tx->open[i]];

		if (!d->emcon)
			continue;
		name(tx, d);
		serve(tx, d);
		if (rc == PMUL_OK && d->heard && d->known < tx->total)
			rc = pmul_seqset_add_range(
			    &tx->wanted, d->known + 1, tx->total);
	}
	assert(rc == PMUL_OK);
	tx->silents++;
	e->counters.emcon_rounds++;
}

/* Forget the last round, and who was complete before this one. */
static void
clear_round(struct pmul_tx *tx)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < tx->nopen; i++) {
		struct pmul_tx_dest *d = &tx->dests[tx->open[i]];

		d->named = d->blind = false;
		if (!d->complete)
			tx->open[n++] = tx->open[i];
	}
	assert(n == tx->incomplete);
	tx->nopen = n;
	tx->addressed = tx->naming = tx->blind = tx->cursor = 0;
	tx->asks = tx->extra = false;
	pmul_seqset_empty(&tx->wanted);
}

static void
count_round(struct pmul_engine *e, struct pmul_tx *tx)
{
	tx->whole = tx->rounds == 0;
	if (!tx->whole)
		e->counters.rounds++;
	if (tx->rounds < UINT32_MAX)
		tx->rounds++;
	if (!tx->dirty)
		TAILQ_INSERT_TAIL(&e->tx_dirty, tx, dirty_link);
	tx->dirty = true;
}

/* An Address_PDU set that confirms the Acks of those it does not name. */
static void
confirm(struct pmul_tx *tx)
{
	tx->whole = false;
	for (uint32_t i = 0; i < tx->nopen; i++)
		name(tx, &tx->dests[tx->open[i]]);
}

/*
 * Done when the first PDU of the round is asked for, not when the round
 * becomes due: on a busy link Acks come in between.
 */
void
pmul_tx_begin_round(struct pmul_engine *e, struct pmul_tx *tx)
{
	unsigned due = tx->due;

	clear_round(tx);
	tx->phase = PMUL_TX_SENDING;
	tx->unconfirmed = false;
	tx->kind = PMUL_TX_SILENT;
	/* Those that answer first: somebody waits for them. */
	if (due == 0 || (due & PMUL_TX_DUE_REPEAT) != 0) {
		count_round(e, tx);
		tx->kind = PMUL_TX_REPEAT;
		tx->due &= ~PMUL_TX_DUE_REPEAT;
		repeat(e, tx);
	} else if ((due & PMUL_TX_DUE_SILENT) != 0) {
		count_round(e, tx);
		tx->due = 0;
		repeat_to_silent(e, tx);
	} else
		confirm(tx);
}

uint32_t
pmul_tx_next_seq(const struct pmul_tx *tx)
{
	/* ACP 142: to a destination never heard, everything again. */
	if (tx->whole || tx->blind > 0)
		return tx->cursor < tx->total ? tx->cursor + 1 : 0;
	return pmul_seqset_next(&tx->wanted, tx->cursor);
}

/* --- a round ends ---------------------------------------------------------- */

/* us * pct / 100; saturates. */
static uint64_t
percent(uint64_t us, uint64_t pct)
{
	return us <= UINT64_MAX / pct ? us * pct / 100 : UINT64_MAX;
}

/* us after the last PDU has left the air. */
static void
arm(struct pmul_engine *e, struct pmul_heap_node *timer, uint64_t us)
{
	struct pmul_mono end = pmul_pace_end(&e->pace, e->now.mono);
	uint64_t at = add(end.us, us);

	/* A timer that is set always comes before "never". */
	pmul_heap_put(&e->timers, timer, at < UINT64_MAX ? at : UINT64_MAX - 1);
}

/* ACK_RE-TRANSMISSION_TIME, as measured where that is wanted, backed off. */
static uint64_t
retx_us(const struct pmul_engine *e, const struct pmul_tx *tx)
{
	uint64_t us = e->cfg.ack_retx_us, least;

	if (e->cfg.ack_retx_min_us > 0) {
		/* The next Ack may be delayed more than those before. */
		least = add(e->rtt.least_us, e->cfg.ack_delay_us);
		if (least < e->cfg.ack_retx_min_us)
			least = e->cfg.ack_retx_min_us;
		us = pmul_rtt_bound(&e->rtt, least, us);
	}
	return percent(us, tx->stretch_pct);
}

static bool
round_over(const struct pmul_tx *tx)
{
	bool served = tx->kind == PMUL_TX_SILENT ? tx->silent == 0
						 : tx->incomplete == tx->silent;

	/* The first pass goes on for the silent alone. */
	if (served && !tx->whole)
		return true;
	if (tx->asks && tx->incomplete > tx->silent)
		return false;
	return tx->naming == 0 && pmul_tx_next_seq(tx) == 0;
}

/* ACP 142, last PDU sent: one timer for each kind of destination. */
static void
end_round(struct pmul_engine *e, struct pmul_tx *tx)
{
	pmul_heap_remove(&e->sends, &tx->sending);
	tx->phase = PMUL_TX_WAITING;
	if (tx->kind != PMUL_TX_REPEAT || tx->incomplete == tx->silent)
		return;
	arm(e, &tx->timer, retx_us(e, tx));
	pmul_turn_give(e, tx, tx->waiting, tx->timer.key);
	tx->ended_us = pmul_pace_end(&e->pace, e->now.mono).us;
}

/*
 * Somebody has asked for numbers: they are sent when the Acks of the others
 * should have come, and these are asked in the same round.  Only where that
 * costs no more than naming them.
 */
static void
hurry(struct pmul_engine *e, struct pmul_tx *tx)
{
	uint64_t at;

	if (!tx->needy || e->cfg.extra_address == PMUL_EXTRA_NEVER ||
	    tx->timer.place == 0 || e->rtt.least_us == 0)
		return;
	at = add(
	    tx->ended_us, pmul_turn_answers_us(e, tx->incomplete - tx->silent));
	at = add(at, e->rtt.least_us);
	if (at < tx->timer.key)
		pmul_heap_put(&e->timers, &tx->timer, at);
}

/*
 * Only the silent are left, and somebody has acknowledged who will not learn
 * from their next round that this arrived, before he repeats himself.
 */
static bool
wants_confirmation(const struct pmul_engine *e, const struct pmul_tx *tx)
{
	return tx->unconfirmed && tx->incomplete == tx->silent &&
	       tx->phase != PMUL_TX_SENDING && e->cfg.ack_pdu_repeats > 0 &&
	       (tx->silence.place == 0 ||
		   tx->silence.key > pmul_after(e, e->cfg.ack_pdu_us));
}

/* The timer of the silent runs while they have repetitions to come. */
static void
settle_silence(struct pmul_engine *e, struct pmul_tx *tx)
{
	bool to_come = tx->silent > 0 && tx->silents < e->cfg.emcon_rtc;

	if (!to_come) {
		pmul_heap_remove(&e->timers, &tx->silence);
		tx->due &= ~PMUL_TX_DUE_SILENT;
	} else if (tx->phase != PMUL_TX_SENDING && tx->silence.place == 0 &&
		   (tx->due & PMUL_TX_DUE_SILENT) == 0)
		arm(e, &tx->silence, e->cfg.emcon_rti_us);
}

static void
settle_repeat(struct pmul_engine *e, struct pmul_tx *tx)
{
	if (tx->incomplete == tx->silent) {
		pmul_heap_remove(&e->timers, &tx->timer);
		tx->due &= ~PMUL_TX_DUE_REPEAT;
	} else if (tx->phase != PMUL_TX_SENDING && tx->waiting == 0) {
		tx->due |= PMUL_TX_DUE_REPEAT;
		/* Backing off is for those that do not respond. */
		tx->stretch_pct = 100;
	} else if (tx->phase == PMUL_TX_WAITING)
		hurry(e, tx);
	if ((tx->due & PMUL_TX_DUE_REPEAT) != 0)
		pmul_heap_remove(&e->timers, &tx->timer);
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
	if (tx->rounds == 0)
		return;
	if (tx->phase == PMUL_TX_SENDING && round_over(tx))
		end_round(e, tx);
	if (tx->waiting == 0)
		pmul_turn_take(e, tx);
	settle_repeat(e, tx);
	settle_silence(e, tx);
	if (wants_confirmation(e, tx))
		tx->due |= PMUL_TX_DUE_CONFIRM;
	else if (tx->phase != PMUL_TX_SENDING)
		tx->due &= ~PMUL_TX_DUE_CONFIRM;
	if (tx->phase == PMUL_TX_SENDING)
		return;
	tx->phase = tx->due != 0 ? PMUL_TX_READY : PMUL_TX_WAITING;
	if (tx->due != 0 && pmul_claim_settled(tx))
		pmul_heap_put(&e->sends, &tx->sending, tx->priority);
	else
		pmul_heap_remove(&e->sends, &tx->sending);
}

/* --- what happens meanwhile -------------------------------------------------- */

void
pmul_tx_timer(struct pmul_engine *e, struct pmul_tx *tx)
{
	uint64_t next = percent(tx->stretch_pct, e->cfg.backoff_pct);
	uint64_t limit = e->cfg.backoff_limit_pct;

	/* Not when somebody has responded and all was due early: see hurry(). */
	if (!tx->needy || e->cfg.extra_address == PMUL_EXTRA_NEVER)
		tx->stretch_pct = next < limit ? next : limit;
	pmul_heap_remove(&e->timers, &tx->timer);
	tx->due |= PMUL_TX_DUE_REPEAT;
	pmul_tx_settle(e, tx);
}

void
pmul_tx_silence(struct pmul_engine *e, struct pmul_tx *tx)
{
	pmul_heap_remove(&e->timers, &tx->silence);
	tx->due |= PMUL_TX_DUE_SILENT;
	pmul_tx_settle(e, tx);
}

static void
cease_waiting(struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	if (!d->responded && !d->emcon)
		tx->waiting--;
	d->responded = true;
}

void
pmul_tx_respond(
    struct pmul_engine *e, struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	uint64_t us = e->now.mono.us - tx->ended_us;

	/* What comes later is something that was said again. */
	if (!d->responded && d->clear && tx->phase != PMUL_TX_SENDING &&
	    e->now.mono.us > tx->ended_us && us <= e->cfg.ack_retx_us)
		pmul_rtt_sample(&e->rtt, us);
	cease_waiting(tx, d);
}

static void
fall_silent(struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	cease_waiting(tx, d);
	d->emcon = true;
	tx->silent++;
	/* A round that goes on for the others does not send all for it. */
	if (d->blind && tx->kind == PMUL_TX_REPEAT) {
		d->blind = false;
		tx->blind--;
	}
}

void
pmul_tx_unsilence(struct pmul_tx *tx, struct pmul_tx_dest *d)
{
	d->emcon = false;
	tx->silent--;
	d->responded = d->clear = d->served = false;
	tx->waiting++;
}

/*
 * A node that has spoken will say the rest of what it owes by itself; one
 * that is only said to be free to speak is asked.  Unless the round under way
 * asks it anyway.
 */
static void
end_silence(
    struct pmul_engine *e, struct pmul_tx *tx, struct pmul_tx_dest *d, bool ask)
{
	bool asked = tx->phase == PMUL_TX_SENDING &&
		     tx->kind == PMUL_TX_REPEAT && d->named;

	pmul_tx_unsilence(tx, d);
	if (tx->rounds == 0 || asked)
		return;
	if (ask)
		tx->due |= PMUL_TX_DUE_REPEAT;
	else if (tx->timer.place == 0)
		arm(e, &tx->timer, retx_us(e, tx));
}

static void
change_dest(struct pmul_engine *e, struct pmul_tx *tx,
    const struct pmul_node *n, bool ask)
{
	struct pmul_tx_dest *d = pmul_tx_dest(tx, n->id);

	if (d == NULL)
		return;
	d->ntnu = n->ntnu;
	tx->ntnu = tx->ntnu || n->ntnu;
	if (d->complete)
		return;
	if (n->emcon && !d->emcon)
		fall_silent(tx, d);
	else if (!n->emcon && d->emcon)
		end_silence(e, tx, d, ask);
	pmul_tx_settle(e, tx);
}

void
pmul_tx_node_changed(struct pmul_engine *e, const struct pmul_node *n, bool ask)
{
	struct pmul_table_node *node = NULL;

	while ((node = pmul_table_next(&e->tx_table, node)) != NULL)
		change_dest(
		    e, PMUL_CONTAINER(node, struct pmul_tx, node), n, ask);
}

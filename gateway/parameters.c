#include "gateway/parameters.h"

#include "gateway/bearer.h"
#include "gateway/mule_link.h"
#include "mule/mule.h"

/* Limits of one link that no site has had to change. */
#define DESTINATIONS_MAX 4096
#define HELD_MAX 64
#define RX_MESSAGES_MAX 1024
#define EVENTS_MAX 1024

static void
pmul_timers(const struct cfg_link *cfg, struct pmul_config *p)
{
	p->ack_retx_us = cfg->ack_retransmission_time_us;
	p->ack_retx_min_us = cfg->ack_retransmission_min_us;
	p->backoff_pct = (uint32_t)cfg->back_off_factor_pct;
	p->backoff_limit_pct = (uint32_t)cfg->back_off_limit_pct;
	p->ack_delay_us = cfg->ack_delay_upper_bound_us;
	p->ack_pdu_us = cfg->ack_pdu_time_us;
	p->ack_pdu_repeats = (uint32_t)cfg->ack_pdu_repeats;
	p->emcon_rtc = (uint32_t)cfg->emcon_rtc;
	p->emcon_rti_us = cfg->emcon_rti_us;
	p->undefined_expiry_us = cfg->undefined_pdu_expiry_time_us;
	p->skew_s = (uint32_t)(cfg->clock_skew_us / 1000000);
	p->rx_lifetime_us = cfg->rx_lifetime_us;
	p->wait_for_reject_us = cfg->wait_for_reject_time_us;
	p->announce_delay_us = cfg->announce_delay_us;
}

static enum pmul_extra
extra_of(enum cfg_extra x)
{
	switch (x) {
	case CFG_EXTRA_NEVER: return PMUL_EXTRA_NEVER;
	case CFG_EXTRA_REPEATS: return PMUL_EXTRA_REPEATS;
	case CFG_EXTRA_ALWAYS: break;
	}
	return PMUL_EXTRA_ALWAYS;
}

void
parameters_pmul(
    const struct cfg *node, const struct cfg_link *cfg, struct pmul_config *p)
{
	pmul_config_default(p);
	p->node_id = node->node.id;
	p->bit_rate =
	    (uint32_t)(cfg->bit_rate < UINT32_MAX ? cfg->bit_rate : 0);
	p->overhead_bytes = (uint16_t)cfg->overhead;
	p->pdu_max = (uint16_t)cfg->pdu_max;
	p->half_duplex = cfg->half_duplex;
	p->turnaround_us = cfg->turnaround_us;
	p->ranges = cfg->ranges;
	p->timestamp = cfg->timestamp;
	p->extra_address = extra_of(cfg->extra_address);
	p->polls = (uint32_t)cfg->polls;
	p->mm = (uint16_t)cfg->mm;
	pmul_timers(cfg, p);
	p->pool_first = cfg->pool_first;
	p->pool_last = cfg->pool_last;
	p->announce_ct = (uint32_t)cfg->announce_ct;
	/* Slots for each priority: see mule_out.c. */
	p->tx_messages_max = (uint32_t)cfg->max_in_flight * MULE_PRIORITIES;
	p->tx_bytes_max = cfg->max_in_flight_bytes;
	p->destinations_max = DESTINATIONS_MAX;
	p->message_max = (uint32_t)cfg->max_message_size;
	p->rx_messages_max = RX_MESSAGES_MAX;
	p->rx_bytes_max = cfg->max_in_flight_bytes;
	p->held_messages_max = HELD_MAX;
	p->tombstones_max = MULE_TOMBSTONES_MAX;
	/* Every one of them may be flagged. */
	if (node->nnodes > p->nodes_max)
		p->nodes_max = (uint32_t)node->nnodes;
	p->groups_max = BEARER_DYNAMIC_MAX;
	p->events_max = EVENTS_MAX;
}

/*
 * The configuration of an engine, and the names of its errors.
 */
#include <string.h>

#include "pmul/pmul.h"

/* Tables of pointers are allocated for these limits at the start. */
#define ENTRIES_MAX (1u << 24)
/* Offsets into a message, with a few octets per fragment, fit 32 bits. */
#define MESSAGE_MAX (1u << 30)
/* Smaller PDUs would be mostly header. */
#define PDU_MIN 64

const char *
pmul_strerror(int err)
{
	switch (err) {
	case PMUL_OK: return "success";
	case PMUL_ENOMEM: return "out of memory";
	case PMUL_EMALFORMED: return "malformed PDU";
	case PMUL_ETOOBIG: return "over a configured limit";
	case PMUL_EBUSY: return "too much in flight";
	case PMUL_EINVAL: return "invalid parameter";
	case PMUL_ECHECKSUM: return "wrong checksum";
	case PMUL_EOWN: return "our own Source_ID";
	case PMUL_ETYPE: return "unknown PDU type";
	case PMUL_EEXPIRED: return "expired";
	case PMUL_EUNSUPPORTED: return "unsupported kind of PDU";
	case PMUL_EEXIST: return "Message_ID already in use";
	case PMUL_ENOTFOUND: return "no such message";
	default: return "unknown error";
	}
}

void
pmul_config_default(struct pmul_config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->overhead_bytes = 28;
	cfg->pdu_max = 1400;
	cfg->ack_retx_us = 1000000;
	cfg->backoff_pct = 150;
	cfg->backoff_limit_pct = 1000;
	cfg->ack_delay_us = 200000;
	cfg->ack_pdu_us = 2000000;
	cfg->emcon_rtc = 4;
	cfg->emcon_rti_us = UINT64_C(30000000);
	cfg->ack_pdu_repeats = 3;
	cfg->mm = 50;
	cfg->undefined_expiry_us = UINT64_C(1800000000);
	cfg->skew_s = 60;
	cfg->polls = 2;
	cfg->wait_for_reject_us = UINT64_C(5000000);
	cfg->announce_delay_us = UINT64_C(5000000);
	cfg->announce_ct = 3;
	cfg->tx_messages_max = 1024;
	cfg->tx_bytes_max = UINT64_C(128) << 20;
	cfg->destinations_max = 1024;
	cfg->message_max = 32u << 20;
	cfg->rx_messages_max = 1024;
	cfg->rx_bytes_max = UINT64_C(128) << 20;
	cfg->held_messages_max = 64;
	cfg->tombstones_max = 4096;
	cfg->nodes_max = 1024;
	cfg->groups_max = 64;
	cfg->events_max = 1024;
}

struct range {
	const char *what;
	uint64_t value, min, max;
};

int
pmul_config_check(const struct pmul_config *cfg, const char **ret_what)
{
	const uint64_t any = UINT64_MAX;
	const struct range ranges[] = {
		{ "node_id", cfg->node_id, 1, UINT32_MAX },
		{ "pdu_max", cfg->pdu_max, PDU_MIN, PMUL_PDU_MAX },
		{ "ack_retx_us", cfg->ack_retx_us, 1, any },
		{ "ack_retx_min_us", cfg->ack_retx_min_us, 0,
		    cfg->ack_retx_us },
		{ "backoff_pct", cfg->backoff_pct, 100, UINT32_MAX },
		{ "backoff_limit_pct", cfg->backoff_limit_pct, 100,
		    UINT32_MAX },
		{ "ack_pdu_us", cfg->ack_pdu_us, 1, any },
		{ "emcon_rti_us", cfg->emcon_rti_us, 1, any },
		{ "mm", cfg->mm, 1, UINT16_MAX },
		{ "undefined_expiry_us", cfg->undefined_expiry_us, 1, any },
		{ "pool_first", cfg->pool_first, 0, cfg->pool_last },
		{ "pool_last", cfg->pool_last, 0,
		    cfg->pool_first != 0 ? UINT32_MAX : 0 },
		{ "announce_ct", cfg->announce_ct, 1, ENTRIES_MAX },
		{ "tx_messages_max", cfg->tx_messages_max, 1, ENTRIES_MAX },
		{ "message_max", cfg->message_max, 1, MESSAGE_MAX },
		{ "tx_bytes_max", cfg->tx_bytes_max, cfg->message_max, any },
		{ "destinations_max", cfg->destinations_max, 1, ENTRIES_MAX },
		{ "rx_messages_max", cfg->rx_messages_max, 1, ENTRIES_MAX },
		{ "rx_bytes_max", cfg->rx_bytes_max, cfg->message_max, any },
		{ "held_messages_max", cfg->held_messages_max, 0,
		    cfg->rx_messages_max },
		{ "tombstones_max", cfg->tombstones_max, 1, ENTRIES_MAX },
		{ "nodes_max", cfg->nodes_max, 0, ENTRIES_MAX },
		{ "groups_max", cfg->groups_max, 0, ENTRIES_MAX },
		{ "events_max", cfg->events_max, 1, ENTRIES_MAX },
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct range *r = &ranges[i];

		if (r->value < r->min || r->value > r->max) {
			if (ret_what != NULL)
				*ret_what = r->what;
			return PMUL_EINVAL;
		}
	}
	return PMUL_OK;
}

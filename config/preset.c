/*
 * Link presets: the parameters of P_MUL for common radios.
 *
 * No table for them is published.  They follow from the rate R and a turnaround
 * (HF 3 to 10 s) for ten receivers: with an Ack_PDU of 52 octets, and a round
 * trip of two turnarounds, or 1.2 s by satellite,
 *	ACK_DELAY_UPPER_BOUND     10 * (Ack + turnaround)
 *	ACK_RE-TRANSMISSION_TIME  1.25 * (round trip + turnaround + bound + Ack)
 *	...its least value        the same without the bound: a receiver that
 *				  is alone and answers at once needs that, and
 *				  nothing measured can honestly be shorter
 *	ACK_PDU_TIME              2 * ACK_RE-TRANSMISSION_TIME
 *	EMCON_RTI                 10 * ACK_RE-TRANSMISSION_TIME, or twice the time
 *				  that 10 KiB take, whichever is longer
 *	WAIT_FOR_REJECT_TIME      1.25 * (round trip + turnaround + Request +
 *				  Reject), at least 5 s
 *	ANNOUNCE_DELAY            three Announce_PDUs for ten nodes and a round
 *				  trip, at least 5 s
 * rounded to two digits.  The LAN has what works in practice.
 */
#include "config/load.h"

#define MS UINT64_C(1000)
#define S UINT64_C(1000000)

struct preset {
	const char *name;
	uint64_t bit_rate, pdu_max;
	bool half_duplex;
	uint64_t turnaround_us;
	uint64_t ack_delay_us, ack_retx_us, ack_retx_min_us, ack_pdu_us;
	uint64_t emcon_rti_us;
	uint64_t reject_us, announce_us;
};

static const struct preset presets[] = {
	{ "hf-75", 75, 256, true, 10 * S, 155 * S, 251 * S, 44 * S, 503 * S,
	    2585 * S, 50 * S, 50 * S },
	{ "hf-300", 300, 512, true, 6 * S, 74 * S, 124 * S, 24 * S, 248 * S,
	    1241 * S, 26 * S, 20 * S },
	{ "hf-1200", 1200, 1024, true, 5 * S, 53 * S, 92 * S, 19 * S, 185 * S,
	    923 * S, 20 * S, 12 * S },
	{ "hf-2400", 2400, 1400, true, 5 * S, 52 * S, 90 * S, 19 * S, 180 * S,
	    899 * S, 20 * S, 11 * S },
	{ "hf-9600", 9600, 1400, true, 3 * S, 30 * S, 53 * S, 11 * S, 106 * S,
	    531 * S, 12 * S, 7 * S },
	{ "vhf-16k", 16000, 1400, true, 500 * MS, 5300 * MS, 9100 * MS,
	    1900 * MS, 18 * S, 91 * S, 5 * S, 5 * S },
	{ "uhf-56k", 56000, 1400, true, 300 * MS, 3100 * MS, 5400 * MS,
	    1100 * MS, 11 * S, 54 * S, 5 * S, 5 * S },
	{ "satcom-64k", 64000, 1400, false, 0, 70 * MS, 1600 * MS, 1500 * MS,
	    3200 * MS, 16 * S, 5 * S, 5 * S },
	{ "satcom-1m", 1000000, 1400, false, 0, 5 * MS, 1500 * MS, 1500 * MS,
	    3 * S, 15 * S, 5 * S, 5 * S },
	{ "lan", 100000000, 1400, false, 0, 200 * MS, S, 250 * MS, 2 * S,
	    30 * S, 5 * S, 5 * S },
};

const char preset_names[] = "hf-75, hf-300, hf-1200, hf-2400, hf-9600, "
			    "vhf-16k, uhf-56k, satcom-64k, satcom-1m, lan";

static void
fill(const struct loader *ld, uint64_t *value, uint64_t from)
{
	if (load_line(ld, value) == 0)
		*value = from;
}

bool
preset_apply(const struct loader *ld, struct cfg_link *link)
{
	const struct preset *p = NULL;

	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		if (load_same(presets[i].name, link->preset))
			p = &presets[i];
	if (p == NULL)
		return false;
	fill(ld, &link->turnaround_us, p->turnaround_us);
	fill(ld, &link->wait_for_reject_time_us, p->reject_us);
	fill(ld, &link->announce_delay_us, p->announce_us);
	fill(ld, &link->bit_rate, p->bit_rate);
	fill(ld, &link->pdu_max, p->pdu_max);
	fill(ld, &link->ack_delay_upper_bound_us, p->ack_delay_us);
	fill(ld, &link->ack_retransmission_time_us, p->ack_retx_us);
	fill(ld, &link->ack_retransmission_min_us, p->ack_retx_min_us);
	/* Whoever shortens the one need not think of the other. */
	if (load_line(ld, &link->ack_retransmission_min_us) == 0 &&
	    link->ack_retransmission_min_us > link->ack_retransmission_time_us)
		link->ack_retransmission_min_us =
		    link->ack_retransmission_time_us;
	fill(ld, &link->ack_pdu_time_us, p->ack_pdu_us);
	fill(ld, &link->emcon_rti_us, p->emcon_rti_us);
	if (load_line(ld, &link->half_duplex) == 0)
		link->half_duplex = p->half_duplex;
	return true;
}

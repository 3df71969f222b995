/*
 * Link presets: the parameters of P_MUL for common radios.
 *
 * No table for them is published.  They follow from the rate R and a turnaround
 * (HF 3 to 10 s) for ten receivers: with an Ack_PDU of 52 octets,
 *	ACK_DELAY_UPPER_BOUND     10 * (Ack + turnaround)
 *	ACK_RE-TRANSMISSION_TIME  1.25 * (round trip + turnaround + bound + Ack)
 *	ACK_PDU_TIME              2 * ACK_RE-TRANSMISSION_TIME
 *	EMCON_RTI                 10 * ACK_RE-TRANSMISSION_TIME, or twice the time
 *				  that 10 KiB take, whichever is longer
 * The LAN has what works in practice.
 */
#include "config/load.h"

#define MS UINT64_C(1000)
#define S UINT64_C(1000000)

struct preset {
	const char *name;
	uint64_t bit_rate, pdu_max;
	uint64_t ack_delay_us, ack_retx_us, ack_pdu_us, emcon_rti_us;
	bool half_duplex;
};

static const struct preset presets[] = {
	{ "hf-75", 75, 256, 155 * S, 251 * S, 503 * S, 2585 * S, true },
	{ "hf-300", 300, 512, 74 * S, 124 * S, 248 * S, 1241 * S, true },
	{ "hf-1200", 1200, 1024, 53 * S, 92 * S, 185 * S, 923 * S, true },
	{ "hf-2400", 2400, 1400, 52 * S, 90 * S, 180 * S, 899 * S, true },
	{ "hf-9600", 9600, 1400, 30 * S, 53 * S, 106 * S, 531 * S, true },
	{ "vhf-16k", 16000, 1400, 5300 * MS, 9100 * MS, 18 * S, 91 * S, true },
	{ "uhf-56k", 56000, 1400, 3100 * MS, 5400 * MS, 11 * S, 54 * S, true },
	{ "satcom-64k", 64000, 1400, 70 * MS, 1600 * MS, 3200 * MS, 16 * S,
	    false },
	{ "satcom-1m", 1000000, 1400, 5 * MS, 1500 * MS, 3 * S, 15 * S, false },
	{ "lan", 100000000, 1400, 200 * MS, S, 2 * S, 30 * S, false },
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
	fill(ld, &link->bit_rate, p->bit_rate);
	fill(ld, &link->pdu_max, p->pdu_max);
	fill(ld, &link->ack_delay_upper_bound_us, p->ack_delay_us);
	fill(ld, &link->ack_retransmission_time_us, p->ack_retx_us);
	fill(ld, &link->ack_pdu_time_us, p->ack_pdu_us);
	fill(ld, &link->emcon_rti_us, p->emcon_rti_us);
	if (load_line(ld, &link->half_duplex) == 0)
		link->half_duplex = p->half_duplex;
	return true;
}

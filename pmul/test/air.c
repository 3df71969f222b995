/*
 * What a transfer costs on the air, in virtual time: one sender, some
 * receivers, 9600 bit/s, full duplex, independent loss.  Octets count with
 * the 28 of IPv4 and UDP, in both directions, up to the last that is sent;
 * the time is until the last receiver has the message.
 *
 *	air [-bhmv] [-rN] [SEEDS]	medians of 600 seeds, N = 3 receivers
 *	-b	by the book, without Extra_Address_PDU
 *	-h	half duplex, all on one channel, turnaround 50 ms
 *	-m	the retransmission time moves with what is measured
 *	-v	every PDU of one transfer of 10 KB at 10 % loss, seed SEEDS
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/test/sim.h"

#define SEEDS_MAX 1000
#define OVERHEAD 28

static unsigned receivers = 3;
static bool book, half, adaptive, verbose;

enum { DATA, ADDRESS, EXTRA, ACK, OTHER, KINDS };

struct run {
	uint64_t bytes[KINDS];
	uint64_t received_us;
	unsigned received;
	struct sim sim;
};

struct figures {
	double v[SEEDS_MAX];
	unsigned n;
};

static unsigned
kind(const struct pmul_pdu *pdu)
{
	if (pdu->type == PMUL_DATA)
		return DATA;
	if (pdu->type == PMUL_ADDRESS)
		return ADDRESS;
	if (pdu->type == PMUL_EXTRA_ADDRESS)
		return EXTRA;
	return pdu->type == PMUL_ACK ? ACK : OTHER;
}

static void
on_sent(struct sim *s, unsigned from, const struct pmul_pdu *pdu,
    const struct pmul_where *where)
{
	struct run *r = s->ctx;
	char line[200];

	(void)where;
	r->bytes[kind(pdu)] += (uint64_t)pdu->length + OVERHEAD;
	if (!verbose)
		return;
	pmul_pdu_print(pdu, line, sizeof(line));
	printf("%9.3f  %u  %s\n", (double)s->now_us / 1e6, from, line);
}

static void
on_event(struct sim *s, unsigned node, const struct pmul_event *ev)
{
	struct run *r = s->ctx;

	(void)node;
	if (ev->type != PMUL_EV_RECEIVED)
		return;
	r->received++;
	r->received_us = s->now_us;
	if (verbose)
		printf(
		    "%9.3f  %u  *** received\n", (double)s->now_us / 1e6, node);
}

static void
transfer(struct run *r, uint64_t seed, size_t len, unsigned loss)
{
	struct pmul_config cfg;
	uint8_t *data = calloc(1, len);

	pmul_config_default(&cfg);
	cfg.bit_rate = 9600;
	cfg.ack_delay_us = 200000;
	cfg.ack_retx_us = 600000;
	cfg.ack_pdu_us = 4000000;
	cfg.ranges = true;
	cfg.extra_address = book ? PMUL_EXTRA_NEVER : PMUL_EXTRA_REPEATS;
	cfg.polls = 4;
	cfg.half_duplex = half;
	cfg.turnaround_us = half ? 50000 : 0;
	cfg.ack_retx_min_us = adaptive ? 100000 : 0;
	memset(r->bytes, 0, sizeof(r->bytes));
	r->received = 0;
	sim_init(&r->sim, seed, 1 + receivers, &cfg);
	r->sim.ctx = r;
	r->sim.sent = on_sent;
	r->sim.event = on_event;
	r->sim.channel = (struct sim_channel){
		.loss_pct = loss,
		.delay_us = half ? 50000 : 5000,
		.bit_rate = cfg.bit_rate,
		.full_duplex = !half,
		.overhead_bytes = OVERHEAD,
	};
	assert_int_equal(sim_submit(&r->sim, 1, 1, 4, 86400,
			     ((UINT64_C(1) << receivers) - 1) << 2, data, len),
	    PMUL_OK);
	free(data);
	sim_pump(&r->sim, 1);
	sim_run(&r->sim, UINT64_C(3600000000));
	assert_int_equal(r->received, receivers);
	sim_release(&r->sim);
}

static void
add(struct figures *f, double x)
{
	unsigned i = f->n++;

	for (; i > 0 && f->v[i - 1] > x; i--)
		f->v[i] = f->v[i - 1];
	f->v[i] = x;
}

static double
quantile(const struct figures *f, double q)
{
	return f->v[(unsigned)((double)(f->n - 1) * q + 0.5)];
}

static void
row(unsigned kib, unsigned loss, unsigned seeds)
{
	struct figures *cost = calloc(1, sizeof(*cost));
	struct figures *time = calloc(1, sizeof(*time));
	struct run *r = calloc(1, sizeof(*r));
	size_t len = (size_t)kib * 1024;
	double mean[KINDS] = { 0 };

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		uint64_t sum = 0;

		transfer(r, seed, len, loss);
		for (unsigned k = 0; k < KINDS; k++) {
			sum += r->bytes[k];
			mean[k] += (double)r->bytes[k] / (double)len / seeds;
		}
		add(cost, (double)sum / (double)len);
		add(time, (double)r->received_us / 1e6);
	}
	printf("%3u KB  %2u %%   %5.3f  %5.3f   %6.2f  %6.2f   %5.3f %6.3f "
	       "%6.3f %6.3f\n",
	    kib, loss, quantile(cost, 0.5), quantile(cost, 0.9),
	    quantile(time, 0.5), quantile(time, 0.9), mean[DATA], mean[ADDRESS],
	    mean[EXTRA], mean[ACK] + mean[OTHER]);
	free(cost);
	free(time);
	free(r);
}

int
main(int argc, char **argv)
{
	static const unsigned sizes[] = { 2, 10, 50 }, losses[] = { 0, 10, 20 };
	unsigned seeds = 600;

	for (int i = 1; i < argc; i++) {
		if (argv[i][0] != '-') {
			seeds = (unsigned)strtoul(argv[i], NULL, 10);
			continue;
		}
		if (argv[i][1] == 'r') {
			receivers = (unsigned)strtoul(argv[i] + 2, NULL, 10);
			continue;
		}
		book = book || strchr(argv[i], 'b') != NULL;
		half = half || strchr(argv[i], 'h') != NULL;
		adaptive = adaptive || strchr(argv[i], 'm') != NULL;
		verbose = verbose || strchr(argv[i], 'v') != NULL;
	}
	if (receivers == 0 || receivers >= SIM_NODES_MAX)
		receivers = 3;
	if (verbose) {
		struct run *r = calloc(1, sizeof(*r));

		transfer(r, seeds, 10240, 10);
		free(r);
		return 0;
	}
	if (seeds == 0 || seeds > SEEDS_MAX)
		seeds = SEEDS_MAX;
	printf("              octets/octet     seconds        of the octets\n"
	       "  size  loss  median  90 %%    median   90 %%    Data "
	       "Address  Extra    Ack\n");
	for (size_t l = 0; l < 3; l++)
		for (size_t s = 0; s < 3; s++)
			row(sizes[s], losses[l], seeds);
	return 0;
}

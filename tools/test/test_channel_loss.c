/*
 * The loss models against what they promise.  Seeds are fixed; the bounds are
 * five standard deviations, so that a wrong model fails and a new seed does not.
 */
#include "tools/test/fixture.h"

#define N 40000

/* A bit for each of N datagrams of so many octets: was it heard? */
static uint8_t *
run(const struct channel_config *model, size_t octets, uint64_t *ret_heard)
{
	struct channel_config cfg = *model;
	uint8_t *heard = calloc(N, 1), data[2000] = { 0 };
	struct channel_event ev;
	struct channel *c;

	assert_true(heard != NULL);
	cfg.medium.bit_rate = 0;
	cfg.medium.queue_max = 1;
	c = make(&cfg, 2);
	*ret_heard = 0;
	for (uint32_t i = 0; i < N; i++) {
		assert_true(channel_send(c, i, 0, 1, data, octets));
		while (channel_next(c, i, &ev))
			heard[i] |= ev.kind == CHANNEL_HEARD;
		*ret_heard += heard[i];
	}
	channel_free(&c);
	return heard;
}

static void
test_independent_loss_takes_its_share_and_has_no_memory(void **state)
{
	struct channel_config cfg = plain();
	uint64_t heard, pairs = 0;
	uint8_t *bits;

	(void)state;
	cfg.path.loss = 0.2;
	bits = run(&cfg, 10, &heard);
	assert_share(N - heard, N, 0.2);
	/* Two in a row: a twenty-fifth; pairs overlap, hence every other. */
	for (int i = 0; i + 1 < N; i += 2)
		pairs += !bits[i] && !bits[i + 1];
	assert_share(pairs, N / 2, 0.04);
	free(bits);
}

static void
test_no_loss_loses_nothing_and_full_loss_everything(void **state)
{
	struct channel_config cfg = plain();
	uint64_t heard;

	(void)state;
	free(run(&cfg, 10, &heard));
	assert_int_equal(heard, N);
	cfg.path.loss = 1;
	free(run(&cfg, 10, &heard));
	assert_int_equal(heard, 0);
	cfg.path.loss = 0;
	cfg.path.ber = 1;
	free(run(&cfg, 10, &heard));
	assert_int_equal(heard, 0);
}

static void
test_bit_errors_lose_as_many_as_the_length_says(void **state)
{
	static const size_t lengths[] = { 1, 50, 500, 1400 };
	struct channel_config cfg = plain();
	uint64_t heard;

	(void)state;
	cfg.path.ber = 1e-4;
	cfg.medium.overhead = 28;
	for (size_t i = 0; i < 4; i++) {
		double bits = 8 * ((double)lengths[i] + 28);

		free(run(&cfg, lengths[i], &heard));
		assert_share(N - heard, N, 1 - pow(1 - 1e-4, bits));
	}
	cfg.path.ber = 3e-9;
	free(run(&cfg, 1400, &heard));
	assert_share(N - heard, N, 1 - pow(1 - 3e-9, 8 * 1428));
}

/* The mean length of what is lost in a row, and how many such rows. */
static double
mean_burst(const uint8_t *heard, unsigned *ret_bursts)
{
	unsigned bursts = 0, lost = 0;

	for (int i = 0; i < N; i++) {
		lost += !heard[i];
		bursts += !heard[i] && (i == 0 || heard[i - 1]);
	}
	*ret_bursts = bursts;
	return (double)lost / bursts;
}

static void
test_bursts_have_their_mean_loss_and_their_mean_length(void **state)
{
	static const struct {
		double enter, leave;
	} cases[] = { { 0.05, 0.25 }, { 0.01, 0.1 }, { 0.2, 0.5 } };
	struct channel_config cfg = plain();

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		double p = cases[i].enter, r = cases[i].leave;
		double mean = p / (p + r), memory = 1 - p - r, length, bound;
		unsigned bursts;
		uint64_t heard;
		uint8_t *bits;

		cfg.path.burst_enter = p;
		cfg.path.burst_leave = r;
		bits = run(&cfg, 10, &heard);
		/* Each is like the one before it: fewer are independent. */
		bound = 5 * sqrt(mean * (1 - mean) / N * (1 + memory) /
				 (1 - memory));
		assert_true(fabs((double)(N - heard) / N - mean) <= bound);
		/* Lengths are geometric. */
		length = mean_burst(bits, &bursts);
		assert_in_range(bursts, 200, N / 4);
		bound = 5 * sqrt(1 - r) / r / sqrt(bursts);
		assert_true(fabs(length - 1 / r) <= bound);
		free(bits);
	}
}

static void
test_a_bad_time_may_let_some_through(void **state)
{
	struct channel_config cfg = plain();
	double p = 0.05, r = 0.25, mean = p / (p + r) * 0.6, bound;
	uint64_t heard;

	(void)state;
	cfg.path.burst_enter = p;
	cfg.path.burst_leave = r;
	cfg.path.burst_loss = 0.6;
	free(run(&cfg, 10, &heard));
	bound = 5 * sqrt(mean * (1 - mean) / N * (2 - p - r) / (p + r));
	assert_true(fabs((double)(N - heard) / N - mean) <= bound);
}

static void
test_models_together_lose_independently(void **state)
{
	struct channel_config cfg = plain();
	uint64_t heard;

	(void)state;
	cfg.path.loss = 0.1;
	cfg.path.ber = 1e-3;
	free(run(&cfg, 10, &heard));
	assert_share(heard, N, 0.9 * pow(1 - 1e-3, 80));
}

static void
test_the_same_seed_is_the_same_run_and_another_is_not(void **state)
{
	struct channel_config cfg = plain();
	uint64_t heard;
	uint8_t *one, *same, *other;

	(void)state;
	cfg.path.loss = 0.1;
	cfg.path.burst_enter = 0.05;
	cfg.path.burst_leave = 0.3;
	one = run(&cfg, 10, &heard);
	same = run(&cfg, 10, &heard);
	cfg.seed++;
	other = run(&cfg, 10, &heard);
	assert_memory_equal(one, same, N);
	assert_memory_not_equal(one, other, N);
	free(one);
	free(same);
	free(other);
}

/* What node 1 hears of node 0 while node 2 sends as well, or not. */
static uint64_t
luck(bool others)
{
	struct channel_config cfg = plain();
	struct channel_event ev;
	struct channel *c;
	uint64_t bits = 0;

	cfg.path.loss = 0.5;
	c = make(&cfg, 3);
	for (int i = 0; i < 64; i++) {
		if (others)
			put(c, i * S, 2, -1, 7, 255);
		put(c, i * S, 0, 1, 10, i);
	}
	while (channel_next(c, CHANNEL_NEVER - 1, &ev))
		if (ev.node == 1 && ev.data[0] < 64)
			bits |= UINT64_C(1) << ev.data[0];
	channel_free(&c);
	return bits;
}

static void
test_a_pairs_luck_is_its_own(void **state)
{
	struct channel_config cfg = plain();
	struct channel_node_stats s[2];
	struct channel_event ev;
	uint64_t heard[2] = { 0, 0 };
	struct channel *c;

	(void)state;
	assert_int_equal(luck(false), luck(true));
	/* And not that of another receiver of the same datagrams. */
	cfg.path.loss = 0.5;
	c = make(&cfg, 3);
	for (int i = 0; i < 64; i++)
		put(c, i * S, 0, -1, 10, i);
	while (channel_next(c, CHANNEL_NEVER - 1, &ev))
		if (ev.kind == CHANNEL_HEARD)
			heard[ev.node - 1] |= UINT64_C(1) << ev.data[0];
	channel_node_stats(c, 1, &s[0]);
	channel_node_stats(c, 2, &s[1]);
	assert_int_equal(s[0].heard + s[0].lost, 64);
	assert_int_equal(s[1].heard + s[1].lost, 64);
	assert_int_not_equal(heard[0], heard[1]);
	assert_int_not_equal(heard[0], ~heard[1]);
	channel_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_independent_loss_takes_its_share_and_has_no_memory),
		cmocka_unit_test(
		    test_no_loss_loses_nothing_and_full_loss_everything),
		cmocka_unit_test(
		    test_bit_errors_lose_as_many_as_the_length_says),
		cmocka_unit_test(
		    test_bursts_have_their_mean_loss_and_their_mean_length),
		cmocka_unit_test(test_a_bad_time_may_let_some_through),
		cmocka_unit_test(test_models_together_lose_independently),
		cmocka_unit_test(
		    test_the_same_seed_is_the_same_run_and_another_is_not),
		cmocka_unit_test(test_a_pairs_luck_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

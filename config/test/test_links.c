/*
 * Links of the configuration: presets, silence, groups, priorities.
 */
#include "config/test/fixture.h"

struct preset_row {
	const char *name;
	uint64_t rate, pdu;
	bool half;
	uint64_t turn_ms, delay_ms, retx_ms, min_ms, ack_ms, rti_s;
	uint64_t reject_s, announce_s;
};

/* reference: parameters by link, and the rates in the names. */
static const struct preset_row preset_rows[] = {
	{ "hf-75", 75, 256, true, 10000, 155000, 251000, 44000, 503000, 2585,
	    50, 50 },
	{ "hf-300", 300, 512, true, 6000, 74000, 124000, 24000, 248000, 1241,
	    26, 20 },
	{ "hf-1200", 1200, 1024, true, 5000, 53000, 92000, 19000, 185000, 923,
	    20, 12 },
	{ "hf-2400", 2400, 1400, true, 5000, 52000, 90000, 19000, 180000, 899,
	    20, 11 },
	{ "hf-9600", 9600, 1400, true, 3000, 30000, 53000, 11000, 106000, 531,
	    12, 7 },
	{ "vhf-16k", 16000, 1400, true, 500, 5300, 9100, 1900, 18000, 91, 5,
	    5 },
	{ "uhf-56k", 56000, 1400, true, 300, 3100, 5400, 1100, 11000, 54, 5,
	    5 },
	{ "satcom-64k", 64000, 1400, false, 0, 70, 1600, 1500, 3200, 16, 5, 5 },
	{ "satcom-1m", 1000000, 1400, false, 0, 5, 1500, 1500, 3000, 15, 5, 5 },
	{ "lan", 100000000, 1400, false, 0, 200, 1000, 250, 2000, 30, 5, 5 },
};

static void
check_preset(const struct preset_row *row, const struct cfg_link *l)
{
	assert_int_equal(l->bit_rate, row->rate);
	assert_int_equal(l->pdu_max, row->pdu);
	assert_int_equal(l->half_duplex, row->half);
	assert_int_equal(l->turnaround_us, row->turn_ms * 1000);
	assert_int_equal(l->ack_delay_upper_bound_us, row->delay_ms * 1000);
	assert_int_equal(l->ack_retransmission_time_us, row->retx_ms * 1000);
	assert_int_equal(l->ack_retransmission_min_us, row->min_ms * 1000);
	assert_int_equal(l->ack_pdu_time_us, row->ack_ms * 1000);
	assert_true(l->emcon_rti_us == row->rti_s * 1000000);
	assert_int_equal(l->wait_for_reject_time_us, row->reject_s * 1000000);
	assert_int_equal(l->announce_delay_us, row->announce_s * 1000000);
}

/*
 * The least time to wait is what a lone receiver needs that answers at once:
 * two turnarounds and one more, or the satellite's 1.2 s, and its Ack.
 */
static void
check_least_wait(const struct cfg_link *l)
{
	uint64_t ack = UINT64_C(52) * 8 * 1000000 / l->bit_rate;
	uint64_t way = l->half_duplex ? 3 * l->turnaround_us : 1200000;

	if (strcmp(l->preset, "lan") == 0)
		return;
	assert_in_range(l->ack_retransmission_min_us,
	    (way + ack) * 5 / 4 * 95 / 100, (way + ack) * 5 / 4 * 105 / 100);
}

static void
test_each_preset_has_the_values_of_its_radio(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(preset_rows) / sizeof(preset_rows[0]);
	     i++) {
		char text[512];
		struct cfg *cfg;

		snprintf(text, sizeof(text),
		    MINIMAL "links: [{name: l, interface: e, preset: %s}]\n",
		    preset_rows[i].name);
		cfg = must_load(text);
		check_preset(&preset_rows[i], &cfg->links[0]);
		check_least_wait(&cfg->links[0]);
		cfg_free(&cfg);
	}
}

static void
test_what_is_given_beats_the_preset(void **state)
{
	struct cfg *cfg = must_load(MINIMAL
	    "links: [{name: l, interface: e, preset: hf-75, pdu_max: 100,"
	    " half_duplex: false, bit_rate: 50, emcon_rti: 1s}]\n");

	(void)state;
	assert_int_equal(cfg->links[0].pdu_max, 100);
	assert_false(cfg->links[0].half_duplex);
	assert_int_equal(cfg->links[0].bit_rate, 50);
	assert_int_equal(cfg->links[0].emcon_rti_us, 1000000);
	assert_int_equal(cfg->links[0].ack_pdu_time_us, 503000000);
	cfg_free(&cfg);
}

/* The keys of a link that come from the preset, each alone. */
static void
test_each_value_of_a_preset_can_be_overridden(void **state)
{
	static const char *const keys[] = { "bit_rate: 51", "pdu_max: 101",
		"half_duplex: false", "turnaround: 17ms",
		"ack_delay_upper_bound: 17ms", "ack_retransmission_time: 50s",
		"ack_retransmission_min: 17ms", "ack_pdu_time: 17ms",
		"emcon_rti: 17ms", "wait_for_reject_time: 17ms",
		"announce_delay: 17ms" };
	struct cfg *cfg = must_load(MINIMAL "links: [{name: l, interface: e, "
					    "preset: hf-75}]\n");
	char *before = malloc(16384), *after = malloc(16384);

	(void)state;
	assert_in_range(cfg_print(cfg, before, 16384), 1, 16383);
	cfg_free(&cfg);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char text[512], line[80], *in;
		size_t n = strcspn(keys[i], ":") + 1, rest;

		snprintf(text, sizeof(text),
		    MINIMAL "links: [{name: l, interface: e, preset: hf-75, "
			    "%s}]\n",
		    keys[i]);
		cfg = must_load(text);
		assert_in_range(cfg_print(cfg, after, 16384), 1, 16383);
		cfg_free(&cfg);

		/* This line is different, and nothing else. */
		snprintf(line, sizeof(line), "    %s\n", keys[i]);
		in = strstr(after, line);
		assert_non_null(in);
		rest = (size_t)(in - after);
		assert_memory_equal(before, after, rest + 4 + n);
		assert_memory_not_equal(
		    before + rest, after + rest, strlen(line));
		assert_string_equal(
		    strchr(before + rest, '\n'), strchr(in, '\n'));
	}
	free(before);
	free(after);
}

static const struct cfg_link *
load_link(const char *keys, struct cfg **cfg)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    MINIMAL "links: [{name: l, interface: e, %s}]\n", keys);
	*cfg = must_load(text);
	return (*cfg)->links;
}

static void
test_the_least_wait_of_a_preset_follows_a_shorter_time(void **state)
{
	struct cfg *cfg;

	(void)state;
	assert_int_equal(
	    load_link("preset: hf-75, ack_retransmission_time: 40s", &cfg)
		->ack_retransmission_min_us,
	    40000000);
	cfg_free(&cfg);
	assert_int_equal(
	    load_link("preset: hf-75, ack_retransmission_time: 45s", &cfg)
		->ack_retransmission_min_us,
	    44000000);
	cfg_free(&cfg);
}

/* --- silence, groups, priorities -------------------------------------------- */

static void
test_what_a_link_is_without_a_word(void **state)
{
	struct cfg *cfg;
	const struct cfg_link *l = load_link("preset: hf-9600", &cfg);

	(void)state;
	assert_false(l->emcon);
	assert_false(l->receive_only);
	assert_int_equal(l->emcon_kernel, CFG_EMCON_KERNEL_BEST_EFFORT);
	assert_int_equal(l->gg, 0xef010101);
	assert_int_equal(l->pool_first, 0);
	assert_int_equal(l->pool_last, 0);
	assert_int_equal(l->announce_ct, 3);
	assert_int_equal(l->rx_lifetime_us, 0);
	assert_true(l->ranges);
	assert_false(l->timestamp);
	assert_int_equal(l->extra_address, CFG_EXTRA_REPEATS);
	assert_int_equal(l->polls, 4);
	assert_int_equal(l->npriorities, 0);
	cfg_free(&cfg);
}

static void
test_who_only_receives_is_silent(void **state)
{
	struct cfg *cfg;

	(void)state;
	assert_true(load_link("receive_only: true", &cfg)->emcon);
	cfg_free(&cfg);
	assert_true(load_link("receive_only: true, emcon: true", &cfg)->emcon);
	cfg_free(&cfg);
	assert_false(
	    load_link("receive_only: false, emcon: false", &cfg)->emcon);
	cfg_free(&cfg);
	assert_false(load_link("emcon: true", &cfg)->receive_only);
	cfg_free(&cfg);
}

#define TWO_LINKS(one, two) \
	HEAD "nodes: [{name: s, id: 0.0.0.2}]\nlinks:\n" \
	     " - {name: a, interface: e, receive_only: " one \
	     ", groups: [{name: g, address: 239.0.0.1, members: [s]}]}\n" \
	     " - {name: b, interface: f, receive_only: " two \
	     ", groups: [{name: g, address: 239.0.0.1, members: [s]}]}\n" \
	     "routes: [{domain: \"*\", via: mule, node: s}]\n"

static void
test_a_route_takes_the_only_link_that_sends(void **state)
{
	struct cfg *cfg = must_load(TWO_LINKS("true", "false"));

	(void)state;
	assert_ptr_equal(cfg->routes[0].via_link, &cfg->links[1]);
	cfg_free(&cfg);
	cfg = must_load(TWO_LINKS("false", "true"));
	assert_ptr_equal(cfg->routes[0].via_link, &cfg->links[0]);
	cfg_free(&cfg);
	must_refuse(TWO_LINKS("false", "false"),
	    "t:6: route \"*\": links \"a\" and \"b\" both reach node \"s\", "
	    "\"link\" was expected");
	must_refuse(TWO_LINKS("true", "true"),
	    "t:6: route \"*\": link \"b\" is receive_only, one that sends was "
	    "expected");
}

static void
test_groups_may_lie_beside_the_pool(void **state)
{
	struct cfg *cfg = must_load(
	    HEAD "nodes: [{name: s, id: 0.0.0.2}]\nlinks:\n"
		 " - name: a\n   interface: e\n   gg: 239.1.0.0\n"
		 "   dynamic_groups: {first: 239.1.0.1, last: 239.1.0.2}\n"
		 "   groups: [{name: g, address: 239.1.0.3, members: [s]}]\n"
		 " - {name: b, interface: f, gg: 239.1.0.9, dynamic_groups:"
		 " {first: 239.1.0.3, last: 239.1.0.3}}\n" ROUTES);

	(void)state;
	assert_int_equal(cfg->links[0].pool_first, 0xef010001);
	assert_int_equal(cfg->links[0].pool_last, 0xef010002);
	assert_int_equal(cfg->links[1].pool_first, cfg->links[1].pool_last);
	cfg_free(&cfg);
}

static void
test_each_priority_has_its_limits_or_those_of_the_link(void **state)
{
	struct cfg *cfg;
	const struct cfg_link *l = load_link("expiry: 3h, "
					     "max_message_size: 2KiB, "
					     "priorities: [{priority: 4..8, "
					     "lifetime: 1m}, {priority: -9, "
					     "max_message_size: 1KiB}, "
					     "{priority: 9, lifetime: 30s, "
					     "max_message_size: 1500}]",
	    &cfg);

	(void)state;
	for (int p = -12; p <= 12; p++) {
		struct cfg_limits got = cfg_link_limits(l, p);
		uint64_t s = p == 9 ? 30 : p >= 4 && p <= 8 ? 60 : 10800;
		uint64_t size = p == 9 ? 1500 : p == -9 ? 1024 : 2048;

		assert_int_equal(got.lifetime_us, s * 1000000);
		assert_int_equal(got.max_message_size, size);
	}
	cfg_free(&cfg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_preset_has_the_values_of_its_radio),
		cmocka_unit_test(test_what_is_given_beats_the_preset),
		cmocka_unit_test(test_each_value_of_a_preset_can_be_overridden),
		cmocka_unit_test(
		    test_the_least_wait_of_a_preset_follows_a_shorter_time),
		cmocka_unit_test(test_what_a_link_is_without_a_word),
		cmocka_unit_test(test_who_only_receives_is_silent),
		cmocka_unit_test(test_a_route_takes_the_only_link_that_sends),
		cmocka_unit_test(test_groups_may_lie_beside_the_pool),
		cmocka_unit_test(
		    test_each_priority_has_its_limits_or_those_of_the_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

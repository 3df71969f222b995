/*
 * The configuration: what is loaded, and one exact line for each mistake.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cfg.h"
#include "tests/unit/unit.h"

static const char good[] =
    "node: {hostname: gw.example, id: 10.0.0.1}\n"
    "nodes:\n"
    "  - {name: a, id: 10.0.0.2}\n"
    "links:\n"
    "  - name: hf\n"
    "    preset: hf-1200\n"
    "    interface: eth0\n"
    "    groups: [{name: g, address: 239.0.0.1, members: [a]}]\n"
    "routes:\n"
    "  - {domain: a.example, via: mule, node: a}\n"
    "  - {domain: \"*\", via: mx}\n";

static int
load(const char *text, size_t len, struct cfg **cfg, char err[300])
{
	unsigned char *exact = unit_copy(text, len);
	int rc = cfg_load((char *)exact, len, "f", cfg, err, 300);

	free(exact);
	return rc;
}

static void
test_defaults_and_presets_are_filled_in(void **state)
{
	struct cfg *cfg = NULL;
	char err[300];

	(void)state;
	assert_int_equal(load(good, strlen(good), &cfg, err), CFG_OK);
	assert_string_equal(cfg->node.hostname, "gw.example");
	assert_int_equal(cfg->node.id, 0x0a000001);
	assert_string_equal(cfg->node.state_dir, "/var/lib/muleteer");
	assert_string_equal(cfg->control, "/var/lib/muleteer/control.sock");
	assert_int_equal(cfg->smtp.max_message_size, 25 * 1024 * 1024);
	assert_int_equal(cfg->links[0].bit_rate, 1200);
	assert_true(cfg->links[0].half_duplex);
	assert_int_equal(cfg->links[0].pdu_max, 1024);
	assert_int_equal(cfg->links[0].dport, 2753);
	assert_int_equal(cfg->links[0].groups[0].member_ids[0], 0x0a000002);
	assert_ptr_equal(cfg->routes[0].via_link, &cfg->links[0]);
	assert_ptr_equal(cfg_route_find(cfg, "A.EXAMPLE", 9), &cfg->routes[0]);
	assert_ptr_equal(cfg_route_find(cfg, "b.example", 9), &cfg->routes[1]);
	cfg_free(&cfg);
	assert_null(cfg);
}

static void
test_sample_loads(void **state)
{
	size_t len;
	unsigned char *text = unit_read_file("config/samples/muled.yaml", &len);
	struct cfg *cfg = NULL;
	char err[300];

	(void)state;
	assert_int_equal(load((char *)text, len, &cfg, err), CFG_OK);
	assert_int_equal(cfg->nroutes, 3);
	cfg_free(&cfg);
	free(text);
}

/* good with one line in place of another. */
static void
test_each_mistake_is_named_with_its_line(void **state)
{
	static const struct {
		int line; /* the line of good that is replaced */
		const char *text;
		int at; /* the line that the error names */
		const char *word;
	} bad[] = {
		{ 1, "node: {hostname: gw.example, id: 10.0.0.256}", 1, "id" },
		{ 1, "node: {hostname: gw..example, id: 10.0.0.1}", 1,
		    "hostname" },
		{ 1, "node: {hostname: gw.example}", 1, "id" },
		{ 1, "node: {hostname: gw.example, id: 10.0.0.1, x: 1}", 1,
		    "x" },
		{ 1, "node: {hostname: a, hostname: b, id: 10.0.0.1}", 1,
		    "hostname" },
		{ 1, "node: [1]", 1, "node" },
		{ 3, "  - {name: a, id: 0.0.0.0}", 3, "id" },
		{ 3, "  - {name: a, id: 10.0.0.2}\n  - {name: a, id: 10.0.0.3}",
		    4, "a" },
		{ 3, "  - {name: b, id: 10.0.0.2}", 8, "a" },
		{ 6, "    preset: hf-1201", 6, "preset" },
		{ 6, "    bit_rate: 5", 6, "bit_rate" },
		{ 6, "    bit_rate: fast", 6, "bit_rate" },
		{ 6, "    pdu_max: 1TiB", 6, "pdu_max" },
		{ 6, "    expiry: 5 days", 6, "expiry" },
		{ 6, "    ranges: maybe", 6, "ranges" },
		{ 6, "    dport: 2754", 6, "port" },
		{ 6, "    bearer: radio", 6, "bearer" },
		{ 6, "    bearer: emulated", 6, "hub" },
		{ 8, "    groups: [{name: g, address: 10.0.0.1, members: [a]}]",
		    8, "multicast" },
		{ 8, "    groups: [{name: g, address: 239.0.0.1}]", 8,
		    "members" },
		{ 10, "  - {domain: a.example, via: mule}", 10, "node" },
		{ 10, "  - {domain: a.example, via: mule, node: z}", 10, "z" },
		{ 10, "  - {domain: a.example, via: smtp}", 10, "host" },
		{ 10, "  - {domain: a.example, via: smtp, host: nowhere}", 10,
		    "host" },
		{ 10, "  - {domain: a.example, via: pigeon}", 10, "via" },
		{ 10, "  - {domain: a_.*, via: mx}", 10, "domain" },
		{ 11, "  - {domain: a.example, via: mx}", 11, "a.example" },
		{ 11, "  - {domain: b.example, via: mule, node: a, link: x}",
		    11, "x" },
		{ 11, "  - {domain: b.example, via: [mx}", 11, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[2000], err[300] = "", want[20];
		struct cfg *cfg = NULL;
		const char *p = good;
		size_t n = 0;

		for (int line = 1; *p != '\0'; line++) {
			size_t len = strcspn(p, "\n") + 1;

			n += (size_t)(line == bad[i].line
					  ? snprintf(text + n, sizeof(text) - n,
						"%s\n", bad[i].text)
					  : snprintf(text + n, sizeof(text) - n,
						"%.*s", (int)len, p));
			p += len;
		}
		assert_int_equal(load(text, n, &cfg, err), CFG_EINVALID);
		assert_null(cfg);
		snprintf(want, sizeof(want), "f:%d: ", bad[i].at);
		if (strncmp(err, want, strlen(want)) != 0 ||
		    strstr(err, bad[i].word) == NULL)
			fail_msg("%s: %s", bad[i].text, err);
	}
}

static void
test_every_truncation_is_refused_or_whole(void **state)
{
	size_t live = unit_alloc_live(), accepted = 0;

	(void)state;
	for (size_t cut = 0; cut < strlen(good); cut++) {
		struct cfg *cfg = NULL;
		char err[300];

		if (load(good, cut, &cfg, err) == CFG_OK) {
			accepted++;
			cfg_free(&cfg);
		} else {
			assert_null(cfg);
			assert_true(strncmp(err, "f:", 2) == 0);
		}
		assert_int_equal(unit_alloc_live(), live);
	}
	assert_in_range(accepted, 1, 60);
}

static void
test_every_allocation_may_fail(void **state)
{
	size_t live = unit_alloc_live();
	struct cfg *cfg = NULL;
	char err[300];
	int rc = CFG_ENOMEM;

	(void)state;
	for (size_t k = 1; rc != CFG_OK; k++) {
		unit_alloc_fail_at(k);
		rc = cfg_load(good, strlen(good), "f", &cfg, err, sizeof(err));
		unit_alloc_fail_at(0);
		if (rc == CFG_OK)
			break;
		assert_int_equal(rc, CFG_ENOMEM);
		assert_null(cfg);
		assert_int_equal(unit_alloc_live(), live);
	}
	cfg_free(&cfg);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults_and_presets_are_filled_in),
		cmocka_unit_test(test_sample_loads),
		cmocka_unit_test(test_each_mistake_is_named_with_its_line),
		cmocka_unit_test(test_every_truncation_is_refused_or_whole),
		cmocka_unit_test(test_every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

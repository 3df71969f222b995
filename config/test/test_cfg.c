/*
 * The configuration: goldens (NAME.in prints as NAME.ok), refusals (the first
 * line of bad-NAME.in is the error that is expected), and what files cannot
 * show.
 */
#include "config/test/fixture.h"

#include <glob.h>

#include "config/load.h"

#define PRINT_MAX (256 * 1024)

static char *
printed(const struct cfg *cfg)
{
	char *buf = malloc(PRINT_MAX);

	assert_in_range(cfg_print(cfg, buf, PRINT_MAX), 1, PRINT_MAX - 1);
	return buf;
}

/* --- files ------------------------------------------------------------------ */

static void
with_files(const char *pattern, size_t least, void (*check)(const char *path))
{
	glob_t g;

	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	assert_in_range(g.gl_pathc, least, 10000);
	for (size_t i = 0; i < g.gl_pathc; i++)
		check(g.gl_pathv[i]);
	globfree(&g);
}

static void
check_golden(const char *ok_path)
{
	char in_path[4096], err[CFG_ERROR_MAX];
	size_t in_len, ok_len;
	struct cfg *cfg = NULL;
	unsigned char *in, *ok = unit_read_file(ok_path, &ok_len);
	char *out;

	snprintf(in_path, sizeof(in_path), "%.*s.in",
	    (int)(strlen(ok_path) - 3), ok_path);
	in = unit_read_file(in_path, &in_len);
	if (load((char *)in, in_len, in_path, &cfg, err) != CFG_OK)
		fail_msg("%s", err);
	out = printed(cfg);
	assert_string_equal(out, (char *)ok);
	cfg_free(&cfg);
	free(out);

	/* What is printed loads again, and prints the same. */
	cfg = must_load((char *)ok);
	out = printed(cfg);
	assert_string_equal(out, (char *)ok);
	cfg_free(&cfg);
	free(out);
	free(in);
	free(ok);
}

static void
test_each_golden_prints_every_default_and_loads_again(void **state)
{
	(void)state;
	with_files("config/test/*.ok", 4, check_golden);
}

static void
check_bad(const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	size_t len, live = unit_alloc_live();
	unsigned char *text = unit_read_file(path, &len);
	char *end = memchr(text, '\n', len);
	struct cfg *cfg = NULL;
	char err[CFG_ERROR_MAX];

	assert_non_null(end);
	assert_memory_equal(text, "# ", 2);
	assert_int_equal(
	    load((char *)text, len, name, &cfg, err), CFG_EINVALID);
	*end = '\0';
	assert_string_equal(err, (char *)text + 2);
	assert_null(cfg);
	free(text);
	assert_int_equal(unit_alloc_live(), live);
}

static void
test_each_bad_file_is_refused_with_its_line_and_reason(void **state)
{
	(void)state;
	with_files("config/test/bad-*.in", 190, check_bad);
}

static void
check_sample(const char *path)
{
	size_t len;
	unsigned char *text = unit_read_file(path, &len);
	struct cfg *cfg = must_load((char *)text);

	assert_in_range(cfg->nroutes, 1, 100);
	cfg_free(&cfg);
	free(text);
}

static void
test_the_samples_are_good(void **state)
{
	(void)state;
	with_files("config/samples/*.yaml", 3, check_sample);
}

static void
test_every_truncation_is_taken_or_refused_in_one_line(void **state)
{
	size_t len, live = unit_alloc_live(), good = 0;
	unsigned char *text = unit_read_file("config/samples/muled.yaml", &len);

	(void)state;
	for (size_t n = 0; n <= len; n++) {
		struct cfg *cfg = NULL;
		char err[CFG_ERROR_MAX];
		int rc = load((char *)text, n, "t", &cfg, err);

		if (rc == CFG_OK) {
			good++;
			cfg_free(&cfg);
			continue;
		}
		assert_int_equal(rc, CFG_EINVALID);
		assert_memory_equal(err, "t:", 2);
		assert_null(strchr(err, '\n'));
	}
	/* The console at the end is optional, so is much of the routes. */
	assert_in_range(good, 10, len / 2);
	free(text);
	assert_int_equal(unit_alloc_live(), live);
}

/* --- values ------------------------------------------------------------------ */

static void
test_values_arrive_converted_in_their_fields(void **state)
{
	size_t len;
	unsigned char *text = unit_read_file("config/test/every-key.in", &len);
	struct cfg *cfg = must_load((char *)text);
	const struct cfg_link *l = &cfg->links[0];

	(void)state;
	assert_string_equal(cfg->node.hostname, "gate-1.example.mil");
	assert_int_equal(cfg->node.id, 0x0a8e0001);
	assert_true(cfg->node.seed == INT64_MAX);
	assert_int_equal(cfg->smtp.nlisten, 2);
	assert_string_equal(cfg->smtp.listen[1].address.host, "2001:db8::1");
	assert_int_equal(cfg->smtp.listen[1].address.port, 587);
	assert_int_equal(cfg->smtp.listen[0].nallow, 4);
	assert_memory_equal(cfg->smtp.listen[0].allow[1].address,
	    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01", 16);
	assert_int_equal(cfg->smtp.listen[0].allow[1].bits, 128);
	assert_int_equal(cfg->smtp.listen[0].allow[2].bits, 96);
	assert_int_equal(cfg->smtp.listen[0].allow[3].address[0], 0xfd);
	assert_int_equal(cfg->smtp.listen[0].allow[3].bits, 8);
	assert_string_equal(cfg->smtp.listen[0].tls.client_ca, "/etc/ca");
	assert_string_equal(cfg->smtp.listen[0].users, "/etc/users");
	assert_true(cfg->smtp.listen[0].require_auth);
	assert_false(cfg->smtp.listen[0].urgent);
	assert_true(cfg->smtp.listen[1].urgent);
	assert_true(cfg->smtp.listen[0].greeting_delay_us == 5000000);
	assert_int_equal(cfg->routes[3].tls, CFG_ROUTE_TLS_VERIFY);
	assert_string_equal(
	    cfg->smtp.listen[0].tls.certificate, "/etc/a \"b\" \\c.crt");
	assert_string_equal(cfg->smtp.listen[0].tls.key, "/etc/key");
	assert_null(cfg->smtp.listen[1].tls.key);
	assert_int_equal(cfg->smtp.max_message_size, 1 << 30);
	assert_true(cfg->smtp.lifetime_us == UINT64_C(31536000000000));
	assert_int_equal(cfg->smtp.retry_first_us, 90000000);
	assert_int_equal(cfg->smtp.retry_factor_pct, 105);
	assert_int_equal(cfg->smtp.retry_jitter_pct, 0);
	assert_true(cfg->nodes[0].emcon);
	assert_int_equal(cfg->nodes[1].address, 0xc0000207);
	assert_int_equal(l->aport, 65535);
	assert_int_equal(l->ack_pdu_time_us, 1001);
	assert_int_equal(l->back_off_limit_pct, 10000);
	assert_int_equal(l->tagging, CFG_TAGGING_EXPLICIT);
	assert_int_equal(cfg->links[1].bearer, CFG_BEARER_EMULATED);
	assert_string_equal(cfg->links[1].hub.host, "127.0.0.1");
	assert_int_equal(cfg->links[1].hub.port, 1);
	assert_int_equal(cfg->routes[0].via, CFG_VIA_SMTP);
	assert_string_equal(cfg->routes[1].host.host, "::ffff:192.0.2.1");
	assert_int_equal(cfg->routes[2].node_id, 0xffffffff);
	assert_ptr_equal(cfg->routes[2].via_link, &cfg->links[1]);
	assert_null(cfg->routes[3].via_link);
	assert_string_equal(cfg->control, "/run/c.sock");
	assert_int_equal(cfg->console.port, 0);
	cfg_free(&cfg);
	free(text);
}

static void
test_silence_groups_and_priorities_arrive_as_well(void **state)
{
	size_t len;
	unsigned char *text = unit_read_file("config/test/every-key.in", &len);
	struct cfg *cfg = must_load((char *)text);
	const struct cfg_link *l = &cfg->links[0];

	(void)state;
	assert_int_equal(cfg->nodes[0].compat, CFG_COMPAT_NONE);
	assert_int_equal(cfg->nodes[1].compat, CFG_COMPAT_NTNU);
	assert_true(l->receive_only && l->emcon && l->timestamp);
	assert_int_equal(l->emcon_kernel, CFG_EMCON_KERNEL_REQUIRED);
	assert_int_equal(cfg->links[1].emcon_kernel, CFG_EMCON_KERNEL_OFF);
	assert_int_equal(l->gg, 0xe0000001);
	assert_int_equal(l->pool_first, 0xef8e0000);
	assert_int_equal(l->pool_last, 0xef8effff);
	assert_int_equal(l->npriorities, 3);
	assert_int_equal(l->priorities[2].span.from, -9);
	assert_int_equal(l->priorities[2].span.to, -1);
	assert_int_equal(l->priorities[2].limits.max_message_size, 1025);
	cfg_free(&cfg);
	free(text);
}

static void
test_our_own_node_is_left_out_of_member_ids(void **state)
{
	size_t len;
	unsigned char *text = unit_read_file("config/test/every-key.in", &len);
	struct cfg *cfg = must_load((char *)text);
	const struct cfg_group *g = cfg->links[0].groups;

	(void)state;
	assert_int_equal(g[0].nmembers, 2);
	assert_int_equal(g[0].nmember_ids, 1);
	assert_int_equal(g[0].member_ids[0], 0xffffffff);
	assert_int_equal(g[0].address, 0xe0000000);
	assert_int_equal(g[1].nmembers, 1);
	assert_int_equal(g[1].nmember_ids, 0);
	cfg_free(&cfg);
	free(text);
}

/* --- errors --------------------------------------------------------------------- */

static void
test_an_error_is_cut_to_its_buffer(void **state)
{
	static const char want[] = "some/file:1: the file is empty, keys and "
				   "values were expected";
	struct cfg *cfg = NULL;

	(void)state;
	for (size_t cap = 0; cap <= sizeof(want); cap++) {
		char *err = malloc(cap + 1);

		memset(err, 'x', cap + 1);
		assert_int_equal(
		    cfg_load("", 0, "some/file", &cfg, err, cap), CFG_EINVALID);
		assert_int_equal(err[cap], 'x');
		if (cap > 0) {
			size_t n =
			    cap - 1 < strlen(want) ? cap - 1 : strlen(want);

			assert_memory_equal(err, want, n);
			assert_int_equal(err[n], '\0');
		}
		free(err);
	}
}

static void
test_an_error_is_one_printable_line(void **state)
{
	(void)state;
	must_refuse(HEAD "\"a\\nb\\x1b\\xe9\": 1\n" ROUTES,
	    "t:2: the configuration: unknown key \"a?b???\", expected was one "
	    "of node, smtp, nodes, links, routes, control, console");
}

static void
test_lines_count_whatever_ends_them(void **state)
{
	(void)state;
	must_refuse("node:\r\n  hostname: a\r\n  id: 1\r\n",
	    "t:3: id: \"1\" is not an IPv4 address");
	must_refuse("node:\n  hostname: a\n\n\n  # c\n  id: 1",
	    "t:6: id: \"1\" is not an IPv4 address");
	must_refuse("\xef\xbb\xbfnode:\n  hostname: a\n  id: 1",
	    "t:3: id: \"1\" is not an IPv4 address");
	/* The missing value would begin in line 3. */
	must_refuse("%YAML 1.1\n--- # c",
	    "t:2: the configuration: keys and values were expected");
	must_refuse("node:\n  hostname: >\n    a\n    b\n  id: 1",
	    "t:2: hostname: \"a b?\" is not a host name");
}

static void
test_no_allocation_that_fails_leaves_a_trace(void **state)
{
	size_t len, calls, live;
	unsigned char *text = unit_read_file("config/test/every-key.in", &len);
	struct cfg *cfg = NULL;
	char err[CFG_ERROR_MAX];

	(void)state;
	live = unit_alloc_live();
	unit_alloc_fail_at(0);
	assert_int_equal(
	    cfg_load((char *)text, len, "t", &cfg, err, sizeof(err)), CFG_OK);
	calls = unit_alloc_calls();
	cfg_free(&cfg);
	assert_in_range(calls, 100, 10000);
	for (size_t i = 1; i <= calls; i++) {
		unit_alloc_fail_at(i);
		assert_int_equal(
		    cfg_load((char *)text, len, "t", &cfg, err, sizeof(err)),
		    CFG_ENOMEM);
		unit_alloc_fail_at(0);
		assert_null(cfg);
		assert_string_equal(err, "t: out of memory");
		assert_int_equal(unit_alloc_live(), live);
	}
	free(text);
}

/* An error that needs memory for its text. */
static void
test_no_allocation_that_fails_hides_behind_an_error(void **state)
{
	static const char text[] = HEAD "nods: []\n" ROUTES;
	struct cfg *cfg = NULL;
	char err[CFG_ERROR_MAX];
	size_t calls, live = unit_alloc_live();

	(void)state;
	unit_alloc_fail_at(0);
	assert_int_equal(
	    cfg_load(text, strlen(text), "t", &cfg, err, sizeof(err)),
	    CFG_EINVALID);
	calls = unit_alloc_calls();
	for (size_t i = 1; i <= calls; i++) {
		unit_alloc_fail_at(i);
		assert_int_equal(
		    cfg_load(text, strlen(text), "t", &cfg, err, sizeof(err)),
		    CFG_ENOMEM);
		assert_int_equal(unit_alloc_live(), live);
	}
	unit_alloc_fail_at(0);
}

static void
test_free_takes_nothing_and_clears(void **state)
{
	struct cfg *cfg = NULL;

	(void)state;
	cfg_free(&cfg);
	cfg = must_load(MINIMAL);
	cfg_free(&cfg);
	assert_null(cfg);
}

static void
test_print_is_cut_like_snprintf(void **state)
{
	struct cfg *cfg = must_load(MINIMAL);
	char *whole = printed(cfg);
	size_t len = strlen(whole);

	(void)state;
	for (size_t cap = 0; cap <= len + 1; cap++) {
		char *buf = malloc(cap + 1);

		buf[cap] = 'x';
		assert_int_equal(cfg_print(cfg, buf, cap), len);
		assert_int_equal(buf[cap], 'x');
		if (cap > 0) {
			assert_memory_equal(buf, whole, cap - 1);
			assert_int_equal(buf[cap - 1], '\0');
		}
		free(buf);
	}
	free(whole);
	cfg_free(&cfg);
}

/* --- questions ------------------------------------------------------------------- */

static void
expect_route(const struct cfg *cfg, const char *domain, const char *want)
{
	size_t len = strlen(domain);
	char *copy = (char *)unit_copy(domain, len);
	const struct cfg_route *r = cfg_route_find(cfg, copy, len);

	free(copy);
	if (want == NULL) {
		assert_null(r);
		return;
	}
	assert_non_null(r);
	assert_string_equal(r->domain, want);
}

#define VIA_MX(d) "{domain: \"" d "\", via: mx},"

static void
test_the_most_specific_route_wins(void **state)
{
	struct cfg *cfg = must_load(
	    HEAD "routes: [" VIA_MX("*") VIA_MX("*.mil") VIA_MX("*.Example.mil")
		VIA_MX("a.b.example.mil") VIA_MX("*.b.example.mil") "]\n");

	(void)state;
	expect_route(cfg, "a.b.example.mil", "a.b.example.mil");
	expect_route(cfg, "A.B.EXAMPLE.MIL", "a.b.example.mil");
	expect_route(cfg, "c.b.example.mil", "*.b.example.mil");
	expect_route(cfg, "x.a.b.example.mil", "*.b.example.mil");
	expect_route(cfg, "b.example.mil", "*.Example.mil");
	expect_route(cfg, "example.mil", "*.mil");
	expect_route(cfg, "notexample.mil", "*.mil");
	expect_route(cfg, "mil", "*");
	expect_route(cfg, ".mil", "*");
	expect_route(cfg, "", "*");
	expect_route(cfg, "xmil", "*");
	expect_route(cfg, "[10.0.0.1]", "*");
	cfg_free(&cfg);
}

static void
test_without_a_star_some_domains_have_no_route(void **state)
{
	struct cfg *cfg = must_load(
	    HEAD "routes: [" VIA_MX("*.b") VIA_MX("c") VIA_MX("a") "]\n");

	(void)state;
	expect_route(cfg, "a.b", "*.b");
	expect_route(cfg, "b", NULL);
	expect_route(cfg, "c", "c");
	expect_route(cfg, "d.c", NULL);
	expect_route(cfg, "cc", NULL);
	expect_route(cfg, "", NULL);
	cfg_free(&cfg);
}

static void
test_a_node_is_found_by_its_id(void **state)
{
	struct cfg *cfg = must_load(
	    MINIMAL "nodes: [{name: x, id: 0.0.0.7}, {name: y, id: 0.0.0.8}]");

	(void)state;
	assert_string_equal(cfg_node_by_id(cfg, 8)->name, "y");
	assert_string_equal(cfg_node_by_id(cfg, 7)->name, "x");
	assert_null(cfg_node_by_id(cfg, 9));
	cfg_free(&cfg);
}

/* --- the manual page ---------------------------------------------------------------- */

/*
 * The text behind the next "It Cm KEY" after man, up to the next item that is
 * not a twin; returns where it begins, NULL if there is none.
 */
static const char *
man_item(const char *man, const char *key, char *buf, size_t cap)
{
	char item[80];
	const char *p, *start, *end;
	size_t n = 0;

	snprintf(item, sizeof(item), "\n.It Cm %s :", key);
	p = strstr(man, item);
	if (p == NULL)
		return NULL;
	start = p = strchr(p + 1, '\n') + 1;
	while (strncmp(p, ".It", 3) == 0)
		p = strchr(p, '\n') + 1;
	end = strstr(p, "\n.It");
	for (; p < end && n + 1 < cap; p++)
		buf[n++] = *p == '\n' ? ' ' : *p;
	buf[n] = '\0';
	return start;
}

/* An item of that name has the range, and a default that no preset gives. */
static void
check_man_number(const char *man, const struct field *f)
{
	char lo[FORMAT_MAX], hi[FORMAT_MAX], range[2 * FORMAT_MAX], item[2048];
	bool port = f->type == FIELD_ADDRESS || f->type == FIELD_ENDPOINT;
	enum field_type type = port ? FIELD_NUMBER : f->type;

	if (port && f->min == 0)
		return;
	snprintf(range, sizeof(range), "%s to %s",
	    format_value(type, &f->min, lo), format_value(type, &f->max, hi));
	(void)format_value(type, &f->def, lo);
	while ((man = man_item(man, f->key, item, sizeof(item))) != NULL)
		if (strstr(item, range) != NULL &&
		    (f->def == 0 || (strstr(item, "Default") != NULL &&
					strstr(item, lo) != NULL)))
			return;
	fail_msg("%s: no %s, default %s", f->key, range, lo);
}

/* A word that is one of a few has each of them in its item's first line. */
static void
check_man_choices(const char *man, const struct field *f)
{
	char item[80];
	const char *p, *end;

	snprintf(item, sizeof(item), "\n.It Cm %s : Cm ", f->key);
	p = strstr(man, item);
	assert_non_null(p);
	end = strchr(p + 1, '\n');
	for (size_t i = 0; f->choices[i] != NULL; i++) {
		const char *in = strstr(p + strlen(item) - 1, f->choices[i]);

		assert_true(in != NULL && in < end);
	}
}

static size_t
check_man(const char *man, const char *golden, const struct schema *s)
{
	char item[2048], key[80];
	size_t n = s->nfields;

	for (size_t i = 0; i < s->nfields; i++) {
		const struct field *f = &s->fields[i];

		/* Also for what the golden prints: it has every key. */
		snprintf(key, sizeof(key), " %s:", f->key);
		key[0] = s == &cfg_schema ? '\n' : ' ';
		if (strstr(golden, key) == NULL &&
		    strncmp(golden, key + 1, strlen(key + 1)) != 0)
			fail_msg("not in every-key: %s", f->key);
		snprintf(key, sizeof(key), "\n.Ss %s\n", f->key);
		if ((s != &cfg_schema || strstr(man, key) == NULL) &&
		    man_item(man, f->key, item, sizeof(item)) == NULL)
			fail_msg("not in the manual page: %s", f->key);
		if (f->max != 0 && f->type != FIELD_LIST)
			check_man_number(man, f);
		if (f->type == FIELD_CHOICE)
			check_man_choices(man, f);
		if (f->sub != NULL)
			n += check_man(man, golden, f->sub);
	}
	return n;
}

static void
test_the_manual_page_has_every_key_and_range(void **state)
{
	size_t len;
	char *man = (char *)unit_read_file("doc/man/muled.yaml.5", &len);
	char *golden = (char *)unit_read_file("config/test/every-key.ok", &len);

	(void)state;
	assert_in_range(check_man(man, golden, &cfg_schema), 90, 1000);
	free(man);
	free(golden);
}

/* The preset's values as the manual page writes them. */
static void
preset_lines(const struct cfg_link *l, char one[256], char two[256])
{
	const uint64_t us[] = { l->turnaround_us, l->wait_for_reject_time_us,
		l->announce_delay_us, l->ack_delay_upper_bound_us,
		l->ack_retransmission_time_us, l->ack_retransmission_min_us,
		l->ack_pdu_time_us, l->emcon_rti_us };
	char t[8][24];

	/* In the page 5.3s is easier to read than 5300ms. */
	for (size_t i = 0; i < 8; i++)
		if (us[i] > 1000000 && us[i] % 1000000 != 0)
			snprintf(
			    t[i], sizeof(t[i]), "%.1fs", (double)us[i] / 1e6);
		else if (us[i] % 1000000 != 0)
			snprintf(
			    t[i], sizeof(t[i]), "%dms", (int)(us[i] / 1000));
		else
			snprintf(
			    t[i], sizeof(t[i]), "%ds", (int)(us[i] / 1000000));
	snprintf(one, 256, "\n.It %s Ta %d Ta %d Ta %s Ta %s Ta %s Ta %s\n",
	    l->preset, (int)l->bit_rate, (int)l->pdu_max,
	    l->half_duplex ? "half" : "full", t[0], t[1], t[2]);
	snprintf(two, 256, "\n.It %s Ta %s Ta %s Ta %s Ta %s Ta %s\n",
	    l->preset, t[3], t[4], t[5], t[6], t[7]);
}

static void
test_the_manual_page_has_every_preset_with_its_values(void **state)
{
	size_t len;
	char *man = (char *)unit_read_file("doc/man/muled.yaml.5", &len);
	const char *name = preset_names;
	size_t found = 0;

	(void)state;
	for (size_t n; *name != '\0'; name += n + strspn(name + n, ", ")) {
		char text[256], one[256], two[256];
		struct cfg *cfg;

		n = strcspn(name, ",");
		snprintf(text, sizeof(text),
		    MINIMAL "links: [{name: l, interface: e, preset: %.*s}]",
		    (int)n, name);
		cfg = must_load(text);
		preset_lines(cfg->links, one, two);
		if (strstr(man, one) == NULL || strstr(man, two) == NULL)
			fail_msg("not in the manual page: %s%s", one, two);
		cfg_free(&cfg);
		found++;
	}
	assert_int_equal(found, 10);
	free(man);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_golden_prints_every_default_and_loads_again),
		cmocka_unit_test(
		    test_each_bad_file_is_refused_with_its_line_and_reason),
		cmocka_unit_test(test_the_samples_are_good),
		cmocka_unit_test(
		    test_every_truncation_is_taken_or_refused_in_one_line),
		cmocka_unit_test(test_values_arrive_converted_in_their_fields),
		cmocka_unit_test(
		    test_silence_groups_and_priorities_arrive_as_well),
		cmocka_unit_test(test_our_own_node_is_left_out_of_member_ids),
		cmocka_unit_test(test_an_error_is_cut_to_its_buffer),
		cmocka_unit_test(test_an_error_is_one_printable_line),
		cmocka_unit_test(test_lines_count_whatever_ends_them),
		cmocka_unit_test(test_no_allocation_that_fails_leaves_a_trace),
		cmocka_unit_test(
		    test_no_allocation_that_fails_hides_behind_an_error),
		cmocka_unit_test(test_free_takes_nothing_and_clears),
		cmocka_unit_test(test_print_is_cut_like_snprintf),
		cmocka_unit_test(test_the_most_specific_route_wins),
		cmocka_unit_test(
		    test_without_a_star_some_domains_have_no_route),
		cmocka_unit_test(test_a_node_is_found_by_its_id),
		cmocka_unit_test(test_the_manual_page_has_every_key_and_range),
		cmocka_unit_test(
		    test_the_manual_page_has_every_preset_with_its_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Every key of muled.yaml: where it goes, its range, its default.
 *
 * A new key also goes into doc/man/muled.yaml.5 (a test looks for it there) and,
 * if it is a parameter of a link that depends on the radio, into the presets.
 */
#include "config/load.h"

#define US UINT64_C(1000000)
#define MINUTE (60 * US)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define YEAR (365 * DAY)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Everything is compared with everything: lists are short enough for that. */
#define LISTEN_MAX 64
#define ALLOW_MAX 256
#define NODES_MAX 1000
#define LINKS_MAX 64
#define GROUPS_MAX 64
#define PRIORITIES_MAX (CFG_PRIORITY_MAX - CFG_PRIORITY_MIN + 1)
#define ROUTES_MAX 2000
#define AGREED_MAX 5

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define AT(s, m) .offset = offsetof(struct s, m)

/* Choices are stored as the 32-bit number of the word. */
_Static_assert(sizeof(enum cfg_via) == sizeof(uint32_t) &&
		   sizeof(enum cfg_bearer) == sizeof(uint32_t) &&
		   sizeof(enum cfg_route_tls) == sizeof(uint32_t) &&
		   sizeof(enum cfg_extra) == sizeof(uint32_t) &&
		   sizeof(enum cfg_tagging) == sizeof(uint32_t) &&
		   sizeof(enum cfg_compat) == sizeof(uint32_t) &&
		   sizeof(enum cfg_emcon_kernel) == sizeof(uint32_t),
    "an enum is 32 bits");

#define NEED(k, t, s, m) \
	{ \
		.key = k, .type = t, .flags = FIELD_REQUIRED, AT(s, m) \
	}
#define TEXT(k, t, s, m, d) \
	{ \
		.key = k, .type = t, AT(s, m), .def_text = d \
	}
#define NUM(k, t, s, m, lo, hi, d) \
	{ \
		.key = k, .type = t, AT(s, m), .min = lo, .max = hi, .def = d \
	}
/* From the preset unless given. */
#define PRESET(k, t, m, lo, hi) \
	{ \
		.key = k, .type = t, AT(cfg_link, m), .min = lo, .max = hi \
	}
#define FLAG(k, s, m, d) \
	{ \
		.key = k, .type = FIELD_BOOL, AT(s, m), .def = d \
	}
#define CHOICE(k, f, s, m, c, d) \
	{ \
		.key = k, .type = FIELD_CHOICE, .flags = f, AT(s, m), \
		.choices = c, .def = d \
	}
#define ADDR(k, s, m, d) \
	{ \
		.key = k, .type = FIELD_IPV4, AT(s, m), .def = d \
	}
#define PORT(k, t, f, s, m, lo) \
	{ \
		.key = k, .type = t, .flags = f, AT(s, m), .min = lo, \
		.max = 65535 \
	}
/* Of scalars, and of mappings. */
#define WORDS(k, f, s, m, n, t, elem, lo, hi) \
	{ \
		.key = k, .type = FIELD_LIST, .flags = f, AT(s, m), .item = t, \
		.item_size = sizeof(elem), .min = lo, .max = hi, \
		.count_offset = offsetof(struct s, n) \
	}
#define LIST(k, f, s, m, n, sch, elem, lo, hi) \
	{ \
		.key = k, .type = FIELD_LIST, .flags = f, AT(s, m), \
		.sub = &sch, .item_size = sizeof(struct elem), .min = lo, \
		.max = hi, .count_offset = offsetof(struct s, n) \
	}
/* Its fields have the offsets of the struct it stands in. */
#define PART(k, f, sch) \
	{ \
		.key = k, .type = FIELD_STRUCT, .flags = f, .sub = &sch \
	}

static const struct field tls_fields[] = {
	NEED("certificate", FIELD_PATH, cfg_listen, tls.certificate),
	NEED("key", FIELD_PATH, cfg_listen, tls.key),
	TEXT("client_ca", FIELD_PATH, cfg_listen, tls.client_ca, NULL),
};
static const struct schema tls_schema = {
	"tls",
	tls_fields,
	COUNT(tls_fields),
};

static const struct field listen_fields[] = {
	PORT("address", FIELD_ADDRESS, FIELD_REQUIRED, cfg_listen, address, 0),
	WORDS("allow", 0, cfg_listen, allow, nallow, FIELD_NETWORK,
	    struct cfg_network, 0, ALLOW_MAX),
	PART("tls", FIELD_OPTIONAL, tls_schema),
	FLAG("implicit_tls", cfg_listen, implicit_tls, false),
	FLAG("require_tls", cfg_listen, require_tls, false),
	TEXT("users", FIELD_PATH, cfg_listen, users, NULL),
	FLAG("require_auth", cfg_listen, require_auth, false),
	FLAG("urgent", cfg_listen, urgent, true),
	NUM("greeting_delay", FIELD_DURATION, cfg_listen, greeting_delay_us, 0,
	    MINUTE, 0),
};
static const struct schema listen_schema = {
	"a listener",
	listen_fields,
	COUNT(listen_fields),
};

static const struct field smtp_fields[] = {
	LIST("listen", 0, cfg_smtp, listen, nlisten, listen_schema, cfg_listen,
	    0, LISTEN_MAX),
	TEXT("postmaster", FIELD_MAILBOX, cfg_smtp, postmaster, NULL),
	TEXT("bounce_copy", FIELD_MAILBOX, cfg_smtp, bounce_copy, NULL),
	TEXT("tls_ca", FIELD_PATH, cfg_smtp, tls_ca, NULL),
	NUM("max_message_size", FIELD_SIZE, cfg_smtp, max_message_size,
	    64 * KIB, GIB, 25 * MIB),
	/* RFC 5321 4.5.3.1.8: not less than 100. */
	NUM("max_recipients", FIELD_NUMBER, cfg_smtp, max_recipients, 100,
	    100000, 1000),
	NUM("max_sessions", FIELD_NUMBER, cfg_smtp, max_sessions, 1, 10000,
	    200),
	NUM("max_sessions_per_peer", FIELD_NUMBER, cfg_smtp,
	    max_sessions_per_peer, 1, 10000, 100),
	NUM("max_hops", FIELD_NUMBER, cfg_smtp, max_hops, 5, 1000, 50),
	/* RFC 5321 4.5.3.2.7: at least five minutes. */
	NUM("timeout", FIELD_DURATION, cfg_smtp, timeout_us, US, DAY,
	    5 * MINUTE),
	NUM("lifetime", FIELD_DURATION, cfg_smtp, lifetime_us, US, YEAR,
	    4 * DAY),
	NUM("delay_warning", FIELD_DURATION, cfg_smtp, delay_warning_us, 0,
	    YEAR, 4 * HOUR),
	NUM("hop_connections", FIELD_NUMBER, cfg_smtp, hop_connections, 1, 100,
	    8),
	NUM("hop_interval", FIELD_DURATION, cfg_smtp, hop_interval_us, 0, HOUR,
	    0),
	NUM("retry_first", FIELD_DURATION, cfg_smtp, retry_first_us, US, DAY,
	    MINUTE),
	NUM("retry_factor", FIELD_FACTOR, cfg_smtp, retry_factor_pct, 100, 1000,
	    200),
	NUM("retry_max", FIELD_DURATION, cfg_smtp, retry_max_us, US, 7 * DAY,
	    HOUR),
	NUM("retry_jitter", FIELD_PERCENT, cfg_smtp, retry_jitter_pct, 0, 50,
	    20),
};
static const struct schema smtp_schema = {
	"smtp",
	smtp_fields,
	COUNT(smtp_fields),
};

static const char *const compats[] = { "none", "ntnu", NULL };

static const struct field node_fields[] = {
	NEED("name", FIELD_NAME, cfg_node, name),
	NEED("id", FIELD_IPV4, cfg_node, id),
	ADDR("address", cfg_node, address, 0),
	FLAG("emcon", cfg_node, emcon, false),
	CHOICE("compat", 0, cfg_node, compat, compats, CFG_COMPAT_NONE),
};
static const struct schema node_schema = {
	"a node",
	node_fields,
	COUNT(node_fields),
};

static const struct field group_fields[] = {
	NEED("name", FIELD_NAME, cfg_group, name),
	NEED("address", FIELD_IPV4, cfg_group, address),
	WORDS("members", FIELD_REQUIRED, cfg_group, members, nmembers,
	    FIELD_NAME, const char *, 1, NODES_MAX),
};
static const struct schema group_schema = {
	"a group",
	group_fields,
	COUNT(group_fields),
};

/* What is not given is as for the whole link. */
static const struct field priority_fields[] = {
	{ .key = "priority",
	    .type = FIELD_SPAN,
	    .flags = FIELD_REQUIRED,
	    AT(cfg_priority, span) },
	NUM("lifetime", FIELD_DURATION, cfg_priority, limits.lifetime_us, US,
	    YEAR, 0),
	NUM("max_message_size", FIELD_SIZE, cfg_priority,
	    limits.max_message_size, 1024, GIB, 0),
};
static const struct schema priority_schema = {
	"a priority",
	priority_fields,
	COUNT(priority_fields),
};

static const struct field pool_fields[] = {
	NEED("first", FIELD_IPV4, cfg_link, pool_first),
	NEED("last", FIELD_IPV4, cfg_link, pool_last),
};
static const struct schema pool_schema = {
	"dynamic_groups",
	pool_fields,
	COUNT(pool_fields),
};

static const char *const bearers[] = { "udp", "emulated", NULL };
static const char *const taggings[] = { "implicit", "explicit", NULL };

static const char *const kernels[] = { "required", "best-effort", "off", NULL };

static const char *const extras[] = { "never", "repeats", "always", NULL };

static const struct field link_fields[] = {
	NEED("name", FIELD_NAME, cfg_link, name),
	TEXT("preset", FIELD_NAME, cfg_link, preset, "lan"),
	CHOICE("bearer", 0, cfg_link, bearer, bearers, CFG_BEARER_UDP),
	TEXT("interface", FIELD_INTERFACE, cfg_link, interface, NULL),
	PORT("hub", FIELD_ADDRESS, 0, cfg_link, hub, 1),
	NUM("ttl", FIELD_NUMBER, cfg_link, ttl, 1, 255, 1),
	NUM("tport", FIELD_NUMBER, cfg_link, tport, 1, 65535, 2751),
	NUM("rport", FIELD_NUMBER, cfg_link, rport, 1, 65535, 2752),
	NUM("dport", FIELD_NUMBER, cfg_link, dport, 1, 65535, 2753),
	NUM("aport", FIELD_NUMBER, cfg_link, aport, 1, 65535, 2754),
	PRESET("bit_rate", FIELD_NUMBER, bit_rate, 10, 4000000000),
	/* UDP and IPv4. */
	NUM("overhead", FIELD_SIZE, cfg_link, overhead, 0, 1000, 28),
	FLAG("half_duplex", cfg_link, half_duplex, false),
	PRESET("turnaround", FIELD_DURATION, turnaround_us, 0, 10 * MINUTE),
	FLAG("receive_only", cfg_link, receive_only, false),
	FLAG("emcon", cfg_link, emcon, false),
	CHOICE("emcon_kernel", 0, cfg_link, emcon_kernel, kernels,
	    CFG_EMCON_KERNEL_BEST_EFFORT),
	ADDR("gg", cfg_link, gg, 0xef010101), /* 239.1.1.1 */
	PART("dynamic_groups", FIELD_OPTIONAL, pool_schema),
	PRESET("wait_for_reject_time", FIELD_DURATION, wait_for_reject_time_us,
	    1000, DAY),
	PRESET("announce_delay", FIELD_DURATION, announce_delay_us, 1000, DAY),
	NUM("announce_ct", FIELD_NUMBER, cfg_link, announce_ct, 1, 100, 3),
	PRESET("pdu_max", FIELD_SIZE, pdu_max, 64, 65507),
	PRESET("ack_retransmission_time", FIELD_DURATION,
	    ack_retransmission_time_us, 1000, DAY),
	PRESET("ack_retransmission_min", FIELD_DURATION,
	    ack_retransmission_min_us, 0, DAY),
	NUM("back_off_factor", FIELD_FACTOR, cfg_link, back_off_factor_pct, 100,
	    1000, 150),
	NUM("back_off_limit", FIELD_FACTOR, cfg_link, back_off_limit_pct, 100,
	    10000, 1000),
	PRESET("ack_delay_upper_bound", FIELD_DURATION,
	    ack_delay_upper_bound_us, 0, DAY),
	PRESET("ack_pdu_time", FIELD_DURATION, ack_pdu_time_us, 1000, DAY),
	NUM("ack_pdu_repeats", FIELD_NUMBER, cfg_link, ack_pdu_repeats, 0, 100,
	    3),
	NUM("mm", FIELD_NUMBER, cfg_link, mm, 1, 32000, 50),
	NUM("undefined_pdu_expiry_time", FIELD_DURATION, cfg_link,
	    undefined_pdu_expiry_time_us, US, 30 * DAY, 30 * MINUTE),
	NUM("emcon_rtc", FIELD_NUMBER, cfg_link, emcon_rtc, 0, 1000, 4),
	PRESET("emcon_rti", FIELD_DURATION, emcon_rti_us, 1000, 30 * DAY),
	NUM("clock_skew", FIELD_DURATION, cfg_link, clock_skew_us, 0, 30 * DAY,
	    5 * MINUTE),
	NUM("rx_lifetime", FIELD_DURATION, cfg_link, rx_lifetime_us, 0, YEAR,
	    0),
	FLAG("ranges", cfg_link, ranges, true),
	FLAG("timestamp", cfg_link, timestamp, false),
	CHOICE("extra_address", 0, cfg_link, extra_address, extras,
	    CFG_EXTRA_REPEATS),
	NUM("polls", FIELD_NUMBER, cfg_link, polls, 0, 100, 4),
	WORDS("agreed", 0, cfg_link, agreed, nagreed, FIELD_NAME, const char *,
	    0, AGREED_MAX),
	CHOICE("tagging", 0, cfg_link, tagging, taggings, CFG_TAGGING_IMPLICIT),
	NUM("expiry", FIELD_DURATION, cfg_link, expiry_us, US, YEAR, DAY),
	NUM("max_message_size", FIELD_SIZE, cfg_link, max_message_size, 1024,
	    GIB, 64 * MIB),
	NUM("max_in_flight", FIELD_NUMBER, cfg_link, max_in_flight, 1, 10000,
	    16),
	NUM("max_in_flight_bytes", FIELD_SIZE, cfg_link, max_in_flight_bytes,
	    64 * KIB, 16 * GIB, 128 * MIB),
	LIST("priorities", 0, cfg_link, priorities, npriorities,
	    priority_schema, cfg_priority, 0, PRIORITIES_MAX),
	LIST("groups", 0, cfg_link, groups, ngroups, group_schema, cfg_group, 0,
	    GROUPS_MAX),
};
static const struct schema link_schema = {
	"a link",
	link_fields,
	COUNT(link_fields),
};

static const char *const vias[] = { "smtp", "mule", "mx", NULL };

static const char *const route_tls[] = { "may", "none", "encrypt", "verify",
	NULL };

static const struct field route_fields[] = {
	NEED("domain", FIELD_DOMAIN, cfg_route, domain),
	CHOICE("via", FIELD_REQUIRED, cfg_route, via, vias, 0),
	PORT("host", FIELD_ENDPOINT, 0, cfg_route, host, 1),
	CHOICE("tls", 0, cfg_route, tls, route_tls, CFG_ROUTE_TLS_MAY),
	TEXT("node", FIELD_NAME, cfg_route, node, NULL),
	TEXT("link", FIELD_NAME, cfg_route, link, NULL),
};
static const struct schema route_schema = {
	"a route",
	route_fields,
	COUNT(route_fields),
};

static const struct field self_fields[] = {
	NEED("hostname", FIELD_HOSTNAME, cfg, node.hostname),
	NEED("id", FIELD_IPV4, cfg, node.id),
	TEXT("state_dir", FIELD_PATH, cfg, node.state_dir, "/var/lib/muleteer"),
	NUM("disk_reserve", FIELD_SIZE, cfg, node.disk_reserve, 0, 1024 * GIB,
	    64 * MIB),
	NUM("seed", FIELD_NUMBER, cfg, node.seed, 0, INT64_MAX, 0),
};
static const struct schema self_schema = {
	"node",
	self_fields,
	COUNT(self_fields),
};

static const struct field console_fields[] = {
	PORT("address", FIELD_ADDRESS, FIELD_REQUIRED, cfg, console, 0),
};
static const struct schema console_schema = {
	"console",
	console_fields,
	COUNT(console_fields),
};

static const struct field top_fields[] = {
	PART("node", FIELD_REQUIRED, self_schema),
	{ .key = "smtp",
	    .type = FIELD_STRUCT,
	    AT(cfg, smtp),
	    .sub = &smtp_schema },
	LIST("nodes", 0, cfg, nodes, nnodes, node_schema, cfg_node, 0,
	    NODES_MAX),
	LIST("links", 0, cfg, links, nlinks, link_schema, cfg_link, 0,
	    LINKS_MAX),
	LIST("routes", FIELD_REQUIRED, cfg, routes, nroutes, route_schema,
	    cfg_route, 1, ROUTES_MAX),
	TEXT("control", FIELD_PATH, cfg, control, NULL),
	PART("console", FIELD_OPTIONAL, console_schema),
};

const struct schema cfg_schema = {
	"the configuration",
	top_fields,
	COUNT(top_fields),
};

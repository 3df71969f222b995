/*
 * Every key of muled.yaml: where it goes, its range, its default.
 *
 * A new key also goes into doc/man/muled.yaml.5 and, if it is a parameter of a
 * link, into the presets.
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

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define AT(s, m) .offset = offsetof(struct s, m)

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
#define LATER(k, t, m, lo, hi) \
	{ \
		.key = k, .type = t, .flags = FIELD_LATER, AT(cfg_link, m), \
		.min = lo, .max = hi \
	}
#define CHOICE(k, s, m, c, d) \
	{ \
		.key = k, .type = FIELD_CHOICE, AT(s, m), .choices = c, \
		.def = d \
	}
#define LIST(k, s, m, n, sch, elem) \
	{ \
		.key = k, .type = FIELD_LIST, AT(s, m), .sub = &sch, \
		.item_size = sizeof(struct elem), \
		.count_offset = offsetof(struct s, n) \
	}

static const struct field listen_fields[] = {
	NEED("address", FIELD_ADDRESS, cfg_listen, address),
	{ .key = "allow",
	    .type = FIELD_LIST,
	    AT(cfg_listen, allow),
	    .item = FIELD_NETWORK,
	    .item_size = sizeof(struct cfg_network),
	    .count_offset = offsetof(struct cfg_listen, nallow) },
};
static const struct schema listen_schema = {
	"smtp.listen",
	listen_fields,
	COUNT(listen_fields),
};

static const struct field smtp_fields[] = {
	LIST("listen", cfg_smtp, listen, nlisten, listen_schema, cfg_listen),
	NUM("max_message_size", FIELD_SIZE, cfg_smtp, max_message_size,
	    64 * KIB, GIB, 25 * MIB),
	NUM("max_recipients", FIELD_NUMBER, cfg_smtp, max_recipients, 100,
	    100000, 1000),
	NUM("max_sessions", FIELD_NUMBER, cfg_smtp, max_sessions, 1, 10000,
	    200),
	NUM("max_sessions_per_peer", FIELD_NUMBER, cfg_smtp,
	    max_sessions_per_peer, 1, 10000, 100),
	NUM("max_hops", FIELD_NUMBER, cfg_smtp, max_hops, 5, 1000, 50),
	NUM("timeout", FIELD_DURATION, cfg_smtp, timeout_us, US, DAY,
	    5 * MINUTE),
	NUM("lifetime", FIELD_DURATION, cfg_smtp, lifetime_us, US, YEAR,
	    4 * DAY),
	NUM("retry_first", FIELD_DURATION, cfg_smtp, retry_first_us, US, DAY,
	    MINUTE),
	NUM("retry_factor", FIELD_FACTOR, cfg_smtp, retry_factor_pct, 100, 1000,
	    200),
	NUM("retry_max", FIELD_DURATION, cfg_smtp, retry_max_us, US, 7 * DAY,
	    HOUR),
	NUM("retry_jitter", FIELD_NUMBER, cfg_smtp, retry_jitter_pct, 0, 50,
	    20),
};
static const struct schema smtp_schema = {
	"smtp",
	smtp_fields,
	COUNT(smtp_fields),
};

static const struct field node_fields[] = {
	NEED("name", FIELD_STRING, cfg_node, name),
	NEED("id", FIELD_IPV4, cfg_node, id),
	{ .key = "emcon", .type = FIELD_BOOL, AT(cfg_node, emcon) },
};
static const struct schema node_schema = {
	"a node",
	node_fields,
	COUNT(node_fields),
};

static const struct field group_fields[] = {
	NEED("name", FIELD_STRING, cfg_group, name),
	NEED("address", FIELD_IPV4, cfg_group, address),
	{ .key = "members",
	    .type = FIELD_LIST,
	    .flags = FIELD_REQUIRED,
	    AT(cfg_group, members),
	    .item = FIELD_STRING,
	    .item_size = sizeof(const char *),
	    .count_offset = offsetof(struct cfg_group, nmembers) },
};
static const struct schema group_schema = {
	"a group",
	group_fields,
	COUNT(group_fields),
};

static const char *const bearers[] = { "udp", "emulated", NULL };
static const char *const taggings[] = { "implicit", "explicit", NULL };

static const struct field link_fields[] = {
	NEED("name", FIELD_STRING, cfg_link, name),
	TEXT("preset", FIELD_STRING, cfg_link, preset, "lan"),
	CHOICE("bearer", cfg_link, bearer, bearers, CFG_BEARER_UDP),
	TEXT("interface", FIELD_STRING, cfg_link, interface, NULL),
	{ .key = "hub", .type = FIELD_ADDRESS, AT(cfg_link, hub) },
	NUM("ttl", FIELD_NUMBER, cfg_link, ttl, 1, 255, 1),
	NUM("tport", FIELD_NUMBER, cfg_link, tport, 1, 65535, 2751),
	NUM("rport", FIELD_NUMBER, cfg_link, rport, 1, 65535, 2752),
	NUM("dport", FIELD_NUMBER, cfg_link, dport, 1, 65535, 2753),
	NUM("aport", FIELD_NUMBER, cfg_link, aport, 1, 65535, 2754),
	LATER("bit_rate", FIELD_NUMBER, bit_rate, 10, 10000000000),
	NUM("overhead", FIELD_SIZE, cfg_link, overhead, 0, 1000, 28),
	{ .key = "half_duplex",
	    .type = FIELD_CHOICE,
	    .flags = 0,
	    AT(cfg_link, half_duplex_given),
	    .choices = (const char *const[]){ "preset", "true", "false", NULL },
	    .def = 0 },
	LATER("pdu_max", FIELD_SIZE, pdu_max, 64, 65507),
	LATER("ack_retransmission_time", FIELD_DURATION,
	    ack_retransmission_time_us, 1000, DAY),
	NUM("back_off_factor", FIELD_FACTOR, cfg_link, back_off_factor_pct, 100,
	    1000, 150),
	NUM("back_off_limit", FIELD_FACTOR, cfg_link, back_off_limit_pct, 100,
	    10000, 1000),
	LATER("ack_delay_upper_bound", FIELD_DURATION, ack_delay_upper_bound_us,
	    0, DAY),
	LATER("ack_pdu_time", FIELD_DURATION, ack_pdu_time_us, 1000, DAY),
	NUM("ack_pdu_repeats", FIELD_NUMBER, cfg_link, ack_pdu_repeats, 0, 100,
	    3),
	NUM("mm", FIELD_NUMBER, cfg_link, mm, 1, 32000, 50),
	NUM("undefined_pdu_expiry_time", FIELD_DURATION, cfg_link,
	    undefined_pdu_expiry_time_us, US, 30 * DAY, 30 * MINUTE),
	NUM("clock_skew", FIELD_DURATION, cfg_link, clock_skew_us, 0, 30 * DAY,
	    5 * MINUTE),
	{ .key = "ranges", .type = FIELD_BOOL, AT(cfg_link, ranges), .def = 1 },
	CHOICE("tagging", cfg_link, tagging, taggings, CFG_TAGGING_IMPLICIT),
	NUM("expiry", FIELD_DURATION, cfg_link, expiry_us, US, YEAR, DAY),
	NUM("max_message_size", FIELD_SIZE, cfg_link, max_message_size, 1024,
	    GIB, 64 * MIB),
	NUM("max_in_flight", FIELD_NUMBER, cfg_link, max_in_flight, 1, 10000,
	    16),
	NUM("max_in_flight_bytes", FIELD_SIZE, cfg_link, max_in_flight_bytes,
	    64 * KIB, 16 * GIB, 128 * MIB),
	LIST("groups", cfg_link, groups, ngroups, group_schema, cfg_group),
};
static const struct schema link_schema = {
	"a link",
	link_fields,
	COUNT(link_fields),
};

static const char *const vias[] = { "smtp", "mule", "mx", NULL };

static const struct field route_fields[] = {
	NEED("domain", FIELD_DOMAIN, cfg_route, domain),
	{ .key = "via",
	    .type = FIELD_CHOICE,
	    .flags = FIELD_REQUIRED,
	    AT(cfg_route, via),
	    .choices = vias },
	{ .key = "host", .type = FIELD_ENDPOINT, AT(cfg_route, host) },
	TEXT("node", FIELD_STRING, cfg_route, node, NULL),
	TEXT("link", FIELD_STRING, cfg_route, link, NULL),
};
static const struct schema route_schema = {
	"a route",
	route_fields,
	COUNT(route_fields),
};

static const struct field self_fields[] = {
	NEED("hostname", FIELD_HOSTNAME, cfg, node.hostname),
	NEED("id", FIELD_IPV4, cfg, node.id),
	TEXT("state_dir", FIELD_STRING, cfg, node.state_dir,
	    "/var/lib/muleteer"),
};
static const struct schema self_schema = {
	"node",
	self_fields,
	COUNT(self_fields),
};

static const struct field console_fields[] = {
	NEED("address", FIELD_ADDRESS, cfg, console),
};
static const struct schema console_schema = {
	"console",
	console_fields,
	COUNT(console_fields),
};

static const struct field top_fields[] = {
	/* The offsets of self_fields and console_fields are the whole's. */
	{ .key = "node",
	    .type = FIELD_STRUCT,
	    .flags = FIELD_REQUIRED,
	    .offset = 0,
	    .sub = &self_schema },
	{ .key = "smtp",
	    .type = FIELD_STRUCT,
	    AT(cfg, smtp),
	    .sub = &smtp_schema },
	LIST("nodes", cfg, nodes, nnodes, node_schema, cfg_node),
	LIST("links", cfg, links, nlinks, link_schema, cfg_link),
	{ .key = "routes",
	    .type = FIELD_LIST,
	    .flags = FIELD_REQUIRED,
	    AT(cfg, routes),
	    .sub = &route_schema,
	    .item_size = sizeof(struct cfg_route),
	    .count_offset = offsetof(struct cfg, nroutes) },
	TEXT("control", FIELD_STRING, cfg, control, NULL),
	{ .key = "console",
	    .type = FIELD_STRUCT,
	    .flags = FIELD_OPTIONAL,
	    .offset = 0,
	    .sub = &console_schema },
};

const struct schema cfg_schema = {
	"the configuration",
	top_fields,
	COUNT(top_fields),
};

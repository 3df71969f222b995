/*
 * libcfg: the configuration file, checked.
 *
 * cfg_load() turns the text of muled.yaml into a struct cfg in which every value
 * is converted, within its range, and defaulted, and every name that refers to
 * something refers to something.  It reads no file: the caller does.
 *
 * An error is one line, "NAME:LINE: what is wrong, what was expected", for the
 * first thing that is wrong.  muled.yaml(5) lists every key with unit, default
 * and range; config/schema.c is where they come from.
 *
 * Units: octets, microseconds for durations of timers (_us), seconds for
 * lifetimes (_s), percent (_pct).
 */
#ifndef MULETEER_CONFIG_CFG_H
#define MULETEER_CONFIG_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CFG_NODISCARD __attribute__((warn_unused_result))

enum cfg_err {
	CFG_OK = 0,
	CFG_ENOMEM = -1501,
	CFG_EINVALID = -1502, /* the text in err says what and where */
};

/* An IPv4 network: an address matches if its first bits do. */
struct cfg_network {
	uint32_t address; /* host order */
	uint64_t bits;
};

/* "HOST:PORT"; an IPv6 address is in brackets there, and not in host. */
struct cfg_endpoint {
	const char *text; /* as written; NULL: not given */
	const char *host;
	uint64_t port;
};

struct cfg_listen {
	struct cfg_endpoint address; /* numeric; port 0: any free one */
	struct cfg_network *allow;   /* who may relay */
	size_t nallow;
};

struct cfg_smtp {
	struct cfg_listen *listen;
	size_t nlisten;
	uint64_t max_message_size;
	uint64_t max_recipients; /* of one message */
	uint64_t max_sessions;
	uint64_t max_sessions_per_peer;
	uint64_t max_hops;    /* Received fields: more is a loop */
	uint64_t timeout_us;  /* for the next octets of a client */
	uint64_t lifetime_us; /* of a message in the queue */
	uint64_t retry_first_us;
	uint64_t retry_factor_pct;
	uint64_t retry_max_us;
	uint64_t retry_jitter_pct;
};

/* A P_MUL node. */
struct cfg_node {
	const char *name;
	uint32_t id;
	bool emcon;
};

struct cfg_group {
	const char *name;
	uint32_t address; /* host order */
	const char **members;
	size_t nmembers;
	uint32_t *member_ids; /* of members, our own left out */
	size_t nmember_ids;
};

enum cfg_bearer { CFG_BEARER_UDP, CFG_BEARER_EMULATED };
enum cfg_tagging { CFG_TAGGING_IMPLICIT, CFG_TAGGING_EXPLICIT };

/* P_MUL parameters: ACP 142, names as there. */
struct cfg_link {
	const char *name;
	const char *preset;
	enum cfg_bearer bearer;
	const char *interface;   /* udp: address or name */
	struct cfg_endpoint hub; /* emulated: numeric IPv4 */
	uint64_t ttl;
	uint64_t tport, rport, dport, aport;
	uint64_t bit_rate; /* bit/s; 0: not paced */
	uint64_t overhead; /* octets below P_MUL per datagram */
	bool half_duplex;
	uint32_t half_duplex_given; /* in the file: 1 true, 2 false, 0 preset */
	uint64_t pdu_max;
	uint64_t ack_retransmission_time_us;
	uint64_t back_off_factor_pct;
	uint64_t back_off_limit_pct;
	uint64_t ack_delay_upper_bound_us;
	uint64_t ack_pdu_time_us;
	uint64_t ack_pdu_repeats;
	uint64_t mm;
	uint64_t undefined_pdu_expiry_time_us;
	uint64_t clock_skew_us;
	bool ranges;
	enum cfg_tagging tagging;
	uint64_t expiry_us; /* lifetime of a transmission */
	uint64_t max_message_size;
	uint64_t max_in_flight;
	uint64_t max_in_flight_bytes;
	struct cfg_group *groups;
	size_t ngroups;
};

enum cfg_via { CFG_VIA_SMTP, CFG_VIA_MULE, CFG_VIA_MX };

struct cfg_route {
	const char *domain; /* "a.b", "*.b", "*" */
	enum cfg_via via;
	struct cfg_endpoint host; /* smtp: a name or an address */
	const char *node;         /* mule: name */
	const char *link; /* mule: name; NULL in the file: found by the node */
	uint32_t node_id;
	const struct cfg_link *via_link;
};

struct cfg {
	struct {
		const char *hostname;
		uint32_t id;
		const char *state_dir;
	} node;
	struct cfg_smtp smtp;
	struct cfg_node *nodes;
	size_t nnodes;
	struct cfg_link *links;
	size_t nlinks;
	struct cfg_route *routes;
	size_t nroutes;
	const char *control;         /* path of the operator's socket */
	struct cfg_endpoint console; /* text NULL: none */
	void *memory;                /* everything above lives here */
};

/*
 * Load from text, called name in errors.  CFG_EINVALID with one line in err
 * (cut to errcap), CFG_ENOMEM.  cfg_free() frees it.
 */
int cfg_load(const char *text, size_t len, const char *name,
    struct cfg **ret_cfg, char *err, size_t errcap) CFG_NODISCARD;
void cfg_free(struct cfg **cfg);

/*
 * The route for a domain: the one that names it, else the longest "*.suffix"
 * that it lies under, else "*"; NULL if there is none.
 */
const struct cfg_route *cfg_route_find(
    const struct cfg *cfg, const char *domain, size_t len);

/* The node with that Destination_ID, or NULL. */
const struct cfg_node *cfg_node_by_id(const struct cfg *cfg, uint32_t id);

#endif

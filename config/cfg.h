/*
 * libcfg: the configuration file, checked.
 *
 * cfg_load() turns the text of muled.yaml into a struct cfg in which every value
 * is converted, within its range, and defaulted, and every name that refers to
 * something refers to something.  It reads no file: the caller does.  After it
 * the struct is constant; cfg_free() ends it and every pointer into it.
 *
 *	rc = cfg_load(text, len, "/etc/muleteer/muled.yaml", &cfg, err,
 *	    sizeof(err));
 *	if (rc != CFG_OK)
 *		say err, which names file and line
 *
 * An error is one line, "NAME:LINE: what is wrong, what was expected", for the
 * first thing that is wrong.  muled.yaml(5) lists every key with unit, default
 * and range; config/schema.c is where they come from.
 *
 * Units: octets, microseconds for every duration (_us), bit/s, percent (_pct).
 * Addresses and ids are in host order.  Strings are printable US-ASCII.
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

/* Longer texts are refused before they are read. */
#define CFG_TEXT_MAX (1024 * 1024)

/* No error is longer than this and the name of the file. */
#define CFG_ERROR_MAX 1024

/*
 * A network: an address matches if its first bits do.  IPv4 stands in its
 * IPv4-mapped form, ::ffff:a.b.c.d, so that 10.0.0.0/8 has 104 bits.
 */
struct cfg_network {
	uint8_t address[16]; /* what bits does not cover is zero */
	uint64_t bits;       /* 0..128 */
};

/* "HOST:PORT"; an IPv6 address is in brackets there, and not in host. */
struct cfg_endpoint {
	const char *text; /* as written; NULL: not given */
	const char *host;
	uint64_t port;
};

/* Files in PEM; both or neither. */
struct cfg_tls {
	const char *certificate; /* path; NULL: no TLS */
	const char *key;
	const char *client_ca; /* whose certificates may relay; NULL: none */
};

struct cfg_listen {
	struct cfg_endpoint address; /* numeric; port 0: any free one */
	struct cfg_network *allow;   /* who may relay; none: this host only */
	size_t nallow;
	struct cfg_tls tls;
	bool implicit_tls; /* from the first octet on */
	bool require_tls;  /* no mail before TLS */
	const char *users; /* file for AUTH; NULL: not offered */
	bool require_auth; /* no mail before AUTH */
	bool urgent;       /* who may relay may be urgent: MT-PRIORITY > 0 */
	uint64_t greeting_delay_us; /* who talks before it is turned away */
};

struct cfg_smtp {
	struct cfg_listen *listen;
	size_t nlisten;
	const char *postmaster;  /* who that is; postmaster@hostname */
	const char *bounce_copy; /* mailbox that hears of failures; or NULL */
	const char
	    *tls_ca; /* for routes with tls: verify; NULL: the system's */
	uint64_t max_message_size;
	uint64_t max_recipients; /* of one message */
	uint64_t max_sessions;
	uint64_t max_sessions_per_peer;
	uint64_t max_hops;         /* Received fields: more is a loop */
	uint64_t timeout_us;       /* for the next octets of a client */
	uint64_t lifetime_us;      /* of a message in the queue */
	uint64_t delay_warning_us; /* then its sender is told; 0: never */
	uint64_t hop_connections;  /* at a time to one next hop */
	uint64_t hop_interval_us;  /* least, between two messages to it */
	uint64_t retry_first_us;   /* after the first failure */
	uint64_t retry_factor_pct; /* by which each wait is longer */
	uint64_t retry_max_us;
	uint64_t retry_jitter_pct; /* each wait is spread by so much, +- */
};

/* Whose dialect of P_MUL a node speaks. */
enum cfg_compat { CFG_COMPAT_NONE, CFG_COMPAT_NTNU };

/* A P_MUL node. */
struct cfg_node {
	const char *name;
	uint32_t id;      /* Source_ID, Destination_ID; never 0 */
	uint32_t address; /* where its Acks are sent; 0: where it sends from */
	bool emcon;       /* silent from the start */
	enum cfg_compat compat;
};

struct cfg_group {
	const char *name;
	uint32_t address;
	const char **members; /* as written: our own node may be among them */
	size_t nmembers;
	uint32_t *member_ids; /* of members, our own left out */
	size_t nmember_ids;
};

/* MT-PRIORITY of RFC 6710: -9 to 9, of which 9 is the most urgent. */
#define CFG_PRIORITY_MIN (-9)
#define CFG_PRIORITY_MAX 9

/* What one transmission may take. */
struct cfg_limits {
	uint64_t lifetime_us;
	uint64_t max_message_size; /* of its payload */
};

/* The limits of some priorities. */
struct cfg_priority {
	struct cfg_span {
		int32_t from, to; /* inclusive, from <= to */
	} span;
	struct cfg_limits limits;
};

enum cfg_bearer { CFG_BEARER_UDP, CFG_BEARER_EMULATED };
enum cfg_tagging { CFG_TAGGING_IMPLICIT, CFG_TAGGING_EXPLICIT };

/*
 * Whether the kernel is kept from sending anything of its own to the link (IGMP
 * reports, ARP) while we are in EMCON: it has to be or the link does not start,
 * as well as can be, not at all.
 */
/* Extensions that RFC 8494 leaves to an agreement; in the order of their bits. */
enum cfg_agreed {
	CFG_AGREED_AUTH = 1,
	CFG_AGREED_RRVS = 2,
	CFG_AGREED_SUBMITTER = 4,
	CFG_AGREED_SMTPUTF8 = 8,
	CFG_AGREED_MTRK = 16,
};

enum cfg_extra {
	CFG_EXTRA_NEVER,
	CFG_EXTRA_REPEATS,
	CFG_EXTRA_ALWAYS,
};

enum cfg_emcon_kernel {
	CFG_EMCON_KERNEL_REQUIRED,
	CFG_EMCON_KERNEL_BEST_EFFORT,
	CFG_EMCON_KERNEL_OFF,
};

/* P_MUL parameters: ACP 142, names as there. */
struct cfg_link {
	const char *name;
	const char *preset;
	enum cfg_bearer bearer;
	const char *interface;   /* udp: address or name; else NULL */
	struct cfg_endpoint hub; /* emulated: numeric IPv4; else text NULL */
	uint64_t ttl;
	uint64_t tport, rport, dport, aport; /* UDP; all different */
	uint64_t bit_rate;                   /* bit/s */
	uint64_t overhead; /* octets below P_MUL per datagram */
	bool half_duplex;
	uint64_t turnaround_us; /* half duplex: from hearing to sending */
	bool receive_only;      /* never sends; then emcon is true as well */
	bool emcon;             /* our own, when the node first starts */
	enum cfg_emcon_kernel emcon_kernel;
	uint32_t gg; /* group of all nodes: Request, Release, Announce */
	uint32_t pool_first, pool_last; /* dynamic groups, inclusive; 0: none */
	uint64_t wait_for_reject_time_us;
	uint64_t announce_delay_us;
	uint64_t announce_ct;
	uint64_t pdu_max;
	uint64_t ack_retransmission_time_us;
	uint64_t ack_retransmission_min_us; /* 0: not measured */
	uint64_t back_off_factor_pct;
	uint64_t back_off_limit_pct; /* of ack_retransmission_time */
	uint64_t ack_delay_upper_bound_us;
	uint64_t ack_pdu_time_us;
	uint64_t ack_pdu_repeats;
	uint64_t mm;
	uint64_t undefined_pdu_expiry_time_us;
	uint64_t emcon_rtc;    /* retransmissions to silent nodes */
	uint64_t emcon_rti_us; /* ...and the interval between them */
	uint64_t clock_skew_us;
	uint64_t rx_lifetime_us; /* of what comes in, without a clock; 0: its
				   * Expiry_Time counts */
	bool ranges;             /* 142(A): missing ranges as first, 0, last */
	bool timestamp;          /* 142(A): times in Acks */
	const char **agreed;     /* extensions that this network carries... */
	size_t nagreed;
	unsigned agreed_set;             /* ...as a set of enum cfg_agreed */
	enum cfg_extra extra_address;    /* 142(A): which rounds end so */
	uint64_t polls;                  /* ...before all is repeated */
	enum cfg_tagging tagging;        /* of CompressedData */
	uint64_t expiry_us;              /* lifetime of a transmission */
	uint64_t max_message_size;       /* of one transmission, either way */
	uint64_t max_in_flight;          /* transmissions */
	uint64_t max_in_flight_bytes;    /* >= max_message_size */
	struct cfg_priority *priorities; /* no priority is in two */
	size_t npriorities;
	struct cfg_group *groups;
	size_t ngroups;
};

enum cfg_via { CFG_VIA_SMTP, CFG_VIA_MULE, CFG_VIA_MX };

enum cfg_route_tls {
	CFG_ROUTE_TLS_MAY, /* where it is offered */
	CFG_ROUTE_TLS_NONE,
	CFG_ROUTE_TLS_ENCRYPT, /* or the mail waits */
	CFG_ROUTE_TLS_VERIFY,  /* ...also until the certificate is good */
};

struct cfg_route {
	const char *domain; /* "a.b", "*.b", "*" */
	enum cfg_via via;
	struct cfg_endpoint host; /* smtp: a name or an address */
	enum cfg_route_tls tls;   /* smtp, mx */
	const char *node;         /* mule: name */
	const char *link; /* mule: name, found by the node if not given */
	uint32_t node_id; /* mule */
	const struct cfg_link *via_link; /* mule */
};

struct cfg {
	struct {
		const char *hostname;
		uint32_t id;
		const char *state_dir;
		uint64_t disk_reserve; /* no mail with less room; 0: any */
		uint64_t seed; /* of every random choice; 0: a real one */
	} node;
	struct cfg_smtp smtp;
	struct cfg_node *nodes;
	size_t nnodes;
	struct cfg_link *links;
	size_t nlinks;
	struct cfg_route *routes; /* at least one */
	size_t nroutes;
	const char *control;         /* path of the operator's socket */
	struct cfg_endpoint console; /* text NULL: none */
	void *memory;                /* everything above lives here */
};

/*
 * Load from text, called name in errors.  CFG_EINVALID or CFG_ENOMEM leave one
 * line in err (without a newline, cut to errcap, terminated) and *ret_cfg as it
 * was.
 * text is borrowed for the call.  cfg_free() frees the result.
 */
int cfg_load(const char *text, size_t len, const char *name,
    struct cfg **ret_cfg, char *err, size_t errcap) CFG_NODISCARD;
void cfg_free(struct cfg **cfg);

/*
 * The route for a domain: the one that names it, else the longest "*.suffix"
 * that it lies under, else "*"; NULL if there is none.  Case is ignored.
 */
const struct cfg_route *cfg_route_find(
    const struct cfg *cfg, const char *domain, size_t len);

/* The node with that Destination_ID, or NULL. */
const struct cfg_node *cfg_node_by_id(const struct cfg *cfg, uint32_t id);

/*
 * What a transmission of that MT-PRIORITY may take on the link: by its table of
 * priorities, else what the link says for all.
 */
struct cfg_limits cfg_link_limits(const struct cfg_link *l, int mt_priority);

/*
 * The configuration as YAML with every default filled in: loading that gives
 * the same again.  Writes at most cap octets with the terminating NUL, and
 * returns the length that all of it has, without the NUL, like snprintf().
 */
size_t cfg_print(const struct cfg *cfg, char *buf, size_t cap);

#endif

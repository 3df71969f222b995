/*
 * mulecap's options, and the loop that reads a capture: each subcommand is a
 * visitor that sees every P_MUL datagram in order.
 */
#ifndef MULETEER_TOOLS_CAP_FEED_H
#define MULETEER_TOOLS_CAP_FEED_H

#include "tools/cap_model.h"

#define CAP_PORTS_MAX 64
#define CAP_EMCON_MAX 64
/* Octets of one message that can be put together. */
#define CAP_CONTENTS_MAX (64U << 20)

enum cap_exit { CAP_CLEAN = 0, CAP_FINDINGS = 1, CAP_UNUSABLE = 2 };

struct cap_emcon {
	uint32_t node;
	double from_s, to_s; /* seconds since the capture's first frame */
};

struct cap_opts {
	const char *file, *interface, *dir;
	uint16_t ports[CAP_PORTS_MAX];
	size_t nports;
	bool any_port, json, partial, quiet;
	double rate; /* bit/s; 0: not given */
	struct cap_emcon emcon[CAP_EMCON_MAX];
	size_t nemcon;
	/* Filters. */
	bool by_source, by_msid, by_node, by_type;
	uint32_t source, msid, node;
	unsigned type;
	double from_s, to_s;
};

struct cap_seen {
	const struct cap_datagram *d;
	const struct pmul_pdu *pdu; /* NULL: it could not be decoded */
	int err;                    /* then enum pmul_err says why */
	double at_s;                /* since the first frame */
};

struct cap_visitor {
	/* false: stop, out of memory. */
	bool (*see)(void *ctx, const struct cap_seen *s);
	void *ctx;
};

/* 0, or CAP_UNUSABLE after saying why on standard error. */
int cap_feed(const struct cap_opts *o, const struct cap_visitor *v);

/* Whether the filters let it pass. */
bool cap_passes(const struct cap_opts *o, const struct cap_seen *s);
bool cap_message_passes(const struct cap_opts *o, const struct cap_message *m);

/* Dotted quad. */
struct cap_quad {
	char s[16];
};
struct cap_quad cap_quad(uint32_t id);

/* A model with mulecap's limits. */
bool cap_default_model(bool keep,
    void (*done)(void *, const struct cap_message *), void *ctx,
    struct cap_model **ret_m);

/* The subcommands; each returns an enum cap_exit. */
int cap_list(const struct cap_opts *o);
int cap_show(const struct cap_opts *o);
int cap_check(const struct cap_opts *o);
int cap_extract(const struct cap_opts *o);
int cap_stats(const struct cap_opts *o);
int cap_report(const struct cap_opts *o);

#endif

/*
 * From the name of a next hop to a connection: lookup, then one address after
 * the other until one answers.
 *
 *	"smtp:HOST:PORT"	that host
 *	"mx:DOMAIN"		the exchangers of a domain, port 25; an address
 *				literal is an address
 */
#ifndef MULETEER_GATEWAY_DIAL_H
#define MULETEER_GATEWAY_DIAL_H

#include "gateway/dns.h"
#include "gateway/stream.h"

struct dial;

struct dial_config {
	uv_loop_t *loop;
	struct dns *dns;
	const char *hop;        /* copied */
	const char *own;        /* our name; borrowed */
	stream_ready_cb *ready; /* of the streams made */
	void *ctx;
	/*
	 * s is connected and the callee's, host whose it is; or s is NULL and
	 * why says what the last attempt failed from; r is DNS_OK unless the
	 * lookup failed.  Not called from inside dial_new() or dial_next().
	 */
	void (*done)(void *ctx, struct stream *s, const char *host,
	    enum dns_result r, const char *why);
};

/* Begins; -ENOMEM, or -EINVAL for a hop that is none of the above. */
int dial_new(const struct dial_config *cfg, struct dial **ret_d);

/* After done(): whether there is a further address; try it, or the same. */
bool dial_has_more(const struct dial *d);
void dial_next(struct dial *d);
void dial_again(struct dial *d);

/* done() will not be called again; *d is NULL at once. */
void dial_free(struct dial **d);

#endif

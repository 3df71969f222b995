/*
 * Where mail for a domain goes: MX lookup (RFC 5321 5.1, RFC 7505).
 *
 * The system's resolver asks in the worker pool of the loop, never more than two
 * questions at a time, so that a dead name server cannot keep the
 * disk's work from its threads.
 */
#ifndef MULETEER_GATEWAY_DNS_H
#define MULETEER_GATEWAY_DNS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

/* Names of exchangers, and addresses of all of them, that are looked at. */
#define DNS_MX_MAX 16
#define DNS_ADDRESSES_MAX 32
#define DNS_NAME_MAX 255

enum dns_result {
	DNS_OK,
	DNS_TEMPORARY, /* no answer, or the name server has trouble: 4.4.3 */
	DNS_NO_DOMAIN, /* there is no such domain, or no address: 5.1.2 */
	DNS_NULL_MX,   /* the domain takes no mail: 5.1.10 */
	DNS_LOOP,      /* the best exchanger is ourselves: 5.4.6 */
};

/* English for it; a static string. */
const char *dns_strerror(enum dns_result r);

/* One address to try. */
struct dns_target {
	char host[DNS_NAME_MAX + 1];
	struct sockaddr_storage addr; /* with the port */
};

/* t[0..n) in the order in which to try them; valid during the call. */
typedef void dns_cb(
    void *ctx, enum dns_result r, const struct dns_target *t, size_t n);

struct dns;
struct dns_query;

int dns_new(uv_loop_t *loop, struct dns **ret_d);
/* Queries that are still open are cancelled. */
void dns_free(struct dns **d);

/*
 * The exchangers of domain, most preferred first, equals in random order, each
 * with its addresses; without MX records the domain itself.  An exchanger
 * called own ends the list (RFC 5321 5.1).  NULL when out of memory.
 */
struct dns_query *dns_mx(struct dns *d, const char *domain, const char *own,
    uint16_t port, dns_cb *cb, void *ctx);

/* The addresses of one host; a numeric one needs no lookup. */
struct dns_query *dns_host(
    struct dns *d, const char *host, uint16_t port, dns_cb *cb, void *ctx);

/* cb will not be called; not from inside cb. */
void dns_cancel(struct dns_query *q);

/* --- for tests ------------------------------------------------------------ */

struct dns_mx_record {
	uint16_t preference;
	char host[DNS_NAME_MAX + 1]; /* "": null MX */
};

/*
 * The MX records of an answer from a name server, at most cap of them; -1 if
 * it is not one.
 */
int dns_parse_mx(const unsigned char *answer, size_t len,
    struct dns_mx_record *records, size_t cap);

/*
 * By preference, equals in the order that random gives; what is not better than
 * own is cut off.  Returns how many are left.
 */
size_t dns_sort_mx(
    struct dns_mx_record *records, size_t n, const char *own, uint64_t random);

#endif

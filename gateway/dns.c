#include "gateway/dns.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/random.h>

#define DNS_WORKERS 2
/* Patience with each name server: 3 s, twice. */
#define RETRANS_S 3
#define RETRY 2
#define ANSWER_MAX 16384

struct dns_query {
	TAILQ_ENTRY(dns_query) entry;
	struct dns *dns;
	uv_work_t work;
	bool mx;
	char name[DNS_NAME_MAX + 1], own[DNS_NAME_MAX + 1];
	uint16_t port;
	uint64_t random;
	dns_cb *cb; /* NULL: cancelled */
	void *ctx;
	enum dns_result result;
	struct dns_target targets[DNS_ADDRESSES_MAX];
	size_t ntargets;
};

struct dns {
	uv_loop_t *loop;
	TAILQ_HEAD(dns_queries, dns_query) waiting;
	size_t running;
	bool closing;
};

const char *
dns_strerror(enum dns_result r)
{
	switch (r) {
	case DNS_OK: return "found";
	case DNS_TEMPORARY: return "name server failure";
	case DNS_NO_DOMAIN: return "domain not found";
	case DNS_NULL_MX: return "domain accepts no mail";
	case DNS_LOOP: return "mail exchanger is this host";
	}
	return "";
}

/* --- MX records ----------------------------------------------------------- */

int
dns_parse_mx(const unsigned char *answer, size_t len,
    struct dns_mx_record *records, size_t cap)
{
	ns_msg msg;
	ns_rr rr;
	int n = 0;

	if (len > INT32_MAX || ns_initparse(answer, (int)len, &msg) != 0)
		return -1;
	for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
		struct dns_mx_record *r = &records[n];
		const unsigned char *data;

		if (ns_parserr(&msg, ns_s_an, i, &rr) != 0)
			return -1;
		if (ns_rr_type(rr) != ns_t_mx || (size_t)n == cap)
			continue;
		data = ns_rr_rdata(rr);
		if (ns_rr_rdlen(rr) < 3 ||
		    dn_expand(ns_msg_base(msg), ns_msg_end(msg), data + 2,
			r->host, sizeof(r->host)) < 0)
			return -1;
		r->preference = (uint16_t)ns_get16(data);
		n++;
	}
	return n;
}

static bool
same_host(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

size_t
dns_sort_mx(
    struct dns_mx_record *records, size_t n, const char *own, uint64_t random)
{
	uint32_t key[DNS_MX_MAX];

	for (size_t i = 0; i < n; i++) {
		random = random * UINT64_C(6364136223846793005) + 1;
		key[i] = (uint32_t)records[i].preference << 16 |
			 (uint32_t)(random >> 48);
	}
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && key[k] < key[k - 1]; k--) {
			struct dns_mx_record r = records[k];
			uint32_t t = key[k];

			records[k] = records[k - 1];
			records[k - 1] = r;
			key[k] = key[k - 1];
			key[k - 1] = t;
		}
	for (size_t i = 0; i < n; i++)
		if (same_host(records[i].host, own)) {
			/* Equals of ours are no better than we are. */
			while (i > 0 && records[i - 1].preference ==
					    records[i].preference)
				i--;
			return i;
		}
	return n;
}

/* --- in a worker ---------------------------------------------------------- */

static void
set_port(struct sockaddr_storage *ss, uint16_t port)
{
	/* sin_port and sin6_port are at the same place. */
	struct sockaddr_in sin;

	memcpy(&sin, ss, sizeof(sin));
	sin.sin_port = htons(port);
	memcpy(ss, &sin, sizeof(sin));
}

/*
 * Names that come from mail or from the DNS are whole: without the dot at the
 * end, the search list of this host would be tried as well, and mail would go
 * to whoever answers there.
 */
static enum dns_result
add_addresses(struct dns_query *q, const char *host)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char whole[DNS_NAME_MAX + 2];
	int rc;

	snprintf(whole, sizeof(whole), "%s%s", host, q->mx ? "." : "");
	rc = getaddrinfo(whole, NULL, &hints, &list);

	for (struct addrinfo *a = list;
	     rc == 0 && a != NULL && q->ntargets < DNS_ADDRESSES_MAX;
	     a = a->ai_next) {
		struct dns_target *t = &q->targets[q->ntargets];

		if (a->ai_addrlen > sizeof(t->addr))
			continue;
		memset(&t->addr, 0, sizeof(t->addr));
		memcpy(&t->addr, a->ai_addr, a->ai_addrlen);
		set_port(&t->addr, q->port);
		snprintf(t->host, sizeof(t->host), "%s", host);
		q->ntargets++;
	}
	if (list != NULL)
		freeaddrinfo(list);
	if (rc == 0)
		return DNS_OK;
	/* Not EAI_FAIL: a name server that refuses to answer knows nothing. */
	return rc == EAI_NONAME || rc == EAI_NODATA ? DNS_NO_DOMAIN
						    : DNS_TEMPORARY;
}

/* The MX records of domain; none also if it has only other records. */
static enum dns_result
ask_mx(const char *domain, struct dns_mx_record *records, size_t *ret_n)
{
	unsigned char *answer = malloc(ANSWER_MAX);
	struct __res_state res;
	enum dns_result r = DNS_OK;
	int len, n = 0;

	*ret_n = 0;
	memset(&res, 0, sizeof(res));
	if (answer == NULL || res_ninit(&res) != 0) {
		free(answer);
		return DNS_TEMPORARY;
	}
	res.retrans = RETRANS_S;
	res.retry = RETRY;
	len = res_nquery(&res, domain, ns_c_in, ns_t_mx, answer, ANSWER_MAX);
	if (len >= 0)
		n = dns_parse_mx(answer,
		    (size_t)(len < ANSWER_MAX ? len : ANSWER_MAX), records,
		    DNS_MX_MAX);
	else if (res.res_h_errno == HOST_NOT_FOUND)
		r = DNS_NO_DOMAIN;
	else if (res.res_h_errno != NO_DATA)
		r = DNS_TEMPORARY;
	res_nclose(&res);
	free(answer);
	if (n < 0)
		return DNS_TEMPORARY;
	*ret_n = (size_t)n;
	return r;
}

static enum dns_result
find_exchangers(struct dns_query *q)
{
	struct dns_mx_record records[DNS_MX_MAX];
	enum dns_result r, worst = DNS_NO_DOMAIN;
	size_t n;

	r = ask_mx(q->name, records, &n);
	if (r != DNS_OK)
		return r;
	/* RFC 5321 5.1: the implicit MX. */
	if (n == 0)
		return same_host(q->name, q->own) ? DNS_LOOP
						  : add_addresses(q, q->name);
	if (n == 1 && records[0].host[0] == '\0')
		return DNS_NULL_MX;
	n = dns_sort_mx(records, n, q->own, q->random);
	if (n == 0)
		return DNS_LOOP;
	for (size_t i = 0; i < n; i++)
		if (add_addresses(q, records[i].host) == DNS_TEMPORARY)
			worst = DNS_TEMPORARY;
	return q->ntargets > 0 ? DNS_OK : worst;
}

static void
work(uv_work_t *w)
{
	struct dns_query *q = w->data;

	q->result = q->mx ? find_exchangers(q) : add_addresses(q, q->name);
}

/* --- on the loop ---------------------------------------------------------- */

static void next(struct dns *d);

static void
on_done(uv_work_t *w, int status)
{
	struct dns_query *q = w->data;
	struct dns *d = q->dns;

	(void)status;
	d->running--;
	if (q->cb != NULL)
		q->cb(q->ctx, q->result, q->targets, q->ntargets);
	free(q);
	if (d->closing && d->running == 0)
		free(d);
	else
		next(d);
}

static void
next(struct dns *d)
{
	struct dns_query *q;

	while (d->running < DNS_WORKERS && !d->closing &&
	       (q = TAILQ_FIRST(&d->waiting)) != NULL) {
		TAILQ_REMOVE(&d->waiting, q, entry);
		d->running++;
		q->work.data = q;
		(void)uv_queue_work(d->loop, &q->work, work, on_done);
	}
}

static struct dns_query *
ask(struct dns *d, bool mx, const char *name, const char *own, uint16_t port,
    dns_cb *cb, void *ctx)
{
	struct dns_query *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	q->dns = d;
	q->mx = mx;
	snprintf(q->name, sizeof(q->name), "%s", name);
	snprintf(q->own, sizeof(q->own), "%s", own);
	q->port = port;
	q->cb = cb;
	q->ctx = ctx;
	(void)!getrandom(&q->random, sizeof(q->random), GRND_NONBLOCK);
	TAILQ_INSERT_TAIL(&d->waiting, q, entry);
	next(d);
	return q;
}

struct dns_query *
dns_mx(struct dns *d, const char *domain, const char *own, uint16_t port,
    dns_cb *cb, void *ctx)
{
	return ask(d, true, domain, own, port, cb, ctx);
}

struct dns_query *
dns_host(struct dns *d, const char *host, uint16_t port, dns_cb *cb, void *ctx)
{
	return ask(d, false, host, "", port, cb, ctx);
}

void
dns_cancel(struct dns_query *q)
{
	q->cb = NULL;
}

int
dns_new(uv_loop_t *loop, struct dns **ret_d)
{
	struct dns *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return -1;
	d->loop = loop;
	TAILQ_INIT(&d->waiting);
	*ret_d = d;
	return 0;
}

void
dns_free(struct dns **dp)
{
	struct dns *d = *dp;
	struct dns_query *q;

	*dp = NULL;
	if (d == NULL)
		return;
	while ((q = TAILQ_FIRST(&d->waiting)) != NULL) {
		TAILQ_REMOVE(&d->waiting, q, entry);
		free(q);
	}
	d->closing = true;
	if (d->running == 0)
		free(d);
}

#include "gateway/dial.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* RFC 5321 has no word on connecting; a minute is plenty. */
#define CONNECT_MS 60000
#define SMTP_PORT 25

struct dial {
	struct dial_config cfg;
	struct dns_query *query;
	struct dns_target *targets;
	size_t ntargets, next;
	struct stream *stream; /* being connected */
	uv_connect_t *connect; /* its request; outlives us if cancelled */
	uv_timer_t timer;
	const char *why;
	bool closing;
};

static void
finish(struct dial *d, struct stream *s, const char *host, enum dns_result r,
    const char *why)
{
	uv_timer_stop(&d->timer);
	d->cfg.done(d->cfg.ctx, s, host, r, why);
}

/* --- attempts ------------------------------------------------------------- */

static void
on_stream_closed(void *ctx)
{
	(void)ctx;
}

/* Let go of the attempt under way; its callback finds nobody. */
static void
abandon(struct dial *d)
{
	if (d->connect != NULL)
		d->connect->data = NULL;
	d->connect = NULL;
	if (d->stream != NULL)
		stream_close(&d->stream, on_stream_closed, NULL);
}

static void attempt(uv_timer_t *t);

/* From the loop, so that nobody is called back from his own call. */
static void
attempt_soon(struct dial *d)
{
	uv_timer_start(&d->timer, attempt, 0, 0);
}

static void
attempt_failed(struct dial *d, const char *why)
{
	abandon(d);
	d->why = why;
	attempt_soon(d);
}

static void
on_timeout(uv_timer_t *t)
{
	attempt_failed(t->data, "timeout while connecting");
}

static void
on_connect(uv_connect_t *req, int status)
{
	struct dial *d = req->data;
	struct stream *s;

	free(req);
	if (d == NULL)
		return;
	d->connect = NULL;
	if (status == 0)
		status = stream_start(d->stream);
	if (status != 0) {
		attempt_failed(d, uv_strerror(status));
		return;
	}
	s = d->stream;
	d->stream = NULL;
	finish(d, s, d->targets[d->next - 1].host, DNS_OK, "");
}

/* The next address. */
static void
attempt(uv_timer_t *t)
{
	struct dial *d = t->data;
	const struct dns_target *to;

	if (d->next == d->ntargets) {
		finish(d, NULL, "", DNS_OK, d->why);
		return;
	}
	to = &d->targets[d->next++];
	d->connect = malloc(sizeof(*d->connect));
	if (d->connect == NULL || stream_new(d->cfg.loop, d->cfg.ready,
				      d->cfg.ctx, &d->stream) != 0) {
		free(d->connect);
		d->connect = NULL;
		finish(d, NULL, "", DNS_OK, "out of memory");
		return;
	}
	d->connect->data = d;
	uv_timer_start(&d->timer, on_timeout, CONNECT_MS, 0);
	if (uv_tcp_connect(d->connect, stream_tcp(d->stream),
		(const struct sockaddr *)&to->addr, on_connect) != 0) {
		free(d->connect);
		d->connect = NULL;
		attempt_failed(d, "cannot connect");
	}
}

/* --- lookup --------------------------------------------------------------- */

static void
on_targets(void *ctx, enum dns_result r, const struct dns_target *t, size_t n)
{
	struct dial *d = ctx;

	d->query = NULL;
	if (r == DNS_OK && n > 0) {
		d->targets = calloc(n, sizeof(*d->targets));
		if (d->targets == NULL)
			r = DNS_TEMPORARY;
	}
	if (d->targets == NULL) {
		finish(d, NULL, "", r == DNS_OK ? DNS_NO_DOMAIN : r,
		    dns_strerror(r));
		return;
	}
	memcpy(d->targets, t, n * sizeof(*t));
	d->ntargets = n;
	attempt_soon(d);
}

/* "HOST:PORT", "[V6]:PORT" */
static bool
split(const char *text, char host[DNS_NAME_MAX + 1], uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t n;

	if (colon == NULL)
		return false;
	n = (size_t)(colon - text);
	if (n > 1 && text[0] == '[') {
		text++;
		n -= 2;
	}
	if (n == 0 || n > DNS_NAME_MAX)
		return false;
	memcpy(host, text, n);
	host[n] = '\0';
	*ret_port = (uint16_t)strtoul(colon + 1, NULL, 10);
	return true;
}

/* "[1.2.3.4]", "[IPv6:::1]" */
static bool
is_literal(const char *domain, char host[DNS_NAME_MAX + 1])
{
	size_t n = strlen(domain);

	if (n < 3 || n > DNS_NAME_MAX || domain[0] != '[')
		return false;
	domain++;
	n -= 2;
	if (n > 5 && strncasecmp(domain, "IPv6:", 5) == 0) {
		domain += 5;
		n -= 5;
	}
	memcpy(host, domain, n);
	host[n] = '\0';
	return true;
}

static int
look_up(struct dial *d)
{
	const char *hop = d->cfg.hop;
	char host[DNS_NAME_MAX + 1];
	uint16_t port = SMTP_PORT;
	bool mx = strncmp(hop, "mx:", 3) == 0;

	if (mx)
		hop += 3;
	else if (strncmp(hop, "smtp:", 5) == 0)
		hop += 5;
	else
		return -EINVAL;
	if (mx && is_literal(hop, host))
		mx = false;
	else if (!mx && !split(hop, host, &port))
		return -EINVAL;
	d->query = mx ? dns_mx(d->cfg.dns, hop, d->cfg.own, port, on_targets, d)
		      : dns_host(d->cfg.dns, host, port, on_targets, d);
	return d->query != NULL ? 0 : -ENOMEM;
}

void
dial_again(struct dial *d)
{
	assert(d->next > 0);
	d->next--;
	dial_next(d);
}

/* --- life ----------------------------------------------------------------- */

int
dial_new(const struct dial_config *cfg, struct dial **ret_d)
{
	struct dial *d = calloc(1, sizeof(*d));
	int rc;

	if (d == NULL)
		return -ENOMEM;
	d->cfg = *cfg;
	d->why = "no address";
	rc = look_up(d);
	if (rc != 0) {
		free(d);
		return rc;
	}
	d->cfg.hop = NULL;
	uv_timer_init(cfg->loop, &d->timer);
	d->timer.data = d;
	*ret_d = d;
	return 0;
}

bool
dial_has_more(const struct dial *d)
{
	return d->next < d->ntargets;
}

void
dial_next(struct dial *d)
{
	assert(d->stream == NULL && d->query == NULL);
	attempt_soon(d);
}

static void
on_timer_closed(uv_handle_t *h)
{
	struct dial *d = h->data;

	free(d->targets);
	free(d);
}

void
dial_free(struct dial **dp)
{
	struct dial *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	if (d->query != NULL)
		dns_cancel(d->query);
	abandon(d);
	uv_close((uv_handle_t *)&d->timer, on_timer_closed);
}

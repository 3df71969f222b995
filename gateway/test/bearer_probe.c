/*
 * Bearers on a string, for tests/test_silence.py: reads commands, one a line,
 * and answers each with one line; what comes in is printed as
 * `recv N FROM TEXT`.  N is the bearer, 0 or 1.
 *
 *	open N INTERFACE GROUP FLAG...   silent receive-only best-effort off
 *	                                 gg=GROUP
 *	silence N on|off   join N GROUP   leave N GROUP   voice N   try N
 *	send N TO TEXT     TO is a group, gg, or an address (APORT)
 *	counters N   emitted N   close N
 *	shared INTERFACE ADDRESS
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/bearer.h"
#include "gateway/silence.h"

#define WORDS 16

static uv_loop_t loop;
static uv_poll_t input;
static struct bearer *bearers[2];
static char line[4096];
static size_t fill;

static uint32_t
address(const char *text)
{
	struct in_addr a = { 0 };

	return inet_pton(AF_INET, text, &a) == 1 ? ntohl(a.s_addr) : 0;
}

static void
on_recv(void *ctx, const struct pmul_addr *from, const void *buf, size_t len)
{
	struct bearer **b = ctx;

	printf("recv %td %u.%u.%u.%u %.*s\n", b - bearers, from->b[0],
	    from->b[1], from->b[2], from->b[3], (int)len, (const char *)buf);
}

static void
on_writable(void *ctx)
{
	printf("writable %td\n", (struct bearer **)ctx - bearers);
}

static void
on_voice(void *ctx)
{
	struct bearer **b = ctx;
	int why = 0;
	int voice = (int)bearer_voice(*b, &why);

	printf("changed %td %d %d\n", b - bearers, voice, why);
}

static int
do_open(struct bearer **b, char **w)
{
	uint32_t group = address(w[3]);
	struct bearer_config cfg = {
		.interface = w[2],
		.ttl = 1,
		.ports = { 2751, 2752, 2753, 2754 },
		.groups = &group,
		.ngroups = 1,
		.pdu_max = 500,
		.voice = on_voice,
	};
	char why[256];
	int rc;

	/* A second bearer on the same address needs ports of its own. */
	for (size_t i = 0; b != &bearers[0] && i < 4; i++)
		cfg.ports[i] += 10;
	for (w += 4; *w != NULL; w++) {
		cfg.silent |= strcmp(*w, "silent") == 0;
		cfg.receive_only |= strcmp(*w, "receive-only") == 0;
		if (strcmp(*w, "best-effort") == 0)
			cfg.guard = BEARER_GUARD_BEST_EFFORT;
		if (strcmp(*w, "off") == 0)
			cfg.guard = BEARER_GUARD_OFF;
		if (strncmp(*w, "gg=", 3) == 0)
			cfg.all_nodes = address(*w + 3);
	}
	rc = bearer_open(
	    &loop, &cfg, on_recv, on_writable, b, why, sizeof(why), b);
	if (rc != 0)
		fprintf(stderr, "%s\n", why);
	return rc;
}

static int
do_send(struct bearer *b, const char *to, const char *text)
{
	struct pmul_where where = { .port = PMUL_DPORT, .multicast = true };

	if (strcmp(to, "gg") == 0) {
		where.port = PMUL_RPORT;
		where.group = PMUL_GROUP_ALL;
	} else {
		where.group = address(to);
		where.to = bearer_addr(where.group);
		where.multicast = IN_MULTICAST(where.group);
		if (!where.multicast)
			where.port = PMUL_APORT;
	}
	return bearer_send(b, &where, text, strlen(text));
}

static void
show(struct bearer *b, const char *what)
{
	const struct bearer_counters *c;
	int why = 0, voice;

	if (strcmp(what, "voice") == 0) {
		voice = (int)bearer_voice(b, &why);
		printf("voice %d %d\n", voice, why);
		return;
	}
	if (strcmp(what, "emitted") == 0) {
		uint64_t frames = 0;
		int rc = bearer_emitted(b, &frames);

		printf("emitted %d %ju\n", rc, (uintmax_t)frames);
		return;
	}
	c = bearer_counters(b);
	printf("counters %ju %ju %ju\n", (uintmax_t)c->refused,
	    (uintmax_t)c->full, (uintmax_t)c->restored);
}

/* shared INTERFACE ADDRESS: exactly what silence_shared() says. */
static int
do_shared(const char *ifname, const char *listening)
{
	uint32_t a = address(listening);
	char why[256];
	int shared = (int)silence_shared(ifname, &a, 1, why, sizeof(why));

	if (shared != SILENCE_DEDICATED)
		fprintf(stderr, "%s\n", why);
	return shared;
}

static void
carry_out(char **w, size_t n)
{
	struct bearer **b = &bearers[n > 1 && w[1][0] == '1'];
	int rc = 0;

	if (n >= 4 && strcmp(w[0], "open") == 0 && *b == NULL)
		rc = do_open(b, w);
	else if (n == 3 && strcmp(w[0], "shared") == 0)
		rc = do_shared(w[1], w[2]);
	else if (n < 2 || *b == NULL)
		rc = -1000;
	else if (strcmp(w[0], "voice") == 0 || strcmp(w[0], "emitted") == 0 ||
		 strcmp(w[0], "counters") == 0) {
		show(*b, w[0]);
		return;
	} else if (strcmp(w[0], "try") == 0)
		rc = bearer_silence_try(*b);
	else if (strcmp(w[0], "close") == 0)
		bearer_close(b, NULL, NULL);
	else if (n == 3 && strcmp(w[0], "silence") == 0)
		rc = bearer_silence(*b, strcmp(w[2], "on") == 0);
	else if (n == 3 && strcmp(w[0], "join") == 0)
		rc = bearer_join(*b, address(w[2]));
	else if (n == 3 && strcmp(w[0], "leave") == 0)
		bearer_leave(*b, address(w[2]));
	else if (n == 4 && strcmp(w[0], "send") == 0)
		rc = do_send(*b, w[2], w[3]);
	else
		rc = -1000;
	printf("%s %d\n", n > 0 ? w[0] : "?", rc);
}

static void
on_line(char *text)
{
	char *w[WORDS + 1] = { NULL }, *save = NULL;
	size_t n = 0;

	for (char *t = strtok_r(text, " ", &save); t != NULL && n < WORDS;
	     t = strtok_r(NULL, " ", &save))
		w[n++] = t;
	carry_out(w, n);
}

static void
on_input(uv_poll_t *p, int status, int events)
{
	ssize_t n = read(0, line + fill, sizeof(line) - fill);
	char *end;

	(void)status;
	(void)events;
	if (n <= 0) {
		uv_close((uv_handle_t *)p, NULL);
		for (size_t i = 0; i < 2; i++)
			if (bearers[i] != NULL)
				bearer_close(&bearers[i], NULL, NULL);
		return;
	}
	fill += (size_t)n;
	while ((end = memchr(line, '\n', fill)) != NULL) {
		*end++ = '\0';
		on_line(line);
		fill -= (size_t)(end - line);
		memmove(line, end, fill);
	}
}

int
main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	uv_loop_init(&loop);
	uv_poll_init(&loop, &input, 0);
	uv_poll_start(&input, UV_READABLE, on_input);
	uv_run(&loop, UV_RUN_DEFAULT);
	/* Anything left on the loop is a leak. */
	return uv_loop_close(&loop) == 0 ? 0 : 1;
}

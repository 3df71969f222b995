/*
 * How many messages a second the queue accepts, and what questions cost when
 * it is long.  Not a test: the numbers depend on the disk.
 *
 *	make build/gateway.a
 *	cc -std=c11 -D_GNU_SOURCE -O2 -I. gateway/test/bench_queue.c \
 *	    build/gateway.a -luv -lsqlite3 -lpthread -o build/bench_queue
 *	build/bench_queue DIRECTORY
 *
 * DIRECTORY is made, and removed by hand.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "gateway/queue.h"

#define BODY_LEN (10 * 1024)

static uv_loop_t loop;
static struct queue *q;
static char body_data[BODY_LEN];

static size_t to_submit, in_flight, octets;
static uint64_t slowest_ns, asked_at;

struct flight {
	uint64_t at;
};

static void submit_one(struct flight *f);

static void
added(void *ctx, int rc, const struct queue_result *res)
{
	struct flight *f = ctx;
	uint64_t took = uv_hrtime() - f->at;

	(void)res;
	if (rc != QUEUE_OK) {
		fprintf(stderr, "add: %s\n", queue_strerror(rc));
		exit(1);
	}
	if (took > slowest_ns)
		slowest_ns = took;
	in_flight--;
	if (to_submit > 0)
		submit_one(f);
	else
		uv_stop(&loop);
}

static void
submit_one(struct flight *f)
{
	struct queue_rcpt r = {
		.line = "<bob@ship1.example.mil>", .hop = "mule:hf1", .node = 7
	};
	struct queue_message m = { .id = queue_new_id(q),
		.from_link = "",
		.from_line = "<alice@shore.example.mil>",
		.priority = 0,
		.accepted_at = 1,
		.expires_at = 100000,
		.rcpts = &r,
		.nrcpts = 1 };
	struct queue_txn *t = queue_txn_new();
	struct body *b = NULL;

	m.priority = (int)(m.id % 5);
	if (t == NULL || body_new(queue_tmp_dir(q), &b) != 0 ||
	    body_append(b, body_data, octets) != 0 ||
	    queue_txn_add(t, &m, &b) != QUEUE_OK)
		exit(1);
	to_submit--;
	in_flight++;
	f->at = uv_hrtime();
	queue_submit(q, &t, added, f);
}

static void
accept_messages(size_t n, size_t parallel)
{
	struct flight *f = calloc(parallel, sizeof(*f));
	struct queue_stats before, after;
	uint64_t start = uv_hrtime();
	double s;

	queue_stats(q, &before);
	slowest_ns = 0;
	to_submit = n;
	for (size_t i = 0; i < parallel && to_submit > 0; i++)
		submit_one(&f[i]);
	while (in_flight > 0)
		uv_run(&loop, UV_RUN_DEFAULT);
	s = (double)(uv_hrtime() - start) / 1e9;
	queue_stats(q, &after);
	printf("%7zu x %5zu octets, %3zu in flight: %7.0f/s  slowest %6.1f ms  "
	       "%llu commits %llu syncs\n",
	    n, octets, parallel, (double)n / s, (double)slowest_ns / 1e6,
	    (unsigned long long)(after.commits - before.commits),
	    (unsigned long long)(after.syncs - before.syncs));
	free(f);
}

static void
told(const char *what, size_t n)
{
	printf("%-24s %6.2f ms for %zu\n", what,
	    (double)(uv_hrtime() - asked_at) / 1e6, n);
	uv_stop(&loop);
}

static void
ready(void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	(void)m;
	(void)more;
	told(rc == QUEUE_OK ? ctx : "FAILED", n);
}

static void
due(void *ctx, int rc, const char *const *hops, size_t n, int64_t next_at)
{
	(void)hops;
	(void)next_at;
	told(rc == QUEUE_OK ? ctx : "FAILED", n);
}

static void
ask_questions(void)
{
	for (int i = 0; i < 3; i++) {
		asked_at = uv_hrtime();
		queue_ready(q, "mule:hf1", 10, ready, "ready, 10 at most");
		uv_run(&loop, UV_RUN_DEFAULT);
	}
	asked_at = uv_hrtime();
	queue_due(q, 5, due, "due");
	uv_run(&loop, UV_RUN_DEFAULT);
	asked_at = uv_hrtime();
	queue_expired(q, 5, 10, ready, "expired");
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void
open_queue(const char *dir)
{
	struct queue_config cfg = { .state_dir = dir };
	uint64_t start = uv_hrtime();
	char err[512];

	if (queue_open(&cfg, &loop, err, sizeof(err), &q) != QUEUE_OK) {
		fprintf(stderr, "%s\n", err);
		exit(1);
	}
	printf("opened in %.1f ms\n", (double)(uv_hrtime() - start) / 1e6);
}

int
main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	uv_loop_init(&loop);
	memset(body_data, 'x', sizeof(body_data));
	open_queue(argv[1]);
	octets = BODY_LEN;
	accept_messages(3000, 1);
	accept_messages(20000, 50);
	accept_messages(20000, 500);
	ask_questions();
	octets = 200;
	accept_messages(100000, 500);
	ask_questions();
	queue_close(&q, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	open_queue(argv[1]);
	ask_questions();
	queue_close(&q, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop) == 0 ? 0 : 1;
}

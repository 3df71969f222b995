/*
 * A real queue in a temporary directory and a real loop, for the tests of the
 * queue.  Questions and transactions are made to wait for their answer, which
 * is kept in the fixture as plain values.
 */
#ifndef MULETEER_GATEWAY_TEST_QUEUE_FIXTURE_H
#define MULETEER_GATEWAY_TEST_QUEUE_FIXTURE_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "gateway/queue.h"
#include "gateway/queue_internal.h"

#define FX_MAX 64
#define FX __attribute__((unused)) static

/* A message as the tests need it, copied out of an answer. */
struct fx_message {
	struct queue_message m;
	char from[64], from_link[32];
	size_t nrcpts;
	uint64_t rcpt[FX_MAX];
	uint32_t node[FX_MAX], attempts[FX_MAX];
	int64_t next_at[FX_MAX];
	char line[FX_MAX][48], hop[FX_MAX][48];
};

struct fx {
	int64_t warn_at; /* of the messages added */
	int64_t now_s;   /* when it opens; 0: 1000 */
	uv_loop_t loop;
	struct queue *q;
	char dir[128];
	char err[512];
	queue_hook *hook;
	void *hook_ctx;
	/* The last answer. */
	bool answered;
	int rc;
	size_t n;
	bool more;
	struct fx_message got[FX_MAX];
	uint64_t transmission;
	uint32_t msid, seqs[8];
	char hops[8][48];
	int64_t next_at;
	uint8_t *data;
	size_t len;
	int fd;
	struct queue_transmission x;
	uint32_t x_nodes[8], x_seqs[8];
	bool has_x;
	struct queue_tombstone stones[8];
	struct queue_emcon emcon[8];
	struct queue_partial partial;
	bool has_partial;
	struct queue_row rows[FX_MAX];
	char row_text[FX_MAX][5][64];
	struct queue_quarantined quarantined[FX_MAX];
	char reason[FX_MAX][64];
	bool closed;
	size_t warnings;
	char warning[256];
};

/* --- open and close ------------------------------------------------------ */

FX void
fx_warn(void *ctx, const char *text)
{
	struct fx *f = ctx;

	f->warnings++;
	snprintf(f->warning, sizeof(f->warning), "%s", text);
}

FX int
fx_try_open(struct fx *f)
{
	struct queue_config cfg = {
		.state_dir = f->dir,
		.now_s = f->now_s != 0 ? f->now_s : 1000,
		.warn = fx_warn,
		.warn_ctx = f,
	};

	f->err[0] = '\0';
	return queue_open_hooked(&cfg, &f->loop, f->hook, f->hook_ctx, f->err,
	    sizeof(f->err), &f->q);
}

FX void
fx_open(struct fx *f)
{
	int rc = fx_try_open(f);

	if (rc != QUEUE_OK)
		fail_msg("queue_open: %d %s", rc, f->err);
}

FX void
fx_closed(void *ctx)
{
	((struct fx *)ctx)->closed = true;
}

/* Close, and prove that nothing is left on the loop. */
FX void
fx_close(struct fx *f)
{
	f->closed = false;
	queue_close(&f->q, fx_closed, f);
	assert_null(f->q);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_true(f->closed);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(uv_loop_init(&f->loop), 0);
}

FX void
fx_reopen(struct fx *f)
{
	fx_close(f);
	fx_open(f);
}

FX int
fx_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct fx *f = calloc(1, sizeof(*f));

	if (f == NULL || uv_loop_init(&f->loop) != 0)
		return -1;
	snprintf(f->dir, sizeof(f->dir), "%s/muleteer-queue-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	*state = f;
	return 0;
}

FX int
fx_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

FX int
fx_teardown(void **state)
{
	struct fx *f = *state;

	if (f->q != NULL)
		fx_close(f);
	free(f->data);
	nftw(f->dir, fx_remove, 16, FTW_DEPTH | FTW_PHYS);
	if (uv_loop_close(&f->loop) != 0)
		return -1;
	free(f);
	return 0;
}

#define FX_TEST(name) \
	cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

FX const char *
fx_path(struct fx *f, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	return path;
}

FX bool
fx_exists(struct fx *f, const char *name)
{
	return access(fx_path(f, name), F_OK) == 0;
}

FX void
fx_write_file(struct fx *f, const char *name, const void *data, size_t len)
{
	int fd = open(fx_path(f, name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_true(write(fd, data, len) == (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

FX void
fx_wait(struct fx *f)
{
	while (!f->answered)
		uv_run(&f->loop, UV_RUN_ONCE);
}

/* --- transactions -------------------------------------------------------- */

FX void
fx_done(void *ctx, int rc, const struct queue_result *res)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->transmission = res->transmission;
	f->msid = res->msid;
	for (size_t i = 0; res->seqs != NULL && i < f->n; i++)
		f->seqs[i] = res->seqs[i];
}

FX int
fx_commit(struct fx *f, struct queue_txn **t)
{
	f->answered = false;
	queue_submit(f->q, t, fx_done, f);
	assert_null(*t);
	fx_wait(f);
	return f->rc;
}

FX struct body *
fx_body(struct fx *f, size_t len, uint64_t seed)
{
	struct body *b = NULL;
	uint8_t *data = malloc(len + 1);

	assert_non_null(data);
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(seed * 31 + i % 251);
	assert_int_equal(body_new(queue_tmp_dir(f->q), &b), 0);
	assert_int_equal(body_append(b, data, len), 0);
	free(data);
	return b;
}

/* Into t: a message of len octets with n recipients by hop. */
FX uint64_t
fx_put(struct fx *f, struct queue_txn *t, const char *hop, int priority,
    size_t n, size_t len)
{
	struct queue_rcpt r[FX_MAX];
	struct queue_message m = {
		.id = queue_new_id(f->q),
		.origin = QUEUE_FROM_SMTP,
		.from_link = "",
		.from_line = "<alice@shore.example.mil>",
		.priority = priority,
		.accepted_at = 1000,
		.expires_at = 5000,
		.warn_at = f->warn_at,
		.rcpts = r,
		.nrcpts = n,
	};
	struct body *b = fx_body(f, len, m.id);
	char line[FX_MAX][48];

	for (size_t i = 0; i < n; i++) {
		snprintf(
		    line[i], sizeof(line[i]), "<bob%zu@ship.example.mil>", i);
		r[i] = (struct queue_rcpt){
			.line = line[i],
			.hop = hop,
			.node = strncmp(hop, "mule:", 5) == 0 ? 100 + i : 0,
		};
	}
	assert_int_equal(queue_txn_add(t, &m, &b), QUEUE_OK);
	assert_null(b);
	return m.id;
}

FX uint64_t
fx_add(struct fx *f, const char *hop, int priority, size_t n, size_t len)
{
	struct queue_txn *t = queue_txn_new();
	uint64_t id = fx_put(f, t, hop, priority, n, len);

	assert_int_equal(fx_commit(f, &t), QUEUE_OK);
	return id;
}

FX int
fx_finish(struct fx *f, uint64_t rcpt)
{
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_finish(t, rcpt), QUEUE_OK);
	return fx_commit(f, &t);
}

FX int
fx_warned(struct fx *f, uint64_t message)
{
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_warned(t, message), QUEUE_OK);
	return fx_commit(f, &t);
}

FX int
fx_defer(struct fx *f, uint64_t rcpt, int64_t next_at, const char *status)
{
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_defer(t, rcpt, next_at, status), QUEUE_OK);
	return fx_commit(f, &t);
}

/* Into t: remember a received message. */
FX void
fx_tombstone(struct queue_txn *t, const char *link, uint32_t source,
    uint32_t msid, int64_t expires_at)
{
	struct queue_tombstone x = {
		.source = source,
		.msid = msid,
		.expires_at = expires_at,
		.committed_at = 1000,
	};

	assert_int_equal(queue_txn_tombstone(t, link, &x), QUEUE_OK);
}

/* --- questions ----------------------------------------------------------- */

FX void
fx_copy_message(struct fx_message *to, const struct queue_message *m)
{
	to->m = *m;
	to->m.from_line = to->m.from_link = NULL;
	to->m.rcpts = NULL;
	snprintf(to->from, sizeof(to->from), "%s", m->from_line);
	snprintf(to->from_link, sizeof(to->from_link), "%s", m->from_link);
	to->nrcpts = m->nrcpts;
	for (size_t i = 0; i < m->nrcpts && i < FX_MAX; i++) {
		to->rcpt[i] = m->rcpts[i].id;
		to->node[i] = m->rcpts[i].node;
		to->attempts[i] = m->rcpts[i].attempts;
		to->next_at[i] = m->rcpts[i].next_at;
		snprintf(
		    to->line[i], sizeof(to->line[i]), "%s", m->rcpts[i].line);
		snprintf(to->hop[i], sizeof(to->hop[i]), "%s", m->rcpts[i].hop);
	}
}

FX void
fx_messages(
    void *ctx, int rc, const struct queue_message *m, size_t n, bool more)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->n = n;
	f->more = more;
	for (size_t i = 0; i < n && i < FX_MAX; i++)
		fx_copy_message(&f->got[i], &m[i]);
}

/* The number of messages. */
FX size_t
fx_ready(struct fx *f, const char *hop, size_t limit)
{
	f->answered = false;
	queue_ready(f->q, hop, limit, fx_messages, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

/* ...without keeping the leases. */
FX size_t
fx_peek(struct fx *f, const char *hop, size_t limit)
{
	fx_ready(f, hop, limit);
	for (size_t i = 0; i < f->n; i++)
		queue_unlease(f->q, hop, f->got[i].m.id);
	return f->n;
}

FX size_t
fx_late(struct fx *f, int64_t now_s, size_t limit)
{
	f->answered = false;
	queue_late(f->q, now_s, limit, fx_messages, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

FX size_t
fx_expired(struct fx *f, int64_t now_s, size_t limit)
{
	f->answered = false;
	queue_expired(f->q, now_s, limit, fx_messages, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

FX int
fx_message(struct fx *f, uint64_t id, uint64_t transmission, uint32_t node)
{
	f->answered = false;
	queue_message(f->q, id, transmission, node, fx_messages, f);
	fx_wait(f);
	return f->rc;
}

FX void
fx_due_cb(void *ctx, int rc, const char *const *hops, size_t n, int64_t next_at)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->n = n;
	f->next_at = next_at;
	for (size_t i = 0; i < n && i < 8; i++)
		snprintf(f->hops[i], sizeof(f->hops[i]), "%s", hops[i]);
}

FX size_t
fx_due(struct fx *f, int64_t now_s)
{
	f->answered = false;
	queue_due(f->q, now_s, fx_due_cb, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

FX void
fx_body_cb(void *ctx, int rc, const void *data, size_t len, int fd)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	free(f->data);
	f->data = NULL;
	f->len = len;
	f->fd = fd;
	if (data != NULL) {
		f->data = malloc(len + 1);
		assert_non_null(f->data);
		memcpy(f->data, data, len);
	} else if (fd >= 0) {
		f->data = malloc(len + 1);
		assert_non_null(f->data);
		assert_int_equal(read(fd, f->data, len + 1), len);
		assert_int_equal(close(fd), 0);
	}
}

FX int
fx_read_body(struct fx *f, uint64_t id)
{
	f->answered = false;
	queue_body(f->q, id, fx_body_cb, f);
	fx_wait(f);
	return f->rc;
}

/* The body that fx_put() made. */
FX void
fx_assert_body(struct fx *f, uint64_t id, size_t len)
{
	bool same = true;

	assert_int_equal(fx_read_body(f, id), QUEUE_OK);
	assert_int_equal(f->len, len);
	for (size_t i = 0; i < len; i++)
		same = same && f->data[i] == (uint8_t)(id * 31 + i % 251);
	assert_true(same);
}

FX void
fx_transmission_cb(void *ctx, int rc, const struct queue_transmission *x,
    uint8_t *payload, size_t len)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->has_x = x != NULL;
	free(f->data);
	f->data = payload;
	f->len = len;
	if (x == NULL)
		return;
	f->x = *x;
	for (size_t i = 0; i < x->nnodes && i < 8; i++) {
		f->x_nodes[i] = x->nodes[i];
		f->x_seqs[i] = x->seqs[i];
	}
}

FX int
fx_next(struct fx *f, const char *link, const uint64_t *skip, size_t nskip)
{
	f->answered = false;
	queue_next_transmission(f->q, link, skip, nskip, fx_transmission_cb, f);
	fx_wait(f);
	return f->rc;
}

FX void
fx_stones_cb(void *ctx, int rc, const struct queue_tombstone *t, size_t n)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->n = n;
	for (size_t i = 0; i < n && i < 8; i++)
		f->stones[i] = t[i];
}

FX size_t
fx_tombstones(struct fx *f, const char *link, int64_t now_s, size_t limit)
{
	f->answered = false;
	queue_tombstones(f->q, link, now_s, limit, fx_stones_cb, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

FX void
fx_emcon_cb(void *ctx, int rc, const struct queue_emcon *e, size_t n)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->n = n;
	for (size_t i = 0; i < n && i < 8; i++)
		f->emcon[i] = e[i];
}

FX size_t
fx_emcon(struct fx *f, const char *link)
{
	f->answered = false;
	queue_emcon(f->q, link, fx_emcon_cb, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

FX void
fx_partial_cb(void *ctx, int rc, const struct queue_partial *p)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->has_partial = p != NULL;
	free(f->data);
	f->data = NULL;
	if (p == NULL)
		return;
	f->partial = *p;
	if (rc == QUEUE_OK) {
		f->data = malloc(p->len + 1);
		assert_non_null(f->data);
		memcpy(f->data, p->records, p->len);
	}
}

FX int
fx_next_partial(struct fx *f, const char *link, int64_t now_s, uint64_t after)
{
	f->answered = false;
	queue_next_partial(f->q, link, now_s, after, fx_partial_cb, f);
	fx_wait(f);
	return f->rc;
}

FX void
fx_list_cb(void *ctx, int rc, const struct queue_row *rows, size_t n, bool more)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->n = n;
	f->more = more;
	for (size_t i = 0; i < n && i < FX_MAX; i++) {
		f->rows[i] = rows[i];
		snprintf(f->row_text[i][0], 64, "%s", rows[i].from_line);
		snprintf(f->row_text[i][1], 64, "%s", rows[i].rcpt_line);
		snprintf(f->row_text[i][2], 64, "%s", rows[i].hop);
		snprintf(f->row_text[i][3], 64, "%s", rows[i].state);
		snprintf(f->row_text[i][4], 64, "%s", rows[i].status);
	}
}

FX size_t
fx_list(struct fx *f, uint64_t after, size_t limit)
{
	f->answered = false;
	queue_list(f->q, after, limit, fx_list_cb, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

FX void
fx_quarantine_cb(void *ctx, int rc, const struct queue_quarantined *rows,
    size_t n, bool more)
{
	struct fx *f = ctx;

	f->answered = true;
	f->rc = rc;
	f->n = n;
	f->more = more;
	for (size_t i = 0; i < n && i < FX_MAX; i++) {
		f->quarantined[i] = rows[i];
		snprintf(
		    f->reason[i], 64, "%s/%s", rows[i].link, rows[i].reason);
	}
}

FX size_t
fx_quarantine(struct fx *f, uint64_t after, size_t limit)
{
	f->answered = false;
	queue_quarantine_list(f->q, after, limit, fx_quarantine_cb, f);
	fx_wait(f);
	assert_int_equal(f->rc, QUEUE_OK);
	return f->n;
}

FX struct queue_stats
fx_stats(struct fx *f)
{
	struct queue_stats s;

	queue_stats(f->q, &s);
	return s;
}

/* --- transmissions ------------------------------------------------------- */

/* Transmit got[0] to all nodes of its recipients; fx_ready() came before. */
FX int
fx_transmit(
    struct fx *f, const char *link, uint8_t priority, int64_t now_s, size_t len)
{
	struct fx_message *g = &f->got[0];
	struct queue_transmission x = {
		.message = g->m.id,
		.link = link,
		.group = 0xef8e0001,
		.priority = priority,
		.expires_at = 5000,
		.nodes = g->node,
		.nnodes = g->nrcpts,
		.rcpts = g->rcpt,
		.nrcpts = g->nrcpts,
	};
	struct queue_txn *t = queue_txn_new();
	uint8_t *payload = malloc(len);

	assert_non_null(payload);
	memset(payload, 0x5a, len);
	f->n = g->nrcpts;
	assert_int_equal(
	    queue_txn_transmit(t, &x, now_s, &payload, len), QUEUE_OK);
	assert_null(payload);
	return fx_commit(f, &t);
}

FX int
fx_acked(struct fx *f, uint64_t transmission, uint32_t node)
{
	struct queue_txn *t = queue_txn_new();

	assert_int_equal(queue_txn_acked(t, transmission, node), QUEUE_OK);
	return fx_commit(f, &t);
}

#endif

/*
 * Transactions while they are built: a list of steps.  Everything a step needs
 * is copied into the transaction's arena, which goes as a whole.
 */
#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/queue_internal.h"

/* --- arena --------------------------------------------------------------- */

#define BLOCK_MIN 1024

struct queue_block {
	struct queue_block *next;
	alignas(max_align_t) uint8_t data[];
};

void *
queue_arena_get(struct queue_arena *a, size_t len)
{
	size_t align = alignof(max_align_t);
	struct queue_block *b;
	void *p;

	if (len > SIZE_MAX / 2)
		return NULL;
	len = (len + align - 1) / align * align;
	if (a->head == NULL || len > a->cap - a->used) {
		size_t cap = len > BLOCK_MIN ? len : BLOCK_MIN;

		b = malloc(sizeof(*b) + cap);
		if (b == NULL)
			return NULL;
		b->next = a->head;
		a->head = b;
		a->cap = cap;
		a->used = 0;
	}
	p = a->head->data + a->used;
	a->used += len;
	return p;
}

char *
queue_arena_text(struct queue_arena *a, const char *text)
{
	size_t len = strlen(text) + 1;
	char *p = queue_arena_get(a, len);

	if (p != NULL)
		memcpy(p, text, len);
	return p;
}

void *
queue_arena_grow(struct queue_arena *a, void *array, size_t n, size_t size)
{
	void *p;

	/* Its capacity is the power of two at or above n. */
	if (n != 0 && (n & (n - 1)) != 0)
		return array;
	if (n > SIZE_MAX / 4 / size)
		return NULL;
	p = queue_arena_get(a, (n != 0 ? 2 * n : 1) * size);
	if (p != NULL && n != 0)
		memcpy(p, array, n * size);
	return p;
}

void
queue_arena_release(struct queue_arena *a)
{
	struct queue_block *b, *next;

	for (b = a->head; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct queue_arena){ .head = NULL };
}

/* --- a transaction ------------------------------------------------------- */

struct queue_txn *
queue_txn_new(void)
{
	struct queue_txn *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	TAILQ_INIT(&t->steps);
	LIST_INIT(&t->gone);
	t->job.deliver = queue_txn_deliver;
	return t;
}

void
queue_txn_drop_data(struct queue_txn *t)
{
	struct queue_step *st;

	for (st = TAILQ_FIRST(&t->steps); st != NULL;
	     st = TAILQ_NEXT(st, next)) {
		body_free(&st->body);
		if (st->kind == QUEUE_STEP_TRANSMIT) {
			free(st->data);
			st->data = NULL;
		}
	}
}

void
queue_txn_free(struct queue_txn **t)
{
	if (*t == NULL)
		return;
	queue_txn_drop_data(*t);
	queue_arena_release(&(*t)->arena);
	free(*t);
	*t = NULL;
}

void
queue_txn_deliver(struct queue_job *j)
{
	struct queue_txn *t = (struct queue_txn *)(void *)j;

	if (t->done != NULL)
		t->done(t->ctx, j->rc, &t->result);
	queue_txn_free(&t);
}

/* --- steps --------------------------------------------------------------- */

struct queue_step *
queue_txn_step(struct queue_txn *t, enum queue_step_kind kind)
{
	struct queue_step *st = queue_arena_get(&t->arena, sizeof(*st));

	if (st == NULL) {
		t->broken = true;
		return NULL;
	}
	*st = (struct queue_step){ .kind = kind };
	return st;
}

static int
append(struct queue_txn *t, struct queue_step *st, bool complete)
{
	if (!complete) {
		t->broken = true;
		return QUEUE_ENOMEM;
	}
	TAILQ_INSERT_TAIL(&t->steps, st, next);
	return QUEUE_OK;
}

/* A copy of n elements; *ret is left alone when memory runs out. */
static bool
copy(struct queue_arena *a, const void *from, size_t n, size_t size, void **ret)
{
	void *p = n <= SIZE_MAX / size ? queue_arena_get(a, n * size) : NULL;

	if (p == NULL)
		return false;
	if (n != 0)
		memcpy(p, from, n * size);
	*ret = p;
	return true;
}

static bool
copy_text(struct queue_arena *a, const char **text)
{
	*text = queue_arena_text(a, *text);
	return *text != NULL;
}

static bool
copy_rcpts(struct queue_arena *a, struct queue_message *m)
{
	struct queue_rcpt *r;
	void *p;

	if (!copy(a, m->rcpts, m->nrcpts, sizeof(*m->rcpts), &p))
		return false;
	m->rcpts = r = p;
	for (size_t i = 0; i < m->nrcpts; i++)
		if (!copy_text(a, &r[i].line) || !copy_text(a, &r[i].hop))
			return false;
	return true;
}

static bool
message_valid(const struct queue_message *m)
{
	return m->id != 0 && m->id <= INT64_MAX && m->from_line != NULL &&
	       m->from_link != NULL && m->priority >= -9 && m->priority <= 9 &&
	       m->nrcpts != 0;
}

int
queue_txn_add(
    struct queue_txn *t, const struct queue_message *m, struct body **body)
{
	struct queue_step *st;
	bool ok;

	if (!message_valid(m) || *body == NULL)
		return QUEUE_EINVAL;
	st = queue_txn_step(t, QUEUE_STEP_ADD);
	if (st == NULL)
		return QUEUE_ENOMEM;
	st->message = *m;
	st->message.size = body_len(*body);
	ok = copy_text(&t->arena, &st->message.from_link) &&
	     copy_text(&t->arena, &st->message.from_line) &&
	     copy_rcpts(&t->arena, &st->message);
	if (!ok)
		return append(t, st, false);
	if (body_memory(*body) != NULL)
		t->bytes += (size_t)body_len(*body);
	st->body = *body;
	*body = NULL;
	return append(t, st, true);
}

int
queue_txn_tombstone(
    struct queue_txn *t, const char *link, const struct queue_tombstone *x)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_TOMBSTONE);

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->link = link;
	st->of.tombstone = *x;
	return append(t, st, copy_text(&t->arena, &st->link));
}

int
queue_txn_emcon(
    struct queue_txn *t, const char *link, const struct queue_emcon *e)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_EMCON);

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->link = link;
	st->of.emcon = *e;
	return append(t, st, copy_text(&t->arena, &st->link));
}

int
queue_txn_rounds(struct queue_txn *t, const char *link, uint32_t msid,
    uint32_t rounds, uint32_t emcon_rounds)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_ROUNDS);

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->link = link;
	st->msid = msid;
	st->of.rounds.all = rounds;
	st->of.rounds.emcon = emcon_rounds;
	return append(t, st, copy_text(&t->arena, &st->link));
}

int
queue_txn_partial(struct queue_txn *t, const char *link,
    const struct queue_partial *p, size_t limit)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_PARTIAL);
	void *kept;

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->link = link;
	st->of.partial = *p;
	st->of.partial.records = NULL;
	st->size = limit;
	st->data_len = p->len;
	if (!copy_text(&t->arena, &st->link) ||
	    !copy(&t->arena, p->records, p->len, 1, &kept))
		return append(t, st, false);
	st->data = kept;
	t->bytes += p->len;
	return append(t, st, true);
}

int
queue_txn_partial_end(
    struct queue_txn *t, const char *link, uint32_t source, uint32_t msid)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_PARTIAL_END);

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->link = link;
	st->source = source;
	st->msid = msid;
	return append(t, st, copy_text(&t->arena, &st->link));
}

static bool
copy_optional(struct queue_arena *a, const char **text)
{
	return *text == NULL || copy_text(a, text);
}

int
queue_txn_operate(struct queue_txn *t, const struct queue_operation *o)
{
	struct queue_arena *a = &t->arena;
	struct queue_operation *c;
	struct queue_step *st;

	if ((o->action == QUEUE_REDIRECT || o->action == QUEUE_EXPIRE) !=
	    (o->to_hop != NULL))
		return QUEUE_EINVAL;
	st = queue_txn_step(t, QUEUE_STEP_OPERATE);
	if (st == NULL)
		return QUEUE_ENOMEM;
	c = &st->of.operation;
	*c = *o;
	t->operates = true;
	return append(t, st,
	    copy_optional(a, &c->recipient) && copy_optional(a, &c->domain) &&
		copy_optional(a, &c->hop) && copy_optional(a, &c->to_path) &&
		copy_optional(a, &c->to_hop) && copy_optional(a, &c->to_link));
}

int
queue_txn_finish(struct queue_txn *t, uint64_t rcpt)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_FINISH);

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->id = rcpt;
	return append(t, st, true);
}

int
queue_txn_warned(struct queue_txn *t, uint64_t message)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_WARNED);

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->id = message;
	return append(t, st, true);
}

int
queue_txn_defer(
    struct queue_txn *t, uint64_t rcpt, int64_t next_at, const char *status)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_DEFER);

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->id = rcpt;
	st->at = next_at;
	st->text = status;
	return append(t, st, copy_text(&t->arena, &st->text));
}

static bool
copy_transmission(struct queue_txn *t, struct queue_transmission *x)
{
	struct queue_arena *a = &t->arena;
	void *nodes, *rcpts;

	t->seqs = queue_arena_get(a, x->nnodes * sizeof(*t->seqs));
	if (t->seqs == NULL || !copy_text(a, &x->link) ||
	    !copy(a, x->nodes, x->nnodes, sizeof(*x->nodes), &nodes) ||
	    !copy(a, x->rcpts, x->nrcpts, sizeof(*x->rcpts), &rcpts))
		return false;
	x->nodes = nodes;
	x->rcpts = rcpts;
	x->seqs = NULL;
	return true;
}

int
queue_txn_transmit(struct queue_txn *t, const struct queue_transmission *x,
    int64_t now_s, uint8_t **payload, size_t len)
{
	struct queue_step *st;

	/* queue_result has room for one. */
	if (t->transmits || x->nnodes == 0 || x->nrcpts == 0 ||
	    x->nnodes > SIZE_MAX / 16 || *payload == NULL)
		return QUEUE_EINVAL;
	st = queue_txn_step(t, QUEUE_STEP_TRANSMIT);
	if (st == NULL)
		return QUEUE_ENOMEM;
	st->transmission = *x;
	st->at = now_s;
	if (!copy_transmission(t, &st->transmission))
		return append(t, st, false);
	t->transmits = true;
	t->bytes += len;
	st->data = *payload;
	st->data_len = len;
	*payload = NULL;
	return append(t, st, true);
}

static int
ended(struct queue_txn *t, uint64_t transmission, uint32_t node)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_END);

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->id = transmission;
	st->source = node;
	return append(t, st, true);
}

int
queue_txn_acked(struct queue_txn *t, uint64_t transmission, uint32_t node)
{
	return ended(t, transmission, node);
}

int
queue_txn_gave_up(struct queue_txn *t, uint64_t transmission, uint32_t node)
{
	return ended(t, transmission, node);
}

int
queue_txn_quarantine(struct queue_txn *t, const char *link, uint32_t source,
    uint32_t msid, int64_t now_s, const char *reason, const void *data,
    size_t len)
{
	struct queue_step *st = queue_txn_step(t, QUEUE_STEP_QUARANTINE);
	void *kept;

	if (st == NULL)
		return QUEUE_ENOMEM;
	st->link = link;
	st->text = reason;
	st->source = source;
	st->msid = msid;
	st->at = now_s;
	st->size = len;
	st->data_len =
	    len < QUEUE_QUARANTINE_BYTES ? len : QUEUE_QUARANTINE_BYTES;
	if (!copy_text(&t->arena, &st->link) ||
	    !copy_text(&t->arena, &st->text) ||
	    !copy(&t->arena, data, st->data_len, 1, &kept))
		return append(t, st, false);
	st->data = kept;
	t->bytes += st->data_len;
	return append(t, st, true);
}

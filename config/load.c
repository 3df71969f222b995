/*
 * The loader: the tree to structs by its schema, errors, memory.  See load.h.
 */
#include "config/load.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* The most keys of a mapping. */
#define SCHEMA_MAX 64

/* --- memory ------------------------------------------------------------------- */

struct block {
	struct block *next;
	max_align_t data[];
};

int
load_nomem(struct loader *ld)
{
	return ld->rc = CFG_ENOMEM;
}

static void *
alloc(struct loader *ld, struct block **list, size_t n, size_t size)
{
	struct block *b = NULL;

	if (n <= (SIZE_MAX - sizeof(*b)) / size)
		b = calloc(1, sizeof(*b) + n * size);
	if (b == NULL) {
		(void)load_nomem(ld);
		return NULL;
	}
	b->next = *list;
	*list = b;
	return b->data;
}

void *
load_alloc(struct loader *ld, size_t n, size_t size)
{
	return alloc(ld, &ld->blocks, n, size);
}

void *
load_scratch(struct loader *ld, size_t n, size_t size)
{
	return alloc(ld, &ld->scratch, n, size);
}

static void
free_blocks(struct block *b)
{
	while (b != NULL) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

/* --- errors ------------------------------------------------------------------- */

static void
append(struct loader *ld, size_t *len, const char *s)
{
	for (; *s != '\0' && *len + 1 < ld->errcap; s++)
		ld->err[(*len)++] = *s >= 32 && *s <= 126 ? *s : '?';
	if (ld->errcap > 0)
		ld->err[*len] = '\0';
}

bool
load_same(const char *a, const char *b)
{
	size_t n;

	if (a == NULL || b == NULL)
		return a == b;
	n = strlen(a);
	return n == strlen(b) && memcmp(a, b, n) == 0;
}

const char *
load_quote(const char *s, char buf[QUOTE_MAX])
{
	static const char cut[] = "...";
	size_t n = strlen(s), most = QUOTE_MAX - 3;
	bool whole = n <= most;

	if (!whole)
		n = most - strlen(cut);
	buf[0] = '"';
	memcpy(buf + 1, s, n);
	if (!whole) {
		memcpy(buf + 1 + n, cut, strlen(cut));
		n += strlen(cut);
	}
	buf[1 + n] = '"';
	buf[2 + n] = '\0';
	return buf;
}

/* As libyaml counts: LF, CR, both, and three characters of Unicode. */
static bool
ends_line(const char *p, size_t left)
{
	if (p[0] == '\r')
		return left == 1 || p[1] != '\n';
	return p[0] == '\n' || (left >= 2 && memcmp(p, "\xc2\x85", 2) == 0) ||
	       (left >= 3 && memcmp(p, "\xe2\x80\xa8", 3) == 0) ||
	       (left >= 3 && memcmp(p, "\xe2\x80\xa9", 3) == 0);
}

/* What ends the last line begins no other. */
size_t
load_last_line(const struct loader *ld)
{
	size_t line = 1;

	for (size_t i = 0; i + 1 < ld->len; i++)
		line += ends_line(ld->text + i, ld->len - i);
	return line;
}

int
load_fail_texts(struct loader *ld, size_t line, const char *const *texts)
{
	size_t last = load_last_line(ld), len = 0;
	char digits[FORMAT_MAX];

	if (ld->rc != CFG_OK)
		return ld->rc;
	ld->rc = CFG_EINVALID;
	append(ld, &len, ld->name);
	append(ld, &len, ":");
	/* libyaml sees the end of the text as one line more. */
	append(ld, &len, format_decimal(line < last ? line : last, digits));
	append(ld, &len, ": ");
	for (; *texts != NULL; texts++)
		append(ld, &len, *texts);
	return ld->rc;
}

/* --- marks ---------------------------------------------------------------------- */

static int
remember(struct loader *ld, const void *at, bool item, size_t line)
{
	if (ld->nmarks == ld->marks_cap) {
		size_t cap = ld->marks_cap == 0 ? 64 : 2 * ld->marks_cap;
		struct mark *m = realloc(ld->marks, cap * sizeof(*m));

		if (m == NULL)
			return load_nomem(ld);
		ld->marks = m;
		ld->marks_cap = cap;
	}
	ld->marks[ld->nmarks++] = (struct mark){ at, item, line };
	return CFG_OK;
}

static size_t
find_mark(const struct loader *ld, const void *at, bool item)
{
	for (size_t i = 0; i < ld->nmarks; i++)
		if (ld->marks[i].at == at && ld->marks[i].item == item)
			return ld->marks[i].line;
	return 0;
}

size_t
load_line(const struct loader *ld, const void *at)
{
	return find_mark(ld, at, false);
}

size_t
load_item_line(const struct loader *ld, const void *at)
{
	return find_mark(ld, at, true);
}

/* --- fields ---------------------------------------------------------------------- */

static void *
place(void *base, size_t offset)
{
	return (char *)base + offset;
}

static int
check_kind(struct loader *ld, const char *key, enum field_type type,
    const struct pos *pos)
{
	enum pos_kind kind = type == FIELD_STRUCT ? POS_MAPPING
			     : type == FIELD_LIST ? POS_LIST
						  : POS_SCALAR;

	if (pos->kind == kind)
		return CFG_OK;
	return load_fail(ld, pos->key_line, key, ": wrong kind of value, ",
	    scalar_expected(type), " was expected");
}

static int load_mapping(
    struct loader *ld, const struct schema *s, const struct pos *pos, void *to);

static int
load_item(
    struct loader *ld, const struct field *f, const struct pos *pos, void *to)
{
	struct field item = { .key = f->key, .type = f->item };
	int rc;

	if (f->sub != NULL)
		item.type = FIELD_STRUCT;
	rc = check_kind(ld, f->key, item.type, pos);
	if (rc == CFG_OK)
		rc = remember(ld, to, f->sub != NULL, pos->line);
	if (rc != CFG_OK)
		return rc;
	return f->sub != NULL
		   ? load_mapping(ld, f->sub, pos, to)
		   : scalar_load(ld, &item, pos->text, pos->line, to);
}

static int
check_count(struct loader *ld, const struct field *f, const struct pos *pos)
{
	char number[FORMAT_MAX], limit[FORMAT_MAX];
	size_t n = pos->nchildren;

	if (n >= f->min && n <= f->max)
		return CFG_OK;
	return load_fail(ld, pos->key_line, f->key, ": ",
	    format_decimal(n, number), n == 1 ? " item, " : " items, ",
	    n < f->min ? "at least " : "at most ",
	    format_decimal(n < f->min ? f->min : f->max, limit),
	    " was expected");
}

static int
load_list(
    struct loader *ld, const struct field *f, const struct pos *pos, void *base)
{
	int rc = check_count(ld, f, pos);
	char *items, *to;

	if (rc != CFG_OK)
		return rc;
	items = to = load_alloc(ld, pos->nchildren + 1, f->item_size);
	if (items == NULL)
		return ld->rc;
	for (const struct pos *in = pos->child; in != NULL && rc == CFG_OK;
	     in = in->next, to += f->item_size)
		rc = load_item(ld, f, in, to);
	memcpy(place(base, f->offset), &items, sizeof(items));
	memcpy(place(base, f->count_offset), &pos->nchildren,
	    sizeof(pos->nchildren));
	return rc;
}

static int
load_given(
    struct loader *ld, const struct field *f, const struct pos *pos, void *base)
{
	void *to = place(base, f->offset);
	int rc = check_kind(ld, f->key, f->type, pos);

	if (rc != CFG_OK)
		return rc;
	/* No mark: its first value has the same place. */
	if (f->type == FIELD_STRUCT)
		return load_mapping(ld, f->sub, pos, to);
	rc = remember(ld, to, false, pos->line);
	if (rc != CFG_OK)
		return rc;
	if (f->type == FIELD_LIST)
		return load_list(ld, f, pos, base);
	return scalar_load(ld, f, pos->text, pos->line, to);
}

static int load_defaults(
    struct loader *ld, const struct schema *s, size_t line, void *to);

/* What a key that is not in the file stands for; zero is there already. */
static int
load_default(struct loader *ld, const struct schema *s, const struct field *f,
    size_t line, void *base)
{
	void *to = place(base, f->offset);
	uint32_t word = (uint32_t)f->def;
	bool flag = f->def != 0;

	if ((f->flags & FIELD_REQUIRED) != 0)
		return load_fail(ld, line, s->what, ": \"", f->key,
		    "\" is missing, ", scalar_expected(f->type),
		    " was expected");
	switch (f->type) {
	case FIELD_NAME:
	case FIELD_PATH:
	case FIELD_INTERFACE:
	case FIELD_HOSTNAME:
	case FIELD_MAILBOX:
	case FIELD_DOMAIN: memcpy(to, &f->def_text, sizeof(f->def_text)); break;
	case FIELD_BOOL: memcpy(to, &flag, sizeof(flag)); break;
	case FIELD_NUMBER:
	case FIELD_SIZE:
	case FIELD_DURATION:
	case FIELD_FACTOR:
	case FIELD_PERCENT: memcpy(to, &f->def, sizeof(f->def)); break;
	case FIELD_IPV4:
	case FIELD_CHOICE: memcpy(to, &word, sizeof(word)); break;
	case FIELD_STRUCT:
		if ((f->flags & FIELD_OPTIONAL) == 0)
			return load_defaults(ld, f->sub, line, to);
		break;
	case FIELD_NETWORK:
	case FIELD_SPAN:
	case FIELD_ENDPOINT:
	case FIELD_ADDRESS:
	case FIELD_LIST: break;
	}
	return CFG_OK;
}

static int
load_defaults(struct loader *ld, const struct schema *s, size_t line, void *to)
{
	int rc = CFG_OK;

	for (size_t i = 0; rc == CFG_OK && i < s->nfields; i++)
		rc = load_default(ld, s, &s->fields[i], line, to);
	return rc;
}

/* "a, b, c"; NULL: out of memory. */
static const char *
all_keys(struct loader *ld, const struct schema *s)
{
	size_t len = 1, at = 0;
	char *text;

	for (size_t i = 0; i < s->nfields; i++)
		len += strlen(s->fields[i].key) + 2;
	text = load_scratch(ld, len, 1);
	for (size_t i = 0; text != NULL && i < s->nfields; i++) {
		size_t n = strlen(s->fields[i].key);

		if (i > 0) {
			memcpy(text + at, ", ", 2);
			at += 2;
		}
		memcpy(text + at, s->fields[i].key, n);
		at += n;
	}
	return text;
}

static int
fail_unknown(struct loader *ld, const struct schema *s, const struct pos *pos)
{
	char quoted[QUOTE_MAX];

	return load_fail(ld, pos->key_line, s->what, ": unknown key ",
	    load_quote(pos->key, quoted), ", expected was one of ",
	    all_keys(ld, s));
}

/* One "key: value" of a mapping; seen has a place for each field. */
static int
load_pair(struct loader *ld, const struct schema *s, const struct pos *pos,
    void *to, bool *seen)
{
	size_t i = 0;

	while (i < s->nfields && !load_same(s->fields[i].key, pos->key))
		i++;
	if (i == s->nfields)
		return fail_unknown(ld, s, pos);
	if (seen[i])
		return load_fail(ld, pos->key_line, s->what, ": \"", pos->key,
		    "\" is given twice, once was expected");
	seen[i] = true;
	return load_given(ld, &s->fields[i], pos, to);
}

static int
load_mapping(
    struct loader *ld, const struct schema *s, const struct pos *pos, void *to)
{
	bool seen[SCHEMA_MAX] = { false };
	int rc = CFG_OK;

	assert(s->nfields <= SCHEMA_MAX);
	for (const struct pos *p = pos->child; p != NULL && rc == CFG_OK;
	     p = p->next)
		rc = load_pair(ld, s, p, to, seen);
	for (size_t i = 0; rc == CFG_OK && i < s->nfields; i++)
		if (!seen[i])
			rc = load_default(
			    ld, s, &s->fields[i], pos->key_line, to);
	return rc;
}

/* --- the whole ------------------------------------------------------------------ */

static int
load_text(struct loader *ld, struct cfg **ret_cfg)
{
	struct cfg *cfg;
	int rc;

	if (ld->len > CFG_TEXT_MAX)
		return load_fail(
		    ld, 1, "the file is too long, at most 1MiB was expected");
	rc = tree_read(ld);
	if (rc != CFG_OK)
		return rc;
	cfg = load_alloc(ld, 1, sizeof(*cfg));
	if (cfg == NULL)
		return ld->rc;
	rc = load_mapping(ld, &cfg_schema, ld->root, cfg);
	if (rc == CFG_OK)
		rc = check_all(ld, cfg);
	*ret_cfg = cfg;
	return rc;
}

static void
say_nomem(struct loader *ld)
{
	size_t len = 0;

	append(ld, &len, ld->name);
	append(ld, &len, ": out of memory");
}

int
cfg_load(const char *text, size_t len, const char *name, struct cfg **ret_cfg,
    char *err, size_t errcap)
{
	struct loader ld = { .name = name,
		.text = text,
		.len = len,
		.err = err,
		.errcap = errcap };
	struct cfg *cfg = NULL;
	int rc = load_text(&ld, &cfg);

	free(ld.marks);
	free_blocks(ld.scratch);
	if (rc == CFG_ENOMEM)
		say_nomem(&ld);
	if (rc != CFG_OK) {
		free_blocks(ld.blocks);
		return rc;
	}
	cfg->memory = ld.blocks;
	*ret_cfg = cfg;
	return CFG_OK;
}

void
cfg_free(struct cfg **cfg)
{
	if (*cfg != NULL)
		free_blocks((*cfg)->memory);
	*cfg = NULL;
}

/*
 * The loader: mappings and lists by their schema, errors, memory.  See load.h.
 */
#include "config/load.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- memory ------------------------------------------------------------------- */

struct block {
	struct block *next;
	max_align_t data[];
};

void *
load_alloc(struct loader *ld, size_t n, size_t size)
{
	struct block *b = NULL;

	if (n <= (SIZE_MAX - sizeof(*b)) / size)
		b = calloc(1, sizeof(*b) + n * size);
	if (b == NULL) {
		ld->rc = CFG_ENOMEM;
		return NULL;
	}
	b->next = ld->blocks;
	ld->blocks = b;
	return b->data;
}

void
load_free_blocks(struct block *b)
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
load_decimal(uint64_t v, char buf[24])
{
	char *p = buf + 23;

	*p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while ((v /= 10) != 0);
	return p;
}

int
load_fail(struct loader *ld, size_t line, ...)
{
	char digits[24];
	size_t len = 0;
	const char *s;
	va_list ap;

	if (ld->rc != CFG_OK)
		return ld->rc;
	ld->rc = CFG_EINVALID;
	append(ld, &len, ld->name);
	append(ld, &len, ":");
	append(ld, &len, load_decimal(line, digits));
	append(ld, &len, ": ");
	va_start(ap, line);
	while ((s = va_arg(ap, const char *)) != NULL)
		append(ld, &len, s);
	va_end(ap);
	return ld->rc;
}

static int
remember(struct loader *ld, const void *at, size_t line)
{
	if (ld->nmarks == ld->marks_cap) {
		size_t cap = ld->marks_cap == 0 ? 64 : 2 * ld->marks_cap;
		struct mark *m = realloc(ld->marks, cap * sizeof(*m));

		if (m == NULL)
			return ld->rc = CFG_ENOMEM;
		ld->marks = m;
		ld->marks_cap = cap;
	}
	ld->marks[ld->nmarks++] = (struct mark){ at, line };
	return CFG_OK;
}

size_t
load_line(const struct loader *ld, const void *at)
{
	/* The last one: a struct and its first member share their place. */
	for (size_t i = ld->nmarks; i > 0; i--)
		if (ld->marks[i - 1].at == at)
			return ld->marks[i - 1].line;
	return 1;
}

static size_t
line_of(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

/* --- nodes -------------------------------------------------------------------- */

static void *
place(void *base, size_t offset)
{
	return (char *)base + offset;
}

static int
load_list(
    struct loader *ld, const struct field *f, yaml_node_t *node, void *base)
{
	struct field item = { .key = f->key, .type = f->item, .max = f->max };
	yaml_node_item_t *start;
	char *items;
	size_t n;
	int rc = CFG_OK;

	if (node->type != YAML_SEQUENCE_NODE)
		return load_fail(
		    ld, line_of(node), f->key, ": a list was expected", NULL);
	start = node->data.sequence.items.start;
	n = (size_t)(node->data.sequence.items.top - start);
	items = load_alloc(ld, n + 1, f->item_size);
	if (items == NULL)
		return ld->rc;
	for (size_t i = 0; i < n && rc == CFG_OK; i++) {
		yaml_node_t *in = yaml_document_get_node(&ld->doc, start[i]);
		void *to = items + i * f->item_size;

		rc = remember(ld, to, line_of(in));
		if (rc == CFG_OK)
			rc = f->sub != NULL ? load_mapping(ld, f->sub, in, to)
					    : load_scalar(ld, &item, in, to);
	}
	memcpy(place(base, f->offset), &items, sizeof(items));
	memcpy(place(base, f->count_offset), &n, sizeof(n));
	return rc;
}

static int
load_field(
    struct loader *ld, const struct field *f, yaml_node_t *node, void *base)
{
	int rc = remember(ld, place(base, f->offset), line_of(node));

	if (rc != CFG_OK)
		return rc;
	if (f->type == FIELD_LIST)
		return load_list(ld, f, node, base);
	if (f->type == FIELD_STRUCT)
		return load_mapping(ld, f->sub, node, place(base, f->offset));
	return load_scalar(ld, f, node, place(base, f->offset));
}

/* What a key that is not in the file stands for. */
static int
load_default(struct loader *ld, const struct schema *s, const struct field *f,
    size_t line, void *base)
{
	void *to = place(base, f->offset);
	uint32_t choice = (uint32_t)f->def;
	uint64_t number = (f->flags & FIELD_LATER) != 0 ? CFG_UNSET : f->def;
	bool flag = f->def != 0;

	if ((f->flags & FIELD_REQUIRED) != 0)
		return load_fail(
		    ld, line, s->what, ": \"", f->key, "\" is missing", NULL);
	switch (f->type) {
	case FIELD_STRING:
	case FIELD_HOSTNAME:
	case FIELD_DOMAIN: memcpy(to, &f->def_text, sizeof(f->def_text)); break;
	case FIELD_BOOL: memcpy(to, &flag, sizeof(flag)); break;
	case FIELD_NUMBER:
	case FIELD_SIZE:
	case FIELD_DURATION:
	case FIELD_FACTOR: memcpy(to, &number, sizeof(number)); break;
	case FIELD_CHOICE: memcpy(to, &choice, sizeof(choice)); break;
	case FIELD_STRUCT:
		if ((f->flags & FIELD_OPTIONAL) != 0)
			break;
		for (size_t i = 0; i < f->sub->nfields; i++)
			if (load_default(ld, f->sub, &f->sub->fields[i], line,
				to) != CFG_OK)
				return ld->rc;
		break;
	case FIELD_IPV4:
	case FIELD_NETWORK:
	case FIELD_ENDPOINT:
	case FIELD_ADDRESS:
	case FIELD_LIST: break; /* zero is right */
	}
	return CFG_OK;
}

static bool
key_is(const yaml_node_t *key, const char *name)
{
	return key->type == YAML_SCALAR_NODE &&
	       key->data.scalar.length == strlen(name) &&
	       memcmp(key->data.scalar.value, name, strlen(name)) == 0;
}

static const struct field *
find_field(const struct schema *s, const yaml_node_t *key)
{
	for (size_t i = 0; i < s->nfields; i++)
		if (key_is(key, s->fields[i].key))
			return &s->fields[i];
	return NULL;
}

/* One "key: value" of a mapping; seen has a bit for each field. */
static int
load_pair(struct loader *ld, const struct schema *s, yaml_node_pair_t *pair,
    void *to, uint64_t *seen)
{
	yaml_node_t *key = yaml_document_get_node(&ld->doc, pair->key);
	yaml_node_t *value = yaml_document_get_node(&ld->doc, pair->value);
	const struct field *f = find_field(s, key);
	uint64_t bit;

	if (f == NULL)
		return load_fail(ld, line_of(key), s->what, ": unknown key \"",
		    key->type == YAML_SCALAR_NODE
			? (const char *)key->data.scalar.value
			: "?",
		    "\"", NULL);
	bit = UINT64_C(1) << (f - s->fields);
	if ((*seen & bit) != 0)
		return load_fail(ld, line_of(key), s->what, ": \"", f->key,
		    "\" is given twice", NULL);
	*seen |= bit;
	return load_field(ld, f, value, to);
}

int
load_mapping(
    struct loader *ld, const struct schema *s, yaml_node_t *node, void *to)
{
	uint64_t seen = 0;
	int rc = CFG_OK;

	if (node->type != YAML_MAPPING_NODE)
		return load_fail(ld, line_of(node), s->what,
		    ": keys and values were expected", NULL);
	for (yaml_node_pair_t *p = node->data.mapping.pairs.start;
	     rc == CFG_OK && p < node->data.mapping.pairs.top; p++)
		rc = load_pair(ld, s, p, to, &seen);
	for (size_t i = 0; rc == CFG_OK && i < s->nfields; i++)
		if ((seen & UINT64_C(1) << i) == 0)
			rc = load_default(
			    ld, s, &s->fields[i], line_of(node), to);
	return rc;
}

/* --- the whole ------------------------------------------------------------------ */

static int
parse(struct loader *ld, const char *text, size_t len)
{
	yaml_parser_t parser;
	int rc = CFG_OK;

	if (yaml_parser_initialize(&parser) == 0)
		return ld->rc = CFG_ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (yaml_parser_load(&parser, &ld->doc) == 0) {
		if (parser.error == YAML_MEMORY_ERROR)
			rc = ld->rc = CFG_ENOMEM;
		else
			rc = load_fail(ld, parser.problem_mark.line + 1,
			    "not YAML: ",
			    parser.problem != NULL ? parser.problem
						   : "unreadable",
			    NULL);
	}
	yaml_parser_delete(&parser);
	return rc;
}

static int
load_document(struct loader *ld, struct cfg **ret_cfg)
{
	yaml_node_t *root = yaml_document_get_root_node(&ld->doc);
	struct cfg *cfg;
	int rc;

	if (root == NULL)
		return load_fail(ld, 1, "the file is empty", NULL);
	cfg = load_alloc(ld, 1, sizeof(*cfg));
	if (cfg == NULL)
		return ld->rc;
	rc = load_mapping(ld, &cfg_schema, root, cfg);
	if (rc == CFG_OK)
		rc = check_all(ld, cfg);
	*ret_cfg = cfg;
	return rc;
}

int
cfg_load(const char *text, size_t len, const char *name, struct cfg **ret_cfg,
    char *err, size_t errcap)
{
	struct loader ld = { .name = name, .err = err, .errcap = errcap };
	struct cfg *cfg = NULL;
	int rc = parse(&ld, text, len);

	if (rc == CFG_OK) {
		rc = load_document(&ld, &cfg);
		yaml_document_delete(&ld.doc);
	}
	free(ld.marks);
	if (rc != CFG_OK) {
		load_free_blocks(ld.blocks);
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
		load_free_blocks((*cfg)->memory);
	*cfg = NULL;
}

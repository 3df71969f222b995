/*
 * The configuration back as YAML, by the same schema that reads it.
 *
 * One key a line, two blanks a level, strings in quotes, lists of scalars in
 * brackets.  What was not given and has no default is left out.
 */
#include "config/load.h"

#include <string.h>

struct out {
	char *buf;
	size_t cap, len;
};

static void
put(struct out *o, const char *s)
{
	for (; *s != '\0'; s++, o->len++)
		if (o->len < o->cap)
			o->buf[o->len] = *s;
}

/* Strings are printable; only these two mean something in quotes. */
static void
put_quoted(struct out *o, const char *s)
{
	char one[3] = { '\\', 0, 0 };

	put(o, "\"");
	for (; *s != '\0'; s++) {
		one[1] = *s;
		put(o, *s == '"' || *s == '\\' ? one : one + 1);
	}
	put(o, "\"");
}

static void
indent(struct out *o, unsigned level)
{
	while (level-- > 0)
		put(o, "  ");
}

static const void *
at_offset(const void *base, size_t offset)
{
	return (const char *)base + offset;
}

static const void *
pointer(const void *at)
{
	const void *p;

	memcpy(&p, at, sizeof(p));
	return p;
}

static size_t
count(const struct field *f, const void *base)
{
	size_t n;

	memcpy(&n, at_offset(base, f->count_offset), sizeof(n));
	return n;
}

/* Whether there is something to print. */
static bool
present(const struct field *f, const void *base)
{
	const void *at = at_offset(base, f->offset);
	bool any = false;

	switch (f->type) {
	case FIELD_NAME:
	case FIELD_PATH:
	case FIELD_INTERFACE:
	case FIELD_HOSTNAME:
	case FIELD_MAILBOX:
	case FIELD_DOMAIN:
	case FIELD_ENDPOINT:
	case FIELD_ADDRESS: return pointer(at) != NULL;
	case FIELD_IPV4: return *(const uint32_t *)at != 0;
	case FIELD_LIST: return count(f, base) > 0;
	case FIELD_STRUCT:
		for (size_t i = 0; i < f->sub->nfields; i++)
			any |= present(&f->sub->fields[i], at);
		return any;
	case FIELD_BOOL:
	case FIELD_NUMBER:
	case FIELD_SIZE:
	case FIELD_DURATION:
	case FIELD_FACTOR:
	case FIELD_PERCENT:
	case FIELD_NETWORK:
	case FIELD_SPAN:
	case FIELD_CHOICE: break;
	}
	return true;
}

static void
put_scalar(struct out *o, enum field_type type, const char *const *choices,
    const void *at)
{
	char buf[FORMAT_MAX];
	uint32_t choice;

	switch (type) {
	case FIELD_NAME:
	case FIELD_PATH:
	case FIELD_INTERFACE:
	case FIELD_HOSTNAME:
	case FIELD_MAILBOX:
	case FIELD_DOMAIN:
	case FIELD_ENDPOINT: /* the text is its first member */
	case FIELD_ADDRESS: put_quoted(o, pointer(at)); break;
	case FIELD_CHOICE:
		memcpy(&choice, at, sizeof(choice));
		put(o, choices[choice]);
		break;
	case FIELD_BOOL:
	case FIELD_NUMBER:
	case FIELD_SIZE:
	case FIELD_DURATION:
	case FIELD_FACTOR:
	case FIELD_PERCENT:
	case FIELD_IPV4:
	case FIELD_NETWORK:
	case FIELD_SPAN: put(o, format_value(type, at, buf)); break;
	case FIELD_STRUCT:
	case FIELD_LIST: break;
	}
}

static void put_mapping(struct out *o, const struct schema *s, const void *base,
    unsigned level, bool item);

static void
put_scalars(struct out *o, const struct field *f, const void *base)
{
	const char *items = pointer(at_offset(base, f->offset));

	put(o, " [");
	for (size_t i = 0; i < count(f, base); i++) {
		put(o, i > 0 ? ", " : "");
		put_scalar(o, f->item, NULL, items + i * f->item_size);
	}
	put(o, "]\n");
}

static void
put_mappings(
    struct out *o, const struct field *f, const void *base, unsigned level)
{
	const char *items = pointer(at_offset(base, f->offset));

	put(o, "\n");
	for (size_t i = 0; i < count(f, base); i++)
		put_mapping(
		    o, f->sub, items + i * f->item_size, level + 2, true);
}

static void
put_field(
    struct out *o, const struct field *f, const void *base, unsigned level)
{
	const void *at = at_offset(base, f->offset);

	put(o, f->key);
	put(o, ":");
	if (f->type == FIELD_LIST && f->sub == NULL) {
		put_scalars(o, f, base);
	} else if (f->type == FIELD_LIST) {
		put_mappings(o, f, base, level);
	} else if (f->type == FIELD_STRUCT) {
		put(o, "\n");
		put_mapping(o, f->sub, at, level + 1, false);
	} else {
		put(o, " ");
		put_scalar(o, f->type, f->choices, at);
		put(o, "\n");
	}
}

/* The first key of an item stands behind its dash. */
static void
put_mapping(struct out *o, const struct schema *s, const void *base,
    unsigned level, bool item)
{
	for (size_t i = 0; i < s->nfields; i++) {
		if (!present(&s->fields[i], base))
			continue;
		indent(o, item ? level - 1 : level);
		put(o, item ? "- " : "");
		item = false;
		put_field(o, &s->fields[i], base, level);
	}
}

size_t
cfg_print(const struct cfg *cfg, char *buf, size_t cap)
{
	struct out o = { buf, cap, 0 };

	put_mapping(&o, &cfg_schema, cfg, 0, false);
	if (cap > 0)
		buf[o.len < cap - 1 ? o.len : cap - 1] = '\0';
	return o.len;
}

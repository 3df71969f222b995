/*
 * The text as libyaml's parser sees it, without regard to what the keys mean.
 * The only file that knows libyaml.
 *
 * What YAML has and a configuration does not need is refused here: aliases (and
 * with them texts that unfold without end), keys that are not text, NUL,
 * further documents, depth.
 */
#include "config/load.h"

#include <string.h>
#include <yaml.h>

/* The deepest value is a member of a group, at 6. */
#define DEPTH_MAX 12

struct reader {
	struct loader *ld;
	yaml_parser_t parser;
};

/* --- errors ----------------------------------------------------------------- */

/* A text that is not UTF-8 has an offset and no line. */
static size_t
line_at(const struct loader *ld, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset && i < ld->len; i++)
		line += ld->text[i] == '\n';
	return line;
}

/*
 * Where to look for the mistake.  Something that is not closed is noticed at the
 * end of the text, and a key without a colon in the line after it: there, the
 * place where it began helps more.
 */
static size_t
problem_line(const struct loader *ld, const yaml_parser_t *p)
{
	size_t line = p->problem_mark.line + 1;

	if (p->context != NULL &&
	    (line > load_last_line(ld) ||
		load_same(p->context, "while scanning a simple key")))
		line = p->context_mark.line + 1;
	return line;
}

static int
fail_syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const char *problem = p->problem != NULL ? p->problem : "unreadable";
	size_t line, from = p->context_mark.line + 1;
	char digits[FORMAT_MAX];

	if (p->error == YAML_MEMORY_ERROR)
		return load_nomem(r->ld);
	if (p->error == YAML_READER_ERROR)
		return load_fail(r->ld, line_at(r->ld, p->problem_offset),
		    "not a text: ", problem, ", UTF-8 was expected");
	line = problem_line(r->ld, p);
	if (p->context == NULL || from == line)
		return load_fail(r->ld, line, "not YAML: ", problem,
		    p->context != NULL ? " " : NULL, p->context);
	return load_fail(r->ld, line, "not YAML: ", problem, " ", p->context,
	    " that begins in line ", format_decimal(from, digits));
}

/* --- nodes -------------------------------------------------------------------- */

static int
next_event(struct reader *r, yaml_event_t *ev)
{
	if (yaml_parser_parse(&r->parser, ev) == 0)
		return fail_syntax(r);
	return CFG_OK;
}

static size_t
event_line(const yaml_event_t *ev)
{
	return ev->start_mark.line + 1;
}

/* The text of a scalar; NULL: the failure is recorded. */
static const char *
scalar_text(struct reader *r, const yaml_event_t *ev)
{
	const unsigned char *value = ev->data.scalar.value;
	size_t n = ev->data.scalar.length;
	char *text;

	if (memchr(value, '\0', n) != NULL) {
		(void)load_fail(r->ld, event_line(ev),
		    "a NUL character, printable text was expected");
		return NULL;
	}
	text = load_scratch(r->ld, n + 1, 1);
	if (text != NULL)
		memcpy(text, value, n);
	return text;
}

/* A new last child. */
static struct pos *
add_child(struct reader *r, struct pos *in, struct pos *last)
{
	struct pos *pos = load_scratch(r->ld, 1, sizeof(*pos));

	if (pos == NULL)
		return NULL;
	if (last == NULL)
		in->child = pos;
	else
		last->next = pos;
	in->nchildren++;
	return pos;
}

static int
read_key(struct reader *r, const yaml_event_t *ev, struct pos *pos)
{
	pos->key_line = event_line(ev);
	if (ev->type != YAML_SCALAR_EVENT)
		return load_fail(r->ld, pos->key_line,
		    "a key that is not a word, a word was expected");
	pos->key = scalar_text(r, ev);
	return r->ld->rc;
}

static int read_node(
    struct reader *r, const yaml_event_t *ev, unsigned depth, struct pos *pos);

/* The value that comes next. */
static int
read_value(struct reader *r, unsigned depth, struct pos *pos)
{
	yaml_event_t ev;
	int rc = next_event(r, &ev);

	if (rc != CFG_OK)
		return rc;
	rc = read_node(r, &ev, depth, pos);
	yaml_event_delete(&ev);
	return rc;
}

/* A key and its value, or an item: what comes next in pos. */
static int
read_child(struct reader *r, const yaml_event_t *ev, unsigned depth,
    struct pos *pos, struct pos **last)
{
	int rc;

	*last = add_child(r, pos, *last);
	if (*last == NULL)
		return r->ld->rc;
	if (pos->kind == POS_LIST)
		return read_node(r, ev, depth, *last);
	rc = read_key(r, ev, *last);
	return rc == CFG_OK ? read_value(r, depth, *last) : rc;
}

static int
read_children(struct reader *r, unsigned depth, struct pos *pos)
{
	struct pos *last = NULL;
	bool end = false;
	int rc = CFG_OK;

	while (rc == CFG_OK && !end) {
		yaml_event_t ev;

		rc = next_event(r, &ev);
		if (rc != CFG_OK)
			return rc;
		end = ev.type == YAML_MAPPING_END_EVENT ||
		      ev.type == YAML_SEQUENCE_END_EVENT;
		if (!end)
			rc = read_child(r, &ev, depth, pos, &last);
		yaml_event_delete(&ev);
	}
	return rc;
}

static int
read_node(
    struct reader *r, const yaml_event_t *ev, unsigned depth, struct pos *pos)
{
	pos->line = event_line(ev);
	if (pos->key_line == 0)
		pos->key_line = pos->line;
	if (ev->type == YAML_ALIAS_EVENT)
		return load_fail(r->ld, pos->line,
		    "an alias (*name), the value itself was expected");
	if (ev->type == YAML_SCALAR_EVENT) {
		pos->text = scalar_text(r, ev);
		return r->ld->rc;
	}
	if (depth == DEPTH_MAX)
		return load_fail(r->ld, pos->line,
		    "nested deeper than anything that is expected");
	pos->kind =
	    ev->type == YAML_MAPPING_START_EVENT ? POS_MAPPING : POS_LIST;
	return read_children(r, depth + 1, pos);
}

/* --- the whole ---------------------------------------------------------------- */

static int
read_root(struct reader *r, const yaml_event_t *ev)
{
	if (ev->type != YAML_MAPPING_START_EVENT)
		return load_fail(r->ld, event_line(ev),
		    "the configuration: keys and values were expected");
	r->ld->root = load_scratch(r->ld, 1, sizeof(struct pos));
	if (r->ld->root == NULL)
		return r->ld->rc;
	return read_node(r, ev, 0, r->ld->root);
}

static int
read_document(struct reader *r)
{
	bool end = false;
	int rc = CFG_OK;

	while (rc == CFG_OK && !end) {
		yaml_event_t ev;

		rc = next_event(r, &ev);
		if (rc != CFG_OK)
			return rc;
		end = ev.type == YAML_STREAM_END_EVENT;
		if (r->ld->root != NULL && ev.type == YAML_DOCUMENT_START_EVENT)
			rc = load_fail(r->ld, event_line(&ev),
			    "a second document, only one was expected");
		else if (!end && ev.type != YAML_STREAM_START_EVENT &&
			 ev.type != YAML_DOCUMENT_START_EVENT &&
			 ev.type != YAML_DOCUMENT_END_EVENT)
			rc = read_root(r, &ev);
		yaml_event_delete(&ev);
	}
	return rc;
}

int
tree_read(struct loader *ld)
{
	struct reader r = { .ld = ld };
	int rc;

	if (yaml_parser_initialize(&r.parser) == 0)
		return load_nomem(ld);
	yaml_parser_set_input_string(
	    &r.parser, (const unsigned char *)ld->text, ld->len);
	rc = read_document(&r);
	yaml_parser_delete(&r.parser);
	if (rc == CFG_OK && ld->root == NULL)
		return load_fail(
		    ld, 1, "the file is empty, keys and values were expected");
	return rc;
}

/*
 * libcyaml checks the shape of the file: keys, lists, what must be there.  The
 * values are text until mulelink_keys.c takes them, as from the control socket.
 */
#include "tools/mulelink_config.h"

#include <arpa/inet.h>
#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <yaml.h>

#define LISTEN_DEFAULT "127.0.0.1:2700"
#define PAIRS_MAX 512

/* The file as libcyaml hands it out; what is NULL was not given. */
#define MEMBER(key) char *key;
struct raw_pair {
	char *from, *to, *both;
	MULELINK_PATH_KEYS(MEMBER)
};

struct raw_fade {
	char *start_s, *length_s, *every_s, *loss, *node;
};

struct raw {
	char *listen, *seed;
	char **bridge;
	unsigned bridge_count;
	struct raw_pair *pairs;
	unsigned pairs_count;
	struct raw_fade *fades;
	unsigned fades_count;
	MULELINK_MEDIUM_KEYS(MEMBER)
	MULELINK_PATH_KEYS(MEMBER)
};
#undef MEMBER

#define TEXT(key, what, flags) \
	CYAML_FIELD_STRING_PTR( \
	    #key, CYAML_FLAG_POINTER | (flags), what, key, 0, CYAML_UNLIMITED)
#define OF_PAIR(key) TEXT(key, struct raw_pair, CYAML_FLAG_OPTIONAL),
#define OF_FADE(key) TEXT(key, struct raw_fade, CYAML_FLAG_OPTIONAL)
#define OF_RAW(key) TEXT(key, struct raw, CYAML_FLAG_OPTIONAL),

static const cyaml_schema_field_t pair_fields[] = {
	TEXT(from, struct raw_pair, 0),
	TEXT(to, struct raw_pair, 0),
	OF_PAIR(both) MULELINK_PATH_KEYS(OF_PAIR) CYAML_FIELD_END,
};

static const cyaml_schema_value_t pair_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_pair, pair_fields),
};

static const cyaml_schema_field_t fade_fields[] = {
	TEXT(start_s, struct raw_fade, 0),
	TEXT(length_s, struct raw_fade, 0),
	OF_FADE(every_s),
	OF_FADE(loss),
	OF_FADE(node),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t fade_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_fade, fade_fields),
};

static const cyaml_schema_value_t name_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t fields[] = {
	OF_RAW(listen) OF_RAW(seed) MULELINK_MEDIUM_KEYS(OF_RAW)
	    MULELINK_PATH_KEYS(OF_RAW) CYAML_FIELD_SEQUENCE("bridge",
		CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct raw, bridge,
		&name_schema, 1, CHANNEL_NODES_MAX),
	CYAML_FIELD_SEQUENCE("pairs", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
	    struct raw, pairs, &pair_schema, 0, PAIRS_MAX),
	CYAML_FIELD_SEQUENCE("fades", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
	    struct raw, fades, &fade_schema, 0, CHANNEL_FADES_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw, fields),
};

/* --- errors ----------------------------------------------------------------------- */

/*
 * libcyaml logs the reason first and then, in a backtrace, the innermost place
 * with its line; both become one line.
 */
struct complaint {
	char reason[200];
	unsigned long line, column;
};

__attribute__((format(printf, 3, 0))) static void
on_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct complaint *c = ctx;
	char text[400], *at;

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	if (c->reason[0] == '\0')
		snprintf(c->reason, sizeof(c->reason), "%.199s",
		    strncmp(text, "Load: ", 6) == 0 ? text + 6 : text);
	at = strstr(text, "line: ");
	if (at != NULL && c->line == 0) {
		c->line = strtoul(at + 6, &at, 10);
		at = strstr(at, "column: ");
		c->column = at != NULL ? strtoul(at + 8, NULL, 10) : 0;
	}
}

/* A place in the file: a key, or a key of the item'th mapping in a list. */
struct place {
	const char *path;
	const char *list; /* NULL: at the top */
	unsigned item;
};

static yaml_node_t *
value_of(yaml_document_t *doc, const yaml_node_t *map, const char *key,
    unsigned long *line)
{
	if (map == NULL || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *p = map->data.mapping.pairs.start;
	     p < map->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = yaml_document_get_node(doc, p->key);

		if (k == NULL || k->type != YAML_SCALAR_NODE ||
		    strcmp((const char *)k->data.scalar.value, key) != 0)
			continue;
		*line = k->start_mark.line + 1;
		return yaml_document_get_node(doc, p->value);
	}
	return NULL;
}

/* The line of the key; of what it would be in, when it is not there. */
static unsigned long
line_in(yaml_document_t *doc, const struct place *at, const char *key)
{
	const yaml_node_t *node = yaml_document_get_root_node(doc);
	unsigned long line = 1;

	if (at->list != NULL) {
		node = value_of(doc, node, at->list, &line);
		if (node == NULL || node->type != YAML_SEQUENCE_NODE ||
		    node->data.sequence.items.start + at->item >=
			node->data.sequence.items.top)
			return line;
		node = yaml_document_get_node(
		    doc, node->data.sequence.items.start[at->item]);
		line = node->start_mark.line + 1;
	}
	value_of(doc, node, key, &line);
	return line;
}

static bool
load_document(const char *path, yaml_document_t *ret_doc)
{
	FILE *f = fopen(path, "r");
	yaml_parser_t parser;
	bool ok = false;

	if (f == NULL)
		return false;
	if (yaml_parser_initialize(&parser)) {
		yaml_parser_set_input_file(&parser, f);
		ok = yaml_parser_load(&parser, ret_doc);
		yaml_parser_delete(&parser);
	}
	fclose(f);
	return ok;
}

static unsigned long
find_line(const struct place *at, const char *key)
{
	yaml_document_t doc;
	unsigned long line = 1;

	if (load_document(at->path, &doc)) {
		line = line_in(&doc, at, key);
		yaml_document_delete(&doc);
	}
	return line;
}

/* The line of the first such key behind the place of the complaint, or 0. */
static unsigned long
key_behind(yaml_document_t *doc, const struct complaint *c, const char *key)
{
	unsigned long line = 0;

	for (const yaml_node_t *n = doc->nodes.start; n < doc->nodes.top; n++) {
		const yaml_mark_t *m = &n->start_mark;

		if (n->type != YAML_SCALAR_NODE ||
		    strcmp((const char *)n->data.scalar.value, key) != 0 ||
		    m->line + 1 < c->line ||
		    (m->line + 1 == c->line && m->column + 1 <= c->column))
			continue;
		if (line == 0 || m->line + 1 < line)
			line = m->line + 1;
	}
	return line;
}

/* libcyaml names the place before a key that must not be there. */
static void
correct_line(const char *path, struct complaint *c)
{
	const char *key = strrchr(c->reason, ' ');
	yaml_document_t doc;
	unsigned long line;

	if (strncmp(c->reason, "Unexpected key", 14) != 0 &&
	    strncmp(c->reason, "Mapping field already", 21) != 0)
		return;
	if (!load_document(path, &doc))
		return;
	line = key_behind(&doc, c, key + 1);
	if (line > 0)
		c->line = line;
	yaml_document_delete(&doc);
}

static bool
complain(const struct place *at, const char *key, const char *reason)
{
	fprintf(stderr, "%s:%lu: %s: %s\n", at->path, find_line(at, key), key,
	    reason);
	return false;
}

/* --- values ------------------------------------------------------------------------ */

bool
mulelink_parse_listen(const char *text, struct sockaddr_in *ret_sin)
{
	char host[64], *colon, *end;
	unsigned long port;

	snprintf(host, sizeof(host), "%s", text);
	colon = strrchr(host, ':');
	if (colon == NULL)
		return false;
	*colon = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port > 65535)
		return false;
	memset(ret_sin, 0, sizeof(*ret_sin));
	ret_sin->sin_family = AF_INET;
	ret_sin->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &ret_sin->sin_addr) == 1;
}

bool
mulelink_add_bridge(struct mulelink_config *cfg, const char *name)
{
	if (!mulelink_is_name(name) || cfg->nbridge == CHANNEL_NODES_MAX)
		return false;
	for (unsigned i = 0; i < cfg->nbridge; i++)
		if (strcmp(cfg->bridge[i], name) == 0)
			return false;
	snprintf(cfg->bridge[cfg->nbridge++], MULELINK_NAME_MAX, "%s", name);
	return true;
}

static bool
take(const struct place *at, struct mulelink_settings *s, const char *key,
    const char *value)
{
	const char *error = value != NULL ? mulelink_set(s, key, value) : NULL;

	return error == NULL || complain(at, key, error);
}

static bool
take_settings(
    const struct place *at, const struct raw *r, struct mulelink_settings *s)
{
#define TAKE(key) take(at, s, #key, r->key) &&
	return MULELINK_MEDIUM_KEYS(TAKE) MULELINK_PATH_KEYS(TAKE) true;
#undef TAKE
}

static bool
take_seed(const struct place *at, const char *text, uint64_t *ret_seed)
{
	char *end;

	if (text == NULL) {
		(void)!getrandom(ret_seed, sizeof(*ret_seed), 0);
		return true;
	}
	*ret_seed = strtoull(text, &end, 10);
	if (text[0] >= '0' && text[0] <= '9' && *end == '\0')
		return true;
	return complain(at, "seed", "a number was expected");
}

/* One key of a pair, in one direction or in both. */
static bool
take_pair_key(const struct place *at, const struct raw_pair *r,
    struct mulelink_settings *s, const char *key, const char *value)
{
	const char *error;

	if (value == NULL)
		return true;
	error = mulelink_set_pair(s, r->from, r->to, key, value);
	if (error == NULL && r->both != NULL && strcmp(r->both, "true") == 0)
		error = mulelink_set_pair(s, r->to, r->from, key, value);
	return error == NULL || complain(at, key, error);
}

static bool
is_end(const char *text)
{
	return strcmp(text, "*") == 0 || mulelink_is_name(text);
}

static bool
take_pair(const struct place *at, const struct raw_pair *r,
    struct mulelink_settings *s)
{
	if (!is_end(r->from))
		return complain(at, "from", "a node or * was expected");
	if (!is_end(r->to))
		return complain(at, "to", "a node or * was expected");
	if (r->both != NULL && strcmp(r->both, "true") != 0 &&
	    strcmp(r->both, "false") != 0)
		return complain(at, "both", "true or false was expected");
#define TAKE(key) take_pair_key(at, r, s, #key, r->key) &&
	return MULELINK_PATH_KEYS(TAKE) true;
#undef TAKE
}

static bool
take_time(
    const struct place *at, const char *key, const char *text, uint64_t *ret_us)
{
	return text == NULL || mulelink_duration(text, ret_us) ||
	       complain(at, key, "seconds were expected");
}

static bool
take_fade(
    const struct place *at, const struct raw_fade *r, struct mulelink_fade *f)
{
	char *end;

	*f = (struct mulelink_fade){ .fade = { .loss = 1, .node = -1 } };
	if (!take_time(at, "start_s", r->start_s, &f->fade.start_us) ||
	    !take_time(at, "length_s", r->length_s, &f->fade.length_us) ||
	    !take_time(at, "every_s", r->every_s, &f->fade.every_us))
		return false;
	if (f->fade.every_us > 0 && f->fade.every_us < f->fade.length_us)
		return complain(at, "every_s", "is less than length_s");
	if (r->node != NULL && !mulelink_is_name(r->node))
		return complain(at, "node", "a node was expected");
	if (r->node != NULL)
		snprintf(f->node, sizeof(f->node), "%s", r->node);
	if (r->loss == NULL)
		return true;
	f->fade.loss = strtod(r->loss, &end);
	if (end != r->loss && *end == '\0' && f->fade.loss >= 0 &&
	    f->fade.loss <= 1)
		return true;
	return complain(at, "loss", "0 to 1 was expected");
}

static bool
take_lists(
    const struct place *top, const struct raw *r, struct mulelink_config *cfg)
{
	struct place at = *top;

	for (unsigned i = 0; i < r->bridge_count; i++)
		if (!mulelink_add_bridge(cfg, r->bridge[i]))
			return complain(top, "bridge",
			    "interfaces, each once, were expected");
	at.list = "pairs";
	for (at.item = 0; at.item < r->pairs_count; at.item++)
		if (!take_pair(&at, &r->pairs[at.item], &cfg->settings))
			return false;
	at.list = "fades";
	for (at.item = 0; at.item < r->fades_count; at.item++)
		if (!take_fade(
			&at, &r->fades[at.item], &cfg->fades[cfg->nfades++]))
			return false;
	return true;
}

static bool
convert(const char *path, const struct raw *r, struct mulelink_config *cfg)
{
	const struct place top = { .path = path };

	memset(cfg, 0, sizeof(*cfg));
	mulelink_settings_init(&cfg->settings);
	if (!mulelink_parse_listen(
		r->listen != NULL ? r->listen : LISTEN_DEFAULT, &cfg->listen))
		return complain(&top, "listen", "ADDRESS:PORT was expected");
	if (r->bit_rate == NULL)
		return complain(&top, "bit_rate", "is missing");
	cfg->overhead_given = r->overhead != NULL;
	return take_seed(&top, r->seed, &cfg->seed) &&
	       take_settings(&top, r, &cfg->settings) &&
	       take_lists(&top, r, cfg);
}

bool
mulelink_config_load(const char *path, struct mulelink_config *ret_cfg)
{
	struct complaint c = { .line = 0 };
	const cyaml_config_t config = {
		.log_fn = on_log,
		.log_ctx = &c,
		.log_level = CYAML_LOG_ERROR,
		.mem_fn = cyaml_mem,
	};
	struct raw *raw = NULL;
	cyaml_err_t err = cyaml_load_file(
	    path, &config, &schema, (cyaml_data_t **)&raw, NULL);
	bool ok;

	if (err != CYAML_OK || raw == NULL) {
		correct_line(path, &c);
		fprintf(stderr, "%s:%lu: %s\n", path, c.line > 0 ? c.line : 1,
		    c.reason[0] != '\0'              ? c.reason
		    : raw == NULL && err == CYAML_OK ? "the file is empty"
						     : cyaml_strerror(err));
		return false;
	}
	ok = convert(path, raw, ret_cfg);
	cyaml_free(&config, &schema, raw, 0);
	return ok;
}

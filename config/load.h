/*
 * The inside of libcfg: how YAML becomes structs, driven by tables.
 *
 * A schema lists the keys of a mapping: where each value goes, what it must
 * look like, its default. The loader remembers the line of every value it
 * stored, so that the checks that come later (names that refer to something)
 * can say where as well.
 */
#ifndef MULETEER_CONFIG_LOAD_H
#define MULETEER_CONFIG_LOAD_H

#include <yaml.h>

#include "config/cfg.h"

enum field_type {
	FIELD_STRING,
	FIELD_HOSTNAME,
	FIELD_DOMAIN, /* hostname, "*.hostname" or "*" */
	FIELD_BOOL,
	FIELD_NUMBER,
	FIELD_SIZE,     /* octets: 100, 64KiB, 25MiB */
	FIELD_DURATION, /* us: 200ms, 1.5s, 5m, 2h, 4d */
	FIELD_FACTOR,   /* percent: 1.5 is 150 */
	FIELD_IPV4,     /* uint32_t, host order */
	FIELD_NETWORK,  /* struct cfg_network */
	FIELD_ENDPOINT, /* struct cfg_endpoint; host may be a name */
	FIELD_ADDRESS,  /* struct cfg_endpoint; host is numeric */
	FIELD_CHOICE,   /* enum: index into choices */
	FIELD_STRUCT,
	FIELD_LIST,
};

#define FIELD_REQUIRED 1
/* For numbers: what was not given is CFG_UNSET, and filled in later. */
#define FIELD_LATER 2
/* For STRUCT: when it is not given, nothing in it is. */
#define FIELD_OPTIONAL 4
#define CFG_UNSET UINT64_MAX

struct schema;

struct field {
	const char *key;
	enum field_type type;
	unsigned flags;
	size_t offset;
	uint64_t min, max; /* of numbers, in the unit they are stored in */
	uint64_t def;
	const char *def_text;       /* strings; NULL: none */
	const char *const *choices; /* ends with NULL */
	const struct schema *sub;   /* STRUCT, LIST of mappings */
	enum field_type item;       /* LIST without sub: of these */
	size_t item_size;           /* LIST */
	size_t count_offset;        /* LIST: size_t */
};

struct schema {
	const char *what; /* "a link": for messages */
	const struct field *fields;
	size_t nfields;
};

struct mark {
	const void *at; /* where the value was stored */
	size_t line;
};

struct block;

struct loader {
	const char *name;
	yaml_document_t doc;
	struct block *blocks; /* what belongs to the configuration */
	struct mark *marks;
	size_t nmarks, marks_cap;
	char *err;
	size_t errcap;
	int rc; /* of the first failure */
};

extern const struct schema cfg_schema;

/* Zeroed memory that lives as long as the configuration; NULL: ENOMEM is set. */
void *load_alloc(struct loader *ld, size_t n, size_t size);
void load_free_blocks(struct block *b);

/*
 * Record a failure at a line: the texts one after another, up to NULL.  Only
 * the first counts.  Returns its code.
 */
int load_fail(struct loader *ld, size_t line, ...);

/* The line of the value stored at that place; 1 if it was defaulted. */
size_t load_line(const struct loader *ld, const void *at);

/* The same text; NULL is like nothing but NULL. */
bool load_same(const char *a, const char *b);

/* Decimal text of v in buf, which is returned. */
const char *load_decimal(uint64_t v, char buf[24]);

/* Fill the struct at to from the mapping node, by its schema. */
int load_mapping(
    struct loader *ld, const struct schema *s, yaml_node_t *node, void *to);

/* One scalar by its type; line is for errors. */
int load_scalar(
    struct loader *ld, const struct field *f, yaml_node_t *node, void *to);

/* Fill in presets, and see that every name means something. */
int check_all(struct loader *ld, struct cfg *cfg);

/* Put the preset's values where nothing was given; false: unknown preset. */
bool preset_apply(struct cfg_link *link);
/* The names of all presets, for messages. */
extern const char preset_names[];

#endif

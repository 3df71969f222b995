/*
 * The inside of libcfg: how YAML becomes structs, driven by one table.
 *
 * A schema lists the keys of a mapping: where each value goes, what it must
 * look like, its default.  Everything follows from it:
 *	tree.c    libyaml's events to a tree of values, each with its line
 *	load.c    the tree to structs: every key known, given once and of the
 *	          right kind; defaults, memory, errors
 *	scalar.c  one text to one value
 *	format.c  one value to its text
 *	print.c   structs back to YAML
 *	preset.c, check.c   what a table cannot say
 *
 * The loader marks the line of every value it stored, so that the checks that
 * come later (names that refer to something) can say where as well.
 */
#ifndef MULETEER_CONFIG_LOAD_H
#define MULETEER_CONFIG_LOAD_H

#include "config/cfg.h"

enum field_type {
	FIELD_NAME,      /* letters, digits, - _ . */
	FIELD_PATH,      /* absolute */
	FIELD_INTERFACE, /* name or IPv4 address */
	FIELD_HOSTNAME,
	FIELD_MAILBOX, /* local-part@hostname */
	FIELD_DOMAIN,  /* hostname, "*.hostname" or "*" */
	FIELD_BOOL,
	FIELD_NUMBER,
	FIELD_SIZE,     /* octets: 100, 64KiB, 25MiB */
	FIELD_DURATION, /* us: 200ms, 1.5s, 5m, 2h, 4d */
	FIELD_FACTOR,   /* percent: 1.5 is 150 */
	FIELD_PERCENT,  /* 20% */
	FIELD_IPV4,     /* uint32_t */
	FIELD_NETWORK,  /* struct cfg_network */
	FIELD_SPAN,     /* struct cfg_span of priorities: 4, -9..-1 */
	FIELD_ENDPOINT, /* struct cfg_endpoint; host may be a name */
	FIELD_ADDRESS,  /* struct cfg_endpoint; host is numeric */
	FIELD_CHOICE,   /* enum: index into choices */
	FIELD_STRUCT,
	FIELD_LIST,
};

#define FIELD_REQUIRED 1
/* For STRUCT: when it is not given, nothing in it is. */
#define FIELD_OPTIONAL 2

struct schema;

struct field {
	const char *key;
	enum field_type type;
	unsigned flags;
	size_t offset;
	/*
	 * Of numbers, in the unit they are stored in; of ports; of the items of
	 * a list.  A max of 0: no range.
	 */
	uint64_t min, max;
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

extern const struct schema cfg_schema;

/* --- what a text is made of ------------------------------------------------- */

enum pos_kind { POS_SCALAR, POS_LIST, POS_MAPPING };

/* A value in the text, and where it is; lines begin at 1. */
struct pos {
	enum pos_kind kind;
	size_t line;
	size_t key_line;   /* in a mapping; else line */
	const char *key;   /* in a mapping */
	const char *text;  /* of a scalar */
	size_t nchildren;  /* of mappings and lists */
	struct pos *child; /* in their order */
	struct pos *next;  /* in the same mapping or list */
};

/* A number in decimal, or a value by its type, as text. */
#define FORMAT_MAX 64
/* A text from the file, quoted and cut for a message. */
#define QUOTE_MAX 68

/* --- the loader --------------------------------------------------------------- */

struct mark {
	const void *at; /* where the value was stored */
	bool item;      /* a mapping in a list: its first value is there too */
	size_t line;
};

struct block;

struct loader {
	const char *name;
	const char *text;
	size_t len;
	struct pos *root;
	struct block *blocks;  /* what belongs to the configuration */
	struct block *scratch; /* what goes when cfg_load() returns */
	struct mark *marks;
	size_t nmarks, marks_cap;
	char *err;
	size_t errcap;
	int rc; /* of the first failure */
};

/*
 * Zeroed memory that lives as long as the configuration, or as the loader.
 * NULL: CFG_ENOMEM is recorded.
 */
void *load_alloc(struct loader *ld, size_t n, size_t size);
void *load_scratch(struct loader *ld, size_t n, size_t size);

/* Record CFG_ENOMEM and return it. */
int load_nomem(struct loader *ld);

/*
 * Record a failure at a line: the texts one after another, up to a NULL.  Only
 * the first failure counts.  Returns its code.
 */
#define load_fail(ld, line, ...) \
	load_fail_texts(ld, line, (const char *const[]){ __VA_ARGS__, NULL })
int load_fail_texts(struct loader *ld, size_t line, const char *const *texts);

/* How many lines the text has. */
size_t load_last_line(const struct loader *ld);

/* The line of the value stored at that place; 0 if it was not given. */
size_t load_line(const struct loader *ld, const void *at);

/* The line where the mapping in a list begins that was stored there. */
size_t load_item_line(const struct loader *ld, const void *at);

/* The same text; NULL is like nothing but NULL. */
bool load_same(const char *a, const char *b);

/* s in quotes, cut if it is long; buf is returned. */
const char *load_quote(const char *s, char buf[QUOTE_MAX]);

/* --- the steps ------------------------------------------------------------------ */

/* Read the text for ld->root; syntax is checked. */
int tree_read(struct loader *ld);

/* One text by its type, at a line. */
int scalar_load(struct loader *ld, const struct field *f, const char *text,
    size_t line, void *to);

/* What a type looks like: "a whole number". */
const char *scalar_expected(enum field_type type);

const char *format_decimal(uint64_t v, char buf[FORMAT_MAX]);

/* A number, address or network, as scalar_load() would read it. */
const char *format_value(
    enum field_type type, const void *at, char buf[FORMAT_MAX]);

/* Put the preset's values where nothing was given; false: unknown preset. */
bool preset_apply(const struct loader *ld, struct cfg_link *link);
/* The names of all presets, for messages. */
extern const char preset_names[];

/* See that every name means something, and fill in what follows from others. */
int check_all(struct loader *ld, struct cfg *cfg);

#endif

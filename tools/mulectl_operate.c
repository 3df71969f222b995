#include "tools/mulectl_operate.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option {
	const char *name, *key;
	enum { TEXT, NUMBER, AGE, FLAG } kind;
} options[] = {
	{ "--id", "id", NUMBER },
	{ "--recipient", "recipient", TEXT },
	{ "--domain", "domain", TEXT },
	{ "--link", "link", TEXT },
	{ "--priority", "priority", NUMBER },
	{ "--older", "older_s", AGE },
	{ "--to", "to", TEXT },
	{ "--all", "all", FLAG },
	{ "--dry-run", "dry_run", FLAG },
};

/* "7d" in seconds; a bare number has the unit it is asked for with. */
static bool
number(const char *text, bool age, json_int_t *ret_v)
{
	static const char units[] = "smhd";
	static const long long seconds[] = { 1, 60, 3600, 86400 };
	const char *unit;
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || end == text)
		return false;
	if (age && *end != '\0') {
		unit = strchr(units, *end);
		if (unit == NULL || v > 1000000000 / seconds[unit - units])
			return false;
		v *= seconds[unit - units];
		end++;
	}
	*ret_v = v;
	return *end == '\0' && (!age || v >= 0);
}

static json_t *
value_of(const struct option *o, const char *text)
{
	json_int_t v = 0;

	switch (o->kind) {
	case FLAG: return json_true();
	case TEXT: return json_string(text);
	case NUMBER:
	case AGE:
		return number(text, o->kind == AGE, &v) ? json_integer(v)
							: NULL;
	}
	return NULL;
}

int
mulectl_operate_option(json_t *request, const char *name, const char *value)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		const struct option *o = &options[i];

		if (strcmp(name, o->name) != 0)
			continue;
		/* Twice the same selector would select less than it says. */
		if ((o->kind != FLAG && value == NULL) ||
		    json_object_get(request, o->key) != NULL ||
		    json_object_set_new(request, o->key, value_of(o, value)) !=
			0)
			return 0;
		return o->kind == FLAG ? 1 : 2;
	}
	return 0;
}

static long long
num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

void
mulectl_operate_show(const json_t *r)
{
	const json_t *touched = json_object_get(r, "touched"), *t;
	bool dry = json_is_true(json_object_get(r, "dry_run"));
	size_t i;

	for (i = 0; (t = json_array_get(touched, i)) != NULL; i++)
		printf("%lld  %s\n", num(t, "message"),
		    json_string_value(json_object_get(t, "rcpt")));
	if ((long long)i < num(r, "recipients"))
		puts("...");
	printf("%s%s: %lld recipients of %lld messages\n",
	    json_string_value(json_object_get(r, "action")),
	    dry ? " (only counted)" : "", num(r, "recipients"),
	    num(r, "messages"));
	if (num(r, "busy") > 0)
		printf("%lld are being delivered just now and were left "
		       "alone; ask again\n",
		    num(r, "busy"));
	if (num(r, "refused") > 0)
		printf("%lld cannot go there: they came from there, or the "
		       "line gets too long\n",
		    num(r, "refused"));
	if (num(r, "on_air") > 0)
		printf("%lld were on the air; their nodes may have them\n",
		    num(r, "on_air"));
	if (json_is_true(json_object_get(r, "more")))
		puts("there is more; ask again");
}

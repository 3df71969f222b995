#include "tools/mulelink_keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS 3600000.0
#define OVERHEAD_DEFAULT 28 /* UDP over IPv4 */
#define QUEUE_DEFAULT 1000
#define SLOTS_DEFAULT 8
/* Beside what makes up a slot, so that a carrier is noticed before its end. */
#define SLOT_MARGIN_US 1000

enum kind { BOOL, PROBABILITY, MS, U32, U64 };

struct mulelink_key {
	const char *name;
	enum kind kind;
	bool of_path;
	size_t offset;
	double least, most;
	const char *expected;
};

#define M(field) false, offsetof(struct channel_medium, field)
#define P(field) true, offsetof(struct channel_path, field)
#define WORDS 0, 1, "true or false was expected"
#define UNIT 0, 1, "0 to 1 was expected"
#define TIME 0, HOUR_MS, "0 to 3600000 was expected"

static const struct mulelink_key keys[] = {
	{ "bit_rate", U64, M(bit_rate), 0, 1e12, "0 to 10^12 was expected" },
	{ "half_duplex", BOOL, M(half_duplex), WORDS },
	{ "turnaround_ms", MS, M(turnaround_us), TIME },
	{ "collisions", BOOL, M(collisions), WORDS },
	{ "carrier_sense", BOOL, M(carrier_sense), WORDS },
	{ "sense_ms", MS, M(sense_us), TIME },
	{ "slot_ms", MS, M(slot_us), TIME },
	{ "slots", U32, M(slots), 1, 1024, "1 to 1024 was expected" },
	{ "overhead", U32, M(overhead), 0, 65535, "0 to 65535 was expected" },
	{ "queue", U32, M(queue_max), 1, 1e6, "1 to 1000000 was expected" },
	{ "heard", BOOL, P(heard), WORDS },
	{ "delay_ms", MS, P(delay_us), TIME },
	{ "jitter_ms", MS, P(jitter_us), TIME },
	{ "loss", PROBABILITY, P(loss), UNIT },
	{ "ber", PROBABILITY, P(ber), UNIT },
	{ "burst_enter", PROBABILITY, P(burst_enter), UNIT },
	{ "burst_leave", PROBABILITY, P(burst_leave), UNIT },
	{ "burst_loss", PROBABILITY, P(burst_loss), UNIT },
	{ "duplicate", PROBABILITY, P(duplicate), UNIT },
	{ "reorder", PROBABILITY, P(reorder), UNIT },
	{ "reorder_ms", MS, P(reorder_us), TIME },
};

#define NKEYS (sizeof(keys) / sizeof(keys[0]))

void
mulelink_settings_init(struct mulelink_settings *s)
{
	memset(s, 0, sizeof(*s));
	s->medium.carrier_sense = true;
	s->medium.slot_us = MULELINK_SLOT_AUTO;
	s->medium.slots = SLOTS_DEFAULT;
	s->medium.overhead = OVERHEAD_DEFAULT;
	s->medium.queue_max = QUEUE_DEFAULT;
	s->path.heard = true;
	s->path.burst_leave = 1;
	s->path.burst_loss = 1;
}

/* --- values ------------------------------------------------------------------- */

static bool
is_number(const char *text, const char *end)
{
	return end != text && *end == '\0' && text[0] >= '+' && text[0] <= '9';
}

static bool
parse(const struct mulelink_key *k, const char *text, double *ret_value)
{
	char *end;
	double v;

	if (k->kind == BOOL) {
		*ret_value = strcmp(text, "true") == 0;
		return *ret_value == 1 || strcmp(text, "false") == 0;
	}
	v = strtod(text, &end);
	if (!is_number(text, end) || !(v >= k->least && v <= k->most))
		return false;
	if ((k->kind == U32 || k->kind == U64) && v != floor(v))
		return false;
	*ret_value = v;
	return true;
}

static void
store(const struct mulelink_key *k, void *base, double v)
{
	char *at = (char *)base + k->offset;

	switch (k->kind) {
	case BOOL: *(bool *)(void *)at = v != 0; break;
	case PROBABILITY: *(double *)(void *)at = v; break;
	case MS: *(uint64_t *)(void *)at = (uint64_t)(v * 1000 + 0.5); break;
	case U32: *(uint32_t *)(void *)at = (uint32_t)v; break;
	case U64: *(uint64_t *)(void *)at = (uint64_t)v; break;
	}
}

static double
fetch(const struct mulelink_key *k, const void *base)
{
	const char *at = (const char *)base + k->offset;

	switch (k->kind) {
	case BOOL: return *(const bool *)(const void *)at;
	case PROBABILITY: return *(const double *)(const void *)at;
	case MS: return (double)*(const uint64_t *)(const void *)at / 1000;
	case U32: return *(const uint32_t *)(const void *)at;
	case U64: return (double)*(const uint64_t *)(const void *)at;
	}
	return 0;
}

static const struct mulelink_key *
find(const char *name)
{
	for (size_t i = 0; i < NKEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

bool
mulelink_duration(const char *text, uint64_t *ret_us)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = {
		{ "", 1e6 },
		{ "ms", 1e3 },
		{ "s", 1e6 },
		{ "m", 60e6 },
		{ "h", 3600e6 },
	};
	char *end;
	double v = strtod(text, &end);

	if (end == text || text[0] < '+' || text[0] > '9')
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		v *= units[i].us;
		/* A year, far from where a sum could overflow. */
		if (!(v >= 0 && v <= 366 * 24 * 3600e6))
			return false;
		*ret_us = (uint64_t)(v + 0.5);
		return true;
	}
	return false;
}

bool
mulelink_is_name(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len < MULELINK_NAME_MAX && text[0] != '.' &&
	       strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-") == len;
}

/* --- setting -------------------------------------------------------------------- */

const char *
mulelink_set(struct mulelink_settings *s, const char *key, const char *value)
{
	const struct mulelink_key *k = find(key);
	double v;

	if (k == NULL)
		return "no such key";
	if (!parse(k, value, &v))
		return k->expected;
	store(k, k->of_path ? (void *)&s->path : (void *)&s->medium, v);
	return NULL;
}

/* The rule for the same is taken out, so that the new one is the last. */
static void
forget(struct mulelink_settings *s, const struct mulelink_rule *like)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->nrules; i++) {
		const struct mulelink_rule *r = &s->rules[i];

		if (r->key != like->key || strcmp(r->from, like->from) != 0 ||
		    strcmp(r->to, like->to) != 0)
			s->rules[kept++] = *r;
	}
	s->nrules = kept;
}

static bool
is_end(const char *text)
{
	return strcmp(text, "*") == 0 || mulelink_is_name(text);
}

const char *
mulelink_set_pair(struct mulelink_settings *s, const char *from, const char *to,
    const char *key, const char *value)
{
	struct mulelink_rule r = { .key = find(key) };

	if (!is_end(from) || !is_end(to))
		return "a node or * was expected";
	if (r.key == NULL || !r.key->of_path)
		return "no such key of a pair";
	if (!parse(r.key, value, &r.value))
		return r.key->expected;
	snprintf(r.from, sizeof(r.from), "%s", from);
	snprintf(r.to, sizeof(r.to), "%s", to);
	forget(s, &r);
	if (s->nrules == MULELINK_RULES_MAX)
		return "there are too many settings of pairs";
	s->rules[s->nrules++] = r;
	return NULL;
}

struct channel_medium
mulelink_medium(const struct mulelink_settings *s)
{
	struct channel_medium m = s->medium;

	if (m.slot_us == MULELINK_SLOT_AUTO)
		m.slot_us = m.turnaround_us + m.sense_us + s->path.delay_us +
			    SLOT_MARGIN_US;
	return m;
}

static bool
matches(const char *pattern, const char *name)
{
	return strcmp(pattern, "*") == 0 || strcmp(pattern, name) == 0;
}

struct channel_path
mulelink_path(
    const struct mulelink_settings *s, const char *from, const char *to)
{
	struct channel_path p = s->path;

	for (unsigned i = 0; i < s->nrules; i++) {
		const struct mulelink_rule *r = &s->rules[i];

		if (matches(r->from, from) && matches(r->to, to))
			store(r->key, &p, r->value);
	}
	return p;
}

/* --- showing ---------------------------------------------------------------------- */

static void
show(const struct mulelink_key *k, double v, FILE *to)
{
	if (k->kind == BOOL)
		fprintf(to, "\"%s\":%s", k->name, v != 0 ? "true" : "false");
	else
		fprintf(to, "\"%s\":%.15g", k->name, v);
}

void
mulelink_show_settings(const struct mulelink_settings *s, FILE *to)
{
	const struct channel_medium m = mulelink_medium(s);

	for (size_t i = 0; i < NKEYS; i++) {
		const struct mulelink_key *k = &keys[i];

		fputs(i > 0 ? "," : "", to);
		show(k,
		    fetch(k,
			k->of_path ? (const void *)&s->path : (const void *)&m),
		    to);
	}
}

void
mulelink_show_rules(const struct mulelink_settings *s, FILE *to)
{
	fputc('[', to);
	for (unsigned i = 0; i < s->nrules; i++) {
		const struct mulelink_rule *r = &s->rules[i];

		fprintf(to, "%s{\"from\":\"%s\",\"to\":\"%s\",",
		    i > 0 ? "," : "", r->from, r->to);
		show(r->key, r->value, to);
		fputc('}', to);
	}
	fputc(']', to);
}

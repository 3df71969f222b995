/*
 * The settings of a channel by name: the same names, units and ranges in the
 * configuration, on the control socket and in mulelink(1).
 */
#ifndef MULETEER_TOOLS_MULELINK_KEYS_H
#define MULETEER_TOOLS_MULELINK_KEYS_H

#include <stdio.h>

#include "tools/channel.h"

#define MULELINK_NAME_MAX 32
#define MULELINK_RULES_MAX 1024

/* slot_us: long enough that who is a slot later hears the other. */
#define MULELINK_SLOT_AUTO UINT64_MAX

/* X(name): of the medium, and of a path. */
#define MULELINK_MEDIUM_KEYS(X) \
	X(bit_rate) \
	X(half_duplex) \
	X(turnaround_ms) \
	X(collisions) \
	X(carrier_sense) \
	X(sense_ms) \
	X(slot_ms) \
	X(slots) \
	X(overhead) \
	X(queue)
#define MULELINK_PATH_KEYS(X) \
	X(heard) \
	X(delay_ms) \
	X(jitter_ms) \
	X(loss) \
	X(ber) \
	X(burst_enter) \
	X(burst_leave) \
	X(burst_loss) \
	X(duplicate) \
	X(reorder) \
	X(reorder_ms)

struct mulelink_key;

/* "*" as from or to means every node. */
struct mulelink_rule {
	char from[MULELINK_NAME_MAX], to[MULELINK_NAME_MAX];
	const struct mulelink_key *key;
	double value;
};

/* What a channel is set to; later rules win. */
struct mulelink_settings {
	struct channel_medium medium;
	struct channel_path path;
	struct mulelink_rule rules[MULELINK_RULES_MAX];
	unsigned nrules;
};

void mulelink_settings_init(struct mulelink_settings *s);

/* NULL, or what was expected instead, in static memory. */
const char *mulelink_set(
    struct mulelink_settings *s, const char *key, const char *value);
const char *mulelink_set_pair(struct mulelink_settings *s, const char *from,
    const char *to, const char *key, const char *value);

/* A number with unit ms, s (none is s), m or h, in microseconds. */
bool mulelink_duration(const char *text, uint64_t *ret_us);

/* An address or an interface: letters, digits, '.', '_', '-'. */
bool mulelink_is_name(const char *text);

/* What the engine is to be given. */
struct channel_medium mulelink_medium(const struct mulelink_settings *s);
struct channel_path mulelink_path(
    const struct mulelink_settings *s, const char *from, const char *to);

/* As JSON: "key":value,... and the rules as [{...},...]. */
void mulelink_show_settings(const struct mulelink_settings *s, FILE *to);
void mulelink_show_rules(const struct mulelink_settings *s, FILE *to);

#endif

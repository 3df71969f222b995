#include "tools/mulelink.h"

#include <inttypes.h>
#include <string.h>

#define WORDS_MAX 8
#define LINE_MAX_OCTETS 512

const char mulelink_command_help[] =
    "  show                       settings, pairs, fades and counts\n"
    "  stats                      counts\n"
    "  set KEY VALUE              for all: set loss 0.2\n"
    "  pair FROM TO KEY VALUE     one direction: pair 10.0.0.1 * loss 1\n"
    "  fade TIME [NODE]           from now on for so long: fade 30s\n"
    "  fade clear                 end all fades, the scheduled ones too\n"
    "Keys are those of the configuration, see mulelink(1).\n";

static void
fail(FILE *answer, const char *key, const char *why)
{
	fprintf(answer, "{\"ok\":false,\"error\":\"%s%s%s\"}\n", key,
	    key[0] != '\0' ? ": " : "", why);
}

static void
say_result(struct link *l, FILE *answer, const char *error)
{
	if (error != NULL) {
		fail(answer, "", error);
		return;
	}
	mulelink_apply(l);
	fputs("{\"ok\":true}\n", answer);
}

static void
show_fades(const struct link *l, FILE *to)
{
	unsigned n;
	const struct channel_fade *f = channel_fades(l->channel, &n);

	fputc('[', to);
	for (unsigned i = 0; i < n; i++) {
		fprintf(to,
		    "%s{\"start_s\":%.3f,\"length_s\":%.3f,\"every_s\":%.3f,"
		    "\"loss\":%.15g",
		    i > 0 ? "," : "",
		    (double)(int64_t)(f[i].start_us - l->start_us) / 1e6,
		    (double)f[i].length_us / 1e6, (double)f[i].every_us / 1e6,
		    f[i].loss);
		if (f[i].node >= 0)
			fprintf(
			    to, ",\"node\":\"%s\"", l->nodes[f[i].node].name);
		fputc('}', to);
	}
	fputc(']', to);
}

static void
show(const struct link *l, FILE *to)
{
	fputs("{\"ok\":true,\"settings\":{", to);
	mulelink_show_settings(&l->cfg.settings, to);
	fputs("},\"pairs\":", to);
	mulelink_show_rules(&l->cfg.settings, to);
	fputs(",\"fades\":", to);
	show_fades(l, to);
	fputc(',', to);
	mulelink_write_stats(l, to);
	fputs("}\n", to);
}

static void
fade(struct link *l, const char *time, const char *node, FILE *answer)
{
	uint64_t now = mulelink_now_us();
	struct channel_fade f = { .start_us = now, .loss = 1, .node = -1 };

	if (!mulelink_duration(time, &f.length_us)) {
		fail(answer, "fade", "a time was expected, as 30s or 500ms");
		return;
	}
	if (node != NULL) {
		f.node = mulelink_find(l, node);
		if (f.node < 0) {
			fail(answer, "fade", "no such node");
			return;
		}
	}
	if (channel_add_fade(l->channel, now, &f))
		fputs("{\"ok\":true}\n", answer);
	else
		fail(answer, "fade", "there are too many");
}

static unsigned
split(char *text, char *words[WORDS_MAX])
{
	unsigned n = 0;
	char *rest = text, *word;

	while (n < WORDS_MAX && (word = strsep(&rest, " \t\r")) != NULL)
		if (*word != '\0')
			words[n++] = word;
	return n;
}

static bool
is(char *const *words, unsigned n, const char *command, unsigned count)
{
	return n == count && strcmp(words[0], command) == 0;
}

void
mulelink_command(struct link *l, const char *line, FILE *answer)
{
	char text[LINE_MAX_OCTETS], *w[WORDS_MAX];
	struct mulelink_settings *s = &l->cfg.settings;
	unsigned n;

	snprintf(text, sizeof(text), "%s", line);
	n = split(text, w);
	if (is(w, n, "show", 1)) {
		show(l, answer);
	} else if (is(w, n, "stats", 1)) {
		fputs("{\"ok\":true,", answer);
		mulelink_write_stats(l, answer);
		fputs("}\n", answer);
	} else if (is(w, n, "set", 3)) {
		say_result(l, answer, mulelink_set(s, w[1], w[2]));
	} else if (is(w, n, "pair", 5)) {
		say_result(
		    l, answer, mulelink_set_pair(s, w[1], w[2], w[3], w[4]));
	} else if (is(w, n, "fade", 2) && strcmp(w[1], "clear") == 0) {
		channel_clear_fades(l->channel);
		fputs("{\"ok\":true}\n", answer);
	} else if (is(w, n, "fade", 2) || is(w, n, "fade", 3)) {
		fade(l, w[1], n == 3 ? w[2] : NULL, answer);
	} else {
		fail(answer, "",
		    "no such command; show, stats, set KEY VALUE, "
		    "pair FROM TO KEY VALUE, fade TIME [NODE]");
	}
}

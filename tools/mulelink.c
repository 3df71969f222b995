/*
 * mulelink: a radio channel, for gateways on loopback or, as root, between
 * network interfaces.  tools/channel.h decides who hears what and when.
 */
#include "tools/mulelink.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STATS_MS 1000

uint64_t
mulelink_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- the channel -------------------------------------------------------------------- */

static void pump(struct link *l);

static void
on_timer(uv_timer_t *t)
{
	pump(t->data);
}

static void
happen(struct link *l, const struct channel_event *ev, uint64_t now_us)
{
	if (ev->kind == CHANNEL_HEARD)
		l->mode->deliver(l, ev->node, ev->data, ev->len);
	if (l->recorder != NULL)
		recorder_write(l->recorder, ev,
		    ev->node >= 0 ? l->nodes[ev->node].name : NULL, now_us);
}

/* Do what has come due, then sleep until the next does. */
static void
pump(struct link *l)
{
	uint64_t now = mulelink_now_us(), at;
	struct channel_event ev;

	while (channel_next(l->channel, now, &ev))
		happen(l, &ev, now);
	at = channel_deadline(l->channel);
	if (at == CHANNEL_NEVER) {
		uv_timer_stop(&l->timer);
		return;
	}
	uv_update_time(&l->loop);
	uv_timer_start(
	    &l->timer, on_timer, at > now ? (at - now + 999) / 1000 : 0, 0);
}

void
mulelink_send(struct link *l, int from, int to, size_t len)
{
	if (channel_send(l->channel, mulelink_now_us(), from, to, l->buf, len))
		pump(l);
}

void
mulelink_apply(struct link *l)
{
	const struct mulelink_settings *s = &l->cfg.settings;
	const struct channel_medium medium = mulelink_medium(s);

	channel_set_medium(l->channel, &medium);
	for (int i = 0; i < l->nnodes; i++)
		for (int j = 0; j < l->nnodes; j++) {
			const struct channel_path p = mulelink_path(
			    s, l->nodes[i].name, l->nodes[j].name);

			channel_set_path(l->channel, i, j, &p);
		}
	pump(l);
}

/* The configured fades of one node, or of all. */
static void
add_fades(struct link *l, const char *name, int node)
{
	for (unsigned i = 0; i < l->cfg.nfades; i++) {
		const struct mulelink_fade *from = &l->cfg.fades[i];
		struct channel_fade f = from->fade;

		if (strcmp(from->node, name) != 0)
			continue;
		f.start_us += l->start_us;
		f.node = node;
		if (!channel_add_fade(l->channel, mulelink_now_us(), &f))
			fprintf(stderr, "mulelink: too many fades\n");
	}
}

int
mulelink_find(const struct link *l, const char *name)
{
	for (int i = 0; i < l->nnodes; i++)
		if (strcmp(l->nodes[i].name, name) == 0)
			return i;
	return -1;
}

int
mulelink_join(struct link *l, const char *name)
{
	int node = channel_join(l->channel);

	if (node < 0)
		return -1;
	l->nnodes = node + 1;
	snprintf(l->nodes[node].name, sizeof(l->nodes[node].name), "%s", name);
	add_fades(l, name, node);
	mulelink_apply(l);
	if (l->verbose)
		fprintf(stderr, "mulelink: node %s joined\n", name);
	return node;
}

/* --- start and end ---------------------------------------------------------------------- */

static void
on_stats(uv_timer_t *t)
{
	struct link *l = t->data;

	mulelink_save_stats(l);
	if (l->recorder != NULL)
		recorder_flush(l->recorder);
}

static void
on_signal(uv_signal_t *s, int signum)
{
	(void)signum;
	uv_stop(s->loop);
}

static void
open_loop(struct link *l)
{
	uv_loop_init(&l->loop);
	uv_timer_init(&l->loop, &l->timer);
	uv_timer_init(&l->loop, &l->stats);
	uv_signal_init(&l->loop, &l->sigterm);
	uv_signal_init(&l->loop, &l->sigint);
	l->timer.data = l->stats.data = l;
	uv_timer_start(&l->stats, on_stats, STATS_MS, STATS_MS);
	uv_signal_start(&l->sigterm, on_signal, SIGTERM);
	uv_signal_start(&l->sigint, on_signal, SIGINT);
}

static void
close_loop(struct link *l)
{
	control_free(&l->control);
	uv_close((uv_handle_t *)&l->timer, NULL);
	uv_close((uv_handle_t *)&l->stats, NULL);
	uv_close((uv_handle_t *)&l->sigterm, NULL);
	uv_close((uv_handle_t *)&l->sigint, NULL);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	uv_loop_close(&l->loop);
}

static bool
open_channel(struct link *l)
{
	struct channel_config cfg = {
		.wrapping = l->mode->wrapping,
		.seed = l->cfg.seed,
	};

	if (!l->cfg.overhead_given)
		l->cfg.settings.medium.overhead = l->mode->overhead;
	cfg.medium = mulelink_medium(&l->cfg.settings);
	cfg.path = l->cfg.settings.path;
	l->channel = channel_new(&cfg);
	if (l->channel == NULL)
		return false;
	l->start_us = mulelink_now_us();
	add_fades(l, "", -1);
	return true;
}

static bool
open_control(struct link *l)
{
	if (l->control_path == NULL)
		return true;
	l->control = control_new(l, l->control_path);
	return l->control != NULL;
}

static void
work(struct link *l)
{
	fflush(stdout);
	uv_run(&l->loop, UV_RUN_DEFAULT);
	if (l->verbose) {
		mulelink_write_stats(l, stderr);
		fputc('\n', stderr);
	}
	mulelink_save_stats(l);
}

static int
run(struct link *l, const char *air, const char *directory)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	int status = 1;

	l->mode = l->cfg.nbridge > 0 ? &mulelink_bridge : &mulelink_hub;
	sigaction(SIGPIPE, &ignore, NULL);
	open_loop(l);
	if (air != NULL || directory != NULL)
		l->recorder = recorder_new(l->mode, air, directory);
	if ((l->recorder != NULL || (air == NULL && directory == NULL)) &&
	    open_channel(l) && open_control(l) && l->mode->open(l)) {
		work(l);
		l->mode->close(l);
		status = 0;
	}
	close_loop(l);
	recorder_free(&l->recorder);
	channel_free(&l->channel);
	return status;
}

/* --- options ------------------------------------------------------------------------------ */

enum { OPT_SEED = 256 };

static const struct option long_options[] = {
	{ "bridge", required_argument, NULL, 'b' },
	{ "channel", required_argument, NULL, 'C' },
	{ "config", required_argument, NULL, 'c' },
	{ "control", required_argument, NULL, 'u' },
	{ "heard", required_argument, NULL, 'H' },
	{ "help", no_argument, NULL, 'h' },
	{ "listen", required_argument, NULL, 'l' },
	{ "pcap", required_argument, NULL, 'p' },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "stats", required_argument, NULL, 's' },
	{ "verbose", no_argument, NULL, 'v' },
	{ NULL, 0, NULL, 0 },
};

struct options {
	const char *config, *channel, *listen, *seed;
	const char *bridge[CHANNEL_NODES_MAX];
	unsigned nbridge;
	const char *pcap, *heard, *stats, *control;
	bool verbose, help;
};

static int
usage(FILE *to)
{
	fputs("usage: mulelink [OPTIONS] -c FILE | -C NAME\n"
	      "       mulelink ctl SOCKET COMMAND    (mulelink ctl --help)\n"
	      "  -c, --config FILE      the channel, see mulelink(1)\n"
	      "  -C, --channel NAME     a ready-made one: hf-good, hf-poor,\n"
	      "                         uhf-los, satcom, blackout\n"
	      "  -l, --listen ADDR:PORT where the hub listens\n"
	      "  -b, --bridge IFACE     bridge interfaces instead, as root;\n"
	      "                         once for each of them\n"
	      "  -p, --pcap FILE        write what is on the air there\n"
	      "  -H, --heard DIR        and what each node hears, NODE.pcap\n"
	      "  -s, --stats FILE       counts, once a second, as JSON\n"
	      "  -u, --control SOCKET   take commands while running\n"
	      "      --seed NUMBER      instead of the configured one\n"
	      "  -v, --verbose          who joins, and counts at the end\n",
	    to);
	return to == stdout ? 0 : 2;
}

static bool
take_option(struct options *o, int opt)
{
	switch (opt) {
	case 'b':
		if (o->nbridge == CHANNEL_NODES_MAX)
			return false;
		o->bridge[o->nbridge++] = optarg;
		break;
	case 'C': o->channel = optarg; break;
	case 'c': o->config = optarg; break;
	case 'H': o->heard = optarg; break;
	case 'h': o->help = true; break;
	case 'l': o->listen = optarg; break;
	case 'p': o->pcap = optarg; break;
	case 's': o->stats = optarg; break;
	case 'u': o->control = optarg; break;
	case 'v': o->verbose = true; break;
	case OPT_SEED: o->seed = optarg; break;
	default: return false;
	}
	return true;
}

/* The options that say the same as the configuration, and win. */
static const char *
override(struct link *l, const struct options *o)
{
	char *end;

	if (o->listen != NULL &&
	    !mulelink_parse_listen(o->listen, &l->cfg.listen))
		return "--listen: ADDRESS:PORT was expected";
	if (o->nbridge > 0)
		l->cfg.nbridge = 0;
	for (unsigned i = 0; i < o->nbridge; i++)
		if (!mulelink_add_bridge(&l->cfg, o->bridge[i]))
			return "--bridge: interfaces, each once, were expected";
	if (o->seed == NULL)
		return NULL;
	l->cfg.seed = strtoull(o->seed, &end, 10);
	if (o->seed[0] < '0' || o->seed[0] > '9' || *end != '\0')
		return "--seed: a number was expected";
	return NULL;
}

static bool
load(struct link *l, const struct options *o)
{
	const char *directory = getenv("MULELINK_CHANNELS");
	char path[4096];

	if (o->channel == NULL)
		return mulelink_config_load(o->config, &l->cfg);
	if (!mulelink_is_name(o->channel)) {
		fprintf(stderr, "mulelink: %s: not the name of a channel\n",
		    o->channel);
		return false;
	}
	snprintf(path, sizeof(path), "%s/%s.yaml",
	    directory != NULL ? directory : CHANNELS, o->channel);
	return mulelink_config_load(path, &l->cfg);
}

int
main(int argc, char **argv)
{
	static struct link l;
	struct options o = { .verbose = false };
	const char *error;
	int opt;

	if (argc > 1 && strcmp(argv[1], "ctl") == 0)
		return mulelink_ctl(argc - 1, argv + 1);
	while ((opt = getopt_long(argc, argv, "b:C:c:H:hl:p:s:u:v",
		    long_options, NULL)) != -1)
		if (!take_option(&o, opt))
			return usage(stderr);
	if (o.help)
		return usage(stdout);
	if ((o.config == NULL) == (o.channel == NULL) || optind != argc)
		return usage(stderr);
	if (!load(&l, &o))
		return 2;
	error = override(&l, &o);
	if (error != NULL) {
		fprintf(stderr, "mulelink: %s\n", error);
		return 2;
	}
	l.stats_path = o.stats;
	l.control_path = o.control;
	l.verbose = o.verbose;
	return run(&l, o.pcap, o.heard);
}

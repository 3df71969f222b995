/* mulecap: the command line.  What a subcommand does is in cap_NAME.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cap_feed.h"
#include "tools/cap_replay.h"

enum {
	OPT_JSON = 256,
	OPT_PORTS,
	OPT_ANY,
	OPT_RATE,
	OPT_EMCON,
	OPT_SOURCE,
	OPT_ID,
	OPT_TYPE,
	OPT_NODE,
	OPT_TIME,
	OPT_PARTIAL,
	OPT_ENGINE,
	OPT_CONFIG,
	OPT_LINK,
	OPT_TOLERANCE,
	OPT_LOSSLESS,
	OPT_ALL,
	OPT_ONTO,
	OPT_TO,
	OPT_SPEED,
	OPT_MAP,
	OPT_MAP_ID
};

static const struct option options[] = {
	{ "json", no_argument, NULL, OPT_JSON },
	{ "ports", required_argument, NULL, OPT_PORTS },
	{ "any-port", no_argument, NULL, OPT_ANY },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "emcon", required_argument, NULL, OPT_EMCON },
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "id", required_argument, NULL, OPT_ID },
	{ "type", required_argument, NULL, OPT_TYPE },
	{ "node", required_argument, NULL, OPT_NODE },
	{ "time", required_argument, NULL, OPT_TIME },
	{ "partial", no_argument, NULL, OPT_PARTIAL },
	{ "engine", no_argument, NULL, OPT_ENGINE },
	{ "config", required_argument, NULL, OPT_CONFIG },
	{ "link", required_argument, NULL, OPT_LINK },
	{ "tolerance", required_argument, NULL, OPT_TOLERANCE },
	{ "lossless", no_argument, NULL, OPT_LOSSLESS },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "onto", required_argument, NULL, OPT_ONTO },
	{ "to", required_argument, NULL, OPT_TO },
	{ "speed", required_argument, NULL, OPT_SPEED },
	{ "map", required_argument, NULL, OPT_MAP },
	{ "map-id", required_argument, NULL, OPT_MAP_ID },
	{ NULL, 0, NULL, 0 },
};

static const struct {
	const char *name;
	int (*run)(const struct cap_opts *o);
} commands[] = {
	{ "list", cap_list },
	{ "show", cap_show },
	{ "check", cap_check },
	{ "extract", cap_extract },
	{ "stats", cap_stats },
	{ "report", cap_report },
	{ "replay", cap_replay },
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static int
usage(void)
{
	(void)fputs(
	    "usage: mulecap list|show|check|extract|stats|report|replay "
	    "[options] FILE|-i INTERFACE\n"
	    "       mulecap --help\n",
	    stderr);
	return CAP_UNUSABLE;
}

static int
help(void)
{
	static const char text[] =
	    "usage: mulecap COMMAND [options] FILE|-i INTERFACE\n"
	    "  list      a line for each message and what became of it\n"
	    "  show      PDU by PDU, every field\n"
	    "  check     what breaks the protocol or wastes the air\n"
	    "  extract -o DIR   write the messages to files\n"
	    "  stats     loss, delays, goodput, overhead\n"
	    "  report -o FILE   one page of HTML with pictures\n"
	    "  replay    again, onto a network or into our engine\n"
	    "Options of all:\n"
	    "  --json               JSON instead of text\n"
	    "  --ports LIST         UDP ports (2751-2754)\n"
	    "  --any-port           find P_MUL on any port\n"
	    "  --rate BPS           the rate of the link\n"
	    "  --emcon NODE[:FROM:TO]   who is silent, and when\n"
	    "  --source NODE, --id HEX, --type NAME, --node NODE,\n"
	    "  --time FROM:TO       only what matches\n"
	    "  --partial            extract: incomplete messages, too\n"
	    "Options of replay:\n"
	    "  --engine --config FILE [--link NAME] [--tolerance SECONDS]\n"
	    "      [--lossless] [--all]\n"
	    "  --onto INTERFACE [--to ADDRESS] [--speed FACTOR]\n"
	    "      [--map OLD=NEW] [--map-id OLD=NEW]\n"
	    "Exit status: 0 clean, 1 findings or differences, 2 unusable.\n"
	    "See mulecap(1).\n";

	(void)fputs(text, stdout);
	return CAP_CLEAN;
}

static bool
read_node(const char *s, uint32_t *ret_id)
{
	struct in_addr a;

	if (inet_pton(AF_INET, s, &a) != 1)
		return false;
	*ret_id = ntohl(a.s_addr);
	return true;
}

/* FROM:TO in seconds, either of them empty. */
static bool
read_span(const char *s, double *ret_from, double *ret_to)
{
	char *end;
	double from = -INFINITY, to = INFINITY;

	if (*s != ':') {
		from = strtod(s, &end);
		if (end == s)
			return false;
		s = end;
	}
	if (*s++ != ':')
		return false;
	if (*s != '\0') {
		to = strtod(s, &end);
		if (end == s || *end != '\0')
			return false;
	}
	*ret_from = from;
	*ret_to = to;
	return true;
}

static bool
read_emcon(struct cap_opts *o, const char *s)
{
	struct cap_emcon e = { 0, -INFINITY, INFINITY };
	size_t n = strcspn(s, ":");
	char node[16];

	if (n >= sizeof(node) || o->nemcon == CAP_EMCON_MAX)
		return false;
	memcpy(node, s, n);
	node[n] = '\0';
	if (!read_node(node, &e.node) ||
	    (s[n] == ':' && !read_span(s + n + 1, &e.from_s, &e.to_s)))
		return false;
	o->emcon[o->nemcon++] = e;
	return true;
}

/* 2751-2754,9000 */
static bool
read_ports(struct cap_opts *o, const char *s)
{
	o->nports = 0;
	for (;; s++) {
		char *end;
		unsigned long a = strtoul(s, &end, 10), b = a;

		if (end == s)
			return false;
		if (*end == '-')
			b = strtoul(s = end + 1, &end, 10);
		if (end == s || a == 0 || a > b || b > 65535 ||
		    b - a >= CAP_PORTS_MAX - o->nports)
			return false;
		for (; a <= b; a++)
			o->ports[o->nports++] = (uint16_t)a;
		s = end;
		if (*s == '\0')
			return true;
		if (*s != ',')
			return false;
	}
}

static bool
read_type(const char *s, unsigned *ret_type)
{
	for (unsigned t = 0; t < 64; t++) {
		const char *name = pmul_pdu_name(t);
		size_t n = strlen(s);

		/* "Data" is enough for "Data_PDU". */
		if (name != NULL && strncasecmp(name, s, n) == 0 &&
		    (name[n] == '\0' || name[n] == '_')) {
			*ret_type = t;
			return true;
		}
	}
	return false;
}

static bool
read_number(const char *s, int base, uint32_t *ret_n)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(s, &end, base);
	if (end == s || *end != '\0' || errno != 0 || v > UINT32_MAX)
		return false;
	*ret_n = (uint32_t)v;
	return true;
}

static bool
read_rate(const char *s, double *ret_rate)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end != '\0' || !(v > 0) || !isfinite(v))
		return false;
	*ret_rate = v;
	return true;
}

/* FROM=TO, nodes or Message_IDs. */
static bool
read_map(const char *s, bool nodes, struct cap_map *maps, size_t *n)
{
	struct cap_map *m = &maps[*n];
	size_t len = strcspn(s, "=");
	char from[16];

	if (len >= sizeof(from) || s[len] != '=' || *n == CAP_MAPS_MAX)
		return false;
	memcpy(from, s, len);
	from[len] = '\0';
	s += len + 1;
	if (nodes ? !read_node(from, &m->from) || !read_node(s, &m->to)
		  : !read_number(from, 16, &m->from) ||
			!read_number(s, 16, &m->to))
		return false;
	(*n)++;
	return true;
}

static bool
read_real(const char *s, double *ret_v)
{
	char *end;
	double v = strtod(s, &end);

	if (end == s || *end != '\0' || !(v >= 0) || v > 1e6)
		return false;
	*ret_v = v;
	return true;
}

static bool
take_replay_option(struct cap_replay *r, int c)
{
	switch (c) {
	case OPT_ENGINE: r->engine = true; return true;
	case OPT_LOSSLESS: r->lossless = true; return true;
	case OPT_ALL: r->all = true; return true;
	case OPT_CONFIG: r->config = optarg; return true;
	case OPT_LINK: r->link = optarg; return true;
	case OPT_ONTO: r->interface = optarg; return true;
	case OPT_TO: r->to = optarg; return true;
	case OPT_TOLERANCE: return read_real(optarg, &r->tolerance_s);
	case OPT_SPEED: return read_real(optarg, &r->speed);
	case OPT_MAP: return read_map(optarg, true, r->nodes, &r->nnodes);
	case OPT_MAP_ID: return read_map(optarg, false, r->msids, &r->nmsids);
	default: return false;
	}
}

static bool
take_option(struct cap_opts *o, int c)
{
	switch (c) {
	case 'i': o->interface = optarg; return true;
	case 'o': o->dir = optarg; return true;
	case OPT_JSON: o->json = true; return true;
	case OPT_ANY: o->any_port = true; return true;
	case OPT_PARTIAL: o->partial = true; return true;
	case OPT_PORTS: return read_ports(o, optarg);
	case OPT_RATE: return read_rate(optarg, &o->rate);
	case OPT_EMCON: return read_emcon(o, optarg);
	case OPT_SOURCE:
		o->by_source = true;
		return read_node(optarg, &o->source);
	case OPT_ID:
		o->by_msid = true;
		return read_number(optarg, 16, &o->msid);
	case OPT_TYPE: o->by_type = true; return read_type(optarg, &o->type);
	case OPT_NODE: o->by_node = true; return read_node(optarg, &o->node);
	case OPT_TIME: return read_span(optarg, &o->from_s, &o->to_s);
	default: return take_replay_option(&cap_replay_options, c);
	}
}

/* What stands alone, or behind a command. */
static bool
asks_for(int argc, char **argv, const char *option)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], option) == 0)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	struct cap_opts o = { .from_s = -INFINITY, .to_s = INFINITY };
	size_t command = 0;
	int c, rc;

	if (asks_for(argc, argv, "--help"))
		return help();
	if (asks_for(argc, argv, "--version"))
		return printf("mulecap %s\n", VERSION) < 0;
	(void)read_ports(&o, "2751-2754");
	while (argc > 1 && command < NCOMMANDS &&
	       strcmp(commands[command].name, argv[1]) != 0)
		command++;
	if (argc < 2 || command == NCOMMANDS)
		return usage();
	argc--;
	argv++;
	while ((c = getopt_long(argc, argv, "i:o:", options, NULL)) != -1)
		if (!take_option(&o, c))
			return usage();
	if (argc - optind != (o.interface == NULL ? 1 : 0) ||
	    ((commands[command].run == cap_extract ||
		 commands[command].run == cap_report) &&
		o.dir == NULL))
		return usage();
	o.file = argv[optind];
	rc = commands[command].run(&o);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "mulecap: %s\n", strerror(errno));
		return CAP_UNUSABLE;
	}
	return rc;
}

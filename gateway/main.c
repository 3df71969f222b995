/*
 * muled: the command line, start-up, signals and shutdown.
 *
 * Start-up goes upwards (queue, links, control socket, SMTP), shutdown comes
 * down again: stop what brings in work, let what is under way end, stop the
 * links, and close the queue last, so that every answer the world gets is
 * backed by a commit.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/clock.h"
#include "gateway/control.h"
#include "gateway/dns.h"
#include "gateway/gateway.h"
#include "gateway/log.h"
#include "gateway/mule_link.h"
#include "gateway/room.h"
#include "gateway/sched.h"
#include "gateway/smtp_in.h"
#include "gateway/tls.h"

#define DEFAULT_CONFIG "/etc/muleteer/muled.yaml"
#define CONFIG_MAX (1024 * 1024)
/* How long SIGTERM lets SMTP sessions go on. */
#define DRAIN_MS 10000
#define DRAIN_LOOK_MS 50

enum exit_code { EXIT_OK = 0, EXIT_OUTSIDE = 1, EXIT_CONFIG = 2 };

struct daemon {
	uv_loop_t loop;
	struct gateway gw;
	struct cfg *cfg;
	struct control *control;
	struct smtp_in *smtp_in;
	uv_signal_t sigterm, sigint;
	uv_timer_t drain;
	uint64_t drain_until_ms;
	bool stopping;
	size_t links_open;
};

uint64_t
gateway_random(struct gateway *gw, uint64_t bound)
{
	/* splitmix64 */
	uint64_t z = gw->random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % bound;
}

/* --- shutdown, from the top down -------------------------------------------- */

static void
queue_closed(void *ctx)
{
	(void)ctx;
	log_event(GW_LOG_INFO, "muled.stopped", "pid=%d", (int)getpid());
}

static void
control_closed(void *ctx)
{
	struct daemon *d = ctx;

	sched_free(&d->gw.sched);
	room_close(&d->gw.room);
	dns_free(&d->gw.dns);
	tls_context_free(&d->gw.tls_any);
	tls_context_free(&d->gw.tls_verify);
	if (d->gw.queue != NULL)
		queue_close(&d->gw.queue, queue_closed, d);
}

static void
link_closed(void *ctx)
{
	struct daemon *d = ctx;

	if (--d->links_open > 0)
		return;
	control_close(&d->control, control_closed, d);
}

static void
close_links(struct daemon *d)
{
	/* One more than there are, for the call below. */
	d->links_open = 1;
	for (size_t i = 0; i < d->gw.nlinks; i++) {
		if (d->gw.links[i] == NULL)
			continue;
		d->links_open++;
		mule_link_close(&d->gw.links[i], link_closed, d);
	}
	d->gw.nlinks = 0;
	link_closed(d);
}

static void
smtp_in_closed(void *ctx)
{
	struct daemon *d = ctx;

	uv_close((uv_handle_t *)&d->drain, NULL);
	uv_close((uv_handle_t *)&d->sigterm, NULL);
	uv_close((uv_handle_t *)&d->sigint, NULL);
	close_links(d);
}

static void
close_now(struct daemon *d)
{
	uv_timer_stop(&d->drain);
	if (d->gw.sched != NULL)
		sched_abort(d->gw.sched);
	smtp_in_close(&d->smtp_in, smtp_in_closed, d);
}

static void
on_drain(uv_timer_t *t)
{
	struct daemon *d = t->data;
	bool quiet = smtp_in_sessions(d->smtp_in) == 0 &&
		     sched_connections(d->gw.sched) == 0;

	if (quiet || uv_now(&d->loop) >= d->drain_until_ms)
		close_now(d);
}

static void
on_signal(uv_signal_t *s, int signum)
{
	struct daemon *d = s->data;

	if (d->stopping) {
		d->drain_until_ms = 0;
		return;
	}
	log_event(GW_LOG_INFO, "muled.stopping", "signal=%d", signum);
	d->stopping = true;
	d->gw.draining = true;
	smtp_in_drain(d->smtp_in);
	sched_drain(d->gw.sched);
	d->drain_until_ms = uv_now(&d->loop) + DRAIN_MS;
	uv_timer_start(&d->drain, on_drain, 0, DRAIN_LOOK_MS);
}

/* --- start-up ---------------------------------------------------------------- */

/* Those that are silent, or those that speak. */
static int
open_links_that(struct daemon *d, bool silent, char *errbuf, size_t errcap)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < d->gw.nlinks; i++)
		if (d->gw.links[i]->own.on == silent)
			rc = mule_link_open(d->gw.links[i], errbuf, errcap);
	return rc;
}

static int
open_links(struct daemon *d, char *errbuf, size_t errcap)
{
	const struct cfg *cfg = d->gw.cfg;
	int rc;

	d->gw.links = calloc(cfg->nlinks + 1, sizeof(*d->gw.links));
	if (d->gw.links == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < cfg->nlinks; i++) {
		rc = mule_link_new(
		    &d->gw, &cfg->links[i], errbuf, errcap, &d->gw.links[i]);
		if (rc != 0)
			return rc;
		d->gw.nlinks++;
	}
	/* Links may share an interface: it is silent before one speaks. */
	rc = open_links_that(d, true, errbuf, errcap);
	return rc == 0 ? open_links_that(d, false, errbuf, errcap) : rc;
}

static void
queue_warns(void *ctx, const char *text)
{
	(void)ctx;
	log_event(GW_LOG_WARN, "queue.warning", "what=\"%s\"", text);
}

static int
open_all(struct daemon *d, char *errbuf, size_t errcap)
{
	struct queue_config qc = {
		.state_dir = d->gw.cfg->node.state_dir,
		.now_s = clock_wall_s(),
		.warn = queue_warns,
	};
	const struct tls_client_config any = { .verify = false };
	const struct tls_client_config good = {
		.verify = true,
		.ca = d->gw.cfg->smtp.tls_ca,
	};
	int rc = queue_open(&qc, &d->loop, errbuf, errcap, &d->gw.queue);

	if (rc == 0)
		rc = room_new(&d->gw, &d->gw.room);
	if (rc == 0)
		rc = dns_new(&d->loop, &d->gw.dns);
	if (rc == 0)
		rc = tls_context_client(&any, errbuf, errcap, &d->gw.tls_any);
	if (rc == 0)
		rc = tls_context_client(
		    &good, errbuf, errcap, &d->gw.tls_verify);
	if (rc == 0)
		rc = sched_new(&d->gw, &d->gw.sched);
	if (rc == 0)
		rc = open_links(d, errbuf, errcap);
	if (rc == 0)
		rc = control_open(
		    &d->gw, d->gw.cfg->control, errbuf, errcap, &d->control);
	if (rc == 0)
		rc = smtp_in_open(&d->gw, errbuf, errcap, &d->smtp_in);
	return rc;
}

static void
init_signals(struct daemon *d)
{
	uv_signal_init(&d->loop, &d->sigterm);
	uv_signal_init(&d->loop, &d->sigint);
	uv_timer_init(&d->loop, &d->drain);
	d->sigterm.data = d->sigint.data = d->drain.data = d;
}

/*
 * Not before everything is open, because opening runs the loop: a signal until
 * then ends the process as if nobody cared, and nothing has been promised.
 */
static void
start_signals(struct daemon *d)
{
	uv_signal_start(&d->sigterm, on_signal, SIGTERM);
	uv_signal_start(&d->sigint, on_signal, SIGINT);
}

/* Peers close connections as they like; write() says so as well. */
static void
ignore_sigpipe(void)
{
	struct sigaction sa = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &sa, NULL);
}

static int
run(struct cfg *cfg)
{
	static struct daemon d;
	char errbuf[512] = "out of memory";
	int rc;

	ignore_sigpipe();
	d.cfg = cfg;
	d.gw.cfg = cfg;
	d.gw.loop = &d.loop;
	d.gw.started = clock_now();
	(void)!getrandom(&d.gw.random, sizeof(d.gw.random), 0);
	uv_loop_init(&d.loop);
	init_signals(&d);
	rc = open_all(&d, errbuf, sizeof(errbuf));
	if (rc != 0) {
		log_event(GW_LOG_ERR, "muled.start", "why=\"%s\"", errbuf);
		d.stopping = true;
		close_now(&d);
	} else {
		start_signals(&d);
		sched_start(d.gw.sched);
		for (size_t i = 0; i < d.gw.nlinks; i++)
			mule_link_start(d.gw.links[i]);
		log_event(GW_LOG_INFO, "muled.ready",
		    "hostname=%s version=%s pid=%d", cfg->node.hostname,
		    VERSION, (int)getpid());
	}
	uv_run(&d.loop, UV_RUN_DEFAULT);
	/* Anything left on the loop would be ours, and forgotten. */
	if (uv_loop_close(&d.loop) != 0)
		log_event(GW_LOG_ERR, "muled.leak", "what=\"loop handles\"");
	free(d.gw.links);
	return rc == 0 ? EXIT_OK : EXIT_OUTSIDE;
}

/* --- the command line ------------------------------------------------------------ */

/* The whole file in *ret_text (malloc'd); false with errno set. */
static bool
read_file(const char *path, char **ret_text, size_t *ret_len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	struct stat st;
	ssize_t n = -1;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) == 0 && st.st_size > CONFIG_MAX)
		errno = EFBIG;
	else if ((text = malloc(CONFIG_MAX)) != NULL)
		n = read(fd, text, CONFIG_MAX);
	close(fd);
	if (n < 0) {
		free(text);
		return false;
	}
	*ret_text = text;
	*ret_len = (size_t)n;
	return true;
}

static struct cfg *
load(const char *path)
{
	char err[1024];
	struct cfg *cfg = NULL;
	char *text;
	size_t len;

	if (!read_file(path, &text, &len)) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return NULL;
	}
	if (cfg_load(text, len, path, &cfg, err, sizeof(err)) != 0)
		fprintf(stderr, "%s\n", err);
	free(text);
	return cfg;
}

static int
usage(FILE *to)
{
	fputs("usage: muled [-tvV] [-c FILE]\n"
	      "  -c FILE  configuration (" DEFAULT_CONFIG ")\n"
	      "  -t       check the configuration and exit\n"
	      "  -v       log at debug level\n"
	      "  -V       print the version and exit\n",
	    to);
	return to == stdout ? EXIT_OK : EXIT_CONFIG;
}

int
main(int argc, char **argv)
{
	const char *path = DEFAULT_CONFIG;
	bool test = false;
	struct cfg *cfg;
	int opt, rc;

	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout);
	while ((opt = getopt(argc, argv, "c:thvV")) != -1) {
		switch (opt) {
		case 'c': path = optarg; break;
		case 't': test = true; break;
		case 'v': log_set_level(GW_LOG_DEBUG); break;
		case 'V': puts("muled " VERSION); return EXIT_OK;
		case 'h': return usage(stdout);
		default: return usage(stderr);
		}
	}
	if (optind != argc)
		return usage(stderr);
	cfg = load(path);
	if (cfg == NULL)
		return EXIT_CONFIG;
	rc = test ? EXIT_OK : run(cfg);
	cfg_free(&cfg);
	return rc;
}

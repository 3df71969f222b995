#include "tools/cap_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define MESSAGES_MAX 8192
#define BYTES_MAX (32U << 20)
/* With contents; a radio carries no message as large as half of this. */
#define KEPT_MAX (128U << 20)
/* EMCON lasts days: a message is forgotten after two of silence. */
#define AGE_US (UINT64_C(48) * 3600 * 1000000)
/* Frames between two looks at the progress. */
#define PROGRESS_EVERY 65536

struct feed {
	const struct cap_opts *o;
	const struct cap_visitor *v;
	pcap_t *pcap;
	struct cap_reader *reader;
	uint64_t frames, first_us;
	uint64_t seen; /* P_MUL datagrams */
	uint64_t cut, bad;
	off_t size;  /* of the file; 0: unknown, no progress */
	int percent; /* shown last */
};

/* What a signal ends: pcap_breakloop() may be called in a handler. */
static pcap_t *live;

static void
on_signal(int sig)
{
	(void)sig;
	pcap_breakloop(live);
}

struct cap_quad
cap_quad(uint32_t id)
{
	struct cap_quad q;

	(void)snprintf(q.s, sizeof(q.s), "%u.%u.%u.%u", id >> 24,
	    id >> 16 & 255, id >> 8 & 255, id & 255);
	return q;
}

bool
cap_default_model(bool keep, void (*done)(void *, const struct cap_message *),
    void *ctx, struct cap_model **ret_m)
{
	struct cap_model_config c = {
		.messages_max = MESSAGES_MAX,
		.bytes_max = keep ? KEPT_MAX : BYTES_MAX,
		.message_max = CAP_CONTENTS_MAX,
		.age_us = AGE_US,
		.keep = keep,
		.done = done,
		.ctx = ctx,
	};

	return getrandom(&c.seed, sizeof(c.seed), 0) ==
		   (ssize_t)sizeof(c.seed) &&
	       cap_model_new(&c, ret_m);
}

static bool
names_node(const struct pmul_pdu *p, uint32_t node)
{
	size_t pos = 0;
	struct pmul_ack_entry e;

	if (p->source == node)
		return true;
	if (p->type == PMUL_ACK)
		while (pmul_pdu_next_ack(p, &pos, &e))
			if (e.source == node)
				return true;
	if (p->type == PMUL_ANNOUNCE)
		for (size_t i = 0; i < p->count; i++)
			if (pmul_pdu_announced(p, i) == node)
				return true;
	if ((p->type & ~0x1aU) == 0 && p->type != PMUL_DATA)
		for (size_t i = 0; i < p->count; i++)
			if (pmul_pdu_dest(p, i).id == node)
				return true;
	return false;
}

static bool
of_message(const struct cap_opts *o, const struct pmul_pdu *p)
{
	struct pmul_ack_entry e;
	size_t pos = 0;

	if (p->type != PMUL_ACK)
		return (!o->by_source || p->source == o->source) &&
		       (!o->by_msid || p->msid == o->msid);
	while (pmul_pdu_next_ack(p, &pos, &e))
		if ((!o->by_source || p->source == o->source ||
			e.source == o->source) &&
		    (!o->by_msid || e.msid == o->msid))
			return true;
	return false;
}

bool
cap_passes(const struct cap_opts *o, const struct cap_seen *s)
{
	if (s->at_s < o->from_s || s->at_s > o->to_s)
		return false;
	if (s->pdu == NULL)
		return !o->by_source && !o->by_msid && !o->by_node &&
		       !o->by_type;
	return (!o->by_type || s->pdu->type == o->type) &&
	       (!o->by_node || names_node(s->pdu, o->node)) &&
	       of_message(o, s->pdu);
}

bool
cap_message_passes(const struct cap_opts *o, const struct cap_message *m)
{
	return (!o->by_source || m->source == o->source) &&
	       (!o->by_msid || m->msid == o->msid) &&
	       (!o->by_node || m->source == o->node ||
		   cap_message_dest(m, o->node) != NULL);
}

static bool
port_wanted(const struct cap_opts *o, const struct cap_datagram *d)
{
	for (size_t i = 0; i < o->nports; i++)
		if (o->ports[i] == d->to.port || o->ports[i] == d->from.port)
			return true;
	return false;
}

static bool
visit(struct feed *f, const struct cap_datagram *d)
{
	bool expected = port_wanted(f->o, d);
	struct pmul_pdu pdu;
	struct cap_seen s = { .d = d };

	if (!expected && !f->o->any_port)
		return true;
	s.err = pmul_pdu_decode(d->data, d->len, &pdu);
	if (!expected && s.err != 0)
		return true;
	if (s.err == 0)
		s.pdu = &pdu;
	f->seen++;
	s.at_s = ((double)d->time_us - (double)f->first_us) / 1e6;
	return f->v->see(f->v->ctx, &s);
}

static void
show_progress(struct feed *f)
{
	FILE *in = pcap_file(f->pcap);
	off_t at = in == NULL ? -1 : ftello(in);
	char bar[41];
	int percent;

	if (f->size == 0 || at < 0)
		return;
	percent = at < f->size ? (int)(at * 100 / f->size) : 100;
	if (percent == f->percent)
		return;
	f->percent = percent;
	memset(bar, ' ', 40);
	memset(bar, '#', (size_t)percent * 40 / 100);
	bar[40] = '\0';
	(void)fprintf(stderr, "\r[%s] %3d %%", bar, percent);
}

/* 0 for a frame that was dealt with. */
static int
take_frame(struct feed *f, const struct pcap_pkthdr *h, const u_char *data)
{
	struct cap_datagram d;
	struct cap_frame fr = { ++f->frames,
		(uint64_t)h->ts.tv_sec * 1000000 + (uint64_t)h->ts.tv_usec,
		data, h->caplen, h->len };

	if (f->frames == 1)
		f->first_us = fr.time_us;
	if (f->frames % PROGRESS_EVERY == 0)
		show_progress(f);
	switch (cap_reader_frame(f->reader, &fr, &d)) {
	case CAP_DATAGRAM:
		if (visit(f, &d))
			return 0;
		(void)fputs("mulecap: out of memory\n", stderr);
		return CAP_UNUSABLE;
	case CAP_CUT: f->cut++; return 0;
	case CAP_BAD: f->bad++; return 0;
	case CAP_OTHER:
	case CAP_HELD: return 0;
	}
	return 0;
}

static const char *
input_name(const struct cap_opts *o)
{
	return o->interface != NULL ? o->interface : o->file;
}

/* Nothing was found, and why. */
static void
say_nothing(const struct feed *f)
{
	const char *why = "no P_MUL on these ports; see --any-port";

	if (f->frames == 0)
		why = "no frames";
	else if (f->cut > 0)
		why = "no P_MUL, and frames that were not captured whole";
	else if (f->bad > 0)
		why = "no P_MUL, and frames with impossible headers";
	else if (f->o->any_port)
		why = "no P_MUL on any port";
	(void)fprintf(stderr, "mulecap: %s: %s\n", input_name(f->o), why);
}

/* What the end of the capture leaves to be said. */
static int
conclude(const struct feed *f, int rc)
{
	const char *name = input_name(f->o);

	if (rc == PCAP_ERROR) {
		(void)fprintf(stderr, "mulecap: %s: after frame %llu: %s\n",
		    name, (unsigned long long)f->frames, pcap_geterr(f->pcap));
		return CAP_UNUSABLE;
	}
	if (f->seen == 0 && f->o->interface == NULL) {
		say_nothing(f);
		return CAP_UNUSABLE;
	}
	if (f->cut + f->bad > 0)
		(void)fprintf(stderr,
		    "mulecap: %s: %llu frames were not captured whole, %llu "
		    "have impossible headers\n",
		    name, (unsigned long long)f->cut,
		    (unsigned long long)f->bad);
	return 0;
}

static int
run(struct feed *f)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	int rc = 0, failed = 0;

	while (failed == 0 && (rc = pcap_next_ex(f->pcap, &h, &data)) >= 0) {
		if (rc > 0)
			failed = take_frame(f, h, data);
		else if (f->o->interface != NULL)
			(void)fflush(stdout);
	}
	if (f->percent > 0)
		(void)fputs("\r\033[K", stderr);
	return failed != 0 ? failed : conclude(f, rc);
}

static pcap_t *
open_file(const char *name, char *err)
{
	FILE *in = strcmp(name, "-") == 0 ? stdin : fopen(name, "rbe");
	pcap_t *p;

	if (in == NULL) {
		(void)snprintf(err, PCAP_ERRBUF_SIZE, "%s", strerror(errno));
		return NULL;
	}
	(void)posix_fadvise(fileno(in), 0, 0, POSIX_FADV_SEQUENTIAL);
	p = pcap_fopen_offline(in, err);
	if (p == NULL && in != stdin)
		(void)fclose(in);
	return p;
}

static void
watch_live(struct feed *f)
{
	struct sigaction sa = { .sa_handler = on_signal };

	live = f->pcap;
	/* Without SA_RESTART: the wait for a frame ends, too. */
	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)fprintf(stderr, "mulecap: listening on %s\n", f->o->interface);
}

static int
feed_open(struct feed *f)
{
	struct stat st;
	int link = pcap_datalink(f->pcap);
	int rc = CAP_UNUSABLE;

	if (f->o->interface == NULL && isatty(STDERR_FILENO) &&
	    fstat(fileno(pcap_file(f->pcap)), &st) == 0 && S_ISREG(st.st_mode))
		f->size = st.st_size;
	if (!cap_link_known(link))
		(void)fprintf(stderr,
		    "mulecap: %s: link type %d is not known\n",
		    input_name(f->o), link);
	else if (!cap_reader_new(link, &f->reader))
		(void)fputs("mulecap: out of memory\n", stderr);
	else {
		if (f->o->interface != NULL)
			watch_live(f);
		rc = run(f);
	}
	cap_reader_free(&f->reader);
	return rc;
}

int
cap_feed(const struct cap_opts *o, const struct cap_visitor *v)
{
	char err[PCAP_ERRBUF_SIZE] = "";
	struct feed f = { .o = o, .v = v };
	int rc;

	if (o->interface != NULL)
		f.pcap = pcap_open_live(o->interface, 65535, 1, 200, err);
	else
		f.pcap = open_file(o->file, err);
	if (f.pcap == NULL) {
		(void)fprintf(stderr, "mulecap: %s: %s\n", input_name(o), err);
		return CAP_UNUSABLE;
	}
	rc = feed_open(&f);
	pcap_close(f.pcap);
	return rc;
}

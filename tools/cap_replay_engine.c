/*
 * mulecap replay --engine: what our engine would have done in the place of one
 * node, and where that differs from what the node did.  How many PDUs are taken
 * as lost is said, so that a node which is deaf does not pass for one that is
 * right.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cfg.h"
#include "gateway/parameters.h"
#include "tools/cap_losses.h"
#include "tools/cap_replay.h"
#include "tools/cap_rerun.h"

#define CONFIG_MAX ((size_t)1 << 20)
/*
 * The tolerance: so much of ACK_RE-TRANSMISSION_TIME, within these, and twice
 * the time that the largest PDU is on the air.
 */
#define TOLERANCE_SHARE 4
#define TOLERANCE_MIN_US 20000
#define TOLERANCE_MAX_US 250000

struct replay {
	const struct cap_opts *o;
	const struct cap_replay *opts;
	struct cap_tape tape;
	struct cap_rerun rerun;
	struct pmul_node *nodes;
	size_t heard, lost;
	bool tired;
};

/* --- configuration --------------------------------------------------------------- */

static char *
read_config(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(CONFIG_MAX);

	if (f != NULL && text != NULL) {
		*ret_len = fread(text, 1, CONFIG_MAX, f);
		if (!ferror(f) && *ret_len < CONFIG_MAX) {
			(void)fclose(f);
			return text;
		}
		errno = ferror(f) ? errno : EFBIG;
	}
	(void)fprintf(stderr, "mulecap: %s: %s\n", path, strerror(errno));
	if (f != NULL)
		(void)fclose(f);
	free(text);
	return NULL;
}

static struct cfg *
load_config(const char *path)
{
	char err[1024];
	struct cfg *cfg = NULL;
	size_t len;
	char *text = read_config(path, &len);

	if (text == NULL)
		return NULL;
	if (cfg_load(text, len, path, &cfg, err, sizeof(err)) != 0)
		(void)fprintf(stderr, "mulecap: %s\n", err);
	free(text);
	return cfg;
}

static const struct cfg_link *
find_link(const struct cfg *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->nlinks; i++)
		if (name == NULL ? cfg->nlinks == 1
				 : strcmp(cfg->links[i].name, name) == 0)
			return &cfg->links[i];
	(void)fprintf(
	    stderr, "mulecap: --link: name one of the configuration's\n");
	return NULL;
}

/* What the configuration says about the other nodes. */
static bool
take_nodes(struct replay *p, const struct cfg *cfg)
{
	p->nodes = calloc(cfg->nnodes + 1, sizeof(*p->nodes));
	if (p->nodes == NULL)
		return false;
	for (size_t i = 0; i < cfg->nnodes; i++) {
		const struct cfg_node *n = &cfg->nodes[i];
		bool ntnu = n->compat == CFG_COMPAT_NTNU;

		if (n->id != p->tape.node && (n->emcon || ntnu))
			p->nodes[p->rerun.nnodes++] =
			    (struct pmul_node){ n->id, n->emcon, ntnu };
	}
	p->rerun.nodes = p->nodes;
	return true;
}

static uint64_t
tolerance_us(const struct replay *p)
{
	const struct pmul_config *c = &p->rerun.pmul;
	uint64_t us = c->ack_retx_us / TOLERANCE_SHARE;

	if (p->opts->tolerance_s >= 0)
		return (uint64_t)(p->opts->tolerance_s * 1e6);
	if (us < TOLERANCE_MIN_US)
		us = TOLERANCE_MIN_US;
	if (us > TOLERANCE_MAX_US)
		us = TOLERANCE_MAX_US;
	if (c->bit_rate > 0)
		us += ((uint64_t)c->pdu_max + c->overhead_bytes) * 16000000 /
		      c->bit_rate;
	return us;
}

static int
configure(struct replay *p)
{
	struct cfg *cfg = load_config(p->opts->config);
	const struct cfg_link *link = NULL;
	const char *what;
	int rc = CAP_UNUSABLE;

	if (cfg != NULL)
		link = find_link(cfg, p->opts->link);
	if (link != NULL) {
		parameters_pmul(cfg, link, &p->rerun.pmul);
		p->tape.node = p->o->by_node ? p->o->node : cfg->node.id;
		p->rerun.pmul.node_id = p->tape.node;
		p->rerun.pmul.seed = 1;
		p->rerun.tolerance_us = tolerance_us(p);
		rc = pmul_config_check(&p->rerun.pmul, &what) == 0 &&
			     take_nodes(p, cfg)
			 ? 0
			 : CAP_UNUSABLE;
	}
	cfg_free(&cfg);
	return rc;
}

/* --- losses ------------------------------------------------------------------------ */

static void
count_losses(struct replay *p)
{
	for (size_t i = 0; i < p->tape.npdus; i++) {
		p->heard += !p->tape.pdus[i].ours;
		p->lost += p->tape.pdus[i].fate == CAP_LOST;
	}
}

/* --- output ---------------------------------------------------------------------------- */

static double
seconds(const struct replay *p, uint64_t at_us)
{
	return ((double)at_us - (double)p->tape.pdus[0].at_us) / 1e6;
}

static void
print(const struct replay *p, const char *what, uint64_t at_us, uint64_t frame,
    const char *text)
{
	json_t *j;

	if (!p->o->json) {
		(void)printf("%.6f ", seconds(p, at_us));
		if (frame > 0)
			(void)printf("frame %" PRIu64 " ", frame);
		(void)printf("%s: %s\n", what, text);
		return;
	}
	j = json_pack("{s:s,s:f,s:s}", "what", what, "time", seconds(p, at_us),
	    "text", text);
	if (j == NULL)
		return;
	if (frame > 0)
		(void)json_object_set_new(
		    j, "frame", json_integer((json_int_t)frame));
	(void)json_dumpf(j, stdout, JSON_COMPACT);
	(void)putchar('\n');
	json_decref(j);
}

/* The last frame up to then, to find the place. */
static uint64_t
frame_before(const struct replay *p, uint64_t at_us)
{
	uint64_t frame = 0;

	for (size_t i = 0; i < p->tape.npdus && p->tape.pdus[i].at_us <= at_us;
	     i++)
		frame = p->tape.pdus[i].frame;
	return frame;
}

static void
on_difference(void *ctx, const struct cap_diff *d)
{
	const struct replay *p = ctx;
	char text[512];

	(void)pmul_pdu_print(&d->pdu, text, sizeof(text));
	if (d->sent != SIZE_MAX)
		print(p, "only the node", d->at_us, p->tape.pdus[d->sent].frame,
		    text);
	else
		print(p, "only our engine, after", d->at_us,
		    frame_before(p, d->at_us), text);
}

static void
on_agreement(void *ctx, size_t sent)
{
	const struct replay *p = ctx;
	struct pmul_pdu pdu = p->tape.pdus[sent].pdu;
	char text[512];

	(void)pmul_pdu_print(&pdu, text, sizeof(text));
	print(p, "the same", p->tape.pdus[sent].at_us, p->tape.pdus[sent].frame,
	    text);
}

static const char *
event_name(enum pmul_event_type type)
{
	switch (type) {
	case PMUL_EV_RECEIVED: return "received";
	case PMUL_EV_ACKED: return "acknowledged";
	case PMUL_EV_GAVE_UP: return "gave up";
	case PMUL_EV_DONE: return "done";
	case PMUL_EV_LOST: return "lost";
	case PMUL_EV_EMCON_LEFT: return "no longer silent";
	case PMUL_EV_JOIN: return "join";
	case PMUL_EV_LEAVE: return "leave";
	}
	return "";
}

static void
on_event(void *ctx, uint64_t at_us, const struct pmul_event *ev)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s peer=%s msid=%08" PRIx32,
	    event_name(ev->type), cap_quad(ev->peer).s, ev->id);
	print(ctx, "our engine", at_us, 0, text);
}

static size_t
print_unsubmitted(const struct replay *p)
{
	const struct cap_tape *t = &p->tape;
	size_t n = 0;
	char text[128];

	for (size_t i = 0; i < t->nmessages; i++) {
		const struct cap_tape_message *m = &t->messages[i];

		if (m->why == NULL)
			continue;
		n++;
		(void)snprintf(text, sizeof(text), "msid=%08" PRIx32 ": %s",
		    m->msid, m->why);
		print(p, "not compared", t->pdus[m->first].at_us,
		    t->pdus[m->first].frame, text);
	}
	return n;
}

static void
print_sum(const struct replay *p)
{
	const struct cap_rerun *r = &p->rerun;

	if (p->o->json) {
		json_t *j = json_pack("{s:s,s:s,s:I,s:I,s:I,s:I,s:b}", "what",
		    "sum", "node", cap_quad(p->tape.node).s, "same",
		    (json_int_t)r->same, "differences",
		    (json_int_t)r->differences, "heard", (json_int_t)p->heard,
		    "lost", (json_int_t)p->lost, "complete", !p->tired);

		if (j != NULL)
			(void)json_dumpf(j, stdout, JSON_COMPACT);
		(void)putchar('\n');
		json_decref(j);
		return;
	}
	(void)printf("%s: %zu PDUs the same, %zu differences; %zu of %zu PDUs "
		     "of others taken as lost%s\n",
	    cap_quad(p->tape.node).s, r->same, r->differences, p->lost,
	    p->heard, p->tired ? "; not all explanations were tried" : "");
}

/* --- all of it ----------------------------------------------------------------------- */

static bool
concerns(const struct cap_tape *t)
{
	for (size_t i = 0; i < t->npdus; i++)
		if (t->pdus[i].ours)
			return true;
	return false;
}

static int
out_of_memory(void)
{
	(void)fputs("mulecap: out of memory\n", stderr);
	return CAP_UNUSABLE;
}

static int
compare(struct replay *p)
{
	size_t skipped;

	if (!p->opts->lossless && !cap_tape_mark_lost(&p->tape))
		return out_of_memory();
	if (!cap_losses_find(&p->rerun, &p->tape,
		p->opts->lossless ? CAP_HEARD_LATE : CAP_LOST, &p->tired))
		return out_of_memory();
	count_losses(p);
	p->rerun.ctx = p;
	p->rerun.differs = on_difference;
	if (p->opts->all) {
		p->rerun.agrees = on_agreement;
		p->rerun.happens = on_event;
	}
	p->rerun.after_us = 0;
	if (!cap_rerun(&p->rerun))
		return out_of_memory();
	if (p->rerun.endless) {
		(void)fputs("mulecap: the capture spans too long a time; see "
			    "--time\n",
		    stderr);
		return CAP_UNUSABLE;
	}
	skipped = print_unsubmitted(p);
	print_sum(p);
	if (p->rerun.differences > 0)
		return CAP_FINDINGS;
	return p->rerun.same > 0 || skipped == 0 ? CAP_CLEAN : CAP_UNUSABLE;
}

int
cap_replay_engine(const struct cap_opts *o, const struct cap_replay *r)
{
	struct replay p = { .o = o, .opts = r };
	uint32_t node;
	int rc;

	if (r->config == NULL) {
		(void)fputs("mulecap: --engine needs --config\n", stderr);
		return CAP_UNUSABLE;
	}
	rc = configure(&p);
	node = p.tape.node;
	if (rc == 0)
		rc = cap_tape_load(o, node, &p.tape);
	if (p.tape.pool != 0)
		p.rerun.pmul.pool_first = p.rerun.pmul.pool_last = p.tape.pool;
	p.rerun.tape = &p.tape;
	p.rerun.emcon = o->emcon;
	p.rerun.nemcon = o->nemcon;
	if (rc == 0 && !concerns(&p.tape)) {
		(void)fprintf(stderr, "mulecap: nothing of %s is captured\n",
		    cap_quad(node).s);
		rc = CAP_UNUSABLE;
	}
	if (rc == 0)
		rc = compare(&p);
	cap_tape_release(&p.tape);
	free(p.nodes);
	return rc;
}

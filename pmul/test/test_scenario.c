/*
 * Runs the timelines in pmul/test/scenarios/.
 *
 * A line is a comment (#), empty, or
 *
 *	set NAME VALUE          a parameter, before anything is sent: nodes, or a
 *	                        member of struct pmul_config; times as 200ms 5s 2h
 *	node N sends K PDUs to A B ... [priority=P] [life=TIME]
 *	                        the messages of a scenario are 1, 2, 3 ...
 *	drop N -> PDU for A     the next such PDU from N does not reach A
 *	double N -> PDU for A   ... reaches A twice
 *	emcon N on|off          N itself falls silent, or ends its silence
 *	tell N A WORD ...       what N knows about A from now on: emcon, ntnu, or
 *				nothing
 *	clock -|+TIME           all wall clocks are set back or ahead
 *	restart N               N forgets everything but what a queue keeps: its own
 *				messages, how far they are, what it received,
 *				and what management has told it
 *	dead N, alive N         N neither hears nor is heard, until alive
 *	holds N                 N stores nothing by itself ...
 *	stores N MESSAGE FROM   ... but then this one
 *	+TIME [COMMAND]         let time pass; also ack_delay, retx, ack_pdu:
 *	                        that parameter and a little more
 *	expect N -> PDU ; PDU   what N sent next, in this order
 *	expect N event EVENT ; EVENT
 *	                        received MESSAGE, acked N, gave_up N, done, lost,
 *				emcon_left N
 *	expect nothing          all that was sent and reported has been expected
 *
 * A PDU is its name and any of: msg= seq= (one or a..b) dest= (2,3 or none)
 * total= part= (only, first, middle, last) to= entries= complete missing=, and
 * for an Ack_PDU with several entries MESSAGE:complete, MESSAGE:missing=.
 * A scenario ends as if by "expect nothing".
 */
#include "tests/unit/unit.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmul/test/sim.h"

#define LOG_MAX 600
#define LINE_MAX_ 400
#define RULES_MAX 32
#define MESSAGES_MAX 32
#define LITTLE_US 100000

/* Rendered PDUs or events, in order. */
struct log {
	char text[LOG_MAX][LINE_MAX_];
	unsigned count, expected;
};

struct rule {
	bool twice;
	unsigned from, to;
	char pdu[LINE_MAX_];
};

/* What a durable queue would know. */
struct message {
	unsigned from;
	uint64_t to, received; /* nodes, as bits; to: those left */
	uint8_t priority;
	int64_t expiry;
	size_t len;
	uint32_t rounds, emcon_rounds;
};

struct scenario {
	const char *path;
	unsigned line;
	struct pmul_config cfg;
	unsigned nnodes;
	bool started;
	struct sim sim;
	uint32_t messages;
	struct message m[MESSAGES_MAX]; /* message 1 is m[0] */
	struct log pdus[SIM_NODES_MAX], events[SIM_NODES_MAX];
	struct rule rules[RULES_MAX];
	unsigned nrules;
};

static void
stop(const struct scenario *sc, const char *what, const char *detail)
{
	fail_msg("%s:%u: %s: %s", sc->path, sc->line, what, detail);
}

/* --- rendering --------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void
append(char *text, const char *format, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + used, LINE_MAX_ - used, format, ap);
	va_end(ap);
}

static void
render_address(const struct pmul_pdu *pdu, char *text)
{
	static const char *const parts[] = { "middle", "last", "first",
		"only" };

	append(text, " total=%u part=%s dest=%s", pdu->total,
	    parts[pdu->first * 2 + pdu->last], pdu->count == 0 ? "none" : "");
	for (size_t i = 0; i < pdu->count; i++)
		append(text, "%s%u", i > 0 ? "," : "",
		    sim_node(pmul_pdu_dest(pdu, i).id));
}

static void
render_entry(const struct pmul_ack_entry *entry, const char *name, char *text)
{
	uint16_t first, last;
	size_t pos = 0;

	if (entry->nmissing == 0) {
		append(text, " %scomplete", name);
		return;
	}
	append(text, " %smissing=", name);
	for (bool more = false; pmul_ack_next_range(entry, &pos, &first, &last);
	     more = true) {
		append(text, "%s%u", more ? "," : "", first);
		if (last > first)
			append(text, "..%u", last);
	}
}

static void
render_ack(const struct pmul_pdu *pdu, char *text)
{
	struct pmul_ack_entry entry;
	size_t pos = 0;

	append(text, " entries=%u", pdu->count);
	while (pmul_pdu_next_ack(pdu, &pos, &entry)) {
		char name[16];

		snprintf(name, sizeof(name), "%u:", entry.msid);
		if (pdu->count == 1)
			append(text, " msg=%u", entry.msid);
		render_entry(&entry, pdu->count == 1 ? "" : name, text);
	}
}

static void
render(const struct pmul_pdu *pdu, char *text)
{
	text[0] = '\0';
	switch (pdu->type) {
	case PMUL_DATA:
		append(text, "Data_PDU msg=%u seq=%u", pdu->msid, pdu->seq);
		break;
	case PMUL_ADDRESS:
		append(text, "Address_PDU msg=%u", pdu->msid);
		render_address(pdu, text);
		break;
	case PMUL_EXTRA_ADDRESS:
		append(text, "Extra_Address_PDU msg=%u", pdu->msid);
		render_address(pdu, text);
		break;
	case PMUL_ACK:
		append(text, "Ack_PDU");
		render_ack(pdu, text);
		break;
	case PMUL_DISCARD:
		append(text, "Discard_Message_PDU msg=%u", pdu->msid);
		break;
	case PMUL_ANNOUNCE:
	case PMUL_REQUEST:
	case PMUL_REJECT:
	case PMUL_RELEASE:
	case PMUL_FEC_ADDRESS:
	case PMUL_EXTRA_FEC_ADDRESS: append(text, "unexpected type"); break;
	}
	append(text, " priority=%u", pdu->priority);
}

/* Whether every word of pattern is a word of text. */
static bool
matches(const char *pattern, const char *text)
{
	char copy[LINE_MAX_], whole[LINE_MAX_ + 2], word[LINE_MAX_ + 2];
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", pattern);
	snprintf(whole, sizeof(whole), " %s ", text);
	for (char *w = strtok_r(copy, " \t", &save); w != NULL;
	     w = strtok_r(NULL, " \t", &save)) {
		snprintf(word, sizeof(word), " %s ", w);
		if (strstr(whole, word) == NULL)
			return false;
	}
	return true;
}

/* --- what happens -------------------------------------------------------------- */

static char *
log_line(struct scenario *sc, struct log *log)
{
	if (log->count == LOG_MAX)
		stop(sc, "too much happens", log->text[log->expected]);
	log->text[log->count][0] = '\0';
	return log->text[log->count++];
}

static void
on_sent(struct sim *s, unsigned from, const struct pmul_pdu *pdu,
    const struct pmul_where *where)
{
	struct scenario *sc = s->ctx;
	char *text = log_line(sc, &sc->pdus[from - 1]);

	render(pdu, text);
	if (!where->multicast)
		append(text, " to=%u", sim_node(where->node));
}

static bool
on_reach(struct sim *s, unsigned from, unsigned to, const struct pmul_pdu *pdu)
{
	struct scenario *sc = s->ctx;
	char text[LINE_MAX_];

	render(pdu, text);
	for (unsigned i = 0; i < sc->nrules; i++) {
		struct rule *r = &sc->rules[i];

		if (r->from != from || r->to != to || !matches(r->pdu, text))
			continue;
		r->from = 0; /* once */
		s->channel.dup_pct = r->twice ? 100 : 0;
		return r->twice;
	}
	s->channel.dup_pct = 0;
	return true;
}

static void
on_event(struct sim *s, unsigned node, const struct pmul_event *ev)
{
	struct scenario *sc = s->ctx;
	char *text = log_line(sc, &sc->events[node - 1]);
	struct message *m = &sc->m[ev->id > 0 ? ev->id - 1 : 0];

	switch (ev->type) {
	case PMUL_EV_RECEIVED:
		append(text, "received %u", ev->id);
		m->received |= UINT64_C(1) << node;
		break;
	case PMUL_EV_LOST: append(text, "lost %u", ev->id); break;
	case PMUL_EV_ACKED:
		append(text, "acked %u", sim_node(ev->peer));
		m->to &= ~(UINT64_C(1) << sim_node(ev->peer));
		break;
	case PMUL_EV_GAVE_UP:
		append(text, "gave_up %u", sim_node(ev->peer));
		m->to &= ~(UINT64_C(1) << sim_node(ev->peer));
		break;
	case PMUL_EV_DONE: append(text, "done"); break;
	case PMUL_EV_EMCON_LEFT:
		append(text, "emcon_left %u", sim_node(ev->peer));
		break;
	case PMUL_EV_JOIN: append(text, "join"); break;
	case PMUL_EV_LEAVE: append(text, "leave"); break;
	}
	append(text, " msg=%u", ev->id);
}

static void
begin(struct scenario *sc)
{
	if (sc->started)
		return;
	sc->started = true;
	sim_init(&sc->sim, 1, sc->nnodes, &sc->cfg);
	sc->sim.channel.delay_us = 1000;
	sc->sim.ctx = sc;
	sc->sim.sent = on_sent;
	sc->sim.reaches = on_reach;
	sc->sim.event = on_event;
}

/* --- commands -------------------------------------------------------------------- */

static uint64_t
number(const struct scenario *sc, const char *word)
{
	char *end;
	uint64_t n = strtoull(word != NULL ? word : "", &end, 10);

	if (word == NULL || end == word || *end != '\0')
		stop(sc, "not a number", word != NULL ? word : "nothing");
	return n;
}

static unsigned
node(const struct scenario *sc, const char *word)
{
	uint64_t n = number(sc, word);

	if (n == 0 || n > sc->nnodes)
		stop(sc, "no such node", word);
	return (unsigned)n;
}

static uint64_t
duration(const struct scenario *sc, const char *word)
{
	static const struct {
		const char *unit;
		uint64_t us;
	} units[] = { { "us", 1 }, { "ms", 1000 }, { "s", 1000000 },
		{ "min", 60000000 }, { "h", UINT64_C(3600000000) } };
	char *end;
	uint64_t n;

	if (strcmp(word, "ack_delay") == 0)
		return sc->cfg.ack_delay_us + LITTLE_US;
	if (strcmp(word, "retx") == 0)
		return sc->cfg.ack_retx_us + LITTLE_US;
	if (strcmp(word, "ack_pdu") == 0)
		return sc->cfg.ack_pdu_us + LITTLE_US;
	n = strtoull(word, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (end != word && strcmp(end, units[i].unit) == 0)
			return n * units[i].us;
	stop(sc, "not a time", word);
	return 0;
}

static void
cmd_set(struct scenario *sc, char *rest)
{
	char *save = NULL, *name = strtok_r(rest, " ", &save);
	char *value = strtok_r(NULL, " ", &save);
	struct pmul_config *c = &sc->cfg;

	if (name == NULL || value == NULL || sc->started)
		stop(sc, "set NAME VALUE comes first", rest);
	if (strcmp(name, "nodes") == 0)
		sc->nnodes = (unsigned)number(sc, value);
	else if (strcmp(name, "mm") == 0)
		c->mm = (uint16_t)number(sc, value);
	else if (strcmp(name, "pdu_max") == 0)
		c->pdu_max = (uint16_t)number(sc, value);
	else if (strcmp(name, "bit_rate") == 0)
		c->bit_rate = (uint32_t)number(sc, value);
	else if (strcmp(name, "ranges") == 0)
		c->ranges = number(sc, value) != 0;
	else if (strcmp(name, "extra_address") == 0)
		c->extra_address = (enum pmul_extra)number(sc, value);
	else if (strcmp(name, "half_duplex") == 0)
		c->half_duplex = number(sc, value) != 0;
	else if (strcmp(name, "polls") == 0)
		c->polls = (uint32_t)number(sc, value);
	else if (strcmp(name, "emcon_rtc") == 0)
		c->emcon_rtc = (uint32_t)number(sc, value);
	else if (strcmp(name, "emcon_rti_us") == 0)
		c->emcon_rti_us = duration(sc, value);
	else if (strcmp(name, "turnaround_us") == 0)
		c->turnaround_us = duration(sc, value);
	else if (strcmp(name, "ack_retx_min_us") == 0)
		c->ack_retx_min_us = duration(sc, value);
	else if (strcmp(name, "backoff_pct") == 0)
		c->backoff_pct = (uint32_t)number(sc, value);
	else if (strcmp(name, "backoff_limit_pct") == 0)
		c->backoff_limit_pct = (uint32_t)number(sc, value);
	else if (strcmp(name, "ack_pdu_repeats") == 0)
		c->ack_pdu_repeats = (uint32_t)number(sc, value);
	else if (strcmp(name, "ack_delay_us") == 0)
		c->ack_delay_us = duration(sc, value);
	else if (strcmp(name, "undefined_expiry_us") == 0)
		c->undefined_expiry_us = duration(sc, value);
	else
		stop(sc, "no such parameter", name);
}

/* node N sends K PDUs to A B ... [priority=P] [life=TIME] */
static void
cmd_node(struct scenario *sc, char *rest)
{
	char *save = NULL, *w = strtok_r(rest, " ", &save);
	unsigned from = node(sc, w);
	uint64_t to = 0, life = UINT64_C(3600000000);
	uint64_t priority = 4, pdus;
	uint8_t *data;
	size_t len;

	begin(sc);
	if ((w = strtok_r(NULL, " ", &save)) == NULL || strcmp(w, "sends") != 0)
		stop(sc, "expected: sends", w != NULL ? w : "nothing");
	pdus = number(sc, strtok_r(NULL, " ", &save));
	(void)strtok_r(NULL, " ", &save); /* PDUs */
	(void)strtok_r(NULL, " ", &save); /* to */
	while ((w = strtok_r(NULL, " ", &save)) != NULL) {
		if (strncmp(w, "priority=", 9) == 0)
			priority = number(sc, w + 9);
		else if (strncmp(w, "life=", 5) == 0)
			life = duration(sc, w + 5);
		else
			to |= UINT64_C(1) << node(sc, w);
	}
	if (sc->messages == MESSAGES_MAX)
		stop(sc, "too many messages", "");
	/* The last PDU is half full. */
	len = ((size_t)pdus * 2 - 1) * (sc->cfg.pdu_max - PMUL_DATA_HEADER) / 2;
	sc->m[sc->messages] = (struct message){
		.from = from,
		.to = to,
		.priority = (uint8_t)priority,
		.expiry =
		    sim_clock(&sc->sim).wall.s + (int64_t)(life / 1000000),
		.len = len,
	};
	data = calloc(1, len);
	assert_int_equal(
	    sim_submit(&sc->sim, from, ++sc->messages, (uint8_t)priority,
		(int64_t)(life / 1000000), to, data, len),
	    PMUL_OK);
	free(data);
	sim_pump(&sc->sim, from);
	/* What needs no time happens now. */
	sim_run(&sc->sim, sc->sim.now_us);
}

/* N -> PDU for A */
static void
cmd_rule(struct scenario *sc, char *rest, bool twice)
{
	char *arrow = strstr(rest, " -> "), *to = strstr(rest, " for ");
	struct rule *r = &sc->rules[sc->nrules++];

	if (arrow == NULL || to == NULL || sc->nrules == RULES_MAX)
		stop(sc, "expected: N -> PDU for A", rest);
	*arrow = *to = '\0';
	r->twice = twice;
	r->from = node(sc, rest);
	r->to = node(sc, to + 5);
	snprintf(r->pdu, sizeof(r->pdu), "%s", arrow + 4);
}

static void
take(struct scenario *sc, struct log *log, const char *pattern)
{
	if (log->expected == log->count)
		stop(sc, "did not happen", pattern);
	if (!matches(pattern, log->text[log->expected])) {
		char both[3 * LINE_MAX_];

		snprintf(both, sizeof(both), "%s\n\tbut: %s", pattern,
		    log->text[log->expected]);
		stop(sc, "expected", both);
	}
	log->expected++;
	assert_true(log->expected <= log->count);
}

/* "Data_PDU seq=2..4" stands for three of them. */
static void
take_all(struct scenario *sc, struct log *log, char *pattern)
{
	char *seq = strstr(pattern, "seq="), one[2 * LINE_MAX_];
	unsigned first, last;
	int used = 0;

	if (seq == NULL ||
	    sscanf(seq, "seq=%u..%u%n", &first, &last, &used) != 2) {
		take(sc, log, pattern);
		return;
	}
	*seq = '\0';
	for (; first <= last; first++) {
		snprintf(one, sizeof(one), "%s seq=%u %s", pattern, first,
		    seq + used);
		take(sc, log, one);
	}
}

static void
expect_nothing(struct scenario *sc)
{
	for (unsigned i = 0; i < sc->nnodes; i++) {
		struct log *p = &sc->pdus[i], *ev = &sc->events[i];
		char from[40];

		snprintf(from, sizeof(from), "node %u, not expected", i + 1);
		if (p->expected < p->count)
			stop(sc, from, p->text[p->expected]);
		if (ev->expected < ev->count)
			stop(sc, from, ev->text[ev->expected]);
	}
	assert_true(sc->started);
}

static void
cmd_expect(struct scenario *sc, char *rest)
{
	char *arrow = strstr(rest, " -> "), *event = strstr(rest, " event ");
	char *save = NULL, *list;
	struct log *log;

	if (strcmp(rest, "nothing") == 0) {
		expect_nothing(sc);
		return;
	}
	if (arrow == NULL && event == NULL)
		stop(sc, "expected: N -> PDU, or N event", rest);
	list = arrow != NULL ? arrow + 4 : event + 7;
	*(arrow != NULL ? arrow : event) = '\0';
	log = arrow != NULL ? &sc->pdus[node(sc, rest) - 1]
			    : &sc->events[node(sc, rest) - 1];
	for (char *one = strtok_r(list, ";", &save); one != NULL;
	     one = strtok_r(NULL, ";", &save))
		take_all(sc, log, one);
}

/* stores N MESSAGE FROM */
static void
cmd_stores(struct scenario *sc, char *rest)
{
	unsigned n, message, from;

	if (sscanf(rest, "%u %u %u", &n, &message, &from) != 3)
		stop(sc, "expected: stores N MESSAGE FROM", rest);
	assert_int_equal(sim_store(&sc->sim, n, from, message), PMUL_OK);
}

static void
set_dead(struct scenario *sc, const char *rest, bool dead)
{
	struct sim_node *n;

	begin(sc);
	n = &sc->sim.nodes[node(sc, rest) - 1];
	n->deaf = n->mute = dead;
}

/* emcon N on|off */
static void
cmd_emcon(struct scenario *sc, char *rest)
{
	char *save = NULL;
	unsigned n = node(sc, strtok_r(rest, " ", &save));
	const char *w = strtok_r(NULL, " ", &save);

	begin(sc);
	if (w == NULL || (strcmp(w, "on") != 0 && strcmp(w, "off") != 0))
		stop(sc, "expected: emcon N on|off", w != NULL ? w : "nothing");
	pmul_engine_set_emcon(
	    sc->sim.nodes[n - 1].e, sim_clock(&sc->sim), w[1] == 'n');
	sim_pump(&sc->sim, n);
	sim_run(&sc->sim, sc->sim.now_us);
}

/* tell N A WORD ... */
static void
cmd_tell(struct scenario *sc, char *rest)
{
	char *save = NULL;
	unsigned n = node(sc, strtok_r(rest, " ", &save));
	struct pmul_node about = {
		.id = sim_id(node(sc, strtok_r(NULL, " ", &save))),
	};

	begin(sc);
	for (char *w; (w = strtok_r(NULL, " ", &save)) != NULL;) {
		if (strcmp(w, "emcon") == 0)
			about.emcon = true;
		else if (strcmp(w, "ntnu") == 0)
			about.ntnu = true;
		else if (strcmp(w, "nothing") != 0)
			stop(sc, "nothing a node can know", w);
	}
	assert_int_equal(pmul_engine_set_node(sc->sim.nodes[n - 1].e,
			     sim_clock(&sc->sim), &about),
	    PMUL_OK);
	sim_pump(&sc->sim, n);
	sim_run(&sc->sim, sc->sim.now_us);
}

/* clock -|+TIME */
static void
cmd_clock(struct scenario *sc, const char *rest)
{
	int64_t s = (int64_t)(duration(sc, rest + 1) / 1000000);

	begin(sc);
	sc->sim.wall_step += *rest == '-' ? -s : s;
	for (unsigned i = 1; i <= sc->nnodes; i++) {
		pmul_engine_tick(sc->sim.nodes[i - 1].e, sim_clock(&sc->sim));
		sim_pump(&sc->sim, i);
	}
	sim_run(&sc->sim, sc->sim.now_us);
}

static void
resume(struct scenario *sc, uint32_t msid)
{
	const struct message *m = &sc->m[msid - 1];
	struct pmul_dest dests[SIM_NODES_MAX];
	struct pmul_submit sub = {
		.msid = msid,
		.priority = m->priority,
		.expiry = { m->expiry },
		.group = 239,
		.dests = dests,
		.data = calloc(1, m->len),
		.len = m->len,
		.rounds = m->rounds,
		.emcon_rounds = m->emcon_rounds,
	};

	for (unsigned i = 1; i < SIM_NODES_MAX; i++) {
		if ((m->to & UINT64_C(1) << i) == 0)
			continue;
		dests[sub.ndests].id = sim_id(i);
		dests[sub.ndests++].seq = msid;
	}
	if (sub.ndests > 0)
		assert_int_equal(
		    pmul_engine_submit(sc->sim.nodes[m->from - 1].e,
			sim_clock(&sc->sim), &sub),
		    PMUL_OK);
	free((void *)(uintptr_t)sub.data);
}

/* restart N */
static void
cmd_restart(struct scenario *sc, const char *rest)
{
	unsigned n = node(sc, rest);
	struct pmul_engine **e = &sc->sim.nodes[n - 1].e;
	struct pmul_clock now = sim_clock(&sc->sim);
	struct pmul_config cfg = sc->cfg;
	struct pmul_node known[SIM_NODES_MAX];
	struct pmul_tx_saved saved;

	for (unsigned i = 1; i <= sc->nnodes; i++)
		known[i] = pmul_engine_node(*e, sim_id(i));
	while (pmul_engine_next_tx_saved(*e, &saved)) {
		sc->m[saved.msid - 1].rounds = saved.rounds;
		sc->m[saved.msid - 1].emcon_rounds = saved.emcon_rounds;
	}
	pmul_engine_free(e);
	cfg.node_id = sim_id(n);
	cfg.seed = n;
	assert_int_equal(pmul_engine_new(&cfg, e), PMUL_OK);
	for (unsigned i = 1; i <= sc->nnodes; i++)
		if (i != n)
			assert_int_equal(
			    pmul_engine_set_node(*e, now, &known[i]), PMUL_OK);
	for (uint32_t id = 1; id <= sc->messages; id++) {
		const struct message *m = &sc->m[id - 1];
		struct pmul_tombstone t = {
			.source = sim_id(m->from),
			.id = id,
			.priority = m->priority,
			.expiry = { m->expiry },
			.from = { { (uint8_t)m->from } },
		};

		if (m->from == n)
			resume(sc, id);
		if ((m->received & UINT64_C(1) << n) != 0)
			assert_int_equal(
			    pmul_engine_restore_tombstone(*e, now, &t),
			    PMUL_OK);
	}
	sim_pump(&sc->sim, n);
	sim_run(&sc->sim, sc->sim.now_us);
}

static void
run_line(struct scenario *sc, char *line)
{
	char *rest = strchr(line, ' ');

	if (line[0] == '+') {
		if (rest != NULL)
			*rest = '\0';
		begin(sc);
		sim_run(&sc->sim, sc->sim.now_us + duration(sc, line + 1));
		if (rest == NULL)
			return;
		line = rest + 1 + strspn(rest + 1, " ");
		rest = strchr(line, ' ');
	}
	if (rest == NULL)
		stop(sc, "not a command", line);
	*rest++ = '\0';
	rest += strspn(rest, " ");
	if (strcmp(line, "set") == 0)
		cmd_set(sc, rest);
	else if (strcmp(line, "node") == 0)
		cmd_node(sc, rest);
	else if (strcmp(line, "drop") == 0 || strcmp(line, "double") == 0)
		cmd_rule(sc, rest, line[1] == 'o');
	else if (strcmp(line, "expect") == 0)
		cmd_expect(sc, rest);
	else if (strcmp(line, "restart") == 0)
		cmd_restart(sc, rest);
	else if (strcmp(line, "emcon") == 0)
		cmd_emcon(sc, rest);
	else if (strcmp(line, "tell") == 0)
		cmd_tell(sc, rest);
	else if (strcmp(line, "clock") == 0)
		cmd_clock(sc, rest);
	else if (strcmp(line, "stores") == 0)
		cmd_stores(sc, rest);
	else if (strcmp(line, "dead") == 0 || strcmp(line, "alive") == 0)
		set_dead(sc, rest, line[0] == 'd');
	else if (strcmp(line, "holds") == 0) {
		begin(sc);
		sc->sim.nodes[node(sc, rest) - 1].stores = false;
	} else
		stop(sc, "not a command", line);
}

/* --- files ----------------------------------------------------------------------- */

static void
defaults(struct pmul_config *cfg)
{
	pmul_config_default(cfg);
	cfg->pdu_max = 100;
	cfg->ack_delay_us = 1000000;
	cfg->ack_retx_us = 10000000;
	cfg->ack_pdu_us = 20000000;
	cfg->ack_pdu_repeats = 3;
	cfg->tx_messages_max = cfg->rx_messages_max = 16;
	cfg->held_messages_max = 4;
	cfg->tombstones_max = 16;
}

static void
run_file(void **state)
{
	struct scenario *sc = calloc(1, sizeof(*sc));
	char *text, *save = NULL;
	size_t len;

	sc->path = *state;
	sc->nnodes = 3;
	defaults(&sc->cfg);
	text = (char *)unit_read_file(sc->path, &len);
	/* Line by line, empty ones counted. */
	for (char *line = text; line != NULL; line = save) {
		save = strchr(line, '\n');
		if (save != NULL)
			*save++ = '\0';
		sc->line++;
		line += strspn(line, " \t");
		if (*line != '\0' && *line != '#')
			run_line(sc, line);
	}
	expect_nothing(sc);
	sim_release(&sc->sim);
	free(text);
	free(sc);
}

int
main(void)
{
	struct CMUnitTest tests[200];
	glob_t files;
	int failed;

	if (glob("pmul/test/scenarios/*.scn", 0, NULL, &files) != 0 ||
	    files.gl_pathc > sizeof(tests) / sizeof(tests[0])) {
		fprintf(stderr, "no scenarios; run from the top\n");
		return 1;
	}
	memset(tests, 0, sizeof(tests));
	for (size_t i = 0; i < files.gl_pathc; i++) {
		tests[i].name = files.gl_pathv[i];
		tests[i].test_func = run_file;
		tests[i].initial_state = files.gl_pathv[i];
	}
	failed = _cmocka_run_group_tests(
	    "scenarios", tests, files.gl_pathc, NULL, NULL);
	globfree(&files);
	return failed;
}

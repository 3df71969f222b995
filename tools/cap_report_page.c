/*
 * mulecap report: the page around the pictures.  It is well-formed XML, names
 * nothing outside itself, and forbids itself to load anything.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "tools/cap_report.h"

static const char head[] =
    "<!DOCTYPE html>\n"
    "<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
    "<meta charset=\"utf-8\"/>\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src "
    "'none'; style-src 'unsafe-inline'\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width\"/>\n"
    "<title>P_MUL capture report</title>\n<style>\n"
    ":root { color-scheme: light dark; --page: #f6f7f9; --card: #fff;\n"
    " --ink: #1c2430; --soft: #5d6878; --line: #e3e7ec; --address: #7a58cf;\n"
    " --extra: #c2489d; --data: #2d74cc; --again: #e0821c; --ack: #21915a;\n"
    " --nack: #d23c3c; --other: #8792a2; --s4: #0f96a8; --s5: #8a6d1f;\n"
    " --s6: #c2489d; --s7: #6b7686; }\n"
    "@media (prefers-color-scheme: dark) { :root { --page: #11151b;\n"
    " --card: #1a2029; --ink: #e5e9ef; --soft: #98a4b4; --line: #2b3440;\n"
    " --address: #a68cf2; --extra: #e681c9; --data: #5fa4f2;\n"
    " --again: #f3a552; --ack: #4cc38a; --nack: #f27272;\n"
    " --other: #78859a; --s4: #45c4d4; --s5: #d5b558; --s6: #e681c9;\n"
    " --s7: #98a4b4; } }\n"
    "* { box-sizing: border-box; }\n"
    "body { margin: 0; padding: 28px 20px 60px; background: var(--page);\n"
    " color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }\n"
    "main { max-width: 1120px; margin: 0 auto; }\n"
    "h1 { font-size: 24px; margin: 0; overflow-wrap: anywhere; }\n"
    "h2 { font-size: 17px; margin: 0 0 4px; }\n"
    "h3 { font-size: 14px; margin: 0; font-weight: 600; }\n"
    "p { margin: 4px 0 12px; color: var(--soft); }\n"
    "section, .tile { background: var(--card); border: 1px solid var(--line);"
    "\n border-radius: 10px; padding: 18px 20px; margin-top: 18px; }\n"
    ".tiles { display: grid; gap: 12px; margin-top: 18px;\n"
    " grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); }\n"
    ".tile { margin: 0; padding: 12px 16px; color: var(--soft); }\n"
    ".tile b { display: block; font-size: 22px; color: var(--ink);\n"
    " font-weight: 600; }\n"
    ".grid2 { display: grid; gap: 18px 26px;\n"
    " grid-template-columns: repeat(auto-fill, minmax(400px, 1fr)); }\n"
    "svg { width: 100%; height: auto; display: block; }\n"
    "svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }\n"
    "svg .name { font-weight: 600; }\n"
    "svg .tick { fill: var(--soft); font-weight: 400; }\n"
    ".grid { stroke: var(--line); } .lane { stroke: var(--line); }\n"
    ".limit { stroke: var(--nack); stroke-dasharray: 6 4; }\n"
    ".sent { fill: none; stroke: var(--soft); stroke-dasharray: 4 4;\n"
    " stroke-width: 1.5; }\n"
    ".curve { fill: none; stroke: var(--c); stroke-width: 2;\n"
    " stroke-linejoin: round; }\n"
    ".dot { fill: var(--c); stroke: var(--card); stroke-width: 1.5; }\n"
    ".address { fill: var(--address); --c: var(--address); }\n"
    ".extra { fill: var(--extra); --c: var(--extra); }\n"
    ".data { fill: var(--data); --c: var(--data); }\n"
    ".again { fill: var(--again); --c: var(--again); }\n"
    ".ack { fill: var(--ack); --c: var(--ack); }\n"
    ".nack { fill: var(--nack); --c: var(--nack); }\n"
    ".other { fill: var(--other); --c: var(--other); }\n"
    ".s0 { --c: var(--data); } .s1 { --c: var(--again); }\n"
    ".s2 { --c: var(--ack); } .s3 { --c: var(--address); }\n"
    ".s4 { --c: var(--s4); } .s5 { --c: var(--s5); }\n"
    ".s6 { --c: var(--s6); } .s7 { --c: var(--s7); }\n"
    ".legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 6px 0\n"
    " 10px; padding: 0; list-style: none; font-size: 13px;\n"
    " color: var(--soft); }\n"
    ".legend li::before { content: \"\"; display: inline-block; width: 10px;\n"
    " height: 10px; border-radius: 3px; margin-right: 7px;\n"
    " background: var(--c); }\n"
    ".legend li.dashes::before { height: 0; width: 16px; border-radius: 0;\n"
    " border-top: 2px dashed var(--soft); vertical-align: middle; }\n"
    ".scroll { overflow-x: auto; }\n"
    "table { border-collapse: collapse; width: 100%; font-size: 13px;\n"
    " font-variant-numeric: tabular-nums; }\n"
    "th, td { text-align: left; padding: 6px 14px 6px 0; vertical-align:\n"
    " top; border-bottom: 1px solid var(--line); }\n"
    "th { color: var(--soft); font-weight: 600; white-space: nowrap; }\n"
    "td.n, th.n { text-align: right; white-space: nowrap; }\n"
    "td code { font-size: 12.5px; }\n"
    ".to { display: inline-block; white-space: nowrap; margin-right: 14px; }\n"
    ".to i { font-style: normal; color: var(--c); font-weight: 600; }\n"
    ".note { font-size: 13px; margin: 8px 0 0; }\n"
    "</style>\n</head>\n<body>\n<main>\n";

void
report_text(FILE *f, const char *s)
{
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		/* What is no printable ASCII might be no UTF-8, either. */
		if (c < 0x20 || c >= 0x7f || strchr("<>&\"'", c) != NULL) {
			if (c < 0x20 || c >= 0x7f)
				(void)fprintf(f, "\\x%02x", c);
			else
				(void)fprintf(f, "&#%u;", c);
		} else
			(void)fputc(c, f);
	}
}

/* --- the head of the page ---------------------------------------------------------- */

static void
tile(FILE *f, const char *what, const char *value)
{
	(void)fprintf(
	    f, "<div class=\"tile\"><b>%s</b>%s</div>\n", value, what);
}

static void
count_tile(FILE *f, const char *what, uint64_t n)
{
	char s[24];

	(void)snprintf(s, sizeof(s), "%" PRIu64, n);
	tile(f, what, s);
}

static void
percent_tile(FILE *f, const char *what, double part, double whole)
{
	char s[32];

	(void)snprintf(s, sizeof(s), "%.1f %%", part * 100 / whole);
	tile(f, what, s);
}

static void
put_tiles(FILE *f, const struct report *r)
{
	double s = (double)r->last_us / 1e6;
	uint64_t missing = 0, sent = 0;
	char deliveries[48];

	for (size_t n = 0; n < r->nlosses; n++)
		for (size_t i = 0; i < REPORT_BINS; i++) {
			missing += r->losses[n].missing[i];
			sent += r->losses[n].sent[i];
		}
	(void)snprintf(deliveries, sizeof(deliveries),
	    "%" PRIu64 " of %" PRIu64, r->complete, r->dests);
	(void)fputs("<div class=\"tiles\">\n", f);
	tile(f, "duration", report_span(s).s);
	count_tile(f, "PDUs", r->pdus);
	count_tile(f, "octets on the air", r->octets);
	count_tile(f, "messages", r->messages);
	tile(f, "deliveries acknowledged", deliveries);
	if (sent > 0)
		percent_tile(
		    f, "lost, by first Acks", (double)missing, (double)sent);
	if (r->octets > 0)
		percent_tile(f, "of the octets are payload", (double)r->payload,
		    (double)r->octets);
	if (r->o->rate > 0 && s > 0)
		percent_tile(f, "of the time the air is in use",
		    (double)r->octets * 8 / r->o->rate, s);
	(void)fputs("</div>\n", f);
}

static void
put_head(FILE *f, const struct report *r)
{
	time_t t = (time_t)(r->first_us / 1000000);
	char when[64] = "?";
	struct tm tm;

	(void)fputs(head, f);
	(void)fputs("<h1>", f);
	report_text(f, r->o->interface != NULL ? r->o->interface : r->o->file);
	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(
		    when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
	(void)fprintf(f, "</h1>\n<p>P_MUL traffic from %s on", when);
	if (r->undecoded > 0)
		(void)fprintf(f,
		    "; %" PRIu64 " datagrams are no PDUs and not shown",
		    r->undecoded);
	if (r->unseen > 0)
		(void)fprintf(f,
		    ". There are more messages than pictures: the first %d are "
		    "drawn one by one, %" PRIu64
		    " others together. Options such as --time, --source and "
		    "--id choose what is drawn",
		    REPORT_MESSAGES, r->unseen);
	(void)fputs(".</p>\n", f);
	put_tiles(f, r);
}

/* --- sections -------------------------------------------------------------------------- */

static void
put_legend(FILE *f)
{
	(void)fputs("<ul class=\"legend\">\n", f);
	for (size_t k = 0; k < REPORT_KINDS; k++)
		(void)fprintf(f, "<li class=\"%s\">%s</li>\n",
		    report_classes[k], report_names[k]);
	(void)fputs("</ul>\n", f);
}

static void
put_nodes_legend(FILE *f, const struct report *r)
{
	(void)fputs("<ul class=\"legend\">\n", f);
	for (size_t i = 0; i < r->nlosses; i++)
		(void)fprintf(f, "<li class=\"s%zu\">%s</li>\n", i,
		    r->losses[i].node == 0 ? "other nodes"
					   : cap_quad(r->losses[i].node).s);
	(void)fputs("</ul>\n", f);
}

static void
put_charts(FILE *f, const struct report *r)
{
	(void)fputs("<section id=\"timeline\"><h2>Time line</h2>\n"
		    "<p>Each message, and who sent what for it.</p>\n",
	    f);
	put_legend(f);
	report_draw_time_line(f, r);
	(void)fputs(
	    "</section>\n<section id=\"air\"><h2>Air occupancy</h2>\n"
	    "<p>Octets with UDP and IP headers, by what they are for.</p>\n",
	    f);
	put_legend(f);
	report_draw_air(f, r);
	(void)fputs("</section>\n<section id=\"loss\"><h2>Loss over time</h2>"
		    "\n<p>What the first Ack of each destination misses of a "
		    "message.</p>\n",
	    f);
	if (r->nlosses > 0) {
		put_nodes_legend(f, r);
		report_draw_loss(f, r);
	} else
		(void)fputs("<p>No Ack was captured.</p>\n", f);
	(void)fputs("</section>\n", f);
}

static void
put_progress(FILE *f, const struct report *r)
{
	(void)fputs("<section id=\"progress\"><h2>Progress of each "
		    "destination</h2>\n<p>How much of a message its "
		    "destinations have, by their Acks; dashed: how much of it "
		    "was sent at least once.</p>\n<div class=\"grid2\">\n",
	    f);
	for (size_t i = 0; i < r->nshown; i++) {
		const struct report_message *m = r->shown[i];

		if (m->sent.npoints == 0 && m->ncurves == 0)
			continue;
		(void)fprintf(f,
		    "<div><h3>Message %08" PRIx32 " from %s</h3>\n"
		    "<ul class=\"legend\"><li class=\"dashes\">sent</li>\n",
		    m->msid, cap_quad(m->source).s);
		for (size_t c = 0; c < m->ncurves; c++)
			(void)fprintf(f, "<li class=\"s%zu\">%s</li>\n", c,
			    cap_quad(m->curves[c].node).s);
		(void)fputs("</ul>\n", f);
		report_draw_progress(f, m);
		if (m->sum.ndests > m->ncurves && m->ncurves == REPORT_CURVES)
			(void)fprintf(f,
			    "<p class=\"note\">%d of %zu destinations are "
			    "drawn.</p>\n",
			    REPORT_CURVES, m->sum.ndests);
		(void)fputs("</div>\n", f);
	}
	(void)fputs("</div></section>\n", f);
}

/* --- the table ---------------------------------------------------------------------------- */

static void
put_outcome(FILE *f, const struct cap_message *m, const struct cap_dest *d)
{
	const char *what = "silent", *class = "other";

	if (d->complete) {
		what = "acknowledged";
		class = "ack";
	} else if (m->discarded_us != 0) {
		what = "discarded";
		class = "nack";
	} else if (d->acks > 0) {
		what = "incomplete";
		class = "again";
	}
	(void)fprintf(f, "<span class=\"to\">%s <i class=\"%s\">%s",
	    cap_quad(d->id).s, class, what);
	if (d->complete)
		(void)fprintf(f, " +%s",
		    report_span(
			((double)d->acked_us - (double)m->first_us) / 1e6)
			.s);
	else if (d->acks > 0)
		(void)fprintf(f, ", %" PRIu32 " missing", d->missing);
	(void)fputs("</i></span>\n", f);
}

static void
put_row(FILE *f, const struct report *r, const struct report_message *m)
{
	const struct cap_message *s = &m->sum;
	uint64_t air = s->air_data + s->air_address + s->air_ack;

	(void)fprintf(f,
	    "<tr><td><code>%08" PRIx32 "</code></td><td>%s</td>"
	    "<td class=\"n\">%u</td><td class=\"n\">%" PRIu64 "</td>"
	    "<td class=\"n\">%" PRIu32 " of %" PRIu32 "</td>"
	    "<td class=\"n\">%" PRIu32 "</td><td class=\"n\">%" PRIu32
	    "</td><td class=\"n\">%" PRIu64 "</td>",
	    m->msid, cap_quad(m->source).s, s->priority, s->payload, s->have,
	    s->total, s->rounds, s->repeats, air);
	if (r->o->rate > 0)
		(void)fprintf(f, "<td class=\"n\">%s</td>",
		    report_span((double)air * 8 / r->o->rate).s);
	(void)fputs("<td>", f);
	for (size_t i = 0; i < m->nrows; i++)
		put_outcome(f, s, &m->rows[i]);
	if (s->ndests > m->nrows)
		(void)fprintf(f, "and %zu more", s->ndests - m->nrows);
	(void)fputs("</td></tr>\n", f);
}

static void
put_table(FILE *f, const struct report *r)
{
	(void)fputs("<section id=\"messages\"><h2>Messages</h2>\n"
		    "<div class=\"scroll\"><table>\n<thead><tr><th>id</th>"
		    "<th>from</th><th class=\"n\">priority</th>"
		    "<th class=\"n\">octets</th><th class=\"n\">Data_PDUs</th>"
		    "<th class=\"n\">rounds</th><th class=\"n\">repeated</th>"
		    "<th class=\"n\">octets on air</th>",
	    f);
	if (r->o->rate > 0)
		(void)fputs("<th class=\"n\">air time</th>", f);
	(void)fputs("<th>destinations</th></tr></thead>\n<tbody>\n", f);
	for (size_t i = 0; i < r->nshown; i++)
		put_row(f, r, r->shown[i]);
	(void)fputs("</tbody></table></div>\n", f);
	if (r->unseen > 0)
		(void)fprintf(f,
		    "<p class=\"note\">%" PRIu64 " more messages are not "
		    "listed; see mulecap list.</p>\n",
		    r->unseen);
	(void)fputs("</section>\n", f);
}

void
report_page(FILE *f, const struct report *r)
{
	put_head(f, r);
	if (r->pdus > 0) {
		put_charts(f, r);
		put_progress(f, r);
		put_table(f, r);
	} else
		(void)fputs("<section><p>There is no P_MUL traffic in it.</p>"
			    "</section>\n",
		    f);
	(void)fputs("</main>\n</body>\n</html>\n", f);
}

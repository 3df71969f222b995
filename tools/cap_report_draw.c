/* mulecap report: the pictures.  Lengths are in the units of each viewBox. */
#include <inttypes.h>
#include <math.h>

#include "tools/cap_report.h"

/* The wide pictures. */
#define WIDTH 1000.0
#define LEFT 150.0
#define RIGHT 14.0
#define PLOT (WIDTH - LEFT - RIGHT)
/* The time line. */
#define LANE 15.0
#define HEAD 26.0
/* Columns of the charts over time. */
#define COLUMNS 128
#define CHART 210.0
#define CHART_TOP 12.0
/* The small pictures of the progress. */
#define SMALL_WIDTH 480.0
#define SMALL_HEIGHT 170.0
#define SMALL_LEFT 46.0

const char *const report_names[REPORT_KINDS] = { "Address_PDU",
	"Extra_Address_PDU", "Data_PDU", "Data_PDU again", "Ack, complete",
	"Ack, something missing", "other" };
const char *const report_classes[REPORT_KINDS] = { "address", "extra", "data",
	"again", "ack", "nack", "other" };

/* What lies below is drawn first. */
static const enum report_kind order[REPORT_KINDS] = { REPORT_OTHER, REPORT_DATA,
	REPORT_AGAIN, REPORT_ADDRESS, REPORT_EXTRA, REPORT_ACK, REPORT_NACK };

/* --- numbers ------------------------------------------------------------------ */

struct report_span
report_span(double s)
{
	struct report_span t;

	if (s == 0)
		(void)snprintf(t.s, sizeof(t.s), "0 s");
	else if (s < 0.001)
		(void)snprintf(t.s, sizeof(t.s), "%.3g µs", s * 1e6);
	else if (s < 1)
		(void)snprintf(t.s, sizeof(t.s), "%.4g ms", s * 1000);
	else if (s < 120)
		(void)snprintf(t.s, sizeof(t.s), "%.4g s", s);
	else if (s < 7200)
		(void)snprintf(t.s, sizeof(t.s), "%.4g min", s / 60);
	else if (s < 172800)
		(void)snprintf(t.s, sizeof(t.s), "%.4g h", s / 3600);
	else
		(void)snprintf(t.s, sizeof(t.s), "%.4g d", s / 86400);
	return t;
}

/* 1, 2 or 5 times a power of ten: about n of them make v. */
static double
decimal_step(double v, double n)
{
	double power = pow(10, floor(log10(v / n))), m = v / n / power;

	return power * (m <= 1 ? 1 : m <= 2 ? 2 : m <= 5 ? 5 : 10);
}

static double
time_step(double span_s)
{
	static const double steps[] = { 60, 120, 300, 600, 1200, 1800, 3600,
		7200, 14400, 21600, 43200, 86400 };

	if (span_s <= 120)
		return decimal_step(span_s, 8);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (span_s / steps[i] <= 9)
			return steps[i];
	return 86400 * ceil(span_s / 86400 / 8);
}

static double
span_s(const struct report *r)
{
	return r->last_us > 0 ? (double)r->last_us / 1e6 : 0.001;
}

static double
x_of(const struct report *r, double s)
{
	double x = LEFT + s / span_s(r) * PLOT;

	return x > WIDTH - RIGHT ? WIDTH - RIGHT : x;
}

/* --- axes ------------------------------------------------------------------------ */

static void
begin(FILE *f, double w, double h, const char *label)
{
	(void)fprintf(f,
	    "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
	    "viewBox=\"0 0 %.0f %.0f\" aria-label=\"%s\">\n",
	    w, h, label);
}

/* Lines from top to bottom, their times below. */
static void
time_axis(FILE *f, const struct report *r, double top, double bottom)
{
	double step = time_step(span_s(r));

	for (int i = 0; i * step <= span_s(r); i++)
		(void)fprintf(f,
		    "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
		    "y2=\"%.1f\"/><text class=\"tick\" x=\"%.1f\" y=\"%.1f\" "
		    "text-anchor=\"middle\">%s</text>\n",
		    x_of(r, i * step), top, x_of(r, i * step), bottom,
		    x_of(r, i * step), bottom + 15, report_span(i * step).s);
	(void)fprintf(f,
	    "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">"
	    "time since the first frame</text>\n",
	    WIDTH - RIGHT, bottom + 31);
}

/* Lines from left to right; name() writes their values. */
static void
value_axis(FILE *f, double max, double step, double height,
    void (*name)(FILE *f, double v))
{
	double bottom = CHART_TOP + height;

	for (int i = 0; i * step <= max * 1.0001; i++) {
		double y = bottom - i * step / max * height;

		(void)fprintf(f,
		    "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
		    "y2=\"%.1f\"/><text class=\"tick\" x=\"%.1f\" y=\"%.1f\" "
		    "text-anchor=\"end\">",
		    LEFT, y, WIDTH - RIGHT, y, LEFT - 8, y + 4);
		name(f, i * step);
		(void)fputs("</text>\n", f);
	}
}

static void
name_rate(FILE *f, double v)
{
	if (v >= 1e6)
		(void)fprintf(f, "%.4g Mbit/s", v / 1e6);
	else if (v >= 1e3)
		(void)fprintf(f, "%.4g kbit/s", v / 1e3);
	else
		(void)fprintf(f, "%.4g bit/s", v);
}

static void
name_share(FILE *f, double v)
{
	(void)fprintf(f, "%.0f %%", v * 100);
}

/* --- the time line -------------------------------------------------------------------- */

/* Whether any of n slots from i has a PDU; their sum. */
static bool
sum_bins(const struct report_bin *b, size_t i, size_t n, size_t *ret_first,
    struct report_bin *ret_sum)
{
	*ret_sum = (struct report_bin){ 0, 0 };
	for (size_t k = i; k < i + n; k++) {
		if (b[k].pdus == 0)
			continue;
		if (ret_sum->pdus == 0) {
			*ret_first = k;
			ret_sum->frame = b[k].frame;
		}
		ret_sum->pdus += b[k].pdus;
	}
	return ret_sum->pdus > 0;
}

static size_t
marks_of(const struct report_message *m, size_t factor)
{
	struct report_bin sum;
	size_t n = 0, first;

	for (size_t l = 0; m != NULL && l < m->nlanes; l++)
		for (size_t i = 0; i < REPORT_KINDS * REPORT_BINS; i += factor)
			n += sum_bins(m->lanes[l]->bins[i / REPORT_BINS],
			    i % REPORT_BINS, factor, &first, &sum);
	return n;
}

/* Slots to a mark. */
static size_t
coarseness(const struct report *r)
{
	size_t factor = 1, marks;

	for (;; factor *= 2) {
		marks = marks_of(r->rest, factor);
		for (size_t i = 0; i < r->nshown; i++)
			marks += marks_of(r->shown[i], factor);
		if (marks <= REPORT_MARKS || factor == REPORT_BINS)
			return factor;
	}
}

static void
draw_mark(FILE *f, const struct report *r, enum report_kind kind, double at_s,
    double y, const struct report_bin *b)
{
	bool round = kind == REPORT_ACK || kind == REPORT_NACK;
	double margin = kind == REPORT_DATA || kind == REPORT_AGAIN ? 4 : 1;
	double x = x_of(r, at_s);

	if (round)
		(void)fprintf(f,
		    "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\">",
		    report_classes[kind], x, y + LANE / 2);
	else
		(void)fprintf(f,
		    "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"2.4\" "
		    "height=\"%.1f\">",
		    report_classes[kind], x - 1.2, y + margin,
		    LANE - 2 * margin);
	(void)fprintf(f, "<title>%s", report_names[kind]);
	if (b->pdus > 1)
		(void)fprintf(f, " × %" PRIu32, b->pdus);
	(void)fprintf(f, ", frame %" PRIu32 "%s, at %s</title></%s>\n",
	    b->frame, b->pdus > 1 ? " on" : "", report_span(at_s).s,
	    round ? "circle" : "rect");
}

static void
draw_lane(FILE *f, const struct report *r, const struct report_lane *l,
    double y, size_t factor)
{
	struct report_bin sum;
	size_t first;

	for (size_t o = 0; o < REPORT_KINDS; o++)
		for (size_t i = 0; i < REPORT_BINS; i += factor)
			if (sum_bins(
				l->bins[order[o]], i, factor, &first, &sum))
				draw_mark(f, r, order[o],
				    (double)first * (double)r->bin_us / 1e6, y,
				    &sum);
}

static double
draw_message(FILE *f, const struct report *r, const struct report_message *m,
    double y, size_t factor)
{
	if (m == r->rest)
		(void)fprintf(f,
		    "<text class=\"name\" x=\"8\" y=\"%.1f\">All other "
		    "messages</text>\n",
		    y + HEAD - 9);
	else
		(void)fprintf(f,
		    "<text class=\"name\" x=\"8\" y=\"%.1f\">Message %08" PRIx32
		    " <tspan class=\"tick\">from %s, priority %u, %" PRIu64
		    " octets in %" PRIu32 " PDUs</tspan></text>\n",
		    y + HEAD - 9, m->msid, cap_quad(m->source).s,
		    m->sum.priority, m->sum.payload, m->sum.total);
	y += HEAD;
	for (size_t i = 0; i < m->nlanes; i++) {
		const struct report_lane *l = m->lanes[i];

		(void)fprintf(f,
		    "<line class=\"lane\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
		    "y2=\"%.1f\"/><text class=\"tick\" x=\"%.1f\" "
		    "y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
		    LEFT, y + LANE / 2, WIDTH - RIGHT, y + LANE / 2, LEFT - 8,
		    y + LANE / 2 + 4,
		    l->others ? "other nodes" : cap_quad(l->node).s);
		draw_lane(f, r, l, y, factor);
		y += LANE;
	}
	return y;
}

void
report_draw_time_line(FILE *f, const struct report *r)
{
	size_t factor = coarseness(r);
	double h = 8;

	for (size_t i = 0; i <= r->nshown; i++) {
		const struct report_message *m =
		    i < r->nshown ? r->shown[i] : r->rest;

		if (m != NULL)
			h += HEAD + LANE * (double)m->nlanes;
	}
	begin(f, WIDTH, h + 40, "Time line of the PDUs");
	time_axis(f, r, 8, h);
	h = 8;
	if (r->rest != NULL)
		h = draw_message(f, r, r->rest, h, factor);
	for (size_t i = 0; i < r->nshown; i++)
		h = draw_message(f, r, r->shown[i], h, factor);
	(void)fputs("</svg>\n", f);
	(void)fprintf(f,
	    "<p class=\"note\">PDUs of one kind within %s are one mark.</p>\n",
	    report_span((double)(factor * r->bin_us) / 1e6).s);
}

/* --- air --------------------------------------------------------------------------------- */

/* Slots to a column, and columns: of few PDUs, only a few. */
static size_t
columns(const struct report *r, size_t *ret_n)
{
	size_t used = r->last_us / r->bin_us + 1;
	size_t most = r->pdus / 4 < COLUMNS / 4 ? COLUMNS / 4
		      : r->pdus / 4 < COLUMNS   ? (size_t)r->pdus / 4
						: COLUMNS;
	size_t factor = (used + most - 1) / most;

	*ret_n = (used + factor - 1) / factor;
	return factor;
}

static uint64_t
sum_air(const struct report *r, enum report_kind kind, size_t from, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = from; i < from + n && i < REPORT_BINS; i++)
		sum += r->air[kind][i];
	return sum;
}

static double
busiest(const struct report *r, size_t factor, size_t n, double column_s)
{
	double max = r->o->rate > 0 ? r->o->rate * 1.05 : 1;

	for (size_t c = 0; c < n; c++) {
		uint64_t sum = 0;

		for (int k = 0; k < REPORT_KINDS; k++)
			sum +=
			    sum_air(r, (enum report_kind)k, c * factor, factor);
		if ((double)sum * 8 / column_s > max)
			max = (double)sum * 8 / column_s;
	}
	return max;
}

static void
draw_column(
    FILE *f, const struct report *r, size_t from, size_t factor, double max)
{
	double column_s = (double)(factor * r->bin_us) / 1e6;
	double at_s = (double)(from * r->bin_us) / 1e6;
	double x = x_of(r, at_s), w = x_of(r, at_s + column_s) - x;
	double y = CHART_TOP + CHART;

	for (int k = 0; k < REPORT_KINDS; k++) {
		uint64_t octets = sum_air(r, (enum report_kind)k, from, factor);
		double rate = (double)octets * 8 / column_s;
		double h = rate / max * CHART;

		if (octets == 0)
			continue;
		y -= h;
		(void)fprintf(f,
		    "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
		    "height=\"%.2f\"><title>%s: %" PRIu64 " octets in %s from "
		    "%s",
		    report_classes[k], x, y, w > 1.4 ? w - 0.7 : 1.4, h,
		    report_names[k], octets, report_span(column_s).s,
		    report_span(at_s).s);
		if (r->o->rate > 0)
			(void)fprintf(f, ", %.1f %% of the link",
			    rate * 100 / r->o->rate);
		(void)fputs("</title></rect>\n", f);
	}
}

void
report_draw_air(FILE *f, const struct report *r)
{
	size_t n, factor = columns(r, &n);
	double column_s = (double)(factor * r->bin_us) / 1e6;
	double max = busiest(r, factor, n, column_s);
	double y = CHART_TOP + CHART;

	begin(f, WIDTH, CHART_TOP + CHART + 40, "Air occupancy");
	value_axis(f, max, decimal_step(max, 5), CHART, name_rate);
	time_axis(f, r, CHART_TOP, y);
	for (size_t c = 0; c < n; c++)
		draw_column(f, r, c * factor, factor, max);
	if (r->o->rate > 0) {
		y -= r->o->rate / max * CHART;
		(void)fprintf(f,
		    "<line class=\"limit\" x1=\"%.1f\" y1=\"%.1f\" "
		    "x2=\"%.1f\" y2=\"%.1f\"><title>the rate of the "
		    "link</title></line>\n",
		    LEFT, y, WIDTH - RIGHT, y);
	}
	(void)fputs("</svg>\n", f);
}

/* --- loss -------------------------------------------------------------------------------- */

static void
draw_loss_of(
    FILE *f, const struct report *r, size_t node, size_t factor, bool line)
{
	const struct report_loss *l = &r->losses[node];

	if (line)
		(void)fprintf(
		    f, "<polyline class=\"curve s%zu\" points=\"", node);
	for (size_t i = 0; i < REPORT_BINS; i += factor) {
		uint32_t missing = 0, sent = 0;
		double at_s =
		    ((double)i + (double)factor / 2) * (double)r->bin_us / 1e6;
		double y;

		for (size_t k = i; k < i + factor && k < REPORT_BINS; k++) {
			missing += l->missing[k];
			sent += l->sent[k];
		}
		if (sent == 0)
			continue;
		y = CHART_TOP + CHART - (double)missing / sent * CHART;
		if (line)
			(void)fprintf(f, "%.1f,%.1f ", x_of(r, at_s), y);
		else
			(void)fprintf(f,
			    "<circle class=\"dot s%zu\" cx=\"%.1f\" "
			    "cy=\"%.1f\" r=\"4.5\"><title>%s at %s: %" PRIu32
			    " of %" PRIu32 " missing, %.1f %%</title>"
			    "</circle>\n",
			    node, x_of(r, at_s), y,
			    l->node == 0 ? "others" : cap_quad(l->node).s,
			    report_span(at_s).s, missing, sent,
			    (double)missing * 100 / sent);
	}
	if (line)
		(void)fputs("\"/>\n", f);
}

void
report_draw_loss(FILE *f, const struct report *r)
{
	size_t n, factor = columns(r, &n);

	begin(f, WIDTH, CHART_TOP + CHART + 40, "Loss over time");
	value_axis(f, 1, 0.25, CHART, name_share);
	time_axis(f, r, CHART_TOP, CHART_TOP + CHART);
	for (size_t i = 0; i < r->nlosses; i++)
		draw_loss_of(f, r, i, factor, true);
	for (size_t i = 0; i < r->nlosses; i++)
		draw_loss_of(f, r, i, factor, false);
	(void)fputs("</svg>\n", f);
}

/* --- progress ------------------------------------------------------------------------------ */

/* The time that one message took. */
struct window {
	double from_s, to_s;
};

static double
small_x(const struct window *w, double at_s)
{
	return SMALL_LEFT + (at_s - w->from_s) / (w->to_s - w->from_s) *
				(SMALL_WIDTH - SMALL_LEFT - 18);
}

static double
small_y(double share)
{
	return 10 + (1 - share) * (SMALL_HEIGHT - 42);
}

static void
small_axes(FILE *f, const struct window *w)
{
	double step = decimal_step(w->to_s - w->from_s, 4);

	if (w->to_s - w->from_s > 120)
		step = time_step((w->to_s - w->from_s) * 1.8);
	for (int i = 0; i <= 4; i += 2)
		(void)fprintf(f,
		    "<line class=\"grid\" x1=\"%.1f\" y1=\"%.1f\" "
		    "x2=\"%.1f\" y2=\"%.1f\"/><text class=\"tick\" "
		    "x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%d %%</text>\n",
		    SMALL_LEFT, small_y(i / 4.0), SMALL_WIDTH - 18,
		    small_y(i / 4.0), SMALL_LEFT - 6, small_y(i / 4.0) + 4,
		    25 * i);
	for (int i = 0; i * step <= w->to_s - w->from_s; i++)
		(void)fprintf(f,
		    "<text class=\"tick\" x=\"%.1f\" y=\"%.1f\" "
		    "text-anchor=\"middle\">%s%s</text>\n",
		    small_x(w, w->from_s + i * step), SMALL_HEIGHT - 14,
		    i > 0 ? "+" : "",
		    report_span(i > 0 ? i * step : w->from_s).s);
}

/* What was true stays so until the next point. */
static void
draw_curve(FILE *f, const struct window *w, const struct report_curve *c,
    const char *class)
{
	double y = small_y(0);

	if (c->npoints == 0)
		return;
	(void)fprintf(f, "<polyline class=\"%s\" points=\"%.1f,%.1f ", class,
	    small_x(w, w->from_s), y);
	for (size_t i = 0; i < c->npoints; i++) {
		double x = small_x(w, (double)c->points[i].at_us / 1e6);

		(void)fprintf(f, "%.1f,%.1f ", x, y);
		y = small_y(c->points[i].share);
		(void)fprintf(f, "%.1f,%.1f ", x, y);
	}
	(void)fputs("\"/>\n", f);
}

static void
draw_dots(FILE *f, const struct window *w, const struct report_curve *c,
    size_t series)
{
	for (size_t i = 0; i < c->npoints; i++) {
		const struct report_point *p = &c->points[i];

		(void)fprintf(f,
		    "<circle class=\"dot s%zu\" cx=\"%.1f\" cy=\"%.1f\" "
		    "r=\"3.5\"><title>%s: %.1f %% at %s</title></circle>\n",
		    series, small_x(w, (double)p->at_us / 1e6),
		    small_y(p->share), cap_quad(c->node).s, p->share * 100,
		    report_span((double)p->at_us / 1e6).s);
	}
}

static void
widen(struct window *w, const struct report_curve *c)
{
	if (c->npoints == 0)
		return;
	w->from_s = fmin(w->from_s, (double)c->points[0].at_us / 1e6);
	w->to_s = fmax(w->to_s, (double)c->points[c->npoints - 1].at_us / 1e6);
}

void
report_draw_progress(FILE *f, const struct report_message *m)
{
	struct window w = { INFINITY, -INFINITY };
	char class[32];

	widen(&w, &m->sent);
	for (size_t i = 0; i < m->ncurves; i++)
		widen(&w, &m->curves[i]);
	if (w.from_s > w.to_s)
		return;
	if (w.to_s - w.from_s < 1e-3)
		w.to_s = w.from_s + 1e-3;
	begin(f, SMALL_WIDTH, SMALL_HEIGHT, "Progress of a message");
	small_axes(f, &w);
	draw_curve(f, &w, &m->sent, "sent");
	for (size_t i = 0; i < m->ncurves; i++) {
		(void)snprintf(class, sizeof(class), "curve s%zu", i);
		draw_curve(f, &w, &m->curves[i], class);
	}
	for (size_t i = 0; i < m->ncurves; i++)
		draw_dots(f, &w, &m->curves[i], i);
	(void)fputs("</svg>\n", f);
}

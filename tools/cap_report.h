/*
 * mulecap report: what is gathered while the capture is read, and drawn then.
 *
 * All of it has a fixed size.  Time is cut into REPORT_BINS slots; when the
 * capture turns out to be longer, two become one.  Messages, nodes and
 * destinations beyond the limits are added up in a last one, and the page says
 * so.
 */
#ifndef MULETEER_TOOLS_CAP_REPORT_H
#define MULETEER_TOOLS_CAP_REPORT_H

#include <stdio.h>

#include "tools/cap_feed.h"

#define REPORT_BINS 1024
/* Messages drawn one by one; their lanes, the last one for all other nodes. */
#define REPORT_MESSAGES 24
#define REPORT_LANES 8
/* Destinations of a message drawn, and listed in the table. */
#define REPORT_CURVES 8
#define REPORT_ROWS 64
/* Receivers whose losses are drawn, the last one for all others. */
#define REPORT_NODES 8
/* Points of a curve; when they are used up, every other one goes. */
#define REPORT_POINTS 128
/* Marks on the time line. */
#define REPORT_MARKS 12000

/* What a PDU is, to the eye. */
enum report_kind {
	REPORT_ADDRESS,
	REPORT_EXTRA,
	REPORT_DATA,
	REPORT_AGAIN, /* Data_PDUs sent before */
	REPORT_ACK,
	REPORT_NACK, /* that miss something */
	REPORT_OTHER,
	REPORT_KINDS
};

extern const char *const report_names[REPORT_KINDS];
/* The class of its colour. */
extern const char *const report_classes[REPORT_KINDS];

struct report_bin {
	uint32_t pdus, frame; /* the first one's */
};

struct report_lane {
	uint32_t node;
	bool others;
	struct report_bin bins[REPORT_KINDS][REPORT_BINS];
};

struct report_point {
	uint64_t at_us;
	double share; /* received, 0 to 1 */
};

struct report_curve {
	uint32_t node;
	size_t npoints;
	struct report_point points[REPORT_POINTS];
};

struct report_message {
	uint32_t source, msid;
	struct report_lane *lanes[REPORT_LANES];
	size_t nlanes;
	struct report_curve sent;
	struct report_curve curves[REPORT_CURVES];
	size_t ncurves;
	/* When it is over: the model's, with rows for its destinations. */
	struct cap_message sum;
	struct cap_dest rows[REPORT_ROWS];
	size_t nrows;
};

struct report_loss {
	uint32_t node;
	uint32_t missing[REPORT_BINS], sent[REPORT_BINS];
};

struct report {
	const struct cap_opts *o;
	struct cap_model *model;
	uint64_t first_us, last_us; /* since 1970, and since the first */
	uint64_t bin_us;
	uint64_t pdus, octets, undecoded;
	uint64_t messages, unseen; /* all, and those without a picture */
	uint64_t dests, complete;  /* of all messages */
	uint64_t payload;
	struct report_message *shown[REPORT_MESSAGES];
	size_t nshown;
	struct report_message *rest;             /* NULL: there are no others */
	uint64_t air[REPORT_KINDS][REPORT_BINS]; /* octets */
	struct report_loss losses[REPORT_NODES];
	size_t nlosses;
};

/* The page; a failure is f's. */
void report_page(FILE *f, const struct report *r);

/* --- for the page --------------------------------------------------------- */

/* Text, with whatever means something to HTML made harmless. */
void report_text(FILE *f, const char *s);

void report_draw_time_line(FILE *f, const struct report *r);
void report_draw_air(FILE *f, const struct report *r);
void report_draw_loss(FILE *f, const struct report *r);
void report_draw_progress(FILE *f, const struct report_message *m);

/* "12.5 s", "3 min": with the unit that suits it. */
struct report_span {
	char s[32];
};
struct report_span report_span(double s);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_OUTPUT_CELL_H
#define MUSTER_JOBS_OUTPUT_CELL_H

#include <glib.h>

#include "jobs/output/output.h"

/*
 * Cells of a table on a terminal: text in an exact number of columns, counted as a terminal shows
 * them (wide characters take two, combining ones none), cut with an ellipsis. Text is UTF-8 without
 * control characters.
 *
 *	cell_append(out, name, 24, CELL_LEFT, style);
 */

enum cell_side {
	CELL_LEFT,
	CELL_RIGHT,
	CELL_LEFT_CUT_FRONT, /* a path: its end says more than its start */
};

guint cell_width(const char *text);

/* width 0: as long as it is. */
void cell_append(GString *out, const char *text, guint width, enum cell_side side,
	const struct output_style *style);

/* Nothing when the style has no colour, or colour is NULL. */
void cell_colour_on(GString *out, const struct output_style *style, const char *colour);
void cell_colour_off(GString *out, const struct output_style *style, const char *colour);

#endif

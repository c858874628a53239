/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_OUTPUT_TERMINAL_H
#define MUSTER_JOBS_OUTPUT_TERMINAL_H

#include <glib.h>

#include "jobs/output/output.h"

/*
 * The person's terminal: what it can show, and the progress line on standard error.
 *
 * Colour only on a terminal, and not when NO_COLOR is set to something or TERM is "dumb"
 * (https://no-color.org). The progress line is drawn at most twenty times a second, only when
 * standard error is a terminal, and leaves nothing behind.
 */

void terminal_style_init(struct output_style *style, int fd);

struct progress;
typedef struct progress progress;

/* NULL when standard error is no terminal; every function takes NULL and does nothing. */
struct progress *progress_new(void);
/* Before the total is known. */
void progress_looking(struct progress *progress, guint folders, guint repos);
/* "███████░░░ 45/100  230/s  1 s left  name" */
void progress_done(struct progress *progress, guint done, guint total, const char *name);
/* The same for a scan: "███░░░ 45 000/262 343  1.2 GB  900 MB/s  3 s left  name"; total 0: unknown. */
void progress_scanned(
	struct progress *progress, guint64 done, guint64 total, guint64 bytes, const char *name);
/* A sentence, where there is nothing to count. */
void progress_said(struct progress *progress, const char *text);
void progress_clear(struct progress *progress);
void progress_free(struct progress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(progress, progress_free)

#endif

/* SPDX-License-Identifier: MIT */
#ifndef PUSHER_REPORTS_H
#define PUSHER_REPORTS_H

#include "lib/conf.h"
#include "pusher/lane.h"
#include "pusher/log_reader.h"

/*
 * Watches STATE/reports/<organization>/<root>/ and hands each new GitRepoReport.json to
 * report_feed(), byte for byte: what is in it is PostgreSQL's to read. The events that it makes
 * come back with the answer and go to the reader at once. Folders may come and go; they are
 * watched, never files, so a rename is seen as what it is.
 *
 * The last state always arrives: a report that changes while an older one is on its way is read
 * again afterwards; one that could not be given to PostgreSQL is given when that is back; when the
 * kernel drops notices (IN_Q_OVERFLOW) every folder is looked at. A file that PostgreSQL refuses is
 * logged once and left alone until it changes.
 *
 * Names that are no slugs, and temporary files, are not looked at.
 */
struct reports;

struct reports *reports_new(
	struct ev_loop *loop, const struct conf *conf, struct log_reader *reader, GError **error);
void reports_free(struct reports *reports);

/* The lane that reports go through; then all that lie there are looked at. */
void reports_start(struct reports *reports, struct lane *lane);

/* The lane is there again. */
void reports_run(struct reports *reports);

#endif

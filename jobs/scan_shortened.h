/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SCAN_SHORTENED_H
#define JOBS_SCAN_SHORTENED_H

#include <glib.h>

/*
 * Packs are mapped. Whoever shortens one while it is read takes the bytes away from under us: zeros
 * take their place, which are no object, so that what lay there is told as damaged and the rest is
 * still read.
 *
 *	scan_shortened_watch();			once, in a process that scans and does little else
 *	...
 *	if (scan_shortened_was_met()) ...	something of what was read is not covered
 */
#define SCAN_SHORTENED_TEXT "a file became shorter while it was read: what was in it is not covered"

void scan_shortened_watch(void);
gboolean scan_shortened_was_met(void);

#endif

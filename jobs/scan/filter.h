/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_FILTER_H
#define MUSTER_JOBS_SCAN_FILTER_H

#include <glib.h>

/*
 * What tells a secret from what only has its shape: placeholders, templates, names in programs.
 * Conditions on the bytes alone; allowlists, which need patterns, are the judge's.
 *
 * The windows of jobs/scan/matcher.h are all that these functions look at.
 */

/*
 * Written by somebody who had no secret at hand: xxxx, ****, <your-token>, ${VAR}, {{ var }},
 * %VAR%, EXAMPLE, changeme; 1234567890, abcdef and the like; one character repeated. For tokens of
 * a known form: a random one is not refused in ten thousand.
 */
gboolean filter_is_placeholder(const guint8 *secret, gsize len);

/*
 * Not a secret although it is assigned to something named so: words, names of variables, calls,
 * paths, URLs, versions, dates, numbers, markup. For rules that know no more than a name ("password
 * = ..."): refuses weak passwords too, which are words.
 */
gboolean filter_is_ordinary(const guint8 *secret, gsize len);

/*
 * The same for rules that look for passwords: a bad password is one too, but the name of a variable,
 * a label, a template, a word of the page, and what is only there to be changed are none. Of random
 * letters it lets 19 in 20 pass, of words and names 1 in 50.
 */
gboolean filter_is_no_password(const guint8 *secret, gsize len);

/*
 * Whether one of the words is in the window at most `within` bytes before from or behind to, in any
 * case of letters. Words are in small letters.
 */
gboolean filter_has_context(const guint8 *window, gsize len, gsize from, gsize to,
	const char *const *words, guint within);

/* Whether text holds the word (in small letters) in any case of letters. */
gboolean filter_holds(const guint8 *text, gsize len, const char *word);

/*
 * Whether an inline allow mark of ours or of the usual tools stands on a line of [from, to), or one
 * for the next line on the line before. A line is looked at as far as the window goes.
 */
gboolean filter_is_marked(const guint8 *window, gsize len, gsize from, gsize to);

#endif

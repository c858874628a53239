/* SPDX-License-Identifier: MIT */
/*
 * Steps through a pattern of PCRE2's that was RE2's, element by element: as much of its syntax as
 * sieves are made of (rule_sieve.c) and keywords are looked for in (rule_keyword.c). It understands
 * no more than where things end; what is not RE2's makes the reader bad, and whoever uses it gives
 * up then. For rule*.c only.
 *
 *	struct pattern_reader r = {.at = regex};
 *	if (*r.at == '[')
 *		pattern_take_class(&r);
 *	struct pattern_repeat n = pattern_take_repeat(&r);
 */
#ifndef MUSTER_JOBS_SCAN_RULE_PATTERN_H
#define MUSTER_JOBS_SCAN_RULE_PATTERN_H

#include <glib.h>

#define PATTERN_DEPTH_MAX 20

struct pattern_reader {
	const char *at; /* borrowed */
	guint depth;    /* groups around */
	gboolean is_bad;
};

struct pattern_repeat {
	guint least, most; /* most G_MAXUINT: without end */
};

enum pattern_group {
	PATTERN_GROUP_PLAIN =
		1,           /* what stands in it is part of the text; at is behind its opening */
	PATTERN_GROUP_FLAGS, /* (?i): all of it was read */
	PATTERN_GROUP_LOOK,  /* look-around; at is behind its opening */
};

gboolean pattern_take(struct pattern_reader *r, const char *text);
/* At a class, a backslash, the opening of a group: up to behind it. */
void pattern_take_class(struct pattern_reader *r);
/* TRUE when it stands for one known character, FALSE for one of several, or none (\b). */
gboolean pattern_take_escape(struct pattern_reader *r);
/* *flags_len: how many bytes of the opening, without its colon, are flags: "(?i-s"; 0 none. */
enum pattern_group pattern_take_group(struct pattern_reader *r, gsize *flags_len);
/* Once when there is none. Lazy and possessive ones count as what they repeat. */
struct pattern_repeat pattern_take_repeat(struct pattern_reader *r);

/* Whether in every text that the pattern matches there is one of the words, which are small. */
gboolean pattern_holds_word(const char *regex, const char *const *words);

#endif

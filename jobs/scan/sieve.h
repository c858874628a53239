/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_SIEVE_H
#define MUSTER_JOBS_SCAN_SIEVE_H

#include <glib.h>

/*
 * The sieve: all rules' sieves compiled by vectorscan, and how far each rule's pattern reaches.
 * Some databases: for the sieves whose every match holds a long word of some kind (sieve_shape.h),
 * most of them, which are run around such words only; and one for the others, which sees all.
 * Part of the matcher; nobody else includes this but its tests and `muster rules check`.
 *
 * Equal sieves of several rules are one pattern in the database. Patterns see bytes, are compiled
 * with multi-line anchors (so that ^ and $ ask for the bytes beside them, not for where a scan
 * began), and are refused when they match nothing, more than RULE_SIEVE_WIDTH bytes, or without
 * bound.
 *
 * The compiled database is kept in <folder>/sieve-<key>.db. The key hashes our format's version,
 * vectorscan's, what of the processor it was compiled for, and every sieve and pattern. A file is
 * used only when it belongs to this user, nobody else can write it, and key, length and checksum
 * are right; else it is made anew, beside its target and renamed onto it. Files of other keys are
 * left alone.
 */
struct rule;
struct rule_set;
struct hs_database;

struct sieve_reach {
	guint32 before,
		behind;   /* bytes around the end of a sieve match that the pattern may need */
	guint32 width;    /* the widest match of the rule's sieves */
	guint32 one_line; /* the pattern never matches a line's end */
};

enum sieve_part_kind {
	SIEVE_EVERYWHERE,
	SIEVE_ALNUM, /* holds CHAR_RUN_ALNUM letters and digits, or CHAR_RUN_UUID as in UUIDs */
	SIEVE_LONG,  /* holds SIEVE_LONG_RUN characters of base64 */
	SIEVE_SHORT, /* holds CHAR_RUN_BASE64 of those */
	SIEVE_PARTS,
};
#define SIEVE_LONG_RUN 26

struct sieve_part {
	struct hs_database *database; /* NULL when there are no such sieves */
	guint before, after;          /* bytes of a match beside its word, at most */
};

struct sieve {
	struct sieve_part parts[SIEVE_PARTS];
	guint margin; /* widest sieve and one */
	guint n_patterns, n_rules;
	guint32 *first;            /* [n_patterns + 1] into rules: which rules a pattern is of */
	guint16 *rules;            /* [first[n_patterns]] */
	struct sieve_reach *reach; /* [n_rules] */
	gboolean is_cached;
};

/* Errors: MUSTER_ERROR_INPUT names the rule; MUSTER_ERROR_IO vectorscan does not run here. */
struct sieve *sieve_new(const struct rule_set *rules, const char *cache_folder, GError **error);
void sieve_free(struct sieve *sieve);
/* Whether a file says that it has these rules' sieve compiled. */
gboolean sieve_is_kept(const struct rule_set *rules, const char *cache_folder);

/*
 * Whether one pattern can be a sieve, and how wide its matches are at most. Errors:
 * MUSTER_ERROR_INPUT with vectorscan's words.
 */
gboolean sieve_check(const char *pattern, guint *width, GError **error);

/*
 * How far a rule's pattern reaches, from the pattern alone: its greatest width with every open
 * repeat counted as a few hundred bytes, 64 KiB for private keys; what the rule says wins.
 */
struct sieve_reach sieve_reach(const struct rule *rule, guint sieve_width);

#endif

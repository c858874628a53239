/* SPDX-License-Identifier: MIT */
/*
 * The inside of the matcher: what its two halves share. matcher.c makes it and judges,
 * matcher_sieve.c finds candidates.
 */
#ifndef MUSTER_JOBS_SCAN_MATCHER_INSIDE_H
#define MUSTER_JOBS_SCAN_MATCHER_INSIDE_H

#include "jobs/scan/decode.h"
#include "jobs/scan/matcher.h"

#define MATCHER_DEPTH_MAX 5

struct hs_scratch;

struct matcher {
	const struct rule_set *rules;
	struct sieve *sieve;
	struct judge *judge;
	struct seen *seen; /* or NULL */
	guint16 *slow;
	guint n_slow;
	guint *given_up; /* atomic, by rule */
};

/* What came of a rule's places. */
struct effort {
	guint tried, given_up;
};

struct matcher_thread {
	struct matcher *matcher;
	struct secret_table *secrets;
	struct hs_scratch *scratch;
	struct judge_scratch *judge;
	struct decode_text texts[MATCHER_DEPTH_MAX]; /* bytes NULL until needed */
	GArray *words[MATCHER_DEPTH_MAX + 1];        /* struct char_run, by level */
	GArray *long_words; /* of them, those of an object that may be encoded text */
	GArray *chunks;     /* struct matcher_chunk */
	gboolean is_anew;   /* looks at everything, seen or not */
	guint depth;
	guint64 *last; /* by rule: the end last reported in the call of that number, see report() */
	guint32 call;
	struct matcher_counts counts;
	guint64 *rule_matches;
	struct effort *efforts; /* by rule */
};

/* Bytes that are remembered together, see seen.h. */
struct matcher_chunk {
	gsize from, to; /* ends in (from, to] */
	guint64 name;
	gboolean is_last; /* of its range */
	gboolean is_found;
};

/* What was looked at before; NULL for a thread that looks anew. */
struct seen *matcher_seen(const struct matcher_thread *thread);

/* Space for what is decoded at a depth. */
struct decode_text *matcher_text(struct matcher_thread *thread, guint depth);

#endif

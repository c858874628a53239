/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_MATCHER_H
#define MUSTER_JOBS_SCAN_MATCHER_H

#include <glib.h>

#include "jobs/scan/secret_table.h"

/*
 * What is a secret. Two steps: the sieve, one vectorscan database of all rules, names places fast
 * and generously; the judge, PCRE2 with entropy, checksum, placeholder and context conditions,
 * looks at each place closely. Who calls decides which bytes are looked at: all of an object, or
 * only what a delta changed, with the verdicts about the rest carried over from the delta's base.
 *
 *	g_autoptr(matcher) = matcher_new(rules, folder, &error);	one for all threads
 *	thread = matcher_thread_new(matcher, secrets);			one a thread
 *	matcher_sieve(thread, data, len, 0, len, candidates);
 *	for each candidate
 *		matcher_judge(thread, data, len, candidate);
 *
 * Bytes are bytes: nothing here knows paths, commits or encodings of text. UTF-16 is turned into
 * UTF-8 before, binary objects are not given. What a rule says about paths is not looked at.
 *
 * Carrying verdicts over a delta. Exact as long as these hold, and the unit tests check them:
 *
 *  1. Whether a sieve match ends at position e depends on the bytes [e - margin, e + 1) only
 *     (clipped to the object, and on whether they were clipped). When bytes [a, b) of an object are
 *     new, or a == b is a junction of two copied pieces, matches can come or go at ends in
 *     [a, b + margin]: call matcher_sieve() with from = a - 1 (or 0), to = b + margin (or len).
 *     Ends outside of that are inherited, at the place where the byte before the end went.
 *  2. A candidate's window [from, to) and its verdict are functions of the rule and the bytes of
 *     the window, nothing else: the judge's subject is the window, as if nothing were around it. A
 *     candidate may be inherited as it is (verdict, secret and all, positions moved) when the bytes
 *     [from, to) were copied by one instruction or by several whose results lie as before, and
 *      - CANDIDATE_AT_START is not set, or from is 0 in the child too;
 *      - CANDIDATE_AT_END is not set, or to is the child's length too.
 *     The two flags say that the window would have been longer if the object had been.
 *  3. A candidate whose sieve match was copied but whose window was not: matcher_window() makes the
 *     window anew and unsets the verdict; then judge. Not for CANDIDATE_DECODED ones: drop those,
 *     the sieve finds them again, for it looks into every encoded run that its range touches or is
 *     near enough to (and the window of such a candidate is that run and as much on each side).
 *  4. The same candidate can come in twice (inherited, and found again by a range that overlaps):
 *     candidates are equal when rule, at and the bit CANDIDATE_DECODED are, and of decoded ones the
 *     window (a byte may lie in a run of base64 and in a longer percent-encoded one). Several
 *     candidates of one rule can have one and the same secret_at and secret_len: that is one hit.
 *     Those of matcher_whole() are equal when their secrets lie at the same place.
 *  5. CANDIDATE_WHOLE ones are never inherited: drop them, and ask matcher_whole() for each object.
 */
struct rule_set;
typedef struct matcher matcher;
typedef struct matcher_thread matcher_thread;

enum candidate_verdict {
	CANDIDATE_UNSET,
	CANDIDATE_REFUSED,
	CANDIDATE_ACCEPTED,
	CANDIDATE_UNDECIDED, /* a limit was reached: the object is not wholly covered; never "no" */
};

enum candidate_flag {
	CANDIDATE_MARKED =
		1, /* accepted, with an inline allow mark on its line (or the line before) */
	CANDIDATE_DECODED = 2,      /* the match is in what an encoded run decodes to */
	CANDIDATE_AT_START = 4,     /* the window is cut by the start of the object: from is 0 */
	CANDIDATE_AT_END = 8,       /* ... by its end: to is the length */
	CANDIDATE_WHOLE = 16,       /* of a rule without a sieve */
	CANDIDATE_CONDITIONAL = 32, /* accepted; an allowlist holds if its paths or commits do */
	CANDIDATE_WEAK = 64,        /* accepted; everybody tries it, or it is for a local host */
};

struct candidate {
	guint32 at;                    /* where the sieve's match ends */
	guint32 from, to;              /* the window */
	guint32 secret_at, secret_len; /* accepted: the secret; of a decoded one the encoded run */
	guint32 match_at,
		match_len; /* accepted: the whole match, which holds the secret; likewise */
	guint32 secret;    /* accepted: its number in the secret table */
	guint16 rule;      /* index into the rule set */
	guint8 verdict;    /* enum candidate_verdict */
	guint8 flags;      /* enum candidate_flag */
};

/*
 * A window is at least the line of the sieve match and the line before it, each as far as
 * MATCHER_LINE_BYTES from the match, and as much around as the rule's pattern can reach, at most
 * MATCHER_BEFORE_BYTES and MATCHER_BEHIND_BYTES; of a decoded candidate the encoded run, of which
 * the first MATCHER_RUN_BYTES are looked into. Inline allow marks count within the window: on the
 * line of the secret, or, for "nextline" marks, on the line before.
 */
#define MATCHER_LINE_BYTES 400
#define MATCHER_BEFORE_BYTES 4096
#define MATCHER_BEHIND_BYTES 65536
#define MATCHER_RUN_BYTES 65536

/*
 * cache_folder: where the compiled sieve is kept between runs, NULL for nowhere. A folder that
 * cannot be read or written, and a file in it that is damaged, cut or another's, cost the time to
 * compile again (a second or so), nothing else. The rule set is borrowed and must not change.
 * Errors: MUSTER_ERROR_INPUT a rule's pattern or sieve is refused (the message names the rule),
 * MUSTER_ERROR_IO vectorscan does not run on this machine.
 */
struct matcher *matcher_new(const struct rule_set *rules, const char *cache_folder, GError **error);
void matcher_free(struct matcher *matcher);
/* Whether to make one takes milliseconds, or seconds: for who wants to tell a person beforehand. */
gboolean matcher_is_quick(const struct rule_set *rules, const char *cache_folder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(matcher, matcher_free)

/*
 * Compiles every pattern now, which is otherwise done when one is first needed: for tests and
 * `muster rules check`. Errors: MUSTER_ERROR_INPUT.
 */
gboolean matcher_check(struct matcher *matcher, GError **error);

/* Bytes before an end that a sieve match can depend on: the widest sieve and one, at most 257. */
guint matcher_margin(const struct matcher *matcher);

/*
 * Places that a rule could not decide, by all threads so far: its pattern is a catastrophic one. A
 * thread in which that was most of a hundred or more of its places does not try the others.
 */
guint matcher_gave_up(const struct matcher *matcher, guint rule);

/* Whether the compiled sieve came from the cache. */
gboolean matcher_was_cached(const struct matcher *matcher);

/* secrets: shared by all threads of a scan, borrowed. Aborts without memory for scratch. */
struct matcher_thread *matcher_thread_new(struct matcher *matcher, struct secret_table *secrets);
void matcher_thread_free(struct matcher_thread *thread);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(matcher_thread, matcher_thread_free)

/* How many encodings inside one another are undone: 0 none, the default 2, at most 5. */
void matcher_thread_set_depth(struct matcher_thread *thread, guint depth);

/*
 * TRUE: looks at every byte it is asked about. FALSE, as at first: passes over text that some
 * thread of this matcher has sieved before with nothing found (seen.h). For tests, and for who
 * measures the sieve with a text over and over.
 */
void matcher_thread_set_anew(struct matcher_thread *thread, gboolean is_anew);

/*
 * Appends a struct candidate, verdict unset and window filled in, for each place where a sieve
 * match ends in (from, to], or in [0, to] when from is 0; and those inside encoded runs (base64,
 * hex, percent) that touch [from, to], wherever they end. Sorted by `at` only as far as one call's
 * plain candidates go. len is at most G_MAXUINT32. FALSE when vectorscan failed, or
 * when there are more than a million: then not all of the range was looked at, and a shorter one
 * may be asked for.
 */
gboolean matcher_sieve(struct matcher_thread *thread, const guint8 *data, gsize len, gsize from,
	gsize to, GArray *candidates);

/* For several ranges of one object, in order and apart: faster than one after the other. */
struct matcher_range {
	guint32 from, to; /* ends in (from, to], with 0 in it when from is 0 */
};
gboolean matcher_sieve_ranges(struct matcher_thread *thread, const guint8 *data, gsize len,
	const struct matcher_range *ranges, guint n, GArray *candidates);

/*
 * Fills in window and verdict for the rules that have no sieve; nothing when there are none. The
 * candidates of a rule all end at len. What is beyond a limit, of bytes or matches, is one that is
 * undecided.
 */
void matcher_whole(
	struct matcher_thread *thread, const guint8 *data, gsize len, GArray *candidates);

/* Makes the window of a plain candidate anew, for its rule and at. The verdict becomes unset. */
void matcher_window(
	struct matcher_thread *thread, const guint8 *data, gsize len, struct candidate *candidate);

/* Decides an unset candidate whose window is right. A decided one stays as it is. */
void matcher_judge(
	struct matcher_thread *thread, const guint8 *data, gsize len, struct candidate *candidate);

/* What a thread did so far, for the figures of a scan and for t/bench. */
struct matcher_counts {
	guint64 sieved_bytes, sieved_ranges, sieve_matches;
	guint64 judged, accepted, undecided, without_jit;
	guint64 runs_decoded, run_bytes; /* encoded runs whose decoded text was looked into */
	const guint64 *rule_matches;     /* sieve matches by rule; borrowed from the thread */
};
struct matcher_counts matcher_thread_counts(const struct matcher_thread *thread);

#endif

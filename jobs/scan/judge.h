/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_JUDGE_H
#define MUSTER_JOBS_SCAN_JUDGE_H

#include <glib.h>

#include "jobs/scan/rule.h"
#include "jobs/scan/secret_table.h"

/*
 * The judge: whether a rule's pattern matches at a place, and whether what it captured is a secret.
 * Part of the matcher; who scans includes matcher.h.
 *
 * The subject is all there is: the pattern sees nothing before it or behind it, and so verdicts
 * depend on the rule and the subject's bytes only. Matches are looked for from the left, each next
 * one behind the last; the first acceptable one that holds the place decides.
 *
 * Patterns are compiled when they are first needed, by any thread, for all. One that cannot be
 * compiled, or that reaches a limit of steps, depth or memory, leaves its places undecided.
 */
struct judge;
struct judge_scratch; /* of one thread */

struct judgement {
	guint verdict; /* enum candidate_verdict */
	guint flags;   /* of enum candidate_flag: MARKED, CONDITIONAL */
	guint32 match_at, match_len, secret_at, secret_len; /* in the subject, when accepted */
	gboolean without_jit;
};

/* No place: any match will do. */
#define JUDGE_ANYWHERE G_MAXSIZE

/*
 * Compiles the patterns of rules that are not built in, so that a person hears of a bad one at
 * once. Errors: MUSTER_ERROR_INPUT names the rule and the place in its pattern.
 */
struct judge *judge_new(const struct rule_set *rules, GError **error);
void judge_free(struct judge *judge);

/* Compiles all that is left. Errors as above. */
gboolean judge_compile_all(struct judge *judge, GError **error);

struct judge_scratch *judge_scratch_new(void);
void judge_scratch_free(struct judge_scratch *scratch);

/*
 * at: where the sieve's match ends in the subject; width: how wide it may be. A match that only
 * touches the sieve's is taken when none holds its end. from: where matching begins.
 */
void judge_look(struct judge *judge, struct judge_scratch *scratch, guint rule,
	const guint8 *subject, gsize len, gsize from, gsize at, guint width,
	struct judgement *judgement);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_SCORE_H
#define MUSTER_JOBS_AUDIT_SCORE_H

#include <glib.h>

#include "jobs/audit/facts.h"
#include "lib/json.h"

/*
 * The health score: 0 to 100, from these terms, each of which is known or unknown.
 *
 *	start			100
 *	uncommitted		-2 for each entry `git status` lists
 *	stale_tags		-1 for each tag older than 180 days, at most -10
 *	missing_files		-5 for each of README, LICENSE and .gitignore that HEAD has not
 *	critical		-10 for each critical finding of a scan
 *	high			-5 for each high finding of a scan
 *	secrets			-15 for each tracked file that should not be, and, once there
 *				was a scan, for each secret it found
 *	commits_24h		+5 when there was a commit in the last 24 hours
 *
 * and held between 0 and 100 at the end. A term that is not known moves nothing and is named in
 * health_unknown: the score is of what is known, and the reader is told what is not. critical and
 * high are unknown until there was a scan; secrets is then half known (its files count) and is
 * named too. A repository that cannot be read, is missing, or is not git has no score.
 */

enum score_term {
	SCORE_TERM_UNCOMMITTED,
	SCORE_TERM_STALE_TAGS,
	SCORE_TERM_MISSING_FILES,
	SCORE_TERM_CRITICAL,
	SCORE_TERM_HIGH,
	SCORE_TERM_SECRETS,
	SCORE_TERM_COMMITS_24H,
	SCORE_TERM_COUNT,
};

struct score {
	gboolean is_known; /* FALSE: no score at all */
	gint value;        /* 0 to 100 */
	struct {
		gboolean is_known;
		guint64 count; /* of what the term counts */
		gint points;   /* it moves the score by */
	} terms[SCORE_TERM_COUNT];
};

void score_init(struct score *score, const struct audit_facts *facts);

/* The name in health_unknown. */
const char *score_term_name(enum score_term term);

/* The published formula, for --explain-score. */
extern const char score_formula[];

/*
 * "87 = 100 -8 uncommitted (4) -5 missing_files (1); unknown: critical, high, secrets" from a row
 * of a report; NULL when the row has no score. Freed by the caller.
 */
char *score_explain(json_object *row);

#endif

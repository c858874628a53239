/* SPDX-License-Identifier: MIT */
/*
 * What rules and allowlists say about paths and commits: the part of a verdict that depends on more
 * than bytes. Patterns are compiled when first asked for; a pattern that gives up (a limit, no
 * memory) does not hold, so that nothing is hidden by it.
 *
 * Ownership: borrows the rule set. One thread.
 *
 *	g_autoptr(FindingPaths) paths = finding_paths_new(rules, error);
 *	if (finding_paths_allow(paths, rule, path, commit, is_conditional))
 *		no finding
 */
#ifndef MUSTER_JOBS_SCAN_FINDING_PATH_H
#define MUSTER_JOBS_SCAN_FINDING_PATH_H

#include <glib.h>

#include "jobs/scan/rule.h"

struct finding_paths;
typedef struct finding_paths FindingPaths; /* for g_autoptr */

/* Compiles all there are. Errors: MUSTER_ERROR_INPUT, naming rule and pattern. */
struct finding_paths *finding_paths_new(const struct rule_set *rules, GError **error);
void finding_paths_free(struct finding_paths *paths);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FindingPaths, finding_paths_free)

/* Whether the rule looks at this path at all. path NULL (unknown): yes, but for RULE_PATH_ONLY. */
gboolean finding_paths_concern(
	struct finding_paths *paths, const struct rule *rule, const char *path);

/*
 * Whether an allowlist of the rule, or one for all rules, takes a match at this path and commit
 * away. is_conditional: the judge found that an allowlist with conditions of both kinds holds as
 * far as the bytes go. commit is hex, "" when there is none.
 */
gboolean finding_paths_allow(struct finding_paths *paths, const struct rule *rule, const char *path,
	const char *commit, gboolean is_conditional);

#endif

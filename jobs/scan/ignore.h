/* SPDX-License-Identifier: MIT */
/*
 * What people decided to ignore: lines of .musterignore and .gitleaksignore. Every line of every
 * file becomes a struct finding_ignore_line of the report, which counts what it took away; a line
 * that takes nothing away is reported as unused.
 *
 * .musterignore, a line each; "# …" behind it is its reason:
 *
 *	8c1f…				a location_id: this secret at this path
 *	secret:8c1f…			a secret_id: this secret anywhere
 *	rule:ID [PATTERN]		this rule, or family; at these paths
 *	path:PATTERN			these paths: as in .gitignore, "!" excepted
 *	[COMMIT:]PATH:RULE:LINE		gitleaks' name of a finding
 *	… until:2027-01-31		from the day after, the line does nothing
 *
 * .gitleaksignore: only names of findings, "#" begins a comment line. A name whose rule we do not
 * have means that commit, path and line, whatever the rule: other scanners name theirs differently.
 *
 *	g_autoptr(IgnoreSet) set = ignore_set_new(report);
 *	ignore_set_add(set, FINDING_IGNORE_FILE, ".musterignore", text, len, repository, error);
 *	ignore_set_apply(set);
 *
 * A .musterignore line that is not understood ignores nothing and becomes a problem of the report,
 * "FILE:LINE: why", at most 20 a file: a mistake must not hide something else than was meant, nor
 * be hidden itself. Ownership: borrows the report.
 */
#ifndef MUSTER_JOBS_SCAN_IGNORE_H
#define MUSTER_JOBS_SCAN_IGNORE_H

#include "jobs/scan/finding.h"

#define IGNORE_BYTES_MAX (4 * 1024 * 1024)
#define IGNORE_LINES_MAX 20000

struct ignore_set;
typedef struct ignore_set IgnoreSet; /* for g_autoptr */

/* today: days since 1970 in UTC, what dates are compared with; 0: the clock's. */
struct ignore_set *ignore_set_new(struct finding_report *report, gint64 today);
void ignore_set_free(struct ignore_set *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IgnoreSet, ignore_set_free)

/*
 * The lines of one file, for the findings of one repository (NULL: of all). kind is FILE or
 * GITLEAKS. Errors: MUSTER_ERROR_LIMIT.
 */
gboolean ignore_set_add(struct ignore_set *set, enum finding_ignore kind, const char *source,
	const char *text, gsize len, const char *repository, GError **error);

/* Marks what is ignored, by comments beside it first, then by the lines in their order. */
void ignore_set_apply(struct ignore_set *set);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_CHECKS_H
#define MUSTER_JOBS_AUDIT_CHECKS_H

#include <glib.h>
#include <stdio.h>

#include "lib/severity.h"

/*
 * The table of checks (jobs/audit/checks.c): a row each, with its id, what it needs to read, how
 * bad it is and a sentence of help, and one function each that looks at the facts gathered about a
 * repository. To add a check: write the function, add the row; the manual page, --list-checks and
 * the schema's tests read the table.
 *
 * A check never reads files itself. What a check needs decides what is gathered at all, so
 * `--checks status` never opens an object store.
 */

enum audit_needs {
	AUDIT_NEEDS_UNSET,
	AUDIT_NEEDS_WORKTREE = 1 << 0, /* index and working tree */
	AUDIT_NEEDS_REFS = 1 << 1,     /* references, configuration, state files */
	AUDIT_NEEDS_HISTORY = 1 << 2,  /* commits and HEAD's tree; cached under the tips */
};

enum audit_outcome {
	AUDIT_OUTCOME_UNSET,
	AUDIT_OUTCOME_PASS,
	AUDIT_OUTCOME_WARN,    /* somebody should look */
	AUDIT_OUTCOME_FAIL,    /* it is wrong */
	AUDIT_OUTCOME_UNKNOWN, /* could not be judged */
	AUDIT_OUTCOME_NONE,    /* does not apply: left out of the report */
};

struct audit_facts;

struct audit_check {
	const char *id;
	const char *group; /* status, branches, files, activity, setup */
	unsigned needs;    /* of enum audit_needs */
	enum severity severity;
	const char *help;
	/* message: what was found, for a person; an empty one is written as the help text. */
	enum audit_outcome (*run)(const struct audit_facts *facts, GString *message);
};

extern const struct audit_check audit_check_table[];
extern const gsize audit_check_table_len;

/* A set of checks: bit i is row i of the table. */
typedef guint64 audit_checks;
audit_checks audit_checks_all(void);

/*
 * list: ids and groups separated by ',', a '-' in front takes away ("all,-signed"); groups are
 * those of the table, `all`, and what they need (worktree, refs, history). Errors:
 * MUSTER_ERROR_INPUT that names the word.
 */
gboolean audit_checks_parse(const char *list, audit_checks *checks, GError **error);

/* What the set needs, of enum audit_needs. */
unsigned audit_checks_needs(audit_checks checks);

/* The table for a person; columns id, group, needs, severity, help. */
void audit_checks_print(FILE *out);

/* "info" … "critical"; NULL for UNSET. UNSET when the name is none of them. */

/* "pass" … "unknown". */
const char *audit_outcome_name(enum audit_outcome outcome);

#endif

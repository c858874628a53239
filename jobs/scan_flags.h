/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_FLAGS_H
#define MUSTER_JOBS_SCAN_FLAGS_H

#include <glib.h>

#include "jobs/output/scan.h"
#include "jobs/scan/finding.h"

/*
 * The command line of `muster scan`: one table of options, and what of it excludes what. Options
 * have the names that people know from other scanners; where two are in use, both work.
 *
 *	struct scan_flags flags;
 *	if (!scan_flags_parse(&flags, &argc, &argv, &error))
 *		usage
 *	…
 *	scan_flags_clear(&flags);
 */

/* What is scanned, of each PATH. */
enum scan_source {
	SCAN_SOURCE_HISTORY =
		1,            /* all commits that refs lead to; of a folder without git its files */
	SCAN_SOURCE_WORKTREE, /* files as they lie: tracked, untracked, not ignored */
	SCAN_SOURCE_STAGED,   /* what the next commit would add */
	SCAN_SOURCE_RANGE,    /* what commits of A..B added */
	SCAN_SOURCE_PUSH,     /* what a push adds: a pre-receive hook's lines on standard input */
	SCAN_SOURCE_STDIN,    /* bytes */
};

struct scan_flags {
	gboolean has_help;
	char **paths; /* as given; "." when none was */
	enum scan_source source;

	/* history */
	char *range, *since_commit, *branch;
	gboolean has_unreachable;

	/* rules */
	char **rule_files;
	char **enabled, **disabled; /* ids, families */
	gboolean has_no_builtin;

	/* what is left out */
	char *baseline, *ignore_file;
	gboolean is_strict;

	/* output */
	enum scan_format format;
	char *output; /* NULL: standard output */
	enum severity fail_on;
	int exit_code; /* for findings */
	struct finding_mask mask;
	gboolean has_no_colour, is_verbose, is_quiet;

	/* state and key */
	gboolean has_no_state, is_verify;
	char *state_folder, *key_file;

	/* limits */
	guint threads;
	guint64 memory_bytes; /* of a walk over objects */
	guint64 blob_max_bytes;
	guint decode_depth, archive_depth;
	guint timeout_s;
};

/*
 * FALSE and MUSTER_ERROR_INPUT or a GOption error: wrong usage. FALSE with has_help and no error:
 * it was printed, and that is all.
 */
gboolean scan_flags_parse(struct scan_flags *flags, int *argc, char ***argv, GError **error);
void scan_flags_clear(struct scan_flags *flags);
typedef struct scan_flags ScanFlags; /* for g_auto */
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScanFlags, scan_flags_clear)

#endif

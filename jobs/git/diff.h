/* SPDX-License-Identifier: MIT */
/*
 * What changed in a working tree since HEAD, line by line: for showing, not for applying.
 *
 * The files are those that status_read() lists; old contents come from HEAD's tree, new ones from
 * the working tree, where no symbolic link is followed and only regular files and links are read.
 * Nothing a repository configures is run: no diff driver, no filter, no textconv. A file whose
 * contents git would filter (LFS) is shown as binary.
 *
 * Everything is capped by struct diff_limits; what was left out is marked.
 *
 *	g_autoptr(Diff) diff = diff_read(r, &diff_limits_default, error);
 *	for (guint i = 0; diff != NULL && i < diff->files->len; i++)
 *		…
 */
#ifndef MUSTER_JOBS_GIT_DIFF_H
#define MUSTER_JOBS_GIT_DIFF_H

#include "jobs/git/status.h"

struct diff_limits {
	gsize files;
	gsize file_bytes; /* of each side; a larger file is marked as truncated, without lines */
	gsize file_lines;
	gsize lines; /* of all files together */
	gsize line_bytes;
};
extern const struct diff_limits diff_limits_default; /* 300; 1 MiB; 2 000; 20 000; 2 000 */

enum diff_kind {
	DIFF_KIND_UNSET,
	DIFF_KIND_ADDED,
	DIFF_KIND_DELETED,
	DIFF_KIND_MODIFIED,
	DIFF_KIND_UNTRACKED,
	DIFF_KIND_UNMERGED,
	DIFF_KIND_SUBMODULE,
};

struct diff_line {
	char kind;    /* ' ', '+' or '-' */
	int old_line; /* 0: there is none on that side */
	int new_line;
	char *text; /* without its end of line; bytes, may be no UTF-8 */
};

struct diff_hunk {
	char *header; /* "@@ -1,3 +1,4 @@ function" */
	int old_start, old_lines, new_start, new_lines;
	GArray *lines; /* struct diff_line */
};

struct diff_file {
	char *path; /* bytes; ends in '/' for an untracked folder */
	char x, y;  /* as `git status --short` prints them */
	enum diff_kind kind;
	gsize additions, deletions;
	bool is_binary;
	bool is_truncated;
	GPtrArray *hunks; /* struct diff_hunk */
};

struct diff {
	GPtrArray *files;  /* struct diff_file, by path */
	bool is_truncated; /* a file was left out, or a file is truncated */
};
typedef struct diff Diff; /* for g_autoptr */

/* Errors: those of status_read() and jobs/git/odb.h. A bare repository gives MUSTER_ERROR_INPUT. */
struct diff *diff_read(const struct repo *r, const struct diff_limits *limits, GError **error);
void diff_free(struct diff *diff);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Diff, diff_free)

/* "added" … "submodule". */
const char *diff_kind_name(enum diff_kind kind);

#endif

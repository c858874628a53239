/* SPDX-License-Identifier: MIT */
/*
 * What `git status` would say about a working tree, without git and without libgit2.
 *
 * Index against HEAD (staged), working tree against index (unstaged), and what is in neither
 * (untracked, folders collapsed as git's normal mode does), by git's own rules: stat data first,
 * content hashed only where it differs or is racy, line endings normalised as attributes say,
 * ignore files obeyed. Renames are two entries (as `git status --no-renames`).
 *
 * Refuses to run anything of the repository. A file whose comparison would need a configured filter
 * or an encoding that only a program could give is counted as `unverified`, never as changed; so is
 * one that cannot be read. Git LFS files are compared with their pointer's size and SHA-256. The
 * index is never written.
 *
 * Ownership: the result owns its entries. Errors: MUSTER_ERROR_INPUT (broken index or objects),
 * MUSTER_ERROR_IO, MUSTER_ERROR_LIMIT. A bare repository gives MUSTER_ERROR_INPUT: do not ask.
 *
 *	struct status_options options = {.threads = 1, .entries_max = 1000};
 *	g_autoptr(Status) s = status_read(r, &options, error);
 *	if (s != NULL && s->counts.unstaged > 0)
 *		…
 */
#ifndef MUSTER_JOBS_GIT_STATUS_H
#define MUSTER_JOBS_GIT_STATUS_H

#include "jobs/git/refs.h"
#include "jobs/git/repo.h"

struct status_counts {
	guint64 staged;    /* entries with X */
	guint64 unstaged;  /* entries with Y; one entry may count in both */
	guint64 untracked; /* files, and folders with at least one file that is not ignored */
	guint64 unmerged;
	guint64 unverified;
};

enum status_kind {
	STATUS_KIND_UNSET,
	STATUS_KIND_CHANGED,    /* porcelain v2 line "1" */
	STATUS_KIND_UNMERGED,   /* "u" */
	STATUS_KIND_UNTRACKED,  /* "?" */
	STATUS_KIND_UNVERIFIED, /* nothing that git prints: could not be compared */
};

struct status_entry {
	enum status_kind kind;
	char x, y;         /* as git prints them: '.', 'M', 'T', 'A', 'D', 'U' */
	char submodule[5]; /* "N..." or "S" and C or ., M or ., U or . */
	const char *path;  /* bytes, relative to the top; '/' at the end for an untracked folder */
};

struct status_options {
	unsigned threads;           /* for this tree; 0 and 1: the calling thread alone */
	gsize entries_max;          /* how many entries to list; counting never stops */
	const char *index_file;     /* NULL: the repository's own index */
	bool is_staged_only;        /* compare the index with HEAD alone, look at no file */
	bool is_untracked_left_out; /* count and list no untracked files */
	unsigned submodule_depth;   /* set by the walk itself; leave 0 */
};

struct status {
	struct status_counts counts;
	struct status_entry *entries; /* sorted by path bytes */
	gsize entries_count;
	bool is_truncated;  /* more than entries_max */
	guint64 unreadable; /* folders that could not be read: untracked files there are unknown */
	guint64 tracked;    /* paths in the index */
	guint64 submodules; /* gitlinks in the index that the walk met */
	guint64 submodules_untracked;      /* of unstaged: submodules with untracked files inside */
	guint64 submodules_untracked_only; /* of those: with nothing else */
	struct refs_head head;
	GStringChunk *paths;
};
typedef struct status Status; /* for g_autoptr */

struct status *status_read(
	const struct repo *r, const struct status_options *options, GError **error);
void status_free(struct status *s);

/*
 * All that s lists as one text of 64 hexadecimal digits: names, what became of each, what is
 * staged, and of each file on disk, also of those in untracked folders, what changes whenever
 * somebody writes to it. Valid for the machine that it was made on. NULL when nothing differs, or
 * when not all of it can be told: s is truncated, or it is of more than 20 000 files.
 */
char *status_digest(const struct repo *r, const struct status *s);

/* How many entries status_digest() wants listed, so that two of one state are the same. */
#define STATUS_DIGEST_ENTRIES 10000
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Status, status_free)

#endif

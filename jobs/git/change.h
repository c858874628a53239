/* SPDX-License-Identifier: MIT */
/*
 * Changing a repository that is not ours: commit what changed, throw it away, set its remote.
 *
 * In this process alone, by libgit2: nothing that a repository configures is run, and where the
 * result would depend on such a program it is refused instead (filters, encodings). Refused are
 * also working trees whose git folder lies elsewhere or has a link in place of one of its files,
 * sparse, partial and bare ones, and what has an operation half done; nobody has to guess what
 * became of those. git's own locks are taken and respected.
 *
 * Each function adds sentences about what it did to log (char *). Errors: MUSTER_ERROR_INPUT what
 * is refused, _CONFLICT it is not what the caller saw, _BUSY another git is at work, _MISSING no
 * repository, _LIMIT, _IO.
 *
 *	struct change_author author = {.name = "Ann", .email = "ann@example.org"};
 *	change_commit("/srv/git/a", &seen, &author, "Tidy up", log, error)
 */
#ifndef MUSTER_JOBS_GIT_CHANGE_H
#define MUSTER_JOBS_GIT_CHANGE_H

#include <glib.h>

/* What somebody saw before they asked; if it is another by now, nothing is done. */
struct change_seen {
	const char *head; /* commit, 40 hexadecimal digits; NULL: whatever it is */
	gint64 staged, unstaged, untracked; /* as status.h counts; -1: however many */
	const char *digest;                 /* of status_digest(); NULL: nobody knows */
};

struct change_author {
	const char *name, *email;
};

/* All changes, those that git ignores left out, as one commit on the branch that is checked out. */
gboolean change_commit(const char *path, const struct change_seen *seen,
	const struct change_author *author, const char *message, GPtrArray *log, GError **error);

/*
 * The working tree and the index become what the last commit has; files that git neither knows nor
 * ignores are removed, repositories inside are not. Only when seen->digest is that of what is
 * there: one byte that nobody saw is one too many.
 */
gboolean change_discard(
	const char *path, const struct change_seen *seen, GPtrArray *log, GError **error);

/* The address of the remote "origin". */
gboolean change_set_origin(const char *path, const char *url, GPtrArray *log, GError **error);

#endif

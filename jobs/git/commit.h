/* SPDX-License-Identifier: MIT */
/*
 * A commit object's bytes taken apart, without copying: the members point into them.
 *
 * Lenient where git is: a header that is not understood is skipped, a time that is no number is 0.
 * Broken is a commit without a tree line.
 */
#ifndef MUSTER_JOBS_GIT_COMMIT_H
#define MUSTER_JOBS_GIT_COMMIT_H

#include "jobs/git/refs.h"

struct commit_text {
	const char *at;
	gsize len;
};

struct commit {
	struct oid tree;
	const char *parents; /* "parent <hex>\n" each, COMMIT_PARENT_BYTES long */
	gsize parent_count;
	struct commit_text author_name, author_mail;
	struct commit_text encoding; /* empty: UTF-8 */
	struct commit_text subject;  /* first line of the message */
	gint64 time;                 /* the committer's, Unix seconds */
	bool is_signed;
};

#define COMMIT_PARENT_BYTES 48

gboolean commit_parse(struct commit *commit, const char *data, gsize len);

/* FALSE when the line holds no name of an object. */
gboolean commit_parent(const struct commit *commit, gsize at, struct oid *oid);

/*
 * Text for people: UTF-8, from the commit's encoding where that is known, control characters and
 * what cannot be read replaced, cut after max_bytes. Freed by the caller.
 */
char *commit_text_format(
	const struct commit *commit, const struct commit_text *text, gsize max_bytes);

#endif

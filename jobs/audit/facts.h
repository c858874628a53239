/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_FACTS_H
#define MUSTER_JOBS_AUDIT_FACTS_H

#include <glib.h>

#include "jobs/audit/find.h"
#include "jobs/audit/remote.h"
#include "jobs/git/head.h"
#include "jobs/git/history.h"
#include "jobs/git/refs.h"
#include "jobs/git/repo.h"
#include "jobs/git/status.h"

/*
 * What was learned about one repository, before anything is judged: filled in by inspect.c, read by
 * the checks, the classification, the score and the report. What was not looked at, or could not
 * be read, stays NULL or false in the has_ members: unknown, never zero.
 *
 * Ownership: facts own everything but what is said to be borrowed. Strings from a repository are
 * bytes; they are quoted where they are written.
 */

enum audit_status {
	AUDIT_STATUS_UNSET,
	AUDIT_STATUS_MISSING, /* the order of the report */
	AUDIT_STATUS_EXTRA,
	AUDIT_STATUS_DIRTY,
	AUDIT_STATUS_MISMATCHED,
	AUDIT_STATUS_CLEAN,
	AUDIT_STATUS_NOT_GIT,
	AUDIT_STATUS_ERROR,
	AUDIT_STATUS_COUNT,
};

struct fact_branch {
	char *name;
	char *upstream; /* "origin/main", or the whole ref; NULL without one */
	struct oid oid;
	struct oid upstream_oid;
	gint64 time; /* of its last commit; 0 unknown */
	guint64 ahead, behind;
	bool is_gone;   /* an upstream is configured and not there */
	bool is_pushed; /* some remote-tracking branch has its name or its tip */
	bool is_head;
	bool has_counts; /* ahead and behind were computed */
	bool has_time;
};

struct fact_tag {
	struct oid oid;
	gint64 time;
	bool has_time;
};

struct fact_worktree {
	char *name;
	char *path;
	char *branch; /* NULL: detached or unreadable */
	bool is_missing, is_locked;
	bool is_outside; /* not below a given path: not looked at */
	bool has_counts;
	struct status_counts counts;
};

enum submodule_state {
	SUBMODULE_STATE_UNSET,
	SUBMODULE_STATE_CLEAN,
	SUBMODULE_STATE_DRIFTED,       /* another commit checked out than recorded */
	SUBMODULE_STATE_MODIFIED,      /* changes or untracked files inside */
	SUBMODULE_STATE_UNINITIALISED, /* never checked out here */
	SUBMODULE_STATE_UNKNOWN,
};

struct fact_submodule {
	char *name;
	char *path;
	char *url; /* stripped of passwords */
	enum submodule_state state;
};

struct audit_facts {
	const struct find_repo *found; /* borrowed */
	char *id;
	gint64 now; /* Unix seconds the judgement is made for */
	gint64 stale_days;

	/* It could not be read at all: then nothing else is known. */
	char *error;
	bool is_unsupported; /* a format we say we do not read: SHA-256, reftable */

	enum repo_kind kind;
	bool is_bare;
	char *remote_url; /* origin, else the first remote; stripped; NULL without any */
	char *remote_key, *remote_name;
	guint remotes;

	struct status *status; /* NULL: bare, or not looked at */
	char *changes_digest;  /* of status_digest(); NULL: nothing differs, or it cannot be told */
	gsize changed;         /* entries `git status` would list; a lower bound when truncated */

	struct refs *refs; /* NULL: not looked at */
	struct refs_head head;
	bool has_head;
	enum refs_operation operation;
	guint64 stashes;
	gint64 fetch_time;     /* -1 never */
	GPtrArray *branches;   /* struct fact_branch, by name; NULL not looked at */
	GPtrArray *tags;       /* struct fact_tag */
	GPtrArray *worktrees;  /* struct fact_worktree */
	GPtrArray *submodules; /* struct fact_submodule */

	struct history_log *log;     /* NULL: not looked at, unborn or unreadable */
	struct head_tree *head_tree; /* the same */
	char *history_error;         /* why history could not be read */
	gint64 disk_bytes;           /* of the object store; -1 unknown */

	/* The judgement. */
	enum audit_status verdict;
	const struct audit_expected *expected; /* borrowed; NULL: not in the list, or no list */
	bool has_list;
};

struct audit_facts *audit_facts_new(void);
void audit_facts_free(struct audit_facts *facts);
typedef struct audit_facts AuditFacts; /* for g_autoptr */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AuditFacts, audit_facts_free)

const char *audit_status_name(enum audit_status status);
enum audit_status audit_status_parse(const char *name);

/* The branch HEAD is on, as a row of branches; NULL when detached, unborn or not looked at. */
const struct fact_branch *audit_facts_head_branch(const struct audit_facts *facts);

/* Older than stale_days before now. */
bool audit_facts_is_old(const struct audit_facts *facts, gint64 time);

/* Commits with a time in the last seconds; needs log. */
guint64 audit_facts_recent(const struct audit_facts *facts, gint64 seconds);

/* Tags whose commit is older than 6 x 30 days; FALSE when a time is not known. */
bool audit_facts_stale_tags(const struct audit_facts *facts, guint64 *count);

/* Names of the files every repository should have and HEAD has not; needs head_tree. */
#define AUDIT_MISSING_FILES_MAX 3
guint audit_facts_missing_files(
	const struct audit_facts *facts, const char *names[AUDIT_MISSING_FILES_MAX]);

#endif

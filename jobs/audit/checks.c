/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/checks.h"

#include <string.h>

#include "jobs/audit/facts.h"
#include "lib/error.h"
#include "lib/quote.h"

#define FETCH_OLD_DAYS 30
#define NAMES_MAX 3 /* names written out in a message */

typedef enum audit_outcome outcome;

/* "1 file", "2 files". */
static void count_append(GString *message, guint64 count, const char *what)
{
	g_string_append_printf(
		message, "%" G_GUINT64_FORMAT " %s%s", count, what, count == 1 ? "" : "s");
}

/* "a, b, c and 4 more" for the names that fit. */
static void name_append(GString *message, guint at, const char *name)
{
	if (at >= NAMES_MAX)
		return;
	g_autofree char *quoted = quote_format(name);
	g_string_append_printf(message, "%s%s", at > 0 ? ", " : "", quoted);
}

static void names_end(GString *message, guint64 count)
{
	if (count > NAMES_MAX)
		g_string_append_printf(
			message, " and %" G_GUINT64_FORMAT " more", count - NAMES_MAX);
}

/* status: what the working tree and the list of what should exist say. */

static outcome check_readable(const struct audit_facts *f, GString *message)
{
	if (f->error != NULL) {
		g_string_append(message, f->error);
		return AUDIT_OUTCOME_FAIL;
	}
	if (f->history_error != NULL) {
		g_string_append(message, f->history_error);
		return AUDIT_OUTCOME_FAIL;
	}
	if (f->refs != NULL && f->refs->broken > 0) {
		count_append(message, f->refs->broken, "broken reference");
		return AUDIT_OUTCOME_FAIL;
	}
	if (f->status != NULL && f->status->unreadable > 0) {
		count_append(message, f->status->unreadable, "folder");
		g_string_append(message, " of the working tree cannot be read");
		return AUDIT_OUTCOME_FAIL;
	}
	return AUDIT_OUTCOME_PASS;
}

static outcome check_uncommitted(const struct audit_facts *f, GString *message)
{
	const char *join = "";

	if (f->status == NULL)
		return f->is_bare ? AUDIT_OUTCOME_NONE : AUDIT_OUTCOME_UNKNOWN;
	const struct status_counts *counts = &f->status->counts;
	if (counts->staged > 0) {
		g_string_append_printf(message, "%" G_GUINT64_FORMAT " staged", counts->staged);
		join = ", ";
	}
	if (counts->unstaged > 0)
		g_string_append_printf(
			message, "%s%" G_GUINT64_FORMAT " changed", join, counts->unstaged);
	return message->len > 0 ? AUDIT_OUTCOME_FAIL : AUDIT_OUTCOME_PASS;
}

static outcome check_untracked(const struct audit_facts *f, GString *message)
{
	if (f->status == NULL)
		return f->is_bare ? AUDIT_OUTCOME_NONE : AUDIT_OUTCOME_UNKNOWN;
	if (f->status->counts.untracked == 0)
		return f->status->unreadable > 0 ? AUDIT_OUTCOME_UNKNOWN : AUDIT_OUTCOME_PASS;
	count_append(message, f->status->counts.untracked, "untracked file");
	return AUDIT_OUTCOME_WARN;
}

/* Names the files of one kind; there may be more of them than are listed. */
static void entries_append(
	GString *message, const struct status *status, enum status_kind kind, guint64 count)
{
	guint at = 0;

	for (gsize i = 0; i < status->entries_count; i++)
		if (status->entries[i].kind == kind)
			name_append(message, at++, status->entries[i].path);
	if (at > 0)
		names_end(message, count);
	else
		count_append(message, count, "file");
}

static outcome check_unmerged(const struct audit_facts *f, GString *message)
{
	if (f->status == NULL)
		return f->is_bare ? AUDIT_OUTCOME_NONE : AUDIT_OUTCOME_UNKNOWN;
	if (f->status->counts.unmerged == 0)
		return AUDIT_OUTCOME_PASS;
	entries_append(message, f->status, STATUS_KIND_UNMERGED, f->status->counts.unmerged);
	g_string_append(message, ": merge conflict");
	return AUDIT_OUTCOME_FAIL;
}

static outcome check_unverified(const struct audit_facts *f, GString *message)
{
	if (f->status == NULL)
		return f->is_bare ? AUDIT_OUTCOME_NONE : AUDIT_OUTCOME_UNKNOWN;
	if (f->status->counts.unverified == 0)
		return AUDIT_OUTCOME_PASS;
	entries_append(message, f->status, STATUS_KIND_UNVERIFIED, f->status->counts.unverified);
	g_string_append(message, ": only a filter could compare");
	return AUDIT_OUTCOME_WARN;
}

static outcome check_submodules(const struct audit_facts *f, GString *message)
{
	guint count = 0;

	if (f->submodules->len == 0)
		return AUDIT_OUTCOME_NONE;
	for (guint i = 0; i < f->submodules->len; i++) {
		const struct fact_submodule *submodule = f->submodules->pdata[i];
		if (submodule->state == SUBMODULE_STATE_DRIFTED ||
			submodule->state == SUBMODULE_STATE_MODIFIED)
			name_append(message, count++, submodule->path);
	}
	if (count == 0)
		return AUDIT_OUTCOME_PASS;
	names_end(message, count);
	g_string_append(message,
		count == 1 ? " differs from what is recorded" : " differ from what is recorded");
	return AUDIT_OUTCOME_FAIL;
}

static outcome check_worktrees(const struct audit_facts *f, GString *message)
{
	guint count = 0;

	if (f->worktrees->len == 0)
		return AUDIT_OUTCOME_NONE;
	for (guint i = 0; i < f->worktrees->len; i++) {
		const struct fact_worktree *worktree = f->worktrees->pdata[i];
		const struct status_counts *c = &worktree->counts;
		if (worktree->is_missing ||
			(worktree->has_counts &&
				c->staged + c->unstaged + c->untracked + c->unmerged > 0))
			name_append(message, count++, worktree->name);
	}
	if (count == 0)
		return AUDIT_OUTCOME_PASS;
	names_end(message, count);
	g_string_append(message, ": changed or gone");
	return AUDIT_OUTCOME_WARN;
}

static outcome check_remote(const struct audit_facts *f, GString *message)
{
	if (f->remote_url == NULL) {
		g_string_append(message, "no remote: this may be the only copy");
		return AUDIT_OUTCOME_WARN;
	}
	if (f->verdict == AUDIT_STATUS_MISMATCHED) {
		g_autofree char *url = quote_format(f->remote_url);
		g_string_append_printf(message, "origin is %s", url);
		gboolean is_other = f->expected != NULL && *f->expected->url != '\0' &&
				    g_strcmp0(f->remote_key, f->expected->key) != 0;
		if (is_other)
			g_string_append_printf(message, ", not %s", f->expected->url);
		else
			g_string_append(message, "; the folder has another name");
		return AUDIT_OUTCOME_FAIL;
	}
	return AUDIT_OUTCOME_PASS;
}

static outcome check_expected(const struct audit_facts *f, GString *message)
{
	if (!f->has_list)
		return AUDIT_OUTCOME_UNKNOWN;
	if (f->verdict == AUDIT_STATUS_EXTRA) {
		g_string_append(message, "not in the list of what should exist");
		return AUDIT_OUTCOME_WARN;
	}
	return AUDIT_OUTCOME_PASS;
}

/* branches: what the references say. */

static outcome check_operation(const struct audit_facts *f, GString *message)
{
	if (f->is_bare)
		return AUDIT_OUTCOME_NONE;
	if (f->operation == REFS_OPERATION_NONE)
		return AUDIT_OUTCOME_PASS;
	g_string_append_printf(message, "a %s is not finished", refs_operation_name(f->operation));
	return AUDIT_OUTCOME_WARN;
}

static outcome check_head(const struct audit_facts *f, GString *message)
{
	if (!f->has_head)
		return AUDIT_OUTCOME_UNKNOWN;
	if (f->head.state == HEAD_STATE_DETACHED) {
		g_string_append(message, "HEAD is detached: commits here belong to no branch");
		return AUDIT_OUTCOME_WARN;
	}
	if (f->head.state == HEAD_STATE_UNBORN) {
		g_string_append(message, "there is no commit yet");
		return AUDIT_OUTCOME_WARN;
	}
	return AUDIT_OUTCOME_PASS;
}

static outcome check_stashes(const struct audit_facts *f, GString *message)
{
	if (f->stashes == 0)
		return AUDIT_OUTCOME_PASS;
	g_string_append_printf(message, "%" G_GUINT64_FORMAT " %s", f->stashes,
		f->stashes == 1 ? "stash" : "stashes");
	return AUDIT_OUTCOME_WARN;
}

/* Counts the branches for which test holds and names some; what ends the sentence. */
static outcome branch_check(const struct audit_facts *f, GString *message,
	bool (*test)(const struct audit_facts *f, const struct fact_branch *branch),
	const char *what, outcome found)
{
	guint count = 0;

	for (guint i = 0; i < f->branches->len; i++) {
		const struct fact_branch *branch = f->branches->pdata[i];
		if (test(f, branch))
			name_append(message, count++, branch->name);
	}
	if (count == 0)
		return AUDIT_OUTCOME_PASS;
	names_end(message, count);
	g_string_append(message, what);
	return found;
}

static bool is_unpushed(const struct audit_facts *f, const struct fact_branch *branch)
{
	return branch->upstream == NULL && !branch->is_pushed;
}

static outcome check_never_pushed(const struct audit_facts *f, GString *message)
{
	if (f->remotes == 0)
		return AUDIT_OUTCOME_NONE;
	return branch_check(f, message, is_unpushed, ": never pushed", AUDIT_OUTCOME_WARN);
}

static bool is_gone(const struct audit_facts *f, const struct fact_branch *branch)
{
	return branch->is_gone;
}

static outcome check_upstream_gone(const struct audit_facts *f, GString *message)
{
	return branch_check(f, message, is_gone, ": the upstream is gone", AUDIT_OUTCOME_WARN);
}

static outcome check_fetch(const struct audit_facts *f, GString *message)
{
	if (f->remotes == 0)
		return AUDIT_OUTCOME_NONE;
	/* A fresh clone has fetched everything and has no FETCH_HEAD. */
	if (f->fetch_time < 0)
		return AUDIT_OUTCOME_UNKNOWN;
	gint64 days = (f->now - f->fetch_time) / 86400;
	if (days <= FETCH_OLD_DAYS)
		return AUDIT_OUTCOME_PASS;
	g_string_append_printf(message, "last fetched %" G_GINT64_FORMAT " days ago", days);
	return AUDIT_OUTCOME_WARN;
}

static bool is_ahead(const struct audit_facts *f, const struct fact_branch *branch)
{
	return branch->has_counts && branch->ahead > 0;
}

static bool is_behind(const struct audit_facts *f, const struct fact_branch *branch)
{
	return branch->has_counts && branch->behind > 0;
}

/* A branch whose counts could not be computed makes "none is ahead" unknown. */
static outcome counts_checked(const struct audit_facts *f, outcome result)
{
	for (guint i = 0; result == AUDIT_OUTCOME_PASS && i < f->branches->len; i++) {
		const struct fact_branch *branch = f->branches->pdata[i];
		if (branch->upstream != NULL && !branch->is_gone && !branch->has_counts)
			result = AUDIT_OUTCOME_UNKNOWN;
	}
	return result;
}

static outcome check_ahead(const struct audit_facts *f, GString *message)
{
	return counts_checked(
		f, branch_check(f, message, is_ahead, ": commits not pushed", AUDIT_OUTCOME_WARN));
}

static outcome check_behind(const struct audit_facts *f, GString *message)
{
	return counts_checked(f,
		branch_check(f, message, is_behind, ": behind the upstream", AUDIT_OUTCOME_WARN));
}

static bool is_stale_branch(const struct audit_facts *f, const struct fact_branch *branch)
{
	return !branch->is_head && branch->has_time && audit_facts_is_old(f, branch->time);
}

static outcome check_stale_branches(const struct audit_facts *f, GString *message)
{
	return branch_check(
		f, message, is_stale_branch, ": no commit for long", AUDIT_OUTCOME_WARN);
}

static outcome check_stale_tags(const struct audit_facts *f, GString *message)
{
	guint64 count;

	if (!audit_facts_stale_tags(f, &count))
		return AUDIT_OUTCOME_UNKNOWN;
	if (count == 0)
		return AUDIT_OUTCOME_PASS;
	count_append(message, count, "tag");
	g_string_append(message, " older than 180 days");
	return AUDIT_OUTCOME_WARN;
}

/* activity: what the commits say. */

static outcome history_missing(const struct audit_facts *f)
{
	return f->has_head && f->head.state == HEAD_STATE_UNBORN ? AUDIT_OUTCOME_NONE
								 : AUDIT_OUTCOME_UNKNOWN;
}

static outcome check_stale(const struct audit_facts *f, GString *message)
{
	if (f->log == NULL)
		return history_missing(f);
	if (!audit_facts_is_old(f, f->log->time))
		return AUDIT_OUTCOME_PASS;
	g_string_append_printf(message, "last commit %" G_GINT64_FORMAT " days ago",
		(f->now - f->log->time) / 86400);
	return AUDIT_OUTCOME_WARN;
}

static outcome check_signed(const struct audit_facts *f, GString *message)
{
	if (f->log == NULL || f->log->commits == 0)
		return history_missing(f);
	g_string_append_printf(message,
		"%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " commits are signed",
		f->log->signed_commits, f->log->commits);
	/* Nobody signs, or everybody does: both are a habit. A mixture is worth a look. */
	return f->log->signed_commits == 0 || f->log->signed_commits == f->log->commits
		       ? AUDIT_OUTCOME_PASS
		       : AUDIT_OUTCOME_WARN;
}

static outcome check_activity(const struct audit_facts *f, GString *message)
{
	if (f->log == NULL)
		return history_missing(f);
	count_append(message, audit_facts_recent(f, 30 * 86400), "commit");
	g_string_append(message, " in 30 days, ");
	count_append(message, f->log->contributors, "contributor");
	return AUDIT_OUTCOME_PASS;
}

/* files: what HEAD's tree holds and should not. */

static outcome files_check(const struct audit_facts *f, GString *message, bool is_large)
{
	if (f->head_tree == NULL)
		return history_missing(f);
	const GPtrArray *files = is_large ? f->head_tree->large : f->head_tree->sensitive;
	guint64 count = is_large ? f->head_tree->large_count : f->head_tree->sensitive_count;
	if (count == 0)
		return AUDIT_OUTCOME_PASS;
	for (guint i = 0; i < files->len; i++)
		name_append(message, i, ((const struct head_file *)files->pdata[i])->path);
	names_end(message, count);
	g_string_append(message, is_large ? ": large" : ": should not be tracked");
	return AUDIT_OUTCOME_FAIL;
}

static outcome check_large_blobs(const struct audit_facts *f, GString *message)
{
	return files_check(f, message, true);
}

static outcome check_tracked_secrets(const struct audit_facts *f, GString *message)
{
	return files_check(f, message, false);
}

/* setup: what HEAD's tree should hold. */

static outcome part_check(
	const struct audit_facts *f, GString *message, enum head_part part, const char *what)
{
	if (f->head_tree == NULL)
		return history_missing(f);
	if (f->head_tree->present & part)
		return AUDIT_OUTCOME_PASS;
	g_string_append_printf(message, "there is no %s", what);
	return AUDIT_OUTCOME_WARN;
}

static outcome check_readme(const struct audit_facts *f, GString *message)
{
	return part_check(f, message, HEAD_PART_README, "README");
}

static outcome check_license(const struct audit_facts *f, GString *message)
{
	return part_check(f, message, HEAD_PART_LICENSE, "LICENSE");
}

static outcome check_gitignore(const struct audit_facts *f, GString *message)
{
	return part_check(f, message, HEAD_PART_GITIGNORE, ".gitignore");
}

static outcome check_security(const struct audit_facts *f, GString *message)
{
	return part_check(f, message, HEAD_PART_SECURITY, "SECURITY file");
}

static outcome check_codeowners(const struct audit_facts *f, GString *message)
{
	return part_check(f, message, HEAD_PART_CODEOWNERS, "CODEOWNERS");
}

static outcome check_ci(const struct audit_facts *f, GString *message)
{
	return part_check(f, message, HEAD_PART_CI, "configuration of a CI service");
}

static outcome check_update_tool(const struct audit_facts *f, GString *message)
{
	return part_check(f, message, HEAD_PART_UPDATE_TOOL,
		"configuration of a tool that updates dependencies");
}

#define WORKTREE AUDIT_NEEDS_WORKTREE
#define REFS AUDIT_NEEDS_REFS
#define HISTORY AUDIT_NEEDS_HISTORY
#define INFO SEVERITY_INFO
#define LOW SEVERITY_LOW
#define MEDIUM SEVERITY_MEDIUM
#define HIGH SEVERITY_HIGH
#define CRITICAL SEVERITY_CRITICAL

/* clang-format off */
const struct audit_check audit_check_table[] = {
	{ "readable", "status", WORKTREE, HIGH,
	  "the repository, its references and its folders can be read", check_readable },
	{ "uncommitted", "status", WORKTREE, MEDIUM,
	  "everything that changed is committed", check_uncommitted },
	{ "untracked", "status", WORKTREE, LOW,
	  "no file is untracked and not ignored", check_untracked },
	{ "unmerged", "status", WORKTREE, HIGH,
	  "no merge conflict is left", check_unmerged },
	{ "unverified", "status", WORKTREE, INFO,
	  "every file can be compared without running a filter", check_unverified },
	{ "submodules", "status", WORKTREE, MEDIUM,
	  "submodules stand at the commit that is recorded and are unchanged", check_submodules },
	{ "worktrees", "status", WORKTREE, LOW,
	  "linked worktrees are there and have no changes", check_worktrees },
	{ "remote", "status", WORKTREE, MEDIUM,
	  "there is a remote, and it is the right one", check_remote },
	{ "expected", "status", WORKTREE, LOW,
	  "the repository is in the list of what should exist", check_expected },

	{ "operation", "branches", REFS, MEDIUM,
	  "no merge, rebase, bisect or the like waits to be finished", check_operation },
	{ "head", "branches", REFS, LOW,
	  "HEAD is on a branch that has a commit", check_head },
	{ "stashes", "branches", REFS, LOW,
	  "nothing lies in the stash", check_stashes },
	{ "never-pushed", "branches", REFS, MEDIUM,
	  "every branch exists on a remote", check_never_pushed },
	{ "upstream-gone", "branches", REFS, LOW,
	  "no branch follows an upstream that is gone", check_upstream_gone },
	{ "fetch", "branches", REFS, LOW,
	  "the last fetch is at most 30 days old", check_fetch },
	{ "ahead", "branches", HISTORY, MEDIUM,
	  "every commit of a branch with an upstream is pushed", check_ahead },
	{ "behind", "branches", HISTORY, LOW,
	  "no branch is behind its upstream", check_behind },
	{ "stale-branches", "branches", HISTORY, LOW,
	  "no branch but the current one is older than audit.stale_days", check_stale_branches },
	{ "stale-tags", "branches", HISTORY, INFO,
	  "no tag's commit is older than 180 days", check_stale_tags },

	{ "stale", "activity", HISTORY, LOW,
	  "the last commit is at most audit.stale_days old", check_stale },
	{ "signed", "activity", HISTORY, INFO,
	  "all commits are signed, or none", check_signed },
	{ "activity", "activity", HISTORY, INFO,
	  "says how many commits and contributors there were", check_activity },

	{ "large-blobs", "files", HISTORY, MEDIUM,
	  "no file of HEAD has audit.large_blob_bytes or more", check_large_blobs },
	{ "tracked-secrets", "files", HISTORY, CRITICAL,
	  "no .env, key or certificate store is tracked", check_tracked_secrets },

	{ "readme", "setup", HISTORY, LOW, "there is a README", check_readme },
	{ "license", "setup", HISTORY, LOW, "there is a LICENSE", check_license },
	{ "gitignore", "setup", HISTORY, LOW, "there is a .gitignore", check_gitignore },
	{ "security", "setup", HISTORY, INFO, "there is a SECURITY file", check_security },
	{ "codeowners", "setup", HISTORY, INFO, "there is a CODEOWNERS file", check_codeowners },
	{ "ci", "setup", HISTORY, INFO, "a CI service is configured", check_ci },
	{ "update-tool", "setup", HISTORY, INFO,
	  "a tool that updates dependencies is configured", check_update_tool },
};
/* clang-format on */

const gsize audit_check_table_len = G_N_ELEMENTS(audit_check_table);
G_STATIC_ASSERT(G_N_ELEMENTS(audit_check_table) < 64); /* audit_checks has 64 bits */

const char *audit_outcome_name(enum audit_outcome result)
{
	static const char *const names[] = {NULL, "pass", "warn", "fail", "unknown", NULL};

	return names[result];
}

static const char *needs_name(unsigned needs)
{
	return needs == WORKTREE ? "worktree" : needs == REFS ? "refs" : "history";
}

audit_checks audit_checks_all(void)
{
	return ((audit_checks)1 << audit_check_table_len) - 1;
}

gboolean audit_checks_parse(const char *list, audit_checks *checks, GError **error)
{
	g_auto(GStrv) words = g_strsplit(list, ",", 256);
	audit_checks set = 0;

	for (char **word = words; *word != NULL; word++) {
		const char *name = g_strstrip(*word);
		gboolean is_away = *name == '-';
		audit_checks bits = 0;
		if (*name == '\0')
			continue;
		name += is_away;
		for (gsize i = 0; i < audit_check_table_len; i++) {
			const struct audit_check *check = &audit_check_table[i];
			if (!strcmp(name, "all") || !strcmp(name, check->id) ||
				!strcmp(name, check->group) ||
				!strcmp(name, needs_name(check->needs)))
				bits |= (audit_checks)1 << i;
		}
		if (bits == 0) {
			g_autofree char *quoted = quote_format(name);
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"'%s' is no check and no group of checks; 'muster audit "
				"--list-checks' prints them",
				quoted);
			return FALSE;
		}
		if (is_away && set == 0 && word == words)
			set = audit_checks_all();
		set = is_away ? set & ~bits : set | bits;
	}
	if (set == 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "no check is left to run");
		return FALSE;
	}
	*checks = set;
	return TRUE;
}

unsigned audit_checks_needs(audit_checks checks)
{
	unsigned needs = 0;

	for (gsize i = 0; i < audit_check_table_len; i++)
		if (checks & ((audit_checks)1 << i))
			needs |= audit_check_table[i].needs;
	return needs;
}

void audit_checks_print(FILE *out)
{
	fprintf(out, "%-16s %-9s %-9s %-9s %s\n", "ID", "GROUP", "READS", "SEVERITY",
		"PASSES WHEN");
	for (gsize i = 0; i < audit_check_table_len; i++) {
		const struct audit_check *check = &audit_check_table[i];
		fprintf(out, "%-16s %-9s %-9s %-9s %s\n", check->id, check->group,
			needs_name(check->needs), severity_name(check->severity), check->help);
	}
}

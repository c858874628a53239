/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/row.h"

#include <string.h>

#include "jobs/audit/member.h"
#include "jobs/audit/score.h"
#include "lib/quote.h"
#include "lib/report.h"

/* Names that GET /audit/… takes for itself: a link to such a repository uses its id. */
static const char *const reserved[] = {"history", "diff", "mismatch", "clone", "delete", "commit",
	"discard", "fix-remote", "batch", "export", "email-summary", "run-comprehensive", ".",
	".."};

/* What each status offers to do: the link's action and the entry of mitigation_actions. */
static const struct {
	const char *action;
	const char *mitigation;
} remedies[AUDIT_STATUS_COUNT] = {
	[AUDIT_STATUS_MISSING] = {"clone", "clone_missing"},
	[AUDIT_STATUS_EXTRA] = {"review", "review_or_delete"},
	[AUDIT_STATUS_DIRTY] = {"commit", "commit_or_discard"},
	[AUDIT_STATUS_MISMATCHED] = {"fix_remote", "fix_remote_or_rename"},
	[AUDIT_STATUS_CLEAN] = {"view", NULL},
	[AUDIT_STATUS_NOT_GIT] = {"review", "review_or_delete"},
	[AUDIT_STATUS_ERROR] = {"view", NULL},
};

char *row_link(const char *name, const char *id, const char *action)
{
	gboolean is_plain = *name != '\0';

	for (const char *at = name; *at != '\0'; at++)
		is_plain &= g_ascii_isalnum(*at) || strchr("._-", *at) != NULL;
	for (gsize i = 0; i < G_N_ELEMENTS(reserved); i++)
		is_plain &= strcmp(name, reserved[i]) != 0;
	return g_strdup_printf("/audit/%s?action=%s", is_plain ? name : id, action);
}

/* The folder's name as it would be cloned: a bare repository's ".git" is no part of it. */
static char *folder_name(const struct audit_facts *facts)
{
	g_autofree char *base = g_path_get_basename(facts->found->path);
	gsize len = strlen(base);

	if (facts->is_bare && len > 4 && g_str_has_suffix(base, ".git"))
		base[len - 4] = '\0';
	return quote_format(base);
}

void row_judge(struct audit_facts *facts, const struct audit_remote *remote)
{
	g_autofree char *name = folder_name(facts);
	const char *key = facts->remote_key != NULL ? facts->remote_key : "";
	gboolean is_dirty = facts->changed > 0;

	facts->has_list = remote != NULL;
	if (remote != NULL) {
		facts->expected = audit_remote_find_name(remote, name);
		gboolean is_named = facts->expected != NULL;
		if (!is_named)
			facts->expected = audit_remote_find_key(remote, key);
		if (facts->expected != NULL)
			audit_remote_mark(remote, facts->expected);
		if (facts->error != NULL)
			facts->verdict = AUDIT_STATUS_ERROR;
		else if (facts->expected == NULL)
			facts->verdict = AUDIT_STATUS_EXTRA;
		else if (!is_named)
			facts->verdict = AUDIT_STATUS_MISMATCHED;
		else if (is_dirty)
			facts->verdict = AUDIT_STATUS_DIRTY;
		else if (*key != '\0' && *facts->expected->key != '\0' &&
			 strcmp(key, facts->expected->key) != 0)
			facts->verdict = AUDIT_STATUS_MISMATCHED;
		else
			facts->verdict = AUDIT_STATUS_CLEAN;
		return;
	}
	const char *remote_name = facts->remote_name != NULL ? facts->remote_name : "";
	g_autofree char *quoted = quote_format(remote_name);
	if (facts->error != NULL)
		facts->verdict = AUDIT_STATUS_ERROR;
	else if (is_dirty)
		facts->verdict = AUDIT_STATUS_DIRTY;
	else if (*quoted != '\0' && strcmp(quoted, name) != 0)
		facts->verdict = AUDIT_STATUS_MISMATCHED;
	else
		facts->verdict = AUDIT_STATUS_CLEAN;
}

static void add_remedy(json_object *row, enum audit_status status, const char *name, const char *id)
{
	g_autofree char *link = row_link(name, id, remedies[status].action);

	member_text(row, "dashboard_link", link);
	if (remedies[status].mitigation != NULL)
		member_text(row, "mitigation", remedies[status].mitigation);
}

static const char *file_status(const struct audit_facts *facts)
{
	if (facts->head_tree == NULL)
		return NULL;
	if (!(facts->head_tree->present & HEAD_PART_README))
		return "missing_readme";
	return facts->head_tree->present & HEAD_PART_GITIGNORE ? "complete" : "missing_files";
}

/* The keys that were there before us, in their order. */
static void add_first(json_object *row, const struct audit_facts *facts)
{
	g_autofree char *path = quote_format(facts->found->path);
	g_autofree char *url = quote_format(facts->remote_url != NULL ? facts->remote_url : "");
	const char *expected = facts->expected != NULL && *facts->expected->url != '\0'
				       ? facts->expected->url
				       : NULL;

	member_text(row, "name", facts->found->name);
	member_text(row, "status", audit_status_name(facts->verdict));
	member_text(row, "local_path", path);
	switch (facts->verdict) {
	case AUDIT_STATUS_DIRTY:
		member_text(row, "clone_url", expected != NULL ? expected : url);
		break;
	case AUDIT_STATUS_CLEAN:
		member_text(row, "clone_url", expected != NULL ? expected : url);
		member_text(row, "file_status", file_status(facts));
		break;
	case AUDIT_STATUS_MISMATCHED:
		member_text(row, "remote_url", url);
		member_text(row, "expected_url", expected);
		break;
	case AUDIT_STATUS_ERROR:
		member_text(row, "remote_url", url);
		member_text(row, "error", facts->error);
		member_flag(row, "is_unsupported", facts->is_unsupported, TRUE);
		break;
	default:
		member_text(row, "remote_url", url);
	}
	add_remedy(row, facts->verdict, facts->found->name, facts->id);
}

static void add_commit(json_object *row, const struct audit_facts *facts)
{
	const struct history_log *log = facts->log;
	char hex[OID_HEX + 1];

	member_time(row, "lastCommit", log != NULL ? log->time : 0, log != NULL);
	if (facts->has_head && facts->head.state != HEAD_STATE_UNBORN) {
		oid_format(&facts->head.oid, hex);
		member_text(row, "lastCommitSha", hex);
	} else {
		member_text(row, "lastCommitSha", NULL);
	}
	member_text(row, "lastCommitSubject", log != NULL ? log->subject : NULL);
	member_number(row, "lastCommitAgeDays",
		log != NULL ? MAX(facts->now - log->time, 0) / 86400 : 0, log != NULL);
}

static void add_health(json_object *row, const struct audit_facts *facts)
{
	const struct fact_branch *branch = audit_facts_head_branch(facts);
	gboolean has_counts = branch != NULL && branch->has_counts;
	const char *missing[AUDIT_MISSING_FILES_MAX];
	guint64 stale_tags;
	struct score score;

	member_flag(row, "uncommittedChanges", facts->changed > 0,
		facts->status != NULL || facts->is_bare);
	if (facts->head_tree != NULL) {
		json_object *names = member_array(row, "missingFiles");
		guint count = audit_facts_missing_files(facts, missing);
		for (guint i = 0; i < count; i++)
			json_object_array_add(names, json_object_new_string(missing[i]));
	} else {
		member_text(row, "missingFiles", NULL);
	}
	member_flag(row, "isStale",
		facts->log != NULL && audit_facts_is_old(facts, facts->log->time),
		facts->log != NULL);
	member_number(row, "ahead", has_counts ? (gint64)branch->ahead : 0, has_counts);
	member_number(row, "behind", has_counts ? (gint64)branch->behind : 0, has_counts);
	gboolean has_tags = audit_facts_stale_tags(facts, &stale_tags);
	member_number(row, "staleTags", (gint64)stale_tags, has_tags);
	member_text(row, "findings", NULL);
	score_init(&score, facts);
	member_number(row, "healthScore", score.value, score.is_known);
	json_object *unknown = member_array(row, "health_unknown");
	for (int i = 0; i < SCORE_TERM_COUNT; i++)
		if (!score.terms[i].is_known)
			json_object_array_add(unknown,
				json_object_new_string(score_term_name((enum score_term)i)));
}

static void add_counts(json_object *parent, const char *key, const struct status_counts *counts,
	gint64 stashes, gboolean has_stashes)
{
	json_object *object = member_object(parent, key);

	member_number(object, "staged", (gint64)(counts ? counts->staged : 0), counts != NULL);
	member_number(object, "unstaged", (gint64)(counts ? counts->unstaged : 0), counts != NULL);
	member_number(
		object, "untracked", (gint64)(counts ? counts->untracked : 0), counts != NULL);
	member_number(object, "unmerged", (gint64)(counts ? counts->unmerged : 0), counts != NULL);
	member_number(
		object, "unverified", (gint64)(counts ? counts->unverified : 0), counts != NULL);
	member_number(object, "stashes", stashes, has_stashes);
}

static void add_branches(json_object *row, const struct audit_facts *facts)
{
	json_object *list = member_array(row, "branches");

	for (guint i = 0; i < MIN(facts->branches->len, ROW_BRANCHES_MAX); i++) {
		const struct fact_branch *branch = facts->branches->pdata[i];
		json_object *object = json_object_new_object();
		member_name(object, "name", branch->name);
		member_name(object, "upstream", branch->upstream);
		member_flag(object, "is_head", branch->is_head, TRUE);
		member_flag(object, "is_pushed", branch->is_pushed, facts->remotes > 0);
		member_flag(object, "upstream_gone", branch->is_gone, TRUE);
		member_number(object, "ahead", (gint64)branch->ahead, branch->has_counts);
		member_number(object, "behind", (gint64)branch->behind, branch->has_counts);
		member_time(object, "last_commit_at", branch->time, branch->has_time);
		member_flag(object, "is_stale", audit_facts_is_old(facts, branch->time),
			branch->has_time);
		json_object_array_add(list, object);
	}
	member_number(row, "branches_total", facts->branches->len, facts->refs != NULL);
}

static void add_members(json_object *row, const struct audit_facts *facts)
{
	static const char *const states[] = {
		NULL, "clean", "drifted", "modified", "uninitialised", "unknown"};
	json_object *list = member_array(row, "worktrees");

	for (guint i = 0; i < facts->worktrees->len; i++) {
		const struct fact_worktree *worktree = facts->worktrees->pdata[i];
		json_object *object = json_object_new_object();
		member_name(object, "name", worktree->name);
		member_name(object, "path", worktree->path);
		member_name(object, "branch", worktree->branch);
		member_flag(object, "is_missing", worktree->is_missing, TRUE);
		member_flag(object, "is_locked", worktree->is_locked, TRUE);
		member_flag(object, "is_outside", worktree->is_outside, TRUE);
		add_counts(object, "counts", worktree->has_counts ? &worktree->counts : NULL, 0,
			FALSE);
		json_object_array_add(list, object);
	}
	list = member_array(row, "submodules");
	for (guint i = 0; i < facts->submodules->len; i++) {
		const struct fact_submodule *submodule = facts->submodules->pdata[i];
		json_object *object = json_object_new_object();
		member_name(object, "name", submodule->name);
		member_name(object, "path", submodule->path);
		member_name(object, "url", submodule->url);
		member_text(object, "state", states[submodule->state]);
		json_object_array_add(list, object);
	}
}

static void add_files(
	json_object *row, const char *key, const char *total, const GPtrArray *files, guint64 count)
{
	json_object *list = member_array(row, key);

	for (guint i = 0; files != NULL && i < files->len; i++) {
		const struct head_file *file = files->pdata[i];
		json_object *object = json_object_new_object();
		member_name(object, "path", file->path);
		member_number(object, "size_bytes", (gint64)file->size_bytes, TRUE);
		member_text(object, "added_by", *file->commit != '\0' ? file->commit : NULL);
		member_name(object, "author", file->author);
		member_time(object, "added_at", file->time, *file->commit != '\0');
		json_object_array_add(list, object);
	}
	member_number(row, total, (gint64)count, files != NULL);
}

static const char *head_name(const struct audit_facts *facts)
{
	static const char *const names[] = {NULL, "branch", "detached", "unborn"};

	return facts->has_head ? names[facts->head.state] : NULL;
}

static void add_activity(json_object *row, const struct audit_facts *facts)
{
	const struct history_log *log = facts->log;
	gboolean has_fetch = facts->refs != NULL && facts->fetch_time >= 0;

	member_number(row, "fetch_age_days",
		has_fetch ? MAX(facts->now - facts->fetch_time, 0) / 86400 : 0, has_fetch);
	member_real(row, "signed_share",
		log != NULL && log->commits > 0 ? (double)log->signed_commits / (double)log->commits
						: 0,
		log != NULL && log->commits > 0);
	member_number(row, "commits", log != NULL ? (gint64)log->commits : 0, log != NULL);
	member_number(
		row, "contributors", log != NULL ? (gint64)log->contributors : 0, log != NULL);
	member_number(row, "commits_24h",
		log != NULL ? (gint64)audit_facts_recent(facts, 86400) : 0, log != NULL);
	member_number(row, "commits_30d",
		log != NULL ? (gint64)audit_facts_recent(facts, 30 * 86400) : 0, log != NULL);
	member_flag(row, "history_partial", log != NULL && (log->is_truncated || log->is_shallow),
		log != NULL);
	member_number(row, "disk", facts->disk_bytes, facts->disk_bytes >= 0);
	member_number(row, "files", facts->head_tree != NULL ? (gint64)facts->head_tree->files : 0,
		facts->head_tree != NULL);
}

/* What to do about a check that is not passed; the id of the check is the action. */
static void add_recommendation(
	json_object *list, const struct audit_check *check, const char *message)
{
	json_object *object = json_object_new_object();
	const char *priority = check->severity >= SEVERITY_HIGH     ? "high"
			       : check->severity == SEVERITY_MEDIUM ? "medium"
								    : "low";

	member_text(object, "priority", priority);
	member_text(object, "action", check->id);
	member_text(object, "description", message);
	json_object_array_add(list, object);
}

static void add_checks(json_object *row, const struct audit_facts *facts, audit_checks checks)
{
	json_object *recommendations = json_object_new_array_ext(4);
	json_object *list = json_object_new_array_ext((int)audit_check_table_len);
	g_autoptr(GString) message = g_string_new(NULL);

	for (gsize i = 0; i < audit_check_table_len; i++) {
		const struct audit_check *check = &audit_check_table[i];
		if (!(checks & ((audit_checks)1 << i)))
			continue;
		g_string_truncate(message, 0);
		enum audit_outcome result = check->run(facts, message);
		/* Of a repository that cannot be read nothing else is known. */
		if (facts->error != NULL && result != AUDIT_OUTCOME_FAIL)
			result = AUDIT_OUTCOME_UNKNOWN;
		if (result == AUDIT_OUTCOME_NONE)
			continue;
		if (message->len == 0)
			g_string_assign(message, check->help);
		json_object *object = json_object_new_object();
		member_text(object, "id", check->id);
		member_text(object, "severity", severity_name(check->severity));
		member_text(object, "status", audit_outcome_name(result));
		member_text(object, "message", message->str);
		json_object_array_add(list, object);
		if ((result == AUDIT_OUTCOME_WARN || result == AUDIT_OUTCOME_FAIL) &&
			check->severity > SEVERITY_INFO)
			add_recommendation(recommendations, check, message->str);
	}
	member_add(row, "recommendations", recommendations);
	member_add(row, "checks", list);
}

json_object *row_new(const struct audit_facts *facts, audit_checks checks)
{
	json_object *row = json_object_new_object();
	g_autofree char *path = quote_format(facts->found->path);
	gboolean is_read = facts->error == NULL;

	add_first(row, facts);
	member_text(row, "id", facts->id);
	member_text(row, "path", path);
	member_name(row, "remote", facts->remote_url);
	member_name(row, "branch",
		facts->has_head && facts->head.branch != NULL ? facts->head.branch : NULL);
	add_commit(row, facts);
	add_health(row, facts);
	add_checks(row, facts, checks);
	member_flag(row, "is_bare", facts->is_bare, is_read);
	member_number(
		row, "changed", (gint64)facts->changed, facts->status != NULL || facts->is_bare);
	member_text(row, "changes_digest", facts->changes_digest);
	add_counts(row, "counts", facts->status != NULL ? &facts->status->counts : NULL,
		(gint64)facts->stashes, facts->refs != NULL);
	add_branches(row, facts);
	add_members(row, facts);
	member_text(row, "operation", refs_operation_name(facts->operation));
	member_text(row, "head", head_name(facts));
	add_activity(row, facts);
	const struct head_tree *tree = facts->head_tree;
	add_files(row, "large_blobs", "large_blobs_total", tree != NULL ? tree->large : NULL,
		tree != NULL ? tree->large_count : 0);
	add_files(row, "tracked_secrets", "tracked_secrets_total",
		tree != NULL ? tree->sensitive : NULL, tree != NULL ? tree->sensitive_count : 0);
	return row;
}

/* One check that says in a row without a repository why it is there. */
static void add_reason(
	json_object *row, const char *check, enum severity severity, const char *message)
{
	json_object *list = member_array(row, "checks");
	json_object *object = json_object_new_object();

	member_text(object, "id", check);
	member_text(object, "severity", severity_name(severity));
	member_text(object, "status", audit_outcome_name(AUDIT_OUTCOME_FAIL));
	member_text(object, "message", message);
	json_object_array_add(list, object);
}

json_object *row_new_missing(const struct audit_expected *expected, const char *name,
	const char *id, const char *path, gboolean in_way)
{
	json_object *row = json_object_new_object();
	g_autofree char *quoted = quote_format(path);

	member_text(row, "name", name);
	member_text(row, "status", audit_status_name(AUDIT_STATUS_MISSING));
	member_text(row, "clone_url", expected->url);
	add_remedy(row, AUDIT_STATUS_MISSING, name, id);
	member_text(row, "id", id);
	member_text(row, "path", quoted);
	member_text(row, "healthScore", NULL);
	member_array(row, "health_unknown");
	add_reason(row, "missing", SEVERITY_HIGH,
		in_way ? "should exist; a folder that is no git repository is in its place"
		       : "should exist and was not found");
	return row;
}

json_object *row_new_not_git(const struct find_repo *plain, const char *id)
{
	json_object *row = json_object_new_object();
	g_autofree char *path = quote_format(plain->path);

	member_text(row, "name", plain->name);
	member_text(row, "status", audit_status_name(AUDIT_STATUS_NOT_GIT));
	member_text(row, "local_path", path);
	add_remedy(row, AUDIT_STATUS_NOT_GIT, plain->name, id);
	member_text(row, "id", id);
	member_text(row, "path", path);
	member_text(row, "healthScore", NULL);
	member_array(row, "health_unknown");
	add_reason(row, "not-git", SEVERITY_INFO, "no git repository in or below it");
	return row;
}

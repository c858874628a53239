/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/facts.h"

#include <string.h>

#define STALE_TAG_SECONDS ((gint64)6 * 30 * 86400)

static const char *const status_names[AUDIT_STATUS_COUNT] = {
	[AUDIT_STATUS_MISSING] = "missing",
	[AUDIT_STATUS_EXTRA] = "extra",
	[AUDIT_STATUS_DIRTY] = "dirty",
	[AUDIT_STATUS_MISMATCHED] = "mismatched",
	[AUDIT_STATUS_CLEAN] = "clean",
	[AUDIT_STATUS_NOT_GIT] = "not_git",
	[AUDIT_STATUS_ERROR] = "error",
};

const char *audit_status_name(enum audit_status status)
{
	return status_names[status];
}

enum audit_status audit_status_parse(const char *name)
{
	for (int i = AUDIT_STATUS_MISSING; i < AUDIT_STATUS_COUNT; i++)
		if (!strcmp(name, status_names[i]))
			return (enum audit_status)i;
	return AUDIT_STATUS_UNSET;
}

static void branch_free(gpointer data)
{
	struct fact_branch *branch = data;

	g_free(branch->name);
	g_free(branch->upstream);
	g_free(branch);
}

static void worktree_free(gpointer data)
{
	struct fact_worktree *worktree = data;

	g_free(worktree->name);
	g_free(worktree->path);
	g_free(worktree->branch);
	g_free(worktree);
}

static void submodule_free(gpointer data)
{
	struct fact_submodule *submodule = data;

	g_free(submodule->name);
	g_free(submodule->path);
	g_free(submodule->url);
	g_free(submodule);
}

struct audit_facts *audit_facts_new(void)
{
	struct audit_facts *facts = g_new0(struct audit_facts, 1);

	facts->worktrees = g_ptr_array_new_with_free_func(worktree_free);
	facts->submodules = g_ptr_array_new_with_free_func(submodule_free);
	facts->branches = g_ptr_array_new_with_free_func(branch_free);
	facts->tags = g_ptr_array_new_with_free_func(g_free);
	facts->fetch_time = -1;
	facts->disk_bytes = -1;
	return facts;
}

void audit_facts_free(struct audit_facts *facts)
{
	if (facts == NULL)
		return;
	g_free(facts->id);
	g_free(facts->error);
	g_free(facts->remote_url);
	g_free(facts->remote_key);
	g_free(facts->remote_name);
	status_free(facts->status);
	g_free(facts->changes_digest);
	refs_free(facts->refs);
	if (facts->has_head)
		refs_head_clear(&facts->head);
	g_ptr_array_unref(facts->branches);
	g_ptr_array_unref(facts->tags);
	g_ptr_array_unref(facts->worktrees);
	g_ptr_array_unref(facts->submodules);
	history_log_free(facts->log);
	head_tree_free(facts->head_tree);
	g_free(facts->history_error);
	g_free(facts);
}

const struct fact_branch *audit_facts_head_branch(const struct audit_facts *facts)
{
	for (guint i = 0; i < facts->branches->len; i++) {
		const struct fact_branch *branch = facts->branches->pdata[i];
		if (branch->is_head)
			return branch;
	}
	return NULL;
}

bool audit_facts_is_old(const struct audit_facts *facts, gint64 time)
{
	return (facts->now - time) / 86400 > facts->stale_days;
}

guint64 audit_facts_recent(const struct audit_facts *facts, gint64 seconds)
{
	guint64 count = 0;

	for (guint i = 0; i < facts->log->recent->len; i++) {
		gint64 time = g_array_index(facts->log->recent, gint64, i);
		if (time >= facts->now - seconds)
			count++;
	}
	return count;
}

bool audit_facts_stale_tags(const struct audit_facts *facts, guint64 *count)
{
	*count = 0;
	if (facts->refs == NULL)
		return false;
	for (guint i = 0; i < facts->tags->len; i++) {
		const struct fact_tag *tag = facts->tags->pdata[i];
		if (!tag->has_time)
			return false;
		if (facts->now - tag->time > STALE_TAG_SECONDS)
			++*count;
	}
	return true;
}

guint audit_facts_missing_files(
	const struct audit_facts *facts, const char *names[AUDIT_MISSING_FILES_MAX])
{
	static const struct {
		unsigned part;
		const char *name;
	} files[AUDIT_MISSING_FILES_MAX] = {
		{HEAD_PART_GITIGNORE, ".gitignore"},
		{HEAD_PART_README, "README.md"},
		{HEAD_PART_LICENSE, "LICENSE"},
	};
	guint count = 0;

	for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
		if (!(facts->head_tree->present & files[i].part))
			names[count++] = files[i].name;
	return count;
}

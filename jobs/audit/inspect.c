/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/inspect.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "jobs/audit/checks.h"
#include "jobs/audit/past.h"
#include "lib/report.h"

#define WORKTREES_MAX 200
#define SUBMODULES_MAX 1000
#define BIG_INDEX_BYTES (4 * 1024 * 1024) /* from here on a tree gets all the processors */

/*
 * Formats that are new rather than broken: a row says so, and the health of the whole does not
 * suffer. Read from the configuration and not from the error, whose text is for people.
 */
static gboolean is_unsupported_format(const char *path)
{
	static const char *const folders[] = {".git", "."};
	g_autoptr(Gitconfig) config = gitconfig_new();
	gboolean is_known = TRUE;

	for (gsize i = 0; i < G_N_ELEMENTS(folders) && config->entries->len == 0; i++) {
		g_autofree char *name = g_build_filename(path, folders[i], "config", NULL);
		gitconfig_load(config, AT_FDCWD, name, NULL);
	}
	for (guint i = 0; i < config->entries->len; i++) {
		const struct gitconfig_entry *entry =
			&g_array_index(config->entries, struct gitconfig_entry, i);
		const char *value = entry->value != NULL ? entry->value : "";
		if (strcmp(entry->section, "extensions") != 0)
			continue;
		if (!strcmp(entry->key, "objectformat"))
			is_known &= !g_ascii_strcasecmp(value, "sha1");
		else if (!strcmp(entry->key, "refstorage"))
			is_known &= !g_ascii_strcasecmp(value, "files");
	}
	return !is_known;
}

static void gather_remote(struct audit_facts *facts, const struct repo *r)
{
	g_autoptr(GPtrArray) names = repo_remote_list(r);
	const char *url = repo_remote_url(r, "origin");

	facts->remotes = names->len;
	if (url == NULL && names->len > 0)
		url = repo_remote_url(r, names->pdata[0]);
	if (url == NULL)
		return;
	facts->remote_url = remote_url_strip(url);
	facts->remote_key = remote_url_key(url);
	facts->remote_name = remote_url_name(url);
}

static unsigned status_threads(const struct repo *r)
{
	struct stat st;

	return fstatat(r->gitdir_fd, "index", &st, 0) == 0 && st.st_size > BIG_INDEX_BYTES
		       ? g_get_num_processors()
		       : 1;
}

static gboolean gather_status(struct audit_facts *facts, const struct repo *r, GError **error)
{
	struct status_options options = {
		.threads = status_threads(r), .entries_max = STATUS_DIGEST_ENTRIES};

	facts->status = status_read(r, &options, error);
	if (facts->status == NULL)
		return FALSE;
	const struct status_counts *counts = &facts->status->counts;
	facts->changes_digest = status_digest(r, facts->status);
	for (gsize i = 0; i < facts->status->entries_count; i++)
		facts->changed += facts->status->entries[i].kind != STATUS_KIND_UNVERIFIED;
	facts->changed = MAX(facts->changed,
		MAX(counts->staged, counts->unstaged) + counts->untracked + counts->unmerged);
	return TRUE;
}

static gboolean is_inside(const struct inspect_options *options, const char *path)
{
	for (guint i = 0; i < options->roots->len; i++)
		if (find_is_below(path, options->roots->pdata[i]))
			return TRUE;
	return FALSE;
}

static void look_at_worktree(struct fact_worktree *worktree, const struct inspect_options *options)
{
	g_autoptr(Repo) r = repo_open(worktree->path, options->user, NULL);
	g_auto(RefsHead) head = {0};
	struct status_options status_options = {.threads = 1, .entries_max = 0};

	if (r == NULL)
		return;
	if (refs_head_read(r, &head, NULL))
		worktree->branch = g_strdup(head.branch);
	if (r->worktree == NULL || !(options->needs & AUDIT_NEEDS_WORKTREE))
		return;
	g_autoptr(Status) status = status_read(r, &status_options, NULL);
	if (status == NULL)
		return;
	worktree->counts = status->counts;
	worktree->has_counts = true;
}

static void gather_worktrees(
	struct audit_facts *facts, const struct repo *r, const struct inspect_options *options)
{
	g_autoptr(GPtrArray) list = repo_worktree_list(r);

	for (guint i = 0; i < MIN(list->len, WORKTREES_MAX); i++) {
		const struct repo_worktree *from = list->pdata[i];
		/* The one that stands for the repository, when its main folder was not found. */
		if (from->path != NULL && !strcmp(from->path, facts->found->path))
			continue;
		struct fact_worktree *worktree = g_new0(struct fact_worktree, 1);
		worktree->name = g_strdup(from->name);
		worktree->path = g_strdup(from->path);
		worktree->is_missing = from->is_missing || from->path == NULL;
		worktree->is_locked = from->is_locked;
		if (!worktree->is_missing) {
			worktree->is_outside = !is_inside(options, worktree->path);
			if (!worktree->is_outside)
				look_at_worktree(worktree, options);
		}
		g_ptr_array_add(facts->worktrees, worktree);
	}
}

static enum submodule_state submodule_state(
	const struct audit_facts *facts, const struct repo *r, const char *path)
{
	g_autofree char *git = g_build_filename(path, ".git", NULL);
	struct stat st;

	if (facts->status == NULL)
		return SUBMODULE_STATE_UNKNOWN;
	for (gsize i = 0; i < facts->status->entries_count; i++) {
		const struct status_entry *entry = &facts->status->entries[i];
		if (entry->submodule[0] != 'S' || strcmp(entry->path, path) != 0)
			continue;
		if (entry->submodule[1] == 'C' || entry->x != '.')
			return SUBMODULE_STATE_DRIFTED;
		return SUBMODULE_STATE_MODIFIED;
	}
	if (fstatat(r->worktree_fd, git, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return SUBMODULE_STATE_UNINITIALISED;
	return facts->status->is_truncated ? SUBMODULE_STATE_UNKNOWN : SUBMODULE_STATE_CLEAN;
}

static gint submodule_compare(gconstpointer a, gconstpointer b)
{
	const struct fact_submodule *x = *(const struct fact_submodule *const *)a;
	const struct fact_submodule *y = *(const struct fact_submodule *const *)b;

	return strcmp(x->path, y->path);
}

static void gather_submodules(struct audit_facts *facts, const struct repo *r)
{
	g_autoptr(Gitconfig) modules = gitconfig_new();

	if (r->worktree_fd < 0 || !gitconfig_load(modules, r->worktree_fd, ".gitmodules", NULL))
		return;
	for (guint i = 0; i < modules->entries->len && facts->submodules->len < SUBMODULES_MAX;
		i++) {
		const struct gitconfig_entry *entry =
			&g_array_index(modules->entries, struct gitconfig_entry, i);
		const char *path = entry->value;
		if (strcmp(entry->section, "submodule") != 0 || strcmp(entry->key, "path") != 0 ||
			entry->subsection == NULL || path == NULL || *path == '\0' ||
			*path == '/' || strstr(path, "..") != NULL)
			continue;
		const char *url = gitconfig_find(modules, "submodule", entry->subsection, "url");
		struct fact_submodule *submodule = g_new0(struct fact_submodule, 1);
		submodule->name = g_strdup(entry->subsection);
		submodule->path = g_strdup(path);
		submodule->url = url != NULL ? remote_url_strip(url) : NULL;
		submodule->state = submodule_state(facts, r, path);
		g_ptr_array_add(facts->submodules, submodule);
	}
	g_ptr_array_sort(facts->submodules, submodule_compare);
}

/* A remote-tracking ref of this name, or one at this commit. */
static gboolean is_on_remote(const struct refs *refs, GHashTable *remote_oids, GPtrArray *remotes,
	const struct fact_branch *branch)
{
	if (g_hash_table_contains(remote_oids, &branch->oid))
		return TRUE;
	for (guint i = 0; i < remotes->len; i++) {
		g_autofree char *name = g_strconcat(
			"refs/remotes/", (const char *)remotes->pdata[i], "/", branch->name, NULL);
		if (refs_find(refs, name) != NULL)
			return TRUE;
	}
	return FALSE;
}

static void branch_upstream(
	struct fact_branch *branch, const struct repo *r, const struct refs *refs)
{
	const char *remote, *merge;

	if (!repo_branch_upstream(r, branch->name, &remote, &merge))
		return;
	g_autofree char *tracking = repo_branch_tracking_ref(r, branch->name);
	const struct ref *ref = tracking != NULL ? refs_find(refs, tracking) : NULL;
	if (tracking == NULL)
		branch->upstream = g_strconcat(remote, "/", merge, NULL);
	else if (g_str_has_prefix(tracking, "refs/remotes/"))
		branch->upstream = g_strdup(tracking + strlen("refs/remotes/"));
	else if (g_str_has_prefix(tracking, "refs/heads/"))
		branch->upstream = g_strdup(tracking + strlen("refs/heads/"));
	else
		branch->upstream = g_strdup(tracking);
	branch->is_gone = ref == NULL;
	if (ref == NULL)
		return;
	branch->is_pushed = true;
	branch->upstream_oid = ref->oid;
	/* Nothing to count: no object is read for the usual case. */
	if (!memcmp(&ref->oid, &branch->oid, sizeof(ref->oid)))
		branch->has_counts = true;
}

static guint oid_hash(gconstpointer key)
{
	guint hash;

	/* Object names of tips: whoever can choose 2^32 of them only slows this one row. */
	memcpy(&hash, ((const struct oid *)key)->bytes, sizeof(hash));
	return hash;
}

static gboolean oid_equal(gconstpointer a, gconstpointer b)
{
	return !memcmp(a, b, sizeof(struct oid));
}

static void gather_branches(struct audit_facts *facts, const struct repo *r)
{
	const struct refs *refs = facts->refs;
	g_autoptr(GPtrArray) remotes = repo_remote_list(r);
	g_autoptr(GHashTable) remote_oids = g_hash_table_new(oid_hash, oid_equal);

	for (gsize i = 0; i < refs->count; i++)
		if (g_str_has_prefix(refs->list[i].name, "refs/remotes/"))
			g_hash_table_add(remote_oids, (gpointer)&refs->list[i].oid);
	for (gsize i = 0; i < refs->count; i++) {
		const struct ref *ref = &refs->list[i];
		if (g_str_has_prefix(ref->name, "refs/tags/")) {
			struct fact_tag *tag = g_new0(struct fact_tag, 1);
			tag->oid = ref->has_peeled ? ref->peeled : ref->oid;
			g_ptr_array_add(facts->tags, tag);
		}
		if (!g_str_has_prefix(ref->name, "refs/heads/"))
			continue;
		struct fact_branch *branch = g_new0(struct fact_branch, 1);
		branch->name = g_strdup(ref->name + strlen("refs/heads/"));
		branch->oid = ref->oid;
		branch->is_head =
			refs->head.state == HEAD_STATE_BRANCH && !strcmp(refs->head.ref, ref->name);
		branch_upstream(branch, r, refs);
		branch->is_pushed |= is_on_remote(refs, remote_oids, remotes, branch);
		g_ptr_array_add(facts->branches, branch);
	}
}

static gboolean gather_refs(struct audit_facts *facts, const struct repo *r, GError **error)
{
	facts->refs = refs_read(r, error);
	if (facts->refs == NULL)
		return FALSE;
	facts->operation = refs_operation_get(r);
	facts->stashes = refs_stash_count(r);
	facts->fetch_time = refs_fetch_time(r);
	gather_branches(facts, r);
	return TRUE;
}

static gboolean gather(
	struct audit_facts *facts, const struct inspect_options *options, GError **error)
{
	g_autoptr(Repo) r = repo_open(facts->found->path, options->user, error);

	if (r == NULL) {
		facts->is_unsupported = is_unsupported_format(facts->found->path);
		return FALSE;
	}
	facts->kind = r->kind;
	facts->is_bare = r->worktree == NULL;
	gather_remote(facts, r);
	if (!refs_head_read(r, &facts->head, error))
		return FALSE;
	facts->has_head = true;
	if ((options->needs & AUDIT_NEEDS_WORKTREE) && !facts->is_bare &&
		!gather_status(facts, r, error))
		return FALSE;
	gather_submodules(facts, r);
	gather_worktrees(facts, r, options);
	if ((options->needs & (AUDIT_NEEDS_REFS | AUDIT_NEEDS_HISTORY)) &&
		!gather_refs(facts, r, error))
		return FALSE;
	if (options->needs & AUDIT_NEEDS_HISTORY)
		past_gather(facts, r, options);
	return TRUE;
}

struct audit_facts *inspect_repo(
	const struct find_repo *found, const struct inspect_options *options)
{
	struct audit_facts *facts = audit_facts_new();
	g_autoptr(GError) error = NULL;

	facts->found = found;
	facts->now = options->now;
	facts->stale_days = options->stale_days;
	facts->id = report_repo_id(options->space, options->host, found->path);
	if (!gather(facts, options, &error))
		facts->error = g_strdup(error->message);
	return facts;
}

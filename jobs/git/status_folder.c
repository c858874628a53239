/* SPDX-License-Identifier: MIT */
/* Ignore and attribute files of the folders that the walk stands in, read when first asked for. */
#include "config.h"
#include "jobs/git/status_run.h"

#include <fcntl.h>
#include <string.h>

#define BLOB_MAX_BYTES (16u * 1024 * 1024)

void status_folder_clear(struct status_folder *f)
{
	ignore_list_free(f->ignore);
	attr_list_free(f->attr);
}

/* The folder of a run of parts, as the base of a list: "src/lib/". */
static char *base_of(const struct status_worker *w, const struct status_folder *f)
{
	return g_strndup(w->path->str, f->path_len);
}

/* The blob of a file that the index has and the working tree, being sparse, does not. */
static gboolean blob_load(
	struct status_worker *w, const char *path, bool is_skipped_only, char **data, gsize *len)
{
	const struct index_entry *e = index_find(w->run->ix, path, strlen(path));
	struct object object;

	if (e == NULL || (is_skipped_only && !(e->flags & INDEX_FLAG_SKIP_WORKTREE)) ||
		(index_mode(e) & INDEX_MODE_TYPE) != INDEX_MODE_FILE)
		return FALSE;
	if (object_read(status_worker_store(w), index_oid(e), OBJECT_BLOB, BLOB_MAX_BYTES,
		    &object) != OBJECT_OK)
		return FALSE;
	*data = object.data;
	*len = object.len;
	return TRUE;
}

static const struct ignore_list *folder_ignore(struct status_worker *w, struct status_folder *f)
{
	if (f->is_ignore_read)
		return f->ignore;
	f->is_ignore_read = true;
	if (f->has_ignore_file == STATUS_NO && !w->run->has_skipped)
		return NULL;
	g_autofree char *base = base_of(w, f);
	g_autofree char *name = g_strconcat(base, ".gitignore", NULL);
	if (f->has_ignore_file != STATUS_NO)
		f->ignore = ignore_list_load(w->run->r->worktree_fd, name, O_NOFOLLOW, base);
	if (f->ignore == NULL && w->run->has_skipped) {
		char *data;
		gsize len;
		if (blob_load(w, name, true, &data, &len))
			f->ignore = ignore_list_new(data, len, base);
	}
	return f->ignore;
}

/* core.excludesFile and core.attributesFile; without them git/<name> in the person's folder. */
static char *user_file(const struct repo *r, const char *key, const char *name)
{
	const char *path = repo_config_find(r, "core", NULL, key);
	const char *home = g_getenv("HOME"), *xdg = g_getenv("XDG_CONFIG_HOME");

	if (path != NULL) {
		if (g_str_has_prefix(path, "~/"))
			return home != NULL ? g_build_filename(home, path + 2, NULL) : NULL;
		if (g_path_is_absolute(path) || r->worktree == NULL)
			return g_strdup(path);
		return g_build_filename(r->worktree, path, NULL);
	}
	if (xdg != NULL && xdg[0] != '\0')
		return g_build_filename(xdg, "git", name, NULL);
	return home != NULL ? g_build_filename(home, ".config/git", name, NULL) : NULL;
}

static void shared_ignores_read(struct status_run *run)
{
	g_mutex_lock(&run->lock);
	if (!run->has_ignores) {
		g_autofree char *path = user_file(run->r, "excludesfile", "ignore");
		run->ignores[0] = ignore_list_load(run->r->commondir_fd, "info/exclude", 0, "");
		if (path != NULL)
			run->ignores[1] = ignore_list_load(AT_FDCWD, path, 0, "");
		run->has_ignores = true;
	}
	g_mutex_unlock(&run->lock);
}

bool status_is_ignored(struct status_worker *w, struct status_folder *f, const char *path,
	gsize path_len, gsize name_at, bool is_folder)
{
	bool is_ignorecase = w->run->r->is_ignorecase;
	enum ignore_answer answer;

	for (; f != NULL; f = f->parent) {
		const struct ignore_list *list = folder_ignore(w, f);
		if (list == NULL)
			continue;
		answer = ignore_list_match(list, path, path_len, name_at, is_folder, is_ignorecase);
		if (answer != IGNORE_UNDECIDED)
			return answer == IGNORE_YES;
	}
	shared_ignores_read(w->run);
	for (gsize i = 0; i < G_N_ELEMENTS(w->run->ignores); i++) {
		const struct ignore_list *list = w->run->ignores[i];
		if (list == NULL)
			continue;
		answer = ignore_list_match(list, path, path_len, name_at, is_folder, is_ignorecase);
		if (answer != IGNORE_UNDECIDED)
			return answer == IGNORE_YES;
	}
	return false;
}

/* Nothing below an excluded folder can be included again. */
bool status_folder_is_excluded(struct status_worker *w, struct status_folder *f)
{
	if (f->is_excluded == STATUS_UNKNOWN) {
		bool is_excluded = f->parent != NULL &&
				   (status_folder_is_excluded(w, f->parent) ||
					   status_is_ignored(w, f->parent, w->path->str,
						   f->path_len - 1, f->parent->path_len, true));
		f->is_excluded = is_excluded ? STATUS_YES : STATUS_NO;
	}
	return f->is_excluded == STATUS_YES;
}

static const struct attr_list *folder_attr(struct status_worker *w, struct status_folder *f)
{
	if (f->is_attr_read)
		return f->attr;
	f->is_attr_read = true;
	g_autofree char *base = base_of(w, f);
	g_autofree char *name = g_strconcat(base, ".gitattributes", NULL);
	if (f->has_attr_file != STATUS_NO)
		f->attr = attr_list_load(
			w->run->r->worktree_fd, name, O_NOFOLLOW, base, f->parent == NULL);
	if (f->attr == NULL) {
		char *data;
		gsize len;
		if (blob_load(w, name, false, &data, &len))
			f->attr = attr_list_new(data, len, base, f->parent == NULL);
	}
	return f->attr;
}

static void shared_attrs_read(struct status_run *run)
{
	g_mutex_lock(&run->lock);
	if (!run->has_attrs) {
		g_autofree char *path = user_file(run->r, "attributesfile", "attributes");
		run->attr_info =
			attr_list_load(run->r->commondir_fd, "info/attributes", 0, "", true);
		if (path != NULL)
			run->attr_user[0] = attr_list_load(AT_FDCWD, path, 0, "", true);
		run->attr_user[1] = attr_list_load(AT_FDCWD, "/etc/gitattributes", 0, "", true);
		run->has_attrs = true;
	}
	g_mutex_unlock(&run->lock);
}

void status_attr_read(struct status_worker *w, struct status_folder *f, const char *path,
	gsize path_len, struct attr_values *values)
{
	const struct status_run *run = w->run;
	g_autoptr(GPtrArray) strongest = g_ptr_array_new();
	gsize name_at = f->path_len;

	shared_attrs_read(w->run);
	if (run->attr_info != NULL)
		g_ptr_array_add(strongest, run->attr_info);
	for (; f != NULL; f = f->parent) {
		gpointer list = (gpointer)folder_attr(w, f);
		if (list != NULL)
			g_ptr_array_add(strongest, list);
	}
	for (gsize i = 0; i < G_N_ELEMENTS(run->attr_user); i++)
		if (run->attr_user[i] != NULL)
			g_ptr_array_add(strongest, run->attr_user[i]);

	struct attr_macros macros = {.list = strongest};
	attr_values_init(values);
	for (guint i = 0; i < strongest->len; i++)
		attr_list_apply(g_ptr_array_index(strongest, i), &macros, path, path_len, name_at,
			run->r->is_ignorecase, values);
}

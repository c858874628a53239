/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/repo_tidy.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a ref's lock; a commit waits for its message with the index's, and a transfer may last. */
#define AGE_S 60
#define AGE_LONG_S (60 * 60)

typedef gboolean (*is_left_func)(const char *name);

/* No branch is called so: git-check-ref-format(1). */
static gboolean is_lock(const char *name)
{
	return g_str_has_suffix(name, ".lock") && strcmp(name, "index.lock") != 0;
}

static gboolean is_index_lock(const char *name)
{
	return !strcmp(name, "index.lock");
}

static gboolean is_half_pack(const char *name)
{
	return g_str_has_prefix(name, "tmp_") || g_str_has_prefix(name, ".tmp-") ||
	       (g_str_has_prefix(name, "pack-") && g_str_has_suffix(name, ".keep"));
}

static gboolean is_half_object(const char *name)
{
	return g_str_has_prefix(name, "tmp_obj_");
}

/* before: what was changed later stays. No link is followed, here and below. */
static void left_remove(const char *folder, is_left_func is_left, gint64 before, gboolean is_deep)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		struct stat st;
		if (lstat(path, &st) < 0)
			continue;
		if (S_ISREG(st.st_mode) && is_left(name) && st.st_mtime <= before)
			unlink(path);
		else if (S_ISDIR(st.st_mode) && is_deep)
			left_remove(path, is_left, before, TRUE);
	}
}

void repo_tidy(const char *git_folder, gboolean is_mirror)
{
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;
	gint64 before = is_mirror ? G_MAXINT64 : now - AGE_S;
	gint64 long_before = is_mirror ? G_MAXINT64 : now - AGE_LONG_S;
	g_autofree char *refs = g_build_filename(git_folder, "refs", NULL);
	g_autofree char *logs = g_build_filename(git_folder, "logs", NULL);
	g_autofree char *objects = g_build_filename(git_folder, "objects", NULL);
	g_autofree char *packs = g_build_filename(objects, "pack", NULL);

	left_remove(git_folder, is_lock, before, FALSE);
	left_remove(git_folder, is_index_lock, long_before, FALSE);
	left_remove(refs, is_lock, before, TRUE);
	left_remove(logs, is_lock, before, TRUE);
	left_remove(packs, is_half_pack, long_before, FALSE);
	left_remove(objects, is_half_object, long_before, TRUE);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "t/unit/check.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static GPtrArray *folders;

void check_init(int *argc, char ***argv)
{
	g_test_init(argc, argv, NULL);
	g_test_set_nonfatal_assertions();
}

void check_error(const char *where, GError **error, enum muster_error code, const char *text)
{
	if (*error == NULL)
		g_test_fail_printf("%s: no error, where '%s' is expected", where, text);
	else if (!g_error_matches(*error, MUSTER_ERROR, (gint)code))
		g_test_fail_printf("%s: code %d, not %d: '%s'", where, (*error)->code, (int)code,
			(*error)->message);
	else if (strstr((*error)->message, text) == NULL)
		g_test_fail_printf("%s: '%s' without '%s'", where, (*error)->message, text);
	g_clear_error(error);
}

char *check_folder_new(void)
{
	g_autoptr(GError) error = NULL;
	char *folder = g_dir_make_tmp("muster-unit-XXXXXX", &error);
	g_assert_no_error(error);
	if (folders == NULL)
		folders = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(folders, g_strdup(folder));
	return folder;
}

static gint name_compare(gconstpointer a, gconstpointer b)
{
	return g_strcmp0(*(const char *const *)a, *(const char *const *)b);
}

char *check_folder_list(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	g_assert_nonnull(dir);
	for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
		g_ptr_array_add(names, g_strdup(name));
	g_ptr_array_sort(names, name_compare);
	g_ptr_array_add(names, NULL);
	return g_strjoinv(" ", (char **)names->pdata);
}

static int entry_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	return remove(path);
}

int check_run(void)
{
	int result = g_test_run();
	for (guint i = 0; folders != NULL && i < folders->len; i++) {
		if (result == 0)
			nftw(folders->pdata[i], entry_remove, 16, FTW_DEPTH | FTW_PHYS);
		else
			g_test_message("kept: %s", (char *)folders->pdata[i]);
	}
	g_clear_pointer(&folders, g_ptr_array_unref);
	return result;
}

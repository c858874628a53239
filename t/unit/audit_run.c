/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/audit/audit.h"
#include "lib/error.h"
#include "lib/file.h"
#include "t/unit/check.h"

/* The audit as the runner calls it: an organisation's ids, one repository alone, cancelling. */

static void repo_make(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	const char *argv[] = {"git", "init", "-q", "--template=", path, NULL};
	int status;

	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
		NULL, &status, NULL));
	g_assert_cmpint(status, ==, 0);
}

static void file_make(const char *folder, const char *name, const char *file)
{
	g_autofree char *path = g_build_filename(folder, name, file, NULL);

	g_assert_true(file_write(path, "x\n", 2, 0644, NULL));
}

static json_object *run(struct audit_options *options, const char *folder)
{
	const char *paths[] = {folder, NULL};
	g_autoptr(GError) error = NULL;
	json_object *report = NULL;

	options->paths = paths;
	g_assert_true(audit_run(options, NULL, &report, NULL, &error));
	g_assert_no_error(error);
	return report;
}

static struct audit_options defaults(void)
{
	return (struct audit_options){
		.owner = "",
		.space = "",
		.host = "here",
		.project_id = "default",
		.skip = "",
		.checks = audit_checks_all(),
		.stale_days = 90,
		.large_blob_bytes = 1 << 20,
	};
}

/* The member of the row with that name; NULL when there is no such row. */
static const char *row_get(json_object *report, const char *name, const char *key)
{
	json_object *rows = json_get(report, "repos", json_type_array, NULL);

	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		if (!strcmp(json_get_text(row, "name", NULL), name))
			return json_get_text(row, key, NULL);
	}
	return NULL;
}

static gsize rows_count(json_object *report)
{
	return json_object_array_length(json_get(report, "repos", json_type_array, NULL));
}

static void test_space(void)
{
	g_autofree char *folder = check_folder_new();
	struct audit_options options = defaults();

	repo_make(folder, "a");
	g_autoptr(json_object) own = run(&options, folder);
	options.space = "11111111-1111-4111-8111-111111111111";
	options.project_id = "p";
	g_autoptr(json_object) theirs = run(&options, folder);
	g_assert_cmpstr(row_get(own, "a", "id"), !=, row_get(theirs, "a", "id"));
	g_assert_cmpstr(json_get_text(theirs, "project_id", NULL), ==, "p");
	g_assert_cmpstr(json_get_text(theirs, "host", NULL), ==, "here");
}

static void test_one(void)
{
	g_autofree char *folder = check_folder_new();
	struct audit_options options = defaults();

	repo_make(folder, "a");
	repo_make(folder, "b");
	g_autoptr(json_object) before = run(&options, folder);
	g_assert_cmpstr(row_get(before, "a", "status"), ==, "clean");
	file_make(folder, "a", "new");
	file_make(folder, "b", "new");
	options.repo_id = row_get(before, "a", "id");
	options.previous = before;
	g_autoptr(json_object) after = run(&options, folder);
	g_assert_cmpuint(rows_count(after), ==, 2);
	g_assert_cmpstr(row_get(after, "a", "status"), ==, "dirty");
	g_assert_cmpstr(row_get(after, "b", "status"), ==, "clean");
	g_assert_cmpstr(row_get(after, "a", "id"), ==, options.repo_id);
	g_assert_cmpstr(json_get_text(after, "report_id", NULL), !=,
		json_get_text(before, "report_id", NULL));
	json_object *summary = json_get(after, "summary", json_type_object, NULL);
	g_assert_cmpint(json_object_get_int(json_object_object_get(summary, "dirty")), ==, 1);
}

static void test_unknown(void)
{
	g_autofree char *folder = check_folder_new();
	struct audit_options options = defaults();

	repo_make(folder, "a");
	g_autoptr(json_object) before = run(&options, folder);
	repo_make(folder, "b");
	options.repo_id = "22222222-2222-4222-8222-222222222222";
	options.previous = before;
	g_autoptr(json_object) after = run(&options, folder);
	g_assert_cmpuint(rows_count(after), ==, 2);
}

/* A report is a file: a path in it that leads elsewhere is not followed. */
static void test_elsewhere(void)
{
	g_autofree char *folder = check_folder_new();
	g_autofree char *other = check_folder_new();
	struct audit_options options = defaults();

	repo_make(folder, "a");
	repo_make(other, "a");
	g_autoptr(json_object) before = run(&options, folder);
	json_object *row =
		json_object_array_get_idx(json_get(before, "repos", json_type_array, NULL), 0);
	g_autofree char *path = g_build_filename(other, "a", NULL);
	g_autofree char *around = g_strdup_printf("%s/../%s/a", folder, strrchr(other, '/') + 1);
	const char *paths[] = {path, around};
	for (gsize i = 0; i < G_N_ELEMENTS(paths); i++) {
		json_object_object_add(row, "local_path", json_object_new_string(paths[i]));
		options.repo_id = json_get_text(row, "id", NULL);
		options.previous = before;
		g_autoptr(json_object) after = run(&options, folder);
		g_assert_cmpuint(rows_count(after), ==, 1);
		g_assert_nonnull(strstr(row_get(after, "a", "local_path"), folder));
		g_assert_null(strstr(row_get(after, "a", "local_path"), "/../"));
	}
}

static gboolean always(gpointer data)
{
	return TRUE;
}

static void test_cancel(void)
{
	g_autofree char *folder = check_folder_new();
	const char *paths[] = {folder, NULL};
	struct audit_options options = defaults();
	struct audit_progress progress = {.is_cancelled = always};
	struct audit_result result;
	json_object *report = NULL;
	GError *error = NULL;

	repo_make(folder, "a");
	repo_make(folder, "b");
	options.paths = paths;
	g_assert_false(audit_run(&options, &progress, &report, &result, &error));
	check_refused(error, MUSTER_ERROR_BUSY, "cancelled");
	g_assert_null(report);
	audit_result_clear(&result);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/audit/two organisations do not share ids", test_space);
	g_test_add_func(
		"/audit/one repository is looked at and the others are taken over", test_one);
	g_test_add_func("/audit/without the one that is asked for all are looked at", test_unknown);
	g_test_add_func(
		"/audit/a path that leads out of the folders is not followed", test_elsewhere);
	g_test_add_func("/audit/a cancelled audit gives no report", test_cancel);
	return check_run();
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/report.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/file.h"
#include "t/unit/check.h"

#define ID_A "11111111-1111-5111-8111-111111111111"
#define ID_B "22222222-2222-5222-8222-222222222222"

static gboolean text_write(const char *folder, const char *text, guint keep, GError **error)
{
	g_autoptr(json_object) report = json_parse(text, strlen(text), &json_limits_report, NULL);
	g_assert_nonnull(report);
	return report_write(folder, report, text, keep, error);
}

static gboolean minute_write(const char *folder, guint minute, guint keep)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = g_strdup_printf(
		"{\"timestamp\":\"2026-11-21T03:%02u:00.000Z\",\"repos\":[]}", minute);
	gboolean ok = text_write(folder, text, keep, &error);
	g_assert_no_error(error);
	return ok;
}

static ino_t inode_get(const char *folder, const char *name)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	struct stat st;
	g_assert_cmpint(stat(path, &st), ==, 0);
	return st.st_ino;
}

static void test_names(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(), *deep = g_build_filename(folder, "o/r", NULL);
	const char *text = "{\"timestamp\":\"2026-11-21T03:04:05.678Z\",\"repos\":[{\"id\":\"" ID_A
			   "\",\"name\":\"a\"},{\"id\":\"../../x\"},{\"name\":\"b\"},7]}";
	g_assert_true(text_write(deep, text, 10, &error));
	g_assert_no_error(error);
	g_autofree char *names = check_folder_list(deep);
	g_assert_cmpstr(names, ==, "GitRepoReport.json history latest.json repo");
	g_autofree char *history = g_build_filename(deep, "history", NULL),
			*record = g_build_filename(history, "2026-11-21T03:04:05.678Z.json", NULL),
			*repo = g_build_filename(deep, "repo", NULL),
			*repos = check_folder_list(repo), *bytes = NULL;
	gsize len;
	g_assert_cmpstr(repos, ==, ID_A ".json");
	g_assert_true(file_read(record, 1 << 20, &bytes, &len, &error));
	g_assert_cmpmem(bytes, len, text, strlen(text));
	ino_t inode = inode_get(history, "2026-11-21T03:04:05.678Z.json");
	g_assert_cmpuint(inode_get(deep, "latest.json"), ==, inode);
	g_assert_cmpuint(inode_get(deep, REPORT_FILE), ==, inode);
}

static void test_history(void)
{
	g_autofree char *folder = check_folder_new(),
			*history = g_build_filename(folder, "history", NULL),
			*foreign = g_build_filename(history, "notes.txt", NULL);
	for (guint minute = 10; minute < 20; minute++) {
		minute_write(folder, minute, 3);
		if (minute == 10)
			g_assert_true(g_file_set_contents(foreign, "mine", -1, NULL));
	}
	g_autofree char *names = check_folder_list(history);
	g_assert_cmpstr(names, ==,
		"2026-11-21T03:17:00.000Z.json 2026-11-21T03:18:00.000Z.json "
		"2026-11-21T03:19:00.000Z.json notes.txt");
	/* The same moment once more replaces its record. */
	minute_write(folder, 19, 3);
	g_autofree char *again = check_folder_list(history);
	g_assert_cmpstr(again, ==, names);
}

static void test_changed_only(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(),
			*repo = g_build_filename(folder, "repo", NULL);
	g_assert_true(text_write(folder,
		"{\"timestamp\":\"2026-11-21T03:00:00.000Z\",\"repos\":[{\"id\":\"" ID_A
		"\",\"n\":1},{\"id\":\"" ID_B "\",\"n\":1}]}",
		9, &error));
	ino_t a = inode_get(repo, ID_A ".json"), b = inode_get(repo, ID_B ".json");
	g_assert_true(text_write(folder,
		"{\"timestamp\":\"2026-11-21T03:00:01.000Z\",\"repos\":[{\"id\":\"" ID_A
		"\",\"n\":1},{\"id\":\"" ID_B "\",\"n\":2}]}",
		9, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(inode_get(repo, ID_A ".json"), ==, a);
	g_assert_cmpuint(inode_get(repo, ID_B ".json"), !=, b);
}

static void test_refused(void)
{
	/* clang-format off */
	static const char *const timestamps[] = {
		"\"\"", "\"..\"", "\"2026\"", "\"2026-11-21T03:04:05Z/../../x\"", "\"../x\"",
		"\"2026-11-21T03:04:05.000\"", "\"2026-13-21T03:04:05.000Z\"", "\"yesterday\"",
		"\"2026-11-21T03:04:05.000+01:00\"", "7", "null",
	};
	/* clang-format on */
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new();
	for (gsize i = 0; i < G_N_ELEMENTS(timestamps); i++) {
		g_autofree char *text = g_strdup_printf("{\"timestamp\":%s}", timestamps[i]);
		if (text_write(folder, text, 3, &error))
			g_test_fail_printf("accepted: %s", text);
		check_refused(error, MUSTER_ERROR_INPUT, "timestamp");
	}
	g_autofree char *names = check_folder_list(folder);
	g_assert_cmpstr(names, ==, "");
}

static void test_no_folder(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(), *path = g_build_filename(folder, "f", NULL),
			*below = g_build_filename(path, "d", NULL);
	g_assert_true(g_file_set_contents(path, "x", -1, NULL));
	g_assert_false(
		text_write(below, "{\"timestamp\":\"2026-11-21T03:04:05.000Z\"}", 3, &error));
	check_refused(error, MUSTER_ERROR_IO, "cannot");
}

static void test_slug(void)
{
	g_autofree char *long_one = g_strnfill(63, 'a'), *too_long = g_strnfill(64, 'a');
	/* clang-format off */
	const char *fine[] = { "a", "0", "default", "a-b-c", "a--b", "9lives", long_one },
		*bad[] = { "", "-", "-a", "a-", "A", "a_b", "a.b", "..", "a/b", "a b", "\xc3\xa4", "a\n", too_long };
	/* clang-format on */
	for (gsize i = 0; i < G_N_ELEMENTS(fine); i++)
		g_assert_true(report_slug_is_valid(fine[i]));
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_false(report_slug_is_valid(bad[i]));
		g_assert_null(report_folder("/s", bad[i], "r", &error));
		check_refused(error, MUSTER_ERROR_INPUT, "small letters");
		g_assert_null(report_folder("/s", "o", bad[i], &error));
		check_refused(error, MUSTER_ERROR_INPUT, "small letters");
	}
	g_autofree char *folder = report_folder("/s", "o", "r", NULL);
	g_assert_cmpstr(folder, ==, "/s/reports/o/r");
}

static void test_id(void)
{
	g_autofree char *id = report_repo_id("", "host", "/src/a"),
			*again = report_repo_id("", "host", "/src/a"),
			*other_host = report_repo_id("", "hos", "t/src/a"),
			*other_path = report_repo_id("", "host", "/src/b"),
			*other_space = report_repo_id("o", "host", "/src/a");
	/* Stored in databases and known to people's links: it must never change. */
	g_assert_cmpstr(id, ==, "2aad04e8-3977-5743-8236-f4a734353f26");
	g_assert_cmpstr(again, ==, id);
	g_assert_true(g_uuid_string_is_valid(id));
	g_assert_cmpstr(other_host, !=, id);
	g_assert_cmpstr(other_path, !=, id);
	g_assert_cmpstr(other_space, !=, id);
}

static void test_time(void)
{
	g_autoptr(GTimeZone) zone = g_time_zone_new_offset(3600);
	g_autoptr(GDateTime) time = g_date_time_new(zone, 2026, 1, 1, 0, 30, 1.0625);
	g_autofree char *text = report_time_format(time);
	g_assert_cmpstr(text, ==, "2025-12-31T23:30:01.062Z");
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func(
		"/report/one text lies under three names, repositories beside it", test_names);
	g_test_add_func("/report/the oldest of the history go, other files stay", test_history);
	g_test_add_func(
		"/report/only repositories that changed are written again", test_changed_only);
	g_test_add_func("/report/a timestamp that is none never becomes a file", test_refused);
	g_test_add_func("/report/a folder that cannot be made is an error", test_no_folder);
	g_test_add_func("/report/a slug can never leave its folder", test_slug);
	g_test_add_func("/report/a repository keeps its id for ever", test_id);
	g_test_add_func("/report/a time is UTC with milliseconds", test_time);
	return check_run();
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/wake.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/unit/check.h"

static struct conf *conf_in(const char *folder)
{
	g_autoptr(GError) error = NULL;
	struct conf *conf = conf_load("/dev/null", &error);
	g_assert_no_error(error);
	g_assert_true(conf_set(conf, "paths.run", folder, &error));
	return conf;
}

static gboolean is_readable(int fd)
{
	GPollFD look = {.fd = fd, .events = G_IO_IN};
	return g_poll(&look, 1, 0) == 1;
}

static void test_wake(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(),
			*pusher = g_build_filename(folder, WAKE_PUSHER, NULL),
			*runner = g_build_filename(folder, WAKE_RUNNER, NULL),
			*other = g_build_filename(folder, "runner.audit+scan.sock", NULL);
	g_autoptr(conf) conf = conf_in(folder);
	struct stat st;

	/* Nobody listens: that is fine. */
	wake_send(conf);
	int a = wake_open(pusher, &error), b = wake_open(runner, &error);
	int c = wake_open(other, &error);
	g_assert_no_error(error);
	g_assert_cmpint(stat(pusher, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0660);
	g_assert_false(is_readable(a));
	wake_send(conf);
	g_assert_true(is_readable(a));
	g_assert_true(is_readable(b));
	g_assert_true(is_readable(c));
	wake_drain(a);
	g_assert_false(is_readable(a));
	/* More than a queue holds neither waits nor fails. */
	for (int i = 0; i < 5000; i++)
		wake_send(conf);
	g_assert_true(is_readable(a));
	wake_drain(a);
	wake_drain(b);
	g_assert_false(is_readable(a));
	g_assert_false(is_readable(b));
	close(a);
	close(b);
	close(c);
	/* Listeners that are gone leave their names behind. */
	wake_send(conf);
}

static void test_open(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(), *path = g_build_filename(folder, "s", NULL),
			*none = g_build_filename(folder, "none", "s", NULL);
	int first = wake_open(path, &error);
	g_assert_cmpint(first, >=, 0);
	close(first);
	int second = wake_open(path, &error);
	g_assert_no_error(error);
	g_assert_cmpint(second, >=, 0);
	close(second);
	g_assert_cmpint(wake_open(none, &error), ==, -1);
	check_refused(error, MUSTER_ERROR_IO, "cannot listen on");

	/* 107 bytes and not one more. */
	g_autofree char *pad = g_strnfill(107 - strlen(folder) - 1, 'x');
	g_autofree char *longest = g_build_filename(folder, pad, NULL);
	g_autofree char *too_long = g_strconcat(longest, "x", NULL);
	g_assert_cmpuint(strlen(longest), ==, 107);
	int fits = wake_open(longest, &error);
	g_assert_no_error(error);
	g_assert_cmpint(fits, >=, 0);
	close(fits);
	g_assert_cmpint(wake_open(too_long, &error), ==, -1);
	check_refused(error, MUSTER_ERROR_INPUT, "107 bytes");
}

static void test_in_the_way(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(), *path = g_build_filename(folder, "s", NULL);
	g_assert_true(g_file_set_contents(path, "precious", -1, NULL));
	g_assert_cmpint(wake_open(path, &error), ==, -1);
	check_refused(error, MUSTER_ERROR_IO, "cannot listen on");
	g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/wake/listeners hear, and who does not listen does no harm", test_wake);
	g_test_add_func("/wake/a stale socket is replaced, a path too long refused", test_open);
	g_test_add_func("/wake/a file that is no socket is left alone", test_in_the_way);
	return check_run();
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/mapped.h"

#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "t/unit/check.h"

static struct conf *conf_in(const char *folder)
{
	g_autoptr(GError) error = NULL;
	struct conf *conf = conf_load("/dev/null", &error);

	g_assert_no_error(error);
	g_assert_true(conf_set(conf, "paths.run", folder, &error));
	return conf;
}

/* One that begins with that letter, which it is told apart by. */
static char *map(const struct conf *conf, gsize bytes, char head, gboolean is_known)
{
	const struct mapped wanted = {"shared", bytes, &head, 1, is_known};
	g_autoptr(GError) error = NULL;
	char *memory = mapped_open(conf, &wanted, &error);

	g_assert_no_error(error);
	g_assert_nonnull(memory);
	return memory;
}

static void test_shared(void)
{
	g_autofree char *folder = check_folder_new();
	g_autoptr(conf) conf = conf_in(folder);
	char *one = map(conf, 100, 'a', TRUE), *two = map(conf, 100, 'a', TRUE);

	g_assert_cmpint(one[0], ==, 'a');
	g_assert_cmpint(one[99], ==, 0);
	one[99] = 'x';
	g_assert_cmpint(two[99], ==, 'x');
	g_autofree char *list = check_folder_list(folder);
	g_assert_cmpstr(list, ==, "shared");
}

static void test_replaced(void)
{
	g_autofree char *folder = check_folder_new();
	g_autoptr(conf) conf = conf_in(folder);
	char *old = map(conf, 100, 'a', TRUE), *longer = map(conf, 200, 'a', TRUE);

	longer[99] = 'x';
	g_assert_cmpint(old[99], ==, 0);
	char *other = map(conf, 200, 'b', FALSE);
	g_assert_cmpint(other[0], ==, 'a');
	g_assert_cmpint(other[99], ==, 'x');
	other = map(conf, 200, 'b', TRUE);
	g_assert_cmpint(other[0], ==, 'b');
	g_assert_cmpint(other[99], ==, 0);
}

static void test_refused(void)
{
	g_autofree char *folder = check_folder_new();
	g_autoptr(conf) conf = conf_in(folder);
	g_autofree char *path = g_build_filename(folder, "shared", NULL);
	g_autofree char *target = g_build_filename(folder, "target", NULL);
	const struct mapped wanted = {"shared", 100, "a", 1, TRUE};
	GError *error = NULL;

	g_assert_true(g_file_set_contents(target, "kept", -1, NULL));
	g_assert_cmpint(symlink(target, path), ==, 0);
	g_assert_null(mapped_open(conf, &wanted, &error));
	check_refused(error, MUSTER_ERROR_IO, "shared");
	g_autofree char *text = NULL;
	g_assert_true(g_file_get_contents(target, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, "kept");
	char *memory = mapped_anonymous(100);
	g_assert_cmpint(memory[99], ==, 0);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/mapped/what one writes another reads", test_shared);
	g_test_add_func("/mapped/one of another version is replaced", test_replaced);
	g_test_add_func("/mapped/where somebody put another file there is none", test_refused);
	return check_run();
}

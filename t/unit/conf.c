/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/conf.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/unit/check.h"

static char *folder, *file;

/* Loads a file with this text. */
static struct conf *text_load(const char *text, GError **error)
{
	g_assert_true(g_file_set_contents(file, text, -1, NULL));
	return conf_load(file, error);
}

/* clang-format off */
static const struct {
	const char *text;
	const char *why; /* %s is the file's path */
} refused[] = {
	{ "[audit]\ninterval = 5\n", "%s:2: there is no key 'interval' in [audit]" },
	{ "\n# x\n[nothing]\n", "%s:3: there is no group [nothing]" },
	{ "[]\n", "%s:1: there is no group []" },
	{ "[audit.history_keep]\n", "%s:1: there is no group" },
	{ "[audit\n", "%s:1: a group is written [name]" },
	{ "[\n", "%s:1: a group is written [name]" },
	{ "history_keep = 5\n", "%s:1: a setting must stand below a [group]" },
	{ "[audit]\ninterval_s = 5\ninterval = 5\n", "%s:3: there is no key 'interval' in [audit]" },
	{ "[audit]\nhistory_keep\n", "%s:2: a setting is written key = value" },
	{ "[audit]\nhistory_keep = 5\n[log]\n[audit]\nhistory_keep=6\n", "%s:5: audit.history_keep is given twice, first in line 2" },
	{ "[audit]\nhistory_keep = 5\nhistory_keep = 5", "%s:3: audit.history_keep is given twice" },
	{ "[audit]\nhistory_keep = 0\n", "%s:2: audit.history_keep is '0': a whole number from 1 to 100000" },
	{ "[audit]\nhistory_keep = 5 s\n", "a whole number" },
	{ "[audit]\nhistory_keep =\n", "a whole number" },
	{ "[audit]\nhistory_keep = 99999999999999999999\n", "a whole number" },
	{ "[database]\nprepare = yes\n", "%s:2: database.prepare is 'yes': true or false" },
	{ "[database]\nprepare = TRUE\n", "true or false" },
	{ "[log]\nlevel = loud\n", "%s:2: log.level is 'loud': one of debug|info|warning|error" },
	{ "[log]\nlevel = debug|info\n", "one of" },
	{ "[log]\nlevel =\n", "one of" },
	{ "[paths]\nstate = var/lib\n", "%s:2: paths.state is 'var/lib': an absolute path" },
	{ "[server]\npublic_url = http://a\x01\n", "control characters" },
	{ "[server]\npublic_url = \xff\n", "not UTF-8" },
};
/* clang-format on */

static void test_refused(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
		g_autoptr(GError) error = NULL;
		g_auto(GStrv) parts = g_strsplit(refused[i].why, "%s", 2);
		g_autofree char *why = g_strjoinv(file, parts);
		g_assert_null(text_load(refused[i].text, &error));
		check_refused(error, MUSTER_ERROR_INPUT, why);
	}
}

static void test_unreadable(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *none = g_build_filename(folder, "none.conf", NULL);
	g_assert_null(conf_load(none, &error));
	check_refused(error, MUSTER_ERROR_IO, "none.conf");
	g_assert_true(g_file_set_contents(file, "[log]\n\0", 7, NULL));
	g_assert_null(conf_load(file, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "not a settings file");
	g_autofree char *large = g_strnfill(1024 * 1024 + 1, '\n');
	g_assert_null(text_load(large, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "not a settings file");
}

static void test_defaults(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(conf) conf = text_load("", &error);
	g_assert_no_error(error);
	for (gsize i = 0; i < conf_keys_len; i++) {
		g_assert_nonnull(conf_get(conf, conf_keys[i].name));
		g_assert_cmpstr(conf_get_source(conf, conf_keys[i].name), ==, "default");
		g_assert_true(g_str_has_suffix(conf_keys[i].help, "."));
	}
	g_assert_cmpint(conf_get_int(conf, "audit.history_keep"), ==, 100);
	g_assert_true(conf_get_bool(conf, "database.prepare"));
	g_assert_true(g_path_is_absolute(conf_get(conf, "paths.state")));
	g_assert_true(g_path_is_absolute(conf_get(conf, "secret.key_file")));
	g_assert_cmpstr(conf_get(conf, "database.url"), ==, "");
}

static void test_order(void)
{
	g_autoptr(GError) error = NULL;
	g_setenv("MUSTER_LOG_LEVEL", "warning", TRUE);
	g_setenv("MUSTER_AUDIT_STALE_DAYS", "7", TRUE);
	g_autoptr(conf) conf = text_load(
		"[log]\nlevel=error\n[audit]\n history_keep = 40 \r\nstale_days=8\n", &error);
	g_assert_no_error(error);
	g_assert_true(conf_set(conf, "audit.stale_days", "6", &error));
	g_assert_no_error(error);
	g_assert_cmpint(conf_get_int(conf, "audit.history_keep"), ==, 40);
	g_assert_cmpstr(conf_get_source(conf, "audit.history_keep"), ==, file);
	g_assert_cmpstr(conf_get(conf, "log.level"), ==, "warning");
	g_assert_cmpstr(conf_get_source(conf, "log.level"), ==, "environment");
	g_assert_cmpint(conf_get_int(conf, "audit.stale_days"), ==, 6);
	g_assert_cmpstr(conf_get_source(conf, "audit.stale_days"), ==, "flag");

	g_assert_false(conf_set(conf, "audit.stale_days", "none", &error));
	check_refused(error, MUSTER_ERROR_INPUT, "audit.stale_days is 'none'");
	g_assert_cmpint(conf_get_int(conf, "audit.stale_days"), ==, 6);

	g_setenv("MUSTER_LOG_LEVEL", "quiet", TRUE);
	g_assert_null(conf_load(file, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "MUSTER_LOG_LEVEL: log.level is 'quiet'");
	g_unsetenv("MUSTER_LOG_LEVEL");
	g_unsetenv("MUSTER_AUDIT_STALE_DAYS");
}

static void test_values(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(conf) conf = text_load(
		"[database]\nurl = host=/run dbname='a = b' # no comment\n[paths]\nstate=~/m\n",
		&error);
	g_assert_no_error(error);
	g_assert_cmpstr(
		conf_get(conf, "database.url"), ==, "host=/run dbname='a = b' # no comment");
	g_autofree char *home = g_build_filename(g_get_home_dir(), "m", NULL);
	g_autofree char *below = conf_get_state_path(conf, "reports/x");
	g_autofree char *expected = g_build_filename(home, "reports/x", NULL);
	g_assert_cmpstr(conf_get(conf, "paths.state"), ==, home);
	g_assert_cmpstr(below, ==, expected);
}

static void test_computed(void)
{
	g_autoptr(GError) error = NULL;
	/* An empty value in a file means the built-in one, as the table says. */
	g_autoptr(conf) conf =
		text_load("[secret]\nkey_file=\n[database]\ndirect=\nurl=a\n", &error);
	g_assert_no_error(error);
	g_assert_cmpstr(conf_get(conf, "database.direct"), ==, "a");
	g_assert_true(conf_set(conf, "paths.state", "/x/state", &error));
	g_assert_true(conf_set(conf, "database.url", "b", &error));
	g_assert_cmpstr(conf_get(conf, "secret.key_file"), ==, "/x/state/key");
	g_assert_cmpstr(conf_get(conf, "database.direct"), ==, "b");
	g_assert_true(conf_set(conf, "secret.key_file", "/elsewhere", &error));
	g_assert_true(conf_set(conf, "paths.state", "/y", &error));
	g_assert_cmpstr(conf_get(conf, "secret.key_file"), ==, "/elsewhere");
	g_assert_no_error(error);
}

static void test_search(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *user = g_build_filename(g_get_user_config_dir(), "muster", NULL);
	g_autofree char *user_file = g_build_filename(user, "muster.conf", NULL);
	g_assert_cmpint(g_mkdir_with_parents(user, 0700), ==, 0);
	g_assert_true(g_file_set_contents(user_file, "[audit]\nhistory_keep=41\n", -1, NULL));
	g_autoptr(conf) conf = conf_load(NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpint(conf_get_int(conf, "audit.history_keep"), ==, 41);

	/* MUSTER_CONF is read alone, --conf before it. */
	g_assert_true(g_file_set_contents(file, "[audit]\nstale_days=42\n", -1, NULL));
	g_setenv("MUSTER_CONF", file, TRUE);
	g_autoptr(conf) alone = conf_load(NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpint(conf_get_int(alone, "audit.history_keep"), ==, 100);
	g_assert_cmpint(conf_get_int(alone, "audit.stale_days"), ==, 42);
	g_autoptr(conf) named = conf_load(user_file, &error);
	g_assert_no_error(error);
	g_assert_cmpint(conf_get_int(named, "audit.history_keep"), ==, 41);
	g_assert_cmpint(conf_get_int(named, "audit.stale_days"), ==, 90);
	g_unsetenv("MUSTER_CONF");
}

static void test_service(void)
{
	g_setenv("STATE_DIRECTORY", "/var/lib/of-service", TRUE);
	g_autoptr(conf) plain = text_load("", NULL);
	g_assert_cmpstr(conf_get(plain, "paths.state"), ==, "/var/lib/of-service");
	g_assert_cmpstr(conf_get(plain, "secret.key_file"), ==, "/var/lib/of-service/key");
	g_autoptr(conf) set = text_load("[paths]\nstate = /srv/muster\n", NULL);
	g_assert_cmpstr(conf_get(set, "paths.state"), ==, "/srv/muster");
	g_setenv("STATE_DIRECTORY", "/a:/b", TRUE);
	g_autoptr(conf) several = text_load("", NULL);
	g_assert_cmpstr(conf_get(several, "paths.state"), !=, "/a:/b");
	g_unsetenv("STATE_DIRECTORY");
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	folder = check_folder_new();
	file = g_build_filename(folder, "muster.conf", NULL);
	/* Before GLib reads it for the first time. */
	g_setenv("XDG_CONFIG_HOME", folder, TRUE);
	for (gsize i = 0; i < conf_keys_len; i++) {
		g_autofree char *upper = g_ascii_strup(conf_keys[i].name, -1);
		g_autofree char *name = g_strconcat("MUSTER_", g_strdelimit(upper, ".", '_'), NULL);
		g_unsetenv(name);
	}
	g_unsetenv("MUSTER_CONF");
	g_test_add_func("/conf/a mistake in a file is refused with file and line", test_refused);
	g_test_add_func("/conf/a file that is missing, binary or huge is refused", test_unreadable);
	g_test_add_func("/conf/without any file every key has its default", test_defaults);
	g_test_add_func("/conf/a flag wins over the environment, that over the file", test_order);
	g_test_add_func("/conf/a value is all that follows the first equals sign", test_values);
	g_test_add_func("/conf/what is left empty follows the folder it lies in", test_computed);
	g_test_add_func(
		"/conf/the user's file is found, and a named one is read alone", test_search);
	g_test_add_func(
		"/conf/a service keeps its state where systemd put it, unless told otherwise",
		test_service);
	int result = check_run();
	g_free(file);
	g_free(folder);
	return result;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/log.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t/unit/check.h"

static int capture = -1, stderr_saved = -1;

static void capture_start(void)
{
	capture = memfd_create("log", MFD_CLOEXEC);
	stderr_saved = dup(STDERR_FILENO);
	dup2(capture, STDERR_FILENO);
}

/* What was written since capture_start(). */
static char *capture_end(void)
{
	off_t len = lseek(capture, 0, SEEK_END);
	char *text = g_malloc0((gsize)len + 1);
	g_assert_cmpint(pread(capture, text, (gsize)len, 0), ==, len);
	dup2(stderr_saved, STDERR_FILENO);
	close(stderr_saved);
	close(capture);
	return text;
}

/* clang-format off */
static const struct {
	const char *value, *written;
} values[] = {
	{ "plain", "v=plain\n" },
	{ "/a/b-c_d.e:f", "v=/a/b-c_d.e:f\n" },
	{ NULL, "v=-\n" },
	{ "", "v=\"\"\n" },
	{ "two words", "v=\"two words\"\n" },
	{ "a=b", "v=\"a=b\"\n" },
	{ "say \"hi\\\"", "v=\"say \\\"hi\\\\\\\"\"\n" },
	{ "x\nlevel=error msg=forged", "v=\"x\\nlevel=error msg=forged\"\n" },
	{ "x\r\t\x1b[31m", "v=\"x\\x0d\\x09\\x1b[31m\"\n" },
	{ "caf\xc3\xa9", "v=\"caf\xc3\xa9\"\n" },
	{ "bad\xff\xc3", "v=\"bad\\xff\\xc3\"\n" },
	/* CSI as one character of U+0080 to U+009F, NEL, and what turns text around */
	{ "\xc2\x9b" "31m", "v=\"\\xc2\\x9b31m\"\n" },
	{ "\xc2\x85", "v=\"\\xc2\\x85\"\n" },
	{ "\xe2\x80\xa8\xe2\x80\xae", "v=\"\\xe2\\x80\\xa8\\xe2\\x80\\xae\"\n" },
};
/* clang-format on */

static void test_escape(void)
{
	log_init("unit", NULL);
	for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
		capture_start();
		log_info("said", "v", values[i].value, NULL);
		g_autofree char *line = capture_end();
		g_assert_true(g_str_has_suffix(line, values[i].written));
		g_assert_true(strchr(line, '\n') == line + strlen(line) - 1);
		g_assert_true(g_utf8_validate(line, -1, NULL));
	}
}

static void test_line(void)
{
	log_init("unit", NULL);
	capture_start();
	log_set_prefix("request", "r 1");
	log_warning("it went wrong", "n", "1", "m", "2", NULL);
	log_set_prefix(NULL, NULL);
	log_error("plain", NULL);
	g_autofree char *text = capture_end();
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_assert_cmpuint(g_strv_length(lines), ==, 3);
	g_assert_true(g_regex_match_simple("^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z "
					   "level=warning program=unit request=\"r 1\" "
					   "msg=\"it went wrong\" n=1 m=2$",
		lines[0], 0, 0));
	g_assert_true(g_str_has_suffix(lines[1], "Z level=error program=unit msg=plain"));
}

static void test_level(void)
{
	g_autoptr(GError) error = NULL;
	g_setenv("MUSTER_LOG_LEVEL", "warning", TRUE);
	g_setenv("MUSTER_LOG_TARGET", "stderr", TRUE);
	g_setenv("MUSTER_CONF", "/dev/null", TRUE);
	g_autoptr(conf) conf = conf_load(NULL, &error);
	g_assert_no_error(error);
	log_init("unit", conf);
	capture_start();
	log_debug("a", NULL);
	log_info("b", NULL);
	log_warning("c", NULL);
	log_error("d", NULL);
	g_autofree char *text = capture_end();
	g_assert_null(strstr(text, "msg=a"));
	g_assert_null(strstr(text, "msg=b"));
	g_assert_nonnull(strstr(text, "msg=c"));
	g_assert_nonnull(strstr(text, "msg=d"));
	g_assert_false(log_is_enabled(LOG_LEVEL_INFO));
	g_assert_true(log_is_enabled(LOG_LEVEL_WARNING));
}

static void test_failure(void)
{
	g_autoptr(GError) error = g_error_new_literal(MUSTER_ERROR, MUSTER_ERROR_BUSY, "inner");
	g_prefix_error(&error, "outer: ");
	log_init("unit", NULL);
	capture_start();
	log_failure(LOG_LEVEL_ERROR, "no luck", error);
	log_failure(LOG_LEVEL_ERROR, "unexplained", NULL);
	g_autofree char *text = capture_end();
	g_assert_nonnull(
		strstr(text, "msg=\"no luck\" error=\"outer: inner\" domain=muster-error"));
	g_assert_nonnull(strstr(text, "msg=unexplained"));
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func(
		"/log/a hostile value cannot start a line or reach the terminal", test_escape);
	g_test_add_func("/log/a line has time, level, program, prefix and pairs", test_line);
	g_test_add_func("/log/an error is written with its whole chain", test_failure);
	g_test_add_func("/log/lines below the level are not written", test_level);
	return check_run();
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/json.h"

#include <stdio.h>
#include <string.h>

#include "t/unit/check.h"

static const struct json_limits limits = {4096, 8, 100};

static gboolean text_is_fine(const char *text)
{
	/* A copy without a terminator, so that the sanitizer sees a read past the end. */
	gsize len = strlen(text);
	g_autofree char *bytes = g_memdup2(text, len);
	return json_check(bytes, len, &limits, NULL);
}

/* clang-format off */
static const char *const accepted[] = {
	"null", "true", "false", "0", "-0", "1.5e+3", "\"\"", "[]", "{}", " \t\r\n[ 1 , 2 ]\n",
	"9223372036854775807", "-9223372036854775808", "1e308", "-1.7976931348623157e308",
	"0.1", "1e-300", "0.0", "0e0", "{\"a\":{\"a\":{\"a\":[]}}}", "{\"\":1}",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0001\"", "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"",
	"\"\xef\xbf\xbf\"", "[[[[[[[[]]]]]]]]", "{\"a\":1,\"A\":2}", "{\"\xc3\xa9\":1,\"e\\u0301\":2}",
};

static const struct {
	const char *text;
	int at; /* the offset that the message names */
	const char *why;
} refused[] = {
	{ "", 0, "a value is expected" },
	{ "  ", 2, "a value is expected" },
	{ "nul", 0, "a value is expected" },
	{ "NaN", 0, "a value is expected" },
	{ "Infinity", 0, "a value is expected" },
	{ "-Infinity", 1, "a value is expected" },
	{ "-", 1, "a value is expected" },
	{ "+1", 0, "a value is expected" },
	{ ".5", 0, "a value is expected" },
	{ "'a'", 0, "a value is expected" },
	{ "\xef\xbb\xbf{}", 0, "a value is expected" },
	{ "// x\n1", 0, "a value is expected" },
	{ "01", 0, "leading zero" },
	{ "-01", 1, "leading zero" },
	{ "1.", 2, "must follow" },
	{ "1.e1", 2, "must follow" },
	{ "1e", 2, "must follow" },
	{ "1e+", 3, "must follow" },
	{ "0x10", 1, "something follows" },
	{ "1 2", 2, "something follows" },
	{ "{}}", 2, "something follows" },
	{ "truex", 4, "something follows" },
	{ "9223372036854775808", 0, "out of range" },
	{ "-9223372036854775809", 0, "out of range" },
	{ "[1, 1e309]", 4, "out of range" },
	{ "-1e309", 0, "out of range" },
	{ "1e-400", 0, "out of range" },
	{ "0e-99999", 0, "out of range" },
	{ "1e99999999999999999999", 0, "out of range" },
	{ "[1,]", 3, "a value is expected" },
	{ "[,1]", 1, "a value is expected" },
	{ "[1 2]", 3, "',' or an end" },
	{ "[1", 2, "',' or an end" },
	{ "[}", 1, "a value is expected" },
	{ "{]", 1, "a key is expected" },
	{ "{1:2}", 1, "a key is expected" },
	{ "{\"a\":1,}", 7, "a key is expected" },
	{ "{\"a\" 1}", 5, "':' is expected" },
	{ "{\"a\":}", 5, "a value is expected" },
	{ "{\"a\"", 4, "':' is expected" },
	{ "\"abc", 4, "without an end" },
	{ "\"abc\\", 5, "without an end" },
	{ "\"a\nb\"", 2, "control character" },
	{ "\"\\x\"", 2, "unknown escape" },
	{ "\"\\'\"", 2, "unknown escape" },
	{ "\"\\u12\"", 3, "four hexadecimal digits" },
	{ "\"\\u 123\"", 3, "four hexadecimal digits" },
	{ "\"\\u0000\"", 3, "U+0000" },
	{ "\"\\ud800\"", 3, "lone surrogate" },
	{ "\"\\ud800\\u0041\"", 3, "lone surrogate" },
	{ "\"\\ud800\\ud800\"", 3, "lone surrogate" },
	{ "\"\\udc00\"", 3, "lone surrogate" },
	{ "\"a\xff\"", 2, "not UTF-8" },
	{ "\"\xc3\"", 1, "not UTF-8" },
	{ "\"\xed\xa0\x80\"", 1, "not UTF-8" },
	{ "\"\xc0\x80\"", 1, "not UTF-8" },
	{ "\"\xf4\x90\x80\x80\"", 1, "not UTF-8" },
	{ "{\"a\":1,\"a\":2}", 7, "given twice" },
	{ "{\"a\":1,\"\\u0061\":2}", 7, "given twice" },
	{ "{\"\\/\":1,\"/\":2}", 8, "given twice" },
	{ "{\"\xc3\xa9\":1,\"\\u00e9\":2}", 8, "given twice" },
	{ "{\"\":1,\"\":2}", 6, "given twice" },
	{ "{\"a\":{\"b\":1},\"a\":2}", 13, "given twice" },
};
/* clang-format on */

static void test_accepted(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(accepted); i++)
		if (!text_is_fine(accepted[i]))
			g_test_fail_printf("refused: %s", accepted[i]);
}

static void test_refused(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(refused); i++) {
		g_autoptr(GError) error = NULL;
		gsize len = strlen(refused[i].text);
		g_autofree char *bytes = g_memdup2(refused[i].text, len);
		g_autofree char *at = g_strdup_printf("at byte %d: ", refused[i].at);
		g_assert_false(json_check(bytes, len, &limits, &error));
		if (error == NULL || strstr(error->message, at) == NULL) {
			g_test_message("%s: '%s' without '%s'", refused[i].text,
				error != NULL ? error->message : "accepted", at);
			g_test_fail();
		}
		check_refused(error, MUSTER_ERROR_INPUT, refused[i].why);
	}
}

static void test_nul(void)
{
	g_autoptr(GError) error = NULL;
	g_assert_false(json_check("\"a\0b\"", 5, &limits, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "at byte 2: a control character");
	g_assert_false(json_check("1\0", 2, &limits, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "at byte 1: something follows");
	g_assert_false(json_check("\"\\\0\"", 4, &limits, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "an unknown escape");
	g_assert_false(json_check(NULL, 0, &limits, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "a value is expected");
}

static void test_depth(void)
{
	g_autoptr(GError) error = NULL;
	g_assert_true(text_is_fine("[[[[[[[[1]]]]]]]]"));
	g_assert_true(text_is_fine("[{\"a\":[{\"a\":[{\"a\":[{}]}]}]},[]]"));
	g_assert_false(json_check("[[[[[[[[[1]]]]]]]]]", 19, &limits, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, "at byte 8: nested too deeply");

	/* However large the limit, there is an end; and json-c goes as deep as the check. */
	const struct json_limits deep = {4096, 1000, 10};
	for (guint depth = 127; depth <= 129; depth++) {
		g_autofree char *open = g_strnfill(depth, '['), *close = g_strnfill(depth, ']');
		g_autofree char *text = g_strconcat(open, "7", close, NULL);
		g_autoptr(json_object) value = json_parse(text, strlen(text), &deep, &error);
		if (depth <= 128)
			g_assert_no_error(error);
		else
			check_refused(error, MUSTER_ERROR_LIMIT, "nested too deeply");
		g_assert_true((value != NULL) == (depth <= 128));
	}
}

static void test_size(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *text = g_strnfill(4097, ' ');
	text[0] = '1';
	g_assert_true(json_check(text, 4096, &limits, &error));
	g_assert_no_error(error);
	g_assert_false(json_check(text, 4097, &limits, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, "larger than allowed");
}

static char *many_keys(guint count, const char *last)
{
	GString *text = g_string_new("{");
	for (guint i = 0; i < count; i++)
		g_string_append_printf(text, "\"k%u\":0,", i);
	g_string_append_printf(text, "\"%s\":[{\"k0\":1}]}", last);
	return g_string_free(text, FALSE);
}

static void test_keys(void)
{
	g_autoptr(GError) error = NULL;
	/* Both ways of comparing: the list and, from some number on, the hash table. */
	for (guint count = 1; count < 100; count++) {
		g_autofree char *fine = many_keys(count, "last"), *twice = many_keys(count, "k0");
		g_assert_true(text_is_fine(fine));
		g_assert_false(json_check(twice, strlen(twice), &limits, &error));
		check_refused(error, MUSTER_ERROR_INPUT, "given twice");
	}
	g_autofree char *text = many_keys(100, "last");
	g_assert_false(json_check(text, strlen(text), &limits, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, "too many keys");
}

static void test_parse(void)
{
	g_autoptr(GError) error = NULL;
	const char *text =
		"{\"name\":\"caf\\u00e9\",\"n\":-9223372036854775808,\"x\":1.5,\"l\":[1]} ";
	g_autoptr(json_object) value = json_parse(text, strlen(text), &limits, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(json_get_text(value, "name", &error), ==, "caf\xc3\xa9");
	json_object *number = json_get(value, "n", json_type_int, &error);
	g_assert_cmpint(json_object_get_int64(number), ==, G_MININT64);
	g_assert_null(json_get(value, "n", json_type_string, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "'n'");
	g_assert_null(json_get(value, "none", json_type_string, NULL));
	g_assert_null(json_get(number, "none", json_type_string, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "'none'");
	g_assert_null(json_get_text(NULL, "none", &error));
	check_refused(error, MUSTER_ERROR_INPUT, "'none'");
}

static void test_parse_scalar(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(json_object) number = json_parse("42", 2, &limits, &error);
	g_assert_no_error(error);
	g_assert_cmpint(json_object_get_int64(number), ==, 42);
	g_autoptr(json_object) text = json_parse("\"a\"", 3, &limits, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(json_object_get_string(text), ==, "a");
	g_assert_null(json_parse("null", 4, &limits, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "null");
	g_assert_null(json_parse("{", 1, &limits, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "at byte 1");
}

/* Prints "yes" or "no" for each line of standard input: for t/unit/json_oracle.t. */
static void test_wipe(void)
{
	static const char text[] =
		"{\"name\":\"kept\",\"login\":{\"password\":[\"s3cret\"],\"n\":1}}";
	g_autoptr(json_object) value = json_parse(text, strlen(text), &json_limits_request, NULL);
	json_object *list = json_get(json_get(value, "login", json_type_object, NULL), "password",
		json_type_array, NULL);
	g_autoptr(json_object) secret = json_object_get(json_object_array_get_idx(list, 0));

	json_wipe(value, "login");
	json_wipe(value, "none");
	g_assert_null(json_get(value, "login", json_type_object, NULL));
	g_assert_cmpstr(json_get_text(value, "name", NULL), ==, "kept");
	g_assert_cmpmem(json_object_get_string(secret), 6, "\0\0\0\0\0\0", 6);
}

static int lines_check(void)
{
	g_autoptr(GIOChannel) in = g_io_channel_unix_new(0);
	g_autofree char *line = NULL;
	gsize end;

	g_io_channel_set_encoding(in, NULL, NULL);
	while (g_io_channel_read_line(in, &line, NULL, &end, NULL) == G_IO_STATUS_NORMAL) {
		puts(json_check(line, end, &json_limits_report, NULL) ? "yes" : "no");
		g_clear_pointer(&line, g_free);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--lines"))
		return lines_check();
	check_init(&argc, &argv);
	g_test_add_func(
		"/json/what RFC 8259 allows and every reader agrees on passes", test_accepted);
	g_test_add_func("/json/everything else is refused with the byte at fault", test_refused);
	g_test_add_func("/json/a zero byte is never the end of a document", test_nul);
	g_test_add_func("/json/nesting has a limit that json-c reaches too", test_depth);
	g_test_add_func("/json/a document larger than allowed is refused unread", test_size);
	g_test_add_func("/json/a doubled key is found among few and among many", test_keys);
	g_test_add_func("/json/members come back with their type or are an error", test_parse);
	g_test_add_func("/json/a scalar is a document, null is not", test_parse_scalar);
	g_test_add_func("/json/what was a secret is overwritten", test_wipe);
	return check_run();
}

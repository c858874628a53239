/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/toml.h"

#include <math.h>
#include <string.h>

#include "t/unit/check.h"

static struct toml *parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct toml *doc = toml_parse("x.toml", text, strlen(text), &error);

	g_assert_no_error(error);
	return doc;
}

static const struct toml_value *at(const struct toml *doc, const char *path)
{
	g_auto(GStrv) names = g_strsplit(path, "/", -1);
	const struct toml_table *table = toml_root(doc);
	const struct toml_value *value = NULL;

	for (guint i = 0; names[i] != NULL; i++) {
		if (value != NULL && value->kind == TOML_ARRAY) {
			value = &value->items[atoi(names[i])];
		} else {
			value = toml_find(table, names[i]);
			g_assert_nonnull(value);
		}
		if (value->kind == TOML_TABLE)
			table = value->table;
	}
	return value;
}

static const char *text_at(const struct toml *doc, const char *path)
{
	const struct toml_value *value = at(doc, path);

	g_assert_cmpint(value->kind, ==, TOML_STRING);
	g_assert_cmpuint(value->len, ==, strlen(value->string));
	return value->string;
}

static void test_strings(void)
{
	g_autoptr(Toml) doc = parse("a = \"tab\\t quote\\\" back\\\\ \\u00e9 \\U0001F600\" # end\n"
				    "b = 'C:\\temp'\r\n"
				    "c = \"\"\"\n one\\\n    two\n\"three\" \\\"\"\"\\\"\"\"\"\n"
				    "d = '''\n\\d{3}'x''y'''\n"
				    "e = \"\"\n"
				    "f = ''''two'''''\n"
				    "\"quoted key\" = 'x'\n"
				    "'literal key'.sub = 'y'\n");

	g_assert_cmpstr(text_at(doc, "a"), ==, "tab\t quote\" back\\ \xc3\xa9 \xf0\x9f\x98\x80");
	g_assert_cmpstr(text_at(doc, "b"), ==, "C:\\temp");
	g_assert_cmpstr(text_at(doc, "c"), ==, " onetwo\n\"three\" \"\"\"\"");
	g_assert_cmpstr(text_at(doc, "d"), ==, "\\d{3}'x''y");
	g_assert_cmpstr(text_at(doc, "e"), ==, "");
	g_assert_cmpstr(text_at(doc, "f"), ==, "'two''");
	g_assert_cmpstr(text_at(doc, "quoted key"), ==, "x");
	g_assert_cmpstr(text_at(doc, "literal key/sub"), ==, "y");
}

static void test_numbers(void)
{
	/* clang-format off */
	static const struct { const char *text; gint64 integer; } integers[] = {
		{ "0", 0 }, { "+7", 7 }, { "-42", -42 }, { "1_000", 1000 }, { "0xdead_BEEF", 0xdeadbeef },
		{ "0o755", 0755 }, { "0b1101", 13 }, { "9223372036854775807", G_MAXINT64 },
		{ "-9223372036854775808", G_MININT64 },
	};
	static const struct { const char *text; double number; } floats[] = {
		{ "3.5", 3.5 }, { "-0.01", -0.01 }, { "5e+22", 5e22 }, { "1e06", 1e6 }, { "6.626e-34", 6.626e-34 },
		{ "9_224.5", 9224.5 }, { "inf", INFINITY }, { "-inf", -INFINITY },
	};
	static const char *const wrong[] = {
		"01", "1__0", "_1", "1_", "1.", ".5", "1.e3", "0x", "0xg", "- 1", "1e", "9223372036854775808",
		"0x8000000000000000", "++1", "1.2.3", "True", "yes", "nul",
	};
	/* clang-format on */

	for (guint i = 0; i < G_N_ELEMENTS(integers); i++) {
		g_autofree char *text = g_strdup_printf("a = %s", integers[i].text);
		g_autoptr(Toml) doc = parse(text);
		g_assert_cmpint(at(doc, "a")->kind, ==, TOML_INTEGER);
		g_assert_cmpint(at(doc, "a")->integer, ==, integers[i].integer);
	}
	for (guint i = 0; i < G_N_ELEMENTS(floats); i++) {
		g_autofree char *text = g_strdup_printf("a = %s\n", floats[i].text);
		g_autoptr(Toml) doc = parse(text);
		g_assert_cmpint(at(doc, "a")->kind, ==, TOML_FLOAT);
		g_assert_cmpfloat(at(doc, "a")->number, ==, floats[i].number);
	}
	for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_autofree char *text = g_strdup_printf("a = %s\n", wrong[i]);
		g_autoptr(GError) error = NULL;
		g_assert_null(toml_parse("x.toml", text, strlen(text), &error));
		check_refused(error, MUSTER_ERROR_INPUT, "x.toml:1: ");
	}
	g_autoptr(Toml) doc = parse("a = nan");
	g_assert_true(isnan(at(doc, "a")->number));
}

static void test_tables(void)
{
	g_autoptr(Toml) doc = parse("top = true\n"
				    "[a.b]\nx = 1\n"
				    "[a]\ny = 2\n"
				    "[[r]]\nid = 'one'\n"
				    "[[r.list]]\nn = 1\n"
				    "[[r.list]]\nn = 2\n"
				    "[[ r ]]\nid = 'two'\nd.e.f = 3\nd.e.g = 4\n"
				    "[r.sub]\nz = [1, 2, # comment\n 3,\n]\n"
				    "t = { k = 'v', l.m = false,\n }\n");

	g_assert_true(at(doc, "top")->boolean);
	g_assert_cmpint(at(doc, "a/b/x")->integer, ==, 1);
	g_assert_cmpint(at(doc, "a/y")->integer, ==, 2);
	g_assert_cmpuint(at(doc, "r")->n, ==, 2);
	g_assert_true(at(doc, "r")->is_tables);
	g_assert_cmpstr(text_at(doc, "r/0/id"), ==, "one");
	g_assert_cmpint(at(doc, "r/0/list/1/n")->integer, ==, 2);
	g_assert_cmpint(at(doc, "r/1/d/e/g")->integer, ==, 4);
	g_assert_cmpuint(at(doc, "r/1/sub/z")->n, ==, 3);
	g_assert_cmpstr(text_at(doc, "r/1/sub/t/k"), ==, "v");
	g_assert_false(at(doc, "r/1/sub/t/l/m")->boolean);
	g_assert_cmpuint(at(doc, "r/1/id")->line, ==, 13);
	g_assert_cmpuint(at(doc, "r/1")->line, ==, 12);
}

/* clang-format off */
static const struct { const char *text, *message; } refusals[] = {
	{ "a = 1\na = 2\n", "x.toml:2: 'a' is already defined in line 1" },
	{ "[a]\n[a]\n", "x.toml:2: 'a' is already" },
	{ "a = 1\n[a]\n", "x.toml:2: 'a' is already" },
	{ "a = 1\n[a.b]\n", "x.toml:2: 'a' of line 1 is not a table" },
	{ "a = []\n[[a]]\n", "x.toml:2: 'a' is already" },
	{ "[[a]]\n[a]\n", "x.toml:2: 'a' is already" },
	{ "[a]\nb.c = 1\n[a.b]\n", "x.toml:3: 'b' is already" },
	{ "[a.b]\n[a]\nb.c = 1\n", "x.toml:3: 'b' is already" },
	{ "a = {b = 1}\n[a.c]\n", "x.toml:2: 'a' of line 1 is not a table" },
	{ "a = {b = 1}\na.c = 2\n", "x.toml:2: 'a' is already" },
	{ "a = \"x\n", "x.toml:1: this string has no end" },
	{ "\n\na = '''x\ny\n", "x.toml:3: this string has no end" },
	{ "a = \"\\d\"\n", "'\\d' is no escape; patterns are best put between '''" },
	{ "a = \"\\u12\"\n", "too few hex digits" },
	{ "a = \"\\ud800\"\n", "U+D800 cannot be in a string" },
	{ "a = \"\\u0000\"\n", "U+0000 cannot be in a string" },
	{ "a = \"\x01\"\n", "a control character in a string" },
	{ "# \x01\n", "a control character in a comment" },
	{ "a = 1 b = 2\n", "something behind the end of this line" },
	{ "a = [1 2]\n", "',' or ']' is expected in the array that begins in line 1" },
	{ "a = {b = 1 c = 2}\n", "',' or '}' is expected" },
	{ "a = [1\n", "in the array that begins in line 1" },
	{ "a =\n", "a value is expected here" },
	{ "a\n", "'=' is expected behind the key 'a'" },
	{ "= 1\n", "a key is expected here" },
	{ "a. = 1\n", "a key is expected here" },
	{ "[a\n", "']' is expected here" },
	{ "[[a]\n", "']]' is expected here" },
	{ "a = 2026-11-21\n", "dates and times are not supported" },
	{ "a = 10:20:30\n", "dates and times are not supported" },
	{ "a = b\n", "'b' is no value; strings need quotes" },
	{ "\"\"\"a\"\"\" = 1\n", "a key cannot be a multi-line string" },
	{ "a = 1\nb = '\xff'\n", "x.toml:2: not UTF-8" },
	{ "\"\\u001b[31m\" = 1\n\"\\u001b[31m\" = 2\n", "%1B[31m" },
};
/* clang-format on */

static void test_refusals(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_autoptr(GError) error = NULL;
		const char *text = refusals[i].text;
		g_assert_null(toml_parse("x.toml", text, strlen(text), &error));
		check_refused(error, MUSTER_ERROR_INPUT, refusals[i].message);
	}
	g_autoptr(GError) error = NULL;
	g_assert_null(toml_parse("x.toml", "a = 1\nb\0c", 9, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "x.toml:2: a zero byte");
}

static void refuse_limit(GString *text, const char *message)
{
	g_autoptr(GError) error = NULL;

	g_assert_null(toml_parse("x.toml", text->str, text->len, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, message);
	g_string_free(text, TRUE);
}

static void test_limits(void)
{
	GString *text = g_string_new("a = ");

	for (guint i = 0; i < 100000; i++)
		g_string_append_c(text, '[');
	refuse_limit(text, "values lie too deep");
	text = g_string_new("a = ");
	for (guint i = 0; i < 1000; i++)
		g_string_append(text, "{b=");
	refuse_limit(text, "values lie too deep");
	text = g_string_new("a");
	for (guint i = 0; i < 100; i++)
		g_string_append(text, ".a");
	refuse_limit(text, "too many parts");
	text = g_string_new(NULL);
	for (guint i = 0; i <= TOML_KEYS_MAX; i++)
		g_string_append_printf(text, "k%u = 1\n", i);
	refuse_limit(text, "too many keys");
	text = g_string_new("a = [");
	for (guint i = 0; i <= TOML_ITEMS_MAX; i++)
		g_string_append(text, "1,");
	refuse_limit(text, "too many values");
	text = g_string_new(NULL);
	for (guint k = 0; k < 5; k++) {
		g_string_append_printf(text, "a%u = [", k);
		for (guint i = 0; i < TOML_ITEMS_MAX; i++)
			g_string_append(text, "1,");
		g_string_append(text, "]\n");
	}
	refuse_limit(text, "too many values");
	text = g_string_new("\"");
	for (guint i = 0; i < 2000; i++)
		g_string_append_c(text, 'k');
	g_string_append(text, "\" = 1\n");
	refuse_limit(text, "this key is too long");
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/toml/the four kinds of strings say what they say", test_strings);
	g_test_add_func("/toml/numbers are read exactly or refused", test_numbers);
	g_test_add_func("/toml/tables, arrays of tables and dotted keys nest", test_tables);
	g_test_add_func("/toml/what is wrong is refused with its line", test_refusals);
	g_test_add_func("/toml/caps hold", test_limits);
	return check_run();
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/input.h"

#include <string.h>

#include "t/unit/check.h"

static const struct {
	struct input input;
	const char *good[4], *bad[8];
} texts[] = {
	{{"text", INPUT_QUERY, INPUT_TEXT, .min = 1, .max = 3}, {"a", "日本語", "a b"},
		{"", "abcd", "a\nb", "a\tb"}},
	{{"lines", INPUT_QUERY, INPUT_LINES, .max = 5}, {"", "a\nb", "\ta\r\n"},
		{"abcdef", "a\x1b", "\xc2\x85"}},
	{{"secret", INPUT_QUERY, INPUT_SECRET, .min = 2, .max = 4}, {"ab", "\xc3\xa4\xc3\xa4"},
		{"a", "\xc3\xa4\xc3\xa4\xc3\xa4"}},
	{{"int", INPUT_QUERY, INPUT_INT, .min = -1, .max = 10}, {"-1", "0", "10"},
		{"", "+1", "11", "1e1", " 1", "1 ", "99999999999999999999"}},
	{{"bool", INPUT_QUERY, INPUT_BOOL}, {"true", "false"}, {"", "1", "TRUE", "yes"}},
	{{"time", INPUT_QUERY, INPUT_TIME},
		{"2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456+02:00"},
		{"now", "2026-01-31", "2026-01-31 12:00:00Z", "2026-02-31T12:00:00Z",
			"2026-01-31T12:00:00", "infinity"}},
	{{"uuid", INPUT_QUERY, INPUT_UUID}, {"6ba7b810-9dad-11d1-80b4-00c04fd430c8"},
		{"", "6ba7b810", "6ba7b810-9dad-11d1-80b4-00c04fd430c8x"}},
	{{"word", INPUT_QUERY, INPUT_WORD, .words = "open|closed"}, {"open", "closed"},
		{"", "ope", "open|closed", "opened"}},
	{{"words", INPUT_QUERY, INPUT_WORDS, .words = "a|bc"}, {"a", "a,bc", "bc,bc"},
		{"", ",", "a,", "b", "a;bc"}},
	{{"events", INPUT_QUERY, INPUT_EVENTS}, {"audit-update,status_change"},
		{"", "session-change", "nothing"}},
};

static void test_texts(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
		const struct input *input = &texts[i].input;
		g_assert_null(input_table_fault(input));
		for (guint n = 0; n < G_N_ELEMENTS(texts[i].good) && texts[i].good[n]; n++) {
			g_autofree char *fault = input_text_fault(input, texts[i].good[n]);
			g_test_message("%s: good: '%s'", input->name, texts[i].good[n]);
			g_assert_cmpstr(fault, ==, NULL);
		}
		for (guint n = 0; n < G_N_ELEMENTS(texts[i].bad) && texts[i].bad[n]; n++) {
			g_autofree char *fault = input_text_fault(input, texts[i].bad[n]);
			g_test_message("%s: bad: '%s'", input->name, texts[i].bad[n]);
			g_assert_nonnull(fault);
		}
	}
}

/* The text a member becomes; "!" and the fault when it is refused. Freed by the caller. */
static char *take(const struct input *input, const char *json)
{
	g_autoptr(json_object) member = json_tokener_parse(json);
	g_autofree char *fault = NULL;
	char *text = input_take_member(input, member, &fault);

	g_assert_true(text == NULL || fault == NULL);
	return fault != NULL ? g_strconcat("!", fault, NULL) : text;
}

static void check_take(const struct input *input, const char *json, const char *wanted)
{
	g_autofree char *got = take(input, json);
	g_assert_cmpstr(got, ==, wanted);
}

static void test_members(void)
{
	const struct input number = {"n", INPUT_BODY, INPUT_INT, .max = 9};
	const struct input flag = {"b", INPUT_BODY, INPUT_BOOL};
	const struct input text = {"t", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 3};
	const struct input note = {"c", INPUT_BODY, INPUT_LINES, .max = 3, .is_clearable = TRUE};

	check_take(&number, "7", "7");
	check_take(&number, "10", "!must be from 0 to 9");
	check_take(&number, "\"7\"", "!must be a whole number");
	check_take(&number, "7.0", "!must be a whole number");
	check_take(&flag, "true", "true");
	check_take(&flag, "\"true\"", "!must be true or false");
	check_take(&text, "\"a\"", "a");
	check_take(&text, "null", NULL);
	check_take(&text, "\"\"", "!must not be empty");
	check_take(&text, "[\"a\"]", "!must be a text");
	check_take(&note, "null", "");
	check_take(&note, "\"\"", "");
	check_take(&note, "\"a\\nb\"", "a\nb");
}

static void test_structures(void)
{
	const struct input names = {
		"names", INPUT_BODY, INPUT_TEXTS, .min = 1, .max = 2, .each_max = 3};
	const struct input ids = {"ids", INPUT_BODY, INPUT_INTS, .max = 3};
	const struct input uuids = {"uuids", INPUT_BODY, INPUT_UUIDS, .max = 1};
	const struct input objects = {"l", INPUT_BODY, INPUT_OBJECTS, .min = 1, .max = 2};
	const struct input object = {"o", INPUT_BODY, INPUT_OBJECT, .max = 12};
	const struct input any = {"a", INPUT_BODY, INPUT_ANY, .max = 12};

	check_take(&names, "[\"a\", \"b\"]", "[\"a\",\"b\"]");
	check_take(&names, "[]", "!must not be empty");
	check_take(&names, "[\"a\",\"b\",\"c\"]", "!must have 1 to 2 elements");
	check_take(&names, "[\"a\",\"long\"]", "!at 1: must have 1 to 3 characters");
	check_take(&names, "[1]", "!at 0: must be a text");
	check_take(&names, "{}", "!must be a list");
	check_take(&ids, "[1,9223372036854775807]", "[1,9223372036854775807]");
	check_take(&ids, "[-1]", "!at 0: must be from 0 to 9223372036854775807");
	check_take(&ids, "[1.5]", "!at 0: must be a whole number");
	check_take(&uuids, "[\"x\"]", "!at 0: must be a UUID");
	check_take(&objects, "[{\"a\":1}]", "[{\"a\":1}]");
	check_take(&objects, "[{},1]", "!at 1: must be an object");
	check_take(&objects, "[]", "!must not be empty");
	check_take(&object, "{\"a\":[1,2]}", "{\"a\":[1,2]}");
	check_take(&object, "{\"a\":[1,2,3]}", "!must have 0 to 12 bytes as JSON");
	check_take(&object, "[]", "!must be an object");
	check_take(&any, "null", "null");
	check_take(&any, "\"x\"", "\"x\"");
}

static void check_schema(const struct input *input, const char *wanted)
{
	g_autoptr(json_object) schema = input_schema(input);
	g_assert_cmpstr(json_object_to_json_string_ext(schema, JSON_C_TO_STRING_PLAIN), ==, wanted);
}

static void test_schema(void)
{
	check_schema(&texts[0].input, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":3}");
	check_schema(&texts[3].input,
		"{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":-1,\"maximum\":10}");
	check_schema(&texts[7].input, "{\"type\":\"string\",\"enum\":[\"open\",\"closed\"]}");
	check_schema(&texts[8].input, "{\"type\":\"string\",\"pattern\":\"^(a|bc)(,(a|bc))*$\"}");
	check_schema(
		&(const struct input){"c", INPUT_BODY, INPUT_TEXT, .max = 3, .is_clearable = TRUE},
		"{\"type\":[\"string\",\"null\"],\"minLength\":0,\"maxLength\":3}");
	check_schema(&(const struct input){"l", INPUT_BODY, INPUT_UUIDS, .max = 2},
		"{\"type\":\"array\",\"items\":{\"type\":\"string\",\"format\":\"uuid\"},"
		"\"minItems\":0,\"maxItems\":2}");
}

static void test_rows(void)
{
	const struct input faulty[] = {
		{"no place", INPUT_PLACE_UNSET, INPUT_TEXT},
		{"no type", INPUT_QUERY, INPUT_TYPE_UNSET},
		{"no words", INPUT_QUERY, INPUT_WORD},
		{"list in a query", INPUT_QUERY, INPUT_INTS, .max = 1},
		{"list without a bound", INPUT_BODY, INPUT_INTS},
		{"texts without a bound", INPUT_BODY, INPUT_TEXTS, .max = 1},
		{"clearable and not empty", INPUT_BODY, INPUT_TEXT, .min = 1, .max = 2,
			.is_clearable = TRUE},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(faulty); i++) {
		g_test_message("%s", faulty[i].name);
		g_assert_nonnull(input_table_fault(&faulty[i]));
	}
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/input/a text is taken or refused by its type", test_texts);
	g_test_add_func("/input/a member of the body has its JSON type", test_members);
	g_test_add_func("/input/lists and objects are given on as JSON", test_structures);
	g_test_add_func("/input/the document says what is checked", test_schema);
	g_test_add_func("/input/a row with a hole is found", test_rows);
	return check_run();
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/input.h"

#include <string.h>

#include "lib/event.h"

/* clang-format off */
static const char *const place_names[] = {
	[INPUT_PLACE_UNSET] = NULL,
	[INPUT_PATH] = "path",
	[INPUT_QUERY] = "query",
	[INPUT_BODY] = "body",
	[INPUT_HEADER] = "header",
};

/* What a type is in a body, what a fault calls it, and its format in JSON Schema. */
static const struct {
	enum json_type json;
	const char *what, *schema, *format;
} types[] = {
	[INPUT_TYPE_UNSET] = { json_type_null, NULL, NULL, NULL },
	[INPUT_TEXT]   = { json_type_string, "a text", "string", NULL },
	[INPUT_LINES]  = { json_type_string, "a text", "string", NULL },
	[INPUT_SECRET] = { json_type_string, "a text", "string", "password" },
	[INPUT_INT]    = { json_type_int, "a whole number", "integer", "int64" },
	[INPUT_BOOL]   = { json_type_boolean, "true or false", "boolean", NULL },
	[INPUT_TIME]   = { json_type_string, "a time", "string", "date-time" },
	[INPUT_UUID]   = { json_type_string, "a text", "string", "uuid" },
	[INPUT_WORD]   = { json_type_string, "a text", "string", NULL },
	[INPUT_WORDS]  = { json_type_string, "a text", "string", NULL },
	[INPUT_EVENTS] = { json_type_string, "a text", "string", NULL },
	[INPUT_TEXTS]  = { json_type_array, "a list", "array", NULL },
	[INPUT_UUIDS]  = { json_type_array, "a list", "array", NULL },
	[INPUT_INTS]   = { json_type_array, "a list", "array", NULL },
	[INPUT_OBJECTS] = { json_type_array, "a list", "array", NULL },
	[INPUT_OBJECT] = { json_type_object, "an object", "object", NULL },
	[INPUT_ANY]    = { json_type_null, "a value", NULL, NULL },
};
/* clang-format on */

const char *input_place_name(enum input_place place)
{
	return place_names[place];
}

const char *input_argument(const struct input *input)
{
	return input->argument != NULL ? input->argument : input->name;
}

static gboolean type_is_structured(enum input_type type)
{
	return type >= INPUT_TEXTS;
}

const char *input_table_fault(const struct input *input)
{
	if (place_names[input->place] == NULL || types[input->type].what == NULL)
		return "has an input without a place or a type";
	if ((input->type == INPUT_WORD || input->type == INPUT_WORDS) && input->words == NULL)
		return "has an input of words without words";
	if (type_is_structured(input->type) && (input->place != INPUT_BODY || input->max == 0))
		return "has a list or an object outside of the body, or one without a bound";
	if (input->type == INPUT_TEXTS && input->each_max == 0)
		return "has a list of texts without a bound of each";
	if (input->is_clearable && (input->place != INPUT_BODY || input->min > 0))
		return "has a clearable input that may not be empty";
	return NULL;
}

static gboolean word_is_in(const char *words, const char *word, gsize len)
{
	for (const char *at = words; len > 0 && *at != '\0'; at += *at == '|') {
		gsize n = strcspn(at, "|");
		if (n == len && !strncmp(at, word, len))
			return TRUE;
		at += n;
	}
	return FALSE;
}

static char *words_fault(const struct input *input, const char *value)
{
	for (const char *at = value;; at++) {
		gsize len = strcspn(at, ",");
		if (!word_is_in(input->words, at, len))
			return g_strdup_printf("must be some of %s, with commas", input->words);
		at += len;
		if (*at == '\0')
			return NULL;
	}
}

static char *events_fault(const char *value)
{
	g_auto(GStrv) names = g_strsplit(value, ",", -1);
	gboolean ok = names[0] != NULL;

	for (guint i = 0; names[i] != NULL; i++) {
		const struct event_kind *kind = event_kind_find(names[i]);
		ok = ok && kind != NULL && !kind->is_hidden;
	}
	return ok ? NULL : g_strdup("must be types of events, with commas");
}

static gboolean text_has_control(const char *text, gboolean may_have_lines)
{
	for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at))
		if (g_unichar_iscntrl(g_utf8_get_char(at)) &&
			!(may_have_lines && (*at == '\n' || *at == '\t' || *at == '\r')))
			return TRUE;
	return FALSE;
}

static char *length_fault(gint64 min, gint64 max, gint64 len, const char *unit)
{
	if (len < min && len == 0)
		return g_strdup("must not be empty");
	if (len < min || len > max)
		return g_strdup_printf("must have %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT " %s",
			min, max, unit);
	return NULL;
}

/* PostgreSQL reads more forms than RFC 3339 has; only those with an offset name one moment. */
static char *time_fault(const char *value)
{
	g_autoptr(GDateTime) time = NULL;
	gsize len = strlen(value);

	if (len >= 20 && len <= 35 && value[4] == '-' && value[7] == '-' && value[10] == 'T')
		time = g_date_time_new_from_iso8601(value, NULL);
	return time != NULL ? NULL : g_strdup("must be a time such as 2026-01-31T12:00:00Z");
}

char *input_text_fault(const struct input *input, const char *text)
{
	gint64 number;

	switch (input->type) {
	case INPUT_TEXT:
	case INPUT_LINES:
		if (text_has_control(text, input->type == INPUT_LINES))
			return g_strdup("must not hold control characters");
		return length_fault(input->min, input->max, g_utf8_strlen(text, -1), "characters");
	case INPUT_SECRET:
		return length_fault(input->min, input->max, (gint64)strlen(text), "bytes");
	case INPUT_INT:
		if (!g_ascii_string_to_signed(text, 10, input->min, input->max, &number, NULL) ||
			*text == '+')
			return g_strdup_printf("must be from %" G_GINT64_FORMAT
					       " to %" G_GINT64_FORMAT,
				input->min, input->max);
		return NULL;
	case INPUT_BOOL:
		return !strcmp(text, "true") || !strcmp(text, "false")
			       ? NULL
			       : g_strdup("must be true or false");
	case INPUT_TIME:
		return time_fault(text);
	case INPUT_UUID:
		return g_uuid_string_is_valid(text) ? NULL : g_strdup("must be a UUID");
	case INPUT_WORD:
		return word_is_in(input->words, text, strlen(text))
			       ? NULL
			       : g_strdup_printf("must be one of %s", input->words);
	case INPUT_WORDS:
		return words_fault(input, text);
	case INPUT_EVENTS:
		return events_fault(text);
	case INPUT_TEXTS:
	case INPUT_UUIDS:
	case INPUT_INTS:
	case INPUT_OBJECTS:
	case INPUT_OBJECT:
	case INPUT_ANY:
	case INPUT_TYPE_UNSET:
		break;
	}
	g_assert_not_reached();
}

/* One element of a list; the index goes into the words, for the field is the list's name. */
static char *element_fault(const struct input *input, json_object *element, gsize i)
{
	const struct input each = {.type = input->type == INPUT_TEXTS   ? INPUT_TEXT
					   : input->type == INPUT_UUIDS ? INPUT_UUID
									: INPUT_INT,
		.min = input->type == INPUT_TEXTS ? 1 : 0,
		.max = input->type == INPUT_TEXTS ? input->each_max : G_MAXINT64};
	g_autofree char *fault = NULL;

	if (input->type == INPUT_OBJECTS)
		return json_object_is_type(element, json_type_object)
			       ? NULL
			       : g_strdup_printf("at %" G_GSIZE_FORMAT ": must be an object", i);
	if (!json_object_is_type(element, types[each.type].json))
		fault = g_strdup_printf("must be %s", types[each.type].what);
	else
		fault = input_text_fault(&each, json_object_get_string(element));
	return fault == NULL ? NULL : g_strdup_printf("at %" G_GSIZE_FORMAT ": %s", i, fault);
}

static char *list_fault(const struct input *input, json_object *list)
{
	gsize n = json_object_array_length(list);
	char *fault = length_fault(input->min, input->max, (gint64)n, "elements");

	for (gsize i = 0; fault == NULL && i < n; i++)
		fault = element_fault(input, json_object_array_get_idx(list, i), i);
	return fault;
}

char *input_take_member(const struct input *input, json_object *member, char **fault)
{
	const char *text;

	*fault = NULL;
	if (member == NULL && input->type != INPUT_ANY)
		return input->is_clearable ? g_strdup("") : NULL;
	if (input->type != INPUT_ANY && !json_object_is_type(member, types[input->type].json)) {
		*fault = g_strdup_printf("must be %s", types[input->type].what);
		return NULL;
	}
	if (!type_is_structured(input->type)) {
		text = json_object_get_string(member);
		if (!input->is_clearable || *text != '\0')
			*fault = input_text_fault(input, text);
		return *fault == NULL ? g_strdup(text) : NULL;
	}
	text = member == NULL ? "null"
			      : json_object_to_json_string_ext(member, JSON_C_TO_STRING_PLAIN);
	if (input->type == INPUT_OBJECT || input->type == INPUT_ANY)
		*fault = length_fault(0, input->max, (gint64)strlen(text), "bytes as JSON");
	else
		*fault = list_fault(input, member);
	return *fault == NULL ? g_strdup(text) : NULL;
}

static void bound_add(json_object *schema, const char *name, gint64 value)
{
	json_object_object_add(schema, name, json_object_new_int64(value));
}

static json_object *words_list(const char *words)
{
	json_object *list = json_object_new_array();
	g_auto(GStrv) each = g_strsplit(words, "|", -1);

	for (guint i = 0; each[i] != NULL; i++)
		json_object_array_add(list, json_object_new_string(each[i]));
	return list;
}

static json_object *elements_schema(const struct input *input)
{
	json_object *items = json_object_new_object();

	json_object_object_add(items, "type",
		json_object_new_string(input->type == INPUT_INTS      ? "integer"
				       : input->type == INPUT_OBJECTS ? "object"
								      : "string"));
	if (input->type == INPUT_UUIDS)
		json_object_object_add(items, "format", json_object_new_string("uuid"));
	if (input->type == INPUT_INTS)
		bound_add(items, "minimum", 0);
	if (input->type == INPUT_TEXTS) {
		bound_add(items, "minLength", 1);
		bound_add(items, "maxLength", input->each_max);
	}
	return items;
}

/* The words of a list with commas, as a pattern. */
static void words_pattern_add(json_object *schema, const char *words)
{
	g_autofree char *pattern = g_strdup_printf("^(%s)(,(%s))*$", words, words);
	json_object_object_add(schema, "pattern", json_object_new_string(pattern));
}

static void type_add(json_object *schema, const struct input *input)
{
	const char *type = types[input->type].schema;
	json_object *list;

	if (type == NULL)
		return;
	if (!input->is_clearable) {
		json_object_object_add(schema, "type", json_object_new_string(type));
		return;
	}
	list = json_object_new_array();
	json_object_array_add(list, json_object_new_string(type));
	json_object_array_add(list, json_object_new_string("null"));
	json_object_object_add(schema, "type", list);
}

json_object *input_schema(const struct input *input)
{
	json_object *schema = json_object_new_object();
	json_object *list;

	type_add(schema, input);
	if (types[input->type].format != NULL)
		json_object_object_add(
			schema, "format", json_object_new_string(types[input->type].format));
	switch (input->type) {
	case INPUT_TEXT:
	case INPUT_LINES:
	case INPUT_SECRET:
		bound_add(schema, "minLength", input->min);
		bound_add(schema, "maxLength", input->max);
		break;
	case INPUT_INT:
		bound_add(schema, "minimum", input->min);
		bound_add(schema, "maximum", input->max);
		break;
	case INPUT_WORD:
		list = words_list(input->words);
		if (input->is_clearable) {
			json_object_array_add(list, json_object_new_string(""));
			json_object_array_add(list, NULL);
		}
		json_object_object_add(schema, "enum", list);
		break;
	case INPUT_WORDS:
		words_pattern_add(schema, input->words);
		break;
	case INPUT_TEXTS:
	case INPUT_UUIDS:
	case INPUT_INTS:
	case INPUT_OBJECTS:
		json_object_object_add(schema, "items", elements_schema(input));
		bound_add(schema, "minItems", input->min);
		bound_add(schema, "maxItems", input->max);
		break;
	default:
		break;
	}
	if (input->help != NULL)
		json_object_object_add(schema, "description", json_object_new_string(input->help));
	return schema;
}

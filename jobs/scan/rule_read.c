/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_file.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/quote.h"

/*
 * From tables to drafts. Two kinds of files have nearly the same keys: ours, in which a key nobody
 * knows is an error, and gitleaks' (and betterleaks'), read without regard to capitals as they do,
 * in which it is a problem. A file is ours when it has a key that only we have.
 */

enum what {
	WHAT_TEXT = 1, /* at offset */
	WHAT_PATTERN,  /* likewise; translated from RE2 in a foreign file */
	WHAT_LIST,
	WHAT_KEYWORDS,
	WHAT_FLAG,
	WHAT_ID,
	WHAT_SEVERITY,
	WHAT_SPECIFICITY,
	WHAT_ENTROPY,
	WHAT_GROUP,
	WHAT_WINDOW,
	WHAT_CONTEXT,
	WHAT_REQUIRED,
	WHAT_ALLOWLISTS,
	WHAT_FILTER,
	WHAT_EFFICIENCY,
	WHAT_VALIDATE,
	WHAT_NAME, /* of a family */
};

enum {
	OURS = 1,
	THEIRS = 2,
	FAMILY = 4,
	BOTH = OURS | THEIRS
};

struct key {
	const char *name;
	enum what what;
	guint where;
	guint offset; /* in struct rule, or a flag */
};

/* clang-format off */
#define AT(field) G_STRUCT_OFFSET(struct rule, field)
/* Sorted. */
static const struct key keys[] = {
	{ "aliases",         WHAT_LIST,        OURS,                 AT(aliases) },
	{ "allowlist",       WHAT_ALLOWLISTS,  THEIRS,               0 },
	{ "allowlists",      WHAT_ALLOWLISTS,  BOTH | FAMILY,        0 },
	{ "checksum",        WHAT_TEXT,        OURS,                 AT(checksum) },
	{ "context",         WHAT_CONTEXT,     OURS,                 0 },
	{ "decode",          WHAT_FLAG,        OURS | FAMILY,        RULE_DECODE },
	{ "description",     WHAT_TEXT,        BOTH,                 AT(description) },
	{ "entropy",         WHAT_ENTROPY,     BOTH,                 0 },
	{ "examples",        WHAT_LIST,        OURS,                 AT(examples) },
	{ "filter",          WHAT_FILTER,      THEIRS,               0 },
	{ "hidden",          WHAT_FLAG,        OURS,                 RULE_HIDDEN },
	{ "id",              WHAT_ID,          BOTH,                 AT(id) },
	{ "keywords",        WHAT_KEYWORDS,    BOTH,                 AT(keywords) },
	{ "name",            WHAT_NAME,        FAMILY,               AT(family) },
	{ "negatives",       WHAT_LIST,        OURS,                 AT(negatives) },
	{ "path",            WHAT_PATTERN,     BOTH,                 AT(path) },
	{ "placeholder",     WHAT_FLAG,        OURS | FAMILY,        RULE_PLACEHOLDER },
	{ "regex",           WHAT_PATTERN,     BOTH,                 AT(regex) },
	{ "remedy",          WHAT_TEXT,        OURS | FAMILY,        AT(remedy) },
	{ "required",        WHAT_REQUIRED,    BOTH,                 0 },
	{ "rotate",          WHAT_TEXT,        OURS | FAMILY,        AT(rotate) },
	{ "secretGroup",     WHAT_GROUP,       BOTH,                 0 },
	{ "severity",        WHAT_SEVERITY,    OURS | FAMILY,        0 },
	{ "sieve",           WHAT_LIST,        OURS,                 AT(sieve) },
	{ "skipReport",      WHAT_FLAG,        THEIRS,               RULE_HIDDEN },
	{ "specificity",     WHAT_SPECIFICITY, BOTH | FAMILY,        0 },
	{ "tags",            WHAT_LIST,        BOTH | FAMILY,        AT(tags) },
	{ "tokenEfficiency", WHAT_EFFICIENCY,  THEIRS,               0 },
	{ "validate",        WHAT_VALIDATE,    THEIRS,               0 },
	{ "window",          WHAT_WINDOW,      OURS,                 0 },
};
#undef AT
/* clang-format on */

const char *const rule_no_list[1] = {NULL};

gboolean rule_file_fail(
	const struct rule_file *file, guint line, GError **error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *safe = quote_format(text);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s:%u: %s", file->name, line, safe);
	return FALSE;
}

void rule_problem_add(struct rule_file *file, enum rule_problem_kind kind, guint line,
	const char *rule, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *safe = quote_format(text);
	struct rule_problem problem = {.kind = kind,
		.source = file->name,
		.line = line,
		.rule = rule,
		.text = toml_copy(file->doc, safe, strlen(safe))};
	g_array_append_val(file->problems, problem);
}

static int compare_key(const void *name, const void *key)
{
	return strcmp(name, ((const struct key *)key)->name);
}

static const struct key *find_key(const char *name, gboolean is_foreign)
{
	const struct key *key =
		bsearch(name, keys, G_N_ELEMENTS(keys), sizeof keys[0], compare_key);

	for (guint i = 0; key == NULL && is_foreign && i < G_N_ELEMENTS(keys); i++)
		if (!g_ascii_strcasecmp(name, keys[i].name))
			key = &keys[i];
	return key;
}

/* A value of the wrong kind. */
static gboolean fail_kind(const struct rule_file *file, const char *key,
	const struct toml_value *value, const char *wanted, GError **error)
{
	return rule_file_fail(file, value->line, error, "%s: %s is expected, not %s", key, wanted,
		toml_kind_name(value->kind));
}

/* gitleaks' reader takes a string for a list whose entries are parted by commas. */
static const char *const *split(struct rule_file *file, const struct toml_value *value)
{
	guint n = 0;
	char *text = toml_copy(file->doc, value->string, value->len);

	for (const char *at = text; *at; at++)
		n += *at == ',';
	if (n >= RULE_LIST_MAX)
		return NULL;
	const char **list = toml_take(file->doc, (n + 2) * sizeof *list);
	for (guint i = 0; *text; i++) {
		list[i] = text;
		text += strcspn(text, ",");
		if (*text)
			*text++ = '\0';
	}
	return list;
}

gboolean rule_list_read(struct rule_file *file, const char *key, const struct toml_value *value,
	const char *const **list, GError **error)
{
	if (value->kind == TOML_STRING && file->is_foreign) {
		*list = split(file, value);
		return *list != NULL || rule_file_fail(file, value->line, error, "%s: more than %d",
						key, RULE_LIST_MAX);
	}
	if (value->kind == TOML_STRING) {
		const char **one = toml_take(file->doc, 2 * sizeof *one);
		one[0] = value->string;
		*list = one;
		return TRUE;
	}
	if (value->kind != TOML_ARRAY)
		return fail_kind(file, key, value, "an array of strings", error);
	if (value->n > RULE_LIST_MAX)
		return rule_file_fail(
			file, value->line, error, "%s: more than %d", key, RULE_LIST_MAX);
	const char **texts = toml_take(file->doc, (value->n + 1) * sizeof *texts);
	for (guint i = 0; i < value->n; i++) {
		if (value->items[i].kind != TOML_STRING)
			return fail_kind(file, key, &value->items[i], "an array of strings", error);
		texts[i] = value->items[i].string;
	}
	*list = texts;
	return TRUE;
}

static gboolean read_keywords(struct rule_file *file, const struct toml_value *value,
	const char *const **list, GError **error)
{
	if (!rule_list_read(file, "keywords", value, list, error))
		return FALSE;
	for (guint i = 0; (*list)[i] != NULL; i++)
		for (char *at = (char *)(*list)[i]; *at; at++) {
			if (!file->is_foreign && g_ascii_isupper(*at))
				return rule_file_fail(file, value->line, error,
					"keywords: '%s' is not in small letters", (*list)[i]);
			*at = g_ascii_tolower(*at);
		}
	return TRUE;
}

static gboolean is_id(const char *id)
{
	return *id && strlen(id) <= 100 &&
	       id[strspn(id, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-")] == '\0';
}

static gboolean read_integer(const struct rule_file *file, const char *key,
	const struct toml_value *value, gint64 least, gint64 most, gint64 *number, GError **error)
{
	gint64 said = value->integer;

	/* In quotes, gitleaks takes it too. */
	if (value->kind == TOML_STRING && file->is_foreign) {
		if (!g_ascii_string_to_signed(value->string, 10, least, most, &said, NULL))
			return rule_file_fail(file, value->line, error,
				"%s: an integer is expected in the string", key);
	} else if (value->kind != TOML_INTEGER) {
		return fail_kind(file, key, value, "an integer", error);
	}
	if (said < least || said > most)
		return rule_file_fail(file, value->line, error,
			"%s: %" G_GINT64_FORMAT " is not between %" G_GINT64_FORMAT
			" and %" G_GINT64_FORMAT,
			key, said, least, most);
	*number = said;
	return TRUE;
}

static gboolean read_window(
	struct rule_file *file, struct rule *rule, const struct toml_value *value, GError **error)
{
	gint64 before, behind;

	if (value->kind != TOML_ARRAY || value->n != 2)
		return rule_file_fail(
			file, value->line, error, "window: [before, behind] is expected, in bytes");
	if (!read_integer(file, "window", &value->items[0], 0, 4096, &before, error) ||
		!read_integer(file, "window", &value->items[1], 1, 65536, &behind, error))
		return FALSE;
	rule->before = (guint)MAX(before, 1); /* 0 is "not said" */
	rule->behind = (guint)behind;
	return TRUE;
}

static gboolean read_context(
	struct rule_file *file, struct rule *rule, const struct toml_value *value, GError **error)
{
	const struct toml_value *words = value;
	gint64 within;

	if (value->kind == TOML_TABLE) {
		words = NULL;
		for (guint i = 0; i < value->table->n; i++) {
			struct toml_entry *entry = &value->table->entries[i];
			if (!strcmp(entry->key, "words")) {
				words = &entry->value;
			} else if (!strcmp(entry->key, "within")) {
				if (!read_integer(file, "context.within", &entry->value, 1,
					    RULE_WITHIN_MAX, &within, error))
					return FALSE;
				rule->within = (guint)within;
			} else {
				return rule_file_fail(file, entry->value.line, error,
					"context: unknown key '%s'", entry->key);
			}
		}
		if (words == NULL)
			return rule_file_fail(file, value->line, error, "context: no words");
	}
	if (!rule_list_read(file, "context", words, &rule->context, error))
		return FALSE;
	for (guint i = 0; rule->context[i] != NULL; i++)
		if (*rule->context[i] == '\0')
			return rule_file_fail(file, words->line, error, "context: an empty word");
	return TRUE;
}

static gboolean read_required_one(struct rule_file *file, struct rule_required *required,
	const struct toml_value *value, GError **error)
{
	*required =
		(struct rule_required){.rule = G_MAXUINT, .within_lines = -1, .within_columns = -1};
	if (value->kind != TOML_TABLE)
		return fail_kind(file, "required", value, "a table", error);
	for (guint i = 0; i < value->table->n; i++) {
		struct toml_entry *entry = &value->table->entries[i];
		gint64 number;
		if (!g_ascii_strcasecmp(entry->key, "id") && entry->value.kind == TOML_STRING) {
			required->id = entry->value.string;
		} else if (!g_ascii_strcasecmp(entry->key, "withinLines")) {
			if (!read_integer(
				    file, entry->key, &entry->value, 0, G_MAXINT, &number, error))
				return FALSE;
			required->within_lines = (gint)number;
		} else if (!g_ascii_strcasecmp(entry->key, "withinColumns")) {
			if (!read_integer(
				    file, entry->key, &entry->value, 0, G_MAXINT, &number, error))
				return FALSE;
			required->within_columns = (gint)number;
		} else {
			return rule_file_fail(file, entry->value.line, error,
				"required: '%s' is not id, withinLines or withinColumns",
				entry->key);
		}
	}
	if (required->id == NULL)
		return rule_file_fail(file, value->line, error, "required: no id");
	return TRUE;
}

static gboolean read_required(
	struct rule_file *file, struct rule *rule, const struct toml_value *value, GError **error)
{
	if (value->kind != TOML_ARRAY)
		return fail_kind(file, "required", value, "an array of tables", error);
	struct rule_required *list = toml_take(file->doc, (value->n + 1) * sizeof *list);
	for (guint i = 0; i < value->n; i++)
		if (!read_required_one(file, &list[i], &value->items[i], error))
			return FALSE;
	rule->required = list;
	rule->n_required = value->n;
	return TRUE;
}

static gboolean read_allowlists(struct rule_file *file, struct rule_draft *draft,
	const struct toml_value *value, GError **error)
{
	const struct toml_value *items = value->kind == TOML_ARRAY ? value->items : value;
	guint n = value->kind == TOML_ARRAY ? value->n : 1;

	for (guint i = 0; i < n; i++) {
		struct rule_allowlist list;
		if (items[i].kind != TOML_TABLE)
			return fail_kind(file, "allowlists", &items[i], "a table", error);
		if (!rule_allowlist_read(file, items[i].table, items[i].line, draft->rule.id, FALSE,
			    &list, error))
			return FALSE;
		rule_draft_add_allowlist(file->doc, draft, &list);
	}
	return TRUE;
}

static gboolean read_text(struct rule_file *file, const struct key *key,
	const struct toml_value *value, const char **text, GError **error)
{
	if (value->kind != TOML_STRING)
		return fail_kind(file, key->name, value, "a string", error);
	if (*value->string == '\0') {
		if (!file->is_foreign)
			return rule_file_fail(file, value->line, error, "%s: is empty", key->name);
		return TRUE;
	}
	if (value->len > RULE_PATTERN_MAX)
		return rule_file_fail(file, value->line, error, "%s: longer than %d bytes",
			key->name, RULE_PATTERN_MAX);
	*text = value->string;
	return TRUE;
}

static gboolean read_pattern(struct rule_file *file, const struct key *key,
	struct rule_draft *draft, const struct toml_value *value, const char **text, GError **error)
{
	const char *note = NULL;

	if (!read_text(file, key, value, text, error))
		return FALSE;
	if (*text == NULL)
		return TRUE;
	/* (*UTF), (*LIMIT_MATCH=…): settings of PCRE2, which are ours to make. */
	if (!strncmp(*text, "(*", 2))
		return rule_file_fail(
			file, value->line, error, "%s: cannot begin with '(*'", key->name);
	if (file->is_foreign)
		*text = rule_regex_translate(file->doc, *text, &note);
	if (note != NULL)
		rule_problem_add(file, RULE_PROBLEM_UNSUPPORTED, value->line, draft->rule.id,
			"%s: %s", key->name, note);
	return TRUE;
}

static gboolean read_entropy(
	struct rule_file *file, struct rule *rule, const struct toml_value *value, GError **error)
{
	double bits = value->kind == TOML_INTEGER ? (double)value->integer : value->number;
	char *end = NULL;

	if (value->kind == TOML_STRING && file->is_foreign)
		bits = g_ascii_strtod(value->string, &end);
	if (end != NULL ? end == value->string || *end
			: value->kind != TOML_INTEGER && value->kind != TOML_FLOAT)
		return fail_kind(file, "entropy", value, "a number", error);
	/* More than 8 is there to find nothing. */
	if (!(bits >= 0 && (bits <= 8 || file->is_foreign)))
		return rule_file_fail(file, value->line, error, "entropy: not between 0 and 8");
	rule->entropy = bits;
	return TRUE;
}

static gboolean read_specificity(
	struct rule_file *file, struct rule *rule, const struct toml_value *value, GError **error)
{
	gint64 number;

	/* Betterleaks counts from 0, without an end. */
	if (!read_integer(file, "specificity", value, file->is_foreign ? 0 : 1,
		    file->is_foreign ? G_MAXINT : 100, &number, error))
		return FALSE;
	rule->specificity = (guint)CLAMP(number, 1, 100);
	return TRUE;
}

static gboolean read_key(struct rule_file *file, const struct key *key, struct rule_draft *draft,
	const struct toml_value *value, GError **error)
{
	struct rule *rule = &draft->rule;
	gpointer field = (char *)rule + key->offset;
	gint64 number;

	switch (key->what) {
	case WHAT_TEXT:
	case WHAT_NAME:
		return read_text(file, key, value, field, error);
	case WHAT_PATTERN:
		return read_pattern(file, key, draft, value, field, error);
	case WHAT_LIST:
		return rule_list_read(file, key->name, value, field, error);
	case WHAT_KEYWORDS:
		return read_keywords(file, value, field, error);
	case WHAT_FLAG:
		if (value->kind != TOML_BOOLEAN)
			return fail_kind(file, key->name, value, "true or false", error);
		draft->flags_given |= key->offset;
		rule->flags =
			value->boolean ? rule->flags | key->offset : rule->flags & ~key->offset;
		return TRUE;
	case WHAT_ID:
		return TRUE; /* read first */
	case WHAT_SEVERITY:
		rule->severity =
			value->kind == TOML_STRING ? severity_parse(value->string) : SEVERITY_UNSET;
		if (rule->severity == SEVERITY_UNSET)
			return rule_file_fail(file, value->line, error,
				"severity: is one of info, low, medium, high, critical");
		return TRUE;
	case WHAT_SPECIFICITY:
		return read_specificity(file, rule, value, error);
	case WHAT_ENTROPY:
		return read_entropy(file, rule, value, error);
	case WHAT_GROUP:
		if (!read_integer(file, key->name, value, 0, 99, &number, error))
			return FALSE;
		rule->secret_group = (guint)number;
		return TRUE;
	case WHAT_WINDOW:
		return read_window(file, rule, value, error);
	case WHAT_CONTEXT:
		return read_context(file, rule, value, error);
	case WHAT_REQUIRED:
		return read_required(file, rule, value, error);
	case WHAT_ALLOWLISTS:
		return read_allowlists(file, draft, value, error);
	case WHAT_FILTER:
		if (value->kind != TOML_STRING)
			return fail_kind(file, key->name, value, "a string", error);
		return rule_filter_read(file, draft, value->string, value->line, error);
	case WHAT_EFFICIENCY:
		if (value->kind == TOML_BOOLEAN && !value->boolean)
			return TRUE;
		rule_problem_add(file, RULE_PROBLEM_UNSUPPORTED, value->line, rule->id,
			"tokenEfficiency is not done: this rule finds more than it would there");
		return TRUE;
	case WHAT_VALIDATE:
		return TRUE; /* counted for the whole file */
	}
	return TRUE;
}

static gboolean read_keys(struct rule_file *file, const struct toml_table *table, guint where,
	struct rule_draft *draft, GError **error)
{
	for (guint i = 0; i < table->n; i++) {
		const struct toml_entry *entry = &table->entries[i];
		const struct key *key = find_key(entry->key, file->is_foreign);
		if (key != NULL && key->where & where) {
			if (!read_key(file, key, draft, &entry->value, error))
				return FALSE;
		} else if (file->is_foreign) {
			rule_problem_add(file, RULE_PROBLEM_UNKNOWN, entry->value.line,
				draft->rule.id, "unknown key '%s'", entry->key);
		} else {
			return rule_file_fail(file, entry->value.line, error, "unknown key '%s'%s",
				entry->key,
				key != NULL && key->where == THEIRS
					? ", which only gitleaks' files have"
				: where == FAMILY ? " in [family]"
						  : " in a rule");
		}
	}
	return TRUE;
}

static const struct toml_value *find_any_case(const struct toml_table *table, const char *name)
{
	for (guint i = 0; i < table->n; i++)
		if (!g_ascii_strcasecmp(table->entries[i].key, name))
			return &table->entries[i].value;
	return NULL;
}

static gboolean read_rule(struct rule_file *file, const struct toml_value *value,
	const struct rule_draft *family, struct rule_draft *draft, GError **error)
{
	if (value->kind != TOML_TABLE)
		return fail_kind(file, "rules", value, "a table", error);
	const struct toml_value *id = find_any_case(value->table, "id");
	if (id == NULL)
		return rule_file_fail(file, value->line, error, "a rule without id");
	if (id->kind != TOML_STRING)
		return fail_kind(file, "id", id, "a string", error);
	if (!file->is_foreign && !is_id(id->string))
		return rule_file_fail(file, id->line, error,
			"id: letters, digits, '-', '_' and '.' only, at most 100");
	*draft = *family;
	draft->rule.id = id->string;
	draft->rule.source = file->name;
	draft->rule.line = value->line;
	draft->rule.is_builtin = file->is_builtin;
	draft->rule.tags = NULL;
	if (!read_keys(file, value->table, file->is_foreign ? THEIRS : OURS, draft, error))
		return FALSE;
	struct rule *rule = &draft->rule;
	if (rule->tags == NULL) {
		rule->tags = family->rule.tags;
	} else if (family->rule.tags != NULL) {
		guint n = g_strv_length((char **)family->rule.tags);
		guint m = g_strv_length((char **)rule->tags);
		const char **tags = toml_take(file->doc, (n + m + 1) * sizeof *tags);
		memcpy(tags, family->rule.tags, n * sizeof *tags);
		memcpy(tags + n, rule->tags, m * sizeof *tags);
		rule->tags = tags;
	}
	if (file->is_foreign)
		rule->flags |= RULE_FOREIGN;
	return TRUE;
}

/* Ours: a [family], or one key in a rule that is only ours. */
static gboolean is_ours(const struct toml_table *root)
{
	const struct toml_value *rules = toml_find(root, "rules");

	if (toml_find(root, "family") != NULL)
		return TRUE;
	for (guint i = 0; rules != NULL && rules->kind == TOML_ARRAY && i < rules->n; i++) {
		const struct toml_table *table =
			rules->items[i].kind == TOML_TABLE ? rules->items[i].table : NULL;
		for (guint j = 0; table != NULL && j < table->n; j++) {
			const struct key *key = find_key(table->entries[j].key, FALSE);
			if (key != NULL && (key->where & BOTH) == OURS)
				return TRUE;
		}
	}
	return FALSE;
}

static gboolean read_extend(struct rule_file *file, const struct toml_value *value, GError **error)
{
	if (value->kind != TOML_TABLE)
		return fail_kind(file, "extend", value, "a table", error);
	file->extend_line = value->line;
	for (guint i = 0; i < value->table->n; i++) {
		const struct toml_entry *entry = &value->table->entries[i];
		const struct toml_value *said = &entry->value;
		if (!g_ascii_strcasecmp(entry->key, "useDefault") && said->kind == TOML_BOOLEAN)
			file->use_default = said->boolean;
		else if (!g_ascii_strcasecmp(entry->key, "path") && said->kind == TOML_STRING)
			file->extend_path = *said->string ? said->string : NULL;
		else if (!g_ascii_strcasecmp(entry->key, "url"))
			rule_problem_add(file, RULE_PROBLEM_UNSUPPORTED, said->line, NULL,
				"extend.url: nothing is fetched");
		else if (!g_ascii_strcasecmp(entry->key, "disabledRules")) {
			if (!rule_list_read(file, entry->key, said, &file->disabled, error))
				return FALSE;
		} else
			return rule_file_fail(file, said->line, error,
				"extend: '%s' is not useDefault, path or disabledRules, or of another kind",
				entry->key);
	}
	return TRUE;
}

static gboolean read_global(struct rule_file *file, const struct toml_value *value, GError **error)
{
	const struct toml_value *items = value->kind == TOML_ARRAY ? value->items : value;
	guint n = value->kind == TOML_ARRAY ? value->n : 1;
	struct rule_allowlist *lists =
		toml_take(file->doc, (file->n_allowlists + n) * sizeof *lists);

	if (file->n_allowlists > 0)
		memcpy(lists, file->allowlists, file->n_allowlists * sizeof *lists);
	file->allowlists = lists;
	for (guint i = 0; i < n; i++) {
		if (items[i].kind != TOML_TABLE)
			return fail_kind(file, "allowlists", &items[i], "a table", error);
		if (!rule_allowlist_read(file, items[i].table, items[i].line, NULL, TRUE,
			    &lists[file->n_allowlists], error))
			return FALSE;
		file->n_allowlists++;
	}
	return TRUE;
}

static gboolean read_rules(struct rule_file *file, const struct toml_value *value,
	const struct rule_draft *family, GError **error)
{
	guint validates = 0, line = 0;

	if (value->kind != TOML_ARRAY)
		return fail_kind(file, "rules", value, "an array of tables", error);
	if (value->n > RULE_MAX)
		return rule_file_fail(file, value->line, error, "more than %d rules", RULE_MAX);
	file->drafts = toml_take(file->doc, value->n * sizeof *file->drafts);
	for (; file->n < value->n; file->n++) {
		const struct toml_value *item = &value->items[file->n];
		if (!read_rule(file, item, family, &file->drafts[file->n], error))
			return FALSE;
		const struct toml_value *validate =
			file->is_foreign ? find_any_case(item->table, "validate") : NULL;
		if (validate != NULL && validates++ == 0)
			line = validate->line;
	}
	if (validates > 0)
		rule_problem_add(file, RULE_PROBLEM_UNSUPPORTED, line, NULL,
			"validate is not done, in %u rules: whether a secret works stays unknown",
			validates);
	return TRUE;
}

gboolean rule_file_read(struct rule_file *file, GError **error)
{
	const struct toml_table *root = toml_root(file->doc);
	struct rule_draft family = {0};
	const struct toml_value *rules = NULL;

	file->use_default = -1;
	file->disabled = rule_no_list;
	file->is_foreign = !file->is_builtin && !is_ours(root);
	for (guint i = 0; i < root->n; i++) {
		const char *key = root->entries[i].key;
		const struct toml_value *value = &root->entries[i].value;
		gboolean is_fine = TRUE;
		if (!g_ascii_strcasecmp(key, "rules"))
			rules = value;
		else if (!strcmp(key, "family") && value->kind == TOML_TABLE)
			is_fine = read_keys(file, value->table, FAMILY, &family, error);
		else if (!g_ascii_strcasecmp(key, "extend") && !file->is_builtin)
			is_fine = read_extend(file, value, error);
		else if ((!g_ascii_strcasecmp(key, "allowlists") ||
				 !g_ascii_strcasecmp(key, "allowlist")) &&
			 !file->is_builtin)
			is_fine = read_global(file, value, error);
		else if (!g_ascii_strcasecmp(key, "title") ||
			 !g_ascii_strcasecmp(key, "description") ||
			 !g_ascii_strcasecmp(key, "minVersion") ||
			 !g_ascii_strcasecmp(key, "betterleaksMinVersion"))
			continue;
		else if (file->is_foreign && value->kind == TOML_STRING &&
			 (!strcmp(key, "filter") || !strcmp(key, "prefilter")))
			is_fine = rule_filter_read_global(
				file, key, value->string, value->line, error);
		else if (file->is_foreign)
			rule_problem_add(file, RULE_PROBLEM_UNKNOWN, value->line, NULL,
				"unknown key '%s'", key);
		else
			return rule_file_fail(file, value->line, error, "unknown key '%s'", key);
		if (!is_fine)
			return FALSE;
	}
	return rules == NULL || read_rules(file, rules, &family, error);
}

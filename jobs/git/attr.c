/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/attr.h"
#include "jobs/git/readfile.h"

#include <string.h>

#define LINE_MAX_BYTES 2048 /* git ignores longer lines */
#define MACRO_DEPTH_MAX 16
#define BLANK " \t\r\n\v\f"

struct setting {
	const char *name;
	struct attr_value value;
};

struct line {
	struct ignore_pattern pattern;
	const char *macro; /* of an [attr] line, else NULL */
	guint first;       /* in settings */
	guint count;
};

struct attr_list {
	char *text;
	char *base;
	gsize base_len;
	GArray *lines;    /* struct line */
	GArray *settings; /* struct setting */
};

static const char *const names[ATTR_COUNT] = {
	[ATTR_TEXT] = "text",
	[ATTR_CRLF] = "crlf",
	[ATTR_EOL] = "eol",
	[ATTR_IDENT] = "ident",
	[ATTR_FILTER] = "filter",
	[ATTR_ENCODING] = "working-tree-encoding",
};

/* A pattern in quotes, as git quotes paths; in place. FALSE when the quotes do not end. */
static gboolean unquote(char *at, char **rest, gsize *len)
{
	char *to = at, *from = at + 1;

	while (*from != '"') {
		if (*from == '\0')
			return FALSE;
		if (*from != '\\') {
			*to++ = *from++;
			continue;
		}
		static const char codes[] = "a\ab\bf\fn\nr\rt\tv\v\\\\\"\"";
		from++;
		if (*from >= '0' && *from <= '3' && from[1] >= '0' && from[1] <= '7' &&
			from[2] >= '0' && from[2] <= '7') {
			*to++ = (char)((from[0] - '0') << 6 | (from[1] - '0') << 3 |
				       (from[2] - '0'));
			from += 3;
			continue;
		}
		const char *code = *from != '\0' ? strchr("abfnrtv\\\"", *from) : NULL;
		if (code == NULL)
			return FALSE;
		*to++ = codes[2 * (code - "abfnrtv\\\"") + 1];
		from++;
	}
	*len = (gsize)(to - at);
	*to = '\0';
	*rest = from + 1;
	return TRUE;
}

static bool name_is_valid(const char *name)
{
	if (*name == '-' || *name == '\0')
		return false;
	for (; *name != '\0'; name++)
		if (!g_ascii_isalnum(*name) && strchr("-._", *name) == NULL)
			return false;
	return true;
}

static void settings_parse(struct attr_list *list, struct line *line, char *at)
{
	for (;;) {
		at += strspn(at, BLANK);
		if (*at == '\0')
			return;
		gsize len = strcspn(at, BLANK);
		char *next = at + len;
		if (*next != '\0')
			*next++ = '\0';
		struct setting setting = {.value.state = ATTR_SET};
		char *equals = strchr(at, '=');
		if (*at == '-') {
			setting.value.state = ATTR_UNSET;
			at++;
		} else if (*at == '!') {
			setting.value.state = ATTR_UNSPECIFIED;
			at++;
		} else if (equals != NULL) {
			*equals = '\0';
			setting.value.state = ATTR_VALUE;
			setting.value.value = equals + 1;
		}
		if (equals != NULL)
			*equals = '\0';
		setting.name = at;
		if (name_is_valid(at)) {
			g_array_append_val(list->settings, setting);
			line->count++;
		}
		at = next;
	}
}

static void line_parse(struct attr_list *list, char *at, bool is_top)
{
	struct line line = {.first = list->settings->len};
	char *rest;
	gsize len;

	at += strspn(at, BLANK);
	if (*at == '\0' || *at == '#')
		return;
	if (*at != '"' || !unquote(at, &rest, &len)) {
		len = strcspn(at, BLANK);
		rest = at + len;
		if (*rest != '\0')
			*rest++ = '\0';
	}
	if (len > 6 && strncmp(at, "[attr]", 6) == 0) {
		if (!is_top)
			return;
		line.macro = at + 6;
		line.macro += strspn(line.macro, BLANK);
		if (!name_is_valid(line.macro))
			return;
	} else {
		ignore_pattern_parse(&line.pattern, at, len);
		/* A negated pattern means nothing here; one for folders matches no file. */
		if (line.pattern.is_negative || line.pattern.is_folder_only)
			return;
	}
	settings_parse(list, &line, rest);
	g_array_append_val(list->lines, line);
}

struct attr_list *attr_list_new(char *data, gsize len, const char *base, bool is_top)
{
	struct attr_list *list = g_new0(struct attr_list, 1);
	char *at = data, *end = data + len;

	list->text = data;
	list->base = g_strdup(base);
	list->base_len = strlen(base);
	list->lines = g_array_new(FALSE, FALSE, sizeof(struct line));
	list->settings = g_array_new(FALSE, FALSE, sizeof(struct setting));
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	while (at < end && list->lines->len < IGNORE_PATTERNS_MAX) {
		char *stop = memchr(at, '\n', (gsize)(end - at));
		if (stop == NULL)
			stop = end;
		*stop = '\0';
		if (stop - at < LINE_MAX_BYTES)
			line_parse(list, at, is_top);
		at = stop + 1;
	}
	return list;
}

struct attr_list *attr_list_load(
	int dir_fd, const char *name, int flags, const char *base, bool is_top)
{
	char *data = NULL;
	gsize len;

	if (readfile_load(dir_fd, name, flags, IGNORE_FILE_MAX_BYTES, &data, &len) != READFILE_OK)
		return NULL;
	return attr_list_new(data, len, base, is_top);
}

void attr_list_free(struct attr_list *list)
{
	if (list == NULL)
		return;
	g_array_unref(list->lines);
	g_array_unref(list->settings);
	g_free(list->text);
	g_free(list->base);
	g_free(list);
}

void attr_values_init(struct attr_values *values)
{
	*values = (struct attr_values){0};
}

static void decide(struct attr_values *values, enum attr_name name, const struct attr_value *value)
{
	if (values->list[name].state == ATTR_UNDECIDED)
		values->list[name] = *value;
}

static void line_apply(const struct attr_list *list, const struct line *line,
	const struct attr_macros *macros, int depth, struct attr_values *values);

static void macro_apply(
	const char *name, const struct attr_macros *macros, int depth, struct attr_values *values)
{
	for (guint i = 0; i < macros->list->len; i++) {
		const struct attr_list *list = g_ptr_array_index(macros->list, i);
		for (guint k = list->lines->len; k-- > 0;) {
			const struct line *line = &g_array_index(list->lines, struct line, k);
			if (line->macro == NULL || strcmp(line->macro, name) != 0)
				continue;
			line_apply(list, line, macros, depth + 1, values);
			return;
		}
	}
	/* The one macro that git brings: [attr]binary -diff -merge -text. */
	static const struct attr_value unset = {.state = ATTR_UNSET};
	if (strcmp(name, "binary") == 0)
		decide(values, ATTR_TEXT, &unset);
}

/* The caps keep macros that name one another many times from growing without end. */
static bool is_first(struct attr_values *values, const char *name)
{
	for (unsigned i = 0; i < values->others_count; i++)
		if (strcmp(values->others[i], name) == 0)
			return false;
	if (values->others_count == ATTR_OTHERS_MAX)
		return false;
	values->others[values->others_count++] = name;
	return true;
}

/* The last setting of a line is the strongest. */
static void line_apply(const struct attr_list *list, const struct line *line,
	const struct attr_macros *macros, int depth, struct attr_values *values)
{
	if (depth > MACRO_DEPTH_MAX)
		return;
	for (guint i = line->first + line->count; i-- > line->first;) {
		const struct setting *setting = &g_array_index(list->settings, struct setting, i);
		bool is_known = false;
		for (int name = 0; name < ATTR_COUNT; name++) {
			if (strcmp(setting->name, names[name]) != 0)
				continue;
			decide(values, (enum attr_name)name, &setting->value);
			is_known = true;
		}
		if (!is_known && is_first(values, setting->name) &&
			setting->value.state == ATTR_SET)
			macro_apply(setting->name, macros, depth, values);
	}
}

void attr_list_apply(const struct attr_list *list, const struct attr_macros *macros,
	const char *path, gsize path_len, gsize name_at, bool is_ignorecase,
	struct attr_values *values)
{
	for (guint i = list->lines->len; i-- > 0;) {
		const struct line *line = &g_array_index(list->lines, struct line, i);
		if (line->macro == NULL &&
			ignore_pattern_match(&line->pattern, list->base, list->base_len, path,
				path_len, name_at, is_ignorecase))
			line_apply(list, line, macros, 0, values);
	}
}

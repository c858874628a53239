/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/toml_reader.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "lib/error.h"

char *toml_copy(struct toml *doc, const char *text, gsize len)
{
	char *copy = toml_take(doc, len + 1);

	memcpy(copy, text, len);
	return copy;
}

void toml_skip_blank(struct toml_reader *r)
{
	while (*r->at == ' ' || *r->at == '\t')
		r->at++;
}

/* A tab is the only one that may stand in strings and comments. */
static gboolean is_control(char c)
{
	return ((guchar)c < 0x20 && c != '\t') || c == 0x7f;
}

static gboolean is_newline(const char *at)
{
	return *at == '\n' || (*at == '\r' && at[1] == '\n');
}

static void skip_newline(struct toml_reader *r)
{
	r->at += *r->at == '\r' ? 2 : 1;
	r->line++;
}

gboolean toml_skip_space(struct toml_reader *r)
{
	for (;;) {
		toml_skip_blank(r);
		if (*r->at == '#') {
			while (!is_control(*r->at))
				r->at++;
			if (r->at < r->end && !is_newline(r->at)) {
				toml_fail(
					r, MUSTER_ERROR_INPUT, "a control character in a comment");
				return FALSE;
			}
		}
		if (!is_newline(r->at))
			return TRUE;
		skip_newline(r);
	}
}

static gboolean fail_character(struct toml_reader *r, guint line)
{
	if (r->at == r->end || *r->at == '\n' || *r->at == '\r')
		toml_fail_at(r, line, MUSTER_ERROR_INPUT, "this string has no end");
	else
		toml_fail(r, MUSTER_ERROR_INPUT, "a control character in a string");
	return FALSE;
}

/* Behind a backslash. */
static gboolean read_escape(struct toml_reader *r, GString *out)
{
	static const char from[] = "btnfre\"\\", to[] = "\b\t\n\f\r\033\"\\";
	const char *found = *r->at ? strchr(from, *r->at) : NULL;

	if (found != NULL) {
		g_string_append_c(out, to[found - from]);
		r->at++;
		return TRUE;
	}
	int digits = *r->at == 'u' ? 4 : *r->at == 'U' ? 8 : *r->at == 'x' ? 2 : 0;
	if (digits == 0) {
		toml_fail(r, MUSTER_ERROR_INPUT,
			"'\\%c' is no escape; patterns are best put between ''' and '''",
			g_ascii_isgraph(*r->at) ? *r->at : '?');
		return FALSE;
	}
	r->at++;
	gunichar c = 0;
	for (int i = 0; i < digits; i++, r->at++) {
		if (!g_ascii_isxdigit(*r->at)) {
			toml_fail(r, MUSTER_ERROR_INPUT, "an escape with too few hex digits");
			return FALSE;
		}
		c = c << 4 | (guint)g_ascii_xdigit_value(*r->at);
	}
	if (c == 0 || !g_unichar_validate(c)) {
		toml_fail(r, MUSTER_ERROR_INPUT, "U+%04X cannot be in a string", c);
		return FALSE;
	}
	g_string_append_unichar(out, c);
	return TRUE;
}

/* How many quotes stand here. */
static gsize count_quotes(const char *at, char quote)
{
	gsize n = 0;

	while (at[n] == quote)
		n++;
	return n;
}

/* What ends a run of plain characters: control characters, quotes, backslashes. */
static const guint8 is_stop[256] = {
	[0 ... 8] = 1, [10 ... 31] = 1, [127] = 1, ['"'] = 1, ['\''] = 1, ['\\'] = 1};

/* To the first that does something in a string with this quote. */
static const char *skip_plain(const char *at, char quote)
{
	for (;;) {
		while (!is_stop[(guchar)*at])
			at++;
		if (*at == quote || is_control(*at) || (quote == '"' && *at == '\\'))
			return at;
		at++;
	}
}

/* Most strings have no escape and are copied as they stand. */
static gboolean read_line_string(struct toml_reader *r, struct toml_value *value, char quote)
{
	const char *start = ++r->at;

	r->at = skip_plain(r->at, quote);
	if (*r->at == quote) {
		value->len = (gsize)(r->at++ - start);
		value->string = toml_copy(r->doc, start, value->len);
		return TRUE;
	}
	g_autoptr(GString) out = g_string_new_len(start, r->at - start);
	while (*r->at != quote) {
		if (is_control(*r->at))
			return fail_character(r, r->line);
		if (*r->at != '\\') {
			g_string_append_c(out, *r->at++);
			continue;
		}
		r->at++;
		if (!read_escape(r, out))
			return FALSE;
	}
	r->at++;
	value->len = out->len;
	value->string = toml_copy(r->doc, out->str, out->len);
	return TRUE;
}

/* A backslash at the end of a line: it and all blank before the next character are nothing. */
static gboolean skip_line_end(struct toml_reader *r)
{
	const char *at = r->at + 1;

	while (*at == ' ' || *at == '\t')
		at++;
	if (!is_newline(at))
		return FALSE;
	r->at = at;
	while (is_newline(r->at) || *r->at == ' ' || *r->at == '\t') {
		if (is_newline(r->at))
			skip_newline(r);
		else
			r->at++;
	}
	return TRUE;
}

static gboolean read_long_string(struct toml_reader *r, struct toml_value *value, char quote)
{
	g_autoptr(GString) out = g_string_sized_new(256);
	guint line = r->line;

	r->at += 3;
	if (is_newline(r->at))
		skip_newline(r);
	for (;;) {
		if (*r->at == quote) {
			/* Up to two quotes may stand right before the three that end it. */
			gsize n = count_quotes(r->at, quote);
			if (n >= 3) {
				gsize inside = MIN(n - 3, 2);
				g_string_append_len(out, r->at, (gssize)inside);
				r->at += inside + 3;
				break;
			}
			g_string_append_len(out, r->at, (gssize)n);
			r->at += n;
		} else if (is_newline(r->at)) {
			g_string_append_c(out, '\n');
			skip_newline(r);
		} else if (r->at == r->end || is_control(*r->at)) {
			return fail_character(r, line);
		} else if (quote == '"' && *r->at == '\\') {
			if (skip_line_end(r))
				continue;
			r->at++;
			if (!read_escape(r, out))
				return FALSE;
		} else {
			const char *start = r->at;
			r->at = skip_plain(r->at, quote);
			g_string_append_len(out, start, r->at - start);
		}
	}
	value->len = out->len;
	value->string = toml_copy(r->doc, out->str, out->len);
	return TRUE;
}

gboolean toml_read_string(struct toml_reader *r, struct toml_value *value)
{
	char quote = *r->at;

	value->kind = TOML_STRING;
	if (r->at[1] == quote && r->at[2] == quote)
		return read_long_string(r, value, quote);
	return read_line_string(r, value, quote);
}

/* Underscores stand between digits; they are left out of `out`. */
static gboolean copy_digits(const char *from, gsize len, char out[64])
{
	gsize n = 0;

	if (len == 0 || len >= 64)
		return FALSE;
	for (gsize i = 0; i < len; i++) {
		if (from[i] != '_')
			out[n++] = from[i];
		else if (i == 0 || i + 1 == len || !g_ascii_isxdigit(from[i - 1]) ||
			 !g_ascii_isxdigit(from[i + 1]))
			return FALSE;
	}
	out[n] = '\0';
	return TRUE;
}

/* Digits, and if `is_float` is set a fraction or an exponent with digits around each mark. */
static gboolean is_number(const char *at, gboolean *is_float)
{
	if (*at == '+' || *at == '-')
		at++;
	if (!g_ascii_isdigit(*at) || (*at == '0' && g_ascii_isdigit(at[1])))
		return FALSE;
	while (g_ascii_isdigit(*at))
		at++;
	*is_float = *at != '\0';
	if (*at == '.') {
		if (!g_ascii_isdigit(*++at))
			return FALSE;
		while (g_ascii_isdigit(*at))
			at++;
	}
	if (*at == 'e' || *at == 'E') {
		at++;
		if (*at == '+' || *at == '-')
			at++;
		if (!g_ascii_isdigit(*at))
			return FALSE;
		while (g_ascii_isdigit(*at))
			at++;
	}
	return *at == '\0';
}

static gboolean read_based(const char *digits, struct toml_value *value)
{
	int base = digits[1] == 'x' ? 16 : digits[1] == 'o' ? 8 : digits[1] == 'b' ? 2 : 0;
	char *end;

	if (digits[0] != '0' || base == 0 || !g_ascii_isxdigit(digits[2]))
		return FALSE;
	errno = 0;
	guint64 number = g_ascii_strtoull(digits + 2, &end, (guint)base);
	value->kind = TOML_INTEGER;
	value->integer = (gint64)number;
	return *end == '\0' && errno == 0 && number <= G_MAXINT64;
}

static gboolean read_number(struct toml_reader *r, struct toml_value *value)
{
	gsize len = strcspn(r->at, " \t\r\n,]}#");
	const char *word = r->at;
	char digits[64];
	gboolean is_float;

	r->at += len;
	if (!copy_digits(word, len, digits))
		return FALSE;
	const char *bare = digits + (*digits == '+' || *digits == '-');
	if (!strcmp(bare, "inf") || !strcmp(bare, "nan")) {
		value->kind = TOML_FLOAT;
		value->number = *bare == 'n' ? NAN : *digits == '-' ? -INFINITY : INFINITY;
		return TRUE;
	}
	if (read_based(digits, value))
		return TRUE;
	if (!is_number(digits, &is_float))
		return FALSE;
	errno = 0;
	if (is_float) {
		value->kind = TOML_FLOAT;
		value->number = g_ascii_strtod(digits, NULL);
		return TRUE;
	}
	value->kind = TOML_INTEGER;
	value->integer = g_ascii_strtoll(digits, NULL, 10);
	return errno == 0;
}

static gboolean read_word(struct toml_reader *r, struct toml_value *value)
{
	const char *start = r->at;
	gsize len = strcspn(start, " \t\r\n,]}#");

	if (len == 4 && !memcmp(start, "true", 4)) {
		value->kind = TOML_BOOLEAN;
		value->boolean = TRUE;
		r->at += len;
		return TRUE;
	}
	if (len == 5 && !memcmp(start, "false", 5)) {
		value->kind = TOML_BOOLEAN;
		value->boolean = FALSE;
		r->at += len;
		return TRUE;
	}
	if (read_number(r, value))
		return TRUE;
	if (len == 0)
		toml_fail(r, MUSTER_ERROR_INPUT, "a value is expected here");
	else if (len >= 8 && g_ascii_isdigit(*start) && (start[4] == '-' || start[2] == ':'))
		toml_fail(r, MUSTER_ERROR_INPUT, "dates and times are not supported");
	else
		toml_fail(r, MUSTER_ERROR_INPUT, "'%.*s' is no value; strings need quotes",
			(int)MIN(g_utf8_offset_to_pointer(
					 start, MIN(g_utf8_strlen(start, (gssize)len), 40)) -
					 start,
				200),
			start);
	return FALSE;
}

static gboolean read_array(struct toml_reader *r, struct toml_value *value, guint depth)
{
	r->at++;
	value->kind = TOML_ARRAY;
	for (;;) {
		if (!toml_skip_space(r))
			return FALSE;
		if (*r->at == ']') {
			r->at++;
			return TRUE;
		}
		struct toml_value item = {.line = r->line};
		if (!toml_read_value(r, &item, depth + 1))
			return FALSE;
		struct toml_value *place = toml_add_item(r, value, item.line);
		if (place == NULL)
			return FALSE;
		*place = item;
		if (!toml_skip_space(r))
			return FALSE;
		if (*r->at == ',') {
			r->at++;
		} else if (*r->at != ']') {
			toml_fail(r, MUSTER_ERROR_INPUT,
				"',' or ']' is expected in the array that begins in line %u",
				value->line);
			return FALSE;
		}
	}
}

static gboolean read_inline(struct toml_reader *r, struct toml_value *value, guint depth)
{
	r->at++;
	value->kind = TOML_TABLE;
	value->table = toml_new_inline(r);
	for (;;) {
		if (!toml_skip_space(r))
			return FALSE;
		if (*r->at == '}') {
			r->at++;
			return TRUE;
		}
		if (!toml_read_pair(r, value->table, depth + 1) || !toml_skip_space(r))
			return FALSE;
		if (*r->at == ',') {
			r->at++;
		} else if (*r->at != '}') {
			toml_fail(r, MUSTER_ERROR_INPUT,
				"',' or '}' is expected in the table that begins in line %u",
				value->line);
			return FALSE;
		}
	}
}

gboolean toml_read_value(struct toml_reader *r, struct toml_value *value, guint depth)
{
	if (depth > TOML_DEPTH_MAX) {
		toml_fail(r, MUSTER_ERROR_LIMIT, "values lie too deep in one another");
		return FALSE;
	}
	switch (*r->at) {
	case '"':
	case '\'':
		return toml_read_string(r, value);
	case '[':
		return read_array(r, value, depth);
	case '{':
		return read_inline(r, value, depth);
	default:
		return read_word(r, value);
	}
}

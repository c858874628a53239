/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_file.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/error.h"

/*
 * RE2's syntax is nearly a subset of PCRE2's. What differs, by github.com/google/re2/wiki/Syntax
 * and pcre2pattern(3):
 *
 *  - without (?m), `$` is the end of the text only, not also before a last newline: `\z`;
 *  - in a class, "[." and "[=" are two characters there and an error here, as are "[:" and the like
 *    at its start: a name such as [:alpha:] is only one within brackets of its own;
 *  - `\v` is the vertical tab alone, not all that ends lines; `\12` is an octal number, never a
 *    group; `{,3}` is four characters;
 *  - patterns there see code points and ours bytes, so \x{…} above 7F becomes UTF-8; a class that
 *    holds such a character becomes a class of bytes, which is said in a note;
 *  - `\pL` and `\C` see bytes, likewise.
 *
 * Flags in the middle, (?P<name>, [[:alpha:]], \Q…\E, \A and \z are the same.
 */
struct translation {
	const char *at;
	GString *out;
	/* Whether (?m) is on, in each of the groups around. */
	gboolean is_lines[64];
	guint depth;
	gboolean is_class;
	const char *note;
};

static const char note_class[] =
	"a class with characters beyond ASCII is tried byte by byte, and finds more";
static const char note_property[] = "\\p and \\C are tried byte by byte";

static gboolean is_changed(const char *regex)
{
	for (; *regex; regex++)
		if (strchr("$\\[{", *regex) || (guchar)*regex >= 0x80)
			return TRUE;
	return FALSE;
}

/* At "(": flags such as (?im-s) and (?m: decide about `$` until the group around ends. */
static void open_group(struct translation *t)
{
	gboolean is_lines = t->is_lines[t->depth], is_off = FALSE;
	const char *at = t->at + 1;

	if (*at == '?' && at[1] != 'P' && at[1] != '<') {
		for (at++; *at && (g_ascii_isalpha(*at) || *at == '-'); at++) {
			is_off |= *at == '-';
			if (*at == 'm')
				is_lines = !is_off;
		}
		if (*at == ')') {
			t->is_lines[t->depth] = is_lines;
			g_string_append_len(t->out, t->at, at + 1 - t->at);
			t->at = at + 1;
			return;
		}
	}
	if (t->depth + 1 < G_N_ELEMENTS(t->is_lines))
		t->depth++;
	t->is_lines[t->depth] = is_lines;
	g_string_append_c(t->out, *t->at++);
}

/* \x{201C} and the like, as UTF-8. */
static void translate_code(struct translation *t)
{
	char *end, utf8[6];
	guint64 code = g_ascii_strtoull(t->at + 3, &end, 16);

	if (*end != '}' || code < 0x80 || code > 0x10ffff) {
		g_string_append_len(t->out, t->at, 2);
		t->at += 2;
		return;
	}
	int n = g_unichar_to_utf8((gunichar)code, utf8);
	for (int i = 0; i < n; i++)
		g_string_append_printf(t->out, "\\x%02x", (guchar)utf8[i]);
	if (t->is_class)
		t->note = note_class;
	t->at = end + 1;
}

static gboolean is_octal(char c)
{
	return c >= '0' && c <= '7';
}

static void translate_escape(struct translation *t)
{
	const char *end;

	if (t->at[1] == 'Q' && !t->is_class) {
		end = strstr(t->at, "\\E");
		gsize len = end ? (gsize)(end + 2 - t->at) : strlen(t->at);
		g_string_append_len(t->out, t->at, (gssize)len);
		t->at += len;
		return;
	}
	if (t->at[1] == 'x' && t->at[2] == '{') {
		translate_code(t);
		return;
	}
	if (t->at[1] == 'v') {
		g_string_append(t->out, "\\x0b");
		t->at += 2;
		return;
	}
	if (strchr("1234567", t->at[1]) && t->at[1] && is_octal(t->at[2])) {
		guint code = 0, n = 1;
		for (; n <= 3 && is_octal(t->at[n]); n++)
			code = code * 8 + (guint)(t->at[n] - '0');
		g_string_append_printf(t->out, "\\x%02x", code & 0xff);
		t->at += n;
		return;
	}
	if (t->at[1] == 'p' || t->at[1] == 'P' || t->at[1] == 'C')
		t->note = note_property;
	gsize len = t->at[1] ? 2 : 1;
	g_string_append_len(t->out, t->at, (gssize)len);
	t->at += len;
}

/* At "[": up to what can end the class, "[]" and "[^]" being no empty classes. */
static void open_class(struct translation *t)
{
	t->is_class = TRUE;
	g_string_append_c(t->out, *t->at++);
	if (*t->at == '^')
		g_string_append_c(t->out, *t->at++);
	if (*t->at == ']') {
		g_string_append_c(t->out, *t->at++);
	} else if (*t->at == ':' || *t->at == '.' || *t->at == '=') {
		g_string_append_c(t->out, '\\');
		g_string_append_c(t->out, *t->at++);
	}
}

static void translate_class(struct translation *t)
{
	const char *end;

	if (*t->at == '[' && t->at[1] == ':' && (end = strstr(t->at, ":]")) != NULL) {
		g_string_append_len(t->out, t->at, end + 2 - t->at);
		t->at = end + 2;
		return;
	}
	if (*t->at == '[')
		g_string_append_c(t->out, '\\');
	if ((guchar)*t->at >= 0x80)
		t->note = note_class;
	t->is_class = *t->at != ']';
	g_string_append_c(t->out, *t->at++);
}

static void translate_one(struct translation *t)
{
	switch (*t->at) {
	case '[':
		open_class(t);
		return;
	case '(':
		open_group(t);
		return;
	case '{':
		if (t->at[1] == ',')
			g_string_append_c(t->out, '\\');
		break;
	case ')':
		t->depth -= t->depth > 0;
		break;
	case '$':
		if (!t->is_lines[t->depth]) {
			g_string_append(t->out, "\\z");
			t->at++;
			return;
		}
	}
	/* A character of several bytes that is repeated has to stay one thing. */
	gsize len = (gsize)(g_utf8_next_char(t->at) - t->at);
	if (len > 1)
		g_string_append(t->out, "(?:");
	g_string_append_len(t->out, t->at, (gssize)len);
	if (len > 1)
		g_string_append_c(t->out, ')');
	t->at += len;
}

const char *rule_regex_translate(struct toml *doc, const char *regex, const char **note)
{
	struct translation t = {.at = regex};

	if (!is_changed(regex))
		return regex;
	g_autoptr(GString) out = t.out = g_string_sized_new(strlen(regex) + 16);
	while (*t.at) {
		if (*t.at == '\\')
			translate_escape(&t);
		else if (t.is_class)
			translate_class(&t);
		else
			translate_one(&t);
	}
	if (t.note != NULL)
		*note = t.note;
	if (!strcmp(out->str, regex))
		return regex;
	return toml_copy(doc, out->str, out->len);
}

gboolean rule_regex_check(const char *regex, guint *groups, GError **error)
{
	int code;
	PCRE2_SIZE at;
	guint32 count;
	pcre2_code *compiled =
		pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);

	if (compiled == NULL) {
		PCRE2_UCHAR text[256] = "";
		pcre2_get_error_message(code, text, sizeof text);
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s at byte %zu", (char *)text,
			(size_t)at);
		return FALSE;
	}
	pcre2_pattern_info(compiled, PCRE2_INFO_CAPTURECOUNT, &count);
	if (groups != NULL)
		*groups = count;
	pcre2_code_free(compiled);
	return TRUE;
}

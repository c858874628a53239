/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/ignore.h"
#include "jobs/git/readfile.h"

#include <string.h>

static bool is_special(char ch)
{
	return ch == '*' || ch == '?' || ch == '[' || ch == '\\';
}

void ignore_pattern_parse(struct ignore_pattern *pattern, const char *text, gsize len)
{
	*pattern = (struct ignore_pattern){.is_name_only = true};
	if (len > 0 && text[0] == '!') {
		pattern->is_negative = true;
		text++;
		len--;
	}
	gsize literal = 0;
	while (literal < len && !is_special(text[literal]))
		literal++;
	bool has_more_special = false;
	for (gsize i = 1; i < len && !has_more_special; i++)
		has_more_special = is_special(text[i]);
	pattern->is_suffix = len > 0 && text[0] == '*' && !has_more_special;
	if (len > 0 && text[len - 1] == '/') {
		pattern->is_folder_only = true;
		len--;
	}
	pattern->is_name_only = memchr(text, '/', len) == NULL;
	pattern->text = text;
	pattern->len = (uint32_t)len;
	pattern->literal_len = (uint32_t)MIN(literal, len);
}

/* Spaces at the end do not count unless a backslash is before them. Returns the new length. */
static gsize spaces_trim(const char *line, gsize len)
{
	gsize kept = len, at = 0;
	bool is_space = false;

	while (at < len) {
		if (line[at] == ' ') {
			if (!is_space)
				kept = at;
			is_space = true;
		} else {
			if (line[at] == '\\' && ++at >= len)
				return len;
			is_space = false;
			kept = len;
		}
		at++;
	}
	return is_space ? kept : len;
}

struct ignore_list *ignore_list_new(char *data, gsize len, const char *base)
{
	struct ignore_list *list = g_new0(struct ignore_list, 1);
	const char *at = data, *end = data + len;

	list->text = data;
	list->base = g_strdup(base);
	list->base_len = strlen(base);
	list->patterns = g_array_new(FALSE, FALSE, sizeof(struct ignore_pattern));
	if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		at += 3;
	while (at < end && list->patterns->len < IGNORE_PATTERNS_MAX) {
		const char *stop = memchr(at, '\n', (gsize)(end - at));
		if (stop == NULL)
			stop = end;
		gsize line_len = (gsize)(stop - at);
		if (line_len > 0 && at[0] != '#') {
			if (at[line_len - 1] == '\r')
				line_len--;
			/* git works on strings: a zero byte ends the line. */
			line_len = strnlen(at, line_len);
			line_len = spaces_trim(at, line_len);
			struct ignore_pattern pattern;
			ignore_pattern_parse(&pattern, at, line_len);
			if (pattern.len > 0)
				g_array_append_val(list->patterns, pattern);
		}
		at = stop + 1;
	}
	return list;
}

struct ignore_list *ignore_list_load(int dir_fd, const char *name, int flags, const char *base)
{
	char *data = NULL;
	gsize len;

	if (readfile_load(dir_fd, name, flags, IGNORE_FILE_MAX_BYTES, &data, &len) != READFILE_OK)
		return NULL;
	return ignore_list_new(data, len, base);
}

void ignore_list_free(struct ignore_list *list)
{
	if (list == NULL)
		return;
	g_array_unref(list->patterns);
	g_free(list->text);
	g_free(list->base);
	g_free(list);
}

static bool is_equal(const char *a, const char *b, gsize len, bool is_ignorecase)
{
	return is_ignorecase ? g_ascii_strncasecmp(a, b, len) == 0 : memcmp(a, b, len) == 0;
}

static bool name_match(
	const struct ignore_pattern *p, const char *name, gsize len, bool is_ignorecase)
{
	if (p->literal_len == p->len)
		return p->len == len && is_equal(p->text, name, len, is_ignorecase);
	if (p->is_suffix)
		return p->len - 1 <= len &&
		       is_equal(p->text + 1, name + len - (p->len - 1), p->len - 1, is_ignorecase);
	return wildmatch(p->text, p->len, name, len, false, is_ignorecase);
}

bool ignore_pattern_match(const struct ignore_pattern *p, const char *base, gsize base_len,
	const char *path, gsize path_len, gsize name_at, bool is_ignorecase)
{
	if (p->is_name_only)
		return name_match(p, path + name_at, path_len - name_at, is_ignorecase);

	const char *text = p->text;
	gsize len = p->len, literal = p->literal_len;
	if (len > 0 && *text == '/') {
		text++;
		len--;
		literal -= literal > 0;
	}
	if (path_len <= base_len || !is_equal(path, base, base_len, is_ignorecase))
		return false;
	path += base_len;
	path_len -= base_len;
	if (literal > path_len || !is_equal(text, path, literal, is_ignorecase))
		return false;
	if (literal == len)
		return path_len == literal;
	return wildmatch(text + literal, len - literal, path + literal, path_len - literal, true,
		is_ignorecase);
}

enum ignore_answer ignore_list_match(const struct ignore_list *list, const char *path,
	gsize path_len, gsize name_at, bool is_folder, bool is_ignorecase)
{
	for (guint i = list->patterns->len; i-- > 0;) {
		const struct ignore_pattern *p =
			&g_array_index(list->patterns, struct ignore_pattern, i);
		if (p->is_folder_only && !is_folder)
			continue;
		if (ignore_pattern_match(
			    p, list->base, list->base_len, path, path_len, name_at, is_ignorecase))
			return p->is_negative ? IGNORE_NO : IGNORE_YES;
	}
	return IGNORE_UNDECIDED;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/sieve.h"

#include <string.h>

#include <hs.h>

#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"

/* An open repeat is counted as this many; white space is rarely written by the screenful. */
#define OPEN_REPEAT 200
#define OPEN_SPACE 24
/* Lookarounds see further than a match is wide. */
#define LOOKAROUND 64
/* Patterns whose width says nothing. */
#define DEFAULT_BEFORE 1024
#define DEFAULT_BEHIND 4096
#define KEY_BEHIND (MATCHER_BEHIND_BYTES - 2 * MATCHER_LINE_BYTES)

/* The end of the class that starts at p, behind its bracket; the end of the text if it has none. */
static const char *class_end(const char *p)
{
	p++;
	if (*p == '^')
		p++;
	if (*p == ']')
		p++;
	for (; *p != '\0' && *p != ']'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '[' && p[1] == ':') {
			const char *end = strstr(p + 2, ":]");
			if (end != NULL)
				p = end + 1;
		}
	}
	return *p == ']' ? p + 1 : p;
}

static gboolean has_any(const char *from, const char *to, const char *const *words)
{
	for (; *words != NULL; words++)
		if (g_strstr_len(from, to - from, *words) != NULL)
			return TRUE;
	return FALSE;
}

/* Not a parser of patterns: what it does not understand counts as matching a line's end. */
static gboolean is_one_line(const char *regex)
{
	static const char *const ends[] = {"\\s", "\\W", "\\D", "\\n", "\\r", "\\R", "\\v", "\\x0",
		"\\N", "\\X", "\\C", "\\012", "\n", NULL};

	if (strstr(regex, "(?") != NULL) {
		for (const char *p = regex; (p = strstr(p, "(?")) != NULL; p += 2) {
			gsize n = strspn(p + 2, "imnsxUJ-^");
			if (memchr(p + 2, 's', n) != NULL || memchr(p + 2, 'x', n) != NULL)
				return FALSE;
		}
	}
	for (const char *p = regex; *p != '\0';) {
		const char *next = p + 1;
		if (*p == '[') {
			static const char *const excluded[] = {"\\n", "\\s", "\n", NULL};
			static const char *const named[] = {"[:space:]", "[:cntrl:]", "[:^", NULL};
			next = class_end(p);
			if (p[1] == '^' ? !has_any(p, next, excluded)
					: has_any(p, next, ends) || has_any(p, next, named))
				return FALSE;
		} else if (*p == '\\') {
			if (strchr("sWDnrRvXC", p[1]) != NULL || p[1] == 'x' || p[1] == '0')
				return FALSE;
			next = p[1] != '\0' ? p + 2 : p + 1;
		} else if (*p == '\n') {
			return FALSE;
		}
		p = next;
	}
	return TRUE;
}

/* The pattern with every open repeat closed, for a width; not a pattern to match with. */
static char *closed(const char *regex)
{
	GString *out = g_string_new(NULL);
	gboolean after_repeat = FALSE, after_space = FALSE;

	for (const char *p = regex; *p != '\0';) {
		guint open = after_space ? OPEN_SPACE : OPEN_REPEAT;
		gboolean is_repeat = FALSE, is_space = FALSE;
		const char *next = p + 1;
		if (*p == '\\' && p[1] != '\0') {
			next = p + 2;
			is_space = p[1] == 's' || p[1] == 'h';
			g_string_append_len(out, p, next - p);
		} else if (*p == '[') {
			next = class_end(p);
			is_space = next - p <= 12 && g_strstr_len(p, next - p, "\\s") != NULL &&
				   g_strstr_len(p, next - p, "\\S") == NULL && p[1] != '^';
			g_string_append_len(out, p, next - p);
		} else if ((*p == '*' || *p == '+') && !after_repeat) {
			g_string_append_printf(out, "{%d,%u}", *p == '+', open);
			is_repeat = TRUE;
		} else if (*p == '+' || (*p == '?' && after_repeat)) {
			; /* possessive or lazy: of no matter for a width */
		} else if (*p == '{' && g_ascii_isdigit(p[1])) {
			char *end = NULL;
			guint64 least = g_ascii_strtoull(p + 1, &end, 10);
			if (end[0] == ',' && end[1] == '}') {
				g_string_append_printf(out, "{%u,%u}", (guint)MIN(least, 8000),
					(guint)MIN(least, 8000) + open);
				next = end + 2;
			} else {
				next = strchr(p, '}') != NULL ? strchr(p, '}') + 1 : p + 1;
				g_string_append_len(out, p, next - p);
			}
			is_repeat = TRUE;
		} else {
			is_repeat = *p == '?' && p > regex && p[-1] != '(';
			g_string_append_c(out, *p);
		}
		after_repeat = is_repeat;
		after_space = is_space;
		p = next;
	}
	return g_string_free(out, FALSE);
}

static gboolean pattern_width(const char *regex, guint *width)
{
	g_autofree char *text = closed(regex);
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *trouble = NULL;
	gboolean is_known = FALSE;

	if (hs_expression_info(text, HS_FLAG_PREFILTER | HS_FLAG_ALLOWEMPTY, &info, &trouble) ==
		HS_SUCCESS) {
		is_known = info->max_width != G_MAXUINT;
		*width = info->max_width;
	}
	free(info);
	hs_free_compile_error(trouble);
	if (strstr(regex, "(?=") || strstr(regex, "(?!") || strstr(regex, "(?<"))
		*width += LOOKAROUND;
	return is_known;
}

struct sieve_reach sieve_reach(const struct rule *rule, guint sieve_width)
{
	struct sieve_reach reach = {DEFAULT_BEFORE, DEFAULT_BEHIND, sieve_width, FALSE};
	guint width = 0;

	if (rule->regex == NULL)
		return reach;
	reach.one_line = is_one_line(rule->regex);
	if (strstr(rule->regex, "-----") != NULL && strstr(rule->regex, "KEY") != NULL)
		reach.behind = KEY_BEHIND;
	else if (pattern_width(rule->regex, &width)) {
		reach.before = MIN(width + 1, DEFAULT_BEFORE);
		reach.behind = MIN(width + 1, DEFAULT_BEHIND);
	}
	if (rule->flags & RULE_DERIVED && !reach.one_line) {
		/* A keyword may stand before or behind what it announces. */
		reach.before = MIN(reach.before + sieve_width, DEFAULT_BEFORE);
		reach.behind = MIN(reach.behind + sieve_width, reach.behind);
	}
	if (rule->before != 0)
		reach.before = MIN(rule->before, MATCHER_BEFORE_BYTES - MATCHER_LINE_BYTES);
	if (rule->behind != 0)
		reach.behind = MIN(rule->behind, KEY_BEHIND);
	/* A keyword and what it announces, some lines apart. */
	if (rule->flags & RULE_DERIVED && rule->behind != 0)
		reach.one_line = FALSE;
	if (rule->context[0] != NULL || rule->n_required != 0) {
		guint within = rule->context[0] != NULL ? rule->within : 0;
		reach.before =
			MIN(reach.before + within, MATCHER_BEFORE_BYTES - MATCHER_LINE_BYTES);
		reach.behind = MIN(reach.behind + within, KEY_BEHIND);
		if (within != 0)
			reach.one_line = FALSE;
	}
	return reach;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_file.h"

#include <string.h>

#include <hs/hs.h>

/*
 * Sieves for rules that come without one. In this order:
 *
 *  - the pattern itself, when vectorscan takes it, its matches are bounded and not too wide, and
 *    its keywords are in it: elsewhere in a file they are a condition of their own;
 *  - its keywords as literals, which stand in or near every match;
 *  - the longest run of plain characters that every match has;
 *  - none: the rule is run over whole objects, and listed as slow.
 */
#define KEYWORD_MIN 3
#define LITERAL_MIN 4
/* Repeats of a class this wide make vectorscan's machines big. */
#define REPEAT_MAX 200
/* A keyword that is not part of the pattern may stand so far from what it announces, in bytes. */
#define NEAR_BEFORE 2048
#define NEAR_BEHIND 4096

/*
 * gitleaks' generic patterns begin with a repeat of a class that may be empty, `[\w.-]{0,50}?`: it
 * never decides whether there is a match, and costs a step at every byte.
 */
static const char *skip_optional(const char *regex)
{
	const char *at = regex;

	if (*at != '[' || (at = strchr(at, ']')) == NULL || !g_str_has_prefix(at, "]{0,"))
		return regex;
	at += strspn(at + 4, "0123456789") + 4;
	if (*at != '}')
		return regex;
	at++;
	return *at == '?' ? at + 1 : *at ? at : regex;
}

/* Whether vectorscan could take it at a bearable price; only by looking at it. */
static gboolean is_bearable(const char *regex)
{
	for (const char *at = strchr(regex, '{'); at != NULL; at = strchr(at + 1, '{')) {
		guint64 least = g_ascii_strtoull(at + 1, NULL, 10);
		const char *comma = at + 1 + strspn(at + 1, "0123456789");
		if (least > REPEAT_MAX ||
			(*comma == ',' && g_ascii_strtoull(comma + 1, NULL, 10) > REPEAT_MAX))
			return FALSE;
	}
	return strstr(regex, "(?=") == NULL && strstr(regex, "(?!") == NULL &&
	       strstr(regex, "(?<=") == NULL && strstr(regex, "(?<!") == NULL;
}

static gboolean holds_keywords(const char *regex, const char *const *keywords)
{
	g_autoptr(GString) plain = g_string_new(NULL);

	for (; *regex; regex++)
		if (*regex != '\\')
			g_string_append_c(plain, g_ascii_tolower(*regex));
	for (; *keywords != NULL; keywords++)
		if (strstr(plain->str, *keywords) == NULL)
			return FALSE;
	return TRUE;
}

static char *from_pattern(const char *regex)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *problem = NULL;
	/* Flags at the front stay there. */
	const char *flags = g_str_has_prefix(regex, "(?i)") ? "(?i)" : "";
	const char *rest = skip_optional(regex + strlen(flags));

	if (!is_bearable(rest))
		return NULL;
	g_autofree char *text = g_strconcat(flags, rest, NULL);
	gboolean is_fine = hs_expression_info(text, 0, &info, &problem) == HS_SUCCESS &&
			   info->min_width >= LITERAL_MIN && info->max_width <= RULE_SIEVE_WIDTH;
	hs_free_compile_error(problem);
	g_free(info); /* vectorscan's allocator is malloc unless it is told otherwise */
	return is_fine ? g_steal_pointer(&text) : NULL;
}

static void append_literal(GString *out, const char *text, gsize len)
{
	for (gsize i = 0; i < len; i++)
		if (g_ascii_isalnum(text[i]))
			g_string_append_c(out, text[i]);
		else
			g_string_append_printf(out, "\\x%02x", (guchar)text[i]);
}

/* The end of a class or a group that begins at `at`. */
static const char *skip_bracket(const char *at)
{
	guint depth = 0;

	for (; *at; at++) {
		if (*at == '\\' && at[1]) {
			at++;
		} else if (*at == '[') {
			at++;
			at += *at == '^';
			at += *at == ']';
			for (; *at && *at != ']'; at++)
				at += *at == '\\' && at[1];
			if (!*at)
				return at;
			if (depth == 0)
				return at + 1;
		} else if (*at == '(') {
			depth++;
		} else if (*at == ')' && --depth == 0) {
			return at + 1;
		}
	}
	return at;
}

/*
 * The longest run of characters at the top of the pattern, outside of groups, that no alternative
 * and no repeat makes optional. Escapes of letters and digits end a run.
 */
static char *from_literal(const char *regex)
{
	g_autoptr(GString) run = g_string_new(NULL), best = g_string_new(NULL);
	gboolean is_small = g_str_has_prefix(regex, "(?i)");
	const char *at = regex + (is_small ? 4 : 0);

	while (*at) {
		const char *next;
		char c = 0;
		if (*at == '|' || g_str_has_prefix(at, "(?i)"))
			return NULL;
		if (*at == '\\' && at[1]) {
			c = g_ascii_isalnum(at[1]) ? 0 : at[1];
			next = at + 2;
		} else if (*at == '[' || *at == '(') {
			next = skip_bracket(at);
		} else {
			c = strchr(".^$", *at) ? 0 : *at;
			next = at + 1;
		}
		/* What may be repeated no time is not required. */
		gboolean is_repeated = *next && strchr("*+?{", *next);
		if (c != 0 && !is_repeated)
			g_string_append_c(run, c);
		if (c == 0 || is_repeated || !*next) {
			if (run->len > best->len)
				g_string_assign(best, run->str);
			g_string_truncate(run, 0);
		}
		if (is_repeated) {
			next += *next == '{' ? strcspn(next, "}") : 0;
			next += *next != '\0';
			next += *next == '?' || *next == '+';
		}
		at = next;
	}
	if (best->len < LITERAL_MIN)
		return NULL;
	g_string_truncate(run, 0);
	g_string_append(run, is_small ? "(?i)" : "");
	append_literal(run, best->str, MIN(best->len, RULE_SIEVE_WIDTH));
	return g_strdup(run->str);
}

static void set(struct toml *doc, struct rule *rule, GPtrArray *patterns)
{
	const char **list = toml_take(doc, (patterns->len + 1) * sizeof *list);

	for (guint i = 0; i < patterns->len; i++) {
		const char *text = patterns->pdata[i];
		list[i] = toml_copy(doc, text, strlen(text));
	}
	rule->sieve = list;
}

void rule_sieve_derive(struct toml *doc, struct rule *rule)
{
	g_autoptr(GPtrArray) patterns = g_ptr_array_new_with_free_func(g_free);
	gboolean is_inside = holds_keywords(rule->regex, rule->keywords);
	char *one = is_inside ? from_pattern(rule->regex) : NULL;

	if (one != NULL) {
		g_ptr_array_add(patterns, one);
		set(doc, rule, patterns);
		return;
	}
	gboolean is_fine = rule->keywords[0] != NULL;
	for (guint i = 0; is_fine && rule->keywords[i] != NULL; i++)
		is_fine = strlen(rule->keywords[i]) >= KEYWORD_MIN &&
			  strlen(rule->keywords[i]) <= RULE_SIEVE_WIDTH;
	if (is_fine) {
		for (guint i = 0; rule->keywords[i] != NULL; i++) {
			g_autoptr(GString) text = g_string_new("(?i)");
			append_literal(text, rule->keywords[i], strlen(rule->keywords[i]));
			g_ptr_array_add(patterns, g_strdup(text->str));
		}
		if (!is_inside && rule->behind == 0) {
			rule->before = NEAR_BEFORE;
			rule->behind = NEAR_BEHIND;
		}
	} else {
		one = from_literal(rule->regex);
		if (one == NULL) {
			rule->flags |= RULE_SLOW;
			return;
		}
		g_ptr_array_add(patterns, one);
	}
	rule->flags |= RULE_DERIVED;
	set(doc, rule, patterns);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_pattern.h"

#include <string.h>

/*
 * Which texts a stretch of a pattern can be, all of them, as long as they are few: for
 * `passw(?:or)?d` these are "passwd" and "password". Where they are many the stretch ends; if each
 * of its texts has one of the words, so has every match.
 */
#define TEXTS_MAX 64
#define TEXT_BYTES_MAX 256

struct reading {
	struct pattern_reader r;
	const char *const *words;
};

/* What an element can be. `texts` NULL: too many. */
struct language {
	GPtrArray *texts;
	gboolean holds; /* one of the words, whatever it is */
};

static GPtrArray *texts_new(const char *text, gsize len)
{
	GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);

	if (text != NULL)
		g_ptr_array_add(texts, g_ascii_strdown(text, (gssize)len));
	return texts;
}

static void texts_free(GPtrArray *texts)
{
	if (texts != NULL)
		g_ptr_array_unref(texts);
}

static gboolean has_word(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strstr(text, *words) != NULL)
			return TRUE;
	return FALSE;
}

static gboolean all_have(const GPtrArray *texts, const char *const *words)
{
	for (guint i = 0; i < texts->len; i++)
		if (!has_word(texts->pdata[i], words))
			return FALSE;
	return texts->len > 0;
}

/* Each of a before each of b; takes over both. NULL: too many, or none of b are known. */
static GPtrArray *joined(GPtrArray *a, GPtrArray *b)
{
	GPtrArray *both = NULL;

	if (b != NULL && a->len * b->len <= TEXTS_MAX &&
		(a->len == 0 || strlen(a->pdata[0]) <= TEXT_BYTES_MAX)) {
		both = texts_new(NULL, 0);
		for (guint i = 0; i < a->len; i++)
			for (guint k = 0; k < b->len; k++)
				g_ptr_array_add(both, g_strconcat(a->pdata[i], b->pdata[k], NULL));
	}
	texts_free(a);
	texts_free(b);
	return both;
}

static void add_text(GPtrArray *texts, char *text)
{
	if (g_ptr_array_find_with_equal_func(texts, text, g_str_equal, NULL))
		g_free(text);
	else
		g_ptr_array_add(texts, text);
}

/* [Aa] and [_.-], not ranges, names and the like. */
static struct language read_class(struct reading *reading)
{
	const char *at = reading->r.at + 1;
	GPtrArray *texts = texts_new(NULL, 0);

	pattern_take_class(&reading->r);
	const char *end = reading->r.at - 1;
	gboolean is_known = !reading->r.is_bad && *at != '^';
	for (const char *first = at; at < end && is_known; at++) {
		gboolean is_range = *at == '-' && at > first && at + 1 < end;
		if (*at == '\\' && at + 1 < end)
			at++;
		is_known = !is_range && *at != '[' && !(at[-1] == '\\' && g_ascii_isalnum(*at)) &&
			   texts->len < TEXTS_MAX;
		if (is_known)
			add_text(texts, g_ascii_strdown(at, 1));
	}
	if (!is_known)
		g_clear_pointer(&texts, g_ptr_array_unref);
	return (struct language){.texts = texts};
}

static struct language read_alternatives(struct reading *reading);

static struct language read_atom(struct reading *reading)
{
	struct pattern_reader *r = &reading->r;
	const char *start = r->at;
	gsize flags;

	switch (*r->at) {
	case '[':
		return read_class(reading);
	case '(':
		switch (pattern_take_group(r, &flags)) {
		case PATTERN_GROUP_FLAGS:
			return (struct language){.texts = texts_new("", 0)};
		case PATTERN_GROUP_LOOK:
			r->is_bad = TRUE;
			return (struct language){0};
		default:
			break;
		}
		r->is_bad |= ++r->depth > PATTERN_DEPTH_MAX;
		struct language inner = {0};
		if (!r->is_bad)
			inner = read_alternatives(reading);
		r->depth--;
		r->is_bad |= !pattern_take(r, ")");
		return inner;
	case '\\':
		if (strchr("bBAzZ", start[1]) != NULL) {
			pattern_take_escape(r);
			return (struct language){.texts = texts_new("", 0)};
		}
		if (!pattern_take_escape(r) || g_ascii_isalnum(start[1]))
			return (struct language){0};
		return (struct language){.texts = texts_new(start + 1, 1)};
	case '^':
	case '$':
		r->at++;
		return (struct language){.texts = texts_new("", 0)};
	case '.':
		r->at++;
		return (struct language){0};
	default:
		r->at++;
		return (struct language){.texts = texts_new(start, 1)};
	}
}

static struct language repeated(struct language one, struct pattern_repeat n)
{
	if (n.least == 1 && n.most == 1)
		return one;
	if (n.least == 0 && n.most == 1 && one.texts != NULL) {
		add_text(one.texts, g_strdup(""));
		one.holds = FALSE;
		return one;
	}
	texts_free(one.texts);
	return (struct language){.holds = one.holds && n.least > 0};
}

static struct language read_sequence(struct reading *reading)
{
	struct pattern_reader *r = &reading->r;
	struct language all = {.texts = texts_new("", 0)};
	gboolean is_whole = TRUE;

	while (*r->at && *r->at != '|' && *r->at != ')' && !r->is_bad) {
		struct language one = read_atom(reading);
		if (one.texts != NULL)
			one.holds = all_have(one.texts, reading->words);
		one = repeated(one, pattern_take_repeat(r));
		all.holds |= one.holds || all_have(all.texts, reading->words);
		all.texts = joined(all.texts, one.texts);
		if (all.texts == NULL) {
			all.texts = texts_new("", 0);
			is_whole = FALSE;
		}
	}
	all.holds |= all_have(all.texts, reading->words);
	if (!is_whole)
		g_clear_pointer(&all.texts, g_ptr_array_unref);
	return all;
}

static struct language read_alternatives(struct reading *reading)
{
	struct language all = {.texts = texts_new(NULL, 0), .holds = TRUE};

	do {
		struct language one = read_sequence(reading);
		all.holds &= one.holds;
		if (all.texts != NULL && one.texts != NULL &&
			all.texts->len + one.texts->len <= TEXTS_MAX) {
			for (guint i = 0; i < one.texts->len; i++)
				add_text(all.texts, g_strdup(one.texts->pdata[i]));
		} else {
			g_clear_pointer(&all.texts, g_ptr_array_unref);
		}
		texts_free(one.texts);
	} while (!reading->r.is_bad && pattern_take(&reading->r, "|"));
	return all;
}

gboolean pattern_holds_word(const char *regex, const char *const *words)
{
	struct reading reading = {.r = {.at = regex}, .words = words};
	struct language all = read_alternatives(&reading);

	texts_free(all.texts);
	return all.holds && !reading.r.is_bad && *reading.r.at == '\0';
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_file.h"

#include <string.h>

#include <hs/hs.h>

#include "jobs/scan/rule_pattern.h"

/*
 * Sieves for rules that come without one. In this order:
 *
 *  - a part of the pattern that every match has, when its keywords are in the pattern: elsewhere in
 *    a file they are a condition of their own;
 *  - its keywords as literals, which stand in or near every match;
 *  - none: the rule is run over whole objects, and listed as slow.
 *
 * A part is a stretch of the pattern between two repeats that have no end or a far one, of which it
 * keeps as much as has to be there: of `ey\w{17,}\.(x+)` the part is `ey\w{17}`. What may be left
 * out at its beginning is left out, for it costs a step at every byte.
 */
#define KEYWORD_MIN 3
/* A keyword that is not part of the pattern may stand so far from what it announces, in bytes. */
#define NEAR_BEFORE 2048
#define NEAR_BEHIND 4096
/* What has no end may be long: tokens of some kilobytes are JSON inside. */
#define ENDLESS_BEHIND 4096
#define ENDLESS_LEAST 16
/* Repeats of a class up to this keep vectorscan's machines small. */
#define REPEAT_MAX 64
#define REPEAT_LEAST_MAX 200
#define WIDTH_MIN 4
/* How much a part tells: points a byte, and what is enough for a sieve. */
#define POINTS_LITERAL 8
#define POINTS_ENOUGH 24

struct part {
	GString *text;
	guint points;
	guint width; /* at most */
	gboolean is_cut, is_lead;
};

struct cutter {
	struct pattern_reader r;
	GString *flags; /* those that hold for all that follows, at the top */
};

static void put_repeat(GString *out, struct pattern_repeat r)
{
	if (r.least == 0 && r.most == 1)
		g_string_append_c(out, '?');
	else if (r.least != r.most)
		g_string_append_printf(out, "{%u,%u}", r.least, r.most);
	else if (r.least != 1)
		g_string_append_printf(out, "{%u}", r.least);
}

static void cut_alternatives(struct cutter *c, struct part *out, GPtrArray *parts);

/* A group; its text goes to `out`. FALSE when it is no part of the text: flags, look-around. */
static gboolean cut_group(struct cutter *c, struct part *out)
{
	const char *open = c->r.at;
	gsize len;
	enum pattern_group kind = pattern_take_group(&c->r, &len);

	if (kind == PATTERN_GROUP_FLAGS) {
		g_string_append_len(c->r.depth == 0 ? c->flags : out->text, open, (gssize)len + 1);
		return FALSE;
	}
	c->r.is_bad |= ++c->r.depth > PATTERN_DEPTH_MAX;
	struct part inner = {.text = g_string_new(NULL), .is_lead = out->is_lead};
	if (!c->r.is_bad)
		cut_alternatives(c, &inner, NULL);
	c->r.depth--;
	c->r.is_bad |= !pattern_take(&c->r, ")");
	if (kind == PATTERN_GROUP_PLAIN) {
		g_string_append_len(out->text, len > 0 ? open : "(?", len > 0 ? (gssize)len : 2);
		g_string_append_printf(out->text, ":%s)", inner.text->str);
		out->points = inner.points;
		out->width = inner.width;
		out->is_cut = inner.is_cut;
	}
	g_string_free(inner.text, TRUE);
	return kind == PATTERN_GROUP_PLAIN;
}

/* One element without its repeat. FALSE: it takes no bytes, and what it said is in `out`. */
static gboolean cut_atom(struct cutter *c, struct part *out)
{
	const char *start = c->r.at;
	gboolean is_one = TRUE;

	out->points = 1;
	out->width = 1;
	switch (*c->r.at) {
	case '(':
		return cut_group(c, out);
	case '[':
		pattern_take_class(&c->r);
		break;
	case '^':
	case '$':
		is_one = FALSE;
		c->r.at++;
		break;
	case '.':
		c->r.at++;
		out->points = 0;
		break;
	case '\\':
		is_one = strchr("bBAzZ", c->r.at[1]) == NULL;
		if (pattern_take_escape(&c->r))
			out->points = POINTS_LITERAL;
		break;
	default:
		c->r.at++;
		out->points = POINTS_LITERAL;
	}
	g_string_append_len(out->text, start, c->r.at - start);
	return is_one;
}

/* As much of an element as every match has; the part is cut when that is not all of it. */
static void add(struct part *part, const struct part *atom, struct pattern_repeat r)
{
	gboolean is_far = r.most > REPEAT_MAX && r.most != r.least;
	guint least = MIN(r.least, REPEAT_LEAST_MAX);

	if (part->is_cut)
		return;
	if (least == 0 && part->is_lead)
		return;
	if (part->is_lead && !atom->is_cut && r.most != r.least) {
		/* Some more before it change nothing. */
		r.most = least;
	} else if (least == 0 && (is_far || atom->is_cut)) {
		part->is_cut = TRUE;
		return;
	} else if (is_far || atom->is_cut || least < r.least) {
		part->is_cut = TRUE;
		r.most = least = atom->is_cut ? 1 : least;
	}
	r.least = least;
	if (part->width + atom->width * r.most > RULE_SIEVE_WIDTH) {
		part->is_cut = TRUE;
		if (least == 0 || part->width + atom->width * least > RULE_SIEVE_WIDTH)
			return;
		r.most = least;
	}
	g_string_append(part->text, atom->text->str);
	put_repeat(part->text, r);
	part->width += atom->width * r.most;
	part->points += atom->points * MIN(least, 40);
	part->is_lead = FALSE;
}

static struct part part_new(const char *flags)
{
	return (struct part){.text = g_string_new(flags), .is_lead = TRUE};
}

/* The more telling of two; the other is freed. */
static struct part better(struct part a, struct part b)
{
	struct part worse = b.points > a.points ? a : b;

	g_string_free(worse.text, TRUE);
	return b.points > a.points ? b : a;
}

/*
 * Up to the next `|`, `)` or the end. At the top (is_top) the best of several parts, elsewhere the
 * first, for what is around goes on from it.
 */
static struct part cut_sequence(struct cutter *c, gboolean is_lead, gboolean is_top)
{
	struct part best = part_new(NULL), part = part_new(is_top ? c->flags->str : NULL);

	part.is_lead = is_lead;
	while (*c->r.at && *c->r.at != '|' && *c->r.at != ')' && !c->r.is_bad) {
		const char *start = c->r.at;
		struct part atom = {
			.text = g_string_new(NULL), .is_lead = part.is_lead && !part.is_cut};
		gboolean is_text = cut_atom(c, &atom);
		struct pattern_repeat r =
			is_text ? pattern_take_repeat(&c->r) : (struct pattern_repeat){1, 1};
		/* What is left out at a group's beginning is only so in its first round. */
		if (is_text && *start == '(' && r.most > 1 && atom.is_lead) {
			g_string_truncate(atom.text, 0);
			atom.is_lead = atom.is_cut = FALSE;
			c->r.at = start;
			cut_atom(c, &atom);
			pattern_take_repeat(&c->r);
		}
		if (is_text)
			add(&part, &atom, r);
		else if (!part.is_cut && !(c->r.depth == 0 && *start == '('))
			g_string_append(part.text, atom.text->str);
		g_string_free(atom.text, TRUE);
		if (is_top && (part.is_cut || (!is_text && part.is_lead))) {
			best = better(best, part);
			part = part_new(c->flags->str);
			if (!is_text && *start != '(')
				g_string_append_len(part.text, start, c->r.at - start);
		}
	}
	if (is_top)
		return better(best, part);
	g_string_free(best.text, TRUE);
	return part;
}

/* Alternatives, each with its part; the least telling one decides. */
static void cut_alternatives(struct cutter *c, struct part *out, GPtrArray *parts)
{
	gboolean is_first = TRUE;

	do {
		struct part part = cut_sequence(c, out->is_lead, parts != NULL);
		out->points = is_first ? part.points : MIN(out->points, part.points);
		out->width = MAX(out->width, part.width);
		out->is_cut |= part.is_cut;
		if (parts != NULL) {
			g_ptr_array_add(parts, g_string_free(part.text, FALSE));
		} else {
			g_string_append_printf(
				out->text, "%s%s", is_first ? "" : "|", part.text->str);
			g_string_free(part.text, TRUE);
		}
		is_first = FALSE;
	} while (!c->r.is_bad && pattern_take(&c->r, "|"));
}

/* Whether something of at least so many bytes may have any number of them: `{17,}`. */
static gboolean is_endless(const char *regex)
{
	for (const char *at = strchr(regex, '{'); at != NULL; at = strchr(at + 1, '{')) {
		char *end;
		guint64 least = g_ascii_strtoull(at + 1, &end, 10);
		if (least >= ENDLESS_LEAST && g_str_has_prefix(end, ",}"))
			return TRUE;
	}
	return FALSE;
}

static gboolean is_bounded(const char *text)
{
	hs_expr_info_t *info = NULL;
	hs_compile_error_t *problem = NULL;
	gboolean is_fine = hs_expression_info(text, 0, &info, &problem) == HS_SUCCESS &&
			   info->min_width >= WIDTH_MIN && info->max_width <= RULE_SIEVE_WIDTH;

	hs_free_compile_error(problem);
	g_free(info); /* vectorscan's allocator is malloc unless it is told otherwise */
	return is_fine;
}

/* FALSE, and nothing in `patterns`, when there is no part that tells enough. */
static gboolean from_pattern(const char *regex, GPtrArray *patterns)
{
	g_autoptr(GString) flags = g_string_new(NULL);
	struct cutter c = {.r = {.at = regex}, .flags = flags};
	struct part all = {.text = NULL, .is_lead = TRUE};

	cut_alternatives(&c, &all, patterns);
	gboolean is_fine = !c.r.is_bad && *c.r.at == '\0' && all.points >= POINTS_ENOUGH;
	for (guint i = 0; i < patterns->len && is_fine; i++)
		is_fine = is_bounded(patterns->pdata[i]);
	if (!is_fine)
		g_ptr_array_set_size(patterns, 0);
	return is_fine;
}

/* FALSE when there are none, or too short ones. */
static gboolean from_keywords(const char *const *keywords, GPtrArray *patterns)
{
	for (guint i = 0; keywords[i] != NULL; i++) {
		gsize len = strlen(keywords[i]);
		if (len < KEYWORD_MIN || len > RULE_SIEVE_WIDTH)
			return FALSE;
	}
	for (guint i = 0; keywords[i] != NULL; i++) {
		GString *text = g_string_new("(?i)");
		for (const char *at = keywords[i]; *at; at++)
			if (g_ascii_isalnum(*at))
				g_string_append_c(text, *at);
			else
				g_string_append_printf(text, "\\x%02x", (guchar)*at);
		g_ptr_array_add(patterns, g_string_free(text, FALSE));
	}
	return patterns->len > 0;
}

void rule_sieve_derive(struct toml *doc, struct rule *rule)
{
	g_autoptr(GPtrArray) patterns = g_ptr_array_new_with_free_func(g_free);
	gboolean is_inside =
		rule->keywords[0] == NULL || pattern_holds_word(rule->regex, rule->keywords);

	if (rule->behind == 0 && is_endless(rule->regex)) {
		rule->before = NEAR_BEFORE;
		rule->behind = ENDLESS_BEHIND;
	}
	if (is_inside && from_pattern(rule->regex, patterns)) {
		/* As good as one that was written. */
	} else if (from_keywords(rule->keywords, patterns)) {
		rule->flags |= RULE_DERIVED;
		if (!is_inside) {
			rule->before = NEAR_BEFORE;
			rule->behind = NEAR_BEHIND;
		}
	} else {
		rule->flags |= RULE_SLOW;
		return;
	}
	const char **list = toml_take(doc, (patterns->len + 1) * sizeof *list);
	for (guint i = 0; i < patterns->len; i++) {
		const char *text = patterns->pdata[i];
		list[i] = toml_copy(doc, text, strlen(text));
	}
	rule->sieve = list;
}

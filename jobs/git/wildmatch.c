/* SPDX-License-Identifier: MIT */
/*
 * Shell patterns as git understands them. Written after gitignore(5) and checked against git itself
 * by t/jobs/git-ignore.t.
 */
#include "config.h"
#include "jobs/git/ignore.h"

#include <ctype.h>
#include <string.h>

/* Enough for any pattern a person writes; a hostile one would take years. */
#define STEPS_MAX 50000

enum outcome {
	NO,
	YES,
	STOP,       /* the text is too short for what remains: longer tails will not do either */
	STOP_SLASH, /* as STOP, up to an enclosing ** */
};

struct match {
	const unsigned char *pattern_begin;
	const unsigned char *pattern_end;
	const unsigned char *text_end;
	bool is_path;
	bool is_ignorecase;
	unsigned steps;
};

static unsigned char at_or_zero(const unsigned char *at, const unsigned char *end)
{
	return at < end ? *at : 0;
}

static bool class_has(
	const unsigned char *name, gsize len, unsigned char ch, bool is_ignorecase, bool *is_known)
{
	/* clang-format off */
	static const struct {
		const char *name;
		int (*test)(int);
	} classes[] = {
		{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
		{"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
		{"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
	};
	/* clang-format on */
	*is_known = true;
	for (gsize i = 0; i < G_N_ELEMENTS(classes); i++) {
		if (strlen(classes[i].name) != len || memcmp(classes[i].name, name, len) != 0)
			continue;
		/* The C locale's classes end at 127, whatever locale we run in. */
		if (ch > 127)
			return false;
		if (is_ignorecase && classes[i].test == isupper)
			return isupper(ch) || islower(ch);
		return classes[i].test(ch) != 0;
	}
	*is_known = false;
	return false;
}

/* `*at` is behind the `[`; moves it behind the `]`. STOP: the set has no end, nothing matches. */
static enum outcome set_match(const struct match *m, const unsigned char **at, unsigned char ch)
{
	const unsigned char *p = *at, *end = m->pattern_end;
	unsigned char before = 0;
	bool is_negated = false, is_in = false;

	if (p < end && (*p == '!' || *p == '^')) {
		is_negated = true;
		p++;
	}
	for (bool is_first = true;; is_first = false, p++) {
		unsigned char c = at_or_zero(p, end);
		if (c == 0)
			return STOP;
		if (c == ']' && !is_first)
			break;
		if (c == '\\') {
			c = at_or_zero(++p, end);
			if (c == 0)
				return STOP;
			is_in |= ch == c;
		} else if (c == '-' && before != 0 && at_or_zero(p + 1, end) != 0 && p[1] != ']') {
			c = at_or_zero(++p, end);
			if (c == '\\')
				c = at_or_zero(++p, end);
			if (c == 0)
				return STOP;
			is_in |= ch >= before && ch <= c;
			if (m->is_ignorecase && ch < 128 && islower(ch)) {
				unsigned char upper = (unsigned char)toupper(ch);
				is_in |= upper >= before && upper <= c;
			}
			c = 0; /* the end of a range begins no other */
		} else if (c == '[' && at_or_zero(p + 1, end) == ':') {
			const unsigned char *name = p + 2;
			const unsigned char *close =
				name < end ? memchr(name, ']', (gsize)(end - name)) : NULL;
			if (close == NULL)
				return STOP;
			if (close == name || close[-1] != ':') {
				is_in |= ch == '['; /* no class: a set that holds [ and : */
			} else {
				bool is_known;
				is_in |= class_has(name, (gsize)(close - 1 - name), ch,
					m->is_ignorecase, &is_known);
				if (!is_known)
					return STOP;
				p = close;
				c = 0;
			}
		} else {
			is_in |= ch == c;
		}
		before = c;
	}
	*at = p + 1;
	return is_in != is_negated && !(m->is_path && ch == '/') ? YES : NO;
}

static enum outcome match_here(struct match *m, const unsigned char *p, const unsigned char *t);

/* `p` is at the first `*`. */
static enum outcome star_match(struct match *m, const unsigned char *p, const unsigned char *t)
{
	const unsigned char *first = p, *end = m->pattern_end;
	bool crosses_slash = !m->is_path;

	while (p < end && *p == '*')
		p++;
	if (m->is_path && p - first > 1) {
		bool begins_part = first == m->pattern_begin || first[-1] == '/';
		bool ends_part =
			p == end || *p == '/' || (*p == '\\' && at_or_zero(p + 1, end) == '/');
		if (begins_part && ends_part) {
			/* `**` and its slash may stand for no folder at all. */
			if (p < end && *p == '/') {
				enum outcome outcome = match_here(m, p + 1, t);
				if (outcome == YES)
					return YES;
			}
			crosses_slash = true;
		}
	}
	if (p == end) {
		if (!crosses_slash && memchr(t, '/', (gsize)(m->text_end - t)) != NULL)
			return NO;
		return YES;
	}
	if (!crosses_slash && *p == '/') {
		/* One star before a slash takes the rest of this part, no less and no more. */
		const unsigned char *slash = memchr(t, '/', (gsize)(m->text_end - t));
		return slash == NULL ? NO : match_here(m, p + 1, slash + 1);
	}
	for (; t < m->text_end; t++) {
		enum outcome outcome = match_here(m, p, t);
		if (outcome != NO) {
			if (!crosses_slash || outcome != STOP_SLASH)
				return outcome;
		} else if (!crosses_slash && *t == '/') {
			return STOP_SLASH;
		}
	}
	return STOP;
}

static enum outcome match_here(struct match *m, const unsigned char *p, const unsigned char *t)
{
	for (; p < m->pattern_end; t++) {
		unsigned char c = *p, ch = at_or_zero(t, m->text_end);

		if (++m->steps > STEPS_MAX)
			return STOP;
		if (c == '*')
			return star_match(m, p, t);
		if (t >= m->text_end)
			return STOP;
		if (m->is_ignorecase && ch < 128)
			ch = (unsigned char)tolower(ch);
		if (m->is_ignorecase && c < 128)
			c = (unsigned char)tolower(c);
		if (c == '?') {
			if (m->is_path && ch == '/')
				return NO;
			p++;
		} else if (c == '[') {
			p++;
			enum outcome outcome = set_match(m, &p, ch);
			if (outcome != YES)
				return outcome;
		} else {
			if (c == '\\') {
				c = at_or_zero(++p, m->pattern_end);
				if (p >= m->pattern_end)
					return NO;
			}
			if (c != ch)
				return NO;
			p++;
		}
	}
	return t == m->text_end ? YES : NO;
}

bool wildmatch(const char *pattern, gsize pattern_len, const char *text, gsize text_len,
	bool is_path, bool is_ignorecase)
{
	struct match m = {.pattern_begin = (const unsigned char *)pattern,
		.pattern_end = (const unsigned char *)pattern + pattern_len,
		.text_end = (const unsigned char *)text + text_len,
		.is_path = is_path,
		.is_ignorecase = is_ignorecase};

	return match_here(&m, m.pattern_begin, (const unsigned char *)text) == YES;
}

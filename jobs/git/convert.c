/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/convert.h"

#include <string.h>

enum crlf_word {
	WORD_NONE,
	WORD_TEXT,
	WORD_INPUT,
	WORD_BINARY,
	WORD_AUTO
};

static enum crlf_word word_of(const struct attr_value *value)
{
	switch (value->state) {
	case ATTR_SET:
		return WORD_TEXT;
	case ATTR_UNSET:
		return WORD_BINARY;
	case ATTR_VALUE:
		if (strcmp(value->value, "input") == 0)
			return WORD_INPUT;
		if (strcmp(value->value, "auto") == 0)
			return WORD_AUTO;
		return WORD_NONE;
	default:
		return WORD_NONE;
	}
}

static bool is_utf8(const char *name)
{
	return g_ascii_strcasecmp(name, "utf-8") == 0 || g_ascii_strcasecmp(name, "utf8") == 0;
}

/* `crlf` is the old name of `text` and counts only where `text` says nothing. */
struct convert_plan convert_plan_make(const struct attr_values *values, enum repo_autocrlf autocrlf)
{
	struct convert_plan plan = {0};
	const struct attr_value *eol = &values->list[ATTR_EOL];
	const struct attr_value *filter = &values->list[ATTR_FILTER];
	const struct attr_value *encoding = &values->list[ATTR_ENCODING];
	enum crlf_word word = word_of(&values->list[ATTR_TEXT]);

	if (word == WORD_NONE)
		word = word_of(&values->list[ATTR_CRLF]);
	/* eol=lf and eol=crlf declare text, unless `text` is auto or unset. */
	if (word == WORD_NONE && eol->state == ATTR_VALUE &&
		(strcmp(eol->value, "lf") == 0 || strcmp(eol->value, "crlf") == 0))
		word = WORD_TEXT;
	switch (word) {
	case WORD_TEXT:
	case WORD_INPUT:
		plan.eol = CONVERT_EOL_TEXT;
		break;
	case WORD_AUTO:
		plan.eol = CONVERT_EOL_AUTO;
		break;
	case WORD_NONE:
		if (autocrlf == REPO_AUTOCRLF_TRUE || autocrlf == REPO_AUTOCRLF_INPUT)
			plan.eol = CONVERT_EOL_AUTO;
		break;
	default:
		break;
	}
	plan.has_ident = values->list[ATTR_IDENT].state == ATTR_SET;
	if (filter->state == ATTR_VALUE)
		plan.filter = filter->value;
	plan.has_encoding = encoding->state == ATTR_VALUE && encoding->value[0] != '\0' &&
			    !is_utf8(encoding->value);
	return plan;
}

/* git's rule: a lone CR or a zero byte, or more than one odd byte in 128, is binary. */
struct convert_facts convert_look(const char *data, gsize len)
{
	gsize printable = 0, odd = 0;
	struct convert_facts facts = {0};

	for (gsize i = 0; i < len; i++) {
		unsigned char ch = (unsigned char)data[i];
		if (ch == '\r') {
			if (i + 1 < len && data[i + 1] == '\n') {
				facts.has_crlf = true;
				i++;
			} else {
				facts.is_binary = true;
			}
		} else if (ch == '\n') {
			continue;
		} else if (ch == 0) {
			facts.is_binary = true;
		} else if (ch == 127 ||
			   (ch < 32 && ch != '\b' && ch != '\t' && ch != 27 && ch != '\f')) {
			odd++;
		} else {
			printable++;
		}
	}
	/* A file may end in ^Z, DOS' end of file. */
	if (len > 0 && data[len - 1] == 26)
		odd--;
	facts.is_binary |= printable >> 7 < odd;
	return facts;
}

gsize convert_to_lf(char *data, gsize len, bool is_auto)
{
	gsize to = 0;

	for (gsize i = 0; i < len; i++)
		if (data[i] != '\r' || (!is_auto && (i + 1 == len || data[i + 1] != '\n')))
			data[to++] = data[i];
	return to;
}

/* Only up to the end of the line, and only what looks like `$Id: … $`. */
gsize convert_ident(char *data, gsize len)
{
	gsize to = 0, i = 0;

	while (i < len) {
		if (data[i] == '$' && len - i > 4 && memcmp(data + i, "$Id:", 4) == 0) {
			const char *from = data + i + 4;
			gsize rest = len - i - 4;
			const char *dollar = memchr(from, '$', rest);
			const char *newline = memchr(from, '\n', rest);
			if (dollar != NULL && (newline == NULL || newline > dollar)) {
				memcpy(data + to, "$Id$", 4);
				to += 4;
				i = (gsize)(dollar - data) + 1;
				continue;
			}
		}
		data[to++] = data[i++];
	}
	return to;
}

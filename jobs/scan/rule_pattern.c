/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule_pattern.h"

#include <string.h>

gboolean pattern_take(struct pattern_reader *r, const char *text)
{
	if (!g_str_has_prefix(r->at, text))
		return FALSE;
	r->at += strlen(text);
	return TRUE;
}

void pattern_take_class(struct pattern_reader *r)
{
	r->at++;
	r->at += *r->at == '^';
	r->at += *r->at == ']';
	for (; *r->at && *r->at != ']'; r->at++) {
		const char *end = *r->at == '[' && r->at[1] == ':' ? strstr(r->at, ":]") : NULL;
		if (end != NULL)
			r->at = end + 1;
		else if (*r->at == '\\' && r->at[1])
			r->at++;
	}
	r->is_bad |= *r->at != ']';
	r->at += *r->at == ']';
}

gboolean pattern_take_escape(struct pattern_reader *r)
{
	char what = r->at[1];

	r->at += what ? 2 : 1;
	if (what == 'x' && *r->at == '{') {
		r->at += strcspn(r->at, "}");
		r->at += *r->at == '}';
		return TRUE;
	}
	if (what == 'x') {
		for (guint i = 0; i < 2 && g_ascii_isxdigit(*r->at); i++)
			r->at++;
		return TRUE;
	}
	if (what == 'p' || what == 'P') {
		if (*r->at == '{')
			r->at += strcspn(r->at, "}");
		r->at += *r->at != '\0';
		return FALSE;
	}
	/* Numbers, \Q, \K and what else is rare. */
	r->is_bad |= what == '\0' || g_ascii_isdigit(what) || strchr("QEKGRXNCouUgk", what) != NULL;
	return !g_ascii_isalnum(what) || strchr("nrtfae", what) != NULL;
}

enum pattern_group pattern_take_group(struct pattern_reader *r, gsize *flags_len)
{
	const char *open = r->at++;

	*flags_len = 0;
	if (pattern_take(r, "?=") || pattern_take(r, "?!") || pattern_take(r, "?<=") ||
		pattern_take(r, "?<!"))
		return PATTERN_GROUP_LOOK;
	if (pattern_take(r, "?P<") || pattern_take(r, "?<")) {
		r->at += strcspn(r->at, ">");
		r->is_bad |= *r->at != '>';
		r->at += *r->at == '>';
		return PATTERN_GROUP_PLAIN;
	}
	if (*r->at != '?')
		return PATTERN_GROUP_PLAIN;
	r->at += 1 + strspn(r->at + 1, "imsU-");
	*flags_len = (gsize)(r->at - open);
	if (pattern_take(r, ")"))
		return PATTERN_GROUP_FLAGS;
	r->is_bad |= *r->at != ':';
	r->at += *r->at == ':';
	return PATTERN_GROUP_PLAIN;
}

static guint take_number(struct pattern_reader *r)
{
	char *end;
	guint64 number = g_ascii_strtoull(r->at, &end, 10);

	r->at = end;
	return (guint)MIN(number, 65535);
}

struct pattern_repeat pattern_take_repeat(struct pattern_reader *r)
{
	struct pattern_repeat n = {1, 1};

	if (*r->at == '*' || *r->at == '+' || *r->at == '?') {
		n.least = *r->at == '+';
		n.most = *r->at == '?' ? 1 : G_MAXUINT;
		r->at++;
	} else if (*r->at == '{' && g_ascii_isdigit(r->at[1])) {
		r->at++;
		n.least = n.most = take_number(r);
		if (pattern_take(r, ","))
			n.most = g_ascii_isdigit(*r->at) ? take_number(r) : G_MAXUINT;
		r->is_bad |= !pattern_take(r, "}");
	} else {
		return n;
	}
	if (*r->at == '?' || *r->at == '+')
		r->at++;
	return n;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/git_bytes.h"

#include <string.h>

#define PARENT_BYTES (sizeof("parent \n") - 1 + OID_HEX)
#define TREE_LINE_BYTES (sizeof("tree \n") - 1 + OID_HEX)
#define OBJECT_LINE_BYTES (sizeof("object \n") - 1 + OID_HEX)
#define MODE_DIGITS_MAX 7
#define TIME_MAX (G_GINT64_CONSTANT(1) << 50) /* far beyond any date, far from overflow */

gboolean tree_bytes_next(const guint8 **at, const guint8 *end, struct tree_bytes_entry *entry)
{
	const guint8 *p = *at;
	guint32 mode = 0;

	if (end - p < 3 + OID_BYTES)
		return FALSE;
	const guint8 *digits_end = p + MIN(MODE_DIGITS_MAX, end - p);
	for (; p < digits_end && *p >= '0' && *p <= '7'; p++)
		mode = mode << 3 | (guint32)(*p - '0');
	if (p == *at || p == end || *p != ' ')
		return FALSE;
	p++;
	const guint8 *nul = memchr(p, 0, (gsize)(end - p));
	if (nul == NULL || nul == p || end - nul <= OID_BYTES || nul - p > G_MAXINT32)
		return FALSE;
	entry->name = (const char *)p;
	entry->name_len = (guint32)(nul - p);
	entry->mode = mode;
	entry->oid = (const struct oid *)(nul + 1);
	*at = nul + 1 + OID_BYTES;
	return TRUE;
}

int tree_bytes_compare(const struct tree_bytes_entry *a, const struct tree_bytes_entry *b)
{
	guint32 len = MIN(a->name_len, b->name_len);
	int c = memcmp(a->name, b->name, len);

	if (c != 0)
		return c;
	guint8 x = a->name_len > len                                  ? (guint8)a->name[len]
		   : (a->mode & TREE_BYTES_KIND) == TREE_BYTES_FOLDER ? '/'
								      : '\0';
	guint8 y = b->name_len > len                                  ? (guint8)b->name[len]
		   : (b->mode & TREE_BYTES_KIND) == TREE_BYTES_FOLDER ? '/'
								      : '\0';
	return (x > y) - (x < y);
}

/* The next line without its newline; FALSE at the end of the bytes. */
static gboolean line_next(const guint8 **at, const guint8 *end, struct bytes_text *line)
{
	if (*at >= end)
		return FALSE;
	const guint8 *newline = memchr(*at, '\n', (gsize)(end - *at));
	line->at = (const char *)*at;
	line->len = (gsize)((newline != NULL ? newline : end) - *at);
	*at = newline != NULL ? newline + 1 : end;
	return TRUE;
}

static gboolean line_has(const struct bytes_text *line, const char *word, struct bytes_text *rest)
{
	gsize len = strlen(word);

	if (line->len < len || memcmp(line->at, word, len) != 0)
		return FALSE;
	rest->at = line->at + len;
	rest->len = line->len - len;
	return TRUE;
}

static const char *digits_parse(const char *at, const char *end, gint64 *value)
{
	gint64 number = 0;

	for (; at < end && g_ascii_isdigit(*at); at++)
		if (number < TIME_MAX)
			number = number * 10 + (*at - '0');
	*value = number < TIME_MAX ? number : 0;
	return at;
}

static gboolean is_sign(const char *at, const char *end)
{
	return at < end && (*at == '-' || *at == '+');
}

static const char *spaces_skip(const char *at, const char *end)
{
	while (at < end && *at == ' ')
		at++;
	return at;
}

/* The last '>' ends the address, as git looks for it: names may hold anything else. */
static void person_parse(struct bytes_person *person, struct bytes_text text)
{
	const char *end = text.at + text.len;
	const char *close = memrchr(text.at, '>', text.len);
	const char *open = memchr(text.at, '<', text.len);

	memset(person, 0, sizeof(*person));
	person->name = text;
	person->mail = (struct bytes_text){end, 0};
	if (open != NULL) {
		person->name.len = (gsize)(open - text.at);
		const char *mail_end = close != NULL && close > open ? close : end;
		person->mail = (struct bytes_text){open + 1, (gsize)(mail_end - open - 1)};
	}
	while (person->name.len > 0 && person->name.at[person->name.len - 1] == ' ')
		person->name.len--;
	if (close == NULL || (open != NULL && close < open))
		return;
	const char *at = spaces_skip(close + 1, end);
	gboolean is_before = at < end && *at == '-';
	at = digits_parse(at + is_before, end, &person->time_s);
	if (is_before)
		person->time_s = -person->time_s;
	at = spaces_skip(at, end);
	if (is_sign(at, end)) {
		gint64 zone;
		digits_parse(at + 1, end, &zone);
		if (zone < 2400 && zone % 100 < 60)
			person->zone_minutes =
				(gint16)((zone / 100 * 60 + zone % 100) * (*at == '-' ? -1 : 1));
	}
}

/* "<word><40 hex>", the whole line. */
static gboolean name_parse(const guint8 *bytes, gsize len, const char *word, struct oid *oid)
{
	gsize word_len = strlen(word);

	return len >= word_len + OID_HEX && memcmp(bytes, word, word_len) == 0 &&
	       (len == word_len + OID_HEX || bytes[word_len + OID_HEX] == '\n') &&
	       oid_parse(oid, (const char *)bytes + word_len);
}

gboolean commit_bytes_parse(struct commit_bytes *commit, const guint8 *bytes, gsize len)
{
	const guint8 *at = bytes, *end = bytes + len;
	struct bytes_text line, rest;

	memset(commit, 0, sizeof(*commit));
	if (len < TREE_LINE_BYTES || !name_parse(bytes, len, "tree ", &commit->tree))
		return FALSE;
	at += TREE_LINE_BYTES;
	commit->parents = at;
	while ((gsize)(end - at) >= PARENT_BYTES && memcmp(at, "parent ", 7) == 0 &&
		at[PARENT_BYTES - 1] == '\n') {
		at += PARENT_BYTES;
		commit->parent_count++;
	}
	while (line_next(&at, end, &line) && line.len > 0) {
		if (commit->author.name.at == NULL && line_has(&line, "author ", &rest))
			person_parse(&commit->author, rest);
		else if (commit->committer.name.at == NULL && line_has(&line, "committer ", &rest))
			person_parse(&commit->committer, rest);
		else if (commit->encoding.at == NULL && line_has(&line, "encoding ", &rest))
			commit->encoding = rest;
	}
	commit->message = (struct bytes_text){(const char *)at, (gsize)(end - at)};
	return TRUE;
}

gboolean commit_bytes_parent(const struct commit_bytes *commit, guint at, struct oid *oid)
{
	return name_parse(commit->parents + (gsize)at * PARENT_BYTES, PARENT_BYTES, "parent ", oid);
}

gboolean tag_bytes_parse(struct tag_bytes *tag, const guint8 *bytes, gsize len)
{
	const guint8 *at = bytes, *end = bytes + len;
	struct bytes_text line, rest;

	memset(tag, 0, sizeof(*tag));
	if (len < OBJECT_LINE_BYTES || !name_parse(bytes, len, "object ", &tag->object))
		return FALSE;
	at += OBJECT_LINE_BYTES;
	while (line_next(&at, end, &line) && line.len > 0) {
		if (tag->type.at == NULL && line_has(&line, "type ", &rest))
			tag->type = rest;
		else if (tag->name.at == NULL && line_has(&line, "tag ", &rest))
			tag->name = rest;
		else if (tag->tagger.name.at == NULL && line_has(&line, "tagger ", &rest))
			person_parse(&tag->tagger, rest);
	}
	return TRUE;
}

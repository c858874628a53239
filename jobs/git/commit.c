/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/commit.h"

#include <string.h>

#define TEXT_READ_MAX_BYTES 4096

static gboolean starts(const char *at, const char *end, const char *word)
{
	gsize len = strlen(word);

	return (gsize)(end - at) >= len && !memcmp(at, word, len);
}

/* "Name <mail> 1234567890 +0100" */
static void person_parse(const char *at, const char *end, struct commit_text *name,
	struct commit_text *mail, gint64 *time)
{
	const char *close = end;
	const char *open = memchr(at, '<', (gsize)(end - at));

	while (close > at && close[-1] != '>')
		close--;
	if (open == NULL || close <= open + 1)
		return;
	const char *name_end = open;
	while (name_end > at && name_end[-1] == ' ')
		name_end--;
	if (name != NULL)
		*name = (struct commit_text){at, (gsize)(name_end - at)};
	if (mail != NULL)
		*mail = (struct commit_text){open + 1, (gsize)(close - 1 - (open + 1))};
	if (time == NULL)
		return;
	g_autofree char *rest = g_strndup(close, (gsize)(end - close));
	*time = g_ascii_strtoll(rest, NULL, 10);
}

gboolean commit_parse(struct commit *commit, const char *data, gsize len)
{
	const char *end = data + len;
	const char *at = data;

	*commit = (struct commit){.parents = NULL};
	if (!starts(at, end, "tree ") || end - at < 46 || !oid_parse(&commit->tree, at + 5) ||
		at[45] != '\n')
		return FALSE;
	at += 46;
	commit->parents = at;
	while (starts(at, end, "parent ") && end - at >= COMMIT_PARENT_BYTES &&
		at[COMMIT_PARENT_BYTES - 1] == '\n') {
		commit->parent_count++;
		at += COMMIT_PARENT_BYTES;
	}
	while (at < end && *at != '\n') {
		const char *line_end = memchr(at, '\n', (gsize)(end - at));
		if (line_end == NULL)
			line_end = end;
		if (starts(at, line_end, "author "))
			person_parse(
				at + 7, line_end, &commit->author_name, &commit->author_mail, NULL);
		else if (starts(at, line_end, "committer "))
			person_parse(at + 10, line_end, NULL, NULL, &commit->time);
		else if (starts(at, line_end, "encoding "))
			commit->encoding = (struct commit_text){at + 9, (gsize)(line_end - at - 9)};
		else if (starts(at, line_end, "gpgsig ") || starts(at, line_end, "gpgsig-sha256 "))
			commit->is_signed = true;
		at = line_end < end ? line_end + 1 : end;
	}
	while (at < end && *at == '\n')
		at++;
	const char *subject_end = memchr(at, '\n', (gsize)(end - at));
	commit->subject =
		(struct commit_text){at, (gsize)((subject_end != NULL ? subject_end : end) - at)};
	return TRUE;
}

gboolean commit_parent(const struct commit *commit, gsize at, struct oid *oid)
{
	return oid_parse(oid, commit->parents + at * COMMIT_PARENT_BYTES + 7);
}

char *commit_text_format(
	const struct commit *commit, const struct commit_text *text, gsize max_bytes)
{
	gsize len = MIN(text->len, (gsize)TEXT_READ_MAX_BYTES);
	g_autofree char *raw = NULL;

	if (text->at != NULL && commit->encoding.len > 0 && commit->encoding.len < 40) {
		g_autofree char *from = g_strndup(commit->encoding.at, commit->encoding.len);
		raw = g_convert(text->at, (gssize)len, "UTF-8", from, NULL, NULL, NULL);
	}
	if (raw == NULL)
		raw = g_utf8_make_valid(text->at != NULL ? text->at : "", (gssize)len);
	GString *out = g_string_new(NULL);
	for (const char *at = raw; *at != '\0'; at = g_utf8_next_char(at)) {
		gunichar code = g_utf8_get_char(at);
		/* Control and bidirectional characters could make it read as something else. */
		if (g_unichar_iscntrl(code) || (code >= 0x2028 && code <= 0x202e) ||
			(code >= 0x2066 && code <= 0x2069))
			code = ' ';
		char bytes[6];
		gsize bytes_len = (gsize)g_unichar_to_utf8(code, bytes);
		if (out->len + bytes_len > max_bytes)
			break;
		g_string_append_len(out, bytes, (gssize)bytes_len);
	}
	return g_string_free(out, FALSE);
}

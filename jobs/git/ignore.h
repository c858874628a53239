/* SPDX-License-Identifier: MIT */
/*
 * The patterns of .gitignore and .gitattributes files, by gitignore(5)'s rules.
 *
 * A list is one file's patterns; which lists apply to a path, in which order, the walk knows.
 * Matching is bounded: a pattern that backtracks without end (hostile ones do) does not match.
 * Caps: 16 MiB and 100 000 patterns a file.
 *
 * Ownership: a list owns its patterns' bytes.
 *
 *	g_autoptr(IgnoreList) list = ignore_list_new(data, len, "src/");
 *	if (ignore_list_match(list, "src/a.o", 7, 4, false, false) == IGNORE_YES)
 *		…
 */
#ifndef MUSTER_JOBS_GIT_IGNORE_H
#define MUSTER_JOBS_GIT_IGNORE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define IGNORE_FILE_MAX_BYTES (16 * 1024 * 1024)
#define IGNORE_PATTERNS_MAX 100000

enum ignore_answer {
	IGNORE_UNDECIDED,
	IGNORE_YES,
	IGNORE_NO, /* a negated pattern matched */
};

/* One pattern, as parsed from a line. Text is not zero-terminated at len. */
struct ignore_pattern {
	const char *text;
	uint32_t len;
	uint32_t literal_len; /* bytes before the first special character */
	bool is_negative;
	bool is_folder_only; /* ended in a slash */
	bool is_name_only;   /* no slash: matches the last part of a path */
	bool is_suffix;      /* `*` and then nothing special */
};

struct ignore_list {
	char *text; /* the file's bytes, cut into lines */
	char *base; /* folder of the file: "" or "src/" */
	gsize base_len;
	GArray *patterns; /* struct ignore_pattern */
};
typedef struct ignore_list IgnoreList; /* for g_autoptr */

/* Takes `data` (len bytes and one zero byte behind). Never fails: what cannot be a pattern is none.
 */
struct ignore_list *ignore_list_new(char *data, gsize len, const char *base);
/* The file `name` under dir_fd; NULL when it is not there or cannot be read. */
struct ignore_list *ignore_list_load(int dir_fd, const char *name, int flags, const char *base);
void ignore_list_free(struct ignore_list *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(IgnoreList, ignore_list_free)

/* `path` is relative to the top, without a slash at its end; its last part begins at `name_at`. */
enum ignore_answer ignore_list_match(const struct ignore_list *list, const char *path,
	gsize path_len, gsize name_at, bool is_folder, bool is_ignorecase);

/* The parts, for attributes: parse one pattern in place; match it below `base`. */
void ignore_pattern_parse(struct ignore_pattern *pattern, const char *text, gsize len);
bool ignore_pattern_match(const struct ignore_pattern *pattern, const char *base, gsize base_len,
	const char *path, gsize path_len, gsize name_at, bool is_ignorecase);

/* Shell pattern against text. `is_path`: `*`, `?` and sets do not match a slash, `**` does. */
bool wildmatch(const char *pattern, gsize pattern_len, const char *text, gsize text_len,
	bool is_path, bool is_ignorecase);

#endif

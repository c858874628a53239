/* SPDX-License-Identifier: MIT */
/*
 * The attributes of a path that decide how its file compares with its blob: text, crlf, eol, ident,
 * filter and working-tree-encoding, with macros, by gitattributes(5)'s rules. No other is kept.
 *
 * A list is one file's lines. Lists are asked from the strongest (info/attributes, then the path's
 * own folder, then each parent, the person's, the system's); what a list decides, later ones leave.
 * Macros come from the files at the top only, as in git.
 *
 * Ownership: a list owns its text; values in `struct attr_values` are borrowed from lists.
 *
 *	struct attr_values v;
 *	attr_values_init(&v);
 *	attr_list_apply(list, &macros, "src/a.c", 7, 4, false, &v);
 */
#ifndef MUSTER_JOBS_GIT_ATTR_H
#define MUSTER_JOBS_GIT_ATTR_H

#include "jobs/git/ignore.h"

enum attr_name {
	ATTR_TEXT,
	ATTR_CRLF,
	ATTR_EOL,
	ATTR_IDENT,
	ATTR_FILTER,
	ATTR_ENCODING,
	ATTR_COUNT,
};

enum attr_state {
	ATTR_UNDECIDED, /* no line has said anything yet */
	ATTR_UNSPECIFIED,
	ATTR_SET,
	ATTR_UNSET,
	ATTR_VALUE,
};

struct attr_value {
	enum attr_state state;
	const char *value; /* of ATTR_VALUE */
};

/* As in git, what is said of a name first counts, and a macro is expanded once a path. */
#define ATTR_OTHERS_MAX 64

struct attr_values {
	struct attr_value list[ATTR_COUNT];
	const char *others[ATTR_OTHERS_MAX]; /* names of other attributes and macros met so far */
	unsigned others_count;
};

struct attr_list;
typedef struct attr_list AttrList; /* for g_autoptr */

/* Every [attr] line of the files that may hold them. */
struct attr_macros {
	GPtrArray *list; /* struct attr_list, strongest first, borrowed */
};

/* Takes `data`, one zero byte behind len. `is_top`: [attr] lines count. */
struct attr_list *attr_list_new(char *data, gsize len, const char *base, bool is_top);
struct attr_list *attr_list_load(
	int dir_fd, const char *name, int flags, const char *base, bool is_top);
void attr_list_free(struct attr_list *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AttrList, attr_list_free)

void attr_values_init(struct attr_values *values);
void attr_list_apply(const struct attr_list *list, const struct attr_macros *macros,
	const char *path, gsize path_len, gsize name_at, bool is_ignorecase,
	struct attr_values *values);

#endif

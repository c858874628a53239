/* SPDX-License-Identifier: MIT */
/*
 * Reading git's configuration files.
 *
 * One pass over a file's bytes gives a flat list of (section, subsection, key, value) in the
 * file's order; the last one wins, as in git. This is for looking at what a repository says about
 * itself, and it refuses to be more: a repository's include.path is not followed (it must not name
 * files of ours), includeIf nowhere, no value is ever run, no file is written.
 *
 * Caps: 1 MiB a file, 20 000 entries. A file beyond them, or one that git would not parse, is an
 * error of code MUSTER_ERROR_INPUT.
 *
 * Ownership: the lists own all their strings; a `const char *` result is borrowed from them.
 *
 *	g_autoptr(Gitconfig) c = gitconfig_new();
 *	if (!gitconfig_parse(c, data, len, error))
 *		return FALSE;
 *	const char *url = gitconfig_find(c, "remote", "origin", "url");
 */
#ifndef MUSTER_JOBS_GIT_GITCONFIG_H
#define MUSTER_JOBS_GIT_GITCONFIG_H

#include <glib.h>

#define GITCONFIG_FILE_MAX_BYTES (1024 * 1024)
#define GITCONFIG_ENTRIES_MAX 20000

/* section and key are lower case, subsection is as written or NULL, value NULL means `key` alone.
 */
struct gitconfig_entry {
	const char *section;
	const char *subsection;
	const char *key;
	const char *value;
};

struct gitconfig {
	GArray *entries; /* struct gitconfig_entry, file order */
	GStringChunk *text;
};
typedef struct gitconfig Gitconfig; /* for g_autoptr */

struct gitconfig *gitconfig_new(void);
void gitconfig_free(struct gitconfig *c);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Gitconfig, gitconfig_free)

/* Adds the entries of one file's bytes. Entries read before an error stay in the list. */
gboolean gitconfig_parse(struct gitconfig *c, const char *data, gsize len, GError **error);

/*
 * Adds the entries of `name` under the folder `dir_fd` (AT_FDCWD for a path). A file that is not
 * there, or may not be read, or is no regular file adds nothing and is no error.
 */
gboolean gitconfig_load(struct gitconfig *c, int dir_fd, const char *name, GError **error);

/* The values of the person who runs this: /etc/gitconfig, XDG's git/config, ~/.gitconfig, in git's
 * order, with the files they include. Broken ones are left out. Read once, share read-only. */
struct gitconfig *gitconfig_new_user(void);

/* The last value; NULL when missing. A bare `key` gives "true". */
const char *gitconfig_find(
	const struct gitconfig *c, const char *section, const char *subsection, const char *key);

/* Git's booleans (true yes on 1, false no off 0 and empty); `otherwise` when missing or no bool. */
gboolean gitconfig_bool(const char *value, gboolean otherwise);

#endif

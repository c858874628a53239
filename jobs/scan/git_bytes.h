/* SPDX-License-Identifier: MIT */
/*
 * Trees, commits and tags taken apart where they lie: nothing is copied, members point into the
 * bytes given.
 *
 * As lenient as git is when it reads: a header that is not understood is skipped, a time that is no
 * number is 0, a name without an address is a name. Refused is what makes an object useless: a
 * commit without a tree, a tag without an object, an entry that runs out of its tree.
 *
 *	const guint8 *at = bytes, *end = bytes + len;
 *	struct tree_bytes_entry e;
 *	while (tree_bytes_next(&at, end, &e))
 *		…
 *	if (at != end)
 *		… the tree is broken from here on
 */
#ifndef JOBS_SCAN_GIT_BYTES_H
#define JOBS_SCAN_GIT_BYTES_H

#include "lib/oid.h"

#define TREE_BYTES_FOLDER 0040000u
#define TREE_BYTES_LINK 0120000u
#define TREE_BYTES_SUBMODULE 0160000u
#define TREE_BYTES_KIND 0170000u

struct tree_bytes_entry {
	const char *name; /* not terminated by itself, but the byte behind it is NUL */
	guint32 name_len; /* at least 1 */
	guint32 mode;
	const struct oid *oid; /* unaligned, as bytes are */
};

/*
 * One entry, which begins at *at; *at moves behind it. FALSE at the end and at a broken entry, with
 * *at as it was: then *at != end.
 */
gboolean tree_bytes_next(const guint8 **at, const guint8 *end, struct tree_bytes_entry *entry);

/* The order of entries in a tree: a folder's name as if a slash were behind it. */
int tree_bytes_compare(const struct tree_bytes_entry *a, const struct tree_bytes_entry *b);

struct bytes_text {
	const char *at;
	gsize len;
};

/* "Name <address> 1700000000 +0100" */
struct bytes_person {
	struct bytes_text name, mail;
	gint64 time_s;       /* Unix seconds, UTC; 0 when unreadable */
	gint16 zone_minutes; /* east of UTC, -1439 to 1439 */
};

struct commit_bytes {
	struct oid tree;
	const guint8 *parents; /* lines "parent <hex>\n", see commit_bytes_parent() */
	guint parent_count;
	struct bytes_person author, committer;
	struct bytes_text encoding; /* empty: UTF-8 */
	struct bytes_text message;
};

/* FALSE when it begins with no tree line. */
gboolean commit_bytes_parse(struct commit_bytes *commit, const guint8 *bytes, gsize len);

/* FALSE when that line holds no name of an object. at < parent_count. */
gboolean commit_bytes_parent(const struct commit_bytes *commit, guint at, struct oid *oid);

struct tag_bytes {
	struct oid object;
	struct bytes_text type, name;
	struct bytes_person tagger; /* old tags have none: empty */
};

/* FALSE when it begins with no object line. */
gboolean tag_bytes_parse(struct tag_bytes *tag, const guint8 *bytes, gsize len);

#endif

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_tips.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/git/readfile.h"
#include "lib/error.h"

#define REFLOG_BYTES_MAX (16 * 1024 * 1024)
#define SHALLOW_BYTES_MAX (16 * 1024 * 1024)
#define COMMIT_BYTES_MAX (16 * 1024 * 1024)
#define WORKTREE_DEPTH_MAX 8
#define WORKTREE_REFS_MAX 10000
#define TIPS_MAX 2000000

void scan_tips_add(
	struct scan_tips *tips, const char *name, const struct oid *oid, gboolean is_head)
{
	struct history_tip tip = {g_string_chunk_insert(tips->names, name), *oid, is_head};

	g_array_append_val(tips->list, tip);
}

void scan_tips_clear(struct scan_tips *tips)
{
	if (tips->list == NULL)
		return;
	g_array_unref(tips->list);
	g_array_unref(tips->shallow);
	g_string_chunk_free(tips->names);
	tips->list = NULL;
}

static void shallow_read(struct scan_tips *tips, const struct repo *r)
{
	g_autofree char *data = NULL;
	struct oid oid;
	gsize len;

	if (readfile_load(r->commondir_fd, "shallow", 0, SHALLOW_BYTES_MAX, &data, &len) !=
		READFILE_OK)
		return;
	for (const char *at = data; at != NULL && *at != '\0'; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strnlen(at, OID_HEX) == OID_HEX && oid_parse(&oid, at))
			g_array_append_val(tips->shallow, oid);
	}
}

void scan_tips_init(struct scan_tips *tips, const struct repo *r)
{
	*tips = (struct scan_tips){
		.list = g_array_new(FALSE, TRUE, sizeof(struct history_tip)),
		.shallow = g_array_new(FALSE, TRUE, sizeof(struct oid)),
		.names = g_string_chunk_new(4096),
	};
	shallow_read(tips, r);
}

/*
 * Entries of the stash but the newest, which refs/stash names: the new side of each line, in git's
 * way of counting. Tags and branches cannot be taken for them: no ref holds a brace after an '@'.
 */
static void stash_read(struct scan_tips *tips, const struct repo *r)
{
	g_autoptr(GArray) oids = g_array_new(FALSE, FALSE, sizeof(struct oid));
	g_autofree char *data = NULL;
	gsize len;

	if (readfile_load(r->commondir_fd, "logs/refs/stash", 0, REFLOG_BYTES_MAX, &data, &len) !=
		READFILE_OK)
		return;
	for (const char *at = data; at != NULL && *at != '\0'; at = strchr(at, '\n')) {
		struct oid oid;
		at += *at == '\n';
		if (strnlen(at, 2 * OID_HEX + 1) == 2 * OID_HEX + 1 && at[OID_HEX] == ' ' &&
			oid_parse(&oid, at + OID_HEX + 1))
			g_array_append_val(oids, oid);
	}
	for (guint i = 1; i < oids->len; i++) {
		g_autofree char *name = g_strdup_printf("stash@{%u}", i);
		scan_tips_add(
			tips, name, &g_array_index(oids, struct oid, oids->len - 1 - i), FALSE);
	}
}

static void worktree_head_read(
	struct scan_tips *tips, const struct repo *r, const char *file, const char *name)
{
	char text[OID_HEX + 2];
	struct oid oid;

	if (readfile_small(r->commondir_fd, file, text, sizeof(text)) >= OID_HEX &&
		oid_parse(&oid, text))
		scan_tips_add(tips, name, &oid, FALSE);
}

static gint name_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Refs below a folder of another worktree, by name relative to the common git folder. */
static void worktree_refs_read(struct scan_tips *tips, const struct repo *r, const char *folder,
	const char *name, guint depth)
{
	g_autofree char *full = g_build_filename(r->commondir, folder, NULL);
	g_autoptr(GDir) dir =
		depth < WORKTREE_DEPTH_MAX && !g_file_test(full, G_FILE_TEST_IS_SYMLINK)
			? g_dir_open(full, 0, NULL)
			: NULL;
	g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(g_free);
	const char *entry;

	while (dir != NULL && (entry = g_dir_read_name(dir)) != NULL)
		if (entries->len < WORKTREE_REFS_MAX)
			g_ptr_array_add(entries, g_strdup(entry));
	/* Tips have an order, folders do not. */
	g_ptr_array_sort(entries, name_compare);
	for (guint i = 0; i < entries->len && tips->list->len < TIPS_MAX; i++) {
		g_autofree char *file = g_build_filename(folder, entries->pdata[i], NULL);
		g_autofree char *shown = g_build_filename(name, entries->pdata[i], NULL);
		worktree_head_read(tips, r, file, shown);
		worktree_refs_read(tips, r, file, shown, depth + 1);
	}
}

/* What only this worktree has: a HEAD on no branch, and refs; gitrepository-layout(5). */
static void worktree_read(
	struct scan_tips *tips, const struct repo *r, const char *folder, const char *name)
{
	static const char *const own[] = {"refs/bisect", "refs/worktree", "refs/rewritten"};
	g_autofree char *head = g_build_filename(folder, "HEAD", NULL);
	g_autofree char *head_name = g_build_filename(name, "HEAD", NULL);

	worktree_head_read(tips, r, head, head_name);
	for (gsize i = 0; i < G_N_ELEMENTS(own); i++) {
		g_autofree char *refs = g_build_filename(folder, own[i], NULL);
		g_autofree char *refs_name = g_build_filename(name, own[i], NULL);
		worktree_refs_read(tips, r, refs, refs_name, 0);
	}
}

/*
 * What only other worktrees have, by git's names. What is known of a repository is known from all
 * of its worktrees, so each has to see the same, the main one's, too.
 */
static void worktrees_read(struct scan_tips *tips, const struct repo *r)
{
	g_autoptr(GPtrArray) list = repo_worktree_list(r);

	gboolean is_linked = strcmp(r->gitdir, r->commondir) != 0;

	if (is_linked)
		worktree_read(tips, r, "", "main-worktree");
	for (guint i = 0; list != NULL && i < list->len; i++) {
		const struct repo_worktree *worktree = list->pdata[i];
		g_autofree char *name = g_build_filename("worktrees", worktree->name, NULL);
		g_autofree char *head = g_build_filename(name, "HEAD", NULL);
		/* Refs of the one that is asked are there as others are. */
		if (is_linked && g_str_has_suffix(r->gitdir, name))
			worktree_head_read(tips, r, head, head);
		else
			worktree_read(tips, r, name, name);
	}
}

static void head_set(struct scan_tips *tips, const struct refs *refs)
{
	tips->has_head =
		refs->head.state == HEAD_STATE_BRANCH || refs->head.state == HEAD_STATE_DETACHED;
	tips->head = refs->head.oid;
}

gboolean scan_tips_read(struct scan_tips *tips, const struct repo *r, GError **error)
{
	g_autoptr(Refs) refs = refs_read(r, error);

	if (refs == NULL)
		return FALSE;
	scan_tips_init(tips, r);
	head_set(tips, refs);
	gboolean is_named = FALSE;
	for (gsize i = 0; i < refs->count; i++) {
		const struct ref *ref = &refs->list[i];
		if (ref->is_symbolic)
			continue;
		gboolean is_head =
			refs->head.state == HEAD_STATE_BRANCH && !strcmp(refs->head.ref, ref->name);
		is_named |= is_head;
		scan_tips_add(tips, ref->name, &ref->oid, is_head);
	}
	if (tips->has_head && !is_named)
		scan_tips_add(tips, "HEAD", &tips->head, TRUE);
	stash_read(tips, r);
	worktrees_read(tips, r);
	return TRUE;
}

static const struct ref *ref_find(const struct refs *refs, const char *name)
{
	/* git's own order: gitrevisions(7). */
	static const char *const forms[] = {
		"%s", "refs/%s", "refs/tags/%s", "refs/heads/%s", "refs/remotes/%s"};
	const struct ref *ref = NULL;

	for (gsize i = 0; i < G_N_ELEMENTS(forms) && ref == NULL; i++) {
		g_auto(GStrv) parts = g_strsplit(forms[i], "%s", 2);
		g_autofree char *full = g_strconcat(parts[0], name, NULL);
		ref = refs_find(refs, full);
	}
	return ref;
}

gboolean scan_tips_read_one(
	struct scan_tips *tips, const struct repo *r, const char *name, GError **error)
{
	g_autoptr(Refs) refs = refs_read(r, error);

	if (refs == NULL)
		return FALSE;
	/* A branch comes before a tag of the same name: that is what was asked for. */
	g_autofree char *branch = g_strconcat("refs/heads/", name, NULL);
	const struct ref *ref = refs_find(refs, branch);
	if (ref == NULL)
		ref = ref_find(refs, name);
	gboolean is_head = !strcmp(name, "HEAD");
	if (ref == NULL && !(is_head && refs->head.state != HEAD_STATE_UNBORN)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"there is no branch or ref '%s'", name);
		return FALSE;
	}
	scan_tips_init(tips, r);
	head_set(tips, refs);
	if (ref != NULL)
		scan_tips_add(tips, ref->name, &ref->oid,
			refs->head.state == HEAD_STATE_BRANCH &&
				!strcmp(refs->head.ref, ref->name));
	else
		scan_tips_add(tips, "HEAD", &refs->head.oid, TRUE);
	return TRUE;
}

static gboolean hex_find(
	struct depot *depot, const char *text, gsize len, struct oid *oid, gboolean *is_ambiguous)
{
	guint found = 0;
	char hex[OID_HEX + 1];

	*is_ambiguous = FALSE;
	if (len == OID_HEX && oid_parse(oid, text))
		return TRUE;
	if (len < 4 || len > OID_HEX)
		return FALSE;
	for (gsize i = 0; i < len; i++)
		if (!g_ascii_isxdigit(text[i]))
			return FALSE;
	for (guint32 i = 0; i < depot_count(depot); i++) {
		oid_format(depot_oid(depot, i), hex);
		if (g_ascii_strncasecmp(hex, text, len) != 0 ||
			(depot_type(depot, i) != DEPOT_COMMIT && depot_type(depot, i) != DEPOT_TAG))
			continue;
		*oid = *depot_oid(depot, i);
		found++;
	}
	*is_ambiguous = found > 1;
	return found == 1;
}

/* A line "<key> <oid>" of an object's head, the number-th of them. */
static gboolean header_find(
	const guint8 *bytes, gsize len, const char *key, guint number, struct oid *oid)
{
	const char *at = (const char *)bytes, *end = at + len;
	gsize key_len = strlen(key);

	while (at < end && *at != '\n') {
		const char *newline = memchr(at, '\n', (gsize)(end - at));
		if (newline == NULL)
			newline = end;
		if ((gsize)(newline - at) >= key_len + 1 + OID_HEX && !memcmp(at, key, key_len) &&
			at[key_len] == ' ' && number-- == 0)
			return oid_parse(oid, at + key_len + 1);
		at = newline + 1;
	}
	return FALSE;
}

/* Tags are followed to what they name. */
static gboolean commit_read(struct depot_reader *reader, struct depot *depot, struct oid *oid,
	const guint8 **bytes, gsize *len)
{
	for (guint depth = 0; depth < 16; depth++) {
		enum depot_type type;
		guint32 number;
		if (!depot_find(depot, oid, &number) ||
			!depot_read(reader, number, COMMIT_BYTES_MAX, &type, bytes, len, NULL))
			return FALSE;
		if (type == DEPOT_COMMIT)
			return TRUE;
		if (type != DEPOT_TAG || !header_find(*bytes, *len, "object", 0, oid))
			return FALSE;
	}
	return FALSE;
}

/* "~3^2": to parents. */
static gboolean steps_follow(
	struct depot *depot, const char *steps, struct oid *oid, gboolean *is_understood)
{
	g_autoptr(DepotReader) reader = depot_reader_new(depot);
	const guint8 *bytes;
	gsize len;

	*is_understood = TRUE;
	while (*steps != '\0') {
		char kind = *steps++, *end;
		guint64 number = g_ascii_isdigit(*steps) ? g_ascii_strtoull(steps, &end, 10) : 1;
		if (kind != '~' && kind != '^') {
			*is_understood = FALSE;
			return FALSE;
		}
		steps = g_ascii_isdigit(*steps) ? end : steps;
		for (guint64 i = 0; i < (kind == '~' ? number : 1); i++)
			if (!commit_read(reader, depot, oid, &bytes, &len) ||
				(number > 0 &&
					!header_find(bytes, len, "parent",
						kind == '^' ? (guint)MIN(number, 65536) - 1 : 0,
						oid)))
				return FALSE;
	}
	return commit_read(reader, depot, oid, &bytes, &len);
}

gboolean scan_revision_find(const struct repo *r, struct depot *depot, const char *name,
	struct oid *oid, GError **error)
{
	gsize len = strcspn(name, "~^");
	g_autofree char *base = g_strndup(name, len);
	g_autoptr(Refs) refs = refs_read(r, error);
	gboolean is_ambiguous = FALSE, is_understood = TRUE;

	if (refs == NULL)
		return FALSE;
	const struct ref *ref = ref_find(refs, base);
	gboolean is_head = (!strcmp(base, "HEAD") || !strcmp(base, "@")) &&
			   refs->head.state != HEAD_STATE_UNBORN;
	if (is_head)
		*oid = refs->head.oid;
	else if (ref != NULL)
		*oid = ref->oid;
	if ((is_head || ref != NULL || hex_find(depot, base, len, oid, &is_ambiguous)) &&
		steps_follow(depot, name + len, oid, &is_understood))
		return TRUE;
	if (is_ambiguous || !is_understood)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			is_ambiguous ? "'%s' could be several commits"
				     : "'%s' is no name of a commit that is understood here",
			name);
	else
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "there is no commit '%s'", name);
	return FALSE;
}

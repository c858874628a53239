/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/refs.h"
#include "jobs/git/packed_refs.h"
#include "jobs/git/readfile.h"

#include "lib/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define SYMBOLIC_DEPTH_MAX 5
#define FOLDER_DEPTH_MAX 64
#define REF_LINE_MAX 4200

/* Source: git-check-ref-format(1), rules 1, 3 to 10. */
static gboolean name_is_valid(const char *name)
{
	gsize len = strlen(name);

	if (len == 0 || len > 4096 || name[len - 1] == '/' || name[len - 1] == '.')
		return FALSE;
	for (const char *at = name; *at != '\0'; at++) {
		unsigned char ch = (unsigned char)*at;
		if (ch < 32 || ch == 127 || strchr(" ~^:?*[\\", ch) != NULL)
			return FALSE;
		if ((at == name || at[-1] == '/') && (ch == '.' || ch == '/'))
			return FALSE;
		if ((ch == '.' && at[1] == '.') || (ch == '@' && at[1] == '{'))
			return FALSE;
		if (strncmp(at, ".lock", 5) == 0 && (at[5] == '\0' || at[5] == '/'))
			return FALSE;
	}
	return TRUE;
}

static int folder_of(const struct repo *r, const char *name)
{
	if (!g_str_has_prefix(name, "refs/") || g_str_has_prefix(name, "refs/bisect/") ||
		g_str_has_prefix(name, "refs/worktree/") ||
		g_str_has_prefix(name, "refs/rewritten/"))
		return r->gitdir_fd;
	return r->commondir_fd;
}

enum ref_found {
	REF_MISSING,
	REF_FOUND,
	REF_SYMBOLIC,
	REF_BROKEN
};

/* What one loose file says: an oid, or in `target` the name of another ref. */
static enum ref_found loose_read(int dir_fd, const char *name, struct oid *oid, char *target)
{
	char line[REF_LINE_MAX];
	gssize len = readfile_small(dir_fd, name, line, sizeof(line));

	if (len < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EISDIR ? REF_MISSING
									      : REF_BROKEN;
	if (len >= OID_HEX && oid_parse(oid, line) && !g_ascii_isxdigit(line[OID_HEX]))
		return REF_FOUND;
	if (strncmp(line, "ref:", 4) != 0)
		return REF_BROKEN;
	char *at = g_strstrip(line + 4);
	if (strlen(at) > REF_LINE_MAX - 100 || !name_is_valid(at))
		return REF_BROKEN;
	memcpy(target, at, strlen(at) + 1);
	return REF_SYMBOLIC;
}

/* Follows `name` to an oid; packed-refs is asked for what has no file. */
static enum ref_found ref_resolve(
	const struct repo *r, const struct packed_refs *packed, const char *name, struct oid *oid)
{
	char current[REF_LINE_MAX], target[REF_LINE_MAX];

	g_strlcpy(current, name, sizeof(current));
	for (int depth = 0; depth <= SYMBOLIC_DEPTH_MAX; depth++) {
		enum ref_found found = loose_read(folder_of(r, current), current, oid, target);
		if (found == REF_MISSING)
			return packed_refs_find(packed, current, oid) ? REF_FOUND : REF_MISSING;
		if (found != REF_SYMBOLIC)
			return found;
		g_strlcpy(current, target, sizeof(current));
	}
	return REF_BROKEN;
}

/* HEAD as a symbolic link is how git wrote it once, and may still. */
static gboolean head_link_read(const struct repo *r, char *target, gsize size)
{
	ssize_t len = readlinkat(r->gitdir_fd, "HEAD", target, size - 1);

	if (len < 0)
		return FALSE;
	target[len] = '\0';
	return g_str_has_prefix(target, "refs/") && name_is_valid(target);
}

/* `packed` may be NULL: then the file is read only if the branch has none of its own. */
static gboolean head_read(const struct repo *r, const struct packed_refs *packed,
	struct refs_head *head, GError **error)
{
	char target[REF_LINE_MAX], next[REF_LINE_MAX];
	struct oid oid = {{0}};
	enum ref_found found = loose_read(r->gitdir_fd, "HEAD", &oid, target);

	if (found != REF_SYMBOLIC && head_link_read(r, target, sizeof(target)))
		found = REF_SYMBOLIC;
	if (found == REF_FOUND) {
		*head = (struct refs_head){.state = HEAD_STATE_DETACHED, .oid = oid};
		return TRUE;
	}
	if (found != REF_SYMBOLIC) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"HEAD names neither a branch nor a commit");
		return FALSE;
	}

	g_autoptr(PackedRefs) own = NULL;
	found = loose_read(folder_of(r, target), target, &oid, next);
	if (found == REF_MISSING || found == REF_SYMBOLIC) {
		if (packed == NULL) {
			own = packed_refs_load(r->commondir_fd, error);
			if (own == NULL)
				return FALSE;
			packed = own;
		}
		found = ref_resolve(r, packed, target, &oid);
	}
	if (found == REF_BROKEN) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the branch that HEAD names is broken");
		return FALSE;
	}
	*head = (struct refs_head){
		.state = found == REF_FOUND ? HEAD_STATE_BRANCH : HEAD_STATE_UNBORN,
		.ref = g_strdup(target),
	};
	head->branch = head->ref + (g_str_has_prefix(head->ref, "refs/heads/") ? 11 : 0);
	if (found == REF_FOUND)
		head->oid = oid;
	return TRUE;
}

gboolean refs_head_read(const struct repo *r, struct refs_head *head, GError **error)
{
	return head_read(r, NULL, head, error);
}

void refs_head_clear(struct refs_head *head)
{
	g_free(head->ref);
	*head = (struct refs_head){0};
}

struct walk {
	const struct repo *r;
	struct refs *all;
	const struct packed_refs *packed;
	GArray *list;
	GString *name; /* of the folder, then of the file */
	gboolean is_full;
};

static void loose_add(struct walk *w, int fd, const char *base)
{
	char target[REF_LINE_MAX];
	struct ref ref = {.name = NULL};
	enum ref_found found = loose_read(fd, base, &ref.oid, target);

	if (found == REF_SYMBOLIC) {
		ref.is_symbolic = true;
		found = ref_resolve(w->r, w->packed, target, &ref.oid);
	}
	if (found != REF_FOUND || !name_is_valid(w->name->str)) {
		/* `x.lock` is git at work, an empty file a crash; both are no refs. */
		w->all->broken += !g_str_has_suffix(base, ".lock");
		return;
	}
	if (w->list->len >= REFS_MAX) {
		w->is_full = TRUE;
		return;
	}
	ref.name = g_string_chunk_insert_len(w->all->names, w->name->str, w->name->len);
	g_array_append_val(w->list, ref);
}

static void folder_walk(struct walk *w, int parent_fd, const char *base, int depth)
{
	int fd = openat(parent_fd, base, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return;
	DIR *dir = depth < FOLDER_DEPTH_MAX ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		w->all->broken++;
		close(fd);
		return;
	}
	gsize len = w->name->len;
	for (struct dirent *e; !w->is_full && (e = readdir(dir)) != NULL;) {
		struct stat st;
		int type = e->d_type;
		if (e->d_name[0] == '.')
			continue;
		if (type == DT_UNKNOWN && fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_LNK;
		g_string_truncate(w->name, len);
		g_string_append_c(w->name, '/');
		g_string_append(w->name, e->d_name);
		if (type == DT_DIR)
			folder_walk(w, fd, e->d_name, depth + 1);
		else if (type == DT_REG || type == DT_LNK)
			loose_add(w, fd, e->d_name);
	}
	g_string_truncate(w->name, len);
	closedir(dir);
}

static void linked_walk(struct walk *w)
{
	static const char *const own[] = {"bisect", "worktree", "rewritten"};

	for (gsize i = 0; i < G_N_ELEMENTS(own); i++) {
		g_autofree char *path = g_strconcat("refs/", own[i], NULL);
		g_string_assign(w->name, path);
		folder_walk(w, w->r->gitdir_fd, path, 0);
	}
}

static gint ref_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(((const struct ref *)a)->name, ((const struct ref *)b)->name);
}

/* Both lists are sorted; a loose ref hides the packed one of its name. */
static void merge(struct refs *all, const GArray *loose, const struct packed_refs *packed)
{
	gsize i = 0, k = 0;

	all->list = g_new(struct ref, loose->len + packed->count + 1);
	while (i < loose->len || k < packed->count) {
		const struct ref *a = i < loose->len ? &g_array_index(loose, struct ref, i) : NULL;
		const struct ref *b = k < packed->count ? &packed->list[k] : NULL;
		int order = a == NULL ? 1 : b == NULL ? -1 : strcmp(a->name, b->name);
		if (order == 0 || (order > 0 && !name_is_valid(b->name))) {
			k++;
			all->broken += order != 0;
		} else if (order < 0) {
			all->list[all->count++] = *a;
			i++;
		} else {
			all->list[all->count++] = *b;
			k++;
		}
	}
}

static void tips_sum(struct refs *all)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);

	g_checksum_update(sum, (const guchar *)&all->head.state, sizeof(all->head.state));
	if (all->head.ref != NULL)
		g_checksum_update(
			sum, (const guchar *)all->head.ref, (gssize)strlen(all->head.ref) + 1);
	g_checksum_update(sum, all->head.oid.bytes, OID_BYTES);
	for (gsize i = 0; i < all->count; i++) {
		const struct ref *ref = &all->list[i];
		g_checksum_update(sum, (const guchar *)ref->name, (gssize)strlen(ref->name) + 1);
		g_checksum_update(sum, ref->oid.bytes, OID_BYTES);
	}
	g_strlcpy(all->tips, g_checksum_get_string(sum), sizeof(all->tips));
}

struct refs *refs_read(const struct repo *r, GError **error)
{
	g_autoptr(Refs) all = g_new0(struct refs, 1);
	g_autoptr(GArray) loose = g_array_new(FALSE, FALSE, sizeof(struct ref));
	g_autoptr(GString) name = g_string_new("refs");

	all->names = g_string_chunk_new(512);
	g_autoptr(PackedRefs) packed = packed_refs_load(r->commondir_fd, error);
	if (packed == NULL || !head_read(r, packed, &all->head, error))
		return NULL;

	struct walk w = {.r = r, .all = all, .packed = packed, .list = loose, .name = name};
	folder_walk(&w, r->commondir_fd, "refs", 0);
	if (r->gitdir_fd != r->commondir_fd)
		linked_walk(&w);
	if (w.is_full) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"the repository has too many refs");
		return NULL;
	}
	g_array_sort(loose, ref_compare);
	merge(all, loose, packed);
	tips_sum(all);
	all->packed = g_steal_pointer(&packed->data);
	return g_steal_pointer(&all);
}

void refs_free(struct refs *all)
{
	if (all == NULL)
		return;
	refs_head_clear(&all->head);
	g_free(all->list);
	g_free(all->packed);
	if (all->names != NULL)
		g_string_chunk_free(all->names);
	g_free(all);
}

const struct ref *refs_find(const struct refs *all, const char *name)
{
	gsize low = 0, high = all->count;

	while (low < high) {
		gsize middle = low + (high - low) / 2;
		int order = strcmp(all->list[middle].name, name);
		if (order == 0)
			return &all->list[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/git/index.h"
#include "jobs/git/index_tree.h"
#include "jobs/git/readfile.h"

#include "lib/error.h"

#include <string.h>

#define HEADER_BYTES 12
#define TRAILER_BYTES 20
#define ENTRY_BYTES 62 /* up to and with the flags */
#define FLAG_VALID 0x8000
#define FLAG_EXTENDED 0x4000
#define FLAG_NAME 0x0fff
#define EXTENDED_SKIP_WORKTREE 0x4000
#define EXTENDED_INTENT_TO_ADD 0x2000
#define EXTENDED_KNOWN 0x6000

/* Version 4 shares prefixes. Real ones grow by half; more than this is made to hurt. */
#define PATHS_GROWTH_MAX 16

struct reader {
	struct index *ix;
	const uint8_t *at;
	const uint8_t *end;
	gsize paths_used;
	gsize paths_size;
};

static uint32_t be32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static gboolean broken(GError **error, const char *what)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "the index is broken: %s", what);
	return FALSE;
}

/* How many bytes two paths have in common; eight at a time, this is most of a parse's work. */
static uint32_t common_prefix(const char *a, uint32_t a_len, const char *b, uint32_t b_len)
{
	uint32_t len = a_len < b_len ? a_len : b_len, i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t x, y;
		memcpy(&x, a + i, 8);
		memcpy(&y, b + i, 8);
		if (x != y)
			break;
	}
	while (i < len && a[i] == b[i])
		i++;
	return i;
}

static bool part_is_bad(const char *part, uint32_t len)
{
	if (len == 0)
		return true;
	if (part[0] != '.')
		return false;
	return len == 1 || (len == 2 && part[1] == '.') ||
	       (len == 4 && g_ascii_strncasecmp(part, ".git", 4) == 0);
}

/* Checks the parts from the one that holds byte `from`; those before were the previous path's. */
static bool path_is_bad(const struct index_entry *e, uint32_t from)
{
	uint32_t len = e->path_len;

	/* A sparse index's folder ends in a slash. */
	if (index_is_folder(e) && len > 1 && e->path[len - 1] == '/')
		len--;
	if (len == 0 || from > len)
		return len == 0;
	while (from > 0 && e->path[from - 1] != '/')
		from--;
	for (;;) {
		const char *slash = memchr(e->path + from, '/', len - from);
		uint32_t stop = slash != NULL ? (uint32_t)(slash - e->path) : len;
		if (part_is_bad(e->path + from, stop - from))
			return true;
		if (slash == NULL)
			return false;
		from = stop + 1;
	}
}

static bool mode_is_known(uint32_t mode)
{
	switch (mode & INDEX_MODE_TYPE) {
	case INDEX_MODE_FILE:
	case INDEX_MODE_LINK:
	case INDEX_MODE_GITLINK:
	case INDEX_MODE_FOLDER:
		return true;
	default:
		return false;
	}
}

/* A number of git's "offset" kind: seven bits a byte, each continuation adds one. */
static gboolean varint(struct reader *rd, gsize *value)
{
	gsize result;

	if (rd->at == rd->end)
		return FALSE;
	uint8_t byte = *rd->at++;
	result = byte & 127;
	while (byte & 128) {
		if (rd->at == rd->end || result > INDEX_FILE_MAX_BYTES)
			return FALSE;
		byte = *rd->at++;
		result = ((result + 1) << 7) | (byte & 127);
	}
	*value = result;
	return TRUE;
}

static gboolean path_v4(
	struct reader *rd, struct index_entry *e, const struct index_entry *before, GError **error)
{
	gsize strip, keep, before_len = before != NULL ? before->path_len : 0;

	if (!varint(rd, &strip) || strip > before_len)
		return broken(error, "a shared prefix is longer than its path");
	keep = before_len - strip;
	const uint8_t *stop = memchr(rd->at, '\0', (gsize)(rd->end - rd->at));
	if (stop == NULL)
		return broken(error, "a path has no end");
	gsize rest = (gsize)(stop - rd->at);
	if (keep + rest > INDEX_PATH_MAX)
		return broken(error, "a path is too long");
	if (rd->paths_used + keep + rest + 1 > rd->paths_size)
		return broken(error, "the paths are too long together");
	char *path = rd->ix->paths + rd->paths_used;
	if (keep > 0)
		memcpy(path, before->path, keep);
	memcpy(path + keep, rd->at, rest + 1);
	rd->paths_used += keep + rest + 1;
	rd->at = stop + 1;
	e->path = path;
	e->path_len = (uint32_t)(keep + rest);
	return TRUE;
}

static gboolean path_v2(
	struct reader *rd, struct index_entry *e, uint16_t flags, gsize head, GError **error)
{
	gsize left = (gsize)(rd->end - rd->at), len = flags & FLAG_NAME;
	const uint8_t *stop = len < left ? memchr(rd->at, '\0', len + 1) : NULL;

	if (len == FLAG_NAME)
		stop = memchr(rd->at, '\0', left);
	if (stop == NULL || (gsize)(stop - rd->at) < len)
		return broken(error, "a path has another length than it says");
	len = (gsize)(stop - rd->at);
	if (len > INDEX_PATH_MAX)
		return broken(error, "a path is too long");
	/* One to eight zero bytes bring the entry to a multiple of eight. */
	gsize padded = ((head + len + 8) & ~(gsize)7) - head;
	if (padded > left)
		return broken(error, "it ends within an entry");
	e->path = (const char *)rd->at;
	e->path_len = (uint32_t)len;
	rd->at += padded;
	return TRUE;
}

/* `is_part`: of a split index, where an entry without a path replaces one of the shared index. */
static gboolean entry_check(
	const struct index_entry *e, const struct index_entry *before, bool is_part, GError **error)
{
	uint32_t same = 0;

	if (!mode_is_known(index_mode(e)))
		return broken(error, "an entry has an unknown mode");
	if (is_part && e->path_len == 0)
		return TRUE;
	if (before != NULL && before->path_len > 0) {
		same = common_prefix(before->path, before->path_len, e->path, e->path_len);
		int order =
			same == before->path_len
				? (same == e->path_len ? (int)before->stage - (int)e->stage : -1)
			: same == e->path_len
				? 1
				: (int)(uint8_t)before->path[same] - (int)(uint8_t)e->path[same];
		if (order >= 0)
			return broken(error, "the paths are not in order");
		if (same == e->path_len && before->stage == 0)
			return broken(error, "a path is merged and unmerged at once");
	}
	if (path_is_bad(e, same))
		return broken(error, "a path is not allowed");
	return TRUE;
}

static gboolean entries_parse(struct reader *rd, gsize count, bool is_part, GError **error)
{
	const struct index_entry *before = NULL;

	for (gsize i = 0; i < count; i++) {
		struct index_entry *e = &rd->ix->entries[i];
		gsize head = ENTRY_BYTES;
		uint16_t extended = 0;

		if ((gsize)(rd->end - rd->at) < ENTRY_BYTES + 2)
			return broken(error, "it ends within an entry");
		e->raw = rd->at;
		uint16_t flags = (uint16_t)(rd->at[60] << 8 | rd->at[61]);
		if (flags & FLAG_EXTENDED) {
			if (rd->ix->version < 3)
				return broken(error, "an entry is longer than its version allows");
			extended = (uint16_t)(rd->at[62] << 8 | rd->at[63]);
			if (extended & ~EXTENDED_KNOWN)
				return broken(error, "an entry has unknown flags");
			head += 2;
		}
		rd->at += head;
		e->stage = flags >> 12 & 3;
		e->flags = (uint8_t)((flags & FLAG_VALID ? INDEX_FLAG_ASSUME_UNCHANGED : 0) |
				     (extended & EXTENDED_SKIP_WORKTREE ? INDEX_FLAG_SKIP_WORKTREE
									: 0) |
				     (extended & EXTENDED_INTENT_TO_ADD ? INDEX_FLAG_INTENT_TO_ADD
									: 0));
		if (!(rd->ix->version == 4 ? path_v4(rd, e, before, error)
					   : path_v2(rd, e, flags, head, error)) ||
			!entry_check(e, before, is_part, error))
			return FALSE;
		if (index_is_folder(e)) {
			if (e->path_len == 0 || e->path[e->path_len - 1] != '/' ||
				!(e->flags & INDEX_FLAG_SKIP_WORKTREE))
				return broken(error, "a folder is no sparse one");
			rd->ix->has_folders = true;
		}
		before = e;
	}
	return TRUE;
}

static gboolean extensions_parse(
	struct reader *rd, const uint8_t **link, gsize *link_len, GError **error)
{
	while (rd->end - rd->at >= 8) {
		const uint8_t *name = rd->at;
		gsize len = be32(rd->at + 4);
		rd->at += 8;
		if (len > (gsize)(rd->end - rd->at))
			return broken(error, "an extension ends behind the file");
		if (memcmp(name, "link", 4) == 0) {
			*link = rd->at;
			*link_len = len;
		} else if (memcmp(name, "TREE", 4) == 0) {
			g_clear_pointer(&rd->ix->tree, g_free);
			if (!index_tree_parse(rd->ix, rd->at, len, error))
				return FALSE;
		} else if (memcmp(name, "sdir", 4) != 0 && !(name[0] >= 'A' && name[0] <= 'Z')) {
			return broken(error, "it needs an extension that Muster does not know");
		}
		rd->at += len;
	}
	return TRUE;
}

/*
 * Where entries end is only known behind them, but whether the index is split decides how they are
 * checked: the extension is named after the entries, so an entry without a path is what tells.
 */
struct index *index_parse(char *data, gsize len, GError **error)
{
	g_autoptr(Index) ix = g_new0(struct index, 1);
	const uint8_t *bytes = (const uint8_t *)data;

	ix->data = data;
	if (len < HEADER_BYTES + TRAILER_BYTES || memcmp(bytes, "DIRC", 4) != 0) {
		broken(error, "it does not begin as one");
		return NULL;
	}
	ix->version = be32(bytes + 4);
	gsize count = be32(bytes + 8);
	if (ix->version < 2 || ix->version > 4) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the index has version %u, which Muster does not know", ix->version);
		return NULL;
	}
	struct reader rd = {.ix = ix,
		.at = bytes + HEADER_BYTES,
		.end = bytes + len - TRAILER_BYTES,
		.paths_size = len * PATHS_GROWTH_MAX};
	if (count > (gsize)(rd.end - rd.at) / ENTRY_BYTES) {
		broken(error, "it has fewer entries than it says");
		return NULL;
	}
	ix->entries = g_try_new0(struct index_entry, count + 1);
	/* The growth is reserved, not touched: memory is used as far as paths reach. */
	if (ix->version == 4)
		ix->paths = g_try_malloc(rd.paths_size);
	if (ix->entries == NULL || (ix->version == 4 && ix->paths == NULL)) {
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "the index is too big");
		return NULL;
	}
	if (!entries_parse(&rd, count, true, error) ||
		!extensions_parse(&rd, &ix->link, &ix->link_len, error))
		return NULL;
	ix->count = count;
	for (gsize i = 0; i < count && ix->link == NULL; i++) {
		if (ix->entries[i].path_len == 0) {
			broken(error, "a path is empty");
			return NULL;
		}
	}
	return g_steal_pointer(&ix);
}

static struct index *base_load(const struct repo *r, const struct index *ix, GError **error)
{
	char hex[OID_HEX + 1], name[64], *data = NULL;
	struct oid oid;
	gsize len;

	memcpy(oid.bytes, ix->link, OID_BYTES);
	oid_format(&oid, hex);
	g_snprintf(name, sizeof(name), "sharedindex.%s", hex);
	if (readfile_load(r->gitdir_fd, name, 0, INDEX_FILE_MAX_BYTES, &data, &len) !=
		READFILE_OK) {
		broken(error, "its shared part cannot be read");
		return NULL;
	}
	g_autoptr(Index) base = index_parse(data, len, error);
	if (base != NULL && base->link != NULL) {
		broken(error, "its shared part is split itself");
		return NULL;
	}
	return g_steal_pointer(&base);
}

struct index *index_load(const struct repo *r, GError **error)
{
	return index_load_from(r, "index", error);
}

struct index *index_load_from(const struct repo *r, const char *path, GError **error)
{
	char *data = NULL;
	gsize len;
	struct stat st;
	static const uint8_t nothing[OID_BYTES];

	switch (readfile_load_stat(r->gitdir_fd, path, 0, INDEX_FILE_MAX_BYTES, &data, &len, &st)) {
	case READFILE_OK:
		break;
	case READFILE_MISSING:
		return g_new0(struct index, 1);
	case READFILE_TOO_BIG:
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "the index is too big");
		return NULL;
	default:
		g_set_error_literal(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "the index cannot be read");
		return NULL;
	}
	g_autoptr(Index) ix = index_parse(data, len, error);
	if (ix == NULL)
		return NULL;
	ix->mtime_s = st.st_mtim.tv_sec;
	ix->mtime_ns = (guint32)st.st_mtim.tv_nsec;
	if (ix->link != NULL && ix->link_len < OID_BYTES) {
		broken(error, "its link to the shared part is too short");
		return NULL;
	}
	/* A link of zeros: split index mode was just switched on or off, nothing is shared. */
	if (ix->link != NULL && memcmp(ix->link, nothing, OID_BYTES) != 0) {
		struct index *base = base_load(r, ix, error);
		if (base == NULL || !index_merge(ix, base, error))
			return NULL;
	}
	return g_steal_pointer(&ix);
}

void index_free(struct index *ix)
{
	if (ix == NULL)
		return;
	index_free(ix->base);
	g_free(ix->entries);
	g_free(ix->tree);
	g_free(ix->paths);
	g_free(ix->data);
	if (ix->extra != NULL)
		g_string_chunk_free(ix->extra);
	g_free(ix);
}

gsize index_lower_bound(const struct index *ix, const char *path, gsize len)
{
	gsize low = 0, high = ix->count;

	while (low < high) {
		gsize middle = low + (high - low) / 2;
		const struct index_entry *e = &ix->entries[middle];
		gsize shorter = e->path_len < len ? e->path_len : len;
		int order = memcmp(e->path, path, shorter);
		if (order < 0 || (order == 0 && e->path_len < len))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct index_entry *index_find(const struct index *ix, const char *path, gsize len)
{
	gsize at = index_lower_bound(ix, path, len);

	if (at == ix->count || ix->entries[at].path_len != len || ix->entries[at].stage != 0 ||
		memcmp(ix->entries[at].path, path, len) != 0)
		return NULL;
	return &ix->entries[at];
}

static bool has_prefix(const struct index_entry *e, const char *prefix, gsize len)
{
	return e->path_len >= len && memcmp(e->path, prefix, len) == 0;
}

/* Doubling steps, then halves: folders are small against the index. */
gsize index_prefix_end(const struct index *ix, gsize low, gsize high, gsize prefix_len)
{
	const char *prefix = ix->entries[low].path;
	gsize inside = low, step = 1;

	while (inside + step < high &&
		has_prefix(&ix->entries[inside + step], prefix, prefix_len)) {
		inside += step;
		step *= 2;
	}
	gsize outside = inside + step < high ? inside + step : high;
	while (outside - inside > 1) {
		gsize middle = inside + (outside - inside) / 2;
		if (has_prefix(&ix->entries[middle], prefix, prefix_len))
			inside = middle;
		else
			outside = middle;
	}
	return outside;
}

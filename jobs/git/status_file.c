/* SPDX-License-Identifier: MIT */
/* Is a file what the index remembers? First by stat data; by content where that does not settle it.
 */
#include "config.h"
#include "jobs/git/status_run.h"
#include "jobs/git/convert.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES (64 * 1024)
#define LFS_POINTER_MAX_BYTES 1024 /* Git LFS' own limit */

/* Source: git's Documentation/technical/racy-git.txt. */
static bool is_racy(
	const struct status_run *run, uint32_t mtime_s, uint32_t mtime_ns, const struct stat *st)
{
	const struct index *ix = run->ix;

	if (ix->mtime_s == 0 || ix->mtime_s > (gint64)mtime_s)
		return false;
	/*
	 * git compares seconds only. Where the file system and the index both know nanoseconds, an
	 * entry of the second in which the index was written can still be told to be older. A zero
	 * means that somebody did not know them.
	 */
	return mtime_ns == 0 || ix->mtime_ns == 0 || mtime_ns != (uint32_t)st->st_mtim.tv_nsec ||
	       ix->mtime_s < (gint64)mtime_s || ix->mtime_ns <= mtime_ns;
}

bool status_stat_match(const struct status_run *run, const struct index_entry *e,
	const struct stat *st, bool *is_size_changed)
{
	const struct repo *r = run->r;
	uint32_t size = index_field(e, INDEX_SIZE);
	uint32_t mtime_s = index_field(e, INDEX_MTIME_S);
	bool is_match = mtime_s == (uint32_t)st->st_mtim.tv_sec;

	/* The index keeps 32 bits of everything. A size of 0 is git's mark for "look inside". */
	*is_size_changed = size != (uint32_t)st->st_size && size != 0;
	is_match = is_match && size == (uint32_t)st->st_size;
	if (r->has_check_stat) {
		if (r->has_trust_ctime)
			is_match = is_match &&
				   index_field(e, INDEX_CTIME_S) == (uint32_t)st->st_ctim.tv_sec;
		is_match = is_match && index_field(e, INDEX_INODE) == (uint32_t)st->st_ino &&
			   index_field(e, INDEX_UID) == (uint32_t)st->st_uid &&
			   index_field(e, INDEX_GID) == (uint32_t)st->st_gid;
	}
	if (is_match && size == 0) {
		static const uint8_t empty[OID_BYTES] = {0xe6, 0x9d, 0xe2, 0x9b, 0xb2, 0xd1, 0xd6,
			0x43, 0x4b, 0x8b, 0x29, 0xae, 0x77, 0x5a, 0xd8, 0xc2, 0xe4, 0x8c, 0x53,
			0x91};
		is_match = memcmp(index_oid(e), empty, OID_BYTES) == 0;
	}
	return is_match && !is_racy(run, mtime_s, index_field(e, INDEX_MTIME_NS), st);
}

static void blob_begin(struct status_worker *w, guint64 size)
{
	char head[32];
	int len = g_snprintf(head, sizeof(head), "blob %" G_GUINT64_FORMAT, size);

	if (w->sha1 == NULL)
		w->sha1 = g_checksum_new(G_CHECKSUM_SHA1);
	g_checksum_reset(w->sha1);
	g_checksum_update(w->sha1, (const guchar *)head, len + 1);
}

static enum status_answer blob_end(struct status_worker *w, const struct index_entry *e)
{
	guint8 digest[OID_BYTES];
	gsize len = sizeof(digest);

	g_checksum_get_digest(w->sha1, digest, &len);
	return memcmp(digest, index_oid(e), OID_BYTES) == 0 ? STATUS_SAME : STATUS_DIFFERENT;
}

/* The whole file through a checksum. FALSE: it could not be read, or changed under us. */
static gboolean file_sum(struct status_worker *w, int fd, guint64 size, GChecksum *sum)
{
	guint64 done = 0;

	if (w->block == NULL)
		w->block = g_malloc(BLOCK_BYTES);
	for (;;) {
		ssize_t n = read(fd, w->block, BLOCK_BYTES);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return FALSE;
		if (n == 0)
			return done == size;
		done += (guint64)n;
		if (done > size)
			return FALSE;
		g_checksum_update(sum, (const guchar *)w->block, n);
	}
}

static enum status_answer raw_compare(
	struct status_worker *w, int fd, guint64 size, const struct index_entry *e)
{
	blob_begin(w, size);
	if (!file_sum(w, fd, size, w->sha1))
		return STATUS_UNVERIFIED;
	return blob_end(w, e);
}

/* Does the blob in the index hold CRLF as text? Then `auto` leaves the file as it is. */
static enum status_answer blob_has_crlf(
	struct status_worker *w, const struct index_entry *e, bool *has_crlf)
{
	struct object blob;

	if (object_read(status_worker_store(w), index_oid(e), OBJECT_BLOB, STATUS_CONVERT_MAX_BYTES,
		    &blob) != OBJECT_OK)
		return STATUS_UNVERIFIED;
	struct convert_facts facts = convert_look(blob.data, blob.len);
	*has_crlf = facts.has_crlf && !facts.is_binary;
	g_free(blob.data);
	return STATUS_SAME;
}

static enum status_answer converted_compare(struct status_worker *w, int fd, guint64 size,
	const struct index_entry *e, const struct convert_plan *plan)
{
	gsize len = 0;

	if (size > STATUS_CONVERT_MAX_BYTES)
		return STATUS_UNVERIFIED;
	g_autofree char *data = g_try_malloc(size + 1);
	if (data == NULL)
		return STATUS_UNVERIFIED;
	while (len < size + 1) {
		ssize_t n = read(fd, data + len, size + 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return STATUS_UNVERIFIED;
		if (n == 0)
			break;
		len += (gsize)n;
	}
	if (len != size)
		return STATUS_UNVERIFIED;

	if (plan->eol != CONVERT_EOL_NONE && memchr(data, '\r', len) != NULL) {
		bool is_auto = plan->eol == CONVERT_EOL_AUTO, is_kept = false;
		if (is_auto) {
			struct convert_facts facts = convert_look(data, len);
			is_kept = facts.is_binary || !facts.has_crlf;
			if (!is_kept && blob_has_crlf(w, e, &is_kept) == STATUS_UNVERIFIED)
				return STATUS_UNVERIFIED;
		}
		if (!is_kept)
			len = convert_to_lf(data, len, is_auto);
	}
	if (plan->has_ident)
		len = convert_ident(data, len);
	blob_begin(w, len);
	g_checksum_update(w->sha1, (const guchar *)data, (gssize)len);
	return blob_end(w, e);
}

/* "oid sha256:<64 hex>" and "size <n>" of a Git LFS pointer. */
static gboolean lfs_parse(const struct object *blob, char hex[65], guint64 *size)
{
	if (!g_str_has_prefix(blob->data, "version https://git-lfs.github.com/spec/") ||
		strlen(blob->data) != blob->len)
		return FALSE;
	const char *oid = strstr(blob->data, "\noid sha256:");
	const char *length = strstr(blob->data, "\nsize ");
	if (oid == NULL || length == NULL || strlen(oid) < 12 + 64)
		return FALSE;
	g_strlcpy(hex, oid + 12, 65);
	*size = g_ascii_strtoull(length + 6, NULL, 10);
	return TRUE;
}

static enum status_answer lfs_compare(
	struct status_worker *w, int fd, guint64 size, const struct index_entry *e)
{
	struct object blob;
	char hex[65];
	guint64 content_size = 0;
	gboolean is_pointer = FALSE;

	enum object_result result = object_read(
		status_worker_store(w), index_oid(e), OBJECT_BLOB, LFS_POINTER_MAX_BYTES, &blob);
	if (result == OBJECT_OK) {
		is_pointer = lfs_parse(&blob, hex, &content_size);
		g_free(blob.data);
	} else if (result != OBJECT_TOO_BIG) {
		return STATUS_UNVERIFIED;
	}
	if (is_pointer && content_size == size) {
		g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
		if (!file_sum(w, fd, size, sum))
			return STATUS_UNVERIFIED;
		return g_ascii_strcasecmp(g_checksum_get_string(sum), hex) == 0 ? STATUS_SAME
										: STATUS_DIFFERENT;
	}
	/* A pointer that was never exchanged for its content, or a file that never was in LFS. */
	return raw_compare(w, fd, size, e);
}

static enum status_answer link_compare(
	struct status_worker *w, int dir_fd, const char *name, const struct index_entry *e)
{
	char target[4097];
	ssize_t len = readlinkat(dir_fd, name, target, sizeof(target));

	if (len < 0 || len == sizeof(target))
		return STATUS_UNVERIFIED;
	blob_begin(w, (guint64)len);
	g_checksum_update(w->sha1, (const guchar *)target, len);
	return blob_end(w, e);
}

enum status_answer status_file_compare(struct status_worker *w, struct status_folder *f, int dir_fd,
	const char *name, const struct index_entry *e, const struct stat *st)
{
	struct attr_values values;
	struct stat now;
	enum status_answer answer;

	if (S_ISLNK(st->st_mode))
		return link_compare(w, dir_fd, name, e);
	status_attr_read(w, f, e->path, e->path_len, &values);
	struct convert_plan plan = convert_plan_make(&values, w->run->r->autocrlf);
	bool is_lfs = plan.filter != NULL && strcmp(plan.filter, "lfs") == 0;
	if (plan.has_encoding ||
		(plan.filter != NULL && !is_lfs && repo_has_filter(w->run->r, plan.filter)))
		return STATUS_UNVERIFIED;

	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return STATUS_UNVERIFIED;
	if (fstat(fd, &now) != 0 || !S_ISREG(now.st_mode))
		answer = STATUS_UNVERIFIED;
	else if (is_lfs)
		answer = lfs_compare(w, fd, (guint64)now.st_size, e);
	else if (plan.eol != CONVERT_EOL_NONE || plan.has_ident)
		answer = converted_compare(w, fd, (guint64)now.st_size, e, &plan);
	else
		answer = raw_compare(w, fd, (guint64)now.st_size, e);
	close(fd);
	return answer;
}

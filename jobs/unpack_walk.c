/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/unpack_walk.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#include "jobs/scan/archive_head.h"

static void frame_send(
	struct unpack *u, enum unpack_kind kind, const char *name, const void *bytes, gsize len)
{
	u->send(u->send_data, kind, name, bytes, len);
}

/* What libarchive reads by itself; other formats would be read by programs it starts. */
static struct archive *archive_make(gboolean has_formats)
{
	struct archive *a = archive_read_new();

	if (a == NULL)
		return NULL;
	archive_read_support_filter_gzip(a);
	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_filter_lz4(a);
	archive_read_support_filter_compress(a);
	/* The one file of what is compressed and no archive. */
	archive_read_support_format_raw(a);
	archive_read_support_format_empty(a);
	if (!has_formats)
		return a;
	archive_read_support_format_tar(a);
	/* Behind its end mark there may be another one. */
	archive_read_set_option(a, "tar", "read_concatenated_archives", "1");
	archive_read_support_format_zip(a);
	archive_read_support_format_7zip(a);
	archive_read_support_format_rar(a);
	archive_read_support_format_rar5(a);
	archive_read_support_format_cpio(a);
	archive_read_support_format_ar(a);
	archive_read_support_format_cab(a);
	return a;
}

/*
 * All of an entry; NULL with the kind of frame that says why not. What was read counts either way:
 * thousands of entries may share the same few bytes, each of them larger than is allowed.
 */
static GByteArray *entry_read(
	struct unpack *u, struct archive *a, enum unpack_kind *why, gboolean *is_fatal)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	guint64 most = MIN(u->entry_max, u->left_bytes);
	guint8 block[65536];

	for (;;) {
		la_ssize_t got = archive_read_data(a, block, sizeof(block));
		*why = UNPACK_BROKEN;
		*is_fatal = got == ARCHIVE_FATAL;
		if (got == ARCHIVE_RETRY)
			continue;
		if (got == 0)
			return g_steal_pointer(&bytes);
		if (got > 0 && bytes->len + (guint64)got > most)
			*why = UNPACK_LIMITED;
		if (got < 0 || *why == UNPACK_LIMITED) {
			u->left_bytes -= bytes->len;
			return NULL;
		}
		g_byte_array_append(bytes, block, (guint)got);
	}
}

static char *entry_name(struct archive *a, struct archive_entry *entry, const char *outer)
{
	gboolean is_raw = archive_format(a) == ARCHIVE_FORMAT_RAW;
	const char *name = archive_entry_pathname(entry);

	if (name == NULL)
		name = archive_entry_pathname_utf8(entry);
	if (is_raw)
		return g_strdup(outer);
	return g_strdup_printf(
		"%s%s%s", outer, *outer != '\0' ? "!" : "", name != NULL ? name : "(no name)");
}

static gboolean is_tar(struct archive *a)
{
	return (archive_format(a) & ARCHIVE_FORMAT_BASE_MASK) == ARCHIVE_FORMAT_TAR;
}

/* Something behind the end of what is compressed, which its reader leaves alone. */
static gboolean has_rest(struct archive *a, const guint8 *data, gsize len)
{
	gint64 at = archive_filter_bytes(a, -1);

	/* Others do not read to the end of what they are in. */
	if (archive_filter_count(a) < 2 || at < 0 ||
		(!is_tar(a) && archive_format(a) != ARCHIVE_FORMAT_RAW &&
			archive_format(a) != ARCHIVE_FORMAT_EMPTY))
		return FALSE;
	while ((guint64)at < len && data[at] == 0)
		at++;
	return (guint64)at < len;
}

/* Compressed zeros look like a tar of nothing, whatever follows them: it is a file. */
static void nothing_read(struct unpack *u, const guint8 *data, gsize len, const char *outer)
{
	struct archive *a = archive_make(FALSE);
	struct archive_entry *entry = NULL;
	enum unpack_kind why = UNPACK_BROKEN;
	g_autoptr(GByteArray) bytes = NULL;
	gboolean is_fatal;

	if (a != NULL && archive_read_open_memory(a, data, len) == ARCHIVE_OK &&
		archive_read_next_header(a, &entry) == ARCHIVE_OK)
		bytes = entry_read(u, a, &why, &is_fatal);
	if (bytes != NULL && !has_rest(a, data, len)) {
		u->left_bytes -= bytes->len;
		frame_send(u, UNPACK_ENTRY, outer, bytes->data, bytes->len);
	} else {
		frame_send(u, why, outer, NULL, 0);
	}
	archive_read_free(a);
}

/* FALSE: a limit of all of the archive was met, and nothing more is read. */
static gboolean archive_walk(
	struct unpack *u, const guint8 *data, gsize len, const char *outer, guint depth)
{
	struct archive *a = archive_make(TRUE);
	gboolean may_go_on = TRUE, is_damaged = FALSE;
	guint headers = 0;
	int code = ARCHIVE_FATAL;

	if (a == NULL || archive_read_open_memory(a, data, len) != ARCHIVE_OK) {
		frame_send(u, UNPACK_BROKEN, outer, NULL, 0);
		archive_read_free(a);
		return TRUE;
	}
	while (may_go_on) {
		struct archive_entry *entry = NULL;
		enum unpack_kind why;
		code = archive_read_next_header(a, &entry);
		/* Of a tar 512 bytes that are none of it; the next may be again. */
		is_damaged = is_damaged || code == ARCHIVE_RETRY;
		if (code == ARCHIVE_RETRY)
			continue;
		if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
			break;
		headers++;
		/* Not even compressed: it only began like something else. */
		if (archive_format(a) == ARCHIVE_FORMAT_RAW && archive_filter_count(a) < 2) {
			frame_send(u, depth == 0 ? UNPACK_OTHER : UNPACK_ENTRY, outer, data,
				depth == 0 ? 0 : len);
			break;
		}
		if (archive_entry_filetype(entry) != AE_IFREG ||
			archive_entry_hardlink(entry) != NULL)
			continue;
		g_autofree char *name = entry_name(a, entry, outer);
		if (u->left_entries-- == 0) {
			frame_send(u, UNPACK_LIMITED, name, NULL, 0);
			u->left_entries = 0;
			may_go_on = FALSE;
			break;
		}
		gboolean is_fatal;
		g_autoptr(GByteArray) bytes = entry_read(u, a, &why, &is_fatal);
		if (bytes == NULL) {
			frame_send(u, why, name, NULL, 0);
			/* Nothing may be asked of it any more: the cabinets' reader would crash. */
			if (is_fatal) {
				code = ARCHIVE_FATAL;
				break;
			}
			/* Behind an entry that ends nowhere lies nothing that can be reached. */
			may_go_on = why != UNPACK_LIMITED ||
				    (u->left_bytes > u->entry_max && archive_filter_count(a) < 2);
			continue;
		}
		u->left_bytes -= bytes->len;
		if (depth + 1 < u->depth_max && archive_head_is(bytes->data, bytes->len))
			may_go_on = archive_walk(u, bytes->data, bytes->len, name, depth + 1);
		else
			frame_send(u, UNPACK_ENTRY, name, bytes->data, bytes->len);
	}
	is_damaged = is_damaged ||
		     (code != ARCHIVE_EOF && code != ARCHIVE_OK && code != ARCHIVE_WARN) ||
		     (code == ARCHIVE_EOF && has_rest(a, data, len));
	if (may_go_on && headers == 0 && is_tar(a) && archive_filter_count(a) > 1)
		nothing_read(u, data, len, outer);
	else if (may_go_on && is_damaged)
		frame_send(u, UNPACK_BROKEN, outer, NULL, 0);
	archive_read_free(a);
	return may_go_on;
}

void unpack_walk(struct unpack *u, const guint8 *data, gsize len)
{
	archive_walk(u, data, len, "", 0);
}

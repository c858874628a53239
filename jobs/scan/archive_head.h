/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_ARCHIVE_HEAD_H
#define MUSTER_JOBS_SCAN_ARCHIVE_HEAD_H

#include <glib.h>

/*
 * Whether bytes begin as an archive or a compressed file does: zip (and what is one: jar, docx,
 * whl, apk), tar, gzip, bzip2, xz, lzma, zstd, lz4, compress, 7z, rar, cpio, ar (deb), cab. By
 * their first bytes alone; whether they are one, whoever opens them finds out.
 */
gboolean archive_head_is(const guint8 *data, gsize len);

#endif

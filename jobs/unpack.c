/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jobs/scan/archive_head.h"
#include "lib/exit.h"
#include "lib/file.h"

#define DEPTH_MAX 16

struct unpack {
	guint depth_max;
	guint64 entry_max;
	guint64 left_bytes; /* of this archive */
	guint left_entries;
};

/* At once: what else ends with a program asks the kernel for more than this one may. */
G_NORETURN static void leave(int code)
{
	for (;;)
		syscall(SYS_exit_group, code);
}

/* Nobody listens: there is nothing left to do. */
static void send_bytes(const void *bytes, gsize len)
{
	if (len > 0 && !file_write_all(STDOUT_FILENO, bytes, len))
		leave(EXIT_OTHER);
}

static void send_frame(enum unpack_kind kind, const char *name, const void *bytes, gsize len)
{
	struct unpack_frame frame = {kind, (guint32)MIN(strlen(name), UNPACK_NAME_MAX), len};

	send_bytes(&frame, sizeof(frame));
	send_bytes(name, frame.name_len);
	send_bytes(bytes, len);
}

/* FALSE: standard input ended before it began. */
static gboolean receive(void *bytes, gsize len)
{
	guint8 *at = bytes;
	gsize left = len;

	while (left > 0) {
		gssize got = read(STDIN_FILENO, at, left);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 && left == len)
			return FALSE;
		if (got <= 0)
			leave(EXIT_OTHER);
		at += got;
		left -= (gsize)got;
	}
	return TRUE;
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
static GByteArray *entry_read(struct unpack *u, struct archive *a, enum unpack_kind *why)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	guint64 most = MIN(u->entry_max, u->left_bytes);
	guint8 block[65536];

	for (;;) {
		la_ssize_t got = archive_read_data(a, block, sizeof(block));
		*why = UNPACK_BROKEN;
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

	if (a != NULL && archive_read_open_memory(a, data, len) == ARCHIVE_OK &&
		archive_read_next_header(a, &entry) == ARCHIVE_OK)
		bytes = entry_read(u, a, &why);
	if (bytes != NULL && !has_rest(a, data, len)) {
		u->left_bytes -= bytes->len;
		send_frame(UNPACK_ENTRY, outer, bytes->data, bytes->len);
	} else {
		send_frame(why, outer, NULL, 0);
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
		send_frame(UNPACK_BROKEN, outer, NULL, 0);
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
			send_frame(depth == 0 ? UNPACK_OTHER : UNPACK_ENTRY, outer, data,
				depth == 0 ? 0 : len);
			break;
		}
		if (archive_entry_filetype(entry) != AE_IFREG ||
			archive_entry_hardlink(entry) != NULL)
			continue;
		g_autofree char *name = entry_name(a, entry, outer);
		if (u->left_entries-- == 0) {
			send_frame(UNPACK_LIMITED, name, NULL, 0);
			u->left_entries = 0;
			may_go_on = FALSE;
			break;
		}
		g_autoptr(GByteArray) bytes = entry_read(u, a, &why);
		if (bytes == NULL) {
			send_frame(why, name, NULL, 0);
			/* Behind an entry that ends nowhere lies nothing that can be reached. */
			may_go_on = why != UNPACK_LIMITED ||
				    (u->left_bytes > u->entry_max && archive_filter_count(a) < 2);
			continue;
		}
		u->left_bytes -= bytes->len;
		if (depth + 1 < u->depth_max && archive_head_is(bytes->data, bytes->len))
			may_go_on = archive_walk(u, bytes->data, bytes->len, name, depth + 1);
		else
			send_frame(UNPACK_ENTRY, name, bytes->data, bytes->len);
	}
	is_damaged = is_damaged ||
		     (code != ARCHIVE_EOF && code != ARCHIVE_OK && code != ARCHIVE_WARN) ||
		     (code == ARCHIVE_EOF && has_rest(a, data, len));
	if (may_go_on && headers == 0 && is_tar(a) && archive_filter_count(a) > 1)
		nothing_read(u, data, len, outer);
	else if (may_go_on && is_damaged)
		send_frame(UNPACK_BROKEN, outer, NULL, 0);
	archive_read_free(a);
	return may_go_on;
}

/* Read, write, memory, the end: all else is refused by the kernel. */
static gboolean confine(guint64 entry_max)
{
	static const int calls[] = {SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(mmap),
		SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect), SCMP_SYS(madvise),
		SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(exit), SCMP_SYS(exit_group),
		SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
		SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getpid),
		SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(getrandom), SCMP_SYS(fstat),
		SCMP_SYS(sched_yield), SCMP_SYS(sigaltstack), SCMP_SYS(sched_getaffinity),
		SCMP_SYS(sysinfo)};
	const struct rlimit none = {0, 0};
	/* An archive, what is in it on the way to each depth, and what the formats need. */
	const struct rlimit memory = {
		(rlim_t)(entry_max * 8 + (G_GUINT64_CONSTANT(2) << 30)), RLIM_INFINITY};

	setrlimit(RLIMIT_CORE, &none);
#ifndef __SANITIZE_ADDRESS__
	if (setrlimit(RLIMIT_AS, &memory) != 0)
		return FALSE;
#endif
	(void)memory;
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	gboolean ok = filter != NULL && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
	for (gsize i = 0; ok && i < G_N_ELEMENTS(calls); i++)
		ok = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) == 0;
	ok = ok && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return ok;
}

int main(int argc, char **argv)
{
	guint64 depth, len;
	struct unpack u = {0};

	if (argc != 3 || !g_ascii_string_to_unsigned(argv[1], 10, 1, DEPTH_MAX, &depth, NULL) ||
		!g_ascii_string_to_unsigned(
			argv[2], 10, 1, G_MAXINT32 * G_GUINT64_CONSTANT(2), &u.entry_max, NULL)) {
		fputs("usage: muster-unpack DEPTH ENTRY_BYTES\n"
		      "Opens archives for 'muster scan --archives', and is not for people.\n",
			stderr);
		return EXIT_USAGE;
	}
	/* Names in archives are converted to what the locale says: bytes that are UTF-8 stay. */
	setlocale(LC_CTYPE, "C.UTF-8");
	u.depth_max = (guint)depth;
	if (!confine(u.entry_max)) {
		fputs("muster-unpack: cannot be fenced off, and does not start without\n", stderr);
		return EXIT_OTHER;
	}
	while (receive(&len, sizeof(len))) {
		/* The program that asks keeps to the same limit. */
		g_autofree guint8 *data = len <= u.entry_max ? g_try_malloc(len + 1) : NULL;
		if (data == NULL || (len > 0 && !receive(data, len)))
			leave(EXIT_OTHER);
		u.left_bytes = UNPACK_BYTES_MAX;
		u.left_entries = UNPACK_ENTRIES_MAX;
		archive_walk(&u, data, len, "", 0);
		send_frame(UNPACK_DONE, "", NULL, 0);
	}
	leave(EXIT_FINE);
}

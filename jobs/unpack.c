/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/unpack.h"

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

#include "jobs/unpack_walk.h"
#include "lib/exit.h"
#include "lib/file.h"

#define DEPTH_MAX 16

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

static void send_frame(
	gpointer data, enum unpack_kind kind, const char *name, const void *bytes, gsize len)
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
	struct unpack u = {.send = send_frame};

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
		unpack_walk(&u, data, len);
		send_frame(NULL, UNPACK_DONE, "", NULL, 0);
	}
	leave(EXIT_FINE);
}

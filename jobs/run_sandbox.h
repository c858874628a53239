/* SPDX-License-Identifier: MIT */
#ifndef JOBS_RUN_SANDBOX_H
#define JOBS_RUN_SANDBOX_H

#include <glib.h>

/*
 * What a job's process can still reach once it works on foreign bytes. Two fences of the kernel,
 * both put up before a thread is made or a repository opened, both kept by all that it starts:
 *
 *	seccomp		no sockets, and neither programs nor processes unless the kind needs them; no
 *			signals to others, nor limits; no change of what a file is (its mode, its owner);
 *			no memory that is shared or stays; nothing that looks into other processes,
 *			mounts, or asks the kernel for ways around this (io_uring, bpf, keys, user
 *			namespaces, calls that are newer than this program)
 *	Landlock	files: what was named here and what a program needs to run; nothing else can be
 *			opened, listed, made or removed
 *
 * Paths come from the person who registered a root and from that person's own configuration, never
 * from a repository.
 *
 *	g_autoptr(sandbox) sandbox = sandbox_new();
 *	sandbox_add_read(sandbox, "/home/me/src");
 *	sandbox_add_write(sandbox, "/home/me/.cache/muster");
 *	if (!sandbox_enter(sandbox, FALSE, FALSE, error)) ...
 *
 * seccomp must hold. Landlock is as good as the kernel (5.13 on; signals 6.12): sandbox_missing()
 * says what it lacks, once, for the runner's log.
 */

struct sandbox;
typedef struct sandbox sandbox;

struct sandbox *sandbox_new(void);
void sandbox_free(struct sandbox *sandbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(sandbox, sandbox_free)

/* A file, or a folder with all below it. What does not exist is left out; NULL is ignored. */
void sandbox_add_read(struct sandbox *sandbox, const char *path);
/* The same to read and write; a folder that does not exist is made first. */
void sandbox_add_write(struct sandbox *sandbox, const char *folder);

/*
 * The same for a working tree: symbolic links may be made, and what was opened may get another mode
 * and time. It must exist.
 */
void sandbox_add_tree(struct sandbox *sandbox, const char *folder);

/* And another owner: for who copies a tree as it is, and looks into none of its files. */
void sandbox_allow_owners(struct sandbox *sandbox);

/*
 * Makes now what sandbox_enter() would make: for a process whose children enter. Harmless more than
 * once.
 */
void sandbox_prepare(gboolean may_connect, gboolean may_execute);

/* For good, while there is one thread. Errors: MUSTER_ERROR_IO. */
gboolean sandbox_enter(
	const struct sandbox *sandbox, gboolean may_connect, gboolean may_execute, GError **error);

/* A sentence about what this kernel cannot do, or NULL. */
const char *sandbox_missing(void);

#endif

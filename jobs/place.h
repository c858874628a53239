/* SPDX-License-Identifier: MIT */
#ifndef JOBS_PLACE_H
#define JOBS_PLACE_H

#include <glib.h>

/*
 * A folder below a root, by a path that somebody else named (a report, a row). It is walked from
 * the root part by part: no "..", no symbolic link on the way or at its end, so that it cannot lie
 * anywhere else; and one who works in it holds its lock.
 *
 *	g_auto(place) place = {0};
 *	if (!place_open(&place, "/srv/git", path, error) ||
 *		(lock_fd = place_lock(path, TRUE, 1000, error)) < 0)
 *		return FALSE;
 *	... place.parent_fd and place.name are where it lies
 */

struct place {
	int fd;        /* the folder, O_PATH; not 0, and -1 when it is not there */
	int parent_fd; /* what it lies in; -1 for the root itself */
	char *name;    /* in parent_fd; NULL for the root itself */
};
typedef struct place place;

/*
 * Both paths are absolute. What it is to lie in must be there. Errors: MUSTER_ERROR_INPUT when the
 * path leads elsewhere, _MISSING (not for the folder itself, whose fd is -1), _IO.
 */
gboolean place_open(struct place *place, const char *root, const char *path, GError **error);
void place_clear(struct place *place);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(place, place_clear)

/*
 * The lock of a folder: exclusive for who writes a clone, a mirror or a work folder, shared for who
 * must read it as a whole. Advisory, held by the descriptor returned and by what inherits it. Who
 * is too early waits for at most wait_ms. Errors: MUSTER_ERROR_BUSY, _IO.
 */
int place_lock(const char *folder, gboolean is_exclusive, guint wait_ms, GError **error);

#endif

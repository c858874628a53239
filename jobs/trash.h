/* SPDX-License-Identifier: MIT */
#ifndef JOBS_TRASH_H
#define JOBS_TRASH_H

#include <glib.h>

#include "jobs/place.h"

/*
 * The trash: folders that were deleted and can be brought back, each under the number of the run
 * that did it.
 *
 *	STATE/trash/<organization's id>/<run>/tree	the folder
 *					      /note.json	{"path", "at"}: where it lay, and when
 *
 * On one file system a folder is renamed, which happens whole or not at all. Otherwise it is put
 * aside where it lies, copied (modes, times and, by root, owners too), compared with its copy byte
 * by byte, and only removed when the copy is on the disk under its name; when it changed meanwhile,
 * or cannot be copied whole, it is put back.
 *
 * Each step may be repeated: a job that was killed half way is done again. When it is not, what it
 * had put aside is there to be brought back. Who empties and who brings back lock <run>.
 */

/*
 * place, which has a name, goes into trash under run. path: for the note. Errors:
 * MUSTER_ERROR_MISSING, _CONFLICT it changed meanwhile, _INPUT it holds what cannot be copied, _IO.
 */
gboolean trash_put(const char *trash, const char *run, const struct place *place, const char *path,
	GError **error);

/*
 * What run deleted goes to place, which has a name and is not there. Errors: MUSTER_ERROR_MISSING
 * when the trash does not have it any more; as above.
 */
gboolean trash_take(const char *trash, const char *run, const struct place *place, GError **error);

/* What was deleted before that time goes for good. Returns how many. */
guint trash_prune(const char *trash, gint64 before_unix_s);

#endif

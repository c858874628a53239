/* SPDX-License-Identifier: MIT */
/*
 * Sightings in the making, for history_sight.c, history_refs.c and history_finish.c only.
 */
#ifndef MUSTER_JOBS_SCAN_HISTORY_SIGHT_H
#define MUSTER_JOBS_SCAN_HISTORY_SIGHT_H

#include "jobs/scan/history_inside.h"
#include "jobs/scan/pair_map.h"

#define SIGHT_PATH_ROOT 0
#define SIGHT_PATH_NONE 1 /* of a blob that no tree names */

struct seen {
	guint32 first, last, removed; /* places in the graph; COMMIT_GRAPH_NONE */
	guint32 first_blob, last_blob, head_blob;
	guint32 flags;
	guint32 refs, n_refs, refs_total;
};

struct sight {
	struct history_run *run;
	struct pair_map paths; /* (parent, name) */
	struct pair_map keys;  /* (path, secret): number of the sighting */
	struct pair_map quiet; /* (held, other): all that is held is in the other, too */
	guint64 n_told;        /* changes */
	GArray *seen;          /* struct seen, by that number */
	GArray *introductions; /* struct pair: sighting, commit (or graph's count + tip) */
	GArray *versions;      /* struct pair: sighting, blob */
	GArray *key_starts,
		*secrets; /* of each blob of state.blobs: its distinct secrets, ascending */
	GArray *others;   /* scratch: children compared with */
	struct state_result result;
};

/* Fills refs, n_refs and refs_total of all that was seen. */
gboolean sight_refs(struct sight *sight, GError **error);

/* Makes the result: sorted sightings, their commits read, their versions listed. */
void sight_finish(struct sight *sight);

#endif

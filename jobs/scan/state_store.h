/* SPDX-License-Identifier: MIT */
/*
 * The inside of a state, for the files state*.c and those of history.c only.
 *
 * What is kept whole each time is in arrays; the two tables that grow with the repository (scanned
 * blobs, commits) have a base, mapped from a file, and a young part.
 */
#ifndef MUSTER_JOBS_SCAN_STATE_STORE_H
#define MUSTER_JOBS_SCAN_STATE_STORE_H

#include "jobs/scan/commit_graph.h"
#include "jobs/scan/holding.h"
#include "jobs/scan/oid_map.h"
#include "jobs/scan/state.h"
#include "jobs/scan/text_pool.h"

#define STATE_KEY_BYTES 32

struct state_result {
	GArray *sightings; /* struct sighting */
	GArray *commits;   /* struct state_commit */
	GArray *refs;      /* guint32: texts */
	GArray *blobs;     /* guint32: numbers in state.blobs */
};

struct state {
	char *folder, *engine;
	const struct rule_set *rules;
	gboolean is_new;
	gboolean has_hash; /* what was loaded is whole: hash says for which tips */
	guint8 hash[STATE_HASH_BYTES];
	GArray *new_rules; /* guint16 */

	struct text_pool texts;
	GArray *secrets;             /* struct state_secret; number - 1 */
	GHashTable *secret_numbers;  /* of GBytes: digest and family's text; made when needed */
	guint8 key[STATE_KEY_BYTES]; /* of quick hashes; zeros until there is one */

	const struct oid *known; /* sorted */
	guint32 n_known;
	gpointer known_owned;
	struct oid_map known_young;

	struct oid_map blobs;               /* with hits, ever */
	GArray *hits;                       /* struct state_hit */
	GArray *hit_starts;                 /* guint32 by blob and one more; NULL: not sorted */
	const struct state_hit **hit_order; /* by blob, then secret; NULL: see state_order.h */
	guint32 n_blobs_before;             /* blobs there when it was loaded */
	GArray *gaps;                       /* struct state_gap: found by this scan */
	GArray *gaps_before;                /* those of the last one */
	guint64 counters[STATE_COUNTERS];

	gboolean has_graph;  /* graph and holdings fit one another and the hits */
	gboolean must_walk;  /* something was broken: look at everything again */
	struct oid_map lost; /* what trees name and is not there: holdings name it */
	GArray *lost_kinds;  /* guint8: enum history_gap */
	GArray *tip_names;   /* struct oid: what refs named when the graph was made … */
	GArray *tip_places;  /* guint32: … and the commit of the graph that each led to */
	guint8 shallow[STATE_HASH_BYTES];
	struct commit_graph graph;
	struct holding_table holdings;

	struct state_result result;
	GArray *removed; /* struct sighting, of result's commits, refs, blobs */

	/* Files: names of the bases that head refers to, and their mappings. */
	char *base_names[2];
	GMappedFile *base_files[2];
	guint64 base_sums[2];
	guint32 base_counts[2];
	gboolean is_base_current[2]; /* base is in its file as it is in memory */
	gboolean is_known_open, is_graph_open;
	gboolean is_dirty; /* something changed since it was loaded or saved */
	char *late_note;
};

/* Above that, what is young goes into a base of its own: a sixteenth of what is there, or: */
#define STATE_YOUNG_MIN 4096

enum state_base {
	STATE_BASE_BLOBS,
	STATE_BASE_GRAPH,
};

void state_result_init(struct state_result *result);
void state_result_clear(struct state_result *result);

/* Empties all but folder, engine and rules: an unusable state becomes a new one. */
void state_reset(struct state *state);

/* Maps and checks the graph when that was not done. FALSE: there is none that can be used. */
gboolean state_graph_open(struct state *state);
/* The same for the known blobs; a base that is damaged is dropped with everything. */
gboolean state_known_open(struct state *state);

/* Takes the sorted names over as the base of what is known. */
void state_known_set(struct state *state, struct oid *sorted, guint32 n);

/*
 * Takes what is in the folder's head file. FALSE with a sentence in *note when there is one that
 * cannot be used; the state is reset then.
 */
gboolean state_load(struct state *state, char **note);

/* Lets a new result take the old one's place; what is gone becomes state->removed. */
void state_take_result(struct state *state, struct state_result *result);

#endif

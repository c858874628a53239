/* SPDX-License-Identifier: MIT */
#ifndef JOBS_SCAN_HISTORY_H
#define JOBS_SCAN_HISTORY_H

#include "jobs/scan/depot.h"
#include "jobs/scan/state.h"
#include "jobs/scan_job.h"
#include "jobs/scan_name.h"
#include "jobs/scan_tips.h"

/*
 * The parts of reading history that a scan of a repository, of a range and of a push have in
 * common. The state is the answer in every case: of a scan that had nothing to read, too.
 */
struct scan_history_options {
	const struct scan_tips *tips;
	const char *objects;   /* the folder, where the state is to be kept */
	const GArray *without; /* struct oid: what these lead to is known; NULL none */
	gboolean is_unreachable;
	struct finding_target *target;
	struct secret_table *secrets; /* what is found goes in here */
	struct scan_names *names;     /* by numbers of the state */
};

/* Figures that a state keeps for the reports of scans that have nothing to do. */
enum scan_counter {
	SCAN_COUNTER_OBJECTS,
	SCAN_COUNTER_COMMITS,
	SCAN_COUNTER_PROBLEMS, /* of reading: then the next scan looks again */
	SCAN_COUNTER_BYTES,
	SCAN_COUNTER_GAPS, /* and the SCAN_GAP_COUNT - 1 behind it: what is passed over by intent */
	SCAN_COUNTER_MISSING =
		STATE_COUNTERS - 2, /* of the problems: not in this partial clone … */
	SCAN_COUNTER_STAMP = STATE_COUNTERS - 1, /* … whose objects were these (depot_stamp()) */
};
G_STATIC_ASSERT(SCAN_COUNTER_GAPS + SCAN_GAP_COUNT <= SCAN_COUNTER_MISSING);

/*
 * What the target knows from earlier scans, and what these passed over. scan_history_read() does it
 * itself.
 */
void scan_history_recall(struct finding_target *target, struct state *state);

/*
 * Whether a scan of the same refs would find the same: all could be read, or what could not is not
 * in a partial clone, and nothing has come.
 */
gboolean scan_history_is_settled(struct state *state, const char *objects_folder);
/* Tells again what is not here, of a state that is settled. */
void scan_history_recall_missing(
	struct scan_job *job, struct finding_target *target, struct state *state);

/*
 * Reads what is new into the state and attributes it. *is_whole: nothing was cut short by a limit
 * of time, so that the state may be kept. Errors: MUSTER_ERROR_LIMIT, _IO, _INPUT.
 */
gboolean scan_history_read(struct scan_job *job, const struct scan_history_options *options,
	struct depot *depot, struct state *state, gboolean *is_whole, GError **error);

/*
 * The state's sightings become findings of the report. depot: for the messages of commits, where
 * the format shows them; may be NULL. Those whose secrets have no digest yet are in names.
 * Errors: MUSTER_ERROR_IO.
 */
gboolean scan_history_report(struct scan_job *job, struct state *state, struct depot *depot,
	struct scan_names *names, const char *name, gboolean has_head, GError **error);

/*
 * Digests for those, which the state has from then on. What was found by an earlier scan, and was
 * no finding then, is read again; the depot may be NULL when scan_names_missing() is.
 */
gboolean scan_history_name(struct scan_job *job, struct state *state, struct depot *depot,
	const struct scan_history_options *options, GError **error);

#endif

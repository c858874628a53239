/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/history.h"

#include <string.h>

#include "jobs/scan/history_inside.h"
#include "lib/error.h"

#define TAGS_MAX 64 /* tags of tags that are followed */

struct history_run *history_run_new(
	struct depot *depot, struct state *state, const struct history_options *options)
{
	struct history_run *run = g_new0(struct history_run, 1);

	run->depot = depot;
	run->state = state;
	run->options = *options;
	run->reader = depot_reader_new(depot);
	run->targets = g_array_new(FALSE, FALSE, sizeof(struct history_target));
	run->problems = g_array_new(FALSE, FALSE, sizeof(struct history_problem));
	run->gap_kinds = g_array_new(FALSE, FALSE, sizeof(guint8));
	run->trees = g_array_new(FALSE, FALSE, sizeof(guint32));
	for (gsize i = 0; i < options->n_shallow; i++)
		oid_map_add(&run->shallow, &options->shallow[i]);
	return run;
}

void history_run_free(struct history_run *run)
{
	if (run == NULL)
		return;
	depot_reader_free(run->reader);
	g_array_unref(run->targets);
	g_array_unref(run->problems);
	g_array_unref(run->gap_kinds);
	g_array_unref(run->trees);
	oid_map_clear(&run->shallow);
	oid_map_clear(&run->gaps);
	g_free(run);
}

void history_problem_add(
	struct history_run *run, enum history_problem_kind kind, const struct oid *oid)
{
	struct history_problem problem = {.kind = kind};

	run->n_problems++;
	if (run->problems->len >= HISTORY_PROBLEMS_MAX)
		return;
	if (oid != NULL)
		problem.oid = *oid;
	g_array_append_val(run->problems, problem);
}

const struct history_problem *history_run_problems(
	const struct history_run *run, gsize *n, guint64 *total)
{
	*n = run->problems->len;
	*total = run->n_problems;
	return (const struct history_problem *)(const void *)run->problems->data;
}

struct history_counts history_run_counts(const struct history_run *run)
{
	return run->counts;
}

gboolean history_is_cancelled(const struct history_run *run, GError **error)
{
	if (run->options.cancel == NULL || g_atomic_int_get(run->options.cancel) == 0)
		return FALSE;
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_BUSY, "the scan was stopped");
	return TRUE;
}

guint32 history_gap_add(struct history_run *run, enum history_gap kind, const struct oid *oid)
{
	guint32 n = run->gaps.n;
	guint8 byte = (guint8)kind;

	if (n >= HISTORY_GAPS_MAX && oid_map_find(&run->gaps, oid) == OID_MAP_NONE)
		return 0;
	guint32 number = oid_map_add(&run->gaps, oid);
	if (number == n)
		g_array_append_val(run->gap_kinds, byte);
	return HOLDING_GAP | number;
}

gboolean history_commit_read(struct history_run *run, guint32 number, struct commit_bytes *commit)
{
	enum depot_type type;
	const guint8 *bytes;
	gsize len;

	if (depot_read(run->reader, number, HISTORY_OBJECT_MAX, &type, &bytes, &len, NULL) &&
		type == DEPOT_COMMIT && commit_bytes_parse(commit, bytes, len))
		return TRUE;
	history_problem_add(run, HISTORY_PROBLEM_BROKEN, depot_oid(run->depot, number));
	return FALSE;
}

static struct history_target target_get(struct history_run *run, const struct oid *tip)
{
	struct history_target target = {DEPOT_NONE, DEPOT_NONE, DEPOT_NONE, COMMIT_GRAPH_NONE, 0};
	struct oid oid = *tip;

	for (int depth = 0; depth < TAGS_MAX; depth++) {
		enum depot_type type;
		const guint8 *bytes;
		gsize len;
		guint32 number;
		struct tag_bytes tag;
		if (!depot_find(run->depot, &oid, &number)) {
			history_problem_add(run, HISTORY_PROBLEM_MISSING, &oid);
			return target;
		}
		switch (depot_type(run->depot, number)) {
		case DEPOT_COMMIT:
			target.commit = number;
			return target;
		case DEPOT_TREE:
			target.tree = number;
			return target;
		case DEPOT_BLOB:
			target.blob = number;
			return target;
		case DEPOT_TAG:
			if (depot_read(run->reader, number, HISTORY_OBJECT_MAX, &type, &bytes, &len,
				    NULL) &&
				tag_bytes_parse(&tag, bytes, len)) {
				oid = tag.object;
				continue;
			}
			break;
		case DEPOT_UNREADABLE:
			break;
		}
		break;
	}
	history_problem_add(run, HISTORY_PROBLEM_BROKEN, &oid);
	return target;
}

static void shallow_hash(const struct history_run *run, guint8 hash[STATE_HASH_BYTES])
{
	state_tips_hash(NULL, 0, run->options.shallow, run->options.n_shallow, hash);
}

/* Blobs tried in vain last time are tried again. */
static void gaps_want(struct history_run *run, guint64 *wanted)
{
	const GArray *gaps = run->state->gaps_before;

	for (guint i = 0; i < gaps->len; i++) {
		guint32 number;
		if (depot_find(run->depot, &g_array_index(gaps, struct state_gap, i).blob, &number))
			wanted[number / 64] |= G_GUINT64_CONSTANT(1) << (number % 64);
	}
}

static void all_want(struct history_run *run, guint64 *wanted)
{
	guint32 n = depot_count(run->depot);
	gboolean has_known = state_known_count(run->state) > 0;

	for (guint32 i = 0; i < n; i++)
		if (!has_known || !state_is_known(run->state, depot_oid(run->depot, i)))
			wanted[i / 64] |= G_GUINT64_CONSTANT(1) << (i % 64);
}

static gboolean can_be_new(struct history_run *run)
{
	struct state *state = run->state;
	guint8 hash[STATE_HASH_BYTES];

	if (run->options.n_without > 0)
		return TRUE;
	shallow_hash(run, hash);
	return !state->is_new && state->has_graph && state->problems == 0 &&
	       !run->options.is_unreachable && state->new_rules->len == 0 &&
	       memcmp(hash, state->shallow, sizeof(hash)) == 0 && state_graph_open(state);
}

gboolean history_run_find(
	struct history_run *run, guint64 *wanted, guint64 *n_wanted, GError **error)
{
	guint32 n_words = depot_count(run->depot) / 64 + 1;
	gboolean is_done = FALSE;

	state_known_open(run->state);
	for (gsize i = 0; i < run->options.n_tips; i++) {
		struct history_target target = target_get(run, &run->options.tips[i].oid);
		g_array_append_val(run->targets, target);
	}
	if (can_be_new(run) && !history_new_find(run, wanted, &is_done, error))
		return FALSE;
	if (is_done) {
		gaps_want(run, wanted);
	} else {
		run->counts.is_full = TRUE;
		all_want(run, wanted);
	}
	g_array_set_size(run->state->gaps, 0);
	run->is_found = TRUE;
	*n_wanted = 0;
	for (guint32 i = 0; i < n_words; i++)
		*n_wanted += (guint64)__builtin_popcountll(wanted[i]);
	return TRUE;
}

/* A blob of an old commit that could not be read before, and in which something was found now. */
static gboolean has_late_hits(const struct history_run *run)
{
	const struct state *state = run->state;

	for (guint i = 0; i < state->gaps_before->len; i++) {
		const struct state_gap *gap =
			&g_array_index(state->gaps_before, struct state_gap, i);
		guint32 blob = oid_map_find(&state->blobs, &gap->blob);
		if (blob != OID_MAP_NONE && blob >= state->n_blobs_before)
			return TRUE;
	}
	return FALSE;
}

static gboolean walk_all(struct history_run *run, GError **error)
{
	struct state *state = run->state;

	run->counts.is_full = TRUE;
	run->counts.new_commits = run->counts.trees = 0;
	commit_graph_clear(&state->graph);
	commit_graph_init(&state->graph);
	holding_table_reset(&state->holdings);
	state->is_base_current[STATE_BASE_GRAPH] = FALSE;
	g_array_set_size(run->trees, 0);
	return history_commits_walk(run, error) && history_trees_walk(run, error);
}

/* Gaps were met in all that was read; those of them are problems that a tip leads to. */
static void gaps_count(struct history_run *run)
{
	struct holding_table *table = &run->state->holdings;
	const struct commit_graph *graph = &run->state->graph;
	g_autofree guint8 *reach = g_malloc0(table->nodes->len);
	g_autofree guint8 *met = g_malloc0(run->gaps.n + 1);

	if (run->gaps.n == 0)
		return;
	for (guint32 i = 0; i < commit_graph_count(graph); i++)
		reach[commit_graph_get(graph, i)->held] = 1;
	for (guint i = 0; i < run->targets->len; i++)
		reach[g_array_index(run->targets, struct history_target, i).held] = 1;
	for (guint32 i = table->nodes->len; i-- > 1;) {
		guint32 n;
		const struct holding_entry *e = holding_entries(table, i, &n);
		for (guint32 k = 0; reach[i] && k < n; k++) {
			if (e[k].child & HOLDING_GAP)
				met[e[k].child & HOLDING_NUMBER] = 1;
			else if (holding_is_folder(e[k].child))
				reach[e[k].child] = 1;
		}
	}
	for (guint32 i = 0; i < run->gaps.n; i++) {
		if (!met[i])
			continue;
		switch (g_array_index(run->gap_kinds, guint8, i)) {
		case HISTORY_GAP_BLOB:
			run->counts.missing_blobs++;
			/* fall through */
		case HISTORY_GAP_TREE:
			if (!depot_is_partial(run->depot))
				history_problem_add(
					run, HISTORY_PROBLEM_MISSING, &run->gaps.oids[i]);
			break;
		default:
			history_problem_add(run, HISTORY_PROBLEM_BROKEN, &run->gaps.oids[i]);
		}
	}
}

gboolean history_run_attribute(struct history_run *run, GError **error)
{
	struct state *state = run->state;

	g_return_val_if_fail(run->is_found, FALSE);
	state->has_graph = FALSE; /* until it is one again */
	if (run->counts.is_full || has_late_hits(run)) {
		if (!walk_all(run, error))
			return FALSE;
	} else if (!history_new_hold(run, error)) {
		return FALSE;
	}
	gaps_count(run);
	if (!history_sight(run, error))
		return FALSE;
	state->problems = run->n_problems + run->gaps.n;
	state->has_graph = TRUE;
	shallow_hash(run, state->shallow);
	return TRUE;
}

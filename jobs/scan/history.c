/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/history.h"

#include <string.h>

#include "jobs/scan/history_inside.h"
#include "lib/error.h"

#define TAGS_MAX 64         /* tags of tags that are followed */
#define TIPS_KEPT_MAX 65536 /* refs whose commits need not be looked for next time */

struct history_run *history_run_new(
	struct depot *depot, struct state *state, const struct history_options *options)
{
	struct history_run *run = g_new0(struct history_run, 1);

	run->depot = depot;
	run->state = state;
	run->options = *options;
	run->reader = depot_reader_new(depot);
	run->targets = g_array_new(FALSE, FALSE, sizeof(struct history_target));
	run->without = g_array_new(FALSE, FALSE, sizeof(guint32));
	run->problems = g_array_new(FALSE, FALSE, sizeof(struct history_problem));
	run->trees = g_array_new(FALSE, FALSE, sizeof(guint32));
	for (gsize i = 0; i < options->n_shallow; i++)
		oid_map_add(&run->shallow, &options->shallow[i]);
	return run;
}

void history_run_free(struct history_run *run)
{
	if (run == NULL)
		return;
	history_commits_free(run);
	depot_reader_free(run->reader);
	g_array_unref(run->targets);
	g_array_unref(run->without);
	g_array_unref(run->problems);
	g_array_unref(run->trees);
	oid_map_clear(&run->shallow);
	oid_map_clear(&run->tips);
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

void history_problems_forget(struct history_run *run, guint64 n)
{
	run->n_problems = n;
	if (run->problems->len > n)
		g_array_set_size(run->problems, (guint)n);
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
	struct state *state = run->state;
	guint32 n = state->lost.n;
	guint8 byte = (guint8)kind;

	if (n >= HISTORY_GAPS_MAX && oid_map_find(&state->lost, oid) == OID_MAP_NONE)
		return 0;
	guint32 number = oid_map_add(&state->lost, oid);
	if (number == n)
		g_array_append_val(state->lost_kinds, byte);
	return HOLDING_GAP | number;
}

gboolean history_is_other_kind(const struct history_run *run, guint32 number, gboolean is_folder)
{
	enum depot_type type = depot_type_peek(run->depot, number);

	return type != DEPOT_UNREADABLE && type != (is_folder ? DEPOT_TREE : DEPOT_BLOB);
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
	int depth;

	for (depth = 0; depth < TAGS_MAX; depth++) {
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
	history_problem_add(run, depth == TAGS_MAX ? HISTORY_PROBLEM_LIMIT : HISTORY_PROBLEM_BROKEN,
		depth == TAGS_MAX ? tip : &oid);
	return target;
}

/* A tip that the last scan had, too: nothing of it need be read. */
static gboolean target_recall(
	struct history_run *run, const struct oid *tip, struct history_target *target)
{
	struct state *state = run->state;
	guint32 at = oid_map_find(&run->tips, tip), number;

	if (at == OID_MAP_NONE || !depot_find(run->depot, tip, &number))
		return FALSE;
	guint32 place = g_array_index(state->tip_places, guint32, at);
	if (place >= commit_graph_count(&state->graph) ||
		!depot_find(run->depot, &commit_graph_get(&state->graph, place)->oid, &number))
		return FALSE;
	*target = (struct history_target){number, DEPOT_NONE, DEPOT_NONE, place, 0};
	return TRUE;
}

static void targets_find(struct history_run *run, gboolean has_graph)
{
	const GArray *names = run->state->tip_names;

	/* A name that is there twice spoils the numbers: none is known then. */
	for (guint i = 0; has_graph && i < names->len; i++)
		oid_map_add(&run->tips, &g_array_index(names, struct oid, i));
	if (run->tips.n != names->len)
		oid_map_clear(&run->tips);
	for (gsize i = 0; i < run->options.n_tips; i++) {
		const struct oid *tip = &run->options.tips[i].oid;
		struct history_target target;
		if (!has_graph || !target_recall(run, tip, &target))
			target = target_get(run, tip);
		g_array_append_val(run->targets, target);
	}
	run->n_refs_broken = run->n_problems;
	/* What cannot be found leaves nothing out. */
	for (gsize i = 0; i < run->options.n_without; i++) {
		struct history_target target = target_get(run, &run->options.without[i]);
		if (target.commit != DEPOT_NONE)
			g_array_append_val(run->without, target.commit);
	}
	history_problems_forget(run, run->n_refs_broken);
}

static void tips_keep(struct history_run *run)
{
	struct state *state = run->state;

	oid_map_clear(&run->tips);
	g_array_set_size(state->tip_names, 0);
	g_array_set_size(state->tip_places, 0);
	for (guint i = 0; i < run->targets->len && run->tips.n < TIPS_KEPT_MAX; i++) {
		guint32 place = g_array_index(run->targets, struct history_target, i).place;
		const struct oid *name = &run->options.tips[i].oid;
		guint32 n = run->tips.n;
		if (place == COMMIT_GRAPH_NONE || oid_map_add(&run->tips, name) < n)
			continue;
		g_array_append_vals(state->tip_names, name, 1);
		g_array_append_val(state->tip_places, place);
	}
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

/* Whether what the last scan left can be gone on with. */
static gboolean has_graph(struct history_run *run)
{
	struct state *state = run->state;
	guint8 hash[STATE_HASH_BYTES];

	if (run->options.n_without > 0)
		return TRUE;
	for (guint32 i = 0; i < state->lost.n; i++) {
		guint32 number;
		if (depot_find(run->depot, &state->lost.oids[i], &number))
			return FALSE;
	}
	shallow_hash(run, hash);
	return !state->is_new && state->has_graph && !state->must_walk &&
	       !run->options.is_unreachable && state->new_rules->len == 0 &&
	       memcmp(hash, state->shallow, sizeof(hash)) == 0 && state_graph_open(state);
}

gboolean history_run_find(
	struct history_run *run, guint64 *wanted, guint64 *n_wanted, GError **error)
{
	guint32 n_words = depot_count(run->depot) / 64 + 1;
	gboolean is_done = FALSE;

	state_known_open(run->state);
	gboolean can_be_new = has_graph(run);
	targets_find(run, can_be_new);
	if (can_be_new && !history_new_find(run, wanted, &is_done, error))
		return FALSE;
	if (is_done) {
		gaps_want(run, wanted);
	} else {
		run->counts.is_full = TRUE;
		history_problems_forget(run, run->n_refs_broken);
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

	if (!history_commits_read(run, error))
		return FALSE;
	run->counts.is_full = TRUE;
	run->counts.new_commits = run->counts.trees = 0;
	commit_graph_clear(&state->graph);
	commit_graph_init(&state->graph);
	holding_table_reset(&state->holdings);
	oid_map_clear(&state->lost);
	g_array_set_size(state->lost_kinds, 0);
	for (guint i = 0; i < run->targets->len; i++)
		g_array_index(run->targets, struct history_target, i).place = COMMIT_GRAPH_NONE;
	state->is_base_current[STATE_BASE_GRAPH] = FALSE;
	state->is_graph_open = TRUE;
	g_array_set_size(run->trees, 0);
	run->first_new = 0;
	history_commits_follow(run);
	return history_paths_find(run, error) && history_trees_walk(run, error);
}

/* Marks what is lost in the trees of commits that the tips lead to, of the range or outside. */
static void lost_mark(struct history_run *run, gboolean is_outside, guint8 *met)
{
	struct state *state = run->state;
	struct holding_table *table = &state->holdings;
	g_autofree guint8 *reach = g_malloc0(table->nodes->len);
	g_autoptr(GArray) tips = g_array_new(FALSE, FALSE, sizeof(guint32));
	guint32 n;

	for (guint i = 0; i < run->targets->len; i++) {
		const struct history_target *target =
			&g_array_index(run->targets, struct history_target, i);
		if (!is_outside)
			reach[target->held] = 1;
		if (target->place != COMMIT_GRAPH_NONE)
			g_array_append_val(tips, target->place);
	}
	g_autofree guint8 *commits = commit_graph_reach(
		&state->graph, (const guint32 *)(const void *)tips->data, tips->len, &n);
	for (guint32 i = 0; i < commit_graph_count(&state->graph); i++) {
		const struct graph_commit *commit = commit_graph_get(&state->graph, i);
		if (commits[i] && !(commit->flags & GRAPH_OUTSIDE) == !is_outside)
			reach[commit->held] = 1;
	}
	for (guint32 i = table->nodes->len; i-- > 1;) {
		const struct holding_entry *e = holding_entries(table, i, &n);
		for (guint32 k = 0; reach[i] && k < n; k++) {
			if (e[k].child & HOLDING_GAP)
				met[e[k].child & HOLDING_NUMBER] = 1;
			else if (holding_is_folder(e[k].child))
				reach[e[k].child] = 1;
		}
	}
}

/*
 * What is lost was met in all that was read; what a tip leads to is a problem. Not of a range, when
 * its parents have lost it already.
 */
static void lost_count(struct history_run *run)
{
	struct state *state = run->state;
	g_autofree guint8 *met = g_malloc0(state->lost.n + 1);
	g_autofree guint8 *before = g_malloc0(state->lost.n + 1);

	if (state->lost.n == 0)
		return;
	lost_mark(run, FALSE, met);
	if (run->options.n_without > 0)
		lost_mark(run, TRUE, before);
	for (guint32 i = 0; i < state->lost.n; i++) {
		guint8 kind = g_array_index(state->lost_kinds, guint8, i);
		if (!met[i] || before[i])
			continue;
		if (kind == HISTORY_GAP_BLOB)
			run->counts.missing_blobs++;
		if (kind == HISTORY_GAP_BROKEN)
			history_problem_add(run, HISTORY_PROBLEM_BROKEN, &state->lost.oids[i]);
		else if (!depot_is_partial(run->depot))
			history_problem_add(run, HISTORY_PROBLEM_MISSING, &state->lost.oids[i]);
	}
}

/* Whether something is broken that might be whole the next time, beside what is lost. */
static gboolean is_broken(const struct history_run *run)
{
	const struct state *state = run->state;

	if (run->n_problems > run->n_refs_broken || state->lost.n >= HISTORY_GAPS_MAX)
		return TRUE;
	for (guint32 i = 0; i < state->lost.n; i++)
		if (g_array_index(state->lost_kinds, guint8, i) == HISTORY_GAP_BROKEN)
			return TRUE;
	return FALSE;
}

void history_run_begin(struct history_run *run)
{
	if (run->is_found && run->counts.is_full)
		history_commits_begin(run);
}

gboolean history_run_attribute(struct history_run *run, GError **error)
{
	struct state *state = run->state;

	g_return_val_if_fail(run->is_found, FALSE);
	state->has_graph = FALSE; /* until it is one again */
	if (run->counts.is_full || has_late_hits(run)) {
		if (!walk_all(run, error))
			return FALSE;
	} else if (!history_paths_find(run, error) || !history_new_hold(run, error)) {
		return FALSE;
	}
	gboolean must_walk = is_broken(run);
	lost_count(run);
	if (!history_sight(run, error))
		return FALSE;
	state->must_walk = must_walk;
	state->has_graph = TRUE;
	tips_keep(run);
	shallow_hash(run, state->shallow);
	return TRUE;
}

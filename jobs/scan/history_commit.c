/* SPDX-License-Identifier: MIT */
/*
 * Every commit of the depot, read once; then those the tips lead to, parents first. Others have
 * something to do meanwhile: see history_inside.h.
 */
#include "config.h"

#include <string.h>

#include "jobs/scan/history_inside.h"
#include "jobs/scan/word_arena.h"
#include "lib/error.h"
#include "lib/memory.h"

#define PLACE_OPEN G_MAXUINT32 /* on the way: its parents are being looked at */
#define EXPECTED 2             /* parents that most commits have at most */
#define PENDING_MAX 16u        /* commits whose names are looked up together */
#define ROW_WORDS 4            /* tree, date (two), number of parents; then these */

struct commit_walk {
	struct history_run *run;
	struct word_arena *arena;
	guint32 *rows;   /* by number in the depot */
	guint32 *places; /* likewise: place in the graph + 1 */
	struct depot_progress progress;
	gint is_full;
	GThread *thread; /* of the step that is being done; NULL: none, or it is done */
	gboolean is_fine;
	GError *error;
};

struct commit_pending {
	guint32 number, n_parents;
	gint64 date;
	struct oid tree, parents[EXPECTED];
};

struct commit_thread {
	struct commit_walk *walk;
	struct word_cursor cursor;
	struct commit_pending pending[PENDING_MAX];
	guint n_pending;
	guint32 words[ROW_WORDS + HISTORY_PARENTS_MAX];
};

static gpointer thread_begin(gpointer data, guint thread)
{
	struct commit_thread *t = g_new0(struct commit_thread, 1);

	t->walk = data;
	return t;
}

static guint32 find(const struct depot *depot, const struct oid *oid)
{
	guint32 number;

	return depot_find(depot, oid, &number) ? number : DEPOT_NONE;
}

/* words[] has all but what is the same for all rows. */
static void row_add(
	struct commit_thread *t, guint32 number, gint64 date, guint32 parent_count, guint32 n)
{
	struct commit_walk *walk = t->walk;

	t->words[1] = (guint32)(guint64)date;
	t->words[2] = (guint32)((guint64)date >> 32);
	t->words[3] = parent_count;
	walk->rows[number] = word_arena_add(walk->arena, &t->cursor, t->words, ROW_WORDS + n);
	if (walk->rows[number] == 0) {
		g_atomic_int_set(&walk->is_full, 1);
		g_atomic_int_set(&walk->progress.cancel, 1);
	}
}

/* Names are somewhere in memory: that of several is waited for at once. */
static void pending_find(struct commit_thread *t)
{
	const struct depot *depot = t->walk->run->depot;

	for (guint i = 0; i < t->n_pending; i++) {
		const struct commit_pending *p = &t->pending[i];
		t->words[0] = find(depot, &p->tree);
		for (guint k = 0; k < p->n_parents; k++)
			t->words[ROW_WORDS + k] = find(depot, &p->parents[k]);
		row_add(t, p->number, p->date, p->n_parents, p->n_parents);
	}
	t->n_pending = 0;
}

/* FALSE: it is not like most. */
static gboolean pending_add(
	struct commit_thread *t, guint32 number, const struct commit_bytes *commit)
{
	const struct depot *depot = t->walk->run->depot;
	struct commit_pending *p = &t->pending[t->n_pending];

	if (commit->parent_count > EXPECTED)
		return FALSE;
	for (guint i = 0; i < commit->parent_count; i++)
		if (!commit_bytes_parent(commit, i, &p->parents[i]))
			return FALSE;
	p->number = number;
	p->n_parents = commit->parent_count;
	p->date = commit->committer.time_s;
	p->tree = commit->tree;
	depot_expect(depot, &p->tree);
	for (guint i = 0; i < p->n_parents; i++)
		depot_expect(depot, &p->parents[i]);
	if (++t->n_pending == PENDING_MAX)
		pending_find(t);
	return TRUE;
}

static void thread_end(gpointer data, gpointer thread_data)
{
	pending_find(thread_data);
	g_free(thread_data);
}

static gpointer commit_visit(gpointer thread_data, const struct depot_object *object)
{
	struct commit_thread *t = thread_data;
	struct commit_walk *walk = t->walk;
	struct depot *depot = walk->run->depot;
	struct commit_bytes commit;

	if (walk->run->options.cancel != NULL && g_atomic_int_get(walk->run->options.cancel))
		g_atomic_int_set(&walk->progress.cancel, 1);
	if (!commit_bytes_parse(&commit, object->data, object->len))
		return NULL;
	if (pending_add(t, object->number, &commit))
		return NULL;
	guint n = MIN(commit.parent_count, HISTORY_PARENTS_MAX);
	t->words[0] = find(depot, &commit.tree);
	for (guint i = 0; i < n; i++) {
		struct oid oid;
		t->words[ROW_WORDS + i] =
			commit_bytes_parent(&commit, i, &oid) ? find(depot, &oid) : DEPOT_NONE;
	}
	row_add(t, object->number, commit.committer.time_s, commit.parent_count, n);
	return NULL;
}

struct step {
	guint32 number;
	guint32 next;    /* parent to look at */
	guint32 parents; /* where its own begin in the common row */
	guint32 is_cut;
};

static void step_push(struct commit_walk *walk, GArray *steps, guint32 number, guint32 parents)
{
	struct step step = {.number = number, .parents = parents};

	step.is_cut = oid_map_find(&walk->run->shallow, depot_oid(walk->run->depot, number)) !=
		      OID_MAP_NONE;
	walk->places[number] = PLACE_OPEN;
	g_array_append_val(steps, step);
}

/* The next parent that was not looked at; DEPOT_NONE when all are in the graph. */
static guint32 step_next(struct commit_walk *walk, struct step *step, GArray *parents)
{
	struct history_run *run = walk->run;
	const guint32 *row = word_arena_get(walk->arena, walk->rows[step->number]);
	const struct oid *oid = depot_oid(run->depot, step->number);

	if (step->is_cut && step->next == 0 && oid_map_find(&run->shallow, oid) != OID_MAP_NONE)
		return DEPOT_NONE;
	for (; step->next < MIN(row[3], HISTORY_PARENTS_MAX); step->next++) {
		guint32 parent = row[ROW_WORDS + step->next];
		if (parent != DEPOT_NONE && walk->rows[parent] != 0 &&
			walk->places[parent] != PLACE_OPEN) {
			if (walk->places[parent] == 0)
				return parent;
			guint32 place = walk->places[parent] - 1;
			g_array_append_val(parents, place);
			continue;
		}
		/* Not there, no commit, or one that is its own ancestor. */
		step->is_cut = TRUE;
		if (parent == DEPOT_NONE)
			history_problem_add(run, HISTORY_PROBLEM_MISSING, oid);
		else
			history_problem_add(
				run, HISTORY_PROBLEM_BROKEN, depot_oid(run->depot, parent));
	}
	if (row[3] > HISTORY_PARENTS_MAX) {
		step->is_cut = TRUE;
		history_problem_add(run, HISTORY_PROBLEM_LIMIT, oid);
	}
	return DEPOT_NONE;
}

static gboolean graph_fill(struct commit_walk *walk, guint32 tip, GArray *steps, GArray *parents)
{
	struct history_run *run = walk->run;
	struct commit_graph *graph = &run->state->graph;

	step_push(walk, steps, tip, parents->len);
	while (steps->len > 0) {
		struct step *step = &g_array_index(steps, struct step, steps->len - 1);
		guint32 parent = step_next(walk, step, parents);
		if (parent != DEPOT_NONE) {
			step_push(walk, steps, parent, parents->len);
			continue;
		}
		const guint32 *row = word_arena_get(walk->arena, walk->rows[step->number]);
		guint32 tree = row[0];
		gint64 date = (gint64)((guint64)row[2] << 32 | row[1]);
		guint32 place = commit_graph_add(graph, depot_oid(run->depot, step->number), date,
			step->is_cut ? GRAPH_CUT_OFF : 0,
			(const guint32 *)(const void *)parents->data + step->parents,
			parents->len - step->parents);
		if (place == COMMIT_GRAPH_NONE)
			return FALSE;
		walk->places[step->number] = place + 1;
		g_array_append_val(run->trees, tree);
		g_array_set_size(parents, step->parents);
		g_array_set_size(steps, steps->len - 1);
	}
	return TRUE;
}

/* What a range leaves out comes first, for nothing in it is a problem of the range. */
static gboolean without_follow(struct commit_walk *walk, GArray *steps, GArray *parents)
{
	struct history_run *run = walk->run;
	struct commit_graph *graph = &run->state->graph;
	guint64 n_problems = run->n_problems;

	for (guint i = 0; i < run->without->len; i++) {
		guint32 commit = g_array_index(run->without, guint32, i);
		if (walk->rows[commit] != 0 && walk->places[commit] == 0 &&
			!graph_fill(walk, commit, steps, parents))
			return FALSE;
	}
	history_problems_forget(run, n_problems);
	for (guint32 i = 0; i < commit_graph_count(graph); i++)
		commit_graph_add_flags(graph, i, GRAPH_OUTSIDE);
	return TRUE;
}

static gboolean tips_follow(struct commit_walk *walk)
{
	struct history_run *run = walk->run;
	g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(struct step));
	g_autoptr(GArray) parents = g_array_new(FALSE, FALSE, sizeof(guint32));

	if (!without_follow(walk, steps, parents))
		return FALSE;
	for (guint i = 0; i < run->targets->len; i++) {
		struct history_target *target =
			&g_array_index(run->targets, struct history_target, i);
		if (target->commit == DEPOT_NONE)
			continue;
		if (walk->rows[target->commit] == 0) {
			history_problem_add(
				run, HISTORY_PROBLEM_BROKEN, depot_oid(run->depot, target->commit));
			continue;
		}
		if (walk->places[target->commit] == 0 &&
			!graph_fill(walk, target->commit, steps, parents))
			return FALSE;
		target->place = walk->places[target->commit] - 1;
	}
	return TRUE;
}

static gpointer all_read(gpointer data)
{
	const struct depot_visitor visitor = {
		.visit = commit_visit, .thread_begin = thread_begin, .thread_end = thread_end};
	struct commit_walk *walk = data;
	struct history_run *run = walk->run;
	gsize count = (gsize)depot_count(run->depot) + 1;

	walk->arena = word_arena_new();
	walk->rows = memory_try_table0(count * sizeof(guint32));
	walk->places = memory_try_table0(count * sizeof(guint32));
	if (walk->rows == NULL || walk->places == NULL) {
		g_set_error_literal(&walk->error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"there is not enough memory for the commits");
		return NULL;
	}
	walk->is_fine = depot_walk(run->depot, DEPOT_MASK(DEPOT_COMMIT), NULL, &visitor, walk,
		&walk->progress, &walk->error);
	if (walk->is_full && !walk->is_fine) {
		g_clear_error(&walk->error);
		g_set_error_literal(&walk->error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"there are too many commits");
	}
	return NULL;
}

static gpointer all_follow(gpointer data)
{
	struct commit_walk *walk = data;

	walk->is_fine = tips_follow(walk);
	if (!walk->is_fine)
		g_set_error_literal(&walk->error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"there are too many commits");
	return NULL;
}

static void step_begin(struct commit_walk *walk, GThreadFunc func)
{
	walk->is_fine = FALSE;
	if (walk->run->options.threads != 1)
		walk->thread = g_thread_try_new("commits", func, walk, NULL);
	if (walk->thread == NULL)
		func(walk);
}

static gboolean step_wait(struct history_run *run, GError **error)
{
	struct commit_walk *walk = run->commits;

	if (walk->thread != NULL)
		g_thread_join(g_steal_pointer(&walk->thread));
	if (walk->is_fine)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&walk->error));
	history_commits_free(run);
	return FALSE;
}

void history_commits_begin(struct history_run *run)
{
	if (run->commits != NULL)
		return;
	run->commits = g_new0(struct commit_walk, 1);
	run->commits->run = run;
	step_begin(run->commits, all_read);
}

gboolean history_commits_read(struct history_run *run, GError **error)
{
	history_commits_begin(run);
	return step_wait(run, error);
}

void history_commits_follow(struct history_run *run)
{
	step_begin(run->commits, all_follow);
}

gboolean history_commits_finish(struct history_run *run, GError **error)
{
	if (run->commits == NULL)
		return TRUE;
	if (!step_wait(run, error))
		return FALSE;
	history_commits_free(run);
	run->counts.commits = run->counts.new_commits = commit_graph_count(&run->state->graph);
	return !history_is_cancelled(run, error);
}

void history_commits_free(struct history_run *run)
{
	struct commit_walk *walk = g_steal_pointer(&run->commits);

	if (walk == NULL)
		return;
	g_atomic_int_set(&walk->progress.cancel, 1);
	if (walk->thread != NULL)
		g_thread_join(walk->thread);
	g_clear_error(&walk->error);
	word_arena_free(walk->arena);
	g_free(walk->rows);
	g_free(walk->places);
	g_free(walk);
}

/* SPDX-License-Identifier: MIT */
/* What the trees of the graph's commits hold, out of the changes of all trees. */
#include "config.h"

#include <string.h>

#include "jobs/scan/history_tree.h"
#include "lib/error.h"
#include "lib/memory.h"

#define HELD_OPEN G_MAXUINT32 /* being put together: it is on the stack */
#define WHOLE_MAX 100000      /* trees read again because bases and folders go round */

struct hold_step {
	guint32 number; /* of the tree */
	guint32 row;    /* its change */
	guint32 next;   /* 0: its base, then its changed children */
};

struct hold_walk {
	struct history_run *run;
	struct tree_changes changes;
	guint32 *held; /* by number in the depot: what it holds + 1, 0 unknown */
	GArray *steps;
	GArray *entries; /* scratch: struct holding_entry */
	guint32 n_whole;
};

static guint32 broken_hold(struct hold_walk *walk, guint32 tree)
{
	struct history_run *run = walk->run;
	struct holding_entry entry = {walk->changes.no_name,
		history_gap_add(run, HISTORY_GAP_BROKEN, depot_oid(run->depot, tree))};
	guint32 number;

	holding_table_add(&run->state->holdings, &entry, 1, &number);
	return number;
}

static void step_push(struct hold_walk *walk, guint32 tree)
{
	guint32 row = walk->changes.marks[tree];
	struct hold_step step = {.number = tree, .row = row};

	/* No tree, or one that could not be read. */
	if (row == 0 || row & TREE_MARK_BLOB) {
		walk->held[tree] = broken_hold(walk, tree) + 1;
		return;
	}
	walk->held[tree] = HELD_OPEN;
	g_array_append_val(walk->steps, step);
}

/* The next tree this one needs that is not known yet; DEPOT_NONE when all are. */
static guint32 step_next(struct hold_walk *walk, struct hold_step *step)
{
	const guint32 *row = word_arena_get(walk->changes.arena, step->row);

	for (; step->next <= row[1]; step->next++) {
		guint32 tree = row[0];
		if (step->next > 0) {
			guint32 child = row[TREE_CHANGE_WORDS + (step->next - 1) * 2 + 1];
			tree = child == TREE_CHANGE_GONE || !holding_is_folder(child) ? DEPOT_NONE
										      : child - 1;
		}
		if (tree != DEPOT_NONE && (walk->held[tree] == 0 || walk->held[tree] == HELD_OPEN))
			return tree;
	}
	return DEPOT_NONE;
}

/*
 * Needs go round. A folder cannot hold itself, but a tree may be a delta of one that holds it: then
 * the tree is read whole and what was put off behind it begins again. FALSE: it is no such circle.
 */
static gboolean circle_open(struct hold_walk *walk, guint32 tree)
{
	guint at = walk->steps->len;

	while (at-- > 0) {
		struct hold_step *step = &g_array_index(walk->steps, struct hold_step, at);
		if (step->next == 0 && walk->n_whole < WHOLE_MAX) {
			walk->n_whole++;
			guint32 row = tree_changes_read(&walk->changes, step->number);
			if (row == 0)
				return FALSE;
			step->row = row;
			step->next = 1;
			for (guint i = at + 1; i < walk->steps->len; i++)
				walk->held[g_array_index(walk->steps, struct hold_step, i).number] =
					0;
			g_array_set_size(walk->steps, at + 1);
			return TRUE;
		}
		if (step->number == tree)
			break;
	}
	return FALSE;
}

static guint32 child_held(const struct hold_walk *walk, guint32 child)
{
	if (child == TREE_CHANGE_GONE)
		return 0;
	if (!holding_is_folder(child))
		return child;
	guint32 held = walk->held[child - 1];
	return held == HELD_OPEN || held == 0 ? 0 : held - 1;
}

static void step_finish(struct hold_walk *walk, const struct hold_step *step)
{
	struct holding_table *table = &walk->run->state->holdings;
	const guint32 *row = word_arena_get(walk->changes.arena, step->row);
	const guint32 *pairs = row + TREE_CHANGE_WORDS;
	guint32 n = row[1], number = 0, n_base = 0;
	const struct holding_entry *base = NULL;

	if (row[0] != DEPOT_NONE)
		number = child_held(walk, row[0] + 1);
	if (n == 0) {
		walk->held[step->number] = number + 1;
		return;
	}
	g_array_set_size(walk->entries, 0);
	if (number != 0)
		base = holding_entries(table, number, &n_base);
	for (guint32 i = 0; i < n_base; i++) {
		gboolean is_changed = FALSE;
		for (guint32 k = 0; k < n && !is_changed; k++)
			is_changed = pairs[k * 2] == base[i].name;
		if (!is_changed)
			g_array_append_val(walk->entries, base[i]);
	}
	for (guint32 k = 0; k < n; k++) {
		struct holding_entry entry = {pairs[k * 2], child_held(walk, pairs[k * 2 + 1])};
		if (entry.child != 0)
			g_array_append_val(walk->entries, entry);
	}
	if (!holding_table_add(table, (struct holding_entry *)(void *)walk->entries->data,
		    walk->entries->len, &number))
		history_problem_add(walk->run, HISTORY_PROBLEM_LIMIT,
			depot_oid(walk->run->depot, step->number));
	walk->held[step->number] = number + 1;
}

static guint32 tree_hold(struct hold_walk *walk, guint32 tree)
{
	if (tree == DEPOT_NONE)
		return 0;
	if (walk->held[tree] == 0)
		step_push(walk, tree);
	while (walk->steps->len > 0) {
		guint top = walk->steps->len - 1;
		struct hold_step *step = &g_array_index(walk->steps, struct hold_step, top);
		guint32 need = step_next(walk, step);
		if (need == DEPOT_NONE) {
			struct hold_step done = *step;
			g_array_set_size(walk->steps, top);
			step_finish(walk, &done);
		} else if (walk->held[need] == 0) {
			step_push(walk, need);
		} else if (!circle_open(walk, need)) {
			/* A folder that holds itself: bytes that do not belong to their name. */
			history_problem_add(walk->run, HISTORY_PROBLEM_BROKEN,
				depot_oid(walk->run->depot, need));
			step->next++;
		}
	}
	return walk->held[tree] - 1;
}

static void blobs_mark(struct history_run *run, guint32 *marks)
{
	const struct oid_map *blobs = &run->state->blobs;

	for (guint32 i = 0; i < blobs->n; i++) {
		guint32 number;
		if (depot_find(run->depot, &blobs->oids[i], &number))
			marks[number] = TREE_MARK_BLOB | i;
	}
}

static gboolean all_hold(struct hold_walk *walk, GError **error)
{
	struct history_run *run = walk->run;

	for (guint i = 0; i < run->trees->len; i++) {
		guint32 tree = g_array_index(run->trees, guint32, i);
		if (tree == DEPOT_NONE && !depot_is_partial(run->depot))
			history_problem_add(run, HISTORY_PROBLEM_MISSING,
				&commit_graph_get(&run->state->graph, i)->oid);
		commit_graph_set_held(&run->state->graph, i, tree_hold(walk, tree));
		if (i % 1024 == 0 && history_is_cancelled(run, error))
			return FALSE;
	}
	for (guint i = 0; i < run->targets->len; i++) {
		struct history_target *target =
			&g_array_index(run->targets, struct history_target, i);
		target->held = tree_hold(walk, target->tree);
	}
	return TRUE;
}

gboolean history_trees_walk(struct history_run *run, GError **error)
{
	gsize count = (gsize)depot_count(run->depot) + 1;
	g_autofree guint32 *marks = memory_try_table0(count * sizeof(guint32));
	g_autofree guint32 *held = memory_try_table0(count * sizeof(guint32));
	g_autofree guint8 *plain = g_try_malloc0(count / 4 + 1);
	g_autoptr(WordArena) arena = word_arena_new();
	g_autoptr(GArray) steps = g_array_new(FALSE, FALSE, sizeof(struct hold_step));
	g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(struct holding_entry));
	struct hold_walk walk = {.run = run, .held = held, .steps = steps, .entries = entries};

	if (marks == NULL || held == NULL || plain == NULL || count >= HOLDING_NUMBER) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"there is not enough memory for the trees");
		return FALSE;
	}
	walk.changes.run = run;
	walk.changes.arena = arena;
	walk.changes.marks = marks;
	walk.changes.plain = plain;
	walk.changes.no_name = text_pool_add(&run->state->texts, "", 0);
	blobs_mark(run, marks);
	g_mutex_init(&walk.changes.lock);
	gboolean is_fine = tree_changes_walk(&walk.changes, error) &&
			   history_commits_finish(run, error) && all_hold(&walk, error);
	g_mutex_clear(&walk.changes.lock);
	return is_fine;
}

/* SPDX-License-Identifier: MIT */
/*
 * What new commits brought. A folder is only read where it differs from that of every parent; what
 * a folder holds is what the parent's holds, but for what differs.
 */
#include "config.h"

#include <string.h>

#include "jobs/scan/history_inside.h"
#include "jobs/scan/pair_map.h"

/*
 * Trees that are read to find what is new; more are read faster in the depot's order. Of a range
 * all blobs have to be scanned then, for which one waits longer.
 */
#define TREES_MAX 50000
#define RANGE_TREES_MAX 1000000
#define HELD_OPEN G_MAXUINT32
#define MET_TREE DEPOT_NONE      /* begins the key of a folder that was met … */
#define MET_END (DEPOT_NONE - 1) /* … and ends it */

/* A folder as one of the parents has it. */
struct theirs {
	guint32 tree; /* in the depot; DEPOT_NONE */
	guint32 held; /* when holdings are asked for */
};

/* An entry that no parent has like that. */
struct change {
	guint32 name;   /* text; TEXT_POOL_NONE when holdings are not asked for */
	guint32 number; /* in the depot; DEPOT_NONE: missing */
	guint32 theirs; /* of a folder: where the parents' begin */
	gboolean is_folder;
	struct oid oid;
};

struct folder_walk {
	struct history_run *run;
	GHashTable *trees;   /* by number + 1: what it holds + 1, or that it was met */
	struct pair_map met; /* of a range: folders, each beside the parents' at its place */
	GHashTable *roots;   /* by place of a commit + 1: number of its tree */
	guint64 *wanted;
	gboolean is_holding;
	guint32 no_name;
	guint depth;
};

/* A tree's bytes, copied; NULL when it cannot be read. */
static guint8 *tree_read(struct folder_walk *walk, guint32 tree, gsize *len)
{
	enum depot_type type;
	const guint8 *bytes;

	*len = 0;
	if (tree == DEPOT_NONE ||
		!depot_read(
			walk->run->reader, tree, HISTORY_OBJECT_MAX, &type, &bytes, len, NULL) ||
		type != DEPOT_TREE)
		return NULL;
	walk->run->counts.trees++;
	guint8 *copy = g_try_malloc(*len + 1);
	if (copy != NULL)
		memcpy(copy, bytes, *len);
	return copy;
}

static gboolean is_folder(const struct tree_bytes_entry *e)
{
	return (e->mode & TREE_BYTES_KIND) == TREE_BYTES_FOLDER;
}

/* Reads along a parent's tree beside ours. */
struct along {
	guint8 *bytes;
	const guint8 *at, *end;
	struct tree_bytes_entry entry;
	gboolean has_entry;
	guint32 held;
};

static void along_next(struct along *along)
{
	along->has_entry = tree_bytes_next(&along->at, along->end, &along->entry);
}

static gboolean along_find(struct along *along, const struct tree_bytes_entry *entry)
{
	while (along->has_entry && tree_bytes_compare(&along->entry, entry) < 0)
		along_next(along);
	return along->has_entry && tree_bytes_compare(&along->entry, entry) == 0 &&
	       is_folder(&along->entry) == is_folder(entry);
}

struct folder {
	GArray *changes; /* struct change */
	GArray *theirs;  /* struct theirs */
	GArray *entries; /* struct holding_entry: taken over from a parent */
	gboolean is_broken;
};

static void folder_init(struct folder *folder)
{
	folder->changes = g_array_new(FALSE, FALSE, sizeof(struct change));
	folder->theirs = g_array_new(FALSE, FALSE, sizeof(struct theirs));
	folder->entries = g_array_new(FALSE, FALSE, sizeof(struct holding_entry));
	folder->is_broken = FALSE;
}

static void folder_clear(struct folder *folder)
{
	g_array_unref(folder->changes);
	g_array_unref(folder->theirs);
	g_array_unref(folder->entries);
}

static void entry_keep(struct folder_walk *walk, struct folder *folder, guint32 held,
	const struct tree_bytes_entry *entry)
{
	guint32 name = text_pool_find(&walk->run->state->texts, entry->name, entry->name_len), n;
	if (name == TEXT_POOL_NONE || held == 0)
		return;
	const struct holding_entry *there =
		holding_find(&walk->run->state->holdings, held, name, &n);
	if (there != NULL)
		g_array_append_vals(folder->entries, there, n);
}

static guint32 depot_number(struct folder_walk *walk, const struct oid *oid)
{
	guint32 number;

	return depot_find(walk->run->depot, oid, &number) ? number : DEPOT_NONE;
}

static guint32 entry_name(struct folder_walk *walk, const struct tree_bytes_entry *entry)
{
	return text_pool_add(&walk->run->state->texts, entry->name, entry->name_len);
}

static void want(struct folder_walk *walk, guint32 number)
{
	if (number != DEPOT_NONE &&
		!state_is_known(walk->run->state, depot_oid(walk->run->depot, number)))
		walk->wanted[number / 64] |= G_GUINT64_CONSTANT(1) << (number % 64);
}

/*
 * Wants the parents' versions of a file, too: of a range the parents may lie outside, and what they
 * held already is nothing that the range brought.
 */
static void theirs_want(
	struct folder_walk *walk, const struct along *along, const gboolean *is_there, guint n)
{
	for (guint i = 0; i < n; i++) {
		struct oid oid;
		if (!is_there[i])
			continue;
		memcpy(&oid, along[i].entry.oid, sizeof(oid));
		want(walk, depot_number(walk, &oid));
	}
}

static void entry_change(struct folder_walk *walk, struct folder *folder, struct along *along,
	const gboolean *is_there, guint n, const struct tree_bytes_entry *entry)
{
	struct change change = {.name = TEXT_POOL_NONE,
		.theirs = folder->theirs->len,
		.is_folder = is_folder(entry)};

	memcpy(&change.oid, entry->oid, sizeof(change.oid));
	change.number = depot_number(walk, &change.oid);
	/* Only blobs of interest need a name, and there are few. */
	if (walk->is_holding &&
		(change.is_folder || change.number == DEPOT_NONE ||
			oid_map_find(&walk->run->state->blobs, &change.oid) != OID_MAP_NONE))
		change.name = entry_name(walk, entry);
	for (guint i = 0; change.is_folder && i < n; i++) {
		struct theirs theirs = {DEPOT_NONE, 0};
		guint32 n_there;
		if (is_there[i]) {
			struct oid oid;
			memcpy(&oid, along[i].entry.oid, sizeof(oid));
			theirs.tree = depot_number(walk, &oid);
		}
		const struct holding_entry *there =
			walk->is_holding && theirs.tree != DEPOT_NONE
				? holding_find(&walk->run->state->holdings, along[i].held,
					  change.name, &n_there)
				: NULL;
		for (guint32 k = 0; there != NULL && k < n_there; k++)
			if (holding_is_folder(there[k].child))
				theirs.held = there[k].child;
		g_array_append_val(folder->theirs, theirs);
	}
	if (!change.is_folder && !walk->is_holding && walk->run->options.n_without > 0)
		theirs_want(walk, along, is_there, n);
	g_array_append_val(folder->changes, change);
}

/* Lists what is in a tree and not in any of the parents', and takes over what is. */
static gboolean folder_read(struct folder_walk *walk, guint32 tree, const struct theirs *theirs,
	guint n, struct folder *folder)
{
	gsize len;
	g_autofree guint8 *bytes = tree_read(walk, tree, &len);
	const guint8 *at = bytes, *end = bytes != NULL ? bytes + len : NULL;
	g_autofree struct along *along = g_new0(struct along, n + 1);
	g_autofree gboolean *is_there = g_new0(gboolean, n + 1);
	struct tree_bytes_entry entry;

	if (bytes == NULL)
		return FALSE;
	for (guint i = 0; i < n; i++) {
		gsize their_len;
		along[i].held = theirs[i].held;
		along[i].bytes = tree_read(walk, theirs[i].tree, &their_len);
		if (along[i].bytes == NULL)
			continue;
		along[i].at = along[i].bytes;
		along[i].end = along[i].bytes + their_len;
		along_next(&along[i]);
	}
	while (tree_bytes_next(&at, end, &entry)) {
		gboolean is_same = FALSE;
		if ((entry.mode & TREE_BYTES_KIND) == TREE_BYTES_SUBMODULE)
			continue;
		for (guint i = 0; i < n; i++) {
			is_there[i] = along_find(&along[i], &entry);
			if (is_same || !is_there[i] ||
				memcmp(along[i].entry.oid, entry.oid, OID_BYTES) != 0)
				continue;
			is_same = TRUE;
			if (walk->is_holding)
				entry_keep(walk, folder, along[i].held, &entry);
		}
		if (!is_same)
			entry_change(walk, folder, along, is_there, n, &entry);
	}
	folder->is_broken = at != end;
	for (guint i = 0; i < n; i++)
		g_free(along[i].bytes);
	return TRUE;
}

static guint32 folder_hold(
	struct folder_walk *walk, guint32 tree, const struct theirs *theirs, guint n);

static guint32 change_hold(
	struct folder_walk *walk, const struct folder *folder, const struct change *change, guint n)
{
	struct history_run *run = walk->run;

	if (change->number == DEPOT_NONE)
		return history_gap_add(
			run, change->is_folder ? HISTORY_GAP_TREE : HISTORY_GAP_BLOB, &change->oid);
	if (history_is_other_kind(run, change->number, change->is_folder))
		return history_gap_add(run, HISTORY_GAP_BROKEN, &change->oid);
	if (change->is_folder)
		return folder_hold(walk, change->number,
			(const struct theirs *)(const void *)folder->theirs->data + change->theirs,
			n);
	guint32 blob = oid_map_find(&run->state->blobs, &change->oid);
	return blob != OID_MAP_NONE ? HOLDING_BLOB | blob : 0;
}

/* What a tree holds, given what the parents' folders at its place do. */
static guint32 folder_hold(
	struct folder_walk *walk, guint32 tree, const struct theirs *theirs, guint n)
{
	struct history_run *run = walk->run;
	gpointer key = GUINT_TO_POINTER(tree + 1);
	struct folder folder;
	guint32 number = 0;

	for (guint i = 0; i < n; i++)
		if (theirs[i].tree == tree)
			return theirs[i].held;
	guint32 known = GPOINTER_TO_UINT(g_hash_table_lookup(walk->trees, key));
	if (known != 0 && known != HELD_OPEN)
		return known - 1;
	if (known == HELD_OPEN || walk->depth >= HISTORY_DEPTH_MAX) {
		history_problem_add(run, HISTORY_PROBLEM_LIMIT, depot_oid(run->depot, tree));
		return 0;
	}
	g_hash_table_insert(walk->trees, key, GUINT_TO_POINTER(HELD_OPEN));
	walk->depth++;
	folder_init(&folder);
	if (!folder_read(walk, tree, theirs, n, &folder))
		folder.is_broken = TRUE;
	for (guint i = 0; i < folder.changes->len; i++) {
		const struct change *change = &g_array_index(folder.changes, struct change, i);
		struct holding_entry entry = {change->name, change_hold(walk, &folder, change, n)};
		if (entry.child != 0)
			g_array_append_val(folder.entries, entry);
	}
	if (folder.is_broken) {
		struct holding_entry entry = {walk->no_name,
			history_gap_add(run, HISTORY_GAP_BROKEN, depot_oid(run->depot, tree))};
		g_array_append_val(folder.entries, entry);
	}
	if (!holding_table_add(&run->state->holdings,
		    (struct holding_entry *)(void *)folder.entries->data, folder.entries->len,
		    &number))
		history_problem_add(run, HISTORY_PROBLEM_LIMIT, depot_oid(run->depot, tree));
	folder_clear(&folder);
	walk->depth--;
	g_hash_table_insert(walk->trees, key, GUINT_TO_POINTER(number + 1));
	return number;
}

/*
 * Whether a folder is met for the first time. What is known of the others stays known, wherever a
 * folder comes back; in a range it may come back after it was taken away, and is new again beside
 * these parents. Then it is the same only beside the same.
 */
static gboolean folder_meet(
	struct folder_walk *walk, guint32 tree, const struct theirs *theirs, guint n)
{
	gboolean is_new;

	if (walk->run->options.n_without == 0)
		return g_hash_table_add(walk->trees, GUINT_TO_POINTER(tree + 1));
	guint32 key = pair_map_add(&walk->met, tree, MET_TREE, &is_new);
	for (guint i = 0; i < n; i++)
		if (theirs[i].tree != DEPOT_NONE)
			key = pair_map_add(&walk->met, key, theirs[i].tree, &is_new);
	pair_map_add(&walk->met, key, MET_END, &is_new);
	return is_new;
}

static gboolean is_too_much(const struct history_run *run)
{
	return run->counts.trees > (run->options.n_without > 0 ? RANGE_TREES_MAX : TREES_MAX);
}

/* Wants the blobs that are in none of the parents' folders. */
static void folder_find(
	struct folder_walk *walk, guint32 tree, const struct theirs *theirs, guint n)
{
	struct folder folder;

	for (guint i = 0; i < n; i++)
		if (theirs[i].tree == tree)
			return;
	if (tree == DEPOT_NONE || walk->depth >= HISTORY_DEPTH_MAX || is_too_much(walk->run) ||
		!folder_meet(walk, tree, theirs, n))
		return;
	walk->depth++;
	folder_init(&folder);
	folder_read(walk, tree, theirs, n, &folder);
	for (guint i = 0; i < folder.changes->len; i++) {
		const struct change *change = &g_array_index(folder.changes, struct change, i);
		if (change->is_folder)
			folder_find(walk, change->number,
				(const struct theirs *)(const void *)folder.theirs->data +
					change->theirs,
				n);
		else
			want(walk, change->number);
	}
	folder_clear(&folder);
	walk->depth--;
}

/* The tree of a commit of the graph; DEPOT_NONE when it cannot be had. */
static guint32 root_get(struct folder_walk *walk, guint32 place)
{
	struct history_run *run = walk->run;
	gpointer key = GUINT_TO_POINTER(place + 1), value;
	guint32 number, tree = DEPOT_NONE;
	struct commit_bytes bytes;

	if (place >= run->first_new)
		return g_array_index(run->trees, guint32, place - run->first_new);
	if (g_hash_table_lookup_extended(walk->roots, key, NULL, &value))
		return GPOINTER_TO_UINT(value);
	if (depot_find(run->depot, &commit_graph_get(&run->state->graph, place)->oid, &number) &&
		history_commit_read(run, number, &bytes)) {
		struct oid oid = bytes.tree;
		tree = depot_number(walk, &oid);
	}
	g_hash_table_insert(walk->roots, key, GUINT_TO_POINTER(tree));
	return tree;
}

/* The trees of a commit's parents. */
static GArray *parents_list(struct folder_walk *walk, guint32 place)
{
	const struct commit_graph *graph = &walk->run->state->graph;
	GArray *list = g_array_new(FALSE, FALSE, sizeof(struct theirs));
	guint32 parent;

	for (guint32 i = 0; (parent = commit_graph_parent(graph, place, i)) != COMMIT_GRAPH_NONE;
		i++) {
		struct theirs theirs = {
			root_get(walk, parent), commit_graph_get(graph, parent)->held};
		g_array_append_val(list, theirs);
	}
	return list;
}

static void walk_init(struct folder_walk *walk, struct history_run *run, guint64 *wanted)
{
	walk->run = run;
	walk->trees = g_hash_table_new(NULL, NULL);
	walk->roots = g_hash_table_new(NULL, NULL);
	walk->wanted = wanted;
	walk->is_holding = wanted == NULL;
	if (walk->is_holding)
		walk->no_name = text_pool_add(&run->state->texts, "", 0);
}

static void walk_clear(struct folder_walk *walk)
{
	g_hash_table_unref(walk->trees);
	g_hash_table_unref(walk->roots);
	pair_map_clear(&walk->met);
}

gboolean history_new_find(
	struct history_run *run, guint64 *wanted, gboolean *is_done, GError **error)
{
	struct folder_walk walk = {0};
	struct commit_graph *graph = &run->state->graph;

	*is_done = FALSE;
	if (!history_new_commits(run))
		return TRUE;
	walk_init(&walk, run, wanted);
	for (guint32 place = run->first_new; place < commit_graph_count(graph); place++) {
		if (commit_graph_get(graph, place)->flags & GRAPH_OUTSIDE)
			continue;
		if (history_is_cancelled(run, NULL))
			break;
		g_autoptr(GArray) theirs = parents_list(&walk, place);
		folder_find(&walk, root_get(&walk, place),
			(const struct theirs *)(const void *)theirs->data, theirs->len);
	}
	for (guint i = 0; i < run->targets->len; i++) {
		const struct history_target *target =
			&g_array_index(run->targets, struct history_target, i);
		folder_find(&walk, target->tree, NULL, 0);
		want(&walk, target->blob);
	}
	walk_clear(&walk);
	*is_done = !is_too_much(run);
	return !history_is_cancelled(run, error);
}

gboolean history_new_hold(struct history_run *run, GError **error)
{
	struct folder_walk walk = {0};
	struct commit_graph *graph = &run->state->graph;

	walk_init(&walk, run, NULL);
	for (guint32 place = run->first_new; place < commit_graph_count(graph); place++) {
		g_autoptr(GArray) theirs = parents_list(&walk, place);
		guint32 tree = root_get(&walk, place);
		if (tree == DEPOT_NONE) {
			if (!depot_is_partial(run->depot))
				history_problem_add(run, HISTORY_PROBLEM_MISSING,
					&commit_graph_get(graph, place)->oid);
			continue;
		}
		commit_graph_set_held(graph, place,
			folder_hold(&walk, tree, (const struct theirs *)(const void *)theirs->data,
				theirs->len));
	}
	for (guint i = 0; i < run->targets->len; i++) {
		struct history_target *target =
			&g_array_index(run->targets, struct history_target, i);
		if (target->tree != DEPOT_NONE)
			target->held = folder_hold(&walk, target->tree, NULL, 0);
	}
	walk_clear(&walk);
	return !history_is_cancelled(run, error);
}

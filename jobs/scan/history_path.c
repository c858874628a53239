/* SPDX-License-Identifier: MIT */
/*
 * Files that rules know by their paths alone. Each version of one becomes a hit that has no bytes,
 * and from there on everything is as with others: who brought it, whether it is still there, what
 * an allowlist says. A hit is of a blob, which other paths may have, too; findings are made of
 * those paths that the rule knows.
 *
 * The same walk says which of some objects the commits of a range brought.
 *
 * Each commit's folders are read beside those of its parents, as far as they differ, so that every
 * version of every file is met once where it came. Nothing of it is done without such a rule.
 */
#include "config.h"

#include <string.h>

#include "jobs/scan/finding_id.h"
#include "jobs/scan/finding_path.h"
#include "jobs/scan/history_inside.h"
#include "jobs/scan/pair_map.h"

#define KEPT_BYTES_MAX (64u << 20) /* of trees that were read: a parent's comes again soon */

struct path_walk {
	struct history_run *run;
	struct finding_paths *paths;
	GArray *rules;         /* guint16: those of paths alone */
	guint64 *brought;      /* by number in the depot: met; NULL: not asked for */
	GHashTable *kept;      /* number of a tree + 1 -> GBytes */
	gsize n_kept;          /* bytes */
	struct pair_map names; /* folder and name -> path */
	struct pair_map met;   /* path and tree */
	struct pair_map told;  /* number in the depot and rule */
	GString *path;
	guint depth;
};

/* A tree's bytes; NULL when it cannot be read, which is told elsewhere. */
static GBytes *tree_get(struct path_walk *walk, guint32 tree)
{
	gpointer key = GUINT_TO_POINTER(tree + 1);
	enum depot_type type;
	const guint8 *bytes;
	gsize len = 0;

	if (tree == DEPOT_NONE)
		return NULL;
	GBytes *known = g_hash_table_lookup(walk->kept, key);
	if (known != NULL)
		return g_bytes_ref(known);
	if (!depot_read(walk->run->reader, tree, HISTORY_OBJECT_MAX, &type, &bytes, &len, NULL) ||
		type != DEPOT_TREE)
		return NULL;
	guint8 *copy = g_try_malloc(len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, bytes, len);
	GBytes *made = g_bytes_new_take(copy, len);
	if (walk->n_kept + len > KEPT_BYTES_MAX) {
		g_hash_table_remove_all(walk->kept);
		walk->n_kept = 0;
	}
	walk->n_kept += len;
	g_hash_table_insert(walk->kept, key, g_bytes_ref(made));
	return made;
}

static guint32 number_of(const struct path_walk *walk, const void *oid)
{
	struct oid name; /* it need not be aligned */
	guint32 number;

	memcpy(&name, oid, sizeof(name));
	return depot_find(walk->run->depot, &name, &number) ? number : DEPOT_NONE;
}

/* A version of the file whose path walk->path is. */
static void file_meet(struct path_walk *walk, guint32 number)
{
	struct state *state = walk->run->state;

	if (walk->brought != NULL && number != DEPOT_NONE)
		walk->brought[number / 64] |= G_GUINT64_CONSTANT(1) << (number % 64);
	for (guint i = 0; number != DEPOT_NONE && i < walk->rules->len; i++) {
		guint16 rule = g_array_index(walk->rules, guint16, i);
		gboolean is_new;
		if (!finding_paths_concern(
			    walk->paths, &state->rules->rules[rule], walk->path->str))
			continue;
		pair_map_add(&walk->told, number, rule, &is_new);
		if (!is_new)
			continue;
		struct hit hit = {
			.rule = rule, .line = 1, .column = 1, .end_line = 1, .end_column = 1};
		state_add_hit(state, depot_oid(walk->run->depot, number), &hit,
			state_add_secret(
				state, state->rules->rules[rule].family, finding_file_digest, "0 "),
			NULL, NULL);
	}
}

/* Reads along a parent's folder beside ours. */
struct beside {
	GBytes *bytes;
	const guint8 *from, *at, *end; /* the entry, and what is behind it */
	struct tree_bytes_entry entry;
	gboolean has_entry;
};

static void beside_next(struct beside *beside)
{
	beside->from = beside->at;
	beside->has_entry = tree_bytes_next(&beside->at, beside->end, &beside->entry);
}

static void beside_open(struct beside *beside, struct path_walk *walk, guint32 tree)
{
	gsize len = 0;

	beside->bytes = tree_get(walk, tree);
	beside->at = beside->bytes != NULL ? g_bytes_get_data(beside->bytes, &len) : NULL;
	beside->end = beside->at != NULL ? beside->at + len : NULL;
	beside_next(beside);
}

static gboolean beside_find(struct beside *beside, const struct tree_bytes_entry *entry)
{
	while (beside->has_entry && tree_bytes_compare(&beside->entry, entry) < 0)
		beside_next(beside);
	return beside->has_entry && tree_bytes_compare(&beside->entry, entry) == 0;
}

static void folder_meet(
	struct path_walk *walk, guint32 tree, guint32 folder, const guint32 *theirs, guint n);

static void entry_meet(struct path_walk *walk, const struct tree_bytes_entry *entry, guint32 folder,
	struct beside *beside, guint n)
{
	gboolean is_folder = (entry->mode & TREE_BYTES_KIND) == TREE_BYTES_FOLDER, is_new;
	g_autofree guint32 *theirs = g_new(guint32, n + 1);
	gsize len = walk->path->len;

	if ((entry->mode & TREE_BYTES_KIND) == TREE_BYTES_SUBMODULE)
		return;
	for (guint i = 0; i < n; i++) {
		theirs[i] = DEPOT_NONE;
		if (!beside_find(&beside[i], entry))
			continue;
		if (!memcmp(beside[i].entry.oid, entry->oid, OID_BYTES))
			return;
		theirs[i] = number_of(walk, beside[i].entry.oid);
	}
	g_string_append_len(walk->path, entry->name, entry->name_len);
	if (is_folder) {
		guint32 name =
			text_pool_add(&walk->run->state->texts, entry->name, entry->name_len);
		g_string_append_c(walk->path, '/');
		folder_meet(walk, number_of(walk, entry->oid),
			pair_map_add(&walk->names, folder, name, &is_new) + 1, theirs, n);
	} else {
		file_meet(walk, number_of(walk, entry->oid));
		/* Of a range: what was there before is nothing that it brought. */
		for (guint i = 0; i < n && walk->run->options.n_without > 0; i++)
			if (walk->brought == NULL)
				file_meet(walk, theirs[i]);
	}
	g_string_truncate(walk->path, len);
}

/*
 * Most folders differ from the one parent's in an entry or two: the same bytes before them are
 * passed by without comparing entries. Where to go on.
 */
static const guint8 *same_skip(struct beside *beside, const guint8 *bytes, const guint8 *end)
{
	gsize most = MIN((gsize)(end - bytes), (gsize)(beside->end - beside->from)), same = 0;
	const guint8 *at = bytes, *zero;

	while (same + 64 <= most && !memcmp(bytes + same, beside->from + same, 64))
		same += 64;
	/* A name's end, and the object's name behind it. */
	while ((zero = memchr(at, '\0', (gsize)(end - at))) != NULL &&
		(gsize)(zero - bytes) + 1 + OID_BYTES <= same)
		at = zero + 1 + OID_BYTES;
	beside->at = beside->from + (at - bytes);
	beside_next(beside);
	return at;
}

static gboolean is_rest(const guint8 *at, gsize len, const guint8 *theirs, const guint8 *end)
{
	return (gsize)(end - theirs) == len && !memcmp(at, theirs, len);
}

/* What is in none of the parents' folders of this path. */
static void folder_meet(
	struct path_walk *walk, guint32 tree, guint32 folder, const guint32 *theirs, guint n)
{
	struct tree_bytes_entry entry;
	gboolean is_new = TRUE;
	gsize len;

	for (guint i = 0; i < n; i++)
		if (theirs[i] == tree)
			return;
	/* In a range a folder may come back after it was taken away, and is new then. */
	if (walk->run->options.n_without == 0)
		pair_map_add(&walk->met, folder, tree, &is_new);
	g_autoptr(GBytes) bytes =
		is_new && walk->depth < HISTORY_DEPTH_MAX ? tree_get(walk, tree) : NULL;
	if (bytes == NULL)
		return;
	g_autofree struct beside *beside = g_new0(struct beside, n + 1);
	for (guint i = 0; i < n; i++)
		beside_open(&beside[i], walk, theirs[i]);
	walk->depth++;
	const guint8 *at = g_bytes_get_data(bytes, &len), *end = at + len;
	gboolean is_single = n == 1 && beside[0].bytes != NULL;
	if (is_single)
		at = same_skip(&beside[0], at, end);
	while (walk->path->len < HISTORY_PATH_MAX && tree_bytes_next(&at, end, &entry)) {
		entry_meet(walk, &entry, folder, beside, n);
		gsize rest = (gsize)(end - at);
		if (is_single && (is_rest(at, rest, beside[0].at, beside[0].end) ||
					 is_rest(at, rest, beside[0].from, beside[0].end)))
			break;
	}
	walk->depth--;
	for (guint i = 0; i < n; i++)
		g_clear_pointer(&beside[i].bytes, g_bytes_unref);
}

static guint32 root_of(struct path_walk *walk, guint32 place)
{
	struct history_run *run = walk->run;
	struct commit_bytes commit;
	guint32 number;

	if (place >= run->first_new)
		return g_array_index(run->trees, guint32, place - run->first_new);
	if (!depot_find(run->depot, &commit_graph_get(&run->state->graph, place)->oid, &number) ||
		!history_commit_read(run, number, &commit))
		return DEPOT_NONE;
	struct oid tree = commit.tree;
	return number_of(walk, &tree);
}

static gboolean commits_meet(struct path_walk *walk, GError **error)
{
	struct history_run *run = walk->run;
	const struct commit_graph *graph = &run->state->graph;
	g_autoptr(GArray) theirs = g_array_new(FALSE, FALSE, sizeof(guint32));

	for (guint32 place = run->first_new; place < commit_graph_count(graph); place++) {
		guint32 parent;
		if (commit_graph_get(graph, place)->flags & GRAPH_OUTSIDE)
			continue;
		if (history_is_cancelled(run, error))
			return FALSE;
		g_array_set_size(theirs, 0);
		for (guint32 i = 0;
			(parent = commit_graph_parent(graph, place, i)) != COMMIT_GRAPH_NONE; i++) {
			guint32 tree = root_of(walk, parent);
			g_array_append_val(theirs, tree);
		}
		folder_meet(walk, root_of(walk, place), 0,
			(const guint32 *)(const void *)theirs->data, theirs->len);
	}
	for (guint i = 0; i < run->targets->len; i++)
		folder_meet(walk, g_array_index(run->targets, struct history_target, i).tree, 0,
			NULL, 0);
	return TRUE;
}

static gboolean walk_run(struct path_walk *walk, GError **error)
{
	walk->kept = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_bytes_unref);
	walk->path = g_string_new(NULL);
	gboolean is_done = commits_meet(walk, error);
	g_hash_table_unref(walk->kept);
	g_string_free(walk->path, TRUE);
	pair_map_clear(&walk->names);
	pair_map_clear(&walk->met);
	pair_map_clear(&walk->told);
	return is_done;
}

gboolean history_paths_find(struct history_run *run, GError **error)
{
	const struct rule_set *rules = run->state->rules;
	g_autoptr(GArray) files = g_array_new(FALSE, FALSE, sizeof(guint16));
	struct path_walk walk = {.run = run, .rules = files};

	for (guint16 i = 0; i < rules->n; i++)
		if (rules->rules[i].flags & RULE_PATH_ONLY)
			g_array_append_val(files, i);
	if (files->len == 0)
		return TRUE;
	/* The graph is asked for, which all others need later. */
	if (!history_commits_finish(run, error))
		return FALSE;
	g_autoptr(FindingPaths) paths = finding_paths_new(rules, error);
	walk.paths = paths;
	return paths != NULL && walk_run(&walk, error);
}

gboolean history_run_brought(struct history_run *run, guint64 *brought, GError **error)
{
	g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(guint16));
	struct path_walk walk = {.run = run, .rules = none, .brought = brought};

	for (guint i = 0; i < run->targets->len; i++) {
		guint32 blob = g_array_index(run->targets, struct history_target, i).blob;
		if (blob != DEPOT_NONE)
			brought[blob / 64] |= G_GUINT64_CONSTANT(1) << (blob % 64);
	}
	return walk_run(&walk, error);
}

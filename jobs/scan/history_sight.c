/* SPDX-License-Identifier: MIT */
/*
 * Sightings out of the graph and the holdings. Commits are compared with their parents by number;
 * only where these differ folders are gone into. What is in a commit and in none of its parents was
 * introduced there, what is in a parent and not in the commit was removed there.
 */
#include "config.h"
#include "jobs/scan/history_sight.h"

#include <string.h>

#include "jobs/scan/state_order.h"
#include "lib/error.h"

#define SEEN_MAX 4000000           /* sightings; a path can be made at every commit */
#define INTRODUCTIONS_MAX 50000000 /* of them all together */

enum change {
	CHANGE_INTRODUCED,
	CHANGE_REMOVED,
	CHANGE_TIP, /* a ref that leads to a tree */
};

static gboolean secret_is_in(const struct sight *sight, guint32 blob, guint32 secret)
{
	guint32 from = g_array_index(sight->key_starts, guint32, blob);
	guint32 end = g_array_index(sight->key_starts, guint32, blob + 1), to = end;

	while (from < to) {
		guint32 middle = from + (to - from) / 2;
		if (g_array_index(sight->secrets, guint32, middle) < secret)
			from = middle + 1;
		else
			to = middle;
	}
	return from < end && g_array_index(sight->secrets, guint32, from) == secret;
}

static void secrets_list(struct sight *sight)
{
	struct state *state = sight->run->state;

	for (guint32 blob = 0; blob <= state->blobs.n; blob++) {
		guint32 start = sight->secrets->len;
		gsize n;
		const struct state_hit *const *hits = state_hits_by_secret(state, blob, &n);
		g_array_append_val(sight->key_starts, start);
		for (gsize i = 0; i < n; i++)
			if (i == 0 || hits[i]->hit.secret != hits[i - 1]->hit.secret)
				g_array_append_val(sight->secrets, hits[i]->hit.secret);
	}
}

static guint32 seen_add(struct sight *sight, guint32 path, guint32 secret)
{
	static const struct seen unknown = {COMMIT_GRAPH_NONE, COMMIT_GRAPH_NONE, COMMIT_GRAPH_NONE,
		STATE_NONE, STATE_NONE, STATE_NONE, 0, 0, 0, 0};
	gboolean is_new;
	guint32 number = pair_map_add(&sight->keys, path, secret, &is_new);

	if (is_new)
		g_array_append_val(sight->seen, unknown);
	return number;
}

static void change_tell(struct sight *sight, guint32 path, guint32 blob, guint32 secret,
	guint32 commit, enum change change)
{
	const struct commit_graph *graph = &sight->run->state->graph;

	sight->n_told++;
	if (sight->seen->len >= SEEN_MAX || sight->introductions->len >= INTRODUCTIONS_MAX)
		return;
	guint32 number = seen_add(sight, path, secret);
	struct seen *seen = &g_array_index(sight->seen, struct seen, number);
	struct pair pair = {number, commit};
	switch (change) {
	case CHANGE_INTRODUCED:
		if (seen->first == COMMIT_GRAPH_NONE ||
			commit_graph_compare(graph, commit, seen->first) < 0) {
			seen->first = commit;
			seen->first_blob = blob;
		}
		g_array_append_val(sight->introductions, pair);
		break;
	case CHANGE_REMOVED:
		if (seen->removed == COMMIT_GRAPH_NONE ||
			commit_graph_compare(graph, commit, seen->removed) > 0)
			seen->removed = commit;
		break;
	case CHANGE_TIP:
		if (seen->first_blob == STATE_NONE)
			seen->first_blob = blob;
		pair.b += commit_graph_count(graph);
		g_array_append_val(sight->introductions, pair);
		break;
	}
}

static void blob_differ(struct sight *sight, guint32 path, guint32 blob, guint from, guint to,
	guint32 commit, enum change change)
{
	guint32 end = g_array_index(sight->key_starts, guint32, blob + 1);

	for (guint32 k = g_array_index(sight->key_starts, guint32, blob); k < end; k++) {
		guint32 secret = g_array_index(sight->secrets, guint32, k);
		gboolean is_there = FALSE;
		for (guint i = from; i < to && !is_there; i++) {
			guint32 other = g_array_index(sight->others, guint32, i);
			is_there = other & HOLDING_BLOB &&
				   secret_is_in(sight, other & HOLDING_NUMBER, secret);
		}
		if (!is_there)
			change_tell(sight, path, blob, secret, commit, change);
	}
}

/* Tells what is in held and in none of the others, which are sight->others [from, to). */
static void held_differ(struct sight *sight, guint32 path, guint32 held, guint from, guint to,
	guint32 commit, enum change change)
{
	const struct holding_table *table = &sight->run->state->holdings;
	guint32 n;
	const struct holding_entry *entries = holding_entries(table, held, &n);

	for (guint32 i = 0; i < n; i++) {
		guint32 child = entries[i].child;
		gboolean is_same = FALSE, is_new;
		guint top = sight->others->len;
		if (child & HOLDING_GAP)
			continue;
		for (guint o = from; o < to && !is_same; o++) {
			guint32 n_there;
			const struct holding_entry *there =
				holding_find(table, g_array_index(sight->others, guint32, o),
					entries[i].name, &n_there);
			for (guint32 k = 0; k < n_there; k++) {
				is_same |= there[k].child == child;
				if (holding_is_folder(child) == holding_is_folder(there[k].child))
					g_array_append_val(sight->others, there[k].child);
			}
		}
		if (!is_same) {
			guint32 below = pair_map_add(&sight->paths, path, entries[i].name, &is_new);
			guint end = sight->others->len;
			if (holding_is_folder(child))
				held_differ(sight, below, child, top, end, commit, change);
			else
				blob_differ(sight, below, child & HOLDING_NUMBER, top, end, commit,
					change);
		}
		g_array_set_size(sight->others, top);
	}
}

/*
 * The same for one other. Most merges take up a branch that left before something changed: the same
 * two are compared again and again, and most of the time nothing is missing.
 */
static void pair_differ(
	struct sight *sight, guint32 held, guint32 other, guint32 commit, enum change change)
{
	guint64 before = sight->n_told;
	guint top = sight->others->len;
	gboolean is_new;

	if (held == other || held == 0 ||
		pair_map_find(&sight->quiet, held, other) != PAIR_MAP_NONE)
		return;
	g_array_append_val(sight->others, other);
	held_differ(sight, SIGHT_PATH_ROOT, held, top, top + 1, commit, change);
	g_array_set_size(sight->others, top);
	if (sight->n_told == before)
		pair_map_add(&sight->quiet, held, other, &is_new);
}

/* Nine of ten commits change nothing of interest: that is seen without a list. */
static gboolean is_like_parents(const struct commit_graph *graph, const struct graph_commit *commit)
{
	guint32 first = commit->parents[0], second = commit->parents[1];

	return first != COMMIT_GRAPH_NONE && commit_graph_get(graph, first)->held == commit->held &&
	       (second == COMMIT_GRAPH_NONE ||
		       ((second & COMMIT_GRAPH_MORE) == 0 &&
			       commit_graph_get(graph, second)->held == commit->held));
}

static void commit_differ(struct sight *sight, guint32 commit)
{
	const struct commit_graph *graph = &sight->run->state->graph;
	const struct graph_commit *node = commit_graph_get(graph, commit);
	guint32 held = node->held, parent;
	gboolean is_same = FALSE;

	if (is_like_parents(graph, node))
		return;
	g_array_set_size(sight->others, 0);
	for (guint32 i = 0; (parent = commit_graph_parent(graph, commit, i)) != COMMIT_GRAPH_NONE;
		i++) {
		guint32 theirs = commit_graph_get(graph, parent)->held;
		is_same |= theirs == held;
		g_array_append_val(sight->others, theirs);
	}
	guint n = sight->others->len;
	if (n == 1)
		pair_differ(sight, held, g_array_index(sight->others, guint32, 0), commit,
			CHANGE_INTRODUCED);
	else if (!is_same && held != 0)
		held_differ(sight, SIGHT_PATH_ROOT, held, 0, n, commit, CHANGE_INTRODUCED);
	for (guint i = 0; i < n; i++)
		pair_differ(sight, g_array_index(sight->others, guint32, i), held, commit,
			CHANGE_REMOVED);
}

/* Calls for each place of held that was not visited; visited: (path, child). */
struct visit {
	struct sight *sight;
	struct pair_map *visited; /* NULL: all */
	guint32 commit;           /* COMMIT_GRAPH_NONE: a ref to a tree */
	gboolean is_head;
};

static void place_tell(struct visit *visit, guint32 path, guint32 blob)
{
	struct sight *sight = visit->sight;
	guint32 to = g_array_index(sight->key_starts, guint32, blob + 1);

	for (guint32 k = g_array_index(sight->key_starts, guint32, blob); k < to; k++) {
		guint32 secret = g_array_index(sight->secrets, guint32, k);
		guint32 number = pair_map_find(&sight->keys, path, secret);
		if (number == PAIR_MAP_NONE) /* of before the range, or beyond the most */
			continue;
		struct seen *seen = &g_array_index(sight->seen, struct seen, number);
		if (visit->is_head) {
			seen->flags |= SIGHTING_IN_HEAD;
			seen->head_blob = blob;
			continue;
		}
		struct pair pair = {number, blob};
		g_array_append_val(sight->versions, pair);
		/* Newest commits come first. */
		if (seen->last == COMMIT_GRAPH_NONE && visit->commit != COMMIT_GRAPH_NONE) {
			seen->last = visit->commit;
			seen->last_blob = blob;
		}
	}
}

static void held_visit(struct visit *visit, guint32 path, guint32 held)
{
	struct sight *sight = visit->sight;
	guint32 n;
	const struct holding_entry *entries =
		holding_entries(&sight->run->state->holdings, held, &n);

	for (guint32 i = 0; i < n; i++) {
		guint32 child = entries[i].child;
		gboolean is_new = TRUE;
		if (child & HOLDING_GAP)
			continue;
		guint32 below = pair_map_find(&sight->paths, path, entries[i].name);
		if (below == PAIR_MAP_NONE) /* nothing was ever told there */
			continue;
		if (visit->visited != NULL)
			pair_map_add(visit->visited, below, child, &is_new);
		if (!is_new)
			continue;
		if (holding_is_folder(child))
			held_visit(visit, below, child);
		else
			place_tell(visit, below, child & HOLDING_NUMBER);
	}
}

static int newest_first(gconstpointer a, gconstpointer b, gpointer graph)
{
	return commit_graph_compare(graph, *(const guint32 *)b, *(const guint32 *)a);
}

/* Who held what last, and in which versions: each holding once, by its newest commit. */
static void lasts_find(struct sight *sight, const guint8 *reach)
{
	struct history_run *run = sight->run;
	struct commit_graph *graph = &run->state->graph;
	guint32 n_held = run->state->holdings.nodes->len;
	g_autofree guint32 *newest = g_new(guint32, n_held);
	g_autoptr(GArray) order = g_array_new(FALSE, FALSE, sizeof(guint32));
	struct pair_map visited = {0};
	struct visit visit = {.sight = sight, .visited = &visited};

	memset(newest, 0xff, n_held * sizeof(*newest));
	for (guint32 c = 0; c < commit_graph_count(graph); c++) {
		const struct graph_commit *commit = commit_graph_get(graph, c);
		if (commit->held == 0 || !reach[c] || commit->flags & GRAPH_OUTSIDE)
			continue;
		guint32 *best = &newest[commit->held];
		if (*best == COMMIT_GRAPH_NONE || commit_graph_compare(graph, c, *best) > 0)
			*best = c;
	}
	for (guint32 i = 1; i < n_held; i++)
		if (newest[i] != COMMIT_GRAPH_NONE)
			g_array_append_val(order, newest[i]);
	g_array_sort_with_data(order, newest_first, graph);
	for (guint i = 0; i < order->len; i++) {
		visit.commit = g_array_index(order, guint32, i);
		held_visit(&visit, SIGHT_PATH_ROOT, commit_graph_get(graph, visit.commit)->held);
	}
	visit.commit = COMMIT_GRAPH_NONE;
	for (guint i = 0; i < run->targets->len; i++)
		held_visit(&visit, SIGHT_PATH_ROOT,
			g_array_index(run->targets, struct history_target, i).held);
	pair_map_clear(&visited);
}

/* Refs that lead to something else than a commit. */
static void tips_differ(struct sight *sight)
{
	struct history_run *run = sight->run;

	for (guint i = 0; i < run->targets->len; i++) {
		const struct history_target *target =
			&g_array_index(run->targets, struct history_target, i);
		g_array_set_size(sight->others, 0);
		if (target->held != 0)
			held_differ(sight, SIGHT_PATH_ROOT, target->held, 0, 0, i, CHANGE_TIP);
		if (target->blob == DEPOT_NONE)
			continue;
		guint32 blob =
			oid_map_find(&run->state->blobs, depot_oid(run->depot, target->blob));
		if (blob == OID_MAP_NONE)
			continue;
		blob_differ(sight, SIGHT_PATH_NONE, blob, 0, 0, i, CHANGE_TIP);
		struct visit visit = {.sight = sight, .commit = COMMIT_GRAPH_NONE};
		place_tell(&visit, SIGHT_PATH_NONE, blob);
	}
}

static void heads_visit(struct sight *sight)
{
	struct history_run *run = sight->run;
	struct visit visit = {.sight = sight, .is_head = TRUE};

	for (guint i = 0; i < run->targets->len; i++) {
		guint32 place = g_array_index(run->targets, struct history_target, i).place;
		if (run->options.tips[i].is_head && place != COMMIT_GRAPH_NONE)
			held_visit(&visit, SIGHT_PATH_ROOT,
				commit_graph_get(&run->state->graph, place)->held);
	}
}

gboolean history_sight(struct history_run *run, GError **error)
{
	const struct commit_graph *graph = &run->state->graph;
	g_autoptr(GArray) tips = g_array_new(FALSE, FALSE, sizeof(guint32));
	struct sight sight = {.run = run};
	gboolean is_new, is_fine;
	guint32 n_reached;

	for (guint i = 0; i < run->targets->len; i++) {
		guint32 place = g_array_index(run->targets, struct history_target, i).place;
		if (place != COMMIT_GRAPH_NONE)
			g_array_append_val(tips, place);
	}
	g_autofree guint8 *reach = commit_graph_reach(
		graph, (const guint32 *)(const void *)tips->data, tips->len, &n_reached);
	run->counts.commits = n_reached;
	sight.seen = g_array_new(FALSE, FALSE, sizeof(struct seen));
	sight.introductions = g_array_new(FALSE, FALSE, sizeof(struct pair));
	sight.versions = g_array_new(FALSE, FALSE, sizeof(struct pair));
	sight.key_starts = g_array_new(FALSE, FALSE, sizeof(guint32));
	sight.secrets = g_array_new(FALSE, FALSE, sizeof(guint32));
	sight.others = g_array_new(FALSE, FALSE, sizeof(guint32));
	state_result_init(&sight.result);
	/* Paths 0 and 1: no pair of a parent and a name is like them. */
	pair_map_add(&sight.paths, G_MAXUINT32, 0, &is_new);
	pair_map_add(&sight.paths, G_MAXUINT32, 1, &is_new);
	secrets_list(&sight);
	for (guint32 c = 0; c < commit_graph_count(graph); c++) {
		gboolean is_outside = commit_graph_get(graph, c)->flags & GRAPH_OUTSIDE;
		run->counts.commits -= reach[c] && is_outside;
		if (reach[c] && !is_outside)
			commit_differ(&sight, c);
	}
	tips_differ(&sight);
	lasts_find(&sight, reach);
	heads_visit(&sight);
	if (sight.seen->len >= SEEN_MAX || sight.introductions->len >= INTRODUCTIONS_MAX)
		history_problem_add(run, HISTORY_PROBLEM_LIMIT, NULL);
	is_fine = sight_refs(&sight, error);
	if (is_fine) {
		sight_finish(&sight);
		state_take_result(run->state, &sight.result);
	} else {
		state_result_clear(&sight.result);
	}
	pair_map_clear(&sight.paths);
	pair_map_clear(&sight.keys);
	pair_map_clear(&sight.quiet);
	g_array_unref(sight.seen);
	g_array_unref(sight.introductions);
	g_array_unref(sight.versions);
	g_array_unref(sight.key_starts);
	g_array_unref(sight.secrets);
	g_array_unref(sight.others);
	return is_fine;
}

/* SPDX-License-Identifier: MIT */
/*
 * Which refs lead to what. A ref leads to a sighting when it leads to one of the commits that
 * introduced it: whoever holds it has it from one. Sightings introduced by the same commits share
 * their answer; a bit for each such group goes from commits to their children, up to 256 groups at
 * once.
 */
#include "config.h"

#include <string.h>

#include "jobs/scan/history_sight.h"
#include "lib/error.h"
#include "lib/hash.h"

#define WORDS_MAX 4
#define GROUPS_MAX (WORDS_MAX * 64)

struct group {
	guint32 refs, n_refs, refs_total;
	guint32 from, n; /* of its commits in introductions */
};

static int pair_compare(gconstpointer a, gconstpointer b)
{
	const struct pair *x = a, *y = b;

	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return (x->b > y->b) - (x->b < y->b);
}

struct groups {
	struct sight *sight;
	GArray *list; /* struct group */
	guint32 *of;  /* by sighting */
};

static guint group_hash(const guint32 *commits, guint32 n)
{
	return hash_bytes(commits, n * sizeof(*commits));
}

/* Numbers the distinct sets of commits. */
static void groups_make(struct groups *groups, GArray *commits)
{
	struct sight *sight = groups->sight;
	const struct pair *pairs = (const struct pair *)(const void *)sight->introductions->data;
	guint32 n = sight->introductions->len, n_slots = 64;

	while (n_slots < sight->seen->len * 2)
		n_slots *= 2;
	g_autofree guint32 *slots = g_new0(guint32, n_slots);
	for (guint32 from = 0; from < n;) {
		guint32 to = from;
		struct group group = {.from = commits->len};
		for (; to < n && pairs[to].a == pairs[from].a; to++)
			if (to == from || pairs[to].b != pairs[to - 1].b)
				g_array_append_val(commits, pairs[to].b);
		group.n = commits->len - group.from;
		const guint32 *own = &g_array_index(commits, guint32, group.from);
		guint32 at = group_hash(own, group.n) & (n_slots - 1);
		for (; slots[at] != 0; at = (at + 1) & (n_slots - 1)) {
			const struct group *there =
				&g_array_index(groups->list, struct group, slots[at] - 1);
			if (there->n == group.n &&
				memcmp(&g_array_index(commits, guint32, there->from), own,
					group.n * sizeof(*own)) == 0)
				break;
		}
		if (slots[at] == 0) {
			g_array_append_val(groups->list, group);
			slots[at] = groups->list->len;
		} else {
			g_array_set_size(commits, group.from);
		}
		groups->of[pairs[from].a] = slots[at];
		from = to;
	}
}

static void ref_add(struct group *group, GArray *names, guint32 *name, const char *text,
	struct text_pool *texts)
{
	group->refs_total++;
	if (group->n_refs == STATE_REFS_MAX)
		return;
	if (*name == TEXT_POOL_NONE)
		*name = text_pool_add(texts, text != NULL ? text : "", G_MAXSIZE);
	g_array_index(names, guint32, group->refs + group->n_refs++) = *name;
}

static void own_add(GArray *own, guint32 commit, guint32 bit)
{
	struct pair pair = {commit, bit};

	g_array_append_val(own, pair);
}

/* masks: n_words for each commit. */
static inline void masks_spread(
	const struct commit_graph *graph, const GArray *own, guint64 *masks, guint32 n_words)
{
	guint32 count = commit_graph_count(graph), next = 0;
	const struct pair *pairs = (const struct pair *)(const void *)own->data;

	for (guint32 c = own->len > 0 ? pairs[0].a : count; c < count; c++) {
		const struct graph_commit *commit = commit_graph_get(graph, c);
		guint64 *mask = masks + (gsize)c * n_words;
		guint32 p = commit->parents[0];
		for (; next < own->len && pairs[next].a == c; next++)
			mask[pairs[next].b / 64] |= G_GUINT64_CONSTANT(1) << (pairs[next].b % 64);
		for (guint32 i = 1; p != COMMIT_GRAPH_NONE; i++) {
			for (guint32 w = 0; w < n_words; w++)
				mask[w] |= masks[(gsize)p * n_words + w];
			if (commit->parents[1] == COMMIT_GRAPH_NONE)
				break;
			p = commit_graph_parent(graph, c, i);
		}
	}
}

static void tips_tell(struct groups *groups, const guint64 *masks, guint32 n_words,
	const GArray *own, guint32 first, guint32 *names)
{
	struct sight *sight = groups->sight;
	struct history_run *run = sight->run;
	guint32 count = commit_graph_count(&run->state->graph);

	for (guint32 i = 0; i < run->targets->len; i++) {
		guint32 place = g_array_index(run->targets, struct history_target, i).place;
		guint64 mask[WORDS_MAX] = {0};
		if (place != COMMIT_GRAPH_NONE)
			memcpy(mask, masks + (gsize)place * n_words, n_words * sizeof(*mask));
		for (guint k = own->len; k-- > 0;) { /* trees and blobs: behind the commits */
			struct pair pair = g_array_index(own, struct pair, k);
			if (pair.a < count)
				break;
			if (pair.a == count + i)
				mask[pair.b / 64] |= G_GUINT64_CONSTANT(1) << (pair.b % 64);
		}
		for (guint32 w = 0; w < n_words; w++)
			for (guint64 bits = mask[w]; bits != 0; bits &= bits - 1) {
				guint32 at = first + w * 64 + (guint32)__builtin_ctzll(bits);
				ref_add(&g_array_index(groups->list, struct group, at),
					sight->result.refs, &names[i], run->options.tips[i].name,
					&run->state->texts);
			}
	}
}

gboolean sight_refs(struct sight *sight, GError **error)
{
	const struct commit_graph *graph = &sight->run->state->graph;
	g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(struct group));
	g_autoptr(GArray) commits = g_array_new(FALSE, FALSE, sizeof(guint32));
	g_autoptr(GArray) own = g_array_new(FALSE, FALSE, sizeof(struct pair));
	g_autofree guint32 *of = g_new0(guint32, sight->seen->len + 1);
	g_autofree guint32 *names = g_new(guint32, sight->run->options.n_tips + 1);
	struct groups groups = {.sight = sight, .list = list, .of = of};

	memset(names, 0xff, (sight->run->options.n_tips + 1) * sizeof(*names));
	if (sight->introductions->len > 1)
		qsort(sight->introductions->data, sight->introductions->len, sizeof(struct pair),
			pair_compare);
	groups_make(&groups, commits);
	guint32 n_words = (MIN(list->len, GROUPS_MAX) + 63) / 64;
	gsize n_masks = (gsize)commit_graph_count(graph) * n_words;
	g_autofree guint64 *masks = g_try_new0(guint64, n_masks + 1);
	if (masks == NULL) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"there is not enough memory for the commits");
		return FALSE;
	}
	g_array_set_size(sight->result.refs, list->len * STATE_REFS_MAX);
	for (guint i = 0; i < list->len; i++)
		g_array_index(list, struct group, i).refs = i * STATE_REFS_MAX;
	for (guint32 first = 0; first < list->len; first += GROUPS_MAX) {
		guint32 to = MIN(first + GROUPS_MAX, list->len);
		g_array_set_size(own, 0);
		for (guint32 g = first; g < to; g++) {
			const struct group *group = &g_array_index(list, struct group, g);
			for (guint32 i = 0; i < group->n; i++)
				own_add(own, g_array_index(commits, guint32, group->from + i),
					g - first);
		}
		if (own->len > 1)
			qsort(own->data, own->len, sizeof(struct pair), pair_compare);
		if (first > 0)
			memset(masks, 0, n_masks * sizeof(*masks));
		if (n_words == 1)
			masks_spread(graph, own, masks, 1);
		else
			masks_spread(graph, own, masks, n_words);
		tips_tell(&groups, masks, n_words, own, first, names);
		if (history_is_cancelled(sight->run, error))
			return FALSE;
	}
	for (guint i = 0; i < sight->seen->len; i++) {
		struct seen *seen = &g_array_index(sight->seen, struct seen, i);
		if (of[i] == 0)
			continue;
		const struct group *group = &g_array_index(list, struct group, of[i] - 1);
		seen->refs = group->refs;
		seen->n_refs = group->n_refs;
		seen->refs_total = group->refs_total;
	}
	return TRUE;
}

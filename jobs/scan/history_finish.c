/* SPDX-License-Identifier: MIT */
/* What was seen becomes the state's sightings: texts, commits, versions, in order. */
#include "config.h"

#include <string.h>

#include "jobs/scan/history_sight.h"

struct finish {
	struct sight *sight;
	struct state *state;
	guint32 *commits;   /* by place in the graph: number in the result + 1 */
	struct oid_map old; /* commits the last result knew */
	guint32 *old_numbers;
	GString *path;
	guint32 *texts; /* of paths */
};

/* UTF-8 where the commit says which encoding it has, else the bytes as they are. */
static guint32 text_add(
	struct finish *finish, const struct bytes_text *text, const struct bytes_text *encoding)
{
	struct text_pool *pool = &finish->state->texts;

	if (text->len == 0)
		return text_pool_add(pool, "", 0);
	if (encoding->len > 0 && encoding->len < 40 &&
		!g_utf8_validate(text->at, (gssize)text->len, NULL)) {
		g_autofree char *from = g_strndup(encoding->at, encoding->len);
		g_autofree char *utf8 =
			g_convert(text->at, (gssize)text->len, "UTF-8", from, NULL, NULL, NULL);
		if (utf8 != NULL)
			return text_pool_add(pool, utf8, G_MAXSIZE);
	}
	return text_pool_add(pool, text->at, text->len);
}

static void commit_fill(struct finish *finish, guint32 place, struct state_commit *commit)
{
	struct history_run *run = finish->sight->run;
	const struct graph_commit *node = commit_graph_get(&finish->state->graph, place);
	guint32 old = oid_map_find(&finish->old, &node->oid), number;
	struct commit_bytes bytes;

	if (old != OID_MAP_NONE) {
		*commit = g_array_index(finish->state->result.commits, struct state_commit,
			finish->old_numbers[old]);
		return;
	}
	commit->oid = node->oid;
	commit->committed = node->date;
	commit->author = commit->email = STATE_NONE;
	if (!depot_find(run->depot, &node->oid, &number) ||
		!history_commit_read(run, number, &bytes))
		return;
	commit->author = text_add(finish, &bytes.author.name, &bytes.encoding);
	commit->email = text_add(finish, &bytes.author.mail, &bytes.encoding);
	commit->time = bytes.author.time_s;
	commit->offset_min = bytes.author.zone_minutes;
}

static guint32 commit_number(struct finish *finish, guint32 place)
{
	if (place == COMMIT_GRAPH_NONE)
		return STATE_NONE;
	if (finish->commits[place] == 0) {
		struct state_commit commit = {0};
		commit_fill(finish, place, &commit);
		g_array_append_val(finish->sight->result.commits, commit);
		finish->commits[place] = finish->sight->result.commits->len;
	}
	return finish->commits[place] - 1;
}

static guint32 path_text(struct finish *finish, guint32 path)
{
	const struct pair *pairs = finish->sight->paths.pairs;

	if (path == SIGHT_PATH_NONE)
		return STATE_NONE;
	if (finish->texts[path] != 0)
		return finish->texts[path] - 1;
	g_string_truncate(finish->path, 0);
	for (guint32 at = path; at != SIGHT_PATH_ROOT; at = pairs[at].a) {
		const char *name = text_pool_get(&finish->state->texts, pairs[at].b);
		gsize len = name != NULL ? strlen(name) : HISTORY_PATH_MAX;
		if (finish->path->len + len >= HISTORY_PATH_MAX)
			break;
		if (finish->path->len > 0)
			g_string_prepend_c(finish->path, '/');
		g_string_prepend_len(finish->path, name, (gssize)len);
	}
	guint32 text = text_pool_add(&finish->state->texts, finish->path->str, finish->path->len);
	finish->texts[path] = text + 1;
	return text;
}

static void old_list(struct finish *finish)
{
	const GArray *old = finish->state->result.commits;

	finish->old_numbers = g_new(guint32, old->len + 1);
	for (guint i = 0; i < old->len; i++) {
		const struct oid *oid = &g_array_index(old, struct state_commit, i).oid;
		guint32 number = oid_map_add(&finish->old, oid);
		finish->old_numbers[number] = i;
	}
}

static int pair_compare(gconstpointer a, gconstpointer b)
{
	const struct pair *x = a, *y = b;

	if (x->a != y->a)
		return x->a < y->a ? -1 : 1;
	return (x->b > y->b) - (x->b < y->b);
}

static int sighting_compare(gconstpointer a, gconstpointer b, gpointer texts)
{
	const struct sighting *x = a, *y = b;

	if (x->path != y->path) {
		const char *p = text_pool_get(texts, x->path), *q = text_pool_get(texts, y->path);
		if (p == NULL || q == NULL)
			return p == NULL ? 1 : -1;
		int c = strcmp(p, q);
		if (c != 0)
			return c;
	}
	return (x->secret > y->secret) - (x->secret < y->secret);
}

/* Blobs with hits that no sighting names: those that no tip leads to. */
static void strays_add(struct finish *finish)
{
	struct sight *sight = finish->sight;
	GArray *sightings = sight->result.sightings;
	g_autofree guint8 *is_named = g_malloc0(finish->state->blobs.n + 1);
	guint32 from = sightings->len;
	struct pair_map strays = {0};
	g_autoptr(GArray) versions = g_array_new(FALSE, FALSE, sizeof(struct pair));

	for (guint i = 0; i < sight->versions->len; i++)
		is_named[g_array_index(sight->versions, struct pair, i).b] = 1;
	for (guint32 blob = 0; blob < finish->state->blobs.n; blob++) {
		guint32 to = g_array_index(sight->key_starts, guint32, blob + 1);
		for (guint32 k = g_array_index(sight->key_starts, guint32, blob);
			!is_named[blob] && k < to; k++) {
			guint32 secret = g_array_index(sight->secrets, guint32, k);
			gboolean is_new;
			struct pair pair = {pair_map_add(&strays, 0, secret, &is_new), blob};
			g_array_append_val(versions, pair);
		}
	}
	if (versions->len > 1)
		qsort(versions->data, versions->len, sizeof(struct pair), pair_compare);
	for (guint i = 0; i < versions->len; i++) {
		struct pair pair = g_array_index(versions, struct pair, i);
		if (pair.a == sightings->len - from) {
			struct sighting s = {.path = STATE_NONE,
				.secret = strays.pairs[pair.a].b,
				.flags = SIGHTING_NO_PATH | SIGHTING_NO_COMMIT,
				.first = STATE_NONE,
				.last = STATE_NONE,
				.removed = STATE_NONE,
				.first_blob = pair.b,
				.last_blob = pair.b,
				.head_blob = STATE_NONE,
				.blobs = sight->result.blobs->len};
			g_array_append_val(sightings, s);
		}
		g_array_index(sightings, struct sighting, sightings->len - 1).n_blobs++;
		g_array_append_val(sight->result.blobs, pair.b);
	}
	pair_map_clear(&strays);
}

static void sighting_make(struct finish *finish, guint32 number, guint *version)
{
	struct sight *sight = finish->sight;
	const struct seen *seen = &g_array_index(sight->seen, struct seen, number);
	const struct pair *key = &sight->keys.pairs[number];
	struct sighting s = {.path = path_text(finish, key->a),
		.secret = key->b,
		.flags = seen->flags,
		.first = commit_number(finish, seen->first),
		.last = commit_number(finish, seen->last),
		.removed = commit_number(finish, seen->removed),
		.first_blob = seen->first_blob,
		.last_blob = seen->last_blob,
		.head_blob = seen->head_blob,
		.refs = seen->refs,
		.n_refs = seen->n_refs,
		.refs_total = seen->refs_total,
		.blobs = sight->result.blobs->len};

	for (; *version < sight->versions->len; ++*version) {
		struct pair pair = g_array_index(sight->versions, struct pair, *version);
		if (pair.a != number)
			break;
		if (s.n_blobs > 0 && g_array_index(sight->result.blobs, guint32,
					     sight->result.blobs->len - 1) == pair.b)
			continue;
		g_array_append_val(sight->result.blobs, pair.b);
		s.n_blobs++;
	}
	if (seen->last == COMMIT_GRAPH_NONE)
		s.flags |= SIGHTING_NO_COMMIT;
	if (seen->first != COMMIT_GRAPH_NONE &&
		commit_graph_get(&finish->state->graph, seen->first)->flags & GRAPH_CUT_OFF)
		s.flags |= SIGHTING_CUT_OFF;
	/* In a range, what is only taken away there was not introduced there. */
	if (s.n_blobs == 0 || (seen->first_blob == STATE_NONE))
		return;
	g_array_append_val(sight->result.sightings, s);
}

void sight_finish(struct sight *sight)
{
	struct state *state = sight->run->state;
	struct finish finish = {.sight = sight, .state = state};
	guint version = 0;

	finish.commits = g_new0(guint32, commit_graph_count(&state->graph) + 1);
	finish.texts = g_new0(guint32, sight->paths.n + 1);
	finish.path = g_string_new(NULL);
	old_list(&finish);
	if (sight->versions->len > 1)
		qsort(sight->versions->data, sight->versions->len, sizeof(struct pair),
			pair_compare);
	for (guint32 i = 0; i < sight->seen->len; i++)
		sighting_make(&finish, i, &version);
	if (sight->run->options.is_unreachable)
		strays_add(&finish);
	g_array_sort_with_data(sight->result.sightings, sighting_compare, &state->texts);
	g_free(finish.commits);
	g_free(finish.texts);
	g_free(finish.old_numbers);
	g_string_free(finish.path, TRUE);
	oid_map_clear(&finish.old);
}

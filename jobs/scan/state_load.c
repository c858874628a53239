/* SPDX-License-Identifier: MIT */
/*
 * Reading a state. The checksums say that it is what was written; every number that leads somewhere
 * is checked besides, so that a mistake here is a scan from the start and not a crash.
 */
#include "config.h"
#include <string.h>

#include "jobs/scan/state_file.h"
#include "lib/error.h"
#include "lib/file.h"

#define HEAD_MAX ((gsize)1 << 31)

/* Made with other settings: nothing is wrong, and nothing is said. */
#define OUTDATED ""
#define OTHER_VERSION "was made by another version of Muster"

struct loading {
	struct state *state;
	const char *bytes;
	const struct state_section_head *sections;
	const struct state_facts *facts;
	GArray *rules; /* guint16 by the old number, G_MAXUINT16 gone */
};

/* NULL when elements have another size. */
static const void *section_get(
	const struct loading *l, enum state_section tag, guint32 size, gsize *count)
{
	const struct state_section_head *section = &l->sections[tag - 1];

	*count = section->count;
	return section->size == size ? l->bytes + section->at : NULL;
}

static const char *head_check(struct loading *l, gsize len)
{
	const struct state_head *head = (const struct state_head *)(const void *)l->bytes;

	if (len < sizeof(*head) || memcmp(head->magic, STATE_MAGIC, sizeof(head->magic)) != 0)
		return "is not one of ours";
	if (head->version != STATE_VERSION || head->n_sections != STATE_SECTIONS)
		return OTHER_VERSION;
	if (head->len != len || len < sizeof(*head) + STATE_SECTIONS * sizeof(*l->sections))
		return "is cut off";
	if (state_sum(l->bytes + sizeof(*head), len - sizeof(*head)) != head->sum)
		return "is damaged";
	l->sections = (const void *)(l->bytes + sizeof(*head));
	for (guint i = 0; i < STATE_SECTIONS; i++) {
		const struct state_section_head *s = &l->sections[i];
		if (s->tag != i + 1 || s->size == 0 || s->at % 8 != 0 || s->at > len ||
			s->count > (len - s->at) / s->size || s->count > G_MAXINT32)
			return "is damaged";
	}
	gsize count;
	l->facts = section_get(l, STATE_FACTS, sizeof(*l->facts), &count);
	return l->facts == NULL || count != 1 ? OTHER_VERSION : NULL;
}

static gboolean array_load(const struct loading *l, enum state_section tag, GArray *array)
{
	gsize count;
	const void *data = section_get(l, tag, g_array_get_element_size(array), &count);

	if (data == NULL)
		return FALSE;
	g_array_set_size(array, 0);
	g_array_append_vals(array, data, (guint)count);
	return TRUE;
}

static gboolean oids_load(const struct loading *l, enum state_section tag, struct oid_map *map)
{
	gsize count;
	const struct oid *oids = section_get(l, tag, OID_BYTES, &count);

	for (gsize i = 0; oids != NULL && i < count; i++)
		oid_map_add(map, &oids[i]);
	return oids != NULL && map->n == count;
}

/* The rules are the same most of the time, and each of a thousand repositories asks. */
static gboolean rules_are_same(struct loading *l, const guint8 *hashes, gsize count)
{
	const struct rule_set *now = l->state->rules;

	if (count != now->n)
		return FALSE;
	for (guint i = 0; i < now->n; i++)
		if (memcmp(now->rules[i].hash, hashes + i * RULE_HASH_BYTES, RULE_HASH_BYTES) != 0)
			return FALSE;
	for (guint16 i = 0; i < now->n; i++)
		g_array_append_val(l->rules, i);
	l->state->has_hash = TRUE;
	return TRUE;
}

/* Which of today's rules are those it was made with. */
static gboolean rules_load(struct loading *l)
{
	struct state *state = l->state;
	const struct rule_set *now = state->rules;
	gsize count;
	const guint8 *hashes = section_get(l, STATE_RULES, RULE_HASH_BYTES, &count);
	g_autoptr(GHashTable) numbers = g_hash_table_new_full(
		g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
	g_autofree guint8 *is_old = g_malloc0((gsize)now->n + 1);

	if (hashes == NULL)
		return FALSE;
	if (rules_are_same(l, hashes, count))
		return TRUE;
	for (guint i = 0; i < now->n; i++)
		g_hash_table_insert(numbers, g_bytes_new(now->rules[i].hash, RULE_HASH_BYTES),
			GUINT_TO_POINTER(i + 1));
	state->has_hash = TRUE;
	for (gsize i = 0; i < count; i++) {
		g_autoptr(GBytes) hash = g_bytes_new(hashes + i * RULE_HASH_BYTES, RULE_HASH_BYTES);
		guint number = GPOINTER_TO_UINT(g_hash_table_lookup(numbers, hash));
		guint16 rule = number != 0 ? (guint16)(number - 1) : G_MAXUINT16;
		if (number != 0)
			is_old[number - 1] = 1;
		else
			state->has_hash = FALSE; /* what it found is to be left out */
		g_array_append_val(l->rules, rule);
	}
	/* Two rules of one hash find the same: the later stands for both. */
	for (guint16 i = 0; i < now->n; i++) {
		g_autoptr(GBytes) hash = g_bytes_new(now->rules[i].hash, RULE_HASH_BYTES);
		guint number = GPOINTER_TO_UINT(g_hash_table_lookup(numbers, hash));
		if (!is_old[number - 1])
			g_array_append_val(state->new_rules, i);
	}
	return TRUE;
}

static gboolean text_is_fine(const struct state *state, guint32 text)
{
	return text == STATE_NONE || text < state->texts.len;
}

static gboolean hits_load(const struct loading *l)
{
	struct state *state = l->state;
	gsize count;
	const struct state_hit *hits = section_get(l, STATE_HITS, sizeof(struct state_hit), &count);

	if (hits == NULL)
		return FALSE;
	for (gsize i = 0; i < count; i++) {
		struct state_hit h = hits[i];
		if (h.hit.blob >= state->blobs.n || h.hit.secret == 0 ||
			h.hit.secret > state->secrets->len || h.hit.rule >= l->rules->len ||
			!text_is_fine(state, h.sample) || h.inner > state->texts.len)
			return FALSE;
		h.hit.rule = g_array_index(l->rules, guint16, h.hit.rule);
		if (h.hit.rule != G_MAXUINT16)
			g_array_append_val(state->hits, h);
	}
	return TRUE;
}

static gboolean range_is_fine(guint32 at, guint32 n, guint len)
{
	return at <= len && n <= len - at;
}

static gboolean place_is_fine(guint32 number, guint len)
{
	return number == STATE_NONE || number < len;
}

static gboolean result_check(const struct state *state)
{
	const struct state_result *r = &state->result;

	for (guint i = 0; i < r->sightings->len; i++) {
		const struct sighting *s = &g_array_index(r->sightings, struct sighting, i);
		if (!text_is_fine(state, s->path) || s->secret == 0 ||
			s->secret > state->secrets->len ||
			!place_is_fine(s->first, r->commits->len) ||
			!place_is_fine(s->last, r->commits->len) ||
			!place_is_fine(s->removed, r->commits->len) ||
			!place_is_fine(s->first_blob, state->blobs.n) ||
			!place_is_fine(s->last_blob, state->blobs.n) ||
			!place_is_fine(s->head_blob, state->blobs.n) ||
			!range_is_fine(s->refs, s->n_refs, r->refs->len) ||
			!range_is_fine(s->blobs, s->n_blobs, r->blobs->len))
			return FALSE;
	}
	for (guint i = 0; i < r->commits->len; i++) {
		const struct state_commit *c = &g_array_index(r->commits, struct state_commit, i);
		if (!text_is_fine(state, c->author) || !text_is_fine(state, c->email))
			return FALSE;
	}
	for (guint i = 0; i < r->blobs->len; i++)
		if (g_array_index(r->blobs, guint32, i) >= state->blobs.n)
			return FALSE;
	return TRUE;
}

static gboolean holdings_load(const struct loading *l)
{
	struct state *state = l->state;
	gsize n_nodes, n_entries;
	const void *nodes = section_get(l, STATE_NODES, sizeof(struct holding_node), &n_nodes);
	const void *entries =
		section_get(l, STATE_ENTRIES, sizeof(struct holding_entry), &n_entries);

	return nodes != NULL && entries != NULL && array_load(l, STATE_YOUNG, state->graph.young) &&
	       array_load(l, STATE_EDGES, state->graph.edges) &&
	       oids_load(l, STATE_LOST, &state->lost) &&
	       array_load(l, STATE_LOST_KINDS, state->lost_kinds) &&
	       state->lost_kinds->len == state->lost.n &&
	       array_load(l, STATE_TIPS, state->tip_names) &&
	       array_load(l, STATE_TIP_PLACES, state->tip_places) &&
	       state->tip_names->len == state->tip_places->len &&
	       holding_table_load(&state->holdings, nodes, n_nodes, entries, n_entries,
		       state->blobs.n, state->lost.n, state->texts.len);
}

static const char *contents_load(struct loading *l)
{
	struct state *state = l->state;
	const struct state_facts *facts = l->facts;
	gsize n;
	const char *engine = section_get(l, STATE_ENGINE, 1, &n);

	if (engine == NULL || n != strlen(state->engine) || memcmp(engine, state->engine, n) != 0)
		return OUTDATED;
	if (facts->place != state_place(state))
		return "is another repository's";
	const char *texts = section_get(l, STATE_TEXTS, 1, &n);
	if (texts == NULL || !text_pool_load(&state->texts, texts, n) ||
		!array_load(l, STATE_SECRETS, state->secrets) ||
		!oids_load(l, STATE_BLOBS, &state->blobs) || !rules_load(l) || !hits_load(l) ||
		!array_load(l, STATE_GAPS, state->gaps) ||
		!oids_load(l, STATE_KNOWN_YOUNG, &state->known_young) ||
		!array_load(l, STATE_SIGHTINGS, state->result.sightings) ||
		!array_load(l, STATE_COMMITS, state->result.commits) ||
		!array_load(l, STATE_REFS, state->result.refs) ||
		!array_load(l, STATE_VERSIONS, state->result.blobs) || !result_check(state) ||
		!holdings_load(l))
		return "is damaged";
	for (guint i = 0; i < state->secrets->len; i++) {
		const struct state_secret *s =
			&g_array_index(state->secrets, struct state_secret, i);
		if (!text_is_fine(state, s->family) || !text_is_fine(state, s->masked))
			return "is damaged";
	}
	for (int i = 0; i < 2; i++) {
		const char *name = facts->bases[i].name;
		if (memchr(name, '\0', sizeof(facts->bases[i].name)) == NULL ||
			strchr(name, '/') != NULL || facts->bases[i].count > G_MAXINT32)
			return "is damaged";
		state->base_names[i] = *name != '\0' ? g_strdup(name) : NULL;
		state->base_sums[i] = facts->bases[i].sum;
		state->base_counts[i] = (guint32)facts->bases[i].count;
	}
	memcpy(state->hash, facts->hash, sizeof(state->hash));
	memcpy(state->shallow, facts->shallow, sizeof(state->shallow));
	memcpy(state->key, facts->key, sizeof(state->key));
	memcpy(state->counters, facts->counters, sizeof(state->counters));
	state->has_graph = facts->has_graph != 0;
	state->must_walk = facts->must_walk != 0;
	state->n_blobs_before = state->blobs.n;
	g_array_append_vals(state->gaps_before, state->gaps->data, state->gaps->len);
	state->is_new = FALSE;
	return NULL;
}

const char *state_head_take(struct state *state, const char *bytes, gsize len)
{
	g_autoptr(GArray) rules = g_array_new(FALSE, FALSE, sizeof(guint16));
	struct loading l = {.state = state, .bytes = bytes, .rules = rules};
	const char *why = head_check(&l, len);

	return why != NULL ? why : contents_load(&l);
}

gboolean state_load(struct state *state, char **note)
{
	g_autofree char *path = g_build_filename(state->folder, "head", NULL), *bytes = NULL;
	g_autoptr(GError) error = NULL;
	gsize len;

	if (!file_read(path, HEAD_MAX, &bytes, &len, &error)) {
		if (!g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_MISSING))
			*note = g_strdup_printf(
				"what the last scan left is not used: %s", error->message);
		return FALSE;
	}
	const char *why = state_head_take(state, bytes, len);
	if (why == NULL)
		return TRUE;
	if (!strcmp(why, OTHER_VERSION)) /* true of all of them at once, whichever folder */
		*note = g_strdup(
			"what the last scan left " OTHER_VERSION ": everything is read again");
	else if (*why != '\0')
		*note = g_strdup_printf("what the last scan left (%s) %s: everything is read again",
			state->folder, why);
	state_reset(state);
	return FALSE;
}

/*
 * Maps a base and checks it; where its data begin, or NULL. Names need not be summed, which takes
 * longer than to look some up: a wrong bit makes a blob unknown, and it is scanned again. It does
 * not make the name of another one.
 */
static const void *base_open(struct state *state, enum state_base base, gsize size)
{
	g_autofree char *path = g_build_filename(state->folder, state->base_names[base], NULL);
	g_autoptr(GMappedFile) file = g_mapped_file_new(path, FALSE, NULL);
	struct state_base_head head;

	if (file == NULL || g_mapped_file_get_length(file) < sizeof(head))
		return NULL;
	const char *bytes = g_mapped_file_get_contents(file);
	gsize len = g_mapped_file_get_length(file) - sizeof(head);
	memcpy(&head, bytes, sizeof(head));
	if (memcmp(head.magic, STATE_MAGIC, sizeof(head.magic)) != 0 ||
		head.kind != (guint32)base + 1 || head.version != STATE_VERSION ||
		head.count != state->base_counts[base] || head.sum != state->base_sums[base] ||
		len != head.count * size)
		return NULL;
	if (base != STATE_BASE_BLOBS && state_sum(bytes + sizeof(head), len) != head.sum)
		return NULL;
	state->base_files[base] = g_steal_pointer(&file);
	state->is_base_current[base] = TRUE;
	return bytes + sizeof(head);
}

gboolean state_known_open(struct state *state)
{
	if (state->is_known_open)
		return TRUE;
	state->is_known_open = TRUE;
	if (state->base_names[STATE_BASE_BLOBS] == NULL)
		return TRUE;
	const void *data = base_open(state, STATE_BASE_BLOBS, sizeof(struct oid));
	if (data == NULL) {
		g_autofree char *folder = g_strdup(state->folder);
		state_reset(state);
		state->is_known_open = TRUE;
		state->late_note = g_strdup_printf("what the last scan left (%s) is damaged: "
						   "everything is read again",
			folder);
		return FALSE;
	}
	state->known = data;
	state->n_known = state->base_counts[STATE_BASE_BLOBS];
	return TRUE;
}

static gboolean graph_drop(struct state *state)
{
	state->has_graph = FALSE;
	state->late_note =
		g_strdup_printf("what the last scan left of the commits (%s) is damaged: "
				"they are read again",
			state->folder);
	return FALSE;
}

gboolean state_graph_open(struct state *state)
{
	struct commit_graph *graph = &state->graph;

	if (!state->has_graph)
		return FALSE;
	if (state->is_graph_open)
		return TRUE;
	state->is_graph_open = TRUE;
	if (state->base_names[STATE_BASE_GRAPH] != NULL) {
		gsize size = sizeof(struct graph_commit) + sizeof(guint32);
		const char *data = base_open(state, STATE_BASE_GRAPH, size);
		if (data == NULL)
			return graph_drop(state);
		graph->n_base = state->base_counts[STATE_BASE_GRAPH];
		graph->base = (const void *)data;
		graph->order = (const void *)(data + graph->n_base * sizeof(struct graph_commit));
	}
	for (guint i = 0; i < graph->young->len; i++)
		oid_map_add(
			&graph->names, &g_array_index(graph->young, struct graph_commit, i).oid);
	if (graph->names.n != graph->young->len ||
		!commit_graph_check(graph, state->holdings.nodes->len))
		return graph_drop(state);
	return TRUE;
}

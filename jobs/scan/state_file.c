/* SPDX-License-Identifier: MIT */
/*
 * Writing a state. See state.h for which files there are; state_load.c reads them.
 */
#include "config.h"
#include "jobs/scan/state_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"

/*
 * Four lanes that multiply and turn, one word each: as fast as memory. It is there against disks
 * and half-written files, not against people, who could write a checksum as well.
 */
guint64 state_sum(const void *bytes, gsize len)
{
	guint64 lanes[4] = {G_GUINT64_CONSTANT(0x9e3779b97f4a7c15),
		G_GUINT64_CONSTANT(0xc2b2ae3d27d4eb4f), G_GUINT64_CONSTANT(0x165667b19e3779f9),
		G_GUINT64_CONSTANT(0x27d4eb2f165667c5)};
	const guint64 prime = G_GUINT64_CONSTANT(0x9fb21c651e98df25);
	const char *at = bytes;
	gsize left = len;

	for (; left >= sizeof(lanes); left -= sizeof(lanes), at += sizeof(lanes)) {
		guint64 words[4];
		memcpy(words, at, sizeof(words));
		for (int i = 0; i < 4; i++) {
			guint64 v = (lanes[i] ^ words[i]) * prime;
			lanes[i] = v << 31 | v >> 33;
		}
	}
	guint64 rest[4] = {0}, sum = len;
	if (left > 0)
		memcpy(rest, at, left);
	for (int i = 0; i < 4; i++) {
		sum = (sum ^ lanes[i] ^ rest[i]) * prime;
		sum ^= sum >> 29;
	}
	return sum;
}

guint64 state_place(const struct state *state)
{
	g_autofree char *name = g_path_get_basename(state->folder);

	return state_sum(name, strlen(name));
}

static void section_add(GByteArray *out, guint at, enum state_section tag, guint32 size,
	const void *data, gsize count)
{
	static const guint8 zeros[8];
	struct state_section_head head = {tag, size, count, 0};

	if (out->len % 8 != 0)
		g_byte_array_append(out, zeros, 8 - out->len % 8);
	head.at = out->len;
	memcpy(out->data + sizeof(struct state_head) + at * sizeof(head), &head, sizeof(head));
	if (count > 0)
		g_byte_array_append(out, data, (guint)(count * size));
}

static void array_add(GByteArray *out, guint at, enum state_section tag, const GArray *array)
{
	section_add(
		out, at, tag, g_array_get_element_size((GArray *)array), array->data, array->len);
}

GByteArray *state_head_make(const struct state *state, const guint8 *hash)
{
	GByteArray *out = g_byte_array_new();
	struct state_facts facts = {.place = state_place(state),
		.has_graph = state->has_graph,
		.must_walk = state->must_walk};
	g_autofree guint8 *rules = g_malloc0((gsize)state->rules->n * RULE_HASH_BYTES + 1);
	guint n = 0;

	for (int i = 0; i < 2; i++) {
		if (state->base_names[i] == NULL)
			continue;
		g_strlcpy(facts.bases[i].name, state->base_names[i], sizeof(facts.bases[i].name));
		facts.bases[i].count = i == STATE_BASE_BLOBS ? state->n_known : state->graph.n_base;
		facts.bases[i].sum = state->base_sums[i];
	}
	memcpy(facts.hash, hash, sizeof(facts.hash));
	memcpy(facts.shallow, state->shallow, sizeof(facts.shallow));
	memcpy(facts.key, state->key, sizeof(facts.key));
	memcpy(facts.counters, state->counters, sizeof(facts.counters));
	for (guint i = 0; i < state->rules->n; i++)
		memcpy(rules + i * RULE_HASH_BYTES, state->rules->rules[i].hash, RULE_HASH_BYTES);
	g_byte_array_set_size(out,
		sizeof(struct state_head) + STATE_SECTIONS * sizeof(struct state_section_head));
	memset(out->data, 0, out->len);
	section_add(out, n++, STATE_FACTS, sizeof(facts), &facts, 1);
	section_add(out, n++, STATE_ENGINE, 1, state->engine, strlen(state->engine));
	section_add(out, n++, STATE_RULES, RULE_HASH_BYTES, rules, state->rules->n);
	section_add(out, n++, STATE_TEXTS, 1, state->texts.bytes, state->texts.len);
	array_add(out, n++, STATE_SECRETS, state->secrets);
	section_add(out, n++, STATE_BLOBS, OID_BYTES, state->blobs.oids, state->blobs.n);
	array_add(out, n++, STATE_HITS, state->hits);
	array_add(out, n++, STATE_GAPS, state->gaps);
	section_add(out, n++, STATE_KNOWN_YOUNG, OID_BYTES, state->known_young.oids,
		state->known_young.n);
	section_add(out, n++, STATE_LOST, OID_BYTES, state->lost.oids, state->lost.n);
	array_add(out, n++, STATE_LOST_KINDS, state->lost_kinds);
	array_add(out, n++, STATE_YOUNG, state->graph.young);
	array_add(out, n++, STATE_EDGES, state->graph.edges);
	array_add(out, n++, STATE_NODES, state->holdings.nodes);
	array_add(out, n++, STATE_ENTRIES, state->holdings.entries);
	array_add(out, n++, STATE_SIGHTINGS, state->result.sightings);
	array_add(out, n++, STATE_COMMITS, state->result.commits);
	array_add(out, n++, STATE_REFS, state->result.refs);
	array_add(out, n++, STATE_VERSIONS, state->result.blobs);
	array_add(out, n++, STATE_TIPS, state->tip_names);
	array_add(out, n++, STATE_TIP_PLACES, state->tip_places);
	g_assert(n == STATE_SECTIONS);

	struct state_head head = {
		.version = STATE_VERSION, .n_sections = STATE_SECTIONS, .len = out->len};
	memcpy(head.magic, STATE_MAGIC, sizeof(head.magic));
	head.sum = state_sum(out->data + sizeof(head), out->len - sizeof(head));
	memcpy(out->data, &head, sizeof(head));
	return out;
}

/* data is not copied: of ten million blobs it is 200 MB. */
static gboolean base_write(struct state *state, enum state_base base, const void *data, gsize len,
	guint32 count, GError **error)
{
	struct state_base_head head = {.kind = (guint32)base + 1,
		.version = STATE_VERSION,
		.count = count,
		.sum = state_sum(data, len)};
	const struct file_part parts[] = {{&head, sizeof(head)}, {data, len}};
	g_autofree char *name = g_strdup_printf("%s-%08x%08x",
		base == STATE_BASE_BLOBS ? "blobs" : "graph", g_random_int(), g_random_int());
	g_autofree char *path = g_build_filename(state->folder, name, NULL);

	memcpy(head.magic, STATE_MAGIC, sizeof(head.magic));
	if (!file_write_parts(path, parts, G_N_ELEMENTS(parts), 0600, error))
		return FALSE;
	g_free(state->base_names[base]);
	state->base_names[base] = g_steal_pointer(&name);
	state->base_sums[base] = head.sum;
	state->is_base_current[base] = TRUE;
	return TRUE;
}

/* Young and base, sorted, as one. */
static void known_settle(struct state *state)
{
	guint32 n_young = state->known_young.n, n = state->n_known + n_young;
	struct oid *all = g_new(struct oid, (gsize)n + 1);
	g_autofree guint32 *order = g_new(guint32, (gsize)n_young + 1);
	guint32 a = 0, b = 0;

	oid_order(state->known_young.oids, sizeof(struct oid), n_young, order);
	for (guint32 i = 0; i < n; i++) {
		const struct oid *young = b < n_young ? &state->known_young.oids[order[b]] : NULL;
		if (young == NULL ||
			(a < state->n_known && oid_compare(&state->known[a], young) < 0)) {
			all[i] = state->known[a++];
		} else {
			all[i] = *young;
			b++;
		}
	}
	state_known_set(state, all, n);
	oid_map_clear(&state->known_young);
}

static gboolean graph_write(struct state *state, GError **error)
{
	const struct commit_graph *graph = &state->graph;
	gsize commits = (gsize)graph->n_base * sizeof(struct graph_commit);
	gsize order = (gsize)graph->n_base * sizeof(guint32);
	g_autofree guint8 *data = g_try_malloc(commits + order);

	if (data == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"there is not enough memory for the commits");
		return FALSE;
	}
	memcpy(data, graph->base, commits);
	memcpy(data + commits, graph->order, order);
	return base_write(state, STATE_BASE_GRAPH, data, commits + order, graph->n_base, error);
}

static gboolean bases_write(struct state *state, GError **error)
{
	struct commit_graph *graph = &state->graph;

	if (state->known_young.n > STATE_YOUNG_MIN + state->n_known / 16)
		known_settle(state);
	if (state->n_known == 0)
		g_clear_pointer(&state->base_names[STATE_BASE_BLOBS], g_free);
	else if (!state->is_base_current[STATE_BASE_BLOBS] &&
		 !base_write(state, STATE_BASE_BLOBS, state->known,
			 (gsize)state->n_known * sizeof(struct oid), state->n_known, error))
		return FALSE;

	if (state->has_graph && graph->young->len > STATE_YOUNG_MIN + graph->n_base / 16) {
		commit_graph_settle(graph);
		g_clear_pointer(&state->base_files[STATE_BASE_GRAPH], g_mapped_file_unref);
		state->is_base_current[STATE_BASE_GRAPH] = FALSE;
	}
	if (!state->has_graph || graph->n_base == 0)
		g_clear_pointer(&state->base_names[STATE_BASE_GRAPH], g_free);
	else if (!state->is_base_current[STATE_BASE_GRAPH] && !graph_write(state, error))
		return FALSE;
	return TRUE;
}

/* Removes the bases in the folder that are not those named. */
static void bases_clean(const struct state *state, char *const names[2])
{
	g_autoptr(GDir) dir = g_dir_open(state->folder, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		if (!g_str_has_prefix(name, "blobs-") && !g_str_has_prefix(name, "graph-"))
			continue;
		if (g_strcmp0(name, names[0]) == 0 || g_strcmp0(name, names[1]) == 0)
			continue;
		g_autofree char *path = g_build_filename(state->folder, name, NULL);
		(void)unlink(path);
	}
}

/* Another scan may have made bases of its own, and removed those that are mapped here. */
static void bases_look(struct state *state, int base)
{
	if (state->base_names[base] == NULL)
		return;
	g_autofree char *path = g_build_filename(state->folder, state->base_names[base], NULL);
	if (access(path, F_OK) != 0)
		state->is_base_current[base] = FALSE;
}

static gboolean files_write(struct state *state, const guint8 *hash, GError **error)
{
	g_autofree char *path = g_build_filename(state->folder, "head", NULL);
	g_autoptr(GByteArray) head = NULL;
	char *old[2];

	if (!state_known_open(state)) {
		g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_IO, state->late_note);
		return FALSE;
	}
	state_graph_open(state);
	for (int i = 0; i < 2; i++) {
		old[i] = g_strdup(state->base_names[i]);
		bases_look(state, i);
	}
	gboolean is_fine = bases_write(state, error);
	if (is_fine) {
		gsize n;
		state_hits(state, &n); /* sorts them */
		head = state_head_make(state, hash);
		is_fine = file_write(path, (const char *)head->data, head->len, 0600, error);
	}
	bases_clean(state, is_fine ? state->base_names : old);
	for (int i = 0; i < 2; i++)
		g_free(old[i]);
	return is_fine;
}

gboolean state_save(struct state *state, const guint8 hash[STATE_HASH_BYTES], GError **error)
{
	if (state->folder == NULL || (!state->is_dirty && state->has_hash &&
					     memcmp(state->hash, hash, STATE_HASH_BYTES) == 0))
		return TRUE;
	g_autofree char *lock_path = g_build_filename(state->folder, "lock", NULL);
	if (!file_make_folder(state->folder, error))
		return FALSE;
	(void)chmod(state->folder, 0700); /* it says where secrets are */
	int lock = file_lock(lock_path, error);
	if (lock < 0)
		return FALSE;
	gboolean is_fine = files_write(state, hash, error);
	close(lock);
	if (!is_fine) {
		g_prefix_error(error, "what this scan found out could not be kept: ");
		return FALSE;
	}
	memcpy(state->hash, hash, STATE_HASH_BYTES);
	state->has_hash = TRUE;
	state->is_dirty = FALSE;
	return TRUE;
}

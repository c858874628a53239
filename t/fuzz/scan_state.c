/* SPDX-License-Identifier: MIT */
/*
 * The head of a scan's state: whatever numbers are in it, with a checksum that fits, it is refused
 * or can be gone through. The input says what is changed in a small one that is whole: nine bytes
 * for each change, what, where and the value.
 */
#include "config.h"
#include "t/fuzz/target.h"

#include <string.h>

#include "jobs/scan/history.h"
#include "jobs/scan/state_file.h"

#define COMMITS 5
#define CHANGE_BYTES 9

static struct rule rules[2] = {{.hash = {1}}, {.hash = {2}}};
static const struct rule_set set = {.rules = rules, .n = 2};
static const struct state_options options = {
	.folder = "/nonexistent/fuzz", .engine = "fuzz", .rules = &set};

static struct oid oid_of(guint8 n)
{
	struct oid oid = {{n, 1, 2, 3}};

	return oid;
}

/* Two secrets in three blobs, five commits, one of them with three parents. */
static GByteArray *whole_make(void)
{
	static const guint32 parents[3] = {0, 1, 2};
	static const guint8 hash[STATE_HASH_BYTES] = {7};
	g_autoptr(State) state = state_open(&options, NULL);
	struct text_pool *texts = &state->texts;
	guint32 name = text_pool_add(texts, "a.env", G_MAXSIZE), held = 0, root = 0;

	for (guint8 i = 0; i < 3; i++) {
		guint8 digest[STATE_DIGEST_BYTES] = {1, (guint8)(i & 1)};
		struct hit hit = {.rule = i & 1, .at = i, .len = 8, .line = 1, .column = 1};
		struct oid blob = oid_of(i);
		guint32 secret = state_add_secret(state, "family", digest, "3.1 ab******");
		state_add_hit(state, &blob, &hit, secret, "sample", NULL);
		struct holding_entry entry = {name, HOLDING_BLOB | i};
		fuzz_require(holding_table_add(&state->holdings, &entry, 1, &held));
		struct holding_entry folder = {name, held};
		fuzz_require(holding_table_add(&state->holdings, &folder, 1, &root));
	}
	for (guint8 i = 0; i < COMMITS; i++) {
		struct oid oid = oid_of((guint8)(100 + i));
		guint n = i == COMMITS - 1 ? 3 : i > 0;
		commit_graph_add(
			&state->graph, &oid, i, 0, n == 1 ? parents + (i - 1) % 3 : parents, n);
		commit_graph_set_held(&state->graph, i, root);
		g_array_append_val(state->tip_names, oid);
		guint32 place = i;
		g_array_append_val(state->tip_places, place);
		oid_map_add(&state->known_young, &oid);
	}
	struct state_commit commit = {oid_of(100), name, name, 1, 2, 3, 0};
	g_array_append_val(state->result.commits, commit);
	struct sighting sighting = {.path = name, .secret = 1, .n_refs = 1, .n_blobs = 1};
	sighting.first = sighting.last = 0;
	sighting.removed = STATE_NONE;
	g_array_append_val(state->result.sightings, sighting);
	g_array_append_val(state->result.refs, name);
	guint32 blob = 0;
	g_array_append_val(state->result.blobs, blob);
	struct state_gap gap = {oid_of(50), 1};
	g_array_append_val(state->gaps, gap);
	struct oid lost = oid_of(60);
	guint8 kind = 1;
	oid_map_add(&state->lost, &lost);
	g_array_append_val(state->lost_kinds, kind);
	state->has_graph = TRUE;
	return state_head_make(state, hash);
}

static gsize text_use(const struct state *state, guint32 text)
{
	const char *bytes = state_text(state, text);

	return bytes != NULL ? strlen(bytes) : 0;
}

static void graph_use(struct state *state)
{
	guint32 n = commit_graph_count(&state->graph), n_reached;

	for (guint32 i = 0; i < n; i++) {
		g_autofree guint8 *reach = commit_graph_reach(&state->graph, &i, 1, &n_reached);
		fuzz_require(reach[i] && n_reached <= n);
		guint32 n_entries;
		const struct holding_entry *entries = holding_entries(
			&state->holdings, commit_graph_get(&state->graph, i)->held, &n_entries);
		for (guint32 k = 0; k < n_entries; k++)
			text_use(state, entries[k].name);
	}
}

static void state_use(struct state *state)
{
	gsize n, n_hits;
	const struct sighting *sightings = state_sightings(state, &n);

	for (gsize i = 0; i < n; i++) {
		const struct sighting *s = &sightings[i];
		const struct state_commit *commit = state_commit(state, s->first);
		text_use(state, s->path);
		fuzz_require(state_secret(state, s->secret) != NULL);
		if (commit != NULL)
			text_use(state, commit->author);
		for (guint32 k = 0; k < s->n_refs && k < STATE_REFS_MAX; k++)
			text_use(state, state_refs(state, s)[k]);
		for (guint32 k = 0; k < s->n_blobs; k++) {
			fuzz_require(state_blob(state, state_blobs(state, s)[k]) != NULL);
			state_blob_hits(state, state_blobs(state, s)[k], &n_hits);
		}
	}
	const struct state_hit *hits = state_hits(state, &n);
	for (gsize i = 0; i < n; i++) {
		fuzz_require(hits[i].hit.rule < set.n);
		text_use(state, hits[i].sample);
		if (hits[i].inner > 0)
			text_use(state, hits[i].inner - 1);
		text_use(state, state_secret(state, hits[i].hit.secret)->masked);
	}
	if (state_graph_open(state))
		graph_use(state);
	state_known_open(state);
	struct oid oid = oid_of(100);
	state_is_known(state, &oid);
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t len)
{
	static GByteArray *whole;
	struct state_head head;

	if (whole == NULL)
		whole = whole_make();
	g_autofree char *bytes = g_memdup2(whole->data, whole->len);
	gsize n = whole->len;
	for (; len >= CHANGE_BYTES; data += CHANGE_BYTES, len -= CHANGE_BYTES) {
		guint32 at, value;
		memcpy(&at, data + 1, sizeof(at));
		memcpy(&value, data + 5, sizeof(value));
		at %= n - sizeof(value);
		if ((data[0] & 3) == 0)
			n = MAX(at, sizeof(head));
		else if ((data[0] & 3) == 1)
			bytes[at] = (char)value;
		else
			memcpy(bytes + at / 4 * 4, &value, sizeof(value));
	}
	memcpy(&head, bytes, sizeof(head));
	head.len = n;
	head.sum = state_sum(bytes + sizeof(head), n - sizeof(head));
	memcpy(bytes, &head, sizeof(head));

	/* Of that size and no other: what is read beyond is seen. */
	g_autofree char *exact = g_memdup2(bytes, n);
	g_autoptr(State) state = state_open(&options, NULL);
	if (state_head_take(state, exact, n) == NULL)
		state_use(state);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/state.h"

#include <string.h>

#include "jobs/scan/depot.h"
#include "jobs/scan/history.h"
#include "jobs/scan/state_order.h"
#include "jobs/scan/state_store.h"
#include "lib/hash.h"
#include "lib/secret.h"

void state_result_init(struct state_result *result)
{
	result->sightings = g_array_new(FALSE, TRUE, sizeof(struct sighting));
	result->commits = g_array_new(FALSE, TRUE, sizeof(struct state_commit));
	result->refs = g_array_new(FALSE, FALSE, sizeof(guint32));
	result->blobs = g_array_new(FALSE, FALSE, sizeof(guint32));
}

void state_result_clear(struct state_result *result)
{
	g_clear_pointer(&result->sightings, g_array_unref);
	g_clear_pointer(&result->commits, g_array_unref);
	g_clear_pointer(&result->refs, g_array_unref);
	g_clear_pointer(&result->blobs, g_array_unref);
}

static void contents_init(struct state *state)
{
	state->is_new = TRUE;
	state->new_rules = g_array_new(FALSE, FALSE, sizeof(guint16));
	state->secrets = g_array_new(FALSE, FALSE, sizeof(struct state_secret));
	state->hits = g_array_new(FALSE, FALSE, sizeof(struct state_hit));
	state->gaps = g_array_new(FALSE, FALSE, sizeof(struct state_gap));
	state->gaps_before = g_array_new(FALSE, FALSE, sizeof(struct state_gap));
	state->removed = g_array_new(FALSE, FALSE, sizeof(struct sighting));
	state->lost_kinds = g_array_new(FALSE, FALSE, sizeof(guint8));
	state->tip_names = g_array_new(FALSE, FALSE, sizeof(struct oid));
	state->tip_places = g_array_new(FALSE, FALSE, sizeof(guint32));
	commit_graph_init(&state->graph);
	holding_table_init(&state->holdings, HISTORY_DEPTH_MAX, HISTORY_PLACES_MAX);
	state_result_init(&state->result);
}

static void contents_clear(struct state *state)
{
	g_array_unref(state->new_rules);
	g_array_unref(state->secrets);
	g_clear_pointer(&state->secret_numbers, g_hash_table_unref);
	g_array_unref(state->hits);
	g_clear_pointer(&state->hit_starts, g_array_unref);
	g_free(state->hit_order);
	g_array_unref(state->gaps);
	g_array_unref(state->gaps_before);
	g_array_unref(state->removed);
	text_pool_clear(&state->texts);
	g_free(state->known_owned);
	oid_map_clear(&state->known_young);
	oid_map_clear(&state->blobs);
	oid_map_clear(&state->lost);
	g_array_unref(state->lost_kinds);
	g_array_unref(state->tip_names);
	g_array_unref(state->tip_places);
	g_free(state->late_note);
	commit_graph_clear(&state->graph);
	holding_table_clear(&state->holdings);
	state_result_clear(&state->result);
	for (int i = 0; i < 2; i++) {
		g_free(state->base_names[i]);
		g_clear_pointer(&state->base_files[i], g_mapped_file_unref);
	}
}

void state_reset(struct state *state)
{
	char *folder = state->folder, *engine = state->engine;
	const struct rule_set *rules = state->rules;

	contents_clear(state);
	memset(state, 0, sizeof(*state));
	state->folder = folder;
	state->engine = engine;
	state->rules = rules;
	contents_init(state);
}

struct state *state_open(const struct state_options *options, char **note)
{
	struct state *state = g_new0(struct state, 1);

	state->folder = g_strdup(options->folder);
	state->engine = g_strdup(options->engine);
	state->rules = options->rules;
	contents_init(state);
	if (state->folder != NULL) {
		g_autofree char *why = NULL;
		if (!state_load(state, &why) && why != NULL && note != NULL)
			*note = g_steal_pointer(&why);
	}
	return state;
}

void state_free(struct state *state)
{
	if (state == NULL)
		return;
	contents_clear(state);
	g_free(state->folder);
	g_free(state->engine);
	g_free(state);
}

void state_tips_hash(const struct history_tip *tips, gsize n_tips, const struct oid *shallow,
	gsize n_shallow, guint8 hash[STATE_HASH_BYTES])
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	gsize len = STATE_HASH_BYTES;

	for (gsize i = 0; i < n_tips; i++) {
		const char *name = tips[i].name != NULL ? tips[i].name : "";
		g_checksum_update(sum, (const guchar *)name, (gssize)strlen(name) + 1);
		g_checksum_update(sum, tips[i].oid.bytes, OID_BYTES);
		g_checksum_update(sum, (const guchar *)(tips[i].is_head ? "h" : "-"), 1);
	}
	g_checksum_update(sum, (const guchar *)"shallow", 8);
	for (gsize i = 0; i < n_shallow; i++)
		g_checksum_update(sum, shallow[i].bytes, OID_BYTES);
	g_checksum_get_digest(sum, hash, &len);
}

gboolean state_is_current(const struct state *state, const guint8 hash[STATE_HASH_BYTES])
{
	return state->has_hash && state->new_rules->len == 0 &&
	       memcmp(state->hash, hash, STATE_HASH_BYTES) == 0;
}

const char *state_note(const struct state *state)
{
	return state->late_note;
}

const guint16 *state_new_rules(const struct state *state, guint *n)
{
	*n = state->new_rules->len;
	return (const guint16 *)(const void *)state->new_rules->data;
}

static guint32 known_base(const struct state *state, const struct oid *blob)
{
	return oid_search(state->known, state->n_known, blob);
}

gboolean state_is_known(const struct state *state, const struct oid *blob)
{
	state_known_open((struct state *)state);
	return oid_map_find(&state->known_young, blob) != OID_MAP_NONE ||
	       known_base(state, blob) != OID_MAP_NONE;
}

guint64 state_known_count(const struct state *state)
{
	guint32 n_base =
		state->is_known_open ? state->n_known : state->base_counts[STATE_BASE_BLOBS];

	return (guint64)n_base + state->known_young.n;
}

void state_known(const struct state *state, const struct depot *depot, guint64 *wanted)
{
	guint32 n = depot_count(depot);

	for (guint32 i = 0; i < n; i++)
		if (state_is_known(state, depot_oid(depot, i)))
			wanted[i / 64] |= G_GUINT64_CONSTANT(1) << (i % 64);
}

void state_keep_known(struct state *state, const struct depot *depot)
{
	struct oid_map gaps = {0}, young = state->known_young;
	guint32 n = 0, number;

	if (state->folder == NULL) /* nobody will ask */
		return;
	state_known_open(state);
	for (guint i = 0; i < state->gaps->len; i++)
		oid_map_add(&gaps, &g_array_index(state->gaps, struct state_gap, i).blob);
	struct oid *kept = g_new(struct oid, (gsize)state->n_known + 1);
	for (guint32 i = 0; i < state->n_known; i++)
		if (depot_find(depot, &state->known[i], &number) &&
			oid_map_find(&gaps, &state->known[i]) == OID_MAP_NONE)
			kept[n++] = state->known[i];
	if (n < state->n_known) {
		state_known_set(state, kept, n);
		kept = NULL;
	}
	g_free(kept);
	memset(&state->known_young, 0, sizeof(state->known_young));
	for (guint32 i = 0; i < young.n; i++)
		if (depot_find(depot, &young.oids[i], &number) &&
			oid_map_find(&gaps, &young.oids[i]) == OID_MAP_NONE)
			oid_map_add(&state->known_young, &young.oids[i]);
	oid_map_clear(&young);
	oid_map_clear(&gaps);
	state->is_dirty = TRUE;
}

void state_known_set(struct state *state, struct oid *sorted, guint32 n)
{
	g_free(state->known_owned);
	g_clear_pointer(&state->base_files[STATE_BASE_BLOBS], g_mapped_file_unref);
	state->known = state->known_owned = sorted;
	state->n_known = n;
	state->is_base_current[STATE_BASE_BLOBS] = FALSE;
}

static GBytes *bytes_key(const guint8 *digest, guint32 family)
{
	guint8 key[STATE_DIGEST_BYTES + sizeof(family)];

	memcpy(key, digest, STATE_DIGEST_BYTES);
	memcpy(key + STATE_DIGEST_BYTES, &family, sizeof(family));
	return g_bytes_new(key, sizeof(key));
}

static guint secret_hash(gconstpointer key)
{
	gsize len;
	const void *bytes = g_bytes_get_data((GBytes *)key, &len);

	return hash_bytes(bytes, len);
}

static gboolean is_set(const guint8 *bytes, gsize len)
{
	for (gsize i = 0; i < len; i++)
		if (bytes[i] != 0)
			return TRUE;
	return FALSE;
}

static guint32 secret_find(struct state *state, GBytes *key)
{
	if (state->secret_numbers == NULL) {
		state->secret_numbers = g_hash_table_new_full(
			secret_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
		for (guint i = 0; i < state->secrets->len; i++) {
			const struct state_secret *s =
				&g_array_index(state->secrets, struct state_secret, i);
			g_hash_table_insert(state->secret_numbers, bytes_key(s->digest, s->family),
				GUINT_TO_POINTER(i + 1));
		}
	}
	return GPOINTER_TO_UINT(g_hash_table_lookup(state->secret_numbers, key));
}

static guint32 family_text(struct state *state, const char *family)
{
	return text_pool_add(&state->texts, family != NULL ? family : "", G_MAXSIZE);
}

static guint32 secret_add(struct state *state, const char *family,
	const guint8 digest[STATE_DIGEST_BYTES], const char *masked, gboolean is_pending)
{
	struct state_secret secret = {
		.family = family_text(state, family), .is_pending = is_pending};
	g_autoptr(GBytes) key = bytes_key(digest, secret.family);
	guint32 number = secret_find(state, key);

	if (number != 0)
		return number;
	memcpy(secret.digest, digest, sizeof(secret.digest));
	secret.masked = text_pool_add(&state->texts, masked, G_MAXSIZE);
	state->is_dirty = TRUE;
	g_array_append_val(state->secrets, secret);
	g_hash_table_insert(state->secret_numbers, g_steal_pointer(&key),
		GUINT_TO_POINTER(state->secrets->len));
	return state->secrets->len;
}

guint32 state_add_secret(struct state *state, const char *family,
	const guint8 digest[STATE_DIGEST_BYTES], const char *masked)
{
	return is_set(digest, STATE_DIGEST_BYTES) ? secret_add(state, family, digest, masked, FALSE)
						  : 0;
}

guint32 state_add_pending(struct state *state, const char *family, const guint8 *secret, gsize len,
	const char *masked)
{
	guint8 hash[STATE_DIGEST_BYTES];

	if (!is_set(state->key, sizeof(state->key)))
		secret_quick_key_make(state->key);
	secret_quick_hash(state->key, secret, len, hash);
	return secret_add(state, family, hash, masked, TRUE);
}

guint32 state_find_pending(struct state *state, const char *family, const guint8 *secret, gsize len)
{
	guint8 hash[STATE_DIGEST_BYTES];

	if (!is_set(state->key, sizeof(state->key)))
		return 0;
	secret_quick_hash(state->key, secret, len, hash);
	g_autoptr(GBytes) key = bytes_key(hash, family_text(state, family));
	return secret_find(state, key);
}

gboolean state_has_digests(const struct state *state)
{
	for (guint i = 0; i < state->secrets->len; i++)
		if (!g_array_index(state->secrets, struct state_secret, i).is_pending)
			return TRUE;
	return FALSE;
}

void state_set_digest(struct state *state, guint32 secret, const guint8 digest[STATE_DIGEST_BYTES])
{
	struct state_secret *s;

	if (secret == 0 || secret > state->secrets->len || !is_set(digest, STATE_DIGEST_BYTES))
		return;
	s = &g_array_index(state->secrets, struct state_secret, secret - 1);
	memcpy(s->digest, digest, sizeof(s->digest));
	s->is_pending = FALSE;
	state->is_dirty = TRUE;
	g_clear_pointer(&state->secret_numbers, g_hash_table_unref);
}

void state_add_hit(struct state *state, const struct oid *blob, const struct hit *hit,
	guint32 secret, const char *sample, const char *inner)
{
	struct state_hit h = {.hit = *hit};

	if (secret == 0 || secret > state->secrets->len || hit->rule >= state->rules->n ||
		state->blobs.n > HOLDING_NUMBER)
		return;
	h.hit.blob = oid_map_add(&state->blobs, blob);
	h.hit.secret = secret;
	h.sample = text_pool_add(&state->texts, sample, G_MAXSIZE);
	if (inner != NULL)
		h.inner = text_pool_add(&state->texts, inner, G_MAXSIZE) + 1;
	g_array_append_val(state->hits, h);
	g_clear_pointer(&state->hit_starts, g_array_unref);
	g_clear_pointer(&state->hit_order, g_free);
}

void state_add_gap(struct state *state, const struct oid *blob, guint reason)
{
	struct state_gap gap = {.blob = *blob, .reason = reason};

	g_array_append_val(state->gaps, gap);
}

/*
 * The first scan of a repository: a table of names would take half as much again, for nothing. They
 * are sorted already when they come out of one pack.
 */
static void known_begin(struct state *state, GArray *fresh)
{
	guint32 n = fresh->len;
	struct oid *oids = (struct oid *)(void *)g_array_free(g_steal_pointer(&fresh), FALSE);
	gboolean is_sorted = TRUE;

	for (guint32 i = 1; i < n && is_sorted; i++)
		is_sorted = oid_compare(&oids[i - 1], &oids[i]) < 0;
	if (!is_sorted) {
		g_autofree guint32 *order = g_new(guint32, n);
		struct oid *sorted = g_new(struct oid, n);
		oid_order(oids, sizeof(*oids), n, order);
		for (guint32 i = 0; i < n; i++)
			sorted[i] = oids[order[i]];
		g_free(oids);
		oids = sorted;
	}
	state_known_set(state, oids, n);
}

void state_add_scanned(struct state *state, struct depot *depot, const guint64 *wanted)
{
	struct oid_map gaps = {0};
	guint32 n = depot_count(depot);
	guint n_words = n / 64 + 1;
	g_autoptr(GArray) fresh = g_array_new(FALSE, FALSE, sizeof(struct oid));

	if (state->folder == NULL) /* nobody will ask */
		return;
	state_known_open(state);
	for (guint i = 0; i < state->gaps->len; i++)
		oid_map_add(&gaps, &g_array_index(state->gaps, struct state_gap, i).blob);
	for (guint w = 0; w < n_words; w++) {
		for (guint64 bits = wanted[w]; bits != 0; bits &= bits - 1) {
			guint32 number = w * 64 + (guint32)__builtin_ctzll(bits);
			if (number >= n || depot_type(depot, number) != DEPOT_BLOB)
				continue;
			const struct oid *oid = depot_oid(depot, number);
			if (oid_map_find(&gaps, oid) == OID_MAP_NONE && !state_is_known(state, oid))
				g_array_append_vals(fresh, oid, 1);
		}
	}
	oid_map_clear(&gaps);
	state->is_dirty = TRUE;
	if (state_known_count(state) == 0 && fresh->len > STATE_YOUNG_MIN) {
		known_begin(state, g_steal_pointer(&fresh));
		return;
	}
	oid_map_expect(&state->known_young, fresh->len);
	for (guint i = 0; i < fresh->len; i++)
		oid_map_add(&state->known_young, &g_array_index(fresh, struct oid, i));
}

guint64 *state_counters(struct state *state)
{
	return state->counters;
}

const char *state_text(const struct state *state, guint32 at)
{
	return text_pool_get(&state->texts, at);
}

const struct state_secret *state_secret(const struct state *state, guint32 number)
{
	return number > 0 && number <= state->secrets->len
		       ? &g_array_index(state->secrets, struct state_secret, number - 1)
		       : NULL;
}

const struct oid *state_blob(const struct state *state, guint32 blob)
{
	return blob < state->blobs.n ? &state->blobs.oids[blob] : NULL;
}

guint32 state_find_blob(const struct state *state, const struct oid *blob)
{
	guint32 number = oid_map_find(&state->blobs, blob);

	return number != OID_MAP_NONE ? number : STATE_NONE;
}

static int hit_compare(gconstpointer a, gconstpointer b)
{
	const struct state_hit *left = a, *right = b;
	const struct hit *x = &left->hit, *y = &right->hit;

#define BY(member)                                                                                 \
	if (x->member != y->member)                                                                \
	return x->member < y->member ? -1 : 1
	BY(blob);
	if (left->inner != right->inner)
		return left->inner < right->inner ? -1 : 1;
	BY(at);
	BY(len);
	BY(rule);
	BY(secret);
	BY(match_at);
	BY(match_len);
#undef BY
	return 0;
}

static void hits_sort(struct state *state)
{
	struct state_hit *hits = (struct state_hit *)(void *)state->hits->data;
	guint n = 0;

	if (state->hit_starts != NULL)
		return;
	if (state->hits->len > 1)
		qsort(hits, state->hits->len, sizeof(*hits), hit_compare);
	for (guint i = 0; i < state->hits->len; i++)
		if (n == 0 || hit_compare(&hits[n - 1], &hits[i]) != 0)
			hits[n++] = hits[i];
	g_array_set_size(state->hits, n);
	state->hit_starts = g_array_new(FALSE, TRUE, sizeof(guint32));
	g_array_set_size(state->hit_starts, state->blobs.n + 1);
	guint32 *starts = (guint32 *)(void *)state->hit_starts->data;
	for (guint i = 0; i < n; i++)
		starts[hits[i].hit.blob + 1]++;
	for (guint32 i = 0; i < state->blobs.n; i++)
		starts[i + 1] += starts[i];
}

const struct state_hit *state_hits(struct state *state, gsize *n)
{
	hits_sort(state);
	*n = state->hits->len;
	return (const struct state_hit *)(const void *)state->hits->data;
}

const struct state_hit *state_blob_hits(struct state *state, guint32 blob, gsize *n)
{
	*n = 0;
	if (blob >= state->blobs.n)
		return NULL;
	hits_sort(state);
	const guint32 *starts = (const guint32 *)(const void *)state->hit_starts->data;
	*n = starts[blob + 1] - starts[blob];
	return (const struct state_hit *)(const void *)state->hits->data + starts[blob];
}

const struct state_gap *state_gaps(const struct state *state, gsize *n)
{
	*n = state->gaps->len;
	return (const struct state_gap *)(const void *)state->gaps->data;
}

const struct sighting *state_sightings(const struct state *state, gsize *n)
{
	*n = state->result.sightings->len;
	return (const struct sighting *)(const void *)state->result.sightings->data;
}

const struct state_commit *state_commit(const struct state *state, guint32 number)
{
	return number < state->result.commits->len
		       ? &g_array_index(state->result.commits, struct state_commit, number)
		       : NULL;
}

const guint32 *state_refs(const struct state *state, const struct sighting *s)
{
	return (const guint32 *)(const void *)state->result.refs->data + s->refs;
}

const guint32 *state_blobs(const struct state *state, const struct sighting *s)
{
	return (const guint32 *)(const void *)state->result.blobs->data + s->blobs;
}

const struct sighting *state_removed(const struct state *state, gsize *n)
{
	*n = state->removed->len;
	return (const struct sighting *)(const void *)state->removed->data;
}

static guint32 commit_copy(struct state_result *to, const struct state_result *from, guint32 at)
{
	if (at >= from->commits->len)
		return STATE_NONE;
	g_array_append_vals(to->commits, &g_array_index(from->commits, struct state_commit, at), 1);
	return to->commits->len - 1;
}

static gboolean has_hits(struct state *state, const struct sighting *s)
{
	for (guint32 i = 0; i < s->n_blobs; i++) {
		gsize n;
		state_secret_hits(state, state_blobs(state, s)[i], s->secret, &n);
		if (n > 0)
			return TRUE;
	}
	return FALSE;
}

static guint sighting_hash(gconstpointer s)
{
	return hash_bytes(s, 2 * sizeof(guint32)); /* path and secret come first */
}

static gboolean sighting_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, 2 * sizeof(guint32)) == 0;
}

void state_take_result(struct state *state, struct state_result *result)
{
	struct state_result old = state->result;
	g_autoptr(GHashTable) now = g_hash_table_new(sighting_hash, sighting_equal);

	G_STATIC_ASSERT(G_STRUCT_OFFSET(struct sighting, secret) == sizeof(guint32));
	state->is_dirty = TRUE;
	g_array_set_size(state->removed, 0);
	for (guint i = 0; i < result->sightings->len; i++)
		g_hash_table_add(now, &g_array_index(result->sightings, struct sighting, i));
	for (guint i = 0; i < old.sightings->len; i++) {
		struct sighting s = g_array_index(old.sightings, struct sighting, i);
		if (g_hash_table_contains(now, &s) || !has_hits(state, &s))
			continue;
		guint32 refs = result->refs->len, blobs = result->blobs->len;
		g_array_append_vals(
			result->refs, (guint32 *)(void *)old.refs->data + s.refs, s.n_refs);
		g_array_append_vals(
			result->blobs, (guint32 *)(void *)old.blobs->data + s.blobs, s.n_blobs);
		s.refs = refs;
		s.blobs = blobs;
		s.first = commit_copy(result, &old, s.first);
		s.last = commit_copy(result, &old, s.last);
		s.removed = commit_copy(result, &old, s.removed);
		s.flags &= ~(guint32)SIGHTING_IN_HEAD;
		g_array_append_val(state->removed, s);
	}
	state_result_clear(&old);
	state->result = *result;
	memset(result, 0, sizeof(*result));
}

char *state_folder(const char *cache_folder, const char *git_folder)
{
	g_autofree char *path = g_canonicalize_filename(git_folder, NULL);
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, path, -1);

	sum[32] = '\0';
	return g_build_filename(cache_folder, sum, NULL);
}

/* SPDX-License-Identifier: MIT */
/* From what a state knows to findings. */
#include "config.h"
#include "jobs/scan_history.h"

#include <string.h>

#include "jobs/scan/finding_sample.h"
#include "jobs/scan/oid_map.h"
#include "lib/hash.h"

#define MESSAGE_BYTES_MAX (1024 * 1024)
#define MASK "********"

struct telling {
	struct scan_job *job;
	struct state *state;
	struct depot *depot;
	struct depot_reader *reader; /* NULL: messages are not asked for */
	struct scan *scan;           /* finds secrets in messages */
	GHashTable *messages;        /* hex of a commit -> char * */
	GArray *versions;            /* struct finding_version, of the sighting at hand */
	GArray *hits;                /* struct state_hit, theirs in one entry of an archive */
	gboolean has_inner;          /* the sighting is in archives */
	const char *name;
	gboolean has_head;
};

/* A message may hold the secret itself: what a rule finds in it is masked. */
static char *message_mask(struct telling *telling, const char *text)
{
	gsize n = 0, before = 0, len = strlen(text), from = 0;
	GString *out = g_string_new(NULL);

	if (telling->job->flags->mask.is_shown) {
		g_string_append(out, text);
		return g_string_free(out, FALSE);
	}
	scan_hits(telling->scan, &before);
	scan_bytes(telling->scan, g_hash_table_size(telling->messages), text, len);
	const struct hit *hits = scan_hits(telling->scan, &n);
	for (gsize i = 0; i < n; i++) {
		if (hits[i].blob != g_hash_table_size(telling->messages) || hits[i].at < from ||
			hits[i].at >= len)
			continue;
		g_string_append_len(out, text + from, (gssize)(hits[i].at - from));
		g_string_append(out, MASK);
		from = MIN((gsize)hits[i].at + hits[i].len, len);
	}
	g_string_append(out, text + from);
	return g_string_free(out, FALSE);
}

static const char *message_get(struct telling *telling, const struct oid *oid)
{
	const guint8 *bytes = NULL;
	gsize len = 0;
	guint32 number;
	char hex[OID_HEX + 1];

	if (telling->reader == NULL)
		return NULL;
	oid_format(oid, hex);
	char *known = g_hash_table_lookup(telling->messages, hex);
	if (known != NULL)
		return known;
	if (depot_find(telling->depot, oid, &number) &&
		depot_read(telling->reader, number, MESSAGE_BYTES_MAX, NULL, &bytes, &len, NULL)) {
		const char *body = g_strstr_len((const char *)bytes, (gssize)len, "\n\n");
		gsize at = body != NULL ? (gsize)(body - (const char *)bytes) + 2 : len;
		g_autofree char *text = g_strndup((const char *)bytes + at, len - at);
		g_strchomp(text);
		known = message_mask(telling, text);
	} else {
		known = g_strdup("");
	}
	g_hash_table_insert(telling->messages, g_strdup(hex), known);
	return known;
}

static struct finding_commit commit_get(struct telling *telling, guint32 number, gboolean is_first)
{
	struct finding_commit commit = {""};

	if (number == STATE_NONE)
		return commit;
	const struct state_commit *known = state_commit(telling->state, number);
	oid_format(&known->oid, commit.oid);
	commit.author = state_text(telling->state, known->author);
	commit.email = state_text(telling->state, known->email);
	commit.time = known->time;
	commit.offset_min = known->offset_min;
	if (is_first)
		commit.message = message_get(telling, &known->oid);
	return commit;
}

static const char *sample_get(gpointer data, const struct state_hit *hit)
{
	const struct telling *telling = data;

	return state_text(telling->state, hit->sample);
}

static int version_compare(gconstpointer a, gconstpointer b)
{
	const struct finding_version *x = a, *y = b;

	return oid_compare(&x->blob, &y->blob);
}

static gsize version_find(const struct telling *telling, guint32 blob)
{
	const struct oid *oid = state_blob(telling->state, blob);
	guint n = telling->versions->len, at;
	struct finding_version version;

	if (blob == STATE_NONE || oid == NULL)
		return G_MAXSIZE;
	version.blob = *oid;
	return n > 0 && g_array_binary_search(telling->versions, &version, version_compare, &at)
		       ? at
		       : G_MAXSIZE;
}

/* Versions with their hits: in archives those of one entry alone, whose number + 1 inner is. */
static void versions_make(struct telling *telling, const struct sighting *s, guint32 inner)
{
	struct state *state = telling->state;
	const guint32 *blobs = state_blobs(state, s);

	g_array_set_size(telling->versions, 0);
	g_array_set_size(telling->hits, 0);
	for (guint32 i = 0; i < s->n_blobs; i++) {
		gsize n = 0;
		const struct state_hit *hits = state_blob_hits(state, blobs[i], &n);
		struct finding_version version = {*state_blob(state, blobs[i]), hits, n};
		if (telling->has_inner) {
			version.n = 0;
			for (gsize k = 0; k < n; k++)
				if (hits[k].inner == inner) {
					g_array_append_val(telling->hits, hits[k]);
					version.n++;
				}
		}
		if (version.n > 0)
			g_array_append_val(telling->versions, version);
	}
	/* The array does not move any more. */
	for (gsize i = 0, at = 0; telling->has_inner && i < telling->versions->len; i++) {
		struct finding_version *version =
			&g_array_index(telling->versions, struct finding_version, i);
		version->hits = &g_array_index(telling->hits, struct state_hit, at);
		at += version->n;
	}
}

static void sighting_tell_at(struct telling *telling, const struct sighting *s,
	enum finding_status status, guint32 inner)
{
	struct state *state = telling->state;
	const struct state_secret *secret = state_secret(state, s->secret);
	const guint32 *refs = state_refs(state, s);
	const char *names[STATE_REFS_MAX + 1], *path = state_text(state, s->path);
	g_autofree char *inner_path =
		path != NULL && inner != 0 ? scan_job_inner_path(path, state_text(state, inner - 1))
					   : NULL;
	double entropy = 0;

	versions_make(telling, s, inner);
	/* The state's own order is that in which it met them. */
	g_array_sort(telling->versions, version_compare);
	guint n_refs = MIN(s->n_refs, STATE_REFS_MAX);
	for (guint i = 0; i < n_refs; i++)
		names[i] = state_text(state, refs[i]);
	struct finding_view view = {.repository = telling->name,
		.path = inner_path != NULL ? inner_path : path,
		.secret = s->secret,
		.family = state_text(state, secret->family),
		.masked = scan_job_unmask(state_text(state, secret->masked), &entropy),
		.digest = secret->digest,
		.versions = (const struct finding_version *)(gpointer)telling->versions->data,
		.n_versions = telling->versions->len,
		.first = version_find(telling, s->first_blob),
		.last = version_find(telling, s->last_blob),
		.head = version_find(telling, s->head_blob),
		.first_commit = commit_get(telling, s->first, TRUE),
		.last_commit = commit_get(telling, s->last, FALSE),
		.in_head = !telling->has_head              ? FINDING_UNKNOWN
			   : (s->flags & SIGHTING_IN_HEAD) ? FINDING_YES
							   : FINDING_NO,
		.refs = names,
		.n_refs = n_refs,
		.refs_total = s->refs_total,
		.status = status,
		.sample = sample_get,
		.sample_data = telling};
	view.entropy = entropy;
	/* The archive in HEAD holds it, but in another entry. */
	if (inner != 0 && view.head == G_MAXSIZE && view.in_head == FINDING_YES)
		view.in_head = FINDING_NO;
	if (status == FINDING_STATUS_REMOVED) {
		view.in_head = FINDING_NO;
		view.head = G_MAXSIZE;
	}
	finding_maker_add(telling->job->maker, &view);
}

/* One finding for each entry of an archive that holds it; else one. */
static void sighting_tell(
	struct telling *telling, const struct sighting *s, enum finding_status status)
{
	const guint32 *blobs = state_blobs(telling->state, s);
	g_autoptr(GHashTable) seen = NULL;

	telling->has_inner = FALSE;
	for (guint32 i = 0; i < s->n_blobs; i++) {
		gsize n = 0;
		const struct state_hit *hits = state_blob_hits(telling->state, blobs[i], &n);
		for (gsize k = 0; k < n; k++) {
			if (hits[k].inner == 0 || hits[k].hit.secret != s->secret)
				continue;
			telling->has_inner = TRUE;
			if (seen == NULL)
				seen = g_hash_table_new(NULL, NULL);
			if (g_hash_table_add(seen, GUINT_TO_POINTER(hits[k].inner)))
				sighting_tell_at(telling, s, status, hits[k].inner);
		}
	}
	if (!telling->has_inner)
		sighting_tell_at(telling, s, status, 0);
}

static gboolean has_messages(const struct scan_job *job)
{
	return job->flags->format == SCAN_FORMAT_GITLEAKS || job->flags->format == SCAN_FORMAT_CSV;
}

gboolean scan_history_report(struct scan_job *job, struct state *state, struct depot *depot,
	const char *name, gboolean has_head, GError **error)
{
	struct telling telling = {
		.job = job, .state = state, .depot = depot, .name = name, .has_head = has_head};
	struct secret_table *secrets = NULL;
	gsize n = 0, n_removed = 0;
	const struct sighting *sightings = state_sightings(state, &n);
	const struct sighting *removed = state_removed(state, &n_removed);

	if (n + n_removed == 0)
		return TRUE;
	if (has_messages(job) && depot != NULL) {
		secrets = secret_table_new();
		telling.scan = scan_job_scan(job, NULL, secrets, SCAN_JOB_PLAIN, error);
		if (telling.scan == NULL) {
			secret_table_free(secrets);
			return FALSE;
		}
		telling.reader = depot_reader_new(depot);
	}
	telling.messages = g_hash_table_new_full(hash_text, g_str_equal, g_free, g_free);
	telling.versions = g_array_new(FALSE, FALSE, sizeof(struct finding_version));
	telling.hits = g_array_new(FALSE, FALSE, sizeof(struct state_hit));
	for (gsize i = 0; i < n; i++)
		sighting_tell(&telling, &sightings[i], FINDING_STATUS_PRESENT);
	for (gsize i = 0; i < n_removed; i++)
		sighting_tell(&telling, &removed[i], FINDING_STATUS_REMOVED);
	g_hash_table_unref(telling.messages);
	g_array_unref(telling.versions);
	g_array_unref(telling.hits);
	depot_reader_free(telling.reader);
	scan_free(telling.scan);
	secret_table_free(secrets);
	return TRUE;
}

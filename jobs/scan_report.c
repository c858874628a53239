/* SPDX-License-Identifier: MIT */
/* From what a state knows to findings. */
#include "config.h"
#include "jobs/scan_history.h"

#include "jobs/scan/oid_map.h"
#include "jobs/scan/state_order.h"
#include "jobs/scan_message.h"

struct telling {
	struct scan_job *job;
	struct state *state;
	struct scan_names *names;
	struct scan_messages *messages; /* NULL: not asked for */
	GArray *versions;               /* struct finding_version, of the sighting at hand */
	gboolean has_inner;             /* the sighting is in archives */
	const char *name;
	gboolean has_head;
};

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
	if (is_first && telling->messages != NULL)
		commit.message = scan_messages_get(telling->messages, &known->oid);
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

/* The hits of one entry among those of an archive, which are sorted by entry. */
static const struct state_hit *entry_find(
	const struct state_hit *hits, gsize n, guint32 inner, gsize *found)
{
	gsize bounds[2];

	for (guint k = 0; k < 2; k++) {
		gsize low = 0, high = n;
		while (low < high) {
			gsize middle = low + (high - low) / 2;
			if (hits[middle].inner < (guint64)inner + k)
				low = middle + 1;
			else
				high = middle;
		}
		bounds[k] = low;
	}
	*found = bounds[1] - bounds[0];
	return hits + bounds[0];
}

/* Versions with their hits: in archives those of one entry alone, whose number + 1 inner is. */
static void versions_make(struct telling *telling, const struct sighting *s, guint32 inner)
{
	struct state *state = telling->state;
	const guint32 *blobs = state_blobs(state, s);

	g_array_set_size(telling->versions, 0);
	for (guint32 i = 0; i < s->n_blobs; i++) {
		struct finding_version version = {.blob = *state_blob(state, blobs[i])};
		version.hits = state_blob_hits(state, blobs[i], &version.n);
		version.own = state_secret_hits(state, blobs[i], s->secret, &version.n_own);
		if (telling->has_inner) {
			version.hits = entry_find(version.hits, version.n, inner, &version.n);
			/* They are sorted the same way. */
			for (; version.n_own > 0 && version.own[0]->inner != inner; version.own++)
				version.n_own--;
			for (gsize k = 0; k < version.n_own; k++)
				if (version.own[k]->inner != inner)
					version.n_own = k;
		}
		if (version.n_own > 0)
			g_array_append_val(telling->versions, version);
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
		.digest = secret->is_pending ? NULL : secret->digest,
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
	struct finding *finding = finding_maker_add(telling->job->maker, &view);
	if (finding != NULL && view.digest == NULL)
		scan_names_want(telling->names, finding, view.family, s->secret);
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
		const struct state_hit *const *own =
			state_secret_hits(telling->state, blobs[i], s->secret, &n);
		for (gsize k = 0; k < n; k++) {
			if (own[k]->inner == 0)
				continue;
			telling->has_inner = TRUE;
			if (seen == NULL)
				seen = g_hash_table_new(NULL, NULL);
			if (g_hash_table_add(seen, GUINT_TO_POINTER(own[k]->inner)))
				sighting_tell_at(telling, s, status, own[k]->inner);
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
	struct scan_names *names, const char *name, gboolean has_head, GError **error)
{
	struct telling telling = {
		.job = job, .state = state, .names = names, .name = name, .has_head = has_head};
	gsize n = 0, n_removed = 0;
	const struct sighting *sightings = state_sightings(state, &n);
	const struct sighting *removed = state_removed(state, &n_removed);

	if (n + n_removed == 0)
		return TRUE;
	if (has_messages(job) && depot != NULL) {
		telling.messages = scan_messages_new(job, state, depot, error);
		if (telling.messages == NULL)
			return FALSE;
	}
	telling.versions = g_array_new(FALSE, FALSE, sizeof(struct finding_version));
	for (gsize i = 0; i < n; i++)
		sighting_tell(&telling, &sightings[i], FINDING_STATUS_PRESENT);
	for (gsize i = 0; i < n_removed; i++)
		sighting_tell(&telling, &removed[i], FINDING_STATUS_REMOVED);
	g_array_unref(telling.versions);
	scan_messages_free(telling.messages);
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
/* Files, index entries, a stream: what is scanned without history. */
#include "config.h"
#include "jobs/scan_job.h"

#include <string.h>

#include "jobs/scan/finding_id.h"
#include "jobs/scan/finding_sample.h"

struct items {
	struct scan_job *job;
	const struct scan_items_source *source;
	const char *repository;
	struct secret_table *secrets;
	GArray *hits;        /* struct state_hit, of one item */
	GPtrArray *samples;  /* char *, of the same */
	GHashTable *digests; /* secret -> index into digest */
	struct finding_digest *digest;
};

static GBytes *item_get(gpointer data, guint32 item, enum scan_gap_reason *gap)
{
	const struct scan_items_source *source = data;

	return source->get(source->data, item, gap);
}

static const char *sample_of(gpointer data, const struct state_hit *hit)
{
	struct items *items = data;

	return hit->sample < items->samples->len ? items->samples->pdata[hit->sample] : NULL;
}

static gint place_compare(gconstpointer a, gconstpointer b)
{
	const struct state_hit *x = a, *y = b;

	if (x->hit.at != y->hit.at)
		return x->hit.at < y->hit.at ? -1 : 1;
	return x->hit.rule < y->hit.rule ? -1 : x->hit.rule > y->hit.rule;
}

/* The name git would give it. */
static void oid_make(const guint8 *data, gsize len, struct oid *oid)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	g_autofree char *head = g_strdup_printf("blob %" G_GSIZE_FORMAT, len);
	gsize size = OID_BYTES;

	g_checksum_update(sum, (const guchar *)head, (gssize)strlen(head) + 1);
	g_checksum_update(sum, data, (gssize)len);
	g_checksum_get_digest(sum, oid->bytes, &size);
}

static void secret_add(struct items *items, const char *path, const struct finding_version *version,
	guint32 secret)
{
	const char *family = "";
	gsize len = 0;
	const guint8 *bytes = secret_table_get(items->secrets, secret, &family, &len);
	gpointer at = g_hash_table_lookup(items->digests, GUINT_TO_POINTER(secret));
	const struct finding_digest *digest = &items->digest[GPOINTER_TO_UINT(at)];
	if (!finding_digest_is_set(digest))
		return;
	g_autofree char *masked = finding_mask_secret(bytes, len, &items->job->flags->mask);
	struct finding_view view = {.repository = items->repository,
		.path = path,
		.secret = secret,
		.family = family,
		.masked = masked,
		.digest = digest->bytes,
		.entropy = finding_entropy(bytes, len),
		.versions = version,
		.n_versions = 1,
		.head = G_MAXSIZE,
		.status = FINDING_STATUS_PRESENT,
		.sample = sample_of,
		.sample_data = items};

	finding_maker_add(items->job->maker, &view);
}

/* Are these the bytes that were scanned? Else a sample would show what should be masked. */
static gboolean is_same(
	struct items *items, const guint8 *data, gsize len, const struct hit *hits, gsize n)
{
	for (gsize i = 0; i < n; i++) {
		gsize size = 0;
		const guint8 *secret =
			secret_table_get(items->secrets, hits[i].secret, NULL, &size);
		if (hits[i].flags & (HIT_DECODED | HIT_UTF16))
			continue;
		if (size != hits[i].len || (gsize)hits[i].at + size > len ||
			memcmp(data + hits[i].at, secret, size) != 0)
			return FALSE;
	}
	return TRUE;
}

/* All hits of one item become findings. */
static void item_add(struct items *items, const struct hit *hits, gsize n)
{
	const struct scan_items_source *source = items->source;
	enum scan_gap_reason gap = SCAN_GAP_UNSET;
	guint32 item = hits[0].blob;
	g_autoptr(GBytes) bytes = source->get(source->data, item, &gap);
	gsize len = 0;
	const guint8 *data = bytes != NULL ? g_bytes_get_data(bytes, &len) : NULL;
	struct finding_version version = {{{0}}, NULL, n};
	gsize shown = data != NULL && is_same(items, data, len, hits, n) ? len : 0;
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

	if (source->oid != NULL)
		version.blob = *source->oid(source->data, item);
	else if (data != NULL)
		oid_make(data, len, &version.blob);
	g_array_set_size(items->hits, 0);
	g_ptr_array_set_size(items->samples, 0);
	for (gsize i = 0; i < n; i++) {
		gsize size = 0;
		const guint8 *secret =
			secret_table_get(items->secrets, hits[i].secret, NULL, &size);
		g_autofree char *masked =
			finding_mask_secret(secret, size, &items->job->flags->mask);
		struct state_hit hit = {.hit = hits[i], .sample = (guint32)i};
		g_array_append_val(items->hits, hit);
		g_ptr_array_add(items->samples, finding_sample(data, shown, hits, n, &hits[i],
							masked, items->job->flags->mask.is_shown));
	}
	g_array_sort(items->hits, place_compare);
	version.hits = (const struct state_hit *)(gpointer)items->hits->data;
	for (gsize i = 0; i < n; i++)
		if (g_hash_table_add(seen, GUINT_TO_POINTER(hits[i].secret)))
			secret_add(
				items, source->path(source->data, item), &version, hits[i].secret);
}

static gboolean digests_make(struct items *items, struct finding_target *target,
	const struct hit *hits, gsize n, GError **error)
{
	g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint32));

	for (gsize i = 0; i < n; i++) {
		gpointer key = GUINT_TO_POINTER(hits[i].secret);
		if (g_hash_table_contains(items->digests, key))
			continue;
		g_hash_table_insert(items->digests, key, GUINT_TO_POINTER(numbers->len));
		g_array_append_val(numbers, hits[i].secret);
	}
	items->digest = g_new0(struct finding_digest, numbers->len + 1);
	if (!finding_digest_all(items->secrets, (const guint32 *)(gpointer)numbers->data,
		    numbers->len, items->job->flags->threads, &items->job->progress.is_cancelled,
		    items->digest, error))
		return FALSE;
	gsize untold = finding_digests_untold(items->digest, numbers->len);
	if (untold > 0)
		scan_job_untold(items->job, target, untold);
	return TRUE;
}

static gboolean hits_add(struct items *items, struct finding_target *target, const struct hit *hits,
	gsize n, GError **error)
{
	gboolean is_fine = digests_make(items, target, hits, n, error);

	for (gsize i = 0, end; is_fine && i < n; i = end) {
		for (end = i + 1; end < n && hits[end].blob == hits[i].blob; end++)
			;
		item_add(items, hits + i, end - i);
	}
	return is_fine;
}

gboolean scan_items_run(struct scan_job *job, const struct scan_items_source *source,
	const char *name, const char *kind, const char *repository, GError **error)
{
	g_autoptr(GError) why = NULL;
	struct finding_target *target = scan_job_target(job, name, kind);
	struct items items = {.job = job, .source = source, .repository = repository};
	gsize n = 0;

	items.secrets = secret_table_new();
	g_autoptr(Scan) scan = scan_job_scan(job, NULL, items.secrets, error);
	if (scan == NULL) {
		secret_table_free(items.secrets);
		return FALSE;
	}
	items.hits = g_array_new(FALSE, TRUE, sizeof(struct state_hit));
	items.samples = g_ptr_array_new_with_free_func(g_free);
	items.digests = g_hash_table_new(NULL, NULL);
	target->objects = source->n;
	if (!scan_items(scan, source->n, item_get, (gpointer)source, &job->progress, &why)) {
		target->is_partly = TRUE;
		scan_job_problem(job, name, why->message);
	}
	scan_job_coverage(job, target, scan_coverage(scan));
	const struct hit *hits = scan_hits(scan, &n);
	gboolean is_fine = hits_add(&items, target, hits, n, error);
	g_array_unref(items.hits);
	g_ptr_array_unref(items.samples);
	g_hash_table_unref(items.digests);
	g_free(items.digest);
	secret_table_free(items.secrets);
	return is_fine;
}

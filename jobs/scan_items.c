/* SPDX-License-Identifier: MIT */
/* Files, index entries, a stream: what is scanned without history. */
#include "config.h"
#include "jobs/scan_job.h"

#include <string.h>

#include "jobs/scan/finding_sample.h"
#include "jobs/scan/state_order.h"
#include "jobs/scan_archive.h"
#include "jobs/scan_name.h"

struct items {
	struct scan_job *job;
	const struct scan_items_source *source;
	struct finding_target *target;
	const char *repository;
	struct secret_table *secrets;
	GArray *hits;       /* struct state_hit, of one item */
	GPtrArray *samples; /* char *, of the same */
	struct scan_names *names;
	GArray *archives;      /* struct oid, by number of the item */
	guint32 first_archive; /* the number of the first of them */
};

/* Again, by the only thread that still reads: it need not wait for any other. */
static GBytes *item_get(
	const struct scan_items_source *source, guint32 item, enum scan_gap_reason *gap)
{
	return source->get(source->data, item, NULL, gap);
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
	g_autofree char *masked = finding_mask_secret(bytes, len, &items->job->flags->mask);
	struct finding_view view = {.repository = items->repository,
		.path = path,
		.secret = secret,
		.family = family,
		.masked = masked,
		.entropy = finding_entropy(bytes, len),
		.versions = version,
		.n_versions = 1,
		.head = G_MAXSIZE,
		.status = FINDING_STATUS_PRESENT,
		.sample = sample_of,
		.sample_data = items};

	struct finding *finding = finding_maker_add(items->job->maker, &view);
	if (finding == NULL)
		return;
	scan_names_want(items->names, finding, family, secret);
	scan_names_meet(items->names, secret, secret);
}

static void blob_name(
	const struct items *items, guint32 item, const guint8 *data, gsize len, struct oid *blob)
{
	*blob = (struct oid){{0}};
	if (items->source->oid != NULL)
		*blob = *items->source->oid(items->source->data, item);
	else if (data != NULL)
		oid_make(data, len, blob);
}

/* Rules that know a file by its path. */
static void files_add(struct items *items, guint32 item)
{
	const struct scan_items_source *source = items->source;
	const char *path = source->path(source->data, item);
	guint n = 0;
	const guint16 *rules = finding_maker_files(items->job->maker, path, &n);

	if (n == 0)
		return;
	enum scan_gap_reason gap = SCAN_GAP_UNSET;
	gsize len = 0;
	struct oid blob;
	g_autoptr(GBytes) bytes =
		source->oid == NULL ? source->get(source->data, item, NULL, &gap) : NULL;
	const guint8 *data = bytes != NULL ? g_bytes_get_data(bytes, &len) : NULL;
	blob_name(items, item, data, len, &blob);
	for (guint i = 0; i < n; i++) {
		const struct state_hit hit = {.hit = {.secret = 1,
						      .rule = rules[i],
						      .line = 1,
						      .column = 1,
						      .end_line = 1,
						      .end_column = 1}};
		const struct finding_version version = {.blob = blob, .hits = &hit, .n = 1};
		struct finding_view view = {.repository = items->repository,
			.path = path,
			.secret = 1,
			.family = items->job->rules->rules[rules[i]].family,
			.masked = "",
			.digest = finding_file_digest,
			.versions = &version,
			.n_versions = 1,
			.head = G_MAXSIZE,
			.status = FINDING_STATUS_PRESENT};
		finding_maker_add(items->job->maker, &view);
	}
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

/* Hits with their samples, which need the bytes. */
static void hits_note(
	struct items *items, const guint8 *data, gsize len, const struct hit *hits, gsize n)
{
	gsize shown = data != NULL && is_same(items, data, len, hits, n) ? len : 0;

	for (gsize i = 0; i < n; i++) {
		gsize size = 0;
		const guint8 *secret =
			secret_table_get(items->secrets, hits[i].secret, NULL, &size);
		g_autofree char *masked =
			finding_mask_secret(secret, size, &items->job->flags->mask);
		struct state_hit hit = {.hit = hits[i], .sample = items->samples->len};
		g_array_append_val(items->hits, hit);
		g_ptr_array_add(items->samples, finding_sample(data, shown, hits, n, &hits[i],
							masked, items->job->flags->mask.is_shown));
	}
}

/* All hits that were noted are of one item and become findings. */
static void noted_tell(struct items *items, const char *path, const struct oid *blob)
{
	struct finding_version version = {.blob = *blob, .n = items->hits->len};
	g_autofree const struct state_hit **order = g_new(const struct state_hit *, version.n + 1);

	g_array_sort(items->hits, place_compare);
	version.hits = (const struct state_hit *)(gpointer)items->hits->data;
	hit_order_make(version.hits, version.n, order);
	for (gsize i = 0; i < version.n; i += version.n_own) {
		guint32 secret = order[i]->hit.secret;
		version.own = hit_order_find(order + i, version.n - i, secret, &version.n_own);
		secret_add(items, path, &version, secret);
	}
}

/* All hits of one item, or of an entry of one that is an archive, become findings. */
static void hits_tell(struct items *items, const char *path, const struct oid *blob,
	const guint8 *data, gsize len, const struct hit *hits, gsize n)
{
	g_array_set_size(items->hits, 0);
	g_ptr_array_set_size(items->samples, 0);
	hits_note(items, data, len, hits, n);
	noted_tell(items, path, blob);
}

static void hits_add(struct items *items, const struct hit *hits, gsize n)
{
	const struct scan_items_source *source = items->source;

	for (gsize i = 0, end; i < n; i = end) {
		enum scan_gap_reason gap = SCAN_GAP_UNSET;
		guint32 item = hits[i].blob;
		g_autoptr(GBytes) bytes = item_get(source, item, &gap);
		gsize len = 0;
		const guint8 *data = bytes != NULL ? g_bytes_get_data(bytes, &len) : NULL;
		struct oid blob;
		for (end = i + 1; end < n && hits[end].blob == item; end++)
			;
		blob_name(items, item, data, len, &blob);
		hits_tell(items, source->path(source->data, item), &blob, data, len, hits + i,
			end - i);
	}
}

static gboolean on_archive_found(gpointer data, guint32 number, const char *inner,
	const guint8 *bytes, gsize len, const struct hit *hits, gsize n, GError **error)
{
	struct items *items = data;
	g_autofree char *path =
		scan_job_inner_path(items->source->path(items->source->data, number), inner);

	hits_tell(items, path,
		&g_array_index(items->archives, struct oid, number - items->first_archive), bytes,
		len, hits, n);
	return TRUE;
}

/* What begins as an archive, one after the other. */
static gboolean archives_scan(struct items *items, struct scan *scan, GError **error)
{
	const struct scan_items_source *source = items->source;
	gsize n = 0;
	const guint32 *numbers = scan_archives(scan, &n);

	if (n == 0)
		return TRUE;
	g_autoptr(ArchiveScan) archives = archive_scan_new(
		items->job, NULL, items->secrets, items->target, on_archive_found, items, error);
	if (archives == NULL)
		return FALSE;
	items->first_archive = numbers[0];
	g_array_set_size(items->archives, numbers[n - 1] - numbers[0] + 1);
	for (gsize i = 0; i < n && !archive_scan_is_over(archives, n - i); i++) {
		enum scan_gap_reason reason = SCAN_GAP_UNREADABLE;
		g_autoptr(GBytes) bytes = item_get(source, numbers[i], &reason);
		gsize len = 0;
		const guint8 *data = bytes != NULL ? g_bytes_get_data(bytes, &len) : NULL;
		blob_name(items, numbers[i], data, len,
			&g_array_index(items->archives, struct oid, numbers[i] - numbers[0]));
		if (data != NULL &&
			!archive_scan_add(archives, numbers[i], data, len, &reason, error))
			return FALSE;
		scan_add_archive(scan, numbers[i], reason);
	}
	return archive_scan_finish(archives, error);
}

static void items_init(struct items *items)
{
	items->names = scan_names_new(items->job);
	items->secrets = secret_table_new();
	items->hits = g_array_new(FALSE, TRUE, sizeof(struct state_hit));
	items->samples = g_ptr_array_new_with_free_func(g_free);
	items->archives = g_array_new(FALSE, TRUE, sizeof(struct oid));
}

static void items_clear(struct items *items)
{
	g_array_unref(items->hits);
	g_ptr_array_unref(items->samples);
	g_array_unref(items->archives);
	scan_names_free(items->names);
	secret_table_free(items->secrets);
}

gboolean scan_items_run(struct scan_job *job, const struct scan_items_source *source,
	const char *name, const char *kind, const char *repository, GError **error)
{
	g_autoptr(GError) why = NULL;
	struct finding_target *target = scan_job_target(job, name, kind);
	struct items items = {
		.job = job, .source = source, .target = target, .repository = repository};
	gsize n = 0;

	items_init(&items);
	g_autoptr(Scan) scan = scan_job_scan(job, NULL, items.secrets, SCAN_JOB_ARCHIVES, error);
	if (scan == NULL) {
		items_clear(&items);
		return FALSE;
	}
	target->objects = source->n;
	if (!scan_items(scan, source->n, source->get, source->data, &job->progress, &why)) {
		target->is_partly = TRUE;
		scan_job_problem(job, name, why->message);
	}
	gboolean is_fine = archives_scan(&items, scan, error);
	scan_job_coverage(job, target, scan_coverage(scan));
	const struct hit *hits = scan_hits(scan, &n);
	if (is_fine)
		hits_add(&items, hits, n);
	for (guint32 i = 0; i < source->n && is_fine; i++)
		files_add(&items, i);
	is_fine =
		is_fine && scan_names_finish(items.names, items.secrets, target, NULL, NULL, error);
	items_clear(&items);
	return is_fine;
}

/* What is between two parts is read with both, and belongs to the one that has more around it. */
#define OVERLAP (128 * 1024)

struct part {
	const guint8 *data;
	gsize len;
	guint64 base;      /* of its first byte in the stream */
	guint32 line;      /* newlines before it */
	gsize from, until; /* hits that end in between are its own */
};

static gboolean part_scan(struct items *items, const struct part *part, GError **error)
{
	g_autoptr(Scan) scan = scan_job_scan(items->job, NULL, items->secrets,
		part->base > 0 ? SCAN_JOB_BINARY : SCAN_JOB_PLAIN, error);
	g_autoptr(GArray) own = g_array_new(FALSE, FALSE, sizeof(struct hit));
	guint before = items->hits->len;
	gsize n = 0;

	if (scan == NULL)
		return FALSE;
	scan_bytes(scan, 0, part->data, part->len);
	scan_job_coverage(items->job, items->target, scan_coverage(scan));
	const struct hit *hits = scan_hits(scan, &n);
	for (gsize i = 0; i < n; i++) {
		gsize end = (gsize)hits[i].at + hits[i].len;
		if (end > part->from && end <= part->until)
			g_array_append_val(own, hits[i]);
	}
	const struct hit *kept = (const struct hit *)(gpointer)own->data;
	hits_note(items, part->data, part->len, kept, own->len);
	for (guint i = before; i < items->hits->len; i++) {
		struct hit *hit = &g_array_index(items->hits, struct state_hit, i).hit;
		hit->at = (guint32)MIN(part->base + hit->at, G_MAXUINT32);
		hit->line += part->line;
		hit->end_line += part->line;
	}
	return TRUE;
}

static guint32 newlines_count(const guint8 *data, gsize len)
{
	guint32 count = 0;

	for (const guint8 *at = data, *end = data + len;
		(at = memchr(at, '\n', (gsize)(end - at))) != NULL && ++at <= end;)
		count++;
	return count;
}

gboolean scan_items_stream(struct scan_job *job, const char *name, const char *kind,
	const char *path, scan_read_func read_more, gpointer data, GError **error)
{
	struct finding_target *target = scan_job_target(job, name, kind);
	struct items items = {.job = job, .target = target, .repository = ""};
	g_autoptr(GByteArray) buffer = g_byte_array_new();
	struct part part = {0};
	static const struct oid none;
	gboolean is_fine = TRUE, has_more = TRUE;

	items_init(&items);
	while (is_fine && has_more && !scan_job_is_stopped(job)) {
		has_more = read_more(data, buffer);
		part.data = buffer->data;
		part.len = buffer->len;
		/* At the end of a line, if lines are not longer than parts. */
		const guint8 *line = has_more ? memrchr(part.data, '\n', part.len) : NULL;
		if (line != NULL && line > part.data + part.len / 2)
			part.len = (gsize)(line - part.data) + 1;
		gsize carried = has_more ? MIN(part.len, OVERLAP) : 0;
		line = carried > 0 ? memchr(part.data + part.len - carried, '\n', carried) : NULL;
		if (line != NULL)
			carried = (gsize)(part.data + part.len - line) - 1;
		part.until = part.len - carried / 2;
		is_fine = part_scan(&items, &part, error);
		gsize done = part.len - carried;
		part.line += newlines_count(part.data, done);
		part.base += done;
		part.from = part.until - done;
		g_byte_array_remove_range(buffer, 0, (guint)done);
	}
	target->objects = target->eligible = 1;
	target->scanned = MIN(target->scanned, 1);
	target->bytes = part.base;
	if (is_fine)
		noted_tell(&items, path, &none);
	is_fine =
		is_fine && scan_names_finish(items.names, items.secrets, target, NULL, NULL, error);
	items_clear(&items);
	return is_fine;
}

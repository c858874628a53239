/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_archive.h"

#include "jobs/scan_unpack.h"

/* What is held before it is scanned. */
#define BATCH_BYTES (64 << 20)
#define BATCH_ENTRIES 8192

struct entry {
	guint32 number; /* of the archive */
	char *name;
	GBytes *bytes;
};

struct archive_scan {
	struct scan_job *job;
	struct matcher *matcher;
	struct secret_table *secrets;
	struct finding_target *target;
	archive_found_func found;
	gpointer data;
	struct unpacker *unpacker;
	GArray *entries; /* struct entry */
	gsize bytes;
	guint32 number;  /* of the archive that is being read */
	gboolean is_cut; /* there was no time for all of them */
	GArray *gaps;    /* struct scan_gap, by number of the archive */
	GError *error;
};

static void entry_clear(gpointer data)
{
	struct entry *entry = data;

	g_free(entry->name);
	g_bytes_unref(entry->bytes);
}

struct archive_scan *archive_scan_new(struct scan_job *job, struct matcher *matcher,
	struct secret_table *secrets, struct finding_target *target, archive_found_func found,
	gpointer data, GError **error)
{
	struct unpacker *unpacker = unpacker_new(job->flags->archive_depth,
		job->flags->blob_max_bytes, &job->progress.is_cancelled, error);

	if (unpacker == NULL)
		return NULL;
	struct archive_scan *archives = g_new0(struct archive_scan, 1);
	archives->job = job;
	archives->matcher = matcher;
	archives->secrets = secrets;
	archives->target = target;
	archives->found = found;
	archives->data = data;
	archives->unpacker = unpacker;
	archives->entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
	g_array_set_clear_func(archives->entries, entry_clear);
	archives->gaps = g_array_new(FALSE, FALSE, sizeof(struct scan_gap));
	return archives;
}

void archive_scan_free(struct archive_scan *archives)
{
	if (archives == NULL)
		return;
	unpacker_free(archives->unpacker);
	g_array_unref(archives->entries);
	g_array_unref(archives->gaps);
	g_clear_error(&archives->error);
	g_free(archives);
}

/* They are there already, a batch at a time. */
static GBytes *entry_get(
	gpointer data, guint32 item, struct budget_lease *lease, enum scan_gap_reason *gap)
{
	const struct archive_scan *archives = data;

	return g_bytes_ref(g_array_index(archives->entries, struct entry, item).bytes);
}

/* Something is left unread: the scan is not whole. */
static void cut(struct archive_scan *archives, const char *text)
{
	archives->is_cut = TRUE;
	archives->target->is_partly = TRUE;
	scan_job_problem(archives->job, archives->target->name, text);
}

gboolean archive_scan_is_over(struct archive_scan *archives, gsize left)
{
	struct scan_job *job = archives->job;

	if (!scan_job_is_stopped(job) && !scan_meter_is_over(job->meter))
		return FALSE;
	if (left > 0) {
		g_autofree char *text = g_strdup_printf(
			"%" G_GSIZE_FORMAT " archive%s not opened", left, left == 1 ? "" : "s");
		cut(archives, text);
	}
	return TRUE;
}

gboolean archive_scan_is_cut(const struct archive_scan *archives)
{
	return archives->is_cut;
}

const struct scan_gap *archive_scan_gaps(const struct archive_scan *archives, gsize *n)
{
	*n = archives->gaps->len;
	return (const struct scan_gap *)(gpointer)archives->gaps->data;
}

/* Of what is too big as such there is nothing to try again. */
static void gaps_collect(struct archive_scan *archives, struct scan *scan)
{
	gsize n = 0;
	const struct scan_gap *gaps = scan_gaps(scan, &n);

	for (gsize i = 0; i < n; i++) {
		if (gaps[i].reason == SCAN_GAP_TOO_BIG)
			continue;
		struct scan_gap gap = {.reason = gaps[i].reason};
		gap.blob = g_array_index(archives->entries, struct entry, gaps[i].blob).number;
		guint count = archives->gaps->len;
		if (count == 0 ||
			g_array_index(archives->gaps, struct scan_gap, count - 1).blob != gap.blob)
			g_array_append_val(archives->gaps, gap);
	}
	if (!scan_gaps_are_all(scan))
		archives->is_cut = TRUE;
}

gboolean archive_scan_finish(struct archive_scan *archives, GError **error)
{
	gboolean is_fine = archives->error == NULL;
	g_autoptr(GError) why = NULL;
	gsize n = 0;

	if (!is_fine) {
		g_propagate_error(error, g_steal_pointer(&archives->error));
		return FALSE;
	}
	if (archives->entries->len == 0)
		return TRUE;
	g_autoptr(Scan) scan = scan_job_scan(
		archives->job, archives->matcher, archives->secrets, SCAN_JOB_PLAIN, error);
	if (scan == NULL)
		return FALSE;
	/* What was found until then is told. */
	if (!scan_items(scan, archives->entries->len, entry_get, archives, &archives->job->progress,
		    &why) &&
		!archives->is_cut)
		cut(archives, why->message);
	scan_job_coverage(archives->job, archives->target, scan_coverage(scan));
	gaps_collect(archives, scan);
	const struct hit *hits = scan_hits(scan, &n);
	for (gsize i = 0, end; is_fine && i < n; i = end) {
		const struct entry *entry =
			&g_array_index(archives->entries, struct entry, hits[i].blob);
		gsize len = 0;
		const guint8 *bytes = g_bytes_get_data(entry->bytes, &len);
		for (end = i + 1; end < n && hits[end].blob == hits[i].blob; end++)
			;
		is_fine = archives->found(archives->data, entry->number, entry->name, bytes, len,
			hits + i, end - i, error);
	}
	g_array_set_size(archives->entries, 0);
	archives->bytes = 0;
	return is_fine;
}

static void entry_add(gpointer data, const char *name, GBytes *bytes)
{
	struct archive_scan *archives = data;
	struct entry entry = {archives->number, g_strdup(name), g_bytes_ref(bytes)};

	archives->bytes += g_bytes_get_size(bytes);
	g_array_append_val(archives->entries, entry);
	if (archives->error == NULL &&
		(archives->bytes > BATCH_BYTES || archives->entries->len >= BATCH_ENTRIES)) {
		GError *error = NULL;
		if (!archive_scan_finish(archives, &error))
			archives->error = error;
	}
}

gboolean archive_scan_add(struct archive_scan *archives, guint32 number, const guint8 *bytes,
	gsize len, enum scan_gap_reason *reason, GError **error)
{
	struct unpack_outcome outcome = {0};

	archives->number = number;
	unpacker_run(archives->unpacker, bytes, len, entry_add, archives, &outcome);
	if (archive_scan_is_over(archives, 0) && outcome.broken > 0)
		cut(archives, "an archive was not read to its end");
	/* What only began like an archive is scanned as what it is. */
	if (outcome.others > 0) {
		g_autoptr(GBytes) whole = g_bytes_new(bytes, len);
		entry_add(archives, "", whole);
	}
	*reason = outcome.broken > 0    ? SCAN_GAP_UNREADABLE
		  : outcome.limited > 0 ? SCAN_GAP_TOO_BIG
					: SCAN_GAP_UNSET;
	if (archives->error == NULL)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&archives->error));
	return FALSE;
}

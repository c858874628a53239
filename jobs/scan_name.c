/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan_name.h"

/* A finding without ids. */
struct unnamed {
	struct finding *finding;
	const char *family; /* the report's */
	guint32 secret;
};

struct scan_names {
	struct scan_job *job;
	GArray *unnamed;     /* struct unnamed */
	GHashTable *numbers; /* the caller's -> in the table */
};

struct scan_names *scan_names_new(struct scan_job *job)
{
	struct scan_names *names = g_new0(struct scan_names, 1);

	names->job = job;
	names->unnamed = g_array_new(FALSE, FALSE, sizeof(struct unnamed));
	names->numbers = g_hash_table_new(NULL, NULL);
	return names;
}

void scan_names_free(struct scan_names *names)
{
	if (names == NULL)
		return;
	g_array_unref(names->unnamed);
	g_hash_table_unref(names->numbers);
	g_free(names);
}

void scan_names_want(
	struct scan_names *names, struct finding *finding, const char *family, guint32 secret)
{
	struct unnamed unnamed = {
		finding, finding_report_text(names->job->report, family, -1), secret};

	g_array_append_val(names->unnamed, unnamed);
}

void scan_names_meet(struct scan_names *names, guint32 secret, guint32 in_table)
{
	g_hash_table_insert(names->numbers, GUINT_TO_POINTER(secret), GUINT_TO_POINTER(in_table));
}

GHashTable *scan_names_missing(const struct scan_names *names)
{
	GHashTable *missing = NULL;

	for (guint i = 0; i < names->unnamed->len; i++) {
		gpointer key =
			GUINT_TO_POINTER(g_array_index(names->unnamed, struct unnamed, i).secret);
		if (g_hash_table_contains(names->numbers, key))
			continue;
		if (missing == NULL)
			missing = g_hash_table_new(NULL, NULL);
		g_hash_table_insert(missing, key, NULL);
	}
	return missing;
}

/* Where each wanted secret's digest will be; the table's numbers, in that order. */
static GHashTable *places_make(const struct scan_names *names, GArray *numbers)
{
	GHashTable *places = g_hash_table_new(NULL, NULL);

	for (guint i = 0; i < names->unnamed->len; i++) {
		gpointer key =
			GUINT_TO_POINTER(g_array_index(names->unnamed, struct unnamed, i).secret);
		guint32 number = GPOINTER_TO_UINT(g_hash_table_lookup(names->numbers, key));
		if (number == 0 || g_hash_table_contains(places, key))
			continue;
		g_hash_table_insert(places, key, GUINT_TO_POINTER(numbers->len));
		g_array_append_val(numbers, number);
	}
	return places;
}

gboolean scan_names_finish(struct scan_names *names, struct secret_table *secrets,
	struct finding_target *target, scan_names_func on_digest, gpointer data, GError **error)
{
	struct scan_job *job = names->job;
	g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint32));
	g_autoptr(GHashTable) places = places_make(names, numbers);
	g_autoptr(GHashTable) untold = g_hash_table_new(NULL, NULL);
	g_autofree struct finding_digest *digests = g_new0(struct finding_digest, numbers->len + 1);
	GHashTableIter iter;
	gpointer key, value;

	if (!scan_job_digests(job, secrets, numbers, digests, error))
		return FALSE;
	g_hash_table_iter_init(&iter, places);
	while (on_digest != NULL && g_hash_table_iter_next(&iter, &key, &value)) {
		const struct finding_digest *digest = &digests[GPOINTER_TO_UINT(value)];
		if (finding_digest_is_set(digest))
			on_digest(data, GPOINTER_TO_UINT(key), digest);
	}
	for (guint i = 0; i < names->unnamed->len; i++) {
		struct unnamed *unnamed = &g_array_index(names->unnamed, struct unnamed, i);
		key = GUINT_TO_POINTER(unnamed->secret);
		const struct finding_digest *digest =
			g_hash_table_lookup_extended(places, key, NULL, &value)
				? &digests[GPOINTER_TO_UINT(value)]
				: NULL;
		if (digest != NULL && finding_digest_is_set(digest)) {
			finding_maker_name(
				job->maker, unnamed->finding, unnamed->family, digest->bytes);
			continue;
		}
		if (unnamed->finding->status != FINDING_STATUS_REMOVED)
			g_hash_table_add(untold, key);
		finding_maker_drop(job->maker, unnamed->finding);
	}
	g_array_set_size(names->unnamed, 0);
	if (g_hash_table_size(untold) > 0)
		scan_job_untold(job, target, g_hash_table_size(untold));
	return TRUE;
}

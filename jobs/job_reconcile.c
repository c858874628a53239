/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/place.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/quote.h"
#include "lib/report.h"

/*
 * Job kind reconcile: what lies in the state folder of a host and nobody has any more. Payload:
 *
 *	{"operation": "look"}		lists what lies there, for the database to compare
 *	{"operation": "remove", "places": {place: [name, …]}}	removes what it says is nobody's
 *
 * What changed within a day is left alone in both: its row may be on its way, or the database may
 * be one that came back from a backup. So is what somebody holds the lock of. Clones and the trash
 * may have what is nowhere else: they are told, and never removed.
 */
#define AGE_S (24 * 60 * 60)
#define ENTRIES_MAX 100000

enum part {
	PART_NONE,
	PART_UUID,
	PART_SLUG,
	PART_ANY,
};

struct shelf {
	const char *name;
	enum part first, second; /* second NONE: it has one level */
	gboolean is_removed;
};

/* clang-format off */
static const struct shelf shelves[] = {
	{ .name = "clones", .first = PART_SLUG, .second = PART_ANY },
	{ .name = "mirrors", .first = PART_UUID, .second = PART_UUID, .is_removed = TRUE },
	{ .name = "reports", .first = PART_SLUG, .second = PART_SLUG, .is_removed = TRUE },
	{ .name = "scan", .first = PART_UUID, .is_removed = TRUE },
	{ .name = "trash", .first = PART_UUID },
};
/* clang-format on */

static gboolean is_removing(json_object *params)
{
	const char *operation = json_get_text(params, "operation", NULL);
	return operation != NULL && !strcmp(operation, "remove");
}

static char *shelf_path(json_object *params, const struct shelf *shelf)
{
	const char *quoted = json_get_text(params, "state", NULL);
	g_autofree char *state = quoted != NULL ? quote_parse(quoted) : NULL;
	return state != NULL ? g_build_filename(state, shelf->name, NULL) : NULL;
}

gboolean job_reconcile_prepare(const struct conf *conf, json_object *payload, GError **error)
{
	const char *state = conf_get(conf, "paths.state");
	char real[PATH_MAX];
	/* As job_clone_prepare() names what it makes there. */
	g_autofree char *quoted = quote_format(realpath(state, real) != NULL ? real : state);

	json_object_object_add(payload, "state", json_object_new_string(quoted));
	return TRUE;
}

void job_reconcile_confine(json_object *params, struct sandbox *sandbox)
{
	for (gsize i = 0; i < G_N_ELEMENTS(shelves); i++) {
		g_autofree char *path = shelf_path(params, &shelves[i]);
		if (path == NULL || !g_file_test(path, G_FILE_TEST_IS_DIR))
			continue;
		if (is_removing(params) && shelves[i].is_removed)
			sandbox_add_write(sandbox, path);
		else
			sandbox_add_read(sandbox, path);
	}
}

/* ---- what a name may be ---- */

static gboolean part_is_valid(enum part part, const char *name)
{
	switch (part) {
	case PART_UUID:
		return g_uuid_string_is_valid(name);
	case PART_SLUG:
		return report_slug_is_valid(name);
	case PART_ANY:
		return *name != '.';
	case PART_NONE:
		break;
	}
	return FALSE;
}

static gboolean name_is_valid(const struct shelf *shelf, const char *name)
{
	g_auto(GStrv) parts = g_strsplit(name, "/", 3);
	guint n = g_strv_length(parts);

	return n == (shelf->second == PART_NONE ? 1 : 2) && part_is_valid(shelf->first, parts[0]) &&
	       (n == 1 || part_is_valid(shelf->second, parts[1]));
}

/* A folder in which nothing came or went for a day, nor a report. */
static gboolean is_old(const char *path)
{
	g_autofree char *report = g_build_filename(path, REPORT_FILE, NULL);
	gint64 before = g_get_real_time() / G_USEC_PER_SEC - AGE_S;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_mtime > before)
		return FALSE;
	return lstat(report, &st) < 0 || st.st_mtime <= before;
}

/* ---- looking ---- */

static void entries_add(
	json_object *names, const struct shelf *shelf, const char *folder, const char *above)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL &&
		json_object_array_length(names) < ENTRIES_MAX) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		g_autofree char *whole =
			above != NULL ? g_build_filename(above, name, NULL) : g_strdup(name);
		if (above == NULL && shelf->second != PART_NONE) {
			if (part_is_valid(shelf->first, name) &&
				!g_file_test(path, G_FILE_TEST_IS_SYMLINK))
				entries_add(names, shelf, path, name);
		} else if (name_is_valid(shelf, whole) && is_old(path)) {
			g_autofree char *quoted = quote_format(whole);
			json_object_array_add(names, json_object_new_string(quoted));
		}
	}
}

static void look(json_object *params, json_object *result)
{
	for (gsize i = 0; i < G_N_ELEMENTS(shelves); i++) {
		g_autofree char *path = shelf_path(params, &shelves[i]);
		json_object *names = json_object_new_array();
		entries_add(names, &shelves[i], path, NULL);
		json_object_object_add(result, shelves[i].name, names);
	}
}

/* ---- removing ---- */

static gboolean entry_remove(const struct shelf *shelf, const char *top, const char *name)
{
	g_autofree char *path = g_build_filename(top, name, NULL);

	if (!name_is_valid(shelf, name) || !is_old(path))
		return FALSE;
	int lock = place_lock(path, TRUE, 0, NULL);
	if (lock < 0)
		return FALSE;
	file_remove_folder(path);
	close(lock);
	if (g_file_test(path, G_FILE_TEST_EXISTS))
		return FALSE;
	if (shelf->second != PART_NONE) {
		g_autofree char *above = g_path_get_dirname(path);
		rmdir(above); /* once it is empty */
	}
	return TRUE;
}

static void remove_all(struct job_child *child, json_object *params, json_object *result)
{
	json_object *places = json_get(params, "places", json_type_object, NULL);
	json_object *removed = json_object_new_object();
	gint64 left = 0;

	for (gsize i = 0; places != NULL && i < G_N_ELEMENTS(shelves); i++) {
		const struct shelf *shelf = &shelves[i];
		json_object *names = json_get(places, shelf->name, json_type_array, NULL);
		g_autofree char *top = shelf_path(params, shelf);
		gsize n = names != NULL && shelf->is_removed ? json_object_array_length(names) : 0;
		gint64 count = 0;
		for (gsize k = 0; k < n; k++) {
			const char *name =
				json_object_get_string(json_object_array_get_idx(names, k));
			count += name != NULL && entry_remove(shelf, top, name);
			job_child_count(child, (guint)(k + 1), (guint)n, shelf->name);
		}
		left += (gint64)n - count;
		if (count == 0)
			continue;
		g_autofree char *line =
			g_strdup_printf("%s: %" G_GINT64_FORMAT " that nobody has any more %s gone",
				shelf->name, count, count == 1 ? "is" : "are");
		job_child_log(child, line);
		json_object_object_add(removed, shelf->name, json_object_new_int64(count));
	}
	json_object_object_add(result, "removed", removed);
	json_object_object_add(result, "left", json_object_new_int64(left));
}

char *job_reconcile_run(struct job_child *child, json_object *params, GError **error)
{
	g_autoptr(json_object) result = json_object_new_object();

	if (json_get_text(params, "operation", error) == NULL ||
		json_get_text(params, "state", error) == NULL)
		return NULL;
	if (is_removing(params))
		remove_all(child, params, result);
	else
		look(params, result);
	return g_strdup(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
}

/* The lease is asked for first and in the same statement: CASE evaluates in order. */
static const char record_sql[] =
	"select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
	" then muster.reconcile_record($1::bigint, $2::uuid, $4, $5::jsonb) else false end";

gboolean job_reconcile_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	const char *state = json_get_text(payload, "state", error);
	gsize len;
	const char *text = g_bytes_get_data(result, &len);

	if (state == NULL)
		return FALSE;
	record->sql = record_sql;
	record->params[record->n_params++] = g_strdup(state);
	record->params[record->n_params++] = g_strndup(text, len);
	return TRUE;
}

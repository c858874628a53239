/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/report.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"

#define REPORT_MODE 0640

/* Random, once: the namespace of report_repo_id(). */
static const guchar id_namespace[16] = {0x6d, 0x1c, 0x9a, 0x52, 0x1f, 0x0b, 0x4e, 0x3d, 0x9c, 0x77,
	0x2a, 0x5e, 0x80, 0xd4, 0x13, 0xbb};

gboolean report_slug_is_valid(const char *slug)
{
	gsize len = strspn(slug, "abcdefghijklmnopqrstuvwxyz0123456789-");
	return len > 0 && len <= 63 && slug[len] == '\0' && slug[0] != '-' && slug[len - 1] != '-';
}

char *report_folder(const char *state, const char *organization, const char *root, GError **error)
{
	if (!report_slug_is_valid(organization) || !report_slug_is_valid(root)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"organisation and root are named by small letters, digits and '-'");
		return NULL;
	}
	return g_build_filename(state, "reports", organization, root, NULL);
}

char *report_repo_id(const char *space, const char *host, const char *path)
{
	guint8 digest[20];
	gsize len = sizeof(digest);
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);

	g_checksum_update(sum, id_namespace, sizeof(id_namespace));
	g_checksum_update(sum, (const guchar *)space, (gssize)strlen(space) + 1);
	g_checksum_update(sum, (const guchar *)host, (gssize)strlen(host) + 1);
	g_checksum_update(sum, (const guchar *)path, (gssize)strlen(path));
	g_checksum_get_digest(sum, digest, &len);
	digest[6] = (guint8)((digest[6] & 0x0f) | 0x50);
	digest[8] = (guint8)((digest[8] & 0x3f) | 0x80);

	GString *id = g_string_sized_new(36);
	for (int i = 0; i < 16; i++)
		g_string_append_printf(
			id, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", digest[i]);
	return g_string_free(id, FALSE);
}

char *report_time_format(GDateTime *time)
{
	g_autoptr(GDateTime) utc = g_date_time_to_utc(time);
	g_autofree char *seconds = g_date_time_format(utc, "%Y-%m-%dT%H:%M:%S");
	return g_strdup_printf("%s.%03dZ", seconds, g_date_time_get_microsecond(utc) / 1000);
}

static gint name_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names are times, so their order is their age. */
static void history_trim(const char *history, guint keep)
{
	g_autoptr(GDir) dir = g_dir_open(history, 0, NULL);
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
		if (name[0] != '.' && g_str_has_suffix(name, "Z.json"))
			g_ptr_array_add(names, g_strdup(name));
	g_ptr_array_sort(names, name_compare);
	for (guint i = 0; i + keep < names->len; i++) {
		g_autofree char *path = g_build_filename(history, names->pdata[i], NULL);
		unlink(path);
	}
}

/* Writes only objects whose text differs from what lies there: watchers hear of changes alone. */
static gboolean repo_write(const char *folder, json_object *repo, GError **error)
{
	const char *id = json_get_text(repo, "id", NULL);
	if (id == NULL || !g_uuid_string_is_valid(id))
		return TRUE;
	const char *text = json_object_to_json_string_ext(repo, JSON_C_TO_STRING_PLAIN);
	gsize len = strlen(text), old_len;
	g_autofree char *old = NULL;
	g_autofree char *name = g_strconcat(id, ".json", NULL);
	g_autofree char *path = g_build_filename(folder, "repo", name, NULL);
	if (file_read(path, len, &old, &old_len, NULL) && old_len == len && !memcmp(old, text, len))
		return TRUE;
	return file_write(path, text, len, REPORT_MODE, error);
}

/* It becomes a file's name, and names must sort by age: one form only. */
static gboolean time_is_valid(const char *timestamp)
{
	static const char form[] = "0000-00-00T00:00:00.000Z";
	g_autoptr(GDateTime) time = NULL;

	for (gsize i = 0; i < sizeof(form); i++)
		if (form[i] == '0' ? !g_ascii_isdigit(timestamp[i]) : timestamp[i] != form[i])
			return FALSE;
	time = g_date_time_new_from_iso8601(timestamp, NULL);
	return time != NULL;
}

gboolean report_write(
	const char *folder, json_object *report, const char *text, guint keep, GError **error)
{
	const char *timestamp = json_get_text(report, "timestamp", error);
	json_object *repos = json_get(report, "repos", json_type_array, NULL);
	if (timestamp == NULL)
		return FALSE;
	if (!time_is_valid(timestamp)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the timestamp is not of the form YYYY-MM-DDTHH:MM:SS.mmmZ");
		return FALSE;
	}
	g_autofree char *history = g_build_filename(folder, "history", NULL);
	g_autofree char *repo_folder = g_build_filename(folder, "repo", NULL);
	g_autofree char *name = g_strconcat(timestamp, ".json", NULL);
	g_autofree char *record = g_build_filename(history, name, NULL);
	g_autofree char *target = g_build_filename(folder, REPORT_FILE, NULL);
	g_autofree char *latest = g_build_filename(folder, "latest.json", NULL);
	if (!file_make_folder(history, error) || !file_make_folder(repo_folder, error))
		return FALSE;
	for (gsize i = 0; repos != NULL && i < json_object_array_length(repos); i++)
		if (!repo_write(folder, json_object_array_get_idx(repos, i), error))
			return FALSE;
	if (!file_write(record, text, strlen(text), REPORT_MODE, error) ||
		!file_link(record, latest, error) || !file_link(record, target, error))
		return FALSE;
	history_trim(history, keep);
	return TRUE;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/repo_finding.h"

#include <stdio.h>
#include <string.h>

#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"

static gboolean stdin_read(gsize max_bytes, char **bytes, gsize *len, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	char part[65536];

	for (gsize n; (n = fread(part, 1, sizeof(part), stdin)) > 0;) {
		g_string_append_len(text, part, (gssize)n);
		if (text->len > max_bytes) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
				"standard input has more than %" G_GSIZE_FORMAT " bytes",
				max_bytes);
			return FALSE;
		}
	}
	if (ferror(stdin)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "standard input cannot be read");
		return FALSE;
	}
	*len = text->len;
	*bytes = g_string_free(g_steal_pointer(&text), FALSE);
	return TRUE;
}

static char *report_read(const char *file, GError **error)
{
	const gsize max_bytes = json_limits_report.size_bytes;
	g_autofree char *bytes = NULL;
	gsize len = 0;

	if (!strcmp(file, "-") ? !stdin_read(max_bytes, &bytes, &len, error)
			       : !file_read(file, max_bytes, &bytes, &len, error))
		return NULL;
	/* The database would refuse the same, but not say where. */
	if (!json_check(bytes, len, &json_limits_report, error)) {
		g_prefix_error(error, "%s: ", file);
		return NULL;
	}
	return g_steal_pointer(&bytes);
}

gboolean repo_finding_import(
	struct db *db, const struct repo_finding_import *import, const char *file, GError **error)
{
	g_autofree char *report = report_read(file, error);
	const char *params[] = {import->organization, import->host, report, import->repo};

	if (report == NULL)
		return FALSE;
	g_autoptr(db_result) result = db_query(db,
		"select jsonb_array_length(f -> 'repositories'), f ->> 'seen', f ->> 'added', "
		"f ->> 'reopened', f ->> 'gone', array_to_string(array(select "
		"jsonb_array_elements_text(f -> 'unknown')), E'\\n') "
		"from muster.finding_import($1, $2, $3::jsonb, $4) f",
		G_N_ELEMENTS(params), params, error);
	if (result == NULL)
		return FALSE;
	const char *unknown = db_result_get(result, 0, 5);
	gint64 repos = db_result_get_int(result, 0, 0);
	if (unknown != NULL && *unknown != '\0')
		fprintf(stderr,
			"not watched on %s, and left out ('muster repo list' says what is):\n%s\n",
			import->host, unknown);
	if (repos == 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"no repository of this report is watched");
		return FALSE;
	}
	printf("%" G_GINT64_FORMAT " %s: %s findings, %s new, %s back again, %s gone\n", repos,
		repos == 1 ? "repository" : "repositories", db_result_get(result, 0, 1),
		db_result_get(result, 0, 2), db_result_get(result, 0, 3),
		db_result_get(result, 0, 4));
	return TRUE;
}

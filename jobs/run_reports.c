/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/report.h"

/*
 * Reports that something else wrote into STATE/reports/<organization>/<root>. The pusher hears of
 * them by inotify; a host without it has this, once a minute. The database knows a report that it
 * has, so a file is handed over whenever it differs from what was handed over last.
 */

static gboolean file_ingest(struct runner *runner, const char *path, const char *organization,
	const char *root, GError **error)
{
	g_autofree char *text = NULL;
	gboolean is_new = FALSE;
	gsize len;

	if (!file_read(path, json_limits_report.size_bytes, &text, &len, error) ||
		!json_check(text, len, &json_limits_report, error))
		return FALSE;
	gboolean is_patient = run_patience_begin(runner, len);
	gboolean ok = queue_ingest(runner->queue, organization, root, text, &is_new, error);
	if (is_patient)
		run_patience_end(runner);
	if (!ok)
		return FALSE;
	if (is_new) {
		runner->is_committed = TRUE;
		log_info("report of another program taken in", "path", path, NULL);
	}
	return TRUE;
}

static void file_check(struct runner *runner, const char *organization, const char *root)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder =
		report_folder(conf_get(runner->conf, "paths.state"), organization, root, NULL);
	g_autofree char *path = folder != NULL ? g_build_filename(folder, REPORT_FILE, NULL) : NULL;
	struct stat st;

	if (path == NULL || lstat(path, &st) < 0)
		return;
	g_autofree char *stamp = g_strdup_printf("%ju %jd %jd.%09ld", (uintmax_t)st.st_ino,
		(intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	if (!g_strcmp0(g_hash_table_lookup(runner->reports, path), stamp))
		return;
	if (!file_ingest(runner, path, organization, root, &error)) {
		if (g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY))
			return;
		/* Said once for each state of the file. */
		log_warning(
			"a report file is no report", "path", path, "error", error->message, NULL);
	}
	g_hash_table_insert(runner->reports, g_steal_pointer(&path), g_steal_pointer(&stamp));
}

void run_reports_ingest(struct runner *runner)
{
	g_autofree char *top = conf_get_state_path(runner->conf, "reports");
	g_autoptr(GDir) organizations = g_dir_open(top, 0, NULL);
	const char *organization, *root;

	while (organizations != NULL && (organization = g_dir_read_name(organizations)) != NULL) {
		g_autofree char *folder = g_build_filename(top, organization, NULL);
		g_autoptr(GDir) roots = g_dir_open(folder, 0, NULL);
		while (roots != NULL && (root = g_dir_read_name(roots)) != NULL)
			file_check(runner, organization, root);
	}
}

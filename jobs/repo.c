/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/migrate.h"
#include "jobs/muster_server.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/repo_clone.h"
#include "jobs/repo_finding.h"
#include "jobs/rows.h"
#include "jobs/verb.h"
#include "lib/db.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/quote.h"
#include "lib/report.h"
#include "lib/wake.h"

/*
 * `muster repo`: what this host watches. A root is a folder; what lies below it is found by every
 * audit anew, so a repository that is cloned into it needs no command. Addresses are cloned into
 * STATE/clones/<organization>, which is a root like any other.
 */

#define CLONES_SLUG "clones"
#define CLONE_TIMEOUT_S 3600

struct repo_command {
	struct conf *conf;
	struct db *db;
	const char *organization;
	const char *project; /* NULL: not said */
	const char *name;    /* of the root, or NULL */
	gboolean is_json;    /* list */
};

/* Adds folder, an absolute path without links, as a root. */
static gboolean root_add(
	const struct repo_command *command, const char *folder, const char *slug, GError **error)
{
	g_autofree char *quoted = quote_format(folder);
	const char *params[] = {command->organization, conf_get(command->conf, "server.host"),
		quoted, slug, command->project != NULL ? command->project : "default"};
	g_autoptr(db_result) result = db_query(command->db,
		"select r ->> 'slug', (r ->> 'new')::boolean from muster.root_add($1, $2, $3, $4, $5) r",
		5, params, error);

	if (result == NULL)
		return FALSE;
	printf("%s %s as '%s'\n",
		db_result_get_bool(result, 0, 1) ? "watching" : "watching already", quoted,
		db_result_get(result, 0, 0));
	return TRUE;
}

/* Whether path is folder or lies below it. */
static gboolean is_below(const char *path, const char *folder)
{
	gsize len = strlen(folder);
	return !strncmp(path, folder, len) &&
	       (path[len] == '/' || path[len] == '\0' || (len == 1 && *folder == '/'));
}

/*
 * The roots of this host and organisation: a folder below another root would be audited twice, and
 * each of its repositories listed twice.
 */
static gboolean overlap_check(const struct repo_command *command, const char *folder,
	gboolean *is_covered, GError **error)
{
	g_autofree char *quoted = quote_format(folder);
	const char *params[] = {command->organization, conf_get(command->conf, "server.host")};
	g_autoptr(db_result) result = db_query(command->db,
		"select path, slug from muster.root_list($1) where watched and host = $2", 2,
		params, error);

	if (result == NULL)
		return FALSE;
	*is_covered = FALSE;
	for (guint row = 0; row < db_result_rows(result); row++) {
		const char *path = db_result_get(result, row, 0),
			   *slug = db_result_get(result, row, 1);
		if (path == NULL || !strcmp(path, quoted))
			continue;
		if (is_below(quoted, path)) {
			printf("%s is watched already: it lies below '%s' (%s)\n", quoted, slug,
				path);
			*is_covered = TRUE;
		} else if (is_below(path, quoted)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
				"below %s lies '%s' (%s), whose repositories would be listed twice: "
				"remove that first",
				quoted, slug, path);
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean folder_add(const struct repo_command *command, const char *path, GError **error)
{
	g_autofree char *shown = quote_format(path);
	char real[PATH_MAX];
	struct stat st;
	gboolean is_covered;

	if (realpath(path, real) == NULL || stat(real, &st) < 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "%s: %s", shown,
			g_strerror(errno));
		return FALSE;
	}
	if (!S_ISDIR(st.st_mode)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s is not a folder", shown);
		return FALSE;
	}
	if (!overlap_check(command, real, &is_covered, error))
		return FALSE;
	return is_covered || root_add(command, real, command->name, error);
}

static char *clones_folder(const struct repo_command *command, GError **error)
{
	if (!report_slug_is_valid(command->organization)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "'%s' names no organization",
			command->organization);
		return NULL;
	}
	return g_build_filename(
		conf_get(command->conf, "paths.state"), "clones", command->organization, NULL);
}

static gboolean url_add(const struct repo_command *command, const char *url, GError **error)
{
	gboolean is_there;
	char real[PATH_MAX];

	if (!repo_url_check(url, error))
		return FALSE;
	g_autofree char *clones = clones_folder(command, error);
	if (clones == NULL || !file_make_folder(clones, error))
		return FALSE;
	g_autofree char *folder = repo_clone_place(clones, url, &is_there, error);
	if (folder == NULL)
		return FALSE;
	if (!is_there) {
		printf("cloning %s\n", url);
		fflush(stdout);
		if (!repo_clone(url, folder, CLONE_TIMEOUT_S, error)) {
			g_prefix_error(error, "%s cannot be cloned: ", url);
			return FALSE;
		}
	}
	if (realpath(clones, real) == NULL) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", clones, g_strerror(errno));
		return FALSE;
	}
	return root_add(command, real, CLONES_SLUG, error);
}

static int repo_add(const struct repo_command *command, int n, char **what)
{
	int exit_code = EXIT_FINE, failed = 0;

	for (int i = 0; i < n; i++) {
		g_autoptr(GError) error = NULL;
		db_error_clear(command->db);
		if (repo_url_is(what[i]) ? url_add(command, what[i], &error)
					 : folder_add(command, what[i], &error))
			continue;
		exit_code = migrate_fail(command->db, error);
		failed++;
	}
	wake_send(command->conf);
	return failed > 0 && failed < n ? EXIT_PARTLY : exit_code;
}

static int repo_list(const struct repo_command *command)
{
	g_autoptr(GError) error = NULL;
	/* Words are for people. */
	const char *params[] = {command->organization, command->is_json ? NULL : "never",
		command->is_json ? NULL : "(not watched: reports come from elsewhere)"};
	static const char *const titles[] = {
		"ORGANIZATION", "HOST", "ROOT", "REPOS", "LAST AUDIT", "PATH"};
	g_autoptr(db_result) result = db_query(command->db,
		"select organization, host, slug, repos, coalesce(to_char(reported_at at time zone "
		" 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), $2), case when watched then path "
		" else $3 end from muster.root_list($1)",
		3, params, &error);

	if (result == NULL)
		return migrate_fail(command->db, error);
	if (command->is_json)
		rows_print_json(result, titles);
	else
		rows_print(result, titles);
	return EXIT_FINE;
}

/* A clone of ours is put aside, never deleted: it may hold what its remote has no more. */
static gboolean clone_remove(const struct repo_command *command, const char *folder, GError **error)
{
	g_autofree char *trash = conf_get_state_path(command->conf, "trash");
	g_autofree char *name = g_path_get_basename(folder);
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format(now, "%Y%m%dT%H%M%SZ");
	g_autofree char *leaf = g_strdup_printf("%s-%s-%08x", name, time, g_random_int());
	g_autofree char *aside = g_build_filename(trash, leaf, NULL);

	if (!file_make_folder(trash, error))
		return FALSE;
	if (rename(folder, aside) < 0) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", folder, g_strerror(errno));
		return FALSE;
	}
	printf("no longer watching %s; the clone lies in %s\n", folder, aside);
	return TRUE;
}

/* The next runner would take them in, as another program's, and the folder would be back. */
static void reports_remove(const struct repo_command *command, const char *root)
{
	g_autofree char *folder = report_folder(
		conf_get(command->conf, "paths.state"), command->organization, root, NULL);

	if (folder == NULL || !g_file_test(folder, G_FILE_TEST_EXISTS))
		return;
	file_remove_folder(folder);
	if (g_file_test(folder, G_FILE_TEST_EXISTS))
		fprintf(stderr, "muster repo: remove %s, or its report is taken in again\n",
			folder);
}

/* what: a root's name, its path, or the address of a clone. */
static gboolean root_remove(const struct repo_command *command, const char *what, GError **error)
{
	char real[PATH_MAX];
	g_autofree char *quoted = quote_format(realpath(what, real) != NULL ? real : what);
	const char *host = conf_get(command->conf, "server.host");
	const char *params[] = {command->organization, host, quoted, what};
	gboolean is_there = FALSE;

	if (repo_url_is(what)) {
		g_autofree char *clones = clones_folder(command, error);
		g_autofree char *folder =
			clones != NULL ? repo_clone_place(clones, what, &is_there, error) : NULL;
		if (folder == NULL)
			return FALSE;
		if (is_there)
			return clone_remove(command, folder, error);
	}
	g_autoptr(db_result) result = db_query(command->db,
		"select t.slug, muster.root_remove($1, $2, t.slug) from muster.root_list($1) t"
		" where t.host = $2 and (t.path = $3 or t.slug = $4)",
		4, params, error);
	if (result == NULL)
		return FALSE;
	if (db_result_rows(result) == 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"%s is not watched here; 'muster repo list' says what is", quoted);
		return FALSE;
	}
	for (guint row = 0; row < db_result_rows(result); row++) {
		const char *root = db_result_get(result, row, 0);
		printf("no longer watching '%s'\n", root);
		reports_remove(command, root);
	}
	return TRUE;
}

static int repo_remove(const struct repo_command *command, int n, char **what)
{
	int exit_code = EXIT_FINE;

	for (int i = 0; i < n; i++) {
		g_autoptr(GError) error = NULL;
		if (!root_remove(command, what[i], &error))
			exit_code = migrate_fail(command->db, error);
	}
	wake_send(command->conf);
	return exit_code;
}

static gboolean one_restore(const struct repo_command *command, const char *what, GError **error)
{
	const char *params[] = {command->organization, what};
	g_autoptr(db_result) result = db_query(command->db,
		"select r ->> 'status', r ->> 'run_id' from muster.repo_bring_back($1, $2) r", 2,
		params, error);

	if (result == NULL)
		return FALSE;
	const char *run = db_result_get(result, 0, 1);
	if (run != NULL)
		printf("%s: run %s brings it back\n", what, run);
	else
		printf("%s: %s\n", what, db_result_get(result, 0, 0));
	return TRUE;
}

static int repo_restore(const struct repo_command *command, int n, char **what)
{
	int exit_code = EXIT_FINE;

	for (int i = 0; i < n; i++) {
		g_autoptr(GError) error = NULL;
		db_error_clear(command->db);
		if (!one_restore(command, what[i], &error))
			exit_code = migrate_fail(command->db, error);
	}
	wake_send(command->conf);
	return exit_code;
}

/* what: a repository, or NULL for all that there are, or are in the project. */
static gboolean one_ask(
	const struct repo_command *command, const char *kind, const char *what, GError **error)
{
	const char *params[] = {command->organization, kind, what, command->project};
	g_autoptr(db_result) result = db_query(command->db,
		"select case when r -> 'repositories' is not null and $3::text is null"
		"  then format('%s repositories are scanned', r ->> 'repositories')"
		"  else format('%s%s', $3 || ': ', (select string_agg('run ' || x, ', ')"
		"    from jsonb_array_elements_text(coalesce(r -> 'run_ids',"
		"           jsonb_build_array(r -> 'run_id'))) x)) end"
		" from muster.repo_ask($1, $2, $3, $4) r",
		4, params, error);

	if (result == NULL)
		return FALSE;
	printf("%s\n", db_result_get(result, 0, 0));
	return TRUE;
}

static int repo_ask(const struct repo_command *command, const char *kind, int n, char **what)
{
	int exit_code = EXIT_FINE, failed = 0;

	for (int i = 0; i < MAX(n, 1); i++) {
		g_autoptr(GError) error = NULL;
		db_error_clear(command->db);
		if (one_ask(command, kind, n > 0 ? what[i] : NULL, &error))
			continue;
		exit_code = migrate_fail(command->db, error);
		failed++;
	}
	wake_send(command->conf);
	return failed > 0 && failed < n ? EXIT_PARTLY : exit_code;
}

static int findings_import(const struct repo_command *command, const char *file, const char *repo)
{
	g_autoptr(GError) error = NULL;
	const struct repo_finding_import import = {.organization = command->organization,
		.host = conf_get(command->conf, "server.host"),
		.repo = repo};

	if (!repo_finding_import(command->db, &import, file, &error))
		return migrate_fail(command->db, error);
	wake_send(command->conf);
	return EXIT_FINE;
}

int repo_main(int argc, char **argv)
{
	g_autofree char *organization = NULL, *project = NULL, *name = NULL;
	gboolean is_json = FALSE;
	const GOptionEntry entries[] = {{"organization", 0, 0, G_OPTION_ARG_STRING, &organization,
						"whose (default: default)", "SLUG"},
		{"project", 0, 0, G_OPTION_ARG_STRING, &project,
			"add to this project (default: default); audit or scan what is in it",
			"SLUG"},
		{"name", 0, 0, G_OPTION_ARG_STRING, &name, "add the folder under this name",
			"ROOT"},
		VERB_JSON(&is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf =
		server_start("repo add PATH|URL ... | list | remove ROOT|PATH|URL ... | "
			     "audit [REPOSITORY ...] | scan [REPOSITORY ...] | "
			     "restore REPOSITORY ... | import-findings FILE [REPOSITORY]",
			entries, &argc, &argv, &exit_code);
	g_autoptr(GError) error = NULL;

	if (conf == NULL)
		return exit_code;
	const char *verb = argc > 1 ? argv[1] : "";
	gboolean is_list = !strcmp(verb, "list"), is_add = !strcmp(verb, "add");
	gboolean is_import = !strcmp(verb, "import-findings");
	gboolean is_restore = !strcmp(verb, "restore");
	gboolean is_ask = !strcmp(verb, "audit") || !strcmp(verb, "scan");
	if (!is_list && !is_add && !is_import && !is_restore && !is_ask &&
		strcmp(verb, "remove") != 0)
		return server_usage("add, list, remove, audit, scan, restore or import-findings "
				    "is wanted");
	if (is_list ? argc > 2 : argc < 3 && !is_ask)
		return server_usage(
			is_list ? "list takes no more words" : "%s wants to know what", verb);
	if (is_json && !is_list)
		return server_usage("--json is for list");
	if (is_ask && project != NULL && argc > 2)
		return server_usage("a project or repositories are wanted, not both");
	if (is_import && argc > 4)
		return server_usage("import-findings takes a file and at most one repository");
	if (name != NULL && (argc != 3 || !is_add || repo_url_is(argv[2])))
		return server_usage("--name is for one folder that is added");
	if (name != NULL && !report_slug_is_valid(name))
		return server_usage("a name has small letters, digits and inner '-', at most 63");
	g_autoptr(db) db = db_open(conf, "muster_jobs", &error);
	if (db == NULL)
		return server_fail(error);
	const struct repo_command command = {
		.conf = conf,
		.db = db,
		.organization = organization != NULL ? organization
				: is_list            ? NULL
						     : "default",
		.project = project,
		.name = name,
		.is_json = is_json,
	};
	if (is_list)
		return repo_list(&command);
	if (is_import)
		return findings_import(&command, argv[2], argc > 3 ? argv[3] : NULL);
	if (is_ask)
		return repo_ask(&command, verb, argc - 2, argv + 2);
	if (is_restore)
		return repo_restore(&command, argc - 2, argv + 2);
	return is_add ? repo_add(&command, argc - 2, argv + 2)
		      : repo_remove(&command, argc - 2, argv + 2);
}

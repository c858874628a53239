/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <glib/gstdio.h>

#include "jobs/dump.h"
#include "jobs/muster_server.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/secret.h"

#define SQL_FILE_MAX_BYTES (4 * 1024 * 1024)

int migrate_fail(const struct db *db, const GError *error)
{
	gboolean is_theirs =
		db != NULL && (g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_DB) ||
				      g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_BUSY));
	const char *detail = is_theirs ? db_error_detail(db) : NULL;
	const char *remedy = is_theirs ? db_error_remedy(db) : NULL;
	int exit_code = server_fail(error);

	if (detail != NULL)
		fprintf(stderr, "%s%s", detail, g_str_has_suffix(detail, "\n") ? "" : "\n");
	if (remedy != NULL)
		fprintf(stderr, "To mend it: %s.\n", remedy);
	return exit_code;
}

struct db *migrate_open_owner(const struct conf *conf, GError **error)
{
	g_autoptr(db) db = db_open(conf, NULL, error);

	if (db == NULL)
		return NULL;
	g_autoptr(db_result) owner = db_query(db,
		"select pg_get_userbyid(nspowner), "
		"       pg_has_role(current_user, nspowner, 'member') "
		"  from pg_namespace where nspname = 'muster'",
		0, NULL, error);
	if (owner == NULL) {
		/* The caller has nothing but the error. */
		g_autofree char *remedy =
			db_error_remedy(db) != NULL
				? g_strdup_printf("To mend it: %s.\n", db_error_remedy(db))
				: NULL;
		g_prefix_error(error, "%s%s",
			db_error_detail(db) != NULL ? db_error_detail(db) : "",
			remedy != NULL ? remedy : "");
		return NULL;
	}
	if (db_result_rows(owner) == 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"the database has no tables yet: run 'muster migrate' first");
		return NULL;
	}
	if (!db_result_get_bool(owner, 0, 1)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_DENIED,
			"this database account may not act as %s: use the one that ran 'muster "
			"migrate'",
			db_result_get(owner, 0, 0));
		return NULL;
	}
	const char *params[] = {db_result_get(owner, 0, 0)};
	g_autoptr(db_result) set =
		db_query(db, "select set_config('role', $1, false)", 1, params, error);
	return set != NULL ? g_steal_pointer(&db) : NULL;
}

static char *sql_read(const char *folder, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(folder, name, NULL);
	char *text;
	gsize len;

	return file_read(path, SQL_FILE_MAX_BYTES, &text, &len, error) ? text : NULL;
}

static int name_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of the .sql files of a folder, without the ending, in order. */
static GPtrArray *sql_list(const char *folder, const char *below, GError **error)
{
	g_autofree char *path = g_build_filename(folder, below, NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, error);

	if (dir == NULL)
		return NULL;
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
		if (*name != '.' && g_str_has_suffix(name, ".sql"))
			g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(".sql")));
	g_ptr_array_sort(names, name_compare);
	return names;
}

static gboolean name_is_in(const GPtrArray *names, const char *name)
{
	for (guint i = 0; i < names->len; i++)
		if (!strcmp(names->pdata[i], name))
			return TRUE;
	return FALSE;
}

/* Sends a file; the error names it. */
static gboolean sql_send(struct db *db, const char *folder, const char *name, GError **error)
{
	g_autofree char *text = sql_read(folder, name, error);

	if (text == NULL)
		return FALSE;
	if (db_script(db, text, error))
		return TRUE;
	g_prefix_error(error, "%s: ", name);
	return FALSE;
}

/* What the database has had; NULL on failure. *is_new: it has nothing of ours. */
static GPtrArray *applied_list(struct db *db, gboolean *is_new, GError **error)
{
	g_autoptr(db_result) table =
		db_query(db, "select to_regclass('muster.migration') is null", 0, NULL, error);

	if (table == NULL)
		return NULL;
	g_autoptr(GPtrArray) applied = g_ptr_array_new_with_free_func(g_free);
	*is_new = db_result_get_bool(table, 0, 0);
	if (*is_new)
		return g_steal_pointer(&applied);
	g_autoptr(db_result) rows =
		db_query(db, "select name from muster.migration order by name", 0, NULL, error);
	if (rows == NULL)
		return NULL;
	for (guint i = 0; i < db_result_rows(rows); i++)
		g_ptr_array_add(applied, g_strdup(db_result_get(rows, i, 0)));
	return g_steal_pointer(&applied);
}

/* pg_dump writes beside the target, which gets its name only when the dump is whole. */
static gboolean backup_write(const struct conf *conf, const char *path, GError **error)
{
	g_autofree char *part = g_strconcat(path, ".part", NULL);

	if (dump_write(conf, NULL, part, error) && g_rename(part, path) == 0)
		return TRUE;
	if (error != NULL && *error == NULL)
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", path, g_strerror(errno));
	g_unlink(part);
	g_prefix_error(error, "the backup could not be written, nothing was changed: ");
	return FALSE;
}

/*
 * One migration with its note. Functions of the version before may lean on a column that it drops;
 * else they stay until all is changed, for a row that a migration touches may call one.
 */
static gboolean migration_run(struct db *db, const char *folder, const char *name, GError **error)
{
	g_autofree char *file = g_strdup_printf("migration/%s.sql", name);
	const char *params[] = {name};
	g_autoptr(GError) in_the_way = NULL;

	if (!db_script(db, "savepoint migration", error))
		return FALSE;
	if (!sql_send(db, folder, file, &in_the_way)) {
		if (g_strcmp0(db_error_sqlstate(db), "2BP01") != 0) {
			g_propagate_error(error, g_steal_pointer(&in_the_way));
			return FALSE;
		}
		if (!db_script(db, "rollback to savepoint migration", error) ||
			!sql_send(db, folder, "reset.sql", error) ||
			!sql_send(db, folder, file, error))
			return FALSE;
	}
	g_autoptr(db_result) noted =
		db_query(db, "insert into muster.migration (name) values ($1)", 1, params, error);
	return noted != NULL;
}

static gboolean functions_run(struct db *db, const char *folder, GError **error)
{
	g_autoptr(GPtrArray) names = sql_list(folder, "api", error);

	if (names == NULL || !sql_send(db, folder, "reset.sql", error))
		return FALSE;
	for (guint i = 0; i < names->len; i++) {
		g_autofree char *file = g_strdup_printf("api/%s.sql", (char *)names->pdata[i]);
		if (!sql_send(db, folder, file, error))
			return FALSE;
	}
	return sql_send(db, folder, "grant.sql", error);
}

gboolean migrate_setup(const struct conf *conf, struct db *db, GError **error)
{
	/* A second migrate waits here; what it finds afterwards is done already. */
	return db_script(
		       db, "set statement_timeout = 0; select pg_advisory_lock(19797, 2)", error) &&
	       db_script(db,
		       !strcmp(conf_get(conf, "database.roles"), "single")
			       ? "set muster.roles = single"
			       : "set muster.roles = separate",
		       error) &&
	       sql_send(db, conf_get(conf, "paths.sql"), "setup.sql", error);
}

gboolean migrate_run(
	const struct conf *conf, struct db *db, const char *backup, guint *n_new, GError **error)
{
	const char *folder = conf_get(conf, "paths.sql");
	g_autoptr(GPtrArray) names = sql_list(folder, "migration", error);
	gboolean is_new;

	if (names == NULL)
		return FALSE;
	if (names->len == 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s has no migrations", folder);
		return FALSE;
	}
	/* A second migrate waits here; what it finds afterwards is done already. */
	if (!db_script(db, "set statement_timeout = 0; select pg_advisory_lock(19797, 2)", error))
		return FALSE;
	g_autoptr(GPtrArray) applied = applied_list(db, &is_new, error);
	if (applied == NULL)
		return FALSE;
	for (guint i = 0; i < applied->len; i++)
		if (!name_is_in(names, applied->pdata[i])) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
				"the database is newer than this program: it has had migration %s",
				(char *)applied->pdata[i]);
			return FALSE;
		}
	if (backup != NULL && !is_new) {
		if (!backup_write(conf, backup, error))
			return FALSE;
		printf("backup: %s\n", backup);
	}
	if (!migrate_setup(conf, db, error))
		return FALSE;
	/*
	 * All in one transaction: a trigger of a new table calls a new function, and an old
	 * function does not know a new index. Who works meanwhile waits, and sees the old or the
	 * new whole.
	 */
	*n_new = 0;
	if (!db_script(db, "begin", error))
		return FALSE;
	for (guint i = 0; i < names->len; i++) {
		if (name_is_in(applied, names->pdata[i]))
			continue;
		if (!migration_run(db, folder, names->pdata[i], error))
			return FALSE;
		*n_new += 1;
	}
	return functions_run(db, folder, error) && db_script(db, "commit", error);
}

int migrate_main(int argc, char **argv)
{
	g_autofree char *backup = NULL;
	const GOptionEntry entries[] = {
		{"backup", 0, 0, G_OPTION_ARG_FILENAME, &backup,
			"before anything is changed, write the old state here", "FILE"},
		{NULL}};
	g_autoptr(GError) error = NULL;
	guint n_new = 0;
	int exit_code;
	g_autoptr(conf) conf = server_start("migrate", entries, &argc, &argv, &exit_code);

	if (conf == NULL)
		return exit_code;
	if (argc > 1)
		return server_usage("'%s' is one word too many", argv[1]);
	g_autoptr(db) db = db_open_direct(conf, NULL, &error);
	if (db == NULL || !migrate_run(conf, db, backup, &n_new, &error))
		return migrate_fail(db, error);
	/* In the state folder and not in the database: a backup of one is useless without the
	 * other. */
	g_autofree char *folder = g_path_get_dirname(conf_get(conf, "secret.key_file"));
	if (!file_make_folder(folder, &error))
		return server_fail(error);
	g_autoptr(secret_key) key =
		secret_key_load(conf_get(conf, "secret.key_file"), TRUE, &error);
	if (key == NULL)
		return server_fail(error);
	printf("the database is up to date, %u new migration%s\n", n_new, n_new == 1 ? "" : "s");
	return EXIT_FINE;
}

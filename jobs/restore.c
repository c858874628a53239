/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/backup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/dump.h"
#include "jobs/migrate.h"
#include "jobs/muster_server.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/secret.h"

/*
 * `muster restore`: a backup into a database that has nothing of ours. What must not be true any
 * more when time went back: sessions end, letters with links are void, and events go on with
 * numbers that nobody has seen, so that pages that are open load everything again.
 */

#define CONF_MAX_BYTES (1024 * 1024)

/* Every migration that the backup has had is one that this program knows. */
static gboolean version_check(const struct conf *conf, json_object *manifest, GError **error)
{
	json_object *names = json_get(manifest, "migrations", json_type_array, error);

	for (gsize i = 0; names != NULL && i < json_object_array_length(names); i++) {
		const char *name = json_object_get_string(json_object_array_get_idx(names, i));
		g_autofree char *file = g_strdup_printf("%s.sql", name);
		g_autofree char *path =
			g_build_filename(conf_get(conf, "paths.sql"), "migration", file, NULL);
		if (strchr(name, '/') == NULL && access(path, R_OK) == 0)
			continue;
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
			"the backup is of a newer version of Muster: it has had migration %s",
			name);
		return FALSE;
	}
	return names != NULL;
}

/* What comes back as a file of its own. */
struct part {
	const char *member, *path; /* path NULL: it does not come back */
	gsize max_bytes;
	gboolean is_there; /* path holds it already */
};

/* Whether part->path holds what the backup holds; something else is an error. */
static gboolean part_check(const char *folder, struct part *part, GError **error)
{
	g_autofree char *from = g_build_filename(folder, part->member, NULL);
	g_autofree char *ours = NULL, *theirs = NULL;
	gsize ours_len, theirs_len;

	part->is_there = access(part->path, F_OK) == 0;
	if (!part->is_there)
		return TRUE;
	if (!file_read(from, part->max_bytes, &theirs, &theirs_len, error) ||
		!file_read(part->path, part->max_bytes, &ours, &ours_len, error))
		return FALSE;
	gboolean is_same = ours_len == theirs_len && !memcmp(ours, theirs, ours_len);
	secret_wipe(ours, ours_len);
	secret_wipe(theirs, theirs_len);
	if (is_same)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
		"%s holds %s than the backup: move it away first", part->path,
		strcmp(part->member, BACKUP_KEY) != 0 ? "other issuers" : "another key");
	return FALSE;
}

/* As root: a file is of the service, as the folder or the file beside is. */
static gboolean owner_set(const char *path, const char *like, GError **error)
{
	struct stat st;

	if (geteuid() != 0 || stat(like, &st) != 0 || st.st_uid == 0 ||
		chown(path, st.st_uid, st.st_gid) == 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", path, g_strerror(errno));
	return FALSE;
}

/* like: whose owner it gets; NULL: the folder's that it is in. */
static gboolean part_write(
	const char *folder, const struct part *part, const char *like, GError **error)
{
	g_autofree char *from = g_build_filename(folder, part->member, NULL);
	g_autofree char *above = g_path_get_dirname(part->path);
	g_autofree char *bytes = NULL;
	gsize len;

	if (!file_read(from, part->max_bytes, &bytes, &len, error))
		return FALSE;
	gboolean ok = file_make_folder(above, error) &&
		      file_write(part->path, bytes, len, 0600, error) &&
		      file_sync(part->path, error);
	secret_wipe(bytes, len);
	return ok && owner_set(part->path, like != NULL ? like : above, error);
}

static gboolean empty_check(struct db *db, GError **error)
{
	g_autoptr(db_result) there = db_query(db,
		"select to_regnamespace('muster') is not null, current_database()", 0, NULL, error);

	if (there == NULL)
		return FALSE;
	if (!db_result_get_bool(there, 0, 0))
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
		"the database %s has a schema muster: a backup goes into an empty database, as "
		"'createdb' makes one",
		db_result_get(there, 0, 1));
	return FALSE;
}

/* Roles and schema, then the dump into it; what is newer here than in the dump comes afterwards. */
static gboolean database_fill(
	const struct conf *conf, struct db *db, const char *folder, GError **error)
{
	g_autofree char *dump = g_build_filename(folder, BACKUP_DUMP, NULL);
	guint n_new;

	if (!migrate_setup(conf, db, error))
		return FALSE;
	g_autoptr(db_result) owner = db_query(db, "select current_user", 0, NULL, error);
	/* The table comes with the dump. */
	if (owner == NULL || !db_script(db, "drop table muster.migration", error) ||
		!dump_restore(conf, db_result_get(owner, 0, 0), dump, folder, error) ||
		!migrate_run(conf, db, NULL, &n_new, error))
		return FALSE;
	return db_script(db,
		"begin;"
		"delete from muster.session; delete from muster.password_reset;"
		"delete from muster.confirmation;"
		/* Nobody wants today what was asked for then: it may have been done since. */
		"select muster.job_cancel(id) from muster.job "
		" where state in ('queued', 'running') and kind not in ('remove', 'prune');"
		"insert into muster.trail (action, subject) values ('database.restore', 'database');"
		"select muster.stream_raise();"
		"commit",
		error);
}

/* The issuers' part of a backup that has one, if this configuration has a place for it. */
static void issuers_find(const struct conf *conf, const char *folder, struct part *part)
{
	const char *path = conf_get(conf, "auth.openid_file");
	g_autofree char *from = g_build_filename(folder, BACKUP_ISSUERS, NULL);

	if (access(from, F_OK) < 0)
		return;
	if (*path != '\0')
		part->path = path;
	else
		printf("The backup holds issuers, and auth.openid_file names no place for them: "
		       "'tar -xOf FILE " BACKUP_ISSUERS "' prints them.\n");
}

static gboolean parts_write(
	const char *folder, const struct part *key, const struct part *issuers, GError **error)
{
	return (key->is_there || part_write(folder, key, NULL, error)) &&
	       (issuers->path == NULL || issuers->is_there ||
		       part_write(folder, issuers, key->path, error));
}

static gboolean restore(const struct conf *conf, struct db *db, const char *path,
	const char *folder, GError **error)
{
	g_autoptr(json_object) manifest = backup_unpack(path, folder, error);
	struct part key = {
		BACKUP_KEY, conf_get(conf, "secret.key_file"), BACKUP_KEY_MAX_BYTES, FALSE};
	struct part issuers = {BACKUP_ISSUERS, NULL, BACKUP_ISSUERS_MAX_BYTES, FALSE};

	if (manifest == NULL || !version_check(conf, manifest, error) ||
		!part_check(folder, &key, error))
		return FALSE;
	issuers_find(conf, folder, &issuers);
	if ((issuers.path != NULL && !part_check(folder, &issuers, error)) ||
		!empty_check(db, error))
		return FALSE;
	/* First: without the key the database is of no use, and the next try would find it full. */
	if (parts_write(folder, &key, &issuers, error)) {
		if (database_fill(conf, db, folder, error))
			return TRUE;
		/* It was empty: nothing but ours goes. */
		db_script(db, "rollback; reset role; drop schema if exists muster cascade", NULL);
	}
	if (!key.is_there)
		unlink(key.path);
	if (issuers.path != NULL && !issuers.is_there)
		unlink(issuers.path);
	return FALSE;
}

static int settings_print(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = backup_folder_make(NULL, &error);
	g_autofree char *at = folder != NULL ? g_build_filename(folder, BACKUP_CONF, NULL) : NULL;
	g_autofree char *text = NULL;
	gsize len;

	if (folder == NULL)
		return server_fail(error);
	g_autoptr(json_object) manifest = backup_unpack(path, folder, &error);
	gboolean ok = manifest != NULL && file_read(at, CONF_MAX_BYTES, &text, &len, &error);
	file_remove_folder(folder);
	if (!ok)
		return server_fail(error);
	fputs(text, stdout);
	return EXIT_FINE;
}

int restore_main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	gboolean is_print = FALSE;
	const GOptionEntry entries[] = {
		{"print-conf", 0, 0, G_OPTION_ARG_NONE, &is_print,
			"print the settings that are in it, and do nothing", NULL},
		{NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start("restore FILE", entries, &argc, &argv, &exit_code);

	if (conf == NULL)
		return exit_code;
	if (argc != 2)
		return server_usage("it wants the name of one file");
	if (is_print)
		return settings_print(argv[1]);
	g_autoptr(db) db = db_open_direct(conf, NULL, &error);
	if (db == NULL)
		return server_fail(error);
	g_autofree char *folder = backup_folder_make(NULL, &error);
	if (folder == NULL)
		return server_fail(error);
	gboolean ok = restore(conf, db, argv[1], folder, &error);
	file_remove_folder(folder);
	if (!ok)
		return migrate_fail(db, error);
	printf("The backup is restored. Everybody has to sign in again, and what waited to be done "
	       "is cancelled. API tokens, invitations and recovery codes are as they were then: "
	       "look for tokens that were ended since with 'muster token list'.\n");
	return EXIT_FINE;
}

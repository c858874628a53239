/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/backup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib/gstdio.h>

#include "jobs/dump.h"
#include "jobs/migrate.h"
#include "jobs/muster_server.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/secret.h"

/* Every setting that is not as it would be anyhow, wherever it came from. */
static char *settings_format(const struct conf *conf)
{
	GString *text = g_string_new("# Settings at the time of the backup.\n");
	g_autofree char *group = g_strdup("");

	for (gsize i = 0; i < conf_keys_len; i++) {
		const char *name = conf_keys[i].name, *dot = strchr(name, '.');
		const char *source = conf_get_source(conf, name);
		if (!strcmp(source, "default"))
			continue;
		g_autofree char *own = g_strndup(name, (gsize)(dot - name));
		if (strcmp(own, group) != 0)
			g_string_append_printf(text, "\n[%s]\n", own);
		g_free(group);
		group = g_steal_pointer(&own);
		g_string_append_printf(
			text, "# from %s\n%s = %s\n", source, dot + 1, conf_get(conf, name));
	}
	return g_string_free(text, FALSE);
}

static json_object *manifest_make(const struct conf *conf, struct db *db, GError **error)
{
	g_autoptr(db_result) row = db_query(db,
		"select current_database(), current_setting('server_version'), "
		"       (select json_agg(name order by name)::text from muster.migration), "
		"       (select count(*) from muster.account), (select count(*) from muster.repo)",
		0, NULL, error);

	if (row == NULL)
		return NULL;
	const char *names = db_result_get(row, 0, 2);
	json_object *migrations = json_parse(names, strlen(names), &json_limits_request, error);
	if (migrations == NULL)
		return NULL;
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
	json_object *manifest = json_object_new_object();
	json_object_object_add(manifest, "format", json_object_new_int(BACKUP_FORMAT));
	json_object_object_add(manifest, "version", json_object_new_string(PACKAGE_VERSION));
	json_object_object_add(manifest, "created_at", json_object_new_string(time));
	json_object_object_add(
		manifest, "host", json_object_new_string(conf_get(conf, "server.host")));
	json_object_object_add(
		manifest, "database", json_object_new_string(db_result_get(row, 0, 0)));
	json_object_object_add(
		manifest, "postgresql", json_object_new_string(db_result_get(row, 0, 1)));
	json_object_object_add(
		manifest, "accounts", json_object_new_int64(db_result_get_int(row, 0, 3)));
	json_object_object_add(
		manifest, "repositories", json_object_new_int64(db_result_get_int(row, 0, 4)));
	json_object_object_add(manifest, "migrations", migrations);
	return manifest;
}

/* A link is followed: the configuration named it, and the server follows it, too. */
static gboolean issuers_write(const struct conf *conf, const char *folder, GError **error)
{
	const char *file = conf_get(conf, "auth.openid_file");
	g_autofree char *to = g_build_filename(folder, BACKUP_ISSUERS, NULL);
	g_autofree char *bytes = NULL;
	gsize len;

	if (*file == '\0')
		return TRUE;
	char *real = realpath(file, NULL);
	gboolean ok = file_read(
		real != NULL ? real : file, BACKUP_ISSUERS_MAX_BYTES, &bytes, &len, error);
	free(real);
	if (!ok) {
		g_prefix_error(error, "the issuers that auth.openid_file names: ");
		return FALSE;
	}
	ok = file_write(to, bytes, len, 0600, error);
	secret_wipe(bytes, len);
	return ok;
}

/* Settings, key and issuers; the key must be one that works. */
static gboolean small_write(const struct conf *conf, const char *folder, GError **error)
{
	const char *key_file = conf_get(conf, "secret.key_file");
	g_autofree char *settings = settings_format(conf);
	g_autofree char *conf_path = g_build_filename(folder, BACKUP_CONF, NULL);
	g_autofree char *key_path = g_build_filename(folder, BACKUP_KEY, NULL);
	g_autoptr(secret_key) key = secret_key_load(key_file, FALSE, error);
	g_autofree char *bytes = NULL;
	gsize len;

	if (key == NULL || !file_read(key_file, BACKUP_KEY_MAX_BYTES, &bytes, &len, error))
		return FALSE;
	gboolean ok = file_write(conf_path, settings, strlen(settings), 0600, error) &&
		      file_write(key_path, bytes, len, 0600, error);
	secret_wipe(bytes, len);
	return ok && issuers_write(conf, folder, error);
}

/* Unpacks what was written and reads all of it: a backup that nobody has read is a hope. */
static gboolean verify(const char *path, const char *folder, json_object **manifest, GError **error)
{
	g_autofree char *check = g_build_filename(folder, "check", NULL);
	g_autofree char *dump = g_build_filename(check, BACKUP_DUMP, NULL);

	if (g_mkdir(check, 0700) < 0) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", check, g_strerror(errno));
		return FALSE;
	}
	*manifest = backup_unpack(path, check, error);
	return *manifest != NULL && dump_check(dump, error);
}

/* owner: of the schema, as which db acts. */
static gboolean backup_make(const struct conf *conf, struct db *db, const char *path,
	const char *folder, GError **error)
{
	g_autofree char *dump = g_build_filename(folder, BACKUP_DUMP, NULL);
	g_autofree char *whole = g_build_filename(folder, "backup", NULL);
	g_autoptr(json_object) manifest = manifest_make(conf, db, error);
	g_autoptr(json_object) again = NULL;

	if (manifest == NULL)
		return FALSE;
	g_autoptr(db_result) owner = db_query(db, "select current_user", 0, NULL, error);
	if (owner == NULL || !dump_write(conf, db_result_get(owner, 0, 0), dump, error) ||
		!small_write(conf, folder, error) || !backup_pack(whole, folder, manifest, error))
		return FALSE;
	g_unlink(dump); /* room for reading it back */
	if (!verify(whole, folder, &again, error))
		return FALSE;
	/* Never over an older one. */
	if (g_file_test(path, G_FILE_TEST_EXISTS) || g_rename(whole, path) != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT, "%s: %s", path,
			g_file_test(path, G_FILE_TEST_EXISTS) ? "is there already"
							      : g_strerror(errno));
		return FALSE;
	}
	return file_sync(path, error);
}

static void manifest_print(json_object *manifest)
{
	static const char *const shown[] = {"version", "created_at", "host", "database",
		"postgresql", "accounts", "repositories"};

	for (gsize i = 0; i < G_N_ELEMENTS(shown); i++) {
		json_object *value = NULL;
		if (json_object_object_get_ex(manifest, shown[i], &value) && value != NULL)
			printf("%-12s  %s\n", shown[i], json_object_get_string(value));
	}
}

static int backup_verify(const char *path)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(json_object) manifest = NULL;
	g_autofree char *folder = backup_folder_make(NULL, &error);

	if (folder == NULL)
		return server_fail(error);
	gboolean ok = verify(path, folder, &manifest, &error);
	file_remove_folder(folder);
	if (!ok) {
		server_fail(error);
		return g_error_matches(error, MUSTER_ERROR, MUSTER_ERROR_INPUT) ? EXIT_ATTENTION
										: EXIT_OTHER;
	}
	manifest_print(manifest);
	return EXIT_FINE;
}

int backup_main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	gboolean is_verify = FALSE;
	const GOptionEntry entries[] = {
		{"verify", 0, 0, G_OPTION_ARG_NONE, &is_verify,
			"read a backup that is there, and say what is in it", NULL},
		{NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start("backup FILE", entries, &argc, &argv, &exit_code);

	if (conf == NULL)
		return exit_code;
	if (argc != 2)
		return server_usage("it wants the name of one file");
	if (is_verify)
		return backup_verify(argv[1]);
	if (g_file_test(argv[1], G_FILE_TEST_EXISTS))
		return server_usage("%s is there already", argv[1]);
	g_autoptr(db) db = migrate_open_owner(conf, &error);
	if (db == NULL)
		return server_fail(error);
	g_autofree char *folder = backup_folder_make(argv[1], &error);
	if (folder == NULL)
		return server_fail(error);
	gboolean ok = backup_make(conf, db, argv[1], folder, &error);
	file_remove_folder(folder);
	if (!ok)
		return server_fail(error);
	printf("%s is written and was read back. It holds the master key: keep it where nobody "
	       "else reads it.\n",
		argv[1]);
	return EXIT_FINE;
}

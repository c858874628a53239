/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster_server.h"

#include <stdio.h>

#include "jobs/migrate.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/secret.h"
#include "lib/wake.h"

/*
 * `muster demo`: something to look at. Everything is in demo.sql; what SQL cannot do is to hash the
 * passwords, which are no secret: they stand here, in the manual and in what is printed.
 */

#define DEMO_FILE "demo.sql"
#define DEMO_MAX_BYTES (256 * 1024)

static const struct {
	const char *email, *password, *what;
} people[] = {
	{"admin@zenpipeline.ai", "Admin123!", "administrator of the server"},
	{"demo@zenpipeline.ai", "demo123", "developer"},
	{"john@nxzen.com", "Password123!", "administrator of the organization nxzen"},
	{"jane@nxzen.com", "Password123!", "team lead there"},
	{"mike@nxzen.com", "Password123!", "developer there"},
};

/* {"address": "hash", …} */
static char *hashes_make(GError **error)
{
	g_autoptr(json_object) hashes = json_object_new_object();

	for (gsize i = 0; i < G_N_ELEMENTS(people); i++) {
		g_autofree char *hash = secret_password_hash(people[i].password, error);
		if (hash == NULL)
			return NULL;
		json_object_object_add(hashes, people[i].email, json_object_new_string(hash));
	}
	return g_strdup(json_object_to_json_string(hashes));
}

static gboolean demo_load(const struct conf *conf, struct db *db, GError **error)
{
	g_autofree char *path = g_build_filename(conf_get(conf, "paths.sql"), DEMO_FILE, NULL);
	g_autofree char *hashes = hashes_make(error);
	const char *params[] = {hashes};
	g_autofree char *script = NULL;
	gsize len;

	if (hashes == NULL || !file_read(path, DEMO_MAX_BYTES, &script, &len, error))
		return FALSE;
	if (!db_script(db, "set statement_timeout = 0; begin", error))
		return FALSE;
	g_autoptr(db_result) set =
		db_query(db, "select set_config('muster.demo_hashes', $1, true)", 1, params, error);
	return set != NULL && db_script(db, script, error) && db_script(db, "commit", error);
}

int demo_main(int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	int exit_code;
	g_autoptr(conf) conf = server_start("demo", NULL, &argc, &argv, &exit_code);

	if (conf == NULL)
		return exit_code;
	if (argc > 1)
		return server_usage("'%s' is one word too many", argv[1]);
	g_autoptr(db) db = migrate_open_owner(conf, &error);
	if (db == NULL)
		return server_fail(error);
	if (!demo_load(conf, db, &error)) {
		const char *state = db_error_sqlstate(db);
		/* What we refuse ourselves says all there is; anything else is for who mends it. */
		return state != NULL && !g_str_has_prefix(state, "MU") ? migrate_fail(db, error)
								       : server_fail(error);
	}
	wake_send(conf);
	printf("The demo is there. Never leave these accounts on a server that others reach:\n\n");
	for (gsize i = 0; i < G_N_ELEMENTS(people); i++)
		printf("  %-22s %-14s %s\n", people[i].email, people[i].password, people[i].what);
	return EXIT_FINE;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/muster_server.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "jobs/migrate.h"
#include "jobs/verb.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/json.h"
#include "lib/secret.h"

/*
 * `muster key`: the master key gets a successor. The file then holds both: the new one signs and
 * seals, the old one still verifies and opens, and programs that run take that over by themselves.
 * What the database holds sealed is sealed anew at once; what is out in the world (access tokens,
 * at most half an hour old) ends by itself. Then the old one can go.
 */

#define JWT_LIFE_S 1800

/* What is sealed in the database, and for which context: a prefix and the row's id. */
static const struct {
	const char *prefix;
	const char *list;   /* → id, sealed */
	const char *update; /* id, old, new */
} sealed[] = {
	{SECRET_SEAL_CREDENTIAL, "select id::text, sealed from muster.credential",
		"update muster.credential set sealed = $3 where id = $1::uuid and sealed = $2"},
	{SECRET_SEAL_TOTP, "select account_id::text, sealed from muster.totp",
		"update muster.totp set sealed = $3 where account_id = $1::uuid and sealed = $2"},
};

struct key_options {
	gboolean is_now, is_json;
};

struct tally {
	guint by_key[SECRET_KEYS_MAX];
	guint lost; /* no key opens it */
};

/* One row: counted and, unless the newest key had sealed it or update is NULL, sealed anew. */
static gboolean row_take(struct db *db, const struct secret_key *key, const char *context,
	const char *update, const char *const *row, struct tally *tally, GError **error)
{
	gsize len = 0;
	guint which = 0;
	guchar *text = secret_open_which(key, context, row[1], &len, &which);
	gboolean ok = TRUE;

	if (text == NULL) {
		tally->lost++;
		return TRUE;
	}
	if (which > 0 && update != NULL) {
		g_autofree char *anew = secret_seal(key, context, text, len);
		const char *params[] = {row[0], row[1], anew};
		g_autoptr(db_result) done = db_query(db, update, 3, params, error);
		ok = done != NULL;
		which = 0;
	}
	secret_wipe(text, len);
	g_free(text);
	tally->by_key[which]++;
	return ok;
}

/* Looks at all that is sealed; is_anew: and brings it under the newest key. */
static gboolean sealed_take(struct db *db, const struct secret_key *key, gboolean is_anew,
	struct tally *tally, GError **error)
{
	for (gsize i = 0; i < G_N_ELEMENTS(sealed); i++) {
		g_autoptr(db_result) rows = db_query(db, sealed[i].list, 0, NULL, error);
		if (rows == NULL)
			return FALSE;
		for (guint r = 0; r < db_result_rows(rows); r++) {
			const char *row[] = {db_result_get(rows, r, 0), db_result_get(rows, r, 1)};
			g_autofree char *context = g_strconcat(sealed[i].prefix, row[0], NULL);
			if (!row_take(db, key, context, is_anew ? sealed[i].update : NULL, row,
				    tally, error))
				return FALSE;
		}
	}
	return TRUE;
}

static int key_fail(const struct verb_call *call, const GError *error)
{
	return migrate_fail(call->db, error);
}

static void lost_tell(const struct tally *tally)
{
	if (tally->lost > 0)
		fprintf(stderr,
			"%s: %u secrets were sealed with a key that is not here: such a second factor "
			"or credential has to be made anew\n",
			g_get_prgname(), tally->lost);
}

/* One rotation at a time. */
static gboolean lane_take(const struct verb_call *call, GError **error)
{
	return db_script(
		call->db, "set statement_timeout = 0; select pg_advisory_lock(19797, 3)", error);
}

static const char *key_does(gboolean is_first)
{
	return is_first ? "signs and seals" : "verifies and opens";
}

/* Of one key: its name, what it does, and how much in the database it has sealed. */
static json_object *key_json(const char *name, gboolean is_first, guint n_sealed)
{
	json_object *object = json_object_new_object();

	json_object_object_add(object, "name", json_object_new_string(name));
	json_object_object_add(object, "does", json_object_new_string(key_does(is_first)));
	json_object_object_add(object, "sealed", json_object_new_int64(n_sealed));
	return object;
}

static int key_list(const struct verb_call *call)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(secret_key) key =
		secret_key_load(conf_get(call->conf, "secret.key_file"), FALSE, &error);
	g_autoptr(json_object) list = json_object_new_array();
	struct tally tally = {0};

	if (key == NULL || !sealed_take(call->db, key, FALSE, &tally, &error))
		return key_fail(call, error);
	for (guint i = 0; i < secret_key_count(key); i++) {
		g_autofree char *name = secret_key_name(key, i);
		if (call->is_json)
			json_object_array_add(list, key_json(name, i == 0, tally.by_key[i]));
		else
			printf("%s\t%s\t%u sealed\n", name, key_does(i == 0), tally.by_key[i]);
	}
	if (call->is_json)
		printf("%s\n", json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
	lost_tell(&tally);
	return tally.lost > 0 ? EXIT_ATTENTION : EXIT_FINE;
}

/* The trail says that keys changed, and which one is in force. */
static gboolean trail_add(struct db *db, const char *action, const char *name, GError **error)
{
	const char *params[] = {action, name};
	g_autoptr(db_result) added = db_query(
		db, "insert into muster.trail (action, subject) values ($1, $2)", 2, params, error);
	return added != NULL;
}

static int key_rotate(const struct verb_call *call)
{
	const char *path = conf_get(call->conf, "secret.key_file");
	g_autoptr(GError) error = NULL;
	struct tally tally = {0};

	if (!lane_take(call, &error) || !secret_key_rotate(path, &error))
		return key_fail(call, error);
	g_autoptr(secret_key) key = secret_key_load(path, FALSE, &error);
	if (key == NULL)
		return key_fail(call, error);
	g_autofree char *name = secret_key_name(key, 0);
	if (!sealed_take(call->db, key, TRUE, &tally, &error) ||
		!trail_add(call->db, "key.rotate", name, &error)) {
		/* The new key is in force and the old one still opens: done again by drop. */
		return key_fail(call, error);
	}
	lost_tell(&tally);
	printf("%s signs and seals from now on; %u secrets were sealed anew. In half an hour: "
	       "muster key drop\n",
		name, tally.by_key[0]);
	return EXIT_FINE;
}

static int key_drop(const struct verb_call *call)
{
	const struct key_options *options = call->options;
	const char *path = conf_get(call->conf, "secret.key_file");
	g_autoptr(GError) error = NULL;
	struct tally tally = {0};
	struct stat st;

	if (!lane_take(call, &error))
		return key_fail(call, error);
	g_autoptr(secret_key) key = secret_key_load(path, FALSE, &error);
	if (key == NULL || !sealed_take(call->db, key, TRUE, &tally, &error))
		return key_fail(call, error);
	guint n_old = secret_key_count(key) - 1;
	if (n_old == 0) {
		printf("there is one key, and it stays\n");
		return EXIT_FINE;
	}
	if (!options->is_now && stat(path, &st) == 0 && time(NULL) - st.st_mtime < JWT_LIFE_S) {
		fprintf(stderr,
			"%s: access tokens of the old key live for %d minutes yet; --now ends them\n",
			g_get_prgname(),
			(int)((JWT_LIFE_S - (time(NULL) - st.st_mtime) + 59) / 60));
		return EXIT_ATTENTION;
	}
	g_autofree char *name = secret_key_name(key, 0);
	if (!secret_key_drop(path, &error) || !trail_add(call->db, "key.drop", name, &error))
		return key_fail(call, error);
	lost_tell(&tally);
	printf("%u old key%s gone; %s is the only one\n", n_old, n_old == 1 ? " is" : "s are",
		name);
	return EXIT_FINE;
}

/* clang-format off */
static const struct verb verbs[] = {
	{ "list", 0, 0, key_list, TRUE },
	{ "rotate", 0, 0, key_rotate, FALSE },
	{ "drop", 0, 0, key_drop, FALSE },
};
/* clang-format on */

int key_main(int argc, char **argv)
{
	struct key_options options = {FALSE, FALSE};
	const GOptionEntry entries[] = {{"now", 0, 0, G_OPTION_ARG_NONE, &options.is_now,
						"drop: at once, whoever is signed in", NULL},
		VERB_JSON(&options.is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf =
		server_start("key list|rotate|drop", entries, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, verbs, G_N_ELEMENTS(verbs), &options, options.is_json,
				      argc, argv);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/verb.h"

#include <string.h>

#include "jobs/migrate.h"
#include "jobs/muster_server.h"
#include "jobs/rows.h"
#include "lib/error.h"
#include "lib/exit.h"

static struct db_result *ask(const struct verb_call *call, const char *sql, int n,
	const char *const *params, int *exit_code)
{
	g_autoptr(GError) error = NULL;
	struct db_result *result = db_query(call->db, sql, n, params, &error);

	if (result == NULL)
		*exit_code = migrate_fail(call->db, error);
	return result;
}

int verb_do(const struct verb_call *call, const char *sql, int n, const char *const *params)
{
	int exit_code = EXIT_FINE;

	db_result_free(ask(call, sql, n, params, &exit_code));
	return exit_code;
}

int verb_list(const struct verb_call *call, const char *sql, int n, const char *const *params,
	const char *const *titles, guint *count)
{
	int exit_code = EXIT_FINE;
	g_autoptr(db_result) result = ask(call, sql, n, params, &exit_code);

	if (result == NULL)
		return exit_code;
	if (call->is_json)
		rows_print_json(result, titles);
	else
		rows_print(result, titles);
	if (count != NULL)
		*count = db_result_rows(result);
	return EXIT_FINE;
}

/* The verb that argv[1] names, with as many words behind it as it wants; NULL: told already. */
static const struct verb *verb_find(
	const struct verb *verbs, gsize n, int argc, char **argv, int *exit_code)
{
	for (gsize i = 0; argc > 1 && i < n; i++)
		if (!strcmp(verbs[i].name, argv[1])) {
			if (argc - 2 >= verbs[i].words && argc - 2 <= verbs[i].words_max)
				return &verbs[i];
			*exit_code = server_usage("'%s' has too %s words behind it", argv[1],
				argc - 2 < verbs[i].words ? "few" : "many");
			return NULL;
		}
	*exit_code = argc > 1 ? server_usage("'%s' is not one of its verbs", argv[1])
			      : server_usage("it wants a verb");
	return NULL;
}

int verb_run(const struct conf *conf, const struct verb *verbs, gsize n, const void *options,
	gboolean is_json, int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	int exit_code = EXIT_USAGE;
	const struct verb *verb = verb_find(verbs, n, argc, argv, &exit_code);

	if (verb == NULL)
		return exit_code;
	if (is_json && !verb->is_list)
		return server_usage(
			"--json is for what prints one list, and '%s' does not", verb->name);
	g_autoptr(db) db = migrate_open_owner(conf, &error);
	if (db == NULL)
		return server_fail(error);
	const struct verb_call call = {
		.conf = conf, .db = db, .options = options, .words = argv + 2, .is_json = is_json};
	return verb->run(&call);
}

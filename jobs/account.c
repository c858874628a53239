/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/account.h"

#include <stdio.h>
#include <string.h>

#include "jobs/migrate.h"
#include "jobs/muster_server.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/secret.h"

/* 20 characters of base64url: 120 random bits. */
#define PASSWORD_CHARS 20
#define PASSWORD_MIN_CHARS 8

struct account_options {
	char *name;
	char *organization;
	char *role;
	char *password_file;
};

static void account_options_clear(struct account_options *options)
{
	g_free(options->name);
	g_free(options->organization);
	g_free(options->role);
	g_free(options->password_file);
}
typedef struct account_options account_options;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(account_options, account_options_clear)

static char *password_read(const char *path, GError **error)
{
	g_autofree char *text = NULL;
	gsize len;

	if (!file_read(!strcmp(path, "-") ? "/dev/stdin" : path, SECRET_PASSWORD_MAX_BYTES + 2,
		    &text, &len, error))
		return NULL;
	text[strcspn(text, "\r\n")] = '\0';
	if (g_utf8_strlen(text, -1) < PASSWORD_MIN_CHARS) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"a password has at least %d characters", PASSWORD_MIN_CHARS);
		return NULL;
	}
	return g_steal_pointer(&text);
}

/* The hash of a password from a file, or of a new one, which is then in *made. */
static char *password_hash(const char *path, char **made, GError **error)
{
	g_autofree char *password = NULL;

	if (path != NULL) {
		password = password_read(path, error);
		if (password == NULL)
			return NULL;
	} else {
		g_autofree char *token = secret_token_new("");
		password = g_strndup(token, PASSWORD_CHARS);
	}
	char *hash = secret_password_hash(password, error);
	if (hash != NULL && path == NULL)
		*made = g_steal_pointer(&password);
	return hash;
}

static void table_print(const struct db_result *rows)
{
	for (guint i = 0; i < db_result_rows(rows); i++)
		for (guint c = 0; c < db_result_columns(rows); c++) {
			const char *value = db_result_get(rows, i, c);
			printf("%s%s", value != NULL && *value != '\0' ? value : "-",
				c + 1 < db_result_columns(rows) ? "\t" : "\n");
		}
}

/* Calls a function; prints its rows when asked. */
static int call(struct db *db, const char *sql, int n, const char *const *params, gboolean print)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(db_result) result = db_query(db, sql, n, params, &error);

	if (result == NULL)
		return error->code == MUSTER_ERROR_DB ? migrate_fail(db, error)
						      : server_fail(error);
	if (print)
		table_print(result);
	return EXIT_FINE;
}

static int account_add(struct db *db, const struct account_options *options, char **words)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *made = NULL;
	g_autofree char *hash = password_hash(options->password_file, &made, &error);

	if (hash == NULL)
		return server_fail(error);
	const char *params[] = {words[0], options->name, hash,
		options->organization != NULL ? options->organization : "default",
		options->role != NULL ? options->role : "developer"};
	int exit_code = call(db, "select muster.account_add($1, $2, $3, $4, $5)", 5, params, FALSE);
	if (exit_code == EXIT_FINE && made != NULL)
		printf("%s\n", made);
	return exit_code;
}

static int account_password(struct db *db, const struct account_options *options, char **words)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *made = NULL;
	g_autofree char *hash = password_hash(options->password_file, &made, &error);

	if (hash == NULL)
		return server_fail(error);
	const char *params[] = {words[0], hash};
	int exit_code = call(db, "select muster.account_password($1, $2)", 2, params, FALSE);
	if (exit_code == EXIT_FINE && made != NULL)
		printf("%s\n", made);
	return exit_code;
}

struct verb {
	const char *name;
	int words; /* that follow it */
	int words_max;
	int (*run)(struct db *db, const struct account_options *options, char **words);
};

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

static const char *organization_of(const struct account_options *options)
{
	return options->organization != NULL ? options->organization : "default";
}

static int account_list(struct db *db, const struct account_options *options, char **words)
{
	return call(db,
		"select email, name, organization, role, state, muster.iso(signed_in_at) "
		"  from muster.account_list()",
		0, NULL, TRUE);
}

static int account_role(struct db *db, const struct account_options *options, char **words)
{
	const char *params[] = {words[0], organization_of(options), words[1]};
	return call(db, "select muster.account_role($1, $2, $3)", 3, params, FALSE);
}

static int account_disable(struct db *db, const struct account_options *options, char **words)
{
	const char *params[] = {words[0], "disabled"};
	return call(db, "select muster.account_state($1, $2)", 2, params, FALSE);
}

static int account_enable(struct db *db, const struct account_options *options, char **words)
{
	const char *params[] = {words[0], "active"};
	return call(db, "select muster.account_state($1, $2)", 2, params, FALSE);
}

static int organization_add(struct db *db, const struct account_options *options, char **words)
{
	const char *params[] = {words[0], words[1]};
	return call(db, "select muster.organization_add($1, $2)", 2, params, FALSE);
}

static int organization_list(struct db *db, const struct account_options *options, char **words)
{
	return call(db, "select slug, name from muster.organization order by slug", 0, NULL, TRUE);
}

static int project_add(struct db *db, const struct account_options *options, char **words)
{
	const char *params[] = {organization_of(options), words[0], words[1]};
	return call(db, "select muster.project_add($1, $2, $3)", 3, params, FALSE);
}

static int project_list(struct db *db, const struct account_options *options, char **words)
{
	return call(db,
		"select o.slug, p.slug, p.name from muster.project p "
		"  join muster.organization o on o.id = p.organization_id order by 1, 2",
		0, NULL, TRUE);
}

/* clang-format off */
static const struct verb account_verbs[] = {
	{ "add", 1, 1, account_add },
	{ "list", 0, 0, account_list },
	{ "password", 1, 1, account_password },
	{ "role", 2, 2, account_role },
	{ "disable", 1, 1, account_disable },
	{ "enable", 1, 1, account_enable },
};

static const struct verb organization_verbs[] = {
	{ "add", 1, 2, organization_add },
	{ "list", 0, 0, organization_list },
};

static const struct verb project_verbs[] = {
	{ "add", 1, 2, project_add },
	{ "list", 0, 0, project_list },
};
/* clang-format on */

static int verb_run(const struct conf *conf, const struct verb *verbs, gsize n,
	const struct account_options *options, int argc, char **argv)
{
	g_autoptr(GError) error = NULL;
	int exit_code;
	const struct verb *verb = verb_find(verbs, n, argc, argv, &exit_code);

	if (verb == NULL)
		return exit_code;
	g_autoptr(db) db = migrate_open_owner(conf, &error);
	if (db == NULL)
		return server_fail(error);
	/* argv ends with NULL: a word that may be left out is NULL then. */
	return verb->run(db, options, argv + 2);
}

int account_main(int argc, char **argv)
{
	g_auto(account_options) options = {0};
	const GOptionEntry entries[] = {
		{"name", 0, 0, G_OPTION_ARG_STRING, &options.name, "the person's name", "NAME"},
		{"organization", 0, 0, G_OPTION_ARG_STRING, &options.organization,
			"where they belong (default)", "SLUG"},
		{"role", 0, 0, G_OPTION_ARG_STRING, &options.role,
			"viewer, developer, team_lead, org_admin or platform_admin", "ROLE"},
		{"password-file", 0, 0, G_OPTION_ARG_FILENAME, &options.password_file,
			"take the password from its first line; - is standard input", "FILE"},
		{NULL}};
	int exit_code;
	g_autoptr(conf) conf =
		server_start("account add|list|password|role|disable|enable [EMAIL [ROLE]]",
			entries, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, account_verbs, G_N_ELEMENTS(account_verbs), &options,
				      argc, argv);
}

int organization_main(int argc, char **argv)
{
	const struct account_options options = {0};
	int exit_code;
	g_autoptr(conf) conf =
		server_start("organization add|list [SLUG [NAME]]", NULL, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, organization_verbs, G_N_ELEMENTS(organization_verbs),
				      &options, argc, argv);
}

int project_main(int argc, char **argv)
{
	g_auto(account_options) options = {0};
	const GOptionEntry entries[] = {
		{"organization", 0, 0, G_OPTION_ARG_STRING, &options.organization,
			"where it belongs (default)", "SLUG"},
		{NULL}};
	int exit_code;
	g_autoptr(conf) conf =
		server_start("project add|list [SLUG [NAME]]", entries, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, project_verbs, G_N_ELEMENTS(project_verbs), &options,
				      argc, argv);
}

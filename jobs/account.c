/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/account.h"

#include <stdio.h>
#include <string.h>

#include "jobs/muster_server.h"
#include "jobs/verb.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/secret.h"

/* 20 characters of base64url: 120 random bits. */
#define PASSWORD_CHARS 20
#define PASSWORD_MIN_CHARS 8

struct account_options {
	char *name;
	char *email;
	char *organization;
	char *role;
	char *password_file;
	char *address;
	gboolean is_sure, is_json;
};

static void account_options_clear(struct account_options *options)
{
	g_free(options->name);
	g_free(options->email);
	g_free(options->organization);
	g_free(options->role);
	g_free(options->password_file);
	g_free(options->address);
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

/* Stores the hash that sql puts at $n; what was made up is printed when that went well. */
static int password_store(const struct verb_call *call, const char *sql, int n, const char **params)
{
	const struct account_options *options = call->options;
	g_autoptr(GError) error = NULL;
	g_autofree char *made = NULL;
	g_autofree char *hash = password_hash(options->password_file, &made, &error);

	if (hash == NULL)
		return server_fail(error);
	params[n - 1] = hash;
	int exit_code = verb_do(call, sql, n, params);
	if (exit_code == EXIT_FINE && made != NULL)
		printf("%s\n", made);
	return exit_code;
}

static const char *organization_of(const struct account_options *options)
{
	return options->organization != NULL ? options->organization : ORGANIZATION_DEFAULT;
}

static int account_add(const struct verb_call *call)
{
	const struct account_options *options = call->options;
	const char *params[] = {call->words[0], options->name, organization_of(options),
		options->role != NULL ? options->role : "developer", NULL};
	return password_store(call,
		"select muster.account_add(p_email => $1, p_name => $2, p_organization => $3, "
		"p_role => $4, p_hash => $5)",
		5, params);
}

static int account_password(const struct verb_call *call)
{
	const char *params[] = {call->words[0], NULL};
	return password_store(call, "select muster.account_password($1, $2)", 2, params);
}

static int account_list(const struct verb_call *call)
{
	static const char *const titles[] = {
		"EMAIL", "NAME", "ORGANIZATION", "ROLE", "STATE", "SIGNED IN"};
	return verb_list(call,
		"select email, name, organization, role, state, muster.iso(signed_in_at) "
		"  from muster.account_list()",
		0, NULL, titles, NULL);
}

static int account_edit(const struct verb_call *call)
{
	const struct account_options *options = call->options;
	const char *params[] = {call->words[0], options->name, options->email};

	if (options->name == NULL && options->email == NULL)
		return server_usage("edit wants --name or --email");
	return verb_do(call, "select muster.account_edit($1, $2, $3)", 3, params);
}

static int account_remove(const struct verb_call *call)
{
	static const char *const titles[] = {"GOES WITH IT", "ROWS"};
	const struct account_options *options = call->options;
	const char *params[] = {call->words[0], options->is_sure ? "true" : "false"};
	g_autoptr(GError) error = NULL;

	/* Longer than a request may take: all that somebody did in years is looked through. */
	if (!db_script(call->db, "set statement_timeout = 0", &error))
		return server_fail(error);
	int exit_code = verb_list(call, "select what, rows from muster.account_drop($1, $2)", 2,
		params, titles, NULL);
	if (exit_code != EXIT_FINE || options->is_sure)
		return exit_code;
	fprintf(stderr, "%s: nothing was removed; --yes removes the account\n", g_get_prgname());
	return EXIT_ATTENTION;
}

static int account_role(const struct verb_call *call)
{
	const char *params[] = {call->words[0], organization_of(call->options), call->words[1]};
	return verb_do(call, "select muster.account_role($1, $2, $3)", 3, params);
}

static int account_disable(const struct verb_call *call)
{
	const char *params[] = {call->words[0]};
	return verb_do(call, "select muster.account_state($1, 'disabled')", 1, params);
}

static int account_enable(const struct verb_call *call)
{
	const char *params[] = {call->words[0]};
	return verb_do(call, "select muster.account_state($1, 'active')", 1, params);
}

static int account_unlock(const struct verb_call *call)
{
	const struct account_options *options = call->options;
	const char *params[] = {call->words[0], options->address};
	return verb_do(call, "select muster.account_unlock($1, $2)", 2, params);
}

static int account_no_code(const struct verb_call *call)
{
	const char *params[] = {call->words[0]};
	return verb_do(call, "select muster.account_totp_remove($1)", 1, params);
}

/* clang-format off */
static const struct verb verbs[] = {
	{ "add", 1, 1, account_add, FALSE },
	{ "list", 0, 0, account_list, TRUE },
	{ "edit", 1, 1, account_edit, FALSE },
	{ "remove", 1, 1, account_remove, FALSE },
	{ "role", 2, 2, account_role, FALSE },
	{ "disable", 1, 1, account_disable, FALSE },
	{ "enable", 1, 1, account_enable, FALSE },
	{ "password", 1, 1, account_password, FALSE },
	{ "unlock", 1, 1, account_unlock, FALSE },
	{ "no-code", 1, 1, account_no_code, FALSE },
};
/* clang-format on */

int account_main(int argc, char **argv)
{
	g_auto(account_options) options = {0};
	const GOptionEntry entries[] = {
		{"name", 0, 0, G_OPTION_ARG_STRING, &options.name, "the person's name", "NAME"},
		{"email", 0, 0, G_OPTION_ARG_STRING, &options.email, "edit: the new address",
			"EMAIL"},
		{"organization", 0, 0, G_OPTION_ARG_STRING, &options.organization,
			"where they belong (default)", "SLUG"},
		{"role", 0, 0, G_OPTION_ARG_STRING, &options.role,
			"viewer, developer, team_lead, org_admin or platform_admin", "ROLE"},
		{"password-file", 0, 0, G_OPTION_ARG_FILENAME, &options.password_file,
			"take the password from its first line; - is standard input", "FILE"},
		{"address", 0, 0, G_OPTION_ARG_STRING, &options.address,
			"unlock: this client's address too", "ADDRESS"},
		{"yes", 0, 0, G_OPTION_ARG_NONE, &options.is_sure,
			"remove: do it, instead of saying what would go", NULL},
		VERB_JSON(&options.is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start(
		"account add|list|edit|remove|role|disable|enable|password|unlock|no-code "
		"[EMAIL [ROLE]]",
		entries, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, verbs, G_N_ELEMENTS(verbs), &options, options.is_json,
				      argc, argv);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/account.h"

#include <stdio.h>

#include "jobs/muster_server.h"
#include "jobs/verb.h"
#include "lib/exit.h"
#include "lib/secret.h"

#define TOKEN_PREFIX "mst_"
/* As the API does it: enough to tell tokens apart in a list, and no help in guessing. */
#define HINT_LEN 10

struct token_options {
	char *organization;
	char *scopes;
	int days;
	gboolean is_json;
};

static void token_options_clear(struct token_options *options)
{
	g_free(options->organization);
	g_free(options->scopes);
}
typedef struct token_options token_options;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(token_options, token_options_clear)

/* What is stored of a token, as a bytea. */
static char *hash_format(const char *token)
{
	guchar hash[SECRET_HASH_BYTES];
	g_autoptr(GString) text = g_string_new("\\x");

	secret_token_hash(token, hash);
	for (gsize i = 0; i < sizeof(hash); i++)
		g_string_append_printf(text, "%02x", hash[i]);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static int token_add(const struct verb_call *call)
{
	const struct token_options *options = call->options;
	g_autofree char *token = secret_token_new(TOKEN_PREFIX);
	g_autofree char *hash = hash_format(token);
	g_autofree char *hint = g_strndup(token, HINT_LEN);
	g_autofree char *days = options->days > 0 ? g_strdup_printf("%d", options->days) : NULL;
	const char *params[] = {call->words[0],
		options->organization != NULL ? options->organization : ORGANIZATION_DEFAULT,
		call->words[1], options->scopes != NULL ? options->scopes : "read", days, hash,
		hint};

	if (options->days < 0 || options->days > 3650)
		return server_usage("--days takes a number from 1 to 3650");
	int exit_code = verb_do(call,
		"select muster.token_issue($1, $2, $3, $4, $5::integer, $6::bytea, $7)",
		G_N_ELEMENTS(params), params);
	if (exit_code == EXIT_FINE)
		printf("%s\n", token);
	return exit_code;
}

static int token_list(const struct verb_call *call)
{
	static const char *const titles[] = {"ID", "BEGINS", "NAME", "ACCOUNT", "ORGANIZATION",
		"SCOPES", "MADE", "EXPIRES", "USED"};
	const struct token_options *options = call->options;
	const char *params[] = {call->words[0], options->organization};
	return verb_list(call,
		"select id, hint, name, account, organization, scopes, muster.iso(created_at), "
		"       muster.iso(expires_at), muster.iso(used_at) from muster.token_rows($1, $2)",
		2, params, titles, NULL);
}

static int token_remove(const struct verb_call *call)
{
	const char *params[] = {call->words[0]};
	return verb_do(call, "select muster.token_drop($1)", 1, params);
}

/* clang-format off */
static const struct verb verbs[] = {
	{ "add", 2, 2, token_add, FALSE },
	{ "list", 0, 1, token_list, TRUE },
	{ "remove", 1, 1, token_remove, FALSE },
};
/* clang-format on */

int token_main(int argc, char **argv)
{
	g_auto(token_options) options = {0};
	const GOptionEntry entries[] = {
		{"organization", 0, 0, G_OPTION_ARG_STRING, &options.organization,
			"where it acts (default); list: only of this one", "SLUG"},
		{"scopes", 0, 0, G_OPTION_ARG_STRING, &options.scopes,
			"what it is for: some of read,write,run,admin (read)", "SCOPES"},
		{"days", 0, 0, G_OPTION_ARG_INT, &options.days, "until it expires; without: never",
			"N"},
		VERB_JSON(&options.is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start("token add EMAIL NAME | list [EMAIL] | remove ID",
		entries, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, verbs, G_N_ELEMENTS(verbs), &options, options.is_json,
				      argc, argv);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/account.h"

#include <stdio.h>

#include "jobs/muster_server.h"
#include "jobs/verb.h"
#include "lib/exit.h"

struct organization_options {
	char *name, *slug, *owner;
	char *max_repositories, *max_concurrent_runs;
	gboolean is_sure, is_json;
};

static void organization_options_clear(struct organization_options *options)
{
	g_free(options->name);
	g_free(options->slug);
	g_free(options->owner);
	g_free(options->max_repositories);
	g_free(options->max_concurrent_runs);
}
typedef struct organization_options organization_options;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(organization_options, organization_options_clear)

static int organization_add(const struct verb_call *call)
{
	const char *params[] = {call->words[0], call->words[1]};
	return verb_do(call, "select muster.organization_add($1, $2)", 2, params);
}

static int organization_list(const struct verb_call *call)
{
	static const char *const titles[] = {
		"SLUG", "NAME", "OWNER", "MEMBERS", "PROJECTS", "REPOSITORIES"};
	return verb_list(call,
		"select o.slug, o.name, (select email from muster.account where id = o.owner_id), "
		"       (select count(*) from muster.membership where organization_id = o.id), "
		"       (select count(*) from muster.project where organization_id = o.id), "
		"       (select count(*) from muster.repo where organization_id = o.id "
		"           and removed_at is null) "
		"  from muster.organization o where o.removed_at is null order by o.slug",
		0, NULL, titles, NULL);
}

static int organization_edit(const struct verb_call *call)
{
	const struct organization_options *options = call->options;
	const char *params[] = {call->words[0], options->name, options->slug,
		options->max_repositories, options->max_concurrent_runs, options->owner};

	for (gsize i = 1; i < G_N_ELEMENTS(params); i++)
		if (params[i] != NULL)
			return verb_do(call,
				"select muster.organization_edit($1, $2, $3, $4, $5, $6)",
				G_N_ELEMENTS(params), params);
	return server_usage("edit wants an option that says what");
}

static int organization_remove(const struct verb_call *call)
{
	static const char *const titles[] = {"GOES WITH IT", "ROWS"};
	const struct organization_options *options = call->options;
	const char *params[] = {call->words[0], options->is_sure ? "true" : "false"};
	g_autoptr(GError) error = NULL;

	/* Longer than a request may take: a million findings go with a large one. */
	if (!db_script(call->db, "set statement_timeout = 0", &error))
		return server_fail(error);
	int exit_code = verb_list(call, "select what, rows from muster.organization_drop($1, $2)",
		2, params, titles, NULL);
	if (exit_code != EXIT_FINE || options->is_sure)
		return exit_code;
	fprintf(stderr, "%s: nothing was removed; --yes removes the organization\n",
		g_get_prgname());
	return EXIT_ATTENTION;
}

/* clang-format off */
static const struct verb organization_verbs[] = {
	{ "add", 1, 2, organization_add, FALSE },
	{ "list", 0, 0, organization_list, TRUE },
	{ "edit", 1, 1, organization_edit, FALSE },
	{ "remove", 1, 1, organization_remove, FALSE },
};
/* clang-format on */

int organization_main(int argc, char **argv)
{
	g_auto(organization_options) options = {0};
	const GOptionEntry entries[] = {
		{"name", 0, 0, G_OPTION_ARG_STRING, &options.name, "edit: the new name", "NAME"},
		{"slug", 0, 0, G_OPTION_ARG_STRING, &options.slug, "edit: the new slug", "SLUG"},
		{"owner", 0, 0, G_OPTION_ARG_STRING, &options.owner, "edit: whose it is, or none",
			"EMAIL"},
		{"max-repositories", 0, 0, G_OPTION_ARG_STRING, &options.max_repositories,
			"edit: how many it may have, or none for no limit", "N"},
		{"max-concurrent-runs", 0, 0, G_OPTION_ARG_STRING, &options.max_concurrent_runs,
			"edit: how many of its runs may go on at once, or none", "N"},
		{"yes", 0, 0, G_OPTION_ARG_NONE, &options.is_sure,
			"remove: do it, instead of saying what would go", NULL},
		VERB_JSON(&options.is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start("organization add|list|edit|remove [SLUG [NAME]]",
		entries, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, organization_verbs, G_N_ELEMENTS(organization_verbs),
				      &options, options.is_json, argc, argv);
}

struct project_options {
	char *organization;
	gboolean is_json;
};

static void project_options_clear(struct project_options *options)
{
	g_free(options->organization);
}
typedef struct project_options project_options;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(project_options, project_options_clear)

static int project_add(const struct verb_call *call)
{
	const struct project_options *options = call->options;
	const char *params[] = {
		options->organization != NULL ? options->organization : ORGANIZATION_DEFAULT,
		call->words[0], call->words[1]};
	return verb_do(call, "select muster.project_add($1, $2, $3)", 3, params);
}

static int project_list(const struct verb_call *call)
{
	static const char *const titles[] = {"ORGANIZATION", "SLUG", "NAME"};
	return verb_list(call,
		"select o.slug, p.slug, p.name from muster.project p "
		"  join muster.organization o on o.id = p.organization_id order by 1, 2",
		0, NULL, titles, NULL);
}

/* clang-format off */
static const struct verb project_verbs[] = {
	{ "add", 1, 2, project_add, FALSE },
	{ "list", 0, 0, project_list, TRUE },
};
/* clang-format on */

int project_main(int argc, char **argv)
{
	g_auto(project_options) options = {0};
	const GOptionEntry entries[] = {
		{"organization", 0, 0, G_OPTION_ARG_STRING, &options.organization,
			"where it belongs (default)", "SLUG"},
		VERB_JSON(&options.is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf =
		server_start("project add|list [SLUG [NAME]]", entries, &argc, &argv, &exit_code);

	return conf == NULL ? exit_code
			    : verb_run(conf, project_verbs, G_N_ELEMENTS(project_verbs), &options,
				      options.is_json, argc, argv);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/account.h"

#include <stdio.h>
#include <string.h>

#include "jobs/muster_server.h"
#include "jobs/verb.h"
#include "lib/exit.h"

struct schedule_options {
	char *organization, *project, *repo, *cron, *timezone, *jitter, *backfill;
	gboolean is_json;
};

static void schedule_options_clear(struct schedule_options *options)
{
	g_free(options->organization);
	g_free(options->project);
	g_free(options->repo);
	g_free(options->cron);
	g_free(options->timezone);
	g_free(options->jitter);
	g_free(options->backfill);
}
typedef struct schedule_options schedule_options;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(schedule_options, schedule_options_clear)

static int schedule_add(const struct verb_call *call)
{
	static const char *const titles[] = {"ID"};
	const struct schedule_options *options = call->options;
	const char *params[] = {
		options->organization != NULL ? options->organization : ORGANIZATION_DEFAULT,
		call->words[0], call->words[1], options->timezone, options->project, options->repo,
		options->jitter, options->backfill};
	return verb_list(call,
		"select muster.schedule_add($1, $2, $3, $4, $5, $6, $7::integer, $8::integer)",
		G_N_ELEMENTS(params), params, titles, NULL);
}

static int schedule_list(const struct verb_call *call)
{
	static const char *const titles[] = {"ID", "ORGANIZATION", "KIND", "OF", "CRON", "TIMEZONE",
		"STATE", "NEXT", "LAST", "OUTCOME", "MESSAGE"};
	const struct schedule_options *options = call->options;
	const char *params[] = {options->organization};
	return verb_list(call,
		"select id, organization, kind, of, cron, timezone,"
		"       case when enabled then 'on' else 'off' end, muster.iso(next_at),"
		"       muster.iso(last_at), outcome, error"
		"  from muster.schedule_rows($1)",
		1, params, titles, NULL);
}

static int schedule_show(const struct verb_call *call)
{
	static const char *const titles[] = {"WHAT", "VALUE"};
	static const char *const ticks[] = {"DUE", "CAME", "OUTCOME", "JOBS", "MISSED", "REASON"};
	const char *params[] = {call->words[0]};
	int exit_code = verb_list(call,
		"select x.name, x.value from muster.schedule_find($1) s"
		"  join muster.schedule_rows() r on r.id = s.id,"
		"  lateral (values ('id', s.id::text), ('organization', r.organization),"
		"           ('kind', s.kind), ('of', r.of), ('cron', s.cron),"
		"           ('timezone', s.timezone), ('jitter', s.jitter_s || ' s'),"
		"           ('backfill', s.backfill_s || ' s'),"
		"           ('state', case when s.enabled then 'on' else 'off' end),"
		"           ('error', s.error)) x (name, value)"
		" where x.value is not null"
		" union all"
		" select 'next', n from muster.schedule_find($1) s,"
		"  jsonb_array_elements_text(muster.schedule_times(s)) n where s.enabled",
		1, params, titles, NULL);

	if (exit_code != EXIT_FINE)
		return exit_code;
	printf("\n");
	return verb_list(call,
		"select muster.iso(t.due_at), muster.iso(t.at), t.outcome, t.jobs, t.missed, t.reason"
		"  from muster.schedule_tick t"
		" where t.schedule_id = (muster.schedule_find($1)).id"
		" order by t.due_at desc limit 20",
		1, params, ticks, NULL);
}

static int change(const struct verb_call *call, const char *is_enabled)
{
	const struct schedule_options *options = call->options;
	const char *params[] = {call->words[0], options->cron, options->timezone, options->jitter,
		options->backfill, is_enabled};
	return verb_do(call,
		"select muster.schedule_change($1, $2, $3, $4::integer, $5::integer, $6::boolean)",
		G_N_ELEMENTS(params), params);
}

static int schedule_update(const struct verb_call *call)
{
	const struct schedule_options *options = call->options;

	if (options->cron == NULL && options->timezone == NULL && options->jitter == NULL &&
		options->backfill == NULL)
		return server_usage("update wants an option that says what");
	return change(call, NULL);
}

static int schedule_enable(const struct verb_call *call)
{
	return change(call, "true");
}

static int schedule_disable(const struct verb_call *call)
{
	return change(call, "false");
}

static int schedule_remove(const struct verb_call *call)
{
	const char *params[] = {call->words[0]};
	return verb_do(call, "select muster.schedule_act($1, 'remove')", 1, params);
}

static int schedule_run(const struct verb_call *call)
{
	const char *params[] = {call->words[0]};
	return verb_do(call, "select muster.schedule_act($1, 'run')", 1, params);
}

static int schedule_next(const struct verb_call *call)
{
	static const char *const titles[] = {"NEXT"};
	const struct schedule_options *options = call->options;
	const char *params[] = {call->words[0], options->timezone};
	return verb_list(call,
		"select jsonb_array_elements_text(muster.schedule_preview($1, $2) -> 'occurrences')",
		2, params, titles, NULL);
}

/* clang-format off */
static const struct verb verbs[] = {
	{ "add", 2, 2, schedule_add, FALSE },
	{ "disable", 1, 1, schedule_disable, FALSE },
	{ "enable", 1, 1, schedule_enable, FALSE },
	{ "list", 0, 0, schedule_list, TRUE },
	{ "next", 1, 1, schedule_next, TRUE },
	{ "remove", 1, 1, schedule_remove, FALSE },
	{ "run", 1, 1, schedule_run, FALSE },
	{ "show", 1, 1, schedule_show, FALSE },
	{ "update", 1, 1, schedule_update, FALSE },
};
/* clang-format on */

/*
 * Which options a verb takes: the first letters of organization, project, repo, cron, timezone,
 * jitter, backfill.
 */
static const char *const verb_options[][2] = {
	{"add", "oprtjb"}, {"list", "o"}, {"next", "t"}, {"update", "ctjb"}};

static gboolean options_fit(const struct schedule_options *options, const char *verb)
{
	const char *const values[] = {options->organization, options->project, options->repo,
		options->cron, options->timezone, options->jitter, options->backfill};
	const char *taken = "";

	for (gsize i = 0; i < G_N_ELEMENTS(verb_options); i++)
		if (!g_strcmp0(verb, verb_options[i][0]))
			taken = verb_options[i][1];
	for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
		if (values[i] != NULL && strchr(taken, "oprctjb"[i]) == NULL)
			return FALSE;
	return TRUE;
}

static gboolean is_number(const char *text)
{
	return text == NULL || g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT32, NULL, NULL);
}

int schedule_main(int argc, char **argv)
{
	g_auto(schedule_options) options = {0};
	const GOptionEntry entries[] = {
		{"organization", 0, 0, G_OPTION_ARG_STRING, &options.organization,
			"add: whose (default); list: only of this one", "SLUG"},
		{"project", 0, 0, G_OPTION_ARG_STRING, &options.project,
			"add: of this project alone", "SLUG"},
		{"repo", 0, 0, G_OPTION_ARG_STRING, &options.repo, "add: of this repository alone",
			"NAME"},
		{"cron", 0, 0, G_OPTION_ARG_STRING, &options.cron, "update: when", "CRON"},
		{"timezone", 0, 0, G_OPTION_ARG_STRING, &options.timezone,
			"whose clocks (UTC), as Europe/Berlin", "ZONE"},
		{"jitter", 0, 0, G_OPTION_ARG_STRING, &options.jitter,
			"later by a part of so many seconds", "SECONDS"},
		{"backfill", 0, 0, G_OPTION_ARG_STRING, &options.backfill,
			"make up for what was missed no longer ago", "SECONDS"},
		VERB_JSON(&options.is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start(
		"schedule list | add KIND CRON | show ID | update ID | enable ID | disable ID | "
		"remove ID | run ID | next CRON",
		entries, &argc, &argv, &exit_code);

	if (conf == NULL)
		return exit_code;
	if (!options_fit(&options, argc > 1 ? argv[1] : NULL))
		return server_usage("%s does not take one of these options; see --help",
			argc > 1 ? argv[1] : "a command without a verb");
	if (!is_number(options.jitter) || !is_number(options.backfill))
		return server_usage("--jitter and --backfill take a number of seconds");
	return verb_run(conf, verbs, G_N_ELEMENTS(verbs), &options, options.is_json, argc, argv);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "jobs/muster_server.h"
#include "jobs/verb.h"
#include "lib/exit.h"

struct job_options {
	char *state, *queue, *kind, *organization, *reason;
	gboolean is_json;
};

static void job_options_clear(struct job_options *options)
{
	g_free(options->state);
	g_free(options->queue);
	g_free(options->kind);
	g_free(options->organization);
	g_free(options->reason);
}
typedef struct job_options job_options;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(job_options, job_options_clear)

static int job_list(const struct verb_call *call)
{
	static const char *const titles[] = {"ID", "ORGANIZATION", "KIND", "KEY", "STATE", "WHEN",
		"HOST", "TRY", "PROGRESS", "MESSAGE"};
	const struct job_options *options = call->options;
	const char *params[] = {options->state, options->kind, options->organization};
	return verb_list(call,
		"select id, organization, kind, key, state, muster.iso(at), host, attempt, progress, message"
		"  from muster.job_rows($1, $2, $3)",
		G_N_ELEMENTS(params), params, titles, NULL);
}

static int job_show(const struct verb_call *call)
{
	static const char *const titles[] = {"WHAT", "VALUE"};
	static const char *const attempts[] = {
		"TRY", "OUTCOME", "HOST", "BEGAN", "ENDED", "EXIT", "CPU_MS", "RSS_KIB", "ERROR"};
	const char *params[] = {call->words[0]};
	int exit_code = verb_list(call,
		"select x.name, x.value from muster.job_find($1) j"
		"  join muster.organization o on o.id = j.organization_id"
		"  left join muster.job_kind k on k.name = j.kind,"
		"  lateral (values ('organization', o.slug), ('kind', j.kind), ('queue', k.queue),"
		"           ('key', j.key), ('state', j.state), ('priority', j.priority::text),"
		"           ('due', muster.iso(j.run_at)), ('run', j.run_id::text),"
		"           ('attempts', j.attempt || ' of ' || j.attempts_max),"
		"           ('progress', j.progress || ' %'), ('message', j.message),"
		"           ('waits because', muster.job_why(j.id))) x (name, value)"
		" where x.value is not null",
		1, params, titles, NULL);

	if (exit_code != EXIT_FINE)
		return exit_code;
	printf("\n");
	return verb_list(call,
		"select a.number, a.outcome, a.host, a.started_at, a.ended_at, a.exit_status, a.cpu_ms,"
		"       a.rss_kib, a.error"
		"  from jsonb_to_recordset(muster.job_attempts((muster.job_find($1)).id))"
		"       a (number integer, outcome text, host text, started_at text, ended_at text,"
		"          exit_status integer, cpu_ms bigint, rss_kib bigint, error text)",
		1, params, attempts, NULL);
}

static int job_log(const struct verb_call *call)
{
	static const char *const titles[] = {"TRY", "LINE"};
	const char *params[] = {call->words[0]};
	return verb_list(call,
		"select a.number, l.line"
		"  from jsonb_to_recordset(muster.job_attempts((muster.job_find($1)).id))"
		"       a (number integer, log text)"
		" cross join regexp_split_to_table(rtrim(a.log, E'\\n'), E'\\n') l (line)",
		1, params, titles, NULL);
}

static int job_cancel(const struct verb_call *call)
{
	const char *params[] = {call->words[0]};
	return verb_do(call, "select muster.job_act($1, 'cancel')", 1, params);
}

static int job_retry(const struct verb_call *call)
{
	const char *params[] = {call->words[0]};
	return verb_do(call, "select muster.job_act($1, 'retry')", 1, params);
}

static int job_redrive(const struct verb_call *call)
{
	static const char *const titles[] = {"QUEUED"};
	const struct job_options *options = call->options;
	const char *params[] = {options->kind, options->organization};
	return verb_list(call, "select muster.job_act_all($1, $2)", 2, params, titles, NULL);
}

static int hold(const struct verb_call *call, const char *is_held)
{
	const struct job_options *options = call->options;
	const char *params[] = {
		is_held, options->queue, options->kind, options->organization, options->reason};
	return verb_do(call, "select muster.job_hold($1::boolean, $2, $3, $4, $5)",
		G_N_ELEMENTS(params), params);
}

static int job_pause(const struct verb_call *call)
{
	return hold(call, "true");
}

static int job_resume(const struct verb_call *call)
{
	return hold(call, "false");
}

static int job_paused(const struct verb_call *call)
{
	static const char *const titles[] = {"QUEUE", "KIND", "ORGANIZATION", "SINCE", "REASON"};
	return verb_list(call,
		"select p.queue, p.kind, o.slug, muster.iso(p.created_at), p.reason"
		"  from muster.job_pause p left join muster.organization o on o.id = p.organization_id"
		" order by p.id",
		0, NULL, titles, NULL);
}

static int job_queues(const struct verb_call *call)
{
	static const char *const titles[] = {"QUEUE", "KIND", "WAIT", "PAUSED", "RUN", "OLDEST_S",
		"DONE", "DEAD", "P50_S", "P95_S", "P99_S"};
	return verb_list(call,
		"select k.queue, k.kind, k.queued, k.held, k.running, k.oldest_wait_s, k.done, k.dead,"
		"       (k.seconds ->> 'p50')::numeric, (k.seconds ->> 'p95')::numeric,"
		"       (k.seconds ->> 'p99')::numeric"
		"  from jsonb_to_recordset(muster.queue_figures(null, 1) -> 'kinds')"
		"       k (queue text, kind text, queued bigint, held bigint, running bigint,"
		"          oldest_wait_s bigint, done bigint, dead bigint, seconds jsonb)",
		0, NULL, titles, NULL);
}

static int job_workers(const struct verb_call *call)
{
	static const char *const titles[] = {
		"HOST", "PID", "STATE", "SLOTS", "QUEUES", "SINCE", "SEEN", "JOBS"};
	return verb_list(call,
		"select w.host, w.pid, w.state, w.slots,"
		"       (select string_agg(q, ' ' order by q) from jsonb_array_elements_text("
		"               case jsonb_typeof(w.queues) when 'array' then w.queues end) q),"
		"       w.started_at, w.seen_at,"
		"       (select string_agg(format('%s %s', j ->> 'id', j ->> 'kind'), ', ')"
		"          from jsonb_array_elements(w.jobs) j)"
		"  from jsonb_to_recordset(muster.worker_list() -> 'items')"
		"       w (host text, pid integer, state text, slots integer, queues jsonb,"
		"          started_at text, seen_at text, jobs jsonb)",
		0, NULL, titles, NULL);
}

/* clang-format off */
static const struct verb verbs[] = {
	{ "cancel", 1, 1, job_cancel, FALSE },
	{ "list", 0, 0, job_list, TRUE },
	{ "log", 1, 1, job_log, TRUE },
	{ "pause", 0, 0, job_pause, FALSE },
	{ "paused", 0, 0, job_paused, TRUE },
	{ "queues", 0, 0, job_queues, TRUE },
	{ "redrive", 0, 0, job_redrive, FALSE },
	{ "resume", 0, 0, job_resume, FALSE },
	{ "retry", 1, 1, job_retry, FALSE },
	{ "show", 1, 1, job_show, FALSE },
	{ "workers", 0, 0, job_workers, TRUE },
};
/* clang-format on */

/* Which options a verb takes: the first letters of state, queue, kind, organization, reason. */
static const char *const verb_options[][2] = {
	{"list", "sko"}, {"pause", "qkor"}, {"redrive", "ko"}, {"resume", "qko"}};

static gboolean options_fit(const struct job_options *options, const char *verb)
{
	const char *const values[] = {options->state, options->queue, options->kind,
		options->organization, options->reason};
	const char *taken = "";

	for (gsize i = 0; i < G_N_ELEMENTS(verb_options); i++)
		if (!g_strcmp0(verb, verb_options[i][0]))
			taken = verb_options[i][1];
	for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
		if (values[i] != NULL && strchr(taken, "sqkor"[i]) == NULL)
			return FALSE;
	return TRUE;
}

int job_main(int argc, char **argv)
{
	g_auto(job_options) options = {0};
	const GOptionEntry entries[] = {
		{"state", 0, 0, G_OPTION_ARG_STRING, &options.state,
			"list: queued, running, done, dead or cancelled", "STATE"},
		{"queue", 0, 0, G_OPTION_ARG_STRING, &options.queue, "pause, resume: this queue",
			"NAME"},
		{"kind", 0, 0, G_OPTION_ARG_STRING, &options.kind, "jobs of this kind alone",
			"KIND"},
		{"organization", 0, 0, G_OPTION_ARG_STRING, &options.organization,
			"jobs of this organization alone", "SLUG"},
		{"reason", 0, 0, G_OPTION_ARG_STRING, &options.reason,
			"pause: said to who asks why nothing is done", "TEXT"},
		VERB_JSON(&options.is_json), {NULL}};
	int exit_code;
	g_autoptr(conf) conf = server_start("job list | show ID | log ID | cancel ID | retry ID | "
					    "redrive | pause | paused | resume | queues | workers",
		entries, &argc, &argv, &exit_code);

	if (conf != NULL && !options_fit(&options, argc > 1 ? argv[1] : NULL))
		return server_usage("%s does not take one of these options; see --help",
			argc > 1 ? argv[1] : "a command without a verb");
	return conf == NULL ? exit_code
			    : verb_run(conf, verbs, G_N_ELEMENTS(verbs), &options, options.is_json,
				      argc, argv);
}

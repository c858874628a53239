/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/muster_server.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/json.h"
#include "lib/log.h"

/* Cron's minute. */
#define FOR_S 60
/*
 * database.timeout_ms is about people who wait for an answer. To queue the scans of 5 000
 * repositories takes half a minute on a busy machine. What is longer than a lease is done for
 * nothing if another host took the job meanwhile, so what is known to be large is given its time
 * (run_patience_begin()), and nobody's lock is waited for (jobs/run_queue.c).
 */
#define STATEMENT_MS 60000

static gboolean timeout_raise(struct conf *conf, GError **error)
{
	return conf_get_int(conf, "database.timeout_ms") >= STATEMENT_MS ||
	       conf_set(conf, "database.timeout_ms", G_STRINGIFY(STATEMENT_MS), error);
}

static const char *text_or_dash(json_object *object, const char *name)
{
	json_object *value = NULL;
	json_object_object_get_ex(object, name, &value);
	return value != NULL ? json_object_get_string(value) : "-";
}

static int status_print(const struct conf *conf, gboolean is_json)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(queue) queue = queue_open(conf, NULL, &error);
	g_autofree char *text = queue != NULL ? queue_status(queue, &error) : NULL;
	g_autoptr(json_object) status =
		text != NULL ? json_parse(text, strlen(text), &json_limits_report, &error) : NULL;
	json_object *jobs =
		json_get(status, "jobs", json_type_array, error == NULL ? &error : NULL);
	json_object *workers =
		json_get(status, "workers", json_type_array, error == NULL ? &error : NULL);

	if (error != NULL)
		return server_fail(error);
	if (is_json) {
		printf("%s\n", json_object_to_json_string_ext(status, JSON_C_TO_STRING_PRETTY));
		return EXIT_FINE;
	}
	printf("%-10s %-8s %-10s %-24s %5s %5s  %s\n", "JOB", "KIND", "STATE", "WHEN", "TRY", "%",
		"");
	for (gsize i = 0; i < json_object_array_length(jobs); i++) {
		json_object *job = json_object_array_get_idx(jobs, i);
		printf("%-10s %-8s %-10s %-24s %5s %5s  %s\n", text_or_dash(job, "id"),
			text_or_dash(job, "kind"), text_or_dash(job, "state"),
			text_or_dash(job, "at"), text_or_dash(job, "attempt"),
			text_or_dash(job, "progress"), text_or_dash(job, "message"));
	}
	for (gsize i = 0; i < json_object_array_length(workers); i++) {
		json_object *worker = json_object_array_get_idx(workers, i);
		json_object *minded = json_get(worker, "jobs", json_type_array, NULL);
		printf("runner %s on %s: %s, %zu of %s slots, since %s, seen %s\n",
			text_or_dash(worker, "pid"), text_or_dash(worker, "host"),
			text_or_dash(worker, "state"), json_object_array_length(minded),
			text_or_dash(worker, "slots"), text_or_dash(worker, "started_at"),
			text_or_dash(worker, "seen_at"));
	}
	printf("queued %s, running %s, done in the last hour %s, dead in the last day %s\n",
		text_or_dash(status, "queued"), text_or_dash(status, "running"),
		text_or_dash(status, "done"), text_or_dash(status, "dead"));
	return EXIT_FINE;
}

static gint name_compare(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Each once and in order, so that the same queues are the same set however they are written. */
static char *set_format(char **queues)
{
	g_autoptr(GString) set = g_string_new(NULL);
	guint n = g_strv_length(queues);

	qsort(queues, n, sizeof(*queues), name_compare);
	for (guint i = 0; i < n; i++)
		if (i == 0 || strcmp(queues[i], queues[i - 1]) != 0)
			g_string_append_printf(set, "%s%s", i > 0 ? "+" : "", queues[i]);
	return g_strdup(set->str);
}

static gboolean concurrency_set(struct conf *conf, int concurrency, GError **error)
{
	g_autofree char *text = g_strdup_printf("%d", concurrency);
	return concurrency == 0 || conf_set(conf, "job.concurrency", text, error);
}

/*
 * A key that our group may read is not our user's: other programs of that user shall not get at it
 * by looking into this process.
 */
static void key_guard(const struct conf *conf)
{
	struct stat st;

	if (stat(conf_get(conf, "secret.key_file"), &st) == 0 && st.st_uid != geteuid())
		prctl(PR_SET_DUMPABLE, 0);
}

int run_main(int argc, char **argv)
{
	gboolean once = FALSE, forever = FALSE, status = FALSE, is_json = FALSE;
	g_auto(GStrv) queues = NULL;
	g_autofree char *set = NULL;
	int for_s = 0, concurrency = 0, exit_code;
	const GOptionEntry entries[] = {
		{"once", 0, 0, G_OPTION_ARG_NONE, &once, "do what is due, then end", NULL},
		{"forever", 0, 0, G_OPTION_ARG_NONE, &forever, "stay until told to stop", NULL},
		{"for", 0, 0, G_OPTION_ARG_INT, &for_s, "claim jobs for so long (default: 60)",
			"SECONDS"},
		{"queue", 0, 0, G_OPTION_ARG_STRING_ARRAY, &queues,
			"take jobs from this queue alone (may be repeated)", "QUEUE"},
		{"concurrency", 0, 0, G_OPTION_ARG_INT, &concurrency,
			"so many jobs at once, instead of job.concurrency", "N"},
		{"status", 0, 0, G_OPTION_ARG_NONE, &status, "print the queue, and do nothing",
			NULL},
		{"json", 0, 0, G_OPTION_ARG_NONE, &is_json, "status: as JSON", NULL}, {NULL}};
	g_autoptr(conf) conf = server_start("run", entries, &argc, &argv, &exit_code);
	g_autoptr(GError) error = NULL;

	if (conf == NULL)
		return exit_code;
	if (argc > 1)
		return server_usage("'%s' is one word too many", argv[1]);
	for (char **name = queues; name != NULL && *name != NULL; name++)
		if (**name == '\0' || strchr(*name, '+') != NULL)
			return server_usage("there is no queue '%s'", *name);
	if (status && (queues != NULL || concurrency != 0))
		return server_usage("--status is of all queues");
	if (once + forever + status + (for_s != 0) > 1)
		return server_usage("--once, --forever, --for and --status exclude one another");
	if (is_json && !status)
		return server_usage("--json is for --status");
	if (for_s < 0)
		return server_usage("--for takes a number of seconds");
	if (concurrency < 0)
		return server_usage("--concurrency takes a number of jobs");
	if (status)
		return status_print(conf, is_json);
	key_guard(conf);
	set = queues != NULL ? set_format(queues) : NULL;
	struct runner runner = {
		.conf = conf,
		.set = set,
		.mode = once      ? RUNNER_MODE_ONCE
			: forever ? RUNNER_MODE_FOREVER
				  : RUNNER_MODE_FOR,
		.for_s = for_s > 0 ? for_s : FOR_S,
	};
	exit_code = timeout_raise(conf, &error) && concurrency_set(conf, concurrency, &error)
			    ? runner_run(&runner, &error)
			    : EXIT_OTHER;
	return error != NULL ? server_fail(error) : exit_code;
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/run.h"

#include <stdio.h>
#include <string.h>

#include "jobs/muster_server.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/json.h"
#include "lib/log.h"

/* Cron's minute. */
#define FOR_S 60
/*
 * database.timeout_ms is about people who wait for an answer. Storing a report of 10 000
 * repositories (28 MB) takes some seconds, on a busy machine many.
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

static int status_print(const struct conf *conf)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(queue) queue = queue_open(conf, &error);
	g_autofree char *text = queue != NULL ? queue_status(queue, &error) : NULL;
	g_autoptr(json_object) status =
		text != NULL ? json_parse(text, strlen(text), &json_limits_report, &error) : NULL;
	json_object *jobs =
		json_get(status, "jobs", json_type_array, error == NULL ? &error : NULL);

	if (error != NULL)
		return server_fail(error);
	printf("%-10s %-8s %-10s %-20s %5s %5s  %s\n", "JOB", "KIND", "STATE", "WHEN", "TRY", "%",
		"");
	for (gsize i = 0; i < json_object_array_length(jobs); i++) {
		json_object *job = json_object_array_get_idx(jobs, i);
		printf("%-10s %-8s %-10s %-20s %5s %5s  %s\n", text_or_dash(job, "id"),
			text_or_dash(job, "kind"), text_or_dash(job, "state"),
			text_or_dash(job, "at"), text_or_dash(job, "attempt"),
			text_or_dash(job, "progress"), text_or_dash(job, "message"));
	}
	printf("queued %s, running %s, done in the last hour %s, dead in the last day %s\n",
		text_or_dash(status, "queued"), text_or_dash(status, "running"),
		text_or_dash(status, "done"), text_or_dash(status, "dead"));
	return EXIT_FINE;
}

int run_main(int argc, char **argv)
{
	gboolean once = FALSE, forever = FALSE, status = FALSE;
	int for_s = 0, exit_code;
	const GOptionEntry entries[] = {
		{"once", 0, 0, G_OPTION_ARG_NONE, &once, "do what is due, then end", NULL},
		{"forever", 0, 0, G_OPTION_ARG_NONE, &forever, "stay until told to stop", NULL},
		{"for", 0, 0, G_OPTION_ARG_INT, &for_s, "claim jobs for so long (default: 60)",
			"SECONDS"},
		{"status", 0, 0, G_OPTION_ARG_NONE, &status, "print the queue, and do nothing",
			NULL},
		{NULL}};
	g_autoptr(conf) conf = server_start("run", entries, &argc, &argv, &exit_code);
	g_autoptr(GError) error = NULL;

	if (conf == NULL)
		return exit_code;
	if (argc > 1)
		return server_usage("'%s' is one word too many", argv[1]);
	if (once + forever + status + (for_s != 0) > 1)
		return server_usage("--once, --forever, --for and --status exclude one another");
	if (for_s < 0)
		return server_usage("--for takes a number of seconds");
	if (status)
		return status_print(conf);
	struct runner runner = {
		.conf = conf,
		.mode = once      ? RUNNER_MODE_ONCE
			: forever ? RUNNER_MODE_FOREVER
				  : RUNNER_MODE_FOR,
		.for_s = for_s > 0 ? for_s : FOR_S,
	};
	exit_code = timeout_raise(conf, &error) ? runner_run(&runner, &error) : EXIT_OTHER;
	return error != NULL ? server_fail(error) : exit_code;
}

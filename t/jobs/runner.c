/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "jobs/muster_server.h"
#include "jobs/repo_clone.h"
#include "jobs/run_helper.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "t/jobs/runner_escape.h"

/*
 * The runner with kinds of job that misbehave, for t/jobs/run*.t and t/chaos. The product's program
 * has none of them.
 */

#define MIB ((gint64)1024 * 1024)

extern char **environ;

static gint64 number_get(json_object *params, const char *name)
{
	json_object *number = json_get(params, name, json_type_int, NULL);
	return number != NULL ? json_object_get_int64(number) : 0;
}

/* {"ms": how long, "say": a line at its beginning}; five steps of progress. */
static char *sleep_run(struct job_child *child, json_object *params, GError **error)
{
	gint64 ms = number_get(params, "ms"), from_us = g_get_real_time();
	const char *line = json_get_text(params, "say", NULL);

	if (line != NULL)
		job_child_log(child, line);
	for (int step = 0; step < 5; step++) {
		job_child_progress(child, step * 20, "sleeping");
		g_usleep((gulong)ms * 1000 / 5);
	}
	return g_strdup_printf("{\"from_us\":%" G_GINT64_FORMAT ",\"to_us\":%" G_GINT64_FORMAT "}",
		from_us, g_get_real_time());
}

/* {"lines": how many}: four steps and so many lines, as fast as it can. */
static char *talk_run(struct job_child *child, json_object *params, GError **error)
{
	static const char *const steps[] = {"first", "second", "third", "fourth"};

	for (gsize i = 0; i < G_N_ELEMENTS(steps); i++)
		job_child_step(child, (int)(i + 1) * 20, steps[i]);
	for (gint64 i = 0; i < number_get(params, "lines"); i++) {
		g_autofree char *line = g_strdup_printf("line %" G_GINT64_FORMAT, i);
		job_child_log(child, line);
	}
	return g_strdup("{}");
}

/* A row in the statement that completes it: table public.effect of Muster::Test::Chaos. */
static gboolean mark_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	record->sql = "with known as (insert into public.effect (job_id) select $1::bigint"
		      " where muster.job_usage($1::bigint, $2::uuid, $3::jsonb) returning 1)"
		      " select case when exists (select from known)"
		      " then muster.job_complete($1::bigint, $2::uuid, $4::jsonb) else false end";
	record->params[0] = g_strdup(g_bytes_get_data(result, NULL));
	record->n_params = 1;
	return TRUE;
}

/* When it was entered. */
static char *stamp_run(struct job_child *child, json_object *params, GError **error)
{
	return g_strdup_printf("{\"us\":%" G_GINT64_FORMAT "}", g_get_real_time());
}

/* Hears no SIGTERM. */
static char *hang_run(struct job_child *child, json_object *params, GError **error)
{
	signal(SIGTERM, SIG_IGN);
	while (pause() != 0)
		;
	return NULL;
}

/* Hears SIGTERM, as every program does that says nothing else. */
static char *obey_run(struct job_child *child, json_object *params, GError **error)
{
	while (pause() != 0)
		;
	return NULL;
}

/* Ends when there is a file of that name. */
static char *gate_run(struct job_child *child, json_object *params, GError **error)
{
	const char *path = json_get_text(params, "file", error);
	gint64 from_us = g_get_real_time();

	while (access(path, F_OK) != 0)
		g_usleep(20000);
	return g_strdup_printf("{\"from_us\":%" G_GINT64_FORMAT ",\"to_us\":%" G_GINT64_FORMAT "}",
		from_us, g_get_real_time());
}

/* {"url", "file", "port"}: as the product clones, into file; with a port of this machine, for a second. */
static char *clone_run(struct job_child *child, json_object *params, GError **error)
{
	const char *url = json_get_text(params, "url", error);
	const char *file = json_get_text(params, "file", error);
	g_autofree char *port = g_strdup(json_get_text(params, "port", NULL));
	char *addresses[] = {(char *)"127.0.0.1", NULL};
	const struct repo_peer peer = {(char *)"localhost", port, addresses, 0};
	gboolean ok = port != NULL ? repo_clone_foreign(url, file, &peer, 1, error)
				   : repo_clone_mirror(url, file, 60, NULL, error);

	return ok ? g_strdup("{}") : NULL;
}

static char *crash_run(struct job_child *child, json_object *params, GError **error)
{
	raise(SIGKILL);
	return NULL;
}

/* {"final": whether it is of no use to try again} */
static char *fail_run(struct job_child *child, json_object *params, GError **error)
{
	json_object *final = json_get(params, "final", json_type_boolean, NULL);
	g_set_error(error, MUSTER_ERROR,
		json_object_get_boolean(final) ? MUSTER_ERROR_INPUT : MUSTER_ERROR_IO,
		"it went wrong, as it was asked to");
	return NULL;
}

/* Leaves a process behind that has left the group, and tells its number in a file. */
static char *orphan_run(struct job_child *child, json_object *params, GError **error)
{
	const char *path = json_get_text(params, "file", error);
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		for (;;)
			pause();
	}
	g_autofree char *text = g_strdup_printf("%d", (int)pid);
	g_file_set_contents(path, text, -1, NULL);
	return g_strdup("{}");
}

/* Writes what is no frame where its frames go. */
static char *garbage_run(struct job_child *child, json_object *params, GError **error)
{
	const char *bytes = json_get_text(params, "bytes", error);
	g_autofree guchar *raw = NULL;
	gsize len;

	raw = g_base64_decode(bytes, &len);
	if (write(4, raw, len) < 0)
		return NULL;
	while (pause() != 0)
		;
	return NULL;
}

/* {"bytes": how many} of a string as its result. */
static char *large_run(struct job_child *child, json_object *params, GError **error)
{
	gsize len = (gsize)number_get(params, "bytes");
	char *text = g_malloc(len + 1);

	memset(text, 'x', len);
	memcpy(text, "{\"x\":\"", 6);
	memcpy(text + len - 2, "\"}", 3);
	return text;
}

static gint64 limit_get(int resource)
{
	struct rlimit limit = {0, 0};
	getrlimit(resource, &limit);
	return limit.rlim_cur == RLIM_INFINITY ? -1 : (gint64)limit.rlim_cur;
}

/* The folder of parameter "file". */
static void file_confine(json_object *params, struct sandbox *sandbox)
{
	g_autofree char *folder = g_path_get_dirname(json_get_text(params, "file", NULL));
	sandbox_add_write(sandbox, folder);
}

/* What a child can see of the world it came from. */
static char *look_run(struct job_child *child, json_object *params, GError **error)
{
	json_object *seen = json_object_new_object();
	json_object *names = json_object_new_array(), *files = json_object_new_array();
	DIR *dir = opendir("/proc/self/fd");

	for (char **name = environ; *name != NULL; name++)
		json_object_array_add(names, json_object_new_string(*name));
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		char target[4096] = "";
		if (atoi(entry->d_name) == dirfd(dir) || entry->d_name[0] == '.' ||
			readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1) < 0)
			continue;
		g_autofree char *text = g_strdup_printf("%s=%s", entry->d_name, target);
		json_object_array_add(files, json_object_new_string(text));
	}
	closedir(dir);
	json_object_object_add(seen, "environment", names);
	json_object_object_add(seen, "files", files);
	json_object_object_add(seen, "core", json_object_new_int64(limit_get(RLIMIT_CORE)));
	json_object_object_add(seen, "nofile", json_object_new_int64(limit_get(RLIMIT_NOFILE)));
	json_object_object_add(seen, "cpu", json_object_new_int64(limit_get(RLIMIT_CPU)));
	json_object_object_add(seen, "inet", json_object_new_int(socket(AF_INET, SOCK_STREAM, 0)));
	json_object_object_add(seen, "leader", json_object_new_boolean(getsid(0) == getpid()));
	json_object_object_add(seen, "params", json_object_get(params));
	char *text = g_strdup(json_object_to_json_string(seen));
	json_object_put(seen);
	return text;
}

/* Takes its time to be stored. */
static gboolean slow_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	record->sql = "select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
		      " then length(pg_sleep(1.5)::text) = 0 and length($4) > 0"
		      " and muster.job_complete($1::bigint, $2::uuid) else false end";
	record->params[0] = g_strdup(g_bytes_get_data(result, NULL));
	record->n_params = 1;
	return TRUE;
}

#define LIMITS                                                                                     \
	.queue = "test", .help = "for a test", .soft_s = 60, .hard_s = 70, .cpu_s = 60,            \
	.memory_bytes = 256 * MIB, .files = 64, .result_max_bytes = MIB

/* clang-format off */
const struct job_kind job_kinds[] = {
	{ .name = "sleep", LIMITS, .run = sleep_run },
	{ .name = "apart", .queue = "apart", .help = "for a test", .soft_s = 60, .hard_s = 70, .cpu_s = 60, .memory_bytes = 256 * MIB,
	  .files = 64, .result_max_bytes = MIB, .run = sleep_run },
	{ .name = "mark", LIMITS, .run = sleep_run, .record = mark_record },
	{ .name = "hang", .queue = "test", .help = "for a test", .soft_s = 1, .hard_s = 2, .cpu_s = 60, .memory_bytes = 256 * MIB, .files = 64,
	  .result_max_bytes = MIB, .run = hang_run },
	{ .name = "obey", .queue = "test", .help = "for a test", .soft_s = 1, .hard_s = 600, .cpu_s = 60, .memory_bytes = 256 * MIB, .files = 64,
	  .result_max_bytes = MIB, .run = obey_run },
	{ .name = "gate", .queue = "test", .help = "for a test", .soft_s = 600, .hard_s = 600, .cpu_s = 600, .memory_bytes = 256 * MIB,
	  .files = 64, .result_max_bytes = MIB, .confine = file_confine, .run = gate_run },
	{ .name = "crash", LIMITS, .run = crash_run },
	{ .name = "fail", LIMITS, .attempts = 2, .backoff_s = 100, .run = fail_run },
	{ .name = "orphan", LIMITS, .may_execute = TRUE, .confine = file_confine, .run = orphan_run },
	{ .name = "garbage", LIMITS, .run = garbage_run },
	{ .name = "large", LIMITS, .run = large_run },
	{ .name = "slow", .queue = "test", .help = "for a test", .soft_s = 60, .hard_s = 70, .cpu_s = 60, .memory_bytes = 256 * MIB, .files = 64,
	  .result_max_bytes = 4 * MIB, .run = large_run, .record = slow_record },
	{ .name = "reach", LIMITS, .confine = file_confine, .run = escape_reach_run },
	{ .name = "connect", LIMITS, .may_connect = TRUE, .may_execute = TRUE, .confine = file_confine, .run = escape_connect_run },
	{ .name = "clone", LIMITS, .disk_bytes = 16 * MIB, .may_connect = TRUE, .may_execute = TRUE, .confine = file_confine,
	  .run = clone_run },
	{ .name = "flood", LIMITS, .run = escape_flood_run },
	{ .name = "bomb", .queue = "test", .help = "for a test", .soft_s = 60, .hard_s = 70, .cpu_s = 60, .memory_bytes = 4096 * MIB,
	  .files = 64, .result_max_bytes = MIB, .may_execute = TRUE, .run = escape_bomb_run },
	{ .name = "threads", LIMITS, .run = escape_threads_run },
	{ .name = "memory", LIMITS, .run = escape_memory_run },
	{ .name = "allocate", LIMITS, .run = escape_allocate_run },
	{ .name = "share", LIMITS, .may_execute = TRUE, .run = escape_share_run },
	{ .name = "disk", LIMITS, .disk_bytes = 16 * MIB, .confine = file_confine, .run = escape_disk_run },
	{ .name = "stamp", LIMITS, .run = stamp_run },
	{ .name = "look", LIMITS, .run = look_run },
	{ .name = "talk", LIMITS, .run = talk_run },
	{ .name = "nothing", .queue = "database", .backoff_s = 30, .help = "for a test" },
};
/* clang-format on */

const gsize job_kinds_len = G_N_ELEMENTS(job_kinds);

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "job-helper"))
		return helper_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "run"))
		return run_main(argc - 1, argv + 1);
	return EXIT_USAGE;
}

/* SPDX-License-Identifier: MIT */
#ifndef JOBS_JOB_KINDS_H
#define JOBS_JOB_KINDS_H

#include <glib.h>

#include "jobs/run_sandbox.h"
#include "lib/conf.h"
#include "lib/json.h"

/*
 * The kinds of job: one row each (jobs/job_kinds.c), the same names as in column job.kind. A new
 * kind is a row there and a file job_<kind>.c with up to seven functions:
 *
 *	warm, make	the helper	loads, and makes, what the children of a kind share
 *	prepare	runner		adds to the parameters what the child needs of the configuration
 *	confine	the child	names the files that the child may still reach
 *	run	the child	does the work: no database, no keys, limits on everything
 *	store	runner		keeps the result in files, once it is known to be ours to keep
 *	record	runner		says what is written to the database in the completing statement
 *
 * What the child returns is foreign to the runner: checked as JSON and for size before store and
 * record see it, and they believe nothing else of it.
 */

/* A job's process, as `run` sees it. */
struct job_child;

/*
 * percent 0 to 100; message may be NULL. Sent at most ten times a second, the last one always; the
 * runner passes on four.
 */
void job_child_progress(struct job_child *child, int percent, const char *message);

/*
 * The same for one of the few steps of a job that people and programs wait for: none is left out.
 */
void job_child_step(struct job_child *child, int percent, const char *message);

/* The same for a job that counts things: "17 of 40: name", and a bar for who waits at a terminal. */
void job_child_count(struct job_child *child, guint done, guint total, const char *name);

/*
 * A line for the runner's log and the run's; text is cut at 500 bytes, and after 100 lines nothing
 * is sent.
 */
void job_child_log(struct job_child *child, const char *text);

/*
 * Parameters of the completing statement behind $1 (job), $2 (lease) and $3 (what it took, for
 * job_usage(), which answers whether the lease is ours).
 */
#define JOB_RECORD_PARAMS_MAX 6
struct job_record;
typedef struct job_record job_record;
struct job_record {
	const char *sql; /* a constant; returns one boolean: FALSE when the lease is lost */
	guint n_params;
	char *params[JOB_RECORD_PARAMS_MAX]; /* NULL is SQL's null */
};
void job_record_clear(struct job_record *record);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(job_record, job_record_clear)

/* What the helper is told of the configuration. */
struct job_helper_conf {
	const char *state; /* paths.state */
	const char *rules; /* scan.rules */
};

struct job_kind {
	const char *name;
	const char *queue;      /* what is paused, watched and served together */
	guint concurrency;      /* at once on all hosts; 0: as many as there is room for */
	guint attempts;         /* how often it is tried, unless who adds it says so; 0: 5 times */
	guint backoff_s;        /* after the first failure, doubled after each other; 0: 2 s */
	guint soft_s, hard_s;   /* SIGTERM, SIGKILL to the child's group; no 0 */
	guint cpu_s;            /* of one process, all threads together */
	gint64 memory_bytes;    /* of one process, and of all of them together */
	gint64 disk_bytes;      /* of one file, and written by all; 0: 1 GiB */
	guint files;            /* open descriptors */
	gsize result_max_bytes; /* of the result's JSON */

	/*
	 * warm: within milliseconds, before a child is forked; FALSE: asked again for the next one.
	 * make: then, in a process of its own, beside the child, which goes without. NULL: nothing
	 * is shared.
	 */
	gboolean (*warm)(const struct job_helper_conf *conf);
	void (*make)(const struct job_helper_conf *conf);
	/* payload is the job row's, and becomes the child's parameters. NULL: as it is. */
	gboolean (*prepare)(const struct conf *conf, json_object *payload, GError **error);
	gboolean may_connect, may_execute; /* sockets; other programs */
	/* payload gets what job_login() answers as "login", for prepare; the child's end forgets it. */
	gboolean has_login;
	/* NULL: no file but those that every program needs. */
	void (*confine)(json_object *params, struct sandbox *sandbox);
	/*
	 * The result's JSON, freed by the caller. An error of code INPUT, MISSING or
	 * CONFLICT is not retried.
	 * NULL: the database does it, a piece at a time (sql/api/job_step.sql); there is
	 * no child, and of all this the first five and help hold.
	 */
	char *(*run)(struct job_child *child, json_object *params, GError **error);
	/* NULL: nothing is kept in files. May be called again with the same result. */
	gboolean (*store)(
		const struct conf *conf, json_object *payload, GBytes *result, GError **error);
	/* NULL: the result itself, at most 64 KiB, goes into the job's row. */
	gboolean (*record)(
		json_object *payload, GBytes *result, struct job_record *record, GError **error);
	const char *help;
};

extern const struct job_kind job_kinds[];
extern const gsize job_kinds_len;

const struct job_kind *job_kind_find(const char *name);
gint64 job_kind_disk_bytes(const struct job_kind *kind);

/* Lets the sandbox read what a person told git about line endings and files to leave out. */
void job_git_config_allow(struct sandbox *sandbox);

/* jobs/job_audit.c */
gboolean job_audit_prepare(const struct conf *conf, json_object *payload, GError **error);
void job_audit_confine(json_object *params, struct sandbox *sandbox);
char *job_audit_run(struct job_child *child, json_object *params, GError **error);
gboolean job_audit_store(
	const struct conf *conf, json_object *payload, GBytes *result, GError **error);
gboolean job_audit_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error);

/* jobs/job_clone.c */
gboolean job_clone_prepare(const struct conf *conf, json_object *payload, GError **error);
void job_clone_confine(json_object *params, struct sandbox *sandbox);
char *job_clone_run(struct job_child *child, json_object *params, GError **error);
gboolean job_clone_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error);

/* The folder of its mirror, for a payload with both ids; the mirror in it has that name. */
#define JOB_MIRROR_NAME "mirror.git"
char *job_mirror_folder(const struct conf *conf, json_object *payload, GError **error);

gboolean job_fetch_prepare(const struct conf *conf, json_object *payload, GError **error);
gboolean job_fetch_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error);
void job_fetch_confine(json_object *params, struct sandbox *sandbox);
char *job_fetch_run(struct job_child *child, json_object *params, GError **error);

/* jobs/job_reconcile.c */
gboolean job_reconcile_prepare(const struct conf *conf, json_object *payload, GError **error);
void job_reconcile_confine(json_object *params, struct sandbox *sandbox);
char *job_reconcile_run(struct job_child *child, json_object *params, GError **error);
gboolean job_reconcile_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error);

/* jobs/job_remediate.c */
gboolean job_remediate_prepare(const struct conf *conf, json_object *payload, GError **error);
void job_remediate_confine(json_object *params, struct sandbox *sandbox);
char *job_remediate_run(struct job_child *child, json_object *params, GError **error);
gboolean job_remediate_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error);

/* jobs/job_scan.c */
gboolean job_scan_warm(const struct job_helper_conf *conf);
void job_scan_make(const struct job_helper_conf *conf);
gboolean job_scan_prepare(const struct conf *conf, json_object *payload, GError **error);
void job_scan_confine(json_object *params, struct sandbox *sandbox);
char *job_scan_run(struct job_child *child, json_object *params, GError **error);
gboolean job_scan_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_JOB_H
#define MUSTER_JOBS_SCAN_JOB_H

#include <glib.h>

#include "jobs/git/refs.h"
#include "jobs/scan/depot.h"
#include "jobs/scan/finding_make.h"
#include "jobs/scan/ignore.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/scan.h"
#include "jobs/scan_flags.h"
#include "lib/conf.h"

/*
 * One run of `muster scan`: what its sources share. A source reads one thing (the history of a
 * repository, some files, a stream), adds a target and its findings to the report, and fails only
 * when nothing at all could be read; what could not be read in part is said in the target.
 *
 * The matcher is made when the first source needs one: a repository that has not changed since the
 * last scan needs none, and that is why it takes milliseconds.
 */

struct scan_meter;

/* What a run is given by its program; all of it is borrowed. */
struct scan_job_setup {
	const char *state_folder; /* what is known of repositories; NULL: nothing is kept */
	const char *sieve_folder; /* what was compiled of rules */
	/* Both made already, or neither: then they are made, by the flags. */
	struct rule_set *rules;
	struct matcher *matcher;
	const struct secret_key *key; /* NULL: no secret_id */
	/* A sentence for who waits, in quoted form. */
	void (*say)(const char *text, gpointer data);
	gpointer data;
};

struct scan_job {
	const struct scan_flags *flags;
	struct scan_job_setup setup;
	const struct conf *conf; /* of who searches folders for repositories */
	struct rule_set *rules;
	struct finding_report *report;
	struct finding_maker *maker;
	struct ignore_set *ignores;
	GHashTable *ignore_files; /* char *: read already, for another path of the same run */
	struct scan_progress progress;
	guint n_problems; /* of reading, told or not */
	const gint *stop; /* not 0: somebody wants it to end, at once and without a report */
	struct scan_meter *meter;
	char *engine; /* all that decides what is found, beside the rules */
	char *said;   /* what was said of a state last: a thousand of them say the same but once */
	struct matcher *matcher;
	GThread *loading;       /* gives the matcher, or NULL: it is to be made */
	struct gitconfig *user; /* the person's git configuration: ignore files */
};
typedef struct scan_job ScanJob; /* for g_auto */

/* Errors: MUSTER_ERROR_INPUT, _MISSING, _IO: rules. */
gboolean scan_job_init(struct scan_job *job, const struct scan_flags *flags,
	const struct scan_job_setup *setup, GError **error);
void scan_job_clear(struct scan_job *job);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ScanJob, scan_job_clear)

gboolean scan_job_is_stopped(const struct scan_job *job);

/* Tells who waits; what comes from outside may be in it. */
void scan_job_say(struct scan_job *job, const char *text);
/*
 * When all sources were read: the findings are named, what files ignore is set apart, and they are
 * in order. Errors: of a baseline.
 */
gboolean scan_job_finish(struct scan_job *job, GError **error);

/* matcher_new() of these rules, which says so when it takes seconds. */
struct matcher *scan_job_compile(
	struct scan_job *job, const struct rule_set *rules, GError **error);
/*
 * It will be needed, most likely: what was compiled earlier is loaded in a thread of its own. Until
 * somebody asks for it the rules are only read.
 */
void scan_job_matcher_begin(struct scan_job *job);
/* Of all rules, made once. Borrowed; NULL with an error. */
struct matcher *scan_job_matcher(struct scan_job *job, GError **error);
enum scan_job_kind {
	SCAN_JOB_PLAIN,
	SCAN_JOB_ARCHIVES, /* lists archives, if they are asked for */
	SCAN_JOB_BINARY,   /* the middle of something that is text: it is not looked at again */
};
/* A scan with the flags' limits. NULL with an error. */
struct scan *scan_job_scan(struct scan_job *job, struct matcher *matcher,
	struct secret_table *secrets, enum scan_job_kind kind, GError **error);

/* "a.zip" and "b/c" -> "a.zip!b/c", and "a.zip" for "". Freed by the caller. */
char *scan_job_inner_path(const char *path, const char *inner);

/* Says which rules gave up, if any did; NULL: none was used. */
void scan_job_gave_up(
	struct scan_job *job, const struct matcher *matcher, const struct rule_set *rules);

/* A new target at the end of the report; borrowed until the next one. */
struct finding_target *scan_job_target(struct scan_job *job, const char *name, const char *kind);
/* A sentence: standard error, the report, and the scan is not whole. */
void scan_job_problem(struct scan_job *job, const char *name, const char *text);
/*
 * Digests of these secrets (guint32 each), counted for the report; as finding_digest_all(), all
 * zero where the time was over.
 */
gboolean scan_job_digests(struct scan_job *job, struct secret_table *secrets, const GArray *numbers,
	struct finding_digest *digests, GError **error);
/* Secrets that were found when the time was over, and could not be named any more. */
void scan_job_untold(struct scan_job *job, struct finding_target *target, gsize n);
/* So many more were not read. */
void scan_job_gap(struct finding_target *target, enum scan_gap_reason reason, guint64 n);
/* One of these was not asked for. */
void scan_job_gap_forgive(struct finding_target *target, enum scan_gap_reason reason);
/* Takes over what the scan says of itself. */
void scan_job_coverage(
	struct scan_job *job, struct finding_target *target, const struct scan_coverage *coverage);

/* "3.52 AKIA********": entropy and the secret as it is shown, for a state. Freed by the caller. */
char *scan_job_mask(const struct scan_job *job, const guint8 *secret, gsize len);
/* The two halves of it again. */
const char *scan_job_unmask(const char *masked, double *entropy);

/* Files that say what to ignore, of a repository's folder (or any); missing ones are no error. */
void scan_job_ignores_load(struct scan_job *job, const char *folder, const char *repository);
/* The same from the tree of a commit: a repository without a working tree. */
void scan_job_ignores_read(struct scan_job *job, const struct repo *repo, const struct oid *commit,
	const char *repository);

/* One of any name; its mistakes are said. repository NULL: of all. */
gboolean scan_job_ignores_add(struct scan_job *job, enum finding_ignore kind, const char *source,
	const char *text, gsize len, const char *repository, GError **error);

/* Sources. name is what the report calls it. */

/*
 * Whether a scan of the repository's history is one of this branch and this commit (NULL: of any).
 * Errors: MUSTER_ERROR_MISSING, and as repo_open().
 */
gboolean scan_check(struct scan_job *job, const char *path, const char *branch, const char *commit,
	GError **error);
/* History of a repository, by its flags. */
gboolean scan_history(struct scan_job *job, const char *path, const char *name, GError **error);
/* What a push adds: lines "old new ref" on standard input, the repository of the environment. */
gboolean scan_push(struct scan_job *job, GError **error);
/* Files as they lie below a folder, in a repository or not; or one file. */
gboolean scan_files(struct scan_job *job, const char *path, const char *name, GError **error);
/* What the next commit would add. */
gboolean scan_staged(struct scan_job *job, const char *path, const char *name, GError **error);
gboolean scan_stdin(struct scan_job *job, GError **error);
/* Clones into a folder of ours, scans its history, and removes the clone. */
gboolean scan_url(struct scan_job *job, const char *url, GError **error);

/* Items that are in memory or on disk, for the last four. */
struct scan_items_source {
	guint32 n;
	const char *(*path)(gpointer data, guint32 item); /* relative to the target */
	/* Brings the bytes, also a second time, for the sample of what was found in it. */
	scan_item_func get;
	const struct oid *(*oid)(gpointer data, guint32 item); /* NULL: made from the bytes */
	gpointer data;
};
gboolean scan_items_run(struct scan_job *job, const struct scan_items_source *source,
	const char *name, const char *kind, const char *repository, GError **error);

/*
 * A stream of any length in parts, lines and ids as if it were one file. read_more appends to the
 * buffer what fits a part, FALSE: that was the end.
 */
typedef gboolean (*scan_read_func)(gpointer data, GByteArray *buffer);
gboolean scan_items_stream(struct scan_job *job, const char *name, const char *kind,
	const char *path, scan_read_func read_more, gpointer data, GError **error);

/* The bar on standard error; a thread that looks at the progress, and ends what takes too long. */
struct scan_meter *scan_meter_new(struct scan_progress *progress, guint timeout_s);
/* Returns the title before, freed by the caller. */
char *scan_meter_title(struct scan_meter *meter, const char *title);
/* Shows this sentence instead, until NULL. */
void scan_meter_say(struct scan_meter *meter, const char *text);
void scan_meter_free(struct scan_meter *meter);
gboolean scan_meter_is_over(const struct scan_meter *meter); /* the time was */

#endif

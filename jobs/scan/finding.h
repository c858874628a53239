/* SPDX-License-Identifier: MIT */
/*
 * A finding: one secret at one path, as a person and every format of output see it. The same
 * secret in a hundred versions of a file is one finding with a hundred occurrences; another secret
 * on the same line is another finding.
 *
 * Two ids, both in hex. location_id is the same on every machine, at every depth of a clone and in
 * every installation; baselines and ignore files name it. secret_id joins the findings of one
 * secret over paths and repositories; it exists only where there is a key, for without one it
 * could be guessed at. jobs/scan/finding_id.h has what they are made of.
 *
 * Secrets: `secret`, `sample` and `message` hold the secret only when the report was made to show
 * them; else the secret is masked before it comes here, and no writer can undo that.
 *
 * Strings are bytes as the repository has them (a path need not be UTF-8): writers quote them with
 * lib/quote.h. Ownership: a report owns its findings and every string in them; rules are borrowed.
 *
 *	g_autoptr(FindingReport) report = finding_report_new(rules);
 *	struct finding *f = finding_report_add(report);
 *	f->path = finding_report_text(report, "src/a.c", -1);
 */
#ifndef MUSTER_JOBS_SCAN_FINDING_H
#define MUSTER_JOBS_SCAN_FINDING_H

#include <glib.h>

#include "lib/oid.h"
#include "lib/severity.h"

#define FINDING_ID_HEX 32       /* 128 bits */
#define FINDING_REFS_MAX 20     /* refs listed; refs_total has how many there are */
#define FINDING_PATHS_MAX 20    /* other paths listed */
#define FINDING_PLACES_MAX 1000 /* occurrences listed; places_total has how many there are */

struct rule;
struct rule_set;

/* One occurrence: a place in one version of the file. Both from 1, columns in bytes. */
struct finding_place {
	struct oid blob; /* all zero for a file that is in no repository */
	guint32 line, column, end_line, end_column;
	gboolean is_marked; /* a comment on its line asks to ignore it */
};

struct finding_commit {
	char oid[OID_HEX + 1];      /* "" when there is none, or nobody knows */
	const char *author, *email; /* as in the commit; NULL when unknown */
	gint64 time;                /* of the author, seconds since 1970 */
	gint32 offset_min;          /* of the author's clock */
	const char *message;        /* the whole text, secrets masked; NULL unless asked for */
};

/* Why a finding is not counted. */
enum finding_ignore {
	FINDING_IGNORE_UNSET,    /* it is */
	FINDING_IGNORE_MARK,     /* a comment beside it */
	FINDING_IGNORE_FILE,     /* .musterignore */
	FINDING_IGNORE_GITLEAKS, /* .gitleaksignore */
	FINDING_IGNORE_BASELINE, /* it is in the baseline */
};

/* Where the secret is now. */
enum finding_status {
	FINDING_STATUS_UNSET,
	FINDING_STATUS_PRESENT, /* some ref leads to it, or the file holds it */
	FINDING_STATUS_REMOVED, /* an earlier scan found it, no ref leads to it any more */
};

enum finding_answer {
	FINDING_UNKNOWN, /* no HEAD, or no repository */
	FINDING_NO,
	FINDING_YES,
};

struct finding {
	const struct rule *rule;
	enum severity severity;     /* as counted: lowered in tests, fixtures and examples */
	const char *lowered_for;    /* "test", "fixture", "example", "default"; NULL: it is not */
	const char *repository;     /* folder as given or URL; "" for files in none */
	const char *path;           /* relative to it; NULL when no tree names it */
	const char *const *paths;   /* other paths of the same secret; NULL-terminated or NULL */
	guint32 paths_total;        /* other paths there are */
	const char *secret;         /* masked */
	const char *sample;         /* the match and the name it is given to, masked; one line */
	double entropy;             /* bits a character of the secret */
	struct finding_place place; /* in the commit that introduced it */
	guint32 head_line;          /* where it is in HEAD; 0 when it is not there */
	guint32 same; /* equal in all findings of one secret in the report; 0: nobody knows */
	char location_id[FINDING_ID_HEX + 1];
	char secret_id[FINDING_ID_HEX + 1]; /* "" without a key */
	struct finding_commit first, last;
	enum finding_answer in_head;
	const char *const *refs; /* NULL-terminated or NULL */
	guint32 refs_total;
	const struct finding_place *places; /* distinct (blob, line, column), place among them */
	guint32 n_places, places_total;
	enum finding_status status;
	gboolean is_marked; /* a comment beside it, in the newest version, asks to ignore it */
	enum finding_ignore ignore;
	guint32 ignored_by; /* with a file or baseline: number in ignores */
};

/* A line of an ignore file or an entry of a baseline, used or not. */
struct finding_ignore_line {
	enum finding_ignore kind;
	const char *source;  /* the file as given */
	guint32 line;        /* of the file; of a baseline: the entry's number, from 1 */
	const char *text;    /* what it asks for */
	const char *reason;  /* what its comment says; NULL none */
	guint32 used;        /* findings it took away */
	gboolean is_expired; /* its date is over: it takes nothing away */
};

/* What was not read and why: numbers by reason, and the first of them by name. */
struct finding_gap {
	const char *reason; /* "unreadable", "missing", …: scan_gap_name() */
	guint64 count;
	gboolean is_failure; /* not by intent: the scan exits 3 */
};

/* One thing that was scanned: a repository's history, its files, a folder, a stream. */
struct finding_target {
	const char *name; /* as in findings */
	const char *kind; /* "history", "range", "staged", "worktree", "folder", "file", "stdin" */
	const char *head; /* the commit at HEAD in hex; NULL */
	guint32 tips;     /* refs that were followed */
	char tips_hash[65];
	guint64 objects, commits, eligible, scanned, known; /* known: from an earlier scan */
	guint64 bytes;
	struct finding_gap gaps[8];
	guint n_gaps;
	gboolean is_partly;          /* something could not be read */
	const char *const *problems; /* sentences; NULL-terminated or NULL */
};

struct finding_report {
	const struct rule_set *rules;
	GPtrArray *findings; /* struct finding *, sorted by finding_report_sort() */
	GArray *ignores;     /* struct finding_ignore_line */
	GArray *targets;     /* struct finding_target */
	GPtrArray *problems; /* char *: sentences about the whole run */
	gint64 started_us;   /* of the day */
	gint64 elapsed_us;
	gboolean is_partly;
	gboolean has_secrets;  /* --show-secrets: they are not masked */
	enum severity fail_on; /* what counts as a failure; UNSET: nothing does */
	guint32 marks;         /* findings that carry a mark */
	guint64 digests;       /* secrets that were hashed to name findings: 5 ms each */
	GStringChunk *texts;   /* private */
	GPtrArray *owned;      /* private */
};
typedef struct finding_report FindingReport; /* for g_autoptr */

struct finding_report *finding_report_new(const struct rule_set *rules);
void finding_report_free(struct finding_report *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FindingReport, finding_report_free)

/* A new one, all zero but its status (present); it lives as long as the report. */
struct finding *finding_report_add(struct finding_report *report);
/* A copy of the bytes; len -1 for a string. NULL for NULL. */
const char *finding_report_text(struct finding_report *report, const char *text, gssize len);
/* Memory that lives as long as the report. */
gpointer finding_report_take(struct finding_report *report, gpointer memory);

/* Counted ones first; then worst first, by repository, path and line. */
void finding_report_sort(struct finding_report *report);

/* Findings of that severity that count: present or removed, not ignored. */
guint finding_report_count(const struct finding_report *report, enum severity severity);
/* Of those that count: how many secrets they are. */
guint finding_report_secrets(const struct finding_report *report);
/* Whether none counts. */
gboolean finding_report_is_clean(const struct finding_report *report);
/* Whether one that counts is at or above fail_on. */
gboolean finding_report_has_failed(const struct finding_report *report);

static inline gboolean finding_is_counted(const struct finding *f)
{
	return f->ignore == FINDING_IGNORE_UNSET;
}

/*
 * All of a file, which a rule knows by its path alone: it has no secret, its place is the first
 * line, and other scanners say line 0.
 */
gboolean finding_is_file(const struct finding *finding);

/* "mark", ".musterignore", ".gitleaksignore", "baseline"; NULL for UNSET. */
const char *finding_ignore_name(enum finding_ignore kind);

/*
 * gitleaks' name for it: commit:path:rule:line, without the commit where there is none. Freed by
 * the caller.
 */
char *finding_gitleaks_name(const struct finding *finding);

/* How much of a secret is shown. */
struct finding_mask {
	gboolean is_shown; /* all of it */
	guint percent;     /* of it hidden, from its end; 0: our own way */
};

/*
 * The secret as shown. Our own way: its first four characters (none of less than 16 bytes, one in
 * eight at most), then a run of stars whose length says nothing, so that a person who has the
 * secret knows it again and nobody else learns it. Freed by the caller.
 */
char *finding_mask_secret(const guint8 *secret, gsize len, const struct finding_mask *mask);

/*
 * The severity counted for a finding at this path: two steps lower, though not below low, where a
 * part of the path says that it is a test, a fixture or an example, or where the secret is_weak
 * (HIT_WEAK, at all its places); *why is that word, "default" for the latter, or NULL. Files that
 * run in continuous integration (.github/workflows/, Jenkinsfile) are no tests by their own names.
 */
enum severity finding_severity(
	enum severity declared, const char *path, gboolean is_weak, const char **why);

/* Why it was lowered, as a clause: "it is in a test". NULL when it was not. */
const char *finding_lowered_text(const struct finding *finding);

#endif

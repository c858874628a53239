/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_SCAN_SCAN_H
#define MUSTER_JOBS_SCAN_SCAN_H

#include <glib.h>

#include "jobs/scan/budget.h"
#include "jobs/scan/hit.h"
#include "lib/oid.h"

/*
 * The engine: reads content, keeps what the matcher accepts, and says what it has not read. It
 * knows blobs and bytes: no paths, no commits, no findings.
 *
 *	struct scan_options options = { .threads = 2 };
 *	struct scan *scan = scan_new(matcher, secrets, &options);
 *	if (!scan_blobs(scan, depot, NULL, &progress, error))
 *		…
 *	const struct hit *hits = scan_hits(scan, &n);
 *	const struct scan_coverage *coverage = scan_coverage(scan);
 *	…
 *	scan_free(scan);
 *
 * A scan may be given several things one after the other, but hits of different things are told
 * apart only by their blob numbers: use one scan for a repository, and one for its working tree.
 *
 * Threads: each has its own matcher state and its own array of hits; nothing is locked while blobs
 * are read. The functions below are called from one thread; progress may be read from any.
 *
 * Memory: beyond the depot's own, the hits (44 bytes each, at most hits_max) and for each object
 * that is the base of one not yet read its candidates (40 bytes each, at most 4 096 an object:
 * those with more are read in full instead). Items, and what UTF-16 becomes, share memory_bytes: a
 * thread that has a large one may wait for those of others, and one goes beyond it alone.
 */
struct depot;
struct matcher;
struct secret_table;

#define SCAN_BLOB_MAX (G_GUINT64_CONSTANT(128) << 20) /* as the depot's own */
#define SCAN_HITS_MAX (G_GUINT64_CONSTANT(8) << 20)

struct scan_options {
	guint threads;             /* 0: one for each processor */
	guint64 blob_max_bytes;    /* larger ones are skipped and counted; 0: SCAN_BLOB_MAX */
	guint64 hits_max;          /* 0: SCAN_HITS_MAX; what is beyond is counted and dropped */
	guint64 memory_bytes;      /* of items, and of UTF-16 as UTF-8; 0: BUDGET_BYTES */
	guint decode_depth;        /* encodings within one another that are undone */
	gboolean has_decode_depth; /* else the matcher's default */
	gboolean is_binary;        /* also read what looks binary */
	gboolean has_archives;     /* lists what begins as an archive, see scan_archives() */
	gboolean is_whole;         /* inherit nothing, read every byte of every blob: for tests */
};

/* Why a blob that was to be scanned was not. */
enum scan_gap_reason {
	SCAN_GAP_UNSET,
	SCAN_GAP_BINARY,  /* a NUL in the first 8 KiB, and not UTF-16; by intent, not a failure */
	SCAN_GAP_TOO_BIG, /* over blob_max_bytes; by intent as well */
	SCAN_GAP_MISSING, /* not in the repository: shallow, partial, or damaged */
	SCAN_GAP_UNREADABLE, /* damaged */
	SCAN_GAP_UNDECIDED,  /* scanned, but a rule gave up on it: counted among the scanned too */
	SCAN_GAP_COUNT,
};

/* "binary", "too-big", …; NULL for UNSET. */
const char *scan_gap_name(enum scan_gap_reason reason);

struct scan_gap {
	guint32 blob; /* number in the depot or of the item; G_MAXUINT32: it has none, see oid */
	enum scan_gap_reason reason;
	struct oid oid; /* all zero for items */
};

struct scan_coverage {
	guint64 eligible;             /* blobs that were to be scanned */
	guint64 scanned;              /* blobs whose every byte was looked at or is inherited */
	guint64 bytes;                /* of those */
	guint64 sieved;               /* bytes that really went through the sieve */
	guint64 gaps[SCAN_GAP_COUNT]; /* blobs, by reason */
	guint64 undecided;            /* candidates no rule could decide */
	guint64 hits_dropped;         /* beyond hits_max */
	gint64 elapsed_us;            /* wall clock, of all calls */
};

/* TRUE when something that was asked for could not be read or decided: the command exits 3. */
gboolean scan_coverage_is_partly(const struct scan_coverage *coverage);

/*
 * Written by the scan with atomic operations some times a second, read by a progress bar;
 * is_cancelled is written by others and ends the scan early, with an error. All zero at first.
 */
struct scan_progress {
	gint is_cancelled;
	guint64 blobs_total; /* 0 until it is known */
	guint64 blobs;
	guint64 bytes;
	guint64 hits;
};

guint64 scan_progress_get(const guint64 *counter);
void scan_progress_cancel(struct scan_progress *progress);

/* All of these are borrowed and outlive the scan; progress may be NULL. */
struct scan *scan_new(
	struct matcher *matcher, struct secret_table *secrets, const struct scan_options *options);
void scan_free(struct scan *scan);
typedef struct scan Scan; /* for g_autoptr */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Scan, scan_free)

/*
 * Scans the blobs of a depot; wanted is a bitmap by number (bit n % 64 of word n / 64), NULL for
 * all. Blobs that cannot be read are gaps, not errors. Fails with BUSY when it was cancelled,
 * and as depot_walk() does; the hits found so far are there even then.
 */
gboolean scan_blobs(struct scan *scan, struct depot *depot, const guint64 *wanted,
	struct scan_progress *progress, GError **error);

/* Scans one thing that lies in memory; its hits have number as their blob. */
void scan_bytes(struct scan *scan, guint32 number, const void *data, gsize len);

/*
 * Brings item number for scan_items(): sets bytes (NULL: not to be scanned, with gap saying why,
 * UNSET when there is none). Called from several threads at once. What it allocates it takes from
 * the lease before (budget_take()), which is given back for it.
 */
typedef GBytes *(*scan_item_func)(
	gpointer data, guint32 number, struct budget_lease *lease, enum scan_gap_reason *gap);

/* Scans items 0 .. n-1, files of a working tree say, on all threads. Fails when cancelled. */
gboolean scan_items(struct scan *scan, guint32 n, scan_item_func get, gpointer data,
	struct scan_progress *progress, GError **error);

/* A number that could not even be brought before the scan: counts it as eligible and as a gap. */
void scan_add_gap(struct scan *scan, const struct scan_gap *gap);

/* By blob, then by place, then by rule. Borrowed until the next call that scans. */
const struct hit *scan_hits(struct scan *scan, gsize *n);

/*
 * With has_archives: blobs or items that begin as an archive does, by number, ascending. They
 * are eligible; whether they were scanned or why not, their reader adds (scan_add_archive()).
 */
const guint32 *scan_archives(const struct scan *scan, gsize *n);
/* One of them was read: reason UNSET, or why not. */
void scan_add_archive(struct scan *scan, guint32 number, enum scan_gap_reason reason);

const struct scan_coverage *scan_coverage(const struct scan *scan);

/* The first gaps but the binary ones, at most SCAN_GAPS_MAX; the counts are in the coverage. */
#define SCAN_GAPS_MAX 65536
const struct scan_gap *scan_gaps(const struct scan *scan, gsize *n);

/* FALSE: there are gaps that scan_gaps() does not tell, so nobody may call the rest scanned. */
gboolean scan_gaps_are_all(const struct scan *scan);

#endif

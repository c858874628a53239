/* SPDX-License-Identifier: MIT */
/*
 * From hits to findings: which of several rules that accept the same bytes is told (the most
 * specific), what a rule or an allowlist says about paths and commits, rules that need another one
 * near, the severity at this path, ids and places.
 *
 * All of it is decided for a pair (version of a file, path), after attribution: the same blob can
 * be a finding at one path and none at another. Nothing here reads content; what is ignored is
 * decided afterwards (ignore.h, baseline.h).
 *
 *	g_autoptr(FindingMaker) maker = finding_maker_new(report, key, error);
 *	for each secret at each path
 *		finding_maker_add(maker, &view);
 *	for each that was added without a digest
 *		finding_maker_name(maker, finding, family, digest);
 */
#ifndef MUSTER_JOBS_SCAN_FINDING_MAKE_H
#define MUSTER_JOBS_SCAN_FINDING_MAKE_H

#include "jobs/scan/finding.h"
#include "jobs/scan/finding_id.h"
#include "jobs/scan/rule.h"
#include "jobs/scan/state.h"

struct finding_maker;
typedef struct finding_maker FindingMaker; /* for g_autoptr */

/* One version of a file: every hit in it, of any secret, sorted by place. */
struct finding_version {
	struct oid blob;
	const struct state_hit *hits;
	gsize n;
	/* Those of the view's secret among them; NULL: nobody knows, and all are looked at. */
	const struct state_hit *const *own;
	gsize n_own;
};

/* One secret at one path. Everything is borrowed; texts are copied where they are kept. */
struct finding_view {
	const char *repository, *path; /* path NULL: no tree names it */
	guint32 secret;                /* as the hits have it */
	const char *family, *masked;
	const guint8 *digest; /* NULL: not made yet, see finding_maker_name() */
	double entropy;       /* of the secret; 0 unknown */
	const struct finding_version *versions;
	gsize n_versions;
	gsize first, last, head; /* indexes into versions; G_MAXSIZE: not known, not there */
	struct finding_commit first_commit, last_commit;
	enum finding_answer in_head;
	const char *const *refs;
	guint n_refs;
	guint32 refs_total;
	enum finding_status status;
	/* The masked line or match of a hit. */
	const char *(*sample)(gpointer data, const struct state_hit *hit);
	gpointer sample_data;
};

/* key NULL: no secret_id. Errors: MUSTER_ERROR_INPUT a rule's pattern for paths is wrong. */
struct finding_maker *finding_maker_new(
	struct finding_report *report, const struct secret_key *key, GError **error);
void finding_maker_free(struct finding_maker *maker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FindingMaker, finding_maker_free)

/*
 * Adds a finding to the report, unless rules and allowlists leave nothing of it: returns it or
 * NULL. places, place, head_line and marks are from the versions that remain.
 */
struct finding *finding_maker_add(struct finding_maker *maker, const struct finding_view *view);

/*
 * The ids of a finding that was added without a digest: that is slow to make, and most of what is
 * met is no finding at its path.
 */
void finding_maker_name(struct finding_maker *maker, struct finding *finding, const char *family,
	const guint8 digest[SECRET_HASH_BYTES]);
/* Takes such a finding back, for no digest could be made. */
void finding_maker_drop(struct finding_maker *maker, struct finding *finding);

/*
 * The rules of paths alone (guint16) that know this one; *n of them, borrowed until the next call.
 * Each is a view of one hit without bytes, with finding_file_digest.
 */
const guint16 *finding_maker_files(struct finding_maker *maker, const char *path, guint *n);

/* When all are in: the other paths of each secret (by family and digest, in all repositories). */
void finding_maker_finish(struct finding_maker *maker);

#endif

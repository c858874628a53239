/* SPDX-License-Identifier: MIT */
/*
 * A baseline: an earlier report, whose findings are not counted again. Ours (JSON or JSON lines,
 * what `muster scan --format json` wrote) is compared by location_id, so that a moved line is the
 * same and another secret on the same line is not. gitleaks' JSON is compared by path and, when it
 * holds the secret, by that; when the secret was redacted, by rule and line.
 *
 *	g_autoptr(Baseline) baseline = baseline_load(report, path, error);
 *	if (baseline == NULL || !baseline_apply(baseline, threads, error))
 *		…
 *
 * Each entry becomes a struct finding_ignore_line of the report. Errors: MUSTER_ERROR_INPUT when
 * it is neither, _MISSING, _LIMIT, _IO.
 */
#ifndef MUSTER_JOBS_SCAN_BASELINE_H
#define MUSTER_JOBS_SCAN_BASELINE_H

#include "jobs/scan/finding.h"

#define BASELINE_BYTES_MAX (256 * 1024 * 1024)

struct baseline;
typedef struct baseline Baseline; /* for g_autoptr */

struct baseline *baseline_load(struct finding_report *report, const char *path, GError **error);
struct baseline *baseline_parse(struct finding_report *report, const char *source, const char *text,
	gsize len, GError **error);
void baseline_free(struct baseline *baseline);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Baseline, baseline_free)

/* Marks the findings that are in it. Secrets of gitleaks' reports cost 5 ms each. */
gboolean baseline_apply(struct baseline *baseline, guint threads, GError **error);

#endif

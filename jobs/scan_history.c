/* SPDX-License-Identifier: MIT */
/* The source that matters most: everything that a repository's refs lead to. */
#include "config.h"
#include "jobs/scan_history.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "jobs/scan/finding_sample.h"
#include "jobs/scan/history.h"
#include "jobs/scan_archive.h"
#include "jobs/scan_reread.h"
#include "jobs/scan_sample.h"
#include "lib/error.h"

/* A secret that is in the state. */
struct kept {
	guint32 number;
	char *mask; /* NULL: it is not */
};

static void kept_clear(gpointer data)
{
	g_free(((struct kept *)data)->mask);
}

/* What reading one repository's history shares. */
struct reading {
	struct scan_job *job;
	const struct scan_history_options *options;
	struct depot *depot;
	struct state *state;
	struct secret_table *secrets;
	struct depot_reader *reader;
	struct history_run *run; /* when it is known what is to be scanned */
	struct finding_target *target;
	struct scan_samples *samples;
	guint32 sampled;     /* the blob whose bytes these are: thousands may be in one */
	const guint8 *bytes; /* the reader's */
	gsize len;
	GArray *kept; /* struct kept, by number in secrets */
	const guint16
		*rules;    /* what the scan's rule numbers are in the whole set; NULL: the same */
	gboolean is_first; /* no secret of the state has a digest: what is not pending is new */
	gboolean has_gaps; /* a range: what could not be read may be none of it */
	gboolean is_cut;   /* some secrets were not named for want of time */
	gboolean is_whole; /* nothing was cut short */
};

static gboolean is_brought(const guint64 *brought, guint32 number)
{
	return brought[number / 64] >> (number % 64) & 1;
}

/* brought: of a range, the blobs that it is about; NULL: all. */
static void depot_problems_add(struct reading *reading, const guint64 *brought)
{
	guint total = depot_problem_total(reading->depot);
	g_autoptr(GArray) list = total > 0 ? depot_problem_list(reading->depot) : NULL;

	for (guint i = 0; list != NULL && i < list->len; i++) {
		const struct depot_problem *problem = &g_array_index(list, struct depot_problem, i);
		char hex[OID_HEX + 1] = "";
		if (problem->reason == DEPOT_TOO_LARGE && problem->number != DEPOT_NONE)
			continue; /* a gap by intent */
		if (brought != NULL && problem->number != DEPOT_NONE &&
			!is_brought(brought, problem->number))
			continue; /* not of the range; its commits and folders are told below */
		if (problem->number != DEPOT_NONE)
			oid_format(depot_oid(reading->depot, problem->number), hex);
		g_autofree char *text = g_strdup_printf("%s%s%s", *hex != '\0' ? hex : "",
			*hex != '\0' ? ": " : "", depot_reason_text(problem->reason));
		g_autofree char *line = problem->path != NULL
						? g_strdup_printf("%s: %s", problem->path, text)
						: g_strdup(text);
		reading->target->is_partly = TRUE;
		state_counters(reading->state)[SCAN_COUNTER_PROBLEMS]++;
		scan_job_problem(reading->job, reading->target->name, line);
	}
}

static void bytes_read(struct reading *reading, guint32 blob)
{
	if (reading->sampled != blob &&
		!depot_read(reading->reader, blob, (gsize)reading->job->flags->blob_max_bytes, NULL,
			&reading->bytes, &reading->len, NULL))
		reading->len = 0;
	reading->sampled = blob;
}

static const char *sample_get(
	struct reading *reading, const GArray *all, const struct hit *hit, const char *masked)
{
	const char *sample = scan_samples_find(reading->samples, hit);

	if (sample != NULL)
		return sample;
	bytes_read(reading, hit->blob);
	return scan_samples_take(reading->samples, hit,
		finding_sample(reading->bytes, reading->len,
			(const struct hit *)(gpointer)all->data, all->len, hit, masked,
			reading->job->flags->mask.is_shown));
}

static void secret_kept(struct reading *reading, guint32 secret, guint32 number)
{
	g_array_index(reading->kept, struct kept, secret).number = number;
	scan_names_meet(reading->options->names, number, secret);
}

/* One that the state has by its digest, or may have. */
static gboolean secrets_digest(struct reading *reading, const GArray *numbers, GError **error)
{
	struct scan_job *job = reading->job;
	g_autofree struct finding_digest *digests = g_new0(struct finding_digest, numbers->len + 1);

	if (!scan_job_digests(job, reading->secrets, numbers, digests, error))
		return FALSE;
	gsize untold = finding_digests_untold(digests, numbers->len);
	if (untold > 0) {
		scan_job_untold(job, reading->target, untold);
		reading->is_cut = TRUE;
	}
	for (guint i = 0; i < numbers->len; i++) {
		guint32 secret = g_array_index(numbers, guint32, i);
		const char *family = "";
		gsize len = 0;
		const guint8 *bytes = secret_table_get(reading->secrets, secret, &family, &len);
		g_autofree char *masked = scan_job_mask(job, bytes, len);
		secret_kept(reading, secret,
			state_add_secret(reading->state, family, digests[i].bytes, masked));
	}
	return TRUE;
}

/*
 * The secrets of hits that the state does not have yet go into it. Most are pending until it is
 * known whether they are findings; not those in archives, which would be opened again for that.
 */
static gboolean secrets_keep(struct reading *reading, const struct hit *hits, gsize n,
	gboolean is_archive, GError **error)
{
	struct scan_job *job = reading->job;
	g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint32));

	for (gsize i = 0; i < n; i++) {
		if (hits[i].secret >= reading->kept->len)
			g_array_set_size(
				reading->kept, MAX(hits[i].secret + 1, reading->kept->len * 2));
		struct kept *kept = &g_array_index(reading->kept, struct kept, hits[i].secret);
		if (kept->mask != NULL)
			continue;
		const char *family = "";
		gsize len = 0;
		const guint8 *bytes =
			secret_table_get(reading->secrets, hits[i].secret, &family, &len);
		kept->mask = finding_mask_secret(bytes, len, &job->flags->mask);
		guint32 number = state_find_pending(reading->state, family, bytes, len);
		if (number == 0 && reading->is_first && !is_archive) {
			g_autofree char *masked = scan_job_mask(job, bytes, len);
			number = state_add_pending(reading->state, family, bytes, len, masked);
		}
		if (number != 0)
			secret_kept(reading, hits[i].secret, number);
		else
			g_array_append_val(numbers, hits[i].secret);
	}
	return numbers->len == 0 || secrets_digest(reading, numbers, error);
}

static void hit_keep(struct reading *reading, const struct oid *blob, const struct hit *hit,
	const char *sample, const char *inner)
{
	struct hit copy = *hit;

	if (reading->rules != NULL)
		copy.rule = reading->rules[hit->rule];
	state_add_hit(reading->state, blob, &copy,
		g_array_index(reading->kept, struct kept, hit->secret).number, sample, inner);
}

static const char *mask_of(const struct reading *reading, const struct hit *hit)
{
	return g_array_index(reading->kept, struct kept, hit->secret).mask;
}

/* Hits of a scan go into the state, and what is to be tried again. */
static gboolean hits_keep(struct reading *reading, struct scan *scan, GError **error)
{
	gsize n = 0, n_gaps = 0;
	const struct hit *hits = scan_hits(scan, &n);
	const struct scan_gap *gaps = scan_gaps(scan, &n_gaps);

	if (!secrets_keep(reading, hits, n, FALSE, error))
		return FALSE;
	for (gsize i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && hits[end].blob == hits[i].blob; end++)
			;
		const struct oid *oid = depot_oid(reading->depot, hits[i].blob);
		g_autoptr(GArray) all =
			scan_samples_merge(reading->samples, oid, NULL, hits + i, end - i);
		for (gsize j = i; j < end; j++)
			hit_keep(reading, oid, &hits[j],
				sample_get(reading, all, &hits[j], mask_of(reading, &hits[j])),
				NULL);
		if (!scan_samples_are_stale(reading->samples, oid, NULL, hits + i, end - i))
			continue;
		bytes_read(reading, hits[i].blob);
		scan_samples_review(reading->samples, oid, NULL, all, reading->bytes, reading->len);
	}
	/* What is too big stays so: the state is of this limit. */
	for (gsize i = 0; i < n_gaps; i++)
		if (gaps[i].reason != SCAN_GAP_TOO_BIG)
			state_add_gap(reading->state,
				gaps[i].blob < depot_count(reading->depot)
					? depot_oid(reading->depot, gaps[i].blob)
					: &gaps[i].oid,
				gaps[i].reason);
	return TRUE;
}

static gboolean on_archive_found(gpointer data, guint32 number, const char *inner,
	const guint8 *bytes, gsize len, const struct hit *hits, gsize n, GError **error)
{
	struct reading *reading = data;
	const struct oid *oid = depot_oid(reading->depot, number);

	if (!secrets_keep(reading, hits, n, TRUE, error))
		return FALSE;
	g_autoptr(GArray) all = scan_samples_merge(reading->samples, oid, inner, hits, n);
	for (gsize i = 0; i < n; i++) {
		g_autofree char *sample = finding_sample(bytes, len,
			(const struct hit *)(gpointer)all->data, all->len, &hits[i],
			mask_of(reading, &hits[i]), reading->job->flags->mask.is_shown);
		hit_keep(reading, oid, &hits[i], sample, inner);
	}
	if (scan_samples_are_stale(reading->samples, oid, inner, hits, n))
		scan_samples_review(reading->samples, oid, inner, all, bytes, len);
	return TRUE;
}

/* What begins as an archive, one after the other. */
static gboolean archives_scan(struct reading *reading, struct matcher *matcher, struct scan *scan,
	gboolean *is_whole, GError **error)
{
	gsize n = 0;
	const guint32 *numbers = scan_archives(scan, &n);

	if (n == 0)
		return TRUE;
	g_autoptr(ArchiveScan) archives = archive_scan_new(reading->job, matcher, reading->secrets,
		reading->target, on_archive_found, reading, error);
	if (archives == NULL)
		return FALSE;
	for (gsize i = 0; i < n && !archive_scan_is_over(archives, n - i); i++) {
		enum scan_gap_reason reason = SCAN_GAP_UNREADABLE;
		const guint8 *bytes = NULL;
		gsize len = 0;
		if (depot_read(reading->reader, numbers[i],
			    (gsize)reading->job->flags->blob_max_bytes, NULL, &bytes, &len, NULL) &&
			!archive_scan_add(archives, numbers[i], bytes, len, &reason, error))
			return FALSE;
		scan_add_archive(scan, numbers[i], reason);
	}
	reading->sampled = DEPOT_NONE; /* the reader has other bytes now */
	gboolean is_done = archive_scan_finish(archives, error);
	*is_whole = *is_whole && !archive_scan_is_cut(archives);
	const struct scan_gap *gaps = archive_scan_gaps(archives, &n);
	for (gsize i = 0; i < n; i++)
		state_add_gap(
			reading->state, depot_oid(reading->depot, gaps[i].blob), gaps[i].reason);
	return is_done;
}

/* What is passed over by intent is known from then on, and told by each scan. */
static const enum scan_gap_reason passed_over[] = {SCAN_GAP_BINARY, SCAN_GAP_TOO_BIG};

/* New rules look at all that is known: what they pass over is all that there is. */
static void coverage_keep(
	struct reading *reading, const struct scan_coverage *coverage, gboolean is_whole)
{
	guint64 *counters = state_counters(reading->state);

	for (gsize i = 0; i < G_N_ELEMENTS(passed_over); i++) {
		guint64 *counter = &counters[SCAN_COUNTER_GAPS + passed_over[i]];
		if (reading->rules == NULL)
			*counter += coverage->gaps[passed_over[i]];
		else if (is_whole)
			*counter = coverage->gaps[passed_over[i]];
	}
	if (reading->rules != NULL)
		return;
	counters[SCAN_COUNTER_BYTES] += coverage->bytes;
	gboolean was_partly = reading->job->report->is_partly,
		 was_target = reading->target->is_partly;
	scan_job_coverage(reading->job, reading->target, coverage);
	/* More is read than a range brought: what this is about is known later. */
	if (reading->options->without == NULL || !is_whole || !scan_coverage_is_partly(coverage))
		return;
	reading->has_gaps = TRUE;
	reading->job->report->is_partly = was_partly;
	reading->target->is_partly = was_target;
}

void scan_history_recall(struct finding_target *target, struct state *state)
{
	const guint64 *counters = state_counters(state);

	target->known = state_known_count(state);
	for (gsize i = 0; i < G_N_ELEMENTS(passed_over); i++) {
		guint64 n = MIN(counters[SCAN_COUNTER_GAPS + passed_over[i]], target->known);
		target->known -= n;
		scan_job_gap(target, passed_over[i], n);
	}
}

/* FALSE: nothing could be scanned at all. A scan that was cancelled keeps what it found. */
static gboolean blobs_scan(struct reading *reading, struct rule_set *rules, const guint16 *numbers,
	const guint64 *wanted, gboolean *is_whole, GError **error)
{
	struct scan_job *job = reading->job;
	g_autoptr(GError) why = NULL;
	struct matcher *own = NULL;

	if (rules != NULL) {
		own = scan_job_compile(job, rules, error);
		if (own == NULL)
			return FALSE;
	}
	g_autoptr(Scan) scan = scan_job_scan(job, own, reading->secrets, SCAN_JOB_ARCHIVES, error);
	gboolean is_done = scan != NULL;
	*is_whole = FALSE;
	if (is_done) {
		*is_whole = scan_blobs(scan, reading->depot, wanted, &job->progress, &why);
		if (!*is_whole) {
			reading->target->is_partly = TRUE;
			scan_job_problem(job, reading->target->name, why->message);
		}
		reading->rules = numbers;
		scan_samples_begin(reading->samples);
		is_done = archives_scan(reading, own, scan, is_whole, error);
		if (is_done && reading->run != NULL)
			history_run_begin(reading->run);
		/* What could not be read must be known by name, or it would count as scanned. */
		*is_whole = *is_whole && scan_gaps_are_all(scan);
		coverage_keep(reading, scan_coverage(scan), *is_whole);
		is_done = is_done && hits_keep(reading, scan, error);
		scan_samples_end(reading->samples);
		*is_whole = *is_whole && !reading->is_cut;
	}
	g_clear_pointer(&scan, scan_free);
	scan_job_gave_up(job, own, rules);
	matcher_free(own);
	return is_done;
}

/* The rules that what is known was not scanned with run alone over it. */
static gboolean new_rules_scan(struct reading *reading, gboolean *is_whole, GError **error)
{
	guint n = 0;
	const guint16 *numbers = state_new_rules(reading->state, &n);
	const struct rule_set *all = reading->job->rules;

	*is_whole = TRUE;
	if (n == 0)
		return TRUE;
	g_autofree struct rule *rules = g_new0(struct rule, n + 1);
	g_autofree guint16 *copy = g_memdup2(numbers, n * sizeof(guint16));
	g_autofree guint64 *wanted = g_new0(guint64, depot_count(reading->depot) / 64 + 1);
	struct rule_set subset = *all;
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	gsize len = sizeof(subset.hash);

	subset.n = 0;
	for (guint i = 0; i < n; i++) {
		if (all->rules[numbers[i]].flags & RULE_PATH_ONLY)
			continue; /* what it finds is not in the bytes */
		copy[subset.n] = numbers[i];
		rules[subset.n++] = all->rules[numbers[i]];
		g_checksum_update(
			sum, all->rules[numbers[i]].hash, sizeof(all->rules[numbers[i]].hash));
	}
	g_checksum_get_digest(sum, subset.hash, &len);
	subset.rules = rules;
	if (subset.n == 0)
		return TRUE;
	state_known(reading->state, reading->depot, wanted);
	if (!blobs_scan(reading, &subset, copy, wanted, is_whole, error))
		return FALSE;
	state_keep_known(reading->state, reading->depot);
	return TRUE;
}

static void missing_tell(
	struct scan_job *job, struct finding_target *target, guint64 n, gboolean is_partial)
{
	if (n == 0)
		return;
	g_autofree char *text =
		g_strdup_printf("%" G_GUINT64_FORMAT " versions of files are not here%s", n,
			is_partial ? ": it is a partial clone, which "
				     "'git fetch --refetch --no-filter' makes a whole one"
				   : "");
	scan_job_problem(job, target->name, text);
	scan_job_gap(target, SCAN_GAP_MISSING, n);
	target->is_partly = TRUE;
}

gboolean scan_history_is_settled(struct state *state, const char *objects_folder)
{
	const guint64 *counters = state_counters(state);
	guint64 stamp = counters[SCAN_COUNTER_STAMP];

	if (counters[SCAN_COUNTER_PROBLEMS] == 0)
		return TRUE;
	return counters[SCAN_COUNTER_PROBLEMS] == counters[SCAN_COUNTER_MISSING] && stamp != 0 &&
	       stamp == depot_stamp(objects_folder, g_get_real_time());
}

void scan_history_recall_missing(
	struct scan_job *job, struct finding_target *target, struct state *state)
{
	const guint64 *counters = state_counters(state);

	if (counters[SCAN_COUNTER_PROBLEMS] > 0)
		missing_tell(job, target, counters[SCAN_COUNTER_MISSING], TRUE);
}

/* Objects that come while a scan reads came too late to be sure of: the next one looks again. */
static void missing_keep(struct reading *reading, guint64 n)
{
	guint64 *counters = state_counters(reading->state);

	counters[SCAN_COUNTER_MISSING] = n;
	counters[SCAN_COUNTER_STAMP] = 0;
	if (n > 0 && depot_is_partial(reading->depot) && reading->options->objects != NULL)
		counters[SCAN_COUNTER_STAMP] =
			depot_stamp(reading->options->objects, reading->job->report->started_us);
}

static void history_problems_add(struct reading *reading, const struct history_run *run)
{
	gsize n = 0;
	guint64 total = 0;
	const struct history_problem *problems = history_run_problems(run, &n, &total);
	struct history_counts counts = history_run_counts(run);

	for (gsize i = 0; i < n && i < 20; i++) {
		static const char *const words[] = {
			"", "is missing", "is damaged", "is nested too deep or holds too much"};
		char hex[OID_HEX + 1];
		oid_format(&problems[i].oid, hex);
		g_autofree char *text =
			g_strdup_printf("object %s %s", hex, words[problems[i].kind]);
		scan_job_problem(reading->job, reading->target->name, text);
	}
	if (total > 20) {
		g_autofree char *text =
			g_strdup_printf("%" G_GUINT64_FORMAT " objects could not be read", total);
		scan_job_problem(reading->job, reading->target->name, text);
	}
	missing_tell(reading->job, reading->target, counts.missing_blobs,
		depot_is_partial(reading->depot));
	if (total + counts.missing_blobs > 0) {
		reading->target->is_partly = TRUE;
		state_counters(reading->state)[SCAN_COUNTER_PROBLEMS] +=
			total + counts.missing_blobs;
	}
	missing_keep(reading, counts.missing_blobs);
	state_counters(reading->state)[SCAN_COUNTER_COMMITS] = counts.commits;
}

/* What is not of the range is no gap of it. */
static void gaps_forgive(struct reading *reading, const guint64 *brought)
{
	gsize n = 0;
	const struct state_gap *gaps = state_gaps(reading->state, &n);
	gboolean has_own = FALSE;

	for (gsize i = 0; i < n; i++) {
		guint32 number;
		if (depot_find(reading->depot, &gaps[i].blob, &number) &&
			!is_brought(brought, number))
			scan_job_gap_forgive(reading->target, (enum scan_gap_reason)gaps[i].reason);
		else
			has_own = TRUE;
	}
	if (has_own && reading->has_gaps) {
		reading->target->is_partly = TRUE;
		reading->job->report->is_partly = TRUE;
	}
}

/* Of a range more may be read than it brought: NULL when nothing of that was damaged. */
static gboolean range_clear(
	struct reading *reading, struct history_run *run, guint64 **brought, GError **error)
{
	if (reading->options->without == NULL ||
		(!reading->has_gaps && depot_problem_total(reading->depot) == 0))
		return TRUE;
	*brought = g_try_new0(guint64, depot_count(reading->depot) / 64 + 1);
	if (*brought == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "no memory");
		return FALSE;
	}
	if (!history_run_brought(run, *brought, error))
		return FALSE;
	gaps_forgive(reading, *brought);
	return TRUE;
}

/* Reads what is new, and who did it, into the state. */
static gboolean history_read(struct reading *reading, GError **error)
{
	const struct scan_history_options *options = reading->options;
	const struct scan_tips *tips = options->tips;
	struct history_options history = {
		.tips = (const struct history_tip *)(gpointer)tips->list->data,
		.n_tips = tips->list->len,
		.shallow = (const struct oid *)(gpointer)tips->shallow->data,
		.n_shallow = tips->shallow->len,
		.without = options->without != NULL
				   ? (const struct oid *)(gpointer)options->without->data
				   : NULL,
		.n_without = options->without != NULL ? options->without->len : 0,
		.is_unreachable = options->is_unreachable,
		.threads = reading->job->flags->threads,
		.cancel = reading->job->stop,
	};
	g_autoptr(HistoryRun) run = history_run_new(reading->depot, reading->state, &history);
	g_autofree guint64 *wanted = g_try_new0(guint64, depot_count(reading->depot) / 64 + 1);
	guint64 n_wanted = 0;
	gboolean is_whole = TRUE, is_also_whole = TRUE;

	if (wanted == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "no memory");
		return FALSE;
	}
	if (!new_rules_scan(reading, &is_also_whole, error) ||
		!history_run_find(run, wanted, &n_wanted, error))
		return FALSE;
	/* Only now it is certain that the state is whole. */
	state_counters(reading->state)[SCAN_COUNTER_PROBLEMS] = 0;
	state_counters(reading->state)[SCAN_COUNTER_OBJECTS] = depot_count(reading->depot);
	scan_history_recall(reading->target, reading->state);
	reading->run = run;
	if (n_wanted > 0 && !blobs_scan(reading, NULL, NULL, wanted, &is_whole, error))
		return FALSE;
	if (!history_run_attribute(run, error))
		return FALSE;
	/* Their names take 20 bytes each: after the tables that it takes to read them. */
	depot_rest(reading->depot);
	if (is_whole && is_also_whole)
		state_add_scanned(reading->state, reading->depot, wanted);
	g_autofree guint64 *brought = NULL;
	if (!range_clear(reading, run, &brought, error))
		return FALSE;
	depot_problems_add(reading, brought);
	history_problems_add(reading, run);
	reading->is_whole = is_whole && is_also_whole;
	return TRUE;
}

gboolean scan_history_read(struct scan_job *job, const struct scan_history_options *options,
	struct depot *depot, struct state *state, gboolean *is_whole, GError **error)
{
	struct reading reading = {.job = job,
		.options = options,
		.depot = depot,
		.state = state,
		.target = options->target};

	reading.sampled = DEPOT_NONE;
	reading.secrets = options->secrets;
	reading.is_first = !state_has_digests(state);
	reading.reader = depot_reader_new(depot);
	reading.samples = scan_samples_new(state, job->flags->mask.is_shown);
	reading.kept = g_array_new(FALSE, TRUE, sizeof(struct kept));
	g_array_set_clear_func(reading.kept, kept_clear);
	gboolean is_done = history_read(&reading, error);
	*is_whole = reading.is_whole;
	scan_samples_free(reading.samples);
	g_array_unref(reading.kept);
	depot_reader_free(reading.reader);
	return is_done;
}

static void on_digest(gpointer data, guint32 secret, const struct finding_digest *digest)
{
	state_set_digest(data, secret, digest->bytes);
}

gboolean scan_history_name(struct scan_job *job, struct state *state, struct depot *depot,
	const struct scan_history_options *options, GError **error)
{
	g_autoptr(GHashTable) missing = scan_names_missing(options->names);
	GHashTableIter iter;
	gpointer key, value;
	gsize n_missing = 0;

	if (missing != NULL && depot != NULL &&
		!scan_reread(job, state, depot, options->secrets, missing, &n_missing, error))
		return FALSE;
	if (missing != NULL)
		g_hash_table_iter_init(&iter, missing);
	while (missing != NULL && g_hash_table_iter_next(&iter, &key, &value))
		if (value != NULL)
			scan_names_meet(
				options->names, GPOINTER_TO_UINT(key), GPOINTER_TO_UINT(value));
	return scan_names_finish(
		options->names, options->secrets, options->target, on_digest, state, error);
}

/* SPDX-License-Identifier: MIT */
/* One repository: all of its history, a range of it, what a push adds to it; one at an address. */
#include "config.h"
#include "jobs/scan_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "jobs/repo_clone.h"
#include "jobs/scan/history.h"
#include "jobs/scan_history.h"
#include "jobs/scan_tips.h"
#include "lib/error.h"
#include "lib/file.h"

#define PUSH_BYTES_MAX (64 * 1024 * 1024)
#define CLONE_SECONDS 3600

static struct depot *depot_make(struct scan_job *job, const char *const *folders, GError **error)
{
	struct depot_options options = {
		.threads = job->flags->threads,
		.memory_bytes = job->flags->memory_bytes,
		.object_max_bytes = 0,
		.verify = job->flags->is_verify,
	};

	/* Files up to the limit, and trees and commits of any size that can be. */
	options.object_max_bytes = MAX(job->flags->blob_max_bytes, 64 << 20);
	return depot_open(folders, &options, error);
}

static struct depot *depot_of(struct scan_job *job, const struct repo *r, GError **error)
{
	g_autofree char *objects = g_build_filename(r->commondir, "objects", NULL);
	const char *const folders[] = {objects, NULL};

	return depot_make(job, folders, error);
}

static void rules_name(GString *name, char sign, char *const *ids)
{
	for (guint i = 0; ids != NULL && ids[i] != NULL; i++)
		g_string_append_printf(name, "\n%c%s", sign, ids[i]);
}

/*
 * A folder of its own in the cache for each repository, and each choice of rules: a look for a few
 * must not cost the next scan what was known of the others. NULL: nothing is kept.
 */
static char *state_folder_of(const struct scan_job *job, const char *place)
{
	const struct scan_flags *flags = job->flags;

	/* What was kept is masked: who wants to see secrets reads them again. */
	if (flags->has_no_state || flags->mask.is_shown || flags->mask.percent > 0 ||
		flags->branch != NULL || flags->has_unreachable ||
		flags->source != SCAN_SOURCE_HISTORY || job->setup.state_folder == NULL)
		return NULL;
	g_autoptr(GString) name = g_string_new(place);
	rules_name(name, '+', flags->enabled);
	rules_name(name, '-', flags->disabled);
	return state_folder(job->setup.state_folder, name->str);
}

/* What is wrong with what is kept changes no result: it is said, and the scan is whole. */
static void state_say(struct scan_job *job, const char *text)
{
	if (g_strcmp0(text, job->said) == 0)
		return;
	g_free(job->said);
	job->said = g_strdup(text);
	scan_job_say(job, text);
}

static struct state *state_make(struct scan_job *job, const char *folder)
{
	struct state_options options = {
		.folder = folder, .engine = job->engine, .rules = job->rules};
	g_autofree char *note = NULL;
	struct state *state = state_open(&options, &note);

	if (note != NULL)
		state_say(job, note);
	return state;
}

static void target_fill(struct finding_target *target, const struct scan_tips *tips,
	const guint8 hash[STATE_HASH_BYTES])
{
	target->tips = tips->list->len;
	for (guint i = 0; i < STATE_HASH_BYTES; i++)
		g_snprintf(target->tips_hash + 2 * i, 3, "%02x", hash[i]);
}

static void head_fill(
	struct scan_job *job, struct finding_target *target, const struct scan_tips *tips)
{
	char hex[OID_HEX + 1];

	if (!tips->has_head)
		return;
	oid_format(&tips->head, hex);
	target->head = finding_report_text(job->report, hex, -1);
}

/* What an unchanged repository's earlier scan said of itself. */
static void target_recall(struct finding_target *target, struct state *state)
{
	const guint64 *counters = state_counters(state);

	target->objects = counters[SCAN_COUNTER_OBJECTS];
	target->commits = counters[SCAN_COUNTER_COMMITS];
}

/* What each scan of a state does: nothing when it is current, else read; then report; then keep. */
static gboolean state_scan(struct scan_job *job, const struct repo *r, struct state *state,
	struct scan_history_options *options, const char *name, gboolean is_kept, GError **error)
{
	const struct scan_tips *tips = options->tips;
	const struct history_tip *list = (const struct history_tip *)(gpointer)tips->list->data;
	const struct oid *shallow = (const struct oid *)(gpointer)tips->shallow->data;
	guint8 hash[STATE_HASH_BYTES];
	gsize n_gaps = 0;
	gboolean is_whole = TRUE;
	g_autoptr(Depot) depot = NULL;
	g_autofree char *objects = g_build_filename(r->commondir, "objects", NULL);

	options->objects = is_kept ? objects : NULL;
	state_tips_hash(list, tips->list->len, shallow, tips->shallow->len, hash);
	target_fill(options->target, tips, hash);
	head_fill(job, options->target, tips);
	state_gaps(state, &n_gaps);
	/* What could not be read is tried again each time, where it could have changed. */
	gboolean is_current = state_is_current(state, hash) && n_gaps == 0 &&
			      scan_history_is_settled(state, objects);
	gboolean has_messages =
		job->flags->format == SCAN_FORMAT_GITLEAKS || job->flags->format == SCAN_FORMAT_CSV;
	if (!is_current)
		scan_job_matcher_begin(job);
	if (!is_current || has_messages) {
		depot = depot_of(job, r, error);
		if (depot == NULL)
			return FALSE;
	}
	if (!is_current && !scan_history_read(job, options, depot, state, &is_whole, error))
		return FALSE;
	if (state_note(state) != NULL)
		state_say(job, state_note(state));
	if (is_current) {
		scan_history_recall(options->target, state);
		scan_history_recall_missing(job, options->target, state);
	}
	target_recall(options->target, state);
	if (!scan_history_report(job, state, depot, options->names, name, tips->has_head, error))
		return FALSE;
	g_autoptr(GHashTable) missing = scan_names_missing(options->names);
	if (depot == NULL && missing != NULL) {
		depot = depot_of(job, r, error);
		if (depot == NULL)
			return FALSE;
	}
	if (!scan_history_name(job, state, depot, options, error))
		return FALSE;
	if (is_kept && !is_current && is_whole) {
		g_autoptr(GError) why = NULL;
		if (!state_save(state, hash, &why) &&
			!g_error_matches(why, MUSTER_ERROR, MUSTER_ERROR_BUSY))
			state_say(job, why->message);
	}
	return TRUE;
}

/* "A..B", "A.." and "..B". */
static gboolean range_set(struct scan_job *job, const struct repo *r, struct scan_tips *tips,
	GArray *without, GError **error)
{
	const struct scan_flags *flags = job->flags;
	g_autoptr(Depot) depot = depot_of(job, r, error);
	struct oid oid;

	if (depot == NULL)
		return FALSE;
	if (flags->since_commit != NULL) {
		if (!scan_revision_find(r, depot, flags->since_commit, &oid, error))
			return FALSE;
		g_array_append_val(without, oid);
		return TRUE;
	}
	const char *dots = strstr(flags->range, "..");
	if (dots == NULL || dots[2] == '.') {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"--range is two commits with two dots between them, as in main..HEAD");
		return FALSE;
	}
	g_autofree char *from = g_strndup(flags->range, (gsize)(dots - flags->range));
	const char *first = *from != '\0' ? from : "HEAD",
		   *last = dots[2] != '\0' ? dots + 2 : "HEAD";
	if (!scan_revision_find(r, depot, first, &oid, error))
		return FALSE;
	g_array_append_val(without, oid);
	if (!scan_revision_find(r, depot, last, &oid, error))
		return FALSE;
	g_array_set_size(tips->list, 0);
	scan_tips_add(tips, last, &oid, tips->has_head && !memcmp(&oid, &tips->head, sizeof(oid)));
	return TRUE;
}

static gboolean repo_scan(struct scan_job *job, const struct repo *r, const char *place,
	const char *name, GError **error)
{
	const struct scan_flags *flags = job->flags;
	g_auto(ScanTips) tips = {0};
	g_autoptr(GArray) without = g_array_new(FALSE, TRUE, sizeof(struct oid));
	gboolean is_range = flags->source == SCAN_SOURCE_RANGE;

	if (flags->branch != NULL ? !scan_tips_read_one(&tips, r, flags->branch, error)
				  : !scan_tips_read(&tips, r, error))
		return FALSE;
	if (is_range && !range_set(job, r, &tips, without, error))
		return FALSE;
	if (r->worktree != NULL)
		scan_job_ignores_load(job, r->worktree, name);
	else if (tips.has_head)
		scan_job_ignores_read(job, r, &tips.head, name);
	g_autofree char *folder = state_folder_of(job, place);
	g_autoptr(State) state = state_make(job, folder);
	g_autoptr(secret_table) secrets = secret_table_new();
	g_autoptr(ScanNames) names = scan_names_new(job);
	struct scan_history_options options = {.tips = &tips,
		.secrets = secrets,
		.names = names,
		.without = is_range ? without : NULL,
		.is_unreachable = flags->has_unreachable,
		.target = scan_job_target(job, name, is_range ? "range" : "history")};
	return state_scan(job, r, state, &options, name, folder != NULL, error);
}

static gboolean branch_check(const struct repo *r, const char *branch, GError **error)
{
	g_auto(ScanTips) own = {0}, remote = {0};
	g_autofree char *tracking = g_strconcat("refs/remotes/origin/", branch, NULL);

	return scan_tips_read_one(&remote, r, tracking, NULL) ||
	       scan_tips_read_one(&own, r, branch, error);
}

gboolean scan_check(struct scan_job *job, const char *path, const char *branch, const char *commit,
	GError **error)
{
	g_autoptr(Repo) r = repo_open(path, job->user, error);
	struct oid oid;
	guint32 number;

	if (r == NULL || (branch != NULL && !branch_check(r, branch, error)))
		return FALSE;
	if (commit == NULL)
		return TRUE;
	g_autoptr(Depot) depot = depot_of(job, r, error);
	if (depot == NULL || !scan_revision_find(r, depot, commit, &oid, error))
		return FALSE;
	if (depot_find(depot, &oid, &number))
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "there is no commit '%s'", commit);
	return FALSE;
}

gboolean scan_history(struct scan_job *job, const char *path, const char *name, GError **error)
{
	g_autoptr(Repo) r = repo_open(path, job->user, error);

	if (r == NULL)
		return FALSE;
	g_autofree char *place = g_canonicalize_filename(r->commondir, NULL);
	return repo_scan(job, r, place, name, error);
}

gboolean scan_url(struct scan_job *job, const char *url, GError **error)
{
	g_autofree char *folder = NULL;

	if (!repo_url_check(url, error))
		return FALSE;
	folder = g_dir_make_tmp("muster-scan-XXXXXX", error);
	if (folder == NULL)
		return FALSE;
	g_autofree char *clone = g_build_filename(folder, "clone.git", NULL);
	guint seconds = job->flags->timeout_s > 0 ? job->flags->timeout_s : CLONE_SECONDS;
	if (job->meter != NULL)
		fprintf(stderr, "Cloning %s …\n", url);
	gboolean is_done = repo_clone_mirror(url, clone, seconds, job->stop, error);
	if (is_done) {
		g_autoptr(Repo) r = repo_open(clone, job->user, error);
		g_free(scan_meter_title(job->meter, url));
		is_done = r != NULL && repo_scan(job, r, url, url, error);
	}
	file_remove_folder(folder);
	return is_done;
}

/* The lines that git gives a pre-receive hook: "old new ref". */
static gboolean push_read(struct scan_tips *tips, GArray *olds, const char *text, GError **error)
{
	static const struct oid none;
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	for (guint i = 0; lines[i] != NULL; i++) {
		struct oid old, new;
		const char *line = lines[i];
		if (*line == '\0')
			continue;
		if (strlen(line) < 2 * OID_HEX + 3 || !oid_parse(&old, line) ||
			line[OID_HEX] != ' ' || !oid_parse(&new, line + OID_HEX + 1) ||
			line[2 * OID_HEX + 1] != ' ') {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"standard input, line %u: not what git gives a pre-receive hook: "
				"old, new and ref",
				i + 1);
			return FALSE;
		}
		if (memcmp(&new, &none, sizeof(none)) != 0)
			scan_tips_add(tips, line + 2 * OID_HEX + 2, &new, FALSE);
		if (memcmp(&old, &none, sizeof(none)) != 0)
			g_array_append_val(olds, old);
	}
	return TRUE;
}

static gboolean stdin_read(const struct scan_job *job, GString *out, GError **error)
{
	char buffer[16384];
	gssize got;

	while ((got = read(STDIN_FILENO, buffer, sizeof(buffer))) != 0) {
		if (got < 0 && errno == EINTR && !scan_job_is_stopped(job))
			continue;
		if (got < 0 || out->len + (gsize)got > PUSH_BYTES_MAX) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO, "standard input: %s",
				got < 0 ? g_strerror(errno) : "too long");
			return FALSE;
		}
		g_string_append_len(out, buffer, got);
	}
	return TRUE;
}

/* Where the objects of a push lie until it is accepted, and everything else: git(1). */
static GPtrArray *push_folders(const struct repo *r)
{
	static const char *const names[] = {"GIT_OBJECT_DIRECTORY", "GIT_QUARANTINE_PATH"};
	const char *others = g_getenv("GIT_ALTERNATE_OBJECT_DIRECTORIES");
	GPtrArray *folders = g_ptr_array_new_with_free_func(g_free);

	g_ptr_array_add(folders, g_build_filename(r->commondir, "objects", NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *own = g_getenv(names[i]);
		if (own != NULL && *own != '\0')
			g_ptr_array_add(folders, g_canonicalize_filename(own, NULL));
	}
	g_auto(GStrv) list = g_strsplit(others != NULL ? others : "", ":", 64);
	for (guint i = 0; list[i] != NULL; i++)
		if (*list[i] != '\0')
			g_ptr_array_add(folders, g_canonicalize_filename(list[i], NULL));
	for (guint i = 0; i < folders->len; i++)
		for (guint j = folders->len; j > i + 1; j--)
			if (!strcmp(folders->pdata[i], folders->pdata[j - 1]))
				g_ptr_array_remove_index(folders, j - 1);
	g_ptr_array_add(folders, NULL);
	return folders;
}

static gboolean push_scan(struct scan_job *job, const struct repo *r, struct scan_tips *tips,
	const GArray *without, GError **error)
{
	scan_job_matcher_begin(job);
	g_autoptr(GPtrArray) folders = push_folders(r);
	g_autoptr(Depot) depot = depot_make(job, (const char *const *)folders->pdata, error);
	g_autoptr(State) state = state_make(job, NULL);
	g_autoptr(secret_table) secrets = secret_table_new();
	g_autoptr(ScanNames) names = scan_names_new(job);
	struct scan_history_options options = {.tips = tips,
		.secrets = secrets,
		.names = names,
		.without = without,
		.target = scan_job_target(job, r->path, "push")};
	gboolean is_whole = TRUE;

	if (depot == NULL)
		return FALSE;
	options.target->tips = tips->list->len;
	return scan_history_read(job, &options, depot, state, &is_whole, error) &&
	       scan_history_report(job, state, depot, names, r->path, FALSE, error) &&
	       scan_history_name(job, state, depot, &options, error);
}

gboolean scan_push(struct scan_job *job, GError **error)
{
	const char *folder = g_getenv("GIT_DIR");
	g_autoptr(GString) text = g_string_new(NULL);
	g_auto(ScanTips) tips = {0}, known = {0};
	g_autoptr(GArray) without = g_array_new(FALSE, TRUE, sizeof(struct oid));

	if (folder == NULL || *folder == '\0')
		folder = strcmp(job->flags->paths[0], ".") != 0 ? job->flags->paths[0] : ".";
	g_autofree char *full = g_canonicalize_filename(folder, NULL);
	/* The folder .git of a working tree: what was pushed to has its working tree around it. */
	if (g_str_has_suffix(full, "/.git"))
		full[strlen(full) - strlen("/.git")] = '\0';
	g_autoptr(Repo) r = repo_open(full, job->user, error);
	if (r == NULL || !stdin_read(job, text, error))
		return FALSE;
	scan_tips_init(&tips, r);
	if (!push_read(&tips, without, text->str, error) || !scan_tips_read(&known, r, error))
		return FALSE;
	/* A push that only deletes adds nothing. */
	if (tips.list->len == 0) {
		scan_job_target(job, r->path, "push");
		return TRUE;
	}
	for (guint i = 0; i < known.list->len; i++)
		g_array_append_val(without, g_array_index(known.list, struct history_tip, i).oid);
	if (known.has_head)
		scan_job_ignores_read(job, r, &known.head, r->path);
	return push_scan(job, r, &tips, without, error);
}

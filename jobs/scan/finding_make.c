/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/finding_make.h"

#include <string.h>

#include "jobs/scan/checksum.h"
#include "jobs/scan/finding_path.h"
#include "lib/hash.h"

/* How far behind a hit others are looked for that begin before it and reach into it. */
#define NEIGHBOURS_MAX 256

struct finding_maker {
	struct finding_report *report;
	const struct secret_key *key;
	struct finding_paths *paths;
	GHashTable *by_secret; /* "family digest" in hex -> GPtrArray of findings */
	GArray *places;        /* struct finding_place, of the view at hand */
	GArray *files;         /* guint16: rules of paths alone */
	GArray *known;         /* guint16: those of them that know a path */
	/* What rules say about the path at hand, by number: 0 not asked, 1 no, 2 yes. */
	guint8 *concerned;
	char *path;
	gboolean is_weak; /* of the view at hand: all that is found at its places */
};

struct finding_maker *finding_maker_new(
	struct finding_report *report, const struct secret_key *key, GError **error)
{
	g_autoptr(FindingMaker) maker = g_new0(struct finding_maker, 1);

	maker->report = report;
	maker->key = key;
	maker->by_secret = g_hash_table_new_full(
		hash_text, g_str_equal, g_free, (GDestroyNotify)g_ptr_array_unref);
	maker->places = g_array_new(FALSE, TRUE, sizeof(struct finding_place));
	maker->files = g_array_new(FALSE, FALSE, sizeof(guint16));
	maker->known = g_array_new(FALSE, FALSE, sizeof(guint16));
	for (guint16 i = 0; i < report->rules->n; i++)
		if (report->rules->rules[i].flags & RULE_PATH_ONLY)
			g_array_append_val(maker->files, i);
	maker->concerned = g_new0(guint8, report->rules->n + 1);
	maker->paths = finding_paths_new(report->rules, error);
	return maker->paths != NULL ? g_steal_pointer(&maker) : NULL;
}

void finding_maker_free(struct finding_maker *maker)
{
	if (maker == NULL)
		return;
	finding_paths_free(maker->paths);
	g_hash_table_unref(maker->by_secret);
	g_array_unref(maker->places);
	g_array_unref(maker->files);
	g_array_unref(maker->known);
	g_free(maker->concerned);
	g_free(maker->path);
	g_free(maker);
}

static const struct rule *rule_of(const struct finding_maker *maker, const struct state_hit *hit)
{
	return hit->hit.rule < maker->report->rules->n ? &maker->report->rules->rules[hit->hit.rule]
						       : NULL;
}

/* Is this hit one at this path, whatever other rules say? Memoised as far as it can be. */
static gboolean hit_holds(
	struct finding_maker *maker, const struct finding_view *view, const struct state_hit *hit)
{
	const struct rule *rule = rule_of(maker, hit);
	gboolean is_conditional = (hit->hit.flags & HIT_CONDITIONAL) != 0;
	guint8 *known;

	if (rule == NULL)
		return FALSE;
	known = &maker->concerned[hit->hit.rule];
	if (*known == 0)
		*known = finding_paths_concern(maker->paths, rule, view->path) ? 2 : 1;
	return *known == 2 && !finding_paths_allow(maker->paths, rule, view->path,
				      view->first_commit.oid, is_conditional);
}

static guint32 distance(guint32 a, guint32 b)
{
	return a > b ? a - b : b - a;
}

/* The other rules that this one asks for are near it. */
static gboolean has_required(struct finding_maker *maker, const struct finding_view *view,
	const struct finding_version *version, const struct state_hit *hit)
{
	const struct rule *rule = rule_of(maker, hit);

	for (guint i = 0; i < rule->n_required; i++) {
		const struct rule_required *required = &rule->required[i];
		gboolean is_there = FALSE;
		for (gsize j = 0; j < version->n && !is_there; j++) {
			const struct state_hit *other = &version->hits[j];
			is_there = other->hit.rule == required->rule &&
				   (required->within_lines < 0 ||
					   distance(other->hit.line, hit->hit.line) <=
						   (guint32)required->within_lines) &&
				   (required->within_columns < 0 ||
					   distance(other->hit.column, hit->hit.column) <=
						   (guint32)required->within_columns) &&
				   hit_holds(maker, view, other);
		}
		if (!is_there)
			return FALSE;
	}
	return TRUE;
}

/* Does a say more than b about the same bytes? Never both ways round. */
static gboolean is_stronger(
	const struct finding_maker *maker, const struct state_hit *a, const struct state_hit *b)
{
	const struct rule *x = rule_of(maker, a), *y = rule_of(maker, b);

	if (x == NULL || (x->flags & RULE_HIDDEN) || a->hit.rule == b->hit.rule)
		return FALSE;
	if (x->specificity != y->specificity)
		return x->specificity > y->specificity;
	if (x->severity != y->severity)
		return x->severity > y->severity;
	if (a->hit.len != b->hit.len)
		return a->hit.len > b->hit.len;
	return a->hit.rule < b->hit.rule;
}

static gboolean overlap(const struct state_hit *a, const struct state_hit *b)
{
	return (guint64)a->hit.at < (guint64)b->hit.at + b->hit.len &&
	       (guint64)b->hit.at < (guint64)a->hit.at + a->hit.len;
}

static gboolean is_beaten_by(struct finding_maker *maker, const struct finding_view *view,
	const struct finding_version *version, const struct state_hit *hit,
	const struct state_hit *other)
{
	return overlap(hit, other) && is_stronger(maker, other, hit) &&
	       hit_holds(maker, view, other) && has_required(maker, view, version, other);
}

/* A more specific rule has the same bytes, at this path. */
static gboolean is_overshadowed(struct finding_maker *maker, const struct finding_view *view,
	const struct finding_version *version, gsize at)
{
	const struct state_hit *hit = &version->hits[at];

	for (gsize i = at + 1; i < version->n; i++) {
		if (version->hits[i].hit.at >= (guint64)hit->hit.at + hit->hit.len)
			break;
		if (is_beaten_by(maker, view, version, hit, &version->hits[i]))
			return TRUE;
	}
	for (gsize i = at; i > 0 && at - i < NEIGHBOURS_MAX; i--)
		if (is_beaten_by(maker, view, version, hit, &version->hits[i - 1]))
			return TRUE;
	return FALSE;
}

/* What remains of one version: places, and the best hit so far. */
static const struct state_hit *version_add(struct finding_maker *maker,
	const struct finding_view *view, const struct finding_version *version,
	const struct state_hit *best)
{
	guint first = maker->places->len;
	gsize n = version->own != NULL ? version->n_own : version->n;

	for (gsize i = 0; i < n; i++) {
		const struct state_hit *hit =
			version->own != NULL ? version->own[i] : &version->hits[i];
		const struct rule *rule = rule_of(maker, hit);
		if (hit->hit.secret != view->secret || rule == NULL ||
			(rule->flags & RULE_HIDDEN) || !hit_holds(maker, view, hit) ||
			!has_required(maker, view, version, hit) ||
			is_overshadowed(maker, view, version, (gsize)(hit - version->hits)))
			continue;
		struct finding_place place = {version->blob, hit->hit.line, hit->hit.column,
			hit->hit.end_line, hit->hit.end_column, (hit->hit.flags & HIT_MARKED) != 0};
		gboolean is_there = FALSE;
		/* Hits are sorted: those of other rules at the same place are just before. */
		for (guint j = maker->places->len; j > first && !is_there; j--) {
			struct finding_place *known =
				&g_array_index(maker->places, struct finding_place, j - 1);
			is_there = known->line == place.line && known->column == place.column;
			if (known->line != place.line)
				break;
		}
		if (!is_there)
			g_array_append_val(maker->places, place);
		maker->is_weak &= (hit->hit.flags & HIT_WEAK) != 0;
		if (best == NULL || is_stronger(maker, hit, best))
			best = hit;
	}
	return best;
}

/* Marked, where the file is newest: an old version without the mark does not bring it back. */
static gboolean is_marked(const GArray *places, guint from, guint to)
{
	for (guint i = from; i < to; i++)
		if (!g_array_index(places, struct finding_place, i).is_marked)
			return FALSE;
	return to > from;
}

static struct finding_commit commit_keep(
	struct finding_report *report, const struct finding_commit *given)
{
	struct finding_commit commit = *given;

	commit.author = finding_report_text(report, given->author, -1);
	commit.email = finding_report_text(report, given->email, -1);
	commit.message = finding_report_text(report, given->message, -1);
	return commit;
}

static const char *const *refs_keep(struct finding_report *report, const char *const *refs, guint n)
{
	const char **kept;

	if (n == 0)
		return NULL;
	kept = g_new0(const char *, n + 1);
	for (guint i = 0; i < n; i++)
		kept[i] = finding_report_text(report, refs[i], -1);
	return finding_report_take(report, kept);
}

static void by_secret_add(struct finding_maker *maker, const char *family,
	const guint8 digest[SECRET_HASH_BYTES], struct finding *finding)
{
	char id[FINDING_ID_HEX + 1];

	/* The id of this secret at no path: the same for all its findings. */
	finding_location_id(family, NULL, digest, id);
	GPtrArray *list = g_hash_table_lookup(maker->by_secret, id);
	if (list == NULL) {
		list = g_ptr_array_new();
		g_hash_table_insert(maker->by_secret, g_strdup(id), list);
	}
	finding->same = list->len > 0 ? ((const struct finding *)list->pdata[0])->same
				      : g_hash_table_size(maker->by_secret);
	g_ptr_array_add(list, finding);
}

void finding_maker_name(struct finding_maker *maker, struct finding *finding, const char *family,
	const guint8 digest[SECRET_HASH_BYTES])
{
	finding_location_id(family, finding->path, digest, finding->location_id);
	if (finding->rule->flags & RULE_PATH_ONLY) /* no secret: it joins nothing */
		return;
	if (maker->key != NULL)
		finding_secret_id(maker->key, family, digest, finding->secret_id);
	by_secret_add(maker, family, digest, finding);
}

const guint16 *finding_maker_files(struct finding_maker *maker, const char *path, guint *n)
{
	g_array_set_size(maker->known, 0);
	for (guint i = 0; i < maker->files->len; i++) {
		guint16 rule = g_array_index(maker->files, guint16, i);
		if (finding_paths_concern(maker->paths, &maker->report->rules->rules[rule], path))
			g_array_append_val(maker->known, rule);
	}
	*n = maker->known->len;
	return (const guint16 *)(const void *)maker->known->data;
}

void finding_maker_drop(struct finding_maker *maker, struct finding *finding)
{
	g_ptr_array_remove_fast(maker->report->findings, finding);
}

static void places_keep(struct finding_maker *maker, struct finding *finding)
{
	guint n = MIN(maker->places->len, FINDING_PLACES_MAX);

	finding->places_total = maker->places->len;
	finding->n_places = n;
	finding->places = finding_report_take(
		maker->report, g_memdup2(maker->places->data, n * sizeof(struct finding_place)));
}

struct finding *finding_maker_add(struct finding_maker *maker, const struct finding_view *view)
{
	struct finding_report *report = maker->report;
	const struct state_hit *best = NULL, *shown = NULL;
	guint first = G_MAXUINT, newest_from = 0, newest_to = 0, head = G_MAXUINT;
	gsize newest = view->head != G_MAXSIZE ? view->head : view->last;

	if (g_strcmp0(maker->path, view->path) != 0) {
		g_free(maker->path);
		maker->path = g_strdup(view->path);
		memset(maker->concerned, 0, report->rules->n);
	}
	g_array_set_size(maker->places, 0);
	maker->is_weak = TRUE;
	for (gsize i = 0; i < view->n_versions; i++) {
		guint before = maker->places->len;
		best = version_add(maker, view, &view->versions[i], best);
		if (maker->places->len == before)
			continue;
		if (first == G_MAXUINT || i == view->first)
			first = before;
		if (i == newest) {
			newest_from = before;
			newest_to = maker->places->len;
		}
		if (i == view->head)
			head = before;
	}
	if (best == NULL)
		return NULL;
	if (newest_to == newest_from)
		newest_to = maker->places->len;

	struct finding *finding = finding_report_add(report);
	finding->rule = rule_of(maker, best);
	/* What its issuer's checksum proves is as bad in a test. */
	gboolean is_proven = checksum_is_issuers(checksum_find(finding->rule->checksum));
	finding->severity = finding_severity(finding->rule->severity, is_proven ? NULL : view->path,
		maker->is_weak && !is_proven, &finding->lowered_for);
	finding->repository = finding_report_text(report, view->repository, -1);
	finding->path = finding_report_text(report, view->path, -1);
	finding->secret = finding_report_text(report, view->masked, -1);
	finding->entropy = view->entropy;
	finding->place = g_array_index(maker->places, struct finding_place, first);
	finding->head_line = head != G_MAXUINT
				     ? g_array_index(maker->places, struct finding_place, head).line
				     : 0;
	finding->is_marked = is_marked(maker->places, newest_from, newest_to);
	finding->first = commit_keep(report, &view->first_commit);
	finding->last = commit_keep(report, &view->last_commit);
	finding->in_head = view->in_head;
	finding->refs = refs_keep(report, view->refs, view->n_refs);
	finding->refs_total = view->refs_total;
	finding->status = view->status;
	places_keep(maker, finding);
	shown = best;
	if (finding_is_file(finding)) {
		/* gitleaks' words, by which its reports know such a finding. */
		g_autofree char *text = g_strconcat("file detected: ", view->path, NULL);
		finding->sample = finding_report_text(report, text, -1);
	} else if (view->sample != NULL)
		finding->sample =
			finding_report_text(report, view->sample(view->sample_data, shown), -1);
	if (view->digest != NULL)
		finding_maker_name(maker, finding, view->family, view->digest);
	return finding;
}

/* Up to FINDING_PATHS_MAX other paths that have it; of another repository, its name is in front. */
static void paths_set(
	struct finding_report *report, struct finding *finding, const GPtrArray *present)
{
	const char **paths = g_new0(const char *, FINDING_PATHS_MAX + 1);
	guint n = 0;

	finding->paths_total = present->len - (finding->status != FINDING_STATUS_REMOVED);
	for (guint i = 0; i < present->len && n < FINDING_PATHS_MAX; i++) {
		const struct finding *other = present->pdata[i];
		if (other == finding)
			continue;
		/* What has no path is last. */
		if (other->path == NULL)
			break;
		if (!strcmp(other->repository, finding->repository)) {
			paths[n++] = other->path;
			continue;
		}
		g_autofree char *path = g_build_filename(other->repository, other->path, NULL);
		paths[n++] = finding_report_text(report, path, -1);
	}
	if (n > 0)
		finding->paths = finding_report_take(report, paths);
	else
		g_free(paths);
}

static void list_finish(struct finding_report *report, const GPtrArray *list)
{
	g_autoptr(GPtrArray) present = g_ptr_array_new();

	for (int has_path = 1; has_path >= 0; has_path--) {
		for (guint i = 0; i < list->len; i++) {
			struct finding *finding = list->pdata[i];
			if (finding->status != FINDING_STATUS_REMOVED &&
				(finding->path != NULL) == has_path)
				g_ptr_array_add(present, finding);
		}
	}
	for (guint i = 0; list->len > 1 && i < list->len; i++)
		paths_set(report, list->pdata[i], present);
}

void finding_maker_finish(struct finding_maker *maker)
{
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, maker->by_secret);
	while (g_hash_table_iter_next(&iter, NULL, &value))
		list_finish(maker->report, value);
}

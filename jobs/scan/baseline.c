/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/baseline.h"

#include <string.h>

#include "jobs/scan/finding_id.h"
#include "jobs/scan/rule.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/json.h"
#include "lib/quote.h"

/* One entry of gitleaks' report. */
struct foreign {
	guint line; /* number in report->ignores */
	const char *path, *rule;
	guint32 at_line;
	guint32 secret; /* in the table; 0: it was redacted */
	gboolean is_rule_unknown;
};

struct baseline {
	struct finding_report *report;
	struct secret_table *secrets;
	GHashTable *by_id;   /* location_id -> number in report->ignores */
	GArray *foreign;     /* struct foreign */
	GHashTable *by_path; /* -> GArray of guint: numbers in foreign */
};

static const struct json_limits limits = {BASELINE_BYTES_MAX, 32, 100000};

void baseline_free(struct baseline *baseline)
{
	if (baseline == NULL)
		return;
	secret_table_free(baseline->secrets);
	g_hash_table_unref(baseline->by_id);
	g_hash_table_unref(baseline->by_path);
	g_array_unref(baseline->foreign);
	g_free(baseline);
}

static guint entry_add(
	struct baseline *baseline, const char *source, guint number, const char *text)
{
	struct finding_report *report = baseline->report;
	struct finding_ignore_line line = {.kind = FINDING_IGNORE_BASELINE,
		.source = finding_report_text(report, source, -1),
		.line = number,
		.text = finding_report_text(report, text, -1)};

	g_array_append_val(report->ignores, line);
	return report->ignores->len - 1;
}

static void ours_add(
	struct baseline *baseline, const char *source, guint number, json_object *object)
{
	const char *id = json_get_text(object, "location_id", NULL);

	if (id == NULL || strlen(id) != FINDING_ID_HEX)
		return;
	guint line = entry_add(baseline, source, number, id);
	g_hash_table_insert(baseline->by_id,
		(gpointer)g_array_index(baseline->report->ignores, struct finding_ignore_line, line)
			.text,
		GUINT_TO_POINTER(line + 1));
}

/* gitleaks writes "REDACTED", or a start and "...". */
static gboolean is_redacted(const char *secret)
{
	return *secret == '\0' || !strcmp(secret, "REDACTED") || g_str_has_suffix(secret, "...") ||
	       strstr(secret, "****") != NULL;
}

static gboolean has_rule(const struct rule_set *rules, const char *id)
{
	for (guint i = 0; rules != NULL && i < rules->n; i++)
		if (rule_has_name(&rules->rules[i], id))
			return TRUE;
	return FALSE;
}

static gboolean foreign_add(
	struct baseline *baseline, const char *source, guint number, json_object *object)
{
	struct finding_report *report = baseline->report;
	const char *path = json_get_text(object, "File", NULL);
	const char *rule = json_get_text(object, "RuleID", NULL);
	const char *secret = json_get_text(object, "Secret", NULL);
	const char *name = json_get_text(object, "Fingerprint", NULL);
	json_object *line = json_get(object, "StartLine", json_type_int, NULL);

	if (path == NULL || rule == NULL || line == NULL)
		return FALSE;
	g_autofree char *bytes = quote_parse(path);
	g_autofree char *made =
		g_strdup_printf("%s:%s:%" G_GINT64_FORMAT, path, rule, json_object_get_int64(line));
	struct foreign entry = {
		.line = entry_add(baseline, source, number, name != NULL ? name : made),
		.path = finding_report_text(report, bytes, -1),
		.rule = finding_report_text(report, rule, -1),
		.at_line = (guint32)CLAMP(json_object_get_int64(line), 0, G_MAXUINT32),
		.is_rule_unknown = !has_rule(report->rules, rule)};
	if (secret != NULL && !is_redacted(secret))
		entry.secret = secret_table_add(
			baseline->secrets, "", (const guint8 *)secret, strlen(secret));
	g_array_append_val(baseline->foreign, entry);
	GArray *list = g_hash_table_lookup(baseline->by_path, entry.path);
	if (list == NULL) {
		list = g_array_new(FALSE, FALSE, sizeof(guint));
		g_hash_table_insert(baseline->by_path, (gpointer)entry.path, list);
	}
	guint at = baseline->foreign->len - 1;
	g_array_append_val(list, at);
	return TRUE;
}

static gboolean refuse(const char *source, GError **error)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
		"%s is neither a report of muster scan nor gitleaks' JSON", source);
	return FALSE;
}

static gboolean list_add(
	struct baseline *baseline, const char *source, json_object *list, GError **error)
{
	for (gsize i = 0; i < json_object_array_length(list); i++) {
		json_object *object = json_object_array_get_idx(list, i);
		if (!json_object_is_type(object, json_type_object) ||
			!foreign_add(baseline, source, (guint)i + 1, object))
			return refuse(source, error);
	}
	return TRUE;
}

static gboolean report_add(
	struct baseline *baseline, const char *source, json_object *object, GError **error)
{
	json_object *findings = json_get(object, "findings", json_type_array, NULL);
	json_object *ignored = json_get(object, "ignored", json_type_array, NULL);
	guint number = 0;

	if (findings == NULL)
		return refuse(source, error);
	for (gsize i = 0; i < json_object_array_length(findings); i++)
		ours_add(baseline, source, ++number, json_object_array_get_idx(findings, i));
	/* What an older baseline took away then is still in the newer one. */
	for (gsize i = 0; ignored != NULL && i < json_object_array_length(ignored); i++) {
		json_object *one = json_object_array_get_idx(ignored, i);
		json_object *by = json_get(one, "ignored_by", json_type_object, NULL);
		const char *kind = by != NULL ? json_get_text(by, "kind", NULL) : NULL;
		if (!g_strcmp0(kind, "baseline"))
			ours_add(baseline, source, ++number, one);
	}
	return TRUE;
}

static gboolean is_line(json_object *object)
{
	return json_object_is_type(object, json_type_object) &&
	       (json_get_text(object, "location_id", NULL) != NULL ||
		       json_get(object, "coverage", json_type_object, NULL) != NULL);
}

/* A finding a line; the last line has the coverage. */
static gboolean lines_add(
	struct baseline *baseline, const char *source, const char *text, gsize len, GError **error)
{
	const char *end = text + len;

	for (guint number = 1; text < end; number++) {
		const char *newline = memchr(text, '\n', (gsize)(end - text));
		gsize size = (gsize)((newline != NULL ? newline : end) - text);
		g_autoptr(json_object) object =
			size > 0 ? json_parse(text, size, &limits, NULL) : NULL;
		if (size > 0 && !is_line(object))
			return refuse(source, error);
		if (object != NULL)
			ours_add(baseline, source, number, object);
		text += size + 1;
	}
	return TRUE;
}

struct baseline *baseline_parse(struct finding_report *report, const char *source, const char *text,
	gsize len, GError **error)
{
	g_autoptr(Baseline) baseline = g_new0(struct baseline, 1);
	g_autoptr(GError) why = NULL;

	baseline->report = report;
	baseline->secrets = secret_table_new();
	baseline->by_id = g_hash_table_new(hash_text, g_str_equal);
	baseline->by_path =
		g_hash_table_new_full(hash_text, g_str_equal, NULL, (GDestroyNotify)g_array_unref);
	baseline->foreign = g_array_new(FALSE, FALSE, sizeof(struct foreign));
	g_autoptr(json_object) object = json_parse(text, len, &limits, &why);
	gboolean is_read;
	if (json_object_is_type(object, json_type_array))
		is_read = list_add(baseline, source, object, error);
	else if (json_object_is_type(object, json_type_object) &&
		 json_get(object, "findings", json_type_array, NULL) != NULL)
		is_read = report_add(baseline, source, object, error);
	else
		is_read = lines_add(baseline, source, text, len, error);
	return is_read ? g_steal_pointer(&baseline) : NULL;
}

struct baseline *baseline_load(struct finding_report *report, const char *path, GError **error)
{
	g_autofree char *text = NULL;
	gsize len;

	if (!file_read(path, BASELINE_BYTES_MAX, &text, &len, error)) {
		g_prefix_error(error, "the baseline cannot be read: ");
		return NULL;
	}
	struct baseline *baseline = baseline_parse(report, path, text, len, error);
	secret_wipe(text, len);
	return baseline;
}

static void use(struct baseline *baseline, struct finding *f, guint line)
{
	g_array_index(baseline->report->ignores, struct finding_ignore_line, line).used++;
	if (f->ignore != FINDING_IGNORE_UNSET)
		return;
	f->ignore = FINDING_IGNORE_BASELINE;
	f->ignored_by = line;
}

static gboolean line_is(const struct finding *f, guint32 line)
{
	for (guint32 i = 0; i < f->n_places; i++)
		if (f->places[i].line == line)
			return TRUE;
	return f->place.line == line;
}

/* digests by secret number, as far as they were made. */
static gboolean foreign_holds(
	const struct foreign *entry, const struct finding *f, const struct finding_digest *digests)
{
	char id[FINDING_ID_HEX + 1];

	if (entry->secret != 0) {
		finding_location_id(f->rule->family, f->path, digests[entry->secret - 1].bytes, id);
		return !strcmp(id, f->location_id);
	}
	return line_is(f, entry->at_line) &&
	       (entry->is_rule_unknown || rule_has_name(f->rule, entry->rule));
}

static gboolean foreign_apply(struct baseline *baseline, guint threads, GError **error)
{
	guint32 n = secret_table_count(baseline->secrets);
	g_autofree struct finding_digest *digests = g_new0(struct finding_digest, n + 1);
	g_autofree guint32 *numbers = g_new(guint32, n + 1);

	for (guint32 i = 0; i < n; i++)
		numbers[i] = i + 1;
	if (!finding_digest_all(baseline->secrets, numbers, n, threads, NULL, digests, error))
		return FALSE;
	for (guint i = 0; i < baseline->report->findings->len; i++) {
		struct finding *f = baseline->report->findings->pdata[i];
		const GArray *list =
			f->path != NULL ? g_hash_table_lookup(baseline->by_path, f->path) : NULL;
		for (guint j = 0; list != NULL && j < list->len; j++) {
			const struct foreign *entry = &g_array_index(
				baseline->foreign, struct foreign, g_array_index(list, guint, j));
			if (foreign_holds(entry, f, digests))
				use(baseline, f, entry->line);
		}
	}
	return TRUE;
}

gboolean baseline_apply(struct baseline *baseline, guint threads, GError **error)
{
	for (guint i = 0; i < baseline->report->findings->len; i++) {
		struct finding *f = baseline->report->findings->pdata[i];
		guint line = GPOINTER_TO_UINT(g_hash_table_lookup(baseline->by_id, f->location_id));
		if (line > 0)
			use(baseline, f, line - 1);
	}
	return baseline->foreign->len == 0 || foreign_apply(baseline, threads, error);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/scan.h"
#include "jobs/scan/rule.h"
#include "lib/quote.h"

/* schema/scan-1.json says what every member means. Unknown is null, never zero or empty. */

static void text_add(json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, text != NULL ? json_object_new_string(text) : NULL);
}

/* Bytes of a repository: quoted. */
static void bytes_add(json_object *object, const char *key, const char *bytes)
{
	g_autofree char *text = bytes != NULL ? quote_format(bytes) : NULL;

	text_add(object, key, text);
}

static void number_add(json_object *object, const char *key, guint64 number)
{
	json_object_object_add(object, key, json_object_new_int64((gint64)number));
}

static void flag_add(json_object *object, const char *key, gboolean flag)
{
	json_object_object_add(object, key, json_object_new_boolean(flag));
}

static json_object *texts_new(const char *const *texts)
{
	json_object *list = json_object_new_array();

	for (; texts != NULL && *texts != NULL; texts++) {
		g_autofree char *text = quote_format(*texts);
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
}

static void oid_add(json_object *object, const char *key, const struct oid *oid)
{
	static const struct oid none;
	char hex[OID_HEX + 1];

	oid_format(oid, hex);
	text_add(object, key, memcmp(oid, &none, sizeof(none)) != 0 ? hex : NULL);
}

/* Two digits behind the point, not the seventeen of a double. */
static json_object *entropy_new(const struct finding *f)
{
	char text[G_ASCII_DTOSTR_BUF_SIZE];

	g_ascii_formatd(text, sizeof(text), "%.2f", f->entropy);
	return json_object_new_double_s(f->entropy, text);
}

static void place_add(json_object *object, const struct finding_place *place)
{
	number_add(object, "line", place->line);
	number_add(object, "column", place->column);
	number_add(object, "end_line", place->end_line);
	number_add(object, "end_column", place->end_column);
	oid_add(object, "blob", &place->blob);
}

static void commit_add(json_object *object, const struct finding *f)
{
	gboolean has_first = *f->first.oid != '\0', has_last = *f->last.oid != '\0';
	g_autofree char *date = has_first ? scan_output_author_time(&f->first) : NULL;
	g_autofree char *last_date = has_last ? scan_output_author_time(&f->last) : NULL;

	text_add(object, "commit", has_first ? f->first.oid : NULL);
	bytes_add(object, "author", f->first.author);
	bytes_add(object, "email", f->first.email);
	text_add(object, "date", date);
	text_add(object, "last_commit", has_last ? f->last.oid : NULL);
	text_add(object, "last_date", last_date);
}

json_object *scan_output_finding(const struct finding_report *report, const struct finding *f)
{
	json_object *object = json_object_new_object();
	json_object *places = json_object_new_array();
	g_autofree char *name = finding_gitleaks_name(f);

	text_add(object, "rule", f->rule->id);
	text_add(object, "family", f->rule->family);
	text_add(object, "description", f->rule->description);
	text_add(object, "severity", severity_name(f->severity));
	text_add(object, "severity_declared", severity_name(f->rule->severity));
	text_add(object, "lowered_for", f->lowered_for);
	json_object_object_add(object, "tags", texts_new(f->rule->tags));
	bytes_add(object, "repository", f->repository);
	bytes_add(object, "path", f->path);
	place_add(object, &f->place);
	if (f->head_line > 0)
		number_add(object, "head_line", f->head_line);
	else
		text_add(object, "head_line", NULL);
	bytes_add(object, "secret", f->secret);
	bytes_add(object, "sample", f->sample);
	json_object_object_add(object, "entropy", entropy_new(f));
	text_add(object, "location_id", f->location_id);
	text_add(object, "secret_id", *f->secret_id != '\0' ? f->secret_id : NULL);
	bytes_add(object, "fingerprint", name);
	commit_add(object, f);
	if (f->in_head == FINDING_UNKNOWN)
		text_add(object, "in_head", NULL);
	else
		flag_add(object, "in_head", f->in_head == FINDING_YES);
	json_object_object_add(object, "refs", texts_new(f->refs));
	number_add(object, "refs_total", f->refs_total);
	json_object_object_add(object, "paths", texts_new(f->paths));
	number_add(object, "paths_total", f->paths_total);
	for (guint32 i = 0; i < f->n_places; i++) {
		json_object *place = json_object_new_object();
		place_add(place, &f->places[i]);
		json_object_array_add(places, place);
	}
	json_object_object_add(object, "occurrences", places);
	number_add(object, "occurrences_total", f->places_total);
	text_add(object, "status", f->status == FINDING_STATUS_REMOVED ? "removed" : "present");
	text_add(object, "validity", "unknown");
	text_add(object, "rotate", f->rule->rotate);
	text_add(object, "remedy", f->rule->remedy);
	if (!finding_is_counted(f)) {
		json_object *by = json_object_new_object();
		text_add(by, "kind", finding_ignore_name(f->ignore));
		if (f->ignore != FINDING_IGNORE_MARK && f->ignored_by < report->ignores->len) {
			const struct finding_ignore_line *line = &g_array_index(
				report->ignores, struct finding_ignore_line, f->ignored_by);
			bytes_add(by, "source", line->source);
			number_add(by, "line", line->line);
			bytes_add(by, "reason", line->reason);
		}
		json_object_object_add(object, "ignored_by", by);
	}
	return object;
}

static json_object *ignores_new(const struct finding_report *report)
{
	json_object *list = json_object_new_array();

	for (guint i = 0; i < report->ignores->len; i++) {
		const struct finding_ignore_line *line =
			&g_array_index(report->ignores, struct finding_ignore_line, i);
		json_object *object = json_object_new_object();
		text_add(object, "kind", finding_ignore_name(line->kind));
		bytes_add(object, "source", line->source);
		number_add(object, "line", line->line);
		bytes_add(object, "text", line->text);
		bytes_add(object, "reason", line->reason);
		flag_add(object, "used", line->used > 0);
		number_add(object, "findings", line->used);
		flag_add(object, "expired", line->is_expired);
		json_object_array_add(list, object);
	}
	return list;
}

static json_object *target_new(const struct finding_target *target)
{
	json_object *object = json_object_new_object(), *skipped = json_object_new_object();

	bytes_add(object, "name", target->name);
	text_add(object, "kind", target->kind);
	text_add(object, "head", target->head);
	number_add(object, "tips", target->tips);
	text_add(object, "tips_hash", *target->tips_hash != '\0' ? target->tips_hash : NULL);
	number_add(object, "objects", target->objects);
	number_add(object, "commits", target->commits);
	number_add(object, "eligible", target->eligible);
	number_add(object, "scanned", target->scanned);
	number_add(object, "known", target->known);
	number_add(object, "bytes", target->bytes);
	for (guint i = 0; i < target->n_gaps; i++)
		if (target->gaps[i].count > 0)
			number_add(skipped, target->gaps[i].reason, target->gaps[i].count);
	json_object_object_add(object, "skipped", skipped);
	flag_add(object, "partly", target->is_partly);
	json_object_object_add(object, "problems", texts_new(target->problems));
	return object;
}

json_object *scan_output_coverage(const struct finding_report *report)
{
	json_object *object = json_object_new_object(), *targets = json_object_new_array();
	json_object *problems = json_object_new_array();
	guint64 objects = 0, eligible = 0, scanned = 0, known = 0, bytes = 0, skipped = 0, tips = 0;
	g_autoptr(GString) hash = g_string_new(NULL);

	for (guint i = 0; i < report->targets->len; i++) {
		const struct finding_target *target =
			&g_array_index(report->targets, struct finding_target, i);
		objects += target->objects;
		eligible += target->eligible;
		scanned += target->scanned;
		known += target->known;
		bytes += target->bytes;
		tips += target->tips;
		for (guint j = 0; j < target->n_gaps; j++)
			skipped += target->gaps[j].count;
		json_object_array_add(targets, target_new(target));
	}
	for (guint i = 0; i < report->problems->len; i++) {
		g_autofree char *text = quote_format(report->problems->pdata[i]);
		json_object_array_add(problems, json_object_new_string(text));
	}
	for (gsize i = 0; report->rules != NULL && i < sizeof(report->rules->hash); i++)
		g_string_append_printf(hash, "%02x", report->rules->hash[i]);
	number_add(object, "objects", objects);
	number_add(object, "eligible", eligible);
	number_add(object, "scanned", scanned);
	number_add(object, "known", known);
	number_add(object, "skipped", skipped);
	number_add(object, "bytes", bytes);
	number_add(object, "tips", tips);
	number_add(object, "digests", report->digests);
	number_add(object, "rules", report->rules != NULL ? report->rules->n : 0);
	text_add(object, "rules_hash", hash->str);
	number_add(object, "duration_ms", (guint64)report->elapsed_us / 1000);
	flag_add(object, "partly", report->is_partly);
	json_object_object_add(object, "targets", targets);
	json_object_object_add(object, "problems", problems);
	return object;
}

static json_object *findings_new(const struct finding_report *report, gboolean is_counted)
{
	json_object *list = json_object_new_array();

	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		if (finding_is_counted(f) == is_counted)
			json_object_array_add(list, scan_output_finding(report, f));
	}
	return list;
}

void scan_output_json(const struct finding_report *report, GString *out)
{
	g_autoptr(json_object) object = json_object_new_object();
	g_autofree char *time = scan_output_time(report->started_us / G_USEC_PER_SEC);
	json_object *summary = json_object_new_object();
	guint total = 0;

	number_add(object, "schema_version", 1);
	text_add(object, "generator", "muster " PACKAGE_VERSION);
	text_add(object, "timestamp", time);
	for (int severity = SEVERITY_CRITICAL; severity >= SEVERITY_INFO; severity--) {
		guint count = finding_report_count(report, (enum severity)severity);
		number_add(summary, severity_name((enum severity)severity), count);
		total += count;
	}
	number_add(summary, "total", total);
	number_add(summary, "secrets", finding_report_secrets(report));
	number_add(summary, "ignored", report->findings->len - total);
	json_object_object_add(object, "summary", summary);
	json_object_object_add(object, "findings", findings_new(report, TRUE));
	json_object_object_add(object, "ignored", findings_new(report, FALSE));
	json_object_object_add(object, "ignores", ignores_new(report));
	json_object_object_add(object, "coverage", scan_output_coverage(report));
	output_json(object, out);
}

static void line_append(GString *out, json_object *object)
{
	g_string_append(out, json_object_to_json_string_ext(object,
				     JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	g_string_append_c(out, '\n');
}

void scan_output_jsonl(const struct finding_report *report, GString *out)
{
	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		if (!finding_is_counted(f))
			continue;
		g_autoptr(json_object) object = scan_output_finding(report, f);
		line_append(out, object);
	}
	g_autoptr(json_object) last = json_object_new_object();
	json_object_object_add(last, "coverage", scan_output_coverage(report));
	line_append(out, last);
}

void scan_output_gitleaks(const struct finding_report *report, GString *out)
{
	g_autoptr(json_object) list = json_object_new_array();

	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		if (!finding_is_counted(f))
			continue;
		json_object *object = json_object_new_object();
		g_autofree char *name = finding_gitleaks_name(f);
		g_autofree char *date =
			*f->first.oid != '\0' ? scan_output_time(f->first.time) : NULL;
		gboolean is_file = finding_is_file(f);
		text_add(object, "RuleID", f->rule->id);
		text_add(object, "Description", f->rule->description);
		number_add(object, "StartLine", is_file ? 0 : f->place.line);
		number_add(object, "EndLine", is_file ? 0 : f->place.end_line);
		number_add(object, "StartColumn", is_file ? 0 : f->place.column);
		number_add(object, "EndColumn", is_file ? 0 : f->place.end_column);
		bytes_add(object, "Match", f->sample);
		bytes_add(object, "Secret", f->secret);
		bytes_add(object, "File", f->path != NULL ? f->path : "");
		text_add(object, "SymlinkFile", "");
		text_add(object, "Commit", f->first.oid);
		json_object_object_add(object, "Entropy", entropy_new(f));
		bytes_add(object, "Author", f->first.author != NULL ? f->first.author : "");
		bytes_add(object, "Email", f->first.email != NULL ? f->first.email : "");
		text_add(object, "Date", date != NULL ? date : "");
		bytes_add(object, "Message", f->first.message != NULL ? f->first.message : "");
		json_object_object_add(object, "Tags", texts_new(f->rule->tags));
		bytes_add(object, "Fingerprint", name);
		json_object_array_add(list, object);
	}
	output_json(list, out);
}

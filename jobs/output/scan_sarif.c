/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/output/scan.h"
#include "jobs/scan/rule.h"
#include "lib/quote.h"

/*
 * SARIF 2.1.0 (OASIS, 2020). Paths are relative to %SRCROOT%, or with several repositories to one
 * base each; what is ignored is a result with a suppression. Kept within what code scanning of the
 * large forges takes: 25 000 results, 20 tags a rule; how many more there were is a notification.
 */
#define RESULTS_MAX 25000
#define TAGS_MAX 20
#define SCHEMA "https://json.schemastore.org/sarif-2.1.0.json"

static void text_add(json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static json_object *message_new(const char *text)
{
	json_object *object = json_object_new_object();

	text_add(object, "text", text);
	return object;
}

/* For code scanning: over 9 is critical, 7 high, 4 medium, the rest low. */
static const char *severity_number(enum severity severity)
{
	static const char *const numbers[] = {"0.0", "1.0", "3.0", "5.5", "8.0", "9.5"};

	return numbers[severity];
}

static const char *level(enum severity severity)
{
	return severity >= SEVERITY_HIGH     ? "error"
	       : severity == SEVERITY_MEDIUM ? "warning"
					     : "note";
}

static json_object *rule_new(const struct rule *rule)
{
	json_object *object = json_object_new_object(), *help = json_object_new_object();
	json_object *properties = json_object_new_object(), *tags = json_object_new_array();
	json_object *configuration = json_object_new_object();
	const char *description = rule->description != NULL ? rule->description : rule->id;
	g_autofree char *text =
		g_strdup_printf("%s%s%s", rule->remedy != NULL ? rule->remedy : description,
			rule->rotate != NULL ? " " : "", rule->rotate != NULL ? rule->rotate : "");

	text_add(object, "id", rule->id);
	text_add(object, "name", rule->id);
	json_object_object_add(object, "shortDescription", message_new(description));
	json_object_object_add(object, "fullDescription", message_new(description));
	text_add(help, "text", text);
	json_object_object_add(object, "help", help);
	if (rule->rotate != NULL && g_str_has_prefix(rule->rotate, "https://"))
		text_add(object, "helpUri", rule->rotate);
	text_add(configuration, "level", level(rule->severity));
	json_object_object_add(object, "defaultConfiguration", configuration);
	json_object_array_add(tags, json_object_new_string("security"));
	json_object_array_add(tags, json_object_new_string("secret"));
	for (guint i = 0; rule->tags != NULL && rule->tags[i] != NULL && i < TAGS_MAX - 2; i++)
		if (strcmp(rule->tags[i], "security") != 0 && strcmp(rule->tags[i], "secret") != 0)
			json_object_array_add(tags, json_object_new_string(rule->tags[i]));
	json_object_object_add(properties, "tags", tags);
	text_add(properties, "security-severity", severity_number(rule->severity));
	text_add(properties, "precision", "high");
	json_object_object_add(object, "properties", properties);
	return object;
}

/* Every byte that a URI cannot hold as it is, by RFC 3986. */
static char *uri_format(const char *path)
{
	return g_uri_escape_bytes((const guint8 *)path, strlen(path), "/");
}

/* "%SRCROOT%", or a name for each repository when there are several. */
static char *base_name(const struct finding_report *report, const struct finding *f)
{
	if (report->targets->len > 1)
		for (guint i = 0; i < report->targets->len; i++)
			if (!strcmp(g_array_index(report->targets, struct finding_target, i).name,
				    f->repository))
				return g_strdup_printf("%%REPOSITORY%u%%", i + 1);
	return g_strdup("%SRCROOT%");
}

/* Where a person who opens the file sees it: the line in HEAD, if it is there. */
static json_object *region_new(const struct finding *f)
{
	json_object *region = json_object_new_object();
	const struct finding_place *place = &f->place;
	guint32 line = MAX(scan_output_line(f), 1);
	guint32 more = place->end_line > place->line ? place->end_line - place->line : 0;

	json_object_object_add(region, "startLine", json_object_new_int64(line));
	json_object_object_add(region, "startColumn", json_object_new_int64(MAX(place->column, 1)));
	json_object_object_add(region, "endLine", json_object_new_int64((gint64)line + more));
	/* Ours is the last byte, SARIF's is behind it. */
	json_object_object_add(
		region, "endColumn", json_object_new_int64((gint64)place->end_column + 1));
	return region;
}

static json_object *locations_new(const struct finding_report *report, const struct finding *f)
{
	json_object *list = json_object_new_array(), *location = json_object_new_object();
	json_object *physical = json_object_new_object(), *artifact = json_object_new_object();
	json_object *region = region_new(f), *snippet = json_object_new_object();
	g_autofree char *uri = uri_format(f->path != NULL ? f->path : "");
	g_autofree char *base = base_name(report, f);
	g_autofree char *sample = quote_format(f->sample != NULL ? f->sample : "");

	text_add(artifact, "uri", uri);
	text_add(artifact, "uriBaseId", base);
	json_object_object_add(physical, "artifactLocation", artifact);
	text_add(snippet, "text", sample);
	json_object_object_add(region, "snippet", snippet);
	json_object_object_add(physical, "region", region);
	json_object_object_add(location, "physicalLocation", physical);
	json_object_array_add(list, location);
	return list;
}

static json_object *suppressions_new(const struct finding_report *report, const struct finding *f)
{
	json_object *list = json_object_new_array(), *object;

	if (finding_is_counted(f))
		return list;
	object = json_object_new_object();
	text_add(object, "kind", f->ignore == FINDING_IGNORE_MARK ? "inSource" : "external");
	text_add(object, "status", "accepted");
	g_autofree char *why = NULL;
	if (f->ignore != FINDING_IGNORE_MARK && f->ignored_by < report->ignores->len) {
		const struct finding_ignore_line *line =
			&g_array_index(report->ignores, struct finding_ignore_line, f->ignored_by);
		g_autofree char *source = quote_format(line->source);
		g_autofree char *reason = line->reason != NULL ? quote_format(line->reason) : NULL;
		why = g_strdup_printf("%s:%u%s%s", source, line->line, reason != NULL ? ": " : "",
			reason != NULL ? reason : "");
	}
	text_add(object, "justification", why != NULL ? why : "a comment on the line");
	json_object_array_add(list, object);
	return list;
}

static json_object *result_new(
	const struct finding_report *report, const struct finding *f, guint rule_index)
{
	json_object *object = json_object_new_object(), *prints = json_object_new_object();
	json_object *properties = json_object_new_object();
	g_autofree char *secret = quote_format(f->secret != NULL ? f->secret : "");
	g_autofree char *since = *f->first.oid != '\0' ? scan_output_author_time(&f->first) : NULL;
	g_autofree char *name = finding_gitleaks_name(f), *quoted = quote_format(name);
	g_autofree char *text = g_strdup_printf("%s%s%s%s%.10s%s%.8s",
		f->rule->description != NULL ? f->rule->description : f->rule->id,
		*secret != '\0' ? ": " : "", secret, since != NULL ? ", since " : "",
		since != NULL ? since : "", since != NULL ? " in commit " : "", f->first.oid);

	text_add(object, "ruleId", f->rule->id);
	json_object_object_add(object, "ruleIndex", json_object_new_int64(rule_index));
	text_add(object, "level", level(f->severity));
	text_add(object, "kind", "fail");
	json_object_object_add(object, "message", message_new(text));
	json_object_object_add(object, "locations", locations_new(report, f));
	text_add(prints, "musterLocation/v1", f->location_id);
	if (*f->secret_id != '\0')
		text_add(prints, "musterSecret/v1", f->secret_id);
	json_object_object_add(object, "partialFingerprints", prints);
	json_object_object_add(object, "suppressions", suppressions_new(report, f));
	json_object_object_add(
		object, "occurrenceCount", json_object_new_int64(MAX(f->places_total, 1)));
	text_add(properties, "severity", severity_name(f->severity));
	text_add(properties, "security-severity", severity_number(f->severity));
	text_add(properties, "gitleaksFingerprint", quoted);
	if (*f->first.oid != '\0') {
		g_autofree char *author =
			quote_format(f->first.author != NULL ? f->first.author : "");
		text_add(properties, "commit", f->first.oid);
		text_add(properties, "author", author);
		text_add(properties, "date", since);
	}
	if (f->in_head != FINDING_UNKNOWN)
		json_object_object_add(
			properties, "inHead", json_object_new_boolean(f->in_head == FINDING_YES));
	text_add(properties, "status", f->status == FINDING_STATUS_REMOVED ? "removed" : "present");
	json_object_object_add(object, "properties", properties);
	return object;
}

/* A folder's URI has a slash at its end; anything that is no folder here gets none. */
static json_object *bases_new(const struct finding_report *report)
{
	json_object *bases = json_object_new_object();
	gboolean is_single = report->targets->len <= 1;

	for (guint i = 0; i < MAX(report->targets->len, 1); i++) {
		const char *name =
			report->targets->len > 0
				? g_array_index(report->targets, struct finding_target, i).name
				: "";
		json_object *base = json_object_new_object();
		g_autofree char *key = is_single ? g_strdup("%SRCROOT%")
						 : g_strdup_printf("%%REPOSITORY%u%%", i + 1);
		if (g_path_is_absolute(name)) {
			g_autofree char *escaped = uri_format(name);
			g_autofree char *uri = g_strdup_printf(
				"file://%s%s", escaped, g_str_has_suffix(escaped, "/") ? "" : "/");
			text_add(base, "uri", uri);
		}
		json_object_object_add(
			base, "description", message_new("The root of what was scanned."));
		json_object_object_add(bases, key, base);
	}
	return bases;
}

static json_object *invocation_new(const struct finding_report *report, guint left_out)
{
	json_object *object = json_object_new_object(), *notes = json_object_new_array();
	g_autofree char *start = scan_output_time(report->started_us / G_USEC_PER_SEC);
	g_autofree char *end =
		scan_output_time((report->started_us + report->elapsed_us) / G_USEC_PER_SEC);

	json_object_object_add(
		object, "executionSuccessful", json_object_new_boolean(!report->is_partly));
	text_add(object, "startTimeUtc", start);
	text_add(object, "endTimeUtc", end);
	for (guint i = 0; i <= report->problems->len; i++) {
		json_object *note = json_object_new_object();
		g_autofree char *text = NULL;
		if (i < report->problems->len)
			text = quote_format(report->problems->pdata[i]);
		else if (left_out > 0)
			text = g_strdup_printf("%u more results were left out", left_out);
		if (text == NULL) {
			json_object_put(note);
			continue;
		}
		text_add(note, "level", i < report->problems->len ? "error" : "warning");
		json_object_object_add(note, "message", message_new(text));
		json_object_array_add(notes, note);
	}
	json_object_object_add(object, "toolExecutionNotifications", notes);
	return object;
}

void scan_output_sarif(const struct finding_report *report, GString *out)
{
	g_autoptr(json_object) log = json_object_new_object();
	json_object *runs = json_object_new_array(), *run = json_object_new_object();
	json_object *tool = json_object_new_object(), *driver = json_object_new_object();
	json_object *rules = json_object_new_array(), *results = json_object_new_array();
	json_object *automation = json_object_new_object(), *invocations = json_object_new_array();
	json_object *properties = json_object_new_object();
	g_autoptr(GHashTable) numbers = g_hash_table_new(NULL, NULL);
	guint left_out = 0;

	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		gpointer number = NULL;
		if (json_object_array_length(results) >= RESULTS_MAX) {
			left_out++;
			continue;
		}
		if (!g_hash_table_lookup_extended(numbers, f->rule, NULL, &number)) {
			number = GUINT_TO_POINTER(json_object_array_length(rules));
			g_hash_table_insert(numbers, (gpointer)f->rule, number);
			json_object_array_add(rules, rule_new(f->rule));
		}
		json_object_array_add(results, result_new(report, f, GPOINTER_TO_UINT(number)));
	}
	text_add(driver, "name", "Muster");
	text_add(driver, "semanticVersion", PACKAGE_VERSION);
	text_add(driver, "version", PACKAGE_VERSION);
	json_object_object_add(driver, "rules", rules);
	json_object_object_add(tool, "driver", driver);
	json_object_object_add(run, "tool", tool);
	text_add(automation, "id", "muster/scan/");
	json_object_object_add(run, "automationDetails", automation);
	json_object_object_add(run, "originalUriBaseIds", bases_new(report));
	json_object_array_add(invocations, invocation_new(report, left_out));
	json_object_object_add(run, "invocations", invocations);
	json_object_object_add(run, "results", results);
	json_object_object_add(properties, "coverage", scan_output_coverage(report));
	json_object_object_add(run, "properties", properties);
	json_object_array_add(runs, run);
	text_add(log, "$schema", SCHEMA);
	text_add(log, "version", "2.1.0");
	json_object_object_add(log, "runs", runs);
	output_json(log, out);
}

/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/score.h"

#define STALE_TAGS_MAX 10

const char score_formula[] =
	"score = 100 - 2 uncommitted - stale_tags (at most 10) - 5 missing_files\n"
	"        - 10 critical - 5 high - 15 secrets + 5 if there was a commit in 24 hours,\n"
	"        held between 0 and 100. What is unknown moves nothing and is named.\n";

static const char *const term_names[SCORE_TERM_COUNT] = {
	[SCORE_TERM_UNCOMMITTED] = "uncommitted",
	[SCORE_TERM_STALE_TAGS] = "stale_tags",
	[SCORE_TERM_MISSING_FILES] = "missing_files",
	[SCORE_TERM_CRITICAL] = "critical",
	[SCORE_TERM_HIGH] = "high",
	[SCORE_TERM_SECRETS] = "secrets",
	[SCORE_TERM_COMMITS_24H] = "commits_24h",
};

static const gint term_points[SCORE_TERM_COUNT] = {
	[SCORE_TERM_UNCOMMITTED] = -2,
	[SCORE_TERM_STALE_TAGS] = -1,
	[SCORE_TERM_MISSING_FILES] = -5,
	[SCORE_TERM_CRITICAL] = -10,
	[SCORE_TERM_HIGH] = -5,
	[SCORE_TERM_SECRETS] = -15,
	[SCORE_TERM_COMMITS_24H] = 5,
};

const char *score_term_name(enum score_term term)
{
	return term_names[term];
}

static gint points_get(enum score_term term, guint64 count)
{
	guint64 most = 1000; /* more than enough to reach 0 */

	if (term == SCORE_TERM_STALE_TAGS)
		most = STALE_TAGS_MAX;
	if (term == SCORE_TERM_COMMITS_24H)
		most = 1;
	return term_points[term] * (gint)MIN(count, most);
}

static void term_set(struct score *score, enum score_term term, gboolean is_known, guint64 count)
{
	score->terms[term].is_known = is_known;
	score->terms[term].count = count;
	score->terms[term].points = points_get(term, count);
	score->value += score->terms[term].points;
}

void score_init(struct score *score, const struct audit_facts *facts)
{
	const char *missing[AUDIT_MISSING_FILES_MAX];
	guint64 stale_tags;

	*score = (struct score){.value = 100};
	if (facts->error != NULL)
		return;
	/* A bare repository has nothing uncommitted: that is known. */
	if (facts->status != NULL || facts->is_bare)
		term_set(score, SCORE_TERM_UNCOMMITTED, TRUE, facts->changed);
	if (audit_facts_stale_tags(facts, &stale_tags))
		term_set(score, SCORE_TERM_STALE_TAGS, TRUE, stale_tags);
	if (facts->head_tree != NULL) {
		term_set(score, SCORE_TERM_MISSING_FILES, TRUE,
			audit_facts_missing_files(facts, missing));
		term_set(score, SCORE_TERM_SECRETS, FALSE, facts->head_tree->sensitive_count);
	}
	if (facts->log != NULL)
		term_set(score, SCORE_TERM_COMMITS_24H, TRUE, audit_facts_recent(facts, 86400));
	score->value = CLAMP(score->value, 0, 100);
	score->is_known = TRUE;
}

static guint64 row_number(json_object *row, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(row, key, &value)
		       ? (guint64)MAX(json_object_get_int64(value), 0)
		       : 0;
}

static guint64 row_count(json_object *row, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(row, key, &value) &&
			       json_object_is_type(value, json_type_array)
		       ? json_object_array_length(value)
		       : 0;
}

char *score_explain(json_object *row)
{
	json_object *value, *unknown;
	GString *text = g_string_new(NULL);
	guint64 counts[SCORE_TERM_COUNT] = {0};

	if (!json_object_object_get_ex(row, "healthScore", &value) || value == NULL) {
		g_string_free(text, TRUE);
		return NULL;
	}
	g_string_printf(text, "%d = 100", json_object_get_int(value));
	counts[SCORE_TERM_UNCOMMITTED] = row_number(row, "changed");
	counts[SCORE_TERM_STALE_TAGS] = row_number(row, "staleTags");
	counts[SCORE_TERM_MISSING_FILES] = row_count(row, "missingFiles");
	counts[SCORE_TERM_SECRETS] = row_number(row, "tracked_secrets_total");
	counts[SCORE_TERM_COMMITS_24H] = row_number(row, "commits_24h");
	for (int i = 0; i < SCORE_TERM_COUNT; i++) {
		gint points = points_get((enum score_term)i, counts[i]);
		if (points != 0)
			g_string_append_printf(text, " %+d %s (%" G_GUINT64_FORMAT ")", points,
				term_names[i], counts[i]);
	}
	if (json_object_object_get_ex(row, "health_unknown", &unknown) &&
		json_object_array_length(unknown) > 0) {
		g_string_append(text, "; unknown:");
		for (gsize i = 0; i < json_object_array_length(unknown); i++)
			g_string_append_printf(text, "%s %s", i > 0 ? "," : "",
				json_object_get_string(json_object_array_get_idx(unknown, i)));
	}
	return g_string_free(text, FALSE);
}

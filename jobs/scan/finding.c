/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/finding.h"

#include <string.h>

#include "jobs/scan/rule.h"

#define MASK_SHORT_BYTES 16
#define MASK_SHOWN 4
#define MASK_SHARE 8

struct finding_report *finding_report_new(const struct rule_set *rules)
{
	struct finding_report *report = g_new0(struct finding_report, 1);

	report->rules = rules;
	report->findings = g_ptr_array_new_with_free_func(g_free);
	report->ignores = g_array_new(FALSE, TRUE, sizeof(struct finding_ignore_line));
	report->targets = g_array_new(FALSE, TRUE, sizeof(struct finding_target));
	report->problems = g_ptr_array_new_with_free_func(g_free);
	report->texts = g_string_chunk_new(16384);
	report->owned = g_ptr_array_new_with_free_func(g_free);
	return report;
}

void finding_report_free(struct finding_report *report)
{
	if (report == NULL)
		return;
	g_ptr_array_unref(report->findings);
	g_array_unref(report->ignores);
	g_array_unref(report->targets);
	g_ptr_array_unref(report->problems);
	g_string_chunk_free(report->texts);
	g_ptr_array_unref(report->owned);
	g_free(report);
}

struct finding *finding_report_add(struct finding_report *report)
{
	struct finding *finding = g_new0(struct finding, 1);

	finding->status = FINDING_STATUS_PRESENT;
	finding->repository = "";
	g_ptr_array_add(report->findings, finding);
	return finding;
}

const char *finding_report_text(struct finding_report *report, const char *text, gssize len)
{
	return text != NULL ? g_string_chunk_insert_len(report->texts, text, len) : NULL;
}

gpointer finding_report_take(struct finding_report *report, gpointer memory)
{
	if (memory != NULL)
		g_ptr_array_add(report->owned, memory);
	return memory;
}

static int number_compare(guint64 a, guint64 b)
{
	return a < b ? -1 : a > b;
}

static int finding_compare(gconstpointer a, gconstpointer b)
{
	const struct finding *x = *(const struct finding *const *)a;
	const struct finding *y = *(const struct finding *const *)b;
	int order = number_compare(!finding_is_counted(x), !finding_is_counted(y));

	if (order == 0)
		order = number_compare(y->severity, x->severity);
	if (order == 0)
		order = strcmp(x->repository, y->repository);
	if (order == 0)
		order = g_strcmp0(x->path, y->path);
	if (order == 0)
		order = number_compare(x->place.line, y->place.line);
	if (order == 0)
		order = number_compare(x->place.column, y->place.column);
	if (order == 0)
		order = strcmp(x->rule->id, y->rule->id);
	return order != 0 ? order : strcmp(x->location_id, y->location_id);
}

void finding_report_sort(struct finding_report *report)
{
	g_ptr_array_sort(report->findings, finding_compare);
}

guint finding_report_count(const struct finding_report *report, enum severity severity)
{
	guint count = 0;

	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		count += finding_is_counted(f) && f->severity == severity;
	}
	return count;
}

guint finding_report_secrets(const struct finding_report *report)
{
	g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
	guint unknown = 0;

	for (guint i = 0; i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		if (!finding_is_counted(f))
			continue;
		unknown += f->same == 0;
		if (f->same != 0)
			g_hash_table_add(seen, GUINT_TO_POINTER(f->same));
	}
	return g_hash_table_size(seen) + unknown;
}

gboolean finding_report_is_clean(const struct finding_report *report)
{
	for (guint i = 0; i < report->findings->len; i++)
		if (finding_is_counted(report->findings->pdata[i]))
			return FALSE;
	return TRUE;
}

gboolean finding_report_has_failed(const struct finding_report *report)
{
	for (guint i = 0; report->fail_on != SEVERITY_UNSET && i < report->findings->len; i++) {
		const struct finding *f = report->findings->pdata[i];
		if (finding_is_counted(f) && f->severity >= report->fail_on)
			return TRUE;
	}
	return FALSE;
}

const char *finding_ignore_name(enum finding_ignore kind)
{
	static const char *const names[] = {
		NULL, "mark", ".musterignore", ".gitleaksignore", "baseline"};

	return names[kind];
}

gboolean finding_is_file(const struct finding *finding)
{
	return (finding->rule->flags & RULE_PATH_ONLY) != 0;
}

char *finding_gitleaks_name(const struct finding *finding)
{
	const char *path = finding->path != NULL ? finding->path : "";

	/* There, a file that is known by its path has line 0. */
	return g_strdup_printf("%s%s%s:%s:%u", finding->first.oid,
		*finding->first.oid != '\0' ? ":" : "", path, finding->rule->id,
		finding_is_file(finding) ? 0 : finding->place.line);
}

/* As many characters of UTF-8 as fit into limit bytes, none where the bytes are no UTF-8. */
static gsize whole_characters(const guint8 *bytes, gsize len, gsize limit)
{
	const char *end;

	if (!g_utf8_validate((const char *)bytes, (gssize)len, NULL)) {
		for (gsize i = 0; i < limit; i++)
			if (bytes[i] >= 0x80)
				return i;
		return limit;
	}
	end = (const char *)bytes;
	while (g_utf8_next_char(end) <= (const char *)bytes + limit)
		end = g_utf8_next_char(end);
	return (gsize)(end - (const char *)bytes);
}

char *finding_mask_secret(const guint8 *secret, gsize len, const struct finding_mask *mask)
{
	if (mask->is_shown)
		return g_strndup((const char *)secret, len);
	if (mask->percent > 0) {
		gsize keep = len * (100 - MIN(mask->percent, 100)) / 100;
		if (keep == 0)
			return g_strdup("REDACTED");
		keep = whole_characters(secret, len, keep);
		return g_strdup_printf("%.*s...", (int)MIN(keep, 4096), (const char *)secret);
	}
	/* A key in PEM: the line that says what it is, is no secret. */
	if (len > 20 && !memcmp(secret, "-----BEGIN ", 11)) {
		const guint8 *end = memchr(secret, '\n', MIN(len, 80));
		gsize line = end != NULL ? (gsize)(end - secret) - (end[-1] == '\r') : 0;
		if (line > 0)
			return g_strdup_printf("%.*s ********", (int)line, (const char *)secret);
	}
	/* Of what has lines, a key's bytes or a document, the start says nothing. */
	gsize keep = len < MASK_SHORT_BYTES || memchr(secret, '\n', len) != NULL
			     ? 0
			     : MIN(MASK_SHOWN, len / MASK_SHARE);
	keep = whole_characters(secret, len, keep);
	return g_strdup_printf("%.*s********", (int)keep, (const char *)secret);
}

static const struct {
	const char *word, *why;
} lower_words[] = {
	/* clang-format off */
	{ "test", "test" }, { "tests", "test" }, { "testing", "test" }, { "spec", "test" },
	{ "specs", "test" }, { "__tests__", "test" }, { "__mocks__", "test" }, { "mock", "test" },
	{ "mocks", "test" }, { "unittest", "test" }, { "unittests", "test" }, { "e2e", "test" },
	{ "testsuite", "test" }, { "androidtest", "test" }, { "t", "test" },
	{ "fixture", "fixture" }, { "fixtures", "fixture" }, { "__fixtures__", "fixture" },
	{ "testdata", "fixture" }, { "test_data", "fixture" }, { "test-data", "fixture" },
	{ "cassettes", "fixture" }, { "snapshots", "fixture" }, { "__snapshots__", "fixture" },
	{ "example", "example" }, { "examples", "example" }, { "sample", "example" },
	{ "samples", "example" }, { "demo", "example" }, { "demos", "example" },
	{ "tutorial", "example" }, { "tutorials", "example" },
	/* clang-format on */
};

static const char *lower_word(const char *word, gsize len)
{
	for (gsize i = 0; i < G_N_ELEMENTS(lower_words); i++)
		if (strlen(lower_words[i].word) == len &&
			!g_ascii_strncasecmp(lower_words[i].word, word, len))
			return lower_words[i].why;
	return NULL;
}

/* The last word of a name: smoke-tests, dockerTest, integration_test. */
static const char *last_word(const char *name, gsize len)
{
	gsize i = len;

	while (i > 0 && name[i - 1] != '.' && name[i - 1] != '_' && name[i - 1] != '-') {
		i--;
		if (i > 0 && g_ascii_isupper(name[i]) && g_ascii_islower(name[i - 1]))
			break;
	}
	return name + i;
}

/*
 * What runs in continuous integration does so with secrets that count, and is called test.yml more
 * often than not: from such a folder on, names say nothing.
 */
static gboolean is_ci_folder(const char *path)
{
	static const char *const folders[] = {".github/workflows/", ".github/actions/",
		".gitea/workflows/", ".forgejo/workflows/", ".gitlab/ci/", ".circleci/",
		".buildkite/", ".woodpecker/", NULL};

	for (const char *const *folder = folders; *folder != NULL; folder++)
		if (g_str_has_prefix(path, *folder))
			return TRUE;
	return FALSE;
}

static gboolean is_ci_file(const char *name)
{
	return g_str_has_prefix(name, ".gitlab-ci") || g_str_has_suffix(name, ".gitlab-ci.yml") ||
	       g_str_has_prefix(name, "Jenkinsfile") || g_str_has_suffix(name, ".jenkinsfile") ||
	       g_str_has_prefix(name, "azure-pipelines") ||
	       g_str_has_prefix(name, "bitbucket-pipelines");
}

/*
 * A folder by its whole name or its last word; a file by its words: test_login.py, login.spec.ts,
 * .env.example.
 */
static const char *lower_why(const char *path)
{
	const char *at = path, *slash, *why = NULL;

	while (why == NULL && (slash = strchr(at, '/')) != NULL) {
		if (is_ci_folder(at))
			return NULL;
		const char *word = last_word(at, (gsize)(slash - at));
		why = lower_word(at, (gsize)(slash - at));
		if (why == NULL)
			why = lower_word(word, (gsize)(slash - word));
		at = slash + 1;
	}
	if (why == NULL && is_ci_file(at))
		return NULL;
	while (why == NULL && *at != '\0') {
		gsize len = strcspn(at, "._-");
		why = lower_word(at, len);
		/* LoginTest.java, LoginTests.cs */
		if (why == NULL && len > 4 && !memcmp(at + len - 4, "Test", 4))
			why = "test";
		if (why == NULL && len > 5 && !memcmp(at + len - 5, "Tests", 5))
			why = "test";
		at += len + strspn(at + len, "._-");
	}
	return why;
}

enum severity finding_severity(
	enum severity declared, const char *path, gboolean is_weak, const char **why)
{
	*why = NULL;
	if (declared <= SEVERITY_LOW)
		return declared;
	*why = path != NULL ? lower_why(path) : NULL;
	if (*why == NULL && is_weak)
		*why = "default";
	if (*why == NULL)
		return declared;
	return declared - 2 > SEVERITY_LOW ? declared - 2 : SEVERITY_LOW;
}

const char *finding_lowered_text(const struct finding *finding)
{
	static const struct {
		const char *why, *text;
	} texts[] = {
		{"test", "it is in a test"},
		{"fixture", "it is in a fixture"},
		{"example", "it is in an example"},
		{"default", "it is a default, or for a local host"},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
		if (!g_strcmp0(finding->lowered_for, texts[i].why))
			return texts[i].text;
	return NULL;
}

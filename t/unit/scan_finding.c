/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/finding.h"

#include <string.h>

#include "jobs/output/scan.h"
#include "jobs/scan/baseline.h"
#include "jobs/scan/finding_id.h"
#include "jobs/scan/finding_make.h"
#include "jobs/scan/finding_sample.h"
#include "jobs/scan/ignore.h"
#include "jobs/scan/pattern_path.h"
#include "jobs/scan/state_order.h"
#include "t/unit/check.h"

#define DAY 20000 /* 2024-10-04 */
#define LOCATION_ID_OF_ONE "54e7f951f41e65fefa86af89ec1b115d"

static const char rule_text[] = "[[rules]]\n"
				"id = \"generic\"\ndescription = \"Generic\"\n"
				"regex = '''key=([a-z0-9]{8,})'''\nkeywords = [\"key\"]\n"
				"specificity = 10\nseverity = \"medium\"\n"
				"[[rules]]\n"
				"id = \"exact\"\ndescription = \"Exact\"\n"
				"regex = '''ex_([a-z0-9]{8,})'''\nkeywords = [\"ex_\"]\n"
				"specificity = 90\nseverity = \"critical\"\n"
				"remedy = \"Revoke it.\"\nrotate = \"https://example.org/\"\n"
				"[[rules.allowlists]]\npaths = ['''^vendor/''']\n"
				"[[rules]]\n"
				"id = \"pair\"\ndescription = \"Pair\"\n"
				"regex = '''pair_([a-z0-9]{8,})'''\nkeywords = [\"pair_\"]\n"
				"severity = \"high\"\npath = '''\\.env$'''\n";

static struct rule_set *rules_new(void)
{
	g_autoptr(GError) error = NULL;
	struct rule_set *rules = rule_set_parse("rules.toml", rule_text, strlen(rule_text), &error);

	g_assert_no_error(error);
	g_assert_cmpuint(rules->n, ==, 3);
	return rules;
}

static guint rule_number(const struct rule_set *rules, const char *id)
{
	return (guint)(rule_find(rules, id) - rules->rules);
}

static struct finding *finding_new(struct finding_report *report, const char *rule,
	const char *path, guint32 line, const char *secret)
{
	struct finding *f = finding_report_add(report);
	guint8 digest[SECRET_HASH_BYTES] = {0};

	memcpy(digest, secret, MIN(strlen(secret), sizeof(digest)));
	f->rule = rule_find(report->rules, rule);
	f->severity = finding_severity(f->rule->severity, path, FALSE, &f->lowered_for);
	f->path = path;
	f->place.line = f->place.end_line = line;
	f->place.column = 1;
	f->place.end_column = 8;
	f->secret = "********";
	f->sample = "key=********";
	finding_location_id(f->rule->family, path, digest, f->location_id);
	f->places = &f->place;
	f->n_places = f->places_total = 1;
	return f;
}

static void test_mask(void)
{
	struct finding_mask own = {FALSE, 0}, part = {FALSE, 75}, all = {FALSE, 100},
			    shown = {TRUE, 0};
	static const struct {
		const char *secret, *masked;
	} cases[] = {
		{"short", "********"},
		{"exactly15chars!", "********"},
		{"abcdefghijklmnop", "ab********"},
		{"abcdefghijklmnopqrstuvwxyzabcdefghijkl", "abcd********"},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = finding_mask_secret(
			(const guint8 *)cases[i].secret, strlen(cases[i].secret), &own);
		g_assert_cmpstr(text, ==, cases[i].masked);
	}
	g_autofree char *quarter = finding_mask_secret((const guint8 *)"abcdefgh", 8, &part);
	g_autofree char *none = finding_mask_secret((const guint8 *)"abcdefgh", 8, &all);
	g_autofree char *whole = finding_mask_secret((const guint8 *)"abcdefgh", 8, &shown);
	g_assert_cmpstr(quarter, ==, "ab...");
	g_assert_cmpstr(none, ==, "REDACTED");
	g_assert_cmpstr(whole, ==, "abcdefgh");
}

static void test_severity(void)
{
	static const struct {
		const char *path, *why;
	} cases[] = {
		{"src/main.c", NULL},
		{"tests/main.c", "test"},
		{"a/fixtures/b/c.json", "fixture"},
		{"config/.env.example", "example"},
		{"src/LoginTest.java", "test"},
		{"latest/contest.c", NULL},
		{"src/test_login.py", "test"},
		{"app/src/dockerTest/server.key", "test"},
		{"boot-smoke-tests/a.c", "test"},
		{"greatest/a.c", NULL},
		{".github/workflows/BuildTest.yml", NULL},
		{".github/workflows/test.yml", NULL},
		{".circleci/tests/e2e.yml", NULL},
		{".gitlab-ci.test.yml", NULL},
		{"ci/Jenkinsfile.test", NULL},
		{"tests/.github/workflows/a.yml", "test"},
		{"examples/Jenkinsfile", "example"},
		{NULL, NULL},
	};
	const char *why;

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		enum severity severity =
			finding_severity(SEVERITY_CRITICAL, cases[i].path, FALSE, &why);
		g_assert_cmpstr(why, ==, cases[i].why);
		g_assert_cmpint(
			severity, ==, cases[i].why != NULL ? SEVERITY_MEDIUM : SEVERITY_CRITICAL);
	}
	g_assert_cmpint(finding_severity(SEVERITY_MEDIUM, "test/a", FALSE, &why), ==, SEVERITY_LOW);
	g_assert_cmpint(finding_severity(SEVERITY_INFO, "test/a", FALSE, &why), ==, SEVERITY_INFO);
	g_assert_cmpint(finding_severity(SEVERITY_HIGH, "src/a", TRUE, &why), ==, SEVERITY_LOW);
	g_assert_cmpstr(why, ==, "default");
}

static void test_ids(void)
{
	g_autofree struct finding_digest *digests = g_new0(struct finding_digest, 2);
	struct secret_table *secrets = secret_table_new();
	guint32 numbers[2];
	char a[FINDING_ID_HEX + 1], b[FINDING_ID_HEX + 1];

	numbers[0] = secret_table_add(secrets, "f", (const guint8 *)"one", 3);
	numbers[1] = secret_table_add(secrets, "f", (const guint8 *)"two", 3);
	g_assert_true(finding_digest_all(secrets, numbers, 2, 2, NULL, digests, NULL));
	finding_location_id("f", "path", digests[0].bytes, a);
	/* Kept for ever: baselines name it. */
	g_assert_cmpstr(a, ==, LOCATION_ID_OF_ONE);
	finding_location_id("f", "path", digests[1].bytes, b);
	g_assert_cmpstr(a, !=, b);
	finding_location_id("f", "other", digests[0].bytes, b);
	g_assert_cmpstr(a, !=, b);
	finding_location_id("g", "path", digests[0].bytes, b);
	g_assert_cmpstr(a, !=, b);
	secret_table_free(secrets);
}

static void test_sample(void)
{
	static const char text[] = "a line\n\tkey=hunter2hunter2 other=0123456789abcdef end\nnext";
	struct hit hits[] = {
		{.at = 12, .len = 14, .match_at = 8, .match_len = 41},
		{.at = 33, .len = 16, .match_at = 27, .match_len = 22},
	};
	g_autofree char *sample = finding_sample(
		(const guint8 *)text, strlen(text), hits, 2, &hits[0], "hu********", FALSE);
	g_assert_cmpstr(sample, ==, "key=hu******** other=********");
	/* The file became shorter since. */
	g_autofree char *less =
		finding_sample((const guint8 *)text, 20, hits, 2, &hits[0], "hu********", FALSE);
	g_assert_cmpstr(less, ==, "hu********");
}

/* "<" and ">" are around the match, which is the secret. */
static void test_sample_name(void)
{
	static const struct {
		const char *text, *sample;
	} cases[] = {
		{"GITHUB_TOKEN=<x1>", "GITHUB_TOKEN=***"},
		{"\texport TOKEN2 = '<x1>';  # for alice\n", "TOKEN2 = '***';"},
		{"{\"user\": \"u\", \"api-key\": \"<x1>\"}", "\"api-key\": \"***\"}"},
		{"token := `<x1>`", "token := `***`"},
		{"'token' => '<x1>',", "'token' => '***',"},
		{"run --token=<x1> --other", "--token=***"},
		{"call(key=\"<x1>\")\n", "key=\"***\")"},
		{"password hunter2 <x1>", "***"},
		{"hunter2\n<x1>", "***"},
		{"hunter2=\n<x1>", "***"},
		{"c2VjcmV0== <x1>", "***"},
		{"abc/c2VjcmV0=<x1>", "***"},
		{"q1w2e3r4t5z6=<x1>", "***"},
		{"https://user:pass:<x1>", "***"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=<x1>", "***"},
		{"=<x1>", "***"},
		{"<x1>", "***"},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		const char *from = strchr(cases[i].text, '<'), *to = strchr(from, '>');
		g_autofree char *text = g_strdup_printf("%.*s%.*s%s", (int)(from - cases[i].text),
			cases[i].text, (int)(to - from - 1), from + 1, to + 1);
		struct hit hit = {
			.at = (guint32)(from - cases[i].text), .len = (guint32)(to - from - 1)};
		hit.match_at = hit.at;
		hit.match_len = hit.len;
		g_autofree char *sample = finding_sample(
			(const guint8 *)text, strlen(text), &hit, 1, &hit, "***", FALSE);
		g_assert_cmpstr(sample, ==, cases[i].sample);
	}
}

static void test_patterns(void)
{
	static const struct {
		const char *pattern, *path;
		gboolean holds;
	} cases[] = {
		{"*.md", "a.md", TRUE},
		{"*.md", "doc/a.md", TRUE},
		{"doc/*.md", "doc/a.md", TRUE},
		{"doc/*.md", "doc/b/a.md", FALSE},
		{"doc/**/*.md", "doc/b/c/a.md", TRUE},
		{"doc/**/*.md", "doc/a.md", TRUE},
		{"**/a", "a", TRUE},
		{"doc", "doc/b/a.md", TRUE},
		{"doc/", "doc/b/a.md", TRUE},
		{"doc/", "doc", FALSE},
		{"/doc", "x/doc", FALSE},
		{"b", "doc/b/a.md", TRUE},
		{"doc/**", "doc/b/a.md", TRUE},
		{"do?", "doc", TRUE},
		{"a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", FALSE},
		{"\\*", "*", TRUE},
		{"\\*", "a", FALSE},
		{"", "a", FALSE},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		if (pattern_path_match(cases[i].pattern, cases[i].path) != cases[i].holds)
			g_test_message("%s %s", cases[i].pattern, cases[i].path);
		g_assert_cmpint(
			pattern_path_match(cases[i].pattern, cases[i].path), ==, cases[i].holds);
	}
}

static void test_ignore(void)
{
	g_autoptr(RuleSet) rules = rules_new();
	g_autoptr(FindingReport) report = finding_report_new(rules);
	g_autoptr(IgnoreSet) set = ignore_set_new(report, DAY);
	g_autoptr(GError) error = NULL;
	struct finding *by_id = finding_new(report, "exact", "a.c", 3, "one");
	struct finding *other = finding_new(report, "exact", "a.c", 3, "two");
	struct finding *by_rule = finding_new(report, "generic", "doc/x.md", 9, "three");
	struct finding *by_name = finding_new(report, "generic", "c:d.c", 7, "four");
	struct finding *expired = finding_new(report, "pair", "old.env", 1, "five");
	struct finding *marked = finding_new(report, "pair", "m.env", 1, "six");
	struct finding *foreign = finding_new(report, "exact", "foreign.c", 5, "seven");
	marked->is_marked = TRUE;
	g_strlcpy(by_name->first.oid, "1234567890123456789012345678901234567890", OID_HEX + 1);
	g_autofree char *text = g_strdup_printf(
		"# a comment\n\n%s  # a test key\nrule:generic *.md\n"
		"1234567890123456789012345678901234567890:c:d.c:generic:7\n"
		"path:old.env until:2024-10-03 # soon\nrule:nothing\nwhat is this\n",
		by_id->location_id);

	g_assert_true(ignore_set_add(
		set, FINDING_IGNORE_FILE, ".musterignore", text, strlen(text), NULL, &error));
	g_assert_no_error(error);
	g_assert_true(ignore_set_add(set, FINDING_IGNORE_GITLEAKS, ".gitleaksignore",
		"foreign.c:some-rule-of-theirs:5\n", 32, NULL, &error));
	g_assert_cmpuint(report->problems->len, ==, 2);
	g_assert_cmpstr(report->problems->pdata[0], ==,
		".musterignore:7: there is no rule or family 'nothing'");
	g_assert_nonnull(strstr(report->problems->pdata[1], ".musterignore:8"));
	ignore_set_apply(set);
	g_assert_cmpint(by_id->ignore, ==, FINDING_IGNORE_FILE);
	g_assert_cmpint(other->ignore, ==, FINDING_IGNORE_UNSET);
	g_assert_cmpint(by_rule->ignore, ==, FINDING_IGNORE_FILE);
	g_assert_cmpint(by_name->ignore, ==, FINDING_IGNORE_FILE);
	g_assert_cmpint(expired->ignore, ==, FINDING_IGNORE_UNSET);
	g_assert_cmpint(marked->ignore, ==, FINDING_IGNORE_MARK);
	g_assert_cmpint(foreign->ignore, ==, FINDING_IGNORE_GITLEAKS);
	const struct finding_ignore_line *lines =
		(const struct finding_ignore_line *)(gpointer)report->ignores->data;
	g_assert_cmpuint(report->ignores->len, ==, 6);
	g_assert_cmpuint(lines[0].used, ==, 1);
	g_assert_cmpstr(lines[0].reason, ==, "a test key");
	g_assert_cmpuint(lines[0].line, ==, 3);
	g_assert_true(lines[3].is_expired);
	g_assert_cmpuint(lines[4].used, ==, 0);
	g_assert_cmpuint(lines[5].used, ==, 1);
}

static void baseline_use(struct finding_report *report, const char *text)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Baseline) baseline =
		baseline_parse(report, "baseline.json", text, strlen(text), &error);

	g_assert_no_error(error);
	g_assert_true(baseline_apply(baseline, 1, &error));
}

static void test_baseline(void)
{
	g_autoptr(RuleSet) rules = rules_new();
	g_autoptr(FindingReport) before = finding_report_new(rules),
				 now = finding_report_new(rules);
	g_autoptr(GString) json = g_string_new(NULL), lines = g_string_new(NULL);

	finding_new(before, "exact", "a.c", 3, "one");
	scan_output_json(before, json);
	scan_output_jsonl(before, lines);
	struct finding *moved = finding_new(now, "exact", "a.c", 30, "one");
	struct finding *same_line = finding_new(now, "exact", "a.c", 3, "two");
	baseline_use(now, json->str);
	g_assert_cmpint(moved->ignore, ==, FINDING_IGNORE_BASELINE);
	g_assert_cmpint(same_line->ignore, ==, FINDING_IGNORE_UNSET);
	moved->ignore = FINDING_IGNORE_UNSET;
	baseline_use(now, lines->str);
	g_assert_cmpint(moved->ignore, ==, FINDING_IGNORE_BASELINE);
}

static void test_baseline_foreign(void)
{
	g_autoptr(RuleSet) rules = rules_new();
	g_autoptr(FindingReport) report = finding_report_new(rules);
	struct secret_table *secrets = secret_table_new();
	struct finding_digest digest;
	guint32 number = secret_table_add(secrets, "exact", (const guint8 *)"known-secret", 12);
	struct finding *redacted = finding_new(report, "exact", "a.c", 3, "one");
	struct finding *wrong_line = finding_new(report, "exact", "a.c", 4, "two");
	struct finding *known = finding_new(report, "exact", "b.c", 8, "three");
	struct finding *another = finding_new(report, "exact", "b.c", 9, "four");

	g_assert_true(finding_digest_all(secrets, &number, 1, 1, NULL, &digest, NULL));
	finding_location_id("exact", "b.c", digest.bytes, known->location_id);
	baseline_use(report,
		"[{\"RuleID\":\"exact\",\"File\":\"a.c\",\"StartLine\":3,\"Secret\":\"REDACTED\"},"
		"{\"RuleID\":\"x\",\"File\":\"b.c\",\"StartLine\":9,\"Secret\":\"known-secret\"}]");
	g_assert_cmpint(redacted->ignore, ==, FINDING_IGNORE_BASELINE);
	g_assert_cmpint(wrong_line->ignore, ==, FINDING_IGNORE_UNSET);
	g_assert_cmpint(known->ignore, ==, FINDING_IGNORE_BASELINE);
	g_assert_cmpint(another->ignore, ==, FINDING_IGNORE_UNSET);
	secret_table_free(secrets);
}

static void test_baseline_wrong(void)
{
	static const char *const texts[] = {"", "{}", "[1]", "[{}]", "nothing", "{\"findings\":1}",
		"{\"findings\":[],\"findings\":[]}", "null", "[{\"File\":1}]"};
	g_autoptr(RuleSet) rules = rules_new();
	g_autoptr(FindingReport) report = finding_report_new(rules);

	for (gsize i = 1; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(Baseline) baseline =
			baseline_parse(report, "b", texts[i], strlen(texts[i]), &error);
		g_assert_null(baseline);
		g_assert_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT);
	}
}

static struct state_hit hit_make(guint rule, guint32 secret, guint32 at, guint32 len, guint32 line)
{
	return (struct state_hit){.hit = {.secret = secret,
					  .line = line,
					  .column = at + 1,
					  .end_line = line,
					  .end_column = at + len,
					  .at = at,
					  .len = len,
					  .rule = (guint16)rule}};
}

static void test_overlap(void)
{
	g_autoptr(RuleSet) rules = rules_new();
	g_autoptr(FindingReport) report = finding_report_new(rules);
	g_autoptr(GError) error = NULL;
	g_autoptr(FindingMaker) maker = finding_maker_new(report, NULL, &error);
	guint generic = rule_number(rules, "generic"), exact = rule_number(rules, "exact"),
	      pair = rule_number(rules, "pair");
	struct state_hit hits[] = {hit_make(generic, 1, 10, 20, 1), hit_make(exact, 2, 10, 20, 1),
		hit_make(pair, 3, 200, 10, 4), hit_make(generic, 1, 300, 20, 8)};
	struct finding_version version = {.hits = hits, .n = G_N_ELEMENTS(hits)};
	guint8 digest[SECRET_HASH_BYTES] = {1};
	struct finding_view view = {.repository = "",
		.path = "a.c",
		.family = "generic",
		.masked = "***",
		.digest = digest,
		.versions = &version,
		.n_versions = 1,
		.head = G_MAXSIZE,
		.secret = 1};

	/* The exact rule has the first place, the generic one keeps the second. */
	struct finding *f = finding_maker_add(maker, &view);
	g_assert_nonnull(f);
	g_assert_cmpstr(f->rule->id, ==, "generic");
	g_assert_cmpuint(f->places_total, ==, 1);
	g_assert_cmpuint(f->place.line, ==, 8);
	view.secret = 2;
	f = finding_maker_add(maker, &view);
	g_assert_cmpstr(f->rule->id, ==, "exact");
	/* Where its allowlist takes the exact one away, the generic one has both. */
	view.path = "vendor/a.c";
	g_assert_null(finding_maker_add(maker, &view));
	view.secret = 1;
	f = finding_maker_add(maker, &view);
	g_assert_cmpuint(f->places_total, ==, 2);
	/* A rule for some paths only. */
	view.secret = 3;
	g_assert_null(finding_maker_add(maker, &view));
	view.path = "x/prod.env";
	f = finding_maker_add(maker, &view);
	g_assert_cmpstr(f->rule->id, ==, "pair");
}

/*
 * A file of thousands of secrets: each is told with its own places, and for that no hit but its own
 * is gone through, so that the work grows with the hits and not with their square.
 */
static void test_many(void)
{
	enum {
		SECRETS = 50000,
		EACH = 3
	};
	g_autoptr(RuleSet) rules = rules_new();
	g_autoptr(FindingReport) report = finding_report_new(rules);
	g_autoptr(GError) error = NULL;
	g_autoptr(FindingMaker) maker = finding_maker_new(report, NULL, &error);
	struct state_options options = {.engine = "test", .rules = rules};
	g_autoptr(State) state = state_open(&options, NULL);
	guint generic = rule_number(rules, "generic"), exact = rule_number(rules, "exact");
	struct oid blobs[2] = {{{1}}, {{2}}};
	guint8 digest[SECRET_HASH_BYTES] = {1};
	gsize n_hits, gone_through = 0;

	for (guint32 i = 0; i < SECRETS * EACH; i++) {
		/* In an order that is neither that of the numbers nor that of the places. */
		guint32 number = i * 7919 % SECRETS, line = i * 4099 % (SECRETS * EACH) + 1;
		memcpy(digest + 1, &number, sizeof(number));
		guint32 secret = state_add_secret(state, "generic", digest, "***");
		struct state_hit hit = hit_make(generic, secret, line * 100, 20, line);
		state_add_hit(state, &blobs[0], &hit.hit, secret, "", NULL);
		/* Another rule has the same bytes in some lines, and tells more. */
		hit.hit.rule = (guint16)exact;
		if (line % 10 == 0)
			state_add_hit(state, &blobs[0], &hit.hit, secret, "", NULL);
		if (i % 1000 == 0)
			state_add_hit(state, &blobs[1], &hit.hit, secret, "", NULL);
	}
	const struct state_hit *hits = state_blob_hits(state, 0, &n_hits);
	struct finding_version version = {.hits = hits, .n = n_hits};
	struct finding_view view = {.repository = "",
		.path = "a.c",
		.family = "generic",
		.masked = "***",
		.versions = &version,
		.n_versions = 1,
		.head = G_MAXSIZE};
	g_assert_cmpuint(n_hits, ==, SECRETS * EACH + SECRETS * EACH / 10);
	for (guint32 secret = 1; secret <= SECRETS; secret++) {
		version.own = state_secret_hits(state, 0, secret, &version.n_own);
		gone_through += version.n_own;
		view.secret = secret;
		const struct finding *f = finding_maker_add(maker, &view);
		g_assert_nonnull(f);
		g_assert_cmpuint(f->places_total, ==, EACH);
		if (secret % 5000 != 0)
			continue;
		/* The same as when all are looked at. */
		version.own = NULL;
		const struct finding *same = finding_maker_add(maker, &view);
		g_assert_true(same->rule == f->rule);
		g_assert_cmpmem(f->places, f->n_places * sizeof(*f->places), same->places,
			same->n_places * sizeof(*f->places));
	}
	g_assert_cmpuint(gone_through, ==, n_hits);
	state_secret_hits(state, 0, SECRETS + 1, &n_hits);
	g_assert_cmpuint(n_hits, ==, 0);
	state_secret_hits(state, 2, 1, &n_hits);
	g_assert_cmpuint(n_hits, ==, 0);
}

/* Every writer, with the worst names there can be: nothing that acts gets through. */
static void test_hostile(void)
{
	g_autoptr(RuleSet) rules = rules_new();
	g_autoptr(FindingReport) report = finding_report_new(rules);
	static const char bad[] = "=cmd\033[31m\r\n</td><script>|`\"'&\xff\xe2\x80\xae,\x9b";
	struct finding_target target = {.name = bad, .kind = "history"};

	g_array_append_val(report->targets, target);
	g_ptr_array_add(report->problems, g_strdup(bad));
	struct finding *f = finding_new(report, "exact", bad, 1, "one");
	f->repository = bad;
	f->first.author = f->first.email = f->first.message = bad;
	f->secret = f->sample = bad;
	g_strlcpy(f->first.oid, "1234567890123456789012345678901234567890", OID_HEX + 1);
	finding_report_sort(report);
	for (int format = SCAN_FORMAT_TABLE; format <= SCAN_FORMAT_GITLEAKS; format++) {
		g_autoptr(GString) out = g_string_new(NULL);
		scan_output_write((enum scan_format)format, report, NULL, out);
		g_assert_true(g_utf8_validate(out->str, (gssize)out->len, NULL));
		for (gsize i = 0; i < out->len; i++)
			g_assert_true(out->str[i] >= ' ' || out->str[i] < 0 ||
				      strchr("\n\r\t", out->str[i]) != NULL);
		g_assert_null(strstr(out->str, "\xe2\x80\xae"));
		if (format == SCAN_FORMAT_HTML || format == SCAN_FORMAT_MARKDOWN ||
			format == SCAN_FORMAT_JUNIT)
			g_assert_null(strstr(out->str, "</td><script>"));
		if (format == SCAN_FORMAT_CSV)
			g_assert_null(strstr(out->str, "\"=cmd"));
		if (format == SCAN_FORMAT_JSON || format == SCAN_FORMAT_SARIF ||
			format == SCAN_FORMAT_GITLEAKS) {
			g_autoptr(json_object) parsed =
				json_parse(out->str, out->len, &json_limits_report, NULL);
			g_assert_nonnull(parsed);
		}
	}
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/finding/a masked secret tells next to nothing", test_mask);
	g_test_add_func("/finding/tests, fixtures and examples count less", test_severity);
	g_test_add_func("/finding/an id is the same everywhere", test_ids);
	g_test_add_func("/finding/a sample has the name of what it masks", test_sample_name);
	g_test_add_func("/finding/a sample masks every secret in it", test_sample);
	g_test_add_func("/finding/patterns of paths are those of ignore files", test_patterns);
	g_test_add_func("/finding/lines to ignore are used, unused or expired", test_ignore);
	g_test_add_func(
		"/finding/a baseline knows a moved line, not another secret", test_baseline);
	g_test_add_func("/finding/a baseline of gitleaks is understood", test_baseline_foreign);
	g_test_add_func("/finding/what is no baseline is refused", test_baseline_wrong);
	g_test_add_func("/finding/the most specific rule has the place", test_overlap);
	g_test_add_func(
		"/scan-finding/of thousands of secrets each is told by its own hits", test_many);
	g_test_add_func("/finding/no writer lets a hostile name act", test_hostile);
	return check_run();
}

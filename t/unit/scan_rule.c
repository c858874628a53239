/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/rule.h"

#include <string.h>

#include "jobs/scan/rule_file.h"
#include "t/unit/check.h"

static struct rule_set *parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct rule_set *set = rule_set_parse("x.toml", text, strlen(text), &error);

	g_assert_no_error(error);
	return set;
}

static char *folder;

static char *file(const char *name, const char *text)
{
	char *path = g_build_filename(folder, name, NULL);

	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	return path;
}

static struct rule_set *load(const char *a, const char *b)
{
	const char *paths[] = {a, b, NULL};
	const struct rule_options options = {.paths = paths};
	g_autoptr(GError) error = NULL;
	struct rule_set *set = rule_set_load(&options, &error);

	g_assert_no_error(error);
	return set;
}

#define OURS                                                                                       \
	"[family]\nname = 'fam'\nseverity = 'low'\ntags = ['t']\nremedy = 'Delete it.'\n"          \
	"[[rules]]\nid = 'one'\ndescription = 'One'\nregex = 'on_[0-9a-f]{8}'\n"                   \
	"sieve = 'on_[0-9a-f]{8}'\n"

static void test_defaults(void)
{
	g_autoptr(RuleSet) set = parse(OURS
		"tags = ['u']\n[[rules]]\nid = 'two'\nregex = 'tw_[0-9]{9}'\nsieve = ['a_b', 'c_d']\n"
		"severity = 'high'\ncontext = {words = ['near'], within = 50}\ndecode = false\n"
		"window = [10, 20]\nentropy = 3\nspecificity = 7\n");
	const struct rule *one = rule_find(set, "one"), *two = rule_find(set, "two");

	g_assert_cmpuint(set->n, ==, 2);
	g_assert_cmpuint(set->n_problems, ==, 0);
	g_assert_cmpstr(one->family, ==, "fam");
	g_assert_cmpint(one->severity, ==, SEVERITY_LOW);
	g_assert_cmpstr(one->tags[0], ==, "t");
	g_assert_cmpstr(one->tags[1], ==, "u");
	g_assert_cmpuint(one->specificity, ==, 50);
	g_assert_cmpuint(one->flags, ==, RULE_DECODE | RULE_PLACEHOLDER);
	g_assert_cmpstr(one->remedy, ==, "Delete it.");
	g_assert_cmpint(two->severity, ==, SEVERITY_HIGH);
	g_assert_cmpstr(two->sieve[1], ==, "c_d");
	g_assert_cmpuint(two->within, ==, 50);
	g_assert_cmpstr(two->context[0], ==, "near");
	g_assert_cmpuint(two->flags, ==, RULE_PLACEHOLDER);
	g_assert_cmpuint(two->before, ==, 10);
	g_assert_cmpuint(two->behind, ==, 20);
	g_assert_cmpuint(two->line, ==, 12);
	g_assert_null(rule_find(set, "three"));
}

static void test_refusals(void)
{
	/* clang-format off */
	static const struct { const char *text, *message; } refusals[] = {
		{ OURS "colour = 'red'\n", "x.toml:11: unknown key 'colour' in a rule" },
		{ OURS "validate = 'x'\n", "unknown key 'validate', which only gitleaks' files have" },
		{ "[family]\nregex = 'x'\n", "x.toml:2: unknown key 'regex' in [family]" },
		{ "colour = 1\n[family]\n", "x.toml:1: unknown key 'colour'" },
		{ OURS "[[rules]]\nid = 'one'\nregex = 'x'\n", "x.toml:11: rule 'one' is already in line 6 of x.toml" },
		{ OURS "[[rules]]\nregex = 'x'\n", "x.toml:11: a rule without id" },
		{ OURS "[[rules]]\nid = 'a b'\nregex = 'x'\n", "letters, digits" },
		{ OURS "[[rules]]\nid = 'three'\n", "has neither regex nor path" },
		{ OURS "secretGroup = 2\n", "x.toml:6: rule 'one': secretGroup is 2, and regex has 0" },
		{ OURS "severity = 'bad'\n", "x.toml:11: severity: is one of info" },
		{ OURS "entropy = 9\n", "entropy: not between 0 and 8" },
		{ OURS "entropy = nan\n", "entropy: not between 0 and 8" },
		{ OURS "keywords = ['Big']\n", "'Big' is not in small letters" },
		{ OURS "keywords = 3\n", "an array of strings is expected, not an integer" },
		{ OURS "context = {within = 4}\n", "context: no words" },
		{ OURS "context = {words = ['a'], within = 9999}\n", "9999 is not between 1 and 2048" },
		{ OURS "window = [1]\n", "window: [before, behind] is expected" },
		{ OURS "required = [{withinLines = 3}]\n", "required: no id" },
		{ OURS "allowlists = [{description = 'x'}]\n", "an allowlist needs one of" },
		{ OURS "allowlists = [{regexes = ['('] }]\n", "rule 'one': allowlist: '(': " },
		{ OURS "[[rules]]\nid = 'bad'\nregex = 'a('\nsieve='abcd'\n", "x.toml:11: rule 'bad': regex: missing closing parenthesis" },
		{ OURS "[[rules]]\nid = 'bad'\nregex = '(*UTF)a'\n", "cannot begin with '(*'" },
		{ OURS "[extend]\nfoo = 1\n", "extend: 'foo' is not" },
	};
	/* clang-format on */

	for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_autoptr(GError) error = NULL;
		const char *text = refusals[i].text;
		g_autoptr(RuleSet) set = rule_set_parse("x.toml", text, strlen(text), &error);
		g_assert_null(set);
		check_refused(error, MUSTER_ERROR_INPUT, refusals[i].message);
	}
}

static gboolean has_problem(
	const struct rule_set *set, enum rule_problem_kind kind, guint line, const char *text)
{
	for (guint i = 0; i < set->n_problems; i++)
		if (set->problems[i].kind == kind && set->problems[i].line == line &&
			strstr(set->problems[i].text, text))
			return TRUE;
	return FALSE;
}

static void test_foreign(void)
{
	g_autoptr(RuleSet) set =
		parse("title = 'x'\n"
		      "[[rules]]\n"
		      "ID = 'a key'\nRegex = '''xa_([0-9a-f]{8})$'''\n"
		      "keywords = ['XA_']\nsecretgroup = 1\nentropy = 2.5\n"
		      "colour = 'red'\nskipReport = true\n"
		      "[[rules]]\nid = 'b'\nregex = 'b(?=c)('\n"
		      "[[rules]]\nid = 'c'\nregex = 'cc_dd'\ntokenEfficiency = true\n"
		      "[rules.allowlist]\nregexes = ['x$']\nstopWords = ['EX']\n"
		      "[[rules]]\nid = 'd'\npath = 'id_rsa$'\nvalidate = 'x'\n"
		      "[[allowlists]]\ntargetRules = ['c']\npaths = ['vendor/']\n"
		      "[[allowlists]]\ncommits = ['ABC']\n");
	const struct rule *a = rule_find(set, "a key"), *c = rule_find(set, "c");

	g_assert_cmpuint(set->n, ==, 3);
	g_assert_cmpuint(
		rule_find(set, "d")->flags, ==, RULE_FOREIGN | RULE_DECODE | RULE_PATH_ONLY);
	g_assert_null(rule_find(set, "d")->sieve[0]);
	g_assert_cmpstr(a->regex, ==, "xa_([0-9a-f]{8})\\z");
	g_assert_cmpstr(a->keywords[0], ==, "xa_");
	g_assert_cmpuint(a->secret_group, ==, 1);
	g_assert_cmpuint(a->flags, ==, RULE_FOREIGN | RULE_HIDDEN | RULE_DECODE);
	g_assert_cmpuint(c->n_allowlists, ==, 2);
	g_assert_cmpstr(c->allowlists[0].stopwords[0], ==, "ex");
	g_assert_cmpstr(c->allowlists[0].regexes[0], ==, "x\\z");
	g_assert_cmpstr(c->allowlists[1].paths[0], ==, "vendor/");
	g_assert_cmpuint(set->n_allowlists, ==, 1);
	g_assert_cmpstr(set->allowlists[0].commits[0], ==, "abc");
	g_assert_true(has_problem(set, RULE_PROBLEM_UNKNOWN, 8, "unknown key 'colour'"));
	g_assert_true(has_problem(set, RULE_PROBLEM_DROPPED, 10, "regex: missing closing"));
	g_assert_true(has_problem(set, RULE_PROBLEM_UNSUPPORTED, 16, "tokenEfficiency"));
	g_assert_true(has_problem(set, RULE_PROBLEM_UNSUPPORTED, 23, "validate is not done, in 1"));
	g_assert_cmpuint(set->n_problems, ==, 4);
}

/* What gitleaks' reader (viper) lets pass, and its own checks. */
static void test_foreign_loose(void)
{
	g_autoptr(RuleSet) set =
		parse("[extend]\nurl = 'https://example.org/x'\n"
		      "[[rules]]\nid = 'a'\nregex = 'aaaa_(b)'\nentropy = '2.5'\n"
		      "secretGroup = '1'\nkeywords = 'AAAA_,cccc'\n"
		      "[rules.allowlist]\ndescription = 'empty'\ncondition = 'and'\n"
		      "[[rules]]\nid = 'b'\nregex = 'bbbb'\n"
		      "[[rules]]\nid = 'b'\nregex = 'cccc'\n"
		      "[[rules]]\nid = 'd'\ntags = ['x']\n"
		      "[[allowlists]]\npaths = ['\\.lock$']\n"
		      "[[allowlists]]\ntargetRules = ['b', 'z']\nstopwords = ['x']\n");
	const struct rule *a = rule_find(set, "a"), *b = rule_find(set, "b");

	g_assert_cmpuint(set->n, ==, 2);
	g_assert_cmpfloat(a->entropy, ==, 2.5);
	g_assert_cmpuint(a->secret_group, ==, 1);
	g_assert_cmpstr(a->keywords[0], ==, "aaaa_");
	g_assert_cmpstr(a->keywords[1], ==, "cccc");
	g_assert_false(a->allowlists[0].is_and);
	g_assert_cmpstr(b->regex, ==, "cccc");
	g_assert_cmpuint(b->n_allowlists, ==, 1);
	g_assert_cmpstr(set->allowlists[0].paths[0], ==, "\\.lock\\z");
	g_assert_true(has_problem(set, RULE_PROBLEM_UNSUPPORTED, 2, "nothing is fetched"));
	g_assert_true(has_problem(set, RULE_PROBLEM_UNSUPPORTED, 9, "does nothing"));
	g_assert_true(has_problem(set, RULE_PROBLEM_DROPPED, 12, "line 15 has another rule"));
	g_assert_true(has_problem(set, RULE_PROBLEM_DROPPED, 18, "none to change"));
	g_assert_true(has_problem(set, RULE_PROBLEM_UNKNOWN, 23, "there is no rule 'z'"));
	g_assert_cmpuint(set->n_problems, ==, 5);
}

static void test_filter(void)
{
	g_autoptr(RuleSet) set = parse(
		"filter = '''matchesAny(finding[\"secret\"], [`^x$`])'''\n"
		"prefilter = 'matchesAny(get(attributes, \"path\", \"\"), [`\\.lock$`])'\n"
		"[[rules]]\nid = 'a'\nregex = 'aaaa'\n"
		"filter = '''filter.entropy(finding[\"secret\"]) <= 3.5 ||\n"
		"  (containsAny(finding[\"line\"], [\"a.b\"]) || !filter.matchesAny(finding[\"match\"], [`q`, `r`]))'''\n"
		"[[rules]]\nid = 'b'\nregex = 'bbbb'\n"
		"filter = 'failsTokenEfficiency(finding[\"secret\"]) || entropy(finding[\"secret\"]) < 2'\n"
		"[[rules]]\nid = 'c'\nregex = 'cccc'\n"
		"filter = 'entropy(finding[\"secret\"]) < 2 && matchesAny(finding[\"secret\"], [`x`])'\n");
	const struct rule *a = rule_find(set, "a"), *b = rule_find(set, "b"),
			  *c = rule_find(set, "c");

	g_assert_cmpuint(set->n_allowlists, ==, 2);
	g_assert_cmpstr(set->allowlists[0].regexes[0], ==, "^x\\z");
	g_assert_cmpstr(set->allowlists[1].paths[0], ==, "\\.lock\\z");
	g_assert_cmpfloat(a->entropy, ==, 3.5);
	g_assert_cmpuint(a->n_allowlists, ==, 2);
	g_assert_cmpint(a->allowlists[0].target, ==, RULE_TARGET_LINE);
	g_assert_cmpstr(a->allowlists[0].regexes[0], ==, "a\\.b");
	g_assert_cmpint(a->allowlists[1].target, ==, RULE_TARGET_MATCH);
	g_assert_cmpstr(a->allowlists[1].regexes[0], ==, "\\A(?![\\s\\S]*?(?:q|r))");
	g_assert_cmpfloat(b->entropy, ==, 2);
	g_assert_true(has_problem(set, RULE_PROBLEM_UNSUPPORTED, 11, "failsTokenEfficiency"));
	/* Half of an `and` would hide what the whole does not. */
	g_assert_cmpfloat(c->entropy, ==, 0);
	g_assert_cmpuint(c->n_allowlists, ==, 0);
	g_assert_true(has_problem(set, RULE_PROBLEM_UNSUPPORTED, 15, "filter: '&&' is not"));
}

/* What looks like joined terms and is a part of something else may not be used. */
static void test_filter_parts(void)
{
	g_autoptr(RuleSet) set = parse(
		"[[rules]]\nid = 'a'\nregex = 'aaaa'\n"
		"filter = '''let x = len(finding[\"secret\"]) > 3 || matchesAny(finding[\"secret\"], [`;x`]);\n"
		"  x && matchesAny(finding[\"line\"], [`y`]) || matchesAny(finding[\"line\"], [`z`])'''\n"
		"[[rules]]\nid = 'b'\nregex = 'bbbb'\n"
		"filter = '''len(finding[\"secret\"]) > 3 ? false : false || matchesAny(finding[\"line\"], [`y`])'''\n"
		"[[rules]]\nid = 'c'\nregex = 'cccc'\n"
		"filter = '''(matchesAny(finding[\"line\"], [`y`]) || true) && false'''\n");
	const struct rule *a = rule_find(set, "a");

	g_assert_cmpuint(a->n_allowlists, ==, 1);
	g_assert_cmpstr(a->allowlists[0].regexes[0], ==, "z");
	g_assert_cmpuint(rule_find(set, "b")->n_allowlists, ==, 0);
	g_assert_cmpuint(rule_find(set, "c")->n_allowlists, ==, 0);
	/* One sentence a rule, with all that it is about. */
	g_assert_cmpuint(set->n_problems, ==, 3);
	g_assert_true(has_problem(set, RULE_PROBLEM_UNSUPPORTED, 4,
		"filter: 'let', 'len', '&&' are not supported: terms with that are left out, and more"));
	g_assert_true(
		has_problem(set, RULE_PROBLEM_UNSUPPORTED, 9, "'? :' is not supported: all of it"));
	g_assert_true(
		has_problem(set, RULE_PROBLEM_UNSUPPORTED, 13, "'&&' is not supported: all of it"));
}

static void test_regex(void)
{
	/* clang-format off */
	static const struct { const char *re2, *pcre2; } pairs[] = {
		{ "abc", "abc" },
		{ "a$|b", "a\\z|b" },
		{ "(?m)a$", "(?m)a$" },
		{ "(?m:a$)b$", "(?m:a$)b\\z" },
		{ "((?m)a$)b$", "((?m)a$)b\\z" },
		{ "(?i-m:a$)", "(?i-m:a\\z)" },
		{ "(?P<n>a)$", "(?P<n>a)\\z" },
		{ "[$]\\$", "[$]\\$" },
		{ "[[:alpha:]$]", "[[:alpha:]$]" },
		{ "[[.a]", "[\\[.a]" },
		{ "[]$]$", "[]$]\\z" },
		{ "[^]$]", "[^]$]" },
		{ "\\x{2019}+", "\\xe2\\x80\\x99+" },
		{ "\\x{41}", "\\x{41}" },
		{ "\xe2\x80\x99*", "(?:\xe2\x80\x99)*" },
		{ "\\Qa$\\E$", "\\Qa$\\E\\z" },
		{ "[:alpha:]+", "[\\:alpha:]+" },
		{ "[^.a.]", "[^\\.a.]" },
		{ "\\v[\\v]", "\\x0b[\\x0b]" },
		{ "a{,3}b{2,3}", "a\\{,3}b{2,3}" },
		{ "(a)\\101\\.\\12", "(a)\\x41\\.\\x0a" },
	};
	/* clang-format on */
	g_autoptr(Toml) doc = toml_parse("", "", 0, NULL);

	for (guint i = 0; i < G_N_ELEMENTS(pairs); i++) {
		const char *note = NULL;
		g_assert_cmpstr(rule_regex_translate(doc, pairs[i].re2, &note), ==, pairs[i].pcre2);
		g_assert_true(rule_regex_check(pairs[i].pcre2, NULL, NULL));
	}
	const char *note = NULL;
	rule_regex_translate(doc, "[\xe2\x80\x99]", &note);
	g_assert_nonnull(note);
}

static void test_derive(void)
{
	/* A rule, and the sieve that is made for it; NULL: none, it is slow. */
	/* clang-format off */
	static const struct { const char *rule, *sieve; unsigned flags; } cases[] = {
		{ "regex = '''(?i)[\\w.-]{0,50}?(?:acme)[ =]{1,3}([a-f0-9]{32})'''\nkeywords = ['acme']", "(?i)(?:acme)[ =]{1,3}(?:[a-f0-9]{32})", 0 },
		{ "regex = '[0-9a-f]{32}'\nkeywords = ['a.cme']", "(?i)a\\x2ecme", RULE_DERIVED },
		{ "regex = 'acme_[0-9a-f]{32,}!'\nkeywords = ['acme_']", "acme_[0-9a-f]{32}", 0 },
		{ "regex = '[a-z]+acme-key: .*x'", "[a-z]acme-key: ", 0 },
		{ "regex = '[a-z]+=.*'", NULL, RULE_SLOW },
		{ "regex = '.*(?P<x>token).*?acme-([0-9]{20}){2}'", "acme-(?:[0-9]{20}){2}", 0 },
		{ "regex = 'token=[a-z]{10,150}(?:;|$)'", "token=[a-z]{10}", 0 },
		{ "regex = '(?:a?token=){2}'", "(?:a?token=){2}", 0 },
		{ "regex = '(?:a?token=x)'", "(?:token=x)", 0 },
		{ "regex = 'token=(?:a+b|cc)dddd'", "token=(?:a|cc)", 0 },
		{ "regex = '(?i)token=\\w{20}|(?-i)SECRET=x*\\w{20}'", "(?i)token=\\w{20}", 0 },
		{ "regex = '''\\b(ey\\w{17,}\\.x)'''\nkeywords = ['ey']", "\\b(?:ey\\w{17})", 0 },
		{ "regex = '(?x)acme_key'", NULL, RULE_SLOW },
		/* Whether a keyword is in every match: else it is a condition of its own. */
		{ "regex = '(?:passw(?:or)?d|[Pp]w)=[0-9]{9}'\nkeywords = ['passwd', 'password', 'pw=']", "(?:passw(?:or)?d|[Pp]w)=[0-9]{9}", 0 },
		{ "regex = '(?:acme|[a-f]{3})_[0-9]{20}'\nkeywords = ['acme']", "(?i)acme", RULE_DERIVED },
		{ "regex = '(?:acme_)?[0-9]{30}'\nkeywords = ['acme']", "(?i)acme", RULE_DERIVED },
		{ "regex = '(?:acme_)+[0-9]{30}'\nkeywords = ['acme']", "(?:acme_)[0-9]{30}", 0 },
		{ "regex = '[ac]cme-[0-9]{30}'\nkeywords = ['acme', 'ccme']", "[ac]cme-[0-9]{30}", 0 },
	};
	/* clang-format on */

	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strconcat("[[rules]]\nid = 'x'\n", cases[i].rule, NULL);
		g_autoptr(RuleSet) set = parse(text);
		const struct rule *rule = rule_find(set, "x");
		g_test_message("%s", cases[i].rule);
		g_assert_cmpstr(rule->sieve[0], ==, cases[i].sieve);
		g_assert_cmpuint(rule->flags & (RULE_DERIVED | RULE_SLOW), ==, cases[i].flags);
	}
}

static void test_layers(void)
{
	g_autoptr(RuleSet) builtin = load(NULL, NULL);
	g_autofree char *ours = file("ours.toml", OURS);
	g_autofree char *change = file("change.toml",
		"[[rules]]\nid = 'github-pat'\nseverity = 'low'\nallowlists = [{stopwords = ['zz']}]\n");
	g_autofree char *alone =
		file("alone.toml", "[[rules]]\nid = 'al'\nregex = 'al_[a-z]{9}'\n");
	g_autofree char *extends = file("extends.toml",
		"[extend]\nuseDefault = true\ndisabledRules = ['github-oauth', 'nothing']\n"
		"[[rules]]\nid = 'github-pat'\ndescription = 'Mine'\n");
	/* By the names that gitleaks gives them. */
	g_autofree char *theirs = file("theirs.toml",
		"[extend]\nuseDefault = true\ndisabledRules = ['anthropic-admin-api-key']\n"
		"[[rules]]\nid = 'aws-access-token'\n"
		"allowlists = [{regexTarget = 'line', regexes = ['^#']}]\n"
		"[[rules]]\nid = 'huggingface-access-token'\nregex = 'hf_[a-z]{34}'\n"
		"[[rules]]\nid = 'github-oauth'\ndescription = 'Mine'\n"
		"allowlists = [{stopwords = ['aaaa']}]\n"
		"[[allowlists]]\ntargetRules = ['perplexity-api-key']\npaths = ['doc/']\n");
	g_autofree char *over = file("over.toml",
		"[extend]\npath = 'alone.toml'\n[[rules]]\nid = 'al'\nentropy = 3\nkeywords = ['al_']\n");

	g_assert_cmpuint(builtin->n, >=, 250);
	g_autoptr(RuleSet) a = load(ours, change);
	g_assert_cmpuint(a->n, ==, builtin->n + 1);
	g_assert_cmpint(rule_find(a, "github-pat")->severity, ==, SEVERITY_LOW);
	g_assert_cmpuint(rule_find(a, "github-pat")->n_allowlists, ==, 1);
	g_assert_cmpstr(
		rule_find(a, "github-pat")->regex, ==, rule_find(builtin, "github-pat")->regex);
	g_autoptr(RuleSet) b = load(alone, NULL);
	g_assert_cmpuint(b->n, ==, 1);
	g_autoptr(RuleSet) c = load(extends, NULL);
	g_assert_cmpuint(c->n, ==, builtin->n - 1);
	g_assert_null(rule_find(c, "github-oauth"));
	g_assert_cmpstr(rule_find(c, "github-pat")->description, ==, "Mine");
	g_assert_true(has_problem(c, RULE_PROBLEM_UNKNOWN, 1, "there is no rule 'nothing'"));
	g_assert_nonnull(rule_find(c, "github-token-unproven")); /* it is more than that */
	g_autoptr(RuleSet) e = load(theirs, NULL);
	g_assert_cmpuint(e->n, ==, builtin->n - 1);
	g_assert_cmpuint(e->n_problems, ==, 0);
	g_assert_null(rule_find(e, "anthropic-admin-key"));
	g_assert_null(rule_find(e, "huggingface-token"));
	g_assert_cmpstr(rule_find(e, "huggingface-access-token")->regex, ==, "hf_[a-z]{34}");
	for (guint i = 0; i < 2; i++) {
		const char *id = i ? "aws-access-key-id" : "github-token-unproven";
		const struct rule *was = rule_find(builtin, id), *is = rule_find(e, id);
		g_assert_cmpuint(is->n_allowlists, ==, was->n_allowlists + 1);
		g_assert_cmpstr(is->description, ==, was->description);
	}
	g_assert_cmpstr(rule_find(e, "github-oauth")->description, ==, "Mine");
	const struct rule *called = rule_find(e, "perplexity-key");
	g_assert_cmpstr(called->allowlists[called->n_allowlists - 1].paths[0], ==, "doc/");
	g_assert_true(rule_has_name(called, "perplexity-api-key"));
	g_assert_true(rule_has_name(rule_find(e, "aws-access-key-id"), "aws"));
	g_assert_false(rule_has_name(rule_find(e, "aws-access-key-id"), "aws-access"));
	g_autoptr(RuleSet) d = load(over, NULL);
	g_assert_cmpuint(d->n, ==, 1);
	g_assert_cmpfloat(d->rules[0].entropy, ==, 3);
	g_assert_cmpstr(d->rules[0].regex, ==, "al_[a-z]{9}");
}

static void test_files(void)
{
	g_autofree char *loop = file("loop.toml", "[extend]\npath = 'loop.toml'\n");
	g_autofree char *missing = g_build_filename(folder, "missing.toml", NULL);
	const struct {
		const char *path;
		int code;
		const char *text;
	} refusals[] = {{loop, MUSTER_ERROR_INPUT, "files on top of one another"},
		{missing, MUSTER_ERROR_MISSING, "missing.toml: No such file"},
		{folder, MUSTER_ERROR_IO, "is no plain file"}};

	for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
		const char *paths[] = {refusals[i].path, NULL};
		const struct rule_options options = {.paths = paths};
		g_autoptr(GError) error = NULL;
		g_assert_null(rule_set_load(&options, &error));
		check_refused(error, refusals[i].code, refusals[i].text);
	}
}

static void test_choice(void)
{
	const char *only[] = {"github", NULL}, *without[] = {"github-pat", NULL};
	const char *wrong[] = {"githup", NULL};
	struct rule_options options = {.only = only, .without = without};
	g_autoptr(RuleSet) set = rule_set_load(&options, NULL);

	g_assert_nonnull(rule_find(set, "github-oauth"));
	g_assert_null(rule_find(set, "github-pat"));
	for (guint i = 0; i < set->n; i++)
		g_assert_cmpstr(set->rules[i].family, ==, "github");
	g_autoptr(GError) error = NULL;
	options.only = wrong;
	g_assert_null(rule_set_load(&options, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "no rule or family 'githup'");
}

static void test_hash(void)
{
	static const char second[] = "[[rules]]\nid = 'two'\nregex = 'tw'\nsieve = 'twtw'\n";
	static const char first[] = "[[rules]]\nid = 'one'\nregex = 'on'\nsieve = 'onon'\n";
	g_autofree char *ab = g_strconcat(first, second, NULL),
			*ba = g_strconcat(second, first, NULL);
	g_autofree char *worded = g_strconcat(ab, "description = 'Two'\nseverity = 'low'\n", NULL);
	g_autofree char *changed = g_strconcat(ab, "entropy = 1\n", NULL);
	g_autoptr(RuleSet) a = parse(ab), b = parse(ba), c = parse(worded), d = parse(changed);

	g_assert_cmpmem(a->hash, 32, b->hash, 32);
	g_assert_cmpmem(a->hash, 32, c->hash, 32);
	g_assert_cmpint(memcmp(a->hash, d->hash, 32), !=, 0);
	g_assert_cmpmem(rule_find(a, "one")->hash, RULE_HASH_BYTES, rule_find(d, "one")->hash,
		RULE_HASH_BYTES);
	g_assert_cmpint(
		memcmp(rule_find(a, "two")->hash, rule_find(d, "two")->hash, RULE_HASH_BYTES), !=,
		0);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	folder = check_folder_new();
	g_test_add_func("/rule/what a rule does not say comes from its family or by default",
		test_defaults);
	g_test_add_func(
		"/rule/what is wrong in our format is refused with its line", test_refusals);
	g_test_add_func(
		"/rule/gitleaks' files are read and what is not done is said", test_foreign);
	g_test_add_func(
		"/rule/what gitleaks' reader lets pass is read as it does", test_foreign_loose);
	g_test_add_func("/rule/betterleaks' filters become bounds and allowlists", test_filter);
	g_test_add_func(
		"/rule/a part of a filter that is not read hides nothing", test_filter_parts);
	g_test_add_func("/rule/RE2's syntax becomes PCRE2's", test_regex);
	g_test_add_func("/rule/a rule without a sieve gets one or is slow", test_derive);
	g_test_add_func("/rule/files lie over one another", test_layers);
	g_test_add_func("/rule/files that cannot be used are refused", test_files);
	g_test_add_func("/rule/rules are chosen by id and family", test_choice);
	g_test_add_func("/rule/hashes follow what is found and nothing else", test_hash);
	int code = check_run();
	g_free(folder);
	return code;
}

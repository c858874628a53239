/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/sieve.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/scan/char_run.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"
#include "t/unit/check.h"

static const char *const nothing[] = {NULL};
static const char *const sieve_a[] = {"tok_[0-9a-f]{8}", NULL};
static const char *const sieve_b[] = {"tok_[0-9a-f]{8}", "key=[a-z]{4,12}\\b", NULL};

static struct rule rule_named(const char *id, const char *regex, const char *const *sieve)
{
	return (struct rule){.id = id,
		.family = "test",
		.regex = regex,
		.sieve = sieve,
		.keywords = nothing,
		.context = nothing,
		.tags = nothing,
		.examples = nothing,
		.negatives = nothing,
		.source = "test.toml",
		.specificity = 50,
		.flags = RULE_DECODE};
}

static void make_rules(struct rule_set *set, struct rule *rules)
{
	rules[0] = rule_named("token", "\\btok_([0-9a-f]{8})\\b", sieve_a);
	rules[1] = rule_named("either", "(?:tok_|key=)([0-9a-z]{4,12})\\b", sieve_b);
	*set = (struct rule_set){.rules = rules, .n = 2};
}

static GArray *sieve(struct matcher_thread *thread, const char *text, gsize from, gsize to)
{
	GArray *found = g_array_new(FALSE, FALSE, sizeof(struct candidate));

	g_assert_true(matcher_sieve(thread, (const guint8 *)text, strlen(text), from, to, found));
	return found;
}

static void test_once(void)
{
	struct rule rules[2];
	struct rule_set set;
	make_rules(&set, rules);
	g_autoptr(secret_table) secrets = secret_table_new();
	g_autoptr(matcher) matcher = matcher_new(&set, NULL, NULL);
	g_autoptr(matcher_thread) thread = matcher_thread_new(matcher, secrets);
	g_autoptr(GArray) found = sieve(thread, "a tok_0123abcd b", 0, 16);

	g_assert_cmpuint(found->len, ==, 2);
	g_assert_cmpuint(g_array_index(found, struct candidate, 0).at, ==, 14);
	g_assert_cmpuint(g_array_index(found, struct candidate, 0).rule, !=,
		g_array_index(found, struct candidate, 1).rule);
	g_assert_cmpuint(matcher_margin(matcher), ==, 17);
}

/* Pieces of every size at every place give what the whole gives, each match once. */
static void test_ranges(void)
{
	const char *text = "key=abcd key=abcde tok_0123abcdkey=zzzz\nkey=abcd";
	const gsize len = strlen(text);
	struct rule rules[2];
	struct rule_set set;
	make_rules(&set, rules);
	g_autoptr(secret_table) secrets = secret_table_new();
	g_autoptr(matcher) matcher = matcher_new(&set, NULL, NULL);
	g_autoptr(matcher_thread) thread = matcher_thread_new(matcher, secrets);
	g_autoptr(GArray) whole = sieve(thread, text, 0, len);

	g_assert_cmpuint(whole->len, ==, 6);
	for (gsize step = 1; step <= len; step++) {
		g_autoptr(GArray) parts = g_array_new(FALSE, FALSE, sizeof(struct candidate));
		for (gsize from = 0; from < len; from += step) {
			g_autoptr(GArray) part = sieve(thread, text, from, MIN(len, from + step));
			g_array_append_vals(parts, part->data, part->len);
		}
		g_assert_cmpuint(parts->len, ==, whole->len);
		for (guint i = 0; i < MIN(parts->len, whole->len); i++)
			g_assert_cmpuint(g_array_index(parts, struct candidate, i).at, ==,
				g_array_index(whole, struct candidate, i).at);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *sieve, *why;
	} bad[] = {
		{"a.*b", "has no bound"},
		{"a[0-9]{300}", "256 are allowed"},
		{"a*", "matches nothing"},
		{"a(b", "is refused"},
		{"a(?=b)", "is refused"},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		const char *const list[] = {bad[i].sieve, NULL};
		struct rule rule = rule_named("bad-one", "ab", list);
		struct rule_set set = {.rules = &rule, .n = 1};
		GError *error = NULL;
		g_assert_null(matcher_new(&set, NULL, &error));
		g_assert_nonnull(strstr(error->message, "bad-one"));
		check_refused(error, MUSTER_ERROR_INPUT, bad[i].why);
	}
}

static gboolean is_cached(const char *folder, const struct rule_set *set)
{
	g_autoptr(matcher) matcher = matcher_new(set, folder, NULL);
	g_autoptr(secret_table) secrets = secret_table_new();
	g_autoptr(matcher_thread) thread = matcher_thread_new(matcher, secrets);
	g_autoptr(GArray) found = sieve(thread, "a tok_0123abcd key=abcd", 0, 23);

	/* Whatever became of the cache, the sieve is right. */
	g_assert_cmpuint(found->len, ==, 3);
	g_assert_cmpuint(matcher_margin(matcher), ==, 17);
	return matcher_was_cached(matcher);
}

static char *only_file(const char *folder)
{
	g_autofree char *name = check_folder_list(folder);

	g_assert_true(g_str_has_prefix(name, "sieve-"));
	g_assert_null(strchr(name, ' '));
	return g_build_filename(folder, name, NULL);
}

static void test_cache(void)
{
	struct rule rules[2];
	struct rule_set set;
	make_rules(&set, rules);
	g_autofree char *top = check_folder_new(), *folder = g_build_filename(top, "a", "b", NULL);

	g_assert_false(is_cached(folder, &set));
	g_assert_true(is_cached(folder, &set));
	g_assert_true(is_cached(folder, &set));
	rules[0].regex = "tok_([0-9a-f]{8})";
	g_assert_false(is_cached(folder, &set));
	g_assert_true(is_cached(folder, &set));
	g_assert_false(is_cached("/dev/null/nowhere", &set));
}

static void test_damage(void)
{
	struct rule rules[2];
	struct rule_set set;
	make_rules(&set, rules);
	g_autofree char *folder = check_folder_new();
	g_autofree char *bytes = NULL;
	gsize len = 0;

	is_cached(folder, &set);
	g_autofree char *path = only_file(folder);
	g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
	/* Every byte of the head, then some of the rest; cut anywhere; longer; empty. */
	for (gsize i = 0; i < len; i += i < 72 ? 1 : len / 20) {
		g_autofree char *other = g_memdup2(bytes, len);
		other[i] ^= 0x20;
		g_assert_true(g_file_set_contents(path, other, (gssize)len, NULL));
		g_assert_false(is_cached(folder, &set));
		g_assert_true(g_file_set_contents(path, bytes, (gssize)i, NULL));
		g_assert_false(is_cached(folder, &set));
	}
	g_autofree char *longer = g_malloc0(len + 8);
	memcpy(longer, bytes, len);
	g_assert_true(g_file_set_contents(path, longer, (gssize)len + 8, NULL));
	g_assert_false(is_cached(folder, &set));
	g_assert_true(is_cached(folder, &set));
	g_autofree char *now = NULL;
	gsize now_len = 0;
	g_assert_true(g_file_get_contents(path, &now, &now_len, NULL));
	g_assert_cmpmem(now, now_len, bytes, len);
}

static void test_foreign(void)
{
	struct rule rules[2];
	struct rule_set set;
	make_rules(&set, rules);
	g_autofree char *folder = check_folder_new();

	is_cached(folder, &set);
	g_autofree char *path = only_file(folder);
	g_assert_cmpint(chmod(path, 0666), ==, 0);
	g_assert_false(is_cached(folder, &set));
	g_assert_true(is_cached(folder, &set));
	g_autofree char *other = g_build_filename(folder, "elsewhere", NULL);
	g_assert_cmpint(rename(path, other), ==, 0);
	g_assert_cmpint(symlink(other, path), ==, 0);
	g_assert_false(is_cached(folder, &set));
	g_assert_true(is_cached(folder, &set));
}

static void test_reach(void)
{
	struct rule rule = rule_named("r", "\\bghx_[0-9A-Za-z]{36}\\b", sieve_a);
	struct sieve_reach reach = sieve_reach(&rule, 12);

	g_assert_true(reach.one_line);
	g_assert_cmpuint(reach.behind, ==, 41);
	rule.regex = "key\\s*=\\s*([a-z]{8})";
	reach = sieve_reach(&rule, 12);
	g_assert_false(reach.one_line);
	g_assert_cmpuint(reach.behind, <, 100);
	rule.regex = "-----BEGIN ([A-Z ]+ )?KEY-----[^-]+-----END";
	g_assert_cmpuint(sieve_reach(&rule, 12).behind, >, 60000);
	rule.regex = "[^\"\\n]{4}x";
	g_assert_true(sieve_reach(&rule, 12).one_line);
	rule.regex = "[^\"]{4}x";
	g_assert_false(sieve_reach(&rule, 12).one_line);
	rule.regex = "(?s)a.b";
	g_assert_false(sieve_reach(&rule, 12).one_line);
	rule.behind = 77;
	g_assert_cmpuint(sieve_reach(&rule, 12).behind, ==, 77);
}

/* Words and what is between them, of all lengths: mostly one kind of characters at a time. */
static gsize make_words(GRand *random, guint8 *text, gsize max)
{
	static const char *const kinds[] = {
		"0123456789abcdefABCDEF-", "azAZ09gGzZ", "aZ09gG-+/_=aZ09", "aZ09.:@[`{ \n%,"};
	gsize len = (gsize)g_rand_int_range(random, 0, (gint32)max);

	for (gsize i = 0; i < len;) {
		const char *kind = kinds[g_rand_int_range(random, 0, 4)];
		gint32 n = g_rand_int_range(random, 1, g_rand_int_range(random, 2, 150));
		for (; n > 0 && i < len; n--)
			text[i++] = (guint8)kind[g_rand_int_range(random, 0, (gint32)strlen(kind))];
	}
	return len;
}

static guint find_slowly(
	const guint8 *text, gsize len, enum char_run_kind kind, gsize skip, struct char_run *run)
{
	guint n = 0;

	for (gsize from = 0, to; from < len; from = to + 1) {
		for (to = from; to < len && char_run_has(kind, text[to]);)
			to++;
		if (to - from >= char_run_least(kind) && n++ == skip)
			*run = (struct char_run){from, to, kind};
	}
	return n;
}

static void test_words(void)
{
	g_autoptr(GRand) random = g_rand_new_with_seed(7);
	g_autoptr(GArray) runs = g_array_new(FALSE, FALSE, sizeof(struct char_run));
	guint8 text[400];

	for (guint round = 0; round < 3000; round++) {
		guint seen[CHAR_RUN_KINDS] = {0};
		gsize len = make_words(random, text, sizeof(text));
		g_array_set_size(runs, 0);
		char_run_find(text, 0, len, runs);
		for (guint i = 0; i < runs->len; i++) {
			const struct char_run *run = &g_array_index(runs, struct char_run, i);
			struct char_run right = {0};
			find_slowly(text, len, run->kind, seen[run->kind]++, &right);
			g_assert_cmpuint(run->from, ==, right.from);
			g_assert_cmpuint(run->to, ==, right.to);
		}
		for (guint kind = 0; kind < CHAR_RUN_KINDS; kind++)
			g_assert_cmpuint(
				seen[kind], ==, find_slowly(text, len, kind, G_MAXSIZE, NULL));
	}
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/sieve/a match is reported once for each rule", test_once);
	g_test_add_func("/sieve/ranges give together what the whole gives", test_ranges);
	g_test_add_func("/sieve/a sieve without bound, too wide or wrong is refused", test_refused);
	g_test_add_func("/sieve/what was compiled is found again", test_cache);
	g_test_add_func("/sieve/a damaged or cut cache is made anew", test_damage);
	g_test_add_func("/sieve/a cache that others could write is not used", test_foreign);
	g_test_add_func("/sieve/a pattern's reach is told from the pattern", test_reach);
	g_test_add_func("/sieve/every long word is found, as long as it is", test_words);
	return check_run();
}

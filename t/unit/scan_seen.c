/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/seen.h"

#include <string.h>

#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"
#include "t/unit/check.h"

#define TEXT_MAX 40000
#define ROUNDS 4000

static const char rule_text[] =
	"[[rules]]\nid = \"narrow\"\ndescription = \"Narrow\"\nregex = 'KEY-([0-9a-z]{8})'\n"
	"sieve = '\\bKEY-[0-9a-z]{8}\\b'\nseverity = \"low\"\n"
	"[[rules]]\nid = \"wide\"\ndescription = \"Wide\"\nregex = 'from[^;]*to'\n"
	"sieve = 'from[^;]{0,240}to'\nseverity = \"low\"\n"
	"[[rules]]\nid = \"word\"\ndescription = \"Word\"\nregex = 'w_([0-9a-z]{30})'\n"
	"sieve = 'w_[0-9a-z]{30}'\nseverity = \"low\"\n"
	"[[rules]]\nid = \"line\"\ndescription = \"Line\"\nregex = '(?m)^only$'\n"
	"sieve = '^only$'\nseverity = \"low\"\n";

static const char *const plain[] = {
	"\n",
	"plain text of no interest\n",
	"\tsome more = plain + text;\n",
	"key and w_ and only to;\n",
	"some_long_name_of_a_function_in_this_file(argument)\n",
};

/* Lines that hold a secret, a part of one, an encoded one, or are odd. */
static const char *const lines[] = {
	"\r\n\r\n",
	"KEY-abcd1234\n",
	"KEY-",
	"abcd1234",
	"from here ",
	"on to there;\n",
	"KEY-abcd1234 # gitleaks:allow\n",
	"KEY-00000000\n",
	"KEY-example1\n",
	"only\n",
	"w_0123456789abcdefghijklmnopqrst\n",
	"S0VZLWFiY2QxMjM0IGFuZCBzb21lIG1vcmUgdGV4dCBiZWhpbmQgaXQ=\n",
	"S0VZLWFiY2QxMjM0IGFuZCBzb21lIG1vcmUgdGV4",
	"%4b%45%59%2dabcd1234",
	"----------------------------------------------------------------\n",
};

static void text_add(GString *text, GRand *random)
{
	guint n = g_rand_int_range(random, 1, 60);

	for (guint i = 0; i < n; i++)
		g_string_append(
			text, g_rand_int_range(random, 0, 60) == 0
				      ? lines[g_rand_int_range(random, 0, G_N_ELEMENTS(lines))]
				      : plain[g_rand_int_range(random, 0, G_N_ELEMENTS(plain))]);
	if (g_rand_int_range(random, 0, 8) == 0)
		for (guint i = g_rand_int_range(random, 0, 7000); i > 0; i--)
			g_string_append_c(text, "ab c."[i % 5]);
}

/* Another version: something is gone, moved, or new. */
static void text_change(GString *text, GRand *random)
{
	gsize at = (gsize)g_rand_int_range(random, 0, (gint32)text->len + 1);
	gsize len = (gsize)g_rand_int_range(random, 0, 600);
	len = MIN(len, text->len - at);
	g_autofree char *piece = g_strndup(text->str + at, len);
	g_autoptr(GString) more = g_string_new(NULL);

	switch (g_rand_int_range(random, 0, 3)) {
	case 0:
		g_string_erase(text, (gssize)at, (gssize)len);
		break;
	case 1:
		at = (gsize)g_rand_int_range(random, 0, (gint32)text->len + 1);
		g_string_insert_len(text, (gssize)at, piece, (gssize)len);
		break;
	default:
		text_add(more, random);
		g_string_insert_len(text, (gssize)at, more->str, (gssize)more->len);
	}
	if (text->len > TEXT_MAX)
		g_string_erase(text, 0, (gssize)(text->len - TEXT_MAX / 2));
}

static gint candidate_order(gconstpointer a, gconstpointer b)
{
	const struct candidate *x = a, *y = b;
	const gint64 differ[] = {(gint64)x->at - y->at, (gint64)x->rule - y->rule,
		(gint64)x->flags - y->flags, (gint64)x->from - y->from, (gint64)x->to - y->to};

	for (guint i = 0; i < G_N_ELEMENTS(differ); i++)
		if (differ[i] != 0)
			return differ[i] < 0 ? -1 : 1;
	return 0;
}

/* Those of the ranges, sorted, each once. */
static GArray *ask(struct matcher_thread *thread, const GString *text,
	const struct matcher_range *ranges, guint n)
{
	GArray *found = g_array_new(FALSE, FALSE, sizeof(struct candidate));
	struct candidate *list;
	guint kept = 0;

	g_assert_true(matcher_sieve_ranges(
		thread, (const guint8 *)text->str, text->len, ranges, n, found));
	g_array_sort(found, candidate_order);
	list = (struct candidate *)(void *)found->data;
	for (guint i = 0; i < found->len; i++)
		if (kept == 0 || candidate_order(&list[kept - 1], &list[i]) != 0)
			list[kept++] = list[i];
	g_array_set_size(found, kept);
	return found;
}

static guint make_ranges(GRand *random, gsize len, struct matcher_range ranges[4])
{
	guint32 at = 0;
	guint n = 0;

	while (n < 4 && at < len) {
		guint32 from = at == 0 && g_rand_boolean(random)
				       ? 0
				       : at + (guint32)g_rand_int_range(random, 0, 2000);
		if (from >= len)
			break;
		guint32 to = from + (guint32)g_rand_int_range(
					    random, 0, g_rand_boolean(random) ? 300 : 9000);
		to = (guint32)MIN(to, len);
		ranges[n++] = (struct matcher_range){from, to};
		at = to + 1;
	}
	return n;
}

static void check_same(struct matcher_thread *thread, struct matcher_thread *anew,
	const GString *text, const struct matcher_range *ranges, guint n, guint *total)
{
	g_autoptr(GArray) right = ask(anew, text, ranges, n);
	g_autoptr(GArray) found = ask(thread, text, ranges, n);

	g_assert_cmpuint(found->len, ==, right->len);
	for (guint i = 0; i < MIN(found->len, right->len); i++) {
		struct candidate *one = &g_array_index(found, struct candidate, i);
		struct candidate *other = &g_array_index(right, struct candidate, i);
		g_assert_cmpint(candidate_order(one, other), ==, 0);
		matcher_judge(thread, (const guint8 *)text->str, text->len, one);
		matcher_judge(anew, (const guint8 *)text->str, text->len, other);
		g_assert_cmpuint(one->verdict, ==, other->verdict);
		g_assert_cmpuint(one->secret, ==, other->secret);
		g_assert_cmpuint(one->secret_at, ==, other->secret_at);
	}
	*total += right->len;
}

/* A range is seen with something that is no secret for one byte; then it is one. */
static void test_beside(void)
{
	static const char *const secrets[] = {
		" KEY-abcd1234 ",
		"from 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 "
		"29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 "
		"56 57 58 59 60 61 62 63 64 65 66 67 68 69 70 71 72 73 74 75 76 77 78 79 80 to",
		" S0VZLWFiY2QxMjM0IGFuZCBzb21lIG1vcmUgdGV4dCBiZWhpbmQgaXQ= ",
		"\n"
		"aW4gYSBsaW5lIGJlZm9yZSB0aGlzIGlzIHRoZXJlIGlzIG5vdGhpbmc\n"
		"S0VZLWFiY2QxMjM0IGFuZCBzb21lIG1vcmUgdGV4\n",
		"\nw_0123456789abcdefghijklmnopqrst\n",
		"\nonly\n",
	};
	const struct matcher_range range = {600, 900};
	g_autoptr(GError) error = NULL;
	g_autoptr(RuleSet) rules =
		rule_set_parse("rules.toml", rule_text, strlen(rule_text), &error);
	g_assert_no_error(error);
	g_autoptr(matcher) matcher = matcher_new(rules, NULL, &error);
	g_autoptr(secret_table) secrets_found = secret_table_new();
	g_autoptr(matcher_thread) thread = matcher_thread_new(matcher, secrets_found);
	g_autoptr(matcher_thread) anew = matcher_thread_new(matcher, secrets_found);
	guint total = 0;

	matcher_thread_set_anew(anew, TRUE);
	for (guint k = 0; k < G_N_ELEMENTS(secrets); k++) {
		gsize len = strlen(secrets[k]);
		const gsize spoiled[] = {0, 1, len / 2, len - 2, len - 1};
		for (gsize at = 200; at < 1200; at++) {
			g_autoptr(GString) text = g_string_new(NULL);
			while (text->len < at)
				g_string_append_c(text, text->len % 9 == 0 ? ' ' : '.');
			g_string_append(text, secrets[k]);
			while (text->len < 1500)
				g_string_append_c(text, text->len % 9 == 0 ? ' ' : '.');
			for (guint i = 0; i < G_N_ELEMENTS(spoiled); i++) {
				char *byte = &text->str[at + spoiled[i]], was = *byte;
				*byte = was == 'x' ? 'y' : 'x';
				check_same(thread, anew, text, &range, 1, &total);
				*byte = was;
			}
			check_same(thread, anew, text, &range, 1, &total);
		}
	}
	g_assert_cmpuint(total, >, 2000);
}

static void test_same(void)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GRand) random = g_rand_new_with_seed(11);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(RuleSet) rules =
		rule_set_parse("rules.toml", rule_text, strlen(rule_text), &error);
	g_assert_no_error(error);
	g_autoptr(matcher) matcher = matcher_new(rules, NULL, &error);
	g_assert_no_error(error);
	g_autoptr(secret_table) secrets = secret_table_new();
	g_autoptr(matcher_thread) thread = matcher_thread_new(matcher, secrets);
	g_autoptr(matcher_thread) anew = matcher_thread_new(matcher, secrets);
	guint total = 0;

	matcher_thread_set_anew(anew, TRUE);
	for (guint round = 0; round < ROUNDS; round++) {
		struct matcher_range ranges[4];
		text_change(text, random);
		guint n = make_ranges(random, text->len, ranges);
		check_same(thread, anew, text, ranges, n, &total);
	}
	guint64 sieved = matcher_thread_counts(thread).sieved_bytes;
	guint64 all = matcher_thread_counts(anew).sieved_bytes;
	g_test_message("%u candidates, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes", total,
		sieved, all);
	g_assert_cmpuint(total, >, ROUNDS);
	g_assert_cmpuint(sieved * 10, <, all * 9);
}

static void test_chunks(void)
{
	g_autoptr(GRand) random = g_rand_new_with_seed(5);
	g_autoptr(GString) text = g_string_new(NULL);
	g_autoptr(GHashTable) cuts = g_hash_table_new(g_direct_hash, g_direct_equal);
	const guint8 *data;
	guint same = 0, n = 0;

	while (text->len < TEXT_MAX)
		text_add(text, random);
	data = (const guint8 *)text->str;
	for (gsize at = 0, end; at < text->len; at = end) {
		end = seen_chunk_end(data, at, text->len);
		g_assert_cmpuint(end, >, at);
		g_assert_cmpuint(end, <=, MIN(text->len, at + SEEN_CHUNK_MAX));
		g_hash_table_add(cuts, GSIZE_TO_POINTER(end));
	}
	for (gsize at = 777, end; at < text->len; at = end, n++) {
		end = seen_chunk_end(data, at, text->len);
		same += g_hash_table_contains(cuts, GSIZE_TO_POINTER(end));
	}
	g_assert_cmpuint(same * 3, >, n * 2);
	g_assert_cmpuint(seen_chunk_end(data, 40, 40), ==, 40);
	g_assert_cmpuint(seen_chunk_end(data, 40, 41), ==, 41);
}

static void test_names(void)
{
	struct seen *seen = seen_new();
	g_autoptr(GHashTable) names = g_hash_table_new(g_int64_hash, g_int64_equal);
	guint64 all[400];
	guint8 bytes[200] = {0};
	guint n = 0;

	g_assert_nonnull(seen);
	/* One byte, the length, or where the chunk lies in it. */
	for (guint i = 0; i < 100; i++) {
		all[n++] = seen_hash(seen, bytes, 100 + i, 10, 90);
		all[n++] = seen_hash(seen, bytes, 200, i, 190);
		all[n++] = seen_hash(seen, bytes, 200, 300, 100 + i);
		bytes[2 * i] = 1;
		all[n++] = seen_hash(seen, bytes, 200, 10, 200);
		bytes[2 * i] = 0;
	}
	for (guint i = 0; i < n; i++)
		g_hash_table_add(names, &all[i]);
	g_assert_cmpuint(g_hash_table_size(names), ==, n);
	seen_free(seen);
}

static void test_table(void)
{
	struct seen *seen = seen_new();
	gboolean is_marked = FALSE;
	guint kept = 0;

	g_assert_nonnull(seen);
	for (guint64 i = 0; i < 100000; i++) {
		guint64 chunk = seen_hash(seen, (const guint8 *)&i, sizeof(i), 0, 8);
		g_assert_false(seen_has(seen, chunk, &is_marked));
		seen_add(seen, chunk, i % 3 == 0);
	}
	for (guint64 i = 0; i < 100000; i++) {
		guint64 chunk = seen_hash(seen, (const guint8 *)&i, sizeof(i), 0, 8);
		if (!seen_has(seen, chunk, &is_marked))
			continue;
		kept++;
		g_assert_cmpint(is_marked, ==, i % 3 == 0);
	}
	/* But for those of the small table. */
	g_assert_cmpuint(kept, >, 80000);
	seen_free(seen);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/seen/what was seen before changes no outcome", test_same);
	g_test_add_func("/seen/one byte beside what was seen may make a secret", test_beside);
	g_test_add_func("/seen/the same text is cut at the same places", test_chunks);
	g_test_add_func("/seen/bytes, length and place make the name", test_names);
	g_test_add_func("/seen/what is added is found, in a table that grows", test_table);
	return check_run();
}

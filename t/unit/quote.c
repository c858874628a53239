/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/quote.h"

#include <string.h>

#include "t/unit/check.h"

/* clang-format off */
static const struct {
	const char *name, *quoted;
} examples[] = {
	{ "", "" },
	{ "plain name", "plain name" },
	{ "caf\xc3\xa9", "caf\xc3\xa9" },
	{ "caf\xe9", "caf%E9" },
	{ "100%", "100%" },
	{ "a%41", "a%2541" },
	{ "a%4g", "a%4g" },
	{ "%00", "%2500" },
	{ "%%41", "%%2541" },
	{ "a\nb\tc\x7f", "a%0Ab%09c%7F" },
	{ "\xc2\x9b" "1m", "%C2%9B1m" },
	{ "\xe2\x80\xae" "gpj.exe", "%E2%80%AEgpj.exe" },
	{ "\xe2\x81\xa6", "%E2%81%A6" },
	{ "\xed\xa0\x80", "%ED%A0%80" },
	{ "\xf0\x9f\x98", "%F0%9F%98" },
	{ "\xc0\xaf", "%C0%AF" },
	{ "%\x01", "%%01" },
	{ "%4\x01", "%4%01" },
};
/* clang-format on */

static void test_examples(void)
{
	for (gsize i = 0; i < G_N_ELEMENTS(examples); i++) {
		g_autofree char *quoted = quote_format(examples[i].name);
		g_autofree char *name = quote_parse(examples[i].quoted);
		g_assert_cmpstr(quoted, ==, examples[i].quoted);
		g_assert_cmpstr(name, ==, examples[i].name);
	}
}

static void test_show(void)
{
	g_autofree char *plain = quote_show("caf\xc3\xa9 100%41"), *odd = quote_show("a\033[1m%41");

	g_assert_cmpstr(plain, ==, "caf\xc3\xa9 100%41");
	g_assert_cmpstr(odd, ==, "a%1B[1m%2541");
}

/* Bytes that matter to the format are drawn more often than chance would have it. */
static void test_round_trip(void)
{
	static const char likely[] = "%%%%%0123456789abcdefABCDEF\xe2\x80\xae\xc2\x9b\n";
	g_autoptr(GRand) random = g_rand_new_with_seed(20);

	for (guint round = 0; round < 50000; round++) {
		char name[24];
		gsize len = (gsize)g_rand_int_range(random, 0, (gint32)sizeof(name));
		for (gsize i = 0; i < len; i++)
			name[i] = g_rand_boolean(random)
					  ? likely[g_rand_int_range(random, 0, sizeof(likely) - 1)]
					  : (char)g_rand_int_range(random, 1, 256);
		name[len] = '\0';
		g_autofree char *quoted = quote_format(name);
		g_autofree char *back = quote_parse(quoted);
		g_assert_true(g_utf8_validate(quoted, -1, NULL));
		for (const char *p = quoted; *p != '\0'; p++)
			g_assert_false(g_ascii_iscntrl(*p));
		g_assert_cmpstr(back, ==, name);
	}
}

static void test_parse_foreign(void)
{
	g_autofree char *nul = quote_parse("a%00b"), *lower = quote_parse("%e9"),
			*cut = quote_parse("%4");
	g_assert_cmpstr(nul, ==, "a%00b");
	g_assert_cmpstr(lower, ==, "\xe9");
	g_assert_cmpstr(cut, ==, "%4");
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/quote/ordinary names stay and odd bytes are written out", test_examples);
	g_test_add_func("/quote/what is quoted already is shown as it is", test_show);
	g_test_add_func("/quote/every name comes back from its quoted form", test_round_trip);
	g_test_add_func(
		"/quote/a form written by others is read as far as it goes", test_parse_foreign);
	return check_run();
}

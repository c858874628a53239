/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/example.h"

#include <string.h>

#include "jobs/scan/checksum.h"
#include "t/unit/check.h"

static char *expand(const char *template)
{
	g_autoptr(GError) error = NULL;
	struct example example = {0};

	g_assert_true(example_expand(template, EXAMPLE_SEED, &example, &error));
	g_assert_no_error(error);
	char *text = g_strdup(example.text->str);
	example_clear(&example);
	return text;
}

static void test_forms(void)
{
	/* clang-format off */
	static const struct { const char *template, *pattern; } forms[] = {
		{ "plain {{text}}", "^plain \\{text\\}$" },
		{ "{base62:36}", "^[0-9A-Za-z]{36}$" },
		{ "{hex:8}-{HEX:8}", "^[0-9a-f]{8}-[0-9A-F]{8}$" },
		{ "{digits:3-5}", "^[0-9]{3,5}$" },
		{ "{[a-cX_-]:50}", "^[a-cX_-]{50}$" },
		{ "{uuid}", "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$" },
		{ "{UUID}", "^[0-9A-F-]{36}$" },
		{ "{repeat:x:5}{repeat:a:b:2}", "^xxxxxa:ba:b$" },
		{ "{b64:user:pass}", "^dXNlcjpwYXNz$" },
		{ "{b64url:{{\"a\":\"b\"}}}", "^eyJhIjoiYiJ9$" },
		{ "{{\"x\": \"{b64:{hex:32}}\"}}", "^\\{\"x\": \"[0-9A-Za-z+/]{43}=\"\\}$" },
		{ "{hexof:ab}{percent:a=b}", "^6162a%3Db$" },
		{ "{jwt}", "^eyJ[\\w-]+\\.eyJ[\\w-]+\\.[\\w-]{43}$" },
		{ "{pem:EC PRIVATE KEY:3}", "^-----BEGIN EC PRIVATE KEY-----\n([0-9A-Za-z+/]{64}\n){3}-----END" },
		{ "x{<}y{>}z", "^xyz$" },
		{ "{base62:0}", "^$" },
	};
	/* clang-format on */

	for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
		g_autofree char *text = expand(forms[i].template);
		if (!g_regex_match_simple(forms[i].pattern, text, 0, 0))
			g_error("%s gave %s", forms[i].template, text);
	}
}

static void test_same(void)
{
	g_autofree char *a = expand("{base62:30}"), *b = expand("{base62:30}");
	g_autofree char *c = expand("x{base62:30}");

	g_assert_cmpstr(a, ==, b);
	g_assert_cmpstr(a, !=, c + 1);
}

static void test_mark(void)
{
	struct example example = {0};

	g_assert_true(example_expand("key={<}ab{hex:4}{>};", EXAMPLE_SEED, &example, NULL));
	g_assert_cmpuint(example.secret_at, ==, 4);
	g_assert_cmpuint(example.secret_len, ==, 6);
	example_clear(&example);

	/* A mark outside says nothing of the text that is being encoded. */
	g_autofree char *alone = expand("{b64:x{crc32_62}}");
	g_assert_true(example_expand("key={<}{b64:x{crc32_62}}{>}", EXAMPLE_SEED, &example, NULL));
	g_assert_cmpstr(example.text->str + strlen("key="), ==, alone);
	example_clear(&example);
}

static void test_checksums(void)
{
	/* clang-format off */
	static const struct { const char *checksum, *template; } sums[] = {
		{ "crc32_62", "ghp_{base62:30}{crc32_62}" },
		{ "crc32_62", "npm_{base62:30}{crc32_62}" },
		{ "crc32_hex", "glsa_{base62:32}_{crc32_hex}" },
		{ "gitlab_routable", "glpat-{base62:27}.0r{gitlab_routable}" },
		{ "jwt", "{jwt}" },
		{ "pem", "{pem:RSA PRIVATE KEY:10}" },
		{ "pem", "{pem:OPENSSH PRIVATE KEY:6}" },
		{ "pem", "{pem:ENCRYPTED PRIVATE KEY:6}" },
		{ "pem", "{pem:PGP PRIVATE KEY BLOCK:6}" },
	};
	/* clang-format on */

	for (guint i = 0; i < G_N_ELEMENTS(sums); i++) {
		g_autofree char *text = expand(sums[i].template);
		const struct checksum *checksum = checksum_find(sums[i].checksum);
		g_assert_true(checksum_is_right(checksum, (const guint8 *)text, strlen(text)));
	}
	g_autofree char *text = expand("TOKEN={<}glpat-{base62:27}.0r{gitlab_routable}{>}");
	g_assert_true(checksum_is_right(
		checksum_find("gitlab_routable"), (const guint8 *)text + 6, strlen(text) - 6));
}

static void test_refusals(void)
{
	/* clang-format off */
	static const struct { const char *template, *message; } refusals[] = {
		{ "{base63:4}", "no such placeholder" },
		{ "{base62}", "':' and a number" },
		{ "{base62:x}", "':' and a number" },
		{ "{base62:4", "':count}'" },
		{ "{base62:5-4}", "number of characters is wrong" },
		{ "{base62:99999999999999999999}", "number of characters is wrong" },
		{ "{hex:65536}{hex:65536}", "too long" },
		{ "{repeat:x:60000}{repeat:xx:60000}", "too long" },
		{ "a}b", "a brace of the text is written }}" },
		{ "{", "no such placeholder" },
		{ "{[]:4}", "no end, or is empty" },
		{ "{[a:4}", "no end, or is empty" },
		{ "{b64:abc", "has no end" },
		{ "{<}abc", "{<} without {>}" },
		{ "{>}abc{<}", "once, in this order" },
		{ "{<}a{>}{<}b{>}", "once, in this order" },
		{ "{b64:{<}a{>}}", "outside of encodings" },
		{ "{b64:{b64:{b64:{b64:{b64:{b64:{b64:{b64:{b64:x}}}}}}}}}", "too deep" },
		{ "{pem:KEY:1000}", "1 to 500 lines" },
	};
	/* clang-format on */

	for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
		g_autoptr(GError) error = NULL;
		struct example example = {0};
		g_assert_false(
			example_expand(refusals[i].template, EXAMPLE_SEED, &example, &error));
		check_refused(error, MUSTER_ERROR_INPUT, refusals[i].message);
		g_assert_null(example.text);
	}
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/example/each placeholder gives its form", test_forms);
	g_test_add_func("/example/a template always gives the same text", test_same);
	g_test_add_func("/example/the marks say where the secret is", test_mark);
	g_test_add_func("/example/checksums are right", test_checksums);
	g_test_add_func("/example/what is wrong is refused", test_refusals);
	return check_run();
}

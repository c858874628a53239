/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/totp.h"

#include <string.h>

#include "t/unit/check.h"

/* RFC 6238, appendix B, of whose eight digits the last six are ours. */
#define SECRET ((const guchar *)"12345678901234567890")
#define SECRET_LEN 20

static void test_vectors(void)
{
	static const struct {
		gint64 now;
		const char *code;
	} vectors[] = {
		{59, "287082"},
		{1111111109, "081804"},
		{1111111111, "050471"},
		{1234567890, "005924"},
		{2000000000, "279037"},
		{G_GINT64_CONSTANT(20000000000), "353130"},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(vectors); i++)
		g_assert_cmpint(totp_find(SECRET, SECRET_LEN, vectors[i].code, vectors[i].now, 0),
			==, vectors[i].now / 30);
}

static void test_window(void)
{
	const gint64 now = 1111111109, step = now / 30;

	g_assert_cmpint(totp_find(SECRET, SECRET_LEN, "081804", now + 30, 0), ==, step);
	g_assert_cmpint(totp_find(SECRET, SECRET_LEN, "081804", now - 30, 0), ==, step);
	g_assert_cmpint(totp_find(SECRET, SECRET_LEN, "081804", now + 61, 0), ==, 0);
	g_assert_cmpint(totp_find(SECRET, SECRET_LEN, "081804", now - 60, 0), ==, 0);
}

static void test_replay(void)
{
	const gint64 now = 1111111109, step = now / 30;

	g_assert_cmpint(totp_find(SECRET, SECRET_LEN, "081804", now, step - 1), ==, step);
	g_assert_cmpint(totp_find(SECRET, SECRET_LEN, "081804", now, step), ==, 0);
}

static void test_rubbish(void)
{
	static const char *const codes[] = {"", "0", "81804", "0818040", "08180x", "x81804"};

	for (gsize i = 0; i < G_N_ELEMENTS(codes); i++)
		g_assert_cmpint(totp_find(SECRET, SECRET_LEN, codes[i], 1111111109, 0), ==, 0);
}

/* RFC 4648, section 10, without padding. */
static void test_base32(void)
{
	static const char *const vectors[][2] = {{"", ""}, {"f", "MY"}, {"fo", "MZXQ"},
		{"foo", "MZXW6"}, {"foob", "MZXW6YQ"}, {"fooba", "MZXW6YTB"},
		{"foobar", "MZXW6YTBOI"}};

	for (gsize i = 0; i < G_N_ELEMENTS(vectors); i++) {
		g_autofree char *text =
			totp_base32((const guchar *)vectors[i][0], strlen(vectors[i][0]));
		g_assert_cmpstr(text, ==, vectors[i][1]);
	}
}

static void test_uri(void)
{
	g_autofree char *uri = totp_uri((const guchar *)"foobar", 6, "a b&c@example.org");

	g_assert_cmpstr(uri, ==,
		"otpauth://totp/Muster:a%20b%26c%40example.org?secret="
		"MZXW6YTBOI&issuer=Muster&algorithm=SHA1&digits=6&period=30");
}

static void test_secret(void)
{
	guchar a[TOTP_SECRET_BYTES], b[TOTP_SECRET_BYTES];

	totp_secret_make(a);
	totp_secret_make(b);
	g_assert_cmpint(memcmp(a, b, sizeof(a)), !=, 0);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/totp/codes are those of RFC 6238", test_vectors);
	g_test_add_func("/totp/a step before and after now is good", test_window);
	g_test_add_func("/totp/a code is good for a later step alone", test_replay);
	g_test_add_func("/totp/what is no code is none", test_rubbish);
	g_test_add_func("/totp/base32 is that of RFC 4648", test_base32);
	g_test_add_func("/totp/the address names the account", test_uri);
	g_test_add_func("/totp/secrets are random", test_secret);
	return check_run();
}

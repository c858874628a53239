/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/secret.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/unit/check.h"

static struct secret_key *key_fixed(char **path)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new();
	*path = g_build_filename(folder, "key", NULL);
	char bytes[32];
	for (gsize i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)i;
	g_assert_true(g_file_set_contents_full(
		*path, bytes, 32, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
	struct secret_key *key = secret_key_load(*path, FALSE, &error);
	g_assert_no_error(error);
	return key;
}

static void test_key_make(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *folder = check_folder_new(),
			*path = g_build_filename(folder, "state/key", NULL);
	struct stat st;

	g_assert_null(secret_key_load(path, FALSE, &error));
	check_refused(error, MUSTER_ERROR_MISSING, "the master key");
	g_autoptr(secret_key) key = secret_key_load(path, TRUE, &error);
	g_assert_no_error(error);
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0600);
	g_assert_cmpint(st.st_size, ==, 32);
	g_autoptr(secret_key) again = secret_key_load(path, TRUE, &error);
	g_autofree char *a = secret_sign(key, SECRET_PURPOSE_CSRF, "x"),
			*b = secret_sign(again, SECRET_PURPOSE_CSRF, "x");
	g_assert_cmpstr(a, ==, b);
}

/* Two programs that start at once must end up with one key. */
static void test_key_race(void)
{
	for (int round = 0; round < 20; round++) {
		g_autofree char *folder = check_folder_new(),
				*path = g_build_filename(folder, "key", NULL);
		int ends[2];
		char signs[4][64] = {{0}};
		g_assert_cmpint(pipe(ends), ==, 0);
		for (int i = 0; i < 4; i++) {
			if (fork() != 0)
				continue;
			g_autoptr(secret_key) key = secret_key_load(path, TRUE, NULL);
			g_autofree char *sign =
				key != NULL ? secret_sign(key, SECRET_PURPOSE_JWT, "x") : NULL;
			char message[64] = {0};
			g_strlcpy(message, sign != NULL ? sign : "failed", sizeof(message));
			_exit(write(ends[1], message, sizeof(message)) == sizeof(message) ? 0 : 1);
		}
		for (int i = 0; i < 4; i++) {
			g_assert_cmpint(read(ends[0], signs[i], 64), ==, 64);
			wait(NULL);
		}
		close(ends[0]);
		close(ends[1]);
		g_autoptr(secret_key) key = secret_key_load(path, FALSE, NULL);
		g_autofree char *sign = secret_sign(key, SECRET_PURPOSE_JWT, "x");
		for (int i = 0; i < 4; i++)
			g_assert_cmpstr(signs[i], ==, sign);
		g_autofree char *names = check_folder_list(folder);
		g_assert_cmpstr(names, ==, "key");
	}
}

static void test_key_refused(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	secret_key_free(key_fixed(&path));
	g_assert_cmpint(chmod(path, 0604), ==, 0);
	g_assert_null(secret_key_load(path, FALSE, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "is not a master key");
	g_assert_cmpint(chmod(path, 0660), ==, 0);
	g_assert_null(secret_key_load(path, FALSE, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "is not a master key");
	g_assert_true(g_file_set_contents_full(
		path, "short", 5, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
	g_assert_null(secret_key_load(path, FALSE, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "is not a master key");
	g_autofree char *long_text = g_strnfill(33, 'x');
	g_assert_true(g_file_set_contents_full(
		path, long_text, 33, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
	g_assert_null(secret_key_load(path, TRUE, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "is not a master key");
	g_autofree char *longer = g_strnfill(32 * SECRET_KEYS_MAX + 1, 'x');
	g_assert_true(g_file_set_contents_full(path, longer, 32 * SECRET_KEYS_MAX + 1,
		G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
	g_assert_null(secret_key_load(path, TRUE, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, "the master key");
}

/* What a program that runs has to go on with while somebody else rotates. */
static void test_key_rotate(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(secret_key) key = key_fixed(&path);
	guchar named[SECRET_HASH_BYTES], again[SECRET_HASH_BYTES];
	gsize len = 0;
	guint which = 9;
	g_autofree char *jwt = secret_jwt_sign(key, "{\"exp\":2000}");
	g_autofree char *box = secret_seal(key, "c", (const guchar *)"hidden", 6);
	g_autofree char *name = secret_key_name(key, 0);
	secret_keyed_hash(key, SECRET_PURPOSE_FINDING, (const guchar *)"x", 1, named);

	g_assert_cmpint(chmod(path, 0640), ==, 0);
	g_assert_true(secret_key_rotate(path, &error));
	struct stat st;
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0640);
	g_autofree char *claims = secret_jwt_verify(key, jwt, 1000, &error);
	g_assert_cmpstr(claims, ==, "{\"exp\":2000}");
	g_assert_cmpuint(secret_key_count(key), ==, 2);
	g_autofree char *old_name = secret_key_name(key, 1);
	g_assert_cmpstr(old_name, ==, name);
	g_autofree guchar *open = secret_open_which(key, "c", box, &len, &which);
	g_assert_cmpmem(open, len, "hidden", 6);
	g_assert_cmpuint(which, ==, 1);
	secret_keyed_hash(key, SECRET_PURPOSE_FINDING, (const guchar *)"x", 1, again);
	g_assert_cmpmem(named, sizeof(named), again, sizeof(again));
	g_autofree char *new_jwt = secret_jwt_sign(key, "{\"exp\":2000}");
	g_assert_cmpstr(new_jwt, !=, jwt);

	g_assert_true(secret_key_drop(path, &error));
	g_assert_null(secret_jwt_verify(key, jwt, 1000, NULL));
	g_autofree char *new_claims = secret_jwt_verify(key, new_jwt, 1000, &error);
	g_assert_cmpstr(new_claims, ==, "{\"exp\":2000}");
	g_assert_null(secret_open(key, "c", box, &len));
	g_assert_cmpuint(secret_key_count(key), ==, 1);

	for (int i = 1; i < SECRET_KEYS_MAX; i++)
		g_assert_true(secret_key_rotate(path, &error));
	g_assert_false(secret_key_rotate(path, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, "drop the old ones");
	/* What is broken meanwhile leaves a program with what it has. */
	g_assert_true(g_file_set_contents_full(
		path, "short", 5, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
	g_autofree char *still = secret_jwt_verify(key, new_jwt, 1000, NULL);
	g_assert_nonnull(still);
}

/* What a process gets that has to name findings and shall not hold the master key. */
static void test_subkey(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(secret_key) key = key_fixed(&path);
	guchar named[SECRET_HASH_BYTES], again[SECRET_HASH_BYTES];

	secret_keyed_hash(key, SECRET_PURPOSE_FINDING, (const guchar *)"x", 1, named);
	g_assert_true(secret_key_rotate(path, &error));
	g_autoptr(secret_key) rotated = secret_key_load(path, FALSE, &error);
	g_autofree char *text = secret_subkey_format(rotated, SECRET_PURPOSE_FINDING);
	g_autofree char *other = secret_subkey_format(rotated, SECRET_PURPOSE_JWT);
	g_assert_cmpstr(text, !=, other);
	g_autoptr(secret_key) sub = secret_subkey_parse(SECRET_PURPOSE_FINDING, text, &error);
	g_assert_nonnull(sub);
	secret_keyed_hash(sub, SECRET_PURPOSE_FINDING, (const guchar *)"x", 1, again);
	g_assert_cmpmem(named, sizeof(named), again, sizeof(again));

	text[strlen(text) - 2] = '\0';
	g_assert_null(secret_subkey_parse(SECRET_PURPOSE_FINDING, text, &error));
	check_refused(error, MUSTER_ERROR_INPUT, "no key");
	g_clear_error(&error);
	g_assert_null(secret_subkey_parse(SECRET_PURPOSE_FINDING, "not base64!", &error));
	check_refused(error, MUSTER_ERROR_INPUT, "no key");
}

static void test_token(void)
{
	guchar hash[SECRET_HASH_BYTES];
	g_autofree char *a = secret_token_new("mst_"), *b = secret_token_new("mst_");
	g_assert_true(g_str_has_prefix(a, "mst_"));
	g_assert_cmpuint(strlen(a), ==, 4 + 43);
	g_assert_cmpstr(a, !=, b);
	/* SHA-256("abc"): FIPS 180-4's example */
	secret_token_hash("abc", hash);
	g_autoptr(GString) hex = g_string_new(NULL);
	for (gsize i = 0; i < sizeof(hash); i++)
		g_string_append_printf(hex, "%02x", hash[i]);
	g_assert_cmpstr(
		hex->str, ==, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_sign(void)
{
	g_autofree char *path = NULL;
	g_autoptr(secret_key) key = key_fixed(&path);
	g_autofree char *jwt = secret_sign(key, SECRET_PURPOSE_JWT, "text"),
			*csrf = secret_sign(key, SECRET_PURPOSE_CSRF, "text");
	/* BLAKE2b and HMAC-SHA-256 by Python's hashlib and hmac over the key 00 01 … 1f. */
	g_assert_cmpstr(jwt, ==, "yF_sVp48vstLr0YXTfSOewL7jfYcb_XYrPw0meMv-wc");
	g_assert_cmpstr(csrf, !=, jwt);
	g_assert_true(secret_is_equal("a", "a"));
	g_assert_true(secret_is_equal("", ""));
	g_assert_false(secret_is_equal("a", "b"));
	g_assert_false(secret_is_equal("a", "ab"));
}

static void test_password(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *hash = secret_password_hash("correct horse", &error);
	g_assert_no_error(error);
	g_assert_true(g_str_has_prefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$"));
	g_assert_true(secret_password_is_valid(hash, "correct horse"));
	g_assert_false(secret_password_is_valid(hash, "correct horsf"));
	g_assert_false(secret_password_is_valid(hash, ""));
	g_assert_false(secret_password_is_valid("", "correct horse"));
	g_assert_false(secret_password_is_valid("!", ""));
	g_assert_false(secret_password_is_valid("$argon2id$v=19$m=19456,t=2,p=1$", "x"));
	/* A hash cut short, or followed by something, is no hash. */
	g_autofree char *cut = g_strndup(hash, strlen(hash) - 1),
			*more = g_strconcat(hash, "A", NULL);
	g_assert_false(secret_password_is_valid(cut, "correct horse"));
	g_assert_false(secret_password_is_valid(more, "correct horse"));
	g_autofree char *huge = g_strnfill(SECRET_PASSWORD_MAX_BYTES + 1, 'x');
	g_assert_null(secret_password_hash(huge, &error));
	check_refused(error, MUSTER_ERROR_LIMIT, "at most 1024 bytes");
	g_assert_false(secret_password_is_valid(hash, huge));
}

static void jwt_check_refused(const struct secret_key *key, const char *token)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *claims = secret_jwt_verify(key, token, 1000, &error);
	if (claims != NULL)
		g_test_fail_printf("accepted: %s", token);
	check_refused(error, MUSTER_ERROR_AUTH, "not valid or has expired");
}

static void test_jwt(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	g_autoptr(secret_key) key = key_fixed(&path);
	g_autofree char *token = secret_jwt_sign(key, "{\"sub\":\"a\",\"exp\":1001}");
	g_autofree char *claims = secret_jwt_verify(key, token, 1000, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(claims, ==, "{\"sub\":\"a\",\"exp\":1001}");

	/* Each byte in turn. */
	for (gsize i = 0; token[i] != '\0'; i++) {
		g_autofree char *tampered = g_strdup(token);
		tampered[i] = tampered[i] == 'A' ? 'B' : 'A';
		jwt_check_refused(key, tampered);
		tampered[i] = '\0';
		jwt_check_refused(key, tampered);
	}
	g_autofree char *more = g_strconcat(token, "A", NULL), *dot = g_strconcat(token, ".", NULL),
			*padded = g_strconcat(token, "=", NULL);
	jwt_check_refused(key, more);
	jwt_check_refused(key, dot);
	jwt_check_refused(key, padded);
	jwt_check_refused(key, "");
	jwt_check_refused(key, ".");
	jwt_check_refused(key, "..");
	/* Its header alone; then {"alg":"none"} with the same claims, without and with a signature. */
	g_auto(GStrv) parts = g_strsplit(token, ".", 3);
	g_autofree char *short1 = g_strconcat(parts[0], ".", NULL),
			*short2 = g_strconcat(parts[0], "..", NULL);
	jwt_check_refused(key, short1);
	jwt_check_refused(key, short2);
	g_autofree char *none = g_strdup_printf("eyJhbGciOiJub25lIn0.%s.", parts[1]),
			*none_signed =
				g_strdup_printf("eyJhbGciOiJub25lIn0.%s.%s", parts[1], parts[2]);
	jwt_check_refused(key, none);
	jwt_check_refused(key, none_signed);

	g_autofree char *signed_elsewhere = secret_sign(key, SECRET_PURPOSE_CSRF, "x");
	g_autofree char *wrong_purpose =
		g_strdup_printf("%s.%s.%s", parts[0], parts[1], signed_elsewhere);
	jwt_check_refused(key, wrong_purpose);
}

static void test_jwt_claims(void)
{
	/* clang-format off */
	static const char *const claims[] = {
		"{\"exp\":1000}", "{\"exp\":-1}", "{}", "{\"exp\":\"1001\"}", "{\"exp\":1001.5}",
		"{\"exp\":1001,\"exp\":1}", "[1001]", "1001", "null", "", "{\"exp\":1001",
	};
	/* clang-format on */
	g_autofree char *path = NULL;
	g_autoptr(secret_key) key = key_fixed(&path);
	for (gsize i = 0; i < G_N_ELEMENTS(claims); i++) {
		g_autofree char *token = secret_jwt_sign(key, claims[i]);
		jwt_check_refused(key, token);
	}
	g_autofree char *pad = g_strnfill(5000, 'x');
	g_autofree char *large = g_strdup_printf("{\"exp\":1001,\"pad\":\"%s\"}", pad);
	g_autofree char *token = secret_jwt_sign(key, large);
	jwt_check_refused(key, token);
}

static void test_seal(void)
{
	g_autofree char *path = NULL;
	g_autoptr(secret_key) key = key_fixed(&path);
	gsize len = 0;

	g_autofree char *text = secret_seal(key, "totp:a", (const guchar *)"hidden", 6);
	g_autofree char *again = secret_seal(key, "totp:a", (const guchar *)"hidden", 6);
	g_autofree guchar *open = secret_open(key, "totp:a", text, &len);
	g_assert_cmpstr((const char *)open, ==, "hidden");
	g_assert_cmpuint(len, ==, 6);
	g_assert_cmpstr(text, !=, again);
	g_assert_null(strstr(text, "hidden"));
	g_assert_null(secret_open(key, "totp:b", text, &len));
	for (gsize i = 0; i < strlen(text); i++) {
		g_autofree char *bent = g_strdup(text);
		bent[i] = bent[i] == 'A' ? 'B' : 'A';
		g_assert_null(secret_open(key, "totp:a", bent, &len));
	}
	g_assert_null(secret_open(key, "totp:a", "", &len));
	g_assert_null(secret_open(key, "totp:a", "no base64!", &len));
	g_autofree char *none = secret_seal(key, "", (const guchar *)"", 0);
	g_autofree guchar *empty = secret_open(key, "", none, &len);
	g_assert_nonnull(empty);
	g_assert_cmpuint(len, ==, 0);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/secret/a key is made once and for its owner alone", test_key_make);
	g_test_add_func("/secret/programs that start at once share one key", test_key_race);
	g_test_add_func("/secret/a key that others may read is refused", test_key_refused);
	g_test_add_func("/secret/a rotation reaches a program that runs", test_key_rotate);
	g_test_add_func("/secret/a subkey names what the key names, and nothing else", test_subkey);
	g_test_add_func("/secret/tokens are random and stored as SHA-256", test_token);
	g_test_add_func("/secret/a signature is that of its purpose's key", test_sign);
	g_test_add_func("/secret/a password is checked against argon2id", test_password);
	g_test_add_func("/secret/a token that was touched is refused", test_jwt);
	g_test_add_func("/secret/claims without a valid time are refused", test_jwt_claims);
	g_test_add_func(
		"/secret/what is sealed is opened with its key and context alone", test_seal);
	return check_run();
}

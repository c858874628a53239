/* SPDX-License-Identifier: MIT */
/*
 * What tells a secret from what only stands where one would: the filters alone, and the rules that
 * know a name and no form. Secrets are expanded from templates.
 */
#include "config.h"
#include "jobs/scan/filter.h"

#include <string.h>

#include "jobs/scan/entropy.h"
#include "jobs/scan/example.h"
#include "jobs/scan/matcher.h"
#include "jobs/scan/rule.h"
#include "t/unit/check.h"

typedef gboolean (*filter)(const guint8 *text, gsize len);

#define ROUNDS 400

/* How many of ROUNDS random texts of a template the filter refuses. */
static guint count_refused(filter refuses, const char *template)
{
	guint n = 0;

	for (guint32 seed = 1; seed <= ROUNDS; seed++) {
		struct example example;
		if (!example_expand(template, seed, &example, NULL))
			g_error("the template %s is wrong", template);
		n += refuses((const guint8 *)example.text->str, example.text->len) ? 1 : 0;
		example_clear(&example);
	}
	return n;
}

static void expect(filter refuses, const char *const *texts, gboolean expected)
{
	for (; *texts != NULL; texts++)
		if (refuses((const guint8 *)*texts, strlen(*texts)) != expected) {
			g_test_message("%s: %s", *texts, expected ? "not refused" : "refused");
			g_test_fail();
		}
}

static void test_placeholder(void)
{
	static const char *const stand_ins[] = {"xxxxxxxxxxxxxxxx", "your-api-key-goes-here",
		"<token>", "${TOKEN}", "{{ token }}", "%TOKEN%", "$TOKEN", "****************",
		"1234567890abcdef", "abcdefghijklmnop", "deadbeefdeadbeef", "changeme", "eyJh...",
		"INSERT_TOKEN_HERE",
		"JBSWY3DP"
		"EHPK3PXP",
		"process.env.TOKEN", "sk_test_EXAMPLE", NULL};

	expect(filter_is_placeholder, stand_ins, TRUE);
	g_assert_cmpuint(count_refused(filter_is_placeholder, "{base62:32}"), <=, 1);
	g_assert_cmpuint(count_refused(filter_is_placeholder, "{hex:40}"), <=, 1);
	g_assert_cmpuint(count_refused(filter_is_placeholder, "{base64:300}"), <=, 1);
}

static void test_ordinary(void)
{
	static const char *const texts[] = {"config.token", "getToken()", "self->key",
		"access_token_type", "AuthenticationTokenProvider", "application/json",
		"/etc/ssl/private/server.key", "https://localhost/token", "auto-insurance-2314.xml",
		"2024-01-31T10:00:00", "2024-01-31T10:00:00Z", "1.2.3-beta.4",
		"user-service-account", "port8080", "keyboard_shortcut_2", "std::string", "true",
		"posts/1-dashboard-view", NULL};

	expect(filter_is_ordinary, texts, TRUE);
	g_assert_cmpuint(count_refused(filter_is_ordinary, "{base62:24}"), <=, ROUNDS / 20);
	g_assert_cmpuint(count_refused(filter_is_ordinary, "{hex:32}"), <=, ROUNDS / 20);
	g_assert_cmpuint(count_refused(filter_is_ordinary, "{base64url:43}"), <=, ROUNDS / 20);
	g_assert_cmpuint(count_refused(filter_is_ordinary, "{lower:32}"), <=, ROUNDS / 10);
}

static void test_no_password(void)
{
	static const char *const texts[] = {"password", "Password:", "passwordConfirm", "secret",
		"required", "invalid", "form.password", "#password", ".password-field", ":password",
		"$password", "@PASSWORD", "user-1", "db_password", "classpath:test.jks",
		"me@example.org", "{{password}}", "%s", "string", "validations:", "1.2.3",
		"$2b$12$abcdefghijklmnop", "foo/system:masters", "Forgot", "newPassword2",
		"some-pattern-for-names-400", "my%7Bpass", NULL};
	static const char *const bad[] = {"hunter2", "s3cret!", "abcd1234Aa$", "P@ssw0rd99",
		"minio123", "12345678910", "s%40Xw7kq", "100%Jure7x", NULL};

	expect(filter_is_no_password, texts, TRUE);
	expect(filter_is_no_password, bad, FALSE);
	g_assert_cmpuint(count_refused(filter_is_no_password, "{base62:10}"), <=, ROUNDS / 20);
	g_assert_cmpuint(count_refused(filter_is_no_password, "{print:12}"), <=, ROUNDS / 10);
	g_assert_cmpuint(
		count_refused(filter_is_no_password, "{lower:7}{digits:2}"), <=, ROUNDS / 20);
}

static void test_name(void)
{
	static const char *const others[] = {"password_field", "passwordResetUrl", "TOKEN_TYPE",
		"publicKey", "csrf_token", "csrfToken", "secretName", "API_KEY_HEADER", "cache_key",
		"nextPageToken", "password-policy-2", "auth.token.expires", "tokens",
		"PASSWORD_FILE", "commit secret key", "hashed_secret", "tokenHash", "secret_digest",
		"password.sha256", "API_KEY_MD5", NULL};
	static const char *const own[] = {"password", "dbPassword", "DB_PASSWORD_2", "apiKey",
		"client.secret", "ACCESS_TOKEN", "url_token", "typeSecret", "cachePassword", "key",
		"", NULL};

	expect(filter_is_other_name, others, TRUE);
	expect(filter_is_other_name, own, FALSE);
}

static void test_default(void)
{
	static const char *const defaults[] = {"postgres", "my%7Bpass", "admin123", "secret",
		"Password1", "changeme", "123456", NULL};
	static const char *const hosts[] = {"@localhost:5432/db", "@127.0.0.1", "@[::1]:80",
		"@db:3306", "@api.example.com/", "@host/", NULL};
	static const char *const other_hosts[] = {"@db.acme.io", "@hosting.io", "@10.1.2.3",
		"@localbank.de", "@", "", " localhost", NULL};

	expect(filter_is_default_password, defaults, TRUE);
	g_assert_cmpuint(count_refused(filter_is_default_password, "{base62:10}"), <=, 1);
	for (const char *const *host = hosts; *host != NULL; host++)
		g_assert_true(filter_is_for_local_host((const guint8 *)*host, strlen(*host), 0));
	for (const char *const *host = other_hosts; *host != NULL; host++)
		g_assert_false(filter_is_for_local_host((const guint8 *)*host, strlen(*host), 0));
}

static void test_reported_commit(void)
{
	static const char *const shapes[] = {"\"a-token-2\",\"%s\",\"src/a.c\"",
		"a-token,%s,src/a.c", "RuleID,Commit,File\n\"aws-key\",\"%s\",\"src/a.c\"\n", NULL};
	static const char *const others[] = {"\"A_TOKEN\",\"%s\",\"src/a.c\"", "a-token,%s", "%s",
		"x = \"a-token\",\"%s\",\"src/a.c\"", "\"a-token\": \"%s\",", ",%s,", NULL};
	g_autofree char *name = g_compute_checksum_for_string(G_CHECKSUM_SHA1, "a commit", -1);

	for (guint k = 0; k < 2; k++)
		for (const char *const *shape = k == 0 ? shapes : others; *shape != NULL; shape++) {
			g_auto(GStrv) parts = g_strsplit(*shape, "%s", 2);
			g_autofree char *text = g_strjoinv(name, parts);
			gsize from = strlen(parts[0]);
			gboolean is_commit = filter_is_reported_commit(
				(const guint8 *)text, strlen(text), from, from + 40);
			if (is_commit != (k == 0)) {
				g_test_message("%s", *shape);
				g_test_fail();
			}
		}
}

static void test_sum(void)
{
	static const char *const before[] = {"datadog_sha1: ", "\"github-token.js\": \"", "a-b@",
		"token.digest='", "API_KEY_SHA1=", NULL};
	static const char *const others[] = {
		"token=", "jsToken: ", "hash token = '", "app@:", "", NULL};
	g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA1, "a sum", -1);

	for (guint k = 0; k < 2; k++)
		for (const char *const *name = k == 0 ? before : others; *name != NULL; name++) {
			g_autofree char *text = g_strconcat(*name, sum, NULL);
			gsize from = strlen(*name);
			if (filter_is_sum((const guint8 *)text, from + 40, from, from + 40) !=
				(k == 0)) {
				g_test_message("%s", *name);
				g_test_fail();
			}
			g_assert_false(
				filter_is_sum((const guint8 *)text, from + 39, from, from + 39));
		}
}

static void test_basic(void)
{
	static const struct {
		const char *plain;
		gboolean is_refused, is_default;
	} cases[] = {
		{"beep:boop", TRUE, TRUE},
		{"john:password", FALSE, TRUE},
		{"aladdin:opensesame", FALSE, TRUE},
		{"app:Zq81xkWm4", FALSE, FALSE},
		{"admin:admin123", FALSE, TRUE},
		{"a:<password>", TRUE, TRUE},
		{"k7Qm2xW9bT4vN8cR5:", FALSE, FALSE},
		{"no colon at all", FALSE, FALSE},
		{"\x01\x02\x03:\x04", FALSE, FALSE},
	};

	for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
		gboolean is_default;
		g_autofree char *text =
			g_base64_encode((const guint8 *)cases[i].plain, strlen(cases[i].plain));
		gboolean is_refused =
			filter_is_no_basic((const guint8 *)text, strlen(text), &is_default);
		if (is_refused != cases[i].is_refused || is_default != cases[i].is_default) {
			g_test_message("%s: %d %d", cases[i].plain, is_refused, is_default);
			g_test_fail();
		}
	}
}

static gboolean is_wordy(const guint8 *text, gsize len)
{
	return entropy_wordiness(text, len) >= 0.5;
}

static void test_wordiness(void)
{
	static const char *const words[] = {"authentication", "configuration", "database_password",
		"createSecureRandom", "placeholder-label", NULL};

	expect(is_wordy, words, TRUE);
	g_assert_cmpuint(count_refused(is_wordy, "{lower:16}"), <=, ROUNDS / 10);
}

/* The generic family alone, on one text. */
struct generic {
	struct rule_set *rules;
	struct matcher *matcher;
	struct matcher_thread *thread;
	struct secret_table *secrets;
};

static void generic_init(struct generic *generic)
{
	static const char *const only[] = {"generic", NULL};
	struct rule_options options = {.only = only};
	GError *error = NULL;

	generic->rules = rule_set_load(&options, &error);
	g_assert_no_error(error);
	generic->secrets = secret_table_new();
	generic->matcher = matcher_new(generic->rules, NULL, &error);
	g_assert_no_error(error);
	generic->thread = matcher_thread_new(generic->matcher, generic->secrets);
}

static void generic_clear(struct generic *generic)
{
	matcher_thread_free(generic->thread);
	matcher_free(generic->matcher);
	secret_table_free(generic->secrets);
	rule_set_free(generic->rules);
}

/* The rule that accepts something in it; with a secret given, that secret. NULL: none. */
static const char *accepts(
	const struct generic *generic, const char *text, gsize len, const struct example *example)
{
	g_autoptr(GArray) found = g_array_new(FALSE, FALSE, sizeof(struct candidate));

	g_assert_true(matcher_sieve(generic->thread, (const guint8 *)text, len, 0, len, found));
	for (guint i = 0; i < found->len; i++) {
		struct candidate *candidate = &g_array_index(found, struct candidate, i);
		matcher_judge(generic->thread, (const guint8 *)text, len, candidate);
		if (candidate->verdict == CANDIDATE_ACCEPTED &&
			(example == NULL || (candidate->secret_at == example->secret_at &&
						    candidate->secret_len == example->secret_len)))
			return generic->rules->rules[candidate->rule].id;
	}
	return NULL;
}

/* Ways to write a password or a key into a file, each with a secret in {<}{>}. */
static const char *const assignments[] = {
	"password = \"{<}{base62:12}{>}\"",
	"const dbPassword: string = '{<}{base62:14}{>}';",
	"String password = \"{<}{base62:8}#{base62:3}{>}\";",
	"$config['db']['password'] = '{<}{base62:11}{>}';",
	"  :password => \"{<}{base62:12}{>}\",",
	"{{\"user\": \"app\", \"password\": \"{<}{base62:12}{>}\"}}",
	"password: {<}{base62:12}{>}\n",
	"DB_PASSWORD={<}{base62:12}{>}\n",
	"export SMTP_PASS={<}{base62:12}7{>}\n",
	"ENV ROOT_PASSWORD {<}{base62:10}4{>}\n",
	"spring.datasource.password={<}{base62:12}{>}\n",
	"if (password == \"{<}{base62:12}{>}\")",
	"conn.setPassword(\"{<}{base62:12}{>}\");",
	"<password>{<}{base62:12}{>}</password>",
	"<add key=\"DbPassword\" value=\"{<}{base62:12}{>}\" />",
	"password=${{DB_PASSWORD:-{<}{base62:12}{>}}}",
	"mysql -uroot -p{<}{base62:12}{>} shop",
	"PGPASSWORD={<}{base62:12}{>} psql",
	"curl -u admin:{<}{base62:12}{>} https://shop.test/",
	"new NetworkCredential(\"app\", \"{<}{base62:12}{>}\")",
	"variable \"db_password\" {{ default = \"{<}{base62:12}{>}\" }}",
	"client_secret = \"{<}{base62:32}{>}\"",
	"apiKey: '{<}{hex:32}{>}',",
	"API_KEY={<}{base62:16}5{base62:15}{>}\n",
	"API_TOKEN={<}{hex:40}{>} \\\n",
	"\"accessToken\" : \"{<}{base64url:12}8{base64url:30}{>}\"",
	"Authorization: Bearer {<}{base64url:12}6{base64url:30}{>}",
	"-H \"X-Api-Key: {<}{base62:12}3{base62:12}{>}\"",
	"https://shop.test/api?api_key={<}{hex:32}{>}",
	"SOME_VENDOR_KEY={<}{base62:12}9{base62:12}{>}\n",
	"somevendor secret {<}{base62:8}12{base62:16}3{>}\n",
};

static void test_assignments(void)
{
	struct generic generic;
	generic_init(&generic);

	for (gsize i = 0; i < G_N_ELEMENTS(assignments); i++) {
		guint found = 0, rounds = 40;
		for (guint32 seed = 1; seed <= rounds; seed++) {
			struct example example;
			if (!example_expand(assignments[i], seed, &example, NULL))
				g_error("the template %s is wrong", assignments[i]);
			found += accepts(&generic, example.text->str, example.text->len,
					 &example) != NULL;
			example_clear(&example);
		}
		if (found * 10 < rounds * 9) {
			g_test_message("%u of %u: %s", found, rounds, assignments[i]);
			g_test_fail();
		}
	}
	generic_clear(&generic);
}

/* What repositories are full of: each with the names that the rules go by. */
static const char *const nothings[] = {
	"password = request.form['password']",
	"password: 'Password'",
	"\"passwordConfirmation\": \"Passwords do not match\"",
	"labels: {{ password: 'Passwort', secret: 'Geheimnis' }}",
	"password: ${{DB_PASSWORD}}\n",
	"DB_PASSWORD={{ vault_db_password }}\n",
	"POSTGRES_PASSWORD_FILE=/run/secrets/pg_1\n",
	"password = os.environ['DB_PASSWORD']",
	"type=\"password\" name=\"user_password\" id=\"password2\"",
	"const PASSWORD_REGEX = '^[a-z0-9]{{8,}}$';",
	"passwordField.setText(\"\");",
	"assertEquals(\"password\", user.getPassword());",
	"This is the wrong password page!\n",
	"'password' => 'required|confirmed|min:8',",
	"	PasswordOffset       uint16\n",
	"password=null||\"\";p.Authorization=",
	"\"integrity\": \"sha512-{base64:84}pw==\"\n\n\"@some/package@1.11.1\":",
	"urllib2.HTTPPasswordMgr\", \"urllib2\"",
	"To get your password run:\n",
	"user = {lower:6}\npassword = {{ password }}\n",
	"accounts.table.username=Benutzer\naccounts.table.password=Passwort\n",
	"token = lexer.next_token()",
	"if token.type == 'IDENTIFIER':",
	"\"tokenType\": \"bearer\"",
	"csrf_token: '{base62:32}'",
	"\"nextPageToken\": \"{base64:32}\"",
	"api_key: YOUR_API_KEY\n",
	"apiKey: process.env.API_KEY,",
	"\"secretName\": \"my-tls-secret-2\"",
	"key: 'posts/1-dashboard-view'",
	"\"Key\": \"some-document-of-mine-2314.xml\"",
	"cacheKey = \"{hex:32}\"",
	"publicKey: \"{base64:44}\"",
	"\"integrity\": \"sha512-{base64:86}==\"",
	"uses: actions/setup-token@{hex:40}",
	"commit {hex:40}\n",
	"\"hashed_secret\": \"{hex:40}\",",
	"\"token_hash\": \"{hex:64}\"",
	"passwordSha256 = '{hex:64}'",
	"secret_md5: {hex:32}\n",
	"\"passwordDigest\": \"{base64:27}=\"",
	"\"github-token\",\"{hex:40}\",\"a/password.txt\"\n",
	"Authorization: Bearer <token>",
	"Authorization: 'Basic {b64:beep:boop}'",
	("otpauth://totp/a:b@example.com?secret=JBSWY3DP"
	 "EHPK3PXP"),
	"resource x_connect(string server, string user, string pass)",
	"curl -u user:password https://api.example.org/",
	"tool --password PASSWORD --token $TOKEN",
	"https://example.org/?token=${{token}}&key=value",
	"function(e){{return e.password=t,e.token=n,e.secret_key=r}}",
	"i18n.t('settings.password.change_password_title')",
	"primary key (id), foreign key (user_id)",
	"<token>{{{{token}}}}</token>",
};

static void test_nothings(void)
{
	struct generic generic;
	generic_init(&generic);

	for (gsize i = 0; i < G_N_ELEMENTS(nothings); i++)
		for (guint32 seed = 1; seed <= 5; seed++) {
			struct example example;
			if (!example_expand(nothings[i], seed, &example, NULL))
				g_error("the template %s is wrong", nothings[i]);
			const char *rule =
				accepts(&generic, example.text->str, example.text->len, NULL);
			if (rule != NULL) {
				g_test_message("%s: %s", rule, example.text->str);
				g_test_fail();
			}
			example_clear(&example);
		}
	generic_clear(&generic);
}

int main(int argc, char **argv)
{
	check_init(&argc, &argv);
	g_test_add_func("/filter/placeholders are told from random texts", test_placeholder);
	g_test_add_func("/filter/names, paths and versions are no tokens", test_ordinary);
	g_test_add_func("/filter/words, names and references are no passwords", test_no_password);
	g_test_add_func("/filter/a name says what is only about a secret", test_name);
	g_test_add_func(
		"/filter/passwords that everybody tries are known, and local hosts", test_default);
	g_test_add_func("/filter/Basic is judged by its password", test_basic);
	g_test_add_func("/filter/sums are told by what they are given to", test_sum);
	g_test_add_func("/filter/commits in reports are told by their place", test_reported_commit);
	g_test_add_func("/filter/words are wordier than random letters", test_wordiness);
	g_test_add_func(
		"/filter/assigned secrets are found however they are written", test_assignments);
	g_test_add_func("/filter/ordinary lines have none", test_nothings);
	return g_test_run();
}

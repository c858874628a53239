/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/scan/entropy.h"
#include "jobs/scan/filter.h"

/*
 * Passwords are short, and many are bad: entropy tells nothing about eight characters. What helps
 * is that programs put three other things where a password would be: names (of variables, columns,
 * labels), words of the page that a person sees, and templates.
 */

/* In small letters, without digits and signs: who writes these has no secret in mind. */
static const char *const cores[] = {"abc", "account", "actual", "admin", "adminadmin",
	"administrator", "adminpass", "adminpassword", "alice", "anonymous", "any", "argon", "asdf",
	"auth", "bar", "base", "baz", "bcrypt", "blank", "bob", "bool", "boolean", "byte", "bytes",
	"changeit", "changeme", "changethis", "char", "clear", "confirm", "current", "database",
	"dbpass", "dbpassword", "default", "demo", "dev", "disabled", "double", "empty",
	"encrypted", "env", "expected", "fail", "fake", "false", "file", "first", "float", "foo",
	"foobar", "guest", "hash", "hashed", "hello", "hidden", "hmac", "http", "https",
	"incorrect", "input", "int", "invalid", "iso", "key", "latin", "letmein", "line", "local",
	"localhost", "login", "managed", "master", "match", "md", "missing", "mongodb", "mypass",
	"mypassword", "mysecret", "mysql", "name", "new", "newpass", "newpassword", "nil", "no",
	"none", "nopass", "nopassword", "null", "oauth", "object", "ok", "old", "oldpass",
	"oldpassword", "optional", "p", "param", "pass", "passphrase", "passw", "passwd",
	"password", "passwordpassword", "passwort", "pbkdf", "pbkdfsha", "plain", "plaintext",
	"postgres", "private", "prompt", "public", "pw", "pwd", "qwerty", "random", "required",
	"right", "root", "rootpass", "rootpassword", "saved", "scram", "scramsha", "second",
	"secret", "secretpassword", "sha", "some", "somepass", "somepassword", "ssha", "step",
	"str", "string", "super", "supersecret", "superuser", "sys", "system", "temp", "test",
	"tested", "tester", "testing", "testpass", "testpassword", "testtest", "testuser", "text",
	"tls", "tmp", "token", "topsecret", "true", "type", "uint", "unknown", "unset", "user",
	"username", "userpass", "userpassword", "utf", "valid", "value", "var", "varchar",
	"version", "wrong", "wrongpass", "wrongpassword", "x", "xx", "xxx", "yes", "yourpassword",
	NULL};

static gboolean is_core(const char *core)
{
	for (const char *const *word = cores; *word != NULL; word++)
		if (strcmp(*word, core) == 0)
			return TRUE;
	return FALSE;
}

struct shape {
	gsize letters, digits, uppers, dots, joints, signs; /* joints: _ - and blanks */
	gsize inner_signs;                                  /* not at the begin */
	gboolean is_ascii, has_run, is_sequence;
	char core[33]; /* the letters, small; as far as there is room */
};

static struct shape shape_of(const guint8 *text, gsize len)
{
	struct shape shape = {.is_ascii = TRUE};
	gsize run = 1, n = 0;
	gboolean up = TRUE, down = TRUE;

	for (gsize i = 0; i < len; i++) {
		guint8 c = text[i];
		run = i > 0 && c == text[i - 1] ? run + 1 : 1;
		shape.has_run |= run >= 4;
		up &= i == 0 || c == text[i - 1] + 1 || (c == '0' && text[i - 1] == '9');
		down &= i == 0 || c == text[i - 1] - 1;
		shape.is_ascii &= c < 0x80;
		shape.digits += g_ascii_isdigit(c) ? 1 : 0;
		shape.uppers += g_ascii_isupper(c) ? 1 : 0;
		shape.dots += c == '.';
		if (g_ascii_isalpha(c)) {
			shape.letters++;
			if (n < sizeof(shape.core) - 1)
				shape.core[n++] = g_ascii_tolower((gchar)c);
		} else if (c == '_' || c == '-' || c == ' ') {
			shape.joints++;
		} else if (!g_ascii_isdigit(c) && c != '.') {
			shape.signs++;
			shape.inner_signs += i > 0;
		}
	}
	shape.is_sequence = up || down;
	return shape;
}

/* #password, .field, @param, :symbol, !ref, *name, &name, +name+, %name%: not the text itself. */
static gboolean is_reference(const guint8 *text, gsize len, const struct shape *shape)
{
	gboolean is_joined =
		strchr("+.,&;)|", text[0]) != NULL && strchr("+.,&;(|=[{<", text[len - 1]) != NULL;

	if (text[0] == '/' || is_joined || g_strstr_len((const char *)text, (gssize)len, "://"))
		return TRUE;
	if (strchr("#.@:!*&%?", text[0]) != NULL && shape->inner_signs == 0 && shape->digits <= 1)
		return TRUE;
	const guint8 *open = memchr(text, '{', len);
	if (open != NULL && memchr(open, '}', len - (gsize)(open - text)) != NULL)
		return TRUE;
	if (filter_is_call(text, len))
		return TRUE;
	open = memchr(text, '[', len);
	if (open != NULL && open > text && text[len - 1] == ']')
		return TRUE;
	return text[0] == '<' || g_strstr_len((const char *)text, (gssize)len, "->") != NULL ||
	       g_strstr_len((const char *)text, (gssize)len, "::") != NULL ||
	       g_strstr_len((const char *)text, (gssize)len, "%s") != NULL ||
	       g_strstr_len((const char *)text, (gssize)len, "$(") != NULL;
}

static gboolean is_address(const guint8 *text, gsize len)
{
	const guint8 *at = memchr(text, '@', len);

	return at != NULL && at > text && memchr(at, '.', len - (gsize)(at - text)) != NULL &&
	       g_ascii_isalpha(text[len - 1]);
}

/* $2b$12$..., $argon2id$v=19$...: the hash of a password, which has rules of its own. */
static gboolean is_hash(const guint8 *text, gsize len)
{
	gsize i = 1;

	if (text[0] != '$' || len < 12)
		return FALSE;
	while (i < 11 && g_ascii_isalnum(text[i]))
		i++;
	return text[i] == '$' && i > 1;
}

static gboolean names_itself(const guint8 *text, gsize len)
{
	static const char *const words[] = {"passw", "pwd", "secret", "token", "changeme", NULL};

	for (const char *const *word = words; *word != NULL; word++)
		if (filter_holds(text, len, *word))
			return TRUE;
	return FALSE;
}

/* 2006-01-02T15:04:05Z */
static gboolean is_time(const guint8 *text, gsize len, const struct shape *shape)
{
	if (shape->letters > 2 || shape->digits < 8)
		return FALSE;
	for (gsize i = 0; i < len; i++)
		if (!g_ascii_isalnum(text[i]) && memchr("-:.+/ ", text[i], 6) == NULL)
			return FALSE;
	return memchr(text, '-', len) != NULL && memchr(text, ':', len) != NULL;
}

/* server.port=8080: the next setting of a list */
static gboolean is_setting(const guint8 *text, gsize len)
{
	const guint8 *equal = memchr(text, '=', len);

	return equal != NULL && equal + 1 < text + len && equal[1] != '=' &&
	       entropy_wordiness(text, (gsize)(equal - text)) >= 0.5;
}

/* required|confirmed|min:8 */
static gboolean is_choice(const guint8 *text, gsize len)
{
	if (memchr(text, '|', len) == NULL || text[0] == '|' || text[len - 1] == '|')
		return FALSE;
	for (gsize i = 0; i < len; i++)
		if (!g_ascii_isalnum(text[i]) && memchr("|:,_-.", text[i], 6) == NULL)
			return FALSE;
	return TRUE;
}

/* %40 is one sign. Bytes written to `plain`, which has room for len; 0: nothing is quoted so. */
static gsize undo_percent(const guint8 *text, gsize len, guint8 *plain)
{
	gsize n = 0, quoted = 0;

	for (gsize i = 0; i < len; i++) {
		int high = i + 2 < len && text[i] == '%' ? g_ascii_xdigit_value((gchar)text[i + 1])
							 : -1;
		int low = high >= 2 && high < 8 ? g_ascii_xdigit_value((gchar)text[i + 2]) : -1;
		plain[n++] = low >= 0 ? (guint8)(high << 4 | low) : text[i];
		i += low >= 0 ? 2 : 0;
		quoted += low >= 0;
	}
	return quoted > 0 ? n : 0;
}

gboolean filter_is_default_password(const guint8 *secret, gsize len)
{
	guint8 plain[24];
	struct shape shape;

	if (len == 0 || len > 24)
		return FALSE;
	gsize n = undo_percent(secret, len, plain);
	shape = n > 0 ? shape_of(plain, n) : shape_of(secret, len);
	if (is_core(shape.core) || shape.is_sequence || shape.letters == 0)
		return TRUE;
	return shape.digits <= 4 && names_itself(secret, len);
}

gboolean filter_is_for_local_host(const guint8 *window, gsize len, gsize secret_end)
{
	static const char *const begins[] = {
		"localhost", "127.", "0.0.0.0", "[::1]", "example.", "your", NULL};
	/* Names that containers have for one another, and words where a name would be. */
	static const char *const names[] = {"db", "host", "hostname", "mongo", "mysql", "postgres",
		"rabbitmq", "redis", "server", NULL};
	gsize from = secret_end + 1, to = from;

	if (from >= len || window[secret_end] != '@')
		return FALSE;
	while (to < len && (g_ascii_isalnum(window[to]) || memchr(".-_[]:", window[to], 6) != NULL))
		to++;
	const char *host = (const char *)window + from;
	gsize n = to - from;
	for (const char *const *begin = begins; *begin != NULL; begin++)
		if (n >= strlen(*begin) && !g_ascii_strncasecmp(host, *begin, strlen(*begin)))
			return TRUE;
	for (const char *const *name = names; *name != NULL; name++) {
		gsize k = strlen(*name);
		if (n >= k && !g_ascii_strncasecmp(host, *name, k) && (n == k || host[k] == ':'))
			return TRUE;
	}
	return filter_holds(window + from, n, ".example") ||
	       filter_holds(window + from, n, ".local");
}

gboolean filter_is_no_basic(const guint8 *secret, gsize len, gboolean *is_default)
{
	g_autofree char *padded = g_malloc(len + 4);
	gsize n = len;

	*is_default = FALSE;
	memcpy(padded, secret, len);
	while (n > 0 && padded[n - 1] == '=')
		n--;
	if (n == 0 || n % 4 == 1 || len > 1024)
		return FALSE;
	while (n % 4 != 0)
		padded[n++] = '=';
	padded[n] = '\0';
	guint8 *plain = g_base64_decode_inplace(padded, &n);
	const guint8 *colon = memchr(plain, ':', n);
	for (gsize i = 0; i < n; i++)
		if (plain[i] < 0x20 || plain[i] >= 0x7f)
			return FALSE;
	if (colon == NULL)
		return FALSE;
	const guint8 *password = colon + 1;
	gsize user = (gsize)(colon - plain), size = n - user - 1, letters = 0;
	/* Some give the token as the user's name. */
	if (user >= 16 && !filter_is_ordinary(plain, user))
		return FALSE;
	*is_default =
		filter_is_default_password(password, size) || filter_is_no_password(password, size);
	while (letters < size && g_ascii_islower(password[letters]))
		letters++;
	/* xxxx and <password>; 1111 is a bad one. */
	gboolean is_stand_in = filter_is_stand_in(password, size) && !g_ascii_isdigit(plain[n - 1]);
	return size > 0 && ((letters == size && size < 6) || is_stand_in);
}

gboolean filter_is_no_password(const guint8 *secret, gsize len)
{
	guint8 plain[256];

	if (len < 4 || filter_is_stand_in(secret, len))
		return TRUE;
	gsize n = len <= sizeof(plain) ? undo_percent(secret, len, plain) : 0;
	if (n > 0 && memcmp(plain, secret, n) != 0 && filter_is_no_password(plain, n))
		return TRUE;
	struct shape shape = shape_of(secret, len);
	if (!shape.is_ascii || shape.has_run || shape.is_sequence)
		return TRUE;
	if (filter_is_hex_number(secret, len) || is_reference(secret, len, &shape) ||
		is_address(secret, len) || is_core(shape.core) || is_hash(secret, len) ||
		filter_is_file_name(secret, len))
		return TRUE;
	/* Numbers, versions, dates, and lines of signs. */
	if (shape.letters == 0)
		return shape.digits != len || shape.digits < 8;
	if ((shape.letters <= 1 && shape.dots > 0 && shape.signs == 0) ||
		is_time(secret, len, &shape) || is_setting(secret, len) || is_choice(secret, len))
		return TRUE;
	gboolean is_own_name = names_itself(secret, len);
	double wordy = entropy_wordiness(secret, len);
	/* A name: letters, with joints, dots or a change of case between its words. */
	if (shape.digits == 0 && shape.inner_signs == 0) {
		if (shape.letters < 6 || is_own_name)
			return TRUE;
		if (shape.joints + shape.dots > 0)
			return wordy >= 0.35;
		/* One letter in capitals begins a word or a name of another language. */
		gboolean is_word = shape.uppers == 0 || shape.uppers == shape.letters ||
				   (shape.uppers == 1 && g_ascii_isupper(secret[0]));
		return wordy >= 0.4 || (is_word && shape.letters < 8);
	}
	if (shape.inner_signs == 0) {
		/* new_password2, user-1, column3, config.db1.pass */
		if (is_own_name && shape.digits <= 4)
			return TRUE;
		if (shape.joints + shape.dots > 0 && wordy >= 0.5 &&
			(shape.digits <= 2 || shape.letters >= 12))
			return TRUE;
		return len < 6 && shape.digits <= 1;
	}
	/* Markup, formats, paths and sentences have signs too. */
	if (shape.digits <= 1 && wordy >= 0.5 && memchr(secret, '/', len) != NULL)
		return TRUE;
	return shape.digits == 0 && (is_own_name || strchr(":?,;.", secret[len - 1]) != NULL);
}

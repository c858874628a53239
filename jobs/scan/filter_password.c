/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <string.h>

#include "jobs/scan/entropy.h"
#include "jobs/scan/filter.h"

/*
 * Passwords are short, and many are bad: entropy tells nothing about eight characters. What helps is
 * that programs put three other things where a password would be: names (of variables, columns,
 * labels), words of the page that a person sees, and templates.
 */

/* In small letters, without digits and signs: who writes these has no secret in mind. */
static const char *const cores[] = {"abc", "account", "actual", "admin", "adminadmin", "adminpass",
	"adminpassword", "administrator", "alice", "anonymous", "argon", "asdf", "auth", "bar",
	"base", "baz", "bcrypt", "blank", "bob", "changeit", "changeme", "changethis", "clear",
	"confirm", "current", "database", "dbpass", "dbpassword", "default", "demo", "dev",
	"disabled", "empty", "encrypted", "env", "expected", "fail", "fake", "false", "file",
	"first", "foo", "foobar", "guest", "hash", "hashed", "hello", "hidden", "hmac", "http",
	"https", "incorrect", "input", "invalid", "iso", "key", "latin", "letmein", "line", "local",
	"localhost", "login", "managed", "master", "match", "md", "missing", "mongodb", "mypass",
	"mypassword", "mysecret", "mysql", "name", "new", "newpass", "newpassword", "nil", "no",
	"none", "nopass", "nopassword", "null", "oauth", "ok", "old", "oldpass", "oldpassword",
	"optional", "p", "param", "pass", "passphrase", "passw", "passwd", "password",
	"passwordpassword", "passwort", "pbkdf", "pbkdfsha", "plain", "plaintext", "postgres",
	"private", "prompt", "public", "pw", "pwd", "qwerty", "random", "required", "right", "root",
	"rootpass", "rootpassword", "saved", "scram", "scramsha", "second", "secret",
	"secretpassword", "sha", "some", "somepass", "somepassword", "ssha", "step", "str",
	"string", "super", "supersecret", "superuser", "sys", "system", "temp", "test", "tested",
	"tester", "testing", "testpass", "testpassword", "testtest", "testuser", "text", "tls",
	"tmp", "token", "topsecret", "true", "type", "unknown", "unset", "user", "username",
	"userpass", "userpassword", "utf", "valid", "value", "var", "version", "wrong", "wrongpass",
	"wrongpassword", "x", "xx", "xxx", "yes", "yourpassword", NULL};

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

/* #password, .field, @param, :symbol, !ref, *name, &name, +name+, %name%: what is not the text itself. */
static gboolean is_reference(const guint8 *text, gsize len, const struct shape *shape)
{
	gboolean is_joined =
		strchr("+.,&;)|", text[0]) != NULL && strchr("+.,&;(|", text[len - 1]) != NULL;

	if (text[0] == '/' || is_joined || g_strstr_len((const char *)text, (gssize)len, "://"))
		return TRUE;
	if (strchr("#.@:!*&%?", text[0]) != NULL && shape->inner_signs == 0 && shape->digits <= 1)
		return TRUE;
	const guint8 *open = memchr(text, '{', len);
	if (open != NULL && memchr(open, '}', len - (gsize)(open - text)) != NULL)
		return TRUE;
	open = memchr(text, '(', len);
	if (open != NULL && open > text && text[len - 1] == ')')
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

gboolean filter_is_no_password(const guint8 *secret, gsize len)
{
	if (len < 4 || filter_is_placeholder(secret, len))
		return TRUE;
	struct shape shape = shape_of(secret, len);
	if (!shape.is_ascii || shape.has_run || shape.is_sequence)
		return TRUE;
	if (is_reference(secret, len, &shape) || is_address(secret, len) || is_core(shape.core))
		return TRUE;
	/* Numbers, versions, dates, and lines of signs. */
	if (shape.letters == 0)
		return shape.digits != len || shape.digits < 8;
	if (shape.letters <= 1 && shape.dots > 0 && shape.signs == 0)
		return TRUE;
	gboolean names_itself =
		filter_holds(secret, len, "passw") || filter_holds(secret, len, "pwd") ||
		filter_holds(secret, len, "secret") || filter_holds(secret, len, "token");
	double wordy = entropy_wordiness(secret, len);
	/* A name: letters, with joints, dots or a change of case between its words. */
	if (shape.digits == 0 && shape.inner_signs == 0) {
		if (shape.letters < 6 || names_itself)
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
		if (names_itself && shape.digits <= 4)
			return TRUE;
		if (shape.joints + shape.dots > 0 && shape.digits <= 2 && wordy >= 0.5)
			return TRUE;
		return len < 6 && shape.digits <= 1;
	}
	/* Markup, formats and sentences have signs too. */
	return names_itself && shape.digits == 0;
}

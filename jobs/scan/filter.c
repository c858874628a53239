/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/scan/filter.h"

#include <string.h>

#include "jobs/scan/entropy.h"

gboolean filter_holds(const guint8 *text, gsize len, const char *word)
{
	gsize n = strlen(word);
	guint8 low = (guint8)word[0], high = (guint8)g_ascii_toupper(word[0]);

	for (gsize i = 0; i + n <= len; i++) {
		if (text[i] != low && text[i] != high)
			continue;
		if (g_ascii_strncasecmp((const char *)text + i, word, n) == 0)
			return TRUE;
	}
	return FALSE;
}

static gboolean holds_any(const guint8 *text, gsize len, const char *const *words)
{
	for (; *words != NULL; words++)
		if (filter_holds(text, len, *words))
			return TRUE;
	return FALSE;
}

/* The longest run of one character. */
static gsize longest_run(const guint8 *text, gsize len)
{
	gsize best = 0, run = 0;

	for (gsize i = 0; i < len; i++) {
		run = i > 0 && text[i] == text[i - 1] ? run + 1 : 1;
		best = MAX(best, run);
	}
	return best;
}

/* Up: 1234, AbCd, 890; or down. */
static gboolean follows(guint8 a, guint8 b, gboolean up)
{
	guint8 low = (guint8)g_ascii_tolower((gchar)(up ? a : b));
	guint8 high = (guint8)g_ascii_tolower((gchar)(up ? b : a));

	return g_ascii_isalnum(low) && (high == low + 1 || (low == '9' && high == '0'));
}

/* The longest run in which each character follows the one `step` before it: 12345, a1b2c3. */
static gsize longest_sequence(const guint8 *text, gsize len, gsize step)
{
	gsize best = 0, up = 0, down = 0;

	for (gsize i = step; i < len; i++) {
		up = follows(text[i - step], text[i], TRUE) ? up + 1 : 0;
		down = follows(text[i - step], text[i], FALSE) ? down + 1 : 0;
		best = MAX(best, MAX(up, down));
	}
	return best;
}

static guint distinct(const guint8 *text, gsize len)
{
	guint8 seen[256] = {0};
	guint n = 0;

	for (gsize i = 0; i < len; i++) {
		n += !seen[text[i]];
		seen[text[i]] = 1;
	}
	return n;
}

/* The same 4 to 16 characters again and again: deadbeefdeadbeef, EXAMPLEEXAMPLE. */
static gboolean is_repetition(const guint8 *text, gsize len)
{
	for (gsize period = 2; period <= 16 && 2 * period <= len; period++) {
		gsize same = 0;
		for (gsize i = period; i < len; i++)
			same += text[i] == text[i - period];
		if (same >= (len - period) * 9 / 10 && same >= 8)
			return TRUE;
	}
	return FALSE;
}

static gboolean is_template(const guint8 *text, gsize len)
{
	static const char *const marks[] = {"${", "{{", "}}", "$(", "<%", "%>", "#{", "%{",
		"process.env", "os.environ", "os.getenv", "getenv(", "env[", "env(", "secrets.",
		NULL};

	if (len >= 2) {
		guint8 a = text[0], b = text[len - 1];
		if ((a == '<' && b == '>') || (a == '[' && b == ']') || (a == '{' && b == '}') ||
			(a == '%' && b == '%') || (a == '_' && b == '_' && text[1] == '_'))
			return TRUE;
	}
	/* $NAME, $1, @name@ */
	if (len >= 2 && text[0] == '$' && (g_ascii_isalnum(text[1]) || text[1] == '_')) {
		gsize i = 1;
		while (i < len && (g_ascii_isalnum(text[i]) || text[i] == '_' || text[i] == ':'))
			i++;
		if (i == len)
			return TRUE;
	}
	return holds_any(text, len, marks);
}

gboolean filter_is_stand_in(const guint8 *text, gsize len)
{
	static const char *const words[] = {"example", "placeholder", "changeme", "change_me",
		"change-me", "yourtoken", "your_", "your-", "yourapi", "yourkey", "yoursecret",
		"yourpass", "insert", "replace", "redacted", "dummy", "sample", "notreal",
		"not_real", "thisis", "foobar", "todo_", "xxxx", "***", "...", "####", "____",
		"----", "mytoken", "my_token", "mysecret", "goes_here", "goeshere", "somesecret",
		"fake_", "fake-", "testtest",
		/* The base 32 of every page on one-time passwords. */
		"jbswy3dp", "gezdgnbvgy3tqojq", "hxdmvjec", "krsxg5c", NULL};

	if (len == 0)
		return TRUE;
	gsize run = longest_run(text, len);
	if (len >= 8 && (run >= 8 || run * 2 >= len))
		return TRUE;
	/* Four characters of a base64 text of many thousand are a word now and then. */
	return len <= 512 && (is_template(text, len) || holds_any(text, len, words));
}

gboolean filter_is_placeholder(const guint8 *secret, gsize len)
{
	if (filter_is_stand_in(secret, len))
		return TRUE;
	gsize sequence =
		MAX(longest_sequence(secret, len, 1) + 1, longest_sequence(secret, len, 2) + 2);
	if (len > 512)
		return FALSE;
	return (len >= 12 && distinct(secret, len) <= 4) ||
	       (len >= 8 && sequence >= 8 && sequence * 2 >= len) || is_repetition(secret, len);
}

static gsize count(const guint8 *text, gsize len, gboolean (*is)(guint8 c))
{
	gsize n = 0;

	for (gsize i = 0; i < len; i++)
		n += is(text[i]) ? 1 : 0;
	return n;
}

static gboolean is_digit(guint8 c)
{
	return g_ascii_isdigit(c);
}

static gboolean is_alpha(guint8 c)
{
	return g_ascii_isalpha(c);
}

static gboolean is_upper(guint8 c)
{
	return g_ascii_isupper(c);
}

static gboolean is_word(guint8 c)
{
	return g_ascii_isalnum(c) || c == '_';
}

/* A name or a chain of names, called perhaps: config.token, self->key, getToken(), a::b[0]. */
static gboolean is_code(const guint8 *text, gsize len)
{
	static const char *const marks[] = {
		"->", "::", "()", "=>", "&&", "||", "\\n", "</", "/>", "%s", "%d", NULL};
	static const char *const literals[] = {
		"function", "return", "null", "undefined", "true", "false", "none", NULL};
	gsize words = count(text, len, is_word), dots = 0;

	for (const char *const *mark = marks; *mark != NULL; mark++)
		if (g_strstr_len((const char *)text, (gssize)len, *mark) != NULL)
			return TRUE;
	for (const char *const *word = literals; *word != NULL; word++)
		if (len == strlen(*word) &&
			g_ascii_strncasecmp((const char *)text, *word, len) == 0)
			return TRUE;
	/* At the end it is base64's. */
	const char *equal = g_strstr_len((const char *)text, (gssize)len, "==");
	if (equal != NULL && (const guint8 *)equal + 2 < text + len)
		return TRUE;
	const guint8 *brace = memchr(text, '{', len);
	if (brace != NULL && memchr(brace, '}', len - (gsize)(brace - text)) != NULL)
		return TRUE;
	if (filter_is_call(text, len))
		return TRUE;
	for (gsize k = 0; k < len; k++)
		dots += text[k] == '.';
	return dots > 0 && words + dots == len && g_ascii_isalpha(text[0]) &&
	       entropy_wordiness(text, len) >= 0.5;
}

gboolean filter_is_call(const guint8 *text, gsize len)
{
	gsize i = 0;

	if (len < 3 || text[len - 1] != ')')
		return FALSE;
	while (i < len && (is_word(text[i]) || strchr(".:>-$@&", text[i]) != NULL))
		i++;
	return i > 0 && text[i] == '(';
}

gboolean filter_is_hex_number(const guint8 *text, gsize len)
{
	gsize i = 2;

	if (len < 4 || len > 18 || text[0] != '0' || (text[1] | 0x20) != 'x')
		return FALSE;
	while (i < len && g_ascii_isxdigit(text[i]))
		i++;
	return i == len;
}

gboolean filter_is_file_name(const guint8 *text, gsize len)
{
	static const char *const ends[] = {".c", ".cert", ".cfg", ".conf", ".crt", ".css", ".csv",
		".go", ".gz", ".h", ".html", ".ini", ".java", ".jks", ".jpg", ".js", ".json",
		".key", ".log", ".md", ".p12", ".pdf", ".pem", ".pfx", ".php", ".png", ".py", ".rb",
		".sh", ".sql", ".svg", ".tar", ".toml", ".ts", ".txt", ".xml", ".yaml", ".yml",
		".zip", NULL};

	for (const char *const *end = ends; *end != NULL; end++) {
		gsize n = strlen(*end);
		if (len > n && memcmp(text + len - n, *end, n) == 0)
			return TRUE;
	}
	return FALSE;
}

static gboolean is_path_or_url(const guint8 *text, gsize len)
{
	gsize slashes = 0;

	/* One in 64 texts of base64 begins with a slash. */
	gboolean is_rooted = text[0] == '/' && (len < 20 || entropy_wordiness(text, len) >= 0.4);
	if (g_strstr_len((const char *)text, (gssize)len, "://") != NULL || is_rooted ||
		(len > 2 && text[0] == '.' && (text[1] == '/' || text[1] == '.')))
		return TRUE;
	for (gsize i = 0; i < len; i++)
		slashes += text[i] == '/';
	if (filter_is_file_name(text, len) || (slashes == 1 && entropy_wordiness(text, len) >= 0.7))
		return TRUE;
	return slashes >= 2 && entropy_wordiness(text, len) >= 0.55;
}

static gboolean is_joint(guint8 c)
{
	return c == '_' || c == '-' || c == '/' || c == '.';
}

/* 1.2.3-beta.4 */
static gboolean is_version(const guint8 *text, gsize len)
{
	gsize numbers = 0;

	for (gsize i = 0; i + 1 < len; i++)
		numbers += g_ascii_isdigit(text[i]) && text[i + 1] == '.';
	return len < 20 && g_ascii_isdigit(text[0]) && numbers >= 2;
}

/* port8080, test1234, app-b-12 */
static gboolean is_word_and_number(const guint8 *text, gsize len)
{
	gsize i = 0, letters = 0;

	for (; i < len && (g_ascii_islower(text[i]) || is_joint(text[i])); i++)
		letters += !is_joint(text[i]);
	return letters > 0 && letters <= 8 && len - i <= 4 &&
	       count(text + i, len - i, is_digit) == len - i;
}

gboolean filter_is_ordinary(const guint8 *secret, gsize len)
{
	static const char *const words[] = {"password", "passwd", "secret", "token", "apikey",
		"api_key", "api-key", "username", "credential", "private", "public", "default",
		"string", "value", "config", "string", "hidden", "enter", "here", "test", "user",
		"localhost", "admin", "qwerty", "letmein", "demo", "foo", "hunter2", "root", NULL};
	gsize letters, digits;

	if (len < 6 || filter_is_placeholder(secret, len))
		return TRUE;
	if (longest_sequence(secret, len, 1) + 1 >= MAX(5, len / 4) ||
		longest_run(secret, len) >= 4)
		return TRUE;
	if (is_code(secret, len) || is_path_or_url(secret, len))
		return TRUE;
	letters = count(secret, len, is_alpha);
	digits = count(secret, len, is_digit);
	/* Versions, dates, numbers, times: 2006-01-02T15:04:05Z. */
	if (letters == 0 || (letters <= 2 && memchr(secret, ':', len) && digits + 8 >= len) ||
		(letters <= 1 && digits + letters + 6 >= len) || is_version(secret, len) ||
		filter_is_hex_number(secret, len) || is_word_and_number(secret, len))
		return TRUE;
	if (count(secret, len, is_word) * 10 < len * 6)
		return TRUE;
	double wordy = entropy_wordiness(secret, len);
	/* Without a digit it takes more to look random: names and sentences have none either. */
	if (digits == 0 && (wordy >= 0.5 || len < 10))
		return TRUE;
	if (digits == 0 && letters == len && count(secret, len, is_upper) == 0 && len < 24)
		return TRUE;
	if (wordy >= 0.65 && letters * 10 >= len * 7)
		return TRUE;
	gsize joints = count(secret, len, is_joint);
	if (joints > 0 && wordy >= 0.55 && digits <= 3)
		return TRUE;
	/* A word and some digits behind it, as in port8080 or TestUser1. */
	return len < 24 && wordy >= 0.5 && holds_any(secret, len, words);
}

gboolean filter_has_context(const guint8 *window, gsize len, gsize from, gsize to,
	const char *const *words, guint within)
{
	gsize start = from > within ? from - within : 0;
	gsize end = MIN(len, to + within);

	for (; *words != NULL; words++)
		if (filter_holds(window + start, end - start, *words))
			return TRUE;
	return FALSE;
}

gboolean filter_is_reported_commit(const guint8 *window, gsize len, gsize from, gsize to)
{
	gsize begin = from, quotes = 0;

	if (to - from != 40 && to - from != 64)
		return FALSE;
	for (gsize i = from; i < to; i++)
		if (!g_ascii_isdigit(window[i]) && (window[i] < 'a' || window[i] > 'f'))
			return FALSE;
	if (begin > 0 && window[begin - 1] == '"' && to < len && window[to] == '"')
		quotes = 1;
	if (to + quotes >= len || window[to + quotes] != ',' || begin < 2 + 3 * quotes)
		return FALSE;
	begin -= quotes;
	if (window[--begin] != ',' || (quotes > 0 && window[--begin] != '"'))
		return FALSE;
	gsize id = begin;
	while (begin > 0 && (g_ascii_islower(window[begin - 1]) ||
				    g_ascii_isdigit(window[begin - 1]) || window[begin - 1] == '-'))
		begin--;
	if (begin == id || (quotes > 0 && (begin == 0 || window[--begin] != '"')))
		return FALSE;
	return begin == 0 || window[begin - 1] == '\n';
}

gboolean filter_is_marked(const guint8 *window, gsize len, gsize from, gsize to)
{
	/* Ours, and those of gitleaks, trufflehog, kingfisher, detect-secrets, ggshield. */
	static const char *const marks[] = {"muster:allow", "gitleaks:allow", "betterleaks:allow",
		"trufflehog:ignore", "kingfisher:ignore", "pragma: allowlist secret",
		"pragma: whitelist secret", "ggignore", NULL};
	static const char *const before[] = {"muster:allow-next-line", "muster:allow-nextline",
		"pragma: allowlist nextline secret", "pragma: whitelist nextline secret", NULL};
	gsize start = from, end = to, previous;

	while (start > 0 && window[start - 1] != '\n')
		start--;
	while (end < len && window[end] != '\n')
		end++;
	/* Nearly every line has none of the characters that all of these share. */
	previous = start > 0 ? start - 1 : 0;
	while (previous > 0 && window[previous - 1] != '\n')
		previous--;
	if (holds_any(window + start, end - start, marks))
		return !holds_any(window + start, end - start, before) ||
		       holds_any(window + start, end - start, marks + 1);
	return start > 0 && holds_any(window + previous, start - previous, before);
}

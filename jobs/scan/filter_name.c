/* SPDX-License-Identifier: MIT */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/scan/filter.h"

/*
 * A name is read as words: password_reset_url, passwordResetUrl and PASSWORD-RESET-URL are the same
 * three. What it is about stands last.
 */

#define WORDS_MAX 16
#define WORD_MAX 24

/* Ends of names of what is said about a secret. Sorted, for bsearch(). */
static const char *const tails[] = {"action", "actions", "address", "age", "algo", "algorithm",
	"alias", "arg", "args", "arn", "attr", "attribute", "attributes", "audience", "bin",
	"button", "buttons", "callback", "cert", "change", "changed", "check", "checks", "checksum",
	"checksums", "class", "cmd", "col", "column", "columns", "command", "commands", "commit",
	"confirm", "confirmation", "confirmed", "constant", "constants", "count", "counter", "crt",
	"css", "date", "delimiter", "desc", "description", "digest", "digests", "dir", "directory",
	"disabled", "domain", "empty", "enable", "enabled", "encoder", "encoding", "endpoint",
	"endpoints", "error", "errors", "event", "events", "exists", "expiration", "expire",
	"expired", "expires", "expiry", "factory", "failed", "field", "fields", "file", "filename",
	"filepath", "files", "fingerprint", "flag", "flags", "folder", "form", "format", "formats",
	"forms", "generator", "go", "grant", "handler", "handlers", "hash", "hashed", "hashes",
	"header", "headers", "help", "hint", "hints", "host", "hostname", "html", "icon", "id",
	"ids", "index", "info", "input", "inputs", "integrity", "interval", "invalid", "issuer",
	"java", "js", "json", "jsx", "kind", "label", "labels", "len", "length", "limit", "line",
	"lines", "link", "links", "list", "location", "locations", "manager", "managers", "max",
	"md", "md5", "message", "messages", "method", "mgr", "min", "mismatch", "missing", "mode",
	"modes", "msg", "msgs", "mtime", "name", "names", "offset", "option", "options", "page",
	"pages", "param", "parameter", "parameters", "params", "path", "paths", "pattern", "php",
	"placeholder", "policies", "policy", "port", "prefix", "prompt", "properties", "property",
	"provider", "providers", "py", "rb", "realm", "ref", "reference", "references", "refs",
	"regex", "regexp", "request", "required", "reset", "response", "revision", "role",
	"rotation", "rule", "rules", "schema", "scheme", "scope", "scopes", "selector", "separator",
	"service", "services", "sh", "sha", "sha1", "sha224", "sha256", "sha384", "sha512", "size",
	"source", "sources", "spec", "state", "status", "store", "stores", "strength", "style",
	"suffix", "template", "templates", "text", "texts", "thumbprint", "time", "timeout",
	"title", "titles", "tokens", "ts", "tsx", "ttl", "txt", "type", "types", "uri", "uris",
	"url", "urls", "usage", "user", "username", "users", "valid", "validation", "validations",
	"validator", "validators", "validity", "variable", "variables", "version", "view", "views",
	"vue", "xml", "yaml", "yml"};

/* Anywhere in a name: what is public, made anew with each page, or a mark in a list. */
static const char *const heads[] = {"antiforgery", "authenticity", "chunk", "commit",
	"continuation", "csrf", "csrfmiddlewaretoken", "csrftoken", "hashed", "next", "page", "pub",
	"pubkey", "public", "publickey", "xsrf", "xsrftoken"};

/* Keys that open nothing. */
static const char *const key_heads[] = {"bucket", "cache", "column", "dictionary", "feature",
	"field", "foreign", "group", "hash", "host", "hot", "i18n", "idempotency", "index", "item",
	"json", "lang", "locale", "map", "message", "object", "partition", "primary", "project",
	"property", "query", "react", "route", "routing", "row", "s3", "sort", "translation",
	"unique"};

static int order(const void *key, const void *word)
{
	return strcmp(key, *(const char *const *)word);
}

static gboolean is_in(const char *word, const char *const *list, gsize n)
{
	return bsearch(word, list, n, sizeof(*list), order) != NULL;
}

/* Where a word ends: behind it a sign, capitals behind small letters, or the last of capitals. */
static gboolean begins_word(const guint8 *name, gsize len, gsize i)
{
	if (i == 0 || !g_ascii_isupper(name[i]))
		return FALSE;
	return g_ascii_islower(name[i - 1]) || g_ascii_isdigit(name[i - 1]) ||
	       (g_ascii_isupper(name[i - 1]) && i + 1 < len && g_ascii_islower(name[i + 1]));
}

static guint split(const guint8 *name, gsize len, char words[WORDS_MAX][WORD_MAX])
{
	guint n = 0;
	gsize at = 0;

	for (gsize i = 0; i <= len && n < WORDS_MAX; i++) {
		if (i == len || !g_ascii_isalnum(name[i]) || begins_word(name, len, i)) {
			words[n][at] = '\0';
			n += at > 0 ? 1 : 0;
			at = 0;
		}
		if (i < len && n < WORDS_MAX && g_ascii_isalnum(name[i]) && at < WORD_MAX - 1)
			words[n][at++] = g_ascii_tolower((gchar)name[i]);
	}
	return n;
}

gboolean filter_is_other_name(const guint8 *name, gsize len)
{
	char words[WORDS_MAX][WORD_MAX];
	guint n = split(name, len, words);

	/* password_field_2 */
	while (n > 0 && strspn(words[n - 1], "0123456789") == strlen(words[n - 1]))
		n--;
	if (n == 0)
		return FALSE;
	if (is_in(words[n - 1], tails, G_N_ELEMENTS(tails)))
		return TRUE;
	gboolean is_key = !strcmp(words[n - 1], "key") || !strcmp(words[n - 1], "keys");
	for (guint i = 0; i < n; i++)
		if (is_in(words[i], heads, G_N_ELEMENTS(heads)) ||
			(is_key && is_in(words[i], key_heads, G_N_ELEMENTS(key_heads))))
			return TRUE;
	return FALSE;
}

static gboolean is_hex_of_sum(const guint8 *text, gsize len)
{
	gsize i = 0;

	while (i < len && g_ascii_isxdigit(text[i]))
		i++;
	return i == len &&
	       (len == 32 || len == 40 || len == 56 || len == 64 || len == 96 || len == 128);
}

gboolean filter_is_sum(const guint8 *window, gsize len, gsize from, gsize to)
{
	/* Sorted, for bsearch(). */
	static const char *const ends[] = {"checksum", "commit", "css", "digest", "gz", "hash",
		"hashes", "html", "js", "json", "jsx", "map", "md5", "mjs", "sha", "sha1", "sha224",
		"sha256", "sha384", "sha512", "sum", "svg", "tgz", "ts", "tsx"};
	char words[WORDS_MAX][WORD_MAX];
	gsize end = from, begin;

	if (to > len || !is_hex_of_sum(window + from, to - from))
		return FALSE;
	if (to - from == 40 && from > 1 && window[from - 1] == '@' &&
		(g_ascii_isalnum(window[from - 2]) || window[from - 2] == '-'))
		return TRUE;
	while (end > 0 && from - end < 8 && memchr("\"'` \t:=>,", window[end - 1], 9) != NULL)
		end--;
	begin = end;
	while (begin > 0 && end - begin < 64 &&
		(g_ascii_isalnum(window[begin - 1]) || memchr("_.-", window[begin - 1], 3) != NULL))
		begin--;
	guint n = split(window + begin, end - begin, words);
	return n > 0 && n < WORDS_MAX && is_in(words[n - 1], ends, G_N_ELEMENTS(ends));
}

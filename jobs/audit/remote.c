/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/audit/remote.h"

#include <string.h>

#include "lib/error.h"
#include "lib/file.h"
#include "lib/hash.h"
#include "lib/quote.h"

#define REMOTE_FILE_MAX_BYTES (64 * 1024 * 1024)
#define REMOTE_ROWS_MAX 100000
#define REMOTE_NAME_MAX_BYTES 255
#define REMOTE_URL_MAX_BYTES 4096

static const struct json_limits remote_limits = {REMOTE_FILE_MAX_BYTES, 16, 1000};

struct audit_remote {
	GPtrArray *rows; /* struct audit_expected */
	GHashTable *by_name, *by_key;
	char *owner;
};

static void expected_free(gpointer data)
{
	struct audit_expected *row = data;

	g_free((char *)row->name);
	g_free((char *)row->url);
	g_free((char *)row->key);
	g_free(row);
}

struct audit_remote *audit_remote_new(void)
{
	struct audit_remote *remote = g_new0(struct audit_remote, 1);

	remote->rows = g_ptr_array_new_with_free_func(expected_free);
	remote->by_name = g_hash_table_new(hash_text, g_str_equal);
	remote->by_key = g_hash_table_new(hash_text, g_str_equal);
	return remote;
}

void audit_remote_free(struct audit_remote *remote)
{
	if (remote == NULL)
		return;
	g_hash_table_unref(remote->by_name);
	g_hash_table_unref(remote->by_key);
	g_ptr_array_unref(remote->rows);
	g_free(remote->owner);
	g_free(remote);
}

/* Where the host begins and, for scp's form, that there is no scheme. */
static const char *url_after_scheme(const char *url, gboolean *is_scp)
{
	const char *at = strstr(url, "://");

	*is_scp = FALSE;
	if (at != NULL)
		return at + 3;
	const char *colon = strchr(url, ':');
	const char *slash = strchr(url, '/');
	*is_scp = colon != NULL && (slash == NULL || colon < slash);
	return url;
}

/* The end of "user:password@" in front of the host, or start itself. */
static const char *url_after_user(const char *start)
{
	gsize len = strcspn(start, "/");

	for (gsize i = len; i > 0; i--)
		if (start[i - 1] == '@')
			return start + i;
	return start;
}

char *remote_url_key(const char *url)
{
	gboolean is_scp;
	const char *start = url_after_scheme(url, &is_scp);
	const char *at = url_after_user(start);
	g_autofree char *host = NULL;
	const char *path;

	if (is_scp) {
		/* user@host:path: an '@' behind the colon belongs to the path. */
		const char *colon = strchr(start, ':');
		at = memrchr(start, '@', (gsize)(colon - start));
		at = at != NULL ? at + 1 : start;
		host = g_strndup(at, (gsize)(colon - at));
		path = colon + 1;
	} else if (strstr(url, "://") != NULL) {
		path = at + strcspn(at, "/");
		host = g_strndup(at, (gsize)(path - at));
		char *port = strrchr(host, ':');
		/* Brackets of an IPv6 address hold colons of their own. */
		if (port != NULL && strchr(port, ']') == NULL)
			*port = '\0';
	} else {
		host = g_strdup("");
		path = at;
	}
	while (*path == '/')
		path++;
	g_autofree char *rest = g_strdup(path);
	gsize len = strlen(rest);
	while (len > 0 && rest[len - 1] == '/')
		rest[--len] = '\0';
	if (g_str_has_suffix(rest, ".git"))
		rest[len -= 4] = '\0';
	while (len > 0 && rest[len - 1] == '/')
		rest[--len] = '\0';
	if (len == 0)
		return g_strdup("");
	/* A path on this machine keeps its case: the file system does. */
	g_autofree char *key = g_strconcat(host, "/", rest, NULL);
	return *host == '\0' ? g_steal_pointer(&key) : g_ascii_strdown(key, -1);
}

char *remote_url_name(const char *url)
{
	g_autofree char *text = g_strdup(url);
	gsize len = strlen(text);

	while (len > 0 && text[len - 1] == '/')
		text[--len] = '\0';
	if (g_str_has_suffix(text, ".git"))
		text[len -= 4] = '\0';
	while (len > 0 && text[len - 1] == '/')
		text[--len] = '\0';
	const char *scheme = strstr(text, "://");
	const char *from = scheme != NULL ? scheme + 3 : text;
	const char *slash = strrchr(from, '/');
	if (slash == NULL && scheme != NULL)
		return g_strdup(""); /* a host alone */
	if (slash == NULL)
		slash = strrchr(from, ':');
	return g_strdup(slash != NULL ? slash + 1 : from);
}

char *remote_url_strip(const char *url)
{
	const char *scheme = strstr(url, "://");

	if (scheme == NULL)
		return g_strdup(url);
	const char *start = scheme + 3;
	const char *host = url_after_user(start);
	gboolean is_ssh = g_str_has_prefix(url, "ssh://") || g_str_has_prefix(url, "git+ssh://");
	g_autofree char *user = g_strndup(start, (gsize)(host - start));
	char *colon = strchr(user, ':');
	if (colon != NULL) {
		colon[0] = '@';
		colon[1] = '\0';
	}
	g_autofree char *head = g_strndup(url, (gsize)(start - url));
	return g_strconcat(head, is_ssh ? user : "", host, NULL);
}

static gboolean name_is_valid(const char *name)
{
	return *name != '\0' && strlen(name) <= REMOTE_NAME_MAX_BYTES && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 && strchr(name, '/') == NULL;
}

gboolean audit_remote_add(struct audit_remote *remote, const char *name, const char *url,
	gboolean is_archived, gboolean is_fork, GError **error)
{
	g_autofree char *quoted = quote_format(name);

	if (!name_is_valid(name) || !g_utf8_validate(name, -1, NULL)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"'%s' is no name of a repository", quoted);
		return FALSE;
	}
	if (strlen(url) > REMOTE_URL_MAX_BYTES || !g_utf8_validate(url, -1, NULL)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the address of '%s' is too long or no UTF-8", quoted);
		return FALSE;
	}
	if (remote->rows->len >= REMOTE_ROWS_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "more than %d repositories",
			REMOTE_ROWS_MAX);
		return FALSE;
	}
	g_autofree char *stripped = remote_url_strip(url);
	g_autofree char *key = remote_url_key(stripped);
	const struct audit_expected *same = g_hash_table_lookup(remote->by_name, quoted);
	if (same != NULL && (*key == '\0' || !strcmp(same->key, key)))
		return TRUE;
	/* Two groups of a forge may have a repository of one name: then the address tells them
	 * apart. */
	if (same != NULL) {
		g_free(quoted);
		quoted = quote_format(key);
		if (g_hash_table_contains(remote->by_name, quoted))
			return TRUE;
	}
	struct audit_expected *row = g_new0(struct audit_expected, 1);
	row->name = g_steal_pointer(&quoted);
	row->url = quote_format(stripped);
	row->key = g_steal_pointer(&key);
	row->is_archived = is_archived;
	row->is_fork = is_fork;
	g_ptr_array_add(remote->rows, row);
	g_hash_table_insert(remote->by_name, (gpointer)row->name, row);
	if (*row->key != '\0' && !g_hash_table_contains(remote->by_key, row->key))
		g_hash_table_insert(remote->by_key, (gpointer)row->key, row);
	return TRUE;
}

static gboolean add_json_row(struct audit_remote *remote, json_object *row, GError **error)
{
	static const char *const urls[] = {"clone_url", "url", "html_url", "ssh_url"};
	const char *url = "", *name = NULL;
	json_object *value;

	if (json_object_is_type(row, json_type_string)) {
		url = json_object_get_string(row);
		g_autofree char *from_url = remote_url_name(url);
		return audit_remote_add(remote, from_url, strpbrk(url, "/:") != NULL ? url : "",
			FALSE, FALSE, error);
	}
	if (!json_object_is_type(row, json_type_object)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"a repository is an object with a name or an address, or a string");
		return FALSE;
	}
	for (gsize i = G_N_ELEMENTS(urls); i > 0; i--) {
		const char *text = json_get_text(row, urls[i - 1], NULL);
		if (text != NULL)
			url = text;
	}
	name = json_get_text(row, "name", NULL);
	g_autofree char *from_url = name == NULL ? remote_url_name(url) : NULL;
	gboolean is_archived = json_object_object_get_ex(row, "archived", &value) &&
			       json_object_get_boolean(value);
	gboolean is_fork =
		json_object_object_get_ex(row, "fork", &value) && json_object_get_boolean(value);
	return audit_remote_add(
		remote, name != NULL ? name : from_url, url, is_archived, is_fork, error);
}

static gboolean parse_json(struct audit_remote *remote, const char *text, gsize len, GError **error)
{
	g_autoptr(json_object) document = json_parse(text, len, &remote_limits, error);
	if (document == NULL)
		return FALSE;
	json_object *rows = document;
	if (json_object_is_type(document, json_type_object)) {
		const char *owner = json_get_text(document, "owner", NULL);
		g_free(remote->owner);
		remote->owner = g_strdup(owner);
		rows = json_get(document, "repos", json_type_array, error);
		if (rows == NULL)
			return FALSE;
	}
	for (gsize i = 0; i < json_object_array_length(rows); i++) {
		if (!add_json_row(remote, json_object_array_get_idx(rows, i), error)) {
			g_prefix_error(error, "row %" G_GSIZE_FORMAT ": ", i + 1);
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean parse_line(struct audit_remote *remote, char *line, GError **error)
{
	g_strstrip(line);
	if (*line == '\0' || *line == '#')
		return TRUE;
	gsize len = strcspn(line, " \t");
	if (line[len] == '\0') {
		g_autofree char *name = remote_url_name(line);
		return audit_remote_add(
			remote, name, strpbrk(line, "/:") != NULL ? line : "", FALSE, FALSE, error);
	}
	line[len] = '\0';
	char *url = line + len + 1 + strspn(line + len + 1, " \t");
	if (strpbrk(url, " \t") != NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"a line is a name and an address, or an address");
		return FALSE;
	}
	return audit_remote_add(remote, line, url, FALSE, FALSE, error);
}

gboolean audit_remote_parse(
	struct audit_remote *remote, const char *text, gsize len, const char *from, GError **error)
{
	gsize skip = 0;

	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) {
		text += 3;
		len -= 3;
	}
	while (skip < len && g_ascii_isspace(text[skip]))
		skip++;
	if (skip < len && (text[skip] == '[' || text[skip] == '{')) {
		if (parse_json(remote, text, len, error))
			return TRUE;
		g_prefix_error(error, "%s: ", from);
		return FALSE;
	}
	guint number = 0;
	for (gsize at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		gsize line_len = end == NULL ? len - at : (gsize)(end - text) - at;
		g_autofree char *line = g_strndup(text + at, line_len);
		number++;
		if (!parse_line(remote, line, error)) {
			g_prefix_error(error, "%s:%u: ", from, number);
			return FALSE;
		}
		at += line_len + 1;
	}
	return TRUE;
}

gboolean audit_remote_load(struct audit_remote *remote, const char *path, GError **error)
{
	g_autofree char *text = NULL;
	g_autofree char *quoted = quote_format(path);
	gsize len;

	if (!file_read(path, REMOTE_FILE_MAX_BYTES, &text, &len, error))
		return FALSE;
	return audit_remote_parse(remote, text, len, quoted, error);
}

void audit_remote_filter(struct audit_remote *remote, gboolean with_archived, gboolean with_forks)
{
	for (guint i = remote->rows->len; i > 0; i--) {
		struct audit_expected *row = remote->rows->pdata[i - 1];
		if ((with_archived || !row->is_archived) && (with_forks || !row->is_fork))
			continue;
		g_hash_table_remove(remote->by_name, row->name);
		if (g_hash_table_lookup(remote->by_key, row->key) == row)
			g_hash_table_remove(remote->by_key, row->key);
		g_ptr_array_remove_index(remote->rows, i - 1);
	}
}

const char *audit_remote_owner(const struct audit_remote *remote)
{
	return remote->owner != NULL ? remote->owner : "";
}

guint audit_remote_count(const struct audit_remote *remote)
{
	return remote->rows->len;
}

const struct audit_expected *audit_remote_get(const struct audit_remote *remote, guint at)
{
	return remote->rows->pdata[at];
}

const struct audit_expected *audit_remote_find_name(
	const struct audit_remote *remote, const char *name)
{
	return g_hash_table_lookup(remote->by_name, name);
}

const struct audit_expected *audit_remote_find_key(
	const struct audit_remote *remote, const char *key)
{
	return *key == '\0' ? NULL : g_hash_table_lookup(remote->by_key, key);
}

void audit_remote_mark(const struct audit_remote *remote, const struct audit_expected *expected)
{
	g_atomic_int_set(&((struct audit_expected *)expected)->is_present, 1);
}

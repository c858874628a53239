/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "pusher/head.h"

#include <string.h>

#include <gio/gio.h>

#include "lib/error.h"

#define ARGUMENTS_MAX 32
#define COOKIE "muster_session"

static gboolean refuse(GError **error, const char *why)
{
	g_set_error(
		error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "The request is not acceptable: %s.", why);
	return FALSE;
}

gsize head_len(const char *bytes, gsize len)
{
	const char *end = g_strstr_len(bytes, (gssize)len, "\r\n\r\n");
	return end != NULL ? (gsize)(end - bytes) + 4 : 0;
}

static gboolean query_parse(struct head *head, char *query, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(query, "&", ARGUMENTS_MAX + 1);

	if (g_strv_length(parts) > ARGUMENTS_MAX)
		return refuse(error, "too many arguments");
	for (guint i = 0; parts[i] != NULL; i++) {
		char *equal = strchr(parts[i], '=');
		if (equal == NULL)
			continue;
		*equal = '\0';
		g_strdelimit(equal + 1, "+", ' ');
		g_autofree char *name = g_uri_unescape_string(parts[i], NULL);
		g_autofree char *value = g_uri_unescape_string(equal + 1, NULL);
		if (name == NULL || value == NULL || !g_utf8_validate(value, -1, NULL))
			return refuse(error, "an argument is not readable");
		if (!g_hash_table_contains(head->arguments, name))
			g_hash_table_insert(
				head->arguments, g_steal_pointer(&name), g_steal_pointer(&value));
	}
	return TRUE;
}

static gboolean line_parse(struct head *head, char *line, GError **error)
{
	char *path = strchr(line, ' ');
	char *version = path != NULL ? strchr(path + 1, ' ') : NULL;

	if (version == NULL || strcmp(version + 1, "HTTP/1.1") != 0)
		if (version == NULL || strcmp(version + 1, "HTTP/1.0") != 0)
			return refuse(error, "no HTTP/1.1");
	*path++ = *version = '\0';
	if (*path != '/')
		return refuse(error, "the path does not start with /");
	char *query = strchr(path, '?');
	if (query != NULL)
		*query++ = '\0';
	head->method = g_strdup(line);
	head->path = g_strdup(path);
	return query == NULL || query_parse(head, query, error);
}

static void cookie_parse(struct head *head, const char *value)
{
	g_auto(GStrv) parts = g_strsplit(value, ";", 64);

	for (guint i = 0; parts[i] != NULL; i++) {
		const char *pair = g_strstrip(parts[i]);
		if (g_str_has_prefix(pair, "__Host-"))
			pair += strlen("__Host-");
		if (head->cookie == NULL && g_str_has_prefix(pair, COOKIE "="))
			head->cookie = g_strdup(pair + strlen(COOKIE "="));
	}
}

/* The last one is what our own front has seen; those before it anybody can write. */
static void forwarded_parse(struct head *head, const char *value)
{
	const char *comma = strrchr(value, ',');
	g_autofree char *address = g_strstrip(g_strdup(comma != NULL ? comma + 1 : value));

	g_clear_pointer(&head->address, g_free);
	if (g_hostname_is_ip_address(address))
		head->address = g_steal_pointer(&address);
}

/* clang-format off */
static const struct {
	const char *name;
	gsize offset;
} headers[] = {
	{ "host", G_STRUCT_OFFSET(struct head, host) },
	{ "origin", G_STRUCT_OFFSET(struct head, origin) },
	{ "upgrade", G_STRUCT_OFFSET(struct head, upgrade) },
	{ "connection", G_STRUCT_OFFSET(struct head, connection) },
	{ "sec-websocket-key", G_STRUCT_OFFSET(struct head, key) },
	{ "sec-websocket-version", G_STRUCT_OFFSET(struct head, version) },
	{ "last-event-id", G_STRUCT_OFFSET(struct head, last_event_id) },
	{ "x-forwarded-host", G_STRUCT_OFFSET(struct head, forwarded_host) },
	{ "x-forwarded-proto", G_STRUCT_OFFSET(struct head, forwarded_proto) },
	{ "x-api-key", G_STRUCT_OFFSET(struct head, api_key) },
	{ "authorization", G_STRUCT_OFFSET(struct head, bearer) },
};
/* clang-format on */

static gboolean header_parse(struct head *head, char *line, GError **error)
{
	char *colon = strchr(line, ':');

	if (colon == NULL || colon == line || strcspn(line, " \t") < (gsize)(colon - line))
		return refuse(error, "a header line is malformed");
	*colon = '\0';
	const char *value = g_strstrip(colon + 1);
	if (!g_ascii_strcasecmp(line, "transfer-encoding") ||
		(!g_ascii_strcasecmp(line, "content-length") && strcmp(value, "0") != 0))
		return refuse(error, "it has a body");
	if (!g_ascii_strcasecmp(line, "cookie"))
		cookie_parse(head, value);
	if (!g_ascii_strcasecmp(line, "x-forwarded-for"))
		forwarded_parse(head, value);
	for (gsize i = 0; i < G_N_ELEMENTS(headers); i++) {
		char **field = &G_STRUCT_MEMBER(char *, head, headers[i].offset);
		if (g_ascii_strcasecmp(line, headers[i].name) != 0)
			continue;
		if (*field != NULL)
			return refuse(error, "a header is there twice");
		*field = g_strdup(value);
	}
	return TRUE;
}

/* "Bearer <token>"; another scheme is nothing to us. */
static void bearer_take(struct head *head)
{
	g_autofree char *value = g_steal_pointer(&head->bearer);
	if (value != NULL && g_ascii_strncasecmp(value, "bearer ", 7) == 0)
		head->bearer = g_strstrip(g_strdup(value + 7));
}

gboolean head_parse(struct head *head, const char *bytes, gsize len, GError **error)
{
	memset(head, 0, sizeof(*head));
	head->arguments = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_autofree char *text = g_strndup(bytes, len);
	for (gsize i = 0; i < len; i++)
		if (g_ascii_iscntrl(bytes[i]) && bytes[i] != '\t' && bytes[i] != '\r' &&
			bytes[i] != '\n')
			return refuse(error, "it holds control characters");
	if (len < 4)
		return refuse(error, "it is empty");
	text[len - 4] = '\0';
	g_auto(GStrv) lines = g_strsplit(text, "\r\n", 200);
	if (lines[0] == NULL || !line_parse(head, lines[0], error)) {
		if (error != NULL && *error == NULL)
			refuse(error, "it is empty");
		return FALSE;
	}
	for (guint i = 1; lines[i] != NULL; i++) {
		if (strpbrk(lines[i], "\r\n") != NULL)
			return refuse(error, "a line ends in another way than CRLF");
		if (!header_parse(head, lines[i], error))
			return FALSE;
	}
	bearer_take(head);
	head->token = g_strdup(head_argument(head, "token"));
	return TRUE;
}

void head_clear(struct head *head)
{
	for (gsize i = 0; i < G_N_ELEMENTS(headers); i++)
		g_free(G_STRUCT_MEMBER(char *, head, headers[i].offset));
	g_free(head->method);
	g_free(head->path);
	g_free(head->cookie);
	g_free(head->token);
	g_free(head->address);
	g_clear_pointer(&head->arguments, g_hash_table_destroy);
}

const char *head_argument(const struct head *head, const char *name)
{
	const char *value = g_hash_table_lookup(head->arguments, name);
	return value != NULL && *value != '\0' ? value : NULL;
}

gboolean head_cursor(const struct head *head, gint64 *after, GError **error)
{
	const char *text = head->last_event_id;

	if (text == NULL || *text == '\0')
		text = head_argument(head, "last_event_id");
	if (text == NULL)
		text = head_argument(head, "after");
	*after = -1;
	if (text == NULL)
		return TRUE;
	/* A number with more digits than any of ours is a cursor above the head, not a mistake. */
	if (strspn(text, "0123456789") != strlen(text))
		return refuse(error, "the cursor is not a number");
	*after = (gint64)MIN(g_ascii_strtoull(text, NULL, 10), (guint64)G_MAXINT64);
	return TRUE;
}

/* host:port in lower case, without the port that the scheme has anyway. */
static char *authority(const char *text, const char *scheme)
{
	char *lower = g_ascii_strdown(text, -1);
	const char *port = !g_strcmp0(scheme, "https") ? ":443" : ":80";

	if (g_str_has_suffix(lower, port))
		lower[strlen(lower) - strlen(port)] = '\0';
	return lower;
}

static gboolean origin_matches(const struct head *head, const struct conf *conf)
{
	const char *public_url = conf_get(conf, "server.public_url");
	const char *separator = strstr(head->origin, "://");

	if (separator == NULL)
		return FALSE;
	g_autofree char *scheme = g_ascii_strdown(head->origin, (gssize)(separator - head->origin));
	g_autofree char *origin = authority(separator + 3, scheme);
	if (*public_url != '\0') {
		g_autoptr(GUri) uri = g_uri_parse(public_url, G_URI_FLAGS_NONE, NULL);
		if (uri == NULL || g_uri_get_host(uri) == NULL)
			return FALSE;
		int port = g_uri_get_port(uri);
		g_autofree char *with_port =
			port < 0 ? g_strdup(g_uri_get_host(uri))
				 : g_strdup_printf("%s:%d", g_uri_get_host(uri), port);
		g_autofree char *expected = authority(with_port, g_uri_get_scheme(uri));
		return !strcmp(scheme, g_uri_get_scheme(uri)) && !strcmp(origin, expected);
	}
	const char *hosts[] = {head->host, head->forwarded_host};
	for (gsize i = 0; i < G_N_ELEMENTS(hosts); i++) {
		if (hosts[i] == NULL || *hosts[i] == '\0')
			continue;
		g_autofree char *asked = authority(hosts[i], scheme);
		if (!strcmp(asked, origin))
			return TRUE;
	}
	return FALSE;
}

gboolean head_check_origin(const struct head *head, const struct conf *conf, GError **error)
{
	if (head->origin == NULL || origin_matches(head, conf) ||
		conf_has_word(conf, "server.cors_origins", head->origin))
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_DENIED,
		"Another site's page may not open a live connection.");
	return FALSE;
}

char *head_cors(const struct head *head, const struct conf *conf)
{
	/* A word of the setting, so it is no more than a word. */
	if (head->origin == NULL || !conf_has_word(conf, "server.cors_origins", head->origin))
		return g_strdup("");
	return g_strdup_printf("Access-Control-Allow-Origin: %s\r\n"
			       "Access-Control-Allow-Credentials: true\r\nVary: Origin\r\n",
		head->origin);
}

gboolean head_is_upgrade(const struct head *head)
{
	return head->upgrade != NULL;
}

gboolean head_check_upgrade(const struct head *head, GError **error)
{
	gsize len = 0;

	if (head->upgrade == NULL || g_ascii_strcasecmp(head->upgrade, "websocket") != 0)
		return refuse(error, "the only upgrade there is goes to websocket");
	g_autofree char *connection =
		head->connection != NULL ? g_ascii_strdown(head->connection, -1) : g_strdup("");
	if (strstr(connection, "upgrade") == NULL)
		return refuse(error, "Connection does not say Upgrade");
	if (head->key == NULL || strlen(head->key) != 24)
		return refuse(error, "Sec-WebSocket-Key is not one");
	g_autofree guchar *key = g_base64_decode(head->key, &len);
	if (key == NULL || len != 16 ||
		strspn(head->key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789+/=") != 24)
		return refuse(error, "Sec-WebSocket-Key is not one");
	if (g_strcmp0(head->version, "13") != 0)
		return refuse(error, "Sec-WebSocket-Version is not 13");
	return TRUE;
}

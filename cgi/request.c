/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/request.h"

#include <string.h>

#include <gio/gio.h>

#include "lib/error.h"

#define HEADER_NAME_MAX 64

static const char *variable(const struct request *request, const char *name)
{
	return request->gateway->get(request->gateway->data, name);
}

static const char *variable_or(const struct request *request, const char *name, const char *other)
{
	const char *value = variable(request, name);
	return value != NULL && *value != '\0' ? value : other;
}

static gboolean refuse(GError **error, const char *message)
{
	g_set_error_literal(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, message);
	return FALSE;
}

char *request_decode(const char *text, gsize len, gboolean is_form)
{
	g_autofree char *out = g_malloc(len + 1);
	gsize to = 0;

	for (gsize i = 0; i < len; i++) {
		if (text[i] == '%') {
			if (i + 2 >= len || !g_ascii_isxdigit(text[i + 1]) ||
				!g_ascii_isxdigit(text[i + 2]))
				return NULL;
			out[to++] = (char)(g_ascii_xdigit_value(text[i + 1]) * 16 +
					   g_ascii_xdigit_value(text[i + 2]));
			i += 2;
		} else {
			out[to++] = is_form && text[i] == '+' ? ' ' : text[i];
		}
	}
	out[to] = '\0';
	return g_utf8_validate_len(out, to, NULL) ? g_steal_pointer(&out) : NULL;
}

char *request_encode(const char *text)
{
	return g_uri_escape_string(text, NULL, FALSE);
}

static void pair_clear(gpointer data)
{
	struct request_pair *pair = data;
	g_free(pair->name);
	g_free(pair->value);
}

static gboolean query_parse(struct request *request, GError **error)
{
	const char *at = request->raw_query;

	while (*at != '\0') {
		gsize len = strcspn(at, "&");
		const char *equals = memchr(at, '=', len);
		gsize name_len = equals != NULL ? (gsize)(equals - at) : len;
		if (len > 0) {
			struct request_pair pair;
			if (request->query->len == REQUEST_QUERY_MAX)
				return refuse(error, "the query has too many parts");
			pair.name = request_decode(at, name_len, TRUE);
			pair.value = equals != NULL
					     ? request_decode(equals + 1, len - name_len - 1, TRUE)
					     : g_strdup("");
			g_array_append_val(request->query, pair);
			if (pair.name == NULL || pair.value == NULL)
				return refuse(
					error, "the query is not valid percent-encoded UTF-8");
		}
		at += len;
		if (*at == '&')
			at++;
	}
	return TRUE;
}

static gboolean path_parse(struct request *request, GError **error)
{
	const char *at = request->path;

	if (*at != '/')
		return refuse(error, "the path does not begin with '/'");
	while (*at == '/') {
		at++;
		gsize len = strcspn(at, "/");
		/* One slash at the end is no segment; an empty one elsewhere matches no route. */
		if (len == 0 && at[len] == '\0')
			break;
		char *segment = request_decode(at, len, FALSE);
		if (segment == NULL)
			return refuse(error, "the path is not valid percent-encoded UTF-8");
		g_ptr_array_add(request->segments, segment);
		if (!strcmp(segment, ".") || !strcmp(segment, ".."))
			return refuse(error, "the path holds '.' or '..'");
		at += len;
	}
	return TRUE;
}

/* What stands before our own paths: a folder of the public address, or a script's name. */
static const char *prefix_skip(const struct request *request, const char *uri, const char *base)
{
	const char *script = variable_or(request, "SCRIPT_NAME", "");
	const char *host = strstr(base, "://");
	const char *folder = host != NULL ? strchr(host + 3, '/') : NULL;
	const char *prefixes[] = {g_str_has_suffix(script, ".fcgi") ? script : "",
		folder != NULL && folder[1] != '\0' ? folder : ""};

	for (gsize i = 0; i < G_N_ELEMENTS(prefixes); i++) {
		gsize len = strlen(prefixes[i]);
		while (len > 0 && prefixes[i][len - 1] == '/')
			len--;
		if (len > 0 && !strncmp(uri, prefixes[i], len) && uri[len] == '/')
			return uri + len;
	}
	return uri;
}

static gboolean uri_parse(struct request *request, const char *base, GError **error)
{
	const char *uri = variable(request, "REQUEST_URI");
	g_autofree char *together = NULL;

	if (uri == NULL || *uri == '\0') {
		const char *script = variable_or(request, "SCRIPT_NAME", "");
		g_autofree char *path = g_strconcat(g_str_has_suffix(script, ".fcgi") ? "" : script,
			variable_or(request, "PATH_INFO", ""), NULL);
		/* PATH_INFO is decoded already; the slashes in it are the path's. */
		together = g_uri_escape_string(path, "/", FALSE);
		uri = together;
	} else if (g_str_has_prefix(uri, "http://") || g_str_has_prefix(uri, "https://")) {
		const char *slash = strchr(strstr(uri, "://") + 3, '/');
		uri = slash != NULL ? slash : "/";
	}
	uri = prefix_skip(request, uri, base);
	if (strlen(uri) > REQUEST_PATH_MAX_BYTES)
		return refuse(error, "the address is too long");
	request->path = g_strndup(uri, strcspn(uri, "?"));
	request->raw_query = g_strdup(variable_or(request, "QUERY_STRING", ""));
	if (strlen(request->raw_query) > REQUEST_PATH_MAX_BYTES)
		return refuse(error, "the address is too long");
	return path_parse(request, error) && query_parse(request, error);
}

static gboolean address_is_listed(const char *list, const char *text)
{
	g_autoptr(GInetAddress) address = g_inet_address_new_from_string(text);
	g_auto(GStrv) masks = g_strsplit_set(list, " ,;", -1);

	for (gsize i = 0; address != NULL && masks[i] != NULL; i++) {
		g_autoptr(GInetAddressMask) mask =
			*masks[i] != '\0' ? g_inet_address_mask_new_from_string(masks[i], NULL)
					  : NULL;
		if (mask != NULL && g_inet_address_mask_matches(mask, address))
			return TRUE;
	}
	return FALSE;
}

/* The last address of the list that is no proxy of ours: all before it may be invented. */
static char *forwarded_address(const char *list, const char *forwarded, const char *remote)
{
	g_auto(GStrv) hops = g_strsplit(forwarded, ",", -1);

	for (guint i = g_strv_length(hops); i-- > 0;) {
		char *hop = g_strstrip(hops[i]);
		if (!g_hostname_is_ip_address(hop))
			break;
		if (!address_is_listed(list, hop))
			return g_strdup(hop);
	}
	return g_strdup(remote);
}

static gboolean host_is_valid(const char *host)
{
	return *host != '\0' && strlen(host) <= 255 &&
	       strspn(host,
		       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") ==
		       strlen(host);
}

static void origin_find(const struct conf *conf, struct request *request)
{
	const char *public_url = conf_get(conf, "server.public_url");
	const char *proxies = conf_get(conf, "server.trusted_proxies");
	const char *remote = variable_or(request, "REMOTE_ADDR", "");
	const char *https = variable_or(request, "HTTPS", "off");
	const char *scheme = g_ascii_strcasecmp(https, "off")
				     ? "https"
				     : variable_or(request, "REQUEST_SCHEME", "http");

	if (*proxies != '\0' && address_is_listed(proxies, remote)) {
		const char *proto = request_header(request, "X-Forwarded-Proto");
		request->address = forwarded_address(
			proxies, variable_or(request, "HTTP_X_FORWARDED_FOR", ""), remote);
		if (proto != NULL)
			scheme = proto;
	} else {
		request->address = g_strdup(remote);
	}
	if (g_str_has_prefix(public_url, "https://"))
		scheme = "https";
	request->scheme = g_strdup(g_ascii_strcasecmp(scheme, "https") ? "http" : "https");
	if (*public_url != '\0') {
		const char *host = strstr(public_url, "://");
		gsize len = host != NULL ? strcspn(host + 3, "/") : 0;
		request->base =
			host != NULL ? g_strndup(public_url, (gsize)(host - public_url) + 3 + len)
				     : g_strdup(public_url);
	} else {
		const char *host = variable_or(request, "HTTP_HOST", "localhost");
		request->base = g_strconcat(
			request->scheme, "://", host_is_valid(host) ? host : "localhost", NULL);
	}
}

gboolean request_is_from(const struct request *request, const char *list)
{
	return *list != '\0' && address_is_listed(list, request->address);
}

static gboolean method_is_valid(const char *method)
{
	return *method != '\0' && strlen(method) <= 16 &&
	       strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == strlen(method);
}

struct request *request_new(const struct conf *conf, const struct gateway *gateway, GError **error)
{
	struct request *request = g_new0(struct request, 1);

	request->gateway = gateway;
	request->id = g_uuid_string_random();
	request->segments = g_ptr_array_new_with_free_func(g_free);
	request->query = g_array_new(FALSE, TRUE, sizeof(struct request_pair));
	g_array_set_clear_func(request->query, pair_clear);
	request->method = g_strdup(variable_or(request, "REQUEST_METHOD", ""));
	if (!method_is_valid(request->method)) {
		g_free(request->method);
		request->method = g_strdup("-");
		refuse(error, "the method is not one of HTTP");
	}
	origin_find(conf, request);
	uri_parse(request, conf_get(conf, "server.public_url"),
		error == NULL || *error == NULL ? error : NULL);
	return request;
}

void request_free(struct request *request)
{
	if (request == NULL)
		return;
	g_free(request->id);
	g_free(request->method);
	g_free(request->path);
	g_free(request->raw_query);
	g_free(request->address);
	g_free(request->scheme);
	g_free(request->base);
	g_free(request->body);
	g_ptr_array_unref(request->segments);
	g_array_unref(request->query);
	g_free(request);
}

const char *request_header(const struct request *request, const char *name)
{
	char key[HEADER_NAME_MAX] = "HTTP_";
	gsize start = 5;

	if (!g_ascii_strcasecmp(name, "Content-Type") ||
		!g_ascii_strcasecmp(name, "Content-Length"))
		start = 0;
	g_assert(strlen(name) + start < sizeof(key));
	for (gsize i = 0; i <= strlen(name); i++)
		key[start + i] = name[i] == '-' ? '_' : g_ascii_toupper(name[i]);
	return variable_or(request, key, NULL);
}

char *request_cookie(const struct request *request, const char *name)
{
	const char *at = request_header(request, "Cookie");
	gsize name_len = strlen(name);

	while (at != NULL && *at != '\0') {
		at += strspn(at, "; ");
		gsize len = strcspn(at, ";");
		if (len > name_len && at[name_len] == '=' && !strncmp(at, name, name_len))
			return g_strstrip(g_strndup(at + name_len + 1, len - name_len - 1));
		at += len;
	}
	return NULL;
}

static gboolean length_parse(const struct request *request, gsize *len, GError **error)
{
	const char *text = request_header(request, "Content-Length");
	guint64 value = 0;

	*len = REQUEST_BODY_UNKNOWN;
	if (text == NULL)
		return TRUE;
	if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &value, NULL))
		return refuse(error, "Content-Length is not a number");
	*len = (gsize)value;
	return TRUE;
}

static gboolean body_too_long(gsize max_bytes, GError **error)
{
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
		"the body is longer than the %" G_GSIZE_FORMAT " bytes that are taken here",
		max_bytes);
	return FALSE;
}

gboolean request_read_body(struct request *request, gsize max_bytes, GError **error)
{
	gsize announced;

	if (!length_parse(request, &announced, error))
		return FALSE;
	if (announced != REQUEST_BODY_UNKNOWN && announced > max_bytes)
		return body_too_long(max_bytes, error);

	g_autoptr(GByteArray) body = g_byte_array_new();
	char chunk[16384];
	for (;;) {
		gsize room = announced == REQUEST_BODY_UNKNOWN
				     ? sizeof(chunk)
				     : MIN(sizeof(chunk), announced - body->len);
		/* In plain CGI the end of the body is the announced length, not an end of file. */
		if (room == 0)
			break;
		gssize n = request->gateway->read(request->gateway->data, chunk, room);
		if (n < 0)
			return refuse(error, "the body broke off");
		if (n == 0)
			break;
		if (body->len + (gsize)n > max_bytes)
			return body_too_long(max_bytes, error);
		g_byte_array_append(body, (const guint8 *)chunk, (guint)n);
	}
	if (announced != REQUEST_BODY_UNKNOWN && body->len != announced) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the body broke off after %u of %" G_GSIZE_FORMAT " bytes", body->len,
			announced);
		return FALSE;
	}
	request->body_len = body->len;
	g_byte_array_append(body, (const guint8 *)"", 1);
	request->body = (char *)g_byte_array_free(g_steal_pointer(&body), FALSE);
	return TRUE;
}

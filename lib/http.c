/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "lib/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "lib/error.h"

#define REDIRECTS_MAX 3
#define HEADERS_MAX 200
#define HEADER_MAX_BYTES 16384
#define SLOW_BYTES_PER_S 10
#define SLOW_SECONDS 30

struct http_client {
	CURL *curl;
	gboolean with_private;
	gboolean is_refused; /* by the guard, during the last request */
	guint timeout_ms;
	gsize body_max_bytes;
};

/* The state of one request. */
struct transfer {
	struct http_response *response;
	gsize body_max_bytes;
	gboolean is_too_big;
};

static gboolean is_in_v4(guint32 address, guint32 network, int bits)
{
	return (address & (0xffffffffu << (32 - bits))) == network;
}

static gboolean is_private_v4(guint32 address)
{
	/* clang-format off */
	static const struct { guint32 network; int bits; } special[] = {
		{ 0x00000000, 8 },  { 0x0a000000, 8 },  { 0x64400000, 10 }, { 0x7f000000, 8 },
		{ 0xa9fe0000, 16 }, { 0xac100000, 12 }, { 0xc0000000, 24 }, { 0xc0000200, 24 },
		{ 0xc0586300, 24 }, { 0xc0a80000, 16 }, { 0xc6120000, 15 }, { 0xc6336400, 24 },
		{ 0xcb007100, 24 }, { 0xe0000000, 4 },  { 0xf0000000, 4 },
	};
	/* clang-format on */
	for (gsize i = 0; i < G_N_ELEMENTS(special); i++)
		if (is_in_v4(address, special[i].network, special[i].bits))
			return TRUE;
	return FALSE;
}

static guint32 v4_inside(const guint8 *bytes)
{
	return (guint32)bytes[0] << 24 | (guint32)bytes[1] << 16 | (guint32)bytes[2] << 8 |
	       bytes[3];
}

static gboolean is_private_v6(const guint8 bytes[16])
{
	static const guint8 zeros[16] = {0};
	static const guint8 nat64[12] = {0x00, 0x64, 0xff, 0x9b};

	if (!memcmp(bytes, zeros, 10) &&
		((bytes[10] == 0xff && bytes[11] == 0xff) || (bytes[10] == 0 && bytes[11] == 0)))
		return is_private_v4(v4_inside(bytes + 12)); /* mapped, compatible, :: and ::1 */
	if (!memcmp(bytes, nat64, sizeof(nat64)))
		return is_private_v4(v4_inside(bytes + 12));
	if (bytes[0] == 0x20 && bytes[1] == 0x02) /* 6to4 */
		return is_private_v4(v4_inside(bytes + 2));
	/* Only 2000::/3 is handed out; of it, 2001::/23 and 2001:db8::/32 are special. */
	if ((bytes[0] & 0xe0) != 0x20)
		return TRUE;
	return bytes[0] == 0x20 && bytes[1] == 0x01 &&
	       (bytes[2] < 2 || (bytes[2] == 0x0d && bytes[3] == 0xb8));
}

gboolean http_address_is_private(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	/* What is behind a sockaddr is as long as its family says. */
	const void *bytes = address;
	if (address->sa_family == AF_INET) {
		memcpy(&v4, bytes, sizeof(v4));
		return is_private_v4(ntohl(v4.sin_addr.s_addr));
	}
	if (address->sa_family == AF_INET6) {
		memcpy(&v6, bytes, sizeof(v6));
		return is_private_v6(v6.sin6_addr.s6_addr);
	}
	return TRUE;
}

/* Has the person's environment a proxy? Then connections go there, and only there. */
static gboolean has_proxy(void)
{
	static const char *const names[] = {
		"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy"};

	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *value = g_getenv(names[i]);
		if (value != NULL && *value != '\0')
			return TRUE;
	}
	return FALSE;
}

static curl_socket_t on_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct http_client *client = data;
	/* addr is only the beginning of what is there: an IPv6 address is longer than it. */
	const void *addr = (const char *)address + offsetof(struct curl_sockaddr, addr);

	if (!client->with_private && !has_proxy() && http_address_is_private(addr)) {
		client->is_refused = TRUE;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *data)
{
	struct transfer *transfer = data;
	GString *body = transfer->response->body;

	if (body->len + size * count > transfer->body_max_bytes) {
		transfer->is_too_big = TRUE;
		return 0;
	}
	g_string_append_len(body, bytes, (gssize)(size * count));
	return size * count;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *data)
{
	struct transfer *transfer = data;
	GHashTable *headers = transfer->response->headers;
	size_t len = size * count;
	const char *colon = memchr(bytes, ':', len);

	/* A new status line: what came before belonged to another answer (100 Continue). */
	if (len > 5 && !memcmp(bytes, "HTTP/", 5))
		g_hash_table_remove_all(headers);
	if (colon == NULL)
		return len;
	if (len > HEADER_MAX_BYTES || g_hash_table_size(headers) >= HEADERS_MAX) {
		transfer->is_too_big = TRUE;
		return 0;
	}
	g_autofree char *name = g_ascii_strdown(bytes, (gssize)(colon - bytes));
	g_autofree char *value = g_strndup(colon + 1, len - (gsize)(colon + 1 - bytes));
	g_strstrip(value);
	g_hash_table_replace(headers, g_steal_pointer(&name), g_steal_pointer(&value));
	return len;
}

struct http_client *http_client_new(gboolean with_private)
{
	static gsize is_started;

	if (g_once_init_enter(&is_started)) {
		curl_global_init(CURL_GLOBAL_DEFAULT);
		g_once_init_leave(&is_started, 1);
	}
	struct http_client *client = g_new0(struct http_client, 1);
	client->curl = curl_easy_init();
	client->with_private = with_private;
	http_client_limit(client, HTTP_TIMEOUT_MS, HTTP_BODY_MAX_BYTES);
	return client;
}

void http_client_limit(struct http_client *client, guint timeout_ms, gsize body_max_bytes)
{
	client->timeout_ms = timeout_ms;
	client->body_max_bytes = body_max_bytes;
}

void http_client_free(struct http_client *client)
{
	if (client == NULL)
		return;
	curl_easy_cleanup(client->curl);
	g_free(client);
}

void http_response_clear(struct http_response *response)
{
	if (response->body != NULL)
		g_string_free(response->body, TRUE);
	if (response->headers != NULL)
		g_hash_table_unref(response->headers);
	*response = (struct http_response){0};
}

const char *http_response_header(const struct http_response *response, const char *name)
{
	return g_hash_table_lookup(response->headers, name);
}

char *http_origin(const char *url)
{
	g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);

	if (uri == NULL || g_uri_get_host(uri) == NULL)
		return NULL;
	const char *scheme = g_uri_get_scheme(uri);
	gboolean is_plain = !strcmp(scheme, "http");
	if (!is_plain && strcmp(scheme, "https") != 0)
		return NULL;
	int port = g_uri_get_port(uri) > 0 ? g_uri_get_port(uri) : is_plain ? 80 : 443;
	g_autofree char *host = g_ascii_strdown(g_uri_get_host(uri), -1);
	return g_strdup_printf(
		strchr(host, ':') != NULL ? "%s://[%s]:%d" : "%s://%s:%d", scheme, host, port);
}

/* A literal address is looked at here too: a proxy would connect to it without asking. */
static gboolean is_refused_literal(const struct http_client *client, const char *url)
{
	g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_NONE, NULL);
	const char *host = uri != NULL ? g_uri_get_host(uri) : NULL;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (client->with_private || host == NULL)
		return FALSE;
	if (inet_pton(AF_INET, host, &v4.sin_addr) == 1)
		return http_address_is_private((const struct sockaddr *)&v4);
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
		return http_address_is_private((const struct sockaddr *)&v6);
	return FALSE;
}

/* form NULL: GET, else POST. */
static gboolean ask_once(struct http_client *client, const char *url, struct curl_slist *headers,
	const char *form, struct http_response *response, GError **error)
{
	struct transfer transfer = {.response = response, .body_max_bytes = client->body_max_bytes};
	char message[CURL_ERROR_SIZE] = "";
	CURL *curl = client->curl;

	http_response_clear(response);
	response->body = g_string_new(NULL);
	response->headers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	client->is_refused = is_refused_literal(client, url);
	curl_easy_reset(curl);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(
		curl, CURLOPT_PROTOCOLS_STR, client->with_private ? "https,http" : "https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "");
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "muster/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (form != NULL) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)strlen(form));
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, form);
	}
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)client->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)SLOW_BYTES_PER_S);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)SLOW_SECONDS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, on_socket);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, client);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
	CURLcode code = client->is_refused ? CURLE_COULDNT_CONNECT : curl_easy_perform(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response->status);
	if (code == CURLE_OK)
		return TRUE;
	g_autofree char *origin = http_origin(url);
	if (client->is_refused)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_DENIED,
			"%s is in a private network; give its address explicitly if that is meant",
			origin != NULL ? origin : "the address");
	else if (transfer.is_too_big)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT, "%s answers with too much",
			origin != NULL ? origin : "the other side");
	else
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE, "%s: %s",
			origin != NULL ? origin : "the other side",
			*message != '\0' ? message : curl_easy_strerror(code));
	return FALSE;
}

gboolean http_get(struct http_client *client, const char *url, const char *const *headers,
	struct http_response *response, GError **error)
{
	g_autofree char *origin = http_origin(url);
	g_autofree char *at = g_strdup(url);
	struct curl_slist *list = NULL;
	gboolean is_done = FALSE;

	if (origin == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "that is no http address");
		return FALSE;
	}
	for (; headers != NULL && *headers != NULL; headers++)
		list = curl_slist_append(list, *headers);
	for (int redirects = 0;; redirects++) {
		is_done = ask_once(client, at, list, NULL, response, error);
		const char *location = is_done && response->status >= 300 && response->status < 400
					       ? http_response_header(response, "location")
					       : NULL;
		if (location == NULL)
			break;
		char *next = g_uri_resolve_relative(at, location, G_URI_FLAGS_NONE, NULL);
		g_autofree char *next_origin = next != NULL ? http_origin(next) : NULL;
		g_free(at);
		at = next;
		if (next_origin == NULL || strcmp(next_origin, origin) != 0 ||
			redirects >= REDIRECTS_MAX) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE,
				"%s leads to another place, which is not followed", origin);
			is_done = FALSE;
			break;
		}
	}
	curl_slist_free_all(list);
	if (!is_done)
		http_response_clear(response);
	return is_done;
}

gboolean http_post(struct http_client *client, const char *url, const char *const *headers,
	const char *form, struct http_response *response, GError **error)
{
	g_autofree char *origin = http_origin(url);
	struct curl_slist *list = NULL;

	if (origin == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "that is no http address");
		return FALSE;
	}
	for (; headers != NULL && *headers != NULL; headers++)
		list = curl_slist_append(list, *headers);
	gboolean is_done = ask_once(client, url, list, form, response, error);
	curl_slist_free_all(list);
	if (!is_done)
		http_response_clear(response);
	return is_done;
}

char *http_link_next(const char *link)
{
	/* <https://…?page=2>; rel="next", <…>; rel="last" */
	while (link != NULL && (link = strchr(link, '<')) != NULL) {
		const char *end = strchr(link, '>');
		if (end == NULL)
			return NULL;
		const char *next = strchr(end, '<');
		g_autofree char *parameters =
			next != NULL ? g_strndup(end, (gsize)(next - end)) : g_strdup(end);
		if (g_regex_match_simple(
			    "[;\\s]rel\\s*=\\s*(\"([^\"]*\\s)?next(\\s[^\"]*)?\"|next\\b)",
			    parameters, G_REGEX_CASELESS, 0))
			return g_strndup(link + 1, (gsize)(end - link - 1));
		link = next;
	}
	return NULL;
}

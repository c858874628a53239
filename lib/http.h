/* SPDX-License-Identifier: MIT */
#ifndef LIB_HTTP_H
#define LIB_HTTP_H

#include <glib.h>
#include <sys/socket.h>

/*
 * Asking another host over HTTP: libcurl behind rules of ours.
 *
 * Addresses of private, local and special networks are refused after the name was resolved and
 * before anything is sent, so neither a redirect nor a name server can lead a request inside;
 * with_private is for an address that the person who runs the program gave. Redirects are followed
 * at most three times and only on the same scheme, host and port, so that a credential stays where
 * it belongs. Only https, and http for an address that says so and is given with with_private.
 * Answers, headers and time are capped. Nothing of a request or an answer is logged.
 *
 *	g_autoptr(http_client) client = http_client_new(FALSE);
 *	g_auto(http_response) response = {0};
 *	const char *headers[] = {"Accept: application/json", NULL};
 *	if (!http_get(client, "https://api.github.com/users/me/repos", headers, &response, error))
 *		return FALSE;
 *	if (response.status == 200) ...
 *
 * A proxy named by the environment (https_proxy) is used; then the proxy resolves names and
 * is trusted to refuse what it should, and only literal addresses are looked at here.
 */

struct http_client;
typedef struct http_client http_client;

/* One connection's worth: keeps it open between requests; used by one thread. */
struct http_client *http_client_new(gboolean with_private);
void http_client_free(struct http_client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(http_client, http_client_free)

#define HTTP_BODY_MAX_BYTES (32 * 1024 * 1024)
#define HTTP_TIMEOUT_MS 60000
#define HTTP_CONNECT_TIMEOUT_MS 10000

struct http_response {
	long status;
	GString *body;
	GHashTable *headers; /* name in small letters -> value; the last of one name */
};
typedef struct http_response http_response;
void http_response_clear(struct http_response *response);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(http_response, http_response_clear)

/*
 * headers: "Name: value" strings, NULL-terminated. Any status is an answer; errors are
 * MUSTER_ERROR_REMOTE (no answer), _DENIED (a refused address), _LIMIT, _INPUT (no URL).
 */
gboolean http_get(struct http_client *client, const char *url, const char *const *headers,
	struct http_response *response, GError **error);

/*
 * The same with a form as body (application/x-www-form-urlencoded), which is sent once: an answer
 * that leads elsewhere is an answer.
 */
gboolean http_post(struct http_client *client, const char *url, const char *const *headers,
	const char *form, struct http_response *response, GError **error);

/* For requests of this client from now on: less time and shorter answers than usual. */
void http_client_limit(struct http_client *client, guint timeout_ms, gsize body_max_bytes);

/* NULL when the answer has no such header. Borrowed. */
const char *http_response_header(const struct http_response *response, const char *name);

/* The target of rel="next" in a Link header (RFC 8288); NULL when there is none. g_free(). */
char *http_link_next(const char *link);

/* Scheme, host and port, in small letters, the port always written; NULL for no http URL. */
char *http_origin(const char *url);

/*
 * Loopback, private, link-local, shared, documentation, multicast and reserved networks, also
 * inside of IPv6 (mapped, NAT64, 6to4). Source: the IANA special-purpose address registries.
 */
gboolean http_address_is_private(const struct sockaddr *address);

#endif

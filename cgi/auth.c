/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/auth.h"

#include <string.h>

#include "cgi/cors.h"
#include "lib/error.h"
#include "lib/json.h"

#define COOKIE "muster_session"
/* Browsers keep this prefix to cookies that are Secure, have no Domain and Path=/ (RFC 6265bis). */
#define COOKIE_SECURE "__Host-" COOKIE
#define NOTE "muster_away"
#define NOTE_SECURE "__Host-" NOTE
/* As long as a session may live when it is refreshed; the database ends it earlier otherwise. */
#define COOKIE_MAX_AGE_S 2592000

static gboolean is_https(const struct request *request)
{
	return !strcmp(request->scheme, "https");
}

static const char *cookie_name(const struct request *request)
{
	return is_https(request) ? COOKIE_SECURE : COOKIE;
}

static const char *note_name(const struct request *request)
{
	return is_https(request) ? NOTE_SECURE : NOTE;
}

static void cookie_set(struct response *response, const struct request *request, const char *name,
	const char *text, int max_age_s)
{
	g_autofree char *value =
		g_strdup_printf("%s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%d%s", name,
			text != NULL ? text : "", text != NULL ? max_age_s : 0,
			is_https(request) ? "; Secure" : "");
	response_header(response, "Set-Cookie", value);
}

void auth_set_cookie(struct response *response, const struct request *request, const char *token)
{
	cookie_set(response, request, cookie_name(request), token, COOKIE_MAX_AGE_S);
}

void auth_set_note(struct response *response, const struct request *request, const char *note)
{
	cookie_set(response, request, note_name(request), note, AUTH_NOTE_S);
}

char *auth_get_note(const struct request *request)
{
	return request_cookie(request, note_name(request));
}

char *auth_bytea(const guchar *bytes, gsize len)
{
	GString *text = g_string_sized_new(2 * len + 3);
	g_string_append(text, "\\x");
	for (gsize i = 0; i < len; i++)
		g_string_append_printf(text, "%02x", bytes[i]);
	return g_string_free(text, FALSE);
}

char *auth_token_bytea(const char *token)
{
	guchar hash[SECRET_HASH_BYTES];
	secret_token_hash(token, hash);
	return auth_bytea(hash, sizeof(hash));
}

gboolean auth_is_read(const struct request *request)
{
	return !strcmp(request->method, "GET") || !strcmp(request->method, "HEAD") ||
	       !strcmp(request->method, "OPTIONS");
}

/*
 * Whether origin is base. A front behind another that ends TLS calls itself http: https of the same
 * host is then meant.
 */
static gboolean origin_is_base(const char *origin, const char *base)
{
	if (!g_ascii_strcasecmp(origin, base))
		return TRUE;
	return g_ascii_strncasecmp(origin, "https://", 8) == 0 &&
	       g_str_has_prefix(base, "http://") && g_ascii_strcasecmp(origin + 8, base + 7) == 0;
}

gboolean auth_check_origin(const struct api *api, const struct request *request, GError **error)
{
	const char *origin = request_header(request, "Origin");
	const char *site = request_header(request, "Sec-Fetch-Site");
	gboolean is_ours;

	if (origin != NULL)
		is_ours = origin_is_base(origin, request->base) || cors_allows(api->conf, origin);
	else
		is_ours = site == NULL || !strcmp(site, "same-origin") || !strcmp(site, "none");
	if (!is_ours)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_DENIED,
			"this request comes from another site's page");
	return is_ours;
}

/* The digits the header brought as a bytea; an empty one when it brought none or rubbish. */
static char *csrf_bytea(const struct request *request)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	const char *token = request_header(request, "X-CSRF-Token");
	gsize len = token != NULL ? strlen(token) : 0;

	if (len == 0 || len > 256 || len % 2 != 0 || strspn(token, hex) != len)
		return g_strdup("\\x");
	return g_strconcat("\\x", token, NULL);
}

static gboolean refuse_token(GError **error)
{
	g_set_error(
		error, MUSTER_ERROR, MUSTER_ERROR_AUTH, "the token is not valid or has expired");
	return FALSE;
}

static gboolean bearer_take(struct credential *credential, const struct secret_key *key,
	const char *token, GError **error)
{
	g_autofree char *claims =
		secret_jwt_verify(key, token, g_get_real_time() / G_USEC_PER_SEC, error);

	if (claims == NULL)
		return FALSE;
	g_autoptr(json_object) object =
		json_parse(claims, strlen(claims), &json_limits_request, NULL);
	const char *sid = object != NULL ? json_get_text(object, "sid", NULL) : NULL;
	const char *organization = object != NULL ? json_get_text(object, "org", NULL) : NULL;
	/* A scoped token is for streams alone. */
	if (sid == NULL || organization == NULL || json_object_object_get(object, "scope") != NULL)
		return refuse_token(error);
	credential->kind = "jwt";
	credential->bytes = auth_bytea((const guchar *)sid, strlen(sid));
	credential->organization = g_strdup(organization);
	return TRUE;
}

/* An API token says what it is by how it begins. */
static void token_take(struct credential *credential, const char *token)
{
	credential->kind = "token";
	credential->bytes = auth_token_bytea(token);
}

static gboolean organization_is_valid(const char *text)
{
	return strlen(text) <= 63 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

static gboolean credential_take(struct credential *credential, const struct api *api,
	const struct request *request, GError **error)
{
	const char *authorization = request_header(request, "Authorization");
	const char *key = request_header(request, "X-API-Key");
	const char *organization = request_header(request, "Muster-Organization");
	g_autofree char *cookie = request_cookie(request, cookie_name(request));

	if (organization != NULL && !organization_is_valid(organization)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"Muster-Organization is not the name of an organization");
		return FALSE;
	}
	/* What the web server signs people in with comes along with everything. */
	if (authorization != NULL && strcmp(conf_get(api->conf, "auth.remote_user"), "off") &&
		g_ascii_strncasecmp(authorization, "Bearer ", 7))
		authorization = NULL;
	if (authorization != NULL) {
		const char *token = authorization + 7;
		if (g_ascii_strncasecmp(authorization, "Bearer ", 7))
			return refuse_token(error);
		token += strspn(token, " ");
		if (g_str_has_prefix(token, AUTH_TOKEN_PREFIX))
			token_take(credential, token);
		else if (!bearer_take(credential, api->key, token, error))
			return FALSE;
	} else if (key != NULL) {
		token_take(credential, key);
	} else if (cookie != NULL && *cookie != '\0') {
		credential->kind = "session";
		credential->bytes = auth_token_bytea(cookie);
		if (!auth_is_read(request)) {
			if (!auth_check_origin(api, request, error))
				return FALSE;
			credential->csrf = csrf_bytea(request);
		}
	}
	if (credential->organization == NULL)
		credential->organization = g_strdup(organization);
	return TRUE;
}

struct credential *credential_new(
	const struct api *api, const struct request *request, GError **error)
{
	g_autoptr(credential) credential = g_new0(struct credential, 1);

	credential->kind = "none";
	return credential_take(credential, api, request, error) ? g_steal_pointer(&credential)
								: NULL;
}

void credential_free(struct credential *credential)
{
	if (credential == NULL)
		return;
	g_free(credential->bytes);
	g_free(credential->csrf);
	g_free(credential->organization);
	g_free(credential);
}

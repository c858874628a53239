/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/openid.h"

#include <string.h>

#include "cgi/request.h"
#include "lib/error.h"
#include "lib/http.h"
#include "lib/jwk.h"

#define TIMEOUT_MS 10000
#define ANSWER_MAX_BYTES (256 * 1024)
#define DISCOVERY_KEPT_US (10 * 60 * G_USEC_PER_SEC)
#define CLOCK_SKEW_S 60

static gboolean refuse(
	GError **error, const struct issuer *issuer, enum muster_error code, const char *text)
{
	g_set_error(error, MUSTER_ERROR, code, "%s: %s", issuer->name, text);
	return FALSE;
}

static struct http_client *client_new(const struct issuer *issuer)
{
	struct http_client *client = http_client_new(issuer->is_private);
	http_client_limit(client, TIMEOUT_MS, ANSWER_MAX_BYTES);
	return client;
}

/* The JSON of an answer; what an error's body says is the issuer's text, and stays out of ours. */
static json_object *answer_parse(
	const struct issuer *issuer, const struct http_response *response, GError **error)
{
	json_object *answer = NULL;

	if (response->status == 200)
		answer = json_parse(
			response->body->str, response->body->len, &json_limits_request, NULL);
	if (answer == NULL)
		g_set_error(error, MUSTER_ERROR,
			response->status >= 400 && response->status < 500 ? MUSTER_ERROR_AUTH
									  : MUSTER_ERROR_REMOTE,
			"%s does not take it (status %ld).", issuer->name, response->status);
	return answer;
}

static json_object *json_ask(const struct issuer *issuer, const char *url, const char *bearer,
	const char *form, const char *basic, GError **error)
{
	g_autoptr(http_client) client = client_new(issuer);
	g_auto(http_response) response = {0};
	g_autofree char *authorization =
		bearer != NULL  ? g_strconcat("Authorization: Bearer ", bearer, NULL)
		: basic != NULL ? g_strconcat("Authorization: Basic ", basic, NULL)
				: NULL;
	const char *headers[] = {"Accept: application/json", authorization, NULL};
	gboolean ok = form != NULL ? http_post(client, url, headers, form, &response, error)
				   : http_get(client, url, headers, &response, error);

	if (!ok) {
		g_prefix_error(error, "%s: ", issuer->name);
		return NULL;
	}
	return answer_parse(issuer, &response, error);
}

/* "https://x" and "https://x/" are one issuer to people who write configurations. */
static gboolean issuer_is(const struct issuer *issuer, const char *said)
{
	gsize len = strlen(issuer->url);
	return !strncmp(said, issuer->url, len) && (said[len] == '\0' || !strcmp(said + len, "/"));
}

static gboolean discover(struct issuer *issuer, GError **error)
{
	gint64 now = g_get_monotonic_time();

	if (issuer->discovery != NULL && now - issuer->discovered_us < DISCOVERY_KEPT_US)
		return TRUE;
	g_autofree char *url = g_strconcat(issuer->url, "/.well-known/openid-configuration", NULL);
	g_autoptr(json_object) found = json_ask(issuer, url, NULL, NULL, NULL, error);
	if (found == NULL)
		return FALSE;
	const char *said = json_get_text(found, "issuer", NULL);
	if (said == NULL || !issuer_is(issuer, said) ||
		json_get_text(found, "authorization_endpoint", NULL) == NULL ||
		json_get_text(found, "token_endpoint", NULL) == NULL ||
		json_get_text(found, "jwks_uri", NULL) == NULL)
		return refuse(error, issuer, MUSTER_ERROR_REMOTE,
			"what it says of itself is not of this issuer, or not enough");
	json_object_put(issuer->discovery);
	issuer->discovery = g_steal_pointer(&found);
	issuer->discovered_us = now;
	return TRUE;
}

/* An endpoint, borrowed from the issuer or *made, which the caller frees. */
static const char *endpoint(
	const struct issuer *issuer, const char *name, const char *github, char **made)
{
	*made = NULL;
	if (issuer->kind == ISSUER_KIND_OPENID)
		return json_get_text(issuer->discovery, name, NULL);
	*made = g_strconcat(issuer->url, github, NULL);
	return *made;
}

static void form_add(GString *form, const char *name, const char *value)
{
	g_autofree char *encoded = request_encode(value);
	g_string_append_printf(form, "%s%s=%s", form->len > 0 ? "&" : "", name, encoded);
}

char *openid_start(
	struct issuer *issuer, const char *redirect, const struct openid_flow *flow, GError **error)
{
	if (issuer->kind == ISSUER_KIND_OPENID && !discover(issuer, error))
		return NULL;
	g_autofree char *made = NULL;
	const char *url =
		endpoint(issuer, "authorization_endpoint", "/login/oauth/authorize", &made);
	g_autofree char *challenge = jwk_challenge(flow->verifier);
	g_autoptr(GString) query = g_string_new(NULL);
	form_add(query, "response_type", "code");
	form_add(query, "client_id", issuer->client_id);
	form_add(query, "redirect_uri", redirect);
	form_add(query, "scope", issuer->scopes);
	form_add(query, "state", flow->state);
	if (issuer->kind == ISSUER_KIND_OPENID)
		form_add(query, "nonce", flow->nonce);
	form_add(query, "code_challenge", challenge);
	form_add(query, "code_challenge_method", "S256");
	return g_strdup_printf("%s%s%s", url, strchr(url, '?') != NULL ? "&" : "?", query->str);
}

/* How the issuer wants to know us: RFC 6749, section 2.3.1; "basic" is the default. */
static gboolean wants_post(const struct issuer *issuer)
{
	json_object *methods =
		issuer->discovery != NULL
			? json_get(issuer->discovery, "token_endpoint_auth_methods_supported",
				  json_type_array, NULL)
			: NULL;
	gboolean has_post = FALSE;

	if (methods == NULL)
		return issuer->kind == ISSUER_KIND_GITHUB;
	for (gsize i = 0; i < json_object_array_length(methods); i++) {
		const char *method = json_object_get_string(json_object_array_get_idx(methods, i));
		if (!g_strcmp0(method, "client_secret_basic"))
			return FALSE;
		has_post = has_post || !g_strcmp0(method, "client_secret_post");
	}
	return has_post;
}

static char *basic_make(const struct issuer *issuer)
{
	g_autofree char *id = request_encode(issuer->client_id);
	g_autofree char *secret = request_encode(issuer->client_secret);
	g_autofree char *both = g_strconcat(id, ":", secret, NULL);
	return g_base64_encode((const guchar *)both, strlen(both));
}

/* The code for tokens: {access_token, id_token, ...}. */
static json_object *tokens_take(const struct issuer *issuer, const char *redirect,
	const struct openid_flow *flow, const char *code, GError **error)
{
	gboolean is_posted = issuer->client_secret == NULL || wants_post(issuer);
	g_autofree char *basic = is_posted ? NULL : basic_make(issuer);
	g_autofree char *made = NULL;
	const char *url = endpoint(issuer, "token_endpoint", "/login/oauth/access_token", &made);
	g_autoptr(GString) form = g_string_new(NULL);

	form_add(form, "grant_type", "authorization_code");
	form_add(form, "code", code);
	form_add(form, "redirect_uri", redirect);
	form_add(form, "code_verifier", flow->verifier);
	if (is_posted)
		form_add(form, "client_id", issuer->client_id);
	if (is_posted && issuer->client_secret != NULL)
		form_add(form, "client_secret", issuer->client_secret);
	g_autoptr(json_object) tokens = json_ask(issuer, url, NULL, form->str, basic, error);
	/* GitHub says with status 200 that it does not. */
	if (tokens != NULL && json_get_text(tokens, "access_token", NULL) == NULL) {
		refuse(error, issuer, MUSTER_ERROR_AUTH, "it does not take the code.");
		return NULL;
	}
	return g_steal_pointer(&tokens);
}

/* Whether the token is for us: "aud" is a text or a list, and "azp" says whose of several. */
static gboolean is_for_us(const struct issuer *issuer, json_object *claims)
{
	json_object *audience = NULL;
	const char *party = json_get_text(claims, "azp", NULL);
	gboolean is_ours = FALSE;

	if (party != NULL && strcmp(party, issuer->client_id))
		return FALSE;
	json_object_object_get_ex(claims, "aud", &audience);
	if (json_object_is_type(audience, json_type_string))
		return !strcmp(json_object_get_string(audience), issuer->client_id);
	if (!json_object_is_type(audience, json_type_array))
		return FALSE;
	for (gsize i = 0; i < json_object_array_length(audience); i++)
		is_ours = is_ours ||
			  !g_strcmp0(json_object_get_string(json_object_array_get_idx(audience, i)),
				  issuer->client_id);
	return is_ours && (json_object_array_length(audience) == 1 || party != NULL);
}

/* OpenID Connect Core 1.0, section 3.1.3.7; NULL: what is wrong, else the fault. */
static const char *claims_fault(
	const struct issuer *issuer, const struct openid_flow *flow, json_object *claims)
{
	const char *said = json_get_text(claims, "iss", NULL),
		   *nonce = json_get_text(claims, "nonce", NULL),
		   *subject = json_get_text(claims, "sub", NULL);
	json_object *end = NULL;
	double now = (double)g_get_real_time() / G_USEC_PER_SEC;

	json_object_object_get_ex(claims, "exp", &end);
	if (said == NULL || strcmp(said, json_get_text(issuer->discovery, "issuer", NULL)))
		return "its token is another issuer's.";
	if (!is_for_us(issuer, claims))
		return "its token is for somebody else.";
	if (!(json_object_is_type(end, json_type_int) ||
		    json_object_is_type(end, json_type_double)) ||
		json_object_get_double(end) < now - CLOCK_SKEW_S)
		return "its token has expired. Are the clocks right?";
	if (nonce == NULL || !g_str_equal(nonce, flow->nonce))
		return "its token is for another sign-in.";
	if (subject == NULL || *subject == '\0' || strlen(subject) > 255)
		return "its token names nobody.";
	return NULL;
}

static gboolean is_verified(json_object *claims)
{
	json_object *verified = NULL;

	json_object_object_get_ex(claims, "email_verified", &verified);
	/* Some say it in a text. */
	return json_object_is_type(verified, json_type_boolean)
		       ? json_object_get_boolean(verified)
		       : json_object_is_type(verified, json_type_string) &&
				 !strcmp(json_object_get_string(verified), "true");
}

/* What is said of the person that is not known yet. */
static void person_take(struct openid_person *person, json_object *claims)
{
	const char *email = json_get_text(claims, "email", NULL),
		   *name = json_get_text(claims, "name", NULL);

	if (name == NULL)
		name = json_get_text(claims, "preferred_username", NULL);
	if (person->email == NULL && email != NULL && is_verified(claims))
		person->email = g_strdup(email);
	if (person->name == NULL && name != NULL)
		person->name = g_strdup(name);
}

/* Not all issuers put the address into the token. */
static gboolean userinfo_take(const struct issuer *issuer, json_object *tokens,
	struct openid_person *person, GError **error)
{
	const char *url = json_get_text(issuer->discovery, "userinfo_endpoint", NULL);

	if (url == NULL)
		return TRUE;
	g_autoptr(json_object) claims = json_ask(
		issuer, url, json_get_text(tokens, "access_token", NULL), NULL, NULL, error);
	if (claims == NULL)
		return FALSE;
	if (g_strcmp0(json_get_text(claims, "sub", NULL), person->subject))
		return refuse(error, issuer, MUSTER_ERROR_AUTH, "it speaks of somebody else.");
	person_take(person, claims);
	return TRUE;
}

static gboolean openid_person_take(struct issuer *issuer, const struct openid_flow *flow,
	json_object *tokens, struct openid_person *person, GError **error)
{
	const char *token = json_get_text(tokens, "id_token", NULL);

	if (token == NULL)
		return refuse(error, issuer, MUSTER_ERROR_AUTH, "it gives no token of who it is.");
	g_autoptr(json_object) keys = json_ask(issuer,
		json_get_text(issuer->discovery, "jwks_uri", NULL), NULL, NULL, NULL, error);
	if (keys == NULL)
		return FALSE;
	g_autofree char *text = jwk_verify(keys, token, error);
	if (text == NULL) {
		g_prefix_error(error, "%s: ", issuer->name);
		return FALSE;
	}
	g_autoptr(json_object) claims = json_parse(text, strlen(text), &json_limits_request, error);
	if (claims == NULL)
		return FALSE;
	const char *fault = claims_fault(issuer, flow, claims);
	if (fault != NULL)
		return refuse(error, issuer, MUSTER_ERROR_AUTH, fault);
	person->issuer = g_strdup(json_get_text(claims, "iss", NULL));
	person->subject = g_strdup(json_get_text(claims, "sub", NULL));
	person_take(person, claims);
	return person->email != NULL || userinfo_take(issuer, tokens, person, error);
}

/* GitHub's API is at another host, an Enterprise server's below its own. Freed by the caller. */
static char *github_api(const struct issuer *issuer, const char *path)
{
	return !strcmp(issuer->url, "https://github.com")
		       ? g_strconcat("https://api.github.com", path, NULL)
		       : g_strconcat(issuer->url, "/api/v3", path, NULL);
}

static void github_email_take(struct openid_person *person, json_object *emails)
{
	for (gsize i = 0; i < json_object_array_length(emails); i++) {
		json_object *one = json_object_array_get_idx(emails, i);
		json_object *primary = json_get(one, "primary", json_type_boolean, NULL);
		json_object *verified = json_get(one, "verified", json_type_boolean, NULL);
		const char *email = json_get_text(one, "email", NULL);
		if (person->email == NULL && email != NULL && primary != NULL &&
			json_object_get_boolean(primary) && verified != NULL &&
			json_object_get_boolean(verified))
			person->email = g_strdup(email);
	}
}

static gboolean github_person_take(const struct issuer *issuer, json_object *tokens,
	struct openid_person *person, GError **error)
{
	const char *token = json_get_text(tokens, "access_token", NULL);
	g_autofree char *user_url = github_api(issuer, "/user");
	g_autofree char *emails_url = github_api(issuer, "/user/emails");
	g_autoptr(json_object) user = json_ask(issuer, user_url, token, NULL, NULL, error);
	json_object *id = user != NULL ? json_get(user, "id", json_type_int, NULL) : NULL;

	if (user == NULL)
		return FALSE;
	if (id == NULL)
		return refuse(error, issuer, MUSTER_ERROR_REMOTE, "it does not say who it is.");
	g_autoptr(json_object) emails = json_ask(issuer, emails_url, token, NULL, NULL, error);
	if (emails == NULL)
		return FALSE;
	const char *name = json_get_text(user, "name", NULL);
	person->issuer = g_strdup(issuer->url);
	/* The number stays; the login can become somebody else's. */
	person->subject = g_strdup_printf("%" G_GINT64_FORMAT, json_object_get_int64(id));
	person->name = g_strdup(name != NULL ? name : json_get_text(user, "login", NULL));
	if (json_object_is_type(emails, json_type_array))
		github_email_take(person, emails);
	return TRUE;
}

gboolean openid_finish(struct issuer *issuer, const char *redirect, const struct openid_flow *flow,
	const char *code, const char *said, struct openid_person *person, GError **error)
{
	g_auto(openid_person) found = {0};

	if (issuer->kind == ISSUER_KIND_OPENID && !discover(issuer, error))
		return FALSE;
	if (said != NULL && !issuer_is(issuer, said))
		return refuse(error, issuer, MUSTER_ERROR_AUTH, "another issuer sent you back.");
	g_autoptr(json_object) tokens = tokens_take(issuer, redirect, flow, code, error);
	if (tokens == NULL)
		return FALSE;
	if (issuer->kind == ISSUER_KIND_GITHUB
			? !github_person_take(issuer, tokens, &found, error)
			: !openid_person_take(issuer, flow, tokens, &found, error))
		return FALSE;
	*person = found;
	found = (struct openid_person){0};
	return TRUE;
}

void openid_person_clear(struct openid_person *person)
{
	g_clear_pointer(&person->issuer, g_free);
	g_clear_pointer(&person->subject, g_free);
	g_clear_pointer(&person->email, g_free);
	g_clear_pointer(&person->name, g_free);
}

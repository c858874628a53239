/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>
#include <unistd.h>

#include "cgi/auth.h"
#include "cgi/call.h"
#include "cgi/issuer.h"
#include "cgi/openid.h"
#include "cgi/place.h"
#include "cgi/session.h"
#include "lib/error.h"

#define PLACES 2
#define NOTE_CONTEXT "openid"

/*
 * Whom the web server has signed in. REMOTE_USER is a parameter of the web server's own; what a
 * client sends as a header of that name is HTTP_REMOTE_USER, and nobody reads that. NULL: nobody,
 * or it is not believed here.
 */
static const char *remote_user(const struct route_call *call)
{
	const struct gateway *gateway = call->request->gateway;
	const char *user = gateway->get(gateway->data, "REMOTE_USER");

	if (!strcmp(conf_get(call->api->conf, "auth.remote_user"), "off") || user == NULL ||
		*user == '\0' || !g_utf8_validate(user, -1, NULL))
		return NULL;
	return user;
}

/* The buttons of the page. */
static json_object *issuers_list(const struct api *api)
{
	json_object *list = json_object_new_array();

	for (guint i = 0; i < api->issuers->len; i++) {
		const struct issuer *issuer = api->issuers->pdata[i];
		json_object *one = json_object_new_object();
		json_object_object_add(one, "id", json_object_new_string(issuer->id));
		json_object_object_add(one, "name", json_object_new_string(issuer->name));
		json_object_array_add(list, one);
	}
	return list;
}

gboolean identity_methods(struct route_call *call, GError **error)
{
	g_autoptr(json_object) issuers = issuers_list(call->api);
	const char *params[] = {
		remote_user(call), json_object_to_json_string_ext(issuers, JSON_C_TO_STRING_PLAIN)};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call,
		    "select muster.sign_in_methods() || jsonb_build_object("
		    "'remote_user', $1::text, 'issuers', $2::jsonb)",
		    2, params, &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}

/* ann, ann@EXAMPLE.ORG (Kerberos), EXAMPLE\ann: the name as an address. Freed by the caller. */
static char *remote_email(const struct conf *conf, const char *user)
{
	const char *domain = conf_get(conf, "auth.remote_user_domain");
	const char *name = strrchr(user, '\\');

	name = name != NULL ? name + 1 : user;
	return strchr(name, '@') != NULL || *domain == '\0' ? g_strdup(name)
							    : g_strconcat(name, "@", domain, NULL);
}

gboolean identity_remote(struct route_call *call, GError **error)
{
	const struct conf *conf = call->api->conf;
	const char *user = remote_user(call);
	gboolean is_made = !strcmp(conf_get(conf, "auth.remote_user"), "create");
	g_autoptr(db_result) result = NULL;

	if (user == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_AUTH,
			"The web server has signed nobody in.");
		return FALSE;
	}
	g_autofree char *email = remote_email(conf, user);
	const char *params[] = {email, conf_get(conf, "auth.new_organization"),
		is_made ? conf_get(conf, "auth.new_role") : NULL};
	return auth_check_origin(call->api, call->request, error) &&
	       call_run(call,
		       "select muster.account_enter(p_email => $1, p_name => '', "
		       "p_organization => $2, p_role => $3)",
		       3, params, &result, error) &&
	       session_open(call, db_result_get(result, 0, 0), NULL, "remote_user", NULL, error);
}

static struct issuer *issuer_get(const struct route_call *call, GError **error)
{
	struct issuer *issuer = issuer_find(call->api->issuers, route_value(call, "issuer"));

	if (issuer == NULL)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING,
			"Nobody of that name vouches for people here.");
	return issuer;
}

/* Where the issuer sends the browser back to. Freed by the caller. */
static char *redirect_make(const struct route_call *call, const struct issuer *issuer)
{
	return g_strconcat(call->request->base, "/sign-in/", issuer->id, NULL);
}

/* So many workers wait for issuers, and no more. */
static int issuer_place(const struct api *api, GError **error)
{
	return place_take(api, "openid", PLACES, "many people are signing in just now", error);
}

/* What this browser brings back: nobody else finishes what it began. Freed by the caller. */
static char *note_seal(
	const struct route_call *call, const struct issuer *issuer, const struct openid_flow *flow)
{
	const char *invitation = route_value(call, "invitation"), *next = route_value(call, "next");
	g_autoptr(json_object) note = json_object_new_object();

	json_object_object_add(note, "issuer", json_object_new_string(issuer->id));
	json_object_object_add(note, "state", json_object_new_string(flow->state));
	json_object_object_add(note, "nonce", json_object_new_string(flow->nonce));
	json_object_object_add(note, "verifier", json_object_new_string(flow->verifier));
	if (invitation != NULL)
		json_object_object_add(note, "invitation", json_object_new_string(invitation));
	if (next != NULL)
		json_object_object_add(note, "next", json_object_new_string(next));
	json_object_object_add(note, "until",
		json_object_new_int64(g_get_real_time() / G_USEC_PER_SEC + AUTH_NOTE_S));
	const char *text = json_object_to_json_string_ext(note, JSON_C_TO_STRING_PLAIN);
	return secret_seal(call->api->key, NOTE_CONTEXT, (const guchar *)text, strlen(text));
}

gboolean identity_start(struct route_call *call, GError **error)
{
	struct issuer *issuer = issuer_get(call, error);
	g_autofree char *state = secret_token_new(""), *nonce = secret_token_new(""),
			*verifier = secret_token_new("");
	const struct openid_flow flow = {state, nonce, verifier};

	if (issuer == NULL || !auth_check_origin(call->api, call->request, error))
		return FALSE;
	int place = issuer_place(call->api, error);
	if (place < 0)
		return FALSE;
	g_autofree char *redirect = redirect_make(call, issuer);
	g_autofree char *url = openid_start(issuer, redirect, &flow, error);
	close(place);
	if (url == NULL)
		return FALSE;
	g_autofree char *note = note_seal(call, issuer, &flow);
	auth_set_note(call->response, call->request, note);
	g_autoptr(json_object) answer = json_object_new_object();
	json_object_object_add(answer, "url", json_object_new_string(url));
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
	return TRUE;
}

/* The note of this sign-in; NULL and MUSTER_ERROR_AUTH when there is none. */
static json_object *note_open(
	const struct route_call *call, const struct issuer *issuer, GError **error)
{
	g_autofree char *sealed = auth_get_note(call->request);
	gsize len = 0;
	g_autofree guchar *text =
		sealed != NULL ? secret_open(call->api->key, NOTE_CONTEXT, sealed, &len) : NULL;
	g_autoptr(json_object) note =
		text != NULL ? json_parse((const char *)text, len, &json_limits_request, NULL)
			     : NULL;
	json_object *until = note != NULL ? json_get(note, "until", json_type_int, NULL) : NULL;

	if (until != NULL && json_object_get_int64(until) > g_get_real_time() / G_USEC_PER_SEC &&
		!strcmp(json_get_text(note, "issuer", NULL), issuer->id) &&
		secret_is_equal(json_get_text(note, "state", NULL), route_value(call, "state")))
		return g_steal_pointer(&note);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_AUTH,
		"This sign-in was not begun here, or took too long. Begin again.");
	return NULL;
}

static gboolean person_enter(struct route_call *call, const struct issuer *issuer,
	const struct openid_person *person, json_object *note, GError **error)
{
	const char *invitation = json_get_text(note, "invitation", NULL);
	const struct conf *conf = call->api->conf;
	g_autofree char *hash = invitation != NULL ? auth_token_bytea(invitation) : NULL;
	const char *params[] = {person->issuer, person->subject, person->email, person->name, hash,
		conf_get(conf, "auth.new_organization"),
		issuer->is_creating ? conf_get(conf, "auth.new_role") : NULL};
	g_autoptr(db_result) result = NULL;

	return call_run(call,
		       "select muster.openid_enter(p_issuer => $1, p_subject => $2, p_email => $3, "
		       "p_name => $4, p_invitation => $5::bytea, p_organization => $6, "
		       "p_role => $7)",
		       G_N_ELEMENTS(params), params, &result, error) &&
	       session_open(call, db_result_get(result, 0, 0), NULL, issuer->id,
		       json_get_text(note, "next", NULL), error);
}

gboolean identity_finish(struct route_call *call, GError **error)
{
	struct issuer *issuer = issuer_get(call, error);
	g_auto(openid_person) person = {0};

	if (issuer == NULL || !auth_check_origin(call->api, call->request, error))
		return FALSE;
	g_autoptr(json_object) note = note_open(call, issuer, error);
	if (note == NULL)
		return FALSE;
	auth_set_note(call->response, call->request, NULL);
	const struct openid_flow flow = {json_get_text(note, "state", NULL),
		json_get_text(note, "nonce", NULL), json_get_text(note, "verifier", NULL)};
	g_autofree char *redirect = redirect_make(call, issuer);
	int place = issuer_place(call->api, error);
	if (place < 0)
		return FALSE;
	gboolean ok = openid_finish(issuer, redirect, &flow, route_value(call, "code"),
		route_value(call, "iss"), &person, error);
	close(place);
	return ok && person_enter(call, issuer, &person, note, error);
}

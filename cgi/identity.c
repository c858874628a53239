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
#include "cgi/problem.h"
#include "cgi/session.h"
#include "lib/error.h"

#define PLACES 2
#define NOTE_CONTEXT "openid"
/* Of one who is signed in and wants to be known by the issuer, too; never taken for the other. */
#define LINK_CONTEXT "openid-link"
/* The page sees by it which of both comes back. */
#define LINK_STATE "link."

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
static char *note_seal(const struct route_call *call, const struct issuer *issuer,
	const struct openid_flow *flow, const char *session)
{
	const char *invitation = session == NULL ? route_value(call, "invitation") : NULL;
	const char *next = session == NULL ? route_value(call, "next") : NULL;
	g_autoptr(json_object) note = json_object_new_object();

	json_object_object_add(note, "issuer", json_object_new_string(issuer->id));
	json_object_object_add(note, "state", json_object_new_string(flow->state));
	json_object_object_add(note, "nonce", json_object_new_string(flow->nonce));
	json_object_object_add(note, "verifier", json_object_new_string(flow->verifier));
	if (invitation != NULL)
		json_object_object_add(note, "invitation", json_object_new_string(invitation));
	if (next != NULL)
		json_object_object_add(note, "next", json_object_new_string(next));
	if (session != NULL)
		json_object_object_add(note, "session", json_object_new_string(session));
	json_object_object_add(note, "until",
		json_object_new_int64(g_get_real_time() / G_USEC_PER_SEC + AUTH_NOTE_S));
	const char *text = json_object_to_json_string_ext(note, JSON_C_TO_STRING_PLAIN);
	return secret_seal(call->api->key, session == NULL ? NOTE_CONTEXT : LINK_CONTEXT,
		(const guchar *)text, strlen(text));
}

/* session: of who is signed in and goes on being it, or NULL. */
static gboolean away_begin(
	struct route_call *call, struct issuer *issuer, const char *session, GError **error)
{
	g_autofree char *state = secret_token_new(session == NULL ? "" : LINK_STATE),
			*nonce = secret_token_new(""), *verifier = secret_token_new("");
	const struct openid_flow flow = {state, nonce, verifier};

	int place = issuer_place(call->api, error);
	if (place < 0)
		return FALSE;
	g_autofree char *redirect = redirect_make(call, issuer);
	g_autofree char *url = openid_start(issuer, redirect, &flow, error);
	close(place);
	if (url == NULL)
		return FALSE;
	g_autofree char *note = note_seal(call, issuer, &flow, session);
	auth_set_note(call->response, call->request, note);
	g_autoptr(json_object) answer = json_object_new_object();
	json_object_object_add(answer, "url", json_object_new_string(url));
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
	return TRUE;
}

gboolean identity_start(struct route_call *call, GError **error)
{
	struct issuer *issuer = issuer_get(call, error);

	return issuer != NULL && auth_check_origin(call->api, call->request, error) &&
	       away_begin(call, issuer, NULL, error);
}

/* The note of this sign-in; NULL and MUSTER_ERROR_AUTH when there is none. */
static json_object *note_open(const struct route_call *call, const struct issuer *issuer,
	const char *context, GError **error)
{
	g_autofree char *sealed = auth_get_note(call->request);
	gsize len = 0;
	g_autofree guchar *text =
		sealed != NULL ? secret_open(call->api->key, context, sealed, &len) : NULL;
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

/* Who came back from the issuer, and the note of how it began; NULL on failure. */
static json_object *person_take(struct route_call *call, struct issuer *issuer, const char *context,
	struct openid_person *person, GError **error)
{
	g_autoptr(json_object) note = note_open(call, issuer, context, error);

	if (note == NULL)
		return NULL;
	auth_set_note(call->response, call->request, NULL);
	const struct openid_flow flow = {json_get_text(note, "state", NULL),
		json_get_text(note, "nonce", NULL), json_get_text(note, "verifier", NULL)};
	g_autofree char *redirect = redirect_make(call, issuer);
	int place = issuer_place(call->api, error);
	if (place < 0)
		return NULL;
	gboolean ok = openid_finish(issuer, redirect, &flow, route_value(call, "code"),
		route_value(call, "iss"), person, error);
	close(place);
	return ok ? g_steal_pointer(&note) : NULL;
}

gboolean identity_finish(struct route_call *call, GError **error)
{
	struct issuer *issuer = issuer_get(call, error);
	g_auto(openid_person) person = {0};

	if (issuer == NULL || !auth_check_origin(call->api, call->request, error))
		return FALSE;
	g_autoptr(json_object) note = person_take(call, issuer, NOTE_CONTEXT, &person, error);
	return note != NULL && person_enter(call, issuer, &person, note, error);
}

/*
 * Who may come in is changed by the person alone: who has signed in a moment ago, or shows the
 * password. *session: of who asks, freed by the caller. *is_done: call has its answer.
 */
static gboolean change_confirm(
	struct route_call *call, char **session, gboolean *is_done, GError **error)
{
	g_autoptr(db_result) result = NULL;

	*is_done = FALSE;
	if (!call_run(call, "select id, is_recent, has_password from muster.identity_confirm()", 0,
		    NULL, &result, error))
		return FALSE;
	*session = g_strdup(db_result_get(result, 0, 0));
	if (route_value(call, "password") != NULL)
		return session_confirm(call, "password", is_done, error);
	if (db_result_get_bool(result, 0, 1))
		return TRUE;
	gboolean has_password = db_result_get_bool(result, 0, 2);
	json_object *fields = NULL;
	if (has_password)
		problem_field(&fields, "password", "is needed");
	problem_set(call->response, call->request, 403,
		has_password ? "You signed in a while ago. Enter your password."
			     : "You signed in a while ago. Sign in again, and then do this.",
		fields);
	*is_done = TRUE;
	return TRUE;
}

gboolean identity_link_start(struct route_call *call, GError **error)
{
	g_autofree char *session = NULL;
	gboolean is_done = FALSE;

	if (!change_confirm(call, &session, &is_done, error) || is_done)
		return is_done;
	struct issuer *issuer = issuer_get(call, error);
	return issuer != NULL && away_begin(call, issuer, session, error);
}

gboolean identity_link(struct route_call *call, GError **error)
{
	g_auto(openid_person) person = {0};
	g_autoptr(db_result) who = NULL, result = NULL;

	/* Nobody is known before the database was asked. */
	if (!call_run(call, "select id from muster.identity_confirm()", 0, NULL, &who, error))
		return FALSE;
	struct issuer *issuer = issuer_get(call, error);
	if (issuer == NULL)
		return FALSE;
	g_autoptr(json_object) note = person_take(call, issuer, LINK_CONTEXT, &person, error);
	if (note == NULL) {
		/* Who is signed in stays it, whatever the issuer says. */
		if (g_error_matches(*error, MUSTER_ERROR, MUSTER_ERROR_AUTH))
			(*error)->code = MUSTER_ERROR_DENIED;
		return FALSE;
	}
	const char *params[] = {
		person.issuer, person.subject, person.email, json_get_text(note, "session", NULL)};
	if (!call_run(call,
		    "select muster.identity_add(p_issuer => $1, p_subject => $2, p_email => $3, "
		    "p_session => $4::uuid)",
		    G_N_ELEMENTS(params), params, &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}

gboolean identity_unlink(struct route_call *call, GError **error)
{
	const char *params[] = {route_value(call, "identity")};
	g_autofree char *session = NULL;
	g_autoptr(db_result) result = NULL;
	gboolean is_done = FALSE;

	if (!change_confirm(call, &session, &is_done, error) || is_done)
		return is_done;
	if (!call_run(call, "select muster.identity_remove(p_identity => $1::uuid)", 1, params,
		    &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}

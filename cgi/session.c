/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/session.h"

#include <string.h>

#include "cgi/auth.h"
#include "cgi/call.h"
#include "cgi/handler.h"
#include "cgi/password.h"
#include "cgi/problem.h"
#include "cgi/totp.h"
#include "lib/error.h"

#define ACCESS_TOKEN_S 1800
#define STREAM_TOKEN_S 60

/* A JWT for the session; scope NULL: for everything. Freed by the caller. */
static char *token_sign(const struct api *api, const char *account, const char *organization,
	const char *session, const char *scope, gint64 lifetime_s)
{
	g_autoptr(json_object) claims = json_object_new_object();
	gint64 now = g_get_real_time() / G_USEC_PER_SEC;

	json_object_object_add(claims, "sub", json_object_new_string(account));
	json_object_object_add(claims, "org", json_object_new_string(organization));
	json_object_object_add(claims, "sid", json_object_new_string(session));
	if (scope != NULL)
		json_object_object_add(claims, "scope", json_object_new_string(scope));
	json_object_object_add(claims, "iat", json_object_new_int64(now));
	json_object_object_add(claims, "exp", json_object_new_int64(now + lifetime_s));
	return secret_jwt_sign(
		api->key, json_object_to_json_string_ext(claims, JSON_C_TO_STRING_PLAIN));
}

/*
 * session: what the database said of it, {sid, csrf_token, account}. The answer to sign-in and
 * refresh.
 */
static gboolean tokens_answer(struct route_call *call, const char *session_text,
	const char *refresh_token, const char *next, GError **error)
{
	g_autoptr(json_object) session =
		json_parse(session_text, strlen(session_text), &json_limits_request, error);
	json_object *account =
		session != NULL ? json_get(session, "account", json_type_object, error) : NULL;
	json_object *organization =
		account != NULL ? json_get(account, "organization", json_type_object, error) : NULL;

	if (organization == NULL) {
		g_prefix_error(error, "the database's session: ");
		(*error)->code = MUSTER_ERROR_DB;
		return FALSE;
	}
	g_autofree char *access = token_sign(call->api, json_get_text(account, "id", NULL),
		json_get_text(organization, "id", NULL), json_get_text(session, "sid", NULL), NULL,
		ACCESS_TOKEN_S);
	g_autoptr(json_object) answer = json_object_new_object();
	json_object_object_add(answer, "access_token", json_object_new_string(access));
	json_object_object_add(answer, "refresh_token", json_object_new_string(refresh_token));
	json_object_object_add(answer, "token_type", json_object_new_string("bearer"));
	json_object_object_add(answer, "expires_in", json_object_new_int(ACCESS_TOKEN_S));
	json_object_object_add(answer, "csrf_token",
		json_object_new_string(json_get_text(session, "csrf_token", NULL)));
	json_object_object_add(answer, "account", json_object_get(account));
	if (next != NULL)
		json_object_object_add(answer, "next", json_object_new_string(next));
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN)));
	return TRUE;
}

/* The person's browser, for the list of sessions; clipped to whole characters. */
static char *agent_clip(const struct request *request)
{
	const char *agent = request_header(request, "User-Agent");
	g_autofree char *valid = g_utf8_make_valid(agent != NULL ? agent : "", -1);
	return g_utf8_substring(valid, 0, MIN(g_utf8_strlen(valid, -1), 300));
}

void session_answer_wait(struct route_call *call, const char *wait_s, gboolean is_busy)
{
	response_header(call->response, "Retry-After", wait_s);
	problem_set(call->response, call->request, 429,
		is_busy ? "Too many are signing in with this account, or from this address, at "
			  "once. Try again."
			: "Too many wrong passwords. Wait a little and try again.",
		NULL);
}

gboolean session_try(struct route_call *call, const char *email, gboolean *is_done, GError **error)
{
	const char *params[] = {email, call->request->address};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call,
		    "select wait_s, is_busy from muster.login_try(p_email => $1, p_address => $2)",
		    2, params, &result, error))
		return FALSE;
	*is_done = db_result_get_int(result, 0, 0) > 0;
	if (*is_done)
		session_answer_wait(
			call, db_result_get(result, 0, 0), db_result_get_bool(result, 0, 1));
	return TRUE;
}

gboolean session_tried(
	struct route_call *call, const char *email, enum session_outcome outcome, GError **error)
{
	const char *params[] = {email, call->request->address,
		outcome == SESSION_WRONG ? "false" : "true",
		outcome == SESSION_IN ? "true" : "false"};
	g_autoptr(db_result) result = NULL;

	return call_run(call,
		"select muster.login_tried(p_email => $1, p_address => $2, p_ok => $3, "
		"p_in => $4)",
		G_N_ELEMENTS(params), params, &result, error);
}

gboolean session_password(struct route_call *call, const char *email, const char *hash,
	const char *password, enum session_outcome right, gboolean *is_valid, gboolean *is_done,
	GError **error)
{
	*is_valid = FALSE;
	if (!session_try(call, email, is_done, error))
		return FALSE;
	if (*is_done)
		return TRUE;
	if (!password_verify(call->api, hash, password, is_valid, error)) {
		/* Nobody looked at it, so that it was no try. */
		session_tried(call, email, SESSION_RIGHT, NULL);
		return FALSE;
	}
	return session_tried(call, email, *is_valid ? right : SESSION_WRONG, error);
}

gboolean session_confirm(
	struct route_call *call, const char *input, gboolean *is_done, GError **error)
{
	const char *params[] = {call->request->address};
	g_autoptr(db_result) found = NULL;
	gboolean is_valid = FALSE;

	*is_done = FALSE;
	if (!call_run(call,
		    "select e, f.password_hash from muster.member_email() e, "
		    "muster.login_find(p_email => e, p_address => $1) f",
		    1, params, &found, error))
		return FALSE;
	if (db_result_get(found, 0, 1) == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_CONFLICT,
			"This account has no password. Ask for a link to make one.");
		return FALSE;
	}
	if (!session_password(call, db_result_get(found, 0, 0), db_result_get(found, 0, 1),
		    route_value(call, input), SESSION_IN, &is_valid, is_done, error))
		return FALSE;
	if (*is_done)
		return TRUE;
	if (!is_valid)
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_DENIED, "The current password is wrong.");
	return is_valid;
}

gboolean session_open(struct route_call *call, const char *account, const char *organization,
	const char *method, const char *next, GError **error)
{
	g_autofree char *token = secret_token_new("");
	g_autofree char *refresh = secret_token_new("");
	g_autofree char *token_hash = auth_token_bytea(token);
	g_autofree char *refresh_hash = auth_token_bytea(refresh);
	/* Made from the session's own secret, so that one never tells the other. */
	g_autofree char *csrf_text = secret_sign(call->api->key, SECRET_PURPOSE_CSRF, token_hash);
	g_autofree char *csrf = auth_token_bytea(csrf_text);
	g_autofree char *agent = agent_clip(call->request);
	const char *params[] = {account, token_hash, csrf, refresh_hash, organization,
		call->request->address, agent, method};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call,
		    "select muster.session_add(p_account => $1, p_token_hash => $2::bytea, "
		    "p_csrf => $3::bytea, p_refresh_hash => $4::bytea, p_organization => $5, "
		    "p_address => $6, p_agent => $7, p_method => $8)",
		    G_N_ELEMENTS(params), params, &result, error))
		return FALSE;
	auth_set_cookie(call->response, call->request, token);
	return tokens_answer(call, db_result_get(result, 0, 0), refresh, next, error);
}

gboolean session_login(struct route_call *call, GError **error)
{
	const char *email = route_value(call, "email");
	const char *params[] = {email, call->request->address};
	gboolean is_valid = FALSE, is_done = FALSE, is_passed = FALSE;
	g_autoptr(db_result) found = NULL;

	if (!auth_check_origin(call->api, call->request, error) ||
		!call_run(call,
			"select account_id, password_hash, totp "
			"from muster.login_find(p_email => $1, p_address => $2)",
			2, params, &found, error))
		return FALSE;
	const char *account = db_result_get(found, 0, 0), *totp = db_result_get(found, 0, 2);
	if (!session_password(call, email, db_result_get(found, 0, 1),
		    route_value(call, "password"), totp != NULL ? SESSION_RIGHT : SESSION_IN,
		    &is_valid, &is_done, error))
		return FALSE;
	if (is_done)
		return TRUE;
	if (!is_valid) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_AUTH,
			"The address or the password is wrong.");
		return FALSE;
	}
	if (!totp_pass(call, account, email, totp, &is_passed, error))
		return FALSE;
	return !is_passed || session_open(call, account, route_value(call, "organization"),
				     "password", NULL, error);
}

gboolean session_refresh(struct route_call *call, GError **error)
{
	g_autofree char *fresh = secret_token_new("");
	g_autofree char *fresh_hash = auth_token_bytea(fresh);
	g_autofree char *used_hash = auth_token_bytea(route_value(call, "refresh_token"));
	const char *params[] = {used_hash, fresh_hash};
	g_autoptr(db_result) result = NULL;

	if (!auth_check_origin(call->api, call->request, error) ||
		!call_run(call,
			"select f::text, f ->> 'state' "
			"from muster.session_rotate(p_refresh_hash => $1::bytea, "
			"p_new_hash => $2::bytea) f",
			2, params, &result, error))
		return FALSE;
	if (strcmp(db_result_get(result, 0, 1), "ok")) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_AUTH,
			"the refresh token is not valid or was used already");
		return FALSE;
	}
	return tokens_answer(call, db_result_get(result, 0, 0), fresh, NULL, error);
}

gboolean session_logout(struct route_call *call, GError **error)
{
	g_autoptr(db_result) result = NULL;

	if (!call_run(call, "select muster.session_remove()", 0, NULL, &result, error))
		return FALSE;
	auth_set_cookie(call->response, call->request, NULL);
	call->response->status = 204;
	return TRUE;
}

gboolean session_stream_token(struct route_call *call, GError **error)
{
	g_autoptr(db_result) who = NULL;

	if (!call_run(call,
		    "select muster.account(), muster.organization(), "
		    "current_setting('muster.session', true)",
		    0, NULL, &who, error))
		return FALSE;
	g_autofree char *token = token_sign(call->api, db_result_get(who, 0, 0),
		db_result_get(who, 0, 1), db_result_get(who, 0, 2), "stream", STREAM_TOKEN_S);
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup_printf("{\"token\":\"%s\",\"token_type\":\"bearer\",\"expires_in\":%d}",
			token, STREAM_TOKEN_S));
	return TRUE;
}

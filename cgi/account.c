/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/handler.h"

#include <string.h>

#include "cgi/auth.h"
#include "cgi/call.h"
#include "cgi/password.h"
#include "cgi/session.h"
#include "cgi/totp.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/mail.h"

/*
 * How accounts come to be and how they keep a password. What needs a token makes it here, stores
 * its hash, and tells it once: in a letter, and to whoever invites also in the answer.
 */

#define INVITATION_PATH "/invitation#"
#define RESET_PATH "/reset#"

/* The new password of somebody who is not signed in, hashed; NULL also for another site's page. */
static char *password_take(struct route_call *call, GError **error)
{
	return auth_check_origin(call->api, call->request, error)
		       ? password_hash(call->api, route_value(call, "password"), error)
		       : NULL;
}

/* Tokens stand behind '#', which no server and no Referer header gets to see. */
static char *link_make(const struct route_call *call, const char *path, const char *token)
{
	return g_strconcat(call->request->base, path, token, NULL);
}

gboolean invitation_add(struct route_call *call, GError **error)
{
	g_autofree char *token = secret_token_new("");
	g_autofree char *hash = auth_token_bytea(token);
	g_autofree char *link = link_make(call, INVITATION_PATH, token);
	const char *email = route_value(call, "email");
	const char *params[] = {
		email, route_value(call, "role"), hash, route_value(call, "days"), link};
	g_autoptr(db_result) result = NULL;
	g_autoptr(GError) failure = NULL;

	if (!call_run(call,
		    "select f || jsonb_build_object('link', $5::text), o.name "
		    "from muster.invitation_add($1, $2, $3::bytea, $4) f, muster.organization o "
		    "where o.id = muster.organization()",
		    G_N_ELEMENTS(params), params, &result, error))
		return FALSE;
	g_autoptr(json_object) answer = json_parse(db_result_get(result, 0, 0),
		db_result_get_len(result, 0, 0), &json_limits_request, error);
	if (answer == NULL)
		return FALSE;
	g_autofree char *subject =
		g_strdup_printf("You are invited to %s", db_result_get(result, 0, 1));
	g_autofree char *text = g_strdup_printf(
		"You are invited to the organization %s on Muster.\n\nOpen this link to join:\n%s\n\n"
		"Whoever has the link can use it, once. If you do not know what this is, do "
		"nothing.\n",
		db_result_get(result, 0, 1), link);
	/* Without mail the link is given on by hand: it is in the answer. */
	const struct mail mail = {.to = email, .subject = subject, .text = text};
	gboolean is_mailed = mail_send(call->api->conf, &mail, &failure);
	json_object_object_add(answer, "mailed", json_object_new_boolean(is_mailed));
	json_object_object_add(answer, "mail_problem",
		failure != NULL ? json_object_new_string(failure->message) : NULL);
	call->response->status = 201;
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN)));
	return TRUE;
}

gboolean invitation_find(struct route_call *call, GError **error)
{
	g_autofree char *hash = auth_token_bytea(route_value(call, "token"));
	const char *params[] = {hash};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call, "select muster.invitation_find(p_token_hash => $1::bytea)", 1, params,
		    &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}

/* A new account by an invitation, signed in at once. */
gboolean invitation_accept(struct route_call *call, GError **error)
{
	g_autofree char *token_hash = auth_token_bytea(route_value(call, "token"));
	g_autofree char *hash = password_take(call, error);

	const char *params[] = {token_hash, route_value(call, "name"), hash};
	g_autoptr(db_result) result = NULL;

	return hash != NULL &&
	       call_run(call,
		       "select muster.invitation_accept(p_token_hash => $1::bytea, p_name => $2, "
		       "p_hash => $3)",
		       3, params, &result, error) &&
	       session_open(call, db_result_get(result, 0, 0), NULL, "invitation", NULL, error);
}

/* Who has an account already joins with it. */
gboolean invitation_join(struct route_call *call, GError **error)
{
	g_autofree char *hash = auth_token_bytea(route_value(call, "token"));
	const char *params[] = {hash};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call, "select muster.invitation_join(p_token_hash => $1::bytea)", 1, params,
		    &result, error))
		return FALSE;
	response_take_result(call->response, RESPONSE_JSON, g_steal_pointer(&result));
	return TRUE;
}

/* What an organisation of one's own is called: the address's first part, and some letters. */
static char *slug_make(const char *email)
{
	g_autofree char *local = g_strndup(email, MIN(strcspn(email, "@"), 40));
	g_autofree char *lower = g_ascii_strdown(local, -1);

	g_strcanon(lower, "abcdefghijklmnopqrstuvwxyz0123456789", '-');
	return g_strdup_printf(
		"%s%s-%08x", g_ascii_isalnum(*lower) ? "" : "a", lower, g_random_int());
}

gboolean account_register(struct route_call *call, GError **error)
{
	const char *email = route_value(call, "email");
	g_autofree char *slug = slug_make(email);
	g_autofree char *hash = password_take(call, error);

	const char *params[] = {email, route_value(call, "name"), hash, slug};
	g_autoptr(db_result) result = NULL;

	if (hash == NULL ||
		!call_run(call,
			"select muster.account_register(p_email => $1, p_name => $2, p_hash => $3, "
			"p_slug => $4)",
			4, params, &result, error) ||
		!session_open(call, db_result_get(result, 0, 0), NULL, "register", NULL, error))
		return FALSE;
	call->response->status = 201;
	return TRUE;
}

/* A letter about a forgotten password, once the answer is out. */
struct forgotten {
	struct api_task task;
	char *email, *hash, *address, *link, *request;
};

static void forgotten_free(struct api_task *task)
{
	struct forgotten *forgotten = (struct forgotten *)task;

	g_free(forgotten->email);
	g_free(forgotten->hash);
	g_free(forgotten->address);
	g_free(forgotten->link);
	g_free(forgotten->request);
	g_free(forgotten);
}

static gboolean forgotten_send(struct api *api, const struct forgotten *forgotten, GError **error)
{
	const char *params[] = {forgotten->email, forgotten->hash, forgotten->address};
	g_autoptr(db_result) found = db_query(api->db,
		"select email, name from muster.password_reset_add(p_email => $1, "
		"p_token_hash => $2, p_address => $3)",
		3, params, error);

	if (found == NULL || db_result_rows(found) == 0)
		return found != NULL;
	g_autofree char *text = g_strdup_printf(
		"Somebody asked for a new password for this address on Muster.\n\nIf it was you, open "
		"this link within an hour:\n%s\n\nIf not, do nothing: the old one stays.\n",
		forgotten->link);
	const struct mail mail = {.to = db_result_get(found, 0, 0),
		.subject = "Your password on Muster",
		.text = text};
	return mail_send(api->conf, &mail, error);
}

static void forgotten_run(struct api *api, struct api_task *task)
{
	const struct forgotten *forgotten = (const struct forgotten *)task;
	g_autoptr(GError) failure = NULL;

	log_set_prefix("request", forgotten->request);
	if (!forgotten_send(api, forgotten, &failure))
		log_failure(LOG_LEVEL_WARNING, "a letter about a password was not sent", failure);
	log_set_prefix(NULL, NULL);
}

/*
 * Who asks learns nothing of who has an account: the answer is one, and it is out before anybody
 * looks whether there is one.
 */
gboolean account_forgot(struct route_call *call, GError **error)
{
	g_autofree char *token = secret_token_new("");
	g_autoptr(db_result) result = NULL;

	if (!auth_check_origin(call->api, call->request, error) ||
		!call_run(call, "select 1", 0, NULL, &result, error))
		return FALSE;
	struct forgotten *forgotten = g_new(struct forgotten, 1);
	*forgotten = (struct forgotten){
		.task = {forgotten_run, forgotten_free},
		.email = g_strdup(route_value(call, "email")),
		.hash = auth_token_bytea(token),
		.address = g_strdup(call->request->address),
		.link = link_make(call, RESET_PATH, token),
		.request = g_strdup(call->request->id),
	};
	call->api->later = &forgotten->task;
	call->response->status = 202;
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup("{\"status\":\"If there is such an account, a letter is on its way.\"}"));
	return TRUE;
}

/* A new password takes the place of the old one, and not that of a code. */
gboolean account_reset(struct route_call *call, GError **error)
{
	g_autofree char *token_hash = auth_token_bytea(route_value(call, "token"));
	const char *find[] = {token_hash, call->request->address};
	g_autoptr(db_result) found = NULL, result = NULL;
	gboolean is_passed = TRUE;

	if (!auth_check_origin(call->api, call->request, error) ||
		!call_run(call,
			"select account_id, email, totp, wait_s from muster.password_reset_find("
			"p_token_hash => $1::bytea, p_address => $2)",
			2, find, &found, error))
		return FALSE;
	const char *totp = db_result_rows(found) > 0 ? db_result_get(found, 0, 2) : NULL;
	if (totp != NULL && db_result_get_int(found, 0, 3) > 0) {
		session_answer_wait(call, db_result_get(found, 0, 3), FALSE);
		return TRUE;
	}
	if (totp != NULL && !totp_pass(call, db_result_get(found, 0, 0), db_result_get(found, 0, 1),
				    totp, &is_passed, error))
		return FALSE;
	if (!is_passed)
		return TRUE;
	g_autofree char *hash = password_take(call, error);
	const char *params[] = {token_hash, hash};
	return hash != NULL &&
	       call_run(call,
		       "select muster.password_reset_use(p_token_hash => $1::bytea, p_hash => $2)",
		       2, params, &result, error) &&
	       session_open(call, db_result_get(result, 0, 0), NULL, "reset", NULL, error);
}

/* The audit in a letter: to oneself, or to another member of this organisation. */
gboolean summary_send(struct route_call *call, GError **error)
{
	const char *params[] = {route_value(call, "email")};
	g_autoptr(db_result) result = NULL;

	if (!call_run(call,
		    "select a.email, s ->> 'subject', s ->> 'text', s ->> 'repos', s ->> 'html' "
		    "from muster.summary_letter() s, muster.member_email($1) a (email)",
		    1, params, &result, error))
		return FALSE;
	const char *email = db_result_get(result, 0, 0);
	const struct mail mail = {.to = email,
		.subject = db_result_get(result, 0, 1),
		.text = db_result_get(result, 0, 2),
		.html = db_result_get(result, 0, 4)};
	if (!mail_send(call->api->conf, &mail, error))
		return FALSE;
	g_autoptr(json_object) answer = json_object_new_object();
	json_object_object_add(answer, "status", json_object_new_string("Email sent successfully"));
	json_object_object_add(answer, "recipient", json_object_new_string(email));
	json_object_object_add(
		answer, "repos", json_object_new_int64(db_result_get_int(result, 0, 3)));
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN)));
	return TRUE;
}

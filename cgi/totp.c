/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "cgi/totp.h"

#include <string.h>

#include <qrencode.h>

#include "cgi/auth.h"
#include "cgi/call.h"
#include "cgi/handler.h"
#include "cgi/password.h"
#include "cgi/problem.h"
#include "cgi/session.h"
#include "lib/error.h"
#include "lib/totp.h"

#define RECOVERY_CODES 10
#define QR_QUIET 4
#define RECOVERY_BYTES 10 /* 80 bits are not guessed; 16 letters are still typed */

/* A sealed secret is its account's alone. Freed by the caller. */
static char *seal_context(const char *account)
{
	return g_strconcat(SECRET_SEAL_TOTP, account, NULL);
}

static guchar *secret_take(
	const struct api *api, const char *account, const char *sealed, gsize *len, GError **error)
{
	g_autofree char *context = seal_context(account);
	guchar *secret = secret_open(api->key, context, sealed, len);

	if (secret == NULL)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_IO,
			"the secret of a second factor was sealed with another master key");
	return secret;
}

/* Letters and digits as they are kept: people add dashes and spaces, and write small. */
static char *code_clean(const char *code)
{
	GString *clean = g_string_new(NULL);

	for (; *code != '\0'; code++)
		if (*code != ' ' && *code != '-')
			g_string_append_c(clean, g_ascii_toupper(*code));
	return g_string_free(clean, FALSE);
}

/* A code that is right is used up by this. */
static gboolean code_is_right(struct route_call *call, const char *account, const char *sealed,
	gboolean *is_right, GError **error)
{
	g_autofree char *code = code_clean(route_value(call, "code"));
	g_autoptr(db_result) result = NULL;
	gsize len = 0;

	*is_right = FALSE;
	if (strlen(code) != TOTP_DIGITS) {
		g_autofree char *hash = auth_token_bytea(code);
		const char *params[] = {account, hash};
		if (!call_run(call, "select muster.totp_recover($1::uuid, $2::bytea)", 2, params,
			    &result, error))
			return FALSE;
		*is_right = db_result_get_bool(result, 0, 0);
		return TRUE;
	}
	g_autofree guchar *secret = secret_take(call->api, account, sealed, &len, error);
	if (secret == NULL)
		return FALSE;
	gint64 step = totp_find(secret, len, code, g_get_real_time() / G_USEC_PER_SEC, 0);
	secret_wipe(secret, len);
	if (step == 0)
		return TRUE;
	g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, step);
	const char *params[] = {account, number};
	if (!call_run(call, "select muster.totp_take($1::uuid, $2)", 2, params, &result, error))
		return FALSE;
	*is_right = db_result_get_bool(result, 0, 0);
	return TRUE;
}

static void code_refuse(struct route_call *call, const char *detail, const char *message)
{
	json_object *fields = NULL;

	problem_field(&fields, "code", message);
	problem_set(call->response, call->request, 401, detail, fields);
}

gboolean totp_pass(struct route_call *call, const char *account, const char *email,
	const char *totp, gboolean *is_passed, GError **error)
{
	gboolean is_done = FALSE;

	*is_passed = totp == NULL;
	if (totp == NULL)
		return TRUE;
	if (route_value(call, "code") == NULL) {
		code_refuse(call, "Enter the code that your app shows, or one of those on paper.",
			"is needed");
		return TRUE;
	}
	if (!session_try(call, email, &is_done, error) || is_done)
		return is_done;
	if (!code_is_right(call, account, totp, is_passed, error))
		return FALSE;
	if (!*is_passed)
		code_refuse(call, "The code is wrong, or was used already.", "is wrong");
	return session_tried(call, email, *is_passed ? SESSION_IN : SESSION_WRONG, error);
}

static gboolean result_answer(struct route_call *call, struct db_result *result)
{
	response_take_result(call->response, RESPONSE_JSON, result);
	return TRUE;
}

gboolean account_password(struct route_call *call, GError **error)
{
	g_autoptr(db_result) done = NULL;
	gboolean is_done = FALSE;

	if (!session_confirm(call, "current", &is_done, error) || is_done)
		return is_done;
	g_autofree char *hash = password_hash(call->api, route_value(call, "password"), error);
	const char *params[] = {hash};
	return hash != NULL &&
	       call_run(call,
		       "select jsonb_build_object('ended', muster.account_password_set(p_hash => $1))",
		       1, params, &done, error) &&
	       result_answer(call, g_steal_pointer(&done));
}

/*
 * text as a picture for a telephone's camera: the path of a SVG whose squares are one wide, with
 * the four of nothing around them that ISO/IEC 18004 asks for. *size: of its side. NULL when text
 * is too long. Freed by the caller.
 */
static char *qr_path(const char *text, int *size)
{
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);

	if (code == NULL)
		return NULL;
	GString *path = g_string_new(NULL);
	for (int y = 0; y < code->width; y++)
		for (int x = 0, run; x < code->width; x += run) {
			const guchar *row = code->data + y * code->width;
			for (run = 1; x + run < code->width && (row[x + run] & 1) == (row[x] & 1);
				run++)
				;
			if ((row[x] & 1) != 0)
				g_string_append_printf(path, "M%d %dh%dv1h-%dz", x + QR_QUIET,
					y + QR_QUIET, run, run);
		}
	*size = code->width + 2 * QR_QUIET;
	QRcode_free(code);
	return g_string_free(path, FALSE);
}

static void qr_add(json_object *answer, const char *uri)
{
	int size = 0;
	g_autofree char *path = qr_path(uri, &size);
	json_object *qr = path != NULL ? json_object_new_object() : NULL;

	if (qr != NULL) {
		json_object_object_add(qr, "size", json_object_new_int(size));
		json_object_object_add(qr, "path", json_object_new_string(path));
	}
	json_object_object_add(answer, "qr", qr);
}

gboolean totp_begin(struct route_call *call, GError **error)
{
	guchar secret[TOTP_SECRET_BYTES];
	g_autoptr(db_result) who = NULL, done = NULL;
	gboolean is_done = FALSE;

	if (!session_confirm(call, "password", &is_done, error) || is_done)
		return is_done;
	if (!call_run(call, "select muster.account(), muster.member_email()", 0, NULL, &who, error))
		return FALSE;
	totp_secret_make(secret);
	g_autofree char *context = seal_context(db_result_get(who, 0, 0));
	g_autofree char *sealed = secret_seal(call->api->key, context, secret, sizeof(secret));
	g_autofree char *text = totp_base32(secret, sizeof(secret));
	g_autofree char *uri = totp_uri(secret, sizeof(secret), db_result_get(who, 0, 1));
	const char *params[] = {sealed};
	secret_wipe(secret, sizeof(secret));
	if (!call_run(call, "select muster.totp_begin($1)", 1, params, &done, error))
		return FALSE;
	g_autoptr(json_object) answer = json_object_new_object();
	json_object_object_add(answer, "secret", json_object_new_string(text));
	json_object_object_add(answer, "uri", json_object_new_string(uri));
	qr_add(answer, uri);
	call->response->status = 201;
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(
			answer, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)));
	return TRUE;
}

/* As people write them down: four times four. */
static char *recovery_code_new(char **hash)
{
	guchar bytes[TOTP_SECRET_BYTES];

	totp_secret_make(bytes);
	g_autofree char *text = totp_base32(bytes, RECOVERY_BYTES);
	g_autofree char *bytea = auth_token_bytea(text);
	*hash = g_strdup(bytea + strlen("\\x"));
	return g_strdup_printf("%.4s-%.4s-%.4s-%s", text, text + 4, text + 8, text + 12);
}

static void recovery_make(json_object **codes, json_object **hashes)
{
	*codes = json_object_new_array();
	*hashes = json_object_new_array();
	for (guint i = 0; i < RECOVERY_CODES; i++) {
		g_autofree char *hash = NULL;
		g_autofree char *code = recovery_code_new(&hash);
		json_object_array_add(*codes, json_object_new_string(code));
		json_object_array_add(*hashes, json_object_new_string(hash));
	}
}

/* sql takes the hashes as $1, step as $2 when it is not NULL. The answer tells the codes, once. */
static gboolean recovery_answer(
	struct route_call *call, const char *sql, const char *step, GError **error)
{
	g_autoptr(json_object) codes = NULL, hashes = NULL;
	g_autoptr(db_result) done = NULL;

	recovery_make(&codes, &hashes);
	const char *params[] = {
		json_object_to_json_string_ext(hashes, JSON_C_TO_STRING_PLAIN), step};
	if (!call_run(call, sql, step != NULL ? 2 : 1, params, &done, error))
		return FALSE;
	g_autoptr(json_object) answer = json_object_new_object();
	json_object_object_add(answer, "recovery_codes", g_steal_pointer(&codes));
	response_take_text(call->response, RESPONSE_JSON,
		g_strdup(json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PLAIN)));
	return TRUE;
}

gboolean totp_confirm(struct route_call *call, GError **error)
{
	g_autoptr(db_result) who = NULL;
	gsize len = 0;

	if (!call_run(call, "select muster.account(), muster.totp_sealed()", 0, NULL, &who, error))
		return FALSE;
	g_autofree guchar *secret = secret_take(
		call->api, db_result_get(who, 0, 0), db_result_get(who, 0, 1), &len, error);
	if (secret == NULL)
		return FALSE;
	g_autofree char *code = code_clean(route_value(call, "code"));
	gint64 step = totp_find(secret, len, code, g_get_real_time() / G_USEC_PER_SEC, 0);
	secret_wipe(secret, len);
	if (step == 0) {
		json_object *fields = NULL;
		problem_field(&fields, "code", "is wrong");
		problem_set(call->response, call->request, 400,
			"This is not the code of now. Is the telephone's clock right?", fields);
		return TRUE;
	}
	g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, step);
	return recovery_answer(
		call, "select muster.totp_confirm(p_step => $2, p_recovery => $1)", number, error);
}

gboolean totp_recovery(struct route_call *call, GError **error)
{
	gboolean is_done = FALSE;

	if (!session_confirm(call, "password", &is_done, error) || is_done)
		return is_done;
	return recovery_answer(call, "select muster.totp_recovery(p_recovery => $1)", NULL, error);
}

gboolean totp_disable(struct route_call *call, GError **error)
{
	g_autoptr(db_result) done = NULL;
	gboolean is_done = FALSE;

	if (!session_confirm(call, "password", &is_done, error) || is_done)
		return is_done;
	return call_run(call, "select muster.totp_remove()", 0, NULL, &done, error) &&
	       result_answer(call, g_steal_pointer(&done));
}

/* SPDX-License-Identifier: MIT */
#ifndef CGI_AUTH_H
#define CGI_AUTH_H

#include <glib.h>

#include "cgi/api.h"
#include "cgi/request.h"
#include "cgi/response.h"

/*
 * Who says to be asking. A request brings a token in Authorization, or a cookie, or nothing; what
 * it brings is put into the form that the database's enter() reads, and enter() alone decides.
 *
 *	Authorization: Bearer <jwt>	signature and expiry are checked here, the session there
 *	Authorization: Bearer mst_...	an API token; X-API-Key: the same
 *	Cookie: muster_session=<token>	only its hash goes to the database
 *
 * A write by cookie needs two more things, because a browser sends cookies for anybody's page: the
 * CSRF token in X-CSRF-Token (compared by enter()), and an Origin that is ours (checked here).
 */
#define AUTH_TOKEN_PREFIX "mst_"
#define AUTH_NOTE_S 600

struct credential {
	const char *kind;   /* session, jwt, token, none */
	char *bytes;        /* bytea in hexadecimal, NULL for none */
	char *csrf;         /* bytea in hexadecimal; NULL: not asked for */
	char *organization; /* slug or id; NULL: the session's own */
};
typedef struct credential credential;

/*
 * Errors: MUSTER_ERROR_AUTH (a token that is not valid), _DENIED (a foreign Origin), _INPUT (a
 * malformed organisation). Freed by the caller.
 */
struct credential *credential_new(
	const struct api *api, const struct request *request, GError **error);
void credential_free(struct credential *credential);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(credential, credential_free)

/* Whether the method changes nothing. */
gboolean auth_is_read(const struct request *request);

/*
 * Whether a browser says that another site's page is asking, one that cors_allows() does not know:
 * Origin, else Sec-Fetch-Site. A client that sends neither is no browser. Errors:
 * MUSTER_ERROR_DENIED.
 */
gboolean auth_check_origin(const struct api *api, const struct request *request, GError **error);

/* The session's cookie set to token, or taken away (NULL). */
void auth_set_cookie(struct response *response, const struct request *request, const char *token);

/*
 * A note that this browser brings back while it is away at an issuer: sealed text, for ten
 * minutes; NULL takes it away. get: freed by the caller, NULL for none.
 */
void auth_set_note(struct response *response, const struct request *request, const char *note);
char *auth_get_note(const struct request *request);

/* "\x" and two digits a byte: how a bytea is written in a text parameter. */
char *auth_bytea(const guchar *bytes, gsize len);
/* Of the hash of token. */
char *auth_token_bytea(const char *token);

#endif

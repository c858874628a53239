/* SPDX-License-Identifier: MIT */
#ifndef CGI_OPENID_H
#define CGI_OPENID_H

#include <glib.h>

#include "cgi/issuer.h"

/*
 * Signing in with an issuer: OpenID Connect Core 1.0, authorization code flow with PKCE (RFC 7636),
 * state and nonce, discovery and JWK sets; and OAuth 2.0 as GitHub speaks it, where its API says
 * who it is. The caller keeps state, nonce and verifier where only this browser brings them back.
 *
 *	url = openid_start(issuer, redirect, &flow, error);		the browser goes there,
 *	openid_finish(issuer, redirect, &flow, code, iss, &person, error);	and comes back with code
 *
 * Asks the issuer over HTTP, ten seconds at most each time. Errors: MUSTER_ERROR_REMOTE when it
 * does not answer as it should, _AUTH when what it says is not valid for us, _DENIED for an address
 * in a private network that is not meant to be.
 */
struct openid_flow {
	const char *state, *nonce, *verifier; /* random; borrowed */
};

struct openid_person {
	char *issuer, *subject; /* who it is, for ever */
	char *email;            /* NULL unless the issuer has verified it */
	char *name;             /* may be "" */
};
typedef struct openid_person openid_person;
void openid_person_clear(struct openid_person *person);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(openid_person, openid_person_clear)

/* Freed by the caller. */
char *openid_start(struct issuer *issuer, const char *redirect, const struct openid_flow *flow,
	GError **error);

/*
 * said: who says to have sent the browser back (RFC 9207); NULL: nobody did. person is cleared by
 * the caller.
 */
gboolean openid_finish(struct issuer *issuer, const char *redirect, const struct openid_flow *flow,
	const char *code, const char *said, struct openid_person *person, GError **error);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef LIB_JWK_H
#define LIB_JWK_H

#include <glib.h>

#include "lib/json.h"

/*
 * What somebody else has signed: a JSON Web Signature (RFC 7515) under one of the keys of a JWK set
 * (RFC 7517), by OpenSSL's libcrypto. RS256 with 2048 bits or more, and ES256 (RFC 7518); all other
 * algorithms are refused, "none" and those with a shared secret first of all. What the claims say
 * is for the caller to look at.
 *
 *	g_autofree char *claims = jwk_verify(set, token, error);
 */

#define JWK_TOKEN_MAX_BYTES 16384
#define JWK_KEYS_MAX 64

/*
 * set: {"keys": [...]}. The payload's text, freed by the caller; NULL and MUSTER_ERROR_AUTH when no
 * key of the set has signed it.
 */
char *jwk_verify(json_object *set, const char *token, GError **error);

/* SHA-256 in unpadded base64url: the challenge of RFC 7636 for a verifier. Freed by the caller. */
char *jwk_challenge(const char *verifier);

#endif

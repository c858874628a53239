/* SPDX-License-Identifier: MIT */
#ifndef CGI_ISSUER_H
#define CGI_ISSUER_H

#include <glib.h>

#include "lib/conf.h"
#include "lib/json.h"

/*
 * Who vouches for people: the issuers of OpenID Connect, and GitHub, in the file that
 * auth.openid_file names. It holds secrets, so that others may not read it, and is read once, when
 * the program starts or is told to read its configuration again. A group for each issuer:
 *
 *	[gitlab]
 *	issuer=https://gitlab.example.org
 *	client_id=...
 *	client_secret=...
 *	name=GitLab			what the button says; the group's name without it
 *	kind=openid			or github, whose issuer is https://github.com without one
 *	scopes=openid email profile
 *	accounts=existing		or create: whoever signs in for the first time gets one
 *	private=false			true: it is in a private network, and may speak plain http
 *
 * The address to give to the issuer as the one to come back to: PUBLIC_URL/sign-in/GROUP
 */
enum issuer_kind {
	ISSUER_KIND_UNSET,
	ISSUER_KIND_OPENID,
	ISSUER_KIND_GITHUB
};

struct issuer {
	char *id, *name, *url, *client_id, *client_secret, *scopes;
	enum issuer_kind kind;
	gboolean is_creating, is_private;
	json_object *discovery; /* what it says of itself; kept for a while by cgi/openid.c */
	gint64 discovered_us;
};

/*
 * struct issuer, in the order of the file; empty when there is no file. Errors: MUSTER_ERROR_INPUT
 * with what is wrong, _IO.
 */
GPtrArray *issuer_load(const struct conf *conf, GError **error);

/* The one of that name; NULL: none. */
struct issuer *issuer_find(const GPtrArray *issuers, const char *id);

#endif

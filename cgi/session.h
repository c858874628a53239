/* SPDX-License-Identifier: MIT */
#ifndef CGI_SESSION_H
#define CGI_SESSION_H

#include "cgi/route.h"

/*
 * Signs the account in: a new session, its cookie, and the tokens as the answer of call. Whoever
 * calls it has made sure that this is who asks. organization: slug, NULL for the account's first.
 * method: how, in a word, for the trail.
 * Errors: MUSTER_ERROR_DENIED when the account is in no (such) organisation, those of the database.
 */
gboolean session_open(struct route_call *call, const char *account, const char *organization,
	const char *method, GError **error);

#endif

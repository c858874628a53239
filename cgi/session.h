/* SPDX-License-Identifier: MIT */
#ifndef CGI_SESSION_H
#define CGI_SESSION_H

#include "cgi/route.h"

/*
 * Signs the account in: a new session, its cookie, and the tokens as the answer of call. Whoever
 * calls it has made sure that this is who asks. organization: slug, NULL for the account's first.
 * method: how, in a word, for the trail. next: where the page wants to go on, or NULL.
 * Errors: MUSTER_ERROR_DENIED when the account is in no (such) organisation, those of the database.
 */
gboolean session_open(struct route_call *call, const char *account, const char *organization,
	const char *method, const char *next, GError **error);

/*
 * Counts a right or wrong password, code or the like for the account of that address and the
 * client's; it is to be asked for wait_s of login_find() before.
 */
gboolean session_note(struct route_call *call, const char *email, gboolean is_ok, GError **error);

/* The answer to who has to wait before the next try. */
void session_answer_wait(struct route_call *call, const char *wait_s);

#endif

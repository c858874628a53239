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

enum session_outcome {
	SESSION_WRONG = 1,
	SESSION_RIGHT, /* what was shown was right, and something else may be asked for */
	SESSION_IN,    /* and nothing else is: what was counted for the account is forgotten */
};

/*
 * Counts a try for the account of that address and the client's before anybody looks at its
 * password or code: codes are few, and who asks a thousand times at once would otherwise be told a
 * thousand times. *is_done: it has to wait, and is told so. Else session_tried() has to say how it
 * ended; only a wrong one stays counted.
 */
gboolean session_try(struct route_call *call, const char *email, gboolean *is_done, GError **error);
gboolean session_tried(
	struct route_call *call, const char *email, enum session_outcome outcome, GError **error);

/*
 * Such a try with a password. hash: the account's, NULL when there is none: never valid. right: the
 * outcome if it is. *is_valid is FALSE when *is_done. Errors: MUSTER_ERROR_BUSY when many are
 * verified just now, those of the database.
 */
gboolean session_password(struct route_call *call, const char *email, const char *hash,
	const char *password, enum session_outcome right, gboolean *is_valid, gboolean *is_done,
	GError **error);

/*
 * Whether it is the person, and not somebody at an open screen: the password once more, in that
 * input. Errors: MUSTER_ERROR_DENIED, _CONFLICT when there is no password; *is_done when call has
 * its answer.
 */
gboolean session_confirm(
	struct route_call *call, const char *input, gboolean *is_done, GError **error);

/* The answer to who has to wait before the next try; is_busy: for others, not for wrong ones. */
void session_answer_wait(struct route_call *call, const char *wait_s, gboolean is_busy);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef CGI_TOTP_H
#define CGI_TOTP_H

#include "cgi/route.h"

/*
 * The second factor where a password is asked for: a code of an app, or one on paper, in the input
 * "code" of the route. account, email, totp: what login_find() says of who asks; totp NULL: none is
 * asked for.
 *
 * *is_passed FALSE: call has its answer, a 401 whose errors name "code". A wrong code counts as a
 * wrong password, and is counted before it is looked at: of many at once some get a 429. Who asks
 * has not been told to wait (wait_s). Errors: those of the database.
 */
gboolean totp_pass(struct route_call *call, const char *account, const char *email,
	const char *totp, gboolean *is_passed, GError **error);

#endif

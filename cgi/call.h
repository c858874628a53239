/* SPDX-License-Identifier: MIT */
#ifndef CGI_CALL_H
#define CGI_CALL_H

#include "cgi/route.h"

/*
 * Runs one statement for the client: enter() and it in one transaction and one round trip, for a
 * write with its count and its Idempotency-Key (call->key) between. enter() raises unless the
 * client's credential holds and reaches the route's role, and an error undoes and skips what
 * follows, so the statement never runs for somebody who may not. Row-level security and
 * the functions themselves read account and organisation from what enter() set.
 *
 * *result: freed by the caller. Reads get the header Stream-Position: the position of the event log
 * before the statement, from which a client that shows the answer has to follow.
 *
 * A read whose connection broke is asked once more; a write is not, for it may have been done.
 * Every error of the database is here.
 */
gboolean call_run(struct route_call *call, const char *sql, guint n_params,
	const char *const *params, struct db_result **result, GError **error);

#endif

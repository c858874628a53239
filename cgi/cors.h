/* SPDX-License-Identifier: MIT */
#ifndef CGI_CORS_H
#define CGI_CORS_H

#include <glib.h>

#include "cgi/request.h"
#include "cgi/response.h"
#include "lib/conf.h"

/*
 * Pages of other sites. None may ask anything unless the administrator names its origin in
 * server.cors_origins; then its page may ask as whoever is signed in, and read the answers.
 * Source: Fetch standard, "CORS protocol".
 */

/* Whether the origin is named. NULL is not. */
gboolean cors_allows(const struct conf *conf, const char *origin);

/* Adds the headers. TRUE: this is a preflight, and has its answer. */
gboolean cors_apply(
	const struct conf *conf, const struct request *request, struct response *response);

#endif

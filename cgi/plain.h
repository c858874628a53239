/* SPDX-License-Identifier: MIT */
#ifndef CGI_PLAIN_H
#define CGI_PLAIN_H

#include "cgi/api.h"

/*
 * One request as plain CGI: variables from the environment, body from standard input, answer to
 * standard output. For hosting without FastCGI, and for tests. Costs a process and a database
 * connection for each request.
 */
void plain_serve(struct api *api);

#endif

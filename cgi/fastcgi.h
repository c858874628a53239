/* SPDX-License-Identifier: MIT */
#ifndef CGI_FASTCGI_H
#define CGI_FASTCGI_H

#include <signal.h>

#include "cgi/api.h"

/*
 * A worker's loop: connections of listen_fd, one FastCGI request each, until SIGTERM comes (the
 * request at hand is finished first) or api.requests_max are done. listen_fd does not block.
 *
 * open_mask: the signal mask while waiting; at all other times the caller's, with SIGTERM blocked,
 * holds, so that a signal never interrupts a request and is never missed before a wait.
 *
 * Connections are closed after one request even if the front would keep them: a kept connection
 * holds a whole worker while it is idle (Apache's enablereuse, nginx's fastcgi_keep_conn).
 */
void fastcgi_serve(struct api *api, int listen_fd, const sigset_t *open_mask);

#endif

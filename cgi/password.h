/* SPDX-License-Identifier: MIT */
#ifndef CGI_PASSWORD_H
#define CGI_PASSWORD_H

#include <glib.h>

#include "cgi/api.h"

/*
 * Passwords in requests: argon2id takes 19 MiB and a core for 30 ms, so a host does two at a time
 * (lock files in the run folder; the kernel frees them with the process) and others wait for up to
 * three seconds. Errors of both: MUSTER_ERROR_BUSY, _IO.
 */

/* The least that a new one has; SECRET_PASSWORD_MAX_BYTES is the most. */
#define PASSWORD_MIN_BYTES 8

/* What is stored of a new password. Freed by the caller. */
char *password_hash(const struct api *api, const char *password, GError **error);

/*
 * Whether password is the one that hash was made of. hash NULL: it never is, and it takes as long
 * as for one that there is.
 */
gboolean password_verify(const struct api *api, const char *hash, const char *password,
	gboolean *is_valid, GError **error);

#endif

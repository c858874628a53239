/* SPDX-License-Identifier: MIT */
#ifndef CGI_MAIL_H
#define CGI_MAIL_H

#include <glib.h>

#include "lib/conf.h"

/*
 * A letter to one person, given to the system's sendmail (server.sendmail), which queues it. to is
 * one address and is never an option or a second one; text is plain UTF-8, lines ended by \n.
 * Errors: MUSTER_ERROR_CONFLICT when this host has no such program, with what to do; _REMOTE when
 * it refuses; _IO.
 */
gboolean mail_send(const struct conf *conf, const char *to, const char *subject, const char *text,
	GError **error);

#endif

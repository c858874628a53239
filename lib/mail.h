/* SPDX-License-Identifier: MIT */
#ifndef LIB_MAIL_H
#define LIB_MAIL_H

#include <glib.h>
#include <sys/types.h>

#include "lib/conf.h"

/*
 * A letter to one person, given to the system's sendmail (server.sendmail), which queues it.
 *
 *	const struct mail mail = {.to = "ann@example.org", .subject = "Hello", .text = "Hello.\n"};
 *	if (!mail_send(conf, &mail, error))
 *		return FALSE;
 */

struct mail {
	const char *to; /* one address, never an option or a second one */
	const char *subject;
	const char *text; /* plain UTF-8, lines ended by \n */
	const char *html; /* the same for who shows that; NULL: there is none */
};

/*
 * Returns when the program has taken the letter. Errors: MUSTER_ERROR_CONFLICT when this host has
 * no such program, with what to do; _REMOTE when it refuses; _INPUT; _IO.
 */
gboolean mail_send(const struct conf *conf, const struct mail *mail, GError **error);

/*
 * The same for who cannot wait: the process *pid is the caller's to wait for, and what waitpid()
 * says of it goes to mail_check(). Errors: as above.
 */
gboolean mail_start(const struct conf *conf, const struct mail *mail, pid_t *pid, GError **error);
gboolean mail_check(int status, GError **error);

#endif

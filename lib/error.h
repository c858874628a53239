/* SPDX-License-Identifier: MIT */
#ifndef LIB_ERROR_H
#define LIB_ERROR_H

#include <glib.h>

/*
 * The one error domain. Every function that can fail takes GError **error last and fails with one
 * of these codes; the message is safe to show to a person (no SQL, no password, no token) and says
 * what to do next where that is known.
 *
 *	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "%s:%d: unknown key '%s'", file, n, key);
 *
 * The code decides what a program does: error_http_status() and error_from_sqlstate() are the only
 * maps from and to it.
 */
#define MUSTER_ERROR (muster_error_quark())
GQuark muster_error_quark(void);

enum muster_error {
	MUSTER_ERROR_INPUT = 1, /* what came from outside is wrong; asking again will not help */
	MUSTER_ERROR_AUTH,      /* nobody is signed in, or the credential is not valid */
	MUSTER_ERROR_DENIED,    /* somebody is signed in, and may not do this */
	MUSTER_ERROR_MISSING,   /* the thing named does not exist (for this person) */
	MUSTER_ERROR_CONFLICT,  /* it exists already, or was changed meanwhile */
	MUSTER_ERROR_LIMIT,     /* a cap was reached: size, depth, rate */
	MUSTER_ERROR_BUSY,      /* may work in a moment: database away, lock held */
	MUSTER_ERROR_DB,        /* the database refused; a defect of ours or its state */
	MUSTER_ERROR_IO,        /* files, sockets, the disk */
	MUSTER_ERROR_REMOTE,    /* another host answered wrongly or not at all */
};

/* The HTTP status for an error of any domain: 400, 401, 403, 404, 409, 413, 503, 502, else 500. */
unsigned error_http_status(const GError *error);

/*
 * The code for a five-character SQLSTATE. Class MU is raised by our own functions: MU400 input,
 * MU401 auth, MU403 denied, MU404 missing, MU409 conflict, MU412 and MU422 conflict, MU429 limit,
 * MU503 busy. Of PostgreSQL's: 23505 conflict; 22*, 23* input; 08*, 53*, 57*, 40* busy; 42501
 * denied; else DB. NULL is DB. Source: PostgreSQL 15 documentation, appendix A.
 */
enum muster_error error_from_sqlstate(const char *sqlstate);

#endif

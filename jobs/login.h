/* SPDX-License-Identifier: MIT */
#ifndef JOBS_LOGIN_H
#define JOBS_LOGIN_H

#include <glib.h>

#include "lib/conf.h"
#include "lib/json.h"

/*
 * What a host asks for before it gives a repository away: from the sealed row to git, and nowhere
 * else. The runner opens it (login_open) and writes it into the pipe of the one child that is to
 * show it; the child puts it where its git reads it as configuration (login_fd), which is memory
 * without a name. It is on no command line, in no environment and on no disk, and git shows it to
 * that one host alone.
 */

/*
 * "login" of payload, as of job_login() in sql/api/credential.sql: its "sealed" becomes "password".
 * Nothing to do without. Errors: MUSTER_ERROR_INPUT when it was sealed with another key, those of
 * secret_key_load().
 */
gboolean login_open(const struct conf *conf, json_object *payload, GError **error);

/* A descriptor of git's configuration for it; 0: there is none, or no memory. */
int login_fd(json_object *params);

#endif

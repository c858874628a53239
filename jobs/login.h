/* SPDX-License-Identifier: MIT */
#ifndef JOBS_LOGIN_H
#define JOBS_LOGIN_H

#include <glib.h>

#include "lib/conf.h"
#include "lib/json.h"

/*
 * What a host asks for before it gives a repository away: from the sealed row to git or ssh, and
 * nowhere else. The runner opens it (login_open) and writes it into the pipe of the one child that
 * is to show it; the child puts it where its git reads it as configuration, or its ssh as files
 * (login_show), which is memory without a name. It is on no command line, in no environment and on
 * no disk, and git and ssh show it to that one host alone.
 */

/*
 * "login" of payload, as of job_login() in sql/api/credential.sql: its "sealed" becomes "password".
 * Nothing to do without. Errors: MUSTER_ERROR_INPUT when it was sealed with another key, those of
 * secret_key_load().
 */
gboolean login_open(const struct conf *conf, json_object *payload, GError **error);

/* Descriptors, 0 where there is none, or no memory. They live as long as the process. */
struct login {
	int git_fd;     /* git's configuration for it, for https */
	int key_fd;     /* a private key, for ssh */
	int hosts_fd;   /* what ssh knows as the keys of LOGIN_HOST, beside it */
	char user[101]; /* whom ssh is, where the address does not say; empty: as it pleases */
};

/* What ssh calls the host whose keys are in hosts_fd. */
#define LOGIN_HOST "pinned"

/* Of a job's params. */
void login_show(json_object *params, struct login *login);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef JOBS_MUSTER_SERVER_H
#define JOBS_MUSTER_SERVER_H

#include <glib.h>

#include "lib/conf.h"

/*
 * The second half of `muster`: the commands that need the database or the network. Nobody types
 * muster-server; `muster NAME` executes it for every command that it does not have itself.
 *
 * A command is a function like main(), a row in the table of jobs/muster_server.c, and a manual
 * page muster-NAME.1. It begins with server_start() and returns one of lib/exit.h:
 *
 *	int account_main(int argc, char **argv)
 *	{
 *		g_autofree char *role = NULL;
 *		const GOptionEntry entries[] = {
 *			{"role", 0, 0, G_OPTION_ARG_STRING, &role, "what they may do", "ROLE"},
 *			{NULL}};
 *		int exit_code;
 *		g_autoptr(conf) conf = server_start("account add EMAIL", entries, &argc, &argv,
 *&exit_code); if (conf == NULL) return exit_code;
 *		...				argv[1] is the first word that is no option
 *		if (!f(&error))
 *			return server_fail(error);
 */

/*
 * Reads the options (entries may be NULL; --conf FILE is added), the configuration and the log's
 * settings; argv[0] is the command's name. usage: what follows "muster ", for --help. NULL when the
 * command is over already, with the reason told on standard error and *exit_code set.
 */
struct conf *server_start(
	const char *usage, const GOptionEntry *entries, int *argc, char ***argv, int *exit_code);

/* Tells the error on standard error; the exit code for it: EXIT_USAGE or EXIT_OTHER. */
int server_fail(const GError *error);

/* The same for a mistake on the command line. */
int server_usage(const char *format, ...) G_GNUC_PRINTF(1, 2);

int backup_main(int argc, char **argv);
int conf_main(int argc, char **argv);
int credential_main(int argc, char **argv);
int demo_main(int argc, char **argv);
int doctor_main(int argc, char **argv);
int job_main(int argc, char **argv);
int key_main(int argc, char **argv);
int repo_main(int argc, char **argv);
int restore_main(int argc, char **argv);
int run_main(int argc, char **argv);
int schedule_main(int argc, char **argv);

#endif

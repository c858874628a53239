/* SPDX-License-Identifier: MIT */
#ifndef JOBS_ACCOUNT_H
#define JOBS_ACCOUNT_H

/*
 * Who may sign in, where, and with what: the commands of an administrator, who is whoever may act
 * as the schema's owner (see jobs/migrate.h).
 *
 *	muster account add|list|edit|remove|role|disable|enable|password|unlock [EMAIL [ROLE]]
 *	muster organization add|list|edit|remove [SLUG [NAME]]
 *	muster project add|list [SLUG [NAME]]
 *	muster token add|list|remove [EMAIL NAME | ID]
 *
 * Without --password-file a random password is made and printed, once: only its argon2id hash is
 * stored. A password never stands on the command line, where other people can read it. A token is
 * printed once too. What removes much says what first, and wants to be told --yes.
 */
int account_main(int argc, char **argv);
int organization_main(int argc, char **argv);
int project_main(int argc, char **argv);
int token_main(int argc, char **argv);

/* The slug that --organization named, or the one that quickstart makes. */
#define ORGANIZATION_DEFAULT "default"

#endif

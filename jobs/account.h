/* SPDX-License-Identifier: MIT */
#ifndef JOBS_ACCOUNT_H
#define JOBS_ACCOUNT_H

/*
 * The commands of an administrator on the command line, who is whoever may act as the schema's
 * owner (see jobs/migrate.h):
 *
 *	muster account add [--name NAME] [--organization SLUG] [--role ROLE] [--password-file FILE]
 *EMAIL muster account list muster account password [--password-file FILE] EMAIL muster account role
 *[--organization SLUG] EMAIL ROLE muster account disable|enable EMAIL muster organization add SLUG
 *[NAME] | list muster project add [--organization SLUG] SLUG [NAME] | list
 *
 * Without --password-file a random password is made and printed, once: only its argon2id hash is
 * stored. A password never stands on the command line, where other people can read it.
 */
int account_main(int argc, char **argv);
int organization_main(int argc, char **argv);
int project_main(int argc, char **argv);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef JOBS_MIGRATE_H
#define JOBS_MIGRATE_H

#include <glib.h>

#include "lib/conf.h"
#include "lib/db.h"

/*
 * `muster migrate`: brings the database to this program's version from any older one, or from
 * nothing. Safe to run at each start and twice at the same time.
 *
 *	muster migrate --backup /var/lib/muster/before.dump
 *
 * It sends the files of paths.sql in this order: setup.sql (roles, schema), then each file of
 * migration/ that the database has not had, in a transaction of its own, then in one transaction
 * reset.sql, all of api/ and grant.sql: programs that are running see all old functions or all new
 * ones. It also makes the master key when there is none. It refuses a database that has had a
 * migration this program does not know: going back needs the backup.
 *
 * The account that it signs in with is the one of database.url (or of the system): it needs to be
 * able to create roles, or database.roles has to be single. The other commands for administrators
 * sign in the same way, through migrate_open_owner().
 */
int migrate_main(int argc, char **argv);

/*
 * The parts of it, for a restore: roles, schema and the list of migrations, db acting as the owner
 * from then on; and all of it, with how many migrations were new.
 */
gboolean migrate_setup(const struct conf *conf, struct db *db, GError **error);
gboolean migrate_run(
	const struct conf *conf, struct db *db, const char *backup, guint *n_new, GError **error);

/*
 * A connection that acts as the owner of the schema. Errors: MUSTER_ERROR_MISSING when the
 * database was never migrated, _DENIED when this account is not the owner's.
 */
struct db *migrate_open_owner(const struct conf *conf, GError **error);

/* The same as server_fail(), with what the server said: these commands are an administrator's. */
int migrate_fail(const struct db *db, const GError *error);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef JOBS_BACKUP_H
#define JOBS_BACKUP_H

#include <glib.h>

#include "lib/json.h"

/*
 * One file with all that cannot be made again: a tar archive, mode 0600, of
 *
 *	manifest.json	what wrote it, when, where, the migrations of the database, and for each of
 *			the others its size and SHA-256
 *	muster.conf	the settings that differed from their defaults
 *	key		the master key
 *	issuers		the file that auth.openid_file names, when it names one
 *	database.dump	pg_dump's, of the schema muster
 *
 * Reports, clones and mirrors are not in it: audits and fetches bring them again.
 */
#define BACKUP_CONF "muster.conf"
#define BACKUP_KEY "key"
#define BACKUP_ISSUERS "issuers"
#define BACKUP_DUMP "database.dump"
#define BACKUP_FORMAT 1
#define BACKUP_KEY_MAX_BYTES 4096
#define BACKUP_ISSUERS_MAX_BYTES (1024 * 1024)

/* Packs the files of folder, with or without issuers, and the manifest, whose "files" is added here. */
gboolean backup_pack(const char *path, const char *folder, json_object *manifest, GError **error);

/*
 * Unpacks into folder, and compares all of it with the manifest, which is returned. Nothing but the
 * five names is accepted. Errors: MUSTER_ERROR_INPUT (no backup of ours, or damaged), _IO.
 */
json_object *backup_unpack(const char *path, const char *folder, GError **error);

/* A folder of our own, mode 0700, beside path (NULL: where temporary files go). */
char *backup_folder_make(const char *path, GError **error);

#endif

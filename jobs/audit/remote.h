/* SPDX-License-Identifier: MIT */
#ifndef MUSTER_JOBS_AUDIT_REMOTE_H
#define MUSTER_JOBS_AUDIT_REMOTE_H

#include <glib.h>

#include "lib/json.h"

/*
 * The remote side: which repositories should exist. Filled from a file, from the output of
 * `muster forge`, or row by row; then read by many threads (only the marks change, atomically).
 *
 * Three forms of file, told apart by the first character that is not white space ('[' or '{' is
 * JSON):
 *
 *	# a comment
 *	thing https://github.com/me/thing.git
 *	https://github.com/me/other.git
 *
 *	[{"name": "thing", "clone_url": "https://…", "archived": false, "fork": false}, "https://…"]
 *	{"owner": "me", "repos": [ … ]}
 *
 * In JSON `clone_url`, `url`, `html_url` and `ssh_url` are understood, the first one there wins.
 * A name alone (no white space, no '/' and no ':') is a repository whose address is not known.
 *
 * Caps: 64 MiB, 100 000 rows, names of 255 bytes. Nothing is fetched and no name becomes a path.
 */

struct audit_remote;
typedef struct audit_remote audit_remote;

struct audit_expected {
	const char *name;
	const char *url; /* "" when not known; never with a password in it */
	const char *key; /* remote_url_key(url), "" when not known */
	gboolean is_archived;
	gboolean is_fork;
	gint is_present; /* set by audit_remote_mark() */
};

struct audit_remote *audit_remote_new(void);
void audit_remote_free(struct audit_remote *remote);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(audit_remote, audit_remote_free)

/*
 * A second row with name and address of an earlier one is left out; one with the name alone is
 * called by its address ("example.org/group/thing"). Errors: MUSTER_ERROR_INPUT, _LIMIT.
 */
gboolean audit_remote_add(struct audit_remote *remote, const char *name, const char *url,
	gboolean is_archived, gboolean is_fork, GError **error);

/* Rows of a file's bytes; from names the file in errors, with its line. Errors: as add. */
gboolean audit_remote_parse(
	struct audit_remote *remote, const char *text, gsize len, const char *from, GError **error);
gboolean audit_remote_load(struct audit_remote *remote, const char *path, GError **error);

/* Takes away what the person does not want to be told of. */
void audit_remote_filter(struct audit_remote *remote, gboolean with_archived, gboolean with_forks);

/* The owner a JSON file or a forge names; "" when none does. */
const char *audit_remote_owner(const struct audit_remote *remote);

guint audit_remote_count(const struct audit_remote *remote);
const struct audit_expected *audit_remote_get(const struct audit_remote *remote, guint at);
const struct audit_expected *audit_remote_find_name(
	const struct audit_remote *remote, const char *name);
const struct audit_expected *audit_remote_find_key(
	const struct audit_remote *remote, const char *key);

/* A local repository of it was found. May be called from any thread. */
void audit_remote_mark(const struct audit_remote *remote, const struct audit_expected *expected);

/*
 * What two addresses of one repository have in common: host and path in small letters, without
 * scheme, user, port, leading '/', trailing '/' and ".git". scp's form is understood.
 *
 *	git@github.com:Me/Thing.git, https://token@github.com/me/thing/	"github.com/me/thing"
 *
 * Freed by the caller; "" for an address without a path.
 */
char *remote_url_key(const char *url);

/* The last part of the path as it is written, without ".git"; "" when there is none. */
char *remote_url_name(const char *url);

/* The address without user and password (a scp-like or ssh user stays: it is no secret). */
char *remote_url_strip(const char *url);

#endif

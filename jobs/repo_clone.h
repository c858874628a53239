/* SPDX-License-Identifier: MIT */
#ifndef JOBS_REPO_CLONE_H
#define JOBS_REPO_CLONE_H

#include <glib.h>

/*
 * Clones, by the git program: it knows protocol version 2, resumes of nothing, proxies and keys
 * better than any library. It gets an argument vector, an environment and a configuration that we
 * wrote, so neither the remote nor the person's own configuration makes it run anything: no hooks,
 * no filters, no credential helpers, no prompts, no submodules, no terminal.
 *
 * Accepted: https:// and ssh:// addresses and [user@]host:path; file:// and absolute paths only
 * when repo_url_is_local() was asked and the person named them. Never http, git or ext, never an
 * address with a password in it: it would be stored in the clone and shown in every report.
 *
 *	g_autofree char *name = repo_url_name(url, error);
 *	repo_clone(url, "/var/lib/muster/clones/default/name", 3600, error)
 */

/* Whether text is meant as an address, not as a folder. */
gboolean repo_url_is(const char *text);

/* Errors: MUSTER_ERROR_INPUT with what is wrong with it. */
gboolean repo_url_check(const char *url, GError **error);

/*
 * What its clone is called: the last part without ".git", with only letters, digits, '.', '_' and
 * '-'. Freed by the caller. Errors: MUSTER_ERROR_INPUT when nothing is left.
 */
char *repo_url_name(const char *url, GError **error);

/*
 * Into folder, which must not exist; it appears whole or not at all. Errors: MUSTER_ERROR_REMOTE
 * with git's last line or when the time was over, _BUSY when somebody else is cloning it, _IO.
 */
gboolean repo_clone(const char *url, const char *folder, guint timeout_s, GError **error);

/*
 * The same without a working tree, with every ref of the remote: for a scan of its history. stop:
 * ends git when it is not 0, MUSTER_ERROR_BUSY; may be NULL.
 */
gboolean repo_clone_mirror(
	const char *url, const char *folder, guint timeout_s, const gint *stop, GError **error);

/* Where an address leads, asked once: what a name server says later is another matter. */
struct repo_peer {
	char *host; /* without brackets */
	char *port;
	char **addresses;          /* numeric, the best first, at least one */
	const struct login *login; /* of jobs/login.h, borrowed; NULL: nothing is shown */
};
typedef struct repo_peer repo_peer;

void repo_peer_clear(struct repo_peer *peer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(repo_peer, repo_peer_clear)

/*
 * For a process that does nothing else: from now on SIGTERM ends the git that one of the functions
 * below has started, which removes what it has half of, and these fail with MUSTER_ERROR_BUSY.
 */
void repo_clone_heed_end(void);

/*
 * The same for an address that came over the network: no file, no redirect, and no other host than
 * peer says. ssh is told where to go and knows the host's key, by the name and port of url, or
 * fails; what its configuration says of a name's address or port does not count. With a key of the
 * login it shows that one alone, to who has one of the login's host keys, and reads no
 * configuration.
 */
gboolean repo_clone_foreign(const char *url, const char *folder, const struct repo_peer *peer,
	guint timeout_s, GError **error);

/*
 * The same without a working tree and with every ref; one that is there is brought up to date, its
 * HEAD as well.
 */
gboolean repo_mirror_foreign(const char *url, const char *folder, const struct repo_peer *peer,
	guint timeout_s, GError **error);

/* Brings the clone's remote branches up to date, in the same way. Nothing else of it changes. */
gboolean repo_fetch_foreign(const char *url, const char *folder, const struct repo_peer *peer,
	guint timeout_s, GError **error);

/*
 * Its branch and files follow what was fetched, when nobody did anything else there. Errors:
 * MUSTER_ERROR_REMOTE with git's reason.
 */
gboolean repo_forward(const char *folder, guint timeout_s, GError **error);

/*
 * Puts what lies in many packs and files into one, without what no ref leads to any more. Errors:
 * MUSTER_ERROR_REMOTE with git's reason.
 */
gboolean repo_repack(const char *folder, guint timeout_s, GError **error);

/* The folder that url's clone has or will have below clones; *is_there when it has. */
char *repo_clone_place(const char *clones, const char *url, gboolean *is_there, GError **error);

/* The address a clone came from, or NULL. Freed by the caller. */
char *repo_clone_origin(const char *folder);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef JOBS_FORGE_H
#define JOBS_FORGE_H

#include <glib.h>

#include "lib/json.h"

/*
 * Asking a forge which repositories an owner has: GitHub, GitLab or Gitea (Forgejo, Codeberg), all
 * pages, by the wire format each documents (requests, Link header, names of members).
 *
 *	struct forge_request request = {.forge = "github:me", .token = token};
 *	g_autoptr(json_object) list = forge_list(&request, error);
 *
 * gives {"owner": "me", "repos": [{"name", "clone_url", "archived", "fork"}, …]}, in the forge's
 * order. The token goes to the forge's own origin alone. Caps: 1 000 pages, 100 000 repositories.
 */

struct forge_request {
	const char *forge;  /* github:OWNER, gitlab:GROUP or gitea:OWNER */
	const char *base;   /* NULL: the public one; given: private addresses are allowed */
	gboolean is_public; /* nor then: somebody else named it */
	const char *token;  /* NULL: only what is public */
	gboolean with_archived, with_forks;
};

/*
 * Errors: MUSTER_ERROR_INPUT (no such kind, a bad name), _AUTH (the token is refused), _MISSING (no
 * such owner), _LIMIT (asked too often, too many), _REMOTE, and those of http_get().
 */
json_object *forge_list(const struct forge_request *request, GError **error);

int forge_main(int argc, char **argv);

#endif

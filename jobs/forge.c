/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/forge.h"

#include <stdio.h>
#include <string.h>

#include "jobs/muster_server.h"
#include "lib/error.h"
#include "lib/exit.h"
#include "lib/file.h"
#include "lib/http.h"

#define PAGES_MAX 1000
#define ROWS_MAX 100000
#define TOKEN_MAX_BYTES 4096
#define OWNER_MAX_BYTES 255

static const struct json_limits page_limits = {HTTP_BODY_MAX_BYTES, 32, 1000};

/* What differs between forges. %s of a path is the owner, escaped. */
struct forge {
	const char *name;
	const char *base;
	const char *api;    /* put behind the base, unless it is there */
	const char *accept; /* the header Accept */
	const char *auth;   /* the header before the token */
	const char *self;   /* who is the token's? */
	const char *self_name;
	const char *self_repos; /* the token's own, private ones too */
	const char *repos[2];   /* tried in this order: not found leads to the next */
	const char *name_key, *url_key;
	const char *fork_key; /* a flag, or an object that is there only for forks */
};

/* clang-format off */
static const struct forge forges[] = {
	{ .name = "github", .base = "https://api.github.com", .api = "",
	  .accept = "Accept: application/vnd.github+json", .auth = "Authorization: Bearer ",
	  .self = "/user", .self_name = "login",
	  .self_repos = "/user/repos?affiliation=owner&per_page=100",
	  .repos = { "/orgs/%s/repos?type=all&per_page=100", "/users/%s/repos?per_page=100" },
	  .name_key = "name", .url_key = "clone_url", .fork_key = "fork" },
	{ .name = "gitlab", .base = "https://gitlab.com", .api = "/api/v4",
	  .accept = "Accept: application/json", .auth = "Authorization: Bearer ",
	  .repos = { "/groups/%s/projects?include_subgroups=true&with_shared=false&per_page=100",
		     "/users/%s/projects?per_page=100" },
	  .name_key = "path", .url_key = "http_url_to_repo", .fork_key = "forked_from_project" },
	{ .name = "gitea", .base = "https://gitea.com", .api = "/api/v1",
	  .accept = "Accept: application/json", .auth = "Authorization: token ",
	  .repos = { "/orgs/%s/repos?limit=50", "/users/%s/repos?limit=50" },
	  .name_key = "name", .url_key = "clone_url", .fork_key = "fork" },
};
/* clang-format on */

struct asking {
	const struct forge_request *request;
	const struct forge *forge;
	const char *owner;
	char *base, *origin;
	char *auth; /* whole header; NULL without a token */
	struct http_client *client;
	json_object *repos;
};

static void asking_clear(struct asking *asking)
{
	g_free(asking->base);
	g_free(asking->origin);
	g_free(asking->auth);
	http_client_free(asking->client);
	json_object_put(asking->repos);
}

/* What a status other than 200 means, with what to do next. */
static void status_error(
	const struct asking *asking, const struct http_response *response, GError **error)
{
	const char *left = http_response_header(response, "x-ratelimit-remaining");
	const char *forge = asking->origin;
	gboolean has_token = asking->auth != NULL;

	if (response->status == 429 ||
		(response->status == 403 && left != NULL && !strcmp(left, "0")))
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"%s wants to be asked less often%s", forge,
			has_token ? "; try again later"
				  : "; a token in MUSTER_FORGE_TOKEN raises the limit");
	else if (response->status == 401 || response->status == 403)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_AUTH, "%s refuses %s (status %ld)",
			forge,
			has_token ? "the token" : "to tell without a token; set MUSTER_FORGE_TOKEN",
			response->status);
	else if (response->status == 404)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "%s knows no owner '%s'%s",
			forge, asking->owner,
			has_token ? "" : ", or does not show it without a token");
	else
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE, "%s answers with status %ld",
			forge, response->status);
}

/* What is wrong with an answer is the other side's fault, not the person's. */
static void blame_forge(const struct asking *asking, const char *what, GError **error)
{
	if (error == NULL || *error == NULL)
		return;
	(*error)->code = MUSTER_ERROR_REMOTE;
	g_prefix_error(error, "%s answers with %s: ", asking->origin, what);
}

/* The document at url; *status is set for any answer. NULL and no error: status is not 200. */
static json_object *page_get(
	struct asking *asking, const char *url, struct http_response *response, GError **error)
{
	const char *headers[] = {asking->forge->accept, asking->auth, NULL};

	if (!http_get(asking->client, url, headers, response, error) || response->status != 200)
		return NULL;
	json_object *page =
		json_parse(response->body->str, response->body->len, &page_limits, error);
	if (page == NULL)
		blame_forge(asking, "something that is not JSON", error);
	return page;
}

static gboolean flag_get(json_object *row, const char *key)
{
	json_object *value;

	if (!json_object_object_get_ex(row, key, &value) || value == NULL)
		return FALSE;
	return json_object_is_type(value, json_type_object) || json_object_get_boolean(value);
}

static gboolean row_add(struct asking *asking, json_object *row, GError **error)
{
	const struct forge *forge = asking->forge;
	const char *name = json_get_text(row, forge->name_key, error);
	const char *url = name != NULL ? json_get_text(row, forge->url_key, error) : NULL;
	gboolean is_archived = flag_get(row, "archived");
	gboolean is_fork = flag_get(row, forge->fork_key);

	if (url == NULL) {
		blame_forge(asking, "a repository that lacks something", error);
		return FALSE;
	}
	if ((is_archived && !asking->request->with_archived) ||
		(is_fork && !asking->request->with_forks))
		return TRUE;
	if (json_object_array_length(asking->repos) >= ROWS_MAX) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
			"%s lists more than %d repositories", asking->origin, ROWS_MAX);
		return FALSE;
	}
	json_object *item = json_object_new_object();
	json_object_object_add(item, "name", json_object_new_string(name));
	json_object_object_add(item, "clone_url", json_object_new_string(url));
	json_object_object_add(item, "archived", json_object_new_boolean(is_archived));
	json_object_object_add(item, "fork", json_object_new_boolean(is_fork));
	json_object_array_add(asking->repos, item);
	return TRUE;
}

/* The next page's address, on the forge's own origin or an error. */
static gboolean next_get(struct asking *asking, const struct http_response *response,
	const char *at, char **next, GError **error)
{
	g_autofree char *link = http_link_next(http_response_header(response, "link"));

	*next = NULL;
	if (link == NULL)
		return TRUE;
	g_autofree char *url = g_uri_resolve_relative(at, link, G_URI_FLAGS_NONE, NULL);
	g_autofree char *origin = url != NULL ? http_origin(url) : NULL;
	if (origin == NULL || strcmp(origin, asking->origin) != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE,
			"%s says that its next page is somewhere else", asking->origin);
		return FALSE;
	}
	*next = g_steal_pointer(&url);
	return TRUE;
}

/* All pages from path on. *is_missing: the first one is not found, which is no error yet. */
static gboolean pages_get(
	struct asking *asking, const char *path, gboolean *is_missing, GError **error)
{
	g_autofree char *url = g_strconcat(asking->base, path, NULL);

	for (int pages = 0; url != NULL; pages++) {
		g_auto(http_response) response = {0};
		g_autoptr(GError) failed = NULL;
		char *next = NULL;
		if (pages >= PAGES_MAX) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_LIMIT,
				"%s has more than %d pages", asking->origin, PAGES_MAX);
			return FALSE;
		}
		g_autoptr(json_object) page = page_get(asking, url, &response, &failed);
		if (failed != NULL) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
		*is_missing = pages == 0 && response.status == 404;
		if (*is_missing)
			return TRUE;
		if (page == NULL) {
			status_error(asking, &response, error);
			return FALSE;
		}
		if (!json_object_is_type(page, json_type_array)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE,
				"%s answers with something that is no list", asking->origin);
			return FALSE;
		}
		for (gsize i = 0; i < json_object_array_length(page); i++)
			if (!row_add(asking, json_object_array_get_idx(page, i), error))
				return FALSE;
		if (!next_get(asking, &response, url, &next, error))
			return FALSE;
		g_free(url);
		url = next;
	}
	return TRUE;
}

/* Is the owner the person whose token it is? Only then are private ones in another list. */
static gboolean is_self(struct asking *asking, gboolean *is_own, GError **error)
{
	g_auto(http_response) response = {0};
	g_autoptr(GError) failed = NULL;

	*is_own = FALSE;
	if (asking->forge->self == NULL || asking->auth == NULL)
		return TRUE;
	g_autofree char *url = g_strconcat(asking->base, asking->forge->self, NULL);
	g_autoptr(json_object) self = page_get(asking, url, &response, &failed);
	if (failed != NULL) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	if (response.status == 401) {
		status_error(asking, &response, error);
		return FALSE;
	}
	/* A token of an application has no person: then the public lists must do. */
	const char *name =
		self != NULL ? json_get_text(self, asking->forge->self_name, NULL) : NULL;
	*is_own = name != NULL && !g_ascii_strcasecmp(name, asking->owner);
	return TRUE;
}

static gboolean ask(struct asking *asking, GError **error)
{
	g_autofree char *owner = g_uri_escape_string(asking->owner, NULL, FALSE);
	gboolean is_own, is_missing = TRUE;

	if (!is_self(asking, &is_own, error))
		return FALSE;
	if (is_own)
		return pages_get(asking, asking->forge->self_repos, &is_missing, error);
	for (gsize i = 0; i < G_N_ELEMENTS(asking->forge->repos) && is_missing; i++) {
		g_auto(GStrv) parts = g_strsplit(asking->forge->repos[i], "%s", 2);
		g_autofree char *path = g_strjoinv(owner, parts);
		if (!pages_get(asking, path, &is_missing, error))
			return FALSE;
	}
	if (is_missing) {
		struct http_response none = {.status = 404, .headers = NULL};
		none.headers = g_hash_table_new(g_str_hash, g_str_equal);
		status_error(asking, &none, error);
		g_hash_table_unref(none.headers);
	}
	return !is_missing;
}

static gboolean owner_is_valid(const char *owner, gboolean with_slash)
{
	if (*owner == '\0' || strlen(owner) > OWNER_MAX_BYTES || *owner == '/' || *owner == '.')
		return FALSE;
	for (const char *at = owner; *at != '\0'; at++)
		if (!g_ascii_isalnum(*at) && strchr("._-", *at) == NULL &&
			!(with_slash && *at == '/'))
			return FALSE;
	return TRUE;
}

/* The API's address: "https://git.example.org/" becomes "https://git.example.org/api/v1". */
static char *base_get(const struct forge *forge, const char *given)
{
	g_autofree char *base = g_strdup(given != NULL ? given : forge->base);
	gsize len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		base[--len] = '\0';
	if (g_str_has_suffix(base, forge->api))
		return g_steal_pointer(&base);
	return g_strconcat(base, forge->api, NULL);
}

json_object *forge_list(const struct forge_request *request, GError **error)
{
	struct asking asking = {.request = request};
	const char *colon = strchr(request->forge, ':');
	json_object *list = NULL;

	for (gsize i = 0; colon != NULL && i < G_N_ELEMENTS(forges); i++)
		if (strlen(forges[i].name) == (gsize)(colon - request->forge) &&
			g_str_has_prefix(request->forge, forges[i].name))
			asking.forge = &forges[i];
	if (asking.forge == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"a forge is github:OWNER, gitlab:GROUP or gitea:OWNER");
		return NULL;
	}
	asking.owner = colon + 1;
	if (!owner_is_valid(asking.owner, !strcmp(asking.forge->name, "gitlab"))) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"an owner is named by letters, digits and '.', '_', '-'");
		return NULL;
	}
	asking.base = base_get(asking.forge, request->base);
	asking.origin = http_origin(asking.base);
	if (asking.origin == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"the forge's address begins with https:// or http://");
		asking_clear(&asking);
		return NULL;
	}
	if (request->token != NULL)
		asking.auth = g_strconcat(asking.forge->auth, request->token, NULL);
	asking.client = http_client_new(request->base != NULL && !request->is_public);
	asking.repos = json_object_new_array();
	if (ask(&asking, error)) {
		list = json_object_new_object();
		json_object_object_add(list, "owner", json_object_new_string(asking.owner));
		json_object_object_add(list, "repos", json_object_get(asking.repos));
	}
	asking_clear(&asking);
	return list;
}

/* From the file or the environment; NULL without an error: there is none. */
static char *token_load(const char *file, GError **error)
{
	g_autofree char *token = NULL;
	gsize len;

	if (file == NULL) {
		token = g_strdup(g_getenv("MUSTER_FORGE_TOKEN"));
	} else if (!file_read(file, TOKEN_MAX_BYTES, &token, &len, error)) {
		g_prefix_error(error, "the token's file: ");
		return NULL;
	}
	if (token == NULL || *g_strstrip(token) == '\0')
		return NULL;
	for (const char *at = token; *at != '\0'; at++)
		if (!g_ascii_isgraph(*at)) {
			g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
				"the token holds a space or a character that no token has");
			return NULL;
		}
	return g_steal_pointer(&token);
}

int forge_main(int argc, char **argv)
{
	g_autofree char *base = NULL, *token_file = NULL;
	struct forge_request request = {.forge = NULL};
	/* clang-format off */
	const GOptionEntry entries[] = {
		{ "forge-url", 0, 0, G_OPTION_ARG_STRING, &base,
		  "the forge's own address, where it is not the public one", "BASE" },
		{ "token-file", 0, 0, G_OPTION_ARG_FILENAME, &token_file,
		  "file with the token; else MUSTER_FORGE_TOKEN", "FILE" },
		{ "archived", 0, 0, G_OPTION_ARG_NONE, &request.with_archived,
		  "archived repositories too", NULL },
		{ "forks", 0, 0, G_OPTION_ARG_NONE, &request.with_forks, "forks too", NULL },
		{ "public", 0, 0, G_OPTION_ARG_NONE, &request.is_public,
		  "no address of a private network, even if --forge-url says so", NULL },
		G_OPTION_ENTRY_NULL };
	/* clang-format on */
	g_autoptr(GError) error = NULL;
	int exit_code;
	g_autoptr(conf) conf = server_start(
		"forge github:OWNER|gitlab:GROUP|gitea:OWNER", entries, &argc, &argv, &exit_code);

	if (conf == NULL)
		return exit_code;
	if (argc != 2)
		return server_usage("give one github:OWNER, gitlab:GROUP or gitea:OWNER");
	g_autofree char *token = token_load(token_file, &error);
	if (error != NULL)
		return server_fail(error);
	request.forge = argv[1];
	request.base = base;
	request.token = token;
	g_autoptr(json_object) list = forge_list(&request, &error);
	if (list == NULL)
		return server_fail(error);
	printf("%s\n", json_object_to_json_string_ext(
			       list, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	return fflush(stdout) == 0 ? EXIT_FINE : EXIT_OTHER;
}

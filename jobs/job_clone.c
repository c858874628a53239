/* SPDX-License-Identifier: MIT */
#include "config.h"
#include "jobs/job_kinds.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "jobs/repo_clone.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/quote.h"
#include "lib/report.h"

/*
 * Job kind clone. Payload: {"organization": slug, "organization_id": uuid, "project": slug, "url":
 * address, "private": whether a private network is all right}. The clone lies in
 * STATE/clones/<organization>, which becomes the root "clones" of this host and is audited like any
 * other.
 */
#define TIMEOUT_S (55 * 60)

static void text_add(json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

gboolean job_clone_prepare(const struct conf *conf, json_object *payload, GError **error)
{
	const char *organization = json_get_text(payload, "organization", error);
	char real[PATH_MAX];

	if (organization == NULL)
		return FALSE;
	if (!report_slug_is_valid(organization)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "this names no organization");
		return FALSE;
	}
	g_autofree char *clones =
		g_build_filename(conf_get(conf, "paths.state"), "clones", organization, NULL);
	if (!file_make_folder(clones, error))
		return FALSE;
	if (realpath(clones, real) == NULL) {
		g_set_error(
			error, MUSTER_ERROR, MUSTER_ERROR_IO, "%s: %s", clones, g_strerror(errno));
		return FALSE;
	}
	g_autofree char *quoted = quote_format(real);
	text_add(payload, "clones", quoted);
	text_add(payload, "host", conf_get(conf, "server.host"));
	return TRUE;
}

/* The folder of clones, and what ssh knows of hosts and keys. */
void job_clone_confine(json_object *params, struct sandbox *sandbox)
{
	const char *quoted = json_get_text(params, "clones", NULL);
	g_autofree char *clones = quoted != NULL ? quote_parse(quoted) : NULL;
	g_autofree char *ssh = g_build_filename(g_get_home_dir(), ".ssh", NULL);

	sandbox_add_write(sandbox, clones);
	sandbox_add_read(sandbox, ssh);
	sandbox_add_read(sandbox, g_getenv("SSL_CERT_FILE"));
}

/* Host and port of an address that repo_url_check() passes; the port is git's default without. */
static gboolean host_parse(const char *url, char **host, char **port)
{
	g_autoptr(GRegex) scheme = g_regex_new(
		"^(https|ssh)://(?:[^/@]*@)?(\\[[^]/]+\\]|[^/:]+)(?::([0-9]+))?/", 0, 0, NULL);
	g_autoptr(GRegex) scp = g_regex_new("^(?:[^/:@]+@)?([^/:@]+):", 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL, other = NULL;

	if (g_regex_match(scheme, url, 0, &match)) {
		g_autofree char *name = g_match_info_fetch(match, 2);
		g_autofree char *number = g_match_info_fetch(match, 3);
		/* An address of version 6 stands in brackets. */
		*host = *name == '[' ? g_strndup(name + 1, strlen(name) - 2) : g_strdup(name);
		*port = number != NULL && *number != '\0' ? g_strdup(number)
			: g_str_has_prefix(url, "https")  ? g_strdup("443")
							  : g_strdup("22");
		return TRUE;
	}
	if (!g_regex_match(scp, url, 0, &other))
		return FALSE;
	*host = g_match_info_fetch(other, 1);
	*port = g_strdup("22");
	return TRUE;
}

/* Whom url leads to, all of its addresses public unless a private network is all right. */
static gboolean peer_find(
	const char *url, gboolean with_private, struct repo_peer *peer, GError **error)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	g_autoptr(GStrvBuilder) addresses = g_strv_builder_new();
	struct addrinfo *found = NULL;
	gboolean ok = TRUE;

	if (!host_parse(url, &peer->host, &peer->port)) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "the address names no host");
		return FALSE;
	}
	int code = getaddrinfo(peer->host, peer->port, &hints, &found);
	if (code != 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE, "%s: %s", peer->host,
			gai_strerror(code));
		return FALSE;
	}
	for (const struct addrinfo *at = found; at != NULL && ok; at = at->ai_next) {
		char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
		ok = (with_private || !http_address_is_private(at->ai_addr)) &&
		     getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof(text), NULL, 0,
			     NI_NUMERICHOST) == 0;
		if (ok)
			g_strv_builder_add(addresses, text);
	}
	freeaddrinfo(found);
	if (!ok)
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT,
			"%s leads into a private network", peer->host);
	peer->addresses = g_strv_builder_end(addresses);
	return ok;
}

static gboolean flag_get(json_object *params, const char *name)
{
	json_object *flag = json_get(params, name, json_type_boolean, NULL);
	return flag != NULL && json_object_get_boolean(flag);
}

static gboolean clone_make(
	const char *url, const char *folder, gboolean with_private, GError **error)
{
	g_auto(repo_peer) peer = {0};

	return repo_url_check(url, error) && peer_find(url, with_private, &peer, error) &&
	       repo_clone_foreign(url, folder, &peer, TIMEOUT_S, error);
}

char *job_clone_run(struct job_child *child, json_object *params, GError **error)
{
	const char *url = json_get_text(params, "url", error);
	const char *quoted = url != NULL ? json_get_text(params, "clones", error) : NULL;
	gboolean is_there;

	if (quoted == NULL)
		return NULL;
	g_autofree char *clones = quote_parse(quoted);
	g_autofree char *folder = repo_clone_place(clones, url, &is_there, error);
	if (folder == NULL)
		return NULL;
	job_child_progress(child, 0, "cloning");
	if (!is_there && !clone_make(url, folder, flag_get(params, "private"), error)) {
		g_prefix_error(error, "it cannot be cloned: ");
		return NULL;
	}
	g_autofree char *name = g_path_get_basename(folder);
	g_autoptr(json_object) result = json_object_new_object();
	text_add(result, "name", name);
	return g_strdup(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
}

/* The lease is asked for first and in the same statement: CASE evaluates in order. */
static const char record_sql[] =
	"select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
	" then muster.job_complete($1::bigint, $2::uuid,"
	" muster.root_add($4, $5, $6, 'clones', $7) || $8::jsonb) else false end";

gboolean job_clone_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	static const char *const names[] = {"organization", "host", "clones", "project"};
	gsize len;
	const char *text = g_bytes_get_data(result, &len);

	record->sql = record_sql;
	for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *value = json_get_text(payload, names[i], error);
		if (value == NULL)
			return FALSE;
		record->params[record->n_params++] = g_strdup(value);
	}
	record->params[record->n_params++] = g_strndup(text, len);
	return TRUE;
}

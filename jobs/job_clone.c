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
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/login.h"
#include "jobs/place.h"
#include "jobs/repo_clone.h"
#include "jobs/repo_tidy.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/http.h"
#include "lib/quote.h"
#include "lib/report.h"

/*
 * Job kind clone. Payload: {"organization": slug, "organization_id": uuid, "project": slug, "url":
 * address, "private": whether a private network is all right}. The clone lies in
 * STATE/clones/<organization>, which becomes the root "clones" of this host and is audited like any
 * other. One that a watched folder misses is put there: {"root_path", "path", "url", "private", …},
 * as remediation_queue() makes it.
 *
 * Job kind fetch: {"organization", "path", "private", …}, as fetch_add() makes it, of a clone below
 * that folder. Where from, its own settings say, which we wrote. Or of a mirror in a folder of its
 * own: {"organization_id", "repo_id", "mirror": true, "url", "private", …}.
 */
/* Before the job is told to end: git says more of why. */
#define TIMEOUT_S (54 * 60)
#define LOCK_WAIT_MS 10000
/*
 * More than these a mirror does not have for long: of 256 folders for single objects. What it is
 * fetched in leaves the time for it.
 */
#define PACKS_MAX 20
#define LOOSE_FOLDERS_MAX 128
#define REPACK_TIMEOUT_S (9 * 60)

/* Made before the sandbox, where nothing in memory is made any more; 0: there is none. */
static struct login shown;

static void text_add(json_object *object, const char *name, const char *text)
{
	json_object_object_add(object, name, json_object_new_string(text));
}

static gboolean flag_get(json_object *params, const char *name)
{
	json_object *flag = json_get(params, name, json_type_boolean, NULL);
	return flag != NULL && json_object_get_boolean(flag);
}

static gboolean is_missing_one(json_object *params)
{
	return json_get_text(params, "root_path", NULL) != NULL;
}

gboolean job_clone_prepare(const struct conf *conf, json_object *payload, GError **error)
{
	if (!login_open(conf, payload, error))
		return FALSE;
	if (is_missing_one(payload))
		return TRUE;
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

/* Where the one that is missing is to lie. *path is freed by the caller. */
static gboolean place_get(json_object *params, struct place *place, char **path, GError **error)
{
	const char *quoted = json_get_text(params, "path", error);

	if (quoted == NULL)
		return FALSE;
	g_autofree char *root = quote_parse(json_get_text(params, "root_path", NULL));
	*path = quote_parse(quoted);
	if (!place_open(place, root, *path, error))
		return FALSE;
	if (place->name != NULL)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "it is the watched folder itself");
	return FALSE;
}

/* What ssh knows of hosts and keys, for who asks by ssh: those are this server's. */
static void keys_add(struct sandbox *sandbox, const char *url)
{
	g_autofree char *ssh = g_build_filename(g_get_home_dir(), ".ssh", NULL);

	/* Who has a key for this host shows no other. */
	if (url != NULL && !g_str_has_prefix(url, "https://") && shown.key_fd == 0)
		sandbox_add_read(sandbox, ssh);
}

/* The folder of clones. */
void job_clone_confine(json_object *params, struct sandbox *sandbox)
{
	const char *quoted = json_get_text(params, "clones", NULL);
	g_autofree char *clones = quoted != NULL ? quote_parse(quoted) : NULL;
	g_autofree char *path = NULL;
	struct place place;

	login_show(params, &shown);
	/* The very folder that was found: its descriptor lives as long as this process. */
	if (is_missing_one(params) && place_get(params, &place, &path, NULL)) {
		g_free(clones);
		clones = g_strdup_printf("/proc/self/fd/%d", place.parent_fd);
		g_free(place.name);
	}
	sandbox_add_tree(sandbox, clones);
	keys_add(sandbox, json_get_text(params, "url", NULL));
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

static gboolean clone_make(
	const char *url, const char *folder, gboolean with_private, GError **error)
{
	g_auto(repo_peer) peer = {.login = &shown};

	return repo_url_check(url, error) && peer_find(url, with_private, &peer, error) &&
	       repo_clone_foreign(url, folder, &peer, TIMEOUT_S, error);
}

/* Where it lies, or will lie; NULL: that cannot be said. */
static char *added_clone(json_object *params, const char *url, gboolean *is_there, GError **error)
{
	const char *quoted = json_get_text(params, "clones", error);

	if (quoted == NULL)
		return NULL;
	g_autofree char *clones = quote_parse(quoted);
	return repo_clone_place(clones, url, is_there, error);
}

static char *missing_clone(json_object *params, const char *url, gboolean *is_there, GError **error)
{
	g_auto(place) place = {0};
	g_autofree char *path = NULL;

	if (!place_get(params, &place, &path, error))
		return NULL;
	/* It may be read by whom the folder that it comes to lie in may be read by. */
	struct stat st;
	if (fstat(place.parent_fd, &st) == 0)
		umask(~st.st_mode & 077);
	g_autofree char *origin = repo_clone_origin(path);
	*is_there = !g_strcmp0(origin, url);
	/* An empty folder would be replaced; anything else is somebody's. */
	if (*is_there || place.fd < 0)
		return g_steal_pointer(&path);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "something else lies there by now");
	return NULL;
}

char *job_clone_run(struct job_child *child, json_object *params, GError **error)
{
	const char *url = json_get_text(params, "url", error);
	gboolean is_there;

	if (url == NULL)
		return NULL;
	g_autofree char *folder = is_missing_one(params)
					  ? missing_clone(params, url, &is_there, error)
					  : added_clone(params, url, &is_there, error);
	if (folder == NULL)
		return NULL;
	job_child_progress(child, 0, "cloning");
	repo_clone_heed_end();
	if (!is_there && !clone_make(url, folder, flag_get(params, "private"), error)) {
		g_prefix_error(error, "it cannot be cloned: ");
		return NULL;
	}
	g_autofree char *name = g_path_get_basename(folder);
	g_autofree char *shown = quote_format(name);
	g_autofree char *line = g_strdup_printf("Cloned %s.", url);
	g_autoptr(json_object) result = json_object_new_object();
	text_add(result, "name", shown);
	text_add(result, "message", line);
	job_child_log(child, line);
	return g_strdup(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
}

char *job_mirror_folder(const struct conf *conf, json_object *payload, GError **error)
{
	const char *organization = json_get_text(payload, "organization_id", error);
	const char *repo = organization != NULL ? json_get_text(payload, "repo_id", error) : NULL;

	if (repo == NULL)
		return NULL;
	if (g_uuid_string_is_valid(organization) && g_uuid_string_is_valid(repo))
		return g_build_filename(
			conf_get(conf, "paths.state"), "mirrors", organization, repo, NULL);
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "this names no repository");
	return NULL;
}

gboolean job_fetch_prepare(const struct conf *conf, json_object *payload, GError **error)
{
	if (!flag_get(payload, "mirror"))
		return job_clone_prepare(conf, payload, error);
	g_autofree char *folder = job_mirror_folder(conf, payload, error);
	if (folder == NULL || !file_make_folder(folder, error))
		return FALSE;
	g_autofree char *quoted = quote_format(folder);
	text_add(payload, "folder", quoted);
	return login_open(conf, payload, error);
}

static char *mirror_folder(json_object *params, GError **error)
{
	const char *quoted = json_get_text(params, "folder", error);
	return quoted != NULL ? quote_parse(quoted) : NULL;
}

static gboolean fetched_open(json_object *params, struct place *place, char **path, GError **error)
{
	const char *clones_quoted = json_get_text(params, "clones", error);
	const char *quoted = clones_quoted != NULL ? json_get_text(params, "path", error) : NULL;

	if (quoted == NULL)
		return FALSE;
	g_autofree char *clones = quote_parse(clones_quoted);
	*path = quote_parse(quoted);
	if (!place_open(place, clones, *path, error))
		return FALSE;
	if (place->name != NULL && place->fd >= 0)
		return TRUE;
	g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_MISSING, "the clone is not there any more");
	return FALSE;
}

void job_fetch_confine(json_object *params, struct sandbox *sandbox)
{
	g_autofree char *path = NULL;
	struct place place;

	login_show(params, &shown);
	if (flag_get(params, "mirror")) {
		g_autofree char *folder = mirror_folder(params, NULL);
		sandbox_add_tree(sandbox, folder);
		keys_add(sandbox, json_get_text(params, "url", NULL));
	} else if (fetched_open(params, &place, &path, NULL)) {
		g_autofree char *folder = g_strdup_printf("/proc/self/fd/%d", place.fd);
		g_autofree char *url = repo_clone_origin(path);
		sandbox_add_tree(sandbox, folder);
		keys_add(sandbox, url);
		g_free(place.name);
	}
	sandbox_add_read(sandbox, g_getenv("SSL_CERT_FILE"));
}

/* What one that was killed left behind: nobody else works here. */
static void parts_remove(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		if (strcmp(name, JOB_MIRROR_NAME) != 0)
			file_remove_folder(path);
	}
}

static gboolean mirror_make(
	const char *url, const char *path, gboolean with_private, GError **error)
{
	g_auto(repo_peer) peer = {.login = &shown};

	if (!repo_url_check(url, error) || !peer_find(url, with_private, &peer, error))
		return FALSE;
	/* The keys of this server are for its administrator, who was not asked. */
	if (!g_str_has_prefix(url, "https://") && shown.key_fd == 0) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_REMOTE,
			"%s wants a key, and no credential is kept for it", peer.host);
		return FALSE;
	}
	return repo_mirror_foreign(url, path, &peer, TIMEOUT_S - REPACK_TIMEOUT_S, error);
}

/* On the disk; what cannot be read is not counted, and what is linked to is none of it. */
static gint64 folder_size(const char *folder)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;
	gint64 size = 0;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		struct stat st;
		if (lstat(path, &st) != 0)
			continue;
		/* POSIX leaves the unit open; Linux has 512 whatever the file system. */
		size += (gint64)st.st_blocks * 512;
		if (S_ISDIR(st.st_mode))
			size += folder_size(path);
	}
	return size;
}

static guint entries_count(const char *folder, const char *pattern)
{
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	const char *name;
	guint n = 0;

	while (dir != NULL && (name = g_dir_read_name(dir)) != NULL)
		n += g_pattern_match_simple(pattern, name);
	return n;
}

/* Each fetch adds to it, and what was thrown away upstream stays readable until then. */
static void mirror_repack(struct job_child *child, const char *path)
{
	g_autofree char *objects = g_build_filename(path, "objects", NULL);
	g_autofree char *packs = g_build_filename(objects, "pack", NULL);
	g_autoptr(GError) error = NULL;

	if (entries_count(packs, "*.pack") <= PACKS_MAX &&
		entries_count(objects, "??") <= LOOSE_FOLDERS_MAX)
		return;
	if (!repo_repack(path, REPACK_TIMEOUT_S, &error)) {
		g_autofree char *line =
			g_strdup_printf("It stays in many packs: %s", error->message);
		job_child_log(child, line);
	}
}

/* size_bytes: of a mirror, else less than 0. */
static char *fetched_result(struct job_child *child, const char *url, gint64 size_bytes)
{
	g_autofree char *line = g_strdup_printf("Fetched %s.", url);
	g_autoptr(json_object) result = json_object_new_object();

	text_add(result, "message", line);
	if (size_bytes >= 0)
		json_object_object_add(result, "size_bytes", json_object_new_int64(size_bytes));
	job_child_log(child, line);
	return g_strdup(json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
}

/* The folder's lock keeps others who fetch away, the mirror's those who read it. */
static char *mirror_run(struct job_child *child, json_object *params, GError **error)
{
	g_autofree char *folder = mirror_folder(params, error);
	const char *url = folder != NULL ? json_get_text(params, "url", error) : NULL;

	if (url == NULL || place_lock(folder, TRUE, LOCK_WAIT_MS, error) < 0)
		return NULL;
	g_autofree char *path = g_build_filename(folder, JOB_MIRROR_NAME, NULL);
	parts_remove(folder);
	if (g_file_test(path, G_FILE_TEST_IS_DIR) &&
		place_lock(path, TRUE, LOCK_WAIT_MS, error) < 0)
		return NULL;
	repo_tidy(path, TRUE);
	job_child_progress(child, 0, "fetching");
	repo_clone_heed_end();
	if (!mirror_make(url, path, flag_get(params, "private"), error)) {
		g_prefix_error(error, "it cannot be fetched: ");
		return NULL;
	}
	mirror_repack(child, path);
	return fetched_result(child, url, folder_size(path));
}

static gboolean fetch_make(const char *url, const char *path, gboolean with_private, GError **error)
{
	g_auto(repo_peer) peer = {.login = &shown};

	return repo_url_check(url, error) && peer_find(url, with_private, &peer, error) &&
	       repo_fetch_foreign(url, path, &peer, TIMEOUT_S, error);
}

char *job_fetch_run(struct job_child *child, json_object *params, GError **error)
{
	g_auto(place) place = {0};
	g_autofree char *path = NULL;
	g_autoptr(GError) stays = NULL;

	if (flag_get(params, "mirror"))
		return mirror_run(child, params, error);
	if (!fetched_open(params, &place, &path, error))
		return NULL;
	int lock = place_lock(path, TRUE, LOCK_WAIT_MS, error);
	if (lock < 0)
		return NULL;
	g_autofree char *url = repo_clone_origin(path);
	if (url == NULL) {
		g_set_error(error, MUSTER_ERROR, MUSTER_ERROR_INPUT, "it has no address");
		return NULL;
	}
	g_autofree char *git = g_build_filename(path, ".git", NULL);
	repo_tidy(git, FALSE);
	job_child_progress(child, 0, "fetching");
	repo_clone_heed_end();
	if (!fetch_make(url, path, flag_get(params, "private"), error)) {
		g_prefix_error(error, "it cannot be fetched: ");
		return NULL;
	}
	if (!repo_forward(path, TIMEOUT_S, &stays)) {
		g_autofree char *line =
			g_strdup_printf("Its files stay as they are: %s", stays->message);
		job_child_log(child, line);
	}
	close(lock);
	return fetched_result(child, url, -1);
}

gboolean job_fetch_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	static const char sql[] =
		"select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
		" then muster.fetch_done($1::bigint, $2::uuid, $4::jsonb) else false end";
	gsize len;
	const char *text = g_bytes_get_data(result, &len);

	record->sql = sql;
	record->params[0] = g_strndup(text, len);
	record->n_params = 1;
	return TRUE;
}

/* The lease is asked for first and in the same statement: CASE evaluates in order. */
static const char record_sql[] =
	"select case when muster.job_usage($1::bigint, $2::uuid, $3::jsonb)"
	" then muster.clone_done($1::bigint, $2::uuid,"
	" muster.root_add($4, $5, $6, 'clones', $7) || $8::jsonb) else false end";

gboolean job_clone_record(
	json_object *payload, GBytes *result, struct job_record *record, GError **error)
{
	static const char *const names[] = {"organization", "host", "clones", "project"};
	gsize len;
	const char *text = g_bytes_get_data(result, &len);

	if (is_missing_one(payload))
		return job_remediate_record(payload, result, record, error);
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
